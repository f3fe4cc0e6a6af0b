/* axis_impl: what range an axis shows, and where its ticks stand. Knows nothing of drawing. Internal. */
#ifndef NNX_AXIS_IMPL_H
#define NNX_AXIS_IMPL_H

#include "../picture.h"

enum { NNX_TICKS = 96, NNX_TICK_TEXT = 24 };

typedef struct nnx_tick {
    double at;                /* as low and high                      */
    char text[NNX_TICK_TEXT]; /* "" : one between those with a number */
} nnx_tick;

typedef struct nnx_axis {
    bool log;
    double low, high; /* on a logarithmic axis powers of ten; low < high */
    int n;
    nnx_tick tick[NNX_TICKS];
} nnx_axis;

/** What a chart shows, x and y: ranges of y end at ticks, those of x where the points do. */
void nnx_axes(const nn_chart *c, nnx_axis *x, nnx_axis *y);
/** Where a number lies, 0 at the low end and 1 at the high one; NaN for one that cannot be shown. */
double nnx_axis_place(const nnx_axis *a, double value);

#endif
