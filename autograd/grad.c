/* grad: the reverse sweep, not recorded (ag_backward) and recorded (ag_grad), and the adjoints that outlive it.
 *
 * Both scan ids downwards once; every user of a value has a larger id, so its adjoint is complete when the scan
 * reaches it. Outside a sweep every inner adjoint is empty; leaves keep theirs. */
#include "grad.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ops.h"
#include "tape_impl.h"

/* ---- scratch records ----------------------------------------------------------------------------------------------------- */

typedef struct scratch_mark {
    uint32_t next;
    agx_arena_mark arena;
    const agx_label *labels;
    const agx_scope_event *scope_events;
    const agx_scope *scope;
    const agx_held *held;
} scratch_mark;

static scratch_mark scratch_here(const ag_tape *t) {
    return (scratch_mark){.next = t->head.next,
                          .arena = agx_arena_here(&t->arena),
                          .labels = t->labels,
                          .scope_events = t->scope_events,
                          .scope = t->scope,
                          .held = t->held};
}

/* Forget what a rule recorded; what it gave away has a count of its own. */
static void scratch_end(ag_tape *t, scratch_mark m) {
    for (uint32_t id = m.next; id < t->head.next; id++) {
        agx_record *r = agx_record_of(t, id);
        if (r) agx_buffer_drop(&t->pool, r->buffer);
    }
    agx_drop_held(t, m.held);
    agx_seek(t, m.next);
    t->labels = m.labels;
    t->scope_events = m.scope_events;
    t->scope = m.scope;
    agx_arena_release(&t->arena, m.arena);
}

/* ---- backward -------------------------------------------------------------------------------------------------------------- */

static void drop_slot(ag_tape *t, agx_slot *slot) {
    if (slot->data) agx_buffer_drop(&t->pool, slot->buffer);
    slot->data = NULL;
    slot->buffer = NULL;
}

static ag_status retain_slot(ag_tape *t, uint32_t id, const agx_record *r) {
    agx_held *h = agx_held_of(t, id);
    if (!h || !r->slot.data) return AG_OK;
    ag_meta layout = r->meta;
    memcpy(layout.stride, r->slot.stride, sizeof layout.stride);
    return agx_slot_add(t, &h->slot, &r->meta, &(ag_array){.meta = &layout, .data = r->slot.data}, r->slot.buffer);
}

/* One tensor record: output 0 of an operation whose outputs' adjoints are complete. */
static ag_status sweep_record(ag_tape *t, uint32_t id) {
    agx_record *first = agx_record_of(t, id);
    if (first->flags & AGX_LEAF) return AG_OK;
    bool reached = false;
    for (uint32_t k = 0; k < first->op->outputs; k++) {
        agx_record *r = agx_record_of(t, id + k);
        if (r->flags & AGX_RETAIN && retain_slot(t, id + k, r) != AG_OK) return t->error.status;
        reached |= r->slot.data != NULL;
    }
    if (!reached || !(first->flags & AGX_NEEDS)) {
        for (uint32_t k = 0; k < first->op->outputs; k++) drop_slot(t, &agx_record_of(t, id + k)->slot);
        return AG_OK;
    }
    ag_reverse r = {
        .t = t, .op = first->op, .id = id, .attrs = first->attrs, .in = {.n = first->n_in, .id = first->in}};
    if (t->recompute.cursor && agx_recompute_reach(t, id) != AG_OK) return t->error.status;
    scratch_mark here = scratch_here(t);
    ag_status status = agx_run_rule(&r);
    if (status != AG_OK && !t->failed) {
        agx_operation_error(t, first->op, NULL, 0, status,
                            first->op->vjp ? "its derivative rule failed" : "has no derivative rule");
    }
    t->aim = NULL;
    for (uint32_t k = 0; k < first->op->outputs; k++) drop_slot(t, &agx_record_of(t, id + k)->slot);
    scratch_end(t, here);
    return ag_tape_status(t);
}

