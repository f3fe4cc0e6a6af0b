/* attention: masks that hide, heads that divide, and what both must not do. Gradients at both orders are the registry
 * test's. */
#include "mistakes.h"

static const ag_value none = {0};

START_TEST(a_query_without_keys_gets_zeros_and_passes_no_gradient) {
    ag_tape *t = ag_tape_new(NULL);
    for (ag_dtype dtype = AG_F32; dtype <= AG_F64; dtype++)
        for (int additive = 0; additive < 2; additive++) {
            ag_value q = random_leaf(t, dtype, 2, SHAPE(2, 3), 1), k = random_leaf(t, dtype, 2, SHAPE(2, 3), 2);
            ag_value v = ag_array_leaf(t, dtype, 2, SHAPE(2, 2), LIST(1, 2, 3, 4));
            /* the first query sees nothing, the second the last key alone */
            ag_value mask =
                additive ? ag_array_constant(t, dtype, 2, SHAPE(2, 2), LIST(-INFINITY, -INFINITY, -INFINITY, 0))
                         : ag_array_constant(t, AG_BOOL, 2, SHAPE(2, 2), LIST(0, 0, 0, 1));
            ag_value y = ag_scaled_dot_product_attention(q, k, v, mask, false);
            EXPECT(y, 0, 0, 3, 4);
            ck_assert_int_eq(ag_backward(ag_sum_all(y)), AG_OK);
            EXPECT_ADJOINT(q, 0, 0, 0, 0, 0, 0);
            EXPECT_ADJOINT(k, 0, 0, 0, 0, 0, 0);
            EXPECT_ADJOINT(v, 0, 0, 1, 1);
        }
    ag_tape_free(t);
}
END_TEST

START_TEST(without_keys_or_features_nothing_breaks) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value y = ag_scaled_dot_product_attention(F(2, 3), F(0, 3), F(0, 2), none, false);
    EXPECT(y, 0, 0, 0, 0);
    EXPECT(ag_scaled_dot_product_attention(F(1, 0), F(2, 0), ag_array_leaf(t, AG_F32, 2, SHAPE(2, 1), LIST(1, 3)),
                                           none, false),
           2);
    ag_tape_free(t);
}
END_TEST

START_TEST(a_causal_query_sees_its_past_alone) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value q = random_leaf(t, AG_F64, 3, SHAPE(2, 4, 3), 1), k = random_leaf(t, AG_F64, 3, SHAPE(2, 4, 3), 2);
    ag_value v = random_leaf(t, AG_F64, 3, SHAPE(2, 4, 2), 3);
    ag_value y = ag_scaled_dot_product_attention(q, k, v, none, true);
    double first[4], expected[4];
    ck_assert_int_eq(ag_read_f64(ag_select(y, 1, 0), first, 4), AG_OK);
    ck_assert_int_eq(ag_read_f64(ag_select(v, 1, 0), expected, 4), AG_OK);
    ck_assert(memcmp(first, expected, sizeof first) == 0);
    /* the output of position 2 does not depend on position 3 */
    ag_value third = ag_sum_all(ag_select(y, 1, 2)), dv;
    ck_assert_int_eq(ag_grad(&third, NULL, 1, &v, 1, &dv), AG_OK);
    EXPECT(ag_select(dv, 1, 3), 0, 0, 0, 0);
    /* a triangle given as a mask is the same, and both together hide what either hides */
    ag_value past =
        ag_array_constant(t, AG_BOOL, 2, SHAPE(4, 4), LIST(1, 0, 0, 0, 1, 1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 1));
    double a[16], b[16];
    ck_assert_int_eq(ag_read_f64(y, a, 16), AG_OK);
    ck_assert_int_eq(ag_read_f64(ag_scaled_dot_product_attention(q, k, v, past, false), b, 16), AG_OK);
    ck_assert(memcmp(a, b, sizeof a) == 0);
    ag_value not_first = ag_array_constant(t, AG_BOOL, 1, SHAPE(4), LIST(0, 1, 1, 1));
    EXPECT(ag_select(ag_scaled_dot_product_attention(q, k, v, not_first, true), 1, 0), 0, 0, 0, 0);
    ag_tape_free(t);
}
END_TEST

static ag_attention_weights weights_of(ag_tape *t, int64_t D) {
    return (ag_attention_weights){
        random_leaf(t, AG_F64, 2, SHAPE(3 * D, D), 4), random_leaf(t, AG_F64, 1, SHAPE(3 * D), 5),
        random_leaf(t, AG_F64, 2, SHAPE(D, D), 6), random_leaf(t, AG_F64, 1, SHAPE(D), 7)};
}

START_TEST(three_projections_are_one_where_the_operands_are) {
    ag_tape *t = ag_tape_new(NULL);
    ag_attention_weights w = weights_of(t, 4);
    ag_value x = random_leaf(t, AG_F64, 3, SHAPE(2, 3, 4), 1), same = ag_detach(x);
    double a[24], b[24];
    ck_assert_int_eq(ag_read_f64(ag_multihead_attention(x, x, x, w, 2, none, true), a, 24), AG_OK);
    ck_assert_int_eq(ag_read_f64(ag_multihead_attention(x, same, x, w, 2, none, true), b, 24), AG_OK);
    for (int i = 0; i < 24; i++) ck_assert_double_eq_tol(a[i], b[i], 1e-12);
    ag_tape_free(t);
}
END_TEST

