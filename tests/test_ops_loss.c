/* ops_loss: softmax, log_softmax, cross-entropy and squared error - known values, identities, edges. */
#include "ops_support.h"

static void expect_close(ag_value x, int n, const double *expected, double tolerance) {
    double values[64];
    ck_assert_msg(ag_read_f64(x, values, n) == AG_OK, "%s", ag_tape_message(x.tape));
    for (int i = 0; i < n; i++)
        ck_assert_msg(fabs(values[i] - expected[i]) <= tolerance, "element %d: %.17g, expected %.17g", i,
                      values[i], expected[i]);
}

/* ---- softmax -------------------------------------------------------------------------------------------------------- */

START_TEST(softmax_of_logarithms_is_their_share) {
    ag_tape *t = ag_tape_new(NULL);
    const double logs[6] = {log(1), log(2), log(5), log(3), log(3), log(2)},
                 shares[6] = {0.125, 0.25, 0.625, 0.375, 0.375, 0.25};
    for (ag_dtype dtype = AG_F32; dtype <= AG_F64; dtype++) {
        ag_value x = ag_array_leaf(t, dtype, 2, SHAPE(2, 3), logs);
        const double tolerance = dtype == AG_F32 ? 1e-6 : 1e-15;
        expect_close(ag_softmax(x, 1), 6, shares, tolerance);
        expect_close(ag_transpose(ag_softmax(ag_transpose(x, 0, 1), 0), 0, 1), 6, shares, tolerance);
        expect_close(ag_exp(ag_log_softmax(x, -1)), 6, shares, tolerance);
    }
    ag_tape_free(t);
}
END_TEST

START_TEST(a_row_that_a_mask_hides_gets_zeros) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ag_array_leaf(t, AG_F64, 2, SHAPE(2, 2), LIST(-INFINITY, -INFINITY, -INFINITY, 3));
    ag_value y = ag_softmax(x, 1);
    EXPECT(y, 0, 0, 0, 1);
    ag_value w = ag_array_constant(t, AG_F64, 2, SHAPE(2, 2), LIST(1, 2, 3, 4));
    ck_assert_int_eq(ag_backward(ag_sum_all(ag_mul(y, w))), AG_OK);
    EXPECT_ADJOINT(x, 0, 0, 0, 0);
    ag_tape_free(t);
}
END_TEST

START_TEST(log_softmax_keeps_its_digits_far_out) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ag_array_leaf(t, AG_F64, 1, SHAPE(2), LIST(10000, -10000));
    EXPECT(ag_log_softmax(x, 0), 0, -20000);
    EXPECT(ag_softmax(x, 0), 1, 0);
    ag_tape_free(t);
}
END_TEST

/* ---- cross-entropy ----------------------------------------------------------------------------------------------------- */

static ag_value targets(ag_tape *t, int64_t n, const double *values) {
    return ag_array_constant(t, AG_I64, 1, &n, values);
}

START_TEST(cross_entropy_is_the_mean_of_log_probabilities) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = random_leaf(t, AG_F64, 2, SHAPE(3, 4), 1), target = targets(t, 3, LIST(2, 0, 3));
    ag_value loss = ag_cross_entropy(x, target), logs = ag_log_softmax(x, 1);
    double l[12], mean = 0;
    ck_assert_int_eq(ag_read_f64(logs, l, 12), AG_OK);
    mean = -(l[2] + l[4] + l[11]) / 3;
    EXPECT_RANK_0(loss);
    ck_assert_double_eq_tol(ag_item(loss), mean, 1e-14);
    ag_tape_free(t);
}
END_TEST

START_TEST(its_gradient_is_softmax_minus_onehot) {
    ag_tape *t = ag_tape_new(NULL);
    const double logs[4] = {log(1), log(3), log(1), log(1)};
    ag_value x = ag_array_leaf(t, AG_F64, 2, SHAPE(2, 2), logs);
    ck_assert_int_eq(ag_backward(ag_cross_entropy(x, targets(t, 2, LIST(1, 0)))), AG_OK);
    double dx[4];
    ck_assert_int_eq(ag_adjoint_f64(x, dx, 4), AG_OK);
    const double expected[4] = {0.125, -0.125, -0.25, 0.25};
    for (int i = 0; i < 4; i++) ck_assert_double_eq_tol(dx[i], expected[i], 1e-15);
    ag_tape_free(t);
}
END_TEST

