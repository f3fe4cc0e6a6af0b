/* progress_impl: what a training run shows - a bar that moves on a terminal, lines elsewhere. Internal. */
#ifndef NNX_PROGRESS_IMPL_H
#define NNX_PROGRESS_IMPL_H

#include "../train.h"

enum { NNX_LINE = 512 };

typedef struct nnx_progress {
    const nn_fit_options *is;
    bool terminal;         /* of is->progress                      */
    int64_t batches;       /* of an epoch                          */
    bool validation;       /* there is a set for it                */
    double started, drawn; /* seconds on a clock that is never set */
    int open[2];           /* letters on the open line of is->progress, and of is->print */
} nnx_progress;

void nnx_progress_begin(nnx_progress *p, const nn_fit_options *is, int64_t batches, bool validation);
/** So many batches of an epoch are done. Drawn at most ten times a second. */
void nnx_progress_batch(nnx_progress *p, int64_t epoch, int64_t batch, double loss);
/** An epoch is done: its line, which stays. */
void nnx_progress_epoch(nnx_progress *p, const nn_epoch *e);
/** Nothing more comes: an open line is wiped out. */
void nnx_progress_end(nnx_progress *p);

#endif
