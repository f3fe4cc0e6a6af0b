/* chart: curves, marks and colours between two axes, and a legend below them.
 *
 * The colours are those that Okabe and Ito chose to be told apart by everyone ("Color universal design", 2008), but
 * for their yellow, which a white ground swallows; each comes with a mark of its own, and curves of one colour differ
 * in their dashes. Left out: what range is shown and where ticks stand (axis.c). */
#include "axis_impl.h"
#include "canvas_impl.h"

#include <math.h>

enum { LEFT = 70, RIGHT = 20, TOP = 44, WIDTH = NNX_CHART_WIDTH - LEFT - RIGHT, HIGH = 280, LOW = 90 };
enum { TICKS_BELOW = 24, NAME_BELOW = 18, INSET = 8, TICK = 4 };
enum { LEGEND_LINE = 18, SWATCH = 46, LEGEND_GAP = 18 };
enum { COLOURS = 8, DASHES = 4, FEW = 26, MARKED = 9 };

static const uint32_t COLOUR[COLOURS] = {0x0072b2, 0xd55e00, 0x009e73, 0xb8558f,
                                         0xc98500, 0x222222, 0x3a9fd8, 0x888888};
/* Lengths of ink and gap. */
static const struct {
    int n;
    double length[4];
} DASH[DASHES] = {{0, {0}}, {2, {8, 4}}, {2, {2, 3}}, {4, {9, 3, 2, 3}}};

/* A chart in its place: the area between its axes. */
typedef struct frame {
    nnx_canvas *to;
    const nn_chart *chart;
    nnx_axis x, y;
    double left, top, height;
    double inset; /* so that marks at the ends have room; none beside colours */
} frame;

static double place_x(const frame *f, double at) { return f->left + f->inset + (WIDTH - 2 * f->inset) * at; }
static double place_y(const frame *f, double at) { return f->top + f->height * (1 - at); }

/* ---- curves ----------------------------------------------------------------------------------------------------- */

static int colour_of(const nn_chart *c, int64_t i) {
    return c->curves[i].colour ? c->curves[i].colour - 1 : (int)(i % COLOURS);
}
static int dash_of(const nn_chart *c, int64_t i) {
    return c->curves[i].dash ? c->curves[i].dash - 1 : (int)((i + i / COLOURS) % DASHES);
}

static void corners(nnx_canvas *to, double x, double y, int n, double radius, double turn) {
    for (int i = 0; i < n; i++) {
        const double angle = turn + 6.283185307179586 * i / n;
        cairo_line_to(to->cairo, x + radius * sin(angle), y - radius * cos(angle));
    }
    cairo_close_path(to->cairo);
}

/* The mark of a colour, with a white rim. */
static void draw_mark(nnx_canvas *to, int colour, double x, double y) {
    cairo_new_path(to->cairo);
    switch (colour) {
    case 1: cairo_rectangle(to->cairo, x - 3, y - 3, 6, 6); break;
    case 2: corners(to, x, y, 3, 4.6, 0); break;
    case 3: corners(to, x, y, 4, 4.4, 0); break; /* on its corner */
    case 4: corners(to, x, y, 3, 4.6, 3.141592653589793); break;
    case 5: corners(to, x, y, 5, 4.2, 0); break;
    case 6: cairo_rectangle(to->cairo, x - 4.5, y - 1.8, 9, 3.6); break;
    case 7: cairo_rectangle(to->cairo, x - 1.8, y - 4.5, 3.6, 9); break;
    default: cairo_arc(to->cairo, x, y, 3.4, 0, 6.283185307179586);
    }
    nnx_colour(to, COLOUR[colour]);
    cairo_fill_preserve(to->cairo);
    nnx_colour(to, NNX_WHITE);
    cairo_set_line_width(to->cairo, 0.8);
    cairo_stroke(to->cairo);
}

static void stroke_dashed(nnx_canvas *to, int colour, int dash) {
    nnx_colour(to, COLOUR[colour]);
    cairo_set_line_width(to->cairo, 1.8);
    cairo_set_line_join(to->cairo, CAIRO_LINE_JOIN_ROUND);
    cairo_set_dash(to->cairo, DASH[dash].length, DASH[dash].n, 0);
    cairo_stroke(to->cairo);
    cairo_set_dash(to->cairo, NULL, 0, 0);
}

