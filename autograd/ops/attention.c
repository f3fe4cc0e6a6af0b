/* attention: scaled dot-product attention and multi-head attention, composed of matrix products and softmax.
 *
 * Masked scores are -inf, whose softmax is exactly 0: no gradient leaks through them, and a row without any key is
 * zeros. Not here: kernels that never store the weights. */
#include "../tape_impl.h"
#include "ops_impl.h"

#include <inttypes.h>
#include <math.h>

typedef struct attention_attrs {
    bool is_causal;
} attention_attrs;
typedef struct multihead_attrs {
    int64_t num_heads, embed_dim; /* embed_dim 0: as the input has it */
    bool is_causal;
} multihead_attrs;

/** The answer of a compose function: what it made, or that it failed. */
static ag_status answer(ag_build *b, ag_value y) {
    ag_build_result(b, y);
    return y.id ? AG_OK : AG_ERROR_FAILED;
}

/* ---- scaled_dot_product_attention ------------------------------------------------------------------------------ */

/** 0, 1, ... n - 1 as a constant of shape (n) or, as a column, (n, 1). */
static ag_value positions(ag_tape *t, int64_t n, bool column) {
    agx_arena_mark mark = agx_arena_here(&t->work.arena);
    double *values = ag_scratch(&t->work, (size_t)n * sizeof *values + 1);
    for (int64_t i = 0; values && i < n; i++) values[i] = (double)i;
    const ag_value p = values ? ag_array_constant(t, AG_I64, column ? 2 : 1, (const int64_t[2]){n, 1}, values)
                              : ag_tape_fail(t, AG_ERROR_MEMORY, "attention: no memory for positions");
    agx_arena_release(&t->work.arena, mark);
    return p;
}

/** in: query, key, value, and perhaps a mask. */
static bool attention_fits(const ag_op *op, const ag_value *in, uint32_t n) {
    const char *wrong = NULL;
    const ag_meta *q = ag_meta_of(in[0]), *k = ag_meta_of(in[1]), *v = ag_meta_of(in[2]);
    for (uint32_t i = 0; i < 3; i++) {
        const ag_meta *x = ag_meta_of(in[i]);
        if (!ag_dtype_is_float(x->dtype)) {
            agx_refuse(op, in, n, AG_ERROR_DTYPE, "needs floating-point operands, operand %u is %s", (unsigned)i,
                       ag_dtype_name(x->dtype));
            return false;
        }
        if (x->rank < 2) wrong = "query, key and value must have rank 2 or more";
    }
    if (!wrong && q->dim[q->rank - 1] != k->dim[k->rank - 1]) wrong = "query and key must have as many features";
    if (!wrong && k->dim[k->rank - 2] != v->dim[v->rank - 2]) wrong = "there must be a value for every key";
    if (wrong) agx_refuse(op, in, n, AG_ERROR_SHAPE, "%s", wrong);
    return !wrong;
}

/** Does mask broadcast to scores, and can it mask? */
static bool mask_fits(const ag_op *op, const ag_value *in, uint32_t n, const ag_meta *scores) {
    const ag_meta *mask = ag_meta_of(in[n - 1]);
    const ag_meta *const both[2] = {mask, scores};
    ag_meta out;
    if (mask->dtype == AG_I64) {
        agx_refuse(op, in, n, AG_ERROR_DTYPE, "a mask is bool or floating-point, got i64");
        return false;
    }
    if (ag_broadcast(both, 2, &out, NULL) == AG_OK && ag_meta_same_shape(&out, scores)) return true;
    char text[AG_META_TEXT];
    agx_refuse(op, in, n, AG_ERROR_SHAPE, "the mask does not broadcast to the scores, %s",
               ag_meta_text(scores, text, sizeof text));
    return false;
}

