/* factor: Gaussian elimination and what follows from it.
 *
 * Inner loops run along rows, which lie dense. Pivots are the largest element of their column (LU) or of all that is left
 * (cofactors: zero pivots then gather at the end, which is what makes singular matrices tractable).
 *
 * Left out: blocking. These serve the small and medium matrices of models; a library would serve larger ones. */
#include "factor.h"

#include <math.h>
#include <string.h>

/* x -= c y, n elements. */
static void subtract(int64_t n, double c, const double *restrict y, double *restrict x) {
    for (int64_t j = 0; j < n; j++) x[j] -= c * y[j];
}

static void swap_rows(int64_t n, double *x, double *y) {
    for (int64_t j = 0; j < n; j++) {
        const double held = x[j];
        x[j] = y[j];
        y[j] = held;
    }
}

/* NaN is larger than everything, so that it spreads instead of being passed over. */
static bool larger(double x, double than) { return fabs(x) > fabs(than) || (isnan(x) && !isnan(than)); }

/* Subtract multiples of row k from all rows below; the multipliers stay where the zeros would be. */
static void eliminate(int64_t n, double *a, int64_t k) {
    const double *row = a + k * n;
    for (int64_t i = k + 1; i < n; i++) {
        double *below = a + i * n;
        if (below[k] == 0) continue;
        below[k] /= row[k];
        subtract(n - k - 1, below[k], row + k + 1, below + k + 1);
    }
}

int64_t agx_lu(int64_t n, double *a, int64_t *pivot, double *sign) {
    int64_t missing = AGX_FACTORED;
    *sign = 1;
    for (int64_t k = 0; k < n; k++) {
        int64_t best = k;
        for (int64_t i = k + 1; i < n; i++)
            if (larger(a[i * n + k], a[best * n + k])) best = i;
        pivot[k] = best;
        if (best != k) {
            swap_rows(n, a + k * n, a + best * n);
            *sign = -*sign;
        }
        if (a[k * n + k] != 0)
            eliminate(n, a, k);
        else if (missing == AGX_FACTORED)
            missing = k;
    }
    return missing;
}

void agx_lu_solve(int64_t n, int64_t k, const double *lu, const int64_t *pivot, double *b) {
    for (int64_t i = 0; i < n; i++)
        if (pivot[i] != i) swap_rows(k, b + i * k, b + pivot[i] * k);
    const agx_triangle lower = {.a = lu, .n = n, .row = n, .col = 1, .unit = true};
    const agx_triangle upper = {.a = lu, .n = n, .row = n, .col = 1, .upper = true};
    agx_substitute(&lower, k, b, k, 1);
    agx_substitute(&upper, k, b, k, 1);
}

int64_t agx_cholesky(int64_t n, double *a) {
    for (int64_t i = 0; i < n; i++) {
        double *row = a + i * n;
        for (int64_t j = 0; j <= i; j++) {
            const double *other = a + j * n;
            double sum = row[j];
            for (int64_t l = 0; l < j; l++) sum -= row[l] * other[l];
            if (j < i) {
                row[j] = sum / other[j];
            } else {
                if (!(sum > 0)) return i;
                row[i] = sqrt(sum);
            }
        }
        for (int64_t j = i + 1; j < n; j++) row[j] = 0;
    }
    return AGX_FACTORED;
}

void agx_substitute(const agx_triangle *t, int64_t k, double *b, int64_t b_row, int64_t b_col) {
    for (int64_t step = 0; step < t->n; step++) {
        const int64_t i = t->upper ? t->n - 1 - step : step;
        const int64_t from = t->upper ? i + 1 : 0, to = t->upper ? t->n : i;
        double *x = b + i * b_row;
        for (int64_t l = from; l < to; l++) {
            const double c = t->a[i * t->row + l * t->col];
            const double *known = b + l * b_row;
            if (b_col == 1)
                subtract(k, c, known, x);
            else
                for (int64_t j = 0; j < k; j++) x[j * b_col] -= c * known[j * b_col];
        }
        if (t->unit) continue;
        const double diagonal = t->a[i * t->row + i * t->col];
        for (int64_t j = 0; j < k; j++) x[j * b_col] /= diagonal;
    }
}

/* ---- cofactors ----------------------------------------------------------------------------------------------------- */

/* P a Q = L U with the largest element left as pivot. Returns the sign of both permutations; rows[k] and cols[k]: what
 * k was swapped with. */
static double eliminate_completely(int64_t n, double *a, int64_t *rows, int64_t *cols) {
    double sign = 1;
    for (int64_t k = 0; k < n; k++) {
        int64_t i_best = k, j_best = k;
        for (int64_t i = k; i < n; i++)
            for (int64_t j = k; j < n; j++)
                if (larger(a[i * n + j], a[i_best * n + j_best])) i_best = i, j_best = j;
        rows[k] = i_best;
        cols[k] = j_best;
        if (i_best != k) {
            swap_rows(n, a + k * n, a + i_best * n);
            sign = -sign;
        }
        if (j_best != k) {
            for (int64_t i = 0; i < n; i++) swap_rows(1, a + i * n + k, a + i * n + j_best);
            sign = -sign;
        }
        if (a[k * n + k] != 0) eliminate(n, a, k);
    }
    return sign;
}

/* adj(U) of U = [U1 u; 0 d] is [d adj(U1), -adj(U1) u; 0, det U1], and adj(U1) = det(U1) U1^-1: nothing divides by d, the
 * one pivot that is zero at rank n - 1. adj (n, n) is written whole; U1's determinant must not be zero. */
static void adjugate_upper(int64_t n, const double *u, double det, double *adj) {
    const int64_t m = n - 1;
    const double d = u[m * n + m];
    memset(adj, 0, (size_t)(n * n) * sizeof *adj);
    for (int64_t i = 0; i < m; i++) {
        adj[i * n + i] = d;
        adj[i * n + m] = -u[i * n + m];
    }
    const agx_triangle t = {.a = u, .n = m, .row = n, .col = 1, .upper = true};
    agx_substitute(&t, n, adj, n, 1);
    adj[m * n + m] = 1;
    for (int64_t i = 0; i < n * n; i++) adj[i] *= det;
}

void agx_cofactors(int64_t n, double *a, double *c, double *work, int64_t *order) {
    if (n == 0) return;
    int64_t *rows = order, *cols = order + n;
    const double sign = eliminate_completely(n, a, rows, cols);
    double det = sign; /* of U1, the first n - 1 pivots */
    for (int64_t k = 0; k < n - 1; k++) det *= a[k * n + k];
    if (n > 1 && a[(n - 2) * n + n - 2] == 0) { /* rank n - 2 or less */
        memset(c, 0, (size_t)(n * n) * sizeof *c);
        return;
    }
    adjugate_upper(n, a, det, work);
    /* adj(P a Q) = adj(U) L^-1: the rows of adj(U) are solved against L from the right */
    const agx_triangle right = {.a = a, .n = n, .row = 1, .col = n, .upper = true, .unit = true}; /* L^T */
    agx_substitute(&right, n, work, 1, n);
    /* adj(a) = Q adj(P a Q) P; cofactors are its transpose. Swaps are undone from the last to the first. */
    for (int64_t k = n - 1; k >= 0; k--) {
        if (cols[k] != k) swap_rows(n, work + k * n, work + cols[k] * n);
        for (int64_t i = 0; rows[k] != k && i < n; i++) swap_rows(1, work + i * n + k, work + i * n + rows[k]);
    }
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) c[i * n + j] = work[j * n + i];
}
