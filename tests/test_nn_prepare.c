/* prepare: parts of a dataset share nothing and lose nothing; features get mean 0 and deviation 1; one-hot rows. */
#include <nn/nn.h>

#include <math.h>
#include <string.h>

#include "support/support.h"

/* n samples of one number, i, with label i^2 mod classes: classes of unequal size. */
static nn_dataset counting(int64_t n, int64_t classes) {
    nn_dataset d;
    ck_assert_int_eq(nn_dataset_init(&d, n, 1, NULL), AG_OK);
    for (int64_t i = 0; i < n; i++) {
        ck_assert_int_eq(ag_tensor_set(d.x, i, (double)i), AG_OK);
        ck_assert_int_eq(ag_tensor_set(d.y, i, (double)(i * i % classes)), AG_OK);
    }
    return d;
}

/* Each of n samples is in one of the parts, with its label. */
static void check_parts(const nn_dataset *a, const nn_dataset *b, int64_t n, int64_t classes) {
    bool seen[200] = {false};
    ck_assert_int_eq(nn_dataset_size(a) + nn_dataset_size(b), n);
    for (int part = 0; part < 2; part++) {
        const nn_dataset *d = part ? b : a;
        for (int64_t i = 0; i < nn_dataset_size(d); i++) {
            const int64_t which = (int64_t)ag_tensor_get(d->x, i);
            ck_assert(!seen[which]);
            seen[which] = true;
            ck_assert(ag_tensor_get(d->y, i) == (double)(which * which % classes));
        }
    }
}

static int64_t count_of(const nn_dataset *d, int64_t label) {
    int64_t count = 0;
    for (int64_t i = 0; i < nn_dataset_size(d); i++) count += ag_tensor_get(d->y, i) == (double)label;
    return count;
}

START_TEST(parts_are_disjoint_whole_and_of_the_size_asked_for) {
    enum { N = 101, CLASSES = 7 };
    static const double fractions[] = {0, 0.001, 0.25, 0.5, 0.8, 1};
    nn_dataset d = counting(N, CLASSES);
    for (size_t f = 0; f < sizeof fractions / sizeof *fractions; f++)
        for (int stratified = 0; stratified < 2; stratified++) {
            nn_dataset a, b;
            ck_assert_int_eq(nn_dataset_split(&d, fractions[f], stratified != 0, 1, &a, &b, NULL), AG_OK);
            check_parts(&a, &b, N, CLASSES);
            ck_assert_int_eq(nn_dataset_size(&a), (int64_t)floor(fractions[f] * N + 0.5));
            for (int64_t c = 0; stratified && c < CLASSES; c++)
                ck_assert(fabs((double)count_of(&a, c) - fractions[f] * (double)count_of(&d, c)) <= 1);
            nn_dataset_clear(&a);
            nn_dataset_clear(&b);
        }
    nn_dataset_clear(&d);
}
END_TEST

START_TEST(the_seed_alone_decides_a_split) {
    enum { N = 100 };
    nn_dataset d = counting(N, 3), part[3], rest[3];
    static const uint64_t seeds[] = {1, 1, 2};
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(nn_dataset_split(&d, 0.5, true, seeds[i], &part[i], &rest[i], NULL), AG_OK);
    ck_assert_mem_eq(ag_tensor_data(part[0].x), ag_tensor_data(part[1].x), N / 2 * sizeof(float));
    ck_assert_mem_ne(ag_tensor_data(part[0].x), ag_tensor_data(part[2].x), N / 2 * sizeof(float));
    for (int i = 0; i < 3; i++) {
        nn_dataset_clear(&part[i]);
        nn_dataset_clear(&rest[i]);
    }
    nn_dataset_clear(&d);
}
END_TEST

START_TEST(splits_that_cannot_be_are_refused) {
    nn_dataset d = counting(10, 3), a, b, none = {0};
    static const double fractions[] = {-0.1, 1.1, NAN};
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(nn_dataset_split(&d, fractions[i], false, 1, &a, &b, NULL), AG_ERROR_VALUE);
    ag_tensor *y = d.y;
    d.y = NULL;
    ck_assert_int_eq(nn_dataset_split(&d, 0.5, true, 1, &a, &b, NULL), AG_ERROR_STATE);
    ck_assert_int_eq(nn_dataset_split(&d, 0.5, false, 1, &a, &b, NULL), AG_OK);
    ck_assert_ptr_null(a.y);
    nn_dataset_clear(&a);
    nn_dataset_clear(&b);
    d.y = ag_tensor_new(AG_F32, 1, (const int64_t[]){10}, NULL);
    ck_assert_int_eq(nn_dataset_split(&d, 0.5, true, 1, &a, &b, NULL), AG_ERROR_DTYPE);
    ag_tensor_free(y);
    nn_dataset_clear(&d);
    ck_assert_int_eq(nn_dataset_split(&none, 0.5, true, 1, &a, &b, NULL), AG_OK);
    ck_assert(!a.x && !b.x);
}
END_TEST

