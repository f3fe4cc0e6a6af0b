/* pad: an array with a margin of a constant; a negative margin cuts off.
 *
 * Along each axis y[i] = x[i - low] where x has that position, else the constant. So the adjoint of margins (low, high)
 * is a pad by (-low, -high) with 0, and one row serves both ways. */
#include "ops_impl.h"

#include <inttypes.h>

typedef struct pad_attrs {
    ag_ints pad;
    double value;
} pad_attrs;

/** The margins of axis k: the list starts with the last axis. */
static void margins(const pad_attrs *a, int rank, int k, int64_t *low, int64_t *high) {
    const int at = 2 * (rank - 1 - k);
    *low = at < a->pad.n ? a->pad.v[at] : 0;
    *high = at < a->pad.n ? a->pad.v[at + 1] : 0;
}

static ag_status pad_infer(const ag_query *q, ag_meta *out) {
    const pad_attrs *a = q->attrs;
    const ag_meta *x = q->in[0];
    if (a->pad.n < 0 || a->pad.n > AG_MAX_RANK || a->pad.n % 2 != 0 || a->pad.n > 2 * x->rank)
        return ag_fail(q->error, AG_ERROR_VALUE,
                       "a list of %" PRId32 " margins for rank %" PRId32 "; it takes two an axis, at most %d",
                       a->pad.n, x->rank, AG_MAX_RANK);
    out->dtype = x->dtype;
    agx_copy_shape(x, out);
    for (int k = 0; k < x->rank; k++) {
        int64_t low, high, size;
        margins(a, x->rank, k, &low, &high);
        if (low == INT64_MIN || high == INT64_MIN || __builtin_add_overflow(low, high, &size) ||
            __builtin_add_overflow(size, x->dim[k], &size))
            return ag_fail(q->error, AG_ERROR_SHAPE, "the result has too many elements");
        if (size < 0)
            return ag_fail(q->error, AG_ERROR_SHAPE,
                           "margins %" PRId64 " and %" PRId64 " cut more than axis %d of size %" PRId64 " has",
                           low, high, k, x->dim[k]);
        out->dim[k] = size;
    }
    return agx_check_size(q, out);
}

static ag_status pad_forward(const ag_eval *e) {
    const pad_attrs *a = e->attrs;
    ag_meta from = *e->in[0].meta, to = *e->out[0].meta; /* what x and the result have in common */
    int64_t from_at = 0, to_at = 0;
    agx_fill(e->out, a->value);
    for (int k = 0; k < to.rank; k++) {
        int64_t low, high;
        margins(a, to.rank, k, &low, &high);
        const int64_t first = low < 0 ? -low : 0, place = low > 0 ? low : 0; /* in x; in the result */
        const int64_t has = from.dim[k] - first, room = to.dim[k] - place, n = has < room ? has : room;
        if (n <= 0) return AG_OK;
        from_at += first * from.stride[k];
        to_at += place * to.stride[k];
        from.dim[k] = to.dim[k] = n;
    }
    const ag_array part = {&from, agx_at(e->in[0].data, from.dtype, from_at)};
    const ag_array at = {&to, agx_at(e->out[0].data, to.dtype, to_at)};
    return agx_copy(&part, &at, e->work);
}

static ag_status pad_vjp(ag_reverse *r) {
    pad_attrs back = *(const pad_attrs *)ag_rule_attrs(r);
    for (int i = 0; i < back.pad.n; i++) back.pad.v[i] = -back.pad.v[i];
    back.value = 0;
    if (ag_wants(r, 0)) ag_give(r, 0, agx_apply1(&agx_op_pad, ag_dy(r, 0), &back));
    return AG_OK;
}

static const char *const pad_partials[] = {"1 where it stays, else 0"};
static const ag_field pad_fields[] = {
    {"pad", AG_FIELD_INTS, offsetof(pad_attrs, pad), 0},
    {"value", AG_FIELD_REAL, offsetof(pad_attrs, value), 0},
};
static const ag_probe_case pad_cases[] = {
    {&(const pad_attrs){{0, {0}}, 1}, 1, {{AG_F64, 0, {0}, 0, 0}}},
    {&(const pad_attrs){{2, {2, 1}}, 0}, 1, {{AG_F64, 1, {3}, 0, 0}}},
    {&(const pad_attrs){{4, {1, 2, 0, 3}}, 0.5}, 1, {{AG_F64, 2, {2, 3}, 0, 0}}},
    {&(const pad_attrs){{4, {-1, 2, 1, -1}}, -1}, 1, {{AG_F64, 4, {2, 1, 3, 2}, 0, 0}}},
    {&(const pad_attrs){{2, {-3, 2}}, 2}, 1, {{AG_F64, 2, {2, 3}, 0, 0}}},
    {&(const pad_attrs){{4, {1, 1, 1, 0}}, 2}, 1, {{AG_F64, 2, {0, 3}, 0, 0}}},
};
static const ag_probe pad_probe = {.lo = {-2}, .hi = {2}, .n_cases = 6, .cases = pad_cases};

const ag_op agx_op_pad = {
    .name = "pad",
    .formula = "x, with a margin",
    .partials = pad_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .traits = AG_TRAIT_STRIDED,
    .attr_size = sizeof(pad_attrs),
    .fields = pad_fields,
    .n_fields = 2,
    .infer = pad_infer,
    .forward = pad_forward,
    .vjp = pad_vjp,
    .cost = agx_cost_none,
    .probe = &pad_probe,
};

/** The first margins alone; the list fits a row. */
static ag_value pad_trailing(ag_value x, const int64_t *pad, int n, double value) {
    pad_attrs a = {.value = value};
    if (!agx_ints_from_shape(pad, n, &a.pad))
        return ag_tape_fail(x.tape, AG_ERROR_VALUE, "pad: a list of %d margins; it takes two an axis", n);
    return agx_apply1(&agx_op_pad, x, &a);
}

ag_value ag_pad(ag_value x, const int64_t *pad, int n, double value) {
    const ag_meta *meta = ag_meta_of(x);
    if (n <= AG_MAX_RANK || !meta || n > 2 * meta->rank) return pad_trailing(x, pad, n, value);
    /* The axes that the row has padded go to the front, so that the others are the last. */
    enum { PADDED = AG_MAX_RANK / 2 };
    const int rank = meta->rank, rest = rank - PADDED;
    int front[AG_MAX_RANK], back[AG_MAX_RANK];
    for (int k = 0; k < rank; k++) front[k] = (k + rest) % rank;
    for (int k = 0; k < rank; k++) back[front[k]] = k;
    const ag_value y = ag_permute(pad_trailing(x, pad, AG_MAX_RANK, value), front, rank);
    return ag_permute(pad_trailing(y, pad + AG_MAX_RANK, n - AG_MAX_RANK, value), back, rank);
}
