/* train_source: training from samples that are made when they are asked for, and ahead: the same bits, and errors that
 * say where. */
#define _POSIX_C_SOURCE 200809L /* nanosleep */
#include "source_support.h"

#include <math.h>

typedef struct bench {
    nn_module *net;
    nn_params *params;
    nn_optim *optim;
    nn_history history;
} bench;

static bench bench_new(int64_t n_in, int64_t n_out) {
    bench b = {.net = NULL};
    ag_error error = {0};
    nn_module *layers[] = {nn_linear(n_in, 8, &error), nn_activation_layer(NN_TANH, &error),
                           nn_dropout(0.1, &error), nn_linear(8, n_out, &error)};
    b.net = nn_sequential(layers, 4, &error);
    b.params = nn_params_new(b.net, AG_F32, 1, &error);
    b.optim = nn_sgd(b.params, 0.1, 0, &error);
    ck_assert_msg(b.optim != NULL, "%s", error.message);
    return b;
}
static void bench_free(bench *b) {
    nn_history_clear(&b->history);
    nn_optim_free(b->optim);
    nn_params_free(b->params);
    nn_module_free(b->net);
}

static const nn_fit_options usual = {.loss = nn_cross_entropy, .epochs = 3, .batch = 16, .seed = 5, .threads = 1};

static void fits(bench *b, nn_fit_options is) {
    ag_error error = {0};
    ck_assert_msg(nn_fit(b->net, b->params, b->optim, &is, &b->history, &error) == AG_OK, "%s", error.message);
}

/* Trained from the beginning, the weights come out as those of `expected`. */
static void check_same(const bench *expected, nn_fit_options is, bool same) {
    bench b = bench_new(2, 2);
    fits(&b, is);
    const ag_tensor *x = nn_params_slab(expected->params), *y = nn_params_slab(b.params);
    ck_assert((memcmp(ag_tensor_data(x), ag_tensor_data(y), ag_meta_bytes(ag_tensor_meta(x))) == 0) == same);
    for (size_t e = 0; e < b.history.count && same; e++) {
        ck_assert(b.history.epoch[e].loss == expected->history.epoch[e].loss);
        if (is.validation || is.validation_source)
            ck_assert(b.history.epoch[e].validation_loss == expected->history.epoch[e].validation_loss);
    }
    bench_free(&b);
}

static ag_status jitter(void *user, ag_random *draws, nn_sample *sample, ag_error *error) {
    (void)user, (void)error;
    float *x = ag_tensor_write(sample->x);
    for (int64_t i = 0; i < ag_tensor_count(sample->x); i++) x[i] += (float)(0.1 * ag_random_normal(draws));
    return AG_OK;
}

START_TEST(a_source_trains_as_the_same_data_in_memory_ahead_or_not) {
    nn_dataset d, v;
    ck_assert_int_eq(nn_dataset_moons(70, 0.1, 1, &d, NULL), AG_OK);
    ck_assert_int_eq(nn_dataset_moons(30, 0.1, 2, &v, NULL), AG_OK);
    nn_dataset_source of_d = nn_source_of_dataset(&d), of_v = nn_source_of_dataset(&v);
    of_d.source.batch = of_v.source.batch = NULL; /* one sample after the other */
    nn_fit_options memory = usual, source = usual;
    memory.train = &d;
    memory.validation = &v;
    source.train_source = &of_d.source;
    source.validation_source = &of_v.source;
    bench b = bench_new(2, 2);
    fits(&b, memory);
    check_same(&b, memory, true);
    check_same(&b, source, true);
    source.prefetch = memory.prefetch = 2;
    check_same(&b, source, true);
    check_same(&b, memory, true);
    source.drop_last = true;
    check_same(&b, source, false);
    bench_free(&b);
    b = bench_new(2, 2);
    source.batch = 40; /* more than there are to validate on: a short batch is left out of training alone */
    fits(&b, source);
    ck_assert_int_eq(b.history.epoch[2].steps, 3);
    ck_assert(isfinite(b.history.epoch[2].validation_loss));
    bench_free(&b);
    nn_dataset_clear(&d);
    nn_dataset_clear(&v);
}
END_TEST

