/* cross_entropy: losses of class scores. Hard targets name a class, soft ones give every class a probability.
 *
 * All decompose: log_softmax, the target's element by gather, weights, and a weighted mean. Scores are (N, C), (C), or
 * (N, C, d1, ...) with targets (N, d1, ...); the class axis is 1, or 0 where there is no batch. The plain case is
 * softmax_cross_entropy's: one kernel.
 *
 * Invariants: an ignored target is read as class 0, so that nothing is gathered from outside, and its loss is then
 * replaced by 0. What is recorded depends on shapes and attributes, never on the targets. */
#include "composite.h"
#include "cross_entropy_impl.h"

#include <inttypes.h>

typedef struct cross_entropy_attrs {
    int64_t reduction, ignore_index;
    double label_smoothing;
} cross_entropy_attrs;

typedef struct nll_loss_attrs {
    int64_t reduction, ignore_index;
} nll_loss_attrs;

typedef struct soft_attrs {
    int64_t reduction;
    double label_smoothing;
} soft_attrs;

typedef struct multi_margin_attrs {
    int64_t reduction, p;
    double margin;
} multi_margin_attrs;

static int class_axis(const ag_meta *x) { return x->rank > 1; }

/* ---- checks ----------------------------------------------------------------------------------------------------------- */

/** Operand 0 has classes, operand 2, if there is one, a weight for each. */
static ag_status check_scores(ag_build *b) {
    const ag_meta *x = ag_meta_of(ag_build_in(b, 0));
    ag_status status = agx_check_float(b, 0);
    if (status != AG_OK) return status;
    if (x->rank < 1) return ag_build_fail(b, AG_ERROR_SHAPE, "the scores need an axis of classes");
    if (ag_build_count(b) < 3) return AG_OK;
    const ag_meta *weight = ag_meta_of(ag_build_in(b, 2));
    const int64_t classes = x->dim[class_axis(x)];
    if (weight->rank != 1 || weight->dim[0] != classes)
        return ag_build_fail(b, AG_ERROR_SHAPE, "needs a weight for each of %" PRId64 " classes", classes);
    return agx_check_float(b, 2);
}

/** Operand 1 names a class for every element of operand 0 without the class axis. */
static ag_status check_targets(ag_build *b, const int64_t *ignore) {
    const ag_meta *x = ag_meta_of(ag_build_in(b, 0)), *t = ag_meta_of(ag_build_in(b, 1));
    ag_status status = check_scores(b);
    if (status != AG_OK) return status;
    ag_meta expected;
    agx_drop_axis(x, class_axis(x), &expected);
    if (!ag_meta_same_shape(&expected, t))
        return ag_build_fail(b, AG_ERROR_SHAPE, "the target must have the shape of the scores without classes");
    if (x->dim[class_axis(x)] == 0 && ag_meta_count(t) > 0)
        return ag_build_fail(b, AG_ERROR_SHAPE, "there are targets, but no classes");
    if (ignore && (*ignore > AGX_IGNORE_LIMIT || *ignore < -AGX_IGNORE_LIMIT))
        return ag_build_fail(b, AG_ERROR_VALUE, "ignore_index %" PRId64 " is beyond 2^53", *ignore);
    return agx_check_index(b, 1, x->dim[class_axis(x)], ignore);
}

static ag_status check_smoothing(ag_build *b, double smoothing) {
    if (smoothing >= 0 && smoothing <= 1) return AG_OK;
    return ag_build_fail(b, AG_ERROR_VALUE, "label_smoothing must be in [0, 1], got %g", smoothing);
}

/* ---- steps ------------------------------------------------------------------------------------------------------------ */

/** x[n, t[n, ...], ...], with the class axis kept as one of size 1. */
static ag_value at_target(ag_value x, ag_value t, int axis) { return ag_gather(x, axis, ag_unsqueeze(t, axis)); }

/** weight[t], in the shape of t. */
static ag_value weight_at(ag_value weight, ag_value t) {
    const ag_meta *meta = ag_meta_of(t);
    if (!meta) return t;
    const ag_value flat = ag_reshape(t, 1, (const int64_t[]){ag_meta_count(meta)});
    return ag_reshape(ag_index_select(weight, 0, flat), meta->rank, meta->dim);
}

