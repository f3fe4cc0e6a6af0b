/* recurrent: cells, and layers of them along a sequence, composed of linear, slices and elementwise steps.
 *
 * A cell is a function from the projected input W_ih x + b_ih and a state to the next state. A sequence projects all
 * steps in one product and deals the result out. The adjoint of one position out of T is an array of size T, so
 * taking T of them from one value would cost T^2: they are taken from ever smaller halves, which costs T log T. */
#include "recurrent.h"

#include "../tape_impl.h"
#include "ops_impl.h"

#include <inttypes.h>
#include <limits.h>

typedef struct recurrent_attrs {
    int64_t num_layers, input_size, hidden_size; /* a size of 0: as the operands have it */
} recurrent_attrs;

/** A kind of cell: gates a layer has, and its step; gx (..., gates H) is the projected input. */
typedef struct cell {
    const ag_op *op;
    int64_t gates;
    ag_cell_state (*step)(ag_value gx, ag_cell_state s, const ag_cell_weights *w);
} cell;

/* ---- steps ------------------------------------------------------------------------------------------------------- */

static ag_value recur(ag_value h, const ag_cell_weights *w) { return ag_linear(h, w->w_hh, w->b_hh); }

/** Gates [from, to) of x (..., gates H). */
static ag_value gates(ag_value x, int64_t H, int from, int to) { return ag_slice(x, -1, from * H, to * H, 1); }

static int64_t hidden(const ag_cell_weights *w) {
    const ag_meta *meta = ag_meta_of(w->w_hh);
    return meta ? meta->dim[1] : 0;
}

static ag_cell_state tanh_step(ag_value gx, ag_cell_state s, const ag_cell_weights *w) {
    s.h = ag_tanh(ag_add(gx, recur(s.h, w)));
    return s;
}

static ag_cell_state relu_step(ag_value gx, ag_cell_state s, const ag_cell_weights *w) {
    s.h = ag_relu(ag_add(gx, recur(s.h, w)));
    return s;
}

static ag_cell_state gru_step(ag_value gx, ag_cell_state s, const ag_cell_weights *w) {
    const int64_t H = hidden(w);
    const ag_value gh = recur(s.h, w);
    const ag_value open = ag_sigmoid(ag_add(gates(gx, H, 0, 2), gates(gh, H, 0, 2)));
    const ag_value reset = gates(open, H, 0, 1), update = gates(open, H, 1, 2);
    const ag_value fresh = ag_tanh(ag_add(gates(gx, H, 2, 3), ag_mul(reset, gates(gh, H, 2, 3))));
    s.h = ag_add(fresh, ag_mul(update, ag_sub(s.h, fresh)));
    return s;
}

static ag_cell_state lstm_step(ag_value gx, ag_cell_state s, const ag_cell_weights *w) {
    const int64_t H = hidden(w);
    const ag_value g = ag_add(gx, recur(s.h, w));
    const ag_value in = ag_sigmoid(gates(g, H, 0, 1)), forget = ag_sigmoid(gates(g, H, 1, 2));
    const ag_value fresh = ag_tanh(gates(g, H, 2, 3)), out = ag_sigmoid(gates(g, H, 3, 4));
    s.c = ag_add(ag_mul(forget, s.c), ag_mul(in, fresh));
    s.h = ag_mul(out, ag_tanh(s.c));
    return s;
}

static const cell tanh_cell = {&agx_op_rnn_tanh, 1, tanh_step}, relu_cell = {&agx_op_rnn_relu, 1, relu_step},
                  gru_cell = {&agx_op_gru, 3, gru_step}, lstm_cell = {&agx_op_lstm, 4, lstm_step};

/* ---- checks ------------------------------------------------------------------------------------------------------ */

