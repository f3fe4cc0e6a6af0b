/* picture: a canvas that becomes a PNG or an SVG file, by the ending of its name. Drawn by cairo, where the build
 * found it (GRADUS_HAVE_CAIRO). */
#ifndef EXAMPLES_SUPPORT_PICTURE_H
#define EXAMPLES_SUPPORT_PICTURE_H

#include <autograd/autograd.h>

/** Whether a picture can be written to `path`: to be asked before the work that it will show.
 *  Errors: AG_ERROR_VALUE (the name ends neither in .png nor in .svg), AG_ERROR_UNSUPPORTED (a build without
 *  cairo), AG_ERROR_IO (nothing can be written there) */
ag_status picture_check(const char *path, ag_error *error) AG_WARN_UNUSED;

#ifdef GRADUS_HAVE_CAIRO
#include <cairo.h>

typedef struct picture {
    const char *path;
    cairo_surface_t *surface;
    cairo_t *cairo; /* to draw with; units are pixels, the ground is white */
    char *data;     /* the file so far                                     */
    size_t size, room;
} picture;

ag_status picture_begin(picture *p, const char *path, double width, double height, ag_error *error) AG_WARN_UNUSED;
/** Write the file, or say why not; the picture is gone either way. */
ag_status picture_end(picture *p, ag_error *error) AG_WARN_UNUSED;

typedef enum picture_align { PICTURE_LEFT, PICTURE_CENTRE, PICTURE_RIGHT } picture_align;
void picture_text(picture *p, double x, double y, double size, picture_align align, const char *text);
/** Grey or coloured cells as an image, enlarged without smoothing into a rectangle. rgb: 0xrrggbb, row-major. */
void picture_cells(picture *p, double x, double y, double width, double height, const uint32_t *rgb, int columns,
                   int rows);
void picture_colour(picture *p, uint32_t rgb);
#endif

#endif
