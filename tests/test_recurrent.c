/* recurrent: sequences against their own cells stepped by hand, states carried over, mistakes. First gradients, and
 * second ones, of whole sequences are the registry test's. */
#include "mistakes.h"

static const ag_value none = {0};
enum { T = 11, B = 2, N = 3, H = 2 }; /* steps, batch, features, hidden features */

static ag_cell_weights layer(ag_tape *t, int gates, int64_t n, uint64_t seed) {
    return (ag_cell_weights){random_leaf(t, AG_F64, 2, SHAPE(gates * H, n), seed),
                             random_leaf(t, AG_F64, 2, SHAPE(gates * H, H), seed + 1),
                             random_leaf(t, AG_F64, 1, SHAPE(gates * H), seed + 2),
                             random_leaf(t, AG_F64, 1, SHAPE(gates * H), seed + 3)};
}

static void expect_near(ag_value x, ag_value y) {
    double a[256], b[256];
    ck_assert_msg(ag_ok(x) && ag_ok(y), "failed: %s", ag_tape_message(x.tape));
    ck_assert(ag_meta_same_shape(ag_meta_of(x), ag_meta_of(y)));
    const int64_t n = ag_meta_count(ag_meta_of(x));
    ck_assert_int_eq(ag_read_f64(x, a, n), AG_OK);
    ck_assert_int_eq(ag_read_f64(y, b, n), AG_OK);
    for (int64_t i = 0; i < n; i++) ck_assert_double_eq_tol(a[i], b[i], 1e-12);
}

/** One kind after the other through the same words: 0 tanh, 1 relu, 2 GRU, 3 LSTM. */
static const int gates_of[4] = {1, 1, 3, 4};
static ag_value whole(int kind, ag_value x, const ag_cell_weights *w, int layers, ag_cell_state first,
                      ag_cell_state *last) {
    last->c = none;
    if (kind < 2) return ag_rnn(x, w, layers, kind ? AG_RNN_RELU : AG_RNN_TANH, first.h, &last->h);
    if (kind == 2) return ag_gru(x, w, layers, first.h, &last->h);
    return ag_lstm(x, w, layers, first.h, first.c, &last->h, &last->c);
}
static ag_cell_state step(int kind, ag_value x, ag_cell_state s, ag_cell_weights w) {
    if (kind == 3) return ag_lstm_cell(x, s, w);
    s.h = kind == 2 ? ag_gru_cell(x, s.h, w) : ag_rnn_cell(x, s.h, w, kind ? AG_RNN_RELU : AG_RNN_TANH);
    return s;
}

START_TEST(a_sequence_is_its_cells_one_after_the_other) {
    ag_tape *t = ag_tape_new(NULL);
    const ag_cell_weights w[2] = {layer(t, gates_of[_i], N, 1), layer(t, gates_of[_i], H, 10)};
    ag_value x = random_leaf(t, AG_F64, 3, SHAPE(T, B, N), 20), outputs[T];
    const ag_value zeros = ag_full(t, AG_F64, 2, SHAPE(B, H), 0);
    ag_cell_state s[2] = {{zeros, zeros}, {zeros, zeros}}, last;
    for (int i = 0; i < T; i++) {
        s[0] = step(_i, ag_select(x, 0, i), s[0], w[0]);
        s[1] = step(_i, s[0].h, s[1], w[1]);
        outputs[i] = s[1].h;
    }
    ag_value by_hand = ag_stack(outputs, T, 0);
    ag_value y = whole(_i, x, w, 2, (ag_cell_state){none, none}, &last);
    expect_near(y, by_hand);
    expect_near(last.h, ag_stack((const ag_value[]){s[0].h, s[1].h}, 2, 0));
    if (_i == 3) expect_near(last.c, ag_stack((const ag_value[]){s[0].c, s[1].c}, 2, 0));
    const ag_value one = ag_sum_all(ag_sin(y)), other = ag_sum_all(ag_sin(by_hand));
    const ag_value wrt[] = {x, w[0].w_ih, w[0].w_hh, w[0].b_ih, w[1].w_ih, w[1].w_hh, w[1].b_hh};
    ag_value dx[7], dy[7];
    ck_assert_int_eq(ag_grad(&one, NULL, 1, wrt, 7, dx), AG_OK);
    ck_assert_int_eq(ag_grad(&other, NULL, 1, wrt, 7, dy), AG_OK);
    for (int i = 0; i < 7; i++) expect_near(dx[i], dy[i]);
    ag_tape_free(t);
}
END_TEST

