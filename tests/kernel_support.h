/* kernel_support: arrays in random layouts for the tests of kernels, and the settings those are repeated under.
 *
 * Every array has a block of its own, of exactly the elements its layout spans, so that AddressSanitizer sees a kernel
 * that reads past it. */
#ifndef KERNEL_SUPPORT_H
#define KERNEL_SUPPORT_H

#include <autograd/kernels/kernels.h>

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- arrays ------------------------------------------------------------------------------------------------- */

typedef struct view {
    ag_meta meta;
    ag_array array;
    void *block;
} view;

/* DENSE: row-major. STRIDED: axes in any order in memory, with gaps, some walked backwards, some repeated. */
typedef enum layout { DENSE, STRIDED } layout;

static inline view view_new(ag_dtype dtype, int rank, const int64_t *dim, layout how, ag_random *r) {
    view v = {.block = NULL};
    ck_assert_int_eq(ag_meta_init(&v.meta, dtype, rank, dim, NULL), AG_OK);
    int64_t order[AG_MAX_RANK], extent = 1;
    for (int k = 0; k < rank; k++) order[k] = rank - 1 - k; /* from the shortest stride up */
    if (how == STRIDED) ag_random_permutation(r, order, rank);
    for (int i = 0; i < rank && how == STRIDED; i++) {
        int64_t k = order[i], size = dim[k] ? dim[k] : 1;
        if (ag_random_below(r, 8) == 0) {
            v.meta.stride[k] = 0;
            continue;
        }
        extent *= ag_random_below(r, 3) == 0 ? 2 : 1; /* a gap */
        v.meta.stride[k] = ag_random_below(r, 4) == 0 ? -extent : extent;
        extent *= size;
    }
    int64_t first = 0, last = 0;
    for (int k = 0; k < rank; k++) {
        int64_t reach = dim[k] > 0 ? (dim[k] - 1) * v.meta.stride[k] : 0;
        *(reach < 0 ? &first : &last) += reach;
    }
    size_t size = ag_dtype_size(dtype), count = ag_meta_count(&v.meta) ? (size_t)(last - first + 1) : 0;
    v.block = malloc(count * size + (count == 0));
    ck_assert_ptr_nonnull(v.block);
    memset(v.block, 0xAA, count * size);
    v.array = (ag_array){NULL, (char *)v.block + (size_t)-first * size};
    return v;
}

static inline void view_free(view *v) { free(v->block); }

/* The array, with a meta that stays valid while v does. */
static inline const ag_array *array_of(view *v) {
    v->array.meta = &v->meta;
    return &v->array;
}

/* Where row-major element i lies. */
static inline int64_t view_offset(const view *v, int64_t i) {
    int64_t offset = 0;
    for (int k = v->meta.rank - 1; k >= 0; k--) {
        offset += i % v->meta.dim[k] * v->meta.stride[k];
        i /= v->meta.dim[k];
    }
    return offset;
}
static inline double view_get(const view *v, int64_t i) {
    return agx_load(v->array.data, v->meta.dtype, view_offset(v, i));
}
static inline void view_set(view *v, int64_t i, double value) {
    agx_store(v->array.data, v->meta.dtype, view_offset(v, i), value);
}

/* Uniform in [lo, hi); whole numbers where the dtype asks for them. */
static inline void view_fill(view *v, double lo, double hi, ag_random *r) {
    int64_t n = ag_meta_count(&v->meta);
    for (int64_t i = 0; i < n; i++) {
        double value = lo + (hi - lo) * ag_random_uniform(r);
        view_set(v, i, ag_dtype_is_float(v->meta.dtype) ? value : floor(value));
    }
}

static inline view view_random(ag_dtype dtype, int rank, const int64_t *dim, layout how, double lo, double hi,
                               ag_random *r) {
    view v = view_new(dtype, rank, dim, how, r);
    view_fill(&v, lo, hi, r);
    return v;
}
static inline view view_of(ag_dtype dtype, int rank, const int64_t *dim, const double *values) {
    ag_random r = {0, 0};
    view v = view_new(dtype, rank, dim, DENSE, &r);
    for (int64_t i = 0; i < ag_meta_count(&v.meta); i++) view_set(&v, i, values[i]);
    return v;
}
/* The same numbers, dense. */
static inline view view_dense(const view *x) {
    ag_random r = {0, 0};
    view v = view_new(x->meta.dtype, x->meta.rank, x->meta.dim, DENSE, &r);
    for (int64_t i = 0; i < ag_meta_count(&v.meta); i++) view_set(&v, i, view_get(x, i));
    return v;
}

#define DIMS(...)                                                                                                 \
    (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]) { __VA_ARGS__ }

/* Some shape of rank 0 to 4: mostly small, some sizes 1 and 0, and one longer axis now and then. */
static inline int random_shape(ag_random *r, int64_t *dim) {
    int rank = (int)ag_random_below(r, 5);
    for (int k = 0; k < rank; k++) dim[k] = 1 + (int64_t)ag_random_below(r, 7);
    if (rank > 0 && ag_random_below(r, 3) == 0)
        dim[ag_random_below(r, (uint64_t)rank)] = 30 + (int64_t)ag_random_below(r, 200);
    if (rank > 0 && ag_random_below(r, 20) == 0) dim[ag_random_below(r, (uint64_t)rank)] = 0;
    return rank;
}

/* ---- comparing ---------------------------------------------------------------------------------------------- */

/* |x - y| <= tolerance * max(1, |y|), or the same infinity, or both NaN. */
static inline bool close_to(double x, double y, double tolerance) {
    if (isnan(y)) return isnan(x);
    if (isinf(y)) return x == y;
    return fabs(x - y) <= tolerance * fmax(1, fabs(y));
}

/* For inner loops: ck_assert writes a message to the parent process even where it holds. */
#define EXPECT(condition, ...)                                                                                    \
    do {                                                                                                          \
        if (!(condition)) ck_abort_msg(__VA_ARGS__);                                                              \
    } while (0)

static inline void assert_same_bits(const view *x, const view *y, const char *what) {
    ck_assert_msg(memcmp(x->array.data, y->array.data, ag_meta_bytes(&x->meta)) == 0, "%s changes bits", what);
}

/* ---- settings ----------------------------------------------------------------------------------------------- */

/* Run `body` once with every table of vector kernels this machine has. */
static inline void at_every_level(void (*body)(void)) {
    int n = 0;
    const agx_vectors *const *levels = agx_vector_levels(&n);
    for (int i = 0; i < n; i++) {
        agx_vector_force(levels[i]);
        body();
    }
    agx_vector_force(NULL);
}

#endif
