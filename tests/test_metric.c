/* metric: predictions, counts, the table. */
#include "nn_support.h"

#include <math.h>

typedef struct bench {
    ag_tape *t;
    nn_confusion c;
} bench;

static bench bench_new(int64_t classes) {
    bench b = {.t = ag_tape_new(NULL)};
    ck_assert_ptr_nonnull(b.t);
    ck_assert_int_eq(nn_confusion_init(&b.c, classes, NULL), AG_OK);
    return b;
}

static void bench_free(bench *b) {
    nn_confusion_clear(&b->c);
    ag_tape_free(b->t);
}

static ag_tensor *targets(int64_t n, const double *values) {
    ag_tensor *x = ag_tensor_from(AG_I64, 1, &n, values, NULL);
    ck_assert_ptr_nonnull(x);
    return x;
}

/* rows x 3 logits against targets. */
static ag_status add(bench *b, ag_dtype dtype, int64_t rows, const double *logits, const double *target) {
    ag_tensor *t = targets(rows, target);
    ag_error error = {0};
    const int64_t dim[] = {rows, 3};
    ag_status status = nn_confusion_add(&b->c, ag_array_constant(b->t, dtype, 2, dim, logits), t, &error);
    ck_assert_int_eq(error.status, status);
    ag_tensor_free(t);
    return status;
}

static int64_t at(const bench *b, int64_t truth, int64_t said) { return b->c.counts[truth * b->c.classes + said]; }

START_TEST(counts_what_was_said_of_what) {
    static const ag_dtype dtypes[] = {AG_F32, AG_F64};
    for (int k = 0; k < 2; k++) {
        bench b = bench_new(3);
        const double logits[] = {1, 5, 2, -3, -2, -1, 4, 0, 0, 0, 1, 0};
        ck_assert_int_eq(add(&b, dtypes[k], 4, logits, (const double[]){1, 2, 2, 1}), AG_OK);
        ck_assert_int_eq(at(&b, 1, 1), 2);
        ck_assert_int_eq(at(&b, 2, 2), 1);
        ck_assert_int_eq(at(&b, 2, 0), 1);
        ck_assert_int_eq(nn_confusion_total(&b.c), 4);
        ck_assert_int_eq(nn_confusion_correct(&b.c), 3);
        ck_assert_double_eq(nn_confusion_accuracy(&b.c), 0.75);
        bench_free(&b);
    }
}
END_TEST

START_TEST(the_first_of_equals_wins_and_a_nan_before_all) {
    bench b = bench_new(3);
    const double logits[] = {2,         2, 2,   1,        2,        2,   -INFINITY, -INFINITY,
                             -INFINITY, 9, NAN, INFINITY, INFINITY, NAN, NAN};
    ck_assert_int_eq(add(&b, AG_F64, 5, logits, (const double[]){0, 0, 0, 0, 0}), AG_OK);
    ck_assert_int_eq(at(&b, 0, 0), 2);
    ck_assert_int_eq(at(&b, 0, 1), 3);
    bench_free(&b);
}
END_TEST

START_TEST(logits_may_be_a_view) {
    bench b = bench_new(3);
    const int64_t dim[] = {3, 2}; /* columns are samples */
    ag_value x = ag_transpose(ag_array_constant(b.t, AG_F64, 2, dim, (const double[]){0, 9, 1, 8, 2, 7}), 0, 1);
    ag_tensor *t = targets(2, (const double[]){2, 0});
    ck_assert_int_eq(nn_confusion_add(&b.c, x, t, NULL), AG_OK);
    ck_assert_int_eq(nn_confusion_correct(&b.c), 2);
    ag_tensor_free(t);
    bench_free(&b);
}
END_TEST

START_TEST(what_does_not_fit_is_refused_and_nothing_is_added) {
    bench b = bench_new(3);
    const double logits[] = {1, 5, 2, 1, 5, 2};
    const int64_t dim[] = {2, 3}, wide[] = {2, 4};
    ck_assert_int_eq(add(&b, AG_F32, 2, logits, (const double[]){1, 3}), AG_ERROR_INDEX);
    ck_assert_int_eq(add(&b, AG_F32, 2, logits, (const double[]){-1, 1}), AG_ERROR_INDEX);
    ck_assert_int_eq(add(&b, AG_I64, 2, logits, (const double[]){1, 1}), AG_ERROR_DTYPE);
    ag_value x = ag_array_constant(b.t, AG_F32, 2, dim, logits);
    ag_tensor *t = targets(3, (const double[]){1, 1, 1});
    ck_assert_int_eq(nn_confusion_add(&b.c, x, t, NULL), AG_ERROR_SHAPE);
    ag_tensor_free(t);
    t = targets(2, (const double[]){1, 1});
    ck_assert_int_eq(nn_confusion_add(&b.c, ag_full(b.t, AG_F32, 2, wide, 0), t, NULL), AG_ERROR_SHAPE);
    ck_assert_int_eq(nn_confusion_add(&b.c, ag_scalar(b.t, 1), t, NULL), AG_ERROR_SHAPE);
    ag_value failed = ag_tape_fail(b.t, AG_ERROR_VALUE, "made to fail");
    ck_assert_int_eq(nn_confusion_add(&b.c, failed, t, NULL), AG_ERROR_FAILED);
    ag_tensor_free(t);
    ck_assert_int_eq(nn_confusion_total(&b.c), 0);
    bench_free(&b);
}
END_TEST