/** Is `part`, beside the input x, an array of this shape? b < 0: of rank 1. */
static bool part_fits(const cell *k, ag_value x, ag_value part, const char *name, int layer, int64_t a,
                      int64_t b) {
    const ag_meta *meta = ag_meta_of(part);
    if (!ag_dtype_is_float(meta->dtype)) {
        agx_refuse(k->op, (const ag_value[2]){x, part}, 2, AG_ERROR_DTYPE, "%s_l%d is %s, not floating-point",
                   name, layer, ag_dtype_name(meta->dtype));
        return false;
    }
    if (meta->rank == (b < 0 ? 1 : 2) && meta->dim[0] == a && (b < 0 || meta->dim[1] == b)) return true;
    if (b < 0)
        agx_refuse(k->op, (const ag_value[2]){x, part}, 2, AG_ERROR_SHAPE, "%s_l%d must have shape (%" PRId64 ")",
                   name, layer, a);
    else
        agx_refuse(k->op, (const ag_value[2]){x, part}, 2, AG_ERROR_SHAPE,
                   "%s_l%d must have shape (%" PRId64 ", %" PRId64 ")", name, layer, a, b);
    return false;
}

/** Do the weights of a layer fit inputs of n features? x: for messages. *H: its hidden features. */
static bool weights_fit(const cell *k, ag_value x, const ag_cell_weights *w, int layer, int64_t n, int64_t *H) {
    const ag_value all[4] = {w->w_ih, w->w_hh, w->b_ih, w->b_hh};
    const uint32_t given = w->b_ih.tape || w->b_hh.tape ? 4 : 2;
    if (agx_check_operands(x.tape, k->op->name, all, given) != AG_OK) return false;
    const ag_meta *meta = ag_meta_of(w->w_hh);
    int64_t rows = 0;
    *H = meta->rank == 2 ? meta->dim[1] : 0;
    if (meta->rank != 2 || !ag_int_mul(*H, k->gates, &rows)) {
        agx_refuse(k->op, (const ag_value[2]){x, w->w_hh}, 2, AG_ERROR_SHAPE,
                   "weight_hh_l%d must have shape (%" PRId64 " H, H)", layer, k->gates);
        return false;
    }
    return part_fits(k, x, w->w_ih, "weight_ih", layer, rows, n) &&
           part_fits(k, x, w->w_hh, "weight_hh", layer, rows, *H) &&
           (given == 2 || (part_fits(k, x, w->b_ih, "bias_ih", layer, rows, -1) &&
                           part_fits(k, x, w->b_hh, "bias_hh", layer, rows, -1)));
}

/** x, float, of rank 2 or 3, at least a step long? weight: what messages show beside it. */
static bool sequence_fits(const cell *k, ag_value x, ag_value weight) {
    const ag_value in[2] = {x, weight};
    const ag_meta *meta = ag_meta_of(x);
    const char *wrong = NULL;
    if (!ag_dtype_is_float(meta->dtype)) {
        agx_refuse(k->op, in, 2, AG_ERROR_DTYPE, "needs a floating-point sequence, got %s",
                   ag_dtype_name(meta->dtype));
        return false;
    }
    if (meta->rank != 2 && meta->rank != 3)
        wrong = "the sequence must have shape (time, batch, features) or (time, features)";
    else if (meta->dim[0] < 1 || meta->dim[0] > INT_MAX)
        wrong = "needs at least one time step, and fewer than 2^31";
    if (wrong) agx_refuse(k->op, in, 2, AG_ERROR_SHAPE, "%s", wrong);
    return !wrong;
}

/* ---- a sequence -------------------------------------------------------------------------------------------------- */

/** out[i] = x[i] for i < n, by halves: see the top of the file. */
static void deal(ag_value x, int64_t n, ag_value *out) {
    const int64_t few = 4, half = n / 2;
    if (n <= few) {
        for (int64_t i = 0; i < n; i++) out[i] = ag_select(x, 0, i);
        return;
    }
    deal(ag_slice(x, 0, 0, half, 1), half, out);
    deal(ag_slice(x, 0, half, n, 1), n - half, out + half);
}

/** The state before the first step of a layer: of `initial`, (layers, ..., H), or zeros, (..., H). */
static ag_value first_state(ag_value initial, int layer, const ag_meta *gx, int64_t H, ag_tape *t) {
    if (initial.tape) return ag_select(initial, 0, layer);
    int64_t dim[AG_MAX_RANK];
    for (int k = 1; k < gx->rank - 1; k++) dim[k - 1] = gx->dim[k];
    dim[gx->rank - 2] = H;
    return ag_full(t, gx->dtype, gx->rank - 1, dim, 0);
}

