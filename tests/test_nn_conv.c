/* nn_conv: convolution and pooling layers. Expected values: torch 1.13, torch.nn, float64, with parameters and inputs
 * as layer_support.h says. */
#include "layer_support.h"

static nn_module *conv1d(ag_error *error) {
    return nn_conv1d(
        4, 2, 3,
        &(const nn_conv_options){.stride = {1, {2}}, .padding = {1, {1}}, .dilation = {1, {2}}, .groups = 2},
        error);
}
static nn_module *conv2d(ag_error *error) {
    return nn_conv2d(2, 2, 2, 3, &(const nn_conv_options){.stride = {2, {2, 1}}, .padding = {2, {1, 0}}}, error);
}
static nn_module *conv_transpose2d(ag_error *error) {
    const nn_conv_options options = {
        .stride = {1, {2}}, .padding = {2, {0, 1}}, .output_padding = {2, {1, 0}}, .groups = 2};
    return nn_conv_transpose2d(2, 2, 2, 3, &options, error);
}
static nn_module *conv_transpose1d(ag_error *error) {
    const nn_conv_options options = {.stride = {1, {2}}, .padding = {1, {1}}, .output_padding = {1, {1}}};
    return nn_conv_transpose1d(2, 1, 3, &options, error);
}
static ag_pool_options window(int64_t kernel) { return (ag_pool_options){.kernel = {1, {kernel}}}; }

START_TEST(convolutions_are_those_of_the_reference) {
    EXPECT_LAYER(conv1d(NULL), DIM(1, 4, 7), 3.144282598038239, -0.6034016611429247, 1.64497568281097,
                 -0.6843982445715084, -0.08502004880176622, 0.11193936959641149);
    EXPECT_LAYER(conv2d(NULL), DIM(1, 2, 3, 4), 0.711992046340066, 1.6033522768240926, 1.1061929841266187,
                 3.3458161065033076, -1.767686546204402, 1.0537500359816918, -0.22457509404501746,
                 1.318374908097859);
    EXPECT_LAYER(nn_conv2d(2, 1, 2, 2, &(const nn_conv_options){.no_bias = true}, NULL), DIM(1, 2, 3, 3),
                 0.6686779423499933, -1.0510739028760496, 1.153589738917271, 0.10056039831281316);
}
END_TEST

START_TEST(padding_modes_are_those_of_the_reference) {
    nn_conv_options o = {.stride = {1, {2}}, .padding = {1, {2}}}, flat = {.padding = {2, {1, 2}}};
    o.padding_mode = flat.padding_mode = NN_PAD_REFLECT;
    EXPECT_LAYER(nn_conv1d(2, 1, 3, &o, NULL), DIM(1, 2, 4), 2.005766338440602, 2.3361998915971025,
                 0.10461647141590535);
    EXPECT_LAYER(nn_conv2d(1, 1, 2, 3, &flat, NULL), DIM(1, 1, 2, 3), 3.710152744822512, 0.20403675038448488,
                 0.5910078442835881, 0.6857997780991308, 3.710152744822512, 1.5355997892601843,
                 -0.2515238862527196, 2.1783235758786335, 1.3610530709342623, 1.5355997892601843,
                 3.710152744822512, 0.20403675038448488, 0.5910078442835881, 0.6857997780991308,
                 3.710152744822512);
    o.padding_mode = flat.padding_mode = NN_PAD_REPLICATE;
    EXPECT_LAYER(nn_conv1d(2, 1, 3, &o, NULL), DIM(1, 2, 4), 1.2755489280549923, 2.3361998915971025,
                 0.7363075301317208);
    EXPECT_LAYER(nn_conv2d(1, 1, 2, 3, &flat, NULL), DIM(1, 1, 2, 3), 0.9092974268256817, -0.10889758503219182,
                 2.58571295486255, 1.461106096522395, 0.6388126614504012, 0.2230560684788383, -0.8273234044411133,
                 2.1783235758786335, 2.525022774602066, 1.4200897005430746, -0.07065752032060246,
                 -1.5285731644311629, 0.18361846529967196, 1.5538026752816476, 1.7544788774812115);
    o.padding_mode = flat.padding_mode = NN_PAD_CIRCULAR;
    EXPECT_LAYER(nn_conv1d(2, 1, 3, &o, NULL), DIM(1, 2, 4), -0.22828651016555868, 2.3361998915971025,
                 -0.22828651016555868);
    EXPECT_LAYER(nn_conv2d(1, 1, 2, 3, &flat, NULL), DIM(1, 1, 2, 3), 2.1115309611476136, 0.6873525915710462,
                 0.5910078442835881, 2.1115309611476136, 0.6873525915710462, 2.4114325438542146,
                 -1.356456960311711, 2.1783235758786335, 2.4114325438542146, -1.356456960311711,
                 2.1115309611476136, 0.6873525915710462, 0.5910078442835881, 2.1115309611476136,
                 0.6873525915710462);
}
END_TEST

