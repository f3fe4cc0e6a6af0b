/* higher: Hessian-vector products, Jacobians and Hessians - against formulas, against each other, their shapes, and what
 * they refuse. */
#include "core_support.h"

#define DIM(...) ((const int64_t[]){__VA_ARGS__})

static void require_shape(ag_value x, int rank, const int64_t *dim) {
    const ag_meta *meta = ag_meta_of(x);
    ck_assert_msg(meta != NULL, "%s", ag_tape_message(x.tape));
    ck_assert_int_eq(meta->rank, rank);
    for (int k = 0; k < rank; k++) ck_assert_int_eq(meta->dim[k], dim[k]);
}

/* (a - x)^2 + 100 (y - x^2)^2 of a vector (x, y) */
static ag_value rosenbrock(ag_value p) {
    const ag_value x = ag_select(p, 0, 0), y = ag_select(p, 0, 1);
    const ag_value valley = ag_sub(y, ag_square(x)), slope = ag_add_number(ag_neg(x), 1);
    return ag_add(ag_square(slope), ag_mul_number(ag_square(valley), 100));
}

/* ---- formulas ---------------------------------------------------------------------------------------------------------- */

START_TEST(the_hessian_of_rosenbrock) {
    ag_tape *t = tape_new();
    const double x = -1.2, y = 0.7;
    ag_value p = vector(t, 2, (const double[]){x, y}), f = rosenbrock(p), h, hv;
    ck_assert_int_eq(ag_hessian(f, &p, 1, &h), AG_OK);
    require_shape(h, 2, DIM(2, 2));
    VALUES(h, 2 - 400 * (y - 3 * x * x), -400 * x, -400 * x, 200);
    const ag_value v = vector(t, 2, (const double[]){3, -1});
    ck_assert_int_eq(ag_hvp(f, &p, &v, 1, &hv), AG_OK);
    VALUES(hv, 3 * (2 - 400 * (y - 3 * x * x)) + 400 * x, -1200 * x - 200);
    ck_assert_int_eq(ag_hvp(f, &p, NULL, 1, &hv), AG_OK);
    VALUES(hv, 2 - 400 * (y - 3 * x * x) - 400 * x, -400 * x + 200);
    ag_tape_free(t);
}
END_TEST

START_TEST(a_jacobian_of_a_linear_map_is_its_matrix) {
    static const double numbers[6] = {1, 2, 3, 4, 5, 6};
    for (int wide = 0; wide < 2; wide++) { /* more columns than rows: by reverse; fewer: by forward */
        ag_tape *t = tape_new();
        const int64_t m = wide ? 2 : 3, n = wide ? 3 : 2;
        const ag_value a = ag_array_constant(t, AG_F64, 2, DIM(m, n), numbers);
        ag_value x = vector(t, n, (const double[]){1, -1, 2}), j;
        ck_assert_int_eq(ag_jacobian(ag_matmul(a, x), x, &j), AG_OK);
        require_shape(j, 2, DIM(m, n));
        require_numbers(j, false, 6, numbers);
        ag_tape_free(t);
    }
}
END_TEST

