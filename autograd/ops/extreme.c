/* extreme: largest and smallest elements, and where they are.
 *
 * amax and amin share an adjoint among the elements that tie; max_dim and min_dim give all of it to the one whose
 * index they return, the first. NaN wins everywhere: it is larger and smaller than all else. */
#include "reduce_impl.h"

/* ---- what extremes share ------------------------------------------------------------------------------------------ */

/** An extreme of nothing has no value: no axis that is searched may be empty. */
static ag_status refuse_empty(const ag_query *q, uint32_t mask) {
    const ag_meta *x = q->in[0];
    for (int k = 0; k < x->rank; k++)
        if (mask & 1u << k && x->dim[k] == 0)
            return ag_fail(q->error, AG_ERROR_SHAPE, "axis %d is empty: it has no extreme", k);
    return AG_OK;
}

static ag_status refuse_bool(const ag_query *q) {
    if (q->in[0]->dtype != AG_BOOL) return AG_OK;
    return ag_fail(q->error, AG_ERROR_DTYPE, "needs numbers, got bool");
}

/* ---- amax and amin -------------------------------------------------------------------------------------------------- */

static ag_status extreme_infer(const ag_query *q, ag_meta *out) {
    const agx_reduce_attrs *a = q->attrs;
    out->dtype = q->in[0]->dtype;
    ag_status status = refuse_bool(q);
    if (status == AG_OK) status = agx_reduce_shape(q, out);
    return status == AG_OK ? refuse_empty(q, agx_reduce_mask(a, q->in[0]->rank)) : status;
}

static ag_status amax_forward(const ag_eval *e) { return agx_reduce_forward(e, AGX_AMAX); }
static ag_status amin_forward(const ag_eval *e) { return agx_reduce_forward(e, AGX_AMIN); }

/** k elements that tie get dy/k each. A NaN equals nothing: k = 0 then makes its whole group NaN. */
static ag_status extreme_vjp(ag_reverse *r) {
    if (!ag_wants(r, 0)) return AG_OK;
    agx_reduce_attrs keep = *(const agx_reduce_attrs *)ag_rule_attrs(r);
    keep.keepdim = true;
    const ag_value x = ag_in(r, 0), y = agx_keepdims(r, ag_out(r, 0)), dy = agx_keepdims(r, ag_dy(r, 0));
    const ag_value chosen = ag_cast(ag_eq(x, y), ag_out_meta(r, 0)->dtype);
    const ag_value ties = agx_apply1(&agx_op_sum, chosen, &keep);
    ag_give(r, 0, ag_mul(chosen, ag_div(dy, ties)));
    return AG_OK;
}

static const char *const extreme_partials[] = {"1 if x_i = y, shared by ties, else 0"};

const ag_op agx_op_amax = {
    .name = "amax",
    .formula = "max x_i",
    .partials = extreme_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .traits = AG_TRAIT_STRIDED,
    .keeps = AG_IN(0) | AG_OUT(0),
    .attr_size = sizeof(agx_reduce_attrs),
    .fields = agx_reduce_fields,
    .n_fields = AGX_REDUCE_FIELDS,
    .infer = extreme_infer,
    .forward = amax_forward,
    .vjp = extreme_vjp,
    .jvp = agx_reduce_jvp,
    .cost = agx_cost_elements,
    .probe = &agx_extreme_probe,
};
const ag_op agx_op_amin = {
    .name = "amin",
    .formula = "min x_i",
    .partials = extreme_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .traits = AG_TRAIT_STRIDED,
    .keeps = AG_IN(0) | AG_OUT(0),
    .attr_size = sizeof(agx_reduce_attrs),
    .fields = agx_reduce_fields,
    .n_fields = AGX_REDUCE_FIELDS,
    .infer = extreme_infer,
    .forward = amin_forward,
    .vjp = extreme_vjp,
    .jvp = agx_reduce_jvp,
    .cost = agx_cost_elements,
    .probe = &agx_extreme_probe,
};

/* ---- argmax and argmin ------------------------------------------------------------------------------------------------ */

/** The axes searched; a scalar counts as one axis of size 1. */
static uint32_t arg_mask(const agx_argmax_attrs *a, int rank) {
    if (a->axis == AG_ALL_AXES || rank == 0) return (1u << rank) - 1;
    return 1u << (a->axis < 0 ? a->axis + rank : a->axis);
}

/** Checks the axis and gives the shape, for argmax and argmin with all axes as well as for max_dim and min_dim. */
static ag_status arg_shape(const ag_query *q, ag_meta *out) {
    const agx_argmax_attrs *a = q->attrs;
    const ag_meta *x = q->in[0];
    int axis = 0;
    ag_status status = refuse_bool(q);
    if (status == AG_OK && a->axis != AG_ALL_AXES) status = agx_lane_axis(a->axis, x->rank, &axis, q->error);
    if (status != AG_OK) return status;
    const uint32_t mask = arg_mask(a, x->rank);
    agx_reduce_dims(x, mask, a->keepdim, out);
    return refuse_empty(q, mask);
}

