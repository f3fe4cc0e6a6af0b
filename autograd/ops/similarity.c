/* similarity: cosine_similarity, normalize, and the loss of a cosine. They decompose into norms, quotients and sums. */
#include "composite.h"

#include <math.h>

typedef struct cosine_attrs {
    int64_t axis;
    double eps;
} cosine_attrs;

typedef struct normalize_attrs {
    int64_t axis;
    double p, eps;
} normalize_attrs;

typedef struct cosine_loss_attrs {
    int64_t reduction;
    double margin;
} cosine_loss_attrs;

static ag_status check_axis(ag_build *b, int64_t axis, int rank, int *at) {
    ag_error error = {0};
    const ag_status status = agx_lane_axis(axis, rank, at, &error);
    return status == AG_OK ? AG_OK : ag_build_fail(b, status, "%s", error.message);
}

static ag_status check_eps(ag_build *b, double eps) {
    if (eps >= 0) return AG_OK;
    return ag_build_fail(b, AG_ERROR_VALUE, "eps must not be negative, got %g", eps);
}

/** x over its p-norm along an axis, or over eps where that is larger. */
static ag_value unit(ag_value x, double p, int axis, double eps) {
    return ag_div(x, ag_clamp_min(ag_norm(x, p, &axis, 1, true), eps));
}

/* ---- cosine_similarity -------------------------------------------------------------------------------------------------- */

static ag_status cosine_similarity(ag_build *b) {
    const cosine_attrs *a = ag_build_attrs(b);
    const ag_value x = ag_build_in(b, 0), y = ag_build_in(b, 1);
    const ag_meta *metas[2] = {ag_meta_of(x), ag_meta_of(y)};
    ag_meta both;
    int axis = 0;
    if (ag_broadcast(metas, 2, &both, NULL) != AG_OK)
        return ag_build_fail(b, AG_ERROR_SHAPE, "the shapes do not broadcast");
    ag_status status = check_axis(b, a->axis, both.rank, &axis);
    if (status == AG_OK) status = check_eps(b, a->eps);
    if (status == AG_OK) status = agx_check_float(b, 0);
    if (status == AG_OK) status = agx_check_float(b, 1);
    if (status != AG_OK) return status;
    const ag_value ux = unit(ag_expand(x, both.rank, both.dim), 2, axis, a->eps);
    const ag_value uy = unit(ag_expand(y, both.rank, both.dim), 2, axis, a->eps);
    ag_build_result(b, ag_sum(ag_mul(ux, uy), &axis, 1, false));
    return AG_OK;
}

static const ag_field cosine_fields[] = {
    {"axis", AG_FIELD_INT, offsetof(cosine_attrs, axis), 1},
    {"eps", AG_FIELD_REAL, offsetof(cosine_attrs, eps), 1e-8},
};
#define COSINE(axis)                                                                                              \
    &(const cosine_attrs) { axis, 1e-8 }
static const ag_probe_case cosine_cases[] = {
    {COSINE(0), 2, {{AG_F64, 0, {0}, 0, 0}, {AG_F64, 0, {0}, 0, 0}}},
    {COSINE(0), 2, {{AG_F64, 1, {3}, 0, 0}, {AG_F64, 1, {3}, 0, 0}}},
    {COSINE(1), 2, {{AG_F64, 2, {2, 3}, 0, 0}, {AG_F64, 2, {2, 3}, 0, 0}}},
    {COSINE(-1), 2, {{AG_F64, 3, {2, 1, 3}, 0, 0}, {AG_F64, 1, {3}, 0, 0}}},
    {COSINE(1), 2, {{AG_F64, 4, {1, 3, 2, 1}, 0, 0}, {AG_F64, 3, {3, 1, 2}, 0, 0}}},
    {COSINE(1), 2, {{AG_F64, 2, {0, 3}, 0, 0}, {AG_F64, 2, {0, 3}, 0, 0}}},
};
#undef COSINE
static const ag_probe cosine_probe = {.lo = {0.3, -2}, .hi = {2, -0.3}, .n_cases = 6, .cases = cosine_cases};

