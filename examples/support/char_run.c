/* char_run: the beginning and the end of a run; see char_run.h. */
#include "char_run.h"

#include "interrupt.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char CHARACTERS[] = "characters"; /* the buffer of a network that holds its vocabulary */

static void complain(const char_run *r, const ag_error *error) {
    if (error->status != AG_OK) fprintf(stderr, "%s: %s\n", r->set.program, error->message);
}

/* ---- the text ----------------------------------------------------------------------------------------------- */

/* The characters that the network in a file knows. */
static ag_status vocabulary_of_file(const char *path, const char *name, vocabulary *out, ag_error *error) {
    ag_safetensors *file = ag_safetensors_read(path, error);
    if (!file) return error->status;
    const ag_tensor *known = ag_safetensors_find(file, name);
    const ag_meta *meta = known ? ag_tensor_meta(known) : NULL;
    ag_status status;
    if (meta && meta->dtype == AG_I64 && meta->rank == 1 && meta->dim[0] > 0)
        status = vocabulary_of(ag_tensor_data(known), meta->dim[0], out, error);
    else
        status = ag_fail(error, AG_ERROR_FORMAT, "%s: no \"%s\": it is not of this program", path, name);
    ag_safetensors_free(file);
    return status;
}

static ag_status find_vocabulary(char_run *r, ag_error *error) {
    const char_settings *s = &r->set;
    if (r->resumes) return vocabulary_of_file(s->checkpoint, "model.characters", &r->vocabulary, error);
    if (s->load) return vocabulary_of_file(s->load, CHARACTERS, &r->vocabulary, error);
    return vocabulary_of(r->text.character, r->text.n, &r->vocabulary, error);
}

static uint64_t digest_of(const text *t) {
    return digest(t->character, (size_t)t->n * sizeof *t->character, DIGEST_START);
}

/* Read what there is to learn; a network that only writes needs nothing. */
static ag_status get_text(char_run *r, ag_error *error) {
    const char_settings *s = &r->set;
    const char *name = s->text ? s->text : "the text in the program";
    ag_status status = AG_OK;
    if (s->steps > 0 || !s->load || s->checkpoint) {
        /* A piece, and what stands behind it; two more to measure by; and of ten one is held out. */
        const int64_t least = s->context + 1 > 18 ? (10 * (s->context + 1) + 8) / 9 : 20;
        status = text_read(s->text, &r->text, error);
        if (status == AG_OK && r->text.n < least)
            status = ag_fail(error, AG_ERROR_VALUE,
                             "%s has %" PRId64 " characters; with --context %" PRId64 " it takes %" PRId64, name,
                             r->text.n, s->context, least);
        r->held_from = r->text.n - r->text.n / 10;
    }
    if (status == AG_OK) char_settings_agreed(s, digest_of(&r->text), &r->agreed);
    if (status == AG_OK) status = find_vocabulary(r, error);
    if (status == AG_OK) status = vocabulary_number(&r->vocabulary, r->text.character, r->text.n, name, error);
    if (status != AG_OK || !s->prompt) return status;
    status = text_from(s->prompt, strlen(s->prompt), "--prompt", &r->prompt, error);
    if (status != AG_OK) return status;
    return vocabulary_number(&r->vocabulary, r->prompt.character, r->prompt.n, "--prompt", error);
}

bool char_run_begin(char_run *r, int argc, char **argv, int *exit_status) {
    ag_error error = {0};
    if (!char_settings_read(&r->set, argc, argv, exit_status)) return false;
    r->resumes = resume_possible(r->set.checkpoint);
    r->loss = r->held_out = NAN;
    const ag_status status = get_text(r, &error);
    if (status == AG_OK) return true;
    *exit_status = char_run_end(r, status, &error);
    return false;
}

/* ---- the network, and what trains it ------------------------------------------------------------------------ */

/* The network keeps its vocabulary as a buffer, so that every file of it has that, too. */
static ag_status make_parameters(char_run *r, ag_error *error) {
    const vocabulary *v = &r->vocabulary;
    if (!nn_module_buffer(r->net, CHARACTERS, AG_I64, 1, &v->n, 0, error)) return error->status;
    r->params = nn_params_new(r->net, AG_F32, (uint64_t)r->set.seed, error);
    if (!r->params) return error->status;
    memcpy(ag_tensor_write(nn_params_find(r->params, CHARACTERS)), v->character,
           (size_t)v->n * sizeof *v->character);
    return AG_OK;
}

static ag_status make_batches(char_run *r, ag_error *error) {
    const int64_t held = r->text.n - r->held_from;
    if (r->text.n == 0) return AG_OK;
    ag_status status = text_batch_init(&r->batch, r->set.batch, r->set.context, error);
    if (status != AG_OK) return status;
    return text_batch_init(&r->piece, 1, held > r->set.context ? r->set.context : held - 1, error);
}

static ag_status resume(char_run *r, ag_error *error) {
    ag_random random;
    const nn_checkpoint all = {.params = r->params,
                               .optim = r->optim,
                               .random = &random,
                               .epoch = &r->stretch,
                               .history = &r->history,
                               .settings = r->agreed.word};
    const ag_status status = nn_checkpoint_load(&all, r->set.checkpoint, error);
    if (status != AG_OK) return status;
    if (r->stretch < 0 || r->stretch > r->stretches)
        return ag_fail(error, AG_ERROR_FORMAT, "%s: %" PRId64 " stretches of %" PRId64, r->set.checkpoint,
                       r->stretch, r->stretches);
    ag_tape_random_set(r->tape, random);
    return AG_OK;
}

