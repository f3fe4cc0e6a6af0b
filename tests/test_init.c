/* init: the moments of each kind, what the draws depend on, what is refused. */
#include "nn_support.h"

#include <math.h>

enum { ROWS = 60, COLUMNS = 50, WINDOW = 9, COUNT = ROWS * COLUMNS * WINDOW }; /* a weight (60, 50, 3, 3) */
static const int64_t shape[] = {ROWS, COLUMNS, 3, 3};
static const double fan_in = COLUMNS * WINDOW, fan_out = ROWS * WINDOW;

static ag_tensor *filled(nn_init init, ag_dtype dtype, uint64_t seed) {
    ag_tensor *x = ag_tensor_new(dtype, 4, shape, NULL);
    ag_random random = {seed, 0};
    ck_assert_ptr_nonnull(x);
    ck_assert_int_eq(nn_init_fill(init, x, &random, NULL), AG_OK);
    return x;
}

/* Sample mean and standard deviation within five standard errors. The error of the mean is sd / sqrt(n); that of the
 * deviation is sd sqrt((k - 1) / n) / 2, with the kurtosis k = 3 of a normal and 9/5 of a uniform distribution. */
static void check_moments(nn_init init, double mean, double deviation, double kurtosis) {
    ag_tensor *x = filled(init, AG_F64, 17);
    const double *v = ag_tensor_data(x);
    double sum = 0, squares = 0;
    for (int i = 0; i < COUNT; i++) sum += v[i];
    const double m = sum / COUNT;
    for (int i = 0; i < COUNT; i++) squares += (v[i] - m) * (v[i] - m);
    const double s = sqrt(squares / COUNT);
    ck_assert_double_eq_tol(m, mean, 5 * deviation / sqrt(COUNT));
    ck_assert_double_eq_tol(s, deviation, 5 * deviation * sqrt((kurtosis - 1) / COUNT) / 2);
    ag_tensor_free(x);
}

static void check_uniform(nn_init init, double low, double high) {
    check_moments(init, (low + high) / 2, (high - low) / sqrt(12), 9.0 / 5);
    ag_tensor *x = filled(init, AG_F64, 18);
    int outside = 0;
    for (int i = 0; i < COUNT; i++) outside += ag_tensor_get(x, i) < low || ag_tensor_get(x, i) >= high;
    ck_assert_int_eq(outside, 0);
    ag_tensor_free(x);
}

START_TEST(uniform_kinds_have_their_bounds) {
    const double glorot = sqrt(6 / (fan_in + fan_out)), he = sqrt(6 / fan_in);
    check_uniform(nn_init_uniform(-1, 3), -1, 3);
    check_uniform(nn_init_xavier_uniform(1), -glorot, glorot);
    check_uniform(nn_init_xavier_uniform(5.0 / 3), -5.0 / 3 * glorot, 5.0 / 3 * glorot);
    check_uniform(nn_init_he_uniform(), -he, he);
    const double forward = sqrt(6 / (1.25 * fan_in)), backward = sqrt(6 / (2 * fan_out));
    check_uniform(nn_init_he_uniform_with(0.5, false), -forward, forward);
    check_uniform(nn_init_he_uniform_with(1, true), -backward, backward);
    check_uniform(nn_init_fan_uniform(100), -0.1, 0.1);
    check_uniform(nn_init_lecun_uniform(), -sqrt(3 / fan_in), sqrt(3 / fan_in));
}
END_TEST

START_TEST(normal_kinds_have_their_moments) {
    check_moments(nn_init_normal(2, 0.5), 2, 0.5, 3);
    check_moments(nn_init_gaussian(), 0, 1 / sqrt(fan_in + 1), 3);
    check_moments(nn_init_xavier_normal(2), 0, 2 * sqrt(2 / (fan_in + fan_out)), 3);
    check_moments(nn_init_he_normal(), 0, sqrt(2 / fan_in), 3);
    check_moments(nn_init_he_normal_with(0.5, false), 0, sqrt(2 / (1.25 * fan_in)), 3);
    check_moments(nn_init_he_normal_with(0, true), 0, sqrt(2 / fan_out), 3);
    check_moments(nn_init_standard_gaussian(), 0, 1, 3);
    check_moments(nn_init_lecun_normal(), 0, sqrt(1 / fan_in), 3);
}
END_TEST

