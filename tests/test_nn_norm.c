/* nn_norm: normalisation layers, and what batch norm remembers. Expected values: torch 1.13, torch.nn, float64, with
 * parameters and inputs as layer_support.h says. */
#define _DEFAULT_SOURCE 1 /* folder.h: mkdtemp, seteuid */
#include "layer_support.h"

#include "support/folder.h"

START_TEST(layer_and_group_norm_are_those_of_the_reference) {
    const int64_t dim[] = {2, 3}, three = 3;
    EXPECT_LAYER(nn_layer_norm(2, dim, NULL, NULL), DIM(2, 2, 3), 0.6736392399061291, -0.003821638992229111,
                 -0.1357782978515769, 1.0369281731594964, 1.0569765456673537, -0.9500728714993099,
                 0.24969127443099132, -0.8105654021877455, -2.3321592228649943, 0.5613520153039977,
                 -0.6036004444100866, -0.8851163822003294);
    EXPECT_LAYER(nn_layer_norm(1, &three, &(const nn_norm_options){.no_affine = true, .eps = 0.1}, NULL),
                 DIM(2, 3), -0.39323751338420926, 1.19600543468073, -0.802767921296521, -1.2855502514162187,
                 0.45610567708912003, 0.8294445743270984);
    EXPECT_LAYER(nn_group_norm(2, 4, NULL, NULL), DIM(1, 4, 3), 0.6736392399061291, 1.9449707503067561,
                 0.3460311088270604, -1.252353312698297, -0.32779316441977085, -0.1296057609613221,
                 -0.02682957844873099, -0.14769400672603308, -2.3321592228649943, 0.5613520153039977,
                 0.9457882199695288, 0.7158297267820731);
}
END_TEST

START_TEST(instance_norm_is_that_of_the_reference_in_training_too) {
    EXPECT_LAYER(nn_instance_norm1d(2, NULL, NULL), DIM(2, 2, 3), -0.4561463677700141, 1.3873384819463643,
                 -0.9311921141763502, -1.3947318808141396, 0.4948426777994168, 0.8998892030147229,
                 -0.763375529886872, -0.6492895035226743, 1.4126650334095463, 1.1372866700221085,
                 -1.2965760932665655, 0.1592894232444569);
    const nn_instance_norm_options options = {.eps = 0.1, .affine = true};
    EXPECT_LAYER(nn_instance_norm2d(2, &options, NULL), DIM(1, 2, 2, 3), 0.6969923374463164, 1.8423382873349519,
                 0.4018492980326593, -0.37229850112612584, 1.267679851561381, 1.619223287704907,
                 -0.8305114194140841, -0.7817927642204425, 0.09873270687520756, -0.17688766639372888,
                 -0.9863888022666198, -0.5021689000312924);
}
END_TEST

/* The reference has none: y = x / sqrt(mean x^2 + eps) w by hand, x = (3, 4), mean of squares 12.5. */
START_TEST(rms_norm_divides_by_the_root_mean_square) {
    const int64_t two = 2;
    for (int k = 0; k < 2; k++) {
        const double eps = k ? 0.5 : 0;
        nn_module *m = nn_rms_norm(1, &two, &(const nn_norm_options){.eps = eps}, NULL);
        nn_params *p = nn_params_new(m, AG_F64, 1, NULL);
        ck_assert_uint_eq(nn_params_count(p), 1);
        ck_assert_int_eq(ag_tensor_write_f64(nn_params_find(p, "weight"), (const double[]){1, 2}, 2), AG_OK);
        nn_pass pass = {.tape = ag_tape_new(NULL)};
        ag_value x = ag_array_constant(pass.tape, AG_F64, 1, &two, (const double[]){3, 4});
        const double root = sqrt(12.5 + eps);
        EXPECT_NEAR(nn_forward(m, &pass, x), 3 / root, 8 / root);
        ag_tape_free(pass.tape);
        nn_params_free(p);
        nn_module_free(m);
    }
}
END_TEST

/* ---- batch norm --------------------------------------------------------------------------------------------- */

static void expect_tensor(const nn_params *p, const char *path, int n, const double *expected) {
    const ag_tensor *x = nn_params_find(p, path);
    ck_assert_ptr_nonnull(x);
    ck_assert_int_eq(ag_tensor_count(x), n);
    for (int i = 0; i < n; i++) ck_assert_double_eq_tol(ag_tensor_get(x, i), expected[i], 1e-14);
}

