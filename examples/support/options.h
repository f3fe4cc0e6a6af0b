/* options: a program's command line as a table. From one row come the option, its check, its line in --help and, for a
 * file to be written, the question before all work whether it can be. --help itself need not be in the table. */
#ifndef EXAMPLES_SUPPORT_OPTIONS_H
#define EXAMPLES_SUPPORT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum { EXIT_USAGE = 2 }; /* the exit status for a wrong option */

typedef enum option_kind {
    OPTION_FLAG,    /* bool: becomes true                         */
    OPTION_INTEGER, /* int64_t in [low, high]                     */
    OPTION_RATE,    /* double above 0                             */
    OPTION_NUMBER,  /* double in [low, high]                      */
    OPTION_CHOICE,  /* option_choice: one of several names        */
    OPTION_SIZES,   /* option_sizes, each in [1, high]: 256,128  */
    OPTION_TEXT,    /* const char *, not empty                    */
    OPTION_FILE,    /* const char *: a file that is written       */
    OPTION_PICTURE  /* const char *: a picture that is written    */
} option_kind;

typedef struct option_choice {
    const char *const *names; /* (n) */
    int n;
    int chosen; /* the number of a name; below 0: none yet */
} option_choice;

enum { OPTION_SIZES_MOST = 8 };
typedef struct option_sizes {
    int64_t size[OPTION_SIZES_MOST]; /* (n) */
    int n;
} option_sizes;

typedef struct option_row {
    const char *name;     /* "seed"                                                    */
    const char *argument; /* "N"; NULL: it takes none                                  */
    const char *help;     /* "of the first weights"; --help breaks it into lines     */
    option_kind kind;
    void *value; /* holds the default, which --help shows if the option could have given it */
    int64_t low, high;
} option_row;

enum { OPTIONS_MOST = 24 };

typedef struct option_table {
    const char *program;
    const char *operand; /* what may stand beside the options, such as "FILE.csv"; NULL: nothing */
    const char *shows;   /* lines for --help above the options */
    const char *ends;    /* lines below them                   */
    const option_row *row;
    int n; /* at most OPTIONS_MOST */
} option_table;

/** *operand stays as it is where there is none. True: go on. False: leave with *exit_status, everything having been
 *  said. */
bool options_read(const option_table *o, int argc, char **argv, const char **operand, int *exit_status);

#endif
