/* train_digits: the whole journey. A network learns to read handwritten digits.
 *
 *     train_digits                                    10,000 digits that the program draws itself
 *     train_digits --model cnn                        by a convolutional network instead of a perceptron
 *     train_digits --data DIR --plot run.png          MNIST or Fashion-MNIST, and a picture of the run
 *     train_digits --save net.safetensors             ... and later --load net.safetensors
 *     train_digits --checkpoint run.safetensors       killed at any moment, the same command goes on
 *
 * Read main first, then train_batch: a training step is mark, build, backward, step, rewind. The networks are in
 * support/digits_model.c. */
#include <nn/nn.h>

#include "support/digits_model.h"
#include "support/digits_settings.h"
#include "support/interrupt.h"
#include "support/output.h"
#include "support/progress.h"
#include "support/training_picture.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { DRAWN = 10000, DRAWN_FOR_TRAINING = 8000, TEST_BATCH = 500, LOSS_POINTS = 20 };

/* The drawn digits are one data set: --seed changes what is learnt from it, not the set. */
static const uint64_t DRAWN_SEED = 1;

/* ---- what a run consists of --------------------------------------------------------------------------- */

typedef struct run {
    settings set;
    nn_dataset train, test;
    nn_batcher *train_batches, *test_batches;
    nn_module *net;
    nn_params *params;
    nn_optim *optim;
    nn_schedule schedule; /* of the optimiser's rate, by steps */
    ag_tape *tape;
    int64_t epoch;            /* epochs done, and so the number of the next one                   */
    agreed must_agree;        /* with what is in a checkpoint                                     */
    ag_status kept;           /* what became of the last checkpoint                               */
    nn_confusion in_training; /* of the current epoch, read off the logits that training computes */
    nn_confusion in_test;     /* of the last test                                                  */
    bool tested;              /* since the last step                                               */
    nn_history history;       /* of whole epochs, those before a checkpoint too                    */
    training_picture picture;
    progress progress;
} run;

static ag_status draw_data(run *r, ag_error *error) {
    nn_dataset all;
    ag_status status = nn_dataset_digits(DRAWN, DRAWN_SEED, &all, error);
    if (status == AG_OK) status = nn_dataset_rows(&all, 0, DRAWN_FOR_TRAINING, &r->train, error);
    if (status == AG_OK) status = nn_dataset_rows(&all, DRAWN_FOR_TRAINING, DRAWN, &r->test, error);
    nn_dataset_clear(&all);
    return status;
}

static ag_status get_data(run *r, ag_error *error) {
    const settings *s = &r->set;
    const ag_status status = s->data ? nn_dataset_mnist(s->data, &r->train, &r->test, error) : draw_data(r, error);
    if (status != AG_OK || s->samples == 0) return status;
    if (s->samples > nn_dataset_size(&r->train))
        return ag_fail(error, AG_ERROR_VALUE, "--samples %" PRId64 ": there are %" PRId64 " to train", s->samples,
                       nn_dataset_size(&r->train));
    nn_dataset all = r->train;
    const ag_status cut = nn_dataset_rows(&all, 0, s->samples, &r->train, error);
    nn_dataset_clear(&all);
    return cut;
}

static ag_status build_network(run *r, ag_error *error) {
    const settings *s = &r->set;
    const int64_t pixels = ag_tensor_meta(r->train.x)->dim[1];
    if (!(r->net = digits_model_new(s, pixels, error))) return error->status;
    if (!(r->params = nn_params_new(r->net, AG_F32, (uint64_t)s->seed, error))) return error->status;
    if (s->quiet) return AG_OK;
    printf("%s: %" PRId64 " parameters, %" PRId64 " samples to train, %" PRId64 " to test\n\n", settings_model(s),
           nn_params_elements(r->params), nn_dataset_size(&r->train), nn_dataset_size(&r->test));
    return digits_model_print(r->net, pixels, error);
}

