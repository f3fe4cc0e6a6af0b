/* edges_tensor: what is decided about special points of the operations that are no elementwise rows - value and gradient
 * at each, and the second derivative where it is finite though formulas may not be; in f32 and f64, swept and recorded,
 * dense and strided, on every vector level and with each matrix backend that this machine runs. */
#include "edges_support.h"

enum { MOST = 8 };

/* An operand and its gradient, for an adjoint of ones. */
typedef struct operand {
    int rank;
    int64_t dim[4];
    double x[MOST], dx[MOST];
} operand;

typedef struct point {
    const char *name;
    ag_value (*f)(const ag_value *in);
    int n_in;
    operand in[3];
    int n;
    double y[MOST];
    bool f64_only, bends;
    double d2[MOST]; /* of sum_k (k + 1) dx_k, for operand 0: where `bends` */
} point;

#define V(n, ...)    1, {n}, __VA_ARGS__
#define M(m, n, ...) 2, {m, n}, __VA_ARGS__

static ag_value last(ag_value (*f)(ag_value, const int *, int, bool), const ag_value *in) {
    return f(in[0], (const int[]){-1}, 1, false);
}
static ag_value weigh(ag_value y) {
    return ag_mul(
        y, ag_array_constant(y.tape, ag_meta_of(y)->dtype, 1, (const int64_t[]){2}, (const double[]){1, 3}));
}
static ag_value clamp(const ag_value *in) { return ag_clamp(in[0], -1, 1); }
static ag_value amax(const ag_value *in) { return last(ag_amax, in); }
static ag_value amin(const ag_value *in) { return last(ag_amin, in); }
static ag_value amax_over_both(const ag_value *in) { return ag_amax(in[0], (const int[]){0, 1}, 2, false); }
static ag_value max_dim(const ag_value *in) { return ag_max_dim(in[0], -1, false); }
static ag_value min_dim(const ag_value *in) { return ag_min_dim(in[0], -1, false); }
static ag_value max_pool2d(const ag_value *in) {
    return ag_max_pool2d(in[0], &(const ag_pool_options){.kernel = {1, {2}}});
}
static ag_value max_pool1d(const ag_value *in) {
    return ag_max_pool1d(in[0], &(const ag_pool_options){.kernel = {1, {3}}});
}
static ag_value adaptive_max_pool2d(const ag_value *in) { return ag_adaptive_max_pool2d(in[0], 1, 1); }
static ag_value norm1(const ag_value *in) { return ag_norm(in[0], 1, (const int[]){-1}, 1, false); }
static ag_value norm2(const ag_value *in) { return ag_norm(in[0], 2, (const int[]){-1}, 1, false); }
static ag_value norm_inf(const ag_value *in) { return ag_norm(in[0], INFINITY, (const int[]){-1}, 1, false); }
static ag_value distance(const ag_value *in) { return norm2((const ag_value[]){ag_sub(in[0], in[1])}); }
static ag_value hypot_of(const ag_value *in) { return ag_hypot(in[0], in[1]); }
static ag_value prod(const ag_value *in) { return last(ag_prod, in); }
static ag_value cumprod(const ag_value *in) { return ag_cumprod(in[0], -1); }
static ag_value where_positive(const ag_value *in) {
    return ag_where(ag_gt(in[0], ag_number(in[0], 0)), in[1], in[2]);
}
static ag_value logsumexp(const ag_value *in) { return last(ag_logsumexp, in); }
static ag_value softmax(const ag_value *in) { return weigh(ag_softmax(in[0], -1)); }
static ag_value masked_softmax(const ag_value *in) {
    ag_value mask = ag_full(in[0].tape, AG_BOOL, 1, (const int64_t[]){2}, 1);
    return weigh(ag_softmax(ag_masked_fill(in[0], mask, -INFINITY), -1));
}
static ag_value attend_to_none(const ag_value *in) {
    ag_value mask = ag_full(in[0].tape, AG_BOOL, 2, (const int64_t[]){1, 2}, 0);
    return ag_scaled_dot_product_attention(in[0], in[1], in[2], mask, false);
}
static ag_value attend_to_one(const ag_value *in) {
    ag_value mask = ag_array_constant(in[0].tape, AG_BOOL, 2, (const int64_t[]){1, 2}, (const double[]){0, 1});
    return ag_scaled_dot_product_attention(in[0], in[1], in[2], mask, false);
}
static ag_value deviation(const ag_value *in) { return ag_std(in[0], (const int[]){-1}, 1, false, 1); }
static ag_value variance(const ag_value *in) { return ag_var(in[0], (const int[]){-1}, 1, false, 0); }
static ag_value from_logits(const ag_value *in) {
    return ag_binary_cross_entropy_with_logits(in[0], in[1], NULL, AG_REDUCTION_NONE);
}
static ag_value class_0(const ag_value *in) {
    return ag_cross_entropy(in[0], ag_full(in[0].tape, AG_I64, 1, ag_meta_of(in[0])->dim, 0));
}
static ag_value class_0_summed(const ag_value *in) {
    ag_class_options o = AG_CLASS_DEFAULTS;
    o.reduction = AG_REDUCTION_SUM;
    return ag_cross_entropy_with(in[0], ag_full(in[0].tape, AG_I64, 1, ag_meta_of(in[0])->dim, 0), &o);
}
static ag_value ignored(const ag_value *in) {
    return ag_cross_entropy(in[0], ag_full(in[0].tape, AG_I64, 1, ag_meta_of(in[0])->dim, -100));
}
static ag_value log_softmax(const ag_value *in) { return ag_select(ag_log_softmax(in[0], -1), -1, 0); }
static ag_value sum(const ag_value *in) { return ag_sum(in[0], NULL, 0, false); }
static ag_value mean(const ag_value *in) { return ag_mean(in[0], NULL, 0, false); }
static ag_value product(const ag_value *in) { return ag_prod(in[0], NULL, 0, false); }

