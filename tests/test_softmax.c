/* softmax: the family against exponentials by the book, in f64, and at its limits. */
#include "kernel_support.h"

/* f32: an exponential (2 ulp), a sum in f64, a division; results below 1, log-softmax below 20 in size.
 * f64: the same, and sums of up to 1e4 terms. */
static double tolerance_of(ag_dtype dtype) { return dtype == AG_F32 ? 1e-6 : 1e-13; }

/* ---- rows along an axis ------------------------------------------------------------------------------------- */

/* Row-major index of column c of row `row`, rows being what an axis leaves. */
static int64_t element(const ag_meta *m, int axis, int64_t row, int64_t c) {
    int64_t inner = 1;
    for (int k = axis + 1; k < m->rank; k++) inner *= m->dim[k];
    return (row / inner * m->dim[axis] + c) * inner + row % inner;
}
static int64_t rows_of(const ag_meta *m, int axis) { return m->dim[axis] ? ag_meta_count(m) / m->dim[axis] : 0; }

/* log softmax of a row, by the book. */
static void book_row(const view *x, int axis, int64_t row, double *y) {
    int64_t n = x->meta.dim[axis];
    double m = -INFINITY, sum = 0;
    for (int64_t c = 0; c < n; c++) {
        y[c] = view_get(x, element(&x->meta, axis, row, c));
        m = fmax(m, y[c]);
    }
    for (int64_t c = 0; c < n; c++) sum += exp(y[c] - m);
    for (int64_t c = 0; c < n; c++) y[c] = (y[c] - m) - log(sum);
}

static view like(const view *x) {
    ag_random r = {0, 0};
    return view_new(x->meta.dtype, x->meta.rank, x->meta.dim, DENSE, &r);
}

/* ---- values and derivatives --------------------------------------------------------------------------------- */

static void check_softmax(view *x, view *dy, int axis, ag_workspace *work) {
    view p = like(x), log_p = like(x), dx = like(x), log_dx = like(x);
    ck_assert_int_eq(agx_softmax(array_of(x), axis, false, array_of(&p), work), AG_OK);
    ck_assert_int_eq(agx_softmax(array_of(x), axis, true, array_of(&log_p), work), AG_OK);
    ck_assert_int_eq(agx_softmax_grad(array_of(&p), array_of(dy), axis, false, array_of(&dx), work), AG_OK);
    ck_assert_int_eq(agx_softmax_grad(array_of(&log_p), array_of(dy), axis, true, array_of(&log_dx), work), AG_OK);
    int64_t n = x->meta.dim[axis];
    double tolerance = tolerance_of(x->meta.dtype);
    double *y = malloc((size_t)n * sizeof(double) + 1);
    ck_assert_ptr_nonnull(y);
    for (int64_t row = 0; row < rows_of(&x->meta, axis); row++) {
        book_row(x, axis, row, y);
        double sum = 0, weighted = 0, size = 1;
        for (int64_t c = 0; c < n; c++) {
            double d = view_get(dy, element(&x->meta, axis, row, c));
            sum += d;
            size += fabs(d);
            weighted += d * exp(y[c]);
        }
        for (int64_t c = 0; c < n; c++) {
            int64_t i = element(&x->meta, axis, row, c);
            double d = view_get(dy, i), probability = exp(y[c]);
            EXPECT(close_to(view_get(&p, i), probability, tolerance), "softmax: element %ld", (long)i);
            EXPECT(close_to(view_get(&log_p, i), y[c], tolerance), "log_softmax: element %ld", (long)i);
            EXPECT(close_to(view_get(&dx, i), probability * (d - weighted), tolerance * size),
                   "softmax_grad: element %ld", (long)i);
            EXPECT(close_to(view_get(&log_dx, i), d - probability * sum, tolerance * size),
                   "log_softmax_grad: element %ld", (long)i);
        }
    }
    free(y);
    view_free(&p);
    view_free(&log_p);
    view_free(&dx);
    view_free(&log_dx);
}

