/* losses: what the conformance cases do not reach - edges of losses, embeddings and similarities, exact in both dtypes,
 * and what each says of a mistake. */
#include "ops_support.h"

#define MEAN AG_REDUCTION_MEAN
#define SUM  AG_REDUCTION_SUM
#define NONE AG_REDUCTION_NONE

static ag_value integers(ag_tape *t, int rank, const int64_t *dim, const double *values) {
    return ag_array_constant(t, AG_I64, rank, dim, values);
}

/* ---- classes ---------------------------------------------------------------------------------------------------------- */

/* All ways to a mean that can find nothing to count: the kernel, and the composites. */
static ag_value lossless(int way, ag_value x, ag_value target) {
    const ag_value ones = ag_full(x.tape, ag_meta_of(x)->dtype, 1, SHAPE(2), 1);
    ag_class_options o = AG_CLASS_DEFAULTS;
    switch (way) {
    case 0: return ag_cross_entropy(x, target);
    case 1: o.weight = &ones; break;
    case 2: o.label_smoothing = 0.1; break;
    default: return ag_nll_loss(x, target, NULL);
    }
    return ag_cross_entropy_with(x, target, &o);
}

START_TEST(where_no_target_counts_the_loss_is_0_with_gradient_0) {
    ag_tape *t = ag_tape_new(NULL);
    for (ag_dtype dtype = AG_F32; dtype <= AG_F64; dtype++) {
        for (int way = 0; way < 4; way++) {
            ag_value x = ag_array_leaf(t, dtype, 2, SHAPE(2, 2), LIST(1, 1e4, NAN, INFINITY));
            ag_value y = lossless(way, x, integers(t, 1, SHAPE(2), LIST(-100, -100)));
            EXPECT(y, 0);
            ck_assert_int_eq(ag_backward(y), AG_OK);
            if (way == 0 || way == 3) EXPECT_ADJOINT(x, 0, 0, 0, 0);
            ag_value none = ag_full(t, dtype, 2, SHAPE(0, 2), 1);
            EXPECT(lossless(way, none, integers(t, 1, SHAPE(0), NULL)), 0);
        }
        EXPECT(ag_cross_entropy_soft(ag_full(t, dtype, 2, SHAPE(0, 2), 1), ag_full(t, dtype, 2, SHAPE(0, 2), 1),
                                     NULL),
               0);
    }
    ag_tape_free(t);
}
END_TEST

START_TEST(ignored_rows_count_in_no_mean) {
    ag_tape *t = ag_tape_new(NULL);
    for (ag_dtype dtype = AG_F32; dtype <= AG_F64; dtype++) {
        ag_value x = ag_array_leaf(t, dtype, 2, SHAPE(3, 2), LIST(1e4, -1e4, NAN, NAN, -1e4, 1e4));
        ag_value y = ag_cross_entropy(x, integers(t, 1, SHAPE(3), LIST(1, -100, 1)));
        EXPECT(y, 1e4);
        ck_assert_int_eq(ag_backward(y), AG_OK);
        EXPECT_ADJOINT(x, 0.5, -0.5, 0, 0, 0, 0);
    }
    ag_tape_free(t);
}
END_TEST

START_TEST(far_logits_are_exact_on_every_way) {
    ag_tape *t = ag_tape_new(NULL);
    for (ag_dtype dtype = AG_F32; dtype <= AG_F64; dtype++) {
        ag_value x = ag_array_leaf(t, dtype, 2, SHAPE(2, 2), LIST(1e4, -1e4, -1e4, 1e4));
        ag_class_options o = AG_CLASS_DEFAULTS;
        o.reduction = SUM;
        ag_value y = ag_cross_entropy_with(x, integers(t, 1, SHAPE(2), LIST(0, 0)), &o);
        EXPECT(y, 2e4);
        ck_assert_int_eq(ag_backward(y), AG_OK);
        EXPECT_ADJOINT(x, 0, 0, -1, 1);
    }
    ag_tape_free(t);
}
END_TEST

START_TEST(weights_have_a_gradient) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ag_array_constant(t, AG_F64, 2, SHAPE(2, 2), LIST(-1, -2, -3, -4));
    ag_value w = ag_array_leaf(t, AG_F64, 1, SHAPE(2), LIST(3, 1));
    ag_class_options o = AG_CLASS_DEFAULTS;
    o.weight = &w;
    ag_value y = ag_nll_loss(x, integers(t, 1, SHAPE(2), LIST(0, 1)), &o); /* (3 * 1 + 1 * 4) / (3 + 1) */
    EXPECT(y, 1.75);
    ck_assert_int_eq(ag_backward(y), AG_OK);
    EXPECT_ADJOINT(w, (1 - 1.75) / 4, (4 - 1.75) / 4);
    ag_tape_free(t);
}
END_TEST

