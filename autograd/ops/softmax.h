/* softmax: probabilities along an axis. */
#ifndef AUTOGRAD_OPS_SOFTMAX_H
#define AUTOGRAD_OPS_SOFTMAX_H

#include "../tape.h"

AG_BEGIN_DECLS

/** exp(x_i) / sum_j exp(x_j) along an axis, without overflow.
 *  Gradient: dx = y (dy - sum dy y)
 *  Edges:    a row that is -inf throughout (a mask hides it all) gives zeros, with gradient 0
 *  Errors:   AG_ERROR_AXIS, AG_ERROR_DTYPE (integers)
 *  Memory:   keeps y */
AG_API ag_value ag_softmax(ag_value x, int axis);
/** x_i - log sum_j exp(x_j) along an axis; ag_log(ag_softmax(x)) with all its digits.
 *  Gradient: dx = dy - exp(y) sum dy
 *  Errors:   AG_ERROR_AXIS, AG_ERROR_DTYPE (integers)
 *  Memory:   keeps y */
AG_API ag_value ag_log_softmax(ag_value x, int axis);

AG_END_DECLS
#endif
