/* map: the driver that runs loops over operands of any layout and dtype. The bits must be those of dense operands of
 * the result's shape; the loops themselves are the business of test_vector.c. */
#include "kernel_support.h"

static const struct {
    const char *name;
    uint32_t arity;
} ROWS[] = {
#define ROW(name, arity, ...) {#name, arity},
#include <autograd/ops/elementwise.def>
#undef ROW
};

/* ---- layouts --------------------------------------------------------------------------------------------------------- */

/* A shape that broadcasts to (rank, dim): leading axes left out, some of the others 1. */
static int narrow(ag_random *r, int rank, const int64_t *dim, int64_t *out) {
    const int left_out =
        rank > 0 ? (int)ag_random_below(r, 3) * (int)ag_random_below(r, (uint64_t)rank + 1) / 2 : 0;
    for (int k = left_out; k < rank; k++) out[k - left_out] = ag_random_below(r, 3) == 0 ? 1 : dim[k];
    return rank - left_out;
}

/* The operand broadcast to z's shape and converted, element by element. */
static view spread(const view *x, const ag_meta *shape, ag_dtype dtype) {
    ag_random none = {0, 0};
    view y = view_new(dtype, shape->rank, shape->dim, DENSE, &none), read = *x;
    read.meta = *shape;
    read.meta.dtype = x->meta.dtype;
    ag_broadcast_strides(&x->meta, shape, read.meta.stride);
    const size_t from = ag_dtype_size(x->meta.dtype), to = ag_dtype_size(dtype);
    for (int64_t i = 0; i < ag_meta_count(shape); i++)
        agx_copy_row(x->meta.dtype, dtype)(1, (char *)read.array.data + view_offset(&read, i) * (int64_t)from, 1,
                                           (char *)y.array.data + (size_t)i * to, 1);
    return y;
}

static void check_layout(int row, ag_dtype dtype, const view *x, int rank, const int64_t *dim, ag_random *r,
                         ag_workspace *work) {
    const uint32_t n_in = ROWS[row].arity;
    view z = view_new(dtype, rank, dim, DENSE, r), want = view_new(dtype, rank, dim, DENSE, r), dense[2];
    ag_array in[2], dense_in[2];
    for (uint32_t k = 0; k < n_in; k++) {
        dense[k] = spread(&x[k], &z.meta, dtype);
        dense_in[k] = *array_of(&dense[k]);
        in[k] = (ag_array){&x[k].meta, x[k].array.data};
    }
    ck_assert_int_eq(agx_map_row((enum agx_row)row, dense_in, n_in, array_of(&want), 1.5, NULL), AG_OK);
    ck_assert_int_eq(agx_map_row((enum agx_row)row, in, n_in, array_of(&z), 1.5, work), AG_OK);
    assert_same_bits(&z, &want, ROWS[row].name);
    for (uint32_t k = 0; k < n_in; k++) view_free(&dense[k]);
    view_free(&z);
    view_free(&want);
}

START_TEST(any_layout_and_dtype_gives_the_bits_of_dense_operands) {
    static const int rows[] = {AGX_ROW_add, AGX_ROW_maximum, AGX_ROW_tanh, AGX_ROW_pow, AGX_ROW_mul_number};
    static const ag_dtype dtypes[] = {AG_F32, AG_F64, AG_I64, AG_BOOL};
    ag_random r = {10, 0};
    ag_workspace work;
    agx_workspace_init(&work, 2);
    for (int trial = 0; trial < 1500; trial++) {
        const int row = rows[trial % 5];
        const bool integers = agx_vector_table()->integers[row] != NULL;
        const ag_dtype dtype = dtypes[ag_random_below(&r, integers ? 3 : 2)];
        int64_t dim[AG_MAX_RANK];
        const int rank = random_shape(&r, dim);
        view x[2];
        for (uint32_t k = 0; k < ROWS[row].arity; k++) {
            int64_t own[AG_MAX_RANK];
            const int own_rank = narrow(&r, rank, dim, own);
            const ag_dtype own_dtype = ag_random_below(&r, 3) ? dtype : dtypes[ag_random_below(&r, 4)];
            x[k] = view_random(own_dtype, own_rank, own, ag_random_below(&r, 3) ? STRIDED : DENSE, 0.3, 3, &r);
        }
        check_layout(row, dtype, x, rank, dim, &r, ag_random_below(&r, 4) ? &work : NULL);
        for (uint32_t k = 0; k < ROWS[row].arity; k++) view_free(&x[k]);
    }
    agx_workspace_clear(&work);
}
END_TEST

