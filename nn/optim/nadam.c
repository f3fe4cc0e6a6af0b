/* nadam: Adam whose momentum looks a step ahead, as Nesterov's does.
 *
 *   mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2),  M_t = mu_1 ... mu_t
 *   m <- beta1 m + (1 - beta1) g,  v <- beta2 v + (1 - beta2) g^2
 *   p <- p - lr ((1 - mu_t) / (1 - M_t) g + mu_(t+1) / (1 - M_t mu_t mu_(t+1)) m) / (sqrt(v / (1 - beta2^t)) +
 *   eps)
 *
 * The product M is counted from step to step: a number of the optimiser's state. Dozat divides m by 1 - M_t
 * mu_(t+1); the second mu_t is PyTorch 1.13's, whose trajectories these are.
 * Source: Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop 2016, constants as in
 * torch.optim.NAdam. */
#include "optim_impl.h"

#include <math.h>

typedef struct nadam_attrs {
    double lr, beta1, beta2, eps, weight_decay, momentum_decay, product;
    int64_t step; /* 1 at the first update */
} nadam_attrs;

typedef struct nadam {
    nn_optim base;
    double eps, momentum_decay;
} nadam;

/* x: p, m, v. k: rate of g, rate of m, beta1, beta2, 1 / sqrt(1 - beta2^t), eps, decay. */
NNX_LOOP void element(double *x, double g, const nnx_factors *f) {
    const double *k = f->k;
    g = nnx_decayed(g, k[6], x[0]);
    x[1] = k[2] * x[1] + (1 - k[2]) * g;
    x[2] = k[3] * x[2] + (1 - k[3]) * g * g;
    x[0] -= (k[0] * g + k[1] * x[1]) / (sqrt(x[2]) * k[4] + k[5]);
}

static void narrow(const ag_eval *e, const nnx_factors *f) { nnx_sweep(e, 2, element, f); }
NNX_WIDE static void wide(const ag_eval *e, const nnx_factors *f) { nnx_sweep(e, 2, element, f); }

static double momentum_of(double beta1, double momentum_decay, int64_t step) {
    return beta1 * (1 - 0.5 * pow(0.96, (double)step * momentum_decay));
}

static ag_status forward(const ag_eval *e) {
    const nadam_attrs *a = e->attrs;
    ag_status status = nnx_step_check(e, a->step);
    if (status) return status;
    const double now = momentum_of(a->beta1, a->momentum_decay, a->step);
    const double next = momentum_of(a->beta1, a->momentum_decay, a->step + 1);
    const double product = a->product * now;
    const nnx_factors f = {{a->lr * (1 - now) / (1 - product), a->lr * next / (1 - product * now * next), a->beta1,
                            a->beta2, 1 / sqrt(1 - pow(a->beta2, (double)a->step)), a->eps, a->weight_decay}};
    return nnx_update(e, narrow, wide, &f);
}

static double cost(const ag_query *q) { return 15.0 * (double)ag_meta_count(q->in[0]); }

static const ag_field fields[] = {
    {"lr", AG_FIELD_REAL, offsetof(nadam_attrs, lr), 2e-3},
    {"beta1", AG_FIELD_REAL, offsetof(nadam_attrs, beta1), 0.9},
    {"beta2", AG_FIELD_REAL, offsetof(nadam_attrs, beta2), 0.999},
    {"eps", AG_FIELD_REAL, offsetof(nadam_attrs, eps), 1e-8},
    {"weight_decay", AG_FIELD_REAL, offsetof(nadam_attrs, weight_decay), 0},
    {"momentum_decay", AG_FIELD_REAL, offsetof(nadam_attrs, momentum_decay), 4e-3},
    {"product", AG_FIELD_REAL, offsetof(nadam_attrs, product), 1},
    {"step", AG_FIELD_INT, offsetof(nadam_attrs, step), 1},
};
static const ag_probe probe = {.lo = {-2, -2, 0}, .hi = {2, 2, 2}};

static const ag_op nn_nadam_update = {
    .name = "nn_nadam_update",
    .formula =
        "m' = beta1 m + (1 - beta1) g, v' = beta2 v + (1 - beta2) g^2, p' = p - lr ((1 - mu_t) / (1 - M_t) g + "
        "mu_(t+1) / (1 - M_t mu_t mu_(t+1)) m') / (sqrt(v' / (1 - beta2^t)) + eps)",
    .min_in = 4,
    .max_in = 4,
    .outputs = 3,
    .grad = nnx_no_derivative,
    .n_grad = 1,
    .traits = AG_TRAIT_ELEMENTWISE,
    .attr_size = sizeof(nadam_attrs),
    .fields = fields,
    .n_fields = sizeof fields / sizeof fields[0],
    .infer = nnx_update_infer,
    .forward = forward,
    .cost = cost,
    .probe = &probe,
};

static void fill(const nn_optim *o, const nnx_constants *c, double lr, void *attrs) {
    const nadam *a = (const nadam *)o;
    *(nadam_attrs *)attrs = (nadam_attrs){
        lr, c->beta1, c->beta2, a->eps, c->weight_decay, a->momentum_decay, c->product, o->steps + 1};
}

static void advance(const nn_optim *o, nnx_constants *c) { /* after the step is counted */
    c->product *= momentum_of(c->beta1, ((const nadam *)o)->momentum_decay, o->steps);
}

nn_optim *nn_nadam(nn_params *params, double lr, const nn_nadam_options *options, ag_error *error) {
    static const char *const state_name[] = {"exp_avg", "exp_avg_sq"};
    const nn_nadam_options none = {0}, *n = options ? options : &none;
    const nadam model = {{.size = sizeof(nadam),
                          .rule = &nn_nadam_update,
                          .state_name = state_name,
                          .state_count = 2,
                          .takes = NNX_DECAY | NNX_BETA1 | NNX_BETA2 | NNX_PRODUCT,
                          .own = {.beta1 = nnx_option(n->beta1, 0.9),
                                  .beta2 = nnx_option(n->beta2, 0.999),
                                  .weight_decay = nnx_option(n->weight_decay, 0)},
                          .attrs = fill,
                          .advance = advance,
                          .lr = lr},
                         nnx_option(n->eps, 1e-8),
                         nnx_option(n->momentum_decay, 4e-3)};
    const nnx_constants *own = &model.base.own;
    if (!nnx_is_rate(lr) || !nnx_is_beta(own->beta1) || !nnx_is_beta(own->beta2) || !nnx_is_rate(model.eps) ||
        !nnx_is_rate(own->weight_decay) || !nnx_is_rate(model.momentum_decay))
        return nnx_optim_refuse("nn_nadam", "needs a finite rate, eps and decay of at least 0 and betas in [0, 1)",
                                error);
    return nnx_optim_new(&model.base, params, error);
}
