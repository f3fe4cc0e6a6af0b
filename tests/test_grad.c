/* grad: roots and seeds, broadcasting and dtypes, constants to every derivative, retained adjoints, higher orders.
 * Sums of adjoints are in test_accumulate.c, failures in test_written.c, random graphs in test_graphs.c. */
#include "core_support.h"

START_TEST(a_root_needs_one_element_or_a_seed) {
    ag_tape *t = tape_new();
    ag_value x = vector(t, 3, (const double[]){1, 2, 3});
    ag_mark m = ag_tape_mark(t);
    ag_value y = ag_square(x), dx;
    ck_assert_int_eq(ag_backward(y), AG_ERROR_SHAPE);
    ck_assert_ptr_nonnull(strstr(ag_tape_message(t), "f64 (3)"));
    ck_assert_int_eq(ag_tape_rewind(t, m), AG_ERROR_SHAPE);
    double dx3[3];
    ck_assert_int_eq(ag_adjoint_f64(x, dx3, 3),
                     AG_ERROR_STATE); /* a step that failed leaves no gradient to go by */
    (void)ag_tape_rewind(t, m);
    ag_zero_grad(t);
    ADJOINT(x, 0, 0, 0);
    y = ag_square(x);
    ck_assert_int_eq(ag_grad(&y, NULL, 1, &x, 1, &dx), AG_ERROR_SHAPE);
    ck_assert(!ag_ok(dx));
    ck_assert_int_eq(ag_tape_rewind(t, m), AG_ERROR_SHAPE);
    y = ag_square(x);
    ck_assert_int_eq(ag_backward_from(y, ag_full(t, AG_F64, 1, (const int64_t[]){2}, 1)), AG_ERROR_SHAPE);
    ck_assert_int_eq(ag_tape_rewind(t, m), AG_ERROR_SHAPE);
    ag_zero_grad(t);
    ag_value one = ag_reshape(ag_sum_all(x), 3, (const int64_t[]){1, 1, 1});
    sweep(one); /* one element of any rank will do */
    ADJOINT(x, 1, 1, 1);
    ag_tape_free(t);
}
END_TEST

START_TEST(a_seed_weighs_the_root) {
    ag_tape *t = tape_new();
    ag_value x = vector(t, 3, (const double[]){1, 2, 3}), y = ag_square(x), dx;
    ag_value seed = ag_array_constant(t, AG_F64, 1, (const int64_t[]){3}, (const double[]){1, 10, -1});
    ck_assert_int_eq(ag_backward_from(y, seed), AG_OK);
    ADJOINT(x, 2, 40, -6);
    VALUES(seed, 1, 10, -1);
    ck_assert_int_eq(ag_backward_from(y, ag_cast(seed, AG_F32)), AG_OK); /* of another dtype */
    ADJOINT(x, 4, 80, -12);
    ck_assert_int_eq(ag_grad(&y, &seed, 1, &x, 1, &dx), AG_OK);
    VALUES(dx, 2, 40, -6);
    ck_assert_int_eq(ag_backward_from(seed, x), AG_OK); /* a constant as root: nothing to do */
    ck_assert_int_eq(ag_backward_from(x, x), AG_OK);    /* a leaf as root, and as its own seed */
    ADJOINT(x, 5, 82, -9);
    ag_tape_free(t);
}
END_TEST

START_TEST(a_strided_seed_and_a_scalar_seed) {
    ag_tape *t = tape_new();
    ag_value x = matrix(t, 2, 2, (const double[]){1, 2, 3, 4}), s = ag_scalar(t, 3);
    ag_value seed =
        ag_transpose(ag_array_constant(t, AG_F64, 2, (const int64_t[]){2, 2}, (const double[]){1, 2, 3, 4}), 0, 1);
    ck_assert_int_eq(ag_backward_from(ag_mul_number(x, 1), seed), AG_OK);
    ADJOINT(x, 1, 3, 2, 4);
    ck_assert_int_eq(ag_backward_from(x, ag_expand(ag_full(t, AG_F64, 0, NULL, 5), 2, (const int64_t[]){2, 2})),
                     AG_OK);
    ADJOINT(x, 6, 8, 7, 9);
    ck_assert_int_eq(ag_backward_from(ag_square(s), ag_full(t, AG_F32, 0, NULL, 2)), AG_OK);
    ck_assert_double_eq(ag_item_grad(s), 12);
    ag_value y = ag_cast(s, AG_F32);
    ck_assert_int_eq(ag_backward_from(y, ag_scalar(t, 0.5)), AG_OK);
    ck_assert_double_eq(ag_item_grad(s), 12.5);
    ag_tape_free(t);
}
END_TEST

