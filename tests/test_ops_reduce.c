/* ops_reduce: reductions against plain loops over every set of axes, and the values and gradients at their edges. */
#include "ops_support.h"

/* ---- every set of axes ---------------------------------------------------------------------------------------- */

enum { A = 2, B = 3, C = 4, COUNT = A * B * C };

typedef ag_value reduction(ag_value x, const int *axes, int n_axes, bool keepdim);

/* The definition, in doubles. */
static void reference(reduction *f, const double *x, uint32_t mask, double *y, int *n) {
    const int dim[3] = {A, B, C};
    int size[3], members = 0;
    for (int k = 0; k < 3; k++) size[k] = mask & 1u << k ? 1 : dim[k];
    *n = size[0] * size[1] * size[2];
    members = COUNT / *n;
    for (int i = 0; i < *n; i++) y[i] = f == ag_amax ? -INFINITY : 0;
    for (int i = 0; i < COUNT; i++) {
        const int at[3] = {i / (B * C), i / C % B, i % C};
        int j = 0;
        for (int k = 0; k < 3; k++) j = j * size[k] + (mask & 1u << k ? 0 : at[k]);
        if (f == ag_amax)
            y[j] = fmax(y[j], x[i]);
        else
            y[j] += f == ag_logsumexp ? exp(x[i]) : f == ag_mean ? x[i] / members : x[i];
    }
    for (int i = 0; i < *n && f == ag_logsumexp; i++) y[i] = log(y[i]);
}

static void compare(reduction *f, ag_value x, const double *values, uint32_t mask, bool keepdim,
                    double tolerance) {
    int axes[3], n_axes = 0, n = 0;
    double expected[COUNT], got[COUNT];
    for (int k = 0; k < 3; k++)
        if (mask & 1u << k) axes[n_axes++] = keepdim ? k - 3 : k;
    reference(f, values, mask, expected, &n);
    ag_value y = f(x, axes, n_axes, keepdim);
    ck_assert_msg(ag_ok(y), "%s", ag_tape_message(x.tape));
    ck_assert_int_eq(ag_meta_of(y)->rank, keepdim ? 3 : 3 - n_axes);
    ck_assert_int_eq(ag_read_f64(y, got, n), AG_OK);
    for (int i = 0; i < n; i++)
        ck_assert_msg(fabs(got[i] - expected[i]) <= tolerance * fmax(1, fabs(expected[i])),
                      "axes %#x, element %d: %.9g, expected %.9g", mask, i, got[i], expected[i]);
}

/* At most 24 terms of size up to e^2: rounding stays below 24 eps; 32 leaves room for exp and log. */
START_TEST(reductions_agree_with_loops_over_every_set_of_axes) {
    reduction *const all[] = {ag_sum, ag_mean, ag_amax, ag_logsumexp};
    ag_tape *t = ag_tape_new(NULL);
    for (int f = 0; f < 4; f++) {
        for (int single = 0; single < 2; single++) {
            ag_value x = random_leaf(t, single ? AG_F32 : AG_F64, 3, SHAPE(A, B, C), 5);
            double values[COUNT];
            ck_assert_int_eq(ag_read_f64(x, values, COUNT), AG_OK);
            for (uint32_t mask = 1; mask < 8; mask++) /* no axes would mean all of them */
                for (int keepdim = 0; keepdim < 2; keepdim++)
                    compare(all[f], x, values, mask, keepdim, 32 * (single ? 1.2e-7 : 2.3e-16));
        }
    }
    ag_tape_free(t);
}
END_TEST

START_TEST(a_strided_operand_gives_the_bits_of_a_dense_one) {
    reduction *const all[] = {ag_sum, ag_mean, ag_amax, ag_logsumexp};
    ag_tape *t = ag_tape_new(NULL);
    ag_value strided = ag_transpose(random_leaf(t, AG_F32, 3, SHAPE(7, 3, 40), 6), 0, 2); /* (40, 3, 7) */
    double values[840], one[840], other[840];
    ck_assert_int_eq(ag_read_f64(strided, values, 840), AG_OK);
    ag_value dense = ag_array_leaf(t, AG_F32, 3, SHAPE(40, 3, 7), values);
    for (int f = 0; f < 4; f++) {
        for (int axis = 0; axis < 3; axis++) {
            ag_value y = all[f](strided, &axis, 1, false), z = all[f](dense, &axis, 1, false);
            int64_t n = ag_meta_count(ag_meta_of(y));
            ck_assert_int_eq(ag_read_f64(y, one, n), AG_OK);
            ck_assert_int_eq(ag_read_f64(z, other, n), AG_OK);
            ck_assert_msg(memcmp(one, other, (size_t)n * sizeof *one) == 0, "reduction %d, axis %d", f, axis);
        }
    }
    ag_tape_free(t);
}
END_TEST