START_TEST(the_same_length_is_kept_as_by_the_reference) {
    const nn_conv_options zeros = {.same = true}, wide = {.same = true, .dilation = {2, {1, 2}}},
                          mirror = {.same = true, .padding_mode = NN_PAD_REFLECT};
    EXPECT_LAYER(nn_conv1d(1, 1, 3, &zeros, NULL), DIM(1, 1, 4), -0.03437286340414114, 1.5762884574017062,
                 2.515548637637842, 0.29859243599232144);
    EXPECT_LAYER(nn_conv2d(1, 1, 2, 3, &wide, NULL), DIM(1, 1, 3, 4), 1.6984608350741428, 3.0578998757506044,
                 0.011220163916285109, 0.5853889114066542, 2.7166341473828726, 2.2461354142171395,
                 -0.09053702069278624, 1.0959685568035489, 2.191353747465296, 1.2206441474264536,
                 1.2213752203457275, 1.1794639218037188);
    EXPECT_LAYER(nn_conv1d(1, 2, 4, &mirror, NULL), DIM(1, 1, 5), 0.8466343083362924, 1.744937178426401,
                 2.425539712200156, -0.0029581326629820603, 1.2689825179994019, -0.5943151198299963,
                 -0.6573213503898021, 1.547934967343529, -1.502434430042121, -0.6685814637764076);
}
END_TEST

START_TEST(transposed_convolutions_are_those_of_the_reference) {
    EXPECT_LAYER(conv_transpose2d(NULL), DIM(1, 2, 2, 2), 0.9092974268256817, 1.7437545914764565,
                 1.3331150147489612, 0.9092974268256817, 0.7286532815551467, 1.8995177241451633,
                 0.8000843012466337, 0.37342467699049986, 0.5136228587737343, 0.6541285599270964,
                 1.0971503479917382, -0.015168663262779436, 0.9092974268256817, 0.9092974268256817,
                 0.9092974268256817, -0.36802664837393173, -0.8695686739681671, -0.26835202154344,
                 -0.9009089660732031, -0.604071228814913, -1.1294897792002736, -0.7590272116948568,
                 -0.5508117391073771, -0.7322602450485091, -0.004239176187432192, -0.7108905307311644,
                 -0.06562305286220926, -0.5298361409084934, -0.5298361409084934, -0.5298361409084934);
    EXPECT_LAYER(conv_transpose1d(NULL), DIM(1, 2, 3), -0.015168663262779436, 1.7233216767556931,
                 1.826508613389164, -0.43199087022325, 1.5974082939242027, 1.0924636682904565);
}
END_TEST

START_TEST(pooling_is_that_of_the_reference) {
    ag_pool_options o = window(2);
    EXPECT_LAYER(nn_max_pool1d(&o, NULL), DIM(1, 2, 5), 0.9916648104524686, -0.2555411020268312,
                 0.7984871126234903, 0.8591618148564958);
    o = (ag_pool_options){.kernel = {1, {2}}, .stride = {1, {1}}, .padding = {1, {1}}, .dilation = {1, {2}}};
    EXPECT_LAYER(nn_max_pool2d(&o, NULL), DIM(1, 1, 4, 4), 0.7984871126234903, 0.49411335113860816,
                 0.7984871126234903, -0.6998746875935423, 0.9916648104524686, 0.8591618148564958,
                 0.9916648104524686, -0.2555411020268312, 0.7984871126234903, 0.9997929001426692,
                 0.7984871126234903, -0.6998746875935423, 0.39674057313061367, 0.8591618148564958,
                 0.39674057313061367, -0.9613974918795568);
    o = (ag_pool_options){.kernel = {1, {2}}, .padding = {1, {1}}, .count_exclude_pad = true};
    EXPECT_LAYER(nn_avg_pool2d(&o, NULL), DIM(1, 1, 3, 3), 0, 0.3680618542128187, -0.8128446849606374,
                 0.38340629159539025);
    o = (ag_pool_options){.kernel = {1, {3}}, .stride = {1, {2}}};
    EXPECT_LAYER(nn_avg_pool1d(&o, NULL), DIM(1, 1, 7), 0.24537456947521244, -0.22908081107198516,
                 0.19757525872285206);
}
END_TEST

