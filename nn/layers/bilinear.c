/* bilinear: a layer of two inputs. */
#include "layers.h"

#include "../module_impl.h"

typedef struct bilinear {
    nn_module base;
    int64_t n_x, n_y;
    nn_param *weight; /* (n_out, n_x, n_y) */
    nn_param *bias;   /* (n_out), or NULL */
} bilinear;

static ag_value apply(bilinear *b, nn_pass *pass, ag_value x, ag_value y) {
    const ag_value bias = b->bias ? nn_use(pass, b->bias) : (ag_value){0};
    return ag_bilinear(x, y, nn_use(pass, b->weight), bias);
}

static ag_value forward(nn_module *m, nn_pass *pass, ag_value xy) {
    bilinear *b = (bilinear *)m;
    const ag_meta *meta = ag_meta_of(xy);
    if (!meta) return ag_detach(xy); /* an operation tells what is wrong with a handle, or that it failed before */
    if (meta->rank < 1 || meta->dim[meta->rank - 1] != b->n_x + b->n_y)
        return ag_tape_fail(pass->tape, AG_ERROR_SHAPE, "bilinear: needs (..., %lld), both inputs together",
                            (long long)(b->n_x + b->n_y));
    return apply(b, pass, ag_slice(xy, -1, 0, b->n_x, 1), ag_slice(xy, -1, b->n_x, INT64_MAX, 1));
}

ag_value nn_bilinear_run(nn_module *m, nn_pass *pass, ag_value x, ag_value y) {
    if (!m || m->forward != forward)
        return ag_tape_fail(pass->tape, AG_ERROR_VALUE, "nn_bilinear_run: %s is no bilinear layer",
                            m ? m->type : "NULL");
    nnx_enter(m, pass);
    return nnx_leave(m, pass, apply((bilinear *)m, pass, x, y));
}

nn_module *nn_bilinear_with(int64_t n_x, int64_t n_y, int64_t n_out, nn_init weight, bool has_bias, nn_init bias,
                            ag_error *error) {
    if (n_x < 0 || n_y < 0 || n_x > INT64_MAX - n_y) {
        (void)ag_fail(error, AG_ERROR_VALUE, "nn_bilinear: inputs of %lld and %lld", (long long)n_x,
                      (long long)n_y);
        return NULL;
    }
    bilinear *b = nn_module_new(sizeof *b, "bilinear", forward, error);
    if (!b) return NULL;
    b->n_x = n_x;
    b->n_y = n_y;
    b->weight = nn_module_param(&b->base, "weight", 3, (const int64_t[]){n_out, n_x, n_y}, weight, error);
    if (b->weight && has_bias) b->bias = nn_module_param(&b->base, "bias", 1, &n_out, bias, error);
    if (!b->weight || (has_bias && !b->bias)) return nn_module_free_null(&b->base);
    return &b->base;
}

nn_module *nn_bilinear(int64_t n_x, int64_t n_y, int64_t n_out, ag_error *error) {
    const nn_init uniform = nn_init_fan_uniform(n_x);
    return nn_bilinear_with(n_x, n_y, n_out, uniform, true, uniform, error);
}