/** op: on whose behalf, for messages. in: query, key, value and, when n is 4, a mask. */
static ag_value attend(const ag_op *op, const ag_value *in, uint32_t n, bool causal) {
    if (!attention_fits(op, in, n)) return agx_failed(in[0].tape);
    const ag_meta *q = ag_meta_of(in[0]), *k = ag_meta_of(in[1]);
    const int64_t queries = q->dim[q->rank - 2], keys = k->dim[k->rank - 2], features = q->dim[q->rank - 1];
    /* The query is the smaller operand to scale; without features every score is 0. */
    const ag_value scaled = ag_mul_number(in[0], features > 0 ? 1 / sqrt((double)features) : 1);
    ag_value scores = ag_matmul(scaled, ag_transpose(in[1], -2, -1)); /* (..., L, S) */
    if (!scores.id) return scores;
    const ag_value never = ag_number(scores, (double)-INFINITY);
    if (n == 4) {
        if (!mask_fits(op, in, n, ag_meta_of(scores))) return agx_failed(in[0].tape);
        const bool chooses = ag_meta_of(in[3])->dtype == AG_BOOL;
        scores = chooses ? ag_where(in[3], scores, never) : ag_add(scores, in[3]);
    }
    if (causal) {
        const ag_value past = ag_le(positions(scores.tape, keys, false), positions(scores.tape, queries, true));
        scores = ag_where(past, scores, never);
    }
    return ag_matmul(ag_softmax(scores, -1), in[2]);
}

static ag_status attention_compose(ag_build *b) {
    const attention_attrs *a = ag_build_attrs(b);
    ag_value in[4];
    const uint32_t n = ag_build_count(b);
    for (uint32_t i = 0; i < n; i++) in[i] = ag_build_in(b, i);
    return answer(b, attend(&agx_op_scaled_dot_product_attention, in, n, a->is_causal));
}

static const ag_field attention_fields[] = {
    {"is_causal", AG_FIELD_BOOL, offsetof(attention_attrs, is_causal), 0},
};
#define CAUSAL(...)                                                                                               \
    &(const attention_attrs) { __VA_ARGS__ }
#define ARRAY3(a, b, c)                                                                                           \
    { AG_F64, 3, {a, b, c}, 0, 0 }
static const ag_probe_case attention_cases[] = {
    {CAUSAL(false), 3, {{AG_F64, 2, {1, 1}, 0, 0}, {AG_F64, 2, {1, 1}, 0, 0}, {AG_F64, 2, {1, 1}, 0, 0}}},
    {CAUSAL(false), 3, {{AG_F64, 2, {2, 3}, 0, 0}, {AG_F64, 2, {4, 3}, 0, 0}, {AG_F64, 2, {4, 1}, 0, 0}}},
    {CAUSAL(true), 3, {ARRAY3(2, 3, 2), ARRAY3(2, 3, 2), ARRAY3(2, 3, 2)}},
    {CAUSAL(false), 4, {ARRAY3(1, 2, 2), ARRAY3(1, 3, 2), ARRAY3(1, 3, 2), {AG_F64, 2, {2, 3}, 0, 0}}},
    {CAUSAL(false), 4, {ARRAY3(1, 2, 2), ARRAY3(1, 3, 2), ARRAY3(1, 3, 2), {AG_BOOL, 2, {2, 3}, 0, 1}}},
    {CAUSAL(true),
     3,
     {{AG_F64, 4, {1, 2, 2, 1}, 0, 0}, {AG_F64, 4, {1, 1, 2, 1}, 0, 0}, {AG_F64, 4, {1, 2, 2, 2}, 0, 0}}},
    {CAUSAL(false), 3, {ARRAY3(0, 2, 2), ARRAY3(0, 3, 2), ARRAY3(0, 3, 2)}},
};
#undef CAUSAL
static const ag_probe attention_probe = {
    .lo = {-2, -2, -2}, .hi = {2, 2, 2}, .n_cases = 7, .cases = attention_cases};

const ag_op agx_op_scaled_dot_product_attention = {
    .name = "scaled_dot_product_attention",
    .formula = "softmax(q k^T / sqrt(E) + mask) v",
    .min_in = 3,
    .max_in = 4,
    .outputs = 1,
    .attr_size = sizeof(attention_attrs),
    .fields = attention_fields,
    .n_fields = 1,
    .compose = attention_compose,
    .probe = &attention_probe,
};

ag_value ag_scaled_dot_product_attention(ag_value query, ag_value key, ag_value value, ag_value mask,
                                         bool causal) {
    const ag_value in[4] = {query, key, value, mask};
    return ag_apply(NULL, &agx_op_scaled_dot_product_attention, in, mask.tape ? 4 : 3,
                    &(const attention_attrs){causal});
}

/* ---- multihead_attention ------------------------------------------------------------------------------------------ */

