/* source_support: a source for tests, whose samples tell their numbers and their draws, and which does what it is told. */
#ifndef TESTS_SOURCE_SUPPORT_H
#define TESTS_SOURCE_SUPPORT_H

#include "nn_support.h"

#include <stdatomic.h>
#include <time.h>

enum { NOWHERE = -1 };

typedef struct tale {
    nn_source source;
    int64_t n;
    int64_t fails_at, longer_at, f64_at, bare_at; /* samples that fail, differ, or have no y */
    int64_t empty_at;                             /* gives no x, without an error            */
    bool silent;                                  /* fails without a text                    */
    long pause;                                   /* nanoseconds a sample                    */
    atomic_long made;
} tale;

static inline int64_t tale_size(nn_source *s) { return ((tale *)s)->n; }

/* x = (i, -i, a random number), y = i. */
static inline ag_status tale_sample(nn_source *s, int64_t i, ag_random *draws, nn_sample *out, ag_error *error) {
    tale *t = (tale *)s;
    if (t->pause) nanosleep(&(struct timespec){.tv_nsec = t->pause}, NULL);
    atomic_fetch_add(&t->made, 1);
    const double x[] = {(double)i, (double)-i, ag_random_uniform(draws), 7};
    out->x = i == t->empty_at ? NULL
                              : ag_tensor_from(i == t->f64_at ? AG_F64 : AG_F32, 1,
                                               (const int64_t[]){i == t->longer_at ? 4 : 3}, x, error);
    if (i == t->empty_at) return AG_OK;
    if (i == t->fails_at) /* with x made already */
        return t->silent ? AG_ERROR_IO : ag_fail(error, AG_ERROR_IO, "the film is torn");
    if (out->x && i != t->bare_at) out->y = ag_tensor_from(AG_I64, 0, NULL, x, error);
    return out->x && (out->y || i == t->bare_at) ? AG_OK : error->status;
}

static inline tale tale_of(int64_t n) {
    return (tale){.source = {tale_size, tale_sample, NULL},
                  .n = n,
                  .fails_at = NOWHERE,
                  .longer_at = NOWHERE,
                  .f64_at = NOWHERE,
                  .bare_at = NOWHERE,
                  .empty_at = NOWHERE};
}

#endif
