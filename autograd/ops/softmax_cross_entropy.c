/* softmax_cross_entropy: the plain case of cross_entropy, fused.
 *
 * It never forms probabilities, so logits of any size keep their digits, and its adjoint softmax(x) - onehot(t) is one
 * kernel. The adjoint is an operation with a rule as well. Weights, smoothing, other reductions and further dimensions
 * are cross_entropy.c's. */
#include "cross_entropy_impl.h"

#include <inttypes.h>

/* ---- softmax_cross_entropy ---------------------------------------------------------------------------------------------- */

/** x (B, C) float with t (B) i64, or one sample: x (C) with t (). */
static ag_status check_logits(const ag_query *q) {
    const agx_ignore_attrs *a = q->attrs;
    const ag_meta *x = q->in[0], *t = q->in[1];
    if (!ag_dtype_is_float(x->dtype))
        return ag_fail(q->error, AG_ERROR_DTYPE, "the logits must be floating-point, got %s",
                       ag_dtype_name(x->dtype));
    if (t->dtype != AG_I64)
        return ag_fail(q->error, AG_ERROR_DTYPE, "the target must be i64, got %s", ag_dtype_name(t->dtype));
    if (x->rank < 1 || x->rank > 2 || t->rank != x->rank - 1 || (t->rank == 1 && t->dim[0] != x->dim[0]))
        return ag_fail(q->error, AG_ERROR_SHAPE, "needs logits (B, C) and target (B), or (C) and ()");
    if (x->dim[x->rank - 1] == 0 && ag_meta_count(t) > 0)
        return ag_fail(q->error, AG_ERROR_SHAPE, "there are targets, but no classes");
    if (a->ignore_index > AGX_IGNORE_LIMIT || a->ignore_index < -AGX_IGNORE_LIMIT)
        return ag_fail(q->error, AG_ERROR_VALUE, "ignore_index %" PRId64 " is beyond 2^53", a->ignore_index);
    return AG_OK;
}

/** `x` with a leading dimension of 1 where it has one dimension less than `rank`. */
static ag_array as_batch(const ag_array *x, int rank, ag_meta *meta) {
    if (x->meta->rank == rank) return *x;
    *meta = *x->meta;
    meta->rank = rank;
    for (int k = rank - 1; k > 0; k--) {
        meta->dim[k] = x->meta->dim[k - 1];
        meta->stride[k] = x->meta->stride[k - 1];
    }
    meta->dim[0] = 1;
    meta->stride[0] = 0;
    return (ag_array){meta, x->data};
}

static ag_status bad_target(const ag_eval *e, const ag_array *x, const ag_array *t, int64_t row) {
    const int64_t *value = agx_at(t->data, AG_I64, row * t->meta->stride[0]);
    return ag_fail(e->error, AG_ERROR_INDEX, "row %" PRId64 " has target %" PRId64 ", outside [0, %" PRId64 ")",
                   row, *value, x->meta->dim[1]);
}

static ag_status cross_entropy_infer(const ag_query *q, ag_meta *out) {
    out->dtype = q->in[0]->dtype;
    out->rank = 0;
    return check_logits(q);
}

static ag_status cross_entropy_forward(const ag_eval *e) {
    ag_meta x_meta, t_meta;
    const ag_array x = as_batch(&e->in[0], 2, &x_meta), t = as_batch(&e->in[1], 1, &t_meta);
    int64_t row = 0;
    const agx_ignore_attrs *a = e->attrs;
    ag_status status = agx_cross_entropy(&x, &t, a->ignore_index, e->out, &row, e->work);
    return status == AG_ERROR_INDEX ? bad_target(e, &x, &t, row) : status;
}

static ag_status cross_entropy_vjp(ag_reverse *r) {
    if (ag_wants(r, 0))
        ag_give(r, 0,
                agx_apply3(&agx_op_softmax_cross_entropy_grad, ag_in(r, 0), ag_in(r, 1), ag_dy(r, 0),
                           ag_rule_attrs(r)));
    return AG_OK;
}

/** A maximum, a difference, an exponential and a sum for each logit. */
static double cross_entropy_cost(const ag_query *q) { return 4 * (double)ag_meta_count(q->in[0]); }

static const ag_field ignore_fields[] = {
    {"ignore_index", AG_FIELD_INT, offsetof(agx_ignore_attrs, ignore_index), AGX_IGNORE_INDEX},
};
static const agx_ignore_attrs plain = {AGX_IGNORE_INDEX}, ignore_1 = {1};
static const uint8_t logits_grad[] = {AG_GRAD_RULE, AG_GRAD_ZERO, AG_GRAD_RULE};
static const char *const cross_entropy_partials[] = {"(softmax(x) - onehot(t)) / B", "0"};
static const ag_probe_case cross_entropy_cases[] = {
    {&plain, 2, {{AG_F64, 1, {3}, -2, 2}, {AG_I64, 0, {0}, 0, 2}}},
    {&plain, 2, {{AG_F64, 2, {4, 3}, -2, 2}, {AG_I64, 1, {4}, 0, 2}}},
    {&plain, 2, {{AG_F64, 2, {1, 1}, -2, 2}, {AG_I64, 1, {1}, 0, 0.5}}},
    {&plain, 2, {{AG_F64, 2, {0, 3}, -2, 2}, {AG_I64, 1, {0}, 0, 2}}},
    {&ignore_1, 2, {{AG_F64, 2, {6, 3}, -2, 2}, {AG_I64, 1, {6}, 0, 2}}},
};
static const ag_probe cross_entropy_probe = {.lo = {-2}, .hi = {2}, .n_cases = 5, .cases = cross_entropy_cases};

