/* early: early stopping - a copy of the best weights so far, and how long ago they were the best.
 *
 *     nn_early *early = nn_early_new(params, &error);
 *     ...
 *     nn_early_tell(early, validation_loss, 0);             after each epoch
 *     if (nn_early_since(early) >= 5) break;
 *     ...
 *     nn_early_restore(early);                              whatever came after them
 *
 * nn_fit does this by itself. What it remembers belongs to the run: give it an nn_early of one's own, and the
 * checkpoint the same one, and a run that goes on stops where it would have stopped, with the weights that it would
 * have had. */
#ifndef NN_EARLY_H
#define NN_EARLY_H

#include "param.h"

AG_BEGIN_DECLS

/** What one run remembers. Free with nn_early_free, before the parameters. */
typedef struct nn_early nn_early;

/** Remembers nothing yet: any number is better.
 *  Errors: NULL: AG_ERROR_VALUE (params NULL; an error that is in `error` already then stays), AG_ERROR_MEMORY
 *  Memory: a copy of all parameters and buffers */
NN_API nn_early *nn_early_new(nn_params *params, ag_error *error);
NN_API void nn_early_free(nn_early *e); /* accepts NULL */
/** Tell it a number, the smaller the better. One that is below the least by more than `margin` becomes the least, and
 *  the parameters and buffers as they are now are kept; true then.
 *  Edges: NaN is never better, nor is infinity */
NN_API bool nn_early_tell(nn_early *e, double x, double margin);
/** The least number told; infinity: none. How many were told since. */
NN_API double nn_early_least(const nn_early *e);
NN_API int64_t nn_early_since(const nn_early *e);
/** The kept parameters and buffers, written back. What is kept stays.
 *  Edges: when no number was better there is nothing to write, and nothing is written */
NN_API void nn_early_restore(const nn_early *e);

/** Whether it was made for these. */
NN_API bool nn_early_is_of(const nn_early *e, const nn_params *params);
/** All of the state, for checkpoints: the copy of nn_params_keep(params, i); NULL out of range. */
NN_API ag_tensor *nn_early_keep(const nn_early *e, size_t i);
/** Errors: AG_ERROR_VALUE (a least that is NaN, a count below 0 or beyond 2^53); nothing is changed */
NN_API ag_status nn_early_set(nn_early *e, double least, int64_t since, ag_error *error) AG_WARN_UNUSED;

AG_END_DECLS
#endif
