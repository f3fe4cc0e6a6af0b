/* autoencoder: images through a bottleneck, and out again.
 *
 *     autoencoder --picture digits.png                    10,000 digits that the program draws itself
 *     autoencoder --data DIR --bottleneck 8 --picture d.png --walk w.png         MNIST or Fashion-MNIST
 *     autoencoder --checkpoint run.safetensors            killed at any moment, the same command goes on
 *
 * Half a network, the encoder, makes a few numbers of an image; the other half, the decoder, makes an image of these numbers
 * again. There are no labels: what is asked for is the image itself. Whatever does not fit through the bottleneck is
 * lost, so the network has to find out what digits have in common: how a stroke goes on is known, noise is not. The picture
 * shows the noise gone.
 *
 * The numbers in the bottleneck are places. --walk goes from the place of one digit to that of another in equal steps and
 * decodes what it meets on the way: one digit becomes the other through shapes that no image had.
 *
 * Why convolutions: a perceptron of 512 and 128 units each way leaves 0.18 nats a pixel after the time in which this
 * network comes to 0.17.
 *
 * Read main first, then encoder_new, decoder_new and learn. */
#include <nn/nn.h>

#include "support/interrupt.h"
#include "support/kept_run.h"
#include "support/options.h"
#include "support/output.h"
#include "support/sheet.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DRAWN = 10000, DRAWN_FOR_TRAINING = 8000, MEASURE_BATCH = 100, CHANNELS = 12 };
enum { COLUMNS = 10, PAIRS = 3, SHOWN = COLUMNS * PAIRS, WALKS = 5 };

/* The drawn digits are one data set: --seed changes what is learnt from it, not the set. */
static const uint64_t DRAWN_SEED = 1;

typedef struct settings {
    const char *data, *load, *save, *checkpoint, *plot, *history, *picture, *walk; /* NULL: not asked for */
    int64_t bottleneck, epochs, batch, seed, threads;
    double lr;
    bool quiet;
} settings;

typedef struct run {
    settings set;
    nn_dataset train, held_out;         /* x (n, pixels) in [0, 1], ink is 1                    */
    nn_module *encoder, *decoder, *net; /* net is the one behind the other, and owns both       */
    nn_params *params;
    nn_optim *optim;
    nn_history history;
    kept_run kept; /* --checkpoint */
    ag_tape *tape;
} run;

static int64_t pixels(const run *r) { return ag_tensor_meta(r->train.x)->dim[1]; }
static int64_t side(const run *r) { return (int64_t)lround(sqrt((double)pixels(r))); }

static void run_clear(run *r) {
    ag_tape_free(r->tape);
    nn_history_clear(&r->history);
    nn_optim_free(r->optim);
    nn_params_free(r->params);
    nn_module_free(r->net);
    nn_dataset_clear(&r->train);
    nn_dataset_clear(&r->held_out);
}

static ag_status get_data(run *r, ag_error *error) {
    if (r->set.data) {
        const ag_status status = nn_dataset_mnist(r->set.data, &r->train, &r->held_out, error);
        if (status != AG_OK || (side(r) * side(r) == pixels(r) && side(r) % 4 == 0)) return status;
        return ag_fail(error, AG_ERROR_SHAPE,
                       "%.300s: images of %" PRId64 " pixels are no squares whose sides can be halved twice",
                       r->set.data, pixels(r));
    }
    nn_dataset all;
    ag_status status = nn_dataset_digits(DRAWN, DRAWN_SEED, &all, error);
    if (status == AG_OK) status = nn_dataset_rows(&all, 0, DRAWN_FOR_TRAINING, &r->train, error);
    if (status == AG_OK) status = nn_dataset_rows(&all, DRAWN_FOR_TRAINING, DRAWN, &r->held_out, error);
    nn_dataset_clear(&all);
    return status;
}

