/* loss: objectives of predictions and targets.
 *
 * What all share: losses of single elements (or samples) are reduced to their mean, to their sum, or not at all. The mean
 * of no losses is NaN, but where it says 0. Gradients are given for the loss of one element; a mean divides them by the
 * number of elements. Errors of all: AG_ERROR_SHAPE, AG_ERROR_DTYPE (a mean of integers), AG_ERROR_VALUE (no such
 * reduction). All decompose but the plain case of cross_entropy. */
#ifndef AUTOGRAD_OPS_LOSS_H
#define AUTOGRAD_OPS_LOSS_H

#include "../tape.h"

AG_BEGIN_DECLS

/** What becomes of the losses of single elements: their mean, their sum, or nothing. */
typedef enum ag_reduction { AG_REDUCTION_MEAN, AG_REDUCTION_SUM, AG_REDUCTION_NONE } ag_reduction;

/* ---- of classes ---------------------------------------------------------------------------------------------- */

/** Softmax cross-entropy, mean over the batch. One kernel.
 *  y = -1/B sum_b log softmax(x_b)[t_b]
 *  Shapes:   x (B, C) float, target (B) i64 in [0, C); or one sample: x (C), target (). y ()
 *  Units:    nats
 *  Gradient: dx = dy (softmax(x) - onehot(t)) / B; target: none
 *  Edges:    B = 0 and C = 1 give 0; logits of any size keep their digits; rows with target -100 count nowhere, and B
 *            is the number of the others
 *  Errors:   AG_ERROR_SHAPE, AG_ERROR_DTYPE, AG_ERROR_INDEX (names the first bad row and its target)
 *  Memory:   keeps x and target; the adjoint computes the softmax again
 *  Source:   Bishop 2006, section 4.3.4 */
AG_API ag_value ag_cross_entropy(ag_value x, ag_value target);

/** What a loss of classes may be told beside its operands. Start from AG_CLASS_DEFAULTS. */
typedef struct ag_class_options {
    const ag_value *weight; /* (C) float, a factor for each class; NULL: 1       */
    int64_t ignore_index;   /* samples with this target count nowhere            */
    double label_smoothing; /* this share of a target goes to all classes evenly */
    ag_reduction reduction;
} ag_class_options;
#define AG_CLASS_DEFAULTS ((ag_class_options){.ignore_index = -100})

/** Softmax cross-entropy with everything it may have. options NULL: AG_CLASS_DEFAULTS, which is ag_cross_entropy.
 *  y_n = -w[t_n] ((1 - s) log p_n[t_n] + s/C sum_c w_c/w[t_n] log p_nc), p = softmax(x), s the smoothing; the mean is
 *  sum_n y_n / sum_n w[t_n]
 *  Shapes:   x (N, C), (C) or (N, C, d1, ...) float; target (N), () or (N, d1, ...) i64; y () or the target's shape
 *  Units:    nats
 *  Gradient: dx as above, dw too; target: none
 *  Edges:    the mean is 0, with gradient 0, where every target is ignored or there is none
 *  Errors:   AG_ERROR_INDEX (the first target outside [0, C) that is not ignored), AG_ERROR_VALUE (smoothing outside
 *            [0, 1]; ignore_index beyond 2^53)
 *  Source:   Szegedy and others 2016 (smoothing) */
AG_API ag_value ag_cross_entropy_with(ag_value x, ag_value target, const ag_class_options *options);
/** Cross-entropy with a probability of every class for target; ignore_index is not used.
 *  y_n = -sum_c w_c t_nc log softmax(x_n)_c; the mean is over samples
 *  Shapes:   x and target (N, C), (C) or (N, C, d1, ...) float; y () or x's shape without classes
 *  Gradient: dx, dtarget, dw
 *  Edges:    the mean of no samples is 0 */
AG_API ag_value ag_cross_entropy_soft(ag_value x, ag_value target, const ag_class_options *options);
/** Negative log-likelihood: ag_cross_entropy_with for x that are log-probabilities already; label_smoothing is not used.
 *  Shapes, Edges, Errors: as there */
