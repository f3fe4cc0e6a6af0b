/* rule: what a reverse rule sees (ag_reverse) and what becomes of what it gives.
 *
 * In a sweep that records, adjoints are ordinary values and accumulate by ag_add. In one that does not, they are slots
 * holding counted buffers of the pool; a rule's operations are scratch records past the end of the tape, and only
 * the buffers it gives survive them. */
#include <stdio.h>
#include <string.h>

#include "ops.h"
#include "tape_impl.h"

ag_status agx_run_rule(ag_reverse *r) { return r->op->vjp ? r->op->vjp(r) : AG_ERROR_DERIVATIVE; }

/* ---- reading ---------------------------------------------------------------------------------------------------------- */

uint32_t ag_in_count(const ag_reverse *r) { return r->in.n; }
const void *ag_rule_attrs(const ag_reverse *r) { return r->attrs; }
const ag_op *ag_rule_op(const ag_reverse *r) { return r->op; }
ag_tape *ag_rule_tape(const ag_reverse *r) { return r->t; }
bool ag_rule_recorded(const ag_reverse *r) { return r->recorded; }

const ag_meta *ag_in_meta(const ag_reverse *r, uint32_t i) {
    if (i >= r->in.n) return NULL;
    return agx_meta_at(r->t, agx_operand(&r->in, i));
}
const ag_meta *ag_out_meta(const ag_reverse *r, uint32_t k) {
    if (k >= r->op->outputs) return NULL;
    return agx_meta_at(r->t, r->id + k);
}

bool ag_wants(ag_reverse *r, uint32_t i) {
    if (i >= r->in.n || ag_op_grad(r->op, i) == AG_GRAD_ZERO) return false;
    uint32_t id = agx_operand(&r->in, i);
    bool wanted;
    if (r->depends) {
        wanted = agx_bit(r->depends, id);
    } else {
        const ag_entry *e = agx_entry(r->t, id);
        wanted = agx_is_wide(e) ? (((const agx_record *)e->u.wide)->flags & AGX_NEEDS) != 0
                                : e->op != AGX_STRIP_CONSTANT && !(e->op & AGX_STRIP_DETACHED);
    }
    if (wanted && ag_op_grad(r->op, i) == AG_GRAD_MISSING) {
        agx_operation_error(r->t, r->op, NULL, 0, AG_ERROR_DERIVATIVE, "has no derivative for this operand");
        return false;
    }
    return wanted;
}

/* A bound tensor must still hold what the record was made from. */
bool agx_unwritten(ag_tape *t, const ag_op *op, uint32_t id) {
    const agx_record *r = agx_record_of(t, id);
    if (!r || !r->bound || r->version == ag_tensor_version(r->bound)) return true;
    char text[120];
    snprintf(text, sizeof text, "tensor '%.40s' was written between forward and backward",
             ag_tensor_name(r->bound));
    agx_operation_error(t, op, (const ag_value[]){agx_handle(t, id)}, 1, AG_ERROR_WRITTEN, text);
    return false;
}

ag_value ag_in(ag_reverse *r, uint32_t i) {
    if (i >= r->in.n || !(r->op->keeps & AG_IN(i))) {
        agx_operation_error(r->t, r->op, NULL, 0, AG_ERROR_KEEPS,
                            "its rule reads an operand that keeps does not name");
        return agx_failed(r->t);
    }
    uint32_t id = agx_operand(&r->in, i);
    return agx_unwritten(r->t, r->op, id) ? agx_handle(r->t, agx_numbers_at(r->t, id)) : agx_failed(r->t);
}

ag_value ag_out(ag_reverse *r, uint32_t k) {
    if (k >= r->op->outputs || !(r->op->keeps & AG_OUT(k))) {
        agx_operation_error(r->t, r->op, NULL, 0, AG_ERROR_KEEPS,
                            "its rule reads an output that keeps does not name");
        return agx_failed(r->t);
    }
    if (!agx_unwritten(r->t, r->op, r->id + k)) return agx_failed(r->t);
    return agx_handle(r->t, agx_numbers_at(r->t, r->id + k));
}

bool ag_has_dy(const ag_reverse *r, uint32_t k) {
    if (k >= r->op->outputs) return false;
    if (r->recorded) return r->adjoint[r->id + k] != 0;
    return r->dy[k].id != 0 || agx_record_of(r->t, r->id + k)->slot.data != NULL;
}

