/* data: labelled samples in memory, read from files or drawn.
 *
 * An nn_dataset is what most readers and generators give: see csv.h and images.h, too. Batches of it are made by
 * batch.h; samples that are read or computed only when they are asked for are a source (source.h). */
#ifndef NN_DATA_H
#define NN_DATA_H

#include "api.h"

AG_BEGIN_DECLS

/** Samples and labels. Plain data; the tensors belong to it. The functions below that make one do not free what it
 *  held before, and leave it empty on error. */
typedef struct nn_dataset {
    ag_tensor *x; /* (n, ...) f32; NULL: empty    */
    ag_tensor *y; /* (n) i64: labels; (n, ...) f32 or f64: the numbers to predict; or NULL */
} nn_dataset;
/** Room for n samples of `width` numbers each, to be filled in (ag_tensor_write), all zeros.
 *  Shapes: x (n, width) f32; y (n) i64
 *  Errors: AG_ERROR_SHAPE (n or width below 0, or too many elements), AG_ERROR_MEMORY */
NN_API ag_status nn_dataset_init(nn_dataset *d, int64_t n, int64_t width, ag_error *error) AG_WARN_UNUSED;
/** Free both tensors; leaves an empty dataset. Accepts NULL. */
NN_API void nn_dataset_clear(nn_dataset *d);
/** n, the number of samples; 0 when empty. */
NN_API int64_t nn_dataset_size(const nn_dataset *d);

/** Rows [first, last) of d, copied into `out`, another dataset than d.
 *  Shapes: x (last - first, ...); y (last - first, ...), or NULL as in d
 *  Errors: AG_ERROR_INDEX (not 0 <= first <= last <= n), AG_ERROR_SHAPE (d's x has rank 0, or its y has
 *          not as many rows), AG_ERROR_MEMORY */
NN_API ag_status nn_dataset_rows(const nn_dataset *d, int64_t first, int64_t last, nn_dataset *out,
                                 ag_error *error) AG_WARN_UNUSED;
/** A pair of IDX files of images and labels, both of bytes, plain or gzip-compressed.
 *  Shapes: x (n, rows * cols); y (n) in 0 to 9
 *  Units:  x in [0, 1]: a pixel's byte / 255
 *  Errors: those of ag_idx_read; AG_ERROR_FORMAT when the two do not belong together (counts, types, ranks, a
 *          label of 10 or more, no pixels) */
NN_API ag_status nn_dataset_idx(const char *images, const char *labels, nn_dataset *out,
                                ag_error *error) AG_WARN_UNUSED;
/** Arrays in NumPy's files: x, and y unless it is NULL, in a file each. Elements keep the type that ag_npy_read gives
 *  them: whole numbers are i64.
 *  Shapes: x (n, ...); y (n, ...)
 *  Errors: those of ag_npy_read; AG_ERROR_SHAPE (x has rank 0, or y has not as many rows). On error *out is empty */
NN_API ag_status nn_dataset_npy(const char *x, const char *y, nn_dataset *out, ag_error *error) AG_WARN_UNUSED;
/** The same of two arrays in one archive (.npz), by their names; y NULL: none.
 *  Errors: those of ag_npz_read; AG_ERROR_NAME (no array of that name; lists those there are); AG_ERROR_SHAPE, as above
 *  Memory: the whole archive beside the result, while it reads */
NN_API ag_status nn_dataset_npz(const char *path, const char *x, const char *y, nn_dataset *out,
                                ag_error *error) AG_WARN_UNUSED;
/** MNIST or Fashion-MNIST in a folder, names as published, ".gz" or not. With the four files: train and test. With
 *  the t10k pair only: its first 8,000 train, the rest test.
 *  Shapes: as nn_dataset_idx, with the same number of pixels in train and test
 *  Errors: AG_ERROR_IO (no such folder, or a file is missing; names it), AG_ERROR_FORMAT (train and test differ in
 *          size, or the t10k pair alone has no more than 8,000), those of nn_dataset_idx. On error both are
 *          empty */
NN_API ag_status nn_dataset_mnist(const char *folder, nn_dataset *train, nn_dataset *test,
                                  ag_error *error) AG_WARN_UNUSED;
