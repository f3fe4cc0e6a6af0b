/* moments: variance, standard deviation and p-norms.
 *
 * Deviations from the mean are an operation (center), which is linear and its own transpose. It subtracts the first
 * element before it takes the mean, so that a constant deviates by exactly 0 - the mean of three times 0.1 is not
 * 0.1. Norms divide by the largest element first, so that squares neither overflow nor vanish. */
#include "reduce_impl.h"

#include <math.h>

typedef struct var_attrs {
    agx_reduce_attrs reduce;
    int64_t correction;
} var_attrs;

typedef struct norm_attrs {
    agx_reduce_attrs reduce;
    double p;
} norm_attrs;

/* ---- steps of the forwards ---------------------------------------------------------------------------------------- */

/** A dense array in scratch, shaped like x, with the axes in `mask` of size 1. */
static ag_status scratch_like(const ag_eval *e, const ag_meta *x, uint32_t mask, agx_local *out) {
    agx_copy_shape(x, &out->meta);
    for (int k = 0; k < x->rank; k++)
        if (mask & 1u << k) out->meta.dim[k] = 1;
    out->meta.dtype = e->out[0].meta->dtype;
    ag_meta_make_dense(&out->meta);
    size_t bytes = 0; /* a view of few numbers may stand for more than can be counted */
    const bool fits = ag_size_mul((size_t)ag_meta_count(&out->meta), ag_dtype_size(out->meta.dtype), &bytes);
    out->array = (ag_array){&out->meta, fits ? ag_scratch(e->work, bytes) : NULL};
    return out->array.data ? AG_OK : ag_fail(e->error, AG_ERROR_MEMORY, "no memory for deviations");
}

/** z = x - mean(x); z dense and shaped like x. */
static ag_status center(const ag_eval *e, uint32_t mask, const ag_array *z) {
    const ag_array *x = &e->in[0];
    if (ag_meta_count(x->meta) == 0) return AG_OK;
    ag_meta first_meta = *x->meta;
    for (int k = 0; k < first_meta.rank; k++)
        if (mask & 1u << k) first_meta.dim[k] = 1;
    const ag_array shift[2] = {*x, {&first_meta, x->data}};
    agx_local mean;
    ag_status status = scratch_like(e, x->meta, mask, &mean);
    if (status == AG_OK) status = agx_map_row(AGX_ROW_sub, shift, 2, z, 0, e->work);
    if (status == AG_OK) status = agx_reduce(AGX_MEAN, z, mask, &mean.array, e->work);
    const ag_array deviation[2] = {*z, mean.array};
    return status == AG_OK ? agx_map_row(AGX_ROW_sub, deviation, 2, z, 0, e->work) : status;
}

/** What the norm divides by: the extreme m of |x|, or where m is 0 or not finite, 1. For p = 2 a power of two, so
 *  that no digit is lost. */
static double scale_of(double p, double m) {
    int exponent = 0;
    if (m == 0 || !isfinite(m)) return 1;
    if (p != 2) return m;
    frexp(m, &exponent);
    return ldexp(1, exponent - 1);
}

/** z = (sum a^p / divisor)^(1/p) over `mask`, p finite and neither 0 nor 1; a >= 0 is dense scratch and is overwritten. */
static ag_status power_norm(const ag_eval *e, double p, uint32_t mask, double divisor, const ag_array *a,
                            const ag_array *z) {
    const ag_dtype dtype = z->meta->dtype;
    agx_local scale;
    ag_status status = scratch_like(e, a->meta, mask, &scale);
    if (status == AG_OK) status = agx_reduce(p < 0 ? AGX_AMIN : AGX_AMAX, a, mask, &scale.array, e->work);
    if (status != AG_OK) return status;
    const int64_t groups = ag_meta_count(z->meta);
    void *s = scale.array.data;
    for (int64_t g = 0; g < groups; g++) agx_store(s, dtype, g, scale_of(p, agx_load(s, dtype, g)));
    const ag_array ratio[2] = {*a, scale.array};
    status = agx_map_row(AGX_ROW_div, ratio, 2, a, 0, e->work);
    if (status == AG_OK) status = agx_map_row(p == 2 ? AGX_ROW_square : AGX_ROW_pow_number, a, 1, a, p, e->work);
    if (status == AG_OK) status = agx_reduce(AGX_SUM, a, mask, z, e->work);
    for (int64_t g = 0; status == AG_OK && g < groups; g++) {
        const double sum = agx_load(z->data, dtype, g) / divisor, root = p == 2 ? sqrt(sum) : pow(sum, 1 / p);
        agx_store(z->data, dtype, g, agx_load(s, dtype, g) * root);
    }
    return status;
}

