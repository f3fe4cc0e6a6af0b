/* images: PGM and PPM files and folders of them are read whole, or refused by name. */
#define _XOPEN_SOURCE 700 /* mkdtemp, mkfifo */
#include <nn/nn.h>

#include "support/folder.h"
#include "support/support.h"

static const char grey[] = "P5\n# two by three\n3 2 # wide, high\n255\n\0\x33\x66\x99\xCC\xFF";
enum { GREY = sizeof grey - 1 };

static ag_status status_of(const char *bytes, size_t n) {
    file_put(in_folder("x"), bytes, n);
    ag_error error = {0};
    ag_tensor *x = nn_image_read(in_folder("x"), &error);
    ck_assert((x == NULL) == (error.status != AG_OK));
    ag_tensor_free(x);
    return error.status;
}

START_TEST(grey_and_colour_pictures_become_planes) {
    file_put(in_folder("x"), grey, GREY);
    ag_tensor *x = nn_image_read(in_folder("x"), NULL);
    ck_assert_ptr_nonnull(x);
    ck_assert(ag_tensor_meta(x)->dim[0] == 1 && ag_tensor_meta(x)->dim[1] == 2 && ag_tensor_meta(x)->dim[2] == 3);
    for (int i = 0; i < 6; i++) ck_assert(ag_tensor_get(x, i) == (double)((float)(0x33 * i) / 255.0f));
    ag_tensor_free(x);
    file_put(in_folder("x"), "P6 2 1 65535\n\0\0\x80\0\xFF\xFF\0\1\0\2\0\3", 13 + 12);
    x = nn_image_read(in_folder("x"), NULL);
    ck_assert_ptr_nonnull(x);
    static const double samples[] = {0, 1, 0x8000, 2, 0xFFFF, 3};
    for (int i = 0; i < 6; i++) ck_assert(ag_tensor_get(x, i) == (double)((float)samples[i] / 65535.0f));
    ag_tensor_free(x);
}
END_TEST

START_TEST(a_picture_cut_or_lengthened_is_refused) {
    for (size_t n = 0; n <= GREY + 1; n++)
        ck_assert_int_eq(status_of(grey, n), n == GREY ? AG_OK : AG_ERROR_FORMAT);
}
END_TEST

START_TEST(headers_that_lie_are_refused) {
    static const char *const sizes[] = {
        "0", "-1", "2147483647", "2147483648", "4294967296", "9223372036854775807", "18446744073709551616",
        "x", "1e3"};
    char text[100];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (int which = 0; which < 3; which++) {
            const char *const one = "1", *size = sizes[i];
            const int n = snprintf(text, sizeof text, "P5 %s %s %s\n1", which == 0 ? size : one,
                                   which == 1 ? size : one, which == 2 ? size : one);
            ck_assert_int_eq(status_of(text, (size_t)n), AG_ERROR_FORMAT);
        }
    }
    static const char *const others[] = {"P2 1 1 255\n7",   "P4 1 1\n7",        "P7",
                                         "GIF89a",          "P51 1 1\n1",       "P5 1 1 7\n\x08",
                                         "P5 1 1 255#x\n7", "P5 1 1 65536\n77", "P5#"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        ck_assert_msg(status_of(others[i], strlen(others[i])) == AG_ERROR_FORMAT, "%s", others[i]);
}
END_TEST

START_TEST(what_is_no_readable_file_is_an_error) {
    ag_error error = {0};
    ck_assert_ptr_null(nn_image_read(folder, &error));
    ck_assert_int_eq(error.status, AG_ERROR_IO);
    error = (ag_error){0};
    ck_assert_int_eq(mkfifo(in_folder("fifo"), 0644), 0);
    ck_assert_ptr_null(nn_image_read(in_folder("fifo"), &error));
    ck_assert_int_eq(error.status, AG_ERROR_IO);
    nn_image_folder f;
    ck_assert_int_eq(nn_image_folder_read(in_folder("none"), &f, NULL), AG_ERROR_IO);
}
END_TEST

