/* early: the best weights so far. One tensor is kept for each parameter and each buffer, in their order. */
#include "../early.h"

#include "../param_impl.h"

#include <math.h>

struct nn_early {
    nn_params *params;
    size_t count;
    ag_tensor **kept; /* (count) like nn_params_keep's; they mean something where `least` is not infinite */
    double least;
    int64_t since;
};

nn_early *nn_early_new(nn_params *params, ag_error *error) {
    if (!params) { /* nn_params_new failed, and has said why */
        if (!error || !error->status)
            (void)ag_fail(error, AG_ERROR_VALUE, "nn_early_new: the parameters are NULL");
        return NULL;
    }
    nn_early *e = ag_alloc_zeroed(sizeof *e);
    bool whole = e != NULL;
    if (whole) {
        *e = (nn_early){.params = params, .count = nn_params_kept(params), .least = INFINITY};
        e->kept = ag_alloc_zeroed(e->count * sizeof *e->kept); /* no overflow: as many exist */
        whole = e->kept != NULL;
    }
    for (size_t i = 0; whole && i < e->count; i++) {
        const ag_meta *meta = ag_tensor_meta(nn_params_keep(params, i));
        e->kept[i] = ag_tensor_new(meta->dtype, meta->rank, meta->dim, NULL);
        whole = e->kept[i] != NULL;
    }
    if (whole) return e;
    nn_early_free(e);
    (void)ag_fail(error, AG_ERROR_MEMORY, "nn_early_new: no memory for a copy of the weights");
    return NULL;
}

void nn_early_free(nn_early *e) {
    if (!e) return;
    for (size_t i = e->kept ? e->count : 0; i-- > 0;) ag_tensor_free(e->kept[i]);
    ag_release(e->kept, e->count * sizeof *e->kept);
    ag_release(e, sizeof *e);
}

bool nn_early_tell(nn_early *e, double x, double margin) {
    const bool better = e->least == INFINITY ? x < INFINITY : x < e->least - margin;
    e->since++;
    if (!better) return false;
    e->least = x;
    e->since = 0;
    for (size_t i = 0; i < e->count; i++) nnx_tensor_copy(e->kept[i], nn_params_keep(e->params, i));
    return true;
}

bool nn_early_is_of(const nn_early *e, const nn_params *params) { return e->params == params; }
double nn_early_least(const nn_early *e) { return e->least; }
int64_t nn_early_since(const nn_early *e) { return e->since; }

void nn_early_restore(const nn_early *e) {
    for (size_t i = 0; e->least < INFINITY && i < e->count; i++)
        nnx_tensor_copy(nn_params_keep(e->params, i), e->kept[i]);
}

ag_tensor *nn_early_keep(const nn_early *e, size_t i) { return i < e->count ? e->kept[i] : NULL; }

ag_status nn_early_set(nn_early *e, double least, int64_t since, ag_error *error) {
    static const int64_t most = INT64_C(1) << 53;
    if (isnan(least) || since < 0 || since > most)
        return ag_fail(error, AG_ERROR_VALUE,
                       "nn_early_set: a least of %g, %lld since; needs a number and a count", least,
                       (long long)since);
    e->least = least;
    e->since = since;
    return AG_OK;
}
