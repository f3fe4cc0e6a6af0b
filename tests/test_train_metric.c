/* train_metric: shares by class, the k largest, and errors of numbers, against values worked out by hand. */
#include "nn_support.h"

#include <math.h>

static ag_tape *t;

static void setup(void) { t = ag_tape_new(NULL); }
static void teardown(void) { ag_tape_free(t); }

static ag_tensor *labels(const int64_t *x, int64_t n) {
    ag_tensor *y = ag_tensor_new(AG_I64, 1, &n, NULL);
    ck_assert_ptr_nonnull(y);
    memcpy(ag_tensor_write(y), x, (size_t)n * sizeof *x);
    return y;
}

START_TEST(precision_recall_and_f1_are_those_of_the_definitions) {
    enum { N = 8, CLASSES = 5 }; /* class 3 is only said, class 2 only true, class 4 neither */
    const int64_t is[N] = {0, 0, 1, 1, 1, 2, 0, 2}, said[N] = {0, 1, 1, 1, 3, 1, 0, 1};
    double logits[N * CLASSES] = {0};
    for (int i = 0; i < N; i++) logits[i * CLASSES + said[i]] = 1;
    nn_confusion c;
    ck_assert_int_eq(nn_confusion_init(&c, CLASSES, NULL), AG_OK);
    ck_assert(isnan(nn_confusion_macro_f1(&c)));
    ag_tensor *target = labels(is, N);
    const ag_value x = ag_array_constant(t, AG_F64, 2, (const int64_t[]){N, CLASSES}, logits);
    ck_assert_int_eq(nn_confusion_add(&c, x, target, NULL), AG_OK);
    ck_assert_double_eq(nn_confusion_precision(&c, 0), 1);
    ck_assert_double_eq(nn_confusion_precision(&c, 1), 0.4);
    ck_assert(isnan(nn_confusion_precision(&c, 2)));
    ck_assert_double_eq(nn_confusion_precision(&c, 3), 0);
    ck_assert_double_eq(nn_confusion_recall(&c, 0), 2.0 / 3);
    ck_assert_double_eq(nn_confusion_recall(&c, 2), 0);
    ck_assert(isnan(nn_confusion_recall(&c, 3)));
    ck_assert_double_eq(nn_confusion_f1(&c, 0), 0.8);
    ck_assert_double_eq(nn_confusion_f1(&c, 1), 0.5);
    ck_assert(isnan(nn_confusion_f1(&c, 4)) && isnan(nn_confusion_f1(&c, -1)) &&
              isnan(nn_confusion_recall(&c, 5)));
    /* (1 + 0.4) / 4, (2/3 + 2/3) / 4, (0.8 + 0.5) / 4 */
    ck_assert_double_eq_tol(nn_confusion_macro_precision(&c), 0.35, 1e-15);
    ck_assert_double_eq_tol(nn_confusion_macro_recall(&c), 1.0 / 3, 1e-15);
    ck_assert_double_eq_tol(nn_confusion_macro_f1(&c), 0.325, 1e-15);
    ag_tensor_free(target);
    nn_confusion_clear(&c);
}
END_TEST

START_TEST(top_k_counts_labels_among_the_k_largest_ties_to_the_earlier) {
    const double logits[] = {3, 2, 1, 0, /**/ 1, 1, 1, 1, /**/ 0, NAN, 5, 4};
    const int64_t is[] = {1, 2, 2};
    const int64_t hits[] = {0, 2, 3, 3, 3}; /* of k = 1 to 5 */
    ag_tensor *target = labels(is, 3);
    const ag_value x = ag_array_constant(t, AG_F64, 2, (const int64_t[]){3, 4}, logits);
    for (int64_t k = 1; k <= 5; k++) {
        nn_top_k top = {.k = k};
        ck_assert(isnan(nn_top_k_accuracy(&top)));
        ck_assert_int_eq(nn_top_k_add(&top, x, target, NULL), AG_OK);
        ck_assert_int_eq(top.hits, hits[k - 1]);
        ck_assert_double_eq(nn_top_k_accuracy(&top), (double)hits[k - 1] / 3);
    }
    double column[12]; /* (4, 3): the same samples, strided in memory */
    for (int i = 0; i < 12; i++) column[i % 4 * 3 + i / 4] = logits[i];
    const ag_value turned = ag_transpose(ag_array_constant(t, AG_F64, 2, (const int64_t[]){4, 3}, column), 0, 1);
    nn_top_k top = {.k = 2};
    ck_assert_int_eq(nn_top_k_add(&top, turned, target, NULL), AG_OK);
    ck_assert_int_eq(top.hits, 2);
    ag_tensor_free(target);
}
END_TEST