START_TEST(jacobians_have_the_shape_of_both) {
    static const struct {
        int rank;
        int64_t dim[3];
        int parts; /* of the result, cut from the first axis; 0: all, summed; -1: all; -2: twice over */
        int y_rank;
        int64_t y_dim[4];
    } cases[] = {
        {0, {0}, -1, 0, {0}},          {0, {0}, -2, 1, {2}},
        {1, {3}, 0, 0, {0}},           {1, {3}, -1, 1, {3}},
        {1, {3}, -2, 2, {2, 3}},       {2, {2, 3}, 1, 2, {1, 3}},
        {2, {2, 3}, -2, 3, {2, 2, 3}}, {3, {2, 1, 2}, -2, 4, {2, 2, 1, 2}},
        {1, {1}, -1, 1, {1}},          {2, {0, 3}, -1, 2, {0, 3}},
        {2, {0, 3}, 0, 0, {0}},        {2, {2, 3}, -3, 2, {0, 3}},
    };
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        ag_tape *t = tape_new();
        const double numbers[6] = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6};
        ag_value x = ag_array_leaf(t, AG_F64, cases[c].rank, cases[c].dim, numbers), y = ag_sin(x), j;
        if (cases[c].parts == 0) y = ag_sum_all(y);
        if (cases[c].parts == 1) y = ag_slice(y, 0, 0, 1, 1);
        if (cases[c].parts == -2) y = ag_stack((const ag_value[]){y, ag_square(x)}, 2, 0);
        if (cases[c].parts == -3) y = ag_slice(y, 0, 2, 2, 1);
        require_shape(y, cases[c].y_rank, cases[c].y_dim);
        ck_assert_msg(ag_jacobian(y, x, &j) == AG_OK, "case %zu: %s", c, ag_tape_message(t));
        int64_t dim[7];
        memcpy(dim, cases[c].y_dim, (size_t)cases[c].y_rank * sizeof *dim);
        memcpy(dim + cases[c].y_rank, cases[c].dim, (size_t)cases[c].rank * sizeof *dim);
        require_shape(j, cases[c].y_rank + cases[c].rank, dim);
        /* element (a, b) is d y[a] / d x[b], by central differences of y's own formula at x */
        const int64_t ny = ag_meta_count(ag_meta_of(y)), nx = ag_meta_count(ag_meta_of(x));
        double got[72];
        ck_assert_int_eq(ag_read_f64(j, got, ny * nx), AG_OK);
        for (int64_t a = 0; a < ny; a++)
            for (int64_t b = 0; b < nx; b++) {
                const bool square = cases[c].parts == -2 && a >= nx;
                const double slope = square ? 2 * numbers[b] : cos(numbers[b]);
                const double want = cases[c].parts == 0 || a % nx == b ? slope : 0;
                ck_assert_double_eq_tol(got[a * nx + b], want, 1e-15);
            }
        ag_tape_free(t);
    }
}
END_TEST

START_TEST(scalars_of_the_strip_have_jacobians_and_hessians) {
    ag_tape *t = tape_new();
    ag_value x[2] = {ag_scalar(t, 3), ag_scalar(t, 2)}, j, h[4];
    ag_value y = ag_mul(ag_square(x[0]), x[1]);
    ck_assert_int_eq(ag_jacobian(y, x[0], &j), AG_OK);
    require_shape(j, 0, NULL);
    ck_assert_double_eq(ag_item(j), 12);
    ck_assert_int_eq(ag_hessian(y, x, 2, h), AG_OK);
    const double want[4] = {4, 6, 6, 0};
    for (int k = 0; k < 4; k++) {
        require_shape(h[k], 0, NULL);
        ck_assert_double_eq(ag_item(h[k]), want[k]);
    }
    ag_tape_free(t);
}
END_TEST

START_TEST(the_dtype_is_that_of_x) {
    for (int wide = 0; wide < 2; wide++) {
        ag_tape *t = tape_new();
        ag_value x = ag_full(t, AG_F32, 1, DIM(wide ? 3 : 2), 1), j;
        const ag_value a = ag_full(t, AG_F64, 2, DIM(wide ? 2 : 3, wide ? 3 : 2), 0.5);
        ck_assert_int_eq(ag_jacobian(ag_matmul(a, x), x, &j), AG_OK);
        ck_assert_int_eq(ag_meta_of(j)->dtype, AG_F32);
        VALUES(j, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5);
        ag_tape_free(t);
    }
}
END_TEST

START_TEST(what_does_not_depend_on_x_gives_zeros) {
    ag_tape *t = tape_new();
    ag_value x = vector(t, 2, (const double[]){1, 2}), other = vector(t, 3, (const double[]){1, 2, 3}), j, h[4];
    ck_assert_int_eq(ag_jacobian(ag_exp(other), x, &j), AG_OK);
    require_shape(j, 2, DIM(3, 2));
    VALUES(j, 0, 0, 0, 0, 0, 0);
    const ag_value in[2] = {x, other};
    ck_assert_int_eq(ag_hessian(ag_sum_all(ag_square(other)), in, 2, h), AG_OK);
    VALUES(h[0], 0, 0, 0, 0);
    VALUES(h[1], 0, 0, 0, 0, 0, 0);
    VALUES(h[2], 0, 0, 0, 0, 0, 0);
    VALUES(h[3], 2, 0, 0, 0, 2, 0, 0, 0, 2);
    ck_assert_int_eq(ag_hvp(ag_sum_all(other), in, NULL, 2, h), AG_OK); /* linear: no curvature */
    VALUES(h[0], 0, 0);
    VALUES(h[1], 0, 0, 0);
    ag_tape_free(t);
}
END_TEST

