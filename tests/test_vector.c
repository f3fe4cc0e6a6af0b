/* vector: the elementwise rows as loops, on every level of vector instructions this machine has.
 *
 * The reference is the table itself, instantiated once more: on long doubles that carry a bound of the error a kernel
 * may have made on its way, 1 ulp for an exactly rounded operation and 4 for a function, propagated to first order. So
 * no tolerance is guessed. */
#define _GNU_SOURCE /* setenv */
#include "kernel_support.h"

#include <autograd/kernels/special.h>
#include <float.h>

static const ag_dtype REALS[2] = {AG_F32, AG_F64};
static const char *const ROW_NAMES[] = {
#define ROW(name, ...) #name,
#include <autograd/ops/elementwise.def>
#undef ROW
};
static const int ARITY[] = {
#define ROW(name, arity, ...) arity,
#include <autograd/ops/elementwise.def>
#undef ROW
};
enum { FORWARD, DX, DY, PARTS };

static agx_loop *loop_of(int row, int part, int type) {
    const agx_vectors *table = agx_vector_table();
    return part == FORWARD ? table->forward[row][type] : part == DX ? table->dx[row][type] : table->dy[row][type];
}
static int operands_of(int row, int part) { return part == FORWARD ? ARITY[row] : 4; }

/* ---- the reference ------------------------------------------------------------------------------------------ */

typedef struct number {
    long double v, e; /* value, bound of the error */
} number;
static long double unit; /* 1 ulp, relative: 2^-23 or 2^-52 */

static number made(long double v, long double e, int ulps) {
    return (number){v, isinf(v) ? e : e + (long double)ulps * unit * fabsl(v)};
}
/* Every number here is a double; in f32 some are rounded. */
static number num(long double c) {
    return made(c, 0, unit == 0x1p-23L && !isnan(c) && (long double)(float)c != c ? 1 : 0);
}
/* A function with this slope; an exact operand may sit where the slope is infinite. */
static number smooth(long double v, long double slope, number a) {
    return made(v, a.e > 0 ? fabsl(slope) * a.e : 0, 4);
}
static number neg(number a) { return (number){-a.v, a.e}; }
static number add(number a, number b) { return made(a.v + b.v, a.e + b.e, 1); }
static number mul(number a, number b) {
    return made(a.v * b.v, fabsl(a.v) * b.e + fabsl(b.v) * a.e + a.e * b.e, 1);
}
static number quotient(number a, number b) {
    if (a.e == 0 && b.e == 0) return made(a.v / b.v, 0, 1);
    return made(a.v / b.v, (a.e + fabsl(a.v / b.v) * b.e) / (fabsl(b.v) - b.e), 1);
}
static number root(number a) { return made(sqrtl(a.v), a.e > 0 ? a.e / sqrtl(a.v) : 0, 1); }
static number power(number a, number b) {
    const long double v = powl(a.v, b.v);
    const long double relative =
        (a.e > 0 ? fabsl(b.v) * a.e / fabsl(a.v) : 0) + (b.e > 0 ? fabsl(logl(a.v)) * b.e : 0);
    return made(v, fabsl(v) * relative, 4);
}
static number logistic(number a) {
    const long double v = 1 / (1 + expl(-a.v)); /* its kernel: exp, an addition, a division */
    return made(v, a.e / 4, 4 + 1 + 1);
}
static number soft_plus(number a) { /* exp and log1p, 4 each, and an addition */
    return made((a.v > 0 ? a.v : 0) + log1pl(expl(-fabsl(a.v))), a.e, 4 + 4 + 1);
}
/* Steps: the sampled operands stand inside one, whatever their error. */
static number step(long double v) { return num(v); }
static number choose(bool m, number a, number b) { return m ? a : b; }

