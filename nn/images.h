/* images: pictures in PGM and PPM files: one, or a folder for each class, read whole or one by one when asked for.
 * Format: Netpbm, pgm(5) and ppm(5): the binary kinds P5 and P6, the plain ones P2 and P3. */
#ifndef NN_IMAGES_H
#define NN_IMAGES_H

#include "source.h"

AG_BEGIN_DECLS

/** Read one picture of at most 1 GiB. In P5 and P6 samples of up to 255 take a byte, larger ones two; in P2 and P3 they
 *  are decimal numbers, with comments ("#" to the line's end) wherever white space may be.
 *  Shapes: (1, height, width) f32 of P2 and P5; (3, height, width) f32 of P3 and P6
 *  Units:  in [0, 1]: a sample / the file's largest
 *  Errors: NULL: AG_ERROR_IO (missing, unreadable, not a regular file), AG_ERROR_FORMAT (another kind of file, sizes of
 *          0, a sample above the largest or no number, a length that is not that of one picture), AG_ERROR_LIMIT,
 *          AG_ERROR_MEMORY */
NN_API ag_tensor *nn_image_read(const char *path, ag_error *error);

/** Write one, durably: PGM, or PPM where there are three channels, a byte a sample.
 *  Shapes: x (1, height, width) or (3, height, width), floating
 *  Units:  in [0, 1]; what is outside is cut off, and NaN is 0
 *  Errors: AG_ERROR_DTYPE, AG_ERROR_SHAPE, AG_ERROR_IO, AG_ERROR_MEMORY */
NN_API ag_status nn_image_write(const char *path, const ag_tensor *x, ag_error *error) AG_WARN_UNUSED;

/** Pictures of several classes, whose files are read when they are asked for: a source, of which a batcher makes
 *  batches. Everything belongs to it (nn_image_source_clear). */
typedef struct nn_image_source {
    nn_source source;
    int64_t n; /* pictures */
    int64_t classes;
    char **class_names; /* (classes), NULL behind: label i means class_names[i]        */
    char **path;        /* (n), by class and then by name                              */
    int64_t *last;      /* (classes): the first last[c] pictures are of classes 0 to c */
    int64_t room;       /* private: of `path`                                          */
} nn_image_source;
/** List a folder as nn_image_folder_read does, without opening the pictures.
 *  Shapes: a sample's x (channels, height, width) f32, its own; y () i64
 *  Errors: AG_ERROR_IO (no such folder, or one that cannot be looked into), AG_ERROR_FORMAT (no pictures),
 *          AG_ERROR_MEMORY. On error *out has no samples. Of a sample: those of nn_image_read */
NN_API ag_status nn_image_source_open(const char *folder, nn_image_source *out, ag_error *error) AG_WARN_UNUSED;
NN_API void nn_image_source_clear(nn_image_source *s); /* an empty one is accepted */

/** Pictures of several classes in memory. Plain data; everything belongs to it (nn_image_folder_clear). */
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
 *  Errors: AG_ERROR_IO (no such folder, or one that cannot be looked into), AG_ERROR_FORMAT (no pictures; one of
 *          another size or kind; names it), those of nn_image_read, AG_ERROR_MEMORY. On error *out is empty */
NN_API ag_status nn_image_folder_read(const char *folder, nn_image_folder *out, ag_error *error) AG_WARN_UNUSED;
NN_API void nn_image_folder_clear(nn_image_folder *images); /* an empty one is accepted */

AG_END_DECLS
#endif