/* ---- probabilities ------------------------------------------------------------------------------------------------------ */

START_TEST(logits_far_out_keep_their_digits) {
    ag_tape *t = ag_tape_new(NULL);
    for (ag_dtype dtype = AG_F32; dtype <= AG_F64; dtype++) {
        ag_value x = ag_array_leaf(t, dtype, 1, SHAPE(4), LIST(1e4, -1e4, 1e4, -1e4));
        ag_value p = ag_array_leaf(t, dtype, 1, SHAPE(4), LIST(1, 0, 0, 1));
        ag_value y = ag_binary_cross_entropy_with_logits(x, p, NULL, NONE);
        EXPECT(y, 0, 0, 1e4, 1e4);
        ck_assert_int_eq(ag_backward(ag_sum_all(y)), AG_OK);
        EXPECT_ADJOINT(x, 0, 0, 1, -1);
        EXPECT_ADJOINT(p, -1e4, 1e4, -1e4, 1e4);
    }
    ag_value x = ag_scalar(t, 40), y = ag_binary_cross_entropy_with_logits(x, ag_scalar(t, 1), NULL, MEAN);
    ck_assert_double_eq_tol(ag_item(y) / exp(-40), 1, 1e-14); /* log(1 + exp(-40)), not 40 - 40 */
    ag_tape_free(t);
}
END_TEST

START_TEST(sure_probabilities_cost_at_most_100) {
    ag_tape *t = ag_tape_new(NULL);
    for (ag_dtype dtype = AG_F32; dtype <= AG_F64; dtype++) {
        ag_value x = ag_array_leaf(t, dtype, 1, SHAPE(4), LIST(0, 1, 0, 1));
        ag_value p = ag_array_leaf(t, dtype, 1, SHAPE(4), LIST(0, 1, 1, 0));
        ag_value y = ag_binary_cross_entropy(x, p, NONE), sum = ag_sum_all(y), dp;
        EXPECT(y, 0, 0, 100, 100);
        ck_assert_int_eq(ag_backward(sum), AG_OK);
        const double steep = dtype == AG_F32 ? (double)(1 / 1e-12F) : 1 / (double)1e-12F;
        EXPECT_ADJOINT(x, 0, 0, -steep, steep);
        EXPECT_ADJOINT(p, 100, -100, 100, -100);
        ck_assert_int_eq(ag_grad(&sum, NULL, 1, &p, 1, &dp), AG_OK); /* recorded: nothing divides by 0 */
        EXPECT(dp, 100, -100, 100, -100);
        ag_value second;
        dp = ag_sum_all(dp);
        ck_assert_int_eq(ag_grad(&dp, NULL, 1, &x, 1, &second), AG_OK);
        EXPECT(second, -1, -1, -1, -1); /* of the logarithm that is not at its bound */
    }
    ag_tape_free(t);
}
END_TEST

START_TEST(a_target_of_probability_0_diverges_by_0) {
    ag_tape *t = ag_tape_new(NULL);
    for (ag_dtype dtype = AG_F32; dtype <= AG_F64; dtype++) {
        ag_value x = ag_array_leaf(t, dtype, 1, SHAPE(1), LIST(-2)),
                 p = ag_array_leaf(t, dtype, 1, SHAPE(1), LIST(0));
        ag_value y = ag_kl_div(x, p, false, SUM);
        EXPECT(y, 0);
        ck_assert_int_eq(ag_backward(y), AG_OK);
        EXPECT_ADJOINT(x, 0);
        EXPECT_ADJOINT(p, 2);
    }
    ag_tape_free(t);
}
END_TEST

/* ---- differences ---------------------------------------------------------------------------------------------------------- */

