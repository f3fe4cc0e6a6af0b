/* nn_layers: bilinear forms, embeddings, residuals, shapes and softmax; and the derivatives of every small layer.
 * Expected values: torch 1.13, torch.nn, float64, with parameters and inputs as layer_support.h says. */
#include "layer_support.h"

static nn_module *residual(ag_error *error) {
    const nn_conv_options padded = {.padding = {1, {1}}};
    nn_module *body = nn_conv2d(1, 2, 3, 3, &padded, error);
    return nn_residual_projected(body, nn_conv2d(1, 2, 1, 1, NULL, error), error);
}

START_TEST(a_bilinear_form_is_that_of_the_reference) {
    const double expected[] = {1.9394306879491567, -1.897354424977585, 1.7328704365299425, -1.2664107914088185};
    expect_layer_at(__FILE__, __LINE__, nn_bilinear(3, 2, 2, NULL), DIM(2, 5), 4, expected);
    nn_module *m = nn_bilinear(3, 2, 2, NULL);
    nn_params *p = layer_params(m);
    ck_assert_str_eq(nn_params_name(p, 0), "weight");
    ck_assert_str_eq(nn_params_name(p, 1), "bias");
    nn_pass pass = {.tape = ag_tape_new(NULL)};
    ag_value xy = layer_input(pass.tape, DIM(2, 5), 0);
    ag_value z = nn_bilinear_run(m, &pass, ag_slice(xy, 1, 0, 3, 1), ag_slice(xy, 1, 3, 5, 1));
    expect_near_at(__FILE__, __LINE__, z, 4, expected);
    expect_pass_refused(m, &pass, DIM(2, 6), AG_ERROR_SHAPE);
    expect_pass_refused(m, &pass, 0, NULL, AG_ERROR_SHAPE);
    nn_module *other = nn_dropout(0, NULL);
    const ag_mark start = ag_tape_mark(pass.tape);
    ck_assert(!ag_ok(nn_bilinear_run(other, &pass, xy, xy)));
    ck_assert_int_eq(ag_tape_rewind(pass.tape, start), AG_ERROR_VALUE);
    ck_assert(!ag_ok(nn_bilinear_run(NULL, &pass, xy, xy)));
    ag_tape_free(pass.tape);
    nn_params_free(p);
    nn_module_free(m);
    nn_module_free(other);
    m = nn_bilinear_with(1, 1, 1, nn_init_constant(2), false, nn_init_constant(0), NULL);
    p = nn_params_new(m, AG_F64, 1, NULL);
    ck_assert_uint_eq(nn_params_count(p), 1);
    nn_params_free(p);
    nn_module_free(m);
    EXPECT_REFUSED(nn_bilinear(-1, 2, 2, &error), AG_ERROR_VALUE);
    EXPECT_REFUSED(nn_bilinear(INT64_MAX, 2, 2, &error), AG_ERROR_VALUE);
    EXPECT_REFUSED(nn_bilinear(2, 2, -1, &error), AG_ERROR_SHAPE);
}
END_TEST

START_TEST(an_embedding_looks_up_rows_and_trains_all_but_the_padding) {
    for (int64_t padding = -3; padding <= 1; padding += 4) {
        nn_module *m = nn_embedding(4, 2, padding, NULL);
        nn_params *p = layer_params(m);
        nn_pass pass = {ag_tape_new(NULL), true};
        ag_value index = ag_array_constant(pass.tape, AG_I64, DIM(2, 2), (const double[]){3, 1, 0, 3});
        ag_value y = nn_forward(m, &pass, index);
        EXPECT_NEAR(y, -0.9791777291513174, 0.32747443913769303, -0.951602073889516, -0.18216250427209588,
                    0.8414709848078965, 0.4273798802338298, -0.9791777291513174, 0.32747443913769303);
        ck_assert_int_eq(ag_backward(ag_sum_all(ag_mul(y, layer_input(pass.tape, DIM(2, 2, 2), 11)))), AG_OK);
        static const double gradient[] = {-0.8672021794855813, 0.605539869719601,  0, 0, 0, 0,
                                          -0.2888289836447211, -0.6555662445554742};
        for (int i = 0; i < 8; i++)
            ck_assert_double_eq_tol(ag_tensor_grad_get(nn_params_tensor(p, 0), i), gradient[i], 1e-15);
        ag_value beyond = ag_array_constant(pass.tape, AG_I64, DIM(1), (const double[]){4});
        ck_assert(!ag_ok(nn_forward(m, &pass, beyond)));
        ck_assert_int_eq(ag_tape_status(pass.tape), AG_ERROR_INDEX);
        ag_tape_free(pass.tape);
        nn_params_free(p);
        nn_module_free(m);
    }
}
END_TEST

