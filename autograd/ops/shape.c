/* shape: other looks at the same numbers - reshape, transpose, permute, expand.
 *
 * All are views: shape and strides change, nothing is copied. Only reshape may need a copy first, where no strides
 * describe the new shape; it then records `contiguous` before itself. Axes of size 1 are in axes.c, parts of an array in
 * index.c. */
#include "ops_impl.h"

#include <inttypes.h>

static const char *const identity_partials[] = {"1"};

static ag_status bad_list(const ag_query *q, const ag_ints *list) {
    return ag_fail(q->error, AG_ERROR_SHAPE, "a list of %" PRId32 " dimensions; it may have 0 to %d", list->n,
                   AG_MAX_RANK);
}

/* ---- contiguous: a dense copy -------------------------------------------------------------------------------- */

static ag_status contiguous_infer(const ag_query *q, ag_meta *out) {
    out->dtype = q->in[0]->dtype;
    agx_copy_shape(q->in[0], out);
    return agx_check_size(q, out); /* an expanded view can be larger than memory */
}

static ag_status contiguous_forward(const ag_eval *e) { return agx_copy(e->in, e->out, e->work); }

static ag_status contiguous_vjp(ag_reverse *r) {
    if (ag_wants(r, 0)) ag_give(r, 0, ag_dy(r, 0));
    return AG_OK;
}

static const ag_probe_case contiguous_cases[] = {
    {NULL, 1, {{AG_F64, 0, {0}, 0, 0}}},
    {NULL, 1, {{AG_F64, 2, {2, 3}, 0, 0}}},
};
static const ag_probe contiguous_probe = {.lo = {-2}, .hi = {2}, .n_cases = 2, .cases = contiguous_cases};

const ag_op agx_op_contiguous = {
    .name = "contiguous",
    .formula = "x, row-major",
    .partials = identity_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .traits = AG_TRAIT_LINEAR | AG_TRAIT_STRIDED,
    .infer = contiguous_infer,
    .forward = contiguous_forward,
    .vjp = contiguous_vjp,
    .cost = agx_cost_none,
    .probe = &contiguous_probe,
};

/* ---- reshape -------------------------------------------------------------------------------------------------------- */

/** The shape asked for, with its -1 worked out. */
static ag_status resolve(const ag_query *q, const ag_ints *shape, ag_meta *out) {
    const int64_t count = ag_meta_count(q->in[0]);
    if (shape->n < 0 || shape->n > AG_MAX_RANK) return bad_list(q, shape);
    int64_t known = 1; /* product of the dimensions that are given */
    int open = -1;
    for (int k = 0; k < shape->n; k++) {
        const int64_t size = out->dim[k] = shape->v[k];
        if (size == -1 && open < 0)
            open = k;
        else if (size < 0)
            return ag_fail(q->error, AG_ERROR_SHAPE, "dimension %d is %" PRId64 "%s", k, size,
                           size == -1 ? "; only one may be -1" : "");
        else if (!ag_int_mul(known, size, &known))
            return ag_fail(q->error, AG_ERROR_SHAPE, "the shape has too many elements");
    }
    if (open >= 0) {
        if (known == 0 || count % known != 0)
            return ag_fail(q->error, AG_ERROR_SHAPE,
                           "%" PRId64 " elements do not divide by %" PRId64 " to fill -1", count, known);
        out->dim[open] = count / known;
        known = count;
    }
    if (known != count)
        return ag_fail(q->error, AG_ERROR_SHAPE, "the shape has %" PRId64 " elements, the operand %" PRId64, known,
                       count);
    out->dtype = q->in[0]->dtype;
    out->rank = shape->n;
    return AG_OK;
}

/** Strides that read x in row-major order in the shape of `out`, which has as many elements; false where there are
 *  none. x falls into blocks of dimensions that lie behind one another in memory; each dimension of the new shape
 *  must fit into one. */
