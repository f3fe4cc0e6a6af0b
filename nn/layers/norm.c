/* norm: layer, RMS, group and instance normalisation. What they normalise is each sample's own: no state, training or
 * not.
 * Not here: batch normalisation (batch_norm.c). */
#include "norm.h"

#include <float.h>
#include <math.h>
#include <string.h>

typedef struct norm {
    nn_module base;
    int rank; /* of dim; for groups 1 */
    int64_t dim[AG_MAX_RANK];
    int64_t groups;
    int axes; /* rank of x, where it is one alone: of instance normalisation */
    double eps;
    nn_param *weight, *bias; /* (dim...), or NULL */
} norm;

static ag_value use(nn_pass *pass, nn_param *p) { return p ? nn_use(pass, p) : (ag_value){0}; }

/* The operations find a weight that does not fit; without one, this does. */
static bool ends_in(const ag_meta *x, const norm *n) {
    return x->rank >= n->rank &&
           memcmp(x->dim + (x->rank - n->rank), n->dim, (size_t)n->rank * sizeof *n->dim) == 0;
}

static ag_value refuse(const norm *n, nn_pass *pass) {
    return ag_tape_fail(pass->tape, AG_ERROR_SHAPE, "%s: x does not end in the %d dimensions that are normalised",
                        n->base.type, n->rank);
}

static ag_value forward_layer(nn_module *m, nn_pass *pass, ag_value x) {
    norm *n = (norm *)m;
    const ag_meta *meta = ag_meta_of(x);
    if (meta && !ends_in(meta, n)) return refuse(n, pass);
    return ag_layer_norm(x, n->rank, use(pass, n->weight), use(pass, n->bias), n->eps);
}

static ag_value forward_rms(nn_module *m, nn_pass *pass, ag_value x) {
    norm *n = (norm *)m;
    const ag_meta *meta = ag_meta_of(x);
    if (meta && !ends_in(meta, n)) return refuse(n, pass);
    const double machine = meta && meta->dtype == AG_F64 ? DBL_EPSILON : FLT_EPSILON;
    return ag_rms_norm(x, n->rank, use(pass, n->weight), n->eps > 0 ? n->eps : machine);
}

static ag_value forward_group(nn_module *m, nn_pass *pass, ag_value x) {
    norm *n = (norm *)m;
    const ag_meta *meta = ag_meta_of(x);
    if (meta && (meta->rank < 2 || meta->dim[1] != n->dim[0]))
        return ag_tape_fail(pass->tape, AG_ERROR_SHAPE, "group_norm: needs x (N, %lld, ...)",
                            (long long)n->dim[0]);
    return ag_group_norm(x, n->groups, use(pass, n->weight), use(pass, n->bias), n->eps);
}

static ag_value forward_instance(nn_module *m, nn_pass *pass, ag_value x) {
    norm *n = (norm *)m;
    const ag_meta *meta = ag_meta_of(x);
    if (meta && (meta->rank != n->axes || meta->dim[1] != n->dim[0]))
        return ag_tape_fail(pass->tape, AG_ERROR_SHAPE, "%s: needs x (N, %lld, %s)", m->type, (long long)n->dim[0],
                            n->axes == 3 ? "L" : "H, W");
    return ag_instance_norm(x, use(pass, n->weight), use(pass, n->bias), n->eps);
}

static nn_module *norm_new(const norm *model, bool weighted, bool biased, ag_error *error) {
    if (!(model->eps >= 0 && isfinite(model->eps))) {
        (void)ag_fail(error, AG_ERROR_VALUE, "nn_%s: eps %g", model->base.type, model->eps);
        return NULL;
    }
    norm *n = nn_module_new(sizeof *n, model->base.type, model->base.forward, error);
    if (!n) return NULL;
    n->rank = model->rank;
    memcpy(n->dim, model->dim, sizeof n->dim);
    n->groups = model->groups;
    n->axes = model->axes;
    n->eps = model->eps;
    if (weighted) n->weight = nn_module_param(&n->base, "weight", n->rank, n->dim, nn_init_constant(1), error);
    if (n->weight && biased)
        n->bias = nn_module_param(&n->base, "bias", n->rank, n->dim, nn_init_constant(0), error);
    if ((weighted && !n->weight) || (biased && !n->bias)) return nn_module_free_null(&n->base);
    return &n->base;
}

