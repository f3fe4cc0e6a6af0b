/* source: where samples come from - anything that has a size and can give sample number i. In other libraries: a
 * dataset.
 *
 * A source is a struct whose first member is an nn_source, and two functions. A user's own, which reads its pictures
 * when they are asked for:
 *
 *     typedef struct scans { nn_source source; char **path; const double *age; int64_t n; } scans;
 *
 *     static int64_t scans_size(nn_source *s) { return ((scans *)s)->n; }
 *     static ag_status scans_sample(nn_source *s, int64_t i, ag_random *draws, nn_sample *out, ag_error *error) {
 *         const scans *of = (scans *)s;
 *         (void)draws;
 *         out->x = nn_image_read(of->path[i], error);
 *         out->y = out->x ? ag_tensor_from(AG_F32, 0, NULL, &of->age[i], error) : NULL;
 *         return out->y ? AG_OK : error->status;
 *     }
 *
 *     scans mine = {{scans_size, scans_sample, NULL}, path, age, n};
 *     nn_augment change = {.shift = 2, .flip = true};
 *     nn_mapped_source changed = nn_source_mapped(&mine.source, nn_augment_sample, &change);
 *     nn_batcher *b = nn_batcher_of(&changed.source, &(nn_batcher_options){.shuffle = true, .prefetch = 2}, &error);
 *
 * Batches of a source are made by batch.h, in a second thread where that is wished, and nn_fit trains from one
 * (train.h). What files and generators give (data.h, csv.h, images.h) is an nn_dataset, which nn_source_of_dataset
 * makes a source. */
#ifndef NN_SOURCE_H
#define NN_SOURCE_H

#include "data.h"

AG_BEGIN_DECLS

/* ---- samples ---------------------------------------------------------------------------------------------- */

enum { NN_SAMPLE_MORE = 4 };

/** A sample, or the samples of a batch together. Plain data; the tensors belong to it. Zeros: nothing yet. */
typedef struct nn_sample {
    ag_tensor *x;                    /* what goes into a network                                 */
    ag_tensor *y;                    /* what should come out of it; NULL: there is none          */
    ag_tensor *more[NN_SAMPLE_MORE]; /* whatever else there is: lengths, weights, a second input */
} nn_sample;
/** Free all tensors, each once; leaves zeros. */
NN_API void nn_sample_clear(nn_sample *s);

/* ---- a source --------------------------------------------------------------------------------------------- */

/** The first member of every source. All functions may be called from a second thread (batch.h), but by one batcher
 *  never from two at a time. They may use all of the library there: memory (through the allocator hook, which must be
 *  thread-safe), tensors, readers, a tape of their own; but no tape or tensor that the program uses meanwhile, unless
 *  both only read it. */
typedef struct nn_source nn_source;
struct nn_source {
    /** How many samples there are; read once by each batcher. */
    int64_t (*size)(nn_source *s);
    /** Sample i, 0 <= i < size, in new tensors. *out is empty before. On failure it may hold some of them: they are
     *  freed. `error` is never NULL. What is random comes from `draws` alone, a stream that belongs to
     *  (seed, epoch, i): so it is the same in whatever order, batch or thread the sample is made. */
    ag_status (*sample)(nn_source *s, int64_t i, ag_random *draws, nn_sample *out, ag_error *error);
    /** Several samples as one batch, at once; NULL: there is no quicker way than `sample`, one after the other. For
     *  sources without randomness. *out: as for nn_collate (batch.h). */
    ag_status (*batch)(nn_source *s, const int64_t *index, int64_t n, nn_sample *out, ag_error *error);
};

NN_API int64_t nn_source_size(nn_source *s);
/** The stream of sample i in an epoch: a pure function of its arguments. 2^32 draws, and as many samples, have their
 *  own. */
NN_API ag_random nn_sample_draws(uint64_t seed, int64_t epoch, int64_t i);
/** Sample i. For a source built on another, with the draws that it was given; or to look at one:
 *
 *     ag_random draws = nn_sample_draws(seed, epoch, i);
 *     nn_sample sample;
 *     ag_status status = nn_source_sample(&mine.source, i, &draws, &sample, &error);
 *     ...
 *     nn_sample_clear(&sample);
 *
 *  Errors: AG_ERROR_INDEX (i outside [0, size)), AG_ERROR_VALUE (the source gave no x), and those of the source; *out
 *          is then empty */
NN_API ag_status nn_source_sample(nn_source *s, int64_t i, ag_random *draws, nn_sample *out,
                                  ag_error *error) AG_WARN_UNUSED;

/* ---- sources of the library: in the caller's storage, borrowing what they are made of ----------------------- */

/** Tensors in memory: row i of x, and of y. */
typedef struct nn_dataset_source {
    nn_source source;
    nn_dataset data; /* borrowed */
} nn_dataset_source;
/** d's tensors are borrowed; whether they belong together is checked where samples are asked for.
 *  Shapes: a sample's x (...), y (...) where d has x (n, ...), y (n, ...): labels are ()
 *  Errors: of a sample: AG_ERROR_SHAPE (d, as in nn_dataset_rows), AG_ERROR_MEMORY */
NN_API nn_dataset_source nn_source_of_dataset(const nn_dataset *d);

/** What is done to a sample. A tensor is changed in place, or replaced by a new one: the old one is freed by the
 *  caller, never by the function, on failure too. `draws` and `error` as in nn_source. nn_augment_sample (augment.h)
 *  is one. */
typedef ag_status nn_transform(void *user, ag_random *draws, nn_sample *sample, ag_error *error);
/** Another source's samples, each transformed when it is asked for. Transforms of transforms draw one after the other
 *  from the sample's stream. */
typedef struct nn_mapped_source {
    nn_source source, *from;
    nn_transform *transform;
    void *user;
} nn_mapped_source;
NN_API nn_mapped_source nn_source_mapped(nn_source *from, nn_transform *transform, void *user);

/** Some samples of another source, in an order of their own; one may come several times. Sample i is index[i] of it.
 *  Folds of a cross-validation are two of these over one dataset, without a copy. */
typedef struct nn_subset_source {
    nn_source source, *from;
    const int64_t *index; /* (n), borrowed */
    int64_t n;
} nn_subset_source;
/** Errors: of a sample: AG_ERROR_INDEX (index[i] is none of `from`), and those of `from` */
NN_API nn_subset_source nn_source_subset(nn_source *from, const int64_t *index, int64_t n);

/** Sources one after the other. */
typedef struct nn_concat_source {
    nn_source source;
    nn_source *const *parts; /* (count), borrowed */
    int64_t count;
} nn_concat_source;
NN_API nn_concat_source nn_source_concat(nn_source *const *parts, int64_t count);

AG_END_DECLS
#endif
