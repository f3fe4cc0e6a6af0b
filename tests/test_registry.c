/* registry: every registered operation, tried by its own probe, for every set of its differentiable operands: gradients
 * of both orders and the forward mode against central differences. A differentiable row without a probe fails.
 *
 * Where a probe leaves out a rank from 0 to 4, the empty array, the single element or operands that broadcast, its cases
 * are altered until the row takes one of that kind, and that is tried. What a row takes in no such form does not exist.
 *
 * The environment variable GRADUS_OPERATION names the only one to try; tests/mutants.c sets it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/support.h"

/* ---- one operation as a function --------------------------------------------------------------------------------------- */

typedef struct subject {
    const ag_op *op;
    const void *attrs;
    int n;
    unsigned outputs; /* of several: bit k says that output k is looked at */
} subject;

/* Sum of w y^2: squares, for y may be free to change its sign (an eigenvector); weights that differ, for the sum of the
 * plain squares may be a constant (a standardised row). */
static ag_value weighted_squares(ag_tape *t, ag_value y) {
    const ag_meta *meta = ag_meta_of(y);
    const int64_t n = ag_ok(y) ? ag_meta_count(meta) : 0;
    double *w = malloc((size_t)n * sizeof *w + 1);
    for (int64_t i = 0; i < n; i++) w[i] = 0.5 + (double)(i * 7 % 5);
    const ag_value weights = ag_array_constant(t, meta->dtype, meta->rank, meta->dim, w);
    free(w);
    return ag_sum_all(ag_mul(weights, ag_square(y)));
}

/* The result; of several outputs, those looked at in one number. */
static ag_value apply_subject(ag_tape *t, const ag_value *in, void *user) {
    const subject *s = user;
    ag_value first = ag_apply(t, s->op, in, (uint32_t)s->n, s->attrs);
    if (s->op->outputs == 1 || !ag_ok(first)) return first;
    ag_value sum = {0};
    for (uint32_t k = 0; k < s->op->outputs; k++) {
        ag_value y = ag_output(first, k);
        if (!(s->outputs >> k & 1) || !ag_dtype_is_float(ag_meta_of(y)->dtype)) continue;
        const ag_value part = ag_mul_number(weighted_squares(t, y), k + 1.0);
        sum = sum.tape ? ag_add(sum, part) : part;
    }
    return sum.tape ? sum : first;
}

static bool differentiable(const ag_op *op) {
    if (op->traits & AG_TRAIT_LEAF || op->max_in == 0) return false;
    for (uint32_t i = 0; i < 16 && i < op->max_in; i++) {
        if (ag_op_grad(op, i) == AG_GRAD_RULE) return true;
    }
    return false;
}

/* ---- cases ------------------------------------------------------------------------------------------------------------------- */

static int64_t count_of(const check_input *x) {
    int64_t n = 1;
    for (int d = 0; d < x->rank; d++) n *= x->dim[d];
    return n;
}

/* Values for all inputs; with AG_AVOID_TIES none is within 0.002 of another, over all inputs together. */
static void fill(const ag_op *op, check_input *in, int n, const double *low, const double *high, uint64_t seed) {
    ag_random r = {.seed = seed};
    uint32_t avoid = op->probe->avoid;
    for (int i = 0; i < n; i++) {
        int64_t count = count_of(&in[i]);
        in[i].values = malloc((size_t)count * sizeof(double) + 1);
        if (in[i].dtype == AG_BOOL || in[i].dtype == AG_I64) {
            for (int64_t k = 0; k < count; k++) {
                uint64_t span = (uint64_t)(high[i] - low[i]) + 1;
                in[i].values[k] = low[i] + (double)ag_random_below(&r, span);
            }
        } else if (avoid & AG_AVOID_TIES) {
            for (int64_t k = 0; k < count; k++) {
                /* a grid of 0.01 in shuffled order, input i shifted by a part of a step */
                double u = low[i] + (high[i] - low[i]) * ag_random_uniform(&r);
                in[i].values[k] = floor(u / 0.01) * 0.01 + 0.01 * (i + 1) / (n + 1);
                for (int64_t j = 0; j < k; j++) {
                    if (fabs(in[i].values[j] - in[i].values[k]) < 0.005) {
                        k--;
                        break;
                    }
                }
            }
        } else {
            random_values(&r, in[i].values, count, low[i], high[i], avoid);
        }
    }
}

