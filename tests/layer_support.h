/* layer_support: what the tests of layers share - numbers that a reference can draw, too, and the derivatives of a layer
 * by its input and by its parameters. */
#ifndef TESTS_LAYER_SUPPORT_H
#define TESTS_LAYER_SUPPORT_H

#include "nn_support.h"

#include <math.h>

#define DIM(...)                                                                                                  \
    (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[]) { __VA_ARGS__ }

enum { LAYER_ROOM = 512 };

/** Element i is sin(1.7 i + k). In Python: torch.sin(torch.arange(n) * 1.7 + k). */
static inline void layer_ramp(double *values, int64_t n, double k) {
    ck_assert_int_le(n, LAYER_ROOM);
    for (int64_t i = 0; i < n; i++) values[i] = sin(1.7 * (double)i + k);
}

static inline ag_value layer_input(ag_tape *t, int rank, const int64_t *dim, double k) {
    double values[LAYER_ROOM];
    int64_t n = 1;
    for (int i = 0; i < rank; i++) n *= dim[i];
    layer_ramp(values, n, k);
    return ag_array_constant(t, AG_F64, rank, dim, values);
}

/** Parameters in f64; number i is the ramp of i + 1. */
static inline nn_params *layer_params(nn_module *m) {
    ag_error error = {0};
    ck_assert_ptr_nonnull(m);
    nn_params *p = nn_params_new(m, AG_F64, 1, &error);
    ck_assert_msg(p != NULL, "%s", error.message);
    double values[LAYER_ROOM];
    for (size_t i = 0; i < nn_params_count(p); i++) {
        ag_tensor *x = nn_params_tensor(p, i);
        layer_ramp(values, ag_tensor_count(x), (double)i + 1);
        ck_assert_int_eq(ag_tensor_write_f64(x, values, ag_tensor_count(x)), AG_OK);
    }
    return p;
}

/** n elements of y, to 1e-13 of a size around 1. */
static inline void expect_near_at(const char *file, int line, ag_value y, int n, const double *expected) {
    double values[LAYER_ROOM];
    ck_assert_msg(ag_ok(y), "%s:%d: %s", file, line, ag_tape_message(y.tape));
    ck_assert_msg(ag_read_f64(y, values, n) == AG_OK, "%s:%d: not %d elements", file, line, n);
    for (int i = 0; i < n; i++)
        ck_assert_msg(fabs(values[i] - expected[i]) <= 1e-13 * fmax(1, fabs(expected[i])),
                      "%s:%d: element %d is %.17g, expected %.17g", file, line, i, values[i], expected[i]);
}
#define EXPECT_NEAR(y, ...)                                                                                       \
    expect_near_at(__FILE__, __LINE__, y, (int)(sizeof((double[]){__VA_ARGS__}) / sizeof(double)),                \
                   (const double[]){__VA_ARGS__})

/** One pass of a layer with ramps in it, on the ramp of 0; m is freed. */
static inline void expect_layer_at(const char *file, int line, nn_module *m, int rank, const int64_t *dim, int n,
                                   const double *expected) {
    nn_params *p = layer_params(m);
    ag_tape *t = ag_tape_new(NULL);
    nn_pass pass = {.tape = t};
    expect_near_at(file, line, nn_forward(m, &pass, layer_input(t, rank, dim, 0)), n, expected);
    ag_tape_free(t);
    nn_params_free(p);
    nn_module_free(m);
}
/** EXPECT_LAYER(module, DIM(input shape), expected...) */
#define EXPECT_LAYER(m, dim, ...)                                                                                 \
    expect_layer_at(__FILE__, __LINE__, m, dim, (int)(sizeof((double[]){__VA_ARGS__}) / sizeof(double)),          \
                    (const double[]){__VA_ARGS__})

/** The constructor fails with this status and says why. */
#define EXPECT_REFUSED(constructor, expected)                                                                     \
    do {                                                                                                          \
        ag_error error = {AG_OK, ""};                                                                             \
        ck_assert_ptr_null(constructor);                                                                          \
        ck_assert_int_eq(error.status, expected);                                                                 \
        ck_assert_str_ne(error.message, "");                                                                      \
    } while (0)

