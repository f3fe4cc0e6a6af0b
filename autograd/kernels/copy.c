/* copy: moving, converting, filling and adding arrays of any strides.
 *
 * One row function for each pair of dtypes carries every conversion there is, so that an element converts to the same
 * bits wherever it lies. Arrays whose rows run in different directions (a transpose) go through square tiles, so that a
 * line of memory fetched for one row is still in the cache for the next. */
#include "walk.h"

#include <string.h>

enum {
    TILE = 16,         /* elements along each side: 16 f32 are a line of 64 bytes */
    BLOCK = 512,       /* elements gathered at a time */
    PARALLEL = 262144, /* elements from which waking threads is worth it */
};

/* ---- rows ------------------------------------------------------------------------------------------------------------ */

/* Elements of one dtype are moved as words, whatever they mean: a NaN keeps its payload. */
#define DEFINE_MOVE(bits)                                                                                         \
    typedef uint##bits##_t word_##bits __attribute__((may_alias));                                                \
    static void move_##bits(int64_t n, const void *x, int64_t x_inc, void *z, int64_t z_inc) {                    \
        const word_##bits *from = x;                                                                              \
        word_##bits *to = z;                                                                                      \
        if (x_inc == 1 && z_inc == 1) {                                                                           \
            memcpy(z, x, (size_t)n * sizeof *to);                                                                 \
        } else if (x_inc == 0) {                                                                                  \
            const word_##bits c = *from;                                                                          \
            for (int64_t i = 0; i < n; i++) to[i * z_inc] = c;                                                    \
        } else {                                                                                                  \
            for (int64_t i = 0; i < n; i++) to[i * z_inc] = from[i * x_inc];                                      \
        }                                                                                                         \
    }
DEFINE_MOVE(8)
DEFINE_MOVE(32)
DEFINE_MOVE(64)

#define TO_BOOL(v) ((v) != 0)
#define TO_I64(v)  agx_integer((double)(v))
#define TO_F32(v)  ((float)(v))
#define TO_F64(v)  ((double)(v))
#define DEFINE_CONVERT(from_name, from_type, to_name, to_type)                                                    \
    static void from_name##_to_##to_name(int64_t n, const void *x, int64_t x_inc, void *z, int64_t z_inc) {       \
        const from_type *from = x;                                                                                \
        to_type *to = z;                                                                                          \
        if (x_inc == 1 && z_inc == 1) {                                                                           \
            for (int64_t i = 0; i < n; i++) to[i] = TO_##to_name(from[i]);                                        \
        } else {                                                                                                  \
            for (int64_t i = 0; i < n; i++) to[i * z_inc] = TO_##to_name(from[i * x_inc]);                        \
        }                                                                                                         \
    }
DEFINE_CONVERT(BOOL, bool, I64, int64_t)
DEFINE_CONVERT(BOOL, bool, F32, float)
DEFINE_CONVERT(BOOL, bool, F64, double)
DEFINE_CONVERT(I64, int64_t, BOOL, bool)
DEFINE_CONVERT(I64, int64_t, F32, float)
DEFINE_CONVERT(I64, int64_t, F64, double)
DEFINE_CONVERT(F32, float, BOOL, bool)
DEFINE_CONVERT(F32, float, I64, int64_t)
DEFINE_CONVERT(F32, float, F64, double)
DEFINE_CONVERT(F64, double, BOOL, bool)
DEFINE_CONVERT(F64, double, I64, int64_t)
DEFINE_CONVERT(F64, double, F32, float)

agx_row_copy *agx_copy_row(ag_dtype from, ag_dtype to) {
    static agx_row_copy *const rows[AG_DTYPE_COUNT][AG_DTYPE_COUNT] = {
        [AG_BOOL] = {move_8, BOOL_to_I64, BOOL_to_F32, BOOL_to_F64},
        [AG_I64] = {I64_to_BOOL, move_64, I64_to_F32, I64_to_F64},
        [AG_F32] = {F32_to_BOOL, F32_to_I64, move_32, F32_to_F64},
        [AG_F64] = {F64_to_BOOL, F64_to_I64, F64_to_F32, move_64},
    };
    return rows[from][to];
}

/* ---- whole arrays ------------------------------------------------------------------------------------------------------- */

