/* kept_run: the checkpoint of a run that nn_fit makes - written after each epoch, gone on from where there is one. */
#ifndef EXAMPLES_SUPPORT_KEPT_RUN_H
#define EXAMPLES_SUPPORT_KEPT_RUN_H

#include <nn/nn.h>

enum { KEPT_AGREED = 12, KEPT_TEXT = 64 };

/** Begin with zeros, set program, path and what belongs to the run, and say with kept_run_agree what it depends on. It stays
 *  where it is: it points to itself. */
typedef struct kept_run {
    const char *program, *path; /* NULL path: nothing is kept */
    nn_checkpoint is;           /* but for epoch and settings */
    int64_t epoch;              /* epochs done                */
    ag_status status;           /* of the last attempt        */
    int n;                      /* settings                   */
    char value[KEPT_AGREED][KEPT_TEXT];
    const char *word[2 * KEPT_AGREED + 1]; /* keys and values in turn, and a NULL */
} kept_run;

/** A setting that a file must agree with: at most KEPT_AGREED of them. */
void kept_run_agree(kept_run *k, const char *key, const char *format, ...) AG_PRINTF(3, 4);
/** The same of data: their number and a digest that other data would hardly have. NULL y: there is none. */
void kept_run_agree_on_data(kept_run *k, const ag_tensor *x, const ag_tensor *y);

/** Whether there is such a file. */
bool kept_run_exists(const kept_run *k);
/** Go on from it; `epochs` is the most that it may have done.
 *  Errors: those of nn_checkpoint_load; AG_ERROR_VALUE (it has done more) */
ag_status kept_run_resume(kept_run *k, int64_t epochs, ag_error *error) AG_WARN_UNUSED;
/** After epoch number `epoch`. A file that cannot be written is complained of and does not end the run, which may end well
 *  without it. */
void kept_run_save(kept_run *k, int64_t epoch);

#endif
