/* recurrent: networks that read a sequence step by step - Elman's, gated recurrent units, long short-term memory.
 *
 * All of these decompose. Sequences lie time first: (T, B, features), or (T, features) for a single one. */
#ifndef AUTOGRAD_OPS_RECURRENT_H
#define AUTOGRAD_OPS_RECURRENT_H

#include "../tape.h"

AG_BEGIN_DECLS

/** What one layer learns, G gates of H hidden features one below the other, in PyTorch's order: GRU (G = 3) reset,
 *  update, new; LSTM (G = 4) input, forget, cell, output; Elman's G = 1. Biases may be (ag_value){0} for none. */
typedef struct ag_cell_weights {
    ag_value w_ih; /* (G H, features of the input) */
    ag_value w_hh; /* (G H, H) */
    ag_value b_ih; /* (G H) */
    ag_value b_hh; /* (G H) */
} ag_cell_weights;

/** What a cell remembers: its output h and, of an LSTM, its memory c. (..., H) */
typedef struct ag_cell_state {
    ag_value h, c;
} ag_cell_state;

typedef enum ag_rnn_activation { AG_RNN_TANH, AG_RNN_RELU } ag_rnn_activation;

/** A whole sequence through `layers` layers, each reading the outputs of the one before.
 *  h_t = tanh(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh), or relu of the same
 *  Shapes:   x (T, B, n) or (T, n); h0 (layers, B, H) or (layers, H), (ag_value){0} for zeros; the result, all h_t of
 *            the last layer, (T, B, H) or (T, H); h_n, unless NULL, receives the last h of each layer, as h0
 *  Gradient: backpropagation through time; any order
 *  Edges:    B = 0 is legal
 *  Errors:   AG_ERROR_SHAPE (also: T = 0), AG_ERROR_VALUE (layers < 1, no such activation, one bias of two),
 *            AG_ERROR_DTYPE
 *  Memory:   keeps every step; the input is projected for all steps in one product
 *  Source:   Elman 1990 */
AG_API ag_value ag_rnn(ag_value x, const ag_cell_weights *weights, int layers, ag_rnn_activation activation,
                       ag_value h0, ag_value *h_n);
/** The same of gated recurrent units.
 *  r, z = sigmoid(W_ih x_t + b_ih + W_hh h + b_hh); n = tanh(W_in x_t + b_in + r (W_hn h + b_hn));
 *  h_t = (1 - z) n + z h, with h = h_(t-1)
 *  Source:   Cho et al. 2014, with r behind W_hn h as cuDNN and PyTorch have it */
AG_API ag_value ag_gru(ag_value x, const ag_cell_weights *weights, int layers, ag_value h0, ag_value *h_n);
/** The same of long short-term memory. c0 and c_n are to c what h0 and h_n are to h.
 *  i, f, o = sigmoid(W_ih x_t + b_ih + W_hh h + b_hh); g = tanh(the same); c_t = f c + i g; h_t = o tanh(c_t)
 *  Source:   Hochreiter and Schmidhuber 1997; Gers, Schmidhuber and Cummins 2000 (the forget gate) */
AG_API ag_value ag_lstm(ag_value x, const ag_cell_weights *weights, int layers, ag_value h0, ag_value c0,
                        ag_value *h_n, ag_value *c_n);

/** One step of a layer: x (..., n), h (..., H); the result is the next h. The sequences above are made of these.
 *  Errors:   as ag_rnn */
AG_API ag_value ag_rnn_cell(ag_value x, ag_value h, ag_cell_weights weights, ag_rnn_activation activation);
AG_API ag_value ag_gru_cell(ag_value x, ag_value h, ag_cell_weights weights);
AG_API ag_cell_state ag_lstm_cell(ag_value x, ag_cell_state state, ag_cell_weights weights);

AG_END_DECLS
#endif
