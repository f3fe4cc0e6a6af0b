/* join: several arrays into one - stack along a new axis, cat along an existing one. */
#include "ops_impl.h"

#include <inttypes.h>

static const ag_field axis_fields[] = {{"axis", AG_FIELD_INT, offsetof(agx_axis_attrs, axis), 0}};

static ag_status refuse_list(const ag_query *q, uint32_t i) {
    char first[AG_META_TEXT], other[AG_META_TEXT];
    return ag_fail(q->error, AG_ERROR_SHAPE, "operand %u is %s, operand 0 %s", (unsigned)i,
                   ag_meta_text(q->in[i], other, sizeof other), ag_meta_text(q->in[0], first, sizeof first));
}

static ag_value record(const ag_op *op, const ag_value *x, int n, int axis) {
    if (!x || n < 1)
        return ag_tape_fail(x ? x[0].tape : NULL, AG_ERROR_VALUE, "%s: needs at least one operand, got %d",
                            op->name, n);
    return ag_apply(NULL, op, x, (uint32_t)n, &(const agx_axis_attrs){axis});
}

/* ---- stack ----------------------------------------------------------------------------------------------------- */

static ag_status stack_infer(const ag_query *q, ag_meta *out) {
    const agx_axis_attrs *a = q->attrs;
    const ag_meta *x = q->in[0];
    int axis = 0;
    if (x->rank == AG_MAX_RANK)
        return ag_fail(q->error, AG_ERROR_SHAPE, "the operands have rank %d already", AG_MAX_RANK);
    ag_status status = ag_axis(a->axis, x->rank + 1, &axis, q->error);
    if (status != AG_OK) return status;
    for (uint32_t i = 1; i < q->n_in; i++)
        if (!ag_meta_same_shape(q->in[i], x)) return refuse_list(q, i);
    out->dtype = ag_promote(q->in, q->n_in);
    out->rank = x->rank + 1;
    for (int k = 0; k < out->rank; k++) out->dim[k] = k == axis ? (int64_t)q->n_in : x->dim[k - (k > axis)];
    return agx_check_size(q, out);
}

static ag_status stack_forward(const ag_eval *e) {
    const agx_axis_attrs *a = e->attrs;
    const ag_meta *z = e->out[0].meta;
    const ag_dtype dtype = z->dtype;
    if (z->rank == 1 && ag_dtype_is_float(dtype)) { /* scalars: a loop over them is all it takes */
        for (uint32_t i = 0; i < e->n_in; i++)
            agx_store(e->out[0].data, dtype, i, agx_load(e->in[i].data, e->in[i].meta->dtype, 0));
        return AG_OK;
    }
    const int axis = (int)(a->axis < 0 ? a->axis + z->rank : a->axis);
    ag_meta part; /* one operand's place in the result */
    agx_drop_axis(z, axis, &part);
    for (uint32_t i = 0; i < e->n_in; i++) {
        const ag_array at = {&part, agx_at(e->out[0].data, dtype, i * z->stride[axis])};
        ag_status status = agx_copy(&e->in[i], &at, e->work);
        if (status != AG_OK) return status;
    }
    return AG_OK;
}

static ag_status stack_vjp(ag_reverse *r) {
    const agx_axis_attrs *a = ag_rule_attrs(r);
    const ag_value dy = ag_dy(r, 0);
    for (uint32_t i = 0; i < ag_in_count(r); i++)
        if (ag_wants(r, i)) ag_give(r, i, agx_apply1(&agx_op_select, dy, &(const agx_select_attrs){a->axis, i}));
    return AG_OK;
}

static const ag_probe_case stack_cases[] = {
    {&(const agx_axis_attrs){0}, 1, {{AG_F64, 0, {0}, 0, 0}}},
    {&(const agx_axis_attrs){-1}, 3, {{AG_F64, 0, {0}, 0, 0}, {AG_F64, 0, {0}, 0, 0}, {AG_F64, 0, {0}, 0, 0}}},
    {&(const agx_axis_attrs){1}, 2, {{AG_F64, 2, {2, 3}, 0, 0}, {AG_F64, 2, {2, 3}, 0, 0}}},
    {&(const agx_axis_attrs){-1}, 2, {{AG_F64, 3, {2, 1, 2}, 0, 0}, {AG_F64, 3, {2, 1, 2}, 0, 0}}},
    {&(const agx_axis_attrs){0}, 2, {{AG_F64, 1, {0}, 0, 0}, {AG_F64, 1, {0}, 0, 0}}},
};
static const ag_probe stack_probe = {.lo = {-2, -2, -2}, .hi = {2, 2, 2}, .n_cases = 5, .cases = stack_cases};