START_TEST(what_is_random_repeats_also_in_two_pieces) {
    nn_dataset d;
    ck_assert_int_eq(nn_dataset_moons(70, 0.1, 1, &d, NULL), AG_OK);
    nn_dataset_source plain = nn_source_of_dataset(&d);
    nn_mapped_source moved = nn_source_mapped(&plain.source, jitter, NULL);
    nn_fit_options is = usual;
    is.train_source = &moved.source;
    bench whole = bench_new(2, 2), pieces = bench_new(2, 2);
    fits(&whole, is);
    is.prefetch = 3;
    check_same(&whole, is, true);
    is.epochs = 2;
    fits(&pieces, is);
    is.first = 2;
    is.epochs = 3;
    fits(&pieces, is);
    const ag_tensor *x = nn_params_slab(whole.params), *y = nn_params_slab(pieces.params);
    ck_assert_mem_eq(ag_tensor_data(x), ag_tensor_data(y), ag_meta_bytes(ag_tensor_meta(x)));
    is = usual;
    is.train = &d;
    check_same(&whole, is, false);
    bench_free(&whole);
    bench_free(&pieces);
    nn_dataset_clear(&d);
}
END_TEST

static ag_value first_squared(ag_value y, ag_value target) {
    (void)target;
    return ag_mean_all(ag_square(y));
}

START_TEST(a_sample_that_fails_is_named_with_epoch_and_batch) {
    for (int ahead = 0; ahead < 3; ahead++) {
        tale t = tale_of(40), v = tale_of(10);
        nn_fit_options is = usual;
        is.train_source = &t.source;
        is.loss = first_squared;
        is.prefetch = ahead;
        is.in_order = true;
        bench b = bench_new(3, 1);
        fits(&b, is);
        t.fails_at = 21;
        is.first = 3;
        is.epochs = 5;
        ag_error error = {0};
        ck_assert_int_eq(nn_fit(b.net, b.params, b.optim, &is, &b.history, &error), AG_ERROR_IO);
        ck_assert_str_eq(error.message, "nn_fit: epoch 4, batch 2: sample 21: the film is torn");
        ck_assert_uint_eq(b.history.count, 3);
        t.fails_at = NOWHERE;
        v.fails_at = 9;
        is.validation_source = &v.source;
        ck_assert_int_eq(nn_fit(b.net, b.params, b.optim, &is, &b.history, &error), AG_ERROR_IO);
        ck_assert_str_eq(error.message, "nn_fit: epoch 4, validation batch 1: sample 9: the film is torn");
        bench_free(&b);
    }
}
END_TEST

static bool stop_at_two(void *user, const nn_fit_state *now) {
    (void)user;
    return now->batch < 2;
}

START_TEST(a_callback_stops_it_while_batches_are_made) {
    tale t = tale_of(400);
    t.pause = 50 * 1000;
    nn_fit_options is = usual;
    is.train_source = &t.source;
    is.loss = first_squared;
    is.prefetch = 4;
    is.after_batch = stop_at_two;
    bench b = bench_new(3, 1);
    fits(&b, is);
    ck_assert(b.history.stopped);
    ck_assert_int_eq(nn_optim_steps(b.optim), 2);
    bench_free(&b);
}
END_TEST

/* Sequences of i % 3 + 1 steps: a batch's first axis is time. */
static ag_status shorten(void *user, ag_random *draws, nn_sample *sample, ag_error *error) {
    (void)user, (void)draws;
    const int64_t steps = (int64_t)ag_tensor_get(sample->y, 0) % 3 + 1;
    sample->x = ag_tensor_from(AG_F32, 2, (const int64_t[]){steps, 3},
                               (const double[9]){1, 2, 3, 4, 5, 6, 7, 8, 9}, error);
    return sample->x ? AG_OK : error->status;
}

START_TEST(losses_are_means_over_samples_whatever_the_collation) {
    tale t = tale_of(10);
    nn_mapped_source s = nn_source_mapped(&t.source, shorten, NULL);
    nn_fit_options is = usual;
    is.train_source = is.validation_source = &s.source;
    is.loss = first_squared;
    is.batch = 7;
    is.epochs = 1;
    is.collate = nn_collate_pad;
    bench b = bench_new(3, 1);
    fits(&b, is);
    nn_batcher *batches =
        nn_batcher_of(&s.source, &(nn_batcher_options){.batch = 7, .collate = nn_collate_pad}, NULL);
    ag_tape *tape = ag_tape_new(NULL);
    nn_pass pass = {tape, false};
    double sum = 0;
    static const double samples[] = {7, 3};
    for (int k = 0; k < 2; k++) {
        ag_tensor *x;
        ck_assert(nn_batcher_next(batches, &x, NULL));
        ck_assert_int_eq(ag_tensor_meta(x)->dim[0], 3);
        const ag_value y = nn_forward(b.net, &pass, ag_constant(tape, x));
        sum += samples[k] * ag_item(first_squared(y, y));
        ck_assert_int_eq(ag_tape_status(tape), AG_OK);
    }
    ck_assert(b.history.epoch[0].validation_loss == sum / 10);
    ag_tape_free(tape);
    nn_batcher_free(batches);
    bench_free(&b);
}
END_TEST

