/* standardize: a row minus its mean, over its standard deviation - the heart of layer, group and batch
 * normalisation - and the adjoint of that.
 *
 * The array is seen as a matrix, one row a group that shares a mean (rows.h). The variance is taken in a second pass,
 * of the centred numbers: E[x^2] - E[x]^2 would cancel. Rows of at most AGX_CHUNK columns are gathered once, longer
 * ones chunk by chunk in every pass.
 *
 * Invariant: a row's bits are a function of the row alone; blocks of rows and threads only share the work out. Sums
 * are accumulated as in reduce.c: chunks by the vector kernels, their totals in order in f64. Left out: scale and
 * shift by weights, which are elementwise. */
#include "rows.h"

#include <math.h>

enum {
    MOST_ROWS = 64,        /* rows worked on together */
    TILE_ELEMENTS = 16384, /* room for a gathered tile, in elements */
    CACHE_LINE = 16        /* elements of f32 in a cache line */
};

/* One of the arrays, as a matrix. */
typedef struct side {
    agx_dims rows, cols;
    char *data;
    bool in_place;
} side;

typedef struct job {
    const agx_vectors *v;
    ag_dtype dtype;
    size_t size;
    int64_t n_rows, n_cols, block; /* block: rows worked on together */
    double eps;
    side x, dy, z;     /* the adjoint reads y as x */
    void *mean, *var;  /* (rows), written by the forward */
    agx_dims var_dims; /* where the adjoint finds a row's variance */
    const void *given; /* that variance */
    char *scratch;     /* (threads, 3, TILE_ELEMENTS) elements; NULL: all is used where it lies */
} job;

static void side_init(side *s, const ag_array *a, uint32_t mask) {
    (void)agx_dims_init(&s->rows, a->meta, ~mask);
    (void)agx_dims_init(&s->cols, a->meta, mask);
    s->data = a->data;
    s->in_place = agx_tile_in_place(&s->rows, &s->cols);
}

static const char *side_read(const job *j, const side *s, int64_t r0, int64_t nr, int64_t c0, int64_t nc,
                             void *buffer, int64_t *step) {
    const agx_tile tile = {&s->rows, &s->cols, r0, nr, c0, nc};
    return agx_tile_read(&tile, s->data, j->size, buffer, step);
}

/* Where the results of a tile go: into z, or into the buffer that put() writes out. */
static char *aim(const job *j, int64_t r0, int64_t c0, int64_t nc, char *buffer, int64_t *step) {
    *step = j->z.in_place ? j->z.rows.stride[0] : nc;
    return j->z.in_place ? j->z.data + (r0 * *step + c0) * (int64_t)j->size : buffer;
}

static void put(const job *j, int64_t r0, int64_t nr, int64_t c0, int64_t nc, const char *buffer) {
    if (j->z.in_place) return;
    const agx_tile tile = {&j->z.rows, &j->z.cols, r0, nr, c0, nc};
    agx_tile_write(&tile, j->z.data, j->size, buffer);
}

/* z = f(x, y) for n elements side by side. */
static void with_row(const job *j, enum agx_row f, int64_t n, const void *x, const void *y, void *z) {
    j->v->forward[f][j->dtype == AG_F64](n, (const void *const[]){x, y}, (const int[]){1, 1}, z, 0);
}

/* z = f(x, c). */
static void with_number(const job *j, enum agx_row f, int64_t n, const void *x, double c, void *z) {
    const float narrow = (float)c;
    const void *const in[2] = {x, j->dtype == AG_F32 ? (const void *)&narrow : &c};
    j->v->forward[f][j->dtype == AG_F64](n, in, (const int[]){1, 0}, z, 0);
}

static int64_t chunk_width(const job *j, int64_t column) {
    return j->n_cols - column < AGX_CHUNK ? j->n_cols - column : AGX_CHUNK;
}

/* A mean in the precision of the array. */
static double rounded(const job *j, double c) { return j->dtype == AG_F32 ? (double)(float)c : c; }

/* ---- forward ------------------------------------------------------------------------------------------------ */