ag_value agx_adopt(ag_tape *t, const ag_meta *meta, agx_slot *slot) {
    ag_meta layout = *meta;
    memcpy(layout.stride, slot->stride, sizeof layout.stride);
    layout.offset = 0;
    ag_value v = agx_record_new(t, &agx_op_constant, &layout, slot->data, slot->buffer, 0, NULL);
    if (v.id) *slot = (agx_slot){0};
    return v;
}

ag_value ag_dy(ag_reverse *r, uint32_t k) {
    if (k >= r->op->outputs) return agx_failed(r->t);
    if (r->dy[k].id) return r->dy[k];
    ag_tape *t = r->t;
    if (!ag_has_dy(r, k)) {
        const ag_meta *meta = agx_meta_at(t, r->id + k);
        r->dy[k] = ag_full(t, meta->dtype, meta->rank, meta->dim, 0);
    } else if (r->recorded) {
        r->dy[k] = agx_handle(t, r->adjoint[r->id + k]);
    } else {
        agx_record *of = agx_record_of(t, r->id + k);
        r->dy[k] = agx_adopt(t, &of->meta, &of->slot);
    }
    return r->dy[k];
}

/* ---- giving --------------------------------------------------------------------------------------------------------------- */

/* v in the shape and dtype of the operand it is for. */
static ag_value fit(ag_reverse *r, uint32_t id, ag_value v) {
    const ag_meta *want = agx_meta_at(r->t, id), *have = agx_meta_at(r->t, v.id);
    if (!ag_meta_same_shape(want, have)) {
        const ag_meta *both[2] = {want, have};
        ag_meta out;
        if (ag_broadcast(both, 2, &out, NULL) != AG_OK || !ag_meta_same_shape(&out, have)) {
            agx_operation_error(r->t, r->op, (const ag_value[]){agx_handle(r->t, id), v}, 2, AG_ERROR_SHAPE,
                                "its rule gave an adjoint that does not fit the operand");
            return agx_failed(r->t);
        }
        v = ag_sum_to(v, want->rank, want->dim);
    }
    if (v.id && agx_meta_at(r->t, v.id)->dtype != want->dtype) v = ag_cast(v, want->dtype);
    return v;
}

static ag_status no_memory(ag_tape *t) {
    return agx_operation_error(t, &agx_op_leaf, NULL, 0, AG_ERROR_MEMORY, "out of memory for an adjoint");
}

/* The numbers of a value that has the given record's shape. */
static ag_array numbers(ag_tape *t, uint32_t id) {
    const agx_record *r = agx_record_of(t, id);
    if (r) return (ag_array){.meta = &r->meta, .data = r->data};
    return (ag_array){.meta = &agx_scalar_meta, .data = &agx_entry(t, id)->v};
}

static bool own_copy(ag_tape *t, agx_slot *slot, const ag_array *x) {
    ag_meta meta = *x->meta;
    ag_meta_make_dense(&meta);
    agx_buffer *b = agx_pool_take(&t->pool, ag_meta_bytes(&meta));
    if (!b) return false;
    ag_array z = {.meta = &meta, .data = agx_buffer_data(b)};
    if (agx_copy(x, &z, &t->work) != AG_OK) {
        agx_buffer_drop(&t->pool, b);
        return false;
    }
    slot->buffer = b;
    slot->data = z.data;
    slot->dense = true;
    memcpy(slot->stride, meta.stride, sizeof slot->stride);
    return true;
}

ag_status agx_slot_add(ag_tape *t, agx_slot *slot, const ag_meta *meta, const ag_array *x, agx_buffer *buffer) {
    if (!slot->data) {
        if (!buffer) return own_copy(t, slot, x) ? AG_OK : no_memory(t);
        agx_buffer_share(buffer);
        slot->buffer = buffer;
        slot->data = x->data;
        slot->dense = ag_meta_is_dense(x->meta);
        for (int d = 0; d < x->meta->rank; d++) slot->stride[d] = x->meta->stride[d];
        return AG_OK;
    }
    ag_meta layout = *meta;
    memcpy(layout.stride, slot->stride, sizeof layout.stride);
    if (slot->buffer->count > 1 || !slot->dense) { /* shared, or a view that may overlap itself */
        ag_array old = {.meta = &layout, .data = slot->data};
        agx_slot copy = {0};
        if (!own_copy(t, &copy, &old)) return no_memory(t);
        agx_buffer_drop(&t->pool, slot->buffer);
        *slot = copy;
        memcpy(layout.stride, slot->stride, sizeof layout.stride);
    }
    ag_array z = {.meta = &layout, .data = slot->data};
    return agx_accumulate(x, &z, &t->work) == AG_OK ? AG_OK : no_memory(t);
}

