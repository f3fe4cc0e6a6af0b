/* batch: samples of a source, made into batches by the caller's thread or ahead of it by a second one.
 *
 * An epoch's order is a Fisher-Yates shuffle whose draws are named by (seed, epoch): any epoch can be visited again, in
 * any order. Batch k is made by make_batch alone, whoever calls it, from the order, the source and the draws that its
 * samples' numbers name, and goes to slot k mod slots: so threads cannot change a bit. A slot keeps tensors for full
 * batches and for the short one that may end an epoch: a dataset's epoch allocates nothing.
 * While the second thread works, it owns the slots that are not handed out, `samples`, and the source; the caller
 * changes the epoch only when it rests. */
#include "../batch.h"

#include "data_impl.h"
#include "prefetch_impl.h"
#include "source_impl.h"

#include <inttypes.h>

/* Where a batch goes. */
typedef struct slot {
    nn_sample full, rest; /* of `batch` samples, and of n % batch */
    ag_error error;       /* of the batch that it holds           */
} slot;

struct nn_batcher {
    nn_dataset_source own; /* of nn_batcher_new                                */
    nn_source *source;
    nn_batcher_options is; /* batch: at most n                                */
    int64_t n, count;      /* samples; batches of an epoch                    */
    int64_t epoch, given;  /* the present one; its batches handed out         */
    int64_t *order;        /* (n)                                             */
    nn_sample *samples;    /* (batch), zeros but while a batch is made; NULL: the source gives batches itself */
    slot *slots;           /* (slot_count)                                    */
    int64_t slot_count;
    nnx_prefetch *prefetch; /* NULL: none                                      */
    bool working, failed;   /* the second thread was set to work; the batch behind `given` could not be made */
};

/* Keeps the shuffles apart from other uses of the same seed. */
static const uint64_t SHUFFLE_STREAM = 0x73687566666c65; /* "shuffle" */

/* ---- a batch ------------------------------------------------------------------------------------------------ */

static int64_t rows_of(const nn_batcher *b, int64_t k) {
    const int64_t left = b->n - k * b->is.batch;
    return left < b->is.batch ? left : b->is.batch;
}

static slot *slot_of(const nn_batcher *b, int64_t k) { return &b->slots[k % b->slot_count]; }

static nn_sample *place_of(const nn_batcher *b, int64_t k) {
    slot *s = slot_of(b, k);
    return rows_of(b, k) == b->is.batch ? &s->full : &s->rest;
}

static ag_status collate(const nn_batcher *b, const int64_t *index, int64_t rows, nn_sample *to, ag_error *error) {
    ag_error own = {0};
    ag_status status = AG_OK;
    for (int64_t i = 0; i < rows && !status; i++) {
        if (b->prefetch && nnx_prefetch_stopping(b->prefetch))
            return ag_fail(error, AG_ERROR_STATE, "nobody waits for this batch");
        ag_random draws = nn_sample_draws(b->is.seed, b->epoch, index[i]);
        status = nn_source_sample(b->source, index[i], &draws, &b->samples[i], &own);
        if (status) ag_fail(error, status, "sample %" PRId64 ": %s", index[i], own.message);
    }
    if (status) return status;
    nn_collate *how = b->is.collate ? b->is.collate : nn_collate_stack;
    return nnx_explained(error, how(b->is.collate_user, b->samples, index, rows, to, error));
}

static bool make_batch(void *user, int64_t k) {
    const nn_batcher *b = user;
    const int64_t *index = b->order + k * b->is.batch, rows = rows_of(b, k);
    nn_sample *to = place_of(b, k);
    const nn_sample before = *to;
    ag_error *error = &slot_of(b, k)->error;
    error->status = AG_OK;
    error->message[0] = '\0';
    ag_status status;
    if (b->samples) {
        status = collate(b, index, rows, to, error);
        for (int64_t i = 0; i < rows; i++) nn_sample_clear(&b->samples[i]);
    } else {
        status = nnx_explained(error, b->source->batch(b->source, index, rows, to, error));
    }
    nnx_sample_settle(&before, to);
    if (!status && !to->x) status = ag_fail(error, AG_ERROR_VALUE, "a batch was made without an x");
    return !status;
}

