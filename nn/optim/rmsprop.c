/* rmsprop: the gradient divided by the root of its running mean square.
 *
 *   v <- alpha v + (1 - alpha) g^2,  centered: a <- alpha a + (1 - alpha) g, and v - a^2 in the place of v
 *   d = g / (sqrt(v) + eps);  p <- p - lr d,  with momentum: b <- momentum b + d,  p <- p - lr b
 *
 * Four rows, one for each set of states, share their shape rule, attributes and lines.
 * Source: Tieleman and Hinton, COURSERA: neural networks for machine learning, lecture 6.5, 2012; Graves,
 * "Generating sequences with recurrent neural networks", 2013 (centered); eps outside the root as in
 * torch.optim.RMSprop. */
#include "optim_impl.h"

#include <math.h>

typedef struct rmsprop_attrs {
    double lr, alpha, eps, weight_decay, momentum;
} rmsprop_attrs;

typedef struct rmsprop {
    nn_optim base;
    double eps;
} rmsprop;

/* x: p, v, then a where centered, then b where it rolls. k: lr, alpha, eps, decay, momentum. */
NNX_LOOP void move(double *x, double g, const nnx_factors *f, bool centered, bool rolls) {
    const double *k = f->k;
    g = nnx_decayed(g, k[3], x[0]);
    x[1] = k[1] * x[1] + (1 - k[1]) * g * g;
    double square = x[1];
    if (centered) {
        x[2] = k[1] * x[2] + (1 - k[1]) * g;
        square -= x[2] * x[2];
        square = square < 0 ? 0 : square; /* by rounding, where g does not change */
    }
    double d = g / (sqrt(square) + k[2]);
    double *b = &x[centered ? 3 : 2];
    if (rolls) d = *b = k[4] * *b + d;
    x[0] -= k[0] * d;
}
NNX_LOOP void plain(double *x, double g, const nnx_factors *f) { move(x, g, f, false, false); }
NNX_LOOP void rolling(double *x, double g, const nnx_factors *f) { move(x, g, f, false, true); }
NNX_LOOP void centered(double *x, double g, const nnx_factors *f) { move(x, g, f, true, false); }
NNX_LOOP void both(double *x, double g, const nnx_factors *f) { move(x, g, f, true, true); }

static void plain_narrow(const ag_eval *e, const nnx_factors *f) { nnx_sweep(e, 1, plain, f); }
NNX_WIDE static void plain_wide(const ag_eval *e, const nnx_factors *f) { nnx_sweep(e, 1, plain, f); }
static void rolling_narrow(const ag_eval *e, const nnx_factors *f) { nnx_sweep(e, 2, rolling, f); }
NNX_WIDE static void rolling_wide(const ag_eval *e, const nnx_factors *f) { nnx_sweep(e, 2, rolling, f); }
static void centered_narrow(const ag_eval *e, const nnx_factors *f) { nnx_sweep(e, 2, centered, f); }
NNX_WIDE static void centered_wide(const ag_eval *e, const nnx_factors *f) { nnx_sweep(e, 2, centered, f); }
static void both_narrow(const ag_eval *e, const nnx_factors *f) { nnx_sweep(e, 3, both, f); }
NNX_WIDE static void both_wide(const ag_eval *e, const nnx_factors *f) { nnx_sweep(e, 3, both, f); }

static nnx_factors factors_of(const ag_eval *e) {
    const rmsprop_attrs *a = e->attrs;
    return (nnx_factors){{a->lr, a->alpha, a->eps, a->weight_decay, a->momentum}};
}
static ag_status forward(const ag_eval *e) {
    const nnx_factors f = factors_of(e);
    return nnx_update(e, plain_narrow, plain_wide, &f);
}
static ag_status forward_rolling(const ag_eval *e) {
    const nnx_factors f = factors_of(e);
    return nnx_update(e, rolling_narrow, rolling_wide, &f);
}
static ag_status forward_centered(const ag_eval *e) {
    const nnx_factors f = factors_of(e);
    return nnx_update(e, centered_narrow, centered_wide, &f);
}
static ag_status forward_both(const ag_eval *e) {
    const nnx_factors f = factors_of(e);
    return nnx_update(e, both_narrow, both_wide, &f);
}

static double cost(const ag_query *q) { return (5.0 + 3.0 * (q->n_in - 2)) * (double)ag_meta_count(q->in[0]); }

