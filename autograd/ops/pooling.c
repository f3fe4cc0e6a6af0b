/* pooling: windows, and the operations that take the largest element of each.
 *
 * A maximum remembers where each element lay. Its gradient puts adjoints there (max_pool2d_scatter), whose gradient takes
 * them from there (max_pool2d_gather), and the other way round: any order of derivative. max_pool2d itself is the first
 * output of max_pool2d_with_indices.
 *
 * Not here: averages (average_pooling.c). */
#include "../tape_impl.h"
#include "pooling_impl.h"

#include <inttypes.h>

/* ---- windows --------------------------------------------------------------------------------------------------- */

static ag_status check_planes(const int64_t in[2], ag_error *error) {
    if (in[0] > 0 && in[1] > 0) return AG_OK;
    return ag_fail(error, AG_ERROR_SHAPE, "an axis that is pooled is empty");
}

/* PyTorch's rule: with ceil_mode the last window must begin inside the input or the padding before it. */
static int64_t windows_on(const agx_windows *w, int k, int64_t span, bool ceil_mode) {
    const int64_t room = w->in[k] + 2 * w->padding[k] - span;
    if (room < 0 && (!ceil_mode || room + w->stride[k] - 1 < 0)) return 0;
    int64_t n = (room + (ceil_mode ? w->stride[k] - 1 : 0)) / w->stride[k] + 1;
    if (ceil_mode && (n - 1) * w->stride[k] >= w->in[k] + w->padding[k]) n--;
    return n;
}

ag_status agx_windows_of(const agx_pool_attrs *a, int axes, const int64_t in[2], agx_windows *w, ag_error *error) {
    *w = (agx_windows){.in = {in[0], in[1]}};
    ag_status status = check_planes(in, error);
    if (status == AG_OK) status = agx_numbers_of(&a->kernel, axes, 0, 1, 1, "kernel", w->kernel, error);
    if (status == AG_OK)
        status = agx_numbers_of(a->stride.n ? &a->stride : &a->kernel, axes, 0, 1, 1, "stride", w->stride, error);
    if (status == AG_OK) status = agx_numbers_of(&a->padding, axes, 0, 0, 0, "padding", w->padding, error);
    if (status == AG_OK) status = agx_numbers_of(&a->dilation, axes, 1, 1, 1, "dilation", w->dilation, error);
    if (status != AG_OK) return status;
    for (int k = 0; k < 2; k++) {
        const int64_t span = (w->kernel[k] - 1) * w->dilation[k] + 1; /* both are below 2^31 */
        if (2 * w->padding[k] > w->kernel[k])
            return ag_fail(error, AG_ERROR_VALUE,
                           "padding must be at most half the kernel, got %" PRId64 " for a kernel of %" PRId64,
                           w->padding[k], w->kernel[k]);
        if (in[k] > INT64_MAX / 4) return ag_fail(error, AG_ERROR_SHAPE, "the input is too large");
        w->out[k] = windows_on(w, k, span, a->ceil_mode);
        if (w->out[k] < 1)
            return ag_fail(error, AG_ERROR_SHAPE,
                           "the kernel spans %" PRId64 " positions, more than the %" PRId64
                           " of the padded input's %s",
                           span, in[k] + 2 * w->padding[k],
                           k == 0      ? "height"
                           : axes == 2 ? "width"
                                       : "length");
    }
    return AG_OK;
}

ag_status agx_windows_dividing(const ag_ints *size, int axes, const int64_t in[2], agx_windows *w,
                               ag_error *error) {
    *w = (agx_windows){.adaptive = true, .in = {in[0], in[1]}, .dilation = {1, 1}};
    ag_status status = check_planes(in, error);
    if (status != AG_OK) return status;
    if (size->n == 0) return ag_fail(error, AG_ERROR_VALUE, "output_size is missing");
    for (int k = 0; k < 2; k++)
        if (in[k] > INT32_MAX) return ag_fail(error, AG_ERROR_SHAPE, "the input is too large");
    return agx_numbers_of(size, axes, 0, 1, 0, "output_size", w->out, error);
}

agx_pool_attrs agx_windows_attrs(const agx_pool_attrs *a, const agx_windows *w) {
    agx_pool_attrs out = *a;
    if (w->adaptive) {
        out.size = (ag_ints){2, {w->out[0], w->out[1]}};
        return out;
    }
    out.kernel = (ag_ints){2, {w->kernel[0], w->kernel[1]}};
    out.stride = (ag_ints){2, {w->stride[0], w->stride[1]}};
    out.padding = (ag_ints){2, {w->padding[0], w->padding[1]}};
    out.dilation = (ag_ints){2, {w->dilation[0], w->dilation[1]}};
    return out;
}

