/* reduce: sums, means, largest elements and logsumexp over axes, and sum_to, which undoes broadcasting.
 *
 * Adjoints of the results have the reduced axes missing (or of size 1); keepdims() puts them back, and broadcasting
 * does the rest. NaN wins everywhere. */
#include "ops_impl.h"

#include <math.h>

static const ag_field reduce_fields[] = {
    {"axes", AG_FIELD_INTS, offsetof(agx_reduce_attrs, axes), 0},
    {"keepdim", AG_FIELD_BOOL, offsetof(agx_reduce_attrs, keepdim), 0},
};
#define AXES(...)                                                                                                 \
    &(const agx_reduce_attrs) { __VA_ARGS__ }
static const ag_probe_case reduce_cases[] = {
    {AXES({0, {0}}, false), 1, {{AG_F64, 0, {0}, 0, 0}}},
    {AXES({0, {0}}, false), 1, {{AG_F64, 1, {1}, 0, 0}}},
    {AXES({0, {0}}, true), 1, {{AG_F64, 2, {2, 3}, 0, 0}}},
    {AXES({1, {0}}, false), 1, {{AG_F64, 2, {3, 4}, 0, 0}}},
    {AXES({1, {-1}}, false), 1, {{AG_F64, 3, {2, 3, 4}, 0, 0}}},
    {AXES({2, {0, 2}}, false), 1, {{AG_F64, 3, {2, 3, 4}, 0, 0}}},
    {AXES({2, {-1, 1}}, true), 1, {{AG_F64, 4, {2, 3, 1, 2}, 0, 0}}},
    {AXES({1, {1}}, false), 1, {{AG_F64, 2, {0, 3}, 0, 0}}},
    {AXES({1, {0}}, true), 1, {{AG_F64, 2, {0, 3}, 0, 0}}}, /* sums of nothing: for sum alone */
};
#undef AXES
static const ag_probe sum_probe = {.lo = {-2}, .hi = {2}, .n_cases = 9, .cases = reduce_cases};
static const ag_probe mean_probe = {.lo = {-2}, .hi = {2}, .n_cases = 8, .cases = reduce_cases};
static const ag_probe extreme_probe = {
    .avoid = AG_AVOID_TIES, .lo = {-2}, .hi = {2}, .n_cases = 8, .cases = reduce_cases};

/* ---- what the reductions share ------------------------------------------------------------------------------- */

/** Axes of attributes that the shape rule has accepted. */
static uint32_t accepted_mask(const agx_reduce_attrs *a, int rank) {
    uint32_t mask = 0;
    return ag_axes_mask(&a->axes, rank, &mask, NULL) == AG_OK ? mask : 0;
}

static void reduce_dims(const ag_meta *x, uint32_t mask, bool keepdim, ag_meta *out) {
    out->rank = 0;
    for (int k = 0; k < x->rank; k++) {
        const bool reduced = (mask & 1u << k) != 0;
        if (!reduced || keepdim) out->dim[out->rank++] = reduced ? 1 : x->dim[k];
    }
}

static ag_status reduced_shape(const ag_query *q, ag_meta *out) {
    const agx_reduce_attrs *a = q->attrs;
    uint32_t mask = 0;
    ag_status status = ag_axes_mask(&a->axes, q->in[0]->rank, &mask, q->error);
    if (status == AG_OK) reduce_dims(q->in[0], mask, a->keepdim, out);
    return status;
}

static ag_status reduce(const ag_eval *e, agx_reduction kind) {
    uint32_t mask = accepted_mask(e->attrs, e->in[0].meta->rank);
    agx_local x;
    ag_status status = agx_as_dtype(e, &e->in[0], e->out[0].meta->dtype, &x);
    return status == AG_OK ? agx_reduce(kind, &x.array, mask, e->out, e->work) : status;
}

/** y, shaped like the result, with the reduced axes as dimensions of size 1: it then broadcasts to the operand.
 *  Leading axes need no help. */
