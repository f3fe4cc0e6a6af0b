/* batch: samples of a source (or of a dataset in memory) put together, in an order shuffled anew each epoch, and where
 * wished made ahead in a second thread. In other libraries: a data loader.
 *
 *     nn_batcher *b = nn_batcher_new(&moons, 32, true, seed, &error);
 *     for (int64_t epoch = 0; epoch < epochs; epoch++) {
 *         nn_batcher_start(b, epoch);
 *         for (ag_tensor *x, *y; nn_batcher_next(b, &x, &y);) ...
 *     }
 *     if (nn_batcher_status(b, &error)) ...  -- a source that reads or computes may fail: the loop above then ends
 *     nn_batcher_free(b);
 *
 * Everything is a pure function of the source, the options and the epoch: the order, what is random in the samples
 * (source.h), and so every bit of every batch, made ahead or not. */
#ifndef NN_BATCH_H
#define NN_BATCH_H

#include "source.h"

AG_BEGIN_DECLS

/* ---- collation -------------------------------------------------------------------------------------------- */

/** Samples put together: samples[0 .. n), which have the numbers index[0 .. n) in their source. *batch holds what an
 *  earlier batch of the same number of samples left, or zeros: a tensor is filled again (nn_tensor_reuse) or replaced
 *  by a new one. What is replaced is freed by the caller, never by the function, on failure too. The samples' own
 *  tensors are not to be kept. `error` is never NULL. May be called from a second thread, as a source. */
typedef ag_status nn_collate(void *user, const nn_sample *samples, const int64_t *index, int64_t n,
                             nn_sample *batch, ag_error *error);
/** `old`, if it is of this type and shape; or else a new tensor, of zeros. NULL `old`: a new one. `old` is never freed.
 *  Errors: NULL: those of ag_tensor_new */
NN_API ag_tensor *nn_tensor_reuse(ag_tensor *old, ag_dtype dtype, int rank, const int64_t *dim, ag_error *error);
/** The usual one: each tensor of the samples stacked along a new first axis. `user` is not used.
 *  Shapes: samples (...), all alike; batch (n, ...)
 *  Errors: AG_ERROR_SHAPE, AG_ERROR_DTYPE (a sample that differs from the first: names both), AG_ERROR_VALUE (one has a
 *          tensor that the other has not), AG_ERROR_MEMORY */
NN_API ag_status nn_collate_stack(void *user, const nn_sample *samples, const int64_t *index, int64_t n,
                                  nn_sample *batch, ag_error *error);

/** How nn_collate_pad puts sequences together; `user` points to one. */
typedef struct nn_padding {
    bool batch_first;
    double x, y; /* what stands behind a sequence's end: in x, and in y where that is a sequence, too */
} nn_padding;
/** Sequences of different lengths, filled up behind their ends to the longest of the batch. `more[0]` receives the
 *  lengths; nn_recurrent_run takes ag_tensor_data of it. `user` NULL: zeros, time first.
 *  Shapes: samples: x (t, ...), y (t, ...) or () or NULL, no more; batch: x, y (T, n, ...), or (n, T, ...) with
 *          batch_first; y (n) of labels (); more[0] (n) i64, T the largest t
 *  Errors: as nn_collate_stack, with the lengths free; AG_ERROR_SHAPE (x of rank 0, a y as long as no x),
 *          AG_ERROR_VALUE (a sample has more) */
NN_API ag_status nn_collate_pad(void *user, const nn_sample *samples, const int64_t *index, int64_t n,
                                nn_sample *batch, ag_error *error);

/* ---- batches ---------------------------------------------------------------------------------------------- */

/** Batches of samples. Their tensors belong to the batcher and are good until its next call. */
typedef struct nn_batcher nn_batcher;

/** Zero-initialise, then set what is wanted. */
typedef struct nn_batcher_options {
    int64_t batch;       /* samples; 0: 32                                                            */
    bool shuffle;        /* or else every epoch has the source's own order                            */
    bool drop_last;      /* leave out the short batch that an epoch may end with                      */
    uint64_t seed;       /* of the order, and of the samples' streams                                 */
    int prefetch;        /* batches made ahead by a second thread, at most; 0: none, and no thread    */
    nn_collate *collate; /* NULL: nn_collate_stack                                                    */
    void *collate_user;
} nn_batcher_options;

/** Batches of `batch` rows of d, ready for epoch 0. d's tensors are borrowed: they must outlive the batcher.
 *  Without `shuffle` every epoch has d's own order.
 *  Edges:  a batch larger than d is all of d; an empty d has epochs without batches
 *  Errors: NULL: AG_ERROR_VALUE (batch below 1), AG_ERROR_SHAPE (d, as in nn_dataset_rows), AG_ERROR_MEMORY
 *  Memory: an i64 for each sample, one full batch and, where n is no multiple of it, one short batch; an epoch
 *          allocates nothing, and cannot fail */
NN_API nn_batcher *nn_batcher_new(const nn_dataset *d, int64_t batch, bool shuffle, uint64_t seed,
                                  ag_error *error);
/** The same of any source, which is borrowed. NULL options: all zeros.
 *  Edges:  as above. Made ahead, batches are the same to the bit, and come in the same order. The second thread sees no
 *          signals. It begins with nn_batcher_start or the first nn_batcher_next, and rests between epochs: two
 *          batchers over one source with `prefetch` may use it at the same time
 *  Errors: NULL: AG_ERROR_VALUE (no source, batch or prefetch below 0, a source of less than 0 samples), AG_ERROR_SHAPE
 *          (a dataset, as above), AG_ERROR_LIMIT (the system has no thread for it), AG_ERROR_MEMORY
 *  Memory: with prefetch, prefetch + 1 times the batches */
NN_API nn_batcher *nn_batcher_of(nn_source *source, const nn_batcher_options *options, ag_error *error);
/** Ends the second thread, too: at its next sample. Accepts NULL. */
NN_API void nn_batcher_free(nn_batcher *b);
/** Go to the beginning of an epoch: any one, in any order, again too, also in the midst of one. The next call of
 *  nn_batcher_next gives its first batch.
 *  Edges: orders repeat after 2^24 epochs */
NN_API void nn_batcher_start(nn_batcher *b, int64_t epoch);
/** The next batch. False at the end of the epoch, or where a batch could not be made (nn_batcher_status), and then
 *  until nn_batcher_start; *x and *y are left as they are. `y` may be NULL where labels are not wanted.
 *  Shapes: *x (m, ...); *y (m, ...), or NULL when there is none; m is the batch size, or what is left of the epoch.
 *          Otherwise with a collation of one's own */
NN_API bool nn_batcher_next(nn_batcher *b, ag_tensor **x, ag_tensor **y);
/** Why the epoch ended: AG_OK, or the failure of the batch that would have come next. It stays until nn_batcher_start.
 *  Errors: those of the source ("sample 17: ...", its number in the source), of the collation, AG_ERROR_MEMORY */
NN_API ag_status nn_batcher_status(const nn_batcher *b, ag_error *error) AG_WARN_UNUSED;
/** All tensors of the batch that nn_batcher_next gave last; NULL before the first of an epoch and after its end. */
NN_API const nn_sample *nn_batcher_batch(const nn_batcher *b);
/** The numbers in the source of that batch's samples, and how many there are. NULL and 0 where there is no batch. */
NN_API const int64_t *nn_batcher_index(const nn_batcher *b, int64_t *n);
/** Batches in an epoch: n / batch, rounded up, or down with drop_last. */
NN_API int64_t nn_batcher_count(const nn_batcher *b);

AG_END_DECLS
#endif
