/* activation: an elementwise function as a layer. One row each. */
#include "layers.h"

typedef struct activation {
    nn_module base;
    nn_activation kind;
} activation;

static ag_value identity(ag_value x) { return x; }
static ag_value relu(ag_value x) { return ag_relu(x); } /* ag_relu is inline: this gives it an address */

static const struct {
    const char *name;
    ag_value (*apply)(ag_value x);
} row[] = {
    [NN_IDENTITY] = {"identity", identity},
    [NN_RELU] = {"relu", relu},
    [NN_TANH] = {"tanh", ag_tanh},
    [NN_SIGMOID] = {"sigmoid", ag_sigmoid},
};

static bool known(nn_activation kind) { return (size_t)kind < sizeof row / sizeof row[0]; }

const char *nn_activation_name(nn_activation kind) { return known(kind) ? row[kind].name : "unknown"; }

static ag_value forward(nn_module *m, nn_pass *pass, ag_value x) {
    (void)pass;
    return row[((activation *)m)->kind].apply(x);
}

nn_module *nn_activation_layer(nn_activation kind, ag_error *error) {
    if (!known(kind)) {
        (void)ag_fail(error, AG_ERROR_VALUE, "nn_activation_layer: unknown activation %d", (int)kind);
        return NULL;
    }
    activation *a = nn_module_new(sizeof *a, row[kind].name, forward, error);
    if (!a) return NULL;
    a->kind = kind;
    return &a->base;
}