/** The norm of x, which is dense scratch and is overwritten; divisor: of the sum of squares, for p = 2. */
static ag_status norm_of(const ag_eval *e, double p, uint32_t mask, double divisor, const ag_array *x,
                         const ag_array *z) {
    if (ag_meta_count(x->meta) == 0) {
        agx_fill(z, sqrt(0 / divisor));
        return AG_OK;
    }
    ag_status status = agx_map_row(AGX_ROW_abs, x, 1, x, 0, e->work);
    if (status != AG_OK) return status;
    if (isinf(p)) return agx_reduce(p > 0 ? AGX_AMAX : AGX_AMIN, x, mask, z, e->work);
    if (p == 0) {
        const ag_dtype dtype = x->meta->dtype;
        const int64_t n = ag_meta_count(x->meta);
        for (int64_t i = 0; i < n; i++) agx_store(x->data, dtype, i, agx_load(x->data, dtype, i) != 0);
    }
    if (p == 0 || p == 1) return agx_reduce(AGX_SUM, x, mask, z, e->work);
    return power_norm(e, p, mask, divisor, x, z);
}

/** v, but 0 where y is 0, for a derivative there that all directions share; v must be finite there. */
static ag_value zero_at_zero(ag_value y, ag_value v) {
    return ag_where(ag_eq(y, ag_number(y, 0)), ag_number(v, 0), v);
}
/** y, but 1 where it is 0: safe to divide by. */
static ag_value one_at_zero(ag_value y) { return ag_where(ag_eq(y, ag_number(y, 0)), ag_number(y, 1), y); }

/* ---- center ------------------------------------------------------------------------------------------------------- */

static ag_status center_infer(const ag_query *q, ag_meta *out) {
    const agx_permute_attrs *a = q->attrs;
    uint32_t mask = 0;
    ag_status status = agx_promote_float(q, 1, &out->dtype);
    if (status == AG_OK) status = ag_axes_mask(&a->axes, q->in[0]->rank, &mask, q->error);
    agx_copy_shape(q->in[0], out);
    return status == AG_OK ? agx_check_size(q, out) : status;
}

static ag_status center_forward(const ag_eval *e) {
    const agx_permute_attrs *a = e->attrs;
    uint32_t mask = 0;
    ag_status status = ag_axes_mask(&a->axes, e->in[0].meta->rank, &mask, e->error);
    return status == AG_OK ? center(e, mask, &e->out[0]) : status;
}

static ag_status center_vjp(ag_reverse *r) {
    if (ag_wants(r, 0)) ag_give(r, 0, agx_apply1(&agx_op_center, ag_dy(r, 0), ag_rule_attrs(r)));
    return AG_OK;
}

static double center_cost(const ag_query *q) { return 3 * (double)ag_meta_count(q->in[0]); }

