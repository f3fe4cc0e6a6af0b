/* npy: one array of NumPy's in a file; npz: named arrays in a zip archive. Strict readers, durable writers.
 * Format: NumPy, numpy.lib.format; PKWARE, APPNOTE.TXT (zip). */
#ifndef AUTOGRAD_IO_NPY_H
#define AUTOGRAD_IO_NPY_H

#include "../tensor.h"

AG_BEGIN_DECLS

/** Read one array; versions 1.0, 2.0 and 3.0, either order of elements. `limit` bounds the bytes of elements
 *  accepted (0: 4 GiB). <f4 and >f4 give f32, <f8 and >f8 f64, |b1 bool, |u1 |i1 <i4 <i8 i64.
 *  Edges:  rank 0 and empty arrays are legal; any byte but 0 of |b1 is true
 *  Errors: NULL: AG_ERROR_IO (missing, unreadable, not a regular file), AG_ERROR_FORMAT (what and where),
 *          AG_ERROR_DTYPE (any other dtype; objects are never read), AG_ERROR_LIMIT (a rank above 8, or too long),
 *          AG_ERROR_MEMORY */
AG_API ag_tensor *ag_npy_read(const char *path, size_t limit, ag_error *error);
/** Write one array, version 1.0, row-major and little-endian, durably: the old file stands until the new one is
 *  whole, and no temporary file remains.
 *  Errors: AG_ERROR_IO, AG_ERROR_MEMORY
 *  Memory: a second copy of the elements while it writes */
AG_API ag_status ag_npy_write(const char *path, const ag_tensor *x, ag_error *error) AG_WARN_UNUSED;

/** An archive read whole: all arrays, checked, in the order of the file. */
typedef struct ag_npz ag_npz;
/** `limit` bounds the bytes of all arrays together, inflated (0: 4 GiB). Stored entries are read in every build,
 *  deflated ones in a build with zlib.
 *  Errors: NULL: those of ag_npy_read; AG_ERROR_FORMAT, too, for a damaged archive (a checksum, an overlap, a hole),
 *          a name that is empty, not UTF-8, there twice or does not end in ".npy", and a comment behind the archive;
 *          AG_ERROR_UNSUPPORTED (deflated, in a build without zlib; encrypted; ZIP64; another method) */
AG_API ag_npz *ag_npz_read(const char *path, size_t limit, ag_error *error);
AG_API void ag_npz_free(ag_npz *file); /* accepts NULL */
AG_API size_t ag_npz_count(const ag_npz *file);
/** Name (without ".npy") and tensor number i; NULL past the last. Both belong to the file. */
AG_API const char *ag_npz_name(const ag_npz *file, size_t i);
AG_API ag_tensor *ag_npz_tensor(const ag_npz *file, size_t i);
AG_API ag_tensor *ag_npz_find(const ag_npz *file, const char *name); /* NULL: none */

/** Write `n` tensors under their names (".npy" is added), stored or deflated, durably as ag_npy_write does.
 *  Errors: AG_ERROR_NAME (empty, duplicate, not UTF-8, longer than 65,000 bytes), AG_ERROR_UNSUPPORTED (`deflated`
 *          in a build without zlib), AG_ERROR_IO, AG_ERROR_LIMIT (more than 65,534 tensors, or 4 GiB: no ZIP64),
 *          AG_ERROR_MEMORY
 *  Memory: a second copy of the largest tensor while it writes, and what deflate made of it */
AG_API ag_status ag_npz_write(const char *path, ag_tensor *const *tensors, const char *const *names, size_t n,
                              bool deflated, ag_error *error) AG_WARN_UNUSED;

AG_END_DECLS
#endif
