/* triangular: the Cholesky factor, and substitution with triangular matrices, which its derivative is made of.
 *
 * triangular_part is the projection that both derivatives end in: what lies outside the triangle was not read. */
#include "factor_impl.h"

/* ---- triangular_part: a triangle of x, its diagonal times a weight, zeros elsewhere ------------------------------------ */

static ag_status part_infer(const ag_query *q, ag_meta *out) {
    out->dtype = q->in[0]->dtype;
    agx_copy_shape(q->in[0], out);
    return agx_check_square(q, 0);
}

static ag_status part_forward(const ag_eval *e) {
    const agx_triangular_part_attrs *a = e->attrs;
    const ag_meta *x = e->in[0].meta;
    const int64_t n = x->dim[x->rank - 1], rows = agx_matrix_count(x) * n;
    double *row;
    ag_status status = agx_doubles(e, n, &row);
    if (status != AG_OK) return status;
    for (int64_t r = 0; r < rows; r++) {
        const int64_t i = r % n, from = a->upper ? 0 : i + 1, to = a->upper ? i : n;
        agx_matrix_read(&e->in[0], r, n, row);
        for (int64_t j = from; j < to; j++) row[j] = 0;
        row[i] = a->weight == 0 ? 0 : row[i] * a->weight;
        agx_matrix_write(row, r, n, &e->out[0]);
    }
    return AG_OK;
}

/** Linear and diagonal: its own transpose. */
static ag_status part_vjp(ag_reverse *r) {
    if (ag_wants(r, 0)) ag_give(r, 0, agx_apply1(ag_rule_op(r), ag_dy(r, 0), ag_rule_attrs(r)));
    return AG_OK;
}

static const char *const part_partials[] = {"1 in the triangle, the weight on the diagonal, else 0"};
static const ag_field part_fields[] = {
    {"upper", AG_FIELD_BOOL, offsetof(agx_triangular_part_attrs, upper), 0},
    {"weight", AG_FIELD_REAL, offsetof(agx_triangular_part_attrs, weight), 1},
};
static const ag_probe_case part_cases[] = {
    {&(const agx_triangular_part_attrs){false, 0.5}, 1, {{AG_F64, 2, {3, 3}, 0, 0}}},
    {&(const agx_triangular_part_attrs){true, 1}, 1, {{AG_F64, 3, {2, 2, 2}, 0, 0}}},
    {&(const agx_triangular_part_attrs){true, 0}, 1, {{AG_F64, 4, {2, 1, 3, 3}, 0, 0}}},
    {&(const agx_triangular_part_attrs){false, 1}, 1, {{AG_F64, 2, {0, 0}, 0, 0}}},
    {&(const agx_triangular_part_attrs){false, 1}, 1, {{AG_F64, 2, {1, 1}, 0, 0}}},
};
static const ag_probe part_probe = {.lo = {-2}, .hi = {2}, .n_cases = 5, .cases = part_cases};

const ag_op agx_op_triangular_part = {
    .name = "triangular_part",
    .formula = "a triangle of x",
    .partials = part_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .traits = AG_TRAIT_LINEAR,
    .attr_size = sizeof(agx_triangular_part_attrs),
    .fields = part_fields,
    .n_fields = 2,
    .infer = part_infer,
    .forward = part_forward,
    .vjp = part_vjp,
    .cost = agx_cost_elements,
    .probe = &part_probe,
};

static ag_value triangle_of(ag_value x, bool upper, double weight) {
    return agx_apply1(&agx_op_triangular_part, x, &(const agx_triangular_part_attrs){upper, weight});
}

/* ---- solve_triangular ---------------------------------------------------------------------------------------------------- */

static ag_status triangular_infer(const ag_query *q, ag_meta *out) {
    const agx_solve_triangular_attrs *a = q->attrs;
    const ag_meta *x = q->in[0], *y = q->in[1];
    if (x->rank < 2 || x->dim[x->rank - 1] != x->dim[x->rank - 2])
        return ag_fail(q->error, AG_ERROR_SHAPE, "operand 0 must hold square matrices (..., n, n)");
    const int64_t n = x->dim[x->rank - 1];
    if (y->rank < 2 || y->dim[y->rank - (a->left ? 2 : 1)] != n)
        return ag_fail(
            q->error, AG_ERROR_SHAPE,
            a->left ? "operand 1 must be (..., %" PRId64 ", k)" : "operand 1 must be (..., k, %" PRId64 ")", n);
    ag_status status = agx_promote_float(q, 2, &out->dtype);
    if (status == AG_OK) status = agx_broadcast_stacks(q, (const int[2]){x->rank - 2, y->rank - 2}, out);
    if (status != AG_OK) return status;
    for (int k = 2; k > 0; k--) out->dim[out->rank++] = y->dim[y->rank - k];
    return agx_check_size(q, out);
}

