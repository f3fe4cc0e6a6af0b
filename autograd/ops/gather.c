/* gather: elements by a position each - fetched (gather) or added (scatter_add). Each is the other's derivative.
 * index_add adds slices, by the same kernel.
 *
 * Sizes follow PyTorch: the index may be smaller than the array it points into, off the axis, and than the array it
 * brings; what it does not reach is left out. Slices fetched by position are in index.c. */
#include "ops_impl.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- what both check --------------------------------------------------------------------------------------------- */

/** Does the index fit x, off the axis? An empty one always does. */
static ag_status check_index(const ag_query *q, int64_t at, int *axis) {
    const ag_meta *x = q->in[0], *index = q->in[1];
    if (index->dtype != AG_I64)
        return ag_fail(q->error, AG_ERROR_DTYPE, "the index must be i64, got %s", ag_dtype_name(index->dtype));
    ag_status status = ag_axis(at, x->rank, axis, q->error);
    if (status != AG_OK) return status;
    if (index->rank != x->rank)
        return ag_fail(q->error, AG_ERROR_SHAPE, "the index has rank %" PRId32 ", the operand rank %" PRId32,
                       index->rank, x->rank);
    for (int k = 0; k < x->rank && ag_meta_count(index) > 0; k++)
        if (k != *axis && index->dim[k] > x->dim[k])
            return ag_fail(q->error, AG_ERROR_SHAPE,
                           "the index has size %" PRId64 " along axis %d, the operand %" PRId64, index->dim[k], k,
                           x->dim[k]);
    return AG_OK;
}

/** Names the position by its coordinates: index[1, 0] = 7. */
static ag_status bad_index(const ag_eval *e, int64_t number, int axis) {
    const ag_meta *index = e->in[1].meta;
    int64_t at[AG_MAX_RANK], offset = 0;
    for (int k = index->rank - 1; k >= 0; k--) {
        at[k] = number % index->dim[k];
        number /= index->dim[k];
        offset += at[k] * index->stride[k];
    }
    char text[AG_MAX_RANK * 22];
    int used = 0;
    for (int k = 0; k < index->rank; k++)
        used += snprintf(text + used, sizeof text - (size_t)used, "%s%" PRId64, k ? ", " : "", at[k]);
    return ag_fail(e->error, AG_ERROR_INDEX, "index[%s] = %" PRId64 " is outside axis %d of size %" PRId64, text,
                   ((const int64_t *)e->in[1].data)[offset], axis, e->in[0].meta->dim[axis]);
}

static int axis_of(const ag_meta *x, const void *attrs) {
    const agx_axis_attrs *a = attrs;
    return (int)(a->axis < 0 ? a->axis + x->rank : a->axis);
}

static const ag_field axis_fields[] = {{"axis", AG_FIELD_INT, offsetof(agx_axis_attrs, axis), 0}};

/* ---- gather -------------------------------------------------------------------------------------------------------- */

static ag_status gather_infer(const ag_query *q, ag_meta *out) {
    const agx_axis_attrs *a = q->attrs;
    int axis = 0;
    ag_status status = check_index(q, a->axis, &axis);
    if (status != AG_OK) return status;
    out->dtype = q->in[0]->dtype;
    agx_copy_shape(q->in[1], out);
    return agx_check_size(q, out);
}

static ag_status gather_forward(const ag_eval *e) {
    const int axis = axis_of(e->in[0].meta, e->attrs);
    int64_t bad = 0;
    if (ag_meta_count(e->out->meta) == 0) return AG_OK;
    ag_status status = agx_gather(&e->in[0], axis, &e->in[1], &e->out[0], &bad);
    return status == AG_ERROR_INDEX ? bad_index(e, bad, axis) : status;
}

static ag_status gather_vjp(ag_reverse *r) {
    const ag_meta *x = ag_in_meta(r, 0);
    if (!ag_wants(r, 0)) return AG_OK;
    const ag_value zeros = ag_full(ag_rule_tape(r), x->dtype, x->rank, x->dim, 0);
    ag_give(r, 0, agx_apply3(&agx_op_scatter_add, zeros, ag_in(r, 1), ag_dy(r, 0), ag_rule_attrs(r)));
    return AG_OK;
}

