/* idx: six element types, plain and compressed; and files that lie.
 *
 * Builds without zlib refuse what is compressed, so the tests of compressed files accept that one answer throughout,
 * and nothing else. */
#define _GNU_SOURCE 1
#include <autograd/io/idx.h>

#include <math.h>

#include "support/folder.h"

/* A file being made. */
typedef struct bytes {
    unsigned char v[8192];
    size_t n;
} bytes;

static void add(bytes *b, const void *data, size_t n) {
    ck_assert_uint_le(b->n + n, sizeof b->v);
    memcpy(b->v + b->n, data, n);
    b->n += n;
}
static void add_u32(bytes *b, uint32_t x) {
    add(b,
        (const unsigned char[]){(unsigned char)(x >> 24), (unsigned char)(x >> 16), (unsigned char)(x >> 8),
                                (unsigned char)x},
        4);
}
static bytes header_of(unsigned char type, int rank, const uint32_t *dim) {
    bytes b = {.n = 0};
    add(&b, (const unsigned char[]){0, 0, type, (unsigned char)rank}, 4);
    for (int k = 0; k < rank; k++) add_u32(&b, dim[k]);
    return b;
}

static ag_status read_limited(const bytes *b, size_t limit, ag_idx *idx, ag_error *error) {
    file_put(in_folder("x"), b->v, b->n);
    ag_status status = ag_idx_read(in_folder("x"), limit, idx, error);
    if (status) ck_assert(idx->data == NULL && idx->bytes == 0 && idx->count == 0 && idx->rank == 0);
    return status;
}
static ag_status read_bytes(const bytes *b, ag_idx *idx, ag_error *error) {
    return read_limited(b, 0, idx, error);
}

/* The status alone. */
static ag_status status_of(const bytes *b, ag_error *error) {
    ag_idx idx;
    ag_status status = read_bytes(b, &idx, error);
    ag_idx_clear(&idx);
    return status;
}

/* u8 (6, 10), the element at i being i^2 / 7 mod 5: plain, and the same compressed by gzip -9. */
static bytes sample(void) {
    bytes b = header_of(0x08, 2, (const uint32_t[]){6, 10});
    for (int i = 0; i < 60; i++) add(&b, &(unsigned char){(unsigned char)(i * i / 7 % 5)}, 1);
    return b;
}
static bytes sample_packed(void) {
    static const unsigned char packed[] = {
        0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0xff, 0x75, 0x8a, 0x31, 0x0a,
        0x00, 0x20, 0x10, 0xc3, 0x72, 0x6d, 0x11, 0xf1, 0xff, 0x0f, 0xb6, 0x83, 0xab, 0x81,
        0x0c, 0x29, 0x85, 0x2d, 0x60, 0xd5, 0x53, 0x47, 0x46, 0x99, 0x88, 0x58, 0x53, 0xe4,
        0xbc, 0xa1, 0x0d, 0xdf, 0xcb, 0x05, 0xb2, 0x80, 0xfb, 0x49, 0x48, 0x00, 0x00, 0x00,
    };
    bytes b = {.n = 0};
    add(&b, packed, sizeof packed);
    return b;
}

static void check_sample(const ag_idx *idx) {
    ck_assert_int_eq(idx->type, 0x08);
    ck_assert_int_eq(idx->rank, 2);
    ck_assert_int_eq(idx->dim[0], 6);
    ck_assert_int_eq(idx->dim[1], 10);
    ck_assert_int_eq(idx->count, 60);
    ck_assert_uint_eq(idx->bytes, 60);
    bytes b = sample();
    ck_assert_mem_eq(idx->data, b.v + 12, 60);
}

/* ---- well-formed files -------------------------------------------------------------------------------------- */

