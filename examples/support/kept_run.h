/* kept_run: the checkpoint of a run that nn_fit makes - written after each epoch, gone on from where there is one. */
#ifndef EXAMPLES_SUPPORT_KEPT_RUN_H
#define EXAMPLES_SUPPORT_KEPT_RUN_H

#include "resume.h"

/** Begin with zeros, set program, path and what belongs to the run, and add to `agreed` what it depends on. It stays where it
 *  is: it points to itself. */
typedef struct kept_run {
    const char *program, *path; /* NULL path: nothing is kept */
    nn_checkpoint is;           /* but for epoch and settings */
    int64_t epoch;              /* epochs done                */
    ag_status status;           /* of the last attempt        */
    agreed agreed;              /* what a file must agree with */
} kept_run;

/** Data must agree: their number and a digest that other data would hardly have. NULL y: there is none. */
void kept_run_agree_on_data(kept_run *k, const ag_tensor *x, const ag_tensor *y);

/** Go on from it; `epochs` is the most that it may have done.
 *  Errors: those of nn_checkpoint_load; AG_ERROR_VALUE (it has done more) */
ag_status kept_run_resume(kept_run *k, int64_t epochs, ag_error *error) AG_WARN_UNUSED;
/** After epoch number `epoch`. A file that cannot be written is complained of and does not end the run, which may end well
 *  without it. */
void kept_run_save(kept_run *k, int64_t epoch);

#endif
