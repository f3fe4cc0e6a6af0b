/* regression: predict a number from others, and know how well.
 *
 *     regression                                         1,000 rows that the program draws itself
 *     regression houses.csv --target price               a table with a line of names
 *     regression --checkpoint run.safetensors            killed at any moment, the same command goes on
 *     regression houses.csv --target price --plot curves.png --scatter found.png --predictions found.csv
 *
 * Three parts of the rows do three things: 64 % train, 16 % say when to stop, and 20 % are held out for the numbers at the
 * end, which nothing was fitted to. They stand beside those of the plainest model there is, which always says the mean: a
 * network that does not beat it has learnt nothing.
 *
 * Inputs and target are brought to mean 0 and standard deviation 1, by the training rows alone: a network begins with weights
 * for numbers about that large, whatever the units of the table. Errors are told in the target's own units again.
 *
 * Read main first, then learn: nn_fit is the loop. */
#define _POSIX_C_SOURCE 200809L /* open_memstream */

#include <nn/nn.h>

#include "support/interrupt.h"
#include "support/kept_run.h"
#include "support/options.h"
#include "support/output.h"
#include "support/table.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DRAWN_ROWS = 1000, WIDTH = 64 };

/* The drawn rows are one table: --seed changes what is learnt from it, not the table. */
static const uint64_t DRAWN_SEED = 1;
static const double LEARN =
    0.8; /* the share of the rows that is not held out, and of these the share that trains */

typedef struct settings {
    const char *file, *target, *load, *save, *checkpoint, *plot, *scatter, *history,
        *predictions; /* NULL: not asked for */
    int64_t epochs, patience, batch, seed;
    double lr;
    bool quiet;
} settings;

/* ---- the network ------------------------------------------------------------------------------------------------ */

/* A network and the units that it works in. They are buffers, so that a file of it has them, too. */
typedef struct model {
    nn_module base;
    nn_module *body;
    nn_param *x_mean, *x_std, *y_mean, *y_std; /* (features), (features), (1), (1) */
} model;

/* x (batch, features), y (batch): both in standard units. */
static ag_value model_forward(nn_module *m, nn_pass *pass, ag_value x) {
    return ag_flatten(nn_forward(((model *)m)->body, pass, x), 0, -1);
}

static model *model_new(int64_t features, ag_error *error) {
    const int64_t sizes[] = {features, WIDTH, WIDTH, 1}, one = 1;
    model *m = nn_module_new(sizeof *m, "model", model_forward, error);
    if (!m) return NULL;
    nn_module *body = nn_mlp(sizes, 4, NN_SILU, NULL, error);
    if (nn_module_child(&m->base, "body", body, error) != AG_OK) {
        nn_module_free(body);
        return nn_module_free_null(&m->base);
    }
    m->body = body;
    m->x_mean = nn_module_buffer(&m->base, "x_mean", AG_F64, 1, &features, 0, error);
    m->x_std = m->x_mean ? nn_module_buffer(&m->base, "x_std", AG_F64, 1, &features, 1, error) : NULL;
    m->y_mean = m->x_std ? nn_module_buffer(&m->base, "y_mean", AG_F64, 1, &one, 0, error) : NULL;
    m->y_std = m->y_mean ? nn_module_buffer(&m->base, "y_std", AG_F64, 1, &one, 1, error) : NULL;
    return m->y_std ? m : nn_module_free_null(&m->base);
}

/* The numbers of a pair of buffers, as the library's normaliser: it borrows them. */
static nn_normalizer units_of(nn_param *mean, nn_param *std) {
    return (nn_normalizer){mean->dim[0], ag_tensor_write(mean->tensor), ag_tensor_write(std->tensor)};
}

static ag_status fit_units(const ag_tensor *numbers, nn_param *mean, nn_param *std, ag_error *error) {
    nn_normalizer z;
    const ag_status status = nn_normalizer_fit(numbers, &z, error);
    if (status != AG_OK) return status;
    memcpy(ag_tensor_write(mean->tensor), z.mean, (size_t)z.width * sizeof *z.mean);
    memcpy(ag_tensor_write(std->tensor), z.std, (size_t)z.width * sizeof *z.std);
    nn_normalizer_clear(&z);
    return AG_OK;
}

/* ---- a run ------------------------------------------------------------------------------------------------------ */

typedef struct run {
    settings set;
    table table;
    nn_dataset train, stop; /* in standard units, once they are prepared */
    nn_dataset held_out;    /* in the table's units                      */
    model *net;
    nn_params *params;
    nn_optim *optim;
    nn_early *early; /* the best weights so far; NULL: without --patience */
    nn_history history;
    kept_run kept;                 /* --checkpoint                      */
    bool resumes;                  /* there is one                      */
    double *predicted;             /* (held_out), in the target's units */
    nn_regression errors, of_mean; /* on the rows held out              */
} run;

