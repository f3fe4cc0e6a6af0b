/* 12_dropout: a network with more weights than it has samples to learn from, with and without dropout.
 *
 * 500 drawn digits and 784-100-10 with ReLU, 79,510 numbers to fit them with: nothing keeps the network from learning
 * each digit by heart, and its loss in training goes to 0. On digits that it has not seen the loss falls, and then
 * rises again, while the network gets ever more sure of what it gets wrong: it overfits. Dropout sets half of the
 * pixels and half of the hidden units to zero at random, others in every step, and doubles the rest: no unit can rely
 * on another one's presence. Training is harder, and slower; what is learnt carries further.
 *
 * Scores are those of the network in use, where nothing is dropped - in training, too.
 *
 *     12_dropout --plot dropout.svg      both runs */
#include <nn/nn.h>

#include "support/book_options.h"
#include "support/classifier.h"
#include "support/output.h"

#include <stdio.h>
#include <stdlib.h>

enum { PIXELS = 784, HIDDEN = 100, DIGITS = 10, TRAIN = 500, TEST = 1000, BATCH = 20 };
enum { EPOCHS = 150, EVERY = 10, POINTS = EPOCHS / EVERY + 1, RUNS = 2 };
static const double RATE = 0.1, DROPPED[RUNS] = {0, 0.5};

/* By run and point; points are EVERY epochs apart. */
typedef struct history {
    double train_loss[RUNS][POINTS], test_loss[RUNS][POINTS];
    double train_accuracy[RUNS][POINTS], test_accuracy[RUNS][POINTS];
} history;

static nn_module *network_new(double dropped, ag_error *error) {
    const nn_init weight = nn_init_he_normal(), bias = nn_init_constant(0);
    nn_module *const layers[] = {
        nn_dropout(dropped, error),
        nn_linear_with(PIXELS, HIDDEN, weight, true, bias, error),
        nn_activation_layer(NN_RELU, error),
        nn_dropout(dropped, error),
        nn_linear_with(HIDDEN, DIGITS, weight, true, bias, error),
    };
    return nn_sequential(layers, 5, error);
}

static ag_status measure(classifier *c, const nn_dataset *train, const nn_dataset *test, history *h, int run,
                         int point, ag_error *error) {
    classifier_score on_train = {0}, on_test = {0};
    ag_status status = classifier_measure(c, train, &on_train, error);
    if (status == AG_OK) status = classifier_measure(c, test, &on_test, error);
    h->train_loss[run][point] = on_train.loss;
    h->test_loss[run][point] = on_test.loss;
    h->train_accuracy[run][point] = on_train.accuracy;
    h->test_accuracy[run][point] = on_test.accuracy;
    return status;
}

static ag_status learn(int run, const nn_dataset *train, const nn_dataset *test, uint64_t seed, history *h,
                       ag_error *error) {
    classifier c = {0};
    nn_batcher *batches = nn_batcher_new(train, BATCH, true, seed, error);
    ag_status status =
        batches ? classifier_init(&c, network_new(DROPPED[run], error), RATE, seed, error) : error->status;
    for (int epoch = 0; epoch <= EPOCHS && status == AG_OK; epoch++) {
        if (epoch > 0) status = classifier_epoch(&c, batches, epoch, error);
        if (status == AG_OK && epoch % EVERY == 0) status = measure(&c, train, test, h, run, epoch / EVERY, error);
    }
    classifier_clear(&c);
    nn_batcher_free(batches);
    return status;
}

static ag_status learn_all(uint64_t seed, history *h, ag_error *error) {
    nn_dataset train = {0}, test = {0};
    ag_status status = nn_dataset_digits(TRAIN, seed, &train, error);
    if (status == AG_OK) status = nn_dataset_digits(TEST, ~seed, &test, error);
    for (int run = 0; run < RUNS && status == AG_OK; run++) status = learn(run, &train, &test, seed, h, error);
    nn_dataset_clear(&train);
    nn_dataset_clear(&test);
    return status;
}

