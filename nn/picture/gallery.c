/* gallery: grey images in rows, with names and captions. */
#include "canvas_impl.h"

#include <math.h>

enum { LEFT = 24, TOP = 44, SIDE = 56, GAP = 12, CAPTION = 18, AFTER_NAME = 12 };
enum { USUAL_COLUMNS = 12 };

static int64_t columns_of(const nn_gallery *g) { return g->columns ? g->columns : USUAL_COLUMNS; }
static int64_t rows_of(const nn_gallery *g) { return g->n / columns_of(g) + (g->n % columns_of(g) > 0); }
static double cell_width(const nn_gallery *g) { return fmax(8, SIDE * (double)g->width / (double)g->height); }

/* Captions may be wider than what they stand below. */
static double step_x(nnx_canvas *c, const nn_gallery *g) {
    double width = cell_width(g);
    for (int64_t i = 0; g->captions && i < g->n; i++)
        if (g->captions[i]) width = fmax(width, nnx_write_width(c, NNX_SMALL, g->captions[i]));
    return width + GAP;
}
static double step_y(const nn_gallery *g) { return SIDE + (g->captions ? CAPTION : 0) + GAP; }

static double names_width(nnx_canvas *c, const nn_gallery *g) {
    double width = 0;
    for (int64_t r = 0; g->rows && r < rows_of(g); r++)
        if (g->rows[r]) width = fmax(width, nnx_write_width(c, NNX_TEXT, g->rows[r]) + AFTER_NAME);
    return width;
}

void nnx_gallery_size(nnx_canvas *c, const nn_gallery *g, double *width, double *height) {
    const double columns = (double)(g->n < columns_of(g) ? g->n : columns_of(g));
    *width = 2 * LEFT + names_width(c, g) + columns * step_x(c, g);
    *height = TOP + (double)rows_of(g) * step_y(g);
    if (g->title) *width = fmax(*width, 2 * LEFT + nnx_write_width(c, NNX_TITLE, g->title));
}

static uint32_t grey(const nn_gallery *g, float value) {
    const double v = fmin(1, fmax(0, (double)value)); /* NaN: 0 */
    return 0x010101 * (uint32_t)lround(255 * (g->ink ? 1 - v : v));
}

ag_status nnx_gallery_draw(nnx_canvas *c, const nn_gallery *g, double x, double y, ag_error *error) {
    const int64_t cells = g->height * g->width;
    const double names = names_width(c, g), wide = step_x(c, g), width = cell_width(g);
    uint32_t *rgb = ag_alloc((size_t)cells * sizeof *rgb);
    if (!rgb) return ag_fail(error, AG_ERROR_MEMORY, "no memory to draw an image");
    if (g->title) nnx_write(c, x + LEFT, y + TOP - 16, NNX_TITLE, NNX_LEFT, g->title);
    for (int64_t r = 0; g->rows && r < rows_of(g); r++)
        if (g->rows[r])
            nnx_write(c, x + LEFT, y + TOP + (double)r * step_y(g) + SIDE / 2.0 + 4, NNX_TEXT, NNX_LEFT,
                      g->rows[r]);
    for (int64_t i = 0; i < g->n; i++) {
        const double left = x + LEFT + names + (double)(i % columns_of(g)) * wide + (wide - GAP - width) / 2;
        const double top = y + TOP + (double)(i / columns_of(g)) * step_y(g);
        if (g->images[i]) {
            for (int64_t k = 0; k < cells; k++) rgb[k] = grey(g, g->images[i][k]);
            nnx_cells(c, left, top, width, SIDE, rgb, (int)g->width, (int)g->height);
            nnx_colour(c, NNX_PALE);
            cairo_set_line_width(c->cairo, 0.6);
            cairo_rectangle(c->cairo, left, top, width, SIDE);
            cairo_stroke(c->cairo);
        }
        if (g->captions && g->captions[i])
            nnx_write(c, left + width / 2, top + SIDE + 13, NNX_SMALL, NNX_CENTRE, g->captions[i]);
    }
    ag_release(rgb, (size_t)cells * sizeof *rgb);
    return AG_OK;
}
