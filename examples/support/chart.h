/* chart: curves over an axis, several charts in a row, as one picture. */
#ifndef EXAMPLES_SUPPORT_CHART_H
#define EXAMPLES_SUPPORT_CHART_H

#include <autograd/autograd.h>

enum { CHART_LINES = 8 };

typedef struct chart_line {
    const char *name;
    const double *x, *y; /* (n); a point that is not finite, or not positive on a logarithmic axis, is left out */
    int n;
} chart_line;

typedef struct chart {
    const char *title, *x_name;
    bool logarithmic; /* the vertical axis, by powers of ten */
    int n;
    chart_line line[CHART_LINES];
} chart;

/** Errors: those of picture_check and of writing the file */
ag_status charts_write(const char *path, const chart *charts, int n, ag_error *error) AG_WARN_UNUSED;

#endif
