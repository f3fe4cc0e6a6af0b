/* softmax_impl: blocks of rows and their weights, for softmax.c and cross_entropy.c. */
#ifndef AGX_SOFTMAX_IMPL_H
#define AGX_SOFTMAX_IMPL_H

#include "rows.h"

enum {
    AGX_BLOCK_ROWS = 64,     /* most rows of a block                                                          */
    AGX_NARROW = 32,         /* up to this width a block is one call to exp, and loops over it are written out */
    AGX_NARROW_BLOCK = 1024, /* most elements of a block of narrow rows: a buffer on the stack                */
};

/** An operand or result, seen as rows. */
typedef struct agx_side {
    agx_dims rows, cols;
    char *data; /* NULL: this job has none */
    bool in_place;
} agx_side;

typedef struct agx_row_job agx_row_job;
/** Work on rows [first, first + n): x and y have x_step and y_step elements from row to row, z (n, n_cols) is
 *  dense, and may be where y is when both are gathered. */
typedef void agx_block_fn(const agx_row_job *j, int64_t first, int64_t n, const void *x, int64_t x_step,
                          const void *y, int64_t y_step, void *z);

struct agx_row_job {
    agx_block_fn *block;
    const agx_vectors *v;
    ag_dtype dtype; /* of x, y and z */
    size_t size;
    bool logarithm;
    int64_t n_rows, n_cols, block_rows, n_blocks;
    agx_side x, y, z;
    char *scratch; /* (threads, 2, block_rows, n_cols) elements */
    /* cross-entropy alone */
    const int64_t *target; /* (n_rows) */
    int64_t target_step, ignore;
    double scale;
    double *loss; /* (n_blocks) */
};

/** Everything but the sides, which are absent so far. False: the array is empty. */
bool agx_row_job_init(agx_row_job *j, agx_block_fn *block, const ag_meta *meta, int axis);
void agx_side_init(agx_side *s, const ag_array *a, int axis);
ag_status agx_row_job_run(agx_row_job *j, ag_workspace *work);

/** The largest m and the weights' sum s of n rows, and the weights e = exp(x - m), (n, n_cols) dense. For narrow rows e
 *  is a buffer of AGX_NARROW_BLOCK elements; for wide ones NULL, when only the sums are wanted, or where they belong.
 *  Limits as in agx_row_exp. m and s have AGX_BLOCK_ROWS elements. */
void agx_row_weights(const agx_row_job *j, int64_t n, const void *x, int64_t step, void *e, double *m, double *s);
/** x - m with those limits: the logarithm of the weight. */
double agx_log_weight(double x, double m);
/** log_s[r] = log s[r]; both have AGX_BLOCK_ROWS elements, and those past n are overwritten. */
void agx_row_logs(const agx_row_job *j, int64_t n, double *s, double *log_s);
/** z[i] = f(x[i], c) for a row of the elementwise table. */
void agx_row_with_number(const agx_row_job *j, enum agx_row f, int64_t n, const void *x, double c, void *z);

static inline double agx_row_load(const agx_row_job *j, const void *x, int64_t i) {
    return j->dtype == AG_F32 ? (double)((const float *)x)[i] : ((const double *)x)[i];
}
static inline void agx_row_store(const agx_row_job *j, void *z, int64_t i, double value) {
    if (j->dtype == AG_F32)
        ((float *)z)[i] = (float)value;
    else
        ((double *)z)[i] = value;
}

#endif