/** z x = y is x^T z^T = y^T: the same substitution, seen through other strides. */
static ag_status triangular_forward(const ag_eval *e) {
    const agx_solve_triangular_attrs *attrs = e->attrs;
    const ag_meta *x = e->in[0].meta, *y = e->in[1].meta, *z = e->out[0].meta;
    const int64_t n = x->dim[x->rank - 1], k = y->dim[y->rank - (attrs->left ? 1 : 2)];
    const int64_t systems = agx_matrix_count(z);
    double *a, *b;
    ag_status status = agx_doubles(e, n * n, &a);
    if (status == AG_OK) status = agx_doubles(e, n * k, &b);
    if (status != AG_OK) return status;
    const agx_triangle t = {.a = a,
                            .n = n,
                            .row = attrs->left ? n : 1,
                            .col = attrs->left ? 1 : n,
                            .upper = attrs->left == attrs->upper,
                            .unit = attrs->unitriangular};
    for (int64_t s = 0; s < systems; s++) {
        agx_matrix_read(&e->in[0], agx_stack_index(x, x->rank - 2, z, z->rank - 2, s), n * n, a);
        agx_matrix_read(&e->in[1], agx_stack_index(y, y->rank - 2, z, z->rank - 2, s), n * k, b);
        agx_substitute(&t, k, b, attrs->left ? k : 1, attrs->left ? 1 : n);
        agx_matrix_write(b, s, n * k, &e->out[0]);
    }
    return AG_OK;
}

/** x z = y: dy = x^-T dz, dx = -dy z^T in the triangle. z x = y: dy = dz x^-T, dx = -z^T dy. */
static ag_status triangular_vjp(ag_reverse *r) {
    const agx_solve_triangular_attrs *a = ag_rule_attrs(r);
    if (!ag_wants(r, 0) && !ag_wants(r, 1)) return AG_OK;
    const agx_solve_triangular_attrs other = {!a->upper, a->left, a->unitriangular};
    const ag_value dy =
        agx_apply2(&agx_op_solve_triangular, ag_transpose(ag_in(r, 0), -2, -1), ag_dy(r, 0), &other);
    if (ag_wants(r, 0)) {
        const ag_value z = ag_transpose(ag_out(r, 0), -2, -1);
        const ag_value product = a->left ? ag_matmul(dy, z) : ag_matmul(z, dy);
        ag_give(r, 0, triangle_of(ag_neg(product), a->upper, a->unitriangular ? 0 : 1));
    }
    if (ag_wants(r, 1)) ag_give(r, 1, dy);
    return AG_OK;
}

static double triangular_cost(const ag_query *q) {
    const ag_meta *x = q->in[0];
    return (double)ag_meta_count(q->in[1]) * (double)x->dim[x->rank - 1];
}

static const char *const triangular_partials[] = {"-dy z^T in the triangle", "x^-T dz"};
static const ag_field triangular_fields[] = {
    {"upper", AG_FIELD_BOOL, offsetof(agx_solve_triangular_attrs, upper), 0},
    {"left", AG_FIELD_BOOL, offsetof(agx_solve_triangular_attrs, left), 1},
    {"unitriangular", AG_FIELD_BOOL, offsetof(agx_solve_triangular_attrs, unitriangular), 0},
};
#define CASE(...) &(const agx_solve_triangular_attrs){__VA_ARGS__}, 2
/* Matrices of elements in [1, 2] have diagonals that can be divided by. */
static const ag_probe_case triangular_cases[] = {
    {CASE(false, true, false), {{AG_F64, 2, {3, 3}, 1, 2}, {AG_F64, 2, {3, 2}, 0, 0}}},
    {CASE(true, true, false), {{AG_F64, 2, {3, 3}, 1, 2}, {AG_F64, 2, {3, 1}, 0, 0}}},
    {CASE(false, false, false), {{AG_F64, 3, {2, 2, 2}, 1, 2}, {AG_F64, 3, {2, 3, 2}, 0, 0}}},
    {CASE(true, false, true), {{AG_F64, 2, {3, 3}, 1, 2}, {AG_F64, 3, {2, 2, 3}, 0, 0}}},
    {CASE(false, true, true), {{AG_F64, 3, {2, 2, 2}, 1, 2}, {AG_F64, 2, {2, 2}, 0, 0}}},
    {CASE(true, true, false), {{AG_F64, 4, {2, 1, 2, 2}, 1, 2}, {AG_F64, 4, {1, 2, 2, 1}, 0, 0}}},
    {CASE(false, true, false), {{AG_F64, 2, {0, 0}, 0, 0}, {AG_F64, 2, {0, 2}, 0, 0}}},
    {CASE(false, true, false), {{AG_F64, 2, {1, 1}, 1, 2}, {AG_F64, 2, {1, 1}, 0, 0}}},
};
#undef CASE
static const ag_probe triangular_probe = {.lo = {-2, -2}, .hi = {2, 2}, .n_cases = 8, .cases = triangular_cases};

