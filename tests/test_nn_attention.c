/* nn_attention: keys and values with features of their own, and keys that are added - PyTorch's names and numbers.
 * Expected numbers are those of PyTorch 1.13's MultiheadAttention, in f64, on the waves of sequence_support.h; weights
 * are those of batch 1, head 1. */
#include "sequence_support.h"

enum { B = 2, L = 3, S = 4, D = 4, KDIM = 3, VDIM = 2 };
static const ag_value none = {0};

static const double features[B * L * D] = {
    -0.14985489255177997, -0.17155078600064266, -0.5651750518855481,  -0.7870287582204285,  -0.43800951036917535,
    -0.20131615336077097, -0.29859185742373145, -0.5640664154074957,  -0.20181222851424163, -0.17639524500465414,
    -0.5167285704957821,  -0.747074382799034,   -0.603753829041762,   -0.27341324420790913, -0.18509741863848417,
    -0.4097181445927326,  -0.5744211398523684,  -0.25462908588385424, -0.20081693696780012, -0.43989448164331907,
    -0.6239065734898165,  -0.2861825367404017,  -0.17419877852708926, -0.38905043854501115};
static const double features_weights[] = {0.6461820537048835,  0.3538179462951166,  0.0, 0.0,
                                          0.43554014009814507, 0.5644598599018549,  0.0, 0.0,
                                          0.792833845862813,   0.20716615413718692, 0.0, 0.0};
static const double added_keys[B * L * D] = {
    0.07218809575112761,  -0.2328584311163487,  -0.29021446111714516, 0.15009708855622114,   0.12724227440955438,
    -0.07352673687307215, -0.22979848988965673, 0.03454978564998465,  0.07818986413414386,   -0.20015058715511502,
    -0.2725123477170293,  0.1302182407173023,   0.0776339438737258,   -0.007060566653027296, -0.13202109497462844,
    0.038944409949916964, 0.09501040044290121,  -0.04933257093825684, -0.1800327286438521,   0.046421638704873425,
    0.03356239769639785,  0.052776231234788286, -0.04458489336189368, 0.042473983414821975};
static const double added_keys_weights[] = {
    0.3712842050076077,  0.20329721965259528, 0.0, 0.0, 0.24858616223341018, 0.17683241310638684,
    0.20605476882744572, 0.2670469039162263,  0.0, 0.0, 0.24437264166414996, 0.28252568559217806,
    0.5389596873808975,  0.14082926233827942, 0.0, 0.0, 0.2185381126094499,  0.1016729376713732};
static const double nothing[B * L * D] = {
    -0.0960417968592744,   -0.18131738841109074, -0.035361726565160984, 0.15569019674595116,
    0.01936276996242354,   0.035324170457236244, 0.006237204208847208,  -0.0308039718345756,
    -0.0838688743476023,   -0.06812998694923766, 0.03449401618070062,   0.09312833544147918,
    0.06341002740923811,   0.031258168386392976, -0.04075674799814388,  -0.060795215755151184,
    -0.024021754292567008, 0.1701424653581387,   0.1473266376691677,    -0.0633725661573426,
    0.02672672285214023,   0.07153452669477581,  0.025115458069201027,  -0.05333296471755839};
static const double nothing_weights[] = {
    0.181443921433633,   0.21587108063885382, 0.3591531291089489,  0.12798688596085037, 0.11554498285771396,
    0.10580486170888491, 0.1280079290036753,  0.08975032110972565, 0.42960068895537573, 0.2468361992223384,
    0.3657058987736345,  0.21842384026273734, 0.24818566190527555, 0.04199982560417426, 0.12568477345417836};

static net attention_new(nn_attention_options options) {
    ag_error error = {0};
    return net_new(nn_multihead_attention(D, 2, &options, &error), &error);
}

static void expect_names(const net *n, const char *const *names, size_t count) {
    ck_assert_uint_eq(nn_params_count(n->p), count);
    for (size_t i = 0; i < count; i++) ck_assert_str_eq(nn_params_name(n->p, i), names[i]);
}

static ag_value query_of(ag_tape *t) { return wave_leaf(t, 3, SHAPE(B, L, D), 0.5); }
static ag_value key_of(ag_tape *t) { return wave_leaf(t, 3, SHAPE(B, S, KDIM), 1.5); }
static ag_value value_of(ag_tape *t) { return wave_leaf(t, 3, SHAPE(B, S, VDIM), 2.5); }