static ag_value keepdims(ag_reverse *r, ag_value y) {
    const agx_reduce_attrs *a = ag_rule_attrs(r);
    const ag_meta *x = ag_in_meta(r, 0);
    uint32_t mask = accepted_mask(a, x->rank);
    if (a->keepdim || (mask & (mask + 1)) == 0) return y;
    int64_t dim[AG_MAX_RANK];
    for (int k = 0; k < x->rank; k++) dim[k] = mask & 1u << k ? 1 : x->dim[k];
    return ag_reshape(y, x->rank, dim);
}

/* ---- sum --------------------------------------------------------------------------------------------------------- */

static ag_status sum_infer(const ag_query *q, ag_meta *out) {
    const ag_dtype dtype = q->in[0]->dtype;
    out->dtype = dtype == AG_BOOL ? AG_I64 : dtype;
    return reduced_shape(q, out);
}

static ag_status sum_forward(const ag_eval *e) { return reduce(e, AGX_SUM); }

static ag_status sum_vjp(ag_reverse *r) {
    const ag_meta *x = ag_in_meta(r, 0);
    if (ag_wants(r, 0)) ag_give(r, 0, ag_expand(keepdims(r, ag_dy(r, 0)), x->rank, x->dim));
    return AG_OK;
}

static const char *const sum_partials[] = {"1"};

const ag_op agx_op_sum = {
    .name = "sum",
    .formula = "sum x_i",
    .partials = sum_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .traits = AG_TRAIT_LINEAR | AG_TRAIT_STRIDED,
    .attr_size = sizeof(agx_reduce_attrs),
    .fields = reduce_fields,
    .n_fields = 2,
    .infer = sum_infer,
    .forward = sum_forward,
    .vjp = sum_vjp,
    .probe = &sum_probe,
};

/* ---- mean ------------------------------------------------------------------------------------------------------- */

static ag_status float_infer(const ag_query *q, ag_meta *out) {
    ag_status status = agx_promote_float(q, 1, &out->dtype);
    return status == AG_OK ? reduced_shape(q, out) : status;
}

static ag_status mean_forward(const ag_eval *e) { return reduce(e, AGX_MEAN); }

static ag_status mean_vjp(ag_reverse *r) {
    if (!ag_wants(r, 0)) return AG_OK;
    const ag_meta *x = ag_in_meta(r, 0);
    const double share = (double)ag_meta_count(ag_out_meta(r, 0)) / (double)ag_meta_count(x); /* 1 / n */
    ag_give(r, 0, ag_expand(keepdims(r, ag_mul_number(ag_dy(r, 0), share)), x->rank, x->dim));
    return AG_OK;
}

static const char *const mean_partials[] = {"1 / n"};

const ag_op agx_op_mean = {
    .name = "mean",
    .formula = "1/n sum x_i",
    .partials = mean_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .traits = AG_TRAIT_LINEAR | AG_TRAIT_STRIDED,
    .attr_size = sizeof(agx_reduce_attrs),
    .fields = reduce_fields,
    .n_fields = 2,
    .infer = float_infer,
    .forward = mean_forward,
    .vjp = mean_vjp,
    .probe = &mean_probe,
};

/* ---- amax ------------------------------------------------------------------------------------------------------- */

/** An extreme of nothing has no value: no axis that is searched may be empty. */
static ag_status refuse_empty(const ag_query *q, uint32_t mask) {
    const ag_meta *x = q->in[0];
    for (int k = 0; k < x->rank; k++)
        if (mask & 1u << k && x->dim[k] == 0)
            return ag_fail(q->error, AG_ERROR_SHAPE, "axis %d is empty: nothing there is largest", k);
    return AG_OK;
}

static ag_status amax_infer(const ag_query *q, ag_meta *out) {
    const agx_reduce_attrs *a = q->attrs;
    out->dtype = q->in[0]->dtype;
    if (out->dtype == AG_BOOL) return ag_fail(q->error, AG_ERROR_DTYPE, "needs numbers, got bool");
    ag_status status = reduced_shape(q, out);
    return status == AG_OK ? refuse_empty(q, accepted_mask(a, q->in[0]->rank)) : status;
}