START_TEST(adaptive_pooling_is_that_of_the_reference) {
    EXPECT_LAYER(nn_adaptive_avg_pool2d(2, 3, NULL), DIM(1, 1, 3, 4), 0.5710663185536418, 0.20868403336389632,
                 -0.6248418960462848, 0.6371257129373019, -0.1165111234297488, -0.6071020793810827);
    EXPECT_LAYER(nn_adaptive_avg_pool1d(2, NULL), DIM(1, 2, 3), 0.4958324052262343, 0.3680618542128187,
                 -0.21585066559456215, 0.6463002318810492);
    EXPECT_LAYER(nn_adaptive_max_pool2d(2, 3, NULL), DIM(1, 1, 3, 4), 0.9916648104524686, 0.9916648104524686,
                 -0.2555411020268312, 0.8591618148564958, 0.7984871126234903, -0.1489990258141988);
    EXPECT_LAYER(nn_adaptive_max_pool1d(2, NULL), DIM(1, 2, 3), 0.9916648104524686, 0.9916648104524686,
                 0.49411335113860816, 0.7984871126234903);
    EXPECT_LAYER(nn_adaptive_max_pool1d(2, NULL), DIM(2, 3), 0.9916648104524686, 0.9916648104524686,
                 0.49411335113860816, 0.7984871126234903); /* one sample */
}
END_TEST

START_TEST(derivatives_agree_with_differences) {
    CHECK_LAYER(conv1d(NULL), true, DIM(2, 4, 7));
    CHECK_LAYER(conv2d(NULL), true, DIM(2, 2, 3, 4));
    CHECK_LAYER(conv_transpose1d(NULL), true, DIM(2, 2, 3));
    CHECK_LAYER(conv_transpose2d(NULL), true, DIM(1, 2, 2, 2));
    for (int mode = NN_PAD_REFLECT; mode <= NN_PAD_CIRCULAR; mode++) {
        const nn_conv_options o = {.padding = {2, {1, 2}}, .padding_mode = (nn_padding_mode)mode},
                              same = {.same = true, .padding_mode = (nn_padding_mode)mode};
        CHECK_LAYER(nn_conv2d(1, 2, 2, 3, &o, NULL), true, DIM(2, 1, 2, 3));
        CHECK_LAYER(nn_conv1d(1, 2, 4, &same, NULL), true, DIM(1, 5)); /* without a batch */
    }
    const ag_pool_options two = window(2);
    CHECK_LAYER(nn_max_pool1d(&two, NULL), true, DIM(1, 2, 5));
    CHECK_LAYER(nn_max_pool2d(&two, NULL), true, DIM(1, 2, 4, 5));
    CHECK_LAYER(nn_avg_pool1d(&two, NULL), true, DIM(1, 2, 5));
    CHECK_LAYER(nn_avg_pool2d(&two, NULL), true, DIM(1, 2, 4, 5));
    CHECK_LAYER(nn_adaptive_avg_pool1d(2, NULL), true, DIM(2, 2, 3));
    CHECK_LAYER(nn_adaptive_avg_pool2d(2, 3, NULL), true, DIM(1, 2, 3, 4));
    CHECK_LAYER(nn_adaptive_max_pool1d(2, NULL), true, DIM(2, 2, 3));
    CHECK_LAYER(nn_adaptive_max_pool2d(2, 3, NULL), true, DIM(1, 2, 3, 4));
}
END_TEST

/* Weight and bias in +-1 / sqrt(fan), nearly up to it, with the fan of PyTorch: dim 1 times the window. */
static void check_spread(nn_module *m, double fan) {
    nn_params *p = nn_params_new(m, AG_F64, 3, NULL);
    ck_assert_ptr_nonnull(p);
    ck_assert_uint_eq(nn_params_count(p), 2);
    ck_assert_str_eq(nn_params_name(p, 0), "weight");
    ck_assert_str_eq(nn_params_name(p, 1), "bias");
    for (size_t i = 0; i < 2; i++) {
        const ag_tensor *x = nn_params_tensor(p, i);
        double largest = 0;
        for (int64_t k = 0; k < ag_tensor_count(x); k++) largest = fmax(largest, fabs(ag_tensor_get(x, k)));
        ck_assert_double_le(largest, 1 / sqrt(fan));
        ck_assert_double_gt(largest, 0.9 / sqrt(fan)); /* of 60 and more: all below with chance 0.9^60 = 0.002 */
    }
    nn_params_free(p);
    nn_module_free(m);
}

