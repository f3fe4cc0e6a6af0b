/* sort: elements in order along an axis. Two outputs (ag_output): values, and the i64 indices that ag_gather would take
 * to get them from x. */
#ifndef AUTOGRAD_OPS_SORT_H
#define AUTOGRAD_OPS_SORT_H

#include "../tape.h"

AG_BEGIN_DECLS

/** Each lane along an axis, ascending or descending.
 *  Shapes:   both outputs as x; a scalar counts as one axis
 *  Gradient: dy back to where each element came from
 *  Edges:    equal elements keep their order; NaN is larger than all else: last, or first when descending
 *  Errors:   AG_ERROR_AXIS, AG_ERROR_DTYPE (bool)
 *  Memory:   keeps the index */
AG_API ag_value ag_sort(ag_value x, int axis, bool descending);
/** The k largest (or smallest) elements of each lane, the most extreme first.
 *  Shapes:   x (..., n, ...); both outputs (..., k, ...)
 *  Gradient: dy back to where each element came from, 0 to the others
 *  Edges:    of equal elements the first; NaN is larger than all else
 *  Errors:   AG_ERROR_VALUE (k outside [0, n]), AG_ERROR_AXIS, AG_ERROR_DTYPE (bool)
 *  Memory:   keeps the index */
AG_API ag_value ag_topk(ag_value x, int64_t k, int axis, bool largest);

AG_END_DECLS
#endif
