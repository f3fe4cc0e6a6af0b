/* arena: alignment, stable addresses, marks, reuse of chunks, failure. */
#include <autograd/arena.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>

START_TEST(an_unused_arena_holds_nothing) {
    agx_arena a;
    agx_arena_init(&a);
    ck_assert_uint_eq(a.reserved, 0);
    ck_assert_uint_eq(agx_arena_used(&a), 0);
    ck_assert_uint_eq(agx_arena_peak(&a), 0);
    agx_arena_release(&a, agx_arena_here(&a));
    agx_arena_clear(&a);
}
END_TEST

START_TEST(blocks_are_aligned_as_asked) {
    agx_arena a;
    agx_arena_init(&a);
    for (size_t alignment = 1; alignment <= 64; alignment *= 2)
        for (size_t size = 0; size < 200; size += 13) {
            char *block = agx_arena_take(&a, size, alignment);
            ck_assert_ptr_nonnull(block);
            ck_assert_uint_eq((uintptr_t)block % alignment, 0);
            memset(block, 1, size);
        }
    agx_arena_clear(&a);
}
END_TEST

START_TEST(blocks_neither_move_nor_overlap) {
    enum { N = 300, SIZE = 4001 };
    agx_arena a;
    agx_arena_init(&a);
    unsigned char *block[N], expected[SIZE];
    for (int i = 0; i < N; i++) {
        block[i] = agx_arena_take(&a, SIZE, 1);
        memset(block[i], i & 255, SIZE);
    }
    for (int i = 0; i < N; i++) {
        memset(expected, i & 255, SIZE);
        ck_assert_mem_eq(block[i], expected, SIZE);
    }
    ck_assert_uint_ge(agx_arena_used(&a), (size_t)N * SIZE);
    ck_assert_uint_le(agx_arena_used(&a), a.reserved);
    agx_arena_clear(&a);
    ck_assert_uint_eq(a.reserved, 0);
}
END_TEST

START_TEST(chunks_double_from_64_KiB_to_32_MiB) {
    agx_arena a;
    agx_arena_init(&a);
    size_t expected = (size_t)64 << 10, total = 0;
    for (int i = 0; i < 12; i++) {
        agx_chunk *before = a.current;
        while (a.current == before) ck_assert_ptr_nonnull(agx_arena_take(&a, 30 << 10, 64));
        total += expected;
        ck_assert_uint_eq(a.reserved, total);
        if (expected < (size_t)32 << 20) expected *= 2;
    }
    agx_arena_clear(&a);
}
END_TEST

START_TEST(release_returns_to_the_mark) {
    agx_arena a;
    agx_arena_init(&a);
    int *kept = agx_arena_take(&a, sizeof *kept, 8);
    *kept = 42;
    agx_arena_mark mark = agx_arena_here(&a);
    size_t used = agx_arena_used(&a);
    void *first = agx_arena_take(&a, 100, 64);
    for (int i = 0; i < 100; i++) ck_assert_ptr_nonnull(agx_arena_take(&a, 10000, 64));
    agx_arena_release(&a, mark);
    ck_assert_uint_eq(agx_arena_used(&a), used);
    ck_assert_int_eq(*kept, 42);
    ck_assert_ptr_eq(agx_arena_take(&a, 100, 64), first);
    agx_arena_clear(&a);
}
END_TEST

START_TEST(a_mark_of_the_empty_arena_releases_everything) {
    agx_arena a;
    agx_arena_init(&a);
    agx_arena_mark mark = agx_arena_here(&a);
    void *first = agx_arena_take(&a, 100, 64);
    ck_assert_ptr_nonnull(agx_arena_take(&a, 1 << 20, 64));
    size_t reserved = a.reserved;
    agx_arena_release(&a, mark);
    ck_assert_uint_eq(agx_arena_used(&a), 0);
    ck_assert_ptr_eq(agx_arena_take(&a, 100, 64), first);
    ck_assert_ptr_nonnull(agx_arena_take(&a, 1 << 20, 64));
    ck_assert_uint_eq(a.reserved, reserved);
    agx_arena_clear(&a);
}
END_TEST

START_TEST(the_peak_outlives_a_release) {
    agx_arena a;
    agx_arena_init(&a);
    agx_arena_mark mark = agx_arena_here(&a);
    ck_assert_ptr_nonnull(agx_arena_take(&a, 300000, 1));
    size_t most = agx_arena_used(&a);
    agx_arena_release(&a, mark);
    ck_assert_ptr_nonnull(agx_arena_take(&a, 10, 1));
    ck_assert_uint_eq(agx_arena_peak(&a), most);
    agx_arena_clear(&a);
}
END_TEST

START_TEST(a_loop_that_releases_holds_its_bytes_flat) {
    agx_arena a;
    agx_arena_init(&a);
    agx_arena_mark mark = agx_arena_here(&a);
    size_t reserved = 0;
    for (int step = 0; step < 2000; step++) {
        for (int i = 0; i < 50; i++) ck_assert_ptr_nonnull(agx_arena_take(&a, (size_t)(i * 400), 64));
        agx_arena_release(&a, mark);
        if (step == 0) reserved = a.reserved;
        ck_assert_uint_eq(a.reserved, reserved);
    }
    agx_arena_clear(&a);
}
END_TEST

