/* standardize: an array minus its mean, over its standard deviation - the heart of layer, group and batch
 * normalisation - and the adjoint of that.
 *
 * Written with the reductions and the elementwise loops, a pass each: measured on one core, passes over an array that
 * stays in L2 beat rows taken one by one, whose loops are too short, and columns gathered into rows. The variance
 * is taken of the centred numbers: E[x^2] - E[x]^2 would cancel.
 *
 * Invariant: bits follow from shape and numbers, as those of reductions and loops do. Left out: scale and shift by
 * weights, which are elementwise. */
#include "kernels.h"

/** z = f(x, y), broadcast. */
static ag_status map2(enum agx_row f, const ag_array *x, const ag_array *y, const ag_array *z,
                      ag_workspace *work) {
    agx_loop *loop = agx_vector_table()->forward[f][z->meta->dtype == AG_F64];
    return agx_map(loop, (const ag_array[2]){*x, *y}, 2, z, 0, work);
}

/** A dense array in scratch memory. */
static ag_status take(const ag_meta *shape, ag_meta *meta, ag_array *out, ag_workspace *work) {
    *meta = *shape;
    meta->offset = 0;
    ag_meta_make_dense(meta);
    const size_t bytes = ag_meta_bytes(meta);
    *out = (ag_array){meta, agx_arena_take(&work->arena, bytes ? bytes : 1, 64)};
    return out->data ? AG_OK : AG_ERROR_MEMORY;
}

/** z = x / sqrt(var + eps). */
static ag_status divide(const ag_array *x, const ag_array *var, double eps, const ag_array *z,
                        ag_workspace *work) {
    ag_meta meta;
    ag_array scale;
    ag_status status = take(var->meta, &meta, &scale, work);
    if (status != AG_OK) return status;
    const agx_vectors *v = agx_vector_table();
    const bool wide = meta.dtype == AG_F64;
    status = agx_map(v->forward[AGX_ROW_add_number][wide], var, 1, &scale, eps, work);
    if (status == AG_OK) status = agx_map(v->forward[AGX_ROW_rsqrt][wide], &scale, 1, &scale, 0, work);
    return status == AG_OK ? map2(AGX_ROW_mul, x, &scale, z, work) : status;
}

ag_status agx_standardize(const ag_array *x, uint32_t mask, double eps, const ag_array *z, const ag_array *mean,
                          const ag_array *var, ag_workspace *work) {
    agx_arena_mark mark = agx_arena_here(&work->arena);
    ag_meta meta;
    ag_array squares; /* of the centred numbers, which lie in z */
    ag_status status = take(z->meta, &meta, &squares, work);
    if (status == AG_OK) status = agx_reduce(AGX_MEAN, x, mask, mean, work);
    if (status == AG_OK) status = map2(AGX_ROW_sub, x, mean, z, work);
    if (status == AG_OK) status = map2(AGX_ROW_mul, z, z, &squares, work);
    if (status == AG_OK) status = agx_reduce(AGX_MEAN, &squares, mask, var, work);
    if (status == AG_OK) status = divide(z, var, eps, z, work);
    agx_arena_release(&work->arena, mark);
    return status;
}

ag_status agx_standardize_grad(const ag_array *y, const ag_array *var, const ag_array *dy, uint32_t mask,
                               double eps, const ag_array *dx, ag_workspace *work) {
    agx_arena_mark mark = agx_arena_here(&work->arena);
    ag_meta meta[2];
    ag_array mean, along; /* of dy and of dy y; shaped as var */
    ag_status status = take(var->meta, &meta[0], &mean, work);
    if (status == AG_OK) status = take(var->meta, &meta[1], &along, work);
    if (status == AG_OK) status = agx_reduce(AGX_MEAN, dy, mask, &mean, work);
    if (status == AG_OK) status = map2(AGX_ROW_mul, dy, y, dx, work);
    if (status == AG_OK) status = agx_reduce(AGX_MEAN, dx, mask, &along, work);
    if (status == AG_OK)
        status = agx_map(agx_vector_table()->addcmul[meta[0].dtype == AG_F64], (const ag_array[3]){*dy, *y, along},
                         3, dx, -1, work);
    if (status == AG_OK) status = map2(AGX_ROW_sub, dx, &mean, dx, work);
    if (status == AG_OK) status = divide(dx, var, eps, dx, work);
    agx_arena_release(&work->arena, mark);
    return status;
}
