/* gradcheck_function: the function under check as numbers - its value, its gradient by either sweep, its tangent.
 *
 * One tape serves all evaluations; each begins with a rewind and with the generator set back, so a random operation
 * draws the same numbers every time. */
#include "gradcheck_impl.h"

#include <string.h>

#include "grad.h"
#include "ops.h"

ag_status agx_gradcheck_fail(agx_gradcheck *c, ag_status status, const char *message) {
    c->report->verdict = AG_GRADCHECK_NOT_RUN;
    return ag_fail(&c->report->error, status, "gradcheck: %s", message);
}

/* The tape's own failure, under the checker's name. */
static ag_status fail_tape(agx_gradcheck *c) {
    ag_status status = ag_tape_status(c->t);
    return agx_gradcheck_fail(c, status != AG_OK ? status : AG_ERROR_FAILED,
                              status != AG_OK ? ag_tape_message(c->t) : "the function gave no value of its tape");
}

int64_t agx_gradcheck_count(const ag_gradcheck_input *x) {
    int64_t n = 1;
    for (int d = 0; d < x->rank; d++) n *= x->dim[d];
    return n;
}

/* ---- recording ------------------------------------------------------------------------------------------------------- */

/* Numbers that make the view of `x` that swaps the last two axes read as `values`. */
static void turn(const ag_gradcheck_input *x, const double *values, double *turned) {
    int64_t a = x->dim[x->rank - 2], b = x->dim[x->rank - 1], count = agx_gradcheck_count(x);
    for (int64_t k = 0; k < count; k++) {
        int64_t outer = k / (a * b), i = k % (a * b) / b, j = k % b;
        turned[(outer * b + j) * a + i] = values[k];
    }
}

/* Input i as the function sees it. */
static ag_value enter(agx_gradcheck *c, int i) {
    const ag_gradcheck_input *x = &c->in[i];
    const bool leaf = c->offset[i] >= 0;
    const double *values = leaf ? c->x + c->offset[i] : x->values;
    if (x->scalar) return leaf ? ag_scalar(c->t, values[0]) : ag_scalar_constant(c->t, values[0]);
    ag_gradcheck_input stored = *x;
    const bool swap = x->strided && x->rank >= 2;
    if (swap) {
        turn(x, values, c->turned);
        values = c->turned;
        stored.dim[x->rank - 2] = x->dim[x->rank - 1];
        stored.dim[x->rank - 1] = x->dim[x->rank - 2];
    }
    ag_value v = leaf ? ag_array_leaf(c->t, x->dtype, x->rank, stored.dim, values)
                      : ag_array_constant(c->t, x->dtype, x->rank, stored.dim, values);
    return swap ? ag_transpose(v, -1, -2) : v;
}

/* The function's result, weighted and summed. */
static ag_status objective(agx_gradcheck *c, ag_value *y) {
    int wanted = 0;
    for (int i = 0; i < c->n; i++) {
        c->leaf[i] = enter(c, i);
        if (c->offset[i] >= 0) c->wrt[wanted++] = c->leaf[i];
    }
    if (ag_tape_status(c->t) != AG_OK) return fail_tape(c);
    ag_value result = c->f(c->t, c->leaf, c->n, c->user);
    if (ag_tape_status(c->t) != AG_OK || result.tape != c->t || !ag_ok(result)) return fail_tape(c);
    const ag_meta *meta = ag_meta_of(result);
    if (meta->dtype == AG_F32)
        return agx_gradcheck_fail(c, AG_ERROR_DTYPE, "the result is f32: differences need f64");
    int64_t count = ag_meta_count(meta);
    if (!c->weights) {
        size_t bytes;
        if (!ag_size_mul((size_t)count, sizeof *c->weights, &bytes) || !(c->weights = ag_alloc(bytes)))
            return agx_gradcheck_fail(c, AG_ERROR_MEMORY, "out of memory");
        c->n_weights = count;
        ag_random r = {.seed = c->options.seed, .counter = (uint64_t)1 << 40};
        for (int64_t k = 0; k < count; k++) c->weights[k] = 2 * ag_random_uniform(&r) - 1;
        c->report->weighted = count > 1;
        if (count == 1) c->weights[0] = 1;
    }
    if (count != c->n_weights)
        return agx_gradcheck_fail(c, AG_ERROR_SHAPE, "the result's shape changes from one call to the next");
    *y = ag_sum_all(ag_mul(result, ag_array_constant(c->t, AG_F64, meta->rank, meta->dim, c->weights)));
    return ag_ok(*y) ? AG_OK : fail_tape(c);
}