START_TEST(an_embedding_starts_gaussian_with_zeros_for_the_padding) {
    static const int64_t padding[] = {AG_NO_PADDING, 2, -1};
    static const int zero_row[] = {-1, 2, 299};
    for (int k = 0; k < 3; k++) {
        nn_module *m = nn_embedding(300, 10, padding[k], NULL);
        nn_params *p = nn_params_new(m, AG_F64, 4, NULL);
        double squares = 0;
        for (int i = 0; i < 3000; i++) {
            const double w = ag_tensor_get(nn_params_tensor(p, 0), i);
            ck_assert_int_eq(w == 0, i / 10 == zero_row[k]);
            squares += w * w;
        }
        ck_assert_double_eq_tol(squares / 3000, 1,
                                5 * sqrt(2.0 / 3000) + 1.0 / 300); /* five deviations and a row */
        nn_params_free(p);
        nn_module_free(m);
    }
    nn_module *m = nn_embedding_with(2, 2, 0, nn_init_constant(3), NULL);
    nn_params *p = nn_params_new(m, AG_F64, 4, NULL);
    ck_assert_double_eq(ag_tensor_get(nn_params_tensor(p, 0), 0), 3);
    nn_params_free(p);
    nn_module_free(m);
    EXPECT_REFUSED(nn_embedding(4, 2, 4, &error), AG_ERROR_INDEX);
    EXPECT_REFUSED(nn_embedding(4, 2, -5, &error), AG_ERROR_INDEX);
    EXPECT_REFUSED(nn_embedding(-4, 2, 0, &error), AG_ERROR_INDEX);
    EXPECT_REFUSED(nn_embedding(-4, 2, AG_NO_PADDING, &error), AG_ERROR_SHAPE);
}
END_TEST

START_TEST(a_residual_adds_the_way_around) {
    nn_module *m = nn_residual(nn_activation_layer(NN_RELU, NULL), NULL);
    nn_pass pass = {.tape = ag_tape_new(NULL)};
    ag_value x = ag_array_constant(pass.tape, AG_F64, DIM(2), (const double[]){-1, 2});
    EXPECT_NEAR(nn_forward(m, &pass, x), -1, 4);
    ag_tape_free(pass.tape);
    nn_module_free(m);
    EXPECT_LAYER(residual(NULL), DIM(1, 1, 2, 2), -0.834123773958082, 1.229698487027716, -1.0128301772713852,
                 -0.4322545389898024, -0.4989907581091909, -3.2788583739225854, 0.4514694781552226,
                 -0.21314497056463633);
    m = residual(NULL);
    nn_params *p = layer_params(m);
    static const char *const names[] = {"body.weight", "body.bias", "projection.weight", "projection.bias"};
    for (size_t i = 0; i < 4; i++) ck_assert_str_eq(nn_params_name(p, i), names[i]);
    nn_params_free(p);
    nn_module_free(m);
}
END_TEST

