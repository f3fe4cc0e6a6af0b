/* ops_shape: views and what they share, joins, and positions - values, gradients and memory. */
#include "ops_support.h"

static uint32_t records(const ag_tape *t) { return ag_tape_statistics(t).records; }

/* ---- views ---------------------------------------------------------------------------------------------------- */

START_TEST(views_share_the_operands_numbers) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ramp(t, 3, SHAPE(2, 3, 4));
    const double *base = ag_data(x);
    ck_assert_ptr_eq(ag_data(ag_transpose(x, 0, 2)), base);
    ck_assert_ptr_eq(ag_data(ag_permute(x, AXES(2, 0, 1), 3)), base);
    ck_assert_ptr_eq(ag_data(ag_reshape(x, 2, SHAPE(6, 4))), base);
    ck_assert_ptr_eq(ag_data(ag_expand(x, 4, SHAPE(5, 2, 3, 4))), base);
    ck_assert_ptr_eq(ag_data(ag_unsqueeze(x, 1)), base);
    ck_assert_ptr_eq(ag_data(ag_detach(x)), base);
    ck_assert_ptr_eq(ag_data(ag_slice(x, 1, 1, 3, 1)), base + 4);
    ck_assert_ptr_eq(ag_data(ag_select(x, 2, -1)), base + 3);
    ag_tape_free(t);
}
END_TEST

START_TEST(transpose_and_permute_move_elements_where_they_belong) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ramp(t, 2, SHAPE(2, 3));
    EXPECT_SHAPE(ag_transpose(x, 0, 1), 3, 2);
    EXPECT(ag_transpose(x, 0, -1), 0, 3, 1, 4, 2, 5);
    ck_assert_double_eq(ag_item(ag_transpose(ag_scalar(t, 7), 0, -1)), 7); /* which counts as one axis */
    ag_value cube = ramp(t, 3, SHAPE(2, 3, 2)), turned = ag_permute(cube, AXES(1, -1, 0), 3);
    EXPECT_SHAPE(turned, 3, 2, 2);
    EXPECT(turned, 0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11);
    EXPECT(ag_permute(turned, AXES(2, 0, 1), 3), 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11);
    ag_tape_free(t);
}
END_TEST

START_TEST(reshape_works_out_the_open_dimension) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ramp(t, 2, SHAPE(3, 4));
    EXPECT_SHAPE(ag_reshape(x, 3, SHAPE(2, -1, 3)), 2, 2, 3);
    EXPECT_SHAPE(ag_reshape(x, 1, SHAPE(-1)), 12);
    EXPECT_SHAPE(ag_reshape(ag_slice(x, 0, 0, 0, 1), 2, SHAPE(-1, 4)), 0, 4);
    EXPECT_RANK_0(ag_reshape(ag_slice(ag_slice(x, 0, 1, 2, 1), 1, 2, 3, 1), 0, NULL));
    ag_tape_free(t);
}
END_TEST

START_TEST(reshape_copies_only_what_no_strides_describe) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ramp(t, 3, SHAPE(4, 3, 2));
    /* every other row: dimensions before and behind the gap can be split and merged on their own */
    ag_value rows = ag_slice(x, 0, 0, 4, 2);
    uint32_t before = records(t);
    ag_value view = ag_reshape(rows, 3, SHAPE(2, 2, 3));
    ck_assert_uint_eq(records(t), before + 1);
    ck_assert_ptr_eq(ag_data(view), ag_data(x));
    EXPECT(view, 0, 1, 2, 3, 4, 5, 12, 13, 14, 15, 16, 17);
    /* across the gap there is no view */
    before = records(t);
    ag_value copy = ag_reshape(rows, 1, SHAPE(12));
    ck_assert_uint_eq(records(t), before + 2);
    EXPECT(copy, 0, 1, 2, 3, 4, 5, 12, 13, 14, 15, 16, 17);
    EXPECT(ag_reshape(ag_transpose(ramp(t, 2, SHAPE(2, 3)), 0, 1), 2, SHAPE(2, 3)), 0, 3, 1, 4, 2, 5);
    /* what repeats, repeats in every shape */
    ag_value repeated = ag_expand(ag_scalar(t, 7), 2, SHAPE(2, 6));
    before = records(t);
    EXPECT_SHAPE(ag_reshape(repeated, 3, SHAPE(3, 1, 4)), 3, 1, 4);
    ck_assert_uint_eq(records(t), before + 1);
    ag_tape_free(t);
}
END_TEST

