/* diagonal: diagonals taken out of an array (diagonal, a view) and put into one (diag_embed).
 *
 * Element i of diagonal `offset` of the axes (a, b) lies at (i, i + offset), or (i - offset, i) below the main one.
 * diagonal_grad puts diagonals into zeros of any size, which is what the adjoint of diagonal needs; diag_embed is the
 * public, square case. The derivative of both is diagonal. */
#include "ops_impl.h"

#include <inttypes.h>

typedef struct diagonal_attrs {
    int64_t offset, axis1, axis2;
} diagonal_attrs;

/** Where diagonals go: axes of the result and their sizes. */
typedef struct embed_attrs {
    int64_t offset, axis1, axis2, size1, size2;
} embed_attrs;

static ag_status find_axes(const ag_query *q, int64_t axis1, int64_t axis2, int rank, int *a, int *b) {
    ag_status status = ag_axis(axis1, rank, a, q->error);
    if (status == AG_OK) status = ag_axis(axis2, rank, b, q->error);
    if (status == AG_OK && *a == *b)
        return ag_fail(q->error, AG_ERROR_AXIS, "a diagonal needs two axes, got %d twice", *a);
    return status;
}

/** How long diagonal `offset` of a matrix is. */
static int64_t length_of(int64_t rows, int64_t cols, int64_t offset) {
    if (offset >= cols || (offset < 0 && offset <= -rows)) return 0;
    if (offset >= 0) return rows < cols - offset ? rows : cols - offset;
    return rows + offset < cols ? rows + offset : cols;
}

/** The layout of a diagonal of x as a view, its axis the last; offset: where it starts in x. */
static void diagonal_of(const ag_meta *x, int a, int b, int64_t offset, ag_meta *out) {
    out->dtype = x->dtype;
    out->rank = x->rank - 1;
    int n = 0;
    for (int k = 0; k < x->rank; k++) {
        if (k == a || k == b) continue;
        out->dim[n] = x->dim[k];
        out->stride[n++] = x->stride[k];
    }
    out->dim[n] = length_of(x->dim[a], x->dim[b], offset);
    out->stride[n] = x->stride[a] + x->stride[b];
    out->offset = ag_meta_count(out) == 0 ? 0 : offset >= 0 ? offset * x->stride[b] : -offset * x->stride[a];
}

static const char *const diagonal_partials[] = {"1 on the diagonal, else 0"};
static const char *const embed_partials[] = {"1"};

/* ---- diagonal ----------------------------------------------------------------------------------------------------- */

static ag_status diagonal_infer(const ag_query *q, ag_meta *out) {
    const diagonal_attrs *at = q->attrs;
    int a = 0, b = 0;
    ag_status status = find_axes(q, at->axis1, at->axis2, q->in[0]->rank, &a, &b);
    if (status == AG_OK) diagonal_of(q->in[0], a, b, at->offset, out);
    return status;
}

static ag_status diagonal_vjp(ag_reverse *r) {
    const diagonal_attrs *at = ag_rule_attrs(r);
    const ag_meta *x = ag_in_meta(r, 0);
    if (!ag_wants(r, 0)) return AG_OK;
    const int64_t a = at->axis1 < 0 ? at->axis1 + x->rank : at->axis1;
    const int64_t b = at->axis2 < 0 ? at->axis2 + x->rank : at->axis2;
    const embed_attrs back = {at->offset, a, b, x->dim[a], x->dim[b]};
    ag_give(r, 0, agx_apply1(&agx_op_diagonal_grad, ag_dy(r, 0), &back));
    return AG_OK;
}

static const ag_field diagonal_fields[] = {
    {"offset", AG_FIELD_INT, offsetof(diagonal_attrs, offset), 0},
    {"axis1", AG_FIELD_INT, offsetof(diagonal_attrs, axis1), 0},
    {"axis2", AG_FIELD_INT, offsetof(diagonal_attrs, axis2), 1},
};
static const ag_probe_case diagonal_cases[] = {
    {&(const diagonal_attrs){0, 0, 1}, 1, {{AG_F64, 2, {3, 3}, 0, 0}}},
    {&(const diagonal_attrs){1, 0, 1}, 1, {{AG_F64, 2, {2, 4}, 0, 0}}},
    {&(const diagonal_attrs){-1, -1, 0}, 1, {{AG_F64, 3, {2, 3, 4}, 0, 0}}},
    {&(const diagonal_attrs){0, 1, 3}, 1, {{AG_F64, 4, {2, 3, 1, 2}, 0, 0}}},
    {&(const diagonal_attrs){5, 0, 1}, 1, {{AG_F64, 2, {2, 3}, 0, 0}}},
    {&(const diagonal_attrs){0, 0, 1}, 1, {{AG_F64, 2, {0, 3}, 0, 0}}},
};
static const ag_probe diagonal_probe = {.lo = {-2}, .hi = {2}, .n_cases = 6, .cases = diagonal_cases};

