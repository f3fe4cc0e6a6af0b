/* table_impl: uthash as the library uses it - its memory goes through the allocator hook, and running out of it is an
 * error to handle (the new element's hh.tbl stays NULL), not an exit. Include this, never uthash.h itself. */
#ifndef AGX_TABLE_IMPL_H
#define AGX_TABLE_IMPL_H

#include "base.h"

#define HASH_NONFATAL_OOM            1
#define uthash_malloc(size)          ag_alloc(size)
#define uthash_free(block, size)     ag_release(block, size)
#define uthash_nonfatal_oom(element) ((void)0)
#include <uthash.h>

#endif
