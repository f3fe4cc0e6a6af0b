/* softmax: softmax and log-softmax along one axis, and their fused derivative.
 *
 * The array is seen as rows along the axis (rows.h). Rows are taken in blocks: in place where they lie contiguous,
 * else gathered, worked on, and scattered. Everything starts from a row's weights e = exp(x - m), m the row's
 * largest, and their sum s >= 1: softmax is e / s, its logarithm (x - m) - log s. Neither overflows, and neither
 * cancels for finite x.
 *
 * Invariant: a row's bits are a function of the row alone. Edges: a row of nothing but -inf (wholly masked) has
 * softmax 0 and log-softmax -inf; elements at inf share all the weight; NaN spreads over its row. Left out: the
 * loss on top (cross_entropy.c). */
#include "softmax_impl.h"

#include <math.h>
#include <string.h>

/* ---- running a job ---------------------------------------------------------------------------------------- */

void agx_side_init(agx_side *s, const ag_array *a, int axis) {
    uint32_t columns = 1u << axis;
    (void)agx_dims_init(&s->rows, a->meta, ~columns);
    (void)agx_dims_init(&s->cols, a->meta, columns);
    s->data = a->data;
    s->in_place = agx_tile_in_place(&s->rows, &s->cols);
}

/* About the size of a gathered block, in elements. */
enum { TILE_ELEMENTS = 8192 };

bool agx_row_job_init(agx_row_job *j, agx_block_fn *block, const ag_meta *meta, int axis) {
    /* Field by field: clearing the lists of axes would take longer than a small softmax. */
    j->block = block;
    j->logarithm = false;
    j->x.data = j->y.data = j->z.data = NULL;
    j->x.in_place = j->y.in_place = j->z.in_place = true;
    j->scratch = NULL;
    j->v = agx_vector_table();
    j->dtype = meta->dtype;
    j->size = ag_dtype_size(meta->dtype);
    j->n_rows = j->n_cols = 1;
    for (int k = 0; k < meta->rank; k++) *(k == axis ? &j->n_cols : &j->n_rows) *= meta->dim[k];
    if (j->n_rows == 0 || j->n_cols == 0) return false;
    j->block_rows = j->n_rows;
    j->n_blocks = 1;
    if (j->n_rows <= AGX_BLOCK_ROWS && j->n_cols <= AGX_NARROW && j->n_rows * j->n_cols <= AGX_NARROW_BLOCK)
        return true; /* without a division: they take longer than a short row */
    /* At least eight rows side by side use whole cache lines when they are gathered. */
    int64_t rows = 1;
    if (j->n_cols <= AGX_NARROW)
        rows = AGX_NARROW_BLOCK / j->n_cols;
    else if (j->n_cols <= TILE_ELEMENTS)
        rows = TILE_ELEMENTS / j->n_cols > 8 ? TILE_ELEMENTS / j->n_cols : 8;
    j->block_rows = rows < AGX_BLOCK_ROWS ? rows : AGX_BLOCK_ROWS;
    j->n_blocks = (j->n_rows + j->block_rows - 1) / j->block_rows;
    return true;
}

static const void *side_read(const agx_side *s, const agx_tile *tile, size_t size, void *buffer, int64_t *step) {
    agx_tile t = *tile;
    t.rows = &s->rows, t.cols = &s->cols;
    return agx_tile_read(&t, s->data, size, buffer, step);
}

static void block_task(void *context, int64_t block, int thread) {
    const agx_row_job *j = context;
    int64_t first = block * j->block_rows;
    int64_t n = j->n_rows - first < j->block_rows ? j->n_rows - first : j->block_rows;
    size_t half = (size_t)(j->block_rows * j->n_cols) * j->size;
    char *one = j->scratch ? j->scratch + (size_t)thread * 2 * half : NULL;
    char *two = j->scratch ? one + half : NULL;
    agx_tile tile = {.r0 = first, .nr = n, .c0 = 0, .nc = j->n_cols};
    int64_t x_step, y_step = 0;
    const void *x = side_read(&j->x, &tile, j->size, one, &x_step), *y = NULL;
    if (j->y.data) y = side_read(&j->y, &tile, j->size, two, &y_step);
    char *z = two;
    if (j->z.data && j->z.in_place) z = j->z.data + (size_t)(first * j->n_cols) * j->size;
    j->block(j, first, n, x, x_step, y, y_step, z);
    if (j->z.in_place) return;
    tile.rows = &j->z.rows, tile.cols = &j->z.cols;
    agx_tile_write(&tile, j->z.data, j->size, two);
}

