/* dropout: noise while training. The kept elements are scaled by 1 / (1 - p), so the mean stays and nothing needs
 * scaling afterwards.
 * Source: Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov, "Dropout", JMLR 15, 2014. */
#include "layers.h"

typedef struct dropout {
    nn_module base;
    double p;
} dropout;

static ag_value forward(nn_module *m, nn_pass *pass, ag_value x) {
    const double p = ((dropout *)m)->p;
    return pass->training && p > 0 ? ag_dropout(x, p) : x;
}

nn_module *nn_dropout(double p, ag_error *error) {
    if (!(p >= 0 && p <= 1)) {
        (void)ag_fail(error, AG_ERROR_VALUE, "nn_dropout: probability %g is not in [0, 1]", p);
        return NULL;
    }
    dropout *d = nn_module_new(sizeof *d, "dropout", forward, error);
    if (!d) return NULL;
    d->p = p;
    return &d->base;
}
