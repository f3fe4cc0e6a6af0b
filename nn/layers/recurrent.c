/* recurrent: RNN, GRU and LSTM as layers, made of the engine's sequences (ag_rnn, ag_gru, ag_lstm), one call for each
 * layer, direction and segment of equal batch size (packing_impl.h). The backward direction reads each sequence
 * reversed, forwards, and reverses what comes out. */
#include "recurrent.h"

#include "../module_impl.h"
#include "packing_impl.h"
#include "projection_impl.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

enum { PARTS = 5 }; /* of a layer in one direction: two weights, two biases, a projection */

typedef struct recurrent recurrent;

/* A kind of cell. `last` receives the states, (1, ..., H). */
typedef struct cell {
    const char *name;
    int64_t gates;
    bool has_memory;
    ag_value (*run)(ag_value x, const ag_cell_weights *w, ag_cell_state first, ag_cell_state *last);
} cell;

struct recurrent {
    nn_module base;
    const cell *cell;
    nn_recurrent_options options;
    int slots, directions;
    int64_t hidden, outputs; /* of one direction; the same, unless they are projected */
    nn_param *part[];        /* (slots, PARTS) */
};

static ag_value run_tanh(ag_value x, const ag_cell_weights *w, ag_cell_state first, ag_cell_state *last) {
    return ag_rnn(x, w, 1, AG_RNN_TANH, first.h, &last->h);
}
static ag_value run_relu(ag_value x, const ag_cell_weights *w, ag_cell_state first, ag_cell_state *last) {
    return ag_rnn(x, w, 1, AG_RNN_RELU, first.h, &last->h);
}
static ag_value run_gru(ag_value x, const ag_cell_weights *w, ag_cell_state first, ag_cell_state *last) {
    return ag_gru(x, w, 1, first.h, &last->h);
}
static ag_value run_lstm(ag_value x, const ag_cell_weights *w, ag_cell_state first, ag_cell_state *last) {
    return ag_lstm(x, w, 1, first.h, first.c, &last->h, &last->c);
}

static const cell tanh_cell = {"rnn", 1, false, run_tanh}, relu_cell = {"rnn", 1, false, run_relu},
                  gru_cell = {"gru", 3, false, run_gru}, lstm_cell = {"lstm", 4, true, run_lstm};

/* ---- a pass ------------------------------------------------------------------------------------------------------ */

/* A state before a segment: of its batch, as a layer's, (1, ..., H). */
static ag_value state_before(const nnx_packing *p, ag_value state, int k) {
    if (!state.tape) return state;
    return ag_unsqueeze(p->plain ? state : ag_slice(state, 0, 0, p->segment[k].batch, 1), 0);
}

/* What of the state after a segment is the last: that of the sequences which end there. */
static ag_value state_ended(const nnx_packing *p, ag_value state, int k) {
    if (p->plain) return state;
    const int64_t go_on = k + 1 < p->segments ? p->segment[k + 1].batch : 0;
    return ag_slice(state, 0, go_on, p->segment[k].batch, 1);
}

/* One layer in one direction over packed x. *s: in, the first state, (..., H); out, the last. */
static ag_value run_slot(const recurrent *r, nn_pass *pass, const nnx_packing *p, int slot, ag_value x,
                         ag_cell_state *s) {
    nn_param *const *part = r->part + (size_t)slot * PARTS;
    ag_cell_weights w = {.w_ih = nn_use(pass, part[0]), .w_hh = nn_use(pass, part[1])};
    if (!r->options.no_bias) {
        w.b_ih = nn_use(pass, part[2]);
        w.b_hh = nn_use(pass, part[3]);
    }
    ag_value *const y = p->scratch, *const h = y + p->segments, *const c = h + p->segments;
    for (int k = 0; k < p->segments; k++) {
        const ag_cell_state first = {state_before(p, s->h, k), state_before(p, s->c, k)};
        ag_cell_state last = first;
        const ag_value piece = nnx_pack_segment(p, x, k);
        y[k] = part[4] ? nnx_projected_lstm(piece, &w, nn_use(pass, part[4]), first, &last)
                       : r->cell->run(piece, &w, first, &last);
        if (!y[k].id) return y[k];
        if (!p->plain) y[k] = ag_flatten(y[k], 0, 1);
        s->h = ag_squeeze(last.h, 0);
        h[p->segments - 1 - k] = state_ended(p, s->h, k); /* those that end first stand last */
        if (!r->cell->has_memory) continue;
        s->c = ag_squeeze(last.c, 0);
        c[p->segments - 1 - k] = state_ended(p, s->c, k);
    }
    if (p->plain) return y[0];
    s->h = ag_cat(h, p->segments, 0);
    if (r->cell->has_memory) s->c = ag_cat(c, p->segments, 0);
    return ag_cat(y, p->segments, 0);
}

