/* ops_linalg: matrix products of all ranks against plain loops, whatever the strides, and the layer's affine map. */
#include "ops_support.h"

enum { MOST = 1024 };

/* ---- a product from its definition -------------------------------------------------------------------------------- */

/* z = x y by NumPy's rules, in doubles; returns the number of elements of z. Operands row-major. */
static int reference(const ag_meta *x, const double *xv, const ag_meta *y, const double *yv, const ag_meta *z,
                     double *zv) {
    const bool row = x->rank == 1, column = y->rank == 1;
    const int64_t m = row ? 1 : x->dim[x->rank - 2], k = x->dim[x->rank - 1], n = column ? 1 : y->dim[y->rank - 1];
    const int batch_rank = z->rank - !row - !column;
    const int64_t count = ag_meta_count(z), batches = m > 0 && n > 0 ? count / (m * n) : 0;
    for (int64_t b = 0; b < batches; b++) {
        int64_t xb = 0, yb = 0, x_step = 1, y_step = 1, rest = b; /* which matrix of each operand */
        for (int d = batch_rank - 1, back = 3; d >= 0; d--, back++) {
            const int64_t at = rest % z->dim[d];
            rest /= z->dim[d];
            if (x->rank >= back) {
                xb += x->dim[x->rank - back] == 1 ? 0 : at * x_step;
                x_step *= x->dim[x->rank - back];
            }
            if (y->rank >= back) {
                yb += y->dim[y->rank - back] == 1 ? 0 : at * y_step;
                y_step *= y->dim[y->rank - back];
            }
        }
        for (int64_t i = 0; i < m; i++) {
            for (int64_t j = 0; j < n; j++) {
                double sum = 0;
                for (int64_t l = 0; l < k; l++) sum += xv[(xb * m + i) * k + l] * yv[(yb * k + l) * n + j];
                zv[(b * m + i) * n + j] = sum;
            }
        }
    }
    return (int)count;
}

typedef struct pair {
    int x_rank;
    int64_t x[4];
    int y_rank;
    int64_t y[4];
} pair;
static const pair pairs[] = {
    {1, {4}, 1, {4}},
    {1, {4}, 2, {4, 3}},
    {2, {3, 4}, 1, {4}},
    {2, {3, 4}, 2, {4, 5}},
    {2, {1, 1}, 2, {1, 1}},
    {2, {17, 33}, 2, {33, 9}},
    {3, {2, 3, 4}, 1, {4}},
    {1, {4}, 3, {2, 4, 3}},
    {3, {2, 3, 4}, 2, {4, 5}},
    {2, {3, 4}, 3, {2, 4, 5}},
    {3, {2, 3, 4}, 3, {2, 4, 5}},
    {3, {1, 3, 4}, 3, {6, 4, 2}},
    {4, {2, 1, 3, 4}, 3, {5, 4, 2}},
    {4, {2, 3, 2, 2}, 4, {1, 3, 2, 2}},
    {3, {5, 3, 4}, 4, {1, 1, 4, 2}},
    {2, {3, 0}, 2, {0, 2}},
    {2, {0, 3}, 2, {3, 2}},
    {3, {0, 2, 3}, 3, {1, 3, 2}},
};
enum { PAIRS = sizeof pairs / sizeof pairs[0] };

/* Sums of at most 33 products below 4: 33 * 4 * eps, and as much again for the reference. */
static void try_pair(const pair *p, ag_dtype dtype) {
    ag_tape *t = ag_tape_new(NULL);
    double xv[MOST], yv[MOST], expected[MOST], got[MOST];
    ag_value x = random_leaf(t, dtype, p->x_rank, p->x, 1), y = random_leaf(t, dtype, p->y_rank, p->y, 2);
    ag_value z = ag_matmul(x, y);
    ck_assert_msg(ag_ok(z), "%s", ag_tape_message(t));
    ck_assert_int_eq(ag_meta_of(z)->dtype, dtype);
    ck_assert_int_eq(ag_read_f64(x, xv, ag_meta_count(ag_meta_of(x))), AG_OK);
    ck_assert_int_eq(ag_read_f64(y, yv, ag_meta_count(ag_meta_of(y))), AG_OK);
    const int n = reference(ag_meta_of(x), xv, ag_meta_of(y), yv, ag_meta_of(z), expected);
    ck_assert_int_eq(ag_read_f64(z, got, n), AG_OK);
    const double tolerance = 2 * 33 * 4 * (dtype == AG_F32 ? 1.2e-7 : 2.3e-16);
    for (int i = 0; i < n; i++)
        ck_assert_msg(fabs(got[i] - expected[i]) <= tolerance, "element %d: %.17g, expected %.17g", i, got[i],
                      expected[i]);
    ag_tape_free(t);
}

