/* projection_impl: a layer of LSTM whose output is projected. Internal. */
#ifndef NNX_PROJECTION_IMPL_H
#define NNX_PROJECTION_IMPL_H

#include "../module.h"

/** As ag_lstm with one layer, but for h_t = W_hr (o tanh(c_t)), of P features: w_hh is (4 H, P).
 *  Shapes: x (T, B, n) or (T, n); w_hr (P, H); first.h and last->h (1, B, P) or (1, P), first.c and last->c (1, B, H) or
 *          (1, H); first.h, first.c may be (ag_value){0}; y (T, B, P) or (T, P)
 *  Errors: kept by the tape: AG_ERROR_SHAPE (also: T = 0), AG_ERROR_MEMORY
 *  Source: Sak, Senior and Beaufays 2014 */
ag_value nnx_projected_lstm(ag_value x, const ag_cell_weights *w, ag_value w_hr, ag_cell_state first,
                            ag_cell_state *last);

#endif
