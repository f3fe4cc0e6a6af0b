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

static void drop_f32(const job *j, int64_t n, const float *x, const uint32_t *word, float *restrict z) {
    const uint32_t threshold = j->threshold;
    const float keep = (float)j->keep;
    for (int64_t i = 0; i < n; i++) {
        float scaled = x[i] / keep;
        z[i] = word[i] >= threshold ? scaled : 0;
    }
}

static void drop_f64(const job *j, int64_t n, const double *x, const uint32_t *word, double *restrict z) {
    const uint32_t threshold = j->threshold;
    const double keep = j->keep;
    for (int64_t i = 0; i < n; i++) {
        double scaled = x[i] / keep;
        z[i] = word[i] >= threshold ? scaled : 0;
    }
}

static void drop_task(void *context, int64_t task, int thread) {
    (void)thread;
    const job *j = context;
    size_t size = ag_dtype_size(j->dtype);
    int64_t end = (task + 1) * TASK < j->n ? (task + 1) * TASK : j->n;
    for (int64_t start = task * TASK; start < end; start += AGX_CHUNK) {
        uint32_t word[AGX_CHUNK];
        double gathered[AGX_CHUNK]; /* elements of either type */
        int64_t n = end - start < AGX_CHUNK ? end - start : AGX_CHUNK, step;
        agx_tile tile = {&j->none, &j->all, 0, 1, start, n};
        const void *x = agx_tile_read(&tile, j->x, size, gathered, &step);
        draw(j, start, n, word);
        if (j->dtype == AG_F32)
            drop_f32(j, n, x, word, (float *)j->z + start);
        else
            drop_f64(j, n, x, word, (double *)j->z + start);
    }
}

ag_status agx_dropout(const ag_array *x, double p, ag_random r, const ag_array *z, ag_workspace *work) {
    job j = {.dtype = x->meta->dtype, .x = x->data, .z = z->data, .random = r, .keep = 1 - p};
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