AG_API ag_value ag_nll_loss(ag_value x, ag_value target, const ag_class_options *options);
/** How far other classes come within a margin of the target's.
 *  y_n = w[t_n]/C sum_{c != t_n} max(0, margin - x_n[t_n] + x_nc)^p
 *  Shapes:   x (N, C) or (C) float; target (N) or () i64; weight (C) float or NULL; y () or the target's shape
 *  Gradient: dx, dw; at the margin that of being within it
 *  Errors:   AG_ERROR_INDEX (names the first bad target), AG_ERROR_VALUE (p is neither 1 nor 2)
 *  Source:   Crammer and Singer 2001 */
AG_API ag_value ag_multi_margin_loss(ag_value x, ag_value target, const ag_value *weight, int p, double margin,
                                     ag_reduction reduction);

/* ---- of probabilities ---------------------------------------------------------------------------------------- */

/** -t log(x) - (1 - t) log(1 - x), x a probability.
 *  Shapes:   x and target (...); y () or (...); so for all that follow
 *  Units:    nats
 *  Gradient: dx = (x - t) / (x (1 - x)), dtarget = log(1 - x) - log(x)
 *  Edges:    logarithms end at -100, the quotient's divisor at 1e-12: a probability of 0 or 1 costs at most 100; outside
 *            [0, 1], NaN */
AG_API ag_value ag_binary_cross_entropy(ag_value x, ag_value target, ag_reduction reduction);
/** The same of logits: max(x, 0) - x t + log(1 + exp(-|x|)).
 *  With pos_weight q (broadcasts to x, or NULL), t log p counts q times.
 *  Gradient: dx = sigmoid(x) - t, dtarget = -x, dq = t softplus(-x)
 *  Edges:    logits of any finite size keep their digits */
AG_API ag_value ag_binary_cross_entropy_with_logits(ag_value x, ag_value target, const ag_value *pos_weight,
                                                    ag_reduction reduction);
/** Kullback-Leibler divergence of log-probabilities x from a target: t (log t - x), or exp(t) (t - x) when the target is
 *  logarithms, too. PyTorch's mean is over elements, not over samples.
 *  Gradient: dx = -t, dtarget = log t + 1 - x
 *  Edges:    t = 0 gives 0 with gradient -x for the target */
AG_API ag_value ag_kl_div(ag_value x, ag_value target, bool log_target, ag_reduction reduction);

/* ---- of differences ------------------------------------------------------------------------------------------ */

/** Squared error (x - t)^2.
 *  Gradient: dx = 2 (x - t), dtarget = -dx
 *  Errors:   AG_ERROR_SHAPE (the shapes differ: no broadcasting here; so for all losses) */
AG_API ag_value ag_mse_loss(ag_value x, ag_value target, ag_reduction reduction);
/** Absolute error |x - t|.
 *  Gradient: dx = sign(x - t), dtarget = -dx
 *  Edges:    the gradient at x = t is 0 */
AG_API ag_value ag_l1_loss(ag_value x, ag_value target, ag_reduction reduction);
/** ag_smooth_l1 of x - t: squares within beta, absolute values beyond, with slope at most 1.
 *  Edges:    beta = 0 is ag_l1_loss
 *  Errors:   AG_ERROR_VALUE (beta negative or not finite) */
AG_API ag_value ag_smooth_l1_loss(ag_value x, ag_value target, double beta, ag_reduction reduction);
/** ag_huber of x - t: squares within delta, absolute values beyond, with slope at most delta.
 *  Errors:   AG_ERROR_VALUE (delta not positive, or not finite) */
AG_API ag_value ag_huber_loss(ag_value x, ag_value target, double delta, ag_reduction reduction);

/* ---- of distances -------------------------------------------------------------------------------------------- */

/** x where the target is 1 (alike: x should be small), max(margin - x, 0) where it is -1. Any other target adds both, as
 *  in PyTorch.
 *  Gradient: dx; at the margin -1; target: none */
AG_API ag_value ag_hinge_embedding_loss(ag_value x, ag_value target, double margin, ag_reduction reduction);
/** Of the cosine of the angle between two vectors: 1 - cos where the target is 1, max(0, cos - margin) where it is -1,
 *  0 for any other target.
 *  Shapes:   x and y (N, D) or (D) float; target (N) or (); y () or the target's shape
 *  Gradient: dx, dy; target: none
 *  Edges:    1e-12 is added to the squares of both lengths, as in PyTorch: 0 has cosine 0 with everything */
AG_API ag_value ag_cosine_embedding_loss(ag_value x, ag_value y, ag_value target, double margin,
                                         ag_reduction reduction);

AG_END_DECLS
#endif
