/* edges: what is decided about special points, for the operations there are - value and gradient, as scalars of the
 * strip, swept and recorded, and as f32 and f64 tensors on every vector level this machine runs. */
#include "edges_support.h"

/* ---- elementwise rows ------------------------------------------------------------------------------------------- */

static const edge edges[] = {
    E(relu, 0, 0, 0, 0, 0),
    E(relu, -0.0, 0, 0, 0, 0),
    E(relu, NAN, 0, NAN, NAN, 0),
    E(relu, -INF, 0, 0, 0, 0),
    E(relu, INF, 0, INF, 1, 0),
    E(abs, 0, 0, 0, 0, 0),
    E(abs, -0.0, 0, 0, 0, 0),
    E(abs, -2, 0, 2, -1, 0),
    E(abs, -INF, 0, INF, -1, 0),
    E(abs, NAN, 0, NAN, NAN, 0),
    E(sign, 0, 0, 0, 0, 0),
    E(sign, -3, 0, -1, 0, 0),
    E(sign, INF, 0, 1, 0, 0),
    E(sign, -INF, 0, -1, 0, 0),
    E(maximum, 2, 2, 2, 0.5, 0.5),
    E(maximum, 0, -0.0, 0, 0.5, 0.5),
    E(maximum, 1, 2, 2, 0, 1),
    E(maximum, 2, 1, 2, 1, 0),
    E(maximum, INF, INF, INF, 0.5, 0.5),
    E(minimum, 2, 2, 2, 0.5, 0.5),
    E(minimum, -INF, -INF, -INF, 0.5, 0.5),
    E(minimum, 1, 2, 1, 1, 0),
    E(minimum, 2, 1, 1, 0, 1),
    E(sqrt, 0, 0, 0, INF, 0),
    E(sqrt, INF, 0, INF, 0, 0),
    E(sqrt, -1, 0, NAN, NAN, 0),
    E(div, 1, 0, INF, INF, -INF),
    E(div, 0, 1, 0, 1, 0),
    E(div, -1, 0, -INF, INF, INF),
    E(log, 0, 0, -INF, INF, 0),
    E(log, -1, 0, NAN, -1, 0),
    E(log, INF, 0, INF, 0, 0),
    E(log, 1, 0, 0, 1, 0),
    E(pow, 0, 0, 1, 0, 0),
    E(pow, 0, 1, 0, 1, 0),
    E(pow, 0, 2, 0, 0, 0),
    E(pow, 0, 0.5, 0, INF, 0),
    E(pow, 0, -1, INF, -INF, -INF),
    E(pow, -2, 2, 4, -4, NAN),
    E(pow, NAN, 0, 1, 0, NAN),
    E(pow, 1, 3, 1, 3, 0),
    E(pow, 4, 0.5, 2, 0.25, 2 * 1.3862943611198906),
    E(pow, 3, 0, 1, 0, 1.0986122886681098),
    E(pow_number, 0, 0, 1, 0, 0),
    E(pow_number, 0, 1, 0, 1, 0),
    E(pow_number, 0, 2, 0, 0, 0),
    E(pow_number, 0, 0.5, 0, INF, 0),
    E(pow_number, 0, -1, INF, -INF, 0),
    E(pow_number, 0, -0.5, INF, -INF, 0),
    E(pow_number, -2, 2, 4, -4, 0),
    E(pow_number, NAN, 0, 1, 0, 0),
    E(pow_number, -3, 3, -27, 27, 0),
    E(exp, -INF, 0, 0, 0, 0),
    E(exp, 1e4, 0, INF, INF, 0),
    E(exp, -1e4, 0, 0, 0, 0),
    E(exp, 0, 0, 1, 1, 0),
    E(exp, NAN, 0, NAN, NAN, 0),
    E(tanh, INF, 0, 1, 0, 0),
    E(tanh, -INF, 0, -1, 0, 0),
    E(tanh, 1e4, 0, 1, 0, 0),
    E(tanh, 0, 0, 0, 1, 0),
    E(tanh, NAN, 0, NAN, NAN, 0),
    E(sigmoid, 1e4, 0, 1, 0, 0),
    E(sigmoid, -1e4, 0, 0, 0, 0),
    E(sigmoid, INF, 0, 1, 0, 0),
    E(sigmoid, -INF, 0, 0, 0, 0),
    E(sigmoid, 0, 0, 0.5, 0.25, 0),
    E(sigmoid, NAN, 0, NAN, NAN, 0),
    E(sin, 0, 0, 0, 1, 0),
    E(cos, 0, 0, 1, 0, 0),
    E(sin, INF, 0, NAN, NAN, 0),
    E(cos, NAN, 0, NAN, NAN, 0),
    E(square, -INF, 0, INF, -INF, 0),
    E(square, 0, 0, 0, 0, 0),
    E(neg, NAN, 0, NAN, -1, 0),
    E(add, INF, -INF, NAN, 1, 1),
    E(sub, INF, INF, NAN, 1, -1),
    E(mul, 0, INF, NAN, INF, 0),
    E(mul, 0, NAN, NAN, NAN, 0),
    E(mul_number, INF, 0, NAN, 0, 0),
    E(add_number, NAN, 1, NAN, 1, 0),
};
enum { EDGES = sizeof edges / sizeof edges[0] };

