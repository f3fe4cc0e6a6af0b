/* pooling: largest elements and averages of windows of planes.
 *
 * Windows are a rectangle each: rows that a window takes down times columns that it takes across. So two lists of spans
 * describe them all, whether they come from kernel, stride, padding and dilation or from the size of the result.
 *
 * All arrays are dense row-major, (planes, in) and (planes, out). */
#ifndef AGX_POOLING_H
#define AGX_POOLING_H

#include "kernels.h"

/** Positions first, first + step, ... below `end` of an axis; all inside it. */
typedef struct agx_span {
    int64_t first, end;
    int64_t weight; /* how many positions an average counts */
} agx_span;

typedef struct agx_pooling {
    ag_dtype dtype;
    int64_t planes, in[2], out[2];
    int64_t step[2];         /* between the positions of a span */
    const agx_span *span[2]; /* (out[0]) down, (out[1]) across */
    int64_t divisor;         /* of every average; 0: the product of the two weights */
} agx_pooling;

/** y: the first largest element of each window, NaN before all others; index (i64): where it lies in its plane,
 *  row-major. No window is empty. */
ag_status agx_max_pool(const agx_pooling *p, const void *x, void *y, int64_t *index, ag_workspace *work);
/** dx (planes, size) = zeros with dy (planes, count) added at index, and dy = dx taken there. *bad: the first index
 *  outside [0, size), with AG_ERROR_INDEX; nothing is written then. */
ag_status agx_pool_scatter(ag_dtype dtype, int64_t planes, int64_t count, int64_t size, const void *dy,
                           const int64_t *index, void *dx, int64_t *bad, ag_workspace *work);
ag_status agx_pool_gather(ag_dtype dtype, int64_t planes, int64_t count, int64_t size, const void *dx,
                          const int64_t *index, void *dy, int64_t *bad, ag_workspace *work);
/** y: the sum of each window, divided; an empty window gives 0. Summed in f64. */
ag_status agx_average_pool(const agx_pooling *p, const void *x, void *y, ag_workspace *work);
/** Its transpose: dx = each dy, divided, added to all elements of its window. */
ag_status agx_average_pool_grad(const agx_pooling *p, const void *dy, void *dx, ag_workspace *work);

#endif