/* The hooks of one value, whose adjoint is complete: what they answer takes its place. */
static ag_status hook_adjoint(ag_tape *t, uint32_t id) {
    static const ag_op hook = {.name = "hook"};
    agx_record *r = agx_record_of(t, id);
    agx_hook *first = agx_hook_of(t, id);
    scratch_mark here = scratch_here(t);
    if (!r) {
        double *adjoint = agx_adjoint(t, id);
        if (*adjoint != 0) {
            ag_value v = agx_run_hooks(t, id, ag_scalar_constant(t, *adjoint));
            if (v.id) *adjoint = ag_item(v);
        }
        *adjoint += first->earlier;
        first->earlier = 0;
    } else {
        const bool leaf = r->flags & AGX_LEAF;
        agx_slot *slot = leaf ? &first->slot : &r->slot;
        if (slot->data) {
            ag_value v = agx_run_hooks(t, id, agx_adopt(t, &r->meta, slot));
            if (v.id && leaf)
                agx_give_leaf(t, &hook, id, v);
            else if (v.id)
                agx_give_numbers(t, &hook, id, v);
        }
    }
    scratch_end(t, here);
    return ag_tape_status(t);
}

/* After a failure at any point: no inner adjoint is left, and every leaf that may have been touched says so. */
static void invalidate(ag_tape *t, uint32_t top) {
    agx_hooks_abandon(t);
    for (agx_held *h = t->held; h; h = h->previous) { /* retained: some have this sweep's share, some do not */
        if (h->leaf) continue;
        agx_record *r = h->id <= top ? agx_record_of(t, h->id) : NULL;
        if (r) r->flags |= AGX_INVALID;
        if (!r && h->id <= top) h->scalar = NAN;
    }
    for (uint32_t id = 1; id <= top; id++) {
        ag_entry *e = agx_entry(t, id);
        if (!agx_is_wide(e)) {
            *agx_adjoint(t, id) = agx_is_scalar_leaf(e) ? NAN : 0;
            if (agx_is_scalar_leaf(e)) agx_touch(t, id);
            continue;
        }
        agx_record *r = e->u.wide;
        drop_slot(t, &r->slot);
        if (!(r->flags & AGX_LEAF) || !(r->flags & AGX_NEEDS)) continue;
        if (!r->bound) {
            r->flags |= AGX_INVALID;
            continue;
        }
        ag_tensor *to = agx_gradient_of(t, r->bound); /* made if it must be: none at all would count as zero */
        if (to && ag_tensor_need_grad(to) == AG_OK) to->grad_state = AGX_GRAD_INVALID;
    }
}

static ag_status watch_slot(ag_tape *t, uint32_t id, const agx_record *r) {
    if (!r->slot.data || r->flags & AGX_LEAF) return AG_OK;
    ag_meta layout = r->meta;
    memcpy(layout.stride, r->slot.stride, sizeof layout.stride);
    return agx_watch_adjoint(t, id, &(ag_array){.meta = &layout, .data = r->slot.data});
}

static ag_status sweep(ag_tape *t, uint32_t top) {
    /* in anomaly mode every scalar is looked at on its own */
    for (uint32_t id = top; (id = t->anomaly ? id : agx_scalar_sweep(t, id)) > 0; id--) {
        const agx_record *r = agx_record_of(t, id);
        ag_status status = agx_hooked(t, id) ? hook_adjoint(t, id) : AG_OK;
        if (status == AG_OK && r) status = t->anomaly ? watch_slot(t, id, r) : AG_OK;
        if (status == AG_OK && !r) {
            if (t->anomaly)
                status = agx_sweep_watched(t, id);
            else
                agx_sweep_scalar(t, id);
        }
        if (status != AG_OK) return status;
        if (!r || r->k > 0) continue; /* waits for output 0 */
        status = sweep_record(t, id);
        if (status != AG_OK) return status;
    }
    return AG_OK;
}

/* y and its seed, checked; the shape error names both. */
static ag_status check_root(ag_tape *t, const char *who, ag_value y, const ag_value *seed) {
    ag_status status = agx_check_handles(t, who, &y, 1);
    if (status == AG_OK && seed) status = agx_check_operands(t, who, seed, 1);
    if (status != AG_OK) return t->failed ? t->error.status : status;
    const ag_op named = {.name = who};
    const ag_meta *meta = agx_meta_at(t, y.id);
    if (!seed && ag_meta_count(meta) != 1) {
        return agx_operation_error(t, &named, &y, 1, AG_ERROR_SHAPE,
                                   "needs a value with one element, or a seed of its shape");
    }
    if (seed && !ag_meta_same_shape(meta, agx_meta_at(t, seed->id))) {
        return agx_operation_error(t, &named, (const ag_value[]){y, *seed}, 2, AG_ERROR_SHAPE,
                                   "the seed must have the root's shape");
    }
    return AG_OK;
}

