/* draw: arrays of random numbers. Element i draws from one block of its own, named by the counter r.counter + i / 4 and by
 * the lane 1 + i % 4 in the block's third word - which is 0 in the blocks that sequential draws and dropout use, so that
 * nobody sees these words again. An array of n elements moves the generator on by (n + 3) / 4, as dropout does; an
 * element's bits depend on nothing but the position and its index. */
#ifndef AGX_DRAW_H
#define AGX_DRAW_H

#include "kernels.h"

/** z = uniform numbers in [0, 1): 53 bits in f64, 24 in f32. z dense. */
ag_status agx_draw_uniform(ag_random r, const ag_array *z, ag_workspace *work);
/** z = normal numbers of mean 0 and variance 1 (Box-Muller). z dense. */
ag_status agx_draw_normal(ag_random r, const ag_array *z, ag_workspace *work);
/** z = 1 with probability p, else 0. p and z dense, of one dtype and shape. AG_ERROR_VALUE, and *bad: the first p that is
 *  no probability. */
ag_status agx_draw_bernoulli(const ag_array *p, ag_random r, const ag_array *z, int64_t *bad, ag_workspace *work);
/** index = a permutation of 0 to n - 1, all equally likely but for n / 2^64 (Fisher-Yates). */
void agx_draw_permutation(ag_random r, int64_t n, int64_t *index);

#endif
