/* nn_recurrent: RNN, GRU and LSTM as layers - PyTorch's numbers, packed batches against each sequence alone, states,
 * gradients through time, mistakes. */
#include "recurrent_expected.h"
#include "sequence_support.h"

enum { T = 4, B = 3, N = 3, H = 2 }; /* steps, batch, features, hidden features */
static const ag_value none = {0};
static const int64_t lengths[B] = {2, 4, 1};

static nn_module *make(int kind, const nn_recurrent_options *options, ag_error *error) {
    if (kind == 2) return nn_lstm(N, H, options, error);
    return kind ? nn_gru(N, H, options, error) : nn_rnn(N, H, AG_RNN_RELU, options, error);
}

static net recurrent_new(int kind, nn_recurrent_options options) {
    ag_error error = {0};
    return net_new(make(kind, &options, &error), &error);
}

START_TEST(a_packed_batch_in_two_directions_is_pytorchs) {
    const struct pytorchs *e = &pytorchs[_i];
    net n = recurrent_new(_i, (nn_recurrent_options){.layers = 2, .bidirectional = true});
    const ag_value x = wave_leaf(n.t, 3, SHAPE(T, B, N), 0.5);
    const ag_cell_state first = {wave_leaf(n.t, 3, SHAPE(4, B, H), 2), wave_leaf(n.t, 3, SHAPE(4, B, H), 3)};
    ag_cell_state last;
    const ag_value y = nn_recurrent_run(n.m, &n.pass, x, lengths, &first, &last);
    expect_numbers(y, 48, e->y, 1e-14);
    expect_numbers(last.h, 24, e->h, 1e-14);
    ag_value sum = ag_add(ag_sum_all(ag_mul(y, wave_leaf(n.t, 3, SHAPE(T, B, 2 * H), 0))),
                          ag_sum_all(ag_mul(last.h, wave_leaf(n.t, 3, SHAPE(4, B, H), 1))));
    if (_i == 2) {
        expect_numbers(last.c, 24, e->c, 1e-14);
        sum = ag_add(sum, ag_sum_all(last.c));
    }
    ag_value dx;
    ck_assert_int_eq(ag_grad(&sum, NULL, 1, &x, 1, &dx), AG_OK);
    expect_numbers(dx, 36, e->dx, 1e-13);
    ck_assert_int_eq(ag_backward(sum), AG_OK);
    ag_tensor *weight = nn_params_find(n.p, "weight_hh_l0");
    const double *dw = ag_tensor_grad(weight);
    for (int64_t i = 0; i < ag_tensor_count(weight); i++) ck_assert_double_eq_tol(dw[i], e->dw[i], 1e-13);
    net_free(&n);
}
END_TEST

START_TEST(a_packed_batch_is_each_of_its_sequences_alone) {
    net n = recurrent_new(_i, (nn_recurrent_options){.layers = 2, .bidirectional = true});
    const ag_value x = wave_leaf(n.t, 3, SHAPE(T, B, N), 0.5);
    const ag_cell_state first = {wave_leaf(n.t, 3, SHAPE(4, B, H), 2), wave_leaf(n.t, 3, SHAPE(4, B, H), 3)};
    ag_cell_state last;
    const ag_value y = nn_recurrent_run(n.m, &n.pass, x, lengths, &first, &last);
    for (int b = 0; b < B; b++) {
        const ag_value alone = ag_slice(ag_select(x, 1, b), 0, 0, lengths[b], 1);
        const ag_cell_state own = {ag_select(first.h, 1, b), ag_select(first.c, 1, b)};
        ag_cell_state end;
        const ag_value z = nn_recurrent_run(n.m, &n.pass, alone, NULL, &own, &end);
        expect_same(ag_slice(ag_select(y, 1, b), 0, 0, lengths[b], 1), z, 1e-15);
        expect_same(ag_select(last.h, 1, b), end.h, 1e-15);
        if (_i == 2) expect_same(ag_select(last.c, 1, b), end.c, 1e-15);
    }
    net_free(&n);
}
END_TEST

