/* canvas_impl: cairo, as the pictures of this library use it; and what is drawn on it. Internal. */
#ifndef NNX_CANVAS_IMPL_H
#define NNX_CANVAS_IMPL_H

#include "../picture.h"

#include <cairo.h>

typedef struct nnx_canvas {
    cairo_surface_t *surface;
    cairo_t *cairo; /* units are points, the ground is white; remembers its first failure */
    bool svg;
    char *bytes; /* the file so far: (size) of (room) */
    size_t size, room;
} nnx_canvas;

void nnx_canvas_begin(nnx_canvas *c, bool svg, double width, double height);
/** The finished file is in c->bytes, until nnx_canvas_clear, which is to be called also after an error. */
ag_status nnx_canvas_end(nnx_canvas *c, ag_error *error);
void nnx_canvas_clear(nnx_canvas *c);

enum { NNX_INK = 0x222222, NNX_PALE = 0xdddddd, NNX_WHITE = 0xffffff };
enum { NNX_SMALL = 10, NNX_TEXT = 12, NNX_TITLE = 15 }; /* sizes of text */

void nnx_colour(nnx_canvas *c, uint32_t rgb);
void nnx_stroke(nnx_canvas *c, double x0, double y0, double x1, double y1);

typedef enum nnx_align { NNX_LEFT, NNX_CENTRE, NNX_RIGHT } nnx_align;
/** In ink, its base line at y. Bytes that are no UTF-8 become '?', and what is very long is cut. */
void nnx_write(nnx_canvas *c, double x, double y, double size, nnx_align align, const char *text);
void nnx_write_upwards(nnx_canvas *c, double x, double y, double size, const char *text); /* centred */
double nnx_write_width(nnx_canvas *c, double size, const char *text);

/** Coloured cells as an image, enlarged without smoothing into a rectangle, or reduced. rgb: 0xrrggbb, (rows,
 *  columns). */
void nnx_cells(nnx_canvas *c, double x, double y, double width, double height, const uint32_t *rgb, int columns,
               int rows);

/* ---- parts of a picture --------------------------------------------------------------------------------------- */

enum { NNX_CHART_WIDTH = 490 };
/** How high a chart is, with its title, axes and legend; and the chart, its corner at (x, y). */
double nnx_chart_height(nnx_canvas *c, const nn_chart *chart);
ag_status nnx_chart_draw(nnx_canvas *c, const nn_chart *chart, double x, double y, ag_error *error);

void nnx_gallery_size(nnx_canvas *c, const nn_gallery *g, double *width, double *height);
ag_status nnx_gallery_draw(nnx_canvas *c, const nn_gallery *g, double x, double y, ag_error *error);

#endif
