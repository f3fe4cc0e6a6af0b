/* history_impl: a history in a checkpoint - three tensors, whose rows are its epochs, and the names of its metrics
 * among the metadata. Internal. */
#ifndef NNX_HISTORY_IMPL_H
#define NNX_HISTORY_IMPL_H

#include "../history.h"
#include "../misfit_impl.h"

enum { NNX_HISTORY_TENSORS = 3 };

/** Their names in a file, and the keys of the names of metrics. */
extern const char *const nnx_history_tensor_name[NNX_HISTORY_TENSORS];
extern const char *const nnx_history_key[NN_FIT_METRICS];

/** Tensor number k of it, the caller's; NULL: no memory. */
ag_tensor *nnx_history_tensor(const nn_history *h, int k);
/** What of a file is no history. However many epochs and metrics it has are right. */
void nnx_history_compare(const ag_safetensors *file, nnx_misfit *m);
/** That of a file which has been compared, into an empty one.
 *  Errors: AG_ERROR_VALUE (a number that it cannot have), AG_ERROR_MEMORY; it stays empty then */
ag_status nnx_history_read(const ag_safetensors *file, nn_history *h, ag_error *error);

#endif
