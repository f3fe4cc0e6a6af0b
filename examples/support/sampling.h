/* sampling: choosing by the scores that a network gives. */
#ifndef EXAMPLES_SUPPORT_SAMPLING_H
#define EXAMPLES_SUPPORT_SAMPLING_H

#include <autograd/autograd.h>

/** One of n numbers, i with probability exp(z_i / temperature) / sum_j exp(z_j / temperature), z the logits (n). A
 *  temperature of 1 keeps the network's own probabilities; a lower one prefers what is likely, and 0 takes the
 *  likeliest, the first of equals, without a draw.
 *  Edges: a logit of -infinity or NaN is not chosen, unless there is no other: then it is 0 */
int64_t sample(const float *logits, int64_t n, double temperature, ag_random *random);

#endif
