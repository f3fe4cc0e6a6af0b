/* training_picture: see training_picture.h. */
#include "training_picture.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

/* x and y lie in one block: (2, room). */
static size_t curve_bytes(int64_t room) { return 2 * (size_t)room * sizeof(double); }

static ag_status curve_grow(curve *c, ag_error *error) {
    const int64_t room = c->room > 0 ? 2 * c->room : 64;
    double *larger = ag_alloc(curve_bytes(room));
    if (!larger) return ag_fail(error, AG_ERROR_MEMORY, "curve of %" PRId64 " points", room);
    for (int64_t i = 0; i < c->n; i++) {
        larger[i] = c->x[i];
        larger[room + i] = c->y[i];
    }
    ag_release(c->x, curve_bytes(c->room));
    c->x = larger;
    c->y = larger + room;
    c->room = room;
    return AG_OK;
}

ag_status curve_add(curve *c, double x, double y, ag_error *error) {
    const ag_status status = c->n == c->room ? curve_grow(c, error) : AG_OK;
    if (status != AG_OK) return status;
    c->x[c->n] = x;
    c->y[c->n++] = y;
    return AG_OK;
}

void curve_clear(curve *c) {
    ag_release(c->x, curve_bytes(c->room));
    *c = (curve){0};
}

ag_status misread_add(misread *wrong, ag_value logits, const ag_tensor *y, int64_t first, ag_error *error) {
    const int64_t *truth = ag_tensor_data(y);
    const int64_t *guess = ag_data(ag_argmax(logits, 1, false));
    if (!guess) return ag_fail(error, AG_ERROR_FAILED, "the largest logits cannot be read");
    for (int64_t i = 0; i < ag_tensor_count(y) && wrong->n < MISREAD_SHOWN; i++) {
        if (guess[i] == truth[i]) continue;
        wrong->at[wrong->n].sample = first + i;
        wrong->at[wrong->n].truth = truth[i];
        wrong->at[wrong->n++].guess = guess[i];
    }
    return AG_OK;
}

void training_picture_clear(training_picture *t) {
    curve_clear(&t->loss);
    curve_clear(&t->train);
    curve_clear(&t->test);
}

/* The images that were misread, with "7 read as 1" below each; side 0: they are no squares, and not shown. */
static nn_gallery misread_gallery(const training_picture *t, const float **image, const char **caption,
                                  char text[MISREAD_SHOWN][32]) {
    const int64_t width = ag_tensor_meta(t->images)->dim[1];
    const int64_t side = (int64_t)lround(sqrt((double)width));
    const float *pixel = ag_tensor_data(t->images); /* (n, width) */
    for (int i = 0; i < t->wrong.n; i++) {
        image[i] = pixel + t->wrong.at[i].sample * width;
        caption[i] = text[i];
        snprintf(text[i], sizeof text[i], "%" PRId64 " read as %" PRId64, t->wrong.at[i].truth,
                 t->wrong.at[i].guess);
    }
    return (nn_gallery){
        .title = t->wrong.n > 0 ? "Misread in the test set" : "Nothing in the test set was misread",
        .height = side * side == width ? side : 0,
        .width = side,
        .images = image,
        .captions = caption,
        .n = t->wrong.n,
        .ink = true,
    };
}

ag_status training_picture_write(const training_picture *t, const char *path, ag_error *error) {
    char text[MISREAD_SHOWN][32];
    const float *image[MISREAD_SHOWN];
    const char *caption[MISREAD_SHOWN];
    const nn_gallery gallery = misread_gallery(t, image, caption, text);

    const curve *const drawn[] = {&t->loss, &t->train, &t->test};
    static const char *const name[] = {NULL, "training", "test"};
    nn_curve curves[3];
    for (int i = 0; i < 3; i++)
        curves[i] = (nn_curve){.name = name[i], .x = drawn[i]->x, .y = drawn[i]->y, .n = drawn[i]->n};
    const nn_axis time = {.name = "epoch", .whole = true};
    const nn_chart charts[] = {
        {.title = "Loss in training (nats)", .x = time, .curves = curves, .n = 1},
        {.title = "Accuracy", .x = time, .y = {.scale = NN_SCALE_LINEAR}, .curves = curves + 1, .n = 2}};
    return nn_picture_write(
        path, &(nn_picture){.charts = charts, .n_charts = 2, .gallery = gallery.height ? &gallery : NULL}, error);
}
