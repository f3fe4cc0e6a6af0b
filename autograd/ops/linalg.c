/* linalg: matrix products - matmul of all ranks, and the affine map of a layer.
 *
 * Kernels take strides, so transposes cost nothing. A product with one matrix on the right is a single product
 * over all rows, whatever leading dimensions they have: which path runs depends on shapes alone, and so do the
 * bits. Mixed dtypes are promoted through scratch copies. */
#include "../tape_impl.h"
#include "ops_impl.h"

#include <inttypes.h>

/** A stack of matrices in a buffer: batch dimensions are somebody else's business. */
typedef struct matrix {
    const char *data;
    int64_t rows, cols, row_stride, col_stride;
} matrix;

/** Do all dimensions before the last lie behind one another, as rows of one matrix? */
static bool rows_are_even(const ag_meta *x, int64_t *rows, int64_t *row_stride) {
    *rows = 1;
    *row_stride = 0;
    bool even = true;
    for (int k = x->rank - 2; k >= 0; k--) {
        if (x->dim[k] == 1) continue;
        if (*rows == 1)
            *row_stride = x->stride[k];
        else
            even = even && x->stride[k] == *row_stride * *rows;
        *rows *= x->dim[k];
    }
    return even || *rows == 0;
}

/** x (..., cols) as one matrix (rows, cols): in place where the strides allow, else a dense copy. */
static ag_status as_rows(const ag_eval *e, const ag_array *x, ag_dtype dtype, matrix *out) {
    agx_local local;
    ag_status status = agx_as_dtype(e, x, dtype, &local);
    if (status == AG_OK && !rows_are_even(local.array.meta, &out->rows, &out->row_stride)) {
        status = agx_copy_dense(e, x, dtype, &local);
        if (status == AG_OK) rows_are_even(local.array.meta, &out->rows, &out->row_stride);
    }
    if (status != AG_OK) return status;
    const ag_meta *meta = local.array.meta;
    out->data = local.array.data;
    out->cols = meta->dim[meta->rank - 1];
    out->col_stride = meta->stride[meta->rank - 1];
    return AG_OK;
}

static ag_status multiply(const ag_eval *e, ag_dtype dtype, const matrix *x, const matrix *y, const void *bias,
                          void *z) {
    const agx_matmul product = {.dtype = dtype,
                                .m = x->rows,
                                .n = y->cols,
                                .k = x->cols,
                                .a = x->data,
                                .b = y->data,
                                .a_rs = x->row_stride,
                                .a_cs = x->col_stride,
                                .b_rs = y->row_stride,
                                .b_cs = y->col_stride,
                                .c = z,
                                .ldc = y->cols,
                                .bias = bias};
    return agx_matmul_run(&product, e->work);
}

/* ---- matmul -------------------------------------------------------------------------------------------------- */

static ag_status matmul_infer(const ag_query *q, ag_meta *out) {
    const ag_meta *x = q->in[0], *y = q->in[1];
    if (x->rank == 0 || y->rank == 0)
        return ag_fail(q->error, AG_ERROR_SHAPE, "operand %d has rank 0: use mul", x->rank == 0 ? 0 : 1);
    const int64_t inner = x->dim[x->rank - 1], other = y->dim[y->rank == 1 ? 0 : y->rank - 2];
    if (inner != other)
        return ag_fail(q->error, AG_ERROR_SHAPE, "inner dimensions must agree, got %" PRId64 " and %" PRId64,
                       inner, other);
    ag_status status = agx_promote_float(q, 2, &out->dtype);
    if (status != AG_OK) return status;
    out->rank = 0;
    if (x->rank > 2 || y->rank > 2) {
        ag_meta batch[2] = {*x, *y};
        const ag_meta *const batches[2] = {&batch[0], &batch[1]};
        for (int i = 0; i < 2; i++) batch[i].rank = batch[i].rank > 2 ? batch[i].rank - 2 : 0;
        status = ag_broadcast(batches, 2, out, q->error);
        if (status != AG_OK) return status;
    }
    if (x->rank > 1) out->dim[out->rank++] = x->dim[x->rank - 2];
    if (y->rank > 1) out->dim[out->rank++] = y->dim[y->rank - 1];
    return agx_check_size(q, out);
}

