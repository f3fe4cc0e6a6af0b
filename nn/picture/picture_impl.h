/* picture_impl: the door to cairo. Internal. */
#ifndef NNX_PICTURE_IMPL_H
#define NNX_PICTURE_IMPL_H

#include "../picture.h"

/** Whether this build draws. */
extern const bool nnx_picture_possible;
/** The bytes of a picture's file, in a block of *room, *size of them used.
 *  Errors: AG_ERROR_LIMIT, AG_ERROR_MEMORY, AG_ERROR_IO (cairo's other reasons); *bytes is then NULL */
ag_status nnx_picture_draw(const nn_picture *p, bool svg, char **bytes, size_t *size, size_t *room,
                           ag_error *error);

#endif
