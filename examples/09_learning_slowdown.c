/* 09_learning_slowdown: a neuron that is badly wrong should learn fast. Whether it does is a matter of the cost.
 *
 * One sigmoid neuron, input 1, target 0, started at w = b = 2, where it says 0.98. With z = w x + b, a = sigmoid(z):
 *
 *     quadratic       C = (a - t)^2 / 2                        dC/dz = (a - t) a (1 - a)
 *     cross-entropy   C = -(t log a + (1 - t) log(1 - a))      dC/dz = a - t
 *
 * The factor a (1 - a), the sigmoid's slope, is 0.018 at the start: the neuron is sure of itself, and hardly learns. In
 * the cross-entropy the logarithm cancels it. Neither derivative is written below; the graph has both.
 *
 * The rates are 0.15 and 0.005. Thirty times slower by its rate, the second neuron is still the better one for half
 * of the run: look at the shapes. The quadratic curve lies flat for a hundred and fifty epochs and then falls; its
 * gradient is largest somewhere on the way. That of the cross-entropy is largest at the start, where the neuron is
 * most wrong. At equal rates there is no race, as the last line says.
 *
 *     09_learning_slowdown --plot slowdown.svg      both curves */
#include <nn/nn.h>

#include "support/book_options.h"
#include "support/output.h"

#include <stdio.h>
#include <stdlib.h>

enum { EPOCHS = 300, POINTS = EPOCHS + 1 };
static const double INPUT = 1, TARGET = 0, START = 2;

/* The cost as a function of z; the logit itself where that keeps the digits. */
typedef ag_value cost_function(ag_value z, ag_value target);
static ag_value quadratic(ag_value z, ag_value t) {
    return ag_mul_number(ag_square(ag_sub(ag_sigmoid(z), t)), 0.5);
}
static ag_value cross_entropy(ag_value z, ag_value t) { return ag_sub(ag_softplus(z), ag_mul(t, z)); }

/* One run: what the neuron said, what it cost, and how fast it went, before each epoch. */
typedef struct history {
    double output[POINTS], cost[POINTS], slope[POINTS]; /* slope: dC/dw, which is dC/db */
} history;

static ag_status learn(ag_tape *t, cost_function *cost_of, double rate, history *h) {
    double w = START, b = START;
    for (int epoch = 0; epoch < POINTS; epoch++) {
        const ag_mark start = ag_tape_mark(t);
        const ag_value weight = ag_scalar(t, w), bias = ag_scalar(t, b);
        const ag_value z = ag_add(ag_mul_number(weight, INPUT), bias);
        const ag_value cost = cost_of(z, ag_scalar_constant(t, TARGET));
        h->output[epoch] = ag_item(ag_sigmoid(z));
        h->cost[epoch] = ag_item(cost);
        ag_backward(cost); /* should it fail, the rewind says so */
        h->slope[epoch] = ag_item_grad(weight);
        w -= rate * ag_item_grad(weight);
        b -= rate * ag_item_grad(bias);
        const ag_status status = ag_tape_rewind(t, start);
        if (status != AG_OK) return status;
    }
    return AG_OK;
}

/* The first epoch at which the output is below `level`. */
static int below(const history *h, double level) {
    int epoch = 0;
    while (epoch < EPOCHS && h->output[epoch] >= level) epoch++;
    return epoch;
}

/* The epoch with the largest gradient. */
static int steepest(const history *h) {
    int epoch = 0;
    for (int i = 1; i < POINTS; i++)
        if (h->slope[i] > h->slope[epoch]) epoch = i;
    return epoch;
}

/* The first epoch at which a's output is the lower one. */
static int overtakes(const history *a, const history *b) {
    int epoch = 1;
    while (epoch < EPOCHS && a->output[epoch] >= b->output[epoch]) epoch++;
    return epoch;
}

/* A bar that is as long as the output is high. */
static const char BAR[] = "##################";
static int length(double output) { return (int)(output * (double)(sizeof BAR - 1) + 0.5); }

static void print(const history *q, const history *c, const history *fast) {
    printf("epoch  quadratic, rate 0.15                 cross-entropy, rate 0.005\n"
           "       output    cost                       output    cost\n");
    for (int epoch = 0; epoch < POINTS; epoch += 20)
        printf("%5d  %.4f  %.4f  %-*.*s   %.4f  %.4f  %.*s\n", epoch, q->output[epoch], q->cost[epoch],
               (int)sizeof BAR - 1, length(q->output[epoch]), BAR, c->output[epoch], c->cost[epoch],
               length(c->output[epoch]), BAR);
    printf("\ndC/dw at the start: %.4f and %.4f; it is largest in epoch %d and epoch %d\n", q->slope[0],
           c->slope[0], steepest(q), steepest(c));
    printf("the quadratic neuron, at thirty times the rate, is behind until epoch %d\n", overtakes(q, c));
    printf("both at rate 0.15: an output below 0.5 after %d epochs, and after %d\n", below(q, 0.5),
           below(fast, 0.5));
}

static ag_status draw(const char *path, const history *q, const history *c, ag_error *error) {
    double epoch[POINTS];
    for (int i = 0; i < POINTS; i++) epoch[i] = i;
    const nn_curve curves[2][2] = {{{.name = "output", .x = epoch, .y = q->output, .n = POINTS},
                                    {.name = "cost", .x = epoch, .y = q->cost, .n = POINTS}},
                                   {{.name = "output", .x = epoch, .y = c->output, .n = POINTS},
                                    {.name = "cost", .x = epoch, .y = c->cost, .n = POINTS}}};
    const nn_axis time = {.name = "epoch", .whole = true}, height = {.scale = NN_SCALE_LINEAR};
    const nn_chart charts[] = {
        {.title = "Quadratic cost, rate 0.15", .x = time, .y = height, .curves = curves[0], .n = 2},
        {.title = "Cross-entropy, rate 0.005", .x = time, .y = height, .curves = curves[1], .n = 2}};
    return nn_picture_write(path, &(nn_picture){.charts = charts, .n_charts = 2}, error);
}

int main(int argc, char **argv) {
    const char *path = NULL;
    int exit_status;
    const book_options options = {
        .program = "09_learning_slowdown",
        .shows = "One badly wrong neuron learns by the quadratic cost and by cross-entropy.\n",
        .plot = &path};
    if (!book_options_read(&options, argc, argv, &exit_status)) return exit_status;
    history q, c, fast;
    ag_error error = {0};
    ag_tape *t = ag_tape_new(NULL);
    ag_status status = t ? AG_OK : ag_fail(&error, AG_ERROR_MEMORY, "no memory for a tape");
    if (status == AG_OK) {
        status = learn(t, quadratic, 0.15, &q);
        if (status == AG_OK) status = learn(t, cross_entropy, 0.005, &c);
        if (status == AG_OK) status = learn(t, cross_entropy, 0.15, &fast);
        if (status != AG_OK) ag_fail(&error, status, "%s", ag_tape_message(t));
    }
    if (status == AG_OK) print(&q, &c, &fast);
    if (status == AG_OK && path) status = draw(path, &q, &c, &error);
    if (status != AG_OK) fprintf(stderr, "09_learning_slowdown: %s\n", error.message);
    ag_tape_free(t);
    return output_end("09_learning_slowdown", status == AG_OK ? EXIT_SUCCESS : EXIT_FAILURE);
}
