/* canvas: a surface of cairo's whose file is collected in memory, so that it is written whole or not at all.
 *
 * Left out: cairo_debug_reset_static_data - cairo's caches belong to the process, which may draw elsewhere. */
#include "canvas_impl.h"

#include <cairo-svg.h>
#include <math.h>
#include <string.h>

enum { DOTS = 2 }; /* a point of a PNG, so that it is sharp on paper and on dense screens */

static cairo_status_t collect(void *user, const unsigned char *bytes, unsigned int size) {
    nnx_canvas *c = user;
    if (size > c->room - c->size) {
        const size_t room = 2 * c->room + size;
        char *larger = ag_realloc(c->bytes, c->room, room);
        if (!larger) return CAIRO_STATUS_NO_MEMORY;
        c->bytes = larger;
        c->room = room;
    }
    memcpy(c->bytes + c->size, bytes, size);
    c->size += size;
    return CAIRO_STATUS_SUCCESS;
}

void nnx_canvas_begin(nnx_canvas *c, bool svg, double width, double height) {
    *c = (nnx_canvas){.svg = svg};
    if (svg) {
        c->surface = cairo_svg_surface_create_for_stream(collect, c, width, height);
    } else {
        c->surface =
            cairo_image_surface_create(CAIRO_FORMAT_RGB24, DOTS * (int)ceil(width), DOTS * (int)ceil(height));
        cairo_surface_set_device_scale(c->surface, DOTS, DOTS);
    }
    c->cairo = cairo_create(c->surface);
    nnx_colour(c, NNX_WHITE);
    cairo_paint(c->cairo);
}

ag_status nnx_canvas_end(nnx_canvas *c, ag_error *error) {
    cairo_status_t drawn = cairo_status(c->cairo);
    if (drawn == CAIRO_STATUS_SUCCESS && !c->svg)
        drawn = cairo_surface_write_to_png_stream(c->surface, collect, c);
    cairo_surface_finish(c->surface); /* an SVG is written here */
    if (drawn == CAIRO_STATUS_SUCCESS) drawn = cairo_surface_status(c->surface);
    if (drawn == CAIRO_STATUS_SUCCESS) return AG_OK;
    return ag_fail(error, drawn == CAIRO_STATUS_NO_MEMORY ? AG_ERROR_MEMORY : AG_ERROR_IO, "a picture: %s",
                   cairo_status_to_string(drawn));
}

void nnx_canvas_clear(nnx_canvas *c) {
    cairo_destroy(c->cairo);
    cairo_surface_destroy(c->surface);
    ag_release(c->bytes, c->room);
    *c = (nnx_canvas){.surface = NULL};
}

void nnx_colour(nnx_canvas *c, uint32_t rgb) {
    cairo_set_source_rgb(c->cairo, (rgb >> 16 & 255) / 255.0, (rgb >> 8 & 255) / 255.0, (rgb & 255) / 255.0);
}

void nnx_stroke(nnx_canvas *c, double x0, double y0, double x1, double y1) {
    cairo_move_to(c->cairo, x0, y0);
    cairo_line_to(c->cairo, x1, y1);
    cairo_stroke(c->cairo);
}

/* ---- text ----------------------------------------------------------------------------------------------------- */

enum { MOST_TEXT = 96 };

/* The length of the character that begins here, 0 when it is none: neither overlong nor a surrogate. */
static int utf8_length(const unsigned char *s) {
    const int n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;
    for (int i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    const bool odd = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
                     (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f);
    return odd ? 0 : n;
}

/* cairo fails for good on a text that is no UTF-8. True: ASCII throughout. */
static bool clean(char *to, const char *text) {
    const unsigned char *s = (const unsigned char *)text;
    size_t n = 0;
    bool ascii = true;
    while (*s && n < MOST_TEXT - 4) {
        const int length = utf8_length(s);
        if (length <= 1) {
            to[n++] = length == 0 ? '?' : *s < ' ' || *s == 0x7f ? ' ' : (char)*s;
            s++;
            continue;
        }
        ascii = false;
        for (int i = 0; i < length; i++) to[n++] = (char)*s++;
    }
    to[n] = '\0';
    return ascii;
}

/* cairo has a font of its own for ASCII, the same everywhere; for the rest the system is asked. */
static double set_text(nnx_canvas *c, double size, const char *text, char *to) {
    cairo_text_extents_t extents;
    cairo_select_font_face(c->cairo, clean(to, text) ? "@cairo:" : "sans", CAIRO_FONT_SLANT_NORMAL,
                           CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(c->cairo, size);
    cairo_text_extents(c->cairo, to, &extents);
    return extents.x_advance;
}

double nnx_write_width(nnx_canvas *c, double size, const char *text) {
    char to[MOST_TEXT];
    return set_text(c, size, text, to);
}

void nnx_write(nnx_canvas *c, double x, double y, double size, nnx_align align, const char *text) {
    char to[MOST_TEXT];
    const double width = set_text(c, size, text, to);
    nnx_colour(c, NNX_INK);
    cairo_move_to(c->cairo, x - (align == NNX_LEFT ? 0 : align == NNX_CENTRE ? 0.5 : 1) * width, y);
    cairo_show_text(c->cairo, to);
    cairo_new_path(c->cairo);
}

void nnx_write_upwards(nnx_canvas *c, double x, double y, double size, const char *text) {
    const double quarter = 1.5707963267948966;
    cairo_save(c->cairo);
    cairo_translate(c->cairo, x, y);
    cairo_rotate(c->cairo, -quarter);
    nnx_write(c, 0, 0, size, NNX_CENTRE, text);
    cairo_restore(c->cairo);
}

void nnx_cells(nnx_canvas *c, double x, double y, double width, double height, const uint32_t *rgb, int columns,
               int rows) {
    cairo_surface_t *image = cairo_image_surface_create(CAIRO_FORMAT_RGB24, columns, rows);
    if (cairo_surface_status(image) == CAIRO_STATUS_SUCCESS) {
        unsigned char *to = cairo_image_surface_get_data(image);
        const size_t stride = (size_t)cairo_image_surface_get_stride(image), row = (size_t)columns * sizeof *rgb;
        for (int r = 0; r < rows; r++) memcpy(to + (size_t)r * stride, rgb + (size_t)r * (size_t)columns, row);
        cairo_surface_mark_dirty(image);
    }
    cairo_save(c->cairo);
    cairo_translate(c->cairo, x, y);
    cairo_scale(c->cairo, width / columns, height / rows);
    cairo_set_source_surface(c->cairo, image, 0, 0); /* passes a failure of the image on */
    cairo_pattern_set_filter(cairo_get_source(c->cairo),
                             width < columns ? CAIRO_FILTER_GOOD : CAIRO_FILTER_NEAREST);
    cairo_rectangle(c->cairo, 0, 0, columns, rows);
    cairo_fill(c->cairo);
    cairo_restore(c->cairo);
    cairo_surface_destroy(image);
}
