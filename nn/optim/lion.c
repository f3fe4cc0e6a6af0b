/* lion: the sign of an interpolated momentum.
 *
 *   p <- p - lr (sign(beta1 m + (1 - beta1) g) + weight_decay p),  m <- beta2 m + (1 - beta2) g
 *
 * Every element moves by lr, so rates are three to ten times smaller than Adam's.
 * Source: Chen and others, "Symbolic discovery of optimization algorithms", 2023, program 1. */
#include "optim_impl.h"

typedef struct lion_attrs {
    double lr, beta1, beta2, weight_decay;
} lion_attrs;

/* x: p, m. k: lr, beta1, beta2, decay. */
NNX_LOOP void element(double *x, double g, const nnx_factors *f) {
    const double *k = f->k, u = k[1] * x[1] + (1 - k[1]) * g;
    x[0] = x[0] * (1 - k[0] * k[3]) - k[0] * (u > 0 ? 1 : u < 0 ? -1 : u); /* a NaN stays one */
    x[1] = k[2] * x[1] + (1 - k[2]) * g;
}

static void narrow(const ag_eval *e, const nnx_factors *f) { nnx_sweep(e, 1, element, f); }
NNX_WIDE static void wide(const ag_eval *e, const nnx_factors *f) { nnx_sweep(e, 1, element, f); }

static ag_status forward(const ag_eval *e) {
    const lion_attrs *a = e->attrs;
    return nnx_update(e, narrow, wide, &(nnx_factors){{a->lr, a->beta1, a->beta2, a->weight_decay}});
}

static double cost(const ag_query *q) { return 9.0 * (double)ag_meta_count(q->in[0]); }

static const ag_field fields[] = {
    {"lr", AG_FIELD_REAL, offsetof(lion_attrs, lr), 1e-4},
    {"beta1", AG_FIELD_REAL, offsetof(lion_attrs, beta1), 0.9},
    {"beta2", AG_FIELD_REAL, offsetof(lion_attrs, beta2), 0.99},
    {"weight_decay", AG_FIELD_REAL, offsetof(lion_attrs, weight_decay), 0},
};
static const ag_probe probe = {.lo = {-2, -2, -2}, .hi = {2, 2, 2}};

static const ag_op nn_lion_update = {
    .name = "nn_lion_update",
    .formula = "p' = p - lr (sign(beta1 m + (1 - beta1) g) + weight_decay p), m' = beta2 m + (1 - beta2) g",
    .min_in = 3,
    .max_in = 3,
    .outputs = 2,
    .grad = nnx_no_derivative,
    .n_grad = 1,
    .traits = AG_TRAIT_ELEMENTWISE,
    .attr_size = sizeof(lion_attrs),
    .fields = fields,
    .n_fields = sizeof fields / sizeof fields[0],
    .infer = nnx_update_infer,
    .forward = forward,
    .cost = cost,
    .probe = &probe,
};

static void fill(const nn_optim *o, const nnx_constants *c, double lr, void *attrs) {
    (void)o;
    *(lion_attrs *)attrs = (lion_attrs){lr, c->beta1, c->beta2, c->weight_decay};
}

nn_optim *nn_lion(nn_params *params, double lr, const nn_lion_options *options, ag_error *error) {
    static const char *const state_name[] = {"exp_avg"};
    const nn_lion_options none = {0}, *n = options ? options : &none;
    const nn_optim model = {.size = sizeof(nn_optim),
                            .rule = &nn_lion_update,
                            .state_name = state_name,
                            .state_count = 1,
                            .takes = NNX_DECAY | NNX_BETA1 | NNX_BETA2,
                            .own = {.beta1 = nnx_option(n->beta1, 0.9),
                                    .beta2 = nnx_option(n->beta2, 0.99),
                                    .weight_decay = nnx_option(n->weight_decay, 0)},
                            .attrs = fill,
                            .lr = lr};
    if (!nnx_is_rate(lr) || !nnx_is_beta(model.own.beta1) || !nnx_is_beta(model.own.beta2) ||
        !nnx_is_rate(model.own.weight_decay))
        return nnx_optim_refuse("nn_lion", "needs a finite rate and decay of at least 0 and betas in [0, 1)",
                                error);
    return nnx_optim_new(&model, params, error);
}
