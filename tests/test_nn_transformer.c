/* nn_transformer: attention, encoder and decoder blocks and positions as layers - PyTorch's names and numbers, masks,
 * gradients, mistakes. */
#include "attention_expected.h"
#include "sequence_support.h"

enum { B = 2, L = 3, S = 4, D = 4, HIDDEN = 5 };
static const ag_value none = {0};
static const int64_t memory_lengths[B] = {3, 2};

static net attention_new(nn_attention_options options) {
    ag_error error = {0};
    return net_new(nn_multihead_attention(D, 2, &options, &error), &error);
}

static nn_transformer_options sizes(bool norm_first, bool gelu) {
    return (nn_transformer_options){
        .features = D, .heads = 2, .hidden = HIDDEN, .norm_first = norm_first, .gelu = gelu};
}

static ag_value memory_of(ag_tape *t) { return wave_leaf(t, 3, SHAPE(B, S, D), 1.5); }
static ag_value input_of(ag_tape *t) { return wave_leaf(t, 3, SHAPE(B, L, D), 0.5); }

static void expect_names(const net *n, const char *const *names, size_t count) {
    ck_assert_uint_eq(nn_params_count(n->p), count);
    for (size_t i = 0; i < count; i++) ck_assert_str_eq(nn_params_name(n->p, i), names[i]);
}

/* A sum in which every element has a weight of its own. */
static ag_value weighted(ag_value y) {
    const ag_meta *meta = ag_meta_of(y);
    if (!meta) return y;
    const double *weights = wave(ag_meta_count(meta), 0, 0.9, 1);
    return ag_sum_all(ag_mul(y, ag_array_constant(y.tape, AG_F64, meta->rank, meta->dim, weights)));
}

/* ---- attention --------------------------------------------------------------------------------------------------- */

START_TEST(attention_to_a_padded_memory_is_pytorchs) {
    net n = attention_new((nn_attention_options){.dropout = 0});
    expect_names(&n, (const char *const[]){"in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"},
                 4);
    const ag_value mask = nn_padding_mask(n.t, memory_lengths, B, S);
    const ag_value value = wave_leaf(n.t, 3, SHAPE(B, S, D), 2.5);
    ag_value weights;
    const ag_value y = nn_attention_run(n.m, &n.pass, input_of(n.t), memory_of(n.t), value, mask, &weights);
    expect_numbers(y, 24, cross, 1e-14);
    expect_numbers(weights, 48, cross_weights, 1e-14);
    expect_same(nn_attention_run(n.m, &n.pass, input_of(n.t), memory_of(n.t), value, mask, NULL), y, 1e-15);
    net_free(&n);
}
END_TEST

START_TEST(causal_and_added_masks_are_pytorchs) {
    net n = attention_new((nn_attention_options){.causal = true}),
        added_net = attention_new((nn_attention_options){0});
    ag_value weights;
    const ag_value x = input_of(n.t), y = nn_forward(n.m, &n.pass, x);
    expect_numbers(y, 24, causal, 1e-14);
    expect_same(nn_attention_run(n.m, &n.pass, x, x, x, none, &weights), y, 1e-15);
    for (int h = 0; h < B * 2; h++) {
        double w[L * L];
        test_read(ag_select(ag_flatten(weights, 0, 1), 0, h), w, L * L);
        ck_assert(w[0] == 1 && w[1] == 0 && w[2] == 0 && w[5] == 0);
    }
    const ag_value z = input_of(added_net.t), mask = wave_leaf(added_net.t, 2, SHAPE(L, L), 0.2);
    expect_numbers(nn_attention_run(added_net.m, &added_net.pass, z, z, z, mask, NULL), 24, added, 1e-14);
    expect_numbers(nn_attention_run(added_net.m, &added_net.pass, z, z, z, mask, &weights), 24, added, 1e-14);
    net_free(&added_net);
    net_free(&n);
}
END_TEST

START_TEST(attention_begins_as_pytorchs_does) {
    ag_error error = {0};
    nn_module *m = nn_multihead_attention(64, 4, NULL, &error);
    nn_params *p = nn_params_new(m, AG_F32, 1, &error);
    const double bound[] = {sqrt(6.0 / (64 + 3 * 64)), 0, 0.125, 0}; /* Xavier; 1 / sqrt(64) */
    for (size_t i = 0; i < 4; i++) {
        double largest = 0;
        const ag_tensor *x = nn_params_tensor(p, i);
        for (int64_t k = 0; k < ag_tensor_count(x); k++) largest = fmax(largest, fabs(ag_tensor_get(x, k)));
        ck_assert_double_le(largest, bound[i] * (1 + 1e-6));
        ck_assert_double_ge(largest, bound[i] * 0.99);
    }
    nn_params_free(p);
    nn_module_free(m);
}
END_TEST

