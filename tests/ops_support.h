/* ops_support: short words for the suites of operations - arrays from lists, and exact expectations. */
#ifndef TESTS_OPS_SUPPORT_H
#define TESTS_OPS_SUPPORT_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/support.h"

#define SHAPE(...)                                                                                                \
    (const int64_t[]) { __VA_ARGS__ }
#define AXES(...)                                                                                                 \
    (const int[]) { __VA_ARGS__ }
#define LIST(...)                                                                                                 \
    (const double[]) { __VA_ARGS__ }

/** A leaf that holds 0, 1, 2, ... */
static inline ag_value ramp(ag_tape *t, int rank, const int64_t *dim) {
    double values[256];
    for (int i = 0; i < 256; i++) values[i] = i;
    return ag_array_leaf(t, AG_F64, rank, dim, values);
}

static inline ag_value random_leaf(ag_tape *t, ag_dtype dtype, int rank, const int64_t *dim, uint64_t seed) {
    double values[1024];
    int64_t n = 1;
    for (int k = 0; k < rank; k++) n *= dim[k];
    ck_assert_int_le(n, 1024);
    ag_random r = {.seed = seed};
    random_values(&r, values, n, -2, 2, 0);
    return ag_array_leaf(t, dtype, rank, dim, values);
}

/** n elements, equal to the last bit; NaN expects NaN. */
static inline void expect_values_at(const char *file, int line, ag_value x, int n, const double *expected) {
    double *values = malloc((size_t)n * sizeof *values + 1);
    ck_assert_msg(ag_ok(x), "%s:%d: failed: %s", file, line, ag_tape_message(x.tape));
    ck_assert_msg(ag_read_f64(x, values, n) == AG_OK, "%s:%d: %s", file, line, ag_tape_message(x.tape));
    for (int i = 0; i < n; i++)
        ck_assert_msg(values[i] == expected[i] || (isnan(values[i]) && isnan(expected[i])),
                      "%s:%d: element %d is %.17g, expected %.17g", file, line, i, values[i], expected[i]);
    free(values);
}
static inline void expect_adjoint_at(const char *file, int line, ag_value leaf, int n, const double *expected) {
    double *values = malloc((size_t)n * sizeof *values + 1);
    ck_assert_msg(ag_adjoint_f64(leaf, values, n) == AG_OK, "%s:%d: %s", file, line, ag_tape_message(leaf.tape));
    for (int i = 0; i < n; i++)
        ck_assert_msg(values[i] == expected[i] || (isnan(values[i]) && isnan(expected[i])),
                      "%s:%d: adjoint %d is %.17g, expected %.17g", file, line, i, values[i], expected[i]);
    free(values);
}
#define EXPECT(x, ...)                                                                                            \
    expect_values_at(__FILE__, __LINE__, x, (int)(sizeof(LIST(__VA_ARGS__)) / sizeof(double)), LIST(__VA_ARGS__))
#define EXPECT_ADJOINT(x, ...)                                                                                    \
    expect_adjoint_at(__FILE__, __LINE__, x, (int)(sizeof(LIST(__VA_ARGS__)) / sizeof(double)), LIST(__VA_ARGS__))

static inline void expect_shape_at(const char *file, int line, ag_value x, int rank, const int64_t *dim) {
    ck_assert_msg(ag_ok(x), "%s:%d: failed: %s", file, line, ag_tape_message(x.tape));
    const ag_meta *meta = ag_meta_of(x);
    ck_assert_msg(meta->rank == rank, "%s:%d: rank %d, expected %d", file, line, (int)meta->rank, rank);
    for (int k = 0; k < rank; k++)
        ck_assert_msg(meta->dim[k] == dim[k], "%s:%d: dimension %d is %ld", file, line, k, (long)meta->dim[k]);
}
#define EXPECT_SHAPE(x, ...)                                                                                      \
    expect_shape_at(__FILE__, __LINE__, x, (int)(sizeof(SHAPE(__VA_ARGS__)) / sizeof(int64_t)), SHAPE(__VA_ARGS__))
#define EXPECT_RANK_0(x) expect_shape_at(__FILE__, __LINE__, x, 0, NULL)

/** The operation just recorded failed with this status, and the tape's message holds every text. The failure is cleared. */
static inline void expect_error_at(const char *file, int line, ag_tape *t, ag_mark before, ag_value y,
                                   ag_status status, const char *const *says) {
    ck_assert_msg(!ag_ok(y), "%s:%d: it did not fail", file, line);
    ck_assert_msg(ag_tape_status(t) == status, "%s:%d: %s: %s", file, line, ag_status_name(ag_tape_status(t)),
                  ag_tape_message(t));
    for (; *says; says++)
        ck_assert_msg(strstr(ag_tape_message(t), *says) != NULL, "%s:%d: no '%s' in: %s", file, line, *says,
                      ag_tape_message(t));
    ck_assert_int_eq(ag_tape_rewind(t, before), status);
}
#define EXPECT_ERROR(t, expression, status, ...)                                                                  \
    do {                                                                                                          \
        const ag_mark before_ = ag_tape_mark(t);                                                                  \
        expect_error_at(__FILE__, __LINE__, t, before_, expression, status,                                       \
                        (const char *const[]){__VA_ARGS__, NULL});                                                \
    } while (0)

#endif
