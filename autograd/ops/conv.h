/* conv: convolutions of signals and images, and their transposes. Channels come before the axes that are convolved;
 * the batch before the channels may be missing. */
#ifndef AUTOGRAD_OPS_CONV_H
#define AUTOGRAD_OPS_CONV_H

#include "../tape.h"

AG_BEGIN_DECLS

/** How a kernel moves. A list holds one number for all axes or one an axis; an empty list is the default.
 *
 *     ag_conv2d(x, weight, bias, &(const ag_conv_options){.stride = {1, {2}}, .padding = {2, {1, 0}}}) */
typedef struct ag_conv_options {
    ag_ints stride;         /* 1: positions from one place of the kernel to the next           */
    ag_ints padding;        /* 0: zeros before and behind an axis                               */
    ag_ints dilation;       /* 1: positions from one element of the kernel to the next          */
    ag_ints output_padding; /* 0: for transposes, positions added at the end of an axis         */
    int64_t groups;         /* independent convolutions of consecutive channels; 0: 1           */
} ag_conv_options;

/** Convolution of images (cross-correlation: the kernel is not turned around).
 *  y[n, f, i, j] = b[f] + sum over c, k, l of w[f, c, k, l] x[n, c, i s - p + k d, j s - p + l d], x 0 outside
 *  Shapes:   x (N, C, H, W) or (C, H, W); weight (F, C / groups, kh, kw); bias (F), or (ag_value){0} for none;
 *            y (N, F, H', W'), H' = floor((H + 2 padding - dilation (kh - 1) - 1) / stride) + 1. options NULL: defaults
 *  Gradient: dx = conv2d_grad_input, dweight = conv2d_grad_weight, both operations of their own; dbias = sum dy
 *  Edges:    N = 0 gives nothing, C = 0 the bias
 *  Errors:   AG_ERROR_SHAPE (ranks, channels that do not fit, a kernel larger than the padded input),
 *            AG_ERROR_VALUE (stride, dilation or groups below 1, padding below 0), AG_ERROR_DTYPE (no float)
 *  Memory:   keeps x and weight; while it runs, at most a few hundred KiB a thread
 *  Source:   Chellapilla, Puri and Simard 2006 (convolution as a matrix product) */
AG_API ag_value ag_conv2d(ag_value x, ag_value weight, ag_value bias, const ag_conv_options *options);
/** The same of signals. It decomposes into conv2d of height 1.
 *  Shapes:   x (N, C, L) or (C, L); weight (F, C / groups, k); bias (F) or none; y (N, F, L')
 *  Errors:   as ag_conv2d */
AG_API ag_value ag_conv1d(ag_value x, ag_value weight, ag_value bias, const ag_conv_options *options);
/** Transposed convolution: what the gradient of ag_conv2d does to dy, as an operation. It decomposes into
 *  conv2d_grad_input and add.
 *  Shapes:   x (N, C, H, W) or (C, H, W); weight (C, F / groups, kh, kw); bias (F) or none;
 *            y (N, F, H', W'), H' = (H - 1) stride - 2 padding + dilation (kh - 1) + output_padding + 1
 *  Gradient: dx = conv2d of dy, dweight = conv2d_grad_weight, dbias = sum dy
 *  Errors:   as ag_conv2d; AG_ERROR_VALUE (output_padding below 0, or not below stride or dilation),
 *            AG_ERROR_SHAPE (nothing would be left of an axis) */
AG_API ag_value ag_conv_transpose2d(ag_value x, ag_value weight, ag_value bias, const ag_conv_options *options);
/** The same of signals: x (N, C, L) or (C, L); weight (C, F / groups, k). */
AG_API ag_value ag_conv_transpose1d(ag_value x, ag_value weight, ag_value bias, const ag_conv_options *options);

AG_END_DECLS
#endif