START_TEST(a_scalar_of_the_strip_at_an_edge) { scalar_edge(&edges[_i]); }
END_TEST

START_TEST(a_tensor_at_an_edge_on_every_level) { tensor_edge_on_every_level(&edges[_i]); }
END_TEST

START_TEST(nan_wins_in_maximum_and_minimum) {
    ag_tape *t = tape_new();
    for (int tensor = 0; tensor < 3; tensor++) {
        for (int side = 0; side < 2; side++) {
            double p = side ? 1 : NAN, q = side ? NAN : 1;
            ag_dtype dtype = tensor == 2 ? AG_F32 : AG_F64;
            ag_value x = tensor ? ag_array_leaf(t, dtype, 0, NULL, &p) : ag_scalar(t, p);
            ag_value y = tensor ? ag_array_leaf(t, dtype, 0, NULL, &q) : ag_scalar(t, q);
            ck_assert(isnan(ag_item(ag_maximum(x, y))));
            ck_assert(isnan(ag_item(ag_minimum(x, y))));
        }
    }
    ag_tape_free(t);
}
END_TEST

/* ---- operations on rows -------------------------------------------------------------------------------------------- */

typedef ag_value row_function(ag_value x);
static ag_value row_amax(ag_value x) { return ag_amax(x, (const int[]){-1}, 1, false); }
static ag_value row_logsumexp(ag_value x) { return ag_logsumexp(x, (const int[]){-1}, 1, false); }
static ag_value row_softmax(ag_value x) { return ag_select(ag_softmax(x, -1), -1, 0); }
static ag_value row_log_softmax(ag_value x) { return ag_select(ag_log_softmax(x, -1), -1, 0); }
static ag_value row_loss_first(ag_value x) {
    return ag_cross_entropy(x, ag_full(x.tape, AG_I64, 1, (const int64_t[]){1}, 0));
}
static ag_value row_loss_last(ag_value x) {
    return ag_cross_entropy(x, ag_full(x.tape, AG_I64, 1, (const int64_t[]){1}, 2));
}