static const ag_op backward_op = {.name = "backward"};

/* The first contribution: the seed, or one. */
static void plant(ag_tape *t, ag_value y, const ag_value *seed) {
    const ag_meta *meta = agx_meta_at(t, y.id);
    if (!agx_record_of(t, y.id)) {
        double s = seed ? ag_item(*seed) : 1;
        if (seed && t->anomaly) agx_watch_amount(t, &backward_op, 0, y.id, *seed);
        *agx_adjoint(t, y.id) += s;
        return;
    }
    ag_value v = seed ? *seed : ag_full(t, meta->dtype, meta->rank, meta->dim, 1);
    if (v.id && agx_meta_at(t, v.id)->dtype != meta->dtype) v = ag_cast(v, meta->dtype);
    if (v.id && t->anomaly) agx_watch_amount(t, &backward_op, 0, y.id, v);
    if (v.id) agx_give_numbers(t, &backward_op, y.id, v);
}

static ag_status backward(ag_value y, const ag_value *seed) {
    ag_tape *t = y.tape;
    if (!t) return AG_ERROR_FAILED;
    if (t->sweeping) return agx_tape_error(t, AG_ERROR_STATE, "backward: ", "a sweep is running on this tape", "");
    ag_status status = t->failed ? t->error.status : check_root(t, "backward", y, seed);
    if (status != AG_OK) {
        /* the step has failed: an optimiser that comes next must find no gradient to go by */
        invalidate(t, agx_live(t, y) ? y.id : t->head.next - 1);
        return status;
    }
    t->sweeping = t->scratch = true;
    agx_hooks_begin(t, y.id);
    agx_recompute_start(t);
    scratch_mark here = scratch_here(t);
    plant(t, y, seed);
    scratch_end(t, here);
    status = ag_tape_status(t);
    if (status == AG_OK) status = sweep(t, y.id);
    agx_recompute_over(t);
    if (status != AG_OK) invalidate(t, y.id);
    t->sweeping = t->scratch = false;
    ag_status epoch = agx_new_epoch(t); /* a rule that kept a scratch handle must find it stale */
    return status != AG_OK ? status : epoch;
}

ag_status ag_backward(ag_value y) { return backward(y, NULL); }
ag_status ag_backward_from(ag_value y, ag_value seed) { return backward(y, &seed); }

/* ---- the recorded gradient --------------------------------------------------------------------------------------------------- */

void agx_mark_dependents(const ag_tape *t, uint8_t *depends, uint32_t from, uint32_t top) {
    for (uint32_t id = from; id <= top; id++) {
        const ag_entry *e = agx_entry(t, id);
        if (agx_bit(depends, id) || agx_detached(e)) continue;
        const agx_record *r = agx_record_of(t, id);
        agx_operands in;
        agx_operands_of(t, id, &in);
        for (uint32_t i = 0; i < in.n; i++) {
            if (r && ag_op_grad(r->op, i) == AG_GRAD_ZERO) continue;
            if (!agx_bit(depends, agx_operand(&in, i))) continue;
            agx_set_bit(depends, id);
            break;
        }
    }
}

/* y = b + sum w x: the rule of the fused neuron, recorded. */
static ag_status affine_vjp(ag_reverse *r) {
    ag_value dy = ag_dy(r, 0);
    uint32_t n = (r->in.n - 1) / 2;
    for (uint32_t i = 0; i < n; i++) {
        ag_value w = agx_handle(r->t, agx_operand(&r->in, 2 * i)),
                 x = agx_handle(r->t, agx_operand(&r->in, 2 * i + 1));
        if (ag_wants(r, 2 * i)) ag_give(r, 2 * i, ag_mul(dy, x));
        if (ag_wants(r, 2 * i + 1)) ag_give(r, 2 * i + 1, ag_mul(dy, w));
    }
    if (ag_wants(r, 2 * n)) ag_give(r, 2 * n, dy);
    return AG_OK;
}