START_TEST(the_adjoint_of_an_inner_value_is_an_error_unless_it_is_retained) {
    for (int k = 0; k < 3; k++) {
        ag_tape *t = tape_new();
        ag_mark m = ag_tape_mark(t);
        ag_value a = k == 1 ? vector(t, 1, (const double[]){2}) : ag_scalar(t, 2);
        ag_value h = ag_label(k == 2 ? ag_affine(&a, &a, 1, a) : ag_square(a), "hidden"), y = ag_mul_number(h, 3);
        sweep(y);
        ck_assert(isnan(ag_item_grad(h)));
        require_failure(t, AG_ERROR_STATE, WORDS("adjoint", "'hidden'", "ag_retain"));
        ck_assert_int_eq(ag_tape_rewind(t, m), AG_ERROR_STATE);
        a = k == 1 ? vector(t, 1, (const double[]){2}) : ag_scalar(t, 2);
        h = k == 2 ? ag_affine(&a, &a, 1, a) : ag_square(a);
        ag_retain(h);
        ck_assert_double_eq(ag_item_grad(h), 0);
        sweep(ag_mul_number(h, 3));
        ck_assert_double_eq(ag_item_grad(h), 3);
        /* what is constant has a derivative: zero */
        ck_assert_double_eq(ag_item_grad(ag_scalar_constant(t, 1)), 0);
        ck_assert_double_eq(ag_item_grad(ag_full(t, AG_F32, 0, NULL, 1)), 0);
        ck_assert_double_eq(ag_item_grad(ag_detach(h)), 0);
        ag_no_grad_begin(t);
        ck_assert_double_eq(ag_item_grad(ag_exp(a)), 0);
        ag_no_grad_end(t);
        require_ok(t);
        ag_tape_free(t);
    }
}
END_TEST

START_TEST(a_root_that_depends_on_nothing_differentiable_adds_nothing) {
    ag_tape *t = tape_new();
    ag_mark m = ag_tape_mark(t);
    for (int k = 0; k < 6; k++) {
        ag_value x = vector(t, 1, (const double[]){2}), s = ag_scalar(t, 1), y = x;
        if (k == 0) y = ag_scalar_constant(t, 1);
        if (k == 1) y = ag_full(t, AG_F64, 0, NULL, 1);
        if (k == 2) y = ag_square(ag_detach(x));
        if (k == 3) y = ag_mul(ag_full(t, AG_F64, 0, NULL, 1), ag_full(t, AG_F64, 0, NULL, 3));
        ag_no_grad_begin(t);
        if (k == 4) y = ag_square(x);
        if (k == 5) y = ag_square(s);
        ag_no_grad_end(t);
        sweep(y);
        ck_assert_double_eq(ag_item_grad(x), 0);
        ck_assert_double_eq(ag_item_grad(s), 0);
        ck_assert_int_eq(ag_tape_rewind(t, m), AG_OK);
    }
    ag_tape_free(t);
}
END_TEST

START_TEST(several_roots_are_summed) {
    ag_tape *t = tape_new();
    ag_value x = vector(t, 2, (const double[]){1, 2}), s = ag_scalar(t, 3);
    ag_value y[3] = {ag_sum_all(ag_square(x)), ag_mul(s, s), ag_sum_all(ag_mul(x, s))}, wrt[2] = {x, s}, d[2];
    ck_assert_int_eq(ag_grad(y, NULL, 3, wrt, 2, d), AG_OK);
    VALUES(d[0], 2 + 3, 4 + 3);
    VALUES(d[1], 6 + 3);
    ag_value twice[2] = {y[0], y[0]};
    ck_assert_int_eq(ag_grad(twice, NULL, 2, wrt, 1, d), AG_OK);
    VALUES(d[0], 4, 8);
    ag_value seed[2] = {ag_number(y[0], 10), ag_number(y[0], -1)};
    ck_assert_int_eq(ag_grad(twice, seed, 2, wrt, 1, d), AG_OK);
    VALUES(d[0], 18, 36);
    ag_tape_free(t);
}
END_TEST

