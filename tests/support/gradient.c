/* gradient: a function's gradients against central differences, orders 1 and 2. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

void random_values(ag_random *r, double *values, int64_t n, double low, double high, uint32_t avoid) {
    for (int64_t i = 0; i < n; i++) {
        for (int tries = 0; tries < 1000; tries++) {
            double v = low + (high - low) * ag_random_uniform(r);
            bool good = !(avoid & AG_AVOID_ZERO) || fabs(v) > 0.1;
            for (int64_t j = i > 200 ? i - 200 : 0; j < i && good && avoid & AG_AVOID_TIES; j++) {
                good = fabs(v - values[j]) > 0.002;
            }
            values[i] = v;
            if (good) break;
        }
    }
}

/* ---- evaluation ------------------------------------------------------------------------------------------------------------- */

typedef struct problem {
    const char *what;
    check_function *f;
    void *user;
    const check_input *in;
    int n;
    double *weights; /* one per element of the result */
    int64_t n_weights;
    double *direction; /* order 2: one per differentiable element, inputs in order */
} problem;

static int64_t elements(const check_input *x) {
    int64_t n = 1;
    for (int d = 0; d < x->rank; d++) n *= x->dim[d];
    return n;
}

/* The input as a value, possibly as a strided view of a transposed copy with the same elements. */
static ag_value enter(ag_tape *t, const check_input *x, ag_value *leaf) {
    if (x->scalar) return *leaf = x->leaf ? ag_scalar(t, x->values[0]) : ag_scalar_constant(t, x->values[0]);
    bool swap = x->transposed && x->rank >= 2;
    int64_t dim[AG_MAX_RANK];
    memcpy(dim, x->dim, sizeof dim);
    double *values = x->values, *turned = NULL;
    if (swap) { /* store (..., b, a) so that the transpose reads (..., a, b) */
        int64_t a = dim[x->rank - 2], b = dim[x->rank - 1], outer = a * b > 0 ? elements(x) / (a * b) : 0;
        dim[x->rank - 2] = b;
        dim[x->rank - 1] = a;
        turned = values = malloc((size_t)elements(x) * sizeof(double) + 1);
        for (int64_t o = 0; o < outer; o++) {
            for (int64_t i = 0; i < a; i++) {
                for (int64_t j = 0; j < b; j++) turned[(o * b + j) * a + i] = x->values[(o * a + i) * b + j];
            }
        }
    }
    *leaf = x->leaf ? ag_array_leaf(t, x->dtype, x->rank, dim, values)
                    : ag_array_constant(t, x->dtype, x->rank, dim, values);
    free(turned);
    return swap ? ag_transpose(*leaf, -1, -2) : *leaf;
}

static void require_ok(const problem *p, ag_tape *t) {
    ck_assert_msg(ag_tape_status(t) == AG_OK, "%s: %s", p->what, ag_tape_message(t));
}

/* sum(w * f(x)) */
static ag_value objective(problem *p, ag_tape *t, ag_value *leaf) {
    ag_value in[CHECK_INPUTS];
    for (int i = 0; i < p->n; i++) in[i] = enter(t, &p->in[i], &leaf[i]);
    ag_value y = p->f(t, in, p->user);
    require_ok(p, t);
    const ag_meta *meta = ag_meta_of(y);
    int64_t count = ag_meta_count(meta);
    if (!p->weights) {
        ag_random r = {.seed = 7};
        p->n_weights = count;
        p->weights = malloc((size_t)count * sizeof(double) + 1);
        random_values(&r, p->weights, count, -1, 1, 0);
    }
    ck_assert_int_eq(count, p->n_weights);
    ag_value w = ag_array_constant(t, AG_F64, meta->rank, meta->dim, p->weights);
    return ag_sum_all(ag_mul(y, w));
}

/* The leaves that are differentiated. */
static int wanted(const problem *p, const ag_value *leaf, ag_value *wrt, int *which) {
    int n = 0;
    for (int i = 0; i < p->n; i++) {
        if (!p->in[i].leaf) continue;
        wrt[n] = leaf[i];
        which[n++] = i;
    }
    return n;
}

/* <gradient, direction>, a value on the tape. */
static ag_value along(const problem *p, ag_tape *t, const ag_value *dx, const int *which, int n) {
    ag_value sum = ag_full(t, AG_F64, 0, NULL, 0);
    const double *v = p->direction;
    for (int i = 0; i < n; i++) {
        const check_input *x = &p->in[which[i]];
        const ag_meta *meta = ag_meta_of(dx[i]);
        ag_value d = ag_array_constant(t, AG_F64, meta->rank, meta->dim, v);
        sum = ag_add(sum, ag_sum_all(ag_mul(dx[i], d)));
        v += elements(x);
    }
    return sum;
}

