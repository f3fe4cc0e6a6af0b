/* digits_settings: see digits_settings.h. */
#define _GNU_SOURCE /* getopt_long */

#include "digits_settings.h"

#include "args.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const char usage[] =
    "Usage: train_digits [OPTION]...\n"
    "Train a multi-layer perceptron with Adam to read handwritten digits: 10,000 that the program draws itself, "
    "or\n"
    "those of --data.\n"
    "\n"
    "  --data DIR       MNIST or Fashion-MNIST: IDX files in DIR under their published names, .gz or not. "
    "Without\n"
    "                   training files, the first 8,000 images of the t10k pair train and the rest test\n"
    "  --epochs N       passes through the training data                    (default 10; 0 only tests)\n"
    "  --batch N        samples a step                                      (default 64)\n"
    "  --lr X           Adam's learning rate                                (default 0.001)\n"
    "  --hidden N,...   sizes of the hidden layers, up to 8                 (default 256,128)\n"
    "  --seed N         of the first weights and of the order of samples    (default 1)\n"
    "  --threads N      threads to use; 0: as many as OpenMP would          (default 1)\n"
    "  --load FILE      begin with the parameters of a safetensors file\n"
    "  --save FILE      write the parameters as safetensors\n"
    "  --plot FILE      draw the learning curves and some misread digits: FILE.png or FILE.svg\n"
    "  --quiet          print nothing but the last line\n"
    "  --help           print this text\n"
    "\n"
    "Ctrl-C ends training early; what is there is saved, drawn and reported as usual.\n"
    "Exit status: 0; 1 when something failed; 2 for a wrong option; 130 after Ctrl-C.\n";

enum { DATA = 1, EPOCHS, BATCH, LR, HIDDEN, SEED, THREADS, LOAD, SAVE, PLOT, QUIET, HELP };

static const struct option options[] = {
    {"data", required_argument, NULL, DATA},
    {"epochs", required_argument, NULL, EPOCHS},
    {"batch", required_argument, NULL, BATCH},
    {"lr", required_argument, NULL, LR},
    {"hidden", required_argument, NULL, HIDDEN},
    {"seed", required_argument, NULL, SEED},
    {"threads", required_argument, NULL, THREADS},
    {"load", required_argument, NULL, LOAD},
    {"save", required_argument, NULL, SAVE},
    {"plot", required_argument, NULL, PLOT},
    {"quiet", no_argument, NULL, QUIET},
    {"help", no_argument, NULL, HELP},
    {NULL, 0, NULL, 0},
};

static bool set_option(settings *s, int option, arg a) {
    switch (option) {
    case DATA: return arg_name(a, &s->data);
    case LOAD: return arg_name(a, &s->load);
    case SAVE: return arg_name(a, &s->save);
    case PLOT: return arg_name(a, &s->plot);
    case QUIET: s->quiet = true; return true;
    case EPOCHS: return arg_integer(a, 0, 100000, &s->epochs);
    case BATCH: return arg_integer(a, 1, 1000000, &s->batch);
    case SEED: return arg_integer(a, 0, INT64_MAX, &s->seed);
    case THREADS: return arg_integer(a, 0, 1024, &s->threads);
    case HIDDEN: return arg_sizes(a, 65536, s->hidden, MAX_HIDDEN, &s->n_hidden);
    default: return arg_positive(a, &s->lr); /* LR */
    }
}

bool settings_read(settings *s, int argc, char **argv, int *exit_status) {
    *s = (settings){
        .epochs = 10, .batch = 64, .threads = 1, .seed = 1, .hidden = {256, 128}, .n_hidden = 2, .lr = 1e-3};
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
    if (optind == argc) return true;
    fprintf(stderr, "train_digits: '%s' is not an option\nTry 'train_digits --help'.\n", argv[optind]);
    return false;
}