START_TEST(what_is_not_reached_gets_zeros) {
    ag_tape *t = tape_new();
    ag_value x = vector(t, 2, (const double[]){1, 2}), s = ag_scalar(t, 3), y = ag_sum_all(ag_square(x));
    ag_value f = ag_array_leaf(t, AG_F32, 2, (const int64_t[]){1, 2}, (const double[]){1, 2}),
             later = ag_square(y);
    ag_value wrt[5] = {s, f, later, ag_full(t, AG_I64, 1, (const int64_t[]){2}, 1), x}, d[5];
    ck_assert_int_eq(ag_grad(&y, NULL, 1, wrt, 5, d), AG_OK);
    VALUES(d[0], 0);
    VALUES(d[1], 0, 0);
    ck_assert_int_eq(ag_meta_of(d[1])->dtype, AG_F32);
    ck_assert_int_eq(ag_meta_of(d[1])->rank, 2);
    VALUES(d[2], 0);
    VALUES(d[3], 0, 0);
    VALUES(d[4], 2, 4);
    ag_tape_free(t);
}
END_TEST

START_TEST(wrt_may_be_inner_values_constants_and_the_root) {
    ag_tape *t = tape_new();
    ag_value x = vector(t, 2, (const double[]){1, 2}),
             c = ag_array_constant(t, AG_F64, 1, (const int64_t[]){2}, (const double[]){5, 6});
    ag_value h = ag_mul(x, c), s = ag_scalar(t, 2), u = ag_square(s), y = ag_mul(ag_sum_all(ag_square(h)), u);
    ag_value wrt[7] = {h, u, c, y, x, h, s}, d[7];
    ck_assert_int_eq(ag_grad(&y, NULL, 1, wrt, 7, d), AG_OK);
    VALUES(d[0], 40, 96); /* 2 h u */
    VALUES(d[1], 169);
    VALUES(d[2], 40, 192); /* of a constant, too */
    VALUES(d[3], 1);
    VALUES(d[4], 200, 576);
    VALUES(d[5], 40, 96); /* named twice */
    VALUES(d[6], 169 * 4);
    ADJOINT(x, 0, 0);
    ag_tape_free(t);
}
END_TEST

START_TEST(grad_leaves_the_leaves_gradients_alone) {
    ag_tape *t = tape_new();
    ag_tensor *w = ag_tensor_from(AG_F32, 1, (const int64_t[]){2}, (const double[]){1, 2}, NULL);
    ag_value x = ag_leaf(t, w), s = ag_scalar(t, 2), a = vector(t, 2, (const double[]){1, 1}), wrt[3] = {x, s, a},
             d[3];
    ag_value y = ag_sum_all(ag_mul(ag_mul(x, s), a));
    ck_assert_int_eq(ag_grad(&y, NULL, 1, wrt, 3, d), AG_OK);
    VALUES(d[0], 2, 2);
    ck_assert_int_eq(ag_meta_of(d[0])->dtype, AG_F32);
    ck_assert_ptr_null(ag_tensor_grad(w));
    ADJOINT(x, 0, 0);
    ADJOINT(s, 0);
    ADJOINT(a, 0, 0);
    ag_tape_free(t);
    ag_tensor_free(w);
}
END_TEST

/* ---- broadcasting and dtypes ---------------------------------------------------------------------------------------- */

static ag_value broadcasting(ag_tape *t, const ag_value *in, void *user) {
    (void)t, (void)user;
    return ag_div(ag_mul(in[0], ag_add(in[1], in[2])), ag_add_number(ag_square(in[1]), 1));
}

START_TEST(broadcast_operands_get_the_sum) {
    static const int64_t shapes[][3][4] = {/* rank, dims */
                                           {{2, 2, 3}, {1, 3}, {0}},
                                           {{3, 2, 1, 3}, {2, 4, 1}, {1, 1}},
                                           {{0}, {3, 1, 1, 1}, {1, 2}},
                                           {{2, 0, 3}, {1, 3}, {2, 1, 1}},
                                           {{1, 1}, {1, 1}, {3, 2, 2, 2}}};
    double values[3][24];
    ag_random r = {.seed = 23};
    for (int i = 0; i < 3; i++) random_values(&r, values[i], 24, -2, 2, 0);
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        check_input in[3];
        for (int i = 0; i < 3; i++) {
            in[i] =
                (check_input){.dtype = AG_F64, .rank = (int)shapes[s][i][0], .values = values[i], .leaf = true};
            for (int d = 0; d < in[i].rank; d++) in[i].dim[d] = shapes[s][i][1 + d];
        }
        for (int scalars = 0; scalars < 8; scalars++) {
            bool possible = true;
            for (int i = 0; i < 3; i++) {
                in[i].scalar = (scalars >> i & 1) != 0;
                if (in[i].scalar && in[i].rank > 0) possible = false;
            }
            if (possible) check_gradients("broadcasting", broadcasting, NULL, in, 3, 2);
        }
    }
}
END_TEST

