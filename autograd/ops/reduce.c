/* reduce: sums, means and products over axes, and sum_to, which undoes broadcasting; and what all reductions share.
 *
 * Adjoints of the results have the reduced axes missing (or of size 1); agx_keepdims puts them back, and broadcasting
 * does the rest. NaN wins everywhere. Extremes are in extreme.c, moments and norms in moments.c. */
#include "reduce_impl.h"

const ag_field agx_reduce_fields[AGX_REDUCE_FIELDS] = {
    {"axes", AG_FIELD_INTS, offsetof(agx_reduce_attrs, axes), 0},
    {"keepdim", AG_FIELD_BOOL, offsetof(agx_reduce_attrs, keepdim), 0},
};
#define AXES(...)                                                                                                 \
    &(const agx_reduce_attrs) { __VA_ARGS__ }
const ag_probe_case agx_reduce_cases[AGX_REDUCE_CASES_EMPTY] = {
    {AXES({0, {0}}, false), 1, {{AG_F64, 0, {0}, 0, 0}}},
    {AXES({0, {0}}, false), 1, {{AG_F64, 1, {1}, 0, 0}}},
    {AXES({0, {0}}, true), 1, {{AG_F64, 2, {2, 3}, 0, 0}}},
    {AXES({1, {0}}, false), 1, {{AG_F64, 2, {3, 4}, 0, 0}}},
    {AXES({1, {-1}}, false), 1, {{AG_F64, 3, {2, 3, 4}, 0, 0}}},
    {AXES({2, {0, 2}}, false), 1, {{AG_F64, 3, {2, 3, 4}, 0, 0}}},
    {AXES({2, {-1, 1}}, true), 1, {{AG_F64, 4, {2, 3, 1, 2}, 0, 0}}},
    {AXES({1, {1}}, false), 1, {{AG_F64, 2, {0, 3}, 0, 0}}},
    {AXES({1, {0}}, true), 1, {{AG_F64, 2, {0, 3}, 0, 0}}}, /* sums of nothing: extremes refuse them */
};
#undef AXES
static const ag_probe sum_probe = {
    .lo = {-2}, .hi = {2}, .n_cases = AGX_REDUCE_CASES_EMPTY, .cases = agx_reduce_cases};
static const ag_probe mean_probe = {.lo = {-2}, .hi = {2}, .n_cases = AGX_REDUCE_CASES, .cases = agx_reduce_cases};
const ag_probe agx_extreme_probe = {
    .avoid = AG_AVOID_TIES, .lo = {-2}, .hi = {2}, .n_cases = AGX_REDUCE_CASES, .cases = agx_reduce_cases};

/* ---- what the reductions share ------------------------------------------------------------------------------- */

uint32_t agx_reduce_mask(const agx_reduce_attrs *a, int rank) {
    uint32_t mask = 0;
    return ag_axes_mask(&a->axes, rank, &mask, NULL) == AG_OK ? mask : 0;
}

void agx_reduce_dims(const ag_meta *x, uint32_t mask, bool keepdim, ag_meta *out) {
    out->rank = 0;
    for (int k = 0; k < x->rank; k++) {
        const bool reduced = (mask & 1u << k) != 0;
        if (!reduced || keepdim) out->dim[out->rank++] = reduced ? 1 : x->dim[k];
    }
}

ag_status agx_reduce_shape(const ag_query *q, ag_meta *out) {
    const agx_reduce_attrs *a = q->attrs;
    uint32_t mask = 0;
    ag_status status = ag_axes_mask(&a->axes, q->in[0]->rank, &mask, q->error);
    if (status == AG_OK) agx_reduce_dims(q->in[0], mask, a->keepdim, out);
    return status;
}

ag_status agx_reduce_forward(const ag_eval *e, agx_reduction kind) {
    uint32_t mask = agx_reduce_mask(e->attrs, e->in[0].meta->rank);
    agx_local x;
    ag_status status = agx_as_dtype(e, &e->in[0], e->out[0].meta->dtype, &x);
    return status == AG_OK ? agx_reduce(kind, &x.array, mask, e->out, e->work) : status;
}

