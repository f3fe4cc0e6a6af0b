/* train_history: the record of a run is its own, and a run that goes on has all of it. */
#define _DEFAULT_SOURCE 1 /* folder.h: mkdtemp, seteuid */
#include "nn_support.h"

#include "support/folder.h"

#include <math.h>

/* A run with a metric, whose name lives no longer than it. */
typedef struct run {
    nn_module *net;
    nn_params *params;
    nn_optim *optim;
    nn_dataset train, validation;
    nn_history history;
    int64_t epoch; /* done */
    char name[16];
    const char *save_to; /* after each epoch; NULL: nowhere */
} run;

static run run_new(const char *metric) {
    run r = {.epoch = 0};
    ag_error error = {0};
    (void)snprintf(r.name, sizeof r.name, "%s", metric);
    r.net = nn_linear(2, 2, &error);
    r.params = nn_params_new(r.net, AG_F32, 1, &error);
    r.optim = nn_adam(r.params, 0.05, &error);
    ck_assert_msg(r.optim != NULL, "%s", error.message);
    ck_assert_int_eq(nn_dataset_moons(64, 0.1, 1, &r.train, &error), AG_OK);
    ck_assert_int_eq(nn_dataset_moons(40, 0.1, 2, &r.validation, &error), AG_OK);
    return r;
}

static void run_free(run *r) {
    memset(r->name, '#', sizeof r->name);
    nn_history_clear(&r->history);
    nn_dataset_clear(&r->train);
    nn_dataset_clear(&r->validation);
    nn_optim_free(r->optim);
    nn_params_free(r->params);
    nn_module_free(r->net);
}

static nn_checkpoint all_of(run *r) {
    return (nn_checkpoint){.params = r->params, .optim = r->optim, .epoch = &r->epoch, .history = &r->history};
}

static bool after_epoch(void *user, const nn_fit_state *now) {
    run *r = user;
    ag_error error = {0};
    r->epoch = now->epoch + 1;
    const nn_checkpoint is = all_of(r);
    if (r->save_to) ck_assert_msg(nn_checkpoint_save(&is, r->save_to, &error) == AG_OK, "%s", error.message);
    return true;
}

static ag_status fit(run *r, int64_t epochs, ag_error *error) {
    nn_top_k top = {.k = 1};
    const nn_metric metric = nn_metric_top_k(r->name, &top);
    return nn_fit(r->net, r->params, r->optim,
                  &(nn_fit_options){.train = &r->train,
                                    .validation = &r->validation,
                                    .loss = nn_cross_entropy,
                                    .epochs = epochs,
                                    .first = r->epoch,
                                    .seed = 5,
                                    .threads = 1,
                                    .metrics = &metric,
                                    .metric_count = 1,
                                    .after_epoch = after_epoch,
                                    .user = r},
                  &r->history, error);
}

static void must_fit(run *r, int64_t epochs) {
    ag_error error = {0};
    ck_assert_msg(fit(r, epochs, &error) == AG_OK, "%s", error.message);
}

static void check_same_table(const run *a, const run *b) {
    char table[2][4096];
    const run *of[2] = {a, b};
    for (int k = 0; k < 2; k++) {
        const char *path = in_folder("table.csv");
        ck_assert_int_eq(nn_history_csv(&of[k]->history, path, NULL), AG_OK);
        FILE *f = fopen(path, "r");
        ck_assert_ptr_nonnull(f);
        table[k][fread(table[k], 1, sizeof table[k] - 1, f)] = '\0';
        ck_assert_int_eq(fclose(f), 0);
    }
    ck_assert_str_eq(table[0], table[1]);
}

static float first_weight(const run *r) { return *(const float *)ag_tensor_data(nn_params_slab(r->params)); }

START_TEST(a_run_that_goes_on_has_the_history_of_one_that_never_stopped) {
    run whole = run_new("accuracy"), first = run_new("accuracy"), rest = run_new("accuracy");
    must_fit(&whole, 7);
    first.save_to = in_folder("run.safetensors");
    must_fit(&first, 3);
    ag_error error = {0};
    ck_assert_int_eq(nn_history_add(&rest.history, &(nn_epoch){.epoch = 99}, &error), AG_OK);
    const nn_checkpoint is = all_of(&rest); /* which has an epoch, and no metrics, that the file replaces */
    ck_assert_msg(nn_checkpoint_load(&is, in_folder("run.safetensors"), &error) == AG_OK, "%s", error.message);
    check_same_table(&first, &rest);
    run_free(&first);
    ck_assert_str_eq(rest.history.name[0], "accuracy"); /* neither the file's nor the other run's */
    must_fit(&rest, 7);
    check_same_table(&whole, &rest);
    ck_assert_uint_eq(rest.history.best, whole.history.best);
    ck_assert_int_eq(rest.history.stopped, whole.history.stopped);
    run_free(&rest);
    run_free(&whole);
}
END_TEST

