/* pooling: what windows of a plane hold - its largest element, its mean. Channels come before the axes that are pooled;
 * the batch before the channels may be missing. */
#ifndef AUTOGRAD_OPS_POOLING_H
#define AUTOGRAD_OPS_POOLING_H

#include "../tape.h"

AG_BEGIN_DECLS

/** Windows. A list holds one number for all axes or one an axis; an empty list is the default.
 *
 *     ag_max_pool2d(x, &(const ag_pool_options){.kernel = {1, {2}}}) */
typedef struct ag_pool_options {
    ag_ints kernel;           /* positions of a window: must be given                                     */
    ag_ints stride;           /* the kernel: positions from one window to the next                        */
    ag_ints padding;          /* 0: positions before and behind an axis; at most half the kernel          */
    ag_ints dilation;         /* 1: positions from one element of a window to the next; maxima only      */
    bool ceil_mode;           /* a last window that begins inside may end outside                         */
    bool count_exclude_pad;   /* averages: padding is not counted (PyTorch: count_include_pad = False) */
    int64_t divisor_override; /* averages: 0: as many as were counted                            */
} ag_pool_options;

/** The largest element of each window; padding is never the largest.
 *  Shapes:   x (N, C, H, W) or (C, H, W); y (N, C, H', W'),
 *            H' = floor((H + 2 padding - dilation (kernel - 1) - 1) / stride) + 1, or ceil
 *  Gradient: dy to the first of the largest elements, wherever it lies; any order
 *  Edges:    NaN wins: the first one of the window. N = 0 or C = 0 gives nothing
 *  Errors:   AG_ERROR_SHAPE (rank; an empty axis; a kernel larger than the padded input; a dilated window that lies
 *            beside the input), AG_ERROR_VALUE (kernel, stride or dilation below 1, padding below 0 or more than half
 *            the kernel), AG_ERROR_DTYPE (no float)
 *  Memory:   keeps the index of each window's element, i64 */
AG_API ag_value ag_max_pool2d(ag_value x, const ag_pool_options *options);
/** The same; *index (i64, shaped like y) receives where each element lies in its plane, row-major. */
AG_API ag_value ag_max_pool2d_with_indices(ag_value x, const ag_pool_options *options, ag_value *index);
/** The same of signals, x (N, C, L) or (C, L). It decomposes into max_pool2d of height 1. */
AG_API ag_value ag_max_pool1d(ag_value x, const ag_pool_options *options);
/** Windows that divide the plane into height times width parts as equal as can be: part i begins at floor(i H / height)
 *  and ends at ceil((i + 1) H / height).
 *  Errors:   AG_ERROR_VALUE (a size below 0), AG_ERROR_SHAPE, AG_ERROR_DTYPE */
AG_API ag_value ag_adaptive_max_pool2d(ag_value x, int64_t height, int64_t width);

/** The mean of each window.
 *  Shapes:   as ag_max_pool2d, without dilation
 *  Gradient: dx = dy / n to each element of the window. Linear
 *  Edges:    padding counts as zeros unless count_exclude_pad; what ceil_mode adds beyond it never counts; sums are
 *            taken in f64
 *  Errors:   as ag_max_pool2d */
AG_API ag_value ag_avg_pool2d(ag_value x, const ag_pool_options *options);
/** The same of signals, x (N, C, L) or (C, L). It decomposes into avg_pool2d of height 1. */
AG_API ag_value ag_avg_pool1d(ag_value x, const ag_pool_options *options);
/** The mean of each of height times width parts, which are those of ag_adaptive_max_pool2d. */
AG_API ag_value ag_adaptive_avg_pool2d(ag_value x, int64_t height, int64_t width);
/** The same of signals. */
AG_API ag_value ag_adaptive_avg_pool1d(ag_value x, int64_t length);

AG_END_DECLS
#endif
