/* shape: other shapes of the same numbers, parts of an array, and several arrays in one. */
#ifndef AUTOGRAD_OPS_SHAPE_H
#define AUTOGRAD_OPS_SHAPE_H

#include "../tape.h"

AG_BEGIN_DECLS

/** The same elements, row-major, in another shape. One dimension may be -1: it is worked out.
 *  Gradient: dx = dy in x's shape
 *  Errors:   AG_ERROR_SHAPE (another number of elements; two -1; -1 beside a 0)
 *  Memory:   a view where strides can describe it; else a copy is recorded first (two records) */
AG_API ag_value ag_reshape(ag_value x, int rank, const int64_t *dim);
/** Two axes swapped. A view.
 *  Gradient: dx = dy, swapped back
 *  Errors:   AG_ERROR_AXIS */
AG_API ag_value ag_transpose(ag_value x, int axis0, int axis1);
/** Axis k of the result is axis axes[k] of x; n is x's rank. A view.
 *  Gradient: dx = dy under the inverse permutation
 *  Errors:   AG_ERROR_AXIS (not a permutation) */
AG_API ag_value ag_permute(ag_value x, const int *axes, int n);
/** Broadcast to a shape: dimensions of size 1, and new leading ones, repeat; -1 keeps a dimension. A view.
 *  Gradient: dx = sum of dy over the repetitions
 *  Errors:   AG_ERROR_SHAPE */
AG_API ag_value ag_expand(ag_value x, int rank, const int64_t *dim);
/** Positions start, start + step, ... before stop along an axis. A view.
 *  Edges:    Python's rules: negative positions count from the end, all are clamped to the axis (INT64_MAX: to
 *            the end), and a slice may be empty
 *  Gradient: dy where the slice lay, 0 elsewhere
 *  Errors:   AG_ERROR_AXIS, AG_ERROR_VALUE (step below 1) */
AG_API ag_value ag_slice(ag_value x, int axis, int64_t start, int64_t stop, int64_t step);
/** One position along an axis, which disappears; negative counts from the end. A view.
 *  Gradient: dy at that position, 0 elsewhere
 *  Errors:   AG_ERROR_AXIS, AG_ERROR_INDEX */
AG_API ag_value ag_select(ag_value x, int axis, int64_t index);
/** A new axis of size 1, at `axis` of the result. A view.
 *  Gradient: dx = dy without the axis
 *  Errors:   AG_ERROR_AXIS, AG_ERROR_SHAPE (the result would have rank 9) */
AG_API ag_value ag_unsqueeze(ag_value x, int axis);
/** Without an axis of size 1. A view.
 *  Gradient: dx = dy with the axis
 *  Errors:   AG_ERROR_AXIS, AG_ERROR_SHAPE (its size is not 1) */
AG_API ag_value ag_squeeze(ag_value x, int axis);
/** n values of one shape along a new axis; dtypes promote. It gathers scalars, too.
 *  Gradient: dx_i = dy at position i
 *  Errors:   AG_ERROR_SHAPE (names the first that differs), AG_ERROR_AXIS, AG_ERROR_VALUE (n < 1) */
AG_API ag_value ag_stack(const ag_value *x, int n, int axis);
/** n values one behind the other along an axis; all other dimensions equal; dtypes promote.
 *  Gradient: dx_i = its part of dy
 *  Errors:   AG_ERROR_SHAPE (names the first that differs), AG_ERROR_AXIS, AG_ERROR_VALUE (n < 1) */
AG_API ag_value ag_cat(const ag_value *x, int n, int axis);
/** The slices of x at the given positions along an axis, in their order; repetitions are welcome.
 *  Shapes:   x (..., S, ...); index (n) i64 in [0, S); y (..., n, ...)
 *  Gradient: dx = ag_index_scatter of dy; index: none
 *  Errors:   AG_ERROR_INDEX (names the first bad position), AG_ERROR_DTYPE, AG_ERROR_SHAPE, AG_ERROR_AXIS */
AG_API ag_value ag_index_select(ag_value x, int axis, ag_value index);
/** Zeros of dimension `size` along axis, with x's slices added at the given positions, in order.
 *  Shapes:   x (..., n, ...); index (n) i64 in [0, size); y (..., size, ...)
 *  Gradient: dx = ag_index_select of dy; index: none
 *  Errors:   AG_ERROR_INDEX (names the first bad position), AG_ERROR_DTYPE, AG_ERROR_SHAPE, AG_ERROR_AXIS,
 *            AG_ERROR_VALUE (size < 0) */
AG_API ag_value ag_index_scatter(ag_value x, int axis, ag_value index, int64_t size);

AG_END_DECLS
#endif
