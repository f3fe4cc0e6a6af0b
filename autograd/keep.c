/* keep: a rewind that lets some values survive.
 *
 * Their numbers are copied aside, the tape is rewound, and they are recorded again as constants. All that could fail
 * - the copies, room in the arena and on the strip, the new segment - is had before the rewind: from there on nothing
 * asks for memory. Labels and derivatives do not survive. */
#include <string.h>

#include "tape_impl.h"

enum { ALIGNMENT = 64 };

/* What a tensor takes of the arena at most, paddings included: false when it cannot be. */
static bool add_size(const ag_meta *meta, size_t *records, size_t *numbers) {
    size_t bytes = ag_meta_bytes(meta);
    return ag_size_add(*records, sizeof(agx_record) + ALIGNMENT, records) &&
           ag_size_add(bytes, 2 * ALIGNMENT - bytes % ALIGNMENT, &bytes) && ag_size_add(*numbers, bytes, numbers);
}

/* A value that goes with this rewind unless it is kept. */
static bool newer(const ag_mark *m, ag_value v) { return v.id >= m->id && v.id != 0; }

/* Check the values and add up what the newer ones need. */
static ag_status measure(ag_tape *t, const ag_mark *m, const ag_value *v, int n, uint32_t *ids, size_t *records,
                         size_t *numbers) {
    *ids = 0;
    *records = *numbers = 0;
    for (int i = 0; i < n; i++) {
        if (v[i].id == 0) continue;
        ag_status status = agx_check_operands(t, "rewind_keeping", &v[i], 1);
        if (status != AG_OK) return status;
        if (!newer(m, v[i])) continue;
        ++*ids;
        const agx_record *r = agx_record_of(t, v[i].id);
        if (r ? !add_size(&r->meta, records, numbers) : !ag_size_add(*numbers, ALIGNMENT, numbers))
            return agx_tape_error(t, AG_ERROR_MEMORY, "rewind_keeping: ", "out of memory", "");
    }
    return AG_OK;
}

/* One value aside: dense numbers, behind its layout. Returns where the next one goes. */
static char *put_aside(ag_tape *t, uint32_t id, char *at) {
    const agx_record *r = agx_record_of(t, id);
    if (!r) {
        memcpy(at, &agx_entry(t, id)->v, sizeof(double));
        return at + ALIGNMENT;
    }
    ag_meta meta = r->meta;
    ag_meta_make_dense(&meta);
    /* one thread and no scratch: a copy without a workspace cannot fail */
    agx_copy(&(ag_array){.meta = &r->meta, .data = r->data}, &(ag_array){.meta = &meta, .data = at}, NULL);
    return at + (ag_meta_bytes(&meta) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* The constant that a value has become; its record still says what it was. */
static ag_value take_back(ag_tape *t, const ag_meta *meta, const char *at) {
    if (!meta) {
        double number;
        memcpy(&number, at, sizeof number);
        return agx_push_scalar(t, AGX_STRIP_CONSTANT, 0, 0, number);
    }
    const size_t bytes = ag_meta_bytes(meta);
    void *data = agx_arena_take(&t->arena, bytes ? bytes : 1, ALIGNMENT);
    if (!data) return agx_failed(t);
    memcpy(data, at, bytes);
    return agx_record_new(t, &agx_op_constant, meta, data, NULL, 0, NULL);
}

static size_t aside_size(const ag_meta *meta) {
    return meta ? (ag_meta_bytes(meta) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT : ALIGNMENT;
}

/* Layouts, scalars told by a dtype that there is none of. */
static ag_meta layout_of(const ag_tape *t, uint32_t id) {
    const agx_record *r = agx_record_of(t, id);
    if (!r) return (ag_meta){.dtype = AG_DTYPE_COUNT};
    ag_meta meta = r->meta;
    ag_meta_make_dense(&meta);
    return meta;
}

ag_status ag_tape_rewind_keeping(ag_tape *t, ag_mark m, ag_value *values, int n) {
    if (!t) return AG_ERROR_FAILED;
    if (n < 0)
        return agx_tape_error(t, AG_ERROR_VALUE, "rewind_keeping: ", "the number of values is negative", "");
    ag_status status = agx_may_rewind(t, &m);
    uint32_t ids;
    size_t records, numbers, metas, aside, arena;
    if (status == AG_OK) status = measure(t, &m, values, n, &ids, &records, &numbers);
    if (status != AG_OK) return status;
    if (ids == 0) return ag_tape_rewind(t, m);
    const uint32_t there = t->head.next - m.id;
    if (ids > there && !agx_reserve(t, ids - there)) return t->error.status;
    char *block = NULL;
    const agx_arena_mark mark = {.chunk = m.chunk, .next = m.at, .before = m.before};
    const bool possible = ag_size_mul(ids, sizeof(ag_meta), &metas) &&
                          ag_size_add(metas, numbers + ALIGNMENT, &aside) && ag_size_add(records, numbers, &arena);
    if (possible) block = ag_alloc(aside);
    if (!block || !agx_arena_ensure(&t->arena, mark, arena)) {
        if (block) ag_release(block, aside);
        return agx_tape_error(t, AG_ERROR_MEMORY, "rewind_keeping: ", "out of memory", "");
    }
    ag_meta *meta = (ag_meta *)(void *)block;
    char *first = block + (metas + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT, *at = first;
    for (int i = 0; i < n; i++) {
        if (!newer(&m, values[i])) continue;
        *meta++ = layout_of(t, values[i].id);
        at = put_aside(t, values[i].id, at);
    }
    status = ag_tape_rewind(t, m);
    at = first;
    meta = (ag_meta *)(void *)block;
    for (int i = 0; i < n; i++) {
        if (!newer(&m, values[i])) continue;
        const ag_meta *layout = meta->dtype == AG_DTYPE_COUNT ? NULL : meta;
        values[i] = take_back(t, layout, at);
        at += aside_size(layout);
        meta++;
    }
    ag_release(block, aside);
    return status;
}
