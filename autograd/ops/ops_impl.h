/* ops_impl: what the operation families share - attribute structures, and small steps of shape rules, forwards
 * and derivative rules. Internal: no public header includes it.
 *
 * A family file reads the same way for every operation: shape rule, forward, derivative rule, probe, row, and the
 * public function that fills the attributes and calls ag_apply. */
#ifndef AGX_OPS_IMPL_H
#define AGX_OPS_IMPL_H

#include "../kernels/kernels.h"
#include "../ops.h"

#define OP(name) extern const ag_op agx_op_##name;
#include "catalogue.def"
#undef OP

/* ---- attributes: plain memory, described by each row's field table ----------------------------------------- */

/** sum, mean, prod, amax, amin, logsumexp. An empty list means all axes. */
typedef struct agx_reduce_attrs {
    ag_ints axes;
    bool keepdim;
} agx_reduce_attrs;

/** argmax, argmin, max_dim, min_dim. axis AG_ALL_AXES: over everything, the index counts row-major. */
typedef struct agx_argmax_attrs {
    int64_t axis;
    bool keepdim;
} agx_argmax_attrs;

/** reshape, expand, sum_to. */
typedef struct agx_shape_attrs {
    ag_ints shape;
} agx_shape_attrs;

/** The softmax family, stack, cat, squeeze, unsqueeze, index_select. */
typedef struct agx_axis_attrs {
    int64_t axis;
} agx_axis_attrs;

typedef struct agx_transpose_attrs {
    int64_t axis0, axis1;
} agx_transpose_attrs;

typedef struct agx_permute_attrs {
    ag_ints axes;
} agx_permute_attrs;

typedef struct agx_slice_attrs {
    int64_t axis, start, stop, step;
} agx_slice_attrs;

typedef struct agx_select_attrs {
    int64_t axis, index;
} agx_select_attrs;

/** Where a slice lay: position start + i * step of an axis with `size` positions. */
typedef struct agx_slice_grad_attrs {
    int64_t axis, start, step, size;
} agx_slice_grad_attrs;

typedef struct agx_scatter_attrs {
    int64_t axis, size;
} agx_scatter_attrs;

typedef struct agx_cast_attrs {
    ag_dtype dtype;
} agx_cast_attrs;

typedef struct agx_dropout_attrs {
    double p;
    ag_random random;
} agx_dropout_attrs;

typedef struct agx_cholesky_attrs {
    bool symmetrize;
} agx_cholesky_attrs;

typedef struct agx_solve_triangular_attrs {
    bool upper, left, unitriangular;
} agx_solve_triangular_attrs;

/** A triangle, the diagonal times a weight. */
typedef struct agx_triangular_part_attrs {
    bool upper;
    double weight;
} agx_triangular_part_attrs;

/** rand, randn: what they fill, and the generator's position. */
typedef struct agx_array_attrs {
    ag_ints shape;
    ag_dtype dtype;
    ag_random random;
} agx_array_attrs;

typedef struct agx_random_attrs {
    ag_random random;
} agx_random_attrs;

typedef struct agx_permutation_attrs {
    int64_t n;
    ag_random random;
} agx_permutation_attrs;

/** standardize and its adjoint. An empty list means all axes. */
typedef struct agx_standardize_attrs {
    ag_ints axes;
    double eps;
} agx_standardize_attrs;

/* ---- recording ------------------------------------------------------------------------------------------------ */

static inline ag_value agx_apply1(const ag_op *op, ag_value x, const void *attrs) {
    return ag_apply(NULL, op, &x, 1, attrs);
}
static inline ag_value agx_apply2(const ag_op *op, ag_value x, ag_value y, const void *attrs) {
    const ag_value in[2] = {x, y};
    return ag_apply(NULL, op, in, 2, attrs);
}
static inline ag_value agx_apply3(const ag_op *op, ag_value x, ag_value y, ag_value z, const void *attrs) {
    const ag_value in[3] = {x, y, z};
    return ag_apply(NULL, op, in, 3, attrs);
}

/** What the reverse rule of f's record gives operand i, which moves, for adjoints of 1. In transpose.c. */
ag_value agx_reverse_of_ones(ag_forward *f, uint32_t i);

