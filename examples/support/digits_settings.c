/* digits_settings: see digits_settings.h. */
#define _GNU_SOURCE /* getopt_long */

#include "digits_settings.h"

#include "args.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "Usage: train_digits [OPTION]...\n"
    "Train a network with Adam to read handwritten digits: 10,000 that the program draws itself, or others.\n"
    "\n"
    "  --model NAME     mlp: a multi-layer perceptron; cnn: a convolutional network       (default mlp)\n"
    "  --data DIR       MNIST or Fashion-MNIST: IDX files in DIR under their published names, .gz or not.\n"
    "                   Without training files, the first 8,000 images of the t10k pair train, the rest test\n"
    "  --samples N      train with the first N samples only\n"
    "  --epochs N       passes through the training data                   (default 10; 0 only tests)\n"
    "  --batch N        samples a step                                     (default 64)\n"
    "  --lr X           Adam's learning rate                               (default 0.001; cnn: 0.002)\n"
    "  --schedule NAME  that rate over the epochs, constant or cosine:\n"
    "                   down to 0 along half a wave                        (default constant; cnn: cosine)\n"
    "  --hidden N,...   sizes of an mlp's hidden layers, up to 8           (default 256,128)\n"
    "  --seed N         of the first weights, of the order of samples and of dropout      (default 1)\n"
    "  --threads N      threads to use; 0: as many as OpenMP would         (default 1)\n"
    "  --load FILE      begin with the parameters of a safetensors file\n"
    "  --save FILE      write the parameters as safetensors\n"
    "  --checkpoint FILE\n"
    "                   keep the whole run in FILE after each epoch; where there is such a FILE, go on from it\n"
    "  --plot FILE      draw the learning curves and some misread digits: FILE.png or FILE.svg\n"
    "  --quiet          print nothing but the last line\n"
    "  --help           print this text\n"
    "\n"
    "A run with --checkpoint may be killed at any moment: the same command goes on after the last whole epoch,\n"
    "and ends with the weights, to the bit, of a run that was never stopped. Only its curves begin anew. A FILE\n"
    "of a run with other settings is refused; --threads may change, and --epochs may grow where the schedule is\n"
    "constant. Remove FILE to begin again. It is whole at every moment; a kill while the next one is written\n"
    "leaves that one beside it, as .gradus.tmp and numbers.\n"
    "Ctrl-C ends training early; what is there is saved, drawn and reported as usual.\n"
    "Exit status: 0; 1 when something failed; 2 for a wrong option; 130 after Ctrl-C.\n";

