/* sums: two sums that are worth one record each - of squares, and of any number of operands. */
#include "reduce_impl.h"

/* ---- sum_squares ------------------------------------------------------------------------------------------------------- */

static uint32_t mask_of(const agx_reduce_attrs *a, int rank) {
    uint32_t mask = 0;
    return ag_axes_mask(&a->axes, rank, &mask, NULL) == AG_OK ? mask : 0;
}

static ag_status sum_squares_infer(const ag_query *q, ag_meta *out) {
    const agx_reduce_attrs *a = q->attrs;
    const ag_meta *x = q->in[0];
    uint32_t mask = 0;
    ag_status status = agx_promote_float(q, 1, &out->dtype);
    if (status == AG_OK) status = ag_axes_mask(&a->axes, x->rank, &mask, q->error);
    if (status != AG_OK) return status;
    out->rank = 0;
    for (int k = 0; k < x->rank; k++) {
        const bool reduced = (mask & 1u << k) != 0;
        if (!reduced || a->keepdim) out->dim[out->rank++] = reduced ? 1 : x->dim[k];
    }
    return AG_OK;
}

static ag_status sum_squares_forward(const ag_eval *e) {
    const ag_meta *x = e->in[0].meta;
    agx_local square = {.meta = *x};
    ag_meta_make_dense(&square.meta);
    size_t bytes = 0; /* a view of few numbers may stand for more than can be counted */
    const bool fits = ag_size_mul((size_t)ag_meta_count(x), ag_dtype_size(x->dtype), &bytes);
    square.array = (ag_array){&square.meta, fits ? ag_scratch(e->work, bytes) : NULL};
    if (!square.array.data) return ag_fail(e->error, AG_ERROR_MEMORY, "no memory for the squares");
    ag_status status = agx_map_row(AGX_ROW_square, e->in, 1, &square.array, 0, e->work);
    if (status != AG_OK) return status;
    return agx_reduce(AGX_SUM, &square.array, mask_of(e->attrs, x->rank), e->out, e->work);
}

static ag_status sum_squares_vjp(ag_reverse *r) {
    const agx_reduce_attrs *a = ag_rule_attrs(r);
    if (!ag_wants(r, 0)) return AG_OK;
    const ag_meta *x = ag_in_meta(r, 0);
    const uint32_t mask = mask_of(a, x->rank);
    int64_t dim[AG_MAX_RANK]; /* of dy, with the reduced axes as axes of size 1 */
    for (int k = 0; k < x->rank; k++) dim[k] = mask & 1u << k ? 1 : x->dim[k];
    const ag_value dy = ag_mul_number(ag_reshape(ag_dy(r, 0), x->rank, dim), 2);
    ag_give(r, 0, ag_mul(dy, ag_in(r, 0)));
    return AG_OK;
}

static double sum_squares_cost(const ag_query *q) { return 2 * (double)ag_meta_count(q->in[0]); }

static const char *const sum_squares_partials[] = {"2 x"};
static const ag_field sum_squares_fields[] = {
    {"axes", AG_FIELD_INTS, offsetof(agx_reduce_attrs, axes), 0},
    {"keepdim", AG_FIELD_BOOL, offsetof(agx_reduce_attrs, keepdim), 0},
};
static const ag_probe_case sum_squares_cases[] = {
    {&(const agx_reduce_attrs){{0, {0}}, false}, 1, {{AG_F64, 0, {0}, 0, 0}}},
    {&(const agx_reduce_attrs){{0, {0}}, false}, 1, {{AG_F64, 2, {2, 3}, 0, 0}}},
    {&(const agx_reduce_attrs){{1, {0}}, false}, 1, {{AG_F64, 2, {3, 2}, 0, 0}}},
    {&(const agx_reduce_attrs){{1, {-1}}, true}, 1, {{AG_F64, 3, {2, 1, 3}, 0, 0}}},
    {&(const agx_reduce_attrs){{2, {0, 2}}, false}, 1, {{AG_F64, 4, {2, 2, 3, 1}, 0, 0}}},
    {&(const agx_reduce_attrs){{1, {0}}, false}, 1, {{AG_F64, 2, {0, 3}, 0, 0}}},
};
static const ag_probe sum_squares_probe = {.lo = {-2}, .hi = {2}, .n_cases = 6, .cases = sum_squares_cases};

