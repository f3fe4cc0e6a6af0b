/* train_fit: the loop learns, repeats itself to the bit, stops where it should, and refuses what it cannot do. What it prints
 * is in test_train_progress.c. */
#define _GNU_SOURCE 1 /* folder.h: mkdtemp, seteuid */
#include "train_support.h"

#include "support/folder.h"

#include <locale.h>
#include <math.h>

START_TEST(it_learns_and_the_history_says_so) {
    bench b = bench_new();
    nn_top_k top = {.k = 1};
    nn_confusion table;
    ck_assert_int_eq(nn_confusion_init(&table, 2, NULL), AG_OK);
    const nn_metric metrics[] = {nn_metric_top_k("accuracy", &top), nn_metric_macro_f1("f1", &table)};
    b.is.metrics = metrics;
    b.is.metric_count = 2;
    b.is.epochs = 30;
    b.is.validation = &b.validation;
    fits(&b);
    ck_assert_uint_eq(b.history.count, 30);
    const nn_epoch *first = &b.history.epoch[0], *last = &b.history.epoch[29];
    ck_assert_double_lt(last->loss, 0.5 * first->loss);
    ck_assert_double_gt(last->validation_metric[0], 0.95);
    ck_assert_double_gt(last->validation_metric[1], 0.95);
    ck_assert_int_eq(last->steps, 30 * 7); /* 200 samples by 32 */
    ck_assert_int_eq(last->epoch, 29);
    ck_assert_int_eq(nn_confusion_total(&table), 70); /* of the last pass alone */
    ck_assert_double_eq(nn_top_k_accuracy(&top), last->validation_metric[0]);
    for (size_t i = 0; i < 30; i++)
        ck_assert_double_ge(b.history.epoch[i].validation_loss, b.history.epoch[b.history.best].validation_loss);
    ck_assert(!b.history.stopped);
    nn_confusion_clear(&table);
    bench_free(&b);
}
END_TEST

/* The loop written out. */
START_TEST(it_does_what_a_loop_by_hand_does) {
    bench a = bench_new(), b = bench_new();
    const nn_schedule schedule = nn_schedule_cosine(0.05, 14, 0);
    a.is.schedule = &schedule;
    a.is.clip_norm = 0.3;
    a.is.epochs = 2;
    fits(&a);
    ag_tape *t = ag_tape_new(&(ag_tape_options){.threads = 1});
    nn_batcher *batches = nn_batcher_new(&b.train, 32, true, 5, NULL);
    nn_pass pass = {t, true};
    double loss[2] = {0};
    for (int64_t e = 0; e < 2; e++) {
        ag_tape_random_set(t, (ag_random){5, (uint64_t)e << 40});
        nn_batcher_start(batches, e);
        for (ag_tensor *x, *y; nn_batcher_next(batches, &x, &y);) {
            const ag_mark mark = ag_tape_mark(t);
            nn_params_zero_grad(b.params);
            const ag_value l = nn_cross_entropy(nn_forward(b.net, &pass, ag_constant(t, x)), ag_constant(t, y));
            ck_assert_int_eq(ag_backward(l), AG_OK);
            loss[e] += ag_item(l) * (double)ag_tensor_count(y);
            ck_assert_int_eq(ag_tape_rewind(t, mark), AG_OK);
            ck_assert_int_eq(nn_clip_norm(b.params, 0.3, 2, NULL, NULL), AG_OK);
            nn_schedule_apply(&schedule, b.optim);
            ck_assert_int_eq(nn_optim_step(b.optim, NULL), AG_OK);
        }
        ck_assert_double_eq(a.history.epoch[e].loss, loss[e] / 200);
        ck_assert_double_eq(a.history.epoch[e].lr, nn_schedule_at(&schedule, 7 * e + 6));
    }
    ck_assert(same_weights(&a, &b));
    ck_assert(isnan(a.history.epoch[0].validation_loss));
    nn_batcher_free(batches);
    ag_tape_free(t);
    bench_free(&a);
    bench_free(&b);
}
END_TEST

START_TEST(the_same_seed_gives_the_same_bits_also_in_two_pieces) {
    bench whole = bench_new(), again = bench_new(), pieces = bench_new(), other = bench_new();
    other.is.seed = 6;
    pieces.is.epochs = 2;
    again.is.validation = &again.validation; /* looking on changes nothing */
    fits(&whole);
    fits(&again);
    fits(&other);
    fits(&pieces);
    pieces.is.first = 2;
    pieces.is.epochs = 4;
    fits(&pieces);
    ck_assert(same_weights(&whole, &again));
    ck_assert(!same_weights(&whole, &other));
    ck_assert(same_weights(&whole, &pieces));
    ck_assert_uint_eq(pieces.history.count, 4);
    for (int i = 0; i < 4; i++) ck_assert_double_eq(whole.history.epoch[i].loss, pieces.history.epoch[i].loss);
    bench_free(&whole);
    bench_free(&again);
    bench_free(&pieces);
    bench_free(&other);
}
END_TEST

