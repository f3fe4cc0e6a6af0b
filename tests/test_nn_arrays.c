/* arrays: NumPy's files become datasets in one call, or are refused with what is wrong. */
#define _XOPEN_SOURCE 700 /* mkdtemp */
#include "nn_support.h"

#include "support/folder.h"

static const double values[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
static ag_tensor *x, *y, *few, *number;

static void write_files(void) {
    folder_make();
    x = ag_tensor_from(AG_F32, 3, (const int64_t[]){3, 2, 2}, values, NULL);
    y = ag_tensor_from(AG_I64, 1, (const int64_t[]){3}, values, NULL);
    few = ag_tensor_from(AG_F64, 1, (const int64_t[]){2}, values, NULL);
    number = ag_tensor_from(AG_F64, 0, NULL, values, NULL);
    ag_tensor *all[] = {x, y, few, number};
    static const char *const names[] = {"images", "labels", "few", "number"};
    ck_assert_int_eq(ag_npz_write(in_folder("all.npz"), all, names, 4, false, NULL), AG_OK);
    ck_assert_int_eq(ag_npz_write(in_folder("none.npz"), all, names, 0, false, NULL), AG_OK);
    for (int k = 0; k < 4; k++) ck_assert_int_eq(ag_npy_write(in_folder(names[k]), all[k], NULL), AG_OK);
}

static void remove_files(void) {
    ag_tensor_free(x);
    ag_tensor_free(y);
    ag_tensor_free(few);
    ag_tensor_free(number);
    folder_remove();
}

/* By pair of files (way 0) or from the archive. */
static ag_status read_by(int way, const char *of_x, const char *of_y, nn_dataset *d, ag_error *error) {
    if (way) return nn_dataset_npz(in_folder("all.npz"), of_x, of_y, d, error);
    char path[512];
    snprintf(path, sizeof path, "%s", in_folder(of_x));
    return nn_dataset_npy(path, of_y ? in_folder(of_y) : NULL, d, error);
}

START_TEST(two_arrays_are_a_dataset) {
    for (int way = 0; way < 2; way++) {
        nn_dataset d;
        ag_error error = {0};
        ck_assert_msg(read_by(way, "images", "labels", &d, &error) == AG_OK, "%s", error.message);
        ck_assert(ag_tensor_meta(d.x)->dtype == AG_F32 && ag_tensor_meta(d.y)->dtype == AG_I64);
        ck_assert(ag_meta_same_shape(ag_tensor_meta(d.x), ag_tensor_meta(x)));
        ck_assert_mem_eq(ag_tensor_data(d.x), ag_tensor_data(x), 12 * sizeof(float));
        ck_assert_mem_eq(ag_tensor_data(d.y), ag_tensor_data(y), 3 * sizeof(int64_t));
        nn_dataset_clear(&d);
        ck_assert_int_eq(read_by(way, "few", NULL, &d, NULL), AG_OK); /* without labels */
        ck_assert(nn_dataset_size(&d) == 2 && !d.y && ag_tensor_meta(d.x)->dtype == AG_F64);
        nn_dataset_clear(&d);
    }
}
END_TEST

START_TEST(arrays_that_are_no_dataset_are_refused) {
    static const struct {
        const char *x, *y, *text;
    } wrong[] = {
        {"images", "few", "(3, 2, 2)"}, {"number", NULL, "needs rows"}, {"few", "images", "(3, 2, 2)"}};
    for (int way = 0; way < 2; way++)
        for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
            nn_dataset d;
            ag_error error = {0};
            ck_assert_int_eq(read_by(way, wrong[k].x, wrong[k].y, &d, &error), AG_ERROR_SHAPE);
            ck_assert_msg(strstr(error.message, wrong[k].text) != NULL, "%s", error.message);
            const char *file = in_folder(way ? "all.npz" : wrong[k].x);
            ck_assert_msg(strstr(error.message, file) == error.message, "%s", error.message);
            ck_assert(!d.x && !d.y);
        }
}
END_TEST

START_TEST(what_is_not_there_is_named) {
    nn_dataset d;
    ag_error error = {0};
    ck_assert_int_eq(nn_dataset_npy(in_folder("images"), in_folder("absent"), &d, &error), AG_ERROR_IO);
    ck_assert(strstr(error.message, "absent") && !d.x);
    ck_assert_int_eq(nn_dataset_npz(in_folder("absent"), "x", "y", &d, &error), AG_ERROR_IO);
    ck_assert_int_eq(nn_dataset_npz(in_folder("images"), "x", "y", &d, &error), AG_ERROR_FORMAT);
    ck_assert_int_eq(read_by(1, "images", "targets", &d, &error), AG_ERROR_NAME);
    ck_assert_ptr_nonnull(strstr(
        error.message, "all.npz: no array \"targets\" in it, but \"images\", \"labels\", \"few\", \"number\""));
    ck_assert_int_eq(read_by(1, "x", NULL, &d, &error), AG_ERROR_NAME);
    ck_assert_int_eq(nn_dataset_npz(in_folder("none.npz"), "x", NULL, &d, &error), AG_ERROR_NAME);
    ck_assert_ptr_nonnull(strstr(error.message, "none at all"));
    ck_assert(!d.x && !d.y);
}
END_TEST

START_TEST(long_names_are_cut_in_the_error_alone) {
    char name[3][60];
    const char *names[] = {name[0], name[1], name[2]};
    ag_tensor *all[] = {few, few, few};
    for (int k = 0; k < 3; k++) {
        memset(name[k], 'a' + k, sizeof name[k] - 1);
        name[k][sizeof name[k] - 1] = '\0';
    }
    ck_assert_int_eq(ag_npz_write(in_folder("all.npz"), all, names, 3, false, NULL), AG_OK);
    nn_dataset d;
    ag_error error = {0};
    ck_assert_int_eq(read_by(1, "x", NULL, &d, &error), AG_ERROR_NAME);
    ck_assert_ptr_nonnull(strstr(error.message, "aaaa\", \"bbbb"));
    ck_assert_int_eq(read_by(1, names[2], NULL, &d, &error), AG_OK);
    nn_dataset_clear(&d);
}
END_TEST

static bool read_both(void) {
    for (int way = 0; way < 2; way++) {
        nn_dataset d;
        const bool done = read_by(way, "images", "labels", &d, NULL) == AG_OK;
        nn_dataset_clear(&d);
        if (!done) return false;
    }
    return true;
}

START_TEST(no_allocation_that_fails_leaves_anything) { test_every_allocation(read_both); }
END_TEST

Suite *nn_arrays_suite(void);
Suite *nn_arrays_suite(void) {
    Suite *s = suite_create("nn_arrays");
    TCase *t = tcase_create("files");
    tcase_add_checked_fixture(t, write_files, remove_files);
    tcase_add_test(t, two_arrays_are_a_dataset);
    tcase_add_test(t, arrays_that_are_no_dataset_are_refused);
    tcase_add_test(t, what_is_not_there_is_named);
    tcase_add_test(t, long_names_are_cut_in_the_error_alone);
    tcase_add_test(t, no_allocation_that_fails_leaves_anything);
    suite_add_tcase(s, t);
    return s;
}