static ag_status prepare_training(run *r, ag_error *error) {
    const settings *s = &r->set;
    const ag_tape_options options = {.threads = s->threads > 0 ? (int)s->threads : AG_THREADS_ALL,
                                     .seed = (uint64_t)s->seed};
    if (!(r->tape = ag_tape_new(&options))) return ag_fail(error, AG_ERROR_MEMORY, "no memory for a tape");
    if (!(r->optim = nn_adam(r->params, s->lr, error))) return error->status;
    r->train_batches = nn_batcher_new(&r->train, s->batch, true, (uint64_t)s->seed, error);
    if (!r->train_batches) return error->status;
    r->test_batches = nn_batcher_new(&r->test, TEST_BATCH, false, 0, error);
    if (!r->test_batches) return error->status;
    const int64_t steps = s->epochs * nn_batcher_count(r->train_batches);
    r->schedule = s->schedule.chosen == RATE_COSINE && steps > 0 ? nn_schedule_cosine(s->lr, steps, 0)
                                                                 : nn_schedule_constant(s->lr);
    const ag_status named = nn_history_metrics(&r->history, (const char *const[]){"accuracy"}, 1, error);
    if (named != AG_OK) return named;
    r->picture.images = r->test.x;
    progress_begin(&r->progress, !s->quiet, s->epochs, nn_dataset_size(&r->train));
    return AG_OK;
}

static void run_clear(run *r) {
    nn_history_clear(&r->history);
    training_picture_clear(&r->picture);
    nn_confusion_clear(&r->in_training);
    nn_confusion_clear(&r->in_test);
    nn_batcher_free(r->train_batches);
    nn_batcher_free(r->test_batches);
    ag_tape_free(r->tape);
    nn_optim_free(r->optim);
    nn_params_free(r->params);
    nn_module_free(r->net);
    nn_dataset_clear(&r->train);
    nn_dataset_clear(&r->test);
}

static void complain(const ag_error *error) {
    if (error->status != AG_OK) fprintf(stderr, "train_digits: %s\n", error->message);
}

/* ---- killed at any moment ----------------------------------------------------------------------------- */

/* All that the rest of the run depends on. The order of samples needs no more than the epoch's number, and the rate no
 * more than the optimiser's steps; dropout goes on where the tape's generator stands. */
static nn_checkpoint whole_run(run *r, ag_random *random) {
    return (nn_checkpoint){.params = r->params,
                           .optim = r->optim,
                           .schedule = &r->schedule,
                           .random = random,
                           .epoch = &r->epoch,
                           .history = &r->history,
                           .settings = r->must_agree.word};
}

/* Write a checkpoint. One that cannot be written does not stop the run, which may end well without it. */
static void keep(run *r) {
    if (!r->set.checkpoint) return;
    ag_error error = {0};
    ag_random random = ag_tape_random_get(r->tape);
    const nn_checkpoint all = whole_run(r, &random);
    r->kept = nn_checkpoint_save(&all, r->set.checkpoint, &error);
    complain(&error);
}

/* The curves of the epochs that another process did: of their losses a checkpoint has the means alone. */
static ag_status draw_history(run *r, ag_error *error) {
    training_picture *p = &r->picture;
    ag_status status = AG_OK;
    for (size_t i = 0; i < r->history.count && status == AG_OK; i++) {
        const nn_epoch *e = &r->history.epoch[i];
        const double begun = (double)e->epoch;
        status = curve_add(&p->loss, begun + 0.5, e->loss, error);
        if (status == AG_OK) status = curve_add(&p->train, begun + 1, e->metric[0], error);
        if (status == AG_OK) status = curve_add(&p->test, begun + 1, e->validation_metric[0], error);
    }
    return status;
}

/* Go on from one: what is in the file, and not what the program has drawn or loaded, becomes the run. */
static ag_status resume(run *r, ag_error *error) {
    const char *path = r->set.checkpoint;
    ag_random random = ag_tape_random_get(r->tape);
    const nn_checkpoint all = whole_run(r, &random);
    const ag_status status = nn_checkpoint_load(&all, path, error);
    if (status != AG_OK) return status;
    if (r->epoch < 0 || r->epoch > r->set.epochs)
        return ag_fail(error, AG_ERROR_VALUE, "%s is of epoch %" PRId64 ", and --epochs is %" PRId64, path,
                       r->epoch, r->set.epochs);
    ag_tape_random_set(r->tape, random);
    if (!r->set.quiet) printf("going on after epoch %" PRId64 ", from %s\n", r->epoch, path);
    return draw_history(r, error);
}

/* From a checkpoint where there is one, else from --load, else from the weights that build_network drew. */
static ag_status choose_beginning(run *r, ag_error *error) {
    const settings *s = &r->set;
    if (s->checkpoint) settings_of_run(s, &r->train, &r->must_agree);
    return resume_possible(s->checkpoint) ? resume(r, error)
           : s->load                      ? digits_model_load(s, r->params, error)
                                          : AG_OK;
}

