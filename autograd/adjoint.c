/* adjoint: the adjoints that outlive a sweep - leaves and retained values - and reading what is on a tape. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "grad.h"
#include "tape_impl.h"

/* ---- values ------------------------------------------------------------------------------------------------------------ */

double ag_item(ag_value x) {
    ag_tape *t = x.tape;
    if (!t || agx_check_operands(t, "item", &x, 1) != AG_OK) return NAN;
    const agx_record *r = agx_record_of(t, x.id);
    if (!r) return agx_entry(t, x.id)->v;
    if (ag_meta_count(&r->meta) == 1) return agx_load(r->data, r->meta.dtype, 0);
    agx_operation_error(t, &(const ag_op){.name = "item"}, &x, 1, AG_ERROR_SHAPE,
                        "needs a value with one element");
    return NAN;
}

const void *ag_data(ag_value x) {
    if (!ag_ok(x) || agx_check_operands(x.tape, "data", &x, 1) != AG_OK) return NULL;
    const agx_record *r = agx_record_of(x.tape, x.id);
    return r ? r->data : NULL;
}

/* Strided numbers out as dense ones of the given dtype. */
static ag_status copy_out(ag_tape *t, const ag_array *x, ag_dtype dtype, void *out) {
    ag_meta meta = *x->meta;
    meta.dtype = dtype;
    ag_meta_make_dense(&meta);
    return agx_copy(x, &(ag_array){.meta = &meta, .data = out}, &t->work);
}

static ag_status refuse(ag_value x, const char *who, ag_status status, const char *why) {
    return agx_operation_error(x.tape, &(const ag_op){.name = who}, &x, 1, status, why);
}

/* Of the value itself, or (reads false) only of what is kept beside it. */
static ag_status check(ag_value x, const char *who, bool reads, int64_t n) {
    if (!x.tape) return AG_ERROR_FAILED;
    ag_status status = (reads ? agx_check_operands : agx_check_handles)(x.tape, who, &x, 1);
    if (status != AG_OK) return status == AG_ERROR_FAILED && x.tape->failed ? x.tape->error.status : status;
    if (ag_meta_count(agx_meta_at(x.tape, x.id)) != n) {
        return refuse(x, who, AG_ERROR_SHAPE, "the buffer has another number of elements");
    }
    return AG_OK;
}

ag_status ag_read_f64(ag_value x, double *values, int64_t n) {
    ag_status status = check(x, "read", true, n);
    if (status != AG_OK) return status;
    const agx_record *r = agx_record_of(x.tape, x.id);
    if (!r) {
        values[0] = agx_entry(x.tape, x.id)->v;
        return AG_OK;
    }
    return copy_out(x.tape, &(ag_array){.meta = &r->meta, .data = r->data}, AG_F64, values);
}

ag_status ag_read_tensor(ag_value x, ag_tensor *out) {
    ag_status status = check(x, "read", true, ag_tensor_count(out));
    if (status != AG_OK) return status;
    const ag_meta *meta = agx_meta_at(x.tape, x.id);
    if (!ag_meta_same_shape(meta, &out->meta)) {
        return refuse(x, "read", AG_ERROR_SHAPE, "the tensor has another shape");
    }
    if (meta->dtype != out->meta.dtype) return refuse(x, "read", AG_ERROR_DTYPE, "the tensor has another dtype");
    const agx_record *r = agx_record_of(x.tape, x.id);
    const ag_entry *e = agx_entry(x.tape, x.id);
    void *numbers = r ? r->data : (void *)(uintptr_t)&e->v;
    return copy_out(x.tape, &(ag_array){.meta = meta, .data = numbers}, meta->dtype, ag_tensor_write(out));
}

/* ---- adjoints -------------------------------------------------------------------------------------------------------------- */

agx_held *agx_held_of(const ag_tape *t, uint32_t id) {
    agx_held *h = t->held;
    while (h && h->id != id) h = h->previous;
    return h;
}

static ag_status hold(ag_tape *t, uint32_t id) {
    agx_held *h = agx_arena_take(&t->arena, sizeof *h, 16);
    if (!h) return agx_tape_error(t, AG_ERROR_MEMORY, "", "out of memory to keep an adjoint", "");
    *h = (agx_held){.previous = t->held, .id = id};
    t->held = h;
    return AG_OK;
}

ag_status agx_hold_leaf(ag_tape *t, uint32_t id) {
    ag_status status = hold(t, id);
    if (status == AG_OK) t->held->leaf = agx_record_of(t, id);
    return status;
}

