/* sequence_support: what the suites of sequence layers share - a module with numbers that a formula gives, and its
 * gradients against differences. */
#ifndef TESTS_SEQUENCE_SUPPORT_H
#define TESTS_SEQUENCE_SUPPORT_H

#include "nn_support.h"

#include <math.h>

#define SHAPE(...)                                                                                                \
    (const int64_t[]) { __VA_ARGS__ }

enum { SEQUENCE_ROOM = 4096 };

/** A module, its parameters in f64 and a tape. */
typedef struct net {
    nn_module *m;
    nn_params *p;
    ag_tape *t;
    nn_pass pass;
} net;

/** sin(start + step i) for every element: the numbers that the PyTorch scripts behind the expected values use. */
static inline const double *wave(int64_t n, double start, double step, double scale) {
    static double values[SEQUENCE_ROOM];
    ck_assert_int_le(n, SEQUENCE_ROOM);
    for (int64_t i = 0; i < n; i++) values[i] = scale * sin(start + step * (double)i);
    return values;
}

/** Parameter k is 0.5 sin(1 + 0.7 k + 0.3 i). */
static inline net net_new(nn_module *m, const ag_error *error) {
    ag_error why = {0};
    ck_assert_msg(m != NULL, "%s", error ? error->message : "no module");
    net n = {.m = m, .p = nn_params_new(m, AG_F64, 1, &why), .t = ag_tape_new(NULL)};
    ck_assert_msg(n.p != NULL, "%s", why.message);
    n.pass = (nn_pass){n.t, true};
    for (size_t k = 0; k < nn_params_count(n.p); k++) {
        ag_tensor *x = nn_params_tensor(n.p, k);
        const int64_t count = ag_tensor_count(x);
        ck_assert_int_eq(ag_tensor_write_f64(x, wave(count, 1 + 0.7 * (double)k, 0.3, 0.5), count), AG_OK);
    }
    return n;
}

static inline void net_free(net *n) {
    ag_tape_free(n->t);
    nn_params_free(n->p);
    nn_module_free(n->m);
}

/** A leaf of sin(start + 0.9 i). */
static inline ag_value wave_leaf(ag_tape *t, int rank, const int64_t *dim, double start) {
    int64_t n = 1;
    for (int k = 0; k < rank; k++) n *= dim[k];
    return ag_array_leaf(t, AG_F64, rank, dim, wave(n, start, 0.9, 1));
}

static inline void expect_numbers(ag_value x, int64_t n, const double *expected, double tolerance) {
    double got[SEQUENCE_ROOM];
    ck_assert_msg(ag_ok(x), "%s", ag_tape_message(x.tape));
    ck_assert_int_eq(ag_meta_count(ag_meta_of(x)), n);
    ck_assert_int_eq(ag_read_f64(x, got, n), AG_OK);
    for (int64_t i = 0; i < n; i++)
        ck_assert_msg(fabs(got[i] - expected[i]) <= tolerance, "element %d is %.17g, expected %.17g", (int)i,
                      got[i], expected[i]);
}

static inline void expect_same(ag_value x, ag_value y, double tolerance) {
    double numbers[SEQUENCE_ROOM];
    ck_assert_msg(ag_ok(x) && ag_ok(y), "%s", ag_tape_message(x.tape));
    ck_assert(ag_meta_same_shape(ag_meta_of(x), ag_meta_of(y)));
    const int64_t n = ag_meta_count(ag_meta_of(y));
    ck_assert_int_le(n, SEQUENCE_ROOM);
    ck_assert_int_eq(ag_read_f64(y, numbers, n), AG_OK);
    expect_numbers(x, n, numbers, tolerance);
}

/** The tape has failed with this status and says `text`; afterwards it is well again. */
static inline void expect_failure(net *n, ag_mark mark, ag_status status, const char *text) {
    ck_assert_msg(ag_tape_status(n->t) == status, "%s: %s", ag_status_text(ag_tape_status(n->t)),
                  ag_tape_message(n->t));
    ck_assert_msg(strstr(ag_tape_message(n->t), text) != NULL, "%s", ag_tape_message(n->t));
    ck_assert_int_eq(ag_tape_rewind(n->t, mark), status);
}

/** Records a pass on n->t and returns one number. */
typedef ag_value net_loss(net *n, void *user);

static inline double loss_at(net *n, net_loss *loss, void *user) {
    const ag_mark mark = ag_tape_mark(n->t);
    const double y = ag_item(loss(n, user));
    ck_assert_msg(ag_tape_rewind(n->t, mark) == AG_OK, "%s", ag_tape_message(n->t));
    return y;
}

/** Backward's gradients of all parameters against central differences at two steps, extrapolated: an error of the
 *  order of step^4 = 1e-12, and of rounding, 1e-16 / step = 1e-13. Only every `stride`th element where stride > 1. */
static inline void check_parameters(net *n, net_loss *loss, void *user, int64_t stride) {
    const double step = 1e-3;
    nn_params_zero_grad(n->p);
    const ag_mark mark = ag_tape_mark(n->t);
    ck_assert_msg(ag_backward(loss(n, user)) == AG_OK, "%s", ag_tape_message(n->t));
    ck_assert_int_eq(ag_tape_rewind(n->t, mark), AG_OK);
    int64_t nonzero = 0;
    for (size_t k = 0; k < nn_params_count(n->p); k++) {
        ag_tensor *x = nn_params_tensor(n->p, k);
        const double *gradient = ag_tensor_grad(x);
        for (int64_t i = (int64_t)k % stride; i < ag_tensor_count(x); i += stride) {
            const double at = ag_tensor_get(x, i);
            double difference[2];
            for (int s = 0; s < 2; s++) {
                const double h = s ? step / 2 : step;
                ((double *)ag_tensor_write(x))[i] = at + h;
                const double above = loss_at(n, loss, user);
                ((double *)ag_tensor_write(x))[i] = at - h;
                difference[s] = (above - loss_at(n, loss, user)) / (2 * h);
            }
            ((double *)ag_tensor_write(x))[i] = at;
            const double numeric = (4 * difference[1] - difference[0]) / 3;
            nonzero += numeric != 0;
            ck_assert_msg(fabs(gradient[i] - numeric) <= 1e-8 * fmax(1, fabs(numeric)),
                          "%s, element %d: gradient %.12g, differences %.12g", ag_tensor_name(x), (int)i,
                          gradient[i], numeric);
        }
    }
    ck_assert_int_gt(nonzero, 0);
}

#endif