const ag_op agx_op_sum_squares = {
    .name = "sum_squares",
    .formula = "sum x^2",
    .partials = sum_squares_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .traits = AG_TRAIT_STRIDED,
    .keeps = AG_IN(0),
    .attr_size = sizeof(agx_reduce_attrs),
    .fields = sum_squares_fields,
    .n_fields = 2,
    .infer = sum_squares_infer,
    .forward = sum_squares_forward,
    .vjp = sum_squares_vjp,
    .jvp = agx_reduce_jvp,
    .cost = sum_squares_cost,
    .probe = &sum_squares_probe,
};
ag_value ag_sum_squares(ag_value x, const int *axes, int n_axes, bool keepdim) {
    agx_reduce_attrs a = {.keepdim = keepdim};
    if (!agx_ints_from_axes(axes, n_axes, &a.axes))
        return ag_tape_fail(x.tape, AG_ERROR_AXIS, "sum_squares: %d axes, or none where some are promised",
                            n_axes);
    return agx_apply1(&agx_op_sum_squares, x, &a);
}

/* ---- add_n -------------------------------------------------------------------------------------------------------------- */

static ag_status add_n_infer(const ag_query *q, ag_meta *out) {
    out->dtype = ag_promote(q->in, q->n_in);
    if (out->dtype == AG_BOOL) out->dtype = AG_I64; /* they are counted, as in sum */
    ag_status status = ag_broadcast(q->in, q->n_in, out, q->error);
    return status == AG_OK ? agx_check_size(q, out) : status;
}

static ag_status add_n_forward(const ag_eval *e) {
    ag_status status = agx_copy(&e->in[0], &e->out[0], e->work);
    for (uint32_t i = 1; i < e->n_in && status == AG_OK; i++) {
        agx_local x;
        status = agx_as_dtype(e, &e->in[i], e->out[0].meta->dtype, &x);
        if (status == AG_OK) status = agx_accumulate(&x.array, &e->out[0], e->work);
    }
    return status;
}

static ag_status add_n_vjp(ag_reverse *r) {
    const ag_value dy = ag_dy(r, 0);
    for (uint32_t i = 0; i < ag_in_count(r); i++) ag_give(r, i, dy);
    return AG_OK;
}

static double add_n_cost(const ag_query *q) {
    double cost = 0;
    for (uint32_t i = 0; i < q->n_in; i++) cost += (double)ag_meta_count(q->in[i]);
    return cost;
}

static const ag_probe_case add_n_cases[] = {
    {NULL, 1, {{AG_F64, 1, {3}, 0, 0}}},
    {NULL, 3, {{AG_F64, 2, {2, 3}, 0, 0}, {AG_F64, 2, {2, 3}, 0, 0}, {AG_F64, 2, {2, 3}, 0, 0}}},
    {NULL, 3, {{AG_F64, 0, {0}, 0, 0}, {AG_F64, 1, {3}, 0, 0}, {AG_F64, 4, {2, 1, 2, 1}, 0, 0}}},
    {NULL, 4, {{AG_F64, 0, {0}, 0, 0}, {AG_F64, 0, {0}, 0, 0}, {AG_F64, 0, {0}, 0, 0}, {AG_F64, 0, {0}, 0, 0}}},
    {NULL, 2, {{AG_F64, 2, {0, 3}, 0, 0}, {AG_F64, 2, {1, 3}, 0, 0}}},
};
static const ag_probe add_n_probe = {.lo = {-2, -2, -2}, .hi = {2, 2, 2}, .n_cases = 5, .cases = add_n_cases};

const ag_op agx_op_add_n = {
    .name = "add_n",
    .formula = "x_0 + x_1 + ...",
    .min_in = 1,
    .max_in = AG_VARIADIC,
    .outputs = 1,
    .traits = AG_TRAIT_LINEAR | AG_TRAIT_STRIDED,
    .infer = add_n_infer,
    .forward = add_n_forward,
    .vjp = add_n_vjp,
    .cost = add_n_cost,
    .probe = &add_n_probe,
};
ag_value ag_add_n(const ag_value *x, int n) {
    if (!x || n < 1)
        return ag_tape_fail(x ? x[0].tape : NULL, AG_ERROR_VALUE, "add_n: needs at least one operand, got %d", n);
    return ag_apply(NULL, &agx_op_add_n, x, (uint32_t)n, NULL);
}
