/* optim: gradient descent on a parameter slab. Each update rule is an operation of its own ("nn_sgd_update",
 * "nn_sgd_momentum_update", "nn_adam_update"), registered through the engine's public door when the first optimiser
 * that needs it is made. The parameters must outlive the optimiser. */
#ifndef NN_OPTIM_H
#define NN_OPTIM_H

#include "param.h"

AG_BEGIN_DECLS

typedef struct nn_optim nn_optim;

/** Stochastic gradient descent: v = momentum v + g (first step: v = g); p -= lr v. PyTorch's definition. Without
 *  momentum no v is kept.
 *  Errors of all three: AG_ERROR_VALUE (a rate below 0 or not finite, a momentum or beta outside [0, 1), an eps
 *  below 0), AG_ERROR_MEMORY */
NN_API nn_optim *nn_sgd(nn_params *params, double lr, double momentum, ag_error *error);
/** Adam, PyTorch's definition: defaults beta1 0.9, beta2 0.999, eps 1e-8.  Kingma and Ba 2015. */
NN_API nn_optim *nn_adam(nn_params *params, double lr, ag_error *error);
NN_API nn_optim *nn_adam_with(nn_params *params, double lr, double beta1, double beta2, double eps,
                              ag_error *error);
NN_API void nn_optim_free(nn_optim *o);

/** One update from the parameters' gradients. Parameters without a gradient (never reached) are read as zeros.
 *  Errors: AG_ERROR_STATE (a gradient is invalid after a failed backward; nothing is changed) */
NN_API ag_status nn_optim_step(nn_optim *o, ag_error *error);
NN_API void nn_optim_zero_grad(nn_optim *o);
NN_API double nn_optim_lr(const nn_optim *o);
NN_API void nn_optim_set_lr(nn_optim *o, double lr);
NN_API int64_t nn_optim_steps(const nn_optim *o); /* updates done */

/** State (moments, step count) for checkpoints: tensors of the slab's length and a counter. */
NN_API size_t nn_optim_state_count(const nn_optim *o);
NN_API const char *nn_optim_state_name(const nn_optim *o, size_t i);
NN_API ag_tensor *nn_optim_state(const nn_optim *o, size_t i);
NN_API void nn_optim_set_steps(nn_optim *o, int64_t steps);

AG_END_DECLS
#endif
