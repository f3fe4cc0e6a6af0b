/* tape: the strip, its segments and epochs, marks and rewind, the sticky error.
 *
 * Invariants: ids grow by one; entry 0 is a sentinel that looks wide, so that the inline operations refuse the
 * failed handle without a test of their own. Segments are ascending and their epochs are pairwise different (but
 * for wrapping, where only equality counts). The adjoint of every id that is not a leaf is zero outside a sweep.
 * Not here: what the records mean (apply.c, scalar.c), names and scopes (note.c), derivatives (grad.c). */
#include "tape_impl.h"

#include <stdio.h>
#include <string.h>

enum { CHUNK_BYTES = AG_STRIP_CHUNK * (sizeof(ag_entry) + sizeof(double)) };

/* ---- life ------------------------------------------------------------------------------------------------------- */

static bool add_chunk(ag_tape *t);

ag_tape *ag_tape_new(const ag_tape_options *options) {
    ag_tape *t = ag_alloc_zeroed(sizeof *t);
    if (!t) return NULL;
    agx_arena_init(&t->arena);
    agx_arena_init(&t->recompute.arena);
    agx_pool_init(&t->pool);
    agx_workspace_init(&t->work, options ? options->threads : 0);
    t->max_id = options && options->max_records ? options->max_records : UINT32_MAX - 1;
    t->random.seed = options ? options->seed : 0;
    t->anomaly = options && options->anomaly;
    t->private_gradients = options && options->private_gradients;
    t->segment_capacity = 8;
    t->segments = ag_alloc(t->segment_capacity * sizeof *t->segments);
    if (!t->segments || !add_chunk(t)) {
        ag_tape_free(t);
        return NULL;
    }
    ag_entry *sentinel = agx_entry(t, 0);
    memset(sentinel, 0, sizeof *sentinel);
    sentinel->op = AG_WIDE;
    agx_seek(t, 1);
    t->segments[0] = (agx_segment){0};
    t->n_segments = 1;
    return t;
}

void agx_drop_held(ag_tape *t, const agx_held *until) {
    for (; t->held != until; t->held = t->held->previous) {
        agx_held *h = t->held;
        agx_buffer_drop(&t->pool, h->leaf ? h->leaf->slot.buffer : h->slot.buffer);
        if (h->leaf) continue;
        ag_entry *e = agx_entry(t, h->id); /* an older value is not retained any more */
        if (agx_is_wide(e))
            ((agx_record *)e->u.wide)->flags &= (uint8_t)~AGX_RETAIN;
        else
            e->op &= ~(uint32_t)AGX_STRIP_RETAIN;
    }
}

void ag_tape_free(ag_tape *t) {
    if (!t) return;
    agx_drop_held(t, NULL);
    agx_privates_clear(t);
    for (uint32_t c = 0; c < t->chunks; c++) ag_release(t->head.strip[c], CHUNK_BYTES);
    ag_release(t->head.strip, t->chunk_capacity * sizeof *t->head.strip);
    ag_release(t->segments, t->segment_capacity * sizeof *t->segments);
    agx_pool_clear(&t->pool);
    agx_workspace_clear(&t->work);
    agx_arena_clear(&t->arena);
    agx_arena_clear(&t->recompute.arena);
    ag_release(t, sizeof *t);
}

/* ---- the strip ---------------------------------------------------------------------------------------------------- */

static bool add_chunk(ag_tape *t) {
    if (t->chunks == t->chunk_capacity) {
        uint32_t capacity = t->chunk_capacity ? 2 * t->chunk_capacity : 16;
        ag_entry **strip = ag_realloc(t->head.strip, t->chunk_capacity * sizeof *strip, capacity * sizeof *strip);
        if (!strip) return false;
        t->head.strip = strip;
        t->chunk_capacity = capacity;
    }
    ag_entry *chunk = ag_alloc(CHUNK_BYTES);
    if (!chunk) return false;
    memset(chunk + AG_STRIP_CHUNK, 0, AG_STRIP_CHUNK * sizeof(double)); /* the adjoints */
    t->head.strip[t->chunks++] = chunk;
    return true;
}

/* Let `id` be the next. The inline push may go on to the end of the chunk that holds it, or to the last id, unless a mode
 * wants to see every record. */
