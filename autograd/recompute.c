/* recompute: segments of the tape that keep their records but not their numbers.
 *
 * While a segment is open its results lie in an arena of its own; its end moves the values it names to the tape's arena
 * and empties the other. A record whose numbers are gone has no data. Forward is pure and a random operation's position
 * is in its attributes, so that a sweep, coming from above, finds the same numbers by running the segment's records
 * again in their order; below the segment they go. A recorded sweep records the operations again instead, and rules read
 * these in their place. Segments do not nest: they are ranges of ids, ascending, and one is present at a time.
 * Constants, leaves, attributes and records stay on the tape: they have no forward, or are small. */
#include <string.h>

#include "grad.h"
#include "tape_impl.h"

static ag_status refuse(ag_tape *t, const char *who, ag_status status, const char *why) {
    return agx_tape_error(t, status, who, why, "");
}

/* ---- begin and end -------------------------------------------------------------------------------------------------- */

ag_status ag_recompute_begin(ag_tape *t, const char *name) {
    static const char who[] = "recompute_begin: ";
    if (!t) return AG_ERROR_FAILED;
    if (t->sweeping) return refuse(t, who, AG_ERROR_STATE, "a sweep is running on this tape");
    agx_recomputes *all = &t->recompute;
    if (all->depth == 0) {
        agx_recompute *s = agx_arena_take(&t->arena, sizeof *s, 16);
        const char *copy = s ? agx_arena_string(&t->arena, name ? name : "") : NULL;
        if (!copy) return refuse(t, who, AG_ERROR_MEMORY, "out of memory for a segment");
        *s = (agx_recompute){.previous = all->newest, .name = copy, .first = t->head.next};
        all->newest = all->open = s;
    }
    all->depth++;
    return AG_OK;
}

static void drop(ag_tape *t, const agx_recompute *s) {
    for (uint32_t id = s->first; id <= s->last; id++) {
        agx_record *r = agx_record_of(t, id);
        if (r && r->flags & AGX_RECOMPUTED) r->data = NULL;
    }
}

/* The bytes around element 0 that a layout reaches: [-*below, *above). */
static void extent(const ag_meta *meta, size_t *below, size_t *above) {
    const size_t size = ag_dtype_size(meta->dtype);
    *below = 0;
    *above = size;
    if (ag_meta_count(meta) == 0) return;
    for (int d = 0; d < meta->rank; d++) {
        const int64_t span = (meta->dim[d] - 1) * meta->stride[d]; /* inside memory that there is */
        if (span < 0)
            *below += (size_t)-span * size;
        else
            *above += (size_t)span * size;
    }
}

/* What keeping a value takes of the tape's arena at most; 0: it is there already. */
static size_t room_for(const ag_tape *t, ag_value v) {
    const agx_record *r = v.id ? agx_record_of(t, v.id) : NULL;
    if (!r || !(r->flags & AGX_RECOMPUTED)) return 0;
    size_t below, above;
    extent(&r->meta, &below, &above);
    return below + above + 3 * 64;
}

/* Into the tape's arena, with the same strides: other views of the same numbers may be laid over it. */
static void move(ag_tape *t, agx_record *r) {
    size_t below, above;
    extent(&r->meta, &below, &above);
    const size_t pad = (below + 63) / 64 * 64; /* element 0 keeps its alignment */
    char *block = agx_arena_take(&t->arena, pad + above, 64);
    assert(block != NULL); /* there is room */
    if (ag_meta_count(&r->meta) > 0) memcpy(block + pad - below, (const char *)r->data - below, below + above);
    r->data = block + pad;
    r->flags &= (uint8_t)~AGX_RECOMPUTED;
    r->flags |= AGX_KEPT;
}

ag_status ag_recompute_end(ag_tape *t, const ag_value *keep, int n) {
    static const char who[] = "recompute_end: ";
    if (!t) return AG_ERROR_FAILED;
    agx_recomputes *all = &t->recompute;
    if (n < 0) return refuse(t, who, AG_ERROR_VALUE, "the number of values is negative");
    if (t->sweeping) return refuse(t, who, AG_ERROR_STATE, "a sweep is running on this tape");
    if (!all->open) return refuse(t, who, AG_ERROR_STATE, "no recompute segment is open");
    for (int i = 0; i < n; i++) {
        if (keep[i].id == 0 && t->failed) continue;
        ag_status status = agx_check_operands(t, "recompute_end", &keep[i], 1);
        if (status != AG_OK) return status;
    }
    if (--all->depth > 0) return AG_OK;
    size_t room = 0;
    for (int i = 0; i < n; i++) room += room_for(t, keep[i]);
    if (!agx_arena_ensure(&t->arena, agx_arena_here(&t->arena), room)) {
        all->depth++;
        return refuse(t, who, AG_ERROR_MEMORY, "out of memory for the values to keep");
    }
    for (int i = 0; i < n; i++)
        if (room_for(t, keep[i])) move(t, agx_record_of(t, keep[i].id));
    agx_recompute *s = all->open;
    s->last = t->head.next - 1;
    s->ended = true;
    drop(t, s);
    agx_arena_release(&all->arena, (agx_arena_mark){0});
    all->open = NULL;
    all->recorded = NULL;
    return AG_OK;
}

/* The numbers that a segment's end moved lie behind a mark inside it: they go, and can be found again. */
static void drop_kept(ag_tape *t, const agx_recompute *s) {
    for (uint32_t id = s->first; id <= s->last; id++) {
        agx_record *r = agx_record_of(t, id);
        if (!r || !(r->flags & AGX_KEPT)) continue;
        r->flags = (uint8_t)((r->flags & ~AGX_KEPT) | AGX_RECOMPUTED);
        r->data = NULL;
    }
}