/* The attention of batch 1, head 1. */
static ag_value last_head(ag_value weights) { return ag_select(ag_select(weights, 0, 1), 0, 1); }

START_TEST(keys_and_values_have_features_of_their_own) {
    net n = attention_new((nn_attention_options){.kdim = KDIM, .vdim = VDIM});
    expect_names(&n,
                 (const char *const[]){"q_proj_weight", "k_proj_weight", "v_proj_weight", "in_proj_bias",
                                       "out_proj.weight", "out_proj.bias"},
                 6);
    const ag_value mask = nn_padding_mask(n.t, SHAPE(3, 2), B, S);
    const ag_value q = query_of(n.t), k = key_of(n.t), v = value_of(n.t);
    ag_value weights;
    expect_numbers(nn_attention_run(n.m, &n.pass, q, k, v, mask, &weights), B * L * D, features, 1e-14);
    expect_numbers(last_head(weights), L * S, features_weights, 1e-14);
    n.pass.training = false;
    expect_numbers(nn_attention_run(n.m, &n.pass, q, k, v, mask, NULL), B * L * D, features, 1e-14);
    net_free(&n);
}
END_TEST

START_TEST(keys_are_added_behind_the_others_and_no_mask_hides_them) {
    net n = attention_new(
        (nn_attention_options){.kdim = KDIM, .vdim = VDIM, .add_bias_kv = true, .add_zero_attn = true});
    expect_names(&n,
                 (const char *const[]){"q_proj_weight", "k_proj_weight", "v_proj_weight", "in_proj_bias", "bias_k",
                                       "bias_v", "out_proj.weight", "out_proj.bias"},
                 8);
    const ag_value mask = nn_padding_mask(n.t, SHAPE(3, 2), B, S);
    ag_value weights;
    const ag_value y = nn_attention_run(n.m, &n.pass, query_of(n.t), key_of(n.t), value_of(n.t), mask, &weights);
    expect_numbers(y, B * L * D, added_keys, 1e-14);
    expect_numbers(last_head(weights), L * (S + 2), added_keys_weights, 1e-14);
    net_free(&n);
}
END_TEST

START_TEST(a_zero_key_comes_without_biases_too_and_is_never_masked) {
    net n = attention_new((nn_attention_options){.no_bias = true, .add_zero_attn = true});
    expect_names(&n, (const char *const[]){"in_proj_weight", "out_proj.weight"}, 2);
    const ag_value mask = wave_leaf(n.t, 2, SHAPE(L, S), 0.2), k = wave_leaf(n.t, 3, SHAPE(B, S, D), 1.5),
                   v = wave_leaf(n.t, 3, SHAPE(B, S, D), 2.5);
    ag_value weights;
    expect_numbers(nn_attention_run(n.m, &n.pass, query_of(n.t), k, v, mask, &weights), B * L * D, nothing, 1e-14);
    expect_numbers(last_head(weights), L * (S + 1), nothing_weights, 1e-14);
    const ag_value hide = ag_full(n.t, AG_BOOL, 2, SHAPE(L, S), 0); /* nothing is left but to attend to nothing */
    const double zeros[B * L * D] = {0};
    expect_numbers(nn_attention_run(n.m, &n.pass, query_of(n.t), k, v, hide, NULL), B * L * D, zeros, 0);
    net_free(&n);
}
END_TEST

START_TEST(causal_attention_sees_the_added_keys_from_the_first_query_on) {
    net n = attention_new((nn_attention_options){.causal = true, .add_bias_kv = true});
    ag_value weights;
    const ag_value x = query_of(n.t);
    (void)nn_attention_run(n.m, &n.pass, x, x, x, none, &weights);
    double w[L * (L + 1)];
    test_read(last_head(weights), w, L * (L + 1));
    ck_assert(w[0] > 0 && w[1] == 0 && w[2] == 0 && w[3] > 0);
    ck_assert(w[4] > 0 && w[5] > 0 && w[6] == 0 && w[7] > 0);
    net_free(&n);
}
END_TEST

