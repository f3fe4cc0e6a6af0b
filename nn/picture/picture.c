/* picture: what can be drawn, and where to. The drawing itself is that of draw.c, in a build with cairo. */
#include "picture_impl.h"

#include "../file_impl.h"

#include <math.h>
#include <string.h>

enum { MOST_SIDE = 4096 };
static const double LEAST_EXTENT = 1e-300; /* smaller ones have no steps */

static bool ends_in(const char *text, const char *ending) {
    const size_t n = strlen(text), m = strlen(ending);
    return n > m && strcmp(text + n - m, ending) == 0;
}

static ag_status check_name(const char *path, ag_error *error) {
    if (!ends_in(path, ".png") && !ends_in(path, ".svg"))
        return ag_fail(error, AG_ERROR_VALUE, NNX_PATH ": a picture's name must end in .png or .svg", path);
    if (!nnx_picture_possible)
        return ag_fail(error, AG_ERROR_UNSUPPORTED,
                       NNX_PATH ": this build draws no pictures (built without cairo: libcairo2-dev was missing)",
                       path);
    return AG_OK;
}

ag_status nn_picture_check(const char *path, ag_error *error) {
    const ag_status status = check_name(path, error);
    return status ? status : ag_file_check(path, error);
}

/* ---- what makes no sense --------------------------------------------------------------------------------------- */

static const char *curve_fault(const nn_curve *c) {
    if (c->n < 0 || (c->n > 0 && (!c->x || !c->y))) return "a curve without its points";
    if (c->colour < 0 || c->colour > 8) return "a colour outside 1 to 8";
    if (c->dash < 0 || c->dash > 4) return "a dash outside 1 to 4";
    return NULL;
}

static const char *field_fault(const nn_field *f) {
    if (!f->value || f->columns < 1 || f->rows < 1 || f->columns > MOST_SIDE || f->rows > MOST_SIDE)
        return "a field without cells, or with too many";
    const double wide = f->right - f->left, high = f->top - f->bottom;
    return wide >= LEAST_EXTENT && high >= LEAST_EXTENT && isfinite(wide) && isfinite(high)
               ? NULL
               : "a field without extent";
}

static const char *chart_fault(const nn_chart *c) {
    const char *why = c->n < 0 || (c->n > 0 && !c->curves) ? "a chart without its curves" : NULL;
    for (int64_t i = 0; !why && i < c->n; i++) why = curve_fault(&c->curves[i]);
    return why || !c->field ? why : field_fault(c->field);
}

static const char *gallery_fault(const nn_gallery *g) {
    if (g->n < 0 || g->columns < 0 || (g->n > 0 && !g->images)) return "a gallery without its images";
    return g->height < 1 || g->width < 1 || g->height > MOST_SIDE || g->width > MOST_SIDE
               ? "images without cells, or with too many"
               : NULL;
}

static const char *fault(const nn_picture *p) {
    const char *why = p->n_charts < 0 || (p->n_charts > 0 && !p->charts) ? "charts that are not there" : NULL;
    for (int64_t i = 0; !why && i < p->n_charts; i++) why = chart_fault(&p->charts[i]);
    return why || !p->gallery ? why : gallery_fault(p->gallery);
}

ag_status nn_picture_write(const char *path, const nn_picture *p, ag_error *error) {
    ag_status status = check_name(path, error);
    if (status) return status;
    const char *why = fault(p);
    if (why) return ag_fail(error, AG_ERROR_VALUE, "nn_picture_write: %s", why);
    char *bytes = NULL;
    size_t size = 0, room = 0;
    status = nnx_picture_draw(p, ends_in(path, ".svg"), &bytes, &size, &room, error);
    if (!status) status = ag_file_write(path, bytes, size, error);
    ag_release(bytes, room);
    return status;
}
