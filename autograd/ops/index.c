/* index: parts of an array by position - slice and select by numbers, index_select and index_scatter by an array of
 * them.
 *
 * slice and select are views. Each gather has its scatter as derivative and the other way round: slice_grad writes
 * an adjoint into zeros where the slice lay, index_scatter adds rows at their positions. */
#include "ops_impl.h"

#include <inttypes.h>

/* ---- slice --------------------------------------------------------------------------------------------------- */

/** A slice as it is taken: Python's rules. Ends may count from the end of the axis and are clamped to it. */
typedef struct range {
    int axis;
    int64_t start, count;
} range;

static int64_t clamp_position(int64_t at, int64_t size) {
    if (at < 0) at += size;
    return at < 0 ? 0 : at > size ? size : at;
}

static ag_status find_range(const agx_slice_attrs *a, const ag_meta *x, range *out, ag_error *error) {
    ag_status status = ag_axis(a->axis, x->rank, &out->axis, error);
    if (status != AG_OK) return status;
    if (a->step < 1) return ag_fail(error, AG_ERROR_VALUE, "step must be at least 1, got %" PRId64, a->step);
    const int64_t size = x->dim[out->axis], stop = clamp_position(a->stop, size);
    out->start = clamp_position(a->start, size);
    out->count = stop > out->start ? (stop - out->start - 1) / a->step + 1 : 0;
    return AG_OK;
}

static ag_status slice_infer(const ag_query *q, ag_meta *out) {
    const agx_slice_attrs *a = q->attrs;
    range part = {0};
    ag_status status = find_range(a, q->in[0], &part, q->error);
    if (status != AG_OK) return status;
    *out = *q->in[0];
    out->dim[part.axis] = part.count;
    out->offset = part.count > 0 ? part.start * out->stride[part.axis] : 0;
    if (part.count > 1) out->stride[part.axis] *= a->step; /* else a huge step might overflow */
    return AG_OK;
}

static ag_status slice_vjp(ag_reverse *r) {
    const agx_slice_attrs *a = ag_rule_attrs(r);
    const ag_meta *x = ag_in_meta(r, 0);
    range part = {0};
    ag_status status = find_range(a, x, &part, NULL);
    if (status != AG_OK || !ag_wants(r, 0)) return status;
    const agx_slice_grad_attrs back = {part.axis, part.start, a->step, x->dim[part.axis]};
    ag_give(r, 0, agx_apply1(&agx_op_slice_grad, ag_dy(r, 0), &back));
    return AG_OK;
}

static const char *const part_partials[] = {"1 where taken, else 0", "0"};
static const ag_field slice_fields[] = {
    {"axis", AG_FIELD_INT, offsetof(agx_slice_attrs, axis), 0},
    {"start", AG_FIELD_INT, offsetof(agx_slice_attrs, start), 0},
    {"stop", AG_FIELD_INT, offsetof(agx_slice_attrs, stop), 0x1p62}, /* the end */
    {"step", AG_FIELD_INT, offsetof(agx_slice_attrs, step), 1},
};
static const ag_probe_case slice_cases[] = {
    {&(const agx_slice_attrs){0, 1, 3, 1}, 1, {{AG_F64, 1, {5}, 0, 0}}},
    {&(const agx_slice_attrs){-1, -4, INT64_MAX, 2}, 1, {{AG_F64, 2, {2, 5}, 0, 0}}},
    {&(const agx_slice_attrs){1, 0, 3, 2}, 1, {{AG_F64, 4, {2, 3, 1, 2}, 0, 0}}},
    {&(const agx_slice_attrs){0, 2, 2, 1}, 1, {{AG_F64, 2, {3, 2}, 0, 0}}},
    {&(const agx_slice_attrs){1, 0, 9, 1}, 1, {{AG_F64, 2, {3, 0}, 0, 0}}},
};
static const ag_probe slice_probe = {.lo = {-2}, .hi = {2}, .n_cases = 5, .cases = slice_cases};

