/* 11_initialisation: how large the first weights should be.
 *
 * A neuron adds up n_in products. With weights from N(0, 1), and half of a thousand inputs on, its sum z is spread over
 * sqrt(501) = 22: almost every sigmoid starts saturated, on one side or the other, where its slope is nothing and
 * learning slow. Dividing by the root of the number of inputs keeps z where the sigmoid bends:
 *
 *     N(0, 1)             weights and bias
 *     1/sqrt(n_in + 1)    deviation of weights and bias
 *     Xavier              deviation sqrt(2 / (n_in + n_out)), bias 0: made for tanh
 *     He                  deviation sqrt(2 / n_in), bias 0: made for ReLU, which loses half of its input
 *
 * First the spread of z, computed and measured, and what share of the neurons is saturated (slope below a tenth of the
 * largest, 1/4); then the same network learning to read digits from each of the four, all else equal.
 *
 *     11_initialisation --plot initialisation.svg      the learning curves */
#include <nn/nn.h>

#include "support/book_options.h"
#include "support/classifier.h"
#include "support/output.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { KINDS = 4, INPUTS = 1000, ON = 500, NEURONS = 1000 };
enum {
    PIXELS = 784,
    HIDDEN = 30,
    DIGITS = 10,
    TRAIN = 2000,
    TEST = 1000,
    BATCH = 20,
    EPOCHS = 10,
    POINTS = EPOCHS + 1
};
static const double RATE = 0.1;
static const char *const NAME[KINDS] = {"N(0, 1)", "1/sqrt(n_in+1)", "Xavier", "He"};

/* Of a layer: how its weights and its biases begin. */
typedef struct beginning {
    nn_init weight, bias;
} beginning;

static beginning beginning_of(int kind, int64_t n_in) {
    switch (kind) {
    case 0: return (beginning){nn_init_standard_gaussian(), nn_init_standard_gaussian()};
    case 1: return (beginning){nn_init_gaussian(), nn_init_normal(0, 1 / sqrt((double)n_in + 1))};
    case 2: return (beginning){nn_init_xavier_normal(1), nn_init_constant(0)};
    default: return (beginning){nn_init_he_normal(), nn_init_constant(0)};
    }
}

/* ---- the spread of pre-activations --------------------------------------------------------------------------- */

/* sqrt(ON var(weight) + var(bias)) */
static double spread_computed(int kind) {
    switch (kind) {
    case 0: return sqrt(ON + 1);
    case 1: return sqrt((ON + 1) / (INPUTS + 1.0));
    case 2: return sqrt(ON * 2.0 / (INPUTS + NEURONS));
    default: return sqrt(ON * 2.0 / INPUTS);
    }
}

/* z = W x + b of NEURONS neurons for an x of which ON are 1 and the rest 0. */
static ag_status spread_measured(int kind, uint64_t seed, double *spread, double *saturated, ag_error *error) {
    static double x[INPUTS], z[NEURONS];
    const beginning first = beginning_of(kind, INPUTS);
    nn_module *layer = nn_linear_with(INPUTS, NEURONS, first.weight, true, first.bias, error);
    nn_params *params = nn_params_new(layer, AG_F64, seed, error);
    ag_tape *t = ag_tape_new(NULL);
    ag_status status = params ? AG_OK : error->status;
    if (status == AG_OK && !t) status = ag_fail(error, AG_ERROR_MEMORY, "no memory for a tape");
    if (status == AG_OK) {
        for (int i = 0; i < INPUTS; i++) x[i] = i < ON;
        nn_pass pass = {t, false};
        const ag_value input = ag_array_constant(t, AG_F64, 1, (const int64_t[]){INPUTS}, x);
        status = ag_read_f64(nn_forward(layer, &pass, input), z, NEURONS);
        if (status != AG_OK) ag_fail(error, status, "%s", ag_tape_message(t));
    }
    double squares = 0, flat = 0;
    for (int i = 0; i < NEURONS; i++) {
        const double y = 1 / (1 + exp(-z[i]));
        squares += z[i] * z[i];
        flat += y * (1 - y) < 0.025;
    }
    *spread = sqrt(squares / NEURONS);
    *saturated = flat / NEURONS;
    ag_tape_free(t);
    nn_params_free(params);
    nn_module_free(layer);
    return status;
}

static ag_status print_spreads(uint64_t seed, ag_error *error) {
    printf("a neuron with %d inputs, %d of them on: the spread of z over %d neurons\n\n"
           "                    computed  measured  saturated\n",
           INPUTS, ON, NEURONS);
    for (int kind = 0; kind < KINDS; kind++) {
        double spread, saturated;
        const ag_status status = spread_measured(kind, seed, &spread, &saturated, error);
        if (status != AG_OK) return status;
        printf("  %-16s  %8.3f  %8.3f  %7.1f %%\n", NAME[kind], spread_computed(kind), spread, 100 * saturated);
    }
    return AG_OK;
}

