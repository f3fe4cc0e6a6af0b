/* char_settings: see char_settings.h. */
#include "char_settings.h"

#include "options.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char ends[] = "\n"
                           "Losses are nats a character. A file of --load or --checkpoint knows its\n"
                           "characters, not its sizes: give the same --layers and so on.\n"
                           "A run with --checkpoint may be killed at any moment: the same command goes on\n"
                           "after the last checkpoint and ends with the weights, to the bit, of a run that\n"
                           "was never stopped; --plot draws all of it. A FILE of a run with other\n"
                           "settings or another text is refused. Remove FILE to begin again.\n"
                           "Ctrl-C ends training early; what is there is saved, drawn and writes as usual.\n"
                           "Exit status: 0; 1 when something failed; 2 for a wrong option; 130 after Ctrl-C.\n";

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
    enum { MANY = 1000000000, LARGE = 65536 };
    const option_row rows[] = {
        {"text", "FILE",
         "learn this text, in UTF-8, instead of the beginning of \"Pride and Prejudice\"; its last tenth is held "
         "out",
         OPTION_TEXT, &s->text, 0, 0},
        {"steps", "N", "updates of the weights; 0 only writes", OPTION_INTEGER, &s->steps, 0, MANY},
        {"every", "N",
         "steps from one line of the report, measurement of the held-out loss and checkpoint to the next",
         OPTION_INTEGER, &s->every, 1, MANY},
        {"batch", "N", "pieces of text a step", OPTION_INTEGER, &s->batch, 1, LARGE},
        {"context", "N", "characters a piece", OPTION_INTEGER, &s->context, 1, LARGE},
        {"layers", "N", "layers", OPTION_INTEGER, &s->layers, 1, 1000},
        {"width", "N", "size of a layer", OPTION_INTEGER, &s->width, 1, LARGE},
        {"lr", "X", "AdamW's highest learning rate", OPTION_RATE, &s->lr, 0, 0},
        {"dropout", "X", "share of what a layer leaves that is dropped in training", OPTION_NUMBER, &s->dropout, 0,
         1},
        {"length", "N", "characters to write in the end", OPTION_INTEGER, &s->length, 0, MANY},
        {"temperature", "X",
         "of the draws: 1 as the network says, less is more careful, 0 always takes the likeliest character",
         OPTION_NUMBER, &s->temperature, 0, 100},
        {"prompt", "TEXT", "what is written begins with TEXT", OPTION_TEXT, &s->prompt, 0, 0},
        {"seed", "N", "of the first weights, the pieces, dropout and the draws", OPTION_INTEGER, &s->seed, 0,
         INT64_MAX},
        {"threads", "N", "threads to use; 0: as many as OpenMP would", OPTION_INTEGER, &s->threads, 0, 1024},
        {"load", "FILE", "begin with the parameters of a safetensors file", OPTION_TEXT, &s->load, 0, 0},
        {"save", "FILE", "write the parameters as safetensors", OPTION_FILE, &s->save, 0, 0},
        {"checkpoint", "FILE",
         "keep the whole run in FILE every now and then; where there is such a FILE, go on from it", OPTION_FILE,
         &s->checkpoint, 0, 0},
        {"plot", "FILE", "draw the losses: FILE.png or FILE.svg", OPTION_PICTURE, &s->plot, 0, 0},
        {"quiet", NULL, "print nothing but what the network writes", OPTION_FLAG, &s->quiet, 0, 0},
        {"heads", "N", "heads of attention, a divisor of the width", OPTION_INTEGER, &s->heads, 1, 4096},
    };
    enum { ROWS = sizeof rows / sizeof *rows };
    const option_table table = {.program = s->program,
                                .shows = s->shows,
                                .ends = ends,
                                .row = rows,
                                .n = s->heads > 0 ? ROWS : ROWS - 1}; /* the last is not everyone's */
    if (!options_read(&table, argc, argv, NULL, exit_status)) return false;
    *exit_status = EXIT_USAGE;
    return fits_together(s);
}

void char_settings_agreed(const char_settings *s, uint64_t text_digest, agreed *out) {
    *out = (agreed){0};
    agreed_add(out, "text", "%016" PRIx64, text_digest);
    agreed_add(out, "steps", "%" PRId64, s->steps);
    agreed_add(out, "every", "%" PRId64, s->every);
    agreed_add(out, "batch", "%" PRId64, s->batch);
    agreed_add(out, "context", "%" PRId64, s->context);
    agreed_add(out, "layers", "%" PRId64, s->layers);
    agreed_add(out, "width", "%" PRId64, s->width);
    agreed_add(out, "heads", "%" PRId64, s->heads);
    agreed_add(out, "lr", "%.15g", s->lr);
    agreed_add(out, "dropout", "%.15g", s->dropout);
    agreed_add(out, "seed", "%" PRId64, s->seed);
    agreed_add(out, "load", "%s", s->load ? "given" : "not given");
}