START_TEST(padding_is_never_read_and_gets_no_gradient) {
    net n = recurrent_new(_i, (nn_recurrent_options){.bidirectional = true});
    double values[T * B * N], dx[T * B * N], y[T * B * 2 * H];
    for (int i = 0; i < T * B * N; i++) values[i] = i / N / B < lengths[i / N % B] ? sin(i) : NAN;
    const ag_value x = ag_array_leaf(n.t, AG_F64, 3, SHAPE(T, B, N), values);
    const ag_value out = nn_recurrent_run(n.m, &n.pass, x, lengths, NULL, NULL);
    ck_assert_int_eq(ag_backward(ag_sum_all(out)), AG_OK);
    ck_assert_int_eq(ag_adjoint_f64(x, dx, T * B * N), AG_OK);
    test_read(out, y, T * B * 2 * H);
    for (int i = 0; i < T * B * N; i++) ck_assert(isnan(values[i]) ? dx[i] == 0 : isfinite(dx[i]));
    for (int i = 0; i < T * B * 2 * H; i++) {
        ck_assert(isfinite(y[i]));
        if (i / (2 * H) / B >= lengths[i / (2 * H) % B]) ck_assert_double_eq(y[i], 0);
    }
    for (size_t k = 0; k < nn_params_count(n.p); k++) {
        const double *dw = ag_tensor_grad(nn_params_tensor(n.p, k));
        for (int64_t i = 0; i < ag_tensor_count(nn_params_tensor(n.p, k)); i++) ck_assert(isfinite(dw[i]));
    }
    net_free(&n);
}
END_TEST

START_TEST(lengths_of_all_steps_change_nothing) {
    net n = recurrent_new(_i, (nn_recurrent_options){.layers = 2, .bidirectional = true});
    const ag_value x = wave_leaf(n.t, 3, SHAPE(T, B, N), 0.5);
    ag_cell_state a, b;
    const ag_value y = nn_recurrent_run(n.m, &n.pass, x, NULL, NULL, &a);
    expect_same(nn_recurrent_run(n.m, &n.pass, x, SHAPE(T, T, T), NULL, &b), y, 1e-15);
    expect_same(a.h, b.h, 1e-15);
    expect_same(nn_forward(n.m, &n.pass, x), y, 0);
    const ag_value empty = ag_full(n.t, AG_F64, 3, SHAPE(T, 0, N), 1); /* B = 0 */
    const ag_value z = nn_recurrent_run(n.m, &n.pass, empty, lengths, NULL, NULL);
    ck_assert_msg(ag_ok(z), "%s", ag_tape_message(n.t));
    ck_assert_int_eq(ag_meta_of(z)->dim[1], 0);
    net_free(&n);
}
END_TEST

START_TEST(batch_first_turns_sequences_but_not_states) {
    net n = recurrent_new(_i, (nn_recurrent_options){.layers = 2}),
        turned = recurrent_new(_i, (nn_recurrent_options){.layers = 2, .batch_first = true});
    ag_cell_state a, b;
    const ag_value y = nn_recurrent_run(n.m, &n.pass, wave_leaf(n.t, 3, SHAPE(T, B, N), 0.5), lengths, NULL, &a);
    const ag_value x = ag_transpose(wave_leaf(turned.t, 3, SHAPE(T, B, N), 0.5), 0, 1);
    const ag_value z = nn_recurrent_run(turned.m, &turned.pass, x, lengths, NULL, &b);
    ck_assert_int_eq(ag_meta_of(z)->dim[0], B);
    expect_same(ag_transpose(z, 0, 1), y, 0);
    expect_same(b.h, a.h, 0);
    net_free(&turned);
    net_free(&n);
}
END_TEST

