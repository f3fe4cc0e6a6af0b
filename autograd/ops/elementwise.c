/* elementwise: the descriptors, wrappers and rules of the rows in elementwise.def.
 *
 * A rule is the row's own expression in another vocabulary: recorded operations when the gradient itself is
 * differentiable, one fused kernel when it is not. */
#include <math.h>
#include <string.h>

#include "../kernels/special.h"
#include "../ops.h"
#include "../tape_impl.h"

/* ---- shape rule and forward ------------------------------------------------------------------------------------------ */

enum { FLOATS, INTS };
enum { ORDER = 2 }; /* kind of number: a whole one */

typedef struct row_info {
    uint8_t ints, number;
    bool dx_is_dz, dy_is_dz; /* the adjoint passes through: nothing to compute */
} row_info;

/* The expression `dz` and nothing more. */
#define IS_DZ(text) (sizeof(text) == 3 && (text)[0] == 'd' && (text)[1] == 'z')

static const row_info info[AGX_ROW_COUNT] = {
#define ROW(name, arity, has_number, kind, keeps, z, dx, dy, ...)                                                 \
    {.ints = kind, .number = has_number, .dx_is_dz = IS_DZ(#dx), .dy_is_dz = IS_DZ(#dy)},
#include "elementwise.def"
#undef ROW
};

static enum agx_row row_of(const ag_op *op) { return (enum agx_row)(op - agx_elementwise_ops); }

static bool is_order(double c) { return c >= 0 && c <= AGX_POLYGAMMA_MOST && c == floor(c); }

static ag_status infer(const ag_query *q, ag_meta *out) {
    const row_info *row = &info[row_of(q->op)];
    if (row->number == ORDER && !is_order(*(const double *)q->attrs))
        return ag_fail(q->error, AG_ERROR_VALUE, "the order must be a whole number in [0, %d], got %g",
                       AGX_POLYGAMMA_MOST, *(const double *)q->attrs);
    ag_dtype dtype = q->n_in == 1 ? q->in[0]->dtype : ag_promote(q->in, q->n_in);
    if (!ag_dtype_is_float(dtype)) {
        if (!row->ints)
            dtype = AG_F32;
        else if (dtype == AG_BOOL)
            dtype = AG_I64;
    }
    if (q->n_in == 1 || ag_meta_same_shape(q->in[0], q->in[1])) {
        out->rank = q->in[0]->rank;
        for (int d = 0; d < out->rank; d++) out->dim[d] = q->in[0]->dim[d];
    } else {
        ag_status status = ag_broadcast(q->in, q->n_in, out, q->error);
        if (status != AG_OK) return status;
    }
    out->dtype = dtype;
    return AG_OK;
}

static ag_status forward(const ag_eval *e) {
    double c = e->attrs ? *(const double *)e->attrs : 0;
    return agx_map_row(row_of(e->op), e->in, e->n_in, e->out, c, e->work);
}

/* ---- the rule, recorded ------------------------------------------------------------------------------------------------ */

#define NUM(a)          ag_number(dz, a)
#define NEG(a)          ag_neg(a)
#define ADD(a, b)       ag_add(a, b)
#define SUB(a, b)       ag_sub(a, b)
#define MUL(a, b)       ag_mul(a, b)
#define DIV(a, b)       ag_div(a, b)
#define SQRT(a)         ag_sqrt(a)
#define EXP(a)          ag_exp(a)
#define LOG(a)          ag_log(a)
#define SIN(a)          ag_sin(a)
#define COS(a)          ag_cos(a)
#define TANH(a)         ag_tanh(a)
#define SIGMOID(a)      ag_sigmoid(a)
#define POW(a, b)       ag_pow(a, b)
#define ABS(a)          ag_abs(a)
#define EXP2(a)         ag_exp2(a)
#define EXPM1(a)        ag_expm1(a)
#define LOG1P(a)        ag_log1p(a)
#define LOG2(a)         ag_log2(a)
#define LOG10(a)        ag_log10(a)
#define TAN(a)          ag_tan(a)
#define ASIN(a)         ag_asin(a)
#define ACOS(a)         ag_acos(a)
#define ATAN(a)         ag_atan(a)
#define SINH(a)         ag_sinh(a)
#define COSH(a)         ag_cosh(a)
#define ASINH(a)        ag_asinh(a)
#define ACOSH(a)        ag_acosh(a)
#define ATANH(a)        ag_atanh(a)
#define ERF(a)          ag_erf(a)
#define ERFC(a)         ag_erfc(a)
#define SOFTPLUS(a)     ag_softplus(a)
#define FLOOR(a)        ag_floor(a)
#define CEIL(a)         ag_ceil(a)
#define ROUND(a)        ag_round(a)
#define TRUNC(a)        ag_trunc(a)
#define ATAN2(a, b)     ag_atan2(a, b)
#define HYPOT(a, b)     ag_hypot(a, b)
#define FMOD(a, b)      ag_fmod(a, b)
#define LGAMMA(a)       ag_lgamma(a)
#define POLYGAMMA(n, a) ag_elementwise(AGX_ROW_polygamma, (const ag_value[]){a}, 1, n)
#define LT(a, b)        ag_lt(a, b)
#define LE(a, b)        ag_le(a, b)
#define GT(a, b)        ag_gt(a, b)
#define GE(a, b)        ag_ge(a, b)
#define EQ(a, b)        ag_eq(a, b)
#define NE(a, b)        ag_ne(a, b)
#define BOTH(p, q)      ag_logical_and(p, q)
#define WHERE(p, a, b)  ag_where(p, a, b)
#define NONE            dz

static ag_value recorded(enum agx_row row, int operand, ag_value x, ag_value y, ag_value z, ag_value dz,
                         double c) {
    (void)c;
    switch (row) {
#define ROW(name, arity, number, ints, keeps, value, dx, dy, ...)                                                 \
    case AGX_ROW_##name: {                                                                                        \
        (void)x, (void)y, (void)z;                                                                                \
        return operand == 0 ? dx : dy;                                                                            \
    }
#include "elementwise.def"
#undef ROW
    case AGX_ROW_COUNT: break;
    }
    return agx_failed(dz.tape);
}

/* ---- the rule, fused ------------------------------------------------------------------------------------------------------ */

/* What a kernel reads for something the row does not keep: any address will do. */
static ag_array array_of(ag_value v) {
    const agx_record *r = agx_record_of(v.tape, v.id);
    if (r) return (ag_array){.meta = &r->meta, .data = r->data};
    return (ag_array){.meta = &agx_scalar_meta, .data = &agx_entry(v.tape, v.id)->v};
}

/* d operand = f(dz, x, y, z) in one pass, in memory of the pool. Operands of another dtype than the result are
 * cast first. */
static ag_value fused(ag_reverse *r, agx_loop *loop, const ag_value *values, double c) {
    ag_tape *t = r->t;
    ag_array in[4];
    ag_value dz = values[0];
    const ag_meta *meta = agx_meta_at(t, dz.id);
    for (int i = 0; i < 4; i++) {
        ag_value v = values[i].id ? values[i] : dz;
        if (agx_meta_at(t, v.id)->dtype != meta->dtype) v = ag_cast(v, meta->dtype);
        if (!v.id) return v;
        in[i] = array_of(v);
    }
    ag_meta dense = *in[0].meta;
    ag_meta_make_dense(&dense);
    agx_buffer *buffer;
    void *data = agx_numbers(t, ag_meta_bytes(&dense), &buffer);
    agx_record *out;
    ag_value v = data ? agx_record_new(t, &agx_op_constant, &dense, data, buffer, 0, &out) : agx_failed(t);
    if (!v.id) {
        agx_buffer_drop(&t->pool, buffer);
        agx_operation_error(t, r->op, NULL, 0, AG_ERROR_MEMORY, "out of memory for an adjoint");
        return v;
    }
    ag_status status = agx_map(loop, in, 4, &(ag_array){.meta = &out->meta, .data = data}, c, &t->work);
    if (status != AG_OK) {
        agx_operation_error(t, r->op, NULL, 0, status, "out of memory for an adjoint");
        return agx_failed(t);
    }
    return v;
}

static ag_status elementwise_vjp(ag_reverse *r) {
    enum agx_row row = row_of(r->op);
    double c = r->attrs ? *(const double *)r->attrs : 0;
    bool fuse = !ag_rule_recorded(r) && agx_record_of(r->t, r->id);
    ag_value x = {.tape = r->t}, y = x, z = x, dz = ag_dy(r, 0);
    if (r->op->keeps & AG_IN(0)) x = ag_in(r, 0);
    if (r->op->keeps & AG_IN(1)) y = ag_in(r, 1);
    if (r->op->keeps & AG_OUT(0)) z = ag_out(r, 0);
    for (uint32_t i = 0; i < r->op->min_in; i++) {
        if (!ag_wants(r, i)) continue;
        if (i == 0 ? info[row].dx_is_dz : info[row].dy_is_dz) {
            ag_give(r, i, dz);
        } else if (fuse) {
            int which = agx_meta_at(r->t, dz.id)->dtype == AG_F64;
            const agx_vectors *vectors = agx_vector_table();
            agx_loop *loop = i == 0 ? vectors->dx[row][which] : vectors->dy[row][which];
            ag_give(r, i, fused(r, loop, (const ag_value[]){dz, x, y, z}, c));
        } else {
            ag_give(r, i, recorded(row, (int)i, x, y, z, dz, c));
        }
    }
    return AG_OK;
}

/* The rule is linear in dz and acts element by element: fed with the tangent of an operand it gives that operand's part
 * of the result's tangent. */
static ag_status elementwise_jvp(ag_forward *f) {
    const ag_op *op = ag_forward_op(f);
    const enum agx_row row = row_of(op);
    const void *attrs = ag_forward_attrs(f);
    const double c = attrs ? *(const double *)attrs : 0;
    ag_value x = {.tape = ag_forward_tape(f)}, y = x, z = x;
    if (op->keeps & AG_IN(0)) x = ag_primal_in(f, 0);
    if (op->keeps & AG_IN(1)) y = ag_primal_in(f, 1);
    if (op->keeps & AG_OUT(0)) z = ag_primal_out(f, 0);
    for (uint32_t i = 0; i < op->min_in; i++) {
        if (!ag_has_tangent(f, i)) continue;
        const ag_value v = ag_cast(ag_tangent(f, i), ag_primal_out_meta(f, 0)->dtype);
        const bool same = i == 0 ? info[row].dx_is_dz : info[row].dy_is_dz;
        ag_give_tangent(f, 0, same ? v : recorded(row, (int)i, x, y, z, v, c));
    }
    return AG_OK;
}

/* ---- descriptors -------------------------------------------------------------------------------------------------------------- */

#define IN0  AG_IN(0)
#define IN1  AG_IN(1)
#define OUT0 AG_OUT(0)

/* What a row takes where it is called by name without its number: PyTorch's default, or else what leaves x as it is. */
#define NUMBER(row, value) [AGX_ROW_##row] = {"c", AG_FIELD_REAL, 0, value}
static const ag_field number_field[AGX_ROW_COUNT] = {
    NUMBER(add_number, 0),       NUMBER(mul_number, 1),    NUMBER(pow_number, 1), NUMBER(clamp_min, -INFINITY),
    NUMBER(clamp_max, INFINITY), NUMBER(leaky_relu, 0.01), NUMBER(elu, 1),        NUMBER(celu, 1),
    NUMBER(smooth_l1, 1),        NUMBER(huber, 1),         NUMBER(polygamma, 0), /* digamma */
};
#undef NUMBER

#define ROW(row_name, arity, number, ints, keep, z, dx, dy, text, px, py, stay_away, lo0, hi0, lo1, hi1)          \
    static const char *const partials_##row_name[] = {px, py};                                                    \
    static const ag_probe probe_##row_name = {                                                                    \
        .avoid = stay_away, .lo = {lo0, lo1}, .hi = {hi0, hi1}, .sample = number == 2 ? 2 : 1.7};
