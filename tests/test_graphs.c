/* graphs: 10,000 random graphs - the swept gradient, the recorded one, forward mode and central differences agree - and
 * the same bits twice.
 *
 * A graph that fails says its seed and shows itself as text; GRADUS_GRAPH=<seed> test_graphs tries it alone. */
#include "core_support.h"
#include "support/random_graph.h"

enum { GRAPHS = 10000, BATCHES = 20 };

/* Swept, recorded and forward derivatives differ by rounding: some 60 operations of sums of up to 120 products, each within
 * 2^-53. Central differences of fourth order are within h^4 of a fifth derivative (the domains keep that below 1e5) and
 * 2^-53 / h of a value. */
#define SAME      1e-12
#define DIFFERENT 1e-7

/* ---- one graph ------------------------------------------------------------------------------------------------------ */

/* Which graph it is, should something fail without a word of it; Check's own assertions write to a file each time. */
static unsigned long long trying;

static void must(const ag_tape *t, bool good) {
    if (!good) ck_abort_msg("graph %llu fails: %s", trying, ag_tape_message(t));
}

static void show(const random_graph *g, ag_tape *t, const char *what, double x, double y) {
    ag_error error;
    ag_value all = ag_number(g->leaf[0], 0);
    fprintf(stderr, "graph %llu: %s: %.17g and %.17g\n", (unsigned long long)g->seed, what, x, y);
    for (int j = 0; j < g->n_roots; j++) all = ag_add(all, ag_sum_all(ag_mul(g->root[j], g->cotangent[j])));
    ag_inspection *seen = ag_inspect(all, NULL, &error);
    if (seen) ag_export_text(seen, ag_sink_stream(stderr), &error);
    ag_inspection_free(seen);
    ck_abort_msg("graph %llu: %s: %.17g and %.17g; GRADUS_GRAPH=%llu tries it alone (%s)",
                 (unsigned long long)g->seed, what, x, y, (unsigned long long)g->seed, ag_tape_message(t));
}

static void require_near(const random_graph *g, ag_tape *t, const char *what, double x, double y,
                         double tolerance) {
    if (!(fabs(x - y) <= tolerance)) show(g, t, what, x, y);
}

/* sum of <root, cotangent>, and of the products' magnitudes */
static double weighted_roots(const random_graph *g, const ag_value *root, double *magnitude) {
    double sum = 0, y[GRAPH_ROOT], w[GRAPH_ROOT];
    *magnitude = 0;
    for (int j = 0; j < g->n_roots; j++) {
        const int64_t n = ag_meta_count(ag_meta_of(root[j]));
        must(root[j].tape, ag_read_f64(root[j], y, n) == AG_OK);
        must(root[j].tape, ag_read_f64(g->cotangent[j], w, n) == AG_OK);
        for (int64_t i = 0; i < n; i++) {
            sum += y[i] * w[i];
            *magnitude += fabs(y[i] * w[i]);
        }
    }
    return sum;
}

static void swept(const random_graph *g, double dx[][GRAPH_LEAF]) {
    ag_status status = AG_OK;
    ag_tape *t = g->leaf[0].tape;
    for (int j = 0; j < g->n_roots && status == AG_OK; j++) status = ag_backward_from(g->root[j], g->cotangent[j]);
    must(t, status == AG_OK);
    for (int i = 0; i < GRAPH_LEAVES; i++) must(t, ag_adjoint_f64(g->leaf[i], dx[i], g->count[i]) == AG_OK);
}

/* The sum of <root, cotangent> at x + step v. */
static double moved(const random_graph *base, ag_tape *t, double v[][GRAPH_LEAF], double step) {
    static random_graph g;
    double magnitude;
    const ag_mark mark = ag_tape_mark(t);
    g = *base;
    ag_tape_random_set(t, (ag_random){.seed = g.seed});
    random_graph_build(&g, t, v, step);
    const double y = weighted_roots(&g, g.root, &magnitude);
    must(t, ag_tape_rewind(t, mark) == AG_OK);
    return y;
}