static bool view_strides(const ag_meta *x, ag_meta *out) {
    if (ag_meta_is_dense(x)) {
        ag_meta_make_dense(out);
        return true;
    }
    int64_t size[AG_MAX_RANK + 1] = {1}, stride[AG_MAX_RANK + 1] = {1}; /* blocks, the innermost first */
    int blocks = 0;
    for (int k = x->rank - 1; k >= 0; k--) {
        if (x->dim[k] == 1) continue;
        if (blocks > 0 && x->stride[k] == stride[blocks - 1] * size[blocks - 1]) {
            size[blocks - 1] *= x->dim[k];
        } else {
            size[blocks] = x->dim[k];
            stride[blocks++] = x->stride[k];
        }
    }
    int at = 0;
    int64_t left = size[0], step = stride[0]; /* what the current block still has */
    for (int k = out->rank - 1; k >= 0; k--) {
        if (out->dim[k] > 1 && left == 1) {
            left = size[++at];
            step = stride[at];
        }
        if (left % out->dim[k] != 0) return false;
        out->stride[k] = step;
        step *= out->dim[k];
        left /= out->dim[k];
    }
    return true;
}

static ag_status reshape_infer(const ag_query *q, ag_meta *out) {
    const agx_shape_attrs *a = q->attrs;
    ag_status status = resolve(q, &a->shape, out);
    if (status != AG_OK) return status;
    out->offset = 0;
    if (view_strides(q->in[0], out)) return AG_OK;
    return ag_fail(q->error, AG_ERROR_SHAPE, "no view of the operand has this shape: record contiguous first");
}

static ag_status reshape_vjp(ag_reverse *r) {
    const ag_meta *x = ag_in_meta(r, 0);
    if (ag_wants(r, 0)) ag_give(r, 0, ag_reshape(ag_dy(r, 0), x->rank, x->dim));
    return AG_OK;
}

static const ag_field shape_fields[] = {{"shape", AG_FIELD_INTS, offsetof(agx_shape_attrs, shape), 0}};
/* Tests apply the row itself, also with the last two axes swapped in memory: these shapes have a view even then. */
static const ag_probe_case reshape_cases[] = {
    {&(const agx_shape_attrs){{0, {0}}}, 1, {{AG_F64, 2, {1, 1}, 0, 0}}},
    {&(const agx_shape_attrs){{1, {-1}}}, 1, {{AG_F64, 0, {0}, 0, 0}}},
    {&(const agx_shape_attrs){{2, {3, 4}}}, 1, {{AG_F64, 3, {2, 6, 1}, 0, 0}}},
    {&(const agx_shape_attrs){{4, {2, -1, 2, 3}}}, 1, {{AG_F64, 3, {4, 2, 3}, 0, 0}}},
    {&(const agx_shape_attrs){{2, {0, 5}}}, 1, {{AG_F64, 2, {3, 0}, 0, 0}}},
};
static const ag_probe reshape_probe = {.lo = {-2}, .hi = {2}, .n_cases = 5, .cases = reshape_cases};

const ag_op agx_op_reshape = {
    .name = "reshape",
    .formula = "x, reshaped",
    .partials = identity_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .traits = AG_TRAIT_LINEAR | AG_TRAIT_VIEW,
    .attr_size = sizeof(agx_shape_attrs),
    .fields = shape_fields,
    .n_fields = 1,
    .infer = reshape_infer,
    .vjp = reshape_vjp,
    .probe = &reshape_probe,
};

ag_value ag_reshape(ag_value x, int rank, const int64_t *dim) {
    agx_shape_attrs a;
    if (!agx_ints_from_shape(dim, rank, &a.shape))
        return ag_tape_fail(x.tape, AG_ERROR_SHAPE, "reshape: rank %d is not in 0 to %d", rank, AG_MAX_RANK);
    const ag_meta *meta = ag_meta_of(x);
    if (meta && !ag_meta_is_dense(meta)) {
        ag_meta view;
        const ag_query q = {.op = &agx_op_reshape, .in = &meta, .n_in = 1, .attrs = &a};
        if (resolve(&q, &a.shape, &view) == AG_OK && !view_strides(meta, &view))
            x = agx_apply1(&agx_op_contiguous, x, NULL);
    }
    return agx_apply1(&agx_op_reshape, x, &a);
}

/* ---- transpose and permute ---------------------------------------------------------------------------------------------- */

static ag_status transpose_infer(const ag_query *q, ag_meta *out) {
    const agx_transpose_attrs *a = q->attrs;
    int i = 0, j = 0;
    ag_status status = agx_lane_axis(a->axis0, q->in[0]->rank, &i, q->error);
    if (status == AG_OK) status = agx_lane_axis(a->axis1, q->in[0]->rank, &j, q->error);
    if (status != AG_OK) return status;
    *out = *q->in[0];
    out->offset = 0;
    if (out->rank == 0) return AG_OK;
    out->dim[i] = q->in[0]->dim[j];
    out->dim[j] = q->in[0]->dim[i];
    out->stride[i] = q->in[0]->stride[j];
    out->stride[j] = q->in[0]->stride[i];
    return AG_OK;
}

