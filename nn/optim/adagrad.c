/* adagrad: each element's rate falls with the sum of its squared gradients.
 *
 *   s <- s + g^2,  p <- p - lr / (1 + (t - 1) lr_decay)  g / (sqrt(s) + eps)
 *
 * The sum begins with `initial`, which step 1 puts there.
 * Source: Duchi, Hazan, Singer, "Adaptive subgradient methods for online learning and stochastic optimization",
 * JMLR 2011; constants as in torch.optim.Adagrad. */
#include "optim_impl.h"

#include <math.h>

typedef struct adagrad_attrs {
    double lr, lr_decay, weight_decay, initial, eps;
    int64_t step; /* 1 at the first update */
} adagrad_attrs;

typedef struct adagrad {
    nn_optim base;
    double lr_decay, initial, eps;
} adagrad;

/* x: p, s. k: rate, decay, eps, what s begins with. */
NNX_LOOP void element(double *x, double g, const nnx_factors *f) {
    const double *k = f->k;
    g = nnx_decayed(g, k[1], x[0]);
    x[1] = x[1] + k[3] + g * g;
    x[0] -= k[0] * g / (sqrt(x[1]) + k[2]);
}

static void narrow(const ag_eval *e, const nnx_factors *f) { nnx_sweep(e, 1, element, f); }
NNX_WIDE static void wide(const ag_eval *e, const nnx_factors *f) { nnx_sweep(e, 1, element, f); }

static ag_status forward(const ag_eval *e) {
    const adagrad_attrs *a = e->attrs;
    ag_status status = nnx_step_check(e, a->step);
    if (status) return status;
    const double rate = a->lr / (1 + (double)(a->step - 1) * a->lr_decay);
    return nnx_update(e, narrow, wide,
                      &(nnx_factors){{rate, a->weight_decay, a->eps, a->step == 1 ? a->initial : 0}});
}

static double cost(const ag_query *q) { return 7.0 * (double)ag_meta_count(q->in[0]); }

static const ag_field fields[] = {
    {"lr", AG_FIELD_REAL, offsetof(adagrad_attrs, lr), 0.01},
    {"lr_decay", AG_FIELD_REAL, offsetof(adagrad_attrs, lr_decay), 0},
    {"weight_decay", AG_FIELD_REAL, offsetof(adagrad_attrs, weight_decay), 0},
    {"initial", AG_FIELD_REAL, offsetof(adagrad_attrs, initial), 0},
    {"eps", AG_FIELD_REAL, offsetof(adagrad_attrs, eps), 1e-10},
    {"step", AG_FIELD_INT, offsetof(adagrad_attrs, step), 1},
};
static const ag_probe probe = {.lo = {-2, -2, 0}, .hi = {2, 2, 2}};

static const ag_op nn_adagrad_update = {
    .name = "nn_adagrad_update",
    .formula = "s' = s + g^2, p' = p - lr / (1 + (t - 1) lr_decay) g / (sqrt(s') + eps)",
    .min_in = 3,
    .max_in = 3,
    .outputs = 2,
    .grad = nnx_no_derivative,
    .n_grad = 1,
    .traits = AG_TRAIT_ELEMENTWISE,
    .attr_size = sizeof(adagrad_attrs),
    .fields = fields,
    .n_fields = sizeof fields / sizeof fields[0],
    .infer = nnx_update_infer,
    .forward = forward,
    .cost = cost,
    .probe = &probe,
};

static void fill(const nn_optim *o, const nnx_constants *c, double lr, void *attrs) {
    const adagrad *a = (const adagrad *)o;
    *(adagrad_attrs *)attrs = (adagrad_attrs){lr, a->lr_decay, c->weight_decay, a->initial, a->eps, o->steps + 1};
}

nn_optim *nn_adagrad(nn_params *params, double lr, const nn_adagrad_options *options, ag_error *error) {
    static const char *const state_name[] = {"sum"};
    const nn_adagrad_options none = {0}, *n = options ? options : &none;
    const adagrad model = {{.size = sizeof(adagrad),
                            .rule = &nn_adagrad_update,
                            .state_name = state_name,
                            .state_count = 1,
                            .takes = NNX_DECAY,
                            .own = {.weight_decay = nnx_option(n->weight_decay, 0)},
                            .attrs = fill,
                            .lr = lr},
                           nnx_option(n->lr_decay, 0),
                           nnx_option(n->initial, 0),
                           nnx_option(n->eps, 1e-10)};
    if (!nnx_is_rate(lr) || !nnx_is_rate(model.lr_decay) || !nnx_is_rate(model.base.own.weight_decay) ||
        !nnx_is_rate(model.initial) || !nnx_is_rate(model.eps))
        return nnx_optim_refuse("nn_adagrad", "needs finite numbers of at least 0", error);
    return nnx_optim_new(&model.base, params, error);
}
