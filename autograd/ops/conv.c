/* conv: two-dimensional convolution, and the two rows that are its gradients.
 *
 * conv2d(x, w), conv2d_grad_input(dy, w) and conv2d_grad_weight(x, dy) leave in turn one out of the trilinear form
 * sum of dy x w. So each is bilinear, and its derivatives are the other two: any order of derivative stays among them.
 *
 * Not here: one dimension and transposes, which decompose into these (conv_composed.c). */
#include "../tape_impl.h"
#include "conv_impl.h"

#include <inttypes.h>

/* ---- geometry ------------------------------------------------------------------------------------------------ */

/* in, kernel and batch are set: the attributes, and from all of them the size of the result. */
static ag_status place_kernel(const agx_conv_attrs *a, int axes, agx_conv *g, ag_error *error) {
    ag_status status = agx_numbers_of(&a->stride, axes, 1, 1, 1, "stride", g->stride, error);
    if (status == AG_OK) status = agx_numbers_of(&a->padding, axes, 0, 0, 0, "padding", g->padding, error);
    if (status == AG_OK) status = agx_numbers_of(&a->dilation, axes, 1, 1, 1, "dilation", g->dilation, error);
    if (status != AG_OK) return status;
    for (int k = 0; k < 2; k++) {
        int64_t span;
        if (g->kernel[k] < 1) return ag_fail(error, AG_ERROR_SHAPE, "the kernel is empty");
        if (!ag_int_mul(g->kernel[k] - 1, g->dilation[k], &span) || span >= INT64_MAX / 4 ||
            g->in[k] >= INT64_MAX / 4)
            return ag_fail(error, AG_ERROR_SHAPE, "the kernel or the input is too large");
        span++;
        const int64_t padded = g->in[k] + 2 * g->padding[k];
        if (span > padded)
            return ag_fail(error, AG_ERROR_SHAPE,
                           "the kernel spans %" PRId64 " positions, more than the %" PRId64
                           " of the padded input's %s",
                           span, padded,
                           k == 0      ? "height"
                           : axes == 2 ? "width"
                                       : "length");
        g->out[k] = (padded - span) / g->stride[k] + 1;
    }
    return AG_OK;
}

/* Channels in groups: `per_group` channels of the weight for each group of `all`. */
static ag_status check_groups(const agx_conv_attrs *a, int64_t channels, int64_t filters, ag_error *error) {
    if (a->groups < 1) return ag_fail(error, AG_ERROR_VALUE, "groups must be at least 1, got %" PRId64, a->groups);
    if (channels % a->groups != 0 || filters % a->groups != 0)
        return ag_fail(error, AG_ERROR_SHAPE,
                       "%" PRId64 " groups do not divide %" PRId64 " channels and %" PRId64 " filters", a->groups,
                       channels, filters);
    return AG_OK;
}

static ag_status check_weight(const ag_meta *w, int axes, ag_error *error) {
    if (w->rank == axes + 2) return AG_OK;
    return ag_fail(error, AG_ERROR_SHAPE, "the weight must have rank %d, got %" PRId32, axes + 2, w->rank);
}

static void set_kernel(const ag_meta *w, int axes, agx_conv *g) {
    g->kernel[0] = axes == 2 ? w->dim[2] : 1;
    g->kernel[1] = w->dim[axes + 1];
}

ag_status agx_conv_geometry(const agx_conv_attrs *a, int axes, const ag_meta *x, const ag_meta *w, agx_conv *g,
                            ag_error *error) {
    agx_planes from = {0};
    ag_status status = agx_planes_of(x, axes, "input", &from, error);
    if (status == AG_OK) status = check_weight(w, axes, error);
    if (status == AG_OK) status = check_groups(a, from.channels, w->dim[0], error);
    if (status != AG_OK) return status;
    if (w->dim[1] != from.channels / a->groups)
        return ag_fail(error, AG_ERROR_SHAPE,
                       "the input has %" PRId64 " channels a group, the weight takes %" PRId64,
                       from.channels / a->groups, w->dim[1]);
    *g = (agx_conv){.batch = from.batch,
                    .groups = a->groups,
                    .channels = w->dim[1],
                    .filters = w->dim[0] / a->groups,
                    .in = {from.size[0], from.size[1]}};
    set_kernel(w, axes, g);
    return place_kernel(a, axes, g, error);
}

