/* composite: the checks of operations that decompose, and the reductions of losses. */
#include "composite.h"
#include "loss.h"

#include <inttypes.h>

ag_status agx_check_same_shape(ag_build *b, uint32_t i, uint32_t j) {
    if (ag_meta_same_shape(ag_meta_of(ag_build_in(b, i)), ag_meta_of(ag_build_in(b, j)))) return AG_OK;
    return ag_build_fail(b, AG_ERROR_SHAPE, "operands %u and %u must have one shape", (unsigned)i, (unsigned)j);
}

ag_status agx_check_float(ag_build *b, uint32_t i) {
    const ag_dtype dtype = ag_meta_of(ag_build_in(b, i))->dtype;
    if (ag_dtype_is_float(dtype)) return AG_OK;
    return ag_build_fail(b, AG_ERROR_DTYPE, "operand %u must be floating-point, got %s", (unsigned)i,
                         ag_dtype_name(dtype));
}

ag_status agx_check_index(ag_build *b, uint32_t i, int64_t size, const int64_t *ignore) {
    const ag_value index = ag_build_in(b, i);
    const ag_meta *meta = ag_meta_of(index);
    if (meta->dtype != AG_I64)
        return ag_build_fail(b, AG_ERROR_DTYPE, "operand %u must be i64, got %s", (unsigned)i,
                             ag_dtype_name(meta->dtype));
    const int64_t *data = ag_data(index);
    int64_t at[AG_MAX_RANK] = {0}, offset = 0;
    for (int64_t k = 0, n = ag_meta_count(meta); k < n; k++) {
        const int64_t value = data[offset];
        if ((value < 0 || value >= size) && !(ignore && value == *ignore))
            return ag_build_fail(b, AG_ERROR_INDEX,
                                 "element %" PRId64 " of operand %u is %" PRId64 ", outside [0, %" PRId64 ")", k,
                                 (unsigned)i, value, size);
        for (int d = meta->rank - 1; d >= 0; d--) { /* the next element, row-major */
            offset += meta->stride[d];
            if (++at[d] < meta->dim[d]) break;
            offset -= at[d] * meta->stride[d];
            at[d] = 0;
        }
    }
    return AG_OK;
}

ag_status agx_check_reduction(ag_build *b, int64_t reduction) {
    switch (reduction) {
    case AG_REDUCTION_MEAN:
    case AG_REDUCTION_SUM:
    case AG_REDUCTION_NONE: return AG_OK;
    default: return ag_build_fail(b, AG_ERROR_VALUE, "%" PRId64 " is no reduction", reduction);
    }
}

ag_value agx_reduce_losses(ag_value losses, int64_t reduction) {
    if (reduction == AG_REDUCTION_MEAN) return ag_mean_all(losses);
    return reduction == AG_REDUCTION_SUM ? ag_sum_all(losses) : losses;
}
