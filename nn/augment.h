/* augment: images shifted, turned, mirrored and noisy, so that a network sees more of them than there are. */
#ifndef NN_AUGMENT_H
#define NN_AUGMENT_H

#include "source.h"

AG_BEGIN_DECLS

/** How far images may be changed; all zeros changes nothing. */
typedef struct nn_augment {
    double shift;  /* pixels, along each axis: uniform in [-shift, shift)   */
    double rotate; /* radians, about the middle: uniform in [-rotate, rotate) */
    bool flip;     /* left and right swapped, one time in two               */
    double noise;  /* standard deviation of what is added to each pixel     */
    uint64_t seed;
} nn_augment;
/** Changed copies of n images, written to `out`. Each is mirrored, then turned, then shifted, read between pixels
 *  bilinearly with zeros outside, and given noise; all channels alike, but for the noise. What is done to an image is a
 *  pure function of (seed, index[i]), whatever batch it comes in; give each epoch a seed of its own. `index` NULL: 0,
 *  1, ... n - 1.
 *  Shapes: x (n, channels, height, width) f32; index (n); out as x, another tensor
 *  Edges:  without shift, rotation and flip the pixels are exact copies; values are not clipped
 *  Errors: AG_ERROR_VALUE (a number below 0 or not finite, out is x), AG_ERROR_DTYPE, AG_ERROR_SHAPE; out is then
 *          untouched */
NN_API ag_status nn_augment_images(const nn_augment *a, const ag_tensor *x, const int64_t *index, ag_tensor *out,
                                   ag_error *error) AG_WARN_UNUSED;
/** The same of one sample of a source, as an nn_transform; `user` points to an nn_augment. What is done comes from the
 *  sample's own draws, and so differs from epoch to epoch; the seed is not used.
 *  Shapes: x (channels, height, width) or (height, width) f32, replaced by one of the same shape
 *  Edges:  rows of pixels, as nn_dataset_mnist gives them, are no images: ag_tensor_part(d.x, 0, 4, (n, 1, 28, 28)) is
 *          the x of a dataset whose samples are, without a copy
 *  Errors: as nn_augment_images, AG_ERROR_MEMORY */
NN_API ag_status nn_augment_sample(void *user, ag_random *draws, nn_sample *sample,
                                   ag_error *error) AG_WARN_UNUSED;

AG_END_DECLS
#endif