static void run_clear(run *r) {
    if (r->predicted) ag_release(r->predicted, (size_t)nn_dataset_size(&r->held_out) * sizeof *r->predicted);
    nn_history_clear(&r->history);
    nn_early_free(r->early);
    nn_optim_free(r->optim);
    nn_params_free(r->params);
    if (r->net) nn_module_free(&r->net->base);
    nn_dataset_clear(&r->train);
    nn_dataset_clear(&r->stop);
    nn_dataset_clear(&r->held_out);
    table_clear(&r->table);
}

static ag_status get_data(run *r, ag_error *error) {
    const settings *s = &r->set;
    nn_dataset learn = {0};
    ag_status status = s->file ? table_read(s->file, s->target, &r->table, error)
                               : table_friedman(DRAWN_ROWS, DRAWN_SEED, &r->table, error);
    if (status == AG_OK)
        status = nn_dataset_split(&r->table.data, LEARN, false, (uint64_t)s->seed, &learn, &r->held_out, error);
    if (status == AG_OK)
        status = nn_dataset_split(&learn, LEARN, false, (uint64_t)s->seed, &r->train, &r->stop, error);
    nn_dataset_clear(&learn);
    if (status != AG_OK || s->quiet) return status;
    printf("%s: %" PRId64 " rows, %" PRId64 " columns to predict '%s' from\n",
           s->file ? s->file : "Friedman's function, drawn with noise of standard deviation 1",
           nn_dataset_size(&r->table.data), r->table.features, r->table.target);
    printf("%" PRId64 " rows train, %" PRId64 " say when to stop, %" PRId64 " are held out\n",
           nn_dataset_size(&r->train), nn_dataset_size(&r->stop), nn_dataset_size(&r->held_out));
    return AG_OK;
}

/* From a checkpoint where there is one, else from --load, else from the weights that were drawn. */
static ag_status choose_beginning(run *r, ag_error *error) {
    const settings *s = &r->set;
    kept_run *k = &r->kept;
    k->program = "regression";
    k->path = s->checkpoint;
    k->is = (nn_checkpoint){.params = r->params, .optim = r->optim, .early = r->early, .history = &r->history};
    kept_run_agree_on_data(k, r->table.data.x, r->table.data.y);
    agreed_add(&k->agreed, "patience", "%" PRId64, s->patience);
    agreed_add(&k->agreed, "batch", "%" PRId64, s->batch);
    agreed_add(&k->agreed, "lr", "%.15g", s->lr);
    agreed_add(&k->agreed, "seed", "%" PRId64, s->seed);
    agreed_add(&k->agreed, "load", "%s", s->load ? "given" : "not given");
    r->resumes = resume_possible(k->path);
    if (!r->resumes) return s->load ? nn_params_load(r->params, s->load, error) : AG_OK;
    const ag_status status = kept_run_resume(k, s->epochs, error);
    if (status == AG_OK && !s->quiet) printf("going on after epoch %" PRId64 ", from %s\n", k->epoch, k->path);
    return status;
}

static ag_status build_network(run *r, ag_error *error) {
    const settings *s = &r->set;
    if (!(r->net = model_new(r->table.features, error))) return error->status;
    if (!(r->params = nn_params_new(&r->net->base, AG_F64, (uint64_t)s->seed, error))) return error->status;
    if (!(r->optim = nn_adam(r->params, s->lr, error))) return error->status;
    if (s->patience > 0 && !(r->early = nn_early_new(r->params, error))) return error->status;
    if (!s->quiet)
        printf("%" PRId64 "-%d-%d-1: %" PRId64 " parameters\n", r->table.features, WIDTH, WIDTH,
               nn_params_elements(r->params));
    return choose_beginning(r, error);
}

/* A column that never changes tells nothing; it becomes 0 throughout, and does no harm. */
static void tell_constants(const run *r) {
    const double *x = ag_tensor_data(r->train.x); /* (rows, features) */
    const int64_t rows = nn_dataset_size(&r->train), features = r->table.features;
    for (int64_t k = 0; k < features; k++) {
        int64_t row = 1;
        while (row < rows && x[row * features + k] == x[k]) row++;
        if (row == rows)
            printf("note: '%s' is %g in every row that trains, and so of no use\n", r->table.names[k], x[k]);
    }
}