const ag_op agx_op_diagonal = {
    .name = "diagonal",
    .formula = "x[i, i + offset]",
    .partials = diagonal_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .traits = AG_TRAIT_LINEAR | AG_TRAIT_VIEW,
    .attr_size = sizeof(diagonal_attrs),
    .fields = diagonal_fields,
    .n_fields = 3,
    .infer = diagonal_infer,
    .vjp = diagonal_vjp,
    .probe = &diagonal_probe,
};
ag_value ag_diagonal(ag_value x, int64_t offset, int axis1, int axis2) {
    return agx_apply1(&agx_op_diagonal, x, &(const diagonal_attrs){offset, axis1, axis2});
}

/* ---- diagonal_grad and diag_embed ------------------------------------------------------------------------------------ */

/** The shape of x with the last axis spread over axes a and b. */
static ag_status spread(const ag_query *q, int a, int b, int64_t size1, int64_t size2, ag_meta *out) {
    const ag_meta *x = q->in[0];
    int from = 0;
    out->dtype = x->dtype;
    out->rank = x->rank + 1;
    for (int k = 0; k < out->rank; k++) out->dim[k] = k == a ? size1 : k == b ? size2 : x->dim[from++];
    return agx_check_size(q, out);
}

static ag_status check_rank(const ag_query *q) {
    const int rank = q->in[0]->rank;
    if (rank >= 1 && rank < AG_MAX_RANK) return AG_OK;
    return ag_fail(q->error, AG_ERROR_SHAPE, "diagonals have rank 1 to %d, got rank %d", AG_MAX_RANK - 1, rank);
}

static ag_status embed(const ag_eval *e, int64_t axis1, int64_t axis2, int64_t offset) {
    const ag_meta *z = e->out[0].meta;
    ag_meta place;
    agx_fill(e->out, 0);
    diagonal_of(z, (int)(axis1 < 0 ? axis1 + z->rank : axis1), (int)(axis2 < 0 ? axis2 + z->rank : axis2), offset,
                &place);
    return agx_copy(e->in, &(ag_array){&place, agx_at(e->out[0].data, z->dtype, place.offset)}, e->work);
}

static ag_status diagonal_grad_infer(const ag_query *q, ag_meta *out) {
    const embed_attrs *at = q->attrs;
    const ag_meta *x = q->in[0];
    int a = 0, b = 0;
    ag_status status = check_rank(q);
    if (status == AG_OK) status = find_axes(q, at->axis1, at->axis2, x->rank + 1, &a, &b);
    if (status != AG_OK) return status;
    if (at->size1 < 0 || at->size2 < 0 || length_of(at->size1, at->size2, at->offset) != x->dim[x->rank - 1])
        return ag_fail(q->error, AG_ERROR_SHAPE,
                       "diagonal %" PRId64 " of (%" PRId64 ", %" PRId64 ") does not have %" PRId64 " elements",
                       at->offset, at->size1, at->size2, x->dim[x->rank - 1]);
    return spread(q, a, b, at->size1, at->size2, out);
}

static ag_status diagonal_grad_forward(const ag_eval *e) {
    const embed_attrs *at = e->attrs;
    return embed(e, at->axis1, at->axis2, at->offset);
}

static ag_status diagonal_grad_vjp(ag_reverse *r) {
    const embed_attrs *at = ag_rule_attrs(r);
    const diagonal_attrs same = {at->offset, at->axis1, at->axis2};
    if (ag_wants(r, 0)) ag_give(r, 0, agx_apply1(&agx_op_diagonal, ag_dy(r, 0), &same));
    return AG_OK;
}

