/* ops_random: draws replay, move the generator on, differ from step to step, owe nothing to threads, and have the
 * distributions they promise. */
#include "ops_support.h"

enum { MANY = 20000 };

static double one[MANY], other[MANY];

static ag_value draw(ag_tape *t, int which, int64_t n) {
    switch (which) {
    case 0: return ag_rand(t, AG_F64, 1, &n);
    case 1: return ag_rand(t, AG_F32, 1, &n);
    case 2: return ag_randn(t, AG_F64, 1, &n);
    case 3: return ag_randn(t, AG_F32, 1, &n);
    case 4: return ag_bernoulli(ag_full(t, AG_F32, 1, &n, 0.5));
    case 5: return ag_uniform(ag_scalar(t, -1), ag_full(t, AG_F64, 1, &n, 2));
    case 6: return ag_normal(ag_scalar(t, 3), ag_full(t, AG_F32, 1, &n, 2));
    case 7: return ag_dropout(ag_full(t, AG_F64, 1, &n, 1), 0.5);
    default: return ag_randperm(t, n);
    }
}
enum { DRAWS = 9 };

static void read(ag_value x, double *values, int64_t n) {
    ck_assert_msg(ag_ok(x), "%s", ag_tape_message(x.tape));
    ck_assert_int_eq(ag_read_f64(x, values, n), AG_OK);
}

START_TEST(a_draw_replays_and_moves_the_generator_on) {
    enum { N = 37 };
    ag_tape *t = ag_tape_new(&(const ag_tape_options){.seed = 5});
    ag_tape_random_set(t, (ag_random){5, UINT32_MAX}); /* blocks on both sides of a word's end */
    const ag_random before = ag_tape_random_get(t);
    const ag_mark mark = ag_tape_mark(t);
    read(draw(t, _i, N), one, N);
    const ag_random after = ag_tape_random_get(t);
    ck_assert_uint_eq(after.counter, before.counter + (N + 3) / 4);
    ck_assert_uint_eq(after.seed, before.seed);
    ck_assert_int_eq(ag_tape_rewind(t, mark), AG_OK);
    ck_assert_uint_eq(ag_tape_random_get(t).counter, after.counter); /* a rewind does not turn it back */
    read(draw(t, _i, N), other, N);
    ck_assert(memcmp(one, other, N * sizeof *one) != 0);
    ag_tape_random_set(t, before);
    read(draw(t, _i, N), other, N);
    ck_assert(memcmp(one, other, N * sizeof *one) == 0);
    ag_tape_free(t);
}
END_TEST

START_TEST(threads_do_not_change_a_bit) {
    for (int threads = 1; threads <= 3; threads += 2) {
        ag_tape *t = ag_tape_new(&(const ag_tape_options){.seed = 9, .threads = threads});
        read(draw(t, _i, MANY), threads == 1 ? one : other, MANY);
        ag_tape_free(t);
    }
    ck_assert(memcmp(one, other, sizeof one) == 0);
}
END_TEST

START_TEST(an_element_depends_on_its_index_alone) {
    ag_tape *t = ag_tape_new(NULL);
    const ag_random before = ag_tape_random_get(t);
    read(ag_randn(t, AG_F64, 1, SHAPE(24)), one, 24);
    ag_tape_random_set(t, before);
    read(ag_randn(t, AG_F64, 3, SHAPE(2, 3, 2)), other, 12);
    ck_assert(memcmp(one, other, 12 * sizeof *one) == 0);
    ag_tape_free(t);
}
END_TEST

/* By name, with and without a position of the caller's own. */
START_TEST(a_call_by_name_draws_the_same) {
    ag_tape *t = ag_tape_new(NULL);
    const ag_random before = ag_tape_random_get(t);
    const ag_attr attrs[] = {
        {.name = "shape", .kind = AG_FIELD_INTS, .as.ints = {.n = 2, .v = {3, 5}}},
        {.name = "dtype", .kind = AG_FIELD_DTYPE, .as.dtype = AG_F64},
        {.name = "random", .kind = AG_FIELD_RANDOM, .as.random = before},
    };
    ag_value y;
    read(ag_randn(t, AG_F64, 2, SHAPE(3, 5)), one, 15);
    const ag_random after = ag_tape_random_get(t);
    ag_tape_random_set(t, before);
    ck_assert_int_eq(ag_call(t, "randn", NULL, 0, &(const ag_attrs){2, attrs}, &y), AG_OK);
    read(y, other, 15);
    ck_assert(memcmp(one, other, 15 * sizeof *one) == 0);
    ck_assert_uint_eq(ag_tape_random_get(t).counter, after.counter);
    ck_assert_int_eq(ag_call(t, "randn", NULL, 0, &(const ag_attrs){3, attrs}, &y), AG_OK);
    read(y, other, 15);
    ck_assert(memcmp(one, other, 15 * sizeof *one) == 0);
    ck_assert_uint_eq(ag_tape_random_get(t).counter, after.counter);
    ag_tape_free(t);
}
END_TEST

