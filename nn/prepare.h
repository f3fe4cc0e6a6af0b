/* prepare: what is done to data between reading and training - parts that share no sample, features of mean 0 and
 * standard deviation 1, one-hot labels. */
#ifndef NN_PREPARE_H
#define NN_PREPARE_H

#include "data.h"

AG_BEGIN_DECLS

/** Divide d at random: round(fraction * n) of its samples, copied into `first`, the rest into `second`; no sample is in
 *  both. Both keep the order of one shuffle, which is a pure function of (seed, n). `stratified`: every class is
 *  divided in that proportion, to within one sample. first and second are neither d nor each other.
 *  Shapes: as d's, but for the number of rows
 *  Edges:  fraction 0 or 1 leaves one part without samples
 *  Errors: AG_ERROR_VALUE (fraction outside [0, 1]), AG_ERROR_STATE (stratified without labels), AG_ERROR_DTYPE
 *          (stratified, and the labels are no i64), AG_ERROR_SHAPE (stratified, and not one label a sample; d, as in
 *          nn_dataset_rows), AG_ERROR_MEMORY. On error both are empty */
NN_API ag_status nn_dataset_split(const nn_dataset *d, double fraction, bool stratified, uint64_t seed,
                                  nn_dataset *first, nn_dataset *second, ag_error *error) AG_WARN_UNUSED;

/** Mean and standard deviation of each feature, taken from one tensor (the training data) and applied to others.
 *  Plain data; free with nn_normalizer_clear. */
typedef struct nn_normalizer {
    int64_t width;      /* features: the elements of a row */
    double *mean, *std; /* (width)                         */
} nn_normalizer;
/** Take them from the rows of x, in two passes and in f64. The standard deviation is the population's (1/n); a
 *  feature that is the same in every row gets 1, and so becomes 0.
 *  Shapes: x (n, ...) float, n at least 1
 *  Errors: AG_ERROR_SHAPE (rank 0, or no rows), AG_ERROR_DTYPE, AG_ERROR_NONFINITE (names the first bad row and
 *          feature), AG_ERROR_MEMORY. On error *out is empty */
NN_API ag_status nn_normalizer_fit(const ag_tensor *x, nn_normalizer *out, ag_error *error) AG_WARN_UNUSED;
/** x := (x - mean) / std, in place.
 *  Shapes: x (m, ...) float, with as many elements a row as were fitted
 *  Errors: AG_ERROR_SHAPE, AG_ERROR_DTYPE; x is then untouched */
NN_API ag_status nn_normalizer_apply(const nn_normalizer *z, ag_tensor *x, ag_error *error) AG_WARN_UNUSED;
NN_API void nn_normalizer_clear(nn_normalizer *z); /* an empty one is accepted */

/** Labels as rows of zeros with a single 1, in a new tensor.
 *  Shapes: y (n) i64 in [0, classes); result (n, classes) f32
 *  Errors: NULL: AG_ERROR_DTYPE, AG_ERROR_SHAPE (y's rank is not 1, classes below 1), AG_ERROR_INDEX (names the first
 *          bad row), AG_ERROR_MEMORY */
NN_API ag_tensor *nn_one_hot(const ag_tensor *y, int64_t classes, ag_error *error);

AG_END_DECLS
#endif