ag_status agx_record_rule(ag_tape *t, uint32_t id, const uint8_t *depends, uint32_t *adjoint, agx_watch *watch) {
    static const ag_op affine = {
        .name = "affine", .min_in = 1, .max_in = AG_VARIADIC, .outputs = 1, .vjp = affine_vjp};
    const ag_entry *e = agx_entry(t, id);
    ag_reverse r = {.t = t, .id = id, .recorded = true, .depends = depends, .adjoint = adjoint, .watch = watch};
    agx_operands_of(t, id, &r.in);
    if (r.in.n == 0) return AG_OK;
    bool any = false;
    for (uint32_t i = 0; i < r.in.n && !any; i++) any = agx_bit(depends, agx_operand(&r.in, i));
    if (!any) return AG_OK;
    ag_status status = t->recompute.newest && agx_is_wide(e) ? agx_recompute_record(t, id) : AG_OK;
    if (status != AG_OK) return status;
    if (agx_is_wide(e)) {
        const agx_record *record = e->u.wide;
        r.op = record->op;
        r.attrs = record->attrs;
    } else if ((e->op & AGX_STRIP_CODE) == AGX_STRIP_AFFINE) {
        r.op = &affine;
    } else {
        r.op = &agx_elementwise_ops[e->op & AGX_STRIP_CODE];
        r.attrs = r.op->attr_size ? &e->u.c : NULL;
    }
    status = agx_run_rule(&r);
    if (status != AG_OK && !t->failed) {
        agx_operation_error(t, r.op, NULL, 0, status,
                            status == AG_ERROR_DERIVATIVE ? "has no derivative rule"
                                                          : "its derivative rule failed");
    }
    return ag_tape_status(t);
}

ag_value agx_full_like(ag_value y, double c) {
    const ag_meta *meta = agx_meta_at(y.tape, y.id);
    if (!agx_record_of(y.tape, y.id)) return ag_scalar_constant(y.tape, c);
    return ag_full(y.tape, meta->dtype, meta->rank, meta->dim, c);
}

/* The seeds, on the tape; several roots may be one value. */
static ag_status plant_all(ag_tape *t, const ag_value *y, const ag_value *seed, int ny, uint32_t *adjoint) {
    for (int j = 0; j < ny; j++) {
        ag_status status = check_root(t, "grad", y[j], seed ? &seed[j] : NULL);
        if (status != AG_OK) return status;
        ag_value s = seed ? seed[j] : agx_full_like(y[j], 1);
        ag_dtype dtype = agx_meta_at(t, y[j].id)->dtype;
        if (s.id && agx_meta_at(t, s.id)->dtype != dtype) s = ag_cast(s, dtype);
        if (s.id && t->anomaly) agx_watch_amount(t, &(const ag_op){.name = "grad"}, 0, y[j].id, s);
        if (adjoint[y[j].id]) s = ag_add(agx_handle(t, adjoint[y[j].id]), s);
        if (!s.id || t->failed) return ag_tape_status(t);
        adjoint[y[j].id] = s.id;
    }
    return AG_OK;
}

static ag_status collect(ag_tape *t, const ag_value *wrt, int n, const uint32_t *adjoint, uint32_t top,
                         ag_value *dx) {
    for (int i = 0; i < n; i++) {
        const bool reached = wrt[i].id <= top && adjoint[wrt[i].id];
        dx[i] = reached ? agx_handle(t, adjoint[wrt[i].id]) : agx_full_like(wrt[i], 0);
    }
    return ag_tape_status(t);
}

/* A dropped value, and what stood for it in earlier sweeps, are one: of[stand-in] is the value whose adjoint its own is
 * part of. *of stays NULL where there are none. */
static ag_status find_stand_ins(ag_tape *t, const ag_value *wrt, int n, uint32_t top, size_t bytes,
                                uint8_t *depends, uint32_t **of) {
    for (int i = 0; i < n; i++) {
        if (!t->recompute.newest || !agx_recompute_stand_ins(t, wrt[i].id, top, NULL)) continue;
        if (!*of && !(*of = ag_alloc_zeroed(bytes)))
            return agx_tape_error(t, AG_ERROR_MEMORY, "grad: ", "out of memory", "");
        (void)agx_recompute_stand_ins(t, wrt[i].id, top, *of);
    }
    for (uint32_t id = 1; *of && id <= top; id++)
        if ((*of)[id]) agx_set_bit(depends, id);
    return AG_OK;
}