/* Window i along axis k, cut to what lies inside the input. */
static agx_span span_of(const agx_windows *w, int k, int64_t i, bool count_padding) {
    const int64_t in = w->in[k], step = w->dilation[k];
    agx_span s;
    if (w->adaptive) {
        s.first = i * in / w->out[k];
        s.end = ((i + 1) * in + w->out[k] - 1) / w->out[k];
        s.weight = s.end - s.first;
        return s;
    }
    s.first = i * w->stride[k] - w->padding[k];
    s.end = s.first + (w->kernel[k] - 1) * step + 1;
    if (s.end > in + w->padding[k]) s.end = in + w->padding[k];
    s.weight = s.end - s.first; /* with the padding */
    if (s.first < 0) s.first += (-s.first + step - 1) / step * step;
    if (s.end > in) s.end = in;
    if (!count_padding) s.weight = s.end - s.first;
    return s;
}

ag_status agx_windows_pooling(const ag_eval *e, const agx_windows *w, bool maximum, bool count_padding,
                              agx_pooling *p) {
    size_t bytes;
    agx_span *spans = NULL; /* (out[0] + out[1]) */
    if (ag_size_mul((size_t)(w->out[0] + w->out[1]), sizeof *spans, &bytes)) spans = ag_scratch(e->work, bytes);
    if (!spans) return ag_fail(e->error, AG_ERROR_MEMORY, "no memory for the windows");
    for (int k = 0; k < 2; k++) {
        agx_span *at = spans + (k == 0 ? 0 : w->out[0]);
        for (int64_t i = 0; i < w->out[k]; i++) {
            at[i] = span_of(w, k, i, count_padding);
            if (maximum && at[i].first >= at[i].end)
                return ag_fail(e->error, AG_ERROR_SHAPE, "window %" PRId64 " holds no element: nothing is largest",
                               i);
        }
        p->span[k] = at;
        p->in[k] = w->in[k];
        p->out[k] = w->out[k];
        p->step[k] = w->dilation[k];
    }
    return AG_OK;
}

ag_value agx_pool_one_axis(const ag_op *op, ag_value x, const agx_pool_attrs *a) {
    return ag_squeeze(agx_apply1(op, ag_unsqueeze(x, -2), a), -2);
}

ag_status agx_pool_refuse(const ag_build *b, const ag_op *op, ag_status status, const ag_error *error) {
    const ag_value x = ag_build_in(b, 0);
    return agx_operation_error(ag_build_tape(b), op, &x, 1, status, error->message);
}

agx_pool_attrs agx_pool_attrs_from(const ag_pool_options *o) {
    if (!o) return (agx_pool_attrs){.count_include_pad = true};
    return (agx_pool_attrs){.kernel = o->kernel,
                            .stride = o->stride,
                            .padding = o->padding,
                            .dilation = o->dilation,
                            .divisor_override = o->divisor_override,
                            .ceil_mode = o->ceil_mode,
                            .count_include_pad = !o->count_exclude_pad};
}

/* ---- maxima with their indices: x (N, C, H, W) to y and index (N, C, H', W') --------------------------------------- */

static ag_status max_windows(const ag_op *op, const agx_pool_attrs *a, const ag_meta *x, int axes,
                             agx_planes *from, agx_windows *w, ag_error *error) {
    ag_status status = agx_planes_of(x, axes, "input", from, error);
    if (status != AG_OK) return status;
    if (op == &agx_op_adaptive_max_pool2d_with_indices)
        return agx_windows_dividing(&a->size, axes, from->size, w, error);
    return agx_windows_of(a, axes, from->size, w, error);
}

static ag_status max_infer(const ag_query *q, ag_meta *out) {
    agx_planes from = {0};
    agx_windows w = {0};
    ag_status status = max_windows(q->op, q->attrs, q->in[0], 2, &from, &w, q->error);
    if (status == AG_OK) status = agx_promote_float(q, 1, &out[0].dtype);
    if (status != AG_OK) return status;
    agx_planes_shape(q->in[0], 2, from.channels, w.out, &out[0]);
    agx_planes_shape(q->in[0], 2, from.channels, w.out, &out[1]);
    out[1].dtype = AG_I64;
    status = agx_check_size(q, &out[0]);
    return status == AG_OK ? agx_check_size(q, &out[1]) : status;
}