const ag_op agx_op_cosine_similarity = {
    .name = "cosine_similarity",
    .formula = "sum x y / (|x| |y|)",
    .min_in = 2,
    .max_in = 2,
    .outputs = 1,
    .attr_size = sizeof(cosine_attrs),
    .fields = cosine_fields,
    .n_fields = 2,
    .compose = cosine_similarity,
    .probe = &cosine_probe,
};
ag_value ag_cosine_similarity(ag_value x, ag_value y, int axis, double eps) {
    return agx_apply2(&agx_op_cosine_similarity, x, y, &(const cosine_attrs){axis, eps});
}

/* ---- normalize ------------------------------------------------------------------------------------------------------------ */

static ag_status normalize(ag_build *b) {
    const normalize_attrs *a = ag_build_attrs(b);
    const ag_value x = ag_build_in(b, 0);
    int axis = 0;
    ag_status status = check_axis(b, a->axis, ag_meta_of(x)->rank, &axis);
    if (status == AG_OK) status = check_eps(b, a->eps);
    if (status == AG_OK) status = agx_check_float(b, 0);
    if (status == AG_OK && isnan(a->p)) status = ag_build_fail(b, AG_ERROR_VALUE, "p is nan");
    if (status == AG_OK) ag_build_result(b, unit(x, a->p, axis, a->eps));
    return status;
}

static const ag_field normalize_fields[] = {
    {"axis", AG_FIELD_INT, offsetof(normalize_attrs, axis), 1},
    {"p", AG_FIELD_REAL, offsetof(normalize_attrs, p), 2},
    {"eps", AG_FIELD_REAL, offsetof(normalize_attrs, eps), 1e-12},
};
#define NORMALIZE(axis, p)                                                                                        \
    &(const normalize_attrs) { axis, p, 1e-12 }
static const ag_probe_case normalize_cases[] = {
    {NORMALIZE(0, 2), 1, {{AG_F64, 0, {0}, 0, 0}}},           {NORMALIZE(0, 2), 1, {{AG_F64, 1, {3}, 0, 0}}},
    {NORMALIZE(1, 2), 1, {{AG_F64, 2, {2, 3}, 0, 0}}},        {NORMALIZE(0, 3), 1, {{AG_F64, 3, {2, 1, 3}, 0, 0}}},
    {NORMALIZE(-2, 1), 1, {{AG_F64, 4, {1, 2, 3, 2}, 0, 0}}}, {NORMALIZE(1, 2), 1, {{AG_F64, 2, {0, 3}, 0, 0}}},
};
#undef NORMALIZE
static const ag_probe normalize_probe = {.lo = {0.3}, .hi = {2}, .n_cases = 6, .cases = normalize_cases};

const ag_op agx_op_normalize = {
    .name = "normalize",
    .formula = "x / |x|",
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .attr_size = sizeof(normalize_attrs),
    .fields = normalize_fields,
    .n_fields = 3,
    .compose = normalize,
    .probe = &normalize_probe,
};
ag_value ag_normalize(ag_value x, double p, int axis, double eps) {
    return agx_apply1(&agx_op_normalize, x, &(const normalize_attrs){axis, p, eps});
}

/* ---- cosine_embedding_loss -------------------------------------------------------------------------------------------------- */

/* What PyTorch adds to the squares of both lengths: its 1e-12 is a float, whatever the dtype. */
static const double length_eps = (double)1e-12F;

static ag_value cosine(ag_value x, ag_value y) {
    const int last = -1;
    const ag_value xx = ag_add_number(ag_sum(ag_square(x), &last, 1, false), length_eps);
    const ag_value yy = ag_add_number(ag_sum(ag_square(y), &last, 1, false), length_eps);
    return ag_div(ag_sum(ag_mul(x, y), &last, 1, false), ag_sqrt(ag_mul(xx, yy)));
}

