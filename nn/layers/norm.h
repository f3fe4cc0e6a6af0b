/* norm: normalisation layers: over features (layer, RMS), groups of channels, positions (instance), or the batch. Each
 * scales by a weight and shifts by a bias that begin as 1 and 0; instance normalisation only where that is asked
 * for. */
#ifndef NN_LAYERS_NORM_H
#define NN_LAYERS_NORM_H

#include "../module.h"

AG_BEGIN_DECLS

/** Zero-initialise, then set what should differ from PyTorch's defaults. */
typedef struct nn_norm_options {
    double eps;     /* 0: 1e-5; for nn_rms_norm the machine epsilon of x's dtype             */
    bool no_affine; /* neither weight nor bias                                              */
    bool no_bias;   /* a weight, but no bias                                                 */
} nn_norm_options;

/** Each sample over its last `rank` dimensions, ag_layer_norm. options NULL: defaults; so for all of these.
 *  Shapes: dim (rank), x (..., dim...), weight and bias (dim...); y as x
 *  Errors: AG_ERROR_VALUE (rank below 1, a dimension below 1, eps below 0 or not finite), AG_ERROR_SHAPE,
 *          AG_ERROR_MEMORY. Of a pass: AG_ERROR_SHAPE (x does not end in dim), AG_ERROR_DTYPE
 *  Source: Ba, Kiros and Hinton 2016 */
NN_API nn_module *nn_layer_norm(int rank, const int64_t *dim, const nn_norm_options *options, ag_error *error);
/** Each sample over its last `rank` dimensions by its root mean square, ag_rms_norm. It has no bias.
 *  Shapes, Errors: as nn_layer_norm
 *  Source: Zhang and Sennrich 2019 */
NN_API nn_module *nn_rms_norm(int rank, const int64_t *dim, const nn_norm_options *options, ag_error *error);
/** Each sample over each of `groups` groups of neighbouring channels, ag_group_norm. groups = 1 takes all channels
 *  together, groups = channels each by itself.
 *  Shapes: x (N, channels, ...), weight and bias (channels); y as x
 *  Errors: AG_ERROR_VALUE (a count below 1, groups does not divide channels, eps), AG_ERROR_MEMORY.
 *          Of a pass: AG_ERROR_SHAPE, AG_ERROR_DTYPE
 *  Source: Wu and He 2018 */
NN_API nn_module *nn_group_norm(int64_t groups, int64_t channels, const nn_norm_options *options, ag_error *error);

/** Zero-initialise, then set what should differ from PyTorch's defaults. */
typedef struct nn_instance_norm_options {
    double eps;  /* 0: 1e-5           */
    bool affine; /* weight and bias   */
} nn_instance_norm_options;
/** Each channel of each sample over its positions, ag_instance_norm, in training and evaluation alike: there are no
 *  running statistics (PyTorch's default). Of signals.
 *  Shapes: x (N, channels, L), weight and bias (channels); y as x
 *  Errors: AG_ERROR_VALUE (channels below 1, eps below 0 or not finite), AG_ERROR_MEMORY. Of a pass: AG_ERROR_SHAPE
 *          (rank, channels; one position, whose variance says nothing), AG_ERROR_DTYPE
 *  Source: Ulyanov, Vedaldi and Lempitsky 2016 */
NN_API nn_module *nn_instance_norm1d(int64_t channels, const nn_instance_norm_options *options, ag_error *error);
/** Of images.
 *  Shapes: x (N, channels, H, W). All else as nn_instance_norm1d */
NN_API nn_module *nn_instance_norm2d(int64_t channels, const nn_instance_norm_options *options, ag_error *error);

/** Zero-initialise, then set what should differ from PyTorch's defaults. */
typedef struct nn_batch_norm_options {
    double eps;       /* 0: 1e-5                                                                      */
    double momentum;  /* 0: 0.1: the share of the newest batch in the running statistics              */
    bool cumulative;  /* instead of a momentum, each batch has the same share: PyTorch's None          */
    bool no_affine;   /* neither weight nor bias                                                      */
    bool no_tracking; /* no running statistics: every pass, in evaluation too, goes by its own batch  */
} nn_batch_norm_options;

/** Batch normalisation of features or signals. While training, each channel goes by the mean and the (biased) variance
 *  of the batch, ag_batch_norm_training, and the buffers move at once towards these: running_mean and running_var,
 *  (1 - momentum) r + momentum s with the unbiased variance for s, and num_batches_tracked, which counts. In evaluation
 *  it goes by the buffers, ag_batch_norm.
 *  Shapes: x (N, channels) or (N, channels, L), weight and bias (channels), running_mean and running_var (channels),
 *          num_batches_tracked () i64; y as x
 *  Edges:  a batch of nothing, N = 0 or L = 0, moves no buffer, and a pass that fails here moves none. A pass in
 *          evaluation keeps its gradient when one in training moves the buffers after it
 *  Errors: AG_ERROR_VALUE (channels below 1; eps or momentum below 0 or not finite, momentum above 1; cumulative beside
 *          a momentum), AG_ERROR_SHAPE, AG_ERROR_MEMORY. Of a pass: AG_ERROR_SHAPE (rank, channels; in training also
 *          one value per channel), AG_ERROR_DTYPE
 *  Memory: the buffers and 2 channels f64
 *  Source: Ioffe and Szegedy 2015 */
NN_API nn_module *nn_batch_norm1d(int64_t channels, const nn_batch_norm_options *options, ag_error *error);
/** Of images.
 *  Shapes: x (N, channels, H, W). All else as nn_batch_norm1d */
NN_API nn_module *nn_batch_norm2d(int64_t channels, const nn_batch_norm_options *options, ag_error *error);

AG_END_DECLS
#endif
