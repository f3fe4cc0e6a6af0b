/* ops: every operation that can be recorded. One call, one record, unless it says that it decomposes.
 *
 * Unless a comment says otherwise: operands broadcast as in NumPy, dtypes promote as in PyTorch, results are new
 * values on the operands' tape, any order of derivative exists, NaN propagates, axes count from the end when
 * negative, and errors are kept by the tape (tape.h).  (...) stands for any leading dimensions.
 *
 * Any operation can fail with AG_ERROR_MEMORY, AG_ERROR_LIMIT (the tape is full), AG_ERROR_STALE, AG_ERROR_FOREIGN
 * or, silently, AG_ERROR_FAILED (of an operand); Errors lines name what else can go wrong. */
#ifndef AUTOGRAD_OPS_H
#define AUTOGRAD_OPS_H

#include <limits.h>

#include "tape.h"

AG_BEGIN_DECLS

/* ---- arithmetic (inline in scalar.h for two scalars of the strip) --------------------------------- */

/** -x.
 *  Gradient: dx = -dy
 *  Errors:   none of its own; so for every operation of one array in this section */
static inline ag_value ag_neg(ag_value x);
/** x + y.
 *  Gradient: dx = dz, dy = dz; summed over broadcast dimensions, as for every operation of two arrays
 *  Errors:   AG_ERROR_SHAPE (the shapes do not broadcast); so for every operation of two arrays */
static inline ag_value ag_add(ag_value x, ag_value y);
/** x - y.
 *  Gradient: dx = dz, dy = -dz */
static inline ag_value ag_sub(ag_value x, ag_value y);
/** x y, element by element.
 *  Gradient: dx = dz y, dy = dz x
 *  Memory:   keeps x and y */
static inline ag_value ag_mul(ag_value x, ag_value y);
/** x / y. Integers divide as f32.
 *  Gradient: dx = dz / y, dy = -dz x / y^2
 *  Edges:    1/0 is inf, with dy = -inf; 0/0 is NaN
 *  Memory:   keeps x and y */
static inline ag_value ag_div(ag_value x, ag_value y);
/** x^2.
 *  Gradient: dx = dy 2 x
 *  Memory:   keeps x */
static inline ag_value ag_square(ag_value x);
/** max(x, 0).
 *  Gradient: dx = dy where x > 0, 0 elsewhere
 *  Edges:    the gradient at 0 is 0; NaN stays NaN and makes the gradient NaN
 *  Memory:   keeps x */
static inline ag_value ag_relu(ag_value x);
/** x + c, one record.
 *  Gradient: dx = dy; c: none, it is a number
 *  Edges:    i64 stays i64: c is then truncated towards 0; so for ag_mul_number */
static inline ag_value ag_add_number(ag_value x, double c);
/** c x, one record.
 *  Gradient: dx = c dy; c: none, it is a number */
static inline ag_value ag_mul_number(ag_value x, double c);
/** A neuron: b + sum_i w_i x_i, one record where all are scalars of the strip; otherwise it decomposes.
 *  Gradient: dw_i = dy x_i, dx_i = dy w_i, db = dy
 *  Edges:    n = 0 gives b
 *  Errors:   AG_ERROR_VALUE (n < 0) */
AG_API ag_value ag_affine(const ag_value *w, const ag_value *x, int n, ag_value b);
/** x^c, one record.
 *  Gradient: dx = dy c x^(c-1); c: none, it is a number
 *  Edges:    x^0 is 1 with gradient 0, whatever x; 0^1 has gradient 1; 0^(1/2) has gradient inf; a negative x
 *            needs an integer c, else NaN
 *  Memory:   keeps x */
AG_API ag_value ag_pow_number(ag_value x, double c);
/** x^y.
 *  Gradient: dx = dz y x^(y-1), dy = dz z log(x)
 *  Edges:    (0, 0) is 1 with gradients 0 and 0; (0, y > 0) has dy = 0; (0, -1) is inf with gradients -inf, -inf;
 *            x < 0 has dy NaN
 *  Errors:   AG_ERROR_SHAPE
 *  Memory:   keeps x, y and z */
