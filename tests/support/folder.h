/* folder: a temporary folder for tests that read and write files. Everything in it goes with it. */
#ifndef TEST_FOLDER_H
#define TEST_FOLDER_H

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[PATH_MAX];

/* Fixtures: each test has a folder of its own. */
static inline void folder_make(void) {
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/gradus-test-XXXXXX", base && *base ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chmod(folder, 0755), 0);
}

/* "<folder>/<name>", in one of a few buffers that are used in turn. */
static inline const char *in_folder(const char *name) {
    static char paths[4][PATH_MAX + 512];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

/* How many entries it has. */
static inline int folder_count(void) {
    DIR *d = opendir(folder);
    int n = 0;
    ck_assert_ptr_nonnull(d);
    while (readdir(d)) n++;
    closedir(d);
    return n - 2; /* . and .. */
}

static inline void folder_remove(void) {
    DIR *d = opendir(folder);
    ck_assert_ptr_nonnull(d);
    for (struct dirent *e; (e = readdir(d));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) remove(in_folder(e->d_name));
    closedir(d);
    rmdir(folder);
}

/* A new file each time: some systems write out a file that is truncated and filled again, and wait for it. */
static inline void file_put(const char *path, const void *data, size_t size) {
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
    ck_assert_int_ge(fd, 0);
    ck_assert(write(fd, data, size) == (ssize_t)size);
    close(fd);
}

static inline bool file_holds(const char *path, const void *data, size_t size) {
    char *got = malloc(size + 1);
    int fd = open(path, O_RDONLY);
    bool same = fd >= 0 && read(fd, got, size + 1) == (ssize_t)size && memcmp(got, data, size) == 0;
    if (fd >= 0) close(fd);
    free(got);
    return same;
}

/* Root may do everything, so tests of permissions lay it down for a while. */
static inline void lay_down_rights(void) {
    if (geteuid() == 0) ck_assert_int_eq(seteuid(65534), 0);
}
static inline void take_up_rights(void) {
    if (getuid() == 0) ck_assert_int_eq(seteuid(0), 0);
}

#endif
