/* edges_rows: special points of the elementwise catalogue - rounding, activations, and what has an infinite slope or
 * none. test_edges has the arithmetic; how a point is tried is in edges_support. */
#include "edges_support.h"

#define HALF_PI 1.5707963267948966
#define LOG_2   0.6931471805599453
#define SELU    1.7580993408473766 /* alpha scale */

static const edge edges[] = {
    E(atan2, INF, 1, HALF_PI, 0, 0),
    E(atan2, 1, -INF, 2 * HALF_PI, 0, 0),
    E(atan2, INF, INF, HALF_PI / 2, 0, 0),
    E(atan2, NAN, INF, NAN, NAN, NAN),
    E(hypot, -INF, 3, INF, -1, 0),
    E(hypot, 2, INF, INF, 0, 1),
    E(hypot, INF, INF, INF, NAN, NAN),
    E(lgamma, 1, 0, 0, -0.57721566490153286, 0),
    E(lgamma, 0.5, 0, 0.57236494292470009, -1.9635100260214235, 0),
    E(lgamma, 0, 0, INF, -INF, 0),
    E(lgamma, -1, 0, INF, NAN, 0),
    E(lgamma, INF, 0, INF, INF, 0),
    E(lgamma, NAN, 0, NAN, NAN, 0),
    E(polygamma, 1, 0, -0.57721566490153286, 1.6449340668482264, 0),
    E(polygamma, 1, 1, 1.6449340668482264, -2.4041138063191886, 0),
    E(polygamma, 0.25, 2, -129.3277399375369, 1538.7821440091882, 0),
    E(polygamma, 0, 1, INF, -INF, 0),
    E(polygamma, -2, 1, INF, NAN, 0),
    E(polygamma, INF, 0, INF, 0, 0),
    E(polygamma, INF, 3, 0, 0, 0),
    E(polygamma, NAN, 2, NAN, NAN, 0),
    E(rsqrt, 0, 0, INF, -INF, 0),
    E(rsqrt, INF, 0, 0, 0, 0),
    E(rsqrt, -1, 0, NAN, NAN, 0),
    E(rsqrt, 4, 0, 0.5, -0.0625, 0),
    E(reciprocal, 0, 0, INF, -INF, 0),
    E(reciprocal, -INF, 0, 0, 0, 0),
    E(exp2, 3, 0, 8, 5.5451774444795625, 0),
    E(exp2, -INF, 0, 0, 0, 0),
    E(expm1, 0, 0, 0, 1, 0),
    E(expm1, -INF, 0, -1, 0, 0),
    E(expm1, 1e-15, 0, 1.0000000000000005e-15, 1.000000000000001, 0),
    E(expm1, NAN, 0, NAN, NAN, 0),
    E(log1p, 0, 0, 0, 1, 0),
    E(log1p, -1, 0, -INF, INF, 0),
    E(log1p, -2, 0, NAN, -1, 0),
    E(log1p, 1e-15, 0, 9.999999999999995e-16, 0.999999999999999, 0),
    E(log1p, INF, 0, INF, 0, 0),
    E(log2, 8, 0, 3, 0.18033688011112043, 0),
    E(log2, 0, 0, -INF, INF, 0),
    E(log10, 1000, 0, 3, 4.3429448190325183e-4, 0),
    E(log10, 0, 0, -INF, INF, 0),
    E(log10, -1, 0, NAN, -0.43429448190325183, 0),
    E(tan, 0, 0, 0, 1, 0),
    E(tan, INF, 0, NAN, NAN, 0),
    E(asin, 1, 0, HALF_PI, INF, 0),
    E(asin, -1, 0, -HALF_PI, INF, 0),
    E(asin, 2, 0, NAN, NAN, 0),
    E(acos, 1, 0, 0, -INF, 0),
    E(acos, -1, 0, 2 * HALF_PI, -INF, 0),
    E(atan, INF, 0, HALF_PI, 0, 0),
    E(atan, -INF, 0, -HALF_PI, 0, 0),
    E(atan, NAN, 0, NAN, NAN, 0),
    E(sinh, 0, 0, 0, 1, 0),
    E(sinh, -INF, 0, -INF, INF, 0),
    E(cosh, 0, 0, 1, 0, 0),
    E(cosh, -INF, 0, INF, -INF, 0),
    E(asinh, 0, 0, 0, 1, 0),
    E(asinh, -INF, 0, -INF, 0, 0),
    E(acosh, 1, 0, 0, INF, 0),
    E(acosh, 0.5, 0, NAN, NAN, 0),
    E(acosh, INF, 0, INF, 0, 0),
    E(atanh, 1, 0, INF, INF, 0),
    E(atanh, -1, 0, -INF, INF, 0),
    E(atanh, 2, 0, NAN, -1.0 / 3, 0),
    E(erf, 0, 0, 0, 1.1283791670955126, 0),
    E(erf, INF, 0, 1, 0, 0),
    E(erf, -INF, 0, -1, 0, 0),
    E(erf, NAN, 0, NAN, NAN, 0),
    E(erfc, 0, 0, 1, -1.1283791670955126, 0),
    E(erfc, INF, 0, 0, 0, 0),
    E(erfc, -INF, 0, 2, 0, 0),
    E(floor, 0.5, 0, 0, 0, 0),
    E(floor, -0.5, 0, -1, 0, 0),
    E(floor, 2, 0, 2, 0, 0),
    E(floor, INF, 0, INF, 0, 0),
    E(floor, NAN, 0, NAN, 0, 0),
    E(ceil, 0.5, 0, 1, 0, 0),
    E(ceil, -0.5, 0, 0, 0, 0),
    E(ceil, -2, 0, -2, 0, 0),
    E(round, 0.5, 0, 0, 0, 0),
    E(round, 1.5, 0, 2, 0, 0),
    E(round, 2.5, 0, 2, 0, 0),
    E(round, -2.5, 0, -2, 0, 0),
    E(round, -INF, 0, -INF, 0, 0),
    E(trunc, -1.75, 0, -1, 0, 0),
    E(trunc, 1.75, 0, 1, 0, 0),
    E(trunc, NAN, 0, NAN, 0, 0),
    E(clamp_min, 2, 2, 2, 1, 0),
    E(clamp_min, 1, 2, 2, 0, 0),
    E(clamp_min, 3, 2, 3, 1, 0),
    E(clamp_min, NAN, 2, NAN, NAN, 0),
    E(clamp_min, -INF, 2, 2, 0, 0),
    E(clamp_max, 2, 2, 2, 1, 0),
    E(clamp_max, 3, 2, 2, 0, 0),
    E(clamp_max, 1, 2, 1, 1, 0),
    E(clamp_max, NAN, 2, NAN, NAN, 0),
    E(clamp_max, INF, 2, 2, 0, 0),
    E(relu6, 0, 0, 0, 0, 0),
    E(relu6, 6, 0, 6, 0, 0),
    E(relu6, 3, 0, 3, 1, 0),
    E(relu6, NAN, 0, NAN, NAN, 0),
    E(relu6, INF, 0, 6, 0, 0),
    E(relu6, -INF, 0, 0, 0, 0),
    E(hardtanh, -1, 0, -1, 0, 0),
    E(hardtanh, 1, 0, 1, 0, 0),
    E(hardtanh, 0.5, 0, 0.5, 1, 0),
    E(hardtanh, NAN, 0, NAN, NAN, 0),
    E(hardtanh, -INF, 0, -1, 0, 0),
    E(hardsigmoid, -3, 0, 0, 0, 0),
    E(hardsigmoid, 3, 0, 1, 0, 0),
    E(hardsigmoid, 0, 0, 0.5, (double)(1.0F / 6), 0),
    E(hardsigmoid, INF, 0, 1, 0, 0),
    E(hardsigmoid, NAN, 0, NAN, NAN, 0),
    E(hardswish, -3, 0, 0, 0, 0),
    E(hardswish, 3, 0, 3, 1, 0),
    E(hardswish, 0, 0, 0, 0.5, 0),
    E(hardswish, -INF, 0, 0, 0, 0),
    E(hardswish, INF, 0, INF, 1, 0),
    E(hardswish, NAN, 0, NAN, NAN, 0),
    E(softplus, 1e4, 0, 1e4, 1, 0),
    E(softplus, -1e4, 0, 0, 0, 0),
    E(softplus, 0, 0, LOG_2, 0.5, 0),
    E(softplus, INF, 0, INF, 1, 0),
    E(softplus, -INF, 0, 0, 0, 0),
    E(softplus, -40, 0, 4.248354255291589e-18, 4.248354255291589e-18, 0),
    E(softplus, NAN, 0, NAN, NAN, 0),
    E(log_sigmoid, 1e4, 0, 0, 0, 0),
    E(log_sigmoid, -1e4, 0, -1e4, 1, 0),
    E(log_sigmoid, 0, 0, -LOG_2, 0.5, 0),
    E(log_sigmoid, INF, 0, 0, 0, 0),
    E(log_sigmoid, -INF, 0, -INF, 1, 0),
    E(log_sigmoid, NAN, 0, NAN, NAN, 0),
    E(softsign, 0, 0, 0, 1, 0),
    E(softsign, INF, 0, 1, 0, 0),
    E(softsign, -INF, 0, -1, 0, 0),
    E(softsign, NAN, 0, NAN, NAN, 0),
    E(silu, 0, 0, 0, 0.5, 0),
    E(silu, -INF, 0, 0, 0, 0),
    E(silu, INF, 0, INF, 1, 0),
    E(silu, -1e4, 0, 0, 0, 0),
    E(silu, 1e4, 0, 1e4, 1, 0),
    E(silu, NAN, 0, NAN, NAN, 0),
    E(mish, 0, 0, 0, 0.6, 0),
    E(mish, -INF, 0, 0, 0, 0),
    E(mish, INF, 0, INF, 1, 0),
    E(mish, -1e4, 0, 0, 0, 0),
    E(mish, 1e4, 0, 1e4, 1, 0),
    E(mish, NAN, 0, NAN, NAN, 0),
    E(gelu, 0, 0, 0, 0.5, 0),
    E(gelu, -INF, 0, 0, 0, 0),
    E(gelu, INF, 0, INF, 1, 0),
    E(gelu, -1e4, 0, 0, 0, 0),
    E(gelu, 1e4, 0, 1e4, 1, 0),
    E(gelu, NAN, 0, NAN, NAN, 0),
    E(gelu_tanh, 0, 0, 0, 0.5, 0),
    E(gelu_tanh, -INF, 0, 0, 0, 0),
    E(gelu_tanh, INF, 0, INF, 1, 0),
    E(gelu_tanh, -1e4, 0, 0, 0, 0),
    E(gelu_tanh, 1e4, 0, 1e4, 1, 0),
    E(gelu_tanh, NAN, 0, NAN, NAN, 0),
    E(selu, 0, 0, 0, SELU, 0),
    E(selu, -INF, 0, -SELU, 0, 0),
    E(selu, INF, 0, INF, 1.0507009873554805, 0),
    E(selu, NAN, 0, NAN, NAN, 0),
    E(leaky_relu, 0, 0.25, 0, 0.25, 0),
    E(leaky_relu, -4, 0.25, -1, 0.25, 0),
    E(leaky_relu, INF, 0.25, INF, 1, 0),
    E(leaky_relu, NAN, 0.25, NAN, NAN, 0),
    E(elu, 0, 0.5, 0, 0.5, 0),
    E(elu, -INF, 0.5, -0.5, 0, 0),
    E(elu, INF, 0.5, INF, 1, 0),
    E(elu, NAN, 0.5, NAN, NAN, 0),
    E(celu, 0, 2, 0, 1, 0),
    E(celu, -INF, 2, -2, 0, 0),
    E(celu, INF, 2, INF, 1, 0),
    E(celu, NAN, 2, NAN, NAN, 0),
    E(atan2, 0, 0, 0, NAN, NAN),
    E(atan2, 1, 0, HALF_PI, 0, -1),
    E(atan2, -1, 0, -HALF_PI, 0, 1),
    E(atan2, 0, 1, 0, 1, 0),
    E(atan2, 0, -1, 2 * HALF_PI, -1, 0),
    E(hypot, 0, 0, 0, 0, 0),
    E(hypot, 3, 4, 5, 0.6, 0.8),
    E(hypot, -3e30, 4e30, 5e30, -0.6, 0.8),
    E(hypot, 3e-30, 4e-30, 5e-30, 0.6, 0.8),
    E(hypot, 0, -1, 1, 0, -1),
    E(hypot, NAN, 1, NAN, NAN, NAN),
    E(logaddexp, -INF, -INF, -INF, 0.5, 0.5),
    E(logaddexp, INF, INF, INF, 0.5, 0.5),
    E(logaddexp, INF, 0, INF, 1, 0),
    E(logaddexp, -INF, 0, 0, 0, 1),
    E(logaddexp, INF, -INF, INF, 1, 0),
    E(logaddexp, 1e4, 0, 1e4, 1, 0),
    E(logaddexp, 0, 0, LOG_2, 0.5, 0.5),
    E(logaddexp, NAN, 0, NAN, NAN, NAN),
    E(fmod, 5, 3, 2, 1, -1),
    E(fmod, -5, 3, -2, 1, 1),
    E(fmod, 5, -3, 2, 1, 1),
    E(fmod, 5, 0, NAN, 1, NAN),
    E(fmod, 5, INF, 5, 1, 0),
    E(fmod, INF, 1, NAN, 1, NAN),
    E(remainder, 5, 3, 2, 1, -1),
    E(remainder, -5, 3, 1, 1, 2),
    E(remainder, 5, -3, -1, 1, 2),
    E(remainder, -6, 3, 0, 1, 2),
    E(remainder, 5, 0, NAN, 1, NAN),
    E(xlogy, 0, 0, 0, 0, 0),
    E(xlogy, 0, 1, 0, 0, 0),
    E(xlogy, 0, INF, 0, INF, 0),
    E(xlogy, 0, NAN, NAN, NAN, NAN),
    E(xlogy, 0, -1, 0, 0, 0),
    E(xlogy, 2, 0, -INF, -INF, INF),
    E(xlogy, 2, 1, 0, 0, 2),
};
enum { EDGES = sizeof edges / sizeof edges[0] };

