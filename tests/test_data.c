/* data: datasets from arrays and files, and batches. */
#define _XOPEN_SOURCE 700 /* mkdtemp */

#include "nn_support.h"

#include <math.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- datasets and batches ----------------------------------------------------------------------------- */

/* n samples of two numbers, (i, -i), with label i. */
static nn_dataset counting(int64_t n) {
    nn_dataset d;
    ck_assert_int_eq(nn_dataset_init(&d, n, 2, NULL), AG_OK);
    float *x = ag_tensor_write(d.x);
    int64_t *y = ag_tensor_write(d.y);
    for (int64_t i = 0; i < n; i++) {
        x[2 * i] = (float)i;
        x[2 * i + 1] = (float)-i;
        y[i] = i;
    }
    return d;
}

/* One epoch's order, having checked that the batches are complete and that rows and labels stay together. */
static void take_epoch(nn_batcher *b, int64_t n, int64_t batch, int64_t *order) {
    ag_tensor *x, *y;
    int64_t seen = 0, batches = 0;
    for (; nn_batcher_next(b, &x, &y); batches++) {
        const int64_t rows = ag_tensor_meta(x)->dim[0];
        ck_assert_int_eq(rows, n - seen < batch ? n - seen : batch);
        ck_assert_int_eq(ag_tensor_count(y), rows);
        for (int64_t i = 0; i < rows; i++, seen++) {
            order[seen] = (int64_t)ag_tensor_get(y, i);
            ck_assert(ag_tensor_get(x, 2 * i) == (double)order[seen]);
            ck_assert(ag_tensor_get(x, 2 * i + 1) == (double)-order[seen]);
        }
    }
    ck_assert_int_eq(seen, n);
    ck_assert_int_eq(batches, nn_batcher_count(b));
    ck_assert(!nn_batcher_next(b, &x, &y)); /* the end stays the end */
}

START_TEST(rows_are_copied) {
    nn_dataset d = counting(5), part;
    ck_assert_int_eq(nn_dataset_rows(&d, 1, 4, &part, NULL), AG_OK);
    ag_tensor_fill(d.x, 0);
    ck_assert_int_eq(nn_dataset_size(&part), 3);
    for (int64_t i = 0; i < 3; i++) {
        ck_assert(ag_tensor_get(part.x, 2 * i) == (double)(i + 1));
        ck_assert(ag_tensor_get(part.y, i) == (double)(i + 1));
    }
    nn_dataset_clear(&part);
    ck_assert_ptr_null(part.x);
    nn_dataset_clear(&d);
}
END_TEST

START_TEST(rows_outside_are_refused) {
    static const int64_t range[][2] = {{-1, 2}, {0, 6}, {3, 2}, {6, 6}};
    nn_dataset d = counting(5), part;
    for (size_t i = 0; i < sizeof range / sizeof *range; i++) {
        ag_error error = {0};
        ck_assert_int_eq(nn_dataset_rows(&d, range[i][0], range[i][1], &part, &error), AG_ERROR_INDEX);
        ck_assert_ptr_nonnull(strstr(error.message, "5 samples"));
        ck_assert_ptr_null(part.x);
    }
    ck_assert_int_eq(nn_dataset_rows(&d, 5, 5, &part, NULL), AG_OK); /* none is a number of rows, too */
    ck_assert_int_eq(nn_dataset_size(&part), 0);
    nn_dataset_clear(&part);
    nn_dataset_clear(&d);
}
END_TEST

START_TEST(unshuffled_batches_keep_the_order) {
    nn_dataset d = counting(10);
    nn_batcher *b = nn_batcher_new(&d, 4, false, 0, NULL);
    int64_t order[10];
    ck_assert_int_eq(nn_batcher_count(b), 3);
    take_epoch(b, 10, 4, order);
    for (int64_t i = 0; i < 10; i++) ck_assert_int_eq(order[i], i);
    nn_batcher_free(b);
    nn_dataset_clear(&d);
}
END_TEST

