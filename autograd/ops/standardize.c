/* standardize: (x - mean) / sqrt(var + eps) over axes, the one fused step of the normalisations, and its adjoint as
 * an operation of its own.
 *
 * With y the result, s = 1 / sqrt(var + eps) and means over the axes, dx = s (dy - mean dy - y mean(dy y)): the rule
 * reads y and var, never x. Both are values of the tape, so the gradient can be differentiated again. */
#include "ops_impl.h"

static const ag_field standardize_fields[] = {
    {"axes", AG_FIELD_INTS, offsetof(agx_standardize_attrs, axes), 0},
    {"eps", AG_FIELD_REAL, offsetof(agx_standardize_attrs, eps), 1e-5},
};

/** Axes of attributes that the shape rule has accepted. */
static uint32_t accepted_mask(const agx_standardize_attrs *a, int rank) {
    uint32_t mask = 0;
    return ag_axes_mask(&a->axes, rank, &mask, NULL) == AG_OK ? mask : 0;
}

/** How many numbers share a mean; 1 where there are none, so that nothing is divided by 0. */
static double group_size(const ag_meta *x, const ag_meta *mean) {
    const int64_t n = ag_meta_count(x), groups = ag_meta_count(mean);
    return n > 0 && groups > 0 ? (double)n / (double)groups : 1;
}

/** Sum or mean over the rule's axes, which stay as size 1. */
static ag_value over_axes(ag_reverse *r, const ag_op *op, ag_value x) {
    const agx_standardize_attrs *a = ag_rule_attrs(r);
    return agx_apply1(op, x, &(const agx_reduce_attrs){a->axes, true});
}

/* ---- standardize --------------------------------------------------------------------------------------------- */

static ag_status check_attrs(const ag_query *q, uint32_t *mask) {
    const agx_standardize_attrs *a = q->attrs;
    if (!(a->eps >= 0)) return ag_fail(q->error, AG_ERROR_VALUE, "eps must be 0 or more, got %g", a->eps);
    return ag_axes_mask(&a->axes, q->in[0]->rank, mask, q->error);
}

static ag_status standardize_infer(const ag_query *q, ag_meta *out) {
    uint32_t mask = 0;
    ag_status status = agx_promote_float(q, 1, &out->dtype);
    if (status == AG_OK) status = check_attrs(q, &mask);
    if (status != AG_OK) return status;
    agx_copy_shape(q->in[0], out);
    for (int i = 1; i < 3; i++) {
        out[i].dtype = out->dtype;
        out[i].rank = out->rank;
        for (int k = 0; k < out->rank; k++) out[i].dim[k] = mask & 1u << k ? 1 : out->dim[k];
    }
    return AG_OK;
}

static ag_status standardize_forward(const ag_eval *e) {
    const agx_standardize_attrs *a = e->attrs;
    return agx_standardize(e->in, accepted_mask(a, e->in[0].meta->rank), a->eps, &e->out[0], &e->out[1],
                           &e->out[2], e->work);
}

/** Two sums, a difference, a square, and a difference and a product an element. */
static double standardize_cost(const ag_query *q) { return 6 * (double)ag_meta_count(q->in[0]); }

/** mean: dx = dmean / n.  var: dx = dvar 2 (x - mean) / n, and x - mean = y sqrt(var + eps). */
static ag_status standardize_vjp(ag_reverse *r) {
    if (!ag_wants(r, 0)) return AG_OK;
    const agx_standardize_attrs *a = ag_rule_attrs(r);
    const ag_meta *x = ag_in_meta(r, 0);
    const double n = group_size(x, ag_out_meta(r, 1));
    if (ag_has_dy(r, 0))
        ag_give(r, 0, agx_apply3(&agx_op_standardize_grad, ag_out(r, 0), ag_out(r, 2), ag_dy(r, 0), a));
    if (ag_has_dy(r, 1)) ag_give(r, 0, ag_expand(ag_mul_number(ag_dy(r, 1), 1 / n), x->rank, x->dim));
    if (ag_has_dy(r, 2)) {
        const ag_value deviation = ag_sqrt(ag_add_number(ag_out(r, 2), a->eps));
        ag_give(r, 0, ag_mul(ag_out(r, 0), ag_mul(ag_mul_number(ag_dy(r, 2), 2 / n), deviation)));
    }
    return AG_OK;
}

