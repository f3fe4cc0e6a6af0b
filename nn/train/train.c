/* train: the loop.
 *
 * All that it holds is in one struct, made before the first step and released once.
 * Not here: any decision about a network - the loop knows a module, a loss and numbers to watch. */
#include "../train.h"

#include "../clip.h"
#include "progress_impl.h"

#include <math.h>

typedef struct fit {
    nn_module *net;
    nn_params *params;
    nn_optim *optim;
    const nn_fit_options *is;
    nn_history *history;
    nn_dataset_source data, validation_data; /* those of the options, where they are in memory */
    nn_batcher *train, *validation;          /* NULL: none */
    ag_tape *tape;
    nn_early *own, *early; /* early stopping: made here, and in use; NULL: none */
    int64_t epoch, done;   /* the present one; the number of the first that is not whole */
    bool stop;             /* a callback's wish */
    nnx_progress progress;
} fit;

/* ---- before the first step ---------------------------------------------------------------------------------- */

/* Where samples come from; NULL: nowhere. */
static nn_source *source_of(nn_dataset_source *own, const nn_dataset *d, nn_source *s) {
    if (!d) return s;
    *own = nn_source_of_dataset(d);
    return &own->source;
}

static bool is_whole(const nn_metric *m) { return m->name && m->begin && m->add && m->value; }

static const char *fault(const fit *f, nn_source *train, nn_source *validation) {
    const nn_fit_options *o = f->is;
    if (!f->net || !f->params || !f->optim || !f->history)
        return "needs a network, parameters, an optimiser and a history";
    if (!train || (!o->loss && !o->loss_with)) return "needs data and a loss";
    if (o->loss && o->loss_with) return "has two losses";
    if ((o->train && o->train_source) || (o->validation && o->validation_source))
        return "has a set of data twice, as a dataset and as a source";
    if (nn_source_size(train) == 0 || (validation && nn_source_size(validation) == 0))
        return "a set of data is empty";
    if (o->first < 0 || o->epochs <= o->first) return "no epochs";
    if (o->batch < 0 || o->patience < 0 || o->prefetch < 0 || o->accumulate < 0)
        return "a batch, patience, prefetch or accumulate below 0";
    if (!(o->margin >= 0 && o->clip_norm >= 0 && o->clip_value >= 0)) return "a margin or clip below 0";
    if (o->early && !nn_early_is_of(o->early, f->params)) return "early stopping of other parameters";
    if (o->metric_count > NN_FIT_METRICS) return "too many metrics";
    for (size_t k = 0; k < o->metric_count; k++)
        if (!o->metrics || !is_whole(&o->metrics[k])) return "a metric without a name or a function";
    return NULL;
}

static ag_status begin_batches(fit *f, nn_source *train, nn_source *validation, ag_error *error) {
    const nn_fit_options *o = f->is;
    ag_error own = {AG_OK, ""};
    nn_batcher_options is = {.batch = o->batch,
                             .shuffle = !o->in_order,
                             .drop_last = o->drop_last,
                             .seed = o->seed,
                             .prefetch = o->prefetch,
                             .collate = o->collate,
                             .collate_user = o->collate_user};
    f->train = nn_batcher_of(train, &is, &own);
    is.shuffle = is.drop_last = false;
    if (f->train && validation) f->validation = nn_batcher_of(validation, &is, &own);
    if (own.status) return ag_fail(error, own.status, "nn_fit: %s", own.message);
    if (nn_batcher_count(f->train) == 0)
        return ag_fail(error, AG_ERROR_VALUE, "nn_fit: fewer samples than a batch, and a short one is left out");
    return AG_OK;
}

static ag_status name_metrics(fit *f, ag_error *error) {
    const char *name[NN_FIT_METRICS] = {NULL};
    ag_error own = {AG_OK, ""};
    for (size_t k = 0; k < f->is->metric_count; k++) name[k] = f->is->metrics[k].name;
    const ag_status status = nn_history_metrics(f->history, name, f->is->metric_count, &own);
    return status ? ag_fail(error, status, "nn_fit: %s", own.message) : AG_OK;
}

