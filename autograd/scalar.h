/* scalar: arithmetic on scalars of the strip, inline. Included by ops.h.
 *
 * A scalar operation appends one 24-byte entry and computes one double: a few nanoseconds. When an operand is a
 * tensor, from an old segment, stale, foreign or failed, or the tape is in a mode that wants to see every record,
 * ag_elementwise() does the same with all checks. */
#ifndef AUTOGRAD_SCALAR_H
#define AUTOGRAD_SCALAR_H

#include "tape.h"

AG_BEGIN_DECLS

/** Opcodes of the operations that are inline here; scalar.c checks them against the table of rows. */
enum {
    AG_STRIP_NEG = 0,
    AG_STRIP_SQUARE = 3,
    AG_STRIP_RELU = 11,
    AG_STRIP_ADD = 12,
    AG_STRIP_SUB = 13,
    AG_STRIP_MUL = 14,
    AG_STRIP_DIV = 15,
    AG_STRIP_ADD_NUMBER = 19,
    AG_STRIP_MUL_NUMBER = 20
};

/** Any elementwise operation by opcode, with all checks: the long way. c: the number of rows that have one. */
AG_API ag_value ag_elementwise(uint32_t opcode, const ag_value *in, uint32_t n, double c);

static inline ag_entry *ag_strip_entry(const ag_tape_head *h, uint32_t id) {
    return &h->strip[id >> AG_STRIP_BITS][id & (AG_STRIP_CHUNK - 1)];
}

static inline bool ag_strip_live(const ag_tape_head *h, ag_value v) {
    return v.epoch == h->epoch || (v.epoch == h->older && v.id < h->first);
}

static inline ag_entry *ag_strip_push(ag_tape *t, uint32_t op, uint32_t a, double v) {
    ag_entry *e = ((ag_tape_head *)t)->at++;
    e->op = op;
    e->a = a;
    e->v = v;
    return e;
}

static inline ag_value ag_strip_pushed(ag_tape *t) {
    ag_tape_head *h = (ag_tape_head *)t;
    ag_value z;
    z.tape = t;
    z.id = h->next++;
    z.epoch = h->epoch;
    return z;
}

/* The value of a scalar x when the inline way is open, else NULL. */
static inline const ag_entry *ag_strip_operand(ag_value x) {
    const ag_tape_head *h = (const ag_tape_head *)x.tape;
    if (AG_LIKELY(h != NULL && h->at < h->limit && ag_strip_live(h, x))) {
        const ag_entry *e = ag_strip_entry(h, x.id);
        if (AG_LIKELY(!(e->op & AG_WIDE))) return e;
    }
    return NULL;
}

#define AG_INLINE_UNARY(name, opcode, expression)                                                                 \
    static inline ag_value ag_##name(ag_value x) {                                                                \
        const ag_entry *e = ag_strip_operand(x);                                                                  \
        if (AG_LIKELY(e != NULL)) {                                                                               \
            double a = e->v;                                                                                      \
            ag_strip_push(x.tape, opcode, x.id, expression);                                                      \
            return ag_strip_pushed(x.tape);                                                                       \
        }                                                                                                         \
        return ag_elementwise(opcode, &x, 1, 0.0);                                                                \
    }

#define AG_INLINE_NUMBER(name, opcode, expression)                                                                \
    static inline ag_value ag_##name(ag_value x, double c) {                                                      \
        const ag_entry *e = ag_strip_operand(x);                                                                  \
        if (AG_LIKELY(e != NULL)) {                                                                               \
            double a = e->v;                                                                                      \
            ag_strip_push(x.tape, opcode, x.id, expression)->u.c = c;                                             \
            return ag_strip_pushed(x.tape);                                                                       \
        }                                                                                                         \
        return ag_elementwise(opcode, &x, 1, c);                                                                  \
    }

#define AG_INLINE_BINARY(name, opcode, expression)                                                                \
    static inline ag_value ag_##name(ag_value x, ag_value y) {                                                    \
        const ag_entry *e = ag_strip_operand(x);                                                                  \
        if (AG_LIKELY(e != NULL && y.tape == x.tape && ag_strip_live((const ag_tape_head *)x.tape, y))) {         \
            const ag_entry *f = ag_strip_entry((const ag_tape_head *)x.tape, y.id);                               \
            if (AG_LIKELY(!(f->op & AG_WIDE))) {                                                                  \
                double a = e->v, b = f->v;                                                                        \
                ag_strip_push(x.tape, opcode, x.id, expression)->u.b = y.id;                                      \
                return ag_strip_pushed(x.tape);                                                                   \
            }                                                                                                     \
        }                                                                                                         \
        ag_value in[2];                                                                                           \
        in[0] = x;                                                                                                \
        in[1] = y;                                                                                                \
        return ag_elementwise(opcode, in, 2, 0.0);                                                                \
    }

AG_INLINE_UNARY(neg, AG_STRIP_NEG, -a)
AG_INLINE_UNARY(square, AG_STRIP_SQUARE, a *a)
AG_INLINE_UNARY(relu, AG_STRIP_RELU, a > 0 || a != a ? a : 0)
AG_INLINE_BINARY(add, AG_STRIP_ADD, a + b)
AG_INLINE_BINARY(sub, AG_STRIP_SUB, a - b)
AG_INLINE_BINARY(mul, AG_STRIP_MUL, a *b)
AG_INLINE_BINARY(div, AG_STRIP_DIV, a / b)
AG_INLINE_NUMBER(add_number, AG_STRIP_ADD_NUMBER, a + c)
AG_INLINE_NUMBER(mul_number, AG_STRIP_MUL_NUMBER, a *c)

#undef AG_INLINE_UNARY
#undef AG_INLINE_NUMBER
#undef AG_INLINE_BINARY

AG_END_DECLS
#endif
