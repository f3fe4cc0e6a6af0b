/* output: what a program prints is lost where standard output is a full disk, and nothing but a look at the end tells. */
#ifndef EXAMPLES_SUPPORT_OUTPUT_H
#define EXAMPLES_SUPPORT_OUTPUT_H

#include <stdbool.h>

/** Whether all that was printed has arrived. */
bool output_whole(void);
/** The exit status of a program that has printed all it has to say: that of its work, or, where it could not be written,
 *  EXIT_FAILURE, with a sentence on stderr. */
int output_end(const char *program, int exit_status);

#endif
