/* loss: objectives, made of public operations. */
#ifndef NN_LOSS_H
#define NN_LOSS_H

#include <autograd/autograd.h>

#include "init.h" /* NN_API */

AG_BEGIN_DECLS

/** Softmax cross-entropy, mean over the batch: ag_cross_entropy (ops.h), under the name of its use.
 *  y = -1/B sum_b log softmax(z_b)[t_b]
 *  Shapes:   logits z (B, C) float, target t (B) i64 in [0, C); or one sample: z (C), t (). y ()
 *  Units:    nats
 *  Gradient: dz = dy (softmax(z) - onehot(t)) / B; target: none. Any order
 *  Edges:    B = 0 and C = 1 give 0
 *  Errors:   kept by the tape: AG_ERROR_SHAPE, AG_ERROR_DTYPE, AG_ERROR_INDEX (names the first bad row)
 *  Memory:   keeps logits and target
 *  Source:   Bishop 2006, section 4.3.4 */
NN_API ag_value nn_cross_entropy(ag_value logits, ag_value target);
/** Mean squared error over all n elements: ag_mse_loss with AG_REDUCTION_MEAN.
 *  z = 1/n sum_i (y_i - t_i)^2
 *  Shapes:   y and target t (...), the same shape: no broadcasting; z ()
 *  Units:    those of y, squared
 *  Gradient: dy = dz 2 (y - t) / n, dt = -dy. Any order
 *  Edges:    n = 0 gives NaN
 *  Errors:   kept by the tape: AG_ERROR_SHAPE (the shapes differ), AG_ERROR_DTYPE (both are integers) */
NN_API ag_value nn_mse(ag_value y, ag_value target);

AG_END_DECLS
#endif
