/* random: operations that draw from the tape's generator (ag_tape_random_get). */
#ifndef AUTOGRAD_OPS_RANDOM_H
#define AUTOGRAD_OPS_RANDOM_H

#include "../tape.h"

AG_BEGIN_DECLS

/** Each element becomes 0 with probability p, else x / (1 - p): the mean stays.
 *  Draws from the tape's generator (ag_tape_random_get); which elements survive depends on its position and the
 *  element's number alone.
 *  Gradient: dx = the same mask on dy
 *  Edges:    p = 0 copies; p = 1 gives zeros
 *  Errors:   AG_ERROR_VALUE (p outside [0, 1]), AG_ERROR_DTYPE (integers)
 *  Memory:   keeps nothing
 *  Source:   Srivastava and others 2014 */
AG_API ag_value ag_dropout(ag_value x, double p);

/* The numbers below are a function of the generator's position, which the record keeps, and of the element's row-major
 * index: the same for any number of threads, and again when the position is set back (ag_tape_random_set). An array of n
 * elements moves the generator on by (n + 3) / 4. */

/** Uniform numbers in [0, 1), f32 or f64.
 *  Errors:   AG_ERROR_SHAPE, AG_ERROR_DTYPE (not floating) */
AG_API ag_value ag_rand(ag_tape *t, ag_dtype dtype, int rank, const int64_t *dim);
/** Normal numbers of mean 0 and variance 1, f32 or f64.
 *  Errors:   AG_ERROR_SHAPE, AG_ERROR_DTYPE (not floating)
 *  Source:   Box and Muller 1958 */
AG_API ag_value ag_randn(ag_tape *t, ag_dtype dtype, int rank, const int64_t *dim);
/** Uniform numbers between two: low + (high - low) u; decomposes.
 *  Shapes:   that of both, broadcast
 *  Gradient: dlow = dz (1 - u), dhigh = dz u: the draw stays, its bounds move
 *  Errors:   AG_ERROR_SHAPE (they do not broadcast), AG_ERROR_DTYPE (no float among them) */
AG_API ag_value ag_uniform(ag_value low, ag_value high);
/** Normal numbers: mean + std z, the reparameterisation that makes them differentiable; decomposes.
 *  Shapes:   that of both, broadcast
 *  Gradient: dmean = dy, dstd = dy z
 *  Edges:    a negative std is not refused: it mirrors
 *  Errors:   AG_ERROR_SHAPE (they do not broadcast), AG_ERROR_DTYPE (no float among them)
 *  Source:   Kingma and Welling 2014 */
AG_API ag_value ag_normal(ag_value mean, ag_value std);
/** 1 with probability p, else 0, in p's shape and dtype. For one probability everywhere, ag_full makes p.
 *  Gradient: none
 *  Edges:    p = 0 gives 0 and p = 1 gives 1, always
 *  Errors:   AG_ERROR_VALUE (an element outside [0, 1], NaN among them: names the first), AG_ERROR_DTYPE (integers) */
AG_API ag_value ag_bernoulli(ag_value p);
/** A random permutation of 0 to n - 1, i64 (n).
 *  Errors:   AG_ERROR_VALUE (n < 0), AG_ERROR_SHAPE (too large) */
AG_API ag_value ag_randperm(ag_tape *t, int64_t n);

AG_END_DECLS
#endif
