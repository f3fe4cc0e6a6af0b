/* ops_arrange_errors: mistakes with the operations of ops_arrange and ops_index fail the tape with a message that names
 * the operation, its operands' shapes and what is wrong. */
#include "mistakes.h"

static ag_value i(ag_tape *t, double value, int rank, const int64_t *dim) {
    return ag_full(t, AG_I64, rank, dim, value);
}
static ag_value b(ag_tape *t, int64_t n) { return ag_full(t, AG_BOOL, 1, &n, 1); }
#define RANK(...)     (int)(sizeof(SHAPE(__VA_ARGS__)) / sizeof(int64_t))
#define I(value, ...) i(t, value, RANK(__VA_ARGS__), SHAPE(__VA_ARGS__))

/* What a function of several parts answers: its first part, which has failed like the rest. */
static ag_value parts(int n, const ag_value *part) {
    ck_assert_int_eq(n, 0);
    ck_assert(!ag_ok(part[1]));
    return part[0];
}
#define PARTS(name, call)                                                                                         \
    static ag_value name(ag_tape *t) {                                                                            \
        ag_value part[2];                                                                                         \
        int n = call;                                                                                             \
        return parts(n, part);                                                                                    \
    }

MAKE(gather_dtype, ag_gather(F(2, 3), 0, F(2, 3)))
MAKE(gather_rank, ag_gather(F(2, 3), 0, I(0, 2)))
MAKE(gather_size, ag_gather(F(2, 3), 0, I(0, 5, 4)))
MAKE(gather_axis, ag_gather(F(2, 3), 2, I(0, 2, 3)))
MAKE(gather_index, ag_gather(F(2, 3), 0, I(2, 1, 3)))
MAKE(gather_negative, ag_gather(F(2, 3), 1, I(-1, 2, 2)))
MAKE(scatter_add_index, ag_scatter_add(F(2, 3), 1, I(3, 2, 2), F(2, 2)))
MAKE(scatter_add_size, ag_scatter_add(F(2, 3), 1, I(0, 2, 3), F(2, 2)))
MAKE(scatter_add_rank, ag_scatter_add(F(2, 3), 1, I(0, 2, 3), F(6)))
MAKE(scatter_add_dtype, ag_scatter_add(F(2, 3), 1, F(2, 2), F(2, 2)))
MAKE(scatter_add_axis, ag_scatter_add(F(2, 3), -3, I(0, 2, 2), F(2, 2)))
MAKE(scatter_add_bools, ag_scatter_add(b(t, 2), 0, I(0, 2), b(t, 2)))
MAKE(index_add_index, ag_index_add(F(2, 3), 1, I(3, 2), F(2, 2)))
MAKE(index_add_rank, ag_index_add(F(2, 3), 1, I(0, 2, 1), F(2, 2)))
MAKE(index_add_dtype, ag_index_add(F(2, 3), 1, F(2), F(2, 2)))
MAKE(index_add_count, ag_index_add(F(2, 3), 1, I(0, 3), F(2, 2)))
MAKE(index_add_shape, ag_index_add(F(2, 3), 1, I(0, 2), F(1, 2)))
MAKE(index_add_axis, ag_index_add(F(2, 3), 2, I(0, 2), F(2, 2)))
MAKE(masked_fill_dtype, ag_masked_fill(F(2, 3), F(2, 3), 1))
MAKE(masked_fill_shape, ag_masked_fill(F(2, 3), b(t, 2), 1))
MAKE(tril_rank, ag_tril(F(3), 0))
MAKE(triu_rank, ag_triu(ag_scalar(t, 1), 0))
MAKE(diagonal_axis, ag_diagonal(F(2, 3), 0, 0, 2))
MAKE(diagonal_twice, ag_diagonal(F(2, 3), 0, 1, -1))
MAKE(diagonal_vector, ag_diagonal(F(3), 0, 0, 1))
MAKE(diag_embed_scalar, ag_diag_embed(ag_scalar(t, 1), 0, -2, -1))
MAKE(diag_embed_rank, ag_diag_embed(F(1, 1, 1, 1, 1, 1, 1, 1), 0, -2, -1))
MAKE(diag_embed_twice, ag_diag_embed(F(3), 0, 0, 0))
MAKE(diag_embed_axis, ag_diag_embed(F(3), 0, 0, 2))
MAKE(diag_embed_huge, ag_diag_embed(F(3), INT64_MIN, 0, 1))
MAKE(diag_embed_large, ag_diag_embed(F(3), INT64_MAX / 4, 0, 1))
MAKE(flatten_axis, ag_flatten(F(2, 3), 0, 2))
MAKE(flatten_order, ag_flatten(F(2, 3), 1, 0))
MAKE(flip_axis, ag_flip(F(2, 3), AXES(2), 1))
MAKE(flip_twice, ag_flip(F(2, 3), AXES(1, -1), 2))
MAKE(flip_many, ag_flip(F(2, 3), AXES(0), 9))
MAKE(roll_axis, ag_roll(F(2, 3), SHAPE(1), AXES(2), 1))
MAKE(roll_many, ag_roll(F(2, 3), SHAPE(1), AXES(0), 9))
MAKE(tile_negative, ag_tile(F(2, 3), SHAPE(-1), 1))
MAKE(tile_many, ag_tile(F(2, 3), SHAPE(1), 9))
MAKE(tile_huge, ag_tile(F(2, 3), SHAPE(INT64_MAX, 1), 2))
MAKE(tile_product, ag_tile(F(2, 3), SHAPE(INT64_MAX / 4, INT64_MAX / 4), 2))
MAKE(interleave_negative, ag_repeat_interleave(F(2, 3), -1, 0))
MAKE(interleave_axis, ag_repeat_interleave(F(2, 3), 2, 2))
MAKE(interleave_huge, ag_repeat_interleave(F(2, 3), INT64_MAX, AG_ALL_AXES))
MAKE(pad_odd, ag_pad(F(2, 3), SHAPE(1, 1, 1), 3, 0))
MAKE(pad_long, ag_pad(F(3), SHAPE(1, 1, 1, 1), 4, 0))
MAKE(pad_many, ag_pad(F(2, 3), SHAPE(1), 10, 0))
MAKE(pad_cut, ag_pad(F(2, 3), SHAPE(-2, -2), 2, 0))
MAKE(pad_huge, ag_pad(F(2, 3), SHAPE(INT64_MAX, INT64_MAX), 2, 0))
MAKE(pad_lowest, ag_pad(F(2, 3), SHAPE(INT64_MIN, INT64_MAX), 2, 0))
MAKE(pad_large, ag_pad(F(2, 3), SHAPE(INT64_MAX / 2, 0), 2, 0))
PARTS(split_axis, ag_split(F(2, 3), 1, 2, part, 2))
PARTS(split_size, ag_split(F(2, 3), 0, 1, part, 2))
PARTS(split_negative, ag_split(F(2, 3), -1, 1, part, 2))
PARTS(split_room, ag_split(F(2, 3), 1, 1, part, 2))
PARTS(split_sum, ag_split_sizes(F(2, 3), SHAPE(1, 1), 2, 1, part))
PARTS(split_beyond, ag_split_sizes(F(2, 3), SHAPE(2, 2), 2, 1, part))
PARTS(chunk_none, ag_chunk(F(2, 3), 0, 1, part, 2))
PARTS(chunk_room, ag_chunk(F(2, 0), INT64_MAX, 1, part, 2))