const ag_op agx_op_solve_triangular = {
    .name = "solve_triangular",
    .formula = "x^-1 y, x triangular",
    .partials = triangular_partials,
    .min_in = 2,
    .max_in = 2,
    .outputs = 1,
    .keeps = AG_IN(0) | AG_OUT(0),
    .attr_size = sizeof(agx_solve_triangular_attrs),
    .fields = triangular_fields,
    .n_fields = 3,
    .infer = triangular_infer,
    .forward = triangular_forward,
    .vjp = triangular_vjp,
    .cost = triangular_cost,
    .probe = &triangular_probe,
};

ag_value ag_solve_triangular(ag_value x, ag_value y, bool upper, bool left, bool unitriangular) {
    return agx_apply2(&agx_op_solve_triangular, x, y,
                      &(const agx_solve_triangular_attrs){upper, left, unitriangular});
}

/* ---- cholesky -------------------------------------------------------------------------------------------------------------- */

static ag_status cholesky_forward(const ag_eval *e) {
    const agx_cholesky_attrs *attrs = e->attrs;
    const ag_meta *x = e->in[0].meta;
    const int64_t n = x->dim[x->rank - 1], matrices = agx_matrix_count(x);
    double *a;
    ag_status status = agx_doubles(e, n * n, &a);
    if (status != AG_OK) return status;
    for (int64_t m = 0; m < matrices; m++) {
        agx_matrix_read(&e->in[0], m, n * n, a);
        for (int64_t i = 0; attrs->symmetrize && i < n; i++)
            for (int64_t j = 0; j < i; j++) a[i * n + j] = a[i * n + j] / 2 + a[j * n + i] / 2;
        const int64_t bad = agx_cholesky(n, a);
        if (bad != AGX_FACTORED)
            return ag_fail(e->error, AG_ERROR_VALUE,
                           "matrix %" PRId64 " is not positive definite: its leading minor of order %" PRId64
                           " is not",
                           m, bad + 1);
        agx_matrix_write(a, m, n * n, &e->out[0]);
    }
    return AG_OK;
}

/** x = l l^T: with s = l^-T phi(l^T dl) l^-1, where phi takes the lower triangle and half of the diagonal, dx is the
 *  symmetric part of s; or, where only the lower triangle was read, phi(s + s^T).
 *  Source: Murray 2016, "Differentiation of the Cholesky decomposition" */
static ag_status cholesky_vjp(ag_reverse *r) {
    const agx_cholesky_attrs *a = ag_rule_attrs(r);
    if (!ag_wants(r, 0)) return AG_OK;
    const ag_value l = ag_out(r, 0), transposed = ag_transpose(l, -2, -1);
    const ag_value phi = triangle_of(ag_matmul(transposed, ag_dy(r, 0)), false, 0.5);
    const ag_value half = ag_solve_triangular(transposed, phi, true, true, false);
    const ag_value s = ag_solve_triangular(l, half, false, false, false);
    const ag_value both = ag_add(s, ag_transpose(s, -2, -1));
    ag_give(r, 0, a->symmetrize ? ag_mul_number(both, 0.5) : triangle_of(both, false, 0.5));
    return AG_OK;
}

static double cholesky_cost(const ag_query *q) { return agx_matrix_cost(q, 1.0 / 3); }

static const char *const cholesky_partials[] = {"sym(y^-T phi(y^T dy) y^-1)"};
static const ag_field cholesky_fields[] = {
    {"symmetrize", AG_FIELD_BOOL, offsetof(agx_cholesky_attrs, symmetrize), 1},
};
/* A random matrix is positive definite for certain only at order 1; x x^T + n of larger ones is in the suite. */
static const ag_probe_case cholesky_cases[] = {
    {&(const agx_cholesky_attrs){true}, 1, {{AG_F64, 2, {1, 1}, 1, 2}}},
    {&(const agx_cholesky_attrs){false}, 1, {{AG_F64, 3, {3, 1, 1}, 1, 2}}},
    {&(const agx_cholesky_attrs){true}, 1, {{AG_F64, 2, {0, 0}, 0, 0}}},
    {&(const agx_cholesky_attrs){false}, 1, {{AG_F64, 3, {0, 2, 2}, 0, 0}}},
};
static const ag_probe cholesky_probe = {.lo = {1}, .hi = {2}, .n_cases = 4, .cases = cholesky_cases};

const ag_op agx_op_cholesky = {
    .name = "cholesky",
    .formula = "l with l l^T = x",
    .partials = cholesky_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .keeps = AG_OUT(0),
    .attr_size = sizeof(agx_cholesky_attrs),
    .fields = cholesky_fields,
    .n_fields = 1,
    .infer = part_infer,
    .forward = cholesky_forward,
    .vjp = cholesky_vjp,
    .cost = cholesky_cost,
    .probe = &cholesky_probe,
};
ag_value ag_cholesky(ag_value x, bool symmetrize) {
    return agx_apply1(&agx_op_cholesky, x, &(const agx_cholesky_attrs){symmetrize});
}
