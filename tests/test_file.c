/* file: what is read, what is refused, and that a write is whole or never happened. */
#define _GNU_SOURCE 1
#include <autograd/io/file.h>
#include <autograd/io/write.h>

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

#include "support/folder.h"

static ag_status read_status(const char *path, size_t limit, ag_error *error) {
    unsigned char *data = NULL;
    size_t size = 0;
    ag_status status = agx_file_read(path, limit, &data, &size, error);
    if (status) ck_assert_ptr_null(data);
    ag_release(data, size);
    return status;
}

START_TEST(a_regular_file_is_read_whole) {
    enum { N = 100000 };
    static unsigned char bytes[N];
    for (size_t i = 0; i < N; i++) bytes[i] = (unsigned char)(i * 7 >> 3);
    file_put(in_folder("x"), bytes, N);
    unsigned char *data;
    size_t size;
    ck_assert_int_eq(agx_file_read(in_folder("x"), N, &data, &size, NULL), AG_OK);
    ck_assert_uint_eq(size, N);
    ck_assert_mem_eq(data, bytes, N);
    ag_release(data, size);
}
END_TEST

START_TEST(an_empty_file_has_no_bytes) {
    file_put(in_folder("x"), "", 0);
    unsigned char *data;
    size_t size = 9;
    ck_assert_int_eq(agx_file_read(in_folder("x"), 0, &data, &size, NULL), AG_OK);
    ck_assert_uint_eq(size, 0);
    ag_release(data, size);
}
END_TEST

START_TEST(a_missing_file_is_an_error_that_names_it) {
    ag_error error = {0};
    ck_assert_int_eq(read_status(in_folder("none"), 100, &error), AG_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(error.message, in_folder("none")));
    ck_assert_ptr_nonnull(strstr(error.message, strerror(ENOENT)));
}
END_TEST

START_TEST(a_file_above_the_limit_is_refused) {
    file_put(in_folder("x"), "12345", 5);
    ag_error error = {0};
    ck_assert_int_eq(read_status(in_folder("x"), 4, &error), AG_ERROR_LIMIT);
    ck_assert_int_eq(read_status(in_folder("x"), 5, &error), AG_OK);
}
END_TEST

START_TEST(what_is_no_regular_file_is_refused_without_blocking) {
    ag_error error = {0};
    ck_assert_int_eq(mkfifo(in_folder("fifo"), 0644), 0);
    ck_assert_int_eq(read_status(in_folder("fifo"), 100, &error), AG_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(error.message, "is not a regular file"));
    ck_assert_int_eq(read_status(folder, 100, &error), AG_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(error.message, "is a directory"));
    ck_assert_int_eq(read_status("/dev/zero", 100, &error), AG_ERROR_IO);
}
END_TEST

START_TEST(an_unreadable_file_is_an_error) {
    file_put(in_folder("x"), "1", 1);
    ck_assert_int_eq(chmod(in_folder("x"), 0), 0);
    ag_error error = {0};
    lay_down_rights();
    ag_status status = read_status(in_folder("x"), 100, &error);
    take_up_rights();
    ck_assert_int_eq(status, AG_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(error.message, strerror(EACCES)));
}
END_TEST

/* ---- writing ------------------------------------------------------------------------------------------------- */

static ag_status write_text(const char *path, const char *text, ag_error *error) {
    return ag_file_write(path, text, strlen(text), error);
}

static mode_t mode_of(const char *path) {
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    return st.st_mode & 07777;
}

START_TEST(a_commit_puts_the_whole_file_in_place) {
    agx_writer w;
    ck_assert_int_eq(agx_writer_open(&w, in_folder("x"), NULL), AG_OK);
    ck_assert_int_eq(agx_writer_append(&w, "abc", 3, NULL), AG_OK);
    ck_assert_int_eq(agx_writer_append(&w, "", 0, NULL), AG_OK);
    ck_assert_int_eq(agx_writer_append(&w, "defg", 4, NULL), AG_OK);
    ck_assert_int_ne(access(in_folder("x"), F_OK), 0); /* not before */
    ck_assert_int_eq(agx_writer_commit(&w, NULL), AG_OK);
    ck_assert(file_holds(in_folder("x"), "abcdefg", 7));
    ck_assert_int_eq(folder_count(), 1);
    agx_writer_abandon(&w); /* closed: nothing happens */
    ck_assert(file_holds(in_folder("x"), "abcdefg", 7));
}
END_TEST

