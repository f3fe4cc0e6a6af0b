/* random: arrays drawn from the tape's generator - uniform and normal numbers, coins, permutations.
 *
 * A record stores the generator's position: its numbers are a pure function of that, of the shape and of nothing else, so
 * they replay when the position is set back, and differ from step to step because a rewind does not. Numbers with a mean
 * and a deviation are the standard ones, moved and scaled by recorded operations: that is what makes them
 * differentiable. */
#include "../kernels/draw.h"
#include "../tape_impl.h"
#include "ops_impl.h"

#include <inttypes.h>

/** Record an operation that draws a number an element, and move the generator on behind what it drew. `attrs` hold the
 *  generator's position. */
static ag_value drawn(ag_tape *t, const ag_op *op, const ag_value *in, uint32_t n, const void *attrs) {
    const ag_value y = ag_apply(t, op, in, n, attrs);
    const ag_meta *meta = ag_meta_of(y);
    if (meta) agx_draw(y.tape, meta);
    return y;
}

static ag_random position(const ag_tape *t) { return t ? ag_tape_random_get(t) : (ag_random){0}; }

/* ---- rand, randn: no operands, a shape and a dtype ---------------------------------------------------------------------- */

static ag_status array_infer(const ag_query *q, ag_meta *out) {
    const agx_array_attrs *a = q->attrs;
    if ((unsigned)a->dtype >= AG_DTYPE_COUNT || !ag_dtype_is_float(a->dtype))
        return ag_fail(q->error, AG_ERROR_DTYPE, "the dtype must be floating-point");
    return ag_meta_init(out, a->dtype, a->shape.n, a->shape.v, q->error);
}

static ag_status rand_forward(const ag_eval *e) {
    return agx_draw_uniform(((const agx_array_attrs *)e->attrs)->random, e->out, e->work);
}

static ag_status randn_forward(const ag_eval *e) {
    return agx_draw_normal(((const agx_array_attrs *)e->attrs)->random, e->out, e->work);
}

static ag_value array(ag_tape *t, const ag_op *op, ag_dtype dtype, int rank, const int64_t *dim) {
    agx_array_attrs a = {.dtype = dtype, .random = position(t)};
    if (!agx_ints_from_shape(dim, rank, &a.shape))
        return ag_tape_fail(t, AG_ERROR_SHAPE, "%s: rank %d is not between 0 and %d, or its shape is missing",
                            op->name, rank, AG_MAX_RANK);
    return drawn(t, op, NULL, 0, &a);
}

static double array_cost(const ag_query *q) {
    const agx_array_attrs *a = q->attrs;
    double count = 64; /* about that much is a block of the generator */
    for (int k = 0; k < a->shape.n; k++) count *= (double)a->shape.v[k];
    return count;
}

static const ag_field array_fields[] = {
    {"shape", AG_FIELD_INTS, offsetof(agx_array_attrs, shape), 0},
    {"dtype", AG_FIELD_DTYPE, offsetof(agx_array_attrs, dtype), AG_F32},
    {"random", AG_FIELD_RANDOM, offsetof(agx_array_attrs, random), 0},
};
#define CASE(...)                                                                                                 \
    {                                                                                                             \
        &(const agx_array_attrs){__VA_ARGS__, AG_F64, {7, 3}}, 0, {                                               \
            { .rank = 0 }                                                                                         \
        }                                                                                                         \
    }
static const ag_probe_case array_cases[] = {
    CASE({0, {0}}),
    CASE({2, {3, 2}}),
    CASE({3, {2, 0, 3}}),
};
#undef CASE
static const ag_probe array_probe = {.n_cases = 3, .cases = array_cases};

const ag_op agx_op_rand = {
    .name = "rand",
    .formula = "u, uniform in [0, 1)",
    .outputs = 1,
    .traits = AG_TRAIT_RANDOM,
    .attr_size = sizeof(agx_array_attrs),
    .fields = array_fields,
    .n_fields = 3,
    .infer = array_infer,
    .forward = rand_forward,
    .cost = array_cost,
    .probe = &array_probe,
};
ag_value ag_rand(ag_tape *t, ag_dtype dtype, int rank, const int64_t *dim) {
    return array(t, &agx_op_rand, dtype, rank, dim);
}

