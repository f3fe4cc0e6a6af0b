/* solve: systems of linear equations - inverse and solve, by LU with partial pivoting.
 *
 * f32 is factored in f64. A matrix is singular when a pivot is exactly zero; one that is only nearly so gives the large
 * numbers it deserves. */
#include "factor_impl.h"

static ag_status refuse_singular(const ag_eval *e, int64_t matrix, int64_t column) {
    return ag_fail(e->error, AG_ERROR_VALUE, "matrix %" PRId64 " is singular: column %" PRId64 " has no pivot",
                   matrix, column);
}

/* ---- inverse ------------------------------------------------------------------------------------------------------- */

static ag_status inverse_infer(const ag_query *q, ag_meta *out) {
    out->dtype = q->in[0]->dtype;
    agx_copy_shape(q->in[0], out);
    return agx_check_square(q, 0);
}

static ag_status inverse_forward(const ag_eval *e) {
    const ag_meta *x = e->in[0].meta;
    const int64_t n = x->dim[x->rank - 1], matrices = agx_matrix_count(x);
    double *a, *b, sign;
    int64_t *pivot = ag_scratch(e->work, (size_t)n * sizeof *pivot);
    ag_status status = agx_doubles(e, n * n, &a);
    if (status == AG_OK) status = agx_doubles(e, n * n, &b);
    if (status != AG_OK) return status;
    if (!pivot) return ag_fail(e->error, AG_ERROR_MEMORY, "no memory for pivots");
    for (int64_t m = 0; m < matrices; m++) {
        agx_matrix_read(&e->in[0], m, n * n, a);
        const int64_t missing = agx_lu(n, a, pivot, &sign);
        if (missing != AGX_FACTORED) return refuse_singular(e, m, missing);
        for (int64_t i = 0; i < n * n; i++) b[i] = i % (n + 1) == 0;
        agx_lu_solve(n, n, a, pivot, b);
        agx_matrix_write(b, m, n * n, &e->out[0]);
    }
    return AG_OK;
}

/** y = x^-1: dx = -y^T dy y^T. */
static ag_status inverse_vjp(ag_reverse *r) {
    if (!ag_wants(r, 0)) return AG_OK;
    const ag_value y = ag_transpose(ag_out(r, 0), -2, -1);
    ag_give(r, 0, ag_neg(ag_matmul(ag_matmul(y, ag_dy(r, 0)), y)));
    return AG_OK;
}

static double inverse_cost(const ag_query *q) { return agx_matrix_cost(q, 2); }

static const char *const inverse_partials[] = {"-y^T dy y^T"};
/* Random matrices of small order are rarely close to singular; larger, conditioned ones are in the suite. */
static const ag_probe_case inverse_cases[] = {
    {NULL, 1, {{AG_F64, 2, {1, 1}, 1, 2}}},       {NULL, 1, {{AG_F64, 2, {2, 2}, 0, 0}}},
    {NULL, 1, {{AG_F64, 2, {3, 3}, 0, 0}}},       {NULL, 1, {{AG_F64, 3, {2, 3, 3}, 0, 0}}},
    {NULL, 1, {{AG_F64, 4, {2, 1, 2, 2}, 0, 0}}}, {NULL, 1, {{AG_F64, 2, {0, 0}, 0, 0}}},
    {NULL, 1, {{AG_F64, 3, {0, 2, 2}, 0, 0}}},
};
static const ag_probe inverse_probe = {.lo = {-2}, .hi = {2}, .n_cases = 7, .cases = inverse_cases};

const ag_op agx_op_inverse = {
    .name = "inverse",
    .formula = "x^-1",
    .partials = inverse_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .keeps = AG_OUT(0),
    .infer = inverse_infer,
    .forward = inverse_forward,
    .vjp = inverse_vjp,
    .cost = inverse_cost,
    .probe = &inverse_probe,
};
ag_value ag_inverse(ag_value x) { return agx_apply1(&agx_op_inverse, x, NULL); }

/* ---- solve ---------------------------------------------------------------------------------------------------------- */

/** PyTorch's rule: y holds vectors when it has rank 1, or exactly the shape of x without its last axis. */
static bool holds_vectors(const ag_meta *x, const ag_meta *y) {
    if (y->rank == 1) return true;
    if (y->rank != x->rank - 1) return false;
    for (int k = 0; k < y->rank; k++)
        if (y->dim[k] != x->dim[k]) return false;
    return true;
}

static ag_status solve_infer(const ag_query *q, ag_meta *out) {
    const ag_meta *x = q->in[0], *y = q->in[1];
    if (x->rank < 2 || x->dim[x->rank - 1] != x->dim[x->rank - 2])
        return ag_fail(q->error, AG_ERROR_SHAPE, "operand 0 must hold square matrices (..., n, n)");
    const int64_t n = x->dim[x->rank - 1];
    const bool vectors = holds_vectors(x, y);
    const int columns = vectors ? 0 : 1;
    if (y->rank < 1 || y->dim[y->rank - 1 - columns] != n)
        return ag_fail(q->error, AG_ERROR_SHAPE, "operand 1 must be (..., %" PRId64 ", k) or (..., %" PRId64 ")",
                       n, n);
    ag_status status = agx_promote_float(q, 2, &out->dtype);
    if (status == AG_OK) status = agx_broadcast_stacks(q, (const int[2]){x->rank - 2, y->rank - 1 - columns}, out);
    if (status != AG_OK) return status;
    out->dim[out->rank++] = n;
    if (columns) out->dim[out->rank++] = y->dim[y->rank - 1];
    return agx_check_size(q, out);
}

