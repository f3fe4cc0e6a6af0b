#define _POSIX_C_SOURCE 200809L /* setenv */
/* Matrix products: values against a wider reference, and the promise about bits, for every backend at every level.
 */
#include "kernel_support.h"

#include <autograd/kernels/gemm.h>

#include <float.h>

/* ---- helpers ----------------------------------------------------------------------------------------------- */

/* c (m, n), the first columns of a view (m, n + gap), = a b [+ c0] [+ bias]. What c0 and bias do not give is NULL.
 */
typedef struct product {
    view a, b;
    const view *c0, *bias;
    int64_t gap;
    int threads;
} product;

static view run(const product *p) {
    const int64_t m = p->a.meta.dim[0], k = p->a.meta.dim[1], n = p->b.meta.dim[1], ldc = n + p->gap;
    const ag_dtype dtype = p->a.meta.dtype;
    ag_random r = {0, 0};
    view c = view_new(dtype, DIMS(m, ldc), DENSE, &r);
    for (int64_t i = 0; i < m * ldc; i++) view_set(&c, i, NAN);
    for (int64_t i = 0; p->c0 && i < m; i++)
        for (int64_t j = 0; j < n; j++) view_set(&c, i * ldc + j, view_get(p->c0, i * n + j));
    ag_workspace work;
    agx_workspace_init(&work, p->threads ? p->threads : 1);
    const agx_matmul call = {.dtype = dtype,
                             .m = m,
                             .n = n,
                             .k = k,
                             .a = p->a.array.data,
                             .a_rs = p->a.meta.stride[0],
                             .a_cs = p->a.meta.stride[1],
                             .b = p->b.array.data,
                             .b_rs = p->b.meta.stride[0],
                             .b_cs = p->b.meta.stride[1],
                             .c = c.array.data,
                             .ldc = ldc,
                             .bias = p->bias ? p->bias->array.data : NULL,
                             .accumulate = p->c0 != NULL};
    ck_assert_int_eq(agx_matmul_run(&call, &work), AG_OK);
    ck_assert_msg(agx_arena_used(&work.arena) == 0, "scratch is left behind");
    agx_workspace_clear(&work);
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = n; j < ldc; j++) ck_assert_msg(isnan(view_get(&c, i * ldc + j)), "written past a row");
    return c;
}

static view run_dense(view a, view b) { return run(&(product){.a = a, .b = b}); }

static double *numbers(const view *x) {
    const int64_t n = x ? ag_meta_count(&x->meta) : 0;
    double *values = malloc(sizeof(double) * (size_t)(n + 1));
    ck_assert_ptr_nonnull(values);
    for (int64_t i = 0; i < n; i++) values[i] = view_get(x, i);
    return values;
}

/* Every sum of k products in any order, fused or not, with two more terms: at most k + 3 roundings touch a term.
 * Of large products a sample of elements is looked at. */
static void assert_near(const product *p, const view *c) {
    const int64_t m = p->a.meta.dim[0], k = p->a.meta.dim[1], n = p->b.meta.dim[1], ldc = n + p->gap;
    const long double unit = p->a.meta.dtype == AG_F32 ? FLT_EPSILON / 2 : DBL_EPSILON / 2;
    const long double bound = 1.01L * (long double)(k + 3) * unit;
    double *a = numbers(&p->a), *b = numbers(&p->b), *c0 = numbers(p->c0), *bias = numbers(p->bias);
    for (int64_t e = 0; e < m * n; e += 1 + m * n * k / 400000) {
        const int64_t i = e / n, j = e % n;
        long double sum = 0, size = 0;
        for (int64_t q = 0; q < k; q++) {
            const long double term = (long double)a[i * k + q] * b[q * n + j];
            sum += term;
            size += fabsl(term);
        }
        const long double more[2] = {p->c0 ? c0[e] : 0, p->bias ? bias[j] : 0};
        sum += more[0] + more[1];
        size += fabsl(more[0]) + fabsl(more[1]);
        const double z = view_get(c, i * ldc + j);
        ck_assert_msg(fabsl(z - sum) <= bound * size,
                      "%s at %s: (%lld, %lld) (%lld, %lld) at (%lld, %lld): %.17g, expected %.17Lg",
                      agx_matmul_backend(), agx_vector_table()->level, (long long)m, (long long)k, (long long)k,
                      (long long)n, (long long)i, (long long)j, z, sum);
    }
    free(a), free(b), free(c0), free(bias);
}

