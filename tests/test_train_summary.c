/* train_summary: every record is counted once, where it belongs. */
#include "nn_support.h"

static nn_module *net;
static nn_params *params;
static ag_tensor *x; /* (5, 4) */

static void make(void) {
    ag_error error = {0};
    nn_module *inner[] = {nn_linear(8, 8, &error), nn_activation_layer(NN_TANH, &error)};
    nn_module *layers[] = {nn_linear(4, 8, &error), nn_batch_norm1d(8, NULL, &error), nn_dropout(0.5, &error),
                           nn_sequential(inner, 2, &error), nn_linear(8, 3, &error)};
    net = nn_sequential(layers, 5, &error);
    params = nn_params_new(net, AG_F32, 1, &error);
    ck_assert_msg(params != NULL, "%s", error.message);
    x = ag_tensor_new(AG_F32, 2, (const int64_t[]){5, 4}, &error);
    ck_assert_ptr_nonnull(x);
}

static void drop(void) {
    ag_tensor_free(x);
    nn_params_free(params);
    nn_module_free(net);
}

START_TEST(rows_are_the_modules_and_hold_what_is_their_own) {
    nn_summary s;
    ag_error error = {0};
    ck_assert_msg(nn_summary_init(&s, net, x, &error) == AG_OK, "%s", error.message);
    static const char *const type[] = {"sequential", "linear", "batch_norm", "dropout", "sequential", "linear"};
    static const int depth[] = {0, 1, 1, 1, 1, 2};
    static const int64_t parameters[] = {0, 40, 16, 0, 0, 72, 0, 27};
    static const int64_t columns[] = {3, 8, 8, 8, 8, 8, 8, 3};
    ck_assert_uint_eq(s.count, 8);
    for (size_t i = 0; i < s.count; i++) {
        const nn_summary_row *row = &s.row[i];
        if (i < 6) {
            ck_assert_int_eq(strncmp(row->module->type, type[i], strlen(type[i])), 0);
            ck_assert_int_eq(row->depth, depth[i]);
        }
        ck_assert_int_eq(row->parameters, parameters[i]);
        ck_assert(row->shaped);
        ck_assert_int_eq(row->output.rank, 2);
        ck_assert_int_eq(row->output.dim[0], 5);
        ck_assert_int_eq(row->output.dim[1], columns[i]);
    }
    ck_assert_int_eq(s.row[1].bytes, 40 * 4);
    ck_assert_int_gt(s.row[2].bytes, 16 * 4 + 16 * 4); /* and the running moments, and their count */
    ck_assert_int_eq(s.row[0].records, 0);
    ck_assert_int_eq(s.row[6].computed, 5 * 8 * 4);
    ck_assert_double_eq(s.row[1].operations,
                        5 * 8 * (2 * 4 + 1)); /* a product and a sum for each weight and sample */
    ck_assert_int_eq(s.row[2].state, 8 + 8 + 1);
    ck_assert_int_eq(s.row[1].uncounted, 0);
    nn_summary_clear(&s);
    nn_summary_clear(&s);
}
END_TEST

START_TEST(sums_are_those_of_the_whole_pass) {
    nn_summary s;
    ck_assert_int_eq(nn_summary_init(&s, net, x, NULL), AG_OK);
    const nn_summary_row sum = nn_summary_total(&s);
    ck_assert_int_eq(sum.parameters, nn_params_elements(params));
    ag_tape *t = ag_tape_new(NULL);
    nn_pass pass = {t, false};
    ck_assert(ag_ok(nn_forward(net, &pass, ag_constant(t, x))));
    ag_inspection *seen = ag_inspect_range(t, 1, UINT32_MAX, &(ag_inspect_options){.values_only = true}, NULL);
    int64_t records = 0;
    for (uint32_t i = 0; i < ag_inspection_count(seen); i++) records += ag_inspection_node(seen, i)->n_in > 0;
    ck_assert_int_eq(sum.records, records);
    ck_assert_int_ge(records, 5);
    ag_inspection_free(seen);
    ag_tape_free(t);
    nn_summary_clear(&s);
}
END_TEST

/* Runs its child twice. */
static ag_value twice(nn_module *m, nn_pass *pass, ag_value y) {
    return nn_forward(m->children, pass, nn_forward(m->children, pass, y));
}

