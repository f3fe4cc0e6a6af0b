/* digits_settings: the command line of train_digits. */
#ifndef EXAMPLES_SUPPORT_DIGITS_SETTINGS_H
#define EXAMPLES_SUPPORT_DIGITS_SETTINGS_H

#include <nn/nn.h>

#include "options.h"
#include "resume.h"

#include <stdbool.h>
#include <stdint.h>

enum { MODEL_MLP, MODEL_CNN };       /* settings.model    */
enum { RATE_CONSTANT, RATE_COSINE }; /* settings.schedule */

typedef struct settings {
    option_choice model;
    const char *data, *save, *load, *checkpoint, *plot; /* NULL: not asked for */
    int64_t samples;                                    /* to train with; 0: all */
    int64_t epochs, batch, threads, seed;
    option_sizes hidden; /* of an mlp */
    double lr;
    option_choice schedule; /* of lr, over the epochs */
    bool quiet;
} settings;

/** True: go on. False: leave with *exit_status, everything having been said. */
bool settings_read(settings *s, int argc, char **argv, int *exit_status);
/** "mlp" or "cnn". */
const char *settings_model(const settings *s);

/** What the weights of a run depend on. */
void settings_of_run(const settings *s, const nn_dataset *train, agreed *out);

#endif