static view matrix(ag_dtype dtype, int64_t rows, int64_t columns, layout how, ag_random *r) {
    return view_random(dtype, DIMS(rows, columns), how, -1, 1, r);
}

/* The same numbers, stored column by column. */
static view view_transposed(const view *x) {
    const int64_t rows = x->meta.dim[0], columns = x->meta.dim[1];
    ag_random r = {0, 0};
    view v = view_new(x->meta.dtype, DIMS(columns, rows), DENSE, &r);
    v.meta.dim[0] = rows;
    v.meta.dim[1] = columns;
    v.meta.stride[0] = 1;
    v.meta.stride[1] = rows;
    for (int64_t i = 0; i < rows * columns; i++) view_set(&v, i, view_get(x, i));
    return v;
}

static void (*with_backend)(void);
static void for_backends(void) {
    for (const char *const *name = agx_matmul_backends(); *name; name++) {
        ck_assert_int_eq(agx_matmul_force(*name), AG_OK);
        ck_assert_str_eq(agx_matmul_backend(), *name);
        with_backend();
    }
    ck_assert_int_eq(agx_matmul_force(NULL), AG_OK);
}
static void everywhere(void (*body)(void)) {
    with_backend = body;
    at_every_level(for_backends);
}

/* Past 1e6 floating-point operations a backend is asked and scratch is used, past 4e6 threads are: (m, k, n). */
static const int64_t large[][3] = {{129, 131, 163}, {67, 97, 213},  {1, 1001, 509}, {509, 1001, 1}, {200, 450, 10},
                                   {10, 256, 300},  {64, 512, 128}, {97, 805, 100}, {301, 7, 307},  {500, 2, 600}};
enum { LARGE = sizeof large / sizeof large[0] };

/* ---- values ------------------------------------------------------------------------------------------------ */

static void check_product(ag_random *r, ag_dtype dtype, int64_t m, int64_t k, int64_t n) {
    product p = {.a = matrix(dtype, m, k, ag_random_below(r, 2) ? STRIDED : DENSE, r),
                 .b = matrix(dtype, k, n, ag_random_below(r, 2) ? STRIDED : DENSE, r),
                 .gap = (int64_t)ag_random_below(r, 2) * 3};
    view c0 = matrix(dtype, m, n, DENSE, r), bias = view_random(dtype, DIMS(n), DENSE, -1, 1, r);
    if (ag_random_below(r, 2)) p.c0 = &c0;
    if (ag_random_below(r, 2)) p.bias = &bias;
    view c = run(&p);
    assert_near(&p, &c);
    view_free(&p.a), view_free(&p.b), view_free(&c0), view_free(&bias), view_free(&c);
}

static void small_products(void) {
    ag_random r = {.seed = 3};
    for (int trial = 0; trial < 200; trial++) {
        const int64_t most = trial < 150 ? 20 : 71;
        const int64_t m = (int64_t)ag_random_below(&r, (uint64_t)most),
                      k = (int64_t)ag_random_below(&r, (uint64_t)most);
        check_product(&r, trial % 2 ? AG_F32 : AG_F64, m, k, (int64_t)ag_random_below(&r, (uint64_t)most));
    }
}
START_TEST(small_products_of_any_shape_and_stride_are_accurate) { everywhere(small_products); }
END_TEST

static void large_products(void) {
    ag_random r = {.seed = 4};
    for (int i = 0; i < LARGE; i++) {
        check_product(&r, AG_F32, large[i][0], large[i][1], large[i][2]);
        check_product(&r, AG_F64, large[i][0], large[i][1], large[i][2]);
    }
}
START_TEST(large_products_are_accurate) { everywhere(large_products); }
END_TEST

