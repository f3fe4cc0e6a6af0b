/* op_support: operations of a user's own, for the tests of apply, rules and the registry. */
#ifndef OP_SUPPORT_H
#define OP_SUPPORT_H

#include "core_support.h"

#include <stddef.h>

static inline ag_status same_shape(const ag_query *q, ag_meta *out) {
    for (int k = 0; k < q->op->outputs; k++) out[k] = *q->in[0];
    return AG_OK;
}
static inline ag_status quiet_forward(const ag_eval *e) {
    for (int k = 0; k < e->op->outputs; k++) memset(e->out[k].data, 0, ag_meta_bytes(e->out[k].meta));
    return AG_OK;
}
static inline ag_status copy_forward(const ag_eval *e) {
    memcpy(e->out[0].data, e->in[0].data, ag_meta_bytes(e->out[0].meta));
    return AG_OK;
}
static inline ag_status nothing(ag_reverse *r) {
    (void)r;
    return AG_OK;
}

/** c x^3 */
typedef struct cube_attrs {
    double c;
    int64_t unused;
} cube_attrs;

static ag_status cube_forward(const ag_eval *e) {
    const cube_attrs *a = e->attrs;
    const double *x = e->in[0].data;
    double *z = e->out[0].data;
    ck_assert(ag_meta_is_dense(e->in[0].meta));
    ck_assert(ag_meta_is_dense(e->out[0].meta));
    ck_assert_uint_eq((uintptr_t)z % 64, 0);
    for (int64_t i = 0, n = ag_meta_count(e->out[0].meta); i < n; i++) z[i] = a->c * x[i] * x[i] * x[i];
    return AG_OK;
}
static ag_status cube_vjp(ag_reverse *r) {
    const cube_attrs *a = ag_rule_attrs(r);
    ck_assert_str_eq(ag_rule_op(r)->name, "test_cube");
    ck_assert_uint_eq(ag_in_count(r), 1);
    if (ag_wants(r, 0)) ag_give(r, 0, ag_mul(ag_dy(r, 0), ag_mul_number(ag_square(ag_in(r, 0)), 3 * a->c)));
    return AG_OK;
}
static const ag_field cube_fields[] = {{"c", AG_FIELD_REAL, offsetof(cube_attrs, c), 2},
                                       {"unused", AG_FIELD_INT, offsetof(cube_attrs, unused), -3}};
static const ag_probe cube_probe = {.lo = {-2}, .hi = {2}, .n_cases = 0};
static const ag_op cube = {.name = "test_cube",
                           .formula = "c x^3",
                           .min_in = 1,
                           .max_in = 1,
                           .outputs = 1,
                           .keeps = AG_IN(0),
                           .attr_size = sizeof(cube_attrs),
                           .fields = cube_fields,
                           .n_fields = 2,
                           .infer = same_shape,
                           .forward = cube_forward,
                           .vjp = cube_vjp,
                           .probe = &cube_probe};

/** (r cos a, r sin a) of (r, a): two outputs. */
static int polar_calls;

static ag_status polar_infer(const ag_query *q, ag_meta *out) {
    ag_status status = ag_broadcast(q->in, 2, &out[0], q->error);
    out[0].dtype = AG_F64;
    out[1] = out[0];
    return status;
}
static ag_status polar_forward(const ag_eval *e) {
    int64_t n = ag_meta_count(e->out[0].meta), nr = ag_meta_count(e->in[0].meta),
            na = ag_meta_count(e->in[1].meta);
    const double *r = e->in[0].data, *a = e->in[1].data;
    double *x = e->out[0].data, *y = e->out[1].data;
    for (int64_t i = 0; i < n; i++) { /* repeats leading dimensions only */
        x[i] = r[i % nr] * cos(a[i % na]);
        y[i] = r[i % nr] * sin(a[i % na]);
    }
    return AG_OK;
}
static ag_status polar_vjp(ag_reverse *r) {
    polar_calls++;
    ag_value a = ag_in(r, 1), dx = ag_dy(r, 0), dy = ag_dy(r, 1);
    if (ag_wants(r, 0)) ag_give(r, 0, ag_add(ag_mul(dx, ag_cos(a)), ag_mul(dy, ag_sin(a))));
    if (ag_wants(r, 1)) ag_give(r, 1, ag_sub(ag_mul(dy, ag_out(r, 0)), ag_mul(dx, ag_out(r, 1))));
    return AG_OK;
}
static const ag_op polar = {.name = "test_polar",
                            .min_in = 2,
                            .max_in = 2,
                            .outputs = 2,
                            .keeps = AG_IN(1) | AG_OUT(0) | AG_OUT(1),
                            .infer = polar_infer,
                            .forward = polar_forward,
                            .vjp = polar_vjp};

static ag_status behaviour; /* what failing() answers, and how */
static bool with_message;
static inline ag_status failing(ag_error *error) {
    return with_message ? ag_fail(error, behaviour, "bad %s%%n", "luck") : behaviour;
}
static inline ag_status failing_infer(const ag_query *q, ag_meta *out) {
    same_shape(q, out);
    return failing(q->error);
}
static inline ag_status failing_forward(const ag_eval *e) { return failing(e->error); }

/** sum of i x_i over all operands, flattened one behind the other; the derivative is zero, so it is said. */
static inline ag_status sum_infer(const ag_query *q, ag_meta *out) {
    (void)q;
    out->dtype = AG_F64;
    out->rank = 0;
    return AG_OK;
}
static inline ag_status weigh(const ag_eval *e) {
    double sum = 0, at = 0;
    for (uint32_t k = 0; k < e->n_in; k++) {
        int64_t n = ag_meta_count(e->in[k].meta);
        double *copy = ag_scratch(e->work, (size_t)n * sizeof *copy);
        if (!copy) return ag_fail(e->error, AG_ERROR_MEMORY, "out of memory");
        ck_assert_uint_eq((uintptr_t)copy % 64, 0);
        if (n) memcpy(copy, e->in[k].data, (size_t)n * sizeof *copy);
        for (int64_t i = 0; i < n; i++) sum += at++ * copy[i];
    }
    *(double *)e->out[0].data = sum;
    return AG_OK;
}
static const uint8_t no_derivative[] = {AG_GRAD_ZERO};
static const ag_op weighted = {.name = "test_weighted",
                               .max_in = AG_VARIADIC,
                               .outputs = 1,
                               .grad = no_derivative,
                               .n_grad = 1,
                               .infer = sum_infer,
                               .forward = weigh};

#endif
