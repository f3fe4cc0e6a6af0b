/* ops_scan: products, running sums and products, and the recurrence under them - zeros above all. */
#include "ops_support.h"

/* Adjoint of x when dx, the gradient of y, is summed with the weights 1, 2, ... */
static ag_value second(ag_value y, ag_value x) {
    double weights[16];
    for (int i = 0; i < 16; i++) weights[i] = i + 1;
    ag_value sum = ag_sum_all(y), dx, ddx;
    ck_assert_int_eq(ag_grad(&sum, NULL, 1, &x, 1, &dx), AG_OK);
    const ag_meta *meta = ag_meta_of(x);
    const ag_value w = ag_array_constant(x.tape, meta->dtype, meta->rank, meta->dim, weights);
    ag_value weighted = ag_sum_all(ag_mul(dx, w));
    ck_assert_int_eq(ag_grad(&weighted, NULL, 1, &x, 1, &ddx), AG_OK);
    return ddx;
}

static ag_value first(ag_value y, ag_value x) {
    ag_value sum = ag_sum_all(y), dx;
    ck_assert_int_eq(ag_grad(&sum, NULL, 1, &x, 1, &dx), AG_OK);
    return dx;
}

/* ---- prod ----------------------------------------------------------------------------------------------------------- */

/* With weights 1, 2, 3 the second gradient of x0 x1 x2 is (2 x2 + 3 x1, x2 + 3 x0, x1 + 2 x0). */
START_TEST(products_with_zeros_have_the_product_of_the_others) {
    for (ag_dtype dtype = AG_F32; dtype <= AG_F64; dtype++) {
        ag_tape *t = ag_tape_new(NULL);
        ag_value x = ag_array_leaf(t, dtype, 1, SHAPE(3), LIST(2, 3, 5)), y = ag_prod(x, NULL, 0, false);
        EXPECT(y, 30);
        EXPECT(first(y, x), 15, 10, 6);
        EXPECT(second(y, x), 19, 11, 7);
        ag_value one = ag_array_leaf(t, dtype, 1, SHAPE(3), LIST(2, 0, 5)), z = ag_prod(one, NULL, 0, false);
        EXPECT(z, 0);
        EXPECT(first(z, one), 0, 10, 0);
        EXPECT(second(z, one), 10, 11, 4);
        ag_value two = ag_array_leaf(t, dtype, 1, SHAPE(3), LIST(0, 3, 0)), w = ag_prod(two, NULL, 0, false);
        EXPECT(w, 0);
        EXPECT(first(w, two), 0, 0, 0);
        EXPECT(second(w, two), 9, 0, 3);
        ag_tape_free(t);
    }
}
END_TEST

START_TEST(products_over_axes_that_are_no_neighbours) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ag_array_leaf(t, AG_F64, 3, SHAPE(2, 2, 2), LIST(1, 2, 3, 4, 5, 0, 7, 8));
    ag_value y = ag_prod(x, AXES(2, 0), 2, false);
    EXPECT(y, 0, 672);
    EXPECT(first(y, x), 0, 0, 224, 168, 0, 10, 96, 84);
    EXPECT_SHAPE(ag_prod(x, AXES(0, -1), 2, true), 1, 2, 1);
    ag_value view = ag_transpose(x, 0, 1), product = ag_prod(view, AXES(1), 1, true);
    EXPECT(product, 5, 0, 21, 32);
    EXPECT(first(product, x), 5, 0, 7, 8, 1, 2, 3, 4);
    ag_tape_free(t);
}
END_TEST

START_TEST(products_of_nothing_scalars_integers_and_bools) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value none = ramp(t, 2, SHAPE(0, 2));
    EXPECT(ag_prod(none, AXES(0), 1, false), 1, 1);
    EXPECT_SHAPE(first(ag_prod(none, AXES(0), 1, false), none), 0, 2);
    ag_value s = ag_scalar(t, 3);
    EXPECT(ag_prod(s, NULL, 0, false), 3);
    EXPECT(first(ag_prod(s, NULL, 0, false), s), 1);
    ag_value n = ag_array_constant(t, AG_I64, 1, SHAPE(3), LIST(3037000499.0, 3, 1));
    ck_assert_int_eq(ag_meta_of(ag_prod(n, NULL, 0, false))->dtype, AG_I64);
    EXPECT(ag_prod(n, NULL, 0, false), 9111001497.0);
    ck_assert_int_eq(ag_meta_of(ag_prod(ag_gt(n, s), NULL, 0, false))->dtype, AG_I64);
    EXPECT(ag_prod(ag_gt(n, s), NULL, 0, false), 0);
    ag_tape_free(t);
}
END_TEST

