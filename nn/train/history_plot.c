/* history_plot: the charts of a training run. */
#include "../history.h"

#include "../picture.h"

#include <math.h>
#include <stdio.h>

enum { MOST_CHARTS = 2 + NN_FIT_METRICS, MOST_CURVES = 3 + 2 * NN_FIT_METRICS, NAME = 64 };

/* Everything a picture points to. */
typedef struct plot {
    const nn_history *h;
    double *numbers; /* columns of h->count, the first of which holds the epochs */
    int n_columns, n_curves, n_charts;
    nn_curve curve[MOST_CURVES];
    char name[MOST_CURVES][NAME];
    nn_chart chart[MOST_CHARTS];
} plot;

static double *column(plot *p) { return p->numbers + (size_t)p->n_columns++ * p->h->count; }

/* Whether two numbers of a column differ, and whether all that are there lie in [0, 1]. */
static bool varies(const double *x, size_t n) {
    for (size_t i = 1; i < n; i++)
        if (x[i] != x[0]) return true;
    return false;
}
static bool is_share(const double *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (x[i] < 0 || x[i] > 1) return false; /* NaN is not there */
    return true;
}
static bool is_there(const double *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!isnan(x[i])) return true;
    return false;
}

static nn_chart *add_chart(plot *p, const char *title, nn_scale scale) {
    nn_chart *c = &p->chart[p->n_charts++];
    *c = (nn_chart){.title = title, .x = {"epoch", NN_SCALE_LINEAR, true}, .y = {.scale = scale}};
    c->curves = &p->curve[p->n_curves];
    return c;
}

/* A curve of the last chart. Training is a line, validation of the same thing dashed. */
static void add_curve(plot *p, const double *y, const char *of, bool validation, int colour) {
    char *name = p->name[p->n_curves];
    const char *which = validation ? "validation" : "training";
    (void)snprintf(name, NAME, "%.40s%s%s", of ? of : "", of ? ", " : "", which);
    p->curve[p->n_curves++] = (nn_curve){.name = name,
                                         .x = p->numbers,
                                         .y = y,
                                         .n = (int64_t)p->h->count,
                                         .colour = colour,
                                         .dash = validation ? 2 : 1};
    p->chart[p->n_charts - 1].n++;
}

static void add_loss(plot *p) {
    const size_t n = p->h->count;
    double *loss = column(p), *validation = column(p);
    for (size_t i = 0; i < n; i++) {
        loss[i] = p->h->epoch[i].loss;
        validation[i] = p->h->epoch[i].validation_loss;
    }
    add_chart(p, "Loss", NN_SCALE_AUTO);
    add_curve(p, loss, NULL, false, 1);
    if (is_there(validation, n)) add_curve(p, validation, NULL, true, 2);
}

/* Shares, such as an accuracy, are in one chart; any other metric has units and a chart of its own. */
static void add_metrics(plot *p) {
    const size_t n = p->h->count, metrics = p->h->metrics;
    double *value[NN_FIT_METRICS], *validation[NN_FIT_METRICS];
    size_t shares = 0;
    bool share[NN_FIT_METRICS];
    for (size_t k = 0; k < metrics; k++) {
        value[k] = column(p);
        validation[k] = column(p);
        for (size_t i = 0; i < n; i++) {
            value[k][i] = p->h->epoch[i].metric[k];
            validation[k][i] = p->h->epoch[i].validation_metric[k];
        }
        share[k] = is_share(value[k], n) && is_share(validation[k], n);
        shares += share[k];
    }
    if (shares > 1) add_chart(p, "Metrics", NN_SCALE_LINEAR);
    for (size_t k = 0; shares > 1 && k < metrics; k++) {
        if (!share[k]) continue;
        add_curve(p, value[k], p->h->name[k], false, (int)k + 1);
        if (is_there(validation[k], n)) add_curve(p, validation[k], p->h->name[k], true, (int)k + 1);
    }
    for (size_t k = 0; k < metrics; k++) {
        if (share[k] && shares > 1) continue;
        add_chart(p, p->h->name[k], share[k] ? NN_SCALE_LINEAR : NN_SCALE_AUTO);
        add_curve(p, value[k], NULL, false, 1);
        if (is_there(validation[k], n)) add_curve(p, validation[k], NULL, true, 2);
    }
}

static void add_rate(plot *p) {
    double *rate = column(p);
    for (size_t i = 0; i < p->h->count; i++) rate[i] = p->h->epoch[i].lr;
    if (!varies(rate, p->h->count)) return;
    add_chart(p, "Learning rate", NN_SCALE_AUTO)->low = true;
    add_curve(p, rate, NULL, false, 6);
    p->curve[p->n_curves - 1].name = NULL;
}

ag_status nn_history_plot(const nn_history *h, const char *path, ag_error *error) {
    ag_status status = nn_picture_check(path, error);
    if (status) return status;
    plot p = {.h = h};
    size_t bytes = 0;
    if (h->metrics > NN_FIT_METRICS) return ag_fail(error, AG_ERROR_VALUE, "nn_history_plot: too many metrics");
    if (ag_size_mul((4 + 2 * h->metrics) * sizeof *p.numbers, h->count, &bytes)) p.numbers = ag_alloc(bytes);
    if (!p.numbers) return ag_fail(error, AG_ERROR_MEMORY, "%.300s: no memory for its curves", path);
    double *epochs = column(&p);
    for (size_t i = 0; i < h->count; i++) epochs[i] = (double)h->epoch[i].epoch + 1;
    add_loss(&p);
    add_metrics(&p);
    add_rate(&p);
    status = nn_picture_write(path, &(nn_picture){.charts = p.chart, .n_charts = p.n_charts}, error);
    ag_release(p.numbers, bytes);
    return status;
}