AG_API ag_value ag_pow(ag_value x, ag_value y);
/** The larger.
 *  Gradient: dz to the larger operand, 0 to the other
 *  Edges:    at a tie each operand gets half of the adjoint; NaN wins
 *  Errors:   AG_ERROR_SHAPE
 *  Memory:   keeps x and y */
AG_API ag_value ag_maximum(ag_value x, ag_value y);
/** The smaller.  Gradient, Edges, Errors and Memory: as ag_maximum, with the smaller operand. */
AG_API ag_value ag_minimum(ag_value x, ag_value y);
/** |x|.
 *  Gradient: dx = dy sign(x)
 *  Edges:    the gradient at 0 is 0
 *  Memory:   keeps x */
AG_API ag_value ag_abs(ag_value x);
/** -1, 0 or 1.
 *  Gradient: 0 everywhere
 *  Edges:    NaN stays NaN */
AG_API ag_value ag_sign(ag_value x);
/** Square root.
 *  Gradient: dx = dy / (2 y)
 *  Edges:    at 0 the gradient is inf; below 0, NaN
 *  Memory:   keeps y */
AG_API ag_value ag_sqrt(ag_value x);
/** e^x.
 *  Gradient: dx = dy y
 *  Memory:   keeps y */
AG_API ag_value ag_exp(ag_value x);
/** Natural logarithm.
 *  Gradient: dx = dy / x
 *  Edges:    at 0 it is -inf, with gradient inf; below 0 NaN, with gradient 1/x
 *  Memory:   keeps x */
AG_API ag_value ag_log(ag_value x);
/** 1 / sqrt(x).  Edges: at 0 it is inf, with gradient -inf; below 0, NaN. */
AG_API ag_value ag_rsqrt(ag_value x);
/** 1 / x.  Edges: at 0 it is inf, with gradient -inf. */
AG_API ag_value ag_reciprocal(ag_value x);
/** 2^x. */
AG_API ag_value ag_exp2(ag_value x);
/** e^x - 1, with all its digits near 0. */
AG_API ag_value ag_expm1(ag_value x);
/** Logarithms to the bases 2 and 10.  Edges: as ag_log. */
AG_API ag_value ag_log2(ag_value x);
AG_API ag_value ag_log10(ag_value x);
/** log(1 + x), with all its digits near 0.  Edges: at -1 it is -inf, with gradient inf; below, NaN. */
AG_API ag_value ag_log1p(ag_value x);
/** x log(y).
 *  Gradient: dx = dz log(y), dy = dz x / y
 *  Edges:    x = 0 gives 0 for every y but NaN; (0, 0) has gradients 0 and 0 */
AG_API ag_value ag_xlogy(ag_value x, ag_value y);
/** log(e^x + e^y), without overflow.
 *  Gradient: dx = dz sigmoid(x - y), dy = dz sigmoid(y - x)
 *  Edges:    two equal infinities give the same one, and each gets half of the adjoint */
AG_API ag_value ag_logaddexp(ag_value x, ag_value y);
/** sqrt(x^2 + y^2), without overflow.
 *  Gradient: dx = dz x / z, dy = dz y / z
 *  Edges:    at (0, 0) both gradients are 0; with an infinite operand, inf, and that operand's gradient is NaN */
AG_API ag_value ag_hypot(ag_value x, ag_value y);
/** What division towards 0 leaves: x - y trunc(x / y), with the sign of x. Integers compute as f32.
 *  Gradient: dx = dz, dy = -dz trunc(x / y)
 *  Edges:    y = 0 gives NaN */
AG_API ag_value ag_fmod(ag_value x, ag_value y);
/** What division downwards leaves: x - y floor(x / y), with the sign of y (Python's %). Integers compute as f32.
 *  Gradient: dx = dz, dy = -dz floor(x / y)
 *  Edges:    y = 0 gives NaN */
