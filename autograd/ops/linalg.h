/* linalg: matrix products, and what is done with square matrices. */
#ifndef AUTOGRAD_OPS_LINALG_H
#define AUTOGRAD_OPS_LINALG_H

#include "../tape.h"

AG_BEGIN_DECLS

/** Matrix product, NumPy's rules.
 *  Shapes:   x (..., m, k), y (..., k, n), z (..., m, n): leading dimensions broadcast. A vector is a row on the
 *            left and a column on the right, and its axis is missing in z
 *  Gradient: dx = dz y^T, dy = x^T dz, summed over broadcast dimensions
 *  Edges:    k = 0 gives zeros
 *  Errors:   AG_ERROR_SHAPE (inner dimensions differ; an operand of rank 0), AG_ERROR_DTYPE (no float among them)
 *  Memory:   keeps x and y; transposed operands are not copied */
AG_API ag_value ag_matmul(ag_value x, ag_value y);
/** The affine map of a layer: x W^T + b, one record.
 *  Shapes:   x (..., n_in), weight (n_out, n_in), bias (n_out) or (ag_value){0} for none; y (..., n_out)
 *  Gradient: dx = dy W, dW = dy^T x, db = sum dy, over leading dimensions
 *  Errors:   AG_ERROR_SHAPE, AG_ERROR_DTYPE
 *  Memory:   keeps x and weight */
AG_API ag_value ag_linear(ag_value x, ag_value weight, ag_value bias);

/** sum_i x_i y_i of two vectors; decomposes.
 *  Gradient: dx = dz y, dy = dz x
 *  Edges:    of nothing it is 0
 *  Errors:   AG_ERROR_SHAPE (not two vectors of one size), AG_ERROR_DTYPE (no float among them) */
AG_API ag_value ag_dot(ag_value x, ag_value y);
/** x_i y_j of two vectors; decomposes.
 *  Gradient: dx = dz y, dy = dz^T x
 *  Errors:   AG_ERROR_SHAPE (not two vectors) */
AG_API ag_value ag_outer(ag_value x, ag_value y);
/** z_o = x^T W_o y + b_o; decomposes.
 *  Shapes:   x (..., I), y (..., J) with the same leading dimensions; weight (O, I, J); bias (O) or (ag_value){0} for
 *            none; z (..., O)
 *  Gradient: dx = sum_o dz_o W_o y, dy = sum_o dz_o W_o^T x, dW_o = dz_o x y^T, db = dz; over leading dimensions
 *  Errors:   AG_ERROR_SHAPE, AG_ERROR_DTYPE (no float among them) */
AG_API ag_value ag_bilinear(ag_value x, ag_value y, ag_value weight, ag_value bias);
/** Sum of the diagonal of the last two axes; decomposes.
 *  Shapes:   x (..., m, n); y (...)
 *  Gradient: dy on the diagonal, 0 elsewhere
 *  Errors:   AG_ERROR_SHAPE (rank below 2) */
AG_API ag_value ag_trace(ag_value x);
/** Einstein's notation, as in PyTorch: "bij,bjk->bik". A letter in several operands runs along them together; letters
 *  that the output does not name are summed over; a letter twice in one operand is its diagonal; "..." stands for any
 *  further axes, which broadcast. Without an arrow, the output is the ellipsis and then every letter that occurs
 *  once, capitals first. Spaces do not count. Decomposes, contracting from left to right, into products of matrices.
 *  Shapes:   an axis of size 1 repeats where another operand's is larger
 *  Gradient: that of the products and sums
 *  Errors:   AG_ERROR_VALUE (the equation does not parse, or names another number of operands), AG_ERROR_SHAPE (sizes
 *            differ; letters do not fit the axes; a product of rank above 8): the message holds the equation */
AG_API ag_value ag_einsum(const char *equation, const ag_value *x, int n);

/* ---- square matrices: (..., n, n), each of a stack by itself; n = 0 is legal ------------------------------------- */

/** The inverse. f32 is computed in f64 and rounded, as for all of this section.
 *  Gradient: dx = -y^T dy y^T
 *  Edges:    a matrix is singular when elimination finds a column of exact zeros; NaN propagates
 *  Errors:   AG_ERROR_SHAPE (not square), AG_ERROR_DTYPE (integers), AG_ERROR_VALUE (singular: names the matrix)
 *  Memory:   keeps y */
AG_API ag_value ag_inverse(ag_value x);
/** The solution z of x z = y.
 *  Shapes:   x (..., n, n); y (..., n, k), or vectors: (n), or exactly x's shape without its last axis; z as y. Leading
 *            dimensions broadcast
 *  Gradient: dy = x^-T dz, dx = -dy z^T
 *  Errors:   as ag_inverse
 *  Memory:   keeps x and z */
AG_API ag_value ag_solve(ag_value x, ag_value y);
/** The same for a triangular x, of which only the triangle is read, and with unitriangular only what lies off the
 *  diagonal, which counts as ones. left false: z x = y.
 *  Shapes:   x (..., n, n); y (..., n, k), left false: (..., k, n). Leading dimensions broadcast
 *  Gradient: dy = x^-T dz, dx = -dy z^T in the triangle, 0 elsewhere
 *  Edges:    a zero on the diagonal divides as it does: inf or NaN
 *  Errors:   AG_ERROR_SHAPE, AG_ERROR_DTYPE
 *  Memory:   keeps x and z */
AG_API ag_value ag_solve_triangular(ag_value x, ag_value y, bool upper, bool left, bool unitriangular);
/** Determinant.
 *  Shapes:   x (..., n, n); y (...)
 *  Gradient: dx = dy times the cofactors of x: right at singular matrices of any rank, too
 *  Edges:    n = 0 gives 1. The second derivative needs an inverse where n > 2: at a singular matrix it is an error that
 *            says so
 *  Errors:   AG_ERROR_SHAPE (not square), AG_ERROR_DTYPE (integers)
 *  Memory:   keeps x */
AG_API ag_value ag_det(ag_value x);
/** log |det x|; ag_output(y, 1) is the sign: -1, 0 or 1.
 *  Shapes:   x (..., n, n); both outputs (...)
 *  Gradient: dx = dy x^-T; of the sign: 0
 *  Edges:    n = 0 gives 0, sign 1; a singular matrix -inf, sign 0, and its gradient is an error that says so
 *  Errors:   AG_ERROR_SHAPE (not square), AG_ERROR_DTYPE (integers)
 *  Memory:   keeps x */
AG_API ag_value ag_slogdet(ag_value x);
/** The lower triangular l with l l^T = x, x symmetric and positive definite.
 *  symmetrize true: of (x + x^T) / 2, so that the gradient is symmetric, as PyTorch's is. false: of the matrix whose
 *  lower triangle x's is; the upper one is not read and has gradient 0.
 *  Gradient: with s = l^-T phi(l^T dl) l^-1, dx = (s + s^T) / 2, or phi(s + s^T); phi: the lower triangle and half of
 *            the diagonal
 *  Errors:   AG_ERROR_SHAPE (not square), AG_ERROR_DTYPE (integers), AG_ERROR_VALUE (not positive definite, NaN among
 *            them: names the matrix and the minor)
 *  Memory:   keeps l
 *  Source:   Murray 2016 */
AG_API ag_value ag_cholesky(ag_value x, bool symmetrize);

AG_END_DECLS
#endif