/* What is freed twice, or not at all, shows in the count of live bytes. */
START_TEST(a_residual_owns_its_parts_even_when_it_fails) {
    counting_allocator_install();
    nn_module_free(nn_linear(2, 2, NULL)); /* fills process-wide tables, too */
    const long live = counting_allocator_live();
    EXPECT_REFUSED(nn_residual(NULL, &error), AG_ERROR_VALUE);
    EXPECT_REFUSED(nn_residual_projected(nn_linear(2, 2, NULL), NULL, &error), AG_ERROR_VALUE);
    EXPECT_REFUSED(nn_residual_projected(NULL, nn_linear(2, 2, NULL), &error), AG_ERROR_VALUE);
    nn_module *twice = nn_linear(2, 2, NULL);
    EXPECT_REFUSED(nn_residual_projected(twice, twice, &error), AG_ERROR_STATE);
    nn_module *inner = nn_linear(2, 2, NULL), *outer = nn_sequential(&inner, 1, NULL);
    EXPECT_REFUSED(nn_residual_projected(inner, outer, &error), AG_ERROR_STATE);
    ck_assert_int_eq(counting_allocator_live(), live);
}
END_TEST

START_TEST(flatten_and_unflatten_are_opposites) {
    const int64_t dim[] = {3, -1};
    nn_module *layers[] = {nn_flatten(1, -1, NULL), nn_unflatten(-1, 2, dim, NULL)};
    nn_module *m = nn_sequential(layers, 2, NULL);
    nn_pass pass = {.tape = ag_tape_new(NULL)};
    ag_value x = layer_input(pass.tape, DIM(2, 3, 4), 0), y = nn_forward(layers[0], &pass, x);
    ck_assert_int_eq(ag_meta_of(y)->rank, 2);
    ck_assert_int_eq(ag_meta_of(y)->dim[1], 12);
    y = nn_forward(m, &pass, x);
    ck_assert_int_eq(ag_meta_of(y)->rank, 3);
    ck_assert_mem_eq(ag_meta_of(y)->dim, ag_meta_of(x)->dim, 3 * sizeof(int64_t));
    double values[2][24];
    test_read(x, values[0], 24);
    test_read(y, values[1], 24);
    ck_assert_mem_eq(values[0], values[1], sizeof values[0]);
    expect_pass_refused(m, &pass, DIM(2, 5), AG_ERROR_SHAPE);
    expect_pass_refused(layers[1], &pass, DIM(1, 1, 1, 1, 1, 1, 1, 3), AG_ERROR_SHAPE);
    expect_pass_refused(layers[1], &pass, 0, NULL, AG_ERROR_AXIS);
    ag_tape_free(pass.tape);
    nn_module_free(m);
    const int64_t bad = -2;
    EXPECT_REFUSED(nn_unflatten(1, 0, dim, &error), AG_ERROR_VALUE);
    EXPECT_REFUSED(nn_unflatten(1, 9, dim, &error), AG_ERROR_VALUE);
    EXPECT_REFUSED(nn_unflatten(1, 1, NULL, &error), AG_ERROR_VALUE);
    EXPECT_REFUSED(nn_unflatten(1, 1, &bad, &error), AG_ERROR_VALUE);
}
END_TEST

START_TEST(upsampling_is_that_of_the_reference) {
    const double a = 0, b = 0.9916648104524686, c = -0.2555411020268312, d = -0.9258146823277325;
    EXPECT_LAYER(nn_upsample_nearest2d(2, NULL), DIM(1, 1, 2, 2), a, a, b, b, a, a, b, b, c, c, d, d, c, c, d, d);
    EXPECT_LAYER(nn_upsample_nearest2d_to(3, 2, NULL), DIM(1, 1, 2, 2), a, b, a, b, c, d);
    EXPECT_LAYER(nn_upsample_nearest1d(1.5, NULL), DIM(1, 1, 3), a, a, b, c);
    EXPECT_LAYER(nn_upsample_nearest1d_to(2, NULL), DIM(1, 1, 3), a, b);
    EXPECT_REFUSED(nn_upsample_nearest2d(0, &error), AG_ERROR_VALUE);
    EXPECT_REFUSED(nn_upsample_nearest1d(NAN, &error), AG_ERROR_VALUE);
    EXPECT_REFUSED(nn_upsample_nearest2d_to(2, 0, &error), AG_ERROR_VALUE);
    EXPECT_REFUSED(nn_upsample_nearest1d_to(0, &error), AG_ERROR_VALUE);
}
END_TEST