typedef struct kept { /* by a callback: weights after the epoch that was best so far */
    const bench *b;
    unsigned char best[4096];
    int64_t at_batch, calls;
} kept;

static bool keep_best(void *user, const nn_fit_state *now) {
    kept *k = user;
    const ag_tensor *slab = nn_params_slab(k->b->params);
    if (now->history->best == now->history->count - 1)
        memcpy(k->best, ag_tensor_data(slab), ag_meta_bytes(ag_tensor_meta(slab)));
    k->calls++;
    return true;
}

START_TEST(it_stops_early_and_puts_the_best_weights_back) {
    bench b = bench_new();
    static kept k;
    k = (kept){.b = &b};
    const nn_schedule wild = nn_schedule_linear(0.01, 1, 200, 60); /* gets worse for certain */
    b.is.schedule = &wild;
    b.is.validation = &b.validation;
    b.is.epochs = 200;
    b.is.patience = 3;
    b.is.after_epoch = keep_best;
    b.is.user = &k;
    fits(&b);
    ck_assert(b.history.stopped);
    ck_assert_uint_lt(b.history.count, 200);
    ck_assert_uint_eq(b.history.count, b.history.best + 1 + 3);
    ck_assert_int_eq(k.calls, (int64_t)b.history.count);
    const ag_tensor *slab = nn_params_slab(b.params);
    ck_assert_mem_eq(ag_tensor_data(slab), k.best, ag_meta_bytes(ag_tensor_meta(slab)));
    bench_free(&b);
}
END_TEST

static bool stop_at_batch(void *user, const nn_fit_state *now) {
    kept *k = user;
    k->calls++;
    ck_assert_int_eq(now->batches, 7);
    return !(now->epoch == 1 && now->batch == k->at_batch);
}

START_TEST(a_callback_stops_it_at_once) {
    bench b = bench_new();
    static kept k;
    k = (kept){.at_batch = 3};
    b.is.after_batch = stop_at_batch;
    b.is.user = &k;
    fits(&b);
    ck_assert_int_eq(nn_optim_steps(b.optim), 7 + 3);
    ck_assert_int_eq(k.calls, 7 + 3);
    ck_assert_uint_eq(b.history.count, 1); /* whole epochs */
    ck_assert(b.history.stopped);
    bench_free(&b);
}
END_TEST

static bool until(void *user, const nn_fit_state *now) { return now->epoch < *(const int64_t *)user; }

START_TEST(a_callback_behind_the_last_epoch_has_stopped_nothing) {
    for (int64_t last = 0; last < 3; last++) {
        bench b = bench_new();
        b.is.epochs = 3;
        b.is.after_epoch = until;
        b.is.user = &last;
        fits(&b);
        ck_assert_uint_eq(b.history.count, (size_t)last + 1);
        ck_assert_int_eq(b.history.stopped, last < 2);
        bench_free(&b);
    }
}
END_TEST

