/* softmax: softmax and log_softmax along an axis, and their adjoints as operations of their own.
 *
 * Both keep their result, not their operand. The adjoints are rows with rules too, so any order of derivative runs
 * on fused kernels as far as it can. */
#include "reduce_impl.h"

static const ag_field axis_fields[] = {{"axis", AG_FIELD_INT, offsetof(agx_axis_attrs, axis), -1}};

static int axis_of(const ag_eval *e) {
    const agx_axis_attrs *a = e->attrs;
    const int rank = e->in[0].meta->rank;
    return (int)(a->axis < 0 ? a->axis + (rank > 0 ? rank : 1) : a->axis);
}

/** sum of x over the rule's axis, kept as size 1. */
static ag_value axis_sum(ag_reverse *r, ag_value x) {
    const agx_axis_attrs *a = ag_rule_attrs(r);
    return ag_sum(x, (const int[1]){(int)a->axis}, 1, true);
}

/* ---- softmax and log_softmax -------------------------------------------------------------------------------------- */

static ag_status softmax_infer(const ag_query *q, ag_meta *out) {
    const agx_axis_attrs *a = q->attrs;
    int axis = 0;
    ag_status status = agx_promote_float(q, 1, &out->dtype);
    if (status == AG_OK) status = agx_lane_axis(a->axis, q->in[0]->rank, &axis, q->error);
    if (status == AG_OK) agx_copy_shape(q->in[0], out);
    return status;
}

/** A difference, an exponential (counted as 8), a sum and a quotient each. */
/* A maximum, a difference, an exponential, a sum, and a quotient or another difference. */
static double softmax_cost(const ag_query *q) { return 5 * (double)ag_meta_count(q->in[0]); }

static ag_status softmax_forward(const ag_eval *e) {
    return agx_softmax(e->in, axis_of(e), false, e->out, e->work);
}
static ag_status log_softmax_forward(const ag_eval *e) {
    return agx_softmax(e->in, axis_of(e), true, e->out, e->work);
}

static ag_status softmax_vjp(ag_reverse *r) {
    if (ag_wants(r, 0))
        ag_give(r, 0, agx_apply2(&agx_op_softmax_grad, ag_out(r, 0), ag_dy(r, 0), ag_rule_attrs(r)));
    return AG_OK;
}
static ag_status log_softmax_vjp(ag_reverse *r) {
    if (ag_wants(r, 0))
        ag_give(r, 0, agx_apply2(&agx_op_log_softmax_grad, ag_out(r, 0), ag_dy(r, 0), ag_rule_attrs(r)));
    return AG_OK;
}

/** The Jacobian of softmax is symmetric: forwards and backwards are one operation. */
static ag_status softmax_jvp(ag_forward *f) {
    const void *attrs = ag_forward_attrs(f);
    ag_give_tangent(f, 0, agx_apply2(&agx_op_softmax_grad, ag_primal_out(f, 0), ag_tangent(f, 0), attrs));
    return AG_OK;
}
/** dx - sum softmax(x) dx */
static ag_status log_softmax_jvp(ag_forward *f) {
    const agx_axis_attrs *a = ag_forward_attrs(f);
    const ag_value dx = ag_tangent(f, 0), p = ag_exp(ag_primal_out(f, 0));
    ag_give_tangent(f, 0, ag_sub(dx, ag_sum(ag_mul(p, dx), (const int[1]){(int)a->axis}, 1, true)));
    return AG_OK;
}