/* Two convolutions, each of which halves the sides, and a linear layer into the bottleneck. */
static nn_module *encoder_new(int64_t side, int64_t bottleneck, ag_error *error) {
    const nn_conv_options halve = {.stride = {1, {2}}, .padding = {1, {1}}};
    nn_module *const layers[] = {nn_unflatten(1, 3, (int64_t[]){1, side, side}, error), /* (n, 1, side, side) */
                                 nn_conv2d(1, CHANNELS, 4, 4, &halve, error),
                                 nn_activation_layer(NN_RELU, error),
                                 nn_conv2d(CHANNELS, 2 * CHANNELS, 4, 4, &halve, error),
                                 nn_activation_layer(NN_RELU, error),
                                 nn_flatten(1, -1, error),
                                 nn_linear(2 * CHANNELS * side / 4 * side / 4, bottleneck, error)};
    return nn_sequential(layers, sizeof layers / sizeof *layers, error);
}

/* The same backwards; what comes out are logits: ink or not, for each pixel. */
static nn_module *decoder_new(int64_t side, int64_t bottleneck, ag_error *error) {
    const nn_conv_options doubled = {.stride = {1, {2}}, .padding = {1, {1}}};
    nn_module *const layers[] = {nn_linear(bottleneck, 2 * CHANNELS * side / 4 * side / 4, error),
                                 nn_activation_layer(NN_RELU, error),
                                 nn_unflatten(1, 3, (int64_t[]){2 * CHANNELS, side / 4, side / 4}, error),
                                 nn_conv_transpose2d(2 * CHANNELS, CHANNELS, 4, 4, &doubled, error),
                                 nn_activation_layer(NN_RELU, error),
                                 nn_conv_transpose2d(CHANNELS, 1, 4, 4, &doubled, error),
                                 nn_flatten(1, -1, error)}; /* (n, pixels) */
    return nn_sequential(layers, sizeof layers / sizeof *layers, error);
}

/* From a checkpoint where there is one, else from --load, else from the weights that were drawn. */
static ag_status choose_beginning(run *r, ag_error *error) {
    const settings *s = &r->set;
    kept_run *k = &r->kept;
    k->program = "autoencoder";
    k->path = s->checkpoint;
    k->is = (nn_checkpoint){.params = r->params, .optim = r->optim, .history = &r->history};
    kept_run_agree_on_data(k, r->train.x, r->held_out.x);
    agreed_add(&k->agreed, "bottleneck", "%" PRId64, s->bottleneck);
    agreed_add(&k->agreed, "epochs", "%" PRId64, s->epochs); /* the rate comes down along all of them */
    agreed_add(&k->agreed, "batch", "%" PRId64, s->batch);
    agreed_add(&k->agreed, "lr", "%.15g", s->lr);
    agreed_add(&k->agreed, "seed", "%" PRId64, s->seed);
    agreed_add(&k->agreed, "load", "%s", s->load ? "given" : "not given");
    if (!resume_possible(k->path)) return s->load ? nn_params_load(r->params, s->load, error) : AG_OK;
    const ag_status status = kept_run_resume(k, s->epochs, error);
    if (status == AG_OK && !s->quiet) printf("going on after epoch %" PRId64 ", from %s\n", k->epoch, k->path);
    return status;
}

static ag_status build_network(run *r, ag_error *error) {
    const settings *s = &r->set;
    r->encoder = encoder_new(side(r), s->bottleneck, error);
    r->decoder = decoder_new(side(r), s->bottleneck, error);
    r->net = nn_sequential((nn_module *[]){r->encoder, r->decoder}, 2, error); /* a NULL among them fails here */
    if (!r->net) return error->status;
    if (!(r->params = nn_params_new(r->net, AG_F32, (uint64_t)s->seed, error))) return error->status;
    if (!(r->optim = nn_adam(r->params, s->lr, error))) return error->status;
    const ag_tape_options options = {.threads = s->threads > 0 ? (int)s->threads : AG_THREADS_ALL};
    if (!(r->tape = ag_tape_new(&options))) return ag_fail(error, AG_ERROR_MEMORY, "no memory for a tape");
    if (!s->quiet)
        printf("%" PRId64 " pixels through %" PRId64 " numbers: %" PRId64 " parameters, %" PRId64
               " images to train, %" PRId64 " held out\n",
               pixels(r), s->bottleneck, nn_params_elements(r->params), nn_dataset_size(&r->train),
               nn_dataset_size(&r->held_out));
    return choose_beginning(r, error);
}

