/* kernels: numbers in buffers; knows no tape. What the layers above may call.
 *
 * Rules for every kernel:
 * - it reads operands with any strides (elements; 0 repeats, negative walks back) unless it says "dense";
 * - it writes all of its output, which is dense row-major unless said otherwise, and nothing else;
 * - an element's bits depend on its operands only, never on position, stride, chunk or number of threads: vector
 *   tails are padded to a full vector, reductions add fixed-size blocks in fixed order;
 * - it allocates nothing but scratch from the workspace, and says so when there is none (AG_ERROR_MEMORY);
 * - empty arrays are legal everywhere. */
#ifndef AGX_KERNELS_H
#define AGX_KERNELS_H

#include "../op.h"
#include "../random.h"
#include "../arena.h"

/** Scratch and threads, owned by a tape (or made on the stack by ag_op_run). */
struct ag_workspace {
    agx_arena arena;
    int threads; /* at least 1 */
};
void agx_workspace_init(ag_workspace *w, int threads); /* 0: one; AG_THREADS_ALL: as many as OpenMP would use */
void agx_workspace_clear(ag_workspace *w);

/* ---- elementwise (ops/elementwise.def instantiated; vector.c is compiled once per instruction set) ------- */

enum agx_row {
#define ROW(name, ...) AGX_ROW_##name,
#include "../ops/elementwise.def"
#undef ROW
    AGX_ROW_COUNT
};

/** One inner loop: z[i] = f(in[k][i * inc[k]]), inc 0 or 1, c: the row's number. Alias of z with in[k]
 *  (same address, inc 1) is allowed. */
typedef void agx_loop(int64_t n, const void *const *in, const int *inc, void *z, double c);

enum { AGX_EQ, AGX_NE, AGX_LT, AGX_LE, AGX_GT, AGX_GE, AGX_COMPARE_COUNT };

/** The table of vector kernels of one instruction set. Index [dtype]: 0 is f32, 1 is f64.
 *  dx and dy take in = {dz, x, y, z} (pointers to what the row does not keep are any readable address). */
typedef struct agx_vectors {
    const char *level; /* "baseline", "avx2", "avx512", "neon" */
    agx_loop *forward[AGX_ROW_COUNT][2];
    agx_loop *dx[AGX_ROW_COUNT][2];
    agx_loop *dy[AGX_ROW_COUNT][2];
    agx_loop *integers[AGX_ROW_COUNT];       /* the value for i64; NULL for rows of FLOATS */
    agx_loop *compare[AGX_COMPARE_COUNT][2]; /* z: bool bytes */
    agx_loop *compare_integers[AGX_COMPARE_COUNT]; /* i64 */
    agx_loop *select[2];                     /* in = {bool, x, y}; moves bits: by width, 4 and 8 bytes */
    agx_loop *select_bytes;                  /* the same for elements of one byte */
    agx_loop *exp_shift[2];                  /* exp(x - y), for softmax and logsumexp */
    agx_loop *addcmul[2];                    /* x + c y w; in = {x, y, w} */
    agx_loop *lerp[2];                       /* x + w (y - x); in = {x, y, w} */
    double (*sum_f32)(int64_t n, const float *x);  /* dense; fixed block order, accumulated in f64 or pairwise */
    double (*sum_f64)(int64_t n, const double *x); /* dense; fixed block order */
    /* matrix product micro-kernels: see matmul.c */
    const struct agx_gemm_kernels *gemm;
} agx_vectors;

/** One table a level, defined by vector.c; which of them the build has is vectors.c's business. */
extern const agx_vectors agx_vectors_baseline, agx_vectors_avx2, agx_vectors_avx512, agx_vectors_neon;

/** The table in force: the best this machine has, or what AG_ISA names (an unknown or unavailable name falls
 *  back to baseline). Chosen once, thread-safe. */
const agx_vectors *agx_vector_table(void);
/** All levels this build and machine can run, best last; n receives how many. For tests. */
const agx_vectors *const *agx_vector_levels(int *n);
/** Force a table (tests); NULL returns to the default choice. */
void agx_vector_force(const agx_vectors *table);

/** z = loop(in...) over the shape of z, operands broadcast to it and strided as they like. Element sizes
 *  follow from the dtypes in the metas. Uses threads when the work is worth it. */
ag_status agx_map(agx_loop *loop, const ag_array *in, uint32_t n_in, const ag_array *z, double c,
                  ag_workspace *work);
/** The value of a row for f32, f64 and (rows with INTS) i64 operands; operands of other dtypes are cast to
 *  z's dtype on the way. AG_ERROR_DTYPE: the row has no value of z's dtype. */
