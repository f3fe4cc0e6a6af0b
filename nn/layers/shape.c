/* shape: flattening, its opposite, and enlarging. */
#include "shape.h"

#include <math.h>
#include <string.h>

/* ---- flatten and unflatten ---------------------------------------------------------------------------------- */

typedef struct flatten {
    nn_module base;
    int start, end;
} flatten;

static ag_value forward_flatten(nn_module *m, nn_pass *pass, ag_value x) {
    (void)pass;
    const flatten *f = (const flatten *)m;
    return ag_flatten(x, f->start, f->end);
}

nn_module *nn_flatten(int start_axis, int end_axis, ag_error *error) {
    flatten *f = nn_module_new(sizeof *f, "flatten", forward_flatten, error);
    if (!f) return NULL;
    f->start = start_axis;
    f->end = end_axis;
    return &f->base;
}

typedef struct unflatten {
    nn_module base;
    int axis, rank;
    int64_t dim[AG_MAX_RANK];
} unflatten;

static ag_value forward_unflatten(nn_module *m, nn_pass *pass, ag_value x) {
    const unflatten *u = (const unflatten *)m;
    const ag_meta *meta = ag_meta_of(x);
    if (!meta) return ag_detach(x); /* an operation tells what is wrong with a handle, or that it failed before */
    const int axis = u->axis < 0 ? u->axis + meta->rank : u->axis, rank = meta->rank - 1 + u->rank;
    if (axis < 0 || axis >= meta->rank)
        return ag_tape_fail(pass->tape, AG_ERROR_AXIS, "unflatten: axis %d of rank %d", u->axis, (int)meta->rank);
    if (rank > AG_MAX_RANK)
        return ag_tape_fail(pass->tape, AG_ERROR_SHAPE, "unflatten: the result would have rank %d", rank);
    int64_t dim[AG_MAX_RANK];
    memcpy(dim, meta->dim, (size_t)axis * sizeof *dim);
    memcpy(dim + axis, u->dim, (size_t)u->rank * sizeof *dim);
    memcpy(dim + axis + u->rank, meta->dim + axis + 1, (size_t)(meta->rank - axis - 1) * sizeof *dim);
    return ag_reshape(x, rank, dim);
}

nn_module *nn_unflatten(int axis, int rank, const int64_t *dim, ag_error *error) {
    bool good = rank >= 1 && rank <= AG_MAX_RANK && dim;
    for (int k = 0; good && k < rank; k++) good = dim[k] >= -1;
    if (!good) {
        (void)ag_fail(error, AG_ERROR_VALUE, "nn_unflatten: %d dimensions, or one below -1", rank);
        return NULL;
    }
    unflatten *u = nn_module_new(sizeof *u, "unflatten", forward_unflatten, error);
    if (!u) return NULL;
    u->axis = axis;
    u->rank = rank;
    memcpy(u->dim, dim, (size_t)rank * sizeof *dim);
    return &u->base;
}

/* ---- upsample ----------------------------------------------------------------------------------------------- */

typedef struct upsample {
    nn_module base;
    bool images;
    double scale; /* 0: to a size */
    int64_t height, width;
} upsample;

static ag_value forward_upsample(nn_module *m, nn_pass *pass, ag_value x) {
    (void)pass;
    const upsample *u = (const upsample *)m;
    if (u->images && u->scale > 0) return ag_upsample_nearest2d(x, u->scale);
    if (u->images) return ag_upsample_nearest2d_to(x, u->height, u->width);
    return u->scale > 0 ? ag_upsample_nearest1d(x, u->scale) : ag_upsample_nearest1d_to(x, u->width);
}

static nn_module *by_scale(const char *type, bool images, double scale, ag_error *error) {
    if (!(scale > 0 && isfinite(scale))) {
        (void)ag_fail(error, AG_ERROR_VALUE, "nn_%s: scale %g", type, scale);
        return NULL;
    }
    upsample *u = nn_module_new(sizeof *u, type, forward_upsample, error);
    if (!u) return NULL;
    u->images = images;
    u->scale = scale;
    return &u->base;
}

static nn_module *to_size(const char *type, bool images, int64_t height, int64_t width, ag_error *error) {
    if (height < 1 || width < 1) {
        (void)ag_fail(error, AG_ERROR_VALUE, "nn_%s_to: a size of %lld", type,
                      (long long)(height < 1 ? height : width));
        return NULL;
    }
    upsample *u = nn_module_new(sizeof *u, type, forward_upsample, error);
    if (!u) return NULL;
    u->images = images;
    u->height = height;
    u->width = width;
    return &u->base;
}

nn_module *nn_upsample_nearest2d(double scale, ag_error *error) {
    return by_scale("upsample_nearest2d", true, scale, error);
}
nn_module *nn_upsample_nearest2d_to(int64_t height, int64_t width, ag_error *error) {
    return to_size("upsample_nearest2d", true, height, width, error);
}
nn_module *nn_upsample_nearest1d(double scale, ag_error *error) {
    return by_scale("upsample_nearest1d", false, scale, error);
}
nn_module *nn_upsample_nearest1d_to(int64_t length, ag_error *error) {
    return to_size("upsample_nearest1d", false, 1, length, error);
}
