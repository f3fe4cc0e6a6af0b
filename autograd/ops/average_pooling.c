/* average_pooling: means of windows. A mean is linear in x: its gradient is its transpose, a row of its own, whose
 * gradient is the mean again. */
#include "pooling_impl.h"

#include <inttypes.h>

static const char *const mean_partials[] = {"1 / n in the window, else 0"};
static const char *const spread_partials[] = {"1 / n"};

/* The windows of a row that averages planes of size `in`. */
static ag_status mean_windows(const agx_pool_attrs *a, bool adaptive, int axes, const int64_t in[2],
                              agx_windows *w, ag_error *error) {
    return adaptive ? agx_windows_dividing(&a->size, axes, in, w, error) : agx_windows_of(a, axes, in, w, error);
}

static bool is_adaptive(const ag_op *op) {
    return op == &agx_op_adaptive_avg_pool2d || op == &agx_op_adaptive_avg_pool2d_grad;
}

/* ---- means: x (N, C, H, W) to (N, C, H', W') ------------------------------------------------------------------------ */

static ag_status mean_infer(const ag_query *q, ag_meta *out) {
    agx_planes from = {0};
    agx_windows w = {0};
    ag_status status = agx_planes_of(q->in[0], 2, "input", &from, q->error);
    if (status == AG_OK) status = mean_windows(q->attrs, is_adaptive(q->op), 2, from.size, &w, q->error);
    if (status == AG_OK) status = agx_promote_float(q, 1, &out->dtype);
    if (status != AG_OK) return status;
    agx_planes_shape(q->in[0], 2, from.channels, w.out, out);
    return agx_check_size(q, out);
}

static ag_status mean_forward(const ag_eval *e) {
    const agx_pool_attrs *a = e->attrs;
    agx_planes from = {0};
    agx_windows w = {0};
    agx_pooling p = {.dtype = e->out[0].meta->dtype, .divisor = is_adaptive(e->op) ? 0 : a->divisor_override};
    ag_status status = agx_planes_of(e->in[0].meta, 2, "input", &from, e->error);
    if (status == AG_OK) status = mean_windows(a, is_adaptive(e->op), 2, from.size, &w, e->error);
    p.planes = from.batch * from.channels;
    if (status != AG_OK || p.planes == 0) return status;
    status = agx_windows_pooling(e, &w, false, a->count_include_pad, &p);
    return status == AG_OK ? agx_average_pool(&p, e->in[0].data, e->out[0].data, e->work) : status;
}

/* The attributes of a row with the last two dimensions of `meta` as their size. */
static agx_pool_attrs sized(const agx_pool_attrs *a, const ag_meta *meta) {
    agx_pool_attrs out = *a;
    out.size = (ag_ints){2, {meta->dim[meta->rank - 2], meta->dim[meta->rank - 1]}};
    return out;
}

static ag_status mean_vjp(ag_reverse *r) {
    const agx_pool_attrs a = sized(ag_rule_attrs(r), ag_in_meta(r, 0));
    const ag_op *back = is_adaptive(ag_rule_op(r)) ? &agx_op_adaptive_avg_pool2d_grad : &agx_op_avg_pool2d_grad;
    if (ag_wants(r, 0)) ag_give(r, 0, agx_apply1(back, ag_dy(r, 0), &a));
    return AG_OK;
}

static double mean_cost(const ag_query *q) {
    agx_planes from = {0};
    agx_windows w = {0};
    ag_status status = agx_planes_of(q->in[0], 2, "input", &from, NULL);
    if (status == AG_OK) status = mean_windows(q->attrs, is_adaptive(q->op), 2, from.size, &w, NULL);
    return status == AG_OK ? agx_windows_elements(&w, &from) : 0;
}

static const ag_field mean_fields[] = {AGX_WINDOW_FIELDS, AGX_POOL_FIELD(count_include_pad, AG_FIELD_BOOL, 1),
                                       AGX_POOL_FIELD(divisor_override, AG_FIELD_INT, 0)};
static const ag_field adaptive_fields[] = {{"output_size", AG_FIELD_INTS, offsetof(agx_pool_attrs, size), 0}};
#define ATTRS(...)                                                                                                \
    &(const agx_pool_attrs) { __VA_ARGS__ }
#define X(...)                                                                                                    \
    { AG_F64, 4, {__VA_ARGS__}, 0, 0 }
