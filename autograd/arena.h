/* arena: a growable chunked bump allocator with marks; the storage of a tape.
 *
 * Addresses never move. Releasing to a mark is O(1) in what was allocated (chunks stay with the arena and are
 * used again). Chunks of 4 MiB and more ask the system for huge pages: fresh small pages cost about 0.5 us a KiB.
 * Under AddressSanitizer the free part of every chunk is poisoned, so that a use after release is reported. */
#ifndef AUTOGRAD_ARENA_H
#define AUTOGRAD_ARENA_H

#include "base.h"

#if defined(__SANITIZE_ADDRESS__)
#define AGX_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define AGX_ADDRESS_SANITIZER 1
#endif
#endif
#if defined(AGX_ADDRESS_SANITIZER)
#include <sanitizer/asan_interface.h>
#define AGX_POISON(at, size)   __asan_poison_memory_region(at, size)
#define AGX_UNPOISON(at, size) __asan_unpoison_memory_region(at, size)
#else
#define AGX_POISON(at, size)   ((void)0)
#define AGX_UNPOISON(at, size) ((void)0)
#endif

AG_BEGIN_DECLS

typedef struct agx_chunk agx_chunk;

typedef struct agx_arena {
    agx_chunk *first, *current; /* chunks in order; those after `current` are empty          */
    char *next, *end;           /* the free part of `current`                                */
    size_t reserved;            /* bytes held from the allocator                             */
    size_t before;              /* bytes used in the chunks before `current`                 */
    size_t peak;                /* most bytes in use at any release                          */
    size_t grow;                /* size of the next chunk, unless a request is larger        */
} agx_arena;

typedef struct agx_arena_mark {
    agx_chunk *chunk;
    char *next;
    size_t before;
} agx_arena_mark;

void agx_arena_init(agx_arena *a);  /* allocates nothing                          */
void agx_arena_clear(agx_arena *a); /* gives every chunk back; as after init      */
/* What agx_arena_take does where the current chunk has no room. */
void *agx_arena_slow(agx_arena *a, size_t size, size_t alignment);

/** `size` bytes, uninitialised; alignment a power of two, at most 64. NULL: out of memory. */
static inline void *agx_arena_take(agx_arena *a, size_t size, size_t alignment) {
    uintptr_t at = ((uintptr_t)a->next + (alignment - 1)) & ~(uintptr_t)(alignment - 1);
    if (AG_LIKELY(a->next != NULL && at <= (uintptr_t)a->end && size <= (uintptr_t)a->end - at)) {
        a->next = (char *)at + size;
        AGX_UNPOISON((void *)at, size);
        return (void *)at;
    }
    return agx_arena_slow(a, size, alignment);
}
char *agx_arena_string(agx_arena *a, const char *text); /* a copy; NULL: out of memory */

/** The present position, and a return to it: everything taken since is free again. A mark is void once an older
 *  one was released. */
agx_arena_mark agx_arena_here(const agx_arena *a);
void agx_arena_release(agx_arena *a, agx_arena_mark m);
/** Make sure that after a release to m, blocks of `size` bytes in all, paddings included, can be taken without
 *  asking for memory. Nothing in use is touched; false: out of memory. */
bool agx_arena_ensure(agx_arena *a, agx_arena_mark m, size_t size);
size_t agx_arena_used(const agx_arena *a); /* bytes handed out, padding included */
size_t agx_arena_peak(const agx_arena *a); /* the most ever in use               */

AG_END_DECLS
#endif