START_TEST(bytes_are_read_as_they_are) {
    bytes b = sample();
    ag_idx idx;
    ck_assert_int_eq(read_bytes(&b, &idx, NULL), AG_OK);
    check_sample(&idx);
    ck_assert(ag_idx_get(&idx, 59) == 59 * 59 / 7 % 5);
    ck_assert(isnan(ag_idx_get(&idx, 60)));
    ck_assert(isnan(ag_idx_get(&idx, -1)));
    ag_idx_clear(&idx);
    ag_idx_clear(&idx);
    ck_assert(isnan(ag_idx_get(&idx, 0)));
}
END_TEST

START_TEST(wide_elements_come_in_the_machines_order) {
    static const struct {
        unsigned char type;
        size_t size;
        unsigned char element[2][8];
        double value[2];
    } cases[] = {
        {0x08, 1, {{0}, {0xFF}}, {0, 255}},
        {0x09, 1, {{0x7F}, {0x80}}, {127, -128}},
        {0x0B, 2, {{0x12, 0x34}, {0xFF, 0xFE}}, {0x1234, -2}},
        {0x0C, 4, {{0x12, 0x34, 0x56, 0x78}, {0x80, 0, 0, 0}}, {0x12345678, -2147483648.0}},
        {0x0D, 4, {{0x3F, 0xC0, 0, 0}, {0xFF, 0x80, 0, 0}}, {1.5, -INFINITY}},
        {0x0E, 8, {{0x40, 0x09, 0x21, 0xFB, 0x54, 0x44, 0x2D, 0x18}, {0x80}}, {3.141592653589793, 0}},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        bytes b = header_of(cases[c].type, 1, (const uint32_t[]){2});
        add(&b, cases[c].element[0], cases[c].size);
        add(&b, cases[c].element[1], cases[c].size);
        ag_idx idx;
        ag_error error = {0};
        ck_assert_msg(read_bytes(&b, &idx, &error) == AG_OK, "%s", error.message);
        ck_assert_uint_eq(idx.bytes, 2 * cases[c].size);
        for (int i = 0; i < 2; i++) ck_assert(ag_idx_get(&idx, i) == cases[c].value[i]);
        ag_idx_clear(&idx);
    }
}
END_TEST

START_TEST(rank_8_and_empty_files_are_legal) {
    bytes deep = header_of(0x08, 8, (const uint32_t[]){1, 1, 1, 1, 1, 1, 1, 2});
    add(&deep, "ab", 2);
    ag_idx idx;
    ck_assert_int_eq(read_bytes(&deep, &idx, NULL), AG_OK);
    ck_assert_int_eq(idx.count, 2);
    ag_idx_clear(&idx);
    bytes empty = header_of(0x0E, 3, (const uint32_t[]){5, 0, 28});
    ck_assert_int_eq(read_bytes(&empty, &idx, NULL), AG_OK);
    ck_assert_int_eq(idx.count, 0);
    ck_assert_int_eq(idx.dim[2], 28);
    ag_idx_clear(&idx);
}
END_TEST

START_TEST(a_compressed_file_is_read_or_refused_by_reason) {
    bytes b = sample_packed();
    ag_idx idx;
    ag_error error = {0};
    ag_status status = read_bytes(&b, &idx, &error);
    if (status == AG_ERROR_UNSUPPORTED) {
        ck_assert_ptr_nonnull(strstr(error.message, "zlib"));
        return;
    }
    ck_assert_msg(status == AG_OK, "%s", error.message);
    check_sample(&idx);
    ag_idx_clear(&idx);
}
END_TEST

/* ---- plain files that lie ------------------------------------------------------------------------------------- */

START_TEST(a_file_cut_at_any_byte_is_refused) {
    bytes b = sample();
    for (size_t n = 0, whole = b.n; n < whole; n++) {
        b.n = n;
        ag_error error = {0};
        ck_assert_int_eq(status_of(&b, &error), AG_ERROR_FORMAT);
        ck_assert_ptr_nonnull(strstr(error.message, in_folder("x")));
    }
}
END_TEST

