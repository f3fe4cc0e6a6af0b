/* metric: how well a classifier does. */
#ifndef NN_METRIC_H
#define NN_METRIC_H

#include <autograd/autograd.h>

#include "init.h" /* NN_API */

AG_BEGIN_DECLS

/** counts[true * classes + predicted]. Free with nn_confusion_clear. */
typedef struct nn_confusion {
    int64_t classes;
    int64_t *counts;
} nn_confusion;
NN_API ag_status nn_confusion_init(nn_confusion *c, int64_t classes, ag_error *error);
NN_API void nn_confusion_clear(nn_confusion *c);
/** Add the rows of logits (B, classes) against target (B) i64; the prediction is the first largest logit.
 *  (a NaN counts as the largest).
 *  Errors: AG_ERROR_SHAPE, AG_ERROR_DTYPE, AG_ERROR_INDEX (names the row), AG_ERROR_FAILED (nothing is added) */
NN_API ag_status nn_confusion_add(nn_confusion *c, ag_value logits, const ag_tensor *target, ag_error *error);
NN_API int64_t nn_confusion_total(const nn_confusion *c);
NN_API int64_t nn_confusion_correct(const nn_confusion *c);
NN_API double nn_confusion_accuracy(const nn_confusion *c); /* NaN when empty */
/** A table for people: a row for each true class, a column for each predicted one, recall at the right, precision
 *  below. Returns the length that the whole text has (snprintf's rule). */
NN_API size_t nn_confusion_text(const nn_confusion *c, char *text, size_t size);

AG_END_DECLS
#endif
