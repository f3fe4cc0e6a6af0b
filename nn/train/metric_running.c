/* metric_running: sums over batches that need no table of classes. */
#include "../metric.h"

#include "metric_impl.h"

#include <math.h>

ag_status nn_top_k_add(nn_top_k *t, ag_value logits, const ag_tensor *target, ag_error *error) {
    if (t->k < 1) return ag_fail(error, AG_ERROR_VALUE, "nn_top_k_add: k is %lld", (long long)t->k);
    ag_status status = nnx_labels_check("nn_top_k_add", logits, target, 0, error);
    if (status) return status;
    const ag_meta *x = ag_meta_of(logits);
    const int64_t *label = ag_tensor_data(target); /* (B) */
    const void *data = ag_data(logits);            /* (B, C), strided */
    for (int64_t i = 0; i < x->dim[0]; i++) {
        const double own = nnx_element_of(x, data, i * x->stride[0] + label[i] * x->stride[1]);
        int64_t before = 0; /* classes that come before the label's */
        for (int64_t j = 0; j < x->dim[1]; j++) {
            const double other = nnx_element_of(x, data, i * x->stride[0] + j * x->stride[1]);
            const bool tie = other == own || (isnan(other) && isnan(own));
            before += tie ? j < label[i] : !isnan(own) && (isnan(other) || other > own);
        }
        t->hits += before < t->k;
    }
    t->total += x->dim[0];
    return AG_OK;
}

double nn_top_k_accuracy(const nn_top_k *t) { return t->total ? (double)t->hits / (double)t->total : NAN; }

ag_status nn_regression_add(nn_regression *r, ag_value y, const ag_tensor *target, ag_error *error) {
    const ag_meta *x = ag_meta_of(y), *t = ag_tensor_meta(target);
    if (!x) return ag_fail(error, AG_ERROR_FAILED, "nn_regression_add: y failed or is stale");
    char a[AG_META_TEXT], b[AG_META_TEXT];
    if (!ag_meta_same_shape(x, t))
        return ag_fail(error, AG_ERROR_SHAPE, "nn_regression_add: y %s, target %s; needs one shape",
                       ag_meta_text(x, a, sizeof a), ag_meta_text(t, b, sizeof b));
    if (!ag_dtype_is_float(x->dtype))
        return ag_fail(error, AG_ERROR_DTYPE, "nn_regression_add: y %s; needs f32 or f64",
                       ag_meta_text(x, a, sizeof a));
    const int64_t n = ag_meta_count(x);
    size_t bytes;
    double *said = ag_size_mul((size_t)n, sizeof *said, &bytes) ? ag_alloc(bytes) : NULL;
    if (!said)
        return ag_fail(error, AG_ERROR_MEMORY, "nn_regression_add: no memory for %lld numbers", (long long)n);
    const ag_status status = ag_read_f64(y, said, n);
    for (int64_t i = 0; !status && i < n; i++) {
        const double is = ag_tensor_get(target, i), off = said[i] - is, from_mean = is - r->mean;
        r->absolute += fabs(off);
        r->squared += off * off;
        r->count++;
        r->mean += from_mean / (double)r->count;
        r->spread += from_mean * (is - r->mean);
    }
    ag_release(said, bytes);
    return status ? ag_fail(error, status, "nn_regression_add: y cannot be read") : AG_OK;
}

static double mean(const nn_regression *r, double sum) { return r->count ? sum / (double)r->count : NAN; }

double nn_regression_mae(const nn_regression *r) { return mean(r, r->absolute); }
double nn_regression_mse(const nn_regression *r) { return mean(r, r->squared); }
double nn_regression_rmse(const nn_regression *r) { return sqrt(mean(r, r->squared)); }

double nn_regression_r2(const nn_regression *r) {
    if (r->count < 2) return NAN;
    if (r->spread == 0) return r->squared == 0 ? 1 : 0;
    return 1 - r->squared / r->spread;
}