START_TEST(an_index_error_names_the_row) {
    bench b = bench_new(3);
    ag_tensor *t = targets(2, (const double[]){1, 3});
    ag_error error = {0};
    const int64_t dim[] = {2, 3};
    ck_assert_int_eq(nn_confusion_add(&b.c, ag_full(b.t, AG_F32, 2, dim, 0), t, &error), AG_ERROR_INDEX);
    ck_assert_msg(strstr(error.message, "target 3") && strstr(error.message, "row 1"), "%s", error.message);
    ag_tensor_free(t);
    bench_free(&b);
}
END_TEST

START_TEST(an_empty_batch_adds_nothing_and_accuracy_of_nothing_is_nan) {
    bench b = bench_new(3);
    ck_assert_int_eq(add(&b, AG_F32, 0, (const double[]){0}, (const double[]){0}), AG_OK);
    ck_assert_int_eq(nn_confusion_total(&b.c), 0);
    ck_assert(isnan(nn_confusion_accuracy(&b.c)));
    bench_free(&b);
}
END_TEST

START_TEST(the_table_has_a_row_for_each_class) {
    bench b = bench_new(3);
    const double logits[] = {1, 5, 2, -3, -2, -1, 4, 0, 0, 0, 1, 0};
    ck_assert_int_eq(add(&b, AG_F64, 4, logits, (const double[]){1, 2, 2, 1}), AG_OK);
    static const char expected[] = "true\\said      0      1      2 recall\n"
                                   "        0      0      0      0      -\n"
                                   "        1      0      2      0 100.0%\n"
                                   "        2      1      0      1  50.0%\n"
                                   "precision   0.0% 100.0% 100.0%  75.0%\n";
    char text[400];
    ck_assert_uint_eq(nn_confusion_text(&b.c, text, sizeof text), sizeof expected - 1);
    ck_assert_str_eq(text, expected);
    char part[20]; /* snprintf's rule: the whole length, and what fits */
    ck_assert_uint_eq(nn_confusion_text(&b.c, part, sizeof part), sizeof expected - 1);
    ck_assert_uint_eq(strlen(part), sizeof part - 1);
    ck_assert_int_eq(strncmp(part, expected, sizeof part - 1), 0);
    ck_assert_uint_eq(nn_confusion_text(&b.c, NULL, 0), sizeof expected - 1);
    bench_free(&b);
}
END_TEST

START_TEST(impossible_numbers_of_classes_are_refused) {
    nn_confusion c;
    ck_assert_int_eq(nn_confusion_init(&c, 0, NULL), AG_ERROR_VALUE);
    ck_assert_int_eq(nn_confusion_init(&c, -4, NULL), AG_ERROR_VALUE);
    ck_assert_int_eq(nn_confusion_init(&c, INT64_MAX, NULL), AG_ERROR_VALUE);
    nn_confusion_clear(&c); /* after a failure it is empty */
    nn_confusion_clear(&c);
}
END_TEST

static bool make(void) {
    nn_confusion c;
    ag_error error = {0};
    bool ok = nn_confusion_init(&c, 10, &error) == AG_OK;
    if (!ok) ck_assert_int_eq(error.status, AG_ERROR_MEMORY);
    nn_confusion_clear(&c);
    return ok;
}

START_TEST(every_failed_allocation_is_reported_and_leaves_nothing) { test_every_allocation(make); }
END_TEST

Suite *metric_suite(void) {
    Suite *s = suite_create("metric");
    TCase *tc = tcase_create("metric");
    tcase_add_test(tc, counts_what_was_said_of_what);
    tcase_add_test(tc, the_first_of_equals_wins_and_a_nan_before_all);
    tcase_add_test(tc, logits_may_be_a_view);
    tcase_add_test(tc, what_does_not_fit_is_refused_and_nothing_is_added);
    tcase_add_test(tc, an_index_error_names_the_row);
    tcase_add_test(tc, an_empty_batch_adds_nothing_and_accuracy_of_nothing_is_nan);
    tcase_add_test(tc, the_table_has_a_row_for_each_class);
    tcase_add_test(tc, impossible_numbers_of_classes_are_refused);
    tcase_add_test(tc, every_failed_allocation_is_reported_and_leaves_nothing);
    suite_add_tcase(s, tc);
    return s;
}