const ag_op agx_op_slice = {
    .name = "slice",
    .formula = "x[start : stop : step]",
    .partials = part_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .traits = AG_TRAIT_LINEAR | AG_TRAIT_VIEW,
    .attr_size = sizeof(agx_slice_attrs),
    .fields = slice_fields,
    .n_fields = 4,
    .infer = slice_infer,
    .vjp = slice_vjp,
    .probe = &slice_probe,
};

ag_value ag_slice(ag_value x, int axis, int64_t start, int64_t stop, int64_t step) {
    return agx_apply1(&agx_op_slice, x, &(const agx_slice_attrs){axis, start, stop, step});
}

/* ---- select ----------------------------------------------------------------------------------------------------- */

static ag_status find_position(const agx_select_attrs *a, const ag_meta *x, int *axis, int64_t *at,
                               ag_error *error) {
    ag_status status = ag_axis(a->axis, x->rank, axis, error);
    if (status != AG_OK) return status;
    const int64_t size = x->dim[*axis];
    *at = a->index < 0 ? a->index + size : a->index;
    if (*at < 0 || *at >= size)
        return ag_fail(error, AG_ERROR_INDEX, "index %" PRId64 " is outside axis %d of size %" PRId64, a->index,
                       *axis, size);
    return AG_OK;
}

static ag_status select_infer(const ag_query *q, ag_meta *out) {
    const ag_meta *x = q->in[0];
    int axis = 0;
    int64_t at = 0;
    ag_status status = find_position(q->attrs, x, &axis, &at, q->error);
    if (status != AG_OK) return status;
    agx_drop_axis(x, axis, out);
    out->offset = at * x->stride[axis];
    return AG_OK;
}

static ag_status select_vjp(ag_reverse *r) {
    const ag_meta *x = ag_in_meta(r, 0);
    int axis = 0;
    int64_t at = 0;
    ag_status status = find_position(ag_rule_attrs(r), x, &axis, &at, NULL);
    if (status != AG_OK || !ag_wants(r, 0)) return status;
    const agx_slice_grad_attrs back = {axis, at, 1, x->dim[axis]};
    ag_give(r, 0, agx_apply1(&agx_op_slice_grad, ag_unsqueeze(ag_dy(r, 0), axis), &back));
    return AG_OK;
}

static const ag_field select_fields[] = {
    {"axis", AG_FIELD_INT, offsetof(agx_select_attrs, axis), 0},
    {"index", AG_FIELD_INT, offsetof(agx_select_attrs, index), 0},
};
static const ag_probe_case select_cases[] = {
    {&(const agx_select_attrs){0, 2}, 1, {{AG_F64, 1, {4}, 0, 0}}},
    {&(const agx_select_attrs){-1, -2}, 1, {{AG_F64, 2, {3, 4}, 0, 0}}},
    {&(const agx_select_attrs){1, 0}, 1, {{AG_F64, 4, {2, 3, 1, 2}, 0, 0}}},
    {&(const agx_select_attrs){0, 1}, 1, {{AG_F64, 2, {2, 0}, 0, 0}}},
};
static const ag_probe select_probe = {.lo = {-2}, .hi = {2}, .n_cases = 4, .cases = select_cases};

const ag_op agx_op_select = {
    .name = "select",
    .formula = "x[index]",
    .partials = part_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .traits = AG_TRAIT_LINEAR | AG_TRAIT_VIEW,
    .attr_size = sizeof(agx_select_attrs),
    .fields = select_fields,
    .n_fields = 2,
    .infer = select_infer,
    .vjp = select_vjp,
    .probe = &select_probe,
};
ag_value ag_select(ag_value x, int axis, int64_t index) {
    return agx_apply1(&agx_op_select, x, &(const agx_select_attrs){axis, index});
}

/* ---- slice_grad: zeros of size `size` along axis, with x at start, start + step, ... ---------------------------------- */