static ag_status take_dim(norm *model, int rank, const int64_t *dim, ag_error *error) {
    if (rank < 1 || rank > AG_MAX_RANK || !dim)
        return ag_fail(error, AG_ERROR_VALUE, "nn_%s: %d dimensions; needs 1 to %d", model->base.type, rank,
                       AG_MAX_RANK);
    for (int k = 0; k < rank; k++)
        if (dim[k] < 1)
            return ag_fail(error, AG_ERROR_VALUE, "nn_%s: dimension %d is %lld", model->base.type, k,
                           (long long)dim[k]);
    model->rank = rank;
    memcpy(model->dim, dim, (size_t)rank * sizeof *dim);
    return AG_OK;
}

/* 0 stands for a default, and a bias needs a weight. */
static double eps_of(const nn_norm_options *o) { return o->eps == 0 ? 1e-5 : o->eps; }

nn_module *nn_layer_norm(int rank, const int64_t *dim, const nn_norm_options *options, ag_error *error) {
    const nn_norm_options o = options ? *options : (const nn_norm_options){0};
    norm model = {.base = {.type = "layer_norm", .forward = forward_layer}, .eps = eps_of(&o)};
    if (take_dim(&model, rank, dim, error)) return NULL;
    return norm_new(&model, !o.no_affine, !o.no_affine && !o.no_bias, error);
}

nn_module *nn_rms_norm(int rank, const int64_t *dim, const nn_norm_options *options, ag_error *error) {
    const nn_norm_options o = options ? *options : (const nn_norm_options){0};
    norm model = {.base = {.type = "rms_norm", .forward = forward_rms}, .eps = o.eps};
    if (take_dim(&model, rank, dim, error)) return NULL;
    return norm_new(&model, !o.no_affine, false, error);
}

nn_module *nn_group_norm(int64_t groups, int64_t channels, const nn_norm_options *options, ag_error *error) {
    const nn_norm_options o = options ? *options : (const nn_norm_options){0};
    norm model = {.base = {.type = "group_norm", .forward = forward_group}, .groups = groups, .eps = eps_of(&o)};
    if (take_dim(&model, 1, &channels, error)) return NULL;
    if (groups < 1 || channels % groups) {
        (void)ag_fail(error, AG_ERROR_VALUE, "nn_group_norm: %lld groups do not divide %lld channels",
                      (long long)groups, (long long)channels);
        return NULL;
    }
    return norm_new(&model, !o.no_affine, !o.no_affine && !o.no_bias, error);
}

static nn_module *instance_norm_new(const char *type, int axes, int64_t channels,
                                    const nn_instance_norm_options *options, ag_error *error) {
    const nn_instance_norm_options o = options ? *options : (const nn_instance_norm_options){0};
    norm model = {
        .base = {.type = type, .forward = forward_instance}, .axes = axes, .eps = o.eps == 0 ? 1e-5 : o.eps};
    if (take_dim(&model, 1, &channels, error)) return NULL;
    return norm_new(&model, o.affine, o.affine, error);
}

nn_module *nn_instance_norm1d(int64_t channels, const nn_instance_norm_options *options, ag_error *error) {
    return instance_norm_new("instance_norm1d", 3, channels, options, error);
}

nn_module *nn_instance_norm2d(int64_t channels, const nn_instance_norm_options *options, ag_error *error) {
    return instance_norm_new("instance_norm2d", 4, channels, options, error);
}
