/* safetensors: what is read, and writes that come back bit by bit. Files that lie: test_safetensors_hostile.c. */
#define _GNU_SOURCE 1
#include "safetensors_support.h"

#include <errno.h>
#include <math.h>

/* ---- well-formed files ------------------------------------------------------------------------------------------ */

START_TEST(tensors_come_in_the_order_of_their_data) {
    unsigned char data[SAMPLE_DATA] = {0};
    data[2] = 0x80, data[3] = 0x3F; /* 1.0f, little-endian */
    data[24] = 0xFE;
    memset(data + 25, 0xFF, 7);
    put_bytes(sample, strlen(sample), data, sizeof data);
    ag_safetensors *f = must_read(in_folder("x"));
    ck_assert_uint_eq(ag_safetensors_count(f), 3);
    static const char *const names[] = {"a", "b", "e"}, *const metas[] = {"f32 (2, 3)", "i64 ()", "f64 (0, 5)"};
    for (size_t i = 0; i < 3; i++) {
        char text[AG_META_TEXT];
        ag_tensor *x = ag_safetensors_tensor(f, i);
        ck_assert_str_eq(ag_safetensors_name(f, i), names[i]);
        ck_assert_str_eq(ag_tensor_name(x), names[i]);
        ck_assert_str_eq(ag_meta_text(ag_tensor_meta(x), text, sizeof text), metas[i]);
        ck_assert_ptr_eq(ag_safetensors_find(f, names[i]), x);
    }
    ck_assert(ag_tensor_get(ag_safetensors_tensor(f, 0), 0) == 1);
    ck_assert(ag_tensor_get(ag_safetensors_tensor(f, 1), 0) == -2);
    ck_assert_ptr_null(ag_safetensors_tensor(f, 3));
    ck_assert_ptr_null(ag_safetensors_name(f, 3));
    ck_assert_ptr_null(ag_safetensors_find(f, "c"));
    ck_assert_ptr_null(ag_safetensors_find(f, "__metadata__"));
    ck_assert_str_eq(ag_safetensors_metadata(f, "format"), "pt");
    ck_assert_str_eq(ag_safetensors_metadata(f, "by"), "me");
    ck_assert_ptr_null(ag_safetensors_metadata(f, "a"));
    ag_safetensors_free(f);
    ag_safetensors_free(NULL);
}
END_TEST

START_TEST(a_file_may_hold_no_tensors) {
    ck_assert_int_eq(status_of("{}", 0, NULL), AG_OK);
    ck_assert_int_eq(status_of("{ }   \n\t ", 0, NULL), AG_OK);
    ck_assert_int_eq(status_of("{\"__metadata__\":{}}", 0, NULL), AG_OK);
}
END_TEST

START_TEST(space_escapes_and_order_of_members_do_not_matter) {
    static const char header[] =
        "{ \"\\u00e9\\ud83D\\uDE00\\/\\\"\\\\\\n\" :\r\n{\t\"data_offsets\" : [ 0 , 8 ] , "
        "\"sh\\u0061pe\":[ 2 ],\"dtype\" :\"\\u0046\\u00332\"} , \"\xc3\xbc\":"
        "{\"shape\":[0],\"dtype\":\"BOOL\",\"data_offsets\":[0,0]}} ";
    put_bytes(header, strlen(header), zeros, 8);
    ag_safetensors *f = must_read(in_folder("x"));
    ck_assert_ptr_nonnull(ag_safetensors_find(f, "\xc3\xa9\xf0\x9f\x98\x80/\"\\\n"));
    ck_assert_ptr_nonnull(ag_safetensors_find(f, "\xc3\xbc"));
    ck_assert_str_eq(ag_safetensors_name(f, 0), "\xc3\xbc"); /* empty: before what begins where it does */
    ag_safetensors_free(f);
}
END_TEST

