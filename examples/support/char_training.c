/* char_training: the training loop of a run, what it measures, and its checkpoints; see char_run.h.
 *
 * It goes by stretches of set.every steps. A stretch is a pure function of the weights and the optimiser before it,
 * of the seed and its number: the network begins it without a memory, and its batches belong to its number. So a
 * checkpoint behind a stretch is all that it takes to go on. */
#include "char_run.h"

#include "interrupt.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

enum { MEASURED = 10000 }; /* characters held out, at most: of a long text more would only take longer */
enum { WARMUP = 50 };
static const double LEAST_RATE = 0.1; /* of the highest: where the cosine ends */
static const double CLIP = 1;         /* the gradients' norm                   */

/* The mean loss of the network's answers to a batch. */
static ag_value loss_of(char_run *r, nn_pass *pass, const text_batch *b) {
    const ag_value logits = nn_forward(r->net, pass, ag_constant(r->tape, b->x)); /* (B, T, characters) */
    return nn_cross_entropy(ag_flatten(logits, 0, 1), ag_constant(r->tape, b->target));
}

ag_status char_run_measure(char_run *r, double *loss, ag_error *error) {
    const int64_t held = r->text.n - r->held_from, length = r->piece.length;
    const int64_t pieces = (held - 1 < MEASURED || length > MEASURED ? held - 1 : MEASURED) / length;
    double sum = 0;
    char_run_forget(r);
    for (int64_t i = 0; i < pieces; i++) {
        nn_pass pass = {r->tape, false};
        text_batch_piece(&r->piece, r->text.character + r->held_from + i * length);
        ag_no_grad_begin(r->tape);
        sum += ag_item(loss_of(r, &pass, &r->piece));
        ag_no_grad_end(r->tape);
        const ag_status status = char_run_rewind(r, AG_OK, error);
        if (status != AG_OK) return status;
    }
    *loss = sum / (double)pieces;
    return AG_OK;
}

/* Step number `at` of a stretch. Errors in the network's memory end here: it is carried on as a constant, and gradients
 * reach back no further than a piece is long. */
static ag_status train_step(char_run *r, int64_t at, double *loss, ag_error *error) {
    nn_pass pass = {r->tape, true};
    if (r->states > 0)
        text_batch_streams(&r->batch, r->text.character, r->held_from, char_run_batch_seed(r), r->stretch, at);
    else
        text_batch_windows(&r->batch, r->text.character, r->held_from, char_run_batch_seed(r),
                           nn_optim_steps(r->optim));
    nn_optim_zero_grad(r->optim);
    const ag_value objective = loss_of(r, &pass, &r->batch);
    ag_status status = ag_backward(objective);
    *loss = ag_item(objective);
    status = char_run_rewind(r, status, error);
    if (status == AG_OK && !isfinite(*loss))
        status = ag_fail(error, AG_ERROR_NONFINITE, "the loss is %g in step %" PRId64 "; a smaller --lr may help",
                         fabs(*loss), nn_optim_steps(r->optim) + 1);
    if (status == AG_OK) status = nn_clip_norm(r->params, CLIP, 2, NULL, error);
    nn_schedule_apply(&r->schedule, r->optim);
    return status == AG_OK ? nn_optim_step(r->optim, error) : status;
}

/* The next stretch; *done says how many steps it had, fewer when interrupted. */
static ag_status train_stretch(char_run *r, int64_t *done, ag_error *error) {
    const char_settings *s = &r->set;
    const int64_t left = s->steps - r->stretch * s->every, steps = left < s->every ? left : s->every;
    const double started = seconds_now();
    double sum = 0, loss;
    char_run_forget(r);
    for (*done = 0; *done < steps && !interrupted; ++*done) {
        const ag_status status = train_step(r, *done, &loss, error);
        if (status != AG_OK) return status;
        sum += loss;
        progress_show(&r->progress, r->stretch, *done + 1, started, sum / (double)(*done + 1));
    }
    r->loss = sum / (double)*done; /* NaN when interrupted at once */
    return AG_OK;
}

/* A checkpoint that cannot be written does not stop the run, which may end well without one. */
static void keep(char_run *r) {
    if (!r->set.checkpoint) return;
    ag_error error = {0};
    ag_random random = ag_tape_random_get(r->tape);
    const nn_checkpoint all = {.params = r->params,
                               .optim = r->optim,
                               .random = &random,
                               .epoch = &r->stretch,
                               .history = &r->history,
                               .settings = r->agreed.word};
    r->kept = nn_checkpoint_save(&all, r->set.checkpoint, &error);
    if (r->kept != AG_OK) fprintf(stderr, "%s: %s\n", r->set.program, error.message);
}

/* A line of the report, and an entry of the history: what --plot draws. */
static ag_status note(char_run *r, double seconds, ag_error *error) {
    const char_settings *s = &r->set;
    const int64_t steps = nn_optim_steps(r->optim);
    const nn_epoch e = {.epoch = r->stretch,
                        .steps = steps,
                        .lr = nn_optim_lr(r->optim),
                        .loss = r->loss,
                        .validation_loss = r->held_out};
    const ag_status status = nn_history_add(&r->history, &e, error);
    if (status != AG_OK || s->quiet) return status;
    printf("step %4" PRId64 "/%" PRId64 "  epochs %.1f  loss %.4f  held out %.4f  %.1f s\n", steps, s->steps,
           (double)steps * (double)(s->batch * s->context) / (double)r->held_from, r->loss, r->held_out, seconds);
    fflush(stdout); /* a log file should grow as the run does */
    return AG_OK;
}

ag_status char_run_train(char_run *r, ag_error *error) {
    const char_settings *s = &r->set;
    if (r->stretch == r->stretches) return AG_OK;
    const int64_t warmup = s->steps / 2 < WARMUP ? s->steps / 2 : WARMUP;
    r->schedule =
        nn_schedule_after_warmup(nn_schedule_cosine(s->lr, s->steps - warmup, LEAST_RATE * s->lr), warmup, 0.02);
    progress_begin(&r->progress, !s->quiet, r->stretches, s->every);
    r->progress.unit = "stretch";
    watch_for_interrupt();
    const double started = seconds_now();
    ag_status status = AG_OK;
    while (status == AG_OK && r->stretch < r->stretches && !interrupted) {
        int64_t done;
        status = train_stretch(r, &done, error);
        progress_clear(&r->progress);
        if (status == AG_OK) status = char_run_measure(r, &r->held_out, error);
        if (status == AG_OK && done > 0) status = note(r, seconds_now() - started, error);
        if (status != AG_OK || interrupted) break; /* part of a stretch is in no checkpoint */
        r->stretch++;
        keep(r);
    }
    if (status == AG_OK && interrupted)
        fprintf(stderr, "%s: interrupted after %" PRId64 " steps\n", s->program, nn_optim_steps(r->optim));
    return status;
}
