/* sort: a lane in order, or its k largest or smallest elements, with the indices they came from.
 *
 * The second output is an index as gather takes it, so that the adjoint of the values is scattered back through it. */
#include "reduce_impl.h"

#include <inttypes.h>

typedef struct sort_attrs {
    int64_t axis;
    bool descending;
} sort_attrs;

typedef struct topk_attrs {
    int64_t k, axis;
    bool largest;
} topk_attrs;

/* ---- what the two share --------------------------------------------------------------------------------------------- */

/** Both outputs, shaped like x; *axis: the axis, checked. */
static ag_status ordered(const ag_query *q, int64_t at, int *axis, ag_meta *out) {
    const ag_meta *x = q->in[0];
    if (x->dtype == AG_BOOL) return ag_fail(q->error, AG_ERROR_DTYPE, "needs numbers, got bool");
    ag_status status = agx_lane_axis(at, x->rank, axis, q->error);
    for (int k = 0; k < 2; k++) {
        out[k].dtype = k == 0 ? x->dtype : AG_I64;
        agx_copy_shape(x, &out[k]);
    }
    return status == AG_OK ? agx_check_size(q, &out[1]) : status;
}

static ag_status sort_lanes(const ag_eval *e, int64_t axis, bool descending) {
    const int rank = e->in[0].meta->rank;
    return agx_sort(&e->in[0], (int)(axis < 0 ? axis + (rank > 0 ? rank : 1) : axis), descending, &e->out[0],
                    &e->out[1], e->work);
}

static void scatter_back(ag_reverse *r, int64_t axis) {
    const ag_meta *x = ag_in_meta(r, 0);
    const ag_value dy = ag_dy(r, 0);
    if (!ag_wants(r, 0)) return;
    if (x->rank > 0)
        ag_give(r, 0, agx_scatter_zeros(x, dy, (int)axis, ag_out(r, 1)));
    else if (ag_meta_count(ag_out_meta(r, 0)) > 0)
        ag_give(r, 0, dy);
}

/** n log2(n) comparisons a lane. */
static double sort_cost(const ag_query *q) {
    const double n = (double)ag_meta_count(q->in[0]);
    double steps = 1;
    for (double width = 1; width < n; width *= 2) steps++;
    return n * steps;
}

static const char *const sort_partials[] = {"[j = index_i]"};

/* ---- sort --------------------------------------------------------------------------------------------------------- */

static ag_status sort_infer(const ag_query *q, ag_meta *out) {
    int axis = 0;
    return ordered(q, ((const sort_attrs *)q->attrs)->axis, &axis, out);
}

static ag_status sort_forward(const ag_eval *e) {
    const sort_attrs *a = e->attrs;
    return sort_lanes(e, a->axis, a->descending);
}

static ag_status sort_vjp(ag_reverse *r) {
    scatter_back(r, ((const sort_attrs *)ag_rule_attrs(r))->axis);
    return AG_OK;
}

static const ag_field sort_fields[] = {
    {"axis", AG_FIELD_INT, offsetof(sort_attrs, axis), -1},
    {"descending", AG_FIELD_BOOL, offsetof(sort_attrs, descending), 0},
};
static const ag_probe_case sort_cases[] = {
    {&(const sort_attrs){-1, false}, 1, {{AG_F64, 0, {0}, 0, 0}}},
    {&(const sort_attrs){0, true}, 1, {{AG_F64, 1, {7}, 0, 0}}},
    {&(const sort_attrs){-1, false}, 1, {{AG_F64, 2, {3, 4}, 0, 0}}},
    {&(const sort_attrs){0, true}, 1, {{AG_F64, 3, {3, 2, 2}, 0, 0}}},
    {&(const sort_attrs){1, false}, 1, {{AG_F64, 4, {2, 3, 1, 2}, 0, 0}}},
    {&(const sort_attrs){0, false}, 1, {{AG_F64, 2, {1, 3}, 0, 0}}},
    {&(const sort_attrs){1, false}, 1, {{AG_F64, 2, {3, 0}, 0, 0}}},
};
static const ag_probe sort_probe = {
    .avoid = AG_AVOID_TIES, .lo = {-2}, .hi = {2}, .n_cases = 7, .cases = sort_cases};

