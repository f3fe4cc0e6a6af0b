/* gradcheck_walk: which operation is to blame - every record below the result is checked by itself, in the order of
 * recording, as a function of its own operands with their own values.
 *
 * The tape that is walked is that of the order that failed. For order 2 it holds the first derivative, too, so a fused
 * derivative whose own rule is wrong is found by its own name. */
#include "gradcheck_impl.h"

#include <stdio.h>
#include <string.h>

#include "ops.h"
#include "tape_impl.h"

/* A record as a function: the same operation with the same attributes on other operands. */
typedef struct subject {
    const ag_op *op; /* NULL: the fused neuron */
    const void *attrs;
    uint32_t strip; /* opcode of a scalar operation; AGX_ROW_COUNT: a tensor record */
    double number;
} subject;

static ag_value repeat(ag_tape *t, const ag_value *in, int n, void *user) {
    const subject *s = user;
    if (!s->op) return ag_affine(in, in + n / 2, n / 2, in[n - 1]);
    if (s->strip != AGX_ROW_COUNT) return ag_elementwise(s->strip, in, (uint32_t)n, s->number);
    return agx_gradcheck_outputs(s->op, ag_apply(t, s->op, in, (uint32_t)n, s->attrs));
}

/* The neuron's operands are recorded as w_0, x_0, w_1, x_1, ..., b and asked for as all w, all x, b. */
static uint32_t recorded_position(const subject *s, uint32_t i, uint32_t n) {
    if (s->op || i == n - 1) return i;
    const uint32_t half = n / 2;
    return i < half ? 2 * i : 2 * (i - half) + 1;
}

static bool differentiated(const ag_tape *t, const subject *s, uint32_t i, uint32_t id) {
    if (s->op && ag_op_grad(s->op, i) != AG_GRAD_RULE) return false;
    const ag_entry *e = agx_entry(t, id);
    if (agx_is_wide(e)) {
        const agx_record *r = e->u.wide;
        return (r->flags & AGX_NEEDS) && r->meta.dtype == AG_F64;
    }
    return e->op != AGX_STRIP_CONSTANT && !(e->op & AGX_STRIP_DETACHED);
}

/* What the record at id does; false: nothing that could be checked (a leaf, a constant, a result in f32). */
static bool read_subject(const ag_tape *t, uint32_t id, subject *s) {
    const ag_entry *e = agx_entry(t, id);
    *s = (subject){.strip = AGX_ROW_COUNT};
    if (agx_detached(e)) return false;
    if (agx_is_wide(e)) {
        const agx_record *r = e->u.wide;
        s->op = r->op;
        s->attrs = r->attrs;
        return r->k == 0 && r->n_in > 0 && r->meta.dtype != AG_F32;
    }
    const uint32_t code = e->op & AGX_STRIP_CODE;
    if (code == AGX_STRIP_AFFINE) return true;
    if (code >= AGX_ROW_COUNT) return false;
    s->strip = code;
    s->op = &agx_elementwise_ops[code];
    if (s->op->attr_size) s->number = e->u.c;
    return true;
}

/* The operands with their values, which lie in `values`, inputs in order. */
static ag_status read_operands(ag_tape *t, const subject *s, const agx_operands *operands, ag_gradcheck_input *in,
                               double *values, bool *any) {
    for (uint32_t i = 0; i < operands->n; i++) {
        const uint32_t position = recorded_position(s, i, operands->n), id = agx_operand(operands, position);
        const ag_meta *meta = agx_meta_at(t, id);
        const int64_t count = ag_meta_count(meta);
        in[i] = (ag_gradcheck_input){.dtype = meta->dtype,
                                     .rank = meta->rank,
                                     .values = values,
                                     .constant = !differentiated(t, s, position, id),
                                     .scalar = !agx_record_of(t, id)};
        memcpy(in[i].dim, meta->dim, (size_t)meta->rank * sizeof *meta->dim);
        ag_status status = ag_read_f64(agx_handle(t, id), values, count);
        if (status != AG_OK) return status;
        values += count;
        *any |= !in[i].constant && count > 0;
    }
    return AG_OK;
}