START_TEST(matmul_follows_numpys_rules_at_all_ranks) {
    try_pair(&pairs[_i], AG_F32);
    try_pair(&pairs[_i], AG_F64);
}
END_TEST

START_TEST(result_shapes_drop_the_axes_of_vectors) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value v = ramp(t, 1, SHAPE(3)), m = ramp(t, 2, SHAPE(3, 2)), b = ramp(t, 3, SHAPE(4, 2, 3));
    EXPECT_RANK_0(ag_matmul(v, v));
    EXPECT(ag_matmul(v, v), 5);
    EXPECT_SHAPE(ag_matmul(v, m), 2);
    EXPECT_SHAPE(ag_matmul(b, v), 4, 2);
    EXPECT_SHAPE(ag_matmul(b, m), 4, 2, 2);
    EXPECT_SHAPE(ag_matmul(v, ag_transpose(b, 1, 2)), 4, 2);
    ag_tape_free(t);
}
END_TEST

/* ---- strides ------------------------------------------------------------------------------------------------------- */

static void expect_same_bits(ag_value x, ag_value y) {
    double one[MOST], other[MOST];
    ck_assert_msg(ag_ok(x) && ag_ok(y), "%s", ag_tape_message(x.tape));
    const int64_t n = ag_meta_count(ag_meta_of(x));
    ck_assert_int_eq(ag_read_f64(x, one, n), AG_OK);
    ck_assert_int_eq(ag_read_f64(y, other, n), AG_OK);
    ck_assert(memcmp(one, other, (size_t)n * sizeof *one) == 0);
}

static ag_value dense(ag_value x) {
    double values[MOST];
    const ag_meta *meta = ag_meta_of(x);
    ck_assert_int_eq(ag_read_f64(x, values, ag_meta_count(meta)), AG_OK);
    return ag_array_leaf(x.tape, meta->dtype, meta->rank, meta->dim, values);
}

START_TEST(strides_do_not_change_a_bit) {
    ag_tape *t = ag_tape_new(NULL);
    for (ag_dtype dtype = AG_F32; dtype <= AG_F64; dtype++) {
        ag_value a = ag_transpose(random_leaf(t, dtype, 2, SHAPE(21, 13), 1), 0, 1);          /* (13, 21) */
        ag_value b = ag_slice(random_leaf(t, dtype, 2, SHAPE(42, 9), 2), 0, 1, INT64_MAX, 2); /* (21, 9) */
        ag_value c = ag_expand(random_leaf(t, dtype, 2, SHAPE(21, 1), 3), 2, SHAPE(21, 7));
        ag_value d = ag_transpose(random_leaf(t, dtype, 3, SHAPE(13, 2, 21), 4), 0, 1); /* (2, 13, 21) */
        ag_value bias = ag_select(random_leaf(t, dtype, 2, SHAPE(9, 2), 5), 1, 1);      /* (9) by 2 */
        expect_same_bits(ag_matmul(a, b), ag_matmul(dense(a), dense(b)));
        expect_same_bits(ag_matmul(a, c), ag_matmul(dense(a), dense(c)));
        expect_same_bits(ag_matmul(d, b), ag_matmul(dense(d), dense(b)));
        expect_same_bits(ag_matmul(a, ag_transpose(d, 1, 2)), ag_matmul(dense(a), dense(ag_transpose(d, 1, 2))));
        ag_value w = ag_transpose(b, 0, 1); /* (9, 21) */
        expect_same_bits(ag_linear(a, w, bias), ag_linear(dense(a), dense(w), dense(bias)));
        expect_same_bits(ag_linear(d, w, bias), ag_linear(dense(d), dense(w), dense(bias)));
    }
    ag_tape_free(t);
}
END_TEST