START_TEST(differences_at_their_corners) {
    ag_tape *t = ag_tape_new(NULL);
    for (ag_dtype dtype = AG_F32; dtype <= AG_F64; dtype++) {
        const double at[5] = {0, 0.5, -2, 2, -8};
        ag_value zero = ag_full(t, dtype, 1, SHAPE(5), 0), x = ag_array_leaf(t, dtype, 1, SHAPE(5), at);
        ag_value y = ag_smooth_l1_loss(x, zero, 2, NONE);
        EXPECT(y, 0, 0.0625, 1, 1, 7);
        ck_assert_int_eq(ag_backward(ag_sum_all(y)), AG_OK);
        EXPECT_ADJOINT(x, 0, 0.25, -1, 1, -1);
        x = ag_array_leaf(t, dtype, 1, SHAPE(5), at);
        y = ag_huber_loss(x, zero, 2, NONE);
        EXPECT(y, 0, 0.125, 2, 2, 14);
        ck_assert_int_eq(ag_backward(ag_sum_all(y)), AG_OK);
        EXPECT_ADJOINT(x, 0, 0.5, -2, 2, -2);
        x = ag_array_leaf(t, dtype, 1, SHAPE(5), at);
        y = ag_smooth_l1_loss(x, zero, 0, NONE); /* |x| */
        EXPECT(y, 0, 0.5, 2, 2, 8);
        ag_value sum = ag_sum_all(y), dx, second;
        ck_assert_int_eq(ag_grad(&sum, NULL, 1, &x, 1, &dx), AG_OK);
        EXPECT(dx, 0, 1, -1, 1, -1);
        dx = ag_sum_all(dx);
        ck_assert_int_eq(ag_grad(&dx, NULL, 1, &x, 1, &second), AG_OK);
        EXPECT(ag_slice(second, 0, 1, 5, 1), 0, 0, 0, 0);
    }
    EXPECT(ag_l1_loss(ag_full(t, AG_F64, 1, SHAPE(0), 0), ag_full(t, AG_F64, 1, SHAPE(0), 0), MEAN), NAN);
    ag_tape_free(t);
}
END_TEST

/* ---- embeddings and similarities --------------------------------------------------------------------------------------------- */

START_TEST(a_padding_row_is_read_and_gets_no_gradient) {
    ag_tape *t = ag_tape_new(NULL);
    for (ag_dtype dtype = AG_F32; dtype <= AG_F64; dtype++) {
        for (int padding = -1; padding <= 2; padding += 3) { /* both are row 2 */
            ag_value w = ag_array_leaf(t, dtype, 2, SHAPE(3, 2), LIST(1, 2, 3, 4, 5, 6));
            ag_value y = ag_embedding(w, integers(t, 2, SHAPE(2, 2), LIST(2, 0, 0, 2)), padding);
            EXPECT_SHAPE(y, 2, 2, 2);
            EXPECT(y, 5, 6, 1, 2, 1, 2, 5, 6);
            ck_assert_int_eq(ag_backward(ag_sum_all(y)), AG_OK);
            EXPECT_ADJOINT(w, 2, 2, 0, 0, 0, 0);
        }
    }
    ag_tape_free(t);
}
END_TEST

START_TEST(vectors_of_no_length_have_cosine_0) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ag_array_leaf(t, AG_F64, 2, SHAPE(1, 2), LIST(0, 0));
    ag_value y = ag_array_leaf(t, AG_F64, 2, SHAPE(1, 2), LIST(0, 2));
    ag_value cos = ag_cosine_similarity(x, y, 1, 0.5);
    EXPECT(cos, 0);
    ck_assert_int_eq(ag_backward(cos), AG_OK);
    EXPECT_ADJOINT(x, 0, 2);
    EXPECT_ADJOINT(y, 0, 0);
    x = ag_array_leaf(t, AG_F64, 2, SHAPE(1, 2), LIST(0, 0));
    y = ag_normalize(x, 2, 1, 0.25);
    EXPECT(y, 0, 0);
    ck_assert_int_eq(ag_backward(ag_sum_all(y)), AG_OK);
    EXPECT_ADJOINT(x, 4, 4);
    ag_value far = ag_array_constant(t, AG_F64, 1, SHAPE(2), LIST(3e200, 4e200));
    ck_assert_double_eq_tol(ag_item(ag_cosine_similarity(far, far, 0, 1e-8)), 1, 1e-15);
    ag_tape_free(t);
}
END_TEST

START_TEST(a_scalar_is_a_vector_of_one_element) {
    ag_tape *t = ag_tape_new(NULL);
    const ag_value x = ag_array_leaf(t, AG_F64, 0, NULL, LIST(-4)), y = ag_scalar(t, 0.5);
    ck_assert_double_eq(ag_item(ag_normalize(x, 2, 0, 1e-12)), -1);
    ck_assert_double_eq(ag_item(ag_cosine_similarity(x, y, -1, 1e-8)), -1);
    ck_assert_int_eq(ag_backward(ag_normalize(x, 2, 0, 8)), AG_OK);
    EXPECT_ADJOINT(x, 0.125);
    ag_tape_free(t);
}
END_TEST