START_TEST(errors_of_numbers_are_those_of_the_definitions_batch_by_batch) {
    const double y[] = {2.5, 0, 2, 8}, is[] = {3, -0.5, 2, 7};
    nn_regression r = {.count = 0};
    ck_assert(isnan(nn_regression_mae(&r)) && isnan(nn_regression_r2(&r)));
    for (int64_t i = 0; i < 2; i++) {
        ag_tensor *target = ag_tensor_from(AG_F32, 2, (const int64_t[]){2, 1}, is + 2 * i, NULL);
        const ag_value x = ag_array_constant(t, AG_F32, 2, (const int64_t[]){2, 1}, y + 2 * i);
        ck_assert_int_eq(nn_regression_add(&r, x, target, NULL), AG_OK);
        ag_tensor_free(target);
    }
    ck_assert_double_eq(nn_regression_mae(&r), 0.5);
    ck_assert_double_eq(nn_regression_mse(&r), 0.375);
    ck_assert_double_eq_tol(nn_regression_rmse(&r), 0.6123724356957945, 1e-15);
    ck_assert_double_eq_tol(nn_regression_r2(&r), 1 - 1.5 / 29.1875, 1e-14); /* mean 2.875 */
}
END_TEST

START_TEST(r2_of_equal_targets_is_1_or_0_and_of_one_sample_nothing) {
    const double one[] = {1, 1}, other[] = {1, 2};
    ag_tensor *target = ag_tensor_from(AG_F64, 1, (const int64_t[]){2}, one, NULL);
    nn_regression right = {.count = 0}, wrong = {.count = 0}, single = {.count = 1};
    ck_assert_int_eq(
        nn_regression_add(&right, ag_array_constant(t, AG_F64, 1, (const int64_t[]){2}, one), target, NULL),
        AG_OK);
    ck_assert_int_eq(
        nn_regression_add(&wrong, ag_array_constant(t, AG_F64, 1, (const int64_t[]){2}, other), target, NULL),
        AG_OK);
    ck_assert_double_eq(nn_regression_r2(&right), 1);
    ck_assert_double_eq(nn_regression_r2(&wrong), 0);
    ck_assert(isnan(nn_regression_r2(&single)));
    ag_tensor_free(target);
}
END_TEST

START_TEST(misuse_is_refused_and_adds_nothing) {
    const double x[] = {1, 2, 3, 4};
    const int64_t bad[] = {0, 2};
    ag_tensor *out = labels(bad, 2), *real = ag_tensor_from(AG_F64, 1, (const int64_t[]){2}, x, NULL);
    const ag_value logits = ag_array_constant(t, AG_F64, 2, (const int64_t[]){2, 2}, x);
    nn_top_k top = {.k = 1}, none = {.k = 0};
    nn_regression r = {.count = 0};
    ag_error error = {0};
    ck_assert_int_eq(nn_top_k_add(&none, logits, out, &error), AG_ERROR_VALUE);
    ck_assert_int_eq(nn_top_k_add(&top, logits, out, &error), AG_ERROR_INDEX);
    ck_assert_ptr_nonnull(strstr(error.message, "row 1"));
    ck_assert_int_eq(nn_top_k_add(&top, logits, real, &error), AG_ERROR_DTYPE);
    ck_assert_int_eq(nn_top_k_add(&top, ag_constant(t, real), out, &error), AG_ERROR_SHAPE);
    ck_assert_int_eq(nn_regression_add(&r, logits, real, &error), AG_ERROR_SHAPE);
    ck_assert_int_eq(nn_regression_add(&r, ag_constant(t, out), out, &error), AG_ERROR_DTYPE);
    const ag_value failed = ag_tape_fail(t, AG_ERROR_VALUE, "on purpose");
    ck_assert_int_eq(nn_top_k_add(&top, failed, out, &error), AG_ERROR_FAILED);
    ck_assert_int_eq(nn_regression_add(&r, failed, real, &error), AG_ERROR_FAILED);
    ck_assert(top.total == 0 && top.hits == 0 && r.count == 0 && r.squared == 0);
    ag_tensor_free(out);
    ag_tensor_free(real);
}
END_TEST

Suite *train_metric_suite(void) {
    Suite *s = suite_create("train_metric");
    TCase *tc = tcase_create("train_metric");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, precision_recall_and_f1_are_those_of_the_definitions);
    tcase_add_test(tc, top_k_counts_labels_among_the_k_largest_ties_to_the_earlier);
    tcase_add_test(tc, errors_of_numbers_are_those_of_the_definitions_batch_by_batch);
    tcase_add_test(tc, r2_of_equal_targets_is_1_or_0_and_of_one_sample_nothing);
    tcase_add_test(tc, misuse_is_refused_and_adds_nothing);
    suite_add_tcase(s, tc);
    return s;
}