static int lowest(const double *loss) {
    int at = 0;
    for (int i = 1; i < POINTS; i++)
        if (loss[i] < loss[at]) at = i;
    return at;
}

static void print(const history *h) {
    printf("%d-%d-%d learns from %d digits; tested on %d others\n\n"
           "       without dropout                     half of pixels and hidden units dropped\n"
           "epoch  loss, training, test  accuracy      loss, training, test  accuracy\n",
           PIXELS, HIDDEN, DIGITS, TRAIN, TEST);
    for (int i = 0; i < POINTS; i++) {
        printf("%5d", i * EVERY);
        for (int run = 0; run < RUNS; run++)
            printf("  %7.4f  %7.4f  %5.1f %%  %5.1f %%", h->train_loss[run][i], h->test_loss[run][i],
                   100 * h->train_accuracy[run][i], 100 * h->test_accuracy[run][i]);
        printf("\n");
    }
    const int without = lowest(h->test_loss[0]), with = lowest(h->test_loss[1]);
    printf("\nlowest test loss: %.4f in epoch %d without, %.4f in epoch %d with dropout\n",
           h->test_loss[0][without], without * EVERY, h->test_loss[1][with], with * EVERY);
    printf("at the end the test loss is %.0f and %.0f times that in training\n",
           h->test_loss[0][POINTS - 1] / h->train_loss[0][POINTS - 1],
           h->test_loss[1][POINTS - 1] / h->train_loss[1][POINTS - 1]);
}

static ag_status draw(const char *path, const history *h, ag_error *error) {
    double epoch[POINTS];
    for (int i = 0; i < POINTS; i++) epoch[i] = i * EVERY;
    /* A colour for each network; what it was not trained on is dashed. */
    const nn_curve loss[] = {
        {.name = "training, without dropout",
         .x = epoch,
         .y = h->train_loss[0],
         .n = POINTS,
         .colour = 1,
         .dash = 1},
        {.name = "test, without dropout", .x = epoch, .y = h->test_loss[0], .n = POINTS, .colour = 1, .dash = 2},
        {.name = "training, with dropout", .x = epoch, .y = h->train_loss[1], .n = POINTS, .colour = 2, .dash = 1},
        {.name = "test, with dropout", .x = epoch, .y = h->test_loss[1], .n = POINTS, .colour = 2, .dash = 2}};
    const nn_curve accuracy[] = {
        {.name = "without dropout", .x = epoch, .y = h->test_accuracy[0], .n = POINTS, .colour = 1, .dash = 2},
        {.name = "with dropout", .x = epoch, .y = h->test_accuracy[1], .n = POINTS, .colour = 2, .dash = 2}};
    const nn_axis time = {.name = "epoch", .whole = true}, height = {.scale = NN_SCALE_LINEAR};
    const nn_chart charts[] = {
        {.title = "Loss (nats)", .x = time, .y = height, .curves = loss, .n = 4},
        {.title = "Accuracy on the test digits", .x = time, .y = height, .curves = accuracy, .n = 2}};
    return nn_picture_write(path, &(nn_picture){.charts = charts, .n_charts = 2}, error);
}

int main(int argc, char **argv) {
    const char *path = NULL;
    int64_t seed = 1;
    int exit_status;
    const book_options options = {.program = "12_dropout",
                                  .shows =
                                      "Overfitting of a network with too few samples, with and without dropout.\n",
                                  .seed = &seed,
                                  .plot = &path};
    if (!book_options_read(&options, argc, argv, &exit_status)) return exit_status;
    history h;
    ag_error error = {0};
    ag_status status = learn_all((uint64_t)seed, &h, &error);
    if (status == AG_OK) print(&h);
    if (status == AG_OK && path) status = draw(path, &h, &error);
    if (status != AG_OK) fprintf(stderr, "12_dropout: %s\n", error.message);
    return output_end("12_dropout", status == AG_OK ? EXIT_SUCCESS : EXIT_FAILURE);
}
