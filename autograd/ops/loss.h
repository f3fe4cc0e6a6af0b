/* loss: objectives of predictions and targets. */
#ifndef AUTOGRAD_OPS_LOSS_H
#define AUTOGRAD_OPS_LOSS_H

#include "../tape.h"

AG_BEGIN_DECLS

/** What becomes of the losses of single elements: their mean, their sum, or nothing. */
typedef enum ag_reduction { AG_REDUCTION_MEAN, AG_REDUCTION_SUM, AG_REDUCTION_NONE } ag_reduction;

/** Softmax cross-entropy, mean over the batch.
 *  y = -1/B sum_b log softmax(x_b)[t_b]
 *  Shapes:   x (B, C) float, target (B) i64 in [0, C); or one sample: x (C), target (). y ()
 *  Units:    nats
 *  Gradient: dx = dy (softmax(x) - onehot(t)) / B; target: none
 *  Edges:    B = 0 and C = 1 give 0; logits of any size keep their digits
 *  Errors:   AG_ERROR_SHAPE, AG_ERROR_DTYPE, AG_ERROR_INDEX (names the first bad row and its target)
 *  Memory:   keeps x and target; the adjoint computes the softmax again
 *  Source:   Bishop 2006, section 4.3.4 */
AG_API ag_value ag_cross_entropy(ag_value x, ag_value target);
/** Squared error (x - target)^2: its mean, its sum, or every element. It decomposes into sub, square and mean or
 *  sum.
 *  Shapes:   x and target (...); y (), or (...) for every element
 *  Gradient: of the mean, dx = dy 2 (x - target) / n; dtarget = -dx
 *  Edges:    the mean of no elements is NaN
 *  Errors:   AG_ERROR_SHAPE (the shapes differ: no broadcasting here), AG_ERROR_VALUE (no such reduction),
 *            AG_ERROR_DTYPE (a mean of integers) */
AG_API ag_value ag_mse_loss(ag_value x, ag_value target, ag_reduction reduction);

AG_END_DECLS
#endif
