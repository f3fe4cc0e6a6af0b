/* higher: Hessian-vector products, Jacobians and Hessians as values. Compositions of the sweeps in grad.h, nothing more:
 * all results are recorded and can be differentiated again.
 *
 *     ag_value h, y = rosenbrock(x);             // y: one element; x (2)
 *     if (ag_hessian(y, &x, 1, &h) == AG_OK) ... // h (2, 2)
 */
#ifndef AUTOGRAD_HIGHER_H
#define AUTOGRAD_HIGHER_H

#include "tape.h"

AG_BEGIN_DECLS

/** The product of a Hessian with one vector: hv[i] = sum_j (d2 y / dx[i] dx[j]) v[j], at the cost of a few gradients
 *  whatever the sizes. v NULL: ones.
 *  Shapes: y one element; v[j] as x[j]; hv[i] as x[i]; any x may be a scalar of the strip
 *  Errors: AG_ERROR_SHAPE (y has more or fewer elements; a v of another shape than its x), AG_ERROR_DERIVATIVE,
 *          AG_ERROR_MEMORY, AG_ERROR_VALUE (n is negative), AG_ERROR_STALE */
AG_API ag_status ag_hvp(ag_value y, const ag_value *x, const ag_value *v, int n, ag_value *hv);

/** All derivatives of y by x. It takes one reverse sweep per element of y or one forward sweep per element of x,
 *  whichever are fewer.
 *  Shapes: (y's shape..., x's shape...), at most AG_MAX_RANK dimensions; of x's dtype
 *  Edges:  empty when y or x is empty; zeros where y does not depend on x; rank 0 for two scalars
 *  Errors: AG_ERROR_SHAPE (too many dimensions), AG_ERROR_DTYPE (y or x is not floating), AG_ERROR_DERIVATIVE,
 *          AG_ERROR_MEMORY, AG_ERROR_STALE */
AG_API ag_status ag_jacobian(ag_value y, ag_value x, ag_value *j);

/** All second derivatives of y by n values, as n * n blocks: h[i * n + j] = d2 y / dx[i] dx[j].
 *  Shapes: y one element; h[i * n + j] (x[i]'s shape..., x[j]'s shape...), at most AG_MAX_RANK dimensions, of
 *          x[j]'s dtype; one x: h is one value
 *  Edges:  as ag_jacobian
 *  Errors: as ag_jacobian; AG_ERROR_SHAPE also where y has more or fewer elements; AG_ERROR_VALUE (n is negative)
 *  Memory: one reverse sweep of the gradient per element of x is recorded */
AG_API ag_status ag_hessian(ag_value y, const ag_value *x, int n, ag_value *h);

AG_END_DECLS
#endif
