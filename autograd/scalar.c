/* scalar: the scalar cases - values of the elementwise rows on doubles, and their part of the reverse sweep. All are
 * generated from the rows of ops/elementwise.def. Not here: the fused neuron (affine.c).
 *
 * In the sweep an exactly zero adjoint contributes nothing: an unused sqrt(0) must not poison its input. */
#include "tape_impl.h"

#include <math.h>

#include "kernels/special.h"
#include "ops.h"

#define SAME(opcode, row) _Static_assert((int)opcode == (int)AGX_ROW_##row, "scalar.h names another row")
SAME(AG_STRIP_NEG, neg);
SAME(AG_STRIP_SQUARE, square);
SAME(AG_STRIP_RELU, relu);
SAME(AG_STRIP_ADD, add);
SAME(AG_STRIP_SUB, sub);
SAME(AG_STRIP_MUL, mul);
SAME(AG_STRIP_DIV, div);
SAME(AG_STRIP_ADD_NUMBER, add_number);
SAME(AG_STRIP_MUL_NUMBER, mul_number);

/* ---- the vocabulary on doubles ---------------------------------------------------------------------------------------- */

#define NUM(a)          ((double)(a))
#define NEG(a)          (-(a))
#define ADD(a, b)       ((a) + (b))
#define SUB(a, b)       ((a) - (b))
#define MUL(a, b)       ((a) * (b))
#define DIV(a, b)       ((a) / (b))
#define SQRT(a)         sqrt(a)
#define EXP(a)          exp(a)
#define LOG(a)          log(a)
#define SIN(a)          sin(a)
#define COS(a)          cos(a)
#define TANH(a)         tanh(a)
#define SIGMOID(a)      sigmoid(a)
#define POW(a, b)       pow(a, b)
#define ABS(a)          fabs(a)
#define EXP2(a)         exp2(a)
#define EXPM1(a)        expm1(a)
#define LOG1P(a)        log1p(a)
#define LOG2(a)         log2(a)
#define LOG10(a)        log10(a)
#define TAN(a)          tan(a)
#define ASIN(a)         asin(a)
#define ACOS(a)         acos(a)
#define ATAN(a)         atan(a)
#define SINH(a)         sinh(a)
#define COSH(a)         cosh(a)
#define ASINH(a)        asinh(a)
#define ACOSH(a)        acosh(a)
#define ATANH(a)        atanh(a)
#define ERF(a)          erf(a)
#define ERFC(a)         erfc(a)
#define SOFTPLUS(a)     softplus(a)
#define ATAN2(a, b)     atan2(a, b)
#define HYPOT(a, b)     hypot(a, b)
#define FMOD(a, b)      fmod(a, b)
#define LGAMMA(a)       agx_lgamma(a)
#define POLYGAMMA(n, a) agx_polygamma(n, a)
#define FLOOR(a)        floor(a)
#define CEIL(a)         ceil(a)
#define ROUND(a)        rint(a)
#define TRUNC(a)        trunc(a)
#define LT(a, b)        ((a) < (b))
#define LE(a, b)        ((a) <= (b))
#define GT(a, b)        ((a) > (b))
#define GE(a, b)        ((a) >= (b))
#define EQ(a, b)        ((a) == (b))
#define NE(a, b)        ((a) != (b))
#define BOTH(p, q)      ((p) && (q))
#define WHERE(p, a, b)  ((p) ? (a) : (b))
#define NONE            0.0

/* By the sign of x, so that exp never overflows. */
static double sigmoid(double x) {
    double e = exp(-fabs(x));
    return x >= 0 ? 1 / (1 + e) : e / (1 + e);
}

/* log(1 + exp(x)): exp never overflows, and what it adds to max(x, 0) keeps its digits. */
static double softplus(double x) { return (x > 0 ? x : 0) + log1p(exp(-fabs(x))); }