START_TEST(every_sample_comes_once_an_epoch) {
    static const int64_t batch[] = {1, 7, 50, 100, 1000};
    enum { N = 100 };
    nn_dataset d = counting(N);
    for (size_t k = 0; k < sizeof batch / sizeof *batch; k++) {
        nn_batcher *b = nn_batcher_new(&d, batch[k], true, 3, NULL);
        int64_t order[N];
        bool seen[N] = {false};
        take_epoch(b, N, batch[k], order);
        for (int i = 0; i < N; i++) seen[order[i]] = true;
        for (int i = 0; i < N; i++) ck_assert(seen[i]);
        nn_batcher_free(b);
    }
    nn_dataset_clear(&d);
}
END_TEST

START_TEST(order_is_a_function_of_seed_and_epoch) {
    enum { N = 50, BATCH = 8 };
    nn_dataset d = counting(N);
    nn_batcher *b = nn_batcher_new(&d, BATCH, true, 3, NULL), *other = nn_batcher_new(&d, BATCH, true, 4, NULL);
    int64_t first[N], second[N], again[N], otherwise[N];
    take_epoch(b, N, BATCH, first); /* a new batcher stands at epoch 0 */
    nn_batcher_start(b, 1);
    take_epoch(b, N, BATCH, second);
    nn_batcher_start(b, 0);
    take_epoch(b, N, BATCH, again);
    take_epoch(other, N, BATCH, otherwise);
    ck_assert_mem_eq(first, again, sizeof first);
    ck_assert_mem_ne(first, second, sizeof first);
    ck_assert_mem_ne(first, otherwise, sizeof first);
    nn_batcher_free(b);
    nn_batcher_free(other);
    nn_dataset_clear(&d);
}
END_TEST

START_TEST(labels_may_be_missing) {
    nn_dataset d = counting(3);
    ag_tensor_free(d.y);
    d.y = NULL;
    nn_dataset part;
    ck_assert_int_eq(nn_dataset_rows(&d, 0, 2, &part, NULL), AG_OK);
    ck_assert_ptr_null(part.y);
    nn_batcher *b = nn_batcher_new(&part, 2, false, 0, NULL);
    ag_tensor *x, *y;
    ck_assert(nn_batcher_next(b, &x, &y));
    ck_assert_ptr_null(y);
    ck_assert(ag_tensor_get(x, 2) == 1);
    nn_batcher_free(b);
    nn_dataset_clear(&part);
    nn_dataset_clear(&d);
}
END_TEST

START_TEST(an_empty_dataset_has_no_batches) {
    nn_dataset empty = {0};
    nn_batcher *b = nn_batcher_new(&empty, 4, true, 1, NULL);
    ag_tensor *x, *y;
    ck_assert_ptr_nonnull(b);
    ck_assert_int_eq(nn_batcher_count(b), 0);
    ck_assert(!nn_batcher_next(b, &x, &y));
    nn_batcher_free(b);
}
END_TEST

START_TEST(a_batch_of_nothing_is_refused) {
    nn_dataset d = counting(3);
    ag_error error = {0};
    ck_assert_ptr_null(nn_batcher_new(&d, 0, true, 1, &error));
    ck_assert_int_eq(error.status, AG_ERROR_VALUE);
    nn_dataset_clear(&d);
}
END_TEST

