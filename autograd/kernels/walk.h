/* walk: several arrays of one shape visited together, element by element, whatever their strides.
 *
 * A walk is the shape with dimensions of size 1 left out, dimensions in the order of the destination's strides, and
 * neighbours merged where every array allows it: a dense array is one long row, a row vector added to a matrix a walk
 * of rank 2. The last dimension is the row; callers loop over rows and hand each to an inner loop.
 *
 * Used by map.c and copy.c. Left out: threads, numbers. */
#ifndef AGX_WALK_H
#define AGX_WALK_H

#include "kernels.h"

enum { AGX_WALK_ARRAYS = 5 };

/** Element strides[k][d] of array k along dimension d. Array `arrays` - 1 is the destination. rank is at least 1. */
typedef struct agx_walk {
    int rank, arrays;
    int64_t n, rows; /* elements of a row (the last dimension); how many rows */
    int64_t dim[AG_MAX_RANK];
    int64_t stride[AGX_WALK_ARRAYS][AG_MAX_RANK];
} agx_walk;

/** Where a walk stands: the row's index along each outer dimension, and each array's offset of the row's start. */
typedef struct agx_walk_row {
    int64_t index[AG_MAX_RANK];
    int64_t offset[AGX_WALK_ARRAYS];
} agx_walk_row;

static inline int64_t agx_walk_size(int64_t stride) { return stride < 0 ? -stride : stride; }

/** Walk the n_in operands, broadcast, and z. False: z is empty. */
static inline bool agx_walk_init(agx_walk *w, const ag_array *in, uint32_t n_in, const ag_array *z) {
    const ag_meta *shape = z->meta;
    int64_t stride[AGX_WALK_ARRAYS][AG_MAX_RANK];
    int order[AG_MAX_RANK], rank = 0;

    for (uint32_t k = 0; k < n_in; k++) ag_broadcast_strides(in[k].meta, shape, stride[k]);
    for (int d = 0; d < shape->rank; d++) {
        if (shape->dim[d] == 0) return false;
        stride[n_in][d] = shape->stride[d];
        if (shape->dim[d] == 1) continue;
        int at = rank++; /* insertion by falling size of z's stride; row-major order is already sorted */
        for (; at > 0 && agx_walk_size(shape->stride[order[at - 1]]) < agx_walk_size(shape->stride[d]); at--)
            order[at] = order[at - 1];
        order[at] = d;
    }

    w->arrays = (int)n_in + 1;
    w->rank = 0;
    for (int i = 0; i < rank; i++) {
        const int d = order[i], last = w->rank - 1;
        bool merges = last >= 0;
        for (int k = 0; merges && k < w->arrays; k++) merges = w->stride[k][last] == stride[k][d] * shape->dim[d];
        const int to = merges ? last : w->rank++;
        w->dim[to] = merges ? w->dim[to] * shape->dim[d] : shape->dim[d];
        for (int k = 0; k < w->arrays; k++) w->stride[k][to] = stride[k][d];
    }
    if (w->rank == 0) { /* one element */
        w->rank = 1;
        w->dim[0] = 1;
        for (int k = 0; k < w->arrays; k++) w->stride[k][0] = 1;
    }
    w->n = w->dim[w->rank - 1];
    w->rows = 1;
    for (int d = 0; d + 1 < w->rank; d++) w->rows *= w->dim[d];
    return true;
}

static inline void agx_walk_seek(const agx_walk *w, agx_walk_row *at, int64_t row) {
    for (int k = 0; k < w->arrays; k++) at->offset[k] = 0;
    for (int d = w->rank - 1; d-- > 0;) {
        at->index[d] = row % w->dim[d];
        row /= w->dim[d];
        for (int k = 0; k < w->arrays; k++) at->offset[k] += at->index[d] * w->stride[k][d];
    }
}

/** To the next row. After the last it stands at the first again. */
static inline void agx_walk_next(const agx_walk *w, agx_walk_row *at) {
    for (int d = w->rank - 1; d-- > 0;) {
        const bool carry = ++at->index[d] == w->dim[d];
        const int64_t steps = carry ? 1 - w->dim[d] : 1;
        for (int k = 0; k < w->arrays; k++) at->offset[k] += steps * w->stride[k][d];
        if (!carry) return;
        at->index[d] = 0;
    }
}

#endif
