/* bench: what one training step costs, beside a floor that no engine can go below.
 *
 *     OMP_NUM_THREADS=1 bench [--json] [--rounds N] [--time SECONDS] [--only TEXT]
 *
 * Two kinds of step, always on one thread:
 * - moons: the network 2-16-16-1 of scalar neurons (ReLU, hinge loss) on 100 samples, forward and backward; once
 *   with one record for each multiplication and addition, once with ag_affine. Floor: the loss of the same network
 *   in plain C, without derivatives, compiled here with the same options.
 * - mlp: nn_mlp with ReLU, cross-entropy, backward, one update. Floor: the matrix products of that step alone,
 *   as plain loops for the small network and through ag_matmul for the large one.
 *
 * Every figure is the median over rounds; in each round all steps and floors run once, in shuffled order, each as
 * often as fills --time. Not here: PyTorch's figures (run.sh adds them). */
#define _POSIX_C_SOURCE 200809L
#include <nn/nn.h>

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static volatile double sink; /* results go here, so that nothing measured is left out by the compiler */

static void fail(const char *what, const char *message) {
    fprintf(stderr, "bench: %s: %s\n", what, message);
    exit(EXIT_FAILURE);
}

static void *need(void *p, const char *what, const ag_error *error) {
    if (!p) fail(what, error->message);
    return p;
}

static ag_tape *one_thread(void) {
    const ag_tape_options options = {.threads = 1};
    static const ag_error memory = {.message = "out of memory"};
    return need(ag_tape_new(&options), "tape", &memory);
}

/* ---- moons: scalars ------------------------------------------------------------------------------------ */

enum { SAMPLES = 100, LAYERS = 3, WIDEST = 16 };
static const int width[LAYERS + 1] = {2, 16, 16, 1};
enum { MOONS_PARAMETERS = 2 * 16 + 16 + 16 * 16 + 16 + 16 + 1 };

typedef ag_value neuron(const ag_value *w, const ag_value *x, int n, ag_value b);

typedef struct moons {
    neuron *sum; /* w . x + b */
    ag_tape *tape;
    ag_value w[MOONS_PARAMETERS], x[SAMPLES][2];
    double w_plain[MOONS_PARAMETERS], x_plain[SAMPLES][2];
    double y[SAMPLES]; /* -1 or 1 */
} moons;

static ag_value by_operations(const ag_value *w, const ag_value *x, int n, ag_value b) {
    for (int i = 0; i < n; i++) b = ag_add(b, ag_mul(w[i], x[i]));
    return b;
}

/* Parameters unit by unit: the weights, then the bias. */
static ag_value moons_score(const moons *m, const ag_value *x) {
    ag_value buffer[2][WIDEST];
    const ag_value *w = m->w;
    for (int l = 0; l < LAYERS; l++) {
        ag_value *y = buffer[l % 2];
        for (int j = 0; j < width[l + 1]; j++, w += width[l] + 1) {
            y[j] = m->sum(w, x, width[l], w[width[l]]);
            if (l + 1 < LAYERS) y[j] = ag_relu(y[j]);
        }
        x = y;
    }
    return x[0];
}

static void moons_step(void *state) {
    const moons *m = state;
    ag_mark mark = ag_tape_mark(m->tape);
    ag_value loss = ag_scalar_constant(m->tape, 0.0);
    for (int i = 0; i < SAMPLES; i++) {
        ag_value margin = ag_mul_number(moons_score(m, m->x[i]), -m->y[i]);
        loss = ag_add(loss, ag_relu(ag_add_number(margin, 1.0)));
    }
    loss = ag_mul_number(loss, 1.0 / SAMPLES);
    ag_zero_grad(m->tape);
    ag_status status = ag_backward(loss);
    sink = ag_item(loss) + ag_item_grad(m->w[0]);
    if (ag_tape_rewind(m->tape, mark) || status) fail("moons", ag_tape_message(m->tape));
}

static void moons_plain(void *state) {
    const moons *m = state;
    double total = 0.0;
    for (int i = 0; i < SAMPLES; i++) {
        double buffer[2][WIDEST];
        const double *x = m->x_plain[i], *w = m->w_plain;
        for (int l = 0; l < LAYERS; l++) {
            double *y = buffer[l % 2];
            for (int j = 0; j < width[l + 1]; j++, w += width[l] + 1) {
                double s = w[width[l]];
                for (int k = 0; k < width[l]; k++) s += w[k] * x[k];
                y[j] = l + 1 < LAYERS && s < 0.0 ? 0.0 : s;
            }
            x = y;
        }
        double margin = 1.0 - m->y[i] * x[0];
        total += margin > 0.0 ? margin : 0.0;
    }
    sink = total / SAMPLES;
}

