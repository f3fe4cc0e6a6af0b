/* cross_entropy_impl: what the fused row and the composites of cross-entropy agree on: which targets count nowhere. */
#ifndef AGX_CROSS_ENTROPY_IMPL_H
#define AGX_CROSS_ENTROPY_IMPL_H

#include "ops_impl.h"

/** A target that is ignored where the caller names none: PyTorch's number. */
#define AGX_IGNORE_INDEX (-100)

/** Past this size not every integer is a double, and rules compare targets with a recorded number. */
#define AGX_IGNORE_LIMIT (INT64_C(1) << 53)

typedef struct agx_ignore_attrs {
    int64_t ignore_index;
} agx_ignore_attrs;

#endif
