/* pool: counted buffers that are used again and again - the adjoints of a sweep. Internal.
 *
 * A buffer has one owner per count; at zero it goes to the free list of its size class. An alias or a view of an
 * adjoint holds a count, and adding in place needs count one. */
#ifndef AGX_POOL_H
#define AGX_POOL_H

#include "base.h"

/** A header of 64 bytes; the numbers follow, 64-byte aligned. */
typedef struct agx_buffer {
    struct agx_buffer *next; /* in a free list                     */
    size_t bytes;            /* of the block, header included      */
    uint32_t count;
    uint32_t size_class;
} agx_buffer;
enum { AGX_BUFFER_HEADER = 64, AGX_POOL_CLASSES = 4 * 58 };

typedef struct agx_pool {
    agx_buffer *free[AGX_POOL_CLASSES];
    size_t held;   /* bytes held from the allocator, free or not */
    size_t in_use; /* buffers with a count                       */
} agx_pool;

void agx_pool_init(agx_pool *p);
void agx_pool_clear(agx_pool *p); /* frees what is in the free lists; asserts that nothing is in use */
/** A buffer of at least `bytes` with count one; NULL: out of memory. */
agx_buffer *agx_pool_take(agx_pool *p, size_t bytes);
void agx_pool_recycle(agx_pool *p, agx_buffer *b);

static inline void *agx_buffer_data(agx_buffer *b) { return (char *)b + AGX_BUFFER_HEADER; }
static inline void agx_buffer_share(agx_buffer *b) {
    if (b) b->count++;
}
static inline void agx_buffer_drop(agx_pool *p, agx_buffer *b) {
    if (b && --b->count == 0) agx_pool_recycle(p, b);
}

#endif
