/* base: statuses, the error record, the allocator hook, checked arithmetic. */
#include <autograd/base.h>

#include <check.h>
#include <stdio.h>
#include <string.h>

START_TEST(every_status_has_a_name_and_a_text_of_its_own) {
    for (int i = 0; i < AG_STATUS_COUNT; i++) {
        ck_assert_int_eq(strncmp(ag_status_name((ag_status)i), "AG_", 3), 0);
        ck_assert_uint_gt(strlen(ag_status_text((ag_status)i)), 0);
        for (int j = 0; j < i; j++) ck_assert_str_ne(ag_status_text((ag_status)i), ag_status_text((ag_status)j));
    }
    ck_assert_str_eq(ag_status_name(AG_OK), "AG_OK");
    ck_assert_str_eq(ag_status_name(AG_ERROR_SHAPE), "AG_ERROR_SHAPE");
    ck_assert_str_eq(ag_status_text(AG_ERROR_SHAPE), "shapes do not fit");
    ck_assert_ptr_nonnull(ag_status_name(AG_STATUS_COUNT));
    ck_assert_ptr_nonnull(ag_status_text((ag_status)-1));
}
END_TEST

START_TEST(fail_records_status_and_message) {
    ag_error error = {0};
    ck_assert_int_eq(ag_fail(&error, AG_ERROR_INDEX, "row %d of %s", 7, "x"), AG_ERROR_INDEX);
    ck_assert_int_eq(error.status, AG_ERROR_INDEX);
    ck_assert_str_eq(error.message, "row 7 of x");
}
END_TEST

START_TEST(fail_accepts_a_caller_without_an_error) {
    ck_assert_int_eq(ag_fail(NULL, AG_ERROR_VALUE, "%s", "nobody listens"), AG_ERROR_VALUE);
}
END_TEST

START_TEST(fail_truncates_a_message_that_is_too_long) {
    char text[2 * AG_MESSAGE_SIZE];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    ag_error error = {0};
    ag_fail(&error, AG_ERROR_NAME, "%s", text);
    ck_assert_uint_eq(strlen(error.message), AG_MESSAGE_SIZE - 1);
}
END_TEST

START_TEST(fail_may_quote_the_message_it_replaces) {
    ag_error error = {0};
    ag_fail(&error, AG_ERROR_IO, "no such file");
    ag_fail(&error, AG_ERROR_IO, "layer 3: %s", error.message);
    ck_assert_str_eq(error.message, "layer 3: no such file");
}
END_TEST

START_TEST(blocks_are_aligned_to_64_bytes) {
    for (size_t size = 0; size < 300; size += 7) {
        char *block = ag_alloc(size);
        ck_assert_ptr_nonnull(block);
        ck_assert_uint_eq((uintptr_t)block % 64, 0);
        memset(block, 1, size);
        ag_release(block, size);
    }
}
END_TEST

START_TEST(large_blocks_begin_on_a_huge_page) {
    size_t size = (size_t)5 << 20;
    char *block = ag_alloc(size);
    ck_assert_ptr_nonnull(block);
    ck_assert_uint_eq((uintptr_t)block % ((size_t)2 << 20), 0);
    block[0] = block[size - 1] = 1;
    ag_release(block, size);
}
END_TEST

START_TEST(resizing_keeps_contents_and_alignment) {
    size_t size = 10;
    unsigned char *block = ag_alloc(size);
    for (size_t i = 0; i < size; i++) block[i] = (unsigned char)i;
    static const size_t sizes[] = {100, 5000, (size_t)5 << 20, 700, 33, 10};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        block = ag_realloc(block, size, sizes[k]);
        ck_assert_ptr_nonnull(block);
        ck_assert_uint_eq((uintptr_t)block % 64, 0);
        for (size_t i = 0; i < 10; i++) ck_assert_uint_eq(block[i], i);
        size = sizes[k];
    }
    ag_release(block, size);
}
END_TEST

START_TEST(realloc_of_nothing_allocates) {
    char *block = ag_realloc(NULL, 0, 12);
    ck_assert_ptr_nonnull(block);
    ag_release(block, 12);
}
END_TEST

START_TEST(blocks_of_no_bytes_have_addresses_of_their_own) {
    void *one = ag_alloc(0), *other = ag_alloc_zeroed(0);
    ck_assert_ptr_nonnull(one);
    ck_assert_ptr_nonnull(other);
    ck_assert_ptr_ne(one, other);
    other = ag_realloc(other, 0, 0);
    ck_assert_ptr_nonnull(other);
    ag_release(one, 0);
    ag_release(other, 0);
    ag_release(NULL, 0);
}
END_TEST

START_TEST(zeroed_blocks_are_zero) {
    unsigned char *block = ag_alloc_zeroed(1000);
    for (size_t i = 0; i < 1000; i++) ck_assert_uint_eq(block[i], 0);
    ag_release(block, 1000);
}
END_TEST

START_TEST(a_request_no_machine_can_serve_gives_null) {
    ck_assert_ptr_null(ag_alloc(SIZE_MAX));
    ck_assert_ptr_null(ag_alloc_zeroed(SIZE_MAX));
    char *block = ag_alloc(8);
    ck_assert_ptr_null(ag_realloc(block, 8, SIZE_MAX));
    ag_release(block, 8); /* still there */
}
END_TEST

START_TEST(strings_are_copied) {
    char *copy = ag_copy_string("gradus");
    ck_assert_str_eq(copy, "gradus");
    ag_release_string(copy);
    ag_release_string(NULL);
}
END_TEST

