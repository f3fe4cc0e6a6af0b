/* images: PGM and PPM files and folders of them are read whole, or refused by name. */
#define _XOPEN_SOURCE 700 /* mkdtemp, mkfifo */
#include "nn_support.h"

#include "support/folder.h"

#include <math.h>

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

START_TEST(a_picture_that_is_written_reads_as_it_was) {
    static const struct {
        int64_t dim[3];
        const char *head;
    } kind[] = {{{1, 2, 3}, "P5\n3 2\n255\n"}, {{3, 2, 1}, "P6\n1 2\n255\n"}};
    for (size_t k = 0; k < 2; k++)
        for (int wide = 0; wide < 2; wide++) {
            ag_tensor *x = ag_tensor_new(wide ? AG_F64 : AG_F32, 3, kind[k].dim, NULL);
            ck_assert_ptr_nonnull(x);
            for (int i = 0; i < 6; i++) ag_tensor_set(x, i, 51 * i / 255.0);
            ck_assert_int_eq(nn_image_write(in_folder("x"), x, NULL), AG_OK);
            char bytes[64] = "";
            FILE *f = fopen(in_folder("x"), "rb");
            ck_assert_uint_eq(fread(bytes, 1, sizeof bytes, f), strlen(kind[k].head) + 6);
            fclose(f);
            ck_assert_mem_eq(bytes, kind[k].head, strlen(kind[k].head));
            ag_tensor *y = nn_image_read(in_folder("x"), NULL);
            ck_assert_ptr_nonnull(y);
            ck_assert_mem_eq(ag_tensor_meta(y)->dim, kind[k].dim, sizeof kind[k].dim);
            for (int i = 0; i < 6; i++) ck_assert(fabs(ag_tensor_get(y, i) - 0.2 * i) < 1e-7);
            ag_tensor_free(x);
            ag_tensor_free(y);
        }
    ck_assert_int_eq(folder_count(), 1);
}
END_TEST

