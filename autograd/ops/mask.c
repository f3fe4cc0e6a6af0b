/* mask: elements replaced where a mask says so - one given (masked_fill), or the part of every matrix above or below a
 * diagonal (tril, triu). What is replaced gets exactly no gradient, whatever it holds. */
#include "ops_impl.h"

#include <inttypes.h>
#include <string.h>

static const char *const kept_partials[] = {"1 where kept, else 0", "0"};

/* ---- masked_fill -------------------------------------------------------------------------------------------------- */

typedef struct masked_fill_attrs {
    double value;
} masked_fill_attrs;

static ag_status masked_fill_infer(const ag_query *q, ag_meta *out) {
    if (q->in[1]->dtype != AG_BOOL)
        return ag_fail(q->error, AG_ERROR_DTYPE, "the mask must be bool, got %s", ag_dtype_name(q->in[1]->dtype));
    out->dtype = q->in[0]->dtype;
    ag_status status = ag_broadcast(q->in, 2, out, q->error);
    return status == AG_OK ? agx_check_size(q, out) : status;
}

static ag_status masked_fill_forward(const ag_eval *e) {
    const masked_fill_attrs *a = e->attrs;
    const ag_meta one = {.dtype = e->out[0].meta->dtype};
    double room; /* one element of any dtype */
    agx_store(&room, one.dtype, 0, a->value);
    const ag_array in[3] = {e->in[1], {&one, &room}, e->in[0]}; /* mask ? value : x */
    return agx_select(in, e->out, e->work);
}

static ag_status masked_fill_vjp(ag_reverse *r) {
    const masked_fill_attrs zero = {0};
    if (ag_wants(r, 0)) ag_give(r, 0, agx_apply2(&agx_op_masked_fill, ag_dy(r, 0), ag_in(r, 1), &zero));
    return AG_OK;
}

static const uint8_t masked_fill_grad[] = {AG_GRAD_RULE, AG_GRAD_ZERO};
static const ag_field masked_fill_fields[] = {{"value", AG_FIELD_REAL, offsetof(masked_fill_attrs, value), 0}};
static const ag_probe_case masked_fill_cases[] = {
    {&(const masked_fill_attrs){2}, 2, {{AG_F64, 0, {0}, -2, 2}, {AG_BOOL, 0, {0}, 0, 1}}},
    {&(const masked_fill_attrs){-1.5}, 2, {{AG_F64, 2, {3, 4}, -2, 2}, {AG_BOOL, 2, {3, 4}, 0, 1}}},
    {&(const masked_fill_attrs){0}, 2, {{AG_F64, 3, {2, 3, 4}, -2, 2}, {AG_BOOL, 2, {3, 1}, 0, 1}}},
    {&(const masked_fill_attrs){1}, 2, {{AG_F64, 2, {3, 1}, -2, 2}, {AG_BOOL, 4, {2, 1, 1, 4}, 0, 1}}},
    {&(const masked_fill_attrs){1}, 2, {{AG_F64, 2, {0, 3}, -2, 2}, {AG_BOOL, 1, {3}, 0, 1}}},
};
static const ag_probe masked_fill_probe = {.lo = {-2}, .hi = {2}, .n_cases = 5, .cases = masked_fill_cases};

const ag_op agx_op_masked_fill = {
    .name = "masked_fill",
    .formula = "value if mask else x",
    .partials = kept_partials,
    .min_in = 2,
    .max_in = 2,
    .outputs = 1,
    .grad = masked_fill_grad,
    .n_grad = 2,
    .traits = AG_TRAIT_STRIDED,
    .keeps = AG_IN(1),
    .attr_size = sizeof(masked_fill_attrs),
    .fields = masked_fill_fields,
    .n_fields = 1,
    .infer = masked_fill_infer,
    .forward = masked_fill_forward,
    .vjp = masked_fill_vjp,
    .cost = agx_cost_none,
    .probe = &masked_fill_probe,
};
ag_value ag_masked_fill(ag_value x, ag_value mask, double value) {
    return agx_apply2(&agx_op_masked_fill, x, mask, &(const masked_fill_attrs){value});
}

/* ---- tril and triu -------------------------------------------------------------------------------------------------- */

typedef struct triangle_attrs {
    int64_t diagonal;
} triangle_attrs;