/** The last two dimensions of an operand; a vector is a row on the left, a column on the right. */
static matrix last_two(const ag_array *x, bool left) {
    const ag_meta *m = x->meta;
    const int r = m->rank;
    if (r == 1)
        return left ? (matrix){x->data, 1, m->dim[0], 0, m->stride[0]}
                    : (matrix){x->data, m->dim[0], 1, m->stride[0], 0};
    return (matrix){x->data, m->dim[r - 2], m->dim[r - 1], m->stride[r - 2], m->stride[r - 1]};
}

static int64_t batch_count(const ag_meta *x) {
    int64_t count = 1;
    for (int k = 0; k < x->rank - 2; k++) count *= x->dim[k];
    return count;
}

/** One product a batch entry. Shapes: x (bx..., m, k), y (by..., k, n), z (b..., m, n) dense. */
static ag_status multiply_batches(const ag_eval *e, const ag_array *x, const ag_array *y) {
    ag_array *const z = &(ag_array){e->out[0].meta, e->out[0].data};
    const ag_dtype dtype = z->meta->dtype;
    matrix a = last_two(x, true), b = last_two(y, false);
    const int64_t size = (int64_t)ag_dtype_size(dtype), matrix_bytes = a.rows * b.cols * size;
    const int rank = z->meta->rank - (x->meta->rank > 1) - (y->meta->rank > 1);
    int64_t x_stride[AG_MAX_RANK], y_stride[AG_MAX_RANK], at[AG_MAX_RANK] = {0};
    ag_meta batch = *z->meta, x_batch = *x->meta, y_batch = *y->meta;
    batch.rank = rank;
    x_batch.rank = x_batch.rank > 2 ? x_batch.rank - 2 : 0;
    y_batch.rank = y_batch.rank > 2 ? y_batch.rank - 2 : 0;
    ag_broadcast_strides(&x_batch, &batch, x_stride);
    ag_broadcast_strides(&y_batch, &batch, y_stride);
    char *to = z->data;
    for (int64_t left = ag_meta_count(&batch); left > 0; left--, to += matrix_bytes) {
        ag_status status = multiply(e, dtype, &a, &b, NULL, to);
        if (status != AG_OK) return status;
        for (int k = rank - 1; k >= 0; k--) { /* the next batch entry, as an odometer turns */
            a.data += x_stride[k] * size;
            b.data += y_stride[k] * size;
            if (++at[k] < batch.dim[k]) break;
            a.data -= x_stride[k] * size * at[k];
            b.data -= y_stride[k] * size * at[k];
            at[k] = 0;
        }
    }
    return AG_OK;
}

static ag_status matmul_forward(const ag_eval *e) {
    const ag_dtype dtype = e->out[0].meta->dtype;
    agx_local x, y;
    ag_status status = agx_as_dtype(e, &e->in[1], dtype, &y);
    if (status != AG_OK) return status;
    if (e->in[0].meta->rank > 2 && batch_count(y.array.meta) == 1) { /* one matrix on the right */
        matrix rows = {0};
        const matrix right = last_two(&y.array, false);
        status = as_rows(e, &e->in[0], dtype, &rows);
        return status == AG_OK ? multiply(e, dtype, &rows, &right, NULL, e->out[0].data) : status;
    }
    status = agx_as_dtype(e, &e->in[0], dtype, &x);
    return status == AG_OK ? multiply_batches(e, &x.array, &y.array) : status;
}

/** x (..., n) as (rows, n). */
static ag_value flatten_rows(ag_value x, int rank, int64_t last) {
    if (rank == 2) return x;
    int64_t rows = 1; /* -1 could not be worked out where n is 0 */
    const ag_meta *meta = ag_meta_of(x);
    for (int k = 0; meta && k < meta->rank - 1; k++) rows *= meta->dim[k];
    return ag_reshape(x, 2, (const int64_t[2]){rows, last});
}