START_TEST(attention_without_bias_has_two_weights) {
    net n = attention_new((nn_attention_options){.no_bias = true});
    expect_names(&n, (const char *const[]){"in_proj_weight", "out_proj.weight"}, 2);
    const ag_value x = input_of(n.t);
    ag_value weights;
    expect_same(nn_attention_run(n.m, &n.pass, x, x, x, none, &weights), nn_forward(n.m, &n.pass, x), 1e-15);
    net_free(&n);
}
END_TEST

START_TEST(dropout_takes_attention_weights_in_training_only) {
    net n = attention_new((nn_attention_options){.dropout = 1});
    const double *bias = ag_tensor_data(nn_params_find(n.p, "out_proj.bias"));
    double y[B * L * D];
    test_read(nn_forward(n.m, &n.pass, input_of(n.t)), y, B * L * D); /* all dropped: the bias is left */
    for (int i = 0; i < B * L * D; i++) ck_assert_double_eq(y[i], bias[i % D]);
    n.pass.training = false;
    net plain = attention_new((nn_attention_options){.dropout = 0});
    test_read(nn_forward(plain.m, &plain.pass, input_of(plain.t)), y, B * L * D);
    expect_numbers(nn_forward(n.m, &n.pass, input_of(n.t)), B * L * D, y, 0);
    net_free(&plain);
    net_free(&n);
}
END_TEST

START_TEST(a_padding_mask_is_true_within_the_lengths) {
    ag_tape *t = ag_tape_new(NULL);
    double mask[6];
    const ag_value m = nn_padding_mask(t, SHAPE(0, 2), 2, 3);
    test_read(m, mask, 6);
    ck_assert_mem_eq(mask, ((const double[]){0, 0, 0, 1, 1, 0}), sizeof mask);
    ck_assert_int_eq(ag_meta_of(m)->rank, 4);
    ck_assert(ag_meta_of(m)->dtype == AG_BOOL);
    ck_assert(ag_ok(nn_padding_mask(t, NULL, 0, 3)));
    const ag_mark mark = ag_tape_mark(t);
    ck_assert(!ag_ok(nn_padding_mask(t, SHAPE(1, 4), 2, 3)));
    ck_assert_int_eq(ag_tape_rewind(t, mark), AG_ERROR_VALUE);
    ck_assert(!ag_ok(nn_padding_mask(t, SHAPE(1), 1, INT64_MAX)));
    ck_assert_int_eq(ag_tape_rewind(t, mark), AG_ERROR_SHAPE);
    ck_assert(!ag_ok(nn_padding_mask(t, SHAPE(1), -1, 2)));
    ck_assert_int_eq(ag_tape_rewind(t, mark), AG_ERROR_SHAPE);
    ag_tape_free(t);
}
END_TEST

/* ---- blocks ------------------------------------------------------------------------------------------------------ */

START_TEST(an_encoder_block_is_pytorchs) {
    static const char *const names[] = {"self_attn.in_proj_weight",
                                        "self_attn.in_proj_bias",
                                        "self_attn.out_proj.weight",
                                        "self_attn.out_proj.bias",
                                        "linear1.weight",
                                        "linear1.bias",
                                        "linear2.weight",
                                        "linear2.bias",
                                        "norm1.weight",
                                        "norm1.bias",
                                        "norm2.weight",
                                        "norm2.bias"};
    const struct encoder_row *row = &encoder_rows[_i];
    ag_error error = {0};
    const nn_transformer_options o = sizes(row->norm_first, row->gelu);
    net n = net_new(nn_transformer_encoder_layer(&o, &error), &error);
    expect_names(&n, names, 12);
    const ag_value x = input_of(n.t), y = nn_forward(n.m, &n.pass, x), sum = weighted(y);
    expect_numbers(y, 24, row->y, 1e-13);
    ag_value dx;
    ck_assert_int_eq(ag_grad(&sum, NULL, 1, &x, 1, &dx), AG_OK);
    expect_numbers(dx, 24, row->dx, 1e-12);
    net_free(&n);
}
END_TEST