static bool not_interrupted(void *user, const nn_fit_state *now) {
    (void)user, (void)now;
    return !interrupted;
}

static bool keep(void *user, const nn_fit_state *now) {
    run *r = user;
    kept_run_save(&r->kept, now->epoch);
    return true;
}

static ag_status learn(run *r, ag_error *error) {
    const settings *s = &r->set;
    const nn_dataset train = {.x = r->train.x},
                     held_out = {.x = r->held_out.x}; /* no labels: the target is x itself */
    const int64_t steps = (nn_dataset_size(&train) + s->batch - 1) / s->batch;
    const nn_schedule rate = nn_schedule_cosine(s->lr, s->epochs * steps, 0.01 * s->lr);
    const nn_fit_options options = {
        .train = &train,
        .validation = &held_out,
        .loss = nn_bce_with_logits,
        .first = r->kept.epoch,
        .epochs = s->epochs,
        .batch = s->batch,
        .seed = (uint64_t)s->seed,
        .threads = s->threads > 0 ? (int)s->threads : AG_THREADS_ALL,
        .schedule = &rate,
        .after_batch = not_interrupted,
        .after_epoch = keep,
        .user = r,
        .progress = s->quiet ? NULL : stdout,
    };
    if (s->epochs == r->kept.epoch) return AG_OK;
    watch_for_interrupt();
    const ag_status status = nn_fit(r->net, r->params, r->optim, &options, &r->history, error);
    if (status == AG_OK && interrupted)
        fprintf(stderr, "autoencoder: interrupted after %zu epochs\n", r->history.count);
    return status;
}

/* ---- what became of it ------------------------------------------------------------------------------------------ */

/* A network's answer to x (n, ...), read into `y` after a sigmoid where that is wanted. */
static ag_status answer(run *r, nn_module *part, const ag_tensor *x, bool sigmoid, double *y, int64_t n,
                        ag_error *error) {
    const ag_mark start = ag_tape_mark(r->tape);
    nn_pass pass = {r->tape, false};
    ag_no_grad_begin(r->tape);
    const ag_value out = nn_forward(part, &pass, ag_constant(r->tape, x));
    const ag_status status = ag_read_f64(sigmoid ? ag_sigmoid(out) : out, y, n);
    ag_no_grad_end(r->tape);
    const ag_status recorded = ag_tape_rewind(r->tape, start);
    return recorded == AG_OK ? status : ag_fail(error, recorded, "%s", ag_tape_message(r->tape));
}

/* Of the trained network, over a whole set: the loss, and the root of the mean squared error of a pixel. */
static ag_status measure(run *r, const nn_dataset *d, double *loss, double *rmse, ag_error *error) {
    double losses = 0, squares = 0;
    nn_batcher *batches = nn_batcher_new(d, MEASURE_BATCH, false, 0, error);
    if (!batches) return error->status;
    ag_status status = AG_OK;
    for (ag_tensor *x; status == AG_OK && nn_batcher_next(batches, &x, NULL);) {
        const double rows = (double)ag_tensor_meta(x)->dim[0];
        const ag_mark start = ag_tape_mark(r->tape);
        nn_pass pass = {r->tape, false};
        ag_no_grad_begin(r->tape);
        const ag_value in = ag_constant(r->tape, x), out = nn_forward(r->net, &pass, in);
        losses += rows * ag_item(nn_bce_with_logits(out, in));
        squares += rows * ag_item(nn_mse(ag_sigmoid(out), in));
        ag_no_grad_end(r->tape);
        status = ag_tape_rewind(r->tape, start);
        if (status != AG_OK) ag_fail(error, status, "%s", ag_tape_message(r->tape));
    }
    nn_batcher_free(batches);
    *loss = losses / (double)nn_dataset_size(d);
    *rmse = sqrt(squares / (double)nn_dataset_size(d));
    return status;
}

