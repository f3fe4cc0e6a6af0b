/* binary_cross_entropy: losses of probabilities, or of their logits, against probabilities. The part that goes element
 * by element is a row of elementwise.def (bce, bce_logits); what is here checks shapes and reduces. */
#include "composite.h"

typedef struct reduction_attrs {
    int64_t reduction;
} reduction_attrs;

static ag_status check(ag_build *b, int64_t reduction) {
    const ag_status status = agx_check_same_shape(b, 0, 1);
    return status == AG_OK ? agx_check_reduction(b, reduction) : status;
}

static ag_value elements(enum agx_row row, const ag_build *b) {
    return ag_elementwise(row, (const ag_value[]){ag_build_in(b, 0), ag_build_in(b, 1)}, 2, 0);
}

static const ag_field reduction_fields[] = {
    {"reduction", AG_FIELD_INT, offsetof(reduction_attrs, reduction), AG_REDUCTION_MEAN},
};
#define REDUCE(name)                                                                                              \
    &(const reduction_attrs) { AG_REDUCTION_##name }

/* ---- binary_cross_entropy --------------------------------------------------------------------------------------------- */

static ag_status binary_cross_entropy(ag_build *b) {
    const reduction_attrs *a = ag_build_attrs(b);
    const ag_status status = check(b, a->reduction);
    if (status == AG_OK) ag_build_result(b, agx_reduce_losses(elements(AGX_ROW_bce, b), a->reduction));
    return status;
}

static const ag_probe_case cases[] = {
    {REDUCE(MEAN), 2, {{.dtype = AG_F64}, {.dtype = AG_F64}}},
    {REDUCE(SUM), 2, {{AG_F64, 1, {1}, 0, 0}, {AG_F64, 1, {1}, 0, 0}}},
    {REDUCE(MEAN), 2, {{AG_F64, 2, {2, 3}, 0, 0}, {AG_F64, 2, {2, 3}, 0, 0}}},
    {REDUCE(NONE), 2, {{AG_F64, 4, {2, 1, 2, 2}, 0, 0}, {AG_F64, 4, {2, 1, 2, 2}, 0, 0}}},
    {REDUCE(SUM), 2, {{AG_F64, 2, {0, 3}, 0, 0}, {AG_F64, 2, {0, 3}, 0, 0}}},
};
static const ag_probe probe = {.lo = {0.1, 0.1}, .hi = {0.9, 0.9}, .n_cases = 5, .cases = cases};

const ag_op agx_op_binary_cross_entropy = {
    .name = "binary_cross_entropy",
    .formula = "-t log(x) - (1 - t) log(1 - x)",
    .min_in = 2,
    .max_in = 2,
    .outputs = 1,
    .attr_size = sizeof(reduction_attrs),
    .fields = reduction_fields,
    .n_fields = 1,
    .compose = binary_cross_entropy,
    .probe = &probe,
};
ag_value ag_binary_cross_entropy(ag_value x, ag_value target, ag_reduction reduction) {
    return agx_apply2(&agx_op_binary_cross_entropy, x, target, &(const reduction_attrs){reduction});
}

/* ---- binary_cross_entropy_with_logits ----------------------------------------------------------------------------------- */

/** With a weight q of the positive class: (1 - t) x + (1 + (q - 1) t) softplus(-x). */
static ag_value weighted(ag_value x, ag_value t, ag_value q) {
    const ag_value share = ag_add_number(ag_mul(ag_add_number(q, -1), t), 1);
    return ag_add(ag_mul(ag_add_number(ag_neg(t), 1), x), ag_mul(share, ag_softplus(ag_neg(x))));
}

static ag_status check_pos_weight(ag_build *b) {
    const ag_meta *x = ag_meta_of(ag_build_in(b, 0)), *q = ag_meta_of(ag_build_in(b, 2));
    bool fits = q->rank <= x->rank;
    for (int k = 1; fits && k <= q->rank; k++)
        fits = q->dim[q->rank - k] == 1 || q->dim[q->rank - k] == x->dim[x->rank - k];
    if (fits) return AG_OK;
    return ag_build_fail(b, AG_ERROR_SHAPE, "pos_weight must broadcast to the shape of the logits");
}

static ag_status binary_cross_entropy_with_logits(ag_build *b) {
    const reduction_attrs *a = ag_build_attrs(b);
    const bool has_weight = ag_build_count(b) == 3;
    ag_status status = check(b, a->reduction);
    if (status == AG_OK && has_weight) status = check_pos_weight(b);
    if (status != AG_OK) return status;
    const ag_value losses = has_weight ? weighted(ag_build_in(b, 0), ag_build_in(b, 1), ag_build_in(b, 2))
                                       : elements(AGX_ROW_bce_logits, b);
    ag_build_result(b, agx_reduce_losses(losses, a->reduction));
    return AG_OK;
}

static const ag_probe_case logits_cases[] = {
    {REDUCE(MEAN), 2, {{.dtype = AG_F64}, {.dtype = AG_F64}}},
    {REDUCE(SUM), 2, {{AG_F64, 1, {1}, 0, 0}, {AG_F64, 1, {1}, 0, 0}}},
    {REDUCE(MEAN), 3, {{AG_F64, 2, {2, 3}, 0, 0}, {AG_F64, 2, {2, 3}, 0, 0}, {AG_F64, 1, {3}, 0, 0}}},
    {REDUCE(NONE), 3, {{AG_F64, 3, {2, 1, 2}, 0, 0}, {AG_F64, 3, {2, 1, 2}, 0, 0}, {.dtype = AG_F64}}},
    {REDUCE(SUM), 2, {{AG_F64, 2, {0, 3}, 0, 0}, {AG_F64, 2, {0, 3}, 0, 0}}},
};
static const ag_probe logits_probe = {
    .lo = {-2, 0.1, 0.3}, .hi = {2, 0.9, 2}, .n_cases = 5, .cases = logits_cases};

const ag_op agx_op_binary_cross_entropy_with_logits = {
    .name = "binary_cross_entropy_with_logits",
    .formula = "log(1 + exp(x)) - t x",
    .min_in = 2,
    .max_in = 3,
    .outputs = 1,
    .attr_size = sizeof(reduction_attrs),
    .fields = reduction_fields,
    .n_fields = 1,
    .compose = binary_cross_entropy_with_logits,
    .probe = &logits_probe,
};
ag_value ag_binary_cross_entropy_with_logits(ag_value x, ag_value target, const ag_value *pos_weight,
                                             ag_reduction reduction) {
    const ag_value in[3] = {x, target, pos_weight ? *pos_weight : (ag_value){0}};
    return ag_apply(NULL, &agx_op_binary_cross_entropy_with_logits, in, pos_weight ? 3 : 2,
                    &(const reduction_attrs){reduction});
}
