/* cross_entropy: the mean over a batch of -log softmax(x_b)[t_b], and its derivative.
 *
 * From a row's largest m and its weights' sum s (softmax_impl.h) the loss is log s - (x_t - m), which is exact to the
 * last digits where logsumexp(x) - x_t would cancel; the derivative is e / s, less 1 at the target.
 *
 * Rows whose target is `ignore` count nowhere: not in the sum, not in the mean, and their derivative is 0 whatever they
 * hold. Invariant: rows are added in blocks whose size follows from the shape, blocks in order. Edges: a target whose
 * probability is 0 costs inf; NaN propagates. Left out: class weights, smoothing. */
#include "softmax_impl.h"

#include <math.h>
#include <string.h>

/* x holds rows, y and z are not used. */
static void loss_block(const agx_row_job *j, int64_t first, int64_t n, const void *x, int64_t x_step,
                       const void *y, int64_t y_step, void *z) {
    (void)y, (void)y_step, (void)z;
    double m[AGX_BLOCK_ROWS], s[AGX_BLOCK_ROWS], log_s[AGX_BLOCK_ROWS], narrow[AGX_NARROW_BLOCK];
    double loss = 0;
    agx_row_weights(j, n, x, x_step, j->n_cols > AGX_NARROW ? NULL : narrow, m, s);
    agx_row_logs(j, n, s, log_s);
    for (int64_t r = 0; r < n; r++) {
        const int64_t t = j->target[(first + r) * j->target_step];
        if (t == j->ignore) continue;
        double x_t = agx_row_load(j, x, r * x_step + t);
        /* A masked row has log s = -inf, and every target in it probability 0. */
        loss += s[r] == 0 ? (double)INFINITY : log_s[r] - agx_log_weight(x_t, m[r]);
    }
    j->loss[first / j->block_rows] = loss;
}

/* z = e * factor, a row; e may be z. */
static void scale_row(const agx_row_job *j, const void *e, double factor, void *z) {
    if (j->n_cols > AGX_NARROW) {
        agx_row_with_number(j, AGX_ROW_mul, j->n_cols, e, factor, z);
    } else if (j->dtype == AG_F32) {
        const float *from = e, c = (float)factor;
        float *to = z;
        for (int64_t i = 0; i < j->n_cols; i++) to[i] = from[i] * c;
    } else {
        const double *from = e;
        double *to = z;
        for (int64_t i = 0; i < j->n_cols; i++) to[i] = from[i] * factor;
    }
}

static void grad_block(const agx_row_job *j, int64_t first, int64_t n, const void *x, int64_t x_step,
                       const void *y, int64_t y_step, void *z) {
    (void)y, (void)y_step;
    double m[AGX_BLOCK_ROWS], s[AGX_BLOCK_ROWS], narrow[AGX_NARROW_BLOCK];
    void *e = j->n_cols > AGX_NARROW ? z : narrow;
    agx_row_weights(j, n, x, x_step, e, m, s);
    for (int64_t r = 0; r < n; r++) {
        size_t at = (size_t)(r * j->n_cols) * j->size;
        const int64_t t = j->target[(first + r) * j->target_step];
        if (t == j->ignore) {
            memset((char *)z + at, 0, (size_t)j->n_cols * j->size);
            continue;
        }
        double e_t = agx_row_load(j, (char *)e + at, t), sum = s[r] == 0 ? 1 : s[r];
        scale_row(j, (char *)e + at, j->scale / sum, (char *)z + at);
        agx_row_store(j, (char *)z + at, t, (e_t / sum - 1) * j->scale);
    }
}

/* The first row whose target is no column and not ignored; n_rows: none. *kept: the rows before it that count. */
static int64_t first_bad(const ag_array *t, int64_t ignore, int64_t n_rows, int64_t n_cols, int64_t *kept) {
    const int64_t *target = t->data;
    int64_t step = t->meta->stride[0], ignored = 0, r = 0;
    for (; r < n_rows; r++) {
        const int64_t at = target[r * step];
        if (at == ignore)
            ignored++;
        else if (at < 0 || at >= n_cols)
            break;
    }
    *kept = r - ignored;
    return r;
}

/* Checks, and the job without z. *kept: the rows that count. */
static ag_status prepare(agx_row_job *j, agx_block_fn *block, const ag_array *x, const ag_array *t, int64_t ignore,
                         int64_t *bad_row, int64_t *kept, bool *empty) {
    if (!ag_dtype_is_float(x->meta->dtype) || t->meta->dtype != AG_I64) return AG_ERROR_DTYPE;
    if (x->meta->rank != 2 || t->meta->rank != 1 || t->meta->dim[0] != x->meta->dim[0]) return AG_ERROR_SHAPE;
    int64_t rows = x->meta->dim[0], bad = first_bad(t, ignore, rows, x->meta->dim[1], kept);
    if (bad_row) *bad_row = bad;
    if (bad < rows) return AG_ERROR_INDEX;
    *empty = !agx_row_job_init(j, block, x->meta, 1);
    agx_side_init(&j->x, x, 1);
    j->target = t->data;
    j->target_step = t->meta->stride[0];
    j->ignore = ignore;
    return AG_OK;
}

ag_status agx_cross_entropy(const ag_array *x, const ag_array *t, int64_t ignore, const ag_array *z,
                            int64_t *bad_row, ag_workspace *work) {
    agx_row_job j;
    int64_t kept;
    bool empty;
    ag_status status = prepare(&j, loss_block, x, t, ignore, bad_row, &kept, &empty);
    if (status != AG_OK) return status;
    if (z->meta->dtype != j.dtype) return AG_ERROR_DTYPE;
    double one = 0, total = 0;
    if (!empty && kept > 0) {
        agx_arena_mark mark = agx_arena_here(&work->arena);
        j.loss = &one;
        if (j.n_blocks > 1) j.loss = agx_arena_take(&work->arena, (size_t)j.n_blocks * sizeof(double), 64);
        if (!j.loss) return AG_ERROR_MEMORY;
        status = agx_row_job_run(&j, work);
        for (int64_t i = 0; i < j.n_blocks && status == AG_OK; i++) total += j.loss[i];
        total /= (double)kept;
        agx_arena_release(&work->arena, mark);
    }
    agx_row_store(&j, z->data, 0, total);
    return status;
}

ag_status agx_cross_entropy_grad(const ag_array *x, const ag_array *t, int64_t ignore, const ag_array *dz,
                                 const ag_array *dx, int64_t *bad_row, ag_workspace *work) {
    agx_row_job j;
    int64_t kept;
    bool empty;
    ag_status status = prepare(&j, grad_block, x, t, ignore, bad_row, &kept, &empty);
    if (status != AG_OK) return status;
    if (dz->meta->dtype != j.dtype || dx->meta->dtype != j.dtype) return AG_ERROR_DTYPE;
    if (empty) return AG_OK;
    agx_side_init(&j.z, dx, 1);
    j.scale = kept > 0 ? agx_row_load(&j, dz->data, 0) / (double)kept : 0;
    return agx_row_job_run(&j, work);
}
