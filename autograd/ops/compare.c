/* compare: comparisons, the logic of masks, selection by a mask, and conversion between dtypes.
 *
 * Comparisons answer with bools and have no derivative. where() sends the adjoint only through the branch taken:
 * the other one gets exact zeros, whatever it holds - so a guarded NaN stays guarded in the gradient too. */
#include "ops_impl.h"

static const uint8_t none[] = {AG_GRAD_ZERO};

/* ---- comparisons ------------------------------------------------------------------------------------------- */

static ag_status compare_infer(const ag_query *q, ag_meta *out) {
    out->dtype = AG_BOOL;
    return ag_broadcast(q->in, 2, out, q->error);
}

static const ag_probe_case compare_cases[] = {
    {NULL, 2, {{AG_F64, 0, {0}, 0, 0}, {AG_F64, 0, {0}, 0, 0}}},
    {NULL, 2, {{AG_F64, 2, {2, 3}, 0, 0}, {AG_F64, 1, {3}, 0, 0}}},
    {NULL, 2, {{AG_I64, 2, {4, 1}, 0, 3}, {AG_I64, 2, {1, 5}, 0, 3}}},
    {NULL, 2, {{AG_F64, 2, {0, 3}, 0, 0}, {AG_F64, 2, {1, 3}, 0, 0}}},
};
static const ag_probe compare_probe = {
    .avoid = AG_AVOID_TIES, .lo = {-2, -2}, .hi = {2, 2}, .n_cases = 4, .cases = compare_cases};

#define COMPARE(word, which, text)                                                                                \
    static ag_status word##_forward(const ag_eval *e) { return agx_compare(which, e->in, e->out, e->work); }      \
    const ag_op agx_op_##word = {.name = #word,                                                                   \
                                 .formula = text,                                                                 \
                                 .min_in = 2,                                                                     \
                                 .max_in = 2,                                                                     \
                                 .outputs = 1,                                                                    \
                                 .grad = none,                                                                    \
                                 .n_grad = 1,                                                                     \
                                 .traits = AG_TRAIT_ELEMENTWISE | AG_TRAIT_STRIDED,                               \
                                 .infer = compare_infer,                                                          \
                                 .forward = word##_forward,                                                       \
                                 .probe = &compare_probe};                                                        \
    ag_value ag_##word(ag_value x, ag_value y) { return agx_apply2(&agx_op_##word, x, y, NULL); }

COMPARE(eq, AGX_EQ, "x == y")
COMPARE(ne, AGX_NE, "x != y")
COMPARE(lt, AGX_LT, "x < y")
COMPARE(le, AGX_LE, "x <= y")
COMPARE(gt, AGX_GT, "x > y")
COMPARE(ge, AGX_GE, "x >= y")
#undef COMPARE

/* ---- logical_and --------------------------------------------------------------------------------------------- */

static ag_status logical_and_infer(const ag_query *q, ag_meta *out) {
    for (uint32_t i = 0; i < 2; i++)
        if (q->in[i]->dtype != AG_BOOL)
            return ag_fail(q->error, AG_ERROR_DTYPE, "operand %u must be bool, got %s", (unsigned)i,
                           ag_dtype_name(q->in[i]->dtype));
    out->dtype = AG_BOOL;
    return ag_broadcast(q->in, 2, out, q->error);
}

static ag_status logical_and_forward(const ag_eval *e) {
    const ag_array in[3] = {e->in[0], e->in[1], e->in[0]}; /* x ? y : x */
    return agx_select(in, e->out, e->work);
}

static const ag_probe_case logical_and_cases[] = {
    {NULL, 2, {{AG_BOOL, 0, {0}, 0, 1}, {AG_BOOL, 0, {0}, 0, 1}}},
    {NULL, 2, {{AG_BOOL, 2, {3, 4}, 0, 1}, {AG_BOOL, 1, {4}, 0, 1}}},
};
static const ag_probe logical_and_probe = {.n_cases = 2, .cases = logical_and_cases};

const ag_op agx_op_logical_and = {
    .name = "logical_and",
    .formula = "x and y",
    .min_in = 2,
    .max_in = 2,
    .outputs = 1,
    .grad = none,
    .n_grad = 1,
    .traits = AG_TRAIT_ELEMENTWISE | AG_TRAIT_STRIDED,
    .infer = logical_and_infer,
    .forward = logical_and_forward,
    .probe = &logical_and_probe,
};
ag_value ag_logical_and(ag_value x, ag_value y) { return agx_apply2(&agx_op_logical_and, x, y, NULL); }

/* ---- where ------------------------------------------------------------------------------------------------------ */

static ag_status where_infer(const ag_query *q, ag_meta *out) {
    if (q->in[0]->dtype != AG_BOOL)
        return ag_fail(q->error, AG_ERROR_DTYPE, "the condition must be bool, got %s",
                       ag_dtype_name(q->in[0]->dtype));
    out->dtype = ag_promote(q->in + 1, 2);
    return ag_broadcast(q->in, 3, out, q->error);
}