START_TEST(keys_of_another_length_and_masks_reach_every_head) {
    ag_tape *t = ag_tape_new(NULL);
    ag_attention_weights w = weights_of(t, 4);
    w.in_bias = w.out_bias = none;
    ag_value q = random_leaf(t, AG_F64, 2, SHAPE(2, 4), 1), k = random_leaf(t, AG_F64, 2, SHAPE(5, 4), 2);
    EXPECT_SHAPE(ag_multihead_attention(q, k, k, w, 2, none, false), 2, 4);
    ag_value nothing = ag_full(t, AG_BOOL, 2, SHAPE(2, 5), 0);
    EXPECT(ag_multihead_attention(q, k, k, w, 2, nothing, false), 0, 0, 0, 0, 0, 0, 0, 0);
    ag_tape_free(t);
}
END_TEST

static ag_attention_weights plain(ag_tape *t, int64_t in, int64_t out) {
    return (ag_attention_weights){F(3 * in, in), none, F(out, out), none};
}
MAKE(rank, ag_scaled_dot_product_attention(F(3), F(2, 3), F(2, 3), none, false))
MAKE(features, ag_scaled_dot_product_attention(F(2, 3), F(2, 4), F(2, 3), none, false))
MAKE(values, ag_scaled_dot_product_attention(F(2, 3), F(2, 3), F(5, 3), none, false))
MAKE(batch, ag_scaled_dot_product_attention(F(2, 2, 3), F(3, 2, 3), F(3, 2, 3), none, false))
MAKE(mask_shape, ag_scaled_dot_product_attention(F(2, 3), F(4, 3), F(4, 3), F(4, 2), false))
MAKE(mask_larger, ag_scaled_dot_product_attention(F(2, 3), F(4, 3), F(4, 3), F(7, 2, 4), false))
MAKE(mask_dtype,
     ag_scaled_dot_product_attention(F(2, 3), F(4, 3), F(4, 3), ag_full(t, AG_I64, 1, SHAPE(4), 1), false))
MAKE(integers,
     ag_scaled_dot_product_attention(F(2, 3), ag_full(t, AG_I64, 2, SHAPE(4, 3), 1), F(4, 3), none, false))
MAKE(heads, ag_multihead_attention(F(2, 4), F(2, 4), F(2, 4), plain(t, 4, 4), 3, none, false))
MAKE(no_heads, ag_multihead_attention(F(2, 4), F(2, 4), F(2, 4), plain(t, 4, 4), INT64_MIN, none, false))
MAKE(in_weight, ag_multihead_attention(F(2, 4), F(2, 4), F(2, 4), plain(t, 3, 4), 2, none, false))
MAKE(out_weight, ag_multihead_attention(F(2, 4), F(2, 4), F(2, 4), plain(t, 4, 3), 2, none, false))
MAKE(key_batch, ag_multihead_attention(F(3, 2, 4), F(2, 2, 4), F(2, 2, 4), plain(t, 4, 4), 2, none, false))
MAKE(value_shape, ag_multihead_attention(F(2, 4), F(2, 4), F(3, 4), plain(t, 4, 4), 2, none, false))
static ag_value operands(ag_tape *t) {
    ag_value y;
    const ag_value in[] = {F(2, 4), F(12, 4), F(12), F(4, 4)};
    ck_assert_int_ne(ag_call(t, "multihead_attention", in, 4, NULL, &y), AG_OK);
    return y;
}

static const char sdpa[] = "scaled_dot_product_attention", mha[] = "multihead_attention";
static const mistake mistakes[] = {
    {rank, AG_ERROR_SHAPE, {sdpa, "rank 2", "(3)"}},
    {features, AG_ERROR_SHAPE, {sdpa, "features", "(2, 3)", "(2, 4)"}},
    {values, AG_ERROR_SHAPE, {sdpa, "value for every key", "(2, 3)", "(5, 3)"}},
    {batch, AG_ERROR_SHAPE, {sdpa, "f32 (2, 2, 3)", "f32 (3, 2, 3)"}},
    {mask_shape, AG_ERROR_SHAPE, {sdpa, "(2, 4)", "(4, 2)"}},
    {mask_larger, AG_ERROR_SHAPE, {sdpa, "(2, 4)", "(7, 2, 4)"}},
    {mask_dtype, AG_ERROR_DTYPE, {sdpa, "mask", "i64"}},
    {integers, AG_ERROR_DTYPE, {sdpa, "operand 1", "i64"}},
    {heads, AG_ERROR_VALUE, {mha, "4 features", "3"}},
    {no_heads, AG_ERROR_VALUE, {mha, "num_heads"}},
    {in_weight, AG_ERROR_SHAPE, {mha, "in_proj_weight", "(9, 3)"}},
    {out_weight, AG_ERROR_SHAPE, {mha, "out_proj.weight", "(3, 3)"}},
    {key_batch, AG_ERROR_SHAPE, {mha, "dimension 0", "(3, 2, 4)", "(2, 2, 4)"}},
    {value_shape, AG_ERROR_SHAPE, {mha, "key and value", "(2, 4)", "(3, 4)"}},
    {operands, AG_ERROR_VALUE, {mha, "4 operands"}},
};
enum { MISTAKES = sizeof mistakes / sizeof mistakes[0] };

START_TEST(a_mistake_fails_the_tape_and_says_what_and_where) { expect_mistake(&mistakes[_i], _i); }
END_TEST

Suite *attention_suite(void) {
    Suite *s = suite_create("attention");
    TCase *c = tcase_create("attention");
    tcase_add_test(c, a_query_without_keys_gets_zeros_and_passes_no_gradient);
    tcase_add_test(c, without_keys_or_features_nothing_breaks);
    tcase_add_test(c, a_causal_query_sees_its_past_alone);
    tcase_add_test(c, three_projections_are_one_where_the_operands_are);
    tcase_add_test(c, keys_of_another_length_and_masks_reach_every_head);
    tcase_add_loop_test(c, a_mistake_fails_the_tape_and_says_what_and_where, 0, MISTAKES);
    suite_add_tcase(s, c);
    return s;
}