static const char *const center_partials[] = {"[i = j] - 1/n"};
static const ag_field center_fields[] = {{"axes", AG_FIELD_INTS, offsetof(agx_permute_attrs, axes), 0}};
static const ag_probe_case center_cases[] = {
    {&(const agx_permute_attrs){{0, {0}}}, 1, {{AG_F64, 0, {0}, 0, 0}}},
    {&(const agx_permute_attrs){{0, {0}}}, 1, {{AG_F64, 1, {1}, 0, 0}}},
    {&(const agx_permute_attrs){{1, {0}}}, 1, {{AG_F64, 2, {3, 4}, 0, 0}}},
    {&(const agx_permute_attrs){{2, {0, -1}}}, 1, {{AG_F64, 3, {2, 3, 2}, 0, 0}}},
    {&(const agx_permute_attrs){{2, {1, 2}}}, 1, {{AG_F64, 4, {2, 3, 1, 2}, 0, 0}}},
    {&(const agx_permute_attrs){{1, {1}}}, 1, {{AG_F64, 2, {0, 3}, 0, 0}}},
    {&(const agx_permute_attrs){{1, {1}}}, 1, {{AG_F64, 2, {3, 0}, 0, 0}}},
};
static const ag_probe center_probe = {.lo = {-2}, .hi = {2}, .n_cases = 7, .cases = center_cases};

const ag_op agx_op_center = {
    .name = "center",
    .formula = "x - mean(x)",
    .partials = center_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .traits = AG_TRAIT_LINEAR | AG_TRAIT_STRIDED,
    .attr_size = sizeof(agx_permute_attrs),
    .fields = center_fields,
    .n_fields = 1,
    .infer = center_infer,
    .forward = center_forward,
    .vjp = center_vjp,
    .cost = center_cost,
    .probe = &center_probe,
};

/* ---- var and std ---------------------------------------------------------------------------------------------------- */

/** n - correction, which the squares are divided by. */
static double freedom(const ag_meta *x, const var_attrs *a) {
    const uint32_t mask = agx_reduce_mask(&a->reduce, x->rank);
    double n = 1;
    for (int k = 0; k < x->rank; k++)
        if (mask & 1u << k) n *= (double)x->dim[k];
    return n - (double)a->correction;
}

static ag_status var_forward(const ag_eval *e) {
    const var_attrs *a = e->attrs;
    const uint32_t mask = agx_reduce_mask(&a->reduce, e->in[0].meta->rank);
    agx_local c;
    ag_status status = scratch_like(e, e->in[0].meta, 0, &c);
    if (status == AG_OK) status = center(e, mask, &c.array);
    if (status == AG_OK) status = agx_map_row(AGX_ROW_square, &c.array, 1, &c.array, 0, e->work);
    if (status == AG_OK) status = agx_reduce(AGX_SUM, &c.array, mask, e->out, e->work);
    if (status != AG_OK) return status;
    const ag_meta *z = e->out[0].meta;
    const int64_t groups = ag_meta_count(z);
    const double divisor = fmax(freedom(e->in[0].meta, a), 0);
    for (int64_t g = 0; g < groups; g++)
        agx_store(e->out[0].data, z->dtype, g, agx_load(e->out[0].data, z->dtype, g) / divisor);
    return AG_OK;
}

static ag_value deviations(ag_reverse *r) {
    const var_attrs *a = ag_rule_attrs(r);
    return agx_apply1(&agx_op_center, ag_in(r, 0), &(const agx_permute_attrs){a->reduce.axes});
}

static ag_status var_vjp(ag_reverse *r) {
    if (!ag_wants(r, 0)) return AG_OK;
    const double share = 2 / freedom(ag_in_meta(r, 0), ag_rule_attrs(r));
    ag_give(r, 0, ag_mul(deviations(r), ag_mul_number(agx_keepdims(r, ag_dy(r, 0)), share)));
    return AG_OK;
}

static ag_status std_forward(const ag_eval *e) {
    const var_attrs *a = e->attrs;
    const uint32_t mask = agx_reduce_mask(&a->reduce, e->in[0].meta->rank);
    agx_local c;
    ag_status status = scratch_like(e, e->in[0].meta, 0, &c);
    if (status == AG_OK) status = center(e, mask, &c.array);
    const double divisor = fmax(freedom(e->in[0].meta, a), 0);
    return status == AG_OK ? norm_of(e, 2, mask, divisor, &c.array, e->out) : status;
}

