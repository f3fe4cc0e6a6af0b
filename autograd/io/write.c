/* write: the durable writer of file.h, for bytes that are all there. */
#include "write.h"

#include "file.h"

ag_status ag_file_write(const char *path, const void *bytes, size_t size, ag_error *error) {
    agx_writer w;
    ag_status status = agx_writer_open(&w, path, error);
    if (status) return status;
    status = agx_writer_append(&w, bytes, size, error);
    if (!status) return agx_writer_commit(&w, error);
    agx_writer_abandon(&w);
    return status;
}

ag_status ag_file_check(const char *path, ag_error *error) {
    agx_writer w;
    const ag_status status = agx_writer_open(&w, path, error);
    if (!status) agx_writer_abandon(&w);
    return status;
}
