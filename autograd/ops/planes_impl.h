/* planes_impl: what convolution and pooling share - arrays of planes of one or two axes, and attributes that hold one
 * number an axis. One axis is treated as two, of which the first has size 1. */
#ifndef AGX_PLANES_IMPL_H
#define AGX_PLANES_IMPL_H

#include "ops_impl.h"

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

#endif
