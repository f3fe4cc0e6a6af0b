/* augment: each change is what it says, and a pure function of the seed and the sample's index. */
#include <nn/nn.h>

#include <math.h>

#include "support/support.h"

enum { N = 40, CHANNELS = 2, SIZE = 5, IMAGE = CHANNELS * SIZE * SIZE };

static ag_tensor *images(void) {
    ag_tensor *x = ag_tensor_new(AG_F32, 4, (const int64_t[]){N, CHANNELS, SIZE, SIZE}, NULL);
    for (int64_t i = 0; i < N * IMAGE; i++) ck_assert_int_eq(ag_tensor_set(x, i, (double)(i * 7 % 31)), AG_OK);
    return x;
}
static ag_tensor *changed(nn_augment a, const ag_tensor *x, const int64_t *index) {
    ag_tensor *out = ag_tensor_new(AG_F32, 4, ag_tensor_meta(x)->dim, NULL);
    ck_assert_int_eq(nn_augment_images(&a, x, index, out, NULL), AG_OK);
    return out;
}

START_TEST(nothing_asked_for_changes_nothing) {
    ag_tensor *x = images(), *y = changed((nn_augment){.seed = 3}, x, NULL);
    ck_assert_mem_eq(ag_tensor_data(x), ag_tensor_data(y), N * IMAGE * sizeof(float));
    ag_tensor_free(x);
    ag_tensor_free(y);
}
END_TEST

START_TEST(a_flip_mirrors_rows_about_half_of_the_time) {
    ag_tensor *x = images(), *y = changed((nn_augment){.flip = true, .seed = 3}, x, NULL);
    int flipped = 0;
    for (int64_t i = 0; i < N; i++) {
        const bool same = ag_tensor_get(x, i * IMAGE) == ag_tensor_get(y, i * IMAGE);
        flipped += !same;
        for (int64_t p = 0; p < IMAGE; p++) {
            const int64_t mirror = p - p % SIZE + SIZE - 1 - p % SIZE;
            ck_assert(ag_tensor_get(y, i * IMAGE + p) == ag_tensor_get(x, i * IMAGE + (same ? p : mirror)));
        }
    }
    ck_assert(flipped >= 8 && flipped <= 32); /* 20, give or take four standard deviations of 3.2 */
    ag_tensor_free(x);
    ag_tensor_free(y);
}
END_TEST

/* Total and centre of what is bright, of an image with one bright pixel at the middle of 5 by 5 or right of it. */
static void measure(nn_augment a, int64_t column, double sum[3]) {
    ag_tensor *x = ag_tensor_new(AG_F32, 4, (const int64_t[]){1, 1, SIZE, SIZE}, NULL);
    ck_assert_int_eq(ag_tensor_set(x, 2 * SIZE + column, 1), AG_OK);
    ag_tensor *y = changed(a, x, NULL);
    sum[0] = sum[1] = sum[2] = 0;
    for (int64_t p = 0; p < SIZE * SIZE; p++) {
        const double v = ag_tensor_get(y, p);
        sum[0] += v;
        sum[1] += v * (double)(p / SIZE - 2);
        sum[2] += v * (double)(p % SIZE - 2);
    }
    ag_tensor_free(x);
    ag_tensor_free(y);
}

START_TEST(a_shift_moves_within_its_bounds_and_loses_nothing_inside) {
    double least = 1, most = -1, sum[3];
    for (uint64_t seed = 0; seed < 50; seed++) {
        measure((nn_augment){.shift = 1, .seed = seed}, 2, sum);
        ck_assert_double_eq_tol(sum[0], 1, 1e-6);
        for (int k = 1; k < 3; k++) {
            least = fmin(least, sum[k]);
            most = fmax(most, sum[k]);
        }
    }
    ck_assert(least >= -1 - 1e-6 && least < -0.8 && most <= 1 + 1e-6 && most > 0.8);
}
END_TEST

