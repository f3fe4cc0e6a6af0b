/* bench_moons: the network 2-16-16-1 of scalar neurons (ReLU, hinge loss) on 100 samples, forward and backward; once with
 * one record for each multiplication and addition, once with ag_affine. Floor: the loss of the same network in plain C,
 * without derivatives, compiled with the same options. */
#include "bench.h"

#include <stdlib.h>

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
    bench_sink = ag_item(loss) + ag_item_grad(m->w[0]);
    if (ag_tape_rewind(m->tape, mark) || status) bench_fail("moons", ag_tape_message(m->tape));
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
    bench_sink = total / SAMPLES;
}

static void *moons_new(neuron *sum) {
    ag_error error = {0};
    nn_dataset data;
    if (nn_dataset_moons(SAMPLES, 0.1, 1, &data, &error)) bench_fail("moons", error.message);
    moons *m = bench_need(calloc(1, sizeof *m), "moons", &error);
    m->sum = sum;
    m->tape = bench_tape();
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

const bench_case bench_moons[BENCH_MOONS] = {
    {"moons scalar, operations", "plain C", moons_by_operations, moons_step, moons_plain, moons_free},
    {"moons scalar, affine", "plain C", moons_by_affine, moons_step, moons_plain, moons_free},
};
