/* edges_digits: special points of scalars of the strip in operations of arrays, digits that a careless formula loses, and
 * what has no value at all. */
#include "edges_support.h"

/* ---- scalars of the strip in operations of arrays ---------------------------------------------------------------------- */

typedef struct scalar_point {
    const char *name;
    ag_value (*f)(ag_value x);
    double x, y, dx;
} scalar_point;

static ag_value scalar_norm1(ag_value x) { return ag_norm(x, 1, NULL, 0, false); }
static ag_value scalar_norm2(ag_value x) { return ag_norm(x, 2, NULL, 0, false); }
static ag_value scalar_norm_inf(ag_value x) { return ag_norm(x, INFINITY, NULL, 0, false); }
static ag_value scalar_prod(ag_value x) {
    return ag_prod(ag_stack((const ag_value[]){x, x}, 2, 0), NULL, 0, false);
}
static ag_value scalar_amax(ag_value x) {
    return ag_amax(ag_stack((const ag_value[]){x, x}, 2, 0), NULL, 0, false);
}
static ag_value scalar_max_dim(ag_value x) { return ag_max_dim(x, 0, false); }
static ag_value scalar_logsumexp(ag_value x) { return ag_logsumexp(x, NULL, 0, false); }
static ag_value scalar_softmax(ag_value x) { return ag_softmax(x, 0); }
static ag_value scalar_deviation(ag_value x) { return ag_std(x, NULL, 0, false, 0); }
static ag_value scalar_clamp(ag_value x) { return ag_clamp(x, -1, 1); }
static ag_value scalar_loss(ag_value x) {
    return ag_binary_cross_entropy_with_logits(x, ag_number(x, 0), NULL, AG_REDUCTION_MEAN);
}
static ag_value scalar_where(ag_value x) { return ag_where(ag_gt(x, ag_number(x, 0)), x, ag_number(x, 5)); }
static const scalar_point scalar_points[] = {
    {"1-norm at 0", scalar_norm1, 0, 0, 0},
    {"2-norm at 0", scalar_norm2, 0, 0, 0},
    {"2-norm of 1e200", scalar_norm2, -1e200, 1e200, -1},
    {"max-norm at 0", scalar_norm_inf, 0, 0, 0},
    {"prod of two zeros", scalar_prod, 0, 0, 0},
    {"amax of a tie with itself", scalar_amax, 3, 3, 1},
    {"max_dim", scalar_max_dim, NAN, NAN, 1},
    {"logsumexp of -inf", scalar_logsumexp, -INFINITY, -INFINITY, 0},
    {"logsumexp of inf", scalar_logsumexp, INFINITY, INFINITY, 1},
    {"softmax, hidden", scalar_softmax, -INFINITY, 0, 0},
    {"std of one number", scalar_deviation, 7, 0, 0},
    {"clamp at a bound", scalar_clamp, 1, 1, 1},
    {"clamp of NaN", scalar_clamp, NAN, NAN, NAN},
    {"binary_cross_entropy_with_logits at 1e4", scalar_loss, 1e4, 1e4, 1},
    {"where, the other branch", scalar_where, -INFINITY, 5, 0},
};
enum { SCALAR_POINTS = sizeof scalar_points / sizeof scalar_points[0] };

START_TEST(a_scalar_at_an_edge_of_an_operation_of_arrays) {
    const scalar_point *p = &scalar_points[_i];
    for (int recorded = 0; recorded < 2; recorded++) {
        ag_tape *t = tape_new();
        ag_value x = ag_scalar(t, p->x), y = p->f(x), dx;
        ck_assert_msg(ag_ok(y), "%s: %s", p->name, ag_tape_message(t));
        ck_assert_msg(equal(ag_item(y), p->y), "%s: y is %g, not %g", p->name, ag_item(y), p->y);
        if (recorded)
            ck_assert_int_eq(ag_grad(&y, NULL, 1, &x, 1, &dx), AG_OK);
        else
            sweep(y);
        const double got = recorded ? ag_item(dx) : ag_item_grad(x);
        ck_assert_msg(equal(got, p->dx), "%s: dx is %g, not %g", p->name, got, p->dx);
        ag_tape_free(t);
    }
}
END_TEST

