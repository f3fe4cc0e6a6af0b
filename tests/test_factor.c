/* factor: what was taken apart gives the matrix again; pivots that are missing are found. */
#include "autograd/kernels/factor.h"

#include <autograd/random.h>
#include <check.h>
#include <math.h>
#include <string.h>

enum { N = 6, SIZE = N * N };

static void random_matrix(double *a, int n, uint64_t seed) {
    ag_random r = {.seed = seed};
    for (int i = 0; i < n * n; i++) a[i] = 2 * ag_random_uniform(&r) - 1;
}

/* Multipliers are at most 1, so elements of U stay below 2^5: 6 products of rounding errors of those. */
static const double tolerance = 6 * 32 * 2.3e-16;

START_TEST(l_times_u_is_the_matrix_with_its_rows_swapped) {
    double a[SIZE], lu[SIZE], sign;
    int64_t pivot[N];
    int swaps = 0;
    random_matrix(a, N, 1);
    memcpy(lu, a, sizeof a);
    ck_assert_int_eq(agx_lu(N, lu, pivot, &sign), AGX_FACTORED);
    for (int k = 0; k < N; k++) {
        ck_assert_int_ge(pivot[k], k);
        swaps += pivot[k] != k;
        for (int j = 0; j < N; j++) {
            const double held = a[k * N + j];
            a[k * N + j] = a[pivot[k] * N + j];
            a[pivot[k] * N + j] = held;
        }
    }
    ck_assert_double_eq(sign, swaps % 2 ? -1 : 1);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            double sum = 0;
            for (int k = 0; k <= i && k <= j; k++) sum += (k == i ? 1 : lu[i * N + k]) * lu[k * N + j];
            ck_assert_double_eq_tol(sum, a[i * N + j], tolerance);
            if (j < i) ck_assert_double_le(fabs(lu[i * N + j]), 1);
        }
}
END_TEST

START_TEST(a_missing_pivot_is_named_and_the_rest_factored) {
    double a[9] = {1, 2, 3, 2, 4, 7, 3, 6, 8}, sign;
    int64_t pivot[3];
    ck_assert_int_eq(agx_lu(3, a, pivot, &sign), 1);
    ck_assert_double_eq(a[4], 0);
    double zero[4] = {0};
    ck_assert_int_eq(agx_lu(2, zero, pivot, &sign), 0);
    double nan[4] = {1, 2, NAN, 4};
    ck_assert_int_eq(agx_lu(2, nan, pivot, &sign), AGX_FACTORED);
    ck_assert(isnan(nan[0]) && isnan(nan[3]));
    ck_assert_int_eq(agx_lu(0, NULL, NULL, &sign), AGX_FACTORED);
    ck_assert_double_eq(sign, 1);
}
END_TEST

START_TEST(a_cholesky_factor_times_its_transpose_is_the_lower_triangle) {
    double x[SIZE], a[SIZE], l[SIZE];
    random_matrix(x, N, 2);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            a[i * N + j] = i == j;
            for (int k = 0; k < N; k++) a[i * N + j] += x[i * N + k] * x[j * N + k];
        }
    memcpy(l, a, sizeof a);
    for (int i = 0; i < N; i++)
        for (int j = i + 1; j < N; j++) l[i * N + j] = NAN; /* not read */
    ck_assert_int_eq(agx_cholesky(N, l), AGX_FACTORED);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            double sum = 0;
            for (int k = 0; k < N; k++) sum += l[i * N + k] * l[j * N + k];
            ck_assert_double_eq_tol(sum, a[i * N + j], tolerance);
            if (j > i) ck_assert_double_eq(l[i * N + j], 0);
        }
    double negative[9] = {1, 0, 0, 0, 4, 0, 0, 4, 3}, nan[1] = {NAN};
    ck_assert_int_eq(agx_cholesky(3, negative), 2);
    ck_assert_int_eq(agx_cholesky(1, nan), 0);
}
END_TEST

/* Stored by rows or by columns, upper or lower, with right hand sides by rows or by columns. */
START_TEST(substitution_follows_all_strides) {
    double full[SIZE], a[SIZE], x[2 * N], b[2 * N];
    random_matrix(full, N, 3);
    for (int i = 0; i < N; i++) full[i * (N + 1)] = 2 + i;
    for (int i = 0; i < 2 * N; i++) x[i] = i - 5;
    for (int which = 0; which < 16; which++) {
        const bool upper = which & 1, unit = which & 2, by_columns = which & 4, b_by_columns = which & 8;
        const int64_t row = by_columns ? 1 : N, col = by_columns ? N : 1;
        const int64_t b_row = b_by_columns ? 1 : 2, b_col = b_by_columns ? N : 1;
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++) {
                const bool read = (upper ? j >= i : j <= i) && !(unit && i == j);
                a[i * row + j * col] = read ? full[i * N + j] : NAN;
            }
        for (int i = 0; i < N; i++)
            for (int k = 0; k < 2; k++) {
                double sum = unit ? x[i * 2 + k] : 0;
                for (int j = 0; j < N; j++) {
                    const double c = a[i * row + j * col];
                    if (!isnan(c)) sum += c * x[j * 2 + k];
                }
                b[i * b_row + k * b_col] = sum;
            }
        agx_substitute(&(const agx_triangle){a, N, row, col, upper, unit}, 2, b, b_row, b_col);
        for (int i = 0; i < N; i++)
            for (int k = 0; k < 2; k++)
                ck_assert_double_eq_tol(b[i * b_row + k * b_col], x[i * 2 + k], 100 * tolerance);
    }
}
END_TEST

/* Of an invertible matrix, a^T times its cofactors is det(a) I. */
START_TEST(cofactors_times_the_matrix_give_the_determinant) {
    double a[SIZE], left[SIZE], c[SIZE], work[SIZE], det;
    int64_t order[2 * N];
    for (int n = 0; n <= N; n++) {
        random_matrix(a, n, 4 + (uint64_t)n);
        memcpy(left, a, sizeof a);
        agx_cofactors(n, left, c, work, order);
        memcpy(left, a, sizeof a);
        agx_lu(n, left, order, &det);
        for (int k = 0; k < n; k++) det *= left[k * (n + 1)];
        for (int i = 0; i < n; i++)
            for (int j = 0; j < n; j++) {
                double sum = 0;
                for (int k = 0; k < n; k++) sum += a[k * n + i] * c[k * n + j];
                ck_assert_double_eq_tol(sum, i == j ? det : 0, 100 * tolerance);
            }
    }
}
END_TEST

Suite *factor_suite(void) {
    Suite *s = suite_create("factor");
    TCase *c = tcase_create("factor");
    tcase_add_test(c, l_times_u_is_the_matrix_with_its_rows_swapped);
    tcase_add_test(c, a_missing_pivot_is_named_and_the_rest_factored);
    tcase_add_test(c, a_cholesky_factor_times_its_transpose_is_the_lower_triangle);
    tcase_add_test(c, substitution_follows_all_strides);
    tcase_add_test(c, cofactors_times_the_matrix_give_the_determinant);
    suite_add_tcase(s, c);
    return s;
}
