/* 07_worked_network: the best known worked example of backprop, run both ways.
 *
 * Two inputs, two hidden sigmoid units, two sigmoid outputs, eight weights, biases that are not trained, one sample:
 *
 *     h = sigmoid(W_1 i + b_1)    o = sigmoid(W_2 h + b_2)    E = 1/2 sum (t - o)^2    W -= 0.5 dE/dW
 *
 * The figures that are copied from page to page for this network are not those of gradient descent. They come out
 * only if W_2 is updated first, and the error is then sent back to the hidden layer through the *new* W_2: a
 * derivative that belongs to no function, half of it taken before the step and half after. With deltas in arrays the
 * slip is one line in the wrong place, and nothing complains, since the result still learns.
 *
 * In a graph it cannot happen by accident. dE/dW_1 is read off the records that made E, and these hold the W_2 that was
 * used. The mixture has to be asked for: take the output errors dE/dnet as numbers (ag_detach), move W_2, record
 * net once more with the moved W_2, and differentiate sum(errors * net). That is the second column. */
#include <autograd/autograd.h>

#include "support/book_options.h"
#include "support/output.h"

#include <stdio.h>
#include <stdlib.h>

enum { UNITS = 2, WEIGHTS = UNITS * UNITS, STEPS = 10000 };
static const int64_t vector[] = {UNITS}, matrix[] = {UNITS, UNITS};
static const double RATE = 0.5, INPUT[] = {0.05, 0.10}, TARGET[] = {0.01, 0.99}, B_1 = 0.35, B_2 = 0.60;

/* Row by row: what leads into the first unit, then what leads into the second. */
typedef struct network {
    double hidden[WEIGHTS], output[WEIGHTS]; /* w1 .. w4, w5 .. w8 */
} network;
static const network START = {{.15, .20, .25, .30}, {.40, .45, .50, .55}};

/* One pass, recorded. */
typedef struct pass {
    ag_value w_1, w_2;       /* (2, 2), leaves */
    ag_value h, net, output; /* (2); net is what goes into the outputs' sigmoid */
    ag_value error;          /* ()             */
} pass;

static ag_value layer(ag_value w, ag_value x, double bias) { return ag_add_number(ag_matmul(w, x), bias); }

static pass forward(ag_tape *t, const network *n) {
    const ag_value input = ag_array_constant(t, AG_F64, 1, vector, INPUT);
    const ag_value target = ag_array_constant(t, AG_F64, 1, vector, TARGET);
    pass p;
    p.w_1 = ag_array_leaf(t, AG_F64, 2, matrix, n->hidden);
    p.w_2 = ag_array_leaf(t, AG_F64, 2, matrix, n->output);
    p.h = ag_sigmoid(layer(p.w_1, input, B_1));
    p.net = layer(p.w_2, p.h, B_2);
    p.output = ag_sigmoid(p.net);
    p.error = ag_mul_number(ag_sum_all(ag_square(ag_sub(target, p.output))), 0.5);
    return p;
}

/* Gradient descent: both layers' gradients are those of one E. Recorded as dw = {dW_1, dW_2}. */
static ag_status true_gradients(const pass *p, ag_value *dw) {
    const ag_value wanted[] = {p->w_1, p->w_2};
    return ag_grad(&p->error, NULL, 1, wanted, 2, dw);
}

/* The published order: dW_2 first, and dW_1 through the W_2 that it has already moved. */
static ag_status published_gradients(const pass *p, ag_value *dw) {
    const ag_value wanted[] = {p->net, p->w_2};
    ag_value d[2];
    ag_status status = ag_grad(&p->error, NULL, 1, wanted, 2, d);
    if (status != AG_OK) return status;
    const ag_value output_errors = ag_detach(d[0]); /* (2): numbers from here on */
    const ag_value moved = ag_detach(ag_sub(p->w_2, ag_mul_number(d[1], RATE)));
    const ag_value mixture = ag_sum_all(ag_mul(output_errors, layer(moved, p->h, B_2)));
    dw[1] = d[1];
    return ag_grad(&mixture, NULL, 1, &p->w_1, 1, &dw[0]);
}