/* The units are those of the rows that train, or those that came with the weights. */
static ag_status standardize(run *r, ag_error *error) {
    model *m = r->net;
    ag_status status = AG_OK;
    if (!r->set.quiet) tell_constants(r);
    if (!r->set.load && !r->resumes) {
        status = fit_units(r->train.x, m->x_mean, m->x_std, error);
        if (status == AG_OK) status = fit_units(r->train.y, m->y_mean, m->y_std, error);
    }
    const nn_normalizer x = units_of(m->x_mean, m->x_std), y = units_of(m->y_mean, m->y_std);
    if (status == AG_OK) status = nn_normalizer_apply(&x, r->train.x, error);
    if (status == AG_OK) status = nn_normalizer_apply(&x, r->stop.x, error);
    if (status == AG_OK) status = nn_normalizer_apply(&y, r->train.y, error);
    if (status == AG_OK) status = nn_normalizer_apply(&y, r->stop.y, error);
    if (status == AG_OK && !r->set.quiet)
        printf("inputs and target are brought to mean 0 and standard deviation 1; '%s' has mean %.6g and standard "
               "deviation %.6g\n",
               r->table.target, y.mean[0], y.std[0]);
    return status;
}

static bool not_interrupted(void *user, const nn_fit_state *now) {
    (void)user, (void)now;
    return !interrupted;
}

static bool keep(void *user, const nn_fit_state *now) {
    run *r = user;
    kept_run_save(&r->kept, now->epoch);
    return true;
}

static ag_status learn(run *r, ag_error *error) {
    const settings *s = &r->set;
    nn_regression standard = {.count = 0}; /* R2 has no units */
    const nn_metric metric = nn_metric_r2("R2", &standard);
    const nn_fit_options options = {
        .train = &r->train,
        .validation = &r->stop,
        .loss = nn_mse,
        .first = r->kept.epoch,
        .epochs = s->epochs,
        .batch = s->batch,
        .seed = (uint64_t)s->seed,
        .threads = 1,
        .metrics = &metric,
        .metric_count = 1,
        .patience = s->patience,
        .early = r->early,
        .after_batch = not_interrupted,
        .after_epoch = keep,
        .user = r,
        .progress = s->quiet ? NULL : stdout,
    };
    if (s->epochs == r->kept.epoch) { /* nothing is left to do: the best weights are the result */
        if (r->early) nn_early_restore(r->early);
        return AG_OK;
    }
    watch_for_interrupt();
    const ag_status status = nn_fit(&r->net->base, r->params, r->optim, &options, &r->history, error);
    if (status != AG_OK) return status;
    if (interrupted) fprintf(stderr, "regression: interrupted after %zu epochs\n", r->history.count);
    if (r->history.count > 0 && !s->quiet)
        printf("%s after epoch %zu; the weights are those of epoch %zu\n", r->history.stopped ? "stopped" : "done",
               r->history.count, r->history.best + 1);
    return AG_OK;
}

/* ---- how well --------------------------------------------------------------------------------------------------- */

/* Standard units on the way in, the target's on the way out. */
static ag_status predict(run *r, ag_error *error) {
    const int64_t rows = nn_dataset_size(&r->held_out);
    const nn_normalizer x_units = units_of(r->net->x_mean, r->net->x_std);
    const nn_normalizer y_units = units_of(r->net->y_mean, r->net->y_std);
    nn_dataset in = {0};
    ag_status status = nn_dataset_rows(&r->held_out, 0, rows, &in, error);
    if (status == AG_OK) status = nn_normalizer_apply(&x_units, in.x, error);
    ag_tape *t = ag_tape_new(NULL);
    r->predicted = ag_alloc((size_t)rows * sizeof *r->predicted);
    if (status == AG_OK && (!t || !r->predicted)) status = ag_fail(error, AG_ERROR_MEMORY, "no memory to predict");
    if (status == AG_OK) {
        const ag_mark start = ag_tape_mark(t);
        nn_pass pass = {t, false};
        ag_no_grad_begin(t);
        const ag_value z = nn_forward(&r->net->base, &pass, ag_constant(t, in.x));
        const ag_value y = ag_add_number(ag_mul_number(z, y_units.std[0]), y_units.mean[0]);
        const ag_value mean = ag_add_number(ag_mul_number(z, 0), y_units.mean[0]);
        status = ag_read_f64(y, r->predicted, rows);
        if (status == AG_OK) status = nn_regression_add(&r->errors, y, r->held_out.y, error);
        if (status == AG_OK) status = nn_regression_add(&r->of_mean, mean, r->held_out.y, error);
        const ag_status recorded = ag_tape_rewind(t, start);
        if (recorded != AG_OK) status = ag_fail(error, recorded, "%s", ag_tape_message(t));
    }
    ag_tape_free(t);
    nn_dataset_clear(&in);
    return status;
}