START_TEST(threads_do_not_change_bits) {
    static const int64_t shapes[][2] = {{1, 70001}, {300, 257}, {20011, 3}, {2000, 33}};
    ag_random r = {11, 0};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        const int64_t *dim = shapes[i], row[1] = {dim[1]}, column[2] = {dim[0], 1};
        view x = view_random(AG_F32, 2, dim, DENSE, 0.3, 3, &r), turned = x;
        view others[] = {
            view_random(AG_F32, 2, dim, DENSE, 0.3, 3, &r), view_random(AG_F32, 1, row, DENSE, 0.3, 3, &r),
            view_random(AG_F32, 2, column, DENSE, 0.3, 3, &r), view_random(AG_F64, 1, row, DENSE, 0.3, 3, &r)};
        turned.meta.stride[0] = 1;
        turned.meta.stride[1] = dim[0];
        for (int threads = 1; threads <= 3; threads++) {
            ag_workspace work;
            agx_workspace_init(&work, threads);
            for (int k = 0; k < 4; k++) {
                const view in[2] = {k == 0 ? turned : x, others[k]};
                check_layout(AGX_ROW_pow, AG_F32, in, 2, dim, &r, &work);
            }
            agx_workspace_clear(&work);
        }
        view_free(&x);
        for (int k = 0; k < 4; k++) view_free(&others[k]);
    }
}
END_TEST

START_TEST(rows_of_floats_refuse_integers) {
    int64_t x[2] = {1, 2}, z[2];
    ag_meta meta;
    ck_assert_int_eq(ag_meta_init(&meta, AG_I64, 1, (int64_t[]){2}, NULL), AG_OK);
    const ag_array in = {&meta, x}, out = {&meta, z};
    ck_assert_int_eq(agx_map_row(AGX_ROW_exp, &in, 1, &out, 0, NULL), AG_ERROR_DTYPE);
    meta.dtype = AG_BOOL;
    ck_assert_int_eq(agx_map_row(AGX_ROW_neg, &in, 1, &out, 0, NULL), AG_ERROR_DTYPE);
}
END_TEST

START_TEST(integers_are_exact_and_wrap_around) {
    const int64_t big = (INT64_C(1) << 53) + 1;
    int64_t x[3] = {INT64_MAX, -7, big}, y[3] = {1, 3, big}, z[3];
    ag_meta meta;
    ck_assert_int_eq(ag_meta_init(&meta, AG_I64, 1, (int64_t[]){3}, NULL), AG_OK);
    const ag_array in[2] = {{&meta, x}, {&meta, y}}, out = {&meta, z};
    ck_assert_int_eq(agx_map_row(AGX_ROW_add, in, 2, &out, 0, NULL), AG_OK);
    ck_assert(z[0] == INT64_MIN && z[1] == -4 && z[2] == 2 * big);
    ck_assert_int_eq(agx_map_row(AGX_ROW_maximum, in, 2, &out, 0, NULL), AG_OK);
    ck_assert(z[0] == INT64_MAX && z[1] == 3 && z[2] == big);
    ck_assert_int_eq(agx_map_row(AGX_ROW_sign, in, 1, &out, 0, NULL), AG_OK);
    ck_assert(z[0] == 1 && z[1] == -1 && z[2] == 1);
}
END_TEST

/* ---- comparing and choosing ------------------------------------------------------------------------------------------- */

static bool holds(int which, double x, double y) {
    switch (which) {
    case AGX_EQ: return x == y;
    case AGX_NE: return x != y;
    case AGX_LT: return x < y;
    case AGX_LE: return x <= y;
    case AGX_GT: return x > y;
    default: return x >= y;
    }
}