START_TEST(a_file_with_bytes_to_spare_is_refused) {
    bytes b = sample();
    add(&b, "", 1);
    ag_error error = {0};
    ck_assert_int_eq(status_of(&b, &error), AG_ERROR_FORMAT);
    ck_assert_ptr_nonnull(strstr(error.message, "promises 60 bytes of elements, it has 61"));
}
END_TEST

START_TEST(a_flipped_header_bit_is_refused_or_changes_only_the_type) {
    for (size_t bit = 0; bit < 12 * 8; bit++) {
        bytes b = sample();
        b.v[bit / 8] ^= (unsigned char)(1 << bit % 8);
        ag_idx idx;
        ag_status status = read_bytes(&b, &idx, NULL);
        if (status)
            ck_assert_int_eq(status, AG_ERROR_FORMAT);
        else
            ck_assert(b.v[2] == 0x09 && idx.bytes == 60); /* u8 to i8: as long, so nobody can tell */
        ag_idx_clear(&idx);
    }
}
END_TEST

START_TEST(a_changed_size_is_refused) {
    static const uint32_t sizes[] = {0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t k = 0; k < 2; k++) {
            bytes b = sample(), head = {.n = 0};
            add_u32(&head, sizes[i]);
            memcpy(b.v + 4 + 4 * k, head.v, 4);
            ck_assert_int_eq(status_of(&b, NULL), AG_ERROR_FORMAT);
        }
}
END_TEST

START_TEST(types_and_ranks_outside_the_format_are_refused) {
    for (unsigned type = 0; type < 256; type++) {
        bool known = type == 8 || type == 9 || (type >= 0x0B && type <= 0x0E);
        bytes b = header_of((unsigned char)type, 1, (const uint32_t[]){0});
        ck_assert_int_eq(status_of(&b, NULL), known ? AG_OK : AG_ERROR_FORMAT);
    }
    for (int rank = 0; rank < 256; rank++) {
        bytes b = header_of(8, rank, (const uint32_t[256]){0});
        ck_assert_int_eq(status_of(&b, NULL), rank >= 1 && rank <= 8 ? AG_OK : AG_ERROR_FORMAT);
    }
}
END_TEST

START_TEST(sizes_that_overflow_are_refused_even_beside_zero) {
    const uint32_t most = 0xFFFFFFFF;
    ag_error error = {0};
    bytes b = header_of(8, 8, (const uint32_t[]){most, most, most, most, most, most, most, most});
    ck_assert_int_eq(status_of(&b, &error), AG_ERROR_FORMAT);
    ck_assert_ptr_nonnull(strstr(error.message, "overflow"));
    b = header_of(8, 3, (const uint32_t[]){0, most, most});
    ck_assert_int_eq(status_of(&b, NULL), AG_ERROR_FORMAT);
    b = header_of(8, 3, (const uint32_t[]){most, most, 0});
    ck_assert_int_eq(status_of(&b, NULL), AG_ERROR_FORMAT);
    b = header_of(8, 2, (const uint32_t[]){most, 0});
    ck_assert_int_eq(status_of(&b, NULL), AG_OK);
}
END_TEST

START_TEST(the_limit_bounds_the_elements) {
    bytes plain = sample(), packed = sample_packed();
    ag_idx idx;
    ck_assert_int_eq(read_limited(&plain, 59, &idx, NULL), AG_ERROR_LIMIT);
    ck_assert_int_eq(read_limited(&plain, 60, &idx, NULL), AG_OK);
    ag_idx_clear(&idx);
    ag_status status = read_limited(&packed, 59, &idx, NULL);
    ck_assert(status == AG_ERROR_LIMIT || status == AG_ERROR_UNSUPPORTED);
}
END_TEST

