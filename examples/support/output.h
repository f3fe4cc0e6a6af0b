/* output: files that a program writes at its end, and whether it will be able to, known at its beginning. */
#ifndef EXAMPLES_SUPPORT_OUTPUT_H
#define EXAMPLES_SUPPORT_OUTPUT_H

#include <autograd/autograd.h>

/** Whether a file can be written at `path`: tries to create one beside it, and removes it again.
 *  Errors: AG_ERROR_IO, AG_ERROR_MEMORY */
ag_status output_check(const char *path, ag_error *error) AG_WARN_UNUSED;
/** Write a whole file or nothing: into a temporary file beside it, which is then renamed. */
ag_status output_write(const char *path, const void *data, size_t size, ag_error *error) AG_WARN_UNUSED;

#endif
