/* sgd: stochastic gradient descent, with and without momentum.
 *
 *   v <- momentum v + (1 - dampening) g,  p <- p - lr v,  nesterov: p <- p - lr (g + momentum v)
 *
 * The velocity begins at zero; the first step has no dampening: v = g. The usual cases, without dampening, decay
 * and Nesterov's look ahead, have loops of their own. Without momentum the rule has
 * no velocity to read and write.
 * Source: PyTorch, torch.optim.SGD; Sutskever, Martens, Dahl, Hinton, "On the importance of initialization and
 * momentum in deep learning", ICML 2013 (there lr multiplies g, not v). */
#include "optim_impl.h"

typedef struct sgd_attrs {
    double lr, weight_decay, momentum, dampening;
    bool nesterov;
    int64_t step; /* 1 at the first update */
} sgd_attrs;

typedef struct sgd {
    nn_optim base;
    double dampening;
    bool nesterov;
} sgd;

/* p, g, v: (n). The same lines for each dtype. */
static void descend_f32(int64_t n, float *p, const float *g, float lr) {
    for (int64_t i = 0; i < n; i++) p[i] -= lr * g[i];
}

static void descend_f64(int64_t n, double *p, const double *g, double lr) {
    for (int64_t i = 0; i < n; i++) p[i] -= lr * g[i];
}

static void roll_f32(int64_t n, float *p, const float *g, float *v, float lr, float momentum) {
    for (int64_t i = 0; i < n; i++) {
        const float vi = momentum * v[i] + g[i];
        v[i] = vi;
        p[i] -= lr * vi;
    }
}

static void roll_f64(int64_t n, double *p, const double *g, double *v, double lr, double momentum) {
    for (int64_t i = 0; i < n; i++) {
        const double vi = momentum * v[i] + g[i];
        v[i] = vi;
        p[i] -= lr * vi;
    }
}

/* x: p. k: lr, decay. */
NNX_LOOP void decay(double *x, double g, const nnx_factors *f) { x[0] -= f->k[0] * (g + f->k[1] * x[0]); }

/* x: p, v. k: lr, decay, momentum, share of g in v, and Nesterov's momentum, or 0: a g that is infinite is not looked at
 * then, for 0 times it is NaN. */
NNX_LOOP void roll(double *x, double g, const nnx_factors *f) {
    const double *k = f->k;
    g = nnx_decayed(g, k[1], x[0]);
    x[1] = k[2] * x[1] + k[3] * g;
    x[0] -= k[0] * (k[4] != 0 ? g + k[4] * x[1] : x[1]);
}

static void decay_narrow(const ag_eval *e, const nnx_factors *f) { nnx_sweep(e, 0, decay, f); }
NNX_WIDE static void decay_wide(const ag_eval *e, const nnx_factors *f) { nnx_sweep(e, 0, decay, f); }
static void roll_narrow(const ag_eval *e, const nnx_factors *f) { nnx_sweep(e, 1, roll, f); }
NNX_WIDE static void roll_wide(const ag_eval *e, const nnx_factors *f) { nnx_sweep(e, 1, roll, f); }

static ag_status forward(const ag_eval *e) {
    const sgd_attrs *a = e->attrs;
    if (a->weight_decay != 0)
        return nnx_update(e, decay_narrow, decay_wide, &(nnx_factors){{a->lr, a->weight_decay}});
    const int64_t n = ag_meta_count(e->out[0].meta);
    void *p = nnx_update_result(e, 0, 0);
    if (e->out[0].meta->dtype == AG_F32)
        descend_f32(n, p, e->in[1].data, (float)a->lr);
    else
        descend_f64(n, p, e->in[1].data, a->lr);
    return AG_OK;
}

static ag_status forward_momentum(const ag_eval *e) {
    const sgd_attrs *a = e->attrs;
    if (a->weight_decay != 0 || a->nesterov || (a->dampening != 0 && a->step > 1)) {
        const nnx_factors f = {{a->lr, a->weight_decay, a->momentum, a->step > 1 ? 1 - a->dampening : 1,
                                a->nesterov ? a->momentum : 0}};
        return nnx_update(e, roll_narrow, roll_wide, &f);
    }
    const int64_t n = ag_meta_count(e->out[0].meta);
    void *p = nnx_update_result(e, 0, 0), *v = nnx_update_result(e, 2, 1);
    if (e->out[0].meta->dtype == AG_F32)
        roll_f32(n, p, e->in[1].data, v, (float)a->lr, (float)a->momentum);
    else
        roll_f64(n, p, e->in[1].data, v, a->lr, a->momentum);
    return AG_OK;
}