static void print_errors(const char *of, const nn_regression *e) {
    printf("%-16s %12.6g %12.6g %9.4f\n", of, nn_regression_mae(e), nn_regression_rmse(e), nn_regression_r2(e));
}

static ag_status report(const run *r, ag_error *error) {
    if (!r->set.quiet) {
        printf("\non the rows held out, in the units of '%s'\n%-16s %12s %12s %9s\n", r->table.target, "", "MAE",
               "RMSE", "R2");
        print_errors("the network", &r->errors);
        print_errors("always the mean", &r->of_mean);
        printf("\n");
    }
    printf("RMSE %.6g, by the mean %.6g, R2 %.4f\n", nn_regression_rmse(&r->errors),
           nn_regression_rmse(&r->of_mean), nn_regression_r2(&r->errors));
    return output_whole() ? AG_OK : ag_fail(error, AG_ERROR_IO, "cannot write to the standard output");
}

/* ---- files ------------------------------------------------------------------------------------------------------ */

static void put_name(FILE *f, const char *name) {
    fputc('"', f);
    for (; *name; name++) fprintf(f, *name == '"' ? "\"%c" : "%c", *name);
    fputs("\",", f);
}

/* The rows held out as they were, and behind them what the network says. */
static void put_predictions(FILE *f, const run *r) {
    const double *x = ag_tensor_data(r->held_out.x), *y = ag_tensor_data(r->held_out.y);
    for (int64_t k = 0; k < r->table.features; k++) put_name(f, r->table.names[k]);
    put_name(f, r->table.target);
    fputs("predicted\n", f);
    for (int64_t row = 0; row < nn_dataset_size(&r->held_out); row++) {
        for (int64_t k = 0; k < r->table.features; k++) fprintf(f, "%.17g,", *x++);
        fprintf(f, "%.17g,%.17g\n", y[row], r->predicted[row]);
    }
}

static ag_status write_predictions(const run *r, const char *path, ag_error *error) {
    char *bytes = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&bytes, &size);
    if (f) put_predictions(f, r);
    const bool whole = f && !ferror(f) && fclose(f) == 0;
    const ag_status status = whole ? ag_file_write(path, bytes, size, error)
                                   : ag_fail(error, AG_ERROR_MEMORY, "%.300s: no memory for a table", path);
    free(bytes);
    return status;
}

/* Predicted against actual: points on the line would be right. */
static ag_status draw_scatter(const run *r, const char *path, ag_error *error) {
    const double *y = ag_tensor_data(r->held_out.y);
    const int64_t n = nn_dataset_size(&r->held_out);
    double end[2] = {INFINITY, -INFINITY};
    for (int64_t i = 0; i < n; i++) {
        end[0] = fmin(end[0], fmin(y[i], r->predicted[i]));
        end[1] = fmax(end[1], fmax(y[i], r->predicted[i]));
    }
    const nn_curve curves[] = {{.name = "network", .x = y, .y = r->predicted, .n = n, .points = true},
                               {.name = "right", .x = end, .y = end, .n = 2, .colour = 6, .dash = 1}};
    char title[100];
    snprintf(title, sizeof title, "Rows held out: %.60s", r->table.target);
    const nn_chart chart = {.title = title,
                            .x = {.name = "actual"},
                            .y = {.name = "predicted", .scale = NN_SCALE_LINEAR},
                            .curves = curves,
                            .n = 2};
    return nn_picture_write(path, &(nn_picture){.charts = &chart, .n_charts = 1}, error);
}

/* One file; a failure spoils neither the others nor the report, and is said at once. Returns whether all is well. */
static bool wrote(const run *r, const char *verb, const char *path, ag_status status, const ag_error *error) {
    if (status != AG_OK)
        fprintf(stderr, "regression: %s\n", error->message);
    else if (!r->set.quiet)
        printf("%s %s\n", verb, path);
    return status == AG_OK;
}

static bool write_files(const run *r) {
    const settings *s = &r->set;
    const char *const about[] = {"program", "regression", NULL};
    ag_error e = {0};
    bool well = true;
    if (s->save) well &= wrote(r, "saved", s->save, nn_params_save(r->params, s->save, about, &e), &e);
    if (s->history) well &= wrote(r, "wrote", s->history, nn_history_csv(&r->history, s->history, &e), &e);
    if (s->plot) well &= wrote(r, "drew", s->plot, nn_history_plot(&r->history, s->plot, &e), &e);
    if (s->scatter) well &= wrote(r, "drew", s->scatter, draw_scatter(r, s->scatter, &e), &e);
    if (s->predictions) well &= wrote(r, "wrote", s->predictions, write_predictions(r, s->predictions, &e), &e);
    return well;
}

