/* options: see options.h. */
#define _GNU_SOURCE /* getopt_long */

#include "options.h"

#include "args.h"
#include "output.h"

#include <nn/nn.h>

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HELP = OPTIONS_MOST + 1, NAME_WIDTH = 20, LAST_COLUMN = 79 };

/* ---- --help --------------------------------------------------------------------------------------------------- */

/* A text in lines of at most 79 columns, broken at `between` alone. *column: where the last line ended. */
static void print_words(FILE *out, const char *text, const char *between, int *column) {
    while (*text) {
        const int length = (int)strcspn(text, between);
        if (*column + 1 + length > LAST_COLUMN) *column = fprintf(out, "\n%*s", NAME_WIDTH + 2, "") - 1;
        *column += fprintf(out, " %.*s", length, text);
        text += length;
        text += strspn(text, between);
    }
}

/* A value that the option could not have given, such as a rate of 0, stands for "not set". */
static void default_text(const option_row *r, char *text, size_t size) {
    text[0] = '\0';
    if (r->kind == OPTION_INTEGER) {
        const int64_t n = *(const int64_t *)r->value;
        if (n >= r->low && n <= r->high) snprintf(text, size, "(default %" PRId64 ")", n);
    } else if (r->kind == OPTION_RATE || r->kind == OPTION_NUMBER) {
        const double x = *(const double *)r->value;
        if (r->kind == OPTION_NUMBER || x > 0) snprintf(text, size, "(default %g)", x);
    } else if (r->kind == OPTION_CHOICE) {
        const option_choice *c = r->value;
        if (c->chosen >= 0) snprintf(text, size, "(default %s)", c->names[c->chosen]);
    } else if (r->kind == OPTION_SIZES) {
        const option_sizes *s = r->value;
        int length = 0;
        for (int i = 0; i < s->n; i++)
            length += snprintf(text + length, size - (size_t)length, "%s%" PRId64 "%s", i > 0 ? "," : "(default ",
                               s->size[i], i + 1 < s->n ? "" : ")");
    }
}

static void print_row(FILE *out, const option_row *r) {
    char name[64], preset[256];
    snprintf(name, sizeof name, "--%s %s", r->name, r->argument ? r->argument : "");
    int column = fprintf(out, "  %-*s", NAME_WIDTH, name);
    print_words(out, r->help, " ", &column);
    default_text(r, preset, sizeof preset);
    print_words(out, preset, "\n", &column);
    fputc('\n', out);
}

static void print_help(FILE *out, const option_table *o) {
    fprintf(out, "Usage: %s [OPTION]...%s%s\n%s\n", o->program, o->operand ? " " : "",
            o->operand ? o->operand : "", o->shows);
    for (int i = 0; i < o->n; i++) print_row(out, &o->row[i]);
    print_row(out, &(option_row){.name = "help", .help = "print this text", .kind = OPTION_FLAG});
    fputs(o->ends, out);
}

/* ---- values --------------------------------------------------------------------------------------------------- */

static bool set_value(const option_row *r, arg a) {
    option_choice *choice = r->value;
    option_sizes *sizes = r->value;
    switch (r->kind) {
    case OPTION_FLAG: *(bool *)r->value = true; return true;
    case OPTION_INTEGER: return arg_integer(a, r->low, r->high, r->value);
    case OPTION_RATE: return arg_positive(a, r->value);
    case OPTION_NUMBER: return arg_number(a, (double)r->low, (double)r->high, r->value);
    case OPTION_CHOICE: return arg_choice(a, choice->names, choice->n, &choice->chosen);
    case OPTION_SIZES: return arg_sizes(a, r->high, sizes->size, OPTION_SIZES_MOST, &sizes->n);
    default: return arg_name(a, r->value);
    }
}

/* What would spoil the end of the work is said before its beginning. */
static bool outputs_possible(const option_table *o) {
    for (int i = 0; i < o->n; i++) {
        const option_row *r = &o->row[i];
        if (r->kind != OPTION_FILE && r->kind != OPTION_PICTURE) continue;
        const char *path = *(const char *const *)r->value;
        ag_error error = {0};
        if (!path) continue;
        if ((r->kind == OPTION_PICTURE ? nn_picture_check(path, &error) : ag_file_check(path, &error)) == AG_OK)
            continue;
        fprintf(stderr, "%s: --%s: %s\n", o->program, r->name, error.message);
        return false;
    }
    return true;
}

bool options_read(const option_table *o, int argc, char **argv, const char **operand, int *exit_status) {
    struct option known[OPTIONS_MOST + 2] = {{"help", no_argument, NULL, HELP}};
    for (int i = 0; i < o->n; i++)
        known[i + 1] = (struct option){
            o->row[i].name, o->row[i].kind == OPTION_FLAG ? no_argument : required_argument, NULL, i + 1};
    *exit_status = EXIT_USAGE;
    opterr = 0; /* messages are ours */
    for (int answer; (answer = getopt_long(argc, argv, ":", known, NULL)) != -1;) {
        if (answer == '?' || answer == ':') {
            arg_refused(o->program, answer, argv[optind - 1], known);
            return false;
        }
        if (answer == HELP) {
            print_help(stdout, o);
            *exit_status = output_end(o->program, EXIT_SUCCESS);
            return false;
        }
        const option_row *r = &o->row[answer - 1];
        if (!set_value(r, (arg){o->program, r->name, optarg})) return false;
    }
    if (o->operand && optind < argc) *operand = argv[optind++];
    if (optind < argc) {
        fprintf(stderr, "%s: '%s' is not an option\nTry '%s --help'.\n", o->program, argv[optind], o->program);
        return false;
    }
    *exit_status = EXIT_FAILURE;
    return outputs_possible(o);
}