static const char *const softmax_partials[] = {"y_i ([i = j] - y_j)"};
static const char *const log_softmax_partials[] = {"[i = j] - exp(y_j)"};
static const ag_probe_case softmax_cases[] = {
    {&(const agx_axis_attrs){-1}, 1, {{AG_F64, 0, {0}, 0, 0}}},
    {&(const agx_axis_attrs){0}, 1, {{AG_F64, 1, {1}, 0, 0}}},
    {&(const agx_axis_attrs){-1}, 1, {{AG_F64, 2, {3, 4}, 0, 0}}},
    {&(const agx_axis_attrs){0}, 1, {{AG_F64, 2, {3, 4}, 0, 0}}},
    {&(const agx_axis_attrs){1}, 1, {{AG_F64, 4, {2, 3, 1, 2}, 0, 0}}},
    {&(const agx_axis_attrs){1}, 1, {{AG_F64, 2, {0, 3}, 0, 0}}},
    {&(const agx_axis_attrs){1}, 1, {{AG_F64, 2, {3, 0}, 0, 0}}},
};
static const ag_probe softmax_probe = {.lo = {-2}, .hi = {2}, .n_cases = 7, .cases = softmax_cases};

const ag_op agx_op_softmax = {
    .name = "softmax",
    .formula = "exp(x_i) / sum exp(x_j)",
    .partials = softmax_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .traits = AG_TRAIT_STRIDED,
    .keeps = AG_OUT(0),
    .attr_size = sizeof(agx_axis_attrs),
    .fields = axis_fields,
    .n_fields = 1,
    .infer = softmax_infer,
    .forward = softmax_forward,
    .vjp = softmax_vjp,
    .jvp = softmax_jvp,
    .cost = softmax_cost,
    .probe = &softmax_probe,
};
const ag_op agx_op_log_softmax = {
    .name = "log_softmax",
    .formula = "x_i - log sum exp(x_j)",
    .partials = log_softmax_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .traits = AG_TRAIT_STRIDED,
    .keeps = AG_OUT(0),
    .attr_size = sizeof(agx_axis_attrs),
    .fields = axis_fields,
    .n_fields = 1,
    .infer = softmax_infer,
    .forward = log_softmax_forward,
    .vjp = log_softmax_vjp,
    .jvp = log_softmax_jvp,
    .cost = softmax_cost,
    .probe = &softmax_probe,
};
ag_value ag_softmax(ag_value x, int axis) { return agx_apply1(&agx_op_softmax, x, &(const agx_axis_attrs){axis}); }
ag_value ag_log_softmax(ag_value x, int axis) {
    return agx_apply1(&agx_op_log_softmax, x, &(const agx_axis_attrs){axis});
}

/* ---- softmax_grad: z = y (dy - sum dy y);  log_softmax_grad: z = dy - exp(y) sum dy ------------------------------------- */

static ag_status softmax_grad_infer(const ag_query *q, ag_meta *out) {
    if (!ag_meta_same_shape(q->in[0], q->in[1]) || q->in[0]->dtype != q->in[1]->dtype)
        return ag_fail(q->error, AG_ERROR_SHAPE, "the operands must have one shape and dtype");
    return softmax_infer(q, out);
}

static double softmax_grad_cost(const ag_query *q) { return 4 * (double)ag_meta_count(q->in[0]); }

static ag_status softmax_grad_forward(const ag_eval *e) {
    return agx_softmax_grad(&e->in[0], &e->in[1], axis_of(e), false, e->out, e->work);
}
static ag_status log_softmax_grad_forward(const ag_eval *e) {
    return agx_softmax_grad(&e->in[0], &e->in[1], axis_of(e), true, e->out, e->work);
}

/** With s = sum dy y:  dz/d(dy) is symmetric, the operation itself;  for y: dz (dy - s) - dy sum dz y. */
static ag_status softmax_grad_vjp(ag_reverse *r) {
    const ag_value y = ag_in(r, 0), dy = ag_in(r, 1), dz = ag_dy(r, 0);
    if (ag_wants(r, 0)) {
        const ag_value s = axis_sum(r, ag_mul(dy, y)), u = axis_sum(r, ag_mul(dz, y));
        ag_give(r, 0, ag_sub(ag_mul(dz, ag_sub(dy, s)), ag_mul(dy, u)));
    }
    if (ag_wants(r, 1)) ag_give(r, 1, agx_apply2(&agx_op_softmax_grad, y, dz, ag_rule_attrs(r)));
    return AG_OK;
}

