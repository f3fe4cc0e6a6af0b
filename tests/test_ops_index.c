/* ops_index: elements by positions, by masks and by diagonals. */
#include "ops_support.h"

/* ---- gather, scatter_add, index_add ---------------------------------------------------------------------------- */

START_TEST(gather_takes_an_element_for_every_position) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ramp(t, 2, SHAPE(3, 4));
    ag_value index = ag_array_constant(t, AG_I64, 2, SHAPE(2, 3), LIST(2, 0, 1, 0, 0, 2));
    EXPECT(ag_gather(x, 0, index), 8, 1, 6, 0, 1, 10);
    EXPECT(ag_gather(x, -1, index), 2, 0, 1, 4, 4, 6);
    EXPECT(ag_gather(ag_transpose(x, 0, 1), 0, index), 2, 4, 9, 0, 4, 10);
    EXPECT(ag_gather(x, 0, ag_flip(index, AXES(1), 1)), 4, 1, 10, 8, 1, 2);
    EXPECT_SHAPE(ag_gather(x, 0, ag_full(t, AG_I64, 2, SHAPE(0, 9), 0)), 0, 9);
    ag_tape_free(t);
}
END_TEST

START_TEST(gather_works_in_every_dtype) {
    const ag_dtype dtypes[] = {AG_BOOL, AG_I64, AG_F32, AG_F64};
    ag_tape *t = ag_tape_new(NULL);
    ag_value index = ag_array_constant(t, AG_I64, 1, SHAPE(3), LIST(2, 0, 2));
    for (int k = 0; k < 4; k++) {
        ag_value x = ag_array_constant(t, dtypes[k], 1, SHAPE(3), LIST(1, 0, 0)), y = ag_gather(x, 0, index);
        ck_assert_int_eq(ag_meta_of(y)->dtype, dtypes[k]);
        EXPECT(y, 0, 1, 0);
    }
    ag_tape_free(t);
}
END_TEST

START_TEST(gather_sends_the_adjoint_back_to_every_place_it_was_read) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ramp(t, 2, SHAPE(2, 3));
    ag_value index = ag_array_constant(t, AG_I64, 2, SHAPE(2, 2), LIST(2, 2, 0, 1));
    ag_value weight = ag_array_constant(t, AG_F64, 2, SHAPE(2, 2), LIST(1, 10, 100, 1000));
    ck_assert_int_eq(ag_backward(ag_sum_all(ag_mul(ag_gather(x, 1, index), weight))), AG_OK);
    EXPECT_ADJOINT(x, 0, 0, 11, 100, 1000, 0);
    ag_tape_free(t);
}
END_TEST

START_TEST(scatter_add_adds_what_the_index_reaches) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ramp(t, 2, SHAPE(2, 3));
    ag_value src = ag_array_leaf(t, AG_F32, 2, SHAPE(2, 3), LIST(10, 20, 30, 40, 50, 60));
    ag_value index = ag_array_constant(t, AG_I64, 2, SHAPE(1, 2), LIST(1, 1));
    ag_value y = ag_scatter_add(x, 1, index, src);
    ck_assert_int_eq(ag_meta_of(y)->dtype, AG_F64);
    EXPECT(y, 0, 31, 2, 3, 4, 5);
    ck_assert_int_eq(ag_backward(ag_sum_all(ag_mul(y, x))), AG_OK);
    EXPECT_ADJOINT(src, 1, 1, 0, 0, 0, 0);
    EXPECT(ag_scatter_add(ag_full(t, AG_I64, 1, SHAPE(2), 1), 0, ag_full(t, AG_I64, 1, SHAPE(3), 1),
                          ag_full(t, AG_I64, 1, SHAPE(3), 5)),
           1, 16);
    EXPECT(ag_scatter_add(x, 0, ag_full(t, AG_I64, 2, SHAPE(0, 9), 0), src), 0, 1, 2, 3, 4, 5);
    ag_tape_free(t);
}
END_TEST

START_TEST(elements_that_meet_are_added_in_row_major_order) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ag_full(t, AG_F32, 1, SHAPE(1), 0), index = ag_full(t, AG_I64, 1, SHAPE(3), 0);
    ag_value src = ag_array_constant(t, AG_F32, 1, SHAPE(3), LIST(1e8, 1, -1e8));
    EXPECT(ag_scatter_add(x, 0, index, src), 0); /* 1e8 swallows the 1 */
    EXPECT(ag_scatter_add(x, 0, index, ag_roll(src, SHAPE(1), NULL, 0)), 1);
    EXPECT(ag_scatter_add(x, 0, index, ag_roll(src, SHAPE(2), NULL, 0)), 0);
    EXPECT(ag_index_add(x, 0, index, ag_array_constant(t, AG_F32, 1, SHAPE(3), LIST(1e8, -1e8, 1))), 1);
    ag_tape_free(t);
}
END_TEST

