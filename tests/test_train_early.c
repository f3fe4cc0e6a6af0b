/* train_early: the best weights come back, and a run that goes on stops where it would have stopped. */
#define _DEFAULT_SOURCE 1 /* folder.h: mkdtemp, seteuid */
#include "nn_support.h"

#include "support/folder.h"

#include <math.h>

/* Batch norm has buffers, of floats and of a count; dropout draws. */
typedef struct run {
    nn_module *net;
    nn_params *params;
    nn_optim *optim;
    nn_early *early;
    nn_schedule schedule;
    nn_dataset train, validation;
    nn_history history;
    int64_t epoch; /* done */
    nn_checkpoint is;
    const char *save_to; /* after each epoch; NULL: nowhere */
    int64_t stop_after;  /* an epoch's number */
} run;

static run run_new(void) {
    run r = {.stop_after = INT64_MAX};
    ag_error error = {0};
    nn_module *layers[] = {nn_linear(2, 8, &error), nn_batch_norm1d(8, NULL, &error),
                           nn_activation_layer(NN_TANH, &error), nn_dropout(0.1, &error), nn_linear(8, 2, &error)};
    r.net = nn_sequential(layers, 5, &error);
    r.params = nn_params_new(r.net, AG_F32, 1, &error);
    r.optim = nn_adam(r.params, 0.02, &error);
    r.early = nn_early_new(r.params, &error);
    ck_assert_msg(r.early && r.optim, "%s", error.message);
    r.schedule = nn_schedule_linear(0.01, 1, 200, 60); /* gets worse for certain */
    ck_assert_int_eq(nn_dataset_moons(64, 0.1, 1, &r.train, &error), AG_OK);
    ck_assert_int_eq(nn_dataset_moons(40, 0.1, 2, &r.validation, &error), AG_OK);
    return r;
}

static void run_free(run *r) {
    nn_history_clear(&r->history);
    nn_dataset_clear(&r->train);
    nn_dataset_clear(&r->validation);
    nn_early_free(r->early);
    nn_optim_free(r->optim);
    nn_params_free(r->params);
    nn_module_free(r->net);
}

static nn_checkpoint all_of(run *r) {
    return (nn_checkpoint){.params = r->params, .optim = r->optim, .early = r->early, .epoch = &r->epoch};
}

static bool after_epoch(void *user, const nn_fit_state *now) {
    run *r = user;
    ag_error error = {0};
    r->epoch = now->epoch + 1;
    const nn_checkpoint is = all_of(r);
    if (r->save_to) ck_assert_msg(nn_checkpoint_save(&is, r->save_to, &error) == AG_OK, "%s", error.message);
    return now->epoch < r->stop_after;
}

static ag_status fit(run *r, int64_t patience, ag_error *error) {
    return nn_fit(r->net, r->params, r->optim,
                  &(nn_fit_options){.train = &r->train,
                                    .validation = &r->validation,
                                    .loss = nn_cross_entropy,
                                    .epochs = 100,
                                    .first = r->epoch,
                                    .seed = 5,
                                    .threads = 1,
                                    .schedule = &r->schedule,
                                    .patience = patience,
                                    .early = r->early,
                                    .after_epoch = after_epoch,
                                    .user = r},
                  &r->history, error);
}

static bool same_weights(const run *a, const run *b) {
    bool same = true;
    for (size_t i = 0; i < nn_params_kept(a->params); i++) {
        const ag_tensor *x = nn_params_keep(a->params, i), *y = nn_params_keep(b->params, i);
        same = same && memcmp(ag_tensor_data(x), ag_tensor_data(y), ag_meta_bytes(ag_tensor_meta(x))) == 0;
    }
    return same;
}

static void paint(nn_params *p, double x) {
    for (size_t i = 0; i < nn_params_kept(p); i++)
        ck_assert_int_eq(ag_tensor_fill(nn_params_keep(p, i), x), AG_OK);
}

static bool is_painted(nn_params *p, double x) {
    bool same = true;
    for (size_t i = 0; i < nn_params_kept(p); i++)
        for (int64_t k = 0; k < ag_tensor_count(nn_params_keep(p, i)); k++)
            same = same && ag_tensor_get(nn_params_keep(p, i), k) == x;
    return same;
}

START_TEST(the_best_weights_and_buffers_come_back) {
    run r = run_new();
    paint(r.params, 7);
    nn_early_restore(r.early); /* nothing was told */
    ck_assert(is_painted(r.params, 7));
    static const struct {
        double told;
        bool better;
        int64_t since;
    } step[] = {{NAN, false, 1}, {INFINITY, false, 2}, {3, true, 0}, {2.5, false, 1},
                {2, true, 0},    {NAN, false, 1},      {2, false, 2}};
    for (int i = 0; i < 7; i++) {
        paint(r.params, i);
        ck_assert_int_eq(nn_early_tell(r.early, step[i].told, 0.5), step[i].better);
        ck_assert_int_eq(nn_early_since(r.early), step[i].since);
        nn_early_restore(r.early);
        ck_assert(is_painted(r.params, i < 2 ? i : i < 4 ? 2 : 4));
    }
    ck_assert(nn_early_least(r.early) == 2);
    ck_assert(nn_early_tell(r.early, -INFINITY, 0));
    paint(r.params, 9);
    nn_early_restore(r.early);
    ck_assert(is_painted(r.params, 4));
    run_free(&r);
}
END_TEST

