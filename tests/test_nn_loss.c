/* nn_loss: objectives under the names of their use. Values and gradients are those of torch 1.13, torch.nn.functional,
 * float64. */
#include "nn_support.h"

#include <math.h>

typedef ag_value loss(ag_value y, ag_value target);

static ag_value huber(ag_value y, ag_value target) { return nn_huber(y, target, 0.25); }

static const struct {
    const char *name;
    loss *f;
    double value, gradient[3];
} row[] = {
    {"bce", nn_bce, 0.22839300363692283, {0.4166666666666666, -0.4761904761904762, -0.3703703703703704}},
    {"bce_with_logits",
     nn_bce_with_logits,
     0.5141595976663792,
     {0.18327799910415932, -0.11060407594394461, -0.09635016579166537}},
    {"mse", nn_mse, 0.04666666666666667, {0.13333333333333333, -0.2, -0.06666666666666665}},
    {"mae", nn_mae, 0.19999999999999998, {0.3333333333333333, -0.3333333333333333, -0.3333333333333333}},
    {"huber", huber, 0.02291666666666667, {0.06666666666666667, -0.08333333333333333, -0.033333333333333326}},
    {"rmse", nn_rmse, 0.21602468994692867, {0.3086066999241838, -0.46291004988627577, -0.15430334996209188}},
    {"half_squared_error", nn_half_squared_error, 0.07, {0.2, -0.3, -0.1}}, /* by hand */
};
enum { ROWS = sizeof row / sizeof *row };

static const int64_t three = 3;

START_TEST(values_and_gradients_are_those_of_the_reference) {
    ag_tape *t = ag_tape_new(NULL);
    for (int i = 0; i < ROWS; i++) {
        ag_value y = ag_array_leaf(t, AG_F64, 1, &three, (const double[]){0.2, 0.7, 0.9});
        ag_value target = ag_array_constant(t, AG_F64, 1, &three, (const double[]){0, 1, 1});
        ag_value z = row[i].f(y, target);
        ck_assert_msg(fabs(ag_item(z) - row[i].value) < 1e-15, "%s: %.17g", row[i].name, ag_item(z));
        ck_assert_int_eq(ag_backward(z), AG_OK);
        double dy[3];
        ck_assert_int_eq(ag_adjoint_f64(y, dy, 3), AG_OK);
        for (int k = 0; k < 3; k++)
            ck_assert_msg(fabs(dy[k] - row[i].gradient[k]) < 1e-15, "%s, element %d: %.17g", row[i].name, k,
                          dy[k]);
    }
    ag_tape_free(t);
}
END_TEST

START_TEST(shapes_that_differ_are_refused) {
    ag_tape *t = ag_tape_new(NULL);
    const int64_t two = 2, column[] = {3, 1};
    for (int i = 0; i < ROWS; i++) {
        for (int rank = 1; rank <= 2; rank++) {
            const ag_mark start = ag_tape_mark(t);
            ag_value y = ag_full(t, AG_F64, 1, &three, 0.5);
            ag_value target = ag_full(t, AG_F64, rank, rank == 1 ? &two : column, 0.5);
            ck_assert_msg(!ag_ok(row[i].f(y, target)), "%s", row[i].name);
            ck_assert_int_eq(ag_tape_rewind(t, start), AG_ERROR_SHAPE);
        }
    }
    ag_tape_free(t);
}
END_TEST

static ag_value call(ag_tape *t, const ag_value *in, int n, void *user) {
    (void)t;
    (void)n;
    return row[*(const int *)user].f(in[0], in[1]);
}

START_TEST(first_and_second_derivatives_agree_with_differences) {
    const double y[] = {0.2, 0.7, 0.9}, target[] = {0.1, 0.98, 0.6};
    for (int i = 0; i < ROWS; i++) {
        const ag_gradcheck_input in[] = {{.dtype = AG_F64, .rank = 1, .dim = {3}, .values = y},
                                         {.dtype = AG_F64, .rank = 1, .dim = {3}, .values = target}};
        ag_gradcheck_report report;
        ck_assert_int_eq(ag_gradcheck(call, &i, in, 2, NULL, &report), AG_OK);
        ck_assert_msg(report.verdict == AG_GRADCHECK_PASSED, "%s", row[i].name);
    }
}
END_TEST

START_TEST(where_nothing_is_wrong_the_root_has_gradient_0) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value y = ag_array_leaf(t, AG_F64, 1, &three, (const double[]){1, 2, 3});
    ag_value z = nn_rmse(y, ag_array_constant(t, AG_F64, 1, &three, (const double[]){1, 2, 3}));
    ck_assert_double_eq(ag_item(z), 0);
    ck_assert_int_eq(ag_backward(z), AG_OK);
    double dy[3] = {1, 1, 1};
    ck_assert_int_eq(ag_adjoint_f64(y, dy, 3), AG_OK);
    for (int k = 0; k < 3; k++) ck_assert_double_eq(dy[k], 0);
    ag_value far = ag_full(t, AG_F64, 1, &three, 1e200);
    ck_assert_double_eq_tol(ag_item(nn_rmse(far, ag_full(t, AG_F64, 1, &three, 0))) / 1e200, 1, 1e-15);
    ag_tape_free(t);
}
END_TEST

START_TEST(losses_of_classes_are_those_of_the_reference) {
    ag_tape *t = ag_tape_new(NULL);
    const int64_t dim[] = {2, 3}, two = 2;
    ag_value x = ag_array_constant(t, AG_F64, 2, dim, (const double[]){0.5, -1, 2, 1, 0, -0.5});
    ag_value target = ag_array_constant(t, AG_I64, 1, &two, (const double[]){2, 1});
    ag_class_options smooth = AG_CLASS_DEFAULTS;
    smooth.label_smoothing = 0.1;
    ck_assert_double_eq_tol(ag_item(nn_cross_entropy(x, target)), 0.852840040382551, 1e-15);
    ck_assert_double_eq_tol(ag_item(nn_cross_entropy_with(x, target, NULL)), 0.852840040382551, 1e-15);
    ck_assert_double_eq_tol(ag_item(nn_cross_entropy_with(x, target, &smooth)), 0.9195067070492177, 1e-15);
    ck_assert_double_eq_tol(ag_item(nn_nll(ag_log_softmax(x, -1), target)), 0.852840040382551, 1e-15);
    ag_value bad = ag_array_constant(t, AG_I64, 1, &two, (const double[]){2, 3});
    ck_assert(!ag_ok(nn_nll(x, bad)));
    ck_assert_int_eq(ag_tape_status(t), AG_ERROR_INDEX);
    ag_tape_free(t);
}
END_TEST

Suite *nn_loss_suite(void) {
    Suite *s = suite_create("nn_loss");
    TCase *tc = tcase_create("nn_loss");
    tcase_add_test(tc, values_and_gradients_are_those_of_the_reference);
    tcase_add_test(tc, shapes_that_differ_are_refused);
    tcase_add_test(tc, first_and_second_derivatives_agree_with_differences);
    tcase_add_test(tc, where_nothing_is_wrong_the_root_has_gradient_0);
    tcase_add_test(tc, losses_of_classes_are_those_of_the_reference);
    suite_add_tcase(s, tc);
    return s;
}