START_TEST(a_scalar_of_the_strip_at_an_edge) { scalar_edge(&edges[_i]); }
END_TEST

START_TEST(a_tensor_at_an_edge_on_every_level) { tensor_edge_on_every_level(&edges[_i]); }
END_TEST

/* ---- second derivatives: finite where mathematics is ------------------------------------------------------------- */

typedef struct second {
    const char *name;
    enum agx_row row;
    double x, c, d2;
} second;
static const second seconds[] = {
    E(softplus, INF, 0, .d2 = 0),
    E(softplus, -INF, 0, .d2 = 0),
    E(softplus, 1e4, 0, .d2 = 0),
    E(softplus, 0, 0, .d2 = 0.25),
    E(log_sigmoid, 0, 0, .d2 = -0.25),
    E(log_sigmoid, -1e4, 0, .d2 = 0),
    E(log_sigmoid, -INF, 0, .d2 = 0),
    E(softsign, INF, 0, .d2 = 0),
    E(softsign, -INF, 0, .d2 = 0),
    E(softsign, 1, 0, .d2 = -0.25),
    E(silu, -INF, 0, .d2 = 0),
    E(silu, INF, 0, .d2 = 0),
    E(silu, -1e4, 0, .d2 = 0),
    E(silu, 0, 0, .d2 = 0.5),
    E(mish, -INF, 0, .d2 = 0),
    E(mish, INF, 0, .d2 = 0),
    E(mish, -1e4, 0, .d2 = 0),
    E(mish, 0, 0, .d2 = 0.64),
    E(gelu, -INF, 0, .d2 = 0),
    E(gelu, INF, 0, .d2 = 0),
    E(gelu, -1e4, 0, .d2 = 0),
    E(gelu, 0, 0, .d2 = 0.7978845608028654),
    E(gelu_tanh, -INF, 0, .d2 = 0),
    E(gelu_tanh, INF, 0, .d2 = 0),
    E(gelu_tanh, 1e4, 0, .d2 = 0),
    E(gelu_tanh, 0, 0, .d2 = 0.7978845608028654),
    E(elu, 0, 0.5, .d2 = 0.5),
    E(elu, INF, 0.5, .d2 = 0),
    E(elu, -INF, 0.5, .d2 = 0),
    E(elu, 1e4, 0.5, .d2 = 0),
    E(celu, 0, 2, .d2 = 0.5),
    E(celu, INF, 2, .d2 = 0),
    E(selu, 0, 0, .d2 = SELU),
    E(selu, INF, 0, .d2 = 0),
    E(selu, -INF, 0, .d2 = 0),
    E(leaky_relu, 0, 0.25, .d2 = 0),
    E(leaky_relu, -INF, 0.25, .d2 = 0),
    E(relu6, 6, 0, .d2 = 0),
    E(relu6, INF, 0, .d2 = 0),
    E(hardtanh, 1, 0, .d2 = 0),
    E(hardswish, -INF, 0, .d2 = 0),
    E(hardswish, INF, 0, .d2 = 0),
    E(hardswish, 0, 0, .d2 = 1.0 / 3),
    E(hardsigmoid, -INF, 0, .d2 = 0),
    E(clamp_min, 2, 2, .d2 = 0),
    E(clamp_max, 2, 2, .d2 = 0),
    E(clamp_max, INF, 2, .d2 = 0),
    E(floor, 0.5, 0, .d2 = 0),
    E(abs, 0, 0, .d2 = 0), /* no slope to either side of a kink */
    E(abs, -0.0, 0, .d2 = 0),
    E(smooth_l1, 0, 0, .d2 = 0),
    E(atan, INF, 0, .d2 = 0),
    E(asinh, -INF, 0, .d2 = 0),
    E(acosh, INF, 0, .d2 = 0),
    E(log2, INF, 0, .d2 = 0),
    E(erf, INF, 0, .d2 = 0),
    E(erfc, -INF, 0, .d2 = 0),
    E(expm1, -INF, 0, .d2 = 0),
    E(log1p, INF, 0, .d2 = 0),
    E(asinh, 0, 0, .d2 = 0),
    E(asinh, 1, 0, .d2 = -0.3535533905932738),
    E(rsqrt, INF, 0, .d2 = 0),
    E(reciprocal, INF, 0, .d2 = 0),
};
enum { SECONDS = sizeof seconds / sizeof seconds[0] };

