/* picture: charts of curves and rows of images in a PNG or SVG file, by the ending of its name.
 *
 *     const nn_curve curves[] = {{.name = "training", .x = epoch, .y = loss, .n = 20},
 *                                {.name = "validation", .x = epoch, .y = other, .n = 20}};
 *     const nn_chart chart = {.title = "Loss", .x = {.name = "epoch"}, .curves = curves, .n = 2};
 *     ag_status status = nn_picture_write("loss.svg", &(nn_picture){.charts = &chart, .n_charts = 1}, &error);
 *
 * Curves differ in colour, dash and mark, so that they can be told apart by those who see few colours, and in black
 * and white. The same picture gives the same look everywhere: no font need be installed for texts in ASCII. Drawn by
 * cairo; a build without it refuses. */
#ifndef NN_PICTURE_H
#define NN_PICTURE_H

#include "api.h"

AG_BEGIN_DECLS

/** Points with a line through them. A point that is not finite, or beyond 1e300, or below 1e-300 on a logarithmic
 *  axis, is left out, and interrupts the line. */
typedef struct nn_curve {
    const char *name;    /* in the legend; NULL: it is not there                                              */
    const double *x, *y; /* (n)                                                                               */
    int64_t n;
    bool points; /* marks without a line                                                                      */
    int colour;  /* one of eight, from 1, with a mark of its own; 0: by its place among the curves            */
    int dash;    /* one of four, from 1, which is no dash; 0: likewise                                        */
} nn_curve;

typedef enum nn_scale {
    NN_SCALE_AUTO,   /* of y: logarithmic where all points are positive and the largest is 50 times the least  */
    NN_SCALE_LINEAR, /* what AUTO is of x                                                                     */
    NN_SCALE_LOG
} nn_scale;

/** Ticks are at 1, 2 or 5 times a power of ten. */
typedef struct nn_axis {
    const char *name; /* NULL: none                     */
    nn_scale scale;
    bool whole; /* ticks at whole numbers only    */
} nn_axis;

/** Numbers over a part of the plane, as colours behind the curves: 0 is that of colour 1, 1/2 white, 1 that of
 *  colour 2, with a line where 1/2 is crossed. The chart shows this part. */
typedef struct nn_field {
    const double *value; /* (rows, columns), each at the centre of its cell; row 0 is the top */
    int64_t columns, rows;
    double left, right, bottom, top;
} nn_field;

typedef struct nn_chart {
    const char *title; /* NULL: none */
    nn_axis x, y;
    const nn_curve *curves; /* (n) */
    int64_t n;
    const nn_field *field; /* NULL: none; its axes are linear       */
    bool low;              /* a third as high, in a row of low ones */
} nn_chart;

/** Grey images in rows, each enlarged or reduced to one height. */
typedef struct nn_gallery {
    const char *title;           /* NULL: none                                                 */
    int64_t height, width;       /* of an image                                                */
    const float *const *images;  /* (n): (height, width) each; NULL leaves a place empty       */
    const char *const *captions; /* (n), below the images; NULL: none                          */
    int64_t n, columns;          /* columns 0: 12                                              */
    const char *const *rows;     /* (n / columns, rounded up) names to the left; NULL: none    */
    bool ink;                    /* 0 is white and 1 black, as on paper; else the other way    */
} nn_gallery;

/** Charts, two in a row, above a gallery. */
typedef struct nn_picture {
    const nn_chart *charts; /* (n_charts) */
    int64_t n_charts;
    const nn_gallery *gallery; /* NULL: none */
} nn_picture;

/** Draw it, durably: the old file stands until the new one is whole.
 *  Edges:  a chart without points has axes from 0 to 1
 *  Errors: AG_ERROR_VALUE (the name ends neither in .png nor in .svg; a count below 0, or a list that is missing; a
 *          colour or dash that there is not; a field without extent; a field or images without cells, or of more than
 *          4,096 in a row or column), AG_ERROR_UNSUPPORTED (a build without cairo), AG_ERROR_LIMIT (more than 5,000
 *          points wide or high), AG_ERROR_IO, AG_ERROR_MEMORY
 *  Memory: the file */
NN_API ag_status nn_picture_write(const char *path, const nn_picture *p, ag_error *error) AG_WARN_UNUSED;
/** Whether a picture can be written there, to be asked before the work that it will show.
 *  Errors: AG_ERROR_VALUE (the name), AG_ERROR_UNSUPPORTED, AG_ERROR_IO, AG_ERROR_MEMORY */
NN_API ag_status nn_picture_check(const char *path, ag_error *error) AG_WARN_UNUSED;

AG_END_DECLS
#endif