/** A swap undoes itself. */
static ag_status transpose_vjp(ag_reverse *r) {
    if (ag_wants(r, 0)) ag_give(r, 0, agx_apply1(ag_rule_op(r), ag_dy(r, 0), ag_rule_attrs(r)));
    return AG_OK;
}

static const ag_field transpose_fields[] = {
    {"axis0", AG_FIELD_INT, offsetof(agx_transpose_attrs, axis0), -2},
    {"axis1", AG_FIELD_INT, offsetof(agx_transpose_attrs, axis1), -1},
};
static const ag_probe_case transpose_cases[] = {
    {&(const agx_transpose_attrs){0, -1}, 1, {{AG_F64, 0, {0}, 0, 0}}},
    {&(const agx_transpose_attrs){0, 0}, 1, {{AG_F64, 1, {3}, 0, 0}}},
    {&(const agx_transpose_attrs){0, 1}, 1, {{AG_F64, 2, {2, 3}, 0, 0}}},
    {&(const agx_transpose_attrs){-1, 0}, 1, {{AG_F64, 4, {2, 3, 1, 2}, 0, 0}}},
    {&(const agx_transpose_attrs){-2, -1}, 1, {{AG_F64, 3, {2, 0, 3}, 0, 0}}},
};
static const ag_probe transpose_probe = {.lo = {-2}, .hi = {2}, .n_cases = 5, .cases = transpose_cases};

const ag_op agx_op_transpose = {
    .name = "transpose",
    .formula = "x, two axes swapped",
    .partials = identity_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .traits = AG_TRAIT_LINEAR | AG_TRAIT_VIEW,
    .attr_size = sizeof(agx_transpose_attrs),
    .fields = transpose_fields,
    .n_fields = 2,
    .infer = transpose_infer,
    .vjp = transpose_vjp,
    .probe = &transpose_probe,
};

ag_value ag_transpose(ag_value x, int axis0, int axis1) {
    return agx_apply1(&agx_op_transpose, x, &(const agx_transpose_attrs){axis0, axis1});
}

static ag_status permute_infer(const ag_query *q, ag_meta *out) {
    const agx_permute_attrs *a = q->attrs;
    const ag_meta *x = q->in[0];
    uint32_t mask = 0;
    if (a->axes.n != x->rank)
        return ag_fail(q->error, AG_ERROR_AXIS, "%" PRId32 " axes for an operand of rank %" PRId32, a->axes.n,
                       x->rank);
    ag_status status = ag_axes_mask(&a->axes, x->rank, &mask, q->error); /* no axis twice: so each once */
    if (status != AG_OK) return status;
    out->dtype = x->dtype;
    out->rank = x->rank;
    out->offset = 0;
    for (int k = 0; k < x->rank; k++) {
        const int64_t from = a->axes.v[k] < 0 ? a->axes.v[k] + x->rank : a->axes.v[k];
        out->dim[k] = x->dim[from];
        out->stride[k] = x->stride[from];
    }
    return AG_OK;
}

static ag_status permute_vjp(ag_reverse *r) {
    const agx_permute_attrs *a = ag_rule_attrs(r);
    agx_permute_attrs inverse = {{.n = a->axes.n}};
    for (int k = 0; k < a->axes.n; k++)
        inverse.axes.v[a->axes.v[k] < 0 ? a->axes.v[k] + a->axes.n : a->axes.v[k]] = k;
    if (ag_wants(r, 0)) ag_give(r, 0, agx_apply1(&agx_op_permute, ag_dy(r, 0), &inverse));
    return AG_OK;
}

static const ag_field permute_fields[] = {{"axes", AG_FIELD_INTS, offsetof(agx_permute_attrs, axes), 0}};
static const ag_probe_case permute_cases[] = {
    {&(const agx_permute_attrs){{0, {0}}}, 1, {{AG_F64, 0, {0}, 0, 0}}},
    {&(const agx_permute_attrs){{2, {1, 0}}}, 1, {{AG_F64, 2, {2, 3}, 0, 0}}},
    {&(const agx_permute_attrs){{3, {1, 2, 0}}}, 1, {{AG_F64, 3, {2, 3, 2}, 0, 0}}},
    {&(const agx_permute_attrs){{4, {-1, 0, -2, 1}}}, 1, {{AG_F64, 4, {2, 1, 2, 3}, 0, 0}}},
    {&(const agx_permute_attrs){{3, {2, 0, 1}}}, 1, {{AG_F64, 3, {2, 0, 3}, 0, 0}}},
};
static const ag_probe permute_probe = {.lo = {-2}, .hi = {2}, .n_cases = 5, .cases = permute_cases};

