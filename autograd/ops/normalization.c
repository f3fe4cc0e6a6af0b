/* normalization: layer, group, instance, batch and RMS normalisation, composed of standardize and elementwise steps.
 *
 * Each is a composite: a body that checks its operands, records other operations and has no derivative of its own.
 * Operands come as x, then weight, then bias; what differs is which axes share a mean, and where weights lie. */
#include "../tape_impl.h"
#include "ops_impl.h"

#include <inttypes.h>

typedef struct norm_attrs {
    int64_t normalized_ndim; /* 0: as many as the weight has, or 1 */
    double eps;
} norm_attrs;
typedef struct group_norm_attrs {
    int64_t num_groups;
    double eps;
} group_norm_attrs;
typedef struct instance_norm_attrs {
    double eps;
} instance_norm_attrs;
typedef struct batch_norm_attrs {
    bool training;
    double eps;
} batch_norm_attrs;

/** The operands of a composite, for its checks and its messages. */
typedef struct operands {
    const ag_op *op;
    ag_value in[5];
    uint32_t n;
} operands;

static operands operands_of(const ag_build *b, const ag_op *op) {
    operands o = {.op = op, .n = ag_build_count(b)};
    for (uint32_t i = 0; i < o.n; i++) o.in[i] = ag_build_in(b, i);
    return o;
}

/** The answer of a compose function: what it made, or that it failed. */
static ag_status answer(ag_build *b, ag_value y) {
    ag_build_result(b, y);
    return y.id ? AG_OK : AG_ERROR_FAILED;
}

static ag_value refuse_shape(const operands *o, const char *what) {
    return agx_refuse(o->op, o->in, o->n, AG_ERROR_SHAPE, "%s", what);
}

/** All operands floats, eps sound? The tape knows when not. */
static bool sound(const operands *o, double eps) {
    for (uint32_t i = 0; i < o->n; i++) {
        const ag_dtype dtype = ag_meta_of(o->in[i])->dtype;
        if (ag_dtype_is_float(dtype)) continue;
        agx_refuse(o->op, o->in, o->n, AG_ERROR_DTYPE, "needs floating-point operands, operand %u is %s",
                   (unsigned)i, ag_dtype_name(dtype));
        return false;
    }
    if (eps >= 0) return true;
    agx_refuse(o->op, o->in, o->n, AG_ERROR_VALUE, "eps must be 0 or more, got %g", eps);
    return false;
}

static ag_value scale_and_shift(ag_value y, ag_value weight, ag_value bias) {
    if (weight.tape) y = ag_mul(y, weight);
    return bias.tape ? ag_add(y, bias) : y;
}

/** Record op with x and what there is of weight and bias. */
static ag_value record(const ag_op *op, ag_value x, ag_value weight, ag_value bias, const void *attrs) {
    const ag_value in[3] = {x, weight, bias};
    if (bias.tape && !weight.tape)
        return ag_tape_fail(x.tape, AG_ERROR_VALUE, "%s: a bias needs a weight beside it", op->name);
    return ag_apply(NULL, op, in, bias.tape ? 3 : weight.tape ? 2 : 1, attrs);
}

/* ---- over the last dimensions: layer_norm, rms_norm ------------------------------------------------------------- */

/** How many dimensions at the end are normalised; 0: refused. Weights must have just those. */
static int last_dims(const operands *o, const norm_attrs *a, agx_reduce_attrs *axes) {
    const ag_meta *x = ag_meta_of(o->in[0]);
    int64_t n = a->normalized_ndim;
    if (n == 0) n = o->n > 1 ? ag_meta_of(o->in[1])->rank : 1;
    if (n < 1 || n > x->rank) {
        agx_refuse(o->op, o->in, o->n, AG_ERROR_VALUE, "normalized_ndim must be in [1, %" PRId32 "], got %" PRId64,
                   x->rank, n);
        return 0;
    }
    for (uint32_t i = 1; i < o->n; i++) {
        const ag_meta *w = ag_meta_of(o->in[i]);
        bool fits = w->rank == n;
        for (int k = 0; fits && k < n; k++) fits = w->dim[k] == x->dim[x->rank - n + k];
        if (fits) continue;
        agx_refuse(o->op, o->in, o->n, AG_ERROR_SHAPE,
                   "operand %u must have the shape of the input's last %" PRId64 " dimensions", (unsigned)i, n);
        return 0;
    }
    *axes = (agx_reduce_attrs){.axes = {.n = (int32_t)n}, .keepdim = true};
    for (int k = 0; k < n; k++) axes->axes.v[k] = x->rank - n + k;
    return (int)n;
}