static void no_products(void) {
    ag_random r = {.seed = 5};
    for (ag_dtype dtype = AG_F32; dtype <= AG_F64; dtype++) {
        view a = matrix(dtype, 7, 0, DENSE, &r), b = matrix(dtype, 0, 21, DENSE, &r);
        view c0 = matrix(dtype, 7, 21, DENSE, &r), bias = view_random(dtype, DIMS(21), DENSE, -1, 1, &r);
        view zeros = run_dense(a, b);
        view same = run(&(product){.a = a, .b = b, .c0 = &c0});
        view row = run(&(product){.a = a, .b = b, .bias = &bias});
        for (int64_t i = 0; i < 7 * 21; i++) {
            ck_assert_double_eq(view_get(&zeros, i), 0);
            ck_assert_double_eq(view_get(&same, i), view_get(&c0, i));
            ck_assert_double_eq(view_get(&row, i), view_get(&bias, i % 21));
        }
        view_free(&a), view_free(&b), view_free(&c0), view_free(&bias);
        view_free(&zeros), view_free(&same), view_free(&row);
    }
}
START_TEST(a_sum_of_nothing_is_zero_or_what_is_added) { everywhere(no_products); }
END_TEST

/* A NaN or infinity in a row of a or a column of b reaches that row or column and no other element: tiles compute
 * past the edge, and what they find there must not come back. */
static void poison(void) {
    ag_random r = {.seed = 6};
    static const int64_t shapes[][3] = {{7, 5, 19}, {13, 16, 2}, {1, 9, 11}, {14, 3, 33}, {130, 260, 35}};
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        const int64_t m = shapes[s][0], k = shapes[s][1], n = shapes[s][2];
        view a = matrix(AG_F32, m, k, DENSE, &r), b = matrix(AG_F32, k, n, DENSE, &r), clean = run_dense(a, b);
        for (int64_t q = 0; q < k; q++) view_set(&a, (m - 1) * k + q, NAN), view_set(&b, q * n + n - 1, INFINITY);
        for (int way = 0; way < 4; way++) {
            view x = way & 1 ? view_transposed(&a) : view_dense(&a);
            view y = way & 2 ? view_transposed(&b) : view_dense(&b);
            view c = run_dense(x, y);
            for (int64_t i = 0; i < m * n; i++) {
                if (i / n == m - 1)
                    ck_assert(isnan(view_get(&c, i)));
                else if (i % n == n - 1)
                    ck_assert(!isfinite(view_get(&c, i)));
                else
                    ck_assert_double_eq(view_get(&c, i), view_get(&clean, i));
            }
            view_free(&x), view_free(&y), view_free(&c);
        }
        view_free(&a), view_free(&b), view_free(&clean);
    }
}
START_TEST(non_finite_numbers_stay_in_their_row_and_column) { everywhere(poison); }
END_TEST

/* ---- bits -------------------------------------------------------------------------------------------------- */

static void compare_layouts(ag_random *r, ag_dtype dtype, int64_t m, int64_t k, int64_t n) {
    view a = matrix(dtype, m, k, DENSE, r), b = matrix(dtype, k, n, DENSE, r), c = run_dense(a, b);
    view at = view_transposed(&a), bt = view_transposed(&b);
    view scattered = matrix(dtype, m, k, STRIDED, r), gathered = view_dense(&scattered);
    view nt = run_dense(a, bt), tn = run_dense(at, b), tt = run_dense(at, bt);
    view s = run_dense(scattered, b), g = run_dense(gathered, b);
    assert_same_bits(&nt, &c, "transposing b");
    assert_same_bits(&tn, &c, "transposing a");
    assert_same_bits(&tt, &c, "transposing both");
    assert_same_bits(&s, &g, "scattering a");
    view *all[] = {&a, &b, &c, &at, &bt, &scattered, &gathered, &nt, &tn, &tt, &s, &g};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) view_free(all[i]);
}
static void layouts(void) {
    ag_random r = {.seed = 7};
    for (int trial = 0; trial < 60; trial++)
        compare_layouts(&r, trial % 2 ? AG_F32 : AG_F64, 1 + (int64_t)ag_random_below(&r, 30),
                        1 + (int64_t)ag_random_below(&r, 40), 1 + (int64_t)ag_random_below(&r, 50));
    for (int i = 0; i < LARGE; i++) {
        compare_layouts(&r, AG_F32, large[i][0], large[i][1], large[i][2]);
        compare_layouts(&r, AG_F64, large[i][0], large[i][1], large[i][2]);
    }
}
START_TEST(strides_do_not_change_bits) { everywhere(layouts); }
END_TEST