/* The line; points too near to each other to be told apart are one. */
static void draw_line(const frame *f, int64_t i) {
    const nn_curve *c = &f->chart->curves[i];
    double last_x = -1, last_y = -1;
    bool pen_down = false;
    cairo_new_path(f->to->cairo);
    for (int64_t k = 0; k < c->n; k++) {
        const double x = place_x(f, nnx_axis_place(&f->x, c->x[k])),
                     y = place_y(f, nnx_axis_place(&f->y, c->y[k]));
        const bool seen = isfinite(x) && isfinite(y);
        if (seen && pen_down && fabs(x - last_x) < 0.2 && fabs(y - last_y) < 0.2) continue;
        if (seen && pen_down) cairo_line_to(f->to->cairo, x, y);
        if (seen && !pen_down) cairo_move_to(f->to->cairo, x, y);
        pen_down = seen;
        last_x = x;
        last_y = y;
    }
    stroke_dashed(f->to, colour_of(f->chart, i), dash_of(f->chart, i));
}

/* All points, or of many on a line some, and not where the other curves have theirs. */
static void draw_marks(const frame *f, int64_t i) {
    const nn_curve *c = &f->chart->curves[i];
    const double apart = c->points || c->n <= FEW ? 0 : (double)WIDTH / MARKED;
    double next = apart > 0 ? f->left + apart * ((double)i + 0.5) / (double)f->chart->n : 0;
    for (int64_t k = 0; k < c->n; k++) {
        const double x = place_x(f, nnx_axis_place(&f->x, c->x[k])),
                     y = place_y(f, nnx_axis_place(&f->y, c->y[k]));
        if (!isfinite(x) || !isfinite(y) || (apart > 0 && x < next)) continue;
        while (apart > 0 && next <= x) next += apart;
        draw_mark(f->to, colour_of(f->chart, i), x, y);
    }
}

/* ---- colours behind them ---------------------------------------------------------------------------------------- */

/* Between white and a colour, channel by channel. */
static uint32_t tint(uint32_t colour, double share) {
    uint32_t mixed = 0;
    for (int shift = 0; shift < 24; shift += 8)
        mixed |= (uint32_t)lround(255 + share * ((double)(colour >> shift & 255) - 255)) << shift;
    return mixed;
}

static void trace_border(const frame *f, const nn_field *field) {
    const double w = (double)WIDTH / (double)field->columns, h = f->height / (double)field->rows;
    for (int64_t r = 0; r < field->rows; r++)
        for (int64_t c = 0; c < field->columns; c++) {
            const double *here = &field->value[r * field->columns + c];
            const double x = f->left + (double)c * w, y = f->top + (double)r * h;
            if (c + 1 < field->columns && (here[0] > 0.5) != (here[1] > 0.5)) {
                cairo_move_to(f->to->cairo, x + w, y);
                cairo_line_to(f->to->cairo, x + w, y + h);
            }
            if (r + 1 < field->rows && (here[0] > 0.5) != (here[field->columns] > 0.5)) {
                cairo_move_to(f->to->cairo, x, y + h);
                cairo_line_to(f->to->cairo, x + w, y + h);
            }
        }
    nnx_colour(f->to, NNX_INK);
    cairo_set_line_width(f->to->cairo, 1.4);
    cairo_stroke(f->to->cairo);
}

static ag_status draw_field(const frame *f, const nn_field *field, ag_error *error) {
    const int64_t cells = field->columns * field->rows;
    uint32_t *rgb = ag_alloc((size_t)cells * sizeof *rgb); /* (rows, columns) */
    if (!rgb) return ag_fail(error, AG_ERROR_MEMORY, "no memory to draw a field");
    for (int64_t i = 0; i < cells; i++) {
        const double side = fmin(1, fmax(-1, 2 * field->value[i] - 1)); /* -1: colour 1, 1: colour 2 */
        rgb[i] = isnan(field->value[i]) ? NNX_PALE : tint(COLOUR[side > 0], 0.5 * fabs(side));
    }
    nnx_cells(f->to, f->left, f->top, WIDTH, f->height, rgb, (int)field->columns, (int)field->rows);
    ag_release(rgb, (size_t)cells * sizeof *rgb);
    trace_border(f, field);
    return AG_OK;
}

/* ---- axes and legend -------------------------------------------------------------------------------------------- */