/** Is an initial state, (layers, batch, H) or (layers, H), what layers of x need? */
static bool state_fits(const cell *k, ag_value x, ag_value state, int layers, int64_t H, const char *name) {
    const ag_meta *want = ag_meta_of(x), *have;
    if (!state.tape) return true;
    if (agx_check_operands(x.tape, k->op->name, &state, 1) != AG_OK) return false;
    have = ag_meta_of(state);
    if (have->rank == want->rank && have->dim[0] == layers && have->dim[have->rank - 1] == H &&
        (have->rank == 2 || have->dim[1] == want->dim[1]))
        return true;
    agx_refuse(k->op, (const ag_value[2]){x, state}, 2, AG_ERROR_SHAPE, "%s must have shape (%d%s, %" PRId64 ")",
               name, layers, want->rank == 3 ? ", batch" : "", H);
    return false;
}

/** One layer over the whole sequence x; steps: room for the values of all steps. *s: in, the first state; out, the
 *  last. */
static ag_value run_layer(const cell *k, ag_value gx, const ag_cell_weights *w, ag_cell_state *s,
                          ag_value *steps) {
    const int64_t n = ag_meta_of(gx)->dim[0];
    deal(gx, n, steps);
    for (int64_t i = 0; i < n; i++) {
        *s = k->step(steps[i], *s, w);
        steps[i] = s->h;
    }
    return ag_stack(steps, (int)n, 0);
}

/** All layers. initial: c is looked at for LSTM alone; last (NULL: not wanted) receives (layers, ..., H). */
static ag_value run(const cell *k, ag_value x, const ag_cell_weights *w, int layers, ag_cell_state initial,
                    ag_cell_state *last) {
    ag_tape *t = x.tape;
    const int64_t T = ag_meta_of(x)->dim[0];
    agx_arena_mark mark = agx_arena_here(&t->work.arena);
    ag_value *steps = ag_scratch(&t->work, (size_t)T * sizeof *steps);
    ag_value *h = ag_scratch(&t->work, (size_t)layers * sizeof *h),
             *c = ag_scratch(&t->work, (size_t)layers * sizeof *c);
    ag_value y = x;
    if (!steps || !h || !c) y = agx_refuse(k->op, &x, 1, AG_ERROR_MEMORY, "out of memory for its steps");
    for (int l = 0; l < layers && y.id; l++) {
        const ag_value gx = ag_linear(y, w[l].w_ih, w[l].b_ih); /* (T, ..., gates H) */
        y = gx;
        if (!gx.id) break;
        ag_cell_state s = {.h = first_state(initial.h, l, ag_meta_of(gx), hidden(&w[l]), t)};
        if (k == &lstm_cell) s.c = first_state(initial.c, l, ag_meta_of(gx), hidden(&w[l]), t);
        y = run_layer(k, gx, &w[l], &s, steps);
        h[l] = s.h;
        c[l] = s.c;
    }
    if (last && y.id) {
        last->h = ag_stack(h, layers, 0);
        if (k == &lstm_cell) last->c = ag_stack(c, layers, 0);
    }
    agx_arena_release(&t->work.arena, mark);
    return y;
}

/** Checks, then runs. */
static ag_value sequence(const cell *k, ag_value x, const ag_cell_weights *w, int layers, ag_cell_state initial,
                         ag_cell_state *last) {
    ag_tape *t = x.tape;
    if (last) *last = (ag_cell_state){t ? agx_failed(t) : x, t ? agx_failed(t) : x};
    if (!t || agx_check_operands(t, k->op->name, &x, 1) != AG_OK) return t ? agx_failed(t) : x;
    if (layers < 1 || !w)
        return agx_refuse(k->op, &x, 1, AG_ERROR_VALUE, "needs the weights of 1 or more layers, got %d", layers);
    if (!sequence_fits(k, x, w[0].w_ih)) return agx_failed(t);
    const ag_meta *meta = ag_meta_of(x);
    int64_t n = meta->dim[meta->rank - 1], H = 0;
    for (int l = 0; l < layers; l++, n = H) {
        if (!w[l].b_ih.tape != !w[l].b_hh.tape)
            return agx_refuse(k->op, &x, 1, AG_ERROR_VALUE, "layer %d has one bias of two", l);
        if (!weights_fit(k, x, &w[l], l, n, &H)) return agx_failed(t);
        if (initial.h.tape && l > 0 && H != ag_meta_of(w[0].w_hh)->dim[1])
            return agx_refuse(k->op, &x, 1, AG_ERROR_SHAPE,
                              "layers of different sizes cannot share one first state");
    }
    if (!state_fits(k, x, initial.h, layers, H, "h0") || !state_fits(k, x, initial.c, layers, H, "c0"))
        return agx_failed(t);
    return run(k, x, w, layers, initial, last);
}

