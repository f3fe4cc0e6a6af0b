/* fused: addcmul and lerp, elementwise in three operands; clamp, which decomposes into its two bounds. */
#include "ops_impl.h"

#include <math.h>

/* ---- clamp -------------------------------------------------------------------------------------------------------- */

typedef struct clamp_attrs {
    double min, max;
} clamp_attrs;

static ag_status clamp_compose(ag_build *b) {
    const clamp_attrs *a = ag_build_attrs(b);
    ag_build_result(b, ag_clamp(ag_build_in(b, 0), a->min, a->max));
    return AG_OK;
}

static const char *const clamp_partials[] = {"1 if min <= x <= max else 0"};
static const ag_field clamp_fields[] = {
    {"min", AG_FIELD_REAL, offsetof(clamp_attrs, min), -INFINITY},
    {"max", AG_FIELD_REAL, offsetof(clamp_attrs, max), INFINITY},
};
static const ag_probe_case clamp_cases[] = {
    {&(const clamp_attrs){-3, 3}, 1, {{AG_F64, 0, {0}, 0, 0}}},
    {&(const clamp_attrs){-3, 3}, 1, {{AG_F64, 2, {2, 3}, 0, 0}}},
    {&(const clamp_attrs){-3, 1}, 1, {{AG_F64, 2, {2, 3}, 1.5, 2}}},
    {&(const clamp_attrs){-1, 3}, 1, {{AG_F64, 1, {4}, -2, -1.5}}},
    {&(const clamp_attrs){-INFINITY, INFINITY}, 1, {{AG_F64, 3, {2, 0, 3}, 0, 0}}},
};
static const ag_probe clamp_probe = {.lo = {-2}, .hi = {2}, .n_cases = 5, .cases = clamp_cases};

const ag_op agx_op_clamp = {
    .name = "clamp",
    .formula = "min(max(x, min), max)",
    .partials = clamp_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .attr_size = sizeof(clamp_attrs),
    .fields = clamp_fields,
    .n_fields = 2,
    .compose = clamp_compose,
    .probe = &clamp_probe,
};
ag_value ag_clamp(ag_value x, double lo, double hi) { return ag_clamp_max(ag_clamp_min(x, lo), hi); }

/* ---- what addcmul and lerp share ------------------------------------------------------------------------------------ */

static ag_status ternary_infer(const ag_query *q, ag_meta *out) {
    ag_status status = ag_broadcast(q->in, 3, out, q->error);
    return status == AG_OK ? agx_promote_float(q, 3, &out->dtype) : status;
}

static ag_status ternary(const ag_eval *e, agx_loop *const loop[2], double c) {
    const ag_dtype dtype = e->out[0].meta->dtype;
    ag_array in[3];
    agx_local local[3];
    for (int i = 0; i < 3; i++) {
        ag_status status = agx_as_dtype(e, &e->in[i], dtype, &local[i]);
        if (status != AG_OK) return status;
        in[i] = local[i].array;
    }
    return agx_map(loop[dtype == AG_F64], in, 3, e->out, c, e->work);
}

/* Three for each element of the result: two products and a sum, or a difference, a product and a sum. */
static double ternary_cost(const ag_query *q) {
    ag_meta out = {.rank = 0};
    return ag_broadcast(q->in, 3, &out, NULL) == AG_OK ? 3 * (double)ag_meta_count(&out) : 0;
}

/* ---- addcmul ---------------------------------------------------------------------------------------------------------- */

typedef struct addcmul_attrs {
    double value;
} addcmul_attrs;

static ag_status addcmul_forward(const ag_eval *e) {
    const addcmul_attrs *a = e->attrs;
    return ternary(e, agx_vector_table()->addcmul, a->value);
}

static ag_status addcmul_vjp(ag_reverse *r) {
    const addcmul_attrs *a = ag_rule_attrs(r);
    const ag_value dz = ag_dy(r, 0);
    if (ag_wants(r, 0)) ag_give(r, 0, dz);
    if (!ag_wants(r, 1) && !ag_wants(r, 2)) return AG_OK;
    const ag_value scaled = ag_mul_number(dz, a->value);
    if (ag_wants(r, 1)) ag_give(r, 1, ag_mul(scaled, ag_in(r, 2)));
    if (ag_wants(r, 2)) ag_give(r, 2, ag_mul(scaled, ag_in(r, 1)));
    return AG_OK;
}

