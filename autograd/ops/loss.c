/* loss: losses of a prediction and a target of the same shape, element by element, then reduced. All decompose: a
 * difference, a function of it, and a mean or a sum. Cross-entropies have files of their own. */
#include "composite.h"

#include <math.h>

/** The scale is beta, delta or a margin. */
typedef struct distance_attrs {
    int64_t reduction;
    double scale;
} distance_attrs;

typedef struct kl_div_attrs {
    int64_t reduction;
    bool log_target;
} kl_div_attrs;

#define REDUCTION_FIELD(attrs)                                                                                    \
    { "reduction", AG_FIELD_INT, offsetof(attrs, reduction), AG_REDUCTION_MEAN }

static const ag_field distance_fields[] = {REDUCTION_FIELD(distance_attrs)};
#define CASES(scale)                                                                                              \
    {                                                                                                             \
        {&(const distance_attrs){AG_REDUCTION_MEAN, scale}, 2, {{.dtype = AG_F64}, {.dtype = AG_F64}}},           \
            {&(const distance_attrs){AG_REDUCTION_SUM, scale},                                                    \
             2,                                                                                                   \
             {{AG_F64, 1, {1}, 0, 0}, {AG_F64, 1, {1}, 0, 0}}},                                                   \
            {&(const distance_attrs){AG_REDUCTION_MEAN, scale},                                                   \
             2,                                                                                                   \
             {{AG_F64, 2, {2, 3}, 0, 0}, {AG_F64, 2, {2, 3}, 0, 0}}},                                             \
            {&(const distance_attrs){AG_REDUCTION_NONE, scale},                                                   \
             2,                                                                                                   \
             {{AG_F64, 4, {2, 1, 2, 2}, 0, 0}, {AG_F64, 4, {2, 1, 2, 2}, 0, 0}}},                                 \
            {&(const distance_attrs){AG_REDUCTION_SUM, scale},                                                    \
             2,                                                                                                   \
             {{AG_F64, 3, {2, 0, 3}, 0, 0}, {AG_F64, 3, {2, 0, 3}, 0, 0}}},                                       \
    }
static const ag_probe_case distance_cases[] = CASES(0);
static const ag_probe_case scaled_cases[] = CASES(0.7);
#undef CASES
static const ag_probe distance_probe = {
    .avoid = AG_AVOID_TIES, .lo = {-2, -2}, .hi = {2, 2}, .n_cases = 5, .cases = distance_cases};
static const ag_probe scaled_probe = {
    .avoid = AG_AVOID_TIES, .lo = {-2, -2}, .hi = {2, 2}, .n_cases = 5, .cases = scaled_cases};

static ag_status check(ag_build *b, int64_t reduction) {
    const ag_status status = agx_check_same_shape(b, 0, 1);
    return status == AG_OK ? agx_check_reduction(b, reduction) : status;
}

static ag_value difference(const ag_build *b) { return ag_sub(ag_build_in(b, 0), ag_build_in(b, 1)); }

/* ---- mse_loss ------------------------------------------------------------------------------------------------------- */

static ag_status mse_loss(ag_build *b) {
    const distance_attrs *a = ag_build_attrs(b);
    const ag_status status = check(b, a->reduction);
    if (status == AG_OK) ag_build_result(b, agx_reduce_losses(ag_square(difference(b)), a->reduction));
    return status;
}

const ag_op agx_op_mse_loss = {
    .name = "mse_loss",
    .formula = "(x - t)^2",
    .min_in = 2,
    .max_in = 2,
    .outputs = 1,
    .attr_size = sizeof(distance_attrs),
    .fields = distance_fields,
    .n_fields = 1,
    .compose = mse_loss,
    .probe = &distance_probe,
};
ag_value ag_mse_loss(ag_value x, ag_value target, ag_reduction reduction) {
    return agx_apply2(&agx_op_mse_loss, x, target, &(const distance_attrs){reduction, 0});
}

/* ---- l1_loss -------------------------------------------------------------------------------------------------------- */

static ag_status l1_loss(ag_build *b) {
    const distance_attrs *a = ag_build_attrs(b);
    const ag_status status = check(b, a->reduction);
    if (status == AG_OK) ag_build_result(b, agx_reduce_losses(ag_abs(difference(b)), a->reduction));
    return status;
}

const ag_op agx_op_l1_loss = {
    .name = "l1_loss",
    .formula = "|x - t|",
    .min_in = 2,
    .max_in = 2,
    .outputs = 1,
    .attr_size = sizeof(distance_attrs),
    .fields = distance_fields,
    .n_fields = 1,
    .compose = l1_loss,
    .probe = &distance_probe,
};
ag_value ag_l1_loss(ag_value x, ag_value target, ag_reduction reduction) {
    return agx_apply2(&agx_op_l1_loss, x, target, &(const distance_attrs){reduction, 0});
}