#include "elementwise.def"
#undef ROW

const ag_op agx_elementwise_ops[AGX_ROW_COUNT] = {
#define ROW(row_name, arity, number, ints, keep, z, dx, dy, text, ...)                                            \
    [AGX_ROW_##row_name] = {.name = #row_name,                                                                    \
                            .formula = text,                                                                      \
                            .partials = partials_##row_name,                                                      \
                            .min_in = arity,                                                                      \
                            .max_in = arity,                                                                      \
                            .outputs = 1,                                                                         \
                            .traits = AG_TRAIT_ELEMENTWISE | AG_TRAIT_STRIDED,                                    \
                            .keeps = keep,                                                                        \
                            .attr_size = number ? sizeof(double) : 0,                                             \
                            .fields = number ? &number_field[AGX_ROW_##row_name] : NULL,                          \
                            .n_fields = number != 0,                                                              \
                            .infer = infer,                                                                       \
                            .forward = forward,                                                                   \
                            .vjp = elementwise_vjp,                                                               \
                            .jvp = elementwise_jvp,                                                               \
                            .probe = &probe_##row_name},
#include "elementwise.def"
#undef ROW
};

/* ---- wrappers ------------------------------------------------------------------------------------------------------------------- */

/* All operands scalars of the strip: the result is one, too. */
static bool all_scalars(const ag_tape *t, const ag_value *in, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        if (agx_is_wide(agx_entry(t, in[i].id))) return false;
    }
    return true;
}

ag_value ag_elementwise(uint32_t opcode, const ag_value *in, uint32_t n, double c) {
    ag_tape *t = agx_tape_of(in, n, NULL);
    if (!t || opcode >= AGX_ROW_COUNT) return agx_failed(t);
    const ag_op *op = &agx_elementwise_ops[opcode];
    if (agx_check_operands(t, op->name, in, n) != AG_OK) return agx_failed(t);
    if (!all_scalars(t, in, n)) return ag_apply(t, op, in, n, info[opcode].number ? &c : NULL);
    double x = agx_entry(t, in[0].id)->v, y = n > 1 ? agx_entry(t, in[1].id)->v : 0;
    ag_value z = agx_push_scalar(t, opcode, in[0].id, n > 1 ? in[1].id : 0,
                                 agx_scalar_value((enum agx_row)opcode, x, y, c));
    if (z.id && info[opcode].number) agx_entry(t, z.id)->u.c = c;
    if (z.id && t->anomaly) agx_watch_value(t, z.id);
    return z;
}

#define UNARY(name)                                                                                               \
    ag_value ag_##name(ag_value x) { return ag_elementwise(AGX_ROW_##name, &x, 1, 0); }
#define NUMBER(name)                                                                                              \
    ag_value ag_##name(ag_value x, double c) { return ag_elementwise(AGX_ROW_##name, &x, 1, c); }
#define BINARY(name)                                                                                              \
    ag_value ag_##name(ag_value x, ag_value y) {                                                                  \
        return ag_elementwise(AGX_ROW_##name, (const ag_value[]){x, y}, 2, 0);                                    \
    }
UNARY(abs)
UNARY(sign)
UNARY(sqrt)
UNARY(exp)
UNARY(log)
UNARY(sin)
UNARY(cos)
UNARY(tanh)
UNARY(sigmoid)
UNARY(rsqrt)
UNARY(reciprocal)
UNARY(exp2)
UNARY(expm1)
UNARY(log2)
UNARY(log10)
UNARY(log1p)
UNARY(tan)
UNARY(asin)
UNARY(acos)
UNARY(atan)
UNARY(sinh)
UNARY(cosh)
UNARY(asinh)
UNARY(acosh)
UNARY(atanh)
UNARY(erf)
UNARY(erfc)
UNARY(floor)
UNARY(ceil)
UNARY(round)
UNARY(trunc)
UNARY(relu6)
UNARY(hardtanh)
UNARY(hardsigmoid)
UNARY(hardswish)
UNARY(softplus)
UNARY(log_sigmoid)
UNARY(softsign)
UNARY(silu)
UNARY(mish)
UNARY(gelu)
UNARY(gelu_tanh)
UNARY(selu)
UNARY(lgamma)
BINARY(pow)
BINARY(maximum)
BINARY(minimum)
BINARY(atan2)
BINARY(hypot)
BINARY(logaddexp)
BINARY(fmod)
BINARY(remainder)
BINARY(xlogy)
NUMBER(pow_number)
NUMBER(clamp_min)
NUMBER(clamp_max)
NUMBER(leaky_relu)
NUMBER(elu)
NUMBER(celu)
NUMBER(smooth_l1)
NUMBER(huber)

ag_value ag_polygamma(int n, ag_value x) {
    if (is_order(n)) return ag_elementwise(AGX_ROW_polygamma, &x, 1, n);
    return ag_tape_fail(x.tape, AG_ERROR_VALUE, "polygamma: the order must lie in [0, %d], got %d",
                        AGX_POLYGAMMA_MOST, n);
}