START_TEST(a_gradient_through_a_copying_reshape_comes_back_in_place) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ramp(t, 2, SHAPE(2, 3));
    ag_value y = ag_reshape(ag_transpose(x, 0, 1), 1, SHAPE(6));
    ag_value w = ag_array_constant(t, AG_F64, 1, SHAPE(6), LIST(1, 2, 3, 4, 5, 6));
    ck_assert_int_eq(ag_backward(ag_sum_all(ag_mul(y, w))), AG_OK);
    EXPECT_ADJOINT(x, 1, 3, 5, 2, 4, 6);
    ag_tape_free(t);
}
END_TEST

START_TEST(expand_repeats_and_its_gradient_adds_up) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ramp(t, 2, SHAPE(2, 1));
    ag_value y = ag_expand(x, 3, SHAPE(2, -1, 3));
    EXPECT_SHAPE(y, 2, 2, 3);
    EXPECT(y, 0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1);
    ag_value w = ramp(t, 3, SHAPE(2, 2, 3));
    ck_assert_int_eq(ag_backward(ag_sum_all(ag_mul(y, w))), AG_OK);
    EXPECT_ADJOINT(x, 0 + 1 + 2 + 6 + 7 + 8, 3 + 4 + 5 + 9 + 10 + 11);
    EXPECT_SHAPE(ag_expand(x, 2, SHAPE(2, 0)), 2, 0);
    ag_tape_free(t);
}
END_TEST

START_TEST(unsqueeze_and_squeeze_undo_each_other_at_every_axis) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ramp(t, 2, SHAPE(2, 3));
    for (int axis = -3; axis <= 2; axis++) {
        ag_value y = ag_unsqueeze(ag_transpose(x, 0, 1), axis);
        int at = axis < 0 ? axis + 3 : axis;
        ck_assert_int_eq(ag_meta_of(y)->rank, 3);
        ck_assert_int_eq(ag_meta_of(y)->dim[at], 1);
        EXPECT_SHAPE(ag_squeeze(y, axis), 3, 2);
        EXPECT(ag_squeeze(y, axis), 0, 3, 1, 4, 2, 5);
    }
    EXPECT_SHAPE(ag_unsqueeze(ag_scalar(t, 1), 0), 1);
    ag_tape_free(t);
}
END_TEST

START_TEST(a_view_of_a_scalar_of_the_strip_carries_its_gradient) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ag_scalar(t, 3);
    ag_value y = ag_sum_all(ag_square(ag_expand(ag_unsqueeze(x, 0), 2, SHAPE(2, 2))));
    ck_assert_double_eq(ag_item(y), 36);
    ck_assert_int_eq(ag_backward(y), AG_OK);
    ck_assert_double_eq(ag_item_grad(x), 24);
    ag_tape_free(t);
}
END_TEST

/* ---- slices --------------------------------------------------------------------------------------------------------- */

/* Python's slice, from its definition: positions i with start <= i < stop, after clamping, by step. */
START_TEST(slices_follow_pythons_rules_at_every_position) {
    enum { SIZE = 5 };
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ramp(t, 1, SHAPE(SIZE));
    ag_mark mark = ag_tape_mark(t);
    for (int start = -7; start <= 7; start++) {
        for (int stop = -7; stop <= 7; stop++) {
            for (int step = 1; step <= 3; step++) {
                double expected[SIZE];
                int n = 0, from = start < 0 ? start + SIZE : start, to = stop < 0 ? stop + SIZE : stop;
                for (int i = from < 0 ? 0 : from; i < to && i < SIZE; i += step) expected[n++] = i;
                ag_value y = ag_slice(x, 0, start, stop, step);
                expect_shape_at(__FILE__, __LINE__, y, 1, SHAPE(n));
                expect_values_at(__FILE__, __LINE__, y, n, expected);
            }
        }
        ck_assert_int_eq(ag_tape_rewind(t, mark), AG_OK);
    }
    EXPECT(ag_slice(x, 0, -2, INT64_MAX, INT64_MAX), 3);
    EXPECT_SHAPE(ag_slice(x, 0, INT64_MAX, INT64_MIN, 1), 0);
    ag_tape_free(t);
}
END_TEST

