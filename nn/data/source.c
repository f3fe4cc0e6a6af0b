/* source: samples, and the sources of the library.
 *
 * Whoever replaces a tensor of a sample does not free it: the caller compares before and after (nnx_sample_settle), so
 * that a transform or a collation may assign without a thought, and a failure half-way leaks nothing.
 * Not here: batches (batch.c), sources that read files (image_folder.c). */
#include "../source.h"

#include "../batch.h"
#include "data_impl.h"
#include "source_impl.h"

#include <inttypes.h>
#include <string.h>

/* Keeps the samples' streams apart from other uses of the same seed. */
static const uint64_t SAMPLE_STREAM = 0x73616d706c65; /* "sample" */

/* ---- samples ------------------------------------------------------------------------------------------------ */

const char *nnx_sample_field_name(int k) {
    static const char *const names[NNX_FIELDS] = {"x", "y", "more[0]", "more[1]", "more[2]", "more[3]"};
    return names[k];
}

static bool holds(const nn_sample *s, const ag_tensor *x) {
    nn_sample copy = *s;
    for (int k = 0; k < NNX_FIELDS; k++)
        if (*nnx_sample_field(&copy, k) == x) return true;
    return false;
}

void nnx_sample_settle(const nn_sample *before, const nn_sample *now) {
    nn_sample left = *before;
    for (int k = 0; k < NNX_FIELDS; k++) {
        ag_tensor **x = nnx_sample_field(&left, k), *old = *x;
        *x = NULL;
        if (old && !holds(now, old) && !holds(&left, old))
            ag_tensor_free(old); /* one that is there twice: the last */
    }
}

void nn_sample_clear(nn_sample *s) {
    const nn_sample nothing = {0};
    nnx_sample_settle(s, &nothing);
    *s = nothing;
}

ag_status nnx_explained(ag_error *error, ag_status status) {
    if (status && (error->status != status || !error->message[0]))
        ag_fail(error, status, "%s", ag_status_text(status));
    return status;
}

/* ---- any source --------------------------------------------------------------------------------------------- */

int64_t nn_source_size(nn_source *s) { return s->size(s); }

ag_random nn_sample_draws(uint64_t seed, int64_t epoch, int64_t i) {
    uint32_t word[4]; /* a key for each epoch, a range of counters for each sample */
    ag_philox(seed ^ SAMPLE_STREAM, (uint64_t)epoch, word);
    return (ag_random){(uint64_t)word[1] << 32 | word[0], (uint64_t)i << 32};
}

ag_status nn_source_sample(nn_source *s, int64_t i, ag_random *draws, nn_sample *out, ag_error *error) {
    *out = (nn_sample){0};
    const int64_t n = s->size(s);
    if (i < 0 || i >= n)
        return ag_fail(error, AG_ERROR_INDEX, "sample %" PRId64 " of a source that has %" PRId64, i, n);
    ag_error own = {0};
    ag_status status = nnx_explained(&own, s->sample(s, i, draws, out, &own));
    if (!status && !out->x) status = ag_fail(&own, AG_ERROR_VALUE, "the source gave no x");
    if (!status) return AG_OK;
    nn_sample_clear(out);
    return ag_fail(error, status, "%s", own.message);
}

/* ---- tensors in memory -------------------------------------------------------------------------------------- */

static nn_dataset *dataset_of(nn_source *s) { return &((nn_dataset_source *)s)->data; }

static int64_t dataset_size(nn_source *s) {
    const nn_dataset *d = dataset_of(s);
    return d->x && ag_tensor_meta(d->x)->rank > 0 ? nn_dataset_size(d) : 0;
}

static size_t row_bytes(const ag_tensor *x) {
    return ag_meta_bytes(ag_tensor_meta(x)) / (size_t)ag_tensor_meta(x)->dim[0];
}

static ag_tensor *copy_row(const ag_tensor *from, int64_t i, ag_error *error) {
    const ag_meta *meta = ag_tensor_meta(from);
    ag_tensor *x = ag_tensor_new(meta->dtype, meta->rank - 1, meta->dim + 1, error);
    const size_t row = row_bytes(from);
    if (x && row) memcpy(ag_tensor_write(x), (const char *)ag_tensor_data(from) + (size_t)i * row, row);
    return x;
}

static ag_status dataset_sample(nn_source *s, int64_t i, ag_random *draws, nn_sample *out, ag_error *error) {
    (void)draws;
    const nn_dataset *d = dataset_of(s);
    const ag_status status = nnx_dataset_check(d, error);
    if (status) return status;
    out->x = copy_row(d->x, i, error);
    if (out->x && d->y) out->y = copy_row(d->y, i, error);
    return out->x && (out->y || !d->y) ? AG_OK : error->status;
}

static ag_tensor *rows_like(ag_tensor *old, const ag_tensor *from, int64_t rows, ag_error *error) {
    const ag_meta *meta = ag_tensor_meta(from);
    int64_t dim[AG_MAX_RANK];
    memcpy(dim, meta->dim, sizeof dim);
    dim[0] = rows;
    return nn_tensor_reuse(old, meta->dtype, meta->rank, dim, error);
}

