/* data: labelled samples in memory, from arrays and from IDX files.
 *
 * All or nothing: a function that fails leaves its result empty.
 * Not here: batches (batch.c), data that is drawn rather than read (digits.c, generators.c). */
#define _POSIX_C_SOURCE 200809L

#include "../data.h"

#include "data_impl.h"
#include "../file_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

/* ---- datasets ----------------------------------------------------------------------------------------- */

ag_status nn_dataset_init(nn_dataset *d, int64_t n, int64_t width, ag_error *error) {
    ag_error own = {0};
    const int64_t dim[2] = {n, width};
    d->x = ag_tensor_new(AG_F32, 2, dim, &own);
    d->y = d->x ? ag_tensor_new(AG_I64, 1, dim, &own) : NULL;
    if (d->y) return AG_OK;
    nn_dataset_clear(d);
    return ag_fail(error, own.status, "dataset of %" PRId64 " samples: %s", n, own.message);
}

void nn_dataset_clear(nn_dataset *d) {
    if (!d) return;
    ag_tensor_free(d->x);
    ag_tensor_free(d->y);
    *d = (nn_dataset){0};
}

int64_t nn_dataset_size(const nn_dataset *d) { return d->x ? ag_tensor_meta(d->x)->dim[0] : 0; }

ag_status nnx_dataset_check(const nn_dataset *d, ag_error *error) {
    if (!d->x) return AG_OK; /* empty */
    const ag_meta *x = ag_tensor_meta(d->x), *y = d->y ? ag_tensor_meta(d->y) : NULL;
    if (x->rank > 0 && (!y || (y->rank > 0 && y->dim[0] == x->dim[0]))) return AG_OK;
    char of_x[AG_META_TEXT], of_y[AG_META_TEXT] = "NULL";
    if (y) ag_meta_text(y, of_y, sizeof of_y);
    return ag_fail(error, AG_ERROR_SHAPE,
                   "dataset of x %s and y %s: x needs rows, one a sample, and y is NULL or has as many",
                   ag_meta_text(x, of_x, sizeof of_x), of_y);
}

/* Rows [first, last) of one tensor, copied into a new one. */
static ag_tensor *copy_rows(const ag_tensor *from, int64_t first, int64_t last, ag_error *error) {
    const ag_meta *meta = ag_tensor_meta(from);
    int64_t dim[AG_MAX_RANK];
    memcpy(dim, meta->dim, sizeof dim);
    dim[0] = last - first;
    ag_tensor *to = ag_tensor_new(meta->dtype, meta->rank, dim, error);
    if (!to || first == last) return to;
    const size_t row = ag_meta_bytes(meta) / (size_t)meta->dim[0];
    memcpy(ag_tensor_write(to), (const char *)ag_tensor_data(from) + (size_t)first * row, (size_t)dim[0] * row);
    return to;
}

ag_status nn_dataset_rows(const nn_dataset *d, int64_t first, int64_t last, nn_dataset *out, ag_error *error) {
    ag_error own = {0};
    *out = (nn_dataset){0};
    const ag_status status = nnx_dataset_check(d, error);
    if (status != AG_OK) return status;
    if (first < 0 || last < first || last > nn_dataset_size(d))
        return ag_fail(error, AG_ERROR_INDEX,
                       "rows [%" PRId64 ", %" PRId64 ") of a dataset that has %" PRId64 " samples", first, last,
                       nn_dataset_size(d));
    if (!d->x) return AG_OK; /* no rows of an empty dataset */
    out->x = copy_rows(d->x, first, last, &own);
    if (out->x && d->y) out->y = copy_rows(d->y, first, last, &own);
    if (out->x && (out->y || !d->y)) return AG_OK;
    nn_dataset_clear(out);
    return ag_fail(error, own.status, "copy of %" PRId64 " samples: %s", last - first, own.message);
}

/* ---- a pair of IDX files ------------------------------------------------------------------------------ */

enum { IDX_U8 = 0x08, CLASSES = 10 };