static void random_softmax(void) {
    ag_random r = {21, 0};
    ag_workspace work;
    agx_workspace_init(&work, 1);
    for (int round = 0; round < 120; round++) {
        int64_t dim[AG_MAX_RANK] = {0};
        int rank = random_shape(&r, dim);
        if (rank == 0) continue;
        if (round % 40 == 0) dim[rank - 1] = 2500;
        ag_dtype dtype = ag_random_below(&r, 2) ? AG_F64 : AG_F32;
        layout how = ag_random_below(&r, 2) ? STRIDED : DENSE;
        view x = view_random(dtype, rank, dim, how, -5, 5, &r), dy = view_random(dtype, rank, dim, how, -2, 2, &r);
        check_softmax(&x, &dy, (int)ag_random_below(&r, (uint64_t)rank), &work);
        view_free(&x);
        view_free(&dy);
    }
    ck_assert_uint_eq(agx_arena_used(&work.arena), 0);
    agx_workspace_clear(&work);
}
START_TEST(softmax_and_its_derivative_agree_with_the_book) { at_every_level(random_softmax); }
END_TEST

/* Targets in a strided array, too. */
static void check_cross_entropy(ag_dtype dtype, int64_t rows, int64_t classes, layout how, ag_random *r,
                                ag_workspace *work) {
    view x = view_random(dtype, DIMS(rows, classes), how, -5, 5, r);
    view t = view_random(AG_I64, DIMS(rows), how, 0, (double)classes, r);
    view z = view_random(dtype, 0, NULL, DENSE, 0, 1, r), dz = view_random(dtype, 0, NULL, DENSE, 1, 2, r);
    view dx = like(&x);
    int64_t bad = -1;
    ck_assert_int_eq(agx_cross_entropy(array_of(&x), array_of(&t), -100, array_of(&z), &bad, work), AG_OK);
    ck_assert_int_eq(
        agx_cross_entropy_grad(array_of(&x), array_of(&t), -100, array_of(&dz), array_of(&dx), NULL, work), AG_OK);
    double loss = 0, scale = view_get(&dz, 0) / (double)rows, tolerance = tolerance_of(dtype);
    double *y = malloc((size_t)classes * sizeof(double));
    ck_assert_ptr_nonnull(y);
    for (int64_t b = 0; b < rows; b++) {
        int64_t target = (int64_t)view_get(&t, b);
        book_row(&x, 1, b, y);
        loss -= y[target] / (double)rows;
        for (int64_t c = 0; c < classes; c++)
            ck_assert(
                close_to(view_get(&dx, b * classes + c), (exp(y[c]) - (c == target)) * scale, tolerance * scale));
    }
    ck_assert(close_to(view_get(&z, 0), loss, tolerance));
    free(y);
    view_free(&x);
    view_free(&t);
    view_free(&z);
    view_free(&dz);
    view_free(&dx);
}

static void random_cross_entropy(void) {
    ag_random r = {22, 0};
    ag_workspace work;
    agx_workspace_init(&work, 1);
    const int64_t rows[] = {1, 2, 7, 100, 130}, classes[] = {1, 2, 3, 10, 31, 32, 33, 100, 1500};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t k = 0; k < sizeof classes / sizeof *classes; k++)
            for (ag_dtype dtype = AG_F32; dtype <= AG_F64; dtype++)
                if (rows[i] * classes[k] < 20000)
                    check_cross_entropy(dtype, rows[i], classes[k], (i + k) % 2 ? STRIDED : DENSE, &r, &work);
    ck_assert_uint_eq(agx_arena_used(&work.arena), 0);
    agx_workspace_clear(&work);
}
START_TEST(cross_entropy_and_its_derivative_agree_with_the_book) { at_every_level(random_cross_entropy); }
END_TEST

/* ---- bits --------------------------------------------------------------------------------------------------- */

