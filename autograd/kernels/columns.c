/* columns: sums over the rows of a matrix - bias gradients, means over a batch - at the speed of memory.
 *
 * A strip of STRIP columns is summed at a time, eight rows in one pass: they are added as a tree, and the totals of
 * the eights in f64. An f32 result so carries three roundings more than an exact sum, however many rows there are.
 * Every SPAN rows the running totals are set down and a new partial sum begins; partial sums are added in order.
 *
 * Invariant: the order of additions is a function of the number of rows. Left out: other ways to reduce, and sums
 * along contiguous rows (reduce.c). */
#include "rows.h"

#include <assert.h>
#include <string.h>

enum {
    GROUP = 8,   /* rows of one tree */
    STRIP = 128, /* columns: totals and eight rows stay in L1 */
    SPAN = 512   /* rows of one partial sum; a multiple of GROUP */
};

/* total[j] += sum of eight rows. */
static void add_group_f32(const float *x, int64_t step, int64_t n, double *restrict total) {
    const float *x1 = x + step, *x2 = x1 + step, *x3 = x2 + step;
    const float *x4 = x3 + step, *x5 = x4 + step, *x6 = x5 + step, *x7 = x6 + step;
    for (int64_t j = 0; j < n; j++)
        total[j] += (double)(((x[j] + x1[j]) + (x2[j] + x3[j])) + ((x4[j] + x5[j]) + (x6[j] + x7[j])));
}

static void add_group_f64(const double *x, int64_t step, int64_t n, double *restrict total) {
    const double *x1 = x + step, *x2 = x1 + step, *x3 = x2 + step;
    const double *x4 = x3 + step, *x5 = x4 + step, *x6 = x5 + step, *x7 = x6 + step;
    for (int64_t j = 0; j < n; j++)
        total[j] += ((x[j] + x1[j]) + (x2[j] + x3[j])) + ((x4[j] + x5[j]) + (x6[j] + x7[j]));
}

static void add_row(ag_dtype dtype, const void *x, int64_t n, double *restrict total) {
    if (dtype == AG_F32) {
        const float *from = x;
        for (int64_t j = 0; j < n; j++) total[j] += (double)from[j];
    } else {
        const double *from = x;
        for (int64_t j = 0; j < n; j++) total[j] += from[j];
    }
}

/* A unit of work: one strip of one matrix. */
typedef struct strip {
    int64_t outer, column, n;
} strip;

static int64_t strips_per_matrix(const agx_column_sum *p) { return (p->n_cols + STRIP - 1) / STRIP; }

static strip strip_of(const agx_column_sum *p, int64_t unit) {
    strip s = {.outer = unit / strips_per_matrix(p), .column = unit % strips_per_matrix(p) * STRIP};
    s.n = p->n_cols - s.column < STRIP ? p->n_cols - s.column : STRIP;
    return s;
}

/* total (s->n) = sum of the span's rows. */
static void sum_span(const agx_column_sum *p, const strip *s, int64_t span, double *total) {
    double gathered[GROUP * STRIP]; /* (GROUP, s->n) elements of either type */
    size_t size = ag_dtype_size(p->dtype);
    const char *x = (const char *)p->x + agx_dims_offset(&p->outer, s->outer) * (int64_t)size;
    int64_t end = (span + 1) * SPAN < p->n_rows ? (span + 1) * SPAN : p->n_rows;
    memset(total, 0, (size_t)s->n * sizeof *total);
    for (int64_t r = span * SPAN; r < end; r += GROUP) {
        agx_tile tile = {&p->rows, &p->cols, r, end - r < GROUP ? end - r : GROUP, s->column, s->n};
        int64_t step;
        const char *rows = agx_tile_read(&tile, x, size, gathered, &step);
        if (tile.nr == GROUP && p->dtype == AG_F32)
            add_group_f32((const float *)(const void *)rows, step, s->n, total);
        else if (tile.nr == GROUP)
            add_group_f64((const double *)(const void *)rows, step, s->n, total);
        else
            for (int64_t k = 0; k < tile.nr; k++) add_row(p->dtype, rows + k * step * (int64_t)size, s->n, total);
    }
}

static void store(const agx_column_sum *p, const strip *s, const double *total) {
    int64_t at = s->outer * p->n_cols + s->column;
    if (p->dtype == AG_F32) {
        float *z = (float *)p->z + at;
        for (int64_t j = 0; j < s->n; j++) z[j] = (float)(total[j] / p->divisor);
    } else {
        double *z = (double *)p->z + at;
        for (int64_t j = 0; j < s->n; j++) z[j] = total[j] / p->divisor;
    }
}

static int64_t spans_of(const agx_column_sum *p) { return (p->n_rows + SPAN - 1) / SPAN; }

static void strip_task(void *context, int64_t unit, int thread) {
    (void)thread;
    const agx_column_sum *p = context;
    double total[STRIP], partial[STRIP];
    strip s = strip_of(p, unit);
    sum_span(p, &s, 0, total);
    for (int64_t span = 1; span < spans_of(p); span++) {
        sum_span(p, &s, span, partial);
        for (int64_t j = 0; j < s.n; j++) total[j] += partial[j];
    }
    store(p, &s, total);
}

/* Many rows and few columns: threads share the spans. partial (units, spans, STRIP) */
typedef struct tall {
    const agx_column_sum *p;
    double *partial;
} tall;

static void span_task(void *context, int64_t i, int thread) {
    (void)thread;
    const tall *t = context;
    strip s = strip_of(t->p, i / spans_of(t->p));
    sum_span(t->p, &s, i % spans_of(t->p), t->partial + i * STRIP);
}

static ag_status sum_tall(const agx_column_sum *p, int64_t units, int threads, ag_workspace *work) {
    int64_t spans = spans_of(p);
    agx_arena_mark mark = agx_arena_here(&work->arena);
    tall t = {p, agx_arena_take(&work->arena, (size_t)(units * spans) * STRIP * sizeof(double), 64)};
    if (!t.partial) return AG_ERROR_MEMORY;
    agx_tasks_run(units * spans, threads, span_task, &t);
    for (int64_t unit = 0; unit < units; unit++) {
        strip s = strip_of(p, unit);
        double *total = t.partial + unit * spans * STRIP;
        for (int64_t span = 1; span < spans; span++)
            for (int64_t j = 0; j < s.n; j++) total[j] += total[span * STRIP + j];
        store(p, &s, total);
    }
    agx_arena_release(&work->arena, mark);
    return AG_OK;
}

ag_status agx_column_sum_run(const agx_column_sum *p, ag_workspace *work) {
    assert(ag_dtype_is_float(p->dtype) && p->n_outer > 0 && p->n_rows > 0 && p->n_cols > 0);
    int64_t units = p->n_outer * strips_per_matrix(p);
    int threads = agx_threads_for(work, p->n_outer * p->n_rows * p->n_cols);
    if (threads > 1 && units < threads && p->n_rows > SPAN) return sum_tall(p, units, threads, work);
    agx_tasks_run(units, threads, strip_task, (void *)(uintptr_t)p);
    return AG_OK;
}
