/* ops_errors: every mistake of shape, axis, index, dtype or value fails the tape with a message that names the operation,
 * the operands' shapes and what is wrong - and leaves nothing recorded. */
#include "mistakes.h"

/* Operands that the mistakes share. */
static ag_value i(ag_tape *t, int64_t n, double value) { return ag_full(t, AG_I64, 1, &n, value); }
/* An operation without a function of its own; n: how many of the operands it takes. */
static ag_value by_name(ag_tape *t, const char *name, ag_value x, ag_value y, uint32_t n) {
    ag_value z;
    (void)ag_call(t, name, (const ag_value[]){x, y}, n, NULL, &z); /* the tape keeps the status */
    return z;
}

/* compare.c */
MAKE(lt_shapes, ag_lt(F(2, 3), F(2, 4)))
MAKE(and_floats, ag_logical_and(F(2), F(2)))
MAKE(where_condition, ag_where(F(2), F(2), F(2)))
MAKE(where_shapes, ag_where(ag_full(t, AG_BOOL, 1, SHAPE(2), 1), F(2), F(3)))
MAKE(cast_nowhere, ag_cast(F(2), (ag_dtype)17))
/* fused.c */
MAKE(addcmul_shapes, ag_addcmul(F(2, 3), F(3), F(2), 1))
MAKE(addcmul_integers, ag_addcmul(i(t, 3, 1), i(t, 3, 1), i(t, 3, 1), 1))
MAKE(lerp_shapes, ag_lerp(F(2, 3), F(4), F(3)))
MAKE(lerp_integers, ag_lerp(i(t, 3, 1), i(t, 3, 1), i(t, 3, 1)))
/* reduce.c */
MAKE(sum_axis, ag_sum(F(2, 3), AXES(2), 1, false))
MAKE(sum_twice, ag_sum(F(2, 3), AXES(1, -1), 2, false))
MAKE(sum_many, ag_sum(F(2, 3), AXES(0), 9, false))
MAKE(mean_integers, ag_mean(i(t, 3, 1), NULL, 0, false))
MAKE(amax_nothing, ag_amax(F(2, 0), AXES(1), 1, false))
MAKE(amax_bools, ag_amax(ag_full(t, AG_BOOL, 1, SHAPE(2), 1), NULL, 0, false))
MAKE(argmax_axis, ag_argmax(F(2, 3), -3, false))
MAKE(argmax_nothing, ag_argmax(F(0), AG_ALL_AXES, false))
MAKE(logsumexp_integers, ag_logsumexp(i(t, 3, 1), NULL, 0, false))
MAKE(sum_to_shape, ag_sum_to(F(2, 3), 1, SHAPE(2)))
MAKE(sum_to_rank, ag_sum_to(F(2, 3), 9, SHAPE(1)))
/* prod, extreme.c, moments.c, scan.c, sort.c */
MAKE(prod_axis, ag_prod(F(2, 3), AXES(2), 1, false))
MAKE(amin_nothing, ag_amin(F(2, 0), AXES(1), 1, false))
MAKE(amin_axis, ag_amin(F(2, 3), AXES(0, 0), 2, false))
MAKE(amin_bools, ag_amin(ag_full(t, AG_BOOL, 1, SHAPE(2), 1), NULL, 0, false))
MAKE(argmin_axis, ag_argmin(F(2, 3), -3, false))
MAKE(argmin_nothing, ag_argmin(F(0), AG_ALL_AXES, false))
MAKE(argmin_bools, ag_argmin(ag_full(t, AG_BOOL, 1, SHAPE(2), 1), 0, false))
MAKE(max_dim_axis, ag_max_dim(F(2, 3), 2, false))
MAKE(max_dim_all, ag_max_dim(F(2, 3), AG_ALL_AXES, false))
MAKE(max_dim_nothing, ag_max_dim(F(2, 0), 1, false))
MAKE(min_dim_axis, ag_min_dim(F(2, 3), -3, false))
MAKE(min_dim_nothing, ag_min_dim(F(0, 2), 0, false))
MAKE(min_dim_bools, ag_min_dim(ag_full(t, AG_BOOL, 1, SHAPE(2), 1), 0, false))
MAKE(var_axis, ag_var(F(2, 3), AXES(2), 1, false, 1))
MAKE(var_integers, ag_var(i(t, 3, 1), NULL, 0, false, 1))
MAKE(std_many, ag_std(F(2, 3), AXES(0), 9, false, 1))
MAKE(std_integers, ag_std(i(t, 3, 1), NULL, 0, false, 1))
MAKE(center_integers, by_name(t, "center", i(t, 3, 1), i(t, 3, 1), 1))
MAKE(norm_axis, ag_norm(F(2, 3), 2, AXES(2), 1, false))
MAKE(norm_nan, ag_norm(F(2, 3), NAN, NULL, 0, false))
MAKE(norm_integers, ag_norm(i(t, 3, 1), 2, NULL, 0, false))
MAKE(cumsum_axis, ag_cumsum(F(2, 3), 2))
MAKE(cumprod_scalar, ag_cumprod(ag_scalar(t, 1), 1))
MAKE(recurrence_shapes, by_name(t, "linear_recurrence", F(2, 3), F(3), 2))
MAKE(recurrence_integers, by_name(t, "linear_recurrence", i(t, 3, 1), i(t, 3, 1), 2))
MAKE(recurrence_dtypes, by_name(t, "linear_recurrence", F(3), i(t, 3, 1), 2))
MAKE(recurrence_scalars, by_name(t, "linear_recurrence", ag_scalar(t, 1), ag_scalar(t, 1), 2))
MAKE(sort_axis, ag_sort(F(2, 3), 2, false))
MAKE(sort_bools, ag_sort(ag_full(t, AG_BOOL, 1, SHAPE(2), 1), 0, false))
MAKE(topk_many, ag_topk(F(2, 3), 4, 1, true))
MAKE(topk_negative, ag_topk(F(2, 3), -1, 0, true))
MAKE(topk_scalar, ag_topk(ag_scalar(t, 1), 0, 0, true))
MAKE(topk_axis, ag_topk(F(2, 3), 1, INT_MIN, true))
MAKE(topk_bools, ag_topk(ag_full(t, AG_BOOL, 1, SHAPE(2), 1), 1, 0, true))
/* shape.c */
MAKE(reshape_count, ag_reshape(F(2, 3), 2, SHAPE(4, 2)))
MAKE(reshape_open, ag_reshape(F(2, 3), 2, SHAPE(4, -1)))
MAKE(reshape_open_twice, ag_reshape(F(2, 3), 2, SHAPE(-1, -1)))
MAKE(reshape_nothing_open, ag_reshape(F(0, 3), 2, SHAPE(0, -1)))
MAKE(reshape_negative, ag_reshape(F(2, 3), 2, SHAPE(-2, -3)))
MAKE(reshape_huge, ag_reshape(F(2, 3), 2, SHAPE(INT64_MAX, INT64_MAX)))
MAKE(reshape_rank, ag_reshape(F(2, 3), -1, SHAPE(6)))
MAKE(transpose_axis, ag_transpose(F(2, 3), 0, 2))
MAKE(permute_short, ag_permute(F(2, 3), AXES(0), 1))
MAKE(permute_twice, ag_permute(F(2, 3), AXES(1, 1), 2))
MAKE(permute_null, ag_permute(F(2, 3), NULL, 2))
MAKE(expand_size, ag_expand(F(2, 3), 2, SHAPE(2, 4)))
MAKE(expand_rank, ag_expand(F(2, 3), 1, SHAPE(3)))
MAKE(expand_new_open, ag_expand(F(3), 2, SHAPE(-1, 3)))
MAKE(expand_huge, ag_expand(F(1, 1), 2, SHAPE(INT64_MAX, 2)))
MAKE(unsqueeze_axis, ag_unsqueeze(F(2, 3), 3))
MAKE(unsqueeze_rank, ag_unsqueeze(F(1, 1, 1, 1, 1, 1, 1, 1), 0))
MAKE(squeeze_size, ag_squeeze(F(2, 3), 1))
/* index.c */
MAKE(slice_step, ag_slice(F(2, 3), 0, 0, 2, 0))
MAKE(slice_axis, ag_slice(F(2, 3), 2, 0, 2, 1))
MAKE(select_index, ag_select(F(2, 3), 1, 3))
MAKE(select_scalar, ag_select(ag_scalar(t, 1), 0, 0))
MAKE(index_dtype, ag_index_select(F(2, 3), 0, F(2)))
MAKE(index_rank, ag_index_select(F(2, 3), 0, ag_full(t, AG_I64, 2, SHAPE(1, 1), 0)))
MAKE(index_large, ag_index_select(F(2, 3), 1, i(t, 2, 3)))
MAKE(index_negative, ag_index_select(F(2, 3), 1, i(t, 2, -1)))
MAKE(scatter_index, ag_index_scatter(F(2, 3), 0, i(t, 2, 5), 4))
MAKE(scatter_count, ag_index_scatter(F(2, 3), 0, i(t, 3, 0), 4))
MAKE(scatter_size, ag_index_scatter(F(2, 3), 0, i(t, 2, 0), -1))
/* join.c */
MAKE(stack_nothing, ag_stack((const ag_value[]){F(2)}, 0, 0))
MAKE(stack_shapes, ag_stack(((const ag_value[]){F(2), F(3)}), 2, 0))
MAKE(stack_axis, ag_stack((const ag_value[]){F(2)}, 1, 2))
MAKE(cat_shapes, ag_cat(((const ag_value[]){F(2, 3), F(2, 3), F(3, 2)}), 3, 0))
MAKE(cat_scalars, ag_cat(((const ag_value[]){ag_scalar(t, 1), ag_scalar(t, 2)}), 2, 0))
/* linalg.c */
MAKE(matmul_inner, ag_matmul(F(2, 3), F(4, 5)))
MAKE(matmul_batch, ag_matmul(F(2, 3, 4), F(3, 4, 5)))
MAKE(matmul_scalar, ag_matmul(F(2, 3), ag_scalar(t, 1)))
MAKE(matmul_integers, ag_matmul(i(t, 3, 1), i(t, 3, 1)))
MAKE(linear_features, ag_linear(F(5, 4), F(2, 3), F(2)))
MAKE(linear_weight, ag_linear(F(5, 3), F(3), F(3)))
MAKE(linear_bias, ag_linear(F(5, 3), F(2, 3), F(3)))
/* softmax.c, loss.c, dropout.c */
MAKE(softmax_axis, ag_softmax(F(2, 3), 2))
MAKE(softmax_integers, ag_softmax(i(t, 3, 1), 0))
MAKE(log_softmax_integers, ag_log_softmax(i(t, 3, 1), 0))
MAKE(cross_entropy_shapes, ag_cross_entropy(F(2, 3), i(t, 4, 0)))
MAKE(cross_entropy_ranks, ag_cross_entropy(F(2, 3, 4), i(t, 2, 0)))
MAKE(cross_entropy_target, ag_cross_entropy(F(2, 3), F(2)))
MAKE(cross_entropy_logits, ag_cross_entropy(ag_full(t, AG_I64, 2, SHAPE(2, 3), 0), i(t, 2, 0)))
MAKE(cross_entropy_range, ag_cross_entropy(F(3, 4), ag_array_constant(t, AG_I64, 1, SHAPE(3), LIST(0, 4, -1))))
MAKE(cross_entropy_negative, ag_cross_entropy(F(3, 4), ag_array_constant(t, AG_I64, 1, SHAPE(3), LIST(0, 3, -1))))
MAKE(mse_shapes, ag_mse_loss(F(2, 3), F(3), AG_REDUCTION_MEAN))
MAKE(mse_reduction, ag_mse_loss(F(2), F(2), (ag_reduction)9))
MAKE(dropout_p, ag_dropout(F(2, 3), 1.5))
MAKE(dropout_nan, ag_dropout(F(2, 3), NAN))
MAKE(dropout_integers, ag_dropout(i(t, 3, 1), 0.5))

