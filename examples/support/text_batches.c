/* text_batches: see text_batches.h. */
#include "text_batches.h"

ag_status text_batch_init(text_batch *b, int64_t pieces, int64_t length, ag_error *error) {
    int64_t n;
    *b = (text_batch){.pieces = pieces, .length = length};
    if (!ag_int_mul(pieces, length, &n))
        return ag_fail(error, AG_ERROR_SHAPE, "a batch has too many characters to count");
    b->x = ag_tensor_new(AG_I64, 2, (const int64_t[]){pieces, length}, error);
    b->target = b->x ? ag_tensor_new(AG_I64, 1, &n, error) : NULL;
    if (b->target) return AG_OK;
    text_batch_clear(b);
    return error->status;
}

void text_batch_clear(text_batch *b) {
    ag_tensor_free(b->x);
    ag_tensor_free(b->target);
    *b = (text_batch){0};
}

/* A stream of random numbers for each `number`: 2^32 blocks of four lie between one and the next. */
static ag_random draws(uint64_t seed, int64_t number) {
    return (ag_random){.seed = seed, .counter = (uint64_t)number << 32};
}

/* Piece number b: from place `from` on, going round. */
static void fill(int64_t *x, int64_t *target, const text_batch *b, int64_t piece, const int64_t *text, int64_t n,
                 int64_t from) {
    for (int64_t t = 0; t < b->length; t++) {
        x[piece * b->length + t] = text[(from + t) % n];
        target[piece * b->length + t] = text[(from + t + 1) % n];
    }
}

void text_batch_windows(text_batch *b, const int64_t *text, int64_t n, uint64_t seed, int64_t number) {
    ag_random r = draws(seed, number);
    int64_t *x = ag_tensor_write(b->x), *target = ag_tensor_write(b->target);
    for (int64_t i = 0; i < b->pieces; i++)
        fill(x, target, b, i, text, n, (int64_t)ag_random_below(&r, (uint64_t)(n - b->length)));
}

void text_batch_streams(text_batch *b, const int64_t *text, int64_t n, uint64_t seed, int64_t number, int64_t at) {
    ag_random r = draws(seed, number);
    const int64_t distance = (int64_t)ag_random_below(&r, (uint64_t)n), behind = at % n * (b->length % n) % n;
    int64_t *x = ag_tensor_write(b->x), *target = ag_tensor_write(b->target);
    for (int64_t i = 0; i < b->pieces; i++)
        fill(x, target, b, i, text, n, (distance + i * n / b->pieces + behind) % n);
}

void text_batch_piece(text_batch *b, const int64_t *text) {
    fill(ag_tensor_write(b->x), ag_tensor_write(b->target), b, 0, text, b->length + 1, 0);
}
