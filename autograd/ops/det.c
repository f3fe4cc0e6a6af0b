/* det: determinants - det, its gradient the matrix of cofactors, and slogdet.
 *
 * The gradient of det is a polynomial and exists everywhere, so it is an operation of its own whose kernel does not divide
 * by the determinant: right at singular matrices, too. */
#include "factor_impl.h"

#include <math.h>

/** det and slogdet: a number a matrix. */
static ag_status numbers_infer(const ag_query *q, ag_meta *out) {
    ag_status status = agx_check_square(q, 0);
    if (status != AG_OK) return status;
    for (uint32_t k = 0; k < q->op->outputs; k++) {
        out[k].dtype = q->in[0]->dtype;
        agx_copy_shape(q->in[0], &out[k]);
        out[k].rank -= 2;
    }
    return AG_OK;
}

/** A number a matrix, so that it broadcasts over the matrices. */
static ag_value over_matrices(ag_value x) { return ag_unsqueeze(ag_unsqueeze(x, -1), -1); }

static double factor_cost(const ag_query *q) { return agx_matrix_cost(q, 2.0 / 3); }

/* ---- det ----------------------------------------------------------------------------------------------------------- */

static ag_status det_forward(const ag_eval *e) {
    const ag_meta *x = e->in[0].meta;
    const int64_t n = x->dim[x->rank - 1], matrices = agx_matrix_count(x);
    double *a, det;
    int64_t *pivot = ag_scratch(e->work, (size_t)n * sizeof *pivot);
    ag_status status = agx_doubles(e, n * n, &a);
    if (status != AG_OK) return status;
    if (!pivot) return ag_fail(e->error, AG_ERROR_MEMORY, "no memory for pivots");
    for (int64_t m = 0; m < matrices; m++) {
        agx_matrix_read(&e->in[0], m, n * n, a);
        agx_lu(n, a, pivot, &det);
        for (int64_t k = 0; k < n; k++) det *= a[k * (n + 1)];
        agx_store(e->out[0].data, e->out[0].meta->dtype, m, det);
    }
    return AG_OK;
}

static ag_status det_vjp(ag_reverse *r) {
    if (ag_wants(r, 0))
        ag_give(r, 0, ag_mul(over_matrices(ag_dy(r, 0)), agx_apply1(&agx_op_cofactors, ag_in(r, 0), NULL)));
    return AG_OK;
}

static const char *const det_partials[] = {"dy cofactors(x)"};
static const ag_probe_case matrix_cases[] = {
    {NULL, 1, {{AG_F64, 2, {1, 1}, 1, 2}}},    {NULL, 1, {{AG_F64, 2, {2, 2}, 0, 0}}},
    {NULL, 1, {{AG_F64, 2, {3, 3}, 0, 0}}},    {NULL, 1, {{AG_F64, 2, {4, 4}, 0, 0}}},
    {NULL, 1, {{AG_F64, 3, {2, 3, 3}, 0, 0}}}, {NULL, 1, {{AG_F64, 4, {2, 1, 2, 2}, 0, 0}}},
    {NULL, 1, {{AG_F64, 2, {0, 0}, 0, 0}}},    {NULL, 1, {{AG_F64, 3, {2, 0, 0}, 0, 0}}},
    {NULL, 1, {{AG_F64, 3, {0, 2, 2}, 0, 0}}},
};
static const ag_probe matrix_probe = {.lo = {-2}, .hi = {2}, .n_cases = 9, .cases = matrix_cases};

const ag_op agx_op_det = {
    .name = "det",
    .formula = "det x",
    .partials = det_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .keeps = AG_IN(0),
    .infer = numbers_infer,
    .forward = det_forward,
    .vjp = det_vjp,
    .cost = factor_cost,
    .probe = &matrix_probe,
};
ag_value ag_det(ag_value x) { return agx_apply1(&agx_op_det, x, NULL); }

/* ---- cofactors --------------------------------------------------------------------------------------------------------- */

static ag_status cofactors_infer(const ag_query *q, ag_meta *out) {
    out->dtype = q->in[0]->dtype;
    agx_copy_shape(q->in[0], out);
    return agx_check_square(q, 0);
}

