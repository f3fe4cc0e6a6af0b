/* conv: convolution of planes, and the two other sides of the same trilinear form.
 *
 *     y[n, f, o] = sum over c, k of x[n, c, o * stride + k * dilation - padding] w[f, c, k]
 *
 * where o and k stand for a row and a column, and x is 0 outside its planes. Given dy, the sum over y dy x w is linear in
 * each of x, w and dy, so the gradients by x and by w are the other two ways to leave one of the three out.
 *
 * All arrays are dense row-major. Groups are independent convolutions of consecutive channels. */
#ifndef AGX_CONV_H
#define AGX_CONV_H

#include "kernels.h"

/** A checked geometry: strides and dilations at least 1, sizes that fit int64, out as the formula gives it. Index 0:
 *  down, 1: across. */
typedef struct agx_conv {
    ag_dtype dtype; /* f32 or f64 */
    int64_t batch, groups;
    int64_t channels, filters; /* of one group: of x, of y */
    int64_t in[2], kernel[2], out[2];
    int64_t stride[2], padding[2], dilation[2];
} agx_conv;

/** y (batch, groups filters, out) from x (batch, groups channels, in), w (groups filters, channels, kernel) and
 *  bias (groups filters) or NULL. */
ag_status agx_conv_run(const agx_conv *g, const void *x, const void *w, const void *bias, void *y,
                       ag_workspace *work);
/** dx, shaped like x, from dy, shaped like y. */
ag_status agx_conv_grad_input(const agx_conv *g, const void *dy, const void *w, void *dx, ag_workspace *work);
/** dw, shaped like w. */
ag_status agx_conv_grad_weight(const agx_conv *g, const void *x, const void *dy, void *dw, ag_workspace *work);

#endif
