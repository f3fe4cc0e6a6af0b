/* similarity: cosines of angles, and vectors of length 1. */
#ifndef AUTOGRAD_OPS_SIMILARITY_H
#define AUTOGRAD_OPS_SIMILARITY_H

#include "../tape.h"

AG_BEGIN_DECLS

/** The cosine of the angle between vectors along an axis: sum (x / max(|x|, eps)) (y / max(|y|, eps)). It decomposes.
 *  Shapes:   x and y broadcast; axis of the shape they have together, which the result is without. A scalar counts as
 *            one axis of size 1; so for ag_normalize
 *  Gradient: dx = (y/|y| - cos x/|x|) / |x|, and dy so
 *  Edges:    a vector shorter than eps (of PyTorch's default 1e-8) is divided by eps, also in the gradient: 0 has cosine 0
 *            with everything; 1e200 does not overflow
 *  Errors:   AG_ERROR_SHAPE, AG_ERROR_AXIS, AG_ERROR_VALUE (eps negative or NaN), AG_ERROR_DTYPE (integers) */
AG_API ag_value ag_cosine_similarity(ag_value x, ag_value y, int axis, double eps);
/** x / max(|x|_p, eps), the p-norm along an axis. It decomposes.
 *  Edges:    a vector shorter than eps (PyTorch's default is 1e-12) is divided by eps: 0 stays 0, with gradient dy / eps
 *  Errors:   AG_ERROR_AXIS, AG_ERROR_VALUE (eps negative or NaN, p NaN), AG_ERROR_DTYPE (integers) */
AG_API ag_value ag_normalize(ag_value x, double p, int axis, double eps);

AG_END_DECLS
#endif