static void standardize_task(void *context, int64_t block, int thread) {
    const job *j = context;
    const int64_t r0 = block * j->block, nr = j->n_rows - r0 < j->block ? j->n_rows - r0 : j->block;
    const int64_t size = (int64_t)j->size;
    const bool whole = j->n_cols <= AGX_CHUNK;
    char *const one = j->scratch ? j->scratch + (int64_t)thread * 3 * TILE_ELEMENTS * size : NULL;
    char *const two = one ? one + TILE_ELEMENTS * size : NULL;
    double mean[MOST_ROWS], var[MOST_ROWS], squares[AGX_CHUNK]; /* squares: a chunk of either type */
    const double n = (double)j->n_cols;
    const char *x = NULL;
    int64_t step = 0, z_step;

    for (int64_t r = 0; r < nr; r++) mean[r] = var[r] = 0;
    for (int64_t c0 = 0; c0 < j->n_cols; c0 += AGX_CHUNK) {
        const int64_t nc = chunk_width(j, c0);
        x = side_read(j, &j->x, r0, nr, c0, nc, one, &step);
        for (int64_t r = 0; r < nr; r++) mean[r] += agx_row_sum(j->v, j->dtype, x + r * step * size, nc);
    }
    for (int64_t r = 0; r < nr; r++) mean[r] = rounded(j, mean[r] / n);
    for (int64_t c0 = 0; c0 < j->n_cols; c0 += AGX_CHUNK) {
        const int64_t nc = chunk_width(j, c0);
        if (!whole) x = side_read(j, &j->x, r0, nr, c0, nc, one, &step);
        for (int64_t r = 0; r < nr; r++) {
            with_number(j, AGX_ROW_sub, nc, x + r * step * size, mean[r], squares);
            with_row(j, AGX_ROW_mul, nc, squares, squares, squares);
            var[r] += agx_row_sum(j->v, j->dtype, squares, nc);
        }
    }
    for (int64_t r = 0; r < nr; r++) var[r] /= n;
    for (int64_t c0 = 0; c0 < j->n_cols; c0 += AGX_CHUNK) {
        const int64_t nc = chunk_width(j, c0);
        if (!whole) x = side_read(j, &j->x, r0, nr, c0, nc, one, &step);
        char *z = aim(j, r0, c0, nc, two, &z_step);
        for (int64_t r = 0; r < nr; r++) {
            char *row = z + r * z_step * size;
            with_number(j, AGX_ROW_sub, nc, x + r * step * size, mean[r], row);
            with_number(j, AGX_ROW_mul, nc, row, 1 / sqrt(var[r] + j->eps), row);
        }
        put(j, r0, nr, c0, nc, two);
    }
    for (int64_t r = 0; r < nr; r++) {
        agx_store(j->mean, j->dtype, r0 + r, mean[r]);
        agx_store(j->var, j->dtype, r0 + r, var[r]);
    }
}

/* ---- adjoint -------------------------------------------------------------------------------------------------- */

static void grad_task(void *context, int64_t block, int thread) {
    const job *j = context;
    const int64_t r0 = block * j->block, nr = j->n_rows - r0 < j->block ? j->n_rows - r0 : j->block;
    const int64_t size = (int64_t)j->size;
    const bool whole = j->n_cols <= AGX_CHUNK;
    char *const one = j->scratch ? j->scratch + (int64_t)thread * 3 * TILE_ELEMENTS * size : NULL;
    char *const two = one ? one + TILE_ELEMENTS * size : NULL, *const three =
                                                                   one ? two + TILE_ELEMENTS * size : NULL;
    double mean[MOST_ROWS], along[MOST_ROWS], product[AGX_CHUNK]; /* means of dy and of dy y; a chunk of dy y */
    const char *y = NULL, *dy = NULL;
    int64_t y_step = 0, dy_step = 0, z_step;

    for (int64_t r = 0; r < nr; r++) mean[r] = along[r] = 0;
    for (int64_t c0 = 0; c0 < j->n_cols; c0 += AGX_CHUNK) {
        const int64_t nc = chunk_width(j, c0);
        y = side_read(j, &j->x, r0, nr, c0, nc, one, &y_step);
        dy = side_read(j, &j->dy, r0, nr, c0, nc, two, &dy_step);
        for (int64_t r = 0; r < nr; r++) {
            mean[r] += agx_row_sum(j->v, j->dtype, dy + r * dy_step * size, nc);
            with_row(j, AGX_ROW_mul, nc, dy + r * dy_step * size, y + r * y_step * size, product);
            along[r] += agx_row_sum(j->v, j->dtype, product, nc);
        }
    }
    for (int64_t c0 = 0; c0 < j->n_cols; c0 += AGX_CHUNK) {
        const int64_t nc = chunk_width(j, c0);
        if (!whole) {
            y = side_read(j, &j->x, r0, nr, c0, nc, one, &y_step);
            dy = side_read(j, &j->dy, r0, nr, c0, nc, two, &dy_step);
        }
        char *z = aim(j, r0, c0, nc, three, &z_step);
        for (int64_t r = 0; r < nr; r++) {
            char *row = z + r * z_step * size;
            const double var = agx_load(j->given, j->dtype, agx_dims_offset(&j->var_dims, r0 + r));
            with_number(j, AGX_ROW_mul, nc, y + r * y_step * size, along[r] / (double)j->n_cols, row);
            with_row(j, AGX_ROW_sub, nc, dy + r * dy_step * size, row, row);
            with_number(j, AGX_ROW_sub, nc, row, mean[r] / (double)j->n_cols, row);
            with_number(j, AGX_ROW_mul, nc, row, 1 / sqrt(var + j->eps), row);
        }
        put(j, r0, nr, c0, nc, three);
    }
}

