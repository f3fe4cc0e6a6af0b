/* checkpoint: a training run in one safetensors file, to stop and go on as if it had never stopped.
 *
 *     nn_checkpoint run = {.params = params, .optim = optimiser, .random = &random, .epoch = &epoch};
 *     random = ag_tape_random_get(tape);
 *     nn_checkpoint_save(&run, "run.safetensors", &error);
 *     ...
 *     nn_checkpoint_load(&run, "run.safetensors", &error);      into a run that was made alike
 *     ag_tape_random_set(tape, random);
 *
 * At the end of an epoch that is all: a batcher needs the number of the epoch alone, a schedule the optimiser's steps.
 * What no number of these tells, such as the size of a batch, can be among the settings: a file with others is refused.
 * The weights alone, under their own names, as PyTorch reads them, are nn_params_save's. */
#ifndef NN_CHECKPOINT_H
#define NN_CHECKPOINT_H

#include "early.h"
#include "ema.h"
#include "history.h"
#include "schedule.h"

AG_BEGIN_DECLS

/** What belongs to a run: plain pointers to what the caller owns. NULL: the run has none, and nor has the file. */
typedef struct nn_checkpoint {
    nn_params *params;           /* "model.<path>", buffers too; needed                                    */
    nn_optim *optim;             /* "optim.<state>", "optim.number.<name>", "optim.groups"                 */
    nn_ema *ema;                 /* "ema.average", "ema.buffer.<path>"; not swapped in                     */
    nn_schedule *schedule;       /* "schedule.real", "schedule.whole"                                      */
    nn_plateau *plateau;         /* "plateau.real", "plateau.whole"                                        */
    ag_random *random;           /* "random": of the tape, or any other                                    */
    int64_t *epoch;              /* "epoch": whatever the caller counts                                    */
    nn_early *early;             /* "early.copy.<path>", "early.least", "early.since"                      */
    nn_history *history;         /* "history.whole", "history.real", "history.end"; metadata: metrics' names */
    const char *const *settings; /* what else the run depends on: keys and values alternate, NULL-terminated */
} nn_checkpoint;

/** Write it all to `path`, durably: whenever the process is killed, the file is the old or the new one, whole.
 *  Errors: AG_ERROR_VALUE (no params, or `early` of others; settings: the keys "optimiser" and
 *          "history.metric.K", and those of ag_safetensors_write), AG_ERROR_STATE (the average is swapped in), AG_ERROR_MEMORY, and those of
 *          ag_safetensors_write
 *  Memory: beside small things, none until it returns; the file holds weights, state and average */
NN_API ag_status nn_checkpoint_save(const nn_checkpoint *c, const char *path, ag_error *error) AG_WARN_UNUSED;
/** Read it back, all or nothing. The network, the optimiser and its groups must have been made as those that were saved;
 *  constants that never change (a weight decay) are those of the optimiser as it was made. Settings are not changed but
 *  compared: those of the run must be in the file, which may have more. Gradients stay as they are, and so does the
 *  padding of state and average, whatever a file has there. The history becomes
 *  that of the file, however many epochs it had and whatever its metrics; the names are its own.
 *  Errors: AG_ERROR_VALUE (no params; `early` of others; a number that optimiser, schedule, plateau, `early` or history cannot
 *          have), AG_ERROR_STATE (the average is swapped in), AG_ERROR_FORMAT (one message lists other settings; or what
 *          is missing, extra, wrongly shaped and wrongly typed, another optimiser and other groups), AG_ERROR_MEMORY, and
 *          those of ag_safetensors_read. On error nothing is touched */
NN_API ag_status nn_checkpoint_load(const nn_checkpoint *c, const char *path, ag_error *error) AG_WARN_UNUSED;

AG_END_DECLS
#endif
