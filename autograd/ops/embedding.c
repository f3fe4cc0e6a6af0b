/* embedding: index_select over the rows of a table, in the shape of the index. A padding row is taken a second time
 * without its gradient, and chosen where the index names it. */
#include "composite.h"

#include <inttypes.h>

typedef struct embedding_attrs {
    int64_t padding_idx;
} embedding_attrs;

static ag_status embedding(ag_build *b) {
    const embedding_attrs *a = ag_build_attrs(b);
    const ag_value weight = ag_build_in(b, 0), index = ag_build_in(b, 1);
    const ag_meta *table = ag_meta_of(weight), *at = ag_meta_of(index);
    if (table->rank != 2) return ag_build_fail(b, AG_ERROR_SHAPE, "the weight must be (V, D)");
    if (at->rank == AG_MAX_RANK)
        return ag_build_fail(b, AG_ERROR_SHAPE, "the index has rank %d already", AG_MAX_RANK);
    const int64_t rows = table->dim[0];
    ag_status status = agx_check_float(b, 0);
    if (status == AG_OK) status = agx_check_index(b, 1, rows, NULL);
    if (status != AG_OK) return status;
    int64_t padding = a->padding_idx;
    const bool padded = padding != AG_NO_PADDING;
    if (padded && (padding < -rows || padding >= rows))
        return ag_build_fail(b, AG_ERROR_INDEX, "padding_idx %" PRId64 " is outside %" PRId64 " rows", padding,
                             rows);
    if (padding < 0) padding += padded ? rows : 0;
    int64_t dim[AG_MAX_RANK];
    for (int k = 0; k < at->rank; k++) dim[k] = at->dim[k];
    dim[at->rank] = table->dim[1];
    const ag_value flat = ag_reshape(index, 1, (const int64_t[]){ag_meta_count(at)});
    ag_value y = ag_reshape(ag_index_select(weight, 0, flat), at->rank + 1, dim);
    if (padded) {
        const ag_value pad = ag_eq(index, ag_number(index, (double)padding));
        y = ag_where(ag_unsqueeze(pad, -1), ag_detach(y), y);
    }
    ag_build_result(b, y);
    return AG_OK;
}

static const uint8_t embedding_grad[] = {AG_GRAD_RULE, AG_GRAD_ZERO};
static const ag_field embedding_fields[] = {
    {"padding_idx", AG_FIELD_INT, offsetof(embedding_attrs, padding_idx), -0x1p63},
};
#define PADDING(row)                                                                                              \
    &(const embedding_attrs) { row }
/* Row 3 is padding and never taken: differences would see it move. */
static const ag_probe_case embedding_cases[] = {
    {PADDING(AG_NO_PADDING), 2, {{AG_F64, 2, {4, 3}, 0, 0}, {AG_I64, 0, {0}, 0, 3}}},
    {PADDING(AG_NO_PADDING), 2, {{AG_F64, 2, {4, 3}, 0, 0}, {AG_I64, 1, {6}, 0, 3}}},
    {PADDING(3), 2, {{AG_F64, 2, {4, 3}, 0, 0}, {AG_I64, 2, {2, 3}, 0, 2}}},
    {PADDING(-1), 2, {{AG_F64, 2, {4, 2}, 0, 0}, {AG_I64, 3, {2, 1, 2}, 0, 2}}},
    {PADDING(AG_NO_PADDING), 2, {{AG_F64, 2, {1, 1}, 0, 0}, {AG_I64, 4, {1, 2, 1, 1}, 0, 0.5}}},
    {PADDING(AG_NO_PADDING), 2, {{AG_F64, 2, {3, 0}, 0, 0}, {AG_I64, 1, {2}, 0, 2}}},
    {PADDING(1), 2, {{AG_F64, 2, {3, 2}, 0, 0}, {AG_I64, 2, {2, 0}, 0, 2}}},
};
#undef PADDING
static const ag_probe embedding_probe = {.lo = {-2}, .hi = {2}, .n_cases = 7, .cases = embedding_cases};

const ag_op agx_op_embedding = {
    .name = "embedding",
    .formula = "weight[index]",
    .min_in = 2,
    .max_in = 2,
    .outputs = 1,
    .grad = embedding_grad,
    .n_grad = 2,
    .attr_size = sizeof(embedding_attrs),
    .fields = embedding_fields,
    .n_fields = 1,
    .compose = embedding,
    .probe = &embedding_probe,
};
ag_value ag_embedding(ag_value weight, ag_value index, int64_t padding_idx) {
    return agx_apply2(&agx_op_embedding, weight, index, &(const embedding_attrs){padding_idx});
}
