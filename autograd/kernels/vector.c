/* vector: the elementwise rows as loops over vectors, for one instruction set.
 *
 * The build compiles this file once per level, with the level's flags and -DAGX_LEVEL=baseline, avx2, avx512 or
 * neon, into one table of loops, agx_vectors_<level>; vectors.c chooses among them. Nothing here may be called
 * before that choice, and nothing here has external linkage but the table.
 *
 * The rows are those of ops/elementwise.def, instantiated four times: f32 and f64 vectors (vector_loops.h), i64 (here),
 * and the table that lists them. */
#include "kernels.h"
#include "vector_math.h"

#ifndef AGX_LEVEL
#error "compile with -DAGX_LEVEL=baseline, avx2, avx512 or neon"
#endif

/* n < lanes <= 16 elements, by its bits: a call of memcpy would cost more than a short row's arithmetic. */
static inline void copy_few(char *to, const char *from, int64_t n, size_t size, int lanes) {
    if (lanes > 8 && (n & 8)) {
        memcpy(to, from, 8 * size);
        to += 8 * size;
        from += 8 * size;
    }
    if (lanes > 4 && (n & 4)) {
        memcpy(to, from, 4 * size);
        to += 4 * size;
        from += 4 * size;
    }
    if (lanes > 2 && (n & 2)) {
        memcpy(to, from, 2 * size);
        to += 2 * size;
        from += 2 * size;
    }
    if (n & 1) memcpy(to, from, size);
}

#define T    f32
#define REAL float
#include "vector_loops.h"
#undef T
#undef REAL

#define T    f64
#define REAL double
#include "vector_loops.h"
#undef T
#undef REAL

/* ---- conditions ------------------------------------------------------------------------------------------------------
 * Comparing and choosing are exact, so these loops may be plain ones that the compiler turns into vectors as it
 * likes, tails and all; the steps are constants in the case that matters. */

#define RELATION(name, sign, T, type)                                                                             \
    static inline bool name##_##T(type x, type y) { return x sign y; }                                            \
    static void name##_loop_##T(int64_t n, const void *const *in, const int *inc, void *z, double c) {            \
        const type *x = in[0], *y = in[1];                                                                        \
        bool *to = z;                                                                                             \
        (void)c;                                                                                                  \
        if (inc[0] != 0 && inc[1] != 0) {                                                                         \
            for (int64_t i = 0; i < n; i++) to[i] = name##_##T(x[i], y[i]);                                       \
        } else if (inc[0] != 0) {                                                                                 \
            const type b = *y;                                                                                    \
            for (int64_t i = 0; i < n; i++) to[i] = name##_##T(x[i], b);                                          \
        } else {                                                                                                  \
            const type a = *x;                                                                                    \
            for (int64_t i = 0; i < n; i++) to[i] = name##_##T(a, y[i * inc[1]]);                                 \
        }                                                                                                         \
    }
#define RELATIONS(T, type)                                                                                        \
    RELATION(eq, ==, T, type)                                                                                     \
    RELATION(ne, !=, T, type)                                                                                     \
    RELATION(lt, <, T, type)                                                                                      \
    RELATION(le, <=, T, type)                                                                                     \
    RELATION(gt, >, T, type)                                                                                      \
    RELATION(ge, >=, T, type)
RELATIONS(f32, float)
RELATIONS(f64, double)
RELATIONS(i64, int64_t)
#undef RELATIONS
#undef RELATION

/* z = condition ? x : y, in = {bool, x, y}, by width: elements are moved as bits. */
#define SELECT(bits)                                                                                              \
    typedef uint##bits##_t word_##bits __attribute__((may_alias));                                                \
    static void select_loop_##bits(int64_t n, const void *const *in, const int *inc, void *z, double c) {         \
        const uint8_t *condition = in[0];                                                                         \
        const word_##bits *x = in[1], *y = in[2];                                                                 \
        const int64_t step = inc[0], x_step = inc[1], y_step = inc[2];                                            \
        word_##bits *to = z;                                                                                      \
        (void)c;                                                                                                  \
        if (step != 0 && x_step != 0 && y_step != 0) {                                                            \
            for (int64_t i = 0; i < n; i++) {                                                                     \
                const word_##bits taken = (word_##bits)(0 - (word_##bits)condition[i]);                           \
                to[i] = (word_##bits)((x[i] & taken) | (y[i] & ~taken));                                          \
            }                                                                                                     \
        } else {                                                                                                  \
            for (int64_t i = 0; i < n; i++) to[i] = condition[i * step] ? x[i * x_step] : y[i * y_step];          \
        }                                                                                                         \
    }
SELECT(8)
SELECT(32)
SELECT(64)
#undef SELECT

/* ---- i64: sums, differences and products wrap around -------------------------------------------------------------- */