static ag_status max_forward(const ag_eval *e) {
    agx_planes from = {0};
    agx_windows w = {0};
    agx_pooling p = {.dtype = e->out[0].meta->dtype};
    ag_status status = max_windows(e->op, e->attrs, e->in[0].meta, 2, &from, &w, e->error);
    p.planes = from.batch * from.channels;
    if (status != AG_OK || p.planes == 0) return status;
    status = agx_windows_pooling(e, &w, true, false, &p);
    return status == AG_OK ? agx_max_pool(&p, e->in[0].data, e->out[0].data, e->out[1].data, e->work) : status;
}

/* The attributes of a scatter into planes like those of `meta`. */
static agx_pool_attrs scatter_into(const ag_meta *meta) {
    return (agx_pool_attrs){.size = {2, {meta->dim[meta->rank - 2], meta->dim[meta->rank - 1]}}};
}

static ag_status max_vjp(ag_reverse *r) {
    const agx_pool_attrs into = scatter_into(ag_in_meta(r, 0));
    if (ag_wants(r, 0)) ag_give(r, 0, agx_apply2(&agx_op_max_pool2d_scatter, ag_dy(r, 0), ag_out(r, 1), &into));
    return AG_OK;
}

static double max_cost(const ag_query *q) {
    agx_planes from = {0};
    agx_windows w = {0};
    const ag_status status = max_windows(q->op, q->attrs, q->in[0], 2, &from, &w, NULL);
    return status == AG_OK ? agx_windows_elements(&w, &from) : 0;
}

static const ag_field max_fields[] = {AGX_WINDOW_FIELDS, AGX_POOL_FIELD(dilation, AG_FIELD_INTS, 0)};
static const ag_field adaptive_fields[] = {{"output_size", AG_FIELD_INTS, offsetof(agx_pool_attrs, size), 0}};
static const char *const max_partials[] = {"1 for the first largest of a window, else 0"};
#define ATTRS(...)                                                                                                \
    &(const agx_pool_attrs) { __VA_ARGS__ }
#define X(...)                                                                                                    \
    { AG_F64, 4, {__VA_ARGS__}, 0, 0 }
#define X3(...)                                                                                                   \
    { AG_F64, 3, {__VA_ARGS__}, 0, 0 }
#define X2(...)                                                                                                   \
    { AG_F64, 2, {__VA_ARGS__}, 0, 0 }
static const ag_probe_case max2d_cases[] = {
    {ATTRS(.kernel = {1, {2}}), 1, {X(2, 2, 4, 5)}},
    {ATTRS({2, {3, 2}}, {1, {2}}, {2, {1, 0}}, .ceil_mode = true), 1, {X(1, 2, 5, 4)}},
    {ATTRS({1, {2}}, {1, {1}}, {1, {1}}, .dilation = {2, {2, 1}}), 1, {X3(2, 4, 3)}},
    {ATTRS(.kernel = {1, {1}}), 1, {X(1, 1, 1, 1)}},
    {ATTRS(.kernel = {1, {2}}), 1, {X(0, 2, 3, 3)}},
};
static const ag_probe_case max1d_cases[] = {
    {ATTRS(.kernel = {1, {2}}), 1, {X3(2, 2, 5)}},
    {ATTRS({1, {3}}, {1, {2}}, {1, {1}}, {1, {2}}, .ceil_mode = true), 1, {X2(2, 7)}},
    {ATTRS(.kernel = {1, {2}}), 1, {X3(0, 2, 3)}},
};
static const ag_probe_case adaptive_cases[] = {
    {ATTRS(.size = {2, {2, 3}}), 1, {X(1, 2, 5, 4)}},
    {ATTRS(.size = {1, {1}}), 1, {X3(2, 3, 3)}},
    {ATTRS(.size = {1, {3}}), 1, {X(0, 2, 2, 2)}},
};
#define PROBE(list)                                                                                               \
    { .avoid = AG_AVOID_TIES, .lo = {-2}, .hi = {2}, .n_cases = sizeof list / sizeof list[0], .cases = list }
static const ag_probe max2d_probe = PROBE(max2d_cases), max1d_probe = PROBE(max1d_cases);
static const ag_probe adaptive_probe = PROBE(adaptive_cases);

const ag_op agx_op_max_pool2d_with_indices = {
    .name = "max_pool2d_with_indices",
    .formula = "max over windows of x",
    .partials = max_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 2,
    .keeps = AG_OUT(1),
    .attr_size = sizeof(agx_pool_attrs),
    .fields = max_fields,
    .n_fields = 5,
    .infer = max_infer,
    .forward = max_forward,
    .vjp = max_vjp,
    .cost = max_cost,
    .probe = &max2d_probe,
};