ag_status agx_conv_check_bias(const ag_meta *bias, int64_t filters, ag_error *error) {
    if (bias->rank == 1 && bias->dim[0] == filters) return AG_OK;
    return ag_fail(error, AG_ERROR_SHAPE, "the bias must have shape (%" PRId64 ")", filters);
}

/* dy may stop short of the last positions that the geometry allows: those of a transpose whose output_padding is larger
 * than its stride. Then these are all there are. */
static ag_status take_adjoint(agx_conv *g, const agx_planes *dy, ag_error *error) {
    if (dy->size[0] > g->out[0] || dy->size[1] > g->out[1] || dy->size[0] < 1 || dy->size[1] < 1)
        return ag_fail(error, AG_ERROR_SHAPE,
                       "the result has planes of (%" PRId64 ", %" PRId64 "), its adjoint (%" PRId64 ", %" PRId64
                       ")",
                       g->out[0], g->out[1], dy->size[0], dy->size[1]);
    for (int k = 0; k < 2; k++) g->out[k] = dy->size[k];
    return AG_OK;
}

/* y, cut to the planes of `like`: the other side of take_adjoint. */
static ag_value cut_to(ag_value y, const ag_meta *like) {
    const ag_meta *have = ag_meta_of(y);
    for (int back = 1; have && back <= 2; back++) {
        const int64_t size = like->dim[like->rank - back];
        if (have->dim[have->rank - back] != size) y = ag_slice(y, -back, 0, size, 1);
    }
    return y;
}

/* The operands in the result's dtype; they are dense already. */
static ag_status operands(const ag_eval *e, agx_local *local) {
    ag_status status = AG_OK;
    for (uint32_t i = 0; i < e->n_in && status == AG_OK; i++)
        status = agx_as_dtype(e, &e->in[i], e->out[0].meta->dtype, &local[i]);
    return status;
}

static ag_status report(const ag_eval *e, ag_status status) {
    if (status == AG_ERROR_MEMORY) return ag_fail(e->error, status, "no memory for the columns of a convolution");
    return status;
}

static double cost_of(const agx_conv *g) {
    return 2.0 * (double)g->batch * (double)g->groups * (double)g->filters * (double)g->channels *
           (double)(g->kernel[0] * g->kernel[1]) * (double)g->out[0] * (double)g->out[1];
}

/* ---- conv2d: x (N, C, H, W), weight (F, C / groups, kh, kw), bias (F) -------------------------------------------- */

static ag_status conv2d_infer(const ag_query *q, ag_meta *out) {
    agx_conv g = {0};
    ag_status status = agx_conv_geometry(q->attrs, 2, q->in[0], q->in[1], &g, q->error);
    if (status == AG_OK && q->n_in == 3) status = agx_conv_check_bias(q->in[2], g.groups * g.filters, q->error);
    if (status == AG_OK) status = agx_promote_float(q, q->n_in, &out->dtype);
    if (status != AG_OK) return status;
    agx_planes_shape(q->in[0], 2, g.groups * g.filters, g.out, out);
    return agx_check_size(q, out);
}

static ag_status conv2d_forward(const ag_eval *e) {
    agx_conv g = {0};
    agx_local in[3];
    ag_status status = agx_conv_geometry(e->attrs, 2, e->in[0].meta, e->in[1].meta, &g, e->error);
    if (status == AG_OK) status = operands(e, in);
    if (status != AG_OK) return status;
    g.dtype = e->out[0].meta->dtype;
    return report(e, agx_conv_run(&g, in[0].array.data, in[1].array.data, e->n_in == 3 ? in[2].array.data : NULL,
                                  e->out[0].data, e->work));
}