static void *moons_new(neuron *sum) {
    ag_error error = {0};
    nn_dataset data;
    if (nn_dataset_moons(SAMPLES, 0.1, 1, &data, &error)) fail("moons", error.message);
    moons *m = need(calloc(1, sizeof *m), "moons", &error);
    m->sum = sum;
    m->tape = one_thread();
    ag_random random = {.seed = 1};
    for (int i = 0; i < MOONS_PARAMETERS; i++) {
        m->w_plain[i] = 0.5 * ag_random_normal(&random);
        m->w[i] = ag_scalar(m->tape, m->w_plain[i]);
    }
    for (int i = 0; i < SAMPLES; i++) {
        for (int k = 0; k < 2; k++) {
            m->x_plain[i][k] = ag_tensor_get(data.x, 2 * i + k);
            m->x[i][k] = ag_scalar_constant(m->tape, m->x_plain[i][k]);
        }
        m->y[i] = ag_tensor_get(data.y, i) > 0 ? 1.0 : -1.0;
    }
    nn_dataset_clear(&data);
    return m;
}

static void *moons_by_operations(void) { return moons_new(by_operations); }
static void *moons_by_affine(void) { return moons_new(ag_affine); }

static void moons_free(void *state) {
    moons *m = state;
    ag_tape_free(m->tape);
    free(m);
}

/* ---- mlp: tensors --------------------------------------------------------------------------------------- */

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
    sink = ag_item(loss);
    if (ag_tape_rewind(m->tape, mark) || backward) fail("mlp", ag_tape_message(m->tape));
    if (nn_optim_step(m->optimiser, &error)) fail("mlp", error.message);
}

static void mlp_products(void *state) {
    const mlp *m = state;
    ag_mark mark = ag_tape_mark(m->tape);
    for (int i = 0; i < PRODUCTS; i++) {
        const product *p = &m->products[i];
        ag_value c = ag_matmul(ag_constant(m->tape, p->a), ag_constant(m->tape, p->b));
        sink = ag_ok(c);
    }
    if (ag_tape_rewind(m->tape, mark)) fail("products", ag_tape_message(m->tape));
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
        sink = (double)c[0];
    }
}

static ag_tensor *matrix(int64_t rows, int64_t columns, ag_random *random) {
    ag_error error = {0};
    ag_tensor *x = ag_tensor_new(AG_F32, 2, (int64_t[]){rows, columns}, &error);
    if (!x || nn_init_fill(nn_init_normal(0.0, 1.0), x, random, &error)) fail("matrix", error.message);
    return x;
}

static void product_init(product *p, int64_t m, int64_t n, int64_t k, ag_random *random) {
    p->m = m, p->n = n, p->k = k;
    p->a = matrix(m, k, random), p->b = matrix(k, n, random), p->c = matrix(m, n, random);
}

static void *mlp_new(const int64_t size[MLP_LAYERS + 1], int64_t batch, bool adam) {
    ag_error error = {0};
    ag_random random = {.seed = 1};
    mlp *m = need(calloc(1, sizeof *m), "mlp", &error);
    m->tape = one_thread();
    m->network = need(nn_mlp(size, MLP_LAYERS + 1, NN_RELU, NULL, &error), "network", &error);
    m->params = need(nn_params_new(m->network, AG_F32, 1, &error), "parameters", &error);
    m->optimiser = adam ? nn_adam(m->params, 1e-3, &error) : nn_sgd(m->params, 1e-3, 0.0, &error);
    need(m->optimiser, "optimiser", &error);
    m->x = matrix(batch, size[0], &random);
    m->t = need(ag_tensor_new(AG_I64, 1, &batch, &error), "targets", &error);
    for (int64_t i = 0; i < batch; i++)
        if (ag_tensor_set(m->t, i, (double)ag_random_below(&random, (uint64_t)size[MLP_LAYERS])))
            fail("targets", "not written");

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

/* ---- measuring ------------------------------------------------------------------------------------------- */

typedef void work(void *state);

static const struct bench_case {
    const char *name; /* bench_torch.py has the same names */
    const char *floor_name;
    void *(*create)(void);
    work *step, *floor;
    void (*destroy)(void *state);
} cases[] = {
    {"moons scalar, operations", "plain C", moons_by_operations, moons_step, moons_plain, moons_free},
    {"moons scalar, affine", "plain C", moons_by_affine, moons_step, moons_plain, moons_free},
    {"mlp 2-16-16-2, batch 1, sgd", "loops", mlp_small_1_sgd, mlp_step, mlp_products_plain, mlp_free},
    {"mlp 2-16-16-2, batch 1, adam", "loops", mlp_small_1_adam, mlp_step, mlp_products_plain, mlp_free},
    {"mlp 2-16-16-2, batch 100, sgd", "loops", mlp_small_100_sgd, mlp_step, mlp_products_plain, mlp_free},
    {"mlp 2-16-16-2, batch 100, adam", "loops", mlp_small_100_adam, mlp_step, mlp_products_plain, mlp_free},
    {"mlp 784-512-512-10, batch 128, sgd", "matmul", mlp_large_128_sgd, mlp_step, mlp_products, mlp_free},
    {"mlp 784-512-512-10, batch 128, adam", "matmul", mlp_large_128_adam, mlp_step, mlp_products, mlp_free},
};
enum { CASES = sizeof cases / sizeof *cases, MEASURES = 2 * CASES, ROUNDS_MAX = 1000 };

/* One thing to time: a case's step (even) or floor (odd). */
typedef struct measure {
    work *run;
    void *state;
    int64_t repeat; /* runs per round */
    double *us;     /* (rounds) */
} measure;

static double now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e6 * (double)t.tv_sec + 1e-3 * (double)t.tv_nsec;
}

