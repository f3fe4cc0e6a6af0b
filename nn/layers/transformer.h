/* transformer: encoder and decoder blocks, and stacks of them, with PyTorch's names.
 *
 *     nn_module *m = nn_transformer_encoder(2, true, &(nn_transformer_options){.features = 64, .heads = 4,
 *                                           .hidden = 256, .norm_first = true, .causal = true}, &error);
 *
 * is a small GPT's body. Sequences lie (..., T, D), leading dimensions first (PyTorch's batch_first). */
#ifndef NN_LAYERS_TRANSFORMER_H
#define NN_LAYERS_TRANSFORMER_H

#include "attention.h"

AG_BEGIN_DECLS

/** A block. Zero-initialise, then set sizes and what should differ from the default. */
typedef struct nn_transformer_options {
    int64_t features; /* D                                                                                */
    int64_t heads;    /* a divisor of D                                                                   */
    int64_t hidden;   /* of the feed-forward part                                                         */
    double dropout;   /* of attention weights, the feed-forward part's middle and every sublayer's result,
                         while training                                                                   */
    double eps;       /* of the norms; 0: 1e-5                                                            */
    bool gelu;        /* the feed-forward part's activation; else relu                                    */
    bool norm_first;  /* normalise what a sublayer reads instead of what it leaves                        */
    bool causal;      /* self-attention looks at the past alone, on top of any mask                       */
} nn_transformer_options;

/** An encoder block: self-attention, then a feed-forward part, each added to what it read and normalised.
 *  x = norm1(x + self_attn(x)); y = norm2(x + linear2(f(linear1(x)))); or, with norm_first,
 *  x = x + self_attn(norm1(x)); y = x + linear2(f(linear1(norm2(x))))
 *  Parameters: self_attn.*, linear1.*, linear2.*, norm1.*, norm2.*; as PyTorch's TransformerEncoderLayer.
 *  nn_forward runs it without a mask.
 *  Shapes: x, y (..., T, D)
 *  Errors: AG_ERROR_VALUE (options NULL; heads, dropout as nn_multihead_attention; eps below 0 or not finite),
 *          AG_ERROR_SHAPE (a size), AG_ERROR_MEMORY. Of a pass, kept by the tape: those of its parts
 *  Source: Vaswani and others 2017; norm_first: Xiong and others 2020 */
NN_API nn_module *nn_transformer_encoder_layer(const nn_transformer_options *options, ag_error *error);
/** A decoder block: self-attention, attention to a memory, a feed-forward part.
 *  Parameters: self_attn.*, multihead_attn.*, linear1.*, linear2.*, norm1.*, norm2.*, norm3.*; as PyTorch's
 *  TransformerDecoderLayer. nn_forward fails with AG_ERROR_VALUE: it has no memory to give.
 *  Errors: as nn_transformer_encoder_layer */
NN_API nn_module *nn_transformer_decoder_layer(const nn_transformer_options *options, ag_error *error);

/** n blocks, named layers.0, layers.1, ..., and, with final_norm, a norm behind them, named norm.
 *  Edges:  n = 0 is the identity, or the norm alone
 *  Errors: AG_ERROR_VALUE (n below 0), those of a block */
NN_API nn_module *nn_transformer_encoder(int n, bool final_norm, const nn_transformer_options *options,
                                         ag_error *error);
NN_API nn_module *nn_transformer_decoder(int n, bool final_norm, const nn_transformer_options *options,
                                         ag_error *error);

/** An encoder block or stack with a mask for self-attention; see nn_attention_run, (ag_value){0}: none.
 *  Shapes: x, y (..., T, D); mask broadcasts to (..., heads, T, T)
 *  Errors: kept by the tape: AG_ERROR_VALUE (m is no encoder), those of nn_attention_run */
NN_API ag_value nn_transformer_encoder_run(nn_module *m, nn_pass *pass, ag_value x, ag_value mask);
/** A decoder block or stack: memory is what an encoder made.
 *  Shapes: x, y (..., T, D), memory (..., S, D); mask broadcasts to (..., heads, T, T), memory_mask to
 *          (..., heads, T, S)
 *  Errors: kept by the tape: AG_ERROR_VALUE (m is no decoder), those of nn_attention_run */
NN_API ag_value nn_transformer_decoder_run(nn_module *m, nn_pass *pass, ag_value x, ag_value memory, ag_value mask,
                                           ag_value memory_mask);

AG_END_DECLS
#endif