START_TEST(no_axes_means_all_axes) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ramp(t, 2, SHAPE(2, 3));
    EXPECT_RANK_0(ag_sum(x, NULL, 0, false));
    EXPECT(ag_sum(x, AXES(0), 0, false), 15);
    EXPECT_SHAPE(ag_sum(x, NULL, 0, true), 1, 1);
    EXPECT(ag_mean_all(x), 2.5);
    EXPECT(ag_sum_all(ag_scalar(t, 4)), 4);
    ag_tape_free(t);
}
END_TEST

START_TEST(a_scalar_counts_as_one_axis) {
    ag_tape *t = ag_tape_new(NULL);
    const ag_value x = ag_scalar(t, 3);
    EXPECT_RANK_0(ag_sum(x, AXES(0), 1, true));
    EXPECT(ag_mean(x, AXES(-1), 1, false), 3);
    EXPECT(ag_amax(x, AXES(0), 1, true), 3);
    EXPECT(ag_softmax(x, -1), 1);
    EXPECT(ag_log_softmax(x, 0), 0);
    ag_tape_free(t);
}
END_TEST

START_TEST(integers_and_bools_sum_exactly) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value n = ag_array_constant(t, AG_I64, 1, SHAPE(3), LIST(9007199254740991.0, 1, 1)); /* 2^53 - 1 */
    ag_value sum = ag_sum_all(n);
    ck_assert_int_eq(ag_meta_of(sum)->dtype, AG_I64);
    ck_assert(*(const int64_t *)ag_data(sum) == 9007199254740993);
    ag_value mask = ag_gt(ramp(t, 1, SHAPE(5)), ag_scalar(t, 1));
    ck_assert_int_eq(ag_meta_of(ag_sum_all(mask))->dtype, AG_I64);
    EXPECT(ag_sum_all(mask), 3);
    EXPECT(ag_amax(n, NULL, 0, false), 9007199254740991.0);
    ag_tape_free(t);
}
END_TEST

START_TEST(reductions_of_nothing) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ramp(t, 2, SHAPE(0, 2));
    EXPECT(ag_sum(x, AXES(0), 1, false), 0, 0);
    EXPECT(ag_mean(x, AXES(0), 1, false), NAN, NAN);
    EXPECT(ag_logsumexp(x, AXES(0), 1, false), -INFINITY, -INFINITY);
    EXPECT_SHAPE(ag_amax(x, AXES(1), 1, false), 0);
    ag_tape_free(t);
}
END_TEST

/* ---- amax and argmax ---------------------------------------------------------------------------------------------- */

START_TEST(ties_share_the_gradient_of_amax) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ag_array_leaf(t, AG_F64, 2, SHAPE(3, 4), LIST(1, 3, 3, 0, 2, 2, 2, 2, 5, 4, 3, 2));
    ck_assert_int_eq(ag_backward(ag_sum_all(ag_amax(x, AXES(1), 1, false))), AG_OK);
    EXPECT_ADJOINT(x, 0, 0.5, 0.5, 0, 0.25, 0.25, 0.25, 0.25, 1, 0, 0, 0);
    ag_tape_free(t);
}
END_TEST

START_TEST(nan_wins_amax_in_its_own_group_only) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ag_array_leaf(t, AG_F64, 2, SHAPE(2, 2), LIST(NAN, 3, 1, 2));
    ag_value y = ag_amax(x, AXES(1), 1, false);
    EXPECT(y, NAN, 2);
    ck_assert_int_eq(ag_backward(ag_sum_all(y)), AG_OK);
    EXPECT_ADJOINT(x, NAN, NAN, 0, 1);
    ag_tape_free(t);
}
END_TEST

START_TEST(argmax_finds_the_first_largest_and_nan_first_of_all) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ag_array_constant(t, AG_F64, 2, SHAPE(3, 3), LIST(1, 7, 7, 9, 2, 9, 0, NAN, 99));
    ck_assert_int_eq(ag_meta_of(ag_argmax(x, 1, false))->dtype, AG_I64);
    EXPECT(ag_argmax(x, 1, false), 1, 0, 1);
    EXPECT(ag_argmax(x, 0, false), 1, 2, 2);
    EXPECT(ag_argmax(x, AG_ALL_AXES, false), 7);
    EXPECT_SHAPE(ag_argmax(x, -1, true), 3, 1);
    EXPECT_SHAPE(ag_argmax(x, AG_ALL_AXES, true), 1, 1);
    EXPECT(ag_argmax(ag_scalar(t, 5), AG_ALL_AXES, false), 0);
    ag_tape_free(t);
}
END_TEST

/* ---- logsumexp ------------------------------------------------------------------------------------------------------- */

static void try_logsumexp(ag_dtype dtype, const double *x, double y, const double *dx) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value leaf = ag_array_leaf(t, dtype, 1, SHAPE(2), x), value = ag_logsumexp(leaf, NULL, 0, false);
    expect_values_at(__FILE__, __LINE__, value, 1, &y);
    ck_assert_int_eq(ag_backward(value), AG_OK);
    expect_adjoint_at(__FILE__, __LINE__, leaf, 2, dx);
    ag_tape_free(t);
}