#define NUM(a)      num((long double)(a))
#define NEG(a)      neg(a)
#define ADD(a, b)   add(a, b)
#define SUB(a, b)   add(a, neg(b))
#define MUL(a, b)   mul(a, b)
#define DIV(a, b)   quotient(a, b)
#define SQRT(a)     root(a)
#define EXP(a)      made(expl((a).v), expl((a).v) * (a).e, 4)
#define LOG(a)      made(logl((a).v), (a).e / fabsl((a).v), 4)
#define SIN(a)      made(sinl((a).v), (a).e, 4)
#define COS(a)      made(cosl((a).v), (a).e, 4)
#define TANH(a)     made(tanhl((a).v), (a).e, 4)
#define SIGMOID(a)  logistic(a)
#define POW(a, b)   power(a, b)
#define ABS(a)      choose((a).v < 0, neg(a), a)
#define EXP2(a)     smooth(exp2l((a).v), exp2l((a).v), a)
#define EXPM1(a)    smooth(expm1l((a).v), expl((a).v), a)
#define LOG1P(a)    smooth(log1pl((a).v), 1 / (1 + (a).v), a)
#define LOG2(a)     smooth(log2l((a).v), 1.5L / (a).v, a)
#define LOG10(a)    smooth(log10l((a).v), 0.5L / (a).v, a)
#define TAN(a)      smooth(tanl((a).v), 1 + powl(tanl((a).v), 2), a)
#define ASIN(a)     smooth(asinl((a).v), 1 / sqrtl(1 - (a).v * (a).v), a)
#define ACOS(a)     smooth(acosl((a).v), 1 / sqrtl(1 - (a).v * (a).v), a)
#define ATAN(a)     smooth(atanl((a).v), 1, a)
#define SINH(a)     smooth(sinhl((a).v), coshl((a).v), a)
#define COSH(a)     smooth(coshl((a).v), sinhl((a).v), a)
#define ASINH(a)    smooth(asinhl((a).v), 1, a)
#define ACOSH(a)    smooth(acoshl((a).v), 1 / sqrtl((a).v * (a).v - 1), a)
#define ATANH(a)    smooth(atanhl((a).v), 1 / (1 - (a).v * (a).v), a)
#define ERF(a)      smooth(erfl((a).v), 1.13L * expl(-(a).v * (a).v), a)
#define ERFC(a)     smooth(erfcl((a).v), 1.13L * expl(-(a).v * (a).v), a)
#define SOFTPLUS(a) soft_plus(a)
#define ATAN2(a, b) made(atan2l((a).v, (b).v), 0, 4) /* of operands as they are; so is fmod */
#define HYPOT(a, b) made(hypotl((a).v, (b).v), (a).e + (b).e, 4)
#define FMOD(a, b)  num(fmodl((a).v, (b).v))
#define LGAMMA(a)   made(lgammal((a).v), 0, 5)
/* test_special has its reference */
#define POLYGAMMA(n, a) made((long double)agx_polygamma(n, (double)(a).v), 0, 8)
#define FLOOR(a)        step(floorl((a).v))
#define CEIL(a)         step(ceill((a).v))
#define ROUND(a)        step(rintl((a).v))
#define TRUNC(a)        step(truncl((a).v))
#define LT(a, b)        ((a).v < (b).v)
#define LE(a, b)        ((a).v <= (b).v)
#define GT(a, b)        ((a).v > (b).v)
#define GE(a, b)        ((a).v >= (b).v)
#define EQ(a, b)        ((a).v == (b).v)
#define NE(a, b)        ((a).v != (b).v)
#define BOTH(a, b)      ((a) && (b))
#define WHERE(m, a, b)  choose(m, a, b)
#define NONE            num(0)

/* part of row `r` at operands v: {x, y} or {dz, x, y, z}. */
static number reference(int r, int part, const double *v, double c) {
    const bool forward = part == FORWARD;
    const number dz = num(v[0]), x = num(forward ? v[0] : v[1]), y = num(forward ? v[1] : v[2]), z = num(v[3]);
    (void)dz, (void)z;
    switch (r) {
#define ROW(name, arity, number_, ints, keeps, value, to_x, to_y, ...)                                            \
    case AGX_ROW_##name:                                                                                          \
        return part == FORWARD ? value : part == DX ? to_x : to_y;
#include <autograd/ops/elementwise.def>
#undef ROW
    }
    return num(0);
}