START_TEST(softmax_is_that_of_the_reference) {
    EXPECT_LAYER(nn_softmax(1, NULL), DIM(2, 3), 0.2237028416500942, 0.6030399109309059, 0.1732572474189998,
                 0.09306284930686066, 0.3849845090978398, 0.5219526415952994);
    EXPECT_LAYER(nn_log_softmax(-1, NULL), DIM(2, 3), -1.4974367076159338, -0.5057718971634654,
                 -1.7529778096427653, -2.3744802150796946, -0.9545521816133538, -0.6501784201284717);
    nn_module *m = nn_softmax(2, NULL);
    nn_pass pass = {.tape = ag_tape_new(NULL)};
    expect_pass_refused(m, &pass, DIM(2, 3), AG_ERROR_AXIS);
    ag_tape_free(pass.tape);
    nn_module_free(m);
}
END_TEST

/* A user's layer with one of ours in it that x alone does not feed: an embedding, and a decoder whose memory x is. */
typedef struct around {
    nn_module base;
    nn_module *inner;
} around;

static ag_value scale_by_rows(nn_module *m, nn_pass *pass, ag_value x) {
    const double index[] = {2, 0, 1, 2}; /* row 2 twice */
    return ag_mul(x,
                  nn_forward(((around *)m)->inner, pass, ag_array_constant(pass->tape, AG_I64, DIM(2, 2), index)));
}
static ag_value decode(nn_module *m, nn_pass *pass, ag_value x) {
    const ag_value none = {0};
    return nn_transformer_decoder_run(((around *)m)->inner, pass, layer_input(pass->tape, DIM(1, 3, 4), 2), x,
                                      none, none);
}
static nn_module *around_new(nn_forward_function *forward, nn_module *inner) {
    around *a = nn_module_new(sizeof *a, "around", forward, NULL);
    ck_assert(a && nn_module_child(&a->base, "inner", inner, NULL) == AG_OK);
    a->inner = inner;
    return &a->base;
}

START_TEST(derivatives_of_layers_that_read_no_floats_alone_agree_with_differences) {
    CHECK_LAYER(around_new(scale_by_rows, nn_embedding(3, 2, AG_NO_PADDING, NULL)), true, DIM(2, 2, 2));
    for (int first = 0; first < 2; first++) {
        const nn_transformer_options o = {
            .features = 4, .heads = 2, .hidden = 3, .gelu = true, .norm_first = first == 1, .causal = true};
        CHECK_LAYER(around_new(decode, nn_transformer_decoder(2, true, &o, NULL)), true, DIM(1, 2, 4));
        CHECK_LAYER(nn_transformer_encoder(1, false, &o, NULL), true, DIM(1, 3, 4));
    }
}
END_TEST