/* ---- cumsum and cumprod --------------------------------------------------------------------------------------------- */

START_TEST(running_sums_and_products_along_each_axis) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ag_array_leaf(t, AG_F64, 2, SHAPE(2, 3), LIST(1, 2, 3, 4, 5, 6));
    EXPECT(ag_cumsum(x, 0), 1, 2, 3, 5, 7, 9);
    EXPECT(ag_cumsum(x, -1), 1, 3, 6, 4, 9, 15);
    EXPECT(ag_cumprod(x, 0), 1, 2, 3, 4, 10, 18);
    EXPECT(ag_cumprod(x, 1), 1, 2, 6, 4, 20, 120);
    EXPECT(ag_cumsum(ag_transpose(x, 0, 1), 0), 1, 4, 3, 9, 6, 15);
    EXPECT(first(ag_cumsum(x, 1), x), 3, 2, 1, 3, 2, 1);
    EXPECT(first(ag_cumprod(x, 0), x), 5, 6, 7, 1, 2, 3);
    EXPECT(ag_cumsum(ag_scalar(t, 3), 0), 3);
    EXPECT(ag_cumprod(ag_scalar(t, 3), -1), 3);
    EXPECT_SHAPE(ag_cumprod(ramp(t, 2, SHAPE(0, 2)), 0), 0, 2);
    ag_tape_free(t);
}
END_TEST

/* y = (a, a b, a b c): dx = (1 + b + b c, a + a c, a b); with weights 1, 2, 3 the second gradient is
 * (2 (1 + c) + 3 b, (1 + c) + 3 a, b + 2 a). */
START_TEST(running_products_with_zeros_are_differentiable_twice) {
    const double x[4][3] = {{2, 3, 5}, {2, 0, 5}, {0, 3, 0}, {0, 0, 0}};
    for (ag_dtype dtype = AG_F32; dtype <= AG_F64; dtype++) {
        for (int i = 0; i < 4; i++) {
            const double a = x[i][0], b = x[i][1], c = x[i][2];
            ag_tape *t = ag_tape_new(NULL);
            ag_value leaf = ag_array_leaf(t, dtype, 1, SHAPE(3), x[i]), y = ag_cumprod(leaf, 0);
            EXPECT(y, a, a * b, a * b * c);
            EXPECT(first(y, leaf), 1 + b + b * c, a + a * c, a * b);
            EXPECT(second(y, leaf), 2 * (1 + c) + 3 * b, (1 + c) + 3 * a, b + 2 * a);
            ag_tape_free(t);
        }
    }
}
END_TEST

START_TEST(integers_and_bools_run_exactly) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value n = ag_array_constant(t, AG_I64, 1, SHAPE(3), LIST(9007199254740991.0, 1, 1)); /* 2^53 - 1 */
    ag_value sums = ag_cumsum(n, 0);
    ck_assert_int_eq(ag_meta_of(sums)->dtype, AG_I64);
    ck_assert(((const int64_t *)ag_data(sums))[2] == 9007199254740993);
    ag_value mask = ag_array_constant(t, AG_BOOL, 1, SHAPE(4), LIST(1, 1, 0, 1));
    ck_assert_int_eq(ag_meta_of(ag_cumsum(mask, 0))->dtype, AG_I64);
    EXPECT(ag_cumsum(mask, 0), 1, 2, 2, 3);
    EXPECT(ag_cumprod(mask, 0), 1, 1, 0, 0);
    ag_tape_free(t);
}
END_TEST

START_TEST(a_nan_or_infinity_reaches_only_what_comes_after_it) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ag_array_leaf(t, AG_F64, 1, SHAPE(4), LIST(2, NAN, INFINITY, 0));
    EXPECT(ag_cumsum(x, 0), 2, NAN, NAN, NAN);
    EXPECT(ag_cumprod(ag_slice(x, 0, 2, 4, 1), 0), INFINITY, NAN);
    EXPECT(first(ag_cumsum(x, 0), x), 4, 3, 2, 1);
    ag_value infinite = ag_array_leaf(t, AG_F64, 1, SHAPE(2), LIST(INFINITY, 3));
    EXPECT(first(ag_cumprod(infinite, 0), infinite), 4, INFINITY);
    ag_tape_free(t);
}
END_TEST