START_TEST(each_dtype_becomes_one_that_holds_its_values) {
    static const struct {
        const char *dtype;
        size_t size;
        unsigned char bytes[2][8]; /* little-endian */
        ag_dtype expected;
        double value[2];
    } cases[] = {
        {"BOOL", 1, {{0}, {7}}, AG_BOOL, {0, 1}},
        {"U8", 1, {{1}, {255}}, AG_I64, {1, 255}},
        {"I32", 4, {{0x78, 0x56, 0x34, 0x12}, {0, 0, 0, 0x80}}, AG_I64, {0x12345678, -2147483648.0}},
        {"I64",
         8,
         {{1, 0, 0, 0, 1}, {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}},
         AG_I64,
         {4294967297.0, -1}},
        {"F16", 2, {{0x00, 0x3E}, {0x01, 0x80}}, AG_F32, {1.5, -0x1p-24}},
        {"BF16", 2, {{0xC0, 0x3F}, {0x80, 0xFF}}, AG_F32, {1.5, -INFINITY}},
        {"F32", 4, {{0, 0, 0xC0, 0x3F}, {1}}, AG_F32, {1.5, 0x1p-149}},
        {"F64",
         8,
         {{0x18, 0x2D, 0x44, 0x54, 0xFB, 0x21, 0x09, 0x40}, {1}},
         AG_F64,
         {3.141592653589793, 0x1p-1074}},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        size_t size = cases[c].size;
        char header[200];
        unsigned char data[16];
        snprintf(header, sizeof header, "{\"x\":{\"dtype\":\"%s\",\"shape\":[2],\"data_offsets\":[0,%zu]}}",
                 cases[c].dtype, 2 * size);
        memcpy(data, cases[c].bytes[0], size);
        memcpy(data + size, cases[c].bytes[1], size);
        put_bytes(header, strlen(header), data, 2 * size);
        ag_safetensors *f = must_read(in_folder("x"));
        ag_tensor *x = ag_safetensors_find(f, "x");
        ck_assert_int_eq(ag_tensor_meta(x)->dtype, cases[c].expected);
        for (int i = 0; i < 2; i++) ck_assert(ag_tensor_get(x, i) == cases[c].value[i]);
        if (x && cases[c].expected == AG_BOOL) ck_assert(((const uint8_t *)ag_tensor_data(x))[1] == 1);
        ag_safetensors_free(f);
    }
}
END_TEST

/* Every 16-bit pattern in a file of that dtype. */
static ag_safetensors *all_halves(const char *dtype) {
    static unsigned char data[131072];
    for (size_t i = 0; i < 65536; i++) data[2 * i] = (unsigned char)i, data[2 * i + 1] = (unsigned char)(i >> 8);
    char header[200];
    snprintf(header, sizeof header, "{\"x\":{\"dtype\":\"%s\",\"shape\":[65536],\"data_offsets\":[0,131072]}}",
             dtype);
    put_bytes(header, strlen(header), data, sizeof data);
    return must_read(in_folder("x"));
}

START_TEST(every_f16_is_widened_exactly) {
    ag_safetensors *f = all_halves("F16");
    const float *x = ag_tensor_data(ag_safetensors_tensor(f, 0));
    int wrong = 0;
    for (int i = 0; i < 65536; i++) {
        int exponent = i >> 10 & 31, fraction = i & 1023;
        double size = exponent == 31 ? (fraction ? (double)NAN : (double)INFINITY)
                      : exponent     ? ldexp(1024 + fraction, exponent - 25)
                                     : ldexp(fraction, -24);
        bool same = isnan(size) ? isnan(x[i]) != 0 : (double)x[i] == (i >> 15 ? -size : size);
        wrong += !same || (signbit(x[i]) != 0) != (i >> 15 != 0);
    }
    ck_assert_int_eq(wrong, 0);
    ag_safetensors_free(f);
}
END_TEST

START_TEST(every_bf16_is_the_upper_half_of_an_f32) {
    ag_safetensors *f = all_halves("BF16");
    const unsigned char *x = ag_tensor_data(ag_safetensors_tensor(f, 0));
    int wrong = 0;
    for (uint32_t i = 0; i < 65536; i++) {
        uint32_t bits;
        memcpy(&bits, x + 4 * i, 4);
        wrong += bits != i << 16;
    }
    ck_assert_int_eq(wrong, 0);
    ag_safetensors_free(f);
}
END_TEST

START_TEST(names_may_be_empty_or_very_long) {
    enum { LONG = 200000 };
    static char header[LONG + 200];
    ck_assert_int_eq(status_of("{\"\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", 4, NULL), AG_OK);
    int n = snprintf(header, sizeof header, "{\"");
    memset(header + n, 'n', LONG);
    strcpy(header + n + LONG, "\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}");
    ck_assert_int_eq(status_of(header, 4, NULL), AG_OK);
    ag_error error;
    ck_assert_int_eq(status_of(header, 5, &error), AG_ERROR_FORMAT);
    ck_assert_int_eq(status_of(header, 3, &error), AG_ERROR_FORMAT); /* names the tensor, shortened */
    ck_assert_ptr_nonnull(strstr(error.message, "nnn\": it ends beyond the end of the file"));
}
END_TEST

