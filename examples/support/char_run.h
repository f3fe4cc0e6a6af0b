/* char_run: what it takes to learn a text character by character, whichever network does it, and to write one.
 *
 * A program sets its defaults, makes the network and calls the functions below in their order. The network is one
 * module, from characters by number, x (B, T) i64, to logits (B, T, characters), y[b, t] for what stands behind
 * x[b, t]. It may remember between calls: then a batch goes on where the one before ended, and so does what is
 * written. */
#ifndef EXAMPLES_SUPPORT_CHAR_RUN_H
#define EXAMPLES_SUPPORT_CHAR_RUN_H

#include <nn/nn.h>

#include "char_settings.h"
#include "progress.h"
#include "text.h"
#include "text_batches.h"
#include "vocabulary.h"

/** What a run consists of. Begin with zeros and the settings' defaults. */
typedef struct char_run {
    char_settings set;
    vocabulary vocabulary;
    text text, prompt; /* by numbers of the vocabulary */
    int64_t held_from; /* what is held out begins here: the last tenth */
    bool resumes;      /* there is a checkpoint        */
    nn_module *net;    /* made by the program          */
    ag_value *state; /* (states) what it remembers, in a struct of its own; a value of it (ag_value){0}: nothing */
    int states;
    nn_params *params;
    nn_optim *optim;
    nn_schedule schedule;
    ag_tape *tape;
    ag_mark start;              /* of the tape, before anything that remembers             */
    text_batch batch, piece;    /* to learn from; one piece, to measure with               */
    int64_t stretch, stretches; /* of set.every steps: done, and in all                    */
    nn_history history;         /* an entry for each stretch, those before a checkpoint too */
    double loss, held_out;      /* of the last stretch; NaN: not measured */
    progress progress;
    agreed agreed;
    ag_status kept; /* the last attempt to write a checkpoint */
} char_run;

/** The settings and the text, before there is a network: false: leave with *exit_status. */
bool char_run_begin(char_run *r, int argc, char **argv, int *exit_status);
/** The parameters of r->net, drawn, loaded or from the checkpoint, and all that trains them. A NULL net fails with
 *  the error that is in `error` already. */
ag_status char_run_prepare(char_run *r, ag_error *error) AG_WARN_UNUSED;
/** Train: stretches of steps, each with a line of the report, a measurement and a checkpoint (char_training.c). */
ag_status char_run_train(char_run *r, ag_error *error) AG_WARN_UNUSED;
/** Save, draw, report, and write set.length characters (char_writing.c). */
ag_status char_run_finish(char_run *r, ag_error *error) AG_WARN_UNUSED;
/** Complain of an error, free everything but the module; the program's exit status. */
int char_run_end(char_run *r, ag_status status, const ag_error *error);

/* ---- between the parts of a run ---------------------------------------------------------------------------- */

/** The network forgets: what comes next is a beginning. */
void char_run_forget(char_run *r);
/** The error on the tape, or `status`; afterwards the tape is as at the start, and the network still remembers. */
ag_status char_run_rewind(char_run *r, ag_status status, ag_error *error);
/** A stream of random numbers for what is written: another one than those of the batches. */
ag_random char_run_draws(const char_run *r);
/** The seed of the batches: another one than that of weights and dropout. */
uint64_t char_run_batch_seed(const char_run *r);
/** The mean loss on what is held out, or on the first 10,000 characters of it. */
ag_status char_run_measure(char_run *r, double *loss, ag_error *error) AG_WARN_UNUSED;
/** Print the prompt and set.length characters behind it. */
ag_status char_run_write(char_run *r, ag_error *error) AG_WARN_UNUSED;

#endif