/* ---- the program ------------------------------------------------------------------------------------------------ */

static bool read_settings(settings *s, int argc, char **argv, int *exit_status) {
    *s = (settings){.epochs = 500, .patience = 30, .batch = 32, .seed = 1, .lr = 1e-3};
    const option_row rows[] = {
        {"target", "NAME", "the column to predict; without it the last one", OPTION_TEXT, &s->target, 0, 0},
        {"epochs", "N", "passes through the training rows at most; 0 only tests", OPTION_INTEGER, &s->epochs, 0,
         100000},
        {"patience", "N", "epochs without a better loss on the second part before it stops; 0: it does not",
         OPTION_INTEGER, &s->patience, 0, 100000},
        {"batch", "N", "rows a step", OPTION_INTEGER, &s->batch, 1, 1000000},
        {"lr", "X", "Adam's learning rate", OPTION_RATE, &s->lr, 0, 0},
        {"seed", "N", "of the parts, the first weights and the order of rows", OPTION_INTEGER, &s->seed, 0,
         INT64_MAX},
        {"load", "FILE", "begin with the parameters and the units of a safetensors file", OPTION_TEXT, &s->load, 0,
         0},
        {"save", "FILE", "write them as safetensors", OPTION_FILE, &s->save, 0, 0},
        {"checkpoint", "FILE",
         "keep the whole run in FILE after each epoch; where there is such a FILE, go on from it", OPTION_FILE,
         &s->checkpoint, 0, 0},
        {"history", "FILE", "write loss and R2 of every epoch as CSV", OPTION_FILE, &s->history, 0, 0},
        {"plot", "FILE", "draw them: FILE.png or FILE.svg", OPTION_PICTURE, &s->plot, 0, 0},
        {"scatter", "FILE", "draw predicted against actual numbers", OPTION_PICTURE, &s->scatter, 0, 0},
        {"predictions", "FILE", "write the rows held out with what is predicted for them, as CSV", OPTION_FILE,
         &s->predictions, 0, 0},
        {"quiet", NULL, "print nothing but the last line", OPTION_FLAG, &s->quiet, 0, 0},
    };
    const option_table o = {
        .program = "regression",
        .operand = "[FILE.csv]",
        .shows = "Learn to predict a column of a table from the others. FILE.csv has a line of\n"
                 "names and numbers below it; without one, the program draws 1,000 rows of\n"
                 "Friedman's function.\n",
        .ends = "\nA run with --checkpoint may be killed at any moment: the same command goes on\n"
                "after the last whole epoch, and ends with the weights, to the bit, of a run that\n"
                "was never stopped; its curves show all of it. A FILE of a run with other\n"
                "settings is refused; --epochs may change. Remove it to begin again.\n"
                "Ctrl-C ends training early; what is there is reported and written as usual.\n"
                "Exit status: 0; 1 when something failed; 2 for a wrong option; 130 after Ctrl-C.\n",
        .row = rows,
        .n = sizeof rows / sizeof *rows,
    };
    if (!options_read(&o, argc, argv, &s->file, exit_status)) return false;
    *exit_status = EXIT_USAGE;
    if (s->save && s->checkpoint && strcmp(s->save, s->checkpoint) == 0) {
        fprintf(stderr, "regression: --checkpoint: '%s' is the file of --save, too\n", s->save);
        return false;
    }
    if (!s->target || s->file) return true;
    fprintf(stderr, "regression: --target: needs a table, FILE.csv\nTry 'regression --help'.\n");
    return false;
}

int main(int argc, char **argv) {
    run r = {0};
    ag_error error = {0};
    int exit_status;
    if (!read_settings(&r.set, argc, argv, &exit_status)) return exit_status;

    ag_status status = get_data(&r, &error);
    if (status == AG_OK) status = build_network(&r, &error);
    if (status == AG_OK) status = standardize(&r, &error);
    if (status == AG_OK) status = learn(&r, &error);
    if (status == AG_OK) status = predict(&r, &error);
    const bool written = status == AG_OK && write_files(&r);
    if (status == AG_OK) status = report(&r, &error);
    if (status != AG_OK) fprintf(stderr, "regression: %s\n", error.message);
    run_clear(&r);
    return status != AG_OK || !written || r.kept.status != AG_OK ? EXIT_FAILURE
           : interrupted                                         ? EXIT_INTERRUPTED
                                                                 : EXIT_SUCCESS;
}
