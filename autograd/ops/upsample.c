/* upsample: nearest neighbours, as a selection of positions along each axis.
 *
 * Left out: interpolation between elements. */
#include "../tape_impl.h"
#include "planes_impl.h"

#include <inttypes.h>
#include <math.h>

/** Either of the two says how large the result is. */
typedef struct upsample_attrs {
    double scale;        /* 0: see output_size */
    ag_ints output_size; /* empty: see scale   */
} upsample_attrs;

/* The size of the result, and of x, along each axis; all at least 1. */
typedef struct sizes {
    int64_t in[2], out[2];
} sizes;

static ag_status find_sizes(const upsample_attrs *a, int axes, const ag_meta *x, sizes *s, ag_error *error) {
    agx_planes from = {0};
    ag_status status = agx_planes_of(x, axes, "input", &from, error);
    if (status != AG_OK) return status;
    if ((a->output_size.n != 0) == (a->scale != 0))
        return ag_fail(error, AG_ERROR_VALUE, "needs either scale or output_size");
    if (a->output_size.n != 0) {
        status = agx_numbers_of(&a->output_size, axes, 1, 1, 1, "output_size", s->out, error);
        if (status != AG_OK) return status;
    } else if (!(a->scale > 0 && a->scale <= INT32_MAX)) {
        return ag_fail(error, AG_ERROR_VALUE, "scale must be a positive number up to %d, got %g", INT32_MAX,
                       a->scale);
    }
    for (int k = 0; k < 2; k++) {
        s->in[k] = from.size[k];
        if (s->in[k] > INT32_MAX) return ag_fail(error, AG_ERROR_SHAPE, "the input is too large");
        if (a->output_size.n == 0) {
            const bool along = axes == 2 || k == 1; /* else the axis that a signal does not have */
            const double size = along ? floor((double)from.size[k] * a->scale) : 1;
            if (size > INT32_MAX) return ag_fail(error, AG_ERROR_SHAPE, "the result has too many elements");
            s->out[k] = (int64_t)size;
        }
        if (s->in[k] < 1 || s->out[k] < 1)
            return ag_fail(error, AG_ERROR_SHAPE, "%s of size %" PRId64 " would become one of size %" PRId64,
                           k == 0      ? "a height"
                           : axes == 2 ? "a width"
                                       : "a length",
                           s->in[k], s->out[k]);
    }
    return AG_OK;
}

/* x with its axis (counted from the end) enlarged. */
static ag_value enlarge(ag_tape *t, ag_value x, int axis, int64_t in, int64_t out, double scale) {
    if (in == out && (scale == 0 || scale == 1 || in == 1)) return x; /* 1.3 leaves size 2 but repeats element 0 */
    double *at = ag_alloc((size_t)out * sizeof *at); /* (out): the element each position repeats */
    if (!at) return ag_tape_fail(t, AG_ERROR_MEMORY, "upsample: no memory for %" PRId64 " positions", out);
    for (int64_t i = 0; i < out; i++) {
        const double position = scale != 0 ? floor((double)i / scale) : (double)(i * in / out);
        at[i] = fmin(position, (double)(in - 1));
    }
    const ag_value index = ag_array_constant(t, AG_I64, 1, &out, at);
    ag_release(at, (size_t)out * sizeof *at);
    return ag_index_select(x, axis, index);
}

static ag_status compose(ag_build *b, const ag_op *op, int axes) {
    const upsample_attrs *a = ag_build_attrs(b);
    ag_tape *t = ag_build_tape(b);
    ag_value x = ag_build_in(b, 0);
    sizes s = {0};
    ag_error error = {0};
    const ag_status status = find_sizes(a, axes, ag_meta_of(x), &s, &error);
    if (status != AG_OK) return agx_operation_error(t, op, &x, 1, status, error.message);
    ag_meta shape = *ag_meta_of(x);
    ag_value y = x;
    if (ag_meta_count(&shape) == 0) { /* an empty batch: nothing to select, however large the planes */
        for (int k = 0; k < axes; k++) shape.dim[shape.rank - axes + k] = s.out[2 - axes + k];
        y = ag_reshape(x, shape.rank, shape.dim);
    } else {
        y = enlarge(t, y, -1, s.in[1], s.out[1], a->scale);
        if (axes == 2) y = enlarge(t, y, -2, s.in[0], s.out[0], a->scale);
    }
    ag_build_result(b, y);
    return AG_OK;
}

