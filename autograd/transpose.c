/* transpose: the tangents of one record from its reverse rule alone.
 *
 * A reverse rule computes g = J'w, linear in w: its derivative with respect to w is J', and the transpose of that, once
 * more by reverse rules, is J. So: record the rule for adjoints w that nothing else depends on, then pull the tangents
 * v back from g to w. The value of w does not matter. Everything happens between the ids that the first step begins
 * with and those it ends with: the cost is that of the record, not of the tape. */
#include <string.h>

#include "ops.h"
#include "tape_impl.h"

static size_t bits_size(size_t ids) { return ids / 8 + 1; }

void agx_transpose_clear(agx_transpose *room) {
    if (!room->capacity) return;
    ag_release(room->depends, bits_size(room->capacity));
    ag_release(room->adjoint, room->capacity * sizeof *room->adjoint);
    *room = (agx_transpose){0};
}

/* Room for every id of the tape, zero where nothing was marked. */
static ag_status reserve(ag_tape *t, agx_transpose *room) {
    const size_t ids = (size_t)t->head.next + 4;
    if (ids <= room->capacity) return AG_OK;
    const size_t capacity = 2 * ids;
    uint8_t *depends = ag_alloc_zeroed(bits_size(capacity));
    uint32_t *adjoint = ag_alloc_zeroed(capacity * sizeof *adjoint);
    if (!depends || !adjoint) {
        ag_release(depends, bits_size(capacity));
        ag_release(adjoint, capacity * sizeof *adjoint);
        return agx_tape_error(t, AG_ERROR_MEMORY, "jvp: ", "out of memory", "");
    }
    if (room->capacity) {
        memcpy(depends, room->depends, bits_size(room->capacity));
        memcpy(adjoint, room->adjoint, room->capacity * sizeof *adjoint);
    }
    agx_transpose_clear(room);
    *room = (agx_transpose){.depends = depends, .adjoint = adjoint, .capacity = capacity};
    return AG_OK;
}

static void forget(agx_transpose *room, uint32_t id) {
    if (id >= room->capacity) return;
    room->depends[id >> 3] = (uint8_t)(room->depends[id >> 3] & ~(1u << (id & 7)));
    room->adjoint[id] = 0;
}

static bool floats(const ag_tape *t, uint32_t id) { return ag_dtype_is_float(agx_meta_at(t, id)->dtype); }

/* Record g = J'w for the operands that move; w[k] is the adjoint of output k. */
static ag_status reverse_rule(ag_forward *f, ag_value *w) {
    agx_transpose *room = f->room;
    const ag_reverse *r = &f->reading;
    ag_tape *t = r->t;
    /* what no_grad detaches would not depend on w */
    const uint32_t no_grad = t->no_grad;
    t->no_grad = 0;
    for (uint32_t k = 0; k < r->op->outputs; k++) {
        w[k] = agx_failed(t);
        if (floats(t, r->id + k)) w[k] = agx_full_like(agx_handle(t, r->id + k), 1);
    }
    ag_status status = ag_tape_status(t);
    if (status == AG_OK) status = reserve(t, room);
    if (status == AG_OK) {
        for (uint32_t k = 0; k < r->op->outputs; k++) room->adjoint[r->id + k] = w[k].id;
        for (uint32_t i = 0; i < r->in.n; i++)
            if (ag_has_tangent(f, i)) agx_set_bit(room->depends, agx_operand(&r->in, i));
        status = agx_record_rule(t, r->id, room->depends, room->adjoint, NULL);
    }
    t->no_grad = no_grad;
    return status;
}

/* The tangents become adjoints of g, which the rule left at the operands. */
static ag_status plant(ag_forward *f, uint32_t from) {
    agx_transpose *room = f->room;
    const ag_reverse *r = &f->reading;
    ag_tape *t = r->t;
    for (uint32_t i = 0; i < r->in.n; i++) {
        const uint32_t id = agx_operand(&r->in, i), g = room->adjoint[id];
        if (!g || !agx_bit(room->depends, id)) continue;
        forget(room, id); /* an operand that comes twice has one adjoint */
        if (g < from) continue;
        ag_value v = agx_handle(t, f->tangent[id]);
        if (room->adjoint[g]) v = ag_add(agx_handle(t, room->adjoint[g]), v);
        room->adjoint[g] = v.id;
    }
    return ag_tape_status(t);
}

/* From g back to w, over the records in [from, top]. */
static ag_status pull_back(ag_tape *t, agx_transpose *room, uint32_t from, uint32_t top) {
    for (uint32_t id = top; id >= from; id--) {
        const agx_record *r = agx_record_of(t, id);
        if (!agx_bit(room->depends, id) || (r && r->k > 0)) continue;
        bool reached = false;
        for (uint32_t k = 0; k < (r ? r->op->outputs : 1u) && id + k <= top; k++)
            reached |= room->adjoint[id + k] != 0;
        ag_status status = reached ? agx_record_rule(t, id, room->depends, room->adjoint, NULL) : AG_OK;
        if (status != AG_OK) return status;
    }
    return AG_OK;
}

/* Nothing of the record is marked any more. */
static void leave(ag_forward *f) {
    const ag_reverse *r = &f->reading;
    for (uint32_t i = 0; i < r->in.n; i++) forget(f->room, agx_operand(&r->in, i));
    for (uint32_t k = 0; k < r->op->outputs; k++) forget(f->room, r->id + k);
}

ag_value agx_reverse_of_ones(ag_forward *f, uint32_t i) {
    const ag_reverse *r = &f->reading;
    const uint32_t id = agx_operand(&r->in, i);
    ag_value w[4], g = agx_failed(r->t);
    if (reverse_rule(f, w) == AG_OK) {
        const uint32_t sum = f->room->adjoint[id];
        g = sum ? agx_handle(r->t, sum) : agx_full_like(agx_handle(r->t, id), 0);
    }
    leave(f);
    return g;
}

ag_status agx_transpose_rule(ag_forward *f) {
    const ag_reverse *r = &f->reading;
    agx_transpose *room = f->room;
    ag_tape *t = r->t;
    const uint32_t from = t->head.next;
    ag_value w[4] = {{0}};
    ag_status status = reverse_rule(f, w);
    const uint32_t top = t->head.next - 1;
    if (status == AG_OK) status = reserve(t, room);
    if (status == AG_OK) status = plant(f, from);
    leave(f);
    if (status == AG_OK) {
        for (uint32_t k = 0; k < r->op->outputs; k++)
            if (w[k].id) agx_set_bit(room->depends, w[k].id);
        agx_mark_dependents(t, room->depends, from, top);
        status = pull_back(t, room, from, top);
    }
    for (uint32_t k = 0; k < r->op->outputs && status == AG_OK; k++) {
        const uint32_t dw = w[k].id ? room->adjoint[w[k].id] : 0;
        if (dw) ag_give_tangent(f, k, agx_handle(t, dw));
    }
    for (uint32_t id = from; id <= top; id++) forget(room, id);
    return status != AG_OK ? status : ag_tape_status(t);
}