/* ---- training ----------------------------------------------------------------------------------------- */

/* One step on a batch x (m, pixels), y (m). */
static ag_status train_batch(run *r, ag_tensor *x, ag_tensor *y, double *loss, ag_error *error) {
    const ag_mark start = ag_tape_mark(r->tape);
    nn_pass pass = {r->tape, true};
    nn_optim_zero_grad(r->optim);
    const ag_value logits = nn_forward(r->net, &pass, ag_constant(r->tape, x)); /* (m, 10) */
    const ag_value objective = nn_cross_entropy(logits, ag_constant(r->tape, y));
    ag_status status = ag_backward(objective);
    r->tested = false;
    nn_schedule_apply(&r->schedule, r->optim);
    if (status == AG_OK) status = nn_optim_step(r->optim, error);
    if (status == AG_OK) status = nn_confusion_add(&r->in_training, logits, y, error);
    *loss = ag_item(objective);
    const ag_status recorded = ag_tape_rewind(r->tape, start);
    return recorded == AG_OK ? status : ag_fail(error, recorded, "%s", ag_tape_message(r->tape));
}

/* One pass through the training data. *mean is the mean loss over what was seen. */
static ag_status train_epoch(run *r, double *mean, ag_error *error) {
    const int64_t batches = nn_batcher_count(r->train_batches), samples = nn_dataset_size(&r->train);
    const int64_t a_point = (batches + LOSS_POINTS - 1) / LOSS_POINTS; /* batches to a point of the curve */
    const int64_t epoch = r->epoch;
    const double started = seconds_now();
    double sum = 0, recent = 0; /* of losses: over all samples so far; over the batches since the last point */
    int64_t seen = 0, batch = 0;
    ag_tensor *x, *y;

    nn_confusion_clear(&r->in_training);
    ag_status status = nn_confusion_init(&r->in_training, CLASSES, error);
    nn_batcher_start(r->train_batches, epoch);
    while (status == AG_OK && !interrupted && nn_batcher_next(r->train_batches, &x, &y)) {
        double loss;
        status = train_batch(r, x, y, &loss, error);
        if (status != AG_OK) break;
        batch++;
        if (!isfinite(loss))
            return ag_fail(error, AG_ERROR_NONFINITE,
                           "the loss is %g in epoch %" PRId64 ", batch %" PRId64 "; a smaller --lr may help", loss,
                           epoch + 1, batch);
        seen += ag_tensor_count(y);
        sum += loss * (double)ag_tensor_count(y);
        recent += loss;
        if (batch % a_point == 0) {
            const double at = (double)epoch + (double)seen / (double)samples;
            status = curve_add(&r->picture.loss, at, recent / (double)a_point, error);
            recent = 0;
        }
        progress_show(&r->progress, epoch, seen, started, sum / (double)seen);
    }
    *mean = sum / (double)seen; /* NaN when interrupted at once */
    return status;
}

/* ---- testing ------------------------------------------------------------------------------------------ */

static ag_status test_network(run *r, ag_error *error) {
    ag_tensor *x, *y;
    int64_t first = 0;
    r->picture.wrong.n = 0;
    nn_confusion_clear(&r->in_test);
    ag_status status = nn_confusion_init(&r->in_test, CLASSES, error);
    nn_batcher_start(r->test_batches, 0);
    while (status == AG_OK && nn_batcher_next(r->test_batches, &x, &y)) {
        const ag_mark start = ag_tape_mark(r->tape);
        nn_pass pass = {r->tape, false};
        ag_no_grad_begin(r->tape);
        const ag_value logits = nn_forward(r->net, &pass, ag_constant(r->tape, x));
        ag_no_grad_end(r->tape);
        status = nn_confusion_add(&r->in_test, logits, y, error);
        if (status == AG_OK) status = misread_add(&r->picture.wrong, logits, y, first, error);
        first += ag_tensor_count(y);
        const ag_status recorded = ag_tape_rewind(r->tape, start);
        if (recorded != AG_OK) status = ag_fail(error, recorded, "%s", ag_tape_message(r->tape));
    }
    r->tested = status == AG_OK;
    return status;
}

/* ---- a run from beginning to end ---------------------------------------------------------------------- */

