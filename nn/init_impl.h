/* init_impl: initialisers that draw a matrix as a whole. Internal. */
#ifndef NNX_INIT_IMPL_H
#define NNX_INIT_IMPL_H

#include "init.h"

/** NN_INIT_ORTHOGONAL: fill x, of a floating dtype.
 *  Errors: AG_ERROR_VALUE (gain not finite), AG_ERROR_SHAPE (rank below 2), AG_ERROR_MEMORY. Then nothing has
 *          changed */
ag_status nnx_init_orthogonal(double gain, ag_tensor *x, ag_random *random, ag_error *error) AG_WARN_UNUSED;

#endif
