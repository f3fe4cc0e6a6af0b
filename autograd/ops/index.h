/* index: elements by arrays of positions, by masks, and by diagonals. */
#ifndef AUTOGRAD_OPS_INDEX_H
#define AUTOGRAD_OPS_INDEX_H

#include "../tape.h"

AG_BEGIN_DECLS

/** One element of x for every position in an index.
 *  y[i, j, k] = x[index[i, j, k], j, k]  for axis 0; for others accordingly
 *  Shapes:   x, index of one rank, index i64 in [0, S) where S is x's size along axis, and no larger than x along
 *            the other axes; y has index's shape
 *  Gradient: dx = ag_scatter_add of dy into zeros; index: none
 *  Edges:    an empty index may have any size and gives an empty result
 *  Errors:   AG_ERROR_INDEX (names the first bad position), AG_ERROR_DTYPE, AG_ERROR_SHAPE, AG_ERROR_AXIS */
AG_API ag_value ag_gather(ag_value x, int axis, ag_value index);
/** x with an element of src added at every position of an index; those that meet are added in row-major order.
 *  y = x, then y[index[i, j, k], j, k] += src[i, j, k]  for axis 0; for others accordingly
 *  Shapes:   x, index, src of one rank; index i64 in [0, S) where S is x's size along axis, no larger than src, and
 *            no larger than x along the other axes; y has x's shape
 *  Gradient: dx = dy; dsrc = ag_gather of dy, 0 where src lies outside the index; index: none
 *  Edges:    an empty index may have any size and leaves x as it is
 *  Errors:   AG_ERROR_INDEX (names the first bad position), AG_ERROR_DTYPE, AG_ERROR_SHAPE, AG_ERROR_AXIS */
AG_API ag_value ag_scatter_add(ag_value x, int axis, ag_value index, ag_value src);
/** x with slices of source added at positions along an axis, in the order of the index.
 *  Shapes:   x (..., S, ...); index (n) i64 in [0, S); source (..., n, ...); y has x's shape
 *  Gradient: dx = dy; dsource = ag_index_select of dy; index: none
 *  Errors:   AG_ERROR_INDEX (names the first bad position), AG_ERROR_DTYPE, AG_ERROR_SHAPE, AG_ERROR_AXIS */
AG_API ag_value ag_index_add(ag_value x, int axis, ag_value index, ag_value source);
/** A number where the mask is true, x elsewhere; x's dtype.
 *  Gradient: dx = dy where the mask is false, exactly 0 elsewhere, whatever x holds there; mask: none
 *  Errors:   AG_ERROR_DTYPE (the mask is not bool), AG_ERROR_SHAPE */
AG_API ag_value ag_masked_fill(ag_value x, ag_value mask, double value);
/** The lower (tril) or upper (triu) triangle of every matrix, with its diagonal; 0 elsewhere. `diagonal` moves the
 *  border: up, to the right, when positive.
 *  Shapes:   x, y (..., R, C)
 *  Gradient: dx = the same triangle of dy
 *  Errors:   AG_ERROR_SHAPE (rank below 2) */
AG_API ag_value ag_tril(ag_value x, int64_t diagonal);
AG_API ag_value ag_triu(ag_value x, int64_t diagonal);
/** Diagonals of the matrices that two axes span, as the last axis of the result. A view.
 *  y[..., i] = x[i, i + offset], or x[i - offset, i] where the offset is negative
 *  Edges:    an offset outside the matrix gives none: size 0
 *  Gradient: dy on the diagonal, 0 elsewhere
 *  Errors:   AG_ERROR_AXIS (also: the same axis twice) */
AG_API ag_value ag_diagonal(ag_value x, int64_t offset, int axis1, int axis2);
/** Zeros with x's last axis on a diagonal of square matrices; the axes are the result's.
 *  Shapes:   x (..., n); y has two axes of size n + |offset| in place of the last (usually -2, -1)
 *  Gradient: dx = ag_diagonal of dy
 *  Errors:   AG_ERROR_AXIS (also: the same axis twice), AG_ERROR_SHAPE (rank 0 or 8; too many elements) */
AG_API ag_value ag_diag_embed(ag_value x, int64_t offset, int axis1, int axis2);

AG_END_DECLS
#endif
