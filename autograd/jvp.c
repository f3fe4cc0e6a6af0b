/* jvp: forward mode over a recorded tape - one scan upwards, every record's tangents from those of its operands.
 *
 * Only records that lie between the values and the roots are visited. A record's tangents come from, in this order: the
 * row's forward rule; the row itself, applied to the tangents, where it is linear; its reverse rule, transposed
 * (transpose.c). All are recorded behind the tape's end, which the scan never reaches. */
#include <stdio.h>

#include "grad.h"
#include "ops/ops_impl.h"
#include "tape_impl.h"

typedef struct sweep {
    ag_tape *t;
    uint32_t top;
    uint8_t *depends, *needed; /* bit per id: above some x; below some y */
    uint32_t *tangent;         /* per id */
    agx_transpose room;
} sweep;

/* ---- one record -------------------------------------------------------------------------------------------------------- */

/* y = b + sum w x, as single operations. */
static ag_status affine_jvp(ag_forward *f) {
    const ag_reverse *r = &f->reading;
    for (uint32_t i = 0; i + 1 < r->in.n; i++) {
        if (!ag_has_tangent(f, i)) continue;
        const ag_value partner = agx_handle(r->t, agx_operand(&r->in, i ^ 1)); /* w_k, x_k stand side by side */
        ag_give_tangent(f, 0, ag_mul(ag_tangent(f, i), partner));
    }
    if (ag_has_tangent(f, r->in.n - 1)) ag_give_tangent(f, 0, ag_tangent(f, r->in.n - 1));
    return AG_OK;
}

/* Can the row be applied to the tangents? What it is not differentiated by (an index, a condition) it needs as it was. */
static bool applies_itself(const ag_forward *f) {
    const ag_op *op = f->reading.op;
    if (!(op->traits & AG_TRAIT_LINEAR)) return false;
    for (uint32_t i = 0; i < f->reading.in.n; i++)
        if (ag_op_grad(op, i) != AG_GRAD_RULE && !(op->keeps & AG_IN(i))) return false;
    return true;
}

static ag_status linear_jvp(ag_forward *f) {
    const ag_reverse *r = &f->reading;
    const size_t bytes = r->in.n * sizeof(ag_value);
    ag_value *in = ag_alloc(bytes);
    if (!in) return agx_operation_error(r->t, r->op, NULL, 0, AG_ERROR_MEMORY, "out of memory for tangents");
    for (uint32_t i = 0; i < r->in.n; i++) {
        in[i] = ag_op_grad(r->op, i) == AG_GRAD_RULE ? ag_tangent(f, i) : ag_primal_in(f, i);
        /* strides that suit a view of the operand need not suit one of its tangent */
        const ag_meta *meta = ag_meta_of(in[i]);
        if (r->op->traits & AG_TRAIT_VIEW && meta && !ag_meta_is_dense(meta))
            in[i] = agx_apply1(&agx_op_contiguous, in[i], NULL);
    }
    const ag_value first = ag_apply(r->t, r->op, in, r->in.n, r->attrs);
    for (uint32_t k = 0; k < r->op->outputs && first.id; k++) ag_give_tangent(f, k, ag_output(first, k));
    ag_release(in, bytes);
    return AG_OK;
}

static ag_status apply_rule(ag_forward *f) {
    const ag_reverse *r = &f->reading;
    const ag_op *op = r->op;
    const bool dropped = r->t->recompute.newest && agx_record_of(r->t, r->id); /* a segment's, perhaps */
    if (dropped && agx_recompute_record(r->t, r->id) != AG_OK) return ag_tape_status(r->t);
    if (op->jvp) return agx_run_forward_rule(f);
    if (applies_itself(f)) return linear_jvp(f);
    return agx_transpose_rule(f);
}

/* The record whose output 0 is `id`. */
static ag_status push_forward(sweep *s, uint32_t id) {
    static const ag_op affine = {
        .name = "affine", .min_in = 1, .max_in = AG_VARIADIC, .outputs = 1, .jvp = affine_jvp};
    ag_tape *t = s->t;
    const ag_entry *e = agx_entry(t, id);
    ag_forward f = {.reading = {.t = t, .id = id, .recorded = true, .depends = s->depends},
                    .tangent = s->tangent,
                    .room = &s->room};
    ag_reverse *r = &f.reading;
    agx_operands_of(t, id, &r->in);
    if (agx_is_wide(e)) {
        const agx_record *record = e->u.wide;
        r->op = record->op;
        r->attrs = record->attrs;
    } else if ((e->op & AGX_STRIP_CODE) == AGX_STRIP_AFFINE) {
        r->op = &affine;
    } else if (r->in.n > 0) {
        r->op = &agx_elementwise_ops[e->op & AGX_STRIP_CODE];
        r->attrs = r->op->attr_size ? &e->u.c : NULL;
    }
    bool moves = false;
    for (uint32_t i = 0; i < r->in.n; i++) {
        if (!ag_has_tangent(&f, i)) continue;
        if (!ag_wants(r, i)) return ag_tape_status(t); /* the operand's derivative is missing */
        moves = true;
    }
    if (!moves) return AG_OK;
    ag_status status = apply_rule(&f);
    if (status != AG_OK && !t->failed) {
        agx_operation_error(t, r->op, NULL, 0, status,
                            status == AG_ERROR_DERIVATIVE ? "has no derivative rule" : "its forward rule failed");
    }
    return ag_tape_status(t);
}

/* ---- the scan ---------------------------------------------------------------------------------------------------------- */