START_TEST(numbers_keep_their_bits) {
    run a = run_new("accuracy"), b = run_new("accuracy");
    const char *const name[] = {"m", "n, \"q\""};
    nn_epoch e = {.epoch = 4, .steps = INT64_C(1) << 53, .skipped = 2, .lr = -0.0, .loss = INFINITY};
    e.validation_loss = -NAN;
    e.metric[1] = 5e-324;
    e.validation_metric[0] = NAN;
    e.validation_metric[1] = 1.0 / 3;
    ck_assert_int_eq(nn_history_metrics(&a.history, name, 2, NULL), AG_OK);
    ck_assert_int_eq(nn_history_add(&a.history, &e, NULL), AG_OK);
    ck_assert_int_eq(nn_history_add(&a.history, &e, NULL), AG_OK);
    a.history.best = 1;
    a.history.stopped = true;
    const nn_checkpoint from = all_of(&a), into = all_of(&b);
    ck_assert_int_eq(nn_checkpoint_save(&from, in_folder("x"), NULL), AG_OK);
    ck_assert_int_eq(nn_checkpoint_load(&into, in_folder("x"), NULL), AG_OK);
    ck_assert_uint_eq(b.history.count, 2);
    ck_assert_uint_eq(b.history.metrics, 2);
    ck_assert_uint_eq(b.history.best, 1);
    ck_assert(b.history.stopped);
    for (int k = 0; k < 2; k++) {
        const nn_epoch *x = &b.history.epoch[k];
        ck_assert_str_eq(b.history.name[k], name[k]);
        ck_assert(x->epoch == e.epoch && x->steps == e.steps && x->skipped == e.skipped);
        ck_assert_mem_eq(&x->lr, &e.lr, sizeof e.lr);
        ck_assert_mem_eq(&x->loss, &e.loss, sizeof e.loss);
        ck_assert_mem_eq(&x->validation_loss, &e.validation_loss, sizeof e.loss);
        ck_assert_mem_eq(x->metric, e.metric, 2 * sizeof e.loss);
        ck_assert_mem_eq(x->validation_metric, e.validation_metric, 2 * sizeof e.loss);
    }
    run_free(&a);
    run_free(&b);
}
END_TEST

START_TEST(a_history_without_epochs_is_one_too) {
    run a = run_new("accuracy"), b = run_new("accuracy");
    must_fit(&b, 1);
    const nn_checkpoint from = all_of(&a), into = all_of(&b);
    ck_assert_int_eq(nn_checkpoint_save(&from, in_folder("x"), NULL), AG_OK);
    ck_assert_int_eq(nn_checkpoint_load(&into, in_folder("x"), NULL), AG_OK);
    ck_assert_uint_eq(b.history.count, 0);
    ck_assert_uint_eq(b.history.metrics, 0);
    run_free(&a);
    run_free(&b);
}
END_TEST

/* What a file may say instead. A NULL tensor: leave it out. */
typedef struct edit {
    const char *tensor; /* which one; NULL: none */
    ag_tensor *with;
    const char *metadata; /* key to leave out; NULL: none */
} edit;

/* The checkpoint of `r` with something else in it. */
static void save_edited(run *r, edit e) {
    enum { MOST = 40 };
    const nn_checkpoint is = all_of(r);
    ck_assert_int_eq(nn_checkpoint_save(&is, in_folder("x"), NULL), AG_OK);
    ag_safetensors *file = ag_safetensors_read(in_folder("x"), NULL);
    ck_assert_ptr_nonnull(file);
    ag_tensor *tensor[MOST];
    const char *name[MOST];
    size_t n = 0;
    for (size_t k = 0; k < ag_safetensors_count(file); k++) {
        const bool edited = e.tensor && strcmp(ag_safetensors_name(file, k), e.tensor) == 0;
        if (edited && !e.with) continue;
        ck_assert_uint_lt(n, MOST);
        name[n] = ag_safetensors_name(file, k);
        tensor[n++] = edited ? e.with : ag_safetensors_tensor(file, k);
    }
    const char *metadata[8] = {NULL};
    static const char *const keys[] = {"optimiser", "history.metric.0"};
    size_t m = 0;
    for (int k = 0; k < 2; k++) {
        if (e.metadata && strcmp(keys[k], e.metadata) == 0) continue;
        metadata[m++] = keys[k];
        metadata[m++] = ag_safetensors_metadata(file, keys[k]);
    }
    ck_assert_int_eq(ag_safetensors_write(in_folder("x"), tensor, name, n, metadata, NULL), AG_OK);
    ag_safetensors_free(file);
    ag_tensor_free(e.with);
}

