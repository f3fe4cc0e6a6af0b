/* reduce: every reduction against sums and products by the book, in f64, over random shapes, axes and layouts. */
#include "kernel_support.h"

static const agx_reduction kinds[] = {AGX_SUM, AGX_MEAN, AGX_AMAX, AGX_LOGSUMEXP, AGX_AMIN, AGX_PROD};

/* f32: a chunk is summed pairwise or in f64 and chunks in f64, so a few roundings at 2^-24, relative to the sum of
 * magnitudes (about 100 times the result in the tests below); f64 the same at 2^-53, and 1e3 terms. */
static double tolerance_of(ag_dtype dtype) { return dtype == AG_F32 ? 5e-5 : 1e-11; }

/* ---- the book ------------------------------------------------------------------------------------------------- */

/* Row-major index over the kept axes, and over the reduced ones, of element i. */
static void split_index(const ag_meta *m, uint32_t mask, int64_t i, int64_t *kept, int64_t *reduced) {
    int64_t kept_step = 1, reduced_step = 1;
    *kept = *reduced = 0;
    for (int k = m->rank - 1; k >= 0; k--) {
        int64_t at = i % m->dim[k];
        i /= m->dim[k];
        if (mask >> k & 1u) {
            *reduced += at * reduced_step;
            reduced_step *= m->dim[k];
        } else {
            *kept += at * kept_step;
            kept_step *= m->dim[k];
        }
    }
}

static double start_of(agx_reduction kind) {
    switch (kind) {
    case AGX_AMAX: return -INFINITY;
    case AGX_AMIN: return INFINITY;
    case AGX_PROD: return 1;
    default: return 0;
    }
}

static double step_of(agx_reduction kind, double so_far, double x) {
    switch (kind) {
    case AGX_AMAX: return isnan(x) || x > so_far ? x : so_far;
    case AGX_AMIN: return isnan(x) || x < so_far ? x : so_far;
    case AGX_PROD: return so_far * x;
    case AGX_LOGSUMEXP: return so_far + exp(x);
    default: return so_far + x;
    }
}

static double end_of(agx_reduction kind, double value, int64_t n) {
    if (kind == AGX_MEAN) return value / (double)n;
    return kind == AGX_LOGSUMEXP ? log(value) : value;
}

static view reduced_new(const ag_meta *x, uint32_t mask, ag_dtype dtype) {
    ag_random r = {0, 0};
    int64_t dim[AG_MAX_RANK] = {0};
    int rank = 0;
    for (int k = 0; k < x->rank; k++)
        if (!(mask >> k & 1u)) dim[rank++] = x->dim[k];
    return view_new(dtype, rank, dim, DENSE, &r);
}

static int64_t reduced_count(const ag_meta *x, uint32_t mask) {
    int64_t n = 1;
    for (int k = 0; k < x->rank; k++)
        if (mask >> k & 1u) n *= x->dim[k];
    return n;
}

static void check_against_book(agx_reduction kind, view *x, uint32_t mask, double tolerance) {
    ag_dtype dtype = x->meta.dtype == AG_BOOL ? AG_I64 : x->meta.dtype;
    view z = reduced_new(&x->meta, mask, dtype);
    ag_workspace work;
    agx_workspace_init(&work, 1);
    int64_t rows = ag_meta_count(&z.meta), n = reduced_count(&x->meta, mask);
    ag_status status = agx_reduce(kind, array_of(x), mask, array_of(&z), &work);
    bool nothing_to_choose = rows > 0 && n == 0 && (kind == AGX_AMAX || kind == AGX_AMIN);
    ck_assert_int_eq(status, nothing_to_choose ? AG_ERROR_SHAPE : AG_OK);
    double *want = malloc((size_t)rows * sizeof(double) + 1);
    ck_assert_ptr_nonnull(want);
    for (int64_t r = 0; r < rows; r++) want[r] = start_of(kind);
    for (int64_t i = 0; i < ag_meta_count(&x->meta); i++) {
        int64_t r, c;
        split_index(&x->meta, mask, i, &r, &c);
        want[r] = step_of(kind, want[r], view_get(x, i));
    }
    for (int64_t r = 0; r < rows && !nothing_to_choose; r++) {
        double expected = end_of(kind, want[r], n), got = view_get(&z, r);
        EXPECT(close_to(got, expected, tolerance), "kind %d mask %u row %ld: %.17g, not %.17g", (int)kind, mask,
               (long)r, got, expected);
    }
    free(want);
    agx_workspace_clear(&work);
    view_free(&z);
}

