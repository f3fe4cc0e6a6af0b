/* layers_impl: what layers made of others share. Internal. */
#ifndef NNX_LAYERS_IMPL_H
#define NNX_LAYERS_IMPL_H

#include "layers.h"

/** Free those of n layers that belong to no module, each once, also where one is listed twice, is NULL, or stands
 *  beside the module that owns it. For constructors that take ownership even when they fail. */
void nnx_free_unowned(nn_module *const *layers, int n);

#endif
