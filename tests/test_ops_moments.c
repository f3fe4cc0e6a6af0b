/* ops_moments: variance, standard deviation and norms - definitions, and values and gradients at their edges. */
#include "ops_support.h"

/* Gradient of the sum over the elements of dx times their weights 1, 2, ... with respect to x. */
static void expect_second_at(const char *file, int line, ag_value y, ag_value x, int n, const double *expected) {
    double weights[16];
    ck_assert_int_le(n, 16);
    for (int i = 0; i < n; i++) weights[i] = i + 1;
    ag_value dx;
    ck_assert_msg(ag_grad(&y, NULL, 1, &x, 1, &dx) == AG_OK, "%s:%d: %s", file, line, ag_tape_message(x.tape));
    const ag_value w = ag_array_constant(x.tape, ag_meta_of(x)->dtype, 1, SHAPE(n), weights);
    ck_assert_int_eq(ag_backward(ag_sum_all(ag_mul(dx, w))), AG_OK);
    expect_adjoint_at(file, line, x, n, expected);
}

/* The value over everything and the gradient, in both dtypes. */
typedef ag_value scalar_function(ag_value x, double parameter);
static void expect_both_at(const char *file, int line, scalar_function *f, double parameter, int n,
                           const double *x, double y, const double *dx) {
    for (ag_dtype dtype = AG_F32; dtype <= AG_F64; dtype++) {
        ag_tape *t = ag_tape_new(NULL);
        ag_value leaf = ag_array_leaf(t, dtype, 1, SHAPE(n), x), value = f(leaf, parameter);
        expect_values_at(file, line, value, 1, &y);
        ck_assert_int_eq(ag_backward(value), AG_OK);
        expect_adjoint_at(file, line, leaf, n, dx);
        ag_tape_free(t);
    }
}
#define EXPECT_BOTH(f, parameter, n, x, y, dx) expect_both_at(__FILE__, __LINE__, f, parameter, n, x, y, dx)

static ag_value norm(ag_value x, double p) { return ag_norm(x, p, NULL, 0, false); }
static ag_value variance(ag_value x, double correction) { return ag_var(x, NULL, 0, false, (int64_t)correction); }
static ag_value deviation(ag_value x, double correction) { return ag_std(x, NULL, 0, false, (int64_t)correction); }

/* ---- var and std ---------------------------------------------------------------------------------------------------- */

START_TEST(variance_divides_by_n_less_the_correction) {
    EXPECT_BOTH(variance, 0, 4, LIST(1, 3, 5, 7), 5, LIST(-1.5, -0.5, 0.5, 1.5));
    EXPECT_BOTH(variance, 2, 4, LIST(1, 3, 5, 7), 10, LIST(-3, -1, 1, 3));
    EXPECT_BOTH(variance, -1, 3, LIST(1, 3, 5), 2, LIST(-1, 0, 1));
    EXPECT_BOTH(deviation, 0, 4, LIST(1, 1, 5, 5), 2, LIST(-0.25, -0.25, 0.25, 0.25));
    EXPECT_BOTH(deviation, 3, 4, LIST(1, 1, 5, 5), 4, LIST(-0.5, -0.5, 0.5, 0.5));
}
END_TEST

START_TEST(moments_over_axes_keep_or_drop_them) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ag_array_leaf(t, AG_F64, 2, SHAPE(2, 2), LIST(1, 3, 2, 8));
    EXPECT(ag_var(x, AXES(1), 1, false, 1), 2, 18);
    EXPECT(ag_var(x, AXES(0), 1, false, 0), 0.25, 6.25);
    EXPECT(ag_std(x, AXES(-1), 1, false, 0), 1, 3);
    EXPECT_SHAPE(ag_std(x, AXES(1), 1, true, 0), 2, 1);
    EXPECT_SHAPE(ag_norm(x, 2, AXES(0, 1), 2, true), 1, 1);
    EXPECT_RANK_0(ag_var(x, NULL, 0, false, 1));
    ck_assert_int_eq(ag_backward(ag_sum_all(ag_std(x, AXES(1), 1, false, 0))), AG_OK);
    EXPECT_ADJOINT(x, -0.5, 0.5, -0.5, 0.5);
    ag_tape_free(t);
}
END_TEST

/* The mean of three times 0.1 is not 0.1, so a constant that is not shifted first deviates by rounding. */
START_TEST(a_constant_has_deviation_0_with_gradient_0) {
    EXPECT_BOTH(variance, 1, 3, LIST(0.1, 0.1, 0.1), 0, LIST(0, 0, 0));
    EXPECT_BOTH(deviation, 1, 3, LIST(0.1, 0.1, 0.1), 0, LIST(0, 0, 0));
    EXPECT_BOTH(deviation, 0, 1, LIST(7), 0, LIST(0));
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ag_array_leaf(t, AG_F64, 1, SHAPE(3), LIST(0.1, 0.1, 0.1));
    expect_second_at(__FILE__, __LINE__, deviation(x, 1), x, 3, LIST(0, 0, 0));
    ag_tape_free(t);
}
END_TEST

