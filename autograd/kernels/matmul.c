/* matmul: which code computes a matrix product, and on how many threads.
 *
 * Small products go straight to our own kernel (gemm.c), without scratch or threads: there a call costs more than
 * the work. Large ones go to the backend in force: "portable" is the same kernel; libraries are no faster than it
 * on AVX2 (one Zen 3 core, MLP shapes), but are on AVX-512, so oneDNN is the default there and CBLAS nowhere.
 *
 * Bits: the portable kernel gives an element the same bits whatever the tile and thread. Libraries do not, so they
 * get dense row-major operands and tiles whose bounds depend on the shape alone, each computed on one thread.
 *
 * Not here: batches, vectors as operands (the operation's part). */
#include "gemm.h"
#include "matmul_backend.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define SMALL    1e6 /* floating-point operations from which a backend is asked */
#define PARALLEL 4e6 /* and from which threads are */

/* ---- the choice -------------------------------------------------------------------------------------------- */

enum { PORTABLE, ONEDNN, CBLAS, DEFAULT, UNREAD };
static const char *const names[] = {[PORTABLE] = "portable", [ONEDNN] = "onednn", [CBLAS] = "cblas"};
static const char *const available[] = {
    "portable",
#ifdef AGX_HAVE_ONEDNN
    "onednn",
#endif
#ifdef AGX_HAVE_CBLAS
    "cblas",
#endif
    NULL,
};
static _Atomic int chosen = UNREAD;

/* The backend of that name, DEFAULT when this build has none. */
static int backend_named(const char *name) {
    for (int i = 0; name && available[i]; i++)
        if (strcmp(name, available[i]) == 0)
            for (int k = PORTABLE; k < DEFAULT; k++)
                if (strcmp(name, names[k]) == 0) return k;
    return DEFAULT;
}

static int default_backend(const agx_vectors *table) {
    return strcmp(table->level, "avx512") == 0 ? backend_named("onednn") : PORTABLE;
}

static int backend_in_force(const agx_vectors *table) {
    int backend = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (backend == UNREAD) {
        backend = backend_named(getenv("AG_MATMUL"));
        atomic_store_explicit(&chosen, backend, memory_order_relaxed);
    }
    if (backend == DEFAULT) backend = default_backend(table);
    return backend == DEFAULT ? PORTABLE : backend;
}

const char *agx_matmul_backend(void) { return names[backend_in_force(agx_vector_table())]; }

const char *const *agx_matmul_backends(void) { return available; }

ag_status agx_matmul_force(const char *backend) {
    if (!backend) {
        atomic_store(&chosen, UNREAD);
        return AG_OK;
    }
    const int k = backend_named(backend);
    if (k == DEFAULT)
        return ag_fail(NULL, AG_ERROR_NAME, "matrix products: this build has no backend \"%s\"", backend);
    atomic_store(&chosen, k);
    return AG_OK;
}

/* ---- parts of a product ------------------------------------------------------------------------------------ */

static int64_t ceil_div(int64_t x, int64_t y) { return (x + y - 1) / y; }

static size_t element(const agx_matmul *p) { return p->dtype == AG_F32 ? sizeof(float) : sizeof(double); }

/* Element (i, j) of a matrix. */
static void *at(const agx_matmul *p, const void *matrix, int64_t i, int64_t rs, int64_t j, int64_t cs) {
    return (char *)(uintptr_t)matrix + (i * rs + j * cs) * (int64_t)element(p);
}

/* Rows i to i + m, columns j to j + n of the result. */
static agx_matmul part_of(const agx_matmul *p, int64_t i, int64_t m, int64_t j, int64_t n) {
    agx_matmul part = *p;
    part.m = m;
    part.n = n;
    part.a = at(p, p->a, i, p->a_rs, 0, 0);
    part.b = at(p, p->b, 0, 0, j, p->b_cs);
    part.c = at(p, p->c, i, p->ldc, j, 1);
    if (p->bias) part.bias = at(p, p->bias, 0, 0, j, 1);
    return part;
}

/* ---- our own kernel ---------------------------------------------------------------------------------------- */