enum {
    MODEL = 1,
    DATA,
    SAMPLES,
    EPOCHS,
    BATCH,
    LR,
    SCHEDULE,
    HIDDEN,
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
    {"model", required_argument, NULL, MODEL},
    {"data", required_argument, NULL, DATA},
    {"samples", required_argument, NULL, SAMPLES},
    {"epochs", required_argument, NULL, EPOCHS},
    {"batch", required_argument, NULL, BATCH},
    {"lr", required_argument, NULL, LR},
    {"schedule", required_argument, NULL, SCHEDULE},
    {"hidden", required_argument, NULL, HIDDEN},
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

static const char *const models[] = {[MODEL_MLP] = "mlp", [MODEL_CNN] = "cnn"};
static const char *const schedules[] = {[RATE_CONSTANT] = "constant", [RATE_COSINE] = "cosine"};

/* What stands for an option that was not given. */
static const settings defaults[] = {
    [MODEL_MLP] = {.epochs = 10,
                   .batch = 64,
                   .threads = 1,
                   .lr = 1e-3,
                   .schedule = RATE_CONSTANT,
                   .hidden = {256, 128},
                   .n_hidden = 2},
    [MODEL_CNN] = {.epochs = 10, .batch = 64, .threads = 1, .lr = 2e-3, .schedule = RATE_COSINE},
};

static bool set_option(settings *s, int option, arg a) {
    switch (option) {
    case MODEL: return arg_choice(a, models, 2, &s->model);
    case DATA: return arg_name(a, &s->data);
    case LOAD: return arg_name(a, &s->load);
    case SAVE: return arg_name(a, &s->save);
    case CHECKPOINT: return arg_name(a, &s->checkpoint);
    case PLOT: return arg_name(a, &s->plot);
    case QUIET: s->quiet = true; return true;
    case SAMPLES: return arg_integer(a, 1, INT64_MAX, &s->samples);
    case EPOCHS: return arg_integer(a, 0, 100000, &s->epochs);
    case BATCH: return arg_integer(a, 1, 1000000, &s->batch);
    case SEED: return arg_integer(a, 0, INT64_MAX, &s->seed);
    case THREADS: return arg_integer(a, 0, 1024, &s->threads);
    case SCHEDULE: return arg_choice(a, schedules, 2, &s->schedule);
    case HIDDEN: return arg_sizes(a, 65536, s->hidden, MAX_HIDDEN, &s->n_hidden);
    default: return arg_positive(a, &s->lr); /* LR */
    }
}

/* What no value alone is wrong with. */
static bool complete(settings *s) {
    const settings *usual = &defaults[s->model];
    if (s->n_hidden > 0 && s->model != MODEL_MLP) {
        fprintf(stderr, "train_digits: --hidden: belongs to --model mlp, and a %s has no such layers\n",
                models[s->model]);
        return false;
    }
    if (s->save && s->checkpoint && strcmp(s->save, s->checkpoint) == 0) {
        fprintf(stderr, "train_digits: --checkpoint: '%s' is the file of --save, too\n", s->checkpoint);
        return false;
    }
    if (s->epochs < 0) s->epochs = usual->epochs;
    if (s->batch == 0) s->batch = usual->batch;
    if (s->lr == 0) s->lr = usual->lr;
    if (s->schedule < 0) s->schedule = usual->schedule;
    if (s->threads < 0) s->threads = usual->threads;
    if (s->n_hidden == 0) {
        memcpy(s->hidden, usual->hidden, sizeof s->hidden);
        s->n_hidden = usual->n_hidden;
    }
    return true;
}

bool settings_read(settings *s, int argc, char **argv, int *exit_status) {
    *s = (settings){.model = MODEL_MLP, .epochs = -1, .schedule = -1, .threads = -1, .seed = 1};
    *exit_status = EXIT_USAGE;
    opterr = 0; /* messages are ours */
    int option, which = 0;
    while ((option = getopt_long(argc, argv, ":", options, &which)) != -1) {
        if (option == '?' || option == ':') {
            arg_refused("train_digits", option, argv[optind - 1], options);
            return false;
        }
        if (option == HELP) {
            *exit_status = fputs(usage, stdout) >= 0 && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
            return false;
        }
        if (!set_option(s, option, (arg){"train_digits", options[which].name, optarg})) return false;
    }
    if (optind == argc) return complete(s);
    fprintf(stderr, "train_digits: '%s' is not an option\nTry 'train_digits --help'.\n", argv[optind]);
    return false;
}

const char *settings_model(const settings *s) { return models[s->model]; }

/* A number that other data would hardly have.
 * Source: Fowler, Noll and Vo, FNV-1a of 64 bits */
static uint64_t digest(const ag_tensor *x, uint64_t start) {
    const unsigned char *byte = ag_tensor_data(x);
    uint64_t sum = start;
    for (size_t i = 0; i < ag_meta_bytes(ag_tensor_meta(x)); i++) sum = (sum ^ byte[i]) * UINT64_C(0x100000001b3);
    return sum;
}

void settings_of_run(const settings *s, const nn_dataset *train, run_settings *out) {
    static const char *const names[RUN_SETTINGS] = {"model", "data", "batch", "lr", "schedule", "seed", "load"};
    enum { TEXT = RUN_SETTING_TEXT };
    char(*text)[TEXT] = out->text;
    int length = snprintf(text[0], TEXT, "%s", models[s->model]);
    for (int i = 0; i < s->n_hidden; i++)
        length +=
            snprintf(text[0] + length, (size_t)(TEXT - length), "%c%" PRId64, i > 0 ? ',' : ' ', s->hidden[i]);
    snprintf(text[1], TEXT, "%" PRId64 " digits of digest %016" PRIx64, nn_dataset_size(train),
             digest(train->y, digest(train->x, UINT64_C(0xcbf29ce484222325))));
    snprintf(text[2], TEXT, "%" PRId64, s->batch);
    snprintf(text[3], TEXT, "%.15g", s->lr);
    snprintf(text[4], TEXT, "constant");
    if (s->schedule == RATE_COSINE) snprintf(text[4], TEXT, "cosine over %" PRId64 " epochs", s->epochs);
    snprintf(text[5], TEXT, "%" PRId64, s->seed);
    snprintf(text[6], TEXT, "%s", s->load ? "given" : "not given");
    for (int i = 0; i < RUN_SETTINGS; i++) {
        out->word[2 * i] = names[i];
        out->word[2 * i + 1] = text[i];
    }
    out->word[2 * RUN_SETTINGS] = NULL;
}