START_TEST(one_sample_needs_no_batch) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = random_leaf(t, AG_F32, 1, SHAPE(5), 2), batch = ag_unsqueeze(x, 0);
    ag_value one = ag_cross_entropy(x, ag_array_constant(t, AG_I64, 0, NULL, LIST(3)));
    ag_value same = ag_cross_entropy(batch, targets(t, 1, LIST(3)));
    ck_assert_double_eq(ag_item(one), ag_item(same));
    ag_value a, b;
    ck_assert_int_eq(ag_grad(&one, NULL, 1, &x, 1, &a), AG_OK);
    ck_assert_int_eq(ag_grad(&same, NULL, 1, &x, 1, &b), AG_OK);
    double da[5], db[5];
    ck_assert_int_eq(ag_read_f64(a, da, 5), AG_OK);
    ck_assert_int_eq(ag_read_f64(b, db, 5), AG_OK);
    ck_assert(memcmp(da, db, sizeof da) == 0);
    ag_tape_free(t);
}
END_TEST

START_TEST(cross_entropy_at_its_edges) {
    ag_tape *t = ag_tape_new(NULL);
    for (ag_dtype dtype = AG_F32; dtype <= AG_F64; dtype++) {
        EXPECT(ag_cross_entropy(ag_full(t, dtype, 2, SHAPE(0, 3), 0), targets(t, 0, LIST(0))), 0);
        EXPECT(ag_cross_entropy(ag_full(t, dtype, 2, SHAPE(2, 1), 7), targets(t, 2, LIST(0, 0))), 0);
        ag_value far = ag_array_leaf(t, dtype, 2, SHAPE(2, 2), LIST(10000, -10000, -10000, 10000));
        ag_value loss = ag_cross_entropy(far, targets(t, 2, LIST(0, 0)));
        EXPECT(loss, 10000);
        ck_assert_int_eq(ag_backward(loss), AG_OK);
        EXPECT_ADJOINT(far, 0, 0, -0.5, 0.5);
        ag_value bad = ag_array_leaf(t, dtype, 2, SHAPE(1, 2), LIST(NAN, 0));
        EXPECT(ag_cross_entropy(bad, targets(t, 1, LIST(0))), NAN);
    }
    ag_tape_free(t);
}
END_TEST

START_TEST(strided_logits_and_targets_are_read_where_they_lie) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = random_leaf(t, AG_F64, 2, SHAPE(4, 3), 1);
    ag_value both = ag_array_constant(t, AG_I64, 2, SHAPE(3, 2), LIST(0, 9, 1, 9, 3, 9));
    double dense[12];
    ag_value turned = ag_transpose(x, 0, 1); /* (3, 4) */
    ck_assert_int_eq(ag_read_f64(turned, dense, 12), AG_OK);
    ag_value plain =
        ag_cross_entropy(ag_array_leaf(t, AG_F64, 2, SHAPE(3, 4), dense), targets(t, 3, LIST(0, 1, 3)));
    ck_assert_double_eq(ag_item(ag_cross_entropy(turned, ag_select(both, 1, 0))), ag_item(plain));
    ag_tape_free(t);
}
END_TEST

/* ---- squared error -------------------------------------------------------------------------------------------------------- */

START_TEST(squared_error_reduces_as_asked) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ag_array_leaf(t, AG_F64, 1, SHAPE(4), LIST(1, 2, 3, 4));
    ag_value y = ag_array_constant(t, AG_F64, 1, SHAPE(4), LIST(0, 2, 5, 4));
    EXPECT(ag_mse_loss(x, y, AG_REDUCTION_NONE), 1, 0, 4, 0);
    EXPECT(ag_mse_loss(x, y, AG_REDUCTION_SUM), 5);
    ag_value mean = ag_mse_loss(x, y, AG_REDUCTION_MEAN);
    EXPECT(mean, 1.25);
    ck_assert_int_eq(ag_backward(mean), AG_OK);
    EXPECT_ADJOINT(x, 0.5, 0, -1, 0);
    ck_assert_double_eq(ag_item(ag_mse_loss(ag_scalar(t, 3), ag_scalar(t, 1), AG_REDUCTION_MEAN)), 4);
    ag_tape_free(t);
}
END_TEST

Suite *ops_loss_suite(void) {
    Suite *s = suite_create("ops_loss");
    TCase *c = tcase_create("ops_loss");
    tcase_add_test(c, softmax_of_logarithms_is_their_share);
    tcase_add_test(c, a_row_that_a_mask_hides_gets_zeros);
    tcase_add_test(c, log_softmax_keeps_its_digits_far_out);
    tcase_add_test(c, cross_entropy_is_the_mean_of_log_probabilities);
    tcase_add_test(c, its_gradient_is_softmax_minus_onehot);
    tcase_add_test(c, one_sample_needs_no_batch);
    tcase_add_test(c, cross_entropy_at_its_edges);
    tcase_add_test(c, strided_logits_and_targets_are_read_where_they_lie);
    tcase_add_test(c, squared_error_reduces_as_asked);
    suite_add_tcase(s, c);
    return s;
}