START_TEST(an_abandoned_write_leaves_the_old_file_and_no_temporary) {
    file_put(in_folder("x"), "old", 3);
    agx_writer w;
    ck_assert_int_eq(agx_writer_open(&w, in_folder("x"), NULL), AG_OK);
    ck_assert_int_eq(agx_writer_append(&w, "new", 3, NULL), AG_OK);
    ck_assert_int_le(folder_count(), 2); /* where it can, it has no name yet */
    agx_writer_abandon(&w);
    ck_assert(file_holds(in_folder("x"), "old", 3));
    ck_assert_int_eq(folder_count(), 1);
}
END_TEST

START_TEST(the_old_mode_is_kept) {
    file_put(in_folder("x"), "old", 3);
    static const mode_t modes[] = {0600, 0640, 0777, 0444};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        ck_assert_int_eq(chmod(in_folder("x"), modes[i]), 0);
        ck_assert_int_eq(write_text(in_folder("x"), "new", NULL), AG_OK);
        ck_assert_uint_eq(mode_of(in_folder("x")), modes[i]);
    }
    ck_assert(file_holds(in_folder("x"), "new", 3));
}
END_TEST

START_TEST(a_new_file_has_the_mode_the_umask_leaves) {
    mode_t old = umask(027);
    ck_assert_int_eq(write_text(in_folder("x"), "new", NULL), AG_OK);
    umask(old);
    ck_assert_uint_eq(mode_of(in_folder("x")), 0640);
}
END_TEST

START_TEST(two_writers_do_not_share_a_temporary) {
    agx_writer one, other;
    ck_assert_int_eq(agx_writer_open(&one, in_folder("x"), NULL), AG_OK);
    ck_assert_int_eq(agx_writer_open(&other, in_folder("x"), NULL), AG_OK);
    ck_assert_int_eq(agx_writer_append(&one, "one", 3, NULL), AG_OK);
    ck_assert_int_eq(agx_writer_append(&other, "other", 5, NULL), AG_OK);
    ck_assert_int_eq(agx_writer_commit(&one, NULL), AG_OK);
    ck_assert(file_holds(in_folder("x"), "one", 3));
    ck_assert_int_eq(agx_writer_commit(&other, NULL), AG_OK);
    ck_assert(file_holds(in_folder("x"), "other", 5));
    ck_assert_int_eq(folder_count(), 1);
}
END_TEST

START_TEST(a_relative_path_is_relative_to_the_working_folder) {
    char before[PATH_MAX];
    ck_assert_ptr_nonnull(getcwd(before, sizeof before));
    ck_assert_int_eq(chdir(folder), 0);
    ck_assert_int_eq(write_text("x", "new", NULL), AG_OK);
    ck_assert_int_eq(chdir(before), 0);
    ck_assert(file_holds(in_folder("x"), "new", 3));
}
END_TEST

START_TEST(a_link_is_written_where_it_points) {
    file_put(in_folder("x"), "old", 3);
    ck_assert_int_eq(symlink("x", in_folder("link")), 0);
    ck_assert_int_eq(write_text(in_folder("link"), "new", NULL), AG_OK);
    struct stat st;
    ck_assert_int_eq(lstat(in_folder("link"), &st), 0);
    ck_assert(S_ISLNK(st.st_mode));
    ck_assert(file_holds(in_folder("x"), "new", 3));
    ck_assert_int_eq(symlink("nowhere", in_folder("loose")), 0);
    ck_assert_int_eq(write_text(in_folder("loose"), "new", NULL), AG_ERROR_IO);
}
END_TEST

START_TEST(a_target_that_is_no_regular_file_is_refused) {
    ag_error error = {0};
    ck_assert_int_eq(write_text("/dev/null", "new", &error), AG_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(error.message, "/dev/null: is not a regular file"));
    ck_assert_int_eq(write_text(folder, "new", &error), AG_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(error.message, "is a directory"));
    struct stat st;
    ck_assert_int_eq(stat("/dev/null", &st), 0);
    ck_assert(S_ISCHR(st.st_mode));
}
END_TEST

START_TEST(an_unwritable_folder_is_an_error_with_path_and_reason) {
    ag_error error = {0};
    ck_assert_int_eq(chmod(folder, 0555), 0);
    lay_down_rights();
    ag_status status = write_text(in_folder("x"), "new", &error);
    take_up_rights();
    ck_assert_int_eq(chmod(folder, 0755), 0);
    ck_assert_int_eq(status, AG_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(error.message, in_folder("x")));
    ck_assert_ptr_nonnull(strstr(error.message, strerror(EACCES)));
    ck_assert_int_eq(write_text(in_folder("none/x"), "new", &error), AG_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(error.message, strerror(ENOENT)));
    file_put(in_folder("file"), "", 0);
    ck_assert_int_eq(write_text(in_folder("file/x"), "new", &error), AG_ERROR_IO);
    ck_assert_int_eq(folder_count(), 1);
}
END_TEST

