/* optim: gradient descent on a parameter slab. Each update rule is an operation of its own ("nn_sgd_update",
 * "nn_sgd_momentum_update", "nn_adam_update"), registered through the engine's public door when the first
 * optimiser that needs it is made. The parameters must outlive the optimiser. */
#ifndef NN_OPTIM_H
#define NN_OPTIM_H

#include "param.h"

AG_BEGIN_DECLS

/** An optimiser: a rule, its state, a learning rate and a count of steps. Free with nn_optim_free. */
typedef struct nn_optim nn_optim;

/** Stochastic gradient descent, PyTorch's definition.
 *  v = momentum v + g (first step: v = g); p -= lr v
 *  Errors: NULL, and for all three constructors: AG_ERROR_VALUE (a rate or eps below 0 or not finite, a momentum
 *          or beta outside [0, 1), params NULL; of NULL params an error that is in `error` already stays),
 *          AG_ERROR_NAME (another operation has the rule's name), AG_ERROR_MEMORY
 *  Memory: v, as long as the slab; without momentum no v is kept
 *  Source: Sutskever, Martens, Dahl, Hinton 2013 (there lr multiplies g, not v) */
NN_API nn_optim *nn_sgd(nn_params *params, double lr, double momentum, ag_error *error);
/** Adam, PyTorch's definition: nn_adam_with and beta1 0.9, beta2 0.999, eps 1e-8. */
NN_API nn_optim *nn_adam(nn_params *params, double lr, ag_error *error);
/** Adam with its constants given. Step t, from 1:
 *  m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2
 *  p -= lr / (1 - beta1^t) m / (sqrt(v / (1 - beta2^t)) + eps)
 *  Edges:  eps = 0 makes 0/0, NaN, of an element whose gradient was always 0, padding too
 *  Errors: as nn_sgd
 *  Memory: m and v, each as long as the slab
 *  Source: Kingma and Ba 2015, algorithm 1 */
NN_API nn_optim *nn_adam_with(nn_params *params, double lr, double beta1, double beta2, double eps,
                              ag_error *error);
NN_API void nn_optim_free(nn_optim *o); /* accepts NULL; the parameters stay */

/** One update from the parameters' gradients. Parameters without a gradient (never reached) are read as zeros.
 *  Errors: AG_ERROR_VALUE (a rate that nn_optim_set_lr set below 0 or not finite; Adam after nn_optim_set_steps
 *          below 0), AG_ERROR_STATE (a gradient is invalid after a failed backward; names the first parameter),
 *          AG_ERROR_MEMORY. On error nothing is changed */
NN_API ag_status nn_optim_step(nn_optim *o, ag_error *error);
/** nn_params_zero_grad of its parameters: every gradient reads as zeros, an invalid one is valid again. */
NN_API void nn_optim_zero_grad(nn_optim *o);
/** The learning rate of the next step, to read and, for schedules, to set. A rate below 0 or not finite is refused
 *  by nn_optim_step. */
NN_API double nn_optim_lr(const nn_optim *o);
NN_API void nn_optim_set_lr(nn_optim *o, double lr);
/** Updates done: steps that failed are not counted. */
NN_API int64_t nn_optim_steps(const nn_optim *o);

/** State for checkpoints: its tensors, to read or (ag_tensor_write) to restore, and the count of steps. SGD
 *  without momentum has none; with it "momentum" (v); Adam "exp_avg" (m) and "exp_avg_sq" (v).
 *  Shapes: each the slab's, (padded elements), in its dtype; the padding must stay zero
 *  Edges:  name and tensor are NULL past the last
 *  Memory: both belong to the optimiser */
NN_API size_t nn_optim_state_count(const nn_optim *o);
NN_API const char *nn_optim_state_name(const nn_optim *o, size_t i);
NN_API ag_tensor *nn_optim_state(const nn_optim *o, size_t i);
/** The other half of restoring a state: Adam's next step is number steps + 1. Below 0 Adam refuses to step. */
NN_API void nn_optim_set_steps(nn_optim *o, int64_t steps);

AG_END_DECLS
#endif
