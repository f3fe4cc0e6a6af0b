/* safetensors: every class of file that lies is refused, with a message that says what and where. */
#define _GNU_SOURCE 1
#include "safetensors_support.h"

#include <inttypes.h>

START_TEST(a_file_cut_at_any_byte_is_refused) {
    put_bytes(sample, strlen(sample), zeros, SAMPLE_DATA);
    size_t whole = 8 + strlen(sample) + SAMPLE_DATA;
    ck_assert_int_eq(read_status(NULL), AG_OK);
    while (whole-- > 0) {
        ck_assert_int_eq(truncate(in_folder("x"), (off_t)whole), 0);
        ag_error error;
        ck_assert_int_eq(read_status(&error), AG_ERROR_FORMAT);
        ck_assert_ptr_nonnull(strstr(error.message, in_folder("x")));
    }
}
END_TEST

START_TEST(bytes_to_spare_are_refused) {
    ck_assert_int_eq(status_of(sample, SAMPLE_DATA + 1, NULL), AG_ERROR_FORMAT);
    ck_assert_int_eq(status_of("{}", 1, NULL), AG_ERROR_FORMAT);
}
END_TEST

START_TEST(a_flipped_header_bit_is_refused_or_harmless) {
    /* A flip may turn one letter of a name into another, or make another shape of no elements. */
    size_t n = strlen(sample);
    char header[sizeof sample];
    for (size_t bit = 0; bit < 8 * n; bit++) {
        memcpy(header, sample, sizeof sample);
        header[bit / 8] = (char)(header[bit / 8] ^ 1 << bit % 8);
        put_bytes(header, n, zeros, SAMPLE_DATA);
        ag_error error = {0};
        ag_safetensors *f = ag_safetensors_read(in_folder("x"), &error);
        if (!f) {
            ck_assert(error.status == AG_ERROR_FORMAT || error.status == AG_ERROR_DTYPE);
            continue;
        }
        ck_assert_uint_eq(ag_safetensors_count(f), 3);
        ck_assert_int_eq(ag_tensor_count(ag_safetensors_tensor(f, 0)), 6);
        ck_assert_int_eq(ag_tensor_count(ag_safetensors_tensor(f, 1)), 1);
        ck_assert_int_eq(ag_tensor_count(ag_safetensors_tensor(f, 2)), 0);
        ag_safetensors_free(f);
    }
}
END_TEST

static void put_length(uint64_t length, size_t size) {
    unsigned char file[64] = {0};
    for (size_t k = 0; k < 8; k++) file[k] = (unsigned char)(length >> 8 * k);
    file_put(in_folder("x"), file, size);
}

START_TEST(a_header_longer_than_the_file_or_the_limit_is_refused) {
    static const uint64_t lengths[] = {0,
                                       1,
                                       57,
                                       100000000,
                                       100000001,
                                       INT32_MAX,
                                       1u << 31,
                                       UINT32_MAX,
                                       UINT64_C(1) << 32,
                                       INT64_MAX,
                                       UINT64_C(1) << 63,
                                       UINT64_MAX - 8,
                                       UINT64_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        put_length(lengths[i], 64);
        ck_assert_int_eq(read_status(NULL), AG_ERROR_FORMAT);
    }
    put_bytes(sample, strlen(sample), zeros, SAMPLE_DATA);
    for (int bit = 0; bit < 64; bit++) {
        int fd = open(in_folder("x"), O_RDWR);
        unsigned char byte;
        ck_assert(pread(fd, &byte, 1, bit / 8) == 1);
        byte ^= (unsigned char)(1 << bit % 8);
        ck_assert(pwrite(fd, &byte, 1, bit / 8) == 1);
        ck_assert_int_eq(read_status(NULL), AG_ERROR_FORMAT);
        byte ^= (unsigned char)(1 << bit % 8);
        ck_assert(pwrite(fd, &byte, 1, bit / 8) == 1);
        close(fd);
    }
    ck_assert_int_eq(read_status(NULL), AG_OK);
}
END_TEST

