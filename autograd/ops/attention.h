/* attention: weighted means of values, the weights computed from queries and keys. */
#ifndef AUTOGRAD_OPS_ATTENTION_H
#define AUTOGRAD_OPS_ATTENTION_H

#include "../tape.h"

AG_BEGIN_DECLS

/** Scaled dot-product attention.
 *  y = softmax(q k^T / sqrt(E) + mask) v
 *  Shapes:   query (..., L, E), key (..., S, E), value (..., S, V), leading dimensions broadcast; mask broadcasts to
 *            (..., L, S), or (ag_value){0} for none; y (..., L, V)
 *  mask:     bool: true lets a query attend to a key; float: added to the scores
 *  causal:   query i attends to keys 0 ... i, on top of what a mask says
 *  Gradient: through matmul and softmax, to a float mask as well; any order
 *  Edges:    a query whose keys are all masked, or S = 0, gives zeros, with gradient 0
 *  Errors:   AG_ERROR_SHAPE, AG_ERROR_DTYPE (operands not floats; a mask of integers)
 *  Memory:   keeps the weights, (..., L, S)
 *  Source:   Vaswani et al. 2017, section 3.2.1 */
AG_API ag_value ag_scaled_dot_product_attention(ag_value query, ag_value key, ag_value value, ag_value mask,
                                                bool causal);

/** What multi-head attention learns. in_weight holds the projections of query, key and value one below the other, as
 *  PyTorch's in_proj_weight does. Biases may be (ag_value){0} for none. */
typedef struct ag_attention_weights {
    ag_value in_weight;  /* (3 D, D) */
    ag_value in_bias;    /* (3 D)    */
    ag_value out_weight; /* (D, D)   */
    ag_value out_bias;   /* (D)      */
} ag_attention_weights;
/** Multi-head attention: D features are projected, dealt to heads of D / num_heads features, attended with, put
 *  together and projected again.
 *  Shapes:   query (..., L, D), key and value (..., S, D) with the same leading dimensions; mask broadcasts to
 *            (..., num_heads, L, S), or (ag_value){0}; y (..., L, D)
 *  mask, causal, Edges: as ag_scaled_dot_product_attention
 *  Errors:   AG_ERROR_SHAPE, AG_ERROR_VALUE (num_heads below 1 or no divisor of D), AG_ERROR_DTYPE
 *  Memory:   keeps projections and weights; one projection does for three when query, key and value are the same
 *  Source:   Vaswani et al. 2017, section 3.2.2 */
AG_API ag_value ag_multihead_attention(ag_value query, ag_value key, ag_value value, ag_attention_weights weights,
                                       int64_t num_heads, ag_value mask, bool causal);

AG_END_DECLS
#endif
