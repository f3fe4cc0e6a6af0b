/* dropout: noise while training. The kept elements are scaled by 1 / (1 - p), so the mean stays and nothing needs
 * scaling afterwards.
 * Source: Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov, "Dropout", JMLR 15, 2014; of whole channels:
 * Tompson, Goroshin, Jain, LeCun, Bregler, "Efficient object localization using convolutional networks", CVPR 2015. */
#include "layers.h"

typedef struct dropout {
    nn_module base;
    double p;
} dropout;

static ag_value forward(nn_module *m, nn_pass *pass, ag_value x) {
    const double p = ((dropout *)m)->p;
    return pass->training && p > 0 ? ag_dropout(x, p) : x;
}

/* One draw a channel, spread over its positions. */
static ag_value forward_channels(nn_module *m, nn_pass *pass, ag_value x) {
    const double p = ((dropout *)m)->p;
    const ag_meta *meta = ag_meta_of(x);
    if (!pass->training || p == 0) return x;
    if (!meta) return ag_detach(x); /* an operation tells what is wrong with a handle, or that it failed before */
    if (meta->rank < 2)
        return ag_tape_fail(pass->tape, AG_ERROR_SHAPE, "channel_dropout: x has rank %d; needs (N, C, ...)",
                            (int)meta->rank);
    int64_t dim[AG_MAX_RANK] = {meta->dim[0], meta->dim[1]};
    for (int k = 2; k < meta->rank; k++) dim[k] = 1;
    return ag_mul(x, ag_dropout(ag_full(pass->tape, meta->dtype, meta->rank, dim, 1), p));
}

static nn_module *with(const char *type, nn_forward_function *function, double p, ag_error *error) {
    if (!(p >= 0 && p <= 1)) {
        (void)ag_fail(error, AG_ERROR_VALUE, "nn_%s: probability %g is not in [0, 1]", type, p);
        return NULL;
    }
    dropout *d = nn_module_new(sizeof *d, type, function, error);
    if (!d) return NULL;
    d->p = p;
    return &d->base;
}

nn_module *nn_dropout(double p, ag_error *error) { return with("dropout", forward, p, error); }

nn_module *nn_channel_dropout(double p, ag_error *error) {
    return with("channel_dropout", forward_channels, p, error);
}