/* A hook that counts live bytes and blocks, refuses on demand, and serves from a pool so that no size is lost. */
typedef struct counter {
    size_t bytes, calls;
    bool refuse, misused;
    size_t used;
    _Alignas(64) char pool[4096];
} counter;

static void *counting_resize(void *user, void *old, size_t old_size, size_t new_size, size_t alignment) {
    counter *c = user;
    c->calls++;
    if (alignment < 64 || (alignment & (alignment - 1)) || (!old && old_size) || (!old && !new_size))
        c->misused = true;
    if (new_size && c->refuse) return NULL;
    c->bytes = c->bytes - old_size + new_size;
    if (!new_size) return NULL;
    size_t at = (c->used + alignment - 1) / alignment * alignment;
    if (at + new_size > sizeof c->pool) return NULL;
    c->used = at + new_size;
    if (old) memcpy(c->pool + at, old, old_size < new_size ? old_size : new_size);
    return c->pool + at;
}

START_TEST(the_hook_is_told_the_true_size_of_every_block) {
    static counter c;
    memset(&c, 0, sizeof c);
    ag_allocator hook = {counting_resize, &c};
    ag_set_allocator(&hook);
    void *block = ag_alloc(100), *empty = ag_alloc(0), *zeroed = ag_alloc_zeroed(50);
    char *text = ag_copy_string("abc");
    size_t held = c.bytes;
    block = ag_realloc(block, 100, 300);
    size_t grown = c.bytes;
    ag_release(block, 300);
    ag_release(empty, 0);
    ag_release(zeroed, 50);
    ag_release_string(text);
    c.refuse = true;
    void *refused = ag_alloc(1);
    ag_set_allocator(NULL);

    ck_assert_uint_eq(held, 100 + 1 + 50 + 4);
    ck_assert_uint_eq(grown, held + 200);
    ck_assert_uint_eq(c.bytes, 0);
    ck_assert_uint_eq(c.calls, 10);
    ck_assert(!c.misused);
    ck_assert_ptr_null(refused);
    void *after = ag_alloc(1);
    ck_assert_ptr_nonnull(after);
    ag_release(after, 1);
    ck_assert_uint_eq(c.calls, 10);
}
END_TEST

START_TEST(size_arithmetic_refuses_to_overflow) {
    size_t r = 7;
    ck_assert(ag_size_add(SIZE_MAX - 1, 1, &r));
    ck_assert(r == SIZE_MAX);
    ck_assert(!ag_size_add(SIZE_MAX, 1, &r));
    ck_assert(!ag_size_add(1, SIZE_MAX, &r));
    ck_assert(r == SIZE_MAX); /* untouched */
    ck_assert(ag_size_mul(SIZE_MAX / 2, 2, &r));
    ck_assert(r == SIZE_MAX - 1);
    ck_assert(ag_size_mul(SIZE_MAX, 0, &r) && r == 0);
    ck_assert(ag_size_mul(0, SIZE_MAX, &r) && r == 0);
    ck_assert(!ag_size_mul(SIZE_MAX / 2 + 1, 2, &r));
}
END_TEST

START_TEST(int_arithmetic_refuses_overflow_and_negatives) {
    int64_t r = 7;
    ck_assert(ag_int_mul(INT64_MAX, 1, &r) && r == INT64_MAX);
    ck_assert(ag_int_mul(INT64_MAX, 0, &r) && r == 0);
    ck_assert(ag_int_mul(3037000499, 3037000499, &r));
    ck_assert(!ag_int_mul(3037000500, 3037000500, &r));
    ck_assert(!ag_int_mul(-1, 1, &r));
    ck_assert(!ag_int_mul(1, -1, &r));
    ck_assert(!ag_int_mul(INT64_MIN, -1, &r));
}
END_TEST

Suite *base_suite(void);
Suite *base_suite(void) {
    Suite *s = suite_create("base");
    TCase *errors = tcase_create("errors");
    tcase_add_test(errors, every_status_has_a_name_and_a_text_of_its_own);
    tcase_add_test(errors, fail_records_status_and_message);
    tcase_add_test(errors, fail_accepts_a_caller_without_an_error);
    tcase_add_test(errors, fail_truncates_a_message_that_is_too_long);
    tcase_add_test(errors, fail_may_quote_the_message_it_replaces);
    suite_add_tcase(s, errors);
    TCase *memory = tcase_create("memory");
    tcase_add_test(memory, blocks_are_aligned_to_64_bytes);
    tcase_add_test(memory, large_blocks_begin_on_a_huge_page);
    tcase_add_test(memory, resizing_keeps_contents_and_alignment);
    tcase_add_test(memory, realloc_of_nothing_allocates);
    tcase_add_test(memory, blocks_of_no_bytes_have_addresses_of_their_own);
    tcase_add_test(memory, zeroed_blocks_are_zero);
    tcase_add_test(memory, a_request_no_machine_can_serve_gives_null);
    tcase_add_test(memory, strings_are_copied);
    tcase_add_test(memory, the_hook_is_told_the_true_size_of_every_block);
    suite_add_tcase(s, memory);
    TCase *arithmetic = tcase_create("arithmetic");
    tcase_add_test(arithmetic, size_arithmetic_refuses_to_overflow);
    tcase_add_test(arithmetic, int_arithmetic_refuses_overflow_and_negatives);
    suite_add_tcase(s, arithmetic);
    return s;
}
