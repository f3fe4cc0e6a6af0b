/* shape: layers that change the shape of what passes through them, and have no parameters. */
#ifndef NN_LAYERS_SHAPE_H
#define NN_LAYERS_SHAPE_H

#include "../module.h"

AG_BEGIN_DECLS

/** Axes start_axis to end_axis as one, ag_flatten: (1, -1) between convolutions and a linear layer.
 *  Shapes: x (N, C, H, W); for (1, -1) y (N, C H W)
 *  Errors: AG_ERROR_MEMORY. Of a pass: AG_ERROR_AXIS */
NN_API nn_module *nn_flatten(int start_axis, int end_axis, ag_error *error);
/** One axis as `rank`, its opposite. One dimension may be -1: it is worked out.
 *  Shapes: dim (rank); x (..., the product of dim, ...); y (..., dim..., ...)
 *  Errors: AG_ERROR_VALUE (rank outside [1, 8], or a dimension below -1), AG_ERROR_MEMORY. Of a pass: AG_ERROR_AXIS,
 *          AG_ERROR_SHAPE (the axis has another size; the result's rank would be above 8) */
NN_API nn_module *nn_unflatten(int axis, int rank, const int64_t *dim, ag_error *error);

/** Images enlarged by repeating elements, ag_upsample_nearest2d: by a factor, or to a size.
 *  Shapes: x (N, C, H, W) or (C, H, W); y (N, C, floor(H scale), floor(W scale)) or (N, C, height, width)
 *  Errors: AG_ERROR_VALUE (scale not a positive number, a size below 1), AG_ERROR_MEMORY. Of a pass: those of the
 *          operation */
NN_API nn_module *nn_upsample_nearest2d(double scale, ag_error *error);
NN_API nn_module *nn_upsample_nearest2d_to(int64_t height, int64_t width, ag_error *error);
/** Of signals: x (N, C, L) or (C, L). */
NN_API nn_module *nn_upsample_nearest1d(double scale, ag_error *error);
NN_API nn_module *nn_upsample_nearest1d_to(int64_t length, ag_error *error);

AG_END_DECLS
#endif