/* The attributes with the last two dimensions of `meta` as their size. */
static agx_conv_attrs sized(const agx_conv_attrs *a, const ag_meta *meta) {
    agx_conv_attrs out = *a;
    out.size = (ag_ints){2, {meta->dim[meta->rank - 2], meta->dim[meta->rank - 1]}};
    return out;
}

static agx_conv_attrs unsized(const agx_conv_attrs *a) {
    agx_conv_attrs out = *a;
    out.size = (ag_ints){0};
    return out;
}

/** dx and dw are the other two of the three; db is a sum. Those of parameters go straight to their gradients. */
static ag_status conv2d_vjp(ag_reverse *r) {
    const agx_conv_attrs *a = ag_rule_attrs(r);
    const ag_value dy = ag_dy(r, 0);
    const agx_conv_attrs x_size = sized(a, ag_in_meta(r, 0)), kernel = sized(a, ag_in_meta(r, 1));
    if (ag_wants(r, 0)) ag_give(r, 0, agx_apply2(&agx_op_conv2d_grad_input, dy, ag_in(r, 1), &x_size));
    if (ag_wants(r, 1)) {
        const ag_value x = ag_in(r, 0);
        agx_aim(r, 1);
        ag_give(r, 1, agx_apply2(&agx_op_conv2d_grad_weight, x, dy, &kernel));
    }
    if (ag_in_count(r) == 3 && ag_wants(r, 2)) {
        static const int axes[2][3] = {{1, 2}, {0, 2, 3}};
        const int batch = ag_in_meta(r, 0)->rank - 3;
        agx_aim(r, 2);
        ag_give(r, 2, ag_sum(dy, axes[batch], 2 + batch, false));
    }
    return AG_OK;
}

static double conv2d_cost(const ag_query *q) {
    agx_conv g = {0};
    if (agx_conv_geometry(q->attrs, 2, q->in[0], q->in[1], &g, NULL) != AG_OK) return 0;
    const double sums = (double)g.batch * (double)(g.groups * g.filters) * (double)g.out[0] * (double)g.out[1];
    return cost_of(&g) + (q->n_in == 3 ? sums : 0); /* the bias */
}

static const ag_field conv2d_fields[] = {AGX_CONV_FIELDS};
static const char *const conv2d_partials[] = {"conv2d_grad_input(dy, w)", "conv2d_grad_weight(x, dy)", "sum dy"};
#define ATTRS(...)                                                                                                \
    &(const agx_conv_attrs) { __VA_ARGS__ }
#define X(...)                                                                                                    \
    { AG_F64, 4, {__VA_ARGS__}, 0, 0 }
#define B(n)                                                                                                      \
    { AG_F64, 1, {n}, 0, 0 }
static const ag_probe_case conv2d_cases[] = {
    {ATTRS(.groups = 1), 3, {X(2, 2, 4, 3), X(3, 2, 2, 2), B(3)}},
    {ATTRS({1, {2}}, {1, {1}}, .groups = 1), 2, {X(1, 2, 5, 4), X(2, 2, 3, 2)}},
    {ATTRS({2, {1, 2}}, {2, {2, 0}}, {2, {2, 1}}, .groups = 2), 3, {X(2, 4, 3, 5), X(2, 2, 3, 2), B(2)}},
    {ATTRS(.groups = 1), 3, {{AG_F64, 3, {2, 3, 3}, 0, 0}, X(2, 2, 1, 1), B(2)}},
    {ATTRS({1, {3}}, .groups = 3), 2, {X(1, 3, 4, 4), X(3, 1, 1, 2)}},
    {ATTRS(.groups = 1), 3, {X(1, 1, 1, 1), X(1, 1, 1, 1), B(1)}},
    {ATTRS(.groups = 1), 3, {X(0, 2, 3, 3), X(2, 2, 2, 2), B(2)}},
    {ATTRS(.groups = 1), 3, {X(1, 0, 3, 3), X(2, 0, 2, 2), B(2)}},
};
static const ag_probe conv2d_probe = {.lo = {-2, -2, -2}, .hi = {2, 2, 2}, .n_cases = 8, .cases = conv2d_cases};

