/* factor: matrices taken apart - LU, Cholesky, triangular substitution, cofactors. One matrix at a time, of doubles,
 * dense row-major: f32 matrices are factored in f64 and rounded at the end. Batches, dtypes and broadcasting are the
 * callers' business. */
#ifndef AGX_FACTOR_H
#define AGX_FACTOR_H

#include "../base.h"

enum { AGX_FACTORED = -1 };

/** a (n, n) becomes L (unit diagonal, below) and U (on and above) of P a = L U; row k was swapped with row pivot[k],
 *  which is at least k. *sign: of the permutation. Returns the first column that has no pivot - U has a zero there, and
 *  the rest is factored all the same - or AGX_FACTORED. NaN counts as a pivot. */
int64_t agx_lu(int64_t n, double *a, int64_t *pivot, double *sign);
/** b (n, k) becomes the solution of a x = b, given agx_lu's answer for a. */
void agx_lu_solve(int64_t n, int64_t k, const double *lu, const int64_t *pivot, double *b);

/** a (n, n), of which only the lower triangle is read, becomes its Cholesky factor: lower triangular, zeros above. Returns
 *  the first row whose leading minor is not positive (NaN is not), or AGX_FACTORED. */
int64_t agx_cholesky(int64_t n, double *a);

/** A triangular matrix somewhere: element (i, j) is a[i * row + j * col]. Only its triangle is read, and with `unit` not
 *  its diagonal either. */
typedef struct agx_triangle {
    const double *a;
    int64_t n, row, col;
    bool upper, unit;
} agx_triangle;
/** b becomes the solution of t x = b, in place. b (n, k) is element (i, j) at b[i * b_row + j * b_col]. A zero on the
 *  diagonal divides as it does: inf or NaN. */
void agx_substitute(const agx_triangle *t, int64_t k, double *b, int64_t b_row, int64_t b_col);

/** c (n, n) = the cofactors of a (n, n), the gradient of its determinant; a is overwritten. Right at singular matrices, too:
 *  of rank n - 1 (where c has rank 1) and below (where c is 0). work: n * n doubles; order: 2 n integers. */
void agx_cofactors(int64_t n, double *a, double *c, double *work, int64_t *order);

#endif
