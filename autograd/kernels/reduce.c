/* reduce: sum, mean, product, largest, smallest, logsumexp and the index of an extreme, over any axes.
 *
 * The array is seen as a matrix: one row an element of the result, its columns what is reduced to it (rows.h).
 * A chunk of a row gives a partial result; partial results are merged in order. Sums over leading axes, where the
 * columns of a row lie far apart, go to columns.c instead.
 *
 * Invariants: the shape alone chooses the way and the order of additions, so neither strides nor threads change a
 * bit. Chunks of floats are summed by the vector kernels (f32 in f64 or pairwise), chunk totals with
 * compensation. Left out: rules about shapes; an empty amax is refused here only as a last resort. */
#include "rows.h"

#include <math.h>
#include <string.h>

enum {
    MOST_ROWS = 64,        /* rows worked on together */
    TILE_ELEMENTS = 16384, /* room for a gathered tile, in elements */
};

typedef union partial {
    double real;
    int64_t integer;
} partial;

/* What the chunks of a row so far came to. */
typedef struct total {
    partial value;
    double lost; /* sums: what rounding took, to be added at the end */
    double m;    /* logsumexp, second pass: the row's largest */
} total;

/* What is asked of a chunk. Sum, mean and logsumexp all end as sums. */
typedef enum pass { PASS_SUM, PASS_EXP, PASS_MAX, PASS_MIN, PASS_PROD } pass;

typedef struct job {
    agx_reduction kind;
    const agx_vectors *v;
    ag_dtype dtype;
    size_t size;
    agx_dims rows, cols;
    int64_t n_rows, n_cols, block; /* block: rows worked on together */
    const void *x;
    void *z;
    char *scratch; /* (threads, TILE_ELEMENTS) elements; NULL: tiles are read in place */
} job;

/* ---- one chunk -------------------------------------------------------------------------------------------- */

static int64_t chunk_i64(pass what, const int64_t *x, int64_t n) {
    /* Unsigned, so that overflow wraps. */
    uint64_t value = what == PASS_PROD;
    if (what == PASS_SUM)
        for (int64_t i = 0; i < n; i++) value += (uint64_t)x[i];
    if (what == PASS_PROD)
        for (int64_t i = 0; i < n; i++) value *= (uint64_t)x[i];
    if (what == PASS_SUM || what == PASS_PROD) return (int64_t)value;
    int64_t best = x[0];
    for (int64_t i = 1; i < n; i++)
        if (what == PASS_MAX ? x[i] > best : x[i] < best) best = x[i];
    return best;
}

static double product(ag_dtype dtype, const void *x, int64_t n) {
    double value = 1;
    for (int64_t i = 0; i < n; i++)
        value *= dtype == AG_F32 ? (double)((const float *)x)[i] : ((const double *)x)[i];
    return value;
}

/* m: the row's largest, for PASS_EXP. */
static partial chunk_value(const job *j, pass what, const void *x, int64_t n, double m) {
    if (j->dtype == AG_I64) return (partial){.integer = chunk_i64(what, x, n)};
    switch (what) {
    case PASS_SUM: return (partial){.real = agx_row_sum(j->v, j->dtype, x, n)};
    case PASS_EXP: return (partial){.real = agx_row_exp(j->v, j->dtype, x, n, m, NULL)};
    case PASS_PROD: return (partial){.real = product(j->dtype, x, n)};
    case PASS_MAX:
    case PASS_MIN: break;
    }
    return (partial){.real = agx_row_extreme(j->v, what == PASS_MAX, j->dtype, x, n)};
}

