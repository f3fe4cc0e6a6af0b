/* radam: Adam whose adaptive rate waits until its variance is finite.
 *
 *   m <- beta1 m + (1 - beta1) g,  v <- beta2 v + (1 - beta2) g^2,  m^ = m / (1 - beta1^t)
 *   r_max = 2 / (1 - beta2) - 1,  r = r_max - 2 t beta2^t / (1 - beta2^t)
 *   r > 5:  p <- p - lr m^ sqrt((r - 4)(r - 2) r_max / ((r_max - 4)(r_max - 2) r)) sqrt(1 - beta2^t) / (sqrt(v) + eps)
 *   else:   p <- p - lr m^
 *
 * Source: Liu, Jiang, He, Chen, Liu, Gao, Han, "On the variance of the adaptive learning rate and beyond", ICLR
 * 2020, algorithm 2, the bound 5 and eps as in torch.optim.RAdam. */
#include "optim_impl.h"

#include <math.h>

typedef struct radam_attrs {
    double lr, beta1, beta2, eps, weight_decay;
    int64_t step; /* 1 at the first update */
} radam_attrs;

typedef struct radam {
    nn_optim base;
    double eps;
} radam;

/* x: p, m, v. k: rate, beta1, beta2, whether sqrt(v) is in the divisor, the rest of that, decay. */
NNX_LOOP void element(double *x, double g, const nnx_factors *f) {
    const double *k = f->k;
    g = nnx_decayed(g, k[5], x[0]);
    x[1] = k[1] * x[1] + (1 - k[1]) * g;
    x[2] = k[2] * x[2] + (1 - k[2]) * g * g;
    const double spread = k[3] > 0 ? sqrt(x[2]) : 0; /* infinity times 0 is NaN */
    x[0] -= k[0] * x[1] / (spread + k[4]);
}

static void narrow(const ag_eval *e, const nnx_factors *f) { nnx_sweep(e, 2, element, f); }
NNX_WIDE static void wide(const ag_eval *e, const nnx_factors *f) { nnx_sweep(e, 2, element, f); }

static ag_status forward(const ag_eval *e) {
    const radam_attrs *a = e->attrs;
    ag_status status = nnx_step_check(e, a->step);
    if (status) return status;
    const double t = (double)a->step, power = pow(a->beta2, t), most = 2 / (1 - a->beta2) - 1;
    const double r = most - 2 * t * power / (1 - power);
    double rate = a->lr / (1 - pow(a->beta1, t));
    const bool adapts = r > 5;
    if (adapts) rate *= sqrt((r - 4) * (r - 2) * most / ((most - 4) * (most - 2) * r)) * sqrt(1 - power);
    const nnx_factors f = {{rate, a->beta1, a->beta2, adapts ? 1 : 0, adapts ? a->eps : 1, a->weight_decay}};
    return nnx_update(e, narrow, wide, &f);
}

static double cost(const ag_query *q) { return 13.0 * (double)ag_meta_count(q->in[0]); }

static const ag_field fields[] = {
    {"lr", AG_FIELD_REAL, offsetof(radam_attrs, lr), 2e-3},
    {"beta1", AG_FIELD_REAL, offsetof(radam_attrs, beta1), 0.9},
    {"beta2", AG_FIELD_REAL, offsetof(radam_attrs, beta2), 0.999},
    {"eps", AG_FIELD_REAL, offsetof(radam_attrs, eps), 1e-8},
    {"weight_decay", AG_FIELD_REAL, offsetof(radam_attrs, weight_decay), 0},
    {"step", AG_FIELD_INT, offsetof(radam_attrs, step), 1},
};
static const ag_probe probe = {.lo = {-2, -2, 0}, .hi = {2, 2, 2}};

static const ag_op nn_radam_update = {
    .name = "nn_radam_update",
    .formula = "m' = beta1 m + (1 - beta1) g, v' = beta2 v + (1 - beta2) g^2, p' = p - lr m' / (1 - beta1^t), "
               "where r > 5 times r_t sqrt(1 - beta2^t) / (sqrt(v') + eps)",
    .min_in = 4,
    .max_in = 4,
    .outputs = 3,
    .grad = nnx_no_derivative,
    .n_grad = 1,
    .traits = AG_TRAIT_ELEMENTWISE,
    .attr_size = sizeof(radam_attrs),
    .fields = fields,
    .n_fields = sizeof fields / sizeof fields[0],
    .infer = nnx_update_infer,
    .forward = forward,
    .cost = cost,
    .probe = &probe,
};

static void fill(const nn_optim *o, const nnx_constants *c, double lr, void *attrs) {
    const radam *a = (const radam *)o;
    *(radam_attrs *)attrs = (radam_attrs){lr, c->beta1, c->beta2, a->eps, c->weight_decay, o->steps + 1};
}

nn_optim *nn_radam(nn_params *params, double lr, const nn_radam_options *options, ag_error *error) {
    static const char *const state_name[] = {"exp_avg", "exp_avg_sq"};
    const nn_radam_options none = {0}, *n = options ? options : &none;
    const radam model = {{.size = sizeof(radam),
                          .rule = &nn_radam_update,
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
        return nnx_optim_refuse("nn_radam", "needs a finite rate, eps and decay of at least 0 and betas in [0, 1)",
                                error);
    return nnx_optim_new(&model.base, params, error);
}
