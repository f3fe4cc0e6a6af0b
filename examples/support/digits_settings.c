/* digits_settings: see digits_settings.h. */
#include "digits_settings.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const models[] = {[MODEL_MLP] = "mlp", [MODEL_CNN] = "cnn"};
static const char *const schedules[] = {[RATE_CONSTANT] = "constant", [RATE_COSINE] = "cosine"};

static const char ends[] = "\n"
                           "A run with --checkpoint may be killed at any moment: the same command goes on\n"
                           "after the last whole epoch, and ends with the weights, to the bit, of a run that\n"
                           "was never stopped. --plot draws all epochs, too; for those before the last start\n"
                           "there is one point of the loss each, and after it there are 20. A FILE of a run\n"
                           "with other settings is refused; --threads may change, and --epochs may grow\n"
                           "where the schedule is constant. Remove FILE to begin again. It is whole at every\n"
                           "moment; a kill while the next one is written may leave that one beside it, as\n"
                           ".gradus.tmp and numbers.\n"
                           "Ctrl-C ends training early; what is there is saved, drawn and reported as usual.\n"
                           "Exit status: 0; 1 when something failed; 2 for a wrong option; 130 after Ctrl-C.\n";

/* What no value alone is wrong with. */
static bool fits_together(const settings *s) {
    if (s->hidden.n > 0 && s->model.chosen != MODEL_MLP) {
        fprintf(stderr, "train_digits: --hidden: belongs to --model mlp, and a %s has no such layers\n",
                settings_model(s));
        return false;
    }
    if (s->save && s->checkpoint && strcmp(s->save, s->checkpoint) == 0) {
        fprintf(stderr, "train_digits: --checkpoint: '%s' is the file of --save, too\n", s->checkpoint);
        return false;
    }
    return true;
}

/* What was not set, and depends on the model. */
static void choose_the_rest(settings *s) {
    const bool cnn = s->model.chosen == MODEL_CNN;
    if (s->lr == 0) s->lr = cnn ? 2e-3 : 1e-3;
    if (s->schedule.chosen < 0) s->schedule.chosen = cnn ? RATE_COSINE : RATE_CONSTANT;
    if (s->hidden.n == 0 && !cnn) s->hidden = (option_sizes){{256, 128}, 2};
}

bool settings_read(settings *s, int argc, char **argv, int *exit_status) {
    *s = (settings){.model = {models, 2, MODEL_MLP},
                    .epochs = 10,
                    .batch = 64,
                    .schedule = {schedules, 2, -1},
                    .threads = 1,
                    .seed = 1};
    const option_row rows[] = {
        {"model", "NAME", "mlp: a multi-layer perceptron; cnn: a convolutional network", OPTION_CHOICE, &s->model,
         0, 0},
        {"data", "DIR",
         "MNIST or Fashion-MNIST: IDX files in DIR under their published names, .gz or not. Without training "
         "files, the first 8,000 images of the t10k pair train, the rest test",
         OPTION_TEXT, &s->data, 0, 0},
        {"samples", "N", "train with the first N samples only", OPTION_INTEGER, &s->samples, 1, INT64_MAX},
        {"epochs", "N", "passes through the training data; 0 only tests", OPTION_INTEGER, &s->epochs, 0, 100000},
        {"batch", "N", "samples a step", OPTION_INTEGER, &s->batch, 1, 1000000},
        {"lr", "X", "Adam's learning rate (default 0.001; cnn: 0.002)", OPTION_RATE, &s->lr, 0, 0},
        {"schedule", "NAME",
         "that rate over the epochs: constant; cosine: down to 0 along half a wave (default constant; cnn: "
         "cosine)",
         OPTION_CHOICE, &s->schedule, 0, 0},
        {"hidden", "N,...", "sizes of an mlp's hidden layers, up to 8 (default 256,128)", OPTION_SIZES, &s->hidden,
         1, 65536},
        {"seed", "N", "of the first weights, of the order of samples and of dropout", OPTION_INTEGER, &s->seed, 0,
         INT64_MAX},
        {"threads", "N", "threads to use; 0: as many as OpenMP would", OPTION_INTEGER, &s->threads, 0, 1024},
        {"load", "FILE", "begin with the parameters of a safetensors file", OPTION_TEXT, &s->load, 0, 0},
        {"save", "FILE", "write the parameters as safetensors", OPTION_FILE, &s->save, 0, 0},
        {"checkpoint", "FILE",
         "keep the whole run in FILE after each epoch; where there is such a FILE, go on from it", OPTION_FILE,
         &s->checkpoint, 0, 0},
        {"plot", "FILE", "draw the learning curves and some misread digits: FILE.png or FILE.svg", OPTION_PICTURE,
         &s->plot, 0, 0},
        {"quiet", NULL, "print nothing but the last line", OPTION_FLAG, &s->quiet, 0, 0},
    };
    const option_table table = {
        .program = "train_digits",
        .shows = "Train a network with Adam to read handwritten digits: 10,000 that the program\n"
                 "draws itself, or others.\n",
        .ends = ends,
        .row = rows,
        .n = sizeof rows / sizeof *rows,
    };
    if (!options_read(&table, argc, argv, NULL, exit_status)) return false;
    *exit_status = EXIT_USAGE;
    if (!fits_together(s)) return false;
    choose_the_rest(s);
    return true;
}

const char *settings_model(const settings *s) { return models[s->model.chosen]; }

static uint64_t digest_of(const ag_tensor *x, uint64_t start) {
    return digest(ag_tensor_data(x), ag_meta_bytes(ag_tensor_meta(x)), start);
}

/* "mlp 256,128", or "cnn". */
static void describe_model(const settings *s, char text[AGREED_SIZE]) {
    int length = snprintf(text, AGREED_SIZE, "%s", settings_model(s));
    for (int i = 0; i < s->hidden.n; i++)
        length += snprintf(text + length, (size_t)(AGREED_SIZE - length), "%c%" PRId64, i > 0 ? ',' : ' ',
                           s->hidden.size[i]);
}

void settings_of_run(const settings *s, const nn_dataset *train, agreed *out) {
    char model[AGREED_SIZE];
    describe_model(s, model);
    *out = (agreed){0};
    agreed_add(out, "model", "%s", model);
    agreed_add(out, "data", "%" PRId64 " digits of digest %016" PRIx64, nn_dataset_size(train),
               digest_of(train->y, digest_of(train->x, DIGEST_START)));
    agreed_add(out, "batch", "%" PRId64, s->batch);
    agreed_add(out, "lr", "%.15g", s->lr);
    if (s->schedule.chosen == RATE_COSINE)
        agreed_add(out, "schedule", "cosine over %" PRId64 " epochs", s->epochs);
    else
        agreed_add(out, "schedule", "constant");
    agreed_add(out, "seed", "%" PRId64, s->seed);
    agreed_add(out, "load", "%s", s->load ? "given" : "not given");
}