START_TEST(a_layer_used_twice_counts_twice) {
    nn_module *one = nn_module_new(sizeof *one, "twice", twice, NULL);
    ck_assert_int_eq(nn_module_child(one, "tanh", nn_activation_layer(NN_TANH, NULL), NULL), AG_OK);
    nn_params *none = nn_params_new(one, AG_F32, 1, NULL);
    nn_summary s;
    ck_assert_int_eq(nn_summary_init(&s, one, x, NULL), AG_OK);
    ck_assert_int_eq(s.row[1].records, 2);
    ck_assert_int_eq(s.row[1].computed, 2 * 20 * 4);
    ck_assert_double_eq(s.row[1].operations, 2 * 20);
    ck_assert_int_eq(s.row[0].records, 0);
    nn_summary_clear(&s);
    nn_params_free(none);
    nn_module_free(one);
}
END_TEST

START_TEST(the_text_can_be_measured) {
    nn_summary s;
    ck_assert_int_eq(nn_summary_init(&s, net, x, NULL), AG_OK);
    char text[4096], small[20];
    const size_t length = nn_summary_text(&s, text, sizeof text);
    ck_assert_uint_eq(length, strlen(text));
    ck_assert_uint_eq(nn_summary_text(&s, NULL, 0), length);
    ck_assert_uint_eq(nn_summary_text(&s, small, sizeof small), length);
    ck_assert_uint_eq(strlen(small), sizeof small - 1);
    nn_summary_clear(&s);
}
END_TEST

/* The summary of a network of f32, which it frees, for one input of zeros. */
static void reads(nn_module *m, ag_dtype dtype, int rank, const int64_t *dim, const char *expected) {
    ag_error error = {0};
    nn_params *p = nn_params_new(m, AG_F32, 1, &error);
    ck_assert_msg(p != NULL, "%s", error.message);
    ag_tensor *in = ag_tensor_new(dtype, rank, dim, &error);
    nn_summary s;
    ck_assert_msg(nn_summary_init(&s, m, in, &error) == AG_OK, "%s", error.message);
    char text[4096];
    (void)nn_summary_text(&s, text, sizeof text);
    ck_assert_str_eq(text, expected);
    nn_summary_clear(&s);
    ag_tensor_free(in);
    nn_params_free(p);
    nn_module_free(m);
}

/* Operations: 30 (2 784 + 1) and 10 (2 30 + 1); forward memory: 30 + 30 + 10 numbers. */
START_TEST(an_mlp_reads_so) {
    reads(nn_mlp((const int64_t[]){784, 30, 10}, 3, NN_RELU, NULL, NULL), AG_F32, 2, (const int64_t[]){1, 784},
          "layer  kind        output    parameters        bytes     operations\n"
          "net    Sequential  (1, 10)            0            0              0\n"
          "  0    Linear      (1, 30)        23550        94200          47070\n"
          "  1    ReLU        (1, 30)            0            0             30\n"
          "  2    Linear      (1, 10)          310         1240            610\n"
          "\n"
          "trained                    23860\n"
          "not trained                    0\n"
          "bytes                      95440\n"
          "forward memory               280 bytes\n"
          "operations                 47710\n");
}
END_TEST

/* Operations of the convolutions: for each result the products and sums of its window and the bias, 2 8 14 14 (2 9 + 1) and,
 * in groups of two channels, 2 16 12 12 (2 2 9 + 1). Batch norm: 3 for each element, 3 for each channel's scale. */
