/* vector_loops: the loops of one floating type. A template: vector.c includes it twice, with
 *
 *   T      f32 or f64, the suffix of every name here
 *   REAL   float or double
 *
 * A loop takes full vectors first. What is left is copied into a vector padded with copies of its first element (a
 * value the row meets anyway: no needless slow path) and goes through the same arithmetic, so that an element's bits
 * do not depend on where it stands. An operand that repeats (inc 0) is spread once over a vector of its own, which
 * the loop then reads with step 0: the loop itself does not branch. */
#define PASTE_(a, b) a##_##b
#define PASTE(a, b)  PASTE_(a, b)
#define NAME(a)      PASTE(a, T)
#define VEC          NAME(vec)
#define MASK         NAME(mask)
#define LANES        NAME(LANES)

/* ---- operands --------------------------------------------------------------------------------------------------- */

/* Where an operand is read, and how far it goes on with each vector; a repeated element is read from *repeated. */
static inline size_t NAME(open)(const char **at, VEC *repeated, const void *data, int inc) {
    REAL c;
    *at = data;
    if (inc != 0) return sizeof(VEC);
    memcpy(&c, data, sizeof c);
    *repeated = NAME(splat)(c);
    *at = (const char *)repeated;
    return 0;
}

/* The last n elements, 0 < n < LANES. Not inlined, for the size of the code. Storing them is: gcc 12 does not clear the
 * upper halves of the registers (vzeroupper) when a loop ends in the call of a static function, and every SSE
 * instruction that follows anywhere pays for that, 120 ns a call. */
static __attribute__((noinline)) VEC NAME(rest)(const char *at, size_t step, int64_t n) {
    if (step == 0) return NAME(load)(at);
    REAL first;
    memcpy(&first, at, sizeof first);
    VEC v = NAME(splat)(first);
    copy_few((char *)&v, at, n, sizeof(REAL), LANES);
    return v;
}

/* ---- the loop: z[i] = f(operands[i]) ------------------------------------------------------------------------------
 * `used`: bit k set when f reads operand k; the others are not touched. f is a constant at every call, so that it is
 * inlined. Pointers and vectors lie apart: stores to z could change what has its address taken, and the pointers
 * would go through memory. */

typedef VEC NAME(function)(const VEC *v, double c);

static inline __attribute__((always_inline)) void NAME(run)(int64_t n, const void *const *in, const int *inc,
                                                            void *z, double c, unsigned used, NAME(function) * f) {
    const char *at[4] = {NULL};
    size_t step[4] = {0};
    VEC v[4] = {{0}}, repeated[4];
    char *to = z;
    for (unsigned k = 0; k < 4; k++)
        if (used >> k & 1u) step[k] = NAME(open)(&at[k], &repeated[k], in[k], inc[k]);
    for (; n >= LANES; n -= LANES) {
        for (unsigned k = 0; k < 4; k++)
            if (used >> k & 1u) {
                v[k] = NAME(load)(at[k]);
                at[k] += step[k];
            }
        NAME(store)(to, f(v, c));
        to += sizeof(VEC);
    }
    if (n > 0) {
        for (unsigned k = 0; k < 4; k++)
            if (used >> k & 1u) v[k] = NAME(rest)(at[k], step[k], n);
        const VEC r = f(v, c);
        copy_few(to, (const char *)&r, n, sizeof(REAL), LANES);
    }
}

#define LOOP(name, used)                                                                                          \
    static void PASTE(name##_loop, T)(int64_t n, const void *const *in, const int *inc, void *z, double c) {      \
        NAME(run)(n, in, inc, z, c, used, NAME(name));                                                            \
    }

/* ---- the vocabulary of elementwise.def, on vectors ------------------------------------------------------------------ */

#define NUM(a)          NAME(splat)((REAL)(a))
#define NEG(a)          (-(a))
#define ADD(a, b)       ((a) + (b))
#define SUB(a, b)       ((a) - (b))
#define MUL(a, b)       ((a) * (b))
#define DIV(a, b)       ((a) / (b))
#define SQRT(a)         NAME(sqrt)(a)
#define EXP(a)          NAME(exp)(a)
#define LOG(a)          NAME(log)(a)
#define SIN(a)          NAME(sin)(a)
#define COS(a)          NAME(cos)(a)
#define TANH(a)         NAME(tanh)(a)
#define SIGMOID(a)      NAME(sigmoid)(a)
#define POW(a, b)       NAME(pow)(a, b)
#define ABS(a)          NAME(abs)(a)
#define EXP2(a)         NAME(exp2)(a)
#define EXPM1(a)        NAME(expm1)(a)
#define LOG1P(a)        NAME(log1p)(a)
#define LOG2(a)         NAME(log2)(a)
#define LOG10(a)        NAME(log10)(a)
#define TAN(a)          NAME(tan)(a)
#define ASIN(a)         NAME(asin)(a)
#define ACOS(a)         NAME(acos)(a)
#define ATAN(a)         NAME(atan)(a)
#define SINH(a)         NAME(sinh)(a)
#define COSH(a)         NAME(cosh)(a)
#define ASINH(a)        NAME(asinh)(a)
#define ACOSH(a)        NAME(acosh)(a)
#define ATANH(a)        NAME(atanh)(a)
#define ERF(a)          NAME(erf)(a)
#define ERFC(a)         NAME(erfc)(a)
#define SOFTPLUS(a)     NAME(softplus)(a)
#define FLOOR(a)        NAME(floor)(a)
#define CEIL(a)         NAME(ceil)(a)
#define ROUND(a)        NAME(rint)(a)
#define TRUNC(a)        NAME(trunc)(a)
#define ATAN2(a, b)     NAME(atan2)(a, b)
#define HYPOT(a, b)     NAME(hypot)(a, b)
#define FMOD(a, b)      NAME(fmod)(a, b)
#define LGAMMA(a)       NAME(lgamma)(a)
#define POLYGAMMA(n, a) NAME(polygamma)(n, a)
#define LT(a, b)        ((MASK)((a) < (b)))
#define LE(a, b)        ((MASK)((a) <= (b)))
#define GT(a, b)        ((MASK)((a) > (b)))
#define GE(a, b)        ((MASK)((a) >= (b)))
#define EQ(a, b)        ((MASK)((a) == (b)))
#define NE(a, b)        ((MASK)((a) != (b)))
#define BOTH(a, b)      ((a) & (b))
#define WHERE(m, a, b)  NAME(where)(m, a, b)

