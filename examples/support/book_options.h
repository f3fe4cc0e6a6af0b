/* book_options: the command line of the textbook programs, which differ in nothing but their pages: --seed N, --plot
 * FILE, --help, and of these only what a program has. */
#ifndef EXAMPLES_SUPPORT_BOOK_OPTIONS_H
#define EXAMPLES_SUPPORT_BOOK_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct book_options {
    const char *program; /* its name, for messages                                     */
    const char *shows;   /* a line for --help, with its end: what it shows              */
    int64_t *seed;       /* holds the default; NULL: the program draws nothing          */
    const char **plot;   /* the name of a picture, checked; NULL: there is no picture   */
} book_options;

/** True: go on. False: leave with *exit_status, everything having been said. */
bool book_options_read(const book_options *o, int argc, char **argv, int *exit_status);

#endif