static ag_status amax_forward(const ag_eval *e) { return reduce(e, AGX_AMAX); }

/** k elements that tie get dy/k each. A NaN equals nothing: k = 0 then makes its whole group NaN. */
static ag_status amax_vjp(ag_reverse *r) {
    if (!ag_wants(r, 0)) return AG_OK;
    agx_reduce_attrs keep = *(const agx_reduce_attrs *)ag_rule_attrs(r);
    keep.keepdim = true;
    const ag_value x = ag_in(r, 0), y = keepdims(r, ag_out(r, 0)), dy = keepdims(r, ag_dy(r, 0));
    const ag_value chosen = ag_cast(ag_eq(x, y), ag_out_meta(r, 0)->dtype);
    const ag_value ties = agx_apply1(&agx_op_sum, chosen, &keep);
    ag_give(r, 0, ag_mul(chosen, ag_div(dy, ties)));
    return AG_OK;
}

static const char *const amax_partials[] = {"1 if x_i = y, shared by ties, else 0"};

const ag_op agx_op_amax = {
    .name = "amax",
    .formula = "max x_i",
    .partials = amax_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .traits = AG_TRAIT_STRIDED,
    .keeps = AG_IN(0) | AG_OUT(0),
    .attr_size = sizeof(agx_reduce_attrs),
    .fields = reduce_fields,
    .n_fields = 2,
    .infer = amax_infer,
    .forward = amax_forward,
    .vjp = amax_vjp,
    .probe = &extreme_probe,
};

/* ---- argmax ----------------------------------------------------------------------------------------------------- */

static uint32_t argmax_mask(const agx_argmax_attrs *a, int rank) {
    if (a->axis == AG_ALL_AXES) return (1u << rank) - 1;
    return 1u << (a->axis < 0 ? a->axis + rank : a->axis);
}

static ag_status argmax_infer(const ag_query *q, ag_meta *out) {
    const agx_argmax_attrs *a = q->attrs;
    const ag_meta *x = q->in[0];
    out->dtype = AG_I64;
    if (x->dtype == AG_BOOL) return ag_fail(q->error, AG_ERROR_DTYPE, "needs numbers, got bool");
    if (a->axis != AG_ALL_AXES) {
        int axis = 0;
        ag_status status = ag_axis(a->axis, x->rank, &axis, q->error);
        if (status != AG_OK) return status;
    }
    const uint32_t mask = argmax_mask(a, x->rank);
    reduce_dims(x, mask, a->keepdim, out);
    return refuse_empty(q, mask);
}

static ag_status argmax_forward(const ag_eval *e) {
    return agx_arg_reduce(true, e->in, argmax_mask(e->attrs, e->in[0].meta->rank), e->out, e->work);
}

static const uint8_t argmax_grad[] = {AG_GRAD_ZERO};
static const ag_field argmax_fields[] = {
    {"axis", AG_FIELD_INT, offsetof(agx_argmax_attrs, axis), AG_ALL_AXES},
    {"keepdim", AG_FIELD_BOOL, offsetof(agx_argmax_attrs, keepdim), 0},
};
static const ag_probe_case argmax_cases[] = {
    {&(const agx_argmax_attrs){AG_ALL_AXES, false}, 1, {{AG_F64, 2, {3, 4}, 0, 0}}},
    {&(const agx_argmax_attrs){-1, true}, 1, {{AG_F64, 2, {3, 4}, 0, 0}}},
    {&(const agx_argmax_attrs){0, false}, 1, {{AG_F64, 3, {3, 1, 2}, 0, 0}}},
    {&(const agx_argmax_attrs){AG_ALL_AXES, false}, 1, {{AG_F64, 0, {0}, 0, 0}}},
    {&(const agx_argmax_attrs){1, false}, 1, {{AG_F64, 2, {0, 3}, 0, 0}}},
};
static const ag_probe argmax_probe = {
    .avoid = AG_AVOID_TIES, .lo = {-2}, .hi = {2}, .n_cases = 5, .cases = argmax_cases};

