/* linear: an affine map. */
#include "layers.h"

typedef struct linear {
    nn_module base;
    nn_param *weight; /* (n_out, n_in) */
    nn_param *bias;   /* (n_out), or NULL */
} linear;

static ag_value forward(nn_module *m, nn_pass *pass, ag_value x) {
    linear *l = (linear *)m;
    const ag_value weight = nn_use(pass, l->weight);
    if (!l->bias) return ag_matmul(x, ag_transpose(weight, 0, 1));
    return ag_linear(x, weight, nn_use(pass, l->bias));
}

nn_module *nn_linear_with(int64_t n_in, int64_t n_out, nn_init weight, bool has_bias, nn_init bias,
                          ag_error *error) {
    linear *l = nn_module_new(sizeof *l, "linear", forward, error);
    if (!l) return NULL;
    l->weight = nn_module_param(&l->base, "weight", 2, (const int64_t[]){n_out, n_in}, weight, error);
    if (l->weight && has_bias) l->bias = nn_module_param(&l->base, "bias", 1, &n_out, bias, error);
    if (!l->weight || (has_bias && !l->bias)) return nn_module_free_null(&l->base);
    return &l->base;
}

nn_module *nn_linear(int64_t n_in, int64_t n_out, ag_error *error) {
    const nn_init uniform = nn_init_fan_uniform(n_in);
    return nn_linear_with(n_in, n_out, uniform, true, uniform, error);
}