static ag_status begin(fit *f, ag_error *error) {
    const nn_fit_options *o = f->is;
    if (!o) return ag_fail(error, AG_ERROR_VALUE, "nn_fit: needs options");
    nn_source *train = source_of(&f->data, o->train, o->train_source);
    nn_source *validation = source_of(&f->validation_data, o->validation, o->validation_source);
    const char *why = fault(f, train, validation);
    if (why) return ag_fail(error, AG_ERROR_VALUE, "nn_fit: %s", why);
    if (o->ema && nn_ema_swapped(o->ema))
        return ag_fail(error, AG_ERROR_STATE, "nn_fit: the average is swapped in");
    ag_status status = o->schedule ? nn_schedule_check(o->schedule, error) : AG_OK;
    if (!status) status = begin_batches(f, train, validation, error);
    if (status) return status;
    f->tape = ag_tape_new(&(ag_tape_options){.threads = o->threads, .seed = o->seed});
    f->early = o->early;
    if (o->patience && !o->early) f->early = f->own = nn_early_new(f->params, NULL);
    if (!f->tape || (o->patience && !f->early)) return ag_fail(error, AG_ERROR_MEMORY, "nn_fit: no memory");
    status = name_metrics(f, error);
    if (status) return status;
    f->history->stopped = false;
    nnx_progress_begin(&f->progress, o, nn_batcher_count(f->train), f->validation != NULL);
    return AG_OK;
}

static void end(fit *f) {
    nnx_progress_end(&f->progress);
    nn_early_free(f->own);
    ag_tape_free(f->tape);
    nn_batcher_free(f->validation);
    nn_batcher_free(f->train);
}

/* ---- one pass over data --------------------------------------------------------------------------------------- */

/* Sums of a pass. */
typedef struct pass_sums {
    double loss; /* times samples, of the batches that count */
    int64_t samples, batch, skipped;
    int64_t step_samples, step_batches; /* whose gradients wait for a step */
} pass_sums;

static double mean(const pass_sums *s) { return s->loss / (double)s->samples; }

/* What went wrong, with its place, counted from 1, before it; a metric may have told a status alone. */
static ag_status fail_at(const fit *f, const char *what, int64_t number, ag_status status, const ag_error *why,
                         ag_error *error) {
    return ag_fail(error, status, "nn_fit: epoch %lld, %s %lld: %s", (long long)f->epoch + 1, what,
                   (long long)number, why->status ? why->message : ag_status_name(status));
}

static bool accumulates(const fit *f) { return f->is->accumulate > 1; }

/* Bounds on the gradients. finite false: they are not, and the step is to be skipped. */
static ag_status bound(fit *f, bool *finite, ag_error *error) {
    const nn_fit_options *o = f->is;
    ag_status status = AG_OK;
    double most = 0;
    if (o->skip_nonfinite) status = nn_grad_norm(f->params, INFINITY, &most, error);
    *finite = isfinite(most);
    if (!status && *finite && o->clip_value > 0) status = nn_clip_value(f->params, o->clip_value, error);
    if (!status && *finite && o->clip_norm > 0) status = nn_clip_norm(f->params, o->clip_norm, 2, NULL, error);
    return status;
}

/* A step from the gradients that have come together, which are of the weights as they were. */
static ag_status update(fit *f, pass_sums *s, ag_error *error) {
    const nn_fit_options *o = f->is;
    const int64_t samples = s->step_samples, batches = s->step_batches;
    s->step_samples = s->step_batches = 0;
    if (batches == 0) return AG_OK; /* all were skipped */
    bool finite = true;
    ag_status status = AG_OK;
    if (accumulates(f)) status = nn_grad_scale(f->params, 1 / (double)samples, error);
    if (!status) status = bound(f, &finite, error);
    if (status) return status;
    if (!finite) {
        s->skipped += batches;
        return AG_OK;
    }
    if (o->schedule) nn_schedule_apply(o->schedule, f->optim);
    status = nn_optim_step(f->optim, error);
    return !status && o->ema ? nn_ema_update(o->ema, error) : status;
}

static ag_status add_metrics(const fit *f, ag_value y, const ag_tensor *target, ag_error *error) {
    for (size_t k = 0; k < f->is->metric_count; k++) {
        const nn_metric *m = &f->is->metrics[k];
        const ag_status status = m->add(m->user, y, target, error);
        if (status) return status;
    }
    return AG_OK;
}