static int wanted(const agx_gradcheck *c) {
    int n = 0;
    for (int i = 0; i < c->n; i++) n += c->offset[i] >= 0;
    return n;
}

/* <gradient, direction>, with the gradient recorded. */
static ag_status derivative(agx_gradcheck *c, ag_value *y) {
    const int n = wanted(c);
    if (ag_grad(y, NULL, 1, c->wrt, n, c->dx) != AG_OK) return fail_tape(c);
    ag_value sum = ag_full(c->t, AG_F64, 0, NULL, 0);
    const double *v = c->direction;
    for (int i = 0; i < n; i++) {
        const ag_meta *meta = ag_meta_of(c->dx[i]);
        if (!meta) return fail_tape(c);
        const ag_value d = ag_array_constant(c->t, AG_F64, meta->rank, meta->dim, v);
        v += ag_meta_count(meta);
        sum = ag_add(sum, ag_sum_all(ag_mul(c->dx[i], d)));
    }
    *y = sum;
    return ag_ok(*y) ? AG_OK : fail_tape(c);
}

ag_status agx_gradcheck_build(agx_gradcheck *c, int order, ag_value *y) {
    ag_status status = ag_tape_rewind(c->t, c->start);
    if (status != AG_OK) return agx_gradcheck_fail(c, status, ag_tape_message(c->t));
    ag_tape_random_set(c->t, (ag_random){.seed = c->options.seed});
    status = objective(c, y);
    return status == AG_OK && order == 2 ? derivative(c, y) : status;
}

ag_status agx_gradcheck_evaluate(agx_gradcheck *c, int order, double *value) {
    ag_value y;
    ag_status status = agx_gradcheck_build(c, order, &y);
    if (status == AG_OK) *value = ag_item(y);
    return status;
}

ag_status agx_gradcheck_gradient(agx_gradcheck *c, int order, bool recorded, double *out) {
    ag_value y;
    ag_status status = agx_gradcheck_build(c, order, &y);
    if (status != AG_OK) return status;
    const int n = wanted(c);
    for (int i = 0; i < n && !recorded; i++) ag_retain(c->wrt[i]); /* strided inputs are views of leaves */
    status = recorded ? ag_grad(&y, NULL, 1, c->wrt, n, c->dx) : ag_backward(y);
    for (int i = 0; i < n && status == AG_OK; i++) {
        const int64_t count = ag_meta_count(ag_meta_of(c->wrt[i]));
        status = recorded ? ag_read_f64(c->dx[i], out, count) : ag_adjoint_f64(c->wrt[i], out, count);
        out += count;
    }
    return status == AG_OK ? AG_OK : fail_tape(c);
}

ag_status agx_gradcheck_tangent(agx_gradcheck *c, int order, bool *ran, double *out) {
    ag_value y, dy;
    ag_status status = agx_gradcheck_build(c, order, &y);
    if (status != AG_OK) return status;
    const int n = wanted(c);
    const double *v = c->direction;
    for (int i = 0; i < n; i++) { /* the gradient's place serves for the tangents */
        const ag_meta *meta = ag_meta_of(c->wrt[i]);
        c->dx[i] = ag_array_constant(c->t, AG_F64, meta->rank, meta->dim, v);
        v += ag_meta_count(meta);
    }
    *ran = ag_tape_status(c->t) == AG_OK && ag_jvp(&y, 1, c->wrt, c->dx, n, &dy) == AG_OK;
    if (*ran) *out = ag_item(dy);
    status = ag_tape_status(c->t);
    if (status == AG_OK) return AG_OK;
    if (status != AG_ERROR_DERIVATIVE) return fail_tape(c);
    (void)!ag_tape_rewind(c->t, c->start); /* it returns, and so clears, that failure */
    return AG_OK;
}
