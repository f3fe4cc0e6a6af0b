/* history: the record of a training run - its epochs, as a table and as curves.
 *
 * nn_fit makes it; a loop of one's own can, too:
 *
 *     nn_history history = {0};
 *     status = nn_history_metrics(&history, (const char *const[]){"accuracy"}, 1, &error);
 *     ...                                                                              after each epoch:
 *     status = nn_history_add(&history, &(nn_epoch){.epoch = k, .loss = loss, .metric = {accuracy}, ...}, &error);
 *     ...
 *     status = nn_history_csv(&history, "run.csv", &error);
 *     nn_history_clear(&history);
 *
 * Where it is in the checkpoint of a run (checkpoint.h), a run that goes on has its epochs from the first one on. */
#ifndef NN_HISTORY_H
#define NN_HISTORY_H

#include "api.h"

AG_BEGIN_DECLS

enum { NN_FIT_METRICS = 8 };

/** One epoch. Losses are means over samples; those of training are of weights that move meanwhile. */
typedef struct nn_epoch {
    int64_t epoch;                            /* its number, from 0                   */
    int64_t steps;                            /* of the optimiser, at its end         */
    int64_t skipped;                          /* batches left out (skip_nonfinite)   */
    double lr;                                /* of its last step                     */
    double loss, metric[NN_FIT_METRICS];      /* of training                          */
    double validation_loss;                   /* NaN: there is no validation set      */
    double validation_metric[NN_FIT_METRICS]; /* NaN likewise                         */
} nn_epoch;

/** All epochs. Begin with zeros; free with nn_history_clear. */
typedef struct nn_history {
    size_t count, metrics;
    nn_epoch *epoch;                  /* (count) */
    const char *name[NN_FIT_METRICS]; /* (metrics) */
    size_t best;  /* index of the epoch with the least loss: of validation where there is one */
    bool stopped; /* before its last epoch: by a callback, or early                           */
    char *text;   /* private: (text_size) the names, which are the history's own              */
    size_t text_size;
} nn_history;
NN_API void nn_history_clear(nn_history *h);
/** Which metrics its epochs have, by name, in their order. The names are copied.
 *  Edges:  one that has epochs has metrics already, and takes the same alone
 *  Errors: AG_ERROR_VALUE (more than NN_FIT_METRICS, a name that is NULL; the epochs have others), AG_ERROR_MEMORY;
 *          nothing is changed */
NN_API ag_status nn_history_metrics(nn_history *h, const char *const *name, size_t n,
                                    ag_error *error) AG_WARN_UNUSED;
/** One more epoch, a copy. Which one is the best is for those to say who know what counts: `best` stays.
 *  Errors: AG_ERROR_MEMORY; nothing is changed */
NN_API ag_status nn_history_add(nn_history *h, const nn_epoch *e, ag_error *error) AG_WARN_UNUSED;
/** A table for other programs: a line of names, then a line for each epoch; numbers with all their digits, an empty
 *  field for what there is not. Epochs have their numbers, from 0, where printed lines and curves count from 1. The
 *  old file stands until the new one is whole.
 *  Errors: AG_ERROR_IO (with the reason), AG_ERROR_MEMORY
 *  Source: RFC 4180, with plain line ends */
NN_API ag_status nn_history_csv(const nn_history *h, const char *path, ag_error *error) AG_WARN_UNUSED;
/** The curves as a picture, PNG or SVG by the ending of its name (picture.h): the loss, logarithmic where its range
 *  asks for it; metrics, those between 0 and 1 in one chart; the learning rate where it changed. An epoch's numbers
 *  stand behind it: those of the first at 1.
 *  Edges:  no epochs give empty charts
 *  Errors: those of nn_picture_check and nn_picture_write: AG_ERROR_UNSUPPORTED in a build without cairo */
NN_API ag_status nn_history_plot(const nn_history *h, const char *path, ag_error *error) AG_WARN_UNUSED;

AG_END_DECLS
#endif