START_TEST(convolutions_start_as_the_reference_does) {
    const nn_conv_options grouped = {.groups = 4};
    check_spread(nn_conv2d(4, 60, 3, 5, NULL, NULL), 4 * 3 * 5);
    check_spread(nn_conv2d(8, 64, 3, 5, &grouped, NULL), 2 * 3 * 5);
    check_spread(nn_conv1d(8, 64, 5, &grouped, NULL), 2 * 5);
    check_spread(nn_conv_transpose2d(8, 64, 3, 5, &grouped, NULL), 16 * 3 * 5);
    check_spread(nn_conv_transpose1d(8, 64, 5, &grouped, NULL), 16 * 5);
    const nn_init one = nn_init_constant(1), two = nn_init_constant(2);
    nn_module *m = nn_conv1d(1, 1, 1, &(const nn_conv_options){.weight = &one, .bias = &two}, NULL);
    nn_params *p = nn_params_new(m, AG_F32, 1, NULL);
    ck_assert_double_eq(ag_tensor_get(nn_params_tensor(p, 0), 0), 1);
    ck_assert_double_eq(ag_tensor_get(nn_params_tensor(p, 1), 0), 2);
    nn_params_free(p);
    nn_module_free(m);
}
END_TEST

START_TEST(what_makes_no_sense_is_refused) {
    static const nn_conv_options bad[] = {
        {.groups = -1},         {.groups = 3},          {.stride = {1, {0}}},          {.stride = {3, {1, 1, 1}}},
        {.padding = {1, {-1}}}, {.dilation = {1, {0}}}, {.output_padding = {1, {-1}}}, {.stride = {-1, {1}}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        EXPECT_REFUSED(nn_conv2d(4, 6, 3, 3, &bad[i], &error), AG_ERROR_VALUE);
        EXPECT_REFUSED(nn_conv1d(4, 6, 3, &bad[i], &error), AG_ERROR_VALUE);
        EXPECT_REFUSED(nn_conv_transpose2d(4, 6, 3, 3, &bad[i], &error), AG_ERROR_VALUE);
        EXPECT_REFUSED(nn_conv_transpose1d(4, 6, 3, &bad[i], &error), AG_ERROR_VALUE);
    }
    static const nn_conv_options padded[] = {
        {.padding_mode = (nn_padding_mode)4},
        {.padding_mode = (nn_padding_mode)-1},
        {.same = true, .padding = {1, {1}}},
        {.same = true, .stride = {2, {1, 2}}},
    };
    for (size_t i = 0; i < sizeof padded / sizeof *padded; i++)
        EXPECT_REFUSED(nn_conv2d(1, 1, 3, 3, &padded[i], &error), AG_ERROR_VALUE);
    const nn_conv_options wide = {.same = true, .dilation = {1, {INT64_MAX}}}, cut = {.same = true},
                          round = {.padding_mode = NN_PAD_CIRCULAR};
    EXPECT_REFUSED(nn_conv1d(1, 1, 3, &wide, &error), AG_ERROR_SHAPE);
    EXPECT_REFUSED(nn_conv_transpose1d(1, 1, 3, &cut, &error), AG_ERROR_VALUE);
    EXPECT_REFUSED(nn_conv_transpose2d(1, 1, 3, 3, &round, &error), AG_ERROR_VALUE);
    const nn_conv_options added = {.output_padding = {1, {0}}};
    EXPECT_REFUSED(nn_conv2d(1, 1, 1, 1, &added, &error), AG_ERROR_VALUE);
    EXPECT_REFUSED(nn_conv2d(0, 1, 1, 1, NULL, &error), AG_ERROR_VALUE);
    EXPECT_REFUSED(nn_conv2d(1, -1, 1, 1, NULL, &error), AG_ERROR_VALUE);
    EXPECT_REFUSED(nn_conv2d(1, 1, 0, 1, NULL, &error), AG_ERROR_VALUE);
    EXPECT_REFUSED(nn_conv2d(1, 1, 1, -1, NULL, &error), AG_ERROR_VALUE);
    EXPECT_REFUSED(nn_conv2d(INT64_MAX, 1, INT64_MAX, INT64_MAX, NULL, &error), AG_ERROR_SHAPE);
    const ag_pool_options none = {0};
    EXPECT_REFUSED(nn_max_pool2d(NULL, &error), AG_ERROR_VALUE);
    EXPECT_REFUSED(nn_max_pool1d(&none, &error), AG_ERROR_VALUE);
    EXPECT_REFUSED(nn_avg_pool2d(NULL, &error), AG_ERROR_VALUE);
    EXPECT_REFUSED(nn_avg_pool1d(&none, &error), AG_ERROR_VALUE);
    EXPECT_REFUSED(nn_adaptive_avg_pool2d(0, 1, &error), AG_ERROR_VALUE);
    EXPECT_REFUSED(nn_adaptive_max_pool2d(1, -1, &error), AG_ERROR_VALUE);
    EXPECT_REFUSED(nn_adaptive_avg_pool1d(0, &error), AG_ERROR_VALUE);
    EXPECT_REFUSED(nn_adaptive_max_pool1d(0, &error), AG_ERROR_VALUE);
}
END_TEST

START_TEST(inputs_that_do_not_fit_are_the_tapes_errors) {
    const ag_pool_options seven = window(7);
    nn_module *layers[] = {conv2d(NULL), conv1d(NULL), conv_transpose2d(NULL), nn_max_pool2d(&seven, NULL),
                           nn_adaptive_max_pool1d(2, NULL)};
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        nn_params *p = layer_params(layers[i]);
        nn_pass pass = {.tape = ag_tape_new(NULL)};
        expect_pass_refused(layers[i], &pass, DIM(5), AG_ERROR_SHAPE);
        expect_pass_refused(layers[i], &pass, DIM(1, 1, 1, 1, 1), AG_ERROR_SHAPE);
        if (i < 4) expect_pass_refused(layers[i], &pass, DIM(3, 3, 5), AG_ERROR_SHAPE);
        ag_tape_free(pass.tape);
        nn_params_free(p);
        nn_module_free(layers[i]);
    }
}
END_TEST