static void try_graph(uint64_t seed, ag_tape *t, uint8_t *drawn) {
    static random_graph g;
    static double dx[GRAPH_LEAVES][GRAPH_LEAF], again[GRAPH_LEAVES][GRAPH_LEAF], v[GRAPH_LEAVES][GRAPH_LEAF];
    ag_value recorded[GRAPH_LEAVES], tangent[GRAPH_LEAVES], dy[GRAPH_ROOTS];
    double largest = 1, slope = 0, along = 0, magnitude, forward;
    const ag_mark mark = ag_tape_mark(t);
    trying = seed;
    g.drawn = drawn;
    random_graph_draw(&g, seed);
    ag_tape_random_set(t, (ag_random){.seed = seed});
    random_graph_build(&g, t, NULL, 0);
    must(t, ag_tape_status(t) == AG_OK && g.operations >= 5 && g.operations <= 60);

    swept(&g, dx);
    must(t, ag_grad(g.root, g.cotangent, g.n_roots, g.leaf, GRAPH_LEAVES, recorded) == AG_OK);
    ag_random r = {.seed = seed, .counter = 1u << 31};
    for (int i = 0; i < GRAPH_LEAVES; i++) {
        must(t, ag_read_f64(recorded[i], again[i], g.count[i]) == AG_OK);
        for (int64_t k = 0; k < g.count[i]; k++) {
            v[i][k] = 2 * ag_random_uniform(&r) - 1;
            largest = fmax(largest, fabs(dx[i][k]));
            slope += dx[i][k] * v[i][k];
            along += fabs(dx[i][k] * v[i][k]);
        }
        tangent[i] =
            i < 2 ? ag_number(g.leaf[i], v[i][0]) : ag_array_constant(t, AG_F64, g.rank[i], g.dim[i], v[i]);
    }
    for (int i = 0; i < GRAPH_LEAVES; i++)
        for (int64_t k = 0; k < g.count[i]; k++)
            require_near(&g, t, "swept and recorded gradient", dx[i][k], again[i][k], SAME * largest);

    must(t, ag_jvp(g.root, g.n_roots, g.leaf, tangent, GRAPH_LEAVES, dy) == AG_OK);
    forward = weighted_roots(&g, dy, &magnitude);
    require_near(&g, t, "<v, J'w> and <Jv, w>", slope, forward, SAME * (1 + along + magnitude));

    double numeric = 0;
    for (double h = 1e-3; h > 1e-6; h /= 4) {
        numeric =
            (8 * (moved(&g, t, v, h) - moved(&g, t, v, -h)) - (moved(&g, t, v, 2 * h) - moved(&g, t, v, -2 * h))) /
            (12 * h);
        if (fabs(numeric - slope) <= DIFFERENT * (1 + along)) break;
    }
    require_near(&g, t, "<v, J'w> and central differences", slope, numeric, DIFFERENT * (1 + along));
    must(t, ag_tape_rewind(t, mark) == AG_OK);
}

/* ---- all of them ------------------------------------------------------------------------------------------------------ */

START_TEST(random_graphs_agree_in_reverse_forward_and_differences) {
    enum { PART = GRAPHS / BATCHES, ROWS = 1024 };
    static uint8_t drawn[ROWS];
    ag_tape *t = tape_new();
    for (int k = 0; k < PART; k++) try_graph((uint64_t)(_i * PART + k), t, drawn);
    ag_tape_free(t);
    for (uint32_t row = 0; ag_op_at(row); row++) {
        ck_assert_uint_lt(row, ROWS);
        ck_assert_msg(drawn[row] || !random_graph_draws(ag_op_at(row)), "%s was not drawn", ag_op_at(row)->name);
    }
}
END_TEST

START_TEST(the_graph_that_the_environment_names) {
    const char *seed = getenv("GRADUS_GRAPH");
    ag_tape *t = tape_new();
    try_graph(seed ? strtoull(seed, NULL, 10) : 0, t, NULL);
    ag_tape_free(t);
}
END_TEST

/* ---- the same bits --------------------------------------------------------------------------------------------------------------- */

static void one_run(double *out) {
    ag_tape *t = ag_tape_new(&(ag_tape_options){.seed = 4});
    ag_random r = {.seed = 77};
    double a[400], b[400];
    random_values(&r, a, 400, -1, 1, 0);
    random_values(&r, b, 400, -1, 1, 0);
    ag_value x = ag_array_leaf(t, AG_F32, 2, (const int64_t[]){20, 20}, a),
             w = ag_array_leaf(t, AG_F32, 2, (const int64_t[]){20, 20}, b);
    ag_value h = ag_dropout(ag_tanh(ag_matmul(x, w)), 0.3),
             y = ag_mean_all(ag_mul(ag_softmax(h, 1), ag_exp(ag_add(h, x))));
    sweep(y);
    ag_adjoint_f64(x, out, 400);
    ag_adjoint_f64(w, out + 400, 400);
    ag_tape_free(t);
}

START_TEST(gradients_have_the_same_bits_twice) {
    double a[800], b[800];
    one_run(a);
    one_run(b);
    ck_assert_mem_eq(a, b, sizeof a);
}
END_TEST

Suite *graphs_suite(void) {
    Suite *s = suite_create("graphs");
    TCase *c = tcase_create("graphs");
    tcase_set_timeout(c, 300);
    suite_add_tcase(s, c);
    tcase_add_loop_test(c, random_graphs_agree_in_reverse_forward_and_differences, 0, BATCHES);
    tcase_add_test(c, the_graph_that_the_environment_names);
    tcase_add_test(c, gradients_have_the_same_bits_twice);
    return s;
}