/* Bytes for a packed copy of `a`, 0 when it is better read in place: when there are few columns to pay for the
 * copy, and, where a's rows are dense, unless they lie so that a tile's rows fall on the same few lines of the
 * cache. (a has at most as many elements as memory has bytes, or repeats some: the product cannot overflow.) */
static size_t packed_bytes(const agx_matmul *p, const agx_gemm_kernels *gemm, int type) {
    const size_t size = element(p);
    enum { ENOUGH_COLUMNS = 96, ENOUGH_BYTES = 48 << 10, BAD_STRIDE = 2048 };
    if (p->n < ENOUGH_COLUMNS || (size_t)p->m * (size_t)p->k * size < ENOUGH_BYTES) return 0;
    if (p->a_cs == 1 && p->a_rs * (int64_t)size % BAD_STRIDE != 0) return 0;
    return (size_t)(ceil_div(p->m, gemm->rows[type]) * gemm->packed_rows[type] * agx_gemm_depth(p->k)) * size;
}

static ag_status portable(const agx_matmul *p, double flops, const agx_gemm_kernels *gemm, int type,
                          ag_workspace *work) {
    const int64_t panels = ceil_div(p->n, gemm->columns[type]), tiles = ceil_div(p->m, gemm->rows[type]);
    const bool by_columns = panels >= tiles;
    const int64_t units = by_columns ? panels : tiles, unit = by_columns ? gemm->columns[type] : gemm->rows[type];
    int64_t parts = 1;
#ifdef AGX_HAVE_OPENMP
    if (flops >= PARALLEL) parts = work->threads < units ? work->threads : units;
#else
    (void)flops;
#endif
    const size_t bytes = (packed_bytes(p, gemm, type) + 63) & ~(size_t)63;
    char *packed = NULL;
    if (bytes > 0 && !(packed = ag_scratch(work, bytes * (size_t)parts))) return AG_ERROR_MEMORY;
#ifdef AGX_HAVE_OPENMP
#pragma omp parallel for num_threads((int)parts) schedule(static) if (parts > 1)
#endif
    for (int64_t t = 0; t < parts; t++) {
        const int64_t end = by_columns ? p->n : p->m;
        const int64_t from = units * t / parts * unit, to = t + 1 < parts ? units * (t + 1) / parts * unit : end;
        const agx_matmul part =
            by_columns ? part_of(p, 0, p->m, from, to - from) : part_of(p, from, to - from, 0, p->n);
        gemm->product[type](&part, packed ? packed + (size_t)t * bytes : NULL);
    }
    return AG_OK;
}

/* ---- libraries --------------------------------------------------------------------------------------------- */

/* A dense row-major copy of x (rows, columns), or x itself where it is that. */
static const void *densely(const agx_matmul *p, const agx_gemm_kernels *gemm, int type, int64_t rows,
                           int64_t columns, const void *x, int64_t rs, int64_t cs, ag_workspace *work) {
    size_t bytes;
    if (cs == 1 && rs == columns) return x;
    if (!ag_size_mul((size_t)rows, (size_t)columns, &bytes) || !ag_size_mul(bytes, element(p), &bytes))
        return NULL;
    void *copy = ag_scratch(work, bytes);
    if (copy) gemm->dense[type](rows, columns, x, rs, cs, copy);
    return copy;
}

static ag_status library_tile(int backend, const agx_matmul *p) {
#ifdef AGX_HAVE_ONEDNN
    if (backend == ONEDNN) return agx_matmul_onednn(p);
#endif
#ifdef AGX_HAVE_CBLAS
    if (backend == CBLAS) return agx_matmul_cblas(p);
#endif
    (void)backend, (void)p;
    return AG_ERROR_UNSUPPORTED;
}

static void add_bias(const agx_matmul *p) {
    for (int64_t i = 0; i < p->m; i++) {
        if (p->dtype == AG_F32) {
            float *restrict c = at(p, p->c, i, p->ldc, 0, 1);
            const float *restrict bias = p->bias;
            for (int64_t j = 0; j < p->n; j++) c[j] += bias[j];
        } else {
            double *restrict c = at(p, p->c, i, p->ldc, 0, 1);
            const double *restrict bias = p->bias;
            for (int64_t j = 0; j < p->n; j++) c[j] += bias[j];
        }
    }
}

