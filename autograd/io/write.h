/* write: a whole file or nothing, for those who make a file's bytes themselves. */
#ifndef AUTOGRAD_IO_WRITE_H
#define AUTOGRAD_IO_WRITE_H

#include "../base.h"

AG_BEGIN_DECLS

/** Write `size` bytes to `path`, durably: into a temporary file beside it, which is synced and then takes its place and
 *  its mode. Whatever fails, the old file stands and no temporary file remains.
 *  Edges:  a symbolic link is followed; `bytes` may be NULL where size is 0
 *  Errors: AG_ERROR_IO (names the path and the reason; what is there and no regular file is refused), AG_ERROR_MEMORY */
AG_API ag_status ag_file_write(const char *path, const void *bytes, size_t size, ag_error *error) AG_WARN_UNUSED;
/** Whether that is possible, to be asked before long work: everything but the writing is tried, and undone.
 *  Errors: as ag_file_write */
AG_API ag_status ag_file_check(const char *path, ag_error *error) AG_WARN_UNUSED;

AG_END_DECLS
#endif
