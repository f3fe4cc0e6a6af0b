/* rows: tiles of strided arrays, and what reductions and the softmax family share. See rows.h. */
#include "rows.h"

#include <math.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif

/* ---- lists of axes ---------------------------------------------------------------------------------------- */

int64_t agx_dims_init(agx_dims *d, const ag_meta *meta, uint32_t mask) {
    int64_t count = 1;
    int rank = 0;
    for (int k = 0; k < meta->rank; k++) {
        int64_t dim = meta->dim[k], stride = meta->stride[k];
        if (!(mask >> k & 1u)) continue;
        count *= dim;
        if (dim == 1) continue;
        /* Walking on along axis k from its end is a step along the axis before it: one axis. */
        if (rank > 0 && d->stride[rank - 1] == dim * stride) {
            d->dim[rank - 1] *= dim;
            d->stride[rank - 1] = stride;
            continue;
        }
        d->dim[rank] = dim;
        d->stride[rank] = stride;
        rank++;
    }
    if (rank == 0) d->dim[0] = d->stride[0] = 1;
    d->rank = rank ? rank : 1;
    return count;
}

/* A position in a list of axes. */
typedef struct cursor {
    int64_t at[AG_MAX_RANK], offset;
} cursor;

static void cursor_seek(cursor *c, const agx_dims *d, int64_t index) {
    c->offset = 0;
    for (int k = d->rank - 1; k >= 0; k--) {
        c->at[k] = k ? index % d->dim[k] : index;
        index /= d->dim[k];
        c->offset += c->at[k] * d->stride[k];
    }
}

/* Forward by n, at most what is left of the last axis. */
static void cursor_advance(cursor *c, const agx_dims *d, int64_t n) {
    int k = d->rank - 1;
    c->at[k] += n;
    c->offset += n * d->stride[k];
    for (; k > 0 && c->at[k] == d->dim[k]; k--) {
        c->offset += d->stride[k - 1] - d->dim[k] * d->stride[k];
        c->at[k] = 0;
        c->at[k - 1]++;
    }
}

int64_t agx_dims_offset(const agx_dims *d, int64_t index) {
    cursor c;
    cursor_seek(&c, d, index);
    return c.offset;
}

/* ---- tiles ------------------------------------------------------------------------------------------------ */

/* A rectangle of elements; steps in elements. Constant sizes make each copy a move. */
static void copy_rectangle(size_t size, int64_t n_outer, int64_t n, char *z, int64_t z_outer, int64_t z_step,
                           const char *x, int64_t x_outer, int64_t x_step) {
    int64_t bytes = (int64_t)size;
    for (int64_t o = 0; o < n_outer; o++, z += z_outer * bytes, x += x_outer * bytes) {
        if (z_step == 1 && x_step == 1)
            memcpy(z, x, (size_t)n * size);
        else if (size == 4)
            for (int64_t i = 0; i < n; i++) memcpy(z + 4 * i * z_step, x + 4 * i * x_step, 4);
        else if (size == 8)
            for (int64_t i = 0; i < n; i++) memcpy(z + 8 * i * z_step, x + 8 * i * x_step, 8);
        else
            for (int64_t i = 0; i < n; i++) memcpy(z + i * z_step * bytes, x + i * x_step * bytes, size);
    }
}