/* ---- values: in = {x} or {x, y} ---------------------------------------------------------------------------------------- */

#define USED_1 1u
#define USED_2 3u
#define ROW(name, arity, number, ints, keeps, value, ...)                                                         \
    static inline VEC NAME(forward_##name)(const VEC *v, double c) {                                              \
        const VEC x = v[0], y = v[1];                                                                             \
        (void)y, (void)c;                                                                                         \
        return value;                                                                                             \
    }                                                                                                             \
    LOOP(forward_##name, USED_##arity)
#include "../ops/elementwise.def"
#undef ROW
#undef USED_1
#undef USED_2

/* ---- adjoints: in = {dz, x, y, z}, of which only dz and what the row keeps is read --------------------------------------- */

#define IN0  2u
#define IN1  4u
#define OUT0 8u
#define ADJOINT(name, keeps, value)                                                                               \
    static inline VEC NAME(name)(const VEC *v, double c) {                                                        \
        const VEC dz = v[0], x = v[1], y = v[2], z = v[3];                                                        \
        (void)dz, (void)x, (void)y, (void)z, (void)c;                                                             \
        return value;                                                                                             \
    }                                                                                                             \
    LOOP(name, 1u | (keeps))
#define SECOND_1(name, keeps, value)
#define SECOND_2(name, keeps, value) ADJOINT(name, keeps, value)
#define ROW(name, arity, number, ints, keeps, value, to_x, to_y, ...)                                             \
    ADJOINT(dx_##name, keeps, to_x)                                                                               \
    SECOND_##arity(dy_##name, keeps, to_y)
#include "../ops/elementwise.def"
#undef ROW
#undef SECOND_1
#undef SECOND_2
#undef ADJOINT
#undef IN0
#undef IN1
#undef OUT0

static inline VEC NAME(exp_shift)(const VEC *v, double c) {
    (void)c;
    return NAME(exp)(v[0] - v[1]);
}
LOOP(exp_shift, 3u)

static inline VEC NAME(addcmul)(const VEC *v, double c) { return v[0] + NAME(splat)((REAL)c) * (v[1] * v[2]); }
LOOP(addcmul, 7u)

/* From the nearer end, so that both ends are met exactly. */
static inline VEC NAME(lerp)(const VEC *v, double c) {
    const VEC one = NAME(splat)(1), span = v[1] - v[0];
    (void)c;
    return NAME(where)((MASK)(v[2] < NAME(splat)((REAL)0.5)), v[0] + v[2] * span, v[1] - span * (one - v[2]));
}
LOOP(lerp, 7u)

/* ---- sums --------------------------------------------------------------------------------------------------------------------
 * Element i goes to partial sum i mod 16, in f64; the sixteen are folded in halves. The order depends on n alone and is
 * the same on every level. Zeros fill the last sixteen. */

typedef REAL NAME(part) __attribute__((vector_size(LANES_f64 * sizeof(REAL))));

static double NAME(sum)(int64_t n, const REAL *x) {
    enum { WIDTH = 16, PARTS = WIDTH / LANES_f64 };
    vec_f64 sum[PARTS] = {{0}};
    double lane[WIDTH];
    for (; n > 0; n -= WIDTH, x += WIDTH) {
        REAL last[WIDTH] = {0};
        const REAL *from = x;
        if (n < WIDTH) {
            memcpy(last, x, (size_t)n * sizeof(REAL));
            from = last;
        }
        for (int k = 0; k < PARTS; k++) {
            NAME(part) v;
            memcpy(&v, from + k * LANES_f64, sizeof v);
            sum[k] += __builtin_convertvector(v, vec_f64);
        }
    }
    memcpy(lane, sum, sizeof lane);
    for (int half = WIDTH / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++) lane[i] += lane[i + half];
    return lane[0];
}

#undef NUM
#undef NEG
#undef ADD
#undef SUB
#undef MUL
#undef DIV
#undef SQRT
#undef EXP
#undef LOG
#undef SIN
#undef COS
#undef TANH
#undef SIGMOID
#undef POW
#undef ABS
#undef EXP2
#undef EXPM1
#undef LOG1P
#undef LOG2
#undef LOG10
#undef TAN
#undef ASIN
#undef ACOS
#undef ATAN
#undef SINH
#undef COSH
#undef ASINH
#undef ACOSH
#undef ATANH
#undef ERF
#undef ERFC
#undef SOFTPLUS
#undef FLOOR
#undef CEIL
#undef ROUND
#undef TRUNC
#undef ATAN2
#undef HYPOT
#undef FMOD
#undef LGAMMA
#undef POLYGAMMA
#undef LT
#undef LE
#undef GT
#undef GE
#undef EQ
#undef NE
#undef BOTH
#undef WHERE
#undef LOOP
#undef PASTE_
#undef PASTE
#undef NAME
#undef VEC
#undef MASK
#undef LANES
