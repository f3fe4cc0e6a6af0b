/* attention: multi-head attention as a layer.
 *
 * The engine's ag_multihead_attention does the work in the usual case. Where the weights themselves are wanted, to be shown
 * or dropped out, where keys and values have features of their own, or where keys are added, it is computed here, step by
 * step. */
#include "attention.h"

#include "../module_impl.h"
#include "layers.h"

#include <inttypes.h>
#include <math.h>

typedef struct attention {
    nn_module base;
    nn_attention_options options; /* kdim and vdim are set */
    int64_t features, heads;
    nn_param *in_weight;             /* (3 D, D), or NULL, and then                   */
    nn_param *part_weight[3];        /* (D, D), (D, kdim), (D, vdim)                  */
    nn_param *in_bias;               /* (3 D), or NULL                                */
    nn_param *bias_k, *bias_v;       /* (1, 1, D), or NULL                            */
    nn_param *out_weight, *out_bias; /* (D, D), (D): those of the child out_proj */
} attention;

/* ---- a pass ------------------------------------------------------------------------------------------------------ */

/* What the open way needs of the parameters. */
typedef struct parts {
    ag_value weight[3], bias[3]; /* (D, features), (D): of query, key and value */
} parts;

static parts parts_of(const attention *a, nn_pass *pass) {
    parts p = {.bias = {{0}}};
    const ag_value whole = a->in_weight ? nn_use(pass, a->in_weight) : (ag_value){0};
    const ag_value bias = a->in_bias ? nn_use(pass, a->in_bias) : (ag_value){0};
    for (int i = 0; i < 3; i++) {
        const int64_t from = i * a->features, to = from + a->features;
        p.weight[i] = a->in_weight ? ag_slice(whole, 0, from, to, 1) : nn_use(pass, a->part_weight[i]);
        if (bias.tape) p.bias[i] = ag_slice(bias, 0, from, to, 1);
    }
    return p;
}

/* A projection dealt to heads: x (..., T, features) -> (..., heads, T, D / heads). */
static ag_value heads_of(const attention *a, ag_value x, const parts *p, int which) {
    const ag_value part = ag_linear(x, p->weight[which], p->bias[which]);
    const ag_meta *meta = ag_meta_of(part);
    if (!meta) return part;
    int64_t dim[AG_MAX_RANK];
    for (int k = 0; k < meta->rank - 1; k++) dim[k] = meta->dim[k];
    dim[meta->rank - 1] = a->heads;
    dim[meta->rank] = a->features / a->heads;
    return ag_transpose(ag_reshape(part, meta->rank + 1, dim), -3, -2);
}

/* A key or value that is learned, dealt to heads: (heads, 1, D / heads). */
static ag_value learned(const attention *a, nn_pass *pass, nn_param *p) {
    return ag_reshape(nn_use(pass, p), 3, (const int64_t[]){a->heads, 1, a->features / a->heads});
}

/* 0, 1, ... n - 1 along `axis` of an (n, 1) or (1, n) array. */
static ag_value positions(ag_value like, int64_t n, int axis) {
    const ag_value ones =
        ag_full(like.tape, AG_F64, 2, axis ? (const int64_t[]){1, n} : (const int64_t[]){n, 1}, 1);
    return ag_cumsum(ones, axis);
}

/* The weights of the attention, (..., heads, L, S and what is added). query scaled, both dealt to heads. */
static ag_value weights_of(const attention *a, nn_pass *pass, ag_value query, ag_value key, ag_value mask) {
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
    if (a->bias_k) { /* no mask hides what is added */
        const ag_value both[2] = {scores, ag_matmul(query, ag_transpose(learned(a, pass, a->bias_k), -2, -1))};
        scores = ag_cat(both, 2, -1);
    }
    if (a->options.add_zero_attn) scores = ag_pad(scores, (const int64_t[]){0, 1}, 2, 0);
    return ag_softmax(scores, -1);
}

/* What the operations below would not refuse, or only in words of their own. */
static bool fits(const attention *a, nn_pass *pass, ag_value query, ag_value key, ag_value value, ag_value mask) {
    const ag_meta *q = ag_meta_of(query), *k = ag_meta_of(key), *v = ag_meta_of(value);
    if (!q || !k || !v || (mask.tape && !ag_meta_of(mask))) {
        (void)ag_tape_fail(pass->tape, AG_ERROR_FAILED, "multihead_attention: an operand has failed, or is stale");
        return false;
    }
    bool fit = q->rank >= 2 && q->rank <= AG_MAX_RANK - 2 && k->rank == q->rank && v->rank == q->rank;
    for (int d = 0; fit && d < q->rank - 1; d++)
        fit = k->dim[d] == v->dim[d] && (d == q->rank - 2 || q->dim[d] == k->dim[d]);
    if (!fit || q->dim[q->rank - 1] != a->features || k->dim[k->rank - 1] != a->options.kdim ||
        v->dim[v->rank - 1] != a->options.vdim) {
        (void)ag_tape_fail(pass->tape, AG_ERROR_SHAPE,
                           "multihead_attention: query must be (..., L, %" PRId64
                           ") of rank 2 to %d, key (..., S, "
                           "%" PRId64 ") and value (..., S, %" PRId64 ") with the same leading dimensions",
                           a->features, AG_MAX_RANK - 2, a->options.kdim, a->options.vdim);
        return false;
    }
    if (mask.tape && ag_meta_of(mask)->dtype == AG_I64) {
        (void)ag_tape_fail(pass->tape, AG_ERROR_DTYPE,
                           "multihead_attention: a mask is bool or floating-point, got i64");
        return false;
    }
    return true;
}

