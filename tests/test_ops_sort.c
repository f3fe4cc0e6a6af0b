/* ops_sort: sort and topk, and the extremes that come with an index or share ties. */
#include "ops_support.h"

static void expect_pair(ag_value y, int n, const double *values, const double *index, int line) {
    expect_values_at(__FILE__, line, y, n, values);
    ck_assert_int_eq(ag_meta_of(ag_output(y, 1))->dtype, AG_I64);
    expect_values_at(__FILE__, line, ag_output(y, 1), n, index);
}
#define EXPECT_PAIR(y, n, values, index) expect_pair(y, n, values, index, __LINE__)

/* ---- sort and topk ---------------------------------------------------------------------------------------------------- */

START_TEST(sort_is_stable_in_both_directions_and_nan_is_largest) {
    for (ag_dtype dtype = AG_F32; dtype <= AG_F64; dtype++) {
        ag_tape *t = ag_tape_new(NULL);
        ag_value x = ag_array_leaf(t, dtype, 1, SHAPE(6), LIST(3, 1, NAN, 2, 1, -INFINITY));
        EXPECT_PAIR(ag_sort(x, 0, false), 6, LIST(-INFINITY, 1, 1, 2, 3, NAN), LIST(5, 1, 4, 3, 0, 2));
        EXPECT_PAIR(ag_sort(x, -1, true), 6, LIST(NAN, 3, 2, 1, 1, -INFINITY), LIST(2, 0, 3, 1, 4, 5));
        EXPECT_PAIR(ag_topk(x, 3, 0, true), 3, LIST(NAN, 3, 2), LIST(2, 0, 3));
        EXPECT_PAIR(ag_topk(x, 2, 0, false), 2, LIST(-INFINITY, 1), LIST(5, 1));
        ag_tape_free(t);
    }
}
END_TEST

START_TEST(sort_orders_each_lane_of_its_axis) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ag_array_leaf(t, AG_F64, 3, SHAPE(2, 2, 2), LIST(5, 1, 4, 2, 0, 9, 8, 3));
    EXPECT_PAIR(ag_sort(x, 1, false), 8, LIST(4, 1, 5, 2, 0, 3, 8, 9), LIST(1, 0, 0, 1, 0, 1, 1, 0));
    EXPECT_PAIR(ag_sort(x, 0, true), 8, LIST(5, 9, 8, 3, 0, 1, 4, 2), LIST(0, 1, 1, 1, 1, 0, 0, 0));
    EXPECT_PAIR(ag_sort(ag_transpose(x, 0, 2), 0, false), 8, LIST(1, 0, 2, 3, 5, 9, 4, 8),
                LIST(1, 0, 1, 1, 0, 1, 0, 0));
    EXPECT_SHAPE(ag_topk(x, 1, -1, true), 2, 2, 1);
    EXPECT_SHAPE(ag_output(ag_topk(x, 0, 0, true), 1), 0, 2, 2);
    EXPECT_PAIR(ag_sort(ag_scalar(t, 4), 0, false), 1, LIST(4), LIST(0));
    EXPECT_PAIR(ag_topk(ag_scalar(t, 4), 1, -1, false), 1, LIST(4), LIST(0));
    EXPECT_SHAPE(ag_sort(ramp(t, 2, SHAPE(0, 3)), 0, true), 0, 3);
    ag_tape_free(t);
}
END_TEST

START_TEST(integers_sort_exactly) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value n = ag_sub(ag_array_constant(t, AG_I64, 1, SHAPE(3), LIST(0x1p62, 0x1p62, -5)),
                        ag_array_constant(t, AG_I64, 1, SHAPE(3), LIST(1, 2, 0)));
    ag_value sorted = ag_sort(n, 0, false);
    EXPECT(ag_output(sorted, 1), 2, 1, 0);
    ck_assert(((const int64_t *)ag_data(sorted))[1] == ((int64_t)1 << 62) - 2);
    ag_tape_free(t);
}
END_TEST

/* A long lane of few values: every merge meets ties. */
START_TEST(a_long_sort_is_ordered_and_keeps_ties_in_place) {
    enum { N = 1000 };
    double x[N], y[N], at[N];
    ag_random r = {.seed = 4};
    for (int i = 0; i < N; i++) x[i] = (double)ag_random_below(&r, 20);
    ag_tape *t = ag_tape_new(NULL);
    ag_value leaf = ag_array_leaf(t, AG_F64, 1, SHAPE(N), x);
    for (int descending = 0; descending < 2; descending++) {
        ag_value sorted = ag_sort(leaf, 0, descending);
        ck_assert_int_eq(ag_read_f64(sorted, y, N), AG_OK);
        ck_assert_int_eq(ag_read_f64(ag_output(sorted, 1), at, N), AG_OK);
        for (int i = 0; i < N; i++) ck_assert(y[i] == x[(int)at[i]]);
        for (int i = 1; i < N; i++)
            ck_assert((descending ? y[i - 1] > y[i] : y[i - 1] < y[i]) || (y[i - 1] == y[i] && at[i - 1] < at[i]));
    }
    ag_tape_free(t);
}
END_TEST

