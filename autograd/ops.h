/* ops: every operation that can be recorded. One call, one record, unless it says that it decomposes.
 *
 * Unless a comment says otherwise: operands broadcast as in NumPy, dtypes promote as in PyTorch, results are new
 * values on the operands' tape, any order of derivative exists, NaN propagates, axes count from the end when
 * negative, and errors are kept by the tape (tape.h).  (...) stands for any leading dimensions.
 *
 * One header a family, in reading order.
 *
 * Any operation can fail with AG_ERROR_MEMORY, AG_ERROR_LIMIT (the tape is full), AG_ERROR_STALE, AG_ERROR_FOREIGN
 * or, silently, AG_ERROR_FAILED (of an operand); Errors lines name what else can go wrong. */
#ifndef AUTOGRAD_OPS_H
#define AUTOGRAD_OPS_H

#include "ops/elementwise.h"
#include "ops/fused.h"
#include "ops/compare.h"
#include "ops/reduce.h"
#include "ops/shape.h"
#include "ops/index.h"
#include "ops/linalg.h"
#include "ops/conv.h"
#include "ops/pooling.h"
#include "ops/upsample.h"
#include "ops/softmax.h"
#include "ops/sort.h"
#include "ops/normalization.h"
#include "ops/attention.h"
#include "ops/recurrent.h"
#include "ops/loss.h"
#include "ops/embedding.h"
#include "ops/similarity.h"
#include "ops/random.h"
#include "ops/graph.h"

#include "scalar.h"
#endif
