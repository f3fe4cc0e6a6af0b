/* digits_settings: the command line of train_digits. */
#ifndef EXAMPLES_SUPPORT_DIGITS_SETTINGS_H
#define EXAMPLES_SUPPORT_DIGITS_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

enum { MAX_HIDDEN = 8 };

typedef struct settings {
    const char *data, *save, *load, *plot; /* NULL: not asked for */
    int64_t epochs, batch, threads, seed;
    int64_t hidden[MAX_HIDDEN];
    int n_hidden;
    double lr;
    bool quiet;
} settings;

/** True: go on. False: leave with *exit_status, everything having been said. */
bool settings_read(settings *s, int argc, char **argv, int *exit_status);

#endif
