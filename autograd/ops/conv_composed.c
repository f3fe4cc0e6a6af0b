/* conv_composed: the convolutions that decompose - one dimension, as two of height 1, and transposes, as the gradient of
 * a convolution by its input. Each is checked under its own name before anything is recorded. */
#include "../tape_impl.h"
#include "conv_impl.h"

#include <inttypes.h>

/* The attributes of one axis as those of two. */
static agx_conv_attrs as_two_axes(const agx_conv *g) {
    return (agx_conv_attrs){.stride = {2, {g->stride[0], g->stride[1]}},
                            .padding = {2, {g->padding[0], g->padding[1]}},
                            .dilation = {2, {g->dilation[0], g->dilation[1]}},
                            .groups = g->groups};
}

static ag_status refuse(const ag_build *b, const ag_op *op, ag_status status, const ag_error *error) {
    ag_value in[3];
    const uint32_t n = ag_build_count(b);
    for (uint32_t i = 0; i < n; i++) in[i] = ag_build_in(b, i);
    return agx_operation_error(ag_build_tape(b), op, in, n, status, error->message);
}

static const ag_meta *meta_of(const ag_build *b, uint32_t i) { return ag_meta_of(ag_build_in(b, i)); }

/* ---- conv1d ---------------------------------------------------------------------------------------------------- */

static ag_status conv1d_compose(ag_build *b) {
    agx_conv g = {0};
    ag_error error = {0};
    const uint32_t n = ag_build_count(b);
    ag_status status = agx_conv_geometry(ag_build_attrs(b), 1, meta_of(b, 0), meta_of(b, 1), &g, &error);
    if (status == AG_OK && n == 3) status = agx_conv_check_bias(meta_of(b, 2), g.groups * g.filters, &error);
    if (status != AG_OK) return refuse(b, &agx_op_conv1d, status, &error);
    const agx_conv_attrs attrs = as_two_axes(&g);
    const ag_value in[3] = {ag_unsqueeze(ag_build_in(b, 0), -2), ag_unsqueeze(ag_build_in(b, 1), -2),
                            ag_build_in(b, 2)};
    ag_build_result(b, ag_squeeze(ag_apply(NULL, &agx_op_conv2d, in, n, &attrs), -2));
    return AG_OK;
}

static const ag_field conv1d_fields[] = {AGX_CONV_FIELDS};
static const char *const conv_partials[] = {"dy * w, turned around", "x * dy", "sum dy"};
#define ATTRS(...)                                                                                                \
    &(const agx_conv_attrs) { __VA_ARGS__ }
#define X(...)                                                                                                    \
    { AG_F64, 3, {__VA_ARGS__}, 0, 0 }
#define X2(...)                                                                                                   \
    { AG_F64, 2, {__VA_ARGS__}, 0, 0 }
#define X4(...)                                                                                                   \
    { AG_F64, 4, {__VA_ARGS__}, 0, 0 }
#define B(n)                                                                                                      \
    { AG_F64, 1, {n}, 0, 0 }
static const ag_probe_case conv1d_cases[] = {
    {ATTRS(.groups = 1), 3, {X(2, 2, 5), X(3, 2, 3), B(3)}},
    {ATTRS({1, {2}}, {1, {2}}, {1, {2}}, .groups = 2), 2, {X(1, 4, 6), X(2, 2, 3)}},
    {ATTRS(.groups = 1), 3, {X2(2, 4), X(2, 2, 1), B(2)}},
    {ATTRS(.groups = 1), 3, {X(0, 2, 4), X(2, 2, 3), B(2)}},
};
static const ag_probe conv1d_probe = {.lo = {-2, -2, -2}, .hi = {2, 2, 2}, .n_cases = 4, .cases = conv1d_cases};

const ag_op agx_op_conv1d = {
    .name = "conv1d",
    .formula = "x * w + b",
    .partials = conv_partials,
    .min_in = 2,
    .max_in = 3,
    .outputs = 1,
    .attr_size = sizeof(agx_conv_attrs),
    .fields = conv1d_fields,
    .n_fields = 4,
    .compose = conv1d_compose,
    .probe = &conv1d_probe,
};

/* ---- transposes ------------------------------------------------------------------------------------------------- */

