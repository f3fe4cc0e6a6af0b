/* modes: no_grad, the limit on records, the generator, the counters, and what reading a value checks. */
#include "core_support.h"

START_TEST(no_grad_nests_and_must_have_begun) {
    ag_tape *t = tape_new();
    ag_value a = ag_scalar(t, 3);
    ag_no_grad_begin(t);
    ag_no_grad_begin(t);
    ag_value b = ag_square(a);
    ag_no_grad_end(t);
    ag_value c = ag_square(a);
    ag_no_grad_end(t);
    ag_value d = ag_square(a);
    ck_assert_int_eq(ag_backward(ag_add(ag_add(b, c), d)), AG_OK);
    ck_assert_double_eq(ag_item_grad(a), 6);
    ag_no_grad_end(t);
    require_failure(t, AG_ERROR_STATE, WORDS("no_grad_end"));
    ag_tape_free(t);
}
END_TEST

START_TEST(a_rewind_ends_the_no_grad_that_began_after_the_mark) {
    ag_tape *t = tape_new();
    ag_value a = ag_scalar(t, 3);
    ag_mark m = ag_tape_mark(t);
    ag_no_grad_begin(t); /* and an early return forgets the end */
    ck_assert_int_eq(ag_tape_rewind(t, m), AG_OK);
    ck_assert_int_eq(ag_backward(ag_square(a)), AG_OK);
    ck_assert_double_eq(ag_item_grad(a), 6);
    ag_tape_free(t);
}
END_TEST

START_TEST(peak_bytes_remember_what_was_rewound) {
    ag_tape *t = tape_new();
    ag_mark m = ag_tape_mark(t);
    ag_value a = ag_scalar(t, 1);
    for (int i = 0; i < 10000; i++) a = ag_add_number(a, 1);
    const size_t used = ag_tape_statistics(t).used_bytes;
    ck_assert_int_eq(ag_tape_rewind(t, m), AG_OK);
    ck_assert_uint_lt(ag_tape_statistics(t).used_bytes, used);
    ck_assert_uint_ge(ag_tape_statistics(t).peak_bytes, used);
    ag_tape_free(t);
}
END_TEST

START_TEST(a_failed_value_is_a_failure_even_on_a_tape_that_has_none) {
    ag_tape *t = tape_new();
    ag_value x = ag_scalar(t, 1), none = {0};
    ag_mark m = ag_tape_mark(t);
    for (int k = 0; k < 4; k++) {
        ag_value y = k == 0   ? ag_add(x, none)
                     : k == 1 ? ag_add(none, x)
                     : k == 2 ? ag_where(ag_gt(x, x), x, none)
                              : ag_affine(&x, &none, 1, x);
        ck_assert(!ag_ok(y));
        ck_assert_int_eq(ag_tape_rewind(t, m), AG_ERROR_FAILED);
    }
    ag_tape_free(t);
}
END_TEST

START_TEST(max_records_is_a_limit_that_a_rewind_lifts) {
    for (uint32_t max = 3; max < 3 * AG_STRIP_CHUNK; max += max < 6 ? 1 : AG_STRIP_CHUNK - 3) {
        ag_tape *t = ag_tape_new(&(ag_tape_options){.max_records = max});
        ag_value a = ag_scalar(t, 1);
        ag_mark m = ag_tape_mark(t);
        for (int round = 0; round < 2; round++) {
            ag_value v = a;
            while (ag_tape_statistics(t).records < max) v = ag_add_number(v, 1);
            ck_assert_int_eq(ag_tape_status(t), AG_OK);
            ck_assert_uint_eq(v.id, max);
            ck_assert(!ag_ok(ag_add_number(v, 1)));
            ck_assert_int_eq(ag_tape_status(t), AG_ERROR_LIMIT);
            ck_assert(!ag_ok(ag_full(t, AG_F32, 0, NULL, 1)));
            ck_assert(!ag_ok(ag_exp(v)));
            ck_assert(!ag_ok(ag_affine(&v, &v, 1, v)));
            ck_assert_uint_eq(ag_tape_statistics(t).records, max);
            ck_assert_int_eq(ag_tape_rewind(t, m), AG_ERROR_LIMIT);
            ck_assert_double_eq(ag_item(a), 1);
        }
        ag_tape_free(t);
    }
}
END_TEST