static const char *const addcmul_partials[] = {"1", "value w", "value y"};
static const ag_field addcmul_fields[] = {{"value", AG_FIELD_REAL, offsetof(addcmul_attrs, value), 1}};
static const ag_probe_case addcmul_cases[] = {
    {&(const addcmul_attrs){-1.5}, 3, {{AG_F64, 0, {0}, 0, 0}, {AG_F64, 0, {0}, 0, 0}, {AG_F64, 0, {0}, 0, 0}}},
    {&(const addcmul_attrs){1},
     3,
     {{AG_F64, 2, {2, 3}, 0, 0}, {AG_F64, 2, {2, 3}, 0, 0}, {AG_F64, 2, {2, 3}, 0, 0}}},
    {&(const addcmul_attrs){2},
     3,
     {{AG_F64, 1, {3}, 0, 0}, {AG_F64, 2, {2, 1}, 0, 0}, {AG_F64, 3, {2, 1, 3}, 0, 0}}},
    {&(const addcmul_attrs){0},
     3,
     {{AG_F64, 4, {1, 2, 1, 2}, 0, 0}, {AG_F64, 0, {0}, 0, 0}, {AG_F64, 1, {2}, 0, 0}}},
    {&(const addcmul_attrs){1}, 3, {{AG_F64, 2, {0, 3}, 0, 0}, {AG_F64, 1, {3}, 0, 0}, {AG_F64, 0, {0}, 0, 0}}},
};
static const ag_probe addcmul_probe = {.lo = {-2, -2, -2}, .hi = {2, 2, 2}, .n_cases = 5, .cases = addcmul_cases};

const ag_op agx_op_addcmul = {
    .name = "addcmul",
    .formula = "x + value y w",
    .partials = addcmul_partials,
    .min_in = 3,
    .max_in = 3,
    .outputs = 1,
    .traits = AG_TRAIT_STRIDED,
    .keeps = AG_IN(1) | AG_IN(2),
    .attr_size = sizeof(addcmul_attrs),
    .fields = addcmul_fields,
    .n_fields = 1,
    .infer = ternary_infer,
    .forward = addcmul_forward,
    .vjp = addcmul_vjp,
    .cost = ternary_cost,
    .probe = &addcmul_probe,
};
ag_value ag_addcmul(ag_value x, ag_value y, ag_value w, double c) {
    return agx_apply3(&agx_op_addcmul, x, y, w, &(const addcmul_attrs){c});
}

/* ---- lerp --------------------------------------------------------------------------------------------------------------- */

static ag_status lerp_forward(const ag_eval *e) { return ternary(e, agx_vector_table()->lerp, 0); }

static ag_status lerp_vjp(ag_reverse *r) {
    const ag_value dz = ag_dy(r, 0), w = ag_in(r, 2);
    if (ag_wants(r, 0)) ag_give(r, 0, ag_mul(dz, ag_sub(ag_number(w, 1), w)));
    if (ag_wants(r, 1)) ag_give(r, 1, ag_mul(dz, w));
    if (ag_wants(r, 2)) ag_give(r, 2, ag_mul(dz, ag_sub(ag_in(r, 1), ag_in(r, 0))));
    return AG_OK;
}

static const char *const lerp_partials[] = {"1 - w", "w", "y - x"};
static const ag_probe_case lerp_cases[] = {
    {NULL, 3, {{AG_F64, 0, {0}, 0, 0}, {AG_F64, 0, {0}, 0, 0}, {AG_F64, 0, {0}, 0, 0}}},
    {NULL, 3, {{AG_F64, 2, {2, 3}, 0, 0}, {AG_F64, 2, {2, 3}, 0, 0}, {AG_F64, 2, {2, 3}, 0, 0}}},
    {NULL, 3, {{AG_F64, 1, {3}, 0, 0}, {AG_F64, 2, {2, 1}, 0, 0}, {AG_F64, 3, {2, 1, 3}, 0, 0}}},
    {NULL, 3, {{AG_F64, 4, {1, 2, 1, 2}, 0, 0}, {AG_F64, 1, {2}, 0, 0}, {AG_F64, 0, {0}, 0, 0}}},
    {NULL, 3, {{AG_F64, 2, {0, 3}, 0, 0}, {AG_F64, 1, {3}, 0, 0}, {AG_F64, 0, {0}, 0, 0}}},
};
static const ag_probe lerp_probe = {.lo = {-2, -2, -0.5}, .hi = {2, 2, 1.5}, .n_cases = 5, .cases = lerp_cases};

const ag_op agx_op_lerp = {
    .name = "lerp",
    .formula = "x + w (y - x)",
    .partials = lerp_partials,
    .min_in = 3,
    .max_in = 3,
    .outputs = 1,
    .traits = AG_TRAIT_STRIDED,
    .keeps = AG_IN(0) | AG_IN(1) | AG_IN(2),
    .infer = ternary_infer,
    .forward = lerp_forward,
    .vjp = lerp_vjp,
    .cost = ternary_cost,
    .probe = &lerp_probe,
};
ag_value ag_lerp(ag_value x, ag_value y, ag_value w) { return agx_apply3(&agx_op_lerp, x, y, w, NULL); }