static inline int64_t wrap(uint64_t a) { return (int64_t)a; }

#define NUM(a)         agx_integer((double)(a))
#define NEG(a)         wrap(0 - (uint64_t)(a))
#define ADD(a, b)      wrap((uint64_t)(a) + (uint64_t)(b))
#define SUB(a, b)      wrap((uint64_t)(a) - (uint64_t)(b))
#define MUL(a, b)      wrap((uint64_t)(a) * (uint64_t)(b))
#define FLOOR(a)       (a)
#define CEIL(a)        (a)
#define ROUND(a)       (a)
#define TRUNC(a)       (a)
#define LT(a, b)       lt_i64(a, b)
#define GT(a, b)       gt_i64(a, b)
#define EQ(a, b)       eq_i64(a, b)
#define NE(a, b)       ne_i64(a, b)
#define WHERE(m, a, b) ((m) ? (a) : (b))

#define ROW_FLOATS(name, arity, value)
#define ROW_INTS(name, arity, value)                                                                              \
    static void forward_##name##_loop_i64(int64_t n, const void *const *in, const int *inc, void *to, double c) { \
        const int64_t *x_at = in[0], *y_at = in[(arity)-1];                                                       \
        const int64_t x_inc = inc[0], y_inc = inc[(arity)-1];                                                     \
        int64_t *z_at = to;                                                                                       \
        (void)c;                                                                                                  \
        for (int64_t i = 0; i < n; i++) {                                                                         \
            const int64_t x = x_at[i * x_inc], y = y_at[i * y_inc];                                               \
            (void)y;                                                                                              \
            z_at[i] = value;                                                                                      \
        }                                                                                                         \
    }
#define ROW(name, arity, number, ints, keeps, value, ...) ROW_##ints(name, arity, value)
#include "../ops/elementwise.def"
#undef ROW
#undef ROW_INTS
#undef ROW_FLOATS

/* ---- the table -------------------------------------------------------------------------------------------------------- */

#define PASTE_(a, b) a##b
#define PASTE(a, b)  PASTE_(a, b)
#define TEXT_(a)     #a
#define TEXT(a)      TEXT_(a)

extern const struct agx_gemm_kernels PASTE(agx_gemm_, AGX_LEVEL);

const agx_vectors PASTE(agx_vectors_, AGX_LEVEL) = {
    .level = TEXT(AGX_LEVEL),
#define ROW(name, ...) [AGX_ROW_##name] = {forward_##name##_loop_f32, forward_##name##_loop_f64},
    .forward =
        {
#include "../ops/elementwise.def"
        },
#undef ROW
#define ROW(name, ...) [AGX_ROW_##name] = {dx_##name##_loop_f32, dx_##name##_loop_f64},
    .dx =
        {
#include "../ops/elementwise.def"
        },
#undef ROW
#define SECOND_1(name)                                                                                            \
    { NULL, NULL }
#define SECOND_2(name)                                                                                            \
    { dy_##name##_loop_f32, dy_##name##_loop_f64 }
#define ROW(name, arity, ...) [AGX_ROW_##name] = SECOND_##arity(name),
    .dy =
        {
#include "../ops/elementwise.def"
        },
#undef ROW
#define LOOP_FLOATS(name)                   NULL
#define LOOP_INTS(name)                     forward_##name##_loop_i64
#define ROW(name, arity, number, ints, ...) [AGX_ROW_##name] = LOOP_##ints(name),
    .integers =
        {
#include "../ops/elementwise.def"
        },
#undef ROW
#define COMPARE(name)                                                                                             \
    { name##_loop_f32, name##_loop_f64 }
    .compare = {[AGX_EQ] = COMPARE(eq),
                [AGX_NE] = COMPARE(ne),
                [AGX_LT] = COMPARE(lt),
                [AGX_LE] = COMPARE(le),
                [AGX_GT] = COMPARE(gt),
                [AGX_GE] = COMPARE(ge)},
    .compare_integers = {[AGX_EQ] = eq_loop_i64,
                         [AGX_NE] = ne_loop_i64,
                         [AGX_LT] = lt_loop_i64,
                         [AGX_LE] = le_loop_i64,
                         [AGX_GT] = gt_loop_i64,
                         [AGX_GE] = ge_loop_i64},
    .select = {select_loop_32, select_loop_64},
    .select_bytes = select_loop_8,
    .exp_shift = {exp_shift_loop_f32, exp_shift_loop_f64},
    .addcmul = {addcmul_loop_f32, addcmul_loop_f64},
    .lerp = {lerp_loop_f32, lerp_loop_f64},
    .sum_f32 = sum_f32,
    .sum_f64 = sum_f64,
    .gemm = &PASTE(agx_gemm_, AGX_LEVEL),
};
