/* ops_arrange: positions in another order, number or arrangement - flatten, squeeze, flip, roll, tile,
 * repeat_interleave, pad, split. */
#include "ops_support.h"

START_TEST(flatten_merges_neighbours_of_any_layout) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ramp(t, 3, SHAPE(2, 3, 2));
    EXPECT_SHAPE(ag_flatten(x, 0, -1), 12);
    EXPECT_SHAPE(ag_flatten(x, 1, 2), 2, 6);
    EXPECT_SHAPE(ag_flatten(x, -2, 1), 2, 3, 2);
    EXPECT_SHAPE(ag_flatten(ag_scalar(t, 1), 0, -1), 1);
    EXPECT_SHAPE(ag_flatten(ramp(t, 3, SHAPE(2, 0, 3)), 0, 1), 0, 3);
    EXPECT(ag_flatten(ag_transpose(ramp(t, 2, SHAPE(2, 3)), 0, 1), 0, 1), 0, 3, 1, 4, 2, 5);
    ag_tape_free(t);
}
END_TEST

START_TEST(squeeze_takes_one_axis_or_all) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ramp(t, 4, SHAPE(1, 2, 1, 3)), y = ag_squeeze(ag_transpose(x, 1, 3), AG_ALL_AXES);
    EXPECT_SHAPE(ag_squeeze(x, -2), 1, 2, 3);
    EXPECT_SHAPE(y, 3, 2);
    EXPECT(y, 0, 3, 1, 4, 2, 5);
    EXPECT_RANK_0(ag_squeeze(ag_full(t, AG_F64, 2, SHAPE(1, 1), 1), AG_ALL_AXES));
    EXPECT_RANK_0(ag_squeeze(ag_scalar(t, 1), AG_ALL_AXES));
    EXPECT_RANK_0(ag_squeeze(ag_scalar(t, 1), -1)); /* a scalar counts as one axis of size 1 */
    ag_tape_free(t);
}
END_TEST

START_TEST(flip_is_a_view_that_every_operation_can_read) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ramp(t, 2, SHAPE(2, 3)), y = ag_flip(x, AXES(0, -1), 2), z = ag_flip(x, AXES(1), 1);
    EXPECT(y, 5, 4, 3, 2, 1, 0);
    EXPECT(ag_flip(x, NULL, 0), 0, 1, 2, 3, 4, 5);
    EXPECT(ag_flip(y, AXES(0), 1), 2, 1, 0, 5, 4, 3);
    EXPECT(ag_slice(y, 1, 0, 3, 2), 5, 3, 2, 0);
    EXPECT(ag_flatten(z, 0, 1), 2, 1, 0, 5, 4, 3);
    EXPECT(ag_reshape(y, 2, SHAPE(3, 2)), 5, 4, 3, 2, 1, 0);
    EXPECT(ag_sum(z, AXES(0), 1, false), 7, 5, 3);
    EXPECT(ag_amax(z, AXES(1), 1, false), 2, 5);
    EXPECT(ag_matmul(z, ag_transpose(y, 0, 1)), 14, 5, 50, 14);
    ag_tape_free(t);
}
END_TEST

START_TEST(a_flipped_adjoint_comes_back_in_place) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ramp(t, 1, SHAPE(4)), weight = ag_array_constant(t, AG_F64, 1, SHAPE(4), LIST(1, 2, 3, 4));
    ck_assert_int_eq(ag_backward(ag_sum_all(ag_mul(ag_flip(x, AXES(0), 1), weight))), AG_OK);
    EXPECT_ADJOINT(x, 4, 3, 2, 1);
    ag_tape_free(t);
}
END_TEST