/* ---- smooth_l1_loss ------------------------------------------------------------------------------------------------- */

static ag_status smooth_l1_loss(ag_build *b) {
    const distance_attrs *a = ag_build_attrs(b);
    const ag_status status = check(b, a->reduction);
    if (status != AG_OK) return status;
    if (!(a->scale >= 0) || isinf(a->scale))
        return ag_build_fail(b, AG_ERROR_VALUE, "beta must be at least 0 and finite, got %g", a->scale);
    ag_build_result(b, agx_reduce_losses(ag_smooth_l1(difference(b), a->scale), a->reduction));
    return AG_OK;
}

static const ag_field smooth_l1_fields[] = {
    REDUCTION_FIELD(distance_attrs),
    {"beta", AG_FIELD_REAL, offsetof(distance_attrs, scale), 1},
};

const ag_op agx_op_smooth_l1_loss = {
    .name = "smooth_l1_loss",
    .formula = "d^2 / (2 beta) if |d| < beta else |d| - beta / 2, d = x - t",
    .min_in = 2,
    .max_in = 2,
    .outputs = 1,
    .attr_size = sizeof(distance_attrs),
    .fields = smooth_l1_fields,
    .n_fields = 2,
    .compose = smooth_l1_loss,
    .probe = &scaled_probe,
};
ag_value ag_smooth_l1_loss(ag_value x, ag_value target, double beta, ag_reduction reduction) {
    return agx_apply2(&agx_op_smooth_l1_loss, x, target, &(const distance_attrs){reduction, beta});
}

/* ---- huber_loss ----------------------------------------------------------------------------------------------------- */

static ag_status huber_loss(ag_build *b) {
    const distance_attrs *a = ag_build_attrs(b);
    const ag_status status = check(b, a->reduction);
    if (status != AG_OK) return status;
    if (!(a->scale > 0) || isinf(a->scale))
        return ag_build_fail(b, AG_ERROR_VALUE, "delta must be positive and finite, got %g", a->scale);
    ag_build_result(b, agx_reduce_losses(ag_huber(difference(b), a->scale), a->reduction));
    return AG_OK;
}

static const ag_field huber_fields[] = {
    REDUCTION_FIELD(distance_attrs),
    {"delta", AG_FIELD_REAL, offsetof(distance_attrs, scale), 1},
};

const ag_op agx_op_huber_loss = {
    .name = "huber_loss",
    .formula = "d^2 / 2 if |d| <= delta else delta (|d| - delta / 2), d = x - t",
    .min_in = 2,
    .max_in = 2,
    .outputs = 1,
    .attr_size = sizeof(distance_attrs),
    .fields = huber_fields,
    .n_fields = 2,
    .compose = huber_loss,
    .probe = &scaled_probe,
};
ag_value ag_huber_loss(ag_value x, ag_value target, double delta, ag_reduction reduction) {
    return agx_apply2(&agx_op_huber_loss, x, target, &(const distance_attrs){reduction, delta});
}

/* ---- kl_div --------------------------------------------------------------------------------------------------------- */

static ag_status kl_div(ag_build *b) {
    const kl_div_attrs *a = ag_build_attrs(b);
    const ag_value x = ag_build_in(b, 0), t = ag_build_in(b, 1);
    const ag_status status = check(b, a->reduction);
    if (status != AG_OK) return status;
    const ag_value losses = a->log_target ? ag_mul(ag_exp(t), ag_sub(t, x)) : ag_sub(ag_xlogy(t, t), ag_mul(t, x));
    ag_build_result(b, agx_reduce_losses(losses, a->reduction));
    return AG_OK;
}

static const ag_field kl_div_fields[] = {
    REDUCTION_FIELD(kl_div_attrs),
    {"log_target", AG_FIELD_BOOL, offsetof(kl_div_attrs, log_target), 0},
};
#define KL(...)                                                                                                   \
    &(const kl_div_attrs) { __VA_ARGS__ }