static void thread_counts(void) {
    ag_random r = {.seed = 8};
    static const int64_t shapes[][3] = {
        {129, 131, 163}, {64, 512, 128}, {301, 405, 47}, {47, 64, 801}, {600, 300, 20}};
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
        for (ag_dtype dtype = AG_F32; dtype <= AG_F64; dtype++) {
            const int64_t m = shapes[s][0], n = shapes[s][2];
            view c0 = matrix(dtype, m, n, DENSE, &r), bias = view_random(dtype, DIMS(n), DENSE, -1, 1, &r);
            product p = {.a = matrix(dtype, m, shapes[s][1], DENSE, &r),
                         .b = matrix(dtype, shapes[s][1], n, DENSE, &r),
                         .c0 = &c0,
                         .bias = &bias,
                         .threads = 1};
            view one = run(&p);
            p.threads = 2;
            view two = run(&p);
            p.threads = 5;
            view five = run(&p);
            assert_same_bits(&two, &one, "a second thread");
            assert_same_bits(&five, &one, "five threads");
            view_free(&p.a), view_free(&p.b), view_free(&c0), view_free(&bias);
            view_free(&one), view_free(&two), view_free(&five);
        }
}
START_TEST(threads_do_not_change_bits) { everywhere(thread_counts); }
END_TEST

/* The rule of gemm.h, spelled out for one element, given its row and column; fused: with one rounding for a
 * product and its addition. */
static float sequential(const double *a, const double *b, int64_t k, int64_t n, bool fused) {
    const int64_t depth = agx_gemm_depth(k);
    float z = 0;
    for (int64_t first = 0; first < k; first += depth) {
        float sum = 0;
        for (int64_t q = first; q < k && q < first + depth; q++) {
            const float x = (float)a[q], y = (float)b[q * n];
            const volatile float rounded = x * y;
            sum = fused ? fmaf(x, y, sum) : sum + rounded;
        }
        z = first == 0 ? sum : z + sum;
    }
    return z;
}
static void rule(void) {
    ag_random r = {.seed = 9};
    static const int64_t shapes[][3] = {{1, 1, 1},    {1, 17, 5},  {5, 33, 1},    {7, 64, 31},  {1, 850, 37},
                                        {1, 850, 85}, {40, 9, 10}, {19, 1201, 9}, {70, 801, 50}};
    bool fused = false;
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        const int64_t m = shapes[s][0], k = shapes[s][1], n = shapes[s][2];
        view a = matrix(AG_F32, m, k, DENSE, &r), b = matrix(AG_F32, k, n, DENSE, &r), c = run_dense(a, b);
        view bt = view_transposed(&b), d = run_dense(a, bt);
        double *rows = numbers(&a), *columns = numbers(&b);
        for (int64_t i = 0; i < m * n; i++) {
            const float z = (float)view_get(&c, i);
            const double *x = rows + i / n * k, *y = columns + i % n;
            if (!fused && z != sequential(x, y, k, n, false)) fused = true;
            ck_assert_float_eq(z, sequential(x, y, k, n, fused));
            ck_assert_float_eq(z, (float)view_get(&d, i));
        }
        view_free(&a), view_free(&b), view_free(&c), view_free(&bt), view_free(&d);
        free(rows), free(columns);
    }
}
START_TEST(our_kernel_adds_in_order_of_k) {
    agx_matmul_force("portable");
    at_every_level(rule);
    agx_matmul_force(NULL);
}
END_TEST

/* ---- the choice -------------------------------------------------------------------------------------------- */