START_TEST(what_is_no_readable_file_is_an_error) {
    ag_idx idx;
    ag_error error = {0};
    ck_assert_int_eq(ag_idx_read(in_folder("none"), 0, &idx, &error), AG_ERROR_IO);
    ck_assert_ptr_null(idx.data);
    ck_assert_int_eq(ag_idx_read(folder, 0, &idx, &error), AG_ERROR_IO);
    ck_assert_int_eq(mkfifo(in_folder("fifo"), 0644), 0);
    ck_assert_int_eq(ag_idx_read(in_folder("fifo"), 0, &idx, &error), AG_ERROR_IO);
    file_put(in_folder("shut"), "x", 1);
    ck_assert_int_eq(chmod(in_folder("shut"), 0), 0);
    lay_down_rights();
    ag_status status = ag_idx_read(in_folder("shut"), 0, &idx, &error);
    take_up_rights();
    ck_assert_int_eq(status, AG_ERROR_IO);
}
END_TEST

/* ---- compressed files that lie -------------------------------------------------------------------------------- */

static uint32_t crc32_of(const unsigned char *data, size_t n) {
    uint32_t crc = 0xFFFFFFFF;
    for (size_t i = 0; i < n; i++) {
        crc ^= data[i];
        for (int k = 0; k < 8; k++) crc = crc & 1 ? crc >> 1 ^ 0xEDB88320 : crc >> 1;
    }
    return ~crc;
}

static void add_little(bytes *b, uint32_t x, size_t n) {
    for (size_t k = 0; k < n; k++, x >>= 8) add(b, &(unsigned char){(unsigned char)x}, 1);
}

/* RFC 1952 around one stored block. */
static bytes gzip_stored(const bytes *plain) {
    bytes b = {.n = 0};
    add(&b, "\x1f\x8b\x08\0\0\0\0\0\0\xff\x01", 11);
    add_little(&b, (uint32_t)plain->n, 2);
    add_little(&b, ~(uint32_t)plain->n, 2);
    add(&b, plain->v, plain->n);
    add_little(&b, crc32_of(plain->v, plain->n), 4);
    add_little(&b, (uint32_t)plain->n, 4);
    return b;
}

static bool refused(ag_status status) { return status == AG_ERROR_FORMAT || status == AG_ERROR_UNSUPPORTED; }

START_TEST(a_compressed_file_cut_at_any_byte_is_refused) {
    bytes packed[] = {sample_packed(), sample()};
    packed[1] = gzip_stored(&packed[1]);
    for (size_t c = 0; c < 2; c++)
        for (size_t n = 0, whole = packed[c].n; n < whole; n++) {
            packed[c].n = n;
            ck_assert(refused(status_of(&packed[c], NULL)));
        }
}
END_TEST

START_TEST(a_flipped_bit_in_a_compressed_file_never_changes_the_elements) {
    /* The checksum sees the elements; the time stamp, the system's name and the bits that fill up the last byte of
     * the compressed data mean nothing. */
    for (size_t bit = 0; bit < sample_packed().n * 8; bit++) {
        bytes b = sample_packed();
        b.v[bit / 8] ^= (unsigned char)(1 << bit % 8);
        ag_idx idx;
        ag_status status = read_bytes(&b, &idx, NULL);
        if (status)
            ck_assert(refused(status));
        else
            check_sample(&idx);
        ag_idx_clear(&idx);
    }
}
END_TEST

START_TEST(a_wrong_checksum_or_length_is_refused) {
    bytes plain = sample(), b = gzip_stored(&plain);
    ag_status status = status_of(&b, NULL);
    ck_assert(status == AG_OK || status == AG_ERROR_UNSUPPORTED);
    for (size_t k = 1; k <= 8; k++) {
        bytes wrong = b;
        wrong.v[wrong.n - k] ^= 0x10;
        ag_error error = {0};
        status = status_of(&wrong, &error);
        ck_assert(refused(status));
        if (status == AG_ERROR_FORMAT) ck_assert_ptr_nonnull(strstr(error.message, "gzip data are corrupt"));
    }
}
END_TEST

START_TEST(bytes_after_the_compressed_data_are_refused) {
    bytes b = sample_packed();
    add(&b, "", 1);
    ck_assert(refused(status_of(&b, NULL)));
    bytes twice = sample_packed(), second = sample_packed();
    add(&twice, second.v, second.n);
    ck_assert(refused(status_of(&twice, NULL)));
}
END_TEST

