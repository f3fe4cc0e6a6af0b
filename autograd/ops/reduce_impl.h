/* reduce_impl: what the reductions share - axes and shapes, probes, and the way back from a result to its operand.
 * Internal. Functions are in reduce.c. */
#ifndef AGX_REDUCE_IMPL_H
#define AGX_REDUCE_IMPL_H

#include "ops_impl.h"

enum { AGX_REDUCE_FIELDS = 2, AGX_REDUCE_CASES = 8, AGX_REDUCE_CASES_EMPTY = 9 };
/** The fields of agx_reduce_attrs. */
extern const ag_field agx_reduce_fields[AGX_REDUCE_FIELDS];
/** Ranks 0 to 4, sizes 1 and 0, sets of axes; the last case reduces nothing, which extremes refuse. */
extern const ag_probe_case agx_reduce_cases[AGX_REDUCE_CASES_EMPTY];
/** Values in [-2, 2] without ties, over the cases that have a largest element. */
extern const ag_probe agx_extreme_probe;

/** Axes of attributes that the shape rule has accepted. */
uint32_t agx_reduce_mask(const agx_reduce_attrs *a, int rank);
/** The shape of x with the axes in `mask` removed, or of size 1 when keepdim. */
void agx_reduce_dims(const ag_meta *x, uint32_t mask, bool keepdim, ag_meta *out);
/** The same from attributes that nobody has looked at yet. */
ag_status agx_reduce_shape(const ag_query *q, ag_meta *out);
/** The whole shape rule of a reduction of floating-point numbers. */
ag_status agx_reduce_float_infer(const ag_query *q, ag_meta *out);
/** The whole forward of a reduction that the kernels know. */
ag_status agx_reduce_forward(const ag_eval *e, agx_reduction kind);
/** y, shaped like the result, with the reduced axes as dimensions of size 1: it then broadcasts to the operand.
 *  The attributes of r's operation begin with agx_reduce_attrs. */
ag_value agx_keepdims(ag_reverse *r, ag_value y);
/** The forward rule of a reduction whose attributes begin with agx_reduce_attrs. */
ag_status agx_reduce_jvp(ag_forward *f);
/** Fills a->axes and records op, whose attributes `attrs` begin with *a. */
ag_value agx_reduce_record(const ag_op *op, ag_value x, const int *axes, int n_axes, agx_reduce_attrs *a,
                           const void *attrs);

/** The adjoint of x from y = cumprod(x) and dy, along an axis of at least one position. In scan.c. */
ag_value agx_cumprod_adjoint(ag_value x, ag_value y, ag_value dy, int axis);

/** Zeros of x's shape and dtype, with src added at index along axis (scatter_add): the way back of a gather. */
static inline ag_value agx_scatter_zeros(const ag_meta *x, ag_value src, int axis, ag_value index) {
    return ag_scatter_add(ag_full(src.tape, x->dtype, x->rank, x->dim, 0), axis, index, src);
}

/** An array around one axis: (outer, n, inner). */
typedef struct agx_lanes {
    int64_t outer, n, inner;
} agx_lanes;

static inline agx_lanes agx_lanes_of(const ag_meta *x, int axis) {
    agx_lanes l = {1, 1, 1};
    for (int k = 0; k < x->rank; k++) *(k < axis ? &l.outer : k == axis ? &l.n : &l.inner) *= x->dim[k];
    return l;
}

#endif