static ag_status std_vjp(ag_reverse *r) {
    if (!ag_wants(r, 0)) return AG_OK;
    const ag_value y = agx_keepdims(r, ag_out(r, 0));
    const ag_value direction = zero_at_zero(y, ag_div(deviations(r), one_at_zero(y)));
    const double share = 1 / freedom(ag_in_meta(r, 0), ag_rule_attrs(r));
    ag_give(r, 0, ag_mul(direction, ag_mul_number(agx_keepdims(r, ag_dy(r, 0)), share)));
    return AG_OK;
}

static double var_cost(const ag_query *q) { return 5 * (double)ag_meta_count(q->in[0]); }

static const char *const var_partials[] = {"2 (x_i - mean) / (n - correction)"};
static const char *const std_partials[] = {"(x_i - mean) / ((n - correction) y)"};
static const ag_field var_fields[] = {
    {"axes", AG_FIELD_INTS, offsetof(var_attrs, reduce.axes), 0},
    {"keepdim", AG_FIELD_BOOL, offsetof(var_attrs, reduce.keepdim), 0},
    {"correction", AG_FIELD_INT, offsetof(var_attrs, correction), 1},
};
static const ag_probe_case var_cases[] = {
    {&(const var_attrs){{{0, {0}}, false}, 1}, 1, {{AG_F64, 1, {5}, 0, 0}}},
    {&(const var_attrs){{{0, {0}}, true}, 0}, 1, {{AG_F64, 2, {3, 4}, 0, 0}}},
    {&(const var_attrs){{{1, {0}}, false}, 1}, 1, {{AG_F64, 2, {3, 4}, 0, 0}}},
    {&(const var_attrs){{{1, {-1}}, true}, 2}, 1, {{AG_F64, 3, {2, 1, 4}, 0, 0}}},
    {&(const var_attrs){{{2, {0, 2}}, false}, -1}, 1, {{AG_F64, 3, {2, 3, 2}, 0, 0}}},
    {&(const var_attrs){{{2, {1, 3}}, false}, 1}, 1, {{AG_F64, 4, {2, 3, 1, 2}, 0, 0}}},
    {&(const var_attrs){{{1, {1}}, false}, 1}, 1, {{AG_F64, 2, {0, 3}, 0, 0}}},
    {&(const var_attrs){{{0, {0}}, false}, 0}, 1, {{AG_F64, 1, {1}, 0, 0}}}, /* a constant */
    {&(const var_attrs){{{0, {0}}, false}, 0}, 1, {{AG_F64, 0, {0}, 0, 0}}},
};
static const ag_probe var_probe = {
    .avoid = AG_AVOID_TIES, .lo = {-2}, .hi = {2}, .n_cases = 9, .cases = var_cases};
static const ag_probe std_probe = {
    .avoid = AG_AVOID_TIES, .lo = {-2}, .hi = {2}, .n_cases = 9, .cases = var_cases};

const ag_op agx_op_var = {
    .name = "var",
    .formula = "sum (x_i - mean)^2 / (n - correction)",
    .partials = var_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .traits = AG_TRAIT_STRIDED,
    .keeps = AG_IN(0),
    .attr_size = sizeof(var_attrs),
    .fields = var_fields,
    .n_fields = 3,
    .infer = agx_reduce_float_infer,
    .forward = var_forward,
    .vjp = var_vjp,
    .jvp = agx_reduce_jvp,
    .cost = var_cost,
    .probe = &var_probe,
};
const ag_op agx_op_std = {
    .name = "std",
    .formula = "sqrt(sum (x_i - mean)^2 / (n - correction))",
    .partials = std_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .traits = AG_TRAIT_STRIDED,
    .keeps = AG_IN(0) | AG_OUT(0),
    .attr_size = sizeof(var_attrs),
    .fields = var_fields,
    .n_fields = 3,
    .infer = agx_reduce_float_infer,
    .forward = std_forward,
    .vjp = std_vjp,
    .jvp = agx_reduce_jvp,
    .cost = var_cost,
    .probe = &std_probe,
};

