/* bench_mlp: nn_mlp with ReLU, cross-entropy, backward, one update. Floor: the matrix products of that step alone, as plain
 * loops for the small network and through ag_matmul for the large one. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

enum { MLP_LAYERS = 3, PRODUCTS = 3 * MLP_LAYERS - 1 };

/* One matrix product c (m, n) = a (m, k) b (k, n) of the step. */
typedef struct product {
    int64_t m, n, k;
    ag_tensor *a, *b, *c;
} product;

typedef struct mlp {
    ag_tape *tape;
    nn_module *network;
    nn_params *params;
    nn_optim *optimiser;
    ag_tensor *x, *t; /* (batch, inputs), (batch) */
    product products[PRODUCTS];
} mlp;

static void mlp_step(void *state) {
    const mlp *m = state;
    ag_error error = {0};
    ag_mark mark = ag_tape_mark(m->tape);
    nn_pass pass = {.tape = m->tape, .training = true};
    ag_value logits = nn_forward(m->network, &pass, ag_constant(m->tape, m->x));
    ag_value loss = nn_cross_entropy(logits, ag_constant(m->tape, m->t));
    nn_optim_zero_grad(m->optimiser);
    ag_status backward = ag_backward(loss);
    bench_sink = ag_item(loss);
    if (ag_tape_rewind(m->tape, mark) || backward) bench_fail("mlp", ag_tape_message(m->tape));
    if (nn_optim_step(m->optimiser, &error)) bench_fail("mlp", error.message);
}

static void mlp_products(void *state) {
    const mlp *m = state;
    ag_mark mark = ag_tape_mark(m->tape);
    for (int i = 0; i < PRODUCTS; i++) {
        const product *p = &m->products[i];
        ag_value c = ag_matmul(ag_constant(m->tape, p->a), ag_constant(m->tape, p->b));
        bench_sink = ag_ok(c);
    }
    if (ag_tape_rewind(m->tape, mark)) bench_fail("products", ag_tape_message(m->tape));
}

static void mlp_products_plain(void *state) {
    const mlp *m = state;
    for (int i = 0; i < PRODUCTS; i++) {
        const product *p = &m->products[i];
        const float *a = ag_tensor_data(p->a), *b = ag_tensor_data(p->b);
        float *c = ag_tensor_write(p->c);
        memset(c, 0, sizeof *c * (size_t)(p->m * p->n));
        for (int64_t row = 0; row < p->m; row++)
            for (int64_t inner = 0; inner < p->k; inner++)
                for (int64_t column = 0; column < p->n; column++)
                    c[row * p->n + column] += a[row * p->k + inner] * b[inner * p->n + column];
        bench_sink = (double)c[0];
    }
}

static ag_tensor *matrix(int64_t rows, int64_t columns, ag_random *random) {
    ag_error error = {0};
    ag_tensor *x = ag_tensor_new(AG_F32, 2, (int64_t[]){rows, columns}, &error);
    if (!x || nn_init_fill(nn_init_normal(0.0, 1.0), x, random, &error)) bench_fail("matrix", error.message);
    return x;
}

static void product_init(product *p, int64_t m, int64_t n, int64_t k, ag_random *random) {
    p->m = m, p->n = n, p->k = k;
    p->a = matrix(m, k, random), p->b = matrix(k, n, random), p->c = matrix(m, n, random);
}

static void *mlp_new(const int64_t size[MLP_LAYERS + 1], int64_t batch, bool adam) {
    ag_error error = {0};
    ag_random random = {.seed = 1};
    mlp *m = bench_need(calloc(1, sizeof *m), "mlp", &error);
    m->tape = bench_tape();
    m->network = bench_need(nn_mlp(size, MLP_LAYERS + 1, NN_RELU, NULL, &error), "network", &error);
    m->params = bench_need(nn_params_new(m->network, AG_F32, 1, &error), "parameters", &error);
    m->optimiser = adam ? nn_adam(m->params, 1e-3, &error) : nn_sgd(m->params, 1e-3, 0.0, &error);
    bench_need(m->optimiser, "optimiser", &error);
    m->x = matrix(batch, size[0], &random);
    m->t = bench_need(ag_tensor_new(AG_I64, 1, &batch, &error), "targets", &error);
    for (int64_t i = 0; i < batch; i++)
        if (ag_tensor_set(m->t, i, (double)ag_random_below(&random, (uint64_t)size[MLP_LAYERS])))
            bench_fail("targets", "not written");

    product *p = m->products;
    for (int l = 0; l < MLP_LAYERS; l++) {
        const int64_t in = size[l], out = size[l + 1];
        product_init(p++, batch, out, in, &random);            /* y  = x W^T  */
        product_init(p++, out, in, batch, &random);            /* dW = dy^T x */
        if (l > 0) product_init(p++, batch, in, out, &random); /* dx = dy W   */
    }
    return m;
}

static const int64_t small[] = {2, 16, 16, 2}, large[] = {784, 512, 512, 10};

static void *mlp_small_1_sgd(void) { return mlp_new(small, 1, false); }
static void *mlp_small_1_adam(void) { return mlp_new(small, 1, true); }
static void *mlp_small_100_sgd(void) { return mlp_new(small, 100, false); }
static void *mlp_small_100_adam(void) { return mlp_new(small, 100, true); }
static void *mlp_large_128_sgd(void) { return mlp_new(large, 128, false); }
static void *mlp_large_128_adam(void) { return mlp_new(large, 128, true); }

static void mlp_free(void *state) {
    mlp *m = state;
    for (int i = 0; i < PRODUCTS; i++) {
        ag_tensor_free(m->products[i].a);
        ag_tensor_free(m->products[i].b);
        ag_tensor_free(m->products[i].c);
    }
    ag_tensor_free(m->x);
    ag_tensor_free(m->t);
    nn_optim_free(m->optimiser);
    nn_params_free(m->params);
    nn_module_free(m->network);
    ag_tape_free(m->tape);
    free(m);
}

const bench_case bench_mlps[BENCH_MLPS] = {
    {"mlp 2-16-16-2, batch 1, sgd", "loops", mlp_small_1_sgd, mlp_step, mlp_products_plain, mlp_free},
    {"mlp 2-16-16-2, batch 1, adam", "loops", mlp_small_1_adam, mlp_step, mlp_products_plain, mlp_free},
    {"mlp 2-16-16-2, batch 100, sgd", "loops", mlp_small_100_sgd, mlp_step, mlp_products_plain, mlp_free},
    {"mlp 2-16-16-2, batch 100, adam", "loops", mlp_small_100_adam, mlp_step, mlp_products_plain, mlp_free},
    {"mlp 784-512-512-10, batch 128, sgd", "matmul", mlp_large_128_sgd, mlp_step, mlp_products, mlp_free},
    {"mlp 784-512-512-10, batch 128, adam", "matmul", mlp_large_128_adam, mlp_step, mlp_products, mlp_free},
};