const ag_op agx_op_randn = {
    .name = "randn",
    .formula = "z, normal with mean 0 and variance 1",
    .outputs = 1,
    .traits = AG_TRAIT_RANDOM,
    .attr_size = sizeof(agx_array_attrs),
    .fields = array_fields,
    .n_fields = 3,
    .infer = array_infer,
    .forward = randn_forward,
    .cost = array_cost,
    .probe = &array_probe,
};
ag_value ag_randn(ag_tape *t, ag_dtype dtype, int rank, const int64_t *dim) {
    return array(t, &agx_op_randn, dtype, rank, dim);
}

/* ---- uniform, normal: between or around operands ----------------------------------------------------------------------- */

/** Standard numbers of the shape and dtype that both operands broadcast and promote to. */
static ag_status standard(const ag_build *b, const ag_op *op, const ag_op *source, ag_value *out) {
    ag_tape *t = ag_build_tape(b);
    const ag_value in[2] = {ag_build_in(b, 0), ag_build_in(b, 1)};
    const ag_meta *const metas[2] = {ag_meta_of(in[0]), ag_meta_of(in[1])};
    ag_error error = {0};
    ag_meta shape;
    const ag_query q = {.op = op, .in = metas, .n_in = 2, .error = &error};
    ag_status status = agx_promote_float(&q, 2, &shape.dtype);
    if (status == AG_OK) status = ag_broadcast(metas, 2, &shape, &error);
    if (status != AG_OK) return agx_operation_error(t, op, in, 2, status, error.message);
    *out = array(t, source, shape.dtype, shape.rank, shape.dim);
    return AG_OK;
}

static ag_status uniform_compose(ag_build *b) {
    const ag_value low = ag_build_in(b, 0), high = ag_build_in(b, 1);
    ag_value u;
    ag_status status = standard(b, &agx_op_uniform, &agx_op_rand, &u);
    if (status == AG_OK) ag_build_result(b, ag_add(low, ag_mul(ag_sub(high, low), u)));
    return status;
}

static ag_status normal_compose(ag_build *b) {
    ag_value z;
    ag_status status = standard(b, &agx_op_normal, &agx_op_randn, &z);
    if (status == AG_OK) ag_build_result(b, ag_add(ag_build_in(b, 0), ag_mul(ag_build_in(b, 1), z)));
    return status;
}

static const ag_probe_case pair_cases[] = {
    {NULL, 2, {{AG_F64, 0, {0}, 0, 0}, {AG_F64, 0, {0}, 0, 0}}},
    {NULL, 2, {{AG_F64, 2, {2, 3}, 0, 0}, {AG_F64, 2, {2, 3}, 0, 0}}},
    {NULL, 2, {{AG_F64, 3, {2, 1, 2}, 0, 0}, {AG_F64, 2, {3, 1}, 0, 0}}},
    {NULL, 2, {{AG_F64, 1, {0}, 0, 0}, {AG_F64, 0, {0}, 0, 0}}},
};
static const ag_probe pair_probe = {.lo = {-2, 1}, .hi = {0, 2}, .n_cases = 4, .cases = pair_cases};
static const char *const uniform_partials[] = {"1 - u", "u"};
static const char *const normal_partials[] = {"1", "z"};

const ag_op agx_op_uniform = {
    .name = "uniform",
    .formula = "low + (high - low) u",
    .partials = uniform_partials,
    .min_in = 2,
    .max_in = 2,
    .outputs = 1,
    .traits = AG_TRAIT_RANDOM,
    .compose = uniform_compose,
    .probe = &pair_probe,
};
ag_value ag_uniform(ag_value low, ag_value high) { return agx_apply2(&agx_op_uniform, low, high, NULL); }

const ag_op agx_op_normal = {
    .name = "normal",
    .formula = "mean + std z",
    .partials = normal_partials,
    .min_in = 2,
    .max_in = 2,
    .outputs = 1,
    .traits = AG_TRAIT_RANDOM,
    .compose = normal_compose,
    .probe = &pair_probe,
};
ag_value ag_normal(ag_value mean, ag_value std) { return agx_apply2(&agx_op_normal, mean, std, NULL); }

