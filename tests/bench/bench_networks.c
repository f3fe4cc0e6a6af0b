/* bench_networks: cross-entropy, backward and one update of Adam for a convolutional network on images, a recurrent one and
 * a small transformer on text. Floor: the forward pass alone, in evaluation, without derivatives. */
#include "bench.h"

#include <stdlib.h>

typedef struct network {
    ag_tape *tape;
    nn_module *net;
    nn_params *params;
    nn_optim *optimiser;
    ag_tensor *x, *t; /* (batch, ...), and a class for each answer: (answers) */
    int64_t classes;
} network;

/* (answers, classes): a sequence has an answer at each position. */
static ag_value answers(const network *m, bool training) {
    nn_pass pass = {.tape = m->tape, .training = training};
    const ag_value y = nn_forward(m->net, &pass, ag_constant(m->tape, m->x));
    return ag_reshape(y, 2, (const int64_t[]){ag_tensor_count(m->t), m->classes});
}

static void network_step(void *state) {
    const network *m = state;
    ag_error error = {0};
    const ag_mark mark = ag_tape_mark(m->tape);
    const ag_value loss = nn_cross_entropy(answers(m, true), ag_constant(m->tape, m->t));
    nn_optim_zero_grad(m->optimiser);
    const ag_status backward = ag_backward(loss);
    bench_sink = ag_item(loss);
    if (ag_tape_rewind(m->tape, mark) || backward) bench_fail("network", ag_tape_message(m->tape));
    if (nn_optim_step(m->optimiser, &error)) bench_fail("network", error.message);
}

static void network_forward(void *state) {
    const network *m = state;
    const ag_mark mark = ag_tape_mark(m->tape);
    ag_no_grad_begin(m->tape);
    bench_sink = ag_ok(answers(m, false));
    ag_no_grad_end(m->tape);
    if (ag_tape_rewind(m->tape, mark)) bench_fail("network", ag_tape_message(m->tape));
}

static ag_tensor *numbers_below(int64_t limit, int rank, const int64_t *dim, ag_random *random) {
    ag_error error = {0};
    ag_tensor *x = bench_need(ag_tensor_new(AG_I64, rank, dim, &error), "whole numbers", &error);
    for (int64_t i = 0; i < ag_tensor_count(x); i++)
        if (ag_tensor_set(x, i, (double)ag_random_below(random, (uint64_t)limit)))
            bench_fail("whole numbers", "not written");
    return x;
}

/* Takes the network and what it reads. */
static void *network_new(nn_module *net, ag_tensor *x, int64_t n, int64_t classes, ag_random *random) {
    ag_error error = {0};
    network *m = bench_need(calloc(1, sizeof *m), "network", &error);
    m->tape = bench_tape();
    m->net = net;
    m->params = bench_need(nn_params_new(net, AG_F32, 1, &error), "parameters", &error);
    m->optimiser = bench_need(nn_adam(m->params, 1e-3, &error), "optimiser", &error);
    m->x = x;
    m->t = numbers_below(classes, 1, &n, random);
    m->classes = classes;
    return m;
}

static nn_module *chain(nn_module *const *layers, size_t n, ag_error *error) {
    return bench_need(nn_sequential(layers, (int)n, error), "network", error);
}

enum { IMAGES = 64, SIDE = 28, DIGITS = 10 };

static void *cnn(void) {
    ag_error error = {0};
    ag_random random = {.seed = 1};
    const ag_pool_options by_two = {.kernel = {1, {2}}};
    nn_module *const layers[] = {
        nn_conv2d(1, 16, 5, 5, NULL, &error),
        nn_activation_layer(NN_RELU, &error),
        nn_max_pool2d(&by_two, &error),
        nn_conv2d(16, 32, 5, 5, NULL, &error),
        nn_activation_layer(NN_RELU, &error),
        nn_max_pool2d(&by_two, &error),
        nn_flatten(1, -1, &error),
        nn_linear((int64_t)32 * 4 * 4, 128, &error),
        nn_activation_layer(NN_RELU, &error),
        nn_linear(128, DIGITS, &error),
    };
    ag_tensor *x =
        bench_need(ag_tensor_new(AG_F32, 4, (int64_t[]){IMAGES, 1, SIDE, SIDE}, &error), "images", &error);
    if (nn_init_fill(nn_init_normal(0, 1), x, &random, &error)) bench_fail("images", error.message);
    return network_new(chain(layers, sizeof layers / sizeof *layers, &error), x, IMAGES, DIGITS, &random);
}

enum { TEXTS = 16, POSITIONS = 64, CHARACTERS = 65, WIDTH = 96, HIDDEN = 128 };

static void *text_network(nn_module *body, int64_t features) {
    ag_error error = {0};
    ag_random random = {.seed = 1};
    nn_module *const layers[] = {nn_embedding(CHARACTERS, WIDTH, AG_NO_PADDING, &error), body,
                                 nn_linear(features, CHARACTERS, &error)};
    ag_tensor *x = numbers_below(CHARACTERS, 2, (const int64_t[]){TEXTS, POSITIONS}, &random);
    return network_new(chain(layers, 3, &error), x, (int64_t)TEXTS * POSITIONS, CHARACTERS, &random);
}

static void *lstm(void) {
    ag_error error = {0};
    return text_network(nn_lstm(WIDTH, HIDDEN, &(nn_recurrent_options){.batch_first = true}, &error), HIDDEN);
}

static void *transformer(void) {
    ag_error error = {0};
    const nn_transformer_options block = {.features = WIDTH,
                                          .heads = 3,
                                          .hidden = (int64_t)4 * WIDTH,
                                          .gelu = true,
                                          .norm_first = true,
                                          .causal = true};
    return text_network(nn_transformer_encoder(2, true, &block, &error), WIDTH);
}

static void network_free(void *state) {
    network *m = state;
    ag_tensor_free(m->x);
    ag_tensor_free(m->t);
    nn_optim_free(m->optimiser);
    nn_params_free(m->params);
    nn_module_free(m->net);
    ag_tape_free(m->tape);
    free(m);
}

const bench_case bench_networks[BENCH_NETWORKS] = {
    {"cnn 16-32 maps of 5x5, batch 64, adam", "forward", cnn, network_step, network_forward, network_free},
    {"lstm 96-128, 16 x 64 steps, adam", "forward", lstm, network_step, network_forward, network_free},
    {"transformer 2 x 96, 16 x 64, adam", "forward", transformer, network_step, network_forward, network_free},
};
