/* output: see output.h. */
#include "output.h"

#include <stdio.h>
#include <stdlib.h>

bool output_whole(void) { return fflush(stdout) == 0 && !ferror(stdout); }

int output_end(const char *program, int exit_status) {
    if (output_whole()) return exit_status;
    fprintf(stderr, "%s: cannot write to the standard output\n", program);
    return EXIT_FAILURE;
}
