/* args: see args.h. */
#include "args.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* A decimal number without sign at the start of `text`; *end is set past it. */
static bool read_integer(const char *text, int64_t low, int64_t high, int64_t *value, char **end) {
    if (!is_digit(*text)) return false;
    errno = 0;
    const long long n = strtoll(text, end, 10);
    *value = n;
    return errno == 0 && n >= low && n <= high;
}

bool arg_integer(arg a, int64_t low, int64_t high, int64_t *value) {
    char *end;
    if (read_integer(a.text, low, high, value, &end) && *end == '\0') return true;
    fprintf(stderr, "%s: --%s: '%s' is not a whole number from %" PRId64 " to %" PRId64 "\n", a.program, a.option,
            a.text, low, high);
    return false;
}

bool arg_positive(arg a, double *value) {
    char *end = NULL;
    /* strtod would also take blanks, signs, "inf" and "nan". */
    if (is_digit(a.text[0]) || a.text[0] == '.') *value = strtod(a.text, &end);
    if (end && end != a.text && *end == '\0' && *value > 0 && isfinite(*value)) return true;
    fprintf(stderr, "%s: --%s: '%s' is not a number greater than 0\n", a.program, a.option, a.text);
    return false;
}

bool arg_sizes(arg a, int64_t high, int64_t *sizes, int room, int *n) {
    const char *at = a.text;
    char *end;
    *n = 0;
    while (*n < room && read_integer(at, 1, high, &sizes[*n], &end)) {
        ++*n;
        if (*end == '\0') return true;
        if (*end != ',') break;
        at = end + 1;
    }
    fprintf(stderr, "%s: --%s: '%s' is not a list of 1 to %d sizes from 1 to %" PRId64 ", such as 256,128\n",
            a.program, a.option, a.text, room, high);
    return false;
}

void arg_refused(const char *program, int answer, const char *word) {
    if (answer == ':')
        fprintf(stderr, "%s: option '%s' needs an argument\n", program, word);
    else
        fprintf(stderr, "%s: unknown option '%s', or an argument that it does not take\n", program, word);
    fprintf(stderr, "Try '%s --help'.\n", program);
}
