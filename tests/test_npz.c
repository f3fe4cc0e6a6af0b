/* npz: archives of NumPy's are read, ours read back, and what is damaged or lies is refused. */
#define _XOPEN_SOURCE 700 /* mkdtemp, mkfifo */
#include <autograd/autograd.h>

#include "npz_expected.h"
#include "support/folder.h"
#include "support/support.h"

static ag_status read_status(size_t limit, ag_error *error) {
    ag_error own = {0}, *e = error ? error : &own;
    *e = (ag_error){0};
    ag_npz *f = ag_npz_read(in_folder("x"), limit, e);
    ck_assert((f == NULL) == (e->status != AG_OK));
    ag_npz_free(f);
    return e->status;
}

static ag_status status_of(const unsigned char *bytes, size_t n) {
    file_put(in_folder("x"), bytes, n);
    return read_status(0, NULL);
}

static bool refused(ag_status s) {
    return s == AG_ERROR_FORMAT || s == AG_ERROR_UNSUPPORTED || s == AG_ERROR_DTYPE || s == AG_ERROR_LIMIT;
}

/* w = f4 (2, 3) {0, 0.5, .. 2.5} and n = i8 () -7 */
static void check_sample(const ag_npz *f) {
    ck_assert_uint_eq(ag_npz_count(f), 2);
    ck_assert_str_eq(ag_npz_name(f, 0), "w");
    ck_assert_str_eq(ag_npz_name(f, 1), "n");
    ck_assert_ptr_null(ag_npz_name(f, 2));
    ck_assert_ptr_null(ag_npz_tensor(f, 2));
    ck_assert_ptr_null(ag_npz_find(f, "w.npy"));
    ag_tensor *w = ag_npz_find(f, "w"), *n = ag_npz_find(f, "n");
    ck_assert(w == ag_npz_tensor(f, 0) && n == ag_npz_tensor(f, 1));
    ck_assert_int_eq(ag_tensor_meta(w)->dtype, AG_F32);
    ck_assert_int_eq(ag_tensor_meta(w)->dim[1], 3);
    for (int i = 0; i < 6; i++) ck_assert(ag_tensor_get(w, i) == 0.5 * i);
    ck_assert_int_eq(ag_tensor_meta(n)->rank, 0);
    ck_assert(ag_tensor_get(n, 0) == -7);
}

/* Whether this build inflates: a deflated archive is read, or refused by reason. */
static bool reads_deflated(void) {
    file_put(in_folder("x"), numpy_deflated, sizeof numpy_deflated);
    ag_error error = {0};
    const ag_status status = read_status(0, &error);
    if (status == AG_ERROR_UNSUPPORTED) ck_assert_ptr_nonnull(strstr(error.message, "zlib"));
    ck_assert(status == AG_OK || status == AG_ERROR_UNSUPPORTED);
    return status == AG_OK;
}

START_TEST(numpys_archives_are_read) {
    file_put(in_folder("x"), numpy_stored, sizeof numpy_stored);
    ag_error error = {0};
    ag_npz *f = ag_npz_read(in_folder("x"), 0, &error);
    ck_assert_msg(f != NULL, "%s", error.message);
    check_sample(f);
    ag_npz_free(f);
    if (!reads_deflated()) return;
    f = ag_npz_read(in_folder("x"), 0, &error);
    check_sample(f);
    ag_npz_free(f);
}
END_TEST

static ag_tensor *const *sample_tensors(void) {
    static ag_tensor *x[2];
    x[0] = ag_tensor_from(AG_F32, 2, (const int64_t[]){2, 3}, (const double[]){0, .5, 1, 1.5, 2, 2.5}, NULL);
    x[1] = ag_tensor_from(AG_I64, 0, NULL, (const double[]){-7}, NULL);
    return x;
}
static const char *const sample_names[] = {"w", "n"};

static void free_tensors(ag_tensor *const *x) {
    ag_tensor_free(x[0]);
    ag_tensor_free(x[1]);
}