/** z = x y: dx = dz y^T, dy = x^T dz. Vectors become matrices first; ag_give sums over broadcast batches. */
static ag_status matmul_vjp(ag_reverse *r) {
    const int x_rank = ag_in_meta(r, 0)->rank, y_rank = ag_in_meta(r, 1)->rank;
    ag_value dz = ag_dy(r, 0);
    if (y_rank == 1) dz = ag_unsqueeze(dz, -1);
    if (x_rank == 1) dz = ag_unsqueeze(dz, -2);
    if (ag_wants(r, 0)) {
        ag_value y = ag_in(r, 1);
        y = y_rank == 1 ? ag_unsqueeze(y, 0) : ag_transpose(y, -2, -1);
        const ag_value dx = ag_matmul(dz, y);
        ag_give(r, 0, x_rank == 1 ? ag_squeeze(dx, -2) : dx);
    }
    if (ag_wants(r, 1)) {
        ag_value x = ag_in(r, 0);
        if (x_rank > 2 && y_rank <= 2) { /* one product over all rows: nothing of the batch's size is made */
            const ag_meta *meta = ag_in_meta(r, 0);
            const int64_t k = meta->dim[x_rank - 1];
            const ag_meta *out = ag_out_meta(r, 0);
            x = flatten_rows(x, x_rank, k);
            dz = flatten_rows(dz, x_rank, y_rank == 1 ? 1 : out->dim[out->rank - 1]);
        }
        x = x_rank == 1 ? ag_unsqueeze(x, 1) : ag_transpose(x, -2, -1);
        const ag_value dy = ag_matmul(x, dz);
        ag_give(r, 1, y_rank == 1 ? ag_squeeze(dy, -1) : dy);
    }
    return AG_OK;
}

static ag_status matmul_jvp(ag_forward *f) {
    if (ag_has_tangent(f, 0)) ag_give_tangent(f, 0, ag_matmul(ag_tangent(f, 0), ag_primal_in(f, 1)));
    if (ag_has_tangent(f, 1)) ag_give_tangent(f, 0, ag_matmul(ag_primal_in(f, 0), ag_tangent(f, 1)));
    return AG_OK;
}

static double matmul_cost(const ag_query *q) {
    const ag_meta *x = q->in[0], *y = q->in[1];
    const double inner = (double)x->dim[x->rank - 1], n = y->rank > 1 ? (double)y->dim[y->rank - 1] : 1;
    double rows = x->rank > 1 ? (double)x->dim[x->rank - 2] : 1;
    for (int back = 3; back <= x->rank || back <= y->rank; back++) { /* broadcast batches */
        const int64_t bx = back <= x->rank ? x->dim[x->rank - back] : 1;
        rows *= (double)(bx == 1 && back <= y->rank ? y->dim[y->rank - back] : bx);
    }
    return 2 * rows * inner * n;
}

static const char *const matmul_partials[] = {"dz y^T", "x^T dz"};
static const ag_probe_case matmul_cases[] = {
    {NULL, 2, {{AG_F64, 1, {3}, 0, 0}, {AG_F64, 1, {3}, 0, 0}}},
    {NULL, 2, {{AG_F64, 1, {3}, 0, 0}, {AG_F64, 2, {3, 2}, 0, 0}}},
    {NULL, 2, {{AG_F64, 2, {2, 3}, 0, 0}, {AG_F64, 1, {3}, 0, 0}}},
    {NULL, 2, {{AG_F64, 2, {2, 3}, 0, 0}, {AG_F64, 2, {3, 4}, 0, 0}}},
    {NULL, 2, {{AG_F64, 2, {1, 1}, 0, 0}, {AG_F64, 2, {1, 1}, 0, 0}}},
    {NULL, 2, {{AG_F64, 3, {2, 2, 3}, 0, 0}, {AG_F64, 2, {3, 2}, 0, 0}}},
    {NULL, 2, {{AG_F64, 3, {2, 2, 3}, 0, 0}, {AG_F64, 1, {3}, 0, 0}}},
    {NULL, 2, {{AG_F64, 1, {3}, 0, 0}, {AG_F64, 3, {2, 3, 2}, 0, 0}}},
    {NULL, 2, {{AG_F64, 2, {2, 3}, 0, 0}, {AG_F64, 3, {2, 3, 2}, 0, 0}}},
    {NULL, 2, {{AG_F64, 4, {2, 1, 2, 3}, 0, 0}, {AG_F64, 3, {2, 3, 2}, 0, 0}}},
    {NULL, 2, {{AG_F64, 2, {2, 0}, 0, 0}, {AG_F64, 2, {0, 3}, 0, 0}}},
    {NULL, 2, {{AG_F64, 3, {0, 2, 3}, 0, 0}, {AG_F64, 2, {3, 2}, 0, 0}}},
};
static const ag_probe matmul_probe = {.lo = {-2, -2}, .hi = {2, 2}, .n_cases = 12, .cases = matmul_cases};

