/* affine: the fused neuron, y = b + sum_i w_i x_i in one record of the strip.
 *
 * Networks of scalars are regular: a neuron's weights were made one after the other, and its inputs are the results of a
 * layer, evenly spaced. Such operands are kept as first id and step, and lie evenly spaced in memory too (within a
 * chunk), so that value and sweep are two strided passes; others are kept as a list of ids. The sum runs from b upwards
 * in the order of i either way: the bits are those of single operations. */
#include "ops.h"
#include "tape_impl.h"

/* Operands that are not all scalars of this strip: the same sum from single operations. */
static ag_value affine_of_tensors(const ag_value *w, const ag_value *x, int n, ag_value b) {
    for (int i = 0; i < n; i++) b = ag_add(b, ag_mul(w[i], x[i]));
    return b;
}

/* Where evenly spaced operands begin, judged by the first two and the last, which must lie in one chunk. They are all live
 * if they carry the first one's epoch, the first is live, and none crosses into the current segment. */
static bool begin_even(const ag_tape *t, const ag_value *v, uint32_t n, uint32_t *first, uint32_t *step) {
    const uint32_t id = v[0].id, by = n > 1 ? v[1].id - id : 0, last = id + (n - 1) * by;
    *first = id;
    *step = by;
    if (v[0].tape != t || id >> AG_STRIP_BITS != last >> AG_STRIP_BITS) return false;
    return v[0].epoch == t->head.epoch ||
           (v[0].epoch == t->head.older && id < t->head.first && last < t->head.first);
}

/* b + the sum over operands that are evenly spaced scalars; false when one of them is not. */
static bool even_sum(const ag_tape *t, const ag_value *w, const ag_value *x, const agx_affine *a, double *sum) {
    const uint32_t w_epoch = w[0].epoch, x_epoch = x[0].epoch, w_step = a->step[0], x_step = a->step[1];
    const ag_entry *ew = agx_entry(t, a->first[0]), *ex = agx_entry(t, a->first[1]);
    uint32_t w_id = a->first[0], x_id = a->first[1], ops = 0;
    double total = *sum;
    for (uint32_t i = 0; i < a->n; i++) {
        const uint32_t other =
            (w[i].id ^ w_id) | (x[i].id ^ x_id) | (w[i].epoch ^ w_epoch) | (x[i].epoch ^ x_epoch);
        if (other || w[i].tape != t || x[i].tape != t) return false;
        ops |= ew->op | ex->op; /* id 0 looks wide, too */
        total += ew->v * ex->v;
        w_id += w_step, x_id += x_step;
        ew += (int32_t)w_step, ex += (int32_t)x_step;
    }
    *sum = total;
    return !(ops & AG_WIDE);
}

/* The same from any live scalars, filling in the list. */
static bool list_sum(const ag_tape *t, const ag_value *w, const ag_value *x, agx_affine *a, double *sum) {
    for (uint32_t i = 0; i < a->n; i++) {
        if (w[i].tape != t || x[i].tape != t || !agx_live(t, w[i]) || !agx_live(t, x[i])) return false;
        const ag_entry *ew = agx_entry(t, w[i].id), *ex = agx_entry(t, x[i].id);
        if ((ew->op | ex->op) & AG_WIDE) return false;
        *sum += ew->v * ex->v;
        a->id[2 * i] = w[i].id;
        a->id[2 * i + 1] = x[i].id;
    }
    return true;
}

ag_value ag_affine(const ag_value *w, const ag_value *x, int n, ag_value b) {
    ag_tape *t = b.tape;
    if (n < 0) return ag_tape_fail(t, AG_ERROR_VALUE, "affine: n is negative: %d", n);
    if (n > 0 && (!w || !x)) return ag_tape_fail(t, AG_ERROR_VALUE, "affine: a list of %d operands is NULL", n);
    if (!t) return affine_of_tensors(w, x, n, b); /* fails, on the tape of a factor */
    if (!ag_strip_live(&t->head, b) && !agx_live(t, b)) return affine_of_tensors(w, x, n, b);
    if (agx_is_wide(agx_entry(t, b.id))) return affine_of_tensors(w, x, n, b);
    const agx_arena_mark here = agx_arena_here(&t->arena);
    agx_affine *a = agx_arena_take(&t->arena, sizeof *a, 8);
    if (!a) return ag_tape_fail(t, AG_ERROR_MEMORY, "affine: out of memory for its operands");
    a->n = (uint32_t)n;
    a->bias = b.id;
    const double bias = agx_entry(t, b.id)->v;
    double sum = bias;
    a->even = n > 0 && begin_even(t, w, a->n, &a->first[0], &a->step[0]) &&
              begin_even(t, x, a->n, &a->first[1], &a->step[1]) && even_sum(t, w, x, a, &sum);
    if (!a->even) {
        /* the list follows the record: nothing was taken from the arena since */
        const size_t bytes = 2 * (size_t)n * sizeof a->id[0];
        agx_arena_release(&t->arena, here);
        a = agx_arena_take(&t->arena, sizeof *a + bytes, 8);
        if (!a) return ag_tape_fail(t, AG_ERROR_MEMORY, "affine: out of memory for its operands");
        a->n = (uint32_t)n;
        a->bias = b.id;
        a->even = false;
        sum = bias;
        if (!list_sum(t, w, x, a, &sum)) {
            agx_arena_release(&t->arena, here);
            return affine_of_tensors(w, x, n, b);
        }
    }
    if (AG_LIKELY(t->head.at < t->head.limit)) {
        ag_strip_push(t, AGX_STRIP_AFFINE, 0, sum)->u.wide = a;
        return ag_strip_pushed(t);
    }
    ag_value y = agx_push_scalar(t, AGX_STRIP_AFFINE, 0, 0, sum);
    if (y.id) agx_entry(t, y.id)->u.wide = a;
    if (y.id && t->anomaly) agx_watch_value(t, y.id);
    return y;
}

void agx_sweep_affine(const ag_tape *t, const agx_affine *a, double dz) {
    *agx_adjoint(t, a->bias) += dz;
    if (a->even) {
        const ag_entry *w = agx_entry(t, a->first[0]), *x = agx_entry(t, a->first[1]);
        double *dw = agx_adjoint(t, a->first[0]), *dx = agx_adjoint(t, a->first[1]);
        for (uint32_t i = 0; i < a->n; i++) {
            *dw += dz * x->v;
            *dx += dz * w->v;
            w += (int32_t)a->step[0], dw += (int32_t)a->step[0];
            x += (int32_t)a->step[1], dx += (int32_t)a->step[1];
        }
        return;
    }
    for (uint32_t i = 0; i < a->n; i++) {
        const uint32_t w = a->id[2 * i], x = a->id[2 * i + 1];
        *agx_adjoint(t, w) += dz * agx_entry(t, x)->v;
        *agx_adjoint(t, x) += dz * agx_entry(t, w)->v;
    }
}