START_TEST(derivatives_agree_with_differences) {
    const int64_t dim[] = {2, 3}, sizes[] = {3, 4, 2};
    const nn_init any = nn_init_constant(1);
    CHECK_LAYER(nn_linear_with(3, 2, any, false, any, NULL), true, DIM(2, 3));
    CHECK_LAYER(nn_bilinear_with(3, 2, 2, any, false, any, NULL), true, DIM(2, 5));
    CHECK_LAYER(nn_linear(3, 2, NULL), true, DIM(2, 3));
    CHECK_LAYER(nn_bilinear(3, 2, 2, NULL), true, DIM(2, 5));
    CHECK_LAYER(nn_mlp(sizes, 3, NN_GELU, NULL, NULL), true, DIM(2, 3));
    CHECK_LAYER(nn_residual(nn_linear(3, 3, NULL), NULL), true, DIM(2, 3));
    CHECK_LAYER(residual(NULL), true, DIM(1, 1, 2, 3));
    CHECK_LAYER(nn_flatten(1, -1, NULL), true, DIM(2, 2, 2));
    CHECK_LAYER(nn_unflatten(1, 2, dim, NULL), true, DIM(2, 6));
    CHECK_LAYER(nn_upsample_nearest2d(2, NULL), true, DIM(1, 2, 2, 3));
    CHECK_LAYER(nn_upsample_nearest2d_to(3, 2, NULL), true, DIM(1, 2, 2, 3));
    CHECK_LAYER(nn_upsample_nearest1d(1.5, NULL), true, DIM(1, 2, 3));
    CHECK_LAYER(nn_upsample_nearest1d_to(5, NULL), true, DIM(1, 2, 3));
    CHECK_LAYER(nn_softmax(-1, NULL), true, DIM(2, 3));
    CHECK_LAYER(nn_log_softmax(0, NULL), true, DIM(2, 3));
    CHECK_LAYER(nn_dropout(0.3, NULL), true, DIM(4, 5));
    CHECK_LAYER(nn_channel_dropout(0.3, NULL), true, DIM(2, 4, 3));
    for (nn_activation kind = NN_IDENTITY; kind <= NN_CELU; kind++)
        CHECK_LAYER(nn_activation_layer(kind, NULL), true, DIM(2, 5));
    for (nn_activation kind = NN_LEAKY_RELU; kind <= NN_CELU; kind++)
        CHECK_LAYER(nn_activation_layer_with(kind, 0.3, NULL), true, DIM(2, 5));
}
END_TEST

/* A value from before a rewind is refused by the layer that reads it, and the tape says so. */
START_TEST(a_stale_value_is_an_error_on_the_tape) {
    const int64_t dim[] = {2, 1}, two = 2;
    nn_module *layers[] = {nn_linear(2, 2, NULL),
                           nn_bilinear(1, 1, 2, NULL),
                           nn_batch_norm1d(2, NULL, NULL),
                           nn_layer_norm(1, &two, NULL, NULL),
                           nn_instance_norm1d(2, NULL, NULL),
                           nn_group_norm(1, 2, NULL, NULL),
                           nn_channel_dropout(0.5, NULL),
                           nn_dropout(0.5, NULL),
                           nn_unflatten(1, 2, dim, NULL),
                           nn_flatten(0, 1, NULL),
                           nn_gru(2, 2, NULL, NULL),
                           nn_multihead_attention(2, 1, NULL, NULL),
                           nn_sinusoidal_encoding(4, 2, NULL),
                           nn_softmax(0, NULL)};
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        nn_params *p = layer_params(layers[i]);
        nn_pass pass = {ag_tape_new(NULL), true};
        const ag_mark start = ag_tape_mark(pass.tape);
        const ag_value stale = layer_input(pass.tape, DIM(3, 2), 0);
        ck_assert_int_eq(ag_tape_rewind(pass.tape, start), AG_OK);
        ck_assert(!ag_ok(nn_forward(layers[i], &pass, stale)));
        ck_assert_msg(ag_tape_status(pass.tape) != AG_OK, "%s", layers[i]->type);
        ag_tape_free(pass.tape);
        nn_params_free(p);
        nn_module_free(layers[i]);
    }
}
END_TEST

