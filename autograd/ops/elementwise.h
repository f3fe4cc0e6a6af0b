/* elementwise: arithmetic, functions of one and two numbers, and activations. Operands broadcast. */
#ifndef AUTOGRAD_OPS_ELEMENTWISE_H
#define AUTOGRAD_OPS_ELEMENTWISE_H

#include "../tape.h"

AG_BEGIN_DECLS

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
 *  Errors:   AG_ERROR_VALUE (n < 0; w or x is NULL and n > 0) */
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
/** At least lo; at most hi; within [lo, hi] (decomposes into the two). For integers the bounds are truncated.
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
/** log |gamma(x)|.
 *  Gradient: dx = dy polygamma(0, x)
 *  Edges:    +inf at 0, -1, -2, ...; there the gradient is NaN (at 0: -inf) */
AG_API ag_value ag_lgamma(ag_value x);
/** The n-th derivative of digamma, the derivative of log gamma: n = 0 is digamma, 1 trigamma.
 *  Gradient: dx = dy polygamma(n + 1, x), while n + 1 <= 170; NaN beyond
 *  Edges:    at 0, -1, -2, ... +inf for odd n; for even n NaN, -inf at 0; +inf gives +inf for n = 0, else 0
 *  Errors:   AG_ERROR_VALUE (n outside [0, 170])
 *  Source:   Abramowitz and Stegun 1964, sections 6.3 and 6.4 */
AG_API ag_value ag_polygamma(int n, ag_value x);
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

/* ---- losses of a difference (loss.h has them with two operands and reductions) ---------------------------- */

/** x^2 / (2 beta) where |x| < beta, |x| - beta / 2 elsewhere.
 *  Gradient: dx = dy x / beta where |x| < beta, dy sign(x) elsewhere
 *  Edges:    beta = 0 is ag_abs
 *  Memory:   keeps x
 *  Source:   Girshick 2015 */
AG_API ag_value ag_smooth_l1(ag_value x, double beta);
/** x^2 / 2 where |x| <= delta, delta (|x| - delta / 2) elsewhere.
 *  Gradient: dx = dy max(min(x, delta), -delta)
 *  Memory:   keeps x
 *  Source:   Huber 1964 */
AG_API ag_value ag_huber(ag_value x, double delta);

AG_END_DECLS
#endif