AG_API ag_value ag_remainder(ag_value x, ag_value y);
/** The integer at or below, at or above, nearest (half to even), and towards 0.
 *  Gradient: 0 everywhere */
AG_API ag_value ag_floor(ag_value x);
AG_API ag_value ag_ceil(ag_value x);
AG_API ag_value ag_round(ag_value x);
AG_API ag_value ag_trunc(ag_value x);
/** At least lo; at most hi; within [lo, hi] (two records). For integers the bounds are truncated.
 *  Gradient: 1 within and at a bound, 0 outside
 *  Edges:    NaN stays NaN and makes the gradient NaN; lo > hi gives hi with gradient 0 */
AG_API ag_value ag_clamp_min(ag_value x, double lo);
AG_API ag_value ag_clamp_max(ag_value x, double hi);
AG_API ag_value ag_clamp(ag_value x, double lo, double hi);
/** Sine.
 *  Units:    radians
 *  Gradient: dx = dy cos(x)
 *  Edges:    NaN at +-inf, and so is the gradient
 *  Memory:   keeps x */
AG_API ag_value ag_sin(ag_value x);
/** Cosine.
 *  Gradient: dx = -dy sin(x)
 *  Units, Edges and Memory: as ag_sin */
AG_API ag_value ag_cos(ag_value x);
/** Tangent of an angle in radians. */
AG_API ag_value ag_tan(ag_value x);
/** Inverse circular functions, in radians.
 *  Edges: asin and acos are NaN outside [-1, 1], and have an infinite gradient at its ends */
AG_API ag_value ag_asin(ag_value x);
AG_API ag_value ag_acos(ag_value x);
AG_API ag_value ag_atan(ag_value x);
/** The angle, in radians, of the point whose ordinate is x and whose abscissa is y.
 *  Gradient: dx = dz y / (x^2 + y^2), dy = -dz x / (x^2 + y^2)
 *  Edges:    (0, 0) is 0, with gradients NaN; the gradient at infinity is NaN where y / hypot(x, y) is */
AG_API ag_value ag_atan2(ag_value x, ag_value y);
/** Hyperbolic sine and cosine. */
AG_API ag_value ag_sinh(ag_value x);
AG_API ag_value ag_cosh(ag_value x);
/** Inverse hyperbolic functions.
 *  Edges: acosh is NaN below 1, with gradient inf at 1; atanh is infinite at -1 and 1, with gradient inf, and NaN
 *         outside */
AG_API ag_value ag_asinh(ag_value x);
AG_API ag_value ag_acosh(ag_value x);
AG_API ag_value ag_atanh(ag_value x);
/** Error function, and 1 - erf(x) with all its digits. */
AG_API ag_value ag_erf(ag_value x);
AG_API ag_value ag_erfc(ag_value x);
/** Hyperbolic tangent.
 *  Gradient: dx = dy (1 - y^2)
 *  Edges:    +-1 at +-inf, with gradient 0
 *  Memory:   keeps y */
AG_API ag_value ag_tanh(ag_value x);
/** 1 / (1 + e^-x), without overflow on either side.
 *  Gradient: dx = dy sigmoid(x) sigmoid(-x), which keeps its digits where y rounds to 1
 *  Edges:    0 at -inf and 1 at +inf, with gradient 0
 *  Memory:   keeps x */
AG_API ag_value ag_sigmoid(ag_value x);

/* ---- activations (relu, sigmoid and tanh stand above) ---------------------------------------------------- */

/** log(1 + e^x), without overflow. */
AG_API ag_value ag_softplus(ag_value x);
/** log(sigmoid(x)), without overflow: -softplus(-x). */
AG_API ag_value ag_log_sigmoid(ag_value x);
/** x / (1 + |x|).  Edges: -1 and 1 at the infinities. */
AG_API ag_value ag_softsign(ag_value x);
/** x sigmoid(x).  Edges: at -inf it is 0 with gradient 0. */
AG_API ag_value ag_silu(ag_value x);
/** x tanh(softplus(x)).  Edges: at -inf it is 0 with gradient 0.  Source: Misra 2019. */
AG_API ag_value ag_mish(ag_value x);
/** x Phi(x), Phi the normal distribution function; and its approximation x (1 + tanh(u)) / 2 with
 *  u = sqrt(2 / pi) (x + 0.044715 x^3).
 *  Edges:  at -inf they are 0 with gradient 0
 *  Source: Hendrycks and Gimpel 2016 */