static const mistake mistakes[] = {
    {lt_shapes, AG_ERROR_SHAPE, {"lt", "(2, 3)", "(2, 4)"}},
    {and_floats, AG_ERROR_DTYPE, {"logical_and", "f32"}},
    {where_condition, AG_ERROR_DTYPE, {"where", "condition", "f32"}},
    {where_shapes, AG_ERROR_SHAPE, {"where", "(2)", "(3)"}},
    {cast_nowhere, AG_ERROR_DTYPE, {"cast", "17"}},
    {addcmul_shapes, AG_ERROR_SHAPE, {"addcmul", "(2, 3)", "(2)"}},
    {addcmul_integers, AG_ERROR_DTYPE, {"addcmul", "i64 (3)"}},
    {lerp_shapes, AG_ERROR_SHAPE, {"lerp", "(2, 3)", "(4)"}},
    {lerp_integers, AG_ERROR_DTYPE, {"lerp", "i64 (3)"}},
    {sum_axis, AG_ERROR_AXIS, {"sum", "axis 2", "(2, 3)"}},
    {sum_twice, AG_ERROR_AXIS, {"sum", "twice", "(2, 3)"}},
    {sum_many, AG_ERROR_AXIS, {"sum", "9"}},
    {mean_integers, AG_ERROR_DTYPE, {"mean", "i64 (3)"}},
    {amax_nothing, AG_ERROR_SHAPE, {"amax", "axis 1", "(2, 0)"}},
    {amax_bools, AG_ERROR_DTYPE, {"amax", "bool"}},
    {argmax_axis, AG_ERROR_AXIS, {"argmax", "-3", "(2, 3)"}},
    {argmax_nothing, AG_ERROR_SHAPE, {"argmax", "(0)"}},
    {logsumexp_integers, AG_ERROR_DTYPE, {"logsumexp", "i64"}},
    {sum_to_shape, AG_ERROR_SHAPE, {"sum_to", "(2, 3)"}},
    {sum_to_rank, AG_ERROR_SHAPE, {"sum_to", "rank 9"}},
    {prod_axis, AG_ERROR_AXIS, {"prod", "axis 2", "(2, 3)"}},
    {amin_nothing, AG_ERROR_SHAPE, {"amin", "axis 1", "(2, 0)"}},
    {amin_axis, AG_ERROR_AXIS, {"amin", "twice", "(2, 3)"}},
    {amin_bools, AG_ERROR_DTYPE, {"amin", "bool"}},
    {argmin_axis, AG_ERROR_AXIS, {"argmin", "-3", "(2, 3)"}},
    {argmin_nothing, AG_ERROR_SHAPE, {"argmin", "(0)"}},
    {argmin_bools, AG_ERROR_DTYPE, {"argmin", "bool"}},
    {max_dim_axis, AG_ERROR_AXIS, {"max_dim", "axis 2", "(2, 3)"}},
    {max_dim_all, AG_ERROR_AXIS, {"max_dim", "one axis", "(2, 3)"}},
    {max_dim_nothing, AG_ERROR_SHAPE, {"max_dim", "axis 1", "(2, 0)"}},
    {min_dim_axis, AG_ERROR_AXIS, {"min_dim", "-3", "(2, 3)"}},
    {min_dim_nothing, AG_ERROR_SHAPE, {"min_dim", "axis 0", "(0, 2)"}},
    {min_dim_bools, AG_ERROR_DTYPE, {"min_dim", "bool"}},
    {var_axis, AG_ERROR_AXIS, {"var", "axis 2", "(2, 3)"}},
    {var_integers, AG_ERROR_DTYPE, {"var", "i64 (3)"}},
    {std_many, AG_ERROR_AXIS, {"std", "9"}},
    {std_integers, AG_ERROR_DTYPE, {"std", "i64 (3)"}},
    {center_integers, AG_ERROR_DTYPE, {"center", "i64 (3)"}},
    {norm_axis, AG_ERROR_AXIS, {"norm", "axis 2", "(2, 3)"}},
    {norm_nan, AG_ERROR_VALUE, {"norm", "nan"}},
    {norm_integers, AG_ERROR_DTYPE, {"norm", "i64 (3)"}},
    {cumsum_axis, AG_ERROR_AXIS, {"cumsum", "axis 2", "(2, 3)"}},
    {cumprod_scalar, AG_ERROR_AXIS, {"cumprod", "axis 1"}},
    {recurrence_shapes, AG_ERROR_SHAPE, {"linear_recurrence", "(2, 3)", "(3)"}},
    {recurrence_integers, AG_ERROR_DTYPE, {"linear_recurrence", "i64 (3)"}},
    {recurrence_dtypes, AG_ERROR_DTYPE, {"linear_recurrence", "f32 (3)", "i64 (3)"}},
    {recurrence_scalars, AG_ERROR_AXIS, {"linear_recurrence", "axis 0"}},
    {sort_axis, AG_ERROR_AXIS, {"sort", "axis 2", "(2, 3)"}},
    {sort_bools, AG_ERROR_DTYPE, {"sort", "bool"}},
    {topk_many, AG_ERROR_VALUE, {"topk", "k = 4", "axis 1", "(2, 3)"}},
    {topk_negative, AG_ERROR_VALUE, {"topk", "k = -1", "(2, 3)"}},
    {topk_scalar, AG_ERROR_VALUE, {"topk", "k = 0"}},
    {topk_axis, AG_ERROR_AXIS, {"topk", "(2, 3)"}},
    {topk_bools, AG_ERROR_DTYPE, {"topk", "bool"}},
    {reshape_count, AG_ERROR_SHAPE, {"reshape", "8", "6", "(2, 3)"}},
    {reshape_open, AG_ERROR_SHAPE, {"reshape", "6", "4", "(2, 3)"}},
    {reshape_open_twice, AG_ERROR_SHAPE, {"reshape", "only one"}},
    {reshape_nothing_open, AG_ERROR_SHAPE, {"reshape", "-1", "(0, 3)"}},
    {reshape_negative, AG_ERROR_SHAPE, {"reshape", "-2"}},
    {reshape_huge, AG_ERROR_SHAPE, {"reshape", "too many"}},
    {reshape_rank, AG_ERROR_SHAPE, {"reshape", "-1"}},
    {transpose_axis, AG_ERROR_AXIS, {"transpose", "axis 2", "(2, 3)"}},
    {permute_short, AG_ERROR_AXIS, {"permute", "(2, 3)"}},
    {permute_twice, AG_ERROR_AXIS, {"permute", "twice", "(2, 3)"}},
    {permute_null, AG_ERROR_AXIS, {"permute"}},
    {expand_size, AG_ERROR_SHAPE, {"expand", "3 to 4", "(2, 3)"}},
    {expand_rank, AG_ERROR_SHAPE, {"expand", "rank 2 to rank 1", "(2, 3)"}},
    {expand_new_open, AG_ERROR_SHAPE, {"expand", "-1", "(3)"}},
    {expand_huge, AG_ERROR_SHAPE, {"expand", "too many"}},
    {unsqueeze_axis, AG_ERROR_AXIS, {"unsqueeze", "axis 3", "(2, 3)"}},
    {unsqueeze_rank, AG_ERROR_SHAPE, {"unsqueeze", "rank 8"}},
    {squeeze_size, AG_ERROR_SHAPE, {"squeeze", "axis 1", "3", "(2, 3)"}},
    {slice_step, AG_ERROR_VALUE, {"slice", "step", "0"}},
    {slice_axis, AG_ERROR_AXIS, {"slice", "axis 2", "(2, 3)"}},
    {select_index, AG_ERROR_INDEX, {"select", "index 3", "axis 1", "(2, 3)"}},
    {select_scalar, AG_ERROR_AXIS, {"select", "axis 0"}},
    {index_dtype, AG_ERROR_DTYPE, {"index_select", "i64", "f32 (2)"}},
    {index_rank, AG_ERROR_SHAPE, {"index_select", "rank 1", "(1, 1)"}},
    {index_large, AG_ERROR_INDEX, {"index_select", "index[0] = 3", "axis 1 of size 3", "(2, 3)"}},
    {index_negative, AG_ERROR_INDEX, {"index_select", "index[0] = -1", "(2, 3)"}},
    {scatter_index, AG_ERROR_INDEX, {"index_scatter", "index[0] = 5", "size 4"}},
    {scatter_count, AG_ERROR_SHAPE, {"index_scatter", "3 positions", "(2, 3)"}},
    {scatter_size, AG_ERROR_VALUE, {"index_scatter", "-1"}},
    {stack_nothing, AG_ERROR_VALUE, {"stack", "0"}},
    {stack_shapes, AG_ERROR_SHAPE, {"stack", "operand 1", "(3)", "(2)"}},
    {stack_axis, AG_ERROR_AXIS, {"stack", "axis 2"}},
    {cat_shapes, AG_ERROR_SHAPE, {"cat", "operand 2", "(3, 2)", "(2, 3)"}},
    {cat_scalars, AG_ERROR_AXIS, {"cat", "axis 0", "rank 0"}},
    {matmul_inner, AG_ERROR_SHAPE, {"matmul", "3 and 4", "(2, 3)", "(4, 5)"}},
    {matmul_batch, AG_ERROR_SHAPE, {"matmul", "(2, 3, 4)", "(3, 4, 5)"}},
    {matmul_scalar, AG_ERROR_SHAPE, {"matmul", "operand 1", "rank 0", "(2, 3)"}},
    {matmul_integers, AG_ERROR_DTYPE, {"matmul", "i64 (3)"}},
    {linear_features, AG_ERROR_SHAPE, {"linear", "4", "(5, 4)", "(2, 3)"}},
    {linear_weight, AG_ERROR_SHAPE, {"linear", "weight", "(5, 3)"}},
    {linear_bias, AG_ERROR_SHAPE, {"linear", "bias", "(2)", "(3)"}},
    {softmax_axis, AG_ERROR_AXIS, {"softmax", "axis 2", "(2, 3)"}},
    {softmax_integers, AG_ERROR_DTYPE, {"softmax", "i64 (3)"}},
    {log_softmax_integers, AG_ERROR_DTYPE, {"log_softmax", "i64 (3)"}},
    {cross_entropy_shapes, AG_ERROR_SHAPE, {"cross_entropy: ", "(2, 3)", "(4)"}},
    {cross_entropy_ranks, AG_ERROR_SHAPE, {"cross_entropy: ", "(2, 3, 4)", "(2)"}},
    {cross_entropy_target, AG_ERROR_DTYPE, {"cross_entropy: ", "target", "f32 (2)"}},
    {cross_entropy_logits, AG_ERROR_DTYPE, {"cross_entropy: ", "logits", "i64 (2, 3)"}},
    {cross_entropy_range, AG_ERROR_INDEX, {"cross_entropy: ", "row 1 has target 4", "[0, 4)", "(3, 4)"}},
    {cross_entropy_negative, AG_ERROR_INDEX, {"cross_entropy: ", "row 2 has target -1", "[0, 4)"}},
    {mse_shapes, AG_ERROR_SHAPE, {"mse_loss", "(2, 3)", "(3)"}},
    {mse_reduction, AG_ERROR_VALUE, {"mse_loss", "9"}},
    {dropout_p, AG_ERROR_VALUE, {"dropout", "1.5"}},
    {dropout_nan, AG_ERROR_VALUE, {"dropout", "nan"}},
    {dropout_integers, AG_ERROR_DTYPE, {"dropout", "i64"}},
};
enum { MISTAKES = sizeof mistakes / sizeof mistakes[0] };