/* The convolution whose gradient this is: it goes from the planes of the result to those of x. */
static ag_status transposed(const agx_conv_attrs *a, int axes, const ag_meta *x, const ag_meta *w, agx_conv *g,
                            ag_error *error) {
    agx_planes from = {0};
    int64_t extra[2] = {0};
    ag_status status = agx_planes_of(x, axes, "input", &from, error);
    if (status == AG_OK) status = agx_numbers_of(&a->stride, axes, 1, 1, 1, "stride", g->stride, error);
    if (status == AG_OK) status = agx_numbers_of(&a->padding, axes, 0, 0, 0, "padding", g->padding, error);
    if (status == AG_OK) status = agx_numbers_of(&a->dilation, axes, 1, 1, 1, "dilation", g->dilation, error);
    if (status == AG_OK) status = agx_numbers_of(&a->size, axes, 0, 0, 0, "output_padding", extra, error);
    if (status != AG_OK) return status;
    if (a->groups < 1) return ag_fail(error, AG_ERROR_VALUE, "groups must be at least 1, got %" PRId64, a->groups);
    if (w->rank != axes + 2)
        return ag_fail(error, AG_ERROR_SHAPE, "the weight must have rank %d, got %" PRId32, axes + 2, w->rank);
    if (w->dim[0] != from.channels)
        return ag_fail(error, AG_ERROR_SHAPE, "the input has %" PRId64 " channels, the weight takes %" PRId64,
                       from.channels, w->dim[0]);
    if (from.channels % a->groups != 0)
        return ag_fail(error, AG_ERROR_SHAPE, "%" PRId64 " groups do not divide %" PRId64 " channels", a->groups,
                       from.channels);
    g->groups = a->groups;
    if (!ag_int_mul(w->dim[1], g->groups, &g->channels))
        return ag_fail(error, AG_ERROR_SHAPE, "the result has too many channels");
    for (int k = 2 - axes; k < 2; k++) {
        const int64_t kernel = w->dim[axes == 2 ? 2 + k : 2];
        int64_t steps, span;
        if (extra[k] >= g->stride[k] && extra[k] >= g->dilation[k])
            return ag_fail(error, AG_ERROR_VALUE,
                           "output_padding must be smaller than stride or dilation, got %" PRId64, extra[k]);
        if (kernel < 1 || from.size[k] < 1)
            return ag_fail(error, AG_ERROR_SHAPE, "the %s is empty", kernel < 1 ? "kernel" : "input's plane");
        if (!ag_int_mul(from.size[k] - 1, g->stride[k], &steps) ||
            !ag_int_mul(kernel - 1, g->dilation[k], &span) || steps > INT32_MAX || span > INT32_MAX)
            return ag_fail(error, AG_ERROR_SHAPE, "the result is too large");
        g->in[k] = steps - 2 * g->padding[k] + span + extra[k] + 1;
        if (g->in[k] < 1)
            return ag_fail(error, AG_ERROR_SHAPE,
                           "padding of %" PRId64 " leaves %" PRId64 " positions of the result", g->padding[k],
                           g->in[k]);
    }
    if (axes == 1) g->in[0] = 1;
    return AG_OK;
}

static ag_status transpose_compose(ag_build *b, const ag_op *op, int axes) {
    agx_conv g = {0};
    ag_error error = {0};
    const bool biased = ag_build_count(b) == 3;
    ag_status status = transposed(ag_build_attrs(b), axes, meta_of(b, 0), meta_of(b, 1), &g, &error);
    if (status == AG_OK && biased) status = agx_conv_check_bias(meta_of(b, 2), g.channels, &error);
    if (status != AG_OK) return refuse(b, op, status, &error);
    ag_value x = ag_build_in(b, 0), w = ag_build_in(b, 1);
    if (axes == 1) {
        x = ag_unsqueeze(x, -2);
        w = ag_unsqueeze(w, -2);
    }
    agx_conv_attrs attrs = as_two_axes(&g);
    attrs.size = (ag_ints){2, {g.in[0], g.in[1]}};
    ag_value y = agx_apply2(&agx_op_conv2d_grad_input, x, w, &attrs);
    if (axes == 1) y = ag_squeeze(y, -2);
    if (biased) {
        const int64_t column[3] = {g.channels, 1, 1};
        y = ag_add(y, ag_reshape(ag_build_in(b, 2), 1 + axes, column));
    }
    ag_build_result(b, y);
    return AG_OK;
}

static ag_status conv_transpose1d_compose(ag_build *b) {
    return transpose_compose(b, &agx_op_conv_transpose1d, 1);
}
static ag_status conv_transpose2d_compose(ag_build *b) {
    return transpose_compose(b, &agx_op_conv_transpose2d, 2);
}

