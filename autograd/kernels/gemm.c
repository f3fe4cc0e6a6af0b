/* gemm: the matrix product on the compiler's vector types. Compiled once per instruction set, with AGX_LEVEL
 * naming it. Where the machine has fused multiply-add it is asked for by name: compilers fuse x * y + z only where
 * both happen to lie in one basic block, and then two paths to an element would differ.
 *
 * After Goto and van de Geijn, "Anatomy of high-performance matrix multiplication" (ACM TOMS 34, 2008), with less
 * packing: a panel of b, a block of k deep and a tile wide, is packed on the stack and stays in the first-level
 * cache while all rows of a pass by. `a` is read one element at a time, so its rows are used in place
 * unless the caller (matmul.c) expects them to collide in the cache.
 *
 * gemm_template.h holds the code for one element type; this file says what the types are. Left out: masks. Edges
 * in n compute whole vectors, of which only the valid part is loaded from and stored to c. */
#include "gemm.h"

#include <string.h>

#if defined(__AVX512F__) || defined(__FMA__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#define TILE_ROWS    12 /* 24 accumulators of 32 registers */
#elif defined(__FMA__)
#define VECTOR_BYTES 32
#define TILE_ROWS    6 /* 12 accumulators, 2 of b, 1 of a: 15 of 16 registers */
#elif defined(__aarch64__)
#define VECTOR_BYTES 16
#define TILE_ROWS    12
#else
#define VECTOR_BYTES 16
#define TILE_ROWS    6
#endif
#define TILE_VECTORS 2  /* columns of a tile, in vectors */
#define TALL_ROWS    12 /* of a tile one vector wide */
#define WIDE_VECTORS 8  /* of a lone row, which has no other way to keep the units busy */

#if defined(__clang__) /* which needs minutes to compile the checks of unrolled code */
#define INLINE static inline __attribute__((always_inline, no_sanitize("undefined")))
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")
#endif
#define PASTE_(x, y) x##_##y
#define PASTE(x, y)  PASTE_(x, y)

/* How rows are cut into tiles: nearly equal, because the last of 6, 6, ..., 2 would starve the units. */
typedef struct row_cut {
    int64_t tiles, rows, longer; /* the first `longer` tiles have a row more */
} row_cut;

INLINE row_cut cut_rows(int64_t m, int64_t most) {
    if (m <= most) return (row_cut){1, m, 0};
    const int64_t tiles = (m + most - 1) / most;
    const int64_t rows = m / tiles;
    return (row_cut){tiles, rows, m - rows * tiles};
}

/* Vectors are transposed in blocks of 16 bytes: a lane holds QUAD elements of one row. SHUFFLE names, for every
 * lane alike, elements of x (0 to QUAD-1) and of y (from QUAD); JOIN puts lanes side by side. FMA is x y + z,
 * rounded once. */
#define AT(i, lane) ((i) < QUAD ? (i) + QUAD * (lane) : LANES - QUAD + (i) + QUAD * (lane))

#define T                       float
#define NAME(x)                 PASTE(x, f32)
#define QUAD                    4
#define LANES                   (VECTOR_BYTES / 4)
#define LANE4(lane, a, b, c, d) AT(a, lane), AT(b, lane), AT(c, lane), AT(d, lane)
#if defined(__AVX512F__)
#define SHUFFLE(x, y, ...)                                                                                        \
    __builtin_shufflevector(x, y, LANE4(0, __VA_ARGS__), LANE4(1, __VA_ARGS__), LANE4(2, __VA_ARGS__),            \
                            LANE4(3, __VA_ARGS__))
#define FMA(x, y, z) _mm512_fmadd_ps(x, y, z)
#elif defined(__FMA__)
#define SHUFFLE(x, y, ...) __builtin_shufflevector(x, y, LANE4(0, __VA_ARGS__), LANE4(1, __VA_ARGS__))
#define FMA(x, y, z)       _mm256_fmadd_ps(x, y, z)
#else
#define SHUFFLE(x, y, ...) __builtin_shufflevector(x, y, LANE4(0, __VA_ARGS__))
#if defined(__aarch64__)
#define FMA(x, y, z) vfmaq_f32(z, x, y)
#else
#define FMA(x, y, z) ((x) * (y) + (z))
#endif
#endif
#define JOIN2(x, y) __builtin_shufflevector(x, y, 0, 1, 2, 3, 4, 5, 6, 7)
#define JOIN4(x, y) __builtin_shufflevector(x, y, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
#include "gemm_template.h"
#undef T
#undef NAME
#undef QUAD
#undef LANES
#undef SHUFFLE
#undef FMA
#undef JOIN2
#undef JOIN4

#define T                 double
#define NAME(x)           PASTE(x, f64)
#define QUAD              2
#define LANES             (VECTOR_BYTES / 8)
#define LANE2(lane, a, b) AT(a, lane), AT(b, lane)
#if defined(__AVX512F__)
#define SHUFFLE(x, y, a, b)                                                                                       \
    __builtin_shufflevector(x, y, LANE2(0, a, b), LANE2(1, a, b), LANE2(2, a, b), LANE2(3, a, b))
#define FMA(x, y, z) _mm512_fmadd_pd(x, y, z)
#elif defined(__FMA__)
#define SHUFFLE(x, y, a, b) __builtin_shufflevector(x, y, LANE2(0, a, b), LANE2(1, a, b))
#define FMA(x, y, z)        _mm256_fmadd_pd(x, y, z)
#else
#define SHUFFLE(x, y, a, b) __builtin_shufflevector(x, y, LANE2(0, a, b))
#if defined(__aarch64__)
#define FMA(x, y, z) vfmaq_f64(z, x, y)
#else
#define FMA(x, y, z) ((x) * (y) + (z))
#endif
#endif
#define JOIN2(x, y) __builtin_shufflevector(x, y, 0, 1, 2, 3)
#define JOIN4(x, y) __builtin_shufflevector(x, y, 0, 1, 2, 3, 4, 5, 6, 7)
#include "gemm_template.h"

#define PACKED(size) ((TILE_ROWS * (size) + VECTOR_BYTES - 1) / VECTOR_BYTES * VECTOR_BYTES / (size))
extern const agx_gemm_kernels PASTE(agx_gemm, AGX_LEVEL);
const agx_gemm_kernels PASTE(agx_gemm, AGX_LEVEL) = {
    .rows = {TILE_ROWS, TILE_ROWS},
    .columns = {VECTOR_BYTES / 4 * TILE_VECTORS, VECTOR_BYTES / 8 * TILE_VECTORS},
    .packed_rows = {PACKED(4), PACKED(8)},
    .product = {product_f32, product_f64},
    .dense = {dense_f32, dense_f64},
};
