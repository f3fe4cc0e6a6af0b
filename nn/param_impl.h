/* param_impl: what optimisers read of a slab, and copies of its parts. Internal. */
#ifndef NNX_PARAM_IMPL_H
#define NNX_PARAM_IMPL_H

#include "param.h"

/** All gradients as one tensor of the slab's shape: parameters that were not reached hold zeros, padding too.
 *  Current until the next sweep or zero_grad.
 *  Errors: AG_ERROR_STATE (a gradient is invalid; names the first parameter) */
ag_status nnx_params_gradient(nn_params *p, const ag_tensor **gradient, ag_error *error) AG_WARN_UNUSED;

/** The same tensor, to divide into parts and to change (clipping). What it holds is current after
 *  nnx_params_gradient. */
ag_tensor *nnx_params_gradients(nn_params *p);
/** The first element of parameter i in the slab. */
int64_t nnx_params_offset(const nn_params *p, size_t i);

/** What `from` holds becomes what `to` holds, of the same shape and dtype. */
void nnx_tensor_copy(ag_tensor *to, const ag_tensor *from);

#endif