static const char *const standardize_partials[] = {"([i = j] - 1/n - y_i y_j / n) / sqrt(var + eps)"};
#define OVER(...)                                                                                                 \
    &(const agx_standardize_attrs) { __VA_ARGS__ }
static const ag_probe_case standardize_cases[] = {
    {OVER({0, {0}}, 1e-2), 1, {{AG_F64, 0, {0}, 0, 0}}},
    {OVER({1, {0}}, 1e-2), 1, {{AG_F64, 1, {1}, 0, 0}}},
    {OVER({1, {-1}}, 1e-2), 1, {{AG_F64, 1, {4}, 0, 0}}},
    {OVER({1, {1}}, 1e-2), 1, {{AG_F64, 2, {2, 3}, 0, 0}}},
    {OVER({1, {0}}, 1e-2), 1, {{AG_F64, 2, {3, 2}, 0, 0}}},
    {OVER({2, {1, 2}}, 1e-2), 1, {{AG_F64, 3, {2, 2, 3}, 0, 0}}},
    {OVER({3, {0, 2, 3}}, 1e-2), 1, {{AG_F64, 4, {2, 2, 2, 1}, 0, 0}}},
    {OVER({1, {1}}, 1e-2), 1, {{AG_F64, 2, {0, 3}, 0, 0}}},
};
static const ag_probe standardize_probe = {.lo = {-2}, .hi = {2}, .n_cases = 8, .cases = standardize_cases};

const ag_op agx_op_standardize = {
    .name = "standardize",
    .formula = "(x - mean) / sqrt(var + eps), mean, var",
    .partials = standardize_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 3,
    .traits = AG_TRAIT_STRIDED,
    .keeps = AG_OUT(0) | AG_OUT(2),
    .attr_size = sizeof(agx_standardize_attrs),
    .fields = standardize_fields,
    .n_fields = 2,
    .infer = standardize_infer,
    .forward = standardize_forward,
    .vjp = standardize_vjp,
    .cost = standardize_cost,
    .probe = &standardize_probe,
};

/* ---- standardize_grad: z = (dy - mean dy - y mean(dy y)) / sqrt(var + eps) --------------------------------------------- */

static ag_status standardize_grad_infer(const ag_query *q, ag_meta *out) {
    const ag_meta *y = q->in[0], *var = q->in[1], *dy = q->in[2];
    uint32_t mask = 0;
    ag_status status = agx_promote_float(q, 1, &out->dtype);
    if (status == AG_OK) status = check_attrs(q, &mask);
    if (status != AG_OK) return status;
    if (dy->dtype != y->dtype || var->dtype != y->dtype)
        return ag_fail(q->error, AG_ERROR_DTYPE, "the operands must have one dtype");
    if (!ag_meta_same_shape(y, dy)) return ag_fail(q->error, AG_ERROR_SHAPE, "y and dy must have one shape");
    bool fits = var->rank == y->rank;
    for (int k = 0; fits && k < y->rank; k++) fits = var->dim[k] == (mask & 1u << k ? 1 : y->dim[k]);
    if (!fits) return ag_fail(q->error, AG_ERROR_SHAPE, "var must have y's shape with the axes of size 1");
    agx_copy_shape(y, out);
    return AG_OK;
}

static ag_status standardize_grad_forward(const ag_eval *e) {
    const agx_standardize_attrs *a = e->attrs;
    return agx_standardize_grad(&e->in[0], &e->in[1], &e->in[2], accepted_mask(a, e->in[0].meta->rank), a->eps,
                                e->out, e->work);
}

static double standardize_grad_cost(const ag_query *q) { return 7 * (double)ag_meta_count(q->in[0]); }

/** With g = dz / sqrt(var + eps):  dy: the operation itself, it is symmetric.  y: -(g mean(dy y) + dy mean(g y)).
 *  var: -1/2 sum(dz z) / (var + eps). */
