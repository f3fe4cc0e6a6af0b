/* adam: Adam, adaptive moment estimation, and AdamW.
 *
 *   coupled decay:   g <- g + weight_decay p;  decoupled:  p <- p - lr weight_decay p
 *   m <- beta1 m + (1 - beta1) g
 *   v <- beta2 v + (1 - beta2) g^2
 *   p <- p - lr / (1 - beta1^t)  m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
 *
 * The bias corrections of step t are two numbers, computed in f64 outside the loop; the loop has one square root
 * and one division an element. Without decay the loop has nothing of it. amsgrad, which divides by the largest v
 * so far, is a row of its own: it has a state more.
 * Source: Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1, with eps inside the
 * corrected denominator as in torch.optim.Adam; Loshchilov and Hutter, "Decoupled weight decay regularization",
 * ICLR 2019; Reddi, Kale, Kumar, "On the convergence of Adam and beyond", ICLR 2018. */
#include "optim_impl.h"

#include <math.h>

typedef struct adam_attrs {
    double lr, beta1, beta2, eps;
    int64_t step; /* 1 at the first update */
    double weight_decay;
    bool decoupled;
} adam_attrs;

typedef struct adam {
    nn_optim base;
    double eps;
    bool decoupled;
} adam;

/* The numbers of one step. */
typedef struct factors {
    double keep1, take1, keep2, take2;
    double rate;  /* lr / (1 - beta1^t)        */
    double scale; /* 1 / sqrt(1 - beta2^t)     */
    double eps;
    double decay;  /* coupled: of p, added to g */
    double shrink; /* decoupled: of p */
} factors;

static factors factors_of(const adam_attrs *a) {
    const double t = (double)a->step;
    return (factors){a->beta1,
                     1 - a->beta1,
                     a->beta2,
                     1 - a->beta2,
                     a->lr / (1 - pow(a->beta1, t)),
                     1 / sqrt(1 - pow(a->beta2, t)),
                     a->eps,
                     a->decoupled ? 0 : a->weight_decay,
                     a->decoupled ? 1 - a->lr * a->weight_decay : 1};
}

/* p, g, m, v: (n). The same lines for each dtype. `decays` is a constant where this is called. */
NNX_LOOP void sweep_f32(int64_t n, float *p, const float *g, float *m, float *v, const factors *f, bool decays) {
    const float keep1 = (float)f->keep1, take1 = (float)f->take1;
    const float keep2 = (float)f->keep2, take2 = (float)f->take2;
    const float rate = (float)f->rate, scale = (float)f->scale, eps = (float)f->eps;
    const float decay = (float)f->decay, shrink = (float)f->shrink;
    for (int64_t i = 0; i < n; i++) {
        const float gi = decays && decay != 0 ? g[i] + decay * p[i] : g[i];
        const float mi = keep1 * m[i] + take1 * gi, vi = keep2 * v[i] + take2 * gi * gi;
        m[i] = mi;
        v[i] = vi;
        p[i] = (decays ? shrink * p[i] : p[i]) - rate * mi / (sqrtf(vi) * scale + eps);
    }
}

NNX_LOOP void sweep_f64(int64_t n, double *p, const double *g, double *m, double *v, const factors *f,
                        bool decays) {
    const double keep1 = f->keep1, take1 = f->take1;
    const double keep2 = f->keep2, take2 = f->take2;
    const double rate = f->rate, scale = f->scale, eps = f->eps;
    const double decay = f->decay, shrink = f->shrink;
    for (int64_t i = 0; i < n; i++) {
        const double gi = decays && decay != 0 ? g[i] + decay * p[i] : g[i];
        const double mi = keep1 * m[i] + take1 * gi, vi = keep2 * v[i] + take2 * gi * gi;
        m[i] = mi;
        v[i] = vi;
        p[i] = (decays ? shrink * p[i] : p[i]) - rate * mi / (sqrt(vi) * scale + eps);
    }
}

typedef void sweep(ag_dtype dtype, int64_t n, void *p, const void *g, void *m, void *v, const factors *f);

