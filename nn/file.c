/* file: whole regular files, by the system's own calls.
 *
 * Opening never blocks (a FIFO without a writer would, for ever), and no memory is taken for what is not a regular
 * file or is longer than its limit. */
#define _POSIX_C_SOURCE 200809L

#include "file_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static ag_status fail_errno(const char *path, const char *what, ag_error *error) {
    return ag_fail(error, AG_ERROR_IO, NNX_PATH ": %s: %s", path, what, strerror(errno));
}

/* Up to `size` bytes; *got is less at the end of the file. */
static bool read_fully(int fd, char *to, size_t size, size_t *got) {
    const size_t piece = (size_t)1 << 30; /* systems move at most 2 GiB at a time */
    *got = 0;
    while (*got < size) {
        const size_t left = size - *got;
        const ssize_t n = read(fd, to + *got, left < piece ? left : piece);
        if (n == 0) break;
        if (n > 0)
            *got += (size_t)n;
        else if (errno != EINTR)
            return false;
    }
    return true;
}

static ag_status read_open_file(int fd, const char *path, size_t limit, char **bytes, size_t *size,
                                ag_error *error) {
    struct stat info;
    if (fstat(fd, &info) != 0) return fail_errno(path, "cannot examine", error);
    if (!S_ISREG(info.st_mode))
        return ag_fail(error, AG_ERROR_IO, NNX_PATH ": %s", path,
                       S_ISDIR(info.st_mode) ? "is a directory" : "is not a regular file");
    if (info.st_size < 0 || (uintmax_t)info.st_size > limit || (uintmax_t)info.st_size >= SIZE_MAX)
        return ag_fail(error, AG_ERROR_LIMIT, NNX_PATH ": has %jd bytes, more than the limit of %zu", path,
                       (intmax_t)info.st_size, limit);
    const size_t whole = (size_t)info.st_size;
    size_t got;
    char *block = ag_alloc(whole + 1);
    if (!block) return ag_fail(error, AG_ERROR_MEMORY, NNX_PATH ": no memory for its %zu bytes", path, whole);
    ag_status status = AG_OK;
    if (!read_fully(fd, block, whole + 1, &got)) /* one more, to see a file that grows */
        status = fail_errno(path, "cannot read", error);
    else if (got != whole)
        status = ag_fail(error, AG_ERROR_IO, NNX_PATH ": changed its length while being read", path);
    if (status) {
        ag_release(block, whole + 1);
        return status;
    }
    block[whole] = '\0';
    *bytes = block;
    *size = whole;
    return AG_OK;
}

ag_status nnx_file_read(const char *path, size_t limit, char **bytes, size_t *size, ag_error *error) {
    *bytes = NULL;
    *size = 0;
    const int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return fail_errno(path, "cannot open", error);
    const ag_status status = read_open_file(fd, path, limit, bytes, size, error);
    close(fd);
    return status;
}