START_TEST(a_repeated_matrix_gets_the_sum_of_its_gradients) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = random_leaf(t, AG_F64, 3, SHAPE(4, 2, 3), 1), y = random_leaf(t, AG_F64, 2, SHAPE(3, 2), 2);
    ag_value z = ag_sum_all(ag_square(ag_matmul(x, y))), dy;
    ck_assert_int_eq(ag_grad(&z, NULL, 1, &y, 1, &dy), AG_OK);
    double sum[6] = {0}, part[6], got[6];
    for (int b = 0; b < 4; b++) {
        ag_value one = ag_sum_all(ag_square(ag_matmul(ag_select(x, 0, b), y))), d;
        ck_assert_int_eq(ag_grad(&one, NULL, 1, &y, 1, &d), AG_OK);
        ck_assert_int_eq(ag_read_f64(d, part, 6), AG_OK);
        for (int i = 0; i < 6; i++) sum[i] += part[i];
    }
    ck_assert_int_eq(ag_read_f64(dy, got, 6), AG_OK);
    for (int i = 0; i < 6; i++) ck_assert_double_eq_tol(got[i], sum[i], 1e-12);
    ag_tape_free(t);
}
END_TEST

/* ---- linear ------------------------------------------------------------------------------------------------------------ */

START_TEST(linear_is_a_product_with_the_transpose_plus_a_bias) {
    static const struct {
        int rank;
        int64_t dim[4];
    } inputs[] = {{1, {3}}, {2, {5, 3}}, {3, {2, 2, 3}}, {4, {2, 1, 4, 3}}, {2, {0, 3}}};
    ag_tape *t = ag_tape_new(NULL);
    ag_value w = random_leaf(t, AG_F64, 2, SHAPE(4, 3), 1), b = random_leaf(t, AG_F64, 1, SHAPE(4), 2);
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
        ag_value x = random_leaf(t, AG_F64, inputs[i].rank, inputs[i].dim, 3 + i);
        ag_value product = ag_matmul(x, ag_transpose(w, 0, 1));
        double one[MOST], other[MOST];
        for (int has_bias = 0; has_bias < 2; has_bias++) {
            ag_value y = ag_linear(x, w, has_bias ? b : (ag_value){0});
            ag_value z = has_bias ? ag_add(product, b) : product;
            ck_assert(ag_ok(y) && ag_meta_same_shape(ag_meta_of(y), ag_meta_of(z)));
            const int64_t n = ag_meta_count(ag_meta_of(y));
            ck_assert_int_eq(ag_read_f64(y, one, n), AG_OK);
            ck_assert_int_eq(ag_read_f64(z, other, n), AG_OK);
            for (int64_t k = 0; k < n; k++) ck_assert_double_eq_tol(one[k], other[k], 1e-14);
        }
    }
    ag_tape_free(t);
}
END_TEST

START_TEST(no_features_leave_the_bias) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ramp(t, 2, SHAPE(2, 0)), w = ramp(t, 2, SHAPE(3, 0)), b = ramp(t, 1, SHAPE(3));
    EXPECT(ag_linear(x, w, b), 0, 1, 2, 0, 1, 2);
    EXPECT(ag_linear(x, w, (ag_value){0}), 0, 0, 0, 0, 0, 0);
    EXPECT(ag_matmul(x, ag_transpose(w, 0, 1)), 0, 0, 0, 0, 0, 0);
    ag_tape_free(t);
}
END_TEST