START_TEST(a_backward_without_room_for_its_scratch_fails_and_recovers) {
    ag_tape *t = ag_tape_new(&(ag_tape_options){.max_records = 4});
    ag_value x = ag_array_leaf(t, AG_F64, 1, &(int64_t){2}, (const double[]){1, 2});
    ag_mark m = ag_tape_mark(t);
    ag_value y = ag_sum_all(ag_exp(ag_square(x)));
    ck_assert_uint_eq(y.id, 4);
    ck_assert_int_eq(ag_backward(y), AG_ERROR_LIMIT);
    ck_assert_int_eq(ag_tape_rewind(t, m), AG_ERROR_LIMIT);
    ag_zero_grad(t);
    ck_assert(ag_ok(ag_neg(x)));
    ag_tape_free(t);
}
END_TEST

START_TEST(an_option_seeds_the_generator_and_rewind_leaves_it) {
    ag_tape *t = ag_tape_new(&(ag_tape_options){.seed = 9});
    ck_assert_uint_eq(ag_tape_random_get(t).seed, 9);
    ag_value x = ag_full(t, AG_F64, 1, &(int64_t){10}, 1);
    ag_mark m = ag_tape_mark(t);
    ag_random before = ag_tape_random_get(t);
    double a[10], b[10], c[10];
    ag_read_f64(ag_dropout(x, 0.5), a, 10);
    ag_tape_rewind(t, m);
    ag_read_f64(ag_dropout(x, 0.5), b, 10);
    ck_assert_int_ne(memcmp(a, b, sizeof a), 0);
    ag_tape_random_set(t, before);
    ag_read_f64(ag_dropout(x, 0.5), c, 10);
    ck_assert_mem_eq(a, c, sizeof a);
    ag_tape_free(t);
}
END_TEST

START_TEST(statistics_count_what_is_held) {
    ag_tape *t = tape_new();
    ag_tape_stats empty = ag_tape_statistics(t);
    ag_mark m = ag_tape_mark(t);
    ag_value x = ag_full(t, AG_F64, 1, &(int64_t){100000}, 1);
    ag_tape_stats full = ag_tape_statistics(t);
    ck_assert_uint_ge(full.used_bytes, empty.used_bytes + 800000);
    ck_assert_uint_ge(full.live_bytes, full.used_bytes);
    ag_value leaf = ag_array_leaf(t, AG_F64, 0, NULL, (const double[]){1});
    ck_assert_int_eq(ag_backward(ag_sum_all(ag_mul(leaf, x))), AG_OK);
    ck_assert_uint_gt(ag_tape_statistics(t).pool_bytes, 0);
    ck_assert_int_eq(ag_tape_rewind(t, m), AG_OK);
    ag_tape_stats after = ag_tape_statistics(t);
    ck_assert_uint_eq(after.records, 0);
    ck_assert_uint_lt(after.used_bytes, full.used_bytes);
    ck_assert_uint_ge(after.peak_bytes, full.used_bytes);
    ag_tape_free(t);
}
END_TEST

