/* pooling: what windows of a plane hold, as layers without parameters. The windows are those of ag_pool_options
 * (ops/pooling.h), checked when a pass runs; `kernel` must be given. */
#ifndef NN_LAYERS_POOLING_H
#define NN_LAYERS_POOLING_H

#include "../module.h"

AG_BEGIN_DECLS

/** The largest element of each window, ag_max_pool2d.
 *
 *     nn_max_pool2d(&(const ag_pool_options){.kernel = {1, {2}}}, &error)
 *
 *  Shapes: x (N, C, H, W) or (C, H, W); y (N, C, H', W')
 *  Errors: AG_ERROR_VALUE (options NULL, or no kernel), AG_ERROR_MEMORY. Of a pass: those of the operation */
NN_API nn_module *nn_max_pool2d(const ag_pool_options *options, ag_error *error);
/** Of signals: x (N, C, L) or (C, L); y (N, C, L'). */
NN_API nn_module *nn_max_pool1d(const ag_pool_options *options, ag_error *error);
/** The mean of each window, ag_avg_pool2d. All else as nn_max_pool2d. */
NN_API nn_module *nn_avg_pool2d(const ag_pool_options *options, ag_error *error);
/** Of signals. */
NN_API nn_module *nn_avg_pool1d(const ag_pool_options *options, ag_error *error);

/** The mean of each of height times width parts of the plane, whatever its size, ag_adaptive_avg_pool2d; (1, 1) is the
 *  mean of a channel.
 *  Shapes: x (N, C, H, W) or (C, H, W); y (N, C, height, width)
 *  Errors: AG_ERROR_VALUE (a size below 1), AG_ERROR_MEMORY. Of a pass: those of the operation */
NN_API nn_module *nn_adaptive_avg_pool2d(int64_t height, int64_t width, ag_error *error);
/** Of signals: x (N, C, L) or (C, L); y (N, C, length). */
NN_API nn_module *nn_adaptive_avg_pool1d(int64_t length, ag_error *error);
/** The largest element of each part, ag_adaptive_max_pool2d. All else as nn_adaptive_avg_pool2d. */
NN_API nn_module *nn_adaptive_max_pool2d(int64_t height, int64_t width, ag_error *error);
/** Of signals; a plane of height 1. */
NN_API nn_module *nn_adaptive_max_pool1d(int64_t length, ag_error *error);

AG_END_DECLS
#endif