ag_status agx_row_job_run(agx_row_job *j, ag_workspace *work) {
    bool in_place = j->x.in_place && j->y.in_place && j->z.in_place;
    /* An exponential costs what a dozen elements of memory do. */
    int threads = agx_threads_for(work, 8 * j->n_rows * j->n_cols);
    if (in_place && j->n_blocks == 1) {
        j->block(j, 0, j->n_rows, j->x.data, j->x.rows.stride[0], j->y.data, j->y.data ? j->y.rows.stride[0] : 0,
                 j->z.data);
        return AG_OK;
    }
    if (in_place) {
        agx_tasks_run(j->n_blocks, threads, block_task, j);
        return AG_OK;
    }
    agx_arena_mark mark = agx_arena_here(&work->arena);
    size_t bytes = (size_t)(2 * threads) * (size_t)(j->block_rows * j->n_cols) * j->size;
    j->scratch = agx_arena_take(&work->arena, bytes, 64);
    if (!j->scratch) return AG_ERROR_MEMORY;
    agx_tasks_run(j->n_blocks, threads, block_task, j);
    agx_arena_release(&work->arena, mark);
    return AG_OK;
}

/* ---- the weights of a block of rows ----------------------------------------------------------------------- */

double agx_log_weight(double x, double m) {
    if (isfinite(m) || isnan(m)) return x - m;
    return m > 0 && x == m ? 0 : (double)-INFINITY;
}

static double shift_row_f32(const float *x, int64_t n, float *e) {
    float m = x[0];
    for (int64_t i = 1; i < n; i++)
        if (x[i] > m || x[i] != x[i]) m = x[i];
    if (isfinite(m))
        for (int64_t i = 0; i < n; i++) e[i] = x[i] - m;
    else
        for (int64_t i = 0; i < n; i++) e[i] = (float)agx_log_weight((double)x[i], (double)m);
    return (double)m;
}

static double shift_row_f64(const double *x, int64_t n, double *e) {
    double m = x[0];
    for (int64_t i = 1; i < n; i++)
        if (x[i] > m || x[i] != x[i]) m = x[i];
    if (isfinite(m))
        for (int64_t i = 0; i < n; i++) e[i] = x[i] - m;
    else
        for (int64_t i = 0; i < n; i++) e[i] = agx_log_weight(x[i], m);
    return m;
}

static double sum_row_f32(const float *x, int64_t n) {
    double even = 0, odd = 0;
    int64_t i = 0;
    for (; i + 1 < n; i += 2) even += (double)x[i], odd += (double)x[i + 1];
    return (i < n ? even + (double)x[i] : even) + odd;
}

static double sum_row_f64(const double *x, int64_t n) {
    double even = 0, odd = 0;
    int64_t i = 0;
    for (; i + 1 < n; i += 2) even += x[i], odd += x[i + 1];
    return (i < n ? even + x[i] : even) + odd;
}

/* e = exp(e) for the narrow rows of a block, n numbers in all. What fills up the last vector is calculated for
 * nothing, which is less than an incomplete vector costs. */
static void exp_narrow(const agx_row_job *j, int64_t n, void *e) {
    enum { LANES = 16 }; /* at least those of any vector; AGX_NARROW_BLOCK is a multiple */
    for (; n % LANES; n++) agx_row_store(j, e, n, 0);
    j->v->forward[AGX_ROW_exp][j->dtype == AG_F64](n, (const void *const[]){e}, (const int[]){1}, e, 0);
}

void agx_row_logs(const agx_row_job *j, int64_t n, double *s, double *log_s) {
    enum { LANES = 8 };
    /* One number is repeated: a vector read from where single numbers were just written waits for the stores. */
    int step = n != 1;
    for (; n % LANES; n++) s[n] = 1;
    j->v->forward[AGX_ROW_log][1](n, (const void *const[]){s}, (const int[]){step}, log_s, 0);
}

void agx_row_weights(const agx_row_job *j, int64_t n, const void *x, int64_t step, void *e, double *m, double *s) {
    int64_t C = j->n_cols;
    if (C > AGX_NARROW) {
        for (int64_t r = 0; r < n; r++) {
            const char *row = (const char *)x + r * step * (int64_t)j->size;
            m[r] = agx_row_extreme(j->v, true, j->dtype, row, C);
            s[r] = agx_row_exp(j->v, j->dtype, row, C, m[r], e ? (char *)e + (size_t)(r * C) * j->size : NULL);
        }
    } else if (j->dtype == AG_F32) {
        const float *from = x;
        float *to = e;
        for (int64_t r = 0; r < n; r++) m[r] = shift_row_f32(from + r * step, C, to + r * C);
        exp_narrow(j, n * C, e);
        for (int64_t r = 0; r < n; r++) s[r] = sum_row_f32(to + r * C, C);
    } else {
        const double *from = x;
        double *to = e;
        for (int64_t r = 0; r < n; r++) m[r] = shift_row_f64(from + r * step, C, to + r * C);
        exp_narrow(j, n * C, e);
        for (int64_t r = 0; r < n; r++) s[r] = sum_row_f64(to + r * C, C);
    }
}