const ag_op agx_op_stack = {
    .name = "stack",
    .formula = "x_0, x_1, ... along a new axis",
    .min_in = 1,
    .max_in = AG_VARIADIC,
    .outputs = 1,
    .traits = AG_TRAIT_LINEAR | AG_TRAIT_STRIDED,
    .attr_size = sizeof(agx_axis_attrs),
    .fields = axis_fields,
    .n_fields = 1,
    .infer = stack_infer,
    .forward = stack_forward,
    .vjp = stack_vjp,
    .cost = agx_cost_none,
    .probe = &stack_probe,
};
ag_value ag_stack(const ag_value *x, int n, int axis) { return record(&agx_op_stack, x, n, axis); }

/* ---- cat ---------------------------------------------------------------------------------------------------------- */

static ag_status cat_infer(const ag_query *q, ag_meta *out) {
    const agx_axis_attrs *a = q->attrs;
    const ag_meta *x = q->in[0];
    int axis = 0;
    ag_status status = ag_axis(a->axis, x->rank, &axis, q->error);
    if (status != AG_OK) return status;
    agx_copy_shape(x, out);
    for (uint32_t i = 1; i < q->n_in; i++) {
        const ag_meta *y = q->in[i];
        bool fits = y->rank == x->rank;
        for (int k = 0; fits && k < x->rank; k++) fits = k == axis || y->dim[k] == x->dim[k];
        if (!fits) return refuse_list(q, i);
        if (y->dim[axis] > INT64_MAX - out->dim[axis])
            return ag_fail(q->error, AG_ERROR_SHAPE, "the result has too many elements");
        out->dim[axis] += y->dim[axis];
    }
    out->dtype = ag_promote(q->in, q->n_in);
    return agx_check_size(q, out);
}

static ag_status cat_forward(const ag_eval *e) {
    const agx_axis_attrs *a = e->attrs;
    ag_meta part = *e->out[0].meta; /* one operand's place in the result */
    const int axis = (int)(a->axis < 0 ? a->axis + part.rank : a->axis);
    int64_t start = 0;
    for (uint32_t i = 0; i < e->n_in; i++) {
        const ag_array at = {&part, agx_at(e->out[0].data, part.dtype, start * part.stride[axis])};
        part.dim[axis] = e->in[i].meta->dim[axis];
        ag_status status = agx_copy(&e->in[i], &at, e->work);
        if (status != AG_OK) return status;
        start += part.dim[axis];
    }
    return AG_OK;
}

static ag_status cat_vjp(ag_reverse *r) {
    const agx_axis_attrs *a = ag_rule_attrs(r);
    const int axis = (int)(a->axis < 0 ? a->axis + ag_out_meta(r, 0)->rank : a->axis);
    const ag_value dy = ag_dy(r, 0);
    int64_t start = 0;
    for (uint32_t i = 0; i < ag_in_count(r); i++) {
        const int64_t stop = start + ag_in_meta(r, i)->dim[axis];
        if (ag_wants(r, i)) ag_give(r, i, ag_slice(dy, axis, start, stop, 1));
        start = stop;
    }
    return AG_OK;
}

static const ag_probe_case cat_cases[] = {
    {&(const agx_axis_attrs){0}, 1, {{AG_F64, 1, {3}, 0, 0}}},
    {&(const agx_axis_attrs){0}, 3, {{AG_F64, 1, {2}, 0, 0}, {AG_F64, 1, {0}, 0, 0}, {AG_F64, 1, {3}, 0, 0}}},
    {&(const agx_axis_attrs){-1}, 2, {{AG_F64, 2, {2, 1}, 0, 0}, {AG_F64, 2, {2, 3}, 0, 0}}},
    {&(const agx_axis_attrs){1}, 2, {{AG_F64, 4, {2, 1, 1, 2}, 0, 0}, {AG_F64, 4, {2, 2, 1, 2}, 0, 0}}},
};
static const ag_probe cat_probe = {.lo = {-2, -2, -2}, .hi = {2, 2, 2}, .n_cases = 4, .cases = cat_cases};

const ag_op agx_op_cat = {
    .name = "cat",
    .formula = "x_0, x_1, ... along an axis",
    .min_in = 1,
    .max_in = AG_VARIADIC,
    .outputs = 1,
    .traits = AG_TRAIT_LINEAR | AG_TRAIT_STRIDED,
    .attr_size = sizeof(agx_axis_attrs),
    .fields = axis_fields,
    .n_fields = 1,
    .infer = cat_infer,
    .forward = cat_forward,
    .vjp = cat_vjp,
    .cost = agx_cost_none,
    .probe = &cat_probe,
};
ag_value ag_cat(const ag_value *x, int n, int axis) { return record(&agx_op_cat, x, n, axis); }