START_TEST(each_leaf_keeps_its_dtype) {
    ag_tape *t = tape_new();
    ag_tensor *w = ag_tensor_from(AG_F32, 1, (const int64_t[]){2}, (const double[]){1, 2}, NULL);
    ag_value x = ag_leaf(t, w), s = ag_scalar(t, 3), d = vector(t, 2, (const double[]){0.1, 0.2}),
             n = ag_full(t, AG_I64, 0, NULL, 2);
    ag_value y = ag_sum_all(ag_mul(ag_mul(ag_mul(x, s), d), n)), in[3] = {x, s, d}, dx[3];
    ck_assert_int_eq(ag_meta_of(y)->dtype, AG_F64);
    sweep(y);
    ck_assert_double_eq_tol(ag_tensor_grad_get(w, 1), 1.2, 1e-7);
    ck_assert_double_eq_tol(ag_item_grad(s), 1, 1e-7);
    ADJOINT(d, 6, 12);
    ck_assert_int_eq(ag_grad(&y, NULL, 1, in, 3, dx), AG_OK);
    ck_assert_int_eq(ag_meta_of(dx[0])->dtype, AG_F32);
    ck_assert_int_eq(ag_meta_of(dx[1])->dtype, AG_F64);
    ck_assert_int_eq(ag_meta_of(dx[2])->dtype, AG_F64);
    ck_assert_double_eq_tol(ag_item(dx[1]), 1, 1e-7);
    ag_tape_free(t);
    ag_tensor_free(w);
}
END_TEST

START_TEST(f32_and_scalars_reach_second_order) {
    ag_tape *t = tape_new();
    ag_tensor *w = ag_tensor_from(AG_F32, 1, (const int64_t[]){2}, (const double[]){1, 2}, NULL);
    ag_value x = ag_leaf(t, w), s = ag_scalar(t, 3);
    ag_value y = ag_sum_all(ag_mul(ag_square(x), ag_square(s))), dx, mixed; /* sum x^2 s^2 */
    ck_assert_int_eq(ag_grad(&y, NULL, 1, &x, 1, &dx), AG_OK);
    ag_value total = ag_sum_all(dx);
    ck_assert_int_eq(ag_grad(&total, NULL, 1, &s, 1, &mixed), AG_OK);
    ck_assert_double_eq_tol(ag_item(mixed), 4 * 3 * 3, 1e-5); /* sum 4 x s */
    sweep(total);
    ck_assert_double_eq_tol(ag_tensor_grad_get(w, 0), 18, 1e-5);
    require_ok(t);
    ag_tape_free(t);
    ag_tensor_free(w);
}
END_TEST

/* ---- constants to every derivative -------------------------------------------------------------------------------------- */

START_TEST(detached_values_are_constants) {
    ag_tape *t = tape_new();
    ag_value x = vector(t, 2, (const double[]){3, 4}), s = ag_scalar(t, 5);
    ag_value y = ag_sum_all(ag_mul(ag_mul(x, ag_detach(ag_square(x))), ag_mul(s, ag_detach(s)))), in[2] = {x, s},
             d[2];
    sweep(y);
    ADJOINT(x, 9 * 25, 16 * 25);
    ADJOINT(s, 5 * (27 + 64));
    ck_assert_int_eq(ag_grad(&y, NULL, 1, in, 2, d), AG_OK);
    VALUES(d[0], 9 * 25, 16 * 25);
    VALUES(d[1], 5 * (27 + 64));
    ag_tape_free(t);
}
END_TEST

