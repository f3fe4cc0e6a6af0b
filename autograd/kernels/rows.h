/* rows: an array seen as a matrix, and the few things that reductions and the softmax family do with a row.
 *
 * The axes of an array are dealt into two lists: those that stay become the rows, those that are worked along
 * (summed, normalised) the columns, each list row-major in itself. A tile is a rectangle of that matrix. Where its
 * rows lie contiguous in memory it is read in place, otherwise it is gathered into a buffer first; either way the
 * arithmetic sees the same numbers in the same order, so strides never change a bit of the result.
 *
 * Invariant: long rows are worked on in chunks of AGX_CHUNK columns, and chunks are combined in order. Left out:
 * what is computed (reduce.c, columns.c, softmax.c). */
#ifndef AGX_ROWS_H
#define AGX_ROWS_H

#include "kernels.h"

enum { AGX_CHUNK = 1024 };

/** A list of axes, merged where the strides allow it. At least one axis: nothing to list is one of size 1. */
typedef struct agx_dims {
    int rank;
    int64_t dim[AG_MAX_RANK], stride[AG_MAX_RANK];
} agx_dims;

/** List the axes of `meta` whose bits are set; returns the product of their sizes. */
int64_t agx_dims_init(agx_dims *d, const ag_meta *meta, uint32_t mask);
/** Where element `index` (row-major in the list) lies, in elements. */
int64_t agx_dims_offset(const agx_dims *d, int64_t index);
/** One axis without holes? */
static inline bool agx_dims_contiguous(const agx_dims *d) { return d->rank == 1 && d->stride[0] == 1; }

/** Rows [r0, r0 + nr) and columns [c0, c0 + nc). */
typedef struct agx_tile {
    const agx_dims *rows, *cols;
    int64_t r0, nr, c0, nc;
} agx_tile;

/** Can a tile of such a matrix be used where it lies? */
static inline bool agx_tile_in_place(const agx_dims *rows, const agx_dims *cols) {
    return rows->rank == 1 && agx_dims_contiguous(cols);
}
/** The tile's numbers: in place, or gathered into `buffer` (nr, nc). *step: elements from row to row. */
const void *agx_tile_read(const agx_tile *t, const void *x, size_t size, void *buffer, int64_t *step);
/** Put `buffer` (nr, nc) where the tile lies in z. */
void agx_tile_write(const agx_tile *t, void *z, size_t size, const void *buffer);

/** Largest (or smallest) of n >= 1 floats; NaN wins. */
double agx_row_extreme(const agx_vectors *v, bool largest, ag_dtype dtype, const void *x, int64_t n);
/** Sum of n <= AGX_CHUNK floats. */
double agx_row_sum(const agx_vectors *v, ag_dtype dtype, const void *x, int64_t n);
/** e = exp(x - m), where m is the largest of the row; returns the sum. e (n) may be x, or NULL when only the sum
 *  is wanted. The limits are taken: with m = -inf (everything masked) every e is 0, with m = inf an element is 1
 *  where x is inf and else 0. So logsumexp is m + log(sum) and softmax e / sum for every m, but for the 0 / 0 of
 *  the masked row. */
double agx_row_exp(const agx_vectors *v, ag_dtype dtype, const void *x, int64_t n, double m, void *e);

/** task(context, i, thread) for every i < n, on up to `threads` threads, numbered from 0. Tasks must not depend on
 *  each other; static bounds, so that a thread keeps its scratch. */
typedef void agx_task(void *context, int64_t i, int thread);
void agx_tasks_run(int64_t n, int threads, agx_task *task, void *context);
/** How many threads `elements` of work deserve. */
int agx_threads_for(const ag_workspace *work, int64_t elements);

/** Sums over the rows of a matrix: z[o, k] = sum_r x[o, r, k] / divisor, for f32 and f64. x (outer, rows, cols) as
 *  three lists of axes, z dense. In columns.c. */
typedef struct agx_column_sum {
    ag_dtype dtype;
    agx_dims outer, rows, cols;
    int64_t n_outer, n_rows, n_cols;
    const void *x;
    void *z; /* (outer, cols) */
    double divisor;
} agx_column_sum;
ag_status agx_column_sum_run(const agx_column_sum *p, ag_workspace *work);

#endif
