/* generators: small problems of points, drawn rather than read - moons, circles, spirals, xor, blobs.
 *
 * Sample i is a pure function of (seed, i) and the problem's numbers: its draws begin at a counter of its own.
 * Not here: digits (digits.c). */
#include "../data.h"

#include <inttypes.h>
#include <math.h>

static const double PI = 3.14159265358979323846;

/* Keep the problems apart from each other, and from other uses of the same seed. */
static const uint64_t MOONS_STREAM = 0x6d6f6f6e73;       /* "moons"   */
static const uint64_t CIRCLES_STREAM = 0x636972636c6573; /* "circles" */
static const uint64_t SPIRALS_STREAM = 0x73706972616c73; /* "spirals" */
static const uint64_t XOR_STREAM = 0x786f72;             /* "xor"     */
static const uint64_t BLOBS_STREAM = 0x626c6f6273;       /* "blobs"   */
static const uint64_t CENTRES_STREAM = 0x63656e74726573; /* "centres" */

/* Of the problems in the plane: none takes more. */
enum { DRAWS_PER_SAMPLE = 4 };

static ag_status check_noise(const char *what, double noise, ag_error *error) {
    if (noise >= 0 && !isinf(noise)) return AG_OK;
    return ag_fail(error, AG_ERROR_VALUE, "%s with noise %g: must be finite and not negative", what, noise);
}

static ag_status check_classes(const char *what, int64_t classes, ag_error *error) {
    if (classes >= 1) return AG_OK;
    return ag_fail(error, AG_ERROR_VALUE, "%s of %" PRId64 " classes: must be at least 1", what, classes);
}

/* Two coordinates with noise on them. */
static void put_point(float *point, double x, double y, double noise, ag_random *draws) {
    point[0] = (float)(x + noise * ag_random_normal(draws));
    point[1] = (float)(y + noise * ag_random_normal(draws));
}

ag_status nn_dataset_moons(int64_t n, double noise, uint64_t seed, nn_dataset *out, ag_error *error) {
    *out = (nn_dataset){0};
    ag_status status = check_noise("moons", noise, error);
    if (!status) status = nn_dataset_init(out, n, 2, error);
    if (status) return status;
    float *point = ag_tensor_write(out->x);   /* (n, 2) */
    int64_t *label = ag_tensor_write(out->y); /* (n)    */
    for (int64_t i = 0; i < n; i++) {
        ag_random draws = {seed ^ MOONS_STREAM, (uint64_t)i * DRAWS_PER_SAMPLE};
        const double angle = PI * ag_random_uniform(&draws);
        label[i] = i % 2;
        const double x = label[i] ? 1 - cos(angle) : cos(angle);
        const double y = label[i] ? 0.5 - sin(angle) : sin(angle);
        put_point(point + 2 * i, x, y, noise, &draws);
    }
    return AG_OK;
}

ag_status nn_dataset_circles(int64_t n, double factor, double noise, uint64_t seed, nn_dataset *out,
                             ag_error *error) {
    *out = (nn_dataset){0};
    ag_status status = check_noise("circles", noise, error);
    if (!status && !(factor > 0 && factor < 1))
        status = ag_fail(error, AG_ERROR_VALUE, "circles with factor %g: must lie between 0 and 1", factor);
    if (!status) status = nn_dataset_init(out, n, 2, error);
    if (status) return status;
    float *point = ag_tensor_write(out->x);   /* (n, 2) */
    int64_t *label = ag_tensor_write(out->y); /* (n)    */
    for (int64_t i = 0; i < n; i++) {
        ag_random draws = {seed ^ CIRCLES_STREAM, (uint64_t)i * DRAWS_PER_SAMPLE};
        const double angle = 2 * PI * ag_random_uniform(&draws);
        label[i] = i % 2;
        const double radius = label[i] ? factor : 1;
        put_point(point + 2 * i, radius * cos(angle), radius * sin(angle), noise, &draws);
    }
    return AG_OK;
}

ag_status nn_dataset_spirals(int64_t n, int64_t classes, double noise, uint64_t seed, nn_dataset *out,
                             ag_error *error) {
    *out = (nn_dataset){0};
    ag_status status = check_noise("spirals", noise, error);
    if (!status) status = check_classes("spirals", classes, error);
    if (!status) status = nn_dataset_init(out, n, 2, error);
    if (status) return status;
    float *point = ag_tensor_write(out->x);   /* (n, 2) */
    int64_t *label = ag_tensor_write(out->y); /* (n)    */
    for (int64_t i = 0; i < n; i++) {
        ag_random draws = {seed ^ SPIRALS_STREAM, (uint64_t)i * DRAWS_PER_SAMPLE};
        const double radius = ag_random_uniform(&draws);
        label[i] = i % classes;
        const double angle = 2 * PI * ((double)label[i] / (double)classes + radius);
        put_point(point + 2 * i, radius * cos(angle), radius * sin(angle), noise, &draws);
    }
    return AG_OK;
}

ag_status nn_dataset_xor(int64_t n, double noise, uint64_t seed, nn_dataset *out, ag_error *error) {
    *out = (nn_dataset){0};
    ag_status status = check_noise("xor", noise, error);
    if (!status) status = nn_dataset_init(out, n, 2, error);
    if (status) return status;
    float *point = ag_tensor_write(out->x);   /* (n, 2) */
    int64_t *label = ag_tensor_write(out->y); /* (n)    */
    for (int64_t i = 0; i < n; i++) {
        ag_random draws = {seed ^ XOR_STREAM, (uint64_t)i * DRAWS_PER_SAMPLE};
        const int64_t x = i / 2 % 2, y = i % 2;
        label[i] = x ^ y;
        put_point(point + 2 * i, (double)x, (double)y, noise, &draws);
    }
    return AG_OK;
}

ag_status nn_dataset_blobs(int64_t n, int64_t width, int64_t classes, double spread, uint64_t seed,
                           nn_dataset *out, ag_error *error) {
    *out = (nn_dataset){0};
    ag_status status = check_noise("blobs", spread, error);
    if (!status) status = check_classes("blobs", classes, error);
    if (!status) status = nn_dataset_init(out, n, width, error);
    if (status) return status;
    float *point = ag_tensor_write(out->x);   /* (n, width) */
    int64_t *label = ag_tensor_write(out->y); /* (n)        */
    for (int64_t i = 0; i < n; i++) {
        label[i] = i % classes;
        ag_random draws = {seed ^ BLOBS_STREAM, (uint64_t)i * (uint64_t)width};
        ag_random centre = {seed ^ CENTRES_STREAM, (uint64_t)label[i] * (uint64_t)width};
        for (int64_t k = 0; k < width; k++)
            point[i * width + k] =
                (float)(20 * ag_random_uniform(&centre) - 10 + spread * ag_random_normal(&draws));
    }
    return AG_OK;
}