START_TEST(reading_checks_the_size_of_the_buffer) {
    ag_tape *t = tape_new();
    double numbers[3];
    ag_value x = ag_full(t, AG_F64, 1, &(int64_t){2}, 1), a = ag_scalar(t, 4);
    ag_mark m = ag_tape_mark(t);
    ck_assert_int_eq(ag_read_f64(a, numbers, 1), AG_OK);
    ck_assert_int_eq(ag_read_f64(x, numbers, 3), AG_ERROR_SHAPE);
    ag_tape_rewind(t, m);
    ck_assert_int_eq(ag_read_f64(a, numbers, 0), AG_ERROR_SHAPE);
    ag_tape_rewind(t, m);
    ck_assert(isnan(ag_item(x)));
    require_failure(t, AG_ERROR_SHAPE, WORDS("item", "#1 f64 (2)"));
    ag_tape_rewind(t, m);
    ag_tensor *wrong = ag_tensor_new(AG_F64, 2, (const int64_t[]){2, 1}, NULL),
              *single = ag_tensor_new(AG_F32, 1, &(int64_t){2}, NULL);
    ck_assert_int_eq(ag_read_tensor(x, wrong), AG_ERROR_SHAPE);
    ag_tape_rewind(t, m);
    ck_assert_int_eq(ag_read_tensor(x, single), AG_ERROR_DTYPE);
    ag_tape_rewind(t, m);
    ag_tensor *right = ag_tensor_new(AG_F64, 1, &(int64_t){2}, NULL),
              *scalar = ag_tensor_new(AG_F64, 0, NULL, NULL);
    ck_assert_int_eq(ag_read_tensor(x, right), AG_OK);
    ck_assert_double_eq(ag_tensor_get(right, 1), 1);
    ck_assert_int_eq(ag_read_tensor(a, scalar), AG_OK);
    ck_assert_double_eq(ag_tensor_get(scalar, 0), 4);
    ag_tape_free(t);
    ag_tensor_free(wrong);
    ag_tensor_free(single);
    ag_tensor_free(right);
    ag_tensor_free(scalar);
}
END_TEST

START_TEST(leaves_must_be_floating_and_shapes_possible) {
    ag_tape *t = tape_new();
    ag_tensor *index = ag_tensor_new(AG_I64, 1, &(int64_t){2}, NULL);
    ag_tensor_set_name(index, "targets");
    ag_mark m = ag_tape_mark(t);
    ck_assert(!ag_ok(ag_leaf(t, index)));
    require_failure(t, AG_ERROR_DTYPE, WORDS("targets", "i64"));
    ag_tape_rewind(t, m);
    ck_assert(ag_ok(ag_constant(t, index)));
    ck_assert(!ag_ok(ag_array_leaf(t, AG_BOOL, 0, NULL, (const double[]){1})));
    require_failure(t, AG_ERROR_DTYPE, NULL);
    ag_tape_rewind(t, m);
    ck_assert(!ag_ok(ag_full(t, AG_F64, 9, (const int64_t[9]){1, 1, 1, 1, 1, 1, 1, 1, 1}, 0)));
    require_failure(t, AG_ERROR_SHAPE, NULL);
    ag_tape_rewind(t, m);
    ck_assert(!ag_ok(ag_full(t, AG_F64, 1, &(int64_t){-1}, 0)));
    require_failure(t, AG_ERROR_SHAPE, NULL);
    ag_tape_rewind(t, m);
    ck_assert(!ag_ok(ag_full(t, AG_F64, 2, (const int64_t[]){INT64_MAX, 3}, 0)));
    require_failure(t, AG_ERROR_SHAPE, NULL);
    ag_tape_rewind(t, m);
    ck_assert_int_eq(ag_tape_status(t), AG_OK);
    ag_tape_free(t);
    ag_tensor_free(index);
}
END_TEST

Suite *modes_suite(void) {
    Suite *s = suite_create("modes");
    TCase *c = tcase_create("modes");
    suite_add_tcase(s, c);
    tcase_add_test(c, no_grad_nests_and_must_have_begun);
    tcase_add_test(c, max_records_is_a_limit_that_a_rewind_lifts);
    tcase_add_test(c, a_backward_without_room_for_its_scratch_fails_and_recovers);
    tcase_add_test(c, an_option_seeds_the_generator_and_rewind_leaves_it);
    tcase_add_test(c, statistics_count_what_is_held);
    tcase_add_test(c, reading_checks_the_size_of_the_buffer);
    tcase_add_test(c, leaves_must_be_floating_and_shapes_possible);
    tcase_add_test(c, a_rewind_ends_the_no_grad_that_began_after_the_mark);
    tcase_add_test(c, peak_bytes_remember_what_was_rewound);
    tcase_add_test(c, a_failed_value_is_a_failure_even_on_a_tape_that_has_none);
    return s;
}
