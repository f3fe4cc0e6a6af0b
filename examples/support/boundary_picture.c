/* boundary_picture: see boundary_picture.h. */
#include "boundary_picture.h"

#include "picture.h"

#include <math.h>
#include <string.h>

static size_t cells(const plane *p) { return (size_t)p->columns * (size_t)p->rows; }

ag_status plane_init(plane *p, double left, double right, double bottom, double top, int columns, int rows,
                     ag_error *error) {
    *p = (plane){left, right, bottom, top, columns, rows, NULL};
    p->belief = ag_alloc_zeroed(cells(p) * sizeof *p->belief);
    if (!p->belief) return ag_fail(error, AG_ERROR_MEMORY, "plane of %d x %d cells", columns, rows);
    return AG_OK;
}

void plane_clear(plane *p) {
    if (p->belief) ag_release(p->belief, cells(p) * sizeof *p->belief);
    *p = (plane){0};
}

double plane_x(const plane *p, int column) { return p->left + (p->right - p->left) * (column + 0.5) / p->columns; }
double plane_y(const plane *p, int row) { return p->top - (p->top - p->bottom) * (row + 0.5) / p->rows; }

ag_status plane_print(FILE *out, const plane *p, const nn_dataset *d, ag_error *error) {
    char *letter = ag_alloc(cells(p)); /* (rows, columns) */
    if (!letter) return ag_fail(error, AG_ERROR_MEMORY, "plane of %d x %d letters", p->columns, p->rows);
    for (size_t i = 0; i < cells(p); i++) letter[i] = p->belief[i] > 0.5 ? '.' : ' ';
    const float *x = ag_tensor_data(d->x);   /* (n, 2) */
    const int64_t *y = ag_tensor_data(d->y); /* (n)    */
    for (int64_t i = 0; i < nn_dataset_size(d); i++) {
        const double column = floor((x[2 * i] - p->left) / (p->right - p->left) * p->columns);
        const double row = floor((p->top - x[2 * i + 1]) / (p->top - p->bottom) * p->rows);
        if (column < 0 || column >= p->columns || row < 0 || row >= p->rows) continue;
        letter[(size_t)row * (size_t)p->columns + (size_t)column] = y[i] ? 'x' : 'o';
    }
    for (int r = 0; r < p->rows; r++) fprintf(out, "%.*s\n", p->columns, letter + (size_t)r * (size_t)p->columns);
    ag_release(letter, cells(p));
    return AG_OK;
}

#ifndef GRADUS_HAVE_CAIRO

ag_status plane_draw(const char *path, const plane *p, const nn_dataset *d, ag_error *error) {
    (void)p, (void)d;
    return picture_check(path, error); /* says that this build has no cairo */
}

#else

enum { WIDTH = 720, COLOUR_0 = 0x2266aa, COLOUR_1 = 0xdd7722, WHITE = 0xffffff };

/* Between two colours, channel by channel: t = 0 gives `from`. */
static uint32_t blend(uint32_t from, uint32_t to, double t) {
    uint32_t mixed = 0;
    for (int shift = 0; shift < 24; shift += 8) {
        const double a = from >> shift & 255, b = to >> shift & 255;
        mixed |= (uint32_t)lround(a + t * (b - a)) << shift;
    }
    return mixed;
}

/* The boundary runs between neighbours that lie on different sides. */
static void draw_boundary(picture *p, const plane *v, double height) {
    const double w = (double)WIDTH / v->columns, h = height / v->rows;
    for (int r = 0; r < v->rows; r++) {
        for (int c = 0; c < v->columns; c++) {
            const double *here = &v->belief[(size_t)r * (size_t)v->columns + (size_t)c];
            if (c + 1 < v->columns && (here[0] > 0.5) != (here[1] > 0.5)) {
                cairo_move_to(p->cairo, (c + 1) * w, r * h);
                cairo_line_to(p->cairo, (c + 1) * w, (r + 1) * h);
            }
            if (r + 1 < v->rows && (here[0] > 0.5) != (here[v->columns] > 0.5)) {
                cairo_move_to(p->cairo, c * w, (r + 1) * h);
                cairo_line_to(p->cairo, (c + 1) * w, (r + 1) * h);
            }
        }
    }
    picture_colour(p, 0x222222);
    cairo_set_line_width(p->cairo, 1.5);
    cairo_stroke(p->cairo);
}

static void draw_samples(picture *p, const plane *v, const nn_dataset *d, double height) {
    const float *x = ag_tensor_data(d->x);   /* (n, 2) */
    const int64_t *y = ag_tensor_data(d->y); /* (n)    */
    for (int64_t i = 0; i < nn_dataset_size(d); i++) {
        cairo_arc(p->cairo, WIDTH * (x[2 * i] - v->left) / (v->right - v->left),
                  height * (v->top - x[2 * i + 1]) / (v->top - v->bottom), 3.5, 0, 6.2832);
        picture_colour(p, y[i] ? COLOUR_1 : COLOUR_0);
        cairo_fill_preserve(p->cairo);
        picture_colour(p, WHITE);
        cairo_set_line_width(p->cairo, 0.8);
        cairo_stroke(p->cairo);
    }
}

ag_status plane_draw(const char *path, const plane *v, const nn_dataset *d, ag_error *error) {
    const double height = floor(WIDTH * (v->top - v->bottom) / (v->right - v->left));
    uint32_t *rgb = ag_alloc(cells(v) * sizeof *rgb); /* (rows, columns) */
    if (!rgb) return ag_fail(error, AG_ERROR_MEMORY, "picture of %d x %d cells", v->columns, v->rows);
    for (size_t i = 0; i < cells(v); i++) {
        const double side = 2 * v->belief[i] - 1; /* -1: class 0, 1: class 1 */
        rgb[i] = blend(WHITE, side > 0 ? COLOUR_1 : COLOUR_0, 0.5 * fabs(side));
    }
    picture p;
    ag_status status = picture_begin(&p, path, WIDTH, height, error);
    if (status == AG_OK) {
        picture_cells(&p, 0, 0, WIDTH, height, rgb, v->columns, v->rows);
        draw_boundary(&p, v, height);
        draw_samples(&p, v, d, height);
        status = picture_end(&p, error);
    }
    ag_release(rgb, cells(v) * sizeof *rgb);
    return status;
}

#endif
