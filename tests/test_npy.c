/* npy: what NumPy writes is read, what this library writes reads back, and files that lie are refused. */
#define _XOPEN_SOURCE 700 /* mkdtemp, mkfifo */
#include <autograd/autograd.h>

#include <math.h>

#include "support/folder.h"
#include "support/support.h"

/* A file of version `major`.0 with that header (a newline is added) and those elements, in the folder as "x". */
static void put(int major, const char *header, const void *data, size_t size) {
    static unsigned char file[40000];
    const size_t n = strlen(header) + 1, width = major == 1 ? 2 : 4;
    memcpy(file, "\x93NUMPY", 6);
    file[6] = (unsigned char)major;
    file[7] = 0;
    for (size_t k = 0; k < width; k++) file[8 + k] = (unsigned char)(n >> 8 * k);
    memcpy(file + 8 + width, header, n - 1);
    file[8 + width + n - 1] = '\n';
    if (size) memcpy(file + 8 + width + n, data, size);
    file_put(in_folder("x"), file, 8 + width + n + size);
}

static ag_status read_status(size_t limit, ag_error *error) {
    ag_error own = {0}, *e = error ? error : &own;
    *e = (ag_error){0};
    ag_tensor *x = ag_npy_read(in_folder("x"), limit, e);
    ck_assert((x == NULL) == (e->status != AG_OK));
    ag_tensor_free(x);
    return e->status;
}

static ag_status status_of(const char *header, size_t size) {
    static const char zeros[64];
    put(1, header, zeros, size);
    return read_status(0, NULL);
}

static ag_tensor *must_read(void) {
    ag_error error = {0};
    ag_tensor *x = ag_npy_read(in_folder("x"), 0, &error);
    ck_assert_msg(x != NULL, "%s", error.message);
    return x;
}

START_TEST(each_dtype_of_the_list_is_read) {
    static const struct {
        const char *header;
        unsigned char bytes[16];
        size_t size;
        ag_dtype dtype;
        double value[2];
    } cases[] = {
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }",
         {0, 0, 0xC0, 0x3F, 0, 0, 0x80, 0xFF},
         8,
         AG_F32,
         {1.5, -INFINITY}},
        {"{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }",
         {0x3F, 0xC0, 0, 0, 0xFF, 0x80},
         8,
         AG_F32,
         {1.5, -INFINITY}},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }",
         {0, 0, 0, 0, 0, 0, 0xF8, 0x3F, 0, 0, 0, 0, 0, 0, 0, 0xC0},
         16,
         AG_F64,
         {1.5, -2}},
        {"{'descr': '>f8', 'fortran_order': False, 'shape': (2,), }",
         {0x3F, 0xF8, 0, 0, 0, 0, 0, 0, 0xC0},
         16,
         AG_F64,
         {1.5, -2}},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }", {7, 0xFF}, 2, AG_I64, {7, 255}},
        {"{'descr': '|i1', 'fortran_order': False, 'shape': (2,), }", {7, 0x80}, 2, AG_I64, {7, -128}},
        {"{'descr': '|b1', 'fortran_order': False, 'shape': (2,), }", {0, 2}, 2, AG_BOOL, {0, 1}},
        {"{'descr': '<i4', 'fortran_order': False, 'shape': (2,), }",
         {1, 2, 0, 0, 0, 0, 0, 0x80},
         8,
         AG_I64,
         {513, -2147483648.0}},
        {"{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }",
         {1, 2, 0, 0, 0, 0, 0, 0, 0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF},
         16,
         AG_I64,
         {513, -2}},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
        for (int major = 1; major <= 3; major++) {
            put(major, cases[c].header, cases[c].bytes, cases[c].size);
            ag_tensor *x = must_read();
            ck_assert_int_eq(ag_tensor_meta(x)->dtype, cases[c].dtype);
            for (int i = 0; i < 2; i++) ck_assert(ag_tensor_get(x, i) == cases[c].value[i]);
            ag_tensor_free(x);
        }
}
END_TEST

