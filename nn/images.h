/* images: pictures in PGM and PPM files, one or a folder of each class.
 * Format: Netpbm, pgm(5) and ppm(5), the binary kinds P5 and P6. */
#ifndef NN_IMAGES_H
#define NN_IMAGES_H

#include "data.h"

AG_BEGIN_DECLS

/** Read one picture of at most 1 GiB. Samples of up to 255 take a byte, larger ones two.
 *  Shapes: (1, height, width) f32 of P5; (3, height, width) f32 of P6
 *  Units:  in [0, 1]: a sample / the file's largest
 *  Errors: NULL: AG_ERROR_IO (missing, unreadable, not a regular file), AG_ERROR_FORMAT (another kind of file, sizes of
 *          0, a sample above the largest, a length that is not that of one picture), AG_ERROR_LIMIT, AG_ERROR_MEMORY */
NN_API ag_tensor *nn_image_read(const char *path, ag_error *error);

/** Pictures of several classes. Plain data; everything belongs to it (nn_image_folder_clear). */
typedef struct nn_image_folder {
    nn_dataset data; /* x (n, channels, height, width) f32; y (n) i64          */
    int64_t classes;
    char **class_names; /* (classes), NULL behind: y's number i means class_names[i] */
} nn_image_folder;
/** Read a folder that holds a folder for each class, named as the class, with its pictures in files ending in ".pgm" or
 *  ".ppm", all of one size and kind. Classes, and pictures within a class, come in the order of their names' bytes.
 *  What begins with a dot or is neither a class's folder nor a picture in one is passed over.
 *  Units:  as nn_image_read
 *  Edges:  a class may have no pictures, but not all of them
 *  Errors: AG_ERROR_IO (no such folder), AG_ERROR_FORMAT (no pictures; one of another size or kind; names it), those of
 *          nn_image_read, AG_ERROR_MEMORY. On error *out is empty */
NN_API ag_status nn_image_folder_read(const char *folder, nn_image_folder *out, ag_error *error) AG_WARN_UNUSED;
NN_API void nn_image_folder_clear(nn_image_folder *images); /* an empty one is accepted */

AG_END_DECLS
#endif
