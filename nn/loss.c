/* loss: objectives, made of public operations. */
#include "loss.h"

#include <math.h>

ag_value nn_cross_entropy(ag_value logits, ag_value target) { return ag_cross_entropy(logits, target); }

ag_value nn_cross_entropy_with(ag_value logits, ag_value target, const ag_class_options *options) {
    return ag_cross_entropy_with(logits, target, options);
}

ag_value nn_nll(ag_value log_probabilities, ag_value target) {
    return ag_nll_loss(log_probabilities, target, NULL);
}

ag_value nn_bce(ag_value probabilities, ag_value target) {
    return ag_binary_cross_entropy(probabilities, target, AG_REDUCTION_MEAN);
}

ag_value nn_bce_with_logits(ag_value logits, ag_value target) {
    return ag_binary_cross_entropy_with_logits(logits, target, NULL, AG_REDUCTION_MEAN);
}

ag_value nn_mse(ag_value y, ag_value target) { return ag_mse_loss(y, target, AG_REDUCTION_MEAN); }

ag_value nn_mae(ag_value y, ag_value target) { return ag_l1_loss(y, target, AG_REDUCTION_MEAN); }

ag_value nn_huber(ag_value y, ag_value target, double delta) {
    return ag_huber_loss(y, target, delta, AG_REDUCTION_MEAN);
}

ag_value nn_half_squared_error(ag_value y, ag_value target) {
    return ag_mul_number(ag_mse_loss(y, target, AG_REDUCTION_SUM), 0.5);
}

/* The 2-norm has gradient 0 where the root of a mean has infinity times 0, and squares nothing that overflows. */
ag_value nn_rmse(ag_value y, ag_value target) {
    const ag_meta *a = ag_meta_of(y), *b = ag_meta_of(target);
    if (!a || !b) return ag_sub(y, target);
    bool same = a->rank == b->rank;
    for (int k = 0; k < a->rank && same; k++) same = a->dim[k] == b->dim[k];
    if (!same) return ag_tape_fail(y.tape, AG_ERROR_SHAPE, "nn_rmse: y and target differ in shape");
    const int64_t n = ag_meta_count(a);
    return ag_mul_number(ag_norm(ag_sub(y, target), 2, NULL, 0, false), 1 / sqrt((double)n));
}