START_TEST(backends_are_chosen_by_name) {
    ck_assert_str_eq(agx_matmul_backends()[0], "portable");
    ck_assert_int_eq(agx_matmul_force("abacus"), AG_ERROR_NAME);
    setenv("AG_MATMUL", "portable", 1);
    ck_assert_int_eq(agx_matmul_force(NULL), AG_OK);
    ck_assert_str_eq(agx_matmul_backend(), "portable");
    setenv("AG_MATMUL", "abacus", 1);
    ck_assert_int_eq(agx_matmul_force(NULL), AG_OK);
    const char *fallback = agx_matmul_backend();
    unsetenv("AG_MATMUL");
    ck_assert_int_eq(agx_matmul_force(NULL), AG_OK);
    ck_assert_str_eq(agx_matmul_backend(), fallback);
}
END_TEST

static void *no_memory(void *user, void *old, size_t old_size, size_t new_size, size_t alignment) {
    (void)user, (void)old, (void)old_size, (void)new_size, (void)alignment;
    return NULL;
}

/* a lies so that every backend wants a copy of it. */
static void starve(void) {
    ag_random r = {.seed = 10};
    view a = matrix(AG_F32, 512, 64, DENSE, &r), b = matrix(AG_F32, 64, 512, DENSE, &r);
    view at = view_transposed(&a), c = matrix(AG_F32, 512, 512, DENSE, &r), before = view_dense(&c);
    ag_workspace work;
    agx_workspace_init(&work, 1);
    const agx_matmul call = {.dtype = AG_F32,
                             .m = 512,
                             .n = 512,
                             .k = 64,
                             .a = at.array.data,
                             .a_rs = 1,
                             .a_cs = 512,
                             .b = b.array.data,
                             .b_rs = 512,
                             .b_cs = 1,
                             .c = c.array.data,
                             .ldc = 512};
    ag_set_allocator(&(ag_allocator){.resize = no_memory});
    const ag_status status = agx_matmul_run(&call, &work);
    ag_set_allocator(NULL);
    ck_assert_int_eq(status, AG_ERROR_MEMORY);
    assert_same_bits(&c, &before, "a failure");
    agx_workspace_clear(&work);
    view_free(&a), view_free(&b), view_free(&at), view_free(&c), view_free(&before);
}
START_TEST(lack_of_scratch_is_an_error) { everywhere(starve); }
END_TEST

extern int openblas_get_num_threads(void) __attribute__((weak));
extern void openblas_set_num_threads(int n) __attribute__((weak));
extern int omp_get_max_threads(void) __attribute__((weak));
extern void omp_set_num_threads(int n) __attribute__((weak));

static void settings(void) {
    ag_random r = {.seed = 11};
    if (openblas_set_num_threads) openblas_set_num_threads(2);
    if (omp_set_num_threads) omp_set_num_threads(3);
    const int blas = openblas_get_num_threads ? openblas_get_num_threads() : 0;
    view a = matrix(AG_F32, 128, 128, DENSE, &r), b = matrix(AG_F32, 128, 128, DENSE, &r), c = run_dense(a, b);
    if (openblas_get_num_threads) ck_assert_int_eq(openblas_get_num_threads(), blas);
    if (omp_get_max_threads) ck_assert_int_eq(omp_get_max_threads(), 3);
    view_free(&a), view_free(&b), view_free(&c);
}
START_TEST(the_programs_own_thread_settings_survive) { everywhere(settings); }
END_TEST

Suite *matmul_suite(void);
Suite *matmul_suite(void) {
    Suite *s = suite_create("matmul");
    TCase *t = tcase_create("matmul");
    tcase_add_test(t, small_products_of_any_shape_and_stride_are_accurate);
    tcase_add_test(t, large_products_are_accurate);
    tcase_add_test(t, a_sum_of_nothing_is_zero_or_what_is_added);
    tcase_add_test(t, non_finite_numbers_stay_in_their_row_and_column);
    tcase_add_test(t, strides_do_not_change_bits);
    tcase_add_test(t, threads_do_not_change_bits);
    tcase_add_test(t, our_kernel_adds_in_order_of_k);
    tcase_add_test(t, backends_are_chosen_by_name);
    tcase_add_test(t, lack_of_scratch_is_an_error);
    tcase_add_test(t, the_programs_own_thread_settings_survive);
    tcase_set_timeout(t, 120);
    suite_add_tcase(s, t);
    return s;
}