static ag_value over(const agx_reduce_attrs *axes, double eps, ag_value x) {
    return agx_apply1(&agx_op_standardize, x, &(const agx_standardize_attrs){axes->axes, eps});
}

static ag_status layer_norm_compose(ag_build *b) {
    const norm_attrs *a = ag_build_attrs(b);
    const operands o = operands_of(b, &agx_op_layer_norm);
    agx_reduce_attrs axes;
    if (!sound(&o, a->eps) || last_dims(&o, a, &axes) == 0) return AG_ERROR_FAILED;
    return answer(b, scale_and_shift(over(&axes, a->eps, o.in[0]), o.in[1], o.in[2]));
}

static ag_status rms_norm_compose(ag_build *b) {
    const norm_attrs *a = ag_build_attrs(b);
    const operands o = operands_of(b, &agx_op_rms_norm);
    agx_reduce_attrs axes;
    if (!sound(&o, a->eps) || last_dims(&o, a, &axes) == 0) return AG_ERROR_FAILED;
    const ag_value power = agx_apply1(&agx_op_mean, ag_square(o.in[0]), &axes);
    const ag_value y = ag_mul(o.in[0], ag_rsqrt(ag_add_number(power, a->eps)));
    return answer(b, scale_and_shift(y, o.in[1], o.in[2]));
}

static const ag_field norm_fields[] = {
    {"normalized_ndim", AG_FIELD_INT, offsetof(norm_attrs, normalized_ndim), 0},
    {"eps", AG_FIELD_REAL, offsetof(norm_attrs, eps), 1e-5},
};
static const ag_field rms_norm_fields[] = {
    {"normalized_ndim", AG_FIELD_INT, offsetof(norm_attrs, normalized_ndim), 0},
    {"eps", AG_FIELD_REAL, offsetof(norm_attrs, eps), 1e-6},
};
#define NORM(...)                                                                                                 \
    &(const norm_attrs) { __VA_ARGS__ }
#define VECTOR(n)                                                                                                 \
    { AG_F64, 1, {n}, 0, 0 }
static const ag_probe_case layer_norm_cases[] = {
    {NORM(0, 1e-2), 1, {VECTOR(3)}},
    {NORM(0, 1e-2), 2, {VECTOR(1), VECTOR(1)}},
    {NORM(1, 1e-2), 3, {{AG_F64, 2, {2, 3}, 0, 0}, VECTOR(3), VECTOR(3)}},
    {NORM(2, 1e-2), 3, {{AG_F64, 3, {2, 2, 2}, 0, 0}, {AG_F64, 2, {2, 2}, 0, 0}, {AG_F64, 2, {2, 2}, 0, 0}}},
    {NORM(0, 1e-2), 3, {{AG_F64, 4, {2, 1, 1, 3}, 0, 0}, VECTOR(3), VECTOR(3)}},
    {NORM(1, 1e-2), 3, {{AG_F64, 2, {0, 3}, 0, 0}, VECTOR(3), VECTOR(3)}},
};
static const ag_probe layer_norm_probe = {
    .lo = {-2, -2, -2}, .hi = {2, 2, 2}, .n_cases = 6, .cases = layer_norm_cases};
static const ag_probe_case rms_norm_cases[] = {
    {NORM(0, 1e-2), 1, {VECTOR(3)}},
    {NORM(1, 1e-2), 2, {{AG_F64, 2, {2, 3}, 0, 0}, VECTOR(3)}},
    {NORM(2, 1e-2), 2, {{AG_F64, 4, {2, 1, 2, 1}, 0, 0}, {AG_F64, 2, {2, 1}, 0, 0}}},
    {NORM(1, 1e-2), 2, {{AG_F64, 2, {0, 3}, 0, 0}, VECTOR(3)}},
};
#undef NORM
static const ag_probe rms_norm_probe = {.lo = {-2, -2}, .hi = {2, 2}, .n_cases = 4, .cases = rms_norm_cases};

const ag_op agx_op_layer_norm = {
    .name = "layer_norm",
    .formula = "(x - mean) / sqrt(var + eps) weight + bias",
    .min_in = 1,
    .max_in = 3,
    .outputs = 1,
    .attr_size = sizeof(norm_attrs),
    .fields = norm_fields,
    .n_fields = 2,
    .compose = layer_norm_compose,
    .probe = &layer_norm_probe,
};
const ag_op agx_op_rms_norm = {
    .name = "rms_norm",
    .formula = "x / sqrt(mean(x^2) + eps) weight",
    .min_in = 1,
    .max_in = 2,
    .outputs = 1,
    .attr_size = sizeof(norm_attrs),
    .fields = rms_norm_fields,
    .n_fields = 2,
    .compose = rms_norm_compose,
    .probe = &rms_norm_probe,
};