const ag_op agx_op_adaptive_max_pool2d_with_indices = {
    .name = "adaptive_max_pool2d_with_indices",
    .formula = "max over parts of x",
    .partials = max_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 2,
    .keeps = AG_OUT(1),
    .attr_size = sizeof(agx_pool_attrs),
    .fields = adaptive_fields,
    .n_fields = 1,
    .infer = max_infer,
    .forward = max_forward,
    .vjp = max_vjp,
    .cost = max_cost,
    .probe = &adaptive_probe,
};

/* ---- maxima alone: they decompose ------------------------------------------------------------------------------------ */

/* Under its own name: the inner row would complain under another. */
static ag_status check_max(const ag_build *b, const ag_op *op, const ag_op *row, int axes, agx_windows *w) {
    agx_planes from = {0};
    ag_error error = {0};
    const ag_meta *x = ag_meta_of(ag_build_in(b, 0));
    ag_status status = max_windows(row, ag_build_attrs(b), x, axes, &from, w, &error);
    if (status == AG_OK && !ag_dtype_is_float(x->dtype))
        status =
            ag_fail(&error, AG_ERROR_DTYPE, "needs a floating-point operand, got %s", ag_dtype_name(x->dtype));
    return status == AG_OK ? AG_OK : agx_pool_refuse(b, op, status, &error);
}

static ag_status max_pool2d_compose(ag_build *b) {
    agx_windows w = {0};
    const ag_op *row = &agx_op_max_pool2d_with_indices;
    ag_status status = check_max(b, &agx_op_max_pool2d, row, 2, &w);
    if (status == AG_OK) ag_build_result(b, agx_apply1(row, ag_build_in(b, 0), ag_build_attrs(b)));
    return status;
}

static ag_status max_pool1d_compose(ag_build *b) {
    agx_windows w = {0};
    const ag_op *row = &agx_op_max_pool2d_with_indices;
    ag_status status = check_max(b, &agx_op_max_pool1d, row, 1, &w);
    if (status != AG_OK) return status;
    const agx_pool_attrs attrs = agx_windows_attrs(ag_build_attrs(b), &w);
    ag_build_result(b, agx_pool_one_axis(row, ag_build_in(b, 0), &attrs));
    return AG_OK;
}

static ag_status adaptive_max_pool2d_compose(ag_build *b) {
    agx_windows w = {0};
    const ag_op *row = &agx_op_adaptive_max_pool2d_with_indices;
    ag_status status = check_max(b, &agx_op_adaptive_max_pool2d, row, 2, &w);
    if (status == AG_OK) ag_build_result(b, agx_apply1(row, ag_build_in(b, 0), ag_build_attrs(b)));
    return status;
}

const ag_op agx_op_max_pool2d = {
    .name = "max_pool2d",
    .formula = "max over windows of x",
    .partials = max_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .attr_size = sizeof(agx_pool_attrs),
    .fields = max_fields,
    .n_fields = sizeof max_fields / sizeof max_fields[0],
    .compose = max_pool2d_compose,
    .probe = &max2d_probe,
};

const ag_op agx_op_max_pool1d = {
    .name = "max_pool1d",
    .formula = "max over windows of x",
    .partials = max_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .attr_size = sizeof(agx_pool_attrs),
    .fields = max_fields,
    .n_fields = sizeof max_fields / sizeof max_fields[0],
    .compose = max_pool1d_compose,
    .probe = &max1d_probe,
};

const ag_op agx_op_adaptive_max_pool2d = {
    .name = "adaptive_max_pool2d",
    .formula = "max over parts of x",
    .partials = max_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .attr_size = sizeof(agx_pool_attrs),
    .fields = adaptive_fields,
    .n_fields = sizeof adaptive_fields / sizeof adaptive_fields[0],
    .compose = adaptive_max_pool2d_compose,
    .probe = &adaptive_probe,
};

ag_value ag_max_pool2d(ag_value x, const ag_pool_options *options) {
    const agx_pool_attrs a = agx_pool_attrs_from(options);
    return agx_apply1(&agx_op_max_pool2d, x, &a);
}
ag_value ag_max_pool2d_with_indices(ag_value x, const ag_pool_options *options, ag_value *index) {
    const agx_pool_attrs a = agx_pool_attrs_from(options);
    const ag_value y = agx_apply1(&agx_op_max_pool2d_with_indices, x, &a);
    *index = ag_output(y, 1);
    return y;
}
ag_value ag_max_pool1d(ag_value x, const ag_pool_options *options) {
    const agx_pool_attrs a = agx_pool_attrs_from(options);
    return agx_apply1(&agx_op_max_pool1d, x, &a);
}
ag_value ag_adaptive_max_pool2d(ag_value x, int64_t height, int64_t width) {
    return agx_apply1(&agx_op_adaptive_max_pool2d, x, ATTRS(.size = {2, {height, width}}));
}