START_TEST(a_slices_gradient_is_zero_elsewhere) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ramp(t, 2, SHAPE(2, 5));
    ck_assert_int_eq(ag_backward(ag_sum_all(ag_square(ag_slice(x, 1, 1, 5, 2)))), AG_OK);
    EXPECT_ADJOINT(x, 0, 2, 0, 6, 0, 0, 12, 0, 16, 0);
    ag_zero_grad(t);
    ck_assert_int_eq(ag_backward(ag_sum_all(ag_square(ag_select(x, 0, -1)))), AG_OK);
    EXPECT_ADJOINT(x, 0, 0, 0, 0, 0, 10, 12, 14, 16, 18);
    ag_tape_free(t);
}
END_TEST

/* ---- joins ------------------------------------------------------------------------------------------------------------ */

START_TEST(stack_gathers_scalars_and_hands_each_its_gradient) {
    enum { N = 100 };
    ag_tape *t = ag_tape_new(NULL);
    ag_value x[N];
    double expected[N];
    for (int i = 0; i < N; i++) x[i] = ag_scalar(t, expected[i] = i);
    ag_value y = ag_stack(x, N, 0);
    expect_shape_at(__FILE__, __LINE__, y, 1, SHAPE(N));
    expect_values_at(__FILE__, __LINE__, y, N, expected);
    ck_assert_int_eq(ag_backward(ag_sum_all(ag_square(y))), AG_OK);
    for (int i = 0; i < N; i++) ck_assert_double_eq(ag_item_grad(x[i]), 2.0 * i);
    ag_tape_free(t);
}
END_TEST

START_TEST(stack_makes_a_new_axis_anywhere) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x[2] = {ramp(t, 2, SHAPE(2, 2)), ag_full(t, AG_F64, 2, SHAPE(2, 2), 9)};
    EXPECT_SHAPE(ag_stack(x, 2, 1), 2, 2, 2);
    EXPECT(ag_stack(x, 2, 0), 0, 1, 2, 3, 9, 9, 9, 9);
    EXPECT(ag_stack(x, 2, 1), 0, 1, 9, 9, 2, 3, 9, 9);
    EXPECT(ag_stack(x, 2, -1), 0, 9, 1, 9, 2, 9, 3, 9);
    ag_tape_free(t);
}
END_TEST

START_TEST(joins_promote_their_operands) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value whole = ag_array_constant(t, AG_I64, 1, SHAPE(2), LIST(1, 2));
    ag_value part = ag_array_constant(t, AG_F32, 1, SHAPE(2), LIST(0.5, 1.5));
    ag_value both[2] = {whole, part};
    ck_assert_int_eq(ag_meta_of(ag_cat(both, 2, 0))->dtype, AG_F32);
    EXPECT(ag_cat(both, 2, 0), 1, 2, 0.5, 1.5);
    EXPECT(ag_stack(both, 2, 1), 1, 0.5, 2, 1.5);
    ag_tape_free(t);
}
END_TEST

START_TEST(cat_puts_parts_of_any_length_behind_one_another) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x[3] = {ramp(t, 2, SHAPE(2, 2)), ag_full(t, AG_F64, 2, SHAPE(2, 0), 0), ramp(t, 2, SHAPE(2, 1))};
    ag_value y = ag_cat(x, 3, -1);
    EXPECT_SHAPE(y, 2, 3);
    EXPECT(y, 0, 1, 0, 2, 3, 1);
    ag_value w = ag_array_constant(t, AG_F64, 2, SHAPE(2, 3), LIST(1, 2, 3, 4, 5, 6));
    ck_assert_int_eq(ag_backward(ag_sum_all(ag_mul(y, w))), AG_OK);
    EXPECT_ADJOINT(x[0], 1, 2, 4, 5);
    EXPECT_ADJOINT(x[2], 3, 6);
    ag_tape_free(t);
}
END_TEST