#define X3(...)                                                                                                   \
    { AG_F64, 3, {__VA_ARGS__}, 0, 0 }
#define X2(...)                                                                                                   \
    { AG_F64, 2, {__VA_ARGS__}, 0, 0 }
static const ag_probe_case mean2d_cases[] = {
    {ATTRS({1, {2}}, .count_include_pad = true), 1, {X(2, 2, 4, 5)}},
    {ATTRS({2, {3, 2}}, {1, {2}}, {1, {1}}, .count_include_pad = true, .ceil_mode = true), 1, {X(1, 2, 5, 4)}},
    {ATTRS({2, {3, 2}}, {1, {2}}, {1, {1}}, .ceil_mode = true), 1, {X(1, 2, 5, 4)}},
    {ATTRS({1, {2}}, {1, {1}}, .divisor_override = 3), 1, {X3(2, 3, 3)}},
    {ATTRS(.kernel = {1, {1}}), 1, {X(1, 1, 1, 1)}},
    {ATTRS(.kernel = {1, {2}}), 1, {X(0, 2, 3, 3)}},
};
static const ag_probe_case mean1d_cases[] = {
    {ATTRS({1, {2}}, .count_include_pad = true), 1, {X3(2, 2, 5)}},
    {ATTRS({1, {3}}, {1, {2}}, {1, {1}}, .ceil_mode = true), 1, {X2(2, 6)}},
    {ATTRS(.kernel = {1, {2}}), 1, {X3(0, 2, 3)}},
};
static const ag_probe_case adaptive2d_cases[] = {
    {ATTRS(.size = {2, {2, 3}}), 1, {X(2, 2, 5, 4)}},
    {ATTRS(.size = {1, {1}}), 1, {X3(2, 3, 3)}},
    {ATTRS(.size = {1, {3}}), 1, {X(1, 1, 2, 2)}},
    {ATTRS(.size = {1, {3}}), 1, {X(0, 2, 2, 2)}},
};
static const ag_probe_case adaptive1d_cases[] = {
    {ATTRS(.size = {1, {3}}), 1, {X3(2, 2, 7)}},
    {ATTRS(.size = {1, {1}}), 1, {X2(2, 3)}},
};
static const ag_probe_case spread_cases[] = {
    {ATTRS({1, {2}}, .size = {1, {4}}, .count_include_pad = true), 1, {X(2, 1, 2, 2)}},
    {ATTRS({2, {3, 2}}, {1, {2}}, {1, {1}}, .size = {2, {5, 4}}, .ceil_mode = true), 1, {X(1, 2, 3, 3)}},
    {ATTRS({1, {2}}, .size = {1, {4}}), 1, {X(0, 1, 2, 2)}},
};
static const ag_probe_case adaptive_spread_cases[] = {
    {ATTRS(.size = {2, {5, 4}}), 1, {X(1, 2, 2, 3)}},
    {ATTRS(.size = {1, {2}}), 1, {X3(2, 3, 3)}},
    {ATTRS(.size = {1, {4}}), 1, {X(0, 1, 2, 2)}},
};
#define PROBE(list)                                                                                               \
    { .lo = {-2}, .hi = {2}, .n_cases = sizeof list / sizeof list[0], .cases = list }
static const ag_probe mean2d_probe = PROBE(mean2d_cases), mean1d_probe = PROBE(mean1d_cases);
static const ag_probe adaptive2d_probe = PROBE(adaptive2d_cases), adaptive1d_probe = PROBE(adaptive1d_cases);
static const ag_probe spread_probe = PROBE(spread_cases), adaptive_spread_probe = PROBE(adaptive_spread_cases);

const ag_op agx_op_avg_pool2d = {
    .name = "avg_pool2d",
    .formula = "mean over windows of x",
    .partials = mean_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .traits = AG_TRAIT_LINEAR,
    .attr_size = sizeof(agx_pool_attrs),
    .fields = mean_fields,
    .n_fields = sizeof mean_fields / sizeof mean_fields[0],
    .infer = mean_infer,
    .forward = mean_forward,
    .vjp = mean_vjp,
    .cost = mean_cost,
    .probe = &mean2d_probe,
};

