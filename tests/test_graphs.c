/* graphs: 10,000 random graphs - the swept gradient, the recorded one, forward mode and central differences agree, every
 * fifth graph's second derivatives too - and the same bits twice.
 *
 * A graph that fails says its seed and shows itself as text; GRADUS_GRAPH=<seed> CK_RUN_CASE=one test_graphs tries it alone. */
#include "core_support.h"
#include "support/random_graph.h"

enum { GRAPHS = 10000, BATCHES = 20, CURVED = 5 };

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
    ck_abort_msg("graph %llu: %s: %.17g and %.17g; GRADUS_GRAPH=%llu CK_RUN_CASE=one tries it alone (%s)",
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

static double inner(const random_graph *g, double x[][GRAPH_LEAF], double y[][GRAPH_LEAF], double *magnitude) {
    double sum = 0;
    *magnitude = 0;
    for (int i = 0; i < GRAPH_LEAVES; i++)
        for (int64_t k = 0; k < g->count[i]; k++) {
            sum += x[i][k] * y[i][k];
            *magnitude += fabs(x[i][k] * y[i][k]);
        }
    return sum;
}

/* The sum of <root, cotangent> at x + step v or, with u, <u, swept gradient>. */
static double moved(const random_graph *base, ag_tape *t, double v[][GRAPH_LEAF], double step,
                    double u[][GRAPH_LEAF]) {
    static random_graph g;
    static double dx[GRAPH_LEAVES][GRAPH_LEAF];
    double magnitude;
    const ag_mark mark = ag_tape_mark(t);
    g = *base;
    ag_tape_random_set(t, (ag_random){.seed = g.seed});
    random_graph_build(&g, t, v, step);
    if (u) swept(&g, dx);
    const double y = u ? inner(&g, u, dx, &magnitude) : weighted_roots(&g, g.root, &magnitude);
    must(t, ag_tape_rewind(t, mark) == AG_OK);
    return y;
}

/* The derivative along v that is nearest to `expected`, of a few steps: the first that is near enough. */
static double differences(const random_graph *g, ag_tape *t, double v[][GRAPH_LEAF], double u[][GRAPH_LEAF],
                          double expected, double tolerance) {
    double best = NAN;
    for (double h = 1e-3; h > 1e-6; h /= 4) {
        const double one = moved(g, t, v, h, u) - moved(g, t, v, -h, u),
                     two = moved(g, t, v, 2 * h, u) - moved(g, t, v, -2 * h, u),
                     slope = (8 * one - two) / (12 * h);
        if (!(fabs(best - expected) <= fabs(slope - expected))) best = slope;
        if (fabs(best - expected) <= tolerance) break;
    }
    return best;
}

static void constants(const random_graph *g, double x[][GRAPH_LEAF], ag_value *out) {
    for (int i = 0; i < GRAPH_LEAVES; i++)
        out[i] = i < 2 ? ag_number(g->leaf[i], x[i][0])
                       : ag_array_constant(g->leaf[i].tape, AG_F64, g->rank[i], g->dim[i], x[i]);
}

static void read(const random_graph *g, const ag_value *x, double out[][GRAPH_LEAF]) {
    for (int i = 0; i < GRAPH_LEAVES; i++) must(x[i].tape, ag_read_f64(x[i], out[i], g->count[i]) == AG_OK);
}

static void draw_direction(const random_graph *g, uint64_t counter, double v[][GRAPH_LEAF]) {
    ag_random r = {.seed = g->seed, .counter = counter};
    for (int i = 0; i < GRAPH_LEAVES; i++)
        for (int64_t k = 0; k < g->count[i]; k++) v[i][k] = 2 * ag_random_uniform(&r) - 1;
}

/* Second order: <v, H u> reverse over reverse, <u, H v> forward over reverse, and differences of the swept gradient. */
static void try_curvature(const random_graph *g, ag_tape *t, const ag_value *dx, double v[][GRAPH_LEAF]) {
    static double u[GRAPH_LEAVES][GRAPH_LEAF], h[GRAPH_LEAVES][GRAPH_LEAF];
    ag_value in[GRAPH_LEAVES], out[GRAPH_LEAVES];
    double magnitude, other;
    draw_direction(g, 3u << 30, u);
    constants(g, u, in);
    must(t, ag_grad(dx, in, GRAPH_LEAVES, g->leaf, GRAPH_LEAVES, out) == AG_OK);
    read(g, out, h);
    const double reverse = inner(g, v, h, &magnitude);
    constants(g, v, in);
    must(t, ag_jvp(dx, GRAPH_LEAVES, g->leaf, in, GRAPH_LEAVES, out) == AG_OK);
    read(g, out, h);
    const double forward = inner(g, u, h, &other);
    require_near(g, t, "<v, H u> and <u, H v>", reverse, forward, SAME * (1 + magnitude + other));
    const double tolerance = DIFFERENT * (1 + magnitude + other),
                 numeric = differences(g, t, v, u, reverse, tolerance);
    require_near(g, t, "<v, H u> and differences of gradients", reverse, numeric, tolerance);
}

static void try_graph(uint64_t seed, ag_tape *t, uint8_t *drawn) {
    static random_graph g;
    static double dx[GRAPH_LEAVES][GRAPH_LEAF], again[GRAPH_LEAVES][GRAPH_LEAF], v[GRAPH_LEAVES][GRAPH_LEAF];
    ag_value recorded[GRAPH_LEAVES], tangent[GRAPH_LEAVES], dy[GRAPH_ROOTS];
    double largest = 1, along, magnitude;
    const ag_mark mark = ag_tape_mark(t);
    trying = seed;
    g.drawn = drawn;
    random_graph_draw(&g, seed);
    ag_tape_random_set(t, (ag_random){.seed = seed});
    random_graph_build(&g, t, NULL, 0);
    must(t, ag_tape_status(t) == AG_OK && g.operations >= 5 && g.operations <= 60);

    swept(&g, dx);
    must(t, ag_grad(g.root, g.cotangent, g.n_roots, g.leaf, GRAPH_LEAVES, recorded) == AG_OK);
    read(&g, recorded, again);
    draw_direction(&g, 1u << 31, v);
    constants(&g, v, tangent);
    const double slope = inner(&g, dx, v, &along);
    for (int i = 0; i < GRAPH_LEAVES; i++)
        for (int64_t k = 0; k < g.count[i]; k++) largest = fmax(largest, fabs(dx[i][k]));
    for (int i = 0; i < GRAPH_LEAVES; i++)
        for (int64_t k = 0; k < g.count[i]; k++)
            require_near(&g, t, "swept and recorded gradient", dx[i][k], again[i][k], SAME * largest);

    must(t, ag_jvp(g.root, g.n_roots, g.leaf, tangent, GRAPH_LEAVES, dy) == AG_OK);
    const double forward = weighted_roots(&g, dy, &magnitude);
    require_near(&g, t, "<v, J'w> and <Jv, w>", slope, forward, SAME * (1 + along + magnitude));

    const double numeric = differences(&g, t, v, NULL, slope, DIFFERENT * (1 + along));
    require_near(&g, t, "<v, J'w> and central differences", slope, numeric, DIFFERENT * (1 + along));
    if (seed % CURVED == 0) try_curvature(&g, t, recorded, v);
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
    tcase_add_test(c, gradients_have_the_same_bits_twice);
    TCase *one = tcase_create("one");
    suite_add_tcase(s, one);
    tcase_add_test(one, the_graph_that_the_environment_names);
    return s;
}