START_TEST(a_cnn_reads_so) {
    nn_module *layers[] = {
        nn_conv2d(1, 8, 3, 3, &(nn_conv_options){.stride = {1, {2}}, .padding = {1, {1}}}, NULL),
        nn_batch_norm2d(8, NULL, NULL),
        nn_activation_layer(NN_RELU, NULL),
        nn_conv2d(8, 16, 3, 3, &(nn_conv_options){.groups = 4}, NULL),
        nn_activation_layer(NN_GELU, NULL),
        nn_max_pool2d(&(ag_pool_options){.kernel = {1, {2}}}, NULL),
        nn_dropout(0.5, NULL),
        nn_flatten(1, -1, NULL),
        nn_linear(16 * 6 * 6, 10, NULL)};
    reads(nn_sequential(layers, 9, NULL), AG_F32, 4, (const int64_t[]){2, 1, 28, 28},
          "layer  kind         output            parameters        bytes     operations\n"
          "net    Sequential   (2, 10)                    0            0              0\n"
          "  0    Conv2d       (2, 8, 14, 14)            80          320          59584\n"
          "  1    BatchNorm2d  (2, 8, 14, 14)            16          136           9432\n"
          "  2    ReLU         (2, 8, 14, 14)             0            0           3136\n"
          "  3    Conv2d       (2, 16, 12, 12)          304         1216         170496\n"
          "  4    GELU         (2, 16, 12, 12)            0            0           4608\n"
          "  5    MaxPool2d    (2, 16, 6, 6)              0            0           4608\n"
          "  6    Dropout      (2, 16, 6, 6)              0            0              0\n"
          "  7    Flatten      (2, 576)                   0            0              0\n"
          "  8    Linear       (2, 10)                 5770        23080          23060\n"
          "\n"
          "trained                     6170\n"
          "not trained                   17\n"
          "bytes                      24752\n"
          "forward memory            113584 bytes\n"
          "operations                274924\n");
}
END_TEST

/* Operations of an LSTM of n features and H units, a step: 4 H (2 n + 1) and 4 H (2 H + 1), their sum 4 H, functions 4 H,
 * c = f c + i g 3 H, h = o tanh(c) 2 H; here twice, n = 8 and n = 5, H = 5, 14 steps. */
START_TEST(an_lstm_reads_so) {
    nn_module *layers[] = {nn_embedding(20, 8, AG_NO_PADDING, NULL),
                           nn_lstm(8, 5, &(nn_recurrent_options){.layers = 2, .batch_first = true}, NULL),
                           nn_linear(5, 20, NULL)};
    nn_module *m = nn_sequential(layers, 3, NULL);
    ck_assert_int_eq(15820, 14 * (20 * (2 * 8 + 1) + 20 * (2 * 5 + 1) + 20 + 20 + 25) +
                                14 * (20 * (2 * 5 + 1) + 20 * (2 * 5 + 1) + 20 + 20 + 25));
    reads(m, AG_I64, 2, (const int64_t[]){2, 7},
          "layer  kind        output       parameters        bytes     operations\n"
          "net    Sequential  (2, 7, 20)            0            0              0\n"
          "  0    Embedding   (2, 7, 8)           160          640              0\n"
          "  1    LSTM        (2, 7, 5)           540         2160          15820\n"
          "  2    Linear      (2, 7, 20)          120          480           3080\n"
          "\n"
          "trained                      820\n"
          "not trained                    0\n"
          "bytes                       3280\n"
          "forward memory             14048 bytes\n"
          "operations                 18900\n");
}
END_TEST

/* Operations of attention, B = 2, T = 5, D = 8, 2 heads of 4: projections B T 3 D (2 D + 1), scaled queries B T D, scores and
 * their products with the values 2 2 B 2 T T 4, softmax 5 B 2 T T, the last projection B T D (2 D + 1). A norm: 6 for
 * each element, weight and bias. The block itself: two sums and relu. */
START_TEST(a_transformer_block_reads_so) {
    nn_module *m = nn_transformer_encoder_layer(
        &(nn_transformer_options){.features = 8, .heads = 2, .hidden = 16, .norm_first = true}, NULL);
    ck_assert_int_eq(7620, 10 * 24 * 17 + 10 * 8 + 2 * 2 * 2 * 2 * 25 * 4 + 5 * 2 * 2 * 25 + 10 * 8 * 17);
    reads(m, AG_F32, 3, (const int64_t[]){2, 5, 8},
          "layer         kind                     output       parameters        bytes     operations\n"
          "net           TransformerEncoderLayer  (2, 5, 8)             0            0            320\n"
          "  self_attn   MultiheadAttention       (2, 5, 8)           216          864           7620\n"
          "    out_proj  Linear                   -                    72          288              0\n"
          "  linear1     Linear                   (2, 5, 16)          144          576           2720\n"
          "  linear2     Linear                   (2, 5, 8)           136          544           2640\n"
          "  norm1       LayerNorm                (2, 5, 8)            16           64            640\n"
          "  norm2       LayerNorm                (2, 5, 8)            16           64            640\n"
          "\n"
          "trained                      600\n"
          "not trained                    0\n"
          "bytes                       2400\n"
          "forward memory              7360 bytes\n"
          "operations                 14580\n");
}
END_TEST