static void release(check_input *in, int n) {
    for (int i = 0; i < n; i++) free(in[i].values);
}

/* Every non-empty subset of the differentiable operands; of several outputs, every subset with all operands. */
static void try_subsets(subject *s, check_input *in, int n, const char *what) {
    int floats[CHECK_INPUTS], m = 0;
    for (int i = 0; i < n; i++) {
        if (ag_dtype_is_float(in[i].dtype) && ag_op_grad(s->op, (uint32_t)i) == AG_GRAD_RULE) floats[m++] = i;
    }
    for (unsigned subset = 1; subset < 1u << m; subset++) {
        for (int i = 0; i < n; i++) in[i].leaf = false;
        for (int j = 0; j < m; j++) in[floats[j]].leaf = subset >> j & 1;
        const unsigned all = (1u << s->op->outputs) - 1;
        for (s->outputs = subset + 1 == 1u << m ? 1 : all; s->outputs <= all; s->outputs++) {
            char text[200];
            snprintf(text, sizeof text, "%s, %s, operands %#x, outputs %#x", s->op->name, what, subset,
                     s->outputs);
            check_gradients(text, apply_subject, s, in, n, 2);
        }
    }
}

/* The inputs of a probe case, filled. */
static void fill_case(const ag_op *op, const ag_probe_case *probe, check_input *in, uint64_t seed) {
    double low[CHECK_INPUTS], high[CHECK_INPUTS];
    for (uint32_t i = 0; i < probe->n_in; i++) {
        const ag_probe_input *p = &probe->in[i];
        in[i].dtype = p->dtype;
        in[i].rank = p->rank;
        memcpy(in[i].dim, p->dim, sizeof p->dim);
        bool own = p->lo != 0 || p->hi != 0;
        uint32_t k = i < 2 ? i : 2;
        low[i] = own ? p->lo : op->probe->lo[k];
        high[i] = own ? p->hi : op->probe->hi[k];
        if (!own && low[i] == 0 && high[i] == 0) {
            low[i] = p->dtype == AG_BOOL ? 0 : -2;
            high[i] = p->dtype == AG_BOOL ? 1 : 2;
        }
    }
    fill(op, in, (int)probe->n_in, low, high, seed);
}

static void try_probe_case(const ag_op *op, const ag_probe_case *probe, uint64_t seed, const char *name) {
    subject s = {.op = op, .attrs = probe->attrs, .n = (int)probe->n_in};
    for (int strided = 0; strided < 2; strided++) {
        check_input in[CHECK_INPUTS] = {{0}};
        fill_case(op, probe, in, seed);
        for (int i = 0; i < s.n; i++) in[i].transposed = strided;
        char what[100];
        snprintf(what, sizeof what, "%s%s", name, strided ? ", strided" : "");
        try_subsets(&s, in, s.n, what);
        release(in, s.n);
    }
}

/* ---- kinds of shapes ------------------------------------------------------------------------------------------------ */

/* What a case shows: ranks of its differentiable operands, an empty one, one of a single element in some axes, two that
 * broadcast. */
enum { RANK_0 = 1, RANK_4 = 1 << 4, EMPTY = 1 << 5, SINGLE = 1 << 6, BROADCAST = 1 << 7, KINDS = 8 };

