/* flip: positions in another order along their axes - backwards (flip), or turned round (roll).
 *
 * A flip is a view that walks backwards; a roll moves blocks, two for every axis it turns. */
#include "ops_impl.h"

#include <inttypes.h>

/* ---- flip --------------------------------------------------------------------------------------------------------- */

typedef struct flip_attrs {
    ag_ints axes;
} flip_attrs;

static ag_status flip_infer(const ag_query *q, ag_meta *out) {
    const flip_attrs *a = q->attrs;
    uint32_t mask = 0;
    ag_status status = a->axes.n == 0 ? AG_OK : ag_axes_mask(&a->axes, q->in[0]->rank, &mask, q->error);
    if (status != AG_OK) return status;
    *out = *q->in[0];
    out->offset = 0;
    for (int k = 0; k < out->rank; k++) {
        if (!(mask >> k & 1) || out->dim[k] < 2) continue;
        out->offset += (out->dim[k] - 1) * out->stride[k];
        out->stride[k] = -out->stride[k];
    }
    if (ag_meta_count(out) == 0) out->offset = 0;
    return AG_OK;
}

/** A flip undoes itself. */
static ag_status flip_vjp(ag_reverse *r) {
    if (ag_wants(r, 0)) ag_give(r, 0, agx_apply1(&agx_op_flip, ag_dy(r, 0), ag_rule_attrs(r)));
    return AG_OK;
}

static const char *const moved_partials[] = {"1 where it came from"};
static const ag_field flip_fields[] = {{"axes", AG_FIELD_INTS, offsetof(flip_attrs, axes), 0}};
static const ag_probe_case flip_cases[] = {
    {&(const flip_attrs){{0, {0}}}, 1, {{AG_F64, 0, {0}, 0, 0}}},
    {&(const flip_attrs){{1, {0}}}, 1, {{AG_F64, 1, {4}, 0, 0}}},
    {&(const flip_attrs){{2, {0, -1}}}, 1, {{AG_F64, 2, {2, 3}, 0, 0}}},
    {&(const flip_attrs){{2, {-3, 2}}}, 1, {{AG_F64, 4, {2, 3, 1, 2}, 0, 0}}},
    {&(const flip_attrs){{1, {0}}}, 1, {{AG_F64, 2, {2, 0}, 0, 0}}},
};
static const ag_probe flip_probe = {.lo = {-2}, .hi = {2}, .n_cases = 5, .cases = flip_cases};

const ag_op agx_op_flip = {
    .name = "flip",
    .formula = "x, backwards",
    .partials = moved_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .traits = AG_TRAIT_LINEAR | AG_TRAIT_VIEW,
    .attr_size = sizeof(flip_attrs),
    .fields = flip_fields,
    .n_fields = 1,
    .infer = flip_infer,
    .vjp = flip_vjp,
    .probe = &flip_probe,
};
ag_value ag_flip(ag_value x, const int *axes, int n) {
    flip_attrs a;
    if (!agx_ints_from_axes(axes, n, &a.axes))
        return ag_tape_fail(x.tape, AG_ERROR_AXIS, "flip: a list of %d axes; it may have 0 to %d", n, AG_MAX_RANK);
    return agx_apply1(&agx_op_flip, x, &a);
}

/* ---- roll --------------------------------------------------------------------------------------------------------- */

typedef struct roll_attrs {
    ag_ints shifts, axes;
} roll_attrs;

static ag_status roll_infer(const ag_query *q, ag_meta *out) {
    const roll_attrs *a = q->attrs;
    const bool flat = a->axes.n == 0;
    if (a->shifts.n < 0 || a->shifts.n > AG_MAX_RANK || a->shifts.n != (flat ? 1 : a->axes.n))
        return ag_fail(q->error, AG_ERROR_VALUE, "%" PRId32 " shifts for %" PRId32 " axes%s", a->shifts.n,
                       a->axes.n, flat ? "; without axes it is one" : "");
    for (int i = 0; i < a->axes.n; i++) { /* an axis may turn twice */
        int axis = 0;
        ag_status status = ag_axis(a->axes.v[i], q->in[0]->rank, &axis, q->error);
        if (status != AG_OK) return status;
    }
    out->dtype = q->in[0]->dtype;
    agx_copy_shape(q->in[0], out);
    return agx_check_size(q, out);
}

/** Where position 0 of each axis goes, in [0, size): shifts of one axis add up. */
static void find_starts(const roll_attrs *a, const ag_meta *x, int64_t start[AG_MAX_RANK]) {
    for (int k = 0; k < x->rank; k++) start[k] = 0;
    for (int i = 0; i < a->shifts.n; i++) {
        const int64_t axis = a->axes.n == 0 ? 0 : a->axes.v[i] < 0 ? a->axes.v[i] + x->rank : a->axes.v[i];
        const int64_t size = x->dim[axis], turn = a->shifts.v[i] % size + (a->shifts.v[i] % size < 0 ? size : 0);
        start[axis] = start[axis] < size - turn ? start[axis] + turn : start[axis] - (size - turn);
    }
}