START_TEST(index_add_adds_slices_and_passes_both_adjoints) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ramp(t, 2, SHAPE(2, 3)), source = ag_array_leaf(t, AG_F64, 2, SHAPE(2, 2), LIST(10, 20, 30, 40));
    ag_value index = ag_array_constant(t, AG_I64, 1, SHAPE(2), LIST(2, 2));
    ag_value y = ag_index_add(x, 1, index, source);
    EXPECT(y, 0, 1, 32, 3, 4, 75);
    ck_assert_int_eq(ag_backward(ag_sum_all(ag_square(y))), AG_OK);
    EXPECT_ADJOINT(x, 0, 2, 64, 6, 8, 150);
    EXPECT_ADJOINT(source, 64, 64, 150, 150);
    ag_tape_free(t);
}
END_TEST

/* ---- masks ------------------------------------------------------------------------------------------------------- */

START_TEST(what_a_mask_fills_gets_exactly_no_gradient) {
    for (int k = 0; k < 2; k++) {
        ag_tape *t = ag_tape_new(NULL);
        ag_value x = ag_array_leaf(t, k ? AG_F64 : AG_F32, 2, SHAPE(2, 2), LIST(NAN, 1, INFINITY, 2));
        ag_value mask = ag_array_constant(t, AG_BOOL, 1, SHAPE(2), LIST(1, 0));
        ag_value y = ag_masked_fill(x, mask, -2.5);
        EXPECT(y, -2.5, 1, -2.5, 2);
        ck_assert_int_eq(ag_backward(ag_sum_all(ag_square(y))), AG_OK);
        EXPECT_ADJOINT(x, 0, 2, 0, 4);
        ag_tape_free(t);
    }
}
END_TEST

START_TEST(masked_fill_keeps_the_dtype_and_broadcasts_both_ways) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value mask = ag_array_constant(t, AG_BOOL, 2, SHAPE(2, 1), LIST(1, 0));
    ag_value whole = ag_masked_fill(ag_array_constant(t, AG_I64, 1, SHAPE(2), LIST(3, 4)), mask, 7);
    ck_assert_int_eq(ag_meta_of(whole)->dtype, AG_I64);
    EXPECT(whole, 7, 7, 3, 4);
    EXPECT(ag_masked_fill(ag_full(t, AG_BOOL, 1, SHAPE(1), 0), mask, 1), 1, 0);
    EXPECT(ag_masked_fill(ag_scalar(t, 2), ag_full(t, AG_BOOL, 0, NULL, 1), INFINITY), INFINITY);
    ag_tape_free(t);
}
END_TEST

START_TEST(triangles_hide_what_they_leave_out) {
    for (int k = 0; k < 2; k++) {
        ag_tape *t = ag_tape_new(NULL);
        ag_value x = ag_array_leaf(t, k ? AG_F64 : AG_F32, 2, SHAPE(2, 3), LIST(1, NAN, INFINITY, 4, 5, NAN));
        ag_value y = ag_tril(x, 0);
        EXPECT(y, 1, 0, 0, 4, 5, 0);
        ck_assert_int_eq(ag_backward(ag_sum_all(ag_square(y))), AG_OK);
        EXPECT_ADJOINT(x, 2, 0, 0, 8, 10, 0);
        ag_tape_free(t);
    }
}
END_TEST

