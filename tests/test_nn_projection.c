/* nn_projection: LSTM whose outputs are projected. Expected numbers: torch 1.13, LSTM(2, 3, 2, bidirectional=True,
 * proj_size=2) in f64, on the waves of sequence_support.h and two sequences of lengths 2 and 3. */
#include "sequence_support.h"

enum { T = 3, B = 2, N = 2, H = 3, P = 2 };
static const int64_t lengths[B] = {2, 3};

static const double expected_y[] = {0.05842482289768225,
                                    0.026822764686989468,
                                    0.22747312104526426,
                                    0.06444367735434173,
                                    0.3646339251719698,
                                    0.1825561884708617,
                                    0.15919912716283144,
                                    0.07605648748066346,
                                    0.22387801164734272,
                                    0.13000497778144166,
                                    0.18032758424655873,
                                    0.04795037019514283,
                                    0.3518431098960384,
                                    0.19916924353154616,
                                    0.07474820981508602,
                                    0.059471685115968044,
                                    0.0,
                                    0.0,
                                    0.0,
                                    0.0,
                                    0.2412770020518944,
                                    0.1441539026338438,
                                    -0.09782137109242203,
                                    0.021146104987279313};
static const double expected_h[] = {
    0.14480450888011337, 0.17606144567614593, 0.16733236782821514, 0.2027827144557656,
    0.22215898958976618, 0.20064489161532728, 0.3034723396239066,  0.2432443466441404,
    0.22387801164734272, 0.13000497778144166, 0.2412770020518944,  0.1441539026338438,
    0.22747312104526426, 0.06444367735434173, 0.15919912716283144, 0.07605648748066346};
static const double expected_c[] = {
    -0.4190829991553032,  -0.39367312739961985, -0.3139504980638581, -0.5541829014382867,  -0.4212633414217891,
    -0.33217331478559164, 0.6240847270086738,   0.5695209740098801,  0.341413620696419,    0.35720189732060953,
    0.5702016642893379,   0.7990469558152389,   -0.373290801775978,  -0.24933504019426334, -0.17688269277035856,
    -0.42613758287783854, -0.3052759921065622,  -0.1472884623876587, 0.7552974057999189,   1.1030113933713028,
    0.37958729929768475,  0.7954424087888048,   0.48923424895520345, -0.1825923721079588};
static const double expected_dx[] = {-0.011641765459624243,
                                     -0.023163617103131844,
                                     -0.1642056753897554,
                                     -0.2254844229247419,
                                     0.0663198644769658,
                                     0.06397575104573452,
                                     -0.12631405123111394,
                                     -0.18087013465645158,
                                     0.0,
                                     0.0,
                                     -0.5278717907351704,
                                     -0.5106247546734011};
static const double expected_dw[] = {-0.3256237720671298,  -0.32890147220864574, -0.2551541620283772,
                                     -0.27552144262747974, -0.3111396243484938,  -0.22750694601571286};

static net lstm_new(nn_recurrent_options options) {
    ag_error error = {0};
    options.proj_size = P;
    return net_new(nn_lstm(N, H, &options, &error), &error);
}

static ag_value input_of(ag_tape *t) { return wave_leaf(t, 3, SHAPE(T, B, N), 0.5); }

START_TEST(a_packed_batch_in_two_directions_is_pytorchs) {
    net n = lstm_new((nn_recurrent_options){.layers = 2, .bidirectional = true});
    const ag_value x = input_of(n.t);
    const ag_cell_state first = {wave_leaf(n.t, 3, SHAPE(4, B, P), 2), wave_leaf(n.t, 3, SHAPE(4, B, H), 3)};
    ag_cell_state last;
    const ag_value y = nn_recurrent_run(n.m, &n.pass, x, lengths, &first, &last);
    expect_numbers(y, T * B * 2 * P, expected_y, 1e-14);
    expect_numbers(last.h, 4 * B * P, expected_h, 1e-14);
    expect_numbers(last.c, 4 * B * H, expected_c, 1e-14);
    const ag_value sum = ag_add(ag_add(ag_sum_all(ag_mul(y, wave_leaf(n.t, 3, SHAPE(T, B, 2 * P), 0))),
                                       ag_sum_all(ag_mul(last.h, wave_leaf(n.t, 3, SHAPE(4, B, P), 1)))),
                                ag_sum_all(last.c));
    ag_value dx;
    ck_assert_int_eq(ag_grad(&sum, NULL, 1, &x, 1, &dx), AG_OK);
    expect_numbers(dx, T * B * N, expected_dx, 1e-13);
    ck_assert_int_eq(ag_backward(sum), AG_OK);
    ag_tensor *weight = nn_params_find(n.p, "weight_hr_l0");
    const double *dw = ag_tensor_grad(weight);
    for (int64_t i = 0; i < P * H; i++) ck_assert_double_eq_tol(dw[i], expected_dw[i], 1e-13);
    net_free(&n);
}
END_TEST

START_TEST(names_and_shapes_are_pytorchs) {
    net n = lstm_new((nn_recurrent_options){.layers = 2, .bidirectional = true});
    static const struct {
        const char *name;
        int64_t dim[2];
    } row[] = {{"weight_ih_l0", {4 * H, N}},     {"weight_hh_l0", {4 * H, P}},
               {"bias_ih_l0", {4 * H, 0}},       {"bias_hh_l0", {4 * H, 0}},
               {"weight_hr_l0", {P, H}},         {"weight_ih_l0_reverse", {4 * H, N}},
               {"weight_ih_l1", {4 * H, 2 * P}}, {"weight_hr_l1_reverse", {P, H}}};
    ck_assert_uint_eq(nn_params_count(n.p), 20);
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        const ag_tensor *x = nn_params_find(n.p, row[i].name);
        ck_assert_msg(x != NULL, "%s", row[i].name);
        const ag_meta *meta = ag_tensor_meta(x);
        ck_assert_int_eq(meta->rank, row[i].dim[1] ? 2 : 1);
        for (int d = 0; d < meta->rank; d++) ck_assert_int_eq(meta->dim[d], row[i].dim[d]);
    }
    net_free(&n);
}
END_TEST

