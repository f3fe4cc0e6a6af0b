/* sequential: modules one after the other. */
#include "layers.h"

#include <stdio.h>

static ag_value forward(nn_module *m, nn_pass *pass, ag_value x) {
    for (nn_module *layer = m->children; layer; layer = layer->next) x = nn_forward(layer, pass, x);
    return x;
}

nn_module *nn_sequential(nn_module *const *layers, int n, ag_error *error) {
    nn_module *m = nn_module_new(sizeof *m, "sequential", forward, error);
    bool failed = !m;
    for (int i = 0; i < n; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "%d", i);
        if (!failed) failed = nn_module_child(m, name, layers[i], error) != AG_OK;
        if (failed) nn_module_free(layers[i]); /* one that m owns by now stays: m frees it */
    }
    return failed ? nn_module_free_null(m) : m;
}