START_TEST(a_rotation_leaves_the_middle_and_turns_the_rest) {
    double sum[3], most = 0;
    for (uint64_t seed = 0; seed < 50; seed++) {
        const nn_augment a = {.rotate = 0.5, .seed = seed};
        measure(a, 2, sum);
        ck_assert_double_eq_tol(sum[1], 0, 1e-6);
        ck_assert_double_eq_tol(sum[2], 0, 1e-6);
        measure(a, 3, sum);
        most = fmax(most, fabs(atan2(sum[1], sum[2])));
    }
    ck_assert(most > 0.3 && most < 0.6); /* the bound, give or take what interpolation bends */
}
END_TEST

START_TEST(noise_has_its_deviation) {
    ag_tensor *x = images(), *y = changed((nn_augment){.noise = 0.5, .seed = 3}, x, NULL);
    double square = 0;
    for (int64_t i = 0; i < N * IMAGE; i++)
        square += pow(ag_tensor_get(y, i) - ag_tensor_get(x, i), 2) / (N * IMAGE);
    ck_assert_double_eq_tol(square, 0.25, 0.04); /* 0.25 sqrt(2 / 2000) is 0.008 */
    ag_tensor_free(x);
    ag_tensor_free(y);
}
END_TEST

START_TEST(the_index_and_not_the_place_decides) {
    const nn_augment a = {.shift = 1, .rotate = 0.3, .flip = true, .noise = 0.1, .seed = 3};
    ag_tensor *x = ag_tensor_new(AG_F32, 4, (const int64_t[]){2, CHANNELS, SIZE, SIZE}, NULL);
    ck_assert_int_eq(ag_tensor_fill(x, 1), AG_OK);
    ag_tensor *y = changed(a, x, (const int64_t[]){4, 9}), *z = changed(a, x, (const int64_t[]){9, 4});
    const float *one = ag_tensor_data(y), *other = ag_tensor_data(z);
    ck_assert_mem_eq(one, other + IMAGE, IMAGE * sizeof(float));
    ck_assert_mem_eq(one + IMAGE, other, IMAGE * sizeof(float));
    ck_assert_mem_ne(one, other, IMAGE * sizeof(float));
    ag_tensor_free(x);
    ag_tensor_free(y);
    ag_tensor_free(z);
}
END_TEST

START_TEST(what_cannot_be_is_refused) {
    ag_tensor *x = images(), *y = images(), *flat = ag_tensor_new(AG_F32, 1, (const int64_t[]){9}, NULL);
    ag_tensor *wide = ag_tensor_new(AG_F64, 4, ag_tensor_meta(x)->dim, NULL);
    const nn_augment none = {0}, bad[] = {{.shift = -1}, {.rotate = NAN}, {.noise = INFINITY}};
    for (int i = 0; i < 3; i++) ck_assert_int_eq(nn_augment_images(&bad[i], x, NULL, y, NULL), AG_ERROR_VALUE);
    ck_assert_int_eq(nn_augment_images(&none, x, NULL, x, NULL), AG_ERROR_VALUE);
    ck_assert_int_eq(nn_augment_images(&none, x, NULL, flat, NULL), AG_ERROR_SHAPE);
    ck_assert_int_eq(nn_augment_images(&none, x, NULL, wide, NULL), AG_ERROR_DTYPE);
    ag_tensor *all[] = {x, y, flat, wide};
    for (int i = 0; i < 4; i++) ag_tensor_free(all[i]);
}
END_TEST

Suite *nn_augment_suite(void);
Suite *nn_augment_suite(void) {
    Suite *s = suite_create("nn_augment");
    TCase *t = tcase_create("augment");
    tcase_add_test(t, nothing_asked_for_changes_nothing);
    tcase_add_test(t, a_flip_mirrors_rows_about_half_of_the_time);
    tcase_add_test(t, a_shift_moves_within_its_bounds_and_loses_nothing_inside);
    tcase_add_test(t, a_rotation_leaves_the_middle_and_turns_the_rest);
    tcase_add_test(t, noise_has_its_deviation);
    tcase_add_test(t, the_index_and_not_the_place_decides);
    tcase_add_test(t, what_cannot_be_is_refused);
    suite_add_tcase(s, t);
    return s;
}
