/* training_picture: see training_picture.h. */
#include "training_picture.h"

#include "picture.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

ag_status curve_add(curve *c, double x, double y, ag_error *error) {
    if (c->n == c->room) {
        const int64_t room = c->room > 0 ? 2 * c->room : 64;
        double(*larger)[2] = ag_realloc(c->at, (size_t)c->room * sizeof *c->at, (size_t)room * sizeof *c->at);
        if (!larger) return ag_fail(error, AG_ERROR_MEMORY, "curve of %" PRId64 " points", room);
        c->at = larger;
        c->room = room;
    }
    c->at[c->n][0] = x;
    c->at[c->n][1] = y;
    c->n++;
    return AG_OK;
}

void curve_clear(curve *c) {
    ag_release(c->at, (size_t)c->room * sizeof *c->at);
    *c = (curve){0};
}

ag_status misread_add(misread *wrong, ag_value logits, const ag_tensor *y, int64_t first, ag_error *error) {
    const int64_t *truth = ag_tensor_data(y);
    const int64_t *guess = ag_data(ag_argmax(logits, 1, false));
    if (!guess) return ag_fail(error, AG_ERROR_FAILED, "the largest logits cannot be read");
    for (int64_t i = 0; i < ag_tensor_count(y) && wrong->n < MISREAD_SHOWN; i++) {
        if (guess[i] == truth[i]) continue;
        wrong->at[wrong->n].sample = first + i;
        wrong->at[wrong->n].truth = truth[i];
        wrong->at[wrong->n++].guess = guess[i];
    }
    return AG_OK;
}

void training_picture_clear(training_picture *t) {
    curve_clear(&t->loss);
    curve_clear(&t->train);
    curve_clear(&t->test);
}

#ifndef GRADUS_HAVE_CAIRO

ag_status training_picture_write(const training_picture *t, const char *path, ag_error *error) {
    (void)t;
    return picture_check(path, error); /* says that this build has no cairo */
}

#else

enum { WIDTH = 960, MARGIN = 60, CHART_WIDTH = 380, CHART_HEIGHT = 260, CHART_TOP = 50 };
enum { GRID_TOP = 380, GRID_COLUMNS = 12, CELL = 56, CELL_STEP_X = 70, CELL_STEP_Y = 86 };
enum { INK = 0x222222, PALE = 0xdddddd, BLUE = 0x2266aa, ORANGE = 0xdd7722 };

/* A frame with its range of values; x runs from 0. */
typedef struct chart {
    double left, high_x, low_y, high_y;
} chart;

static double chart_x(const chart *c, double x) { return c->left + CHART_WIDTH * x / c->high_x; }
static double chart_y(const chart *c, double y) {
    return CHART_TOP + CHART_HEIGHT * (1 - (y - c->low_y) / (c->high_y - c->low_y));
}

/* 1, 2 or 5 times a power of ten, so that a range has about `wanted` steps. */
static double round_step(double range, int wanted) {
    const double rough = range / wanted, power = pow(10, floor(log10(rough))), digit = rough / power;
    return power * (digit <= 1 ? 1 : digit <= 2 ? 2 : digit <= 5 ? 5 : 10);
}

static void draw_line(picture *p, double x0, double y0, double x1, double y1) {
    cairo_move_to(p->cairo, x0, y0);
    cairo_line_to(p->cairo, x1, y1);
    cairo_stroke(p->cairo);
}

static void draw_axes(picture *p, const chart *c, const char *title) {
    char text[32];
    const double bottom = CHART_TOP + CHART_HEIGHT, right = c->left + CHART_WIDTH;
    cairo_set_line_width(p->cairo, 1);
    const double step_y = round_step(c->high_y - c->low_y, 5);
    for (int i = 0; c->low_y + i * step_y <= c->high_y + 0.01 * step_y; i++) {
        const double y = c->low_y + i * step_y;
        picture_colour(p, PALE);
        draw_line(p, c->left, chart_y(c, y), right, chart_y(c, y));
        picture_colour(p, INK);
        snprintf(text, sizeof text, "%g", y);
        picture_text(p, c->left - 8, chart_y(c, y) + 4, 12, PICTURE_RIGHT, text);
    }
    const double step_x = fmax(1, round_step(c->high_x, 8)); /* whole epochs */
    for (int i = 0; i * step_x <= c->high_x + 0.01; i++) {
        snprintf(text, sizeof text, "%g", i * step_x);
        picture_text(p, chart_x(c, i * step_x), bottom + 18, 12, PICTURE_CENTRE, text);
    }
    picture_text(p, right, bottom + 36, 12, PICTURE_RIGHT, "epoch");
    picture_text(p, c->left, CHART_TOP - 16, 15, PICTURE_LEFT, title);
    draw_line(p, c->left, bottom, right, bottom);
}