/** A pass over zeros of this shape fails, and the tape keeps this status. */
static inline void expect_pass_refused(nn_module *m, nn_pass *pass, int rank, const int64_t *dim,
                                       ag_status expected) {
    const ag_mark start = ag_tape_mark(pass->tape);
    ck_assert(!ag_ok(nn_forward(m, pass, ag_full(pass->tape, AG_F64, rank, dim, 0))));
    ck_assert_int_eq(ag_tape_rewind(pass->tape, start), expected);
}

/* ---- derivatives -------------------------------------------------------------------------------------------- */

typedef struct layer_subject {
    nn_module *m;
    bool training;
} layer_subject;

static inline ag_value layer_call(ag_tape *t, const ag_value *in, int n, void *user) {
    const layer_subject *s = user;
    nn_pass pass = {t, s->training};
    (void)n;
    return nn_forward(s->m, &pass, in[0]);
}

/* sum of w y with fixed w, so that errors in two elements cannot cancel. */
static inline ag_value layer_objective(ag_tape *t, const layer_subject *s, int rank, const int64_t *dim,
                                       const double *values) {
    ag_tape_random_set(t, (ag_random){7, 0});
    const ag_value x = ag_array_constant(t, AG_F64, rank, dim, values);
    const ag_value y = layer_call(t, &x, 1, (void *)s);
    ck_assert_msg(ag_ok(y), "%s", ag_tape_message(t));
    const ag_meta *meta = ag_meta_of(y);
    double w[LAYER_ROOM];
    layer_ramp(w, ag_meta_count(meta), 11);
    return ag_sum_all(ag_mul(y, ag_array_constant(t, AG_F64, meta->rank, meta->dim, w)));
}

/** The layer's derivatives agree with central differences: by x to the second order, by every parameter to the first.
 *  Steps of 1e-5 leave 1e-10 of error from either side; 1e-7 is well above. m is freed. */
static inline void check_layer_at(const char *file, int line, nn_module *m, bool training, int rank,
                                  const int64_t *dim) {
    nn_params *p = layer_params(m);
    layer_subject subject = {m, training};
    double values[LAYER_ROOM];
    ag_gradcheck_input in = {.dtype = AG_F64, .rank = rank, .values = values};
    int64_t n = 1;
    for (int i = 0; i < rank; i++) n *= in.dim[i] = dim[i];
    layer_ramp(values, n, 0.5);
    ag_gradcheck_report report;
    const ag_gradcheck_options options = {.name = m->type};
    const ag_status status = ag_gradcheck(layer_call, &subject, &in, 1, &options, &report);
    if (status || report.verdict != AG_GRADCHECK_PASSED) {
        char text[4096];
        ag_gradcheck_text(&report, text, sizeof text);
        ck_abort_msg("%s:%d: %s", file, line, text);
    }
    ag_tape *t = ag_tape_new(NULL);
    const ag_mark start = ag_tape_mark(t);
    nn_params_zero_grad(p);
    ck_assert_int_eq(ag_backward(layer_objective(t, &subject, rank, dim, values)), AG_OK);
    ck_assert_int_eq(ag_tape_rewind(t, start), AG_OK);
    for (size_t i = 0; i < nn_params_count(p); i++) {
        ag_tensor *w = nn_params_tensor(p, i);
        for (int64_t k = 0; k < ag_tensor_count(w); k++) {
            const double at = ag_tensor_get(w, k), step = 1e-5;
            double side[2];
            for (int s = 0; s < 2; s++) {
                ck_assert_int_eq(ag_tensor_set(w, k, s ? at + step : at - step), AG_OK);
                side[s] = ag_item(layer_objective(t, &subject, rank, dim, values));
                ck_assert_int_eq(ag_tape_rewind(t, start), AG_OK);
            }
            ck_assert_int_eq(ag_tensor_set(w, k, at), AG_OK);
            const double numeric = (side[1] - side[0]) / (2 * step), analytic = ag_tensor_grad_get(w, k);
            ck_assert_msg(fabs(analytic - numeric) <= 1e-7 * fmax(1, fabs(numeric)),
                          "%s:%d: %s, %s element %d: %.10g, differences %.10g", file, line, m->type,
                          nn_params_name(p, i), (int)k, analytic, numeric);
        }
    }
    ag_tape_free(t);
    nn_params_free(p);
    nn_module_free(m);
}
/** CHECK_LAYER(module, training, DIM(input shape)) */
#define CHECK_LAYER(m, training, ...) check_layer_at(__FILE__, __LINE__, m, training, __VA_ARGS__)

#endif
