/* random: a counter-based generator (Philox4x32-10).
 *
 * Block number `counter` of the stream named by `seed` is a pure function of both, so any element of any
 * draw can be computed by any thread, in any order, and replayed. */
#ifndef AUTOGRAD_RANDOM_H
#define AUTOGRAD_RANDOM_H

#include "base.h"

AG_BEGIN_DECLS

/** A position in a stream. Plain data: copy it to replay. */
typedef struct ag_random {
    uint64_t seed;
    uint64_t counter; /* the next block of four 32-bit words */
} ag_random;

/** The four words of block `counter` of stream `seed`.
 *  Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011. */
AG_API void ag_philox(uint64_t seed, uint64_t counter, uint32_t word[4]);

/** The whole generator: any 128-bit counter, any 64-bit key. ag_philox puts its counter into words 0 and 1
 *  (low half first; words 2 and 3 are zero) and takes the seed as the key. */
AG_API void ag_philox_block(const uint32_t counter[4], const uint32_t key[2], uint32_t word[4]);

/** Sequential draws, each taking one block; ag_random_below takes another one in the rare case that both numbers of
 *  a block would favour some results, and none for n = 0. */
AG_API double ag_random_uniform(ag_random *r);             /* in [0, 1), 53 bits             */
AG_API double ag_random_normal(ag_random *r);              /* mean 0, variance 1; Box-Muller */
AG_API uint64_t ag_random_below(ag_random *r, uint64_t n); /* in [0, n), unbiased; 0 for n = 0 */
/** Fisher-Yates: a uniformly random permutation of 0 .. n-1. */
AG_API void ag_random_permutation(ag_random *r, int64_t *index, int64_t n);

AG_END_DECLS
#endif
