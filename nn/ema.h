/* ema: a running average of the weights, which often does better than the last ones. Kept beside the slab, and
 * swapped in for evaluation:
 *
 *     nn_optim_step(optimiser, &error); nn_ema_update(average, &error);    every step
 *     nn_ema_swap(average); evaluate; nn_ema_swap(average);                now and then */
#ifndef NN_EMA_H
#define NN_EMA_H

#include "param.h"

AG_BEGIN_DECLS

/** An average; it begins as a copy of the parameters, which must outlive it. Free with nn_ema_free. */
typedef struct nn_ema nn_ema;

/** Errors: NULL: AG_ERROR_VALUE (decay outside [0, 1), params NULL: an error that is in `error` already stays),
 *          AG_ERROR_NAME (another operation is called nn_ema_update), AG_ERROR_MEMORY
 *  Memory: as long as the slab */
NN_API nn_ema *nn_ema_new(nn_params *params, double decay, ag_error *error);
/** The same with the buffers, such as the running statistics of batch norm: each is averaged and swapped as the
 *  parameters are, but for those of integers, counts, which stay the network's. Without it the buffers of the last
 *  step serve both.
 *  Memory: and as long as these buffers */
NN_API nn_ema *nn_ema_new_with_buffers(nn_params *params, double decay, ag_error *error);
NN_API void nn_ema_free(nn_ema *e); /* accepts NULL; the slab stays as it is, swapped or not */
/** a = decay a + (1 - decay) p.
 *  Errors: AG_ERROR_STATE (the average is swapped in) */
NN_API ag_status nn_ema_update(nn_ema *e, ag_error *error) AG_WARN_UNUSED;
/** The average takes the parameters' place and they its own; a second call puts both back, to the bit. No step and
 *  no update may come between. */
NN_API void nn_ema_swap(nn_ema *e);
NN_API bool nn_ema_swapped(const nn_ema *e);
/** What a checkpoint holds of it, when it is not swapped in: the average itself, to read or (ag_tensor_write) to
 *  restore, of the slab's shape and dtype. It belongs to e. */
NN_API ag_tensor *nn_ema_state(const nn_ema *e);
/** And those of buffers, each of its buffer's shape, dtype and name (ag_tensor_name).
 *  Edges:  the tensor is NULL past the last */
NN_API size_t nn_ema_buffer_count(const nn_ema *e);
NN_API ag_tensor *nn_ema_buffer(const nn_ema *e, size_t i);

AG_END_DECLS
#endif
