/* dropout: zeros at random, the rest scaled so that the mean stays.
 *
 * The record stores the generator's position, not the mask: which elements survive is a pure function of position
 * and element index, so the adjoint is the same operation with the same attributes, and nothing is kept. */
#include "ops_impl.h"

static ag_status dropout_infer(const ag_query *q, ag_meta *out) {
    const agx_dropout_attrs *a = q->attrs;
    if (!(a->p >= 0.0 && a->p <= 1.0)) /* NaN is refused too */
        return ag_fail(q->error, AG_ERROR_VALUE, "p must lie in [0, 1], got %g", a->p);
    ag_status status = agx_promote_float(q, 1, &out->dtype);
    if (status != AG_OK) return status;
    agx_copy_shape(q->in[0], out);
    return AG_OK;
}

static ag_status dropout_forward(const ag_eval *e) {
    const agx_dropout_attrs *a = e->attrs;
    return agx_dropout(e->in, a->p, a->random, e->out, e->work);
}

/** Linear and diagonal: its own transpose. */
static ag_status dropout_vjp(ag_reverse *r) {
    if (ag_wants(r, 0)) ag_give(r, 0, agx_apply1(ag_rule_op(r), ag_dy(r, 0), ag_rule_attrs(r)));
    return AG_OK;
}

static const char *const dropout_partials[] = {"mask / (1 - p)"};
static const ag_field dropout_fields[] = {
    {"p", AG_FIELD_REAL, offsetof(agx_dropout_attrs, p), 0.5},
    {"random", AG_FIELD_RANDOM, offsetof(agx_dropout_attrs, random), 0},
};
static const ag_probe_case dropout_cases[] = {
    {&(const agx_dropout_attrs){0.5, {7, 0}}, 1, {{AG_F64, 2, {3, 5}, 0, 0}}},
    {&(const agx_dropout_attrs){0.0, {7, 3}}, 1, {{AG_F64, 0, {0}, 0, 0}}},
    {&(const agx_dropout_attrs){1.0, {7, 3}}, 1, {{AG_F64, 1, {4}, 0, 0}}},
    {&(const agx_dropout_attrs){0.1, {8, 1}}, 1, {{AG_F64, 3, {2, 0, 3}, 0, 0}}},
};
static const ag_probe dropout_probe = {.lo = {-2}, .hi = {2}, .n_cases = 4, .cases = dropout_cases};

const ag_op agx_op_dropout = {
    .name = "dropout",
    .formula = "mask x / (1 - p)",
    .partials = dropout_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .traits = AG_TRAIT_LINEAR | AG_TRAIT_RANDOM | AG_TRAIT_STRIDED,
    .attr_size = sizeof(agx_dropout_attrs),
    .fields = dropout_fields,
    .n_fields = 2,
    .infer = dropout_infer,
    .forward = dropout_forward,
    .vjp = dropout_vjp,
    .cost = agx_cost_elements,
    .probe = &dropout_probe,
};

/** Takes as many blocks of four words from the tape's generator as x has quadruples of elements. */
ag_value ag_dropout(ag_value x, double p) {
    agx_dropout_attrs a = {.p = p};
    const ag_meta *meta = ag_meta_of(x);
    if (meta) {
        a.random = ag_tape_random_get(x.tape);
        ag_random after = a.random;
        after.counter += ((uint64_t)ag_meta_count(meta) + 3) / 4;
        ag_tape_random_set(x.tape, after);
    }
    return agx_apply1(&agx_op_dropout, x, &a);
}
