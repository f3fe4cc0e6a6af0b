/* shape: layouts, promotion, broadcasting, axes. */
#include <autograd/shape.h>

#include <check.h>
#include <string.h>

static ag_meta meta_of(ag_dtype dtype, int rank, const int64_t *dim) {
    ag_meta m;
    ag_error error = {0};
    ag_status status = ag_meta_init(&m, dtype, rank, dim, &error);
    ck_assert_msg(status == AG_OK, "%s", error.message);
    return m;
}
#define META(dtype, ...) meta_of(dtype, sizeof((int64_t[]){__VA_ARGS__}) / 8, (int64_t[]){__VA_ARGS__})

START_TEST(dtypes_have_names_and_sizes) {
    ck_assert_str_eq(ag_dtype_name(AG_BOOL), "bool");
    ck_assert_str_eq(ag_dtype_name(AG_I64), "i64");
    ck_assert_str_eq(ag_dtype_name(AG_F32), "f32");
    ck_assert_str_eq(ag_dtype_name(AG_F64), "f64");
    ck_assert_uint_eq(ag_dtype_size(AG_BOOL), 1);
    ck_assert_uint_eq(ag_dtype_size(AG_I64), 8);
    ck_assert_uint_eq(ag_dtype_size(AG_F32), 4);
    ck_assert_uint_eq(ag_dtype_size(AG_F64), 8);
    ck_assert(!ag_dtype_is_float(AG_BOOL) && !ag_dtype_is_float(AG_I64));
    ck_assert(ag_dtype_is_float(AG_F32) && ag_dtype_is_float(AG_F64));
    ck_assert_ptr_nonnull(ag_dtype_name((ag_dtype)99));
    ck_assert_uint_eq(ag_dtype_size((ag_dtype)99), 0);
}
END_TEST

START_TEST(init_lays_out_row_major) {
    ag_meta m = META(AG_F32, 2, 3, 4);
    ck_assert_int_eq(m.rank, 3);
    ck_assert_int_eq(m.stride[0], 12);
    ck_assert_int_eq(m.stride[1], 4);
    ck_assert_int_eq(m.stride[2], 1);
    ck_assert_int_eq(m.offset, 0);
    ck_assert_int_eq(ag_meta_count(&m), 24);
    ck_assert_uint_eq(ag_meta_bytes(&m), 96);
    ck_assert(ag_meta_is_dense(&m));
}
END_TEST

START_TEST(rank_0_has_one_element_and_empty_shapes_none) {
    ag_meta scalar = meta_of(AG_F64, 0, NULL), empty = META(AG_F64, 3, 0, 2);
    ck_assert_int_eq(ag_meta_count(&scalar), 1);
    ck_assert_uint_eq(ag_meta_bytes(&scalar), 8);
    ck_assert(ag_meta_is_dense(&scalar));
    ck_assert_int_eq(ag_meta_count(&empty), 0);
    ck_assert_uint_eq(ag_meta_bytes(&empty), 0);
    ck_assert(ag_meta_is_dense(&empty));
}
END_TEST

START_TEST(init_refuses_what_cannot_be_laid_out) {
    ag_meta m;
    ag_error error = {0};
    const int64_t nine[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1}, negative[2] = {3, -1};
    const int64_t many[2] = {INT64_C(1) << 32, INT64_C(1) << 31}, bytes[1] = {INT64_MAX / 4};
    const int64_t hidden[3] = {INT64_C(1) << 62, 0, INT64_C(1) << 62};
    ck_assert_int_eq(ag_meta_init(&m, AG_F32, 9, nine, &error), AG_ERROR_SHAPE);
    ck_assert_ptr_nonnull(strstr(error.message, "rank 9"));
    ck_assert_int_eq(ag_meta_init(&m, AG_F32, -1, nine, &error), AG_ERROR_SHAPE);
    ck_assert_int_eq(ag_meta_init(&m, AG_F32, 2, negative, &error), AG_ERROR_SHAPE);
    ck_assert_ptr_nonnull(strstr(error.message, "dimension 1 is negative: -1"));
    ck_assert_int_eq(ag_meta_init(&m, AG_BOOL, 2, many, &error), AG_ERROR_SHAPE);
    ck_assert_int_eq(ag_meta_init(&m, AG_F64, 1, bytes, &error), AG_ERROR_SHAPE);
    ck_assert_int_eq(ag_meta_init(&m, AG_BOOL, 1, bytes, &error), AG_OK);
    ck_assert_int_eq(ag_meta_init(&m, AG_BOOL, 3, hidden, &error), AG_ERROR_SHAPE);
    ck_assert_int_eq(ag_meta_init(&m, (ag_dtype)7, 0, NULL, &error), AG_ERROR_DTYPE);
    ck_assert_int_eq(ag_meta_init(&m, AG_F32, 9, nine, NULL), AG_ERROR_SHAPE);
}
END_TEST