AG_API ag_value ag_gelu(ag_value x);
AG_API ag_value ag_gelu_tanh(ag_value x);
/** min(max(x, 0), 6).  Edges: the gradient at 0 and at 6 is 0. */
AG_API ag_value ag_relu6(ag_value x);
/** min(max(x, -1), 1).  Edges: the gradient at -1 and at 1 is 0. */
AG_API ag_value ag_hardtanh(ag_value x);
/** relu6(x + 3) / 6.
 *  Gradient: dz times 1/6 rounded to f32, whatever the dtype: PyTorch's number
 *  Edges:    the gradient at -3 and at 3 is 0 */
AG_API ag_value ag_hardsigmoid(ag_value x);
/** x relu6(x + 3) / 6.  Edges: the gradient at -3 is 0, at 3 it is 1. */
AG_API ag_value ag_hardswish(ag_value x);
/** x for x > 0, slope x elsewhere.  Edges: the gradient at 0 is slope. */
AG_API ag_value ag_leaky_relu(ag_value x, double slope);
/** x for x > 0, alpha (e^x - 1) elsewhere.  Edges: the gradient at 0 is alpha. */
AG_API ag_value ag_elu(ag_value x, double alpha);
/** x for x > 0, alpha (e^(x / alpha) - 1) elsewhere.  Edges: the gradient at 0 is 1. */
AG_API ag_value ag_celu(ag_value x, double alpha);
/** x for x > 0, alpha (e^x - 1) elsewhere, times scale; alpha = 1.6733, scale = 1.0507.
 *  Edges:  the gradient at 0 is scale alpha
 *  Source: Klambauer and others 2017 */
AG_API ag_value ag_selu(ag_value x);

/* ---- comparisons and selection ------------------------------------------------------------------------ */

/** x == y, x != y, x < y, x <= y, x > y, x >= y, as bool. One comment for the six.
 *  Gradient: none
 *  Edges:    with a NaN all are false but ne
 *  Errors:   AG_ERROR_SHAPE */
AG_API ag_value ag_eq(ag_value x, ag_value y);
AG_API ag_value ag_ne(ag_value x, ag_value y);
AG_API ag_value ag_lt(ag_value x, ag_value y);
AG_API ag_value ag_le(ag_value x, ag_value y);
AG_API ag_value ag_gt(ag_value x, ag_value y);
AG_API ag_value ag_ge(ag_value x, ag_value y);
/** x and y.
 *  Gradient: none
 *  Errors:   AG_ERROR_DTYPE (an operand is not bool), AG_ERROR_SHAPE */
AG_API ag_value ag_logical_and(ag_value x, ag_value y);
/** x where the condition holds, y elsewhere.
 *  Shapes:   all three broadcast; the dtype is that of x and y together
 *  Gradient: dx = dz where the condition holds, dy = dz elsewhere; condition: none
 *  Edges:    the branch not taken gets exactly 0, whatever it holds
 *  Errors:   AG_ERROR_DTYPE (the condition is not bool), AG_ERROR_SHAPE
 *  Memory:   keeps the condition */
AG_API ag_value ag_where(ag_value condition, ag_value x, ag_value y);
/** x as another dtype; x itself, without a record, when it has that dtype.
 *  Gradient: converted back; none through integers and bools
 *  Edges:    to i64 it truncates towards 0; to bool it is x != 0 (NaN is true)
 *  Errors:   AG_ERROR_DTYPE (no such dtype), AG_ERROR_SHAPE (an expanded view with too many elements for it) */
AG_API ag_value ag_cast(ag_value x, ag_dtype dtype);

