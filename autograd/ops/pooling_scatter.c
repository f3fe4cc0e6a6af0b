/* pooling_scatter: the two sides of a maximum's gradient - adjoints put where the largest elements lay, and values taken
 * from there. Each is the other's derivative. index counts the elements of a plane, row-major. */
#include "pooling_impl.h"

#include <inttypes.h>

static const uint8_t index_grad[] = {AG_GRAD_RULE, AG_GRAD_ZERO};

static ag_status check_index(const ag_query *q) {
    if (q->in[1]->dtype == AG_I64) return AG_OK;
    return ag_fail(q->error, AG_ERROR_DTYPE, "the index must be i64, got %s", ag_dtype_name(q->in[1]->dtype));
}

static ag_status bad_index(const ag_eval *e, int64_t position, int64_t size) {
    const int64_t *index = e->in[1].data;
    return ag_fail(e->error, AG_ERROR_INDEX,
                   "element %" PRId64 " of the index is %" PRId64 ", outside a plane of %" PRId64, position,
                   index[position], size);
}

/* ---- max_pool2d_scatter: dy and index (N, C, H', W') to (N, C, H, W) ------------------------------------------------ */

static ag_status scatter_infer(const ag_query *q, ag_meta *out) {
    const agx_pool_attrs *a = q->attrs;
    agx_planes planes = {0};
    int64_t size[2];
    ag_status status = agx_planes_of(q->in[0], 2, "adjoint", &planes, q->error);
    if (status == AG_OK) status = check_index(q);
    if (status == AG_OK && !ag_meta_same_shape(q->in[0], q->in[1]))
        status = ag_fail(q->error, AG_ERROR_SHAPE, "the adjoint and the index must have one shape");
    if (status == AG_OK) status = agx_numbers_of(&a->size, 2, 0, 1, 0, "input_size", size, q->error);
    if (status == AG_OK) status = agx_promote_float(q, 1, &out->dtype);
    if (status != AG_OK) return status;
    agx_planes_shape(q->in[0], 2, planes.channels, size, out);
    return agx_check_size(q, out);
}

static ag_status scatter_forward(const ag_eval *e) {
    agx_planes from = {0}, to = {0};
    int64_t bad = 0;
    ag_status status = agx_planes_of(e->in[0].meta, 2, "adjoint", &from, e->error);
    if (status == AG_OK) status = agx_planes_of(e->out[0].meta, 2, "result", &to, e->error);
    if (status != AG_OK) return status;
    const int64_t size = to.size[0] * to.size[1];
    status = agx_pool_scatter(e->out[0].meta->dtype, to.batch * to.channels, from.size[0] * from.size[1], size,
                              e->in[0].data, e->in[1].data, e->out[0].data, &bad, e->work);
    return status == AG_ERROR_INDEX ? bad_index(e, bad, size) : status;
}

static ag_status scatter_vjp(ag_reverse *r) {
    if (ag_wants(r, 0)) ag_give(r, 0, agx_apply2(&agx_op_max_pool2d_gather, ag_dy(r, 0), ag_in(r, 1), NULL));
    return AG_OK;
}

static const ag_field scatter_fields[] = {{"input_size", AG_FIELD_INTS, offsetof(agx_pool_attrs, size), 0}};
static const char *const scatter_partials[] = {"1 at index, else 0", "0"};
#define ATTRS(...)                                                                                                \
    &(const agx_pool_attrs) { __VA_ARGS__ }
static const ag_probe_case scatter_cases[] = {
    {ATTRS(.size = {2, {3, 2}}), 2, {{AG_F64, 4, {2, 2, 2, 2}, -2, 2}, {AG_I64, 4, {2, 2, 2, 2}, 0, 5}}},
    {ATTRS(.size = {1, {2}}), 2, {{AG_F64, 3, {2, 1, 3}, -2, 2}, {AG_I64, 3, {2, 1, 3}, 0, 3}}},
    {ATTRS(.size = {1, {2}}), 2, {{AG_F64, 4, {0, 1, 1, 3}, -2, 2}, {AG_I64, 4, {0, 1, 1, 3}, 0, 3}}},
};
#undef ATTRS
static const ag_probe scatter_probe = {.lo = {-2}, .hi = {2}, .n_cases = 3, .cases = scatter_cases};