START_TEST(a_state_carries_a_sequence_over_a_cut) {
    net n = recurrent_new(_i, (nn_recurrent_options){.layers = 2});
    const ag_value x = wave_leaf(n.t, 2, SHAPE(7, N), 0.5); /* a single sequence */
    ag_cell_state whole, state = {{0}, {0}};
    const ag_value y = nn_recurrent_run(n.m, &n.pass, x, NULL, NULL, &whole);
    const ag_value head = nn_recurrent_run(n.m, &n.pass, ag_slice(x, 0, 0, 3, 1), NULL, &state, &state);
    const ag_value tail = nn_recurrent_run(n.m, &n.pass, ag_slice(x, 0, 3, 7, 1), NULL, &state, &state);
    expect_same(ag_cat((const ag_value[]){head, tail}, 2, 0), y, 1e-15);
    expect_same(state.h, whole.h, 1e-15);
    if (_i == 2) expect_same(state.c, whole.c, 1e-15);
    net_free(&n);
}
END_TEST

START_TEST(names_shapes_and_first_numbers_are_pytorchs) {
    static const char *const names[] = {
        "weight_ih_l0",         "weight_hh_l0",         "bias_ih_l0",         "bias_hh_l0",
        "weight_ih_l0_reverse", "weight_hh_l0_reverse", "bias_ih_l0_reverse", "bias_hh_l0_reverse",
        "weight_ih_l1",         "weight_hh_l1",         "bias_ih_l1",         "bias_hh_l1",
        "weight_ih_l1_reverse", "weight_hh_l1_reverse", "bias_ih_l1_reverse", "bias_hh_l1_reverse"};
    ag_error error = {0};
    nn_module *m = nn_lstm(5, 16, &(nn_recurrent_options){.layers = 2, .bidirectional = true}, &error);
    nn_params *p = nn_params_new(m, AG_F32, 1, &error);
    ck_assert_msg(p != NULL, "%s", error.message);
    ck_assert_uint_eq(nn_params_count(p), 16);
    double largest = 0, sum = 0;
    for (size_t i = 0; i < 16; i++) {
        ck_assert_str_eq(nn_params_name(p, i), names[i]);
        const ag_meta *meta = ag_tensor_meta(nn_params_tensor(p, i));
        const int64_t inputs = i < 8 ? 5 : 32;
        ck_assert_int_eq(meta->dim[0], 64);
        ck_assert_int_eq(meta->rank, i % 4 < 2 ? 2 : 1);
        if (i % 4 < 2) ck_assert_int_eq(meta->dim[1], i % 4 ? 16 : inputs);
        for (int64_t k = 0; k < ag_meta_count(meta); k++) {
            largest = fmax(largest, fabs(ag_tensor_get(nn_params_tensor(p, i), k)));
            sum += ag_tensor_get(nn_params_tensor(p, i), k);
        }
    }
    ck_assert_double_le(largest, 0.25); /* 1 / sqrt(16) */
    ck_assert_double_gt(largest, 0.249);
    const double n = (double)nn_params_elements(p);
    ck_assert_double_le(fabs(sum / n), 5 * 0.25 / sqrt(3 * n)); /* five standard deviations of the mean */
    nn_params_free(p);
    nn_module_free(m);
}
END_TEST

START_TEST(without_bias_there_are_two_weights_a_layer) {
    net n = recurrent_new(_i, (nn_recurrent_options){.layers = 2, .no_bias = true}),
        zero = recurrent_new(_i, (nn_recurrent_options){.layers = 2});
    ck_assert_uint_eq(nn_params_count(n.p), 4);
    for (size_t k = 0; k < 8; k++) {
        ag_tensor *x = nn_params_tensor(zero.p, k);
        const ag_tensor *weight = nn_params_find(n.p, nn_params_name(zero.p, k)); /* NULL: a bias */
        const size_t bytes = ag_meta_bytes(ag_tensor_meta(x));
        if (weight)
            memcpy(ag_tensor_write(x), ag_tensor_data(weight), bytes);
        else
            memset(ag_tensor_write(x), 0, bytes);
    }
    double y[T * B * H];
    test_read(nn_forward(n.m, &n.pass, wave_leaf(n.t, 3, SHAPE(T, B, N), 0.5)), y, T * B * H);
    expect_numbers(nn_forward(zero.m, &zero.pass, wave_leaf(zero.t, 3, SHAPE(T, B, N), 0.5)), T * B * H, y, 1e-15);
    net_free(&zero);
    net_free(&n);
}
END_TEST

