/* image_write: a picture as a PGM or PPM file. */
#include "../images.h"

#include "../file_impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* [0, 1] to a byte; what is outside is cut off, and NaN is 0. */
static unsigned char byte_of(const ag_tensor *x, int64_t i) {
    const double v = ag_tensor_get(x, i);
    return (unsigned char)lround(255 * fmin(1, fmax(0, v)));
}

ag_status nn_image_write(const char *path, const ag_tensor *x, ag_error *error) {
    const ag_meta *m = ag_tensor_meta(x);
    char text[AG_META_TEXT], head[80];
    if (!ag_dtype_is_float(m->dtype))
        return ag_fail(error, AG_ERROR_DTYPE, NNX_PATH ": a picture is made of floating numbers", path);
    if (m->rank != 3 || (m->dim[0] != 1 && m->dim[0] != 3) || m->dim[1] < 1 || m->dim[2] < 1)
        return ag_fail(error, AG_ERROR_SHAPE, NNX_PATH ": no picture, (1 or 3, height, width), in %s", path,
                       ag_meta_text(m, text, sizeof text));
    const int64_t channels = m->dim[0], cells = m->dim[1] * m->dim[2];
    const size_t start = (size_t)snprintf(head, sizeof head, "P%c\n%lld %lld\n255\n", channels == 1 ? '5' : '6',
                                          (long long)m->dim[2], (long long)m->dim[1]);
    const size_t size = start + (size_t)(channels * cells);
    unsigned char *bytes = ag_alloc(size);
    if (!bytes) return ag_fail(error, AG_ERROR_MEMORY, NNX_PATH ": no memory for a picture", path);
    memcpy(bytes, head, start);
    for (int64_t i = 0; i < cells; i++) /* a file has the channels of a point together */
        for (int64_t c = 0; c < channels; c++)
            bytes[start + (size_t)(i * channels + c)] = byte_of(x, c * cells + i);
    const ag_status status = ag_file_write(path, bytes, size, error);
    ag_release(bytes, size);
    return status;
}