START_TEST(a_value_may_be_joined_with_itself) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ramp(t, 1, SHAPE(2)), twice[2] = {x, x};
    ag_value w = ag_array_constant(t, AG_F64, 1, SHAPE(4), LIST(1, 2, 3, 4));
    ck_assert_int_eq(ag_backward(ag_sum_all(ag_mul(ag_cat(twice, 2, 0), w))), AG_OK);
    EXPECT_ADJOINT(x, 4, 6);
    ag_tape_free(t);
}
END_TEST

/* ---- positions ----------------------------------------------------------------------------------------------------------- */

START_TEST(index_select_takes_slices_in_any_order_and_adds_their_gradients) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ramp(t, 2, SHAPE(3, 2));
    ag_value index = ag_array_constant(t, AG_I64, 1, SHAPE(4), LIST(2, 0, 2, 2));
    ag_value y = ag_index_select(x, 0, index);
    EXPECT(y, 4, 5, 0, 1, 4, 5, 4, 5);
    ag_value w = ramp(t, 2, SHAPE(4, 2));
    ck_assert_int_eq(ag_backward(ag_sum_all(ag_mul(y, w))), AG_OK);
    EXPECT_ADJOINT(x, 2, 3, 0, 0, 0 + 4 + 6, 1 + 5 + 7);
    ag_tape_free(t);
}
END_TEST

START_TEST(index_scatter_is_the_transpose_of_index_select) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value index = ag_array_constant(t, AG_I64, 1, SHAPE(4), LIST(1, 0, 1, 2));
    ag_value x = random_leaf(t, AG_F64, 3, SHAPE(2, 3, 2), 1), y = random_leaf(t, AG_F64, 3, SHAPE(2, 4, 2), 2);
    double one = ag_item(ag_sum_all(ag_mul(ag_index_select(x, 1, index), y)));
    double other = ag_item(ag_sum_all(ag_mul(x, ag_index_scatter(y, 1, index, 3))));
    ck_assert_double_eq_tol(one, other, 1e-13);
    ag_tape_free(t);
}
END_TEST

Suite *ops_shape_suite(void) {
    Suite *s = suite_create("ops_shape");
    TCase *c = tcase_create("ops_shape");
    tcase_add_test(c, views_share_the_operands_numbers);
    tcase_add_test(c, transpose_and_permute_move_elements_where_they_belong);
    tcase_add_test(c, reshape_works_out_the_open_dimension);
    tcase_add_test(c, reshape_copies_only_what_no_strides_describe);
    tcase_add_test(c, a_gradient_through_a_copying_reshape_comes_back_in_place);
    tcase_add_test(c, expand_repeats_and_its_gradient_adds_up);
    tcase_add_test(c, unsqueeze_and_squeeze_undo_each_other_at_every_axis);
    tcase_add_test(c, a_view_of_a_scalar_of_the_strip_carries_its_gradient);
    tcase_add_test(c, slices_follow_pythons_rules_at_every_position);
    tcase_add_test(c, a_slices_gradient_is_zero_elsewhere);
    tcase_add_test(c, stack_gathers_scalars_and_hands_each_its_gradient);
    tcase_add_test(c, stack_makes_a_new_axis_anywhere);
    tcase_add_test(c, joins_promote_their_operands);
    tcase_add_test(c, cat_puts_parts_of_any_length_behind_one_another);
    tcase_add_test(c, a_value_may_be_joined_with_itself);
    tcase_add_test(c, index_select_takes_slices_in_any_order_and_adds_their_gradients);
    tcase_add_test(c, index_scatter_is_the_transpose_of_index_select);
    suite_add_tcase(s, c);
    return s;
}