const ag_op agx_op_conv2d = {
    .name = "conv2d",
    .formula = "x * w + b",
    .partials = conv2d_partials,
    .min_in = 2,
    .max_in = 3,
    .outputs = 1,
    .keeps = AG_IN(0) | AG_IN(1),
    .attr_size = sizeof(agx_conv_attrs),
    .fields = conv2d_fields,
    .n_fields = 4,
    .infer = conv2d_infer,
    .forward = conv2d_forward,
    .vjp = conv2d_vjp,
    .cost = conv2d_cost,
    .probe = &conv2d_probe,
};

/* ---- conv2d_grad_input: dy (N, F, H', W'), weight (F, C / groups, kh, kw) to (N, C, H, W) ------------------------- */

static ag_status grad_input_geometry(const agx_conv_attrs *a, const ag_meta *dy, const ag_meta *w, agx_conv *g,
                                     ag_error *error) {
    agx_planes to = {0};
    int64_t size[2] = {0}, channels;
    ag_status status = agx_planes_of(dy, 2, "adjoint", &to, error);
    if (status == AG_OK) status = check_weight(w, 2, error);
    if (status == AG_OK) status = check_groups(a, 0, to.channels, error);
    if (status == AG_OK) status = agx_numbers_of(&a->size, 2, 0, 1, 0, "input_size", size, error);
    if (status != AG_OK) return status;
    if (w->dim[0] != to.channels)
        return ag_fail(error, AG_ERROR_SHAPE,
                       "the adjoint has %" PRId64 " channels, the weight %" PRId64 " filters", to.channels,
                       w->dim[0]);
    if (!ag_int_mul(w->dim[1], a->groups, &channels))
        return ag_fail(error, AG_ERROR_SHAPE, "the result has too many channels");
    *g = (agx_conv){.batch = to.batch,
                    .groups = a->groups,
                    .channels = w->dim[1],
                    .filters = to.channels / a->groups,
                    .in = {size[0], size[1]}};
    set_kernel(w, 2, g);
    status = place_kernel(a, 2, g, error);
    return status == AG_OK ? take_adjoint(g, &to, error) : status;
}

static ag_status grad_input_infer(const ag_query *q, ag_meta *out) {
    agx_conv g = {0};
    ag_status status = grad_input_geometry(q->attrs, q->in[0], q->in[1], &g, q->error);
    if (status == AG_OK) status = agx_promote_float(q, 2, &out->dtype);
    if (status != AG_OK) return status;
    agx_planes_shape(q->in[0], 2, g.groups * g.channels, g.in, out);
    return agx_check_size(q, out);
}

static ag_status grad_input_forward(const ag_eval *e) {
    agx_conv g = {0};
    agx_local in[2];
    ag_status status = grad_input_geometry(e->attrs, e->in[0].meta, e->in[1].meta, &g, e->error);
    if (status == AG_OK) status = operands(e, in);
    if (status != AG_OK) return status;
    g.dtype = e->out[0].meta->dtype;
    return report(e, agx_conv_grad_input(&g, in[0].array.data, in[1].array.data, e->out[0].data, e->work));
}

static ag_status grad_input_vjp(ag_reverse *r) {
    const agx_conv_attrs *a = ag_rule_attrs(r);
    const agx_conv_attrs same = unsized(a), kernel = sized(a, ag_in_meta(r, 1));
    const ag_value dx = ag_dy(r, 0); /* shaped like x */
    if (ag_wants(r, 0))
        ag_give(r, 0, cut_to(agx_apply2(&agx_op_conv2d, dx, ag_in(r, 1), &same), ag_in_meta(r, 0)));
    if (ag_wants(r, 1)) {
        const ag_value dy = ag_in(r, 0);
        agx_aim(r, 1);
        ag_give(r, 1, agx_apply2(&agx_op_conv2d_grad_weight, dx, dy, &kernel));
    }
    return AG_OK;
}

