/* conv: convolutions with weights of their own. */
#ifndef NN_LAYERS_CONV_H
#define NN_LAYERS_CONV_H

#include "../module.h"

AG_BEGIN_DECLS

/** What lies before and behind an axis, n elements x_0 ... x_(n-1). */
typedef enum nn_padding_mode {
    NN_PAD_ZEROS,
    NN_PAD_REFLECT,   /* ... x_2 x_1 | x_0 x_1 ...: at most n - 1 positions */
    NN_PAD_REPLICATE, /* ... x_0 x_0 | x_0 x_1 ...                          */
    NN_PAD_CIRCULAR   /* ... x_(n-2) x_(n-1) | x_0 x_1 ...: at most n       */
} nn_padding_mode;

/** Zero-initialise, then set what should differ from PyTorch's defaults. A list holds one number for all axes or one an
 *  axis; an empty list is the default.
 *
 *     nn_conv2d(3, 16, 5, 5, &(const nn_conv_options){.stride = {1, {2}}, .padding = {2, {2, 1}}}, &error) */
typedef struct nn_conv_options {
    ag_ints stride;               /* 1                                                                */
    ag_ints padding;              /* 0: positions before and behind an axis                           */
    ag_ints dilation;             /* 1                                                                */
    ag_ints output_padding;       /* 0: transposed ones only: positions added at the end of an axis   */
    int64_t groups;               /* 1: independent convolutions of consecutive channels              */
    nn_padding_mode padding_mode; /* what lies in the padding; of transposed ones zeros               */
    bool same;                    /* as much padding as keeps the length of an axis, of an odd number
                                     the larger part behind; not of transposed ones                   */
    bool no_bias;
    const nn_init *weight, *bias; /* NULL: PyTorch's, uniform in [-r, r), r = 1 / sqrt(fan_in)        */
} nn_conv_options;

/** Convolution of images, ag_conv2d. options NULL: defaults; so for all of these.
 *  Shapes: x (N, n_in, H, W) or (n_in, H, W), weight (n_out, n_in / groups, height, width), bias (n_out);
 *          y (N, n_out, H', W'), H' = floor((H + 2 padding - dilation (height - 1) - 1) / stride) + 1
 *  Errors: AG_ERROR_VALUE (a channel count, window, stride, dilation or groups below 1, padding below 0, a list that is
 *          neither empty nor of one number nor of one an axis; groups that do not divide both channel counts; no
 *          such padding_mode; same with a padding or another stride than 1; output_padding where nothing is transposed,
 *          padding_mode and same where something is), AG_ERROR_SHAPE (too many elements), AG_ERROR_MEMORY. Of a pass:
 *          those of the operation, and AG_ERROR_SHAPE (an axis too short for its padding_mode)
 *  Memory: of a pass, where the padding is not zeros, or not the same on both sides, a copy of x with it */
NN_API nn_module *nn_conv2d(int64_t n_in, int64_t n_out, int64_t height, int64_t width,
                            const nn_conv_options *options, ag_error *error);
/** Of signals, ag_conv1d.
 *  Shapes: x (N, n_in, L) or (n_in, L), weight (n_out, n_in / groups, length), bias (n_out); y (N, n_out, L')
 *  Errors: as nn_conv2d */
NN_API nn_module *nn_conv1d(int64_t n_in, int64_t n_out, int64_t length, const nn_conv_options *options,
                            ag_error *error);
/** Transposed convolution of images, ag_conv_transpose2d: it enlarges what a convolution with the same options makes
 *  smaller.
 *  Shapes: x (N, n_in, H, W) or (n_in, H, W), weight (n_in, n_out / groups, height, width), bias (n_out);
 *          y (N, n_out, H', W'), H' = (H - 1) stride - 2 padding + dilation (height - 1) + output_padding + 1.
 *          The fan of the default is n_out / groups height width, as in PyTorch
 *  Errors: as nn_conv2d; output_padding is checked by the operation */
NN_API nn_module *nn_conv_transpose2d(int64_t n_in, int64_t n_out, int64_t height, int64_t width,
                                      const nn_conv_options *options, ag_error *error);
/** Of signals, ag_conv_transpose1d.
 *  Shapes: x (N, n_in, L) or (n_in, L), weight (n_in, n_out / groups, length), bias (n_out); y (N, n_out, L') */
NN_API nn_module *nn_conv_transpose1d(int64_t n_in, int64_t n_out, int64_t length, const nn_conv_options *options,
                                      ag_error *error);

AG_END_DECLS
#endif