/* Where the table says that operand k may be sampled. */
static void domain(int r, int k, double *lo, double *hi) {
    switch (r) {
#define ROW(name, arity, number_, ints, keeps, value, to_x, to_y, formula, dx_, dy_, avoid, lo0, hi0, lo1, hi1)   \
    case AGX_ROW_##name:                                                                                          \
        *lo = k == 0 ? lo0 : lo1;                                                                                 \
        *hi = k == 0 ? hi0 : hi1;                                                                                 \
        break;
#include <autograd/ops/elementwise.def>
#undef ROW
    }
}

/* ---- samples: operands of a loop, in the dtype under test ----------------------------------------------------- */

enum { COUNT = 203 };
typedef struct sample {
    double value[4][COUNT]; /* as the dtype holds them */
    double data[4][COUNT];  /* room for COUNT elements of the dtype */
} sample;

static void sample_make(sample *s, int row, int part, int type, double c, ag_random *r) {
    for (int i = 0; i < COUNT; i++) {
        double x[2] = {0};
        for (int k = 0; k < ARITY[row]; k++) {
            double lo = 0, hi = 0;
            domain(row, k, &lo, &hi);
            x[k] = lo + (hi - lo) * ag_random_uniform(r);
            if (type == 0) x[k] = (double)(float)x[k];
        }
        if (i % 9 == 0 && ARITY[row] == 2) x[1] = x[0]; /* ties */
        const double forward[4] = {x[0], x[1]};
        const double z = (double)reference(row, FORWARD, forward, c).v;
        const double v[4] = {4 * ag_random_uniform(r) - 2, x[0], x[1], z};
        for (int k = 0; k < 4; k++) {
            s->value[k][i] = part == FORWARD ? forward[k] : v[k];
            agx_store(s->data[k], REALS[type], i, s->value[k][i]);
            s->value[k][i] = agx_load(s->data[k], REALS[type], i);
        }
    }
}

static const double NUMBERS[] = {2.5, -1.5, 0, 1, 2};

static void rows_agree(void) {
    static sample s;
    double z[COUNT];
    ag_random r = {7, 0};
    for (int row = 0; row < AGX_ROW_COUNT; row++)
        for (int part = 0; part < PARTS; part++)
            for (int type = 0; type < 2; type++)
                for (int k = 0; k < 5; k++) {
                    agx_loop *loop = loop_of(row, part, type);
                    const double c = NUMBERS[k];
                    const void *const in[4] = {s.data[0], s.data[1], s.data[2], s.data[3]};
                    const int inc[4] = {1, 1, 1, 1};
                    if (!loop) {
                        ck_assert(part == DY && ARITY[row] == 1);
                        continue;
                    }
                    unit = type == 0 ? 0x1p-23L : 0x1p-52L;
                    sample_make(&s, row, part, type, c, &r);
                    loop(COUNT, in, inc, z, c);
                    for (int i = 0; i < COUNT; i++) {
                        const double v[4] = {s.value[0][i], s.value[1][i], s.value[2][i], s.value[3][i]};
                        const number want = reference(row, part, v, c);
                        const double got = agx_load(z, REALS[type], i);
                        const bool same = isnan(want.v)   ? isnan(got)
                                          : isinf(want.v) ? got == (double)want.v
                                                          : fabsl((long double)got - want.v) <= want.e + 0x1p-126L;
                        if (same) continue; /* an assertion costs more than the row */
                        ck_abort_msg("%s: %s part %d %s at (%g, %g, %g, %g), c = %g: %.17g, not %.17Lg",
                                     agx_vector_table()->level, ROW_NAMES[row], part, ag_dtype_name(REALS[type]),
                                     v[0], v[1], v[2], v[3], c, got, want.v);
                    }
                }
}

START_TEST(every_row_agrees_with_its_formula) { at_every_level(rows_agree); }
END_TEST

/* ---- special values: C99 annex F -------------------------------------------------------------------------------- */

