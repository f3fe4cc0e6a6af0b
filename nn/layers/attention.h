/* attention: multi-head attention as a layer, masks for it, and positions for what has no order of its own.
 *
 * Sequences lie (..., T, D): leading dimensions first, as PyTorch's batch_first has it. */
#ifndef NN_LAYERS_ATTENTION_H
#define NN_LAYERS_ATTENTION_H

#include "../module.h"

AG_BEGIN_DECLS

/** Zero-initialise, then set what should differ from the default. */
typedef struct nn_attention_options {
    bool no_bias;
    bool causal;        /* query i attends to keys 0 ... i alone, on top of any mask               */
    double dropout;     /* of the attention weights, while training                                */
    int64_t kdim, vdim; /* D: features of keys and of values                                       */
    bool add_bias_kv;   /* one more key and value, which are learned, for every query to attend to */
    bool add_zero_attn; /* one more key and value, which are zero: a query can attend to nothing   */
} nn_attention_options;

/** Multi-head attention of D features in `heads` heads; see ag_multihead_attention. Parameters as PyTorch's:
 *  in_proj_weight (3 D, D) and in_proj_bias (3 D), query, key and value one below the other; out_proj.weight (D, D)
 *  and out_proj.bias (D). Where kdim or vdim is another than D, q_proj_weight (D, D), k_proj_weight (D, kdim) and
 *  v_proj_weight (D, vdim) take in_proj_weight's place; add_bias_kv has bias_k and bias_v (1, 1, D). Projections begin
 *  Xavier-uniform, bias_k and bias_v Xavier-normal, out_proj uniform in [-r, r), r = 1 / sqrt(D), biases zero.
 *  nn_forward is self-attention, for kdim = vdim = D. options NULL: defaults.
 *  Shapes: x, y (..., T, D)
 *  Errors: AG_ERROR_VALUE (heads below 1 or no divisor of D, dropout outside [0, 1]), AG_ERROR_SHAPE (D below 1, kdim
 *          or vdim below 0, too many elements), AG_ERROR_MEMORY. Of a pass, kept by the tape: those of
 *          ag_multihead_attention
 *  Source: Vaswani and others 2017 */
NN_API nn_module *nn_multihead_attention(int64_t features, int64_t heads, const nn_attention_options *options,
                                         ag_error *error);
/** The same with query, key and value apart, a mask, and the attention weights to look at.
 *  mask: bool, true lets a query attend to a key, or float, added to the scores; (ag_value){0}: none. (PyTorch's bool
 *  masks say the opposite.) Keys that are padding: nn_padding_mask.
 *  weights: unless NULL, receives what each query gives each key, summing to 1, as it was before dropout. Keys that the
 *  options add come behind the S others, that of add_zero_attn last; no mask hides them.
 *  Shapes: query (..., L, D), key (..., S, kdim) and value (..., S, vdim); mask broadcasts to (..., heads, L, S);
 *          *weights (..., heads, L, S and what is added); y (..., L, D)
 *  Edges:  a query whose keys are all masked, and none added, gives out_proj.bias
 *  Errors: kept by the tape: AG_ERROR_VALUE (m is no multi-head attention), those of ag_multihead_attention */
NN_API ag_value nn_attention_run(nn_module *m, nn_pass *pass, ag_value query, ag_value key, ag_value value,
                                 ag_value mask, ag_value *weights);

/** A bool mask that hides padding: true for key s of sequence b where s < lengths[b].
 *  Shapes: lengths (batch); y (batch, 1, 1, steps)
 *  Errors: AG_ERROR_VALUE (a length outside [0, steps]), AG_ERROR_SHAPE (batch or steps below 0, or too many
 *          elements), AG_ERROR_MEMORY */
NN_API ag_value nn_padding_mask(ag_tape *t, const int64_t *lengths, int64_t batch, int64_t steps);

/** x plus a fixed pattern of its positions, by which attention can tell them apart.
 *  y[..., t, 2 i] = x + sin(t / 10000^(2 i / D)), y[..., t, 2 i + 1] = x + cos(the same)
 *  Shapes: x, y (..., T, D), T at most max_steps; D is `features`
 *  Errors: AG_ERROR_SHAPE (a size below 0, or too many elements), AG_ERROR_MEMORY. Of a pass: AG_ERROR_SHAPE
 *  Memory: max_steps D numbers in f64, and one copy in x's dtype a pass. No parameters
 *  Source: Vaswani and others 2017, section 3.5 */
NN_API nn_module *nn_sinusoidal_encoding(int64_t max_steps, int64_t features, ag_error *error);
/** The same with a pattern that is learned: parameter weight (max_steps, features), from `init`. PyTorch's embedding
 *  begins with nn_init_normal(0, 1), GPT-2 with nn_init_normal(0, 0.02). */
NN_API nn_module *nn_learned_encoding(int64_t max_steps, int64_t features, nn_init init, ag_error *error);

AG_END_DECLS
#endif
