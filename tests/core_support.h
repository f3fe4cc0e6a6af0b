/* core_support: what the tests of the core share - tapes, leaves, and claims about failures and adjoints. */
#ifndef CORE_SUPPORT_H
#define CORE_SUPPORT_H

#include "support/support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline ag_tape *tape_new(void) {
    ag_tape *t = ag_tape_new(NULL);
    ck_assert_ptr_nonnull(t);
    return t;
}
static inline ag_value vector(ag_tape *t, int64_t n, const double *values) {
    return ag_array_leaf(t, AG_F64, 1, &n, values);
}
static inline ag_value matrix(ag_tape *t, int64_t m, int64_t n, const double *values) {
    return ag_array_leaf(t, AG_F64, 2, (const int64_t[]){m, n}, values);
}

static inline void require_ok(const ag_tape *t) {
    ck_assert_msg(ag_tape_status(t) == AG_OK, "%s", ag_tape_message(t));
}
static inline void sweep(ag_value y) { ck_assert_msg(ag_backward(y) == AG_OK, "%s", ag_tape_message(y.tape)); }

/** The tape's first failure has this code, and its text holds every word of a NULL-terminated list. */
static inline void require_failure(const ag_tape *t, ag_status status, const char *const *words) {
    const char *message = ag_tape_message(t);
    ck_assert_msg(ag_tape_status(t) == status, "status %s, not %s: %s", ag_status_name(ag_tape_status(t)),
                  ag_status_name(status), message);
    for (; words && *words; words++) {
        ck_assert_msg(strstr(message, *words) != NULL, "'%s' is not in: %s", *words, message);
    }
}
#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

/** The value of x, or its adjoint, is this list. */
static inline void require_numbers(ag_value x, bool adjoint, int64_t n, const double *expected) {
    double got[64];
    ck_assert_int_le(n, 64);
    ag_status status = adjoint ? ag_adjoint_f64(x, got, n) : ag_read_f64(x, got, n);
    ck_assert_msg(status == AG_OK, "%s", ag_tape_message(x.tape));
    for (int64_t i = 0; i < n; i++) {
        ck_assert_msg(fabs(got[i] - expected[i]) <= 1e-12 * fmax(1, fabs(expected[i])),
                      "element %d: %.17g, not %.17g", (int)i, got[i], expected[i]);
    }
}
#define REQUIRE_LIST(x, adjoint, ...)                                                                             \
    require_numbers(x, adjoint, sizeof((double[]){__VA_ARGS__}) / sizeof(double), (const double[]){__VA_ARGS__})
#define ADJOINT(x, ...) REQUIRE_LIST(x, true, __VA_ARGS__)
#define VALUES(x, ...)  REQUIRE_LIST(x, false, __VA_ARGS__)

#endif