typedef struct row_edge {
    const char *name;
    row_function *f;
    double x[3], y, dx[3];
} row_edge;
static const row_edge row_edges[] = {
    {"amax", row_amax, {1, 3, 2}, 3, {0, 1, 0}},
    {"amax, 2 tie", row_amax, {3, 1, 3}, 3, {0.5, 0, 0.5}},
    {"amax, 3 tie", row_amax, {2, 2, 2}, 2, {1 / 3.0, 1 / 3.0, 1 / 3.0}},
    {"amax, infinities tie", row_amax, {INF, 0, INF}, INF, {0.5, 0, 0.5}},
    {"amax, all -inf", row_amax, {-INF, -INF, -INF}, -INF, {1 / 3.0, 1 / 3.0, 1 / 3.0}},
    {"amax, NaN", row_amax, {5, NAN, 7}, NAN, {NAN, NAN, NAN}},
    {"logsumexp, all -inf", row_logsumexp, {-INF, -INF, -INF}, -INF, {0, 0, 0}},
    {"logsumexp, inf", row_logsumexp, {INF, 0, 0}, INF, {1, 0, 0}},
    {"logsumexp, -inf beside numbers", row_logsumexp, {-INF, 0, -INF}, 0, {0, 1, 0}},
    {"logsumexp, 1e4", row_logsumexp, {1e4, 0, -1e4}, 1e4, {1, 0, 0}},
    {"logsumexp, -1e4", row_logsumexp, {-1e4, -INF, -INF}, -1e4, {1, 0, 0}},
    {"softmax, hidden row", row_softmax, {-INF, -INF, -INF}, 0, {0, 0, 0}},
    {"softmax, half hidden", row_softmax, {0, -INF, 0}, 0.5, {0.25, 0, -0.25}},
    {"softmax, 1e4", row_softmax, {1e4, 0, 0}, 1, {0, 0, 0}},
    {"softmax, -1e4", row_softmax, {-1e4, 0, 0}, 0, {0, 0, 0}},
    {"log_softmax, 1e4", row_log_softmax, {1e4, 0, 0}, 0, {0, 0, 0}},
    {"log_softmax, -1e4", row_log_softmax, {-1e4, 0, -INF}, -1e4, {1, -1, 0}},
    {"cross_entropy, sure and right", row_loss_first, {1e4, 0, -1e4}, 0, {0, 0, 0}},
    {"cross_entropy, sure and wrong", row_loss_last, {1e4, 0, -1e4}, 2e4, {1, 0, -1}},
    {"cross_entropy, hidden class", row_loss_first, {0, -INF, -INF}, 0, {0, 0, 0}},
};
enum { ROW_EDGES = sizeof row_edges / sizeof row_edges[0] };

START_TEST(a_row_at_an_edge_on_every_level) {
    const row_edge *e = &row_edges[_i];
    int n;
    const agx_vectors *const *levels = agx_vector_levels(&n);
    for (int l = 0; l < n; l++) {
        agx_vector_force(levels[l]);
        for (int kind = 0; kind < 4; kind++) {
            ag_tape *t = tape_new();
            ag_dtype dtype = kind & 1 ? AG_F32 : AG_F64;
            ag_value x = ag_array_leaf(t, dtype, 2, (const int64_t[]){1, 3}, e->x),
                     y = ag_reshape(e->f(x), 0, NULL), d;
            double g[3], tolerance = dtype == AG_F32 ? 2 * 0x1p-24 : 2 * 0x1p-53;
            ck_assert_msg(equal(ag_item(y), e->y), "%s, %s, %s: y is %g, not %g %s", e->name, levels[l]->level,
                          ag_dtype_name(dtype), ag_item(y), e->y, ag_tape_message(t));
            if (kind & 2) {
                ck_assert_int_eq(ag_grad(&y, NULL, 1, &x, 1, &d), AG_OK);
                ck_assert_int_eq(ag_read_f64(d, g, 3), AG_OK);
            } else {
                sweep(y);
                ck_assert_int_eq(ag_adjoint_f64(x, g, 3), AG_OK);
            }
            for (int i = 0; i < 3; i++) {
                ck_assert_msg(equal(g[i], e->dx[i]) || fabs(g[i] - e->dx[i]) <= tolerance,
                              "%s, %s, %s%s: dx[%d] is %.17g, not %.17g", e->name, levels[l]->level,
                              ag_dtype_name(dtype), kind & 2 ? ", recorded" : "", i, g[i], e->dx[i]);
            }
            ag_tape_free(t);
        }
    }
    agx_vector_force(NULL);
}
END_TEST