static ag_status slice_grad_infer(const ag_query *q, ag_meta *out) {
    const agx_slice_grad_attrs *a = q->attrs;
    const ag_meta *x = q->in[0];
    int axis = 0;
    ag_status status = ag_axis(a->axis, x->rank, &axis, q->error);
    if (status != AG_OK) return status;
    const int64_t n = x->dim[axis];
    if (a->start < 0 || a->step < 1 || a->size < 0 || (n > 0 && a->start >= a->size) ||
        (n > 1 && n - 1 > (a->size - 1 - a->start) / a->step))
        return ag_fail(q->error, AG_ERROR_INDEX,
                       "%" PRId64 " positions from %" PRId64 " by %" PRId64 " do not lie in size %" PRId64, n,
                       a->start, a->step, a->size);
    out->dtype = x->dtype;
    agx_copy_shape(x, out);
    out->dim[axis] = a->size;
    return agx_check_size(q, out);
}

static ag_status slice_grad_forward(const ag_eval *e) {
    const agx_slice_grad_attrs *a = e->attrs;
    const ag_meta *x = e->in[0].meta;
    ag_meta part = *e->out[0].meta; /* the slice inside the result */
    const int axis = (int)(a->axis < 0 ? a->axis + x->rank : a->axis);
    agx_fill(e->out, 0);
    if (x->dim[axis] == 0) return AG_OK;
    ag_array at = {&part, agx_at(e->out[0].data, part.dtype, a->start * part.stride[axis])};
    part.dim[axis] = x->dim[axis];
    if (x->dim[axis] > 1) part.stride[axis] *= a->step;
    return agx_copy(e->in, &at, e->work);
}

static ag_status slice_grad_vjp(ag_reverse *r) {
    const agx_slice_grad_attrs *a = ag_rule_attrs(r);
    const ag_meta *x = ag_in_meta(r, 0);
    if (!ag_wants(r, 0)) return AG_OK;
    const int64_t n = x->dim[a->axis < 0 ? a->axis + x->rank : a->axis];
    const agx_slice_attrs same = {a->axis, a->start, n > 0 ? a->start + (n - 1) * a->step + 1 : a->start, a->step};
    ag_give(r, 0, agx_apply1(&agx_op_slice, ag_dy(r, 0), &same));
    return AG_OK;
}

static const char *const place_partials[] = {"1", "0"};
static const ag_field slice_grad_fields[] = {
    {"axis", AG_FIELD_INT, offsetof(agx_slice_grad_attrs, axis), 0},
    {"start", AG_FIELD_INT, offsetof(agx_slice_grad_attrs, start), 0},
    {"step", AG_FIELD_INT, offsetof(agx_slice_grad_attrs, step), 1},
    {"size", AG_FIELD_INT, offsetof(agx_slice_grad_attrs, size), 1},
};
static const ag_probe_case slice_grad_cases[] = {
    {&(const agx_slice_grad_attrs){0, 1, 1, 5}, 1, {{AG_F64, 1, {2}, 0, 0}}},
    {&(const agx_slice_grad_attrs){-1, 1, 2, 5}, 1, {{AG_F64, 2, {2, 2}, 0, 0}}},
    {&(const agx_slice_grad_attrs){1, 0, 2, 3}, 1, {{AG_F64, 4, {2, 2, 1, 2}, 0, 0}}},
    {&(const agx_slice_grad_attrs){0, 2, 1, 3}, 1, {{AG_F64, 2, {0, 2}, 0, 0}}},
};
static const ag_probe slice_grad_probe = {.lo = {-2}, .hi = {2}, .n_cases = 4, .cases = slice_grad_cases};

const ag_op agx_op_slice_grad = {
    .name = "slice_grad",
    .formula = "zeros, with x where the slice lay",
    .partials = place_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .traits = AG_TRAIT_LINEAR | AG_TRAIT_STRIDED,
    .attr_size = sizeof(agx_slice_grad_attrs),
    .fields = slice_grad_fields,
    .n_fields = 4,
    .infer = slice_grad_infer,
    .forward = slice_grad_forward,
    .vjp = slice_grad_vjp,
    .cost = agx_cost_none,
    .probe = &slice_grad_probe,
};

/* ---- index_select and index_scatter ---------------------------------------------------------------------------------- */