/* Three batches in training, the ramps of 0, 1 and 2; then one in evaluation, the ramp of 7. m is freed. */
static void check_batches(nn_module *m, int rank, const int64_t *dim, int n, const double *trained,
                          const double *mean, const double *variance, const double *evaluated) {
    nn_params *p = layer_params(m);
    nn_pass pass = {ag_tape_new(NULL), true};
    for (int step = 0; step < 3; step++) {
        const ag_mark start = ag_tape_mark(pass.tape);
        ag_value y = nn_forward(m, &pass, layer_input(pass.tape, rank, dim, step));
        if (step == 2) expect_near_at(__FILE__, __LINE__, y, n, trained);
        ck_assert_int_eq(ag_tape_rewind(pass.tape, start), AG_OK);
    }
    if (mean) {
        expect_tensor(p, "running_mean", 2, mean);
        expect_tensor(p, "running_var", 2, variance);
        ck_assert_int_eq(ag_tensor_meta(nn_params_find(p, "num_batches_tracked"))->dtype, AG_I64);
        expect_tensor(p, "num_batches_tracked", 1, (const double[]){3});
    } else {
        ck_assert_uint_eq(nn_params_kept(p), nn_params_count(p));
    }
    pass.training = false;
    expect_near_at(__FILE__, __LINE__, nn_forward(m, &pass, layer_input(pass.tape, rank, dim, 7)), n, evaluated);
    if (mean) expect_tensor(p, "running_mean", 2, mean);
    ag_tape_free(pass.tape);
    nn_params_free(p);
    nn_module_free(m);
}

START_TEST(batch_norm_of_features_trains_and_evaluates_as_the_reference) {
    check_batches(nn_batch_norm1d(2, NULL, NULL), DIM(3, 2), 6,
                  (const double[]){1.6817027238600015, -0.7172821477475199, -0.26089033873908407,
                                   0.06150378106473377, 1.3070798953561278, -0.9337300560426941},
                  (const double[]){0.05714215615352275, 0.0057536644733902735},
                  (const double[]){0.9260379735180382, 0.9003909084481784},
                  (const double[]){1.4338162065259752, -0.23382779808907977, 0.13545902732597534,
                                   -0.7349477368136742, 1.6845216915392587, -0.4394351102610198});
}
END_TEST

START_TEST(a_cumulative_batch_norm_of_signals_gives_every_batch_the_same_share) {
    const nn_batch_norm_options options = {.cumulative = true};
    check_batches(
        nn_batch_norm1d(2, &options, NULL), DIM(2, 2, 3), 12,
        (const double[]){1.9673619839282754, 0.18558182985296562, -0.11518587970739062, -0.17500290569631724,
                         -0.2551117867537379, -1.069599813730657, 0.39804695605093726, 2.045002842868194,
                         0.9749768279611083, -1.1363769371448191, -0.49704250087404717, -0.04588290125138209},
        (const double[]){0.06476883703052445, 0.021241079496869167},
        (const double[]){0.6018721863853774, 0.5891257738172305},
        (const double[]){1.5516372221764714, 1.5581261903470085, -0.05884220584468162, -0.7920311981832862,
                         -0.016204970411284287, -0.42670038232533913, -0.2422252562927175, 0.8937370989318308,
                         1.90622602562221, -0.710913648851186, -1.0458977007585435, -0.2424774534146965});
}
END_TEST

START_TEST(batch_norm_of_images_trains_and_evaluates_as_the_reference) {
    const nn_batch_norm_options options = {.momentum = 0.3, .eps = 1e-3};
    check_batches(
        nn_batch_norm2d(2, &options, NULL), DIM(2, 2, 2, 2), 16,
        (const double[]){1.8890953278125588, 0.21037857407394905, -0.07299184728119738, 1.678746343733039,
                         -0.20287753599647795, -1.0940999893529781, -0.7767856895433184, 0.03266836282975428,
                         0.9541126456487449, -0.3377938114569609, 1.0032488224836198, 1.9495833595917003,
                         -0.8007159513981896, -1.0813282520880154, -0.18223841019996384, -0.1333116615187582},
        (const double[]){0.03238920909488684, 0.03432606773003929},
        (const double[]){0.7210499406198715, 0.7183288346332362},
        (const double[]){1.5278201965714562, 1.5337446429151764, 0.057447911144313725, 0.4319488764708991,
                         -0.07159848907464313, -0.4430928879107714, -1.049478144730167, -0.5217249423677258,
                         1.8515607798026372, 0.5762148707314053, -0.019547793547012745, 1.4093195939224352,
                         -0.16057803198466564, -0.9175046918280109, -0.8382479038930549, -0.10174484557164394});
}
END_TEST

