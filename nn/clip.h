/* clip: the gradients as a whole - their norm, bounds on them, and gradients added up over several batches.
 *
 * A step over k batches: zero_grad, then record, ag_backward and rewind k times - backward adds -, then
 * nn_grad_scale(params, 1.0 / k) where the loss is a mean, a clip, and one nn_optim_step.
 *
 *     double norm;
 *     ag_status status = nn_clip_norm(params, 1, 2, &norm, &error);
 *     if (status == AG_OK) status = nn_optim_step(optimiser, &error);
 *     else if (status == AG_ERROR_NONFINITE) skipped++;
 *
 * Parameters that were not reached count as zeros. */
#ifndef NN_CLIP_H
#define NN_CLIP_H

#include "param.h"

AG_BEGIN_DECLS

/** The norm of all gradients as one vector: (sum |g|^order)^(1/order); INFINITY: the largest |g|.
 *  Edges:  NaN in a gradient gives NaN; nothing overflows or vanishes on the way
 *  Errors: AG_ERROR_VALUE (order not above 0), AG_ERROR_STATE (a gradient is invalid; names the first
 *          parameter) */
NN_API ag_status nn_grad_norm(nn_params *p, double order, double *norm, ag_error *error) AG_WARN_UNUSED;
/** Scale all gradients so that their norm is at most `most`: by most / (norm + 1e-6) where that is below 1, as in
 *  PyTorch. `norm` (NULL: not wanted) receives the norm before.
 *  Errors: those of nn_grad_norm; AG_ERROR_VALUE (most below 0 or NaN); AG_ERROR_NONFINITE (the norm is; `norm` is
 *          set): the gradients then stay as they are, and the step can be skipped */
NN_API ag_status nn_clip_norm(nn_params *p, double most, double order, double *norm,
                              ag_error *error) AG_WARN_UNUSED;
/** Every element into [-most, most].
 *  Edges:  NaN stays NaN
 *  Errors: AG_ERROR_VALUE (most below 0 or NaN), AG_ERROR_STATE */
NN_API ag_status nn_clip_value(nn_params *p, double most, ag_error *error) AG_WARN_UNUSED;
/** Every element times a factor.
 *  Errors: AG_ERROR_VALUE (not finite), AG_ERROR_STATE */
NN_API ag_status nn_grad_scale(nn_params *p, double factor, ag_error *error) AG_WARN_UNUSED;

AG_END_DECLS
#endif