/** Leading axes need no help. */
ag_value agx_keepdims(ag_reverse *r, ag_value y) {
    const agx_reduce_attrs *a = ag_rule_attrs(r);
    const ag_meta *x = ag_in_meta(r, 0);
    uint32_t mask = agx_reduce_mask(a, x->rank);
    if (a->keepdim || (mask & (mask + 1)) == 0) return y;
    int64_t dim[AG_MAX_RANK];
    for (int k = 0; k < x->rank; k++) dim[k] = mask & 1u << k ? 1 : x->dim[k];
    return ag_reshape(y, x->rank, dim);
}

ag_status agx_reduce_float_infer(const ag_query *q, ag_meta *out) {
    ag_status status = agx_promote_float(q, 1, &out->dtype);
    return status == AG_OK ? agx_reduce_shape(q, out) : status;
}

/** An element of x goes into one element of the result alone: the reverse rule for adjoints of 1 gives its derivative
 *  by it, and the tangent is the sum of these weights times the tangents of x. */
ag_status agx_reduce_jvp(ag_forward *f) {
    const agx_reduce_attrs a = *(const agx_reduce_attrs *)ag_forward_attrs(f);
    const ag_value weighted = ag_mul(agx_reverse_of_ones(f, 0), ag_tangent(f, 0));
    ag_give_tangent(f, 0, agx_apply1(&agx_op_sum, weighted, &a));
    return AG_OK;
}

/* ---- sum --------------------------------------------------------------------------------------------------------- */

static ag_status sum_infer(const ag_query *q, ag_meta *out) {
    const ag_dtype dtype = q->in[0]->dtype;
    out->dtype = dtype == AG_BOOL ? AG_I64 : dtype;
    return agx_reduce_shape(q, out);
}

static ag_status sum_forward(const ag_eval *e) { return agx_reduce_forward(e, AGX_SUM); }

static ag_status sum_vjp(ag_reverse *r) {
    const ag_meta *x = ag_in_meta(r, 0);
    if (ag_wants(r, 0)) ag_give(r, 0, ag_expand(agx_keepdims(r, ag_dy(r, 0)), x->rank, x->dim));
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
    .fields = agx_reduce_fields,
    .n_fields = AGX_REDUCE_FIELDS,
    .infer = sum_infer,
    .forward = sum_forward,
    .vjp = sum_vjp,
    .cost = agx_cost_elements,
    .probe = &sum_probe,
};

/* ---- mean ------------------------------------------------------------------------------------------------------- */

static ag_status mean_forward(const ag_eval *e) { return agx_reduce_forward(e, AGX_MEAN); }

static ag_status mean_vjp(ag_reverse *r) {
    if (!ag_wants(r, 0)) return AG_OK;
    const ag_meta *x = ag_in_meta(r, 0);
    const double share = (double)ag_meta_count(ag_out_meta(r, 0)) / (double)ag_meta_count(x); /* 1 / n */
    ag_give(r, 0, ag_expand(agx_keepdims(r, ag_mul_number(ag_dy(r, 0), share)), x->rank, x->dim));
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
    .fields = agx_reduce_fields,
    .n_fields = AGX_REDUCE_FIELDS,
    .infer = agx_reduce_float_infer,
    .forward = mean_forward,
    .vjp = mean_vjp,
    .cost = agx_cost_elements,
    .probe = &mean_probe,
};

/* ---- prod --------------------------------------------------------------------------------------------------------- */

static ag_status prod_forward(const ag_eval *e) { return agx_reduce_forward(e, AGX_PROD); }

/** The reduced axes, moved to the end and merged into one lane: its product is the last of its running products, so
 *  the adjoint is cumprod's, for an adjoint that is 0 before the end. Never y / x. */
