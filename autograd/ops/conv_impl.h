/* conv_impl: what conv.c and conv_composed.c share - the attributes of a convolution, and its geometry from shapes. */
#ifndef AGX_CONV_IMPL_H
#define AGX_CONV_IMPL_H

#include "../kernels/conv.h"
#include "planes_impl.h"

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

/** The geometry of a convolution of x by w. Everything is checked.
 *  Errors: AG_ERROR_VALUE, AG_ERROR_SHAPE */
ag_status agx_conv_geometry(const agx_conv_attrs *a, int axes, const ag_meta *x, const ag_meta *w, agx_conv *g,
                            ag_error *error);
/** bias (filters)?
 *  Errors: AG_ERROR_SHAPE */
ag_status agx_conv_check_bias(const ag_meta *bias, int64_t filters, ag_error *error);

#endif