/* Classes "cat" (b, a), "dog" (none) and "eel" (c), with things between that are passed over. */
static const char *const entries[] = {"cat/b.pgm", "cat/a.pgm", "cat/notes.txt",
                                      "eel/c.pgm", "eel/.pgm",  "README"};
static void make_classes(void) {
    folder_make();
    static const char *const classes[] = {"eel", "cat", "dog"};
    for (int i = 0; i < 3; i++) ck_assert_int_eq(mkdir(in_folder(classes[i]), 0755), 0);
    char picture[] = "P5 1 1 255\n?";
    for (int i = 0; i < 6; i++) {
        picture[11] = entries[i][4]; /* 'b', 'a', 'n', 'c' */
        file_put(in_folder(entries[i]), picture, 12);
    }
}
static void remove_classes(void) {
    for (int i = 0; i < 6; i++) unlink(in_folder(entries[i]));
    folder_remove();
}

START_TEST(a_folder_is_read_in_the_order_of_names) {
    nn_image_folder f;
    ag_error error = {0};
    ck_assert_msg(nn_image_folder_read(folder, &f, &error) == AG_OK, "%s", error.message);
    ck_assert_int_eq(f.classes, 3);
    ck_assert_str_eq(f.class_names[0], "cat");
    ck_assert_str_eq(f.class_names[1], "dog");
    ck_assert_str_eq(f.class_names[2], "eel");
    ck_assert_int_eq(nn_dataset_size(&f.data), 3);
    ck_assert_int_eq(ag_tensor_meta(f.data.x)->rank, 4);
    static const double expected[] = {'a', 'b', 'c'}, label[] = {0, 0, 2};
    for (int i = 0; i < 3; i++) {
        ck_assert(ag_tensor_get(f.data.x, i) == (double)((float)expected[i] / 255.0f));
        ck_assert(ag_tensor_get(f.data.y, i) == label[i]);
    }
    nn_image_folder_clear(&f);
    nn_image_folder_clear(&f);
}
END_TEST

START_TEST(a_picture_that_differs_is_refused_by_name) {
    file_put(in_folder("eel/c.pgm"), "P5 2 1 255\n77", 13);
    nn_image_folder f;
    ag_error error = {0};
    ck_assert_int_eq(nn_image_folder_read(folder, &f, &error), AG_ERROR_FORMAT);
    ck_assert_ptr_nonnull(strstr(error.message, "eel/c.pgm: is of another size or kind"));
    ck_assert(!f.data.x && !f.class_names);
    ck_assert_int_eq(nn_image_folder_read(in_folder("cat"), &f, &error), AG_ERROR_FORMAT);
}
END_TEST

START_TEST(without_memory_nothing_is_read_and_nothing_leaks) {
    counting_allocator_install();
    for (long k = 1;; k++) {
        counting_allocator_fail_at(k);
        nn_image_folder f;
        const ag_status status = nn_image_folder_read(folder, &f, NULL);
        nn_image_folder_clear(&f);
        ck_assert_int_eq(counting_allocator_live(), 0);
        if (counting_allocator_calls() < k) {
            ck_assert_int_eq(status, AG_OK);
            ck_assert_int_gt(k, 20);
            break;
        }
        ck_assert_int_eq(status, AG_ERROR_MEMORY);
    }
}
END_TEST

Suite *nn_images_suite(void);
Suite *nn_images_suite(void) {
    Suite *s = suite_create("nn_images");
    TCase *one = tcase_create("pictures");
    tcase_add_checked_fixture(one, folder_make, folder_remove);
    tcase_add_test(one, grey_and_colour_pictures_become_planes);
    tcase_add_test(one, a_picture_cut_or_lengthened_is_refused);
    tcase_add_test(one, headers_that_lie_are_refused);
    tcase_add_test(one, what_is_no_readable_file_is_an_error);
    suite_add_tcase(s, one);
    TCase *many = tcase_create("folders");
    tcase_add_checked_fixture(many, make_classes, remove_classes);
    tcase_add_test(many, a_folder_is_read_in_the_order_of_names);
    tcase_add_test(many, a_picture_that_differs_is_refused_by_name);
    tcase_add_test(many, without_memory_nothing_is_read_and_nothing_leaks);
    suite_add_tcase(s, many);
    return s;
}