START_TEST(features_get_mean_0_and_deviation_1_and_others_follow) {
    static const double train[] = {1, 7, 1e6, 3, 7, 1e6 + 2}, other[] = {2, 8, 1e6};
    for (ag_dtype dtype = AG_F32; dtype <= AG_F64; dtype++) {
        ag_tensor *x = ag_tensor_from(dtype, 2, (const int64_t[]){2, 3}, train, NULL);
        ag_tensor *z = ag_tensor_from(dtype, 3, (const int64_t[]){1, 3, 1}, other, NULL);
        nn_normalizer n;
        ck_assert_int_eq(nn_normalizer_fit(x, &n, NULL), AG_OK);
        ck_assert_int_eq(n.width, 3);
        ck_assert(n.mean[0] == 2 && n.mean[1] == 7 && n.mean[2] == 1e6 + 1);
        ck_assert(n.std[0] == 1 && n.std[1] == 1 && n.std[2] == 1);
        ck_assert_int_eq(nn_normalizer_apply(&n, x, NULL), AG_OK);
        ck_assert_int_eq(nn_normalizer_apply(&n, z, NULL), AG_OK);
        static const double expected[] = {-1, 0, -1, 1, 0, 1}, followed[] = {0, 1, -1};
        for (int64_t i = 0; i < 6; i++) ck_assert(ag_tensor_get(x, i) == expected[i]);
        for (int64_t i = 0; i < 3; i++) ck_assert(ag_tensor_get(z, i) == followed[i]);
        nn_normalizer_clear(&n);
        nn_normalizer_clear(&n);
        ag_tensor_free(x);
        ag_tensor_free(z);
    }
}
END_TEST

/* Squares of f64 leave its range long before the numbers do, both ways. */
START_TEST(very_large_and_very_small_features_are_standardised_too) {
    static const double unit[] = {3e-308, 1e-200, 1, 1e200, 1.5e308};
    for (int k = 0; k < 5; k++) {
        const double u = unit[k], values[] = {u, -u, u, -u};
        ag_tensor *x = ag_tensor_from(AG_F64, 2, (const int64_t[]){4, 1}, values, NULL);
        nn_normalizer n;
        ck_assert_int_eq(nn_normalizer_fit(x, &n, NULL), AG_OK);
        ck_assert(n.mean[0] == 0);
        ck_assert_double_eq_tol(n.std[0] / u, 1, 1e-15);
        ck_assert_int_eq(nn_normalizer_apply(&n, x, NULL), AG_OK);
        for (int64_t i = 0; i < 4; i++) ck_assert_double_eq_tol(ag_tensor_get(x, i), i % 2 ? -1 : 1, 1e-15);
        nn_normalizer_clear(&n);
        ag_tensor_free(x);
    }
    const double wide[] = {1.7e308, 1.7e308, 1.7e308, -1.7e308}; /* off the mean by 1.5 times the largest */
    ag_tensor *x = ag_tensor_from(AG_F64, 2, (const int64_t[]){4, 1}, wide, NULL);
    nn_normalizer n;
    ck_assert_int_eq(nn_normalizer_fit(x, &n, NULL), AG_OK);
    ck_assert_int_eq(nn_normalizer_apply(&n, x, NULL), AG_OK);
    ck_assert_double_eq_tol(ag_tensor_get(x, 0), 1 / sqrt(3), 1e-15);
    ck_assert_double_eq_tol(ag_tensor_get(x, 3), -sqrt(3), 1e-15);
    nn_normalizer_clear(&n);
    ag_tensor_free(x);
}
END_TEST

START_TEST(a_constant_feature_becomes_exactly_0) {
    enum { N = 7 };
    double values[N];
    for (int i = 0; i < N; i++) values[i] = 0.1; /* the sum of seven, divided by seven, is another number */
    ag_tensor *x = ag_tensor_from(AG_F64, 2, (const int64_t[]){N, 1}, values, NULL);
    nn_normalizer n;
    ck_assert_int_eq(nn_normalizer_fit(x, &n, NULL), AG_OK);
    ck_assert_int_eq(nn_normalizer_apply(&n, x, NULL), AG_OK);
    for (int i = 0; i < N; i++) ck_assert(ag_tensor_get(x, i) == 0);
    nn_normalizer_clear(&n);
    ag_tensor_free(x);
}
END_TEST

