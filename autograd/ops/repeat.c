/* repeat: an array in several copies - whole (tile) or position by position (repeat_interleave).
 *
 * Both decompose into views and one copy an axis: seen as (outer, 1, inner) the array is expanded along the 1 and
 * read row-major. What lies in `inner` is repeated as a block: for tile that is the axis with all that follow it, for
 * repeat_interleave only what follows it. Adjoints are sums over the expanded axis. */
#include "ops_impl.h"

#include <inttypes.h>

/** x with every block of `inner` elements `times` times, in the shape given. */
static ag_value repeat_blocks(ag_value x, int64_t inner, int64_t times, int rank, const int64_t *dim) {
    if (!ag_ok(x)) return x;
    const int64_t count = ag_meta_count(ag_meta_of(x)), outer = inner > 0 ? count / inner : 0;
    const int64_t blocks[3] = {outer, 1, inner}, repeated[3] = {outer, times, inner};
    return ag_reshape(ag_expand(ag_reshape(x, 3, blocks), 3, repeated), rank, dim);
}

/** Size `size` of axis k, `times` times; refused where the result could not be counted. */
static ag_status multiply(ag_build *b, int64_t times, ag_meta *out, int k) {
    if (times < 0) return ag_build_fail(b, AG_ERROR_VALUE, "cannot repeat %" PRId64 " times", times);
    int64_t bytes = (int64_t)ag_dtype_size(out->dtype);
    bool fits = ag_int_mul(out->dim[k], times, &out->dim[k]);
    for (int i = 0; fits && i < out->rank; i++)
        if (out->dim[i] > 0) fits = ag_int_mul(bytes, out->dim[i], &bytes);
    return fits ? AG_OK : ag_build_fail(b, AG_ERROR_SHAPE, "the result has too many elements");
}

/* ---- tile --------------------------------------------------------------------------------------------------------- */

typedef struct tile_attrs {
    ag_ints reps;
} tile_attrs;

static ag_status tile_compose(ag_build *b) {
    const ag_ints *reps = &((const tile_attrs *)ag_build_attrs(b))->reps;
    if (reps->n < 0 || reps->n > AG_MAX_RANK)
        return ag_build_fail(b, AG_ERROR_VALUE, "a list of %" PRId32 " repetitions; it may have 0 to %d", reps->n,
                             AG_MAX_RANK);
    ag_value x = ag_build_in(b, 0);
    const ag_meta *meta = ag_meta_of(x);
    const int added = reps->n > meta->rank ? reps->n - meta->rank : 0;
    ag_meta z = {.dtype = meta->dtype, .rank = meta->rank + added};
    for (int k = 0; k < z.rank; k++) z.dim[k] = k < added ? 1 : meta->dim[k - added];
    x = ag_reshape(x, z.rank, z.dim);
    int64_t inner = 1;
    for (int k = z.rank - 1; k >= 0; k--) { /* from the last: what follows an axis is repeated already */
        const int at = k - (z.rank - reps->n);
        const int64_t times = at < 0 ? 1 : reps->v[at], block = inner * z.dim[k];
        ag_status status = multiply(b, times, &z, k);
        if (status != AG_OK) return status;
        if (times != 1) x = repeat_blocks(x, block, times, z.rank, z.dim);
        inner *= z.dim[k];
    }
    ag_build_result(b, x);
    return AG_OK;
}

static const ag_field tile_fields[] = {{"reps", AG_FIELD_INTS, offsetof(tile_attrs, reps), 0}};
static const ag_probe_case tile_cases[] = {
    {&(const tile_attrs){{1, {3}}}, 1, {{AG_F64, 0, {0}, 0, 0}}},
    {&(const tile_attrs){{2, {2, 3}}}, 1, {{AG_F64, 1, {2}, 0, 0}}},
    {&(const tile_attrs){{1, {2}}}, 1, {{AG_F64, 2, {2, 3}, 0, 0}}},
    {&(const tile_attrs){{4, {1, 2, 3, 2}}}, 1, {{AG_F64, 4, {2, 1, 2, 1}, 0, 0}}},
    {&(const tile_attrs){{2, {2, 0}}}, 1, {{AG_F64, 2, {2, 3}, 0, 0}}},
    {&(const tile_attrs){{2, {2, 3}}}, 1, {{AG_F64, 2, {0, 3}, 0, 0}}},
};
static const ag_probe tile_probe = {.lo = {-2}, .hi = {2}, .n_cases = 6, .cases = tile_cases};
static const char *const repeat_partials[] = {"1 at every copy"};