static void merge(const job *j, pass what, total *t, partial p, bool first) {
    if (first) {
        *t = (total){.value = p, .m = t->m};
    } else if (j->dtype == AG_I64) {
        t->value.integer = chunk_i64(what, (const int64_t[]){t->value.integer, p.integer}, 2);
    } else if (what == PASS_SUM || what == PASS_EXP) {
        /* Neumaier 1974: the rounding error of each addition, exactly. */
        double x = t->value.real, y = p.real, sum = x + y;
        t->lost += fabs(x) >= fabs(y) ? (x - sum) + y : (y - sum) + x;
        t->value.real = sum;
    } else if (what == PASS_PROD) {
        t->value.real *= p.real;
    } else if (isnan(p.real) || (what == PASS_MAX ? p.real > t->value.real : p.real < t->value.real)) {
        t->value = p;
    }
}

static void store(const job *j, int64_t row, const total *t) {
    if (j->dtype == AG_I64) {
        ((int64_t *)j->z)[row] = t->value.integer;
        return;
    }
    double value = t->value.real;
    if (isfinite(t->lost)) value += t->lost; /* beside an infinite sum it is NaN */
    if (j->kind == AGX_MEAN) value /= (double)j->n_cols;
    if (j->kind == AGX_LOGSUMEXP) value = t->m + log(value);
    if (j->dtype == AG_F32)
        ((float *)j->z)[row] = (float)value;
    else
        ((double *)j->z)[row] = value;
}

/* ---- rows ------------------------------------------------------------------------------------------------- */

static int64_t chunk_width(const job *j, int64_t column) {
    return j->n_cols - column < AGX_CHUNK ? j->n_cols - column : AGX_CHUNK;
}

static const char *read_chunk(const job *j, int64_t r0, int64_t nr, int64_t c0, int thread, int64_t *step) {
    agx_tile tile = {&j->rows, &j->cols, r0, nr, c0, chunk_width(j, c0)};
    char *buffer = j->scratch ? j->scratch + (size_t)thread * TILE_ELEMENTS * j->size : NULL;
    return agx_tile_read(&tile, j->x, j->size, buffer, step);
}

static void reduce_rows(const job *j, pass what, int64_t r0, int64_t nr, int thread, total *t) {
    for (int64_t c0 = 0; c0 < j->n_cols; c0 += AGX_CHUNK) {
        int64_t step;
        const char *x = read_chunk(j, r0, nr, c0, thread, &step);
        for (int64_t r = 0; r < nr; r++) {
            partial p = chunk_value(j, what, x + r * step * (int64_t)j->size, chunk_width(j, c0), t[r].m);
            merge(j, what, &t[r], p, c0 == 0);
        }
    }
}

static pass first_pass(agx_reduction kind) {
    switch (kind) {
    case AGX_SUM:
    case AGX_MEAN: return PASS_SUM;
    case AGX_AMIN: return PASS_MIN;
    case AGX_PROD: return PASS_PROD;
    case AGX_AMAX:
    case AGX_LOGSUMEXP: break;
    }
    return PASS_MAX;
}

static int64_t rows_of(const job *j, int64_t block) {
    return j->n_rows - block * j->block < j->block ? j->n_rows - block * j->block : j->block;
}

/* Between the passes of logsumexp. */
static void keep_largest(int64_t nr, total *t) {
    for (int64_t r = 0; r < nr; r++) t[r].m = t[r].value.real;
}

static void block_task(void *context, int64_t block, int thread) {
    const job *j = context;
    int64_t r0 = block * j->block, nr = rows_of(j, block);
    total t[MOST_ROWS];
    for (int64_t r = 0; r < nr; r++) t[r] = (total){.m = 0};
    reduce_rows(j, first_pass(j->kind), r0, nr, thread, t);
    if (j->kind == AGX_LOGSUMEXP) {
        keep_largest(nr, t);
        reduce_rows(j, PASS_EXP, r0, nr, thread, t);
    }
    for (int64_t r = 0; r < nr; r++) store(j, r0 + r, &t[r]);
}

/* Few long rows: threads share the chunks of a block. */
typedef struct wide {
    const job *j;
    pass what;
    int64_t r0, nr;
    total *t;   /* (nr) */
    partial *p; /* (chunks, nr) */
} wide;