/* It is refused, says `text`, and nothing is touched. */
static void check_refused(run *from, edit e, ag_status want, const char *text) {
    run into = run_new("accuracy"), twin = run_new("accuracy");
    must_fit(&into, 1);
    must_fit(&twin, 1);
    save_edited(from, e);
    ag_error error = {0};
    const nn_checkpoint is = all_of(&into);
    ck_assert_int_eq(nn_checkpoint_load(&is, in_folder("x"), &error), want);
    ck_assert_msg(strstr(error.message, text) != NULL, "\"%s\" lacks \"%s\"", error.message, text);
    ck_assert_ptr_eq(strstr(error.message, folder), error.message); /* the file comes first */
    check_same_table(&into, &twin);
    ck_assert_int_eq(into.epoch, 1);
    ck_assert(first_weight(&into) == first_weight(&twin));
    run_free(&into);
    run_free(&twin);
}

static ag_tensor *filled(ag_dtype dtype, int rank, const int64_t *dim, double x) {
    ag_tensor *t = ag_tensor_new(dtype, rank, dim, NULL);
    ck_assert_ptr_nonnull(t);
    ck_assert_int_eq(ag_tensor_fill(t, x), AG_OK);
    return t;
}

/* (best, stopped) */
static ag_tensor *end_of(int64_t best, int64_t stopped) {
    ag_tensor *t = filled(AG_I64, 1, (int64_t[]){2}, 0);
    ((int64_t *)ag_tensor_write(t))[0] = best;
    ((int64_t *)ag_tensor_write(t))[1] = stopped;
    return t;
}

START_TEST(a_file_whose_history_does_not_fit_is_refused_and_nothing_is_touched) {
    static const char *const tensors[] = {"history.whole", "history.real", "history.end"};
    static const struct {
        int tensor;
        ag_dtype dtype;
        int rank;
        int64_t dim[2];
        const char *says;
    } bad[] = {
        {0, AG_F64, 2, {2, 3}, "\"history.whole\" is f64, should be i64"},
        {1, AG_F32, 2, {2, 5}, "\"history.real\" is f32, should be f64"},
        {2, AG_BOOL, 1, {2, 0}, "\"history.end\" is bool, should be i64"},
        {0, AG_I64, 1, {6, 0}, "\"history.whole\" has rank 1, should have 2"},
        {2, AG_I64, 2, {1, 2}, "\"history.end\" has rank 2, should have 1"},
        {0, AG_I64, 2, {2, 4}, "do not fit each other"},
        {0, AG_I64, 2, {3, 3}, "do not fit each other"},
        {1, AG_F64, 2, {2, 2}, "do not fit each other"},
        {1, AG_F64, 2, {2, 4}, "do not fit each other"},
        {1, AG_F64, 2, {2, 21}, "do not fit each other"}, /* nine metrics */
        {2, AG_I64, 1, {3, 0}, "do not fit each other"},
        {1, AG_F64, 2, {2, 7}, "history.metric.1 is missing"},
    };
    run r = run_new("accuracy");
    must_fit(&r, 2);
    for (int k = 0; k < 3; k++) {
        char says[64];
        (void)snprintf(says, sizeof says, "\"%s\" is missing", tensors[k]);
        check_refused(&r, (edit){.tensor = tensors[k]}, AG_ERROR_FORMAT, says);
    }
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
        check_refused(&r, (edit){tensors[bad[k].tensor], filled(bad[k].dtype, bad[k].rank, bad[k].dim, 0), NULL},
                      AG_ERROR_FORMAT, bad[k].says);
    check_refused(&r, (edit){.metadata = "history.metric.0"}, AG_ERROR_FORMAT, "history.metric.0 is missing");
    check_refused(&r, (edit){tensors[2], end_of(2, 0), NULL}, AG_ERROR_VALUE, "the best of 2 epochs is number 2");
    check_refused(&r, (edit){tensors[2], end_of(-1, 0), NULL}, AG_ERROR_VALUE, "number -1");
    static const double counts[] = {-1, 0x1p54};
    for (int k = 0; k < 2; k++)
        check_refused(&r, (edit){tensors[0], filled(AG_I64, 2, (int64_t[]){2, 3}, counts[k]), NULL},
                      AG_ERROR_VALUE, "nn_history: one that has counted");
    run_free(&r);
}
END_TEST

