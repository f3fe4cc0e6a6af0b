/* file: what every reader and writer shares - whole regular files in, durable files out. Internal. */
#ifndef AGX_IO_FILE_H
#define AGX_IO_FILE_H

#include "../base.h"

/* How messages show a path: cut, so that there is room for what happened to it. */
#define AGX_PATH "%.300s"

/** Read a whole regular file into a block of *size bytes (free with ag_release). `limit` bounds it.
 *  Refuses directories, FIFOs and devices without blocking.
 *  Errors: AG_ERROR_IO, AG_ERROR_LIMIT, AG_ERROR_MEMORY; *data is then NULL */
ag_status agx_file_read(const char *path, size_t limit, unsigned char **data, size_t *size,
                        ag_error *error) AG_WARN_UNUSED;

/** A durable write: open a temporary file beside the target, append, then commit (fsync, keep the old mode,
 *  rename, fsync the folder) or abandon. Whatever fails, the old file stands and no temporary remains; where the system
 *  has files without a name, a process that is killed leaves none either, but between its last two steps. A target
 *  that is a symbolic link is written where it points; one that is no regular file is refused.
 *  After an append that failed, abandon; commit leaves nothing to abandon either way. */
typedef struct agx_writer {
    int fd;
    bool unnamed;             /* the temporary file has no name yet       */
    char *target, *temporary; /* temporary NULL: closed                   */
} agx_writer;
ag_status agx_writer_open(agx_writer *w, const char *path, ag_error *error) AG_WARN_UNUSED;
ag_status agx_writer_append(agx_writer *w, const void *data, size_t size, ag_error *error) AG_WARN_UNUSED;
ag_status agx_writer_commit(agx_writer *w, ag_error *error) AG_WARN_UNUSED;
void agx_writer_abandon(agx_writer *w); /* a closed writer is accepted */

#endif
