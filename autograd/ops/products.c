/* products: products that are matrix products or sums in other words - dot, outer, bilinear - and the trace. They
 * decompose where they are called. */
#include "../tape_impl.h"
#include "ops_impl.h"

#include <inttypes.h>
#include <stdio.h>

/** Fail as the operation itself: with its name, its operands and their shapes. */
static ag_status refuse(const ag_build *b, const ag_op *op, ag_status status, const char *message) {
    ag_value in[4] = {{0}};
    uint32_t n = ag_build_count(b);
    for (uint32_t i = 0; i < n; i++) in[i] = ag_build_in(b, i);
    return agx_operation_error(ag_build_tape(b), op, in, n, status, message);
}

static ag_status check_floats(const ag_build *b, const ag_op *op) {
    for (uint32_t i = 0; i < ag_build_count(b); i++)
        if (ag_dtype_is_float(ag_meta_of(ag_build_in(b, i))->dtype)) return AG_OK;
    return refuse(b, op, AG_ERROR_DTYPE, "needs a floating-point operand");
}

static ag_status check_vectors(const ag_build *b, const ag_op *op, bool same_size) {
    const ag_meta *x = ag_meta_of(ag_build_in(b, 0)), *y = ag_meta_of(ag_build_in(b, 1));
    if (x->rank != 1 || y->rank != 1) return refuse(b, op, AG_ERROR_SHAPE, "both operands must be vectors");
    if (same_size && x->dim[0] != y->dim[0])
        return refuse(b, op, AG_ERROR_SHAPE, "both vectors must have the same size");
    return AG_OK;
}

/* ---- dot ------------------------------------------------------------------------------------------------------------ */

static ag_status dot_compose(ag_build *b) {
    ag_status status = check_vectors(b, &agx_op_dot, true);
    if (status == AG_OK) status = check_floats(b, &agx_op_dot);
    if (status == AG_OK) ag_build_result(b, ag_matmul(ag_build_in(b, 0), ag_build_in(b, 1)));
    return status;
}

static const ag_probe_case dot_cases[] = {
    {NULL, 2, {{AG_F64, 1, {4}, 0, 0}, {AG_F64, 1, {4}, 0, 0}}},
    {NULL, 2, {{AG_F64, 1, {1}, 0, 0}, {AG_F64, 1, {1}, 0, 0}}},
    {NULL, 2, {{AG_F64, 1, {0}, 0, 0}, {AG_F64, 1, {0}, 0, 0}}},
};
static const ag_probe dot_probe = {.lo = {-2, -2}, .hi = {2, 2}, .n_cases = 3, .cases = dot_cases};
static const char *const product_partials[] = {"y", "x"};

const ag_op agx_op_dot = {
    .name = "dot",
    .formula = "sum_i x_i y_i",
    .partials = product_partials,
    .min_in = 2,
    .max_in = 2,
    .outputs = 1,
    .compose = dot_compose,
    .probe = &dot_probe,
};
ag_value ag_dot(ag_value x, ag_value y) { return agx_apply2(&agx_op_dot, x, y, NULL); }

/* ---- outer ----------------------------------------------------------------------------------------------------------- */

static ag_status outer_compose(ag_build *b) {
    ag_status status = check_vectors(b, &agx_op_outer, false);
    if (status == AG_OK) ag_build_result(b, ag_mul(ag_unsqueeze(ag_build_in(b, 0), 1), ag_build_in(b, 1)));
    return status;
}

static const ag_probe_case outer_cases[] = {
    {NULL, 2, {{AG_F64, 1, {2}, 0, 0}, {AG_F64, 1, {3}, 0, 0}}},
    {NULL, 2, {{AG_F64, 1, {1}, 0, 0}, {AG_F64, 1, {4}, 0, 0}}},
    {NULL, 2, {{AG_F64, 1, {0}, 0, 0}, {AG_F64, 1, {2}, 0, 0}}},
};
static const ag_probe outer_probe = {.lo = {-2, -2}, .hi = {2, 2}, .n_cases = 3, .cases = outer_cases};

const ag_op agx_op_outer = {
    .name = "outer",
    .formula = "x_i y_j",
    .partials = product_partials,
    .min_in = 2,
    .max_in = 2,
    .outputs = 1,
    .compose = outer_compose,
    .probe = &outer_probe,
};
ag_value ag_outer(ag_value x, ag_value y) { return agx_apply2(&agx_op_outer, x, y, NULL); }

/* ---- bilinear: x (..., I), y (..., J), weight (O, I, J), bias (O); z (..., O) ------------------------------------------ */

static ag_status check_bilinear(const ag_build *b) {
    const ag_meta *x = ag_meta_of(ag_build_in(b, 0)), *y = ag_meta_of(ag_build_in(b, 1));
    const ag_meta *w = ag_meta_of(ag_build_in(b, 2));
    const char *wrong = NULL;
    if (w->rank != 3)
        wrong = "the weight must have rank 3";
    else if (x->rank < 1 || y->rank != x->rank)
        wrong = "both inputs must have the same rank, 1 or more";
    else if (x->dim[x->rank - 1] != w->dim[1] || y->dim[y->rank - 1] != w->dim[2])
        wrong = "the inputs' features must be the weight's last two dimensions";
    for (int k = 0; !wrong && k < x->rank - 1; k++)
        if (x->dim[k] != y->dim[k]) wrong = "the inputs' leading dimensions must be the same";
    if (!wrong && ag_build_count(b) == 4) {
        const ag_meta *bias = ag_meta_of(ag_build_in(b, 3));
        if (bias->rank != 1 || bias->dim[0] != w->dim[0])
            wrong = "the bias must have the weight's first dimension";
    }
    if (wrong) return refuse(b, &agx_op_bilinear, AG_ERROR_SHAPE, wrong);
    return check_floats(b, &agx_op_bilinear);
}

