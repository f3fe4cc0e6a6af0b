/* ops_select: comparisons, selection by a mask, conversion, dropout and detach. */
#include "ops_support.h"

/* ---- comparisons and where ------------------------------------------------------------------------------------- */

START_TEST(comparisons_give_bools_and_nan_compares_with_nothing) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ag_array_leaf(t, AG_F64, 1, SHAPE(4), LIST(1, 2, 3, NAN)), two = ag_number(x, 2);
    ck_assert_int_eq(ag_meta_of(ag_lt(x, two))->dtype, AG_BOOL);
    EXPECT(ag_eq(x, two), 0, 1, 0, 0);
    EXPECT(ag_ne(x, two), 1, 0, 1, 1);
    EXPECT(ag_lt(x, two), 1, 0, 0, 0);
    EXPECT(ag_le(x, two), 1, 1, 0, 0);
    EXPECT(ag_gt(x, two), 0, 0, 1, 0);
    EXPECT(ag_ge(x, two), 0, 1, 1, 0);
    EXPECT(ag_logical_and(ag_gt(x, two), ag_eq(x, x)), 0, 0, 1, 0);
    EXPECT(ag_eq(ag_scalar(t, 1), ag_scalar(t, 1)), 1);
    ag_tape_free(t);
}
END_TEST

START_TEST(comparisons_promote_and_broadcast) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value whole = ag_array_constant(t, AG_I64, 2, SHAPE(2, 1), LIST(1, 2));
    ag_value part = ag_array_constant(t, AG_F32, 1, SHAPE(2), LIST(1, 1.5));
    EXPECT_SHAPE(ag_lt(part, whole), 2, 2);
    EXPECT(ag_lt(part, whole), 0, 0, 1, 1);
    ag_tape_free(t);
}
END_TEST

START_TEST(the_branch_not_taken_gets_exactly_zero) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ag_array_leaf(t, AG_F64, 1, SHAPE(4), LIST(0, 4, NAN, INFINITY));
    ag_value y = ag_array_leaf(t, AG_F64, 1, SHAPE(4), LIST(INFINITY, NAN, 1, 2));
    ag_value condition = ag_array_constant(t, AG_BOOL, 1, SHAPE(4), LIST(1, 1, 0, 0));
    ag_value z = ag_where(condition, x, y);
    EXPECT(z, 0, 4, 1, 2);
    ck_assert_int_eq(ag_backward(ag_sum_all(ag_mul_number(z, 3))), AG_OK);
    EXPECT_ADJOINT(x, 3, 3, 0, 0);
    EXPECT_ADJOINT(y, 0, 0, 3, 3);
    ag_tape_free(t);
}
END_TEST

START_TEST(where_broadcasts_promotes_and_takes_scalars) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value c = ag_gt(ramp(t, 2, SHAPE(2, 1)), ag_scalar(t, 0));
    ag_value x = ag_array_leaf(t, AG_F32, 1, SHAPE(2), LIST(1, 2)), s = ag_scalar(t, 9);
    ag_value z = ag_where(c, x, s);
    ck_assert_int_eq(ag_meta_of(z)->dtype, AG_F32);
    EXPECT(z, 9, 9, 1, 2);
    ck_assert_int_eq(ag_backward(ag_sum_all(z)), AG_OK);
    EXPECT_ADJOINT(x, 1, 1);
    ck_assert_double_eq(ag_item_grad(s), 2);
    ck_assert_double_eq(ag_item(ag_where(ag_lt(s, ag_scalar(t, 10)), s, ag_scalar(t, 1))), 9);
    ag_tape_free(t);
}
END_TEST

/* ---- cast ------------------------------------------------------------------------------------------------------------ */

START_TEST(cast_truncates_into_integers_and_passes_gradients_between_floats) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ag_array_leaf(t, AG_F64, 1, SHAPE(4), LIST(-1.5, 0, 0.25, 2.75));
    EXPECT(ag_cast(x, AG_I64), -1, 0, 0, 2);
    EXPECT(ag_cast(x, AG_BOOL), 1, 0, 1, 1);
    ag_value y = ag_cast(ag_array_leaf(t, AG_F64, 0, NULL, LIST(0.1)), AG_F32);
    ck_assert_double_eq(ag_item(y), (double)0.1f);
    ck_assert_int_eq(ag_backward(ag_sum_all(ag_square(ag_cast(x, AG_F32)))), AG_OK);
    EXPECT_ADJOINT(x, -3, 0, 0.5, 5.5);
    ag_zero_grad(t);
    ck_assert_int_eq(ag_backward(ag_sum_all(ag_cast(ag_cast(x, AG_I64), AG_F64))), AG_OK);
    EXPECT_ADJOINT(x, 0, 0, 0, 0);
    ag_tape_free(t);
}
END_TEST

START_TEST(a_cast_to_the_same_dtype_is_the_value_itself) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ramp(t, 1, SHAPE(3)), s = ag_scalar(t, 1);
    ck_assert_uint_eq(ag_cast(x, AG_F64).id, x.id);
    ck_assert_uint_eq(ag_cast(s, AG_F64).id, s.id);
    ag_tape_free(t);
}
END_TEST

