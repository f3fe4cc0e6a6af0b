/* char_settings: the command line of char_lstm and char_gpt. */
#ifndef EXAMPLES_SUPPORT_CHAR_SETTINGS_H
#define EXAMPLES_SUPPORT_CHAR_SETTINGS_H

#include "resume.h"

#include <stdbool.h>
#include <stdint.h>

/** What a program has set before the command line is read are its defaults. */
typedef struct char_settings {
    const char *program; /* its name                                              */
    const char *shows;   /* a line for --help                                     */
    const char *text;    /* the file to learn; NULL: the text in the program      */
    int64_t steps, every, batch, context;
    int64_t layers, width;
    int64_t heads; /* 0: the network has none, and the program no such option */
    double lr, dropout;
    int64_t length; /* of what is written */
    double temperature;
    const char *prompt; /* NULL: none */
    int64_t seed, threads;
    const char *load, *save, *checkpoint, *plot; /* NULL: not asked for */
    bool quiet;
} char_settings;

/** True: go on. False: leave with *exit_status, everything having been said. */
bool char_settings_read(char_settings *s, int argc, char **argv, int *exit_status);

/** What the weights of a run depend on. */
void char_settings_agreed(const char_settings *s, uint64_t text_digest, agreed *out);

#endif