/* ---- bernoulli ----------------------------------------------------------------------------------------------------------- */

static ag_status bernoulli_infer(const ag_query *q, ag_meta *out) {
    agx_copy_shape(q->in[0], out);
    return agx_promote_float(q, 1, &out->dtype);
}

static ag_status bernoulli_forward(const ag_eval *e) {
    int64_t bad = 0;
    ag_status status =
        agx_draw_bernoulli(e->in, ((const agx_random_attrs *)e->attrs)->random, e->out, &bad, e->work);
    if (status != AG_ERROR_VALUE) return status;
    return ag_fail(e->error, status, "element %" PRId64 " is no probability: %g", bad,
                   agx_load(e->in[0].data, e->in[0].meta->dtype, bad));
}

static const uint8_t no_gradient[] = {AG_GRAD_ZERO};
static const ag_field random_fields[] = {{"random", AG_FIELD_RANDOM, offsetof(agx_random_attrs, random), 0}};
static const ag_probe_case bernoulli_cases[] = {
    {&(const agx_random_attrs){{7, 3}}, 1, {{AG_F64, 0, {0}, 0, 0}}},
    {&(const agx_random_attrs){{7, 3}}, 1, {{AG_F64, 2, {3, 2}, 0, 0}}},
    {&(const agx_random_attrs){{7, 3}}, 1, {{AG_F64, 2, {0, 2}, 0, 0}}},
};
static const ag_probe bernoulli_probe = {.lo = {0}, .hi = {1}, .n_cases = 3, .cases = bernoulli_cases};

const ag_op agx_op_bernoulli = {
    .name = "bernoulli",
    .formula = "1 with probability p, else 0",
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .grad = no_gradient,
    .n_grad = 1,
    .traits = AG_TRAIT_RANDOM,
    .attr_size = sizeof(agx_random_attrs),
    .fields = random_fields,
    .n_fields = 1,
    .infer = bernoulli_infer,
    .forward = bernoulli_forward,
    .cost = agx_cost_elements,
    .probe = &bernoulli_probe,
};
ag_value ag_bernoulli(ag_value p) {
    return drawn(NULL, &agx_op_bernoulli, &p, 1, &(const agx_random_attrs){position(p.tape)});
}

/* ---- randperm -------------------------------------------------------------------------------------------------------------- */

static ag_status randperm_infer(const ag_query *q, ag_meta *out) {
    const agx_permutation_attrs *a = q->attrs;
    if (a->n < 0) return ag_fail(q->error, AG_ERROR_VALUE, "n must be at least 0, got %" PRId64, a->n);
    return ag_meta_init(out, AG_I64, 1, &a->n, q->error);
}

static ag_status randperm_forward(const ag_eval *e) {
    const agx_permutation_attrs *a = e->attrs;
    agx_draw_permutation(a->random, a->n, e->out[0].data);
    return AG_OK;
}

static const ag_field permutation_fields[] = {
    {"n", AG_FIELD_INT, offsetof(agx_permutation_attrs, n), 0},
    {"random", AG_FIELD_RANDOM, offsetof(agx_permutation_attrs, random), 0},
};
static const ag_probe_case permutation_cases[] = {
    {&(const agx_permutation_attrs){5, {7, 3}}, 0, {{.rank = 0}}},
    {&(const agx_permutation_attrs){0, {7, 3}}, 0, {{.rank = 0}}},
};
static const ag_probe permutation_probe = {.n_cases = 2, .cases = permutation_cases};

const ag_op agx_op_randperm = {
    .name = "randperm",
    .formula = "a permutation of 0 to n - 1",
    .outputs = 1,
    .traits = AG_TRAIT_RANDOM,
    .attr_size = sizeof(agx_permutation_attrs),
    .fields = permutation_fields,
    .n_fields = 2,
    .infer = randperm_infer,
    .forward = randperm_forward,
    .cost = agx_cost_none,
    .probe = &permutation_probe,
};
ag_value ag_randperm(ag_tape *t, int64_t n) {
    return drawn(t, &agx_op_randperm, NULL, 0, &(const agx_permutation_attrs){n, position(t)});
}
