/* classifier: a network that learns classes by plain gradient descent on the cross-entropy, for the pages that compare
 * ways of doing so. Zero-initialise; classifier_clear after an error, too. */
#ifndef EXAMPLES_SUPPORT_CLASSIFIER_H
#define EXAMPLES_SUPPORT_CLASSIFIER_H

#include <nn/nn.h>

typedef struct classifier {
    nn_module *net;
    nn_params *params; /* f32 */
    nn_optim *optim;
    ag_tape *tape;
} classifier;

/** Takes ownership of `net`, even when it fails; NULL fails with the error that is in `error` already. */
ag_status classifier_init(classifier *c, nn_module *net, double rate, uint64_t seed,
                          ag_error *error) AG_WARN_UNUSED;
void classifier_clear(classifier *c);

/** One update from a batch; *loss (NULL: not wanted) is the batch's before it. */
ag_status classifier_step(classifier *c, const ag_tensor *x, const ag_tensor *y, double *loss,
                          ag_error *error) AG_WARN_UNUSED;
/** One update for each batch of an epoch. */
ag_status classifier_epoch(classifier *c, nn_batcher *b, int64_t epoch, ag_error *error) AG_WARN_UNUSED;

/** How it does on all of `d`, as it is used and not as it trains. */
typedef struct classifier_score {
    double loss, accuracy;
} classifier_score;
ag_status classifier_measure(classifier *c, const nn_dataset *d, classifier_score *score,
                             ag_error *error) AG_WARN_UNUSED;

#endif
