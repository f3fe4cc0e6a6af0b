/* activation: an elementwise function as a layer. One row each; those that take a number have their default in it. */
#include "layers.h"

#include <math.h>

typedef struct activation {
    nn_module base;
    nn_activation kind;
    double number;
} activation;

static ag_value identity(ag_value x) { return x; }
static ag_value relu(ag_value x) { return ag_relu(x); } /* ag_relu is inline: this gives it an address */

static const struct {
    const char *name;
    ag_value (*apply)(ag_value x);
    ag_value (*apply_with)(ag_value x, double number); /* instead of apply */
    double number;
} row[] = {
    [NN_IDENTITY] = {"identity", identity, NULL, 0},
    [NN_RELU] = {"relu", relu, NULL, 0},
    [NN_TANH] = {"tanh", ag_tanh, NULL, 0},
    [NN_SIGMOID] = {"sigmoid", ag_sigmoid, NULL, 0},
    [NN_SOFTPLUS] = {"softplus", ag_softplus, NULL, 0},
    [NN_LOG_SIGMOID] = {"log_sigmoid", ag_log_sigmoid, NULL, 0},
    [NN_SOFTSIGN] = {"softsign", ag_softsign, NULL, 0},
    [NN_SILU] = {"silu", ag_silu, NULL, 0},
    [NN_MISH] = {"mish", ag_mish, NULL, 0},
    [NN_GELU] = {"gelu", ag_gelu, NULL, 0},
    [NN_GELU_TANH] = {"gelu_tanh", ag_gelu_tanh, NULL, 0},
    [NN_RELU6] = {"relu6", ag_relu6, NULL, 0},
    [NN_HARDTANH] = {"hardtanh", ag_hardtanh, NULL, 0},
    [NN_HARDSIGMOID] = {"hardsigmoid", ag_hardsigmoid, NULL, 0},
    [NN_HARDSWISH] = {"hardswish", ag_hardswish, NULL, 0},
    [NN_SELU] = {"selu", ag_selu, NULL, 0},
    [NN_LEAKY_RELU] = {"leaky_relu", NULL, ag_leaky_relu, 0.01},
    [NN_ELU] = {"elu", NULL, ag_elu, 1},
    [NN_CELU] = {"celu", NULL, ag_celu, 1},
};

static bool known(nn_activation kind) { return (size_t)kind < sizeof row / sizeof row[0]; }

const char *nn_activation_name(nn_activation kind) { return known(kind) ? row[kind].name : "unknown"; }

static ag_value forward(nn_module *m, nn_pass *pass, ag_value x) {
    (void)pass;
    const activation *a = (const activation *)m;
    return row[a->kind].apply ? row[a->kind].apply(x) : row[a->kind].apply_with(x, a->number);
}

nn_module *nn_activation_layer(nn_activation kind, ag_error *error) {
    if (!known(kind)) {
        (void)ag_fail(error, AG_ERROR_VALUE, "nn_activation_layer: unknown activation %d", (int)kind);
        return NULL;
    }
    activation *a = nn_module_new(sizeof *a, row[kind].name, forward, error);
    if (!a) return NULL;
    a->kind = kind;
    a->number = row[kind].number;
    return &a->base;
}

nn_module *nn_activation_layer_with(nn_activation kind, double number, ag_error *error) {
    if (known(kind) && (row[kind].apply || !isfinite(number) || (kind == NN_CELU && number == 0))) {
        (void)ag_fail(error, AG_ERROR_VALUE,
                      row[kind].apply ? "nn_activation_layer_with: %s takes no number, and was given %g"
                                      : "nn_activation_layer_with: %s cannot be made with %g",
                      row[kind].name, number);
        return NULL;
    }
    nn_module *m = nn_activation_layer(kind, error);
    if (m) ((activation *)m)->number = number;
    return m;
}