typedef struct task {
    agx_row_copy *copy, *move; /* from x's dtype to z's; from z's to z's */
    const char *x;
    char *z;
    int64_t x_size, z_size; /* bytes of an element */
    int64_t bands;          /* tiled: groups of TILE rows along the dimension in which x is contiguous; else 0 */
    agx_walk walk;          /* {x, z} */
} task;

static void copy_rows(const task *t, int64_t first, int64_t last) {
    const agx_walk *w = &t->walk;
    const int64_t x_inc = w->stride[0][w->rank - 1], z_inc = w->stride[1][w->rank - 1];
    agx_walk_row at;
    agx_walk_seek(w, &at, first);
    for (int64_t row = first; row < last; row++) {
        t->copy(w->n, t->x + at.offset[0] * t->x_size, x_inc, t->z + at.offset[1] * t->z_size, z_inc);
        agx_walk_next(w, &at);
    }
}

/* Bands [first, last): band b is TILE indices of the last but one dimension (along which x is contiguous) by all of the
 * last (along which z is). Each tile is read in x's order into a square buffer, and written from there in z's: strides
 * that are a power of two would otherwise drive their own lines out of the cache. */
static void copy_bands(const task *t, int64_t first, int64_t last) {
    _Alignas(64) char tile[TILE * TILE * sizeof(double)]; /* (index along x's rows, index along z's) */
    const agx_walk *w = &t->walk;
    const int across = w->rank - 2, along = w->rank - 1;
    const int64_t size = w->dim[across], in_matrix = (size + TILE - 1) / TILE;
    const int64_t x_across = w->stride[0][across], x_along = w->stride[0][along] * t->x_size;
    const int64_t z_across = w->stride[1][across] * t->z_size, z_along = w->stride[1][along];
    for (int64_t band = first; band < last; band++) {
        const int64_t i0 = band % in_matrix * TILE, rows = size - i0 < TILE ? size - i0 : TILE;
        agx_walk_row at;
        agx_walk_seek(w, &at, band / in_matrix * size + i0);
        for (int64_t j0 = 0; j0 < w->n; j0 += TILE) {
            const int64_t columns = w->n - j0 < TILE ? w->n - j0 : TILE;
            const char *x = t->x + at.offset[0] * t->x_size + j0 * x_along;
            char *z = t->z + at.offset[1] * t->z_size + j0 * z_along * t->z_size;
            for (int64_t j = 0; j < columns; j++)
                t->copy(rows, x + j * x_along, x_across, tile + j * TILE * t->z_size, 1);
            for (int64_t i = 0; i < rows; i++)
                t->move(columns, tile + i * t->z_size, TILE, z + i * z_across, z_along);
        }
    }
}

/* Rows run along z's smallest stride. Where x's smallest is along another dimension, that becomes the last but one. */
static bool turn(agx_walk *w) {
    const int along = w->rank - 1;
    int across = along;
    for (int d = 0; d < along; d++) {
        const int64_t stride = agx_walk_size(w->stride[0][d]);
        if (stride != 0 && stride < agx_walk_size(w->stride[0][across])) across = d;
    }
    if (across == along || w->n < TILE / 2 || w->dim[across] < TILE / 2) return false;
    for (int k = -1; k < w->arrays; k++) {
        int64_t *list = k < 0 ? w->dim : w->stride[k];
        const int64_t moved = list[across];
        for (int d = across; d + 1 < along; d++) list[d] = list[d + 1];
        list[along - 1] = moved;
    }
    return true;
}

static void run(const task *t, int64_t first, int64_t last) {
    if (t->bands)
        copy_bands(t, first, last);
    else
        copy_rows(t, first, last);
}

ag_status agx_copy(const ag_array *x, const ag_array *z, ag_workspace *work) {
    task t = {.copy = agx_copy_row(x->meta->dtype, z->meta->dtype),
              .move = agx_copy_row(z->meta->dtype, z->meta->dtype),
              .x = x->data,
              .z = z->data,
              .x_size = (int64_t)ag_dtype_size(x->meta->dtype),
              .z_size = (int64_t)ag_dtype_size(z->meta->dtype)};
    if (ag_meta_is_dense(x->meta) && ag_meta_is_dense(z->meta) && ag_meta_same_shape(x->meta, z->meta)) {
        t.copy(ag_meta_count(z->meta), x->data, 1, z->data, 1);
        return AG_OK;
    }
    if (!agx_walk_init(&t.walk, x, 1, z)) return AG_OK;
    if (t.walk.rank > 1 && turn(&t.walk)) {
        const int64_t size = t.walk.dim[t.walk.rank - 2];
        t.bands = t.walk.rows / size * ((size + TILE - 1) / TILE);
    }
    const int64_t units = t.bands ? t.bands : t.walk.rows;
#ifdef AGX_HAVE_OPENMP
    const int64_t threads = work && work->threads < units ? work->threads : units;
    if (work && threads > 1 && t.walk.n * t.walk.rows >= PARALLEL) {
#pragma omp parallel for schedule(static) num_threads((int)threads)
        for (int64_t i = 0; i < threads; i++) run(&t, units * i / threads, units * (i + 1) / threads);
        return AG_OK;
    }
#endif
    (void)work;
    run(&t, 0, units);
    return AG_OK;
}