/* Slot number `slot` of an initial state, packed; none stays none. */
static ag_value first_of(const nnx_packing *p, ag_value state, int slot) {
    return state.tape ? nnx_pack_state(p, ag_select(state, 0, slot)) : state;
}

/* All layers over packed x. h, c (slots): the last states. */
static ag_value run_layers(const recurrent *r, nn_pass *pass, const nnx_packing *p, ag_value x,
                           ag_cell_state initial, ag_value *h, ag_value *c) {
    for (int slot = 0; slot < r->slots;) {
        ag_value y[2] = {x, x};
        for (int d = 0; d < r->directions; d++, slot++) {
            ag_cell_state s = {first_of(p, initial.h, slot), {0}};
            if (r->cell->has_memory) s.c = first_of(p, initial.c, slot);
            y[d] = run_slot(r, pass, p, slot, d ? nnx_pack_backwards(p, x) : x, &s);
            if (!y[d].id) return y[d];
            if (d) y[d] = nnx_pack_backwards(p, y[d]);
            h[slot] = nnx_unpack_state(p, s.h);
            c[slot] = r->cell->has_memory ? nnx_unpack_state(p, s.c) : s.h;
        }
        x = r->directions == 2 ? ag_cat(y, 2, -1) : y[0];
        if (slot < r->slots && pass->training && r->options.dropout > 0) x = ag_dropout(x, r->options.dropout);
    }
    return x;
}

/* Is a state, unless it is none, (slots, batch, features), or (slots, features) where x, (T, ..., n), has no batch? */
static bool state_fits(const recurrent *r, const ag_meta *x, ag_value state, int64_t features, const char *name) {
    if (!state.tape) return true;
    const ag_meta *meta = ag_meta_of(state);
    if (meta && meta->rank == x->rank && meta->dim[0] == r->slots && meta->dim[meta->rank - 1] == features &&
        (meta->rank == 2 || meta->dim[1] == x->dim[1]))
        return true;
    char text[AG_META_TEXT];
    (void)ag_tape_fail(state.tape, AG_ERROR_SHAPE, "%s: %s must have shape (%d%s, %" PRId64 "), got %s",
                       r->base.type, name, r->slots, x->rank == 3 ? ", batch" : "", features,
                       meta ? ag_meta_text(meta, text, sizeof text) : "a failed value");
    return false;
}

static ag_value run(recurrent *r, nn_pass *pass, ag_value x, const int64_t *lengths, const ag_cell_state *initial,
                    ag_cell_state *last) {
    const ag_cell_state first = initial ? *initial : (ag_cell_state){{0}, {0}};
    const ag_value failed = {.tape = pass->tape};
    if (last) *last = (ag_cell_state){failed, failed};
    const ag_meta *meta = ag_meta_of(x);
    if (!meta)
        return ag_squeeze(x, 0); /* an operation tells what is wrong with a handle, or that it failed before */
    if (meta->rank != 2 && meta->rank != 3)
        return ag_tape_fail(pass->tape, AG_ERROR_SHAPE, "%s: a sequence has rank 2 or 3, got rank %d",
                            r->base.type, meta->rank);
    const bool turned = r->options.batch_first && meta->rank == 3;
    if (turned) {
        x = ag_transpose(x, 0, 1);
        meta = ag_meta_of(x);
        if (!meta) return x;
    }
    if (!state_fits(r, meta, first.h, r->outputs, "h") ||
        (r->cell->has_memory && !state_fits(r, meta, first.c, r->hidden, "c")))
        return failed;
    nnx_packing p;
    const size_t bytes = (size_t)r->slots * 2 * sizeof(ag_value); /* fits: r holds more for every slot */
    ag_value y = failed, *h = ag_alloc(bytes);
    if (!nnx_packing_init(&p, r->base.type, x, lengths)) goto done;
    if (!h) {
        (void)ag_tape_fail(pass->tape, AG_ERROR_MEMORY, "%s: no memory for its states", r->base.type);
        goto done;
    }
    y = nnx_unpack(&p, run_layers(r, pass, &p, nnx_pack(&p, x), first, h, h + r->slots));
    if (turned) y = ag_transpose(y, 0, 1);
    if (last && y.id) {
        last->h = ag_stack(h, r->slots, 0);
        last->c = r->cell->has_memory ? ag_stack(h + r->slots, r->slots, 0) : (ag_value){0};
    }
done:
    nnx_packing_clear(&p);
    ag_release(h, bytes);
    return y;
}

static ag_value forward(nn_module *m, nn_pass *pass, ag_value x) {
    return run((recurrent *)m, pass, x, NULL, NULL, NULL);
}

