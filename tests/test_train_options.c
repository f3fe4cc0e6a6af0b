/* train_options: what a loop by hand had to be written for - several batches to a step, an average of the weights, batches that
 * are left out, a forward and a loss of one's own. */
#include "train_support.h"

#include <math.h>

/* Plain weights of f64 and no dropout: batches can be put together. */
static bench exact_new(void) {
    bench b = {.net = nn_mlp((const int64_t[]){2, 8, 2}, 3, NN_TANH, NULL, NULL)};
    b.params = nn_params_new(b.net, AG_F64, 1, NULL);
    b.optim = nn_sgd(b.params, 0.1, 0.9, NULL);
    ck_assert_int_eq(nn_dataset_moons(200, 0.1, 1, &b.train, NULL), AG_OK);
    ck_assert_int_eq(nn_dataset_moons(70, 0.1, 2, &b.validation, NULL), AG_OK);
    b.is = (nn_fit_options){.loss = nn_cross_entropy, .epochs = 2, .seed = 5, .threads = 1, .clip_norm = 0.5};
    return b;
}

START_TEST(several_batches_make_a_step_as_if_they_were_one) {
    bench one = exact_new(), parts = exact_new();
    parts.is.batch = 12; /* 17 batches: steps of 36 samples, the last of an epoch of 12 and 8 */
    parts.is.accumulate = 3;
    one.is.batch = 36;
    fits(&one);
    fits(&parts);
    ck_assert_int_eq(nn_optim_steps(parts.optim), 2 * 6);
    ck_assert_int_eq(nn_optim_steps(one.optim), 2 * 6);
    const ag_tensor *x = nn_params_slab(one.params), *y = nn_params_slab(parts.params);
    for (int64_t i = 0; i < ag_tensor_count(x); i++)
        ck_assert_double_eq_tol(ag_tensor_get(x, i), ag_tensor_get(y, i), 1e-14);
    ck_assert_double_eq_tol(one.history.epoch[1].loss, parts.history.epoch[1].loss, 1e-14);
    bench_free(&one);
    bench_free(&parts);
}
END_TEST

START_TEST(an_average_is_kept_evaluated_and_left_as_the_best) {
    bench plain = exact_new(), b = exact_new();
    ag_error error = {0};
    nn_ema *ema = nn_ema_new(b.params, 0.9, &error);
    b.is.ema = ema;
    b.is.validation = &b.validation;
    fits(&plain);
    fits(&b);
    ck_assert(same_weights(&plain, &b)); /* it only looks on */
    ck_assert(!nn_ema_swapped(ema));
    nn_ema_swap(ema);
    ag_tape *t = ag_tape_new(NULL);
    nn_pass pass = {t, false};
    const ag_value y = nn_forward(b.net, &pass, ag_constant(t, b.validation.x));
    const double loss = ag_item(nn_cross_entropy(y, ag_constant(t, b.validation.y)));
    ck_assert_double_eq_tol(b.history.epoch[1].validation_loss, loss, 1e-14); /* in batches: rounded otherwise */
    ck_assert_int_eq(fit(&b, &error), AG_ERROR_STATE);
    nn_ema_swap(ema);
    b.is.patience = 1;
    b.is.first = 2;
    b.is.epochs = 3;
    fits(&b);
    const ag_tensor *slab = nn_params_slab(b.params), *average = nn_ema_state(ema);
    ck_assert_mem_eq(ag_tensor_data(slab), ag_tensor_data(average), ag_meta_bytes(ag_tensor_meta(slab)));
    ag_tape_free(t);
    nn_ema_free(ema);
    bench_free(&plain);
    bench_free(&b);
}
END_TEST

/* Which batch, from 0, is spoilt, and how. */
typedef struct spoiler {
    int64_t at, count;
    bool gradient; /* finite loss, and a gradient of infinity times 0 */
    bool always;
} spoiler;

static ag_value spoilt(void *user, ag_value y, ag_value target, const nn_sample *batch) {
    spoiler *s = user;
    (void)batch;
    const ag_value loss = nn_cross_entropy(y, target);
    if (s->count++ != s->at && !s->always) return loss;
    if (s->gradient) return ag_add(loss, ag_sum_all(ag_sqrt(ag_mul_number(y, 0))));
    return ag_mul_number(loss, INFINITY);
}