START_TEST(a_replaced_integer_is_refused_or_harmless) {
    static const char *const numbers[] = {"0",
                                          "1",
                                          "-1",
                                          "2147483647",
                                          "2147483648",
                                          "4294967295",
                                          "4294967296",
                                          "9223372036854775807",
                                          "9223372036854775808",
                                          "18446744073709551615",
                                          "18446744073709551616",
                                          "1e1",
                                          "2.0",
                                          "02",
                                          "+2",
                                          "",
                                          "null",
                                          "\"2\"",
                                          "[2]"};
    int accepted = 0;
    for (const char *at = strstr(sample, "},\"b\""); *at; at++) {
        /* Each run of digits that is a number, not part of a name. */
        if (at[0] < '0' || at[0] > '9' || (at[-1] != '[' && at[-1] != ',')) continue;
        size_t digits = strspn(at, "0123456789");
        for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
            char header[sizeof sample + 32];
            snprintf(header, sizeof header, "%.*s%s%s", (int)(at - sample), sample, numbers[i], at + digits);
            ag_status status = status_of(header, SAMPLE_DATA, NULL);
            if (status)
                ck_assert_int_eq(status, AG_ERROR_FORMAT);
            else
                accepted++;
        }
    }
    /* The numbers themselves: [0, 24] and shape [0, 5] keep their zeros; and any count of rows of no elements that can
     * be multiplied by 8 is as good as 5: 0, 1, 2^31 - 1, 2^31, 2^32 - 1, 2^32. */
    ck_assert_int_eq(accepted, 2 + 6);
}
END_TEST

START_TEST(shapes_that_overflow_are_refused_even_beside_zero) {
    static const char *const shapes[] = {"4294967296,4294967296",
                                         "0,9223372036854775807",
                                         "9223372036854775807,0",
                                         "4294967296,0,4294967296",
                                         "9223372036854775807,9223372036854775807,0",
                                         "2305843009213693952",
                                         "1152921504606846976,16"};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        char header[200];
        snprintf(header, sizeof header, "{\"x\":{\"dtype\":\"F64\",\"shape\":[%s],\"data_offsets\":[0,0]}}",
                 shapes[i]);
        ck_assert_int_eq(status_of(header, 0, NULL), AG_ERROR_FORMAT);
    }
}
END_TEST

START_TEST(a_rank_above_8_is_refused) {
    ag_error error;
    ck_assert_int_eq(
        status_of("{\"x\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1],\"data_offsets\":[0,1]}}", 1, NULL),
        AG_OK);
    ck_assert_int_eq(
        status_of("{\"x\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,1]}}", 1, &error),
        AG_ERROR_LIMIT);
    ck_assert_ptr_nonnull(strstr(error.message, "tensor \"x\": its rank is above 8"));
}
END_TEST

START_TEST(spans_must_touch_and_fit_the_file) {
    static const struct {
        int64_t a[2], b[2];
        size_t size;
        const char *message; /* NULL: legal */
    } cases[] = {
        {{0, 4}, {4, 8}, 8, NULL},
        {{4, 8}, {0, 4}, 8, NULL},
        {{0, 4}, {0, 4}, 8, "overlaps"},
        {{0, 4}, {2, 6}, 8, "overlaps"},
        {{0, 4}, {5, 9}, 9, "hole"},
        {{1, 5}, {5, 9}, 9, "hole"},
        {{0, 4}, {8, 4}, 8, "reversed"},
        {{0, 4}, {4, 8}, 9, "end at byte 8 of 9"},
        {{0, 4}, {4, 8}, 7, "beyond the end"},
        {{0, 4}, {4, INT64_MAX}, 8, "beyond the end"},
        {{0, 4}, {4, 7}, 7, "do not fit"},
        {{0, 3}, {3, 7}, 7, "do not fit"},
        {{0, 8}, {8, 12}, 12, "do not fit"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char header[300];
        snprintf(header, sizeof header,
                 "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[%" PRId64 ",%" PRId64 "]},"
                 "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[%" PRId64 ",%" PRId64 "]}}",
                 cases[i].a[0], cases[i].a[1], cases[i].b[0], cases[i].b[1]);
        ag_error error;
        ag_status status = status_of(header, cases[i].size, &error);
        ck_assert_int_eq(status, cases[i].message ? AG_ERROR_FORMAT : AG_OK);
        if (cases[i].message)
            ck_assert_msg(strstr(error.message, cases[i].message) != NULL, "case %zu: %s", i, error.message);
    }
}
END_TEST

#define X "{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}"

START_TEST(duplicate_names_are_refused_after_unescaping) {
    static const char *const headers[] = {
        "{\"a\":" X ",\"b\":" X ",\"a\":" X "}",
        "{\"a\":" X ",\"\\u0061\":" X "}",
        "{\"\xc3\xa9\":" X ",\"\\u00E9\":" X "}",
        "{\"__metadata__\":{},\"__metadata__\":{}}",
        "{\"__metadata__\":{},\"__met\\u0061data__\":{}}",
        "{\"__metadata__\":{\"k\":\"1\",\"j\":\"\",\"\\u006b\":\"2\"}}",
        "{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}",
    };
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        ag_error error;
        ck_assert_int_eq(status_of(headers[i], 0, &error), AG_ERROR_FORMAT);
        ck_assert_msg(strstr(error.message, "twice") != NULL, "%s", error.message);
    }
}
END_TEST