START_TEST(without_tracking_evaluation_goes_by_its_own_batch) {
    const nn_batch_norm_options options = {.no_affine = true, .no_tracking = true};
    check_batches(nn_batch_norm1d(2, &options, NULL), DIM(3, 2), 6,
                  (const double[]){0.9179226746726815, -0.4385934282551399, -1.390645413438603, 1.38364005729444,
                                   0.4727227387659215, -0.9450466290393001},
                  NULL, NULL,
                  (const double[]){0.514380544900885, 1.1453460242467484, -1.3980384690290784, -1.2910496096879167,
                                   0.8836579241281934, 0.14570358544116838});
}
END_TEST

START_TEST(a_pass_that_fails_and_an_empty_batch_move_nothing) {
    nn_module *m = nn_batch_norm1d(2, NULL, NULL);
    nn_params *p = layer_params(m);
    nn_pass pass = {ag_tape_new(NULL), true};
    expect_pass_refused(m, &pass, DIM(1, 2), AG_ERROR_SHAPE); /* one value per channel */
    expect_pass_refused(m, &pass, DIM(4, 3), AG_ERROR_SHAPE);
    expect_pass_refused(m, &pass, DIM(2), AG_ERROR_SHAPE);
    expect_pass_refused(m, &pass, DIM(2, 2, 2, 2), AG_ERROR_SHAPE);
    ck_assert(ag_ok(nn_forward(m, &pass, ag_full(pass.tape, AG_F64, DIM(0, 2), 0))));
    ck_assert(ag_ok(nn_forward(m, &pass, ag_full(pass.tape, AG_F64, DIM(3, 2, 0), 0))));
    expect_tensor(p, "running_mean", 2, (const double[]){0, 0});
    expect_tensor(p, "running_var", 2, (const double[]){1, 1});
    expect_tensor(p, "num_batches_tracked", 1, (const double[]){0});
    ag_tape_free(pass.tape);
    nn_params_free(p);
    nn_module_free(m);
    m = nn_batch_norm2d(2, NULL, NULL);
    p = layer_params(m);
    pass.tape = ag_tape_new(NULL);
    expect_pass_refused(m, &pass, DIM(4, 2), AG_ERROR_SHAPE);
    expect_pass_refused(m, &pass, DIM(4, 3, 2, 2), AG_ERROR_SHAPE);
    ag_tape_free(pass.tape);
    nn_params_free(p);
    nn_module_free(m);
}
END_TEST

START_TEST(an_evaluation_keeps_its_gradient_when_training_follows) {
    nn_module *m = nn_batch_norm1d(2, &(const nn_batch_norm_options){.eps = 3}, NULL);
    nn_params *p = nn_params_new(m, AG_F64, 1, NULL);
    nn_pass pass = {ag_tape_new(NULL), false};
    ag_value x = ag_array_leaf(pass.tape, AG_F64, DIM(2, 2), (const double[]){1, 2, 30, 40});
    ag_value y = nn_forward(m, &pass, x);
    pass.training = true;
    ck_assert(ag_ok(nn_forward(m, &pass, x)));
    ck_assert_double_ne(ag_tensor_get(nn_params_find(p, "running_var"), 0), 1);
    ck_assert_int_eq(ag_backward(ag_sum_all(y)), AG_OK);
    double dx[4];
    ck_assert_int_eq(ag_adjoint_f64(x, dx, 4), AG_OK);
    for (int i = 0; i < 4; i++) ck_assert_double_eq(dx[i], 0.5); /* 1 / sqrt(1 + 3) */
    ag_tape_free(pass.tape);
    nn_params_free(p);
    nn_module_free(m);
}
END_TEST

