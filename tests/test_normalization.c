/* normalization: layer, group, instance, batch and RMS normalisation and the step under them - known values, identities
 * between them, edges, mistakes. Gradients at both orders are the registry test's. */
#include "mistakes.h"

static const ag_value none = {0};

static void expect_near(ag_value x, ag_value y, double tolerance) {
    static double a[65536], b[65536];
    ck_assert_msg(ag_ok(x) && ag_ok(y), "failed: %s", ag_tape_message(x.tape));
    const int64_t n = ag_meta_count(ag_meta_of(x));
    ck_assert_int_eq(ag_meta_count(ag_meta_of(y)), n);
    ck_assert_int_eq(ag_read_f64(x, a, n), AG_OK);
    ck_assert_int_eq(ag_read_f64(y, b, n), AG_OK);
    for (int64_t i = 0; i < n; i++)
        ck_assert_msg(fabs(a[i] - b[i]) <= tolerance, "element %d: %.17g and %.17g", (int)i, a[i], b[i]);
}

/** (n, m) numbers with another mean and spread in every row. */
static ag_value uneven(ag_tape *t, ag_dtype dtype, int64_t n, int64_t m) {
    static double values[65536];
    ck_assert_int_le(n * m, 65536);
    ag_random r = {.seed = 5};
    for (int64_t i = 0; i < n * m; i++)
        values[i] = (double)(i / m) + (1 + (double)(i / m % 3)) * ag_random_uniform(&r);
    return ag_array_leaf(t, dtype, 2, SHAPE(n, m), values);
}

START_TEST(a_standardized_row_has_mean_0_and_variance_1) {
    ag_tape *t = ag_tape_new(NULL);
    for (ag_dtype dtype = AG_F32; dtype <= AG_F64; dtype++) {
        ag_value mean, variance;
        ag_value x = ag_array_leaf(t, dtype, 2, SHAPE(2, 2), LIST(1, 3, -4, 12));
        EXPECT(ag_standardize(x, AXES(1), 1, 0, &mean, &variance), -1, 1, -1, 1);
        EXPECT(mean, 2, 4);
        EXPECT(variance, 1, 64);
        EXPECT_SHAPE(mean, 2, 1);
        EXPECT(ag_standardize(x, AXES(0), 1, 0, NULL, NULL), 1, -1, -1, 1);
    }
    ag_tape_free(t);
}
END_TEST

START_TEST(rows_of_any_length_agree_with_the_formula) {
    ag_tape *t = ag_tape_new(NULL);
    const int64_t shapes[][2] = {{70, 1}, {100, 3}, {65, 17}, {20, 1024}, {20, 1025}, {3, 5000}};
    for (int k = 0; k < 6; k++)
        for (int by_column = 0; by_column < 2; by_column++)
            for (ag_dtype dtype = AG_F32; dtype <= AG_F64; dtype++) {
                const ag_mark mark = ag_tape_mark(t);
                ag_value x = uneven(t, dtype, shapes[k][0], shapes[k][1]);
                const int *axis = by_column ? AXES(0) : AXES(1);
                ag_value centred = ag_sub(x, ag_mean(x, axis, 1, true));
                ag_value variance = ag_mean(ag_square(centred), axis, 1, true);
                ag_value y = ag_div(centred, ag_sqrt(ag_add_number(variance, 1e-3)));
                /* a mean of up to 100 rounded to f32, over a deviation of at least 0.03 */
                expect_near(ag_standardize(x, axis, 1, 1e-3, NULL, NULL), y, dtype == AG_F32 ? 1e-3 : 1e-11);
                ck_assert_int_eq(ag_tape_rewind(t, mark), AG_OK);
            }
    ag_tape_free(t);
}
END_TEST

START_TEST(strides_change_no_bit) {
    ag_tape *t = ag_tape_new(NULL);
    static double values[60000];
    for (ag_dtype dtype = AG_F32; dtype <= AG_F64; dtype++) {
        ag_value x = uneven(t, dtype, 40, 1500), turned = ag_transpose(x, 0, 1);
        ck_assert_int_eq(ag_read_f64(turned, values, 60000), AG_OK);
        ag_value dense = ag_array_leaf(t, dtype, 2, SHAPE(1500, 40), values);
        for (int axis = 0; axis < 2; axis++) {
            ag_value one = ag_standardize(turned, &axis, 1, 1e-5, NULL, NULL);
            ag_value two = ag_standardize(dense, &axis, 1, 1e-5, NULL, NULL), dx, dy;
            expect_near(one, two, 0);
            ag_value seed = ag_sin(dense), seed_turned = ag_transpose(ag_sin(x), 0, 1);
            ck_assert_int_eq(ag_grad(&one, &seed_turned, 1, &turned, 1, &dx), AG_OK);
            ck_assert_int_eq(ag_grad(&two, &seed, 1, &dense, 1, &dy), AG_OK);
            expect_near(dx, dy, 0);
        }
    }
    ag_tape_free(t);
}
END_TEST