/** The sum of w x over classes, w (C) or absent. */
static ag_value sum_classes(const ag_build *b, ag_value x) {
    const ag_meta *meta = ag_meta_of(x);
    if (!meta) return x;
    const int axis = class_axis(meta);
    if (ag_build_count(b) == 3) {
        int64_t dim[AG_MAX_RANK] = {meta->dim[axis]}; /* (C, 1, ...): broadcasts along the class axis */
        for (int k = axis + 1; k < meta->rank; k++) dim[k - axis] = 1;
        x = ag_mul(x, ag_reshape(ag_build_in(b, 2), meta->rank - axis, dim));
    }
    return ag_sum(x, &axis, 1, false);
}

/** Losses for log-probabilities and hard targets, weighted, smoothed and reduced. */
static ag_value hard_losses(const ag_build *b, ag_value logs, double smoothing, int64_t ignore,
                            int64_t reduction) {
    const ag_meta *meta = ag_meta_of(logs);
    if (!meta) return logs;
    const int axis = class_axis(meta);
    const double classes = (double)meta->dim[axis];
    const ag_value t = ag_build_in(b, 1), zero = ag_number(logs, 0);
    const ag_value counts = ag_ne(t, ag_number(t, (double)ignore));
    const ag_value target = ag_where(counts, t, ag_number(t, 0));
    ag_value losses = ag_neg(ag_squeeze(at_target(logs, target, axis), axis));
    ag_value weights = ag_cast(counts, meta->dtype);
    if (ag_build_count(b) == 3) {
        weights = ag_where(counts, weight_at(ag_build_in(b, 2), target), zero);
        losses = ag_mul(losses, weights);
    }
    if (smoothing > 0) {
        const ag_value all = ag_mul_number(sum_classes(b, logs), classes > 0 ? -smoothing / classes : 0);
        losses = ag_add(ag_mul_number(losses, 1 - smoothing), all);
    }
    losses = ag_where(counts, losses, zero);
    if (reduction != AG_REDUCTION_MEAN) return agx_reduce_losses(losses, reduction);
    /* Where nothing counts, 0 / 1 instead of 0 / 0. */
    const ag_value total = ag_sum_all(weights), none = ag_eq(total, ag_number(total, 0));
    return ag_div(ag_sum_all(losses), ag_where(none, ag_number(total, 1), total));
}

/* ---- cross_entropy ------------------------------------------------------------------------------------------------------ */

static ag_status cross_entropy(ag_build *b) {
    const cross_entropy_attrs *a = ag_build_attrs(b);
    const ag_value x = ag_build_in(b, 0);
    const int rank = ag_meta_of(x)->rank;
    if (a->reduction == AG_REDUCTION_MEAN && a->label_smoothing == 0 && ag_build_count(b) == 2 && rank <= 2) {
        const agx_ignore_attrs plain = {a->ignore_index}; /* the kernel checks its targets itself */
        ag_build_result(b, agx_apply2(&agx_op_softmax_cross_entropy, x, ag_build_in(b, 1), &plain));
        return AG_OK;
    }
    ag_status status = agx_check_reduction(b, a->reduction);
    if (status == AG_OK) status = check_smoothing(b, a->label_smoothing);
    if (status == AG_OK) status = check_targets(b, &a->ignore_index);
    if (status != AG_OK) return status;
    const ag_value logs = ag_log_softmax(x, rank > 1);
    ag_build_result(b, hard_losses(b, logs, a->label_smoothing, a->ignore_index, a->reduction));
    return AG_OK;
}

#define REDUCTION_FIELD(attrs)                                                                                    \
    { "reduction", AG_FIELD_INT, offsetof(attrs, reduction), AG_REDUCTION_MEAN }
#define IGNORE_FIELD(attrs)                                                                                       \
    { "ignore_index", AG_FIELD_INT, offsetof(attrs, ignore_index), AGX_IGNORE_INDEX }
#define SMOOTHING_FIELD(attrs)                                                                                    \
    { "label_smoothing", AG_FIELD_REAL, offsetof(attrs, label_smoothing), 0 }

static const uint8_t hard_grad[] = {AG_GRAD_RULE, AG_GRAD_ZERO, AG_GRAD_RULE};
static const ag_field cross_entropy_fields[] = {
    REDUCTION_FIELD(cross_entropy_attrs), IGNORE_FIELD(cross_entropy_attrs), SMOOTHING_FIELD(cross_entropy_attrs)};