/* An unused sqrt(0) has slope inf: the strip leaves a zero adjoint out, arrays multiply. */
START_TEST(a_zero_adjoint_adds_nothing_on_the_strip_and_nan_in_arrays) {
    const double zero = 0;
    for (int kind = 0; kind < 3; kind++) {
        ag_tape *t = tape_new();
        ag_value x = kind == 0 ? ag_scalar(t, 0) : ag_array_leaf(t, kind == 1 ? AG_F64 : AG_F32, 0, NULL, &zero);
        sweep(ag_add(ag_mul_number(ag_sqrt(x), 0), x));
        ck_assert(kind == 0 ? ag_item_grad(x) == 1 : isnan(ag_item_grad(x)));
        if (kind == 0) { /* nor does a branch that was not taken */
            ag_zero_grad(t);
            sweep(ag_where(ag_gt(x, ag_number(x, 0)), ag_log(x), ag_number(x, 5)));
            ck_assert_double_eq(ag_item_grad(x), 0);
        }
        ag_tape_free(t);
    }
}
END_TEST

/* ---- digits ------------------------------------------------------------------------------------------------------------- */

/* sigmoid(-40) is exp(-40) to the last bit, and so is the slope on either side; f32 may have y (1 - y) there. */
START_TEST(the_tails_of_sigmoid_keep_their_digits) {
    const double tail = 4.248354255291589e-18, x[2] = {-40, 40};
    for (int kind = 0; kind < 6; kind++) {
        ag_tape *t = tape_new();
        const ag_dtype dtype = kind & 1 ? AG_F32 : AG_F64;
        double y[2], d[2];
        ag_value dx, in = ag_array_leaf(t, dtype, 1, (const int64_t[]){2}, x), out = ag_sigmoid(in),
                     ones = ag_full(t, dtype, 1, (const int64_t[]){2}, 1);
        ck_assert_int_eq(ag_read_f64(out, y, 2), AG_OK);
        if (kind & 2) {
            ck_assert_int_eq(ag_grad(&out, &ones, 1, &in, 1, &dx), AG_OK);
            ck_assert_int_eq(ag_read_f64(dx, d, 2), AG_OK);
        } else {
            ck_assert_int_eq(ag_backward_from(out, ones), AG_OK);
            ck_assert_int_eq(ag_adjoint_f64(in, d, 2), AG_OK);
        }
        const double slack = 4 * (dtype == AG_F32 ? EPS32 : EPS64);
        ck_assert(fabs(y[0] - tail) <= slack * tail && y[1] == 1);
        for (int i = 0; i < 2; i++) ck_assert(fabs(d[i] - tail) <= (dtype == AG_F32 ? EPS32 : slack * tail));
        ag_value s = ag_scalar(t, 40);
        sweep(ag_sigmoid(s));
        ck_assert_double_eq_tol(ag_item_grad(s) / tail, 1, 4 * EPS64);
        ag_tape_free(t);
    }
}
END_TEST

/* A running f32 sum of a million times 0.1 is off by 1e-2 of itself. */
START_TEST(sums_of_many_f32_numbers_keep_their_digits) {
    ag_tape *t = tape_new();
    const int64_t n = 1 << 20;
    ag_value x = ag_full(t, AG_F32, 1, &n, 0.1);
    const double each = 0.1F, sum_of = ag_item(ag_sum_all(x));
    ck_assert_double_eq_tol(sum_of / ((double)n * each), 1, EPS32);
    ck_assert_double_eq_tol(ag_item(ag_mean_all(x)) / each, 1, EPS32);
    ck_assert_double_eq_tol(ag_item(ag_sum_squares(x, NULL, 0, false)) / ((double)n * each * each), 1, EPS32);
    ck_assert_double_eq_tol(ag_item(ag_norm(x, 2, NULL, 0, false)) / (sqrt((double)n) * each), 1, EPS32);
    ck_assert_double_eq_tol(ag_item(ag_dot(x, x)) / ((double)n * each * each), 1, 16 * EPS32);
    ag_value zeros = ag_full(t, AG_F32, 1, &n, 0);
    ck_assert_double_eq_tol(ag_item(ag_logsumexp(zeros, NULL, 0, false)) / log((double)n), 1, EPS32);
    /* the adjoint of what was broadcast over a million elements is such a sum, too */
    ag_value one = ag_array_leaf(t, AG_F32, 0, NULL, (const double[]){1});
    sweep(ag_sum_all(ag_mul(one, x)));
    ck_assert_double_eq_tol(ag_item_grad(one) / ((double)n * each), 1, EPS32);
    ag_tape_free(t);
}
END_TEST