/* Everything together: eight images of noise, told apart by heart. */
START_TEST(a_small_convolutional_network_learns) {
    const nn_conv_options padded = {.padding = {1, {1}}, .no_bias = true};
    const ag_pool_options two = {.kernel = {1, {2}}};
    nn_module *body[] = {nn_conv2d(4, 4, 3, 3, &padded, NULL), nn_batch_norm2d(4, NULL, NULL),
                         nn_activation_layer(NN_SILU, NULL)};
    nn_module *layers[] = {nn_conv2d(1, 4, 3, 3, &padded, NULL),
                           nn_group_norm(2, 4, NULL, NULL),
                           nn_activation_layer_with(NN_LEAKY_RELU, 0.1, NULL),
                           nn_residual(nn_sequential(body, 3, NULL), NULL),
                           nn_max_pool2d(&two, NULL),
                           nn_flatten(1, -1, NULL),
                           nn_linear(16, 2, NULL)};
    nn_module *m = nn_sequential(layers, 7, NULL);
    nn_params *p = nn_params_new(m, AG_F32, 1, NULL);
    nn_optim *adam = nn_adam(p, 0.02, NULL);
    ck_assert_ptr_nonnull(adam);
    nn_pass pass = {ag_tape_new(NULL), true};
    double x[8 * 16], loss[2];
    ag_random random = {3, 0};
    for (int i = 0; i < 8 * 16; i++) x[i] = ag_random_normal(&random);
    const double kind[] = {0, 1, 1, 0, 1, 0, 0, 1};
    for (int step = 0; step <= 60; step++) {
        const ag_mark start = ag_tape_mark(pass.tape);
        pass.training = step < 60;
        ag_value logits = nn_forward(m, &pass, ag_array_constant(pass.tape, AG_F32, DIM(8, 1, 4, 4), x));
        ag_value z = nn_cross_entropy(logits, ag_array_constant(pass.tape, AG_I64, DIM(8), kind));
        if (step == 0 || step == 60) loss[step == 60] = ag_item(z);
        nn_optim_zero_grad(adam);
        ck_assert_int_eq(ag_backward(z), AG_OK);
        ck_assert_int_eq(ag_tape_rewind(pass.tape, start), AG_OK);
        ck_assert_int_eq(nn_optim_step(adam, NULL), AG_OK);
    }
    ck_assert_double_gt(loss[0], 0.3);
    ck_assert_double_lt(loss[1], 0.05); /* in evaluation, by the running statistics */
    nn_optim_free(adam);
    ag_tape_free(pass.tape);
    nn_params_free(p);
    nn_module_free(m);
}
END_TEST

static bool build(void) {
    const int64_t dim[] = {2, 3};
    ag_error error = {0};
    nn_module *layers[6] = {residual(&error)};
    if (layers[0]) layers[1] = nn_bilinear(2, 3, 1, &error);
    if (layers[1]) layers[2] = nn_embedding(3, 2, 0, &error);
    if (layers[2]) layers[3] = nn_unflatten(1, 2, dim, &error);
    if (layers[3]) layers[4] = nn_upsample_nearest2d(2, &error);
    if (layers[4]) layers[5] = nn_softmax(0, &error);
    const bool built = layers[5] != NULL;
    if (!built) ck_assert_int_eq(error.status, AG_ERROR_MEMORY);
    for (int i = 0; i < 6; i++) nn_module_free(layers[i]);
    return built;
}

START_TEST(every_failed_allocation_is_reported_and_leaves_nothing) { test_every_allocation(build); }
END_TEST

Suite *nn_layers_suite(void) {
    Suite *s = suite_create("nn_layers");
    TCase *tc = tcase_create("nn_layers");
    tcase_add_test(tc, a_bilinear_form_is_that_of_the_reference);
    tcase_add_test(tc, an_embedding_looks_up_rows_and_trains_all_but_the_padding);
    tcase_add_test(tc, an_embedding_starts_gaussian_with_zeros_for_the_padding);
    tcase_add_test(tc, a_residual_adds_the_way_around);
    tcase_add_test(tc, a_residual_owns_its_parts_even_when_it_fails);
    tcase_add_test(tc, flatten_and_unflatten_are_opposites);
    tcase_add_test(tc, upsampling_is_that_of_the_reference);
    tcase_add_test(tc, softmax_is_that_of_the_reference);
    tcase_add_test(tc, derivatives_agree_with_differences);
    tcase_add_test(tc, derivatives_of_layers_that_read_no_floats_alone_agree_with_differences);
    tcase_add_test(tc, a_stale_value_is_an_error_on_the_tape);
    tcase_add_test(tc, a_small_convolutional_network_learns);
    tcase_add_test(tc, every_failed_allocation_is_reported_and_leaves_nothing);
    suite_add_tcase(s, tc);
    return s;
}
