/* args: see args.h. */
#include "args.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* strtod would also take blanks, signs, "inf" and "nan". */
static bool read_number(const char *text, double *value) {
    char *end = NULL;
    if (is_digit(text[0]) || text[0] == '.') *value = strtod(text, &end);
    return end && end != text && *end == '\0' && isfinite(*value);
}

bool arg_positive(arg a, double *value) {
    if (read_number(a.text, value) && *value > 0) return true;
    fprintf(stderr, "%s: --%s: '%s' is not a number greater than 0\n", a.program, a.option, a.text);
    return false;
}

bool arg_number(arg a, double low, double high, double *value) {
    if (read_number(a.text, value) && *value >= low && *value <= high) return true;
    fprintf(stderr, "%s: --%s: '%s' is not a number from %g to %g\n", a.program, a.option, a.text, low, high);
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

bool arg_choice(arg a, const char *const *names, int n, int *choice) {
    for (int i = 0; i < n; i++) {
        *choice = i;
        if (strcmp(a.text, names[i]) == 0) return true;
    }
    fprintf(stderr, "%s: --%s: '%s' is not one of:", a.program, a.option, a.text);
    for (int i = 0; i < n; i++) fprintf(stderr, "%s %s", i > 0 ? "," : "", names[i]);
    fputc('\n', stderr);
    return false;
}

bool arg_name(arg a, const char **value) {
    *value = a.text;
    if (*a.text != '\0') return true;
    fprintf(stderr, "%s: --%s: '' names no file\n", a.program, a.option);
    return false;
}

/* How many options the first `length` letters of `name` may stand for; all of them are printed when `out` is not
 * NULL. */
static int count_meant(const struct option *options, const char *name, size_t length, FILE *out) {
    int n = 0;
    for (const struct option *o = options; o->name; o++) {
        if (strncmp(o->name, name, length) != 0) continue;
        if (out) fprintf(out, "%s--%s", n > 0 ? ", " : "", o->name);
        n++;
    }
    return n;
}

void arg_refused(const char *program, int answer, const char *word, const struct option *options) {
    const size_t length = strncmp(word, "--", 2) == 0 ? strcspn(word + 2, "=") : 0; /* of a long option's name */
    if (answer == ':') {
        fprintf(stderr, "%s: option '%s' needs an argument\n", program, word);
    } else if (optopt >= ' ') { /* a letter; getopt_long is still inside its word, and `word` is the one before */
        fprintf(stderr, "%s: unknown option '-%c'\n", program, optopt);
    } else if (optopt != 0) { /* the option itself is known */
        fprintf(stderr, "%s: option '%.*s' takes no argument\n", program, (int)length + 2, word);
    } else if (length > 0 && count_meant(options, word + 2, length, NULL) > 1) {
        fprintf(stderr, "%s: option '%.*s' is ambiguous: ", program, (int)length + 2, word);
        count_meant(options, word + 2, length, stderr);
        fputc('\n', stderr);
    } else {
        fprintf(stderr, "%s: unknown option '%s'\n", program, word);
    }
    fprintf(stderr, "Try '%s --help'.\n", program);
}
