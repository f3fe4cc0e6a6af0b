/* copy: conversion, layouts, filling and adding. */
#include "kernel_support.h"

static const ag_dtype DTYPES[] = {AG_BOOL, AG_I64, AG_F32, AG_F64};

/* A destination: strided, but no element twice. */
static view target_new(ag_dtype dtype, int rank, const int64_t *dim, ag_random *r) {
    for (;;) {
        view v = view_new(dtype, rank, dim, STRIDED, r);
        bool overlaps = false;
        for (int k = 0; k < rank; k++) overlaps = overlaps || (v.meta.stride[k] == 0 && dim[k] > 1);
        if (!overlaps) return v;
        view_free(&v);
    }
}

/* Element i of z, row-major, in x broadcast to z. */
static int64_t source_offset(const view *x, const view *z, int64_t i) {
    view read = {.meta = z->meta};
    ag_broadcast_strides(&x->meta, &z->meta, read.meta.stride);
    return view_offset(&read, i);
}

START_TEST(conversions_truncate_saturate_and_know_nan) {
    const double x[] = {0, -0.0, 1.9, -1.9, 1e300, -1e300, NAN, INFINITY, 0.25, 9007199254740993.0};
    const int64_t integers[] = {0, 0, 1, -1, INT64_MAX, INT64_MIN, 0, INT64_MAX, 0, 9007199254740992};
    int64_t z[10];
    bool b[10];
    float f[10];
    agx_copy_row(AG_F64, AG_I64)(10, x, 1, z, 1);
    agx_copy_row(AG_F64, AG_BOOL)(10, x, 1, b, 1);
    agx_copy_row(AG_F64, AG_F32)(10, x, 1, f, 1);
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(z[i], integers[i]);
        ck_assert_int_eq(b[i], x[i] != 0);
        ck_assert(isnan(x[i]) ? isnan(f[i]) : f[i] == (float)x[i]);
    }
    agx_copy_row(AG_F32, AG_I64)(10, f, 1, z, 1);
    for (int i = 0; i < 9; i++) ck_assert_int_eq(z[i], integers[i]);
    ck_assert_int_eq(agx_integer(-0x1p63), INT64_MIN);
    ck_assert_int_eq(agx_integer(nextafter(0x1p63, 0)), INT64_MAX - 1023);
}
END_TEST

START_TEST(load_and_store_convert_one_element) {
    for (int k = 0; k < 4; k++) {
        double data[3] = {0};
        agx_store(data, DTYPES[k], 2, 1);
        ck_assert(agx_load(data, DTYPES[k], 2) == 1);
        ck_assert(agx_load(data, DTYPES[k], 1) == 0);
    }
}
END_TEST

START_TEST(copies_of_one_dtype_keep_every_bit) {
    const uint64_t odd = UINT64_C(0x7ff4000000000123); /* a signalling NaN */
    const int64_t big[2] = {(INT64_C(1) << 53) + 1, -1};
    uint64_t z[2];
    int64_t out[2];
    agx_copy_row(AG_F64, AG_F64)(2, &odd, 0, z, 1);
    ck_assert(z[0] == odd && z[1] == odd);
    agx_copy_row(AG_I64, AG_I64)(2, big, 1, out, 1);
    ck_assert(out[0] == big[0] && out[1] == big[1]);
}
END_TEST

START_TEST(any_layout_copies_into_any_other) {
    ag_random r = {21, 0};
    ag_workspace work;
    agx_workspace_init(&work, 2);
    for (int trial = 0; trial < 2000; trial++) {
        int64_t dim[AG_MAX_RANK], own[AG_MAX_RANK];
        const int rank = random_shape(&r, dim);
        for (int k = 0; k < rank; k++) own[k] = ag_random_below(&r, 5) ? dim[k] : 1;
        const ag_dtype from = DTYPES[ag_random_below(&r, 4)],
                       to = ag_random_below(&r, 2) ? from : DTYPES[trial % 4];
        view x = view_random(from, rank, own, STRIDED, -3, 4, &r), z = target_new(to, rank, dim, &r);
        double want = 0;
        int64_t wrong = 0;
        ck_assert_int_eq(agx_copy(array_of(&x), array_of(&z), ag_random_below(&r, 2) ? &work : NULL), AG_OK);
        for (int64_t i = 0; i < ag_meta_count(&z.meta); i++) {
            agx_store(&want, to, 0, agx_load(x.array.data, from, source_offset(&x, &z, i)));
            wrong += view_get(&z, i) != agx_load(&want, to, 0);
        }
        ck_assert_int_eq(wrong, 0);
        view_free(&x);
        view_free(&z);
    }
    agx_workspace_clear(&work);
}
END_TEST

START_TEST(transposes_are_whole_whatever_the_size) {
    ag_random r = {22, 0};
    for (int64_t m = 1; m <= 35; m++)
        for (int64_t n = 1; n <= 35; n += 1 + m % 3) {
            const int64_t dim[3] = {2, m, n};
            const ag_dtype from = DTYPES[2 + n % 2], to = DTYPES[2 + m % 2];
            view x = view_random(from, 3, dim, DENSE, -1, 1, &r), z = view_new(to, 3, dim, DENSE, &r);
            int64_t wrong = 0;
            x.meta.stride[1] = 1;
            x.meta.stride[2] = m;
            ck_assert_int_eq(agx_copy(array_of(&x), array_of(&z), NULL), AG_OK);
            for (int64_t i = 0; i < 2 * m * n; i++)
                wrong += to == AG_F32 ? view_get(&z, i) != (double)(float)view_get(&x, i)
                                      : view_get(&z, i) != view_get(&x, i);
            ck_assert_int_eq(wrong, 0);
            view_free(&x);
            view_free(&z);
        }
}
END_TEST