START_TEST(dropout_lies_between_layers_and_only_in_training) {
    net n = recurrent_new(2, (nn_recurrent_options){.layers = 2, .dropout = 1}),
        one = recurrent_new(2, (nn_recurrent_options){.layers = 1, .dropout = 1}),
        plain = recurrent_new(2, (nn_recurrent_options){.layers = 2});
    double y[T * B * H];
    const ag_value x = wave_leaf(n.t, 3, SHAPE(T, B, N), 0.5);
    /* All of layer 0 is dropped: the input does not matter. Above the last layer nothing is. */
    test_read(nn_forward(n.m, &n.pass, x), y, T * B * H);
    expect_numbers(nn_forward(n.m, &n.pass, ag_mul_number(x, 3)), T * B * H, y, 0);
    ck_assert_double_ne(y[0], 0);
    test_read(nn_forward(one.m, &one.pass, wave_leaf(one.t, 3, SHAPE(T, B, N), 0.5)), y, T * B * H);
    ck_assert_double_ne(y[0], 0);
    n.pass.training = false;
    test_read(nn_forward(plain.m, &plain.pass, wave_leaf(plain.t, 3, SHAPE(T, B, N), 0.5)), y, T * B * H);
    expect_numbers(nn_forward(n.m, &n.pass, x), T * B * H, y, 0);
    net_free(&plain);
    net_free(&one);
    net_free(&n);
}
END_TEST

/* ---- gradients --------------------------------------------------------------------------------------------------- */

/* A sum over outputs and last states in which every element has a weight of its own. */
static ag_value weighted(ag_tape *t, ag_value y) {
    const ag_meta *meta = ag_meta_of(y);
    if (!meta) return y;
    const int64_t n = ag_meta_count(meta);
    return ag_sum_all(ag_mul(y, ag_array_constant(t, AG_F64, meta->rank, meta->dim, wave(n, 0.3, 1.1, 1))));
}

static ag_value packed_loss(net *n, void *user) {
    const int kind = *(const int *)user;
    const ag_value x = wave_leaf(n->t, 3, SHAPE(T, B, N), 0.5);
    const ag_cell_state first = {wave_leaf(n->t, 3, SHAPE(4, B, H), 2), none};
    ag_cell_state last;
    const ag_value y = nn_recurrent_run(n->m, &n->pass, x, lengths, &first, &last);
    const ag_value sum = ag_add(weighted(n->t, y), weighted(n->t, last.h));
    return kind == 2 ? ag_add(sum, weighted(n->t, last.c)) : sum;
}

START_TEST(gradients_of_every_parameter_agree_with_differences) {
    net n = recurrent_new(_i, (nn_recurrent_options){.layers = 2, .bidirectional = true});
    check_parameters(&n, packed_loss, &_i, 1);
    net_free(&n);
}
END_TEST

static ag_value of_operands(ag_tape *t, const ag_value *in, void *user) {
    net *n = user;
    nn_pass pass = {t, true};
    const ag_cell_state first = {in[1], in[2]};
    ag_cell_state last;
    const ag_value y = nn_recurrent_run(n->m, &pass, in[0], lengths, &first, &last);
    const ag_value all[3] = {ag_flatten(y, 0, -1), ag_flatten(last.h, 0, -1),
                             last.c.tape ? ag_flatten(last.c, 0, -1) : ag_flatten(in[2], 0, -1)};
    return ag_cat(all, 3, 0);
}

START_TEST(gradients_of_inputs_and_states_agree_with_differences_at_both_orders) {
    net n = recurrent_new(_i, (nn_recurrent_options){.bidirectional = true});
    double x[T * B * N], h[2 * B * H], c[2 * B * H];
    memcpy(x, wave(T * B * N, 0.5, 0.9, 1), sizeof x);
    memcpy(h, wave(2 * B * H, 2, 0.9, 1), sizeof h);
    memcpy(c, wave(2 * B * H, 3, 0.9, 1), sizeof c);
    const check_input in[] = {{.dtype = AG_F64, .rank = 3, .dim = {T, B, N}, .values = x, .leaf = true},
                              {.dtype = AG_F64, .rank = 3, .dim = {2, B, H}, .values = h, .leaf = true},
                              {.dtype = AG_F64, .rank = 3, .dim = {2, B, H}, .values = c, .leaf = true}};
    check_gradients("recurrent", of_operands, &n, in, 3, 2);
    net_free(&n);
}
END_TEST