/** With p = exp(y):  for y: -dz p sum dy;  for dy: dz - sum dz p. */
static ag_status log_softmax_grad_vjp(ag_reverse *r) {
    const ag_value p = ag_exp(ag_in(r, 0)), dy = ag_in(r, 1), dz = ag_dy(r, 0), weighted = ag_mul(dz, p);
    if (ag_wants(r, 0)) ag_give(r, 0, ag_neg(ag_mul(weighted, axis_sum(r, dy))));
    if (ag_wants(r, 1)) ag_give(r, 1, ag_sub(dz, axis_sum(r, weighted)));
    return AG_OK;
}

static const char *const softmax_grad_partials[] = {"dy_i [i = j] - dy_j y_i - s [i = j]", "y_i ([i = j] - y_j)"};
static const char *const log_softmax_grad_partials[] = {"-exp(y_i) [i = j] sum dy", "[i = j] - exp(y_i)"};
static const ag_probe_case softmax_grad_cases[] = {
    {&(const agx_axis_attrs){0}, 2, {{AG_F64, 0, {0}, 0, 0}, {AG_F64, 0, {0}, 0, 0}}},
    {&(const agx_axis_attrs){0}, 2, {{AG_F64, 1, {1}, 0, 0}, {AG_F64, 1, {1}, 0, 0}}},
    {&(const agx_axis_attrs){-1}, 2, {{AG_F64, 2, {3, 4}, 0, 0}, {AG_F64, 2, {3, 4}, 0, 0}}},
    {&(const agx_axis_attrs){1}, 2, {{AG_F64, 4, {2, 3, 1, 2}, 0, 0}, {AG_F64, 4, {2, 3, 1, 2}, 0, 0}}},
    {&(const agx_axis_attrs){1}, 2, {{AG_F64, 2, {0, 3}, 0, 0}, {AG_F64, 2, {0, 3}, 0, 0}}},
};
static const ag_probe softmax_grad_probe = {
    .lo = {0.1, -2}, .hi = {0.9, 2}, .n_cases = 5, .cases = softmax_grad_cases};
static const ag_probe log_softmax_grad_probe = {
    .lo = {-2, -2}, .hi = {-0.1, 2}, .n_cases = 5, .cases = softmax_grad_cases};

const ag_op agx_op_softmax_grad = {
    .name = "softmax_grad",
    .formula = "y_i (dy_i - sum dy_j y_j)",
    .partials = softmax_grad_partials,
    .min_in = 2,
    .max_in = 2,
    .outputs = 1,
    .traits = AG_TRAIT_STRIDED,
    .keeps = AG_IN(0) | AG_IN(1),
    .attr_size = sizeof(agx_axis_attrs),
    .fields = axis_fields,
    .n_fields = 1,
    .infer = softmax_grad_infer,
    .forward = softmax_grad_forward,
    .vjp = softmax_grad_vjp,
    .cost = softmax_grad_cost,
    .probe = &softmax_grad_probe,
};
const ag_op agx_op_log_softmax_grad = {
    .name = "log_softmax_grad",
    .formula = "dy_i - exp(y_i) sum dy_j",
    .partials = log_softmax_grad_partials,
    .min_in = 2,
    .max_in = 2,
    .outputs = 1,
    .traits = AG_TRAIT_STRIDED,
    .keeps = AG_IN(0) | AG_IN(1),
    .attr_size = sizeof(agx_axis_attrs),
    .fields = axis_fields,
    .n_fields = 1,
    .infer = softmax_grad_infer,
    .forward = log_softmax_grad_forward,
    .vjp = log_softmax_grad_vjp,
    .cost = softmax_grad_cost,
    .probe = &log_softmax_grad_probe,
};