const ag_op agx_op_matmul = {
    .name = "matmul",
    .formula = "x y",
    .partials = matmul_partials,
    .min_in = 2,
    .max_in = 2,
    .outputs = 1,
    .traits = AG_TRAIT_STRIDED,
    .keeps = AG_IN(0) | AG_IN(1),
    .infer = matmul_infer,
    .forward = matmul_forward,
    .vjp = matmul_vjp,
    .jvp = matmul_jvp,
    .cost = matmul_cost,
    .probe = &matmul_probe,
};
ag_value ag_matmul(ag_value x, ag_value y) { return agx_apply2(&agx_op_matmul, x, y, NULL); }

/* ---- linear: x (..., n_in), weight (n_out, n_in), bias (n_out) ---------------------------------------------------- */

static ag_status linear_infer(const ag_query *q, ag_meta *out) {
    const ag_meta *x = q->in[0], *w = q->in[1];
    if (w->rank != 2)
        return ag_fail(q->error, AG_ERROR_SHAPE, "the weight must have rank 2, got %" PRId32, w->rank);
    if (x->rank < 1) return ag_fail(q->error, AG_ERROR_SHAPE, "the input must have rank 1 or more");
    if (x->dim[x->rank - 1] != w->dim[1])
        return ag_fail(q->error, AG_ERROR_SHAPE, "the input has %" PRId64 " features, the weight takes %" PRId64,
                       x->dim[x->rank - 1], w->dim[1]);
    if (q->n_in == 3 && (q->in[2]->rank != 1 || q->in[2]->dim[0] != w->dim[0]))
        return ag_fail(q->error, AG_ERROR_SHAPE, "the bias must have shape (%" PRId64 ")", w->dim[0]);
    ag_status status = agx_promote_float(q, q->n_in, &out->dtype);
    if (status != AG_OK) return status;
    agx_copy_shape(x, out);
    out->dim[x->rank - 1] = w->dim[0];
    return agx_check_size(q, out);
}

static ag_status linear_forward(const ag_eval *e) {
    const ag_dtype dtype = e->out[0].meta->dtype;
    matrix x = {0};
    agx_local w, b;
    ag_status status = as_rows(e, &e->in[0], dtype, &x);
    if (status == AG_OK) status = agx_as_dtype(e, &e->in[1], dtype, &w);
    if (status != AG_OK) return status;
    const void *bias = NULL;
    if (e->n_in == 3) {
        status = ag_meta_is_dense(e->in[2].meta) ? agx_as_dtype(e, &e->in[2], dtype, &b)
                                                 : agx_copy_dense(e, &e->in[2], dtype, &b);
        if (status != AG_OK) return status;
        bias = b.array.data;
    }
    const ag_meta *m = w.array.meta;
    const matrix transposed = {w.array.data, m->dim[1], m->dim[0], m->stride[1], m->stride[0]}; /* (n_in, n_out) */
    return multiply(e, dtype, &x, &transposed, bias, e->out[0].data);
}

