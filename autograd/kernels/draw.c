/* draw: see draw.h. Left out: where the position comes from (the record). */
#include "draw.h"

#include "rows.h"

#include <math.h>

enum { TASK = 4096 };

typedef struct job {
    ag_random random;
    const ag_array *p, *z;
    int64_t n;
    void (*fill)(const struct job *j, int64_t start, int64_t end);
} job;

/* The two 64-bit numbers of element i. */
static void bits_of(ag_random r, int64_t i, uint64_t pair[2]) {
    const uint64_t block = r.counter + (uint64_t)i / 4;
    const uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), 1 + (uint32_t)(i % 4), 0};
    const uint32_t key[2] = {(uint32_t)r.seed, (uint32_t)(r.seed >> 32)};
    uint32_t word[4];
    ag_philox_block(counter, key, word);
    pair[0] = (uint64_t)word[1] << 32 | word[0];
    pair[1] = (uint64_t)word[3] << 32 | word[2];
}

static double unit(uint64_t bits) { return (double)(bits >> 11) * 0x1p-53; }

static void fill_uniform(const job *j, int64_t start, int64_t end) {
    const ag_dtype dtype = j->z->meta->dtype;
    for (int64_t i = start; i < end; i++) {
        uint64_t pair[2];
        bits_of(j->random, i, pair);
        /* all bits of a double would round to 1 in f32 */
        agx_store(j->z->data, dtype, i, dtype == AG_F32 ? (double)(pair[0] >> 40) * 0x1p-24 : unit(pair[0]));
    }
}

static void fill_normal(const job *j, int64_t start, int64_t end) {
    const double two_pi = 6.283185307179586476925286766559;
    for (int64_t i = start; i < end; i++) {
        uint64_t pair[2];
        bits_of(j->random, i, pair);
        /* the radius from (0, 1]: log(0) is no number to multiply with */
        const double radius = sqrt(-2 * log(unit(pair[0]) + 0x1p-53));
        agx_store(j->z->data, j->z->meta->dtype, i, radius * cos(two_pi * unit(pair[1])));
    }
}

static void fill_bernoulli(const job *j, int64_t start, int64_t end) {
    const ag_dtype dtype = j->z->meta->dtype;
    for (int64_t i = start; i < end; i++) {
        uint64_t pair[2];
        bits_of(j->random, i, pair);
        agx_store(j->z->data, dtype, i, unit(pair[0]) < agx_load(j->p->data, dtype, i));
    }
}

static void run_task(void *context, int64_t task, int thread) {
    (void)thread;
    const job *j = context;
    j->fill(j, task * TASK, (task + 1) * TASK < j->n ? (task + 1) * TASK : j->n);
}

static ag_status run(job *j, ag_workspace *work) {
    if (!ag_dtype_is_float(j->z->meta->dtype)) return AG_ERROR_DTYPE;
    j->n = ag_meta_count(j->z->meta);
    agx_tasks_run((j->n + TASK - 1) / TASK, agx_threads_for(work, 64 * j->n), run_task, j);
    return AG_OK;
}

ag_status agx_draw_uniform(ag_random r, const ag_array *z, ag_workspace *work) {
    return run(&(job){.random = r, .z = z, .fill = fill_uniform}, work);
}

ag_status agx_draw_normal(ag_random r, const ag_array *z, ag_workspace *work) {
    return run(&(job){.random = r, .z = z, .fill = fill_normal}, work);
}

ag_status agx_draw_bernoulli(const ag_array *p, ag_random r, const ag_array *z, int64_t *bad, ag_workspace *work) {
    if (p->meta->dtype != z->meta->dtype) return AG_ERROR_DTYPE;
    const int64_t n = ag_meta_count(p->meta);
    for (int64_t i = 0; i < n; i++) {
        const double chance = agx_load(p->data, p->meta->dtype, i);
        if (chance >= 0 && chance <= 1) continue;
        *bad = i;
        return AG_ERROR_VALUE;
    }
    return run(&(job){.random = r, .p = p, .z = z, .fill = fill_bernoulli}, work);
}

/* The upper half of x * y: a number below y, from x uniform in 64 bits. */
static uint64_t scale(uint64_t x, uint64_t y) {
    const uint64_t x_low = (uint32_t)x, x_high = x >> 32, y_low = (uint32_t)y, y_high = y >> 32;
    const uint64_t middle = x_high * y_low + (x_low * y_low >> 32), other = x_low * y_high + (uint32_t)middle;
    return x_high * y_high + (middle >> 32) + (other >> 32);
}

void agx_draw_permutation(ag_random r, int64_t n, int64_t *index) {
    for (int64_t i = 0; i < n; i++) { /* inside out: element i goes to a random place among the first i + 1 */
        uint64_t pair[2];
        bits_of(r, i, pair);
        const int64_t at = (int64_t)scale(pair[0], (uint64_t)i + 1);
        index[i] = i;
        index[i] = index[at];
        index[at] = i;
    }
}