static ag_value predict(const fit *f, nn_pass *pass, ag_value x, const nn_sample *batch) {
    const nn_fit_options *o = f->is;
    return o->forward ? o->forward(o->user, f->net, pass, x, batch) : nn_forward(f->net, pass, x);
}

static ag_value loss_of(const fit *f, ag_value y, ag_value target, const nn_sample *batch) {
    const nn_fit_options *o = f->is;
    return o->loss ? o->loss(y, target) : o->loss_with(o->user, y, target, batch);
}

/* Loss, metrics and, in training, gradients of the batch that b gave. */
static ag_status batch(fit *f, bool training, const nn_batcher *b, pass_sums *s, ag_error *error) {
    const nn_sample *all = nn_batcher_batch(b);
    const ag_tensor *x = all->x, *target = all->y ? all->y : x;
    int64_t rows;
    (void)nn_batcher_index(b, &rows);
    ag_tape *t = f->tape;
    nn_pass pass = {t, training};
    const ag_mark mark = ag_tape_mark(t);
    if (!training) ag_no_grad_begin(t);
    const ag_value in = ag_constant(t, x);
    const ag_value y = predict(f, &pass, in, all);
    const ag_value loss = loss_of(f, y, target == x ? in : ag_constant(t, target), all);
    const double value = ag_item(loss);
    const bool refused = training && !isfinite(value), skipped = refused && f->is->skip_nonfinite;
    ag_error own = {AG_OK, ""};
    ag_status status = AG_OK;
    if (!ag_tape_status(t) && !skipped)
        status = add_metrics(f, y, target, &own); /* or the rewind says what failed */
    if (!status && training && !refused)
        (void)ag_backward(accumulates(f) ? ag_mul_number(loss, (double)rows) : loss);
    if (!training) ag_no_grad_end(t);
    const ag_status recorded = ag_tape_rewind(t, mark);
    if (!status && recorded) status = ag_fail(&own, recorded, "%s", ag_tape_message(t));
    if (!status && refused && !skipped) status = ag_fail(&own, AG_ERROR_NONFINITE, "the loss is %g", value);
    if (status) return fail_at(f, training ? "batch" : "validation batch", s->batch + 1, status, &own, error);
    s->batch++;
    if (skipped) {
        s->skipped++;
        return AG_OK;
    }
    s->loss += value * (double)rows;
    s->samples += rows;
    s->step_samples += rows;
    s->step_batches++;
    return AG_OK;
}

static void read_metrics(const fit *f, double *value) {
    for (size_t k = 0; k < f->is->metric_count; k++) value[k] = f->is->metrics[k].value(f->is->metrics[k].user);
}

static void begin_metrics(const fit *f) {
    for (size_t k = 0; k < f->is->metric_count; k++) f->is->metrics[k].begin(f->is->metrics[k].user);
}

/* ---- epochs ------------------------------------------------------------------------------------------------------ */

static bool go_on(fit *f, nn_fit_callback *callback, const pass_sums *s) {
    if (!callback) return true;
    const nn_fit_state now = {f->epoch, s->batch, nn_batcher_count(f->train), mean(s), f->history};
    f->stop = !callback(f->is->user, &now);
    return !f->stop;
}

/* Whether a pass ended because its next batch could not be made. */
static ag_status broken(const fit *f, const nn_batcher *b, const char *what, const pass_sums *s, ag_error *error) {
    ag_error own = {AG_OK, ""};
    const ag_status status = nn_batcher_status(b, &own);
    return status ? fail_at(f, what, s->batch + 1, status, &own, error) : AG_OK;
}

