/* 14_width_and_depth: how well a network of a given size can follow a function.
 *
 * One hidden layer is enough to approximate any continuous function, if it is wide enough; that says nothing of how
 * wide, nor of whether training finds the weights. Here the function is
 *
 *     f(x) = sin(x) + 0.3 sin(5 x)        x in [-3, 3]
 *
 * and tanh networks of ever more hidden units learn it: first all units in one layer, then networks of two and three
 * layers of about the same sizes. All have the same samples, steps and rule (Adam), and each runs from three seeds;
 * the best and the worst are given: the root mean square error on points between the samples. Width helps at first,
 * and then training does not find what the extra units could do; depth, whose layers bend what is bent already, gets
 * further with the same number of parameters.
 *
 *     14_width_and_depth --plot width.svg      the function, and what three of them make of it */
#include <nn/nn.h>

#include "support/book_options.h"
#include "support/output.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES = 128, BETWEEN = SAMPLES - 1, STEPS = 2000, SEEDS = 3, MOST_LAYERS = 3 };
static const double RATE = 0.03;

/* Hidden layers: (width, ...), 0 ends. */
typedef struct shape {
    int64_t width[MOST_LAYERS + 1];
} shape;
static const shape SHAPE[] = {{{2}},   {{4}},    {{8}},      {{16}},     {{32}},      {{64}},
                              {{128}}, {{6, 6}}, {{12, 12}}, {{18, 18}}, {{8, 8, 8}}, {{12, 12, 12}}};
enum { SHAPES = sizeof SHAPE / sizeof *SHAPE };

/* The place of sample i; those to test on are half-way between. */
static double place(double i) { return -3 + 6 * i / (SAMPLES - 1); }
static double f(double x) { return sin(x) + 0.3 * sin(5 * x); }

/* Points and values, (n, 1) each. */
typedef struct points {
    ag_tensor *x, *y;
} points;

static ag_status points_init(points *p, int64_t n, double offset, ag_error *error) {
    const int64_t dim[] = {n, 1};
    p->x = ag_tensor_new(AG_F64, 2, dim, error);
    p->y = p->x ? ag_tensor_new(AG_F64, 2, dim, error) : NULL;
    if (!p->y) return error->status;
    double *x = ag_tensor_write(p->x), *y = ag_tensor_write(p->y);
    for (int64_t i = 0; i < n; i++) {
        x[i] = place((double)i + offset);
        y[i] = f(x[i]);
    }
    return AG_OK;
}

static void points_clear(points *p) {
    ag_tensor_free(p->x);
    ag_tensor_free(p->y);
}

static nn_module *network_new(const shape *s, ag_error *error) {
    int64_t sizes[MOST_LAYERS + 2] = {1};
    int n = 1;
    for (; n <= MOST_LAYERS && s->width[n - 1] > 0; n++) sizes[n] = s->width[n - 1];
    sizes[n++] = 1;
    return nn_mlp(sizes, n, NN_TANH, NULL, error);
}

/* What one network came to. */
typedef struct result {
    int64_t parameters;
    double best, worst;    /* of the seeds: root mean square error   */
    double curve[BETWEEN]; /* the best one's answers                 */
} result;

/* The mean squared error at the points; `answer` (NULL: not wanted), and the gradient when training. */
static ag_status pass_over(ag_tape *t, nn_module *net, const points *p, bool training, double *error_is,
                           double *answer, ag_error *error) {
    const ag_mark start = ag_tape_mark(t);
    nn_pass pass = {t, training};
    const ag_value y = nn_forward(net, &pass, ag_constant(t, p->x)); /* (n, 1) */
    const ag_value cost = nn_mse(y, ag_constant(t, p->y));
    ag_status status = training ? ag_backward(cost) : AG_OK;
    if (status == AG_OK && answer) status = ag_read_f64(y, answer, ag_tensor_count(p->y));
    *error_is = ag_item(cost);
    const ag_status recorded = ag_tape_rewind(t, start);
    return recorded == AG_OK ? status : ag_fail(error, recorded, "%s", ag_tape_message(t));
}

static ag_status learn(ag_tape *t, const shape *s, const points *train, const points *test, uint64_t seed,
                       result *r, ag_error *error) {
    double mse = 0, answer[BETWEEN];
    nn_module *net = network_new(s, error);
    nn_params *params = nn_params_new(net, AG_F64, seed, error);
    nn_optim *adam = nn_adam(params, RATE, error);
    const nn_schedule rate = nn_schedule_cosine(RATE, STEPS, 0);
    ag_status status = adam ? AG_OK : error->status;
    for (int step = 0; step < STEPS && status == AG_OK; step++) {
        nn_schedule_apply(&rate, adam);
        nn_optim_zero_grad(adam);
        status = pass_over(t, net, train, true, &mse, NULL, error);
        if (status == AG_OK) status = nn_optim_step(adam, error);
    }
    if (status == AG_OK) status = pass_over(t, net, test, false, &mse, answer, error);
    const double root = sqrt(mse);
    if (status == AG_OK) {
        r->parameters = nn_params_elements(params);
        r->worst = fmax(r->worst, root);
        if (root < r->best) {
            r->best = root;
            memcpy(r->curve, answer, sizeof answer);
        }
    }
    nn_optim_free(adam);
    nn_params_free(params);
    nn_module_free(net);
    return status;
}

