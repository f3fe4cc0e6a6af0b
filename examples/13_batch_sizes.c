/* 13_batch_sizes: how many samples an update should look at.
 *
 * The gradient of the cost is a mean over all samples; a few give an estimate of it. An update from the full batch
 * goes the right way and costs all samples; one from a single sample goes nearly anywhere, and costs next to nothing.
 * Between the two lie mini-batches. Which is better depends on what is counted: by update the full batch is as good
 * as any; by second it is the worst, for it has made few updates when the others have made many. A single sample
 * makes the most, but leaves a machine that multiplies matrices idle, and needs a smaller rate to keep its noise
 * down.
 *
 * The same network, from the same first weights, learns the same digits by each. The loss is that of all of them; the
 * time to measure it is not counted. Seconds are of processor time, and differ from run to run; losses by update do
 * not.
 *
 *     13_batch_sizes --plot batches.svg      loss by update and by second */
#include <nn/nn.h>

#include "support/book_options.h"
#include "support/classifier.h"
#include "support/output.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { PIXELS = 784, HIDDEN = 30, DIGITS = 10, TRAIN = 1024, EPOCHS = 10, LEAST_UPDATES = 100, POINTS = 64 };
static const struct {
    int64_t batch;
    double rate;
} RUN[] = {{TRAIN, 0.3}, {512, 0.3}, {256, 0.3}, {128, 0.3}, {64, 0.3}, {1, 0.03}};
enum { RUNS = sizeof RUN / sizeof *RUN };

/* Where a run stood, at ever larger distances. */
typedef struct history {
    int n;
    double updates[POINTS], seconds[POINTS], loss[POINTS];
} history;

/* Of processor time: what other programs take of the machine is not counted. */
static double now(void) { return (double)clock() / CLOCKS_PER_SEC; }

/* The points at which the loss is measured: 1, 2, 3, 5, 7, 10, 14, ... and 100 among them. */
static int64_t next_point(int64_t updates) {
    const int64_t next = updates + 1 + 2 * updates / 5;
    return updates < 100 && next > 100 ? 100 : next;
}

/* At least EPOCHS epochs and LEAST_UPDATES updates. */
static ag_status learn(const nn_dataset *d, int64_t batch, double rate, uint64_t seed, history *h,
                       ag_error *error) {
    const int64_t sizes[] = {PIXELS, HIDDEN, DIGITS};
    const int64_t by_epoch = EPOCHS * (TRAIN / batch), last = by_epoch > LEAST_UPDATES ? by_epoch : LEAST_UPDATES;
    classifier c = {0};
    nn_batcher *batches = nn_batcher_new(d, batch, true, seed, error);
    ag_status status =
        batches ? classifier_init(&c, nn_mlp(sizes, 3, NN_RELU, NULL, error), rate, seed, error) : error->status;
    double seconds = 0;
    int64_t point = 1;
    *h = (history){0};
    for (int64_t updates = 1, epoch = 0; updates <= last && status == AG_OK; updates++) {
        ag_tensor *x, *y;
        const double start = now();
        if (!nn_batcher_next(batches, &x, &y)) { /* TRAIN is not 0: the next epoch has a batch */
            nn_batcher_start(batches, ++epoch);
            if (!nn_batcher_next(batches, &x, &y)) break;
        }
        status = classifier_step(&c, x, y, NULL, error);
        seconds += now() - start;
        if (status != AG_OK || (updates != point && updates != last)) continue;
        classifier_score score;
        status = classifier_measure(&c, d, &score, error);
        h->updates[h->n] = (double)updates;
        h->seconds[h->n] = seconds;
        h->loss[h->n++] = score.loss;
        point = next_point(point);
    }
    classifier_clear(&c);
    nn_batcher_free(batches);
    return status;
}

/* The last loss measured while `axis` (updates or seconds) had not gone past `at`; NaN: none, or the run was over. */
static double loss_at(const history *h, const double *axis, double at) {
    double loss = NAN;
    for (int i = 0; i < h->n && axis[i] <= at; i++) loss = h->loss[i];
    return axis[h->n - 1] < at ? NAN : loss;
}