START_TEST(what_is_written_reads_back_stored_and_deflated) {
    ag_tensor *const *x = sample_tensors();
    const bool zlib = reads_deflated();
    for (int deflated = 0; deflated < 2; deflated++) {
        ag_error error = {0};
        const ag_status status = ag_npz_write(in_folder("x"), x, sample_names, 2, deflated != 0, &error);
        if (deflated && !zlib) {
            ck_assert_int_eq(status, AG_ERROR_UNSUPPORTED);
            break;
        }
        ck_assert_msg(status == AG_OK, "%s", error.message);
        ag_npz *f = ag_npz_read(in_folder("x"), 0, &error);
        ck_assert_msg(f != NULL, "%s", error.message);
        check_sample(f);
        ag_npz_free(f);
        ck_assert_int_eq(ag_npz_write(in_folder("x"), NULL, NULL, 0, deflated != 0, NULL), AG_OK);
        f = ag_npz_read(in_folder("x"), 0, NULL);
        ck_assert_ptr_nonnull(f);
        ck_assert_uint_eq(ag_npz_count(f), 0);
        ag_npz_free(f);
    }
    free_tensors(x);
    ck_assert_int_eq(folder_count(), 1);
}
END_TEST

START_TEST(names_that_cannot_be_are_refused_by_the_writer) {
    ag_tensor *const *x = sample_tensors();
    static const char *const names[][2] = {{"w", "w"}, {"w", ""}, {"\xFF", "w"}};
    for (size_t i = 0; i < 3; i++)
        ck_assert_int_eq(ag_npz_write(in_folder("x"), x, names[i], 2, false, NULL), AG_ERROR_NAME);
    ck_assert_int_eq(folder_count(), 0);
    free_tensors(x);
}
END_TEST

START_TEST(an_archive_cut_or_lengthened_is_refused) {
    unsigned char bytes[2000] = {0};
    memcpy(bytes, numpy_stored, sizeof numpy_stored);
    for (size_t n = 0; n < sizeof numpy_stored; n++) ck_assert(refused(status_of(bytes, n)));
    ck_assert(refused(status_of(bytes, sizeof numpy_stored + 1)));
    memcpy(bytes, numpy_deflated, sizeof numpy_deflated);
    for (size_t n = 0; n < sizeof numpy_deflated; n++) ck_assert(refused(status_of(bytes, n)));
}
END_TEST

START_TEST(a_flipped_bit_never_changes_an_element) {
    const unsigned char *const archives[] = {numpy_stored, numpy_deflated};
    const size_t sizes[] = {sizeof numpy_stored, sizeof numpy_deflated};
    unsigned char bytes[2000];
    for (size_t c = 0; c < (reads_deflated() ? 2 : 1); c++)
        for (size_t bit = 0; bit < sizes[c] * 8; bit++) {
            memcpy(bytes, archives[c], sizes[c]);
            bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
            file_put(in_folder("x"), bytes, sizes[c]);
            ag_error error = {0};
            ag_npz *f = ag_npz_read(in_folder("x"), 0, &error);
            if (f)
                check_sample(f);
            else
                ck_assert(refused(error.status));
            ag_npz_free(f);
        }
}
END_TEST

START_TEST(integers_replaced_by_extremes_are_refused_or_mean_nothing) {
    static const uint64_t values[] = {0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF};
    unsigned char bytes[sizeof numpy_stored];
    for (size_t at = 0; at + 4 <= sizeof bytes; at++)
        for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
            memcpy(bytes, numpy_stored, sizeof bytes);
            for (size_t k = 0; k < 4; k++) bytes[at + k] = (unsigned char)(values[v] >> 8 * k);
            file_put(in_folder("x"), bytes, sizeof bytes);
            ag_error error = {0};
            ag_npz *f = ag_npz_read(in_folder("x"), 0, &error);
            if (f)
                check_sample(f);
            else
                ck_assert(refused(error.status));
            ag_npz_free(f);
        }
}
END_TEST

START_TEST(a_name_there_twice_is_refused) {
    unsigned char bytes[sizeof numpy_stored];
    memcpy(bytes, numpy_stored, sizeof bytes);
    int changed = 0;
    for (size_t i = 0; i + 5 <= sizeof bytes; i++)
        if (memcmp(bytes + i, "n.npy", 5) == 0) {
            bytes[i] = 'w';
            changed++;
        }
    ck_assert_int_eq(changed, 2);
    file_put(in_folder("x"), bytes, sizeof bytes);
    ag_error error = {0};
    ck_assert_int_eq(read_status(0, &error), AG_ERROR_FORMAT);
    ck_assert_ptr_nonnull(strstr(error.message, "\"w\" is there twice"));
}
END_TEST