NNX_LOOP void either(ag_dtype dtype, int64_t n, void *p, const void *g, void *m, void *v, const factors *f) {
    const bool decays = f->decay != 0 || f->shrink != 1;
    if (dtype == AG_F32) {
        if (decays)
            sweep_f32(n, p, g, m, v, f, true);
        else
            sweep_f32(n, p, g, m, v, f, false);
    } else if (decays) {
        sweep_f64(n, p, g, m, v, f, true);
    } else {
        sweep_f64(n, p, g, m, v, f, false);
    }
}
static sweep narrow, wide;
static void narrow(ag_dtype dtype, int64_t n, void *p, const void *g, void *m, void *v, const factors *f) {
    either(dtype, n, p, g, m, v, f);
}
NNX_WIDE static void wide(ag_dtype dtype, int64_t n, void *p, const void *g, void *m, void *v, const factors *f) {
    either(dtype, n, p, g, m, v, f);
}

static ag_status forward(const ag_eval *e) {
    const adam_attrs *a = e->attrs;
    ag_status status = nnx_step_check(e, a->step);
    if (status) return status;
    const factors f = factors_of(a);
    const int64_t n = ag_meta_count(e->out[0].meta);
    void *p = nnx_update_result(e, 0, 0), *m = nnx_update_result(e, 2, 1), *v = nnx_update_result(e, 3, 2);
    (nnx_wide() ? wide : narrow)(e->out[0].meta->dtype, n, p, e->in[1].data, m, v, &f);
    return AG_OK;
}

/* x: p, m, v, largest v. k: keep1, keep2, rate, scale, eps, decay, shrink. */
NNX_LOOP void largest(double *x, double g, const nnx_factors *f) {
    const double *k = f->k;
    g = nnx_decayed(g, k[5], x[0]);
    x[1] = k[0] * x[1] + (1 - k[0]) * g;
    x[2] = k[1] * x[2] + (1 - k[1]) * g * g;
    x[3] = x[3] > x[2] ? x[3] : x[2];
    x[0] = k[6] * x[0] - k[2] * x[1] / (sqrt(x[3]) * k[3] + k[4]);
}

static void largest_narrow(const ag_eval *e, const nnx_factors *f) { nnx_sweep(e, 3, largest, f); }
NNX_WIDE static void largest_wide(const ag_eval *e, const nnx_factors *f) { nnx_sweep(e, 3, largest, f); }

static ag_status forward_amsgrad(const ag_eval *e) {
    const adam_attrs *a = e->attrs;
    ag_status status = nnx_step_check(e, a->step);
    if (status) return status;
    const factors f = factors_of(a);
    return nnx_update(e, largest_narrow, largest_wide,
                      &(nnx_factors){{f.keep1, f.keep2, f.rate, f.scale, f.eps, f.decay, f.shrink}});
}

static double cost(const ag_query *q) { return 13.0 * (double)ag_meta_count(q->in[0]); }

static const ag_field fields[] = {
    {"lr", AG_FIELD_REAL, offsetof(adam_attrs, lr), 1e-3},
    {"beta1", AG_FIELD_REAL, offsetof(adam_attrs, beta1), 0.9},
    {"beta2", AG_FIELD_REAL, offsetof(adam_attrs, beta2), 0.999},
    {"eps", AG_FIELD_REAL, offsetof(adam_attrs, eps), 1e-8},
    {"step", AG_FIELD_INT, offsetof(adam_attrs, step), 1},
    {"weight_decay", AG_FIELD_REAL, offsetof(adam_attrs, weight_decay), 0},
    {"decoupled", AG_FIELD_BOOL, offsetof(adam_attrs, decoupled), 0},
};
static const ag_probe probe = {.lo = {-2, -2, 0}, .hi = {2, 2, 2}};