static void comparisons_agree(void) {
    static const ag_dtype dtypes[] = {AG_F32, AG_F64, AG_I64, AG_BOOL};
    ag_random r = {12, 0};
    for (int trial = 0; trial < 400; trial++) {
        int64_t dim[AG_MAX_RANK], own[2][AG_MAX_RANK];
        const int rank = random_shape(&r, dim);
        view x[2], wide[2], z = view_new(AG_BOOL, rank, dim, DENSE, &r);
        for (int k = 0; k < 2; k++) {
            const ag_dtype dtype = dtypes[ag_random_below(&r, 4)];
            const int own_rank = narrow(&r, rank, dim, own[k]);
            x[k] = view_random(dtype, own_rank, own[k], STRIDED, -2, 3, &r);
            for (int64_t i = 0; i < ag_meta_count(&x[k].meta) && ag_dtype_is_float(dtype); i++)
                view_set(&x[k], i, ag_random_below(&r, 9) ? round(view_get(&x[k], i)) : NAN);
            wide[k] = spread(&x[k], &z.meta, AG_F64);
        }
        const ag_array in[2] = {*array_of(&x[0]), *array_of(&x[1])};
        for (int which = 0; which < AGX_COMPARE_COUNT; which++) {
            ck_assert_int_eq(agx_compare(which, in, array_of(&z), NULL), AG_OK);
            int64_t wrong = 0;
            for (int64_t i = 0; i < ag_meta_count(&z.meta); i++)
                wrong += ((unsigned char *)z.array.data)[i] !=
                         holds(which, view_get(&wide[0], i), view_get(&wide[1], i));
            ck_assert_int_eq(wrong, 0);
        }
        for (int k = 0; k < 2; k++) {
            view_free(&x[k]);
            view_free(&wide[k]);
        }
        view_free(&z);
    }
}

START_TEST(comparisons_are_those_of_c_in_any_dtype_and_layout) { at_every_level(comparisons_agree); }
END_TEST

static void selections_agree(void) {
    static const ag_dtype dtypes[] = {AG_F32, AG_F64, AG_I64, AG_BOOL};
    ag_random r = {13, 0};
    for (int trial = 0; trial < 400; trial++) {
        const ag_dtype dtype = dtypes[trial % 4];
        int64_t dim[AG_MAX_RANK], own[3][AG_MAX_RANK];
        const int rank = random_shape(&r, dim);
        view x[3], wide[3], z = view_new(dtype, rank, dim, DENSE, &r);
        ag_array in[3];
        for (int k = 0; k < 3; k++) {
            const int own_rank = narrow(&r, rank, dim, own[k]);
            const ag_dtype own_dtype = k == 0 ? AG_BOOL : dtype;
            x[k] = view_random(own_dtype, own_rank, own[k], ag_random_below(&r, 2) ? STRIDED : DENSE, 0, 2, &r);
            wide[k] = spread(&x[k], &z.meta, own_dtype);
            in[k] = *array_of(&x[k]);
        }
        ck_assert_int_eq(agx_select(in, array_of(&z), NULL), AG_OK);
        int64_t wrong = 0;
        for (int64_t i = 0; i < ag_meta_count(&z.meta); i++)
            wrong += view_get(&z, i) != view_get(&wide[view_get(&wide[0], i) != 0 ? 1 : 2], i);
        ck_assert_int_eq(wrong, 0);
        for (int k = 0; k < 3; k++) {
            view_free(&x[k]);
            view_free(&wide[k]);
        }
        view_free(&z);
    }
}

START_TEST(selection_takes_each_element_by_its_condition) { at_every_level(selections_agree); }
END_TEST

Suite *map_suite(void) {
    Suite *s = suite_create("map");
    TCase *tc = tcase_create("map");
    tcase_add_test(tc, any_layout_and_dtype_gives_the_bits_of_dense_operands);
    tcase_add_test(tc, threads_do_not_change_bits);
    tcase_add_test(tc, rows_of_floats_refuse_integers);
    tcase_add_test(tc, integers_are_exact_and_wrap_around);
    tcase_add_test(tc, comparisons_are_those_of_c_in_any_dtype_and_layout);
    tcase_add_test(tc, selection_takes_each_element_by_its_condition);
    tcase_set_timeout(tc, 120);
    suite_add_tcase(s, tc);
    return s;
}