#define HARD(reduction, ignore, smoothing)                                                                        \
    &(const cross_entropy_attrs) { AG_REDUCTION_##reduction, ignore, smoothing }
#define WEIGHTS(classes)                                                                                          \
    { AG_F64, 1, {classes}, 0.3, 2 }
static const ag_probe_case cross_entropy_cases[] = {
    {HARD(MEAN, -100, 0), 2, {{AG_F64, 2, {4, 3}, 0, 0}, {AG_I64, 1, {4}, 0, 2}}},
    {HARD(NONE, -100, 0.1), 3, {{AG_F64, 1, {3}, 0, 0}, {AG_I64, 0, {0}, 0, 2}, WEIGHTS(3)}},
    {HARD(MEAN, 1, 0.3), 3, {{AG_F64, 2, {5, 3}, 0, 0}, {AG_I64, 1, {5}, 0, 2}, WEIGHTS(3)}},
    {HARD(SUM, 0, 0), 3, {{AG_F64, 3, {2, 3, 2}, 0, 0}, {AG_I64, 2, {2, 2}, 0, 2}, WEIGHTS(3)}},
    {HARD(MEAN, -100, 0.2), 2, {{AG_F64, 4, {1, 2, 2, 2}, 0, 0}, {AG_I64, 3, {1, 2, 2}, 0, 1}}},
    {HARD(MEAN, -100, 0.2), 3, {{AG_F64, 3, {0, 3, 2}, 0, 0}, {AG_I64, 2, {0, 2}, 0, 1}, WEIGHTS(3)}},
};
#undef HARD
static const ag_probe cross_entropy_probe = {.lo = {-2}, .hi = {2}, .n_cases = 6, .cases = cross_entropy_cases};

const ag_op agx_op_cross_entropy = {
    .name = "cross_entropy",
    .formula = "-sum_n w[t_n] log softmax(x_n)[t_n] / sum_n w[t_n]",
    .min_in = 2,
    .max_in = 3,
    .outputs = 1,
    .grad = hard_grad,
    .n_grad = 3,
    .attr_size = sizeof(cross_entropy_attrs),
    .fields = cross_entropy_fields,
    .n_fields = 3,
    .compose = cross_entropy,
    .probe = &cross_entropy_probe,
};

/** Operands with an optional third. */
static ag_value record(const ag_op *op, ag_value x, ag_value target, const ag_value *weight, const void *attrs) {
    const ag_value in[3] = {x, target, weight ? *weight : (ag_value){0}};
    return ag_apply(NULL, op, in, weight ? 3 : 2, attrs);
}

static ag_class_options or_defaults(const ag_class_options *o) { return o ? *o : AG_CLASS_DEFAULTS; }

ag_value ag_cross_entropy_with(ag_value x, ag_value target, const ag_class_options *options) {
    const ag_class_options o = or_defaults(options);
    return record(&agx_op_cross_entropy, x, target, o.weight,
                  &(const cross_entropy_attrs){o.reduction, o.ignore_index, o.label_smoothing});
}

ag_value ag_cross_entropy(ag_value x, ag_value target) { return ag_cross_entropy_with(x, target, NULL); }

/* ---- nll_loss ----------------------------------------------------------------------------------------------------------- */

static ag_status nll_loss(ag_build *b) {
    const nll_loss_attrs *a = ag_build_attrs(b);
    ag_status status = agx_check_reduction(b, a->reduction);
    if (status == AG_OK) status = check_targets(b, &a->ignore_index);
    if (status == AG_OK) ag_build_result(b, hard_losses(b, ag_build_in(b, 0), 0, a->ignore_index, a->reduction));
    return status;
}

static const ag_field nll_loss_fields[] = {REDUCTION_FIELD(nll_loss_attrs), IGNORE_FIELD(nll_loss_attrs)};
#define HARD(reduction, ignore)                                                                                   \
    &(const nll_loss_attrs) { AG_REDUCTION_##reduction, ignore }
static const ag_probe_case nll_loss_cases[] = {
    {HARD(MEAN, -100), 2, {{AG_F64, 1, {3}, 0, 0}, {AG_I64, 0, {0}, 0, 2}}},
    {HARD(MEAN, 1), 3, {{AG_F64, 2, {5, 3}, 0, 0}, {AG_I64, 1, {5}, 0, 2}, WEIGHTS(3)}},
    {HARD(NONE, 0), 3, {{AG_F64, 3, {2, 3, 2}, 0, 0}, {AG_I64, 2, {2, 2}, 0, 2}, WEIGHTS(3)}},
    {HARD(SUM, -100), 2, {{AG_F64, 4, {1, 2, 2, 2}, 0, 0}, {AG_I64, 3, {1, 2, 2}, 0, 1}}},
    {HARD(MEAN, -100), 2, {{AG_F64, 2, {0, 3}, 0, 0}, {AG_I64, 1, {0}, 0, 1}}},
};
#undef HARD
static const ag_probe nll_loss_probe = {.lo = {-2}, .hi = {2}, .n_cases = 5, .cases = nll_loss_cases};

const ag_op agx_op_nll_loss = {
    .name = "nll_loss",
    .formula = "-sum_n w[t_n] x_n[t_n] / sum_n w[t_n]",
    .min_in = 2,
    .max_in = 3,
    .outputs = 1,
    .grad = hard_grad,
    .n_grad = 3,
    .attr_size = sizeof(nll_loss_attrs),
    .fields = nll_loss_fields,
    .n_fields = 2,
    .compose = nll_loss,
    .probe = &nll_loss_probe,
};
ag_value ag_nll_loss(ag_value x, ag_value target, const ag_class_options *options) {
    const ag_class_options o = or_defaults(options);
    return record(&agx_op_nll_loss, x, target, o.weight, &(const nll_loss_attrs){o.reduction, o.ignore_index});
}

/* ---- cross_entropy_soft --------------------------------------------------------------------------------------------------- */

static ag_status cross_entropy_soft(ag_build *b) {
    const soft_attrs *a = ag_build_attrs(b);
    const ag_value x = ag_build_in(b, 0);
    ag_value p = ag_build_in(b, 1);
    const ag_meta *meta = ag_meta_of(x);
    ag_status status = agx_check_reduction(b, a->reduction);
    if (status == AG_OK) status = check_smoothing(b, a->label_smoothing);
    if (status == AG_OK) status = check_scores(b);
    if (status == AG_OK) status = agx_check_same_shape(b, 0, 1);
    if (status == AG_OK) status = agx_check_float(b, 1);
    if (status != AG_OK) return status;
    const int axis = class_axis(meta);
    const int64_t classes = meta->dim[axis];
    if (a->label_smoothing > 0 && classes > 0)
        p = ag_add_number(ag_mul_number(p, 1 - a->label_smoothing), a->label_smoothing / (double)classes);
    const ag_value losses = ag_neg(sum_classes(b, ag_mul(p, ag_log_softmax(x, axis))));
    const ag_meta *each = ag_meta_of(losses);
    const int64_t n = each ? ag_meta_count(each) : 0;
    if (a->reduction == AG_REDUCTION_MEAN && n == 0) /* the mean of no losses: 0 */
        ag_build_result(b, ag_sum_all(losses));
    else
        ag_build_result(b, agx_reduce_losses(losses, a->reduction));
    return AG_OK;
}

static const ag_field soft_fields[] = {REDUCTION_FIELD(soft_attrs), SMOOTHING_FIELD(soft_attrs)};
#define SOFT(reduction, smoothing)                                                                                \
    &(const soft_attrs) { AG_REDUCTION_##reduction, smoothing }
static const ag_probe_case soft_cases[] = {
    {SOFT(MEAN, 0), 2, {{AG_F64, 1, {3}, 0, 0}, {AG_F64, 1, {3}, 0, 0}}},
    {SOFT(MEAN, 0.1), 3, {{AG_F64, 2, {4, 3}, 0, 0}, {AG_F64, 2, {4, 3}, 0, 0}, WEIGHTS(3)}},
    {SOFT(NONE, 0.3), 3, {{AG_F64, 3, {2, 3, 2}, 0, 0}, {AG_F64, 3, {2, 3, 2}, 0, 0}, WEIGHTS(3)}},
    {SOFT(SUM, 0), 2, {{AG_F64, 4, {1, 2, 2, 2}, 0, 0}, {AG_F64, 4, {1, 2, 2, 2}, 0, 0}}},
    {SOFT(MEAN, 0), 2, {{AG_F64, 2, {0, 3}, 0, 0}, {AG_F64, 2, {0, 3}, 0, 0}}},
};
#undef SOFT
static const ag_probe soft_probe = {.lo = {-2, 0.1}, .hi = {2, 0.9}, .n_cases = 5, .cases = soft_cases};

const ag_op agx_op_cross_entropy_soft = {
    .name = "cross_entropy_soft",
    .formula = "-1/N sum_n sum_c w_c t_nc log softmax(x_n)_c",
    .min_in = 2,
    .max_in = 3,
    .outputs = 1,
    .attr_size = sizeof(soft_attrs),
    .fields = soft_fields,
    .n_fields = 2,
    .compose = cross_entropy_soft,
    .probe = &soft_probe,
};
ag_value ag_cross_entropy_soft(ag_value x, ag_value target, const ag_class_options *options) {
    const ag_class_options o = or_defaults(options);
    return record(&agx_op_cross_entropy_soft, x, target, o.weight,
                  &(const soft_attrs){o.reduction, o.label_smoothing});
}

/* ---- multi_margin_loss ---------------------------------------------------------------------------------------------------- */

static ag_status multi_margin_loss(ag_build *b) {
    const multi_margin_attrs *a = ag_build_attrs(b);
    const ag_value x = ag_build_in(b, 0), t = ag_build_in(b, 1);
    const ag_meta *meta = ag_meta_of(x);
    ag_status status = agx_check_reduction(b, a->reduction);
    if (status == AG_OK && a->p != 1 && a->p != 2)
        status = ag_build_fail(b, AG_ERROR_VALUE, "p must be 1 or 2, got %" PRId64, a->p);
    if (status == AG_OK && meta->rank > 2) status = ag_build_fail(b, AG_ERROR_SHAPE, "needs scores (N, C) or (C)");
    if (status == AG_OK) status = check_targets(b, NULL);
    if (status != AG_OK) return status;
    const int axis = class_axis(meta);
    const int64_t classes = meta->dim[axis];
    int64_t one[2] = {meta->dim[0], 1}; /* the shape of what at_target gives: (N, 1) or (1) */
    if (axis == 0) one[0] = 1;
    ag_value over = ag_clamp_min(ag_add_number(ag_sub(x, at_target(x, t, axis)), a->margin), 0);
    if (a->p == 2) over = ag_square(over);
    const ag_value none = ag_full(x.tape, meta->dtype, meta->rank, meta->dim, 0),
                   ones = ag_full(x.tape, meta->dtype, meta->rank, one, 1);
    const ag_value at = ag_scatter_add(none, axis, ag_unsqueeze(t, axis), ones); /* one-hot */
    const ag_value others = ag_where(ag_eq(at, ag_number(at, 0)), over, ag_number(x, 0));
    ag_value losses = ag_mul_number(ag_sum(others, &axis, 1, false), classes > 0 ? 1 / (double)classes : 0);
    if (ag_build_count(b) == 3) losses = ag_mul(losses, weight_at(ag_build_in(b, 2), t));
    ag_build_result(b, agx_reduce_losses(losses, a->reduction));
    return AG_OK;
}

static const ag_field multi_margin_fields[] = {
    REDUCTION_FIELD(multi_margin_attrs),
    {"p", AG_FIELD_INT, offsetof(multi_margin_attrs, p), 1},
    {"margin", AG_FIELD_REAL, offsetof(multi_margin_attrs, margin), 1},
};
#define MARGIN(reduction, p, margin)                                                                              \
    &(const multi_margin_attrs) { AG_REDUCTION_##reduction, p, margin }
static const ag_probe_case multi_margin_cases[] = {
    {MARGIN(NONE, 1, 1), 2, {{AG_F64, 1, {4}, 0, 0}, {AG_I64, 0, {0}, 0, 3}}},
    {MARGIN(MEAN, 1, 1), 3, {{AG_F64, 2, {4, 3}, 0, 0}, {AG_I64, 1, {4}, 0, 2}, WEIGHTS(3)}},
    {MARGIN(SUM, 2, 0.5), 3, {{AG_F64, 2, {4, 3}, 0, 0}, {AG_I64, 1, {4}, 0, 2}, WEIGHTS(3)}},
    {MARGIN(SUM, 2, 1), 2, {{AG_F64, 2, {1, 1}, 0, 0}, {AG_I64, 1, {1}, 0, 0.5}}},
    {MARGIN(SUM, 1, 1), 2, {{AG_F64, 2, {0, 3}, 0, 0}, {AG_I64, 1, {0}, 0, 2}}},
};
#undef MARGIN
static const ag_probe multi_margin_probe = {.lo = {-2}, .hi = {2}, .n_cases = 5, .cases = multi_margin_cases};

const ag_op agx_op_multi_margin_loss = {
    .name = "multi_margin_loss",
    .formula = "1/C sum_{c != t} max(0, margin - x_t + x_c)^p",
    .min_in = 2,
    .max_in = 3,
    .outputs = 1,
    .grad = hard_grad,
    .n_grad = 3,
    .attr_size = sizeof(multi_margin_attrs),
    .fields = multi_margin_fields,
    .n_fields = 3,
    .compose = multi_margin_loss,
    .probe = &multi_margin_probe,
};
ag_value ag_multi_margin_loss(ag_value x, ag_value target, const ag_value *weight, int p, double margin,
                              ag_reduction reduction) {
    return record(&agx_op_multi_margin_loss, x, target, weight, &(const multi_margin_attrs){reduction, p, margin});
}
