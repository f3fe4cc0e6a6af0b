/* ops_sums: sums of squares and of many operands, against the operations they replace. */
#include "ops_support.h"

START_TEST(sum_squares_is_a_sum_of_squares_over_any_axes) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ramp(t, 2, SHAPE(2, 3));
    EXPECT(ag_sum_squares(x, NULL, 0, false), 55);
    EXPECT(ag_sum_squares(x, AXES(0), 1, false), 9, 17, 29);
    EXPECT(ag_sum_squares(ag_transpose(x, 0, 1), AXES(-1), 1, false), 9, 17, 29);
    EXPECT(ag_sum_squares(x, AXES(1), 1, true), 5, 50);
    EXPECT_SHAPE(ag_sum_squares(x, AXES(1), 1, true), 2, 1);
    EXPECT(ag_sum_squares(ag_full(t, AG_F64, 2, SHAPE(0, 2), 0), AXES(0), 1, false), 0, 0);
    EXPECT(ag_sum_squares(ag_expand(ag_slice(x, 1, 1, 2, 1), 2, SHAPE(2, 4)), NULL, 0, false), 4 + 64);
    ck_assert_int_eq(ag_backward(ag_sum_squares(x, NULL, 0, false)), AG_OK);
    EXPECT_ADJOINT(x, 0, 2, 4, 6, 8, 10);
    ag_tape_free(t);
}
END_TEST

START_TEST(a_sum_of_squares_is_one_record) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ramp(t, 1, SHAPE(4));
    const uint32_t before = ag_tape_statistics(t).records;
    ag_sum_squares(x, NULL, 0, false);
    ag_add_n((const ag_value[]){x, x, x, x}, 4);
    ck_assert_uint_eq(ag_tape_statistics(t).records, before + 2);
    ag_tape_free(t);
}
END_TEST

START_TEST(add_n_adds_broadcasts_and_promotes) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ramp(t, 2, SHAPE(2, 2)), y = ag_transpose(x, 0, 1), row = ramp(t, 1, SHAPE(2)),
             c = ag_scalar(t, 10);
    ag_value list[20];
    EXPECT(ag_add_n((const ag_value[]){x, y, row, c}, 4), 10, 14, 13, 17);
    EXPECT(ag_add_n(&x, 1), 0, 1, 2, 3);
    for (int i = 0; i < 20; i++) list[i] = x;
    EXPECT(ag_add_n(list, 20), 0, 20, 40, 60);
    const ag_value i = ag_array_constant(t, AG_I64, 1, SHAPE(2), LIST(1, 2)),
                   b = ag_full(t, AG_BOOL, 1, SHAPE(2), 1);
    ck_assert_int_eq(ag_meta_of(ag_add_n((const ag_value[]){b, b}, 2))->dtype, AG_I64);
    EXPECT(ag_add_n((const ag_value[]){b, b, b}, 3), 3, 3);
    ck_assert_int_eq(ag_meta_of(ag_add_n((const ag_value[]){i, b, ag_cast(i, AG_F32)}, 3))->dtype, AG_F32);
    ck_assert_int_eq(ag_backward(ag_sum_all(ag_add_n((const ag_value[]){x, row, c, x}, 4))), AG_OK);
    EXPECT_ADJOINT(x, 2, 2, 2, 2);
    EXPECT_ADJOINT(row, 2, 2);
    ck_assert_double_eq(ag_item_grad(c), 4);
    ag_tape_free(t);
}
END_TEST

START_TEST(mistakes_name_the_operation_and_the_shapes) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ramp(t, 2, SHAPE(2, 3)), y = ramp(t, 1, SHAPE(2)), i = ag_full(t, AG_I64, 1, SHAPE(2), 1);
    EXPECT_ERROR(t, ag_sum_squares(x, AXES(2), 1, false), AG_ERROR_AXIS, "sum_squares", "axis 2", "(2, 3)");
    EXPECT_ERROR(t, ag_sum_squares(x, AXES(0, -2), 2, false), AG_ERROR_AXIS, "sum_squares", "twice", "(2, 3)");
    EXPECT_ERROR(t, ag_sum_squares(x, AXES(0), 9, false), AG_ERROR_AXIS, "sum_squares", "9");
    EXPECT_ERROR(t, ag_sum_squares(i, NULL, 0, false), AG_ERROR_DTYPE, "sum_squares", "i64");
    EXPECT_ERROR(t, ag_add_n((const ag_value[]){x, y}, 2), AG_ERROR_SHAPE, "add_n", "(2, 3)", "(2)");
    EXPECT_ERROR(t, ag_add_n(&x, 0), AG_ERROR_VALUE, "add_n", "0");
    ck_assert(!ag_ok(ag_add_n(NULL, 3)));
    ag_tape_free(t);
}
END_TEST

Suite *ops_sums_suite(void) {
    Suite *s = suite_create("ops_sums");
    TCase *c = tcase_create("ops_sums");
    tcase_add_test(c, sum_squares_is_a_sum_of_squares_over_any_axes);
    tcase_add_test(c, a_sum_of_squares_is_one_record);
    tcase_add_test(c, add_n_adds_broadcasts_and_promotes);
    tcase_add_test(c, mistakes_name_the_operation_and_the_shapes);
    suite_add_tcase(s, c);
    return s;
}
