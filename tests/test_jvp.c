/* jvp: forward mode - against known tangents, against reverse mode, recorded so that it can be differentiated again, by
 * transposition where there is no rule, and what it refuses. Rules of a user's own are in test_tangent. */
#include "op_support.h"

#include <math.h>

/* ---- known tangents ------------------------------------------------------------------------------------------------- */

START_TEST(scalars_of_the_strip_push_their_tangents) {
    ag_tape *t = tape_new();
    ag_value x[2] = {ag_scalar(t, 3), ag_scalar(t, 5)};
    ag_value y[2] = {ag_mul(ag_square(x[0]), x[1]), ag_affine(x, x, 2, x[0])}, dy[2];
    const ag_value v[2] = {ag_scalar_constant(t, 0.5), ag_scalar_constant(t, 2)};
    ck_assert_int_eq(ag_jvp(y, 2, x, v, 2, dy), AG_OK);
    ck_assert_double_eq(ag_item(dy[0]), 2 * 3 * 5 * 0.5 + 9 * 2);
    ck_assert_double_eq(ag_item(dy[1]), 2 * 3 * 0.5 + 2 * 5 * 2 + 0.5);
    ck_assert_int_eq(ag_jvp(y, 2, x, NULL, 2, dy), AG_OK);
    ck_assert_double_eq(ag_item(dy[0]), 30 + 9);
    ck_assert_double_eq(ag_item(dy[1]), 6 + 10 + 1);
    ag_tape_free(t);
}
END_TEST

START_TEST(a_scalar_that_broadcasts_moves_every_element) {
    ag_tape *t = tape_new();
    ag_value s = ag_scalar(t, 2), a = vector(t, 3, (const double[]){1, 2, 3});
    ag_value y[2] = {ag_add(s, a), ag_mul(a, s)}, dy[2];
    ck_assert_int_eq(ag_jvp(y, 2, &s, NULL, 1, dy), AG_OK);
    double got[3];
    ck_assert_int_eq(ag_read_f64(dy[0], got, 3), AG_OK);
    for (int k = 0; k < 3; k++) ck_assert_double_eq(got[k], 1);
    ck_assert_int_eq(ag_read_f64(dy[1], got, 3), AG_OK);
    for (int k = 0; k < 3; k++) ck_assert_double_eq(got[k], k + 1);
    ag_tape_free(t);
}
END_TEST

START_TEST(tangents_have_the_roots_shape_and_dtype) {
    ag_tape *t = tape_new();
    ag_value x = ag_full(t, AG_F32, 1, (const int64_t[]){3}, 0.5),
             w = ag_full(t, AG_F64, 2, (const int64_t[]){2, 3}, 2);
    const ag_value v = ag_full(t, AG_F64, 1, (const int64_t[]){3}, 1); /* cast to x's dtype */
    ag_value y[3] = {ag_mul(x, w), ag_sum_all(x), ag_argmax(ag_exp(x), 0, false)}, dy[3];
    ck_assert_int_eq(ag_jvp(y, 3, &x, &v, 1, dy), AG_OK);
    for (int j = 0; j < 3; j++) {
        ck_assert(ag_meta_same_shape(ag_meta_of(y[j]), ag_meta_of(dy[j])));
        ck_assert_int_eq(ag_meta_of(y[j])->dtype, ag_meta_of(dy[j])->dtype);
    }
    ck_assert_double_eq(ag_item(dy[1]), 3);
    ck_assert_double_eq(ag_item(dy[2]), 0); /* an index does not move */
    ag_tape_free(t);
}
END_TEST

START_TEST(what_does_not_depend_on_x_has_zero_tangents) {
    ag_tape *t = tape_new();
    ag_value x = vector(t, 2, (const double[]){1, 2}), s = ag_scalar(t, 4), later;
    ag_no_grad_begin(t);
    ag_value hidden = ag_exp(x);
    ag_no_grad_end(t);
    ag_value y[5] = {ag_square(s), ag_detach(x), hidden, ag_exp(s), ag_cast(ag_cast(x, AG_I64), AG_F64)}, dy[5];
    later = ag_scalar(t, 1);
    const ag_value in[2] = {x, later};
    ck_assert_int_eq(ag_jvp(y, 5, in, NULL, 2, dy), AG_OK);
    for (int j = 0; j < 5; j++) {
        double got[2] = {1, 1};
        const int64_t n = ag_meta_count(ag_meta_of(y[j]));
        ck_assert(ag_meta_same_shape(ag_meta_of(y[j]), ag_meta_of(dy[j])));
        ck_assert_int_eq(ag_read_f64(dy[j], got, n), AG_OK);
        for (int64_t k = 0; k < n; k++) ck_assert_double_eq(got[k], 0);
    }
    ck_assert_int_eq(ag_jvp(y, 1, NULL, NULL, 0, dy), AG_OK);
    ck_assert_double_eq(ag_item(dy[0]), 0);
    ag_tape_free(t);
}
END_TEST

