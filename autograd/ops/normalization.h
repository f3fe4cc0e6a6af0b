/* normalization: activations brought to mean 0 and variance 1, over features, groups of channels or the batch. */
#ifndef AUTOGRAD_OPS_NORMALIZATION_H
#define AUTOGRAD_OPS_NORMALIZATION_H

#include "../tape.h"

AG_BEGIN_DECLS

/* Weights and biases may be (ag_value){0} for none; in layer, group and instance normalisation a bias alone is refused
 * (AG_ERROR_VALUE). Variances are biased, divided by n, unless a comment says otherwise. All of these but
 * ag_standardize decompose. */

/** Each sample over its last `normalized_ndim` dimensions, then scaled and shifted.
 *  y = (x - mean) / sqrt(var + eps) weight + bias
 *  Shapes:   x (..., n...), weight and bias (n...): the last normalized_ndim dimensions of x; y as x
 *  Gradient: dx = (g - mean g - h mean(g h)) / sqrt(var + eps), g = dy weight, h the normalised x; dweight = sum dy h;
 *            dbias = sum dy. Any order
 *  Edges:    n = 1 gives the bias
 *  Errors:   AG_ERROR_SHAPE, AG_ERROR_VALUE (normalized_ndim outside [1, rank], eps < 0),
 *            AG_ERROR_DTYPE
 *  Memory:   keeps the normalised x and a variance a sample
 *  Source:   Ba, Kiros and Hinton 2016 */
AG_API ag_value ag_layer_norm(ag_value x, int normalized_ndim, ag_value weight, ag_value bias, double eps);
/** Each sample over each of num_groups groups of neighbouring channels, then scaled and shifted channel by channel.
 *  Shapes:   x (N, C, ...), num_groups divides C; weight and bias (C); y as x
 *  Gradient: as ag_layer_norm
 *  Errors:   AG_ERROR_SHAPE (rank below 2; num_groups does not divide C), AG_ERROR_VALUE (num_groups < 1, eps < 0),
 *            AG_ERROR_DTYPE
 *  Memory:   keeps the normalised x; copies x where its strides cannot be reshaped
 *  Source:   Wu and He 2018 */
AG_API ag_value ag_group_norm(ag_value x, int64_t num_groups, ag_value weight, ag_value bias, double eps);
/** Each channel of each sample over its positions; group normalisation with a group a channel.
 *  Shapes:   x (N, C, ...) of rank 3 or more, weight and bias (C); y as x
 *  Errors:   AG_ERROR_SHAPE (also: one position, whose variance says nothing), AG_ERROR_VALUE, AG_ERROR_DTYPE
 *  Source:   Ulyanov, Vedaldi and Lempitsky 2016 */
AG_API ag_value ag_instance_norm(ag_value x, ag_value weight, ag_value bias, double eps);

/** What a training step learns about its batch. All (C). */
typedef struct ag_batch_statistics {
    ag_value mean, variance; /* biased: what the batch was normalised with */
    ag_value unbiased;       /* divided by n - 1: what PyTorch's running variance averages */
} ag_batch_statistics;
/** Batch normalisation in training: each channel over the batch and all positions.
 *  y = (x - mean_c) / sqrt(var_c + eps) weight_c + bias_c
 *  Shapes:   x (N, C) or (N, C, ...), weight and bias (C); y as x; statistics, unless NULL, receives values of the
 *            tape: read them (ag_read_tensor) to update running statistics
 *  Gradient: through the batch's mean and variance; any order
 *  Edges:    N = 0 gives nothing, with statistics NaN
 *  Errors:   AG_ERROR_SHAPE (rank below 2; one value per channel), AG_ERROR_VALUE (eps < 0),
 *            AG_ERROR_DTYPE
 *  Memory:   keeps the normalised x and a variance a channel
 *  Source:   Ioffe and Szegedy 2015 */
AG_API ag_value ag_batch_norm_training(ag_value x, ag_value weight, ag_value bias, double eps,
                                       ag_batch_statistics *statistics);
/** Batch normalisation by given statistics, as in evaluation.
 *  y = (x - mean_c) / sqrt(variance_c + eps) weight_c + bias_c
 *  Shapes:   x (N, C) or (N, C, ...); the others (C); y as x
 *  Gradient: dx = dy weight / sqrt(variance + eps); mean and variance have theirs, too
 *  Errors:   AG_ERROR_SHAPE, AG_ERROR_VALUE (eps < 0), AG_ERROR_DTYPE */
AG_API ag_value ag_batch_norm(ag_value x, ag_value weight, ag_value bias, ag_value mean, ag_value variance,
                              double eps);
/** Each sample over its last `normalized_ndim` dimensions by its root mean square: nothing is subtracted.
 *  y = x / sqrt(mean(x^2) + eps) weight
 *  Shapes:   as ag_layer_norm
 *  Gradient: dx = s g - x s^3 mean(g x), s = 1 / sqrt(mean(x^2) + eps), g = dy weight. Any order
 *  Edges:    a row of zeros gives zeros where eps > 0
 *  Errors:   as ag_layer_norm
 *  Source:   Zhang and Sennrich 2019 */
AG_API ag_value ag_rms_norm(ag_value x, int normalized_ndim, ag_value weight, double eps);

/** The fused step under the others: y = (x - mean) / sqrt(var + eps) over axes (NULL: all). mean and variance, unless
 *  NULL, receive x's, with those axes of size 1.
 *  Gradient: dx = (dy - mean dy - y mean(dy y)) / sqrt(var + eps); of mean and variance as well. Any order
 *  Edges:    eps = 0 and a constant give NaN, as 0 / 0 does
 *  Errors:   AG_ERROR_AXIS, AG_ERROR_VALUE (eps < 0), AG_ERROR_DTYPE
 *  Memory:   keeps y and the variance */
AG_API ag_value ag_standardize(ag_value x, const int *axes, int n_axes, double eps, ag_value *mean,
                               ag_value *variance);

AG_END_DECLS
#endif
