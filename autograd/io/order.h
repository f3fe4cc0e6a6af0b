/* order: heap sort of indices. Internal.
 *
 * Names in a file come from whoever wrote it, so neither the quadratic worst case of a quick sort nor a hash table
 * with a known hash function is acceptable; and the C library's qsort may allocate outside our hook. */
#ifndef AGX_IO_ORDER_H
#define AGX_IO_ORDER_H

#include "../base.h"

/** Does element i come before element j? */
typedef bool agx_before(const void *elements, size_t i, size_t j);

static inline void agx_order_sift(size_t *order, size_t root, size_t n, agx_before *before, const void *elements) {
    for (size_t child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n && before(elements, order[child], order[child + 1])) child++;
        if (!before(elements, order[root], order[child])) return;
        size_t held = order[root];
        order[root] = order[child];
        order[child] = held;
    }
}

/** Fill order with 0 .. n-1 so that elements come in order. Not stable: let `before` decide ties. */
static inline void agx_order(size_t *order, size_t n, agx_before *before, const void *elements) {
    for (size_t i = 0; i < n; i++) order[i] = i;
    for (size_t i = n / 2; i-- > 0;) agx_order_sift(order, i, n, before, elements);
    for (size_t last = n; last-- > 1;) {
        size_t held = order[0];
        order[0] = order[last];
        order[last] = held;
        agx_order_sift(order, 0, last, before, elements);
    }
}

#endif
