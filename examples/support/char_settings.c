/* char_settings: see char_settings.h. */
#define _GNU_SOURCE /* getopt_long */

#include "char_settings.h"

#include "args.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HEADS = 1,
    TEXT,
    STEPS,
    EVERY,
    BATCH,
    CONTEXT,
    LAYERS,
    WIDTH,
    LR,
    DROPOUT,
    LENGTH,
    TEMPERATURE,
    PROMPT,
    SEED,
    THREADS,
    LOAD,
    SAVE,
    CHECKPOINT,
    PLOT,
    QUIET,
    HELP
};

static const struct option options[] = {
    {"heads", required_argument, NULL, HEADS}, /* first: it is left out where there are none */
    {"text", required_argument, NULL, TEXT},
    {"steps", required_argument, NULL, STEPS},
    {"every", required_argument, NULL, EVERY},
    {"batch", required_argument, NULL, BATCH},
    {"context", required_argument, NULL, CONTEXT},
    {"layers", required_argument, NULL, LAYERS},
    {"width", required_argument, NULL, WIDTH},
    {"lr", required_argument, NULL, LR},
    {"dropout", required_argument, NULL, DROPOUT},
    {"length", required_argument, NULL, LENGTH},
    {"temperature", required_argument, NULL, TEMPERATURE},
    {"prompt", required_argument, NULL, PROMPT},
    {"seed", required_argument, NULL, SEED},
    {"threads", required_argument, NULL, THREADS},
    {"load", required_argument, NULL, LOAD},
    {"save", required_argument, NULL, SAVE},
    {"checkpoint", required_argument, NULL, CHECKPOINT},
    {"plot", required_argument, NULL, PLOT},
    {"quiet", no_argument, NULL, QUIET},
    {"help", no_argument, NULL, HELP},
    {NULL, 0, NULL, 0},
};

static bool print_usage(const char_settings *s) {
    printf("Usage: %s [OPTION]...\n%s\n\n", s->program, s->shows);
    printf("  --text FILE      learn this text, in UTF-8, instead of the beginning of \"Pride and Prejudice\";\n"
           "                   its last tenth is held out\n"
           "  --steps N        updates of the weights                (default %" PRId64 "; 0 only writes)\n"
           "  --every N        steps from one line of the report, measurement of the held-out loss and\n"
           "                   checkpoint to the next                (default %" PRId64 ")\n"
           "  --batch N        pieces of text a step                 (default %" PRId64 ")\n"
           "  --context N      characters a piece                    (default %" PRId64 ")\n",
           s->steps, s->every, s->batch, s->context);
    printf("  --layers N       layers                                (default %" PRId64 ")\n"
           "  --width N        size of a layer                       (default %" PRId64 ")\n",
           s->layers, s->width);
    if (s->heads > 0)
        printf("  --heads N        heads of attention, a divisor of width (default %" PRId64 ")\n", s->heads);
    printf("  --lr X           AdamW's highest learning rate         (default %g)\n"
           "  --dropout X      from 0 to 0.9                         (default %g)\n"
           "  --length N       characters to write in the end        (default %" PRId64 ")\n"
           "  --temperature X  of the draws: 1 as the network says, less is more careful, 0 always takes the\n"
           "                   likeliest character                   (default %g)\n"
           "  --prompt TEXT    what is written begins with TEXT\n"
           "  --seed N         of the first weights, the pieces, dropout and what is drawn     (default %" PRId64
           ")\n"
           "  --threads N      threads to use; 0: as many as OpenMP would    (default %" PRId64 ")\n",
           s->lr, s->dropout, s->length, s->temperature, s->seed, s->threads);
    printf(
        "  --load FILE      begin with the parameters of a safetensors file\n"
        "  --save FILE      write the parameters as safetensors\n"
        "  --checkpoint FILE\n"
        "                   keep the whole run in FILE every now and then; where there is such a FILE, go on from "
        "it\n"
        "  --plot FILE      draw the losses: FILE.png or FILE.svg\n"
        "  --quiet          print nothing but what the network writes\n"
        "  --help           print this text\n"
        "\n"
        "Losses are nats a character. A file of --load or --checkpoint knows its characters, not its sizes: give\n"
        "the same --layers and so on.\n"
        "A run with --checkpoint may be killed at any moment: the same command goes on after the last checkpoint "
        "and\n"
        "ends with the weights, to the bit, of a run that was never stopped. Only its curves begin anew. A FILE "
        "of "
        "a\n"
        "run with other settings or another text is refused. Remove FILE to begin again.\n"
        "Ctrl-C ends training early; what is there is saved, drawn and writes as usual.\n"
        "Exit status: 0; 1 when something failed; 2 for a wrong option; 130 after Ctrl-C.\n");
    return fflush(stdout) == 0 && !ferror(stdout);
}