const ag_op agx_op_adaptive_avg_pool2d = {
    .name = "adaptive_avg_pool2d",
    .formula = "mean over parts of x",
    .partials = mean_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .traits = AG_TRAIT_LINEAR,
    .attr_size = sizeof(agx_pool_attrs),
    .fields = adaptive_fields,
    .n_fields = sizeof adaptive_fields / sizeof adaptive_fields[0],
    .infer = mean_infer,
    .forward = mean_forward,
    .vjp = mean_vjp,
    .cost = mean_cost,
    .probe = &adaptive2d_probe,
};

/* ---- their transposes: dy (N, C, H', W') to (N, C, H, W) ------------------------------------------------------------ */

/* The windows of the mean whose gradient this is; its result must have the planes of dy. */
static ag_status spread_windows(const ag_op *op, const agx_pool_attrs *a, const ag_meta *dy, agx_planes *from,
                                agx_windows *w, ag_error *error) {
    int64_t in[2] = {0};
    agx_pool_attrs mean = *a;
    ag_status status = agx_planes_of(dy, 2, "adjoint", from, error);
    if (status == AG_OK) status = agx_numbers_of(&a->size, 2, 0, 1, 1, "input_size", in, error);
    if (status != AG_OK) return status;
    if (is_adaptive(op)) mean = sized(a, dy);
    status = mean_windows(&mean, is_adaptive(op), 2, in, w, error);
    if (status == AG_OK && (w->out[0] != from->size[0] || w->out[1] != from->size[1]))
        status =
            ag_fail(error, AG_ERROR_SHAPE,
                    "the result has planes of (%" PRId64 ", %" PRId64 "), its adjoint (%" PRId64 ", %" PRId64 ")",
                    w->out[0], w->out[1], from->size[0], from->size[1]);
    return status;
}

static ag_status spread_infer(const ag_query *q, ag_meta *out) {
    agx_planes from = {0};
    agx_windows w = {0};
    ag_status status = spread_windows(q->op, q->attrs, q->in[0], &from, &w, q->error);
    if (status == AG_OK) status = agx_promote_float(q, 1, &out->dtype);
    if (status != AG_OK) return status;
    agx_planes_shape(q->in[0], 2, from.channels, w.in, out);
    return agx_check_size(q, out);
}

static ag_status spread_forward(const ag_eval *e) {
    const agx_pool_attrs *a = e->attrs;
    agx_planes from = {0};
    agx_windows w = {0};
    agx_pooling p = {.dtype = e->out[0].meta->dtype, .divisor = is_adaptive(e->op) ? 0 : a->divisor_override};
    ag_status status = spread_windows(e->op, a, e->in[0].meta, &from, &w, e->error);
    p.planes = from.batch * from.channels;
    if (status != AG_OK || p.planes == 0) return status;
    status = agx_windows_pooling(e, &w, false, a->count_include_pad, &p);
    return status == AG_OK ? agx_average_pool_grad(&p, e->in[0].data, e->out[0].data, e->work) : status;
}

static ag_status spread_vjp(ag_reverse *r) {
    const ag_op *mean = is_adaptive(ag_rule_op(r)) ? &agx_op_adaptive_avg_pool2d : &agx_op_avg_pool2d;
    const agx_pool_attrs a = sized(ag_rule_attrs(r), ag_in_meta(r, 0));
    if (ag_wants(r, 0)) ag_give(r, 0, agx_apply1(mean, ag_dy(r, 0), &a));
    return AG_OK;
}

static double spread_cost(const ag_query *q) {
    agx_planes from = {0};
    agx_windows w = {0};
    const ag_status status = spread_windows(q->op, q->attrs, q->in[0], &from, &w, NULL);
    return status == AG_OK ? agx_windows_elements(&w, &from) : 0;
}

static const ag_field spread_fields[] = {AGX_WINDOW_FIELDS,
                                         AGX_POOL_FIELD(count_include_pad, AG_FIELD_BOOL, 1),
                                         AGX_POOL_FIELD(divisor_override, AG_FIELD_INT, 0),
                                         {"input_size", AG_FIELD_INTS, offsetof(agx_pool_attrs, size), 0}};
static const ag_field adaptive_spread_fields[] = {
    {"input_size", AG_FIELD_INTS, offsetof(agx_pool_attrs, size), 0}};

