/* augment: images changed at random, each by draws that its index names.
 *
 * A pixel of the result is read from where the inverse of the change takes it: back by the shift, turned back about
 * the middle, mirrored. An image's draws begin at a counter of its own: four for the geometry, then one a pixel. */
#include "../augment.h"

#include <math.h>

/* Keeps the changes apart from other uses of the same seed. */
static const uint64_t AUGMENT_STREAM = 0x6175676d656e74; /* "augment" */

/* What happens to one image. */
typedef struct change {
    double cosine, sine, down, right;
    bool flip;
} change;

static ag_status check_numbers(const nn_augment *a, ag_error *error) {
    const double numbers[] = {a->shift, a->rotate, a->noise};
    for (int i = 0; i < 3; i++)
        if (!(numbers[i] >= 0) || isinf(numbers[i]))
            return ag_fail(error, AG_ERROR_VALUE, "augment: %g must be finite and not negative", numbers[i]);
    return AG_OK;
}

static ag_status check(const nn_augment *a, const ag_tensor *x, const ag_tensor *out, ag_error *error) {
    const ag_status status = check_numbers(a, error);
    if (status) return status;
    if (x == out) return ag_fail(error, AG_ERROR_VALUE, "augment: the result must be another tensor");
    const ag_meta *from = ag_tensor_meta(x), *to = ag_tensor_meta(out);
    char of_x[AG_META_TEXT], of_out[AG_META_TEXT];
    const bool floats = from->dtype == AG_F32 && to->dtype == AG_F32;
    if (floats && from->rank == 4 && ag_meta_same_shape(from, to)) return AG_OK;
    return ag_fail(error, floats ? AG_ERROR_SHAPE : AG_ERROR_DTYPE,
                   "augment %s into %s: both must be f32 (n, channels, height, width)",
                   ag_meta_text(from, of_x, sizeof of_x), ag_meta_text(to, of_out, sizeof of_out));
}

static change draw(const nn_augment *a, ag_random *draws) {
    const double angle = a->rotate * (2 * ag_random_uniform(draws) - 1);
    change c = {.cosine = cos(angle), .sine = sin(angle)};
    c.down = a->shift * (2 * ag_random_uniform(draws) - 1);
    c.right = a->shift * (2 * ag_random_uniform(draws) - 1);
    c.flip = ag_random_uniform(draws) < 0.5 && a->flip;
    return c;
}

/* One pixel with the given weight; zero outside, and where the weight is. */
static double part(const float *plane, int64_t height, int64_t width, double row, double column, double weight) {
    if (weight == 0 || !(row >= 0 && column >= 0 && row < (double)height && column < (double)width)) return 0;
    return weight * (double)plane[(int64_t)row * width + (int64_t)column];
}

static double between(const float *plane, int64_t height, int64_t width, double row, double column) {
    const double top = floor(row), left = floor(column), down = row - top, right = column - left;
    return part(plane, height, width, top, left, (1 - down) * (1 - right)) +
           part(plane, height, width, top, left + 1, (1 - down) * right) +
           part(plane, height, width, top + 1, left, down * (1 - right)) +
           part(plane, height, width, top + 1, left + 1, down * right);
}

static void change_plane(const change *c, const float *from, int64_t height, int64_t width, float *to) {
    const double middle_row = (double)(height - 1) / 2, middle_column = (double)(width - 1) / 2;
    for (int64_t i = 0; i < height; i++)
        for (int64_t k = 0; k < width; k++) {
            const double y = (double)i - middle_row - c->down, x = (double)k - middle_column - c->right;
            const double row = c->cosine * y - c->sine * x, column = c->sine * y + c->cosine * x;
            to[i * width + k] = (float)between(from, height, width, row + middle_row,
                                               (c->flip ? -column : column) + middle_column);
        }
}

/* One image of `channels` planes. */
static void change_image(const nn_augment *a, ag_random *draws, int64_t channels, int64_t height, int64_t width,
                         const float *from, float *to) {
    const int64_t pixels = height * width;
    const change c = draw(a, draws);
    for (int64_t k = 0; k < channels; k++, from += pixels, to += pixels) {
        change_plane(&c, from, height, width, to);
        for (int64_t p = 0; a->noise > 0 && p < pixels; p++)
            to[p] = (float)((double)to[p] + a->noise * ag_random_normal(draws));
    }
}

ag_status nn_augment_images(const nn_augment *a, const ag_tensor *x, const int64_t *index, ag_tensor *out,
                            ag_error *error) {
    const ag_status status = check(a, x, out, error);
    if (status) return status;
    const int64_t *dim = ag_tensor_meta(x)->dim, image = dim[1] * dim[2] * dim[3];
    const float *from = ag_tensor_data(x);
    float *to = ag_tensor_write(out);
    for (int64_t i = 0; i < dim[0]; i++) {
        ag_random draws = {a->seed ^ AUGMENT_STREAM, (uint64_t)(index ? index[i] : i) << 32};
        change_image(a, &draws, dim[1], dim[2], dim[3], from + i * image, to + i * image);
    }
    return AG_OK;
}

ag_status nn_augment_sample(void *user, ag_random *draws, nn_sample *sample, ag_error *error) {
    const nn_augment *a = user;
    const ag_status status = check_numbers(a, error);
    if (status) return status;
    const ag_meta *meta = ag_tensor_meta(sample->x);
    const bool shapes = meta->rank == 2 || meta->rank == 3;
    if (!shapes || meta->dtype != AG_F32) {
        char text[AG_META_TEXT];
        return ag_fail(error, shapes ? AG_ERROR_DTYPE : AG_ERROR_SHAPE,
                       "augment %s: must be f32 (channels, height, width) or (height, width)",
                       ag_meta_text(meta, text, sizeof text));
    }
    ag_error own = {0};
    ag_tensor *out = ag_tensor_new(AG_F32, meta->rank, meta->dim, &own);
    if (!out) return ag_fail(error, own.status, "augment: %s", own.message);
    const int64_t *size = meta->dim + meta->rank - 2;
    change_image(a, draws, meta->rank == 3 ? meta->dim[0] : 1, size[0], size[1], ag_tensor_data(sample->x),
                 ag_tensor_write(out));
    sample->x = out;
    return AG_OK;
}