/* ---- making and freeing ------------------------------------------------------------------------------------- */

static ag_status check(const nn_batcher *b, const nn_batcher_options *o, ag_error *error) {
    if (!b->source) return ag_fail(error, AG_ERROR_VALUE, "batches of no source");
    if (o->batch < 0) return ag_fail(error, AG_ERROR_VALUE, "batch size %" PRId64 ": below 0", o->batch);
    if (o->prefetch < 0) return ag_fail(error, AG_ERROR_VALUE, "prefetch of %d batches: below 0", o->prefetch);
    if (nnx_is_dataset_source(b->source))
        return nnx_dataset_check(&((const nn_dataset_source *)b->source)->data, error);
    return AG_OK;
}

/* Tensors of a dataset's batches are there from the start: no batch of it can fail. */
static ag_status reserve(const nn_batcher *b, ag_error *error) {
    const nn_dataset *d = &((const nn_dataset_source *)b->source)->data;
    ag_status status = AG_OK;
    for (int64_t k = 0; k < b->slot_count && b->count && !status; k++) {
        const int64_t rest = b->is.drop_last ? 0 : b->n % b->is.batch;
        status = nnx_dataset_reserve(d, b->is.batch, &b->slots[k].full, error);
        if (!status && rest) status = nnx_dataset_reserve(d, rest, &b->slots[k].rest, error);
    }
    return status;
}

static ag_status no_memory(ag_error *error, int64_t n) {
    return ag_fail(error, AG_ERROR_MEMORY, "order of %" PRId64 " samples", n);
}

/* Everything but the checks; what was made before a failure is nn_batcher_free's. */
static ag_status build(nn_batcher *b, const nn_batcher_options *o, ag_error *error) {
    b->is = *o;
    b->n = nn_source_size(b->source);
    if (b->n < 0) return ag_fail(error, AG_ERROR_VALUE, "a source of %" PRId64 " samples", b->n);
    const int64_t batch = o->batch ? o->batch : 32;
    b->is.batch = batch < b->n || o->drop_last ? batch : b->n;
    if (b->n > 0) b->count = b->n / b->is.batch + (b->n % b->is.batch && !o->drop_last);

    const int64_t ahead = o->prefetch < b->count ? o->prefetch : b->count;
    const bool whole = b->source->batch && !o->collate;
    size_t order, samples = 0, slots;
    if (!ag_size_mul((size_t)b->n, sizeof *b->order, &order)) return no_memory(error, b->n);
    if (!whole && !ag_size_mul((size_t)(b->count ? b->is.batch : 0), sizeof *b->samples, &samples))
        return no_memory(error, b->n);
    if (!ag_size_mul((size_t)ahead + 1, sizeof *b->slots, &slots)) return no_memory(error, b->n);
    b->order = ag_alloc(order);
    if (b->order && !whole) b->samples = ag_alloc_zeroed(samples);
    if (b->order && (b->samples || whole)) b->slots = ag_alloc_zeroed(slots);
    if (!b->slots) return no_memory(error, b->n);
    b->slot_count = ahead + 1;
    if (nnx_is_dataset_source(b->source) && whole) {
        const ag_status status = reserve(b, error);
        if (status) return status;
    }
    nn_batcher_start(b, 0);
    b->prefetch = ahead > 0 ? nnx_prefetch_new(b->slot_count, make_batch, b, error) : NULL;
    return b->prefetch || ahead == 0 ? AG_OK : error->status;
}

/* `source` NULL: d's. */
static nn_batcher *make(const nn_dataset *d, nn_source *source, const nn_batcher_options *o, ag_error *error) {
    nn_batcher *b = ag_alloc_zeroed(sizeof *b);
    if (!b) {
        ag_fail(error, AG_ERROR_MEMORY, "no memory for a batcher");
        return NULL;
    }
    if (d) b->own = nn_source_of_dataset(d);
    b->source = d ? &b->own.source : source;
    ag_error own = {0};
    ag_status status = check(b, o, &own);
    if (!status) status = build(b, o, &own);
    if (!status) return b;
    nn_batcher_free(b);
    ag_fail(error, status, "batcher: %s", own.message);
    return NULL;
}

