/* scalar: the scalar cases - values of the elementwise rows on doubles, the fused neuron, and their part of the
 * reverse sweep. All are generated from the rows of ops/elementwise.def.
 *
 * In the sweep an exactly zero adjoint contributes nothing: an unused sqrt(0) must not poison its input. */
#include "tape_impl.h"

#include <math.h>

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

#define NUM(a)         ((double)(a))
#define NEG(a)         (-(a))
#define ADD(a, b)      ((a) + (b))
#define SUB(a, b)      ((a) - (b))
#define MUL(a, b)      ((a) * (b))
#define DIV(a, b)      ((a) / (b))
#define SQRT(a)        sqrt(a)
#define EXP(a)         exp(a)
#define LOG(a)         log(a)
#define SIN(a)         sin(a)
#define COS(a)         cos(a)
#define TANH(a)        tanh(a)
#define SIGMOID(a)     sigmoid(a)
#define POW(a, b)      pow(a, b)
#define LT(a, b)       ((a) < (b))
#define LE(a, b)       ((a) <= (b))
#define GT(a, b)       ((a) > (b))
#define GE(a, b)       ((a) >= (b))
#define EQ(a, b)       ((a) == (b))
#define NE(a, b)       ((a) != (b))
#define BOTH(p, q)     ((p) && (q))
#define WHERE(p, a, b) ((p) ? (a) : (b))
#define NONE           0.0

/* By the sign of x, so that exp never overflows. */
static double sigmoid(double x) {
    double e = exp(-fabs(x));
    return x >= 0 ? 1 / (1 + e) : e / (1 + e);
}

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

/* ---- the fused neuron ----------------------------------------------------------------------------------------------------- */

/* Operands that are not all scalars of this strip: the same sum from single operations. */
static ag_value affine_of_tensors(const ag_value *w, const ag_value *x, int n, ag_value b) {
    for (int i = 0; i < n; i++) b = ag_add(b, ag_mul(w[i], x[i]));
    return b;
}

/* The sum, and the ids of all operands; false when some are not live scalars of this strip. What the head says is
 * read once: the compiler cannot know that the list is not part of it. */
static bool affine_sum(const ag_tape *t, const ag_value *w, const ag_value *x, agx_affine *list, double *sum) {
    const ag_tape_head h = t->head;
    double total = *sum;
    for (uint32_t i = 0; i < list->n; i++) {
        if (w[i].tape != t || x[i].tape != t) return false;
        if (!ag_strip_live(&h, w[i]) && !agx_live(t, w[i])) return false;
        if (!ag_strip_live(&h, x[i]) && !agx_live(t, x[i])) return false;
        const ag_entry *ew = ag_strip_entry(&h, w[i].id), *ex = ag_strip_entry(&h, x[i].id);
        if ((ew->op | ex->op) & AG_WIDE) return false; /* a tensor, or id 0 */
        total += ew->v * ex->v;
        list->id[2 * i] = w[i].id;
        list->id[2 * i + 1] = x[i].id;
    }
    *sum = total;
    return true;
}

ag_value ag_affine(const ag_value *w, const ag_value *x, int n, ag_value b) {
    ag_tape *t = b.tape;
    if (!t || n < 0) return ag_tape_fail(t, AG_ERROR_VALUE, "affine: n is negative: %d", n);
    agx_arena_mark here = agx_arena_here(&t->arena);
    agx_affine *list = agx_arena_take(&t->arena, sizeof *list + 2 * (size_t)n * sizeof list->id[0], 8);
    if (!list) return ag_tape_fail(t, AG_ERROR_MEMORY, "affine: out of memory for its operands");
    list->n = (uint32_t)n;
    list->bias = b.id;
    const ag_entry *bias = ag_strip_live(&t->head, b) || agx_live(t, b) ? agx_entry(t, b.id) : NULL;
    double sum = bias ? bias->v : 0;
    if (!bias || agx_is_wide(bias) || !affine_sum(t, w, x, list, &sum)) {
        agx_arena_release(&t->arena, here);
        return affine_of_tensors(w, x, n, b);
    }
    ag_value y = agx_push_scalar(t, AGX_STRIP_AFFINE, 0, 0, sum);
    if (y.id) agx_entry(t, y.id)->u.wide = list;
    return y;
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
        *out = (agx_operands){.n = 2 * list->n + 1, .id = list->id, .bias = list->bias, .affine = true};
    } else if (code < AGX_ROW_COUNT) {
        out->n = agx_elementwise_ops[code].min_in;
        out->pair[0] = e->a;
        out->pair[1] = out->n > 1 ? e->u.b : 0;
    }
}

/* ---- the sweep --------------------------------------------------------------------------------------------------------------- */

static void sweep_affine(const ag_tape *t, const agx_affine *list, double dz) {
    for (uint32_t i = 0; i < list->n; i++) {
        uint32_t w = list->id[2 * i], x = list->id[2 * i + 1];
        double value = agx_entry(t, w)->v; /* before the adjoints: w and x may be one value */
        *agx_adjoint(t, w) += dz * agx_entry(t, x)->v;
        *agx_adjoint(t, x) += dz * value;
    }
    *agx_adjoint(t, list->bias) += dz;
}

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
    case AGX_STRIP_AFFINE: sweep_affine(t, e->u.wide, dz); break;
    case AGX_STRIP_LEAF:
        *adjoint = dz;
        agx_touch(t, id);
        break;
    default: /* constants, and what was recorded under no_grad, end here */
        if (op & AGX_STRIP_RETAIN) {
            retain(t, id, dz);
            op &= ~(uint32_t)AGX_STRIP_RETAIN;
            goto again;
        }
    }
}

uint32_t agx_scalar_sweep(ag_tape *t, uint32_t id) {
    while (id > 0) {
        uint32_t low = id & ~(uint32_t)(AG_STRIP_CHUNK - 1);
        const ag_entry *chunk = t->head.strip[id >> AG_STRIP_BITS];
        double *adjoint = agx_adjoint(t, low);
        for (uint32_t i = id - low;; i--) {
            if (agx_is_wide(&chunk[i])) return low + i; /* so is the sentinel: 0 ends the tape */
            if (adjoint[i] != 0) sweep_one(t, &chunk[i], &adjoint[i], low + i);
            if (i == 0) break;
        }
        id = low - 1;
    }
    return 0;
}
