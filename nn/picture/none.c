/* none: a build without cairo. */
#include "picture_impl.h"

const bool nnx_picture_possible = false;

ag_status nnx_picture_draw(const nn_picture *p, bool svg, char **bytes, size_t *size, size_t *room,
                           ag_error *error) {
    (void)p, (void)svg;
    *bytes = NULL;
    *size = *room = 0;
    return ag_fail(error, AG_ERROR_UNSUPPORTED, "a picture: built without cairo");
}