typedef ag_status gradient_function(const pass *p, ag_value *dw);

/* What is printed of one way of learning. */
typedef struct snapshot {
    double output[UNITS], error, dw_1[WEIGHTS];
} snapshot;

static void descend(double *w, const double *dw) {
    for (int i = 0; i < WEIGHTS; i++) w[i] -= RATE * dw[i];
}

/* Where the network stands, and then one step from there. */
static ag_status step(ag_tape *t, network *n, gradient_function *gradients, snapshot *seen) {
    const ag_mark start = ag_tape_mark(t);
    const pass p = forward(t, n);
    double dw_2[WEIGHTS];
    ag_value dw[2];
    *seen = (snapshot){.error = ag_item(p.error)};
    ag_status status = ag_read_f64(p.output, seen->output, UNITS);
    if (status == AG_OK) status = gradients(&p, dw);
    if (status == AG_OK) status = ag_read_f64(dw[0], seen->dw_1, WEIGHTS);
    if (status == AG_OK) status = ag_read_f64(dw[1], dw_2, WEIGHTS);
    if (status == AG_OK) {
        descend(n->hidden, seen->dw_1);
        descend(n->output, dw_2);
    }
    const ag_status recorded = ag_tape_rewind(t, start);
    return recorded == AG_OK ? status : recorded;
}

/* dE/dw_i by differences: from E alone, without any derivative. */
static double difference(ag_tape *t, int i) {
    const double h = 1e-6;
    network up = START, down = START;
    up.hidden[i] += h;
    down.hidden[i] -= h;
    return (ag_item(forward(t, &up).error) - ag_item(forward(t, &down).error)) / (2 * h);
}

static void print_line(const char *name, double gradient_descent, double published) {
    printf("  %-10s  %16.9f  %16.9f\n", name, gradient_descent, published);
}

static void print_both(int steps, const snapshot *a, const snapshot *b) {
    printf("\nafter %d step%s\n", steps, steps == 1 ? "" : "s");
    print_line("output 1", a->output[0], b->output[0]);
    print_line("output 2", a->output[1], b->output[1]);
    print_line("E", a->error, b->error);
}

static void print_gradients(ag_tape *t, const snapshot *a, const snapshot *b) {
    printf("\nthe gradient of the hidden weights there                 by differences of E\n");
    for (int i = 0; i < WEIGHTS; i++)
        printf("  dE/dw%d      %16.9f  %16.9f  %16.9f\n", i + 1, a->dw_1[i], b->dw_1[i], difference(t, i));
}

static ag_status compare(ag_tape *t) {
    network descending = START, mixing = START;
    printf("              gradient descent   published order\n");
    for (int steps = 0; steps <= STEPS; steps++) {
        snapshot a, b;
        ag_status status = step(t, &descending, true_gradients, &a);
        if (status == AG_OK) status = step(t, &mixing, published_gradients, &b);
        if (status != AG_OK) return status;
        if (steps == 0 || steps == 1 || steps == 100 || steps == STEPS) print_both(steps, &a, &b);
        if (steps == 0) print_gradients(t, &a, &b);
    }
    return ag_tape_status(t);
}

int main(int argc, char **argv) {
    int exit_status;
    const book_options options = {.program = "07_worked_network",
                                  .shows = "The best known worked example of backprop, run both ways.\n"};
    if (!book_options_read(&options, argc, argv, &exit_status)) return exit_status;
    ag_tape *t = ag_tape_new(NULL);
    if (!t) {
        fprintf(stderr, "07_worked_network: no memory for a tape\n");
        return EXIT_FAILURE;
    }
    const ag_status status = compare(t);
    if (status == AG_OK)
        printf("\nThe right column sends the error back through output weights that have already\n"
               "been moved. It still learns; but its steps are the gradient of nothing, and a\n"
               "check by differences finds it out.\n");
    else
        fprintf(stderr, "07_worked_network: %s\n", ag_tape_message(t));
    ag_tape_free(t);
    return output_end("07_worked_network", status == AG_OK ? EXIT_SUCCESS : EXIT_FAILURE);
}
