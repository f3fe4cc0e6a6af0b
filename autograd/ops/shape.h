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
 *  Edges:    a scalar counts as one axis, as in PyTorch; so for ag_squeeze
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
/** Without an axis of size 1; AG_ALL_AXES: without all of them. A view.
 *  Gradient: dx = dy with the axes
 *  Errors:   AG_ERROR_AXIS, AG_ERROR_SHAPE (its size is not 1) */
AG_API ag_value ag_squeeze(ag_value x, int axis);
/** Axes start_axis to end_axis as one, row-major; a scalar becomes a vector of one element. As ag_reshape.
 *  Gradient: dx = dy in x's shape
 *  Errors:   AG_ERROR_AXIS (also: the end lies before the start) */
AG_API ag_value ag_flatten(ag_value x, int start_axis, int end_axis);
/** Backwards along n axes; none: x as it is. A view.
 *  Gradient: dx = dy, backwards
 *  Errors:   AG_ERROR_AXIS (also: one twice) */
AG_API ag_value ag_flip(ag_value x, const int *axes, int n);
/** Turned along n axes: what is shifted over the end comes back at the front. Any shifts; those of one axis add up.
 *  y[(i + shift) mod size] = x[i]
 *  n = 0 turns all elements, row-major, by shifts[0].
 *  Gradient: dx = dy, turned back
 *  Errors:   AG_ERROR_AXIS, AG_ERROR_VALUE (bad lists) */
AG_API ag_value ag_roll(ag_value x, const int64_t *shifts, const int *axes, int n);
/** Copies of x side by side, reps[k] of them along axis k. The shorter of reps and x's shape counts as led by 1s.
 *  Decomposes: views and a copy an axis.
 *  Gradient: dx = sum of dy over the copies
 *  Errors:   AG_ERROR_VALUE (negative, or a bad list), AG_ERROR_SHAPE (too many elements) */
AG_API ag_value ag_tile(ag_value x, const int64_t *reps, int n);
/** Every position along an axis `repeats` times in a row; AG_ALL_AXES: every element, in a result of rank 1.
 *  Decomposes, as ag_tile.
 *  Gradient: dx = sum of dy over the repetitions
 *  Errors:   AG_ERROR_VALUE (negative), AG_ERROR_AXIS, AG_ERROR_SHAPE (too many elements) */
AG_API ag_value ag_repeat_interleave(ag_value x, int64_t repeats, int axis);
/** x with margins of a constant. PyTorch's order: pad[0] before and pad[1] after along the last axis, then the last
 *  but one ...; axes without a pair stay. Negative margins cut off. More than four axes are padded in two
 *  steps.
 *  Gradient: dx = dy where x lies, 0 where it was cut
 *  Errors:   AG_ERROR_VALUE (n odd, or too large), AG_ERROR_SHAPE (more cut than there is) */
AG_API ag_value ag_pad(ag_value x, const int64_t *pad, int n, double value);
/** x cut along an axis into slices of `size` (the last may be smaller), or of the n given sizes, or into at most
 *  `chunks` slices of equal size. Views, written into `part`; returns how many. After a failure it returns 0, and all
 *  handles in `part` are failed values.
 *  Edges:    an axis of size 0 gives one empty part (ag_split) or `chunks` of them (ag_chunk)
 *  Gradient: that of ag_slice
 *  Errors:   AG_ERROR_AXIS, AG_ERROR_VALUE (room for too few parts; a negative size; size 0; sizes that do not add
 *            up) */
AG_API int ag_split(ag_value x, int64_t size, int axis, ag_value *part, int room);
AG_API int ag_split_sizes(ag_value x, const int64_t *sizes, int n, int axis, ag_value *part);
AG_API int ag_chunk(ag_value x, int64_t chunks, int axis, ag_value *part, int room);
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