/* ---- learning curves ----------------------------------------------------------------------------------------- */

static nn_module *network_new(int kind, ag_error *error) {
    const beginning first = beginning_of(kind, PIXELS), second = beginning_of(kind, HIDDEN);
    nn_module *const layers[] = {
        nn_linear_with(PIXELS, HIDDEN, first.weight, true, first.bias, error),
        nn_activation_layer(NN_SIGMOID, error),
        nn_linear_with(HIDDEN, DIGITS, second.weight, true, second.bias, error),
    };
    return nn_sequential(layers, 3, error);
}

/* Before the first epoch and after each, on digits that were not trained on. */
typedef struct curves {
    double loss[KINDS][POINTS], accuracy[KINDS][POINTS];
} curves;

static ag_status learn(int kind, const nn_dataset *train, const nn_dataset *test, uint64_t seed, curves *out,
                       ag_error *error) {
    classifier c = {0};
    nn_batcher *batches = nn_batcher_new(train, BATCH, true, seed, error);
    ag_status status = batches ? classifier_init(&c, network_new(kind, error), RATE, seed, error) : error->status;
    for (int epoch = 0; epoch < POINTS && status == AG_OK; epoch++) {
        classifier_score score = {0};
        if (epoch > 0) status = classifier_epoch(&c, batches, epoch, error);
        if (status == AG_OK) status = classifier_measure(&c, test, &score, error);
        out->loss[kind][epoch] = score.loss;
        out->accuracy[kind][epoch] = score.accuracy;
    }
    classifier_clear(&c);
    nn_batcher_free(batches);
    return status;
}

static ag_status learn_all(uint64_t seed, curves *out, ag_error *error) {
    nn_dataset train = {0}, test = {0};
    ag_status status = nn_dataset_digits(TRAIN, seed, &train, error);
    if (status == AG_OK) status = nn_dataset_digits(TEST, ~seed, &test, error);
    for (int kind = 0; kind < KINDS && status == AG_OK; kind++)
        status = learn(kind, &train, &test, seed, out, error);
    nn_dataset_clear(&train);
    nn_dataset_clear(&test);
    return status;
}

static void print_curves(const curves *c) {
    printf("\n%d-%d-%d, sigmoid, learns from %d drawn digits: loss and accuracy on %d others\n\nepoch", PIXELS,
           HIDDEN, DIGITS, TRAIN, TEST);
    for (int kind = 0; kind < KINDS; kind++) printf("  %16s", NAME[kind]);
    printf("\n");
    for (int epoch = 0; epoch < POINTS; epoch++) {
        printf("%5d", epoch);
        for (int kind = 0; kind < KINDS; kind++)
            printf("     %5.3f %5.1f %%", c->loss[kind][epoch], 100 * c->accuracy[kind][epoch]);
        printf("\n");
    }
}

static ag_status draw(const char *path, const curves *c, ag_error *error) {
    double epoch[POINTS];
    for (int i = 0; i < POINTS; i++) epoch[i] = i;
    nn_curve loss[KINDS], accuracy[KINDS];
    for (int kind = 0; kind < KINDS; kind++) {
        loss[kind] = (nn_curve){.name = NAME[kind], .x = epoch, .y = c->loss[kind], .n = POINTS};
        accuracy[kind] = (nn_curve){.name = NAME[kind], .x = epoch, .y = c->accuracy[kind], .n = POINTS};
    }
    const nn_axis time = {.name = "epoch", .whole = true}, height = {.scale = NN_SCALE_LINEAR};
    const nn_chart charts[] = {
        {.title = "Loss on the other digits (nats)", .x = time, .y = height, .curves = loss, .n = KINDS},
        {.title = "Accuracy", .x = time, .y = height, .curves = accuracy, .n = KINDS}};
    return nn_picture_write(path, &(nn_picture){.charts = charts, .n_charts = 2}, error);
}

int main(int argc, char **argv) {
    const char *path = NULL;
    int64_t seed = 1;
    int exit_status;
    const book_options options = {
        .program = "11_initialisation",
        .shows = "First weights of four sizes: the spread of pre-activations, and learning.\n",
        .seed = &seed,
        .plot = &path};
    if (!book_options_read(&options, argc, argv, &exit_status)) return exit_status;
    curves c;
    ag_error error = {0};
    ag_status status = print_spreads((uint64_t)seed, &error);
    if (status == AG_OK) status = learn_all((uint64_t)seed, &c, &error);
    if (status == AG_OK) print_curves(&c);
    if (status == AG_OK && path) status = draw(path, &c, &error);
    if (status != AG_OK) fprintf(stderr, "11_initialisation: %s\n", error.message);
    return output_end("11_initialisation", status == AG_OK ? EXIT_SUCCESS : EXIT_FAILURE);
}