static const uint8_t gather_grad[] = {AG_GRAD_RULE, AG_GRAD_ZERO};
static const char *const gather_partials[] = {"1 where taken, else 0", "0"};
static const ag_probe_case gather_cases[] = {
    {&(const agx_axis_attrs){0}, 2, {{AG_F64, 1, {4}, -2, 2}, {AG_I64, 1, {6}, 0, 3}}},
    {&(const agx_axis_attrs){-1}, 2, {{AG_F64, 2, {3, 4}, -2, 2}, {AG_I64, 2, {3, 2}, 0, 3}}},
    {&(const agx_axis_attrs){0}, 2, {{AG_F64, 2, {3, 4}, -2, 2}, {AG_I64, 2, {5, 2}, 0, 2}}},
    {&(const agx_axis_attrs){1}, 2, {{AG_F64, 4, {2, 3, 1, 2}, -2, 2}, {AG_I64, 4, {1, 4, 1, 2}, 0, 2}}},
    {&(const agx_axis_attrs){0}, 2, {{AG_F64, 2, {3, 2}, -2, 2}, {AG_I64, 2, {0, 2}, 0, 2}}},
};
static const ag_probe gather_probe = {.lo = {-2}, .hi = {2}, .n_cases = 5, .cases = gather_cases};

const ag_op agx_op_gather = {
    .name = "gather",
    .formula = "x[index], element by element",
    .partials = gather_partials,
    .min_in = 2,
    .max_in = 2,
    .outputs = 1,
    .grad = gather_grad,
    .n_grad = 2,
    .traits = AG_TRAIT_LINEAR | AG_TRAIT_STRIDED,
    .keeps = AG_IN(1),
    .attr_size = sizeof(agx_axis_attrs),
    .fields = axis_fields,
    .n_fields = 1,
    .infer = gather_infer,
    .forward = gather_forward,
    .vjp = gather_vjp,
    .cost = agx_cost_none,
    .probe = &gather_probe,
};

ag_value ag_gather(ag_value x, int axis, ag_value index) {
    return agx_apply2(&agx_op_gather, x, index, &(const agx_axis_attrs){axis});
}

/* ---- scatter_add ----------------------------------------------------------------------------------------------------- */

static ag_status scatter_add_infer(const ag_query *q, ag_meta *out) {
    const agx_axis_attrs *a = q->attrs;
    const ag_meta *x = q->in[0], *index = q->in[1], *src = q->in[2];
    int axis = 0;
    ag_status status = check_index(q, a->axis, &axis);
    if (status != AG_OK) return status;
    if (src->rank != index->rank)
        return ag_fail(q->error, AG_ERROR_SHAPE, "the index has rank %" PRId32 ", the source rank %" PRId32,
                       index->rank, src->rank);
    for (int k = 0; k < index->rank && ag_meta_count(index) > 0; k++)
        if (index->dim[k] > src->dim[k])
            return ag_fail(q->error, AG_ERROR_SHAPE,
                           "the index has size %" PRId64 " along axis %d, the source %" PRId64, index->dim[k], k,
                           src->dim[k]);
    const ag_meta *const both[2] = {x, src};
    out->dtype = ag_promote(both, 2);
    if (out->dtype == AG_BOOL) return ag_fail(q->error, AG_ERROR_DTYPE, "cannot add bools");
    agx_copy_shape(x, out);
    return agx_check_size(q, out);
}

static ag_status scatter_add_forward(const ag_eval *e) {
    const int axis = axis_of(e->in[0].meta, e->attrs);
    agx_local src;
    int64_t bad = 0;
    ag_status status = agx_copy(&e->in[0], &e->out[0], e->work);
    if (status != AG_OK || ag_meta_count(e->in[1].meta) == 0) return status;
    status = agx_as_dtype(e, &e->in[2], e->out[0].meta->dtype, &src);
    if (status != AG_OK) return status;
    status = agx_scatter_add(&src.array, axis, &e->in[1], &e->out[0], &bad);
    return status == AG_ERROR_INDEX ? bad_index(e, bad, axis) : status;
}

