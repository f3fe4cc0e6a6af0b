/* source_impl: a sample's tensors one by one, and who frees those that were replaced. Internal. */
#ifndef NNX_SOURCE_IMPL_H
#define NNX_SOURCE_IMPL_H

#include "../source.h"

enum { NNX_FIELDS = 2 + NN_SAMPLE_MORE };

/** Tensor number k of a sample, 0 <= k < NNX_FIELDS, and what messages call it. */
static inline ag_tensor **nnx_sample_field(nn_sample *s, int k) {
    return k == 0 ? &s->x : k == 1 ? &s->y : &s->more[k - 2];
}
const char *nnx_sample_field_name(int k);

/** Free the tensors of `before` that `now` no longer has. */
void nnx_sample_settle(const nn_sample *before, const nn_sample *now);

/** An error of someone else's function: with a text in any case.
 *  Returns: `status` */
ag_status nnx_explained(ag_error *error, ag_status status);

/** Whether a source is a dataset in memory; and its batch tensors for `rows` rows, before any is asked for. */
bool nnx_is_dataset_source(const nn_source *s);
ag_status nnx_dataset_reserve(const nn_dataset *d, int64_t rows, nn_sample *out, ag_error *error) AG_WARN_UNUSED;

#endif