const ag_op agx_op_argmax = {
    .name = "argmax",
    .formula = "the first i with x_i = max x",
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .grad = argmax_grad,
    .n_grad = 1,
    .traits = AG_TRAIT_STRIDED,
    .attr_size = sizeof(agx_argmax_attrs),
    .fields = argmax_fields,
    .n_fields = 2,
    .infer = argmax_infer,
    .forward = argmax_forward,
    .probe = &argmax_probe,
};

/* ---- logsumexp ------------------------------------------------------------------------------------------------------ */

static ag_status logsumexp_forward(const ag_eval *e) { return reduce(e, AGX_LOGSUMEXP); }

static ag_status logsumexp_vjp(ag_reverse *r) {
    if (!ag_wants(r, 0)) return AG_OK;
    const ag_value y = keepdims(r, ag_out(r, 0)), dy = keepdims(r, ag_dy(r, 0));
    ag_give(r, 0, ag_mul(dy, agx_apply2(&agx_op_logsumexp_weights, ag_in(r, 0), y, NULL)));
    return AG_OK;
}

static const char *const logsumexp_partials[] = {"exp(x_i - y)"};

const ag_op agx_op_logsumexp = {
    .name = "logsumexp",
    .formula = "log sum exp(x_i)",
    .partials = logsumexp_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .traits = AG_TRAIT_STRIDED,
    .keeps = AG_IN(0) | AG_OUT(0),
    .attr_size = sizeof(agx_reduce_attrs),
    .fields = reduce_fields,
    .n_fields = 2,
    .infer = float_infer,
    .forward = logsumexp_forward,
    .vjp = logsumexp_vjp,
    .probe = &extreme_probe,
};

/* ---- logsumexp_weights: exp(x - y), where y is the logsumexp of x over the axes in which it is smaller ------------------ */

static ag_status weights_infer(const ag_query *q, ag_meta *out) {
    ag_status status = agx_promote_float(q, 2, &out->dtype);
    if (status == AG_OK && q->in[0]->dtype != q->in[1]->dtype)
        status = ag_fail(q->error, AG_ERROR_DTYPE, "operands must have one dtype");
    if (status == AG_OK) status = ag_broadcast(q->in, 2, out, q->error);
    if (status == AG_OK && !ag_meta_same_shape(out, q->in[0]))
        status = ag_fail(q->error, AG_ERROR_SHAPE, "operand 1 does not broadcast to operand 0");
    return status;
}

/** Where y is infinite the difference inf - inf hides the limit: nothing but -inf has no weight at all, and k
 *  elements at +inf have 1/k each. x (...), y broadcasts to x, z as x; all dense. Rare, so written for clarity. */
static ag_status infinite_weights(const ag_eval *e) {
    const ag_meta *shape = e->out[0].meta;
    const ag_dtype dtype = shape->dtype;
    const int64_t n = ag_meta_count(shape), groups = ag_meta_count(e->in[1].meta);
    int64_t stride[AG_MAX_RANK];
    ag_broadcast_strides(e->in[1].meta, shape, stride);
    int64_t *group = ag_scratch(e->work, (size_t)n * sizeof *group);    /* (n): y's element of each x */
    int64_t *ties = ag_scratch(e->work, (size_t)groups * sizeof *ties); /* (groups): how many x equal it */
    if (!group || !ties) return ag_fail(e->error, AG_ERROR_MEMORY, "no memory for weights");
    for (int64_t g = 0; g < groups; g++) ties[g] = 0;
    for (int64_t i = 0; i < n; i++) {
        group[i] = 0;
        for (int64_t k = shape->rank - 1, rest = i; k >= 0; rest /= shape->dim[k], k--)
            group[i] += rest % shape->dim[k] * stride[k];
        if (agx_load(e->in[0].data, dtype, i) == agx_load(e->in[1].data, dtype, group[i])) ties[group[i]]++;
    }
    for (int64_t i = 0; i < n; i++) {
        const double x = agx_load(e->in[0].data, dtype, i), y = agx_load(e->in[1].data, dtype, group[i]);
        if (!isinf(y)) continue;
        agx_store(e->out[0].data, dtype, i, y < 0 ? 0 : x == y ? 1.0 / (double)ties[group[i]] : exp(x - y));
    }
    return AG_OK;
}