enum { LONG = 30 };

static ag_value long_loss(net *n, void *user) {
    (void)user;
    return weighted(n->t, nn_forward(n->m, &n->pass, wave_leaf(n->t, 3, SHAPE(LONG, 2, N), 0.5)));
}
static ag_value long_output(ag_tape *t, const ag_value *in, void *user) {
    nn_pass pass = {t, true};
    return nn_forward(((net *)user)->m, &pass, in[0]);
}

START_TEST(gradients_through_thirty_steps_of_an_lstm_agree_with_differences) {
    ag_error error = {0};
    net n = net_new(nn_lstm(N, 4, &(nn_recurrent_options){.layers = 2}, &error), &error);
    double x[LONG * 2 * N];
    memcpy(x, wave(LONG * 2 * N, 0.5, 0.9, 1), sizeof x);
    const check_input in = {.dtype = AG_F64, .rank = 3, .dim = {LONG, 2, N}, .values = x, .leaf = true};
    check_parameters(&n, long_loss, NULL, 3);
    check_gradients("a 30-step LSTM", long_output, &n, &in, 1, 1);
    net_free(&n);
}
END_TEST

/* ---- mistakes ---------------------------------------------------------------------------------------------------- */

START_TEST(an_impossible_layer_is_refused) {
    static const struct {
        int64_t n_in, hidden;
        nn_recurrent_options options;
        ag_status status;
    } row[] = {{3, 0, {.layers = 1}, AG_ERROR_SHAPE},     {3, -1, {.layers = 1}, AG_ERROR_SHAPE},
               {-3, 2, {.layers = 1}, AG_ERROR_SHAPE},    {3, INT64_MAX / 2, {.layers = 1}, AG_ERROR_SHAPE},
               {3, 2, {.layers = -1}, AG_ERROR_VALUE},    {3, 2, {.layers = INT32_MAX}, AG_ERROR_VALUE},
               {3, 2, {.dropout = -0.1}, AG_ERROR_VALUE}, {3, 2, {.dropout = NAN}, AG_ERROR_VALUE}};
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        ag_error error = {0};
        ck_assert_ptr_null(nn_lstm(row[i].n_in, row[i].hidden, &row[i].options, &error));
        ck_assert_int_eq(error.status, row[i].status);
    }
    ag_error error = {0};
    ck_assert_ptr_null(nn_rnn(3, 2, (ag_rnn_activation)7, NULL, &error));
    ck_assert_int_eq(error.status, AG_ERROR_VALUE);
}
END_TEST

