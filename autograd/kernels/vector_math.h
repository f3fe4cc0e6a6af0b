/* vector_math: vectors of one machine register, and the functions the elementwise vocabulary needs on them.
 *
 * Included by vector.c alone, which is compiled once per instruction set. The width follows the flags it is
 * compiled with: 64 bytes under AVX-512, 32 under AVX, 16 otherwise. Everything exists for T in {f32, f64}:
 *
 *   vec_T         LANES_T numbers             mask_T   LANES_T integers of the same width, 0 or -1 (a condition)
 *   splat_T(c)    load_T(p)  store_T(p, v)    p needs no alignment
 *   where_T(m, a, b)    abs_T, sqrt_T, pow_T and so on: a function a word of elementwise.def
 *
 * A lane's result depends on that lane's operands only. The transcendental functions are glibc's libmvec, whose
 * vector symbols are called by name (x86-64 vector ABI: _ZGV, b d e for SSE, AVX2, AVX-512, N unmasked, lanes, one
 * v an operand); within 4 ulp, with C's special values, which tests/test_vector.c checks on every level. Without
 * libmvec each lane goes through scalar libm. Mixing the two by position is what must never happen.
 *
 * Left out: integers (vector.c) and loops (vector_loops.h). */
#ifndef AGX_VECTOR_MATH_H
#define AGX_VECTOR_MATH_H

#include <math.h>

#include "special.h"
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#if defined(__AVX512F__)
#define AGX_VECTOR_BYTES 64
#elif defined(__AVX2__)
#define AGX_VECTOR_BYTES 32
#else
#define AGX_VECTOR_BYTES 16
#endif

enum { LANES_f32 = AGX_VECTOR_BYTES / 4, LANES_f64 = AGX_VECTOR_BYTES / 8 };

/* c - 0 keeps the sign of a zero, which c + 0 would not. */
#define DEFINE_VECTOR(T, real, integer, sign)                                                                     \
    typedef real vec_##T __attribute__((vector_size(AGX_VECTOR_BYTES)));                                          \
    typedef integer mask_##T __attribute__((vector_size(AGX_VECTOR_BYTES)));                                      \
    static inline vec_##T splat_##T(real c) { return c - (vec_##T){0}; }                                          \
    static inline vec_##T load_##T(const void *p) {                                                               \
        vec_##T v;                                                                                                \
        memcpy(&v, p, sizeof v);                                                                                  \
        return v;                                                                                                 \
    }                                                                                                             \
    static inline void store_##T(void *p, vec_##T v) { memcpy(p, &v, sizeof v); }                                 \
    static inline vec_##T where_##T(mask_##T m, vec_##T a, vec_##T b) {                                           \
        return (vec_##T)(((mask_##T)a & m) | ((mask_##T)b & ~m));                                                 \
    }                                                                                                             \
    static inline vec_##T abs_##T(vec_##T x) { return (vec_##T)((mask_##T)x & (sign)); }

DEFINE_VECTOR(f32, float, int32_t, INT32_MAX)
DEFINE_VECTOR(f64, double, int64_t, INT64_MAX)
#undef DEFINE_VECTOR

/* ---- square root: one instruction, exact to half an ulp ----------------------------------------------------- */

#if defined(__AVX512F__)
static inline vec_f32 sqrt_f32(vec_f32 x) { return (vec_f32)_mm512_sqrt_ps((__m512)x); }
static inline vec_f64 sqrt_f64(vec_f64 x) { return (vec_f64)_mm512_sqrt_pd((__m512d)x); }
#elif defined(__AVX2__)
static inline vec_f32 sqrt_f32(vec_f32 x) { return (vec_f32)_mm256_sqrt_ps((__m256)x); }
static inline vec_f64 sqrt_f64(vec_f64 x) { return (vec_f64)_mm256_sqrt_pd((__m256d)x); }
#elif defined(__SSE2__)
static inline vec_f32 sqrt_f32(vec_f32 x) { return (vec_f32)_mm_sqrt_ps((__m128)x); }
static inline vec_f64 sqrt_f64(vec_f64 x) { return (vec_f64)_mm_sqrt_pd((__m128d)x); }
#elif defined(__aarch64__)
static inline vec_f32 sqrt_f32(vec_f32 x) { return (vec_f32)vsqrtq_f32((float32x4_t)x); }
static inline vec_f64 sqrt_f64(vec_f64 x) { return (vec_f64)vsqrtq_f64((float64x2_t)x); }
#else
#define AGX_LANEWISE_SQRT
#endif