/* ---- properties ---------------------------------------------------------------------------------------------------------- */

/* One number from a matrix (2, 3), a vector (3) and a scalar. */
static ag_value energy(const ag_value *x) {
    const ag_value h = ag_tanh(ag_add(ag_matmul(x[0], ag_sin(x[1])), ag_mul(x[2], x[2]))); /* (2) */
    const ag_value p = ag_softmax(ag_mul(x[0], x[1]), -1);                                 /* (2, 3) */
    return ag_add(ag_sum_all(ag_mul(ag_logsumexp(p, (const int[]){1}, 1, false), h)),
                  ag_mul(ag_mean_all(ag_exp(p)), x[2]));
}

static void draw(ag_tape *t, ag_random *r, ag_value *x) {
    double numbers[6];
    random_values(r, numbers, 6, -1, 1, 0);
    x[0] = matrix(t, 2, 3, numbers);
    random_values(r, numbers, 3, -1, 1, 0);
    x[1] = vector(t, 3, numbers);
    x[2] = ag_scalar(t, 0.3 + ag_random_uniform(r));
}

enum { SIZE = 10 };
static const int64_t sizes[3] = {6, 3, 1}, starts[3] = {0, 6, 9};

START_TEST(hessians_are_symmetric_and_agree_with_their_products) {
    ag_tape *t = tape_new();
    ag_random r = {.seed = (uint64_t)_i};
    ag_value x[3], v[3], h[9], hv[3], tangents[3], g[3];
    draw(t, &r, x);
    draw(t, &r, v);
    const ag_value y = energy(x);
    ck_assert_msg(ag_hessian(y, x, 3, h) == AG_OK, "%s", ag_tape_message(t));
    ck_assert_int_eq(ag_hvp(y, x, v, 3, hv), AG_OK);
    ck_assert_int_eq(ag_grad(&y, NULL, 1, x, 3, g), AG_OK);
    ck_assert_int_eq(ag_jvp(g, 3, x, v, 3, tangents), AG_OK);
    double whole[SIZE][SIZE], direction[SIZE], product[SIZE], forward[SIZE], block[36];
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(ag_read_f64(v[i], direction + starts[i], sizes[i]), AG_OK);
        ck_assert_int_eq(ag_read_f64(hv[i], product + starts[i], sizes[i]), AG_OK);
        ck_assert_int_eq(ag_read_f64(tangents[i], forward + starts[i], sizes[i]), AG_OK);
        for (int k = 0; k < 3; k++) {
            ck_assert_int_eq(ag_read_f64(h[3 * i + k], block, sizes[i] * sizes[k]), AG_OK);
            for (int64_t a = 0; a < sizes[i]; a++)
                for (int64_t b = 0; b < sizes[k]; b++)
                    whole[starts[i] + a][starts[k] + b] = block[a * sizes[k] + b];
        }
    }
    for (int a = 0; a < SIZE; a++) {
        double sum = 0;
        for (int b = 0; b < SIZE; b++) {
            ck_assert_double_eq_tol(whole[a][b], whole[b][a], 1e-13);
            sum += whole[a][b] * direction[b];
        }
        ck_assert_double_eq_tol(product[a], sum, 1e-12);
        ck_assert_double_eq_tol(forward[a], sum, 1e-12);
    }
    ag_tape_free(t);
}
END_TEST

/* Rows and columns of one matrix: a Jacobian by reverse sweeps is the transpose's by forward ones. */
START_TEST(rows_and_columns_agree) {
    ag_tape *t = tape_new();
    ag_random r = {.seed = 50 + (uint64_t)_i};
    ag_value x[3], few, many;
    draw(t, &r, x);
    const ag_value p = ag_softmax(ag_mul(x[0], ag_exp(x[1])), -1); /* (2, 3): six by three is forward */
    ck_assert_int_eq(ag_jacobian(p, x[1], &many), AG_OK);
    for (int k = 0; k < 2; k++) { /* two times three by three is reverse */
        double want[9], got[9];
        ck_assert_int_eq(ag_jacobian(ag_select(p, 0, k), x[1], &few), AG_OK);
        ck_assert_int_eq(ag_read_f64(few, got, 9), AG_OK);
        ck_assert_int_eq(ag_read_f64(ag_select(many, 0, k), want, 9), AG_OK);
        for (int i = 0; i < 9; i++) ck_assert_double_eq_tol(got[i], want[i], 1e-14);
    }
    ag_tape_free(t);
}
END_TEST