START_TEST(buffers_are_saved_and_loaded_but_not_trained) {
    nn_module *m = nn_batch_norm1d(2, NULL, NULL), *copy = nn_batch_norm1d(2, NULL, NULL);
    nn_params *p = layer_params(m), *q = nn_params_new(copy, AG_F64, 5, NULL);
    ck_assert_uint_eq(nn_params_count(p), 2);
    ck_assert_uint_eq(nn_params_kept(p), 5);
    nn_pass pass = {ag_tape_new(NULL), true};
    for (int step = 0; step < 2; step++)
        ck_assert(ag_ok(nn_forward(m, &pass, layer_input(pass.tape, DIM(3, 2), step))));
    ck_assert_int_eq(nn_params_save(p, in_folder("norm.safetensors"), NULL, NULL), AG_OK);
    ck_assert_int_eq(nn_params_load(q, in_folder("norm.safetensors"), NULL), AG_OK);
    for (size_t i = 0; i < nn_params_kept(p); i++) {
        ag_tensor *a = nn_params_keep(p, i), *b = nn_params_find(q, ag_tensor_name(a));
        ck_assert_ptr_nonnull(b);
        for (int64_t k = 0; k < ag_tensor_count(a); k++)
            ck_assert_double_eq(ag_tensor_get(a, k), ag_tensor_get(b, k));
    }
    expect_tensor(q, "num_batches_tracked", 1, (const double[]){2});
    pass.training = false;
    double y[2][6];
    ag_value x = layer_input(pass.tape, DIM(3, 2), 4);
    test_read(nn_forward(m, &pass, x), y[0], 6);
    test_read(nn_forward(copy, &pass, x), y[1], 6);
    ck_assert_mem_eq(y[0], y[1], sizeof y[0]);
    ag_tape_free(pass.tape);
    nn_params_free(p);
    nn_params_free(q);
    nn_module_free(m);
    nn_module_free(copy);
}
END_TEST

START_TEST(training_in_f32_keeps_statistics_in_f32) {
    nn_module *m = nn_batch_norm1d(1, NULL, NULL);
    nn_params *p = nn_params_new(m, AG_F32, 1, NULL);
    nn_pass pass = {ag_tape_new(NULL), true};
    const int64_t dim[] = {2, 1};
    ck_assert(ag_ok(nn_forward(m, &pass, ag_array_constant(pass.tape, AG_F32, 2, dim, (const double[]){1, 3}))));
    const ag_tensor *mean = nn_params_find(p, "running_mean");
    ck_assert_int_eq(ag_tensor_meta(mean)->dtype, AG_F32);
    ck_assert_double_eq(ag_tensor_get(mean, 0), (float)0.2);
    ck_assert_double_eq(ag_tensor_get(nn_params_find(p, "running_var"), 0), (float)1.1); /* 0.9 + 0.1 * 2 */
    ag_tape_free(pass.tape);
    nn_params_free(p);
    nn_module_free(m);
}
END_TEST

START_TEST(a_layer_without_numbers_says_so) {
    nn_module *m = nn_batch_norm1d(2, &(const nn_batch_norm_options){.no_affine = true}, NULL);
    for (int training = 0; training < 2; training++) {
        nn_pass pass = {ag_tape_new(NULL), training == 1};
        expect_pass_refused(m, &pass, DIM(3, 2), AG_ERROR_STATE);
        ag_tape_free(pass.tape);
    }
    nn_module_free(m);
}
END_TEST

/* ---- all ---------------------------------------------------------------------------------------------------- */

START_TEST(derivatives_agree_with_differences) {
    const int64_t dim[] = {2, 3}, three = 3;
    const nn_norm_options bare = {.no_affine = true}, unbiased = {.no_bias = true};
    CHECK_LAYER(nn_layer_norm(2, dim, NULL, NULL), true, DIM(2, 2, 3));
    CHECK_LAYER(nn_layer_norm(1, &three, &bare, NULL), true, DIM(2, 3));
    CHECK_LAYER(nn_layer_norm(1, &three, &unbiased, NULL), true, DIM(2, 3));
    CHECK_LAYER(nn_rms_norm(1, &three, NULL, NULL), true, DIM(2, 3));
    CHECK_LAYER(nn_rms_norm(2, dim, &bare, NULL), true, DIM(2, 3));
    CHECK_LAYER(nn_group_norm(2, 4, NULL, NULL), true, DIM(2, 4, 2));
    CHECK_LAYER(nn_group_norm(4, 4, &bare, NULL), true, DIM(1, 4, 3));
    const nn_instance_norm_options affine = {.affine = true};
    for (int training = 0; training < 2; training++) {
        CHECK_LAYER(nn_instance_norm1d(2, NULL, NULL), training == 1, DIM(2, 2, 3));
        CHECK_LAYER(nn_instance_norm2d(2, &affine, NULL), training == 1, DIM(2, 2, 2, 2));
        CHECK_LAYER(nn_batch_norm1d(2, NULL, NULL), training == 1, DIM(4, 2));
        CHECK_LAYER(nn_batch_norm1d(2, NULL, NULL), training == 1, DIM(2, 2, 3));
        CHECK_LAYER(nn_batch_norm2d(2, NULL, NULL), training == 1, DIM(2, 2, 2, 2));
    }
}
END_TEST