/* Into the gradient of a bound tensor. What was aimed (agx_aim) is there already. */
static ag_status add_to_tensor(ag_tape *t, ag_tensor *tensor, const ag_array *x) {
    if (!tensor) return no_memory(t);
    if (x->data == tensor->grad && tensor->grad) {
        tensor->grad_state = AGX_GRAD_VALID;
        return AG_OK;
    }
    if (tensor->grad_state == AGX_GRAD_INVALID) return AG_OK; /* stays refused until it is zeroed */
    bool overwrite;
    ag_array z = {.meta = &tensor->meta, .data = agx_tensor_grad_target(tensor, &overwrite)};
    if (!z.data) return no_memory(t);
    ag_status status = overwrite ? agx_copy(x, &z, &t->work) : agx_accumulate(x, &z, &t->work);
    if (status != AG_OK) return no_memory(t);
    tensor->grad_state = AGX_GRAD_VALID;
    return AG_OK;
}

void agx_aim(ag_reverse *r, uint32_t i) {
    if (r->recorded) return;
    agx_record *leaf = agx_record_of(r->t, agx_operand(&r->in, i));
    if (!leaf || !(leaf->flags & AGX_LEAF) || leaf->flags & AGX_HOOK) return;
    ag_tensor *to = leaf->bound ? agx_gradient_of(r->t, leaf->bound) : NULL;
    bool overwrite;
    if (!to || to->grad_state == AGX_GRAD_VALID || to->grad_state == AGX_GRAD_INVALID) return;
    if (agx_tensor_grad_target(to, &overwrite)) r->t->aim = to;
}

static void give_number(ag_tape *t, uint32_t id, ag_value v) {
    const agx_record *from = agx_record_of(t, v.id);
    *agx_adjoint(t, id) += from ? agx_load(from->data, from->meta.dtype, 0) : agx_entry(t, v.id)->v;
}

ag_status agx_give_leaf(ag_tape *t, const ag_op *op, uint32_t id, ag_value v) {
    agx_record *to = agx_record_of(t, id), *from = agx_record_of(t, v.id);
    ag_array x = numbers(t, v.id);
    if (!agx_unwritten(t, op, id)) return AG_ERROR_WRITTEN;
    if (to->bound) return add_to_tensor(t, agx_gradient_of(t, to->bound), &x);
    return agx_slot_add(t, &to->slot, &to->meta, &x, from ? from->buffer : NULL);
}

ag_status agx_give_numbers(ag_tape *t, const ag_op *op, uint32_t id, ag_value v) {
    agx_record *to = agx_record_of(t, id);
    if (!to) {
        give_number(t, id, v);
        return AG_OK;
    }
    if (!(to->flags & AGX_NEEDS)) return AG_OK;
    const bool hooked_leaf = to->flags & AGX_LEAF && to->flags & AGX_HOOK;
    if (to->flags & AGX_LEAF && !hooked_leaf) return agx_give_leaf(t, op, id, v);
    agx_record *from = agx_record_of(t, v.id);
    ag_array x = numbers(t, v.id);
    agx_slot *slot = hooked_leaf ? &agx_hook_of(t, id)->slot : &to->slot;
    return agx_slot_add(t, slot, &to->meta, &x, from ? from->buffer : NULL);
}

void ag_give(ag_reverse *r, uint32_t i, ag_value v) {
    ag_tape *t = r->t;
    r->t->aim = NULL;
    if (i >= r->in.n || !ag_wants(r, i)) return;
    if (agx_check_operands(t, r->op->name, &v, 1) != AG_OK) {
        /* a rule that gives a failed value without any failure on the tape would go unnoticed */
        if (!t->failed) agx_operation_error(t, r->op, NULL, 0, AG_ERROR_FAILED, "its rule gave a failed value");
        return;
    }
    uint32_t id = agx_operand(&r->in, i);
    const ag_value raw = v;
    v = fit(r, id, v);
    if (!v.id) return;
    if (t->anomaly && agx_watch_amount(t, r->op, r->id, id, v) != AG_OK) return;
    if (!r->recorded) {
        agx_give_numbers(t, r->op, id, v);
        return;
    }
    uint32_t *sum = &r->adjoint[id];
    const ag_value amount = v;
    if (*sum) v = ag_add(agx_handle(t, *sum), v);
    if (v.id) *sum = v.id;
    if (v.id && r->watch) r->watch->gave(r->watch, r, i, raw, amount);
}