static ag_status weights_forward(const ag_eval *e) {
    const ag_dtype dtype = e->out[0].meta->dtype;
    ag_status status = agx_map(agx_vector_table()->exp_shift[dtype == AG_F64], e->in, 2, e->out, 0, e->work);
    const int64_t groups = ag_meta_count(e->in[1].meta);
    for (int64_t g = 0; status == AG_OK && g < groups; g++)
        if (isinf(agx_load(e->in[1].data, dtype, g))) return infinite_weights(e);
    return status;
}

static ag_status weights_vjp(ag_reverse *r) {
    const ag_value dx = ag_mul(ag_dy(r, 0), ag_out(r, 0));
    if (ag_wants(r, 0)) ag_give(r, 0, dx);
    if (ag_wants(r, 1)) ag_give(r, 1, ag_neg(dx));
    return AG_OK;
}

static const char *const weights_partials[] = {"exp(x - y)", "-exp(x - y)"};
static const ag_probe_case weights_cases[] = {
    {NULL, 2, {{AG_F64, 0, {0}, 0, 0}, {AG_F64, 0, {0}, 0, 0}}},
    {NULL, 2, {{AG_F64, 2, {3, 4}, 0, 0}, {AG_F64, 2, {3, 1}, 0, 0}}},
    {NULL, 2, {{AG_F64, 2, {3, 4}, 0, 0}, {AG_F64, 1, {4}, 0, 0}}},
    {NULL, 2, {{AG_F64, 2, {0, 4}, 0, 0}, {AG_F64, 1, {4}, 0, 0}}},
};
static const ag_probe weights_probe = {.lo = {-1, -1}, .hi = {1, 2}, .n_cases = 4, .cases = weights_cases};

const ag_op agx_op_logsumexp_weights = {
    .name = "logsumexp_weights",
    .formula = "exp(x - y)",
    .partials = weights_partials,
    .min_in = 2,
    .max_in = 2,
    .outputs = 1,
    .keeps = AG_OUT(0),
    .infer = weights_infer,
    .forward = weights_forward,
    .vjp = weights_vjp,
    .probe = &weights_probe,
};

/* ---- sum_to ---------------------------------------------------------------------------------------------------------- */

/** Runs at every un-broadcasting of an adjoint, so it does no more than look. */
static ag_status sum_to_infer(const ag_query *q, ag_meta *out) {
    const agx_shape_attrs *a = q->attrs;
    const ag_meta *x = q->in[0];
    const int rank = a->shape.n, missing = x->rank - rank;
    bool fits = rank >= 0 && missing >= 0;
    for (int k = 0; fits && k < rank; k++) {
        out->dim[k] = a->shape.v[k];
        fits = out->dim[k] == x->dim[missing + k] || out->dim[k] == 1;
    }
    if (!fits) return ag_fail(q->error, AG_ERROR_SHAPE, "the shape asked for does not broadcast to the operand's");
    out->rank = rank;
    out->dtype = x->dtype == AG_BOOL ? AG_I64 : x->dtype;
    return AG_OK;
}

static ag_status sum_to_forward(const ag_eval *e) {
    agx_local x;
    ag_status status = agx_as_dtype(e, &e->in[0], e->out[0].meta->dtype, &x);
    return status == AG_OK ? agx_sum_to(&x.array, e->out, e->work) : status;
}