START_TEST(threads_change_no_bit) {
    ag_tape *one = ag_tape_new(&(const ag_tape_options){.threads = 1});
    ag_tape *four = ag_tape_new(&(const ag_tape_options){.threads = 4});
    static double a[60000], b[60000];
    for (int axis = 0; axis < 2; axis++) {
        ag_value x = uneven(one, AG_F32, 40, 1500), z = uneven(four, AG_F32, 40, 1500);
        ck_assert_int_eq(ag_read_f64(ag_standardize(x, &axis, 1, 0, NULL, NULL), a, 60000), AG_OK);
        ck_assert_int_eq(ag_read_f64(ag_standardize(z, &axis, 1, 0, NULL, NULL), b, 60000), AG_OK);
        ck_assert(memcmp(a, b, sizeof a) == 0);
    }
    ag_tape_free(one);
    ag_tape_free(four);
}
END_TEST

START_TEST(far_from_zero_the_variance_keeps_its_digits) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value variance, x = ag_array_leaf(t, AG_F64, 1, SHAPE(3), LIST(1e9, 1e9 + 3, 1e9 + 6));
    ag_standardize(x, NULL, 0, 0, NULL, &variance);
    EXPECT(variance, 6);
    ag_value constant = ag_full(t, AG_F32, 2, SHAPE(2, 5), 0.1);
    EXPECT(ag_layer_norm(constant, 1, none, none, 1e-5), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    ag_tape_free(t);
}
END_TEST

START_TEST(one_value_normalises_to_its_bias_and_learns_nothing) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ag_array_leaf(t, AG_F64, 2, SHAPE(2, 1), LIST(5, -7));
    ag_value w = ag_array_leaf(t, AG_F64, 1, SHAPE(1), LIST(3)),
             b = ag_array_leaf(t, AG_F64, 1, SHAPE(1), LIST(2));
    ag_value y = ag_layer_norm(x, 1, w, b, 1e-5);
    EXPECT(y, 2, 2);
    ck_assert_int_eq(ag_backward(ag_sum_all(y)), AG_OK);
    EXPECT_ADJOINT(x, 0, 0);
    EXPECT_ADJOINT(w, 0);
    EXPECT_ADJOINT(b, 2);
    ag_tape_free(t);
}
END_TEST

START_TEST(groups_of_all_and_of_single_channels_are_the_other_norms) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = random_leaf(t, AG_F64, 4, SHAPE(2, 4, 3, 2), 1);
    ag_value w = random_leaf(t, AG_F64, 1, SHAPE(4), 2), b = random_leaf(t, AG_F64, 1, SHAPE(4), 3);
    expect_near(ag_group_norm(x, 1, none, none, 1e-5), ag_layer_norm(x, 3, none, none, 1e-5), 1e-14);
    expect_near(ag_group_norm(x, 4, w, b, 1e-5), ag_instance_norm(x, w, b, 1e-5), 1e-14);
    ag_tape_free(t);
}
END_TEST

START_TEST(a_batch_tells_its_statistics) {
    ag_tape *t = ag_tape_new(NULL);
    ag_batch_statistics s;
    ag_value x = ag_array_leaf(t, AG_F64, 3, SHAPE(2, 2, 2), LIST(1, 3, 10, 10, 5, 7, 10, 14));
    ag_value y = ag_batch_norm_training(x, none, none, 0, &s);
    EXPECT(s.mean, 4, 11);
    EXPECT(s.variance, 5, 3);
    expect_near(s.unbiased, ag_array_constant(t, AG_F64, 1, SHAPE(2), LIST(20.0 / 3, 4)), 1e-14);
    EXPECT_SHAPE(s.unbiased, 2);
    expect_near(y, ag_batch_norm(x, none, none, s.mean, s.variance, 0), 1e-15);
    ag_value w = ag_array_leaf(t, AG_F64, 1, SHAPE(2), LIST(2, 1)),
             b = ag_array_leaf(t, AG_F64, 1, SHAPE(2), LIST(1, 0));
    ag_value by_hand = ag_add(ag_mul(y, ag_reshape(w, 2, SHAPE(2, 1))), ag_reshape(b, 2, SHAPE(2, 1)));
    expect_near(ag_batch_norm_training(x, w, b, 0, NULL), by_hand, 1e-15);
    expect_near(ag_batch_norm(x, w, b, s.mean, s.variance, 0), by_hand, 1e-14);
    expect_near(ag_batch_norm(x, none, b, s.mean, s.variance, 0), ag_add(y, ag_reshape(b, 2, SHAPE(2, 1))), 1e-14);
    ag_tape_free(t);
}
END_TEST

