/* init_orthogonal: a matrix with orthonormal rows or columns.
 *
 * Normal vectors, as many as the shorter side of the matrix has, are made orthogonal one after the other. A vector that
 * keeps little of its length after that has few digits left; a second turn restores them (Giraud and others 2005: twice
 * is enough). Dividing by the positive length is a QR decomposition with a positive diagonal, and that makes Q uniform
 * (Mezzadri 2007), which the signs of Householder's method would not. */
#include "init_impl.h"

#include <math.h>

static double product(const double *x, const double *y, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += x[i] * y[i];
    return sum;
}

/* Row k of q (k + 1, n) drawn, orthogonal to those above it, of length 1. */
static void draw_row(double *q, int64_t k, int64_t n, ag_random *random) {
    double *row = q + k * n, length;
    do { /* again where chance has put it among the others */
        for (int64_t i = 0; i < n; i++) row[i] = ag_random_normal(random);
        for (int turn = 0; turn < 2; turn++) {
            for (int64_t j = 0; j < k; j++) {
                const double along = product(row, q + j * n, n);
                for (int64_t i = 0; i < n; i++) row[i] -= along * q[j * n + i];
            }
        }
        length = sqrt(product(row, row, n));
    } while (!(length > 1e-8));
    for (int64_t i = 0; i < n; i++) row[i] /= length;
}

ag_status nnx_init_orthogonal(double gain, ag_tensor *x, ag_random *random, ag_error *error) {
    const ag_meta *meta = ag_tensor_meta(x);
    if (!isfinite(gain)) return ag_fail(error, AG_ERROR_VALUE, "initialiser: gain %g must be finite", gain);
    if (meta->rank < 2)
        return ag_fail(error, AG_ERROR_SHAPE, "initialiser: an orthogonal tensor of rank %d; needs a matrix",
                       (int)meta->rank);
    const int64_t count = ag_tensor_count(x);
    if (count == 0) return AG_OK;
    const int64_t rows = meta->dim[0], columns = count / rows;
    const bool wide = rows <= columns;
    const int64_t few = wide ? rows : columns, many = wide ? columns : rows;
    size_t bytes;
    double *q = ag_size_mul((size_t)count, sizeof *q, &bytes) ? ag_alloc(bytes) : NULL; /* (few, many) */
    if (!q) return ag_fail(error, AG_ERROR_MEMORY, "initialiser: no memory for an orthogonal matrix");
    for (int64_t k = 0; k < few; k++) draw_row(q, k, many, random);
    for (int64_t k = 0; k < few; k++)
        for (int64_t i = 0; i < many; i++)
            (void)ag_tensor_set(x, wide ? k * columns + i : i * columns + k, gain * q[k * many + i]);
    ag_release(q, bytes);
    return AG_OK;
}