void agx_seek(ag_tape *t, uint32_t id) {
    t->head.next = id;
    t->head.at = t->head.limit = NULL;
    uint32_t chunk = id >> AG_STRIP_BITS, offset = id & (AG_STRIP_CHUNK - 1);
    if (chunk >= t->chunks) return;
    t->head.at = t->head.strip[chunk] + offset;
    if (t->no_grad || t->anomaly || id > t->max_id) return;
    uint32_t left = t->max_id - id + 1, room = AG_STRIP_CHUNK - offset;
    t->head.limit = t->head.at + (left < room ? left : room);
}

bool agx_reserve(ag_tape *t, uint32_t n) {
    if (n > t->max_id || t->head.next > t->max_id - n + 1) {
        char text[64];
        snprintf(text, sizeof text, "the tape is full: %u records", (unsigned)(t->head.next - 1));
        agx_tape_error(t, AG_ERROR_LIMIT, "", text, "");
        return false;
    }
    if (((uint64_t)t->chunks << AG_STRIP_BITS) >= (uint64_t)t->head.next + n) return true;
    while (((uint64_t)t->chunks << AG_STRIP_BITS) < (uint64_t)t->head.next + n) {
        if (!add_chunk(t)) {
            agx_tape_error(t, AG_ERROR_MEMORY, "", "out of memory for records", "");
            return false;
        }
    }
    agx_seek(t, t->head.next);
    return true;
}

uint32_t agx_append(ag_tape *t, uint32_t op) {
    uint32_t id = t->head.next;
    assert(id < (uint64_t)t->chunks << AG_STRIP_BITS);
    agx_entry(t, id)->op = op;
    uint32_t offset = id & (AG_STRIP_CHUNK - 1);
    if (offset == 0 || offset == AG_STRIP_CHUNK - 1) { /* into a chunk, or out of it */
        agx_seek(t, id + 1);
    } else {
        t->head.next++;
        t->head.at++;
    }
    return id;
}

ag_value agx_push_scalar(ag_tape *t, uint32_t op, uint32_t a, uint32_t b, double v) {
    if (!agx_reserve(t, 1)) return agx_failed(t);
    if (t->no_grad) op |= AGX_STRIP_DETACHED;
    uint32_t id = agx_append(t, op);
    ag_entry *e = agx_entry(t, id);
    e->a = a;
    e->u.b = b;
    e->v = v;
    return (ag_value){.tape = t, .id = id, .epoch = t->head.epoch};
}

/* A scalar without operands. */
static ag_value push_number(ag_tape *t, uint32_t op, double x) {
    if (!t) return (ag_value){0};
    ag_value v = agx_push_scalar(t, op, 0, 0, x);
    if (v.id && t->anomaly) agx_watch_value(t, v.id);
    return v;
}

ag_value ag_scalar(ag_tape *t, double x) { return push_number(t, AGX_STRIP_LEAF, x); }
ag_value ag_scalar_constant(ag_tape *t, double x) { return push_number(t, AGX_STRIP_CONSTANT, x); }

/* ---- handles --------------------------------------------------------------------------------------------------------- */

/* The segment that holds an id: the last one that starts at or before it. */
static const agx_segment *segment_of(const ag_tape *t, uint32_t id) {
    uint32_t low = 0, high = t->n_segments - 1;
    while (low < high) {
        uint32_t middle = high - (high - low) / 2;
        if (t->segments[middle].first <= id)
            low = middle;
        else
            high = middle - 1;
    }
    return &t->segments[low];
}

bool agx_live(const ag_tape *t, ag_value v) {
    if (v.id == 0 || v.id >= t->head.next) return false;
    if (v.id >= t->head.first) return v.epoch == t->head.epoch;
    return (uint32_t)segment_of(t, v.id)->serial == v.epoch;
}

ag_value agx_handle(ag_tape *t, uint32_t id) {
    uint32_t epoch = id >= t->head.first ? t->head.epoch : (uint32_t)segment_of(t, id)->serial;
    return (ag_value){.tape = t, .id = id, .epoch = epoch};
}

ag_value agx_failed(ag_tape *t) { return (ag_value){.tape = t, .id = 0, .epoch = t ? t->head.epoch : 0}; }

bool ag_ok(ag_value x) { return x.tape && agx_live(x.tape, x); }

const ag_meta *ag_meta_of(ag_value x) { return ag_ok(x) ? agx_meta_at(x.tape, x.id) : NULL; }

