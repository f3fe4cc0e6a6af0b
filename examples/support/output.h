/* output: whether a program will be able to write a file at its end, known at its beginning. */
#ifndef EXAMPLES_SUPPORT_OUTPUT_H
#define EXAMPLES_SUPPORT_OUTPUT_H

#include <autograd/autograd.h>

/** Whether a file can be written at `path`: tries to create one beside it, and removes it again.
 *  Errors: AG_ERROR_IO, AG_ERROR_MEMORY */
ag_status output_check(const char *path, ag_error *error) AG_WARN_UNUSED;

#endif