START_TEST(what_makes_no_sense_is_refused) {
    const int64_t bad[] = {2, 0}, good = 2;
    EXPECT_REFUSED(nn_layer_norm(0, &good, NULL, &error), AG_ERROR_VALUE);
    EXPECT_REFUSED(nn_layer_norm(9, &good, NULL, &error), AG_ERROR_VALUE);
    EXPECT_REFUSED(nn_layer_norm(1, NULL, NULL, &error), AG_ERROR_VALUE);
    EXPECT_REFUSED(nn_layer_norm(2, bad, NULL, &error), AG_ERROR_VALUE);
    EXPECT_REFUSED(nn_rms_norm(2, bad, NULL, &error), AG_ERROR_VALUE);
    EXPECT_REFUSED(nn_group_norm(0, 4, NULL, &error), AG_ERROR_VALUE);
    EXPECT_REFUSED(nn_group_norm(3, 4, NULL, &error), AG_ERROR_VALUE);
    EXPECT_REFUSED(nn_group_norm(1, -4, NULL, &error), AG_ERROR_VALUE);
    EXPECT_REFUSED(nn_instance_norm1d(0, NULL, &error), AG_ERROR_VALUE);
    EXPECT_REFUSED(nn_instance_norm2d(-4, NULL, &error), AG_ERROR_VALUE);
    static const double eps[] = {-1, NAN, INFINITY};
    for (size_t i = 0; i < sizeof eps / sizeof *eps; i++) {
        const nn_norm_options o = {.eps = eps[i]};
        const nn_batch_norm_options b = {.eps = eps[i]}, share = {.momentum = i == 0 ? 1.5 : eps[i]};
        EXPECT_REFUSED(nn_layer_norm(1, &good, &o, &error), AG_ERROR_VALUE);
        EXPECT_REFUSED(nn_rms_norm(1, &good, &o, &error), AG_ERROR_VALUE);
        EXPECT_REFUSED(nn_group_norm(1, 4, &o, &error), AG_ERROR_VALUE);
        const nn_instance_norm_options positions = {.eps = eps[i]};
        EXPECT_REFUSED(nn_instance_norm2d(4, &positions, &error), AG_ERROR_VALUE);
        EXPECT_REFUSED(nn_batch_norm1d(4, &b, &error), AG_ERROR_VALUE);
        EXPECT_REFUSED(nn_batch_norm2d(4, &share, &error), AG_ERROR_VALUE);
    }
    const nn_batch_norm_options both = {.momentum = 0.1, .cumulative = true};
    EXPECT_REFUSED(nn_batch_norm1d(4, &both, &error), AG_ERROR_VALUE);
    EXPECT_REFUSED(nn_batch_norm1d(0, NULL, &error), AG_ERROR_VALUE);
    EXPECT_REFUSED(nn_batch_norm2d(INT64_MAX, NULL, &error), AG_ERROR_VALUE);
}
END_TEST

START_TEST(inputs_that_do_not_fit_are_the_tapes_errors) {
    const int64_t dim[] = {2, 3};
    const nn_norm_options bare = {.no_affine = true};
    nn_module *layers[] = {nn_layer_norm(2, dim, NULL, NULL), nn_layer_norm(2, dim, &bare, NULL),
                           nn_rms_norm(2, dim, &bare, NULL),  nn_group_norm(1, 4, NULL, NULL),
                           nn_group_norm(1, 4, &bare, NULL),  nn_instance_norm1d(4, NULL, NULL),
                           nn_instance_norm2d(4, NULL, NULL)};
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        nn_params *p = layer_params(layers[i]);
        nn_pass pass = {.tape = ag_tape_new(NULL)};
        expect_pass_refused(layers[i], &pass, DIM(3), AG_ERROR_SHAPE);
        expect_pass_refused(layers[i], &pass, DIM(4, 3, 3), AG_ERROR_SHAPE);
        ag_tape_free(pass.tape);
        nn_params_free(p);
        nn_module_free(layers[i]);
    }
}
END_TEST