void agx_recompute_rewind(ag_tape *t, const ag_mark *m) {
    agx_recomputes *all = &t->recompute;
    all->newest = (agx_recompute *)(uintptr_t)m->recomputes;
    all->recorded = NULL;
    for (agx_recompute *s = all->newest; s; s = s->previous)
        while (s->again && s->again->from >= m->id) s->again = s->again->previous;
    agx_recompute *open = (agx_recompute *)(uintptr_t)m->recompute;
    agx_arena_mark to = {0};
    if (open && open->ended) { /* since the mark: its numbers are gone for good */
        open->last = m->id - 1;
        drop_kept(t, open);
        open = NULL;
    } else if (open) {
        to = (agx_arena_mark){.chunk = m->recompute_chunk, .next = m->recompute_at, .before = m->recompute_before};
    }
    all->open = open;
    all->depth = open ? m->recompute_depth : 0;
    agx_arena_release(&all->arena, to);
}

/* ---- finding ----------------------------------------------------------------------------------------------------------- */

static agx_recompute *segment_at(agx_recompute *from, uint32_t id) {
    while (from && (!from->ended || from->first > id)) from = from->previous;
    return from && id <= from->last ? from : NULL;
}

const char *agx_recompute_name(const ag_tape *t, uint32_t id) {
    const agx_recompute *s = segment_at(t->recompute.newest, id);
    return s ? s->name : "";
}

/* Has the operation of this record, its output 0, numbers to be found again? */
static bool dropped(const ag_tape *t, uint32_t id) {
    const agx_record *r = agx_record_of(t, id);
    if (!r || r->k > 0) return false;
    for (uint32_t k = 0; k < r->op->outputs; k++)
        if (!agx_record_of(t, id + k)->data) return true;
    return false;
}

/* ---- a sweep that does not record ------------------------------------------------------------------------------------ */

void agx_recompute_over(ag_tape *t) {
    agx_recomputes *all = &t->recompute;
    all->cursor = NULL;
    if (!all->present) return;
    drop(t, all->present);
    agx_arena_release(&all->arena, all->before);
    all->present = NULL;
}

ag_status agx_recompute_reach(ag_tape *t, uint32_t id) {
    agx_recomputes *all = &t->recompute;
    if (all->present && id >= all->present->first) return AG_OK;
    agx_recompute *cursor = all->cursor;
    agx_recompute_over(t);
    while (cursor && cursor->first > id) cursor = cursor->previous;
    all->cursor = cursor;
    agx_recompute *s = segment_at(cursor, id);
    if (!s) return AG_OK;
    all->before = agx_arena_here(&all->arena);
    all->present = s;
    for (uint32_t i = s->first; i <= s->last; i++) {
        ag_status status = dropped(t, i) ? agx_rerun(t, i) : AG_OK;
        if (status != AG_OK) return status;
    }
    return AG_OK;
}

/* ---- a sweep that records ---------------------------------------------------------------------------------------------- */

/* One operation again, on operands that are themselves or their stand-ins. */
static ag_value again(ag_tape *t, const agx_recompute *s, const uint32_t *as, const agx_record *r) {
    const size_t bytes = r->n_in * sizeof(ag_value);
    ag_value *in = ag_alloc(bytes), z = agx_failed(t);
    bool sound = in != NULL;
    if (!in) agx_operation_error(t, r->op, NULL, 0, AG_ERROR_MEMORY, "out of memory for its operands");
    for (uint32_t i = 0; sound && i < r->n_in; i++) {
        const uint32_t id = r->in[i], other = id >= s->first ? as[id - s->first] : 0;
        sound = agx_unwritten(t, r->op, id);
        in[i] = agx_handle(t, other ? other : id);
    }
    const bool constant = r->flags & AGX_DETACHED;
    if (constant) ag_no_grad_begin(t);
    if (sound) z = ag_apply(t, r->op, in, r->n_in, r->attrs);
    if (constant) ag_no_grad_end(t);
    ag_release(in, bytes);
    return z;
}

ag_status agx_recompute_record(ag_tape *t, uint32_t id) {
    agx_recomputes *all = &t->recompute;
    agx_recompute *s = segment_at(all->newest, id);
    if (!s || s == all->recorded) return AG_OK;
    const size_t bytes = ((size_t)s->last - s->first + 1) * sizeof(uint32_t);
    uint32_t *as = agx_arena_take(&t->arena, bytes, sizeof(uint32_t));
    agx_recording *recording = agx_arena_take(&t->arena, sizeof *recording, 16);
    if (!as || !recording) return refuse(t, "recompute: ", AG_ERROR_MEMORY, "out of memory for a segment");
    memset(as, 0, bytes);
    *recording = (agx_recording){.previous = s->again, .from = t->head.next, .as = as};
    s->again = recording;
    for (uint32_t i = s->first; i <= s->last; i++) {
        if (!dropped(t, i)) continue;
        const agx_record *r = agx_record_of(t, i);
        const ag_value z = again(t, s, as, r);
        if (!z.id) return ag_tape_status(t);
        for (uint32_t k = 0; k < r->op->outputs; k++)
            if (!agx_record_of(t, i + k)->data) as[i + k - s->first] = z.id + k;
    }
    all->recorded = s;
    all->as = as;
    return AG_OK;
}

bool agx_recompute_stand_ins(const ag_tape *t, uint32_t id, uint32_t top, uint32_t *of) {
    const agx_recompute *s = segment_at(t->recompute.newest, id);
    bool any = false;
    for (const agx_recording *a = s ? s->again : NULL; a; a = a->previous) {
        const uint32_t other = a->as[id - s->first];
        if (other == 0 || other > top) continue;
        if (of) of[other] = id;
        any = true;
    }
    return any;
}