ag_status agx_map_row(enum agx_row row, const ag_array *in, uint32_t n_in, const ag_array *z, double c,
                      ag_workspace *work);
/** Comparison into bool; operands of different dtypes are promoted. */
ag_status agx_compare(int which, const ag_array *in, const ag_array *z, ag_workspace *work);
/** z = in[0] ? in[1] : in[2], any element type; the condition is a bool, the others are cast to z's dtype. */
ag_status agx_select(const ag_array *in, const ag_array *z, ag_workspace *work);

/* ---- copying ------------------------------------------------------------------------------------------------ */

/** A number as an i64: towards zero, the nearest end where it does not fit, NaN 0. */
static inline int64_t agx_integer(double x) {
    if (!(x >= -0x1p63)) return x < 0 ? INT64_MIN : 0;
    return x < 0x1p63 ? (int64_t)x : INT64_MAX;
}
/** z[i * z_inc] = x[i * x_inc], converted: bool is x != 0, i64 is agx_integer(x). */
typedef void agx_row_copy(int64_t n, const void *x, int64_t x_inc, void *z, int64_t z_inc);
agx_row_copy *agx_copy_row(ag_dtype from, ag_dtype to);


/** z = x with z's dtype and z's strides (both may be strided; x broadcasts to z). In this part work may be NULL:
 *  one thread. */
ag_status agx_copy(const ag_array *x, const ag_array *z, ag_workspace *work);
void agx_fill(const ag_array *z, double c);                   /* z may be strided */
/** z += x, same shape and dtype, z may be strided, x may broadcast. */
ag_status agx_accumulate(const ag_array *x, const ag_array *z, ag_workspace *work);
double agx_load(const void *data, ag_dtype dtype, int64_t index);
void agx_store(void *data, ag_dtype dtype, int64_t index, double value);

/* ---- reductions: over the axes in `mask`, z has those axes removed or of size 1 (same element order) ---------- */

typedef enum agx_reduction { AGX_SUM, AGX_MEAN, AGX_AMAX, AGX_LOGSUMEXP, AGX_AMIN, AGX_PROD } agx_reduction;
/** f32 sums are accumulated pairwise or in f64. i64 for SUM, AMAX, AMIN, PROD. mean of nothing: NaN. NaN wins
 *  in amax and amin. logsumexp uses m = max, m := 0 if not finite. */
ag_status agx_reduce(agx_reduction kind, const ag_array *x, uint32_t mask, const ag_array *z,
                     ag_workspace *work);
/** Index (i64, row-major over the reduced axes) of the first largest (largest true) or smallest; NaN wins. */
ag_status agx_arg_reduce(bool largest, const ag_array *x, uint32_t mask, const ag_array *z,
                         ag_workspace *work);
/** Sum x over broadcast dimensions down to z's shape (z broadcasts to x). */
ag_status agx_sum_to(const ag_array *x, const ag_array *z, ag_workspace *work);

/* ---- along one axis, one result a position: operands dense, z not one of them (a scalar: axis 0) ------------------ */

typedef enum agx_scan_kind { AGX_SCAN_SUM, AGX_SCAN_PROD, AGX_SCAN_RECURRENCE } agx_scan_kind;
/** z_k = b_k + z_(k-1), b_k z_(k-1), or b_k + a_k z_(k-1); nothing precedes the first. In reverse the walk begins at
 *  the end, and the recurrence is the transpose of the other: z_k = b_k + a_(k+1) z_(k+1). a: NULL but for recurrences.
 *  f32 is accumulated in f64. i64 for SUM and PROD. */
ag_status agx_scan(agx_scan_kind kind, const ag_array *a, const ag_array *b, int axis, bool reverse,
                   const ag_array *z, ag_workspace *work);
/** The first k of each lane in order, and where they were (i64): ascending, or descending. Elements that are equal
 *  keep their order; NaN is larger than all else. values and index have k positions along axis. No bools. */
ag_status agx_sort(const ag_array *x, int axis, bool descending, const ag_array *values, const ag_array *index,
                   ag_workspace *work);

/* ---- softmax family, along one axis ------------------------------------------------------------------------------ */

ag_status agx_softmax(const ag_array *x, int axis, bool logarithm, const ag_array *z, ag_workspace *work);
/** dx from y = softmax(x) (or log_softmax) and dy: y (dy - sum dy y), or dy - exp(y) sum dy. */
ag_status agx_softmax_grad(const ag_array *y, const ag_array *dy, int axis, bool logarithm,
                           const ag_array *dx, ag_workspace *work);