static void layouts_and_threads(void) {
    ag_random r = {23, 0};
    const int64_t shapes[][3] = {{70, 40, 6}, {3000, 5, 1}, {2, 2, 9000}, {3, 1100, 5}};
    ag_workspace one, two;
    agx_workspace_init(&one, 1);
    agx_workspace_init(&two, 2);
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (int axis = 0; axis < 3; axis++) {
            ag_dtype dtype = (s + (size_t)axis) % 2 ? AG_F32 : AG_F64;
            view x = view_random(dtype, 3, shapes[s], STRIDED, -5, 5, &r), y = view_dense(&x);
            view a = like(&x), b = like(&x);
            for (int logarithm = 0; logarithm < 2; logarithm++) {
                ck_assert_int_eq(agx_softmax(array_of(&x), axis, logarithm, array_of(&a), &one), AG_OK);
                ck_assert_int_eq(agx_softmax(array_of(&y), axis, logarithm, array_of(&b), &one), AG_OK);
                assert_same_bits(&a, &b, "the layout");
                ck_assert_int_eq(agx_softmax(array_of(&x), axis, logarithm, array_of(&b), &two), AG_OK);
                assert_same_bits(&a, &b, "a second thread");
            }
            view_free(&x);
            view_free(&y);
            view_free(&a);
            view_free(&b);
        }
    agx_workspace_clear(&one);
    agx_workspace_clear(&two);
}
START_TEST(bits_depend_on_neither_layout_nor_threads) { at_every_level(layouts_and_threads); }
END_TEST

static void loss_threads(void) {
    ag_random r = {24, 0};
    ag_workspace one, two;
    agx_workspace_init(&one, 1);
    agx_workspace_init(&two, 2);
    for (int64_t classes = 10; classes <= 1000; classes *= 10) {
        view x = view_random(AG_F32, DIMS(20000 / classes, classes), STRIDED, -5, 5, &r), dense = view_dense(&x);
        view t = view_random(AG_I64, DIMS(20000 / classes), DENSE, 0, (double)classes, &r);
        view z = view_of(AG_F32, 0, NULL, (double[]){0}), w = view_of(AG_F32, 0, NULL, (double[]){0});
        view dz = view_of(AG_F32, 0, NULL, (double[]){1}), a = like(&x), b = like(&x);
        ck_assert_int_eq(agx_cross_entropy(array_of(&x), array_of(&t), -100, array_of(&z), NULL, &one), AG_OK);
        ck_assert_int_eq(agx_cross_entropy(array_of(&dense), array_of(&t), -100, array_of(&w), NULL, &two), AG_OK);
        assert_same_bits(&z, &w, "the layout, or a second thread,");
        ck_assert_int_eq(
            agx_cross_entropy_grad(array_of(&x), array_of(&t), -100, array_of(&dz), array_of(&a), NULL, &one),
            AG_OK);
        ck_assert_int_eq(
            agx_cross_entropy_grad(array_of(&dense), array_of(&t), -100, array_of(&dz), array_of(&b), NULL, &two),
            AG_OK);
        assert_same_bits(&a, &b, "the layout, or a second thread,");
        view_free(&x), view_free(&dense), view_free(&t), view_free(&z), view_free(&w), view_free(&dz);
        view_free(&a), view_free(&b);
    }
    agx_workspace_clear(&one);
    agx_workspace_clear(&two);
}
START_TEST(bits_of_the_loss_depend_on_neither_layout_nor_threads) { at_every_level(loss_threads); }
END_TEST

/* ---- limits ------------------------------------------------------------------------------------------------- */

enum { WIDE = 40 }; /* wider than rows that are handled in blocks */

/* The row (n), then the same row padded with `filler` to WIDE: both ways through the kernels. */
static void check_limit(ag_dtype dtype, int64_t n, const double *x, double filler, const double *softmax,
                        const double *log_softmax) {
    double padded[WIDE];
    for (int64_t i = 0; i < WIDE; i++) padded[i] = i < n ? x[i] : filler;
    ag_workspace work;
    agx_workspace_init(&work, 1);
    for (int pass = 0; pass < 2; pass++) {
        view row = view_of(dtype, DIMS(pass ? WIDE : n), padded), z = like(&row);
        for (int logarithm = 0; logarithm < 2; logarithm++) {
            const double *want = logarithm ? log_softmax : softmax;
            ck_assert_int_eq(agx_softmax(array_of(&row), 0, logarithm, array_of(&z), &work), AG_OK);
            for (int64_t i = 0; i < n; i++)
                ck_assert_msg(close_to(view_get(&z, i), want[i], tolerance_of(dtype)), "[%ld] is %g, not %g",
                              (long)i, view_get(&z, i), want[i]);
        }
        view_free(&row);
        view_free(&z);
    }
    agx_workspace_clear(&work);
}