START_TEST(many_names_are_sorted_and_found) {
    enum { N = 1000, ROOM = N * 80 };
    static char header[ROOM];
    size_t n = 0;
    for (int i = 0; i < N; i++)
        n += (size_t)snprintf(header + n, ROOM - n,
                              "%s\"w%d\":{\"dtype\":\"BOOL\",\"shape\":[],\"data_offsets\":[%d,%d]}",
                              i ? "," : "{", i * 617 % N, N - 1 - i, N - i);
    strcpy(header + n, "}");
    put_bytes(header, n + 1, zeros, N);
    ag_safetensors *f = must_read(in_folder("x"));
    ck_assert_uint_eq(ag_safetensors_count(f), N);
    for (int i = 0; i < N; i++) {
        char name[16];
        snprintf(name, sizeof name, "w%d", i * 617 % N);
        ck_assert_str_eq(ag_safetensors_name(f, (size_t)(N - 1 - i)), name);
        ck_assert_ptr_eq(ag_safetensors_find(f, name), ag_safetensors_tensor(f, (size_t)(N - 1 - i)));
    }
    ck_assert_ptr_null(ag_safetensors_find(f, "w"));
    ck_assert_ptr_null(ag_safetensors_find(f, "w999z"));
    ag_safetensors_free(f);
}
END_TEST

/* ---- writing --------------------------------------------------------------------------------------------------------- */

static ag_tensor *tensor_of(ag_dtype dtype, int rank, const int64_t *dim, const double *values) {
    ag_tensor *x = ag_tensor_from(dtype, rank, dim, values, NULL);
    ck_assert_ptr_nonnull(x);
    return x;
}

START_TEST(what_is_written_comes_back_bit_by_bit) {
    enum { N = 6 };
    ag_tensor *x[N] = {
        tensor_of(AG_BOOL, 1, (const int64_t[]){3}, (const double[]){1, 0, 1}),
        tensor_of(AG_F32, 2, (const int64_t[]){2, 2}, (const double[]){-0.0, NAN, 0x1p-149, -INFINITY}),
        tensor_of(AG_F64, 0, NULL, (const double[]){0.1}),
        tensor_of(AG_I64, 1, (const int64_t[]){2}, (const double[]){-0x1p63, 123456789012.0}),
        tensor_of(AG_F32, 3, (const int64_t[]){2, 0, 7}, NULL),
        ag_tensor_new(AG_F64, 1, (const int64_t[]){3000}, NULL), /* longer than the writer's buffer */
    };
    double *large = ag_tensor_write(x[5]);
    for (int i = 0; i < 3000; i++) large[i] = i * 0.37;
    static const char *const names[N] = {"mask", "0.weight", "\xc3\xa9\xf0\x9f\x98\x80", "quote\"\\/\n\x1f",
                                         "e",    "f"};
    static const char *const metadata[] = {"format", "gradus", "k\"\n", "\xc3\xa9", "empty", "", NULL};
    ck_assert_int_eq(ag_safetensors_write(in_folder("x"), x, names, N, metadata, NULL), AG_OK);
    ag_safetensors *f = must_read(in_folder("x"));
    ck_assert_uint_eq(ag_safetensors_count(f), N);
    for (int i = 0; i < N; i++) {
        ag_tensor *y = ag_safetensors_find(f, names[i]);
        ck_assert_ptr_nonnull(y);
        ck_assert_int_eq(ag_tensor_meta(y)->dtype, ag_tensor_meta(x[i])->dtype);
        ck_assert(ag_meta_same_shape(ag_tensor_meta(x[i]), ag_tensor_meta(y)));
        ck_assert_int_eq(memcmp(ag_tensor_data(x[i]), ag_tensor_data(y), ag_meta_bytes(ag_tensor_meta(y))), 0);
    }
    for (int i = 0; metadata[i]; i += 2)
        ck_assert_str_eq(ag_safetensors_metadata(f, metadata[i]), metadata[i + 1]);
    ag_safetensors_free(f);
    for (int i = 0; i < N; i++) ag_tensor_free(x[i]);
    ck_assert_int_eq(folder_count(), 1);
}
END_TEST

START_TEST(every_tensor_is_aligned_to_its_element) {
    ag_tensor *x[3] = {
        tensor_of(AG_BOOL, 1, (const int64_t[]){3}, (const double[]){1, 1, 1}),
        tensor_of(AG_F32, 1, (const int64_t[]){3}, (const double[]){1, 1, 1}),
        tensor_of(AG_F64, 1, (const int64_t[]){3}, (const double[]){1, 1, 1}),
    };
    static const char *const names[] = {"bool", "f32", "f64"};
    ck_assert_int_eq(ag_safetensors_write(in_folder("x"), x, names, 3, NULL, NULL), AG_OK);
    unsigned char head[8];
    int fd = open(in_folder("x"), O_RDONLY);
    ck_assert(read(fd, head, 8) == 8);
    close(fd);
    ck_assert_int_eq(head[0] % 8, 0);
    ag_safetensors *f = must_read(in_folder("x"));
    ck_assert_str_eq(ag_safetensors_name(f, 0), "f64");
    ck_assert_str_eq(ag_safetensors_name(f, 1), "f32");
    ck_assert_str_eq(ag_safetensors_name(f, 2), "bool");
    ag_safetensors_free(f);
    for (int i = 0; i < 3; i++) ag_tensor_free(x[i]);
}
END_TEST