static double grad_input_cost(const ag_query *q) {
    agx_conv g = {0};
    return grad_input_geometry(q->attrs, q->in[0], q->in[1], &g, NULL) == AG_OK ? cost_of(&g) : 0;
}

static const ag_field grad_input_fields[] = {AGX_CONV_FIELDS,
                                             {"input_size", AG_FIELD_INTS, offsetof(agx_conv_attrs, size), 0}};
static const char *const grad_input_partials[] = {"conv2d(d, w)", "conv2d_grad_weight(d, dy)"};
static const ag_probe_case grad_input_cases[] = {
    {ATTRS(.size = {2, {4, 3}}, .groups = 1), 2, {X(2, 3, 3, 2), X(3, 2, 2, 2)}},
    {ATTRS({1, {2}}, {1, {1}}, .size = {2, {5, 4}}, .groups = 1), 2, {X(1, 2, 3, 3), X(2, 2, 3, 2)}},
    {ATTRS({2, {1, 2}}, {2, {2, 0}}, {2, {2, 1}}, {2, {3, 5}}, 2), 2, {X(2, 2, 3, 2), X(2, 2, 3, 2)}},
    {ATTRS(.size = {1, {3}}, .groups = 1), 2, {{AG_F64, 3, {2, 3, 3}, 0, 0}, X(2, 2, 1, 1)}},
    {ATTRS(.size = {1, {3}}, .groups = 1), 2, {X(0, 2, 2, 2), X(2, 2, 2, 2)}},
    {ATTRS(.size = {2, {4, 5}}, .groups = 1), 2, {X(1, 2, 2, 3), X(2, 1, 2, 2)}},
};
static const ag_probe grad_input_probe = {.lo = {-2, -2}, .hi = {2, 2}, .n_cases = 6, .cases = grad_input_cases};

const ag_op agx_op_conv2d_grad_input = {
    .name = "conv2d_grad_input",
    .formula = "dx of conv2d from dy and w",
    .partials = grad_input_partials,
    .min_in = 2,
    .max_in = 2,
    .outputs = 1,
    .keeps = AG_IN(0) | AG_IN(1),
    .attr_size = sizeof(agx_conv_attrs),
    .fields = grad_input_fields,
    .n_fields = 5,
    .infer = grad_input_infer,
    .forward = grad_input_forward,
    .vjp = grad_input_vjp,
    .cost = grad_input_cost,
    .probe = &grad_input_probe,
};

/* ---- conv2d_grad_weight: x (N, C, H, W), dy (N, F, H', W') to (F, C / groups, kh, kw) ------------------------------ */

static ag_status grad_weight_geometry(const agx_conv_attrs *a, const ag_meta *x, const ag_meta *dy, agx_conv *g,
                                      ag_error *error) {
    agx_planes from = {0}, to = {0};
    ag_status status = agx_planes_of(x, 2, "input", &from, error);
    if (status == AG_OK) status = agx_planes_of(dy, 2, "adjoint", &to, error);
    if (status != AG_OK) return status;
    if (x->rank != dy->rank || from.batch != to.batch)
        return ag_fail(error, AG_ERROR_SHAPE, "the input and the adjoint have different batches");
    *g = (agx_conv){.batch = from.batch, .groups = a->groups, .in = {from.size[0], from.size[1]}};
    status = check_groups(a, from.channels, to.channels, error);
    if (status == AG_OK) status = agx_numbers_of(&a->size, 2, 0, 1, 1, "kernel_size", g->kernel, error);
    if (status != AG_OK) return status;
    g->channels = from.channels / a->groups;
    g->filters = to.channels / a->groups;
    status = place_kernel(a, 2, g, error);
    return status == AG_OK ? take_adjoint(g, &to, error) : status;
}

static ag_status grad_weight_infer(const ag_query *q, ag_meta *out) {
    agx_conv g = {0};
    ag_status status = grad_weight_geometry(q->attrs, q->in[0], q->in[1], &g, q->error);
    if (status == AG_OK) status = agx_promote_float(q, 2, &out->dtype);
    if (status != AG_OK) return status;
    out->rank = 4;
    out->dim[0] = g.groups * g.filters;
    out->dim[1] = g.channels;
    out->dim[2] = g.kernel[0];
    out->dim[3] = g.kernel[1];
    return agx_check_size(q, out);
}