/* The same error of the plainest answer: every image is the mean of those to train with. */
static double rmse_of_mean(const run *r) {
    const float *train = ag_tensor_data(r->train.x), *held_out = ag_tensor_data(r->held_out.x);
    const int64_t n = nn_dataset_size(&r->train), m = nn_dataset_size(&r->held_out), width = pixels(r);
    double squares = 0;
    for (int64_t p = 0; p < width; p++) {
        double mean = 0;
        for (int64_t i = 0; i < n; i++) mean += (double)train[i * width + p] / (double)n;
        for (int64_t i = 0; i < m; i++) {
            const double d = (double)held_out[i * width + p] - mean;
            squares += d * d;
        }
    }
    return sqrt(squares / (double)(m * width));
}

static ag_status report(run *r, ag_error *error) {
    double loss[2], rmse[2];
    ag_status status = measure(r, &r->train, &loss[0], &rmse[0], error);
    if (status == AG_OK) status = measure(r, &r->held_out, &loss[1], &rmse[1], error);
    if (status != AG_OK) return status;
    printf("loss %.5f nats a pixel in training, %.5f held out; RMSE %.4f, %.4f; by the mean image %.4f\n", loss[0],
           loss[1], rmse[0], rmse[1], rmse_of_mean(r));
    return output_whole() ? AG_OK : ag_fail(error, AG_ERROR_IO, "cannot write to the standard output");
}

/* ---- pictures --------------------------------------------------------------------------------------------------- */

/* (rows, width) numbers as images that a gallery can show. */
static ag_tensor *images_new(int64_t rows, int64_t width, const double *value, ag_error *error) {
    ag_tensor *x = ag_tensor_new(AG_F32, 2, (int64_t[]){rows, width}, error);
    for (int64_t i = 0; x && i < rows * width; i++) ((float *)ag_tensor_write(x))[i] = (float)value[i];
    return x;
}

static nn_gallery gallery_of(const run *r, const char *title, const float *const *image, const char *const *rows,
                             int64_t n) {
    return (nn_gallery){.title = title,
                        .height = side(r),
                        .width = side(r),
                        .images = image,
                        .n = n,
                        .columns = COLUMNS,
                        .rows = rows,
                        .ink = true};
}

/* Digits held out above what becomes of them. */
static ag_status draw_pairs(run *r, const char *path, ag_error *error) {
    const int64_t width = pixels(r),
                  n = nn_dataset_size(&r->held_out) < SHOWN ? nn_dataset_size(&r->held_out) : SHOWN;
    const float *image[2 * SHOWN] = {NULL};
    const char *rows[2 * PAIRS];
    const size_t bytes = (size_t)(n * width) * sizeof(double);
    double *y = ag_alloc(bytes);
    nn_dataset some = {0};
    ag_tensor *made = NULL;
    ag_status status = y ? nn_dataset_rows(&r->held_out, 0, n, &some, error)
                         : ag_fail(error, AG_ERROR_MEMORY, "no memory for a picture");
    if (status == AG_OK) status = answer(r, r->net, some.x, true, y, n * width, error);
    if (status == AG_OK && !(made = images_new(n, width, y, error))) status = error->status;
    if (status == AG_OK) {
        for (int64_t i = 0; i < n; i++) {
            const int64_t at = i / COLUMNS * 2 * COLUMNS + i % COLUMNS;
            image[at] = (const float *)ag_tensor_data(some.x) + i * width;
            image[at + COLUMNS] = (const float *)ag_tensor_data(made) + i * width;
        }
        for (int i = 0; i < 2 * PAIRS; i++) rows[i] = i % 2 == 0 ? "held out" : "decoded";
        const nn_gallery g = gallery_of(r, "Through the bottleneck", image, rows, 2 * SHOWN);
        status = sheet_write(path, &g, error);
    }
    ag_tensor_free(made);
    nn_dataset_clear(&some);
    ag_release(y, bytes);
    return status;
}

/* The first image held out with this label; the first of all where there is none. */
static int64_t first_of(const run *r, int64_t label) {
    const int64_t *y = ag_tensor_data(r->held_out.y), n = nn_dataset_size(&r->held_out);
    int64_t i = 0;
    while (i < n && y[i] != label) i++;
    return i < n ? i : 0;
}

