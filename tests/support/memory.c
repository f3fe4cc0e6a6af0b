/* memory: the counting allocator. Headers are not needed: the hook is told every block's size. */
#define _POSIX_C_SOURCE 200809L
#include <stdlib.h>
#include <string.h>

#include "support.h"

static long live, calls, failing;
static int onwards; /* all allocations from `failing` on fail */

static void *counted(void *user, void *old, size_t old_size, size_t new_size, size_t alignment) {
    (void)user;
    if (new_size == 0) {
        free(old);
        if (old) __atomic_fetch_sub(&live, (long)old_size, __ATOMIC_RELAXED);
        return NULL;
    }
    if (!old || new_size > old_size) { /* a shrink never fails */
        long k = __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);
        if (failing && (k == failing || (onwards && k > failing))) return NULL;
    }
    void *block;
    if (posix_memalign(&block, alignment < sizeof(void *) ? sizeof(void *) : alignment, new_size) != 0)
        return NULL;
    if (old) {
        memcpy(block, old, old_size < new_size ? old_size : new_size);
        free(old);
        __atomic_fetch_sub(&live, (long)old_size, __ATOMIC_RELAXED);
    }
    __atomic_fetch_add(&live, (long)new_size, __ATOMIC_RELAXED);
    return block;
}

void counting_allocator_install(void) { ag_set_allocator(&(ag_allocator){.resize = counted, .user = NULL}); }

void counting_allocator_fail_at(long k) {
    failing = k;
    onwards = 0;
    calls = 0;
}

void counting_allocator_fail_from(long k) {
    counting_allocator_fail_at(k);
    onwards = 1;
}

long counting_allocator_calls(void) { return calls; }
long counting_allocator_live(void) { return live; }