/* Cut at two deviations: variance 1 - 4 phi(2) / (Phi(2) - Phi(-2)), phi and Phi of the normal distribution. */
START_TEST(a_truncated_normal_ends_at_two_deviations) {
    const double inside = erf(sqrt(2)), density = exp(-2) / sqrt(2 * acos(-1));
    const double shrunk = sqrt(1 - 4 * density / inside);
    ck_assert_double_eq_tol(shrunk, 0.8796, 5e-5);
    check_moments(nn_init_truncated_normal(1, 0.5), 1, 0.5 * shrunk, 3); /* its kurtosis is smaller */
    ag_tensor *x = filled(nn_init_truncated_normal(1, 0.5), AG_F64, 5);
    double low = 1, high = 1;
    for (int i = 0; i < COUNT; i++) {
        low = fmin(low, ag_tensor_get(x, i));
        high = fmax(high, ag_tensor_get(x, i));
    }
    ck_assert(low >= 0 && low < 0.01 && high <= 2 && high > 1.99);
    ag_tensor_free(x);
}
END_TEST

/* Q Q^T = gain^2 1 for rows at least as long as they are many, else Q^T Q; at most 30 products sum errors of some
 * 1e-16 each. */
static void check_orthogonal(int rank, const int64_t *dim, double gain) {
    ag_tensor *x = ag_tensor_new(AG_F64, rank, dim, NULL);
    ag_random random = {9, 0};
    ck_assert_int_eq(nn_init_fill(nn_init_orthogonal(gain), x, &random, NULL), AG_OK);
    const int64_t rows = dim[0], columns = ag_tensor_count(x) / rows;
    const bool wide = rows <= columns;
    const int64_t few = wide ? rows : columns, many = wide ? columns : rows;
    for (int64_t a = 0; a < few; a++) {
        for (int64_t b = 0; b < few; b++) {
            double sum = 0;
            for (int64_t i = 0; i < many; i++)
                sum += ag_tensor_get(x, wide ? a * columns + i : i * columns + a) *
                       ag_tensor_get(x, wide ? b * columns + i : i * columns + b);
            ck_assert_double_eq_tol(sum, a == b ? gain * gain : 0, 1e-13);
        }
    }
    ag_tensor_free(x);
}

START_TEST(orthogonal_rows_or_columns_are_orthonormal) {
    check_orthogonal(2, (const int64_t[]){20, 20}, 1);
    check_orthogonal(2, (const int64_t[]){7, 30}, 1);
    check_orthogonal(2, (const int64_t[]){30, 7}, sqrt(2));
    check_orthogonal(4, (const int64_t[]){6, 2, 3, 3}, 1);
    check_orthogonal(2, (const int64_t[]){1, 1}, 1);
}
END_TEST

/* The expected trace of a uniform one is 0 and its variance 1; Householder's signs would give it another mean. */
START_TEST(orthogonal_matrices_are_spread_evenly) {
    enum { TRIES = 400 };
    double sum = 0, squares = 0;
    ag_random random = {11, 0};
    ag_tensor *x = ag_tensor_new(AG_F64, 2, (const int64_t[]){3, 3}, NULL);
    for (int k = 0; k < TRIES; k++) {
        ck_assert_int_eq(nn_init_fill(nn_init_orthogonal(1), x, &random, NULL), AG_OK);
        double trace = 0;
        for (int i = 0; i < 3; i++) trace += ag_tensor_get(x, 4 * i);
        sum += trace;
        squares += trace * trace;
    }
    ck_assert_double_eq_tol(sum / TRIES, 0, 5 / sqrt(TRIES));
    ck_assert_double_eq_tol(squares / TRIES, 1, 5 * sqrt(2.0 / TRIES)); /* the fourth moment is at most 3 */
    ag_tensor_free(x);
}
END_TEST

START_TEST(an_identity_has_ones_on_its_diagonal) {
    for (int64_t rows = 2; rows <= 3; rows++) {
        ag_tensor *x = ag_tensor_new(AG_F32, 2, (const int64_t[]){rows, 5 - rows}, NULL);
        ag_random random = {1, 3};
        ck_assert_int_eq(nn_init_fill(nn_init_identity(), x, &random, NULL), AG_OK);
        for (int64_t i = 0; i < 6; i++)
            ck_assert_double_eq(ag_tensor_get(x, i), i / (5 - rows) == i % (5 - rows) ? 1 : 0);
        ck_assert_uint_eq(random.counter, 3);
        ag_tensor_free(x);
    }
}
END_TEST