START_TEST(fortran_order_is_turned_round) {
    static const unsigned char bytes[6] = {0, 3, 1, 4, 2, 5};
    put(1, "{\"shape\": (2, 3), \"fortran_order\": True, \"descr\": \"|u1\"}", bytes, 6);
    ag_tensor *x = must_read();
    ck_assert_int_eq(ag_tensor_meta(x)->dim[0], 2);
    ck_assert_int_eq(ag_tensor_meta(x)->dim[1], 3);
    for (int i = 0; i < 6; i++) ck_assert(ag_tensor_get(x, i) == i);
    ag_tensor_free(x);
}
END_TEST

START_TEST(what_is_written_reads_back_the_same) {
    static const int64_t dim[][AG_MAX_RANK] = {{0}, {3}, {2, 3}, {4, 0, 2}, {1, 2, 1, 2, 1, 2, 1, 2}};
    static const int rank[] = {0, 1, 2, 3, 8};
    for (int dtype = 0; dtype < AG_DTYPE_COUNT; dtype++)
        for (size_t c = 0; c < 5; c++) {
            ag_tensor *x = ag_tensor_new((ag_dtype)dtype, rank[c], dim[c], NULL);
            for (int64_t i = 0; i < ag_tensor_count(x); i++)
                ck_assert_int_eq(ag_tensor_set(x, i, dtype == AG_BOOL ? (double)(i % 2) : 1.25 * (double)i - 3),
                                 AG_OK);
            ck_assert_int_eq(ag_npy_write(in_folder("x"), x, NULL), AG_OK);
            ag_tensor *y = must_read();
            ck_assert_int_eq(ag_tensor_meta(y)->dtype, dtype);
            ck_assert(ag_meta_same_shape(ag_tensor_meta(x), ag_tensor_meta(y)));
            ck_assert_mem_eq(ag_tensor_data(x), ag_tensor_data(y), ag_meta_bytes(ag_tensor_meta(x)));
            ag_tensor_free(x);
            ag_tensor_free(y);
        }
    ck_assert_int_eq(folder_count(), 1);
}
END_TEST

START_TEST(the_bytes_written_are_numpys) {
    /* numpy.save of numpy.arange(2, dtype='<f4'), NumPy 1.24 */
    static const char expected[] =
        "\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"
        "                                                            \n"
        "\0\0\0\0\0\0\x80\x3F";
    ag_tensor *x = ag_tensor_from(AG_F32, 1, (const int64_t[]){2}, (const double[]){0, 1}, NULL);
    ck_assert_int_eq(ag_npy_write(in_folder("x"), x, NULL), AG_OK);
    ck_assert(file_holds(in_folder("x"), expected, sizeof expected - 1));
    ag_tensor_free(x);
}
END_TEST