/* Everything the roots are computed from; an operation's outputs stand and fall together. */
static void mark_needed(sweep *s) {
    for (uint32_t id = s->top; id > 0; id--) {
        if (!agx_bit(s->needed, id)) continue;
        const agx_record *r = agx_record_of(s->t, id);
        if (r) agx_set_bit(s->needed, id - r->k);
        agx_operands in;
        agx_operands_of(s->t, id, &in);
        for (uint32_t i = 0; i < in.n; i++) agx_set_bit(s->needed, agx_operand(&in, i));
    }
}

static ag_status check_value(ag_tape *t, ag_value x, const ag_value *v) {
    static const ag_op named = {.name = "jvp"};
    const ag_meta *meta = agx_meta_at(t, x.id);
    if (!ag_dtype_is_float(meta->dtype))
        return agx_operation_error(t, &named, &x, 1, AG_ERROR_DTYPE, "only floating values have tangents");
    if (v && !ag_meta_same_shape(meta, agx_meta_at(t, v->id)))
        return agx_operation_error(t, &named, (const ag_value[]){x, *v}, 2, AG_ERROR_SHAPE,
                                   "the tangent must have the value's shape");
    return AG_OK;
}

/* The tangents that are given; several may be for one value. */
static ag_status plant(sweep *s, const ag_value *x, const ag_value *v, int n) {
    ag_tape *t = s->t;
    for (int i = 0; i < n; i++) {
        ag_status status = check_value(t, x[i], v ? &v[i] : NULL);
        if (status != AG_OK) return status;
        if (x[i].id > s->top) continue;
        ag_value d = v ? ag_cast(v[i], agx_meta_at(t, x[i].id)->dtype) : agx_full_like(x[i], 1);
        uint32_t *tangent = &s->tangent[x[i].id];
        if (d.id && *tangent) d = ag_add(agx_handle(t, *tangent), d);
        if (!d.id) return ag_tape_status(t);
        *tangent = d.id;
    }
    return AG_OK;
}

static ag_status collect(sweep *s, const ag_value *y, int ny, ag_value *dy) {
    for (int j = 0; j < ny; j++) {
        const uint32_t id = s->tangent[y[j].id];
        dy[j] = id ? agx_handle(s->t, id) : agx_full_like(y[j], 0);
    }
    return ag_tape_status(s->t);
}

static ag_status run(sweep *s, const ag_value *y, int ny, const ag_value *x, const ag_value *v, int n,
                     ag_value *dy) {
    for (int j = 0; j < ny; j++) agx_set_bit(s->needed, y[j].id);
    for (int i = 0; i < n; i++)
        if (x[i].id <= s->top) agx_set_bit(s->depends, x[i].id);
    mark_needed(s);
    agx_mark_dependents(s->t, s->depends, 1, s->top);
    ag_status status = plant(s, x, v, n);
    for (uint32_t id = 1; id <= s->top && status == AG_OK; id++) {
        const agx_record *r = agx_record_of(s->t, id);
        if (agx_bit(s->needed, id) && agx_bit(s->depends, id) && !(r && r->k > 0)) status = push_forward(s, id);
    }
    return status == AG_OK ? collect(s, y, ny, dy) : status;
}

static ag_status check(ag_tape *t, const ag_value *y, int ny, const ag_value *x, const ag_value *v, int n) {
    if (t->failed) return t->error.status;
    if (n < 0) return agx_tape_error(t, AG_ERROR_VALUE, "jvp: ", "the number of values is negative", "");
    if (t->sweeping) return agx_tape_error(t, AG_ERROR_STATE, "jvp: ", "a sweep is running on this tape", "");
    ag_status status = agx_check_operands(t, "jvp", x, (uint32_t)n);
    if (status == AG_OK && v) status = agx_check_operands(t, "jvp", v, (uint32_t)n);
    if (status == AG_OK) status = agx_check_operands(t, "jvp", y, (uint32_t)ny);
    return status != AG_OK && t->failed ? t->error.status : status;
}

/* dy is written last: it may be the place of y, x or v. */
static ag_status jvp(const ag_value *y, int ny, const ag_value *x, const ag_value *v, int n, ag_value *dy) {
    ag_tape *t = ny > 0 ? y[0].tape : NULL;
    if (!t) return AG_ERROR_FAILED;
    ag_status status = check(t, y, ny, x, v, n);
    if (status != AG_OK) return status;
    sweep s = {.t = t};
    for (int j = 0; j < ny; j++) s.top = y[j].id > s.top ? y[j].id : s.top;
    /* an operation's outputs have up to three ids behind the root's */
    const size_t ids = (size_t)s.top + 4, bits = ids / 8 + 1, bytes = ids * sizeof *s.tangent;
    s.depends = ag_alloc_zeroed(bits);
    s.needed = ag_alloc_zeroed(bits);
    s.tangent = ag_alloc_zeroed(bytes);
    if (s.depends && s.needed && s.tangent) {
        t->sweeping = true;
        status = run(&s, y, ny, x, v, n, dy);
        t->sweeping = false;
    } else {
        status = agx_tape_error(t, AG_ERROR_MEMORY, "jvp: ", "out of memory", "");
    }
    agx_transpose_clear(&s.room);
    ag_release(s.depends, bits);
    ag_release(s.needed, bits);
    ag_release(s.tangent, bytes);
    return status;
}

ag_status ag_jvp(const ag_value *y, int ny, const ag_value *x, const ag_value *v, int n, ag_value *dy) {
    ag_tape *t = ny > 0 ? y[0].tape : NULL;
    const ag_status status = jvp(y, ny, x, v, n, dy);
    for (int j = 0; j < ny && status != AG_OK; j++) dy[j] = agx_failed(t);
    return status;
}