static ag_status arg_infer(const ag_query *q, ag_meta *out) {
    out->dtype = AG_I64;
    return arg_shape(q, out);
}

static ag_status argmax_forward(const ag_eval *e) {
    return agx_arg_reduce(true, e->in, arg_mask(e->attrs, e->in[0].meta->rank), e->out, e->work);
}
static ag_status argmin_forward(const ag_eval *e) {
    return agx_arg_reduce(false, e->in, arg_mask(e->attrs, e->in[0].meta->rank), e->out, e->work);
}

static const uint8_t arg_grad[] = {AG_GRAD_ZERO};
static const ag_field arg_fields[] = {
    {"axis", AG_FIELD_INT, offsetof(agx_argmax_attrs, axis), AG_ALL_AXES},
    {"keepdim", AG_FIELD_BOOL, offsetof(agx_argmax_attrs, keepdim), 0},
};
static const ag_probe_case arg_cases[] = {
    {&(const agx_argmax_attrs){AG_ALL_AXES, false}, 1, {{AG_F64, 2, {3, 4}, 0, 0}}},
    {&(const agx_argmax_attrs){-1, true}, 1, {{AG_F64, 2, {3, 4}, 0, 0}}},
    {&(const agx_argmax_attrs){0, false}, 1, {{AG_F64, 3, {3, 1, 2}, 0, 0}}},
    {&(const agx_argmax_attrs){AG_ALL_AXES, false}, 1, {{AG_F64, 0, {0}, 0, 0}}},
    {&(const agx_argmax_attrs){1, false}, 1, {{AG_F64, 2, {0, 3}, 0, 0}}},
};
static const ag_probe arg_probe = {
    .avoid = AG_AVOID_TIES, .lo = {-2}, .hi = {2}, .n_cases = 5, .cases = arg_cases};

const ag_op agx_op_argmax = {
    .name = "argmax",
    .formula = "the first i with x_i = max x",
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .grad = arg_grad,
    .n_grad = 1,
    .traits = AG_TRAIT_STRIDED,
    .attr_size = sizeof(agx_argmax_attrs),
    .fields = arg_fields,
    .n_fields = 2,
    .infer = arg_infer,
    .forward = argmax_forward,
    .cost = agx_cost_elements,
    .probe = &arg_probe,
};
const ag_op agx_op_argmin = {
    .name = "argmin",
    .formula = "the first i with x_i = min x",
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .grad = arg_grad,
    .n_grad = 1,
    .traits = AG_TRAIT_STRIDED,
    .attr_size = sizeof(agx_argmax_attrs),
    .fields = arg_fields,
    .n_fields = 2,
    .infer = arg_infer,
    .forward = argmin_forward,
    .cost = agx_cost_elements,
    .probe = &arg_probe,
};

/* ---- max_dim and min_dim: the extreme along an axis, and its index ------------------------------------------------------ */

static ag_status dim_infer(const ag_query *q, ag_meta *out) {
    const agx_argmax_attrs *a = q->attrs;
    if (a->axis == AG_ALL_AXES) return ag_fail(q->error, AG_ERROR_AXIS, "needs one axis, not all of them");
    ag_status status = arg_shape(q, &out[0]);
    out[0].dtype = q->in[0]->dtype;
    out[1] = out[0];
    out[1].dtype = AG_I64;
    return status;
}

/** values and index share a shape; x is dense. */
static ag_status dim_forward(const ag_eval *e, bool largest) {
    const agx_argmax_attrs *a = e->attrs;
    const ag_array *x = &e->in[0];
    ag_status status = agx_arg_reduce(largest, x, arg_mask(a, x->meta->rank), &e->out[1], e->work);
    if (status != AG_OK) return status;
    const agx_lanes lanes = agx_lanes_of(x->meta, (int)(a->axis < 0 ? a->axis + x->meta->rank : a->axis));
    agx_row_copy *copy = agx_copy_row(x->meta->dtype, x->meta->dtype);
    const int64_t *index = e->out[1].data;
    for (int64_t i = 0; i < lanes.outer * lanes.inner; i++) {
        const int64_t at = (i / lanes.inner * lanes.n + index[i]) * lanes.inner + i % lanes.inner;
        copy(1, agx_at(x->data, x->meta->dtype, at), 1, agx_at(e->out[0].data, x->meta->dtype, i), 1);
    }
    return AG_OK;
}
static ag_status max_dim_forward(const ag_eval *e) { return dim_forward(e, true); }
static ag_status min_dim_forward(const ag_eval *e) { return dim_forward(e, false); }

static ag_status dim_vjp(ag_reverse *r) {
    const agx_argmax_attrs *a = ag_rule_attrs(r);
    const ag_meta *x = ag_in_meta(r, 0);
    if (!ag_wants(r, 0)) return AG_OK;
    ag_value dy = ag_dy(r, 0), index = ag_out(r, 1);
    if (x->rank == 0) {
        ag_give(r, 0, dy);
        return AG_OK;
    }
    if (!a->keepdim) {
        const int axis = (int)(a->axis < 0 ? a->axis + x->rank : a->axis);
        dy = ag_unsqueeze(dy, axis);
        index = ag_unsqueeze(index, axis);
    }
    ag_give(r, 0, agx_scatter_zeros(x, dy, (int)a->axis, index));
    return AG_OK;
}