static void limits(void) {
    const double inf = INFINITY;
    for (ag_dtype dtype = AG_F32; dtype <= AG_F64; dtype++) {
        /* edge/softmax_big, edge/log_softmax_big */
        check_limit(dtype, 3, (double[]){1000, 0, -1000}, -inf, (double[]){1, 0, 0}, (double[]){0, -1000, -2000});
        check_limit(dtype, 2, (double[]){1e4, 1e4}, -inf, (double[]){0.5, 0.5}, (double[]){-log(2), -log(2)});
        check_limit(dtype, 2, (double[]){-inf, 3}, -inf, (double[]){0, 1}, (double[]){-inf, 0});
        /* a mask that hides the whole row */
        check_limit(dtype, 3, (double[]){-inf, -inf, -inf}, -inf, (double[]){0, 0, 0},
                    (double[]){-inf, -inf, -inf});
        check_limit(dtype, 2, (double[]){inf, 0}, 0, (double[]){1, 0}, (double[]){0, -inf});
        check_limit(dtype, 3, (double[]){inf, -inf, inf}, 0, (double[]){0.5, 0, 0.5},
                    (double[]){-log(2), -inf, -log(2)});
        check_limit(dtype, 2, (double[]){NAN, 0}, 0, (double[]){NAN, NAN}, (double[]){NAN, NAN});
        check_limit(dtype, 2, (double[]){inf, NAN}, inf, (double[]){NAN, NAN}, (double[]){NAN, NAN});
    }
}
START_TEST(softmax_takes_its_limits) { at_every_level(limits); }
END_TEST

START_TEST(a_masked_row_passes_no_gradient_through_softmax) {
    ag_workspace work;
    agx_workspace_init(&work, 1);
    for (int64_t n = 3; n <= WIDE; n += WIDE - 3) {
        double masked[WIDE], ones[WIDE];
        for (int64_t i = 0; i < n; i++) masked[i] = -INFINITY, ones[i] = 1;
        view x = view_of(AG_F64, DIMS(1, n), masked), dy = view_of(AG_F64, DIMS(1, n), ones), y = like(&x);
        view dx = like(&x);
        ck_assert_int_eq(agx_softmax(array_of(&x), 1, false, array_of(&y), &work), AG_OK);
        ck_assert_int_eq(agx_softmax_grad(array_of(&y), array_of(&dy), 1, false, array_of(&dx), &work), AG_OK);
        for (int64_t i = 0; i < n; i++) ck_assert(view_get(&dx, i) == 0);
        view_free(&x), view_free(&dy), view_free(&y), view_free(&dx);
    }
    agx_workspace_clear(&work);
}
END_TEST

static void loss_of(ag_dtype dtype, int64_t rows, int64_t classes, const double *x, const double *t, double *loss,
                    double *gradient) {
    view a = view_of(dtype, DIMS(rows, classes), x), b = view_of(AG_I64, DIMS(rows), t);
    view z = view_of(dtype, 0, NULL, (double[]){7}), dz = view_of(dtype, 0, NULL, (double[]){1}), dx = like(&a);
    ag_workspace work;
    agx_workspace_init(&work, 1);
    int64_t bad = -1;
    ck_assert_int_eq(agx_cross_entropy(array_of(&a), array_of(&b), -100, array_of(&z), &bad, &work), AG_OK);
    ck_assert_int_eq(bad, rows);
    ck_assert_int_eq(
        agx_cross_entropy_grad(array_of(&a), array_of(&b), -100, array_of(&dz), array_of(&dx), NULL, &work),
        AG_OK);
    *loss = view_get(&z, 0);
    for (int64_t i = 0; i < rows * classes; i++) gradient[i] = view_get(&dx, i);
    agx_workspace_clear(&work);
    view_free(&a), view_free(&b), view_free(&z), view_free(&dz), view_free(&dx);
}

