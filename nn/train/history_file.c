/* history_file: a history to and from the tensors that a checkpoint has of it.
 *
 *     history.whole  (epochs, 3) i64                 epoch, steps, skipped
 *     history.real   (epochs, 3 + 2 metrics) f64     lr, loss, validation_loss, metrics, validation metrics
 *     history.end    (2) i64                         best, stopped
 *
 * Numbers are copied as they are, NaN's bits too. The names of metrics are metadata. */
#include "history_impl.h"

#include <string.h>

enum { WHOLES = 3, REALS = 3, ENDS = 2 };
enum { WHOLE, REAL, END }; /* the tensors */

const char *const nnx_history_tensor_name[NNX_HISTORY_TENSORS] = {"history.whole", "history.real", "history.end"};
const char *const nnx_history_key[NN_FIT_METRICS] = {"history.metric.0", "history.metric.1", "history.metric.2",
                                                     "history.metric.3", "history.metric.4", "history.metric.5",
                                                     "history.metric.6", "history.metric.7"};

static void put_real(const nn_epoch *e, size_t metrics, double *x) {
    x[0] = e->lr;
    x[1] = e->loss;
    x[2] = e->validation_loss;
    memcpy(x + REALS, e->metric, metrics * sizeof *x);
    memcpy(x + REALS + metrics, e->validation_metric, metrics * sizeof *x);
}

static void get_real(nn_epoch *e, size_t metrics, const double *x) {
    e->lr = x[0];
    e->loss = x[1];
    e->validation_loss = x[2];
    memcpy(e->metric, x + REALS, metrics * sizeof *x);
    memcpy(e->validation_metric, x + REALS + metrics, metrics * sizeof *x);
}

ag_tensor *nnx_history_tensor(const nn_history *h, int k) {
    const int64_t width = REALS + 2 * (int64_t)h->metrics;
    if (k == END) {
        ag_tensor *t = ag_tensor_new(AG_I64, 1, (int64_t[]){ENDS}, NULL);
        if (t) memcpy(ag_tensor_write(t), (int64_t[]){(int64_t)h->best, h->stopped}, ENDS * sizeof(int64_t));
        return t;
    }
    ag_tensor *t = ag_tensor_new(k == WHOLE ? AG_I64 : AG_F64, 2,
                                 (int64_t[]){(int64_t)h->count, k == WHOLE ? WHOLES : width}, NULL);
    void *x = t ? ag_tensor_write(t) : NULL;
    for (size_t i = 0; t && i < h->count; i++) {
        const nn_epoch *e = &h->epoch[i];
        if (k == WHOLE)
            memcpy((int64_t *)x + i * WHOLES, (int64_t[]){e->epoch, e->steps, e->skipped},
                   WHOLES * sizeof(int64_t));
        else
            put_real(e, h->metrics, (double *)x + i * (size_t)width);
    }
    return t;
}

/* The metrics that a table of this width has; -1: there is none such. */
static int64_t metrics_of(const ag_meta *real) {
    const int64_t both = real->dim[1] - REALS;
    return both >= 0 && both % 2 == 0 && both / 2 <= NN_FIT_METRICS ? both / 2 : -1;
}

void nnx_history_compare(const ag_safetensors *file, nnx_misfit *m) {
    static const ag_dtype dtype[NNX_HISTORY_TENSORS] = {AG_I64, AG_F64, AG_I64};
    static const int rank[NNX_HISTORY_TENSORS] = {2, 2, 1};
    const ag_meta *meta[NNX_HISTORY_TENSORS];
    bool whole = true;
    for (int k = 0; k < NNX_HISTORY_TENSORS; k++) {
        const ag_tensor *t = ag_safetensors_find(file, nnx_history_tensor_name[k]);
        meta[k] = t ? ag_tensor_meta(t) : NULL;
        if (!t)
            nnx_misfit_add(m, "\"%s\" is missing", nnx_history_tensor_name[k]);
        else if (meta[k]->dtype != dtype[k])
            nnx_misfit_add(m, "\"%s\" is %s, should be %s", nnx_history_tensor_name[k],
                           ag_dtype_name(meta[k]->dtype), ag_dtype_name(dtype[k]));
        else if (meta[k]->rank != rank[k])
            nnx_misfit_add(m, "\"%s\" has rank %d, should have %d", nnx_history_tensor_name[k], (int)meta[k]->rank,
                           rank[k]);
        whole = whole && t && meta[k]->dtype == dtype[k] && meta[k]->rank == rank[k];
    }
    if (!whole) return;
    if (meta[WHOLE]->dim[1] != WHOLES || meta[END]->dim[0] != ENDS || metrics_of(meta[REAL]) < 0 ||
        meta[WHOLE]->dim[0] != meta[REAL]->dim[0]) {
        nnx_misfit_add(m, "the tables of \"history\" do not fit each other");
        return;
    }
    for (int64_t k = 0; k < metrics_of(meta[REAL]); k++)
        if (!ag_safetensors_metadata(file, nnx_history_key[k]))
            nnx_misfit_add(m, "%s is missing", nnx_history_key[k]);
}

static bool is_count(int64_t x) { return x >= 0 && x <= INT64_C(1) << 53; }

ag_status nnx_history_read(const ag_safetensors *file, nn_history *h, ag_error *error) {
    const ag_tensor *t[NNX_HISTORY_TENSORS];
    for (int k = 0; k < NNX_HISTORY_TENSORS; k++) t[k] = ag_safetensors_find(file, nnx_history_tensor_name[k]);
    const int64_t *whole = ag_tensor_data(t[WHOLE]), *end = ag_tensor_data(t[END]);
    const double *real = ag_tensor_data(t[REAL]);
    const int64_t count = ag_tensor_meta(t[WHOLE])->dim[0];
    const size_t metrics = (size_t)metrics_of(ag_tensor_meta(t[REAL])), width = REALS + 2 * metrics;
    if (end[0] < 0 || end[0] >= (count ? count : 1))
        return ag_fail(error, AG_ERROR_VALUE, "nn_history: the best of %lld epochs is number %lld",
                       (long long)count, (long long)end[0]);
    for (int64_t i = 0; i < count * WHOLES; i++)
        if (!is_count(whole[i]))
            return ag_fail(error, AG_ERROR_VALUE, "nn_history: one that has counted %lld", (long long)whole[i]);
    const char *name[NN_FIT_METRICS] = {NULL};
    for (size_t k = 0; k < metrics; k++) name[k] = ag_safetensors_metadata(file, nnx_history_key[k]);
    ag_status status = nn_history_metrics(h, name, metrics, error);
    for (int64_t i = 0; !status && i < count; i++) {
        nn_epoch e = {.epoch = whole[0], .steps = whole[1], .skipped = whole[2]};
        get_real(&e, metrics, real);
        status = nn_history_add(h, &e, error);
        whole += WHOLES;
        real += width;
    }
    h->best = (size_t)end[0];
    h->stopped = end[1] != 0;
    if (status) nn_history_clear(h);
    return status;
}
