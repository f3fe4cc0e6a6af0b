/* gemm: the matrix product of one instruction set, on one thread. Internal to the kernels.
 *
 * The one rule that every path keeps: k is cut into blocks of equal size (agx_gemm_depth, from k alone); inside
 * a block an element is one accumulator that starts at zero and takes its products in order of k; blocks are added
 * to the element in order. Packed or not, whichever tile, edge or thread: the bits are the same.
 *
 * Not here: the choice of a backend and threads (matmul.c). */
#ifndef AGX_GEMM_H
#define AGX_GEMM_H

#include "kernels.h"

typedef struct agx_gemm_kernels {
    int64_t rows[2];        /* of a tile; index: 0 f32, 1 f64 */
    int64_t columns[2];     /* of a tile */
    int64_t packed_rows[2]; /* of a tile of `a` in `packed` */
    /* The whole product. `packed`, 64-byte aligned: room for ceil(m / rows) * packed_rows * agx_gemm_depth(k)
     * elements, into which `a` is copied; or NULL: `a` is read in place. */
    void (*product[2])(const agx_matmul *p, void *packed);
    /* z (rows, columns), dense, = x: to bring an operand into the layout that libraries take. */
    void (*dense[2])(int64_t rows, int64_t columns, const void *x, int64_t rs, int64_t cs, void *z);
} agx_gemm_kernels;

enum {
    AGX_GEMM_DEPTH = 400 /* the longest block of k: a panel of b stays in a 32 KiB first-level cache */
};

/** The size of all blocks of k but the last. */
static inline int64_t agx_gemm_depth(int64_t k) {
    if (k <= AGX_GEMM_DEPTH) return k;
    const int64_t blocks = (k + AGX_GEMM_DEPTH - 1) / AGX_GEMM_DEPTH;
    return (k + blocks - 1) / blocks;
}

#endif
