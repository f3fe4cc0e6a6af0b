/* reduce: sums, means and extremes. axes NULL or n_axes 0 means all axes. */
#ifndef AUTOGRAD_OPS_REDUCE_H
#define AUTOGRAD_OPS_REDUCE_H

#include <limits.h>

#include "../tape.h"

AG_BEGIN_DECLS

/** Sum. Bools are counted as i64.
 *  Shapes:   the axes named disappear, or stay with size 1 when keepdim
 *  Gradient: dx = dy, repeated
 *  Edges:    a sum of nothing is 0
 *  Errors:   AG_ERROR_AXIS (out of range, or named twice); so for all reductions */
AG_API ag_value ag_sum(ag_value x, const int *axes, int n_axes, bool keepdim);
/** Arithmetic mean.
 *  Gradient: dx = dy / n, repeated
 *  Edges:    a mean of nothing is NaN
 *  Errors:   AG_ERROR_DTYPE (integers: cast first) */
AG_API ag_value ag_mean(ag_value x, const int *axes, int n_axes, bool keepdim);
/** Largest element.
 *  Gradient: dy / k to each of k elements that tie for the largest, 0 to the others
 *  Edges:    NaN wins, and makes the gradient of its whole group NaN
 *  Errors:   AG_ERROR_SHAPE (a maximum of nothing), AG_ERROR_DTYPE (bool)
 *  Memory:   keeps x and y */
AG_API ag_value ag_amax(ag_value x, const int *axes, int n_axes, bool keepdim);
/** log sum exp(x), without overflow.
 *  Gradient: dx = dy exp(x - y)
 *  Edges:    nothing, or all -inf, gives -inf with gradient 0; k elements at +inf give +inf, and share dy
 *  Errors:   AG_ERROR_DTYPE (integers)
 *  Memory:   keeps x and y */
AG_API ag_value ag_logsumexp(ag_value x, const int *axes, int n_axes, bool keepdim);
/** Sum and mean over everything: rank 0. Gradient, Edges and Errors: as ag_sum and ag_mean. */
AG_API ag_value ag_sum_all(ag_value x);
AG_API ag_value ag_mean_all(ag_value x);
/** Index (i64) of the first largest element along an axis. With AG_ALL_AXES, over everything: the index counts
 *  row-major.
 *  Gradient: none
 *  Edges:    the first NaN wins
 *  Errors:   AG_ERROR_AXIS, AG_ERROR_SHAPE (a maximum of nothing), AG_ERROR_DTYPE (bool) */
#define AG_ALL_AXES INT_MIN
AG_API ag_value ag_argmax(ag_value x, int axis, bool keepdim);
/** Sum over broadcast dimensions down to a shape that broadcasts to x's: the transpose of ag_expand.
 *  Gradient: dx = dy, repeated
 *  Errors:   AG_ERROR_SHAPE */
AG_API ag_value ag_sum_to(ag_value x, int rank, const int64_t *dim);
/** Sum of squares, one record.
 *  Shapes:   as ag_sum
 *  Gradient: dx = 2 x dy
 *  Edges:    of nothing it is 0
 *  Errors:   AG_ERROR_AXIS, AG_ERROR_DTYPE (integers)
 *  Memory:   keeps x */
AG_API ag_value ag_sum_squares(ag_value x, const int *axes, int n_axes, bool keepdim);
/** x_0 + x_1 + ... of n operands, one record; they broadcast, and dtypes promote (bools are counted as i64).
 *  Gradient: dx_i = dy
 *  Errors:   AG_ERROR_SHAPE, AG_ERROR_VALUE (n < 1)
 *  Memory:   keeps nothing */
AG_API ag_value ag_add_n(const ag_value *x, int n);

AG_END_DECLS
#endif