ag_value ag_rnn(ag_value x, const ag_cell_weights *weights, int layers, ag_rnn_activation activation, ag_value h0,
                ag_value *h_n) {
    ag_cell_state last;
    if (activation != AG_RNN_TANH && activation != AG_RNN_RELU)
        return ag_tape_fail(x.tape, AG_ERROR_VALUE, "rnn: %d is no activation", (int)activation);
    const cell *k = activation == AG_RNN_RELU ? &relu_cell : &tanh_cell;
    const ag_value y = sequence(k, x, weights, layers, (ag_cell_state){.h = h0}, h_n ? &last : NULL);
    if (h_n) *h_n = last.h;
    return y;
}
ag_value ag_gru(ag_value x, const ag_cell_weights *weights, int layers, ag_value h0, ag_value *h_n) {
    ag_cell_state last;
    const ag_value y = sequence(&gru_cell, x, weights, layers, (ag_cell_state){.h = h0}, h_n ? &last : NULL);
    if (h_n) *h_n = last.h;
    return y;
}
ag_value ag_lstm(ag_value x, const ag_cell_weights *weights, int layers, ag_value h0, ag_value c0, ag_value *h_n,
                 ag_value *c_n) {
    ag_cell_state last;
    const ag_value y =
        sequence(&lstm_cell, x, weights, layers, (ag_cell_state){h0, c0}, h_n || c_n ? &last : NULL);
    if (h_n) *h_n = last.h;
    if (c_n) *c_n = last.c;
    return y;
}

/* ---- single cells ------------------------------------------------------------------------------------------------ */

static ag_cell_state one_step(const cell *k, ag_value x, ag_cell_state s, const ag_cell_weights *w) {
    ag_tape *t = x.tape;
    const ag_cell_state failed = {t ? agx_failed(t) : x, t ? agx_failed(t) : x};
    const ag_value in[3] = {x, s.h, s.c};
    const uint32_t n = k == &lstm_cell ? 3 : 2;
    int64_t H;
    if (!t || agx_check_operands(t, k->op->name, in, n) != AG_OK) return failed;
    const ag_meta *meta = ag_meta_of(x);
    if (meta->rank < 1) {
        agx_refuse(k->op, in, n, AG_ERROR_SHAPE, "the input must have shape (..., features)");
        return failed;
    }
    if (!w->b_ih.tape != !w->b_hh.tape) {
        agx_refuse(k->op, in, n, AG_ERROR_VALUE, "has one bias of two");
        return failed;
    }
    if (!weights_fit(k, x, w, 0, meta->dim[meta->rank - 1], &H)) return failed;
    for (uint32_t i = 1; i < n; i++) {
        const ag_meta *have = ag_meta_of(in[i]);
        bool fits = have->rank == meta->rank && have->dim[have->rank - 1] == H;
        for (int d = 0; fits && d < meta->rank - 1; d++) fits = have->dim[d] == meta->dim[d];
        if (fits) continue;
        agx_refuse(k->op, in, n, AG_ERROR_SHAPE, "a state must have the input's shape with %" PRId64 " features",
                   H);
        return failed;
    }
    return k->step(ag_linear(x, w->w_ih, w->b_ih), s, w);
}

