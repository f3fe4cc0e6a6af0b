/* chart: see chart.h. */
#include "chart.h"

#include "picture.h"

#include <math.h>
#include <stdio.h>

#ifndef GRADUS_HAVE_CAIRO

ag_status charts_write(const char *path, const chart *charts, int n, ag_error *error) {
    (void)charts, (void)n;
    return picture_check(path, error); /* says that this build has no cairo */
}

#else

enum { LEFT = 70, TOP = 50, WIDTH = 400, HEIGHT = 280, LINE_HEIGHT = 18, STEP_X = LEFT + WIDTH + 30 };
enum { INK = 0x222222, PALE = 0xdddddd };
static const uint32_t colours[CHART_LINES] = {0x2266aa, 0xdd7722, 0x338833, 0xbb3344,
                                              0x775599, 0x885533, 0xcc66aa, 0x667777};

/* A chart's place, and the ranges of what it shows; on a logarithmic axis low_y and high_y are powers. */
typedef struct frame {
    const chart *c;
    double left, low_x, high_x, low_y, high_y;
} frame;

static double height_of(const chart *c, double y) { return c->logarithmic ? log10(y) : y; }
static bool visible(const chart *c, double x, double y) { return isfinite(x) && isfinite(height_of(c, y)); }
static double place_x(const frame *f, double x) {
    return f->left + WIDTH * (x - f->low_x) / (f->high_x - f->low_x);
}
static double place_y(const frame *f, double height) {
    return TOP + HEIGHT * (1 - (height - f->low_y) / (f->high_y - f->low_y));
}

/* 1, 2 or 5 times a power of ten, so that a range has about `wanted` steps. */
static double round_step(double range, int wanted) {
    const double rough = range / wanted, power = pow(10, floor(log10(rough))), digit = rough / power;
    return power * (digit <= 1 ? 1 : digit <= 2 ? 2 : digit <= 5 ? 5 : 10);
}

/* Whole steps around what is there; a linear axis of what is never negative begins at 0. */
static frame frame_of(const chart *c, double left) {
    frame f = {c, left, INFINITY, -INFINITY, INFINITY, -INFINITY};
    for (int i = 0; i < c->n; i++)
        for (int k = 0; k < c->line[i].n; k++) {
            const double x = c->line[i].x[k], y = c->line[i].y[k];
            if (!visible(c, x, y)) continue;
            f.low_x = fmin(f.low_x, x);
            f.high_x = fmax(f.high_x, x);
            f.low_y = fmin(f.low_y, height_of(c, y));
            f.high_y = fmax(f.high_y, height_of(c, y));
        }
    if (!(f.low_x < f.high_x)) f.low_x = 0, f.high_x = 1; /* nothing to see, or one point */
    if (!c->logarithmic && f.low_y > 0) f.low_y = 0;
    if (!(f.low_y < f.high_y)) f.low_y = 0, f.high_y = 1;
    const double step = c->logarithmic ? 1 : round_step(f.high_y - f.low_y, 5);
    f.low_y = step * floor(f.low_y / step);
    f.high_y = step * ceil(f.high_y / step);
    return f;
}

static void draw_stroke(picture *p, double x0, double y0, double x1, double y1) {
    cairo_move_to(p->cairo, x0, y0);
    cairo_line_to(p->cairo, x1, y1);
    cairo_stroke(p->cairo);
}

static void draw_axes(picture *p, const frame *f) {
    const double bottom = TOP + HEIGHT, right = f->left + WIDTH, range = f->high_y - f->low_y;
    const double step_y = f->c->logarithmic ? ceil(range / 8) : round_step(range, 5);
    const double step_x = round_step(f->high_x - f->low_x, 6);
    char text[32];
    cairo_set_line_width(p->cairo, 1);
    for (int i = 0; i * step_y <= range * 1.001; i++) {
        const double height = f->low_y + i * step_y, y = place_y(f, height);
        picture_colour(p, PALE);
        draw_stroke(p, f->left, y, right, y);
        picture_colour(p, INK);
        snprintf(text, sizeof text, f->c->logarithmic ? "1e%g" : "%g", height);
        picture_text(p, f->left - 8, y + 4, 12, PICTURE_RIGHT, text);
    }
    for (double x = step_x * ceil(f->low_x / step_x); x <= f->high_x + 0.001 * step_x; x += step_x) {
        snprintf(text, sizeof text, "%g", x);
        picture_text(p, place_x(f, x), bottom + 18, 12, PICTURE_CENTRE, text);
    }
    picture_text(p, right, bottom + 36, 12, PICTURE_RIGHT, f->c->x_name);
    picture_text(p, f->left, TOP - 16, 15, PICTURE_LEFT, f->c->title);
    draw_stroke(p, f->left, bottom, right, bottom);
}

/* The curve, and its name in its colour below the axis. */
static void draw_curve(picture *p, const frame *f, int i) {
    const chart_line *line = &f->c->line[i];
    picture_colour(p, colours[i]);
    cairo_set_line_width(p->cairo, 2);
    cairo_new_path(p->cairo);
    for (int k = 0; k < line->n; k++)
        if (visible(f->c, line->x[k], line->y[k]))
            cairo_line_to(p->cairo, place_x(f, line->x[k]), place_y(f, height_of(f->c, line->y[k])));
    cairo_stroke(p->cairo);
    picture_text(p, f->left, TOP + HEIGHT + 40 + i * LINE_HEIGHT, 12, PICTURE_LEFT, line->name);
}

ag_status charts_write(const char *path, const chart *charts, int n, ag_error *error) {
    picture p;
    int lines = 0;
    for (int i = 0; i < n; i++) lines = charts[i].n > lines ? charts[i].n : lines;
    const ag_status status =
        picture_begin(&p, path, n * STEP_X + 20, TOP + HEIGHT + 50 + lines * LINE_HEIGHT, error);
    if (status != AG_OK) return status;
    for (int i = 0; i < n; i++) {
        const frame f = frame_of(&charts[i], LEFT + i * STEP_X);
        draw_axes(&p, &f);
        for (int k = 0; k < charts[i].n; k++) draw_curve(&p, &f, k);
    }
    return picture_end(&p, error);
}

#endif
