/* generators: moons, circles, spirals, xor and blobs are what they say, and nobody else's draws change them. */
#include <nn/nn.h>

#include <math.h>

#include "support/support.h"

static const double PI = 3.14159265358979323846;

static double x_of(const nn_dataset *d, int64_t i) { return ag_tensor_get(d->x, 2 * i); }
static double y_of(const nn_dataset *d, int64_t i) { return ag_tensor_get(d->x, 2 * i + 1); }

START_TEST(moons_without_noise_are_half_circles) {
    nn_dataset d;
    ck_assert_int_eq(nn_dataset_moons(200, 0, 5, &d, NULL), AG_OK);
    for (int64_t i = 0; i < 200; i++) {
        const double x = ag_tensor_get(d.x, 2 * i), y = ag_tensor_get(d.x, 2 * i + 1),
                     label = ag_tensor_get(d.y, i);
        ck_assert(label == (double)(i % 2));
        /* f32 keeps 2^-24 of a number up to 2. */
        if (label == 0)
            ck_assert(fabs(hypot(x, y) - 1) < 1e-6 && y >= -1e-6);
        else
            ck_assert(fabs(hypot(x - 1, y - 0.5) - 1) < 1e-6 && y <= 0.5 + 1e-6);
    }
    nn_dataset_clear(&d);
}
END_TEST

START_TEST(circles_have_their_radii) {
    nn_dataset d;
    ck_assert_int_eq(nn_dataset_circles(100, 0.5, 0, 3, &d, NULL), AG_OK);
    for (int64_t i = 0; i < 100; i++) {
        ck_assert(ag_tensor_get(d.y, i) == (double)(i % 2));
        ck_assert_double_eq_tol(hypot(x_of(&d, i), y_of(&d, i)), i % 2 ? 0.5 : 1, 1e-6);
    }
    nn_dataset_clear(&d);
}
END_TEST

START_TEST(an_arm_turns_with_its_radius) {
    nn_dataset d;
    ck_assert_int_eq(nn_dataset_spirals(90, 3, 0, 4, &d, NULL), AG_OK);
    for (int64_t i = 0; i < 90; i++) {
        const double r = hypot(x_of(&d, i), y_of(&d, i)), angle = 2 * PI * ((double)(i % 3) / 3 + r);
        ck_assert(ag_tensor_get(d.y, i) == (double)(i % 3));
        ck_assert(r < 1);
        /* f32, and 2 pi times its error in the angle */
        ck_assert_double_eq_tol(x_of(&d, i), r * cos(angle), 1e-5);
        ck_assert_double_eq_tol(y_of(&d, i), r * sin(angle), 1e-5);
    }
    nn_dataset_clear(&d);
}
END_TEST

START_TEST(xor_says_whether_coordinates_differ) {
    nn_dataset d;
    ck_assert_int_eq(nn_dataset_xor(8, 0, 5, &d, NULL), AG_OK);
    static const double corners[4][3] = {{0, 0, 0}, {0, 1, 1}, {1, 0, 1}, {1, 1, 0}};
    for (int64_t i = 0; i < 8; i++) {
        ck_assert(x_of(&d, i) == corners[i % 4][0]);
        ck_assert(y_of(&d, i) == corners[i % 4][1]);
        ck_assert(ag_tensor_get(d.y, i) == corners[i % 4][2]);
    }
    nn_dataset_clear(&d);
}
END_TEST

START_TEST(blobs_lie_around_their_centres) {
    enum { N = 4000, WIDTH = 3, CLASSES = 2 };
    nn_dataset centres, d;
    ck_assert_int_eq(nn_dataset_blobs(CLASSES, WIDTH, CLASSES, 0, 6, &centres, NULL), AG_OK);
    ck_assert_int_eq(nn_dataset_blobs(N, WIDTH, CLASSES, 2, 6, &d, NULL), AG_OK);
    for (int64_t c = 0; c < CLASSES; c++)
        for (int64_t k = 0; k < WIDTH; k++) {
            const double centre = ag_tensor_get(centres.x, c * WIDTH + k);
            double mean = 0, square = 0;
            ck_assert(centre >= -10 && centre < 10);
            for (int64_t i = c; i < N; i += CLASSES) {
                const double off = ag_tensor_get(d.x, i * WIDTH + k) - centre;
                mean += off * CLASSES / N;
                square += off * off * CLASSES / N;
            }
            ck_assert_double_eq_tol(mean, 0, 0.2);   /* 2 / sqrt(2000) is 0.045 */
            ck_assert_double_eq_tol(square, 4, 0.6); /* 4 sqrt(2 / 2000) is 0.13 */
        }
    nn_dataset_clear(&centres);
    nn_dataset_clear(&d);
}
END_TEST