START_TEST(what_is_not_finite_is_skipped_and_counted_where_wished) {
    for (int gradient = 0; gradient < 2; gradient++) {
        bench b = exact_new();
        spoiler s = {.at = 3, .gradient = gradient};
        ag_error error = {0};
        b.is.loss = NULL;
        b.is.loss_with = spoilt;
        b.is.user = &s;
        b.is.epochs = 1;
        ck_assert_int_eq(fit(&b, &error), AG_ERROR_NONFINITE);
        ck_assert_int_eq(nn_optim_steps(b.optim), 3);
        s.count = 0;
        b.is.skip_nonfinite = true;
        char text[8192] = "";
        b.is.print = collect;
        b.is.print_user = text;
        fits(&b);
        ck_assert_int_eq(nn_optim_steps(b.optim), 3 + 6);
        ck_assert_int_eq(b.history.epoch[0].skipped, 1);
        ck_assert(isfinite(b.history.epoch[0].loss));
        ck_assert_ptr_nonnull(strstr(text, "skipped 1\n"));
        s.count = 0;
        b.is.batch = 20; /* ten, three to a step; number 3 is the first of the second */
        b.is.accumulate = 3;
        fits(&b);
        ck_assert_int_eq(nn_optim_steps(b.optim), 3 + 6 + (gradient ? 3 : 4));
        ck_assert_int_eq(b.history.epoch[1].skipped, gradient ? 3 : 1);
        const ag_tensor *slab = nn_params_slab(b.params);
        for (int64_t i = 0; i < ag_tensor_count(slab); i++) ck_assert(isfinite(ag_tensor_get(slab, i)));
        s.always = true;
        ck_assert_int_eq(fit(&b, &error), AG_ERROR_NONFINITE);
        ck_assert_ptr_nonnull(strstr(error.message, "none of its 10 batches"));
        bench_free(&b);
    }
}
END_TEST

typedef struct wiring {
    const ag_tensor *weight;
    int64_t passes;
} wiring;

static ag_value scaled_forward(void *user, nn_module *net, nn_pass *pass, ag_value x, const nn_sample *batch) {
    ck_assert_ptr_nonnull(batch->y);
    ((wiring *)user)->passes++;
    return ag_mul_number(nn_forward(net, pass, x), 0.5);
}

static ag_value weighted(void *user, ag_value y, ag_value target, const nn_sample *batch) {
    (void)batch;
    const ag_value weight = ag_constant(y.tape, ((wiring *)user)->weight);
    ag_class_options options = AG_CLASS_DEFAULTS;
    options.weight = &weight;
    options.label_smoothing = 0.1;
    return nn_cross_entropy_with(y, target, &options);
}

START_TEST(forward_and_loss_can_be_ones_own) {
    bench b = exact_new();
    ag_tensor *weight = ag_tensor_new(AG_F64, 1, (const int64_t[]){2}, NULL);
    ck_assert_int_eq(ag_tensor_write_f64(weight, (const double[]){1, 3}, 2), AG_OK);
    wiring w = {.weight = weight};
    b.is.loss = NULL;
    b.is.loss_with = weighted;
    b.is.forward = scaled_forward;
    b.is.user = &w;
    b.is.epochs = 1;
    b.is.batch = 200;
    b.is.in_order = true;
    b.is.validation = &b.validation;
    ag_tape *t = ag_tape_new(NULL);
    nn_pass pass = {t, false};
    const ag_value y = ag_mul_number(nn_forward(b.net, &pass, ag_constant(t, b.train.x)), 0.5);
    const double first = ag_item(weighted(&w, y, ag_constant(t, b.train.y), NULL));
    fits(&b);
    ck_assert_double_eq_tol(b.history.epoch[0].loss, first, 1e-15);
    ck_assert_int_eq(w.passes, 2);
    ag_tape_free(t);
    ag_tensor_free(weight);
    bench_free(&b);
}
END_TEST

/* Number i: i % 3 + 1 steps of i; its label says whether i is odd. */
static int64_t six(nn_source *s) {
    (void)s;
    return 6;
}
static ag_status steps_of(nn_source *s, int64_t i, ag_random *draws, nn_sample *out, ag_error *error) {
    const int64_t n = i % 3 + 1, dim[] = {n, 1};
    const double odd = (double)(i % 2);
    (void)s;
    (void)draws;
    out->x = ag_tensor_new(AG_F64, 2, dim, error);
    out->y = ag_tensor_from(AG_I64, 0, NULL, &odd, error);
    for (int64_t k = 0; out->x && k < n; k++) ((double *)ag_tensor_write(out->x))[k] = (double)i;
    return out->x && out->y ? AG_OK : AG_ERROR_MEMORY;
}