/** Query, key, value, weights and mask fit each other? in, n: what messages show. */
static bool multihead_fits(const ag_value *in, uint32_t n, ag_value query, ag_value key, ag_value value,
                           const ag_attention_weights *w, int64_t heads) {
    const ag_op *op = &agx_op_multihead_attention;
    const ag_meta *q = ag_meta_of(query), *k = ag_meta_of(key), *v = ag_meta_of(value);
    const int64_t D = q->rank > 0 ? q->dim[q->rank - 1] : 0;
    if (q->rank < 2 || q->rank > AG_MAX_RANK - 2 || !ag_meta_same_shape(k, v) || k->rank != q->rank ||
        k->dim[k->rank - 1] != D || D > INT64_MAX / 3) {
        agx_refuse(op, in, n, AG_ERROR_SHAPE,
                   "query must be (..., L, D) of rank 2 to %d, key and value (..., S, D)", AG_MAX_RANK - 2);
        return false;
    }
    for (int d = 0; d < q->rank - 2; d++)
        if (q->dim[d] != k->dim[d]) {
            agx_refuse(op, in, n, AG_ERROR_SHAPE, "query and key differ in dimension %d", d);
            return false;
        }
    if (heads < 1 || D % heads) {
        agx_refuse(op, in, n, AG_ERROR_VALUE, "num_heads must divide the %" PRId64 " features, got %" PRId64, D,
                   heads);
        return false;
    }
    const struct {
        ag_value x;
        int rank;
        int64_t dim[2];
        const char *name;
    } parts[4] = {{w->in_weight, 2, {3 * D, D}, "in_proj_weight"},
                  {w->in_bias, 1, {3 * D}, "in_proj_bias"},
                  {w->out_weight, 2, {D, D}, "out_proj.weight"},
                  {w->out_bias, 1, {D}, "out_proj.bias"}};
    for (int i = 0; i < 4; i++) {
        if (parts[i].rank == 1 && !parts[i].x.tape) continue;
        const ag_meta *have = ag_meta_of(parts[i].x);
        bool fits = have->rank == parts[i].rank;
        for (int d = 0; fits && d < have->rank; d++) fits = have->dim[d] == parts[i].dim[d];
        if (fits) continue;
        agx_refuse(op, in, n, AG_ERROR_SHAPE, "%s must have %s", parts[i].name,
                   i == 0   ? "shape (3 D, D)"
                   : i == 1 ? "shape (3 D)"
                   : i == 2 ? "shape (D, D)"
                            : "shape (D)");
        return false;
    }
    return true;
}

/** Part `which` (0 query, 1 key, 2 value) of the projection of x (..., T, D), dealt to heads: (..., H, T, D / H).
 *  joint: all three parts of x's projection, (..., T, 3 D), or nothing. */
static ag_value heads_of(ag_value x, ag_value joint, const ag_attention_weights *w, int which, int64_t heads) {
    const ag_meta *meta = ag_meta_of(x);
    const int rank = meta->rank;
    const int64_t D = meta->dim[rank - 1], from = which * D, to = from + D;
    ag_value part;
    if (joint.tape) {
        part = ag_slice(joint, -1, from, to, 1);
    } else {
        const ag_value bias = w->in_bias.tape ? ag_slice(w->in_bias, 0, from, to, 1) : w->in_bias;
        part = ag_linear(x, ag_slice(w->in_weight, 0, from, to, 1), bias);
    }
    int64_t dim[AG_MAX_RANK];
    for (int d = 0; d < rank - 1; d++) dim[d] = meta->dim[d];
    dim[rank - 1] = heads;
    dim[rank] = D / heads;
    return ag_transpose(ag_reshape(part, rank + 1, dim), -3, -2);
}

/** All operands have been checked. */
static ag_value multihead(ag_value query, ag_value key, ag_value value, const ag_attention_weights *w,
                          int64_t heads, ag_value mask, bool causal) {
    const bool same = query.id == key.id && key.id == value.id;
    const ag_value joint = same ? ag_linear(query, w->in_weight, w->in_bias) : (ag_value){0};
    ag_value in[4] = {heads_of(query, joint, w, 0, heads), heads_of(key, joint, w, 1, heads),
                      heads_of(value, joint, w, 2, heads), mask};
    for (int i = 0; i < 3; i++)
        if (!in[i].id) return in[i];
    const ag_value y = attend(&agx_op_multihead_attention, in, mask.tape ? 4 : 3, causal); /* (..., H, L, D / H) */
    const ag_meta *shape = ag_meta_of(query);
    return ag_linear(ag_reshape(ag_transpose(y, -3, -2), shape->rank, shape->dim), w->out_weight, w->out_bias);
}