/* ---- transcendental functions ----------------------------------------------------------------------------------- */

#define DEFINE_LANEWISE_1(name, T, scalar)                                                                        \
    static inline vec_##T name##_##T(vec_##T x) {                                                                 \
        for (int i = 0; i < LANES_##T; i++) x[i] = scalar(x[i]);                                                  \
        return x;                                                                                                 \
    }
#define DEFINE_LANEWISE_2(name, T, scalar)                                                                        \
    static inline vec_##T name##_##T(vec_##T x, vec_##T y) {                                                      \
        for (int i = 0; i < LANES_##T; i++) x[i] = scalar(x[i], y[i]);                                            \
        return x;                                                                                                 \
    }

#ifdef AGX_LANEWISE_SQRT
DEFINE_LANEWISE_1(sqrt, f32, sqrtf)
DEFINE_LANEWISE_1(sqrt, f64, sqrt)
#undef AGX_LANEWISE_SQRT
#endif

#if defined(AGX_HAVE_LIBMVEC) && defined(__x86_64__)
#define DEFINE_LIBMVEC_1(name, T, symbol)                                                                         \
    vec_##T symbol(vec_##T);                                                                                      \
    static inline vec_##T name##_##T(vec_##T x) { return symbol(x); }
#define DEFINE_LIBMVEC_2(name, T, symbol)                                                                         \
    vec_##T symbol(vec_##T, vec_##T);                                                                             \
    static inline vec_##T name##_##T(vec_##T x, vec_##T y) { return symbol(x, y); }