#define THIRD (1.0 / 3)
static const point points[] = {
    {"clamp, bounds and NaN",
     clamp,
     1,
     {{V(6, {-2, -1, 0.5, 1, 2, NAN}, {0, 1, 1, 1, 0, NAN})}},
     6,
     .y = {-1, -1, 0.5, 1, 1, NAN}},
    {"amax, 2 tie", amax, 1, {{V(3, {3, 1, 3}, {0.5, 0, 0.5})}}, 1, .y = {3}},
    {"amax, 3 tie", amax, 1, {{V(3, {-2, -2, -2}, {THIRD, THIRD, THIRD})}}, 1, .y = {-2}},
    {"amax, rows tie apart", amax, 1, {{M(2, 2, {1, 1, 0, 1}, {0.5, 0.5, 0, 1})}}, 2, .y = {1, 1}},
    {"amax of a matrix, 3 tie",
     amax_over_both,
     1,
     {{M(2, 2, {5, 5, 0, 5}, {THIRD, THIRD, 0, THIRD})}},
     1,
     .y = {5}},
    {"amin, 2 tie", amin, 1, {{V(3, {1, 3, 1}, {0.5, 0, 0.5})}}, 1, .y = {1}},
    {"amin, 3 tie", amin, 1, {{V(3, {2, 2, 2}, {THIRD, THIRD, THIRD})}}, 1, .y = {2}},
    {"amin, infinities tie", amin, 1, {{V(3, {-INF, 0, -INF}, {0.5, 0, 0.5})}}, 1, .y = {-INF}},
    {"max_dim, tie", max_dim, 1, {{V(4, {1, 3, 3, 3}, {0, 1, 0, 0})}}, 1, .y = {3}},
    {"max_dim, NaN", max_dim, 1, {{V(4, {9, NAN, NAN, INF}, {0, 1, 0, 0})}}, 1, .y = {NAN}},
    {"min_dim, tie", min_dim, 1, {{V(4, {2, 1, 1, 2}, {0, 1, 0, 0})}}, 1, .y = {1}},
    {"min_dim, NaN", min_dim, 1, {{V(4, {-INF, 1, NAN, NAN}, {0, 0, 1, 0})}}, 1, .y = {NAN}},
    {"max_pool2d, tie", max_pool2d, 1, {{4, {1, 1, 2, 2}, {1, 3, 3, 3}, {0, 1, 0, 0}}}, 1, .y = {3}},
    {"max_pool2d, NaN", max_pool2d, 1, {{4, {1, 1, 2, 2}, {9, 3, NAN, NAN}, {0, 0, 1, 0}}}, 1, .y = {NAN}},
    {"max_pool1d, tie", max_pool1d, 1, {{3, {1, 2, 3}, {7, 7, 7, 0, 1, 1}, {1, 0, 0, 0, 1, 0}}}, 2, .y = {7, 1}},
    {"adaptive_max_pool2d, tie",
     adaptive_max_pool2d,
     1,
     {{4, {1, 1, 2, 2}, {1, 1, 1, 1}, {1, 0, 0, 0}}},
     1,
     .y = {1}},
    {"1-norm at 0", norm1, 1, {{V(3, {0, 2, -3}, {0, 1, -1})}}, 1, .y = {5}, .bends = true},
    {"max-norm, 2 tie", norm_inf, 1, {{V(3, {2, -2, 1}, {0.5, -0.5, 0})}}, 1, .y = {2}, .bends = true},
    {"max-norm at 0", norm_inf, 1, {{V(3, {0, 0, 0}, {0, 0, 0})}}, 1, .y = {0}},
    {"2-norm at 0", norm2, 1, {{V(3, {0, 0, 0}, {0, 0, 0})}}, 1, .y = {0}, .bends = true},
    {"2-norm, one row at 0", norm2, 1, {{M(2, 2, {0, 0, 3, 4}, {0, 0, 0.6, 0.8})}}, 2, .y = {0, 5}},
    {"2-norm of 1e200", norm2, 1, {{V(2, {3e200, -4e200}, {0.6, -0.8})}}, 1, .y = {5e200}, .f64_only = true},
    {"2-norm of 1e-200", norm2, 1, {{V(2, {3e-200, -4e-200}, {0.6, -0.8})}}, 1, .y = {5e-200}, .f64_only = true},
    {"2-norm of 1e30", norm2, 1, {{V(2, {3e30, -4e30}, {0.6, -0.8})}}, 1, .y = {5e30}},
    {"2-norm of 1e-30", norm2, 1, {{V(2, {3e-30, -4e-30}, {0.6, -0.8})}}, 1, .y = {5e-30}},
    {"distance(x, x)",
     distance,
     2,
     {{V(2, {3, -1}, {0, 0})}, {V(2, {3, -1}, {0, 0})}},
     1,
     .y = {0},
     .bends = true},
    {"hypot of 1e200",
     hypot_of,
     2,
     {{V(1, {3e200}, {0.6})}, {V(1, {4e200}, {0.8})}},
     1,
     .y = {5e200},
     .f64_only = true},
    {"prod, one zero", prod, 1, {{V(3, {2, 0, 5}, {0, 10, 0})}}, 1, .y = {0}, .bends = true, .d2 = {10, 11, 4}},
    {"prod, two zeros", prod, 1, {{V(3, {0, 3, 0}, {0, 0, 0})}}, 1, .y = {0}, .bends = true, .d2 = {9, 0, 3}},
    {"prod, three zeros", prod, 1, {{V(3, {0, 0, 0}, {0, 0, 0})}}, 1, .y = {0}, .bends = true},
    {"prod, a zero in one row",
     prod,
     1,
     {{M(2, 2, {0, 4, 2, 3}, {4, 0, 3, 2})}},
     2,
     .y = {0, 6},
     .bends = true,
     .d2 = {2, 1, 4, 3}},
    {"cumprod, a zero",
     cumprod,
     1,
     {{V(3, {2, 0, 5}, {1, 12, 0})}},
     3,
     .y = {2, 0, 0},
     .bends = true,
     .d2 = {12, 12, 4}},
    {"cumprod, two zeros",
     cumprod,
     1,
     {{V(3, {0, 3, 0}, {4, 0, 0})}},
     3,
     .y = {0, 0, 0},
     .bends = true,
     .d2 = {11, 1, 3}},
    {"where, the other branch",
     where_positive,
     3,
     {{V(4, {1, 0, 1, -1}, {0, 0, 0, 0})},
      {V(4, {5, NAN, 6, INF}, {1, 0, 1, 0})},
      {V(4, {NAN, 7, -INF, 8}, {0, 1, 0, 1})}},
     4,
     .y = {5, 7, 6, 8}},
    {"logsumexp of all -inf", logsumexp, 1, {{V(2, {-INF, -INF}, {0, 0})}}, 1, .y = {-INF}, .bends = true},
    {"logsumexp of [inf, 0]", logsumexp, 1, {{V(2, {INF, 0}, {1, 0})}}, 1, .y = {INF}, .bends = true},
    {"logsumexp, one row of -inf",
     logsumexp,
     1,
     {{M(2, 2, {-INF, -INF, 3, -INF}, {0, 0, 1, 0})}},
     2,
     .y = {-INF, 3}},
    {"logsumexp at 1e4", logsumexp, 1, {{V(2, {1e4, -1e4}, {1, 0})}}, 1, .y = {1e4}, .bends = true},
    {"softmax, a hidden row",
     softmax,
     1,
     {{M(2, 2, {-INF, -INF, 0, 0}, {0, 0, -0.5, 0.5})}},
     4,
     .y = {0, 0, 0.5, 1.5}},
    {"softmax under a mask",
     masked_softmax,
     1,
     {{M(2, 2, {1, 2, 3, 4}, {0, 0, 0, 0})}},
     4,
     .y = {0, 0, 0, 0},
     .bends = true},
    {"attention, all keys hidden",
     attend_to_none,
     3,
     {{M(1, 2, {1, 2}, {0, 0})}, {M(2, 2, {1, 2, 3, 4}, {0, 0, 0, 0})}, {M(2, 2, {5, 6, 7, 8}, {0, 0, 0, 0})}},
     2,
     .y = {0, 0}},
    {"attention, one key hidden",
     attend_to_one,
     3,
     {{M(1, 2, {1, 2}, {0, 0})}, {M(2, 2, {1, 2, 3, 4}, {0, 0, 0, 0})}, {M(2, 2, {5, 6, 7, 8}, {0, 0, 1, 1})}},
     2,
     .y = {7, 8}},
    {"std of a constant", deviation, 1, {{V(3, {0.1, 0.1, 0.1}, {0, 0, 0})}}, 1, .y = {0}, .bends = true},
    {"std, one row constant", deviation, 1, {{M(2, 2, {7, 7, 1, 1}, {0, 0, 0, 0})}}, 2, .y = {0, 0}},
    {"var with a large mean",
     variance,
     1,
     {{V(4, {1e15 + 1, 1e15 + 2, 1e15 + 3, 1e15 + 4}, {-0.75, -0.25, 0.25, 0.75})}},
     1,
     .y = {1.25},
     .f64_only = true},
    {"var with a large mean, f32",
     variance,
     1,
     {{V(4, {8388609, 8388610, 8388611, 8388612}, {-0.75, -0.25, 0.25, 0.75})}},
     1,
     .y = {1.25}},
    {"binary_cross_entropy_with_logits at 1e4",
     from_logits,
     2,
     {{V(4, {1e4, -1e4, 1e4, -1e4}, {0, 0, 1, -1})}, {V(4, {1, 0, 0, 1}, {-1e4, 1e4, -1e4, 1e4})}},
     4,
     .y = {0, 0, 1e4, 1e4},
     .bends = true},
    {"cross_entropy at 1e4",
     class_0,
     1,
     {{M(2, 2, {1e4, -1e4, -1e4, 1e4}, {0, 0, -0.5, 0.5})}},
     1,
     .y = {1e4},
     .bends = true},
    {"cross_entropy at 1e4, summed",
     class_0_summed,
     1,
     {{M(2, 2, {1e4, -1e4, -1e4, 1e4}, {0, 0, -1, 1})}},
     1,
     .y = {2e4},
     .bends = true},
    {"log_softmax at 1e4", log_softmax, 1, {{V(2, {-1e4, 1e4}, {1, -1})}}, 1, .y = {-2e4}, .bends = true},
    {"cross_entropy, every target ignored",
     ignored,
     1,
     {{M(2, 2, {1, 1e4, NAN, INF}, {0, 0, 0, 0})}},
     1,
     .y = {0}},
    {"cross_entropy, empty batch", class_0, 1, {{.rank = 2, .dim = {0, 3}}}, 1, .y = {0}},
    {"cross_entropy, empty batch, summed", class_0_summed, 1, {{.rank = 2, .dim = {0, 3}}}, 1, .y = {0}},
    {"sum of nothing", sum, 1, {{.rank = 2, .dim = {0, 3}}}, 1, .y = {0}},
    {"prod of nothing", product, 1, {{.rank = 2, .dim = {3, 0}}}, 1, .y = {1}},
    {"mean of nothing", mean, 1, {{.rank = 1, .dim = {0}}}, 1, .y = {NAN}},
    {"sum of inf and NaN", sum, 1, {{V(3, {INF, NAN, 1}, {1, 1, 1})}}, 1, .y = {NAN}},
};
enum { POINTS = sizeof points / sizeof points[0] };

