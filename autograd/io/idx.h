/* idx: the IDX format of MNIST and Fashion-MNIST, plain or gzip-compressed. Strict: the length must match the
 * header exactly. Format: Y. LeCun, "The MNIST database", file formats. */
#ifndef AUTOGRAD_IO_IDX_H
#define AUTOGRAD_IO_IDX_H

#include "../tensor.h"

AG_BEGIN_DECLS

/** The contents of an IDX file. Free with ag_idx_clear. */
typedef struct ag_idx {
    uint8_t type; /* 08 u8, 09 i8, 0B i16, 0C i32, 0D f32, 0E f64            */
    int rank;     /* 1 to 8                                                  */
    int64_t dim[AG_MAX_RANK];
    int64_t count;
    void *data; /* count elements in the machine's byte order, row-major    */
    size_t bytes;
} ag_idx;

/** Read a file; `limit` bounds the bytes of data accepted (0: 4 GiB).
 *  Errors: AG_ERROR_IO (missing, unreadable, not a regular file), AG_ERROR_FORMAT (what and where),
 *          AG_ERROR_LIMIT, AG_ERROR_MEMORY, AG_ERROR_UNSUPPORTED (.gz in a build without zlib). On error
 *          *out is empty. */
AG_API ag_status ag_idx_read(const char *path, size_t limit, ag_idx *out, ag_error *error) AG_WARN_UNUSED;
AG_API void ag_idx_clear(ag_idx *idx); /* an empty one is accepted */
/** Element i, row-major, as a double; NaN out of range. */
AG_API double ag_idx_get(const ag_idx *idx, int64_t i);

AG_END_DECLS
#endif