START_TEST(rms_norm_divides_by_the_root_mean_square) {
    ag_tape *t = ag_tape_new(NULL);
    for (ag_dtype dtype = AG_F32; dtype <= AG_F64; dtype++) {
        ag_value x = ag_array_leaf(t, dtype, 2, SHAPE(2, 2), LIST(2, -2, 0, 0));
        ag_value w = ag_array_leaf(t, dtype, 1, SHAPE(2), LIST(3, 5));
        EXPECT(ag_rms_norm(ag_select(x, 0, 0), 1, w, 0), 3, -5);
        ag_value y = ag_rms_norm(ag_select(x, 0, 1), 1, w, 0.25);
        EXPECT(y, 0, 0);
        ck_assert_int_eq(ag_backward(ag_sum_all(y)), AG_OK);
        EXPECT_ADJOINT(x, 0, 0, 6, 10);
    }
    ag_tape_free(t);
}
END_TEST

START_TEST(nothing_normalises_to_nothing) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value w = ag_array_leaf(t, AG_F64, 1, SHAPE(3), LIST(1, 2, 3));
    ag_value y = ag_batch_norm_training(ag_full(t, AG_F64, 2, SHAPE(0, 3), 0), w, none, 1e-5, NULL);
    EXPECT_SHAPE(y, 0, 3);
    ck_assert_int_eq(ag_backward(ag_sum_all(y)), AG_OK);
    EXPECT_ADJOINT(w, 0, 0, 0);
    EXPECT_SHAPE(ag_layer_norm(ag_full(t, AG_F64, 2, SHAPE(2, 0), 0), 1, none, none, 1e-5), 2, 0);
    EXPECT_SHAPE(ag_group_norm(ag_full(t, AG_F64, 3, SHAPE(2, 4, 0), 0), 2, none, none, 1e-5), 2, 4, 0);
    ag_tape_free(t);
}
END_TEST

#define I(n) ag_full(t, AG_I64, 2, SHAPE(n, n), 1)
MAKE(standardize_axis, ag_standardize(F(2, 3), AXES(2), 1, 0, NULL, NULL))
MAKE(standardize_list, ag_standardize(F(2, 3), AXES(0), 9, 0, NULL, NULL))
MAKE(standardize_eps, ag_standardize(F(2, 3), AXES(0), 1, -1, NULL, NULL))
MAKE(standardize_integers, ag_standardize(I(3), AXES(0), 1, 0, NULL, NULL))
MAKE(layer_weight, ag_layer_norm(F(2, 3), 1, F(4), none, 1e-5))
MAKE(layer_bias, ag_layer_norm(F(2, 3), 2, F(2, 3), F(3), 1e-5))
MAKE(layer_alone, ag_layer_norm(F(2, 3), 1, none, F(3), 1e-5))
MAKE(layer_ndim, ag_layer_norm(F(2, 3), 3, none, none, 1e-5))
MAKE(layer_zero, ag_layer_norm(F(2, 3), 0, none, none, 1e-5))
MAKE(layer_eps, ag_layer_norm(F(2, 3), 1, none, none, NAN))
MAKE(layer_integers, ag_layer_norm(I(3), 1, none, none, 1e-5))
MAKE(rms_weight, ag_rms_norm(F(2, 3), 1, F(2, 3), 1e-5))
MAKE(rms_integers, ag_rms_norm(I(3), 1, none, 1e-5))
MAKE(group_divides, ag_group_norm(F(2, 3), 2, none, none, 1e-5))
MAKE(group_none, ag_group_norm(F(2, 3), INT64_MIN, none, none, 1e-5))
MAKE(group_rank, ag_group_norm(F(3), 1, none, none, 1e-5))
MAKE(group_weight, ag_group_norm(F(2, 4), 2, F(2), none, 1e-5))
MAKE(instance_one, ag_instance_norm(F(2, 3, 1), none, none, 1e-5))
MAKE(instance_bias, ag_instance_norm(F(2, 3, 4), F(3), F(4), 1e-5))
MAKE(batch_one, ag_batch_norm_training(F(1, 3, 1), none, none, 1e-5, NULL))
MAKE(batch_weight, ag_batch_norm_training(F(4, 3), F(4), none, 1e-5, NULL))
MAKE(batch_mean, ag_batch_norm(F(4, 3), none, none, F(3), F(4), 1e-5))
MAKE(batch_eps, ag_batch_norm(F(4, 3), none, none, F(3), F(3), -1e-5))
MAKE(batch_integers, ag_batch_norm_training(I(3), none, none, 1e-5, NULL))