/* Mean and variance of MANY numbers lie within 5 deviations of what they should be; lag: neighbours are uncorrelated. */
static void expect_moments(const double *x, double mean, double variance, double fourth) {
    double sum = 0, squares = 0, lag = 0;
    for (int i = 0; i < MANY; i++) sum += x[i] - mean;
    for (int i = 0; i < MANY; i++) squares += (x[i] - mean) * (x[i] - mean);
    for (int i = 1; i < MANY; i++) lag += (x[i] - mean) * (x[i - 1] - mean);
    ck_assert_double_eq_tol(sum / MANY, 0, 5 * sqrt(variance / MANY));
    ck_assert_double_eq_tol(squares / MANY, variance, 5 * sqrt((fourth - variance * variance) / MANY) + 1e-6);
    ck_assert_double_eq_tol(lag / MANY, 0, 5 * variance / sqrt(MANY));
}

START_TEST(numbers_have_their_distributions) {
    ag_tape *t = ag_tape_new(NULL);
    for (ag_dtype dtype = AG_F32; dtype <= AG_F64; dtype++) {
        read(ag_rand(t, dtype, 1, SHAPE(MANY)), one, MANY);
        expect_moments(one, 0.5, 1.0 / 12, 1.0 / 80);
        for (int i = 0; i < MANY; i++) ck_assert(one[i] >= 0 && one[i] < 1);
        read(ag_randn(t, dtype, 1, SHAPE(MANY)), one, MANY);
        expect_moments(one, 0, 1, 3);
        const double p = 0.3, q = 1 - p;
        read(ag_bernoulli(ag_full(t, dtype, 1, SHAPE(MANY), p)), one, MANY);
        expect_moments(one, p, p * q, p * q * (q * q * q + p * p * p));
    }
    read(ag_uniform(ag_scalar(t, -1), ag_full(t, AG_F64, 1, SHAPE(MANY), 2)), one, MANY);
    expect_moments(one, 0.5, 9.0 / 12, 81.0 / 80);
    read(ag_normal(ag_scalar(t, 3), ag_full(t, AG_F64, 1, SHAPE(MANY), 2)), one, MANY);
    expect_moments(one, 3, 4, 48);
    ag_tape_free(t);
}
END_TEST

START_TEST(certain_coins_are_certain) {
    ag_tape *t = ag_tape_new(NULL);
    read(ag_bernoulli(ag_full(t, AG_F64, 1, SHAPE(1000), 0)), one, 1000);
    read(ag_bernoulli(ag_full(t, AG_F64, 1, SHAPE(1000), 1)), other, 1000);
    for (int i = 0; i < 1000; i++) ck_assert(one[i] == 0 && other[i] == 1);
    ag_tape_free(t);
}
END_TEST

START_TEST(permutations_hold_every_number_once_and_are_all_likely) {
    ag_tape *t = ag_tape_new(NULL);
    int counts[6] = {0};
    read(ag_randperm(t, MANY), one, MANY);
    memset(other, 0, sizeof other);
    for (int i = 0; i < MANY; i++) other[(int)one[i]]++;
    for (int i = 0; i < MANY; i++) ck_assert(other[i] == 1);
    for (int i = 0; i < 6000; i++) {
        read(ag_randperm(t, 3), one, 3);
        counts[(int)one[0] * 2 + (one[1] > one[2])]++;
    }
    for (int i = 0; i < 6; i++) ck_assert_int_le(abs(counts[i] - 1000), 150); /* 5 deviations of 29 */
    ck_assert_int_eq(ag_meta_of(ag_randperm(t, 3))->dtype, AG_I64);
    EXPECT_SHAPE(ag_randperm(t, 0), 0);
    EXPECT(ag_randperm(t, 1), 0);
    ag_tape_free(t);
}
END_TEST

START_TEST(the_draw_stays_while_mean_and_deviation_move) {
    ag_tape *t = ag_tape_new(NULL);
    const ag_random before = ag_tape_random_get(t);
    ag_value mean = ag_array_leaf(t, AG_F64, 1, SHAPE(1), LIST(3)),
             std = ag_array_leaf(t, AG_F64, 1, SHAPE(3), LIST(1, 2, 4));
    ck_assert_int_eq(ag_backward(ag_sum_all(ag_normal(mean, std))), AG_OK);
    ag_tape_random_set(t, before);
    read(ag_randn(t, AG_F64, 1, SHAPE(3)), one, 3);
    EXPECT_ADJOINT(mean, 3);
    EXPECT_ADJOINT(std, one[0], one[1], one[2]);
    ag_value p = ag_array_leaf(t, AG_F64, 1, SHAPE(2), LIST(0.5, 0.5));
    ck_assert_int_eq(ag_backward(ag_sum_all(ag_mul(p, ag_bernoulli(p)))),
                     AG_OK); /* no gradient through the coin */
    ag_tape_free(t);
}
END_TEST