#define HALF_PATH "%.180s" /* in a message with two of them */

/* Whether an image file and a label file belong together. */
static ag_status check_pair(const ag_idx *x, const char *images, const ag_idx *y, const char *labels,
                            ag_error *error) {
    if (x->type != IDX_U8 || x->rank != 3)
        return ag_fail(error, AG_ERROR_FORMAT,
                       NNX_PATH ": images must be bytes of rank 3, but this file has type 0x%02x and rank %d",
                       images, (unsigned)x->type, x->rank);
    if (y->type != IDX_U8 || y->rank != 1)
        return ag_fail(error, AG_ERROR_FORMAT,
                       NNX_PATH ": labels must be bytes of rank 1, but this file has type 0x%02x and rank %d",
                       labels, (unsigned)y->type, y->rank);
    if (x->dim[0] != y->dim[0])
        return ag_fail(error, AG_ERROR_FORMAT,
                       HALF_PATH " has %" PRId64 " images, but " HALF_PATH " has %" PRId64 " labels", images,
                       x->dim[0], labels, y->dim[0]);
    if (x->count == 0) return ag_fail(error, AG_ERROR_FORMAT, NNX_PATH ": no pixels in it", images);
    const uint8_t *label = y->data;
    for (int64_t i = 0; i < y->count; i++)
        if (label[i] >= CLASSES)
            return ag_fail(error, AG_ERROR_FORMAT, NNX_PATH ": label %" PRId64 " is %d, more than 9", labels, i,
                           label[i]);
    return AG_OK;
}

ag_status nn_dataset_idx(const char *images, const char *labels, nn_dataset *out, ag_error *error) {
    *out = (nn_dataset){0};
    ag_idx x = {0}, y = {0};
    ag_status status = ag_idx_read(labels, 0, &y, error);
    if (status == AG_OK) status = ag_idx_read(images, 0, &x, error);
    if (status == AG_OK) status = check_pair(&x, images, &y, labels, error);
    if (status == AG_OK) status = nn_dataset_init(out, x.dim[0], x.count / x.dim[0], error);
    if (status != AG_OK) goto done;

    const uint8_t *byte = x.data, *label = y.data;
    float *pixel = ag_tensor_write(out->x);      /* (n, rows * cols) */
    int64_t *class_of = ag_tensor_write(out->y); /* (n)              */
    for (int64_t i = 0; i < x.count; i++) pixel[i] = (float)byte[i] / 255.0f;
    for (int64_t i = 0; i < y.count; i++) class_of[i] = label[i];
done:
    ag_idx_clear(&x);
    ag_idx_clear(&y);
    return status;
}

/* ---- MNIST and Fashion-MNIST in a folder -------------------------------------------------------------- */

enum { TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS, MNIST_FILES };

static const char *const mnist_name[MNIST_FILES] = {
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
};

/* With the test files alone, this many of their samples train. */
enum { MNIST_SPLIT = 8000 };

/* Absent means absent for certain: whatever else is wrong with a path is for the reader to say. */
static bool is_absent(const char *path) {
    struct stat info;
    return stat(path, &info) != 0 && errno == ENOENT;
}

/* folder/name.ending, in a block of its own length plus one; NULL: out of memory. */
static char *join(const char *folder, const char *name, const char *ending) {
    const size_t size = strlen(folder) + 1 + strlen(name) + strlen(ending) + 1;
    char *path = ag_alloc(size);
    if (!path) return NULL;
    strcpy(path, folder);
    return strcat(strcat(strcat(path, "/"), name), ending);
}

/* The path of a file whose name may end in ".gz"; *path stays NULL when there is neither. Free with
 * ag_release_string. */
static ag_status locate(const char *folder, const char *name, char **path, ag_error *error) {
    static const char *const ending[] = {"", ".gz"};
    *path = NULL;
    for (size_t i = 0; i < sizeof ending / sizeof *ending; i++) {
        char *candidate = join(folder, name, ending[i]);
        if (!candidate) return ag_fail(error, AG_ERROR_MEMORY, "path of %s in %s", name, folder);
        if (!is_absent(candidate)) {
            *path = candidate;
            return AG_OK;
        }
        ag_release_string(candidate);
    }
    return AG_OK;
}