START_TEST(density_looks_at_strides_of_dimensions_that_matter) {
    ag_meta m = META(AG_F32, 2, 1, 4);
    m.stride[1] = 77; /* size 1: never stepped along */
    ck_assert(ag_meta_is_dense(&m));
    m.stride[0] = 5;
    ck_assert(!ag_meta_is_dense(&m));
    ag_meta transposed = META(AG_F32, 3, 4);
    transposed.stride[0] = 1, transposed.stride[1] = 3;
    ck_assert(!ag_meta_is_dense(&transposed));
    ag_meta_make_dense(&transposed);
    ck_assert(ag_meta_is_dense(&transposed));
}
END_TEST

START_TEST(same_shape_ignores_dtype_and_strides) {
    ag_meta x = META(AG_F32, 2, 3), y = META(AG_F64, 2, 3), z = META(AG_F32, 3, 2), w = META(AG_F32, 2, 3, 1);
    y.stride[0] = 100;
    ck_assert(ag_meta_same_shape(&x, &y));
    ck_assert(!ag_meta_same_shape(&x, &z));
    ck_assert(!ag_meta_same_shape(&x, &w));
}
END_TEST

START_TEST(text_shows_dtype_and_shape) {
    char text[AG_META_TEXT];
    ag_meta scalar = meta_of(AG_F64, 0, NULL), row = META(AG_I64, 5), matrix = META(AG_F32, 3, 4);
    ck_assert_str_eq(ag_meta_text(&scalar, text, sizeof text), "f64 ()");
    ck_assert_str_eq(ag_meta_text(&row, text, sizeof text), "i64 (5)");
    ck_assert_str_eq(ag_meta_text(&matrix, text, sizeof text), "f32 (3, 4)");
}
END_TEST

START_TEST(text_is_cut_to_the_room_there_is) {
    ag_meta m = META(AG_BOOL, 123456, 7, 8, 9);
    char whole[AG_META_TEXT], text[AG_META_TEXT];
    ag_meta_text(&m, whole, sizeof whole);
    for (size_t size = 1; size <= strlen(whole) + 1; size++) {
        memset(text, '#', sizeof text);
        ag_meta_text(&m, text, size);
        ck_assert_uint_eq(strlen(text), size - 1);
        ck_assert_int_eq(strncmp(text, whole, size - 1), 0);
        ck_assert_int_eq(text[size], '#');
    }
    ck_assert_ptr_eq(ag_meta_text(&m, text, 0), text);
    /* The longest text there is fits AG_META_TEXT. */
    for (int k = 0; k < AG_MAX_RANK; k++) m.dim[k] = INT64_MAX;
    m.rank = AG_MAX_RANK;
    ag_meta_text(&m, text, sizeof text);
    ck_assert_int_eq(text[strlen(text) - 1], ')');
}
END_TEST

START_TEST(arrays_promote_to_the_wider_dtype) {
    for (int x = 0; x < AG_DTYPE_COUNT; x++)
        for (int y = 0; y < AG_DTYPE_COUNT; y++)
            for (int rank = 0; rank <= 1; rank++) {
                ag_meta a = meta_of((ag_dtype)x, rank, (int64_t[]){2}),
                        b = meta_of((ag_dtype)y, rank, (int64_t[]){2});
                ck_assert_int_eq(ag_promote((const ag_meta *[]){&a, &b}, 2), x > y ? x : y);
            }
}
END_TEST