static bool set_option(char_settings *s, int option, arg a) {
    switch (option) {
    case HEADS: return arg_integer(a, 1, 4096, &s->heads);
    case TEXT: return arg_name(a, &s->text);
    case STEPS: return arg_integer(a, 0, 1000000000, &s->steps);
    case EVERY: return arg_integer(a, 1, 1000000000, &s->every);
    case BATCH: return arg_integer(a, 1, 65536, &s->batch);
    case CONTEXT: return arg_integer(a, 1, 65536, &s->context);
    case LAYERS: return arg_integer(a, 1, 1000, &s->layers);
    case WIDTH: return arg_integer(a, 1, 65536, &s->width);
    case LR: return arg_positive(a, &s->lr);
    case DROPOUT: return arg_number(a, 0, 0.9, &s->dropout);
    case LENGTH: return arg_integer(a, 0, 1000000000, &s->length);
    case TEMPERATURE: return arg_number(a, 0, 100, &s->temperature);
    case PROMPT: s->prompt = a.text; return true;
    case SEED: return arg_integer(a, 0, INT64_MAX, &s->seed);
    case THREADS: return arg_integer(a, 0, 1024, &s->threads);
    case LOAD: return arg_name(a, &s->load);
    case SAVE: return arg_name(a, &s->save);
    case CHECKPOINT: return arg_name(a, &s->checkpoint);
    case PLOT: return arg_name(a, &s->plot);
    default: s->quiet = true; return true; /* QUIET */
    }
}

/* What no value alone is wrong with. */
static bool fits_together(const char_settings *s) {
    if (s->heads > 0 && s->width % s->heads != 0) {
        fprintf(stderr, "%s: --heads: %" PRId64 " does not divide --width, %" PRId64 "\n", s->program, s->heads,
                s->width);
        return false;
    }
    if (s->save && s->checkpoint && strcmp(s->save, s->checkpoint) == 0) {
        fprintf(stderr, "%s: --checkpoint: '%s' is the file of --save, too\n", s->program, s->checkpoint);
        return false;
    }
    return true;
}

bool char_settings_read(char_settings *s, int argc, char **argv, int *exit_status) {
    const struct option *own = s->heads > 0 ? options : options + 1;
    const char_settings usual = *s;
    *exit_status = EXIT_USAGE;
    opterr = 0; /* messages are ours */
    int option, which = 0;
    while ((option = getopt_long(argc, argv, ":", own, &which)) != -1) {
        if (option == '?' || option == ':') {
            arg_refused(s->program, option, argv[optind - 1], own);
            return false;
        }
        if (option == HELP) {
            *exit_status = print_usage(&usual) ? EXIT_SUCCESS : EXIT_FAILURE;
            return false;
        }
        if (!set_option(s, option, (arg){s->program, own[which].name, optarg})) return false;
    }
    if (optind == argc) return fits_together(s);
    fprintf(stderr, "%s: '%s' is not an option\nTry '%s --help'.\n", s->program, argv[optind], s->program);
    return false;
}

void char_settings_agreed(const char_settings *s, uint64_t text_digest, char_agreed *out) {
    const struct {
        const char *name;
        int64_t value;
    } whole[] = {{"steps", s->steps},   {"every", s->every}, {"batch", s->batch}, {"context", s->context},
                 {"layers", s->layers}, {"width", s->width}, {"heads", s->heads}, {"seed", s->seed}};
    enum { WHOLE = sizeof whole / sizeof *whole };
    for (int i = 0; i < WHOLE; i++) {
        out->word[2 * i] = whole[i].name;
        (void)snprintf(out->value[i], CHAR_AGREED_SIZE, "%" PRId64, whole[i].value);
    }
    int i = WHOLE;
    out->word[2 * i] = "lr";
    (void)snprintf(out->value[i++], CHAR_AGREED_SIZE, "%.15g", s->lr);
    out->word[2 * i] = "dropout";
    (void)snprintf(out->value[i++], CHAR_AGREED_SIZE, "%.15g", s->dropout);
    out->word[2 * i] = "load";
    (void)snprintf(out->value[i++], CHAR_AGREED_SIZE, "%s", s->load ? "given" : "not given");
    out->word[2 * i] = "text";
    (void)snprintf(out->value[i++], CHAR_AGREED_SIZE, "%016" PRIx64, text_digest);
    for (int k = 0; k < i; k++) out->word[2 * k + 1] = out->value[k];
    out->word[2 * i] = NULL;
}