static unsigned kinds_of(const ag_op *op, const ag_probe_case *c) {
    unsigned kinds = 0;
    const ag_probe_input *before = NULL;
    for (uint32_t i = 0; i < c->n_in; i++) {
        const ag_probe_input *x = &c->in[i];
        if (!ag_dtype_is_float(x->dtype) || ag_op_grad(op, i) != AG_GRAD_RULE) continue;
        int64_t count = 1;
        for (int d = 0; d < x->rank; d++) count *= x->dim[d];
        if (x->rank <= 4) kinds |= 1u << x->rank;
        if (count == 0) kinds |= EMPTY;
        if (count == 1 && x->rank > 0) kinds |= SINGLE;
        if (before && before->rank != x->rank) kinds |= BROADCAST;
        for (int d = 1; before && d <= x->rank && d <= before->rank; d++) {
            const int64_t one = x->dim[x->rank - d], other = before->dim[before->rank - d];
            if (one != other && (one == 1 || other == 1)) kinds |= BROADCAST;
        }
        before = x;
    }
    return kinds;
}

/* Does the row take this case, and is what it makes of it finite? */
static bool takes(const ag_op *op, const ag_probe_case *c, uint64_t seed) {
    ag_tape *t = ag_tape_new(NULL);
    check_input in[CHECK_INPUTS] = {{0}};
    ag_value v[CHECK_INPUTS];
    fill_case(op, c, in, seed);
    for (uint32_t i = 0; i < c->n_in; i++)
        v[i] = ag_array_constant(t, in[i].dtype, in[i].rank, in[i].dim, in[i].values);
    const ag_value first = ag_apply(t, op, v, c->n_in, c->attrs);
    bool good = ag_ok(first);
    for (uint32_t k = 0; good && k < op->outputs; k++) {
        const ag_value y = ag_output(first, k);
        const int64_t n = ag_meta_count(ag_meta_of(y));
        double *values = malloc((size_t)n * sizeof *values + 1);
        good = values && ag_read_f64(y, values, n) == AG_OK;
        for (int64_t j = 0; good && j < n; j++) good = isfinite(values[j]);
        free(values);
    }
    release(in, (int)c->n_in);
    ag_tape_free(t);
    return good;
}

static bool prepend(ag_probe_input *x) {
    if (x->rank == 5) return false;
    memmove(x->dim + 1, x->dim, 4 * sizeof x->dim[0]);
    x->dim[0] = 1;
    x->rank++;
    return true;
}
static bool drop(ag_probe_input *x) {
    if (x->rank == 0) return false;
    memmove(x->dim, x->dim + 1, 4 * sizeof x->dim[0]);
    x->rank--;
    return true;
}
static bool empty(ag_probe_input *x) {
    if (x->rank == 0) return false;
    x->dim[0] = 0;
    return true;
}
static bool shrink(ag_probe_input *x) {
    for (int d = 0; d < x->rank; d++) x->dim[d] = 1;
    if (x->dtype == AG_I64) x->lo = 0, x->hi = 0.5; /* what is left to index is element 0 */
    return true;
}
static bool narrow(ag_probe_input *x) {
    if (x->rank == 0) return false;
    x->dim[x->rank - 1] = 1;
    return true;
}
static bool (*const alterations[])(ag_probe_input *) = {prepend, drop, empty, shrink, narrow};
enum { ALTERATIONS = 5 };

/* Is operand i of n altered: all are, or the first, or the last, or those with a derivative. */
static bool concerned(const ag_op *op, int which, uint32_t i, uint32_t n) {
    switch (which) {
    case 1: return i == 0;
    case 2: return i + 1 == n;
    case 3: return ag_op_grad(op, i) == AG_GRAD_RULE;
    default: return true;
    }
}