START_TEST(the_first_numbers_are_pytorchs) {
    ag_error error = {0};
    nn_module *m = nn_multihead_attention(
        64, 4, &(nn_attention_options){.kdim = 32, .vdim = 16, .add_bias_kv = true}, &error);
    nn_params *p = nn_params_new(m, AG_F64, 3, &error);
    ck_assert_msg(p != NULL, "%s", error.message);
    static const char *const name[] = {"q_proj_weight", "k_proj_weight", "v_proj_weight"};
    static const int fans[] = {128, 96, 80};
    for (int i = 0; i < 3; i++) { /* uniform: the largest of more than 1,000 is close to the bound */
        const ag_tensor *x = nn_params_find(p, name[i]);
        double largest = 0;
        for (int64_t k = 0; k < ag_tensor_count(x); k++) largest = fmax(largest, fabs(ag_tensor_get(x, k)));
        ck_assert_double_le(largest, sqrt(6.0 / fans[i]));
        ck_assert_double_ge(largest, sqrt(6.0 / fans[i]) * 0.98);
    }
    double squares = 0;
    for (int i = 0; i < 2; i++)
        for (int64_t k = 0; k < 64; k++)
            squares += pow(ag_tensor_get(nn_params_find(p, i ? "bias_k" : "bias_v"), k), 2);
    ck_assert_double_ge(squares, 2 * 0.6); /* 128 squares of mean 1 / 64: 2, with a deviation of 1/4 */
    ck_assert_double_le(squares, 2 * 1.4);
    nn_params_free(p);
    nn_module_free(m);
}
END_TEST

static ag_value loss(net *n, void *user) {
    (void)user;
    ag_value weights;
    const ag_value mask = nn_padding_mask(n->t, SHAPE(3, 2), B, S);
    const ag_value y =
        nn_attention_run(n->m, &n->pass, query_of(n->t), key_of(n->t), value_of(n->t), mask, &weights);
    return ag_add(ag_sum_all(ag_square(y)), ag_sum_all(ag_square(weights)));
}

START_TEST(gradients_of_every_parameter_agree_with_differences) {
    net n = attention_new(
        (nn_attention_options){.kdim = KDIM, .vdim = VDIM, .add_bias_kv = true, .add_zero_attn = true});
    check_parameters(&n, loss, NULL, 1);
    net_free(&n);
}
END_TEST

START_TEST(what_does_not_fit_is_refused) {
    ag_error error = {0};
    ck_assert_ptr_null(nn_multihead_attention(D, 2, &(nn_attention_options){.kdim = -1}, &error));
    ck_assert_int_eq(error.status, AG_ERROR_SHAPE);
    net n = attention_new((nn_attention_options){.kdim = KDIM, .vdim = VDIM});
    const ag_mark mark = ag_tape_mark(n.t);
    ck_assert(!ag_ok(nn_forward(n.m, &n.pass, query_of(n.t)))); /* keys of D features */
    expect_failure(&n, mark, AG_ERROR_SHAPE, "key (..., S, 3) and value (..., S, 2)");
    const ag_value values = wave_leaf(n.t, 3, SHAPE(B, S + 1, VDIM), 0);
    ck_assert(!ag_ok(nn_attention_run(n.m, &n.pass, query_of(n.t), key_of(n.t), values, none, NULL)));
    expect_failure(&n, mark, AG_ERROR_SHAPE, "leading dimensions");
    net_free(&n);
}
END_TEST

static bool build(void) {
    ag_error error = {0};
    const nn_attention_options o = {.kdim = KDIM, .add_bias_kv = true, .add_zero_attn = true};
    nn_module *m = nn_multihead_attention(D, 2, &o, &error);
    if (!m) ck_assert_int_eq(error.status, AG_ERROR_MEMORY);
    nn_module_free(m);
    return m != NULL;
}

START_TEST(every_failed_allocation_is_reported_and_leaves_nothing) { test_every_allocation(build); }
END_TEST

Suite *nn_attention_suite(void) {
    Suite *s = suite_create("nn_attention");
    TCase *tc = tcase_create("nn_attention");
    tcase_add_test(tc, keys_and_values_have_features_of_their_own);
    tcase_add_test(tc, keys_are_added_behind_the_others_and_no_mask_hides_them);
    tcase_add_test(tc, a_zero_key_comes_without_biases_too_and_is_never_masked);
    tcase_add_test(tc, causal_attention_sees_the_added_keys_from_the_first_query_on);
    tcase_add_test(tc, the_first_numbers_are_pytorchs);
    tcase_add_test(tc, gradients_of_every_parameter_agree_with_differences);
    tcase_add_test(tc, what_does_not_fit_is_refused);
    tcase_add_test(tc, every_failed_allocation_is_reported_and_leaves_nothing);
    suite_add_tcase(s, tc);
    return s;
}