START_TEST(compressed_data_must_have_the_length_the_header_promises) {
    bytes plain = sample();
    plain.n--;
    bytes shorter = gzip_stored(&plain);
    ck_assert(refused(status_of(&shorter, NULL)));
    plain.n++;
    add(&plain, "", 1);
    bytes longer = gzip_stored(&plain);
    ck_assert(refused(status_of(&longer, NULL)));
    for (size_t n = 0; n < 12; n++) {
        plain.n = n;
        bytes headless = gzip_stored(&plain);
        ck_assert(refused(status_of(&headless, NULL)));
    }
}
END_TEST

/* The largest block asked for, served by the default hook. */
static size_t largest;
static void *watching_resize(void *user, void *old, size_t old_size, size_t new_size, size_t alignment) {
    (void)user, (void)alignment;
    if (new_size > largest) largest = new_size;
    ag_set_allocator(NULL);
    void *block = NULL;
    if (new_size)
        block = old ? ag_realloc(old, old_size, new_size) : ag_alloc(new_size);
    else
        ag_release(old, old_size);
    ag_set_allocator(&(ag_allocator){watching_resize, NULL});
    return block;
}

START_TEST(a_promise_the_file_cannot_keep_takes_no_memory) {
    bytes plain = header_of(8, 2, (const uint32_t[]){3, 1 << 30}), packed = gzip_stored(&plain);
    ag_set_allocator(&(ag_allocator){watching_resize, NULL});
    largest = 0;
    ag_status status = status_of(&plain, NULL), packed_status = status_of(&packed, NULL);
    ag_set_allocator(NULL);
    ck_assert_int_eq(status, AG_ERROR_FORMAT);
    ck_assert(refused(packed_status));
    ck_assert_uint_lt(largest, 1 << 20);
}
END_TEST

Suite *idx_suite(void);
Suite *idx_suite(void) {
    Suite *s = suite_create("idx");
    TCase *good = tcase_create("well-formed");
    tcase_add_checked_fixture(good, folder_make, folder_remove);
    tcase_add_test(good, bytes_are_read_as_they_are);
    tcase_add_test(good, wide_elements_come_in_the_machines_order);
    tcase_add_test(good, rank_8_and_empty_files_are_legal);
    tcase_add_test(good, a_compressed_file_is_read_or_refused_by_reason);
    suite_add_tcase(s, good);
    TCase *plain = tcase_create("plain");
    tcase_add_checked_fixture(plain, folder_make, folder_remove);
    tcase_add_test(plain, a_file_cut_at_any_byte_is_refused);
    tcase_add_test(plain, a_file_with_bytes_to_spare_is_refused);
    tcase_add_test(plain, a_flipped_header_bit_is_refused_or_changes_only_the_type);
    tcase_add_test(plain, a_changed_size_is_refused);
    tcase_add_test(plain, types_and_ranks_outside_the_format_are_refused);
    tcase_add_test(plain, sizes_that_overflow_are_refused_even_beside_zero);
    tcase_add_test(plain, the_limit_bounds_the_elements);
    tcase_add_test(plain, what_is_no_readable_file_is_an_error);
    suite_add_tcase(s, plain);
    TCase *packed = tcase_create("compressed");
    tcase_add_checked_fixture(packed, folder_make, folder_remove);
    tcase_add_test(packed, a_compressed_file_cut_at_any_byte_is_refused);
    tcase_add_test(packed, a_flipped_bit_in_a_compressed_file_never_changes_the_elements);
    tcase_add_test(packed, a_wrong_checksum_or_length_is_refused);
    tcase_add_test(packed, bytes_after_the_compressed_data_are_refused);
    tcase_add_test(packed, compressed_data_must_have_the_length_the_header_promises);
    tcase_add_test(packed, a_promise_the_file_cannot_keep_takes_no_memory);
    suite_add_tcase(s, packed);
    return s;
}