static ag_status where_forward(const ag_eval *e) {
    const ag_dtype dtype = e->out->meta->dtype;
    agx_local x, y;
    ag_status status = agx_as_dtype(e, &e->in[1], dtype, &x);
    if (status == AG_OK) status = agx_as_dtype(e, &e->in[2], dtype, &y);
    if (status != AG_OK) return status;
    const ag_array in[3] = {e->in[0], x.array, y.array};
    return agx_select(in, e->out, e->work);
}

static ag_status where_vjp(ag_reverse *r) {
    const ag_value condition = ag_in(r, 0), dz = ag_dy(r, 0), zero = ag_number(dz, 0.0);
    if (ag_wants(r, 1)) ag_give(r, 1, ag_where(condition, dz, zero));
    if (ag_wants(r, 2)) ag_give(r, 2, ag_where(condition, zero, dz));
    return AG_OK;
}

static const uint8_t where_grad[] = {AG_GRAD_ZERO, AG_GRAD_RULE, AG_GRAD_RULE};
static const char *const where_partials[] = {"0", "1 if c else 0", "0 if c else 1"};
static const ag_probe_case where_cases[] = {
    {NULL, 3, {{AG_BOOL, 0, {0}, 0, 1}, {AG_F64, 0, {0}, -2, 2}, {AG_F64, 0, {0}, -2, 2}}},
    {NULL, 3, {{AG_BOOL, 2, {3, 4}, 0, 1}, {AG_F64, 2, {3, 4}, -2, 2}, {AG_F64, 2, {3, 4}, -2, 2}}},
    {NULL, 3, {{AG_BOOL, 2, {3, 1}, 0, 1}, {AG_F64, 1, {4}, -2, 2}, {AG_F64, 3, {2, 1, 1}, -2, 2}}},
    {NULL, 3, {{AG_BOOL, 1, {0}, 0, 1}, {AG_F64, 1, {1}, -2, 2}, {AG_F64, 0, {0}, -2, 2}}},
};
static const ag_probe where_probe = {.lo = {0, -2, -2}, .hi = {1, 2, 2}, .n_cases = 4, .cases = where_cases};

const ag_op agx_op_where = {
    .name = "where",
    .formula = "x if c else y",
    .partials = where_partials,
    .min_in = 3,
    .max_in = 3,
    .outputs = 1,
    .grad = where_grad,
    .n_grad = 3,
    .traits = AG_TRAIT_LINEAR | AG_TRAIT_STRIDED,
    .keeps = AG_IN(0),
    .infer = where_infer,
    .forward = where_forward,
    .vjp = where_vjp,
    .cost = agx_cost_none,
    .probe = &where_probe,
};
ag_value ag_where(ag_value condition, ag_value x, ag_value y) {
    return agx_apply3(&agx_op_where, condition, x, y, NULL);
}

/* ---- cast --------------------------------------------------------------------------------------------------------- */

static ag_status cast_infer(const ag_query *q, ag_meta *out) {
    const agx_cast_attrs *a = q->attrs;
    if ((unsigned)a->dtype >= AG_DTYPE_COUNT)
        return ag_fail(q->error, AG_ERROR_DTYPE, "%d is no dtype", (int)a->dtype);
    out->dtype = a->dtype;
    agx_copy_shape(q->in[0], out);
    return agx_check_size(q, out);
}

static ag_status cast_forward(const ag_eval *e) { return agx_copy(e->in, e->out, e->work); }

/** Into integers and bools the value is piecewise constant: nothing is given. ag_give() converts back. */
static ag_status cast_vjp(ag_reverse *r) {
    if (ag_dtype_is_float(ag_out_meta(r, 0)->dtype) && ag_wants(r, 0)) ag_give(r, 0, ag_dy(r, 0));
    return AG_OK;
}

static const char *const cast_partials[] = {"1"};
static const ag_field cast_fields[] = {{"dtype", AG_FIELD_DTYPE, offsetof(agx_cast_attrs, dtype), AG_F32}};
static const ag_probe_case cast_cases[] = {
    {&(const agx_cast_attrs){AG_F64}, 1, {{AG_F64, 2, {2, 3}, -2, 2}}},
    {&(const agx_cast_attrs){AG_F64}, 1, {{AG_F64, 0, {0}, -2, 2}}},
    {&(const agx_cast_attrs){AG_F64}, 1, {{AG_I64, 1, {5}, -4, 4}}},
    {&(const agx_cast_attrs){AG_I64}, 1, {{AG_BOOL, 2, {2, 0}, 0, 1}}},
};
static const ag_probe cast_probe = {.lo = {-2}, .hi = {2}, .n_cases = 4, .cases = cast_cases};

const ag_op agx_op_cast = {
    .name = "cast",
    .formula = "x as dtype",
    .partials = cast_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .traits = AG_TRAIT_LINEAR | AG_TRAIT_STRIDED,
    .attr_size = sizeof(agx_cast_attrs),
    .fields = cast_fields,
    .n_fields = 1,
    .infer = cast_infer,
    .forward = cast_forward,
    .vjp = cast_vjp,
    .cost = agx_cost_none,
    .probe = &cast_probe,
};

ag_value ag_cast(ag_value x, ag_dtype dtype) {
    const ag_meta *meta = ag_meta_of(x);
    if (meta && meta->dtype == dtype) return x;
    return agx_apply1(&agx_op_cast, x, &(const agx_cast_attrs){dtype});
}