START_TEST(a_state_carries_a_sequence_over_a_cut) {
    ag_tape *t = ag_tape_new(NULL);
    const ag_cell_weights w[2] = {layer(t, gates_of[_i], N, 1), layer(t, gates_of[_i], H, 10)};
    ag_value x = random_leaf(t, AG_F64, 2, SHAPE(T, N), 20); /* a single sequence */
    ag_cell_state at_end, between, after;
    ag_value y = whole(_i, x, w, 2, (ag_cell_state){none, none}, &at_end);
    ag_value first = whole(_i, ag_slice(x, 0, 0, 4, 1), w, 2, (ag_cell_state){none, none}, &between);
    ag_value second = whole(_i, ag_slice(x, 0, 4, T, 1), w, 2, between, &after);
    EXPECT_SHAPE(between.h, 2, H);
    expect_near(y, ag_cat((const ag_value[]){first, second}, 2, 0));
    expect_near(at_end.h, after.h);
    if (_i == 3) expect_near(at_end.c, after.c);
    ag_tape_free(t);
}
END_TEST

static ag_value from_states(ag_tape *t, const ag_value *in, void *user) {
    (void)t, (void)user;
    ag_value h_n, c_n;
    const ag_cell_weights w = {in[3], in[4], none, none};
    ag_value y = ag_lstm(in[0], &w, 1, in[1], in[2], &h_n, &c_n);
    return ag_add(ag_sum_all(ag_square(y)), ag_add(ag_sum_all(ag_sin(h_n)), ag_sum_all(ag_exp(c_n))));
}

START_TEST(gradients_reach_the_first_states_and_come_from_the_last) {
    double x[4] = {0.3, -0.2, 0.8, 0.5}, h[2] = {0.1, -0.7}, c[2] = {0.4, 0.9}, w[16], u[16];
    ag_random r = {.seed = 3};
    random_values(&r, w, 16, -1, 1, 0);
    random_values(&r, u, 16, -1, 1, 0);
    const check_input in[5] = {{.dtype = AG_F64, .rank = 2, .dim = {2, 2}, .values = x, .leaf = true},
                               {.dtype = AG_F64, .rank = 2, .dim = {1, 2}, .values = h, .leaf = true},
                               {.dtype = AG_F64, .rank = 2, .dim = {1, 2}, .values = c, .leaf = true},
                               {.dtype = AG_F64, .rank = 2, .dim = {8, 2}, .values = w, .leaf = true},
                               {.dtype = AG_F64, .rank = 2, .dim = {8, 2}, .values = u, .leaf = true}};
    check_gradients("lstm with states", from_states, NULL, in, 5, 2);
}
END_TEST

static ag_cell_weights plain(ag_tape *t, int64_t rows, int64_t n, int64_t hidden) {
    return (ag_cell_weights){.w_ih = F(rows, n), .w_hh = F(rows, hidden)};
}
static ag_value lstm(ag_value x, ag_cell_weights w, ag_value h0, ag_value c0) {
    return ag_lstm(x, &w, 1, h0, c0, NULL, NULL);
}
static ag_value gru(ag_value x, ag_cell_weights w) { return ag_gru(x, &w, 1, none, NULL); }
static ag_value half_biased(ag_tape *t) {
    ag_cell_weights w = plain(t, 6, 3, 2);
    w.b_ih = F(6);
    return gru(F(5, 2, 3), w);
}
static ag_value call(ag_tape *t, const char *name, int64_t layers, int64_t size) {
    ag_value y;
    const ag_value in[3] = {F(5, 2, 3), F(2, 3), F(2, 2)};
    const ag_attr v[2] = {{.name = "num_layers", .kind = AG_FIELD_INT, .as.integer = layers},
                          {.name = "hidden_size", .kind = AG_FIELD_INT, .as.integer = size}};
    ck_assert_int_ne(ag_call(t, name, in, 3, &(const ag_attrs){2, v}, &y), AG_OK);
    return y;
}
MAKE(weight_ih, gru(F(5, 2, 3), plain(t, 6, 4, 2)))
MAKE(weight_rows, gru(F(5, 2, 3), plain(t, 8, 3, 2)))
MAKE(weight_rank, gru(F(5, 2, 3), (ag_cell_weights){F(6, 3), F(6), none, none}))
MAKE(rank, gru(F(3), plain(t, 6, 3, 2)))
MAKE(no_steps, gru(F(0, 2, 3), plain(t, 6, 3, 2)))
MAKE(integers, gru(ag_full(t, AG_I64, 2, SHAPE(5, 3), 1), plain(t, 6, 3, 2)))
MAKE(weight_dtype, gru(F(5, 3), (ag_cell_weights){ag_full(t, AG_I64, 2, SHAPE(6, 3), 1), F(6, 2), none, none}))
MAKE(first_h, lstm(F(5, 2, 3), plain(t, 8, 3, 2), F(1, 3, 2), none))
MAKE(first_c, lstm(F(5, 2, 3), plain(t, 8, 3, 2), none, F(1, 2)))
MAKE(cell_state, ag_gru_cell(F(2, 3), F(3, 2), plain(t, 6, 3, 2)))
MAKE(cell_input, ag_lstm_cell(F(2, 4), (ag_cell_state){F(2, 2), F(2, 2)}, plain(t, 8, 3, 2)).h)
MAKE(activation, ag_rnn_cell(F(2, 3), F(2, 2), plain(t, 2, 3, 2), (ag_rnn_activation)7))
MAKE(no_layers, ag_gru(F(5, 3), NULL, 0, none, NULL))
MAKE(layers, call(t, "rnn_tanh", 2, 0))
MAKE(layers_huge, call(t, "rnn_relu", INT64_MAX, 0))
MAKE(layers_negative, call(t, "lstm", INT64_MIN, 0))
MAKE(hidden_size, call(t, "rnn_tanh", 1, 9))

