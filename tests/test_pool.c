/* pool: sizes, counts, reuse, failure. */
#include "support/support.h"

#include <autograd/pool.h>

#include <stdlib.h>
#include <string.h>

START_TEST(buffers_are_aligned_and_large_enough) {
    agx_pool p;
    agx_pool_init(&p);
    for (size_t bytes = 0; bytes < 70000; bytes += bytes < 600 ? 1 : 97) {
        agx_buffer *b = agx_pool_take(&p, bytes);
        ck_assert_ptr_nonnull(b);
        ck_assert_uint_eq((uintptr_t)agx_buffer_data(b) % 64, 0);
        ck_assert_uint_ge(b->bytes, bytes + AGX_BUFFER_HEADER);
        memset(agx_buffer_data(b), 7, bytes);
        ck_assert_uint_eq(b->count, 1);
        agx_buffer_drop(&p, b);
    }
    agx_pool_clear(&p);
    ck_assert_uint_eq(p.held, 0);
}
END_TEST

START_TEST(at_most_a_quarter_of_a_large_buffer_is_idle) {
    agx_pool p;
    agx_pool_init(&p);
    for (size_t bytes = 64; bytes < (size_t)1 << 24; bytes += 1 + bytes / 7) {
        agx_buffer *b = agx_pool_take(&p, bytes);
        ck_assert_uint_le(4 * (b->bytes - AGX_BUFFER_HEADER), 5 * bytes + 64);
        agx_buffer_drop(&p, b);
    }
    agx_pool_clear(&p);
}
END_TEST

START_TEST(neighbouring_sizes_of_one_class_share_its_buffers) {
    agx_pool p;
    agx_pool_init(&p);
    for (int octave = 6; octave < 24; octave++) {
        size_t base = (size_t)1 << octave, quarter = base / 4;
        for (size_t step = 0; step < 4; step++) {
            size_t low = base + step * quarter + 1, high = base + (step + 1) * quarter;
            agx_buffer *b = agx_pool_take(&p, low);
            ck_assert_uint_eq(b->bytes, high + AGX_BUFFER_HEADER);
            agx_buffer_drop(&p, b);
            ck_assert_ptr_eq(agx_pool_take(&p, high), b);
            agx_buffer_drop(&p, b);
        }
    }
    agx_pool_clear(&p);
}
END_TEST

START_TEST(a_shared_buffer_is_recycled_with_its_last_count) {
    agx_pool p;
    agx_pool_init(&p);
    agx_buffer *b = agx_pool_take(&p, 100);
    agx_buffer_share(b);
    agx_buffer_share(NULL);
    agx_buffer_drop(&p, NULL);
    agx_buffer_drop(&p, b);
    agx_buffer *other = agx_pool_take(&p, 100);
    ck_assert_ptr_ne(other, b);
    ck_assert_uint_eq(p.in_use, 2);
    agx_buffer_drop(&p, b);
    ck_assert_uint_eq(p.in_use, 1);
    ck_assert_ptr_eq(agx_pool_take(&p, 100), b);
    agx_buffer_drop(&p, b);
    agx_buffer_drop(&p, other);
    ck_assert_uint_eq(p.in_use, 0);
    agx_pool_clear(&p);
}
END_TEST

START_TEST(reuse_holds_no_more_than_the_most_in_use) {
    counting_allocator_install();
    agx_pool p;
    agx_pool_init(&p);
    size_t held = 0;
    for (int round = 0; round < 50; round++) {
        agx_buffer *b[20];
        for (int i = 0; i < 20; i++) b[i] = agx_pool_take(&p, (size_t)(100 + 37 * i));
        for (int i = 0; i < 20; i++) agx_buffer_drop(&p, b[i]);
        if (round == 0) held = p.held;
        ck_assert_uint_eq(p.held, held);
        ck_assert_int_eq(counting_allocator_live(), (long)held);
    }
    agx_pool_clear(&p);
    ck_assert_int_eq(counting_allocator_live(), 0);
}
END_TEST

START_TEST(what_cannot_be_had_is_null) {
    counting_allocator_install();
    counting_allocator_fail_from(1);
    agx_pool p;
    agx_pool_init(&p);
    for (int shift = 0; shift < 64; shift++) {
        size_t bytes = SIZE_MAX >> shift;
        for (size_t less = 0; less < 65 && less <= bytes; less += 32)
            ck_assert_ptr_null(agx_pool_take(&p, bytes - less));
    }
    ck_assert_uint_eq(p.in_use, 0);
    ck_assert_uint_eq(p.held, 0);
    agx_pool_clear(&p);
}
END_TEST

Suite *pool_suite(void) {
    Suite *s = suite_create("pool");
    TCase *c = tcase_create("pool");
    suite_add_tcase(s, c);
    tcase_add_test(c, buffers_are_aligned_and_large_enough);
    tcase_add_test(c, at_most_a_quarter_of_a_large_buffer_is_idle);
    tcase_add_test(c, neighbouring_sizes_of_one_class_share_its_buffers);
    tcase_add_test(c, a_shared_buffer_is_recycled_with_its_last_count);
    tcase_add_test(c, reuse_holds_no_more_than_the_most_in_use);
    tcase_add_test(c, what_cannot_be_had_is_null);
    return s;
}