static void draw_ticks(const frame *f) {
    const double bottom = f->top + f->height, right = f->left + WIDTH;
    cairo_set_line_width(f->to->cairo, 1);
    for (int i = 0; i < f->y.n; i++) {
        const nnx_tick *t = &f->y.tick[i];
        const double y = place_y(f, (t->at - f->y.low) / (f->y.high - f->y.low));
        const bool named = t->text[0] != '\0';
        nnx_colour(f->to, named && !f->chart->field ? NNX_PALE : NNX_INK);
        nnx_stroke(f->to, f->left - (named ? 0 : TICK), y, named && !f->chart->field ? right : f->left, y);
        nnx_write(f->to, f->left - 8, y + 4, NNX_TEXT, NNX_RIGHT, t->text);
    }
    for (int i = 0; i < f->x.n; i++) {
        const nnx_tick *t = &f->x.tick[i];
        const double x = place_x(f, (t->at - f->x.low) / (f->x.high - f->x.low));
        nnx_colour(f->to, NNX_INK);
        nnx_stroke(f->to, x, bottom, x, bottom + TICK);
        nnx_write(f->to, x, bottom + 18, NNX_TEXT, NNX_CENTRE, t->text);
    }
}

static void draw_frame(const frame *f) {
    const double bottom = f->top + f->height, right = f->left + WIDTH;
    const nn_chart *c = f->chart;
    nnx_colour(f->to, NNX_INK);
    cairo_set_line_width(f->to->cairo, 1);
    nnx_stroke(f->to, f->left, bottom, right, bottom);
    nnx_stroke(f->to, f->left, f->top, f->left, bottom);
    if (c->title) nnx_write(f->to, f->left, f->top - 16, NNX_TITLE, NNX_LEFT, c->title);
    if (c->x.name)
        nnx_write(f->to, f->left + WIDTH / 2.0, bottom + TICKS_BELOW + 12, NNX_TEXT, NNX_CENTRE, c->x.name);
    if (c->y.name) nnx_write_upwards(f->to, f->left - 52, f->top + f->height / 2, NNX_TEXT, c->y.name);
}

/* The names in lines, beginning at (x, y) where `draw`; returns the number of lines. */
static int legend(nnx_canvas *to, const nn_chart *c, bool draw, double x, double y) {
    double at = 0;
    int lines = 0;
    for (int64_t i = 0; i < c->n; i++) {
        const char *name = c->curves[i].name;
        if (!name) continue;
        const double width = SWATCH + nnx_write_width(to, NNX_TEXT, name) + LEGEND_GAP;
        if (lines == 0 || at + width > WIDTH + LEGEND_GAP) {
            at = 0;
            lines++;
        }
        if (draw) {
            const double middle = y + LEGEND_LINE * (lines - 1);
            cairo_new_path(to->cairo);
            cairo_move_to(to->cairo, x + at, middle);
            cairo_line_to(to->cairo, x + at + SWATCH - 8, middle);
            if (!c->curves[i].points) stroke_dashed(to, colour_of(c, i), dash_of(c, i));
            draw_mark(to, colour_of(c, i), x + at + (SWATCH - 8) / 2.0, middle);
            nnx_write(to, x + at + SWATCH - 2, middle + 4, NNX_TEXT, NNX_LEFT, name);
        }
        at += width;
    }
    return lines;
}

/* ---- the whole -------------------------------------------------------------------------------------------------- */

static double below_axis(const nn_chart *c) { return TICKS_BELOW + (c->x.name ? NAME_BELOW : 0); }

double nnx_chart_height(nnx_canvas *c, const nn_chart *chart) {
    return TOP + (chart->low ? LOW : HIGH) + below_axis(chart) + LEGEND_LINE * legend(c, chart, false, 0, 0) + 8;
}

ag_status nnx_chart_draw(nnx_canvas *c, const nn_chart *chart, double x, double y, ag_error *error) {
    frame f = {.to = c, .chart = chart, .left = x + LEFT, .top = y + TOP};
    f.height = chart->low ? LOW : HIGH;
    f.inset = chart->field ? 0 : INSET;
    nnx_axes(chart, &f.x, &f.y);
    if (!chart->field) draw_ticks(&f);
    cairo_save(c->cairo);
    cairo_rectangle(c->cairo, f.left - f.inset, f.top - INSET, WIDTH + 2 * f.inset, f.height + 2 * INSET);
    cairo_clip(c->cairo);
    const ag_status status = chart->field ? draw_field(&f, chart->field, error) : AG_OK;
    for (int64_t i = 0; i < chart->n; i++)
        if (!chart->curves[i].points) draw_line(&f, i);
    for (int64_t i = 0; i < chart->n; i++) draw_marks(&f, i);
    cairo_restore(c->cairo);
    if (chart->field) draw_ticks(&f);
    draw_frame(&f);
    legend(c, chart, true, f.left, f.top + f.height + below_axis(chart) + 8);
    return status;
}