static ag_status join_stand_in(ag_tape *t, uint32_t *adjoint, uint32_t id, uint32_t of) {
    ag_value sum = agx_handle(t, adjoint[id]);
    if (adjoint[of]) sum = ag_add(agx_handle(t, adjoint[of]), sum);
    adjoint[of] = sum.id;
    adjoint[id] = 0;
    return ag_tape_status(t);
}

/* dx is written last: it may be the place of y, seed or wrt. */
static ag_status grad(const ag_value *y, const ag_value *seed, int ny, const ag_value *wrt, int n, ag_value *dx) {
    ag_tape *t = ny > 0 ? y[0].tape : NULL;
    if (!t) return AG_ERROR_FAILED;
    if (t->failed) return t->error.status;
    if (n < 0) return agx_tape_error(t, AG_ERROR_VALUE, "grad: ", "the number of values is negative", "");
    if (t->sweeping) return agx_tape_error(t, AG_ERROR_STATE, "grad: ", "a sweep is running on this tape", "");
    ag_status status = agx_check_handles(t, "grad", wrt, (uint32_t)n);
    if (status == AG_OK) status = agx_check_handles(t, "grad", y, (uint32_t)ny);
    if (status != AG_OK) return t->failed ? t->error.status : status;
    uint32_t top = 0;
    for (int j = 0; j < ny; j++) top = y[j].id > top ? y[j].id : top;
    /* an operation's outputs have up to three ids behind the root's */
    size_t bytes = (size_t)top + 4, depends_bytes = bytes / 8 + 1, adjoint_bytes = bytes * sizeof(uint32_t);
    uint8_t *depends = ag_alloc_zeroed(depends_bytes);
    uint32_t *adjoint = ag_alloc_zeroed(adjoint_bytes), *of = NULL;
    if (!depends || !adjoint) {
        status = agx_tape_error(t, AG_ERROR_MEMORY, "grad: ", "out of memory", "");
        goto done;
    }
    for (int i = 0; i < n; i++) {
        if (wrt[i].id <= top) agx_set_bit(depends, wrt[i].id);
    }
    status = find_stand_ins(t, wrt, n, top, adjoint_bytes, depends, &of);
    if (status != AG_OK) goto done;
    t->sweeping = true;
    agx_mark_dependents(t, depends, 1, top);
    status = plant_all(t, y, seed, ny, adjoint);
    for (uint32_t id = top; id > 0 && status == AG_OK; id--) {
        const agx_record *r = agx_record_of(t, id);
        if (of && of[id] && adjoint[id]) status = join_stand_in(t, adjoint, id, of[id]);
        if (agx_bit(depends, id) && adjoint[id] && agx_hooked(t, id)) {
            adjoint[id] = agx_run_hooks(t, id, agx_handle(t, adjoint[id])).id;
            status = ag_tape_status(t);
        }
        if (status != AG_OK || !agx_bit(depends, id) || (r && r->k > 0)) continue;
        bool reached = false;
        for (uint32_t k = 0; k < (r ? r->op->outputs : 1u) && id + k <= top; k++) reached |= adjoint[id + k] != 0;
        if (reached) status = agx_record_rule(t, id, depends, adjoint, NULL);
    }
    t->sweeping = false;
    if (status == AG_OK) status = collect(t, wrt, n, adjoint, top, dx);
done:
    ag_release(of, adjoint_bytes);
    ag_release(depends, depends_bytes);
    ag_release(adjoint, adjoint_bytes);
    return status;
}

ag_status ag_grad(const ag_value *y, const ag_value *seed, int ny, const ag_value *wrt, int n, ag_value *dx) {
    ag_tape *t = ny > 0 ? y[0].tape : NULL;
    const ag_status status = grad(y, seed, ny, wrt, n, dx);
    for (int i = 0; i < n && status != AG_OK; i++) dx[i] = agx_failed(t);
    return status;
}