static ag_status sum_to_vjp(ag_reverse *r) {
    const ag_meta *x = ag_in_meta(r, 0);
    if (ag_wants(r, 0)) ag_give(r, 0, ag_expand(ag_dy(r, 0), x->rank, x->dim));
    return AG_OK;
}

static const ag_field sum_to_fields[] = {{"shape", AG_FIELD_INTS, offsetof(agx_shape_attrs, shape), 0}};
static const ag_probe_case sum_to_cases[] = {
    {&(const agx_shape_attrs){{0, {0}}}, 1, {{AG_F64, 0, {0}, 0, 0}}},
    {&(const agx_shape_attrs){{0, {0}}}, 1, {{AG_F64, 2, {2, 3}, 0, 0}}},
    {&(const agx_shape_attrs){{1, {3}}}, 1, {{AG_F64, 3, {2, 4, 3}, 0, 0}}},
    {&(const agx_shape_attrs){{2, {1, 3}}}, 1, {{AG_F64, 2, {4, 3}, 0, 0}}},
    {&(const agx_shape_attrs){{3, {1, 4, 1}}}, 1, {{AG_F64, 4, {2, 3, 4, 2}, 0, 0}}},
    {&(const agx_shape_attrs){{1, {3}}}, 1, {{AG_F64, 2, {0, 3}, 0, 0}}},
};
static const ag_probe sum_to_probe = {.lo = {-2}, .hi = {2}, .n_cases = 6, .cases = sum_to_cases};

const ag_op agx_op_sum_to = {
    .name = "sum_to",
    .formula = "sum of x over broadcast dimensions",
    .partials = sum_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .traits = AG_TRAIT_LINEAR | AG_TRAIT_STRIDED,
    .attr_size = sizeof(agx_shape_attrs),
    .fields = sum_to_fields,
    .n_fields = 1,
    .infer = sum_to_infer,
    .forward = sum_to_forward,
    .vjp = sum_to_vjp,
    .probe = &sum_to_probe,
};

/* ---- the public functions ------------------------------------------------------------------------------------------- */

static ag_value record(const ag_op *op, ag_value x, const int *axes, int n_axes, bool keepdim) {
    agx_reduce_attrs a = {.keepdim = keepdim};
    if (axes && !agx_ints_from_axes(axes, n_axes, &a.axes))
        return ag_tape_fail(x.tape, AG_ERROR_AXIS, "%s: a list of %d axes; it may have 0 to %d", op->name, n_axes,
                            AG_MAX_RANK);
    return agx_apply1(op, x, &a);
}

ag_value ag_sum(ag_value x, const int *axes, int n_axes, bool keepdim) {
    return record(&agx_op_sum, x, axes, n_axes, keepdim);
}
ag_value ag_mean(ag_value x, const int *axes, int n_axes, bool keepdim) {
    return record(&agx_op_mean, x, axes, n_axes, keepdim);
}
ag_value ag_amax(ag_value x, const int *axes, int n_axes, bool keepdim) {
    return record(&agx_op_amax, x, axes, n_axes, keepdim);
}
ag_value ag_logsumexp(ag_value x, const int *axes, int n_axes, bool keepdim) {
    return record(&agx_op_logsumexp, x, axes, n_axes, keepdim);
}
ag_value ag_sum_all(ag_value x) { return ag_sum(x, NULL, 0, false); }
ag_value ag_mean_all(ag_value x) { return ag_mean(x, NULL, 0, false); }

ag_value ag_argmax(ag_value x, int axis, bool keepdim) {
    return agx_apply1(&agx_op_argmax, x, &(const agx_argmax_attrs){axis, keepdim});
}

ag_value ag_sum_to(ag_value x, int rank, const int64_t *dim) {
    agx_shape_attrs a;
    if (!agx_ints_from_shape(dim, rank, &a.shape))
        return ag_tape_fail(x.tape, AG_ERROR_SHAPE, "sum_to: rank %d is not in 0 to %d", rank, AG_MAX_RANK);
    return agx_apply1(&agx_op_sum_to, x, &a);
}