static const ag_op nn_adam_update = {
    .name = "nn_adam_update",
    .formula = "m' = beta1 m + (1 - beta1) g, v' = beta2 v + (1 - beta2) g^2, "
               "p' = p - lr m' / (1 - beta1^t) / (sqrt(v' / (1 - beta2^t)) + eps)",
    .min_in = 4,
    .max_in = 4,
    .outputs = 3,
    .grad = nnx_no_derivative,
    .n_grad = 1,
    .traits = AG_TRAIT_ELEMENTWISE,
    .attr_size = sizeof(adam_attrs),
    .fields = fields,
    .n_fields = sizeof fields / sizeof fields[0],
    .infer = nnx_update_infer,
    .forward = forward,
    .cost = cost,
    .probe = &probe,
};

static const ag_op nn_adam_amsgrad_update = {
    .name = "nn_adam_amsgrad_update",
    .formula = "m' = beta1 m + (1 - beta1) g, v' = beta2 v + (1 - beta2) g^2, w' = max(w, v'), "
               "p' = p - lr m' / (1 - beta1^t) / (sqrt(w' / (1 - beta2^t)) + eps)",
    .min_in = 5,
    .max_in = 5,
    .outputs = 4,
    .grad = nnx_no_derivative,
    .n_grad = 1,
    .traits = AG_TRAIT_ELEMENTWISE,
    .attr_size = sizeof(adam_attrs),
    .fields = fields,
    .n_fields = sizeof fields / sizeof fields[0],
    .infer = nnx_update_infer,
    .forward = forward_amsgrad,
    .cost = cost,
    .probe = &probe,
};

static void fill(const nn_optim *o, const nnx_constants *c, double lr, void *attrs) {
    const adam *a = (const adam *)o;
    *(adam_attrs *)attrs =
        (adam_attrs){lr, c->beta1, c->beta2, a->eps, o->steps + 1, c->weight_decay, a->decoupled};
}

static nn_optim *make(nn_params *params, double lr, const nn_adam_options *given, bool decoupled,
                      ag_error *error) {
    static const char *const state_name[] = {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"};
    const nn_adam_options none = {0}, *o = given ? given : &none;
    const nn_adam_options full = {.beta1 = nnx_option(o->beta1, 0.9),
                                  .beta2 = nnx_option(o->beta2, 0.999),
                                  .eps = nnx_option(o->eps, 1e-8),
                                  .weight_decay = nnx_option(o->weight_decay, decoupled ? 0.01 : 0),
                                  .amsgrad = o->amsgrad},
                          *n = &full;
    if (!nnx_is_rate(lr) || !nnx_is_beta(n->beta1) || !nnx_is_beta(n->beta2) || !nnx_is_rate(n->eps) ||
        !nnx_is_rate(n->weight_decay)) {
        (void)ag_fail(error, AG_ERROR_VALUE,
                      "nn_adam: rate %g, betas %g and %g, eps %g, decay %g; needs a finite rate, eps and decay "
                      "of at least 0 and betas in [0, 1)",
                      lr, n->beta1, n->beta2, n->eps, n->weight_decay);
        return NULL;
    }
    const adam model = {{.size = sizeof(adam),
                         .rule = n->amsgrad ? &nn_adam_amsgrad_update : &nn_adam_update,
                         .state_name = state_name,
                         .state_count = n->amsgrad ? 3 : 2,
                         .takes = NNX_DECAY | NNX_BETA1 | NNX_BETA2,
                         .own = {.beta1 = n->beta1, .beta2 = n->beta2, .weight_decay = n->weight_decay},
                         .attrs = fill,
                         .lr = lr},
                        n->eps,
                        decoupled};
    return nnx_optim_new(&model.base, params, error);
}

nn_optim *nn_adam_with(nn_params *params, double lr, const nn_adam_options *options, ag_error *error) {
    return make(params, lr, options, false, error);
}

nn_optim *nn_adamw(nn_params *params, double lr, const nn_adam_options *options, ag_error *error) {
    return make(params, lr, options, true, error);
}

nn_optim *nn_adam(nn_params *params, double lr, ag_error *error) { return nn_adam_with(params, lr, NULL, error); }
