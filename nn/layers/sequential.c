/* sequential: modules one after the other.
 *
 * Every layer in the list is freed exactly once, by the sequence or by its failure: a list may name a layer twice,
 * hold NULL, or hold a layer beside the module that owns it. */
#include "layers.h"

#include "layers_impl.h"

#include <stdio.h>

static ag_value forward(nn_module *m, nn_pass *pass, ag_value x) {
    for (nn_module *layer = m->children; layer; layer = layer->next) x = nn_forward(layer, pass, x);
    return x;
}

/* They are found before any is freed: afterwards the list may hold pointers to what is gone. A layer found becomes its
 * own parent for a while, so that it is found once. */
void nnx_free_unowned(nn_module *const *layers, int n) {
    nn_module *first = NULL;
    for (int i = 0; i < n; i++) {
        nn_module *layer = layers[i];
        if (!layer || layer->parent) continue;
        layer->parent = layer;
        layer->next = first;
        first = layer;
    }
    while (first) {
        nn_module *layer = first;
        first = layer->next;
        layer->parent = layer->next = NULL;
        nn_module_free(layer);
    }
}

nn_module *nn_sequential(nn_module *const *layers, int n, ag_error *error) {
    if (n < 0 || (n > 0 && !layers)) {
        (void)ag_fail(error, AG_ERROR_VALUE, "sequential: %d layers%s", n, n < 0 ? "" : " at NULL");
        return NULL;
    }
    nn_module *m = nn_module_new(sizeof *m, "sequential", forward, error);
    bool failed = !m;
    for (int i = 0; i < n && !failed; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "%d", i);
        const bool again = layers[i] && layers[i]->parent == m;
        failed = (again ? ag_fail(error, AG_ERROR_VALUE,
                                  "sequential: layer %d (%s) stands in the list before, too", i, layers[i]->type)
                        : nn_module_child(m, name, layers[i], error)) != AG_OK;
    }
    if (!failed) return m;
    nnx_free_unowned(layers, n);
    return nn_module_free_null(m);
}
