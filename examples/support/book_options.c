/* book_options: see book_options.h. */
#define _GNU_SOURCE /* getopt_long */

#include "book_options.h"

#include "args.h"

#include <nn/nn.h>

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { SEED = 1, PLOT, HELP, MOST_OPTIONS };

static void print_usage(FILE *out, const book_options *o) {
    fprintf(out, "Usage: %s [OPTION]...\n%s\n\n", o->program, o->shows);
    if (o->seed) fprintf(out, "  --seed N       of all that is drawn at random (default %" PRId64 ")\n", *o->seed);
    if (o->plot) fprintf(out, "  --plot FILE    draw it, too: FILE.png or FILE.svg\n");
    fprintf(
        out,
        "  --help         print this text\n\nExit status: 0; 1 when something failed; 2 for a wrong option.\n");
}

/* Those that the program has, and the end. */
static void list(const book_options *o, struct option *options) {
    *options++ = (struct option){"help", no_argument, NULL, HELP};
    if (o->seed) *options++ = (struct option){"seed", required_argument, NULL, SEED};
    if (o->plot) *options++ = (struct option){"plot", required_argument, NULL, PLOT};
    *options = (struct option){0};
}

/* Whether the picture can be written is said before the work that it will show. */
static bool plot_possible(const book_options *o, int *exit_status) {
    ag_error error = {0};
    if (!o->plot || !*o->plot || nn_picture_check(*o->plot, &error) == AG_OK) return true;
    fprintf(stderr, "%s: %s\n", o->program, error.message);
    *exit_status = EXIT_FAILURE;
    return false;
}

bool book_options_read(const book_options *o, int argc, char **argv, int *exit_status) {
    struct option options[MOST_OPTIONS];
    int answer;
    list(o, options);
    *exit_status = EXIT_USAGE;
    opterr = 0;
    while ((answer = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        switch (answer) {
        case HELP:
            print_usage(stdout, o);
            *exit_status = fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
            return false;
        case SEED:
            if (!arg_integer((arg){o->program, "seed", optarg}, 0, INT64_MAX, o->seed)) return false;
            break;
        case PLOT:
            if (!arg_name((arg){o->program, "plot", optarg}, o->plot)) return false;
            break;
        default: arg_refused(o->program, answer, argv[optind - 1], options); return false;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "%s: '%s' is no option\nTry '%s --help'.\n", o->program, argv[optind], o->program);
        return false;
    }
    return plot_possible(o, exit_status);
}