START_TEST(a_file_cut_or_lengthened_is_refused) {
    ag_tensor *x = ag_tensor_new(AG_F32, 2, (const int64_t[]){2, 3}, NULL);
    ck_assert_int_eq(ag_npy_write(in_folder("x"), x, NULL), AG_OK);
    ag_tensor_free(x);
    unsigned char bytes[200] = {0};
    int fd = open(in_folder("x"), O_RDONLY);
    const ssize_t whole = read(fd, bytes, sizeof bytes);
    close(fd);
    ck_assert_int_eq(whole, 128 + 24);
    for (ssize_t n = 0; n <= whole + 1; n++) {
        file_put(in_folder("x"), bytes, (size_t)n);
        ag_error error = {0};
        ck_assert_int_eq(read_status(0, &error), n == whole ? AG_OK : AG_ERROR_FORMAT);
        if (n != whole) ck_assert_ptr_nonnull(strstr(error.message, in_folder("x")));
    }
    for (size_t bit = 0; bit < 128 * 8; bit++) { /* whatever it now says, it is read within bounds or refused */
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        file_put(in_folder("x"), bytes, (size_t)whole);
        ag_status status = read_status(0, NULL);
        ck_assert(status == AG_OK || status == AG_ERROR_FORMAT || status == AG_ERROR_DTYPE);
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
}
END_TEST

START_TEST(sizes_that_lie_are_refused) {
    static const char *const sizes[] = {"0",
                                        "1",
                                        "2147483647",
                                        "2147483648",
                                        "4294967295",
                                        "4294967296",
                                        "9223372036854775807",
                                        "9223372036854775808",
                                        "18446744073709551615",
                                        "-1",
                                        "1e3",
                                        "02",
                                        "3L",
                                        "",
                                        "99999999999999999999999999"};
    char header[200];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        snprintf(header, sizeof header, "{'descr': '<f8', 'fortran_order': False, 'shape': (%s, 2), }", sizes[i]);
        ck_assert_int_eq(status_of(header, 48), AG_ERROR_FORMAT);
        snprintf(header, sizeof header,
                 "{'descr': '<f8', 'fortran_order': False, 'shape': (0, %s, 4294967296, 4294967296), }", sizes[i]);
        ck_assert_int_eq(status_of(header, 0), AG_ERROR_FORMAT); /* 0 beside huge sizes is no excuse */
    }
    ck_assert_int_eq(status_of("{'descr': '|u1', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1), }", 1),
                     AG_ERROR_LIMIT);
}
END_TEST

START_TEST(headers_outside_the_grammar_are_refused) {
    static const char *const headers[] = {
        "",
        "{",
        "{}",
        "[]",
        "{'descr': '<f8', 'fortran_order': False}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': ()",
        "{'descr': '<f8', 'fortran_order': False, 'shape': ()}}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (), 'more': 1}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (), 'shape': ()}",
        "{'descr': '<f8', 'descr': '<f8', 'shape': ()}",
        "{'descr': '<f8', 'fortran_order': false, 'shape': ()}",
        "{'descr': '<f8', 'fortran_order': 0, 'shape': ()}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': [1]}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (,)}",
        "{'descr': '<f8' 'fortran_order': False, 'shape': ()}",
        "{'descr' '<f8', 'fortran_order': False, 'shape': ()}",
        "{'descr': <f8, 'fortran_order': False, 'shape': ()}",
        "{descr: '<f8', 'fortran_order': False, 'shape': ()}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1 1)}",
        "{'descr': '\\x3cf8', 'fortran_order': False, 'shape': ()}",
        "{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': ()}",
    };
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        ck_assert_msg(status_of(headers[i], 8) == AG_ERROR_FORMAT, "%s", headers[i]);
    static char deep[9000];
    memset(deep, '(', sizeof deep - 1);
    ck_assert_int_eq(status_of(deep, 8), AG_ERROR_FORMAT);
}
END_TEST

START_TEST(dtypes_outside_the_list_are_refused_by_name) {
    static const char *const types[] = {"|O",  "|O8", "<c8", "<U4",  "|S1", "<f2",
                                        ">i4", "=f4", "<u8", "<f16", "",    "<M8[ns]"};
    char header[100];
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (), }", types[i]);
        put(1, header, "12345678", 8);
        ag_error error = {0};
        ck_assert_int_eq(read_status(0, &error), AG_ERROR_DTYPE);
        ck_assert_ptr_nonnull(strstr(error.message, types[i]));
    }
}
END_TEST

START_TEST(long_headers_and_unknown_versions_are_refused) {
    static char header[12000];
    const char *dict = "{'descr': '|u1', 'fortran_order': False, 'shape': (), }";
    memset(header, ' ', sizeof header - 1);
    memcpy(header, dict, strlen(dict));
    header[9999] = '\0'; /* the newline makes 10,000 */
    put(2, header, "1", 1);
    ck_assert_int_eq(read_status(0, NULL), AG_OK);
    header[9999] = ' ';
    header[10000] = '\0';
    put(2, header, "1", 1);
    ck_assert_int_eq(read_status(0, NULL), AG_ERROR_FORMAT);
    for (int major = 0; major < 256; major++) {
        put(major, dict, "1", 1);
        ck_assert_int_eq(read_status(0, NULL), major >= 1 && major <= 3 ? AG_OK : AG_ERROR_FORMAT);
    }
}
END_TEST