START_TEST(adjoints_of_an_order_go_back_where_the_elements_came_from) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ag_array_leaf(t, AG_F64, 2, SHAPE(2, 3), LIST(3, 1, 2, 5, 5, 4));
    ag_value w = ag_array_constant(t, AG_F64, 2, SHAPE(2, 3), LIST(1, 2, 3, 4, 5, 6));
    ck_assert_int_eq(ag_backward(ag_sum_all(ag_mul(ag_sort(x, 1, false), w))), AG_OK);
    EXPECT_ADJOINT(x, 3, 1, 2, 5, 6, 4);
    ag_value z = ag_array_leaf(t, AG_F64, 1, SHAPE(4), LIST(3, 7, 7, 1));
    ck_assert_int_eq(ag_backward(ag_sum_all(ag_square(ag_topk(z, 2, 0, true)))), AG_OK);
    EXPECT_ADJOINT(z, 0, 14, 14, 0);
    ag_tape_free(t);
}
END_TEST

/* ---- extremes --------------------------------------------------------------------------------------------------------- */

START_TEST(an_extreme_with_its_index_is_the_first_and_gets_the_whole_adjoint) {
    for (ag_dtype dtype = AG_F32; dtype <= AG_F64; dtype++) {
        ag_tape *t = ag_tape_new(NULL);
        ag_value x = ag_array_leaf(t, dtype, 2, SHAPE(2, 3), LIST(4, 7, 7, 1, 1, 3));
        ag_value largest = ag_max_dim(x, 1, false), smallest = ag_min_dim(x, -1, true);
        EXPECT_PAIR(largest, 2, LIST(7, 3), LIST(1, 2));
        EXPECT_PAIR(smallest, 2, LIST(4, 1), LIST(0, 0));
        EXPECT_SHAPE(ag_output(largest, 1), 2);
        EXPECT_SHAPE(smallest, 2, 1);
        EXPECT_PAIR(ag_max_dim(x, 0, false), 3, LIST(4, 7, 7), LIST(0, 0, 0));
        ck_assert_int_eq(ag_backward(ag_add(ag_sum_all(largest), ag_mul_number(ag_sum_all(smallest), 10))), AG_OK);
        EXPECT_ADJOINT(x, 10, 1, 0, 10, 0, 1);
        EXPECT_PAIR(ag_max_dim(ag_scalar(t, 4), 0, false), 1, LIST(4), LIST(0));
        ag_tape_free(t);
    }
}
END_TEST

START_TEST(the_first_nan_wins_every_extreme) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ag_array_leaf(t, AG_F64, 2, SHAPE(2, 3), LIST(4, NAN, NAN, 1, 5, 3));
    EXPECT_PAIR(ag_max_dim(x, 1, false), 2, LIST(NAN, 5), LIST(1, 1));
    EXPECT_PAIR(ag_min_dim(x, 1, false), 2, LIST(NAN, 1), LIST(1, 0));
    EXPECT(ag_argmin(x, 1, false), 1, 0);
    EXPECT(ag_argmin(x, AG_ALL_AXES, false), 1);
    ck_assert_int_eq(ag_backward(ag_sum_all(ag_min_dim(x, 1, false))), AG_OK);
    EXPECT_ADJOINT(x, 0, 1, 0, 1, 0, 0);
    ag_tape_free(t);
}
END_TEST

START_TEST(ties_share_the_gradient_of_amin_and_nan_spoils_its_own_group) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ag_array_leaf(t, AG_F64, 2, SHAPE(3, 4), LIST(1, 0, 3, 0, 2, 2, 2, 2, 5, NAN, 3, 2));
    ag_value y = ag_amin(x, AXES(1), 1, false);
    EXPECT(y, 0, 2, NAN);
    ck_assert_int_eq(ag_backward(ag_sum_all(y)), AG_OK);
    EXPECT_ADJOINT(x, 0, 0.5, 0, 0.5, 0.25, 0.25, 0.25, 0.25, NAN, NAN, NAN, NAN);
    EXPECT(ag_amin(ag_slice(x, 0, 0, 2, 1), NULL, 0, false), 0);
    EXPECT(ag_argmin(ag_slice(x, 0, 0, 2, 1), 0, false), 0, 0, 1, 0);
    ag_tape_free(t);
}
END_TEST

Suite *ops_sort_suite(void) {
    Suite *s = suite_create("ops_sort");
    TCase *c = tcase_create("ops_sort");
    tcase_add_test(c, sort_is_stable_in_both_directions_and_nan_is_largest);
    tcase_add_test(c, sort_orders_each_lane_of_its_axis);
    tcase_add_test(c, integers_sort_exactly);
    tcase_add_test(c, a_long_sort_is_ordered_and_keeps_ties_in_place);
    tcase_add_test(c, adjoints_of_an_order_go_back_where_the_elements_came_from);
    tcase_add_test(c, an_extreme_with_its_index_is_the_first_and_gets_the_whole_adjoint);
    tcase_add_test(c, the_first_nan_wins_every_extreme);
    tcase_add_test(c, ties_share_the_gradient_of_amin_and_nan_spoils_its_own_group);
    suite_add_tcase(s, c);
    return s;
}