START_TEST(roll_turns_round_by_any_shift) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ramp(t, 2, SHAPE(2, 3));
    EXPECT(ag_roll(x, SHAPE(1), AXES(1), 1), 2, 0, 1, 5, 3, 4);
    EXPECT(ag_roll(x, SHAPE(-4), AXES(-1), 1), 1, 2, 0, 4, 5, 3);
    EXPECT(ag_roll(x, SHAPE(1, 1), AXES(0, 1), 2), 5, 3, 4, 2, 0, 1);
    EXPECT(ag_roll(x, SHAPE(1, 2), AXES(1, 1), 2), 0, 1, 2, 3, 4, 5);
    EXPECT(ag_roll(x, SHAPE(4), NULL, 0), 2, 3, 4, 5, 0, 1);
    EXPECT(ag_roll(ag_transpose(x, 0, 1), SHAPE(1), NULL, 0), 5, 0, 3, 1, 4, 2);
    EXPECT(ag_roll(x, SHAPE(INT64_MIN), AXES(1), 1), 2, 0, 1, 5, 3, 4); /* -2^63 mod 3 = 1 */
    EXPECT(ag_roll(x, SHAPE(INT64_MAX, INT64_MAX), AXES(1, 1), 2), 1, 2, 0, 4, 5, 3);
    EXPECT(ag_roll(ag_scalar(t, 7), SHAPE(3), NULL, 0), 7);
    EXPECT_SHAPE(ag_roll(ramp(t, 2, SHAPE(0, 2)), SHAPE(1), AXES(0), 1), 0, 2);
    ag_value y = ag_roll(x, SHAPE(INT64_MIN), AXES(1), 1);
    ck_assert_int_eq(ag_backward(ag_sum_all(ag_mul(y, x))), AG_OK); /* both ways: y and its inverse */
    EXPECT_ADJOINT(x, 3, 2, 1, 9, 8, 7);
    ag_tape_free(t);
}
END_TEST

START_TEST(tile_repeats_whole_arrays_of_any_rank) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ramp(t, 2, SHAPE(1, 2));
    EXPECT(ag_tile(x, SHAPE(2, 2), 2), 0, 1, 0, 1, 0, 1, 0, 1);
    EXPECT(ag_tile(x, SHAPE(2), 1), 0, 1, 0, 1);
    EXPECT_SHAPE(ag_tile(x, SHAPE(3, 1, 2), 3), 3, 1, 4);
    EXPECT_SHAPE(ag_tile(x, NULL, 0), 1, 2);
    EXPECT_SHAPE(ag_tile(x, SHAPE(0, 3), 2), 0, 6);
    EXPECT(ag_tile(ag_scalar(t, 3), SHAPE(2), 1), 3, 3);
    EXPECT_SHAPE(ag_tile(ramp(t, 8, SHAPE(1, 1, 1, 1, 1, 1, 1, 2)), SHAPE(2, 2, 1, 1, 1, 1, 2, 2), 8), 2, 2, 1, 1,
                 1, 1, 2, 4);
    ck_assert_int_eq(ag_backward(ag_sum_all(ag_tile(x, SHAPE(2, 3), 2))), AG_OK);
    EXPECT_ADJOINT(x, 6, 6);
    ag_tape_free(t);
}
END_TEST

START_TEST(repeat_interleave_repeats_in_place) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ramp(t, 2, SHAPE(2, 2));
    EXPECT(ag_repeat_interleave(x, 2, 1), 0, 0, 1, 1, 2, 2, 3, 3);
    EXPECT(ag_repeat_interleave(x, 2, 0), 0, 1, 0, 1, 2, 3, 2, 3);
    EXPECT(ag_repeat_interleave(ag_transpose(x, 0, 1), 2, AG_ALL_AXES), 0, 0, 2, 2, 1, 1, 3, 3);
    EXPECT_SHAPE(ag_repeat_interleave(x, 0, 1), 2, 0);
    EXPECT(ag_repeat_interleave(ag_scalar(t, 3), 2, AG_ALL_AXES), 3, 3);
    ag_tape_free(t);
}
END_TEST

START_TEST(pad_adds_margins_and_cuts_with_negative_ones) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ramp(t, 2, SHAPE(2, 2));
    EXPECT(ag_pad(x, SHAPE(1, 0), 2, 9), 9, 0, 1, 9, 2, 3);
    EXPECT(ag_pad(x, SHAPE(0, 0, 0, 1), 4, 9), 0, 1, 2, 3, 9, 9);
    EXPECT(ag_pad(x, SHAPE(-1, 1), 2, 9), 1, 9, 3, 9);
    EXPECT(ag_pad(x, SHAPE(-3, 2), 2, 9), 9, 9);
    EXPECT(ag_pad(x, SHAPE(3, -4), 2, 9), 9, 9);
    EXPECT(ag_pad(ag_transpose(x, 0, 1), SHAPE(0, 1), 2, NAN), 0, 2, NAN, 1, 3, NAN);
    EXPECT_SHAPE(ag_pad(x, SHAPE(-1, -1), 2, 9), 2, 0);
    EXPECT(ag_pad(ag_full(t, AG_I64, 1, SHAPE(1), 4), SHAPE(1, 1), 2, 7), 7, 4, 7);
    ck_assert_int_eq(ag_backward(ag_sum_all(ag_square(ag_pad(x, SHAPE(-1, 2, 1, 1), 4, 5)))), AG_OK);
    EXPECT_ADJOINT(x, 0, 2, 0, 6);
    ag_tape_free(t);
}
END_TEST