/* ---- reductions: axes NULL or n_axes 0 means all axes --------------------------------------------------- */

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

/* ---- shape ------------------------------------------------------------------------------------------------ */

/** The same elements, row-major, in another shape. One dimension may be -1: it is worked out.
 *  Gradient: dx = dy in x's shape
 *  Errors:   AG_ERROR_SHAPE (another number of elements; two -1; -1 beside a 0)
 *  Memory:   a view where strides can describe it; else a copy is recorded first (two records) */
AG_API ag_value ag_reshape(ag_value x, int rank, const int64_t *dim);
/** Two axes swapped. A view.
 *  Gradient: dx = dy, swapped back
 *  Errors:   AG_ERROR_AXIS */
AG_API ag_value ag_transpose(ag_value x, int axis0, int axis1);
/** Axis k of the result is axis axes[k] of x; n is x's rank. A view.
 *  Gradient: dx = dy under the inverse permutation
 *  Errors:   AG_ERROR_AXIS (not a permutation) */
AG_API ag_value ag_permute(ag_value x, const int *axes, int n);
/** Broadcast to a shape: dimensions of size 1, and new leading ones, repeat; -1 keeps a dimension. A view.
 *  Gradient: dx = sum of dy over the repetitions
 *  Errors:   AG_ERROR_SHAPE */
AG_API ag_value ag_expand(ag_value x, int rank, const int64_t *dim);
/** Positions start, start + step, ... before stop along an axis. A view.
 *  Edges:    Python's rules: negative positions count from the end, all are clamped to the axis (INT64_MAX: to
 *            the end), and a slice may be empty
 *  Gradient: dy where the slice lay, 0 elsewhere
 *  Errors:   AG_ERROR_AXIS, AG_ERROR_VALUE (step below 1) */
AG_API ag_value ag_slice(ag_value x, int axis, int64_t start, int64_t stop, int64_t step);
/** One position along an axis, which disappears; negative counts from the end. A view.
 *  Gradient: dy at that position, 0 elsewhere
 *  Errors:   AG_ERROR_AXIS, AG_ERROR_INDEX */
AG_API ag_value ag_select(ag_value x, int axis, int64_t index);
/** A new axis of size 1, at `axis` of the result. A view.
 *  Gradient: dx = dy without the axis
 *  Errors:   AG_ERROR_AXIS, AG_ERROR_SHAPE (the result would have rank 9) */
AG_API ag_value ag_unsqueeze(ag_value x, int axis);
/** Without an axis of size 1. A view.
 *  Gradient: dx = dy with the axis
 *  Errors:   AG_ERROR_AXIS, AG_ERROR_SHAPE (its size is not 1) */
AG_API ag_value ag_squeeze(ag_value x, int axis);
/** n values of one shape along a new axis; dtypes promote. It gathers scalars, too.
 *  Gradient: dx_i = dy at position i
 *  Errors:   AG_ERROR_SHAPE (names the first that differs), AG_ERROR_AXIS, AG_ERROR_VALUE (n < 1) */
AG_API ag_value ag_stack(const ag_value *x, int n, int axis);
/** n values one behind the other along an axis; all other dimensions equal; dtypes promote.
 *  Gradient: dx_i = its part of dy
 *  Errors:   AG_ERROR_SHAPE (names the first that differs), AG_ERROR_AXIS, AG_ERROR_VALUE (n < 1) */
AG_API ag_value ag_cat(const ag_value *x, int n, int axis);
/** The slices of x at the given positions along an axis, in their order; repetitions are welcome.
 *  Shapes:   x (..., S, ...); index (n) i64 in [0, S); y (..., n, ...)
 *  Gradient: dx = ag_index_scatter of dy; index: none
 *  Errors:   AG_ERROR_INDEX (names the first bad position), AG_ERROR_DTYPE, AG_ERROR_SHAPE, AG_ERROR_AXIS */
