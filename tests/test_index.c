/* index and dropout: the kernels that move or drop single elements, against one loop each. */
#include "kernel_support.h"

/* ---- index -------------------------------------------------------------------------------------------------- */

static const ag_dtype dtypes[] = {AG_BOOL, AG_I64, AG_F32, AG_F64};

/* Row-major index of the element at `at` along an axis of another size `size`. */
static int64_t moved(const ag_meta *m, int axis, int64_t i, int64_t size, int64_t at) {
    int64_t inner = 1;
    for (int k = axis + 1; k < m->rank; k++) inner *= m->dim[k];
    return (i / inner / m->dim[axis] * size + at) * inner + i % inner;
}
static int64_t position(const ag_meta *m, int axis, int64_t i) {
    for (int k = m->rank - 1; k > axis; k--) i /= m->dim[k];
    return i % m->dim[axis];
}

static void random_index(void) {
    ag_random r = {31, 0};
    ag_workspace work;
    agx_workspace_init(&work, 1);
    for (int round = 0; round < 200; round++) {
        int64_t dim[AG_MAX_RANK] = {0}, picked[AG_MAX_RANK];
        int rank = random_shape(&r, dim);
        if (rank == 0) continue;
        int axis = (int)ag_random_below(&r, (uint64_t)rank);
        int64_t size = dim[axis], n = size ? (int64_t)ag_random_below(&r, 9) : 0;
        memcpy(picked, dim, sizeof picked);
        picked[axis] = n;
        ag_dtype dtype = dtypes[ag_random_below(&r, 4)];
        layout how = ag_random_below(&r, 2) ? STRIDED : DENSE;
        view index = view_random(AG_I64, DIMS(n), STRIDED, 0, (double)size, &r);
        int64_t bad = -1;

        view x = view_random(dtype, rank, dim, how, -5, 5, &r),
             z = view_random(dtype, rank, picked, DENSE, 0, 1, &r);
        ck_assert_int_eq(agx_index_select(array_of(&x), axis, array_of(&index), array_of(&z), &bad, &work), AG_OK);
        ck_assert_int_eq(bad, n);
        for (int64_t i = 0; i < ag_meta_count(&z.meta); i++) {
            int64_t at = (int64_t)view_get(&index, position(&z.meta, axis, i));
            EXPECT(view_get(&z, i) == view_get(&x, moved(&z.meta, axis, i, size, at)), "element %ld", (long)i);
        }

        if (dtype == AG_BOOL) dtype = AG_F32;
        view dz = view_random(dtype, rank, picked, how, -5, 5, &r),
             dx = view_random(dtype, rank, dim, DENSE, 0, 1, &r);
        view want = view_random(dtype, rank, dim, DENSE, 0, 0, &r); /* zeros */
        ck_assert_int_eq(agx_index_add(array_of(&dz), axis, array_of(&index), array_of(&dx), NULL, &work), AG_OK);
        for (int64_t i = 0; i < ag_meta_count(&dz.meta); i++) {
            int64_t at = (int64_t)view_get(&index, position(&dz.meta, axis, i));
            int64_t to = moved(&dz.meta, axis, i, size, at);
            view_set(&want, to,
                     view_get(&want, to) + view_get(&dz, i)); /* rounds to dtype, in order of the index */
        }
        assert_same_bits(&dx, &want, "the book");
        view_free(&index), view_free(&x), view_free(&z), view_free(&dz), view_free(&dx), view_free(&want);
    }
    agx_workspace_clear(&work);
}
START_TEST(index_select_and_index_add_agree_with_the_book) { at_every_level(random_index); }
END_TEST

START_TEST(the_first_bad_index_is_named_and_nothing_written) {
    view x = view_of(AG_F64, DIMS(2, 3), (double[]){1, 2, 3, 4, 5, 6});
    view z = view_of(AG_F64, DIMS(2, 4), (double[]){7, 7, 7, 7, 7, 7, 7, 7});
    const double wrong[][4] = {{0, 2, 3, 9}, {0, 2, -1, 0}, {0, 0, INT64_MIN, 0}};
    ag_workspace work;
    agx_workspace_init(&work, 1);
    for (size_t k = 0; k < 3; k++) {
        view index = view_of(AG_I64, DIMS(4), wrong[k]);
        int64_t bad = -1;
        ck_assert_int_eq(agx_index_select(array_of(&x), 1, array_of(&index), array_of(&z), &bad, &work),
                         AG_ERROR_INDEX);
        ck_assert_int_eq(bad, 2);
        bad = -1;
        ck_assert_int_eq(agx_index_add(array_of(&z), 1, array_of(&index), array_of(&x), &bad, &work),
                         AG_ERROR_INDEX);
        ck_assert_int_eq(bad, 2);
        for (int64_t i = 0; i < 8; i++) ck_assert(view_get(&z, i) == 7);
        for (int64_t i = 0; i < 6; i++) ck_assert(view_get(&x, i) == (double)i + 1);
        view_free(&index);
    }
    agx_workspace_clear(&work);
    view_free(&x), view_free(&z);
}
END_TEST

