/* fused: elementwise operations of three operands in one pass, and of one operand between two bounds. */
#ifndef AUTOGRAD_OPS_FUSED_H
#define AUTOGRAD_OPS_FUSED_H

#include "../tape.h"

AG_BEGIN_DECLS

/** x + c y w, one record.
 *  Gradient: dx = dz, dy = dz c w, dw = dz c y
 *  Errors:   AG_ERROR_SHAPE (the shapes do not broadcast), AG_ERROR_DTYPE (integers throughout)
 *  Memory:   keeps y and w */
AG_API ag_value ag_addcmul(ag_value x, ag_value y, ag_value w, double c);
/** x + w (y - x), one record: x where w = 0, y where w = 1, exactly.
 *  Gradient: dx = dz (1 - w), dy = dz w, dw = dz (y - x)
 *  Errors:   AG_ERROR_SHAPE (the shapes do not broadcast), AG_ERROR_DTYPE (integers throughout)
 *  Memory:   keeps x, y and w */
AG_API ag_value ag_lerp(ag_value x, ag_value y, ag_value w);

AG_END_DECLS
#endif