START_TEST(mixed_dtypes_promote) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ag_array_leaf(t, AG_F32, 2, SHAPE(1, 2), LIST(1, 2));
    ag_value w = ag_array_leaf(t, AG_F64, 2, SHAPE(2, 2), LIST(1, 2, 3, 4));
    ag_value n = ag_array_constant(t, AG_I64, 2, SHAPE(2, 1), LIST(5, 6));
    ck_assert_int_eq(ag_meta_of(ag_linear(x, w, (ag_value){0}))->dtype, AG_F64);
    EXPECT(ag_linear(x, w, (ag_value){0}), 5, 11);
    ck_assert_int_eq(ag_meta_of(ag_matmul(x, n))->dtype, AG_F32);
    EXPECT(ag_matmul(x, n), 17);
    ck_assert_int_eq(ag_backward(ag_sum_all(ag_linear(x, w, (ag_value){0}))), AG_OK);
    EXPECT_ADJOINT(x, 4, 6);
    EXPECT_ADJOINT(w, 1, 2, 1, 2);
    ag_tape_free(t);
}
END_TEST

/* The first contribution is written into the parameter's gradient, all others are added to it. */
START_TEST(gradients_of_a_parameter_used_twice_add_up) {
    ag_tape *t = ag_tape_new(NULL);
    ag_tensor *w = ag_tensor_from(AG_F64, 2, SHAPE(2, 2), LIST(1, 2, 3, 4), NULL);
    ag_tensor *b = ag_tensor_from(AG_F64, 1, SHAPE(2), LIST(0, 1), NULL);
    ag_value x = ag_array_constant(t, AG_F64, 2, SHAPE(2, 2), LIST(1, 2, 3, 4));
    for (int sweep = 1; sweep <= 2; sweep++) {
        ag_value weight = ag_leaf(t, w), bias = ag_leaf(t, b);
        ag_value y = ag_add(ag_linear(x, weight, bias), ag_mul_number(ag_linear(x, weight, bias), 2));
        ck_assert_int_eq(ag_backward(ag_sum_all(y)), AG_OK);
        for (int i = 0; i < 4; i++) ck_assert_double_eq(ag_tensor_grad_get(w, i), sweep * 3 * (i % 2 ? 6 : 4));
        for (int i = 0; i < 2; i++) ck_assert_double_eq(ag_tensor_grad_get(b, i), sweep * 3 * 2);
    }
    ag_tape_free(t);
    ag_tensor_free(w);
    ag_tensor_free(b);
}
END_TEST

START_TEST(costs_count_multiplications_and_additions) {
    ag_meta x = {.dtype = AG_F32, .rank = 3, .dim = {5, 2, 3}}, y = {.dtype = AG_F32, .rank = 2, .dim = {3, 4}};
    ag_meta w = {.dtype = AG_F32, .rank = 2, .dim = {4, 3}}, b = {.dtype = AG_F32, .rank = 1, .dim = {4}};
    const ag_meta *two[2] = {&x, &y}, *three[3] = {&x, &w, &b};
    ck_assert_double_eq(ag_op_find("matmul")->cost(&(ag_query){.in = two, .n_in = 2}), 2 * 5 * 2 * 3 * 4);
    ck_assert_double_eq(ag_op_find("linear")->cost(&(ag_query){.in = three, .n_in = 3}), 5 * 2 * 4 * (2 * 3 + 1));
}
END_TEST

Suite *ops_linalg_suite(void) {
    Suite *s = suite_create("ops_linalg");
    TCase *c = tcase_create("ops_linalg");
    tcase_add_loop_test(c, matmul_follows_numpys_rules_at_all_ranks, 0, PAIRS);
    tcase_add_test(c, result_shapes_drop_the_axes_of_vectors);
    tcase_add_test(c, strides_do_not_change_a_bit);
    tcase_add_test(c, a_repeated_matrix_gets_the_sum_of_its_gradients);
    tcase_add_test(c, linear_is_a_product_with_the_transpose_plus_a_bias);
    tcase_add_test(c, no_features_leave_the_bias);
    tcase_add_test(c, mixed_dtypes_promote);
    tcase_add_test(c, gradients_of_a_parameter_used_twice_add_up);
    tcase_add_test(c, costs_count_multiplications_and_additions);
    suite_add_tcase(s, c);
    return s;
}