void agx_fill(const ag_array *z, double c) {
    double element = 0; /* room for one of any dtype */
    ag_meta meta = {.dtype = z->meta->dtype, .rank = 0};
    const ag_array x = {&meta, &element};
    agx_store(&element, z->meta->dtype, 0, c);
    (void)agx_copy(&x, z, NULL);
}

/* A row of z += x where z's elements lie apart: gathered, added, put back. */
static void add_apart(agx_loop *add, agx_row_copy *copy, size_t size, int64_t n, const char *x, int64_t x_inc,
                      char *z, int64_t z_inc) {
    _Alignas(64) char xs[BLOCK * sizeof(double)], zs[BLOCK * sizeof(double)];
    const void *const in[2] = {zs, xs};
    const int inc[2] = {1, 1};
    for (int64_t i = 0; i < n; i += BLOCK) {
        const int64_t m = n - i < BLOCK ? n - i : BLOCK;
        copy(m, x + i * x_inc * (int64_t)size, x_inc, xs, 1);
        copy(m, z + i * z_inc * (int64_t)size, z_inc, zs, 1);
        add(m, in, inc, zs, 0);
        copy(m, zs, 1, z + i * z_inc * (int64_t)size, z_inc);
    }
}

ag_status agx_accumulate(const ag_array *x, const ag_array *z, ag_workspace *work) {
    const ag_dtype dtype = z->meta->dtype;
    const ag_array in[2] = {*z, *x};
    if (ag_meta_is_dense(z->meta)) return agx_map_row(AGX_ROW_add, in, 2, z, 0, work);

    const agx_vectors *table = agx_vector_table();
    agx_loop *add = dtype == AG_F32   ? table->forward[AGX_ROW_add][0]
                    : dtype == AG_F64 ? table->forward[AGX_ROW_add][1]
                    : dtype == AG_I64 ? table->integers[AGX_ROW_add]
                                      : NULL;
    const size_t size = ag_dtype_size(dtype);
    agx_walk w;
    agx_walk_row at;
    if (!add) return ag_fail(NULL, AG_ERROR_DTYPE, "%s values do not add", ag_dtype_name(dtype));
    if (!agx_walk_init(&w, x, 1, z)) return AG_OK;
    const int64_t x_inc = w.stride[0][w.rank - 1], z_inc = w.stride[1][w.rank - 1];
    agx_walk_seek(&w, &at, 0);
    for (int64_t row = 0; row < w.rows; row++) {
        const char *x_at = (const char *)x->data + at.offset[0] * (int64_t)size;
        char *z_at = (char *)z->data + at.offset[1] * (int64_t)size;
        if (z_inc == 1 && (x_inc == 0 || x_inc == 1)) {
            const void *const rows[2] = {z_at, x_at};
            const int inc[2] = {1, (int)x_inc};
            add(w.n, rows, inc, z_at, 0);
        } else {
            add_apart(add, agx_copy_row(dtype, dtype), size, w.n, x_at, x_inc, z_at, z_inc);
        }
        agx_walk_next(&w, &at);
    }
    return AG_OK;
}

/* ---- one element ----------------------------------------------------------------------------------------------------------- */

double agx_load(const void *data, ag_dtype dtype, int64_t index) {
    double value = 0;
    agx_copy_row(dtype, AG_F64)(1, (const char *)data + index * (int64_t)ag_dtype_size(dtype), 1, &value, 1);
    return value;
}

void agx_store(void *data, ag_dtype dtype, int64_t index, double value) {
    agx_copy_row(AG_F64, dtype)(1, &value, 1, (char *)data + index * (int64_t)ag_dtype_size(dtype), 1);
}