/* d2z/dx2 of z = f(x), the last gradient recorded or swept. */
static double bend(ag_value x, ag_value z, bool recorded) {
    ag_value d, d2;
    ck_assert_int_eq(ag_grad(&z, NULL, 1, &x, 1, &d), AG_OK);
    if (recorded) {
        ck_assert_int_eq(ag_grad(&d, NULL, 1, &x, 1, &d2), AG_OK);
        return ag_item(d2);
    }
    sweep(d);
    return ag_item_grad(x);
}

START_TEST(a_second_derivative_at_an_edge) {
    const second *e = &seconds[_i];
    int n;
    const agx_vectors *const *levels = agx_vector_levels(&n);
    for (int l = 0; l < n; l++) {
        agx_vector_force(levels[l]);
        for (int kind = 0; kind < 3; kind++) {
            const ag_dtype dtype = kind == 2 ? AG_F32 : AG_F64;
            for (int recorded = 0; recorded < 2; recorded++) {
                ag_tape *t = tape_new();
                ag_value x = kind == 0 ? ag_scalar(t, e->x) : ag_array_leaf(t, dtype, 0, NULL, &e->x);
                const double d2 = bend(x, ag_elementwise((uint32_t)e->row, &x, 1, e->c), recorded);
                ck_assert_msg(fabs(d2 - e->d2) <= (dtype == AG_F32 ? 1e-6 : 1e-15) * fabs(e->d2),
                              "%s(%g), %s %s: the second derivative is %.17g, not %.17g", e->name, e->x,
                              kind == 0 ? "scalar" : ag_dtype_name(dtype), recorded ? "recorded" : "swept", d2,
                              e->d2);
                ag_tape_free(t);
            }
        }
    }
    agx_vector_force(NULL);
}
END_TEST

