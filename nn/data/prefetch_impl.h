/* prefetch_impl: a second thread that makes numbered items in order, a bounded number of them ahead. Internal. */
#ifndef NNX_PREFETCH_IMPL_H
#define NNX_PREFETCH_IMPL_H

#include <autograd/autograd.h>

typedef struct nnx_prefetch nnx_prefetch;
/** Make item k, in the second thread; items k and k + slots share their place. False: it failed, no other follows. */
typedef bool nnx_prefetch_make(void *user, int64_t k);

/** A thread that rests.
 *  Errors: NULL: AG_ERROR_MEMORY, AG_ERROR_LIMIT (with the system's reason) */
nnx_prefetch *nnx_prefetch_new(int64_t slots, nnx_prefetch_make *make, void *user, ag_error *error);
/** Ends the thread; NULL is accepted. */
void nnx_prefetch_free(nnx_prefetch *p);
/** Begin with item 0 of `count`. The thread must rest. */
void nnx_prefetch_start(nnx_prefetch *p, int64_t count);
/** Let it rest: afterwards no item is being made, and all there were are gone. */
void nnx_prefetch_stop(nnx_prefetch *p);
/** Within `make`: whether to give up, since nobody waits for the item any more. */
bool nnx_prefetch_stopping(nnx_prefetch *p);
/** Wait until the next item is made, and give back the place of the one before. Not past the last, nor past one that
 *  failed. */
void nnx_prefetch_next(nnx_prefetch *p);

#endif
