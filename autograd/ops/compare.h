/* compare: comparisons, selection by a condition, conversion between dtypes. */
#ifndef AUTOGRAD_OPS_COMPARE_H
#define AUTOGRAD_OPS_COMPARE_H

#include "../tape.h"

AG_BEGIN_DECLS

/** x == y, x != y, x < y, x <= y, x > y, x >= y, as bool. One comment for the six.
 *  Gradient: none
 *  Edges:    with a NaN all are false but ne
 *  Errors:   AG_ERROR_SHAPE */
AG_API ag_value ag_eq(ag_value x, ag_value y);
AG_API ag_value ag_ne(ag_value x, ag_value y);
AG_API ag_value ag_lt(ag_value x, ag_value y);
AG_API ag_value ag_le(ag_value x, ag_value y);
AG_API ag_value ag_gt(ag_value x, ag_value y);
AG_API ag_value ag_ge(ag_value x, ag_value y);
/** x and y.
 *  Gradient: none
 *  Errors:   AG_ERROR_DTYPE (an operand is not bool), AG_ERROR_SHAPE */
AG_API ag_value ag_logical_and(ag_value x, ag_value y);
/** x where the condition holds, y elsewhere.
 *  Shapes:   all three broadcast; the dtype is that of x and y together
 *  Gradient: dx = dz where the condition holds, dy = dz elsewhere; condition: none
 *  Edges:    the branch not taken gets exactly 0, whatever it holds
 *  Errors:   AG_ERROR_DTYPE (the condition is not bool), AG_ERROR_SHAPE
 *  Memory:   keeps the condition */
AG_API ag_value ag_where(ag_value condition, ag_value x, ag_value y);
/** x as another dtype; x itself, without a record, when it has that dtype.
 *  Gradient: converted back; none through integers and bools
 *  Edges:    to i64 it truncates towards 0; to bool it is x != 0 (NaN is true)
 *  Errors:   AG_ERROR_DTYPE (no such dtype), AG_ERROR_SHAPE (an expanded view with too many elements for it) */
AG_API ag_value ag_cast(ag_value x, ag_dtype dtype);

AG_END_DECLS
#endif