/** A count of dimensions from a caller: 0 means something else in the attributes. */
static int64_t asked(int normalized_ndim) { return normalized_ndim == 0 ? -1 : normalized_ndim; }

ag_value ag_layer_norm(ag_value x, int normalized_ndim, ag_value weight, ag_value bias, double eps) {
    return record(&agx_op_layer_norm, x, weight, bias, &(const norm_attrs){asked(normalized_ndim), eps});
}
ag_value ag_rms_norm(ag_value x, int normalized_ndim, ag_value weight, double eps) {
    return record(&agx_op_rms_norm, x, weight, (ag_value){0}, &(const norm_attrs){asked(normalized_ndim), eps});
}

/* ---- channel by channel: what group, instance and batch normalisation share --------------------------------------------- */

/** x (N, C, ...), and all other operands (C)? */
static bool channels_fit(const operands *o) {
    const ag_meta *x = ag_meta_of(o->in[0]);
    if (x->rank < 2) {
        refuse_shape(o, "the input must have shape (N, C, ...)");
        return false;
    }
    for (uint32_t i = 1; i < o->n; i++) {
        const ag_meta *w = ag_meta_of(o->in[i]);
        if (w->rank == 1 && w->dim[0] == x->dim[1]) continue;
        agx_refuse(o->op, o->in, o->n, AG_ERROR_SHAPE,
                   "operand %u must have shape (%" PRId64 "), a number a channel", (unsigned)i, x->dim[1]);
        return false;
    }
    return true;
}

/** A value per channel, (C), so that it broadcasts to x (N, C, ...). */
static ag_value per_channel(ag_value v, const ag_meta *x) {
    int64_t dim[AG_MAX_RANK] = {x->dim[1]};
    if (x->rank == 2 || !v.tape) return v;
    for (int k = 1; k < x->rank - 1; k++) dim[k] = 1;
    return ag_reshape(v, x->rank - 1, dim);
}

/* ---- group_norm, instance_norm -------------------------------------------------------------------------------------- */

static ag_value group_norm(const operands *o, int64_t groups, double eps) {
    const ag_meta *x = ag_meta_of(o->in[0]);
    int64_t width = groups > 0 ? x->dim[1] / groups : 0; /* of a group */
    if (groups < 1)
        return agx_refuse(o->op, o->in, o->n, AG_ERROR_VALUE, "num_groups must be 1 or more, got %" PRId64,
                          groups);
    if (x->dim[1] % groups)
        return agx_refuse(o->op, o->in, o->n, AG_ERROR_SHAPE,
                          "%" PRId64 " channels do not divide into %" PRId64 " groups", x->dim[1], groups);
    for (int k = 2; k < x->rank; k++)
        if (!ag_int_mul(width, x->dim[k], &width)) return refuse_shape(o, "a group has too many elements");
    const ag_value grouped = ag_reshape(o->in[0], 3, (const int64_t[3]){x->dim[0], groups, width});
    const ag_value y = ag_standardize(grouped, (const int[1]){2}, 1, eps, NULL, NULL);
    return scale_and_shift(ag_reshape(y, x->rank, x->dim), per_channel(o->in[1], x), per_channel(o->in[2], x));
}

static ag_status group_norm_compose(ag_build *b) {
    const group_norm_attrs *a = ag_build_attrs(b);
    const operands o = operands_of(b, &agx_op_group_norm);
    if (!sound(&o, a->eps) || !channels_fit(&o)) return AG_ERROR_FAILED;
    return answer(b, group_norm(&o, a->num_groups, a->eps));
}

static ag_status instance_norm_compose(ag_build *b) {
    const instance_norm_attrs *a = ag_build_attrs(b);
    const operands o = operands_of(b, &agx_op_instance_norm);
    if (!sound(&o, a->eps) || !channels_fit(&o)) return AG_ERROR_FAILED;
    const ag_meta *x = ag_meta_of(o.in[0]);
    bool one = true;
    for (int k = 2; k < x->rank; k++) one = one && x->dim[k] == 1;
    if (one) return answer(b, refuse_shape(&o, "needs more than one position per channel"));
    int axes[AG_MAX_RANK];
    for (int k = 2; k < x->rank; k++) axes[k - 2] = k;
    const ag_value y = ag_standardize(o.in[0], axes, x->rank - 2, a->eps, NULL, NULL);
    return answer(b, scale_and_shift(y, per_channel(o.in[1], x), per_channel(o.in[2], x)));
}