#if defined(__AVX512F__)
#define FUNCTION_1(name)                                                                                          \
    DEFINE_LIBMVEC_1(name, f32, _ZGVeN16v_##name##f)                                                              \
    DEFINE_LIBMVEC_1(name, f64, _ZGVeN8v_##name)
#define FUNCTION_2(name)                                                                                          \
    DEFINE_LIBMVEC_2(name, f32, _ZGVeN16vv_##name##f)                                                             \
    DEFINE_LIBMVEC_2(name, f64, _ZGVeN8vv_##name)
#elif defined(__AVX2__)
#define FUNCTION_1(name)                                                                                          \
    DEFINE_LIBMVEC_1(name, f32, _ZGVdN8v_##name##f)                                                               \
    DEFINE_LIBMVEC_1(name, f64, _ZGVdN4v_##name)
#define FUNCTION_2(name)                                                                                          \
    DEFINE_LIBMVEC_2(name, f32, _ZGVdN8vv_##name##f)                                                              \
    DEFINE_LIBMVEC_2(name, f64, _ZGVdN4vv_##name)
#else
#define FUNCTION_1(name)                                                                                          \
    DEFINE_LIBMVEC_1(name, f32, _ZGVbN4v_##name##f)                                                               \
    DEFINE_LIBMVEC_1(name, f64, _ZGVbN2v_##name)
#define FUNCTION_2(name)                                                                                          \
    DEFINE_LIBMVEC_2(name, f32, _ZGVbN4vv_##name##f)                                                              \
    DEFINE_LIBMVEC_2(name, f64, _ZGVbN2vv_##name)
#endif
#else
#define FUNCTION_1(name)                                                                                          \
    DEFINE_LANEWISE_1(name, f32, name##f)                                                                         \
    DEFINE_LANEWISE_1(name, f64, name)
#define FUNCTION_2(name)                                                                                          \
    DEFINE_LANEWISE_2(name, f32, name##f)                                                                         \
    DEFINE_LANEWISE_2(name, f64, name)
#endif

FUNCTION_1(exp)
FUNCTION_1(log)
FUNCTION_1(sin)
FUNCTION_1(cos)
FUNCTION_1(tanh)
FUNCTION_2(pow)
FUNCTION_1(exp2)
FUNCTION_1(expm1)
FUNCTION_1(log1p)
FUNCTION_1(log2)
FUNCTION_1(log10)
FUNCTION_1(tan)
FUNCTION_1(asin)
FUNCTION_1(acos)
FUNCTION_1(atan)
FUNCTION_1(sinh)
FUNCTION_1(cosh)
FUNCTION_1(asinh)
FUNCTION_1(acosh)
FUNCTION_1(atanh)
FUNCTION_1(erf)
FUNCTION_1(erfc)
FUNCTION_2(atan2)
FUNCTION_2(hypot)
#undef FUNCTION_1
#undef FUNCTION_2

/* By the sign of x, so that exp never overflows and neither tail loses its digits: with e = exp(-|x|) in (0, 1],
 * 1 / (1 + e) for x >= 0 and e / (1 + e) below. NaN takes the second branch and stays NaN. */
#define DEFINE_SIGMOID(T)                                                                                         \
    static inline vec_##T sigmoid_##T(vec_##T x) {                                                                \
        const vec_##T one = splat_##T(1), zero = splat_##T(0), e = exp_##T(-abs_##T(x));                          \
        return where_##T(x >= zero, one, e) / (one + e);                                                          \
    }
DEFINE_SIGMOID(f32)
DEFINE_SIGMOID(f64)
#undef DEFINE_SIGMOID

/* log(1 + exp(x)) as max(x, 0) + log1p(exp(-|x|)): nothing overflows, and the left tail keeps its digits. */
#define DEFINE_SOFTPLUS(T)                                                                                        \
    static inline vec_##T softplus_##T(vec_##T x) {                                                               \
        const vec_##T zero = splat_##T(0);                                                                        \
        return where_##T(x > zero, x, zero) + log1p_##T(exp_##T(-abs_##T(x)));                                    \
    }
DEFINE_SOFTPLUS(f32)
DEFINE_SOFTPLUS(f64)
#undef DEFINE_SOFTPLUS

/* ---- exact functions, a lane at a time: libmvec has none ------------------------------------------------------ */

DEFINE_LANEWISE_1(floor, f32, floorf)
DEFINE_LANEWISE_1(floor, f64, floor)
DEFINE_LANEWISE_1(ceil, f32, ceilf)
DEFINE_LANEWISE_1(ceil, f64, ceil)
DEFINE_LANEWISE_1(rint, f32, rintf)
DEFINE_LANEWISE_1(rint, f64, rint)
DEFINE_LANEWISE_1(trunc, f32, truncf)
DEFINE_LANEWISE_1(trunc, f64, trunc)
DEFINE_LANEWISE_2(fmod, f32, fmodf)
DEFINE_LANEWISE_2(fmod, f64, fmod)

/* ---- functions that only special.c has: in f64, then rounded ---------------------------------------------------- */

#define DEFINE_SPECIAL(T, real)                                                                                   \
    static inline vec_##T lgamma_##T(vec_##T x) {                                                                 \
        for (int i = 0; i < LANES_##T; i++) x[i] = (real)agx_lgamma(x[i]);                                        \
        return x;                                                                                                 \
    }                                                                                                             \
    static inline vec_##T polygamma_##T(double n, vec_##T x) {                                                    \
        for (int i = 0; i < LANES_##T; i++) x[i] = (real)agx_polygamma(n, x[i]);                                  \
        return x;                                                                                                 \
    }
DEFINE_SPECIAL(f32, float)
DEFINE_SPECIAL(f64, double)
#undef DEFINE_SPECIAL

#endif