/* The objective, or with order 2 the derivative of it along `direction`. */
static double evaluate(problem *p, int order) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value leaf[CHECK_INPUTS], wrt[CHECK_INPUTS], dx[CHECK_INPUTS];
    int which[CHECK_INPUTS];
    ag_value y = objective(p, t, leaf);
    if (order == 2) {
        int n = wanted(p, leaf, wrt, which);
        ck_assert_int_eq(ag_grad(&y, NULL, 1, wrt, n, dx), AG_OK);
        y = along(p, t, dx, which, n);
    }
    double value = ag_item(y);
    require_ok(p, t);
    ag_tape_free(t);
    return value;
}

/* The gradient as numbers, inputs in order. recorded: by ag_grad, else by ag_backward; order 2: of `along`. */
static void gradient(problem *p, int order, bool recorded, double *out) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value leaf[CHECK_INPUTS], wrt[CHECK_INPUTS], dx[CHECK_INPUTS];
    int which[CHECK_INPUTS];
    ag_value y = objective(p, t, leaf);
    int n = wanted(p, leaf, wrt, which);
    if (order == 2) {
        ck_assert_msg(ag_grad(&y, NULL, 1, wrt, n, dx) == AG_OK, "%s: %s", p->what, ag_tape_message(t));
        y = along(p, t, dx, which, n);
    }
    ag_status status = recorded ? ag_grad(&y, NULL, 1, wrt, n, dx) : ag_backward(y);
    ck_assert_msg(status == AG_OK, "%s: %s", p->what, ag_tape_message(t));
    for (int i = 0; i < n; i++) {
        int64_t count = elements(&p->in[which[i]]);
        double *turned = malloc((size_t)count * sizeof(double) + 1);
        status = recorded ? ag_read_f64(dx[i], turned, count) : ag_adjoint_f64(wrt[i], turned, count);
        ck_assert_msg(status == AG_OK, "%s: %s", p->what, ag_tape_message(t));
        memcpy(out, turned, (size_t)count * sizeof(double));
        free(turned);
        out += count;
    }
    ag_tape_free(t);
}

/* Leaves of transposed inputs hold their elements in another order: element k of input x in leaf order. */
static double *element(const check_input *x, int64_t k) {
    if (!x->transposed || x->rank < 2 || x->scalar) return &x->values[k];
    int64_t a = x->dim[x->rank - 2], b = x->dim[x->rank - 1];
    int64_t o = k / (a * b), j = k % (a * b) / a, i = k % a;
    return &x->values[(o * a + i) * b + j];
}

static void compare_with_differences(problem *p, int order, const double *analytic, double tolerance) {
    const double h = 1e-5;
    int64_t at = 0;
    for (int i = 0; i < p->n; i++) {
        const check_input *x = &p->in[i];
        if (!x->leaf) continue;
        for (int64_t k = 0; k < elements(x); k++, at++) {
            double *v = element(x, k), old = *v;
            *v = old + h;
            double up = evaluate(p, order);
            *v = old - h;
            double down = evaluate(p, order);
            *v = old;
            double numeric = (up - down) / (2 * h), a = analytic[at];
            double scale = fmax(1, fmax(fabs(a), fabs(numeric)));
            ck_assert_msg(fabs(a - numeric) <= tolerance * scale,
                          "%s: order %d, input %d, element %ld: analytic %.12g, numeric %.12g", p->what, order, i,
                          (long)k, a, numeric);
        }
    }
}

void check_gradients(const char *what, check_function *f, void *user, const check_input *in, int n, int order) {
    problem p = {.what = what, .f = f, .user = user, .in = in, .n = n};
    int64_t total = 0;
    for (int i = 0; i < n; i++) total += in[i].leaf ? elements(&in[i]) : 0;
    double *a = malloc(3 * (size_t)total * sizeof(double) + 1), *b = a + total;
    p.direction = b + total;
    ag_random r = {.seed = 11};
    random_values(&r, p.direction, total, -1, 1, 0);
    for (int o = 1; o <= order; o++) {
        gradient(&p, o, true, a);
        gradient(&p, o, false, b);
        for (int64_t k = 0; k < total; k++) {
            double scale = fmax(1, fabs(a[k]));
            ck_assert_msg(fabs(a[k] - b[k]) <= 1e-10 * scale,
                          "%s: order %d, element %ld: recorded %.15g, not recorded %.15g", what, o, (long)k, a[k],
                          b[k]);
        }
        compare_with_differences(&p, o, a, o == 1 ? 1e-6 : 1e-5);
    }
    free(a);
    free(p.weights);
}
