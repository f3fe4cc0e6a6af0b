/* hook: functions that see, and may replace, the adjoint of a value in the middle of a sweep.
 *
 * A flag in the record says that there are any, so that a sweep without hooks pays nothing. What a hooked leaf gets must
 * be complete before its hooks see it and may not mix with earlier sweeps: it gathers beside the leaf's own sum, in the
 * first hook, until the scan reaches the leaf. Not here: when that is (grad.c). */
#include "grad.h"
#include "ops.h"
#include "tape_impl.h"

static const ag_op hook_op = {.name = "hook"};

agx_hook *agx_hook_of(const ag_tape *t, uint32_t id) {
    agx_hook *h = t->hooks;
    while (h && h->id != id) h = h->previous;
    while (h && h->before) h = h->before;
    return h;
}

static ag_status refuse(ag_value v, ag_status status, const char *why) {
    return agx_operation_error(v.tape, &hook_op, &v, 1, status, why);
}

ag_status ag_hook(ag_value v, ag_hook_fn *fn, void *user) {
    ag_tape *t = v.tape;
    if (!t) return AG_ERROR_FAILED;
    ag_status status = agx_check_handles(t, "hook", &v, 1);
    if (status != AG_OK) return t->failed ? t->error.status : status;
    ag_entry *e = agx_entry(t, v.id);
    if (!fn) return refuse(v, AG_ERROR_VALUE, "the function is NULL");
    if (t->sweeping) return refuse(v, AG_ERROR_STATE, "a sweep is running on this tape");
    if (agx_is_constant(t, v.id)) return refuse(v, AG_ERROR_STATE, "a constant has no adjoint");
    agx_hook *h = agx_arena_take(&t->arena, sizeof *h, 16);
    if (!h) return refuse(v, AG_ERROR_MEMORY, "out of memory for a hook");
    agx_hook *last = agx_hooked(t, v.id) ? agx_hook_of(t, v.id) : NULL;
    while (last && last->next) last = last->next;
    *h = (agx_hook){.previous = t->hooks, .before = last, .id = v.id, .fn = fn, .user = user};
    if (last) last->next = h;
    t->hooks = h;
    if (agx_is_wide(e))
        ((agx_record *)e->u.wide)->flags |= AGX_HOOK;
    else
        e->op |= AGX_STRIP_HOOK;
    return AG_OK;
}

void agx_drop_hooks(ag_tape *t, const agx_hook *until) {
    for (; t->hooks != until; t->hooks = t->hooks->previous) { /* the newest is the last of its value */
        const agx_hook *h = t->hooks;
        if (h->before) {
            h->before->next = NULL;
            continue;
        }
        ag_entry *e = agx_entry(t, h->id);
        if (agx_is_wide(e))
            ((agx_record *)e->u.wide)->flags &= (uint8_t)~AGX_HOOK;
        else
            e->op &= ~(uint32_t)AGX_STRIP_HOOK;
    }
}

void agx_hooks_begin(ag_tape *t, uint32_t top) {
    for (agx_hook *h = t->hooks; h; h = h->previous) {
        if (h->before || h->id > top || !agx_is_scalar_leaf(agx_entry(t, h->id))) continue;
        h->earlier = *agx_adjoint(t, h->id);
        *agx_adjoint(t, h->id) = 0;
    }
}

void agx_hooks_abandon(ag_tape *t) {
    for (agx_hook *h = t->hooks; h; h = h->previous) {
        if (h->slot.data) agx_buffer_drop(&t->pool, h->slot.buffer);
        h->slot = (agx_slot){0};
        h->earlier = 0;
    }
}

ag_value agx_run_hooks(ag_tape *t, uint32_t id, ag_value v) {
    for (agx_hook *h = agx_hook_of(t, id); h && v.id; h = h->next) {
        const ag_value of = agx_handle(t, id), answer = h->fn(h->user, v);
        if (t->failed) return agx_failed(t);
        if (answer.tape != t || !agx_live(t, answer) || agx_check_operands(t, "hook", &answer, 1) != AG_OK) {
            refuse(of, AG_ERROR_FAILED, "its hook answered with what is no value of this tape");
            return agx_failed(t);
        }
        const ag_meta *want = agx_meta_at(t, id), *have = agx_meta_at(t, answer.id);
        if (!ag_meta_same_shape(want, have)) {
            agx_operation_error(t, &hook_op, (const ag_value[]){of, answer}, 2, AG_ERROR_SHAPE,
                                "its hook answered with another shape");
            return agx_failed(t);
        }
        v = have->dtype == want->dtype ? answer : ag_cast(answer, want->dtype);
    }
    return v;
}
