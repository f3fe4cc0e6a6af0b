/* 08_backprop_equations: the four equations of backprop, by hand, beside the engine.
 *
 * Before there were graphs, a network's gradient was written down layer by layer. With z_l = W_l a_(l-1) + b_l,
 * a_l = sigmoid(z_l), the cost C = 1/m sum over m samples of 1/2 |a_L - t|^2 and the error delta_l = dC_sample/dz_l:
 *
 *     1  delta_L = (a_L - t) * sigmoid'(z_L)                   the output error
 *     2  delta_l = (W_(l+1)^T delta_(l+1)) * sigmoid'(z_l)     the error, one layer back
 *     3  dC/db_l = 1/m sum delta_l                             mean over the samples
 *     4  dC/dW_l = 1/m sum delta_l a_(l-1)^T                   mean over the samples
 *
 * Here they stand as loops over numbers, for a network whose depth and widths are drawn at random. The engine knows
 * none of them: it replays its records. The largest difference of any number is printed, equation by equation.
 *
 *     08_backprop_equations --seed 4      another network
 *
 * This is the one place in the project with a delta written by hand. */
#include <nn/nn.h>

#include "support/book_options.h"
#include "support/output.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_LAYERS = 8, MOST_WIDTH = 12, SAMPLES = 16, MOST = SAMPLES * MOST_WIDTH };
static const double TOLERANCE = 1e-12;

/* The same network for both: widths[0] inputs, and `layers` layers. */
typedef struct network {
    int layers;
    int64_t width[MOST_LAYERS + 1];
    ag_tensor *weight[MOST_LAYERS + 1]; /* [l] (width[l], width[l - 1]), from 1 */
    ag_tensor *bias[MOST_LAYERS + 1];   /* [l] (width[l])                       */
    double input[MOST], target[MOST];   /* (SAMPLES, width[0]), (SAMPLES, width[layers]) */
} network;

static ag_status draw(network *n, uint64_t seed, ag_error *error) {
    ag_random random = {.seed = seed};
    *n = (network){.layers = 4 + (int)ag_random_below(&random, MOST_LAYERS - 3)};
    for (int l = 0; l <= n->layers; l++) n->width[l] = 2 + (int64_t)ag_random_below(&random, MOST_WIDTH - 1);
    for (int l = 1; l <= n->layers; l++) {
        const int64_t dim[] = {n->width[l], n->width[l - 1]};
        if (!(n->weight[l] = ag_tensor_new(AG_F64, 2, dim, error))) return error->status;
        if (!(n->bias[l] = ag_tensor_new(AG_F64, 1, dim, error))) return error->status;
        ag_status status = nn_init_fill(nn_init_standard_gaussian(), n->weight[l], &random, error);
        if (status == AG_OK) status = nn_init_fill(nn_init_standard_gaussian(), n->bias[l], &random, error);
        if (status != AG_OK) return status;
    }
    for (int64_t i = 0; i < SAMPLES * n->width[0]; i++) n->input[i] = ag_random_normal(&random);
    for (int64_t i = 0; i < SAMPLES * n->width[n->layers]; i++) n->target[i] = ag_random_uniform(&random);
    return AG_OK;
}

static void clear(network *n) {
    for (int l = 1; l <= n->layers; l++) {
        ag_tensor_free(n->weight[l]);
        ag_tensor_free(n->bias[l]);
    }
}

/* ---- by hand ------------------------------------------------------------------------------------------------ */

/* Every number of the passes, sample by sample: [l] (SAMPLES, width[l]); the last two as the tensors. */
typedef struct numbers {
    double a[MOST_LAYERS + 1][MOST], delta[MOST_LAYERS + 1][MOST];
    double db[MOST_LAYERS + 1][MOST_WIDTH], dw[MOST_LAYERS + 1][MOST_WIDTH * MOST_WIDTH];
} numbers;

/* a_l = sigmoid(W_l a_(l-1) + b_l) */
static void hand_forward(const network *n, numbers *h, int l) {
    const double *w = ag_tensor_data(n->weight[l]), *b = ag_tensor_data(n->bias[l]);
    const int64_t in = n->width[l - 1], out = n->width[l];
    for (int64_t s = 0; s < SAMPLES; s++)
        for (int64_t j = 0; j < out; j++) {
            double z = b[j];
            for (int64_t k = 0; k < in; k++) z += w[j * in + k] * h->a[l - 1][s * in + k];
            h->a[l][s * out + j] = 1 / (1 + exp(-z));
        }
}

/* sigmoid'(z), from a = sigmoid(z) */
static double slope(double a) { return a * (1 - a); }

/* Equation 1. */
static void hand_output_error(const network *n, numbers *h) {
    const int last = n->layers;
    for (int64_t i = 0; i < SAMPLES * n->width[last]; i++)
        h->delta[last][i] = (h->a[last][i] - n->target[i]) * slope(h->a[last][i]);
}

/* Equation 2. */
static void hand_recursion(const network *n, numbers *h, int l) {
    const double *w = ag_tensor_data(n->weight[l + 1]); /* (next, here) */
    const int64_t here = n->width[l], next = n->width[l + 1];
    for (int64_t s = 0; s < SAMPLES; s++)
        for (int64_t k = 0; k < here; k++) {
            double sum = 0;
            for (int64_t j = 0; j < next; j++) sum += w[j * here + k] * h->delta[l + 1][s * next + j];
            h->delta[l][s * here + k] = sum * slope(h->a[l][s * here + k]);
        }
}

