/* boundary_picture: see boundary_picture.h. */
#include "boundary_picture.h"

#include <math.h>

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

/* The samples of a class as points: they go to x and y, from `at` on. */
static nn_curve samples_of(const nn_dataset *d, int64_t label, const char *name, double *x, double *y,
                           int64_t at) {
    const float *place = ag_tensor_data(d->x);   /* (n, 2) */
    const int64_t *class = ag_tensor_data(d->y); /* (n)    */
    nn_curve c = {.name = name, .x = x + at, .y = y + at, .points = true};
    for (int64_t i = 0; i < nn_dataset_size(d); i++) {
        if (class[i] != label) continue;
        x[at + c.n] = place[2 * i];
        y[at + c.n++] = place[2 * i + 1];
    }
    return c;
}

ag_status plane_draw(const char *path, const plane *p, const nn_dataset *d, ag_error *error) {
    const size_t n = (size_t)nn_dataset_size(d);
    double *xy = ag_alloc(2 * n * sizeof *xy); /* (2, n) */
    if (!xy) return ag_fail(error, AG_ERROR_MEMORY, "picture of %zu samples", n);
    const nn_curve zero = samples_of(d, 0, "class 0", xy, xy + n, 0);
    const nn_curve classes[] = {zero, samples_of(d, 1, "class 1", xy, xy + n, zero.n)};
    const nn_field belief = {p->belief, p->columns, p->rows, p->left, p->right, p->bottom, p->top};
    const nn_chart chart = {.title = "Belief in class 1", .curves = classes, .n = 2, .field = &belief};
    const ag_status status = nn_picture_write(path, &(nn_picture){.charts = &chart, .n_charts = 1}, error);
    ag_release(xy, 2 * n * sizeof *xy);
    return status;
}
