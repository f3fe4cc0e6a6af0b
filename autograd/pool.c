/* pool: see pool.h. Size classes are four to an octave, so at most a quarter of a buffer is idle. */
#include "pool.h"

#include <assert.h>
#include <string.h>

void agx_pool_init(agx_pool *p) { memset(p, 0, sizeof *p); }

void agx_pool_clear(agx_pool *p) {
    assert(p->in_use == 0);
    for (int c = 0; c < AGX_POOL_CLASSES; c++) {
        for (agx_buffer *b = p->free[c]; b;) {
            agx_buffer *next = b->next;
            p->held -= b->bytes;
            ag_release(b, b->bytes);
            b = next;
        }
        p->free[c] = NULL;
    }
}

/* The smallest class whose size, (4 + quarter) << (octave + 4), holds `bytes`; the least is 64 bytes. */
static uint32_t class_of(size_t bytes, size_t *size) {
    if (bytes < 64) bytes = 64;
    /* 2^(octave + 6) < bytes <= 2^(octave + 7), but for 64 itself */
    uint32_t octave = 57 - (uint32_t)__builtin_clzll((unsigned long long)(bytes - 1) | 64);
    size_t quarter = (size_t)16 << octave, base = (size_t)64 << octave;
    size_t steps = (bytes - base + quarter - 1) / quarter; /* 0 to 4 */
    *size = base + steps * quarter;
    return octave * 4 + (uint32_t)steps;
}

agx_buffer *agx_pool_take(agx_pool *p, size_t bytes) {
    if (bytes > SIZE_MAX / 4) return NULL;
    size_t size;
    uint32_t c = class_of(bytes, &size);
    assert(c < AGX_POOL_CLASSES);
    agx_buffer *b = p->free[c];
    if (b) {
        p->free[c] = b->next;
    } else {
        b = ag_alloc(AGX_BUFFER_HEADER + size);
        if (!b) return NULL;
        b->bytes = AGX_BUFFER_HEADER + size;
        b->size_class = c;
        p->held += b->bytes;
    }
    b->next = NULL;
    b->count = 1;
    p->in_use++;
    return b;
}

void agx_pool_recycle(agx_pool *p, agx_buffer *b) {
    assert(b->count == 0 && p->in_use > 0);
    p->in_use--;
    b->next = p->free[b->size_class];
    p->free[b->size_class] = b;
}
