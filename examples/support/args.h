/* args: what stands behind an option, read strictly. Each function prints "program: --option: ..." to stderr and
 * returns false when the text is not exactly what is wanted: no blanks, no trailing characters, in range. Programs do
 * not call these: they have a table of their options (options.h). */
#ifndef EXAMPLES_SUPPORT_ARGS_H
#define EXAMPLES_SUPPORT_ARGS_H

#include <stdbool.h>
#include <stdint.h>

struct option; /* of getopt.h */

/** Where a text comes from: for messages. */
typedef struct arg {
    const char *program, *option, *text;
} arg;

bool arg_integer(arg a, int64_t low, int64_t high, int64_t *value);
/** A finite number greater than zero. */
bool arg_positive(arg a, double *value);
/** A number in [low, high], low not below 0. */
bool arg_number(arg a, double low, double high, double *value);
/** Whole numbers with commas between them, 1 to `room` of them, each in [1, high]. */
bool arg_sizes(arg a, int64_t high, int64_t *sizes, int room, int *n);
/** One of `n` names; *choice is its number. */
bool arg_choice(arg a, const char *const *names, int n, int *choice);
/** Any text but the empty one: the name of a file. */
bool arg_name(arg a, const char **value);

/** Explain what getopt_long (with opterr 0, no short options, and ':' for these) has just refused: `answer` is '?'
 *  or ':', `word` is argv[optind - 1]. */
void arg_refused(const char *program, int answer, const char *word, const struct option *options);

#endif