static ag_status bilinear_compose(ag_build *b) {
    ag_status status = check_bilinear(b);
    if (status != AG_OK) return status;
    const ag_value x = ag_build_in(b, 0), y = ag_build_in(b, 1), w = ag_build_in(b, 2);
    const ag_meta *in = ag_meta_of(x), *weight = ag_meta_of(w);
    ag_meta out = *in;
    int64_t rows = 1;
    for (int k = 0; k < in->rank - 1; k++) rows *= in->dim[k];
    out.dim[in->rank - 1] = weight->dim[0];
    const ag_value left = ag_reshape(x, 2, (const int64_t[]){rows, weight->dim[1]});
    const ag_value right = ag_reshape(y, 2, (const int64_t[]){rows, weight->dim[2]});
    const ag_value product = ag_matmul(left, w); /* (O, rows, J) */
    ag_value z = ag_transpose(ag_sum(ag_mul(product, right), (const int[]){-1}, 1, false), 0, 1); /* (rows, O) */
    if (ag_build_count(b) == 4) z = ag_add(z, ag_build_in(b, 3));
    ag_build_result(b, ag_reshape(z, out.rank, out.dim));
    return AG_OK;
}

static const ag_probe_case bilinear_cases[] = {
    {NULL,
     4,
     {{AG_F64, 2, {3, 2}, 0, 0}, {AG_F64, 2, {3, 4}, 0, 0}, {AG_F64, 3, {2, 2, 4}, 0, 0}, {AG_F64, 1, {2}, 0, 0}}},
    {NULL, 3, {{AG_F64, 1, {2}, 0, 0}, {AG_F64, 1, {3}, 0, 0}, {AG_F64, 3, {2, 2, 3}, 0, 0}}},
    {NULL, 3, {{AG_F64, 3, {2, 2, 1}, 0, 0}, {AG_F64, 3, {2, 2, 2}, 0, 0}, {AG_F64, 3, {1, 1, 2}, 0, 0}}},
    {NULL,
     4,
     {{AG_F64, 2, {0, 2}, 0, 0}, {AG_F64, 2, {0, 2}, 0, 0}, {AG_F64, 3, {3, 2, 2}, 0, 0}, {AG_F64, 1, {3}, 0, 0}}},
};
static const ag_probe bilinear_probe = {
    .lo = {-2, -2, -2}, .hi = {2, 2, 2}, .n_cases = 4, .cases = bilinear_cases};

const ag_op agx_op_bilinear = {
    .name = "bilinear",
    .formula = "x^T W_o y + b_o",
    .min_in = 3,
    .max_in = 4,
    .outputs = 1,
    .compose = bilinear_compose,
    .probe = &bilinear_probe,
};
ag_value ag_bilinear(ag_value x, ag_value y, ag_value weight, ag_value bias) {
    const ag_value in[4] = {x, y, weight, bias};
    return ag_apply(NULL, &agx_op_bilinear, in, bias.tape ? 4 : 3, NULL);
}

/* ---- trace: of the last two axes ----------------------------------------------------------------------------------------- */

static ag_status trace_compose(ag_build *b) {
    const ag_value x = ag_build_in(b, 0);
    const ag_meta *in = ag_meta_of(x);
    const int rank = in->rank;
    if (rank < 2) return refuse(b, &agx_op_trace, AG_ERROR_SHAPE, "the operand must hold matrices (..., m, n)");
    const int64_t m = in->dim[rank - 2], n = in->dim[rank - 1];
    ag_meta flat = *in;
    flat.rank = rank - 1;
    flat.dim[rank - 2] = m * n;
    /* the diagonal is every (n + 1)-th element of the rows one behind the other; below an n by n matrix are more rows */
    const int64_t stop = m > n ? n * n : m * n;
    const ag_value rows = ag_reshape(x, flat.rank, flat.dim);
    ag_build_result(b, ag_sum(ag_slice(rows, -1, 0, stop, n + 1), (const int[]){-1}, 1, false));
    return AG_OK;
}

static const char *const trace_partials[] = {"1 on the diagonal, else 0"};
static const ag_probe_case trace_cases[] = {
    {NULL, 1, {{AG_F64, 2, {3, 3}, 0, 0}}},       {NULL, 1, {{AG_F64, 2, {2, 4}, 0, 0}}},
    {NULL, 1, {{AG_F64, 2, {4, 2}, 0, 0}}},       {NULL, 1, {{AG_F64, 2, {1, 1}, 0, 0}}},
    {NULL, 1, {{AG_F64, 4, {2, 1, 2, 2}, 0, 0}}}, {NULL, 1, {{AG_F64, 2, {0, 0}, 0, 0}}},
    {NULL, 1, {{AG_F64, 3, {2, 3, 0}, 0, 0}}},
};
static const ag_probe trace_probe = {.lo = {-2}, .hi = {2}, .n_cases = 7, .cases = trace_cases};

const ag_op agx_op_trace = {
    .name = "trace",
    .formula = "sum_i x_ii",
    .partials = trace_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .compose = trace_compose,
    .probe = &trace_probe,
};
ag_value ag_trace(ag_value x) { return agx_apply1(&agx_op_trace, x, NULL); }