START_TEST(an_embedding_is_gaussian_but_for_its_padding) {
    const int64_t dim[] = {4, 3};
    ag_tensor *x = ag_tensor_new(AG_F64, 2, dim, NULL), *all = ag_tensor_new(AG_F64, 2, dim, NULL);
    ag_random one = {2, 0}, other = {2, 0};
    ck_assert_int_eq(nn_init_fill(nn_init_embedding(2), x, &one, NULL), AG_OK);
    ck_assert_int_eq(nn_init_fill(nn_init_standard_gaussian(), all, &other, NULL), AG_OK);
    for (int64_t i = 0; i < 12; i++)
        ck_assert_double_eq(ag_tensor_get(x, i), i / 3 == 2 ? 0 : ag_tensor_get(all, i));
    one.counter = 0;
    ck_assert_int_eq(nn_init_fill(nn_init_embedding(-1), x, &one, NULL), AG_OK);
    ck_assert_mem_eq(ag_tensor_data(x), ag_tensor_data(all), 12 * sizeof(double));
    ag_tensor_free(x);
    ag_tensor_free(all);
}
END_TEST

START_TEST(matrices_are_refused_where_there_is_none) {
    const int64_t dim[] = {2, 2, 2};
    for (int rank = 0; rank <= 3; rank++) {
        ag_tensor *x = ag_tensor_new(AG_F64, rank, dim, NULL);
        ag_random random = {1, 7};
        const uint64_t version = ag_tensor_version(x);
        if (rank < 2) ck_assert_int_eq(nn_init_fill(nn_init_orthogonal(1), x, &random, NULL), AG_ERROR_SHAPE);
        if (rank != 2) ck_assert_int_eq(nn_init_fill(nn_init_identity(), x, &random, NULL), AG_ERROR_SHAPE);
        if (rank != 2) ck_assert_uint_eq(ag_tensor_version(x), version);
        ck_assert_uint_eq(random.counter, 7);
        ag_tensor_free(x);
    }
}
END_TEST

static bool fill_orthogonal(void) {
    const int64_t dim[] = {3, 4};
    ag_tensor *x = ag_tensor_new(AG_F32, 2, dim, NULL);
    ag_random random = {1, 0};
    const ag_status status = x ? nn_init_fill(nn_init_orthogonal(1), x, &random, NULL) : AG_ERROR_MEMORY;
    if (status) ck_assert_int_eq(status, AG_ERROR_MEMORY);
    if (status) ck_assert_uint_eq(random.counter, 0);
    ag_tensor_free(x);
    return !status;
}

START_TEST(an_orthogonal_fill_without_memory_changes_nothing) { test_every_allocation(fill_orthogonal); }
END_TEST

START_TEST(fans_of_a_matrix_and_of_a_vector) {
    /* A normal draw times a known deviation: the ratio of two fills from one seed is the ratio of deviations. */
    const int64_t matrix[] = {3, 8}, vector = 8;
    for (int rank = 1; rank <= 2; rank++) {
        ag_tensor *x = ag_tensor_new(AG_F64, rank, rank == 2 ? matrix : &vector, NULL);
        ag_random random = {5, 0};
        ck_assert_int_eq(nn_init_fill(nn_init_normal(0, 1), x, &random, NULL), AG_OK);
        const double unit = ag_tensor_get(x, 0);
        random.counter = 0;
        ck_assert_int_eq(nn_init_fill(nn_init_he_normal(), x, &random, NULL), AG_OK);
        ck_assert_double_eq_tol(ag_tensor_get(x, 0) / unit, 0.5, 1e-15);
        random.counter = 0;
        ck_assert_int_eq(nn_init_fill(nn_init_xavier_normal(1), x, &random, NULL), AG_OK);
        ck_assert_double_eq_tol(ag_tensor_get(x, 0) / unit, sqrt(2 / (8 + (rank == 2 ? 3.0 : 8.0))), 1e-15);
        ag_tensor_free(x);
    }
}
END_TEST

START_TEST(a_constant_draws_nothing) {
    ag_tensor *x = ag_tensor_new(AG_F32, 4, shape, NULL);
    ag_random random = {1, 41};
    ck_assert_int_eq(nn_init_fill(nn_init_constant(-2.5), x, &random, NULL), AG_OK);
    ck_assert_uint_eq(random.counter, 41);
    int others = 0;
    for (int i = 0; i < COUNT; i++) others += ag_tensor_get(x, i) != -2.5;
    ck_assert_int_eq(others, 0);
    ag_tensor_free(x);
}
END_TEST