START_TEST(logaddexp_bends_at_a_tie_but_not_at_infinity) {
    static const double points[][2] = {{0, 0.25}, {3, 0.25}, {-INFINITY, 0}, {INFINITY, 0}};
    for (int i = 0; i < 4; i++) {
        for (int kind = 0; kind < 4; kind++) {
            ag_tape *t = tape_new();
            const double at = points[i][0];
            ag_value x = kind & 1 ? ag_array_leaf(t, AG_F64, 0, NULL, &at) : ag_scalar(t, at);
            const double d2 = bend(x, ag_logaddexp(x, ag_number(x, at)), kind & 2);
            ck_assert_msg(d2 == points[i][1], "at %g: %g", at, d2);
            ag_tape_free(t);
        }
    }
}
END_TEST

/* The length of a vector at the origin: no direction is the steepest, so none is given, at any order. */
START_TEST(hypot_at_the_origin_has_second_derivatives_zero) {
    for (int tensor = 0; tensor < 2; tensor++) {
        ag_tape *t = tape_new();
        const double zero = 0;
        ag_value in[2], d[2], d2[2];
        for (int i = 0; i < 2; i++) in[i] = tensor ? ag_array_leaf(t, AG_F64, 0, NULL, &zero) : ag_scalar(t, 0);
        ag_value z = ag_hypot(in[0], in[1]);
        ck_assert_int_eq(ag_grad(&z, NULL, 1, in, 2, d), AG_OK);
        ag_value sum = ag_add(d[0], d[1]);
        ck_assert_int_eq(ag_grad(&sum, NULL, 1, in, 2, d2), AG_OK);
        ck_assert(ag_item(d2[0]) == 0 && ag_item(d2[1]) == 0);
        ag_tape_free(t);
    }
}
END_TEST

