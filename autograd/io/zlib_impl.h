/* zlib_impl: zlib's memory through our hook. Internal; for builds with zlib alone. */
#ifndef AGX_IO_ZLIB_IMPL_H
#define AGX_IO_ZLIB_IMPL_H

#include <string.h>
#include <zlib.h>

#include "../base.h"

/* zlib does not say how large a block is when it frees it; a line before the block does. */
enum { AGX_ZLIB_LINE = 64 };

static inline void *agx_zlib_alloc(void *user, unsigned items, unsigned size) {
    (void)user;
    size_t bytes;
    if (!ag_size_mul(items, size, &bytes) || !ag_size_add(bytes, AGX_ZLIB_LINE, &bytes)) return NULL;
    char *block = ag_alloc(bytes);
    if (!block) return NULL;
    memcpy(block, &bytes, sizeof bytes);
    return block + AGX_ZLIB_LINE;
}

static inline void agx_zlib_release(void *user, void *address) {
    (void)user;
    char *block = (char *)address - AGX_ZLIB_LINE;
    size_t bytes;
    memcpy(&bytes, block, sizeof bytes);
    ag_release(block, bytes);
}

#endif