/* A dataset put together by hand, for which both readers of its rows give the same answer. */
static void check_mismatch(int rank_x, const int64_t *dim_x, int rank_y, const int64_t *dim_y, const char *x,
                           const char *y) {
    nn_dataset part, d = {ag_tensor_new(AG_F32, rank_x, dim_x, NULL), NULL};
    if (dim_y) d.y = ag_tensor_new(AG_I64, rank_y, dim_y, NULL);
    for (int reader = 0; reader < 2; reader++) {
        ag_error error = {0};
        if (reader == 0)
            ck_assert_ptr_null(nn_batcher_new(&d, 4, false, 0, &error));
        else
            ck_assert_int_eq(nn_dataset_rows(&d, 0, 0, &part, &error), AG_ERROR_SHAPE);
        ck_assert_int_eq(error.status, AG_ERROR_SHAPE);
        ck_assert_msg(strstr(error.message, x) && strstr(error.message, y), "%s", error.message);
    }
    ck_assert_ptr_null(part.x);
    nn_dataset_clear(&d);
}

START_TEST(labels_that_do_not_match_the_samples_are_refused_with_both_shapes) {
    static const int64_t x[] = {5, 2}, turned[] = {2, 5}, less = 3, more = 7;
    check_mismatch(2, x, 1, &less, "(5, 2)", "(3)");
    check_mismatch(2, x, 1, &more, "(5, 2)", "(7)");
    check_mismatch(2, x, 2, turned, "(5, 2)", "(2, 5)");
    check_mismatch(2, x, 0, x, "(5, 2)", "()");
}
END_TEST

START_TEST(samples_without_rows_are_refused) {
    static const int64_t one = 1;
    check_mismatch(0, &one, 1, &one, "()", "(1)");
    check_mismatch(0, &one, 0, NULL, "()", "NULL");
}
END_TEST

static bool batch_all(void) {
    nn_dataset d = {0}, part = {0};
    nn_batcher *b = NULL;
    bool done = nn_dataset_moons(7, 0.1, 1, &d, NULL) == AG_OK &&
                nn_dataset_rows(&d, 0, 5, &part, NULL) == AG_OK &&
                (b = nn_batcher_new(&part, 2, true, 1, NULL)) != NULL;
    nn_batcher_free(b);
    nn_dataset_clear(&part);
    nn_dataset_clear(&d);
    return done;
}

START_TEST(no_allocation_that_fails_leaves_anything) { test_every_allocation(batch_all); }
END_TEST

/* ---- IDX files ---------------------------------------------------------------------------------------- */

static char folder[64];
static const char *const names[] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
                                    "t10k-labels-idx1-ubyte"};