/* A case of a kind that no other shows, made from one of the probe's by up to four alterations. */
static bool find_case(const ag_op *op, unsigned kind, uint64_t seed, ag_probe_case *found) {
    for (uint32_t c = 0; c < op->probe->n_cases; c++) {
        for (int way = 0; way < ALTERATIONS * 4; way++) {
            ag_probe_case trial = op->probe->cases[c];
            for (int times = 0; times < 4; times++) {
                bool altered = true;
                for (uint32_t i = 0; i < trial.n_in; i++) {
                    if (!concerned(op, way % 4, i, trial.n_in)) continue;
                    altered = altered && alterations[way / 4](&trial.in[i]);
                }
                if (!altered) break;
                if (!(kinds_of(op, &trial) & kind) || !takes(op, &trial, seed)) continue;
                *found = trial;
                return true;
            }
        }
    }
    return false;
}

static void try_missing_kinds(const ag_op *op) {
    static const char *const names[KINDS] = {"rank 0", "rank 1", "rank 2",           "rank 3",
                                             "rank 4", "empty",  "a single element", "broadcast"};
    unsigned shown = 0;
    for (uint32_t c = 0; c < op->probe->n_cases; c++) shown |= kinds_of(op, &op->probe->cases[c]);
    for (int k = 0; k < KINDS; k++) {
        ag_probe_case c;
        if (shown & 1u << k || !find_case(op, 1u << k, 200 + (uint64_t)k, &c)) continue;
        shown |= kinds_of(op, &c);
        try_probe_case(op, &c, 200 + (uint64_t)k, names[k]);
    }
}

/* Elementwise rows bring no cases: shapes of ranks 0 to 4, empty, of size 1, and broadcast pairs. */
typedef struct pair {
    int rank[2];
    int64_t dim[2][4];
} pair;
static const pair shapes[] = {
    {{0, 0}, {{0}, {0}}},
    {{1, 1}, {{3}, {3}}},
    {{1, 1}, {{0}, {0}}},
    {{2, 2}, {{1, 1}, {1, 1}}},
    {{1, 0}, {{4}, {0}}},
    {{0, 1}, {{0}, {4}}},
    {{2, 2}, {{2, 3}, {2, 3}}},
    {{2, 2}, {{2, 1}, {1, 3}}},
    {{2, 1}, {{2, 3}, {3}}},
    {{1, 2}, {{3}, {2, 3}}},
    {{3, 3}, {{2, 1, 2}, {2, 2, 2}}},
    {{4, 2}, {{1, 2, 1, 2}, {2, 1}}},
    {{3, 3}, {{2, 0, 3}, {2, 1, 3}}},
};

static void try_elementwise(const ag_op *op) {
    double number = op->probe->sample;
    subject s = {.op = op, .attrs = op->attr_size ? &number : NULL, .n = (int)op->min_in};
    for (size_t c = 0; c < sizeof shapes / sizeof shapes[0]; c++) {
        for (int strided = 0; strided < 2; strided++) {
            check_input in[CHECK_INPUTS] = {{0}};
            for (int i = 0; i < s.n; i++) {
                in[i].dtype = AG_F64;
                in[i].rank = shapes[c].rank[i];
                memcpy(in[i].dim, shapes[c].dim[i], sizeof shapes[c].dim[i]);
                in[i].transposed = strided;
            }
            fill(op, in, s.n, op->probe->lo, op->probe->hi, 10 + c);
            char what[64];
            snprintf(what, sizeof what, "shapes %zu%s", c, strided ? ", strided" : "");
            try_subsets(&s, in, s.n, what);
            release(in, s.n);
        }
    }
}

/* The same rows on scalars of the strip, alone and beside a tensor: at several points, for one lies on one side of a kink. */
static ag_value on_strip(ag_tape *t, const ag_value *in, void *user) {
    const subject *s = user;
    (void)t;
    uint32_t row = 0;
    while (ag_op_at(row) != s->op) row++; /* elementwise rows are registered first, in order */
    return ag_elementwise(row, in, (uint32_t)s->n, s->op->probe->sample);
}

