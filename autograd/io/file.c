/* file: whole regular files in, durable files out, by the system's own calls.
 *
 * Invariants: opening never blocks (a FIFO without a writer would, for ever); no memory is taken for a file that is
 * not regular or larger than its limit; a target is only ever replaced by rename, whole, by a file that has no name until
 * it is whole, where the system has such files.
 * Left out: mapping files into memory, where a file cut short by another program kills the reader. */
#if defined(__linux__)
#define _GNU_SOURCE 1 /* O_TMPFILE */
#else
#define _XOPEN_SOURCE 700 /* realpath, fchmod, lstat */
#endif
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef PATH_MAX
#define PATH_MAX 4096
#endif

/* The most that one read or write is asked for: systems move at most 2 GiB at a time. */
static const size_t piece = (size_t)1 << 30;

static ag_status fail_errno(const char *path, const char *what, ag_error *error) {
    return ag_fail(error, AG_ERROR_IO, AGX_PATH ": %s: %s", path, what, strerror(errno));
}

static ag_status check_regular(const struct stat *st, const char *path, ag_error *error) {
    if (S_ISREG(st->st_mode)) return AG_OK;
    const char *kind = S_ISDIR(st->st_mode) ? "is a directory" : "is not a regular file";
    return ag_fail(error, AG_ERROR_IO, AGX_PATH ": %s", path, kind);
}

/* ---- reading ---------------------------------------------------------------------------------------------- */

/* Up to `size` bytes; *got is less at the end of the file. */
static bool read_fully(int fd, unsigned char *data, size_t size, size_t *got) {
    *got = 0;
    while (*got < size) {
        size_t want = size - *got < piece ? size - *got : piece;
        ssize_t n = read(fd, data + *got, want);
        if (n == 0) break;
        if (n > 0)
            *got += (size_t)n;
        else if (errno != EINTR)
            return false;
    }
    return true;
}

static ag_status read_open_file(int fd, const char *path, size_t limit, unsigned char **data, size_t *size,
                                ag_error *error) {
    struct stat st;
    if (fstat(fd, &st) != 0) return fail_errno(path, "cannot examine", error);
    ag_status status = check_regular(&st, path, error);
    if (status) return status;
    if (st.st_size < 0 || (uintmax_t)st.st_size > limit)
        return ag_fail(error, AG_ERROR_LIMIT, AGX_PATH ": has %jd bytes, more than the limit of %zu", path,
                       (intmax_t)st.st_size, limit);
    size_t whole = (size_t)st.st_size, got = 0, more = 0;
    unsigned char *block = ag_alloc(whole), beyond;
    if (!block) return ag_fail(error, AG_ERROR_MEMORY, AGX_PATH ": no memory for its %zu bytes", path, whole);
    if (!read_fully(fd, block, whole, &got) || !read_fully(fd, &beyond, 1, &more))
        status = fail_errno(path, "cannot read", error);
    else if (got != whole || more != 0)
        status = ag_fail(error, AG_ERROR_IO, AGX_PATH ": changed its length while being read", path);
    if (status) {
        ag_release(block, whole);
        return status;
    }
    *data = block;
    *size = whole;
    return AG_OK;
}

ag_status agx_file_read(const char *path, size_t limit, unsigned char **data, size_t *size, ag_error *error) {
    *data = NULL;
    *size = 0;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return fail_errno(path, "cannot open", error);
    ag_status status = read_open_file(fd, path, limit, data, size, error);
    close(fd);
    return status;
}

/* ---- writing ------------------------------------------------------------------------------------------------ */

static void writer_clear(agx_writer *w) {
    ag_release_string(w->target);
    ag_release_string(w->temporary);
    *w = (agx_writer){.fd = -1};
}

/* Tries; the length of a temporary name; room for one below /proc. */
enum { ATTEMPTS = 1000, OWN = 26, PROC = 40 };

/* The temporary file's name is .gradus.tmp.<pid>.<n> in the target's folder, with the first n that is free. Names that
 * are taken are left alone: they may be another thread's. All are of one length, which the target's own name is no part
 * of: that may be as long as the system allows. */
static void name_temporary(agx_writer *w, int n) {
    char *own = w->temporary + strlen(w->temporary) - OWN;
    snprintf(own, OWN + 1, ".gradus.tmp.%010lu.%03u", (unsigned long)getpid() % 10000000000UL, (unsigned)n % ATTEMPTS);
}

static bool make_name(agx_writer *w) {
    const char *slash = strrchr(w->target, '/');
    const size_t folder = slash ? (size_t)(slash + 1 - w->target) : 0;
    w->temporary = ag_alloc(folder + OWN + 1);
    if (!w->temporary) return false;
    memcpy(w->temporary, w->target, folder);
    memset(w->temporary + folder, '.', OWN);
    w->temporary[folder + OWN] = '\0';
    return true;
}

#if defined(O_TMPFILE)

static void proc_path(int fd, char path[PROC]) { snprintf(path, PROC, "/proc/self/fd/%d", fd); }