START_TEST(no_grad_records_constants_of_every_kind) {
    ag_tape *t = tape_new();
    ag_tensor *w = ag_tensor_from(AG_F64, 1, (const int64_t[]){2}, (const double[]){3, 4}, NULL);
    ag_value s = ag_scalar(t, 5), x = ag_leaf(t, w), a = vector(t, 2, (const double[]){1, 2});
    ag_no_grad_begin(t);
    ag_value q = ag_square(s), v = ag_square(x), view = ag_slice(a, 0, 0, 1, 1), own = ag_scalar(t, 7),
             bound = ag_leaf(t, w), array = vector(t, 2, (const double[]){1, 1});
    ag_no_grad_end(t);
    ag_value sum = ag_add(ag_mul(q, s), own);
    ag_value y =
        ag_add(ag_sum_all(ag_add(ag_mul(v, x), ag_add(bound, array))), ag_add(sum, ag_sum_all(ag_mul(view, a))));
    ag_value in[3] = {s, x, a}, d[3];
    sweep(y);
    ADJOINT(s, 25);
    ADJOINT(x, 9, 16);
    ADJOINT(a, 1, 1);
    ADJOINT(own, 0);
    ADJOINT(array, 0, 0);
    ck_assert_int_eq(ag_grad(&y, NULL, 1, in, 3, d), AG_OK);
    VALUES(d[0], 25);
    VALUES(d[1], 9, 16);
    VALUES(d[2], 1, 1);
    sweep(q); /* roots that are constants */
    sweep(ag_sum_all(v));
    ADJOINT(s, 25);
    ADJOINT(x, 9, 16);
    ag_tape_free(t);
    ag_tensor_free(w);
}
END_TEST

START_TEST(gradients_under_no_grad_are_constants) {
    ag_tape *t = tape_new();
    ag_value s = ag_scalar(t, 5), y = ag_mul(s, ag_square(s)), d, dd;
    ag_no_grad_begin(t);
    ck_assert_int_eq(ag_grad(&y, NULL, 1, &s, 1, &d), AG_OK);
    sweep(y);
    ag_no_grad_end(t);
    VALUES(d, 75);
    ADJOINT(s, 75);
    ck_assert_int_eq(ag_grad(&d, NULL, 1, &s, 1, &dd), AG_OK);
    VALUES(dd, 0);
    ag_tape_free(t);
}
END_TEST

/* ---- higher orders ----------------------------------------------------------------------------------------------------------- */

static ag_value derivative(ag_value y, ag_value x) {
    ag_value d;
    ck_assert_msg(ag_grad(&y, NULL, 1, &x, 1, &d) == AG_OK, "%s", ag_tape_message(x.tape));
    return d;
}

START_TEST(derivatives_of_any_order) {
    ag_tape *t = tape_new();
    for (int tensor = 0; tensor < 3; tensor++) {
        ag_value x = tensor ? ag_array_leaf(t, AG_F64, tensor - 1, (const int64_t[]){1}, (const double[]){2})
                            : ag_scalar(t, 2);
        ag_value y = ag_pow_number(x, 5);
        static const double fifth[] = {80, 160, 240, 240, 120, 0, 0};
        for (int k = 0; k < 7; k++) {
            y = derivative(y, x);
            ck_assert_double_eq_tol(ag_item(y), fifth[k], 1e-10);
        }
        x = tensor ? ag_array_leaf(t, AG_F64, tensor - 1, (const int64_t[]){1}, (const double[]){0.7})
                   : ag_scalar(t, 0.7);
        y = ag_sin(x);
        for (int k = 1; k <= 6; k++) {
            y = derivative(y, x);
            ck_assert_double_eq_tol(ag_item(y), sin(0.7 + k * acos(0)), 1e-14);
        }
        y = ag_exp(ag_tanh(x));
        double th = tanh(0.7), s = 1 - th * th, e = exp(th);
        ag_value first = derivative(y, x), second = derivative(first, x);
        ck_assert_double_eq_tol(ag_item(first), e * s, 1e-14);
        ck_assert_double_eq_tol(ag_item(second), e * s * (s - 2 * th), 1e-14);
    }
    require_ok(t);
    ag_tape_free(t);
}
END_TEST

START_TEST(a_product_of_hessian_and_vector) {
    /* f = sum_i x_i^2 x_{i+1}, i modulo 3. H_ii = 2 x_{i+1}, H_{i,i+1} = 2 x_i */
    ag_tape *t = tape_new();
    const double p[3] = {1, -2, 3}, v[3] = {0.5, 2, -1};
    ag_value x = vector(t, 3, p), dir = ag_array_constant(t, AG_F64, 1, (const int64_t[]){3}, v);
    ag_value parts[2] = {ag_slice(x, 0, 1, 3, 1), ag_slice(x, 0, 0, 1, 1)};
    ag_value g = derivative(ag_sum_all(ag_mul(ag_square(x), ag_cat(parts, 2, 0))), x),
             hv = derivative(ag_sum_all(ag_mul(g, dir)), x);
    double expected[3];
    for (int i = 0; i < 3; i++) {
        int n = (i + 1) % 3, b = (i + 2) % 3;
        expected[i] = 2 * p[n] * v[i] + 2 * p[i] * v[n] + 2 * p[b] * v[b];
    }
    require_numbers(hv, false, 3, expected);
    ag_value seeded;
    ck_assert_int_eq(ag_grad(&g, &dir, 1, &x, 1, &seeded), AG_OK); /* the same with a seed */
    require_numbers(seeded, false, 3, expected);
    ck_assert_int_eq(ag_backward_from(g, dir), AG_OK); /* and not recorded */
    require_numbers(x, true, 3, expected);
    ag_tape_free(t);
}
END_TEST