static void print_row(const char *label, const history *h, bool by_second, double at) {
    printf("%s", label);
    for (int r = 0; r < RUNS; r++) {
        const double loss = loss_at(&h[r], by_second ? h[r].seconds : h[r].updates, at);
        if (isnan(loss))
            printf("         -");
        else
            printf("  %8.4f", loss);
    }
    printf("\n");
}

static void print_heads(const char *label) {
    printf("%s", label);
    for (int r = 0; r < RUNS; r++) printf("  %8" PRId64, RUN[r].batch);
    printf("\n");
}

static void print(const history *h) {
    static const double updates[] = {1, 2, 3, 5, 10, 28, 56, 100}, seconds[] = {.005, .01, .02, .05, .1, .2};
    char label[32];
    printf("the loss of %d digits, by samples in an update; rate 0.3, single samples 0.03\n\n", TRAIN);
    print_heads("after updates");
    for (size_t i = 0; i < sizeof updates / sizeof *updates; i++) {
        snprintf(label, sizeof label, "%13g", updates[i]);
        print_row(label, h, false, updates[i]);
    }
    print_heads("\nafter seconds");
    for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++) {
        snprintf(label, sizeof label, "%13g", seconds[i]);
        print_row(label, h, true, seconds[i]);
    }
    printf("\n%12s %8s  %8s  %10s  %10s\n", "batch", "updates", "loss", "updates/s", "samples/s");
    for (int r = 0; r < RUNS; r++) {
        const int last = h[r].n - 1;
        const double speed = h[r].updates[last] / h[r].seconds[last];
        printf("%12" PRId64 " %8.0f  %8.4f  %10.0f  %10.0f\n", RUN[r].batch, h[r].updates[last], h[r].loss[last],
               speed, speed * (double)RUN[r].batch);
    }
}

static ag_status draw(const char *path, const history *h, ag_error *error) {
    static char name[RUNS][32];
    nn_curve by_update[RUNS], by_second[RUNS];
    for (int r = 0; r < RUNS; r++) {
        int early = 0;
        while (early < h[r].n && h[r].updates[early] <= LEAST_UPDATES) early++;
        snprintf(name[r], sizeof name[r], "%" PRId64 " sample%s", RUN[r].batch, RUN[r].batch == 1 ? "" : "s");
        by_update[r] = (nn_curve){.name = name[r], .x = h[r].updates, .y = h[r].loss, .n = early};
        by_second[r] = (nn_curve){.name = name[r], .x = h[r].seconds, .y = h[r].loss, .n = h[r].n};
    }
    const nn_axis height = {.scale = NN_SCALE_LINEAR};
    const nn_chart charts[] = {
        {.title = "Loss by update, the first hundred",
         .x = {.name = "updates", .whole = true},
         .y = height,
         .curves = by_update,
         .n = RUNS},
        {.title = "Loss by second", .x = {.name = "seconds"}, .y = height, .curves = by_second, .n = RUNS}};
    return nn_picture_write(path, &(nn_picture){.charts = charts, .n_charts = 2}, error);
}

int main(int argc, char **argv) {
    const char *path = NULL;
    int64_t seed = 1;
    int exit_status;
    const book_options options = {
        .program = "13_batch_sizes",
        .shows = "Full batch, mini-batches and single samples: loss by update and by second.\n",
        .seed = &seed,
        .plot = &path};
    if (!book_options_read(&options, argc, argv, &exit_status)) return exit_status;
    static history h[RUNS];
    ag_error error = {0};
    nn_dataset d = {0};
    ag_status status = nn_dataset_digits(TRAIN, (uint64_t)seed, &d, &error);
    for (int r = 0; r < RUNS && status == AG_OK; r++)
        status = learn(&d, RUN[r].batch, RUN[r].rate, (uint64_t)seed, &h[r], &error);
    if (status == AG_OK) print(h);
    if (status == AG_OK && path) status = draw(path, h, &error);
    if (status != AG_OK) fprintf(stderr, "13_batch_sizes: %s\n", error.message);
    nn_dataset_clear(&d);
    return output_end("13_batch_sizes", status == AG_OK ? EXIT_SUCCESS : EXIT_FAILURE);
}