static ag_value batch_operands(ag_tape *t) {
    ag_value y;
    ck_assert_int_ne(ag_call(t, "batch_norm", (const ag_value[]){F(4, 3), F(3)}, 2, NULL, &y), AG_OK);
    return y;
}

static const mistake mistakes[] = {
    {standardize_axis, AG_ERROR_AXIS, {"standardize", "axis 2", "(2, 3)"}},
    {standardize_list, AG_ERROR_AXIS, {"standardize", "9"}},
    {standardize_eps, AG_ERROR_VALUE, {"standardize", "-1"}},
    {standardize_integers, AG_ERROR_DTYPE, {"standardize", "i64"}},
    {layer_weight, AG_ERROR_SHAPE, {"layer_norm", "(2, 3)", "(4)"}},
    {layer_bias, AG_ERROR_SHAPE, {"layer_norm", "operand 2", "(2, 3)", "(3)"}},
    {layer_alone, AG_ERROR_VALUE, {"layer_norm", "bias"}},
    {layer_ndim, AG_ERROR_VALUE, {"layer_norm", "[1, 2]", "3"}},
    {layer_zero, AG_ERROR_VALUE, {"layer_norm", "normalized_ndim"}},
    {layer_eps, AG_ERROR_VALUE, {"layer_norm", "nan"}},
    {layer_integers, AG_ERROR_DTYPE, {"layer_norm", "i64"}},
    {rms_weight, AG_ERROR_SHAPE, {"rms_norm", "operand 1", "(2, 3)"}},
    {rms_integers, AG_ERROR_DTYPE, {"rms_norm", "i64"}},
    {group_divides, AG_ERROR_SHAPE, {"group_norm", "3 channels", "2 groups", "(2, 3)"}},
    {group_none, AG_ERROR_VALUE, {"group_norm", "num_groups", "-9223372036854775808"}},
    {group_rank, AG_ERROR_SHAPE, {"group_norm", "(N, C", "(3)"}},
    {group_weight, AG_ERROR_SHAPE, {"group_norm", "(4)", "(2, 4)", "(2)"}},
    {instance_one, AG_ERROR_SHAPE, {"instance_norm", "position", "(2, 3, 1)"}},
    {instance_bias, AG_ERROR_SHAPE, {"instance_norm", "operand 2", "(2, 3, 4)", "(4)"}},
    {batch_one, AG_ERROR_SHAPE, {"batch_norm", "one value per channel", "(1, 3, 1)"}},
    {batch_weight, AG_ERROR_SHAPE, {"batch_norm", "(3)", "(4, 3)", "(4)"}},
    {batch_mean, AG_ERROR_SHAPE, {"batch_norm", "operand 2", "(4, 3)", "(4)"}},
    {batch_eps, AG_ERROR_VALUE, {"batch_norm", "eps"}},
    {batch_integers, AG_ERROR_DTYPE, {"batch_norm", "i64"}},
    {batch_operands, AG_ERROR_VALUE, {"batch_norm", "2 operands"}},
};
enum { MISTAKES = sizeof mistakes / sizeof mistakes[0] };

START_TEST(a_mistake_fails_the_tape_and_says_what_and_where) { expect_mistake(&mistakes[_i], _i); }
END_TEST

Suite *normalization_suite(void) {
    Suite *s = suite_create("normalization");
    TCase *c = tcase_create("normalization");
    tcase_add_test(c, a_standardized_row_has_mean_0_and_variance_1);
    tcase_add_test(c, rows_of_any_length_agree_with_the_formula);
    tcase_add_test(c, strides_change_no_bit);
    tcase_add_test(c, threads_change_no_bit);
    tcase_add_test(c, far_from_zero_the_variance_keeps_its_digits);
    tcase_add_test(c, one_value_normalises_to_its_bias_and_learns_nothing);
    tcase_add_test(c, groups_of_all_and_of_single_channels_are_the_other_norms);
    tcase_add_test(c, a_batch_tells_its_statistics);
    tcase_add_test(c, rms_norm_divides_by_the_root_mean_square);
    tcase_add_test(c, nothing_normalises_to_nothing);
    tcase_add_loop_test(c, a_mistake_fails_the_tape_and_says_what_and_where, 0, MISTAKES);
    suite_add_tcase(s, c);
    return s;
}