START_TEST(without_degrees_of_freedom_moments_are_nan_or_inf) {
    EXPECT_BOTH(variance, 1, 1, LIST(3), NAN, LIST(NAN));
    EXPECT_BOTH(deviation, 1, 1, LIST(3), NAN, LIST(NAN));
    EXPECT_BOTH(variance, 2, 2, LIST(1, 2), INFINITY, LIST(-INFINITY, INFINITY));
    EXPECT_BOTH(deviation, 2, 2, LIST(1, 2), INFINITY, LIST(NAN, NAN));
    ag_tape *t = ag_tape_new(NULL);
    EXPECT(ag_var(ramp(t, 2, SHAPE(0, 2)), AXES(0), 1, false, 1), NAN, NAN);
    EXPECT(ag_std(ramp(t, 2, SHAPE(0, 2)), AXES(0), 1, false, 0), NAN, NAN);
    EXPECT_SHAPE(ag_var(ramp(t, 2, SHAPE(0, 2)), AXES(1), 1, false, 1), 0);
    ag_tape_free(t);
}
END_TEST

START_TEST(an_offset_costs_the_variance_no_digits) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ag_array_leaf(t, AG_F64, 1, SHAPE(4), LIST(1e15 + 1, 1e15 + 2, 1e15 + 3, 1e15 + 4));
    EXPECT(ag_var(x, NULL, 0, false, 0), 1.25);
    ag_value single = ag_array_leaf(t, AG_F32, 1, SHAPE(4), LIST(8388609, 8388610, 8388611, 8388612));
    EXPECT(ag_var(single, NULL, 0, false, 0), 1.25);
    EXPECT(ag_std(ag_array_leaf(t, AG_F64, 1, SHAPE(2), LIST(-0x1p660, 0x1p660)), NULL, 0, false, 0), 0x1p660);
    ag_tape_free(t);
}
END_TEST

/* ---- norm ----------------------------------------------------------------------------------------------------------- */

START_TEST(norms_of_every_p_at_zero_have_gradient_0) {
    const double p[] = {0, 0.5, 1, 1.5, 2, 3, INFINITY, -INFINITY, -1};
    for (size_t i = 0; i < sizeof p / sizeof p[0]; i++) EXPECT_BOTH(norm, p[i], 2, LIST(0, 0), 0, LIST(0, 0));
    ag_tape *t = ag_tape_new(NULL);
    for (size_t i = 0; i < sizeof p / sizeof p[0]; i++) {
        ag_value x = ag_array_leaf(t, AG_F64, 1, SHAPE(2), LIST(0, 0));
        ag_value y = norm(x, p[i]), dx, ddx;
        ck_assert_int_eq(ag_grad(&y, NULL, 1, &x, 1, &dx), AG_OK);
        ag_value sum = ag_sum_all(dx);
        ck_assert_int_eq(ag_grad(&sum, NULL, 1, &x, 1, &ddx), AG_OK);
        EXPECT(ddx, 0, 0);
    }
    ag_tape_free(t);
}
END_TEST

START_TEST(the_2_norm_and_its_gradient_are_exact_where_they_can_be) {
    EXPECT_BOTH(norm, 2, 4, LIST(2, -2, 2, -2), 4, LIST(0.5, -0.5, 0.5, -0.5));
    EXPECT_BOTH(norm, 2, 2, LIST(0, -4), 4, LIST(0, -1));
    EXPECT_BOTH(norm, 3, 2, LIST(0, -4), 4, LIST(0, -1));
}
END_TEST

START_TEST(the_extreme_norms_share_the_gradient_of_ties) {
    EXPECT_BOTH(norm, 0, 3, LIST(0, 2, -1), 2, LIST(0, 0, 0));
    EXPECT_BOTH(norm, 1, 3, LIST(0, 2, -1), 3, LIST(0, 1, -1));
    EXPECT_BOTH(norm, INFINITY, 3, LIST(0, 2, -1), 2, LIST(0, 1, 0));
    EXPECT_BOTH(norm, INFINITY, 4, LIST(-2, 2, -1, 0), 2, LIST(-0.5, 0.5, 0, 0));
    EXPECT_BOTH(norm, -INFINITY, 3, LIST(-1, 2, 1), 1, LIST(-0.5, 0, 0.5));
    EXPECT_BOTH(norm, -1, 3, LIST(0, 2, -1), 0, LIST(0, 0, 0));
}
END_TEST