/** The source's adjoint has the index's shape; around it, where the source is larger, zeros. */
static ag_status scatter_add_vjp(ag_reverse *r) {
    const ag_meta *index = ag_in_meta(r, 1), *src = ag_in_meta(r, 2);
    if (ag_wants(r, 0)) ag_give(r, 0, ag_dy(r, 0));
    if (!ag_wants(r, 2) || ag_meta_count(index) == 0) return AG_OK;
    ag_value dsrc = agx_apply2(&agx_op_gather, ag_dy(r, 0), ag_in(r, 1), ag_rule_attrs(r));
    for (int k = 0; k < src->rank; k++)
        if (index->dim[k] < src->dim[k])
            dsrc = agx_apply1(&agx_op_slice_grad, dsrc, &(const agx_slice_grad_attrs){k, 0, 1, src->dim[k]});
    ag_give(r, 2, dsrc);
    return AG_OK;
}

static const uint8_t scatter_add_grad[] = {AG_GRAD_RULE, AG_GRAD_ZERO, AG_GRAD_RULE};
static const char *const scatter_add_partials[] = {"1", "0", "1 where added, else 0"};
static double scatter_add_cost(const ag_query *q) { return (double)ag_meta_count(q->in[1]); }

static const ag_probe_case scatter_add_cases[] = {
    {&(const agx_axis_attrs){0}, 3, {{AG_F64, 1, {4}, -2, 2}, {AG_I64, 1, {6}, 0, 3}, {AG_F64, 1, {6}, -2, 2}}},
    {&(const agx_axis_attrs){-1},
     3,
     {{AG_F64, 2, {3, 4}, -2, 2}, {AG_I64, 2, {2, 3}, 0, 3}, {AG_F64, 2, {4, 3}, -2, 2}}},
    {&(const agx_axis_attrs){0},
     3,
     {{AG_F64, 2, {3, 4}, -2, 2}, {AG_I64, 2, {5, 2}, 0, 2}, {AG_F64, 2, {6, 4}, -2, 2}}},
    {&(const agx_axis_attrs){1},
     3,
     {{AG_F64, 4, {2, 3, 1, 2}, -2, 2}, {AG_I64, 4, {1, 4, 1, 2}, 0, 2}, {AG_F64, 4, {1, 4, 1, 2}, -2, 2}}},
    {&(const agx_axis_attrs){0},
     3,
     {{AG_F64, 2, {3, 2}, -2, 2}, {AG_I64, 2, {0, 2}, 0, 2}, {AG_F64, 2, {0, 2}, -2, 2}}},
};
static const ag_probe scatter_add_probe = {
    .lo = {-2, 0, -2}, .hi = {2, 0, 2}, .n_cases = 5, .cases = scatter_add_cases};

const ag_op agx_op_scatter_add = {
    .name = "scatter_add",
    .formula = "x, with src added at index",
    .partials = scatter_add_partials,
    .min_in = 3,
    .max_in = 3,
    .outputs = 1,
    .grad = scatter_add_grad,
    .n_grad = 3,
    .traits = AG_TRAIT_LINEAR | AG_TRAIT_STRIDED,
    .keeps = AG_IN(1),
    .attr_size = sizeof(agx_axis_attrs),
    .fields = axis_fields,
    .n_fields = 1,
    .infer = scatter_add_infer,
    .forward = scatter_add_forward,
    .vjp = scatter_add_vjp,
    .cost = scatter_add_cost,
    .probe = &scatter_add_probe,
};

ag_value ag_scatter_add(ag_value x, int axis, ag_value index, ag_value src) {
    return agx_apply3(&agx_op_scatter_add, x, index, src, &(const agx_axis_attrs){axis});
}

/* ---- index_add: slices added, by an index that repeats off the axis ---------------------------------------------------- */

static ag_status index_add_infer(const ag_query *q, ag_meta *out) {
    const agx_axis_attrs *a = q->attrs;
    const ag_meta *x = q->in[0], *index = q->in[1], *source = q->in[2];
    int axis = 0;
    if (index->dtype != AG_I64)
        return ag_fail(q->error, AG_ERROR_DTYPE, "the index must be i64, got %s", ag_dtype_name(index->dtype));
    if (index->rank != 1)
        return ag_fail(q->error, AG_ERROR_SHAPE, "the index must have rank 1, got %" PRId32, index->rank);
    ag_status status = ag_axis(a->axis, x->rank, &axis, q->error);
    if (status != AG_OK) return status;
    bool fits = source->rank == x->rank;
    for (int k = 0; fits && k < x->rank; k++) fits = k == axis || source->dim[k] == x->dim[k];
    if (!fits)
        return ag_fail(q->error, AG_ERROR_SHAPE, "the source must have the operand's shape off axis %d", axis);
    if (index->dim[0] != source->dim[axis])
        return ag_fail(q->error, AG_ERROR_SHAPE, "%" PRId64 " positions for the %" PRId64 " slices of axis %d",
                       index->dim[0], source->dim[axis], axis);
    const ag_meta *const both[2] = {x, source};
    out->dtype = ag_promote(both, 2);
    if (out->dtype == AG_BOOL) return ag_fail(q->error, AG_ERROR_DTYPE, "cannot add bools");
    agx_copy_shape(x, out);
    return agx_check_size(q, out);
}