void agx_row_with_number(const agx_row_job *j, enum agx_row f, int64_t n, const void *x, double c, void *z) {
    float c_f32 = (float)c;
    const void *in[2] = {x, j->dtype == AG_F32 ? (const void *)&c_f32 : &c};
    j->v->forward[f][j->dtype == AG_F64](n, in, (const int[]){1, 0}, z, 0);
}

/* ---- softmax ---------------------------------------------------------------------------------------------- */

static void softmax_block(const agx_row_job *j, int64_t first, int64_t n, const void *x, int64_t x_step,
                          const void *y, int64_t y_step, void *z) {
    (void)first, (void)y, (void)y_step;
    double m[AGX_BLOCK_ROWS], s[AGX_BLOCK_ROWS], narrow[AGX_NARROW_BLOCK];
    int64_t C = j->n_cols;
    void *e = C > AGX_NARROW ? z : narrow;
    agx_row_weights(j, n, x, x_step, e, m, s);
    for (int64_t r = 0; r < n; r++) {
        double divisor = s[r] == 0 ? 1 : s[r]; /* wholly masked: the weights are 0, and so is the result */
        if (C > AGX_NARROW) {
            void *row = (char *)z + (size_t)(r * C) * j->size;
            agx_row_with_number(j, AGX_ROW_div, C, row, divisor, row);
        } else if (j->dtype == AG_F32) {
            const float *from = (const float *)e + r * C, s_r = (float)divisor;
            float *to = (float *)z + r * C;
            for (int64_t i = 0; i < C; i++) to[i] = from[i] / s_r;
        } else {
            const double *from = (const double *)e + r * C;
            double *to = (double *)z + r * C;
            for (int64_t i = 0; i < C; i++) to[i] = from[i] / divisor;
        }
    }
}

static void log_softmax_block(const agx_row_job *j, int64_t first, int64_t n, const void *x, int64_t x_step,
                              const void *y, int64_t y_step, void *z) {
    (void)first, (void)y, (void)y_step;
    double m[AGX_BLOCK_ROWS], s[AGX_BLOCK_ROWS], log_s[AGX_BLOCK_ROWS], narrow[AGX_NARROW_BLOCK];
    int64_t C = j->n_cols;
    agx_row_weights(j, n, x, x_step, C > AGX_NARROW ? NULL : narrow, m, s);
    agx_row_logs(j, n, s, log_s);
    for (int64_t r = 0; r < n; r++) {
        const char *from = (const char *)x + r * x_step * (int64_t)j->size;
        char *row = (char *)z + (size_t)(r * C) * j->size;
        if (!isfinite(m[r])) {
            double rest = s[r] == 0 ? 0 : log_s[r]; /* masked: shift alone is -inf */
            for (int64_t i = 0; i < C; i++)
                agx_row_store(j, row, i, agx_log_weight(agx_row_load(j, from, i), m[r]) - rest);
        } else if (C > AGX_NARROW) {
            agx_row_with_number(j, AGX_ROW_sub, C, from, m[r], row);
            agx_row_with_number(j, AGX_ROW_sub, C, row, log_s[r], row);
        } else if (j->dtype == AG_F32) {
            const float *a = (const float *)(const void *)from;
            float *b = (float *)(void *)row, m_r = (float)m[r], log_r = (float)log_s[r];
            for (int64_t i = 0; i < C; i++) b[i] = (a[i] - m_r) - log_r;
        } else {
            const double *a = (const double *)(const void *)from;
            double *b = (double *)(void *)row;
            for (int64_t i = 0; i < C; i++) b[i] = (a[i] - m[r]) - log_s[r];
        }
    }
}

ag_status agx_softmax(const ag_array *x, int axis, bool logarithm, const ag_array *z, ag_workspace *work) {
    agx_row_job j;
    if (!ag_dtype_is_float(x->meta->dtype) || z->meta->dtype != x->meta->dtype) return AG_ERROR_DTYPE;
    if (!agx_row_job_init(&j, logarithm ? log_softmax_block : softmax_block, x->meta, axis)) return AG_OK;
    agx_side_init(&j.x, x, axis);
    agx_side_init(&j.z, z, axis);
    return agx_row_job_run(&j, work);
}

/* ---- its derivative --------------------------------------------------------------------------------------- */

