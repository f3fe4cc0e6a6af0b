/* layers: the layers that come with nn. Each returns NULL on failure and says why in `error`. */
#ifndef NN_LAYERS_LAYERS_H
#define NN_LAYERS_LAYERS_H

#include "../module.h"

AG_BEGIN_DECLS

/** y = x W^T + b, initialised as PyTorch's linear: both uniform in [-r, r), r = 1 / sqrt(n_in).
 *  Shapes: x (..., n_in), weight (n_out, n_in), bias (n_out); y (..., n_out)
 *  Errors: AG_ERROR_SHAPE (a size below 0, or too many elements), AG_ERROR_MEMORY. Of a pass, kept by the tape:
 *          those of ag_linear */
NN_API nn_module *nn_linear(int64_t n_in, int64_t n_out, ag_error *error);
/** The same with initialisers of one's own; has_bias false leaves the bias out, and `bias` is then not read.
 *  Errors: as nn_linear; an initialiser that makes no sense is refused by nn_params_new */
NN_API nn_module *nn_linear_with(int64_t n_in, int64_t n_out, nn_init weight, bool has_bias, nn_init bias,
                                 ag_error *error);

/** The functions that a layer can apply to every element: x, ag_relu, ag_tanh, ag_sigmoid. */
typedef enum nn_activation { NN_IDENTITY, NN_RELU, NN_TANH, NN_SIGMOID } nn_activation;
/** An elementwise function as a layer; its type is the function's name. It has no parameters; NN_IDENTITY returns
 *  x and records nothing.
 *  Shapes: x (...); y (...)
 *  Errors: AG_ERROR_VALUE (no such function), AG_ERROR_MEMORY */
NN_API nn_module *nn_activation_layer(nn_activation kind, ag_error *error);
/** "identity", "relu", "tanh", "sigmoid"; "unknown" for any other number. Static text, never NULL. */
NN_API const char *nn_activation_name(nn_activation kind);

/** Elements to zero with probability p while training, the others times 1 / (1 - p); otherwise, and for p = 0, x
 *  itself without a record.
 *  Shapes: x (...); y (...)
 *  Errors: AG_ERROR_VALUE (p outside [0, 1]), AG_ERROR_MEMORY
 *  Source: Srivastava and others 2014 */
NN_API nn_module *nn_dropout(double p, ag_error *error);

/** Modules one after the other, named "0", "1", ... It owns them. nn_sequential takes ownership of all n even
 *  when it fails; a NULL among them makes it fail.
 *  Edges:  n = 0 is the identity
 *  Errors: AG_ERROR_VALUE (n < 0, no list, a module that is there twice, or a NULL: an error that is in `error`
 *          already then stays), AG_ERROR_STATE (a module has a parent, and stays its parent's),
 *          AG_ERROR_MEMORY */
NN_API nn_module *nn_sequential(nn_module *const *layers, int n, ag_error *error);

/** A multi-layer perceptron: sizes[0] inputs, then n - 1 linear layers with `hidden` between them (none after
 *  the last). A sequential: "0.weight", "2.weight", ... Weights: PyTorch's default, or `weight` when not NULL
 *  (biases are then zero).
 *  Shapes: sizes (n); x (..., sizes[0]); y (..., sizes[n - 1])
 *  Errors: AG_ERROR_VALUE (n < 2, or no such activation), AG_ERROR_SHAPE (a size, as nn_linear),
 *          AG_ERROR_MEMORY */
NN_API nn_module *nn_mlp(const int64_t *sizes, int n, nn_activation hidden, const nn_init *weight,
                         ag_error *error);

AG_END_DECLS
#endif