static const double EDGES[] = {
    0,     -0.0, INFINITY, -INFINITY, NAN,  0x1p-149, -0x1p-149, 0x1p-140, 0x1p-1074, 1e-310, -1e-310,
    1e-30, 3e38, -3e38,    1.5e308,   1e10, -1e10,    88.7,      89,       -87.4,     -104,   -110,
    709.7, 710,  -745,     -746,      1,    -1,       0.5,       -0.5,     2,         -2,     3,
    -3,    8,    -8,       9,         -9,   25,       -25,       1.0 / 3,  1e-10,     1e5,    -1e5};
enum { EDGE_COUNT = sizeof EDGES / sizeof EDGES[0] };

static void check_edge(int row, int type, const double *v, double got, long double want) {
    const double rounded = type == 0 ? (double)(float)want : (double)want;
    const long double ulp = type == 0 ? 0x1p-23L : 0x1p-52L, least = type == 0 ? 0x1p-149L : 0x1p-1074L;
    const long double limit = type == 0 ? (long double)FLT_MAX : (long double)DBL_MAX;
    bool same = isnan(rounded) ? isnan(got) : fabsl((long double)got - want) <= 6 * ulp * fabsl(want) + 4 * least;
    if (isinf(rounded)) same = got == rounded || (isfinite(want) && fabsl(want) < limit * (1 + 8 * ulp));
    if (want == 0) same = got == 0 && !signbit(got) == !signbit(want);
    if (!same)
        ck_abort_msg("%s: %s %s at (%g, %g): %g, not %Lg", agx_vector_table()->level, ROW_NAMES[row],
                     ag_dtype_name(REALS[type]), v[0], v[1], got, want);
}

static void edges_agree(void) {
    static const int rows[] = {
        AGX_ROW_exp,   AGX_ROW_log,   AGX_ROW_sin,   AGX_ROW_cos,     AGX_ROW_tanh, AGX_ROW_sqrt,  AGX_ROW_sigmoid,
        AGX_ROW_relu,  AGX_ROW_abs,   AGX_ROW_neg,   AGX_ROW_rsqrt,   AGX_ROW_exp2, AGX_ROW_expm1, AGX_ROW_log2,
        AGX_ROW_log10, AGX_ROW_log1p, AGX_ROW_tan,   AGX_ROW_asin,    AGX_ROW_acos, AGX_ROW_atan,  AGX_ROW_sinh,
        AGX_ROW_cosh,  AGX_ROW_asinh, AGX_ROW_acosh, AGX_ROW_atanh,   AGX_ROW_erf,  AGX_ROW_erfc,  AGX_ROW_floor,
        AGX_ROW_ceil,  AGX_ROW_round, AGX_ROW_trunc, AGX_ROW_softplus};
    static const struct {
        int row;
        long double (*f)(long double x, long double y);
    } pairs[] = {{AGX_ROW_pow, powl}, {AGX_ROW_atan2, atan2l}, {AGX_ROW_hypot, hypotl}, {AGX_ROW_fmod, fmodl}};
    const int inc[2] = {1, 1};
    unit = 0;
    for (int type = 0; type < 2; type++) {
        double x[EDGE_COUNT], y[EDGE_COUNT], z[EDGE_COUNT];
        const void *const in[2] = {x, y};
        for (int i = 0; i < EDGE_COUNT; i++) agx_store(x, REALS[type], i, EDGES[i]);
        for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
            agx_vector_table()->forward[rows[k]][type](EDGE_COUNT, in, inc, z, 0);
            for (int i = 0; i < EDGE_COUNT; i++) {
                const double v[4] = {agx_load(x, REALS[type], i)};
                check_edge(rows[k], type, v, agx_load(z, REALS[type], i), reference(rows[k], FORWARD, v, 0).v);
            }
        }
        for (int j = 0; j < EDGE_COUNT; j++) {
            for (int i = 0; i < EDGE_COUNT; i++) agx_store(y, REALS[type], i, EDGES[j]);
            for (size_t k = 0; k < sizeof pairs / sizeof pairs[0]; k++) {
                agx_vector_table()->forward[pairs[k].row][type](EDGE_COUNT, in, inc, z, 0);
                for (int i = 0; i < EDGE_COUNT; i++) {
                    const double v[4] = {agx_load(x, REALS[type], i), agx_load(y, REALS[type], i)};
                    check_edge(pairs[k].row, type, v, agx_load(z, REALS[type], i), pairs[k].f(v[0], v[1]));
                }
            }
        }
    }
}

