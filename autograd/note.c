/* note: what people call things on a tape - labels and scopes. Both are lists in the arena, newest first, so a rewind
 * forgets them in O(1); looking one up is linear, which only errors and pictures pay for. */
#include "tape_impl.h"

#include <stdio.h>
#include <string.h>

static void change_scope(ag_tape *t, const agx_scope *scope) {
    agx_scope_event *e = agx_arena_take(&t->arena, sizeof *e, sizeof(void *));
    if (!e) {
        agx_tape_error(t, AG_ERROR_MEMORY, "", "out of memory for a scope", "");
        return;
    }
    *e = (agx_scope_event){.previous = t->scope_events, .scope = scope, .id = t->head.next};
    t->scope_events = e;
    t->scope = scope;
}

void ag_scope_begin(ag_tape *t, const char *name) {
    if (!t) return;
    agx_scope *s = agx_arena_take(&t->arena, sizeof *s, sizeof(void *));
    char *copy = s ? agx_arena_string(&t->arena, name ? name : "") : NULL;
    if (!copy) {
        agx_tape_error(t, AG_ERROR_MEMORY, "", "out of memory for a scope", "");
        return;
    }
    *s = (agx_scope){.parent = t->scope, .name = copy};
    change_scope(t, s);
}

void ag_scope_end(ag_tape *t) {
    if (!t) return;
    if (!t->scope) {
        /* the scope that should be open may have failed for want of memory: then the tape says so already */
        agx_tape_error(t, AG_ERROR_STATE, "scope_end: ", "no scope is open", "");
        return;
    }
    change_scope(t, t->scope->parent);
}

ag_value ag_label(ag_value x, const char *label) {
    if (!ag_ok(x) || !label) return x;
    ag_tape *t = x.tape;
    agx_label *l = agx_arena_take(&t->arena, sizeof *l, sizeof(void *));
    char *copy = l ? agx_arena_string(&t->arena, label) : NULL;
    if (!copy) {
        agx_tape_error(t, AG_ERROR_MEMORY, "", "out of memory for a label", "");
        return x;
    }
    *l = (agx_label){.previous = t->labels, .text = copy, .id = x.id};
    t->labels = l;
    if (t->anomalous == x.id) agx_watch_label(t, copy);
    return x;
}

const char *agx_label_at(const ag_tape *t, uint32_t id) {
    for (const agx_label *l = t->labels; l; l = l->previous) {
        if (l->id == id) return l->text;
    }
    const agx_record *r = agx_record_of(t, id);
    return r && r->bound && r->op->traits & AG_TRAIT_LEAF ? ag_tensor_name(r->bound) : "";
}

const char *ag_label_of(ag_value x) { return ag_ok(x) ? agx_label_at(x.tape, x.id) : ""; }

/* "a/b/c", written from its end, since a scope knows its parent only. */
static size_t scope_path(const agx_scope *scope, char *text, size_t size) {
    size_t length = 0;
    for (const agx_scope *s = scope; s; s = s->parent) length += strlen(s->name) + (s->parent ? 1 : 0);
    size_t at = length;
    for (const agx_scope *s = scope; s; s = s->parent) {
        size_t n = strlen(s->name);
        at -= n;
        for (size_t i = 0; i < n && at + i + 1 < size; i++) text[at + i] = s->name[i];
        if (s->parent && --at + 1 < size) text[at] = '/';
    }
    if (size) text[length < size ? length : size - 1] = '\0';
    return length;
}

size_t agx_scope_text(const ag_tape *t, uint32_t id, char *text, size_t size) {
    const agx_scope_event *e = t->scope_events;
    while (e && e->id > id) e = e->previous;
    if (size) text[0] = '\0';
    return e ? scope_path(e->scope, text, size) : 0;
}

size_t agx_value_text(const ag_tape *t, uint32_t id, char *text, size_t size) {
    char shape[AG_META_TEXT];
    const char *label = agx_label_at(t, id);
    ag_meta_text(agx_meta_at(t, id), shape, sizeof shape);
    int n = label[0] ? snprintf(text, size, "#%u '%.40s' %s", (unsigned)id, label, shape)
                     : snprintf(text, size, "#%u %s", (unsigned)id, shape);
    return n > 0 ? (size_t)n : 0;
}
