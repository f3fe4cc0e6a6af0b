/* edges_support: one elementwise row at one point - value and gradient, as a scalar of the strip, swept and recorded,
 * and as f32 and f64 tensors on every vector level this machine runs. */
#ifndef TESTS_EDGES_SUPPORT_H
#define TESTS_EDGES_SUPPORT_H

#include "core_support.h"

#include <autograd/kernels/kernels.h>
#include <autograd/tape_impl.h>

static inline bool equal(double x, double y) { return isnan(x) ? isnan(y) : x == y; }

#define INF   INFINITY
#define EPS64 0x1p-52
#define EPS32 0x1p-23
typedef struct edge {
    const char *name;
    enum agx_row row;
    double x, y; /* y: the second operand, or the number */
    double z, dx, dy;
} edge;
#define E(name, ...)                                                                                              \
    { #name, AGX_ROW_##name, __VA_ARGS__ }

static inline bool edge_takes_number(const edge *e) { return agx_elementwise_ops[e->row].n_fields > 0; }
static inline bool edge_is_binary(const edge *e) { return agx_elementwise_ops[e->row].min_in == 2; }

/* The numbers agree exactly, but for rounding where they are no small fractions. */
static inline void require(const edge *e, const char *how, const char *what, double got, double expected,
                           ag_dtype dtype) {
    double tolerance = dtype == AG_F32 ? 4 * 0x1p-23 : 4 * 0x1p-52;
    /* an infinity is no tolerance */
    bool good = equal(got, expected) || (isfinite(expected) && fabs(got - expected) <= tolerance * fabs(expected));
    ck_assert_msg(good, "%s(%g, %g), %s: %s is %.17g, not %.17g", e->name, e->x, e->y, how, what, got, expected);
}

/** As a scalar of the strip, swept and recorded. */
static inline void scalar_edge(const edge *e) {
    ag_tape *t = tape_new();
    for (int recorded = 0; recorded < 2; recorded++) {
        ag_value in[2] = {ag_scalar(t, e->x), ag_scalar(t, e->y)}, d[2];
        uint32_t n = edge_is_binary(e) ? 2 : 1;
        ag_value z = ag_elementwise((uint32_t)e->row, in, n, e->y);
        const char *how = recorded ? "scalar, recorded" : "scalar";
        require(e, how, "z", ag_item(z), e->z, AG_F64);
        if (recorded)
            ck_assert_int_eq(ag_grad(&z, NULL, 1, in, (int)n, d), AG_OK);
        else
            sweep(z);
        require(e, how, "dx", recorded ? ag_item(d[0]) : ag_item_grad(in[0]), e->dx, AG_F64);
        if (n == 2) require(e, how, "dy", recorded ? ag_item(d[1]) : ag_item_grad(in[1]), e->dy, AG_F64);
    }
    ag_tape_free(t);
}

/* Element `at` of n holds the edge, all others lie where nothing happens. */
static inline void tensor_edge(const edge *e, ag_dtype dtype, int64_t n, int64_t at, int kind, const char *level) {
    double x[40], y[40], z[40], d[2][40];
    const double calm = e->row == AGX_ROW_acosh ? 1.5 : 0.75;
    for (int64_t i = 0; i < n; i++) {
        x[i] = i == at ? e->x : calm;
        y[i] = i == at ? e->y : calm;
    }
    char how[80];
    snprintf(how, sizeof how, "%s, %s, element %d of %d, %s", level, ag_dtype_name(dtype), (int)at, (int)n,
             kind == 0   ? "swept"
             : kind == 1 ? "recorded"
                         : "strided");
    ag_tape *t = tape_new();
    ag_value leaf[2], in[2], dx[2], root;
    for (int i = 0; i < 2; i++) {
        in[i] = leaf[i] = ag_array_leaf(t, dtype, 1, &n, i ? y : x);
        if (kind == 2)
            in[i] = ag_select(ag_stack((const ag_value[]){leaf[i], leaf[i]}, 2, 1), 1, 0); /* stride 2 */
    }
    int operands = edge_is_binary(e) ? 2 : 1;
    const ag_attr number = {.name = "c", .kind = AG_FIELD_REAL, .as.real = e->y};
    ck_assert_int_eq(
        ag_call(t, e->name, in, (uint32_t)operands, &(ag_attrs){edge_takes_number(e) ? 1 : 0, &number}, &root),
        AG_OK);
    ck_assert_int_eq(ag_read_f64(root, z, n), AG_OK);
    require(e, how, "z", z[at], e->z, dtype);
    ag_value seed = ag_full(t, dtype, 1, &n, 1);
    if (kind == 1)
        ck_assert_int_eq(ag_grad(&root, &seed, 1, leaf, operands, dx), AG_OK);
    else
        ck_assert_int_eq(ag_backward_from(root, seed), AG_OK);
    for (int i = 0; i < operands; i++) {
        ck_assert_int_eq(kind == 1 ? ag_read_f64(dx[i], d[i], n) : ag_adjoint_f64(leaf[i], d[i], n), AG_OK);
        require(e, how, i ? "dy" : "dx", d[i][at], i ? e->dy : e->dx, dtype);
        for (int64_t k = 0; k < n; k++) /* the edge stays where it is */
            ck_assert_msg(k == at || (isfinite(d[i][k]) && isfinite(z[k])) || edge_takes_number(e),
                          "%s, %s: element %d, too", e->name, how, (int)k);
    }
    ag_tape_free(t);
}

/** As an array, swept, recorded and strided, on every level of vector instructions. */
static inline void tensor_edge_on_every_level(const edge *e) {
    int n;
    const agx_vectors *const *levels = agx_vector_levels(&n);
    ck_assert_int_gt(n, 0);
    for (int l = 0; l < n; l++) {
        agx_vector_force(levels[l]);
        for (int f = 0; f < 2; f++) {
            ag_dtype dtype = f ? AG_F32 : AG_F64;
            tensor_edge(e, dtype, 1, 0, 0, levels[l]->level);
            for (int kind = 0; kind < 3; kind++) {
                tensor_edge(e, dtype, 37, 3, kind, levels[l]->level);
                tensor_edge(e, dtype, 37, 36, kind, levels[l]->level);
            }
        }
    }
    agx_vector_force(NULL);
}

#endif