/* ---- refusals --------------------------------------------------------------------------------------------------------------- */

static ag_value one_value_a_channel(ag_tape *t, ag_dtype dtype) {
    return ag_batch_norm_training(ag_full(t, dtype, 2, (const int64_t[]){1, 3}, 1), (ag_value){0}, (ag_value){0},
                                  1e-5, NULL);
}
static ag_value amax_of_nothing(ag_tape *t, ag_dtype dtype) {
    return ag_amax(ag_full(t, dtype, 2, (const int64_t[]){3, 0}, 1), (const int[]){1}, 1, false);
}
static ag_value amin_of_nothing(ag_tape *t, ag_dtype dtype) {
    return ag_amin(ag_full(t, dtype, 1, (const int64_t[]){0}, 1), NULL, 0, false);
}
static ag_value max_dim_of_nothing(ag_tape *t, ag_dtype dtype) {
    return ag_max_dim(ag_full(t, dtype, 1, (const int64_t[]){0}, 1), 0, false);
}
static ag_value target_past_the_classes(ag_tape *t, ag_dtype dtype) {
    return ag_cross_entropy(ag_full(t, dtype, 2, (const int64_t[]){2, 3}, 1),
                            ag_full(t, AG_I64, 1, (const int64_t[]){2}, 3));
}
static ag_value negative_target(ag_tape *t, ag_dtype dtype) {
    return ag_cross_entropy(ag_full(t, dtype, 2, (const int64_t[]){2, 3}, 1),
                            ag_full(t, AG_I64, 1, (const int64_t[]){2}, -1));
}

START_TEST(what_has_no_value_is_refused_by_name) {
    static const struct {
        ag_value (*f)(ag_tape *t, ag_dtype dtype);
        ag_status status;
        const char *name;
    } cases[] = {
        {one_value_a_channel, AG_ERROR_SHAPE, "batch_norm"}, {amax_of_nothing, AG_ERROR_SHAPE, "amax"},
        {amin_of_nothing, AG_ERROR_SHAPE, "amin"},           {max_dim_of_nothing, AG_ERROR_SHAPE, "max_dim"},
        {target_past_the_classes, AG_ERROR_INDEX, "3"},      {negative_target, AG_ERROR_INDEX, "-1"}};
    for (int f = 0; f < 2; f++) {
        ag_tape *t = tape_new();
        ck_assert(!ag_ok(cases[_i].f(t, f ? AG_F32 : AG_F64)));
        require_failure(t, cases[_i].status, WORDS(cases[_i].name));
        ag_tape_free(t);
    }
}
END_TEST
enum { REFUSALS = 6 };

Suite *edges_digits_suite(void) {
    Suite *s = suite_create("edges_digits");
    TCase *c = tcase_create("edges_digits");
    suite_add_tcase(s, c);
    tcase_add_loop_test(c, a_scalar_at_an_edge_of_an_operation_of_arrays, 0, SCALAR_POINTS);
    tcase_add_test(c, a_zero_adjoint_adds_nothing_on_the_strip_and_nan_in_arrays);
    tcase_add_test(c, the_tails_of_sigmoid_keep_their_digits);
    tcase_add_test(c, sums_of_many_f32_numbers_keep_their_digits);
    tcase_add_loop_test(c, what_has_no_value_is_refused_by_name, 0, REFUSALS);
    return s;
}