START_TEST(logsumexp_at_infinities_has_the_limits_gradient) {
    for (ag_dtype dtype = AG_F32; dtype <= AG_F64; dtype++) {
        try_logsumexp(dtype, LIST(-INFINITY, -INFINITY), -INFINITY, LIST(0, 0));
        try_logsumexp(dtype, LIST(INFINITY, 0), INFINITY, LIST(1, 0));
        try_logsumexp(dtype, LIST(INFINITY, INFINITY), INFINITY, LIST(0.5, 0.5));
        try_logsumexp(dtype, LIST(-INFINITY, 3), 3, LIST(0, 1));
        try_logsumexp(dtype, LIST(NAN, 3), NAN, LIST(NAN, NAN));
        try_logsumexp(dtype, LIST(10000, -10000), 10000, LIST(1, 0));
    }
}
END_TEST

START_TEST(one_infinite_group_leaves_the_others_alone) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ag_array_leaf(t, AG_F64, 2, SHAPE(3, 2), LIST(5, 5, INFINITY, 0, -INFINITY, -INFINITY));
    ck_assert_int_eq(ag_backward(ag_sum_all(ag_logsumexp(x, AXES(1), 1, false))), AG_OK);
    double dx[6];
    ck_assert_int_eq(ag_adjoint_f64(x, dx, 6), AG_OK);
    ck_assert_double_eq_tol(dx[0], 0.5, 1e-15);
    ck_assert_double_eq_tol(dx[1], 0.5, 1e-15);
    ck_assert(dx[2] == 1 && dx[3] == 0 && dx[4] == 0 && dx[5] == 0);
    ag_tape_free(t);
}
END_TEST

START_TEST(the_second_derivative_of_logsumexp_is_finite_at_infinity) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ag_array_leaf(t, AG_F64, 1, SHAPE(2), LIST(INFINITY, 0)), dx;
    ag_value y = ag_logsumexp(x, NULL, 0, false);
    ck_assert_int_eq(ag_grad(&y, NULL, 1, &x, 1, &dx), AG_OK);
    ck_assert_int_eq(ag_backward(ag_sum_all(ag_mul(dx, ag_array_constant(t, AG_F64, 1, SHAPE(2), LIST(1, 2))))),
                     AG_OK);
    EXPECT_ADJOINT(x, 0, 0);
    ag_tape_free(t);
}
END_TEST

/* ---- sum_to ------------------------------------------------------------------------------------------------------------ */

START_TEST(sum_to_is_the_transpose_of_expand) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = random_leaf(t, AG_F64, 3, SHAPE(1, 3, 1), 1), y = random_leaf(t, AG_F64, 4, SHAPE(2, 4, 3, 5), 2);
    double one = ag_item(ag_sum_all(ag_mul(ag_expand(x, 4, SHAPE(2, 4, 3, 5)), y)));
    double other = ag_item(ag_sum_all(ag_mul(x, ag_sum_to(y, 3, SHAPE(1, 3, 1)))));
    ck_assert_double_eq_tol(one, other, 1e-12);
    EXPECT(ag_sum_to(ramp(t, 2, SHAPE(2, 3)), 1, SHAPE(3)), 3, 5, 7);
    EXPECT(ag_sum_to(ramp(t, 2, SHAPE(2, 3)), 2, SHAPE(2, 1)), 3, 12);
    EXPECT(ag_sum_to(ramp(t, 2, SHAPE(2, 3)), 0, NULL), 15);
    ag_tape_free(t);
}
END_TEST

Suite *ops_reduce_suite(void) {
    Suite *s = suite_create("ops_reduce");
    TCase *c = tcase_create("ops_reduce");
    tcase_add_test(c, reductions_agree_with_loops_over_every_set_of_axes);
    tcase_add_test(c, a_strided_operand_gives_the_bits_of_a_dense_one);
    tcase_add_test(c, no_axes_means_all_axes);
    tcase_add_test(c, a_scalar_counts_as_one_axis);
    tcase_add_test(c, integers_and_bools_sum_exactly);
    tcase_add_test(c, reductions_of_nothing);
    tcase_add_test(c, ties_share_the_gradient_of_amax);
    tcase_add_test(c, nan_wins_amax_in_its_own_group_only);
    tcase_add_test(c, argmax_finds_the_first_largest_and_nan_first_of_all);
    tcase_add_test(c, logsumexp_at_infinities_has_the_limits_gradient);
    tcase_add_test(c, one_infinite_group_leaves_the_others_alone);
    tcase_add_test(c, the_second_derivative_of_logsumexp_is_finite_at_infinity);
    tcase_add_test(c, sum_to_is_the_transpose_of_expand);
    suite_add_tcase(s, c);
    return s;
}