START_TEST(a_history_is_in_the_file_and_in_the_run_or_in_neither) {
    run a = run_new("accuracy"), b = run_new("accuracy");
    must_fit(&a, 1);
    nn_checkpoint with = all_of(&a), without = all_of(&b);
    without.history = NULL;
    ag_error error = {0};
    ck_assert_int_eq(nn_checkpoint_save(&with, in_folder("x"), NULL), AG_OK);
    ck_assert_int_eq(nn_checkpoint_load(&without, in_folder("x"), &error), AG_ERROR_FORMAT);
    ck_assert_ptr_nonnull(strstr(error.message, "\"history.whole\" is not in the run"));
    ck_assert_int_eq(nn_checkpoint_save(&without, in_folder("x"), NULL), AG_OK);
    ck_assert_int_eq(nn_checkpoint_load(&with, in_folder("x"), &error), AG_ERROR_FORMAT);
    ck_assert_ptr_nonnull(strstr(error.message, "\"history.whole\" is missing"));
    ck_assert_uint_eq(a.history.count, 1);
    run_free(&a);
    run_free(&b);
}
END_TEST

START_TEST(other_metrics_than_those_of_the_history_are_refused) {
    run r = run_new("accuracy");
    must_fit(&r, 1);
    (void)snprintf(r.name, sizeof r.name, "f1");
    ag_error error = {0};
    ck_assert_int_eq(fit(&r, 2, &error), AG_ERROR_VALUE);
    ck_assert_str_eq(error.message, "nn_fit: the history has other metrics");
    ck_assert_str_eq(r.history.name[0], "accuracy");
    const char *const same[] = {"accuracy"}, *const none[] = {NULL}, *many[NN_FIT_METRICS + 1];
    for (int k = 0; k <= NN_FIT_METRICS; k++) many[k] = "many";
    ck_assert_int_eq(nn_history_metrics(&r.history, same, 1, NULL), AG_OK);
    ck_assert_int_eq(nn_history_metrics(&r.history, same, 0, NULL), AG_ERROR_VALUE);
    ck_assert_int_eq(nn_history_metrics(&r.history, none, 1, NULL), AG_ERROR_VALUE);
    ck_assert_int_eq(nn_history_metrics(&r.history, many, NN_FIT_METRICS + 1, NULL), AG_ERROR_VALUE);
    run_free(&r);
    nn_history h = {0};
    ck_assert_int_eq(nn_history_metrics(&h, many, NN_FIT_METRICS, NULL), AG_OK);
    ck_assert_int_eq(nn_history_metrics(&h, same, 1, NULL), AG_OK); /* it has no epochs yet */
    ck_assert_uint_eq(h.metrics, 1);
    ck_assert(h.name[0] != same[0]);
    nn_history_clear(&h);
}
END_TEST

static run *shared;

static bool save_and_load(void) {
    ag_error error = {0};
    nn_history h = {0};
    ag_status status = nn_history_metrics(&h, (const char *const[]){"a", "b"}, 2, &error);
    for (int k = 0; !status && k < 2; k++) status = nn_history_add(&h, &(nn_epoch){.epoch = k}, &error);
    nn_checkpoint is = all_of(shared);
    is.history = &h;
    if (!status) status = nn_checkpoint_save(&is, in_folder("x"), &error);
    if (!status) status = nn_checkpoint_load(&is, in_folder("x"), &error);
    if (status) ck_assert_int_eq(error.status, AG_ERROR_MEMORY);
    nn_history_clear(&h);
    return status == AG_OK;
}

START_TEST(every_failed_allocation_is_reported_and_leaves_nothing) {
    counting_allocator_install(); /* what is made before must be its own, too */
    run r = run_new("accuracy");
    shared = &r;
    test_every_allocation(save_and_load);
    ck_assert_int_eq(folder_count(), 1);
    run_free(&r);
}
END_TEST

Suite *train_history_suite(void) {
    Suite *s = suite_create("train_history");
    TCase *tc = tcase_create("train_history");
    tcase_add_checked_fixture(tc, folder_make, folder_remove);
    tcase_add_test(tc, a_run_that_goes_on_has_the_history_of_one_that_never_stopped);
    tcase_add_test(tc, numbers_keep_their_bits);
    tcase_add_test(tc, a_history_without_epochs_is_one_too);
    tcase_add_test(tc, a_file_whose_history_does_not_fit_is_refused_and_nothing_is_touched);
    tcase_add_test(tc, a_history_is_in_the_file_and_in_the_run_or_in_neither);
    tcase_add_test(tc, other_metrics_than_those_of_the_history_are_refused);
    tcase_add_test(tc, every_failed_allocation_is_reported_and_leaves_nothing);
    suite_add_tcase(s, tc);
    return s;
}