/* The curve, a dot at each of few points, and its name beside the title, ending at `right`. */
static void draw_curve(picture *p, const chart *c, const curve *data, uint32_t colour, const char *name,
                       double right) {
    picture_colour(p, colour);
    cairo_set_line_width(p->cairo, 2);
    cairo_new_path(p->cairo);
    for (int64_t i = 0; i < data->n; i++)
        cairo_line_to(p->cairo, chart_x(c, data->at[i][0]), chart_y(c, data->at[i][1]));
    cairo_stroke(p->cairo);
    for (int64_t i = 0; i < data->n && data->n <= 30; i++) {
        cairo_arc(p->cairo, chart_x(c, data->at[i][0]), chart_y(c, data->at[i][1]), 3, 0, 6.2832);
        cairo_fill(p->cairo);
    }
    picture_text(p, c->left + right, CHART_TOP - 16, 12, PICTURE_RIGHT, name);
}

static double least(const curve *c, double start) {
    for (int64_t i = 0; i < c->n; i++) start = fmin(start, c->at[i][1]);
    return start;
}

static double largest(const curve *c, int axis, double start) {
    for (int64_t i = 0; i < c->n; i++) start = fmax(start, c->at[i][axis]);
    return start;
}

static void draw_curves(picture *p, const training_picture *t) {
    const double epochs = largest(&t->loss, 0, largest(&t->test, 0, 1));
    const chart loss = {MARGIN, epochs, 0, largest(&t->loss, 1, 0.1)};
    draw_axes(p, &loss, "Loss in training (nats)");
    draw_curve(p, &loss, &t->loss, BLUE, "training", CHART_WIDTH);

    /* From a round tenth below the lowest point, so that the last per cents can be told apart. */
    const double low = floor(10 * least(&t->train, least(&t->test, 0.9))) / 10;
    const chart accuracy = {WIDTH - MARGIN / 2 - CHART_WIDTH, epochs, low, 1};
    draw_axes(p, &accuracy, "Accuracy");
    draw_curve(p, &accuracy, &t->train, BLUE, "training", CHART_WIDTH - 50);
    draw_curve(p, &accuracy, &t->test, ORANGE, "test", CHART_WIDTH);
}

/* One image with "7 read as 1" below it. */
static void draw_digit(picture *p, double x, double y, const float *pixel, int side, int64_t truth,
                       int64_t guess) {
    enum { MOST = 64 };
    uint32_t rgb[MOST * MOST];
    char text[64];
    for (int i = 0; i < side * side; i++) rgb[i] = 0x010101 * (uint32_t)lround(255 * (1 - pixel[i]));
    picture_cells(p, x, y, CELL, CELL, rgb, side, side);
    snprintf(text, sizeof text, "%" PRId64 " read as %" PRId64, truth, guess);
    picture_colour(p, INK);
    picture_text(p, x + CELL / 2.0, y + CELL + 14, 10, PICTURE_CENTRE, text);
}

static void draw_misread(picture *p, const training_picture *t) {
    const int64_t width = ag_tensor_meta(t->images)->dim[1];
    const int side = (int)lround(sqrt((double)width));
    if ((int64_t)side * side != width || side > 64) return;
    picture_colour(p, INK);
    picture_text(p, MARGIN, GRID_TOP - 16, 15, PICTURE_LEFT,
                 t->wrong.n > 0 ? "Misread in the test set" : "Nothing in the test set was misread");
    const float *pixel = ag_tensor_data(t->images); /* (n, width) */
    for (int i = 0; i < t->wrong.n; i++)
        draw_digit(p, MARGIN + i % GRID_COLUMNS * CELL_STEP_X, GRID_TOP + i / GRID_COLUMNS * CELL_STEP_Y,
                   pixel + t->wrong.at[i].sample * width, side, t->wrong.at[i].truth, t->wrong.at[i].guess);
}

ag_status training_picture_write(const training_picture *t, const char *path, ag_error *error) {
    picture p;
    const ag_status status = picture_begin(&p, path, WIDTH, GRID_TOP + 2 * CELL_STEP_Y + 10, error);
    if (status != AG_OK) return status;
    draw_curves(&p, t);
    draw_misread(&p, t);
    return picture_end(&p, error);
}

#endif