START_TEST(several_numbers_are_predicted_at_once) {
    enum { N = 64 };
    nn_dataset d = {ag_tensor_new(AG_F32, 2, (const int64_t[]){N, 2}, NULL),
                    ag_tensor_new(AG_F32, 2, (const int64_t[]){N, 3}, NULL)};
    ag_random r = {.seed = 3};
    float *x = ag_tensor_write(d.x), *y = ag_tensor_write(d.y);
    for (int64_t i = 0; i < N; i++, x += 2, y += 3) {
        for (int k = 0; k < 2; k++) x[k] = (float)ag_random_normal(&r);
        y[0] = x[0] + x[1], y[1] = x[0] - x[1], y[2] = 1;
    }
    nn_dataset train, held;
    ck_assert_int_eq(nn_dataset_split(&d, 0.75, false, 1, &train, &held, NULL), AG_OK);
    ag_error error = {0};
    nn_dataset a, b;
    ck_assert_int_eq(nn_dataset_split(&d, 0.75, true, 1, &a, &b, NULL), AG_ERROR_DTYPE);
    nn_dataset whole = {d.x, ag_tensor_new(AG_I64, 2, (const int64_t[]){N, 2}, NULL)};
    ck_assert_int_eq(nn_dataset_split(&whole, 0.75, true, 1, &a, &b, &error), AG_ERROR_SHAPE);
    ck_assert_ptr_nonnull(strstr(error.message, "rank 2"));
    ag_tensor_free(whole.y);

    bench m = {.net = nn_linear(2, 3, &error)};
    m.params = nn_params_new(m.net, AG_F32, 1, &error);
    m.optim = nn_adam(m.params, 0.1, &error);
    nn_regression off = {0};
    const nn_metric mae = nn_metric_mae("mae", &off);
    fits(&m, (nn_fit_options){.train = &train,
                              .validation = &held,
                              .loss = nn_mse,
                              .epochs = 80,
                              .batch = 16,
                              .threads = 1,
                              .metrics = &mae,
                              .metric_count = 1});
    ck_assert_double_lt(m.history.epoch[79].validation_metric[0],
                        0.02); /* it is linear: nothing is left but rounding */
    bench_free(&m);
    nn_dataset_clear(&train);
    nn_dataset_clear(&held);
    nn_dataset_clear(&d);
}
END_TEST

START_TEST(misuse_is_refused) {
    nn_dataset d;
    ck_assert_int_eq(nn_dataset_moons(10, 0.1, 1, &d, NULL), AG_OK);
    nn_dataset_source s = nn_source_of_dataset(&d);
    tale none = tale_of(0);
    const struct {
        nn_fit_options is;
        const char *text;
    } wrong[] = {
        {{.train = &d, .train_source = &s.source}, "twice"},
        {{.train = &d, .validation = &d, .validation_source = &s.source}, "twice"},
        {{.train = NULL}, "needs data"},
        {{.train_source = &none.source}, "empty"},
        {{.train = &d, .validation_source = &none.source}, "empty"},
        {{.train = &d, .prefetch = -1}, "below 0"},
        {{.train = &d, .drop_last = true}, "fewer samples than a batch"},
    };
    bench b = bench_new(2, 2);
    for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
        nn_fit_options is = wrong[k].is;
        is.loss = nn_cross_entropy;
        is.epochs = 1;
        ag_error error = {0};
        ck_assert_int_eq(nn_fit(b.net, b.params, b.optim, &is, &b.history, &error), AG_ERROR_VALUE);
        ck_assert_msg(strstr(error.message, wrong[k].text) != NULL, "%s", error.message);
    }
    bench_free(&b);
    nn_dataset_clear(&d);
}
END_TEST

Suite *train_source_suite(void);
Suite *train_source_suite(void) {
    Suite *s = suite_create("train_source");
    TCase *t = tcase_create("fit");
    tcase_add_test(t, a_source_trains_as_the_same_data_in_memory_ahead_or_not);
    tcase_add_test(t, what_is_random_repeats_also_in_two_pieces);
    tcase_add_test(t, a_sample_that_fails_is_named_with_epoch_and_batch);
    tcase_add_test(t, a_callback_stops_it_while_batches_are_made);
    tcase_add_test(t, losses_are_means_over_samples_whatever_the_collation);
    tcase_add_test(t, several_numbers_are_predicted_at_once);
    tcase_add_test(t, misuse_is_refused);
    suite_add_tcase(s, t);
    return s;
}