/* ---- norm ----------------------------------------------------------------------------------------------------------- */

static ag_status norm_infer(const ag_query *q, ag_meta *out) {
    const norm_attrs *a = q->attrs;
    if (isnan(a->p)) return ag_fail(q->error, AG_ERROR_VALUE, "p is nan");
    return agx_reduce_float_infer(q, out);
}

static ag_status norm_forward(const ag_eval *e) {
    const norm_attrs *a = e->attrs;
    agx_local x;
    ag_status status = agx_copy_dense(e, &e->in[0], e->out[0].meta->dtype, &x);
    return status == AG_OK ? norm_of(e, a->p, agx_reduce_mask(&a->reduce, x.meta.rank), 1, &x.array, e->out)
                           : status;
}

/** sign(x) where |x| is the extreme, shared by ties. */
static ag_value extreme_direction(const norm_attrs *a, ag_value x, ag_value y) {
    const agx_reduce_attrs keep = {a->reduce.axes, true};
    const ag_value chosen = ag_cast(ag_eq(ag_abs(x), y), ag_meta_of(y) ? ag_meta_of(y)->dtype : AG_F64);
    return ag_div(ag_mul(ag_sign(x), chosen), agx_apply1(&agx_op_sum, chosen, &keep));
}

/** dx = dy sign(x) (|x| / y)^(p - 1), in which nothing overflows. */
static ag_status norm_vjp(ag_reverse *r) {
    const norm_attrs *a = ag_rule_attrs(r);
    if (!ag_wants(r, 0)) return AG_OK;
    const ag_value x = ag_in(r, 0), y = agx_keepdims(r, ag_out(r, 0));
    ag_value direction;
    if (a->p == 0)
        direction = ag_number(x, 0);
    else if (a->p == 1)
        direction = ag_sign(x);
    else if (isinf(a->p))
        direction = extreme_direction(a, x, y);
    else if (a->p == 2)
        direction = zero_at_zero(y, ag_div(x, one_at_zero(y)));
    else {
        /* sign(x) is 0 where the 1 stands; a ratio that is 0 by underflow or below an infinite norm stays 0 */
        const ag_value zero = ag_eq(x, ag_number(x, 0)), share = ag_div(ag_abs(x), one_at_zero(y));
        const ag_value ratio = ag_where(zero, one_at_zero(share), share);
        direction = zero_at_zero(y, ag_mul(ag_sign(x), ag_pow_number(ratio, a->p - 1)));
    }
    ag_give(
        r, 0,
        ag_mul(ag_expand(agx_keepdims(r, ag_dy(r, 0)), ag_in_meta(r, 0)->rank, ag_in_meta(r, 0)->dim), direction));
    return AG_OK;
}

static double norm_cost(const ag_query *q) { return 4 * (double)ag_meta_count(q->in[0]); }

