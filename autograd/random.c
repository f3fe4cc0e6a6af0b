/* random: Philox4x32-10 and the sequential draws on top of it.
 *
 * Invariant: a block is a pure function of its counter and key; the only state is the caller's ag_random.
 * Left out: filling arrays, which the kernels do block by block. */
#include "random.h"

#include <math.h>

/* The constants are those of the paper: two multipliers, and the Weyl steps of the key (the golden ratio and
 * sqrt(3) - 1, scaled). Ten rounds. */
void ag_philox_block(const uint32_t counter[4], const uint32_t key[2], uint32_t word[4]) {
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    word[0] = c0, word[1] = c1, word[2] = c2, word[3] = c3;
}

void ag_philox(uint64_t seed, uint64_t counter, uint32_t word[4]) {
    const uint32_t block[4] = {(uint32_t)counter, (uint32_t)(counter >> 32), 0, 0};
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    ag_philox_block(block, key, word);
}

/* One block as two 64-bit numbers. */
static void draw(ag_random *r, uint64_t pair[2]) {
    uint32_t word[4];
    ag_philox(r->seed, r->counter++, word);
    pair[0] = (uint64_t)word[1] << 32 | word[0];
    pair[1] = (uint64_t)word[3] << 32 | word[2];
}

/* The 53 bits that a double holds, as a multiple of 2^-53. */
static double unit(uint64_t bits) { return (double)(bits >> 11) * 0x1p-53; }

double ag_random_uniform(ag_random *r) {
    uint64_t pair[2];
    draw(r, pair);
    return unit(pair[0]);
}

double ag_random_normal(ag_random *r) {
    const double two_pi = 6.283185307179586476925286766559;
    uint64_t pair[2];
    draw(r, pair);
    /* The radius from (0, 1], because log(0) is not a number to multiply with. */
    double radius = sqrt(-2 * log(unit(pair[0]) + 0x1p-53));
    return radius * cos(two_pi * unit(pair[1]));
}

uint64_t ag_random_below(ag_random *r, uint64_t n) {
    if (n == 0) return 0;
    /* 2^64 mod n: with that many of the smallest numbers refused, every remainder is equally likely. */
    uint64_t refused = (0 - n) % n;
    for (;;) {
        uint64_t pair[2];
        draw(r, pair);
        if (pair[0] >= refused) return pair[0] % n;
        if (pair[1] >= refused) return pair[1] % n;
    }
}

void ag_random_permutation(ag_random *r, int64_t *index, int64_t n) {
    for (int64_t i = 0; i < n; i++) index[i] = i;
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = (int64_t)ag_random_below(r, (uint64_t)i + 1), held = index[i];
        index[i] = index[j];
        index[j] = held;
    }
}
