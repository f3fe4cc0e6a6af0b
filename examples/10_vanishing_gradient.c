/* 10_vanishing_gradient: what is left of a gradient when it reaches the first layer of a deep network.
 *
 * On its way down the error is multiplied, layer by layer, by a matrix and by the slope of the activation. The
 * sigmoid's slope is at most 1/4: thirty layers down nothing is left to learn from, whatever the rate. tanh has slope
 * 1 at 0 and loses less; ReLU has slope 1 or 0 and, begun as He and others advise, loses next to nothing. But a unit
 * whose input is negative for every sample has slope 0 for all of them: it is dead. No gradient reaches its weights,
 * and only a change of the layers below can wake it. One large step can kill many at once.
 *
 * Networks of 2 to 30 hidden layers of 50 units, before any training: the norm of dC/dW of each layer. Weights are
 * Xavier's for sigmoid and tanh, He's for ReLU; each is the one made to prevent what is measured here.
 *
 *     10_vanishing_gradient --plot vanishing.svg      norm by layer at depth 30, and at the first layer by depth */
#include <nn/nn.h>

#include "support/book_options.h"
#include "support/output.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { LEAST_DEPTH = 2, MOST_DEPTH = 30, WIDTH = 50, CLASSES = 2, SAMPLES = 128, KINDS = 3, STEPS = 50 };
enum { DEPTHS = MOST_DEPTH - LEAST_DEPTH + 1, TRAINED_DEPTH = 5 };
static const nn_activation KIND[KINDS] = {NN_SIGMOID, NN_TANH, NN_RELU};
static const char *const NAME[KINDS] = {"sigmoid", "tanh", "ReLU"};

/* ---- a network ---------------------------------------------------------------------------------------------- */

typedef struct network {
    int depth;                            /* hidden layers                                     */
    nn_module *layer[2 * MOST_DEPTH + 1]; /* linear, activation, ..., linear; owned by `whole` */
    nn_module *whole;
    nn_params *params;
} network;

static void network_clear(network *n) {
    nn_params_free(n->params);
    nn_module_free(n->whole);
}

static ag_status network_init(network *n, int depth, nn_activation kind, uint64_t seed, ag_error *error) {
    const nn_init weight = kind == NN_RELU ? nn_init_he_normal() : nn_init_xavier_normal(1);
    const nn_init bias = nn_init_constant(0);
    *n = (network){.depth = depth};
    for (int l = 0; l < depth; l++) {
        n->layer[2 * l] = nn_linear_with(WIDTH, WIDTH, weight, true, bias, error);
        n->layer[2 * l + 1] = nn_activation_layer(kind, error);
    }
    n->layer[2 * depth] = nn_linear_with(WIDTH, CLASSES, weight, true, bias, error);
    n->whole = nn_sequential(n->layer, 2 * depth + 1, error); /* a NULL among them fails here */
    n->params = n->whole ? nn_params_new(n->whole, AG_F64, seed, error) : NULL;
    if (n->params) return AG_OK;
    const ag_status status = error->status;
    network_clear(n);
    return status;
}

/* The samples: points of a normal cloud, and on which side of a plane each lies. */
typedef struct samples {
    ag_tensor *x, *y; /* (SAMPLES, WIDTH), (SAMPLES) */
} samples;

static ag_status samples_init(samples *s, uint64_t seed, ag_error *error) {
    const int64_t dim[] = {SAMPLES, WIDTH};
    ag_random random = {.seed = seed};
    s->x = ag_tensor_new(AG_F64, 2, dim, error);
    s->y = s->x ? ag_tensor_new(AG_I64, 1, dim, error) : NULL;
    if (!s->y) return error->status;
    double *x = ag_tensor_write(s->x);
    int64_t *y = ag_tensor_write(s->y);
    for (int i = 0; i < SAMPLES * WIDTH; i++) x[i] = ag_random_normal(&random);
    for (int i = 0; i < SAMPLES; i++) y[i] = x[i * WIDTH] + x[i * WIDTH + 1] > 0;
    return AG_OK;
}

/* ---- what is measured ---------------------------------------------------------------------------------------- */

/* Units that are 0 for every sample; h (SAMPLES, WIDTH). */
static int count_dead(ag_value h) {
    double most[WIDTH];
    int dead = 0;
    if (ag_read_f64(ag_amax(h, (const int[]){0}, 1, false), most, WIDTH) != AG_OK) return 0; /* kept by the tape */
    for (int i = 0; i < WIDTH; i++) dead += most[i] == 0;
    return dead;
}

