/* moons: two interleaving half circles, the smallest problem that needs a hidden layer.
 *
 * Sample i is a pure function of (seed, i) and the noise; labels alternate.
 * Source: scikit-learn's make_moons, with angles drawn instead of evenly spaced. */
#include "../data.h"

#include <math.h>

static const double PI = 3.14159265358979323846;

/* Keeps the moons apart from other uses of the same seed; a sample takes three draws of its four. */
static const uint64_t MOONS_STREAM = 0x6d6f6f6e73; /* "moons" */
enum { DRAWS_PER_SAMPLE = 4 };

ag_status nn_dataset_moons(int64_t n, double noise, uint64_t seed, nn_dataset *out, ag_error *error) {
    *out = (nn_dataset){0};
    if (!(noise >= 0) || isinf(noise))
        return ag_fail(error, AG_ERROR_VALUE, "two moons with noise %g: must be finite and not negative", noise);
    ag_status status = nn_dataset_init(out, n, 2, error);
    if (status != AG_OK) return status;
    float *point = ag_tensor_write(out->x);   /* (n, 2) */
    int64_t *label = ag_tensor_write(out->y); /* (n)    */
    for (int64_t i = 0; i < n; i++) {
        ag_random draws = {seed ^ MOONS_STREAM, (uint64_t)i * DRAWS_PER_SAMPLE};
        const double angle = PI * ag_random_uniform(&draws);
        label[i] = i % 2;
        const double x = label[i] ? 1 - cos(angle) : cos(angle);
        const double y = label[i] ? 0.5 - sin(angle) : sin(angle);
        point[2 * i] = (float)(x + noise * ag_random_normal(&draws));
        point[2 * i + 1] = (float)(y + noise * ag_random_normal(&draws));
    }
    return AG_OK;
}