static double cost(const ag_query *q) { return 2.0 * (double)ag_meta_count(q->in[0]); }
static double cost_momentum(const ag_query *q) { return 4.0 * (double)ag_meta_count(q->in[0]); }

static const ag_field fields[] = {
    {"lr", AG_FIELD_REAL, offsetof(sgd_attrs, lr), 0.01},
    {"weight_decay", AG_FIELD_REAL, offsetof(sgd_attrs, weight_decay), 0},
    {"momentum", AG_FIELD_REAL, offsetof(sgd_attrs, momentum), 0.9},
    {"dampening", AG_FIELD_REAL, offsetof(sgd_attrs, dampening), 0},
    {"nesterov", AG_FIELD_BOOL, offsetof(sgd_attrs, nesterov), 0},
    {"step", AG_FIELD_INT, offsetof(sgd_attrs, step), 1},
};
static const ag_probe probe = {.lo = {-2, -2, -2}, .hi = {2, 2, 2}};

static const ag_op nn_sgd_update = {
    .name = "nn_sgd_update",
    .formula = "p - lr g",
    .min_in = 2,
    .max_in = 2,
    .outputs = 1,
    .grad = nnx_no_derivative,
    .n_grad = 1,
    .traits = AG_TRAIT_ELEMENTWISE,
    .attr_size = sizeof(sgd_attrs),
    .fields = fields,
    .n_fields = 2,
    .infer = nnx_update_infer,
    .forward = forward,
    .cost = cost,
    .probe = &probe,
};

static const ag_op nn_sgd_momentum_update = {
    .name = "nn_sgd_momentum_update",
    .formula = "v' = momentum v + g, p' = p - lr v'",
    .min_in = 3,
    .max_in = 3,
    .outputs = 2,
    .grad = nnx_no_derivative,
    .n_grad = 1,
    .traits = AG_TRAIT_ELEMENTWISE,
    .attr_size = sizeof(sgd_attrs),
    .fields = fields,
    .n_fields = sizeof fields / sizeof fields[0],
    .infer = nnx_update_infer,
    .forward = forward_momentum,
    .cost = cost_momentum,
    .probe = &probe,
};

static void fill(const nn_optim *o, const nnx_constants *c, double lr, void *attrs) {
    const sgd *s = (const sgd *)o;
    *(sgd_attrs *)attrs = (sgd_attrs){lr, c->weight_decay, c->beta1, s->dampening, s->nesterov, o->steps + 1};
}

nn_optim *nn_sgd_with(nn_params *params, double lr, const nn_sgd_options *options, ag_error *error) {
    static const char *const state_name[] = {"momentum"};
    const nn_sgd_options none = {0}, *n = options ? options : &none;
    const double momentum = nnx_option(n->momentum, 0), decays = nnx_option(n->weight_decay, 0);
    const double dampening = nnx_option(n->dampening, 0);
    if (!nnx_is_rate(lr) || !nnx_is_beta(momentum) || !nnx_is_rate(decays) ||
        !(dampening >= 0 && dampening <= 1)) {
        (void)ag_fail(
            error, AG_ERROR_VALUE,
            "nn_sgd: rate %g, momentum %g, dampening %g, decay %g; needs a finite rate and decay of at least "
            "0, a momentum in [0, 1) and a dampening in [0, 1]",
            lr, momentum, dampening, decays);
        return NULL;
    }
    const bool rolls = momentum > 0;
    if (n->nesterov && (!rolls || dampening > 0))
        return nnx_optim_refuse("nn_sgd", "nesterov needs a momentum and no dampening", error);
    const sgd model = {{.size = sizeof(sgd),
                        .rule = rolls ? &nn_sgd_momentum_update : &nn_sgd_update,
                        .state_name = state_name,
                        .state_count = rolls ? 1 : 0,
                        .takes = rolls ? NNX_DECAY | NNX_BETA1 : NNX_DECAY,
                        .own = {.beta1 = momentum, .weight_decay = decays},
                        .attrs = fill,
                        .lr = lr},
                       dampening,
                       n->nesterov};
    return nnx_optim_new(&model.base, params, error);
}

nn_optim *nn_sgd(nn_params *params, double lr, double momentum, ag_error *error) {
    const nn_sgd_options n = {.momentum = momentum};
    return nn_sgd_with(params, lr, &n, error);
}