START_TEST(the_table_has_a_line_for_each_epoch_and_all_digits) {
    folder_make();
    nn_epoch e[2] = {
        {.epoch = 0, .steps = 7, .lr = 0.1, .loss = 2, .metric = {0.5}, .validation_loss = NAN},
        {.epoch = 1, .steps = 14, .skipped = 3, .lr = 0.25, .loss = 1, .metric = {1}, .validation_loss = 3}};
    e[0].validation_metric[0] = NAN;
    const nn_history h = {.count = 2, .metrics = 1, .epoch = e, .name = {"a,\"b\""}};
    ag_error error = {0};
    ck_assert_msg(nn_history_csv(&h, in_folder("run.csv"), &error) == AG_OK, "%s", error.message);
    static const char want[] =
        "epoch,steps,skipped,lr,loss,\"a,\"\"b\"\"\",validation_loss,\"validation_a,\"\"b\"\"\"\n"
        "0,7,0,0.10000000000000001,2,0.5,,\n"
        "1,14,3,0.25,1,1,3,0\n";
    ck_assert(file_holds(in_folder("run.csv"), want, sizeof want - 1));
    static const char *const with_commas[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE"};
    for (int i = 0; i < 4 && !setlocale(LC_NUMERIC, with_commas[i]); i++)
        continue; /* one of them, where there is one */
    ck_assert_int_eq(nn_history_csv(&h, in_folder("run.csv"), &error), AG_OK);
    ck_assert(file_holds(in_folder("run.csv"), want, sizeof want - 1));
    ck_assert_int_eq(folder_count(), 1);
    ck_assert_int_eq(nn_history_csv(&h, in_folder("none/run.csv"), &error), AG_ERROR_IO);
    folder_remove();
}
END_TEST

static ag_value nan_loss(ag_value y, ag_value target) {
    return ag_mul(nn_cross_entropy(y, target), ag_number(y, NAN));
}

START_TEST(misuse_is_refused_and_says_where) {
    bench b = bench_new();
    ag_error error = {0};
    const nn_fit_options good = b.is;
    ck_assert_int_eq(nn_fit(b.net, b.params, b.optim, &good, &b.history, &error), AG_ERROR_VALUE); /* no data */
    ck_assert_int_eq(nn_fit(b.net, b.params, b.optim, &good, NULL, &error), AG_ERROR_VALUE);
    b.is.epochs = 0;
    ck_assert_int_eq(fit(&b, &error), AG_ERROR_VALUE);
    b.is = good;
    b.is.clip_norm = -1;
    ck_assert_int_eq(fit(&b, &error), AG_ERROR_VALUE);
    b.is = good;
    b.is.metric_count = NN_FIT_METRICS + 1;
    ck_assert_int_eq(fit(&b, &error), AG_ERROR_VALUE);
    b.is = good;
    const nn_schedule none = nn_schedule_step(1, 0, 1);
    b.is.schedule = &none;
    ck_assert_int_eq(fit(&b, &error), AG_ERROR_VALUE);
    b.is = good;
    b.is.loss = nan_loss;
    ck_assert_int_eq(fit(&b, &error), AG_ERROR_NONFINITE);
    ck_assert_ptr_nonnull(strstr(error.message, "epoch 1, batch 1"));
    b.is.loss = nn_mse; /* logits (32, 2), labels (32) */
    ck_assert_int_eq(fit(&b, &error), AG_ERROR_SHAPE);
    ck_assert_ptr_nonnull(strstr(error.message, "epoch 1, batch 1"));
    nn_dataset empty = {0};
    b.is = good;
    b.is.validation = &empty;
    ck_assert_int_eq(fit(&b, &error), AG_ERROR_VALUE);
    ck_assert_int_eq(nn_optim_steps(b.optim), 0);
    ck_assert_uint_eq(b.history.count, 0);
    bench_free(&b);
}
END_TEST

/* A loss that is finite where its gradient is not: sqrt |y| at 0. */
static ag_value sharp_loss(ag_value y, ag_value target) {
    (void)target;
    return ag_mean_all(ag_sqrt(ag_mul_number(ag_square(y), 0)));
}

START_TEST(a_gradient_that_is_not_finite_is_reported_with_its_place) {
    bench b = bench_new();
    ag_error error = {0};
    b.is.loss = sharp_loss;
    b.is.clip_norm = 1;
    ck_assert_int_eq(fit(&b, &error), AG_ERROR_NONFINITE);
    ck_assert_msg(strstr(error.message, "nn_fit: epoch 1, batch 1: ") == error.message, "%s", error.message);
    nn_optim_set_lr(b.optim, -1);
    b.is = (nn_fit_options){.loss = nn_cross_entropy, .epochs = 1};
    ck_assert_int_eq(fit(&b, &error), AG_ERROR_VALUE);
    ck_assert_msg(strstr(error.message, "nn_fit: epoch 1, batch 1: ") == error.message, "%s", error.message);
    ck_assert_int_eq(nn_optim_steps(b.optim), 0);
    bench_free(&b);
}
END_TEST

static ag_status refuse(void *user, ag_value y, const ag_tensor *target, ag_error *error) {
    (void)user, (void)y, (void)target, (void)error;
    return AG_ERROR_LIMIT;
}

START_TEST(a_metric_that_fails_without_a_word_ends_it_too) {
    bench b = bench_new();
    ag_error error = {0};
    nn_top_k top = {.k = 1};
    nn_metric silent = nn_metric_top_k("accuracy", &top);
    silent.add = refuse;
    b.is.metrics = &silent;
    b.is.metric_count = 1;
    ck_assert_int_eq(fit(&b, &error), AG_ERROR_LIMIT);
    ck_assert_int_eq(error.status, AG_ERROR_LIMIT);
    ck_assert_ptr_nonnull(strstr(error.message, "epoch 1, batch 1: "));
    ck_assert_int_eq(nn_optim_steps(b.optim), 0);
    bench_free(&b);
}
END_TEST

START_TEST(what_lacks_a_part_is_refused) {
    bench b = bench_new();
    ag_error error = {0};
    b.is.train = &b.train;
    ck_assert_int_eq(nn_fit(b.net, b.params, b.optim, NULL, &b.history, &error), AG_ERROR_VALUE);
    nn_top_k top = {.k = 1};
    const nn_metric whole = nn_metric_top_k("accuracy", &top);
    nn_metric lacking[4] = {whole, whole, whole, whole};
    lacking[0].name = NULL;
    lacking[1].begin = NULL;
    lacking[2].add = NULL;
    lacking[3].value = NULL;
    b.is.metric_count = 1;
    for (int k = 0; k < 5; k++) {
        b.is.metrics = k < 4 ? &lacking[k] : NULL;
        ck_assert_int_eq(fit(&b, &error), AG_ERROR_VALUE);
        ck_assert_ptr_nonnull(strstr(error.message, "a metric"));
    }
    nn_confusion never = {0}; /* not initialised */
    const nn_metric f1 = nn_metric_macro_f1("f1", &never);
    b.is.metrics = &f1;
    ck_assert_int_eq(fit(&b, &error), AG_ERROR_VALUE);
    ck_assert_ptr_nonnull(strstr(error.message, "without classes"));
    ck_assert_ptr_nonnull(strstr(error.message, "epoch 1, batch 1: "));
    ck_assert_int_eq(nn_optim_steps(b.optim), 0);
    b.is.metric_count = 0;
    b.is.validation = &b.validation;
    int64_t *label = ag_tensor_write(b.validation.y);
    label[69] = 2; /* the last of 70, in the third batch of 32 */
    ck_assert_int_eq(fit(&b, &error), AG_ERROR_INDEX);
    ck_assert_msg(strstr(error.message, "epoch 1, validation batch 3: ") != NULL, "%s", error.message);
    bench_free(&b);
}
END_TEST

START_TEST(without_labels_the_target_is_the_sample_itself) {
    bench b = bench_new();
    ag_tensor *labels = b.train.y;
    b.train.y = NULL;
    nn_regression errors = {.count = 0};
    const nn_metric metrics[] = {nn_metric_mae("mae", &errors), nn_metric_r2("r2", &errors)};
    b.is.metrics = metrics;
    b.is.metric_count = 1;
    b.is.loss = nn_mse;
    b.is.epochs = 20;
    fits(&b);
    ck_assert_double_lt(b.history.epoch[19].metric[0], 0.6 * b.history.epoch[0].metric[0]);
    b.is.metric_count = 2; /* another history is needed */
    ck_assert_int_eq(fit(&b, NULL), AG_ERROR_VALUE);
    b.train.y = labels;
    bench_free(&b);
}
END_TEST

static bench shared;
static float first_weights[1024];

static bool fit_once(void) {
    ag_tensor *slab = nn_params_slab(shared.params);
    memcpy(ag_tensor_write(slab), first_weights, ag_meta_bytes(ag_tensor_meta(slab)));
    nn_optim_set_steps(shared.optim, 0);
    ag_error error = {0};
    const ag_status status = fit(&shared, &error);
    if (status) ck_assert_int_eq(error.status, AG_ERROR_MEMORY);
    nn_history_clear(&shared.history);
    return status == AG_OK;
}

START_TEST(every_failed_allocation_is_reported_and_leaves_nothing) {
    counting_allocator_install();
    shared = bench_new();
    const ag_tensor *slab = nn_params_slab(shared.params);
    ck_assert_uint_le(ag_meta_bytes(ag_tensor_meta(slab)), sizeof first_weights);
    memcpy(first_weights, ag_tensor_data(slab), ag_meta_bytes(ag_tensor_meta(slab)));
    shared.is.validation = &shared.validation;
    shared.is.batch = 100;
    shared.is.patience = 1;
    shared.is.epochs = 2;
    test_every_allocation(fit_once);
    bench_free(&shared);
}
END_TEST

Suite *train_fit_suite(void) {
    Suite *s = suite_create("train_fit");
    TCase *tc = tcase_create("train_fit");
    tcase_add_test(tc, a_callback_behind_the_last_epoch_has_stopped_nothing);
    tcase_add_test(tc, it_learns_and_the_history_says_so);
    tcase_add_test(tc, it_does_what_a_loop_by_hand_does);
    tcase_add_test(tc, the_same_seed_gives_the_same_bits_also_in_two_pieces);
    tcase_add_test(tc, it_stops_early_and_puts_the_best_weights_back);
    tcase_add_test(tc, a_callback_stops_it_at_once);
    tcase_add_test(tc, the_table_has_a_line_for_each_epoch_and_all_digits);
    tcase_add_test(tc, misuse_is_refused_and_says_where);
    tcase_add_test(tc, a_gradient_that_is_not_finite_is_reported_with_its_place);
    tcase_add_test(tc, a_metric_that_fails_without_a_word_ends_it_too);
    tcase_add_test(tc, what_lacks_a_part_is_refused);
    tcase_add_test(tc, without_labels_the_target_is_the_sample_itself);
    tcase_add_test(tc, every_failed_allocation_is_reported_and_leaves_nothing);
    suite_add_tcase(s, tc);
    return s;
}