START_TEST(a_decoder_block_is_pytorchs) {
    ag_error error = {0};
    nn_transformer_options o = sizes(_i, _i);
    o.causal = true;
    net n = net_new(nn_transformer_decoder_layer(&o, &error), &error);
    ck_assert_uint_eq(nn_params_count(n.p), 18);
    ck_assert_str_eq(nn_params_name(n.p, 4), "multihead_attn.in_proj_weight");
    ck_assert_str_eq(nn_params_name(n.p, 17), "norm3.bias");
    const ag_value mask = nn_padding_mask(n.t, memory_lengths, B, S);
    expect_numbers(nn_transformer_decoder_run(n.m, &n.pass, input_of(n.t), memory_of(n.t), none, mask), 24,
                   decoder_rows[_i], 1e-13);
    net_free(&n);
}
END_TEST

START_TEST(stacks_are_pytorchs) {
    ag_error error = {0};
    nn_transformer_options o = sizes(true, false);
    o.causal = true;
    net n = net_new(nn_transformer_encoder(2, true, &o, &error), &error);
    ck_assert_uint_eq(nn_params_count(n.p), 26);
    ck_assert_str_eq(nn_params_name(n.p, 12), "layers.1.self_attn.in_proj_weight");
    ck_assert_str_eq(nn_params_name(n.p, 25), "norm.bias");
    expect_numbers(nn_forward(n.m, &n.pass, input_of(n.t)), 24, encoder_stack, 1e-13);
    net_free(&n);
    o = sizes(false, false);
    n = net_new(nn_transformer_decoder(2, true, &o, &error), &error);
    expect_numbers(nn_transformer_decoder_run(n.m, &n.pass, input_of(n.t), memory_of(n.t), none, none), 24,
                   decoder_stack, 1e-13);
    net_free(&n);
    n = net_new(nn_sequential((nn_module *[]){nn_transformer_encoder(0, false, &o, &error)}, 1, &error), &error);
    expect_same(nn_forward(n.m, &n.pass, input_of(n.t)), input_of(n.t), 0); /* no block, no norm: the identity */
    net_free(&n);
}
END_TEST

START_TEST(a_mask_hides_padding_from_an_encoder) {
    ag_error error = {0};
    const nn_transformer_options o = sizes(false, false);
    net n = net_new(nn_transformer_encoder(2, false, &o, &error), &error);
    const ag_value x = input_of(n.t), mask = nn_padding_mask(n.t, SHAPE(2, 3), B, L);
    const ag_value y = nn_transformer_encoder_run(n.m, &n.pass, x, mask);
    const ag_value alone = nn_forward(n.m, &n.pass, ag_slice(ag_select(x, 0, 0), 0, 0, 2, 1));
    expect_same(ag_slice(ag_select(y, 0, 0), 0, 0, 2, 1), alone, 1e-14);
    net_free(&n);
}
END_TEST

START_TEST(dropout_in_a_block_acts_in_training_only) {
    ag_error error = {0};
    nn_transformer_options o = sizes(true, false);
    o.dropout = 1;
    net n = net_new(nn_transformer_encoder_layer(&o, &error), &error);
    /* With all sublayers dropped what is left is the residual path. */
    expect_same(nn_forward(n.m, &n.pass, input_of(n.t)), input_of(n.t), 0);
    n.pass.training = false;
    expect_numbers(nn_forward(n.m, &n.pass, input_of(n.t)), 24, encoder_rows[2].y, 1e-13);
    net_free(&n);
}
END_TEST

/* ---- positions --------------------------------------------------------------------------------------------------- */

START_TEST(a_sinusoidal_encoding_adds_sines_and_cosines) {
    ag_error error = {0};
    net n = net_new(nn_sequential((nn_module *[]){nn_sinusoidal_encoding(8, 5, &error)}, 1, &error), &error);
    ck_assert_uint_eq(nn_params_count(n.p), 0);
    for (ag_dtype dtype = AG_F32; dtype <= AG_F64; dtype++) {
        const ag_value y = nn_forward(n.m, &n.pass, ag_full(n.t, dtype, 3, SHAPE(2, 3, 5), 10));
        double values[30];
        ck_assert(ag_meta_of(y)->dtype == dtype);
        test_read(y, values, 30);
        for (int i = 0; i < 30; i++) {
            const double slow = pow(10000, -2.0 / 5), slower = pow(10000, -4.0 / 5), t = i / 5 % 3;
            const double row[] = {sin(t), cos(t), sin(t * slow), cos(t * slow), sin(t * slower)};
            ck_assert_double_eq_tol(values[i], 10 + row[i % 5], dtype == AG_F32 ? 2e-6 : 1e-14);
        }
    }
    net_free(&n);
}
END_TEST