static ag_status cosine_embedding_loss(ag_build *b) {
    const cosine_loss_attrs *a = ag_build_attrs(b);
    const ag_value x = ag_build_in(b, 0), y = ag_build_in(b, 1), t = ag_build_in(b, 2);
    const ag_meta *meta = ag_meta_of(x);
    ag_status status = agx_check_reduction(b, a->reduction);
    if (status == AG_OK) status = agx_check_same_shape(b, 0, 1);
    if (status == AG_OK) status = agx_check_float(b, 0);
    if (status == AG_OK) status = agx_check_float(b, 1);
    if (status != AG_OK) return status;
    ag_meta pairs;
    if (meta->rank > 0) agx_drop_axis(meta, meta->rank - 1, &pairs);
    if (meta->rank < 1 || meta->rank > 2 || !ag_meta_same_shape(&pairs, ag_meta_of(t)))
        return ag_build_fail(b, AG_ERROR_SHAPE, "needs vectors (N, D) and target (N), or (D) and ()");
    const ag_value cos = cosine(x, y), none = ag_number(cos, 0);
    const ag_value alike = ag_add_number(ag_neg(cos), 1), apart = ag_clamp_min(ag_add_number(cos, -a->margin), 0);
    const ag_value near = ag_where(ag_eq(t, ag_number(t, 1)), alike, none),
                   far = ag_where(ag_eq(t, ag_number(t, -1)), apart, none);
    ag_build_result(b, agx_reduce_losses(ag_add(near, far), a->reduction));
    return AG_OK;
}

static const uint8_t cosine_loss_grad[] = {AG_GRAD_RULE, AG_GRAD_RULE, AG_GRAD_ZERO};
static const ag_field cosine_loss_fields[] = {
    {"reduction", AG_FIELD_INT, offsetof(cosine_loss_attrs, reduction), AG_REDUCTION_MEAN},
    {"margin", AG_FIELD_REAL, offsetof(cosine_loss_attrs, margin), 0},
};
#define LOSS(reduction, margin)                                                                                   \
    &(const cosine_loss_attrs) { AG_REDUCTION_##reduction, margin }
static const ag_probe_case cosine_loss_cases[] = {
    {LOSS(NONE, 0), 3, {{AG_F64, 1, {3}, 0, 0}, {AG_F64, 1, {3}, 0, 0}, {AG_I64, 0, {0}, -1, 1}}},
    {LOSS(MEAN, 0.2), 3, {{AG_F64, 2, {5, 3}, 0, 0}, {AG_F64, 2, {5, 3}, 0, 0}, {AG_I64, 1, {5}, -1, 1}}},
    {LOSS(SUM, -0.3), 3, {{AG_F64, 2, {1, 4}, 0, 0}, {AG_F64, 2, {1, 4}, 0, 0}, {AG_I64, 1, {1}, -1, 1}}},
    {LOSS(SUM, 0), 3, {{AG_F64, 2, {0, 3}, 0, 0}, {AG_F64, 2, {0, 3}, 0, 0}, {AG_I64, 1, {0}, -1, 1}}},
};
#undef LOSS
static const ag_probe cosine_loss_probe = {
    .lo = {-2, -2, -1}, .hi = {2, 2, 1}, .n_cases = 4, .cases = cosine_loss_cases};

const ag_op agx_op_cosine_embedding_loss = {
    .name = "cosine_embedding_loss",
    .formula = "1 - cos(x, y) if t = 1, max(0, cos(x, y) - margin) if t = -1",
    .min_in = 3,
    .max_in = 3,
    .outputs = 1,
    .grad = cosine_loss_grad,
    .n_grad = 3,
    .attr_size = sizeof(cosine_loss_attrs),
    .fields = cosine_loss_fields,
    .n_fields = 2,
    .compose = cosine_embedding_loss,
    .probe = &cosine_loss_probe,
};
ag_value ag_cosine_embedding_loss(ag_value x, ag_value y, ag_value target, double margin, ag_reduction reduction) {
    return agx_apply3(&agx_op_cosine_embedding_loss, x, y, target, &(const cosine_loss_attrs){reduction, margin});
}