static const mistake mistakes[] = {
    {gather_dtype, AG_ERROR_DTYPE, {"gather", "f32"}},
    {gather_rank, AG_ERROR_SHAPE, {"gather", "(2, 3)", "(2)"}},
    {gather_size, AG_ERROR_SHAPE, {"gather", "(2, 3)", "(5, 4)"}},
    {gather_axis, AG_ERROR_AXIS, {"gather", "axis 2"}},
    {gather_index, AG_ERROR_INDEX, {"gather", "index[0, 0] = 2", "axis 0 of size 2"}},
    {gather_negative, AG_ERROR_INDEX, {"gather", "index[0, 0] = -1", "axis 1 of size 3"}},
    {scatter_add_index, AG_ERROR_INDEX, {"scatter_add", "index[0, 0] = 3", "axis 1 of size 3"}},
    {scatter_add_size, AG_ERROR_SHAPE, {"scatter_add", "(2, 3)", "(2, 2)"}},
    {scatter_add_rank, AG_ERROR_SHAPE, {"scatter_add", "(2, 3)", "(6)"}},
    {scatter_add_dtype, AG_ERROR_DTYPE, {"scatter_add", "f32"}},
    {scatter_add_axis, AG_ERROR_AXIS, {"scatter_add", "axis -3"}},
    {scatter_add_bools, AG_ERROR_DTYPE, {"scatter_add", "bool"}},
    {index_add_index, AG_ERROR_INDEX, {"index_add", "index[0] = 3", "axis 1 of size 3"}},
    {index_add_rank, AG_ERROR_SHAPE, {"index_add", "(2, 1)", "rank 1"}},
    {index_add_dtype, AG_ERROR_DTYPE, {"index_add", "f32"}},
    {index_add_count, AG_ERROR_SHAPE, {"index_add", "(3)", "(2, 2)"}},
    {index_add_shape, AG_ERROR_SHAPE, {"index_add", "(2, 3)", "(1, 2)"}},
    {index_add_axis, AG_ERROR_AXIS, {"index_add", "axis 2"}},
    {masked_fill_dtype, AG_ERROR_DTYPE, {"masked_fill", "f32"}},
    {masked_fill_shape, AG_ERROR_SHAPE, {"masked_fill", "(2, 3)", "(2)"}},
    {tril_rank, AG_ERROR_SHAPE, {"tril", "(3)"}},
    {triu_rank, AG_ERROR_SHAPE, {"triu", "rank 0"}},
    {diagonal_axis, AG_ERROR_AXIS, {"diagonal", "axis 2", "(2, 3)"}},
    {diagonal_twice, AG_ERROR_AXIS, {"diagonal", "twice", "(2, 3)"}},
    {diagonal_vector, AG_ERROR_AXIS, {"diagonal", "(3)"}},
    {diag_embed_scalar, AG_ERROR_SHAPE, {"diag_embed", "rank 0"}},
    {diag_embed_rank, AG_ERROR_SHAPE, {"diag_embed", "rank 8"}},
    {diag_embed_twice, AG_ERROR_AXIS, {"diag_embed", "twice"}},
    {diag_embed_axis, AG_ERROR_AXIS, {"diag_embed", "axis 2"}},
    {diag_embed_huge, AG_ERROR_SHAPE, {"diag_embed", "too many"}},
    {diag_embed_large, AG_ERROR_SHAPE, {"diag_embed", "too many"}},
    {flatten_axis, AG_ERROR_AXIS, {"flatten", "axis 2", "(2, 3)"}},
    {flatten_order, AG_ERROR_AXIS, {"flatten", "axis 1", "(2, 3)"}},
    {flip_axis, AG_ERROR_AXIS, {"flip", "axis 2", "(2, 3)"}},
    {flip_twice, AG_ERROR_AXIS, {"flip", "(2, 3)"}},
    {flip_many, AG_ERROR_AXIS, {"flip", "9"}},
    {roll_axis, AG_ERROR_AXIS, {"roll", "axis 2", "(2, 3)"}},
    {roll_many, AG_ERROR_VALUE, {"roll", "9"}},
    {tile_negative, AG_ERROR_VALUE, {"tile", "-1", "(2, 3)"}},
    {tile_many, AG_ERROR_VALUE, {"tile", "9"}},
    {tile_huge, AG_ERROR_SHAPE, {"tile", "too many", "(2, 3)"}},
    {tile_product, AG_ERROR_SHAPE, {"tile", "too many", "(2, 3)"}},
    {interleave_negative, AG_ERROR_VALUE, {"repeat_interleave", "-1", "(2, 3)"}},
    {interleave_axis, AG_ERROR_AXIS, {"repeat_interleave", "axis 2", "(2, 3)"}},
    {interleave_huge, AG_ERROR_SHAPE, {"repeat_interleave", "too many", "(2, 3)"}},
    {pad_odd, AG_ERROR_VALUE, {"pad", "3 margins", "(2, 3)"}},
    {pad_long, AG_ERROR_VALUE, {"pad", "4 margins", "(3)"}},
    {pad_many, AG_ERROR_VALUE, {"pad", "10"}},
    {pad_cut, AG_ERROR_SHAPE, {"pad", "-2", "(2, 3)"}},
    {pad_huge, AG_ERROR_SHAPE, {"pad", "too many", "(2, 3)"}},
    {pad_lowest, AG_ERROR_SHAPE, {"pad", "(2, 3)"}},
    {pad_large, AG_ERROR_SHAPE, {"pad", "too many", "(2, 3)"}},
    {split_axis, AG_ERROR_AXIS, {"split", "axis 2", "(2, 3)"}},
    {split_size, AG_ERROR_VALUE, {"split", "size 0", "(2, 3)"}},
    {split_negative, AG_ERROR_VALUE, {"split", "-1", "(2, 3)"}},
    {split_room, AG_ERROR_VALUE, {"split", "there are 3", "(2, 3)"}},
    {split_sum, AG_ERROR_VALUE, {"split", "add up to 2", "(2, 3)"}},
    {split_beyond, AG_ERROR_VALUE, {"split", "part 1", "(2, 3)"}},
    {chunk_none, AG_ERROR_VALUE, {"chunk", "got 0", "(2, 3)"}},
    {chunk_room, AG_ERROR_VALUE, {"chunk", "room for 2", "(2, 0)"}},
};
enum { MISTAKES = sizeof mistakes / sizeof mistakes[0] };

