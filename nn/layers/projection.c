/* projection: LSTM with a projected output, step by step. All steps are projected to gates in one product; the result is
 * dealt out by halves, since the adjoint of one step of T taken from the whole is an array of size T. */
#include "projection_impl.h"

#include <limits.h>

/* x (n, ...) as n values (...). */
static void deal(ag_value x, int64_t n, ag_value *step) {
    if (n == 1) {
        step[0] = ag_select(x, 0, 0);
        return;
    }
    const int64_t half = n / 2;
    deal(ag_slice(x, 0, 0, half, 1), half, step);
    deal(ag_slice(x, 0, half, n, 1), n - half, step + half);
}

/* Zeros like x, but of `features` on the last axis. */
static ag_value zeros_like(ag_value x, int64_t features) {
    const ag_meta *meta = ag_meta_of(x);
    if (!meta) return x;
    int64_t dim[AG_MAX_RANK];
    for (int k = 0; k < meta->rank; k++) dim[k] = meta->dim[k];
    dim[meta->rank - 1] = features;
    return ag_full(x.tape, meta->dtype, meta->rank, dim, 0);
}

static ag_value gate(ag_value x, int64_t H, int k) { return ag_slice(x, -1, k * H, (k + 1) * H, 1); }

/* The next state; gx (..., 4 H) is the projected input. */
static ag_cell_state advance(ag_value gx, const ag_cell_weights *w, ag_value w_hr, int64_t H, ag_cell_state s) {
    const ag_value g = ag_add(gx, ag_linear(s.h, w->w_hh, w->b_hh));
    const ag_value in = ag_sigmoid(gate(g, H, 0)), forget = ag_sigmoid(gate(g, H, 1));
    const ag_value fresh = ag_tanh(gate(g, H, 2)), out = ag_sigmoid(gate(g, H, 3));
    s.c = ag_add(ag_mul(forget, s.c), ag_mul(in, fresh));
    s.h = ag_linear(ag_mul(out, ag_tanh(s.c)), w_hr, (ag_value){0});
    return s;
}

ag_value nnx_projected_lstm(ag_value x, const ag_cell_weights *w, ag_value w_hr, ag_cell_state first,
                            ag_cell_state *last) {
    const ag_value gates = ag_linear(x, w->w_ih, w->b_ih), failed = {.tape = x.tape};
    const ag_meta *meta = ag_meta_of(gates), *projection = ag_meta_of(w_hr);
    *last = (ag_cell_state){failed, failed};
    if (!meta || !projection) return failed;
    const int64_t T = meta->dim[0], P = projection->dim[0], H = projection->dim[1];
    if (T < 1 || T > INT_MAX)
        return ag_tape_fail(x.tape, AG_ERROR_SHAPE, "lstm: a sequence of %lld steps", (long long)T);
    size_t bytes;
    ag_value *step = ag_size_mul((size_t)T, sizeof *step, &bytes) ? ag_alloc(bytes) : NULL;
    if (!step) return ag_tape_fail(x.tape, AG_ERROR_MEMORY, "lstm: no memory for its steps");
    deal(gates, T, step);
    ag_cell_state s = {first.h.tape ? ag_squeeze(first.h, 0) : zeros_like(step[0], P),
                       first.c.tape ? ag_squeeze(first.c, 0) : zeros_like(step[0], H)};
    for (int64_t t = 0; t < T; t++) {
        s = advance(step[t], w, w_hr, H, s);
        step[t] = s.h;
    }
    const ag_value y = ag_stack(step, (int)T, 0);
    ag_release(step, bytes);
    *last = (ag_cell_state){ag_unsqueeze(s.h, 0), ag_unsqueeze(s.c, 0)};
    return y;
}