/* Does the record's own rule disagree with its own forward? The answer is in `inner`. */
static ag_status check_record(agx_gradcheck *c, subject *s, uint32_t id, ag_gradcheck_report *inner) {
    agx_operands operands;
    agx_operands_of(c->t, id, &operands);
    size_t numbers = 0;
    for (uint32_t i = 0; i < operands.n; i++)
        numbers += (size_t)ag_meta_count(agx_meta_at(c->t, agx_operand(&operands, i)));
    const size_t in_bytes = operands.n * sizeof(ag_gradcheck_input), bytes = numbers * sizeof(double);
    ag_gradcheck_input *in = ag_alloc(in_bytes);
    double *values = ag_alloc(bytes);
    bool any = false;
    ag_status status = AG_ERROR_MEMORY;
    inner->verdict = AG_GRADCHECK_PASSED;
    if (in && values) status = read_operands(c->t, s, &operands, in, values, &any);
    if (status == AG_OK && any) {
        ag_gradcheck_options options = c->options;
        options.order = 1;
        options.mode = AG_GRADCHECK_AUTO;
        status = agx_gradcheck_run(repeat, s, in, (int)operands.n, &options, false, inner);
        if (inner->local.input < 0 && inner->worst.input >= 0)
            inner->worst.input = (int)recorded_position(s, (uint32_t)inner->worst.input, operands.n);
    }
    ag_release(in, in_bytes);
    ag_release(values, bytes);
    return status;
}

static void blame(agx_gradcheck *c, const subject *s, uint32_t id, const ag_gradcheck_report *inner) {
    ag_gradcheck_report *r = c->report;
    const char *name = s->op ? s->op->name : "affine";
    r->record = id;
    r->local = inner->worst;
    if (inner->verdict == AG_GRADCHECK_FORWARD) r->local.input = -1; /* no operand of its own: tangents add up */
    snprintf(r->operation, sizeof r->operation, "%s", name);
    size_t at = agx_value_text(c->t, id, r->place, sizeof r->place);
    char scope[80];
    if (at < sizeof r->place && agx_scope_text(c->t, id, scope, sizeof scope))
        snprintf(r->place + at, sizeof r->place - at, " in scope '%s'", scope);
}

/* A bit per id: what y is computed from. */
static void mark_below(const ag_tape *t, uint32_t top, uint8_t *below) {
    below[top] = 1;
    for (uint32_t id = top; id > 0; id--) {
        const agx_record *r = agx_record_of(t, id);
        if (!below[id]) continue;
        below[id - (r ? r->k : 0)] = 1; /* one rule serves all outputs */
        agx_operands in;
        agx_operands_of(t, id, &in);
        for (uint32_t i = 0; i < in.n; i++) below[agx_operand(&in, i)] = 1;
    }
}

ag_status agx_gradcheck_walk(agx_gradcheck *c, ag_value y) {
    const size_t bytes = (size_t)y.id + 1;
    uint8_t *below = ag_alloc_zeroed(bytes);
    if (!below) return agx_gradcheck_fail(c, AG_ERROR_MEMORY, "out of memory");
    mark_below(c->t, y.id, below);
    ag_status status = AG_OK;
    for (uint32_t id = 1; id <= y.id && !c->report->record; id++) {
        subject s;
        ag_gradcheck_report inner = {.verdict = AG_GRADCHECK_PASSED};
        if (!below[id] || !read_subject(c->t, id, &s)) continue;
        status = check_record(c, &s, id, &inner);
        if (status == AG_ERROR_MEMORY) break;
        /* what cannot be repeated by itself is not to blame; a kink explains a kink only */
        const bool kink = inner.verdict == AG_GRADCHECK_KINK,
                   found = inner.verdict == AG_GRADCHECK_WRONG || inner.verdict == AG_GRADCHECK_SWEEPS ||
                           inner.verdict == AG_GRADCHECK_FORWARD || inner.verdict == AG_GRADCHECK_CHANGING;
        if (status == AG_OK && (found || (kink && c->report->verdict == AG_GRADCHECK_KINK)))
            blame(c, &s, id, &inner);
    }
    c->report->searched = status != AG_ERROR_MEMORY;
    ag_release(below, bytes);
    return c->report->searched ? AG_OK : agx_gradcheck_fail(c, AG_ERROR_MEMORY, "out of memory");
}