static void make_folder(void) {
    strcpy(folder, "/tmp/gradus-data-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static const char *path_of(const char *name) {
    static char path[2][128];
    static int turn;
    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static void remove_folder(void) {
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        unlink(path_of(names[i]));
        rmdir(path_of(names[i]));
    }
    rmdir(folder);
}

/* An IDX file of bytes: value i is `scale` times i, modulo `modulus`. */
static void write_idx(const char *name, int rank, const uint32_t *dim, uint32_t scale, uint32_t modulus) {
    FILE *f = fopen(path_of(name), "wb");
    ck_assert_ptr_nonnull(f);
    const unsigned char head[4] = {0, 0, 8, (unsigned char)rank};
    fwrite(head, 1, 4, f);
    uint32_t count = 1;
    for (int k = 0; k < rank; k++) {
        for (int shift = 24; shift >= 0; shift -= 8) fputc((int)(dim[k] >> shift & 255), f);
        count *= dim[k];
    }
    for (uint32_t i = 0; i < count; i++) fputc((int)(scale * i % modulus), f);
    ck_assert_int_eq(fclose(f), 0);
}

static void write_pair(int which, uint32_t n, uint32_t side) {
    const uint32_t images[] = {n, side, side}, labels[] = {n};
    write_idx(names[which], 3, images, 51, 256);
    write_idx(names[which + 1], 1, labels, 1, 10);
}

static void check_refused(ag_status status, const ag_error *error, ag_status expected, const char *text) {
    ck_assert_int_eq(status, expected);
    ck_assert_int_eq(error->status, expected);
    ck_assert_msg(strstr(error->message, text) != NULL, "\"%s\" does not say \"%s\"", error->message, text);
}

START_TEST(a_pair_is_scaled_to_one) {
    nn_dataset d;
    write_pair(0, 3, 2);
    ck_assert_int_eq(nn_dataset_idx(path_of(names[0]), path_of(names[1]), &d, NULL), AG_OK);
    const ag_meta *meta = ag_tensor_meta(d.x);
    ck_assert(meta->dtype == AG_F32 && meta->rank == 2 && meta->dim[0] == 3 && meta->dim[1] == 4);
    const float *x = ag_tensor_data(d.x);
    for (int i = 0; i < 12; i++) ck_assert(x[i] == (float)(51 * i % 256) / 255.0f);
    for (int i = 0; i < 3; i++) ck_assert(ag_tensor_get(d.y, i) == (double)i);
    nn_dataset_clear(&d);
}
END_TEST

START_TEST(pairs_that_do_not_belong_together_are_refused) {
    const uint32_t four[] = {4}, three[] = {3}, cube[] = {3, 2, 2}, flat[] = {3, 0, 2};
    const char *images = names[0], *labels = names[1];
    struct {
        int image_rank;
        const uint32_t *image_dim;
        int label_rank;
        const uint32_t *label_dim;
        uint32_t modulus;
        const char *text;
    } wrong[] = {
        {3, cube, 1, four, 10, "4 labels"},   {1, three, 1, three, 10, "rank 3"},
        {3, cube, 3, cube, 10, "rank 1"},     {3, cube, 1, three, 200, "label 1 is 50"},
        {3, flat, 1, three, 10, "no pixels"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ag_error error = {0};
        nn_dataset d;
        write_idx(images, wrong[i].image_rank, wrong[i].image_dim, 1, 256);
        write_idx(labels, wrong[i].label_rank, wrong[i].label_dim, wrong[i].modulus == 200 ? 50 : 1,
                  wrong[i].modulus);
        ag_status status = nn_dataset_idx(path_of(images), path_of(labels), &d, &error);
        check_refused(status, &error, AG_ERROR_FORMAT, wrong[i].text);
        ck_assert(d.x == NULL && d.y == NULL);
    }
}
END_TEST

START_TEST(four_files_are_train_and_test) {
    nn_dataset train, test;
    write_pair(0, 5, 2);
    write_pair(2, 3, 2);
    ck_assert_int_eq(nn_dataset_mnist(folder, &train, &test, NULL), AG_OK);
    ck_assert_int_eq(nn_dataset_size(&train), 5);
    ck_assert_int_eq(nn_dataset_size(&test), 3);
    nn_dataset_clear(&train);
    nn_dataset_clear(&test);
}
END_TEST

START_TEST(two_files_are_split_at_8000) {
    nn_dataset train, test;
    write_pair(2, 8003, 1);
    ck_assert_int_eq(nn_dataset_mnist(folder, &train, &test, NULL), AG_OK);
    ck_assert_int_eq(nn_dataset_size(&train), 8000);
    ck_assert_int_eq(nn_dataset_size(&test), 3);
    for (int i = 0; i < 3; i++) ck_assert(ag_tensor_get(test.y, i) == (double)((8000 + i) % 10));
    nn_dataset_clear(&train);
    nn_dataset_clear(&test);
}
END_TEST

START_TEST(incomplete_folders_say_what_is_missing) {
    nn_dataset train, test;
    ag_error error = {0};
    check_refused(nn_dataset_mnist(folder, &train, &test, &error), &error, AG_ERROR_IO, names[2]);
    write_pair(2, 8000, 1); /* nothing would be left to test */
    check_refused(nn_dataset_mnist(folder, &train, &test, &error), &error, AG_ERROR_FORMAT, "more than 8000");
    write_pair(0, 5, 1);
    unlink(path_of(names[1]));
    check_refused(nn_dataset_mnist(folder, &train, &test, &error), &error, AG_ERROR_IO, names[1]);
    write_pair(0, 5, 2); /* images of four pixels beside images of one */
    check_refused(nn_dataset_mnist(folder, &train, &test, &error), &error, AG_ERROR_FORMAT, "pixels");
    check_refused(nn_dataset_mnist("/nowhere/at/all", &train, &test, &error), &error, AG_ERROR_IO,
                  "/nowhere/at/all");
    check_refused(nn_dataset_mnist(path_of(names[0]), &train, &test, &error), &error, AG_ERROR_IO, "not a folder");
    char roundabout[1000]; /* a message has room for the reason behind the longest path */
    int n = snprintf(roundabout, sizeof roundabout, "%s", folder);
    while (n < 600)
        n += snprintf(roundabout + n, sizeof roundabout - (size_t)n, "/../%s", strrchr(folder, '/') + 1);
    check_refused(nn_dataset_mnist(roundabout, &train, &test, &error), &error, AG_ERROR_FORMAT, "pixels, but ");
    unlink(path_of(names[1]));
    check_refused(nn_dataset_mnist(roundabout, &train, &test, &error), &error, AG_ERROR_IO, names[1]);
    ck_assert(train.x == NULL && train.y == NULL && test.x == NULL && test.y == NULL);
}
END_TEST

START_TEST(what_is_not_a_file_is_refused) {
    nn_dataset train, test;
    ag_error error = {0};
    write_pair(0, 5, 2);
    write_pair(2, 5, 2);
    unlink(path_of(names[0]));
    ck_assert_int_eq(mkdir(path_of(names[0]), 0700), 0);
    check_refused(nn_dataset_mnist(folder, &train, &test, &error), &error, AG_ERROR_IO, names[0]);
}
END_TEST

static bool read_folder(void) {
    nn_dataset train, test;
    if (nn_dataset_mnist(folder, &train, &test, NULL) != AG_OK) return false;
    nn_dataset_clear(&train);
    nn_dataset_clear(&test);
    return true;
}

START_TEST(no_allocation_that_fails_in_reading_leaves_anything) {
    write_pair(0, 5, 2);
    write_pair(2, 3, 2);
    test_every_allocation(read_folder);
    unlink(path_of(names[0]));
    unlink(path_of(names[1]));
    write_pair(2, 8003, 1);
    test_every_allocation(read_folder);
}
END_TEST

Suite *data_suite(void);
Suite *data_suite(void) {
    Suite *suite = suite_create("data");
    TCase *batches = tcase_create("batches");
    tcase_add_test(batches, rows_are_copied);
    tcase_add_test(batches, rows_outside_are_refused);
    tcase_add_test(batches, unshuffled_batches_keep_the_order);
    tcase_add_test(batches, every_sample_comes_once_an_epoch);
    tcase_add_test(batches, order_is_a_function_of_seed_and_epoch);
    tcase_add_test(batches, labels_may_be_missing);
    tcase_add_test(batches, an_empty_dataset_has_no_batches);
    tcase_add_test(batches, a_batch_of_nothing_is_refused);
    tcase_add_test(batches, labels_that_do_not_match_the_samples_are_refused_with_both_shapes);
    tcase_add_test(batches, samples_without_rows_are_refused);
    tcase_add_test(batches, no_allocation_that_fails_leaves_anything);
    suite_add_tcase(suite, batches);

    TCase *files = tcase_create("files");
    tcase_add_checked_fixture(files, make_folder, remove_folder);
    tcase_add_test(files, a_pair_is_scaled_to_one);
    tcase_add_test(files, pairs_that_do_not_belong_together_are_refused);
    tcase_add_test(files, four_files_are_train_and_test);
    tcase_add_test(files, two_files_are_split_at_8000);
    tcase_add_test(files, incomplete_folders_say_what_is_missing);
    tcase_add_test(files, what_is_not_a_file_is_refused);
    tcase_add_test(files, no_allocation_that_fails_in_reading_leaves_anything);
    suite_add_tcase(suite, files);
    return suite;
}
