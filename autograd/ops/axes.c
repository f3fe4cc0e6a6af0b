/* axes: axes of size 1 that come and go, and neighbours that become one - unsqueeze, squeeze, flatten. */
#include "ops_impl.h"

#include <inttypes.h>

static const char *const identity_partials[] = {"1"};

/* ---- unsqueeze and squeeze ------------------------------------------------------------------------------------------------------ */

static ag_status unsqueeze_infer(const ag_query *q, ag_meta *out) {
    const agx_axis_attrs *a = q->attrs;
    const ag_meta *x = q->in[0];
    int axis = 0;
    if (x->rank == AG_MAX_RANK)
        return ag_fail(q->error, AG_ERROR_SHAPE, "the operand has rank %d already", AG_MAX_RANK);
    ag_status status = ag_axis(a->axis, x->rank + 1, &axis, q->error);
    if (status != AG_OK) return status;
    out->dtype = x->dtype;
    out->rank = x->rank + 1;
    out->offset = 0;
    for (int k = 0; k < out->rank; k++) {
        const int from = k - (k > axis);
        out->dim[k] = k == axis ? 1 : x->dim[from];
        out->stride[k] = k == axis ? 1 : x->stride[from];
    }
    return AG_OK;
}

static ag_status unsqueeze_vjp(ag_reverse *r) {
    if (ag_wants(r, 0)) ag_give(r, 0, agx_apply1(&agx_op_squeeze, ag_dy(r, 0), ag_rule_attrs(r)));
    return AG_OK;
}

static const ag_field axis_fields[] = {{"axis", AG_FIELD_INT, offsetof(agx_axis_attrs, axis), 0}};
static const ag_probe_case unsqueeze_cases[] = {
    {&(const agx_axis_attrs){0}, 1, {{AG_F64, 0, {0}, 0, 0}}},
    {&(const agx_axis_attrs){-1}, 1, {{AG_F64, 1, {3}, 0, 0}}},
    {&(const agx_axis_attrs){1}, 1, {{AG_F64, 2, {2, 3}, 0, 0}}},
    {&(const agx_axis_attrs){-2}, 1, {{AG_F64, 3, {2, 0, 3}, 0, 0}}},
};
static const ag_probe unsqueeze_probe = {.lo = {-2}, .hi = {2}, .n_cases = 4, .cases = unsqueeze_cases};

const ag_op agx_op_unsqueeze = {
    .name = "unsqueeze",
    .formula = "x, with an axis of size 1 more",
    .partials = identity_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .traits = AG_TRAIT_LINEAR | AG_TRAIT_VIEW,
    .attr_size = sizeof(agx_axis_attrs),
    .fields = axis_fields,
    .n_fields = 1,
    .infer = unsqueeze_infer,
    .vjp = unsqueeze_vjp,
    .probe = &unsqueeze_probe,
};
ag_value ag_unsqueeze(ag_value x, int axis) {
    return agx_apply1(&agx_op_unsqueeze, x, &(const agx_axis_attrs){axis});
}

static ag_status squeeze_infer(const ag_query *q, ag_meta *out) {
    const agx_axis_attrs *a = q->attrs;
    const ag_meta *x = q->in[0];
    int axis = 0;
    if (a->axis == AG_ALL_AXES) {
        *out = *x;
        out->offset = 0;
        out->rank = 0;
        for (int k = 0; k < x->rank; k++) {
            if (x->dim[k] == 1) continue;
            out->dim[out->rank] = x->dim[k];
            out->stride[out->rank++] = x->stride[k];
        }
        return AG_OK;
    }
    ag_status status = agx_lane_axis(a->axis, x->rank, &axis, q->error);
    if (status != AG_OK) return status;
    if (x->rank == 0) {
        *out = *x;
        out->offset = 0;
        return AG_OK;
    }
    if (x->dim[axis] != 1)
        return ag_fail(q->error, AG_ERROR_SHAPE, "axis %d has size %" PRId64 ", not 1", axis, x->dim[axis]);
    agx_drop_axis(x, axis, out);
    return AG_OK;
}

static ag_status squeeze_vjp(ag_reverse *r) {
    const ag_meta *x = ag_in_meta(r, 0);
    if (ag_wants(r, 0)) ag_give(r, 0, ag_reshape(ag_dy(r, 0), x->rank, x->dim));
    return AG_OK;
}

