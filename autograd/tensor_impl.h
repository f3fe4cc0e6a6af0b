/* tensor_impl: what is inside an ag_tensor, for the tape, the sweeps and the file readers. Internal.
 *
 * Invariants: data is dense and row-major from its first element and never moves; grad, where there is one, has
 * the same layout. grad is NULL exactly when grad_state is AGX_GRAD_NONE. A part keeps a grad_state of its own
 * even where it shares its parent's buffer. */
#ifndef AGX_TENSOR_IMPL_H
#define AGX_TENSOR_IMPL_H

#include "tensor.h"

enum agx_grad_state {
    AGX_GRAD_NONE,   /* no buffer                                                     */
    AGX_GRAD_EMPTY,  /* a buffer whose contents are undefined: it reads as zeros      */
    AGX_GRAD_VALID,  /* the buffer holds the gradient                                 */
    AGX_GRAD_INVALID /* left over from a failed backward: refused until it is zeroed  */
};

struct ag_tensor {
    ag_meta meta;
    void *data;
    void *grad;
    uint64_t version; /* own writes; a part's version is this plus its parent's */
    ag_tensor *parent;
    uint8_t grad_state; /* enum agx_grad_state */
    bool owns_data, owns_grad;
    char *name; /* NULL: none */
};

/** Make x's gradient a buffer that can be added to, and return it. *overwrite is set when what it holds is
 *  undefined (AGX_GRAD_EMPTY), so that the first contribution is copied instead of added; whoever writes it sets
 *  grad_state to AGX_GRAD_VALID afterwards. NULL: out of memory, not floating, or invalid. */
void *agx_tensor_grad_target(ag_tensor *x, bool *overwrite);

#endif