const ag_op agx_op_max_pool2d_scatter = {
    .name = "max_pool2d_scatter",
    .formula = "zeros, with dy added at index",
    .partials = scatter_partials,
    .min_in = 2,
    .max_in = 2,
    .outputs = 1,
    .grad = index_grad,
    .n_grad = 2,
    .traits = AG_TRAIT_LINEAR,
    .keeps = AG_IN(1),
    .attr_size = sizeof(agx_pool_attrs),
    .fields = scatter_fields,
    .n_fields = 1,
    .infer = scatter_infer,
    .forward = scatter_forward,
    .vjp = scatter_vjp,
    .cost = agx_cost_elements,
    .probe = &scatter_probe,
};

/* ---- max_pool2d_gather: x (N, C, H, W) and index (N, C, H', W') to (N, C, H', W') ------------------------------------ */

static ag_status gather_infer(const ag_query *q, ag_meta *out) {
    const ag_meta *x = q->in[0], *index = q->in[1];
    agx_planes planes = {0};
    ag_status status = agx_planes_of(x, 2, "input", &planes, q->error);
    if (status == AG_OK) status = check_index(q);
    if (status != AG_OK) return status;
    bool fits = index->rank == x->rank;
    for (int k = 0; fits && k < x->rank - 2; k++) fits = index->dim[k] == x->dim[k];
    if (!fits) return ag_fail(q->error, AG_ERROR_SHAPE, "the input and the index have different planes");
    agx_copy_shape(index, out);
    return agx_promote_float(q, 1, &out->dtype);
}

static ag_status gather_forward(const ag_eval *e) {
    agx_planes from = {0}, to = {0};
    int64_t bad = 0;
    ag_status status = agx_planes_of(e->in[0].meta, 2, "input", &from, e->error);
    if (status == AG_OK) status = agx_planes_of(e->out[0].meta, 2, "result", &to, e->error);
    if (status != AG_OK) return status;
    const int64_t size = from.size[0] * from.size[1];
    status = agx_pool_gather(e->out[0].meta->dtype, to.batch * to.channels, to.size[0] * to.size[1], size,
                             e->in[0].data, e->in[1].data, e->out[0].data, &bad, e->work);
    return status == AG_ERROR_INDEX ? bad_index(e, bad, size) : status;
}

static ag_status gather_vjp(ag_reverse *r) {
    const ag_meta *x = ag_in_meta(r, 0);
    const agx_pool_attrs into = {.size = {2, {x->dim[x->rank - 2], x->dim[x->rank - 1]}}};
    if (ag_wants(r, 0)) ag_give(r, 0, agx_apply2(&agx_op_max_pool2d_scatter, ag_dy(r, 0), ag_in(r, 1), &into));
    return AG_OK;
}

static const ag_probe_case gather_cases[] = {
    {NULL, 2, {{AG_F64, 4, {2, 2, 3, 2}, -2, 2}, {AG_I64, 4, {2, 2, 2, 2}, 0, 5}}},
    {NULL, 2, {{AG_F64, 3, {2, 2, 2}, -2, 2}, {AG_I64, 3, {2, 1, 3}, 0, 3}}},
    {NULL, 2, {{AG_F64, 4, {0, 1, 2, 2}, -2, 2}, {AG_I64, 4, {0, 1, 1, 3}, 0, 3}}},
};
static const ag_probe gather_probe = {.lo = {-2}, .hi = {2}, .n_cases = 3, .cases = gather_cases};

const ag_op agx_op_max_pool2d_gather = {
    .name = "max_pool2d_gather",
    .formula = "x at index",
    .partials = scatter_partials,
    .min_in = 2,
    .max_in = 2,
    .outputs = 1,
    .grad = index_grad,
    .n_grad = 2,
    .traits = AG_TRAIT_LINEAR,
    .keeps = AG_IN(1),
    .infer = gather_infer,
    .forward = gather_forward,
    .vjp = gather_vjp,
    .cost = agx_cost_none,
    .probe = &gather_probe,
};