START_TEST(entries_that_share_their_bytes_are_refused) {
    unsigned char bytes[sizeof numpy_stored];
    memcpy(bytes, numpy_stored, sizeof bytes);
    const size_t end = sizeof bytes - 22, second = end - 46 - 5; /* the directory's second entry */
    ck_assert_mem_eq(bytes + second, "PK\1\2", 4);
    memcpy(bytes + second, bytes + second - 46 - 5, 46 + 5);
    file_put(in_folder("x"), bytes, sizeof bytes);
    ag_error error = {0};
    ck_assert_int_eq(read_status(0, &error), AG_ERROR_FORMAT);
    ck_assert_ptr_nonnull(strstr(error.message, "where the one before ends"));
}
END_TEST

START_TEST(the_limit_bounds_all_arrays_together) {
    file_put(in_folder("x"), numpy_stored, sizeof numpy_stored);
    ck_assert_int_eq(read_status(128 + 24 + 128 + 8, NULL), AG_OK);
    ck_assert_int_eq(read_status(128 + 24 + 128 + 7, NULL), AG_ERROR_LIMIT);
    if (!reads_deflated()) return;
    ck_assert_int_eq(read_status(128 + 24 + 128 + 7, NULL), AG_ERROR_LIMIT);
}
END_TEST

START_TEST(what_is_no_readable_file_is_an_error) {
    ag_error error = {0};
    ck_assert_ptr_null(ag_npz_read(folder, 0, &error));
    ck_assert_int_eq(error.status, AG_ERROR_IO);
    ck_assert_int_eq(mkfifo(in_folder("x"), 0644), 0);
    ck_assert_int_eq(read_status(0, NULL), AG_ERROR_IO);
}
END_TEST

START_TEST(without_memory_nothing_is_read_or_written_and_nothing_leaks) {
    const bool zlib = reads_deflated();
    counting_allocator_install();
    ag_tensor *const *x = sample_tensors();
    ck_assert_int_eq(ag_npz_write(in_folder("x"), x, sample_names, 2, zlib, NULL), AG_OK);
    const long before = counting_allocator_live();
    for (int writing = 0; writing < 2; writing++)
        for (long k = 1;; k++) {
            counting_allocator_fail_at(k);
            ag_error error = {0};
            ag_npz *f = writing ? NULL : ag_npz_read(in_folder("x"), 0, &error);
            if (writing && ag_npz_write(in_folder("x"), x, sample_names, 2, zlib, &error) != error.status)
                ck_abort();
            ag_npz_free(f);
            ck_assert_int_eq(counting_allocator_live(), before);
            ck_assert_int_eq(folder_count(), 1);
            if (counting_allocator_calls() < k) {
                ck_assert_int_eq(error.status, AG_OK);
                ck_assert_int_gt(k, 5);
                break;
            }
            ck_assert_int_eq(error.status, AG_ERROR_MEMORY);
        }
    counting_allocator_fail_at(0);
    free_tensors(x);
}
END_TEST

Suite *npz_suite(void);
Suite *npz_suite(void) {
    Suite *s = suite_create("npz");
    TCase *t = tcase_create("npz");
    tcase_add_checked_fixture(t, folder_make, folder_remove);
    tcase_add_test(t, numpys_archives_are_read);
    tcase_add_test(t, what_is_written_reads_back_stored_and_deflated);
    tcase_add_test(t, names_that_cannot_be_are_refused_by_the_writer);
    tcase_add_test(t, an_archive_cut_or_lengthened_is_refused);
    tcase_add_test(t, a_flipped_bit_never_changes_an_element);
    tcase_add_test(t, integers_replaced_by_extremes_are_refused_or_mean_nothing);
    tcase_add_test(t, a_name_there_twice_is_refused);
    tcase_add_test(t, entries_that_share_their_bytes_are_refused);
    tcase_add_test(t, the_limit_bounds_all_arrays_together);
    tcase_add_test(t, what_is_no_readable_file_is_an_error);
    tcase_add_test(t, without_memory_nothing_is_read_or_written_and_nothing_leaks);
    suite_add_tcase(s, t);
    return s;
}