/* ---- the public functions --------------------------------------------------------------------------------------- */

/* Few rows where they can be read in runs, so that threads have something to share; a cache line of them and more
 * where neighbours in memory are neighbours across rows. */
static int64_t block_of(const job *j) {
    const agx_dims *cols = &j->x.cols;
    const bool runs = cols->stride[cols->rank - 1] == 1 && cols->dim[cols->rank - 1] >= CACHE_LINE;
    const int64_t width = j->n_cols < AGX_CHUNK ? j->n_cols : AGX_CHUNK;
    int64_t rows = (runs ? TILE_ELEMENTS / 4 : TILE_ELEMENTS) / width;
    if (runs && j->n_cols > AGX_CHUNK) rows = 1;
    return rows < MOST_ROWS ? rows : MOST_ROWS;
}

static ag_status run(job *j, agx_task *task, bool in_place, ag_workspace *work) {
    j->block = block_of(j);
    j->scratch = NULL;
    const int threads = agx_threads_for(work, 4 * j->n_rows * j->n_cols);
    agx_arena_mark mark = agx_arena_here(&work->arena);
    if (!in_place) {
        j->scratch = agx_arena_take(&work->arena, (size_t)threads * 3 * TILE_ELEMENTS * j->size, 64);
        if (!j->scratch) return AG_ERROR_MEMORY;
    }
    agx_tasks_run((j->n_rows + j->block - 1) / j->block, threads, task, j);
    agx_arena_release(&work->arena, mark);
    return AG_OK;
}

static void job_init(job *j, const ag_array *x, uint32_t mask, double eps, const ag_array *z) {
    j->v = agx_vector_table();
    j->dtype = x->meta->dtype;
    j->size = ag_dtype_size(j->dtype);
    j->eps = eps;
    j->n_rows = agx_dims_init(&j->x.rows, x->meta, ~mask);
    j->n_cols = agx_dims_init(&j->x.cols, x->meta, mask);
    side_init(&j->x, x, mask);
    side_init(&j->z, z, mask);
}

ag_status agx_standardize(const ag_array *x, uint32_t mask, double eps, const ag_array *z, const ag_array *mean,
                          const ag_array *var, ag_workspace *work) {
    job j;
    job_init(&j, x, mask, eps, z);
    if (j.n_rows == 0) return AG_OK;
    if (j.n_cols == 0) {
        agx_fill(mean, (double)NAN);
        agx_fill(var, (double)NAN);
        return AG_OK;
    }
    j.mean = mean->data;
    j.var = var->data;
    return run(&j, standardize_task, j.x.in_place && j.z.in_place, work);
}

ag_status agx_standardize_grad(const ag_array *y, const ag_array *var, const ag_array *dy, uint32_t mask,
                               double eps, const ag_array *dx, ag_workspace *work) {
    job j;
    job_init(&j, y, mask, eps, dx);
    if (j.n_rows == 0 || j.n_cols == 0) return AG_OK;
    side_init(&j.dy, dy, mask);
    (void)agx_dims_init(&j.var_dims, var->meta, ~0u);
    j.given = var->data;
    return run(&j, grad_task, j.x.in_place && j.dy.in_place && j.z.in_place, work);
}