static ag_status grad_weight_forward(const ag_eval *e) {
    agx_conv g = {0};
    agx_local in[2];
    ag_status status = grad_weight_geometry(e->attrs, e->in[0].meta, e->in[1].meta, &g, e->error);
    if (status == AG_OK) status = operands(e, in);
    if (status != AG_OK) return status;
    g.dtype = e->out[0].meta->dtype;
    return report(e, agx_conv_grad_weight(&g, in[0].array.data, in[1].array.data, e->out[0].data, e->work));
}

static ag_status grad_weight_vjp(ag_reverse *r) {
    const agx_conv_attrs *a = ag_rule_attrs(r);
    const agx_conv_attrs same = unsized(a), x_size = sized(a, ag_in_meta(r, 0));
    const ag_value dw = ag_dy(r, 0); /* shaped like the weight */
    if (ag_wants(r, 0)) ag_give(r, 0, agx_apply2(&agx_op_conv2d_grad_input, ag_in(r, 1), dw, &x_size));
    if (ag_wants(r, 1))
        ag_give(r, 1, cut_to(agx_apply2(&agx_op_conv2d, ag_in(r, 0), dw, &same), ag_in_meta(r, 1)));
    return AG_OK;
}

static double grad_weight_cost(const ag_query *q) {
    agx_conv g = {0};
    return grad_weight_geometry(q->attrs, q->in[0], q->in[1], &g, NULL) == AG_OK ? cost_of(&g) : 0;
}

static const ag_field grad_weight_fields[] = {AGX_CONV_FIELDS,
                                              {"kernel_size", AG_FIELD_INTS, offsetof(agx_conv_attrs, size), 0}};
static const char *const grad_weight_partials[] = {"conv2d_grad_input(dy, d)", "conv2d(x, d)"};
static const ag_probe_case grad_weight_cases[] = {
    {ATTRS(.size = {1, {2}}, .groups = 1), 2, {X(2, 2, 4, 3), X(2, 3, 3, 2)}},
    {ATTRS({1, {2}}, {1, {1}}, .size = {2, {3, 2}}, .groups = 1), 2, {X(1, 2, 5, 4), X(1, 2, 3, 3)}},
    {ATTRS({2, {1, 2}}, {2, {2, 0}}, {2, {2, 1}}, {2, {3, 2}}, 2), 2, {X(2, 4, 3, 5), X(2, 2, 3, 2)}},
    {ATTRS(.size = {1, {1}}, .groups = 1), 2, {{AG_F64, 3, {2, 3, 3}, 0, 0}, {AG_F64, 3, {2, 3, 3}, 0, 0}}},
    {ATTRS(.size = {1, {2}}, .groups = 1), 2, {X(0, 2, 3, 3), X(0, 2, 2, 2)}},
    {ATTRS(.size = {1, {2}}, .groups = 1), 2, {X(1, 2, 3, 4), X(1, 2, 1, 2)}},
};
static const ag_probe grad_weight_probe = {.lo = {-2, -2}, .hi = {2, 2}, .n_cases = 6, .cases = grad_weight_cases};
#undef ATTRS
#undef X
#undef B

const ag_op agx_op_conv2d_grad_weight = {
    .name = "conv2d_grad_weight",
    .formula = "dw of conv2d from x and dy",
    .partials = grad_weight_partials,
    .min_in = 2,
    .max_in = 2,
    .outputs = 1,
    .keeps = AG_IN(0) | AG_IN(1),
    .attr_size = sizeof(agx_conv_attrs),
    .fields = grad_weight_fields,
    .n_fields = 5,
    .infer = grad_weight_infer,
    .forward = grad_weight_forward,
    .vjp = grad_weight_vjp,
    .cost = grad_weight_cost,
    .probe = &grad_weight_probe,
};