/* Equations 3 and 4. */
static void hand_gradients(const network *n, numbers *h, int l) {
    const int64_t in = n->width[l - 1], out = n->width[l];
    for (int64_t s = 0; s < SAMPLES; s++)
        for (int64_t j = 0; j < out; j++) {
            const double delta = h->delta[l][s * out + j];
            h->db[l][j] += delta / SAMPLES;
            for (int64_t k = 0; k < in; k++) h->dw[l][j * in + k] += delta * h->a[l - 1][s * in + k] / SAMPLES;
        }
}

static void by_hand(const network *n, numbers *h) {
    for (int64_t i = 0; i < SAMPLES * n->width[0]; i++) h->a[0][i] = n->input[i];
    for (int l = 1; l <= n->layers; l++) hand_forward(n, h, l);
    hand_output_error(n, h);
    for (int l = n->layers - 1; l >= 1; l--) hand_recursion(n, h, l);
    for (int l = 1; l <= n->layers; l++) hand_gradients(n, h, l);
}

/* ---- by the engine -------------------------------------------------------------------------------------------- */

/* The network and its cost; z[l] is kept to be asked for its adjoint. */
static ag_value cost(ag_tape *t, const network *n, ag_value *z) {
    const int64_t in[] = {SAMPLES, n->width[0]}, out[] = {SAMPLES, n->width[n->layers]};
    ag_value a = ag_array_constant(t, AG_F64, 2, in, n->input);
    for (int l = 1; l <= n->layers; l++) {
        z[l] = ag_linear(a, ag_leaf(t, n->weight[l]), ag_leaf(t, n->bias[l])); /* (SAMPLES, width[l]) */
        ag_retain(z[l]);
        a = ag_sigmoid(z[l]);
    }
    const ag_value target = ag_array_constant(t, AG_F64, 2, out, n->target);
    return ag_mul_number(nn_half_squared_error(a, target), 1.0 / SAMPLES);
}

static double furthest(double worst, const double *x, const double *y, double scale, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        const double difference = fabs(x[i] - scale * y[i]);
        if (!(difference <= worst)) worst = difference; /* NaN, too */
    }
    return worst;
}

/* worst[e]: the largest difference in what equation e says, from 1. */
static ag_status compare(ag_tape *t, const network *n, const numbers *h, double *worst) {
    const ag_mark start = ag_tape_mark(t);
    ag_value z[MOST_LAYERS + 1];
    ag_status status = ag_backward(cost(t, n, z));
    for (int l = 1; l <= n->layers && status == AG_OK; l++) {
        double adjoint[MOST]; /* of the mean: delta / SAMPLES */
        const int64_t count = SAMPLES * n->width[l];
        double *error = &worst[l == n->layers ? 1 : 2];
        status = ag_adjoint_f64(z[l], adjoint, count);
        if (status != AG_OK) break;
        *error = furthest(*error, h->delta[l], adjoint, SAMPLES, count);
        worst[3] = furthest(worst[3], h->db[l], ag_tensor_grad(n->bias[l]), 1, n->width[l]);
        worst[4] = furthest(worst[4], h->dw[l], ag_tensor_grad(n->weight[l]), 1, n->width[l] * n->width[l - 1]);
    }
    const ag_status recorded = ag_tape_rewind(t, start);
    return recorded == AG_OK ? status : recorded;
}

static bool report(const network *n, const double *worst) {
    static const char *const name[] = {"", "output error", "error recursion", "bias gradient", "weight gradient"};
    double largest = 0;
    printf("a network of %d layers, ", n->layers);
    for (int l = 0; l <= n->layers; l++) printf("%s%" PRId64, l > 0 ? "-" : "", n->width[l]);
    printf(", %d samples\n\n  equation              largest difference\n", SAMPLES);
    for (int e = 1; e <= 4; e++) {
        printf("  %d  %-16s  %.1e\n", e, name[e], worst[e]);
        largest = fmax(largest, isnan(worst[e]) ? INFINITY : worst[e]);
    }
    const bool same = largest < TOLERANCE;
    printf("\n%s\n", same ? "all four agree with the graph, below 1e-12" : "THEY DISAGREE");
    return same;
}

int main(int argc, char **argv) {
    static numbers h; /* too large for some stacks */
    int64_t seed = 1;
    network n;
    ag_error error = {0};
    double worst[5] = {0};
    int exit_status;
    const book_options options = {.program = "08_backprop_equations",
                                  .shows =
                                      "The four equations of backprop, by hand, beside the engine's gradients.\n",
                                  .seed = &seed};
    if (!book_options_read(&options, argc, argv, &exit_status)) return exit_status;
    ag_tape *t = ag_tape_new(NULL);
    ag_status status = draw(&n, (uint64_t)seed, &error);
    if (status == AG_OK && !t) status = ag_fail(&error, AG_ERROR_MEMORY, "no memory for a tape");
    if (status == AG_OK) {
        by_hand(&n, &h);
        status = compare(t, &n, &h, worst);
        if (status != AG_OK) ag_fail(&error, status, "%s", ag_tape_message(t));
    }
    const bool same = status == AG_OK && report(&n, worst);
    if (status != AG_OK) fprintf(stderr, "08_backprop_equations: %s\n", error.message);
    ag_tape_free(t);
    clear(&n);
    return output_end("08_backprop_equations", same ? EXIT_SUCCESS : EXIT_FAILURE);
}
