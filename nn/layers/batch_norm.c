/* batch_norm: normalisation by the batch, and the running statistics that stand for it in evaluation.
 *
 * A pass in training reads the batch's statistics from the tape and moves the buffers while it records, as in PyTorch.
 * The buffers are no part of the graph. All of them move, or none.
 * Source: Ioffe and Szegedy, "Batch normalization", ICML 2015. */
#include "norm.h"

#include <math.h>

typedef struct batch_norm {
    nn_module base;
    int64_t channels;
    int least, most; /* ranks of x */
    double eps, momentum;
    bool cumulative;
    nn_param *weight, *bias; /* (channels), or NULL */
    nn_param *mean, *variance, *batches;
    double *batch; /* (2, channels): mean and variance of the batch, while they are read; NULL: no tracking */
} batch_norm;

static size_t batch_bytes(const batch_norm *b) { return 2 * (size_t)b->channels * sizeof *b->batch; }

static void destroy(nn_module *m) {
    batch_norm *b = (batch_norm *)m;
    ag_release(b->batch, b->batch ? batch_bytes(b) : 0);
}

/* r + share (s - r), in f64 whatever the buffer's dtype. */
static void move(ag_tensor *running, const double *batch, double share) {
    const int64_t n = ag_tensor_count(running);
    for (int64_t i = 0; i < n; i++) {
        const double old = ag_tensor_get(running, i);
        (void)ag_tensor_set(running, i, (1 - share) * old + share * batch[i]);
    }
}

static void track(batch_norm *b, const ag_batch_statistics *s) {
    if (ag_read_f64(s->mean, b->batch, b->channels) ||
        ag_read_f64(s->unbiased, b->batch + b->channels, b->channels))
        return; /* the tape has the reason */
    const double count = ag_tensor_get(b->batches->tensor, 0) + 1;
    const double share = b->cumulative ? 1 / count : b->momentum;
    (void)ag_tensor_set(b->batches->tensor, 0, count);
    move(b->mean->tensor, b->batch, share);
    move(b->variance->tensor, b->batch + b->channels, share);
}

static ag_value forward(nn_module *m, nn_pass *pass, ag_value x) {
    batch_norm *b = (batch_norm *)m;
    const ag_meta *meta = ag_meta_of(x);
    if (!meta) return ag_detach(x); /* an operation tells what is wrong with a handle, or that it failed before */
    if (meta->rank < b->least || meta->rank > b->most || meta->dim[1] != b->channels)
        return ag_tape_fail(pass->tape, AG_ERROR_SHAPE, "%s: needs x %s with %lld channels", m->type,
                            b->most == 4 ? "(N, C, H, W)" : "(N, C) or (N, C, L)", (long long)b->channels);
    const ag_value weight = b->weight ? nn_use(pass, b->weight) : (ag_value){0};
    const ag_value bias = b->bias ? nn_use(pass, b->bias) : (ag_value){0};
    if (!pass->training && b->batch)
        return ag_batch_norm(x, weight, bias, nn_use(pass, b->mean), nn_use(pass, b->variance), b->eps);
    const bool empty = ag_meta_count(meta) == 0;
    ag_batch_statistics s;
    const ag_value y = ag_batch_norm_training(x, weight, bias, b->eps, &s);
    if (!b->batch || empty || !ag_ok(y)) return y;
    if (!b->batches->tensor) return nn_use(pass, b->batches); /* fails: not packed */
    track(b, &s);
    return y;
}

static bool declare(batch_norm *b, const nn_batch_norm_options *o, ag_error *error) {
    nn_module *m = &b->base;
    if (!o->no_affine) {
        b->weight = nn_module_param(m, "weight", 1, &b->channels, nn_init_constant(1), error);
        if (b->weight) b->bias = nn_module_param(m, "bias", 1, &b->channels, nn_init_constant(0), error);
        if (!b->bias) return false;
    }
    if (o->no_tracking) return true;
    b->mean = nn_module_buffer(m, "running_mean", AG_F64, 1, &b->channels, 0, error);
    if (b->mean) b->variance = nn_module_buffer(m, "running_var", AG_F64, 1, &b->channels, 1, error);
    if (b->variance) b->batches = nn_module_buffer(m, "num_batches_tracked", AG_I64, 0, NULL, 0, error);
    if (!b->batches) return false;
    b->batch = ag_alloc(batch_bytes(b));
    if (!b->batch) (void)ag_fail(error, AG_ERROR_MEMORY, "nn_%s: no memory for statistics", m->type);
    return b->batch != NULL;
}

static nn_module *batch_norm_new(const char *type, int least, int most, int64_t channels,
                                 const nn_batch_norm_options *options, ag_error *error) {
    const nn_batch_norm_options o = options ? *options : (const nn_batch_norm_options){0};
    const bool numbers = o.eps >= 0 && isfinite(o.eps) && o.momentum >= 0 && o.momentum <= 1;
    if (channels < 1 || channels > INT64_MAX / 64 || !numbers || (o.cumulative && o.momentum != 0)) {
        (void)ag_fail(error, AG_ERROR_VALUE, "nn_%s: %lld channels, eps %g, momentum %g%s", type,
                      (long long)channels, o.eps, o.momentum, o.cumulative ? ", cumulative" : "");
        return NULL;
    }
    batch_norm *b = nn_module_new(sizeof *b, type, forward, error);
    if (!b) return NULL;
    b->base.destroy = destroy;
    b->channels = channels;
    b->least = least;
    b->most = most;
    b->eps = o.eps == 0 ? 1e-5 : o.eps;
    b->momentum = o.momentum == 0 ? 0.1 : o.momentum;
    b->cumulative = o.cumulative;
    return declare(b, &o, error) ? &b->base : nn_module_free_null(&b->base);
}

nn_module *nn_batch_norm1d(int64_t channels, const nn_batch_norm_options *options, ag_error *error) {
    return batch_norm_new("batch_norm1d", 2, 3, channels, options, error);
}

nn_module *nn_batch_norm2d(int64_t channels, const nn_batch_norm_options *options, ag_error *error) {
    return batch_norm_new("batch_norm2d", 4, 4, channels, options, error);
}
