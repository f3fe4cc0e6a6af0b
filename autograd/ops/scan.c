/* scan: running sums and products along an axis, and the linear recurrence that their derivatives are made of.
 *
 * No derivative here divides by an element. With y = cumprod(x), the adjoint of x_k is
 *
 *     y_(k-1) s_k,   where s_k = dy_k + x_(k+1) s_(k+1)
 *
 * (Horner's scheme): exact whatever x holds, zeros too, and built of cumprod and the recurrence, so the same is true at
 * any order. The product of a whole lane is the last of the running ones. */
#include "reduce_impl.h"

typedef struct scan_attrs {
    int64_t axis;
    bool reverse;
} scan_attrs;

static const ag_field scan_fields[] = {
    {"axis", AG_FIELD_INT, offsetof(scan_attrs, axis), 0},
    {"reverse", AG_FIELD_BOOL, offsetof(scan_attrs, reverse), 0},
};

/** The axis of attributes that the shape rule has accepted. */
static int accepted_axis(int64_t axis, int rank) { return (int)(axis < 0 ? axis + (rank > 0 ? rank : 1) : axis); }

/** v one position later along an axis of at least one position; the first becomes c. */
static ag_value later(ag_value v, int axis, double c) {
    const ag_meta *meta = ag_meta_of(v);
    if (!meta) return v;
    ag_meta first = *meta;
    first.dim[axis] = 1;
    const ag_value parts[2] = {ag_full(v.tape, meta->dtype, meta->rank, first.dim, c),
                               ag_slice(v, axis, 0, meta->dim[axis] - 1, 1)};
    return ag_cat(parts, 2, axis);
}

/* ---- cumsum ------------------------------------------------------------------------------------------------------- */

/** The attributes begin with an axis. */
static ag_status scan_infer(const ag_query *q, ag_meta *out) {
    const agx_axis_attrs *a = q->attrs;
    const ag_meta *x = q->in[0];
    int axis = 0;
    ag_status status = agx_lane_axis(a->axis, x->rank, &axis, q->error);
    if (status != AG_OK) return status;
    out->dtype = x->dtype == AG_BOOL ? AG_I64 : x->dtype;
    agx_copy_shape(x, out);
    return agx_check_size(q, out);
}

static ag_status scan(const ag_eval *e, agx_scan_kind kind, int64_t axis, bool reverse) {
    agx_local x;
    ag_status status = agx_as_dtype(e, &e->in[0], e->out[0].meta->dtype, &x);
    if (status != AG_OK) return status;
    return agx_scan(kind, NULL, &x.array, accepted_axis(axis, e->in[0].meta->rank), reverse, e->out, e->work);
}

static ag_status cumsum_forward(const ag_eval *e) {
    const scan_attrs *a = e->attrs;
    return scan(e, AGX_SCAN_SUM, a->axis, a->reverse);
}

static ag_status cumsum_vjp(ag_reverse *r) {
    const scan_attrs *a = ag_rule_attrs(r);
    if (ag_wants(r, 0))
        ag_give(r, 0, agx_apply1(&agx_op_cumsum, ag_dy(r, 0), &(const scan_attrs){a->axis, !a->reverse}));
    return AG_OK;
}

static const char *const cumsum_partials[] = {"1 from i on"};
static const ag_probe_case cumsum_cases[] = {
    {&(const scan_attrs){0, false}, 1, {{AG_F64, 0, {0}, 0, 0}}},
    {&(const scan_attrs){0, false}, 1, {{AG_F64, 1, {5}, 0, 0}}},
    {&(const scan_attrs){-1, true}, 1, {{AG_F64, 2, {2, 3}, 0, 0}}},
    {&(const scan_attrs){0, false}, 1, {{AG_F64, 2, {1, 3}, 0, 0}}},
    {&(const scan_attrs){1, false}, 1, {{AG_F64, 3, {2, 3, 2}, 0, 0}}},
    {&(const scan_attrs){1, true}, 1, {{AG_F64, 4, {2, 3, 1, 2}, 0, 0}}},
    {&(const scan_attrs){0, false}, 1, {{AG_F64, 2, {0, 3}, 0, 0}}},
};
static const ag_probe cumsum_probe = {.lo = {-2}, .hi = {2}, .n_cases = 7, .cases = cumsum_cases};