static const mistake mistakes[] = {
    {weight_ih, AG_ERROR_SHAPE, {"gru", "weight_ih_l0", "(6, 3)", "(6, 4)"}},
    {weight_rows, AG_ERROR_SHAPE, {"gru", "weight_ih_l0", "(6, 3)", "(8, 3)"}},
    {weight_rank, AG_ERROR_SHAPE, {"gru", "weight_hh_l0", "(3 H, H)", "(6)"}},
    {rank, AG_ERROR_SHAPE, {"gru", "(time, features)", "(3)"}},
    {no_steps, AG_ERROR_SHAPE, {"gru", "one time step", "(0, 2, 3)"}},
    {integers, AG_ERROR_DTYPE, {"gru", "i64"}},
    {weight_dtype, AG_ERROR_DTYPE, {"gru", "weight_ih_l0", "i64"}},
    {first_h, AG_ERROR_SHAPE, {"lstm", "h0", "(5, 2, 3)", "(1, 3, 2)"}},
    {first_c, AG_ERROR_SHAPE, {"lstm", "c0", "(5, 2, 3)", "(1, 2)"}},
    {cell_state, AG_ERROR_SHAPE, {"gru", "state", "(2, 3)", "(3, 2)"}},
    {cell_input, AG_ERROR_SHAPE, {"lstm", "weight_ih_l0", "(2, 4)", "(8, 3)"}},
    {activation, AG_ERROR_VALUE, {"rnn", "7"}},
    {no_layers, AG_ERROR_VALUE, {"gru", "layers"}},
    {half_biased, AG_ERROR_VALUE, {"gru", "one bias"}},
    {layers, AG_ERROR_VALUE, {"rnn_tanh", "2 layers", "3 operands"}},
    {layers_huge, AG_ERROR_VALUE, {"rnn_relu", "3 operands"}},
    {layers_negative, AG_ERROR_VALUE, {"lstm", "3 operands"}},
    {hidden_size, AG_ERROR_SHAPE, {"rnn_tanh", "hidden_size is 9", "2"}},
};
enum { MISTAKES = sizeof mistakes / sizeof mistakes[0] };

START_TEST(a_mistake_fails_the_tape_and_says_what_and_where) { expect_mistake(&mistakes[_i], _i); }
END_TEST

Suite *recurrent_suite(void) {
    Suite *s = suite_create("recurrent");
    TCase *c = tcase_create("recurrent");
    tcase_add_loop_test(c, a_sequence_is_its_cells_one_after_the_other, 0, 4);
    tcase_add_loop_test(c, a_state_carries_a_sequence_over_a_cut, 0, 4);
    tcase_add_test(c, gradients_reach_the_first_states_and_come_from_the_last);
    tcase_add_loop_test(c, a_mistake_fails_the_tape_and_says_what_and_where, 0, MISTAKES);
    suite_add_tcase(s, c);
    return s;
}
