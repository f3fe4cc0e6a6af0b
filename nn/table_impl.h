/* table_impl: uthash set up for this library. Internal; include it instead of <uthash.h>.
 *
 * Its memory comes from the library's allocator, and running out of it is not fatal: an element that could not
 * be added has hh.tbl == NULL after HASH_ADD and the table is as it was. */
#ifndef NNX_TABLE_IMPL_H
#define NNX_TABLE_IMPL_H

#include <autograd/base.h>

#define HASH_NONFATAL_OOM            1
#define uthash_malloc(size)          ag_alloc(size)
#define uthash_free(block, size)     ag_release(block, size)
#define uthash_nonfatal_oom(element) ((void)(element))
#include <uthash.h>

#endif