ag_status char_run_prepare(char_run *r, ag_error *error) {
    const char_settings *s = &r->set;
    const ag_tape_options options = {.threads = s->threads > 0 ? (int)s->threads : AG_THREADS_ALL,
                                     .seed = (uint64_t)s->seed};
    if (!r->net) return error->status;
    ag_status status = make_parameters(r, error);
    if (status != AG_OK) return status;
    r->optim = nn_adamw(r->params, s->lr, &(nn_adam_options){.beta2 = 0.99}, error);
    if (!r->optim) return error->status;
    r->tape = ag_tape_new(&options);
    if (!r->tape) return ag_fail(error, AG_ERROR_MEMORY, "no memory for a tape");
    r->start = ag_tape_mark(r->tape);
    r->stretches = (s->steps + s->every - 1) / s->every;
    status = make_batches(r, error);
    if (status != AG_OK) return status;
    if (!s->quiet) {
        printf("%s: %" PRId64 " parameters, %" PRId64 " characters", s->program, nn_params_elements(r->params),
               r->vocabulary.n);
        if (r->text.n > 0)
            printf("; a text of %" PRId64 " to learn from, and %" PRId64 " held out", r->held_from,
                   r->text.n - r->held_from);
        printf("\n");
    }
    if (!r->resumes) return s->load ? nn_params_load(r->params, s->load, error) : AG_OK;
    status = resume(r, error);
    if (status == AG_OK && !s->quiet)
        printf("going on after step %" PRId64 ", from %s\n", nn_optim_steps(r->optim), s->checkpoint);
    return status;
}

/* ---- between the parts -------------------------------------------------------------------------------------- */

void char_run_forget(char_run *r) {
    for (int i = 0; i < r->states; i++) r->state[i] = (ag_value){0};
}

ag_status char_run_rewind(char_run *r, ag_status status, ag_error *error) {
    const ag_status recorded = ag_tape_rewind_keeping(r->tape, r->start, r->state, r->states);
    return recorded == AG_OK ? status : ag_fail(error, recorded, "%s", ag_tape_message(r->tape));
}

/* Seeds on the command line are below 2^63. */
uint64_t char_run_batch_seed(const char_run *r) { return (uint64_t)r->set.seed | UINT64_C(1) << 63; }

/* Batches take counters below 2^63: fewer than 2^31 of them, 2^32 each. */
ag_random char_run_draws(const char_run *r) {
    return (ag_random){.seed = char_run_batch_seed(r), .counter = UINT64_C(1) << 63};
}

/* ---- the end ------------------------------------------------------------------------------------------------ */

static ag_status save(const char_run *r, ag_error *error) {
    const char *const metadata[] = {"program", r->set.program, NULL};
    if (!r->set.save) return AG_OK;
    const ag_status status = nn_params_save(r->params, r->set.save, metadata, error);
    if (status == AG_OK && !r->set.quiet) printf("saved %s\n", r->set.save);
    return status;
}

static ag_status plot(const char_run *r, ag_error *error) {
    if (!r->set.plot) return AG_OK;
    const nn_history *h = &r->history;
    const size_t bytes = (3 * h->count + 1) * sizeof(double); /* few: steps are below 2^31 */
    double *steps = ag_alloc(bytes);
    if (!steps) return ag_fail(error, AG_ERROR_MEMORY, "no memory for curves");
    double *loss = steps + h->count, *held_out = loss + h->count;
    for (size_t i = 0; i < h->count; i++) {
        steps[i] = (double)h->epoch[i].steps;
        loss[i] = h->epoch[i].loss;
        held_out[i] = h->epoch[i].validation_loss;
    }
    const nn_curve losses[] = {{.name = "training", .x = steps, .y = loss, .n = (int64_t)h->count},
                               {.name = "held out", .x = steps, .y = held_out, .n = (int64_t)h->count}};
    const nn_chart chart = {
        .title = "Loss (nats a character)", .x = {.name = "step", .whole = true}, .curves = losses, .n = 2};
    const ag_status status = nn_picture_write(r->set.plot, &(nn_picture){.charts = &chart, .n_charts = 1}, error);
    ag_release(steps, bytes);
    if (status == AG_OK && !r->set.quiet) printf("drew %s\n", r->set.plot);
    return status;
}

static ag_status report(char_run *r, ag_error *error) {
    if (r->set.quiet || r->text.n == 0) return AG_OK;
    ag_status status = AG_OK;
    if (isnan(r->held_out)) status = char_run_measure(r, &r->held_out, error);
    if (status != AG_OK) return status;
    if (!isnan(r->loss)) printf("training loss %.4f, ", r->loss);
    printf("held-out loss %.4f nats a character\n\n", r->held_out);
    return AG_OK;
}

/* A file that cannot be written spoils neither the other one nor the report, after which it is said. */
ag_status char_run_finish(char_run *r, ag_error *error) {
    ag_error unsaved = {0}, undrawn = {0};
    const ag_status saved = save(r, &unsaved), drawn = plot(r, &undrawn);
    ag_status status = report(r, error);
    if (status == AG_OK) status = char_run_write(r, error);
    complain(r, &unsaved);
    complain(r, &undrawn);
    return status != AG_OK ? status : saved != AG_OK ? saved : drawn != AG_OK ? drawn : r->kept;
}

int char_run_end(char_run *r, ag_status status, const ag_error *error) {
    complain(r, error);
    nn_history_clear(&r->history);
    text_batch_clear(&r->batch);
    text_batch_clear(&r->piece);
    ag_tape_free(r->tape);
    nn_optim_free(r->optim);
    nn_params_free(r->params);
    nn_module_free(r->net);
    vocabulary_clear(&r->vocabulary);
    text_clear(&r->prompt);
    text_clear(&r->text);
    return status != AG_OK ? EXIT_FAILURE : interrupted ? EXIT_INTERRUPTED : EXIT_SUCCESS;
}