/* ---- dropout ------------------------------------------------------------------------------------------------------------ */

enum { N = 1000 };

START_TEST(dropout_scales_what_it_keeps_and_its_gradient_has_the_same_mask) {
    ag_tape *t = ag_tape_new(&(ag_tape_options){.seed = 3});
    ag_value x = ag_array_leaf(t, AG_F64, 0, NULL, LIST(1)), wide = ag_expand(x, 1, SHAPE(N)), y, dx;
    double values[N], adjoints[N];
    y = ag_dropout(wide, 0.25);
    ck_assert_int_eq(ag_read_f64(y, values, N), AG_OK);
    int kept = 0;
    for (int i = 0; i < N; i++) {
        ck_assert(values[i] == 0 || values[i] == 1 / 0.75);
        kept += values[i] != 0;
    }
    /* binomial(1000, 0.75): standard deviation 13.7; six of them */
    ck_assert_int_ge(kept, 750 - 83);
    ck_assert_int_le(kept, 750 + 83);
    ag_value sum = ag_sum_all(y);
    ck_assert_int_eq(ag_grad(&sum, NULL, 1, &wide, 1, &dx), AG_OK);
    ck_assert_int_eq(ag_read_f64(dx, adjoints, N), AG_OK);
    ck_assert(memcmp(values, adjoints, sizeof values) == 0);
    ag_tape_free(t);
}
END_TEST

START_TEST(dropout_replays_from_the_generators_position_and_moves_it_on) {
    ag_tape *t = ag_tape_new(&(ag_tape_options){.seed = 5});
    ag_value x = ag_full(t, AG_F32, 1, SHAPE(N), 1);
    double one[N], other[N], again[N];
    ag_random start = ag_tape_random_get(t);
    ck_assert_int_eq(ag_read_f64(ag_dropout(x, 0.5), one, N), AG_OK);
    ag_random after = ag_tape_random_get(t);
    ck_assert(after.seed == start.seed && after.counter == start.counter + N / 4);
    ck_assert_int_eq(ag_read_f64(ag_dropout(x, 0.5), other, N), AG_OK);
    ag_tape_random_set(t, start);
    ck_assert_int_eq(ag_read_f64(ag_dropout(x, 0.5), again, N), AG_OK);
    ck_assert(memcmp(one, again, sizeof one) == 0);
    ck_assert(memcmp(one, other, sizeof one) != 0);
    ag_dropout(ag_full(t, AG_F32, 1, SHAPE(5), 1), 0.5);
    ck_assert(ag_tape_random_get(t).counter == start.counter + N / 4 + 2); /* 5 elements touch 2 blocks */
    ag_tape_free(t);
}
END_TEST

START_TEST(dropout_at_its_ends) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ramp(t, 1, SHAPE(5));
    EXPECT(ag_dropout(x, 0), 0, 1, 2, 3, 4);
    ag_value y = ag_dropout(x, 1);
    EXPECT(y, 0, 0, 0, 0, 0);
    ck_assert_int_eq(ag_backward(ag_sum_all(y)), AG_OK);
    EXPECT_ADJOINT(x, 0, 0, 0, 0, 0);
    ag_tape_free(t);
}
END_TEST

/* ---- detach ---------------------------------------------------------------------------------------------------------------- */

START_TEST(detach_holds_a_value_constant) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ramp(t, 1, SHAPE(3));
    ck_assert_int_eq(ag_backward(ag_sum_all(ag_mul(x, ag_detach(x)))), AG_OK);
    EXPECT_ADJOINT(x, 0, 1, 2);
    ag_value s = ag_scalar(t, 3), y = ag_mul(s, ag_detach(s));
    ck_assert_int_eq(ag_backward(y), AG_OK);
    ck_assert_double_eq(ag_item_grad(s), 3);
    ag_tape_free(t);
}
END_TEST

Suite *ops_select_suite(void) {
    Suite *s = suite_create("ops_select");
    TCase *c = tcase_create("ops_select");
    tcase_add_test(c, comparisons_give_bools_and_nan_compares_with_nothing);
    tcase_add_test(c, comparisons_promote_and_broadcast);
    tcase_add_test(c, the_branch_not_taken_gets_exactly_zero);
    tcase_add_test(c, where_broadcasts_promotes_and_takes_scalars);
    tcase_add_test(c, cast_truncates_into_integers_and_passes_gradients_between_floats);
    tcase_add_test(c, a_cast_to_the_same_dtype_is_the_value_itself);
    tcase_add_test(c, dropout_scales_what_it_keeps_and_its_gradient_has_the_same_mask);
    tcase_add_test(c, dropout_replays_from_the_generators_position_and_moves_it_on);
    tcase_add_test(c, dropout_at_its_ends);
    tcase_add_test(c, detach_holds_a_value_constant);
    suite_add_tcase(s, c);
    return s;
}