START_TEST(argmax_takes_the_first_and_nan_wins) {
    static const struct {
        double x[5];
        int64_t index;
    } cases[] = {{{1, 3, 2, 3, 3}, 1},
                 {{2, 2, 2, 2, 2}, 0},
                 {{1, NAN, 9, NAN, INF}, 1},
                 {{-INF, -INF, -INF, -INF, -INF}, 0},
                 {{0, -0.0, 0, 0, 0}, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int f = 0; f < 2; f++) {
            ag_tape *t = tape_new();
            ag_value x = ag_array_leaf(t, f ? AG_F32 : AG_F64, 1, (const int64_t[]){5}, cases[i].x);
            ck_assert_double_eq(ag_item(ag_argmax(x, 0, false)), (double)cases[i].index);
            ck_assert_double_eq(ag_item(ag_argmax(x, AG_ALL_AXES, false)), (double)cases[i].index);
            ag_tape_free(t);
        }
    }
}
END_TEST

START_TEST(where_gives_the_branch_not_taken_exactly_nothing) {
    static const double odd[4] = {NAN, INF, -INF, 0};
    for (int f = 0; f < 2; f++) {
        for (int recorded = 0; recorded < 2; recorded++) {
            ag_tape *t = tape_new();
            ag_dtype dtype = f ? AG_F32 : AG_F64;
            ag_value c = ag_array_constant(t, AG_BOOL, 1, (const int64_t[]){4}, (const double[]){1, 0, 1, 0});
            ag_value in[2] = {ag_array_leaf(t, dtype, 1, (const int64_t[]){4}, odd),
                              ag_array_leaf(t, dtype, 1, (const int64_t[]){4}, (const double[]){1, 2, 3, 4})},
                     d[2];
            ag_value z = ag_where(c, in[1], in[0]), seed = ag_full(t, dtype, 1, (const int64_t[]){4}, 1);
            double g[2][4];
            if (recorded)
                ck_assert_int_eq(ag_grad(&z, &seed, 1, in, 2, d), AG_OK);
            else
                ck_assert_int_eq(ag_backward_from(z, seed), AG_OK);
            for (int i = 0; i < 2; i++)
                ck_assert_int_eq(recorded ? ag_read_f64(d[i], g[i], 4) : ag_adjoint_f64(in[i], g[i], 4), AG_OK);
            for (int i = 0; i < 4; i++) {
                ck_assert_double_eq(g[0][i], i % 2);
                ck_assert_double_eq(g[1][i], 1 - i % 2);
            }
            ag_tape_free(t);
        }
    }
    ag_tape *t = tape_new();
    ag_value x = ag_scalar(t, 2), y = ag_scalar(t, NAN);
    sweep(ag_where(ag_gt(x, ag_number(x, 0)), x, y));
    ck_assert_double_eq(ag_item_grad(x), 1);
    ck_assert_double_eq(ag_item_grad(y), 0);
    ag_tape_free(t);
}
END_TEST

/* ---- nothing at all ------------------------------------------------------------------------------------------------- */

START_TEST(reductions_of_nothing) {
    for (int f = 0; f < 2; f++) {
        ag_tape *t = tape_new();
        ag_dtype dtype = f ? AG_F32 : AG_F64;
        ag_mark m = ag_tape_mark(t);
        ag_value x = ag_array_leaf(t, dtype, 1, (const int64_t[]){0}, NULL),
                 rows = ag_array_leaf(t, dtype, 2, (const int64_t[]){2, 0}, NULL), dx;
        double two[2];
        ck_assert_double_eq(ag_item(ag_sum_all(x)), 0);
        ck_assert(isnan(ag_item(ag_mean_all(x))));
        ck_assert(isinf(ag_item(ag_logsumexp(x, NULL, 0, false))));
        ck_assert_int_eq(ag_read_f64(ag_sum(rows, (const int[]){1}, 1, false), two, 2), AG_OK);
        ck_assert(two[0] == 0 && two[1] == 0);
        ag_value y = ag_add(ag_add(ag_sum_all(rows), ag_mean_all(x)),
                            ag_sum_all(ag_exp(ag_matmul(rows, ag_transpose(rows, 0, 1)))));
        sweep(y);
        ck_assert_int_eq(ag_adjoint_f64(rows, two, 0), AG_OK);
        ck_assert_int_eq(ag_grad(&y, NULL, 1, &rows, 1, &dx), AG_OK);
        ck_assert_int_eq(ag_meta_of(dx)->dim[1], 0);
        ck_assert_int_eq(ag_tape_rewind(t, m), AG_OK);
        for (int k = 0; k < 4; k++) {
            rows = ag_array_leaf(t, dtype, 2, (const int64_t[]){2, 0}, NULL);
            ag_value bad = k == 0   ? ag_amax(rows, NULL, 0, false)
                           : k == 1 ? ag_amax(rows, (const int[]){1}, 1, false)
                                    : ag_argmax(rows, k == 2 ? 1 : AG_ALL_AXES, false);
            ck_assert(!ag_ok(bad));
            ck_assert_int_eq(ag_tape_rewind(t, m), AG_ERROR_SHAPE);
        }
        rows = ag_array_leaf(t, dtype, 2, (const int64_t[]){2, 0}, NULL);
        ck_assert_int_eq(ag_meta_of(ag_amax(rows, (const int[]){0}, 1, false))->dim[0],
                         0); /* none of nothing: fine */
        ck_assert_int_eq(ag_meta_of(ag_softmax(rows, 1))->dim[1], 0);
        ck_assert_int_eq(ag_tape_status(t), AG_OK);
        ag_tape_free(t);
    }
}
END_TEST