/* The epoch that has just ended, for the checkpoint and for the picture. */
static ag_status note(run *r, double loss, double in_training, double in_test, ag_error *error) {
    const nn_epoch e = {.epoch = r->epoch,
                        .steps = nn_optim_steps(r->optim),
                        .lr = nn_optim_lr(r->optim),
                        .loss = loss,
                        .metric = {in_training},
                        .validation_loss = NAN,
                        .validation_metric = {in_test}};
    const double at = (double)r->epoch + 1;
    ag_status status = nn_history_add(&r->history, &e, error);
    if (status == AG_OK) status = curve_add(&r->picture.train, at, in_training, error);
    if (status == AG_OK) status = curve_add(&r->picture.test, at, in_test, error);
    return status;
}

static ag_status train(run *r, ag_error *error) {
    const int64_t epochs = r->set.epochs;
    ag_status status = AG_OK;
    while (status == AG_OK && r->epoch < epochs && !interrupted) {
        double loss = NAN;
        const double started = seconds_now();
        status = train_epoch(r, &loss, error);
        const double seconds = seconds_now() - started;
        progress_clear(&r->progress);
        if (status != AG_OK || interrupted) break; /* part of an epoch is in no checkpoint */

        status = test_network(r, error);
        if (status != AG_OK) break;
        const double in_training = nn_confusion_accuracy(&r->in_training),
                     in_test = nn_confusion_accuracy(&r->in_test);
        status = note(r, loss, in_training, in_test, error);
        r->epoch++;
        if (status == AG_OK) keep(r);
        if (r->set.quiet) continue;
        printf("epoch %2" PRId64 "/%" PRId64 "  loss %.4f  train %.4f  test %.4f  %.2f s\n", r->epoch, epochs,
               loss, in_training, in_test, seconds);
        fflush(stdout); /* a log file should grow as the run does */
    }
    if (status == AG_OK && interrupted)
        fprintf(stderr, "train_digits: interrupted after %" PRId64 " steps\n", nn_optim_steps(r->optim));
    return status;
}

static ag_status save(const run *r, ag_error *error) {
    if (!r->set.save) return AG_OK;
    const ag_status status = digits_model_save(&r->set, r->params, error);
    if (status == AG_OK && !r->set.quiet) printf("saved %s\n", r->set.save);
    return status;
}

static ag_status plot(const run *r, ag_error *error) {
    if (!r->set.plot) return AG_OK;
    const ag_status status = training_picture_write(&r->picture, r->set.plot, error);
    if (status == AG_OK && !r->set.quiet) printf("drew %s\n", r->set.plot);
    return status;
}

static ag_status report(const run *r, ag_error *error) {
    char text[4096];
    if (!r->set.quiet) {
        nn_confusion_text(&r->in_test, text, sizeof text);
        printf("\n%s\n", text);
    }
    printf("test accuracy %.4f (%" PRId64 "/%" PRId64 ")\n", nn_confusion_accuracy(&r->in_test),
           nn_confusion_correct(&r->in_test), nn_confusion_total(&r->in_test));
    if (!output_whole()) return ag_fail(error, AG_ERROR_IO, "cannot write to the standard output");
    return AG_OK;
}

/* What training was for. A file that cannot be written spoils neither the other one nor the report, after which it
 * is said. */
static ag_status finish(run *r, ag_error *error) {
    ag_error unsaved = {0}, undrawn = {0};
    const ag_status saved = save(r, &unsaved);
    ag_status status = r->tested ? AG_OK : test_network(r, error);
    const ag_status drawn = status == AG_OK ? plot(r, &undrawn) : AG_OK;
    if (status == AG_OK) status = report(r, error);
    complain(&unsaved);
    complain(&undrawn);
    return status != AG_OK ? status : saved != AG_OK ? saved : drawn != AG_OK ? drawn : r->kept;
}

int main(int argc, char **argv) {
    run r = {0};
    ag_error error = {0};
    int exit_status;
    if (!settings_read(&r.set, argc, argv, &exit_status)) return exit_status;

    ag_status status = get_data(&r, &error);
    if (status == AG_OK) status = build_network(&r, &error);
    if (status == AG_OK) status = prepare_training(&r, &error);
    if (status == AG_OK) status = choose_beginning(&r, &error);
    if (status == AG_OK) {
        watch_for_interrupt();
        status = train(&r, &error);
    }
    if (status == AG_OK) status = finish(&r, &error);
    complain(&error);
    run_clear(&r);
    return status != AG_OK ? EXIT_FAILURE : interrupted ? EXIT_INTERRUPTED : EXIT_SUCCESS;
}
