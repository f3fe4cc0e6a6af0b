/* output: see output.h. */
#define _POSIX_C_SOURCE 200809L

#include "output.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static ag_status fail_at(const char *path, ag_error *error) {
    return ag_fail(error, AG_ERROR_IO, "cannot write %s: %s", path, strerror(errno));
}

/* A new, empty file in the folder of `path`: *name is freed with ag_release_string. The name owes nothing to that
 * of `path`, which may be as long as the system allows. */
static ag_status open_beside(const char *path, char **name, int *fd, ag_error *error) {
    static const char own[] = ".output-XXXXXX";
    struct stat info;
    const char *slash = strrchr(path, '/');
    const size_t folder = slash ? (size_t)(slash + 1 - path) : 0; /* with its slash */
    if (path[folder] == '\0') return ag_fail(error, AG_ERROR_IO, "cannot write '%s': it names no file", path);
    const bool exists = stat(path, &info) == 0;
    if (!exists && errno != ENOENT) return fail_at(path, error);
    if (exists && !S_ISREG(info.st_mode))
        return ag_fail(error, AG_ERROR_IO, "cannot write %s: not a regular file", path);
    *name = ag_alloc(folder + sizeof own);
    if (!*name) return ag_fail(error, AG_ERROR_MEMORY, "name of a file beside %s", path);
    memcpy(*name, path, folder);
    strcpy(*name + folder, own);
    *fd = mkstemp(*name);
    if (*fd >= 0) return AG_OK;
    const ag_status status = fail_at(path, error);
    ag_release_string(*name);
    return status;
}

ag_status output_check(const char *path, ag_error *error) {
    char *name = NULL;
    int fd = -1;
    const ag_status status = open_beside(path, &name, &fd, error);
    if (status != AG_OK) return status;
    close(fd);
    unlink(name);
    ag_release_string(name);
    return AG_OK;
}
