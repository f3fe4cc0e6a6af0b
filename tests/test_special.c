/* special: log gamma and its derivatives by what must hold of them - recurrence and reflection, over many arguments. */
#include <autograd/kernels/special.h>
#include <math.h>

#include "ops_support.h"

/* f, but for an error that rounding of its largest part explains. */
static void expect_close(double got, double expected, double largest, int n, double x) {
    double allowed = 64 * 0x1p-52 * fmax(fabs(expected), largest);
    ck_assert_msg(fabs(got - expected) <= allowed, "order %d at %g: %.17g, not %.17g", n, x, got, expected);
}

/* psi_n(x + 1) - psi_n(x) = (-1)^n n! x^(-n - 1). */
START_TEST(polygamma_obeys_its_recurrence) {
    for (int n = 0; n < 12; n++) {
        for (double x = -12.3; x < 30; x += 0.7) {
            double low = agx_polygamma(n, x), high = agx_polygamma(n, x + 1);
            double step = (n % 2 ? -1 : 1) * tgamma(n + 1) * pow(x, -n - 1);
            expect_close(high - low, step, fmax(fabs(low), fabs(high)), n, x);
        }
    }
}
END_TEST

/* zeta(2) = pi^2/6, zeta(4) = pi^4/90, and digamma(1/2) = -gamma - 2 log 2. */
START_TEST(polygamma_meets_known_constants) {
    const double pi = 3.141592653589793;
    expect_close(agx_polygamma(1, 1), pi * pi / 6, 0, 1, 1);
    expect_close(agx_polygamma(3, 1), 6 * pi * pi * pi * pi / 90, 0, 3, 1);
    expect_close(agx_polygamma(0, 0.5), -0.57721566490153286 - 2 * log(2), 0, 0, 0.5);
}
END_TEST

START_TEST(an_order_is_a_whole_number_in_range) {
    ck_assert(isnan(agx_polygamma(0.5, 1)));
    ck_assert(isnan(agx_polygamma(-1, 1)));
    ck_assert(isnan(agx_polygamma(AGX_POLYGAMMA_MOST + 1, 1)));
    ck_assert(isfinite(agx_polygamma(AGX_POLYGAMMA_MOST, 40)));
    const int orders[] = {-1, AGX_POLYGAMMA_MOST + 1};
    for (int k = 0; k < 2; k++) {
        ag_tape *t = ag_tape_new(NULL);
        ck_assert(!ag_ok(ag_polygamma(orders[k], ag_scalar(t, 1))));
        ck_assert_int_eq(ag_tape_status(t), AG_ERROR_VALUE);
        ck_assert_ptr_nonnull(strstr(ag_tape_message(t), "polygamma"));
        ag_tape_free(t);
    }
    ag_tape *t = ag_tape_new(NULL);
    const ag_attr half = {.name = "c", .kind = AG_FIELD_REAL, .as.real = 0.5};
    ag_value x = ramp(t, 1, SHAPE(3)), y;
    ck_assert_int_eq(ag_call(t, "polygamma", &x, 1, &(ag_attrs){1, &half}, &y), AG_ERROR_VALUE);
    ck_assert_ptr_nonnull(strstr(ag_tape_message(t), "0.5"));
    ag_tape_free(t);
}
END_TEST

/* Six times: lgamma, then polygamma 0 to 4. */
START_TEST(log_gamma_differentiates_at_any_order) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ag_scalar(t, 2.3), y = ag_lgamma(x);
    for (int n = 0; n < 6; n++) {
        ag_value dx;
        ck_assert_int_eq(ag_grad(&y, NULL, 1, &x, 1, &dx), AG_OK);
        y = dx;
        expect_close(ag_item(y), agx_polygamma(n, 2.3), 0, n, 2.3);
    }
    ag_tape_free(t);
}
END_TEST

START_TEST(lerp_meets_both_ends_exactly) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ag_array_leaf(t, AG_F64, 1, SHAPE(3), LIST(0.1, 1e16, -3)),
             y = ag_array_leaf(t, AG_F64, 1, SHAPE(3), LIST(0.7, 1.0, 5));
    EXPECT(ag_lerp(x, y, ag_full(t, AG_F64, 0, NULL, 0)), 0.1, 1e16, -3);
    EXPECT(ag_lerp(x, y, ag_full(t, AG_F64, 0, NULL, 1)), 0.7, 1.0, 5);
    ag_tape_free(t);
}
END_TEST

Suite *special_suite(void) {
    Suite *s = suite_create("special");
    TCase *c = tcase_create("special");
    suite_add_tcase(s, c);
    tcase_add_test(c, polygamma_obeys_its_recurrence);
    tcase_add_test(c, polygamma_meets_known_constants);
    tcase_add_test(c, an_order_is_a_whole_number_in_range);
    tcase_add_test(c, log_gamma_differentiates_at_any_order);
    tcase_add_test(c, lerp_meets_both_ends_exactly);
    return s;
}