/* The cost (NULL: not wanted), its gradient left in the parameters, and dead units (NULL: the same) of all hidden
 * layers. */
static ag_status backprop(ag_tape *t, network *n, const samples *s, double *cost, int *dead, ag_error *error) {
    const ag_mark start = ag_tape_mark(t);
    nn_pass pass = {t, true};
    ag_value h = ag_constant(t, s->x);
    if (dead) *dead = 0;
    for (int i = 0; i <= 2 * n->depth; i++) {
        h = nn_forward(n->layer[i], &pass, h);
        if (dead && i % 2 == 1) *dead += count_dead(h);
    }
    nn_params_zero_grad(n->params);
    const ag_value objective = nn_cross_entropy(h, ag_constant(t, s->y));
    ag_backward(objective);
    if (cost) *cost = ag_item(objective);
    const ag_status status = ag_tape_rewind(t, start);
    return status == AG_OK ? AG_OK : ag_fail(error, status, "%s", ag_tape_message(t));
}

/* The norm of dC/dW of hidden layer l, from 0; weights and biases lie in the order of declaration. */
static double gradient_norm(const network *n, int l) {
    ag_tensor *weight = nn_params_tensor(n->params, 2 * (size_t)l);
    const double *g = ag_tensor_grad(weight); /* there since the backward */
    double sum = 0;
    for (int64_t i = 0; i < ag_tensor_count(weight); i++) sum += g[i] * g[i];
    return sqrt(sum);
}

typedef struct results {
    double norm[KINDS][DEPTHS][MOST_DEPTH]; /* of a kind, at a depth, in a layer */
    int dead[DEPTHS];                       /* ReLU units                        */
} results;

static ag_status measure(ag_tape *t, const samples *s, uint64_t seed, results *r, ag_error *error) {
    for (int k = 0; k < KINDS; k++)
        for (int depth = LEAST_DEPTH; depth <= MOST_DEPTH; depth++) {
            const int at = depth - LEAST_DEPTH;
            network n;
            ag_status status = network_init(&n, depth, KIND[k], seed, error);
            if (status != AG_OK) return status;
            status = backprop(t, &n, s, NULL, KIND[k] == NN_RELU ? &r->dead[at] : NULL, error);
            for (int l = 0; l < depth && status == AG_OK; l++) r->norm[k][at][l] = gradient_norm(&n, l);
            network_clear(&n);
            if (status != AG_OK) return status;
        }
    return AG_OK;
}

/* Cost and dead units after some steps of plain descent. */
static ag_status descend(ag_tape *t, const samples *s, uint64_t seed, double rate, int steps, double *cost,
                         int *dead, ag_error *error) {
    network n;
    ag_status status = network_init(&n, TRAINED_DEPTH, NN_RELU, seed, error);
    if (status != AG_OK) return status;
    nn_optim *descent = nn_sgd(n.params, rate, 0, error);
    if (!descent) status = error->status;
    for (int step = 0; step <= steps && status == AG_OK; step++) {
        status = backprop(t, &n, s, cost, dead, error);
        if (status == AG_OK && step < steps) status = nn_optim_step(descent, error);
    }
    nn_optim_free(descent);
    network_clear(&n);
    return status;
}

/* ---- what is shown ------------------------------------------------------------------------------------------- */

static void print_depths(const results *r) {
    static const int shown[] = {2, 3, 5, 8, 12, 16, 20, 25, 30};
    printf("|dC/dW| of the first and the last hidden layer, and the factor\n"
           "from a layer to the one before it\n\n"
           "depth  sigmoid               tanh                  ReLU               dead/units\n"
           "         first  last factor    first  last factor    first  last factor\n");
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
        const int depth = shown[i], at = depth - LEAST_DEPTH;
        printf("%5d", depth);
        for (int k = 0; k < KINDS; k++) {
            const double first = r->norm[k][at][0], last = r->norm[k][at][depth - 1];
            printf("  %7.1e %7.1e %4.2f", first, last, pow(first / last, 1.0 / (depth - 1)));
        }
        printf("%4d/%d\n", r->dead[at], depth * WIDTH);
    }
}