static ag_status multihead_compose(ag_build *b) {
    const multihead_attrs *a = ag_build_attrs(b);
    const ag_op *op = &agx_op_multihead_attention;
    const ag_value none = {0};
    ag_value in[5];
    const uint32_t n = ag_build_count(b);
    for (uint32_t i = 0; i < n; i++) in[i] = ag_build_in(b, i);
    if (n == 4)
        return answer(b,
                      agx_refuse(op, in, n, AG_ERROR_VALUE,
                                 "takes x, weight, bias, weight and bias, or x and two weights; got 4 operands"));
    const ag_attention_weights w = n == 5 ? (ag_attention_weights){in[1], in[2], in[3], in[4]}
                                          : (ag_attention_weights){in[1], none, in[2], none};
    if (!multihead_fits(in, n, in[0], in[0], in[0], &w, a->num_heads)) return AG_ERROR_FAILED;
    const ag_meta *x = ag_meta_of(in[0]);
    if (a->embed_dim != 0 && a->embed_dim != x->dim[x->rank - 1])
        return answer(b, agx_refuse(op, in, n, AG_ERROR_SHAPE, "embed_dim is %" PRId64 ", the input has %" PRId64,
                                    a->embed_dim, x->dim[x->rank - 1]));
    return answer(b, multihead(in[0], in[0], in[0], &w, a->num_heads, none, a->is_causal));
}

static const ag_field multihead_fields[] = {
    {"num_heads", AG_FIELD_INT, offsetof(multihead_attrs, num_heads), 1},
    {"embed_dim", AG_FIELD_INT, offsetof(multihead_attrs, embed_dim), 0},
    {"is_causal", AG_FIELD_BOOL, offsetof(multihead_attrs, is_causal), 0},
};
#define HEADS(...)                                                                                                \
    &(const multihead_attrs) { __VA_ARGS__ }
static const ag_probe_case multihead_cases[] = {
    {HEADS(1, 0, false), 3, {{AG_F64, 2, {2, 1}, 0, 0}, {AG_F64, 2, {3, 1}, 0, 0}, {AG_F64, 2, {1, 1}, 0, 0}}},
    {HEADS(2, 2, true),
     5,
     {ARRAY3(1, 2, 2),
      {AG_F64, 2, {6, 2}, 0, 0},
      {AG_F64, 1, {6}, 0, 0},
      {AG_F64, 2, {2, 2}, 0, 0},
      {AG_F64, 1, {2}, 0, 0}}},
    {HEADS(1, 2, false), 3, {ARRAY3(0, 3, 2), {AG_F64, 2, {6, 2}, 0, 0}, {AG_F64, 2, {2, 2}, 0, 0}}},
};
#undef HEADS
#undef ARRAY3
static const ag_probe multihead_probe = {
    .lo = {-1, -1, -1}, .hi = {1, 1, 1}, .n_cases = 3, .cases = multihead_cases};

const ag_op agx_op_multihead_attention = {
    .name = "multihead_attention",
    .formula = "[head_1, ..., head_H] W_o^T + b_o",
    .min_in = 3,
    .max_in = 5,
    .outputs = 1,
    .attr_size = sizeof(multihead_attrs),
    .fields = multihead_fields,
    .n_fields = 3,
    .compose = multihead_compose,
    .probe = &multihead_probe,
};

ag_value ag_multihead_attention(ag_value query, ag_value key, ag_value value, ag_attention_weights weights,
                                int64_t num_heads, ag_value mask, bool causal) {
    const ag_value all[8] = {
        query, key, value, weights.in_weight, weights.in_bias, weights.out_weight, weights.out_bias, mask};
    const bool needed[8] = {true, true, true, true, false, true, false, false};
    ag_value in[8];
    uint32_t n = 0;
    for (int i = 0; i < 8; i++)
        if (needed[i] || all[i].tape) in[n++] = all[i];
    ag_tape *t = agx_tape_of(in, n, NULL);
    if (!t) return (ag_value){0};
    if (agx_check_operands(t, agx_op_multihead_attention.name, in, n) != AG_OK ||
        !multihead_fits(in, n, query, key, value, &weights, num_heads))
        return agx_failed(t);
    return multihead(query, key, value, &weights, num_heads, mask, causal);
}