const ag_op agx_op_cumsum = {
    .name = "cumsum",
    .formula = "x_0 + ... + x_i",
    .partials = cumsum_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .traits = AG_TRAIT_LINEAR,
    .attr_size = sizeof(scan_attrs),
    .fields = scan_fields,
    .n_fields = 2,
    .infer = scan_infer,
    .forward = cumsum_forward,
    .vjp = cumsum_vjp,
    .cost = agx_cost_elements,
    .probe = &cumsum_probe,
};

/* ---- cumprod -------------------------------------------------------------------------------------------------------- */

static ag_status cumprod_forward(const ag_eval *e) {
    const agx_axis_attrs *a = e->attrs;
    return scan(e, AGX_SCAN_PROD, a->axis, false);
}

ag_value agx_cumprod_adjoint(ag_value x, ag_value y, ag_value dy, int axis) {
    const scan_attrs back = {axis, true};
    return ag_mul(later(y, axis, 1), agx_apply2(&agx_op_linear_recurrence, x, dy, &back));
}

static ag_status cumprod_vjp(ag_reverse *r) {
    const agx_axis_attrs *a = ag_rule_attrs(r);
    const ag_meta *x = ag_in_meta(r, 0);
    if (!ag_wants(r, 0)) return AG_OK;
    if (x->rank == 0 || ag_meta_count(x) == 0)
        ag_give(r, 0, ag_dy(r, 0));
    else
        ag_give(r, 0,
                agx_cumprod_adjoint(ag_in(r, 0), ag_out(r, 0), ag_dy(r, 0), accepted_axis(a->axis, x->rank)));
    return AG_OK;
}

/** dy_k = dx_k y_(k-1) + x_k dy_(k-1) */
static ag_status cumprod_jvp(ag_forward *f) {
    const agx_axis_attrs *a = ag_forward_attrs(f);
    const ag_meta *x = ag_primal_in_meta(f, 0);
    const int axis = accepted_axis(a->axis, x->rank);
    ag_value dy = ag_tangent(f, 0);
    if (x->rank > 0 && ag_meta_count(x) > 0)
        dy = agx_apply2(&agx_op_linear_recurrence, ag_primal_in(f, 0),
                        ag_mul(dy, later(ag_primal_out(f, 0), axis, 1)), &(const scan_attrs){axis, false});
    ag_give_tangent(f, 0, dy);
    return AG_OK;
}

static const char *const cumprod_partials[] = {"the product of the others, from i on"};
static const ag_field cumprod_fields[] = {{"axis", AG_FIELD_INT, offsetof(agx_axis_attrs, axis), 0}};
static const ag_probe_case cumprod_cases[] = {
    {&(const agx_axis_attrs){0}, 1, {{AG_F64, 0, {0}, 0, 0}}},
    {&(const agx_axis_attrs){0}, 1, {{AG_F64, 1, {5}, 0, 0}}},
    {&(const agx_axis_attrs){-1}, 1, {{AG_F64, 2, {2, 3}, 0, 0}}},
    {&(const agx_axis_attrs){0}, 1, {{AG_F64, 2, {1, 3}, 0, 0}}},
    {&(const agx_axis_attrs){1}, 1, {{AG_F64, 3, {2, 3, 2}, 0, 0}}},
    {&(const agx_axis_attrs){-3}, 1, {{AG_F64, 4, {2, 3, 1, 2}, 0, 0}}},
    {&(const agx_axis_attrs){0}, 1, {{AG_F64, 2, {0, 3}, 0, 0}}},
};
static const ag_probe cumprod_probe = {.lo = {-2}, .hi = {2}, .n_cases = 7, .cases = cumprod_cases};

const ag_op agx_op_cumprod = {
    .name = "cumprod",
    .formula = "x_0 ... x_i",
    .partials = cumprod_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .keeps = AG_IN(0) | AG_OUT(0),
    .attr_size = sizeof(agx_axis_attrs),
    .fields = cumprod_fields,
    .n_fields = 1,
    .infer = scan_infer,
    .forward = cumprod_forward,
    .vjp = cumprod_vjp,
    .jvp = cumprod_jvp,
    .cost = agx_cost_elements,
    .probe = &cumprod_probe,
};

/* ---- linear_recurrence: y_k = b_k + a_k y_(k-1), or in reverse its transpose y_k = b_k + a_(k+1) y_(k+1) -------------- */