static ag_status learn_all(uint64_t seed, result *r, ag_error *error) {
    points train = {0}, test = {0};
    ag_tape *t = ag_tape_new(NULL);
    ag_status status = t ? AG_OK : ag_fail(error, AG_ERROR_MEMORY, "no memory for a tape");
    if (status == AG_OK) status = points_init(&train, SAMPLES, 0, error);
    if (status == AG_OK) status = points_init(&test, BETWEEN, 0.5, error);
    for (int i = 0; i < SHAPES && status == AG_OK; i++) {
        r[i] = (result){.best = INFINITY};
        for (uint64_t k = 0; k < SEEDS && status == AG_OK; k++)
            status = learn(t, &SHAPE[i], &train, &test, seed + k, &r[i], error);
    }
    points_clear(&train);
    points_clear(&test);
    ag_tape_free(t);
    return status;
}

static void shape_text(const shape *s, char *text, size_t room) {
    int used = 0;
    for (int i = 0; i < MOST_LAYERS && s->width[i] > 0; i++)
        used += snprintf(text + used, room - (size_t)used, "%s%" PRId64, i > 0 ? "-" : "", s->width[i]);
}

/* The least error of the networks with so many hidden layers. */
static double least(const result *r, int layers) {
    double best = INFINITY;
    for (int i = 0; i < SHAPES; i++) {
        int n = 0;
        while (n < MOST_LAYERS && SHAPE[i].width[n] > 0) n++;
        if (n == layers) best = fmin(best, r[i].best);
    }
    return best;
}

static void print(const result *r) {
    char text[32];
    printf("sin(x) + 0.3 sin(5 x) from %d samples; the error between them, of %d seeds\n\n"
           "hidden      parameters      best     worst\n",
           SAMPLES, SEEDS);
    for (int i = 0; i < SHAPES; i++) {
        shape_text(&SHAPE[i], text, sizeof text);
        if (i > 0 && SHAPE[i].width[1] > 0 && SHAPE[i - 1].width[1] == 0) printf("\n");
        printf("%-10s  %10" PRId64 "  %8.5f  %8.5f\n", text, r[i].parameters, r[i].best, r[i].worst);
    }
    printf("\nleast error: one hidden layer %.3f, two %.3f, three %.3f\n", least(r, 1), least(r, 2), least(r, 3));
}

static ag_status draw(const char *path, const result *r, ag_error *error) {
    static const int drawn[] = {2, 4, 8}; /* 8, 32 and 12-12 */
    enum { DRAWN = sizeof drawn / sizeof *drawn };
    double x[BETWEEN], y[BETWEEN], size[SHAPES], best[SHAPES];
    char name[DRAWN][32];
    int wide = 0;
    for (int i = 0; i < BETWEEN; i++) {
        x[i] = place(i + 0.5);
        y[i] = f(x[i]);
    }
    for (int i = 0; i < SHAPES; i++) {
        size[i] = (double)r[i].parameters;
        best[i] = r[i].best;
        wide += SHAPE[i].width[1] == 0;
    }
    nn_curve curves[DRAWN + 1] = {{.name = "sin(x) + 0.3 sin(5 x)", .x = x, .y = y, .n = BETWEEN}};
    for (int i = 0; i < DRAWN; i++) {
        shape_text(&SHAPE[drawn[i]], name[i], sizeof name[i]);
        curves[i + 1] = (nn_curve){.name = name[i], .x = x, .y = r[drawn[i]].curve, .n = BETWEEN};
    }
    const nn_curve errors[] = {
        {.name = "one hidden layer", .x = size, .y = best, .n = wide},
        {.name = "two", .x = size + wide, .y = best + wide, .n = 3},
        {.name = "three", .x = size + wide + 3, .y = best + wide + 3, .n = SHAPES - wide - 3}};
    const nn_chart charts[] = {
        {.title = "The function and three networks", .x = {.name = "x"}, .curves = curves, .n = DRAWN + 1},
        {.title = "Error, best of the seeds",
         .x = {.name = "parameters", .scale = NN_SCALE_LOG},
         .y = {.scale = NN_SCALE_LOG},
         .curves = errors,
         .n = 3}};
    return nn_picture_write(path, &(nn_picture){.charts = charts, .n_charts = 2}, error);
}

int main(int argc, char **argv) {
    const char *path = NULL;
    int64_t seed = 1;
    int exit_status;
    const book_options options = {.program = "14_width_and_depth",
                                  .shows = "One function, followed by ever wider networks, and by deeper ones.\n",
                                  .seed = &seed,
                                  .plot = &path};
    if (!book_options_read(&options, argc, argv, &exit_status)) return exit_status;
    static result r[SHAPES];
    ag_error error = {0};
    ag_status status = learn_all((uint64_t)seed, r, &error);
    if (status == AG_OK) print(r);
    if (status == AG_OK && path) status = draw(path, r, &error);
    if (status != AG_OK) fprintf(stderr, "14_width_and_depth: %s\n", error.message);
    return output_end("14_width_and_depth", status == AG_OK ? EXIT_SUCCESS : EXIT_FAILURE);
}