/* In equal steps from the code of one digit to that of another. codes (WALKS * COLUMNS, bottleneck) */
static ag_status walk_codes(run *r, double *codes, ag_error *error) {
    static const int64_t from_to[WALKS][2] = {{3, 8}, {4, 9}, {1, 7}, {5, 6}, {0, 2}};
    const int64_t k = r->set.bottleneck;
    ag_status status = AG_OK;
    for (int w = 0; w < WALKS && status == AG_OK; w++) {
        double *first = codes + w * COLUMNS * k, *last = first + (COLUMNS - 1) * k;
        for (int end = 0; end < 2 && status == AG_OK; end++) {
            nn_dataset one = {0};
            const int64_t row = first_of(r, from_to[w][end]);
            status = nn_dataset_rows(&r->held_out, row, row + 1, &one, error);
            if (status == AG_OK) status = answer(r, r->encoder, one.x, false, end ? last : first, k, error);
            nn_dataset_clear(&one);
        }
        for (int step = 1; step < COLUMNS - 1; step++)
            for (int64_t i = 0; i < k; i++)
                first[step * k + i] = first[i] + (last[i] - first[i]) * step / (COLUMNS - 1);
    }
    return status;
}

static ag_status draw_walks(run *r, const char *path, ag_error *error) {
    enum { PLACES = WALKS * COLUMNS };
    const int64_t width = pixels(r), k = r->set.bottleneck;
    const float *image[PLACES];
    const size_t bytes = (size_t)(PLACES * (k + width)) * sizeof(double);
    double *codes = ag_alloc(bytes), *y = codes ? codes + PLACES * k : NULL; /* (PLACES, k), (PLACES, width) */
    ag_tensor *places = NULL, *made = NULL;
    ag_status status =
        codes ? walk_codes(r, codes, error) : ag_fail(error, AG_ERROR_MEMORY, "no memory for a picture");
    if (status == AG_OK && !(places = images_new(PLACES, k, codes, error))) status = error->status;
    if (status == AG_OK) status = answer(r, r->decoder, places, true, y, PLACES * width, error);
    if (status == AG_OK && !(made = images_new(PLACES, width, y, error))) status = error->status;
    if (status == AG_OK) {
        for (int64_t i = 0; i < PLACES; i++) image[i] = (const float *)ag_tensor_data(made) + i * width;
        const nn_gallery g = gallery_of(r, "From one digit to another", image, NULL, PLACES);
        status = sheet_write(path, &g, error);
    }
    ag_tensor_free(made);
    ag_tensor_free(places);
    ag_release(codes, bytes);
    return status;
}

/* One file; a failure spoils neither the others nor the report, and is said at once. Returns whether all is well. */
static bool wrote(const run *r, const char *verb, const char *path, ag_status status, const ag_error *error) {
    if (status != AG_OK)
        fprintf(stderr, "autoencoder: %s\n", error->message);
    else if (!r->set.quiet)
        printf("%s %s\n", verb, path);
    return status == AG_OK;
}

static bool write_files(run *r) {
    const settings *s = &r->set;
    const char *const about[] = {"program", "autoencoder", NULL};
    ag_error e = {0};
    bool well = true;
    if (s->save) well &= wrote(r, "saved", s->save, nn_params_save(r->params, s->save, about, &e), &e);
    if (s->history) well &= wrote(r, "wrote", s->history, nn_history_csv(&r->history, s->history, &e), &e);
    if (s->plot) well &= wrote(r, "drew", s->plot, nn_history_plot(&r->history, s->plot, &e), &e);
    if (s->picture) well &= wrote(r, "drew", s->picture, draw_pairs(r, s->picture, &e), &e);
    if (s->walk) well &= wrote(r, "drew", s->walk, draw_walks(r, s->walk, &e), &e);
    return well;
}

/* ---- the program ------------------------------------------------------------------------------------------------ */

static bool sheet_possible(const char *option, const char *path) {
    ag_error error = {0};
    if (!path || sheet_check(path, &error) == AG_OK) return true;
    fprintf(stderr, "autoencoder: --%s: %s\n", option, error.message);
    return false;
}