START_TEST(nothing_can_be_written_and_read_too) {
    ck_assert_int_eq(ag_safetensors_write(in_folder("x"), NULL, NULL, 0, NULL, NULL), AG_OK);
    ag_safetensors *f = must_read(in_folder("x"));
    ck_assert_uint_eq(ag_safetensors_count(f), 0);
    ag_safetensors_free(f);
}
END_TEST

START_TEST(bad_names_are_refused_and_nothing_is_written) {
    ag_tensor *one = tensor_of(AG_F32, 0, NULL, (const double[]){1}), *x[2] = {one, one};
    static const char *const names[][2] = {
        {"a", ""}, {"a", "a"}, {"__metadata__", "a"}, {"a", "\xff"}, {"a", "\xc3"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        ag_error error = {0};
        ck_assert_int_eq(ag_safetensors_write(in_folder("x"), x, names[i], 2, NULL, &error), AG_ERROR_NAME);
        ck_assert_ptr_nonnull(strstr(error.message, in_folder("x")));
    }
    static const char *const good[] = {"a", "b"};
    static const char *const metadata[][5] = {
        {"k", NULL}, {"k", "1", "k", "2", NULL}, {"k", "\xff", NULL}, {"\xff", "v", NULL}};
    for (size_t i = 0; i < sizeof metadata / sizeof *metadata; i++)
        ck_assert_int_eq(ag_safetensors_write(in_folder("x"), x, good, 2, metadata[i], NULL), AG_ERROR_VALUE);
    ck_assert_int_eq(folder_count(), 0);
    ag_tensor_free(one);
}
END_TEST

START_TEST(a_failed_write_leaves_the_old_file_and_no_temporary) {
    file_put(in_folder("x"), "old", 3);
    ag_tensor *one = tensor_of(AG_F32, 0, NULL, (const double[]){1});
    static const char *const names[] = {"a"}, *const metadata[] = {"k", "v", NULL};
    ag_status status = AG_ERROR_MEMORY;
    int fail = 0;
    for (; status; fail++) {
        failing f = {.fail = fail};
        ag_error error = {0};
        ag_set_allocator(&(ag_allocator){failing_resize, &f});
        status = ag_safetensors_write(in_folder("x"), &one, names, 1, metadata, &error);
        ag_set_allocator(NULL);
        ck_assert_int_eq(f.live, 0);
        ck_assert_int_eq(folder_count(), 1);
        if (!status) break;
        ck_assert_int_eq(status, AG_ERROR_MEMORY);
        ck_assert(file_holds(in_folder("x"), "old", 3));
    }
    ck_assert_int_gt(fail, 4);
    ag_error error = {0};
    ck_assert_int_eq(ag_safetensors_write(in_folder("none/x"), &one, names, 1, NULL, &error), AG_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(error.message, strerror(ENOENT)));
    ag_tensor_free(one);
}
END_TEST

Suite *safetensors_suite(void);
Suite *safetensors_suite(void) {
    Suite *s = suite_create("safetensors");
    TCase *good = tcase_create("well-formed");
    tcase_add_checked_fixture(good, folder_make, folder_remove);
    tcase_add_test(good, tensors_come_in_the_order_of_their_data);
    tcase_add_test(good, a_file_may_hold_no_tensors);
    tcase_add_test(good, space_escapes_and_order_of_members_do_not_matter);
    tcase_add_test(good, each_dtype_becomes_one_that_holds_its_values);
    tcase_add_test(good, every_f16_is_widened_exactly);
    tcase_add_test(good, every_bf16_is_the_upper_half_of_an_f32);
    tcase_add_test(good, names_may_be_empty_or_very_long);
    tcase_add_test(good, many_names_are_sorted_and_found);
    suite_add_tcase(s, good);
    TCase *writing = tcase_create("writing");
    tcase_add_checked_fixture(writing, folder_make, folder_remove);
    tcase_add_test(writing, what_is_written_comes_back_bit_by_bit);
    tcase_add_test(writing, every_tensor_is_aligned_to_its_element);
    tcase_add_test(writing, nothing_can_be_written_and_read_too);
    tcase_add_test(writing, bad_names_are_refused_and_nothing_is_written);
    tcase_add_test(writing, a_failed_write_leaves_the_old_file_and_no_temporary);
    suite_add_tcase(s, writing);
    return s;
}