/** dW and db go straight into the gradients of the parameters, where those are leaves reached for the first time. */
static ag_status linear_vjp(ag_reverse *r) {
    const ag_value dy = ag_dy(r, 0);
    const int rank = ag_in_meta(r, 0)->rank;
    const int64_t n_out = ag_in_meta(r, 1)->dim[0], n_in = ag_in_meta(r, 1)->dim[1];
    if (ag_wants(r, 0)) ag_give(r, 0, ag_matmul(dy, ag_in(r, 1)));
    if (ag_wants(r, 1)) {
        const ag_value x = flatten_rows(ag_in(r, 0), rank, n_in); /* (rows, n_in) */
        const ag_value columns = ag_transpose(flatten_rows(dy, rank, n_out), 0, 1);
        agx_aim(r, 1);
        ag_give(r, 1, ag_matmul(columns, x));
    }
    if (ag_in_count(r) == 3 && ag_wants(r, 2)) {
        agx_aim(r, 2);
        ag_give(r, 2, ag_sum_to(dy, 1, &n_out));
    }
    return AG_OK;
}

static ag_status linear_jvp(ag_forward *f) {
    const ag_value none = {0};
    if (ag_has_tangent(f, 0)) ag_give_tangent(f, 0, ag_linear(ag_tangent(f, 0), ag_primal_in(f, 1), none));
    if (ag_has_tangent(f, 1)) ag_give_tangent(f, 0, ag_linear(ag_primal_in(f, 0), ag_tangent(f, 1), none));
    if (ag_has_tangent(f, 2)) ag_give_tangent(f, 0, ag_tangent(f, 2));
    return AG_OK;
}

static double linear_cost(const ag_query *q) {
    const ag_meta *x = q->in[0], *w = q->in[1];
    double rows = 1;
    for (int k = 0; k < x->rank - 1; k++) rows *= (double)x->dim[k];
    return rows * (double)w->dim[0] * (2 * (double)w->dim[1] + (q->n_in == 3));
}

static const char *const linear_partials[] = {"dy W", "dy^T x", "sum dy"};
static const ag_probe_case linear_cases[] = {
    {NULL, 3, {{AG_F64, 1, {3}, 0, 0}, {AG_F64, 2, {2, 3}, 0, 0}, {AG_F64, 1, {2}, 0, 0}}},
    {NULL, 3, {{AG_F64, 2, {4, 3}, 0, 0}, {AG_F64, 2, {2, 3}, 0, 0}, {AG_F64, 1, {2}, 0, 0}}},
    {NULL, 2, {{AG_F64, 2, {4, 3}, 0, 0}, {AG_F64, 2, {2, 3}, 0, 0}}},
    {NULL, 3, {{AG_F64, 4, {2, 1, 2, 3}, 0, 0}, {AG_F64, 2, {2, 3}, 0, 0}, {AG_F64, 1, {2}, 0, 0}}},
    {NULL, 3, {{AG_F64, 2, {1, 1}, 0, 0}, {AG_F64, 2, {1, 1}, 0, 0}, {AG_F64, 1, {1}, 0, 0}}},
    {NULL, 3, {{AG_F64, 2, {0, 3}, 0, 0}, {AG_F64, 2, {2, 3}, 0, 0}, {AG_F64, 1, {2}, 0, 0}}},
    {NULL, 3, {{AG_F64, 3, {2, 2, 0}, 0, 0}, {AG_F64, 2, {2, 0}, 0, 0}, {AG_F64, 1, {2}, 0, 0}}},
};
static const ag_probe linear_probe = {.lo = {-2, -2, -2}, .hi = {2, 2, 2}, .n_cases = 7, .cases = linear_cases};

const ag_op agx_op_linear = {
    .name = "linear",
    .formula = "x W^T + b",
    .partials = linear_partials,
    .min_in = 2,
    .max_in = 3,
    .outputs = 1,
    .traits = AG_TRAIT_STRIDED,
    .keeps = AG_IN(0) | AG_IN(1),
    .infer = linear_infer,
    .forward = linear_forward,
    .vjp = linear_vjp,
    .jvp = linear_jvp,
    .cost = linear_cost,
    .probe = &linear_probe,
};

ag_value ag_linear(ag_value x, ag_value weight, ag_value bias) {
    const ag_value in[3] = {x, weight, bias};
    return ag_apply(NULL, &agx_op_linear, in, bias.tape ? 3 : 2, NULL);
}
