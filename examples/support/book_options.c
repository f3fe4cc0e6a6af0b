/* book_options: see book_options.h. */
#include "book_options.h"

#include "options.h"

#include <stddef.h>

bool book_options_read(const book_options *o, int argc, char **argv, int *exit_status) {
    option_row rows[2];
    int n = 0;
    if (o->seed)
        rows[n++] =
            (option_row){"seed", "N", "of all that is drawn at random", OPTION_INTEGER, o->seed, 0, INT64_MAX};
    if (o->plot)
        rows[n++] =
            (option_row){"plot", "FILE", "draw it, too: FILE.png or FILE.svg", OPTION_PICTURE, o->plot, 0, 0};
    const option_table table = {.program = o->program,
                                .shows = o->shows,
                                .ends = "\nExit status: 0; 1 when something failed; 2 for a wrong option.\n",
                                .row = rows,
                                .n = n};
    return options_read(&table, argc, argv, NULL, exit_status);
}