START_TEST(a_rank_0_operand_widens_only_a_lower_category) {
    /* Row: the array's dtype. Column: the number's. torch.result_type(torch.ones(2, dtype=row),
     * torch.ones((), dtype=column)). */
    static const ag_dtype expected[AG_DTYPE_COUNT][AG_DTYPE_COUNT] = {
        [AG_BOOL] = {AG_BOOL, AG_I64, AG_F32, AG_F64},
        [AG_I64] = {AG_I64, AG_I64, AG_F32, AG_F64},
        [AG_F32] = {AG_F32, AG_F32, AG_F32, AG_F32},
        [AG_F64] = {AG_F64, AG_F64, AG_F64, AG_F64},
    };
    for (int x = 0; x < AG_DTYPE_COUNT; x++)
        for (int y = 0; y < AG_DTYPE_COUNT; y++) {
            ag_meta array = meta_of((ag_dtype)x, 1, (int64_t[]){2}), number = meta_of((ag_dtype)y, 0, NULL);
            ck_assert_int_eq(ag_promote((const ag_meta *[]){&array, &number}, 2), expected[x][y]);
            ck_assert_int_eq(ag_promote((const ag_meta *[]){&number, &array}, 2), expected[x][y]);
        }
}
END_TEST

START_TEST(broadcasting_aligns_shapes_at_their_ends) {
    ag_meta x = META(AG_F32, 8, 1, 6, 1), y = META(AG_F32, 7, 1, 5), z = meta_of(AG_F64, 0, NULL), out = {0};
    out.dtype = AG_I64;
    ck_assert_int_eq(ag_broadcast((const ag_meta *[]){&x, &y, &z}, 3, &out, NULL), AG_OK);
    ag_meta expected = META(AG_F32, 8, 7, 6, 5);
    ck_assert(ag_meta_same_shape(&out, &expected));
    ck_assert_int_eq(out.dtype, AG_I64);
}
END_TEST

START_TEST(broadcasting_repeats_ones_only) {
    ag_meta one = META(AG_F32, 1), none = META(AG_F32, 0), two = META(AG_F32, 2), out;
    ck_assert_int_eq(ag_broadcast((const ag_meta *[]){&one, &none}, 2, &out, NULL), AG_OK);
    ck_assert_int_eq(out.dim[0], 0);
    ck_assert_int_eq(ag_broadcast((const ag_meta *[]){&none, &two}, 2, &out, NULL), AG_ERROR_SHAPE);
}
END_TEST

START_TEST(broadcasting_may_write_over_an_operand) {
    ag_meta x = META(AG_F32, 3), y = META(AG_F32, 2, 1);
    ck_assert_int_eq(ag_broadcast((const ag_meta *[]){&x, &y}, 2, &x, NULL), AG_OK);
    ag_meta expected = META(AG_F32, 2, 3);
    ck_assert(ag_meta_same_shape(&x, &expected));
}
END_TEST

START_TEST(a_broadcasting_error_names_both_shapes) {
    ag_meta x = META(AG_F32, 5, 3, 4), ones = META(AG_F32, 1, 1), y = META(AG_F32, 2, 4), out;
    ag_error error = {0};
    ck_assert_int_eq(ag_broadcast((const ag_meta *[]){&ones, &x, &y}, 3, &out, &error), AG_ERROR_SHAPE);
    ck_assert_ptr_nonnull(strstr(error.message, "(5, 3, 4)"));
    ck_assert_ptr_nonnull(strstr(error.message, "(2, 4)"));
    ck_assert_ptr_nonnull(strstr(error.message, "3 against 2 at axis -2"));
}
END_TEST

START_TEST(broadcasting_refuses_more_elements_than_can_be_counted) {
    ag_meta x = META(AG_BOOL, INT64_C(1) << 40, 1), y = META(AG_BOOL, INT64_C(1) << 40), out;
    ck_assert_int_eq(ag_broadcast((const ag_meta *[]){&x, &y}, 2, &out, NULL), AG_ERROR_SHAPE);
}
END_TEST

START_TEST(broadcast_strides_repeat_what_is_missing) {
    ag_meta x = META(AG_F32, 3, 1, 2), to = META(AG_F32, 4, 3, 5, 2);
    int64_t stride[AG_MAX_RANK];
    ag_broadcast_strides(&x, &to, stride);
    ck_assert_int_eq(stride[0], 0);
    ck_assert_int_eq(stride[1], 2);
    ck_assert_int_eq(stride[2], 0);
    ck_assert_int_eq(stride[3], 1);
}
END_TEST