/* dx = y (dy - sum dy y), or dy - y sum dy where y are the exponentials of a log-softmax already. */
static void grad_row_f32(bool logarithm, int64_t n, const float *y, const float *dy, float *dx) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)dy[i] * (logarithm ? 1 : (double)y[i]);
    float s = (float)sum;
    if (logarithm)
        for (int64_t i = 0; i < n; i++) dx[i] = dy[i] - y[i] * s;
    else
        for (int64_t i = 0; i < n; i++) dx[i] = y[i] * (dy[i] - s);
}

static void grad_row_f64(bool logarithm, int64_t n, const double *y, const double *dy, double *dx) {
    double s = 0;
    for (int64_t i = 0; i < n; i++) s += dy[i] * (logarithm ? 1 : y[i]);
    if (logarithm)
        for (int64_t i = 0; i < n; i++) dx[i] = dy[i] - y[i] * s;
    else
        for (int64_t i = 0; i < n; i++) dx[i] = y[i] * (dy[i] - s);
}

/* A row in chunks through the table. */
static void grad_row_wide(const agx_row_job *j, const char *y, const char *dy, char *dx) {
    double chunk[AGX_CHUNK]; /* nc elements of either type */
    agx_loop *mul = j->v->forward[AGX_ROW_mul][j->dtype == AG_F64];
    agx_loop *sub = j->v->forward[AGX_ROW_sub][j->dtype == AG_F64];
    agx_loop *exponential = j->v->forward[AGX_ROW_exp][j->dtype == AG_F64];
    const int inc[2] = {1, 1};
    double s = 0;
    for (int64_t c = 0; c < j->n_cols; c += AGX_CHUNK) {
        int64_t nc = j->n_cols - c < AGX_CHUNK ? j->n_cols - c : AGX_CHUNK;
        size_t at = (size_t)c * j->size;
        if (!j->logarithm) mul(nc, (const void *const[]){dy + at, y + at}, inc, chunk, 0);
        s += agx_row_sum(j->v, j->dtype, j->logarithm ? (const void *)(dy + at) : chunk, nc);
    }
    for (int64_t c = 0; c < j->n_cols; c += AGX_CHUNK) {
        int64_t nc = j->n_cols - c < AGX_CHUNK ? j->n_cols - c : AGX_CHUNK;
        size_t at = (size_t)c * j->size;
        if (j->logarithm) {
            exponential(nc, (const void *const[]){y + at}, inc, chunk, 0);
            agx_row_with_number(j, AGX_ROW_mul, nc, chunk, s, chunk);
            sub(nc, (const void *const[]){dy + at, chunk}, inc, dx + at, 0);
        } else {
            agx_row_with_number(j, AGX_ROW_sub, nc, dy + at, s, chunk);
            mul(nc, (const void *const[]){y + at, chunk}, inc, dx + at, 0);
        }
    }
}

static void softmax_grad_block(const agx_row_job *j, int64_t first, int64_t n, const void *x, int64_t x_step,
                               const void *y, int64_t y_step, void *z) {
    (void)first;
    int64_t C = j->n_cols;
    size_t row = (size_t)C * j->size;
    double narrow[AGX_NARROW_BLOCK]; /* exp of the rows of a log-softmax: (n, C) elements of either type */
    if (j->logarithm && C <= AGX_NARROW) {
        for (int64_t r = 0; r < n; r++)
            memcpy((char *)narrow + (size_t)r * row, (const char *)x + r * x_step * (int64_t)j->size, row);
        exp_narrow(j, n * C, narrow);
        x = narrow;
        x_step = C;
    }
    for (int64_t r = 0; r < n; r++) {
        const void *out = (const char *)x + r * x_step * (int64_t)j->size;
        const void *dy = (const char *)y + r * y_step * (int64_t)j->size;
        void *dx = (char *)z + (size_t)r * row;
        if (C > AGX_NARROW)
            grad_row_wide(j, out, dy, dx);
        else if (j->dtype == AG_F32)
            grad_row_f32(j->logarithm, C, out, dy, dx);
        else
            grad_row_f64(j->logarithm, C, out, dy, dx);
    }
}

ag_status agx_softmax_grad(const ag_array *y, const ag_array *dy, int axis, bool logarithm, const ag_array *dx,
                           ag_workspace *work) {
    agx_row_job j;
    ag_dtype dtype = y->meta->dtype;
    if (!ag_dtype_is_float(dtype) || dy->meta->dtype != dtype || dx->meta->dtype != dtype) return AG_ERROR_DTYPE;
    if (!agx_row_job_init(&j, softmax_grad_block, y->meta, axis)) return AG_OK;
    j.logarithm = logarithm;
    agx_side_init(&j.x, y, axis);
    agx_side_init(&j.y, dy, axis);
    agx_side_init(&j.z, dx, axis);
    return agx_row_job_run(&j, work);
}