static ag_status recurrence_infer(const ag_query *q, ag_meta *out) {
    const scan_attrs *at = q->attrs;
    const ag_meta *a = q->in[0], *b = q->in[1];
    int axis = 0;
    ag_status status = agx_promote_float(q, 2, &out->dtype);
    if (status == AG_OK && a->dtype != b->dtype)
        status = ag_fail(q->error, AG_ERROR_DTYPE, "operands must have one dtype");
    if (status == AG_OK && !ag_meta_same_shape(a, b))
        status = ag_fail(q->error, AG_ERROR_SHAPE, "operands must have one shape");
    if (status == AG_OK) status = ag_axis(at->axis, a->rank, &axis, q->error);
    agx_copy_shape(a, out);
    return status == AG_OK ? agx_check_size(q, out) : status;
}

static ag_status recurrence_forward(const ag_eval *e) {
    const scan_attrs *a = e->attrs;
    return agx_scan(AGX_SCAN_RECURRENCE, &e->in[0], &e->in[1], accepted_axis(a->axis, e->in[0].meta->rank),
                    a->reverse, e->out, e->work);
}

/** The weight a_k stands between positions k - 1 and k, in both directions; a_0 weighs nothing. */
static ag_status recurrence_vjp(ag_reverse *r) {
    const scan_attrs *a = ag_rule_attrs(r);
    const ag_meta *x = ag_in_meta(r, 0);
    const int axis = accepted_axis(a->axis, x->rank);
    if (ag_meta_count(x) == 0) {
        for (uint32_t i = 0; i < 2; i++)
            if (ag_wants(r, i)) ag_give(r, i, ag_dy(r, 0));
        return AG_OK;
    }
    const ag_value db =
        agx_apply2(&agx_op_linear_recurrence, ag_in(r, 0), ag_dy(r, 0), &(const scan_attrs){axis, !a->reverse});
    if (ag_wants(r, 0)) {
        const ag_value y = ag_out(r, 0);
        ag_give(r, 0, a->reverse ? ag_mul(later(db, axis, 0), y) : ag_mul(db, later(y, axis, 0)));
    }
    if (ag_wants(r, 1)) ag_give(r, 1, db);
    return AG_OK;
}

static double recurrence_cost(const ag_query *q) { return 2 * (double)ag_meta_count(q->in[0]); }

static const char *const recurrence_partials[] = {"y_(k-1), carried on", "1, carried on"};
static const ag_probe_case recurrence_cases[] = {
    {&(const scan_attrs){0, false}, 2, {{AG_F64, 1, {5}, 0, 0}, {AG_F64, 1, {5}, 0, 0}}},
    {&(const scan_attrs){-1, true}, 2, {{AG_F64, 2, {2, 4}, 0, 0}, {AG_F64, 2, {2, 4}, 0, 0}}},
    {&(const scan_attrs){0, true}, 2, {{AG_F64, 2, {1, 3}, 0, 0}, {AG_F64, 2, {1, 3}, 0, 0}}},
    {&(const scan_attrs){1, false}, 2, {{AG_F64, 3, {2, 3, 2}, 0, 0}, {AG_F64, 3, {2, 3, 2}, 0, 0}}},
    {&(const scan_attrs){1, true}, 2, {{AG_F64, 4, {2, 3, 1, 2}, 0, 0}, {AG_F64, 4, {2, 3, 1, 2}, 0, 0}}},
    {&(const scan_attrs){0, false}, 2, {{AG_F64, 2, {0, 3}, 0, 0}, {AG_F64, 2, {0, 3}, 0, 0}}},
};
static const ag_probe recurrence_probe = {.lo = {-2, -2}, .hi = {2, 2}, .n_cases = 6, .cases = recurrence_cases};

const ag_op agx_op_linear_recurrence = {
    .name = "linear_recurrence",
    .formula = "y_k = b_k + a_k y_(k-1)",
    .partials = recurrence_partials,
    .min_in = 2,
    .max_in = 2,
    .outputs = 1,
    .keeps = AG_IN(0) | AG_OUT(0),
    .attr_size = sizeof(scan_attrs),
    .fields = scan_fields,
    .n_fields = 2,
    .infer = recurrence_infer,
    .forward = recurrence_forward,
    .vjp = recurrence_vjp,
    .cost = recurrence_cost,
    .probe = &recurrence_probe,
};

/* ---- the public functions ------------------------------------------------------------------------------------------- */

ag_value ag_cumsum(ag_value x, int axis) {
    return agx_apply1(&agx_op_cumsum, x, &(const scan_attrs){axis, false});
}
ag_value ag_cumprod(ag_value x, int axis) { return agx_apply1(&agx_op_cumprod, x, &(const agx_axis_attrs){axis}); }