static double time_us(const measure *m) {
    double began = now_us();
    for (int64_t i = 0; i < m->repeat; i++) m->run(m->state);
    return (now_us() - began) / (double)m->repeat;
}

/* How many runs fill `us` microseconds; this also warms caches and arenas. */
static void calibrate(measure *m, double us) {
    m->repeat = 1;
    time_us(m);
    for (;;) {
        double took = time_us(m) * (double)m->repeat;
        if (took >= 0.5 * us) return;
        m->repeat *= 2;
    }
}

static int ascending(const void *x, const void *y) {
    const double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

static double median(double *x, int n) {
    qsort(x, (size_t)n, sizeof *x, ascending);
    return 0.5 * (x[(n - 1) / 2] + x[n / 2]);
}

static void report(const struct bench_case *c, double us, double floor_us, bool json) {
    if (json)
        printf("{\"name\": \"%s\", \"us\": %.4g, \"floor_us\": %.4g, \"floor\": \"%s\", \"ratio\": %.4g}\n",
               c->name, us, floor_us, c->floor_name, us / floor_us);
    else
        printf("%-38s %12.2f %12.2f %-8s %8.2f\n", c->name, us, floor_us, c->floor_name, us / floor_us);
}

static void usage(FILE *out) {
    fputs("usage: bench [--json] [--rounds N] [--time SECONDS] [--only TEXT]\n"
          "  --json          one JSON object a line instead of a table\n"
          "  --rounds N      measurements of everything, of which the median is shown (11)\n"
          "  --time SECONDS  how long one measurement repeats its step (0.02)\n"
          "  --only TEXT     the cases whose names contain TEXT\n",
          out);
}

typedef struct settings {
    bool json;
    int rounds;
    double seconds;
    const char *only;
} settings;

static settings parse(int argc, char **argv) {
    settings s = {.rounds = 11, .seconds = 0.02, .only = ""};
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'},       {"rounds", required_argument, NULL, 'r'},
        {"time", required_argument, NULL, 't'}, {"only", required_argument, NULL, 'o'},
        {"help", no_argument, NULL, 'h'},       {NULL, 0, NULL, 0}};
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 'j': s.json = true; break;
        case 'r': s.rounds = atoi(optarg); break;
        case 't': s.seconds = atof(optarg); break;
        case 'o': s.only = optarg; break;
        case 'h': usage(stdout); exit(EXIT_SUCCESS);
        default: usage(stderr); exit(EXIT_FAILURE);
        }
    }
    if (optind < argc || s.rounds < 1 || s.rounds > ROUNDS_MAX || !(s.seconds >= 0.0)) {
        usage(stderr);
        exit(EXIT_FAILURE);
    }
    return s;
}

int main(int argc, char **argv) {
    const settings s = parse(argc, argv);
    if (!getenv("OMP_NUM_THREADS"))
        fputs("bench: set OMP_NUM_THREADS=1 to hold everything to one thread\n", stderr);

    measure measures[MEASURES] = {{0}};
    int chosen[CASES], n = 0; /* measures 2 i and 2 i + 1 belong to cases[chosen[i]] */
    for (int i = 0; i < CASES; i++) {
        if (!strstr(cases[i].name, s.only)) continue;
        void *state = cases[i].create();
        measures[2 * n] = (measure){.run = cases[i].step, .state = state};
        measures[2 * n + 1] = (measure){.run = cases[i].floor, .state = state};
        chosen[n++] = i;
    }
    const ag_error memory = {.message = "out of memory"};
    for (int i = 0; i < 2 * n; i++) {
        measures[i].us = need(calloc((size_t)s.rounds, sizeof(double)), "bench", &memory);
        calibrate(&measures[i], 1e6 * s.seconds);
    }

    ag_random random = {.seed = 1};
    for (int round = 0; round < s.rounds; round++) {
        int64_t order[MEASURES];
        ag_random_permutation(&random, order, 2 * n);
        for (int i = 0; i < 2 * n; i++) measures[order[i]].us[round] = time_us(&measures[order[i]]);
    }

    if (!s.json) printf("%-38s %12s %12s %-8s %8s\n", "step", "us", "floor us", "floor", "ratio");
    for (int i = 0; i < n; i++) {
        const struct bench_case *c = &cases[chosen[i]];
        report(c, median(measures[2 * i].us, s.rounds), median(measures[2 * i + 1].us, s.rounds), s.json);
        c->destroy(measures[2 * i].state);
        free(measures[2 * i].us);
        free(measures[2 * i + 1].us);
    }
    return EXIT_SUCCESS;
}
