/* margin: an array continued over its edges. Each side is a slice of x, turned round or repeated where the mode wants it,
 * and one operation puts them together. */
#include "margin_impl.h"

#include <inttypes.h>

/* x mirrored at its first element, which is not repeated, or continued with its end; the other side likewise. */
static ag_value side(ag_value x, int axis, int64_t n, int64_t width, bool behind, nn_padding_mode mode) {
    if (mode == NN_PAD_CIRCULAR) return ag_slice(x, axis, behind ? 0 : n - width, behind ? width : n, 1);
    if (mode == NN_PAD_REFLECT) {
        const int64_t from = behind ? n - 1 - width : 1;
        return ag_flip(ag_slice(x, axis, from, from + width, 1), &axis, 1);
    }
    const ag_value edge = ag_slice(x, axis, behind ? n - 1 : 0, behind ? n : 1, 1);
    const ag_meta *meta = ag_meta_of(edge);
    if (!meta) return edge;
    int64_t dim[AG_MAX_RANK];
    for (int k = 0; k < meta->rank; k++) dim[k] = k == axis ? width : meta->dim[k];
    return ag_expand(edge, meta->rank, dim);
}

ag_value nnx_margin(ag_value x, int axis, int64_t low, int64_t high, nn_padding_mode mode) {
    const ag_meta *meta = ag_meta_of(x);
    if (!meta || (low == 0 && high == 0)) return x;
    const int64_t n = meta->dim[axis], wider = low > high ? low : high;
    const int64_t most = mode == NN_PAD_REFLECT ? n - 1 : mode == NN_PAD_CIRCULAR ? n : n > 0 ? INT64_MAX : 0;
    if (wider > most)
        return ag_tape_fail(x.tape, AG_ERROR_SHAPE,
                            "a margin of %" PRId64 " from an axis of %" PRId64 " elements: %s", wider, n,
                            mode == NN_PAD_REFLECT    ? "a reflection needs one more than that"
                            : mode == NN_PAD_CIRCULAR ? "going round needs as many"
                                                      : "there is nothing to repeat");
    ag_value part[3];
    int parts = 0;
    if (low > 0) part[parts++] = side(x, axis, n, low, false, mode);
    part[parts++] = x;
    if (high > 0) part[parts++] = side(x, axis, n, high, true, mode);
    return ag_cat(part, parts, axis);
}