static ag_status index_add_forward(const ag_eval *e) {
    const int axis = axis_of(e->in[0].meta, e->attrs);
    const ag_meta *index = e->in[1].meta;
    ag_meta each = *e->in[2].meta; /* the index, a position for every element of the source */
    agx_local source;
    int64_t bad = 0;
    ag_status status = agx_copy(&e->in[0], &e->out[0], e->work);
    if (status == AG_OK) status = agx_as_dtype(e, &e->in[2], e->out[0].meta->dtype, &source);
    if (status != AG_OK) return status;
    each.dtype = AG_I64;
    for (int k = 0; k < each.rank; k++) each.stride[k] = k == axis ? index->stride[0] : 0;
    const ag_array positions = {&each, e->in[1].data};
    status = agx_scatter_add(&source.array, axis, &positions, &e->out[0], &bad);
    if (status != AG_ERROR_INDEX) return status;
    for (int k = axis + 1; k < each.rank; k++) bad /= each.dim[k];
    return bad_index(e, bad % each.dim[axis], axis);
}

static ag_status index_add_vjp(ag_reverse *r) {
    if (ag_wants(r, 0)) ag_give(r, 0, ag_dy(r, 0));
    if (ag_wants(r, 2))
        ag_give(r, 2, agx_apply2(&agx_op_index_select, ag_dy(r, 0), ag_in(r, 1), ag_rule_attrs(r)));
    return AG_OK;
}

static double index_add_cost(const ag_query *q) { return (double)ag_meta_count(q->in[2]); }

static const ag_probe_case index_add_cases[] = {
    {&(const agx_axis_attrs){0}, 3, {{AG_F64, 1, {4}, -2, 2}, {AG_I64, 1, {6}, 0, 3}, {AG_F64, 1, {6}, -2, 2}}},
    {&(const agx_axis_attrs){-1},
     3,
     {{AG_F64, 2, {2, 3}, -2, 2}, {AG_I64, 1, {2}, 0, 2}, {AG_F64, 2, {2, 2}, -2, 2}}},
    {&(const agx_axis_attrs){1},
     3,
     {{AG_F64, 4, {2, 3, 1, 2}, -2, 2}, {AG_I64, 1, {4}, 0, 2}, {AG_F64, 4, {2, 4, 1, 2}, -2, 2}}},
    {&(const agx_axis_attrs){0},
     3,
     {{AG_F64, 2, {3, 2}, -2, 2}, {AG_I64, 1, {0}, 0, 2}, {AG_F64, 2, {0, 2}, -2, 2}}},
};
static const ag_probe index_add_probe = {
    .lo = {-2, 0, -2}, .hi = {2, 0, 2}, .n_cases = 4, .cases = index_add_cases};

const ag_op agx_op_index_add = {
    .name = "index_add",
    .formula = "x, with slices added at index",
    .partials = scatter_add_partials,
    .min_in = 3,
    .max_in = 3,
    .outputs = 1,
    .grad = scatter_add_grad,
    .n_grad = 3,
    .traits = AG_TRAIT_LINEAR | AG_TRAIT_STRIDED,
    .keeps = AG_IN(1),
    .attr_size = sizeof(agx_axis_attrs),
    .fields = axis_fields,
    .n_fields = 1,
    .infer = index_add_infer,
    .forward = index_add_forward,
    .vjp = index_add_vjp,
    .cost = index_add_cost,
    .probe = &index_add_probe,
};

ag_value ag_index_add(ag_value x, int axis, ag_value index, ag_value source) {
    return agx_apply3(&agx_op_index_add, x, index, source, &(const agx_axis_attrs){axis});
}
