/* adadelta: the step's size from a running mean of squared steps, so that it has the parameter's unit.
 *
 *   v <- rho v + (1 - rho) g^2,  d = sqrt(u + eps) / sqrt(v + eps)  g,  u <- rho u + (1 - rho) d^2,  p <- p - lr d
 *
 * Source: Zeiler, "ADADELTA: an adaptive learning rate method", 2012, algorithm 1, with a rate (1 there) as in
 * torch.optim.Adadelta. */
#include "optim_impl.h"

#include <math.h>

typedef struct adadelta_attrs {
    double lr, rho, eps, weight_decay;
} adadelta_attrs;

typedef struct adadelta {
    nn_optim base;
    double eps;
} adadelta;

/* x: p, v, u. k: lr, rho, eps, decay. */
NNX_LOOP void element(double *x, double g, const nnx_factors *f) {
    const double *k = f->k;
    g = nnx_decayed(g, k[3], x[0]);
    x[1] = k[1] * x[1] + (1 - k[1]) * g * g;
    const double d = sqrt(x[2] + k[2]) / sqrt(x[1] + k[2]) * g;
    x[2] = k[1] * x[2] + (1 - k[1]) * d * d;
    x[0] -= k[0] * d;
}

static void narrow(const ag_eval *e, const nnx_factors *f) { nnx_sweep(e, 2, element, f); }
NNX_WIDE static void wide(const ag_eval *e, const nnx_factors *f) { nnx_sweep(e, 2, element, f); }

static ag_status forward(const ag_eval *e) {
    const adadelta_attrs *a = e->attrs;
    return nnx_update(e, narrow, wide, &(nnx_factors){{a->lr, a->rho, a->eps, a->weight_decay}});
}

static double cost(const ag_query *q) { return 18.0 * (double)ag_meta_count(q->in[0]); }

static const ag_field fields[] = {
    {"lr", AG_FIELD_REAL, offsetof(adadelta_attrs, lr), 1},
    {"rho", AG_FIELD_REAL, offsetof(adadelta_attrs, rho), 0.9},
    {"eps", AG_FIELD_REAL, offsetof(adadelta_attrs, eps), 1e-6},
    {"weight_decay", AG_FIELD_REAL, offsetof(adadelta_attrs, weight_decay), 0},
};
static const ag_probe probe = {.lo = {-2, -2, 0}, .hi = {2, 2, 2}};

static const ag_op nn_adadelta_update = {
    .name = "nn_adadelta_update",
    .formula = "v' = rho v + (1 - rho) g^2, d = sqrt(u + eps) / sqrt(v' + eps) g, u' = rho u + (1 - rho) d^2, "
               "p' = p - lr d",
    .min_in = 4,
    .max_in = 4,
    .outputs = 3,
    .grad = nnx_no_derivative,
    .n_grad = 1,
    .traits = AG_TRAIT_ELEMENTWISE,
    .attr_size = sizeof(adadelta_attrs),
    .fields = fields,
    .n_fields = sizeof fields / sizeof fields[0],
    .infer = nnx_update_infer,
    .forward = forward,
    .cost = cost,
    .probe = &probe,
};

static void fill(const nn_optim *o, const nnx_constants *c, double lr, void *attrs) {
    *(adadelta_attrs *)attrs = (adadelta_attrs){lr, c->beta2, ((const adadelta *)o)->eps, c->weight_decay};
}

nn_optim *nn_adadelta(nn_params *params, double lr, const nn_adadelta_options *options, ag_error *error) {
    static const char *const state_name[] = {"square_avg", "acc_delta"};
    const nn_adadelta_options none = {0}, *n = options ? options : &none;
    const adadelta model = {
        {.size = sizeof(adadelta),
         .rule = &nn_adadelta_update,
         .state_name = state_name,
         .state_count = 2,
         .takes = NNX_DECAY | NNX_BETA2,
         .own = {.beta2 = nnx_option(n->rho, 0.9), .weight_decay = nnx_option(n->weight_decay, 0)},
         .attrs = fill,
         .lr = lr},
        nnx_option(n->eps, 1e-6)};
    if (!nnx_is_rate(lr) || !nnx_is_beta(model.base.own.beta2) || !nnx_is_rate(model.base.own.weight_decay) ||
        !nnx_is_rate(model.eps))
        return nnx_optim_refuse("nn_adadelta",
                                "needs a finite rate, eps and decay of at least 0 and a rho in [0, 1)", error);
    return nnx_optim_new(&model.base, params, error);
}