ag_value ag_output(ag_value first, uint32_t k) {
    ag_tape *t = first.tape;
    if (k == 0 || !ag_ok(first)) return first;
    const agx_record *r = agx_record_of(t, first.id);
    if (r && r->k == 0 && k < r->op->outputs) {
        first.id += k;
        return first;
    }
    char text[80];
    snprintf(text, sizeof text, "there is no output %u", (unsigned)k);
    agx_tape_error(t, AG_ERROR_INDEX, "output: ", text, "");
    return agx_failed(t);
}

/* ---- segments, marks and rewind ------------------------------------------------------------------------------------------ */

static void read_segments(ag_tape *t) {
    const agx_segment *s = &t->segments[t->n_segments - 1], *older = s;
    t->head.first = s->first;
    t->head.epoch = (uint32_t)s->serial;
    while (older > t->segments && older->first == s->first) older--; /* skip empty ones */
    t->head.older = (uint32_t)older->serial;
}

/* Does the segment begin before the position (id, used)? */
static bool begins_before(const agx_segment *s, uint32_t id, size_t used) {
    return s->first < id || (s->first == id && s->used < used);
}

/* Make room for one more segment. */
static ag_status reserve_segment(ag_tape *t) {
    if (t->n_segments < t->segment_capacity) return AG_OK;
    uint32_t capacity = 2 * t->segment_capacity;
    agx_segment *grown = ag_realloc(t->segments, t->segment_capacity * sizeof *grown, capacity * sizeof *grown);
    if (!grown) return agx_tape_error(t, AG_ERROR_MEMORY, "", "out of memory for segments", "");
    t->segments = grown;
    t->segment_capacity = capacity;
    return AG_OK;
}

/* Start a segment at `next`; room for it is reserved. */
static void begin_segment(ag_tape *t) {
    size_t used = agx_arena_used(&t->arena);
    while (t->n_segments > 1 && !begins_before(&t->segments[t->n_segments - 1], t->head.next, used))
        t->n_segments--;
    assert(t->n_segments < t->segment_capacity);
    t->segments[t->n_segments++] = (agx_segment){.serial = ++t->last_serial, .first = t->head.next, .used = used};
    read_segments(t);
}

ag_status agx_new_epoch(ag_tape *t) {
    ag_status status = reserve_segment(t);
    if (status == AG_OK) begin_segment(t);
    return status;
}

ag_mark ag_tape_mark(const ag_tape *t) {
    if (!t) return (ag_mark){0};
    agx_arena_mark m = agx_arena_here(&t->arena), recompute = agx_arena_here(&t->recompute.arena);
    return (ag_mark){.tape = t,
                     .serial = t->last_serial,
                     .id = t->head.next,
                     .chunk = m.chunk,
                     .at = m.next,
                     .before = m.before,
                     .used = agx_arena_used(&t->arena),
                     .labels = t->labels,
                     .scope_events = t->scope_events,
                     .scope = t->scope,
                     .held = t->held,
                     .hooks = t->hooks,
                     .recomputes = t->recompute.newest,
                     .recompute = t->recompute.open,
                     .recompute_chunk = recompute.chunk,
                     .recompute_at = recompute.next,
                     .recompute_before = recompute.before,
                     .recompute_depth = t->recompute.depth,
                     .no_grad = t->no_grad,
                     .failed = t->failed};
}

/* A mark stands until a rewind goes below it: no segment that is newer than the mark begins before it. */
static bool mark_stands(const ag_tape *t, const ag_mark *m) {
    if (m->id > t->head.next) return false;
    for (const agx_segment *s = &t->segments[t->n_segments - 1]; s->serial > m->serial; s--) {
        if (begins_before(s, m->id, m->used)) return false;
    }
    return true;
}

/* Adjoints of scalar leaves that go: their ids' next tenants start from zero. */
static void clear_adjoints(ag_tape *t, uint32_t from) {
    for (uint32_t id = from; id <= t->touched; id++) *agx_adjoint(t, id) = 0;
    if (t->touched >= from) t->touched = from - 1;
}

ag_status agx_may_rewind(ag_tape *t, const ag_mark *m) {
    if (m->tape != t)
        return agx_tape_error(t, AG_ERROR_FOREIGN, "rewind: ", "the mark belongs to another tape", "");
    if (!mark_stands(t, m)) {
        return agx_tape_error(t, AG_ERROR_STALE, "rewind: ", "the mark was itself rewound", "");
    }
    if (t->sweeping) {
        return agx_tape_error(t, AG_ERROR_STATE, "rewind: ", "a sweep is running on this tape", "");
    }
    return reserve_segment(t); /* before anything changes: a new segment is what makes old handles stale */
}