/* Training; ends early, without an error, where the callback wishes it. */
static ag_status sweep(fit *f, pass_sums *s, ag_error *error) {
    const int64_t batches = nn_batcher_count(f->train), together = accumulates(f) ? f->is->accumulate : 1;
    begin_metrics(f);
    nn_batcher_start(f->train, f->epoch);
    ag_tape_random_set(f->tape, (ag_random){f->is->seed, (uint64_t)f->epoch << 40}); /* 2^40 draws for an epoch */
    for (ag_tensor *x; nn_batcher_next(f->train, &x, NULL);) {
        if (s->batch % together == 0) nn_params_zero_grad(f->params);
        ag_status status = batch(f, true, f->train, s, error);
        if (status) return status;
        ag_error own = {AG_OK, ""};
        if (s->batch % together == 0 || s->batch == batches) status = update(f, s, &own);
        if (status) return fail_at(f, "batch", s->batch, status, &own, error);
        nnx_progress_batch(&f->progress, f->epoch, s->batch, mean(s));
        if (!go_on(f, f->is->after_batch, s)) return AG_OK;
    }
    const ag_status status = broken(f, f->train, "batch", s, error);
    if (status || s->skipped < s->batch) return status;
    return ag_fail(error, AG_ERROR_NONFINITE, "nn_fit: epoch %lld: none of its %lld batches could be used",
                   (long long)f->epoch + 1, (long long)s->batch);
}

static ag_status validate_with(fit *f, nn_epoch *e, ag_error *error) {
    pass_sums s = {.loss = 0};
    begin_metrics(f);
    nn_batcher_start(f->validation, 0);
    for (ag_tensor *x; nn_batcher_next(f->validation, &x, NULL);) {
        const ag_status status = batch(f, false, f->validation, &s, error);
        if (status) return status;
    }
    const ag_status status = broken(f, f->validation, "validation batch", &s, error);
    if (status) return status;
    e->validation_loss = mean(&s);
    read_metrics(f, e->validation_metric);
    return AG_OK;
}

/* The average takes the weights' place, or gives it back. */
static void swap_average(const fit *f) {
    if (f->is->ema) nn_ema_swap(f->is->ema);
}

static ag_status validate(fit *f, nn_epoch *e, ag_error *error) {
    swap_average(f);
    const ag_status status = validate_with(f, e, error);
    swap_average(f);
    return status;
}

static bool is_patient(const fit *f) { return !f->is->patience || nn_early_since(f->early) < f->is->patience; }

static double watched(const fit *f, const nn_epoch *e) { return f->validation ? e->validation_loss : e->loss; }

/* What the recorded epoch means for the rest: false, it is the last. NaN is never better. */
static bool judge(fit *f) {
    nn_history *h = f->history;
    const double x = watched(f, &h->epoch[h->count - 1]);
    if (!(watched(f, &h->epoch[h->best]) <= x) && !isnan(x)) h->best = h->count - 1;
    if (f->is->plateau) (void)nn_plateau_step(f->is->plateau, f->optim, x);
    if (f->early) {
        swap_average(f);
        (void)nn_early_tell(f->early, x, f->is->margin);
        swap_average(f);
    }
    return is_patient(f);
}

static ag_status epoch(fit *f, bool *more, ag_error *error) {
    pass_sums s = {.loss = 0};
    ag_status status = sweep(f, &s, error);
    *more = false;
    if (status || f->stop) return status;
    nn_epoch e = {.epoch = f->epoch,
                  .steps = nn_optim_steps(f->optim),
                  .lr = nn_optim_lr(f->optim),
                  .skipped = s.skipped,
                  .loss = mean(&s),
                  .validation_loss = NAN};
    read_metrics(f, e.metric);
    for (size_t k = 0; k < NN_FIT_METRICS; k++) e.validation_metric[k] = NAN;
    if (f->validation) status = validate(f, &e, error);
    if (!status) status = nn_history_add(f->history, &e, error);
    if (status) return status;
    f->done = f->epoch + 1;
    *more = judge(f);
    nnx_progress_epoch(&f->progress, &e);
    if (!go_on(f, f->is->after_epoch, &s)) *more = false;
    return AG_OK;
}

ag_status nn_fit(nn_module *net, nn_params *params, nn_optim *optim, const nn_fit_options *options,
                 nn_history *history, ag_error *error) {
    fit f = {.net = net, .params = params, .optim = optim, .is = options, .history = history};
    ag_status status = begin(&f, error);
    f.done = status ? 0 : options->first;
    bool more = status || is_patient(&f); /* a run that goes on may have been at its end */
    for (f.epoch = status ? 0 : options->first; !status && more && f.epoch < options->epochs; f.epoch++)
        status = epoch(&f, &more, error);
    if (!status) history->stopped = f.done < options->epochs;
    if (!status && f.early) nn_early_restore(f.early);
    end(&f);
    return status;
}
