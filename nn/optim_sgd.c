/* optim_sgd: stochastic gradient descent, with and without momentum.
 *
 *   v <- momentum v + g,  p <- p - lr v
 *
 * The velocity begins at zero, so the first step is v = g without a case of its own. Without momentum the rule has
 * no velocity to read and write.
 * Source: PyTorch, torch.optim.SGD; Sutskever, Martens, Dahl, Hinton, "On the importance of initialization and
 * momentum in deep learning", ICML 2013 (there lr multiplies g, not v). */
#include "optim_impl.h"

#include <math.h>

typedef struct sgd_attrs {
    double lr, momentum;
} sgd_attrs;

typedef struct sgd {
    nn_optim base;
    double momentum;
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

static ag_status forward(const ag_eval *e) {
    const sgd_attrs *a = e->attrs;
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

static const uint8_t missing[] = {AG_GRAD_MISSING};
static const ag_field fields[] = {
    {"lr", AG_FIELD_REAL, offsetof(sgd_attrs, lr), 0.01},
    {"momentum", AG_FIELD_REAL, offsetof(sgd_attrs, momentum), 0.9},
};
static const ag_probe probe = {.lo = {-2, -2, -2}, .hi = {2, 2, 2}};

static const ag_op nn_sgd_update = {
    .name = "nn_sgd_update",
    .formula = "p - lr g",
    .min_in = 2,
    .max_in = 2,
    .outputs = 1,
    .grad = missing,
    .n_grad = 1,
    .traits = AG_TRAIT_ELEMENTWISE,
    .attr_size = sizeof(sgd_attrs),
    .fields = fields,
    .n_fields = 1,
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
    .grad = missing,
    .n_grad = 1,
    .traits = AG_TRAIT_ELEMENTWISE,
    .attr_size = sizeof(sgd_attrs),
    .fields = fields,
    .n_fields = 2,
    .infer = nnx_update_infer,
    .forward = forward_momentum,
    .cost = cost_momentum,
    .probe = &probe,
};

static ag_status update(nn_optim *o, const ag_tensor *gradient, ag_error *error) {
    const sgd_attrs attrs = {o->lr, ((sgd *)o)->momentum};
    return nnx_optim_run(o, gradient, &attrs, error);
}

nn_optim *nn_sgd(nn_params *params, double lr, double momentum, ag_error *error) {
    static const char *const state_name[] = {"momentum"};
    if (!(lr >= 0 && isfinite(lr)) || !(momentum >= 0 && momentum < 1)) {
        (void)ag_fail(error, AG_ERROR_VALUE,
                      "nn_sgd: rate %g, momentum %g; needs a finite rate of at least 0 and a "
                      "momentum in [0, 1)",
                      lr, momentum);
        return NULL;
    }
    const bool rolls = momentum > 0;
    const sgd model = {{.size = sizeof(sgd),
                        .rule = rolls ? &nn_sgd_momentum_update : &nn_sgd_update,
                        .state_name = state_name,
                        .state_count = rolls ? 1 : 0,
                        .update = update,
                        .lr = lr},
                       momentum};
    return nnx_optim_new(&model.base, params, error);
}