START_TEST(results_can_be_differentiated_again) {
    ag_tape *t = tape_new();
    ag_value x = vector(t, 2, (const double[]){2, 3}), h, third, j, dj;
    ag_value y = ag_sum_all(ag_mul(ag_square(x), x));
    ck_assert_int_eq(ag_hessian(y, &x, 1, &h), AG_OK);
    ck_assert_int_eq(ag_jacobian(h, x, &third), AG_OK); /* 6 where all three indices agree; by forward */
    require_shape(third, 3, DIM(2, 2, 2));
    VALUES(third, 6, 0, 0, 0, 0, 0, 0, 6);
    ck_assert_int_eq(ag_jacobian(ag_exp(x), x, &j), AG_OK);
    const ag_value trace = ag_sum_all(j);
    ck_assert_int_eq(ag_grad(&trace, NULL, 1, &x, 1, &dj), AG_OK);
    VALUES(dj, exp(2), exp(3));
    ag_tape_free(t);
}
END_TEST

/* ---- misuse -------------------------------------------------------------------------------------------------------------- */

START_TEST(misuse_is_an_error_that_says_what) {
    ag_tape *t = tape_new(), *other = tape_new();
    const ag_value foreign = vector(other, 2, (const double[]){1, 2});
    for (int c = 0; c < 14; c++) {
        const ag_mark start = ag_tape_mark(t);
        ag_value x = vector(t, 2, (const double[]){1, 2}), y = ag_sum_all(ag_square(x)), out[4];
        const ag_value whole = ag_full(t, AG_I64, 1, DIM(2), 1), v = ag_full(t, AG_F64, 1, DIM(3), 1);
        const ag_value deep = ag_array_leaf(t, AG_F64, 5, DIM(1, 1, 1, 1, 1), (const double[]){2});
        const ag_mark inner = ag_tape_mark(t);
        const ag_value stale = ag_neg(y);
        ck_assert_int_eq(ag_tape_rewind(t, inner), AG_OK);
        ag_status status = AG_OK, want = AG_OK;
        const char *says = "";
        switch (c) {
        case 0: status = ag_hvp(ag_exp(x), &x, &x, 1, out), want = AG_ERROR_SHAPE, says = "one element"; break;
        case 1: status = ag_hvp(y, &x, &v, 1, out), want = AG_ERROR_SHAPE, says = "(3)"; break;
        case 2: status = ag_hvp(y, &x, NULL, -1, out), want = AG_ERROR_VALUE, says = "hvp: the number"; break;
        case 3: status = ag_hvp(y, &foreign, NULL, 1, out), want = AG_ERROR_FOREIGN, says = "another"; break;
        case 4: status = ag_jacobian(y, whole, out), want = AG_ERROR_DTYPE, says = "jacobian: both"; break;
        case 5: status = ag_jacobian(ag_argmax(x, 0, false), x, out), want = AG_ERROR_DTYPE, says = "i64"; break;
        case 6: status = ag_jacobian(deep, deep, out), want = AG_ERROR_SHAPE, says = "(1, 1, 1, 1, 1)"; break;
        case 7: status = ag_jacobian(y, foreign, out), want = AG_ERROR_FOREIGN, says = "jacobian"; break;
        case 8: status = ag_jacobian(stale, x, out), want = AG_ERROR_STALE, says = "jacobian"; break;
        case 9: status = ag_jacobian(y, (ag_value){.tape = t}, out), want = AG_ERROR_FAILED; break;
        case 10: status = ag_hessian(ag_exp(x), &x, 1, out), want = AG_ERROR_SHAPE, says = "one element"; break;
        case 11: status = ag_hessian(y, &x, -1, out), want = AG_ERROR_VALUE, says = "hessian: the number"; break;
        case 12:
            status = ag_hessian(ag_sum_all(deep), &deep, 1, out), want = AG_ERROR_SHAPE, says = "hessian";
            break;
        case 13: status = ag_hessian(stale, &x, 1, out), want = AG_ERROR_STALE; break;
        }
        ck_assert_msg(status == want, "case %d: %s", c, ag_tape_message(t));
        ck_assert_msg(strstr(ag_tape_message(t), says) != NULL, "case %d: %s", c, ag_tape_message(t));
        if (c != 2 && c != 11) ck_assert(!ag_ok(out[0]));
        ck_assert_int_eq(ag_tape_rewind(t, start), want);
    }
    ag_value none;
    ck_assert_int_eq(ag_jacobian((ag_value){0}, foreign, &none), AG_ERROR_FAILED);
    ck_assert_int_eq(ag_hvp((ag_value){0}, &foreign, NULL, 1, &none), AG_ERROR_FAILED);
    ck_assert_int_eq(ag_hessian((ag_value){0}, &foreign, 1, &none), AG_ERROR_FAILED);
    ag_tape_free(t);
    ag_tape_free(other);
}
END_TEST