const ag_op agx_op_permute = {
    .name = "permute",
    .formula = "x, axes reordered",
    .partials = identity_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .traits = AG_TRAIT_LINEAR | AG_TRAIT_VIEW,
    .attr_size = sizeof(agx_permute_attrs),
    .fields = permute_fields,
    .n_fields = 1,
    .infer = permute_infer,
    .vjp = permute_vjp,
    .probe = &permute_probe,
};

ag_value ag_permute(ag_value x, const int *axes, int n) {
    agx_permute_attrs a;
    if (!agx_ints_from_axes(axes, n, &a.axes))
        return ag_tape_fail(x.tape, AG_ERROR_AXIS, "permute: a list of %d axes; it may have 0 to %d", n,
                            AG_MAX_RANK);
    return agx_apply1(&agx_op_permute, x, &a);
}

/* ---- expand --------------------------------------------------------------------------------------------------------------- */

static ag_status expand_infer(const ag_query *q, ag_meta *out) {
    const agx_shape_attrs *a = q->attrs;
    const ag_meta *x = q->in[0];
    const int rank = a->shape.n;
    if (rank < 0 || rank > AG_MAX_RANK) return bad_list(q, &a->shape);
    const int added = rank - x->rank;
    if (added < 0)
        return ag_fail(q->error, AG_ERROR_SHAPE, "cannot expand rank %" PRId32 " to rank %d", x->rank, rank);
    out->dtype = x->dtype;
    out->rank = rank;
    out->offset = 0;
    for (int k = 0; k < rank; k++) {
        const int64_t has = k < added ? 1 : x->dim[k - added];
        const int64_t wants = a->shape.v[k] == -1 && k >= added ? has : a->shape.v[k];
        if (wants < 0 || (has != 1 && has != wants))
            return ag_fail(q->error, AG_ERROR_SHAPE, "dimension %d cannot go from %" PRId64 " to %" PRId64, k, has,
                           wants);
        out->dim[k] = wants;
        out->stride[k] = k < added || (has == 1 && wants != 1) ? 0 : x->stride[k - added];
    }
    return agx_check_size(q, out);
}

/** Summing over what was repeated is ag_give's own business. */
static ag_status expand_vjp(ag_reverse *r) {
    if (ag_wants(r, 0)) ag_give(r, 0, ag_dy(r, 0));
    return AG_OK;
}

static const ag_probe_case expand_cases[] = {
    {&(const agx_shape_attrs){{0, {0}}}, 1, {{AG_F64, 0, {0}, 0, 0}}},
    {&(const agx_shape_attrs){{2, {2, 3}}}, 1, {{AG_F64, 0, {0}, 0, 0}}},
    {&(const agx_shape_attrs){{3, {2, -1, 3}}}, 1, {{AG_F64, 2, {4, 1}, 0, 0}}},
    {&(const agx_shape_attrs){{4, {2, 3, 2, 2}}}, 1, {{AG_F64, 4, {2, 1, 2, 1}, 0, 0}}},
    {&(const agx_shape_attrs){{2, {0, 3}}}, 1, {{AG_F64, 2, {1, 3}, 0, 0}}},
};
static const ag_probe expand_probe = {.lo = {-2}, .hi = {2}, .n_cases = 5, .cases = expand_cases};

const ag_op agx_op_expand = {
    .name = "expand",
    .formula = "x, repeated",
    .partials = identity_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .traits = AG_TRAIT_LINEAR | AG_TRAIT_VIEW,
    .attr_size = sizeof(agx_shape_attrs),
    .fields = shape_fields,
    .n_fields = 1,
    .infer = expand_infer,
    .vjp = expand_vjp,
    .probe = &expand_probe,
};

ag_value ag_expand(ag_value x, int rank, const int64_t *dim) {
    agx_shape_attrs a;
    if (!agx_ints_from_shape(dim, rank, &a.shape))
        return ag_tape_fail(x.tape, AG_ERROR_SHAPE, "expand: rank %d is not in 0 to %d", rank, AG_MAX_RANK);
    return agx_apply1(&agx_op_expand, x, &a);
}
