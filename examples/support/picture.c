/* picture: see picture.h. */
#include "picture.h"

#include "output.h"

#include <string.h>

static bool ends_in(const char *text, const char *ending) {
    const size_t n = strlen(text), m = strlen(ending);
    return n > m && strcmp(text + n - m, ending) == 0;
}

ag_status picture_check(const char *path, ag_error *error) {
    if (!ends_in(path, ".png") && !ends_in(path, ".svg"))
        return ag_fail(error, AG_ERROR_VALUE, "%s: a picture's name must end in .png or .svg", path);
#ifdef GRADUS_HAVE_CAIRO
    return output_check(path, error);
#else
    return ag_fail(error, AG_ERROR_UNSUPPORTED, "%s: this build draws no pictures (libcairo2-dev was missing)",
                   path);
#endif
}

#ifdef GRADUS_HAVE_CAIRO
#include <cairo-svg.h>

/* cairo's door for output: the file is collected in memory, so that it is written whole or not at all. */
static cairo_status_t collect(void *user, const unsigned char *data, unsigned int size) {
    picture *p = user;
    if (size > p->room - p->size) {
        const size_t room = 2 * p->room + size;
        char *larger = ag_realloc(p->data, p->room, room);
        if (!larger) return CAIRO_STATUS_NO_MEMORY;
        p->data = larger;
        p->room = room;
    }
    memcpy(p->data + p->size, data, size);
    p->size += size;
    return CAIRO_STATUS_SUCCESS;
}

ag_status picture_begin(picture *p, const char *path, double width, double height, ag_error *error) {
    *p = (picture){.path = path};
    const ag_status status = picture_check(path, error);
    if (status != AG_OK) return status;
    p->surface = ends_in(path, ".svg") ? cairo_svg_surface_create_for_stream(collect, p, width, height)
                                       : cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)width, (int)height);
    p->cairo = cairo_create(p->surface);
    /* cairo's own font: the same everywhere, even where no font is installed. */
    cairo_select_font_face(p->cairo, "@cairo:", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    picture_colour(p, 0xffffff);
    cairo_paint(p->cairo); /* cairo's objects remember a failure; picture_end asks for it */
    return AG_OK;
}

ag_status picture_end(picture *p, ag_error *error) {
    cairo_status_t drawn = cairo_status(p->cairo);
    if (drawn == CAIRO_STATUS_SUCCESS && ends_in(p->path, ".png"))
        drawn = cairo_surface_write_to_png_stream(p->surface, collect, p);
    cairo_destroy(p->cairo);
    cairo_surface_finish(p->surface); /* an SVG is written here */
    if (drawn == CAIRO_STATUS_SUCCESS) drawn = cairo_surface_status(p->surface);
    cairo_surface_destroy(p->surface);
    cairo_debug_reset_static_data(); /* caches of fonts, which leak checkers would report */

    const ag_status status = drawn == CAIRO_STATUS_SUCCESS
                                 ? output_write(p->path, p->data, p->size, error)
                                 : ag_fail(error, AG_ERROR_IO, "%s: %s", p->path, cairo_status_to_string(drawn));
    ag_release(p->data, p->room);
    return status;
}

void picture_colour(picture *p, uint32_t rgb) {
    cairo_set_source_rgb(p->cairo, (rgb >> 16 & 255) / 255.0, (rgb >> 8 & 255) / 255.0, (rgb & 255) / 255.0);
}

void picture_text(picture *p, double x, double y, double size, picture_align align, const char *text) {
    cairo_text_extents_t extents;
    cairo_set_font_size(p->cairo, size);
    cairo_text_extents(p->cairo, text, &extents);
    const double shift = align == PICTURE_LEFT ? 0 : align == PICTURE_CENTRE ? 0.5 : 1;
    cairo_move_to(p->cairo, x - shift * extents.x_advance, y);
    cairo_show_text(p->cairo, text);
}

void picture_cells(picture *p, double x, double y, double width, double height, const uint32_t *rgb, int columns,
                   int rows) {
    cairo_surface_t *image = cairo_image_surface_create(CAIRO_FORMAT_RGB24, columns, rows);
    if (cairo_surface_status(image) == CAIRO_STATUS_SUCCESS) {
        unsigned char *to = cairo_image_surface_get_data(image);
        const size_t stride = (size_t)cairo_image_surface_get_stride(image), row = (size_t)columns * sizeof *rgb;
        for (int r = 0; r < rows; r++) memcpy(to + (size_t)r * stride, rgb + (size_t)r * (size_t)columns, row);
        cairo_surface_mark_dirty(image);
    }
    cairo_save(p->cairo);
    cairo_translate(p->cairo, x, y);
    cairo_scale(p->cairo, width / columns, height / rows);
    cairo_set_source_surface(p->cairo, image, 0, 0); /* passes a failure of the image on to p->cairo */
    cairo_pattern_set_filter(cairo_get_source(p->cairo), CAIRO_FILTER_NEAREST);
    cairo_rectangle(p->cairo, 0, 0, columns, rows);
    cairo_fill(p->cairo);
    cairo_restore(p->cairo);
    cairo_surface_destroy(image);
}
#endif
