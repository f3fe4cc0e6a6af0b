/* logsumexp: the logarithm of a sum of exponentials, and the weights exp(x - y) that are its gradient, with their
 * limits where y is infinite. */
#include "reduce_impl.h"

#include <math.h>

/* ---- logsumexp ------------------------------------------------------------------------------------------------------ */

static ag_status logsumexp_forward(const ag_eval *e) { return agx_reduce_forward(e, AGX_LOGSUMEXP); }

static ag_status logsumexp_vjp(ag_reverse *r) {
    if (!ag_wants(r, 0)) return AG_OK;
    const ag_value y = agx_keepdims(r, ag_out(r, 0)), dy = agx_keepdims(r, ag_dy(r, 0));
    ag_give(r, 0, ag_mul(dy, agx_apply2(&agx_op_logsumexp_weights, ag_in(r, 0), y, NULL)));
    return AG_OK;
}

/* A maximum, a difference, an exponential and a sum. */
static double logsumexp_cost(const ag_query *q) { return 4 * (double)ag_meta_count(q->in[0]); }

static const char *const logsumexp_partials[] = {"exp(x_i - y)"};

const ag_op agx_op_logsumexp = {
    .name = "logsumexp",
    .formula = "log sum exp(x_i)",
    .partials = logsumexp_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .traits = AG_TRAIT_STRIDED,
    .keeps = AG_IN(0) | AG_OUT(0),
    .attr_size = sizeof(agx_reduce_attrs),
    .fields = agx_reduce_fields,
    .n_fields = AGX_REDUCE_FIELDS,
    .infer = agx_reduce_float_infer,
    .forward = logsumexp_forward,
    .vjp = logsumexp_vjp,
    .jvp = agx_reduce_jvp,
    .cost = logsumexp_cost,
    .probe = &agx_extreme_probe,
};

/* ---- logsumexp_weights: exp(x - y), where y is the logsumexp of x over the axes in which it is smaller ------------------ */

static ag_status weights_infer(const ag_query *q, ag_meta *out) {
    ag_status status = agx_promote_float(q, 2, &out->dtype);
    if (status == AG_OK && q->in[0]->dtype != q->in[1]->dtype)
        status = ag_fail(q->error, AG_ERROR_DTYPE, "operands must have one dtype");
    if (status == AG_OK) status = ag_broadcast(q->in, 2, out, q->error);
    if (status == AG_OK && !ag_meta_same_shape(out, q->in[0]))
        status = ag_fail(q->error, AG_ERROR_SHAPE, "operand 1 does not broadcast to operand 0");
    return status;
}

/** Where y is infinite the difference inf - inf hides the limit: nothing but -inf has no weight at all, and k
 *  elements at +inf have 1/k each. x (...), y broadcasts to x, z as x; all dense. Rare, so written for clarity. */
static ag_status infinite_weights(const ag_eval *e) {
    const ag_meta *shape = e->out[0].meta;
    const ag_dtype dtype = shape->dtype;
    const int64_t n = ag_meta_count(shape), groups = ag_meta_count(e->in[1].meta);
    int64_t stride[AG_MAX_RANK];
    ag_broadcast_strides(e->in[1].meta, shape, stride);
    int64_t *group = ag_scratch(e->work, (size_t)n * sizeof *group);    /* (n): y's element of each x */
    int64_t *ties = ag_scratch(e->work, (size_t)groups * sizeof *ties); /* (groups): how many x equal it */
    if (!group || !ties) return ag_fail(e->error, AG_ERROR_MEMORY, "no memory for weights");
    for (int64_t g = 0; g < groups; g++) ties[g] = 0;
    for (int64_t i = 0; i < n; i++) {
        group[i] = 0;
        for (int64_t k = shape->rank - 1, rest = i; k >= 0; rest /= shape->dim[k], k--)
            group[i] += rest % shape->dim[k] * stride[k];
        if (agx_load(e->in[0].data, dtype, i) == agx_load(e->in[1].data, dtype, group[i])) ties[group[i]]++;
    }
    for (int64_t i = 0; i < n; i++) {
        const double x = agx_load(e->in[0].data, dtype, i), y = agx_load(e->in[1].data, dtype, group[i]);
        if (!isinf(y)) continue;
        agx_store(e->out[0].data, dtype, i, y < 0 ? 0 : x == y ? 1.0 / (double)ties[group[i]] : exp(x - y));
    }
    return AG_OK;
}

static ag_status weights_forward(const ag_eval *e) {
    const ag_dtype dtype = e->out[0].meta->dtype;
    ag_status status = agx_map(agx_vector_table()->exp_shift[dtype == AG_F64], e->in, 2, e->out, 0, e->work);
    const int64_t groups = ag_meta_count(e->in[1].meta);
    for (int64_t g = 0; status == AG_OK && g < groups; g++)
        if (isinf(agx_load(e->in[1].data, dtype, g))) return infinite_weights(e);
    return status;
}

static ag_status weights_vjp(ag_reverse *r) {
    const ag_value dx = ag_mul(ag_dy(r, 0), ag_out(r, 0));
    if (ag_wants(r, 0)) ag_give(r, 0, dx);
    if (ag_wants(r, 1)) ag_give(r, 1, ag_neg(dx));
    return AG_OK;
}

static double weights_cost(const ag_query *q) { return 2 * (double)ag_meta_count(q->in[0]); }

static const char *const weights_partials[] = {"exp(x - y)", "-exp(x - y)"};
static const ag_probe_case weights_cases[] = {
    {NULL, 2, {{AG_F64, 0, {0}, 0, 0}, {AG_F64, 0, {0}, 0, 0}}},
    {NULL, 2, {{AG_F64, 2, {3, 4}, 0, 0}, {AG_F64, 2, {3, 1}, 0, 0}}},
    {NULL, 2, {{AG_F64, 2, {3, 4}, 0, 0}, {AG_F64, 1, {4}, 0, 0}}},
    {NULL, 2, {{AG_F64, 2, {0, 4}, 0, 0}, {AG_F64, 1, {4}, 0, 0}}},
};
static const ag_probe weights_probe = {.lo = {-1, -1}, .hi = {1, 2}, .n_cases = 4, .cases = weights_cases};

const ag_op agx_op_logsumexp_weights = {
    .name = "logsumexp_weights",
    .formula = "exp(x - y)",
    .partials = weights_partials,
    .min_in = 2,
    .max_in = 2,
    .outputs = 1,
    .keeps = AG_OUT(0),
    .infer = weights_infer,
    .forward = weights_forward,
    .vjp = weights_vjp,
    .cost = weights_cost,
    .probe = &weights_probe,
};

ag_value ag_logsumexp(ag_value x, const int *axes, int n_axes, bool keepdim) {
    agx_reduce_attrs a = {.keepdim = keepdim};
    return agx_reduce_record(&agx_op_logsumexp, x, axes, n_axes, &a, &a);
}