static ag_status same_shape(const ag_query *q, ag_meta *out) {
    *out = *q->in[0];
    return AG_OK;
}
static ag_status zeros(const ag_eval *e) {
    memset(e->out[0].data, 0, ag_meta_bytes(e->out[0].meta));
    return AG_OK;
}
static ag_value own(nn_module *m, nn_pass *pass, ag_value y) {
    static const uint8_t none[] = {AG_GRAD_ZERO};
    static const ag_op row = {"own", "0", NULL, 1, 1, 1, none, 1, .infer = same_shape, .forward = zeros};
    (void)m;
    return ag_apply(pass->tape, &row, &y, 1, NULL);
}

START_TEST(an_operation_of_unknown_cost_leaves_a_plus) {
    nn_module *layers[] = {nn_linear(2, 3, NULL), nn_module_new(sizeof(nn_module), "my_own_layer", own, NULL)};
    reads(nn_sequential(layers, 2, NULL), AG_F32, 2, (const int64_t[]){1, 2},
          "layer  kind        output   parameters        bytes     operations\n"
          "net    Sequential  (1, 3)            0            0              0\n"
          "  0    Linear      (1, 3)            9           36             15\n"
          "  1    MyOwnLayer  (1, 3)            0            0              0+\n"
          "\n"
          "trained                        9\n"
          "not trained                    0\n"
          "bytes                         36\n"
          "forward memory                24 bytes\n"
          "operations                    15+\n");
}
END_TEST

START_TEST(misuse_and_what_does_not_fit_leave_it_empty) {
    nn_summary s;
    ag_error error = {0};
    ck_assert_int_eq(nn_summary_init(&s, NULL, x, &error), AG_ERROR_VALUE);
    ck_assert_int_eq(nn_summary_init(&s, net, NULL, &error), AG_ERROR_VALUE);
    ag_tensor *wrong = ag_tensor_new(AG_F32, 2, (const int64_t[]){5, 3}, NULL);
    ck_assert_int_eq(nn_summary_init(&s, net, wrong, &error), AG_ERROR_SHAPE);
    ck_assert(s.count == 0 && s.row == NULL);
    ag_tensor_free(wrong);
}
END_TEST

static bool summarise(void) {
    nn_summary s;
    ag_error error = {0};
    const ag_status status = nn_summary_init(&s, net, x, &error);
    if (status) ck_assert_int_eq(error.status, AG_ERROR_MEMORY);
    nn_summary_clear(&s);
    return status == AG_OK;
}

START_TEST(every_failed_allocation_is_reported_and_leaves_nothing) {
    drop();
    counting_allocator_install();
    make();
    test_every_allocation(summarise);
}
END_TEST

Suite *train_summary_suite(void) {
    Suite *s = suite_create("train_summary");
    TCase *tc = tcase_create("train_summary");
    tcase_add_checked_fixture(tc, make, drop);
    tcase_add_test(tc, rows_are_the_modules_and_hold_what_is_their_own);
    tcase_add_test(tc, sums_are_those_of_the_whole_pass);
    tcase_add_test(tc, a_layer_used_twice_counts_twice);
    tcase_add_test(tc, the_text_can_be_measured);
    tcase_add_test(tc, an_mlp_reads_so);
    tcase_add_test(tc, a_cnn_reads_so);
    tcase_add_test(tc, an_lstm_reads_so);
    tcase_add_test(tc, a_transformer_block_reads_so);
    tcase_add_test(tc, an_operation_of_unknown_cost_leaves_a_plus);
    tcase_add_test(tc, misuse_and_what_does_not_fit_leave_it_empty);
    tcase_add_test(tc, every_failed_allocation_is_reported_and_leaves_nothing);
    suite_add_tcase(s, tc);
    return s;
}
