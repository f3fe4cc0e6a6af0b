/* metric_impl: what metrics of classes share. Internal. */
#ifndef NNX_METRIC_IMPL_H
#define NNX_METRIC_IMPL_H

#include "../metric.h"

/** Whether logits (B, classes) and target (B) belong together; classes 0: any number. The message begins with the
 *  name of the function.
 *  Errors: AG_ERROR_SHAPE, AG_ERROR_DTYPE, AG_ERROR_INDEX (names the first bad row), AG_ERROR_FAILED */
ag_status nnx_labels_check(const char *function, ag_value logits, const ag_tensor *target, int64_t classes,
                           ag_error *error);
/** Element `at` of floating data. */
static inline double nnx_element_of(const ag_meta *meta, const void *data, int64_t at) {
    return meta->dtype == AG_F32 ? (double)((const float *)data)[at] : ((const double *)data)[at];
}

#endif