START_TEST(what_is_no_picture_is_not_written) {
    static const struct {
        ag_dtype dtype;
        int rank;
        int64_t dim[3];
        ag_status status;
    } wrong[] = {{AG_I64, 3, {1, 2, 3}, AG_ERROR_DTYPE},
                 {AG_F32, 2, {2, 3}, AG_ERROR_SHAPE},
                 {AG_F32, 3, {2, 2, 3}, AG_ERROR_SHAPE},
                 {AG_F32, 3, {1, 0, 3}, AG_ERROR_SHAPE}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ag_tensor *x = ag_tensor_new(wrong[i].dtype, wrong[i].rank, wrong[i].dim, NULL);
        ck_assert_int_eq(nn_image_write(in_folder("x"), x, NULL), wrong[i].status);
        ag_tensor_free(x);
    }
    ag_tensor *x = ag_tensor_new(AG_F32, 3, (int64_t[]){1, 1, 4}, NULL);
    const double odd[] = {-1, 7, NAN, 0.5};
    for (int i = 0; i < 4; i++) ag_tensor_set(x, i, odd[i]);
    ck_assert_int_eq(nn_image_write(in_folder("none/x"), x, NULL), AG_ERROR_IO);
    ck_assert_int_eq(folder_count(), 0);
    ck_assert_int_eq(nn_image_write(in_folder("x"), x, NULL), AG_OK);
    ck_assert(file_holds(in_folder("x"), "P5\n4 1\n255\n\0\xFF\0\x80", 15));
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
    static const char *const others[] = {"P1 1 1\n1",       "P4 1 1\n7",        "P7",
                                         "GIF89a",          "P51 1 1\n1",       "P5 1 1 7\n\x08",
                                         "P5 1 1 255#x\n7", "P5 1 1 65536\n77", "P5#"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        ck_assert_msg(status_of(others[i], strlen(others[i])) == AG_ERROR_FORMAT, "%s", others[i]);
}
END_TEST

START_TEST(plain_pictures_are_numbers_in_text) {
    static const char *const greys[] = {"P2\n# two by three\n3 2 # wide, high\n255\n0 51 102\n153 204 255\n",
                                        "P2 3 2 255 0 51 102 153 204 255",
                                        "P2 3 2 5#five\n0\t1\v2\f3\r4\n#all but one\n5#done",
                                        "P2 3 2 5 00 01 002 0000000000000000000000003 4 5   \n# the end"};
    for (size_t k = 0; k < sizeof greys / sizeof *greys; k++) {
        file_put(in_folder("x"), greys[k], strlen(greys[k]));
        ag_error error = {0};
        ag_tensor *x = nn_image_read(in_folder("x"), &error);
        ck_assert_msg(x != NULL, "%s: %s", greys[k], error.message);
        const int64_t *dim = ag_tensor_meta(x)->dim;
        ck_assert(ag_tensor_meta(x)->rank == 3 && dim[0] == 1 && dim[1] == 2 && dim[2] == 3);
        const double step = k < 2 ? 51 : 1, most = 5 * step;
        for (int i = 0; i < 6; i++) ck_assert(ag_tensor_get(x, i) == (double)((float)(step * i) / (float)most));
        ag_tensor_free(x);
    }
    static const char colour[] = "P3 2 1 65535 0 32768 65535 1 2 3\n";
    file_put(in_folder("x"), colour, sizeof colour - 1);
    ag_tensor *x = nn_image_read(in_folder("x"), NULL);
    ck_assert_ptr_nonnull(x);
    static const double samples[] = {0, 1, 32768, 2, 65535, 3};
    for (int i = 0; i < 6; i++) ck_assert(ag_tensor_get(x, i) == (double)((float)samples[i] / 65535.0f));
    ag_tensor_free(x);
}
END_TEST

START_TEST(plain_pictures_that_lie_are_refused) {
    static const char whole[] = "P3 2 1 9 1 2 3 4 5 6";
    for (size_t n = 0; n < sizeof whole; n++)
        ck_assert_int_eq(status_of(whole, n), n == sizeof whole - 1 ? AG_OK : AG_ERROR_FORMAT);
    static const char *const wrong[] = {"P2 2 1 9 1 10",
                                        "P2 2 1 9 1 -1",
                                        "P2 2 1 9 1 +1",
                                        "P2 2 1 9 1 1.5",
                                        "P2 2 1 9 1 x",
                                        "P2 2 1 9 1 2 3",
                                        "P2 2 1 9 1 2x",
                                        "P2 2 1 9 12",
                                        "P2 2 1 9 1,2",
                                        "P2 2 1 9",
                                        "P2 2 1 9 # 1 2\n",
                                        "P2 2 1 9 1 #2",
                                        "P2 0 1 9 1",
                                        "P2 1 1 0 0",
                                        "P2 1 1 65536 1",
                                        "P2 16777216 16777216 9 1",
                                        "P3 1 1 9 1 2 3 P3 1 1 9 1 2 3",
                                        "P21 1 9 1",
                                        "P2 1 1 9 18446744073709551617"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ck_assert_msg(status_of(wrong[i], strlen(wrong[i])) == AG_ERROR_FORMAT, "%s", wrong[i]);
    ck_assert_int_eq(status_of("P2 1 1 9 1\0", 11), AG_ERROR_FORMAT);
    ck_assert_int_eq(status_of("P2 1 1 9\0001", 10), AG_ERROR_FORMAT);
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

/* Names can be listed, but not looked at: no class may be missing without a word. */
START_TEST(a_folder_that_cannot_be_looked_into_is_an_error) {
    nn_image_folder f;
    ag_error error = {0};
    ck_assert_int_eq(symlink("nowhere", in_folder("loose")), 0); /* a link to nothing is no class */
    ck_assert_msg(nn_image_folder_read(folder, &f, &error) == AG_OK, "%s", error.message);
    nn_image_folder_clear(&f);
    ck_assert_int_eq(chmod(folder, 0444), 0);
    lay_down_rights();
    const ag_status status = nn_image_folder_read(folder, &f, &error);
    take_up_rights();
    ck_assert_int_eq(chmod(folder, 0755), 0);
    ck_assert_int_eq(status, AG_ERROR_IO);
    ck_assert_msg(strstr(error.message, ": cannot examine: ") != NULL, "%s", error.message);
    ck_assert(!f.data.x && !f.class_names);
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

START_TEST(a_folder_is_a_source_that_reads_when_asked) {
    nn_image_source s;
    ag_error error = {0};
    ck_assert_msg(nn_image_source_open(folder, &s, &error) == AG_OK, "%s", error.message);
    ck_assert_int_eq(s.classes, 3);
    ck_assert_str_eq(s.class_names[2], "eel");
    ck_assert_ptr_null(s.class_names[3]);
    ck_assert_int_eq(nn_source_size(&s.source), 3);
    file_put(in_folder("eel/c.pgm"), "P2 1 1 255 7", 12); /* after it was opened */
    for (int ahead = 0; ahead < 2; ahead++) {
        nn_batcher *b = nn_batcher_of(&s.source, &(nn_batcher_options){.batch = 2, .prefetch = ahead}, NULL);
        static const double expected[] = {'a', 'b', 7}, label[] = {0, 0, 2};
        int64_t seen = 0;
        for (ag_tensor *x, *y; nn_batcher_next(b, &x, &y);) {
            ck_assert_int_eq(ag_tensor_meta(x)->rank, 4);
            for (int64_t i = 0; i < ag_tensor_meta(x)->dim[0]; i++, seen++) {
                ck_assert(ag_tensor_get(x, i) == (double)((float)expected[seen] / 255.0f));
                ck_assert(ag_tensor_get(y, i) == label[seen]);
            }
        }
        ck_assert_int_eq(seen, 3);
        nn_batcher_free(b);
    }
    unlink(in_folder("cat/b.pgm"));
    nn_batcher *b = nn_batcher_of(&s.source, &(nn_batcher_options){.batch = 1, .prefetch = 1}, NULL);
    ck_assert(nn_batcher_next(b, &(ag_tensor *){NULL}, NULL));
    ck_assert(!nn_batcher_next(b, &(ag_tensor *){NULL}, NULL));
    ck_assert_int_eq(nn_batcher_status(b, &error), AG_ERROR_IO);
    ck_assert_ptr_eq(strstr(error.message, "sample 1: "), error.message);
    ck_assert_ptr_nonnull(strstr(error.message, "cat/b.pgm"));
    nn_batcher_free(b);
    nn_image_source_clear(&s);
    nn_image_source_clear(&s);
    ck_assert_int_eq(nn_source_size(&s.source), 0);
    ck_assert_int_eq(nn_image_source_open(in_folder("cat"), &s, &error), AG_ERROR_FORMAT);
    ck_assert_int_eq(nn_source_size(&s.source), 0);
    ck_assert_int_eq(nn_image_source_open(in_folder("none"), &s, &error), AG_ERROR_IO);
}
END_TEST

/* The source that the manual shows (source.h), as it stands there. */
typedef struct scans {
    nn_source source;
    char **path;
    const double *age;
    int64_t n;
} scans;

static int64_t scans_size(nn_source *s) { return ((scans *)s)->n; }
static ag_status scans_sample(nn_source *s, int64_t i, ag_random *draws, nn_sample *out, ag_error *error) {
    const scans *of = (scans *)s;
    (void)draws;
    out->x = nn_image_read(of->path[i], error);
    out->y = out->x ? ag_tensor_from(AG_F32, 0, NULL, &of->age[i], error) : NULL;
    return out->y ? AG_OK : error->status;
}

START_TEST(the_source_of_the_manual_works) {
    nn_image_source s;
    ag_error error = {0};
    ck_assert_int_eq(nn_image_source_open(folder, &s, &error), AG_OK);
    const double age[] = {31, 42, 53};
    scans mine = {{scans_size, scans_sample, NULL}, s.path, age, s.n};
    nn_augment change = {.shift = 2, .flip = true};
    nn_mapped_source changed = nn_source_mapped(&mine.source, nn_augment_sample, &change);
    nn_batcher *b = nn_batcher_of(&changed.source, &(nn_batcher_options){.shuffle = true, .prefetch = 2}, &error);
    ck_assert_msg(b != NULL, "%s", error.message);
    ag_tensor *x, *y;
    int64_t n;
    ck_assert(nn_batcher_next(b, &x, &y));
    const int64_t *index = nn_batcher_index(b, &n);
    ck_assert_int_eq(n, 3);
    ck_assert_int_eq(ag_tensor_meta(x)->rank, 4);
    for (int i = 0; i < 3; i++) ck_assert(ag_tensor_get(y, i) == age[index[i]]);
    nn_batcher_free(b);
    nn_image_source_clear(&s);
}
END_TEST

static bool read_each(void) {
    nn_image_source s;
    bool done = nn_image_source_open(folder, &s, NULL) == AG_OK;
    for (int64_t i = 0; i < nn_source_size(&s.source) && done; i++) {
        nn_sample sample;
        ag_random draws = {0, 0};
        done = nn_source_sample(&s.source, i, &draws, &sample, NULL) == AG_OK;
        nn_sample_clear(&sample);
    }
    nn_image_source_clear(&s);
    return done;
}

START_TEST(no_allocation_that_fails_in_a_source_leaves_anything) { test_every_allocation(read_each); }
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
    tcase_add_test(one, a_picture_that_is_written_reads_as_it_was);
    tcase_add_test(one, what_is_no_picture_is_not_written);
    tcase_add_test(one, a_picture_cut_or_lengthened_is_refused);
    tcase_add_test(one, headers_that_lie_are_refused);
    tcase_add_test(one, plain_pictures_are_numbers_in_text);
    tcase_add_test(one, plain_pictures_that_lie_are_refused);
    tcase_add_test(one, what_is_no_readable_file_is_an_error);
    suite_add_tcase(s, one);
    TCase *many = tcase_create("folders");
    tcase_add_checked_fixture(many, make_classes, remove_classes);
    tcase_add_test(many, a_folder_is_read_in_the_order_of_names);
    tcase_add_test(many, a_folder_that_cannot_be_looked_into_is_an_error);
    tcase_add_test(many, a_picture_that_differs_is_refused_by_name);
    tcase_add_test(many, a_folder_is_a_source_that_reads_when_asked);
    tcase_add_test(many, the_source_of_the_manual_works);
    tcase_add_test(many, no_allocation_that_fails_in_a_source_leaves_anything);
    tcase_add_test(many, without_memory_nothing_is_read_and_nothing_leaks);
    suite_add_tcase(s, many);
    return s;
}
