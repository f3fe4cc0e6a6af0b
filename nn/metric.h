/* metric: how well a network does. Accumulators are plain data to which batches are added; nothing is recorded. */
#ifndef NN_METRIC_H
#define NN_METRIC_H

#include "api.h"

AG_BEGIN_DECLS

/** How often each class was taken for each. Plain data, to read; begin with nn_confusion_init, free with
 *  nn_confusion_clear. */
typedef struct nn_confusion {
    int64_t classes; /* 0: empty                                            */
    int64_t *counts; /* (classes, classes): [true * classes + predicted]    */
} nn_confusion;
/** An empty table; what c held before is not freed.
 *  Errors: AG_ERROR_VALUE (classes below 1, or too many to count), AG_ERROR_MEMORY. On error c is cleared
 *  Memory: classes^2 counts of 8 bytes */
NN_API ag_status nn_confusion_init(nn_confusion *c, int64_t classes, ag_error *error);
/** Free the counts; c can then be cleared again, or initialised anew. */
NN_API void nn_confusion_clear(nn_confusion *c);
/** Add a batch. The prediction of a row is its first largest logit. It records nothing.
 *  Shapes: logits (B, classes) float; target (B) i64 in [0, classes)
 *  Edges:  B = 0 adds nothing; a NaN counts as the largest
 *  Errors: AG_ERROR_VALUE (c was not initialised), AG_ERROR_SHAPE, AG_ERROR_DTYPE, AG_ERROR_INDEX (names the first bad
 *          row), AG_ERROR_FAILED (the logits failed or are stale). On error nothing is added */
NN_API ag_status nn_confusion_add(nn_confusion *c, ag_value logits, const ag_tensor *target, ag_error *error);
/** All samples added, and those of them on the diagonal: predicted as they are. */
NN_API int64_t nn_confusion_total(const nn_confusion *c);
NN_API int64_t nn_confusion_correct(const nn_confusion *c);
/** correct / total, from 0 to 1.
 *  Edges: NaN when nothing was added */
NN_API double nn_confusion_accuracy(const nn_confusion *c);
/** Of those taken for class k, the share that is; of those of class k, the share taken for it; and the harmonic mean of
 *  the two.
 *  Edges: NaN where there is nothing to divide by, and for a k that is no class */
NN_API double nn_confusion_precision(const nn_confusion *c, int64_t k);
NN_API double nn_confusion_recall(const nn_confusion *c, int64_t k);
NN_API double nn_confusion_f1(const nn_confusion *c, int64_t k);
/** Their means over the classes that occur, as a label or as a prediction, each class counting alike.
 *  Edges:  what has nothing to divide by counts as 0; NaN when nothing was added
 *  Source: the definition of scikit-learn, average="macro" */
NN_API double nn_confusion_macro_precision(const nn_confusion *c);
NN_API double nn_confusion_macro_recall(const nn_confusion *c);
NN_API double nn_confusion_macro_f1(const nn_confusion *c);
/** A table for people: a row for each true class, a column for each predicted one, recall at the right, precision
 *  below, accuracy in the corner. Returns the length that the whole text has (snprintf's rule): size 0 measures,
 *  and text may then be NULL.
 *  Units: percent, one decimal
 *  Edges: "-" where there is nothing to divide by */
NN_API size_t nn_confusion_text(const nn_confusion *c, char *text, size_t size);

/** How often the label is among the k largest logits. Begin with {.k = k}. */
typedef struct nn_top_k {
    int64_t k;
    int64_t hits, total;
} nn_top_k;
/** Add a batch. Of equal logits the earlier class comes first; a NaN counts as the largest.
 *  Shapes: logits (B, C) float; target (B) i64 in [0, C)
 *  Edges:  k of C and above: every sample is a hit
 *  Errors: AG_ERROR_VALUE (k below 1), and those of nn_confusion_add. On error nothing is added */
NN_API ag_status nn_top_k_add(nn_top_k *t, ag_value logits, const ag_tensor *target, ag_error *error);
/** hits / total.
 *  Edges: NaN when nothing was added */
NN_API double nn_top_k_accuracy(const nn_top_k *t);

/** Errors of predicted numbers. Begin with zeros. */
typedef struct nn_regression {
    int64_t count;
    double absolute, squared; /* sums of |y - t| and (y - t)^2              */
    double mean, spread;      /* of the targets; sum of (t - mean)^2        */
} nn_regression;
/** Add a batch: every element counts.
 *  Shapes: y (...) float, target (...) of the same shape
 *  Edges:  NaN stays
 *  Errors: AG_ERROR_SHAPE, AG_ERROR_DTYPE (y), AG_ERROR_FAILED (y failed or is stale), AG_ERROR_MEMORY. On error
 *          nothing is added
 *  Source: Welford 1962 (the spread) */
NN_API ag_status nn_regression_add(nn_regression *r, ag_value y, const ag_tensor *target, ag_error *error);
/** Mean absolute error, mean squared error and its root.
 *  Edges: NaN when nothing was added */
NN_API double nn_regression_mae(const nn_regression *r);
NN_API double nn_regression_mse(const nn_regression *r);
NN_API double nn_regression_rmse(const nn_regression *r);
/** R^2 = 1 - sum (y - t)^2 / sum (t - mean t)^2: 1 is perfect, 0 no better than the mean.
 *  Edges: NaN of fewer than two; of targets that are all the same, 1 where every y is right and 0 elsewhere
 *  Source: the definition of scikit-learn */
NN_API double nn_regression_r2(const nn_regression *r);

AG_END_DECLS
#endif
