/* linalg: matrix products. */
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

AG_END_DECLS
#endif