/** Mean, over the rows whose target is not `ignore`, of logsumexp(x_b) - x_b[t_b]; x (B, C) float, t (B) i64, z ().
 *  bad_row: the first row whose target is outside [0, C) and not ignored, with AG_ERROR_INDEX. No rows give 0. */
ag_status agx_cross_entropy(const ag_array *x, const ag_array *t, int64_t ignore, const ag_array *z,
                            int64_t *bad_row, ag_workspace *work);
/** dx = (softmax(x) - onehot(t)) * dz / n for n rows that are not ignored, 0 for the others; dz ().
 *  bad_row: as above, or NULL. */
ag_status agx_cross_entropy_grad(const ag_array *x, const ag_array *t, int64_t ignore, const ag_array *dz,
                                 const ag_array *dx, int64_t *bad_row, ag_workspace *work);

/* ---- standardize: over the axes in `mask` -------------------------------------------------------------------------- */

/** z = (x - mean) / sqrt(var + eps), with mean and biased variance of x over the masked axes; mean and var (dense) have
 *  those axes of size 1. The variance is of the centred numbers; sums as in agx_reduce. No numbers: mean and var are
 *  NaN. */
ag_status agx_standardize(const ag_array *x, uint32_t mask, double eps, const ag_array *z, const ag_array *mean,
                          const ag_array *var, ag_workspace *work);
/** dx = (dy - mean dy - y mean(dy y)) / sqrt(var + eps), means over the masked axes, which have size 1 in var. */
ag_status agx_standardize_grad(const ag_array *y, const ag_array *var, const ag_array *dy, uint32_t mask, double eps,
                               const ag_array *dx, ag_workspace *work);

/* ---- indices ------------------------------------------------------------------------------------------------------- */

/** z = x with the given positions along axis; index (n) i64. *bad: the first position out of range, with
 *  AG_ERROR_INDEX. Negative indices are errors. */
ag_status agx_index_select(const ag_array *x, int axis, const ag_array *index, const ag_array *z,
                           int64_t *bad, ag_workspace *work);
/** z = zeros of z's shape, then z[..., index[i], ...] += x[..., i, ...] in order of i. */
ag_status agx_index_add(const ag_array *x, int axis, const ag_array *index, const ag_array *z,
                        int64_t *bad, ag_workspace *work);
/** z = x with a position for every element of z: z[i, j] = x[index[i, j], j] for axis 0. index i64 of x's rank and z's
 *  shape, no larger than x off the axis. *bad: the row-major number of the first position out of range. In gather.c. */
ag_status agx_gather(const ag_array *x, int axis, const ag_array *index, const ag_array *z, int64_t *bad);
/** z[index[i, j], j] += x[i, j] for axis 0, in row-major order of the index, which is no larger than x, nor than z off
 *  the axis. f32, f64, i64. */
ag_status agx_scatter_add(const ag_array *x, int axis, const ag_array *index, const ag_array *z, int64_t *bad);

/* ---- random --------------------------------------------------------------------------------------------------------- */

/** z = x / (1 - p) where a uniform number in [0, 1) drawn for the element's row-major index is >= p, else 0.
 *  Element i uses word i % 4 of block r.counter + i / 4. p = 1 gives zeros. */
ag_status agx_dropout(const ag_array *x, double p, ag_random r, const ag_array *z,
                      ag_workspace *work);

/* ---- matrix products ----------------------------------------------------------------------------------------------- */

/** c (m, n) = a (m, k) b (k, n) [+ c when accumulate] [+ bias (n), when not NULL]. f32 or f64. rs and cs are the
 *  row and column strides of a and b in elements, any values; c has row stride ldc and column stride 1.
 *  k = 0 gives zeros (or c, or bias). Bits depend on shape and values only, not on the strides, not on threads. */
typedef struct agx_matmul {
    ag_dtype dtype;
    int64_t m, n, k;
    const void *a, *b;
    int64_t a_rs, a_cs, b_rs, b_cs;
    void *c;
    int64_t ldc;
    const void *bias; /* (n), element stride 1, or NULL */
    bool accumulate;
} agx_matmul;
ag_status agx_matmul_run(const agx_matmul *p, ag_workspace *work);
/** Which implementation serves large products: "portable", "onednn", "cblas"; AG_MATMUL= in the environment overrides
 *  the choice. agx_matmul_backends lists what this build has (NULL-terminated); force: tests, NULL: default. */
const char *agx_matmul_backend(void);
const char *const *agx_matmul_backends(void);
ag_status agx_matmul_force(const char *backend);

#endif