START_TEST(threads_copy_the_same) {
    ag_random r = {23, 0};
    const int64_t dim[2] = {700, 401};
    view x = view_random(AG_F32, 2, dim, DENSE, -1, 1, &r), z = view_new(AG_F32, 2, dim, DENSE, &r);
    view once = view_new(AG_F32, 2, dim, DENSE, &r);
    ag_workspace work;
    agx_workspace_init(&work, 3);
    x.meta.stride[0] = 1;
    x.meta.stride[1] = dim[0];
    ck_assert_int_eq(agx_copy(array_of(&x), array_of(&once), NULL), AG_OK);
    ck_assert_int_eq(agx_copy(array_of(&x), array_of(&z), &work), AG_OK);
    assert_same_bits(&z, &once, "a thread");
    agx_workspace_clear(&work);
    view_free(&x);
    view_free(&z);
    view_free(&once);
}
END_TEST

/* Bytes of z's block that belong to none of its elements must be what view_new left there. */
static void assert_gaps_untouched(view *z) {
    const size_t size = ag_dtype_size(z->meta.dtype);
    size_t first = 0, last = 0;
    const int64_t n = ag_meta_count(&z->meta);
    for (int64_t i = 0; i < n; i++) {
        char *at = (char *)z->array.data + view_offset(z, i) * (int64_t)size;
        memset(at, 0xAA, size);
        const size_t offset = (size_t)(at - (char *)z->block);
        first = i == 0 || offset < first ? offset : first;
        last = offset + size > last ? offset + size : last;
    }
    for (size_t i = first; i < last; i++) ck_assert_uint_eq(((unsigned char *)z->block)[i], 0xAA);
}

START_TEST(fill_writes_its_elements_and_no_others) {
    ag_random r = {24, 0};
    for (int trial = 0; trial < 300; trial++) {
        const int64_t dim[3] = {1 + (int64_t)ag_random_below(&r, 4), 1 + (int64_t)ag_random_below(&r, 5),
                                (int64_t)ag_random_below(&r, 7)};
        view z = target_new(DTYPES[trial % 4], 3, dim, &r);
        agx_fill(array_of(&z), 1);
        for (int64_t i = 0; i < ag_meta_count(&z.meta); i++) ck_assert(view_get(&z, i) == 1);
        assert_gaps_untouched(&z);
        view_free(&z);
    }
}
END_TEST

START_TEST(accumulate_adds_in_any_layout) {
    ag_random r = {25, 0};
    for (int trial = 0; trial < 1000; trial++) {
        int64_t dim[AG_MAX_RANK], own[AG_MAX_RANK];
        const int rank = random_shape(&r, dim);
        for (int k = 0; k < rank; k++) own[k] = ag_random_below(&r, 4) ? dim[k] : 1;
        const ag_dtype dtype = DTYPES[1 + trial % 3];
        view x = view_random(dtype, rank, own, trial % 2 ? STRIDED : DENSE, -9, 9, &r);
        view z = trial % 5 ? target_new(dtype, rank, dim, &r) : view_new(dtype, rank, dim, DENSE, &r);
        view_fill(&z, -9, 9, &r);
        view before = view_dense(&z);
        int64_t wrong = 0;
        ck_assert_int_eq(agx_accumulate(array_of(&x), array_of(&z), NULL), AG_OK);
        for (int64_t i = 0; i < ag_meta_count(&z.meta); i++) {
            const double sum = view_get(&before, i) + agx_load(x.array.data, dtype, source_offset(&x, &z, i));
            wrong += view_get(&z, i) != (dtype == AG_F32 ? (double)(float)sum : sum);
        }
        ck_assert_int_eq(wrong, 0);
        view_free(&x);
        view_free(&z);
        view_free(&before);
    }
}
END_TEST

START_TEST(masks_do_not_add) {
    bool b[4] = {true, false, true, true};
    ag_meta dense, apart;
    ck_assert_int_eq(ag_meta_init(&dense, AG_BOOL, 1, (int64_t[]){2}, NULL), AG_OK);
    apart = dense;
    apart.stride[0] = 2;
    const ag_array x = {&dense, b}, z = {&apart, b};
    ck_assert_int_eq(agx_accumulate(&x, &x, NULL), AG_ERROR_DTYPE);
    ck_assert_int_eq(agx_accumulate(&x, &z, NULL), AG_ERROR_DTYPE);
}
END_TEST

Suite *copy_suite(void) {
    Suite *s = suite_create("copy");
    TCase *tc = tcase_create("copy");
    tcase_add_test(tc, conversions_truncate_saturate_and_know_nan);
    tcase_add_test(tc, load_and_store_convert_one_element);
    tcase_add_test(tc, copies_of_one_dtype_keep_every_bit);
    tcase_add_test(tc, any_layout_copies_into_any_other);
    tcase_add_test(tc, transposes_are_whole_whatever_the_size);
    tcase_add_test(tc, threads_copy_the_same);
    tcase_add_test(tc, fill_writes_its_elements_and_no_others);
    tcase_add_test(tc, accumulate_adds_in_any_layout);
    tcase_add_test(tc, masks_do_not_add);
    tcase_set_timeout(tc, 120);
    suite_add_tcase(s, tc);
    return s;
}
