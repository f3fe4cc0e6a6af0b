/* margin_impl: an array with a margin made of its own elements. Internal. */
#ifndef NNX_MARGIN_IMPL_H
#define NNX_MARGIN_IMPL_H

#include "conv.h"

/** x with `low` positions before and `high` behind an axis. A margin of zeros is ag_pad.
 *  Errors: kept by the tape: AG_ERROR_SHAPE (the axis is too short for what it should be continued with) */
ag_value nnx_margin(ag_value x, int axis, int64_t low, int64_t high, nn_padding_mode mode);

#endif