START_TEST(a_learned_encoding_adds_its_first_rows) {
    ag_error error = {0};
    net n = net_new(nn_learned_encoding(8, D, nn_init_normal(0, 0.02), &error), &error);
    expect_names(&n, (const char *const[]){"weight"}, 1);
    const double *weight = ag_tensor_data(nn_params_find(n.p, "weight"));
    double y[L * D];
    test_read(nn_forward(n.m, &n.pass, ag_full(n.t, AG_F64, 2, SHAPE(L, D), 1)), y, L * D);
    for (int i = 0; i < L * D; i++) ck_assert_double_eq(y[i], 1 + weight[i]);
    net_free(&n);
}
END_TEST

/* ---- gradients --------------------------------------------------------------------------------------------------- */

static ag_value encoder_loss(net *n, void *user) {
    (void)user;
    const ag_value mask = nn_padding_mask(n->t, SHAPE(2, 3), B, L);
    return weighted(nn_transformer_encoder_run(n->m, &n->pass, input_of(n->t), mask));
}
static ag_value decoder_loss(net *n, void *user) {
    (void)user;
    const ag_value mask = nn_padding_mask(n->t, memory_lengths, B, S);
    return weighted(nn_transformer_decoder_run(n->m, &n->pass, input_of(n->t), memory_of(n->t), none, mask));
}
static ag_value forward_loss(net *n, void *user) {
    (void)user;
    return weighted(nn_forward(n->m, &n->pass, input_of(n->t)));
}
static ag_value open_loss(net *n, void *user) {
    (void)user;
    ag_value weights;
    const ag_value x = input_of(n->t);
    const ag_value y = nn_attention_run(n->m, &n->pass, x, memory_of(n->t), memory_of(n->t), none, &weights);
    return ag_add(weighted(y), weighted(weights));
}

START_TEST(gradients_of_every_parameter_agree_with_differences) {
    ag_error error = {0};
    nn_transformer_options o = sizes(_i % 2, true); /* relu has kinks, and torch's numbers */
    o.causal = true;
    net n = net_new(nn_transformer_encoder(2, true, &o, &error), &error);
    check_parameters(&n, encoder_loss, NULL, 3);
    net_free(&n);
    n = net_new(nn_transformer_decoder_layer(&o, &error), &error);
    check_parameters(&n, decoder_loss, NULL, 3);
    net_free(&n);
    n = attention_new((nn_attention_options){.causal = true});
    check_parameters(&n, forward_loss, NULL, 1);
    net_free(&n);
    n = attention_new((nn_attention_options){.causal = false});
    check_parameters(&n, open_loss, NULL, 1);
    net_free(&n);
    n = net_new(nn_learned_encoding(8, D, nn_init_normal(0, 0.02), &error), &error);
    check_parameters(&n, forward_loss, NULL, 1);
    net_free(&n);
}
END_TEST

static ag_value attend_to(ag_tape *t, const ag_value *in, void *user) {
    nn_pass pass = {t, true};
    return nn_attention_run(((net *)user)->m, &pass, in[0], in[1], in[2], in[3], NULL);
}
static ag_value decode(ag_tape *t, const ag_value *in, void *user) {
    nn_pass pass = {t, true};
    return nn_transformer_decoder_run(((net *)user)->m, &pass, in[0], in[1], none, none);
}

START_TEST(gradients_of_operands_agree_with_differences_at_both_orders) {
    double q[B * L * D], k[B * S * D], v[B * S * D], mask[L * S];
    memcpy(q, wave(B * L * D, 0.5, 0.9, 1), sizeof q);
    memcpy(k, wave(B * S * D, 1.5, 0.9, 1), sizeof k);
    memcpy(v, wave(B * S * D, 2.5, 0.9, 1), sizeof v);
    memcpy(mask, wave(L * S, 0.2, 0.9, 1), sizeof mask);
    const check_input in[] = {{.dtype = AG_F64, .rank = 3, .dim = {B, L, D}, .values = q, .leaf = true},
                              {.dtype = AG_F64, .rank = 3, .dim = {B, S, D}, .values = k, .leaf = true},
                              {.dtype = AG_F64, .rank = 3, .dim = {B, S, D}, .values = v, .leaf = true},
                              {.dtype = AG_F64, .rank = 2, .dim = {L, S}, .values = mask, .leaf = true}};
    net n = attention_new((nn_attention_options){.dropout = 0});
    check_gradients("attention", attend_to, &n, in, 4, 2);
    net_free(&n);
    ag_error error = {0};
    const nn_transformer_options o = sizes(true, true);
    n = net_new(nn_transformer_decoder_layer(&o, &error), &error);
    check_gradients("decoder block", decode, &n, in, 2, 1);
    net_free(&n);
}
END_TEST