/* ---- clamp, and integers ------------------------------------------------------------------------------------------- */

START_TEST(clamp_lets_the_adjoint_through_at_its_bounds) {
    static const double x[6] = {-2, -1, 0.5, 1, 2, NAN}, z[6] = {-1, -1, 0.5, 1, 1, NAN},
                        dx[6] = {0, 1, 1, 1, 0, NAN};
    for (int f = 0; f < 2; f++) {
        ag_tape *t = tape_new();
        const ag_dtype dtype = f ? AG_F32 : AG_F64;
        ag_value leaf = ag_array_leaf(t, dtype, 1, (const int64_t[]){6}, x), y = ag_clamp(leaf, -1, 1);
        double got[2][6];
        ck_assert_int_eq(ag_read_f64(y, got[0], 6), AG_OK);
        ck_assert_int_eq(ag_backward_from(y, ag_full(t, dtype, 1, (const int64_t[]){6}, 1)), AG_OK);
        ck_assert_int_eq(ag_adjoint_f64(leaf, got[1], 6), AG_OK);
        for (int i = 0; i < 6; i++) ck_assert(equal(got[0][i], z[i]) && equal(got[1][i], dx[i]));
        ag_value scalar = ag_scalar(t, 3), crossed = ag_clamp(scalar, 2, 1);
        sweep(crossed);
        ck_assert(ag_item(crossed) == 1 && ag_item_grad(scalar) == 0);
        ag_tape_free(t);
    }
}
END_TEST

