/* file_impl: whole regular files, for nn's readers. Internal. */
#ifndef NNX_FILE_IMPL_H
#define NNX_FILE_IMPL_H

#include <autograd/autograd.h>

/* How messages show a path: cut, so that there is room for what happened to it. */
#define NNX_PATH "%.300s"

/** Read a whole regular file, with a NUL behind its *size bytes, into a block of *size + 1 (ag_release). Refuses
 *  directories, FIFOs and devices without blocking.
 *  Errors: AG_ERROR_IO, AG_ERROR_LIMIT (longer than `limit`), AG_ERROR_MEMORY; *bytes is then NULL */
ag_status nnx_file_read(const char *path, size_t limit, char **bytes, size_t *size,
                        ag_error *error) AG_WARN_UNUSED;

#endif