START_TEST(a_mistake_fails_the_tape_and_says_what_and_where) { expect_mistake(&mistakes[_i], _i); }
END_TEST

START_TEST(operations_on_a_failed_value_fail_silently) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value bad = ag_matmul(F(2, 3), F(4, 5)), x = F(2, 3);
    char first[AG_MESSAGE_SIZE];
    strcpy(first, ag_tape_message(t));
    const ag_value list[2] = {x, bad};
    const ag_value results[] = {
        ag_eq(x, bad),
        ag_where(bad, x, x),
        ag_cast(bad, AG_F64),
        ag_sum_all(bad),
        ag_argmax(bad, 0, false),
        ag_reshape(bad, 1, SHAPE(6)),
        ag_transpose(bad, 0, 1),
        ag_slice(bad, 0, 0, 1, 1),
        ag_stack(list, 2, 0),
        ag_cat(list, 2, 0),
        ag_index_select(x, 0, bad),
        ag_matmul(x, bad),
        ag_linear(x, bad, x),
        ag_linear(x, x, bad),
        ag_softmax(bad, 0),
        ag_cross_entropy(bad, x),
        ag_mse_loss(x, bad, AG_REDUCTION_MEAN),
        ag_dropout(bad, 0.5),
        ag_detach(bad),
    };
    for (size_t k = 0; k < sizeof results / sizeof results[0]; k++)
        ck_assert_msg(!ag_ok(results[k]), "result %zu", k);
    ck_assert_str_eq(ag_tape_message(t), first);
    ag_tape_free(t);
}
END_TEST

START_TEST(values_of_no_tape_are_refused_without_one) {
    const ag_value none = {0};
    ck_assert(!ag_ok(ag_sum(none, AXES(0), 9, false)));
    ck_assert(!ag_ok(ag_reshape(none, 9, NULL)));
    ck_assert(!ag_ok(ag_stack(NULL, 0, 0)));
    ck_assert(!ag_ok(ag_dropout(none, 0.5)));
    ck_assert(!ag_ok(ag_mse_loss(none, none, AG_REDUCTION_MEAN)));
    ck_assert(!ag_ok(ag_linear(none, none, none)));
}
END_TEST

Suite *ops_errors_suite(void) {
    Suite *s = suite_create("ops_errors");
    TCase *c = tcase_create("ops_errors");
    tcase_add_loop_test(c, a_mistake_fails_the_tape_and_says_what_and_where, 0, MISTAKES);
    tcase_add_test(c, operations_on_a_failed_value_fail_silently);
    tcase_add_test(c, values_of_no_tape_are_refused_without_one);
    suite_add_tcase(s, c);
    return s;
}