const ag_op agx_op_tile = {
    .name = "tile",
    .formula = "x, side by side with itself",
    .partials = repeat_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .attr_size = sizeof(tile_attrs),
    .fields = tile_fields,
    .n_fields = 1,
    .compose = tile_compose,
    .probe = &tile_probe,
};
ag_value ag_tile(ag_value x, const int64_t *reps, int n) {
    tile_attrs a;
    if (!agx_ints_from_shape(reps, n, &a.reps))
        return ag_tape_fail(x.tape, AG_ERROR_VALUE, "tile: a list of %d repetitions; it may have 0 to %d", n,
                            AG_MAX_RANK);
    return agx_apply1(&agx_op_tile, x, &a);
}

/* ---- repeat_interleave ---------------------------------------------------------------------------------------------- */

typedef struct interleave_attrs {
    int64_t repeats, axis;
} interleave_attrs;

static ag_status interleave_compose(ag_build *b) {
    const interleave_attrs *a = ag_build_attrs(b);
    ag_value x = ag_build_in(b, 0);
    int axis = 0;
    if (a->axis == AG_ALL_AXES) {
        x = ag_reshape(x, 1, &(const int64_t){-1});
    } else {
        ag_error error = {0};
        ag_status status = ag_axis(a->axis, ag_meta_of(x)->rank, &axis, &error);
        if (status != AG_OK) return ag_build_fail(b, status, "%s", error.message);
    }
    if (!ag_ok(x)) return AG_ERROR_FAILED;
    ag_meta z = *ag_meta_of(x);
    ag_status status = multiply(b, a->repeats, &z, axis);
    if (status != AG_OK) return status;
    int64_t inner = 1;
    for (int k = axis + 1; k < z.rank; k++) inner *= z.dim[k];
    ag_build_result(b, a->repeats == 1 ? x : repeat_blocks(x, inner, a->repeats, z.rank, z.dim));
    return AG_OK;
}

static const ag_field interleave_fields[] = {
    {"repeats", AG_FIELD_INT, offsetof(interleave_attrs, repeats), 1},
    {"axis", AG_FIELD_INT, offsetof(interleave_attrs, axis), AG_ALL_AXES},
};
static const ag_probe_case interleave_cases[] = {
    {&(const interleave_attrs){3, AG_ALL_AXES}, 1, {{AG_F64, 0, {0}, 0, 0}}},
    {&(const interleave_attrs){2, AG_ALL_AXES}, 1, {{AG_F64, 2, {2, 3}, 0, 0}}},
    {&(const interleave_attrs){2, 0}, 1, {{AG_F64, 2, {2, 3}, 0, 0}}},
    {&(const interleave_attrs){3, -2}, 1, {{AG_F64, 4, {2, 1, 3, 2}, 0, 0}}},
    {&(const interleave_attrs){0, 1}, 1, {{AG_F64, 2, {2, 3}, 0, 0}}},
    {&(const interleave_attrs){2, 1}, 1, {{AG_F64, 2, {0, 3}, 0, 0}}},
};
static const ag_probe interleave_probe = {.lo = {-2}, .hi = {2}, .n_cases = 6, .cases = interleave_cases};

const ag_op agx_op_repeat_interleave = {
    .name = "repeat_interleave",
    .formula = "x, each position repeated in place",
    .partials = repeat_partials,
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .attr_size = sizeof(interleave_attrs),
    .fields = interleave_fields,
    .n_fields = 2,
    .compose = interleave_compose,
    .probe = &interleave_probe,
};
ag_value ag_repeat_interleave(ag_value x, int64_t repeats, int axis) {
    return agx_apply1(&agx_op_repeat_interleave, x, &(const interleave_attrs){repeats, axis});
}
