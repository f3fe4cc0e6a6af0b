/* graph: operations that change what depends on what, not the numbers. */
#include "ops_impl.h"

/** The result shares the operand's buffer: no copy. */
static ag_status detach_infer(const ag_query *q, ag_meta *out) {
    *out = *q->in[0];
    out->offset = 0;
    return AG_OK;
}

static const uint8_t detach_grad[] = {AG_GRAD_ZERO};
static const char *const detach_partials[] = {"0"};
static const ag_probe_case detach_cases[] = {
    {NULL, 1, {{AG_F64, 0, {0}, 0, 0}}},
    {NULL, 1, {{AG_F64, 2, {2, 3}, 0, 0}}},
    {NULL, 1, {{AG_F64, 2, {0, 3}, 0, 0}}},
};
static const ag_probe detach_probe = {.lo = {-2}, .hi = {2}, .n_cases = 3, .cases = detach_cases};

const ag_op agx_op_detach = {
    .name = "detach",
    .formula = "x, held constant",
    .partials = detach_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .grad = detach_grad,
    .n_grad = 1,
    .traits = AG_TRAIT_VIEW,
    .infer = detach_infer,
    .probe = &detach_probe,
};
ag_value ag_detach(ag_value x) { return agx_apply1(&agx_op_detach, x, NULL); }