const ag_op agx_op_sort = {
    .name = "sort",
    .formula = "x in order, and where it came from",
    .partials = sort_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 2,
    .keeps = AG_OUT(1),
    .attr_size = sizeof(sort_attrs),
    .fields = sort_fields,
    .n_fields = 2,
    .infer = sort_infer,
    .forward = sort_forward,
    .vjp = sort_vjp,
    .cost = sort_cost,
    .probe = &sort_probe,
};

/* ---- topk --------------------------------------------------------------------------------------------------------- */

static ag_status topk_infer(const ag_query *q, ag_meta *out) {
    const topk_attrs *a = q->attrs;
    int axis = 0;
    ag_status status = ordered(q, a->axis, &axis, out);
    if (status != AG_OK) return status;
    const int64_t size = out->rank > 0 ? out->dim[axis] : 1;
    if (a->k < 0 || a->k > size)
        return ag_fail(q->error, AG_ERROR_VALUE,
                       "k = %" PRId64 " is outside [0, %" PRId64 "], the size of axis %d", a->k, size, axis);
    if (out->rank == 0 && a->k == 0) return ag_fail(q->error, AG_ERROR_VALUE, "k = 0 leaves nothing of a scalar");
    for (int k = 0; k < 2 && out->rank > 0; k++) out[k].dim[axis] = a->k;
    return AG_OK;
}

static ag_status topk_forward(const ag_eval *e) {
    const topk_attrs *a = e->attrs;
    return sort_lanes(e, a->axis, a->largest);
}

static ag_status topk_vjp(ag_reverse *r) {
    scatter_back(r, ((const topk_attrs *)ag_rule_attrs(r))->axis);
    return AG_OK;
}

static const ag_field topk_fields[] = {
    {"k", AG_FIELD_INT, offsetof(topk_attrs, k), 1},
    {"axis", AG_FIELD_INT, offsetof(topk_attrs, axis), -1},
    {"largest", AG_FIELD_BOOL, offsetof(topk_attrs, largest), 1},
};
static const ag_probe_case topk_cases[] = {
    {&(const topk_attrs){1, -1, true}, 1, {{AG_F64, 0, {0}, 0, 0}}},
    {&(const topk_attrs){3, 0, false}, 1, {{AG_F64, 1, {7}, 0, 0}}},
    {&(const topk_attrs){2, -1, true}, 1, {{AG_F64, 2, {3, 4}, 0, 0}}},
    {&(const topk_attrs){3, 0, true}, 1, {{AG_F64, 3, {3, 2, 2}, 0, 0}}},
    {&(const topk_attrs){2, 1, false}, 1, {{AG_F64, 4, {2, 3, 1, 2}, 0, 0}}},
    {&(const topk_attrs){0, 1, true}, 1, {{AG_F64, 2, {2, 3}, 0, 0}}},
    {&(const topk_attrs){1, 1, true}, 1, {{AG_F64, 2, {0, 3}, 0, 0}}},
};
static const ag_probe topk_probe = {
    .avoid = AG_AVOID_TIES, .lo = {-2}, .hi = {2}, .n_cases = 7, .cases = topk_cases};

const ag_op agx_op_topk = {
    .name = "topk",
    .formula = "the first k of x in order, and where they came from",
    .partials = sort_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 2,
    .keeps = AG_OUT(1),
    .attr_size = sizeof(topk_attrs),
    .fields = topk_fields,
    .n_fields = 3,
    .infer = topk_infer,
    .forward = topk_forward,
    .vjp = topk_vjp,
    .cost = sort_cost,
    .probe = &topk_probe,
};

/* ---- the public functions ------------------------------------------------------------------------------------------- */

ag_value ag_sort(ag_value x, int axis, bool descending) {
    return agx_apply1(&agx_op_sort, x, &(const sort_attrs){axis, descending});
}
ag_value ag_topk(ag_value x, int64_t k, int axis, bool largest) {
    return agx_apply1(&agx_op_topk, x, &(const topk_attrs){k, axis, largest});
}
