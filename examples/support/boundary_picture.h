/* boundary_picture: what a classifier of points in the plane makes of the plane. */
#ifndef EXAMPLES_SUPPORT_BOUNDARY_PICTURE_H
#define EXAMPLES_SUPPORT_BOUNDARY_PICTURE_H

#include <nn/nn.h>
#include <stdio.h>

/** A classifier's belief in class 1 at the centres of a grid's cells; row 0 is the top. */
typedef struct plane {
    double left, right, bottom, top;
    int columns, rows;
    double *belief; /* (rows, columns) in [0, 1] */
} plane;

ag_status plane_init(plane *p, double left, double right, double bottom, double top, int columns, int rows,
                     ag_error *error) AG_WARN_UNUSED;
void plane_clear(plane *p);
double plane_x(const plane *p, int column); /* the centre of a cell */
double plane_y(const plane *p, int row);

/** In letters: the two sides as '.' and blank, samples as 'o' (class 0) and 'x' (class 1). */
ag_status plane_print(FILE *out, const plane *p, const nn_dataset *d, ag_error *error) AG_WARN_UNUSED;
/** As a picture, PNG or SVG: colours by belief, samples as dots, the boundary as a line. */
ag_status plane_draw(const char *path, const plane *p, const nn_dataset *d, ag_error *error) AG_WARN_UNUSED;

#endif