/** Digits drawn by the program: n images of 28x28, from stroke descriptions under random affine distortion,
 *  thickness and noise. Each ten samples in a row are the ten digits in an order of their own. A pure function of
 *  seed; sample i does not depend on n.
 *  Shapes: x (n, 784); y (n) in 0 to 9
 *  Units:  x in [0, 1], ink is 1
 *  Errors: AG_ERROR_SHAPE (n below 0, or too many), AG_ERROR_MEMORY */
NN_API ag_status nn_dataset_digits(int64_t n, uint64_t seed, nn_dataset *out, ag_error *error) AG_WARN_UNUSED;
/** Two interleaving half circles of radius 1 with Gaussian noise of standard deviation `noise`; labels alternate.
 *  A pure function of (seed, noise); sample i does not depend on n.
 *  Shapes: x (n, 2); y (n) in {0, 1}
 *  Errors: AG_ERROR_VALUE (noise below 0 or not finite), AG_ERROR_SHAPE (n below 0, or too many), AG_ERROR_MEMORY
 *  Source: scikit-learn's make_moons, with angles drawn instead of evenly spaced */
NN_API ag_status nn_dataset_moons(int64_t n, double noise, uint64_t seed, nn_dataset *out,
                                  ag_error *error) AG_WARN_UNUSED;
/** Two circles around the origin, of radius 1 (label 0) and `factor` (label 1), with Gaussian noise of standard
 *  deviation `noise`; labels alternate. A pure function of (seed, noise, factor); sample i does not depend on n.
 *  Shapes: x (n, 2); y (n) in {0, 1}
 *  Errors: AG_ERROR_VALUE (noise below 0 or not finite, factor outside (0, 1)), AG_ERROR_SHAPE (n below 0, or too
 *          many), AG_ERROR_MEMORY
 *  Source: scikit-learn's make_circles, with angles drawn instead of evenly spaced */
NN_API ag_status nn_dataset_circles(int64_t n, double factor, double noise, uint64_t seed, nn_dataset *out,
                                    ag_error *error) AG_WARN_UNUSED;
/** Arms of a spiral, one a class: at radius r in [0, 1) the arm of class c has turned to 2 pi (c / classes + r), with
 *  Gaussian noise of standard deviation `noise` on both coordinates. Sample i is of class i mod classes. A pure
 *  function of (seed, classes, noise); sample i does not depend on n.
 *  Shapes: x (n, 2); y (n) in [0, classes)
 *  Errors: AG_ERROR_VALUE (classes below 1, noise below 0 or not finite), AG_ERROR_SHAPE (n below 0, or too many),
 *          AG_ERROR_MEMORY */
NN_API ag_status nn_dataset_spirals(int64_t n, int64_t classes, double noise, uint64_t seed, nn_dataset *out,
                                    ag_error *error) AG_WARN_UNUSED;
/** Exclusive or: the corners of the unit square in turn, (0, 0), (0, 1), (1, 0), (1, 1), each with Gaussian noise of
 *  standard deviation `noise`; the label says whether the corner's coordinates differ. A pure function of
 *  (seed, noise); sample i does not depend on n.
 *  Shapes: x (n, 2); y (n) in {0, 1}
 *  Errors: as nn_dataset_moons */
NN_API ag_status nn_dataset_xor(int64_t n, double noise, uint64_t seed, nn_dataset *out,
                                ag_error *error) AG_WARN_UNUSED;
/** Gaussian clouds of standard deviation `spread`, one a class, around centres drawn uniformly from
 *  [-10, 10)^width. Sample i is of class i mod classes. A pure function of (seed, width, classes, spread); sample i
 *  does not depend on n, nor a centre on `spread`.
 *  Shapes: x (n, width); y (n) in [0, classes)
 *  Errors: AG_ERROR_VALUE (classes below 1, spread below 0 or not finite), AG_ERROR_SHAPE (n or width below 0, or too
 *          many), AG_ERROR_MEMORY
 *  Source: scikit-learn's make_blobs */
NN_API ag_status nn_dataset_blobs(int64_t n, int64_t width, int64_t classes, double spread, uint64_t seed,
                                  nn_dataset *out, ag_error *error) AG_WARN_UNUSED;

AG_END_DECLS
#endif
