/* residual: a body with a way around it.
 * Source: He, Zhang, Ren, Sun, "Deep residual learning for image recognition", CVPR 2016. */
#include "layers.h"

#include "layers_impl.h"

typedef struct residual {
    nn_module base;
    nn_module *body, *projection; /* projection NULL: the identity */
} residual;

static ag_value forward(nn_module *m, nn_pass *pass, ag_value x) {
    residual *r = (residual *)m;
    const ag_value around = r->projection ? nn_forward(r->projection, pass, x) : x;
    return ag_add(around, nn_forward(r->body, pass, x));
}

/* The first `n` of body and projection. */
static nn_module *residual_new(nn_module *const *layers, int n, ag_error *error) {
    residual *r = nn_module_new(sizeof *r, "residual", forward, error);
    if (r && !nn_module_child(&r->base, "body", layers[0], error) &&
        (n == 1 || !nn_module_child(&r->base, "projection", layers[1], error))) {
        r->body = layers[0];
        r->projection = n == 1 ? NULL : layers[1];
        return &r->base;
    }
    nnx_free_unowned(layers, n);
    return nn_module_free_null(r ? &r->base : NULL);
}

nn_module *nn_residual(nn_module *body, ag_error *error) { return residual_new(&body, 1, error); }

nn_module *nn_residual_projected(nn_module *body, nn_module *projection, ag_error *error) {
    return residual_new((nn_module *const[]){body, projection}, 2, error);
}