static ag_status triangle_infer(const ag_query *q, ag_meta *out) {
    const ag_meta *x = q->in[0];
    if (x->rank < 2)
        return ag_fail(q->error, AG_ERROR_SHAPE, "needs a matrix, or a batch of them; got rank %" PRId32, x->rank);
    out->dtype = x->dtype;
    agx_copy_shape(x, out);
    return agx_check_size(q, out);
}

/** A copy, in which the wrong side of the diagonal is then cleared, row by row (0 is all bits 0 in every dtype). */
static ag_status triangle(const ag_eval *e, bool lower) {
    const triangle_attrs *a = e->attrs;
    const ag_meta *z = e->out[0].meta; /* (..., rows, cols), dense */
    const int64_t rows = z->dim[z->rank - 2], cols = z->dim[z->rank - 1], count = ag_meta_count(z);
    const int64_t size = (int64_t)ag_dtype_size(z->dtype);
    const int64_t diagonal = a->diagonal > cols ? cols : a->diagonal < -rows ? -rows : a->diagonal;
    ag_status status = agx_copy(&e->in[0], &e->out[0], e->work);
    if (status != AG_OK || count == 0) return status;
    char *row = e->out[0].data;
    for (int64_t i = 0; i < count / cols; i++, row += cols * size) {
        const int64_t border = i % rows + diagonal + lower; /* first column of the upper part */
        const int64_t at = border < 0 ? 0 : border > cols ? cols : border;
        if (lower)
            memset(row + at * size, 0, (size_t)((cols - at) * size));
        else
            memset(row, 0, (size_t)(at * size));
    }
    return AG_OK;
}

static ag_status tril_forward(const ag_eval *e) { return triangle(e, true); }
static ag_status triu_forward(const ag_eval *e) { return triangle(e, false); }

/** The adjoint lies where the value does. */
static ag_status triangle_vjp(ag_reverse *r) {
    if (ag_wants(r, 0)) ag_give(r, 0, agx_apply1(ag_rule_op(r), ag_dy(r, 0), ag_rule_attrs(r)));
    return AG_OK;
}

static const ag_field triangle_fields[] = {{"diagonal", AG_FIELD_INT, offsetof(triangle_attrs, diagonal), 0}};
static const ag_probe_case triangle_cases[] = {
    {&(const triangle_attrs){0}, 1, {{AG_F64, 2, {3, 3}, 0, 0}}},
    {&(const triangle_attrs){1}, 1, {{AG_F64, 2, {2, 4}, 0, 0}}},
    {&(const triangle_attrs){-1}, 1, {{AG_F64, 3, {2, 4, 2}, 0, 0}}},
    {&(const triangle_attrs){0}, 1, {{AG_F64, 4, {2, 1, 3, 2}, 0, 0}}},
    {&(const triangle_attrs){0}, 1, {{AG_F64, 2, {0, 3}, 0, 0}}},
    {&(const triangle_attrs){0}, 1, {{AG_F64, 2, {3, 0}, 0, 0}}},
};
static const ag_probe triangle_probe = {.lo = {-2}, .hi = {2}, .n_cases = 6, .cases = triangle_cases};

#define TRIANGLE(word, text)                                                                                      \
    const ag_op agx_op_##word = {.name = #word,                                                                   \
                                 .formula = text,                                                                 \
                                 .partials = kept_partials,                                                       \
                                 .min_in = 1,                                                                     \
                                 .max_in = 1,                                                                     \
                                 .outputs = 1,                                                                    \
                                 .traits = AG_TRAIT_LINEAR | AG_TRAIT_STRIDED,                                    \
                                 .attr_size = sizeof(triangle_attrs),                                             \
                                 .fields = triangle_fields,                                                       \
                                 .n_fields = 1,                                                                   \
                                 .infer = triangle_infer,                                                         \
                                 .forward = word##_forward,                                                       \
                                 .vjp = triangle_vjp,                                                             \
                                 .cost = agx_cost_none,                                                           \
                                 .probe = &triangle_probe};                                                       \
    ag_value ag_##word(ag_value x, int64_t diagonal) {                                                            \
        return agx_apply1(&agx_op_##word, x, &(const triangle_attrs){diagonal});                                  \
    }
TRIANGLE(tril, "x, 0 above a diagonal")
TRIANGLE(triu, "x, 0 below a diagonal")
#undef TRIANGLE