/* d = d'(x), again and again in one place: sin has the sixth derivative -sin. */
START_TEST(results_may_take_the_place_of_what_they_come_from) {
    ag_tape *t = tape_new();
    ag_value x = ag_scalar(t, 0.3), d = ag_sin(x), v = x;
    for (int k = 0; k < 6; k++)
        ck_assert_int_eq(k % 2 ? ag_grad(&d, NULL, 1, &x, 1, &d) : ag_jvp(&d, 1, &x, NULL, 1, &d), AG_OK);
    ck_assert_double_eq_tol(ag_item(d), -sin(0.3), 1e-12);
    ck_assert_int_eq(ag_hvp(ag_square(x), &x, &v, 1, &v), AG_OK);
    ck_assert_double_eq(ag_item(v), 0.6);
    ag_tape_fail(t, AG_ERROR_VALUE, "no");
    ck_assert_int_eq(ag_grad(&d, NULL, 1, &x, 1, &d), AG_ERROR_VALUE);
    ck_assert(!ag_ok(d));
    ag_tape_free(t);
}
END_TEST

/* The failure stands on the tape of y, whatever the others belong to. */
START_TEST(a_hessian_is_refused_on_the_tape_of_its_root) {
    ag_tape *t = tape_new(), *other = tape_new();
    const ag_mark start = ag_tape_mark(t);
    ag_value h[4];
    ag_value x = ag_scalar(t, 2), mixed[] = {ag_scalar(other, 1), x};
    ck_assert_int_eq(ag_hessian(ag_square(x), mixed, 2, h), AG_ERROR_FOREIGN);
    ck_assert_int_eq(ag_tape_status(other), AG_OK);
    require_failure(t, AG_ERROR_FOREIGN, WORDS("hessian"));
    ag_tape_rewind(t, start);
    x = ag_scalar(t, 2);
    ag_value whole = ag_array_constant(t, AG_I64, 0, NULL, (const double[]){3});
    ck_assert_int_eq(ag_hessian(whole, &x, 1, h), AG_ERROR_DTYPE);
    ck_assert(!ag_ok(h[0]));
    require_failure(t, AG_ERROR_DTYPE, WORDS("hessian", "floating"));
    ag_tape_free(t);
    ag_tape_free(other);
}
END_TEST

Suite *higher_suite(void) {
    Suite *s = suite_create("higher");
    TCase *c = tcase_create("higher");
    tcase_add_test(c, the_hessian_of_rosenbrock);
    tcase_add_test(c, a_jacobian_of_a_linear_map_is_its_matrix);
    tcase_add_test(c, jacobians_have_the_shape_of_both);
    tcase_add_test(c, scalars_of_the_strip_have_jacobians_and_hessians);
    tcase_add_test(c, the_dtype_is_that_of_x);
    tcase_add_test(c, what_does_not_depend_on_x_gives_zeros);
    tcase_add_loop_test(c, hessians_are_symmetric_and_agree_with_their_products, 0, 20);
    tcase_add_loop_test(c, rows_and_columns_agree, 0, 10);
    tcase_add_test(c, results_can_be_differentiated_again);
    tcase_add_test(c, results_may_take_the_place_of_what_they_come_from);
    tcase_add_test(c, a_hessian_is_refused_on_the_tape_of_its_root);
    tcase_add_test(c, misuse_is_an_error_that_says_what);
    suite_add_tcase(s, c);
    return s;
}