/* ---- dropout ------------------------------------------------------------------------------------------------ */

/* As the contract says it: u = word * 2^-32, kept where u >= p. */
static double expected(const view *x, int64_t i, double p, ag_random r) {
    uint32_t word[4];
    ag_philox(r.seed, r.counter + (uint64_t)i / 4, word);
    if ((double)word[i % 4] * 0x1p-32 < p) return 0;
    double value = view_get(x, i);
    return x->meta.dtype == AG_F32 ? (double)((float)value / (float)(1 - p)) : value / (1 - p);
}

START_TEST(dropout_keeps_what_the_generator_says) {
    ag_random r = {32, 0};
    const double probabilities[] = {0, 0.1, 0.5, 0.9, 1, 0x1p-32, 1 - 0x1p-33};
    ag_workspace work;
    agx_workspace_init(&work, 1);
    for (int round = 0; round < 100; round++) {
        int64_t dim[AG_MAX_RANK] = {0};
        int rank = random_shape(&r, dim);
        if (round == 0 && rank > 0) dim[0] = 5000;
        ag_dtype dtype = round % 2 ? AG_F32 : AG_F64;
        double p = probabilities[ag_random_below(&r, 7)];
        view x = view_random(dtype, rank, dim, round % 4 < 2 ? STRIDED : DENSE, -5, 5, &r);
        view z = view_random(dtype, rank, dim, DENSE, 7, 8, &r);
        ag_random draw = {ag_random_below(&r, UINT64_MAX), UINT64_MAX - 3}; /* the counter wraps */
        ck_assert_int_eq(agx_dropout(array_of(&x), p, draw, array_of(&z), &work), AG_OK);
        for (int64_t i = 0; i < ag_meta_count(&x.meta); i++)
            EXPECT(view_get(&z, i) == expected(&x, i, p, draw), "p = %g, element %ld", p, (long)i);
        view_free(&x), view_free(&z);
    }
    agx_workspace_clear(&work);
}
END_TEST

START_TEST(dropout_turns_dropped_nan_and_infinity_into_zero) {
    double values[64];
    for (int i = 0; i < 64; i++) values[i] = i % 2 ? (double)NAN : (double)INFINITY;
    view x = view_of(AG_F32, DIMS(64), values), z = view_of(AG_F32, DIMS(64), values);
    ag_workspace work;
    agx_workspace_init(&work, 1);
    ck_assert_int_eq(agx_dropout(array_of(&x), 1, (ag_random){1, 1}, array_of(&z), &work), AG_OK);
    for (int64_t i = 0; i < 64; i++) ck_assert(view_get(&z, i) == 0);
    int dropped = 0;
    ck_assert_int_eq(agx_dropout(array_of(&x), 0.5, (ag_random){1, 1}, array_of(&z), &work), AG_OK);
    for (int64_t i = 0; i < 64; i++) {
        if (view_get(&z, i) == 0)
            dropped++;
        else
            ck_assert(i % 2 ? isnan(view_get(&z, i)) : view_get(&z, i) == INFINITY);
    }
    ck_assert(dropped > 10 && dropped < 54); /* 32 +- 5.5 standard deviations of 4 */
    agx_workspace_clear(&work);
    view_free(&x), view_free(&z);
}
END_TEST

START_TEST(dropout_bits_depend_on_neither_layout_nor_threads) {
    ag_random r = {33, 0};
    view x = view_random(AG_F32, DIMS(300, 301), STRIDED, -1, 1, &r), dense = view_dense(&x);
    view a = view_dense(&x), b = view_dense(&x);
    ag_workspace one, two;
    agx_workspace_init(&one, 1);
    agx_workspace_init(&two, 2);
    ck_assert_int_eq(agx_dropout(array_of(&x), 0.3, r, array_of(&a), &one), AG_OK);
    ck_assert_int_eq(agx_dropout(array_of(&dense), 0.3, r, array_of(&b), &two), AG_OK);
    assert_same_bits(&a, &b, "the layout, or a second thread,");
    double sum = 0;
    for (int64_t i = 0; i < 300 * 301; i++) sum += view_get(&b, i) != 0;
    ck_assert(fabs(sum / (300 * 301) - 0.7) < 0.008); /* 5 standard deviations of 0.0015 */
    agx_workspace_clear(&one);
    agx_workspace_clear(&two);
    view_free(&x), view_free(&dense), view_free(&a), view_free(&b);
}
END_TEST

Suite *index_suite(void);
Suite *index_suite(void) {
    Suite *suite = suite_create("index");
    TCase *index = tcase_create("index"), *dropout = tcase_create("dropout");
    tcase_add_test(index, index_select_and_index_add_agree_with_the_book);
    tcase_add_test(index, the_first_bad_index_is_named_and_nothing_written);
    tcase_add_test(dropout, dropout_keeps_what_the_generator_says);
    tcase_add_test(dropout, dropout_turns_dropped_nan_and_infinity_into_zero);
    tcase_add_test(dropout, dropout_bits_depend_on_neither_layout_nor_threads);
    suite_add_tcase(suite, index);
    suite_add_tcase(suite, dropout);
    return suite;
}
