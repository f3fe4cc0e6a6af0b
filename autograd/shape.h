/* shape: dtypes, shapes, strides, broadcasting and axis rules. Plain data and pure functions. */
#ifndef AUTOGRAD_SHAPE_H
#define AUTOGRAD_SHAPE_H

#include "base.h"

AG_BEGIN_DECLS

/** Element types, in promotion order: X(name, text, bytes). f32 and f64 compute; i64 holds indices;
 *  bool holds masks (one byte, 0 or 1). */
#define AG_DTYPE_LIST(X)                                                                                          \
    X(BOOL, "bool", 1)                                                                                            \
    X(I64, "i64", 8)                                                                                              \
    X(F32, "f32", 4)                                                                                              \
    X(F64, "f64", 8)

typedef enum ag_dtype {
#define AG_DTYPE_ENUM(name, text, bytes) AG_##name,
    AG_DTYPE_LIST(AG_DTYPE_ENUM)
#undef AG_DTYPE_ENUM
        AG_DTYPE_COUNT
} ag_dtype;

enum { AG_MAX_RANK = 8 };

/** Type and layout of an array: shape and strides, both in elements. Entries at or past `rank` are
 *  unspecified. `offset` (elements) is used only where a view's shape rule places it in its operand. */
typedef struct ag_meta {
    ag_dtype dtype;
    int32_t rank; /* 0 to AG_MAX_RANK */
    int64_t offset;
    int64_t dim[AG_MAX_RANK];    /* each at least 0                                          */
    int64_t stride[AG_MAX_RANK]; /* elements; 0 repeats, negative walks backwards            */
} ag_meta;

AG_API const char *ag_dtype_name(ag_dtype dtype);
AG_API size_t ag_dtype_size(ag_dtype dtype); /* bytes of an element */
static inline bool ag_dtype_is_float(ag_dtype dtype) { return dtype >= AG_F32; }

/** Fill `meta` with a dense row-major layout.
 *  Errors: AG_ERROR_SHAPE (rank outside 0..8, negative dimension, element count or bytes overflow) */
AG_API ag_status ag_meta_init(ag_meta *meta, ag_dtype dtype, int rank, const int64_t *dim,
                              ag_error *error) AG_WARN_UNUSED;
/** Give `meta`, whose shape is set and known to be valid, dense row-major strides and offset 0. */
AG_API void ag_meta_make_dense(ag_meta *meta);
AG_API int64_t ag_meta_count(const ag_meta *meta); /* number of elements */
AG_API size_t ag_meta_bytes(const ag_meta *meta);  /* bytes of a dense copy */
/** Row-major without holes (dimensions of size 1 may have any stride). */
AG_API bool ag_meta_is_dense(const ag_meta *meta);
AG_API bool ag_meta_same_shape(const ag_meta *x, const ag_meta *y);

/** Write "f32 (3, 4)" into `text`; returns `text`. */
enum { AG_META_TEXT = 200 };
AG_API char *ag_meta_text(const ag_meta *meta, char *text, size_t size);

/** PyTorch's promotion: bool < i64 < f32 < f64; an operand of rank 0 decides only when it is of a
 *  higher category (bool, integer, float) than every operand of rank 1 or more. */
AG_API ag_dtype ag_promote(const ag_meta *const *in, uint32_t n);

/** NumPy broadcasting of `n` shapes into `out` (shape only; dtype and strides are left alone).
 *  Errors: AG_ERROR_SHAPE; the message names both shapes. */
AG_API ag_status ag_broadcast(const ag_meta *const *in, uint32_t n, ag_meta *out, ag_error *error) AG_WARN_UNUSED;
/** Strides that read `from` as if it had the shape of `to`: 0 along repeated dimensions.
 *  Precondition: `from` broadcasts to `to`. */
AG_API void ag_broadcast_strides(const ag_meta *from, const ag_meta *to, int64_t stride[AG_MAX_RANK]);

/** Normalise an axis that may count from the end (-1 is the last).
 *  Errors: AG_ERROR_AXIS */
AG_API ag_status ag_axis(int64_t axis, int rank, int *out, ag_error *error) AG_WARN_UNUSED;

/** A list of at most 8 integers, stored inline: axes, shapes, permutations in attributes. */
typedef struct ag_ints {
    int32_t n;
    int64_t v[AG_MAX_RANK];
} ag_ints;
/** Axes as a bit mask (bit k: axis k); an empty list means every axis. A scalar counts as one axis of size 1, as in
 *  PyTorch: axis 0 of rank 0 is no error, and its mask is empty.
 *  Errors: AG_ERROR_AXIS (out of range, or named twice) */
AG_API ag_status ag_axes_mask(const ag_ints *axes, int rank, uint32_t *mask, ag_error *error) AG_WARN_UNUSED;

AG_END_DECLS
#endif