const ag_op agx_op_softmax_cross_entropy = {
    .name = "softmax_cross_entropy",
    .formula = "1/B sum_b (log sum_c exp(x_bc) - x_b[t_b])",
    .partials = cross_entropy_partials,
    .min_in = 2,
    .max_in = 2,
    .outputs = 1,
    .grad = logits_grad,
    .n_grad = 2,
    .traits = AG_TRAIT_STRIDED,
    .keeps = AG_IN(0) | AG_IN(1),
    .attr_size = sizeof(agx_ignore_attrs),
    .fields = ignore_fields,
    .n_fields = 1,
    .infer = cross_entropy_infer,
    .forward = cross_entropy_forward,
    .vjp = cross_entropy_vjp,
    .cost = cross_entropy_cost,
    .probe = &cross_entropy_probe,
};

/* ---- softmax_cross_entropy_grad: (softmax(x) - onehot(t)) dz / B ------------------------------------------------------------- */

static ag_status cross_entropy_grad_infer(const ag_query *q, ag_meta *out) {
    if (q->in[2]->rank != 0) return ag_fail(q->error, AG_ERROR_SHAPE, "dz must have rank 0");
    out->dtype = q->in[0]->dtype;
    agx_copy_shape(q->in[0], out);
    return check_logits(q);
}

static ag_status cross_entropy_grad_forward(const ag_eval *e) {
    ag_meta x_meta, t_meta, dx_meta;
    const ag_array x = as_batch(&e->in[0], 2, &x_meta), t = as_batch(&e->in[1], 1, &t_meta);
    const ag_array dx = as_batch(&e->out[0], 2, &dx_meta);
    agx_local dz;
    ag_status status = agx_as_dtype(e, &e->in[2], x.meta->dtype, &dz);
    const agx_ignore_attrs *a = e->attrs;
    if (status != AG_OK) return status;
    int64_t row = 0;
    status = agx_cross_entropy_grad(&x, &t, a->ignore_index, &dz.array, &dx, &row, e->work);
    return status == AG_ERROR_INDEX ? bad_target(e, &x, &t, row) : status;
}

/** With p = softmax(x), g the adjoint and B the rows that count: dx = dz/B p (g - sum g p), which is softmax_grad, in
 *  those rows, and 0 in the others; d(dz) = sum g (p - onehot(t)) / B. */
static ag_status cross_entropy_grad_vjp(ag_reverse *r) {
    const agx_ignore_attrs *a = ag_rule_attrs(r);
    const ag_value x = ag_in(r, 0), t = ag_in(r, 1), g = ag_dy(r, 0);
    if (ag_wants(r, 0)) {
        const agx_axis_attrs last = {-1};
        const ag_dtype dtype = ag_in_meta(r, 0)->dtype;
        const ag_value counts = ag_ne(t, ag_number(t, (double)a->ignore_index));
        const ag_value kept = ag_clamp_min(ag_sum_all(ag_cast(counts, dtype)), 1);
        const ag_value rows = agx_apply2(&agx_op_softmax_grad, ag_softmax(x, -1), g, &last);
        const ag_value dx = ag_where(ag_unsqueeze(counts, -1), rows, ag_number(x, 0));
        ag_give(r, 0, ag_mul(dx, ag_div(ag_in(r, 2), kept)));
    }
    if (ag_wants(r, 2)) {
        const ag_value unit = agx_apply3(&agx_op_softmax_cross_entropy_grad, x, t, ag_number(x, 1.0), a);
        ag_give(r, 2, ag_sum_all(ag_mul(g, unit)));
    }
    return AG_OK;
}

/** The same, a quotient and a product: the difference from a one-hot row is one for each row. */
static double cross_entropy_grad_cost(const ag_query *q) { return 6 * (double)ag_meta_count(q->in[0]); }

static const char *const cross_entropy_grad_partials[] = {"dz/B p_i ([i = j] - p_j)", "0",
                                                          "(softmax(x) - onehot(t)) / B"};
static const ag_probe_case cross_entropy_grad_cases[] = {
    {&plain, 3, {{AG_F64, 1, {3}, -2, 2}, {AG_I64, 0, {0}, 0, 2}, {AG_F64, 0, {0}, -2, 2}}},
    {&plain, 3, {{AG_F64, 2, {4, 3}, -2, 2}, {AG_I64, 1, {4}, 0, 2}, {AG_F64, 0, {0}, -2, 2}}},
    {&plain, 3, {{AG_F64, 2, {0, 3}, -2, 2}, {AG_I64, 1, {0}, 0, 2}, {AG_F64, 0, {0}, -2, 2}}},
    {&ignore_1, 3, {{AG_F64, 2, {6, 3}, -2, 2}, {AG_I64, 1, {6}, 0, 2}, {AG_F64, 0, {0}, -2, 2}}},
};
static const ag_probe cross_entropy_grad_probe = {
    .lo = {-2, 0, -2}, .hi = {2, 2, 2}, .n_cases = 4, .cases = cross_entropy_grad_cases};

const ag_op agx_op_softmax_cross_entropy_grad = {
    .name = "softmax_cross_entropy_grad",
    .formula = "(softmax(x) - onehot(t)) dz / B",
    .partials = cross_entropy_grad_partials,
    .min_in = 3,
    .max_in = 3,
    .outputs = 1,
    .grad = logits_grad,
    .n_grad = 3,
    .traits = AG_TRAIT_STRIDED,
    .keeps = AG_IN(0) | AG_IN(1) | AG_IN(2),
    .attr_size = sizeof(agx_ignore_attrs),
    .fields = ignore_fields,
    .n_fields = 1,
    .infer = cross_entropy_grad_infer,
    .forward = cross_entropy_grad_forward,
    .vjp = cross_entropy_grad_vjp,
    .cost = cross_entropy_grad_cost,
    .probe = &cross_entropy_grad_probe,
};