START_TEST(cross_entropy_at_its_edges) {
    for (int f = 0; f < 2; f++) {
        ag_tape *t = tape_new();
        ag_dtype dtype = f ? AG_F32 : AG_F64;
        ag_mark m = ag_tape_mark(t);
        ag_value none = ag_array_leaf(t, dtype, 2, (const int64_t[]){0, 3}, NULL);
        ag_value loss = ag_cross_entropy(none, ag_array_constant(t, AG_I64, 1, (const int64_t[]){0}, NULL));
        ck_assert_double_eq(ag_item(loss), 0);
        sweep(loss);
        ag_value one = ag_array_leaf(t, dtype, 2, (const int64_t[]){2, 1}, (const double[]){5, -7});
        loss = ag_cross_entropy(one, ag_full(t, AG_I64, 1, (const int64_t[]){2}, 0));
        ck_assert_double_eq(ag_item(loss), 0);
        sweep(loss);
        double g[2];
        ck_assert_int_eq(ag_adjoint_f64(one, g, 2), AG_OK);
        ck_assert(g[0] == 0 && g[1] == 0);
        static const double bad[][3] = {{0, 2, 9}, {0, -1, 2}, {2, 3, 0}};
        for (int i = 0; i < 3; i++) {
            ag_value x = ag_array_leaf(t, dtype, 2, (const int64_t[]){3, 3}, (const double[9]){0});
            ck_assert(!ag_ok(ag_cross_entropy(x, ag_array_constant(t, AG_I64, 1, (const int64_t[]){3}, bad[i]))));
            static const char *const target[] = {"9", "-1", "3"};
            ck_assert_msg(strstr(ag_tape_message(t), target[i]) != NULL, "%s", ag_tape_message(t));
            ck_assert_msg(strstr(ag_tape_message(t), "cross_entropy") != NULL, "%s", ag_tape_message(t));
            ck_assert_int_eq(ag_tape_rewind(t, m), AG_ERROR_INDEX);
        }
        ag_tape_free(t);
    }
}
END_TEST

Suite *edges_suite(void) {
    Suite *s = suite_create("edges");
    TCase *c = tcase_create("edges");
    suite_add_tcase(s, c);
    tcase_add_loop_test(c, a_scalar_of_the_strip_at_an_edge, 0, EDGES);
    tcase_add_loop_test(c, a_tensor_at_an_edge_on_every_level, 0, EDGES);
    tcase_add_test(c, nan_wins_in_maximum_and_minimum);
    tcase_add_loop_test(c, a_row_at_an_edge_on_every_level, 0, ROW_EDGES);
    tcase_add_test(c, argmax_takes_the_first_and_nan_wins);
    tcase_add_test(c, where_gives_the_branch_not_taken_exactly_nothing);
    tcase_add_test(c, reductions_of_nothing);
    tcase_add_test(c, cross_entropy_at_its_edges);
    return s;
}
