/* private: gradients that a tape keeps to itself until they are merged.
 *
 * Every bound tensor that gets a gradient has a stand-in on the tape: a tensor that only has a gradient, so that all
 * that is said of a tensor's gradient - empty, valid, left over from a failure - holds of it unchanged. A merge adds the
 * stand-ins of one tape after the other; within one tensor the order of additions is that of the tapes, whoever ran them. */
#include <stdio.h>
#include <string.h>

#include "tape_impl.h"

/* ---- finding ------------------------------------------------------------------------------------------------------- */

/* The place of a tensor in the table: its own, or the free one where it belongs. */
static uint32_t place_of(const agx_privates *p, const ag_tensor *x) {
    const uint32_t mask = 2 * p->capacity - 1;
    uint32_t at = (uint32_t)(((uint64_t)(uintptr_t)x * 0x9e3779b97f4a7c15u) >> 32) & mask;
    while (p->table[at] && p->list[p->table[at] - 1]->tensor != x) at = (at + 1) & mask;
    return at;
}

ag_tensor *agx_gradient_at(const ag_tape *t, ag_tensor *x) {
    const agx_privates *p = &t->privates;
    if (!t->private_gradients) return x;
    const uint32_t index = p->capacity ? p->table[place_of(p, x)] : 0;
    return index ? &p->list[index - 1]->own : NULL;
}

static bool grow(agx_privates *p) {
    const uint32_t capacity = p->capacity ? 2 * p->capacity : 16;
    const size_t list_bytes = capacity * sizeof(agx_private *), table_bytes = 2 * capacity * sizeof(uint32_t);
    agx_private **list = ag_alloc(list_bytes);
    uint32_t *table = list ? ag_alloc_zeroed(table_bytes) : NULL;
    if (!table) {
        ag_release(list, list_bytes);
        return false;
    }
    if (p->n) memcpy(list, p->list, p->n * sizeof *list);
    ag_release(p->list, p->capacity * sizeof *p->list);
    ag_release(p->table, 2 * p->capacity * sizeof *p->table);
    p->list = list;
    p->table = table;
    p->capacity = capacity;
    for (uint32_t i = 0; i < p->n; i++) table[place_of(p, list[i]->tensor)] = i + 1;
    return true;
}

static void drop_gradient(ag_tensor *own) {
    if (own->owns_grad) ag_release(own->grad, ag_meta_bytes(&own->meta));
    own->grad = NULL;
    own->grad_state = AGX_GRAD_NONE;
    own->owns_grad = false;
}

ag_tensor *agx_gradient_of(ag_tape *t, ag_tensor *x) {
    agx_privates *p = &t->privates;
    if (!t->private_gradients) return x;
    ag_tensor *own = agx_gradient_at(t, x);
    if (!own) {
        if (p->n == p->capacity && !grow(p)) return NULL;
        agx_private *entry = ag_alloc_zeroed(sizeof *entry);
        if (!entry) return NULL;
        entry->tensor = x;
        p->list[p->n] = entry;
        p->table[place_of(p, x)] = ++p->n;
        own = &entry->own;
        own->meta = x->meta;
    } else if (!ag_meta_same_shape(&own->meta, &x->meta) || own->meta.dtype != x->meta.dtype) {
        drop_gradient(own); /* another tensor lives at this address now */
        own->meta = x->meta;
    }
    return own;
}

/* ---- all of them ---------------------------------------------------------------------------------------------------- */

void agx_privates_zero(ag_tape *t) {
    for (uint32_t i = 0; i < t->privates.n; i++) ag_tensor_zero_grad(&t->privates.list[i]->own);
}

void agx_privates_clear(ag_tape *t) {
    agx_privates *p = &t->privates;
    for (uint32_t i = 0; i < p->n; i++) {
        drop_gradient(&p->list[i]->own);
        ag_release(p->list[i], sizeof *p->list[i]);
    }
    ag_release(p->list, p->capacity * sizeof *p->list);
    ag_release(p->table, 2 * p->capacity * sizeof *p->table);
    *p = (agx_privates){0};
}

size_t agx_privates_bytes(const ag_tape *t) {
    const agx_privates *p = &t->privates;
    size_t bytes = p->capacity * (sizeof *p->list + 2 * sizeof *p->table) + p->n * sizeof(agx_private);
    for (uint32_t i = 0; i < p->n; i++)
        if (p->list[i]->own.owns_grad) bytes += ag_meta_bytes(&p->list[i]->own.meta);
    return bytes;
}

/* ---- merging -------------------------------------------------------------------------------------------------------- */

static ag_status refuse(ag_tape *t, ag_status status, const char *what, const ag_tensor *x) {
    char text[140];
    snprintf(text, sizeof text, "%s%s%.40s%s", what, x ? " '" : "", x ? ag_tensor_name(x) : "", x ? "'" : "");
    return agx_tape_error(t, status, "gradients_merge: ", text, "");
}

/* Everything that could stand against a merge of this tape; afterwards every tensor has a gradient to add to. */
static ag_status prepare(ag_tape *t) {
    if (!t) return AG_ERROR_MEMORY; /* a tape that could not be made */
    if (!t->private_gradients) return refuse(t, AG_ERROR_STATE, "the tape has no private gradients", NULL);
    if (t->sweeping) return refuse(t, AG_ERROR_STATE, "a sweep is running on this tape", NULL);
    for (uint32_t i = 0; i < t->privates.n; i++) {
        const agx_private *entry = t->privates.list[i];
        if (entry->own.grad_state == AGX_GRAD_INVALID)
            return refuse(t, AG_ERROR_STATE, "left over from a failed backward: the gradient of", entry->tensor);
        if (entry->own.grad_state != AGX_GRAD_VALID) continue;
        bool overwrite;
        if (agx_tensor_grad_target(entry->tensor, &overwrite)) continue;
        if (entry->tensor->grad_state == AGX_GRAD_INVALID)
            return refuse(t, AG_ERROR_STATE, "zero it first: the gradient of tensor", entry->tensor);
        return refuse(t, AG_ERROR_MEMORY, "out of memory for the gradient of", entry->tensor);
    }
    return AG_OK;
}

ag_status ag_gradients_merge(ag_tape *const *tapes, int n) {
    for (int k = 0; k < n; k++) {
        ag_status status = prepare(tapes[k]);
        if (status != AG_OK) return status;
    }
    for (int k = 0; k < n; k++) {
        for (uint32_t i = 0; i < tapes[k]->privates.n; i++) {
            agx_private *entry = tapes[k]->privates.list[i];
            if (entry->own.grad_state != AGX_GRAD_VALID) continue;
            bool overwrite;
            const ag_meta *meta = &entry->own.meta;
            const ag_array from = {.meta = meta, .data = entry->own.grad},
                           to = {.meta = meta, .data = agx_tensor_grad_target(entry->tensor, &overwrite)};
            /* both dense and of one dtype: no scratch, nothing to run out of */
            if (overwrite)
                agx_copy(&from, &to, &tapes[k]->work);
            else
                agx_accumulate(&from, &to, &tapes[k]->work);
            entry->tensor->grad_state = AGX_GRAD_VALID;
            ag_tensor_zero_grad(&entry->own);
        }
    }
    return AG_OK;
}
