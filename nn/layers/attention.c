/* attention: multi-head attention as a layer.
 *
 * The engine's ag_multihead_attention does the work, unless the weights themselves are wanted, to be shown or dropped
 * out: then they are computed here, step by step. */
#include "attention.h"

#include "../module_impl.h"
#include "layers.h"

#include <inttypes.h>
#include <math.h>

typedef struct attention {
    nn_module base;
    nn_attention_options options;
    int64_t features, heads;
    nn_param *in_weight, *in_bias;   /* (3 D, D), (3 D)  */
    nn_param *out_weight, *out_bias; /* (D, D), (D): those of the child out_proj */
} attention;

/* ---- a pass ------------------------------------------------------------------------------------------------------ */

/* Part `which` of the projection, dealt to heads: x (..., T, D) -> (..., heads, T, D / heads). */
static ag_value heads_of(const attention *a, ag_value x, const ag_attention_weights *w, int which) {
    const int64_t from = which * a->features, to = from + a->features;
    ag_value bias = w->in_bias;
    if (bias.tape) bias = ag_slice(bias, 0, from, to, 1);
    const ag_value part = ag_linear(x, ag_slice(w->in_weight, 0, from, to, 1), bias);
    const ag_meta *meta = ag_meta_of(part);
    if (!meta) return part;
    int64_t dim[AG_MAX_RANK];
    for (int k = 0; k < meta->rank - 1; k++) dim[k] = meta->dim[k];
    dim[meta->rank - 1] = a->heads;
    dim[meta->rank] = a->features / a->heads;
    return ag_transpose(ag_reshape(part, meta->rank + 1, dim), -3, -2);
}

/* 0, 1, ... n - 1 along `axis` of an (n, 1) or (1, n) array. */
static ag_value positions(ag_value like, int64_t n, int axis) {
    const ag_value ones =
        ag_full(like.tape, AG_F64, 2, axis ? (const int64_t[]){1, n} : (const int64_t[]){n, 1}, 1);
    return ag_cumsum(ones, axis);
}

/* The weights of the attention, (..., heads, L, S). query scaled, both dealt to heads. */
static ag_value weights_of(const attention *a, ag_value query, ag_value key, ag_value mask) {
    ag_value scores = ag_matmul(query, ag_transpose(key, -2, -1));
    const ag_meta *meta = ag_meta_of(scores), *masking = ag_meta_of(mask);
    if (!meta) return scores;
    const ag_value never = ag_number(scores, (double)-INFINITY);
    if (a->options.causal) {
        const ag_value past = ag_le(positions(scores, meta->dim[meta->rank - 1], 1),
                                    positions(scores, meta->dim[meta->rank - 2], 0));
        scores = ag_where(past, scores, never);
    }
    if (mask.tape) {
        const bool chooses = masking && masking->dtype == AG_BOOL;
        scores = chooses ? ag_where(mask, scores, never) : ag_add(scores, mask);
    }
    return ag_softmax(scores, -1);
}

/* What the operations below would not refuse, or only in words of their own. */
static bool fits(nn_pass *pass, ag_value query, ag_value key, ag_value value, ag_value mask) {
    const ag_meta *q = ag_meta_of(query), *k = ag_meta_of(key), *v = ag_meta_of(value);
    if (!q || !k || !v || (mask.tape && !ag_meta_of(mask))) {
        (void)ag_tape_fail(pass->tape, AG_ERROR_FAILED, "multihead_attention: an operand has failed, or is stale");
        return false;
    }
    if (q->rank < 2 || q->rank > AG_MAX_RANK - 2 || k->rank != q->rank || !ag_meta_same_shape(k, v)) {
        (void)ag_tape_fail(
            pass->tape, AG_ERROR_SHAPE,
            "multihead_attention: query must be (..., L, D) of rank 2 to %d, key and value (..., S, D)",
            AG_MAX_RANK - 2);
        return false;
    }
    if (mask.tape && ag_meta_of(mask)->dtype == AG_I64) {
        (void)ag_tape_fail(pass->tape, AG_ERROR_DTYPE,
                           "multihead_attention: a mask is bool or floating-point, got i64");
        return false;
    }
    return true;
}

static ag_value attend_openly(const attention *a, nn_pass *pass, ag_value query, ag_value key, ag_value value,
                              const ag_attention_weights *w, ag_value mask, ag_value *weights) {
    if (!fits(pass, query, key, value, mask)) return (ag_value){.tape = pass->tape};
    const ag_meta *shape = ag_meta_of(query);
    const double scale = 1 / sqrt((double)(a->features / a->heads));
    const ag_value q = ag_mul_number(heads_of(a, query, w, 0), scale);
    ag_value given = weights_of(a, q, heads_of(a, key, w, 1), mask);
    if (weights) *weights = given;
    if (pass->training && a->options.dropout > 0) given = ag_dropout(given, a->options.dropout);
    const ag_value y = ag_transpose(ag_matmul(given, heads_of(a, value, w, 2)), -3, -2);
    return ag_linear(ag_reshape(y, shape->rank, shape->dim), w->out_weight, w->out_bias);
}

