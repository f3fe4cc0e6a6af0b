/* pooling_impl: what the two files of pooling share - attributes, and windows from attributes. */
#ifndef AGX_POOLING_IMPL_H
#define AGX_POOLING_IMPL_H

#include "../kernels/pooling.h"
#include "planes_impl.h"

/** All pooling rows. `size`: of the result (adaptive rows), or of the planes of x (gradients). */
typedef struct agx_pool_attrs {
    ag_ints kernel, stride, padding, dilation, size;
    int64_t divisor_override;
    bool ceil_mode, count_include_pad;
} agx_pool_attrs;

#define AGX_POOL_FIELD(name, kind, value)                                                                         \
    { #name, kind, offsetof(agx_pool_attrs, name), value }
#define AGX_WINDOW_FIELDS                                                                                         \
    AGX_POOL_FIELD(kernel, AG_FIELD_INTS, 0), AGX_POOL_FIELD(stride, AG_FIELD_INTS, 0),                           \
        AGX_POOL_FIELD(padding, AG_FIELD_INTS, 0), AGX_POOL_FIELD(ceil_mode, AG_FIELD_BOOL, 0)

/** Checked windows on planes of size `in`. */
typedef struct agx_windows {
    bool adaptive;
    int64_t in[2], out[2];
    int64_t kernel[2], stride[2], padding[2], dilation[2];
} agx_windows;

/** How many elements the windows of that many planes take, where they do not overlap in an adaptive row. */
static inline double agx_windows_elements(const agx_windows *w, const agx_planes *of) {
    const double planes = (double)of->batch * (double)of->channels;
    return w->adaptive ? planes * (double)w->in[0] * (double)w->in[1]
                       : planes * (double)w->out[0] * (double)w->out[1] * (double)(w->kernel[0] * w->kernel[1]);
}

/** Windows of kernel, stride, padding and dilation.
 *  Errors: AG_ERROR_VALUE, AG_ERROR_SHAPE */
ag_status agx_windows_of(const agx_pool_attrs *a, int axes, const int64_t in[2], agx_windows *w, ag_error *error);
/** Windows that divide the planes into parts, `size` of them.
 *  Errors: AG_ERROR_VALUE, AG_ERROR_SHAPE */
ag_status agx_windows_dividing(const ag_ints *size, int axes, const int64_t in[2], agx_windows *w,
                               ag_error *error);
/** The attributes that describe the windows of one axis as windows of two. */
agx_pool_attrs agx_windows_attrs(const agx_pool_attrs *a, const agx_windows *w);
/** What a kernel needs: spans in scratch. Windows of a maximum may not be empty.
 *  Errors: AG_ERROR_SHAPE, AG_ERROR_MEMORY */
ag_status agx_windows_pooling(const ag_eval *e, const agx_windows *w, bool maximum, bool count_padding,
                              agx_pooling *p);

/** An axis of size 1 put in, `op` applied under those attributes, and the axis taken out again. */
ag_value agx_pool_one_axis(const ag_op *op, ag_value x, const agx_pool_attrs *a);
ag_status agx_pool_refuse(const ag_build *b, const ag_op *op, ag_status status, const ag_error *error);
/** Attributes from the options of the public functions. */
agx_pool_attrs agx_pool_attrs_from(const ag_pool_options *o);

#endif
