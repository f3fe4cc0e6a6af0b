/* composite: what operations that decompose check before they record anything. Internal.
 *
 * A composite has no record, and so no shape rule: the rows it records would refuse a mistake under their own names.
 * These checks refuse it first, under the name that the caller used and with the operands as the caller gave them. */
#ifndef AGX_OPS_COMPOSITE_H
#define AGX_OPS_COMPOSITE_H

#include "ops_impl.h"

/** Operands i and j have one shape. */
ag_status agx_check_same_shape(ag_build *b, uint32_t i, uint32_t j);
ag_status agx_check_float(ag_build *b, uint32_t i);
/** Every element of operand i, an i64 array, is in [0, size) or equal to *ignore (NULL: nothing is). The first that is
 *  not, row-major, is named. */
ag_status agx_check_index(ag_build *b, uint32_t i, int64_t size, const int64_t *ignore);

/* ---- reductions of losses ----------------------------------------------------------------------------------------- */

ag_status agx_check_reduction(ag_build *b, int64_t reduction);
/** By a reduction that was checked. */
ag_value agx_reduce_losses(ag_value losses, int64_t reduction);

#endif