ag_value ag_rnn_cell(ag_value x, ag_value h, ag_cell_weights weights, ag_rnn_activation activation) {
    if (activation != AG_RNN_TANH && activation != AG_RNN_RELU)
        return ag_tape_fail(x.tape, AG_ERROR_VALUE, "rnn: %d is no activation", (int)activation);
    const cell *k = activation == AG_RNN_RELU ? &relu_cell : &tanh_cell;
    return one_step(k, x, (ag_cell_state){.h = h}, &weights).h;
}
ag_value ag_gru_cell(ag_value x, ag_value h, ag_cell_weights weights) {
    return one_step(&gru_cell, x, (ag_cell_state){.h = h}, &weights).h;
}
ag_cell_state ag_lstm_cell(ag_value x, ag_cell_state state, ag_cell_weights weights) {
    return one_step(&lstm_cell, x, state, &weights);
}

/* ---- rows: x, then each layer's w_ih, w_hh and perhaps b_ih, b_hh -------------------------------------------------------- */

/** The operands dealt to layers. NULL: they do not add up, or no memory; the tape knows. */
static ag_cell_weights *layers_of(const ag_build *b, const cell *k, int64_t layers) {
    ag_tape *t = ag_build_tape(b);
    const uint32_t n = ag_build_count(b);
    const ag_value x = ag_build_in(b, 0);
    const int64_t each = layers > 0 && layers < (int64_t)n ? (n - 1) / layers : 0;
    if (each * layers != (int64_t)n - 1 || (each != 2 && each != 4)) {
        agx_refuse(k->op, &x, 1, AG_ERROR_VALUE,
                   "takes x and, for each of %" PRId64
                   " layers, two weights and two biases or none; got %u operands",
                   layers, (unsigned)n);
        return NULL;
    }
    ag_cell_weights *w = ag_scratch(&t->work, (size_t)layers * sizeof *w);
    if (!w) agx_refuse(k->op, &x, 1, AG_ERROR_MEMORY, "out of memory for its weights");
    for (int64_t l = 0; w && l < layers; l++) {
        const uint32_t at = (uint32_t)(1 + l * each);
        w[l] = (ag_cell_weights){.w_ih = ag_build_in(b, at), .w_hh = ag_build_in(b, at + 1)};
        if (each == 2) continue;
        w[l].b_ih = ag_build_in(b, at + 2);
        w[l].b_hh = ag_build_in(b, at + 3);
    }
    return w;
}

/** Does a size that the caller named agree with the operands? */
static bool size_fits(const cell *k, ag_value x, ag_value weight, const char *name, int64_t size) {
    const ag_meta *meta = ag_meta_of(weight);
    if (size == 0 || meta->rank != 2 || meta->dim[1] == size) return true;
    agx_refuse(k->op, (const ag_value[2]){x, weight}, 2, AG_ERROR_SHAPE,
               "%s is %" PRId64 ", the weights have %" PRId64, name, size, meta->dim[1]);
    return false;
}

static ag_status compose(ag_build *b, const cell *k) {
    const recurrent_attrs *a = ag_build_attrs(b);
    ag_tape *t = ag_build_tape(b);
    agx_arena_mark mark = agx_arena_here(&t->work.arena);
    const ag_value x = ag_build_in(b, 0);
    const ag_cell_weights *w = layers_of(b, k, a->num_layers);
    ag_value y = agx_failed(t);
    if (w && size_fits(k, x, w[0].w_ih, "input_size", a->input_size) &&
        size_fits(k, x, w[0].w_hh, "hidden_size", a->hidden_size))
        y = sequence(k, x, w, (int)a->num_layers, (ag_cell_state){0}, NULL);
    agx_arena_release(&t->work.arena, mark);
    ag_build_result(b, y);
    return y.id ? AG_OK : AG_ERROR_FAILED;
}

static ag_status rnn_tanh_compose(ag_build *b) { return compose(b, &tanh_cell); }
static ag_status rnn_relu_compose(ag_build *b) { return compose(b, &relu_cell); }
static ag_status gru_compose(ag_build *b) { return compose(b, &gru_cell); }
static ag_status lstm_compose(ag_build *b) { return compose(b, &lstm_cell); }

