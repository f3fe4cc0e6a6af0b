/* 02_tensor: logistic regression by hand.
 *
 * Two clouds of points in the plane, and a line that learns to part them. Everything that `nn` would do for us is
 * written out: two parameters, a model, an objective, and gradient descent.
 *
 *     p(class 1 | x) = sigmoid(x . w + b)
 *     loss           = -mean(t log p + (1 - t) log(1 - p))
 *
 * A *tensor* holds numbers and outlives tapes: parameters, data. A *value* is a step of a computation and lives on
 * a tape until the rewind. ag_leaf and ag_constant bring the first into the second. Next: 03_custom_op. */
#include <autograd/autograd.h>

#include "support/output.h"

#include <stdio.h>
#include <stdlib.h>

enum { SAMPLES = 200, STEPS = 100 };
static const double LEARNING_RATE = 0.5;

/* Class 0 around (-1, -1), class 1 around (1, 1): x (SAMPLES, 2), t (SAMPLES, 1). */
static void draw_samples(ag_tensor *x, ag_tensor *t) {
    ag_random random = {.seed = 7};
    double *point = ag_tensor_write(x), *label = ag_tensor_write(t);
    for (int i = 0; i < SAMPLES; i++) {
        label[i] = i % 2;
        const double centre = label[i] > 0 ? 1 : -1;
        point[2 * i] = centre + ag_random_normal(&random);
        point[2 * i + 1] = centre + ag_random_normal(&random);
    }
}

/* x (n, 2) times w (2, 1) is (n, 1); b (1) is added to every row: it broadcasts. */
static ag_value model(ag_value x, ag_value w, ag_value b) { return ag_sigmoid(ag_add(ag_matmul(x, w), b)); }

/* p, t (n, 1). The mean over n of what each sample costs. */
static ag_value cross_entropy(ag_value p, ag_value t) {
    const ag_value one = ag_number(p, 1);
    const ag_value hit = ag_mul(t, ag_log(p));
    const ag_value miss = ag_mul(ag_sub(one, t), ag_log(ag_sub(one, p)));
    return ag_neg(ag_mean_all(ag_add(hit, miss)));
}

/* The share of samples on their own side of the line: comparisons are operations, too. */
static ag_value accuracy(ag_value p, ag_value t) {
    return ag_mean_all(ag_cast(ag_eq(ag_gt(p, ag_number(p, 0.5)), ag_gt(t, ag_number(t, 0.5))), AG_F64));
}

/* Gradient descent: against the gradient, in small steps. */
static void descend(ag_tensor *parameter) {
    const double *gradient = ag_tensor_grad(parameter);
    if (!gradient) return; /* a failed backward left none; the rewind will tell */
    double *number = ag_tensor_write(parameter);
    for (int64_t i = 0; i < ag_tensor_count(parameter); i++) number[i] -= LEARNING_RATE * gradient[i];
    ag_tensor_zero_grad(parameter); /* backward adds; the next step should begin at zero */
}

int main(void) {
    const int64_t x_dim[] = {SAMPLES, 2}, t_dim[] = {SAMPLES, 1}, w_dim[] = {2, 1}, b_dim[] = {1};
    ag_error error = {0};
    ag_tensor *x = ag_tensor_new(AG_F64, 2, x_dim, &error), *t = ag_tensor_new(AG_F64, 2, t_dim, &error);
    ag_tensor *w = ag_tensor_new(AG_F64, 2, w_dim, &error), *b = ag_tensor_new(AG_F64, 1, b_dim, &error);
    ag_tape *tape = ag_tape_new(NULL);
    ag_status status = x && t && w && b && tape ? AG_OK : AG_ERROR_MEMORY;
    if (status == AG_OK) draw_samples(x, t);

    for (int step = 0; step <= STEPS && status == AG_OK; step++) {
        const ag_mark start = ag_tape_mark(tape);
        const ag_value truth = ag_constant(tape, t);
        const ag_value p = model(ag_constant(tape, x), ag_leaf(tape, w), ag_leaf(tape, b));
        const ag_value loss = cross_entropy(p, truth);
        if (step % 20 == 0)
            printf("step %3d  loss %.4f  accuracy %.3f\n", step, ag_item(loss), ag_item(accuracy(p, truth)));
        if (ag_backward(loss) == AG_OK) {
            descend(w);
            descend(b);
        }
        status = ag_tape_rewind(tape, start); /* the step's records are gone, w and b are not */
    }

    if (status == AG_OK)
        printf("the line: %.3f x %+.3f y %+.3f = 0\n", ag_tensor_get(w, 0), ag_tensor_get(w, 1),
               ag_tensor_get(b, 0));
    else
        fprintf(stderr, "02_tensor: %s\n", tape ? ag_tape_message(tape) : ag_status_text(status));
    ag_tape_free(tape);
    ag_tensor_free(x);
    ag_tensor_free(t);
    ag_tensor_free(w);
    ag_tensor_free(b);
    return output_end("02_tensor", status == AG_OK ? EXIT_SUCCESS : EXIT_FAILURE);
}
