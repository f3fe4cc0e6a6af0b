/* data_impl: what every reader of a dataset checks first. Internal. */
#ifndef NNX_DATA_IMPL_H
#define NNX_DATA_IMPL_H

#include "../data.h"

/** Whether a dataset that its caller put together is one: x has rows, and y, when there is one, a label for each.
 *  Errors: AG_ERROR_SHAPE (names both shapes) */
ag_status nnx_dataset_check(const nn_dataset *d, ag_error *error) AG_WARN_UNUSED;

#endif
