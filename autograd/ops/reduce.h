/* reduce: sums, products, means, moments, norms and extremes, whole or running. axes NULL or n_axes 0 means all axes. */
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
/** Smallest element. All else as ag_amax. */
AG_API ag_value ag_amin(ag_value x, const int *axes, int n_axes, bool keepdim);
/** Product. Bools multiply as i64.
 *  Gradient: dx_i = dy times the product of the others
 *  Edges:    a product of nothing is 1; zeros have the gradient that mathematics gives them, at any order: no rule
 *            divides by x
 *  Memory:   keeps x */
AG_API ag_value ag_prod(ag_value x, const int *axes, int n_axes, bool keepdim);
/** Variance: the squared deviations from the mean, over n - correction (1: the sample's, 0: the population's).
 *  Gradient: dx = dy 2 (x - mean) / (n - correction)
 *  Edges:    a constant has exactly 0; n <= correction divides by 0 (NaN for a constant, else inf), and so does a
 *            variance of nothing: NaN
 *  Errors:   AG_ERROR_DTYPE (integers)
 *  Memory:   keeps x */
AG_API ag_value ag_var(ag_value x, const int *axes, int n_axes, bool keepdim, int64_t correction);
/** Standard deviation: the square root of ag_var, without overflow on the way.
 *  Gradient: dx = dy (x - mean) / ((n - correction) y)
 *  Edges:    a constant has 0, with gradient 0; n <= correction as ag_var
 *  Errors:   AG_ERROR_DTYPE (integers)
 *  Memory:   keeps x and y */
AG_API ag_value ag_std(ag_value x, const int *axes, int n_axes, bool keepdim, int64_t correction);
/** p-norm: (sum |x|^p)^(1/p). p = 0 counts what is not 0; p = inf is max |x|, p = -inf min |x|.
 *  Gradient: dx = dy sign(x) (|x| / y)^(p - 1); for p = 0 it is 0
 *  Edges:    where y is 0 the gradient is 0; at x = 0 it is 0 for every p; k elements that tie for the extreme of
 *            p = inf or -inf have dy sign(x) / k; nothing has norm 0; 1e200 does not overflow
 *  Errors:   AG_ERROR_VALUE (p is NaN), AG_ERROR_DTYPE (integers)
 *  Memory:   keeps x and y */
AG_API ag_value ag_norm(ag_value x, double p, const int *axes, int n_axes, bool keepdim);
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
/** Index of the first smallest element. All else as ag_argmax. */
AG_API ag_value ag_argmin(ag_value x, int axis, bool keepdim);
/** Largest element along one axis, with its index: two outputs (ag_output), values and i64 indices.
 *  Shapes:   both outputs: the axis disappears, or stays with size 1 when keepdim; a scalar counts as one axis
 *  Gradient: dy to the element at the index returned, 0 to the others
 *  Edges:    of several the first; the first NaN wins
 *  Errors:   AG_ERROR_AXIS, AG_ERROR_SHAPE (a maximum of nothing), AG_ERROR_DTYPE (bool)
 *  Memory:   keeps the index */
AG_API ag_value ag_max_dim(ag_value x, int axis, bool keepdim);
/** Smallest element along one axis, with its index. All else as ag_max_dim. */
AG_API ag_value ag_min_dim(ag_value x, int axis, bool keepdim);
/** Running sum: y_k = x_0 + ... + x_k along an axis (of a scalar: itself). Bools are counted as i64.
 *  Gradient: dx_k = dy_k + dy_(k+1) + ...
 *  Errors:   AG_ERROR_AXIS */
AG_API ag_value ag_cumsum(ag_value x, int axis);
/** Running product: y_k = x_0 ... x_k along an axis (of a scalar: itself). Bools multiply as i64.
 *  Gradient: dx_k = y_(k-1) s_k with s_k = dy_k + x_(k+1) s_(k+1)
 *  Edges:    zeros as in ag_prod
 *  Errors:   AG_ERROR_AXIS
 *  Memory:   keeps x and y */
AG_API ag_value ag_cumprod(ag_value x, int axis);
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