static const ag_field recurrent_fields[] = {
    {"num_layers", AG_FIELD_INT, offsetof(recurrent_attrs, num_layers), 1},
    {"input_size", AG_FIELD_INT, offsetof(recurrent_attrs, input_size), 0},
    {"hidden_size", AG_FIELD_INT, offsetof(recurrent_attrs, hidden_size), 0},
};
#define LAYERS(n)                                                                                                 \
    &(const recurrent_attrs) { n, 0, 0 }
#define VECTOR(n)                                                                                                 \
    { AG_F64, 1, {n}, 0, 0 }
#define MATRIX(n, m)                                                                                              \
    { AG_F64, 2, {n, m}, 0, 0 }
/** G gates: a batch with biases, a single sequence of one step, two layers without biases, an empty batch. */
#define CASES(G)                                                                                                  \
    {LAYERS(1),                                                                                                   \
     5,                                                                                                           \
     {{AG_F64, 3, {2, 1, 2}, 0, 0}, MATRIX(G * 2, 2), MATRIX(G * 2, 2), VECTOR(G * 2), VECTOR(G * 2)}},           \
        {LAYERS(1), 3, {MATRIX(1, 1), MATRIX(G, 1), MATRIX(G, 1)}},                                               \
        {LAYERS(2), 5, {MATRIX(5, 1), MATRIX(G, 1), MATRIX(G, 1), MATRIX(G, 1), MATRIX(G, 1)}},                   \
        {LAYERS(1), 3, {{AG_F64, 3, {2, 0, 2}, 0, 0}, MATRIX(G, 2), MATRIX(G, 1)}},
static const ag_probe_case plain_cases[] = {CASES(1)}, gru_cases[] = {CASES(3)}, lstm_cases[] = {CASES(4)};
#undef CASES
#undef MATRIX
#undef VECTOR
#undef LAYERS
static const ag_probe plain_probe = {.lo = {-1, -1, -1}, .hi = {1, 1, 1}, .n_cases = 4, .cases = plain_cases};
static const ag_probe gru_probe = {.lo = {-1, -1, -1}, .hi = {1, 1, 1}, .n_cases = 4, .cases = gru_cases};
static const ag_probe lstm_probe = {.lo = {-1, -1, -1}, .hi = {1, 1, 1}, .n_cases = 4, .cases = lstm_cases};
/* relu's kink: positive operands keep the steps away from it. */
static const ag_probe relu_probe = {.lo = {0.2, 0.2, 0.2}, .hi = {1, 1, 1}, .n_cases = 4, .cases = plain_cases};

const ag_op agx_op_rnn_tanh = {
    .name = "rnn_tanh",
    .formula = "h_t = tanh(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh)",
    .min_in = 3,
    .max_in = AG_VARIADIC,
    .outputs = 1,
    .attr_size = sizeof(recurrent_attrs),
    .fields = recurrent_fields,
    .n_fields = 3,
    .compose = rnn_tanh_compose,
    .probe = &plain_probe,
};
const ag_op agx_op_rnn_relu = {
    .name = "rnn_relu",
    .formula = "h_t = relu(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh)",
    .min_in = 3,
    .max_in = AG_VARIADIC,
    .outputs = 1,
    .attr_size = sizeof(recurrent_attrs),
    .fields = recurrent_fields,
    .n_fields = 3,
    .compose = rnn_relu_compose,
    .probe = &relu_probe,
};
const ag_op agx_op_gru = {
    .name = "gru",
    .formula = "h_t = (1 - z) n + z h_(t-1)",
    .min_in = 3,
    .max_in = AG_VARIADIC,
    .outputs = 1,
    .attr_size = sizeof(recurrent_attrs),
    .fields = recurrent_fields,
    .n_fields = 3,
    .compose = gru_compose,
    .probe = &gru_probe,
};
const ag_op agx_op_lstm = {
    .name = "lstm",
    .formula = "c_t = f c_(t-1) + i g, h_t = o tanh(c_t)",
    .min_in = 3,
    .max_in = AG_VARIADIC,
    .outputs = 1,
    .attr_size = sizeof(recurrent_attrs),
    .fields = recurrent_fields,
    .n_fields = 3,
    .compose = lstm_compose,
    .probe = &lstm_probe,
};
