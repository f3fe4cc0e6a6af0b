/* rprop: resilient backpropagation, which reads of a gradient only its sign.
 *
 *   where the sign is that of the step before: s <- min(eta_plus s, step_max)
 *   where it is the other:                     s <- max(eta_minus s, step_min), and g counts as 0
 *   p <- p - sign(g) s
 *
 * At step 1 there is no sign before, and s is lr.
 * Source: Riedmiller and Braun, "A direct adaptive method for faster backpropagation learning: the RPROP
 * algorithm", ICNN 1993; the variant without going back (iRprop-) as in torch.optim.Rprop. */
#include "optim_impl.h"

#include <math.h>

typedef struct rprop_attrs {
    double lr, eta_minus, eta_plus, step_min, step_max;
    int64_t step; /* 1 at the first update */
} rprop_attrs;

typedef struct rprop {
    nn_optim base;
    double eta_minus, eta_plus, step_min, step_max;
} rprop;

/* x: p, gradient before, s. k: eta-, eta+, least, most, share of s before, and what is added to it. */
NNX_LOOP void element(double *x, double g, const nnx_factors *f) {
    const double *k = f->k, turn = g * x[1];
    double s = k[4] * x[2] + k[5];
    s *= turn > 0 ? k[1] : turn < 0 ? k[0] : 1;
    s = s < k[2] ? k[2] : s > k[3] ? k[3] : s;
    if (turn < 0) g = 0;
    x[0] -= s * (g > 0 ? 1 : g < 0 ? -1 : g); /* a NaN stays one */
    x[1] = g;
    x[2] = s;
}

static void narrow(const ag_eval *e, const nnx_factors *f) { nnx_sweep(e, 2, element, f); }
NNX_WIDE static void wide(const ag_eval *e, const nnx_factors *f) { nnx_sweep(e, 2, element, f); }

static ag_status forward(const ag_eval *e) {
    const rprop_attrs *a = e->attrs;
    ag_status status = nnx_step_check(e, a->step);
    if (status) return status;
    const bool first = a->step == 1;
    return nnx_update(
        e, narrow, wide,
        &(nnx_factors){{a->eta_minus, a->eta_plus, a->step_min, a->step_max, first ? 0 : 1, first ? a->lr : 0}});
}

static double cost(const ag_query *q) { return 6.0 * (double)ag_meta_count(q->in[0]); }

static const ag_field fields[] = {
    {"lr", AG_FIELD_REAL, offsetof(rprop_attrs, lr), 0.01},
    {"eta_minus", AG_FIELD_REAL, offsetof(rprop_attrs, eta_minus), 0.5},
    {"eta_plus", AG_FIELD_REAL, offsetof(rprop_attrs, eta_plus), 1.2},
    {"step_min", AG_FIELD_REAL, offsetof(rprop_attrs, step_min), 1e-6},
    {"step_max", AG_FIELD_REAL, offsetof(rprop_attrs, step_max), 50},
    {"step", AG_FIELD_INT, offsetof(rprop_attrs, step), 1},
};
static const ag_probe probe = {.lo = {-2, -2, 0}, .hi = {2, 2, 2}};

static const ag_op nn_rprop_update = {
    .name = "nn_rprop_update",
    .formula = "s' = clamp(s (eta_plus where g h > 0, eta_minus where g h < 0), step_min, step_max), "
               "h' = g (0 where g h < 0), p' = p - sign(h') s'",
    .min_in = 4,
    .max_in = 4,
    .outputs = 3,
    .grad = nnx_no_derivative,
    .n_grad = 1,
    .traits = AG_TRAIT_ELEMENTWISE,
    .attr_size = sizeof(rprop_attrs),
    .fields = fields,
    .n_fields = sizeof fields / sizeof fields[0],
    .infer = nnx_update_infer,
    .forward = forward,
    .cost = cost,
    .probe = &probe,
};

static void fill(const nn_optim *o, const nnx_constants *c, double lr, void *attrs) {
    (void)c;
    const rprop *r = (const rprop *)o;
    *(rprop_attrs *)attrs = (rprop_attrs){lr, r->eta_minus, r->eta_plus, r->step_min, r->step_max, o->steps + 1};
}

nn_optim *nn_rprop(nn_params *params, double lr, const nn_rprop_options *options, ag_error *error) {
    static const char *const state_name[] = {"prev", "step_size"};
    const nn_rprop_options none = {0}, *n = options ? options : &none;
    const rprop model = {{.size = sizeof(rprop),
                          .rule = &nn_rprop_update,
                          .state_name = state_name,
                          .state_count = 2,
                          .attrs = fill,
                          .lr = lr},
                         nnx_option(n->eta_minus, 0.5),
                         nnx_option(n->eta_plus, 1.2),
                         nnx_option(n->step_min, 1e-6),
                         nnx_option(n->step_max, 50)};
    if (!nnx_is_rate(lr) || !(model.eta_minus > 0 && model.eta_minus < 1) ||
        !(model.eta_plus > 1 && isfinite(model.eta_plus)) || !nnx_is_rate(model.step_min) ||
        !(model.step_max >= model.step_min && isfinite(model.step_max)))
        return nnx_optim_refuse(
            "nn_rprop",
            "needs a finite rate of at least 0, eta_minus in (0, 1), a finite eta_plus above 1 "
            "and 0 <= step_min <= step_max",
            error);
    return nnx_optim_new(&model.base, params, error);
}