START_TEST(special_values_are_those_of_c) { at_every_level(edges_agree); }
END_TEST

static void exp_shift_agrees(void) {
    const float x[3] = {1, -INFINITY, 3}, y[1] = {3};
    const void *const in[2] = {x, y};
    const int inc[2] = {1, 0};
    float z[3];
    agx_vector_table()->exp_shift[0](3, in, inc, z, 0);
    ck_assert_double_eq_tol((double)z[0], exp(-2.0), 1e-7);
    ck_assert(z[1] == 0 && z[2] == 1);
}

START_TEST(exp_shift_is_the_exponential_of_a_difference) { at_every_level(exp_shift_agrees); }
END_TEST

/* ---- position ----------------------------------------------------------------------------------------------------- */

/* Slices [from, from + n) of the same operands give the same bits, repeated operands those of a filled array. */
static void slices_agree(void) {
    static sample s;
    double whole[COUNT], slice[COUNT], filled[4][COUNT];
    ag_random r = {8, 0};
    for (int row = 0; row < AGX_ROW_COUNT; row++)
        for (int part = 0; part < PARTS; part++)
            for (int type = 0; type < 2; type++) {
                agx_loop *loop = loop_of(row, part, type);
                const size_t size = ag_dtype_size(REALS[type]);
                const int operands = operands_of(row, part);
                const int dense[4] = {1, 1, 1, 1};
                const void *in[4] = {s.data[0], s.data[1], s.data[2], s.data[3]};
                if (!loop) continue;
                sample_make(&s, row, part, type, 1.5, &r);
                loop(COUNT, in, dense, whole, 1.5);
                for (int from = 0; from <= 70; from++) {
                    const int n = 1 + from * 37 % 71;
                    for (int k = 0; k < 4; k++) in[k] = (char *)s.data[k] + (size_t)from * size;
                    memset(slice, 0xAA, sizeof slice);
                    loop(n, in, dense, slice, 1.5);
                    ck_assert_msg(memcmp(slice, (char *)whole + (size_t)from * size, (size_t)n * size) == 0,
                                  "%s: %s part %d %s: bits depend on position", agx_vector_table()->level,
                                  ROW_NAMES[row], part, ag_dtype_name(REALS[type]));
                    ck_assert_msg(((unsigned char *)slice)[(size_t)n * size] == 0xAA, "%s writes past its end",
                                  ROW_NAMES[row]);
                }
                for (int mask = 1; mask < 1 << operands; mask++) {
                    int inc[4];
                    const void *repeated[4];
                    for (int k = 0; k < 4; k++) {
                        inc[k] = !(mask >> k & 1);
                        repeated[k] = s.data[k];
                        in[k] = inc[k] ? (const void *)s.data[k] : filled[k];
                        agx_copy_row(REALS[type], REALS[type])(COUNT, s.data[k], 0, filled[k], 1);
                    }
                    loop(COUNT, in, dense, whole, 1.5);
                    loop(COUNT, repeated, inc, slice, 1.5);
                    ck_assert(memcmp(slice, whole, COUNT * size) == 0);
                }
            }
}

START_TEST(bits_depend_on_operands_alone) { at_every_level(slices_agree); }
END_TEST