static ag_status check_index(const ag_query *q, int64_t axis, int *at) {
    const ag_meta *index = q->in[1];
    if (index->dtype != AG_I64)
        return ag_fail(q->error, AG_ERROR_DTYPE, "the index must be i64, got %s", ag_dtype_name(index->dtype));
    if (index->rank != 1)
        return ag_fail(q->error, AG_ERROR_SHAPE, "the index must have rank 1, got %" PRId32, index->rank);
    return ag_axis(axis, q->in[0]->rank, at, q->error);
}

static ag_status bad_index(const ag_eval *e, int64_t position, int axis, int64_t size) {
    const ag_array *index = &e->in[1];
    const int64_t *value = agx_at(index->data, AG_I64, position * index->meta->stride[0]);
    return ag_fail(e->error, AG_ERROR_INDEX,
                   "index[%" PRId64 "] = %" PRId64 " is outside axis %d of size %" PRId64, position, *value, axis,
                   size);
}

static ag_status index_select_infer(const ag_query *q, ag_meta *out) {
    const agx_axis_attrs *a = q->attrs;
    int axis = 0;
    ag_status status = check_index(q, a->axis, &axis);
    if (status != AG_OK) return status;
    out->dtype = q->in[0]->dtype;
    agx_copy_shape(q->in[0], out);
    out->dim[axis] = q->in[1]->dim[0];
    return agx_check_size(q, out);
}

static ag_status index_select_forward(const ag_eval *e) {
    const agx_axis_attrs *a = e->attrs;
    const ag_meta *x = e->in[0].meta;
    const int axis = (int)(a->axis < 0 ? a->axis + x->rank : a->axis);
    int64_t bad = 0;
    ag_status status = agx_index_select(&e->in[0], axis, &e->in[1], &e->out[0], &bad, e->work);
    return status == AG_ERROR_INDEX ? bad_index(e, bad, axis, x->dim[axis]) : status;
}

static ag_status index_select_vjp(ag_reverse *r) {
    const agx_axis_attrs *a = ag_rule_attrs(r);
    const ag_meta *x = ag_in_meta(r, 0);
    if (!ag_wants(r, 0)) return AG_OK;
    const agx_scatter_attrs back = {a->axis, x->dim[a->axis < 0 ? a->axis + x->rank : a->axis]};
    ag_give(r, 0, agx_apply2(&agx_op_index_scatter, ag_dy(r, 0), ag_in(r, 1), &back));
    return AG_OK;
}

static const uint8_t index_grad[] = {AG_GRAD_RULE, AG_GRAD_ZERO};
static const ag_field axis_fields[] = {{"axis", AG_FIELD_INT, offsetof(agx_axis_attrs, axis), 0}};
static const ag_probe_case index_select_cases[] = {
    {&(const agx_axis_attrs){0}, 2, {{AG_F64, 1, {4}, -2, 2}, {AG_I64, 1, {6}, 0, 3}}},
    {&(const agx_axis_attrs){-1}, 2, {{AG_F64, 2, {2, 3}, -2, 2}, {AG_I64, 1, {2}, 0, 2}}},
    {&(const agx_axis_attrs){1}, 2, {{AG_F64, 4, {2, 3, 1, 2}, -2, 2}, {AG_I64, 1, {4}, 0, 2}}},
    {&(const agx_axis_attrs){0}, 2, {{AG_F64, 2, {3, 2}, -2, 2}, {AG_I64, 1, {0}, 0, 2}}},
};
static const ag_probe index_select_probe = {.lo = {-2}, .hi = {2}, .n_cases = 4, .cases = index_select_cases};

const ag_op agx_op_index_select = {
    .name = "index_select",
    .formula = "x[index]",
    .partials = part_partials,
    .min_in = 2,
    .max_in = 2,
    .outputs = 1,
    .grad = index_grad,
    .n_grad = 2,
    .traits = AG_TRAIT_LINEAR | AG_TRAIT_STRIDED,
    .keeps = AG_IN(1),
    .attr_size = sizeof(agx_axis_attrs),
    .fields = axis_fields,
    .n_fields = 1,
    .infer = index_select_infer,
    .forward = index_select_forward,
    .vjp = index_select_vjp,
    .cost = agx_cost_none,
    .probe = &index_select_probe,
};