/* From the strided array into the dense buffer; or, when `scatter`, back. */
static void tile_move(const agx_tile *t, char *array, size_t size, char *buffer, bool scatter) {
    const agx_dims *outer = t->rows, *inner = t->cols;
    int64_t first = t->r0, n_outer = t->nr, start = t->c0, n_inner = t->nc;
    int64_t outer_step = t->nc, inner_step = 1; /* in the buffer */
    int64_t row_stride = outer->stride[outer->rank - 1], col_stride = inner->stride[inner->rank - 1];
    if ((row_stride < 0 ? -row_stride : row_stride) < (col_stride < 0 ? -col_stride : col_stride)) {
        /* The inner loop follows the shorter stride, so that it uses whole cache lines. */
        outer = t->cols, inner = t->rows;
        first = t->c0, n_outer = t->nc, start = t->r0, n_inner = t->nr;
        outer_step = 1, inner_step = t->nc;
    }
    cursor row, begin;
    cursor_seek(&row, outer, first);
    cursor_seek(&begin, inner, start);
    int64_t bytes = (int64_t)size, outer_stride = outer->stride[outer->rank - 1];
    int64_t inner_stride = inner->stride[inner->rank - 1];
    for (int64_t o = 0, rows; o < n_outer; o += rows) {
        rows = outer->dim[outer->rank - 1] - row.at[outer->rank - 1];
        if (rows > n_outer - o) rows = n_outer - o;
        cursor at = begin;
        for (int64_t i = 0, run; i < n_inner; i += run) {
            run = inner->dim[inner->rank - 1] - at.at[inner->rank - 1];
            if (run > n_inner - i) run = n_inner - i;
            char *strided = array + (row.offset + at.offset) * bytes;
            char *dense = buffer + (o * outer_step + i * inner_step) * bytes;
            if (scatter)
                copy_rectangle(size, rows, run, strided, outer_stride, inner_stride, dense, outer_step,
                               inner_step);
            else
                copy_rectangle(size, rows, run, dense, outer_step, inner_step, strided, outer_stride,
                               inner_stride);
            cursor_advance(&at, inner, run);
        }
        cursor_advance(&row, outer, rows);
    }
}

const void *agx_tile_read(const agx_tile *t, const void *x, size_t size, void *buffer, int64_t *step) {
    if (agx_tile_in_place(t->rows, t->cols)) {
        *step = t->rows->stride[0];
        return (const char *)x + (t->r0 * *step + t->c0) * (int64_t)size;
    }
    *step = t->nc;
    tile_move(t, (char *)(uintptr_t)x, size, buffer, false);
    return buffer;
}

void agx_tile_write(const agx_tile *t, void *z, size_t size, const void *buffer) {
    tile_move(t, z, size, (char *)(uintptr_t)buffer, true);
}

/* ---- a row of floats -------------------------------------------------------------------------------------- */

/* Below this, a loop here costs less than a call through the table. */
enum { SHORT = 16 };

static float extreme_f32(bool largest, const float *x, int64_t n) {
    float m = x[0];
    if (largest) {
        for (int64_t i = 1; i < n; i++)
            if (x[i] > m || x[i] != x[i]) m = x[i];
    } else {
        for (int64_t i = 1; i < n; i++)
            if (x[i] < m || x[i] != x[i]) m = x[i];
    }
    return m;
}

static double extreme_f64(bool largest, const double *x, int64_t n) {
    double m = x[0];
    if (largest) {
        for (int64_t i = 1; i < n; i++)
            if (x[i] > m || x[i] != x[i]) m = x[i];
    } else {
        for (int64_t i = 1; i < n; i++)
            if (x[i] < m || x[i] != x[i]) m = x[i];
    }
    return m;
}

static double extreme_short(bool largest, ag_dtype dtype, const void *x, int64_t n) {
    return dtype == AG_F32 ? (double)extreme_f32(largest, x, n) : extreme_f64(largest, x, n);
}

/* n <= AGX_CHUNK: fold the row in half until it is short. */
static double extreme_chunk(agx_loop *loop, bool largest, ag_dtype dtype, const void *x, int64_t n) {
    double folded[AGX_CHUNK / 2]; /* (n + 1) / 2 elements of either type */
    char *z = (char *)folded;
    size_t size = ag_dtype_size(dtype);
    const int inc[2] = {1, 1};
    while (n > SHORT) {
        int64_t half = (n + 1) / 2;
        const char *from = x;
        const void *in[2] = {from, from + (size_t)half * size};
        loop(n - half, in, inc, z, 0);
        if (n % 2 != 0 && from != z) memcpy(z + (size_t)(half - 1) * size, from + (size_t)(half - 1) * size, size);
        x = z;
        n = half;
    }
    return extreme_short(largest, dtype, x, n);
}

