/* shape: dtypes, shapes, strides, broadcasting and axis rules.
 *
 * Invariant: for every ag_meta that ag_meta_init accepted, the product of its non-zero dimensions times the element
 * size fits in an int64_t. Strides, offsets, counts and byte sizes of such a meta therefore never overflow.
 * Left out: which shapes an operation accepts; that is its row's shape rule. */
#include "shape.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *ag_dtype_name(ag_dtype dtype) {
    static const char *const names[AG_DTYPE_COUNT] = {
#define DTYPE_NAME(name, text, bytes) text,
        AG_DTYPE_LIST(DTYPE_NAME)
#undef DTYPE_NAME
    };
    return (unsigned)dtype < AG_DTYPE_COUNT ? names[dtype] : "unknown";
}

size_t ag_dtype_size(ag_dtype dtype) {
    static const size_t sizes[AG_DTYPE_COUNT] = {
#define DTYPE_SIZE(name, text, bytes) bytes,
        AG_DTYPE_LIST(DTYPE_SIZE)
#undef DTYPE_SIZE
    };
    return (unsigned)dtype < AG_DTYPE_COUNT ? sizes[dtype] : 0;
}

/* ---- layout ----------------------------------------------------------------------------------------------- */

ag_status ag_meta_init(ag_meta *meta, ag_dtype dtype, int rank, const int64_t *dim, ag_error *error) {
    if ((unsigned)dtype >= AG_DTYPE_COUNT) return ag_fail(error, AG_ERROR_DTYPE, "unknown dtype %d", (int)dtype);
    if (rank < 0 || rank > AG_MAX_RANK)
        return ag_fail(error, AG_ERROR_SHAPE, "rank %d is outside 0 to %d", rank, AG_MAX_RANK);
    memset(meta, 0, sizeof *meta);
    meta->dtype = dtype;
    meta->rank = rank;
    /* Dimensions of size 0 are left out of the product: the strides of an empty array must not overflow either. */
    int64_t extent = (int64_t)ag_dtype_size(dtype);
    for (int k = 0; k < rank; k++) {
        if (dim[k] < 0) return ag_fail(error, AG_ERROR_SHAPE, "dimension %d is negative: %" PRId64, k, dim[k]);
        if (!ag_int_mul(extent, dim[k] ? dim[k] : 1, &extent))
            return ag_fail(error, AG_ERROR_SHAPE, "shape has too many elements (dimension %d is %" PRId64 ")", k,
                           dim[k]);
        meta->dim[k] = dim[k];
    }
    ag_meta_make_dense(meta);
    return AG_OK;
}

void ag_meta_make_dense(ag_meta *meta) {
    int64_t stride = 1;
    for (int k = meta->rank - 1; k >= 0; k--) {
        meta->stride[k] = stride;
        stride *= meta->dim[k] ? meta->dim[k] : 1;
    }
    meta->offset = 0;
}

int64_t ag_meta_count(const ag_meta *meta) {
    int64_t count = 1;
    for (int k = 0; k < meta->rank; k++) {
        if (meta->dim[k] == 0) return 0;
        count *= meta->dim[k];
    }
    return count;
}

size_t ag_meta_bytes(const ag_meta *meta) { return (size_t)ag_meta_count(meta) * ag_dtype_size(meta->dtype); }

bool ag_meta_is_dense(const ag_meta *meta) {
    int64_t stride = 1;
    bool dense = true;
    for (int k = meta->rank - 1; k >= 0; k--) {
        if (meta->dim[k] == 0) return true;
        if (meta->dim[k] == 1) continue;
        if (meta->stride[k] != stride) dense = false;
        stride *= meta->dim[k];
    }
    return dense;
}

bool ag_meta_same_shape(const ag_meta *x, const ag_meta *y) {
    if (x->rank != y->rank) return false;
    for (int k = 0; k < x->rank; k++)
        if (x->dim[k] != y->dim[k]) return false;
    return true;
}

/* Append to a text that may be full already; at is where the text would end if it had room. */
static size_t append_size(char *text, size_t size, size_t at, const char *before, int64_t value) {
    int n = snprintf(at < size ? text + at : NULL, at < size ? size - at : 0, "%s%" PRId64, before, value);
    return n < 0 ? at : at + (size_t)n;
}

/* "(3, 4)" at position `at`. */
static void shape_text(const ag_meta *meta, char *text, size_t size, size_t at) {
    if (meta->rank == 0 && at < size) snprintf(text + at, size - at, "(");
    size_t end = meta->rank == 0 ? at + 1 : at;
    for (int k = 0; k < meta->rank; k++) end = append_size(text, size, end, k ? ", " : "(", meta->dim[k]);
    if (end < size) snprintf(text + end, size - end, ")");
}