static ag_value run(const attention *a, nn_pass *pass, ag_value query, ag_value key, ag_value value, ag_value mask,
                    ag_value *weights) {
    ag_attention_weights w = {.in_weight = nn_use(pass, a->in_weight), .out_weight = nn_use(pass, a->out_weight)};
    if (a->in_bias) {
        w.in_bias = nn_use(pass, a->in_bias);
        w.out_bias = nn_use(pass, a->out_bias);
    }
    if (weights) *weights = (ag_value){.tape = pass->tape};
    if (!weights && !(pass->training && a->options.dropout > 0))
        return ag_multihead_attention(query, key, value, w, a->heads, mask, a->options.causal);
    return attend_openly(a, pass, query, key, value, &w, mask, weights);
}

static ag_value forward(nn_module *m, nn_pass *pass, ag_value x) {
    return run((attention *)m, pass, x, x, x, (ag_value){0}, NULL);
}

ag_value nn_attention_run(nn_module *m, nn_pass *pass, ag_value query, ag_value key, ag_value value, ag_value mask,
                          ag_value *weights) {
    if (!m || m->forward != forward) {
        const ag_value failed = ag_tape_fail(
            pass->tape, AG_ERROR_VALUE, "nn_attention_run: %s is no multi-head attention", m ? m->type : "NULL");
        if (weights) *weights = failed;
        return failed;
    }
    nnx_enter(m, pass);
    return nnx_leave(m, pass, run((attention *)m, pass, query, key, value, mask, weights));
}

/* ---- construction ------------------------------------------------------------------------------------------------ */

nn_module *nn_multihead_attention(int64_t features, int64_t heads, const nn_attention_options *options,
                                  ag_error *error) {
    const nn_attention_options o = options ? *options : (nn_attention_options){.dropout = 0};
    if (features < 1 || features > INT64_MAX / 3) {
        (void)ag_fail(error, AG_ERROR_SHAPE, "nn_multihead_attention: %" PRId64 " features", features);
        return NULL;
    }
    if (heads < 1 || features % heads || !(o.dropout >= 0 && o.dropout <= 1)) {
        (void)ag_fail(error, AG_ERROR_VALUE,
                      "nn_multihead_attention: %" PRId64 " heads for %" PRId64 " features, dropout %g: heads must "
                      "divide the features, and dropout lie in [0, 1]",
                      heads, features, o.dropout);
        return NULL;
    }
    attention *a = nn_module_new(sizeof *a, "multihead_attention", forward, error);
    if (!a) return NULL;
    a->options = o;
    a->features = features;
    a->heads = heads;
    const nn_init zero = nn_init_constant(0);
    const int64_t dim[2] = {3 * features, features};
    a->in_weight = nn_module_param(&a->base, "in_proj_weight", 2, dim, nn_init_xavier_uniform(1), error);
    if (!a->in_weight) return nn_module_free_null(&a->base);
    if (!o.no_bias) {
        a->in_bias = nn_module_param(&a->base, "in_proj_bias", 1, dim, zero, error);
        if (!a->in_bias) return nn_module_free_null(&a->base);
    }
    nn_module *out = nn_linear_with(features, features, nn_init_fan_uniform(features), !o.no_bias, zero, error);
    if (nn_module_child(&a->base, "out_proj", out, error)) {
        nn_module_free(out);
        return nn_module_free_null(&a->base);
    }
    a->out_weight = out->params; /* declared in this order by nn_linear_with */
    a->out_bias = out->params->next;
    return &a->base;
}

ag_value nn_padding_mask(ag_tape *t, const int64_t *lengths, int64_t batch, int64_t steps) {
    int64_t count;
    size_t bytes;
    if (batch < 0 || steps < 0 || !ag_int_mul(batch, steps, &count) ||
        !ag_size_mul((size_t)count, sizeof(double), &bytes))
        return ag_tape_fail(t, AG_ERROR_SHAPE, "nn_padding_mask: %" PRId64 " sequences of %" PRId64 " steps",
                            batch, steps);
    for (int64_t b = 0; b < batch; b++)
        if (lengths[b] < 0 || lengths[b] > steps)
            return ag_tape_fail(t, AG_ERROR_VALUE,
                                "nn_padding_mask: sequence %" PRId64 " has length %" PRId64 ", not 0 to %" PRId64,
                                b, lengths[b], steps);
    double *values = ag_alloc(bytes + 1); /* (batch, steps) */
    if (!values) return ag_tape_fail(t, AG_ERROR_MEMORY, "nn_padding_mask: no memory");
    for (int64_t b = 0; b < batch; b++)
        for (int64_t s = 0; s < steps; s++) values[b * steps + s] = s < lengths[b];
    const ag_value mask = ag_array_constant(t, AG_BOOL, 4, (const int64_t[]){batch, 1, 1, steps}, values);
    ag_release(values, bytes + 1);
    return mask;
}