double agx_row_extreme(const agx_vectors *v, bool largest, ag_dtype dtype, const void *x, int64_t n) {
    if (n <= SHORT) return extreme_short(largest, dtype, x, n);
    agx_loop *loop = v->forward[largest ? AGX_ROW_maximum : AGX_ROW_minimum][dtype == AG_F64];
    size_t size = ag_dtype_size(dtype);
    double m = extreme_chunk(loop, largest, dtype, x, n < AGX_CHUNK ? n : AGX_CHUNK);
    for (int64_t c = AGX_CHUNK; c < n; c += AGX_CHUNK) {
        double other = extreme_chunk(loop, largest, dtype, (const char *)x + (size_t)c * size,
                                     n - c < AGX_CHUNK ? n - c : AGX_CHUNK);
        if (isnan(other) || (largest ? other > m : other < m)) m = other;
    }
    return m;
}

double agx_row_sum(const agx_vectors *v, ag_dtype dtype, const void *x, int64_t n) {
    if (dtype == AG_F64) return v->sum_f64(n, x);
    if (n > SHORT) return v->sum_f32(n, x);
    const float *from = x;
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)from[i];
    return sum;
}

/* m = inf: how many elements are, too. */
static double exp_of_infinite(ag_dtype dtype, const void *x, int64_t n, void *e) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        bool one = isinf(dtype == AG_F32 ? (double)((const float *)x)[i] : ((const double *)x)[i]) &&
                   (dtype == AG_F32 ? ((const float *)x)[i] > 0 : ((const double *)x)[i] > 0);
        sum += one;
        if (e && dtype == AG_F32) ((float *)e)[i] = one;
        if (e && dtype == AG_F64) ((double *)e)[i] = one;
    }
    return sum;
}

double agx_row_exp(const agx_vectors *v, ag_dtype dtype, const void *x, int64_t n, double m, void *e) {
    size_t size = ag_dtype_size(dtype);
    if (m == (double)INFINITY) return exp_of_infinite(dtype, x, n, e);
    if (m == (double)-INFINITY) {
        if (e) memset(e, 0, (size_t)n * size);
        return 0;
    }
    double chunk[AGX_CHUNK], sum = 0;
    float m_f32 = (float)m;
    const int inc[2] = {1, 0};
    agx_loop *loop = v->exp_shift[dtype == AG_F64];
    for (int64_t c = 0; c < n; c += AGX_CHUNK) {
        int64_t nc = n - c < AGX_CHUNK ? n - c : AGX_CHUNK;
        void *z = e ? (char *)e + (size_t)c * size : (void *)chunk;
        const void *in[2] = {(const char *)x + (size_t)c * size, dtype == AG_F32 ? (const void *)&m_f32 : &m};
        loop(nc, in, inc, z, 0);
        sum += agx_row_sum(v, dtype, z, nc);
    }
    return sum;
}

/* ---- threads ---------------------------------------------------------------------------------------------- */

void agx_tasks_run(int64_t n, int threads, agx_task *task, void *context) {
#ifdef _OPENMP
    if (threads > 1 && n > 1) {
#pragma omp parallel for num_threads(threads) schedule(static)
        for (int64_t i = 0; i < n; i++) task(context, i, omp_get_thread_num());
        return;
    }
#endif
    (void)threads;
    for (int64_t i = 0; i < n; i++) task(context, i, 0);
}

int agx_threads_for(const ag_workspace *work, int64_t elements) {
    /* Waking a team costs a few microseconds: about this many elements at memory speed. */
    const int64_t worth = 32768;
    int64_t most = elements / worth;
    if (work->threads <= 1 || most <= 1) return 1;
    return most < work->threads ? (int)most : work->threads;
}