nn_batcher *nn_batcher_new(const nn_dataset *d, int64_t batch, bool shuffle, uint64_t seed, ag_error *error) {
    const nn_batcher_options options = {.batch = batch, .shuffle = shuffle, .seed = seed};
    if (batch > 0) return make(d, NULL, &options, error);
    ag_fail(error, AG_ERROR_VALUE, "batch size %" PRId64 ": must be at least 1", batch);
    return NULL;
}

nn_batcher *nn_batcher_of(nn_source *source, const nn_batcher_options *options, ag_error *error) {
    return make(NULL, source, options ? options : &(nn_batcher_options){0}, error);
}

void nn_batcher_free(nn_batcher *b) {
    if (!b) return;
    nnx_prefetch_free(b->prefetch);
    for (int64_t k = 0; k < b->slot_count; k++) {
        nn_sample_clear(&b->slots[k].full);
        nn_sample_clear(&b->slots[k].rest);
    }
    ag_release(b->slots, (size_t)b->slot_count * sizeof *b->slots);
    ag_release(b->samples, (size_t)(b->count ? b->is.batch : 0) * sizeof *b->samples);
    ag_release(b->order, (size_t)b->n * sizeof *b->order);
    ag_release(b, sizeof *b);
}

/* ---- an epoch ----------------------------------------------------------------------------------------------- */

static void work_ahead(nn_batcher *b) {
    b->working = true;
    nnx_prefetch_start(b->prefetch, b->count);
}

void nn_batcher_start(nn_batcher *b, int64_t epoch) {
    if (b->working) nnx_prefetch_stop(b->prefetch);
    b->working = b->failed = false;
    b->given = 0;
    b->epoch = epoch;
    if (b->is.shuffle) {
        /* An epoch's draws: at most one block a sample, far fewer than 2^40. */
        ag_random draws = {b->is.seed ^ SHUFFLE_STREAM, (uint64_t)epoch << 40};
        ag_random_permutation(&draws, b->order, b->n);
    } else {
        for (int64_t i = 0; i < b->n; i++) b->order[i] = i;
    }
    if (b->prefetch) work_ahead(b);
}

bool nn_batcher_next(nn_batcher *b, ag_tensor **x, ag_tensor **y) {
    if (b->failed || b->given > b->count) return false;
    const int64_t k = b->given;
    if (k == b->count) {
        b->given++; /* there is no present batch any more */
        return false;
    }
    if (b->prefetch) {
        if (!b->working) work_ahead(b);
        nnx_prefetch_next(b->prefetch);
    } else {
        (void)make_batch(b, k);
    }
    b->failed = slot_of(b, k)->error.status != AG_OK;
    if (b->failed) return false;
    b->given++;
    const nn_sample *batch = place_of(b, k);
    *x = batch->x;
    if (y) *y = batch->y;
    return true;
}

ag_status nn_batcher_status(const nn_batcher *b, ag_error *error) {
    const ag_error *why = &slot_of(b, b->given)->error;
    return b->failed ? ag_fail(error, why->status, "%s", why->message) : AG_OK;
}

/* Number of the batch that is handed out; -1: none. */
static int64_t present(const nn_batcher *b) { return b->failed || b->given > b->count ? -1 : b->given - 1; }

const nn_sample *nn_batcher_batch(const nn_batcher *b) {
    const int64_t k = present(b);
    return k < 0 ? NULL : place_of(b, k);
}

const int64_t *nn_batcher_index(const nn_batcher *b, int64_t *n) {
    const int64_t k = present(b);
    *n = k < 0 ? 0 : rows_of(b, k);
    return k < 0 ? NULL : b->order + k * b->is.batch;
}

int64_t nn_batcher_count(const nn_batcher *b) { return b->count; }