START_TEST(a_root_may_be_a_value_and_a_value_may_lie_below_another) {
    ag_tape *t = tape_new();
    ag_value a = ag_scalar(t, 2), b = ag_square(a), c = ag_mul(b, a), dy[3];
    const ag_value x[3] = {a, b, a}, y[3] = {c, b, a};
    const ag_value v[3] = {ag_scalar_constant(t, 1), ag_scalar_constant(t, 10), ag_scalar_constant(t, 2)};
    ck_assert_int_eq(ag_jvp(y, 3, x, v, 3, dy), AG_OK);
    ck_assert_double_eq(ag_item(dy[2]), 3);              /* given twice: the sum */
    ck_assert_double_eq(ag_item(dy[1]), 2 * 2 * 3 + 10); /* pushed, and given */
    ck_assert_double_eq(ag_item(dy[0]), 22 * 2 + 4 * 3);
    ag_tape_free(t);
}
END_TEST

START_TEST(an_empty_value_has_an_empty_tangent) {
    ag_tape *t = tape_new();
    ag_value x = ag_array_leaf(t, AG_F64, 2, (const int64_t[]){0, 3}, NULL);
    ag_value y[2] = {ag_softmax(ag_tanh(x), 1), ag_sum_all(x)}, dy[2];
    ck_assert_int_eq(ag_jvp(y, 2, &x, NULL, 1, dy), AG_OK);
    ck_assert_int_eq(ag_meta_count(ag_meta_of(dy[0])), 0);
    ck_assert_double_eq(ag_item(dy[1]), 0);
    ag_tape_free(t);
}
END_TEST

START_TEST(views_push_tangents_of_other_strides) {
    ag_tape *t = tape_new();
    double numbers[6] = {1, 2, 3, 4, 5, 6}, got[6];
    ag_value x = ag_array_leaf(t, AG_F64, 2, (const int64_t[]){2, 3}, numbers), y, dy;
    /* the operand is dense, its tangent is expanded from one number and then transposed */
    const ag_value one = ag_full(t, AG_F64, 0, NULL, 3);
    const ag_value flat = ag_expand(one, 2, (const int64_t[]){2, 3});
    const ag_value turned = ag_transpose(ag_array_constant(t, AG_F64, 2, (const int64_t[]){3, 2}, numbers), 0, 1);
    y = ag_reshape(x, 1, (const int64_t[]){6});
    ck_assert_int_eq(ag_jvp(&y, 1, &x, &flat, 1, &dy), AG_OK);
    ck_assert_int_eq(ag_read_f64(dy, got, 6), AG_OK);
    for (int k = 0; k < 6; k++) ck_assert_double_eq(got[k], 3);
    ck_assert_int_eq(ag_jvp(&y, 1, &x, &turned, 1, &dy), AG_OK);
    ck_assert_int_eq(ag_read_f64(dy, got, 6), AG_OK);
    static const double want[6] = {1, 3, 5, 2, 4, 6};
    for (int k = 0; k < 6; k++) ck_assert_double_eq(got[k], want[k]);
    ag_tape_free(t);
}
END_TEST

START_TEST(dropout_keeps_its_mask) {
    ag_tape *t = tape_new();
    double v[40], y_got[40], dy_got[40];
    for (int k = 0; k < 40; k++) v[k] = 1;
    ag_value x = vector(t, 40, v), y = ag_dropout(x, 0.5), dy;
    const ag_random before = ag_tape_random_get(t);
    ck_assert_int_eq(ag_jvp(&y, 1, &x, NULL, 1, &dy), AG_OK);
    ck_assert_uint_eq(ag_tape_random_get(t).counter, before.counter);
    ck_assert_int_eq(ag_read_f64(y, y_got, 40), AG_OK);
    ck_assert_int_eq(ag_read_f64(dy, dy_got, 40), AG_OK);
    ck_assert_mem_eq(y_got, dy_got, sizeof y_got);
    ag_tape_free(t);
}
END_TEST

/* ---- against reverse mode ------------------------------------------------------------------------------------------- */