START_TEST(the_limit_bounds_the_elements) {
    put(1, "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }", "0123456789abcdef", 16);
    ck_assert_int_eq(read_status(15, NULL), AG_ERROR_LIMIT);
    ck_assert_int_eq(read_status(16, NULL), AG_OK);
}
END_TEST

START_TEST(what_is_no_readable_file_is_an_error) {
    ag_error error = {0};
    ck_assert_ptr_null(ag_npy_read(in_folder("none"), 0, &error));
    ck_assert_int_eq(error.status, AG_ERROR_IO);
    error = (ag_error){0};
    ck_assert_ptr_null(ag_npy_read(folder, 0, &error));
    ck_assert_int_eq(error.status, AG_ERROR_IO);
    error = (ag_error){0};
    ck_assert_int_eq(mkfifo(in_folder("fifo"), 0644), 0);
    ck_assert_ptr_null(ag_npy_read(in_folder("fifo"), 0, &error));
    ck_assert_int_eq(error.status, AG_ERROR_IO);
    ag_tensor *x = ag_tensor_new(AG_F32, 0, NULL, NULL);
    ck_assert_int_eq(ag_npy_write(in_folder("none/x"), x, NULL), AG_ERROR_IO);
    ag_tensor_free(x);
}
END_TEST

START_TEST(without_memory_nothing_is_read_or_written_and_nothing_leaks) {
    counting_allocator_install();
    ag_tensor *x = ag_tensor_new(AG_F32, 1, (const int64_t[]){3}, NULL);
    ck_assert_int_eq(ag_npy_write(in_folder("x"), x, NULL), AG_OK);
    const long before = counting_allocator_live();
    for (int writing = 0; writing < 2; writing++)
        for (long k = 1;; k++) {
            counting_allocator_fail_at(k);
            ag_error error = {0};
            ag_tensor *y = writing ? NULL : ag_npy_read(in_folder("x"), 0, &error);
            if (writing && ag_npy_write(in_folder("x"), x, &error) != error.status) ck_abort();
            ag_tensor_free(y);
            ck_assert_int_eq(counting_allocator_live(), before);
            ck_assert_int_eq(folder_count(), 1);
            if (counting_allocator_calls() < k) {
                ck_assert_int_eq(error.status, AG_OK);
                ck_assert_int_gt(k, 1);
                break;
            }
            ck_assert_int_eq(error.status, AG_ERROR_MEMORY);
        }
    counting_allocator_fail_at(0);
    ag_tensor_free(x);
}
END_TEST

Suite *npy_suite(void);
Suite *npy_suite(void) {
    Suite *s = suite_create("npy");
    TCase *t = tcase_create("npy");
    tcase_add_checked_fixture(t, folder_make, folder_remove);
    tcase_add_test(t, each_dtype_of_the_list_is_read);
    tcase_add_test(t, fortran_order_is_turned_round);
    tcase_add_test(t, what_is_written_reads_back_the_same);
    tcase_add_test(t, the_bytes_written_are_numpys);
    tcase_add_test(t, a_file_cut_or_lengthened_is_refused);
    tcase_add_test(t, sizes_that_lie_are_refused);
    tcase_add_test(t, headers_outside_the_grammar_are_refused);
    tcase_add_test(t, dtypes_outside_the_list_are_refused_by_name);
    tcase_add_test(t, long_headers_and_unknown_versions_are_refused);
    tcase_add_test(t, the_limit_bounds_the_elements);
    tcase_add_test(t, what_is_no_readable_file_is_an_error);
    tcase_add_test(t, without_memory_nothing_is_read_or_written_and_nothing_leaks);
    suite_add_tcase(s, t);
    return s;
}