START_TEST(a_mistake_fails_the_tape_and_says_what_and_where) { expect_mistake(&mistakes[_i], _i); }
END_TEST

START_TEST(failed_values_and_values_of_no_tape_give_failed_values) {
    ag_tape *t = ag_tape_new(NULL);
    const ag_value none = {0}, bad = ag_matmul(F(2, 3), F(4, 5));
    ag_value part[2];
    for (int k = 0; k < 2; k++) {
        const ag_value x = k ? bad : none;
        ck_assert(!ag_ok(ag_gather(x, 0, x)) && !ag_ok(ag_index_add(x, 0, x, x)) && !ag_ok(ag_tril(x, 0)));
        ck_assert(!ag_ok(ag_tile(x, SHAPE(2), 1)) && !ag_ok(ag_repeat_interleave(x, 2, AG_ALL_AXES)));
        ck_assert(!ag_ok(ag_flatten(x, 0, 1)) && !ag_ok(ag_pad(x, SHAPE(1, 1), 2, 0)));
        ck_assert_int_eq(ag_split(x, 1, 0, part, 2), 0);
        ck_assert(!ag_ok(part[0]) && !ag_ok(part[1]));
    }
    ag_tape_free(t);
}
END_TEST

Suite *ops_arrange_errors_suite(void) {
    Suite *s = suite_create("ops_arrange_errors");
    TCase *c = tcase_create("ops_arrange_errors");
    tcase_add_loop_test(c, a_mistake_fails_the_tape_and_says_what_and_where, 0, MISTAKES);
    tcase_add_test(c, failed_values_and_values_of_no_tape_give_failed_values);
    suite_add_tcase(s, c);
    return s;
}
