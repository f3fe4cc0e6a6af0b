/* dropout: zeros at random, and the rest scaled up.
 *
 * Word i % 4 of Philox block counter + i / 4 decides about element i (row-major), so the pattern is a function of the
 * position in the stream and the index alone: strides and threads do not change it, and the backward pass draws it
 * again instead of keeping a mask.
 *
 * Left out: where the counter comes from (the record). */
#include "rows.h"

#include <math.h>
#include <string.h>

/* Elements of one task; a multiple of AGX_CHUNK, which is a multiple of 4. */
enum { TASK = 16 * AGX_CHUNK };

typedef struct job {
    const agx_vectors *v;
    ag_dtype dtype;
    agx_dims none, all; /* x as one row */
    int64_t n;
    const void *x;
    void *z;
    ag_random random;
    uint32_t threshold; /* words below it are dropped */
    double keep;        /* the probability to stay */
} job;

static void draw(const job *j, int64_t start, int64_t n, uint32_t *word) {
    uint64_t block = j->random.counter + (uint64_t)start / 4;
    for (int64_t i = 0; i < n; i += 4) ag_philox(j->random.seed, block++, word + i);
}

/* Clear the dropped elements: as bits, because a branch on a random word is guessed wrong half of the time. */
typedef uint32_t bits_32 __attribute__((may_alias));
typedef uint64_t bits_64 __attribute__((may_alias));

static void clear_32(int64_t n, const uint32_t *word, uint32_t threshold, bits_32 *restrict z) {
    for (int64_t i = 0; i < n; i++) z[i] &= 0 - (uint32_t)(word[i] >= threshold);
}

static void clear_64(int64_t n, const uint32_t *word, uint32_t threshold, bits_64 *restrict z) {
    for (int64_t i = 0; i < n; i++) z[i] &= 0 - (uint64_t)(word[i] >= threshold);
}

static void drop_task(void *context, int64_t task, int thread) {
    (void)thread;
    const job *j = context;
    size_t size = ag_dtype_size(j->dtype);
    const float keep_f32 = (float)j->keep;
    const void *keep = j->dtype == AG_F32 ? (const void *)&keep_f32 : &j->keep;
    agx_loop *divide = j->v->forward[AGX_ROW_div][j->dtype == AG_F64];
    int64_t end = (task + 1) * TASK < j->n ? (task + 1) * TASK : j->n;
    for (int64_t start = task * TASK; start < end; start += AGX_CHUNK) {
        uint32_t word[AGX_CHUNK];
        double gathered[AGX_CHUNK]; /* elements of either type */
        int64_t n = end - start < AGX_CHUNK ? end - start : AGX_CHUNK, step;
        agx_tile tile = {&j->none, &j->all, 0, 1, start, n};
        const void *x = agx_tile_read(&tile, j->x, size, gathered, &step);
        draw(j, start, n, word);
        void *z = (char *)j->z + (size_t)start * size;
        divide(n, (const void *const[]){x, keep}, (const int[]){1, 0}, z, 0);
        if (j->dtype == AG_F32)
            clear_32(n, word, j->threshold, z);
        else
            clear_64(n, word, j->threshold, z);
    }
}

ag_status agx_dropout(const ag_array *x, double p, ag_random r, const ag_array *z, ag_workspace *work) {
    job j = {
        .v = agx_vector_table(), .dtype = x->meta->dtype, .x = x->data, .z = z->data, .random = r, .keep = 1 - p};
    if (!ag_dtype_is_float(j.dtype) || z->meta->dtype != j.dtype) return AG_ERROR_DTYPE;
    (void)agx_dims_init(&j.none, x->meta, 0);
    j.n = agx_dims_init(&j.all, x->meta, UINT32_MAX);
    /* u = word / 2^32 >= p, said in whole numbers: word >= ceil(2^32 p). */
    double threshold = ceil(p * 0x1p32);
    if (threshold >= 0x1p32) { /* no word is that large */
        memset(z->data, 0, (size_t)j.n * ag_dtype_size(j.dtype));
        return AG_OK;
    }
    j.threshold = (uint32_t)threshold;
    agx_tasks_run((j.n + TASK - 1) / TASK, agx_threads_for(work, 4 * j.n), drop_task, &j);
    return AG_OK;
}
