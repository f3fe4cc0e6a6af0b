/* digits_model: see digits_model.h. */
#include "digits_model.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- a multi-layer perceptron ------------------------------------------------------------------------------ */

/* pixels - hidden - ... - 10, ReLU between the layers. A pixel is a number like any other to it: were the pixels of all
 * images shuffled in one way, it would learn as well. */
static nn_module *mlp_new(const settings *s, int64_t pixels, ag_error *error) {
    int64_t sizes[OPTION_SIZES_MOST + 2];
    int n = 0;
    sizes[n++] = pixels;
    for (int i = 0; i < s->hidden.n; i++) sizes[n++] = s->hidden.size[i];
    sizes[n++] = CLASSES;
    return nn_mlp(sizes, n, NN_RELU, NULL, error);
}

/* ---- a convolutional network ------------------------------------------------------------------------------- */

enum { WINDOW = 5, FIRST_MAPS = 16, SECOND_MAPS = 32, FEATURES = 128 };
static const double DROPPED = 0.25;

/* The side of a square map after a convolution (no padding: its window stays inside) and pooling by 2. */
static int64_t side_after(int64_t side) { return (side - WINDOW + 1) / 2; }

/* This one knows what is beside what. A window of 5 x 5 weights slides over the image and answers wherever it finds its
 * pattern, a piece of a stroke: one map of answers for each of 16 patterns, the same weights at every place. Pooling
 * keeps the strongest of 2 x 2 answers, so that a stroke may lie a little off. 32 windows over these maps find patterns
 * of patterns, corners and bows; two linear layers then say which digit has them. Dropout puts out a quarter of the
 * features at each step, a different one each time, so that none learns to rely on another.
 *
 * For 28 x 28 pixels, an image's shape on its way:
 *     784 > 1 x 28 x 28 > 16 x 24 x 24 > 16 x 12 x 12 > 32 x 8 x 8 > 32 x 4 x 4 > 512 > 128 > 10 */
static nn_module *cnn_new(int64_t pixels, ag_error *error) {
    const int64_t side = llround(sqrt((double)pixels)), left = side_after(side_after(side));
    if (side * side != pixels || left < 1) {
        (void)ag_fail(error, AG_ERROR_SHAPE,
                      "a cnn needs square images of at least 16 x 16 pixels, and these have %" PRId64
                      " pixels; --model mlp takes any",
                      pixels);
        return NULL;
    }
    const ag_pool_options by_two = {.kernel = {1, {2}}};
    nn_module *const layers[] = {
        nn_unflatten(1, 3, (const int64_t[]){1, side, side}, error),

        nn_conv2d(1, FIRST_MAPS, WINDOW, WINDOW, NULL, error),
        nn_activation_layer(NN_RELU, error),
        nn_max_pool2d(&by_two, error),

        nn_conv2d(FIRST_MAPS, SECOND_MAPS, WINDOW, WINDOW, NULL, error),
        nn_activation_layer(NN_RELU, error),
        nn_max_pool2d(&by_two, error),

        nn_flatten(1, -1, error),
        nn_dropout(DROPPED, error),
        nn_linear(SECOND_MAPS * left * left, FEATURES, error),
        nn_activation_layer(NN_RELU, error),
        nn_dropout(DROPPED, error),
        nn_linear(FEATURES, CLASSES, error),
    };
    return nn_sequential(layers, (int)(sizeof layers / sizeof *layers),
                         error); /* owns them; a NULL is its error */
}

/* ---- what both share --------------------------------------------------------------------------------------- */

nn_module *digits_model_new(const settings *s, int64_t pixels, ag_error *error) {
    return s->model.chosen == MODEL_CNN ? cnn_new(pixels, error) : mlp_new(s, pixels, error);
}

ag_status digits_model_print(nn_module *net, int64_t pixels, ag_error *error) {
    char text[8192];
    nn_summary summary = {0};
    ag_tensor *image = ag_tensor_new(AG_F32, 2, (const int64_t[]){1, pixels}, error);
    if (!image) return error->status;
    const ag_status status = nn_summary_init(&summary, net, image, error);
    if (status == AG_OK) {
        (void)nn_summary_text(&summary, text, sizeof text);
        printf("%s\n", text);
    }
    nn_summary_clear(&summary);
    ag_tensor_free(image);
    return status;
}

static const char NETWORK[] = "network"; /* key of the metadata */

ag_status digits_model_save(const settings *s, const nn_params *params, ag_error *error) {
    const char *const metadata[] = {"program", "train_digits", NETWORK, settings_model(s), NULL};
    return nn_params_save(params, s->save, metadata, error);
}

ag_status digits_model_load(const settings *s, nn_params *params, ag_error *error) {
    ag_safetensors *file = ag_safetensors_read(s->load, error);
    if (!file) return error->status;
    const char *of = ag_safetensors_metadata(file, NETWORK), *wanted = settings_model(s);
    ag_status status = AG_OK;
    if (of && strcmp(of, wanted) != 0) /* a file of another program may not say: then names and shapes tell */
        status =
            ag_fail(error, AG_ERROR_FORMAT, "%s has the weights of --model %.16s, not of %s", s->load, of, wanted);
    ag_safetensors_free(file);
    return status == AG_OK ? nn_params_load(params, s->load, error) : status;
}