static bool build(void) {
    const int64_t dim[] = {2, 3};
    ag_error error = {0};
    nn_module *layers[3] = {nn_layer_norm(2, dim, NULL, &error)};
    if (layers[0]) layers[1] = nn_batch_norm2d(3, NULL, &error);
    if (layers[1]) layers[2] = nn_group_norm(1, 2, NULL, &error);
    const bool built = layers[2] != NULL;
    if (!built) ck_assert_int_eq(error.status, AG_ERROR_MEMORY);
    for (int i = 0; i < 3; i++) nn_module_free(layers[i]);
    return built;
}

/* A pass either succeeds and moves all buffers, or fails and moves none. */
static nn_module *trained;
static nn_params *trained_params;

static bool train(void) {
    nn_pass pass = {ag_tape_new(NULL), true};
    if (!pass.tape) return false;
    const ag_tensor *mean = nn_params_find(trained_params, "running_mean");
    const ag_tensor *batches = nn_params_find(trained_params, "num_batches_tracked");
    const double mean_before = ag_tensor_get(mean, 0), before = ag_tensor_get(batches, 0);
    const bool moved = ag_ok(nn_forward(trained, &pass, layer_input(pass.tape, DIM(3, 2), before)));
    if (!moved) ck_assert_int_eq(ag_tape_status(pass.tape), AG_ERROR_MEMORY);
    ck_assert_double_eq(ag_tensor_get(batches, 0), before + moved);
    ck_assert_int_eq(ag_tensor_get(mean, 0) != mean_before, moved);
    ag_tape_free(pass.tape);
    return moved;
}

START_TEST(a_pass_without_memory_moves_nothing) {
    counting_allocator_install();
    trained = nn_batch_norm1d(2, NULL, NULL);
    trained_params = layer_params(trained);
    test_every_allocation(train);
    nn_params_free(trained_params);
    nn_module_free(trained);
}
END_TEST

START_TEST(every_failed_allocation_is_reported_and_leaves_nothing) { test_every_allocation(build); }
END_TEST

Suite *nn_norm_suite(void) {
    Suite *s = suite_create("nn_norm");
    TCase *tc = tcase_create("nn_norm");
    tcase_add_checked_fixture(tc, folder_make, folder_remove);
    tcase_add_test(tc, layer_and_group_norm_are_those_of_the_reference);
    tcase_add_test(tc, instance_norm_is_that_of_the_reference_in_training_too);
    tcase_add_test(tc, rms_norm_divides_by_the_root_mean_square);
    tcase_add_test(tc, batch_norm_of_features_trains_and_evaluates_as_the_reference);
    tcase_add_test(tc, a_cumulative_batch_norm_of_signals_gives_every_batch_the_same_share);
    tcase_add_test(tc, batch_norm_of_images_trains_and_evaluates_as_the_reference);
    tcase_add_test(tc, without_tracking_evaluation_goes_by_its_own_batch);
    tcase_add_test(tc, a_pass_that_fails_and_an_empty_batch_move_nothing);
    tcase_add_test(tc, an_evaluation_keeps_its_gradient_when_training_follows);
    tcase_add_test(tc, buffers_are_saved_and_loaded_but_not_trained);
    tcase_add_test(tc, training_in_f32_keeps_statistics_in_f32);
    tcase_add_test(tc, a_layer_without_numbers_says_so);
    tcase_add_test(tc, derivatives_agree_with_differences);
    tcase_add_test(tc, what_makes_no_sense_is_refused);
    tcase_add_test(tc, inputs_that_do_not_fit_are_the_tapes_errors);
    tcase_add_test(tc, a_pass_without_memory_moves_nothing);
    tcase_add_test(tc, every_failed_allocation_is_reported_and_leaves_nothing);
    suite_add_tcase(s, tc);
    return s;
}
