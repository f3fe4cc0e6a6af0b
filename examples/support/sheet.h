/* sheet: rows of small images in one file, as PNG or SVG where the build draws pictures, and as PGM in every build. */
#ifndef EXAMPLES_SUPPORT_SHEET_H
#define EXAMPLES_SUPPORT_SHEET_H

#include <nn/nn.h>

/** Whether it can be written: to be asked before the work that it will show.
 *  Errors: AG_ERROR_VALUE (the name ends in none of the three), and those of nn_picture_check */
ag_status sheet_check(const char *path, ag_error *error) AG_WARN_UNUSED;
/** By the ending of its name. A PGM has no texts. */
ag_status sheet_write(const char *path, const nn_gallery *g, ag_error *error) AG_WARN_UNUSED;

#endif