static const ag_field fields[] = {
    {"lr", AG_FIELD_REAL, offsetof(rmsprop_attrs, lr), 0.01},
    {"alpha", AG_FIELD_REAL, offsetof(rmsprop_attrs, alpha), 0.99},
    {"eps", AG_FIELD_REAL, offsetof(rmsprop_attrs, eps), 1e-8},
    {"weight_decay", AG_FIELD_REAL, offsetof(rmsprop_attrs, weight_decay), 0},
    {"momentum", AG_FIELD_REAL, offsetof(rmsprop_attrs, momentum), 0},
};
/* A running mean of squares is no less than the square of a running mean: v from 4, a within 2. */
static const ag_probe probe = {.lo = {-2, -2, 4}, .hi = {2, 2, 4}};

/* The rows differ in name, formula, operands and forward. */
#define RMSPROP_ROWS(X)                                                                                           \
    X(nn_rmsprop_update, 1, forward, "v' = alpha v + (1 - alpha) g^2, p' = p - lr g / (sqrt(v') + eps)")          \
    X(nn_rmsprop_momentum_update, 2, forward_rolling,                                                             \
      "v' = alpha v + (1 - alpha) g^2, b' = momentum b + g / (sqrt(v') + eps), p' = p - lr b'")                   \
    X(nn_rmsprop_centered_update, 2, forward_centered,                                                            \
      "v' = alpha v + (1 - alpha) g^2, a' = alpha a + (1 - alpha) g, p' = p - lr g / (sqrt(v' - a'^2) + eps)")    \
    X(nn_rmsprop_centered_momentum_update, 3, forward_both,                                                       \
      "v' = alpha v + (1 - alpha) g^2, a' = alpha a + (1 - alpha) g, "                                            \
      "b' = momentum b + g / (sqrt(v' - a'^2) + eps), p' = p - lr b'")
#define RMSPROP_ROW(row, states, function, text)                                                                  \
    static const ag_op row = {                                                                                    \
        .name = #row,                                                                                             \
        .formula = text,                                                                                          \
        .min_in = 2 + states,                                                                                     \
        .max_in = 2 + states,                                                                                     \
        .outputs = 1 + states,                                                                                    \
        .grad = nnx_no_derivative,                                                                                \
        .n_grad = 1,                                                                                              \
        .traits = AG_TRAIT_ELEMENTWISE,                                                                           \
        .attr_size = sizeof(rmsprop_attrs),                                                                       \
        .fields = fields,                                                                                         \
        .n_fields = sizeof fields / sizeof fields[0],                                                             \
        .infer = nnx_update_infer,                                                                                \
        .forward = function,                                                                                      \
        .cost = cost,                                                                                             \
        .probe = &probe,                                                                                          \
    };
RMSPROP_ROWS(RMSPROP_ROW)
#undef RMSPROP_ROW

static void fill(const nn_optim *o, const nnx_constants *c, double lr, void *attrs) {
    *(rmsprop_attrs *)attrs = (rmsprop_attrs){lr, c->beta2, ((const rmsprop *)o)->eps, c->weight_decay, c->beta1};
}

nn_optim *nn_rmsprop(nn_params *params, double lr, const nn_rmsprop_options *options, ag_error *error) {
    static const char *const with_mean[] = {"square_avg", "grad_avg", "momentum_buffer"};
    static const char *const without[] = {"square_avg", "momentum_buffer"};
    const nn_rmsprop_options none = {0}, *n = options ? options : &none;
    const double momentum = nnx_option(n->momentum, 0);
    const bool rolls = momentum > 0;
    const ag_op *rule = rolls ? &nn_rmsprop_momentum_update : &nn_rmsprop_update;
    if (n->centered) rule = rolls ? &nn_rmsprop_centered_momentum_update : &nn_rmsprop_centered_update;
    const rmsprop model = {{.size = sizeof(rmsprop),
                            .rule = rule,
                            .state_name = n->centered ? with_mean : without,
                            .state_count = 1u + n->centered + rolls,
                            .takes = NNX_DECAY | NNX_BETA2 | (rolls ? NNX_BETA1 : 0),
                            .own = {.beta1 = momentum,
                                    .beta2 = nnx_option(n->alpha, 0.99),
                                    .weight_decay = nnx_option(n->weight_decay, 0)},
                            .attrs = fill,
                            .lr = lr},
                           nnx_option(n->eps, 1e-8)};
    const nnx_constants *own = &model.base.own;
    if (!nnx_is_rate(lr) || !nnx_is_beta(momentum) || !nnx_is_beta(own->beta2) || !nnx_is_rate(model.eps) ||
        !nnx_is_rate(own->weight_decay))
        return nnx_optim_refuse(
            "nn_rmsprop", "needs a finite rate, eps and decay of at least 0 and an alpha and a momentum in [0, 1)",
            error);
    return nnx_optim_new(&model.base, params, error);
}