START_TEST(requests_in_changing_order_hold_bounded_bytes) {
    /* Small and large blocks by turns first: chunks too small for a request are passed over, never lost, and
     * no chunk is made while an empty one is large enough. */
    agx_arena a;
    agx_arena_init(&a);
    agx_arena_mark mark = agx_arena_here(&a);
    size_t settled = 0;
    for (int step = 0; step < 200; step++) {
        for (int i = 0; i < 6; i++) {
            bool large = (i + step) % 3 == 0;
            size_t size = large ? (size_t)300 << 10 : 1000;
            char *block = agx_arena_take(&a, size, 64);
            ck_assert_ptr_nonnull(block);
            block[0] = block[size - 1] = 1;
        }
        agx_arena_release(&a, mark);
        if (step == 20) settled = a.reserved;
        if (step > 20) ck_assert_uint_eq(a.reserved, settled);
    }
    agx_arena_clear(&a);
}
END_TEST

START_TEST(strings_are_copied) {
    agx_arena a;
    agx_arena_init(&a);
    char text[] = "layer1";
    const char *copy = agx_arena_string(&a, text);
    text[0] = 'X';
    ck_assert_str_eq(copy, "layer1");
    agx_arena_clear(&a);
}
END_TEST

static void *refusing_resize(void *user, void *old, size_t old_size, size_t new_size, size_t alignment) {
    (void)user, (void)old_size, (void)alignment;
    if (!new_size) free(old);
    return NULL;
}

START_TEST(without_memory_take_gives_null_and_the_arena_stays_usable) {
    agx_arena a;
    agx_arena_init(&a);
    char *block = agx_arena_take(&a, 10, 1);
    size_t used = agx_arena_used(&a), reserved = a.reserved;
    ag_allocator refusing = {refusing_resize, NULL};
    ag_set_allocator(&refusing);
    void *refused = agx_arena_take(&a, 1 << 20, 64);
    ag_set_allocator(NULL);
    ck_assert_ptr_null(refused);
    ck_assert_ptr_null(agx_arena_take(&a, SIZE_MAX, 64));
    ck_assert_ptr_null(agx_arena_take(&a, SIZE_MAX - 100, 1));
    ck_assert_uint_eq(agx_arena_used(&a), used);
    ck_assert_uint_eq(a.reserved, reserved);
    ck_assert_ptr_eq(agx_arena_take(&a, 1, 1), block + 10);
    ck_assert_ptr_nonnull(agx_arena_take(&a, 1 << 20, 64));
    agx_arena_clear(&a);
}
END_TEST

#if defined(AGX_ADDRESS_SANITIZER)
START_TEST(a_sanitized_build_sees_use_after_release) {
    agx_arena a;
    agx_arena_init(&a);
    ck_assert_ptr_nonnull(agx_arena_take(&a, 8, 8));
    agx_arena_mark mark = agx_arena_here(&a);
    char *near = agx_arena_take(&a, 100, 64), *far = agx_arena_take(&a, 1 << 20, 64);
    ck_assert(!__asan_address_is_poisoned(near) && !__asan_address_is_poisoned(near + 99));
    ck_assert(!__asan_address_is_poisoned(far));
    ck_assert(__asan_address_is_poisoned(near + 100 + 8)); /* past the end, too */
    agx_arena_release(&a, mark);
    ck_assert(__asan_address_is_poisoned(near));
    ck_assert(__asan_address_is_poisoned(far));
    ck_assert_ptr_eq(agx_arena_take(&a, 10, 64), near);
    ck_assert(!__asan_address_is_poisoned(near + 9));
    ck_assert(__asan_address_is_poisoned(near + 10));
    agx_arena_clear(&a);
}
END_TEST
#endif

Suite *arena_suite(void);
Suite *arena_suite(void) {
    Suite *s = suite_create("arena");
    TCase *c = tcase_create("arena");
    tcase_add_test(c, an_unused_arena_holds_nothing);
    tcase_add_test(c, blocks_are_aligned_as_asked);
    tcase_add_test(c, blocks_neither_move_nor_overlap);
    tcase_add_test(c, chunks_double_from_64_KiB_to_32_MiB);
    tcase_add_test(c, release_returns_to_the_mark);
    tcase_add_test(c, a_mark_of_the_empty_arena_releases_everything);
    tcase_add_test(c, the_peak_outlives_a_release);
    tcase_add_test(c, a_loop_that_releases_holds_its_bytes_flat);
    tcase_add_test(c, requests_in_changing_order_hold_bounded_bytes);
    tcase_add_test(c, strings_are_copied);
    tcase_add_test(c, without_memory_take_gives_null_and_the_arena_stays_usable);
#if defined(AGX_ADDRESS_SANITIZER)
    tcase_add_test(c, a_sanitized_build_sees_use_after_release);
#endif
    suite_add_tcase(s, c);
    return s;
}