static void loss_limits(void) {
    double loss, dx[4];
    for (ag_dtype dtype = AG_F32; dtype <= AG_F64; dtype++) {
        /* edge/cross_entropy_big */
        loss_of(dtype, 2, 2, (double[]){1000, 0, 0, 1000}, (double[]){1, 1}, &loss, dx);
        ck_assert(loss == 500 && dx[0] == 0.5 && dx[1] == -0.5 && dx[2] == 0 && dx[3] == 0);
        loss_of(dtype, 1, 2, (double[]){1e4, -1e4}, (double[]){0}, &loss, dx);
        ck_assert(loss == 0 && dx[0] == 0 && dx[1] == 0);
        loss_of(dtype, 1, 2, (double[]){1e4, -1e4}, (double[]){1}, &loss, dx);
        ck_assert(loss == 2e4 && dx[0] == 1 && dx[1] == -1);
        loss_of(dtype, 1, 1, (double[]){3}, (double[]){0}, &loss, dx);
        ck_assert(loss == 0 && dx[0] == 0);
        loss_of(dtype, 1, 2, (double[]){INFINITY, 0}, (double[]){0}, &loss, dx);
        ck_assert(loss == 0 && dx[0] == 0 && dx[1] == 0);
        loss_of(dtype, 1, 2, (double[]){-INFINITY, 0}, (double[]){0}, &loss, dx);
        ck_assert(loss == INFINITY && dx[0] == -1 && dx[1] == 1);
        loss_of(dtype, 1, 2, (double[]){-INFINITY, -INFINITY}, (double[]){0}, &loss, dx);
        ck_assert(loss == INFINITY && dx[0] == -1 && dx[1] == 0);
        loss_of(dtype, 1, 2, (double[]){NAN, 0}, (double[]){1}, &loss, dx);
        ck_assert(isnan(loss) && isnan(dx[0]) && isnan(dx[1]));
        loss_of(dtype, 0, 3, NULL, NULL, &loss, dx);
        ck_assert(loss == 0);
    }
}
START_TEST(cross_entropy_takes_its_limits) { at_every_level(loss_limits); }
END_TEST

START_TEST(cross_entropy_names_the_first_bad_target) {
    double values[8] = {0}, untouched[8] = {7, 7, 7, 7, 7, 7, 7, 7};
    view x = view_of(AG_F32, DIMS(4, 2), values), z = view_of(AG_F32, 0, NULL, untouched);
    view dz = view_of(AG_F32, 0, NULL, values), dx = view_of(AG_F32, DIMS(4, 2), untouched);
    ag_workspace work;
    agx_workspace_init(&work, 1);
    const double targets[][4] = {{0, 1, 2, 9}, {0, 1, -1, 2}, {0, 0, INT64_MIN, 0}};
    for (size_t k = 0; k < 3; k++) {
        view t = view_of(AG_I64, DIMS(4), targets[k]);
        int64_t bad = -1;
        ck_assert_int_eq(agx_cross_entropy(array_of(&x), array_of(&t), -100, array_of(&z), &bad, &work),
                         AG_ERROR_INDEX);
        ck_assert_int_eq(bad, 2);
        ck_assert_int_eq(
            agx_cross_entropy_grad(array_of(&x), array_of(&t), -100, array_of(&dz), array_of(&dx), NULL, &work),
            AG_ERROR_INDEX);
        ck_assert(view_get(&z, 0) == 7 && view_get(&dx, 0) == 7);
        view_free(&t);
    }
    agx_workspace_clear(&work);
    view_free(&x), view_free(&z), view_free(&dz), view_free(&dx);
}
END_TEST

Suite *softmax_suite(void);
Suite *softmax_suite(void) {
    Suite *suite = suite_create("softmax");
    TCase *tests = tcase_create("softmax");
    tcase_add_test(tests, softmax_and_its_derivative_agree_with_the_book);
    tcase_add_test(tests, cross_entropy_and_its_derivative_agree_with_the_book);
    tcase_add_test(tests, bits_depend_on_neither_layout_nor_threads);
    tcase_add_test(tests, bits_of_the_loss_depend_on_neither_layout_nor_threads);
    tcase_add_test(tests, softmax_takes_its_limits);
    tcase_add_test(tests, a_masked_row_passes_no_gradient_through_softmax);
    tcase_add_test(tests, cross_entropy_takes_its_limits);
    tcase_add_test(tests, cross_entropy_names_the_first_bad_target);
    suite_add_tcase(suite, tests);
    return suite;
}