static void in_place_agrees(void) {
    static sample s;
    double z[COUNT];
    ag_random r = {9, 0};
    const int inc[4] = {1, 1, 1, 1};
    for (int row = 0; row < AGX_ROW_COUNT; row++)
        for (int type = 0; type < 2; type++)
            for (int k = 0; k < ARITY[row]; k++) {
                sample_make(&s, row, FORWARD, type, 2, &r);
                const void *const in[2] = {s.data[0], s.data[1]};
                agx_loop *loop = agx_vector_table()->forward[row][type];
                loop(COUNT, in, inc, z, 2);
                loop(COUNT, in, inc, s.data[k], 2);
                ck_assert(memcmp(s.data[k], z, COUNT * ag_dtype_size(REALS[type])) == 0);
            }
}

START_TEST(a_result_may_take_an_operands_place) { at_every_level(in_place_agrees); }
END_TEST

/* ---- sums ------------------------------------------------------------------------------------------------------------ */

static void sums_agree(void) {
    float x[400], some[] = {1e8f, 1, -1e8f, INFINITY};
    double y[400], exact = 0;
    for (int n = 0; n <= 400; n++) {
        ck_assert_double_eq_tol(agx_vector_table()->sum_f32(n, x), exact, 1e-10);
        ck_assert_double_eq_tol(agx_vector_table()->sum_f64(n, y), exact, 1e-10);
        if (n == 400) break;
        x[n] = (float)(n * 7919 % 1000) / 64;
        y[n] = (double)x[n];
        exact += y[n];
    }
    ck_assert_double_eq(agx_vector_table()->sum_f32(3, some), 1);
    ck_assert(isinf(agx_vector_table()->sum_f32(4, some)));
}

START_TEST(sums_lose_nothing_of_f32) { at_every_level(sums_agree); }
END_TEST

/* ---- the choice of a level ---------------------------------------------------------------------------------------------- */

START_TEST(the_best_level_serves_unless_AG_ISA_names_another) {
    int n = 0;
    const agx_vectors *const *levels = agx_vector_levels(&n);
    ck_assert_str_eq(levels[0]->level, "baseline");
    unsetenv("AG_ISA");
    agx_vector_force(NULL);
    ck_assert_ptr_eq(agx_vector_table(), levels[n - 1]);
    for (int i = 0; i < n; i++) {
        setenv("AG_ISA", levels[i]->level, 1);
        agx_vector_force(NULL);
        ck_assert_ptr_eq(agx_vector_table(), levels[i]);
    }
    setenv("AG_ISA", "vax", 1);
    agx_vector_force(NULL);
    ck_assert_ptr_eq(agx_vector_table(), levels[0]);
    unsetenv("AG_ISA");
    agx_vector_force(NULL);
}
END_TEST

START_TEST(scratch_is_aligned_and_released_by_whoever_marked_it) {
    ag_workspace w;
    agx_workspace_init(&w, 0);
    ck_assert_int_ge(ag_workspace_threads(&w), 1);
    ck_assert_ptr_nonnull(ag_scratch(&w, 0));
    const agx_arena_mark m = agx_arena_here(&w.arena);
    void *p = ag_scratch(&w, 1000);
    ck_assert_ptr_nonnull(p);
    ck_assert_uint_eq((uintptr_t)p % 64, 0);
    agx_arena_release(&w.arena, m);
    ck_assert_ptr_eq(ag_scratch(&w, 10), p);
    agx_workspace_clear(&w);
}
END_TEST

Suite *vector_suite(void) {
    Suite *s = suite_create("vector");
    TCase *tc = tcase_create("vector");
    tcase_add_test(tc, every_row_agrees_with_its_formula);
    tcase_add_test(tc, special_values_are_those_of_c);
    tcase_add_test(tc, exp_shift_is_the_exponential_of_a_difference);
    tcase_add_test(tc, bits_depend_on_operands_alone);
    tcase_add_test(tc, a_result_may_take_an_operands_place);
    tcase_add_test(tc, sums_lose_nothing_of_f32);
    tcase_add_test(tc, the_best_level_serves_unless_AG_ISA_names_another);
    tcase_add_test(tc, scratch_is_aligned_and_released_by_whoever_marked_it);
    tcase_set_timeout(tc, 120);
    suite_add_tcase(s, tc);
    return s;
}