/* A file that nobody can see, and that the system removes if the process is killed. It can be given a name through
 * /proc, so where there is none, or the file system has no such files, there is nothing: -1. */
static int open_unnamed(agx_writer *w, mode_t mode) {
    char *slash = strrchr(w->temporary, '/'), proc[PROC];
    const char *folder = slash == w->temporary ? "/" : slash ? w->temporary : ".";
    if (slash) *slash = '\0';
    int fd = open(folder, O_WRONLY | O_TMPFILE | O_CLOEXEC, mode);
    if (slash) *slash = '/';
    if (fd < 0) return -1;
    proc_path(fd, proc);
    if (access(proc, F_OK) == 0) return fd;
    close(fd);
    return -1;
}

static bool give_name(agx_writer *w) {
    char proc[PROC];
    proc_path(w->fd, proc);
    for (int n = 0; n < ATTEMPTS && w->unnamed; n++) {
        name_temporary(w, n);
        w->unnamed = linkat(AT_FDCWD, proc, AT_FDCWD, w->temporary, AT_SYMLINK_FOLLOW) != 0;
        if (w->unnamed && errno != EEXIST) break;
    }
    return !w->unnamed;
}

#else /* files have names from the first */

static int open_unnamed(agx_writer *w, mode_t mode) {
    (void)w, (void)mode;
    return -1;
}
static bool give_name(agx_writer *w) { return !w->unnamed; }

#endif

static ag_status create_temporary(agx_writer *w, mode_t mode, ag_error *error) {
    w->fd = open_unnamed(w, mode);
    w->unnamed = w->fd >= 0;
    for (int n = 0; n < ATTEMPTS && w->fd < 0; n++) {
        name_temporary(w, n);
        w->fd = open(w->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, mode);
        if (w->fd < 0 && errno != EEXIST) break;
    }
    return w->fd < 0 ? fail_errno(w->target, "cannot create a temporary file beside it", error) : AG_OK;
}

ag_status agx_writer_open(agx_writer *w, const char *path, ag_error *error) {
    *w = (agx_writer){.fd = -1};
    struct stat st;
    char resolved[PATH_MAX];
    const char *target = path;
    if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode)) {
        if (!realpath(path, resolved)) return fail_errno(path, "cannot follow the symbolic link", error);
        target = resolved;
    }
    bool exists = stat(target, &st) == 0;
    if (!exists && (errno != ENOENT || !*path)) return fail_errno(path, "cannot examine", error);
    if (exists) {
        ag_status status = check_regular(&st, path, error);
        if (status) return status;
    }
    w->target = ag_copy_string(target);
    if (!w->target || !make_name(w)) {
        writer_clear(w);
        return ag_fail(error, AG_ERROR_MEMORY, AGX_PATH ": no memory for its name", path);
    }
    /* An old file's mode may be narrower than the usual one, so its successor starts closed to others. */
    ag_status status = create_temporary(w, exists ? 0600 : 0666, error);
    if (status) {
        writer_clear(w);
        return status;
    }
    if (exists && fchmod(w->fd, st.st_mode & 0777) != 0) {
        status = fail_errno(path, "cannot keep its mode", error);
        agx_writer_abandon(w);
    }
    return status;
}

ag_status agx_writer_append(agx_writer *w, const void *data, size_t size, ag_error *error) {
    const char *next = data;
    while (size > 0) {
        ssize_t n = write(w->fd, next, size < piece ? size : piece);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno(w->target, "cannot write", error);
        next += n;
        size -= (size_t)n;
    }
    return AG_OK;
}

/* Make the rename itself durable. Not every file system can, and a folder may be closed to reading; then there is
 * nothing more to be done, and the file is whole all the same. */
static ag_status sync_folder(char *target, ag_error *error) {
    char *slash = strrchr(target, '/');
    const char *folder = slash == target ? "/" : slash ? target : ".";
    if (slash) *slash = '\0';
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool lost = fd >= 0 && fsync(fd) != 0 && errno == EIO;
    if (fd >= 0) close(fd);
    if (slash) *slash = '/';
    if (!lost) return AG_OK;
    return ag_fail(error, AG_ERROR_IO, AGX_PATH ": is written, but its folder cannot be synced", target);
}

ag_status agx_writer_commit(agx_writer *w, ag_error *error) {
    ag_status status = AG_OK;
    if (fsync(w->fd) != 0) status = fail_errno(w->target, "cannot sync", error);
    if (!status && !give_name(w)) status = fail_errno(w->target, "cannot name the new file", error);
    if (close(w->fd) != 0 && !status) status = fail_errno(w->target, "cannot close", error);
    if (!status && rename(w->temporary, w->target) != 0)
        status = fail_errno(w->target, "cannot move the new file into place", error);
    if (!status)
        status = sync_folder(w->target, error);
    else if (!w->unnamed)
        unlink(w->temporary);
    writer_clear(w);
    return status;
}

void agx_writer_abandon(agx_writer *w) {
    if (!w->temporary) return;
    close(w->fd);
    if (!w->unnamed) unlink(w->temporary);
    writer_clear(w);
}