/** Each axis falls into what stays ahead of the end and what comes round to the front; blocks are all their
 *  combinations, bit k of `block` saying which half of axis k. */
static ag_status roll_forward(const ag_eval *e) {
    const roll_attrs *a = e->attrs;
    ag_meta x = *e->in[0].meta, z = *e->out[0].meta;
    int64_t start[AG_MAX_RANK];
    if (ag_meta_count(&x) == 0) return AG_OK;
    if (a->axes.n == 0) { /* both are dense: one long axis */
        x.dim[0] = z.dim[0] = ag_meta_count(&x);
        x.stride[0] = z.stride[0] = 1;
        x.rank = z.rank = 1;
    }
    find_starts(a, &x, start);
    for (uint32_t block = 0; block < 1u << x.rank; block++) {
        ag_meta from = x, to = z;
        int64_t from_at = 0, to_at = 0;
        for (int k = 0; k < x.rank; k++) {
            const bool front = block >> k & 1;
            from.dim[k] = to.dim[k] = front ? start[k] : x.dim[k] - start[k];
            from_at += front ? (x.dim[k] - start[k]) * x.stride[k] : 0;
            to_at += front ? 0 : start[k] * z.stride[k];
        }
        if (ag_meta_count(&from) == 0) continue;
        const ag_array part = {&from, agx_at(e->in[0].data, x.dtype, from_at)};
        const ag_array place = {&to, agx_at(e->out[0].data, z.dtype, to_at)};
        ag_status status = agx_copy(&part, &place, e->work);
        if (status != AG_OK) return status;
    }
    return AG_OK;
}

/** Back by as much; INT64_MIN has no negative, but -(n % size) turns as far as -n. */
static ag_status roll_vjp(ag_reverse *r) {
    const roll_attrs *a = ag_rule_attrs(r);
    const ag_meta *x = ag_in_meta(r, 0);
    if (!ag_wants(r, 0)) return AG_OK;
    roll_attrs back = *a;
    for (int i = 0; i < a->shifts.n; i++) {
        const int64_t axis = a->axes.n == 0 ? 0 : a->axes.v[i] < 0 ? a->axes.v[i] + x->rank : a->axes.v[i];
        const int64_t size = a->axes.n == 0 ? ag_meta_count(x) : x->dim[axis];
        back.shifts.v[i] = size == 0 ? 0 : -(a->shifts.v[i] % size);
    }
    ag_give(r, 0, agx_apply1(&agx_op_roll, ag_dy(r, 0), &back));
    return AG_OK;
}

static const ag_field roll_fields[] = {
    {"shifts", AG_FIELD_INTS, offsetof(roll_attrs, shifts), 0},
    {"axes", AG_FIELD_INTS, offsetof(roll_attrs, axes), 0},
};
static const ag_probe_case roll_cases[] = {
    {&(const roll_attrs){{1, {2}}, {0, {0}}}, 1, {{AG_F64, 0, {0}, 0, 0}}},
    {&(const roll_attrs){{1, {-4}}, {0, {0}}}, 1, {{AG_F64, 2, {2, 3}, 0, 0}}},
    {&(const roll_attrs){{1, {1}}, {1, {-1}}}, 1, {{AG_F64, 2, {2, 3}, 0, 0}}},
    {&(const roll_attrs){{3, {1, -8, 1}}, {3, {0, 1, 1}}}, 1, {{AG_F64, 4, {2, 3, 1, 2}, 0, 0}}},
    {&(const roll_attrs){{1, {1}}, {1, {0}}}, 1, {{AG_F64, 2, {3, 0}, 0, 0}}},
};
static const ag_probe roll_probe = {.lo = {-2}, .hi = {2}, .n_cases = 5, .cases = roll_cases};

const ag_op agx_op_roll = {
    .name = "roll",
    .formula = "x, turned by shifts",
    .partials = moved_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .traits = AG_TRAIT_LINEAR,
    .attr_size = sizeof(roll_attrs),
    .fields = roll_fields,
    .n_fields = 2,
    .infer = roll_infer,
    .forward = roll_forward,
    .vjp = roll_vjp,
    .cost = agx_cost_none,
    .probe = &roll_probe,
};
ag_value ag_roll(ag_value x, const int64_t *shifts, const int *axes, int n) {
    roll_attrs a;
    if (!agx_ints_from_shape(shifts, n > 0 ? n : 1, &a.shifts) || !agx_ints_from_axes(axes, n, &a.axes))
        return ag_tape_fail(x.tape, AG_ERROR_VALUE, "roll: lists of %d shifts and axes; they may have 0 to %d", n,
                            AG_MAX_RANK);
    return agx_apply1(&agx_op_roll, x, &a);
}
