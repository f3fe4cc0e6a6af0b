/* text_batches: pieces of a text, and for each of their characters the one behind it, which is to be foretold.
 *
 * Both kinds are pure functions of what they are told: a run that goes on from a checkpoint sees what it would have
 * seen. Not here: any memory of that. */
#ifndef EXAMPLES_SUPPORT_TEXT_BATCHES_H
#define EXAMPLES_SUPPORT_TEXT_BATCHES_H

#include <autograd/autograd.h>

/** B pieces of T characters. Begin with zeros; free with text_batch_clear. */
typedef struct text_batch {
    int64_t pieces, length; /* B, T                                                    */
    ag_tensor *x;           /* (B, T) i64: characters, by number                       */
    ag_tensor *target;      /* (B T) i64: target b T + t stands behind x[b, t]         */
} text_batch;

/** Errors: AG_ERROR_SHAPE, AG_ERROR_MEMORY */
ag_status text_batch_init(text_batch *b, int64_t pieces, int64_t length, ag_error *error) AG_WARN_UNUSED;
void text_batch_clear(text_batch *b);

/** Pieces from B random places of the n > T numbers at `text`, for a network that begins each piece without a memory.
 *  The places belong to (seed, number). */
void text_batch_windows(text_batch *b, const int64_t *text, int64_t n, uint64_t seed, int64_t number);
/** Piece number `at` of each of B streams, for a network that remembers: what the streams read next is piece at + 1.
 *  They begin evenly spread over the n > T numbers at `text`, all moved by a random distance, and go round from its
 *  end to its beginning. The distance belongs to (seed, number). */
void text_batch_streams(text_batch *b, const int64_t *text, int64_t n, uint64_t seed, int64_t number, int64_t at);
/** The T numbers from `text` on, and the one behind them, as the only piece (B = 1). */
void text_batch_piece(text_batch *b, const int64_t *text);

#endif