static void chunk_task(void *context, int64_t i, int thread) {
    const wide *w = context;
    int64_t c0 = i * AGX_CHUNK, n = chunk_width(w->j, c0), step;
    const char *x = read_chunk(w->j, w->r0, w->nr, c0, thread, &step);
    for (int64_t r = 0; r < w->nr; r++)
        w->p[i * w->nr + r] = chunk_value(w->j, w->what, x + r * step * (int64_t)w->j->size, n, w->t[r].m);
}

static void wide_pass(wide *w, int threads) {
    int64_t chunks = (w->j->n_cols + AGX_CHUNK - 1) / AGX_CHUNK;
    agx_tasks_run(chunks, threads, chunk_task, w);
    for (int64_t i = 0; i < chunks; i++)
        for (int64_t r = 0; r < w->nr; r++) merge(w->j, w->what, &w->t[r], w->p[i * w->nr + r], i == 0);
}

static ag_status reduce_wide(const job *j, int threads, ag_workspace *work) {
    size_t chunks = (size_t)((j->n_cols + AGX_CHUNK - 1) / AGX_CHUNK);
    partial *p = agx_arena_take(&work->arena, chunks * (size_t)j->block * sizeof *p, 64);
    if (!p) return AG_ERROR_MEMORY;
    for (int64_t r0 = 0; r0 < j->n_rows; r0 += j->block) {
        total t[MOST_ROWS] = {{.m = 0}};
        wide w = {j, first_pass(j->kind), r0, rows_of(j, r0 / j->block), t, p};
        wide_pass(&w, threads);
        if (j->kind == AGX_LOGSUMEXP) {
            keep_largest(w.nr, t);
            w.what = PASS_EXP;
            wide_pass(&w, threads);
        }
        for (int64_t r = 0; r < w.nr; r++) store(j, r0 + r, &t[r]);
    }
    return AG_OK;
}

/* Rows worked on together: more of them where they are short, so that gathering uses whole cache lines. */
static int64_t block_of(int64_t n_cols) {
    int64_t rows = TILE_ELEMENTS / (n_cols < AGX_CHUNK ? n_cols : AGX_CHUNK);
    return rows < MOST_ROWS ? rows : MOST_ROWS;
}

static void job_init(job *j, agx_reduction kind, const ag_array *x, const ag_array *z) {
    j->kind = kind;
    j->v = agx_vector_table();
    j->dtype = x->meta->dtype;
    j->size = ag_dtype_size(j->dtype);
    j->x = x->data;
    j->z = z->data;
    j->scratch = NULL;
}

static ag_status run(job *j, agx_task *task, ag_workspace *work) {
    j->block = block_of(j->n_cols);
    int64_t blocks = (j->n_rows + j->block - 1) / j->block;
    int threads = agx_threads_for(work, j->n_rows * j->n_cols);
    if (blocks == 1 && threads == 1 && agx_tile_in_place(&j->rows, &j->cols)) {
        task(j, 0, 0);
        return AG_OK;
    }
    agx_arena_mark mark = agx_arena_here(&work->arena);
    ag_status status = AG_OK;
    if (!agx_tile_in_place(&j->rows, &j->cols)) {
        j->scratch = agx_arena_take(&work->arena, (size_t)threads * TILE_ELEMENTS * j->size, 64);
        if (!j->scratch) status = AG_ERROR_MEMORY;
    }
    if (status == AG_OK) {
        if (task == block_task && blocks < threads && j->n_cols > AGX_CHUNK)
            status = reduce_wide(j, threads, work);
        else
            agx_tasks_run(blocks, threads, task, j);
    }
    agx_arena_release(&work->arena, mark);
    return status;
}

/* ---- the public functions --------------------------------------------------------------------------------- */