START_TEST(names_that_are_no_text_are_refused) {
    static const char *const names[] = {
        "\\u0000",
        "a\\u0000b",
        "\\ud800",
        "\\udc00",
        "\\ud800\\ud800",
        "\\ud800x",
        "\\ud800\\n",
        "\\u12",
        "\\u12g4",
        "\\x41",
        "\\",
        "\\u",
        "\x01",
        "\n",
        "\x80",
        "\xc0\x80",
        "\xc1\xbf",
        "\xe0\x80\x80",
        "\xed\xa0\x80",
        "\xf0\x80\x80\x80",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xff",
        "\xc3",
        "\xe2\x82",
        "\xc3(",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char header[200];
        snprintf(header, sizeof header, "{\"%s\":" X "}", names[i]);
        ck_assert_int_eq(status_of(header, 0, NULL), AG_ERROR_FORMAT);
        snprintf(header, sizeof header, "{\"__metadata__\":{\"k\":\"%s\"}}", names[i]);
        ck_assert_int_eq(status_of(header, 0, NULL), AG_ERROR_FORMAT);
    }
    static const char nul[] = "{\"a\0b\":" X "}";
    put_bytes(nul, sizeof nul - 1, zeros, 0);
    ck_assert_int_eq(read_status(NULL), AG_ERROR_FORMAT);
    static const char after[] = "{}\0";
    put_bytes(after, sizeof after - 1, zeros, 0);
    ck_assert_int_eq(read_status(NULL), AG_ERROR_FORMAT);
}
END_TEST

START_TEST(nesting_costs_nothing_and_is_refused) {
    enum { N = 100000 };
    static char header[N + 100];
    static const char *const starts[] = {
        "", "{", "{\"a\":", "{\"a\":{", "{\"a\":{\"dtype\":", "{\"a\":{\"shape\":", "{\"__metadata__\":{\"k\":"};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        for (const char *bracket = "[{"; *bracket; bracket++) {
            int n = snprintf(header, sizeof header, "%s", starts[i]);
            memset(header + n, *bracket, N);
            header[n + N] = '\0';
            ck_assert_int_eq(status_of(header, 0, NULL), AG_ERROR_FORMAT);
        }
}
END_TEST

START_TEST(unknown_dtypes_are_refused_by_name) {
    static const char *const dtypes[] = {"F8_E4M3", "U64", "I16", "f32", "F32 ", "F3", "C64", ""};
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        char header[200], expected[64];
        snprintf(header, sizeof header, "{\"w\":{\"dtype\":\"%s\",\"shape\":[0],\"data_offsets\":[0,0]}}",
                 dtypes[i]);
        snprintf(expected, sizeof expected, "tensor \"w\": dtype \"%s\"", dtypes[i]);
        ag_error error;
        ck_assert_int_eq(status_of(header, 0, &error), AG_ERROR_DTYPE);
        ck_assert_ptr_nonnull(strstr(error.message, expected));
    }
}
END_TEST

START_TEST(headers_outside_the_grammar_are_refused) {
    static const char *const headers[] = {
        "",
        " {}",
        "[]",
        "{",
        "}",
        "{}{}",
        "{},",
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":" X ",}",
        "{\"a\":" X " \"b\":" X "}",
        "{a:" X "}",
        "{'a':" X "}",
        "{\"a\" " X "}",
        "{\"a\":null}",
        "{\"a\":{}}",
        "{\"a\":[]}",
        "{\"a\":\"b\"}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[0]}}",
        "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,0]}}",
        "{\"a\":{\"shape\":[0],\"data_offsets\":[0,0]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0],}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0],\"more\":1}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}",
        "{\"a\":{\"dtype\":F32,\"shape\":[0],\"data_offsets\":[0,0]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":0,\"data_offsets\":[0,0]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[0,],\"data_offsets\":[0,0]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[0 0],\"data_offsets\":[0,0]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0,0]}}",
        "{\"__metadata__\":null}",
        "{\"__metadata__\":[]}",
        "{\"__metadata__\":{\"k\":1}}",
        "{\"__metadata__\":{\"k\":null}}",
        "{\"__metadata__\":{\"k\"}}",
        "{\"__metadata__\":{\"k\":\"v\",}}",
        "{\"__metadata__\":{\"k\":{}}}",
        "{\"a\":" X "} x",
        "\xef\xbb\xbf{}",
    };
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        ag_error error;
        ag_status status = status_of(headers[i], 0, &error);
        ck_assert_msg(status == AG_ERROR_FORMAT, "%s gave %s", headers[i], ag_status_name(status));
        ck_assert_ptr_nonnull(strstr(error.message, "header byte "));
    }
}
END_TEST

