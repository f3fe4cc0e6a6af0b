/* sort: see sort_impl.h. The largest item is at the heap's root, and goes behind the heap, which shrinks. */
#include "sort_impl.h"

#include <string.h>

typedef struct heap {
    char *item;
    size_t size; /* of an item */
    nnx_before *before;
    const void *user;
} heap;

static char *item(const heap *h, int64_t i) { return h->item + (size_t)i * h->size; }

static bool is_before(const heap *h, int64_t i, int64_t k) { return h->before(h->user, item(h, i), item(h, k)); }

static void swap(const heap *h, int64_t i, int64_t k) {
    char held[NNX_SORT_SIZE];
    memcpy(held, item(h, i), h->size);
    memcpy(item(h, i), item(h, k), h->size);
    memcpy(item(h, k), held, h->size);
}

/* Item `root` down to where it belongs, among the first n. */
static void sift(const heap *h, int64_t root, int64_t n) {
    for (int64_t child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n && is_before(h, child, child + 1)) child++;
        if (!is_before(h, root, child)) return;
        swap(h, root, child);
    }
}

void nnx_sort(void *items, int64_t n, size_t size, nnx_before *before, const void *user) {
    const heap h = {items, size, before, user};
    for (int64_t i = n / 2; i-- > 0;) sift(&h, i, n);
    for (int64_t last = n; last-- > 1;) {
        swap(&h, 0, last);
        sift(&h, 0, last);
    }
}