double agx_scalar_value(enum agx_row row, double x, double y, double c) {
    (void)y;
    (void)c;
    switch (row) {
#define ROW(name, arity, number, ints, keeps, z, ...)                                                             \
    case AGX_ROW_##name:                                                                                          \
        return z;
#include "ops/elementwise.def"
#undef ROW
    case AGX_ROW_COUNT: break;
    }
    return NAN;
}

void agx_operands_of(const ag_tape *t, uint32_t id, agx_operands *out) {
    const ag_entry *e = agx_entry(t, id);
    *out = (agx_operands){0};
    if (agx_is_wide(e)) {
        const agx_record *r = e->u.wide;
        out->n = r->n_in;
        out->id = r->in;
        return;
    }
    uint32_t code = e->op & AGX_STRIP_CODE;
    if (code == AGX_STRIP_AFFINE) {
        const agx_affine *list = e->u.wide;
        *out = (agx_operands){.n = 2 * list->n + 1, .affine = list};
    } else if (code < AGX_ROW_COUNT) {
        out->n = agx_elementwise_ops[code].min_in;
        out->pair[0] = e->a;
        out->pair[1] = out->n > 1 ? e->u.b : 0;
    }
}

/* ---- the sweep --------------------------------------------------------------------------------------------------------------- */

static void retain(ag_tape *t, uint32_t id, double dz) {
    for (agx_held *h = t->held; h; h = h->previous) {
        if (h->id == id) h->scalar += dz;
    }
}

/* Consume the adjoint of one scalar. Leaves keep theirs; flags (retained, recorded under no_grad) are rare. */
static inline void sweep_one(ag_tape *t, const ag_entry *e, double *adjoint, uint32_t id) {
    const double dz = *adjoint;
    uint32_t op = e->op;
    *adjoint = 0;
again:
    switch (op) {
#define ROW(name, arity, number, ints, keeps, value, dx, dy, ...)                                                 \
    case AGX_ROW_##name: {                                                                                        \
        const double x = agx_entry(t, e->a)->v, y = arity == 2 ? agx_entry(t, e->u.b)->v : 0, z = e->v,           \
                     c = number ? e->u.c : 0;                                                                     \
        (void)x, (void)y, (void)z, (void)c;                                                                       \
        *agx_adjoint(t, e->a) += dx;                                                                              \
        if (arity == 2) *agx_adjoint(t, e->u.b) += dy;                                                            \
        break;                                                                                                    \
    }
#include "ops/elementwise.def"
#undef ROW
    case AGX_STRIP_AFFINE: agx_sweep_affine(t, e->u.wide, dz); break;
    case AGX_STRIP_LEAF:
        *adjoint = dz;
        agx_touch(t, id);
        break;
    default:                       /* constants, and what was recorded under no_grad, end here */
        if (op & AGX_STRIP_HOOK) { /* its hooks have run */
            op &= ~(uint32_t)AGX_STRIP_HOOK;
            goto again;
        }
        if (op & AGX_STRIP_RETAIN) {
            retain(t, id, dz);
            op &= ~(uint32_t)AGX_STRIP_RETAIN;
            goto again;
        }
    }
}

void agx_sweep_scalar(ag_tape *t, uint32_t id) {
    double *adjoint = agx_adjoint(t, id);
    if (*adjoint != 0) sweep_one(t, agx_entry(t, id), adjoint, id);
}

uint32_t agx_scalar_sweep(ag_tape *t, uint32_t id) {
    while (id > 0) {
        uint32_t low = id & ~(uint32_t)(AG_STRIP_CHUNK - 1);
        const ag_entry *chunk = t->head.strip[id >> AG_STRIP_BITS];
        double *adjoint = agx_adjoint(t, low);
        for (uint32_t i = id - low;; i--) {
            /* the sentinel is wide, too: 0 ends the tape */
            if (chunk[i].op & (AG_WIDE | AGX_STRIP_HOOK)) return low + i;
            if (adjoint[i] != 0) sweep_one(t, &chunk[i], &adjoint[i], low + i);
            if (i == 0) break;
        }
        id = low - 1;
    }
    return 0;
}