enum { PROBLEMS = 5 };

static ag_status draw(int which, int64_t n, double noise, uint64_t seed, nn_dataset *d) {
    switch (which) {
    case 0: return nn_dataset_moons(n, noise, seed, d, NULL);
    case 1: return nn_dataset_circles(n, 0.3, noise, seed, d, NULL);
    case 2: return nn_dataset_spirals(n, 3, noise, seed, d, NULL);
    case 3: return nn_dataset_xor(n, noise, seed, d, NULL);
    default: return nn_dataset_blobs(n, 2, 3, noise, seed, d, NULL);
    }
}

START_TEST(a_sample_depends_on_the_seed_and_not_on_n) {
    for (int which = 0; which < PROBLEMS; which++) {
        nn_dataset few, many, other;
        ck_assert_int_eq(draw(which, 10, 0.1, 7, &few), AG_OK);
        ck_assert_int_eq(draw(which, 50, 0.1, 7, &many), AG_OK);
        ck_assert_int_eq(draw(which, 10, 0.1, 8, &other), AG_OK);
        ck_assert_mem_eq(ag_tensor_data(few.x), ag_tensor_data(many.x), 20 * sizeof(float));
        ck_assert_mem_ne(ag_tensor_data(few.x), ag_tensor_data(other.x), 20 * sizeof(float));
        nn_dataset_clear(&few);
        nn_dataset_clear(&many);
        nn_dataset_clear(&other);
    }
}
END_TEST

START_TEST(numbers_out_of_range_are_refused) {
    nn_dataset d;
    for (int which = 0; which < PROBLEMS; which++) {
        ck_assert_int_eq(draw(which, 10, -1, 7, &d), AG_ERROR_VALUE);
        ck_assert_int_eq(draw(which, 10, NAN, 7, &d), AG_ERROR_VALUE);
        ck_assert_int_eq(draw(which, 10, INFINITY, 7, &d), AG_ERROR_VALUE);
        ck_assert_int_eq(draw(which, -1, 0, 7, &d), AG_ERROR_SHAPE);
        ck_assert_ptr_null(d.x);
        ck_assert_int_eq(draw(which, 0, 0, 7, &d), AG_OK);
        ck_assert_int_eq(nn_dataset_size(&d), 0);
        nn_dataset_clear(&d);
    }
    ck_assert_int_eq(nn_dataset_circles(10, 1, 0, 7, &d, NULL), AG_ERROR_VALUE);
    ck_assert_int_eq(nn_dataset_circles(10, 0, 0, 7, &d, NULL), AG_ERROR_VALUE);
    ck_assert_int_eq(nn_dataset_spirals(10, 0, 0, 7, &d, NULL), AG_ERROR_VALUE);
    ck_assert_int_eq(nn_dataset_blobs(10, 2, 0, 0, 7, &d, NULL), AG_ERROR_VALUE);
    ck_assert_int_eq(nn_dataset_blobs(10, -2, 1, 0, 7, &d, NULL), AG_ERROR_SHAPE);
}
END_TEST

Suite *nn_generators_suite(void);
Suite *nn_generators_suite(void) {
    Suite *s = suite_create("nn_generators");
    TCase *t = tcase_create("generators");
    tcase_add_test(t, moons_without_noise_are_half_circles);
    tcase_add_test(t, circles_have_their_radii);
    tcase_add_test(t, an_arm_turns_with_its_radius);
    tcase_add_test(t, xor_says_whether_coordinates_differ);
    tcase_add_test(t, blobs_lie_around_their_centres);
    tcase_add_test(t, a_sample_depends_on_the_seed_and_not_on_n);
    tcase_add_test(t, numbers_out_of_range_are_refused);
    suite_add_tcase(s, t);
    return s;
}
