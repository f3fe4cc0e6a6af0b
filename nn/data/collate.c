/* collate: samples put together, stacked or padded.
 *
 * What is wrong is said with the samples' numbers in their source, so that it can be found there. */
#include "../batch.h"
#include "source_impl.h"

#include <inttypes.h>
#include <string.h>

ag_tensor *nn_tensor_reuse(ag_tensor *old, ag_dtype dtype, int rank, const int64_t *dim, ag_error *error) {
    const ag_meta *meta = old ? ag_tensor_meta(old) : NULL;
    const bool same = meta && meta->dtype == dtype && meta->rank == rank &&
                      memcmp(meta->dim, dim, (size_t)rank * sizeof *dim) == 0;
    return same ? old : ag_tensor_new(dtype, rank, dim, error);
}

static const ag_tensor *field(const nn_sample *s, int k) { return k == 0 ? s->x : k == 1 ? s->y : s->more[k - 2]; }

/* Whether sample i has tensor k as the first one has it, but for the length of the axes before `from`. */
static ag_status compare(const nn_sample *samples, const int64_t *index, int64_t i, int k, int from,
                         ag_error *error) {
    const ag_tensor *first = field(&samples[0], k), *other = field(&samples[i], k);
    const char *name = nnx_sample_field_name(k);
    if (!first != !other)
        return ag_fail(error, AG_ERROR_VALUE,
                       "sample %" PRId64 " has %s %s, but sample %" PRId64 " of the same batch has %s", index[i],
                       other ? "a" : "no", name, index[0], first ? "one" : "none");
    if (!first) return AG_OK;
    const ag_meta *a = ag_tensor_meta(first), *b = ag_tensor_meta(other);
    const bool shapes = a->rank == b->rank && a->rank >= from &&
                        memcmp(a->dim + from, b->dim + from, (size_t)(a->rank - from) * sizeof *a->dim) == 0;
    if (shapes && a->dtype == b->dtype) return AG_OK;
    char of_a[AG_META_TEXT], of_b[AG_META_TEXT];
    return ag_fail(error, shapes ? AG_ERROR_DTYPE : AG_ERROR_SHAPE,
                   "sample %" PRId64 ": its %s %s does not stand in one batch with sample %" PRId64 "'s %s",
                   index[i], name, ag_meta_text(b, of_b, sizeof of_b), index[0],
                   ag_meta_text(a, of_a, sizeof of_a));
}

/* ---- stacked ------------------------------------------------------------------------------------------------ */

/* One tensor of all samples: (n, ...). */
static ag_status stack(const nn_sample *samples, const int64_t *index, int64_t n, int k, ag_tensor **to,
                       ag_error *error) {
    for (int64_t i = 1; i < n; i++) {
        const ag_status status = compare(samples, index, i, k, 0, error);
        if (status) return status;
    }
    const ag_tensor *first = field(&samples[0], k);
    if (!first) {
        *to = NULL;
        return AG_OK;
    }
    const ag_meta *meta = ag_tensor_meta(first);
    int64_t dim[AG_MAX_RANK + 1] = {n};
    memcpy(dim + 1, meta->dim, (size_t)meta->rank * sizeof *dim);
    *to = nn_tensor_reuse(*to, meta->dtype, meta->rank + 1, dim, error);
    if (!*to) return error->status;
    const size_t bytes = ag_meta_bytes(meta);
    char *at = ag_tensor_write(*to);
    for (int64_t i = 0; i < n && bytes; i++, at += bytes) memcpy(at, ag_tensor_data(field(&samples[i], k)), bytes);
    return AG_OK;
}

ag_status nn_collate_stack(void *user, const nn_sample *samples, const int64_t *index, int64_t n, nn_sample *batch,
                           ag_error *error) {
    (void)user;
    ag_error own = {0};
    ag_status status = AG_OK;
    for (int k = 0; k < NNX_FIELDS && !status; k++)
        status = stack(samples, index, n, k, nnx_sample_field(batch, k), &own);
    return status ? ag_fail(error, status, "%s", own.message) : AG_OK;
}