/* Tiles are 64 lanes by 64 positions: sizes that end within one, at one and after it. Partial sums of f32 in f64 are
 * rounded once each. */
START_TEST(long_scans_agree_with_a_loop_in_both_dtypes) {
    const int64_t sizes[][3] = {{1, 200, 1}, {2, 64, 65}, {1, 65, 64}, {3, 129, 2}, {1, 1, 130}};
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        const int64_t outer = sizes[k][0], n = sizes[k][1], inner = sizes[k][2], count = outer * n * inner;
        double *x = malloc((size_t)count * sizeof *x), *y = malloc((size_t)count * sizeof *y);
        ag_random r = {.seed = k};
        for (int64_t i = 0; i < count; i++) x[i] = (double)(float)(ag_random_uniform(&r) - 0.5);
        for (ag_dtype dtype = AG_F32; dtype <= AG_F64; dtype++) {
            ag_tape *t = ag_tape_new(NULL);
            ag_value leaf = ag_array_leaf(t, dtype, 3, sizes[k], x);
            ck_assert_int_eq(ag_read_f64(ag_cumsum(leaf, 1), y, count), AG_OK);
            for (int64_t i = 0; i < outer * inner; i++) {
                double sum = 0;
                for (int64_t j = 0; j < n; j++) {
                    const int64_t at = (i / inner * n + j) * inner + i % inner;
                    sum += x[at];
                    ck_assert(y[at] == (dtype == AG_F32 ? (double)(float)sum : sum));
                }
            }
            ag_tape_free(t);
        }
        free(x);
        free(y);
    }
}
END_TEST

/* ---- linear_recurrence ---------------------------------------------------------------------------------------------- */

START_TEST(the_reverse_recurrence_is_the_transpose_and_the_first_weight_counts_for_nothing) {
    ag_tape *t = ag_tape_new(NULL);
    const ag_value in[2] = {ag_array_leaf(t, AG_F64, 1, SHAPE(3), LIST(INFINITY, 2, 3)),
                            ag_array_leaf(t, AG_F64, 1, SHAPE(3), LIST(1, 10, 100))};
    const ag_attr there[] = {{"axis", AG_FIELD_INT, {.integer = 0}},
                             {"reverse", AG_FIELD_BOOL, {.boolean = false}}};
    const ag_attr back[] = {{"axis", AG_FIELD_INT, {.integer = 0}}, {"reverse", AG_FIELD_BOOL, {.boolean = true}}};
    ag_value y;
    ck_assert_int_eq(ag_call(t, "linear_recurrence", in, 2, &(const ag_attrs){2, there}, &y), AG_OK);
    EXPECT(y, 1, 12, 136);
    EXPECT(first(y, in[0]), 0, 4, 12);
    EXPECT(first(y, in[1]), 9, 4, 1);
    ck_assert_int_eq(ag_call(t, "linear_recurrence", in, 2, &(const ag_attrs){2, back}, &y), AG_OK);
    EXPECT(y, 621, 310, 100);
    EXPECT(first(y, in[0]), 0, 310, 300);
    EXPECT(first(y, in[1]), 1, 3, 10);
    ag_tape_free(t);
}
END_TEST

Suite *ops_scan_suite(void) {
    Suite *s = suite_create("ops_scan");
    TCase *c = tcase_create("ops_scan");
    tcase_add_test(c, products_with_zeros_have_the_product_of_the_others);
    tcase_add_test(c, products_over_axes_that_are_no_neighbours);
    tcase_add_test(c, products_of_nothing_scalars_integers_and_bools);
    tcase_add_test(c, running_sums_and_products_along_each_axis);
    tcase_add_test(c, running_products_with_zeros_are_differentiable_twice);
    tcase_add_test(c, integers_and_bools_run_exactly);
    tcase_add_test(c, a_nan_or_infinity_reaches_only_what_comes_after_it);
    tcase_add_test(c, long_scans_agree_with_a_loop_in_both_dtypes);
    tcase_add_test(c, the_reverse_recurrence_is_the_transpose_and_the_first_weight_counts_for_nothing);
    suite_add_tcase(s, c);
    return s;
}
