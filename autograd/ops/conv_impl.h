/* conv_impl: what conv.c and conv_composed.c share - the attributes of a convolution, and its geometry from shapes. */
#ifndef AGX_CONV_IMPL_H
#define AGX_CONV_IMPL_H

#include "../kernels/conv.h"
#include "ops_impl.h"

/** conv1d, conv2d and their relatives. `size`: what the operands do not tell - the size of x's planes
 *  (conv2d_grad_input), the kernel's (conv2d_grad_weight), output_padding (transposes). */
typedef struct agx_conv_attrs {
    ag_ints stride, padding, dilation, size;
    int64_t groups;
} agx_conv_attrs;

#define AGX_CONV_FIELDS                                                                                           \
    {"stride", AG_FIELD_INTS, offsetof(agx_conv_attrs, stride), 0},                                               \
        {"padding", AG_FIELD_INTS, offsetof(agx_conv_attrs, padding), 0},                                         \
        {"dilation", AG_FIELD_INTS, offsetof(agx_conv_attrs, dilation), 0}, {                                     \
        "groups", AG_FIELD_INT, offsetof(agx_conv_attrs, groups), 1                                               \
    }

/** An array of planes: (batch, channels, size) or (channels, size), size of one or two axes. Of one axis it is the
 *  second; the first is 1. */
typedef struct agx_planes {
    int64_t batch, channels, size[2];
} agx_planes;

/** Read `meta` so. `what` names the operand in the error.
 *  Errors: AG_ERROR_SHAPE (rank) */
ag_status agx_planes_of(const ag_meta *meta, int axes, const char *what, agx_planes *out, ag_error *error);
/** A shape like `like`, but with other channels and sizes. */
void agx_planes_shape(const ag_meta *like, int axes, int64_t channels, const int64_t size[2], ag_meta *out);
/** One number an axis from a list of none (`empty`), one or as many as axes; axes 1: the second, the first is
 *  `single`. A number below `lowest`, or above 2^31 - 1, is refused.
 *  Errors: AG_ERROR_VALUE */
ag_status agx_numbers_of(const ag_ints *list, int axes, int64_t empty, int64_t single, int64_t lowest,
                         const char *what, int64_t out[2], ag_error *error);

/** The geometry of a convolution of x by w. Everything is checked.
 *  Errors: AG_ERROR_VALUE, AG_ERROR_SHAPE */
ag_status agx_conv_geometry(const agx_conv_attrs *a, int axes, const ag_meta *x, const ag_meta *w, agx_conv *g,
                            ag_error *error);
/** bias (filters)?
 *  Errors: AG_ERROR_SHAPE */
ag_status agx_conv_check_bias(const ag_meta *bias, int64_t filters, ag_error *error);

#endif