START_TEST(triangles_follow_their_diagonal_as_far_as_it_goes) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ag_add_number(ramp(t, 2, SHAPE(2, 3)), 1), turned = ag_transpose(x, 0, 1);
    EXPECT(ag_tril(x, 1), 1, 2, 0, 4, 5, 6);
    EXPECT(ag_tril(x, -1), 0, 0, 0, 4, 0, 0);
    EXPECT(ag_tril(x, INT64_MIN), 0, 0, 0, 0, 0, 0);
    EXPECT(ag_tril(x, INT64_MAX), 1, 2, 3, 4, 5, 6);
    EXPECT(ag_triu(x, 0), 1, 2, 3, 0, 5, 6);
    EXPECT(ag_triu(x, 2), 0, 0, 3, 0, 0, 0);
    EXPECT(ag_triu(x, INT64_MIN), 1, 2, 3, 4, 5, 6);
    EXPECT(ag_triu(x, INT64_MAX), 0, 0, 0, 0, 0, 0);
    EXPECT(ag_triu(turned, 0), 1, 4, 0, 5, 0, 0);
    EXPECT(ag_tril(ramp(t, 3, SHAPE(2, 2, 2)), 0), 0, 0, 2, 3, 4, 0, 6, 7);
    EXPECT_SHAPE(ag_tril(ramp(t, 3, SHAPE(2, 3, 0)), 0), 2, 3, 0);
    ag_tape_free(t);
}
END_TEST

/* ---- diagonals --------------------------------------------------------------------------------------------------- */

START_TEST(diagonal_is_a_view_of_any_offset_and_axes) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ramp(t, 2, SHAPE(2, 3)), cube = ramp(t, 3, SHAPE(2, 2, 2));
    EXPECT(ag_diagonal(x, 0, 0, 1), 0, 4);
    EXPECT(ag_diagonal(x, 1, 0, 1), 1, 5);
    EXPECT(ag_diagonal(x, -1, 0, 1), 3);
    EXPECT(ag_diagonal(x, 1, 1, 0), 3);
    EXPECT(ag_diagonal(cube, 0, 0, -1), 0, 5, 2, 7);
    EXPECT_SHAPE(ag_diagonal(x, 3, 0, 1), 0);
    EXPECT_SHAPE(ag_diagonal(x, INT64_MIN, 0, 1), 0);
    EXPECT_SHAPE(ag_diagonal(x, INT64_MAX, 0, 1), 0);
    ck_assert_int_eq(ag_backward(ag_sum_all(ag_square(ag_diagonal(x, 1, 0, 1)))), AG_OK);
    EXPECT_ADJOINT(x, 0, 2, 0, 0, 0, 10);
    ag_tape_free(t);
}
END_TEST

START_TEST(diag_embed_undoes_diagonal) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ag_add_number(ramp(t, 1, SHAPE(2)), 1);
    EXPECT(ag_diag_embed(x, 0, -2, -1), 1, 0, 0, 2);
    EXPECT(ag_diag_embed(x, 1, -2, -1), 0, 1, 0, 0, 0, 2, 0, 0, 0);
    EXPECT(ag_diag_embed(x, 1, 1, 0), 0, 0, 0, 1, 0, 0, 0, 2, 0);
    EXPECT(ag_diag_embed(ramp(t, 2, SHAPE(2, 1)), 0, 0, 2), 0, 1);
    ag_value batch = random_leaf(t, AG_F64, 3, SHAPE(2, 3, 4), 9);
    for (int64_t offset = -2; offset <= 2; offset++) {
        ag_value back = ag_diagonal(ag_diag_embed(batch, offset, 3, 1), offset, 3, 1);
        EXPECT_SHAPE(back, 2, 3, 4);
        ck_assert_double_eq(ag_item(ag_sum_all(ag_abs(ag_sub(back, batch)))), 0);
    }
    ag_tape_free(t);
}
END_TEST

Suite *ops_index_suite(void) {
    Suite *s = suite_create("ops_index");
    TCase *c = tcase_create("ops_index");
    tcase_add_test(c, gather_takes_an_element_for_every_position);
    tcase_add_test(c, gather_works_in_every_dtype);
    tcase_add_test(c, gather_sends_the_adjoint_back_to_every_place_it_was_read);
    tcase_add_test(c, scatter_add_adds_what_the_index_reaches);
    tcase_add_test(c, elements_that_meet_are_added_in_row_major_order);
    tcase_add_test(c, index_add_adds_slices_and_passes_both_adjoints);
    tcase_add_test(c, what_a_mask_fills_gets_exactly_no_gradient);
    tcase_add_test(c, masked_fill_keeps_the_dtype_and_broadcasts_both_ways);
    tcase_add_test(c, triangles_hide_what_they_leave_out);
    tcase_add_test(c, triangles_follow_their_diagonal_as_far_as_it_goes);
    tcase_add_test(c, diagonal_is_a_view_of_any_offset_and_axes);
    tcase_add_test(c, diag_embed_undoes_diagonal);
    suite_add_tcase(s, c);
    return s;
}
