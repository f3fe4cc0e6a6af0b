/* index: slices gathered from positions along an axis, and slices added back there.
 *
 * Both see the array as (outer, axis, inner). Where the inner part lies contiguous a slice is one run, copied or
 * added at once; other layouts go slice by slice through agx_copy and agx_accumulate.
 *
 * Invariants: nothing is written unless every index is in range; slices that meet in one place are added in the
 * order of the index. Left out: an index for every element (gather), negative indices. */
#include "kernels.h"

#include <string.h>

/* The first position whose index is outside [0, size), or n. */
static int64_t first_bad(const ag_array *index, int64_t size) {
    const int64_t *at = index->data;
    int64_t n = index->meta->dim[0], step = index->meta->stride[0], i = 0;
    while (i < n && at[i * step] >= 0 && at[i * step] < size) i++;
    return i;
}

/* An array around one axis: (outer, axis, inner). */
typedef struct around {
    int64_t outer, inner;
    size_t size; /* bytes of an element */
    bool runs;   /* dense, so that a slice is `outer` runs of `inner` elements */
} around;

static around around_axis(const ag_meta *x, int axis) {
    around a = {.outer = 1, .inner = 1, .size = ag_dtype_size(x->dtype), .runs = ag_meta_is_dense(x)};
    for (int k = 0; k < axis; k++) a.outer *= x->dim[k];
    for (int k = axis + 1; k < x->rank; k++) a.inner *= x->dim[k];
    return a;
}

/* Slice i of the axis, as an array of its own. */
static ag_array slice(const ag_array *x, int axis, int64_t i, ag_meta *meta) {
    *meta = *x->meta;
    meta->dim[axis] = 1;
    int64_t offset = i * meta->stride[axis] * (int64_t)ag_dtype_size(meta->dtype);
    return (ag_array){meta, (char *)x->data + offset};
}

static ag_status check(const ag_array *x, const ag_array *index, const ag_array *z, int64_t size, int64_t *bad) {
    if (x->meta->dtype != z->meta->dtype || index->meta->dtype != AG_I64) return AG_ERROR_DTYPE;
    int64_t first = first_bad(index, size);
    if (bad) *bad = first;
    return first < index->meta->dim[0] ? AG_ERROR_INDEX : AG_OK;
}

ag_status agx_index_select(const ag_array *x, int axis, const ag_array *index, const ag_array *z, int64_t *bad,
                           ag_workspace *work) {
    ag_status status = check(x, index, z, x->meta->dim[axis], bad);
    if (status != AG_OK || ag_meta_count(z->meta) == 0) return status;
    const int64_t *at = index->data;
    int64_t n = index->meta->dim[0], step = index->meta->stride[0], size = x->meta->dim[axis];
    around a = around_axis(x->meta, axis);
    if (!a.runs) {
        for (int64_t i = 0; i < n && status == AG_OK; i++) {
            ag_meta from_meta, to_meta;
            ag_array from = slice(x, axis, at[i * step], &from_meta), to = slice(z, axis, i, &to_meta);
            status = agx_copy(&from, &to, work);
        }
        return status;
    }
    size_t run = (size_t)a.inner * a.size;
    char *to = z->data;
    for (int64_t o = 0; o < a.outer; o++) {
        const char *from = (const char *)x->data + (size_t)(o * size) * run;
        /* Single elements: a constant size makes the copy a move. */
        if (run == 4)
            for (int64_t i = 0; i < n; i++, to += 4) memcpy(to, from + 4 * at[i * step], 4);
        else if (run == 8)
            for (int64_t i = 0; i < n; i++, to += 8) memcpy(to, from + 8 * at[i * step], 8);
        else
            for (int64_t i = 0; i < n; i++, to += run) memcpy(to, from + (size_t)at[i * step] * run, run);
    }
    return AG_OK;
}

/* z += x for a run of n elements; sums of masks are "or". */
static void add_run(ag_dtype dtype, const agx_vectors *v, int64_t n, const void *x, void *z) {
    enum { SHORT = 8 }; /* below this, a loop here costs less than a call */
    switch (dtype) {
    case AG_BOOL:
        for (int64_t i = 0; i < n; i++) ((bool *)z)[i] |= ((const bool *)x)[i];
        return;
    case AG_I64: /* unsigned, so that overflow wraps */
        for (int64_t i = 0; i < n; i++) ((uint64_t *)z)[i] += ((const uint64_t *)x)[i];
        return;
    case AG_F32:
        if (n > SHORT) break;
        for (int64_t i = 0; i < n; i++) ((float *)z)[i] += ((const float *)x)[i];
        return;
    default:
        if (n > SHORT) break;
        for (int64_t i = 0; i < n; i++) ((double *)z)[i] += ((const double *)x)[i];
        return;
    }
    v->forward[AGX_ROW_add][dtype == AG_F64](n, (const void *const[]){z, x}, (const int[]){1, 1}, z, 0);
}

ag_status agx_index_add(const ag_array *x, int axis, const ag_array *index, const ag_array *z, int64_t *bad,
                        ag_workspace *work) {
    int64_t size = z->meta->dim[axis];
    ag_status status = check(x, index, z, size, bad);
    if (status != AG_OK) return status;
    memset(z->data, 0, ag_meta_bytes(z->meta));
    if (ag_meta_count(x->meta) == 0) return AG_OK;
    const int64_t *at = index->data;
    int64_t n = index->meta->dim[0], step = index->meta->stride[0];
    around a = around_axis(x->meta, axis);
    if (!a.runs) {
        for (int64_t i = 0; i < n && status == AG_OK; i++) {
            ag_meta from_meta, to_meta;
            ag_array from = slice(x, axis, i, &from_meta), to = slice(z, axis, at[i * step], &to_meta);
            status = agx_accumulate(&from, &to, work);
        }
        return status;
    }
    const agx_vectors *v = agx_vector_table();
    size_t run = (size_t)a.inner * a.size;
    const char *from = x->data;
    for (int64_t o = 0; o < a.outer; o++) {
        char *to = (char *)z->data + (size_t)(o * size) * run;
        for (int64_t i = 0; i < n; i++, from += run)
            add_run(x->meta->dtype, v, a.inner, from, to + (size_t)at[i * step] * run);
    }
    return AG_OK;
}