/** The tangent of the element chosen. */
static ag_status dim_jvp(ag_forward *f) {
    const agx_argmax_attrs *a = ag_forward_attrs(f);
    const int rank = ag_primal_in_meta(f, 0)->rank, axis = (int)(a->axis < 0 ? a->axis + rank : a->axis);
    if (rank == 0) {
        ag_give_tangent(f, 0, ag_tangent(f, 0));
        return AG_OK;
    }
    ag_value index = ag_primal_out(f, 1);
    if (!a->keepdim) index = ag_unsqueeze(index, axis);
    const ag_value chosen = ag_gather(ag_tangent(f, 0), axis, index);
    ag_give_tangent(f, 0, a->keepdim ? chosen : ag_squeeze(chosen, axis));
    return AG_OK;
}

static const char *const dim_partials[] = {"1 at the index returned, else 0"};
static const ag_field dim_fields[] = {
    {"axis", AG_FIELD_INT, offsetof(agx_argmax_attrs, axis), 0},
    {"keepdim", AG_FIELD_BOOL, offsetof(agx_argmax_attrs, keepdim), 0},
};
static const ag_probe_case dim_cases[] = {
    {&(const agx_argmax_attrs){0, false}, 1, {{AG_F64, 0, {0}, 0, 0}}},
    {&(const agx_argmax_attrs){0, true}, 1, {{AG_F64, 1, {5}, 0, 0}}},
    {&(const agx_argmax_attrs){-1, false}, 1, {{AG_F64, 2, {3, 4}, 0, 0}}},
    {&(const agx_argmax_attrs){1, true}, 1, {{AG_F64, 3, {2, 3, 2}, 0, 0}}},
    {&(const agx_argmax_attrs){1, false}, 1, {{AG_F64, 4, {2, 3, 1, 2}, 0, 0}}},
    {&(const agx_argmax_attrs){0, false}, 1, {{AG_F64, 2, {1, 3}, 0, 0}}},
    {&(const agx_argmax_attrs){1, false}, 1, {{AG_F64, 2, {0, 3}, 0, 0}}},
};
static const ag_probe dim_probe = {
    .avoid = AG_AVOID_TIES, .lo = {-2}, .hi = {2}, .n_cases = 7, .cases = dim_cases};

const ag_op agx_op_max_dim = {
    .name = "max_dim",
    .formula = "max x_i, and the first i that has it",
    .partials = dim_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 2,
    .keeps = AG_OUT(1),
    .attr_size = sizeof(agx_argmax_attrs),
    .fields = dim_fields,
    .n_fields = 2,
    .infer = dim_infer,
    .forward = max_dim_forward,
    .vjp = dim_vjp,
    .jvp = dim_jvp,
    .cost = agx_cost_elements,
    .probe = &dim_probe,
};
const ag_op agx_op_min_dim = {
    .name = "min_dim",
    .formula = "min x_i, and the first i that has it",
    .partials = dim_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 2,
    .keeps = AG_OUT(1),
    .attr_size = sizeof(agx_argmax_attrs),
    .fields = dim_fields,
    .n_fields = 2,
    .infer = dim_infer,
    .forward = min_dim_forward,
    .vjp = dim_vjp,
    .jvp = dim_jvp,
    .cost = agx_cost_elements,
    .probe = &dim_probe,
};

/* ---- the public functions ------------------------------------------------------------------------------------------- */

ag_value ag_amax(ag_value x, const int *axes, int n_axes, bool keepdim) {
    agx_reduce_attrs a = {.keepdim = keepdim};
    return agx_reduce_record(&agx_op_amax, x, axes, n_axes, &a, &a);
}
ag_value ag_amin(ag_value x, const int *axes, int n_axes, bool keepdim) {
    agx_reduce_attrs a = {.keepdim = keepdim};
    return agx_reduce_record(&agx_op_amin, x, axes, n_axes, &a, &a);
}
ag_value ag_argmax(ag_value x, int axis, bool keepdim) {
    return agx_apply1(&agx_op_argmax, x, &(const agx_argmax_attrs){axis, keepdim});
}
ag_value ag_argmin(ag_value x, int axis, bool keepdim) {
    return agx_apply1(&agx_op_argmin, x, &(const agx_argmax_attrs){axis, keepdim});
}
ag_value ag_max_dim(ag_value x, int axis, bool keepdim) {
    return agx_apply1(&agx_op_max_dim, x, &(const agx_argmax_attrs){axis, keepdim});
}
ag_value ag_min_dim(ag_value x, int axis, bool keepdim) {
    return agx_apply1(&agx_op_min_dim, x, &(const agx_argmax_attrs){axis, keepdim});
}
