/* recurrent: layers that read a sequence - Elman's network, gated recurrent units, long short-term memory.
 *
 *     nn_module *m = nn_lstm(27, 128, &(nn_recurrent_options){.layers = 2, .dropout = 0.1}, &error);
 *     ...
 *     ag_cell_state state = {{0}, {0}};                                  zeros
 *     ag_value y = nn_recurrent_run(m, &pass, x, NULL, &state, &state);  and so on with the next piece of the text;
 *                                        ag_tape_rewind_keeping carries a state over a rewind, as a constant
 *
 * Names, shapes and the order of gates are PyTorch's. Layer k has weight_ih_lk (G H, n), weight_hh_lk (G H, H),
 * bias_ih_lk and bias_hh_lk (G H), and, bidirectional, the same with _reverse behind them; n is n_in for layer 0 and
 * D H above it, D the number of directions. G gates: Elman's 1, GRU 3 (reset, update, new), LSTM 4 (input, forget,
 * cell, output). With a proj_size P, weight_hh_lk is (G H, P), n above layer 0 is D P, and weight_hr_lk (P, H) comes
 * last. All begin uniform in [-r, r), r = 1 / sqrt(H). */
#ifndef NN_LAYERS_RECURRENT_H
#define NN_LAYERS_RECURRENT_H

#include "../module.h"

AG_BEGIN_DECLS

/** Zero-initialise, then set what should differ from the default. */
typedef struct nn_recurrent_options {
    int layers;         /* each reads the outputs of the one before; 0: one                            */
    bool bidirectional; /* a second set of weights reads backwards; outputs side by side               */
    bool batch_first;   /* sequences lie (B, T, ...) instead of (T, B, ...); states do not change      */
    bool no_bias;
    double dropout;    /* of the outputs of every layer but the last, while training                  */
    int64_t proj_size; /* of an LSTM: features, fewer than H, that outputs and h have; 0: H           */
} nn_recurrent_options;

/** Elman's network. h_t = tanh(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh), or relu of the same: see ag_rnn. options NULL:
 *  defaults. nn_forward begins with zeros and gives the outputs alone.
 *  Shapes: x (T, B, n_in) or (T, n_in); y (T, B, D H) or (T, D H); batch_first: (B, T, ...)
 *  Errors: AG_ERROR_VALUE (no such activation, layers below 0, dropout outside [0, 1], a proj_size that
 *          is below 0, not below hidden, or not of an LSTM), AG_ERROR_SHAPE (n_in below 0,
 *          hidden below 1, too many elements), AG_ERROR_MEMORY. Of a pass, kept by the tape: those of ag_rnn
 *  Source: Elman 1990; both directions: Schuster and Paliwal 1997 */
NN_API nn_module *nn_rnn(int64_t n_in, int64_t hidden, ag_rnn_activation activation,
                         const nn_recurrent_options *options, ag_error *error);
/** The same of gated recurrent units: see ag_gru.
 *  Source: Cho and others 2014 */
NN_API nn_module *nn_gru(int64_t n_in, int64_t hidden, const nn_recurrent_options *options, ag_error *error);
/** The same of long short-term memory: see ag_lstm. With a proj_size P, h_t = W_hr (o tanh(c_t)), and P stands for H in the
 *  shape of y.
 *  Source: Hochreiter and Schmidhuber 1997; projections: Sak, Senior and Beaufays 2014 */
NN_API nn_module *nn_lstm(int64_t n_in, int64_t hidden, const nn_recurrent_options *options, ag_error *error);

/** One of these layers with states, and with sequences of different lengths in one batch: sequence b has lengths[b]
 *  steps, the rest of its column is never read. As PyTorch's packed sequences, in any order of lengths.
 *  lengths: (B), or NULL: all have T steps. `initial` NULL, or a value of it (ag_value){0}: zeros. `last`, unless NULL,
 *  receives the states behind each sequence's own last step (reading backwards: behind its first); it may be `initial`.
 *  Shapes:   x, y as nn_forward; states h and, of an LSTM, c: (layers D, B, H) or (layers D, H), slot D k + d for
 *            layer k in direction d; with a proj_size P, h (layers D, B, P) or (layers D, P)
 *  Gradient: through the outputs and the states, to x and the initial states; what lies past an end gets exactly 0
 *  Edges:    outputs past the end of a sequence are 0. B = 0 is legal
 *  Errors:   kept by the tape: AG_ERROR_VALUE (m is none of these layers; a length outside [1, T]), AG_ERROR_SHAPE (a
 *            state; lengths without a batch), those of ag_lstm
 *  Memory:   with lengths: no step past an end is computed */
NN_API ag_value nn_recurrent_run(nn_module *m, nn_pass *pass, ag_value x, const int64_t *lengths,
                                 const ag_cell_state *initial, ag_cell_state *last);

AG_END_DECLS
#endif