/** Lists as attributes hold them; false when a list is longer than any shape can be, or missing. */
static inline bool agx_ints_from_axes(const int *axes, int n, ag_ints *out) {
    if (n < 0 || n > AG_MAX_RANK || (n > 0 && !axes)) return false;
    *out = (ag_ints){.n = n};
    for (int k = 0; k < n; k++) out->v[k] = axes[k];
    return true;
}
static inline bool agx_ints_from_shape(const int64_t *dim, int rank, ag_ints *out) {
    if (rank < 0 || rank > AG_MAX_RANK || (rank > 0 && !dim)) return false;
    *out = (ag_ints){.n = rank};
    for (int k = 0; k < rank; k++) out->v[k] = dim[k];
    return true;
}

/* ---- shape rules ------------------------------------------------------------------------------------------------ */

static inline void agx_copy_shape(const ag_meta *x, ag_meta *out) {
    out->rank = x->rank;
    for (int k = 0; k < x->rank; k++) out->dim[k] = x->dim[k];
}

/** An axis of an array; a scalar counts as one axis of size 1, as in PyTorch. */
static inline ag_status agx_lane_axis(int64_t axis, int rank, int *out, ag_error *error) {
    return ag_axis(axis, rank > 0 ? rank : 1, out, error);
}

/** The layout of x without an axis; offset 0. */
static inline void agx_drop_axis(const ag_meta *x, int axis, ag_meta *out) {
    out->dtype = x->dtype;
    out->rank = x->rank - 1;
    out->offset = 0;
    for (int k = 0; k < out->rank; k++) {
        out->dim[k] = x->dim[k + (k >= axis)];
        out->stride[k] = x->stride[k + (k >= axis)];
    }
}

/** The dtype that `n` operands compute in; integers and bools alone are refused. */
static inline ag_status agx_promote_float(const ag_query *q, uint32_t n, ag_dtype *dtype) {
    *dtype = q->in[0]->dtype;
    bool same = true;
    for (uint32_t i = 1; i < n; i++) same = same && q->in[i]->dtype == *dtype;
    if (!same) *dtype = ag_promote(q->in, n);
    if (AG_LIKELY(ag_dtype_is_float(*dtype))) return AG_OK;
    return ag_fail(q->error, AG_ERROR_DTYPE, "needs a floating-point operand, got %s",
                   ag_dtype_name(q->in[0]->dtype));
}

/** The last word of a shape rule whose result may be larger than its operands: can it be counted in bytes? */
static inline ag_status agx_check_size(const ag_query *q, const ag_meta *out) {
    int64_t bytes = (int64_t)ag_dtype_size(out->dtype);
    for (int k = 0; k < out->rank; k++)
        if (out->dim[k] > 0 && !ag_int_mul(bytes, out->dim[k], &bytes))
            return ag_fail(q->error, AG_ERROR_SHAPE, "the result has too many elements");
    return AG_OK;
}

/* ---- costs: floating-point operations of a forward (op.h) ---------------------------------------------------------- */

/** Numbers are moved, or only chosen. */
static inline double agx_cost_none(const ag_query *q) {
    (void)q;
    return 0;
}
/** One for each element of operand 0. */
static inline double agx_cost_elements(const ag_query *q) { return (double)ag_meta_count(q->in[0]); }

/* ---- forwards --------------------------------------------------------------------------------------------------- */

/** An array with room for the meta it may need. */
typedef struct agx_local {
    ag_meta meta;
    ag_array array;
} agx_local;

/** A dense copy of x as `dtype`, in scratch. */
static inline ag_status agx_copy_dense(const ag_eval *e, const ag_array *x, ag_dtype dtype, agx_local *out) {
    out->meta = *x->meta;
    out->meta.dtype = dtype;
    ag_meta_make_dense(&out->meta);
    size_t bytes = 0; /* a view of few bools may stand for more numbers than can be counted */
    const bool fits = ag_size_mul((size_t)ag_meta_count(&out->meta), ag_dtype_size(dtype), &bytes);
    out->array = (ag_array){&out->meta, fits ? ag_scratch(e->work, bytes) : NULL};
    if (!out->array.data) return ag_fail(e->error, AG_ERROR_MEMORY, "no memory for a converted operand");
    return agx_copy(x, &out->array, e->work);
}

/** x itself when it has the dtype already, else a dense copy that has. */
static inline ag_status agx_as_dtype(const ag_eval *e, const ag_array *x, ag_dtype dtype, agx_local *out) {
    if (x->meta->dtype != dtype) return agx_copy_dense(e, x, dtype, out);
    out->array = *x;
    return AG_OK;
}

/** The address of an element, `offset` elements on. */
static inline void *agx_at(void *data, ag_dtype dtype, int64_t offset) {
    return (char *)data + offset * (int64_t)ag_dtype_size(dtype);
}

#endif