START_TEST(messages_show_names_without_control_characters) {
    ag_error error;
    ck_assert_int_eq(
        status_of("{\"a\\u001b[2J\\n\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,0]}}", 0, &error),
        AG_ERROR_FORMAT);
    ck_assert_ptr_nonnull(strstr(error.message, "\"a?[2J?\""));
}
END_TEST

START_TEST(what_is_no_readable_file_is_an_error) {
    ag_error error = {0};
    ck_assert_ptr_null(ag_safetensors_read(in_folder("none"), &error));
    ck_assert_int_eq(error.status, AG_ERROR_IO);
    ck_assert_ptr_null(ag_safetensors_read(in_folder("none"), NULL));
    ck_assert_ptr_null(ag_safetensors_read(folder, &error));
    ck_assert_int_eq(error.status, AG_ERROR_IO);
    ck_assert_int_eq(mkfifo(in_folder("fifo"), 0644), 0);
    ck_assert_ptr_null(ag_safetensors_read(in_folder("fifo"), &error));
    ck_assert_int_eq(error.status, AG_ERROR_IO);
    put_bytes(sample, strlen(sample), zeros, SAMPLE_DATA);
    ck_assert_int_eq(chmod(in_folder("x"), 0), 0);
    lay_down_rights();
    ag_safetensors *f = ag_safetensors_read(in_folder("x"), &error);
    take_up_rights();
    ck_assert_ptr_null(f);
    ck_assert_int_eq(error.status, AG_ERROR_IO);
}
END_TEST

START_TEST(a_read_without_memory_fails_cleanly_wherever_it_runs_out) {
    put_bytes(sample, strlen(sample), zeros, SAMPLE_DATA);
    int fail = 0;
    for (ag_safetensors *file = NULL; !file; fail++) {
        failing f = {.fail = fail};
        ag_error error = {0};
        ag_set_allocator(&(ag_allocator){failing_resize, &f});
        file = ag_safetensors_read(in_folder("x"), &error);
        long live = f.live;
        ag_safetensors_free(file);
        ag_set_allocator(NULL);
        ck_assert_int_eq(f.live, 0);
        if (file) break;
        ck_assert_int_eq(live, 0);
        ck_assert_int_eq(error.status, AG_ERROR_MEMORY);
    }
    ck_assert_int_gt(fail, 10);
}
END_TEST

Suite *safetensors_hostile_suite(void);
Suite *safetensors_hostile_suite(void) {
    Suite *s = suite_create("safetensors_hostile");
    TCase *hostile = tcase_create("hostile");
    tcase_add_checked_fixture(hostile, folder_make, folder_remove);
    tcase_add_test(hostile, a_file_cut_at_any_byte_is_refused);
    tcase_add_test(hostile, bytes_to_spare_are_refused);
    tcase_add_test(hostile, a_flipped_header_bit_is_refused_or_harmless);
    tcase_add_test(hostile, a_header_longer_than_the_file_or_the_limit_is_refused);
    tcase_add_test(hostile, a_replaced_integer_is_refused_or_harmless);
    tcase_add_test(hostile, shapes_that_overflow_are_refused_even_beside_zero);
    tcase_add_test(hostile, a_rank_above_8_is_refused);
    tcase_add_test(hostile, spans_must_touch_and_fit_the_file);
    tcase_add_test(hostile, duplicate_names_are_refused_after_unescaping);
    tcase_add_test(hostile, names_that_are_no_text_are_refused);
    tcase_add_test(hostile, nesting_costs_nothing_and_is_refused);
    tcase_add_test(hostile, unknown_dtypes_are_refused_by_name);
    tcase_add_test(hostile, headers_outside_the_grammar_are_refused);
    tcase_add_test(hostile, messages_show_names_without_control_characters);
    tcase_add_test(hostile, what_is_no_readable_file_is_an_error);
    tcase_add_test(hostile, a_read_without_memory_fails_cleanly_wherever_it_runs_out);
    suite_add_tcase(s, hostile);
    return s;
}
