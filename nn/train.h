/* train: the usual loop in one call - epochs, batches, validation, metrics, schedule, clipping, early stopping.
 *
 *     nn_history history = {0};
 *     nn_top_k top = {.k = 1};
 *     const nn_metric metric = nn_metric_top_k("accuracy", &top);
 *     const nn_fit_options options = {.train = &train,
 *                                     .validation = &test,
 *                                     .loss = nn_cross_entropy,
 *                                     .epochs = 20,
 *                                     .metrics = &metric,
 *                                     .metric_count = 1,
 *                                     .progress = stderr};
 *     ag_status status = nn_fit(net, params, optimiser, &options, &history, &error);
 *     nn_history_clear(&history);
 *
 * An epoch is a pure function of the weights and the optimiser before it, the seed, and its number: it draws its
 * order and its dropout from a stream of its own. So a checkpoint (checkpoint.h) after an epoch, and `first` to go on
 * from, give the bits of a run that never stopped; with early stopping, which looks further back, where `early` is in
 * both. A loop of one's own is as good, and not much longer: mark, forward, backward, rewind, step. */
#ifndef NN_TRAIN_H
#define NN_TRAIN_H

#include "batch.h"
#include "early.h"
#include "ema.h"
#include "history.h"
#include "metric.h"
#include "schedule.h"

#include <stdio.h>

AG_BEGIN_DECLS

/* ---- what is measured ------------------------------------------------------------------------------------- */

/** A metric: begun before each pass over data, told every batch, and read after the pass. */
typedef struct nn_metric {
    const char *name; /* copied into the history */
    void (*begin)(void *user);
    ag_status (*add)(void *user, ag_value y, const ag_tensor *target, ag_error *error);
    double (*value)(const void *user);
    void *user;
} nn_metric;
/** Those of metric.h. The accumulator must outlive the metric; it has its k, or its classes, already. */
NN_API nn_metric nn_metric_top_k(const char *name, nn_top_k *t);
NN_API nn_metric nn_metric_macro_f1(const char *name, nn_confusion *c);
NN_API nn_metric nn_metric_mae(const char *name, nn_regression *r);
NN_API nn_metric nn_metric_r2(const char *name, nn_regression *r);

/* ---- the loop --------------------------------------------------------------------------------------------- */

/** The loss of a batch: one element, a mean over its samples. nn_cross_entropy is one, nn_mse another. */
typedef ag_value nn_fit_loss(ag_value y, ag_value target);
/** The same with the options' `user`, and with all that the batch has (source.h): for a loss with class weights, of
 *  several parts, or of sequences that have an end.
 *
 *     static ag_value smoothed(void *user, ag_value y, ag_value target, const nn_sample *batch) {
 *         const ag_value weight = ag_constant(y.tape, user);      a tensor (C)
 *         ag_class_options o = AG_CLASS_DEFAULTS;
 *         o.weight = &weight;
 *         o.label_smoothing = 0.1;
 *         (void)batch;
 *         return nn_cross_entropy_with(y, target, &o);
 *     } */
typedef ag_value nn_fit_loss_with(void *user, ag_value y, ag_value target, const nn_sample *batch);
/** What the network makes of a batch, where nn_forward is not all: lengths of sequences, a mask, a second input. */
typedef ag_value nn_fit_forward(void *user, nn_module *net, nn_pass *pass, ag_value x, const nn_sample *batch);

/** Where the loop is. */
typedef struct nn_fit_state {
    int64_t epoch;             /* its number                                        */
    int64_t batch, batches;    /* done in it, and in all                            */
    double loss;               /* mean over the epoch so far                        */
    const nn_history *history; /* after an epoch the last entry is its own          */
} nn_fit_state;
/** False ends the training, without an error. */
typedef bool nn_fit_callback(void *user, const nn_fit_state *now);
/** A piece of text. On a terminal it begins with "\r", and the line stays open until its epoch ends: a bar with epoch,
 *  share and number of batches, mean loss so far, and the time that is left. */
typedef void nn_fit_print(void *user, const char *text);

