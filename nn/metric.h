/* metric: how well a classifier does. */
#ifndef NN_METRIC_H
#define NN_METRIC_H

#include <autograd/autograd.h>

#include "init.h" /* NN_API */

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
 *  Errors: AG_ERROR_SHAPE, AG_ERROR_DTYPE, AG_ERROR_INDEX (names the first bad row), AG_ERROR_FAILED (the logits
 *          failed or are stale). On error nothing is added */
NN_API ag_status nn_confusion_add(nn_confusion *c, ag_value logits, const ag_tensor *target, ag_error *error);
/** All samples added, and those of them on the diagonal: predicted as they are. */
NN_API int64_t nn_confusion_total(const nn_confusion *c);
NN_API int64_t nn_confusion_correct(const nn_confusion *c);
/** correct / total, from 0 to 1.
 *  Edges: NaN when nothing was added */
NN_API double nn_confusion_accuracy(const nn_confusion *c);
/** A table for people: a row for each true class, a column for each predicted one, recall at the right, precision
 *  below, accuracy in the corner. Returns the length that the whole text has (snprintf's rule): size 0 measures,
 *  and text may then be NULL.
 *  Units: percent, one decimal
 *  Edges: "-" where there is nothing to divide by */
NN_API size_t nn_confusion_text(const nn_confusion *c, char *text, size_t size);

AG_END_DECLS
#endif
