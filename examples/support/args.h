/* args: numbers on a command line, read strictly. Each function prints "program: --option: ..." to stderr and
 * returns false when the text is not exactly what is wanted: no blanks, no trailing characters, in range. */
#ifndef EXAMPLES_SUPPORT_ARGS_H
#define EXAMPLES_SUPPORT_ARGS_H

#include <stdbool.h>
#include <stdint.h>

enum { EXIT_USAGE = 2 };

/** Where a text comes from: for messages. */
typedef struct arg {
    const char *program, *option, *text;
} arg;

bool arg_integer(arg a, int64_t low, int64_t high, int64_t *value);
/** A finite number greater than zero. */
bool arg_positive(arg a, double *value);
/** Whole numbers with commas between them, 1 to `room` of them, each in [1, high]. */
bool arg_sizes(arg a, int64_t high, int64_t *sizes, int room, int *n);

/** Explain an option that getopt_long (with opterr 0 and ':' leading the short options) has refused: `answer` is
 *  '?' or ':', `word` the argument it stopped at. */
void arg_refused(const char *program, int answer, const char *word);

#endif
