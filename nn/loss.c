/* loss: objectives, made of public operations. */
#include "loss.h"

ag_value nn_cross_entropy(ag_value logits, ag_value target) { return ag_cross_entropy(logits, target); }

ag_value nn_mse(ag_value y, ag_value target) { return ag_mse_loss(y, target, AG_REDUCTION_MEAN); }
