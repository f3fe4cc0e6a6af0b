/* loss: objectives under the names of their use, made of public operations. Each is the mean over what it compares,
 * but for nn_half_squared_error.
 *
 * The operations themselves (ops/loss.h) have other reductions, and there are more of them: smooth_l1, kl_div,
 * multi_margin, hinge_embedding, cosine_embedding, cross_entropy_soft. */
#ifndef NN_LOSS_H
#define NN_LOSS_H

#include "api.h"

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
/** The same with class weights, label smoothing, ignored targets, other reductions: ag_cross_entropy_with.
 *  options NULL: nn_cross_entropy. Start from AG_CLASS_DEFAULTS. All else as there. */
NN_API ag_value nn_cross_entropy_with(ag_value logits, ag_value target, const ag_class_options *options);
/** Negative log-likelihood, mean over the batch: nn_cross_entropy for what is log-probabilities already, as behind
 *  nn_log_softmax.
 *  y = -1/B sum_b x_b[t_b]
 *  Shapes, Units, Edges and Errors: as nn_cross_entropy
 *  Gradient: dx = -dy onehot(t) / B */
NN_API ag_value nn_nll(ag_value log_probabilities, ag_value target);

/** Binary cross-entropy of probabilities p, mean over all n elements: ag_binary_cross_entropy.
 *  y = -1/n sum_i t_i log(p_i) + (1 - t_i) log(1 - p_i)
 *  Shapes:   p and target t (...), the same shape; y ()
 *  Units:    nats
 *  Gradient: dp = dy (p - t) / (p (1 - p) n). Any order
 *  Edges:    a probability of 0 or 1 costs at most 100. Logits have more digits: nn_bce_with_logits
 *  Errors:   kept by the tape: AG_ERROR_SHAPE, AG_ERROR_DTYPE */
NN_API ag_value nn_bce(ag_value probabilities, ag_value target);
/** The same of logits z, p = sigmoid(z), exact at any size.
 *  y = 1/n sum_i max(z_i, 0) - z_i t_i + log(1 + exp(-|z_i|))
 *  Shapes, Units and Errors: as nn_bce
 *  Gradient: dz = dy (sigmoid(z) - t) / n. Any order */
NN_API ag_value nn_bce_with_logits(ag_value logits, ag_value target);

/** Mean squared error over all n elements: ag_mse_loss with AG_REDUCTION_MEAN.
 *  z = 1/n sum_i (y_i - t_i)^2
 *  Shapes:   y and target t (...), the same shape: no broadcasting; z ()
 *  Units:    those of y, squared
 *  Gradient: dy = dz 2 (y - t) / n, dt = -dy. Any order
 *  Edges:    n = 0 gives NaN
 *  Errors:   kept by the tape: AG_ERROR_SHAPE (the shapes differ), AG_ERROR_DTYPE (both are integers) */
NN_API ag_value nn_mse(ag_value y, ag_value target);
/** Its root.
 *  z = |y - t| / sqrt(n), by the 2-norm
 *  Shapes, Errors: as nn_mse
 *  Units:    those of y
 *  Gradient: dy = dz (y - t) / (n z), dt = -dy
 *  Edges:    where y = t throughout, z = 0 and the gradient is 0; errors of 1e200 do not overflow */
NN_API ag_value nn_rmse(ag_value y, ag_value target);
/** Mean absolute error.
 *  z = 1/n sum_i |y_i - t_i|
 *  Shapes, Errors: as nn_mse
 *  Units:    those of y
 *  Gradient: dy = dz sign(y - t) / n, dt = -dy
 *  Edges:    the gradient at y = t is 0; n = 0 gives NaN */
NN_API ag_value nn_mae(ag_value y, ag_value target);
/** Squares within delta, absolute errors beyond: outliers pull with a bounded force. ag_huber_loss.
 *  z = 1/n sum_i d_i^2 / 2 where |d_i| <= delta, delta (|d_i| - delta / 2) elsewhere, d = y - t
 *  Shapes:   as nn_mse
 *  Gradient: dy = dz max(min(y - t, delta), -delta) / n, dt = -dy
 *  Errors:   as nn_mse; AG_ERROR_VALUE (delta not positive, or not finite)
 *  Source:   Huber 1964 */
NN_API ag_value nn_huber(ag_value y, ag_value target, double delta);
/** The quadratic cost of the textbooks: half the sum of squares, whose derivative is the plain difference. For a batch
 *  it is the sum over its samples; divide by their number for the mean.
 *  z = 1/2 sum_i (t_i - y_i)^2
 *  Shapes, Errors: as nn_mse
 *  Units:    those of y, squared
 *  Gradient: dy = dz (y - t), dt = -dy. Any order
 *  Edges:    n = 0 gives 0
 *  Source:   Rumelhart, Hinton and Williams 1986 */
NN_API ag_value nn_half_squared_error(ag_value y, ag_value target);

AG_END_DECLS
#endif