static const ag_field group_norm_fields[] = {
    {"num_groups", AG_FIELD_INT, offsetof(group_norm_attrs, num_groups), 1},
    {"eps", AG_FIELD_REAL, offsetof(group_norm_attrs, eps), 1e-5},
};
static const ag_field instance_norm_fields[] = {{"eps", AG_FIELD_REAL, offsetof(instance_norm_attrs, eps), 1e-5}};
#define GROUPS(...)                                                                                               \
    &(const group_norm_attrs) { __VA_ARGS__ }
static const ag_probe_case group_norm_cases[] = {
    {GROUPS(1, 1e-2), 1, {{AG_F64, 2, {2, 3}, 0, 0}}},
    {GROUPS(2, 1e-2), 3, {{AG_F64, 3, {2, 4, 1}, 0, 0}, VECTOR(4), VECTOR(4)}},
    {GROUPS(2, 1e-2), 2, {{AG_F64, 4, {1, 2, 2, 2}, 0, 0}, VECTOR(2)}},
    {GROUPS(2, 1e-2), 3, {{AG_F64, 3, {0, 4, 2}, 0, 0}, VECTOR(4), VECTOR(4)}},
};
#undef GROUPS
static const ag_probe group_norm_probe = {
    .lo = {-2, -2, -2}, .hi = {2, 2, 2}, .n_cases = 4, .cases = group_norm_cases};
#define EPS                                                                                                       \
    &(const instance_norm_attrs) { 1e-2 }
static const ag_probe_case instance_norm_cases[] = {
    {EPS, 1, {{AG_F64, 3, {2, 2, 3}, 0, 0}}},
    {EPS, 3, {{AG_F64, 4, {1, 2, 2, 2}, 0, 0}, VECTOR(2), VECTOR(2)}},
};
#undef EPS
static const ag_probe instance_norm_probe = {
    .lo = {-2, -2, -2}, .hi = {2, 2, 2}, .n_cases = 2, .cases = instance_norm_cases};

const ag_op agx_op_group_norm = {
    .name = "group_norm",
    .formula = "(x - mean) / sqrt(var + eps) weight + bias",
    .min_in = 1,
    .max_in = 3,
    .outputs = 1,
    .attr_size = sizeof(group_norm_attrs),
    .fields = group_norm_fields,
    .n_fields = 2,
    .compose = group_norm_compose,
    .probe = &group_norm_probe,
};
const ag_op agx_op_instance_norm = {
    .name = "instance_norm",
    .formula = "(x - mean) / sqrt(var + eps) weight + bias",
    .min_in = 1,
    .max_in = 3,
    .outputs = 1,
    .attr_size = sizeof(instance_norm_attrs),
    .fields = instance_norm_fields,
    .n_fields = 1,
    .compose = instance_norm_compose,
    .probe = &instance_norm_probe,
};

ag_value ag_group_norm(ag_value x, int64_t num_groups, ag_value weight, ag_value bias, double eps) {
    return record(&agx_op_group_norm, x, weight, bias, &(const group_norm_attrs){num_groups, eps});
}
ag_value ag_instance_norm(ag_value x, ag_value weight, ag_value bias, double eps) {
    return record(&agx_op_instance_norm, x, weight, bias, &(const instance_norm_attrs){eps});
}

/* ---- batch_norm: x, weight, bias and, by given statistics, mean and variance --------------------------------------------- */

static ag_value train(const operands *o, ag_value weight, ag_value bias, double eps,
                      ag_batch_statistics *statistics) {
    const ag_meta *x = ag_meta_of(o->in[0]);
    int axes[AG_MAX_RANK] = {0};
    double n = (double)x->dim[0]; /* values per channel */
    for (int k = 2; k < x->rank; k++) {
        axes[k - 1] = k;
        n *= (double)x->dim[k];
    }
    if (n == 1) return refuse_shape(o, "training needs more than one value per channel");
    ag_value mean, variance;
    const ag_value y = ag_standardize(o->in[0], axes, x->rank - 1, eps, &mean, &variance);
    if (statistics) {
        statistics->mean = ag_reshape(mean, 1, &x->dim[1]);
        statistics->variance = ag_reshape(variance, 1, &x->dim[1]);
        statistics->unbiased = ag_mul_number(statistics->variance, n / (n - 1));
    }
    return scale_and_shift(y, per_channel(weight, x), per_channel(bias, x));
}

static ag_value evaluate(const operands *o, ag_value weight, ag_value bias, ag_value mean, ag_value variance,
                         double eps) {
    const ag_meta *x = ag_meta_of(o->in[0]);
    ag_value scale = ag_rsqrt(ag_add_number(variance, eps));
    if (weight.tape) scale = ag_mul(scale, weight);
    return scale_and_shift(ag_sub(o->in[0], per_channel(mean, x)), per_channel(scale, x), per_channel(bias, x));
}

