/* support: what several suites share - an allocator that counts and fails on demand, random values, and the
 * comparison of a gradient with central differences. */
#ifndef TESTS_SUPPORT_H
#define TESTS_SUPPORT_H

#include <autograd/autograd.h>
#include <check.h>

/* ---- memory --------------------------------------------------------------------------------------------------------- */

/** Install an allocator that counts live bytes and lets allocation number `fail_at` (from 1, counted from now) fail;
 *  0: none fails. Call it before the library's first use in a test process. */
void counting_allocator_install(void);
void counting_allocator_fail_at(long k);
void counting_allocator_fail_from(long k); /* number k and all after it; 0: none */
long counting_allocator_calls(void);       /* allocations asked for since fail_at was set */
long counting_allocator_live(void);        /* bytes */

/* ---- values ---------------------------------------------------------------------------------------------------------- */

/** Fill with values in [low, high], at least 0.1 from zero or pairwise 0.05 apart where `avoid` says so. */
void random_values(ag_random *r, double *values, int64_t n, double low, double high, uint32_t avoid);

/* ---- gradients --------------------------------------------------------------------------------------------------------- */

enum { CHECK_INPUTS = 8 };

/** An input of a function under test: a differentiable leaf when dtype is floating and `leaf`, else a constant. */
typedef struct check_input {
    ag_dtype dtype;
    int rank;
    int64_t dim[AG_MAX_RANK];
    double *values;
    bool leaf, scalar; /* scalar: a scalar of the strip   */
    bool transposed;   /* seen through a strided view: the last two axes swapped twice over */
} check_input;

/** Any function of values; returns the value to be differentiated (any shape). */
typedef ag_value check_function(ag_tape *t, const ag_value *in, void *user);

/** ag_gradcheck, element by element, with its default tolerances, forward mode included: fails the running test with the report's text. */
void check_gradients(const char *what, check_function *f, void *user, const check_input *in, int n, int order);

#endif