char *ag_meta_text(const ag_meta *meta, char *text, size_t size) {
    if (size == 0) return text;
    int n = snprintf(text, size, "%s ", ag_dtype_name(meta->dtype));
    if (n > 0) shape_text(meta, text, size, (size_t)n);
    return text;
}

/* ---- rules for several operands ------------------------------------------------------------------------- */

/* bool 0, integers 1, floats 2 */
static int category(ag_dtype dtype) { return dtype == AG_BOOL ? 0 : ag_dtype_is_float(dtype) ? 2 : 1; }

ag_dtype ag_promote(const ag_meta *const *in, uint32_t n) {
    /* The dtypes are in promotion order, so that promoting is taking the larger. */
    ag_dtype arrays = AG_BOOL, numbers = AG_BOOL;
    bool any_array = false;
    for (uint32_t i = 0; i < n; i++) {
        ag_dtype *widest = in[i]->rank > 0 ? &arrays : &numbers;
        if (in[i]->rank > 0) any_array = true;
        if (in[i]->dtype > *widest) *widest = in[i]->dtype;
    }
    return any_array && category(numbers) <= category(arrays) ? arrays : numbers;
}

static ag_status broadcast_error(const ag_meta *x, const ag_meta *y, int back, ag_error *error) {
    char one[AG_META_TEXT], other[AG_META_TEXT];
    shape_text(x, one, sizeof one, 0);
    shape_text(y, other, sizeof other, 0);
    return ag_fail(error, AG_ERROR_SHAPE,
                   "shapes %s and %s do not broadcast: %" PRId64 " against %" PRId64 " at axis -%d", one, other,
                   x->dim[x->rank - back], y->dim[y->rank - back], back);
}

ag_status ag_broadcast(const ag_meta *const *in, uint32_t n, ag_meta *out, ag_error *error) {
    int rank = 0;
    for (uint32_t i = 0; i < n; i++)
        if (in[i]->rank > rank) rank = in[i]->rank;

    int64_t dim[AG_MAX_RANK], extent = (int64_t)ag_dtype_size(AG_F64);
    for (int back = 1; back <= rank; back++) { /* axis -back: shapes are aligned at their ends */
        const ag_meta *decides = NULL;
        for (uint32_t i = 0; i < n; i++) {
            const ag_meta *x = in[i];
            if (x->rank < back || x->dim[x->rank - back] == 1) continue;
            if (!decides)
                decides = x;
            else if (x->dim[x->rank - back] != decides->dim[decides->rank - back])
                return broadcast_error(decides, x, back, error);
        }
        int64_t size = decides ? decides->dim[decides->rank - back] : 1;
        if (!ag_int_mul(extent, size ? size : 1, &extent))
            return ag_fail(error, AG_ERROR_SHAPE, "the broadcast shape has too many elements");
        dim[rank - back] = size;
    }
    out->rank = rank;
    for (int k = 0; k < rank; k++) out->dim[k] = dim[k];
    return AG_OK;
}

void ag_broadcast_strides(const ag_meta *from, const ag_meta *to, int64_t stride[AG_MAX_RANK]) {
    int missing = to->rank - from->rank;
    for (int k = 0; k < to->rank; k++) {
        bool repeats = k < missing || (from->dim[k - missing] == 1 && to->dim[k] != 1);
        stride[k] = repeats ? 0 : from->stride[k - missing];
    }
}

/* ---- axes ------------------------------------------------------------------------------------------------- */

ag_status ag_axis(int64_t axis, int rank, int *out, ag_error *error) {
    if (axis < -(int64_t)rank || axis >= rank)
        return ag_fail(error, AG_ERROR_AXIS, "axis %" PRId64 " is out of range for rank %d", axis, rank);
    *out = (int)(axis < 0 ? axis + rank : axis);
    return AG_OK;
}

ag_status ag_axes_mask(const ag_ints *axes, int rank, uint32_t *mask, ag_error *error) {
    if (axes->n < 0 || axes->n > AG_MAX_RANK)
        return ag_fail(error, AG_ERROR_AXIS, "a list of %" PRId32 " axes; it may have 0 to %d", axes->n,
                       AG_MAX_RANK);
    uint32_t bits = axes->n ? 0 : (1u << rank) - 1;
    for (int32_t i = 0; i < axes->n; i++) {
        int axis = 0;
        ag_status status = ag_axis(axes->v[i], rank > 0 ? rank : 1, &axis, error);
        if (status) return status;
        if (bits & 1u << axis) return ag_fail(error, AG_ERROR_AXIS, "axis %d is named twice", axis);
        bits |= 1u << axis;
    }
    *mask = rank > 0 ? bits : 0;
    return AG_OK;
}