static ag_status batch_norm_compose(ag_build *b) {
    const batch_norm_attrs *a = ag_build_attrs(b);
    const operands o = operands_of(b, &agx_op_batch_norm);
    if (!sound(&o, a->eps) || !channels_fit(&o)) return AG_ERROR_FAILED;
    if (a->training) return answer(b, train(&o, o.in[1], o.in[2], a->eps, NULL));
    const ag_value none = {0};
    switch (o.n) {
    case 3: return answer(b, evaluate(&o, none, none, o.in[1], o.in[2], a->eps));
    case 5: return answer(b, evaluate(&o, o.in[1], o.in[2], o.in[3], o.in[4], a->eps));
    default: break;
    }
    return answer(b, agx_refuse(o.op, o.in, o.n, AG_ERROR_VALUE,
                                "without training it takes x, weight, bias, mean and variance, or x, mean and "
                                "variance; got %u operands",
                                (unsigned)o.n));
}

static const ag_field batch_norm_fields[] = {
    {"training", AG_FIELD_BOOL, offsetof(batch_norm_attrs, training), 0},
    {"eps", AG_FIELD_REAL, offsetof(batch_norm_attrs, eps), 1e-5},
};
#define MODE(...)                                                                                                 \
    &(const batch_norm_attrs) { __VA_ARGS__ }
static const ag_probe_case batch_norm_cases[] = {
    {MODE(true, 1e-2), 1, {{AG_F64, 2, {3, 2}, 0, 0}}},
    {MODE(true, 1e-2), 3, {{AG_F64, 2, {4, 1}, 0, 0}, VECTOR(1), VECTOR(1)}},
    {MODE(true, 1e-2), 3, {{AG_F64, 4, {2, 2, 2, 1}, 0, 0}, VECTOR(2), VECTOR(2)}},
    {MODE(true, 1e-2), 3, {{AG_F64, 2, {0, 2}, 0, 0}, VECTOR(2), VECTOR(2)}},
    {MODE(false, 1e-2), 3, {{AG_F64, 3, {2, 2, 1}, 0, 0}, VECTOR(2), {AG_F64, 1, {2}, 0.3, 2}}},
    {MODE(false, 1e-2), 5, {{AG_F64, 2, {2, 2}, 0, 0}, VECTOR(2), VECTOR(2), VECTOR(2), {AG_F64, 1, {2}, 0.3, 2}}},
};
#undef MODE
#undef VECTOR
static const ag_probe batch_norm_probe = {
    .lo = {-2, -2, -2}, .hi = {2, 2, 2}, .n_cases = 6, .cases = batch_norm_cases};

const ag_op agx_op_batch_norm = {
    .name = "batch_norm",
    .formula = "(x - mean) / sqrt(var + eps) weight + bias",
    .min_in = 1,
    .max_in = 5,
    .outputs = 1,
    .attr_size = sizeof(batch_norm_attrs),
    .fields = batch_norm_fields,
    .n_fields = 2,
    .compose = batch_norm_compose,
    .probe = &batch_norm_probe,
};

/** Operands of a call that does not pass through ag_apply, of which those that are there are checked. */
static bool gather(operands *o, const ag_value *in, uint32_t n, double eps) {
    o->op = &agx_op_batch_norm;
    o->n = 0;
    for (uint32_t i = 0; i < n; i++)
        if (i == 0 || in[i].tape) o->in[o->n++] = in[i];
    ag_tape *t = o->in[0].tape;
    return t && agx_check_operands(t, o->op->name, o->in, o->n) == AG_OK && sound(o, eps) && channels_fit(o);
}

ag_value ag_batch_norm_training(ag_value x, ag_value weight, ag_value bias, double eps,
                                ag_batch_statistics *statistics) {
    operands o;
    const ag_value failed = x.tape ? agx_failed(x.tape) : (ag_value){0};
    if (statistics) *statistics = (ag_batch_statistics){failed, failed, failed};
    if (!gather(&o, (const ag_value[3]){x, weight, bias}, 3, eps)) return failed;
    return train(&o, weight, bias, eps, statistics);
}

ag_value ag_batch_norm(ag_value x, ag_value weight, ag_value bias, ag_value mean, ag_value variance, double eps) {
    operands o;
    if (!gather(&o, (const ag_value[5]){x, mean, variance, weight, bias}, 5, eps))
        return x.tape ? agx_failed(x.tape) : (ag_value){0};
    return evaluate(&o, weight, bias, mean, variance, eps);
}
