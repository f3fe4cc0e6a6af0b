/* random: operations that draw from the tape's generator (ag_tape_random_get). */
#ifndef AUTOGRAD_OPS_RANDOM_H
#define AUTOGRAD_OPS_RANDOM_H

#include "../tape.h"

AG_BEGIN_DECLS

/** Each element becomes 0 with probability p, else x / (1 - p): the mean stays.
 *  Draws from the tape's generator (ag_tape_random_get); which elements survive depends on its position and the
 *  element's number alone.
 *  Gradient: dx = the same mask on dy
 *  Edges:    p = 0 copies; p = 1 gives zeros
 *  Errors:   AG_ERROR_VALUE (p outside [0, 1]), AG_ERROR_DTYPE (integers)
 *  Memory:   keeps nothing
 *  Source:   Srivastava and others 2014 */
AG_API ag_value ag_dropout(ag_value x, double p);

AG_END_DECLS
#endif
