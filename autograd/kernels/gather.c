/* gather: single elements fetched from, or added at, positions along an axis - one position for each of them.
 *
 * Both walk the shape of the index. The array that the positions point into is seen in that shape too, with stride 0
 * along the axis: the walk brings the start of the line, the index the place in it.
 *
 * Invariants: nothing is written unless every position is in range; elements that meet in one place are added in
 * row-major order of the index. Left out: negative positions; whole slices by one position (index.c). */
#include "walk.h"

#include <string.h>

/* The row-major number of the first position outside [0, size), or the number of positions. */
static int64_t first_bad(const ag_array *index, int64_t size) {
    ag_meta rows = *index->meta; /* dense: the walk goes row-major */
    ag_meta_make_dense(&rows);
    agx_walk w;
    agx_walk_row at;
    if (!agx_walk_init(&w, index, 1, &(ag_array){&rows, NULL})) return 0;
    agx_walk_seek(&w, &at, 0);
    const int64_t step = w.stride[0][w.rank - 1];
    for (int64_t row = 0; row < w.rows; row++, agx_walk_next(&w, &at)) {
        const int64_t *place = (const int64_t *)index->data + at.offset[0];
        for (int64_t i = 0; i < w.n; i++)
            if (place[i * step] < 0 || place[i * step] >= size) return row * w.n + i;
    }
    return w.rows * w.n;
}

static ag_status check(const ag_array *x, const ag_array *index, const ag_array *z, int64_t size, int64_t *bad) {
    if (x->meta->dtype != z->meta->dtype || index->meta->dtype != AG_I64) return AG_ERROR_DTYPE;
    const int64_t first = first_bad(index, size);
    if (bad) *bad = first;
    return first < ag_meta_count(index->meta) ? AG_ERROR_INDEX : AG_OK;
}

/* The part of an array that has the shape of the index. */
static ag_meta part_like(const ag_meta *meta, const ag_meta *index) {
    ag_meta part = *meta;
    for (int k = 0; k < part.rank; k++) part.dim[k] = index->dim[k];
    return part;
}
/* The same with every line along the axis at its start. */
static ag_meta lines_like(const ag_meta *meta, int axis, const ag_meta *index) {
    ag_meta lines = part_like(meta, index);
    lines.stride[axis] = 0;
    return lines;
}

/* z[i * zs] = x[i * xs + place[i * ps] * line] */
#define FETCH(type)                                                                                               \
    for (int64_t i = 0; i < n; i++)                                                                               \
    memcpy((type *)to + i * zs, (const type *)from + i * xs + place[i * ps] * line, sizeof(type))

ag_status agx_gather(const ag_array *x, int axis, const ag_array *index, const ag_array *z, int64_t *bad) {
    ag_status status = check(x, index, z, x->meta->dim[axis], bad);
    const ag_meta from_meta = lines_like(x->meta, axis, index->meta);
    const ag_array in[2] = {{&from_meta, x->data}, *index};
    agx_walk w;
    agx_walk_row at;
    if (status != AG_OK || !agx_walk_init(&w, in, 2, z)) return status;
    agx_walk_seek(&w, &at, 0);
    const size_t size = ag_dtype_size(z->meta->dtype);
    const int64_t n = w.n, xs = w.stride[0][w.rank - 1], ps = w.stride[1][w.rank - 1],
                  zs = w.stride[2][w.rank - 1], line = x->meta->stride[axis];
    for (int64_t row = 0; row < w.rows; row++, agx_walk_next(&w, &at)) {
        const char *from = (const char *)x->data + at.offset[0] * (int64_t)size;
        const int64_t *place = (const int64_t *)index->data + at.offset[1];
        char *to = (char *)z->data + at.offset[2] * (int64_t)size;
        if (size == 4)
            FETCH(uint32_t);
        else if (size == 8)
            FETCH(uint64_t);
        else
            FETCH(uint8_t);
    }
    return AG_OK;
}
#undef FETCH

/* z[i * zs + place[i * ps] * line] += x[i * xs] */
#define ADD(type)                                                                                                 \
    for (int64_t i = 0; i < n; i++) ((type *)to)[i * zs + place[i * ps] * line] += ((const type *)from)[i * xs]

ag_status agx_scatter_add(const ag_array *x, int axis, const ag_array *index, const ag_array *z, int64_t *bad) {
    ag_status status = check(x, index, z, z->meta->dim[axis], bad);
    if (z->meta->dtype == AG_BOOL) return AG_ERROR_DTYPE;
    ag_meta rows = *index->meta; /* dense: the walk goes row-major */
    ag_meta_make_dense(&rows);
    const ag_meta from_meta = part_like(x->meta, index->meta), to_meta = lines_like(z->meta, axis, index->meta);
    const ag_array in[3] = {{&from_meta, x->data}, *index, {&to_meta, z->data}};
    agx_walk w;
    agx_walk_row at;
    if (status != AG_OK || !agx_walk_init(&w, in, 3, &(ag_array){&rows, NULL})) return status;
    agx_walk_seek(&w, &at, 0);
    const ag_dtype dtype = z->meta->dtype;
    const int64_t size = (int64_t)ag_dtype_size(dtype);
    const int64_t n = w.n, xs = w.stride[0][w.rank - 1], ps = w.stride[1][w.rank - 1],
                  zs = w.stride[2][w.rank - 1], line = z->meta->stride[axis];
    for (int64_t row = 0; row < w.rows; row++, agx_walk_next(&w, &at)) {
        const char *from = (const char *)x->data + at.offset[0] * size;
        const int64_t *place = (const int64_t *)index->data + at.offset[1];
        char *to = (char *)z->data + at.offset[2] * size;
        if (dtype == AG_F32)
            ADD(float);
        else if (dtype == AG_F64)
            ADD(double);
        else
            ADD(uint64_t); /* i64, unsigned so that overflow wraps */
    }
    return AG_OK;
}
#undef ADD