AG_API ag_value ag_index_select(ag_value x, int axis, ag_value index);
/** Zeros of dimension `size` along axis, with x's slices added at the given positions, in order.
 *  Shapes:   x (..., n, ...); index (n) i64 in [0, size); y (..., size, ...)
 *  Gradient: dx = ag_index_select of dy; index: none
 *  Errors:   AG_ERROR_INDEX (names the first bad position), AG_ERROR_DTYPE, AG_ERROR_SHAPE, AG_ERROR_AXIS,
 *            AG_ERROR_VALUE (size < 0) */
AG_API ag_value ag_index_scatter(ag_value x, int axis, ag_value index, int64_t size);

/* ---- linear algebra ------------------------------------------------------------------------------------------ */

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

/* ---- softmax and losses ---------------------------------------------------------------------------------------- */

/** What becomes of the losses of single elements: their mean, their sum, or nothing. */
typedef enum ag_reduction { AG_REDUCTION_MEAN, AG_REDUCTION_SUM, AG_REDUCTION_NONE } ag_reduction;

/** exp(x_i) / sum_j exp(x_j) along an axis, without overflow.
 *  Gradient: dx = y (dy - sum dy y)
 *  Edges:    a row that is -inf throughout (a mask hides it all) gives zeros, with gradient 0
 *  Errors:   AG_ERROR_AXIS, AG_ERROR_DTYPE (integers)
 *  Memory:   keeps y */
AG_API ag_value ag_softmax(ag_value x, int axis);
/** x_i - log sum_j exp(x_j) along an axis; ag_log(ag_softmax(x)) with all its digits.
 *  Gradient: dx = dy - exp(y) sum dy
 *  Errors:   AG_ERROR_AXIS, AG_ERROR_DTYPE (integers)
 *  Memory:   keeps y */
AG_API ag_value ag_log_softmax(ag_value x, int axis);
/** Softmax cross-entropy, mean over the batch.
 *  y = -1/B sum_b log softmax(x_b)[t_b]
 *  Shapes:   x (B, C) float, target (B) i64 in [0, C); or one sample: x (C), target (). y ()
 *  Units:    nats
 *  Gradient: dx = dy (softmax(x) - onehot(t)) / B; target: none
 *  Edges:    B = 0 and C = 1 give 0; logits of any size keep their digits
 *  Errors:   AG_ERROR_SHAPE, AG_ERROR_DTYPE, AG_ERROR_INDEX (names the first bad row and its target)
 *  Memory:   keeps x and target; the adjoint computes the softmax again
 *  Source:   Bishop 2006, section 4.3.4 */
AG_API ag_value ag_cross_entropy(ag_value x, ag_value target);
/** Squared error (x - target)^2: its mean, its sum, or every element. It decomposes into sub, square and mean or
 *  sum.
 *  Shapes:   x and target (...); y (), or (...) for every element
 *  Gradient: of the mean, dx = dy 2 (x - target) / n; dtarget = -dx
 *  Edges:    the mean of no elements is NaN
 *  Errors:   AG_ERROR_SHAPE (the shapes differ: no broadcasting here), AG_ERROR_VALUE (no such reduction),
 *            AG_ERROR_DTYPE (a mean of integers) */
AG_API ag_value ag_mse_loss(ag_value x, ag_value target, ag_reduction reduction);

/* ---- random and graph control -------------------------------------------------------------------------------------- */

/** Each element becomes 0 with probability p, else x / (1 - p): the mean stays.
 *  Draws from the tape's generator (ag_tape_random_get); which elements survive depends on its position and the
 *  element's number alone.
 *  Gradient: dx = the same mask on dy
 *  Edges:    p = 0 copies; p = 1 gives zeros
 *  Errors:   AG_ERROR_VALUE (p outside [0, 1]), AG_ERROR_DTYPE (integers)
 *  Memory:   keeps nothing
 *  Source:   Srivastava and others 2014 */
AG_API ag_value ag_dropout(ag_value x, double p);
/** x as a constant: the same numbers. A view.
 *  Gradient: none */
AG_API ag_value ag_detach(ag_value x);

AG_END_DECLS

#include "scalar.h"
#endif