static const ag_probe_case kl_div_cases[] = {
    {KL(AG_REDUCTION_MEAN, false), 2, {{.dtype = AG_F64}, {.dtype = AG_F64}}},
    {KL(AG_REDUCTION_SUM, true), 2, {{AG_F64, 1, {1}, 0, 0}, {AG_F64, 1, {1}, 0, 0}}},
    {KL(AG_REDUCTION_MEAN, true), 2, {{AG_F64, 2, {2, 3}, 0, 0}, {AG_F64, 2, {2, 3}, 0, 0}}},
    {KL(AG_REDUCTION_NONE, false), 2, {{AG_F64, 4, {2, 1, 2, 2}, 0, 0}, {AG_F64, 4, {2, 1, 2, 2}, 0, 0}}},
    {KL(AG_REDUCTION_SUM, false), 2, {{AG_F64, 2, {0, 3}, 0, 0}, {AG_F64, 2, {0, 3}, 0, 0}}},
};
#undef KL
static const ag_probe kl_div_probe = {.lo = {-2, 0.2}, .hi = {-0.1, 0.9}, .n_cases = 5, .cases = kl_div_cases};

const ag_op agx_op_kl_div = {
    .name = "kl_div",
    .formula = "t (log t - x)",
    .min_in = 2,
    .max_in = 2,
    .outputs = 1,
    .attr_size = sizeof(kl_div_attrs),
    .fields = kl_div_fields,
    .n_fields = 2,
    .compose = kl_div,
    .probe = &kl_div_probe,
};
ag_value ag_kl_div(ag_value x, ag_value target, bool log_target, ag_reduction reduction) {
    return agx_apply2(&agx_op_kl_div, x, target, &(const kl_div_attrs){reduction, log_target});
}

/* ---- hinge_embedding_loss --------------------------------------------------------------------------------------------- */

/* A target that is neither 1 nor -1 adds both branches, as in PyTorch. */
static ag_status hinge_embedding_loss(ag_build *b) {
    const distance_attrs *a = ag_build_attrs(b);
    const ag_value x = ag_build_in(b, 0), t = ag_build_in(b, 1);
    const ag_status status = check(b, a->reduction);
    if (status != AG_OK) return status;
    const ag_value none = ag_number(x, 0), hinge = ag_clamp_min(ag_add_number(ag_neg(x), a->scale), 0);
    const ag_value like = ag_where(ag_ne(t, ag_number(t, -1)), x, none);
    const ag_value unlike = ag_where(ag_ne(t, ag_number(t, 1)), hinge, none);
    ag_build_result(b, agx_reduce_losses(ag_add(like, unlike), a->reduction));
    return AG_OK;
}

static const uint8_t hinge_grad[] = {AG_GRAD_RULE, AG_GRAD_ZERO};
static const ag_field hinge_fields[] = {
    REDUCTION_FIELD(distance_attrs),
    {"margin", AG_FIELD_REAL, offsetof(distance_attrs, scale), 1},
};
static const ag_probe_case hinge_cases[] = {
    {&(const distance_attrs){AG_REDUCTION_MEAN, 1}, 2, {{.dtype = AG_F64}, {.dtype = AG_I64}}},
    {&(const distance_attrs){AG_REDUCTION_SUM, 0.5}, 2, {{AG_F64, 1, {5}, 0, 0}, {AG_I64, 1, {5}, 0, 0}}},
    {&(const distance_attrs){AG_REDUCTION_MEAN, 1}, 2, {{AG_F64, 2, {4, 3}, 0, 0}, {AG_I64, 2, {4, 3}, 0, 0}}},
    {&(const distance_attrs){AG_REDUCTION_NONE, 1},
     2,
     {{AG_F64, 4, {2, 1, 2, 2}, 0, 0}, {AG_I64, 4, {2, 1, 2, 2}, 0, 0}}},
    {&(const distance_attrs){AG_REDUCTION_SUM, 1}, 2, {{AG_F64, 2, {0, 3}, 0, 0}, {AG_I64, 2, {0, 3}, 0, 0}}},
};
static const ag_probe hinge_probe = {.lo = {-2, -1}, .hi = {2, 1}, .n_cases = 5, .cases = hinge_cases};

const ag_op agx_op_hinge_embedding_loss = {
    .name = "hinge_embedding_loss",
    .formula = "x if t = 1, max(margin - x, 0) if t = -1",
    .min_in = 2,
    .max_in = 2,
    .outputs = 1,
    .grad = hinge_grad,
    .n_grad = 2,
    .attr_size = sizeof(distance_attrs),
    .fields = hinge_fields,
    .n_fields = 2,
    .compose = hinge_embedding_loss,
    .probe = &hinge_probe,
};
ag_value ag_hinge_embedding_loss(ag_value x, ag_value target, double margin, ag_reduction reduction) {
    return agx_apply2(&agx_op_hinge_embedding_loss, x, target, &(const distance_attrs){reduction, margin});
}