static ag_status prod_vjp(ag_reverse *r) {
    const ag_meta *x = ag_in_meta(r, 0);
    if (!ag_wants(r, 0)) return AG_OK;
    if (ag_meta_count(x) == 0) {
        ag_give(r, 0, ag_full(ag_rule_tape(r), x->dtype, x->rank, x->dim, 0));
        return AG_OK;
    }
    const uint32_t mask = agx_reduce_mask(ag_rule_attrs(r), x->rank);
    int order[AG_MAX_RANK + 1], inverse[AG_MAX_RANK + 1], kept = 0, at = 0;
    int64_t moved[AG_MAX_RANK], lanes[AG_MAX_RANK + 1], n = 1; /* lanes: the kept sizes, then n */
    for (int k = 0; k < x->rank; k++)
        if (!(mask & 1u << k)) order[at++] = k;
    kept = at;
    for (int k = 0; k < x->rank; k++)
        if (mask & 1u << k) order[at++] = k;
    for (int k = 0; k < x->rank; k++) {
        inverse[order[k]] = k;
        moved[k] = lanes[k] = x->dim[order[k]];
        if (k >= kept) n *= moved[k];
    }
    lanes[kept] = 1;
    const agx_slice_grad_attrs end = {kept, n - 1, 1, n};
    const ag_value dy = agx_apply1(&agx_op_slice_grad, ag_reshape(ag_dy(r, 0), kept + 1, lanes), &end);
    lanes[kept] = n;
    const ag_value lane = ag_reshape(ag_permute(ag_in(r, 0), order, x->rank), kept + 1, lanes);
    const ag_value dx = agx_cumprod_adjoint(lane, ag_cumprod(lane, kept), dy, kept);
    ag_give(r, 0, ag_permute(ag_reshape(dx, x->rank, moved), inverse, x->rank));
    return AG_OK;
}

static const char *const prod_partials[] = {"the product of the others"};
static const ag_probe prod_probe = {
    .lo = {-2}, .hi = {2}, .n_cases = AGX_REDUCE_CASES_EMPTY, .cases = agx_reduce_cases};

const ag_op agx_op_prod = {
    .name = "prod",
    .formula = "x_0 x_1 ...",
    .partials = prod_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .traits = AG_TRAIT_STRIDED,
    .keeps = AG_IN(0),
    .attr_size = sizeof(agx_reduce_attrs),
    .fields = agx_reduce_fields,
    .n_fields = AGX_REDUCE_FIELDS,
    .infer = sum_infer,
    .forward = prod_forward,
    .vjp = prod_vjp,
    .jvp = agx_reduce_jvp,
    .cost = agx_cost_elements,
    .probe = &prod_probe,
};

/* ---- sum_to ---------------------------------------------------------------------------------------------------------- */

/** Runs at every un-broadcasting of an adjoint, so it does no more than look. */
static ag_status sum_to_infer(const ag_query *q, ag_meta *out) {
    const agx_shape_attrs *a = q->attrs;
    const ag_meta *x = q->in[0];
    const int rank = a->shape.n;
    bool fits = rank >= 0 && rank <= x->rank;
    const int missing = fits ? x->rank - rank : 0;
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
    .cost = agx_cost_elements,
    .probe = &sum_to_probe,
};

/* ---- the public functions ------------------------------------------------------------------------------------------- */

ag_value agx_reduce_record(const ag_op *op, ag_value x, const int *axes, int n_axes, agx_reduce_attrs *a,
                           const void *attrs) {
    if (axes && !agx_ints_from_axes(axes, n_axes, &a->axes))
        return ag_tape_fail(x.tape, AG_ERROR_AXIS, "%s: a list of %d axes; it may have 0 to %d", op->name, n_axes,
                            AG_MAX_RANK);
    return agx_apply1(op, x, attrs);
}

static ag_value record(const ag_op *op, ag_value x, const int *axes, int n_axes, bool keepdim) {
    agx_reduce_attrs a = {.keepdim = keepdim};
    return agx_reduce_record(op, x, axes, n_axes, &a, &a);
}

ag_value ag_sum(ag_value x, const int *axes, int n_axes, bool keepdim) {
    return record(&agx_op_sum, x, axes, n_axes, keepdim);
}
ag_value ag_mean(ag_value x, const int *axes, int n_axes, bool keepdim) {
    return record(&agx_op_mean, x, axes, n_axes, keepdim);
}
ag_value ag_prod(ag_value x, const int *axes, int n_axes, bool keepdim) {
    return record(&agx_op_prod, x, axes, n_axes, keepdim);
}
ag_value ag_sum_all(ag_value x) { return ag_sum(x, NULL, 0, false); }
ag_value ag_mean_all(ag_value x) { return ag_mean(x, NULL, 0, false); }

ag_value ag_sum_to(ag_value x, int rank, const int64_t *dim) {
    agx_shape_attrs a;
    if (!agx_ints_from_shape(dim, rank, &a.shape))
        return ag_tape_fail(x.tape, AG_ERROR_SHAPE, "sum_to: rank %d is not in 0 to %d", rank, AG_MAX_RANK);
    return agx_apply1(&agx_op_sum_to, x, &a);
}