static void try_strip(const ag_op *op, uint64_t seed) {
    subject s = {.op = op, .n = (int)op->min_in};
    for (int tensor = 0; tensor < s.n; tensor++) { /* 0: both scalars; 1: the second is a tensor */
        check_input in[CHECK_INPUTS] = {{0}};
        for (int i = 0; i < s.n; i++) {
            in[i].dtype = AG_F64;
            in[i].scalar = !(tensor && i == 1);
            in[i].rank = in[i].scalar ? 0 : 1;
            in[i].dim[0] = 3;
        }
        fill(op, in, s.n, op->probe->lo, op->probe->hi, seed);
        for (int i = 0; i < s.n; i++) in[i].leaf = true;
        char what[80];
        snprintf(what, sizeof what, "%s on the strip (%d)", op->name, tensor);
        check_gradients(what, on_strip, &s, in, s.n, 2);
        release(in, s.n);
    }
}

/* ---- the tests ------------------------------------------------------------------------------------------------------------------- */

static int operations(void) {
    int n = 0;
    while (ag_op_at((uint32_t)n)) n++;
    return n;
}

START_TEST(every_row_agrees_with_central_differences) {
    const ag_op *op = ag_op_at((uint32_t)_i);
    if (!op) return; /* the loop is sized below */
    if (!differentiable(op)) return;
    ck_assert_msg(op->probe != NULL, "%s is differentiable and has no probe", op->name);
    if (op->traits & AG_TRAIT_ELEMENTWISE && op->probe->n_cases == 0) {
        try_elementwise(op);
        for (uint64_t seed = 3; seed < 9; seed++) try_strip(op, seed);
        return;
    }
    ck_assert_msg(op->probe->n_cases > 0, "%s has a probe without cases", op->name);
    for (uint32_t c = 0; c < op->probe->n_cases; c++) {
        char name[40];
        snprintf(name, sizeof name, "case %u", (unsigned)c);
        try_probe_case(op, &op->probe->cases[c], 100 + c, name);
    }
    try_missing_kinds(op);
}
END_TEST

START_TEST(every_descriptor_is_consistent) {
    const ag_op *op = ag_op_at((uint32_t)_i);
    ag_error error = {0};
    ck_assert_msg(ag_op_check(op, &error) == AG_OK, "%s", error.message);
    ck_assert_ptr_eq(ag_op_find(op->name), op);
    ck_assert_msg(op->formula != NULL, "%s has no formula", op->name);
}
END_TEST

START_TEST(every_row_says_what_it_costs) {
    const ag_op *op = ag_op_at((uint32_t)_i);
    if (op->compose || op->traits & (AG_TRAIT_VIEW | AG_TRAIT_LEAF | AG_TRAIT_ELEMENTWISE)) return;
    ck_assert_msg(op->cost != NULL, "%s does not", op->name);
}
END_TEST

START_TEST(a_name_can_be_taken_once) {
    ag_op other = *ag_op_find("exp");
    ag_error error = {0};
    ck_assert_int_eq(ag_op_register(ag_op_find("exp"), &error), AG_OK);
    ck_assert_int_eq(ag_op_register(&other, &error), AG_ERROR_NAME);
    ck_assert_ptr_nonnull(strstr(error.message, "exp"));
    ck_assert_ptr_null(ag_op_find("no such operation"));
}
END_TEST

Suite *registry_suite(void) {
    Suite *s = suite_create("registry");
    TCase *c = tcase_create("registry");
    int from = 0, to = operations();
    const char *only = getenv("GRADUS_OPERATION");
    for (int i = 0; only && i < operations(); i++) {
        if (strcmp(ag_op_at((uint32_t)i)->name, only) != 0) continue;
        from = i;
        to = i + 1;
    }
    tcase_set_timeout(c, 120);
    tcase_add_loop_test(c, every_row_agrees_with_central_differences, from, to);
    tcase_add_loop_test(c, every_descriptor_is_consistent, from, to);
    tcase_add_loop_test(c, every_row_says_what_it_costs, from, to);
    tcase_add_test(c, a_name_can_be_taken_once);
    suite_add_tcase(s, c);
    return s;
}
