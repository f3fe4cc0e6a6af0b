/* factor_impl: what operations on stacks of matrices share - the shape checks, and moving matrices to and from the doubles
 * that the kernels of factor.h work on. Operands come dense. Internal. */
#ifndef AGX_FACTOR_IMPL_H
#define AGX_FACTOR_IMPL_H

#include "../kernels/factor.h"
#include "ops_impl.h"

#include <inttypes.h>

/** Operand i must be floating and hold square matrices (..., n, n). */
static inline ag_status agx_check_square(const ag_query *q, uint32_t i) {
    const ag_meta *x = q->in[i];
    if (x->rank < 2 || x->dim[x->rank - 1] != x->dim[x->rank - 2])
        return ag_fail(q->error, AG_ERROR_SHAPE, "operand %u must hold square matrices (..., n, n)", (unsigned)i);
    if (ag_dtype_is_float(x->dtype)) return AG_OK;
    return ag_fail(q->error, AG_ERROR_DTYPE, "needs a floating-point operand, got %s", ag_dtype_name(x->dtype));
}

/** How many matrices an array of rank 2 or more holds. */
static inline int64_t agx_matrix_count(const ag_meta *x) {
    int64_t count = 1;
    for (int k = 0; k < x->rank - 2; k++) count *= x->dim[k];
    return count;
}

/** The leading dimensions of the result of a broadcast over stacks of matrices; `rank` of each operand are the stack's. */
static inline ag_status agx_broadcast_stacks(const ag_query *q, const int rank[2], ag_meta *out) {
    ag_meta stack[2] = {*q->in[0], *q->in[1]};
    for (int i = 0; i < 2; i++) stack[i].rank = rank[i];
    const ag_meta *const both[2] = {&stack[0], &stack[1]};
    return ag_broadcast(both, 2, out, q->error);
}

/** Which matrix of a dense operand, whose first `rank` dimensions are a stack, belongs to matrix `index` of the result. */
static inline int64_t agx_stack_index(const ag_meta *x, int rank, const ag_meta *out, int out_rank,
                                      int64_t index) {
    int64_t at = 0, step = 1;
    for (int k = out_rank - 1; k >= 0; k--) {
        const int own = k - (out_rank - rank);
        if (own >= 0) {
            if (x->dim[own] != 1) at += index % out->dim[k] * step;
            step *= x->dim[own];
        }
        index /= out->dim[k];
    }
    return at;
}

/** Matrix `index` of `count` elements, as doubles; and back. */
static inline void agx_matrix_read(const ag_array *x, int64_t index, int64_t count, double *to) {
    const ag_dtype dtype = x->meta->dtype;
    agx_copy_row(dtype, AG_F64)(count, agx_at(x->data, dtype, index * count), 1, to, 1);
}
static inline void agx_matrix_write(const double *from, int64_t index, int64_t count, const ag_array *z) {
    const ag_dtype dtype = z->meta->dtype;
    agx_copy_row(AG_F64, dtype)(count, from, 1, agx_at(z->data, dtype, index * count), 1);
}

/** Scratch for `count` doubles; fails with AG_ERROR_MEMORY. */
static inline ag_status agx_doubles(const ag_eval *e, int64_t count, double **out) {
    size_t bytes = 0;
    *out = ag_size_mul((size_t)count, sizeof **out, &bytes) ? ag_scratch(e->work, bytes) : NULL;
    return *out ? AG_OK : ag_fail(e->error, AG_ERROR_MEMORY, "no memory for a matrix");
}

static inline double agx_matrix_cost(const ag_query *q, double a_matrix) {
    const ag_meta *x = q->in[0];
    const double n = (double)x->dim[x->rank - 1];
    return (double)agx_matrix_count(x) * a_matrix * n * n * n;
}

#endif
