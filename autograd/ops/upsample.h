/* upsample: planes enlarged by repeating elements. */
#ifndef AUTOGRAD_OPS_UPSAMPLE_H
#define AUTOGRAD_OPS_UPSAMPLE_H

#include "../tape.h"

AG_BEGIN_DECLS

/** Nearest neighbour: element i of an axis is element floor(i / scale) of x. It decomposes into index_select.
 *  Shapes:   x (N, C, H, W) or (C, H, W); y (N, C, floor(H scale), floor(W scale))
 *  Gradient: dx = sum of dy over the repetitions. Linear
 *  Edges:    a scale below 1 leaves elements out
 *  Errors:   AG_ERROR_SHAPE (rank; the result has no element, or too many), AG_ERROR_VALUE (the scale is not a positive
 *            number) */
AG_API ag_value ag_upsample_nearest2d(ag_value x, double scale);
/** The same to a given size: element i of an axis is element floor(i H / height) of x.
 *  Errors:   AG_ERROR_SHAPE (rank; an empty axis), AG_ERROR_VALUE (a size below 1) */
AG_API ag_value ag_upsample_nearest2d_to(ag_value x, int64_t height, int64_t width);
/** Of signals: x (N, C, L) or (C, L). */
AG_API ag_value ag_upsample_nearest1d(ag_value x, double scale);
AG_API ag_value ag_upsample_nearest1d_to(ag_value x, int64_t length);

AG_END_DECLS
#endif