START_TEST(no_norm_overflows_on_the_way) {
    const double p[] = {1, 1.5, 2, 3, 100, INFINITY};
    ag_tape *t = ag_tape_new(NULL);
    for (size_t i = 0; i < sizeof p / sizeof p[0]; i++) {
        for (int large = 0; large < 2; large++) {
            const double unit = large ? 1e200 : 1e-200;
            ag_value x = ag_array_leaf(t, AG_F64, 1, SHAPE(2), LIST(3 * unit, 4 * unit)), y = norm(x, p[i]);
            const double whole = pow(pow(0.75, p[i]) + 1, 1 / p[i]) * 4 * unit;
            ck_assert_double_eq_tol(ag_item(y) / whole, 1, 1e-14);
            double dx[2];
            ck_assert_int_eq(ag_backward(y), AG_OK);
            ck_assert_int_eq(ag_adjoint_f64(x, dx, 2), AG_OK);
            ck_assert_double_eq_tol(0.75 * dx[0] + dx[1], whole / (4 * unit), 1e-13); /* Euler: x dx = y */
        }
    }
    ag_value single = ag_array_leaf(t, AG_F32, 1, SHAPE(2), LIST(3e30, 4e30));
    ck_assert_double_eq_tol(ag_item(norm(single, 2)) / 5e30, 1, 2e-7);
    ag_tape_free(t);
}
END_TEST

START_TEST(an_element_lost_beside_the_norm_has_gradient_0) {
    ag_tape *t = ag_tape_new(NULL);
    const double p[] = {1.5, 2, 3, 7};
    for (size_t i = 0; i < sizeof p / sizeof p[0]; i++) {
        double dx[2];
        ag_value finite = ag_array_leaf(t, AG_F64, 1, SHAPE(2), LIST(0x1p-600, -0x1p600));
        ck_assert_int_eq(ag_backward(norm(finite, p[i])), AG_OK);
        ck_assert_int_eq(ag_adjoint_f64(finite, dx, 2), AG_OK);
        ck_assert(dx[0] == 0 && dx[1] == -1);
        ag_value infinite = ag_array_leaf(t, AG_F32, 1, SHAPE(2), LIST(-3, INFINITY));
        ck_assert_int_eq(ag_backward(norm(infinite, p[i])), AG_OK);
        ck_assert_int_eq(ag_adjoint_f64(infinite, dx, 2), AG_OK);
        ck_assert(dx[0] == 0 && isnan(dx[1]));
        ag_value broken = ag_array_leaf(t, AG_F64, 1, SHAPE(2), LIST(0, NAN));
        ck_assert_int_eq(ag_backward(norm(broken, p[i])), AG_OK);
        ck_assert_int_eq(ag_adjoint_f64(broken, dx, 2), AG_OK);
        ck_assert(isnan(dx[0]) && isnan(dx[1]));
    }
    ag_tape_free(t);
}
END_TEST

/* At x = (0, 4) the norm's second derivative along the first axis is 1 / y. */
START_TEST(the_second_derivative_of_the_2_norm_holds_beside_a_zero) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ag_array_leaf(t, AG_F64, 1, SHAPE(2), LIST(0, 4));
    expect_second_at(__FILE__, __LINE__, norm(x, 2), x, 2, LIST(0.25, 0));
    ag_tape_free(t);
}
END_TEST

START_TEST(norms_of_nothing_nan_and_infinity) {
    ag_tape *t = ag_tape_new(NULL);
    const double p[] = {0.5, 1, 2, 3, INFINITY, -INFINITY, -1};
    ag_value broken = ag_array_leaf(t, AG_F64, 2, SHAPE(2, 2), LIST(NAN, 1, INFINITY, 1));
    for (size_t i = 0; i < sizeof p / sizeof p[0]; i++) {
        EXPECT(ag_norm(ramp(t, 2, SHAPE(0, 2)), p[i], AXES(0), 1, false), 0, 0);
        EXPECT(ag_norm(broken, p[i], AXES(1), 1, false), NAN, p[i] > 0 ? INFINITY : 1);
    }
    EXPECT(ag_norm(broken, 0, AXES(1), 1, false), 2, 2);
    ag_tape_free(t);
}
END_TEST

Suite *ops_moments_suite(void) {
    Suite *s = suite_create("ops_moments");
    TCase *c = tcase_create("ops_moments");
    tcase_add_test(c, variance_divides_by_n_less_the_correction);
    tcase_add_test(c, moments_over_axes_keep_or_drop_them);
    tcase_add_test(c, a_constant_has_deviation_0_with_gradient_0);
    tcase_add_test(c, without_degrees_of_freedom_moments_are_nan_or_inf);
    tcase_add_test(c, an_offset_costs_the_variance_no_digits);
    tcase_add_test(c, norms_of_every_p_at_zero_have_gradient_0);
    tcase_add_test(c, the_2_norm_and_its_gradient_are_exact_where_they_can_be);
    tcase_add_test(c, the_extreme_norms_share_the_gradient_of_ties);
    tcase_add_test(c, no_norm_overflows_on_the_way);
    tcase_add_test(c, an_element_lost_beside_the_norm_has_gradient_0);
    tcase_add_test(c, the_second_derivative_of_the_2_norm_holds_beside_a_zero);
    tcase_add_test(c, norms_of_nothing_nan_and_infinity);
    suite_add_tcase(s, c);
    return s;
}