/* Nothing to reduce in every row. */
static ag_status reduce_nothing(agx_reduction kind, const ag_array *z) {
    switch (kind) {
    case AGX_SUM: agx_fill(z, 0); return AG_OK;
    case AGX_PROD: agx_fill(z, 1); return AG_OK;
    case AGX_MEAN: agx_fill(z, (double)NAN); return AG_OK;
    case AGX_LOGSUMEXP: agx_fill(z, (double)-INFINITY); return AG_OK;
    case AGX_AMAX:
    case AGX_AMIN: break;
    }
    return AG_ERROR_SHAPE;
}

/* Is the shape (outer..., rows..., cols...) with only the middle reduced? Sizes of 1 count as either. */
static bool split_columns(const ag_meta *x, uint32_t mask, agx_column_sum *p) {
    int first = x->rank, last = -1;
    for (int k = 0; k < x->rank; k++) {
        if (x->dim[k] == 1 || !(mask >> k & 1u)) continue;
        if (first == x->rank) first = k;
        last = k;
    }
    uint32_t middle = 0, after = 0;
    for (int k = first; k < x->rank; k++) {
        if (k > last)
            after |= 1u << k;
        else if (x->dim[k] != 1 && !(mask >> k & 1u))
            return false;
        else
            middle |= 1u << k;
    }
    p->n_cols = agx_dims_init(&p->cols, x, after);
    if (p->n_cols <= 1) return false;
    p->n_rows = agx_dims_init(&p->rows, x, middle);
    p->n_outer = agx_dims_init(&p->outer, x, ~(middle | after));
    return true;
}

/* A mask as integers, in scratch memory. */
static ag_status widen(const ag_array *x, ag_meta *meta, ag_array *integers, ag_workspace *work) {
    *meta = *x->meta;
    meta->dtype = AG_I64;
    ag_meta_make_dense(meta);
    *integers = (ag_array){meta, agx_arena_take(&work->arena, ag_meta_bytes(meta), 64)};
    return integers->data ? agx_copy(x, integers, work) : AG_ERROR_MEMORY;
}

static ag_status reduce_bool(agx_reduction kind, const ag_array *x, uint32_t mask, const ag_array *z,
                             ag_workspace *work) {
    ag_meta meta;
    ag_array integers;
    agx_arena_mark mark = agx_arena_here(&work->arena);
    ag_status status = widen(x, &meta, &integers, work);
    if (status == AG_OK) status = agx_reduce(kind, &integers, mask, z, work);
    agx_arena_release(&work->arena, mark);
    return status;
}

/* z = x where every reduced axis has size 1. */
static ag_status copy_through(const ag_array *x, const ag_array *z, ag_workspace *work) {
    if (ag_meta_is_dense(x->meta)) {
        memcpy(z->data, x->data, ag_meta_bytes(x->meta));
        return AG_OK;
    }
    ag_meta meta = *x->meta; /* of z, with the shape of x */
    ag_meta_make_dense(&meta);
    return agx_copy(x, &(ag_array){&meta, z->data}, work);
}

ag_status agx_reduce(agx_reduction kind, const ag_array *x, uint32_t mask, const ag_array *z, ag_workspace *work) {
    ag_dtype dtype = x->meta->dtype;
    bool real = ag_dtype_is_float(dtype);
    if (z->meta->dtype != (dtype == AG_BOOL ? AG_I64 : dtype)) return AG_ERROR_DTYPE;
    if (!real && (kind == AGX_MEAN || kind == AGX_LOGSUMEXP)) return AG_ERROR_DTYPE;

    job j; /* not cleared: that would take as long as a small sum */
    job_init(&j, kind, x, z);
    j.n_rows = agx_dims_init(&j.rows, x->meta, ~mask);
    if (j.n_rows == 0) return AG_OK;
    j.n_cols = agx_dims_init(&j.cols, x->meta, mask);
    if (j.n_cols == 0) return reduce_nothing(kind, z);
    if (dtype == AG_BOOL) return reduce_bool(kind, x, mask, z, work);
    if (j.n_cols == 1) return copy_through(x, z, work);

    agx_column_sum columns;
    if (real && (kind == AGX_SUM || kind == AGX_MEAN) && split_columns(x->meta, mask, &columns)) {
        columns.dtype = dtype;
        columns.x = x->data;
        columns.z = z->data;
        columns.divisor = kind == AGX_MEAN ? (double)j.n_cols : 1;
        return agx_column_sum_run(&columns, work);
    }
    return run(&j, block_task, work);
}

