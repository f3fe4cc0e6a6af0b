/* digits: the drawn data set - reproducible, well formed, and neither trivial nor hopeless to tell apart. */
#include "nn_support.h"

enum { PIXELS = 784, CLASSES = 10 };

static nn_dataset drawn(int64_t n, uint64_t seed) {
    nn_dataset d;
    ck_assert_int_eq(nn_dataset_digits(n, seed, &d, NULL), AG_OK);
    ck_assert_int_eq(nn_dataset_size(&d), n);
    ck_assert_int_eq(ag_tensor_count(d.x), n * PIXELS);
    ck_assert_int_eq(ag_tensor_count(d.y), n);
    return d;
}

START_TEST(a_sample_depends_on_seed_and_index_alone) {
    nn_dataset few = drawn(25, 3), many = drawn(60, 3), other = drawn(25, 4);
    ck_assert_mem_eq(ag_tensor_data(few.x), ag_tensor_data(many.x), 25 * PIXELS * sizeof(float));
    ck_assert_mem_eq(ag_tensor_data(few.y), ag_tensor_data(many.y), 25 * sizeof(int64_t));
    ck_assert_mem_ne(ag_tensor_data(few.x), ag_tensor_data(other.x), 25 * PIXELS * sizeof(float));
    ck_assert_mem_ne(ag_tensor_data(few.y), ag_tensor_data(other.y), 25 * sizeof(int64_t));
    nn_dataset_clear(&few);
    nn_dataset_clear(&many);
    nn_dataset_clear(&other);
}
END_TEST

START_TEST(every_ten_samples_are_the_ten_digits) {
    nn_dataset d = drawn(200, 1);
    const int64_t *y = ag_tensor_data(d.y);
    for (int64_t first = 0; first < 200; first += 10) {
        unsigned seen = 0;
        for (int64_t i = first; i < first + 10; i++) seen |= 1u << y[i];
        ck_assert_uint_eq(seen, 1023);
    }
    nn_dataset_clear(&d);
}
END_TEST

START_TEST(pixels_are_grey_values_with_ink_on_them) {
    nn_dataset d = drawn(300, 2);
    const float *x = ag_tensor_data(d.x);
    for (int64_t i = 0; i < 300; i++) {
        int inked = 0;
        for (int k = 0; k < PIXELS; k++) {
            const float v = x[i * PIXELS + k];
            ck_assert(v >= 0 && v <= 1);
            inked += v > 0.5f;
        }
        /* The smallest "1" is about 14 pixels long; strokes never fill half of the picture. */
        ck_assert_msg(inked >= 8 && inked < PIXELS / 2, "sample %d has %d inked pixels", (int)i, inked);
    }
    nn_dataset_clear(&d);
}
END_TEST

START_TEST(no_digits_is_a_data_set) {
    nn_dataset d = drawn(0, 1);
    nn_dataset_clear(&d);
}
END_TEST

START_TEST(a_negative_count_is_refused) {
    nn_dataset d;
    ag_error error = {0};
    ck_assert_int_eq(nn_dataset_digits(-1, 1, &d, &error), AG_ERROR_SHAPE);
    ck_assert_int_eq(error.status, AG_ERROR_SHAPE);
    ck_assert_ptr_null(d.x);
}
END_TEST

/* The crudest reader: the class whose mean image is nearest. */
static int nearest_mean(const double mean[CLASSES][PIXELS], const float *x) {
    int best = 0;
    double least = 1e300;
    for (int c = 0; c < CLASSES; c++) {
        double squared = 0;
        for (int k = 0; k < PIXELS; k++) squared += (x[k] - mean[c][k]) * (x[k] - mean[c][k]);
        if (squared < least) {
            least = squared;
            best = c;
        }
    }
    return best;
}

START_TEST(classes_can_be_told_apart_but_not_by_their_means_alone) {
    enum { TRAIN = 1000, N = 1500 };
    static double mean[CLASSES][PIXELS];
    nn_dataset d = drawn(N, 1);
    const float *x = ag_tensor_data(d.x);
    const int64_t *y = ag_tensor_data(d.y);
    for (int i = 0; i < TRAIN; i++)
        for (int k = 0; k < PIXELS; k++) mean[y[i]][k] += (double)x[i * PIXELS + k] / (TRAIN / CLASSES);
    int right = 0;
    for (int i = TRAIN; i < N; i++) right += nearest_mean(mean, x + i * PIXELS) == y[i];
    const double accuracy = (double)right / (N - TRAIN);
    ck_assert_msg(accuracy > 0.4 && accuracy < 0.9, "nearest mean reads %.3f", accuracy);
    nn_dataset_clear(&d);
}
END_TEST

static bool draw_some(void) {
    nn_dataset d;
    if (nn_dataset_digits(3, 1, &d, NULL) != AG_OK) return false;
    nn_dataset_clear(&d);
    return true;
}

START_TEST(no_allocation_that_fails_leaves_anything) { test_every_allocation(draw_some); }
END_TEST

Suite *digits_suite(void);
Suite *digits_suite(void) {
    Suite *suite = suite_create("digits");
    TCase *drawing = tcase_create("drawing");
    tcase_add_test(drawing, a_sample_depends_on_seed_and_index_alone);
    tcase_add_test(drawing, every_ten_samples_are_the_ten_digits);
    tcase_add_test(drawing, pixels_are_grey_values_with_ink_on_them);
    tcase_add_test(drawing, no_digits_is_a_data_set);
    tcase_add_test(drawing, a_negative_count_is_refused);
    tcase_add_test(drawing, classes_can_be_told_apart_but_not_by_their_means_alone);
    tcase_add_test(drawing, no_allocation_that_fails_leaves_anything);
    suite_add_tcase(suite, drawing);
    return suite;
}
