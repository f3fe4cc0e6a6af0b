/* resume: what programs share that go on from a checkpoint - whether there is one, and what must be as it was: all
 * that the weights of a run depend on. */
#ifndef EXAMPLES_SUPPORT_RESUME_H
#define EXAMPLES_SUPPORT_RESUME_H

#include <nn/nn.h>

/** Whether there is such a file; also where that cannot be told, so that reading it says why. NULL: none is wanted. */
bool resume_possible(const char *path);

enum { AGREED_MOST = 12, AGREED_SIZE = 96 };
/** Begin with zeros. `word` has keys and values in turn and a NULL, as nn_checkpoint takes them. It may not
 *  be moved. */
typedef struct agreed {
    int n;
    char value[AGREED_MOST][AGREED_SIZE];
    const char *word[2 * AGREED_MOST + 1];
} agreed;
/** One more key, which is kept, and its value as printf writes it; at most AGREED_MOST. */
void agreed_add(agreed *a, const char *key, const char *format, ...) AG_PRINTF(3, 4);

/** A number that other bytes would hardly have. DIGEST_START, or the digest of what comes before them.
 *  Source: Fowler, Noll and Vo, FNV-1a of 64 bits */
#define DIGEST_START UINT64_C(0xcbf29ce484222325)
uint64_t digest(const void *bytes, size_t n, uint64_t start);

#endif