static bool read_settings(settings *s, int argc, char **argv, int *exit_status) {
    *s = (settings){.bottleneck = 32, .epochs = 10, .batch = 32, .seed = 1, .threads = 1, .lr = 5e-3};
    const option_row rows[] = {
        {"data", "DIR", "MNIST or Fashion-MNIST: IDX files in DIR under their published names, .gz or not",
         OPTION_TEXT, &s->data, 0, 0},
        {"bottleneck", "N", "numbers that an image has to go through", OPTION_INTEGER, &s->bottleneck, 1, 1024},
        {"epochs", "N", "passes through the images to train with; 0 only tests", OPTION_INTEGER, &s->epochs, 0,
         100000},
        {"batch", "N", "images a step", OPTION_INTEGER, &s->batch, 1, 1000000},
        {"lr", "X", "Adam's learning rate at the beginning", OPTION_RATE, &s->lr, 0, 0},
        {"seed", "N", "of the first weights and of the order of images", OPTION_INTEGER, &s->seed, 0, INT64_MAX},
        {"threads", "N", "threads to use; 0: as many as OpenMP would", OPTION_INTEGER, &s->threads, 0, 1024},
        {"load", "FILE", "begin with the parameters of a safetensors file", OPTION_TEXT, &s->load, 0, 0},
        {"save", "FILE", "write the parameters as safetensors", OPTION_FILE, &s->save, 0, 0},
        {"checkpoint", "FILE",
         "keep the whole run in FILE after each epoch; where there is such a FILE, go on from it", OPTION_FILE,
         &s->checkpoint, 0, 0},
        {"history", "FILE", "write the losses of every epoch as CSV", OPTION_FILE, &s->history, 0, 0},
        {"plot", "FILE", "draw them: FILE.png or FILE.svg", OPTION_PICTURE, &s->plot, 0, 0},
        {"picture", "FILE", "draw images held out above their reconstructions: FILE.png, FILE.svg or FILE.pgm",
         OPTION_TEXT, &s->picture, 0, 0},
        {"walk", "FILE", "draw the way from one image to another, likewise", OPTION_TEXT, &s->walk, 0, 0},
        {"quiet", NULL, "print nothing but the last line", OPTION_FLAG, &s->quiet, 0, 0},
    };
    const option_table o = {
        .program = "autoencoder",
        .shows = "Learn to press images through a few numbers and to make them again: 10,000\n"
                 "digits that the program draws itself, or those of --data.\n",
        .ends = "\nA run with --checkpoint may be killed at any moment: the same command goes on\n"
                "after the last whole epoch, and ends with the weights, to the bit, of a run that\n"
                "was never stopped; its curves show all of it. A FILE of a run with other\n"
                "settings is refused. Remove it to begin again.\n"
                "Ctrl-C ends training early; what is there is reported and written as usual.\n"
                "Exit status: 0; 1 when something failed; 2 for a wrong option; 130 after Ctrl-C.\n",
        .row = rows,
        .n = sizeof rows / sizeof *rows,
    };
    if (!options_read(&o, argc, argv, NULL, exit_status)) return false;
    if (s->save && s->checkpoint && strcmp(s->save, s->checkpoint) == 0) {
        fprintf(stderr, "autoencoder: --checkpoint: '%s' is the file of --save, too\n", s->save);
        *exit_status = EXIT_USAGE;
        return false;
    }
    return sheet_possible("picture", s->picture) && sheet_possible("walk", s->walk);
}

int main(int argc, char **argv) {
    run r = {0};
    ag_error error = {0};
    int exit_status;
    if (!read_settings(&r.set, argc, argv, &exit_status)) return exit_status;

    ag_status status = get_data(&r, &error);
    if (status == AG_OK) status = build_network(&r, &error);
    if (status == AG_OK) status = learn(&r, &error);
    const bool written = status == AG_OK && write_files(&r);
    if (status == AG_OK) status = report(&r, &error);
    if (status != AG_OK) fprintf(stderr, "autoencoder: %s\n", error.message);
    run_clear(&r);
    return status != AG_OK || !written || r.kept.status != AG_OK ? EXIT_FAILURE
           : interrupted                                         ? EXIT_INTERRUPTED
                                                                 : EXIT_SUCCESS;
}