ag_status ag_tape_rewind(ag_tape *t, ag_mark m) {
    if (!t) return AG_ERROR_FAILED;
    ag_status may = agx_may_rewind(t, &m);
    if (may != AG_OK) return may;
    ag_status status = t->failed ? t->error.status : AG_OK;
    if (t->failed && !m.failed) t->failed = false;
    t->anomalous = 0;
    agx_drop_held(t, m.held);
    agx_drop_hooks(t, m.hooks);
    clear_adjoints(t, m.id);
    agx_recompute_rewind(t, &m);
    agx_arena_release(&t->arena, (agx_arena_mark){.chunk = m.chunk, .next = m.at, .before = m.before});
    t->labels = m.labels;
    t->scope_events = m.scope_events;
    t->scope = m.scope;
    t->no_grad = m.no_grad;
    if (t->head.next > t->peak_records) t->peak_records = t->head.next;
    agx_seek(t, m.id);
    begin_segment(t);
    return status;
}

/* ---- the sticky error --------------------------------------------------------------------------------------------------- */

ag_status agx_tape_error(ag_tape *t, ag_status status, const char *before, const char *message,
                         const char *after) {
    if (!t) return ag_fail(NULL, status, "%s%s%s", before, message, after);
    if (t->failed) return ag_fail(NULL, status, "%s%s%s", before, message, after);
    t->failed = true;
    return ag_fail(&t->error, status, "%s%s%s", before, message, after);
}

/* A tape that could not be made has failed, too: for want of memory. */
ag_status ag_tape_status(const ag_tape *t) { return !t ? AG_ERROR_MEMORY : t->failed ? t->error.status : AG_OK; }
const char *ag_tape_message(const ag_tape *t) { return t ? t->error.message : ag_status_text(AG_ERROR_MEMORY); }

ag_value ag_tape_fail(ag_tape *t, ag_status status, const char *format, ...) {
    if (!t) return (ag_value){0};
    char text[AG_MESSAGE_SIZE], scope[200] = "", after[220] = "";
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (agx_scope_text(t, t->head.next, scope, sizeof scope))
        snprintf(after, sizeof after, "; in scope '%s'", scope);
    agx_tape_error(t, status, "", text, after);
    return agx_failed(t);
}

/* ---- modes and counters -------------------------------------------------------------------------------------------------- */

void ag_no_grad_begin(ag_tape *t) {
    if (!t) return;
    t->no_grad++;
    agx_seek(t, t->head.next);
}

void ag_no_grad_end(ag_tape *t) {
    if (!t) return;
    if (t->no_grad == 0) {
        agx_tape_error(t, AG_ERROR_STATE, "no_grad_end: ", "no no_grad scope is open", "");
        return;
    }
    t->no_grad--;
    agx_seek(t, t->head.next);
}

void ag_anomaly(ag_tape *t, bool on) {
    if (!t) return;
    t->anomaly = on;
    agx_seek(t, t->head.next); /* while on, scalars take the long way, too */
}

ag_random ag_tape_random_get(const ag_tape *t) { return t ? t->random : (ag_random){0}; }
void ag_tape_random_set(ag_tape *t, ag_random r) {
    if (t) t->random = r;
}

void agx_draw(ag_tape *t, const ag_meta *meta) { t->random.counter += (uint64_t)(ag_meta_count(meta) + 3) / 4; }

ag_tape_stats ag_tape_statistics(const ag_tape *t) {
    if (!t) return (ag_tape_stats){0};
    size_t strip = (size_t)t->chunks * CHUNK_BYTES, record = sizeof(ag_entry) + sizeof(double);
    uint32_t most = t->head.next > t->peak_records ? t->head.next : t->peak_records;
    return (ag_tape_stats){
        .records = t->head.next - 1,
        .live_bytes = sizeof *t + strip + t->chunk_capacity * sizeof *t->head.strip +
                      t->segment_capacity * sizeof *t->segments + t->arena.reserved + t->work.arena.reserved +
                      t->recompute.arena.reserved + agx_privates_bytes(t) + t->pool.held,
        .used_bytes = t->head.next * record + agx_arena_used(&t->arena) + agx_arena_used(&t->recompute.arena),
        .peak_bytes = most * record + agx_arena_peak(&t->arena) + agx_arena_peak(&t->recompute.arena),
        .pool_bytes = t->pool.held,
    };
}