/* ---- mistakes -------------------------------------------------------------------------------------------------------------- */

#define F(...) ag_full(t, AG_F32, (int)(sizeof(SHAPE(__VA_ARGS__)) / sizeof(int64_t)), SHAPE(__VA_ARGS__), 1)
#define I(...) integers(t, 1, SHAPE(sizeof(LIST(__VA_ARGS__)) / sizeof(double)), LIST(__VA_ARGS__))

static void expect_refusal(ag_tape *t, ag_value y, ag_status status, const char *name, const char *a,
                           const char *b) {
    const char *message = ag_tape_message(t);
    ck_assert_msg(!ag_ok(y) && ag_tape_status(t) == status, "%s, expected %s: %s",
                  ag_status_name(ag_tape_status(t)), ag_status_name(status), message);
    ck_assert_msg(strncmp(message, name, strlen(name)) == 0, "does not begin with %s: %s", name, message);
    ck_assert_msg(strstr(message, a) && strstr(message, b), "does not say '%s' and '%s': %s", a, b, message);
}
#define REFUSES(call, status, name, a, b)                                                                         \
    do {                                                                                                          \
        ag_mark here = ag_tape_mark(t);                                                                           \
        expect_refusal(t, call, AG_ERROR_##status, name ":", a, b);                                               \
        ck_assert_int_eq(ag_tape_rewind(t, here), AG_ERROR_##status);                                             \
    } while (0)

START_TEST(a_mistake_is_named_with_the_operation_that_was_called) {
    ag_tape *t = ag_tape_new(NULL);
    const ag_reduction odd = (ag_reduction)9;
    ag_value w = ag_full(t, AG_F32, 1, SHAPE(2), 1);
    ag_class_options weighted = AG_CLASS_DEFAULTS, smooth = weighted, far = weighted, reduced = weighted;
    weighted.weight = &w;
    smooth.label_smoothing = 1.5;
    far.ignore_index = INT64_MIN;
    reduced.reduction = odd;
    REFUSES(ag_l1_loss(F(2, 3), F(3), MEAN), SHAPE, "l1_loss", "(2, 3)", "(3)");
    REFUSES(ag_l1_loss(F(2), F(2), odd), VALUE, "l1_loss", "9", "reduction");
    REFUSES(ag_smooth_l1_loss(F(2, 3), F(3), 1, MEAN), SHAPE, "smooth_l1_loss", "(2, 3)", "(3)");
    REFUSES(ag_smooth_l1_loss(F(2), F(2), -1, MEAN), VALUE, "smooth_l1_loss", "beta", "-1");
    REFUSES(ag_huber_loss(F(2, 3), F(3), 1, MEAN), SHAPE, "huber_loss", "(2, 3)", "(3)");
    REFUSES(ag_huber_loss(F(2), F(2), NAN, MEAN), VALUE, "huber_loss", "delta", "nan");
    REFUSES(ag_kl_div(F(2, 3), F(3), true, MEAN), SHAPE, "kl_div", "(2, 3)", "(3)");
    REFUSES(ag_hinge_embedding_loss(F(2), F(3), 1, MEAN), SHAPE, "hinge_embedding_loss", "(2)", "(3)");
    REFUSES(ag_binary_cross_entropy(F(2), F(3), MEAN), SHAPE, "binary_cross_entropy", "(2)", "(3)");
    REFUSES(ag_binary_cross_entropy(F(2), F(2), odd), VALUE, "binary_cross_entropy", "9", "reduction");
    REFUSES(ag_binary_cross_entropy_with_logits(F(3), F(3), &w, MEAN), SHAPE, "binary_cross_entropy_with_logits",
            "pos_weight", "(2)");
    REFUSES(ag_cross_entropy_with(F(2, 3), I(0, 1), &weighted), SHAPE, "cross_entropy", "(2, 3)", "f32 (2)");
    REFUSES(ag_cross_entropy_with(F(2, 3), I(0, 1, 2), NULL), SHAPE, "cross_entropy", "(2, 3)", "i64 (3)");
    REFUSES(ag_cross_entropy_with(F(2, 3), I(0, 3), NULL), INDEX, "cross_entropy", "row 1", "[0, 3)");
    REFUSES(ag_cross_entropy_with(F(2, 3), F(2), NULL), DTYPE, "cross_entropy", "i64", "f32 (2)");
    REFUSES(ag_cross_entropy_with(I(1), I(1), NULL), DTYPE, "cross_entropy", "floating", "i64");
    REFUSES(ag_cross_entropy_with(F(2, 3), I(0, 1), &smooth), VALUE, "cross_entropy", "label_smoothing", "1.5");
    REFUSES(ag_cross_entropy_with(F(2, 3), I(0, 1), &far), VALUE, "cross_entropy", "ignore_index", "2^53");
    REFUSES(ag_cross_entropy_with(F(2, 0), I(0, 1), NULL), SHAPE, "cross_entropy", "no classes", "(2, 0)");
    REFUSES(ag_cross_entropy_soft(F(2, 3), F(3), NULL), SHAPE, "cross_entropy_soft", "(2, 3)", "(3)");
    REFUSES(ag_cross_entropy_soft(F(1), I(1), NULL), DTYPE, "cross_entropy_soft", "floating", "i64");
    REFUSES(ag_nll_loss(F(2, 3), I(0, -1), NULL), INDEX, "nll_loss", "-1", "[0, 3)");
    REFUSES(ag_nll_loss(F(2, 3), I(0, 1), &reduced), VALUE, "nll_loss", "9", "reduction");
    REFUSES(ag_multi_margin_loss(F(2, 3), I(0, -100), NULL, 1, 1, MEAN), INDEX, "multi_margin_loss", "-100",
            "[0, 3)");
    REFUSES(ag_multi_margin_loss(F(2, 3), I(0, 1), NULL, 3, 1, MEAN), VALUE, "multi_margin_loss", "p must", "3");
    REFUSES(ag_multi_margin_loss(F(2, 3, 1), I(0), NULL, 1, 1, MEAN), SHAPE, "multi_margin_loss", "(2, 3, 1)",
            "(1)");
    REFUSES(ag_cosine_embedding_loss(F(2, 3), F(2, 3), F(3), 0, MEAN), SHAPE, "cosine_embedding_loss", "(2, 3)",
            "(3)");
    REFUSES(ag_embedding(F(3), I(0), AG_NO_PADDING), SHAPE, "embedding", "(V, D)", "f32 (3)");
    REFUSES(ag_embedding(F(3, 2), F(2), AG_NO_PADDING), DTYPE, "embedding", "i64", "f32 (2)");
    REFUSES(ag_embedding(F(3, 2), I(1, 3), AG_NO_PADDING), INDEX, "embedding", "is 3", "[0, 3)");
    REFUSES(ag_embedding(F(3, 2), I(1), 3), INDEX, "embedding", "padding_idx 3", "(3, 2)");
    REFUSES(ag_cosine_similarity(F(2, 3), F(2, 4), 1, 0), SHAPE, "cosine_similarity", "(2, 3)", "(2, 4)");
    REFUSES(ag_cosine_similarity(F(2, 3), F(3), 2, 0), AXIS, "cosine_similarity", "axis 2", "(2, 3)");
    REFUSES(ag_cosine_similarity(F(3), F(3), 0, -1), VALUE, "cosine_similarity", "eps", "-1");
    REFUSES(ag_cosine_similarity(I(3), F(1), 0, 0), DTYPE, "cosine_similarity", "floating", "i64");
    REFUSES(ag_normalize(F(3), 2, 1, 0), AXIS, "normalize", "axis 1", "(3)");
    REFUSES(ag_normalize(F(3), NAN, 0, 0), VALUE, "normalize", "p is nan", "(3)");
    REFUSES(ag_normalize(I(3), 2, 0, 0), DTYPE, "normalize", "floating", "i64");
    ag_tape_free(t);
}
END_TEST

Suite *losses_suite(void) {
    Suite *s = suite_create("losses");
    TCase *c = tcase_create("losses");
    tcase_add_test(c, where_no_target_counts_the_loss_is_0_with_gradient_0);
    tcase_add_test(c, ignored_rows_count_in_no_mean);
    tcase_add_test(c, far_logits_are_exact_on_every_way);
    tcase_add_test(c, weights_have_a_gradient);
    tcase_add_test(c, logits_far_out_keep_their_digits);
    tcase_add_test(c, sure_probabilities_cost_at_most_100);
    tcase_add_test(c, a_target_of_probability_0_diverges_by_0);
    tcase_add_test(c, differences_at_their_corners);
    tcase_add_test(c, a_padding_row_is_read_and_gets_no_gradient);
    tcase_add_test(c, vectors_of_no_length_have_cosine_0);
    tcase_add_test(c, a_scalar_is_a_vector_of_one_element);
    tcase_add_test(c, a_mistake_is_named_with_the_operation_that_was_called);
    suite_add_tcase(s, c);
    return s;
}