START_TEST(a_gradient_penalty_trains_through_the_gradient) {
    /* y = w x^2; penalty (dy/dx)^2 = 4 w^2 x^2; d/dw = 8 w x^2 */
    ag_tape *t = tape_new();
    ag_value w = ag_scalar(t, 3), x = vector(t, 2, (const double[]){1, 2});
    ag_value g = derivative(ag_sum_all(ag_mul(w, ag_square(x))), x);
    sweep(ag_sum_all(ag_square(g)));
    ADJOINT(w, 8 * 3 * 5);
    ADJOINT(x, 8 * 9, 16 * 9);
    ag_tape_free(t);
}
END_TEST

static ag_value refuses(void *user, ag_value dy) {
    (void)user;
    return ag_tape_fail(dy.tape, AG_ERROR_VALUE, "no");
}

/* Of two retained values the sweep that fails reaches one; neither sum means anything afterwards. */
START_TEST(retained_adjoints_of_a_failed_backward_are_refused_until_they_are_zeroed) {
    ag_tape *t = tape_new();
    ag_value x = vector(t, 1, (const double[]){2}), low = ag_square(x), high = ag_square(low);
    double got;
    ag_retain(low);
    ag_retain(high);
    sweep(ag_sum_all(high));
    const ag_mark m = ag_tape_mark(t);
    ag_hook(low, refuses, NULL);
    ck_assert_int_eq(ag_backward(ag_sum_all(high)), AG_ERROR_VALUE);
    ck_assert_int_eq(ag_tape_rewind(t, m), AG_ERROR_VALUE);
    const ag_value kept[] = {low, high};
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(ag_adjoint_f64(kept[i], &got, 1), AG_ERROR_STATE);
        require_failure(t, AG_ERROR_STATE, WORDS("failed backward"));
        ag_tape_rewind(t, m);
    }
    ag_zero_grad(t);
    sweep(ag_sum_all(high));
    ck_assert_int_eq(ag_adjoint_f64(low, &got, 1), AG_OK);
    ck_assert_double_eq(got, 8);
    ag_tape_free(t);
}
END_TEST

Suite *grad_suite(void) {
    Suite *s = suite_create("grad");
    TCase *c = tcase_create("grad");
    suite_add_tcase(s, c);
    tcase_add_test(c, a_root_needs_one_element_or_a_seed);
    tcase_add_test(c, a_seed_weighs_the_root);
    tcase_add_test(c, a_strided_seed_and_a_scalar_seed);
    tcase_add_test(c, the_adjoint_of_an_inner_value_is_an_error_unless_it_is_retained);
    tcase_add_test(c, a_root_that_depends_on_nothing_differentiable_adds_nothing);
    tcase_add_test(c, several_roots_are_summed);
    tcase_add_test(c, what_is_not_reached_gets_zeros);
    tcase_add_test(c, wrt_may_be_inner_values_constants_and_the_root);
    tcase_add_test(c, grad_leaves_the_leaves_gradients_alone);
    tcase_add_test(c, broadcast_operands_get_the_sum);
    tcase_add_test(c, each_leaf_keeps_its_dtype);
    tcase_add_test(c, f32_and_scalars_reach_second_order);
    tcase_add_test(c, detached_values_are_constants);
    tcase_add_test(c, no_grad_records_constants_of_every_kind);
    tcase_add_test(c, gradients_under_no_grad_are_constants);
    tcase_add_test(c, derivatives_of_any_order);
    tcase_add_test(c, a_product_of_hessian_and_vector);
    tcase_add_test(c, retained_adjoints_of_a_failed_backward_are_refused_until_they_are_zeroed);
    tcase_add_test(c, a_gradient_penalty_trains_through_the_gradient);
    return s;
}