/* The mean of the values, (..., heads, S, D / heads), and of those that are added. A key that is zero has no value. */
static ag_value mean_of(const attention *a, nn_pass *pass, ag_value given, ag_value value) {
    const ag_meta *meta = ag_meta_of(value);
    if (!meta || (!a->bias_v && !a->options.add_zero_attn)) return ag_matmul(given, value);
    const int64_t S = meta->dim[meta->rank - 2];
    const ag_value mean = ag_matmul(ag_slice(given, -1, 0, S, 1), value);
    if (!a->bias_v) return mean;
    return ag_add(mean, ag_matmul(ag_slice(given, -1, S, S + 1, 1), learned(a, pass, a->bias_v)));
}

static ag_value attend_openly(const attention *a, nn_pass *pass, ag_value query, ag_value key, ag_value value,
                              ag_value mask, ag_value *weights) {
    if (!fits(a, pass, query, key, value, mask)) return (ag_value){.tape = pass->tape};
    const ag_meta *shape = ag_meta_of(query);
    const double scale = 1 / sqrt((double)(a->features / a->heads));
    const parts p = parts_of(a, pass);
    const ag_value q = ag_mul_number(heads_of(a, query, &p, 0), scale);
    ag_value given = weights_of(a, pass, q, heads_of(a, key, &p, 1), mask);
    if (weights) *weights = given;
    if (pass->training && a->options.dropout > 0) given = ag_dropout(given, a->options.dropout);
    const ag_value y = ag_transpose(mean_of(a, pass, given, heads_of(a, value, &p, 2)), -3, -2);
    return ag_linear(ag_reshape(y, shape->rank, shape->dim), nn_use(pass, a->out_weight),
                     a->out_bias ? nn_use(pass, a->out_bias) : (ag_value){0});
}

static ag_value run(const attention *a, nn_pass *pass, ag_value query, ag_value key, ag_value value, ag_value mask,
                    ag_value *weights) {
    if (weights) *weights = (ag_value){.tape = pass->tape};
    const bool usual = a->in_weight && !a->bias_k && !a->options.add_zero_attn;
    if (weights || !usual || (pass->training && a->options.dropout > 0))
        return attend_openly(a, pass, query, key, value, mask, weights);
    ag_attention_weights w = {.in_weight = nn_use(pass, a->in_weight), .out_weight = nn_use(pass, a->out_weight)};
    if (a->in_bias) {
        w.in_bias = nn_use(pass, a->in_bias);
        w.out_bias = nn_use(pass, a->out_bias);
    }
    return ag_multihead_attention(query, key, value, w, a->heads, mask, a->options.causal);
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

/* The projections: one below the other, or, where keys or values have features of their own, each by itself. */
static bool declare_projections(attention *a, ag_error *error) {
    static const char *const names[3] = {"q_proj_weight", "k_proj_weight", "v_proj_weight"};
    const int64_t D = a->features, features[3] = {D, a->options.kdim, a->options.vdim};
    const nn_init xavier = nn_init_xavier_uniform(1);
    if (features[1] == D && features[2] == D) {
        a->in_weight = nn_module_param(&a->base, "in_proj_weight", 2, (const int64_t[]){3 * D, D}, xavier, error);
        return a->in_weight != NULL;
    }
    for (int i = 0; i < 3; i++) {
        a->part_weight[i] =
            nn_module_param(&a->base, names[i], 2, (const int64_t[]){D, features[i]}, xavier, error);
        if (!a->part_weight[i]) return false;
    }
    return true;
}

static bool declare_biases(attention *a, ag_error *error) {
    const int64_t rows = 3 * a->features, one[3] = {1, 1, a->features};
    const nn_init xavier = nn_init_xavier_normal(1);
    if (!a->options.no_bias) {
        a->in_bias = nn_module_param(&a->base, "in_proj_bias", 1, &rows, nn_init_constant(0), error);
        if (!a->in_bias) return false;
    }
    if (!a->options.add_bias_kv) return true;
    a->bias_k = nn_module_param(&a->base, "bias_k", 3, one, xavier, error);
    if (a->bias_k) a->bias_v = nn_module_param(&a->base, "bias_v", 3, one, xavier, error);
    return a->bias_v != NULL;
}

nn_module *nn_multihead_attention(int64_t features, int64_t heads, const nn_attention_options *options,
                                  ag_error *error) {
    nn_attention_options o = options ? *options : (nn_attention_options){.dropout = 0};
    if (features < 1 || features > INT64_MAX / 3 || o.kdim < 0 || o.vdim < 0) {
        (void)ag_fail(error, AG_ERROR_SHAPE,
                      "nn_multihead_attention: %" PRId64 " features, kdim %" PRId64 ", vdim %" PRId64, features,
                      o.kdim, o.vdim);
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
    if (!o.kdim) o.kdim = features;
    if (!o.vdim) o.vdim = features;
    a->options = o;
    a->features = features;
    a->heads = heads;
    if (!declare_projections(a, error) || !declare_biases(a, error)) return nn_module_free_null(&a->base);
    nn_module *out =
        nn_linear_with(features, features, nn_init_fan_uniform(features), !o.no_bias, nn_init_constant(0), error);
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