/* ---- mistakes ---------------------------------------------------------------------------------------------------- */

START_TEST(impossible_layers_are_refused) {
    static const struct {
        nn_transformer_options options;
        ag_status status;
    } row[] = {{{.features = 4, .heads = 3, .hidden = 5}, AG_ERROR_VALUE},
               {{.features = 4, .heads = 0, .hidden = 5}, AG_ERROR_VALUE},
               {{.features = 0, .heads = 1, .hidden = 5}, AG_ERROR_SHAPE},
               {{.features = INT64_MAX, .heads = 1, .hidden = 5}, AG_ERROR_SHAPE},
               {{.features = 4, .heads = 2, .hidden = -5}, AG_ERROR_SHAPE},
               {{.features = 4, .heads = 2, .hidden = 5, .dropout = 1.5}, AG_ERROR_VALUE},
               {{.features = 4, .heads = 2, .hidden = 5, .eps = -1}, AG_ERROR_VALUE},
               {{.features = 4, .heads = 2, .hidden = 5, .eps = NAN}, AG_ERROR_VALUE}};
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        ag_error error = {0}, again = {0};
        ck_assert_ptr_null(nn_transformer_encoder(2, true, &row[i].options, &error));
        ck_assert_int_eq(error.status, row[i].status);
        ck_assert_ptr_null(nn_transformer_decoder_layer(&row[i].options, &again));
        ck_assert_int_eq(again.status, row[i].status);
    }
    ag_error error[5] = {{0}};
    const nn_transformer_options o = sizes(false, false);
    ck_assert_ptr_null(nn_transformer_encoder(-1, true, &o, &error[0]));
    ck_assert_ptr_null(nn_transformer_decoder(1, true, NULL, &error[1]));
    ck_assert_ptr_null(nn_transformer_encoder_layer(NULL, &error[2]));
    for (int i = 0; i < 3; i++) ck_assert_int_eq(error[i].status, AG_ERROR_VALUE);
    ck_assert_ptr_null(nn_sinusoidal_encoding(-1, 4, &error[3]));
    ck_assert_ptr_null(nn_learned_encoding(4, -1, nn_init_constant(0), &error[4]));
    for (int i = 3; i < 5; i++) ck_assert_int_eq(error[i].status, AG_ERROR_SHAPE);
}
END_TEST