/* ---- one point, every way ------------------------------------------------------------------------------------------- */

static void agree(const point *p, const char *how, const char *what, const double *got, const double *expected,
                  int64_t n, ag_dtype dtype) {
    for (int64_t i = 0; i < n; i++) {
        const double tolerance = 4 * (dtype == AG_F32 ? EPS32 : EPS64) * fabs(expected[i]);
        const bool near = isfinite(expected[i]) && fabs(got[i] - expected[i]) <= tolerance;
        if (!equal(got[i], expected[i]) && !near)
            ck_abort_msg("%s, %s: %s[%d] is %.17g, not %.17g", p->name, how, what, (int)i, got[i], expected[i]);
    }
}

static void try_point(const point *p, ag_dtype dtype, bool strided, bool recorded, const char *backend) {
    ag_tape *t = tape_new();
    ag_value leaf[3], in[3], dx[3];
    double got[MOST];
    char how[80];
    snprintf(how, sizeof how, "%s, %s, %s%s", backend, ag_dtype_name(dtype), recorded ? "recorded" : "swept",
             strided ? ", strided" : "");
    for (int i = 0; i < p->n_in; i++) {
        const operand *o = &p->in[i];
        leaf[i] = in[i] = ag_array_leaf(t, dtype, o->rank, o->dim, o->x);
        if (strided) in[i] = ag_select(ag_stack((const ag_value[]){leaf[i], leaf[i]}, 2, o->rank), o->rank, 0);
    }
    const ag_value y = p->f(in);
    ck_assert_msg(ag_ok(y) && ag_read_f64(y, got, p->n) == AG_OK, "%s, %s: %s", p->name, how, ag_tape_message(t));
    agree(p, how, "y", got, p->y, p->n, dtype);
    const ag_value ones = ag_full(t, dtype, ag_meta_of(y)->rank, ag_meta_of(y)->dim, 1);
    ck_assert_msg((recorded ? ag_grad(&y, &ones, 1, leaf, p->n_in, dx) : ag_backward_from(y, ones)) == AG_OK,
                  "%s, %s: %s", p->name, how, ag_tape_message(t));
    for (int i = 0; i < p->n_in; i++) {
        const int64_t n = ag_meta_count(ag_meta_of(leaf[i]));
        char what[16];
        snprintf(what, sizeof what, "dx%d", i);
        ck_assert_int_eq(recorded ? ag_read_f64(dx[i], got, n) : ag_adjoint_f64(leaf[i], got, n), AG_OK);
        agree(p, how, what, got, p->in[i].dx, n, dtype);
    }
    if (recorded && p->bends) {
        static const double weight[MOST] = {1, 2, 3, 4, 5, 6, 7, 8};
        const ag_meta *meta = ag_meta_of(leaf[0]);
        const ag_value w = ag_array_constant(t, dtype, meta->rank, meta->dim, weight);
        ag_value d2;
        ck_assert_int_eq(ag_grad(&dx[0], &w, 1, &leaf[0], 1, &d2), AG_OK);
        ck_assert_int_eq(ag_read_f64(d2, got, ag_meta_count(meta)), AG_OK);
        agree(p, how, "d2", got, p->d2, ag_meta_count(meta), dtype);
    }
    ag_tape_free(t);
}