/* The state behind each sequence's own end. */
static ag_value read_sequences(void *user, nn_module *net, nn_pass *pass, ag_value x, const nn_sample *batch) {
    ag_cell_state last = {{0}, {0}};
    (void)user;
    (void)nn_recurrent_run(net, pass, x, ag_tensor_data(batch->more[0]), NULL, &last);
    return ag_squeeze(last.h, 0);
}

START_TEST(sequences_of_different_lengths_go_through_with_their_lengths) {
    bench b = {.net = nn_gru(1, 2, NULL, NULL)};
    b.params = nn_params_new(b.net, AG_F64, 1, NULL);
    b.optim = nn_sgd(b.params, 0, 0, NULL); /* stays where it is */
    nn_source source = {six, steps_of, NULL};
    b.is = (nn_fit_options){.train_source = &source,
                            .collate = nn_collate_pad,
                            .batch = 4,
                            .loss = nn_cross_entropy,
                            .forward = read_sequences,
                            .epochs = 1,
                            .seed = 1};
    ag_error error = {0};
    ck_assert_msg(nn_fit(b.net, b.params, b.optim, &b.is, &b.history, &error) == AG_OK, "%s", error.message);
    double sum = 0; /* one by one, without padding */
    ag_tape *t = ag_tape_new(NULL);
    nn_pass pass = {t, true};
    for (int64_t i = 0; i < 6; i++) {
        nn_sample sample = {0};
        ag_random draws = {0, 0};
        ck_assert_int_eq(nn_source_sample(&source, i, &draws, &sample, &error), AG_OK);
        ag_cell_state last = {{0}, {0}};
        (void)nn_recurrent_run(b.net, &pass, ag_constant(t, sample.x), NULL, NULL, &last);
        sum += ag_item(nn_cross_entropy(ag_reshape(last.h, 1, (int64_t[]){2}), ag_constant(t, sample.y)));
        nn_sample_clear(&sample);
    }
    ck_assert_double_eq_tol(b.history.epoch[0].loss, sum / 6, 1e-15);
    ag_tape_free(t);
    bench_free(&b);
}
END_TEST

START_TEST(an_optimiser_that_searches_is_refused) {
    bench b = exact_new();
    ag_error error = {0};
    nn_optim_free(b.optim);
    b.optim = nn_lbfgs(b.params, 1, NULL, &error);
    ck_assert_int_eq(fit(&b, &error), AG_ERROR_STATE);
    bench_free(&b);
}
END_TEST

START_TEST(what_makes_no_sense_is_refused) {
    bench b = exact_new();
    ag_error error = {0};
    b.is.accumulate = -1;
    ck_assert_int_eq(fit(&b, &error), AG_ERROR_VALUE);
    b.is.accumulate = 0;
    b.is.loss_with = spoilt; /* beside the other */
    ck_assert_int_eq(fit(&b, &error), AG_ERROR_VALUE);
    b.is.loss = NULL;
    b.is.loss_with = NULL;
    ck_assert_int_eq(fit(&b, &error), AG_ERROR_VALUE);
    ck_assert_uint_eq(b.history.count, 0);
    bench_free(&b);
}
END_TEST

Suite *train_options_suite(void) {
    Suite *s = suite_create("train_options");
    TCase *tc = tcase_create("train_options");
    tcase_add_test(tc, several_batches_make_a_step_as_if_they_were_one);
    tcase_add_test(tc, an_average_is_kept_evaluated_and_left_as_the_best);
    tcase_add_test(tc, what_is_not_finite_is_skipped_and_counted_where_wished);
    tcase_add_test(tc, forward_and_loss_can_be_ones_own);
    tcase_add_test(tc, sequences_of_different_lengths_go_through_with_their_lengths);
    tcase_add_test(tc, an_optimiser_that_searches_is_refused);
    tcase_add_test(tc, what_makes_no_sense_is_refused);
    suite_add_tcase(s, tc);
    return s;
}
