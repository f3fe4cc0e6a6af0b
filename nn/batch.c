/* batch: rows of a dataset, gathered into batches.
 *
 * An epoch's order is a Fisher-Yates shuffle whose draws are named by (seed, epoch): any epoch can be visited
 * again, in any order. The batcher owns two sets of tensors, one for full batches and one for the short batch
 * that may end an epoch, so that an epoch allocates nothing. */
#include "data.h"

#include "data_impl.h"

#include <inttypes.h>
#include <string.h>

/* Where a batch goes: tensors of `rows` rows. */
typedef struct slot {
    int64_t rows;
    ag_tensor *x, *y; /* (rows, ...), (rows) or NULL */
} slot;

struct nn_batcher {
    const ag_tensor *x, *y; /* borrowed from the dataset                   */
    int64_t n, batch;       /* samples; rows of a full batch               */
    int64_t next;           /* position in `order` of the next batch       */
    int64_t *order;         /* (n)                                         */
    bool shuffle;
    uint64_t seed;
    slot full, rest; /* rest.rows = n % batch: the last batch, when short */
};

/* Keeps the shuffles apart from other uses of the same seed. */
static const uint64_t SHUFFLE_STREAM = 0x73687566666c65; /* "shuffle" */

static ag_tensor *rows_like(const ag_tensor *from, int64_t rows, ag_error *error) {
    const ag_meta *meta = ag_tensor_meta(from);
    int64_t dim[AG_MAX_RANK];
    memcpy(dim, meta->dim, sizeof dim);
    dim[0] = rows;
    return ag_tensor_new(meta->dtype, meta->rank, dim, error);
}

static bool slot_init(slot *s, const nn_batcher *b, int64_t rows, ag_error *error) {
    s->rows = rows;
    if (rows == 0) return true;
    s->x = rows_like(b->x, rows, error);
    s->y = s->x && b->y ? rows_like(b->y, rows, error) : NULL;
    return s->x && (s->y || !b->y);
}

nn_batcher *nn_batcher_new(const nn_dataset *d, int64_t batch, bool shuffle, uint64_t seed, ag_error *error) {
    if (nnx_dataset_check(d, error) != AG_OK) return NULL;
    const int64_t n = nn_dataset_size(d);
    if (batch < 1) {
        ag_fail(error, AG_ERROR_VALUE, "batch size %" PRId64 ": must be at least 1", batch);
        return NULL;
    }
    nn_batcher *b = ag_alloc_zeroed(sizeof *b);
    if (!b) {
        ag_fail(error, AG_ERROR_MEMORY, "batcher over %" PRId64 " samples", n);
        return NULL;
    }
    b->x = d->x;
    b->y = d->y;
    b->n = n;
    b->batch = batch < n ? batch : n;
    b->shuffle = shuffle;
    b->seed = seed;

    ag_error own = {0};
    b->order = ag_alloc((size_t)n * sizeof *b->order);
    if (!b->order) ag_fail(&own, AG_ERROR_MEMORY, "order of %" PRId64 " samples", n);
    if (!b->order || !slot_init(&b->full, b, b->batch, &own) ||
        !slot_init(&b->rest, b, b->batch > 0 ? n % b->batch : 0, &own)) {
        nn_batcher_free(b);
        ag_fail(error, own.status, "batcher: %s", own.message);
        return NULL;
    }
    nn_batcher_start(b, 0);
    return b;
}

void nn_batcher_free(nn_batcher *b) {
    if (!b) return;
    ag_tensor_free(b->full.x);
    ag_tensor_free(b->full.y);
    ag_tensor_free(b->rest.x);
    ag_tensor_free(b->rest.y);
    ag_release(b->order, (size_t)b->n * sizeof *b->order);
    ag_release(b, sizeof *b);
}

void nn_batcher_start(nn_batcher *b, int64_t epoch) {
    b->next = 0;
    if (b->shuffle) {
        /* An epoch's draws: at most one block a sample, far fewer than 2^40. */
        ag_random draws = {b->seed ^ SHUFFLE_STREAM, (uint64_t)epoch << 40};
        ag_random_permutation(&draws, b->order, b->n);
    } else {
        for (int64_t i = 0; i < b->n; i++) b->order[i] = i;
    }
}

/* to[i] = from[order[i]], by rows. */
static void gather(ag_tensor *to, const ag_tensor *from, const int64_t *order, int64_t rows) {
    const size_t row = ag_meta_bytes(ag_tensor_meta(from)) / (size_t)ag_tensor_meta(from)->dim[0];
    const char *source = ag_tensor_data(from);
    char *target = ag_tensor_write(to);
    for (int64_t i = 0; i < rows; i++) memcpy(target + (size_t)i * row, source + (size_t)order[i] * row, row);
}

bool nn_batcher_next(nn_batcher *b, ag_tensor **x, ag_tensor **y) {
    const int64_t left = b->n - b->next;
    if (left == 0) return false;
    slot *s = left >= b->batch ? &b->full : &b->rest;
    gather(s->x, b->x, b->order + b->next, s->rows);
    if (b->y) gather(s->y, b->y, b->order + b->next, s->rows);
    b->next += s->rows;
    *x = s->x;
    if (y) *y = s->y;
    return true;
}

int64_t nn_batcher_count(const nn_batcher *b) {
    return b->batch > 0 ? b->n / b->batch + (b->rest.rows > 0 ? 1 : 0) : 0;
}