ag_value nn_recurrent_run(nn_module *m, nn_pass *pass, ag_value x, const int64_t *lengths,
                          const ag_cell_state *initial, ag_cell_state *last) {
    if (!m || m->forward != forward) {
        const ag_value failed = ag_tape_fail(pass->tape, AG_ERROR_VALUE,
                                             "nn_recurrent_run: %s is no RNN, GRU or LSTM", m ? m->type : "NULL");
        if (last) *last = (ag_cell_state){failed, failed};
        return failed;
    }
    nnx_enter(m, pass);
    return nnx_leave(m, pass, run((recurrent *)m, pass, x, lengths, initial, last));
}

/* ---- construction ------------------------------------------------------------------------------------------------ */

/* Declares what one slot learns; n: the features it reads. */
static bool declare(recurrent *r, int slot, int64_t n, ag_error *error) {
    static const char *const names[PARTS] = {"weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"};
    const bool projects = r->outputs != r->hidden;
    int64_t rows;
    if (!ag_int_mul(r->cell->gates, r->hidden, &rows)) {
        (void)ag_fail(error, AG_ERROR_SHAPE, "%s: too many elements", r->base.type);
        return false;
    }
    const int64_t dims[PARTS][2] = {{rows, n}, {rows, r->outputs}, {rows, 0}, {rows, 0}, {r->outputs, r->hidden}};
    for (int i = 0; i < PARTS; i++) {
        const bool bias = i == 2 || i == 3;
        if ((bias && r->options.no_bias) || (i == 4 && !projects)) continue;
        char name[40];
        (void)snprintf(name, sizeof name, "%s_l%d%s", names[i], slot / r->directions,
                       slot % r->directions ? "_reverse" : "");
        nn_param *p =
            nn_module_param(&r->base, name, bias ? 1 : 2, dims[i], nn_init_fan_uniform(r->hidden), error);
        r->part[slot * PARTS + i] = p;
        if (!p) return false;
    }
    return true;
}

static nn_module *make(const cell *k, int64_t n_in, int64_t hidden, const nn_recurrent_options *options,
                       ag_error *error) {
    nn_recurrent_options o = options ? *options : (nn_recurrent_options){.layers = 1};
    if (o.layers == 0) o.layers = 1;
    const char *wrong = NULL;
    if (o.layers < 0 || o.layers > INT_MAX / (2 * PARTS)) wrong = "needs 1 or more layers";
    if (!(o.dropout >= 0 && o.dropout <= 1)) wrong = "the probability of dropout is not in [0, 1]";
    if (o.proj_size != 0 && (k != &lstm_cell || o.proj_size < 0 || o.proj_size >= hidden))
        wrong = "proj_size is for an LSTM, and below its hidden features";
    if (wrong || hidden < 1) {
        (void)ag_fail(error, wrong ? AG_ERROR_VALUE : AG_ERROR_SHAPE, "%s: %s", k->name,
                      wrong ? wrong : "needs 1 or more hidden features");
        return NULL;
    }
    const int directions = o.bidirectional ? 2 : 1, slots = o.layers * directions;
    size_t bytes;
    if (!ag_size_mul((size_t)slots, PARTS * sizeof(nn_param *), &bytes) ||
        !ag_size_add(bytes, sizeof(recurrent), &bytes)) {
        (void)ag_fail(error, AG_ERROR_MEMORY, "%s: no memory for %d layers", k->name, o.layers);
        return NULL;
    }
    recurrent *r = nn_module_new(bytes, k->name, forward, error);
    if (!r) return NULL;
    r->cell = k;
    r->options = o;
    r->slots = slots;
    r->directions = directions;
    r->hidden = hidden;
    r->outputs = o.proj_size ? o.proj_size : hidden;
    for (int slot = 0; slot < slots; slot++)
        if (!declare(r, slot, slot < directions ? n_in : directions * r->outputs, error))
            return nn_module_free_null(&r->base);
    return &r->base;
}

nn_module *nn_rnn(int64_t n_in, int64_t hidden, ag_rnn_activation activation, const nn_recurrent_options *options,
                  ag_error *error) {
    if (activation != AG_RNN_TANH && activation != AG_RNN_RELU) {
        (void)ag_fail(error, AG_ERROR_VALUE, "rnn: %d is no activation", (int)activation);
        return NULL;
    }
    return make(activation == AG_RNN_RELU ? &relu_cell : &tanh_cell, n_in, hidden, options, error);
}

nn_module *nn_gru(int64_t n_in, int64_t hidden, const nn_recurrent_options *options, ag_error *error) {
    return make(&gru_cell, n_in, hidden, options, error);
}

nn_module *nn_lstm(int64_t n_in, int64_t hidden, const nn_recurrent_options *options, ag_error *error) {
    return make(&lstm_cell, n_in, hidden, options, error);
}
