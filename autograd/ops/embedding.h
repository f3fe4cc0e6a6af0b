/* embedding: rows of a table by their numbers. */
#ifndef AUTOGRAD_OPS_EMBEDDING_H
#define AUTOGRAD_OPS_EMBEDDING_H

#include "../tape.h"

AG_BEGIN_DECLS

/** The rows of a table at the given positions. It decomposes.
 *  Shapes:   weight (V, D) float; index (...) i64 in [0, V); y (..., D)
 *  Gradient: dweight: each row the sum of dy where it was taken, but 0 for row padding_idx; index: none
 *  Edges:    padding_idx counts from the end when negative; AG_NO_PADDING: every row has a gradient
 *  Errors:   AG_ERROR_INDEX (the first position out of range; padding_idx out of range), AG_ERROR_DTYPE,
 *            AG_ERROR_SHAPE (weight has not rank 2, index has rank 8)
 *  Memory:   keeps index */
#define AG_NO_PADDING INT64_MIN
AG_API ag_value ag_embedding(ag_value weight, ag_value index, int64_t padding_idx);

AG_END_DECLS
#endif
