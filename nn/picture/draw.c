/* draw: charts two in a row, low ones in rows of their own, the gallery below; measured first, on a surface that
 * nobody sees. */
#include "picture_impl.h"

#include "canvas_impl.h"

#include <math.h>

enum { COLUMNS = 2, MOST_POINTS = 5000, BELOW = 12 };

const bool nnx_picture_possible = true;

/* Charts from `first` that make a row, and how high it is. */
static int64_t row_of(nnx_canvas *c, const nn_picture *p, int64_t first, double *height) {
    int64_t n = 0;
    *height = 0;
    for (; n < COLUMNS && first + n < p->n_charts && p->charts[first + n].low == p->charts[first].low; n++)
        *height = fmax(*height, nnx_chart_height(c, &p->charts[first + n]));
    return n;
}

static bool measure(nnx_canvas *c, const nn_picture *p, double *width, double *height) {
    double high, wide;
    *width = *height = 0;
    for (int64_t i = 0, n; i < p->n_charts; i += n) {
        n = row_of(c, p, i, &high);
        *width = fmax(*width, (double)n * NNX_CHART_WIDTH);
        *height += high;
    }
    if (p->gallery) {
        nnx_gallery_size(c, p->gallery, &wide, &high);
        *width = fmax(*width, wide);
        *height += high;
    }
    *width = fmax(1, *width);
    *height += BELOW;
    return *width <= MOST_POINTS && *height <= MOST_POINTS;
}

static ag_status draw(nnx_canvas *c, const nn_picture *p, ag_error *error) {
    ag_status status = AG_OK;
    double y = 0, height;
    for (int64_t i = 0, n; i < p->n_charts && !status; i += n) {
        n = row_of(c, p, i, &height);
        for (int64_t k = 0; k < n && !status; k++)
            status = nnx_chart_draw(c, &p->charts[i + k], (double)k * NNX_CHART_WIDTH, y, error);
        y += height;
    }
    return status || !p->gallery ? status : nnx_gallery_draw(c, p->gallery, 0, y, error);
}

ag_status nnx_picture_draw(const nn_picture *p, bool svg, char **bytes, size_t *size, size_t *room,
                           ag_error *error) {
    nnx_canvas c;
    double width, height;
    nnx_canvas_begin(&c, false, 1, 1);
    const bool fits = measure(&c, p, &width, &height);
    nnx_canvas_clear(&c);
    if (!fits) return ag_fail(error, AG_ERROR_LIMIT, "a picture of more than %d points", MOST_POINTS);
    nnx_canvas_begin(&c, svg, width, height);
    ag_status status = draw(&c, p, error);
    const ag_status ended = nnx_canvas_end(&c, status ? NULL : error);
    if (!status) status = ended;
    if (!status) {
        *bytes = c.bytes;
        *size = c.size;
        *room = c.room;
        c.bytes = NULL;
        c.room = 0;
    }
    nnx_canvas_clear(&c);
    return status;
}