static void print_layers(const results *r) {
    printf("\n|dC/dW| by layer, %d layers deep\n\nlayer     sigmoid        tanh        ReLU\n", MOST_DEPTH);
    for (int l = 0; l < MOST_DEPTH; l++)
        printf("%5d   %9.2e   %9.2e   %9.2e\n", l + 1, r->norm[0][DEPTHS - 1][l], r->norm[1][DEPTHS - 1][l],
               r->norm[2][DEPTHS - 1][l]);
}

static ag_status print_dead(ag_tape *t, const samples *s, uint64_t seed, ag_error *error) {
    static const struct {
        double rate;
        int steps;
    } run[] = {{0.01, 0}, {0.01, STEPS}, {0.1, STEPS}, {0.3, STEPS}, {0.5, STEPS}, {0.7, STEPS}};
    printf("\na ReLU network of %d layers by plain descent: what a large step kills\n\n"
           "   rate  steps     cost  dead units\n",
           TRAINED_DEPTH);
    for (size_t i = 0; i < sizeof run / sizeof *run; i++) {
        double cost = 0;
        int dead = 0;
        const ag_status status = descend(t, s, seed, run[i].rate, run[i].steps, &cost, &dead, error);
        if (status != AG_OK) return status;
        printf("  %5g  %5d  ", run[i].rate, run[i].steps);
        if (isfinite(cost))
            printf("%7.4f  %4d of %d\n", cost, dead, TRAINED_DEPTH * WIDTH);
        else
            printf("   none  the weights have overflowed\n");
    }
    return AG_OK;
}

static ag_status draw(const char *path, const results *r, ag_error *error) {
    double layer[MOST_DEPTH], depth[DEPTHS], first[KINDS][DEPTHS];
    for (int l = 0; l < MOST_DEPTH; l++) layer[l] = l + 1;
    for (int at = 0; at < DEPTHS; at++) {
        depth[at] = at + LEAST_DEPTH;
        for (int k = 0; k < KINDS; k++) first[k][at] = r->norm[k][at][0];
    }
    nn_curve curves[2][KINDS];
    for (int k = 0; k < KINDS; k++) {
        curves[0][k] = (nn_curve){.name = NAME[k], .x = layer, .y = r->norm[k][DEPTHS - 1], .n = MOST_DEPTH};
        curves[1][k] = (nn_curve){.name = NAME[k], .x = depth, .y = first[k], .n = DEPTHS};
    }
    const nn_axis height = {.scale = NN_SCALE_LOG};
    const nn_chart charts[] = {{.title = "|dC/dW| by layer, 30 layers deep",
                                .x = {.name = "layer", .whole = true},
                                .y = height,
                                .curves = curves[0],
                                .n = KINDS},
                               {.title = "|dC/dW| of the first layer",
                                .x = {.name = "hidden layers", .whole = true},
                                .y = height,
                                .curves = curves[1],
                                .n = KINDS}};
    return nn_picture_write(path, &(nn_picture){.charts = charts, .n_charts = 2}, error);
}

int main(int argc, char **argv) {
    static results r;
    const char *path = NULL;
    int64_t seed = 1;
    int exit_status;
    const book_options options = {.program = "10_vanishing_gradient",
                                  .shows = "Gradients by layer in deep networks of sigmoid, tanh and ReLU.\n",
                                  .seed = &seed,
                                  .plot = &path};
    if (!book_options_read(&options, argc, argv, &exit_status)) return exit_status;
    samples s = {0};
    ag_error error = {0};
    ag_tape *t = ag_tape_new(NULL);
    ag_status status = t ? AG_OK : ag_fail(&error, AG_ERROR_MEMORY, "no memory for a tape");
    if (status == AG_OK) status = samples_init(&s, (uint64_t)seed, &error);
    if (status == AG_OK) status = measure(t, &s, (uint64_t)seed, &r, &error);
    if (status == AG_OK) {
        print_depths(&r);
        print_layers(&r);
        status = print_dead(t, &s, (uint64_t)seed, &error);
    }
    if (status == AG_OK && path) status = draw(path, &r, &error);
    if (status != AG_OK) fprintf(stderr, "10_vanishing_gradient: %s\n", error.message);
    ag_tape_free(t);
    ag_tensor_free(s.x);
    ag_tensor_free(s.y);
    return output_end("10_vanishing_gradient", status == AG_OK ? EXIT_SUCCESS : EXIT_FAILURE);
}
