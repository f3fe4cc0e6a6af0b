/* lbfgs_impl: a line to search along. Internal. */
#ifndef NNX_LBFGS_IMPL_H
#define NNX_LBFGS_IMPL_H

#include "optim_impl.h"

enum { NNX_LBFGS_GRADIENTS = 4, NNX_LBFGS_WORK = 1 + NNX_LBFGS_GRADIENTS };

/** The loss at p0 + t d as a function of t. */
typedef struct nnx_lbfgs_line {
    nn_loss_function *f;
    void *user;
    nn_params *params;
    ag_tensor *start, *direction; /* p0 and d: the slab's shape */
    ag_tensor
        *gradient[NNX_LBFGS_GRADIENTS]; /* the slab's shape; number 0 is the gradient at p0, the rest are room */
} nnx_lbfgs_line;

/** The parameters become p0 + length d. */
ag_status nnx_lbfgs_move(const nnx_lbfgs_line *line, double length, ag_error *error);
/** The loss and its gradient at the parameters as they are. */
ag_status nnx_lbfgs_evaluate(const nnx_lbfgs_line *line, double *loss, ag_tensor *gradient, ag_error *error);
double nnx_lbfgs_dot(ag_tensor *x, ag_tensor *y);
/** The largest |x|; NaN where there is one. */
double nnx_lbfgs_largest(ag_tensor *x);

/** A length that satisfies the strong Wolfe conditions (c1 = 1e-4, c2 = 0.9), or the best of 25 trials. In: the
 *  slope of the loss along d at p0, the first length to try, the loss at p0. Out: the length, the loss there, its
 *  gradient in gradient[0], the parameters moved there, evaluations counted. */
ag_status nnx_lbfgs_search(const nnx_lbfgs_line *line, double slope, double *length, double *loss,
                           int64_t *evaluations, ag_error *error);

#endif
