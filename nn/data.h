/* data: labelled samples in memory, and batches of them in shuffled order. */
#ifndef NN_DATA_H
#define NN_DATA_H

#include <autograd/autograd.h>

#include "init.h" /* NN_API */

AG_BEGIN_DECLS

/** Samples and labels. Plain data; the tensors belong to it. */
typedef struct nn_dataset {
    ag_tensor *x; /* (n, ...) f32                 */
    ag_tensor *y; /* (n) i64, or NULL             */
} nn_dataset;
/** Room for n samples of `width` numbers each, to be filled in: x (n, width) f32 and y (n) i64, all zeros.
 *  Errors: AG_ERROR_SHAPE, AG_ERROR_MEMORY */
NN_API ag_status nn_dataset_init(nn_dataset *d, int64_t n, int64_t width, ag_error *error) AG_WARN_UNUSED;
NN_API void nn_dataset_clear(nn_dataset *d); /* leaves an empty dataset */
NN_API int64_t nn_dataset_size(const nn_dataset *d);

/** Rows [first, last) of d, copied.  Errors: AG_ERROR_INDEX, AG_ERROR_MEMORY */
NN_API ag_status nn_dataset_rows(const nn_dataset *d, int64_t first, int64_t last, nn_dataset *out,
                                 ag_error *error) AG_WARN_UNUSED;
/** A pair of IDX files of images and labels: x (n, rows * cols) scaled to [0, 1], y (n).
 *  Errors: those of ag_idx_read; AG_ERROR_FORMAT when the two do not belong together (counts, types, ranks, a
 *  label of 10 or more) */
NN_API ag_status nn_dataset_idx(const char *images, const char *labels, nn_dataset *out,
                                ag_error *error) AG_WARN_UNUSED;
/** MNIST or Fashion-MNIST in a folder, names as published, ".gz" or not. With the four files: train and test. With
 *  the t10k pair only: its first 8,000 train, the rest test. */
NN_API ag_status nn_dataset_mnist(const char *folder, nn_dataset *train, nn_dataset *test,
                                  ag_error *error) AG_WARN_UNUSED;
/** Digits drawn by the program: n images of 28x28 (x (n, 784) in [0, 1], y (n)), digit i % 10 in shuffled order,
 *  from stroke descriptions under random affine distortion, thickness and noise. A pure function of seed; sample
 *  i does not depend on n. */
NN_API ag_status nn_dataset_digits(int64_t n, uint64_t seed, nn_dataset *out, ag_error *error) AG_WARN_UNUSED;
/** Two interleaving half circles with Gaussian noise: x (n, 2), y (n) in {0, 1}. */
NN_API ag_status nn_dataset_moons(int64_t n, double noise, uint64_t seed, nn_dataset *out,
                                  ag_error *error) AG_WARN_UNUSED;

/** Batches of a dataset in an order shuffled anew each epoch: epoch e's order is a pure function of
 *  (seed, e). Batch tensors belong to the batcher and are overwritten by the next call. The last batch may be
 *  short. */
typedef struct nn_batcher nn_batcher;
NN_API nn_batcher *nn_batcher_new(const nn_dataset *d, int64_t batch, bool shuffle, uint64_t seed,
                                  ag_error *error);
NN_API void nn_batcher_free(nn_batcher *b);
NN_API void nn_batcher_start(nn_batcher *b, int64_t epoch);
/** The next batch: *x (m, ...), *y (m) or NULL, m at most the batch size. False at the end of the epoch. */
NN_API bool nn_batcher_next(nn_batcher *b, ag_tensor **x, ag_tensor **y);
NN_API int64_t nn_batcher_count(const nn_batcher *b); /* batches in an epoch */

AG_END_DECLS
#endif