START_TEST(a_name_too_long_is_an_error) {
    char name[400];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    ck_assert_int_eq(write_text(in_folder(name), "new", NULL), AG_ERROR_IO);
    ck_assert_int_eq(folder_count(), 0);
    name[255] = '\0'; /* NAME_MAX: the temporary's name takes nothing of it */
    ck_assert_int_eq(write_text(in_folder(name), "new", NULL), AG_OK);
    ck_assert_int_eq(folder_count(), 1);
}
END_TEST

START_TEST(a_full_disk_leaves_the_old_file_and_no_temporary) {
    file_put(in_folder("x"), "old", 3);
    struct rlimit before, small;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 4096;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    static char large[10000];
    memset(large, 'n', sizeof large - 1);
    ag_error error = {0};
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    ag_status status = write_text(in_folder("x"), large, &error);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, handler);
    ck_assert_int_eq(status, AG_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(error.message, strerror(EFBIG)));
    ck_assert(file_holds(in_folder("x"), "old", 3));
    ck_assert_int_eq(folder_count(), 1);
}
END_TEST

START_TEST(asking_whether_a_file_can_be_written_leaves_nothing_behind) {
    ag_error error = {0};
    ck_assert_int_eq(ag_file_check(in_folder("x"), &error), AG_OK);
    ck_assert_int_eq(folder_count(), 0);
    file_put(in_folder("x"), "old", 3);
    ck_assert_int_eq(ag_file_check(in_folder("x"), &error), AG_OK);
    ck_assert(file_holds(in_folder("x"), "old", 3));
    ck_assert_int_eq(folder_count(), 1);
    ck_assert_int_eq(ag_file_check(folder, &error), AG_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(error.message, "is a directory"));
    ck_assert_int_eq(ag_file_check(in_folder("none/x"), &error), AG_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(error.message, in_folder("none/x")));
    ck_assert_int_eq(ag_file_check("", &error), AG_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(error.message, "No such file"));
}
END_TEST

START_TEST(a_file_may_be_empty) {
    ck_assert_int_eq(ag_file_write(in_folder("x"), NULL, 0, NULL), AG_OK);
    ck_assert(file_holds(in_folder("x"), "", 0));
}
END_TEST

Suite *file_suite(void);
Suite *file_suite(void) {
    Suite *s = suite_create("file");
    TCase *reading = tcase_create("reading");
    tcase_add_checked_fixture(reading, folder_make, folder_remove);
    tcase_add_test(reading, a_regular_file_is_read_whole);
    tcase_add_test(reading, an_empty_file_has_no_bytes);
    tcase_add_test(reading, a_missing_file_is_an_error_that_names_it);
    tcase_add_test(reading, a_file_above_the_limit_is_refused);
    tcase_add_test(reading, what_is_no_regular_file_is_refused_without_blocking);
    tcase_add_test(reading, an_unreadable_file_is_an_error);
    suite_add_tcase(s, reading);
    TCase *writing = tcase_create("writing");
    tcase_add_checked_fixture(writing, folder_make, folder_remove);
    tcase_add_test(writing, a_commit_puts_the_whole_file_in_place);
    tcase_add_test(writing, an_abandoned_write_leaves_the_old_file_and_no_temporary);
    tcase_add_test(writing, the_old_mode_is_kept);
    tcase_add_test(writing, a_new_file_has_the_mode_the_umask_leaves);
    tcase_add_test(writing, two_writers_do_not_share_a_temporary);
    tcase_add_test(writing, a_relative_path_is_relative_to_the_working_folder);
    tcase_add_test(writing, a_link_is_written_where_it_points);
    tcase_add_test(writing, a_target_that_is_no_regular_file_is_refused);
    tcase_add_test(writing, an_unwritable_folder_is_an_error_with_path_and_reason);
    tcase_add_test(writing, a_name_too_long_is_an_error);
    tcase_add_test(writing, a_full_disk_leaves_the_old_file_and_no_temporary);
    tcase_add_test(writing, asking_whether_a_file_can_be_written_leaves_nothing_behind);
    tcase_add_test(writing, a_file_may_be_empty);
    suite_add_tcase(s, writing);
    return s;
}
