/* index: elements and slices by arrays of positions or by masks. */
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

AG_END_DECLS
#endif
