/* mlp: a multi-layer perceptron, as a sequential of linear layers and activations. */
#include "layers.h"

nn_module *nn_mlp(const int64_t *sizes, int n, nn_activation hidden, const nn_init *weight, ag_error *error) {
    if (n < 2 || !sizes) {
        (void)ag_fail(error, AG_ERROR_VALUE, "nn_mlp: %d sizes; needs the inputs' and the outputs'",
                      sizes ? n : 0);
        return NULL;
    }
    const size_t bytes = ((size_t)n * 2 - 3) * sizeof(nn_module *);
    nn_module **layers = ag_alloc(bytes);
    if (!layers) {
        (void)ag_fail(error, AG_ERROR_MEMORY, "nn_mlp: no memory for %d layers", n - 1);
        return NULL;
    }
    int count = 0;
    for (int i = 0; i + 1 < n; i++) {
        if (i > 0) layers[count++] = nn_activation_layer(hidden, error);
        layers[count++] = weight
                              ? nn_linear_with(sizes[i], sizes[i + 1], *weight, true, nn_init_constant(0), error)
                              : nn_linear(sizes[i], sizes[i + 1], error);
    }
    nn_module *m = nn_sequential(layers, count, error);
    ag_release(layers, bytes);
    return m;
}