static void try_kinds(const point *p, const char *backend) {
    for (int kind = 0; kind < 8; kind++) {
        const ag_dtype dtype = kind & 1 ? AG_F32 : AG_F64;
        if (dtype == AG_F32 && p->f64_only) continue;
        try_point(p, dtype, kind & 2, kind & 4, backend);
    }
}

START_TEST(an_edge_in_every_dtype_layout_sweep_and_backend) {
    const point *p = &points[_i];
    int n;
    const agx_vectors *const *levels = agx_vector_levels(&n);
    for (int l = 0; l < n; l++) {
        agx_vector_force(levels[l]);
        try_kinds(p, levels[l]->level);
    }
    agx_vector_force(NULL);
    for (const char *const *backend = agx_matmul_backends(); *backend; backend++) {
        ck_assert_int_eq(agx_matmul_force(*backend), AG_OK);
        try_kinds(p, *backend);
    }
    ck_assert_int_eq(agx_matmul_force(NULL), AG_OK);
}
END_TEST

Suite *edges_tensor_suite(void) {
    Suite *s = suite_create("edges_tensor");
    TCase *c = tcase_create("edges_tensor");
    suite_add_tcase(s, c);
    tcase_add_loop_test(c, an_edge_in_every_dtype_layout_sweep_and_backend, 0, POINTS);
    return s;
}