ag_status nnx_dataset_reserve(const nn_dataset *d, int64_t rows, nn_sample *out, ag_error *error) {
    ag_error own = {0};
    out->x = rows_like(out->x, d->x, rows, &own);
    if (out->x && d->y) out->y = rows_like(out->y, d->y, rows, &own);
    return own.status ? ag_fail(error, own.status, "%s", own.message) : AG_OK;
}

/* to[i] = from[index[i]], by rows. */
static void gather(ag_tensor *to, const ag_tensor *from, const int64_t *index, int64_t n) {
    const size_t row = row_bytes(from);
    const char *source = ag_tensor_data(from);
    char *target = ag_tensor_write(to);
    for (int64_t i = 0; i < n; i++) memcpy(target + (size_t)i * row, source + (size_t)index[i] * row, row);
}

static ag_status dataset_batch(nn_source *s, const int64_t *index, int64_t n, nn_sample *out, ag_error *error) {
    const nn_dataset *d = dataset_of(s);
    ag_status status = nnx_dataset_check(d, error);
    if (!status) status = nnx_dataset_reserve(d, n, out, error);
    if (status) return status;
    gather(out->x, d->x, index, n);
    if (d->y) gather(out->y, d->y, index, n);
    return AG_OK;
}

nn_dataset_source nn_source_of_dataset(const nn_dataset *d) {
    return (nn_dataset_source){{dataset_size, dataset_sample, dataset_batch}, *d};
}

bool nnx_is_dataset_source(const nn_source *s) { return s->batch == dataset_batch; }

/* ---- transformed, chosen, one after the other --------------------------------------------------------------- */

static int64_t mapped_size(nn_source *s) { return nn_source_size(((nn_mapped_source *)s)->from); }

static ag_status mapped_sample(nn_source *s, int64_t i, ag_random *draws, nn_sample *out, ag_error *error) {
    const nn_mapped_source *m = (nn_mapped_source *)s;
    ag_status status = nn_source_sample(m->from, i, draws, out, error);
    if (status) return status;
    const nn_sample before = *out;
    status = m->transform(m->user, draws, out, error);
    nnx_sample_settle(&before, out);
    return status;
}

nn_mapped_source nn_source_mapped(nn_source *from, nn_transform *transform, void *user) {
    return (nn_mapped_source){{mapped_size, mapped_sample, NULL}, from, transform, user};
}

static int64_t subset_size(nn_source *s) { return ((nn_subset_source *)s)->n; }

static ag_status subset_sample(nn_source *s, int64_t i, ag_random *draws, nn_sample *out, ag_error *error) {
    const nn_subset_source *of = (nn_subset_source *)s;
    ag_error own = {0};
    const ag_status status = nn_source_sample(of->from, of->index[i], draws, out, &own);
    if (!status) return AG_OK;
    return ag_fail(error, status, "number %" PRId64 " behind the subset: %s", of->index[i], own.message);
}

/* As the source behind does it: with its numbers. */
static ag_status subset_batch(nn_source *s, const int64_t *index, int64_t n, nn_sample *out, ag_error *error) {
    const nn_subset_source *of = (nn_subset_source *)s;
    const int64_t size = nn_source_size(of->from);
    const size_t bytes = (size_t)n * sizeof *index;
    int64_t *behind = ag_alloc(bytes); /* (n) */
    if (!behind) return ag_fail(error, AG_ERROR_MEMORY, "numbers of %" PRId64 " samples", n);
    ag_status status = AG_OK;
    for (int64_t i = 0; i < n && !status; i++) {
        behind[i] = of->index[index[i]];
        if (behind[i] < 0 || behind[i] >= size)
            status = ag_fail(error, AG_ERROR_INDEX,
                             "sample %" PRId64 ": number %" PRId64 " behind the subset: the source has %" PRId64,
                             index[i], behind[i], size);
    }
    if (!status) status = of->from->batch(of->from, behind, n, out, error);
    ag_release(behind, bytes);
    return status;
}

nn_subset_source nn_source_subset(nn_source *from, const int64_t *index, int64_t n) {
    return (nn_subset_source){{subset_size, subset_sample, from->batch ? subset_batch : NULL}, from, index, n};
}

static int64_t concat_size(nn_source *s) {
    const nn_concat_source *c = (nn_concat_source *)s;
    int64_t n = 0;
    for (int64_t k = 0; k < c->count; k++) n += nn_source_size(c->parts[k]);
    return n;
}

static ag_status concat_sample(nn_source *s, int64_t i, ag_random *draws, nn_sample *out, ag_error *error) {
    const nn_concat_source *c = (nn_concat_source *)s;
    int64_t k = 0, n;
    for (; i >= (n = nn_source_size(c->parts[k])); k++) i -= n;
    ag_error own = {0};
    const ag_status status = nn_source_sample(c->parts[k], i, draws, out, &own);
    if (!status) return AG_OK;
    return ag_fail(error, status, "number %" PRId64 " of part %" PRId64 ": %s", i, k, own.message);
}

nn_concat_source nn_source_concat(nn_source *const *parts, int64_t count) {
    return (nn_concat_source){{concat_size, concat_sample, NULL}, parts, count};
}