/** Zero-initialise, then set what is wanted. */
typedef struct nn_fit_options {
    const nn_dataset *train;      /* needed, or the next; without labels a sample's target is itself */
    nn_source *train_source;      /* in its place: samples made when they are asked for (source.h)   */
    const nn_dataset *validation; /* NULL: none                                                */
    nn_source *validation_source; /* in its place                                              */
    nn_fit_loss *loss;            /* needed, or the next                                       */
    nn_fit_loss_with *loss_with;  /* in its place                                              */
    nn_fit_forward *forward;      /* in the place of nn_forward; NULL: that                    */
    int64_t epochs;               /* needed: the number of the last one is epochs - 1          */
    int64_t first;                /* the number of the first one                               */
    int64_t batch;                /* 0: 32                                                     */
    bool in_order;                /* no shuffling                                              */
    bool drop_last;               /* no short batch at the end of an epoch                     */
    int prefetch;                 /* batches made ahead in a second thread; 0: none            */
    nn_collate *collate;          /* how samples become a batch (batch.h); NULL: stacked       */
    void *collate_user;
    uint64_t seed;
    int threads; /* of the tape; 0: its default                               */
    const nn_metric *metrics;
    size_t metric_count;
    const nn_schedule *schedule; /* NULL: the optimiser's own rate                            */
    nn_plateau *plateau;         /* told the watched loss after each epoch; NULL: none        */
    double clip_norm;            /* 0: no bound on the 2-norm of the gradients                */
    double clip_value;           /* 0: no bound on their elements                             */
    int64_t accumulate;          /* batches that make one step; 0: 1                          */
    bool skip_nonfinite;         /* leave out, and count, what is not finite                  */
    nn_ema *ema;                 /* an average of these parameters; NULL: none                */
    int64_t patience;            /* epochs without a better loss before it stops; 0: it does not. Where set, the
                                    weights and buffers of the best epoch are there at the end */
    double margin;               /* what counts as better: by more than this                  */
    nn_early *early;             /* what early stopping remembers, to be in a checkpoint, too: one for each run.
                                    NULL: with patience, its own. Without patience nothing stops, but the best
                                    epoch comes back */
    nn_fit_callback *after_batch, *after_epoch;
    void *user;     /* of the callbacks, loss_with and forward                   */
    FILE *progress; /* NULL: nothing is printed. A terminal has a bar that moves, and any file a line an epoch */
    nn_fit_print *print; /* NULL: none; the same text, for someone else to show       */
    void *print_user;
    bool terminal; /* of `print`                                                */
} nn_fit_options;

/** Train a network. The watched loss is that of validation, where there is a set, or else that of training. Epochs
 *  are appended to `history`. Steps that the optimiser did before count for the schedule. The sources of training and
 *  of validation may be one: they are never asked at the same time. Samples of validation that are drawn are drawn
 *  alike in every epoch, those of training anew.
 *
 *  accumulate: gradients of several batches are put together as if these were one batch, each with the weight of its
 *  samples. An epoch's last step may have fewer; a callback that ends the run between steps drops what waits for one.
 *  skip_nonfinite: a batch whose loss is not finite, and a step whose gradients are not, are left out and counted in
 *  the history, and do not end the run. Buffers that such a pass moved (batch norm) stay moved.
 *  ema: updated after every step, and in the weights' place for validation and where the best weights are kept, so that
 *  with patience the run ends with an average in the network; otherwise nn_ema_swap puts it there.
 *  Errors: AG_ERROR_VALUE (no network, params, optimiser, options, loss, history or data; no epochs; a batch, first,
 *          patience, prefetch, accumulate, margin or clip below 0; two losses; a set of data that is empty, or given
 *          twice; too many metrics, or one that lacks its name or a function; a history with other metrics; `early`
 *          of other parameters; a schedule that nn_schedule_check refuses; with drop_last, fewer samples than a
 *          batch), AG_ERROR_NONFINITE (a loss or, with clip_norm, the gradients are not finite; with skip_nonfinite:
 *          no batch of an epoch was left), AG_ERROR_STATE (the average is swapped in; L-BFGS, which evaluates a loss
 *          several times a step: nn_optim_step_with), AG_ERROR_MEMORY, those of nn_batcher_of and nn_batcher_status
 *          (names the sample), and those of the network, the loss, the metrics and nn_optim_step. The message names
 *          epoch and batch, counted from 1, as all that is shown. The epochs before stay in the history, and the
 *          weights as the last step left them
 *  Memory: a tape, batches (with prefetch several), and with patience a copy of weights and buffers */
NN_API ag_status nn_fit(nn_module *net, nn_params *params, nn_optim *optim, const nn_fit_options *options,
                        nn_history *history, ag_error *error) AG_WARN_UNUSED;

AG_END_DECLS
#endif