/* A graph of several operations with rules of every kind: rows, views, products, softmax, selections. */
static void network(ag_tape *t, const ag_value *x, ag_value *y) {
    const ag_value a = x[0], b = x[1], s = x[2]; /* (3, 4), (4, 2), scalar */
    const ag_value index = ag_array_constant(t, AG_I64, 1, (const int64_t[]){4}, (const double[]){2, 0, 0, 1});
    const ag_value target = ag_array_constant(t, AG_I64, 1, (const int64_t[]){4}, (const double[]){1, 0, 1, 1});
    const ag_value h = ag_tanh(ag_mul(ag_matmul(a, b), s));                 /* (3, 2) */
    const ag_value picked = ag_index_select(h, 0, index);                   /* (4, 2) */
    const ag_value p = ag_softmax(ag_linear(picked, b, (ag_value){0}), -1); /* (4, 4) */
    y[0] = ag_cross_entropy(picked, target);
    y[1] = ag_log_softmax(ag_add(p, ag_logsumexp(a, (const int[]){0}, 1, true)), 0);
    y[2] = ag_amax(ag_where(ag_gt(a, ag_number(a, 0)), ag_exp(a), ag_mul(a, s)), (const int[]){1}, 1, false);
    y[3] = ag_mul(ag_sin(s), ag_affine(&s, &s, 1, ag_mean_all(p)));
}

typedef struct setting {
    ag_tape *t;
    ag_value x[3], v[3], y[4], w[4];
} setting;

/* The network at random values, with random tangents v of its inputs and seeds w of its results. */
static setting setting_new(uint64_t seed) {
    setting s = {.t = tape_new()};
    ag_random r = {.seed = seed};
    const int64_t a[2] = {3, 4}, b[2] = {4, 2};
    double numbers[16];
    ag_value *to[2] = {s.x, s.v};
    for (int k = 0; k < 2; k++) {
        random_values(&r, numbers, 12, -1, 1, 0);
        to[k][0] = ag_array_leaf(s.t, AG_F64, 2, a, numbers);
        random_values(&r, numbers, 8, -1, 1, 0);
        to[k][1] = ag_array_leaf(s.t, AG_F64, 2, b, numbers);
        to[k][2] = ag_scalar(s.t, ag_random_uniform(&r) + 0.5);
    }
    network(s.t, s.x, s.y);
    for (int j = 0; j < 4; j++) {
        const ag_meta *meta = ag_meta_of(s.y[j]);
        ck_assert_msg(meta != NULL, "%s", ag_tape_message(s.t));
        random_values(&r, numbers, ag_meta_count(meta), -1, 1, 0);
        s.w[j] = ag_array_leaf(s.t, AG_F64, meta->rank, meta->dim, numbers);
    }
    return s;
}

static double dot(const ag_value *a, const ag_value *b, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += ag_item(ag_sum_all(ag_mul(a[i], b[i])));
    return sum;
}

START_TEST(forward_is_the_transpose_of_reverse) {
    setting s = setting_new((uint64_t)_i);
    ag_value dy[4], dx[3];
    ck_assert_msg(ag_jvp(s.y, 4, s.x, s.v, 3, dy) == AG_OK, "%s", ag_tape_message(s.t));
    ck_assert_int_eq(ag_grad(s.y, s.w, 4, s.x, 3, dx), AG_OK);
    const double forward = dot(dy, s.w, 4), reverse = dot(s.v, dx, 3);
    /* about 200 products and sums of numbers of magnitude 1 */
    ck_assert_double_eq_tol(forward, reverse, 1e-13 * fmax(1, fabs(reverse)));
    ag_tape_free(s.t);
}
END_TEST

START_TEST(tangents_of_gradients_are_gradients_of_tangents) {
    setting s = setting_new(100 + (uint64_t)_i);
    ag_value y = ag_mul(s.y[0], ag_add(ag_mean_all(s.y[1]), s.y[3])), g[3], forward[3], dy, reverse[3], twice;
    ck_assert_int_eq(ag_grad(&y, NULL, 1, s.x, 3, g), AG_OK);
    ck_assert_msg(ag_jvp(g, 3, s.x, s.v, 3, forward) == AG_OK, "%s", ag_tape_message(s.t));
    ck_assert_int_eq(ag_jvp(&y, 1, s.x, s.v, 3, &dy), AG_OK);
    ck_assert_int_eq(ag_grad(&dy, NULL, 1, s.x, 3, reverse), AG_OK);
    for (int i = 0; i < 3; i++) {
        double a[12], b[12];
        const int64_t n = ag_meta_count(ag_meta_of(s.x[i]));
        ck_assert_int_eq(ag_read_f64(forward[i], a, n), AG_OK);
        ck_assert_int_eq(ag_read_f64(reverse[i], b, n), AG_OK);
        for (int64_t k = 0; k < n; k++) ck_assert_double_eq_tol(a[k], b[k], 1e-12 * fmax(1, fabs(a[k])));
    }
    /* <v, H v>, forward over forward */
    ck_assert_int_eq(ag_jvp(&dy, 1, s.x, s.v, 3, &twice), AG_OK);
    const double want = dot(s.v, forward, 3);
    ck_assert_double_eq_tol(ag_item(twice), want, 1e-12 * fmax(1, fabs(want)));
    ag_tape_free(s.t);
}
END_TEST