ag_value ag_index_select(ag_value x, int axis, ag_value index) {
    return agx_apply2(&agx_op_index_select, x, index, &(const agx_axis_attrs){axis});
}

static ag_status index_scatter_infer(const ag_query *q, ag_meta *out) {
    const agx_scatter_attrs *a = q->attrs;
    int axis = 0;
    ag_status status = check_index(q, a->axis, &axis);
    if (status != AG_OK) return status;
    if (q->in[0]->dtype == AG_BOOL) return ag_fail(q->error, AG_ERROR_DTYPE, "cannot add bools");
    if (q->in[1]->dim[0] != q->in[0]->dim[axis])
        return ag_fail(q->error, AG_ERROR_SHAPE, "%" PRId64 " positions for the %" PRId64 " slices of axis %d",
                       q->in[1]->dim[0], q->in[0]->dim[axis], axis);
    if (a->size < 0) return ag_fail(q->error, AG_ERROR_VALUE, "size must not be negative, got %" PRId64, a->size);
    out->dtype = q->in[0]->dtype;
    agx_copy_shape(q->in[0], out);
    out->dim[axis] = a->size;
    return agx_check_size(q, out);
}

static ag_status index_scatter_forward(const ag_eval *e) {
    const agx_scatter_attrs *a = e->attrs;
    const int axis = (int)(a->axis < 0 ? a->axis + e->in[0].meta->rank : a->axis);
    int64_t bad = 0;
    ag_status status = agx_index_add(&e->in[0], axis, &e->in[1], &e->out[0], &bad, e->work);
    return status == AG_ERROR_INDEX ? bad_index(e, bad, axis, a->size) : status;
}

static ag_status index_scatter_vjp(ag_reverse *r) {
    const agx_scatter_attrs *a = ag_rule_attrs(r);
    if (!ag_wants(r, 0)) return AG_OK;
    ag_give(r, 0, agx_apply2(&agx_op_index_select, ag_dy(r, 0), ag_in(r, 1), &(const agx_axis_attrs){a->axis}));
    return AG_OK;
}

static const ag_field scatter_fields[] = {
    {"axis", AG_FIELD_INT, offsetof(agx_scatter_attrs, axis), 0},
    {"size", AG_FIELD_INT, offsetof(agx_scatter_attrs, size), 1},
};
static const ag_probe_case index_scatter_cases[] = {
    {&(const agx_scatter_attrs){0, 4}, 2, {{AG_F64, 1, {6}, -2, 2}, {AG_I64, 1, {6}, 0, 3}}},
    {&(const agx_scatter_attrs){-1, 3}, 2, {{AG_F64, 2, {2, 2}, -2, 2}, {AG_I64, 1, {2}, 0, 2}}},
    {&(const agx_scatter_attrs){1, 3}, 2, {{AG_F64, 4, {2, 4, 1, 2}, -2, 2}, {AG_I64, 1, {4}, 0, 2}}},
    {&(const agx_scatter_attrs){0, 3}, 2, {{AG_F64, 2, {0, 2}, -2, 2}, {AG_I64, 1, {0}, 0, 2}}},
};
static const ag_probe index_scatter_probe = {.lo = {-2}, .hi = {2}, .n_cases = 4, .cases = index_scatter_cases};

const ag_op agx_op_index_scatter = {
    .name = "index_scatter",
    .formula = "zeros, with x[i] added at index[i]",
    .partials = place_partials,
    .min_in = 2,
    .max_in = 2,
    .outputs = 1,
    .grad = index_grad,
    .n_grad = 2,
    .traits = AG_TRAIT_LINEAR | AG_TRAIT_STRIDED,
    .keeps = AG_IN(1),
    .attr_size = sizeof(agx_scatter_attrs),
    .fields = scatter_fields,
    .n_fields = 2,
    .infer = index_scatter_infer,
    .forward = index_scatter_forward,
    .vjp = index_scatter_vjp,
    .cost = agx_cost_elements,
    .probe = &index_scatter_probe,
};

ag_value ag_index_scatter(ag_value x, int axis, ag_value index, int64_t size) {
    return agx_apply2(&agx_op_index_scatter, x, index, &(const agx_scatter_attrs){axis, size});
}
