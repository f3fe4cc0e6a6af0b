/* layers: the layers that come with nn. Each returns NULL on failure and says why in `error`. */
#ifndef NN_LAYERS_LAYERS_H
#define NN_LAYERS_LAYERS_H

#include "../module.h"

AG_BEGIN_DECLS

/** y = x W^T + b.  x (..., n_in), weight (n_out, n_in), bias (n_out), y (..., n_out).
 *  Initialised as PyTorch's linear: both uniform in +-1/sqrt(n_in). */
NN_API nn_module *nn_linear(int64_t n_in, int64_t n_out, ag_error *error);
/** The same with initialisers of one's own; has_bias false leaves the bias out. */
NN_API nn_module *nn_linear_with(int64_t n_in, int64_t n_out, nn_init weight, bool has_bias, nn_init bias,
                                 ag_error *error);

typedef enum nn_activation { NN_IDENTITY, NN_RELU, NN_TANH, NN_SIGMOID } nn_activation;
NN_API nn_module *nn_activation_layer(nn_activation kind, ag_error *error);
NN_API const char *nn_activation_name(nn_activation kind);

/** Elements to zero with probability p while training; the identity otherwise. */
NN_API nn_module *nn_dropout(double p, ag_error *error);

/** Modules one after the other, named "0", "1", ... It owns them. nn_sequential takes ownership of all n even
 *  when it fails; a NULL among them makes it fail. */
NN_API nn_module *nn_sequential(nn_module *const *layers, int n, ag_error *error);

/** A multi-layer perceptron: sizes[0] inputs, then n - 1 linear layers with `hidden` between them (none after
 *  the last). A sequential: "0.weight", "2.weight", ... Weights: PyTorch's default, or `weight` when not NULL
 *  (biases are then zero). */
NN_API nn_module *nn_mlp(const int64_t *sizes, int n, nn_activation hidden, const nn_init *weight,
                         ag_error *error);

AG_END_DECLS
#endif