START_TEST(axes_count_from_either_end) {
    int axis = 9;
    ck_assert_int_eq(ag_axis(0, 3, &axis, NULL), AG_OK);
    ck_assert_int_eq(axis, 0);
    ck_assert_int_eq(ag_axis(-1, 3, &axis, NULL), AG_OK);
    ck_assert_int_eq(axis, 2);
    ck_assert_int_eq(ag_axis(-3, 3, &axis, NULL), AG_OK);
    ck_assert_int_eq(axis, 0);
    ag_error error = {0};
    ck_assert_int_eq(ag_axis(3, 3, &axis, &error), AG_ERROR_AXIS);
    ck_assert_str_eq(error.message, "axis 3 is out of range for rank 3");
    ck_assert_int_eq(ag_axis(-4, 3, &axis, NULL), AG_ERROR_AXIS);
    ck_assert_int_eq(ag_axis(0, 0, &axis, NULL), AG_ERROR_AXIS);
    ck_assert_int_eq(ag_axis(INT64_MIN, 8, &axis, NULL), AG_ERROR_AXIS);
}
END_TEST

START_TEST(a_mask_holds_each_axis_once) {
    uint32_t mask = 99;
    ck_assert_int_eq(ag_axes_mask(&(ag_ints){0}, 3, &mask, NULL), AG_OK);
    ck_assert_uint_eq(mask, 7);
    ck_assert_int_eq(ag_axes_mask(&(ag_ints){0}, 0, &mask, NULL), AG_OK);
    ck_assert_uint_eq(mask, 0);
    ck_assert_int_eq(ag_axes_mask(&(ag_ints){1, {-1}}, 0, &mask, NULL), AG_OK); /* one axis of a scalar */
    ck_assert_uint_eq(mask, 0);
    ck_assert_int_eq(ag_axes_mask(&(ag_ints){1, {1}}, 0, &mask, NULL), AG_ERROR_AXIS);
    ck_assert_int_eq(ag_axes_mask(&(ag_ints){2, {0, -1}}, 0, &mask, NULL), AG_ERROR_AXIS);
    ck_assert_int_eq(ag_axes_mask(&(ag_ints){2, {-1, 0}}, 3, &mask, NULL), AG_OK);
    ck_assert_uint_eq(mask, 5);
    ag_error error = {0};
    ck_assert_int_eq(ag_axes_mask(&(ag_ints){2, {-1, 2}}, 3, &mask, &error), AG_ERROR_AXIS);
    ck_assert_str_eq(error.message, "axis 2 is named twice");
    ck_assert_int_eq(ag_axes_mask(&(ag_ints){1, {3}}, 3, &mask, NULL), AG_ERROR_AXIS);
    ck_assert_int_eq(ag_axes_mask(&(ag_ints){.n = 9}, 3, &mask, NULL), AG_ERROR_AXIS);
    ck_assert_int_eq(ag_axes_mask(&(ag_ints){.n = -1}, 3, &mask, NULL), AG_ERROR_AXIS);
    ck_assert_uint_eq(mask, 5);
}
END_TEST

Suite *shape_suite(void);
Suite *shape_suite(void) {
    Suite *s = suite_create("shape");
    TCase *layout = tcase_create("layout");
    tcase_add_test(layout, dtypes_have_names_and_sizes);
    tcase_add_test(layout, init_lays_out_row_major);
    tcase_add_test(layout, rank_0_has_one_element_and_empty_shapes_none);
    tcase_add_test(layout, init_refuses_what_cannot_be_laid_out);
    tcase_add_test(layout, density_looks_at_strides_of_dimensions_that_matter);
    tcase_add_test(layout, same_shape_ignores_dtype_and_strides);
    tcase_add_test(layout, text_shows_dtype_and_shape);
    tcase_add_test(layout, text_is_cut_to_the_room_there_is);
    suite_add_tcase(s, layout);
    TCase *operands = tcase_create("operands");
    tcase_add_test(operands, arrays_promote_to_the_wider_dtype);
    tcase_add_test(operands, a_rank_0_operand_widens_only_a_lower_category);
    tcase_add_test(operands, broadcasting_aligns_shapes_at_their_ends);
    tcase_add_test(operands, broadcasting_repeats_ones_only);
    tcase_add_test(operands, broadcasting_may_write_over_an_operand);
    tcase_add_test(operands, a_broadcasting_error_names_both_shapes);
    tcase_add_test(operands, broadcasting_refuses_more_elements_than_can_be_counted);
    tcase_add_test(operands, broadcast_strides_repeat_what_is_missing);
    suite_add_tcase(s, operands);
    TCase *axes = tcase_create("axes");
    tcase_add_test(axes, axes_count_from_either_end);
    tcase_add_test(axes, a_mask_holds_each_axis_once);
    suite_add_tcase(s, axes);
    return s;
}