START_TEST(what_cannot_be_normalised_is_refused) {
    nn_normalizer n;
    ag_error error = {0};
    ag_tensor *none = ag_tensor_new(AG_F32, 2, (const int64_t[]){0, 3}, NULL),
              *scalar = ag_tensor_new(AG_F32, 0, NULL, NULL);
    ag_tensor *whole = ag_tensor_new(AG_I64, 2, (const int64_t[]){2, 3}, NULL);
    ag_tensor *bad = ag_tensor_from(AG_F32, 2, (const int64_t[]){2, 2}, (const double[]){0, 1, 2, NAN}, NULL);
    ag_tensor *good = ag_tensor_new(AG_F32, 2, (const int64_t[]){2, 3}, NULL);
    ck_assert_int_eq(nn_normalizer_fit(none, &n, NULL), AG_ERROR_SHAPE);
    ck_assert_int_eq(nn_normalizer_fit(scalar, &n, NULL), AG_ERROR_SHAPE);
    ck_assert_int_eq(nn_normalizer_fit(whole, &n, NULL), AG_ERROR_DTYPE);
    ck_assert_int_eq(nn_normalizer_fit(bad, &n, &error), AG_ERROR_NONFINITE);
    ck_assert_ptr_nonnull(strstr(error.message, "row 1, feature 1"));
    ck_assert_ptr_null(n.mean);
    ck_assert_int_eq(nn_normalizer_fit(good, &n, NULL), AG_OK);
    ck_assert_int_eq(nn_normalizer_apply(&n, bad, NULL), AG_ERROR_SHAPE);
    ck_assert_int_eq(nn_normalizer_apply(&n, whole, NULL), AG_ERROR_DTYPE);
    ck_assert_int_eq(nn_normalizer_apply(&n, none, NULL), AG_OK);
    nn_normalizer_clear(&n);
    ag_tensor *all[] = {none, scalar, whole, bad, good};
    for (int i = 0; i < 5; i++) ag_tensor_free(all[i]);
}
END_TEST

START_TEST(one_hot_rows_have_a_single_1) {
    ag_tensor *y = ag_tensor_from(AG_I64, 1, (const int64_t[]){3}, (const double[]){2, 0, 1}, NULL);
    ag_tensor *x = nn_one_hot(y, 3, NULL);
    static const double expected[] = {0, 0, 1, 1, 0, 0, 0, 1, 0};
    ck_assert_ptr_nonnull(x);
    for (int64_t i = 0; i < 9; i++) ck_assert(ag_tensor_get(x, i) == expected[i]);
    ag_error error = {0};
    ck_assert_ptr_null(nn_one_hot(y, 2, &error));
    ck_assert_int_eq(error.status, AG_ERROR_INDEX);
    ck_assert_ptr_nonnull(strstr(error.message, "label 2 in row 0"));
    ck_assert_ptr_null(nn_one_hot(y, 0, &error));
    ck_assert_int_eq(error.status, AG_ERROR_SHAPE);
    ck_assert_ptr_null(nn_one_hot(x, 3, &error));
    ck_assert_int_eq(error.status, AG_ERROR_DTYPE);
    ag_tensor_free(x);
    ag_tensor_free(y);
}
END_TEST

START_TEST(without_memory_nothing_is_split_or_fitted_and_nothing_leaks) {
    counting_allocator_install();
    nn_dataset d = counting(10, 3);
    const long before = counting_allocator_live();
    for (long k = 1;; k++) {
        counting_allocator_fail_at(k);
        nn_dataset a, b;
        nn_normalizer z = {0};
        ag_tensor *hot = NULL;
        ag_error error = {0};
        ag_status status = nn_dataset_split(&d, 0.5, true, 1, &a, &b, &error);
        if (!status) status = nn_normalizer_fit(d.x, &z, &error);
        if (!status && !(hot = nn_one_hot(d.y, 3, &error))) status = error.status;
        if (status) ck_assert(!hot && (!a.x || nn_dataset_size(&a) == 5));
        nn_dataset_clear(&a);
        nn_dataset_clear(&b);
        nn_normalizer_clear(&z);
        ag_tensor_free(hot);
        ck_assert_int_eq(counting_allocator_live(), before);
        if (counting_allocator_calls() < k) {
            ck_assert_int_eq(status, AG_OK);
            ck_assert_int_gt(k, 8);
            break;
        }
        ck_assert_int_eq(status, AG_ERROR_MEMORY);
    }
    counting_allocator_fail_at(0);
    nn_dataset_clear(&d);
}
END_TEST

Suite *nn_prepare_suite(void);
Suite *nn_prepare_suite(void) {
    Suite *s = suite_create("nn_prepare");
    TCase *t = tcase_create("prepare");
    tcase_add_test(t, parts_are_disjoint_whole_and_of_the_size_asked_for);
    tcase_add_test(t, the_seed_alone_decides_a_split);
    tcase_add_test(t, splits_that_cannot_be_are_refused);
    tcase_add_test(t, features_get_mean_0_and_deviation_1_and_others_follow);
    tcase_add_test(t, very_large_and_very_small_features_are_standardised_too);
    tcase_add_test(t, a_constant_feature_becomes_exactly_0);
    tcase_add_test(t, what_cannot_be_normalised_is_refused);
    tcase_add_test(t, one_hot_rows_have_a_single_1);
    tcase_add_test(t, without_memory_nothing_is_split_or_fitted_and_nothing_leaks);
    suite_add_tcase(s, t);
    return s;
}