ag_status agx_sum_to(const ag_array *x, const ag_array *z, ag_workspace *work) {
    uint32_t mask = 0;
    int missing = x->meta->rank - z->meta->rank; /* shapes are aligned at their ends */
    for (int k = 0; k < x->meta->rank; k++)
        if (k < missing || (z->meta->dim[k - missing] == 1 && x->meta->dim[k] != 1)) mask |= 1u << k;
    return agx_reduce(AGX_SUM, x, mask, z, work);
}

/* ---- the index of an extreme ------------------------------------------------------------------------------ */

/* The first position in x (n) that holds p. */
static int64_t find(ag_dtype dtype, const void *x, partial p) {
    int64_t i = 0;
    if (dtype == AG_I64) {
        while (((const int64_t *)x)[i] != p.integer) i++;
    } else if (dtype == AG_F32) {
        const float *real = x, value = (float)p.real;
        while (!(real[i] == value || (isnan(value) && isnan(real[i])))) i++;
    } else {
        const double *real = x, value = p.real;
        while (!(real[i] == value || (isnan(value) && isnan(real[i])))) i++;
    }
    return i;
}

static bool beats(const job *j, partial p, partial best) {
    bool largest = j->kind == AGX_AMAX;
    if (j->dtype == AG_I64) return largest ? p.integer > best.integer : p.integer < best.integer;
    if (isnan(p.real)) return !isnan(best.real);
    return largest ? p.real > best.real : p.real < best.real;
}

/* Chunk by chunk; only one that beats all before it is searched for where. */
static void arg_task(void *context, int64_t block, int thread) {
    const job *j = context;
    int64_t r0 = block * j->block, nr = rows_of(j, block);
    partial best[MOST_ROWS];
    int64_t *z = (int64_t *)j->z + r0;
    for (int64_t c0 = 0; c0 < j->n_cols; c0 += AGX_CHUNK) {
        int64_t step;
        const char *tile = read_chunk(j, r0, nr, c0, thread, &step);
        for (int64_t r = 0; r < nr; r++) {
            const char *x = tile + r * step * (int64_t)j->size;
            partial p = chunk_value(j, first_pass(j->kind), x, chunk_width(j, c0), 0);
            if (c0 > 0 && !beats(j, p, best[r])) continue;
            best[r] = p;
            z[r] = c0 + find(j->dtype, x, p);
        }
    }
}

ag_status agx_arg_reduce(bool largest, const ag_array *x, uint32_t mask, const ag_array *z, ag_workspace *work) {
    if (z->meta->dtype != AG_I64) return AG_ERROR_DTYPE;
    job j;
    job_init(&j, largest ? AGX_AMAX : AGX_AMIN, x, z);
    j.n_rows = agx_dims_init(&j.rows, x->meta, ~mask);
    if (j.n_rows == 0) return AG_OK;
    j.n_cols = agx_dims_init(&j.cols, x->meta, mask);
    if (j.n_cols == 0) return AG_ERROR_SHAPE;
    if (j.dtype != AG_BOOL) return run(&j, arg_task, work);

    ag_meta meta;
    ag_array integers;
    agx_arena_mark mark = agx_arena_here(&work->arena);
    ag_status status = widen(x, &meta, &integers, work);
    if (status == AG_OK) status = agx_arg_reduce(largest, &integers, mask, z, work);
    agx_arena_release(&work->arena, mark);
    return status;
}