static const ag_field squeeze_fields[] = {{"axis", AG_FIELD_INT, offsetof(agx_axis_attrs, axis), AG_ALL_AXES}};
static const ag_probe_case squeeze_cases[] = {
    {&(const agx_axis_attrs){0}, 1, {{AG_F64, 1, {1}, 0, 0}}},
    {&(const agx_axis_attrs){-1}, 1, {{AG_F64, 2, {3, 1}, 0, 0}}},
    {&(const agx_axis_attrs){1}, 1, {{AG_F64, 4, {2, 1, 3, 1}, 0, 0}}},
    {&(const agx_axis_attrs){0}, 1, {{AG_F64, 2, {1, 0}, 0, 0}}},
    {&(const agx_axis_attrs){-1}, 1, {{AG_F64, 0, {0}, 0, 0}}},
    {&(const agx_axis_attrs){AG_ALL_AXES}, 1, {{AG_F64, 4, {2, 1, 3, 1}, 0, 0}}},
    {&(const agx_axis_attrs){AG_ALL_AXES}, 1, {{AG_F64, 2, {1, 1}, 0, 0}}},
};
static const ag_probe squeeze_probe = {.lo = {-2}, .hi = {2}, .n_cases = 7, .cases = squeeze_cases};

const ag_op agx_op_squeeze = {
    .name = "squeeze",
    .formula = "x, with axes of size 1 less",
    .partials = identity_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .traits = AG_TRAIT_LINEAR | AG_TRAIT_VIEW,
    .attr_size = sizeof(agx_axis_attrs),
    .fields = squeeze_fields,
    .n_fields = 1,
    .infer = squeeze_infer,
    .vjp = squeeze_vjp,
    .probe = &squeeze_probe,
};
ag_value ag_squeeze(ag_value x, int axis) { return agx_apply1(&agx_op_squeeze, x, &(const agx_axis_attrs){axis}); }

/* ---- flatten: decomposes ------------------------------------------------------------------------------------------ */

typedef struct flatten_attrs {
    int64_t start_axis, end_axis;
} flatten_attrs;

static ag_status flatten_compose(ag_build *b) {
    const flatten_attrs *a = ag_build_attrs(b);
    const ag_value x = ag_build_in(b, 0);
    const ag_meta *meta = ag_meta_of(x);
    const int rank = meta->rank > 0 ? meta->rank : 1; /* a scalar becomes a vector of one */
    ag_error error = {0};
    int from = 0, to = 0, n = 0;
    ag_status status = ag_axis(a->start_axis, rank, &from, &error);
    if (status == AG_OK) status = ag_axis(a->end_axis, rank, &to, &error);
    if (status != AG_OK) return ag_build_fail(b, status, "%s", error.message);
    if (from > to) return ag_build_fail(b, AG_ERROR_AXIS, "axis %d to flatten from lies after axis %d", from, to);
    int64_t dim[AG_MAX_RANK], size = 1;
    for (int k = 0; k < from; k++) dim[n++] = meta->dim[k];
    for (int k = from; k <= to && k < meta->rank; k++)
        if (!ag_int_mul(size, meta->dim[k], &size))
            return ag_build_fail(b, AG_ERROR_SHAPE, "the result has too many elements");
    dim[n++] = size;
    for (int k = to + 1; k < meta->rank; k++) dim[n++] = meta->dim[k];
    ag_build_result(b, ag_reshape(x, n, dim));
    return AG_OK;
}

static const ag_field flatten_fields[] = {
    {"start_axis", AG_FIELD_INT, offsetof(flatten_attrs, start_axis), 0},
    {"end_axis", AG_FIELD_INT, offsetof(flatten_attrs, end_axis), -1},
};
static const ag_probe_case flatten_cases[] = {
    {&(const flatten_attrs){0, -1}, 1, {{AG_F64, 0, {0}, 0, 0}}},
    {&(const flatten_attrs){0, -1}, 1, {{AG_F64, 3, {2, 3, 2}, 0, 0}}},
    {&(const flatten_attrs){1, 2}, 1, {{AG_F64, 4, {2, 3, 1, 2}, 0, 0}}},
    {&(const flatten_attrs){-2, -2}, 1, {{AG_F64, 2, {2, 3}, 0, 0}}},
    {&(const flatten_attrs){0, 1}, 1, {{AG_F64, 3, {2, 0, 3}, 0, 0}}},
};
static const ag_probe flatten_probe = {.lo = {-2}, .hi = {2}, .n_cases = 5, .cases = flatten_cases};

const ag_op agx_op_flatten = {
    .name = "flatten",
    .formula = "x, neighbouring axes as one",
    .partials = identity_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .attr_size = sizeof(flatten_attrs),
    .fields = flatten_fields,
    .n_fields = 2,
    .compose = flatten_compose,
    .probe = &flatten_probe,
};
ag_value ag_flatten(ag_value x, int start_axis, int end_axis) {
    return agx_apply1(&agx_op_flatten, x, &(const flatten_attrs){start_axis, end_axis});
}