START_TEST(pad_takes_margins_for_every_axis) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ramp(t, 6, SHAPE(2, 3, 1, 1, 1, 2));
    const int64_t *margins = SHAPE(0, -1, 0, 0, 0, 1, 0, 0, -1, 0, 0, 1);
    EXPECT_SHAPE(ag_pad(x, margins, 12, 9), 3, 2, 1, 2, 1, 1);
    EXPECT(ag_pad(x, margins, 12, 9), 2, 9, 4, 9, 8, 9, 10, 9, 9, 9, 9, 9);
    EXPECT_SHAPE(ag_pad(x, margins, 10, 9), 2, 2, 1, 2, 1, 1);
    ck_assert_int_eq(ag_backward(ag_sum_all(ag_square(ag_pad(x, margins, 12, 9)))), AG_OK);
    EXPECT_ADJOINT(x, 0, 0, 4, 0, 8, 0, 0, 0, 16, 0, 20, 0);
    ck_assert(!ag_ok(ag_pad(x, margins, 9, 0)) && ag_tape_status(t) == AG_ERROR_VALUE);
    ag_tape_free(t);
}
END_TEST

START_TEST(split_cuts_into_views_that_add_up) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ramp(t, 2, SHAPE(2, 5)), part[4];
    ck_assert_int_eq(ag_split(x, 2, 1, part, 4), 3);
    EXPECT(part[0], 0, 1, 5, 6);
    EXPECT(part[2], 4, 9);
    EXPECT(ag_cat(part, 3, 1), 0, 1, 2, 3, 4, 5, 6, 7, 8, 9);
    ck_assert_int_eq(ag_split(x, INT64_MAX, -1, part, 1), 1);
    EXPECT_SHAPE(part[0], 2, 5);
    ck_assert_int_eq(ag_split_sizes(x, SHAPE(1, 0, 4), 3, 1, part), 3);
    EXPECT(part[0], 0, 5);
    EXPECT_SHAPE(part[1], 2, 0);
    EXPECT(part[2], 1, 2, 3, 4, 6, 7, 8, 9);
    ck_assert_int_eq(ag_split(ramp(t, 1, SHAPE(0)), 3, 0, part, 4), 1);
    EXPECT_SHAPE(part[0], 0);
    ck_assert_int_eq(ag_backward(ag_sum_all(ag_square(part[0]))), AG_OK);
    ag_tape_free(t);
}
END_TEST

START_TEST(chunk_cuts_into_at_most_so_many) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ramp(t, 1, SHAPE(7)), part[4];
    ck_assert_int_eq(ag_chunk(x, 4, 0, part, 4), 4);
    EXPECT(part[3], 6);
    ck_assert_int_eq(ag_chunk(ramp(t, 1, SHAPE(2)), INT64_MAX, 0, part, 4), 2);
    ck_assert_int_eq(ag_chunk(ramp(t, 1, SHAPE(0)), 3, 0, part, 4), 3);
    EXPECT_SHAPE(part[2], 0);
    ag_tape_free(t);
}
END_TEST

Suite *ops_arrange_suite(void) {
    Suite *s = suite_create("ops_arrange");
    TCase *c = tcase_create("ops_arrange");
    tcase_add_test(c, flatten_merges_neighbours_of_any_layout);
    tcase_add_test(c, squeeze_takes_one_axis_or_all);
    tcase_add_test(c, flip_is_a_view_that_every_operation_can_read);
    tcase_add_test(c, a_flipped_adjoint_comes_back_in_place);
    tcase_add_test(c, roll_turns_round_by_any_shift);
    tcase_add_test(c, tile_repeats_whole_arrays_of_any_rank);
    tcase_add_test(c, repeat_interleave_repeats_in_place);
    tcase_add_test(c, pad_adds_margins_and_cuts_with_negative_ones);
    tcase_add_test(c, pad_takes_margins_for_every_axis);
    tcase_add_test(c, split_cuts_into_views_that_add_up);
    tcase_add_test(c, chunk_cuts_into_at_most_so_many);
    suite_add_tcase(s, c);
    return s;
}