static const char *const norm_partials[] = {"sign(x_i) (|x_i| / y)^(p - 1)"};
static const ag_field norm_fields[] = {
    {"axes", AG_FIELD_INTS, offsetof(norm_attrs, reduce.axes), 0},
    {"keepdim", AG_FIELD_BOOL, offsetof(norm_attrs, reduce.keepdim), 0},
    {"p", AG_FIELD_REAL, offsetof(norm_attrs, p), 2},
};
static const ag_probe_case norm_cases[] = {
    {&(const norm_attrs){{{0, {0}}, false}, 2}, 1, {{AG_F64, 0, {0}, 0.5, 2}}},
    {&(const norm_attrs){{{0, {0}}, false}, 2}, 1, {{AG_F64, 1, {5}, -2, 2}}},
    {&(const norm_attrs){{{1, {0}}, true}, 2}, 1, {{AG_F64, 2, {3, 4}, -2, 2}}},
    {&(const norm_attrs){{{2, {0, 2}}, false}, 2}, 1, {{AG_F64, 3, {2, 3, 2}, -2, 2}}},
    {&(const norm_attrs){{{2, {-1, 1}}, true}, 3}, 1, {{AG_F64, 4, {2, 3, 1, 2}, -2, -0.5}}},
    {&(const norm_attrs){{{1, {1}}, false}, 3}, 1, {{AG_F64, 2, {3, 4}, 0.1, 2}}},
    {&(const norm_attrs){{{1, {1}}, false}, 1}, 1, {{AG_F64, 2, {3, 4}, -2, -0.1}}},
    {&(const norm_attrs){{{1, {0}}, false}, 1}, 1, {{AG_F64, 2, {3, 4}, 0.1, 2}}},
    {&(const norm_attrs){{{0, {0}}, false}, 0}, 1, {{AG_F64, 2, {2, 3}, 0.1, 2}}},
    {&(const norm_attrs){{{1, {1}}, false}, 1.5}, 1, {{AG_F64, 2, {3, 2}, 0.5, 2}}},
    {&(const norm_attrs){{{1, {1}}, false}, 0.5}, 1, {{AG_F64, 2, {3, 2}, -2, -0.5}}},
    {&(const norm_attrs){{{1, {1}}, true}, -1}, 1, {{AG_F64, 2, {3, 2}, 0.5, 2}}},
    {&(const norm_attrs){{{1, {1}}, true}, INFINITY}, 1, {{AG_F64, 2, {3, 4}, 0.1, 2}}},
    {&(const norm_attrs){{{1, {0}}, false}, -INFINITY}, 1, {{AG_F64, 2, {3, 4}, -2, -0.1}}},
    {&(const norm_attrs){{{1, {1}}, false}, 2}, 1, {{AG_F64, 2, {0, 3}, -2, 2}}},
    {&(const norm_attrs){{{1, {0}}, true}, INFINITY}, 1, {{AG_F64, 2, {0, 3}, -2, 2}}}, /* nothing: 0 */
};
static const ag_probe norm_probe = {
    .avoid = AG_AVOID_TIES, .lo = {-2}, .hi = {2}, .n_cases = 16, .cases = norm_cases};

const ag_op agx_op_norm = {
    .name = "norm",
    .formula = "(sum |x_i|^p)^(1/p)",
    .partials = norm_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .traits = AG_TRAIT_STRIDED,
    .keeps = AG_IN(0) | AG_OUT(0),
    .attr_size = sizeof(norm_attrs),
    .fields = norm_fields,
    .n_fields = 3,
    .infer = norm_infer,
    .forward = norm_forward,
    .vjp = norm_vjp,
    .jvp = agx_reduce_jvp,
    .cost = norm_cost,
    .probe = &norm_probe,
};

/* ---- the public functions ------------------------------------------------------------------------------------------- */

ag_value ag_var(ag_value x, const int *axes, int n_axes, bool keepdim, int64_t correction) {
    var_attrs a = {{.keepdim = keepdim}, correction};
    return agx_reduce_record(&agx_op_var, x, axes, n_axes, &a.reduce, &a);
}
ag_value ag_std(ag_value x, const int *axes, int n_axes, bool keepdim, int64_t correction) {
    var_attrs a = {{.keepdim = keepdim}, correction};
    return agx_reduce_record(&agx_op_std, x, axes, n_axes, &a.reduce, &a);
}
ag_value ag_norm(ag_value x, double p, const int *axes, int n_axes, bool keepdim) {
    norm_attrs a = {{.keepdim = keepdim}, p};
    return agx_reduce_record(&agx_op_norm, x, axes, n_axes, &a.reduce, &a);
}
