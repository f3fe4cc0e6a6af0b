/* lamb: Adam whose step, parameter by parameter, is as long as the parameter.
 *
 *   m <- beta1 m + (1 - beta1) g,  v <- beta2 v + (1 - beta2) g^2
 *   r = m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps) + weight_decay p,  p <- p - lr |p| / |r| r
 *
 * The norms are of one parameter, so the rule is not elementwise: its operands are one parameter's part of the
 * slab, and its results stand beside them until all of it is done. Norms are added up in f64, in the order of the
 * elements; r is computed twice, which costs less than keeping it.
 * Source: You and others, "Large batch optimization for deep learning: training BERT in 76 minutes", ICLR 2020,
 * algorithm 2, phi the identity. */
#include "optim_impl.h"

#include <math.h>

typedef struct lamb_attrs {
    double lr, beta1, beta2, eps, weight_decay;
    int64_t step; /* 1 at the first update */
} lamb_attrs;

typedef struct lamb {
    nn_optim base;
    double eps;
} lamb;

/* x: p, m, v. k: length of the move against r, beta1, beta2, 1 / (1 - beta1^t), 1 / sqrt(1 - beta2^t), eps,
 * decay. */
NNX_LOOP double direction(const double *x, const double *k) {
    return x[1] * k[3] / (sqrt(x[2]) * k[4] + k[5]) + k[6] * x[0];
}
NNX_LOOP void gather(double *x, double g, const nnx_factors *f) {
    const double *k = f->k;
    x[1] = k[1] * x[1] + (1 - k[1]) * g;
    x[2] = k[2] * x[2] + (1 - k[2]) * g * g;
}
NNX_LOOP void move(double *x, double g, const nnx_factors *f) {
    (void)g;
    x[0] -= f->k[0] * direction(x, f->k);
}
static void gather_narrow(const ag_eval *e, const nnx_factors *f) { nnx_sweep(e, 2, gather, f); }
NNX_WIDE static void gather_wide(const ag_eval *e, const nnx_factors *f) { nnx_sweep(e, 2, gather, f); }
static void move_narrow(const ag_eval *e, const nnx_factors *f) { nnx_sweep(e, 2, move, f); }
NNX_WIDE static void move_wide(const ag_eval *e, const nnx_factors *f) { nnx_sweep(e, 2, move, f); }

static double element(const ag_array *a, int64_t i) {
    return a->meta->dtype == AG_F32 ? (double)((const float *)a->data)[i] : ((const double *)a->data)[i];
}

/* |p| / |r|, or 1 where that is no number: of results that `gather` has filled. */
static double trust(const ag_eval *e, const nnx_factors *f) {
    double pp = 0, rr = 0;
    for (int64_t i = 0; i < ag_meta_count(e->out[0].meta); i++) {
        const double x[3] = {element(&e->out[0], i), element(&e->out[1], i), element(&e->out[2], i)};
        const double r = direction(x, f->k);
        pp += x[0] * x[0];
        rr += r * r;
    }
    return pp > 0 && rr > 0 ? sqrt(pp) / sqrt(rr) : 1;
}

static ag_status forward(const ag_eval *e) {
    const lamb_attrs *a = e->attrs;
    ag_status status = nnx_step_check(e, a->step);
    if (status) return status;
    const double t = (double)a->step;
    nnx_factors f = {{0, a->beta1, a->beta2, 1 / (1 - pow(a->beta1, t)), 1 / sqrt(1 - pow(a->beta2, t)), a->eps,
                      a->weight_decay}};
    (void)nnx_update_result(e, 0, 0);
    (void)nnx_update_result(e, 2, 1);
    (void)nnx_update_result(e, 3, 2);
    (nnx_wide() ? gather_wide : gather_narrow)(e, &f);
    f.k[0] = a->lr * trust(e, &f);
    (nnx_wide() ? move_wide : move_narrow)(e, &f);
    return AG_OK;
}

static double cost(const ag_query *q) { return 24.0 * (double)ag_meta_count(q->in[0]); }

static const ag_field fields[] = {
    {"lr", AG_FIELD_REAL, offsetof(lamb_attrs, lr), 1e-3},
    {"beta1", AG_FIELD_REAL, offsetof(lamb_attrs, beta1), 0.9},
    {"beta2", AG_FIELD_REAL, offsetof(lamb_attrs, beta2), 0.999},
    {"eps", AG_FIELD_REAL, offsetof(lamb_attrs, eps), 1e-6},
    {"weight_decay", AG_FIELD_REAL, offsetof(lamb_attrs, weight_decay), 0.01},
    {"step", AG_FIELD_INT, offsetof(lamb_attrs, step), 1},
};
static const lamb_attrs tried = {1e-3, 0.9, 0.999, 1e-6, 0.01, 2};
static const ag_probe_case cases[] = {
    {&tried,
     4,
     {{AG_F64, 1, {5}, -2, 2}, {AG_F64, 1, {5}, -2, 2}, {AG_F64, 1, {5}, -2, 2}, {AG_F64, 1, {5}, 0, 2}}},
};
static const ag_probe probe = {.n_cases = 1, .cases = cases};

static const ag_op nn_lamb_update = {
    .name = "nn_lamb_update",
    .formula = "m' = beta1 m + (1 - beta1) g, v' = beta2 v + (1 - beta2) g^2, r = m' / (1 - beta1^t) / "
               "(sqrt(v' / (1 - beta2^t)) + eps) + weight_decay p, p' = p - lr |p| / |r| r",
    .min_in = 4,
    .max_in = 4,
    .outputs = 3,
    .grad = nnx_no_derivative,
    .n_grad = 1,
    .attr_size = sizeof(lamb_attrs),
    .fields = fields,
    .n_fields = sizeof fields / sizeof fields[0],
    .infer = nnx_update_infer,
    .forward = forward,
    .cost = cost,
    .probe = &probe,
};

static void fill(const nn_optim *o, const nnx_constants *c, double lr, void *attrs) {
    *(lamb_attrs *)attrs =
        (lamb_attrs){lr, c->beta1, c->beta2, ((const lamb *)o)->eps, c->weight_decay, o->steps + 1};
}

nn_optim *nn_lamb(nn_params *params, double lr, const nn_lamb_options *options, ag_error *error) {
    static const char *const state_name[] = {"exp_avg", "exp_avg_sq"};
    const nn_lamb_options none = {0}, *n = options ? options : &none;
    const lamb model = {{.size = sizeof(lamb),
                         .rule = &nn_lamb_update,
                         .state_name = state_name,
                         .state_count = 2,
                         .takes = NNX_DECAY | NNX_BETA1 | NNX_BETA2,
                         .apart = true,
                         .own = {.beta1 = nnx_option(n->beta1, 0.9),
                                 .beta2 = nnx_option(n->beta2, 0.999),
                                 .weight_decay = nnx_option(n->weight_decay, 0.01)},
                         .attrs = fill,
                         .lr = lr},
                        nnx_option(n->eps, 1e-6)};
    const nnx_constants *own = &model.base.own;
    if (!nnx_is_rate(lr) || !nnx_is_beta(own->beta1) || !nnx_is_beta(own->beta2) || !nnx_is_rate(model.eps) ||
        !nnx_is_rate(own->weight_decay))
        return nnx_optim_refuse("nn_lamb", "needs a finite rate, eps and decay of at least 0 and betas in [0, 1)",
                                error);
    return nnx_optim_new(&model.base, params, error);
}
