/* layers: what most networks are made of, the everyday first. Each function makes a layer, an nn_module; on failure it
 * returns NULL and says why in `error`. Convolutions, normalisation and so on have headers of their own (nn.h). */
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

/** The functions that a layer can apply to every element: the operations of those names (ops/elementwise.h), and x
 *  itself. The last three take a number. */
typedef enum nn_activation {
    NN_IDENTITY,
    NN_RELU,
    NN_TANH,
    NN_SIGMOID,
    NN_SOFTPLUS,
    NN_LOG_SIGMOID,
    NN_SOFTSIGN,
    NN_SILU, /* also called swish */
    NN_MISH,
    NN_GELU,
    NN_GELU_TANH, /* its approximation by a tanh */
    NN_RELU6,
    NN_HARDTANH,
    NN_HARDSIGMOID,
    NN_HARDSWISH,
    NN_SELU,
    NN_LEAKY_RELU, /* slope below 0: 0.01 */
    NN_ELU,        /* alpha: 1 */
    NN_CELU        /* alpha: 1 */
} nn_activation;
/** An elementwise function as a layer; its type is the function's name. It has no parameters; NN_IDENTITY returns
 *  x and records nothing.
 *  Shapes: x (...); y (...)
 *  Errors: AG_ERROR_VALUE (no such function), AG_ERROR_MEMORY */
NN_API nn_module *nn_activation_layer(nn_activation kind, ag_error *error);
/** The same with a number of one's own, for those that take one.
 *  Errors: AG_ERROR_VALUE (no such function, or it takes none; not finite; 0 for celu), AG_ERROR_MEMORY */
NN_API nn_module *nn_activation_layer_with(nn_activation kind, double number, ag_error *error);
/** "identity", "relu", ... "leaky_relu"; "unknown" for any other number. Static text, never NULL. */
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
 *  Errors: AG_ERROR_VALUE (n < 2, no list, or no such activation), AG_ERROR_SHAPE (a size, as nn_linear),
 *          AG_ERROR_MEMORY */
NN_API nn_module *nn_mlp(const int64_t *sizes, int n, nn_activation hidden, const nn_init *weight,
                         ag_error *error);

/** Probabilities along an axis, ag_softmax; and their logarithms, ag_log_softmax.
 *  Shapes: x (...); y (...)
 *  Errors: AG_ERROR_MEMORY. Of a pass: those of the operation */
NN_API nn_module *nn_softmax(int axis, ag_error *error);
NN_API nn_module *nn_log_softmax(int axis, ag_error *error);

/** A vector for each of `count` things, looked up by number, ag_embedding. The vectors begin as standard normal
 *  numbers, that of padding_idx as zeros; it is not trained, as its gradient is 0. AG_NO_PADDING: there is none; a
 *  negative one counts from the end.
 *  Shapes: x (...) i64 in [0, count), weight (count, size); y (..., size)
 *  Errors: AG_ERROR_INDEX (padding_idx), AG_ERROR_SHAPE (a size below 0, or too many elements), AG_ERROR_MEMORY. Of a
 *          pass: those of ag_embedding */
NN_API nn_module *nn_embedding(int64_t count, int64_t size, int64_t padding_idx, ag_error *error);
/** The same with an initialiser of one's own, which fills the row of the padding, too. */
NN_API nn_module *nn_embedding_with(int64_t count, int64_t size, int64_t padding_idx, nn_init weight,
                                    ag_error *error);

/** Whole channels to zero: what stands along the axes behind the second goes or stays together. Neighbouring positions
 *  of an image say nearly the same, so that dropping single ones would change little.
 *  Shapes: x (N, C, ...); y as x. For (N, C), and so for single features, it is nn_dropout
 *  Edges:  infinities and NaN in a dropped channel give NaN
 *  Errors: AG_ERROR_VALUE (p outside [0, 1]), AG_ERROR_MEMORY. Of a pass: AG_ERROR_SHAPE (rank below 2), and those of
 *          ag_dropout
 *  Source: Tompson and others 2015 */
NN_API nn_module *nn_channel_dropout(double p, ag_error *error);

/** A body with a way around it: y = x + body(x). What the body need not learn is the identity. The body is the child
 *  "body", and owned even when it fails.
 *  Shapes: x (...); y (...): body(x) has the shape of x, or one that broadcasts with it
 *  Errors: AG_ERROR_VALUE (a NULL: an error that is in `error` already then stays), AG_ERROR_STATE (a module has a
 *          parent, and stays its parent's; or is there twice), AG_ERROR_MEMORY
 *  Source: He, Zhang, Ren and Sun 2016 */
NN_API nn_module *nn_residual(nn_module *body, ag_error *error);
/** The same where the body changes the shape, and the way around must, too: y = projection(x) + body(x).
 *  Children "body" and "projection", in this order. */
NN_API nn_module *nn_residual_projected(nn_module *body, nn_module *projection, ag_error *error);

/** Two inputs, each output a bilinear form of them: z_o = x^T W_o y + b_o, ag_bilinear. Initialised as PyTorch's: all
 *  uniform in [-r, r), r = 1 / sqrt(n_x). As a layer of one input (nn_forward) it takes x and y one behind the other.
 *  Shapes: xy (..., n_x + n_y), weight (n_out, n_x, n_y), bias (n_out); z (..., n_out)
 *  Errors: as nn_linear; AG_ERROR_VALUE (n_x or n_y below 0). Of a pass: those of ag_bilinear, AG_ERROR_SHAPE (xy has
 *          another size) */
NN_API nn_module *nn_bilinear(int64_t n_x, int64_t n_y, int64_t n_out, ag_error *error);
/** The same with initialisers of one's own, as nn_linear_with. */
NN_API nn_module *nn_bilinear_with(int64_t n_x, int64_t n_y, int64_t n_out, nn_init weight, bool has_bias,
                                   nn_init bias, ag_error *error);
/** Run one on its two inputs.
 *  Shapes: x (..., n_x), y (..., n_y) with the same leading dimensions; z (..., n_out)
 *  Errors: kept by the tape: AG_ERROR_VALUE (m is NULL, or no bilinear layer), and those of ag_bilinear */
NN_API ag_value nn_bilinear_run(nn_module *m, nn_pass *pass, ag_value x, ag_value y);

AG_END_DECLS
#endif