static ag_status standardize_grad_vjp(ag_reverse *r) {
    const agx_standardize_attrs *a = ag_rule_attrs(r);
    const ag_value y = ag_in(r, 0), var = ag_in(r, 1), dy = ag_in(r, 2), dz = ag_dy(r, 0);
    const ag_value shifted = ag_add_number(var, a->eps);
    if (ag_wants(r, 0)) {
        const ag_value g = ag_mul(dz, ag_rsqrt(shifted));
        const ag_value one = ag_mul(g, over_axes(r, &agx_op_mean, ag_mul(dy, y)));
        const ag_value two = ag_mul(dy, over_axes(r, &agx_op_mean, ag_mul(g, y)));
        ag_give(r, 0, ag_neg(ag_add(one, two)));
    }
    if (ag_wants(r, 1)) {
        const ag_value sum = over_axes(r, &agx_op_sum, ag_mul(dz, ag_out(r, 0)));
        ag_give(r, 1, ag_mul_number(ag_div(sum, shifted), -0.5));
    }
    if (ag_wants(r, 2)) ag_give(r, 2, agx_apply3(&agx_op_standardize_grad, y, var, dz, a));
    return AG_OK;
}

static const char *const standardize_grad_partials[] = {"-(dz_i mean(dy y) + dy_i mean(dz y)) / sqrt(var + eps)",
                                                        "-z / (2 (var + eps))",
                                                        "([i = j] - 1/n - y_i y_j / n) / sqrt(var + eps)"};
#define MATRIX(n, m)                                                                                              \
    { AG_F64, 2, {n, m}, -2, 2 }
static const ag_probe_case standardize_grad_cases[] = {
    {OVER({1, {0}}, 1e-2), 3, {{AG_F64, 1, {3}, -2, 2}, {AG_F64, 1, {1}, 0.3, 2}, {AG_F64, 1, {3}, -2, 2}}},
    {OVER({1, {1}}, 1e-2), 3, {MATRIX(2, 3), {AG_F64, 2, {2, 1}, 0.3, 2}, MATRIX(2, 3)}},
    {OVER({1, {0}}, 1e-2), 3, {MATRIX(3, 2), {AG_F64, 2, {1, 2}, 0.3, 2}, MATRIX(3, 2)}},
    {OVER({2, {0, 2}}, 1e-2),
     3,
     {{AG_F64, 3, {2, 1, 2}, -2, 2}, {AG_F64, 3, {1, 1, 1}, 0.3, 2}, {AG_F64, 3, {2, 1, 2}, -2, 2}}},
    {OVER({1, {1}}, 1e-2), 3, {MATRIX(0, 3), {AG_F64, 2, {0, 1}, 0.3, 2}, MATRIX(0, 3)}},
};
#undef MATRIX
#undef OVER
static const ag_probe standardize_grad_probe = {
    .lo = {-2, 0.3, -2}, .hi = {2, 2, 2}, .n_cases = 5, .cases = standardize_grad_cases};

const ag_op agx_op_standardize_grad = {
    .name = "standardize_grad",
    .formula = "(dy_i - mean dy - y_i mean(dy y)) / sqrt(var + eps)",
    .partials = standardize_grad_partials,
    .min_in = 3,
    .max_in = 3,
    .outputs = 1,
    .traits = AG_TRAIT_STRIDED,
    .keeps = AG_IN(0) | AG_IN(1) | AG_IN(2) | AG_OUT(0),
    .attr_size = sizeof(agx_standardize_attrs),
    .fields = standardize_fields,
    .n_fields = 2,
    .infer = standardize_grad_infer,
    .forward = standardize_grad_forward,
    .vjp = standardize_grad_vjp,
    .cost = standardize_grad_cost,
    .probe = &standardize_grad_probe,
};

ag_value ag_standardize(ag_value x, const int *axes, int n_axes, double eps, ag_value *mean, ag_value *variance) {
    agx_standardize_attrs a = {.eps = eps};
    ag_value y;
    if (axes && !agx_ints_from_axes(axes, n_axes, &a.axes))
        y = ag_tape_fail(x.tape, AG_ERROR_AXIS, "standardize: a list of %d axes; it may have 0 to %d", n_axes,
                         AG_MAX_RANK);
    else
        y = agx_apply1(&agx_op_standardize, x, &a);
    if (mean) *mean = ag_output(y, 1);
    if (variance) *variance = ag_output(y, 2);
    return y;
}