static ag_status library(int backend, const agx_matmul *given, double flops, const agx_gemm_kernels *gemm,
                         int type, ag_workspace *work) {
    enum { TILE_ROWS = 256, TILE_COLUMNS = 192 }; /* at most: enough work to hide a call, enough tiles to share */
    agx_matmul p = *given;
    const size_t row = (size_t)p.n * element(&p);
    p.a = densely(&p, gemm, type, p.m, p.k, p.a, p.a_rs, p.a_cs, work);
    p.b = densely(&p, gemm, type, p.k, p.n, p.b, p.b_rs, p.b_cs, work);
    if (!p.a || !p.b) return AG_ERROR_MEMORY;
    p.a_rs = p.k;
    p.b_rs = p.n;
    p.a_cs = p.b_cs = 1;
    if (p.ldc != p.n) { /* a library may take another path for another stride */
        p.ldc = p.n;
        if (!(p.c = ag_scratch(work, (size_t)p.m * row))) return AG_ERROR_MEMORY;
        for (int64_t i = 0; p.accumulate && i < p.m; i++)
            memcpy(at(&p, p.c, i, p.ldc, 0, 1), at(&p, given->c, i, given->ldc, 0, 1), row);
    }
    const int64_t down = ceil_div(p.m, TILE_ROWS), across = ceil_div(p.n, TILE_COLUMNS);
    _Atomic int status = AG_OK;
#ifdef AGX_HAVE_CBLAS
    if (backend == CBLAS) agx_matmul_cblas_begin();
#endif
#ifdef AGX_HAVE_OPENMP
#pragma omp parallel for num_threads(work->threads) schedule(dynamic) if (flops >= PARALLEL && work->threads > 1)
#else
    (void)flops;
#endif
    for (int64_t t = 0; t < down * across; t++) {
        const int64_t i = p.m * (t / across) / down, i_end = p.m * (t / across + 1) / down;
        const int64_t j = p.n * (t % across) / across, j_end = p.n * (t % across + 1) / across;
        const agx_matmul tile = part_of(&p, i, i_end - i, j, j_end - j);
        const ag_status failed = library_tile(backend, &tile);
        if (failed)
            status = (int)failed;
        else if (tile.bias)
            add_bias(&tile);
    }
#ifdef AGX_HAVE_CBLAS
    if (backend == CBLAS) agx_matmul_cblas_end();
#endif
    for (int64_t i = 0; p.c != given->c && i < p.m; i++)
        memcpy(at(&p, given->c, i, given->ldc, 0, 1), at(&p, p.c, i, p.ldc, 0, 1), row);
    return (ag_status)status;
}

/* ---- the product ------------------------------------------------------------------------------------------- */

ag_status agx_matmul_run(const agx_matmul *given, ag_workspace *work) {
    assert(given->dtype == AG_F32 || given->dtype == AG_F64);
    if (given->m <= 0 || given->n <= 0) return AG_OK;
    const agx_vectors *table = agx_vector_table();
    const agx_gemm_kernels *gemm = table->gemm;
    const int type = given->dtype == AG_F64;
    agx_matmul row;
    const agx_matmul *p = given;
    if (p->n == 1 && p->ldc == 1 &&
        !p->bias) { /* a column is a row of the transposed product, which fills vectors */
        row = (agx_matmul){.dtype = p->dtype,
                           .m = 1,
                           .n = p->m,
                           .k = p->k,
                           .a = p->b,
                           .a_cs = p->b_rs,
                           .b = p->a,
                           .b_rs = p->a_cs,
                           .b_cs = p->a_rs,
                           .c = p->c,
                           .ldc = p->m,
                           .accumulate = p->accumulate};
        p = &row;
    }
    const double flops = 2.0 * (double)p->m * (double)p->n * (double)p->k;
    if (flops < SMALL) {
        gemm->product[type](p, NULL);
        return AG_OK;
    }
    const int backend = p->m == 1 ? PORTABLE : backend_in_force(table);
    const agx_arena_mark mark = agx_arena_here(&work->arena);
    const ag_status status = backend == PORTABLE || (backend == ONEDNN && p->dtype != AG_F32)
                                 ? portable(p, flops, gemm, type, work)
                                 : library(backend, p, flops, gemm, type, work);
    agx_arena_release(&work->arena, mark);
    return status;
}