START_TEST(a_run_that_goes_on_stops_where_it_would_have_stopped) {
    run whole = run_new();
    folder_make();
    ag_error error = {0};
    ck_assert_msg(fit(&whole, 4, &error) == AG_OK, "%s", error.message);
    const int64_t epochs = (int64_t)whole.history.count, best = (int64_t)whole.history.best;
    ck_assert(whole.history.stopped && best > 0);
    ck_assert_int_eq(epochs, best + 1 + 4);
    for (int64_t stop = 0; stop < epochs; stop++) { /* before the best epoch, after it, and at the end */
        run first = run_new(), second = run_new();
        first.save_to = in_folder("run");
        first.stop_after = stop;
        ck_assert_int_eq(fit(&first, 4, &error), AG_OK);
        const nn_checkpoint is = all_of(&second);
        ck_assert_msg(nn_checkpoint_load(&is, first.save_to, &error) == AG_OK, "%s", error.message);
        ck_assert_int_eq(second.epoch, stop + 1);
        ck_assert_int_eq(fit(&second, 4, &error), AG_OK);
        ck_assert_int_eq((int64_t)second.history.count, epochs - stop - 1);
        ck_assert(second.history.stopped);
        ck_assert_msg(same_weights(&whole, &second), "stopped after epoch %lld", (long long)stop);
        run_free(&first);
        run_free(&second);
    }
    run_free(&whole);
    folder_remove();
}
END_TEST

START_TEST(without_patience_nothing_stops_and_the_best_comes_back) {
    run patient = run_new(), run_on = run_new();
    ag_error error = {0};
    ck_assert_int_eq(fit(&patient, 4, &error), AG_OK);
    run_on.stop_after = (int64_t)patient.history.count + 2;
    ck_assert_int_eq(fit(&run_on, 0, &error), AG_OK);
    ck_assert_uint_eq(run_on.history.count, patient.history.count + 3);
    ck_assert_uint_eq(run_on.history.best, patient.history.best);
    ck_assert(same_weights(&patient, &run_on));
    run_free(&patient);
    run_free(&run_on);
}
END_TEST

START_TEST(what_cannot_be_is_refused_and_nothing_is_touched) {
    run r = run_new(), other = run_new();
    folder_make();
    ag_error error = {0};
    ck_assert_ptr_null(nn_early_new(NULL, &error));
    ck_assert_int_eq(error.status, AG_ERROR_VALUE);
    nn_early *own = r.early;
    r.early = other.early;
    ck_assert_int_eq(fit(&r, 1, &error), AG_ERROR_VALUE);
    const nn_checkpoint mixed = all_of(&r);
    ck_assert_int_eq(nn_checkpoint_save(&mixed, in_folder("run"), &error), AG_ERROR_VALUE);
    r.early = own;
    ck_assert_int_eq(nn_early_set(r.early, NAN, 0, &error), AG_ERROR_VALUE);
    ck_assert_int_eq(nn_early_set(r.early, 1, -1, &error), AG_ERROR_VALUE);
    ck_assert_int_eq(nn_early_set(r.early, 1, INT64_MAX, &error), AG_ERROR_VALUE);
    ck_assert(nn_early_least(r.early) == INFINITY && nn_early_since(r.early) == 0);
    ck_assert_ptr_null(nn_early_keep(r.early, nn_params_kept(r.params)));
    /* A file that is refused for its rate, which is looked at last. */
    ck_assert(nn_early_tell(r.early, 3, 0));
    ck_assert(!nn_early_tell(r.early, 3, 0));
    ck_assert(nn_early_tell(other.early, 2, 0));
    nn_optim_set_lr(other.optim, -1);
    const nn_checkpoint from = all_of(&other), into = all_of(&r);
    ck_assert_int_eq(nn_checkpoint_save(&from, in_folder("run"), &error), AG_OK);
    ck_assert_int_eq(nn_checkpoint_load(&into, in_folder("run"), &error), AG_ERROR_VALUE);
    ck_assert(nn_early_least(r.early) == 3 && nn_early_since(r.early) == 1);
    /* A run that remembers, and a file that does not. */
    const nn_checkpoint less = {.params = r.params};
    const nn_checkpoint more = {.params = r.params, .early = r.early};
    ck_assert_int_eq(nn_checkpoint_save(&less, in_folder("run"), &error), AG_OK);
    ck_assert_int_eq(nn_checkpoint_load(&more, in_folder("run"), &error), AG_ERROR_FORMAT);
    ck_assert_ptr_nonnull(strstr(error.message, "\"early.copy.0.weight\" is missing"));
    run_free(&r);
    run_free(&other);
    folder_remove();
}
END_TEST

static nn_params *shared;

static bool make_early(void) {
    ag_error error = {0};
    nn_early *e = nn_early_new(shared, &error);
    if (!e) ck_assert_int_eq(error.status, AG_ERROR_MEMORY);
    nn_early_free(e);
    return e != NULL;
}

START_TEST(no_allocation_that_fails_leaves_anything) {
    counting_allocator_install();
    run r = run_new();
    shared = r.params;
    test_every_allocation(make_early);
    run_free(&r);
}
END_TEST

Suite *train_early_suite(void) {
    Suite *s = suite_create("train_early");
    TCase *tc = tcase_create("train_early");
    tcase_add_test(tc, the_best_weights_and_buffers_come_back);
    tcase_add_test(tc, a_run_that_goes_on_stops_where_it_would_have_stopped);
    tcase_add_test(tc, without_patience_nothing_stops_and_the_best_comes_back);
    tcase_add_test(tc, what_cannot_be_is_refused_and_nothing_is_touched);
    tcase_add_test(tc, no_allocation_that_fails_leaves_anything);
    suite_add_tcase(s, tc);
    return s;
}