/* ---- padded ------------------------------------------------------------------------------------------------- */

/* The longest x, *longest being 0 before; the lengths go to `to`. */
static ag_status measure(const nn_sample *samples, const int64_t *index, int64_t n, int64_t *to, int64_t *longest,
                         ag_error *error) {
    for (int64_t i = 0; i < n; i++) {
        const ag_tensor *x = samples[i].x, *y = samples[i].y;
        ag_status status = compare(samples, index, i, 0, 1, error);
        if (!status) status = compare(samples, index, i, 1, y && ag_tensor_meta(y)->rank > 0, error);
        for (int k = 2; k < NNX_FIELDS && !status; k++)
            if (field(&samples[i], k))
                status =
                    ag_fail(error, AG_ERROR_VALUE, "sample %" PRId64 ": has more than an x and a y", index[i]);
        if (status) return status;
        to[i] = ag_tensor_meta(x)->dim[0];
        if (y && ag_tensor_meta(y)->rank > 0 && ag_tensor_meta(y)->dim[0] != to[i])
            return ag_fail(error, AG_ERROR_SHAPE,
                           "sample %" PRId64 ": its x has %" PRId64 " steps, but its y %" PRId64, index[i], to[i],
                           ag_tensor_meta(y)->dim[0]);
        if (to[i] > *longest) *longest = to[i];
    }
    return AG_OK;
}

/* One tensor of all samples, (T, n, ...) or (n, T, ...), with `value` behind the ends. */
static ag_status pad(const nn_sample *samples, int64_t n, int64_t longest, int k, bool batch_first, double value,
                     ag_tensor **to, ag_error *error) {
    const ag_meta *meta = ag_tensor_meta(field(&samples[0], k));
    int64_t dim[AG_MAX_RANK + 1] = {batch_first ? n : longest, batch_first ? longest : n};
    memcpy(dim + 2, meta->dim + 1, (size_t)(meta->rank - 1) * sizeof *dim);
    *to = nn_tensor_reuse(*to, meta->dtype, meta->rank + 1, dim, error);
    if (!*to) return error->status;
    ag_status status = ag_tensor_fill(*to, value);
    size_t step = ag_dtype_size(meta->dtype); /* bytes: no more than the tensor's */
    for (int d = 1; d < meta->rank; d++) step *= (size_t)meta->dim[d];
    char *at = ag_tensor_write(*to);
    for (int64_t i = 0; i < n && step && !status; i++) {
        const char *from = ag_tensor_data(field(&samples[i], k));
        const int64_t steps = ag_tensor_meta(field(&samples[i], k))->dim[0];
        for (int64_t t = 0; t < steps; t++)
            memcpy(at + (size_t)(batch_first ? i * longest + t : t * n + i) * step, from + (size_t)t * step, step);
    }
    return status;
}

ag_status nn_collate_pad(void *user, const nn_sample *samples, const int64_t *index, int64_t n, nn_sample *batch,
                         ag_error *error) {
    const nn_padding zeros = {0}, *p = user ? user : &zeros;
    ag_error own = {0};
    int64_t longest = 0;
    ag_status status = AG_OK;
    if (ag_tensor_meta(samples[0].x)->rank == 0)
        status = ag_fail(&own, AG_ERROR_SHAPE, "sample %" PRId64 ": its x has no steps", index[0]);
    if (!status) batch->more[0] = nn_tensor_reuse(batch->more[0], AG_I64, 1, &n, &own);
    if (!status) status = own.status;
    if (!status) status = measure(samples, index, n, ag_tensor_write(batch->more[0]), &longest, &own);
    if (!status) status = pad(samples, n, longest, 0, p->batch_first, p->x, &batch->x, &own);
    const ag_tensor *y = samples[0].y;
    if (!status && (!y || ag_tensor_meta(y)->rank == 0)) status = stack(samples, index, n, 1, &batch->y, &own);
    if (!status && y && ag_tensor_meta(y)->rank > 0)
        status = pad(samples, n, longest, 1, p->batch_first, p->y, &batch->y, &own);
    return status ? ag_fail(error, status, "%s", own.message) : AG_OK;
}