START_TEST(f32_starts_as_f64_does_rounded) {
    ag_tensor *single = filled(nn_init_he_normal(), AG_F32, 3), *twice = filled(nn_init_he_normal(), AG_F64, 3);
    int others = 0;
    for (int i = 0; i < COUNT; i++) others += ag_tensor_get(single, i) != (double)(float)ag_tensor_get(twice, i);
    ck_assert_int_eq(others, 0);
    ag_tensor_free(single);
    ag_tensor_free(twice);
}
END_TEST

START_TEST(the_seed_decides) {
    ag_tensor *a = filled(nn_init_gaussian(), AG_F64, 3), *b = filled(nn_init_gaussian(), AG_F64, 3),
              *c = filled(nn_init_gaussian(), AG_F64, 4);
    const size_t bytes = COUNT * sizeof(double);
    ck_assert_mem_eq(ag_tensor_data(a), ag_tensor_data(b), bytes);
    ck_assert_mem_ne(ag_tensor_data(a), ag_tensor_data(c), bytes);
    ag_tensor_free(a);
    ag_tensor_free(b);
    ag_tensor_free(c);
}
END_TEST

START_TEST(what_makes_no_sense_is_refused_and_changes_nothing) {
    const nn_init bad[] = {
        nn_init_truncated_normal(0, -1), nn_init_orthogonal(INFINITY),   nn_init_uniform(1, 0),
        nn_init_normal(0, -1),           nn_init_constant(NAN),          nn_init_uniform(0, INFINITY),
        nn_init_fan_uniform(-1),         nn_init_uniform(-1e308, 1e308), nn_init_he_normal_with(NAN, true),
        {NN_INIT_HE_UNIFORM, -1, 0},     {(nn_init_kind)99, 0, 0}};
    const int64_t n = 3;
    ag_tensor *x = ag_tensor_from(AG_F32, 1, &n, (const double[]){1, 2, 3}, NULL);
    const uint64_t version = ag_tensor_version(x);
    ag_random random = {1, 7};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ag_error error = {0};
        ck_assert_int_eq(nn_init_fill(bad[i], x, &random, &error), AG_ERROR_VALUE);
        ck_assert_str_ne(error.message, "");
    }
    ck_assert_uint_eq(ag_tensor_version(x), version);
    ck_assert_uint_eq(random.counter, 7);
    ag_tensor_free(x);
    x = ag_tensor_new(AG_I64, 1, &n, NULL);
    ck_assert_int_eq(nn_init_fill(nn_init_constant(1), x, &random, NULL), AG_ERROR_DTYPE);
    ag_tensor_free(x);
}
END_TEST

START_TEST(empty_tensors_and_a_fan_of_nothing_are_legal) {
    const int64_t empty[] = {3, 0}, n = 3;
    ag_random random = {1, 0};
    ag_tensor *x = ag_tensor_new(AG_F32, 2, empty, NULL);
    ck_assert_int_eq(nn_init_fill(nn_init_he_normal(), x, &random, NULL), AG_OK);
    ag_tensor_free(x);
    x = ag_tensor_new(AG_F32, 1, &n, NULL);
    ck_assert_int_eq(nn_init_fill(nn_init_fan_uniform(0), x, &random, NULL), AG_OK);
    for (int i = 0; i < 3; i++) ck_assert_double_eq(ag_tensor_get(x, i), 0);
    ag_tensor_free(x);
}
END_TEST

Suite *init_suite(void) {
    Suite *s = suite_create("init");
    TCase *tc = tcase_create("init");
    tcase_add_test(tc, uniform_kinds_have_their_bounds);
    tcase_add_test(tc, normal_kinds_have_their_moments);
    tcase_add_test(tc, a_truncated_normal_ends_at_two_deviations);
    tcase_add_test(tc, orthogonal_rows_or_columns_are_orthonormal);
    tcase_add_test(tc, orthogonal_matrices_are_spread_evenly);
    tcase_add_test(tc, an_identity_has_ones_on_its_diagonal);
    tcase_add_test(tc, an_embedding_is_gaussian_but_for_its_padding);
    tcase_add_test(tc, matrices_are_refused_where_there_is_none);
    tcase_add_test(tc, an_orthogonal_fill_without_memory_changes_nothing);
    tcase_add_test(tc, fans_of_a_matrix_and_of_a_vector);
    tcase_add_test(tc, a_constant_draws_nothing);
    tcase_add_test(tc, f32_starts_as_f64_does_rounded);
    tcase_add_test(tc, the_seed_decides);
    tcase_add_test(tc, what_makes_no_sense_is_refused_and_changes_nothing);
    tcase_add_test(tc, empty_tensors_and_a_fan_of_nothing_are_legal);
    suite_add_tcase(s, tc);
    return s;
}