START_TEST(steps_and_clamp_keep_integers) {
    ag_tape *t = tape_new();
    ag_value x = ag_array_constant(t, AG_I64, 1, (const int64_t[]){3}, (const double[]){-5, 2, 9});
    const ag_value same[] = {ag_floor(x), ag_ceil(x), ag_round(x), ag_trunc(x), ag_clamp(x, -INFINITY, 9)};
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        double got[3];
        ck_assert_int_eq(ag_meta_of(same[i])->dtype, AG_I64);
        ck_assert_int_eq(ag_read_f64(same[i], got, 3), AG_OK);
        ck_assert(got[0] == -5 && got[1] == 2 && got[2] == 9);
    }
    ck_assert_int_eq(ag_meta_of(ag_gelu(x))->dtype, AG_F32);
    ag_tape_free(t);
}
END_TEST

Suite *edges_rows_suite(void) {
    Suite *s = suite_create("edges_rows");
    TCase *c = tcase_create("edges_rows");
    suite_add_tcase(s, c);
    tcase_add_loop_test(c, a_scalar_of_the_strip_at_an_edge, 0, EDGES);
    tcase_add_loop_test(c, a_tensor_at_an_edge_on_every_level, 0, EDGES);
    tcase_add_loop_test(c, a_second_derivative_at_an_edge, 0, SECONDS);
    tcase_add_test(c, logaddexp_bends_at_a_tie_but_not_at_infinity);
    tcase_add_test(c, hypot_at_the_origin_has_second_derivatives_zero);
    tcase_add_test(c, clamp_lets_the_adjoint_through_at_its_bounds);
    tcase_add_test(c, steps_and_clamp_keep_integers);
    return s;
}
