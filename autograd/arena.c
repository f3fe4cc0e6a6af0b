/* arena: chunks in a list, a bump pointer in the current one.
 *
 * Invariants: chunks before `current` are in use up to where they were left, chunks after it are empty, so their
 * order is free to change; no chunk is ever lost, and a new one is made only when no empty one is large enough.
 * Thus a loop that rewinds holds a bounded number of bytes, whatever order its requests come in.
 * Left out: giving back single chunks, and any freeing of single blocks. */
#include "arena.h"

#include <string.h>

enum { CHUNK_ALIGNMENT = 64 };

static const size_t smallest_chunk = (size_t)64 << 10, largest_chunk = (size_t)32 << 20;
static const size_t huge_chunk = (size_t)4 << 20, huge_page = (size_t)2 << 20;

/* The header lies at the head of its chunk and takes one cache line; the rest is handed out. */
struct agx_chunk {
    agx_chunk *next;
    size_t size; /* of the whole block, header included */
};
enum { HEADER = CHUNK_ALIGNMENT };
_Static_assert(sizeof(struct agx_chunk) <= HEADER, "the header must fit its line");

static char *chunk_begin(agx_chunk *c) { return (char *)c + HEADER; }
static char *chunk_end(agx_chunk *c) { return (char *)c + c->size; }
static size_t chunk_room(const agx_chunk *c) { return c->size - HEADER; }

void agx_arena_init(agx_arena *a) {
    memset(a, 0, sizeof *a);
    a->grow = smallest_chunk;
}

void agx_arena_clear(agx_arena *a) {
    for (agx_chunk *c = a->first, *next; c; c = next) {
        next = c->next;
        AGX_UNPOISON(chunk_begin(c), chunk_room(c));
        ag_release(c, c->size);
    }
    agx_arena_init(a);
}

/* The bytes used in the current chunk. */
static size_t used_here(const agx_arena *a) {
    return a->current ? (size_t)(a->next - chunk_begin(a->current)) : 0;
}

/* A new chunk with room for `size` bytes: a power of two while the arena is small, and a request larger than that
 * gets a chunk of its own, in whole huge pages where these pay. */
static agx_chunk *chunk_new(agx_arena *a, size_t size) {
    size_t whole, unit = size < huge_chunk ? smallest_chunk : huge_page;
    if (!ag_size_add(size, HEADER + (unit - 1), &whole)) return NULL;
    whole = whole / unit * unit;
    if (whole < a->grow) whole = a->grow;
    agx_chunk *c = ag_alloc(whole);
    if (!c) return NULL;
    c->next = NULL;
    c->size = whole;
    AGX_POISON(chunk_begin(c), chunk_room(c));
    a->reserved += whole;
    if (a->grow < largest_chunk) a->grow *= 2;
    return c;
}

void *agx_arena_slow(agx_arena *a, size_t size, size_t alignment) {
    /* Link to the first empty chunk; a chunk's begin has every alignment that may be asked for. */
    agx_chunk **head = a->current ? &a->current->next : &a->first, **link = head;
    while (*link && chunk_room(*link) < size) link = &(*link)->next;
    agx_chunk *c = *link;
    if (c)
        *link = c->next;
    else
        c = chunk_new(a, size);
    if (!c) return NULL;
    c->next = *head;
    *head = c;

    a->before += used_here(a);
    a->current = c;
    a->next = chunk_begin(c);
    a->end = chunk_end(c);
    return agx_arena_take(a, size, alignment);
}

char *agx_arena_string(agx_arena *a, const char *text) {
    size_t size = strlen(text) + 1;
    char *copy = agx_arena_take(a, size, 1);
    return copy ? memcpy(copy, text, size) : NULL;
}

agx_arena_mark agx_arena_here(const agx_arena *a) { return (agx_arena_mark){a->current, a->next, a->before}; }

/* Poison what a release frees: only under AddressSanitizer does this cost more than O(1). */
static void poison_after(const agx_arena *a, agx_arena_mark m) {
#if defined(AGX_ADDRESS_SANITIZER)
    if (m.chunk) AGX_POISON(m.next, (size_t)(chunk_end(m.chunk) - m.next));
    for (agx_chunk *c = m.chunk ? m.chunk->next : a->first; c; c = c->next)
        AGX_POISON(chunk_begin(c), chunk_room(c));
#else
    (void)a, (void)m;
#endif
}

void agx_arena_release(agx_arena *a, agx_arena_mark m) {
    a->peak = agx_arena_peak(a);
    poison_after(a, m);
    a->current = m.chunk;
    a->next = m.next;
    a->end = m.chunk ? chunk_end(m.chunk) : NULL;
    a->before = m.before;
}

/* One chunk with all of the room suffices: blocks that go elsewhere only leave more of it. */
bool agx_arena_ensure(agx_arena *a, agx_arena_mark m, size_t size) {
    if (m.chunk && (size_t)(chunk_end(m.chunk) - m.next) >= size) return true;
    agx_chunk *c = m.chunk ? m.chunk->next : a->first;
    for (; c; c = c->next)
        if (chunk_room(c) >= size) return true;
    c = chunk_new(a, size);
    if (!c) return false;
    agx_chunk **head = a->current ? &a->current->next : &a->first;
    c->next = *head;
    *head = c;
    return true;
}

size_t agx_arena_used(const agx_arena *a) { return a->before + used_here(a); }

size_t agx_arena_peak(const agx_arena *a) {
    size_t used = agx_arena_used(a);
    return used > a->peak ? used : a->peak;
}