static ag_status solve_forward(const ag_eval *e) {
    const ag_meta *x = e->in[0].meta, *y = e->in[1].meta, *z = e->out[0].meta;
    const int tail = holds_vectors(x, y) ? 1 : 2, out_rank = z->rank - tail;
    const int64_t n = x->dim[x->rank - 1], k = tail == 1 ? 1 : y->dim[y->rank - 1];
    int64_t systems = 1, factored = -1;
    for (int d = 0; d < out_rank; d++) systems *= z->dim[d];
    double *a, *b, sign;
    int64_t *pivot = ag_scratch(e->work, (size_t)n * sizeof *pivot);
    ag_status status = agx_doubles(e, n * n, &a);
    if (status == AG_OK) status = agx_doubles(e, n * k, &b);
    if (status != AG_OK) return status;
    if (!pivot) return ag_fail(e->error, AG_ERROR_MEMORY, "no memory for pivots");
    for (int64_t s = 0; s < systems; s++) {
        const int64_t m = agx_stack_index(x, x->rank - 2, z, out_rank, s);
        if (m != factored) {
            agx_matrix_read(&e->in[0], m, n * n, a);
            const int64_t missing = agx_lu(n, a, pivot, &sign);
            if (missing != AGX_FACTORED) return refuse_singular(e, m, missing);
            factored = m;
        }
        agx_matrix_read(&e->in[1], agx_stack_index(y, y->rank - tail, z, out_rank, s), n * k, b);
        agx_lu_solve(n, k, a, pivot, b);
        agx_matrix_write(b, s, n * k, &e->out[0]);
    }
    return AG_OK;
}

/** x z = y: dy = x^-T dz, dx = -dy z^T. Vectors are matrices of one column meanwhile, whatever the stacks broadcast to. */
static ag_status solve_vjp(ag_reverse *r) {
    if (!ag_wants(r, 0) && !ag_wants(r, 1)) return AG_OK;
    const bool vectors = holds_vectors(ag_in_meta(r, 0), ag_in_meta(r, 1));
    const ag_value dz = vectors ? ag_unsqueeze(ag_dy(r, 0), -1) : ag_dy(r, 0);
    const ag_value dy = ag_solve(ag_transpose(ag_in(r, 0), -2, -1), dz);
    if (ag_wants(r, 0)) {
        const ag_value z = vectors ? ag_unsqueeze(ag_out(r, 0), -1) : ag_out(r, 0);
        ag_give(r, 0, ag_neg(ag_matmul(dy, ag_transpose(z, -2, -1))));
    }
    if (ag_wants(r, 1)) ag_give(r, 1, vectors ? ag_squeeze(dy, -1) : dy);
    return AG_OK;
}

static double solve_cost(const ag_query *q) {
    const ag_meta *x = q->in[0], *y = q->in[1];
    return agx_matrix_cost(q, 2.0 / 3) + 2 * (double)x->dim[x->rank - 1] * (double)ag_meta_count(y);
}

static const char *const solve_partials[] = {"-x^-T dz z^T", "x^-T dz"};
static const ag_probe_case solve_cases[] = {
    {NULL, 2, {{AG_F64, 2, {1, 1}, 1, 2}, {AG_F64, 1, {1}, 0, 0}}},
    {NULL, 2, {{AG_F64, 2, {3, 3}, 0, 0}, {AG_F64, 2, {3, 2}, 0, 0}}},
    {NULL, 2, {{AG_F64, 2, {3, 3}, 0, 0}, {AG_F64, 1, {3}, 0, 0}}},
    {NULL, 2, {{AG_F64, 3, {2, 2, 2}, 0, 0}, {AG_F64, 3, {2, 2, 3}, 0, 0}}},
    {NULL, 2, {{AG_F64, 3, {2, 2, 2}, 0, 0}, {AG_F64, 2, {2, 2}, 0, 0}}},
    {NULL, 2, {{AG_F64, 3, {3, 2, 2}, 0, 0}, {AG_F64, 2, {2, 1}, 0, 0}}},
    {NULL, 2, {{AG_F64, 2, {2, 2}, 0, 0}, {AG_F64, 4, {2, 1, 2, 1}, 0, 0}}},
    {NULL, 2, {{AG_F64, 4, {2, 1, 2, 2}, 0, 0}, {AG_F64, 4, {1, 2, 2, 2}, 0, 0}}},
    {NULL, 2, {{AG_F64, 2, {0, 0}, 0, 0}, {AG_F64, 2, {0, 2}, 0, 0}}},
    {NULL, 2, {{AG_F64, 2, {2, 2}, 0, 0}, {AG_F64, 2, {2, 0}, 0, 0}}},
};
static const ag_probe solve_probe = {.lo = {-2, -2}, .hi = {2, 2}, .n_cases = 10, .cases = solve_cases};

const ag_op agx_op_solve = {
    .name = "solve",
    .formula = "x^-1 y",
    .partials = solve_partials,
    .min_in = 2,
    .max_in = 2,
    .outputs = 1,
    .keeps = AG_IN(0) | AG_OUT(0),
    .infer = solve_infer,
    .forward = solve_forward,
    .vjp = solve_vjp,
    .cost = solve_cost,
    .probe = &solve_probe,
};
ag_value ag_solve(ag_value x, ag_value y) { return agx_apply2(&agx_op_solve, x, y, NULL); }