static ag_status upsample_nearest1d_compose(ag_build *b) { return compose(b, &agx_op_upsample_nearest1d, 1); }
static ag_status upsample_nearest2d_compose(ag_build *b) { return compose(b, &agx_op_upsample_nearest2d, 2); }

static const ag_field upsample_fields[] = {
    {"scale", AG_FIELD_REAL, offsetof(upsample_attrs, scale), 0},
    {"output_size", AG_FIELD_INTS, offsetof(upsample_attrs, output_size), 0},
};
static const char *const upsample_partials[] = {"1 where repeated, else 0"};
#define ATTRS(...)                                                                                                \
    &(const upsample_attrs) { __VA_ARGS__ }
static const ag_probe_case cases_1d[] = {
    {ATTRS(.scale = 2), 1, {{AG_F64, 3, {2, 2, 3}, 0, 0}}},
    {ATTRS(.output_size = {1, {5}}), 1, {{AG_F64, 2, {2, 3}, 0, 0}}},
    {ATTRS(.scale = 3), 1, {{AG_F64, 3, {0, 2, 3}, 0, 0}}},
};
static const ag_probe_case cases_2d[] = {
    {ATTRS(.scale = 2), 1, {{AG_F64, 4, {1, 2, 2, 3}, 0, 0}}},
    {ATTRS(.scale = 1.5), 1, {{AG_F64, 3, {2, 3, 3}, 0, 0}}},
    {ATTRS(.output_size = {2, {4, 2}}), 1, {{AG_F64, 4, {2, 1, 3, 3}, 0, 0}}},
    {ATTRS(.scale = 1), 1, {{AG_F64, 4, {1, 1, 1, 1}, 0, 0}}},
};
static const ag_probe probe_1d = {.lo = {-2}, .hi = {2}, .n_cases = 3, .cases = cases_1d};
static const ag_probe probe_2d = {.lo = {-2}, .hi = {2}, .n_cases = 4, .cases = cases_2d};

const ag_op agx_op_upsample_nearest1d = {
    .name = "upsample_nearest1d",
    .formula = "x, each element repeated",
    .partials = upsample_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .attr_size = sizeof(upsample_attrs),
    .fields = upsample_fields,
    .n_fields = 2,
    .compose = upsample_nearest1d_compose,
    .probe = &probe_1d,
};

const ag_op agx_op_upsample_nearest2d = {
    .name = "upsample_nearest2d",
    .formula = "x, each element repeated",
    .partials = upsample_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .attr_size = sizeof(upsample_attrs),
    .fields = upsample_fields,
    .n_fields = 2,
    .compose = upsample_nearest2d_compose,
    .probe = &probe_2d,
};

ag_value ag_upsample_nearest1d(ag_value x, double scale) {
    return agx_apply1(&agx_op_upsample_nearest1d, x, ATTRS(.scale = scale));
}
ag_value ag_upsample_nearest1d_to(ag_value x, int64_t length) {
    return agx_apply1(&agx_op_upsample_nearest1d, x, ATTRS(.output_size = {1, {length}}));
}
ag_value ag_upsample_nearest2d(ag_value x, double scale) {
    return agx_apply1(&agx_op_upsample_nearest2d, x, ATTRS(.scale = scale));
}
ag_value ag_upsample_nearest2d_to(ag_value x, int64_t height, int64_t width) {
    return agx_apply1(&agx_op_upsample_nearest2d, x, ATTRS(.output_size = {2, {height, width}}));
}