START_TEST(a_margin_longer_than_what_it_is_made_of_is_the_tapes_error) {
    static const struct {
        int64_t padding, enough, too_short;
    } row[] = {{3, 4, 3}, {3, 1, 0}, {3, 3, 2}}; /* reflect, replicate, circular */
    for (int mode = NN_PAD_REFLECT; mode <= NN_PAD_CIRCULAR; mode++) {
        const int i = mode - NN_PAD_REFLECT;
        const nn_conv_options o = {.padding = {1, {row[i].padding}}, .padding_mode = (nn_padding_mode)mode};
        nn_module *m = nn_conv1d(1, 1, 3, &o, NULL);
        nn_params *p = layer_params(m);
        nn_pass pass = {.tape = ag_tape_new(NULL)};
        ck_assert(ag_ok(nn_forward(m, &pass, ag_full(pass.tape, AG_F64, DIM(1, row[i].enough), 1))));
        expect_pass_refused(m, &pass, DIM(1, row[i].too_short), AG_ERROR_SHAPE);
        expect_pass_refused(m, &pass, DIM(5), AG_ERROR_SHAPE);
        ag_tape_free(pass.tape);
        nn_params_free(p);
        nn_module_free(m);
    }
}
END_TEST

static bool build(void) {
    const ag_pool_options two = window(2);
    ag_error error = {0};
    nn_module *layers[4] = {conv2d(&error)};
    if (layers[0]) layers[1] = conv_transpose1d(&error);
    if (layers[1]) layers[2] = nn_max_pool2d(&two, &error);
    if (layers[2]) layers[3] = nn_adaptive_avg_pool1d(1, &error);
    const bool built = layers[3] != NULL;
    if (!built) ck_assert_int_eq(error.status, AG_ERROR_MEMORY);
    for (int i = 0; i < 4; i++) nn_module_free(layers[i]);
    return built;
}

START_TEST(every_failed_allocation_is_reported_and_leaves_nothing) { test_every_allocation(build); }
END_TEST

Suite *nn_conv_suite(void) {
    Suite *s = suite_create("nn_conv");
    TCase *tc = tcase_create("nn_conv");
    tcase_add_test(tc, convolutions_are_those_of_the_reference);
    tcase_add_test(tc, padding_modes_are_those_of_the_reference);
    tcase_add_test(tc, the_same_length_is_kept_as_by_the_reference);
    tcase_add_test(tc, transposed_convolutions_are_those_of_the_reference);
    tcase_add_test(tc, pooling_is_that_of_the_reference);
    tcase_add_test(tc, adaptive_pooling_is_that_of_the_reference);
    tcase_add_test(tc, derivatives_agree_with_differences);
    tcase_add_test(tc, convolutions_start_as_the_reference_does);
    tcase_add_test(tc, what_makes_no_sense_is_refused);
    tcase_add_test(tc, inputs_that_do_not_fit_are_the_tapes_errors);
    tcase_add_test(tc, a_margin_longer_than_what_it_is_made_of_is_the_tapes_error);
    tcase_add_test(tc, every_failed_allocation_is_reported_and_leaves_nothing);
    suite_add_tcase(s, tc);
    return s;
}
