/* 06_hessian: second derivatives.
 *
 * A gradient says which way is down; the matrix of second derivatives, the Hessian, says how the way bends. With both
 * one can jump to where the bend says the bottom is: Newton's method. The valley here is Rosenbrock's,
 *
 *     f(x, y) = (1 - x)^2 + 100 (y - x^2)^2
 *
 * narrow, curved, its bottom at (1, 1): gradient descent needs thousands of steps, Newton's method a handful. The
 * engine has no second derivative written down anywhere: ag_grad records the gradient, so the gradient can be
 * differentiated like anything else.
 *
 * A network has too many parameters for a whole Hessian, but the product of the Hessian with one vector costs no more
 * than a few gradients. The second part takes one, and two gradients a small way apart agree with it. */
#include <autograd/autograd.h>

#include "support/book_options.h"
#include "support/output.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { STEPS = 20 };

/* p (2) = (x, y) */
static ag_value rosenbrock(ag_value p) {
    const ag_value x = ag_select(p, 0, 0), y = ag_select(p, 0, 1);
    const ag_value slope = ag_add_number(ag_neg(x), 1), valley = ag_sub(y, ag_square(x));
    return ag_add(ag_square(slope), ag_mul_number(ag_square(valley), 100));
}

/* ---- Newton's method ---------------------------------------------------------------------------------------- */

/* f, its gradient and its Hessian at p, as numbers. */
static ag_status derivatives(ag_tape *tape, const double *p, double *f, double *g, double *h) {
    const ag_mark start = ag_tape_mark(tape);
    const ag_value x = ag_array_leaf(tape, AG_F64, 1, (const int64_t[]){2}, p), y = rosenbrock(x);
    ag_value gradient, hessian;
    if (ag_grad(&y, NULL, 1, &x, 1, &gradient) == AG_OK && ag_hessian(y, &x, 1, &hessian) == AG_OK) {
        *f = ag_item(y);
        ag_read_f64(gradient, g, 2); /* should one fail, the rewind below says so */
        ag_read_f64(hessian, h, 4);  /* (2, 2), row by row */
    }
    return ag_tape_rewind(tape, start);
}

/* p -= H^-1 g: where the gradient would be zero if f were the parabola that has this gradient and this Hessian. */
static void newton(double *p, const double *g, const double *h) {
    const double det = h[0] * h[3] - h[1] * h[2];
    p[0] -= (h[3] * g[0] - h[1] * g[1]) / det;
    p[1] -= (h[0] * g[1] - h[2] * g[0]) / det;
}

static ag_status descend(ag_tape *tape) {
    double p[2] = {-1.2, 1}, f = 0, g[2] = {0}, h[4] = {0};
    printf("Newton's method on Rosenbrock's valley\n\n  step         x         y           f     |gradient|\n");
    for (int step = 0; step <= STEPS; step++) {
        const ag_status status = derivatives(tape, p, &f, g, h);
        if (status != AG_OK) return status;
        const double length = hypot(g[0], g[1]);
        printf("  %4d  %8.4f  %8.4f  %10.3e  %10.3e\n", step, p[0], p[1], f, length);
        if (length < 1e-12) {
            printf("\nthe bottom after %d steps; the Hessian there is [%.1f %.1f; %.1f %.1f]\n", step, h[0], h[1],
                   h[2], h[3]);
            break;
        }
        newton(p, g, h);
    }
    return AG_OK;
}

/* ---- a Hessian-vector product --------------------------------------------------------------------------------- */

/* How a small network of two layers misses its target, as a function of its first layer's weights w (4, 3). */
static ag_value loss(ag_value w) {
    static const double input[] = {0.5, -1, 2}, second[] = {1, -0.5, 0.3, 0.8};
    const ag_value x = ag_array_constant(w.tape, AG_F64, 1, (const int64_t[]){3}, input);
    const ag_value v = ag_array_constant(w.tape, AG_F64, 1, (const int64_t[]){4}, second);
    const ag_value answer = ag_matmul(v, ag_tanh(ag_matmul(w, x)));
    return ag_square(ag_add_number(answer, -1));
}

enum { ROWS = 4, COLUMNS = 3, SIZE = ROWS * COLUMNS };
static const int64_t shape[2] = {ROWS, COLUMNS};

static void gradient_at(ag_tape *tape, const double *w, const double *direction, double h, double *out) {
    const ag_mark here = ag_tape_mark(tape);
    double moved[SIZE];
    for (int i = 0; i < SIZE; i++) moved[i] = w[i] + h * direction[i];
    const ag_value x = ag_array_leaf(tape, AG_F64, 2, shape, moved), y = loss(x);
    ag_value g;
    if (ag_grad(&y, NULL, 1, &x, 1, &g) == AG_OK) ag_read_f64(g, out, SIZE);
    ag_tape_rewind(tape, here);
}

static ag_status compare(ag_tape *tape) {
    const double h = 1e-5;
    double weights[SIZE], direction[SIZE], product[SIZE] = {0}, up[SIZE] = {0}, down[SIZE] = {0}, worst = 0;
    ag_random random = {.seed = 6};
    for (int i = 0; i < SIZE; i++) {
        weights[i] = ag_random_normal(&random);
        direction[i] = ag_random_normal(&random);
    }
    const ag_mark start = ag_tape_mark(tape);
    const ag_value w = ag_array_leaf(tape, AG_F64, 2, shape, weights);
    const ag_value v = ag_array_constant(tape, AG_F64, 2, shape, direction);
    ag_value hv;
    if (ag_hvp(loss(w), &w, &v, 1, &hv) == AG_OK) ag_read_f64(hv, product, SIZE);
    gradient_at(tape, weights, direction, h, up);
    gradient_at(tape, weights, direction, -h, down);

    printf("\nHessian times vector, for the %d weights of a layer: ag_hvp beside differences of two gradients\n\n",
           SIZE);
    for (int i = 0; i < SIZE; i++) {
        const double difference = (up[i] - down[i]) / (2 * h);
        worst = fmax(worst, fabs(difference - product[i]));
        printf("  %+12.8f  %+12.8f\n", product[i], difference);
    }
    printf("\n%s\n", worst < 1e-7 ? "they agree to seven digits" : "THEY DISAGREE");
    return ag_tape_rewind(tape, start);
}

int main(int argc, char **argv) {
    int exit_status;
    const book_options options = {.program = "06_hessian",
                                  .shows =
                                      "Newton's method, and a Hessian times a vector, by second derivatives.\n"};
    if (!book_options_read(&options, argc, argv, &exit_status)) return exit_status;
    ag_tape *tape = ag_tape_new(NULL);
    if (!tape) return EXIT_FAILURE;
    ag_status status = descend(tape);
    if (status == AG_OK) status = compare(tape);
    if (status != AG_OK) fprintf(stderr, "06_hessian: %s\n", ag_tape_message(tape));
    ag_tape_free(tape);
    return output_end("06_hessian", status == AG_OK ? EXIT_SUCCESS : EXIT_FAILURE);
}