START_TEST(a_pass_says_what_does_not_fit) {
    net n = recurrent_new(2, (nn_recurrent_options){.layers = 2});
    nn_module *linear = nn_linear(2, 2, NULL);
    const ag_mark mark = ag_tape_mark(n.t);
    const struct {
        int rank;
        int64_t dim[4];
        const int64_t *lengths;
        int state_rank;
        int64_t state[3];
        ag_status status;
        const char *text;
    } row[] = {{3, {T, B, N}, SHAPE(2, 5, 1), 0, {0}, AG_ERROR_VALUE, "sequence 1 has length 5"},
               {3, {T, B, N}, SHAPE(2, 4, 0), 0, {0}, AG_ERROR_VALUE, "sequence 2 has length 0"},
               {2, {T, N}, lengths, 0, {0}, AG_ERROR_SHAPE, "rank 2"},
               {4, {T, B, N, 1}, NULL, 0, {0}, AG_ERROR_SHAPE, "rank 4"},
               {3, {T, B, N + 1}, NULL, 0, {0}, AG_ERROR_SHAPE, "weight_ih_l0"},
               {3, {0, B, N}, NULL, 0, {0}, AG_ERROR_SHAPE, "step"},
               {3, {T, B, N}, NULL, 3, {1, B, H}, AG_ERROR_SHAPE, "(2, batch, 2)"},
               {3, {T, B, N}, lengths, 3, {2, B + 1, H}, AG_ERROR_SHAPE, "h must have"},
               {2, {T, N}, NULL, 3, {2, B, H}, AG_ERROR_SHAPE, "(2, 2)"}};
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        const ag_value x = ag_full(n.t, AG_F64, row[i].rank, row[i].dim, 1);
        ag_cell_state state = {none, none}, last;
        if (row[i].state_rank) state.h = ag_full(n.t, AG_F64, row[i].state_rank, row[i].state, 0);
        ck_assert(!ag_ok(nn_recurrent_run(n.m, &n.pass, x, row[i].lengths, &state, &last)));
        ck_assert(!ag_ok(last.h) && !ag_ok(last.c));
        expect_failure(&n, mark, row[i].status, row[i].text);
    }
    const ag_value x = ag_full(n.t, AG_F64, 3, SHAPE(T, B, N), 1);
    ag_cell_state last;
    ck_assert(!ag_ok(nn_recurrent_run(linear, &n.pass, x, NULL, NULL, &last)));
    expect_failure(&n, mark, AG_ERROR_VALUE, "linear is no RNN");
    ck_assert(!ag_ok(nn_forward(n.m, &n.pass, x))); /* rewound: stale */
    expect_failure(&n, mark, AG_ERROR_STALE, "");
    nn_module_free(linear);
    net_free(&n);
}
END_TEST

static bool build(void) {
    ag_error error = {0};
    nn_module *m = nn_gru(3, 2, &(nn_recurrent_options){.layers = 2, .bidirectional = true}, &error);
    if (!m) ck_assert_int_eq(error.status, AG_ERROR_MEMORY);
    nn_module_free(m);
    return m != NULL;
}

START_TEST(every_failed_allocation_of_a_layer_is_reported_and_leaves_nothing) { test_every_allocation(build); }
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
    shared = recurrent_new(2, (nn_recurrent_options){.layers = 2, .bidirectional = true});
    test_every_allocation(packed_pass);
    net_free(&shared);
}
END_TEST

Suite *nn_recurrent_suite(void) {
    Suite *s = suite_create("nn_recurrent");
    TCase *tc = tcase_create("nn_recurrent");
    tcase_add_loop_test(tc, a_packed_batch_in_two_directions_is_pytorchs, 0, 3);
    tcase_add_loop_test(tc, a_packed_batch_is_each_of_its_sequences_alone, 0, 3);
    tcase_add_loop_test(tc, padding_is_never_read_and_gets_no_gradient, 0, 3);
    tcase_add_loop_test(tc, lengths_of_all_steps_change_nothing, 0, 3);
    tcase_add_loop_test(tc, batch_first_turns_sequences_but_not_states, 0, 3);
    tcase_add_loop_test(tc, a_state_carries_a_sequence_over_a_cut, 0, 3);
    tcase_add_test(tc, names_shapes_and_first_numbers_are_pytorchs);
    tcase_add_loop_test(tc, without_bias_there_are_two_weights_a_layer, 0, 3);
    tcase_add_test(tc, dropout_lies_between_layers_and_only_in_training);
    tcase_add_loop_test(tc, gradients_of_every_parameter_agree_with_differences, 0, 3);
    tcase_add_loop_test(tc, gradients_of_inputs_and_states_agree_with_differences_at_both_orders, 0, 3);
    tcase_add_test(tc, gradients_through_thirty_steps_of_an_lstm_agree_with_differences);
    tcase_add_test(tc, an_impossible_layer_is_refused);
    tcase_add_test(tc, a_pass_says_what_does_not_fit);
    tcase_add_test(tc, every_failed_allocation_of_a_layer_is_reported_and_leaves_nothing);
    tcase_add_test(tc, every_failed_allocation_of_a_pass_is_reported_and_leaves_nothing);
    suite_add_tcase(s, tc);
    return s;
}