static ag_status cofactors_forward(const ag_eval *e) {
    const ag_meta *x = e->in[0].meta;
    const int64_t n = x->dim[x->rank - 1], matrices = agx_matrix_count(x);
    double *a, *c, *work;
    int64_t *order = ag_scratch(e->work, 2 * (size_t)n * sizeof *order);
    ag_status status = agx_doubles(e, n * n, &a);
    if (status == AG_OK) status = agx_doubles(e, n * n, &c);
    if (status == AG_OK) status = agx_doubles(e, n * n, &work);
    if (status != AG_OK) return status;
    if (!order) return ag_fail(e->error, AG_ERROR_MEMORY, "no memory for pivots");
    for (int64_t m = 0; m < matrices; m++) {
        agx_matrix_read(&e->in[0], m, n * n, a);
        agx_cofactors(n, a, c, work, order);
        agx_matrix_write(c, m, n * n, &e->out[0]);
    }
    return AG_OK;
}

/** c = det(x) w with w = x^-T: dx = det(x) (<w, dc> w - w dc^T w). Of n = 1 the cofactor is constant, and of n = 2
 *  linear and its own transpose: neither needs an inverse. */
static ag_status cofactors_vjp(ag_reverse *r) {
    if (!ag_wants(r, 0)) return AG_OK;
    const ag_meta *meta = ag_in_meta(r, 0);
    const ag_value dc = ag_dy(r, 0);
    const int64_t n = meta->dim[meta->rank - 1];
    if (n < 2) {
        ag_give(r, 0, ag_full(ag_rule_tape(r), meta->dtype, meta->rank, meta->dim, 0));
    } else if (n == 2) {
        ag_give(r, 0, agx_apply1(&agx_op_cofactors, dc, NULL));
    } else {
        const ag_value w = ag_transpose(ag_inverse(ag_in(r, 0)), -2, -1);
        const ag_value inner = ag_sum(ag_mul(w, dc), (const int[]){-2, -1}, 2, true);
        const ag_value across = ag_matmul(ag_matmul(w, ag_transpose(dc, -2, -1)), w);
        const ag_value det = over_matrices(ag_det(ag_in(r, 0)));
        ag_give(r, 0, ag_mul(det, ag_sub(ag_mul(inner, w), across)));
    }
    return AG_OK;
}

static double cofactors_cost(const ag_query *q) { return agx_matrix_cost(q, 8.0 / 3); }

static const char *const cofactors_partials[] = {"det(x) (<x^-T, dc> x^-T - x^-T dc^T x^-T)"};
const ag_op agx_op_cofactors = {
    .name = "cofactors",
    .formula = "det(x) x^-T",
    .partials = cofactors_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .keeps = AG_IN(0),
    .infer = cofactors_infer,
    .forward = cofactors_forward,
    .vjp = cofactors_vjp,
    .cost = cofactors_cost,
    .probe = &matrix_probe,
};

/* ---- slogdet ------------------------------------------------------------------------------------------------------------- */

static ag_status slogdet_forward(const ag_eval *e) {
    const ag_meta *x = e->in[0].meta;
    const int64_t n = x->dim[x->rank - 1], matrices = agx_matrix_count(x);
    double *a, sign;
    int64_t *pivot = ag_scratch(e->work, (size_t)n * sizeof *pivot);
    ag_status status = agx_doubles(e, n * n, &a);
    if (status != AG_OK) return status;
    if (!pivot) return ag_fail(e->error, AG_ERROR_MEMORY, "no memory for pivots");
    for (int64_t m = 0; m < matrices; m++) {
        agx_matrix_read(&e->in[0], m, n * n, a);
        agx_lu(n, a, pivot, &sign);
        double logarithm = 0; /* a sum of logarithms does not overflow as the determinant would */
        for (int64_t k = 0; k < n; k++) {
            const double u = a[k * (n + 1)];
            logarithm += log(fabs(u));
            sign *= isnan(u) ? u : (double)((u > 0) - (u < 0));
        }
        agx_store(e->out[0].data, e->out[0].meta->dtype, m, logarithm);
        agx_store(e->out[1].data, e->out[1].meta->dtype, m, sign);
    }
    return AG_OK;
}

/** d log|det x| = x^-T; the sign is constant wherever it has a derivative. */
static ag_status slogdet_vjp(ag_reverse *r) {
    if (ag_wants(r, 0))
        ag_give(r, 0, ag_mul(over_matrices(ag_dy(r, 0)), ag_transpose(ag_inverse(ag_in(r, 0)), -2, -1)));
    return AG_OK;
}

static const char *const slogdet_partials[] = {"dy x^-T"};
const ag_op agx_op_slogdet = {
    .name = "slogdet",
    .formula = "log |det x|, sign det x",
    .partials = slogdet_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 2,
    .keeps = AG_IN(0),
    .infer = numbers_infer,
    .forward = slogdet_forward,
    .vjp = slogdet_vjp,
    .cost = factor_cost,
    .probe = &matrix_probe,
};
ag_value ag_slogdet(ag_value x) { return agx_apply1(&agx_op_slogdet, x, NULL); }
