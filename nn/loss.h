/* loss: objectives, made of public operations. */
#ifndef NN_LOSS_H
#define NN_LOSS_H

#include <autograd/autograd.h>

#include "init.h" /* NN_API */

AG_BEGIN_DECLS

/** Softmax cross-entropy, mean over the batch. logits (B, C), target (B) i64. Units: nats. */
NN_API ag_value nn_cross_entropy(ag_value logits, ag_value target);
/** Mean squared error over all elements. */
NN_API ag_value nn_mse(ag_value y, ag_value target);

AG_END_DECLS
#endif