const ag_op agx_op_avg_pool2d_grad = {
    .name = "avg_pool2d_grad",
    .formula = "dx of avg_pool2d from dy",
    .partials = spread_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .traits = AG_TRAIT_LINEAR,
    .attr_size = sizeof(agx_pool_attrs),
    .fields = spread_fields,
    .n_fields = sizeof spread_fields / sizeof spread_fields[0],
    .infer = spread_infer,
    .forward = spread_forward,
    .vjp = spread_vjp,
    .cost = spread_cost,
    .probe = &spread_probe,
};

const ag_op agx_op_adaptive_avg_pool2d_grad = {
    .name = "adaptive_avg_pool2d_grad",
    .formula = "dx of adaptive_avg_pool2d from dy",
    .partials = spread_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .traits = AG_TRAIT_LINEAR,
    .attr_size = sizeof(agx_pool_attrs),
    .fields = adaptive_spread_fields,
    .n_fields = sizeof adaptive_spread_fields / sizeof adaptive_spread_fields[0],
    .infer = spread_infer,
    .forward = spread_forward,
    .vjp = spread_vjp,
    .cost = spread_cost,
    .probe = &adaptive_spread_probe,
};

/* ---- one axis: they decompose --------------------------------------------------------------------------------------- */

static ag_status one_axis(ag_build *b, const ag_op *op, const ag_op *row) {
    agx_planes from = {0};
    agx_windows w = {0};
    ag_error error = {0};
    const agx_pool_attrs *a = ag_build_attrs(b);
    const ag_meta *x = ag_meta_of(ag_build_in(b, 0));
    ag_status status = agx_planes_of(x, 1, "input", &from, &error);
    if (status == AG_OK) status = mean_windows(a, is_adaptive(row), 1, from.size, &w, &error);
    if (status == AG_OK && !ag_dtype_is_float(x->dtype))
        status =
            ag_fail(&error, AG_ERROR_DTYPE, "needs a floating-point operand, got %s", ag_dtype_name(x->dtype));
    if (status != AG_OK) return agx_pool_refuse(b, op, status, &error);
    const agx_pool_attrs attrs = agx_windows_attrs(a, &w);
    ag_build_result(b, agx_pool_one_axis(row, ag_build_in(b, 0), &attrs));
    return AG_OK;
}

static ag_status avg_pool1d_compose(ag_build *b) { return one_axis(b, &agx_op_avg_pool1d, &agx_op_avg_pool2d); }
static ag_status adaptive_avg_pool1d_compose(ag_build *b) {
    return one_axis(b, &agx_op_adaptive_avg_pool1d, &agx_op_adaptive_avg_pool2d);
}

const ag_op agx_op_avg_pool1d = {
    .name = "avg_pool1d",
    .formula = "mean over windows of x",
    .partials = mean_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .traits = AG_TRAIT_LINEAR,
    .attr_size = sizeof(agx_pool_attrs),
    .fields = mean_fields,
    .n_fields = sizeof mean_fields / sizeof mean_fields[0],
    .compose = avg_pool1d_compose,
    .probe = &mean1d_probe,
};

const ag_op agx_op_adaptive_avg_pool1d = {
    .name = "adaptive_avg_pool1d",
    .formula = "mean over parts of x",
    .partials = mean_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .traits = AG_TRAIT_LINEAR,
    .attr_size = sizeof(agx_pool_attrs),
    .fields = adaptive_fields,
    .n_fields = sizeof adaptive_fields / sizeof adaptive_fields[0],
    .compose = adaptive_avg_pool1d_compose,
    .probe = &adaptive1d_probe,
};

ag_value ag_avg_pool2d(ag_value x, const ag_pool_options *options) {
    const agx_pool_attrs a = agx_pool_attrs_from(options);
    return agx_apply1(&agx_op_avg_pool2d, x, &a);
}
ag_value ag_avg_pool1d(ag_value x, const ag_pool_options *options) {
    const agx_pool_attrs a = agx_pool_attrs_from(options);
    return agx_apply1(&agx_op_avg_pool1d, x, &a);
}
ag_value ag_adaptive_avg_pool2d(ag_value x, int64_t height, int64_t width) {
    return agx_apply1(&agx_op_adaptive_avg_pool2d, x, ATTRS(.size = {2, {height, width}}));
}
ag_value ag_adaptive_avg_pool1d(ag_value x, int64_t length) {
    return agx_apply1(&agx_op_adaptive_avg_pool1d, x, ATTRS(.size = {1, {length}}));
}
