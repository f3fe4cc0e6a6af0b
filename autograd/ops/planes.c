/* planes: shapes and lists of numbers for operations on planes of channels. See planes_impl.h. */
#include "planes_impl.h"

#include <inttypes.h>

ag_status agx_planes_of(const ag_meta *meta, int axes, const char *what, agx_planes *out, ag_error *error) {
    const int batch = meta->rank - axes - 1; /* how many axes it has */
    if (batch < 0 || batch > 1)
        return ag_fail(error, AG_ERROR_SHAPE, "the %s must have rank %d or %d, got %" PRId32, what, axes + 1,
                       axes + 2, meta->rank);
    out->batch = batch ? meta->dim[0] : 1;
    out->channels = meta->dim[batch];
    out->size[0] = axes == 2 ? meta->dim[batch + 1] : 1;
    out->size[1] = meta->dim[meta->rank - 1];
    return AG_OK;
}

void agx_planes_shape(const ag_meta *like, int axes, int64_t channels, const int64_t size[2], ag_meta *out) {
    agx_copy_shape(like, out);
    out->dim[out->rank - axes - 1] = channels;
    for (int k = 0; k < axes; k++) out->dim[out->rank - axes + k] = size[2 - axes + k];
}

ag_status agx_numbers_of(const ag_ints *list, int axes, int64_t empty, int64_t single, int64_t lowest,
                         const char *what, int64_t out[2], ag_error *error) {
    if (list->n != 0 && list->n != 1 && list->n != axes)
        return ag_fail(error, AG_ERROR_VALUE, "%s needs one number an axis, %d in all, got %" PRId32, what, axes,
                       list->n);
    out[0] = single;
    for (int k = 0; k < axes; k++) {
        const int64_t number = list->n == 0 ? empty : list->v[list->n == 1 ? 0 : k];
        if (number < lowest || number > INT32_MAX)
            return ag_fail(error, AG_ERROR_VALUE, "%s must be %" PRId64 " to %d, got %" PRId64, what, lowest,
                           INT32_MAX, number);
        out[2 - axes + k] = number;
    }
    return AG_OK;
}