/* ---- tests ---------------------------------------------------------------------------------------------------- */

static void random_reductions(void) {
    ag_random r = {11, 0};
    for (int round = 0; round < 300; round++) {
        int64_t dim[AG_MAX_RANK] = {0};
        int rank = random_shape(&r, dim);
        ag_dtype dtype = (ag_dtype)(AG_I64 + ag_random_below(&r, 3));
        agx_reduction kind = kinds[ag_random_below(&r, dtype == AG_I64 ? 3 : 6)];
        if (dtype == AG_I64) kind = (const agx_reduction[]){AGX_SUM, AGX_AMAX, AGX_AMIN}[ag_random_below(&r, 3)];
        view x = view_random(dtype, rank, dim, ag_random_below(&r, 2) ? STRIDED : DENSE,
                             kind == AGX_PROD ? 0.9 : -3, kind == AGX_PROD ? 1.1 : 3, &r);
        uint32_t mask = (uint32_t)ag_random_below(&r, 1u << rank);
        check_against_book(kind, &x, mask, tolerance_of(dtype));
        view_free(&x);
    }
}
START_TEST(reductions_agree_with_the_book) { at_every_level(random_reductions); }
END_TEST

/* Long enough for several chunks, strips, spans, and tails of each. */
static void long_reductions(void) {
    ag_random r = {12, 0};
    const int64_t shapes[][3] = {{1, 1, 5003}, {3, 1, 2500}, {1, 1037, 5},
                                 {2, 1100, 3}, {1030, 1, 2}, {1, 9, 300}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (ag_dtype dtype = AG_F32; dtype <= AG_F64; dtype++)
            for (uint32_t mask = 1; mask < 8; mask++) {
                view x = view_random(dtype, 3, shapes[s], mask % 2 ? STRIDED : DENSE, -3, 3, &r);
                for (int k = 0; k < 4; k++) check_against_book(kinds[k], &x, mask, tolerance_of(dtype));
                view_free(&x);
            }
}
START_TEST(long_reductions_agree_with_the_book) { at_every_level(long_reductions); }
END_TEST

static void layouts_and_threads(void) {
    ag_random r = {13, 0};
    const int64_t shapes[][3] = {{9, 20, 30}, {1, 1, 66003}, {2, 20011, 2}, {33000, 1, 2}};
    ag_workspace one, two;
    agx_workspace_init(&one, 1);
    agx_workspace_init(&two, 2);
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (ag_dtype dtype = AG_F32; dtype <= AG_F64; dtype++) {
            view x = view_random(dtype, 3, shapes[s], STRIDED, -3, 3, &r), y = view_dense(&x);
            for (uint32_t mask = 1; mask < 8; mask++)
                for (int k = 0; k < 4; k += 3) { /* sum and logsumexp */
                    view a = reduced_new(&x.meta, mask, dtype), b = reduced_new(&x.meta, mask, dtype);
                    ck_assert_int_eq(agx_reduce(kinds[k], array_of(&x), mask, array_of(&a), &one), AG_OK);
                    ck_assert_int_eq(agx_reduce(kinds[k], array_of(&y), mask, array_of(&b), &one), AG_OK);
                    assert_same_bits(&a, &b, "the layout");
                    ck_assert_int_eq(agx_reduce(kinds[k], array_of(&x), mask, array_of(&b), &two), AG_OK);
                    assert_same_bits(&a, &b, "a second thread");
                    view_free(&a);
                    view_free(&b);
                }
            view_free(&x);
            view_free(&y);
        }
    ck_assert_uint_eq(agx_arena_used(&one.arena), 0);
    agx_workspace_clear(&one);
    agx_workspace_clear(&two);
}
START_TEST(bits_depend_on_neither_layout_nor_threads) { at_every_level(layouts_and_threads); }
END_TEST

/* A million times 0.1: adding one by one in f32 would end 0.9 % off. */
static void accuracy(void) {
    ag_random r = {0, 0};
    enum { N = 1000000 };
    view x = view_new(AG_F32, DIMS(N), DENSE, &r), z = view_new(AG_F32, 0, NULL, DENSE, &r);
    for (int64_t i = 0; i < N; i++) ((float *)x.array.data)[i] = 0.1f;
    ag_workspace work;
    agx_workspace_init(&work, 1);
    double exact = (double)0.1f * N;
    ck_assert_int_eq(agx_reduce(AGX_SUM, array_of(&x), 1, array_of(&z), &work), AG_OK);
    ck_assert(fabs(view_get(&z, 0) - exact) <= 4 * 0x1p-24 * exact);
    x.meta.rank = 2; /* and the sum over rows */
    x.meta.dim[0] = N / 2, x.meta.dim[1] = 2, x.meta.stride[0] = 2, x.meta.stride[1] = 1;
    view sums = view_new(AG_F32, DIMS(2), DENSE, &r);
    ck_assert_int_eq(agx_reduce(AGX_SUM, array_of(&x), 1, array_of(&sums), &work), AG_OK);
    ck_assert(fabs(view_get(&sums, 1) - exact / 2) <= 4 * 0x1p-24 * exact / 2);
    agx_workspace_clear(&work);
    view_free(&x);
    view_free(&z);
    view_free(&sums);
}
START_TEST(f32_sums_of_a_million_keep_their_digits) { at_every_level(accuracy); }
END_TEST

static double reduce_values(agx_reduction kind, ag_dtype dtype, int64_t n, const double *values) {
    view x = view_of(dtype, DIMS(n), values), z = view_of(dtype, 0, NULL, (const double[]){0});
    ag_workspace work;
    agx_workspace_init(&work, 1);
    ck_assert_int_eq(agx_reduce(kind, array_of(&x), 1, array_of(&z), &work), AG_OK);
    double value = view_get(&z, 0);
    agx_workspace_clear(&work);
    view_free(&x);
    view_free(&z);
    return value;
}

START_TEST(logsumexp_has_its_limits) {
    for (ag_dtype dtype = AG_F32; dtype <= AG_F64; dtype++) {
        double eps = dtype == AG_F32 ? 1e-7 : 1e-15;
        ck_assert(reduce_values(AGX_LOGSUMEXP, dtype, 2, (double[]){-INFINITY, -INFINITY}) == -INFINITY);
        ck_assert(reduce_values(AGX_LOGSUMEXP, dtype, 2, (double[]){INFINITY, 0}) == INFINITY);
        ck_assert(reduce_values(AGX_LOGSUMEXP, dtype, 2, (double[]){INFINITY, -INFINITY}) == INFINITY);
        ck_assert(isnan(reduce_values(AGX_LOGSUMEXP, dtype, 2, (double[]){INFINITY, NAN})));
        ck_assert(reduce_values(AGX_LOGSUMEXP, dtype, 0, NULL) == -INFINITY);
        double big = reduce_values(AGX_LOGSUMEXP, dtype, 3, (double[]){1000, 1000, 999}); /* edge/logsumexp_big */
        ck_assert(close_to(big, 1000.8619948040582, eps));
        ck_assert(reduce_values(AGX_LOGSUMEXP, dtype, 2, (double[]){1e4, -1e4}) == 1e4);
    }
}
END_TEST

START_TEST(nothing_reduces_to_the_neutral_element) {
    for (ag_dtype dtype = AG_F32; dtype <= AG_F64; dtype++) {
        ck_assert(reduce_values(AGX_SUM, dtype, 0, NULL) == 0);
        ck_assert(reduce_values(AGX_PROD, dtype, 0, NULL) == 1);
        ck_assert(isnan(reduce_values(AGX_MEAN, dtype, 0, NULL)));
    }
    view x = view_of(AG_F32, DIMS(3, 0), NULL), z = view_of(AG_F32, DIMS(3), (double[]){7, 7, 7});
    view index = view_of(AG_I64, DIMS(3), (double[]){7, 7, 7}), none = view_of(AG_F32, DIMS(0), NULL);
    ag_workspace work;
    agx_workspace_init(&work, 1);
    ck_assert_int_eq(agx_reduce(AGX_AMAX, array_of(&x), 2, array_of(&z), &work), AG_ERROR_SHAPE);
    ck_assert_int_eq(agx_arg_reduce(true, array_of(&x), 2, array_of(&index), &work), AG_ERROR_SHAPE);
    ck_assert_int_eq(agx_reduce(AGX_AMAX, array_of(&x), 1, array_of(&none), &work), AG_OK); /* no rows */
    ck_assert_int_eq(agx_reduce(AGX_SUM, array_of(&x), 2, array_of(&z), &work), AG_OK);
    for (int i = 0; i < 3; i++) ck_assert(view_get(&z, i) == 0);
    agx_workspace_clear(&work);
    view_free(&x);
    view_free(&z);
    view_free(&index);
    view_free(&none);
}
END_TEST

/* At every position of short and long rows. */
static void nan_wins(void) {
    for (ag_dtype dtype = AG_F32; dtype <= AG_F64; dtype++)
        for (int64_t n = 1; n < 3000; n = n * 3 / 2 + 1) {
            double *values = calloc((size_t)n, sizeof(double));
            ck_assert_ptr_nonnull(values);
            for (int64_t at = 0; at < n; at += n / 5 + 1) {
                values[at] = NAN;
                ck_assert(isnan(reduce_values(AGX_AMAX, dtype, n, values)));
                ck_assert(isnan(reduce_values(AGX_AMIN, dtype, n, values)));
                values[at] = 3;
                ck_assert(reduce_values(AGX_AMAX, dtype, n, values) == 3);
                values[at] = -INFINITY;
                ck_assert(reduce_values(AGX_AMIN, dtype, n, values) == -INFINITY);
                values[at] = 0;
            }
            free(values);
        }
}
START_TEST(nan_wins_amax_and_amin_wherever_it_stands) { at_every_level(nan_wins); }
END_TEST

START_TEST(infinite_sums_stay_infinite) {
    double values[3000] = {0};
    for (int at = 0; at < 3000; at += 700) {
        values[at] = INFINITY;
        for (ag_dtype dtype = AG_F32; dtype <= AG_F64; dtype++) {
            ck_assert(reduce_values(AGX_SUM, dtype, 3000, values) == INFINITY);
            ck_assert(reduce_values(AGX_MEAN, dtype, 3000, values) == INFINITY);
        }
    }
    values[1] = -INFINITY;
    ck_assert(isnan(reduce_values(AGX_SUM, AG_F64, 3000, values)));
}
END_TEST

START_TEST(masks_sum_to_counts_and_integers_stay_exact) {
    ag_random r = {14, 0};
    view mask = view_random(AG_BOOL, DIMS(30, 40), STRIDED, 0, 2, &r);
    check_against_book(AGX_SUM, &mask, 3, 0);
    check_against_book(AGX_SUM, &mask, 1, 0);
    check_against_book(AGX_AMAX, &mask, 2, 0);
    view_free(&mask);
    view x = view_of(AG_I64, DIMS(2), (double[]){0, 1}), z = view_of(AG_I64, 0, NULL, (double[]){0});
    ((int64_t *)x.array.data)[0] = INT64_C(1) << 53;
    ag_workspace work;
    agx_workspace_init(&work, 1);
    ck_assert_int_eq(agx_reduce(AGX_SUM, array_of(&x), 1, array_of(&z), &work), AG_OK);
    ck_assert(*(int64_t *)z.array.data == (INT64_C(1) << 53) + 1); /* which no double is */
    ck_assert_int_eq(agx_reduce(AGX_MEAN, array_of(&x), 1, array_of(&z), &work), AG_ERROR_DTYPE);
    agx_workspace_clear(&work);
    view_free(&x);
    view_free(&z);
}
END_TEST

static void arg_by_the_book(void) {
    ag_random r = {15, 0};
    ag_workspace work;
    agx_workspace_init(&work, 2);
    for (int round = 0; round < 200; round++) {
        int64_t dim[AG_MAX_RANK] = {0};
        int rank = random_shape(&r, dim);
        if (round % 20 == 0) rank = 2, dim[0] = 3000, dim[1] = 3; /* several chunks */
        view x = view_random((ag_dtype)ag_random_below(&r, AG_DTYPE_COUNT), rank, dim, STRIDED, 0, 9, &r);
        int64_t n = ag_meta_count(&x.meta);
        bool real = ag_dtype_is_float(x.meta.dtype), largest = ag_random_below(&r, 2) != 0;
        for (int64_t i = 0; i < n; i++) /* ties, and some NaN */
            view_set(&x, i, real && ag_random_below(&r, 40) == 0 ? NAN : floor(view_get(&x, i)));
        uint32_t mask = (uint32_t)ag_random_below(&r, 1u << rank);
        view z = reduced_new(&x.meta, mask, AG_I64), want = reduced_new(&x.meta, mask, AG_I64);
        int64_t rows = ag_meta_count(&z.meta);
        ag_status status = agx_arg_reduce(largest, array_of(&x), mask, array_of(&z), &work);
        ck_assert_int_eq(status, rows > 0 && n == 0 ? AG_ERROR_SHAPE : AG_OK);
        double *best = calloc((size_t)rows + 1, sizeof(double));
        ck_assert_ptr_nonnull(best);
        for (int64_t i = 0; i < n; i++) {
            int64_t row, column;
            split_index(&x.meta, mask, i, &row, &column);
            double value = view_get(&x, i), old = best[row];
            bool better = isnan(value) ? !isnan(old) : largest ? value > old : value < old;
            if (column > 0 && !better) continue;
            best[row] = value;
            view_set(&want, row, (double)column);
        }
        if (status == AG_OK) assert_same_bits(&z, &want, "the book");
        free(best);
        view_free(&x);
        view_free(&z);
        view_free(&want);
    }
    agx_workspace_clear(&work);
}
START_TEST(arg_reduce_finds_the_first_and_nan_wins) { at_every_level(arg_by_the_book); }
END_TEST

static void check_sum_to(ag_dtype dtype, int rank, const int64_t *dim, int to_rank, const int64_t *to) {
    ag_random r = {16, 0};
    view x = view_random(dtype, rank, dim, STRIDED, -3, 3, &r),
         z = view_random(dtype, to_rank, to, DENSE, 0, 1, &r);
    ag_workspace work;
    agx_workspace_init(&work, 1);
    ck_assert_int_eq(agx_sum_to(array_of(&x), array_of(&z), &work), AG_OK);
    int64_t stride[AG_MAX_RANK];
    ag_broadcast_strides(&z.meta, &x.meta, stride);
    for (int64_t o = 0; o < ag_meta_count(&z.meta); o++) {
        double want = 0;
        for (int64_t i = 0; i < ag_meta_count(&x.meta); i++) {
            int64_t rest = i, to_offset = 0;
            for (int k = rank - 1; k >= 0; k--) {
                to_offset += rest % dim[k] * stride[k];
                rest /= dim[k];
            }
            if (to_offset == o) want += view_get(&x, i);
        }
        EXPECT(close_to(view_get(&z, o), want, tolerance_of(dtype)), "element %ld", (long)o);
    }
    agx_workspace_clear(&work);
    view_free(&x);
    view_free(&z);
}
START_TEST(sum_to_undoes_broadcasting) {
    for (ag_dtype dtype = AG_I64; dtype <= AG_F64; dtype++) {
        check_sum_to(dtype, DIMS(17, 5), DIMS(5));
        check_sum_to(dtype, DIMS(17, 5), DIMS(17, 1));
        check_sum_to(dtype, DIMS(17, 5), 0, NULL);
        check_sum_to(dtype, DIMS(1, 16), DIMS(16));
        check_sum_to(dtype, DIMS(2, 3, 4), DIMS(3, 1));
        check_sum_to(dtype, DIMS(2, 3, 4), DIMS(1, 3, 1));
        check_sum_to(dtype, DIMS(2, 3, 4), DIMS(2, 1, 4));
        check_sum_to(dtype, DIMS(2, 3, 4), DIMS(2, 3, 4));
        check_sum_to(dtype, DIMS(0, 4), DIMS(4));
        check_sum_to(dtype, DIMS(3, 0), DIMS(1, 0));
        check_sum_to(dtype, 0, NULL, 0, NULL);
    }
}
END_TEST

Suite *reduce_suite(void);
Suite *reduce_suite(void) {
    Suite *suite = suite_create("reduce");
    TCase *tests = tcase_create("reduce");
    tcase_add_test(tests, reductions_agree_with_the_book);
    tcase_add_test(tests, long_reductions_agree_with_the_book);
    tcase_add_test(tests, bits_depend_on_neither_layout_nor_threads);
    tcase_add_test(tests, f32_sums_of_a_million_keep_their_digits);
    tcase_add_test(tests, logsumexp_has_its_limits);
    tcase_add_test(tests, nothing_reduces_to_the_neutral_element);
    tcase_add_test(tests, nan_wins_amax_and_amin_wherever_it_stands);
    tcase_add_test(tests, infinite_sums_stay_infinite);
    tcase_add_test(tests, masks_sum_to_counts_and_integers_stay_exact);
    tcase_add_test(tests, arg_reduce_finds_the_first_and_nan_wins);
    tcase_add_test(tests, sum_to_undoes_broadcasting);
    suite_add_tcase(suite, tests);
    return suite;
}