START_TEST(a_state_carries_a_sequence_over_a_cut_and_begins_with_zeros) {
    net n = lstm_new((nn_recurrent_options){.layers = 2});
    const ag_value x = input_of(n.t), whole = nn_forward(n.m, &n.pass, x);
    ag_cell_state state = {{0}, {0}};
    ag_value part[2];
    part[0] = nn_recurrent_run(n.m, &n.pass, ag_slice(x, 0, 0, 1, 1), NULL, &state, &state);
    part[1] = nn_recurrent_run(n.m, &n.pass, ag_slice(x, 0, 1, T, 1), NULL, &state, &state);
    expect_same(ag_cat(part, 2, 0), whole, 1e-15);
    const ag_value alone = nn_forward(n.m, &n.pass, ag_select(x, 1, 1)); /* (T, N), without a batch */
    expect_same(alone, ag_select(whole, 1, 1), 1e-15);
    net_free(&n);
}
END_TEST

static ag_value loss(net *n, void *user) {
    (void)user;
    ag_cell_state last;
    const ag_value y = nn_recurrent_run(n->m, &n->pass, input_of(n->t), lengths, NULL, &last);
    return ag_add(ag_sum_all(ag_square(y)), ag_add(ag_sum_all(last.h), ag_sum_all(ag_square(last.c))));
}

START_TEST(gradients_of_every_parameter_agree_with_differences) {
    net n = lstm_new((nn_recurrent_options){.layers = 2, .bidirectional = true, .no_bias = _i == 1});
    check_parameters(&n, loss, NULL, 1);
    net_free(&n);
}
END_TEST

START_TEST(what_does_not_fit_is_refused) {
    static const int64_t sizes[] = {-1, H, H + 1};
    for (int i = 0; i < 3; i++) {
        ag_error error = {0};
        ck_assert_ptr_null(nn_lstm(N, H, &(nn_recurrent_options){.proj_size = sizes[i]}, &error));
        ck_assert_int_eq(error.status, AG_ERROR_VALUE);
    }
    ag_error error = {0};
    ck_assert_ptr_null(nn_gru(N, H, &(nn_recurrent_options){.proj_size = P}, &error));
    ck_assert_int_eq(error.status, AG_ERROR_VALUE);
    net n = lstm_new((nn_recurrent_options){.layers = 1});
    const ag_mark mark = ag_tape_mark(n.t);
    const ag_cell_state wide = {ag_full(n.t, AG_F64, 3, SHAPE(1, B, H), 0), {0}};
    ck_assert(!ag_ok(nn_recurrent_run(n.m, &n.pass, input_of(n.t), NULL, &wide, NULL)));
    expect_failure(&n, mark, AG_ERROR_SHAPE, "h must have shape (1, batch, 2)");
    ck_assert(!ag_ok(nn_forward(n.m, &n.pass, ag_full(n.t, AG_F64, 3, SHAPE(T, B, N + 1), 0))));
    expect_failure(&n, mark, AG_ERROR_SHAPE, "");
    ck_assert(!ag_ok(nn_forward(n.m, &n.pass, ag_full(n.t, AG_F64, 3, SHAPE(0, B, N), 0))));
    expect_failure(&n, mark, AG_ERROR_SHAPE, "");
    net_free(&n);
}
END_TEST

static net shared;

static bool packed_pass(void) {
    ag_tape *t = ag_tape_new(&(ag_tape_options){.threads = 1});
    if (!t) return false;
    nn_pass pass = {t, true};
    const ag_value x = ag_full(t, AG_F64, 3, SHAPE(T, B, N), 0.5);
    ag_cell_state last;
    const bool ok = ag_ok(nn_recurrent_run(shared.m, &pass, x, lengths, NULL, &last));
    if (!ok) ck_assert_int_eq(ag_tape_status(t), AG_ERROR_MEMORY);
    ag_tape_free(t);
    return ok;
}

START_TEST(every_failed_allocation_of_a_pass_is_reported_and_leaves_nothing) {
    counting_allocator_install();
    shared = lstm_new((nn_recurrent_options){.layers = 2, .bidirectional = true});
    test_every_allocation(packed_pass);
    net_free(&shared);
}
END_TEST

Suite *nn_projection_suite(void) {
    Suite *s = suite_create("nn_projection");
    TCase *tc = tcase_create("nn_projection");
    tcase_add_test(tc, a_packed_batch_in_two_directions_is_pytorchs);
    tcase_add_test(tc, names_and_shapes_are_pytorchs);
    tcase_add_test(tc, a_state_carries_a_sequence_over_a_cut_and_begins_with_zeros);
    tcase_add_loop_test(tc, gradients_of_every_parameter_agree_with_differences, 0, 2);
    tcase_add_test(tc, what_does_not_fit_is_refused);
    tcase_add_test(tc, every_failed_allocation_of_a_pass_is_reported_and_leaves_nothing);
    suite_add_tcase(s, tc);
    return s;
}
