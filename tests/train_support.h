/* train_support: a small network with its data, optimiser and options, for the suites of nn_fit. */
#ifndef TESTS_TRAIN_SUPPORT_H
#define TESTS_TRAIN_SUPPORT_H

#include "nn_support.h"

typedef struct bench {
    nn_module *net;
    nn_params *params;
    nn_optim *optim;
    nn_dataset train, validation;
    nn_history history;
    nn_fit_options is;
} bench;

static inline bench bench_new(void) {
    bench b = {.net = NULL};
    ag_error error = {0};
    nn_module *layers[] = {nn_linear(2, 16, &error), nn_activation_layer(NN_TANH, &error), nn_dropout(0.1, &error),
                           nn_linear(16, 2, &error)};
    b.net = nn_sequential(layers, 4, &error);
    b.params = nn_params_new(b.net, AG_F32, 1, &error);
    b.optim = nn_adam(b.params, 0.02, &error);
    ck_assert_msg(b.optim != NULL, "%s", error.message);
    ck_assert_int_eq(nn_dataset_moons(200, 0.1, 1, &b.train, &error), AG_OK);
    ck_assert_int_eq(nn_dataset_moons(70, 0.1, 2, &b.validation, &error), AG_OK);
    b.is = (nn_fit_options){.loss = nn_cross_entropy, .epochs = 4, .seed = 5, .threads = 1};
    return b;
}

static inline ag_status fit(bench *b, ag_error *error) {
    b->is.train = &b->train;
    return nn_fit(b->net, b->params, b->optim, &b->is, &b->history, error);
}

static inline void fits(bench *b) {
    ag_error error = {0};
    ck_assert_msg(fit(b, &error) == AG_OK, "%s", error.message);
}

static inline void bench_free(bench *b) {
    nn_history_clear(&b->history);
    nn_dataset_clear(&b->train);
    nn_dataset_clear(&b->validation);
    nn_optim_free(b->optim);
    nn_params_free(b->params);
    nn_module_free(b->net);
}

static inline bool same_weights(const bench *a, const bench *b) {
    const ag_tensor *x = nn_params_slab(a->params), *y = nn_params_slab(b->params);
    return memcmp(ag_tensor_data(x), ag_tensor_data(y), ag_meta_bytes(ag_tensor_meta(x))) == 0;
}

/* For nn_fit_options.print: all that is printed, in the 8192 bytes that `user` is. */
static inline void collect(void *user, const char *text) {
    char *all = user;
    ck_assert_uint_lt(strlen(all) + strlen(text), 8192);
    strcat(all, text);
}

#endif
