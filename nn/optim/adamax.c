/* adamax: Adam with the largest recent gradient, the infinity norm, in the place of the root mean square.
 *
 *   m <- beta1 m + (1 - beta1) g,  u <- max(beta2 u, |g| + eps),  p <- p - lr / (1 - beta1^t)  m / u
 *
 * Source: Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 2, eps as in
 * torch.optim.Adamax. */
#include "optim_impl.h"

#include <math.h>

typedef struct adamax_attrs {
    double lr, beta1, beta2, eps, weight_decay;
    int64_t step; /* 1 at the first update */
} adamax_attrs;

typedef struct adamax {
    nn_optim base;
    double eps;
} adamax;

/* x: p, m, u. k: rate, beta1, beta2, eps, decay. */
NNX_LOOP void element(double *x, double g, const nnx_factors *f) {
    const double *k = f->k;
    g = nnx_decayed(g, k[4], x[0]);
    x[1] = k[1] * x[1] + (1 - k[1]) * g;
    const double before = k[2] * x[2], now = fabs(g) + k[3];
    x[2] = before > now ? before : now; /* a NaN in g is taken, and one in u needs one in g before */
    x[0] -= k[0] * x[1] / x[2];
}

static void narrow(const ag_eval *e, const nnx_factors *f) { nnx_sweep(e, 2, element, f); }
NNX_WIDE static void wide(const ag_eval *e, const nnx_factors *f) { nnx_sweep(e, 2, element, f); }

static ag_status forward(const ag_eval *e) {
    const adamax_attrs *a = e->attrs;
    ag_status status = nnx_step_check(e, a->step);
    if (status) return status;
    const double rate = a->lr / (1 - pow(a->beta1, (double)a->step));
    return nnx_update(e, narrow, wide, &(nnx_factors){{rate, a->beta1, a->beta2, a->eps, a->weight_decay}});
}

static double cost(const ag_query *q) { return 10.0 * (double)ag_meta_count(q->in[0]); }

static const ag_field fields[] = {
    {"lr", AG_FIELD_REAL, offsetof(adamax_attrs, lr), 2e-3},
    {"beta1", AG_FIELD_REAL, offsetof(adamax_attrs, beta1), 0.9},
    {"beta2", AG_FIELD_REAL, offsetof(adamax_attrs, beta2), 0.999},
    {"eps", AG_FIELD_REAL, offsetof(adamax_attrs, eps), 1e-8},
    {"weight_decay", AG_FIELD_REAL, offsetof(adamax_attrs, weight_decay), 0},
    {"step", AG_FIELD_INT, offsetof(adamax_attrs, step), 1},
};
static const ag_probe probe = {.lo = {-2, -2, 0}, .hi = {2, 2, 2}};

static const ag_op nn_adamax_update = {
    .name = "nn_adamax_update",
    .formula = "m' = beta1 m + (1 - beta1) g, u' = max(beta2 u, |g| + eps), p' = p - lr / (1 - beta1^t) m' / u'",
    .min_in = 4,
    .max_in = 4,
    .outputs = 3,
    .grad = nnx_no_derivative,
    .n_grad = 1,
    .traits = AG_TRAIT_ELEMENTWISE,
    .attr_size = sizeof(adamax_attrs),
    .fields = fields,
    .n_fields = sizeof fields / sizeof fields[0],
    .infer = nnx_update_infer,
    .forward = forward,
    .cost = cost,
    .probe = &probe,
};

static void fill(const nn_optim *o, const nnx_constants *c, double lr, void *attrs) {
    const adamax *a = (const adamax *)o;
    *(adamax_attrs *)attrs = (adamax_attrs){lr, c->beta1, c->beta2, a->eps, c->weight_decay, o->steps + 1};
}

nn_optim *nn_adamax(nn_params *params, double lr, const nn_adamax_options *options, ag_error *error) {
    static const char *const state_name[] = {"exp_avg", "exp_inf"};
    const nn_adamax_options none = {0}, *n = options ? options : &none;
    const adamax model = {{.size = sizeof(adamax),
                           .rule = &nn_adamax_update,
                           .state_name = state_name,
                           .state_count = 2,
                           .takes = NNX_DECAY | NNX_BETA1 | NNX_BETA2,
                           .own = {.beta1 = nnx_option(n->beta1, 0.9),
                                   .beta2 = nnx_option(n->beta2, 0.999),
                                   .weight_decay = nnx_option(n->weight_decay, 0)},
                           .attrs = fill,
                           .lr = lr},
                          nnx_option(n->eps, 1e-8)};
    const nnx_constants *own = &model.base.own;
    if (!nnx_is_rate(lr) || !nnx_is_beta(own->beta1) || !nnx_is_beta(own->beta2) || !nnx_is_rate(model.eps) ||
        !nnx_is_rate(own->weight_decay))
        return nnx_optim_refuse("nn_adamax",
                                "needs a finite rate, eps and decay of at least 0 and betas in [0, 1)", error);
    return nnx_optim_new(&model.base, params, error);
}
