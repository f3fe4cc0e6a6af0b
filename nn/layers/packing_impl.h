/* packing_impl: sequences of different lengths in one batch, without their padding. Internal.
 *
 * Packed, a batch is its steps one behind the other, (rows, features): first the first step of every sequence, longest
 * sequence first, then the second step of those that have one, and so on. Between two lengths the batch is of one
 * size, so these rows are an ordinary (steps, batch, features) array: a segment. A batch whose sequences all have T
 * steps is left as it is, as one segment. */
#ifndef NNX_PACKING_IMPL_H
#define NNX_PACKING_IMPL_H

#include "../module.h"

typedef struct nnx_segment {
    int64_t row;   /* the first of it */
    int64_t steps; /* so many          */
    int64_t batch; /* of so many sequences, the longest of all */
} nnx_segment;

typedef struct nnx_packing {
    bool plain; /* all sequences have T steps; nothing below but `segments` (1) and `scratch` means anything */
    int segments;
    nnx_segment *segment; /* (segments), batch sizes descending */
    ag_value *scratch;    /* (segments, 3) for the caller */
    int64_t steps, batch; /* of the padded batch */
    ag_value position;    /* i64 (rows): where each row lies in the padded batch, t batch + b */
    ag_value backwards;   /* i64 (rows): the row that changes places with it when sequences are read backwards */
    ag_value order;       /* i64 (batch): sequences by length, longest first */
    ag_value rank;        /* i64 (batch): where in `order` each sequence stands */
    size_t segment_bytes, scratch_bytes;
} nnx_packing;

/** For x (T, B, n) or, plain only, (T, n). lengths NULL: plain. nnx_packing_clear either way.
 *  Returns false with an error on the tape: AG_ERROR_SHAPE, AG_ERROR_VALUE (a length), AG_ERROR_MEMORY. */
bool nnx_packing_init(nnx_packing *p, const char *who, ag_value x, const int64_t *lengths);
void nnx_packing_clear(nnx_packing *p);

ag_value nnx_pack(const nnx_packing *p, ag_value x);                /* (T, B, n) -> (rows, n)     */
ag_value nnx_unpack(const nnx_packing *p, ag_value x);              /* (rows, n) -> (T, B, n), 0s */
ag_value nnx_pack_backwards(const nnx_packing *p, ag_value x);      /* each sequence reversed     */
ag_value nnx_pack_segment(const nnx_packing *p, ag_value x, int k); /* (steps, batch, n)          */
ag_value nnx_pack_state(const nnx_packing *p, ag_value state);      /* (B, H), longest first      */
ag_value nnx_unpack_state(const nnx_packing *p, ag_value state);    /* (B, H), in x's order       */

#endif