static const ag_field diagonal_grad_fields[] = {
    {"offset", AG_FIELD_INT, offsetof(embed_attrs, offset), 0},
    {"axis1", AG_FIELD_INT, offsetof(embed_attrs, axis1), -2},
    {"axis2", AG_FIELD_INT, offsetof(embed_attrs, axis2), -1},
    {"size1", AG_FIELD_INT, offsetof(embed_attrs, size1), 1},
    {"size2", AG_FIELD_INT, offsetof(embed_attrs, size2), 1},
};
static const ag_probe_case diagonal_grad_cases[] = {
    {&(const embed_attrs){0, 0, 1, 3, 3}, 1, {{AG_F64, 1, {3}, 0, 0}}},
    {&(const embed_attrs){1, -2, -1, 2, 4}, 1, {{AG_F64, 2, {3, 2}, 0, 0}}},
    {&(const embed_attrs){-1, 2, 0, 3, 1}, 1, {{AG_F64, 3, {2, 2, 1}, 0, 0}}},
    {&(const embed_attrs){0, 0, 1, 0, 3}, 1, {{AG_F64, 1, {0}, 0, 0}}},
};
static const ag_probe diagonal_grad_probe = {.lo = {-2}, .hi = {2}, .n_cases = 4, .cases = diagonal_grad_cases};

const ag_op agx_op_diagonal_grad = {
    .name = "diagonal_grad",
    .formula = "zeros, with x on a diagonal",
    .partials = embed_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .traits = AG_TRAIT_LINEAR | AG_TRAIT_STRIDED,
    .attr_size = sizeof(embed_attrs),
    .fields = diagonal_grad_fields,
    .n_fields = 5,
    .infer = diagonal_grad_infer,
    .forward = diagonal_grad_forward,
    .vjp = diagonal_grad_vjp,
    .cost = agx_cost_none,
    .probe = &diagonal_grad_probe,
};

static ag_status diag_embed_infer(const ag_query *q, ag_meta *out) {
    const diagonal_attrs *at = q->attrs;
    const ag_meta *x = q->in[0];
    int a = 0, b = 0;
    ag_status status = check_rank(q);
    if (status == AG_OK) status = find_axes(q, at->axis1, at->axis2, x->rank + 1, &a, &b);
    if (status != AG_OK) return status;
    const int64_t n = x->dim[x->rank - 1];
    if (at->offset > INT64_MAX - n || at->offset < n - INT64_MAX)
        return ag_fail(q->error, AG_ERROR_SHAPE, "the result has too many elements");
    const int64_t size = n + (at->offset < 0 ? -at->offset : at->offset);
    return spread(q, a, b, size, size, out);
}

static ag_status diag_embed_forward(const ag_eval *e) {
    const diagonal_attrs *at = e->attrs;
    return embed(e, at->axis1, at->axis2, at->offset);
}

static ag_status diag_embed_vjp(ag_reverse *r) {
    if (ag_wants(r, 0)) ag_give(r, 0, agx_apply1(&agx_op_diagonal, ag_dy(r, 0), ag_rule_attrs(r)));
    return AG_OK;
}

static const ag_field diag_embed_fields[] = {
    {"offset", AG_FIELD_INT, offsetof(diagonal_attrs, offset), 0},
    {"axis1", AG_FIELD_INT, offsetof(diagonal_attrs, axis1), -2},
    {"axis2", AG_FIELD_INT, offsetof(diagonal_attrs, axis2), -1},
};
static const ag_probe_case diag_embed_cases[] = {
    {&(const diagonal_attrs){0, -2, -1}, 1, {{AG_F64, 1, {3}, 0, 0}}},
    {&(const diagonal_attrs){1, -2, -1}, 1, {{AG_F64, 2, {3, 2}, 0, 0}}},
    {&(const diagonal_attrs){-2, 2, 0}, 1, {{AG_F64, 3, {2, 1, 2}, 0, 0}}},
    {&(const diagonal_attrs){1, 0, 1}, 1, {{AG_F64, 1, {0}, 0, 0}}},
    {&(const diagonal_attrs){0, 0, 3}, 1, {{AG_F64, 3, {2, 0, 2}, 0, 0}}},
};
static const ag_probe diag_embed_probe = {.lo = {-2}, .hi = {2}, .n_cases = 5, .cases = diag_embed_cases};

const ag_op agx_op_diag_embed = {
    .name = "diag_embed",
    .formula = "zeros, with x on a diagonal of a square",
    .partials = embed_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .traits = AG_TRAIT_LINEAR | AG_TRAIT_STRIDED,
    .attr_size = sizeof(diagonal_attrs),
    .fields = diag_embed_fields,
    .n_fields = 3,
    .infer = diag_embed_infer,
    .forward = diag_embed_forward,
    .vjp = diag_embed_vjp,
    .cost = agx_cost_none,
    .probe = &diag_embed_probe,
};
ag_value ag_diag_embed(ag_value x, int64_t offset, int axis1, int axis2) {
    return agx_apply1(&agx_op_diag_embed, x, &(const diagonal_attrs){offset, axis1, axis2});
}