/* ---- operations without a forward rule ---------------------------------------------------------------------------------- */

/* cube has no forward rule: its reverse rule is transposed. */
START_TEST(without_a_forward_rule_the_reverse_rule_is_transposed) {
    ag_tape *t = tape_new();
    ag_value x = vector(t, 2, (const double[]){2, -1}), dy, ddy;
    const ag_value v = vector(t, 2, (const double[]){1, 10});
    for (int hidden = 0; hidden < 2; hidden++) { /* under no_grad the tangents are right, and constants */
        ag_value y = ag_apply(t, &cube, &x, 1, NULL);
        if (hidden) ag_no_grad_begin(t);
        ck_assert_msg(ag_jvp(&y, 1, &x, &v, 1, &dy) == AG_OK, "%s", ag_tape_message(t));
        if (hidden) ag_no_grad_end(t);
        double got[2];
        ck_assert_int_eq(ag_read_f64(dy, got, 2), AG_OK);
        ck_assert_double_eq(got[0], 6 * 4);
        ck_assert_double_eq(got[1], 6 * 10);
        ck_assert_int_eq(ag_jvp(&dy, 1, &x, &v, 1, &ddy), AG_OK);
        ck_assert_int_eq(ag_read_f64(ddy, got, 2), AG_OK);
        ck_assert_double_eq(got[0], hidden ? 0 : 12 * 2);
        ck_assert_double_eq(got[1], hidden ? 0 : 12 * -1 * 100);
    }
    ag_tape_free(t);
}
END_TEST

START_TEST(operations_of_several_outputs_push_all_of_them) {
    ag_tape *t = tape_new();
    ag_value x[2] = {vector(t, 1, (const double[]){2}), vector(t, 1, (const double[]){0.3})}, dy[2];
    ag_value first = ag_apply(t, &polar, x, 2, NULL);
    const ag_value y[2] = {first, ag_output(first, 1)};
    const ag_value v[2] = {vector(t, 1, (const double[]){0.5}), vector(t, 1, (const double[]){-1})};
    ck_assert_msg(ag_jvp(y, 2, x, v, 2, dy) == AG_OK, "%s", ag_tape_message(t));
    ck_assert_double_eq_tol(ag_item(dy[0]), 0.5 * cos(0.3) + 2 * sin(0.3), 1e-15);
    ck_assert_double_eq_tol(ag_item(dy[1]), 0.5 * sin(0.3) - 2 * cos(0.3), 1e-15);
    ck_assert_int_eq(ag_jvp(&y[1], 1, &x[1], &v[1], 1, dy), AG_OK);
    ck_assert_double_eq_tol(ag_item(dy[0]), -2 * cos(0.3), 1e-15);
    ag_tape_free(t);
}
END_TEST

/* ---- misuse ---------------------------------------------------------------------------------------------------------- */

