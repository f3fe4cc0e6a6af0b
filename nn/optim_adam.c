/* optim_adam: Adam, adaptive moment estimation.
 *
 *   m <- beta1 m + (1 - beta1) g
 *   v <- beta2 v + (1 - beta2) g^2
 *   p <- p - lr / (1 - beta1^t)  m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
 *
 * The bias corrections of step t are two numbers, computed in f64 outside the loop; the loop has one square root
 * and one division an element.
 * Source: Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1, with eps inside the
 * corrected denominator as in torch.optim.Adam. */
#include "optim_impl.h"

#include <math.h>

typedef struct adam_attrs {
    double lr, beta1, beta2, eps;
    int64_t step; /* 1 at the first update */
} adam_attrs;

typedef struct adam {
    nn_optim base;
    double beta1, beta2, eps;
} adam;

/* The numbers of one step. */
typedef struct factors {
    double keep1, take1, keep2, take2;
    double rate;  /* lr / (1 - beta1^t)        */
    double scale; /* 1 / sqrt(1 - beta2^t)     */
    double eps;
} factors;

static factors factors_of(const adam_attrs *a) {
    const double t = (double)a->step;
    return (factors){a->beta1,
                     1 - a->beta1,
                     a->beta2,
                     1 - a->beta2,
                     a->lr / (1 - pow(a->beta1, t)),
                     1 / sqrt(1 - pow(a->beta2, t)),
                     a->eps};
}

/* p, g, m, v: (n). The same lines for each dtype. */
NNX_LOOP void sweep_f32(int64_t n, float *p, const float *g, float *m, float *v, const factors *f) {
    const float keep1 = (float)f->keep1, take1 = (float)f->take1;
    const float keep2 = (float)f->keep2, take2 = (float)f->take2;
    const float rate = (float)f->rate, scale = (float)f->scale, eps = (float)f->eps;
    for (int64_t i = 0; i < n; i++) {
        const float gi = g[i], mi = keep1 * m[i] + take1 * gi, vi = keep2 * v[i] + take2 * gi * gi;
        m[i] = mi;
        v[i] = vi;
        p[i] -= rate * mi / (sqrtf(vi) * scale + eps);
    }
}

NNX_LOOP void sweep_f64(int64_t n, double *p, const double *g, double *m, double *v, const factors *f) {
    const double keep1 = f->keep1, take1 = f->take1;
    const double keep2 = f->keep2, take2 = f->take2;
    const double rate = f->rate, scale = f->scale, eps = f->eps;
    for (int64_t i = 0; i < n; i++) {
        const double gi = g[i], mi = keep1 * m[i] + take1 * gi, vi = keep2 * v[i] + take2 * gi * gi;
        m[i] = mi;
        v[i] = vi;
        p[i] -= rate * mi / (sqrt(vi) * scale + eps);
    }
}

typedef void sweep(ag_dtype dtype, int64_t n, void *p, const void *g, void *m, void *v, const factors *f);

NNX_LOOP void either(ag_dtype dtype, int64_t n, void *p, const void *g, void *m, void *v, const factors *f) {
    if (dtype == AG_F32)
        sweep_f32(n, p, g, m, v, f);
    else
        sweep_f64(n, p, g, m, v, f);
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
    if (a->step < 1) return ag_fail(e->error, AG_ERROR_VALUE, "step %lld: steps count from 1", (long long)a->step);
    const factors f = factors_of(a);
    const int64_t n = ag_meta_count(e->out[0].meta);
    void *p = nnx_update_result(e, 0, 0), *m = nnx_update_result(e, 2, 1), *v = nnx_update_result(e, 3, 2);
    (nnx_wide() ? wide : narrow)(e->out[0].meta->dtype, n, p, e->in[1].data, m, v, &f);
    return AG_OK;
}

static double cost(const ag_query *q) { return 13.0 * (double)ag_meta_count(q->in[0]); }

static const uint8_t missing[] = {AG_GRAD_MISSING};
static const ag_field fields[] = {
    {"lr", AG_FIELD_REAL, offsetof(adam_attrs, lr), 1e-3},
    {"beta1", AG_FIELD_REAL, offsetof(adam_attrs, beta1), 0.9},
    {"beta2", AG_FIELD_REAL, offsetof(adam_attrs, beta2), 0.999},
    {"eps", AG_FIELD_REAL, offsetof(adam_attrs, eps), 1e-8},
    {"step", AG_FIELD_INT, offsetof(adam_attrs, step), 1},
};
static const ag_probe probe = {.lo = {-2, -2, 0}, .hi = {2, 2, 2}};

static const ag_op nn_adam_update = {
    .name = "nn_adam_update",
    .formula = "m' = beta1 m + (1 - beta1) g, v' = beta2 v + (1 - beta2) g^2, "
               "p' = p - lr m' / (1 - beta1^t) / (sqrt(v' / (1 - beta2^t)) + eps)",
    .min_in = 4,
    .max_in = 4,
    .outputs = 3,
    .grad = missing,
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

static ag_status update(nn_optim *o, const ag_tensor *gradient, ag_error *error) {
    const adam *a = (const adam *)o;
    const adam_attrs attrs = {o->lr, a->beta1, a->beta2, a->eps, o->steps + 1};
    return nnx_optim_run(o, gradient, &attrs, error);
}

nn_optim *nn_adam_with(nn_params *params, double lr, double beta1, double beta2, double eps, ag_error *error) {
    static const char *const state_name[] = {"exp_avg", "exp_avg_sq"};
    if (!(lr >= 0 && isfinite(lr)) || !(beta1 >= 0 && beta1 < 1) || !(beta2 >= 0 && beta2 < 1) ||
        !(eps >= 0 && isfinite(eps))) {
        (void)ag_fail(error, AG_ERROR_VALUE,
                      "nn_adam: rate %g, betas %g and %g, eps %g; needs a finite rate and eps "
                      "of at least 0 and betas in [0, 1)",
                      lr, beta1, beta2, eps);
        return NULL;
    }
    const adam model = {{.size = sizeof(adam),
                         .rule = &nn_adam_update,
                         .state_name = state_name,
                         .state_count = 2,
                         .update = update,
                         .lr = lr},
                        beta1,
                        beta2,
                        eps};
    return nnx_optim_new(&model.base, params, error);
}

nn_optim *nn_adam(nn_params *params, double lr, ag_error *error) {
    return nn_adam_with(params, lr, 0.9, 0.999, 1e-8, error);
}