void ag_retain(ag_value v) {
    ag_tape *t = v.tape;
    if (!t || agx_check_handles(t, "retain", &v, 1) != AG_OK || agx_held_of(t, v.id)) return;
    ag_entry *e = agx_entry(t, v.id);
    if (agx_is_wide(e)) {
        agx_record *r = e->u.wide;
        if (!(r->flags & AGX_LEAF) && hold(t, v.id) == AG_OK) r->flags |= AGX_RETAIN;
    } else if ((e->op & AGX_STRIP_CODE) != AGX_STRIP_LEAF && hold(t, v.id) == AG_OK) {
        e->op |= AGX_STRIP_RETAIN;
    }
}

/* The waiting sum of a leaf without a tensor, or of a retained value; data NULL: zeros. */
static const agx_slot *kept_slot(const ag_tape *t, uint32_t id, const agx_record *r) {
    static const agx_slot none = {0};
    if (r->flags & AGX_LEAF) return &r->slot;
    const agx_held *h = agx_held_of(t, id);
    return h ? &h->slot : &none;
}

/* An inner value whose adjoint every sweep consumes: a number would only look like an answer. */
static bool is_consumed(const ag_tape *t, uint32_t id) {
    const ag_entry *e = agx_entry(t, id);
    const uint32_t code = e->op & AGX_STRIP_CODE;
    const bool inner = agx_is_wide(e)
                           ? (((const agx_record *)e->u.wide)->flags & (AGX_LEAF | AGX_NEEDS)) == AGX_NEEDS
                           : !(e->op & AGX_STRIP_DETACHED) && code != AGX_STRIP_LEAF && code != AGX_STRIP_CONSTANT;
    return inner && !agx_held_of(t, id);
}

ag_status ag_adjoint_f64(ag_value x, double *values, int64_t n) {
    ag_status status = check(x, "adjoint", false, n);
    if (status != AG_OK) return status;
    ag_tape *t = x.tape;
    if (is_consumed(t, x.id))
        return refuse(x, "adjoint", AG_ERROR_STATE, "the adjoint of an inner value is kept only after ag_retain");
    const agx_record *r = agx_record_of(t, x.id);
    if (!r) {
        const ag_entry *e = agx_entry(t, x.id);
        const agx_held *h = e->op & AGX_STRIP_RETAIN ? agx_held_of(t, x.id) : NULL;
        values[0] = h ? h->scalar : *agx_adjoint(t, x.id);
        return AG_OK;
    }
    ag_tensor *gradient = r->flags & AGX_LEAF && r->bound ? agx_gradient_at(t, r->bound) : NULL;
    if (r->flags & AGX_INVALID || (gradient && ag_tensor_grad_status(gradient) != AG_OK)) {
        return refuse(x, "adjoint", AG_ERROR_STATE, "left over from a failed backward; zero it first");
    }
    if (r->flags & AGX_LEAF && r->bound) {
        for (int64_t i = 0; i < n; i++) values[i] = gradient ? ag_tensor_grad_get(gradient, i) : 0;
        return AG_OK;
    }
    const agx_slot *slot = kept_slot(t, x.id, r);
    if (!slot->data) {
        memset(values, 0, (size_t)n * sizeof *values);
        return AG_OK;
    }
    ag_meta layout = r->meta;
    memcpy(layout.stride, slot->stride, sizeof layout.stride);
    return copy_out(t, &(ag_array){.meta = &layout, .data = slot->data}, AG_F64, values);
}

double ag_item_grad(ag_value leaf) {
    double value;
    return ag_adjoint_f64(leaf, &value, 1) == AG_OK ? value : NAN;
}

void ag_zero_grad(ag_tape *t) {
    if (!t) return;
    for (agx_held *h = t->held; h; h = h->previous) {
        agx_slot *slot = h->leaf ? &h->leaf->slot : &h->slot;
        agx_buffer_drop(&t->pool, slot->buffer);
        *slot = (agx_slot){0};
        h->scalar = 0;
    }
    for (uint32_t id = 1; id < t->head.next; id++) {
        ag_entry *e = agx_entry(t, id);
        if (!agx_is_wide(e)) {
            *agx_adjoint(t, id) = 0;
            continue;
        }
        agx_record *r = e->u.wide;
        r->flags &= (uint8_t)~AGX_INVALID;
        if (!(r->flags & AGX_LEAF)) continue;
        if (r->bound && !t->private_gradients) ag_tensor_zero_grad(r->bound);
    }
    agx_privates_zero(t);
}