START_TEST(misuse_is_an_error_that_says_what) {
    ag_tape *t = tape_new(), *other = tape_new();
    const ag_value foreign = vector(other, 3, (const double[]){1, 2, 3});
    for (int c = 0; c < 7; c++) {
        const ag_mark start = ag_tape_mark(t);
        ag_value x = vector(t, 3, (const double[]){1, 2, 3}), y = ag_exp(x), dy;
        ag_value whole = ag_full(t, AG_I64, 1, (const int64_t[]){3}, 1),
                 v = ag_full(t, AG_F64, 1, (const int64_t[]){2}, 1);
        const ag_mark inner = ag_tape_mark(t);
        const ag_value stale = ag_neg(x);
        ck_assert_int_eq(ag_tape_rewind(t, inner), AG_OK);
        ag_status status = AG_OK, want = AG_OK;
        const char *says = "";
        switch (c) {
        case 0: status = ag_jvp(&y, 1, &x, &v, 1, &dy), want = AG_ERROR_SHAPE, says = "(2)"; break;
        case 1: status = ag_jvp(&y, 1, &whole, NULL, 1, &dy), want = AG_ERROR_DTYPE, says = "floating"; break;
        case 2: status = ag_jvp(&y, 1, &x, NULL, -1, &dy), want = AG_ERROR_VALUE, says = "negative"; break;
        case 3: status = ag_jvp(&y, 1, &foreign, NULL, 1, &dy), want = AG_ERROR_FOREIGN, says = "another"; break;
        case 4: status = ag_jvp(&y, 1, &x, &foreign, 1, &dy), want = AG_ERROR_FOREIGN, says = "another"; break;
        case 5: status = ag_jvp(&stale, 1, &x, NULL, 1, &dy), want = AG_ERROR_STALE, says = "rewound"; break;
        case 6: status = ag_jvp(&y, 1, &(ag_value){.tape = t}, NULL, 1, &dy), want = AG_ERROR_FAILED; break;
        }
        ck_assert_msg(status == want, "case %d: %s", c, ag_tape_message(t));
        ck_assert_msg(strstr(ag_tape_message(t), "jvp") && strstr(ag_tape_message(t), says), "case %d: %s", c,
                      ag_tape_message(t));
        ck_assert(!ag_ok(dy));
        ck_assert_int_eq(ag_tape_rewind(t, start), want);
    }
    ag_tape_free(t);
    ag_tape_free(other);
}
END_TEST

START_TEST(a_tensor_written_since_is_refused) {
    ag_tape *t = tape_new();
    ag_tensor *w = ag_tensor_from(AG_F64, 1, (const int64_t[]){2}, (const double[]){1, 2}, NULL);
    ag_value x = ag_leaf(t, w), y = ag_sum_all(ag_square(x)), dy;
    ck_assert_int_eq(ag_jvp(&y, 1, &x, NULL, 1, &dy), AG_OK);
    ag_tensor_fill(w, 7);
    ck_assert_int_eq(ag_jvp(&y, 1, &x, NULL, 1, &dy), AG_ERROR_WRITTEN);
    ag_tape_free(t);
    ag_tensor_free(w);
}
END_TEST

START_TEST(the_cost_of_a_transposed_rule_does_not_grow_with_the_tape) {
    uint32_t records[2];
    for (int k = 0; k < 2; k++) {
        ag_tape *t = tape_new();
        ag_value x = vector(t, 2, (const double[]){0.5, -0.5}), y = x, dy;
        const int depth = k ? 4000 : 2000;
        for (int i = 0; i < depth; i++) y = ag_mul_number(ag_apply(t, &cube, &y, 1, NULL), 0.1);
        ck_assert_int_eq(ag_jvp(&y, 1, &x, NULL, 1, &dy), AG_OK);
        records[k] = ag_tape_statistics(t).records / (uint32_t)depth;
        ag_tape_free(t);
    }
    ck_assert_uint_eq(records[0], records[1]);
}
END_TEST

Suite *jvp_suite(void) {
    Suite *s = suite_create("jvp");
    TCase *c = tcase_create("jvp");
    tcase_add_test(c, scalars_of_the_strip_push_their_tangents);
    tcase_add_test(c, a_scalar_that_broadcasts_moves_every_element);
    tcase_add_test(c, tangents_have_the_roots_shape_and_dtype);
    tcase_add_test(c, what_does_not_depend_on_x_has_zero_tangents);
    tcase_add_test(c, a_root_may_be_a_value_and_a_value_may_lie_below_another);
    tcase_add_test(c, an_empty_value_has_an_empty_tangent);
    tcase_add_test(c, views_push_tangents_of_other_strides);
    tcase_add_test(c, dropout_keeps_its_mask);
    tcase_add_loop_test(c, forward_is_the_transpose_of_reverse, 0, 40);
    tcase_add_loop_test(c, tangents_of_gradients_are_gradients_of_tangents, 0, 20);
    tcase_add_test(c, without_a_forward_rule_the_reverse_rule_is_transposed);
    tcase_add_test(c, operations_of_several_outputs_push_all_of_them);
    tcase_add_test(c, misuse_is_an_error_that_says_what);
    tcase_add_test(c, a_tensor_written_since_is_refused);
    tcase_add_test(c, the_cost_of_a_transposed_rule_does_not_grow_with_the_tape);
    suite_add_tcase(s, c);
    return s;
}
