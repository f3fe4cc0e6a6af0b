/* sort_impl: a sort without memory. Internal.
 *
 * The C library's may take some, past the allocator hook, and be slow on an order that a file has chosen; and its
 * comparison is told nothing but two items. */
#ifndef NNX_SORT_IMPL_H
#define NNX_SORT_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Whether item x belongs before y. */
typedef bool nnx_before(const void *user, const void *x, const void *y);

enum { NNX_SORT_SIZE = 16 }; /* bytes of an item, at most */
/** Items of `size` bytes each, in place. Equal ones may change places.
 *  Source: Williams 1964, heap sort */
void nnx_sort(void *items, int64_t n, size_t size, nnx_before *before, const void *user);

#endif