static const ag_field transpose_fields[] = {AGX_CONV_FIELDS,
                                            {"output_padding", AG_FIELD_INTS, offsetof(agx_conv_attrs, size), 0}};
static const ag_probe_case transpose1d_cases[] = {
    {ATTRS(.groups = 1), 3, {X(2, 3, 3), X(3, 2, 3), B(2)}},
    {ATTRS({1, {2}}, {1, {1}}, {1, {2}}, {1, {1}}, 2), 2, {X(1, 4, 3), X(4, 1, 3)}},
    {ATTRS(.groups = 1), 3, {X2(2, 4), X(2, 2, 1), B(2)}},
};
static const ag_probe_case transpose2d_cases[] = {
    {ATTRS(.groups = 1), 3, {X4(2, 2, 2, 3), X4(2, 3, 2, 2), B(3)}},
    {ATTRS({1, {2}}, {1, {1}}, .size = {2, {1, 0}}, .groups = 1), 2, {X4(1, 2, 3, 2), X4(2, 2, 3, 3)}},
    {ATTRS({2, {1, 2}}, {2, {0, 1}}, {2, {2, 1}}, {0}, 2), 3, {X4(1, 4, 2, 3), X4(4, 1, 2, 3), B(2)}},
    {ATTRS(.groups = 1), 3, {X(2, 2, 2), X4(2, 2, 1, 2), B(2)}},
    {ATTRS(.groups = 1), 3, {X4(0, 2, 2, 2), X4(2, 2, 2, 2), B(2)}},
};
#undef ATTRS
#undef X
#undef X2
#undef X4
#undef B
static const ag_probe transpose1d_probe = {
    .lo = {-2, -2, -2}, .hi = {2, 2, 2}, .n_cases = 3, .cases = transpose1d_cases};
static const ag_probe transpose2d_probe = {
    .lo = {-2, -2, -2}, .hi = {2, 2, 2}, .n_cases = 5, .cases = transpose2d_cases};
static const char *const transpose_partials[] = {"dy * w", "dy * x", "sum dy"};

const ag_op agx_op_conv_transpose1d = {
    .name = "conv_transpose1d",
    .formula = "x * w, transposed, + b",
    .partials = transpose_partials,
    .min_in = 2,
    .max_in = 3,
    .outputs = 1,
    .attr_size = sizeof(agx_conv_attrs),
    .fields = transpose_fields,
    .n_fields = 5,
    .compose = conv_transpose1d_compose,
    .probe = &transpose1d_probe,
};

const ag_op agx_op_conv_transpose2d = {
    .name = "conv_transpose2d",
    .formula = "x * w, transposed, + b",
    .partials = transpose_partials,
    .min_in = 2,
    .max_in = 3,
    .outputs = 1,
    .attr_size = sizeof(agx_conv_attrs),
    .fields = transpose_fields,
    .n_fields = 5,
    .compose = conv_transpose2d_compose,
    .probe = &transpose2d_probe,
};

/* ---- the public functions ------------------------------------------------------------------------------------------ */

static ag_value record(const ag_op *op, ag_value x, ag_value w, ag_value bias, const ag_conv_options *o) {
    const ag_value in[3] = {x, w, bias};
    agx_conv_attrs a = {.groups = 1};
    if (o) a = (agx_conv_attrs){o->stride, o->padding, o->dilation, {0}, o->groups ? o->groups : 1};
    if (o && op->n_fields == 5) a.size = o->output_padding;
    return ag_apply(NULL, op, in, bias.tape ? 3 : 2, &a);
}

ag_value ag_conv1d(ag_value x, ag_value weight, ag_value bias, const ag_conv_options *options) {
    return record(&agx_op_conv1d, x, weight, bias, options);
}
ag_value ag_conv2d(ag_value x, ag_value weight, ag_value bias, const ag_conv_options *options) {
    return record(&agx_op_conv2d, x, weight, bias, options);
}
ag_value ag_conv_transpose1d(ag_value x, ag_value weight, ag_value bias, const ag_conv_options *options) {
    return record(&agx_op_conv_transpose1d, x, weight, bias, options);
}
ag_value ag_conv_transpose2d(ag_value x, ag_value weight, ag_value bias, const ag_conv_options *options) {
    return record(&agx_op_conv_transpose2d, x, weight, bias, options);
}
