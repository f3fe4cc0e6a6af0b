/* softmax: probabilities along an axis, as a layer. */
#include "layers.h"

typedef struct softmax {
    nn_module base;
    int axis;
    ag_value (*apply)(ag_value x, int axis);
} softmax;

static ag_value forward(nn_module *m, nn_pass *pass, ag_value x) {
    (void)pass;
    const softmax *s = (const softmax *)m;
    return s->apply(x, s->axis);
}

static nn_module *softmax_new(const char *type, ag_value (*apply)(ag_value x, int axis), int axis,
                              ag_error *error) {
    softmax *s = nn_module_new(sizeof *s, type, forward, error);
    if (!s) return NULL;
    s->axis = axis;
    s->apply = apply;
    return &s->base;
}

nn_module *nn_softmax(int axis, ag_error *error) { return softmax_new("softmax", ag_softmax, axis, error); }

nn_module *nn_log_softmax(int axis, ag_error *error) {
    return softmax_new("log_softmax", ag_log_softmax, axis, error);
}