START_TEST(mistakes_name_the_operation_and_what_is_wrong) {
    ag_tape *t = ag_tape_new(NULL);
    const ag_random before = ag_tape_random_get(t);
    EXPECT_ERROR(t, ag_rand(t, AG_I64, 1, SHAPE(3)), AG_ERROR_DTYPE, "rand", "floating");
    EXPECT_ERROR(t, ag_rand(t, (ag_dtype)17, 1, SHAPE(3)), AG_ERROR_DTYPE, "rand", "floating");
    EXPECT_ERROR(t, ag_rand(t, AG_F32, 1, SHAPE(-3)), AG_ERROR_SHAPE, "rand", "-3");
    EXPECT_ERROR(t, ag_randn(t, AG_F32, 2, SHAPE(INT64_MAX, INT64_MAX)), AG_ERROR_SHAPE, "randn");
    EXPECT_ERROR(t, ag_randn(t, AG_F32, 9, SHAPE(1, 1, 1, 1, 1, 1, 1, 1, 1)), AG_ERROR_SHAPE, "randn", "rank 9");
    EXPECT_ERROR(t, ag_randn(t, AG_F32, 1, NULL), AG_ERROR_SHAPE, "randn");
    EXPECT_ERROR(t, ag_randperm(t, -1), AG_ERROR_VALUE, "randperm", "-1");
    EXPECT_ERROR(t, ag_randperm(t, INT64_MAX), AG_ERROR_SHAPE, "randperm");
    EXPECT_ERROR(t, ag_bernoulli(ag_array_constant(t, AG_F32, 1, SHAPE(3), LIST(0, 1, 1.5))), AG_ERROR_VALUE,
                 "bernoulli", "element 2", "1.5", "(3)");
    EXPECT_ERROR(t, ag_bernoulli(ag_array_constant(t, AG_F32, 1, SHAPE(1), LIST(NAN))), AG_ERROR_VALUE,
                 "bernoulli", "element 0");
    EXPECT_ERROR(t, ag_bernoulli(ag_full(t, AG_I64, 1, SHAPE(3), 1)), AG_ERROR_DTYPE, "bernoulli", "i64");
    EXPECT_ERROR(t, ag_normal(ag_full(t, AG_F32, 1, SHAPE(2), 0), ag_full(t, AG_F32, 1, SHAPE(3), 1)),
                 AG_ERROR_SHAPE, "normal", "(2)", "(3)");
    EXPECT_ERROR(t, ag_normal(ag_full(t, AG_I64, 1, SHAPE(2), 0), ag_full(t, AG_I64, 1, SHAPE(2), 1)),
                 AG_ERROR_DTYPE, "normal", "i64");
    EXPECT_ERROR(t, ag_uniform(ag_full(t, AG_F32, 1, SHAPE(2), 0), ag_full(t, AG_F32, 1, SHAPE(3), 1)),
                 AG_ERROR_SHAPE, "uniform", "(2)", "(3)");
    ck_assert_uint_eq(ag_tape_random_get(t).counter, before.counter); /* what failed drew nothing */
    ck_assert(!ag_ok(ag_rand(NULL, AG_F32, 0, NULL)));
    ck_assert(!ag_ok(ag_randperm(NULL, 3)));
    ag_tape_free(t);
}
END_TEST

Suite *ops_random_suite(void) {
    Suite *s = suite_create("ops_random");
    TCase *c = tcase_create("ops_random");
    tcase_add_loop_test(c, a_draw_replays_and_moves_the_generator_on, 0, DRAWS);
    tcase_add_loop_test(c, threads_do_not_change_a_bit, 0, DRAWS);
    tcase_add_test(c, an_element_depends_on_its_index_alone);
    tcase_add_test(c, a_call_by_name_draws_the_same);
    tcase_add_test(c, numbers_have_their_distributions);
    tcase_add_test(c, certain_coins_are_certain);
    tcase_add_test(c, permutations_hold_every_number_once_and_are_all_likely);
    tcase_add_test(c, the_draw_stays_while_mean_and_deviation_move);
    tcase_add_test(c, mistakes_name_the_operation_and_what_is_wrong);
    suite_add_tcase(s, c);
    return s;
}