/* The t10k pair may come alone; of the training pair, one file is not enough. */
static ag_status check_found(const char *folder, char *const path[MNIST_FILES], ag_error *error) {
    struct stat info;
    if (stat(folder, &info) != 0) return ag_fail(error, AG_ERROR_IO, NNX_PATH ": %s", folder, strerror(errno));
    if (!S_ISDIR(info.st_mode)) return ag_fail(error, AG_ERROR_IO, NNX_PATH ": not a folder", folder);
    const bool training = path[TRAIN_IMAGES] || path[TRAIN_LABELS];
    for (int i = training ? TRAIN_IMAGES : TEST_IMAGES; i < MNIST_FILES; i++)
        if (!path[i])
            return ag_fail(error, AG_ERROR_IO, NNX_PATH ": no %s or %s.gz in it", folder, mnist_name[i],
                           mnist_name[i]);
    return AG_OK;
}

/* The t10k pair divided: its first samples train, the rest test. */
static ag_status split_test_files(const char *images, const char *labels, nn_dataset *train, nn_dataset *test,
                                  ag_error *error) {
    nn_dataset all;
    ag_status status = nn_dataset_idx(images, labels, &all, error);
    const int64_t n = nn_dataset_size(&all);
    if (status == AG_OK && n <= MNIST_SPLIT)
        status =
            ag_fail(error, AG_ERROR_FORMAT,
                    NNX_PATH " has %" PRId64 " images; without the training files it needs more than %d, of which "
                             "the first %d train",
                    images, n, MNIST_SPLIT, MNIST_SPLIT);
    if (status == AG_OK) status = nn_dataset_rows(&all, 0, MNIST_SPLIT, train, error);
    if (status == AG_OK) status = nn_dataset_rows(&all, MNIST_SPLIT, n, test, error);
    nn_dataset_clear(&all);
    return status;
}

static ag_status read_four_files(char *const path[MNIST_FILES], nn_dataset *train, nn_dataset *test,
                                 ag_error *error) {
    ag_status status = nn_dataset_idx(path[TRAIN_IMAGES], path[TRAIN_LABELS], train, error);
    if (status == AG_OK) status = nn_dataset_idx(path[TEST_IMAGES], path[TEST_LABELS], test, error);
    if (status != AG_OK) return status;
    const int64_t pixels[2] = {ag_tensor_meta(train->x)->dim[1], ag_tensor_meta(test->x)->dim[1]};
    if (pixels[0] == pixels[1]) return AG_OK;
    return ag_fail(error, AG_ERROR_FORMAT,
                   HALF_PATH " has images of %" PRId64 " pixels, but " HALF_PATH " has images of %" PRId64,
                   path[TRAIN_IMAGES], pixels[0], path[TEST_IMAGES], pixels[1]);
}

ag_status nn_dataset_mnist(const char *folder, nn_dataset *train, nn_dataset *test, ag_error *error) {
    char *path[MNIST_FILES] = {NULL};
    *train = *test = (nn_dataset){0};
    ag_status status = AG_OK;
    for (int i = 0; i < MNIST_FILES && status == AG_OK; i++)
        status = locate(folder, mnist_name[i], &path[i], error);
    if (status == AG_OK) status = check_found(folder, path, error);
    if (status == AG_OK)
        status = path[TRAIN_IMAGES] ? read_four_files(path, train, test, error)
                                    : split_test_files(path[TEST_IMAGES], path[TEST_LABELS], train, test, error);
    if (status != AG_OK) {
        nn_dataset_clear(train);
        nn_dataset_clear(test);
    }
    for (int i = 0; i < MNIST_FILES; i++)
        if (path[i]) ag_release_string(path[i]);
    return status;
}