START_TEST(a_pass_says_what_does_not_fit) {
    ag_error error = {0};
    const nn_transformer_options o = sizes(false, false);
    net n = attention_new((nn_attention_options){.dropout = 0.5});
    nn_module *decoder = nn_transformer_decoder(1, false, &o, &error),
              *layer = nn_transformer_decoder_layer(&o, &error), *sines = nn_sinusoidal_encoding(2, D, &error);
    const ag_mark mark = ag_tape_mark(n.t);
    for (int open = 0; open < 2; open++) { /* by the operation, and step by step */
        n.pass.training = open;
        const struct {
            int64_t q[3], k[3], v[3];
            int mask; /* 0 none, 1 too large, 2 of integers */
            ag_status status;
        } row[] = {{{B, L, D + 2}, {B, S, D + 2}, {B, S, D + 2}, 0, AG_ERROR_SHAPE},
                   {{B, L, D}, {B, S, D}, {B, S + 1, D}, 0, AG_ERROR_SHAPE},
                   {{B, L, D}, {B + 1, S, D}, {B + 1, S, D}, 0, AG_ERROR_SHAPE},
                   {{B, L, D}, {B, S, D}, {B, S, D}, 1, AG_ERROR_SHAPE},
                   {{B, L, D}, {B, S, D}, {B, S, D}, 2, AG_ERROR_DTYPE}};
        for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
            const ag_value q = ag_full(n.t, AG_F64, 3, row[i].q, 1), k = ag_full(n.t, AG_F64, 3, row[i].k, 1),
                           v = ag_full(n.t, AG_F64, 3, row[i].v, 1);
            ag_value mask = none;
            if (row[i].mask == 1) mask = ag_full(n.t, AG_BOOL, 5, SHAPE(2, B, 2, L, S), 1);
            if (row[i].mask == 2) mask = ag_full(n.t, AG_I64, 2, SHAPE(L, S), 1);
            ck_assert(!ag_ok(nn_attention_run(n.m, &n.pass, q, k, v, mask, NULL)));
            expect_failure(&n, mark, row[i].status, "");
        }
        const ag_value flat = ag_full(n.t, AG_F64, 1, SHAPE(D), 1);
        ck_assert(!ag_ok(nn_forward(n.m, &n.pass, flat)));
        expect_failure(&n, mark, AG_ERROR_SHAPE, "rank 2 to");
        ck_assert(!ag_ok(nn_forward(n.m, &n.pass, flat))); /* rewound */
        ck_assert_int_ne(ag_tape_rewind(n.t, mark), AG_OK);
    }
    const ag_value x = input_of(n.t);
    ag_value weights;
    ck_assert(!ag_ok(nn_attention_run(decoder, &n.pass, x, x, x, none, &weights)) && !ag_ok(weights));
    expect_failure(&n, mark, AG_ERROR_VALUE, "is no multi-head attention");
    nn_module *const wrong[] = {decoder, layer, n.m, NULL};
    for (int i = 0; i < 4; i++) {
        ck_assert(!ag_ok(nn_transformer_encoder_run(wrong[i], &n.pass, input_of(n.t), none)));
        expect_failure(&n, mark, AG_ERROR_VALUE, "is no encoder");
    }
    ck_assert(!ag_ok(nn_transformer_decoder_run(n.m, &n.pass, input_of(n.t), memory_of(n.t), none, none)));
    expect_failure(&n, mark, AG_ERROR_VALUE, "is no decoder");
    for (int i = 0; i < 2; i++) {
        ck_assert(!ag_ok(nn_forward(i ? layer : decoder, &n.pass, input_of(n.t))));
        expect_failure(&n, mark, AG_ERROR_VALUE, "needs a memory");
    }
    ck_assert(!ag_ok(nn_forward(sines, &n.pass, input_of(n.t)))); /* three steps, made for two */
    expect_failure(&n, mark, AG_ERROR_SHAPE, "T at most 2");
    nn_module_free(sines);
    nn_module_free(layer);
    nn_module_free(decoder);
    net_free(&n);
}
END_TEST

static bool build(void) {
    ag_error error = {0};
    const nn_transformer_options o = sizes(false, false);
    nn_module *parts[] = {nn_sinusoidal_encoding(4, D, &error), nn_transformer_encoder(2, true, &o, &error)};
    nn_module *m = nn_sequential(parts, 2, &error);
    if (!m) ck_assert_int_eq(error.status, AG_ERROR_MEMORY);
    nn_module_free(m);
    return m != NULL;
}

START_TEST(every_failed_allocation_is_reported_and_leaves_nothing) { test_every_allocation(build); }
END_TEST

Suite *nn_transformer_suite(void) {
    Suite *s = suite_create("nn_transformer");
    TCase *tc = tcase_create("nn_transformer");
    tcase_add_test(tc, attention_to_a_padded_memory_is_pytorchs);
    tcase_add_test(tc, causal_and_added_masks_are_pytorchs);
    tcase_add_test(tc, attention_begins_as_pytorchs_does);
    tcase_add_test(tc, attention_without_bias_has_two_weights);
    tcase_add_test(tc, dropout_takes_attention_weights_in_training_only);
    tcase_add_test(tc, a_padding_mask_is_true_within_the_lengths);
    tcase_add_loop_test(tc, an_encoder_block_is_pytorchs, 0, 4);
    tcase_add_loop_test(tc, a_decoder_block_is_pytorchs, 0, 2);
    tcase_add_test(tc, stacks_are_pytorchs);
    tcase_add_test(tc, a_mask_hides_padding_from_an_encoder);
    tcase_add_test(tc, dropout_in_a_block_acts_in_training_only);
    tcase_add_test(tc, a_sinusoidal_encoding_adds_sines_and_cosines);
    tcase_add_test(tc, a_learned_encoding_adds_its_first_rows);
    tcase_add_loop_test(tc, gradients_of_every_parameter_agree_with_differences, 0, 2);
    tcase_add_test(tc, gradients_of_operands_agree_with_differences_at_both_orders);
    tcase_add_test(tc, impossible_layers_are_refused);
    tcase_add_test(tc, a_pass_says_what_does_not_fit);
    tcase_add_test(tc, every_failed_allocation_is_reported_and_leaves_nothing);
    suite_add_tcase(s, tc);
    return s;
}
