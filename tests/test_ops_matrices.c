/* ops_matrices: what is done with square matrices, against identities and minors; singular, empty and hostile ones. */
#include "ops_support.h"

enum { MOST = 64 };

/* Well-conditioned: random, and the order added to the diagonal. */
static ag_value well(ag_tape *t, ag_dtype dtype, int64_t stack, int64_t n, uint64_t seed) {
    double values[256];
    ag_random r = {.seed = seed};
    random_values(&r, values, stack * n * n, -1, 1, 0);
    for (int64_t i = 0; i < stack * n; i++) values[i * n + i % n] += (double)n;
    return ag_array_leaf(t, dtype, 3, SHAPE(stack, n, n), values);
}

static void expect_near(ag_value x, ag_value y, double tolerance) {
    double one[256], other[256];
    ck_assert_msg(ag_ok(x) && ag_ok(y), "%s", ag_tape_message(x.tape));
    ck_assert(ag_meta_same_shape(ag_meta_of(x), ag_meta_of(y)));
    const int64_t n = ag_meta_count(ag_meta_of(x));
    ck_assert_int_le(n, 256);
    ck_assert_int_eq(ag_read_f64(x, one, n), AG_OK);
    ck_assert_int_eq(ag_read_f64(y, other, n), AG_OK);
    for (int64_t i = 0; i < n; i++)
        ck_assert_msg(fabs(one[i] - other[i]) <= tolerance, "element %d: %.17g, not %.17g", (int)i, one[i],
                      other[i]);
}

static ag_value identity(ag_tape *t, ag_dtype dtype, int64_t stack, int64_t n) {
    double values[256] = {0};
    for (int64_t i = 0; i < stack * n; i++) values[i * n + i % n] = 1;
    return ag_array_constant(t, dtype, 3, SHAPE(stack, n, n), values);
}

/* ---- inverse and solve ------------------------------------------------------------------------------------------------ */

/* Condition numbers stay below 10: 5 products of rounding errors of eps, n terms. */
START_TEST(a_matrix_times_its_inverse_is_the_identity) {
    ag_tape *t = ag_tape_new(NULL);
    for (ag_dtype dtype = AG_F32; dtype <= AG_F64; dtype++) {
        for (int64_t n = 1; n <= 7; n++) {
            ag_value x = well(t, dtype, 3, n, (uint64_t)n), one = identity(t, dtype, 3, n);
            ag_value y = ag_inverse(x), transposed = ag_inverse(ag_transpose(x, 1, 2));
            const double tolerance = 50 * (dtype == AG_F32 ? 1.2e-7 : 2.3e-16);
            ck_assert_int_eq(ag_meta_of(y)->dtype, dtype);
            expect_near(ag_matmul(x, y), one, tolerance);
            expect_near(ag_transpose(transposed, 1, 2), y, tolerance);
        }
    }
    ag_tape_free(t);
}
END_TEST

START_TEST(solutions_satisfy_their_systems_vectors_and_stacks_alike) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = well(t, AG_F64, 2, 3, 1), one = ag_select(x, 0, 0);
    ag_value y = random_leaf(t, AG_F64, 3, SHAPE(2, 3, 4), 2), vectors = random_leaf(t, AG_F64, 2, SHAPE(2, 3), 3);
    ag_value vector = random_leaf(t, AG_F64, 1, SHAPE(3), 4),
             many = random_leaf(t, AG_F64, 4, SHAPE(5, 1, 3, 2), 5);
    expect_near(ag_matmul(x, ag_solve(x, y)), y, 1e-14);
    expect_near(ag_squeeze(ag_matmul(x, ag_unsqueeze(ag_solve(x, vectors), -1)), -1), vectors, 1e-14);
    expect_near(ag_matmul(one, ag_solve(one, vector)), vector, 1e-14);
    EXPECT_SHAPE(ag_solve(x, many), 5, 2, 3, 2);
    expect_near(ag_matmul(x, ag_solve(x, many)), ag_expand(many, 4, SHAPE(5, 2, 3, 2)), 1e-14);
    EXPECT_SHAPE(ag_solve(x, vector), 2, 3); /* one vector for every matrix */
    ag_value f = ag_solve(ag_cast(one, AG_F32), vector);
    ck_assert_int_eq(ag_meta_of(f)->dtype, AG_F64);
    ag_tape_free(t);
}
END_TEST

START_TEST(triangular_systems_read_their_triangle_alone) {
    ag_tape *t = ag_tape_new(NULL);
    const double lower[] = {2, 0, 0, 1, 4, 0, 3, -1, 5}, unit[] = {1, 0, 0, 1, 1, 0, 3, -1, 1};
    ag_value x = ag_array_leaf(t, AG_F64, 2, SHAPE(3, 3), LIST(2, NAN, NAN, 1, 4, NAN, 3, -1, 5));
    ag_value y = random_leaf(t, AG_F64, 2, SHAPE(3, 2), 1), z = ag_transpose(y, 0, 1);
    for (int u = 0; u < 2; u++) {
        ag_value l = ag_array_constant(t, AG_F64, 2, SHAPE(3, 3), u ? unit : lower), up = ag_transpose(l, 0, 1);
        expect_near(ag_matmul(l, ag_solve_triangular(x, y, false, true, u)), y, 1e-14);
        expect_near(ag_matmul(up, ag_solve_triangular(ag_transpose(x, 0, 1), y, true, true, u)), y, 1e-14);
        expect_near(ag_matmul(ag_solve_triangular(x, z, false, false, u), l), z, 1e-14);
        expect_near(ag_matmul(ag_solve_triangular(ag_transpose(x, 0, 1), z, true, false, u), up), z, 1e-14);
    }
    ag_tape_free(t);
}
END_TEST

/* ---- determinants ------------------------------------------------------------------------------------------------------ */

/* By its first row; what is left of it after `skip` rows and columns were struck out. */
static double determinant(const double *a, int n) {
    double sum = 0, minor[MOST];
    if (n == 0) return 1;
    for (int col = 0; col < n; col++) {
        int k = 0;
        for (int i = n; i < n * n; i++)
            if (i % n != col) minor[k++] = a[i];
        sum += (col % 2 ? -1 : 1) * a[col] * determinant(minor, n - 1);
    }
    return sum;
}

static double cofactor(const double *a, int n, int row, int col) {
    double minor[MOST];
    int k = 0;
    for (int i = 0; i < n * n; i++)
        if (i / n != row && i % n != col) minor[k++] = a[i];
    return ((row + col) % 2 ? -1 : 1) * determinant(minor, n - 1);
}

/* A matrix of the given rank: the first rows, and whole multiples of them. */
static void of_rank(double *a, int n, int rank, uint64_t seed) {
    ag_random r = {.seed = seed};
    for (int i = 0; i < n * n; i++) a[i] = (double)ag_random_below(&r, 9) - 4;
    for (int i = rank; i < n; i++)
        for (int j = 0; j < n; j++) a[i * n + j] = rank ? (i - rank + 2) * a[(i % rank) * n + j] : 0;
}

/* Small whole numbers: minors are exact, and the kernel's rounding is some eps of the largest product, below 1e6. */
START_TEST(the_gradient_of_det_is_its_cofactors_at_every_rank) {
    for (int n = 1; n <= 5; n++) {
        for (int rank = 0; rank <= n; rank++) {
            ag_tape *t = ag_tape_new(NULL);
            double a[MOST], got[MOST];
            of_rank(a, n, rank, (uint64_t)(10 * n + rank));
            ag_value x = ag_array_leaf(t, AG_F64, 2, SHAPE(n, n), a), y = ag_det(x);
            ck_assert_double_eq_tol(ag_item(y), determinant(a, n), 1e-9);
            ck_assert_int_eq(ag_backward(y), AG_OK);
            ck_assert_int_eq(ag_adjoint_f64(x, got, n * n), AG_OK);
            for (int i = 0; i < n * n; i++)
                ck_assert_msg(fabs(got[i] - cofactor(a, n, i / n, i % n)) <= 1e-9,
                              "n %d, rank %d, element %d: %.17g, not %.17g", n, rank, i, got[i],
                              cofactor(a, n, i / n, i % n));
            ag_tape_free(t);
        }
    }
}
END_TEST

START_TEST(the_second_derivative_of_det_at_a_singular_matrix_is_an_error_that_says_so) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ag_array_leaf(t, AG_F64, 2, SHAPE(3, 3), LIST(1, 2, 3, 2, 4, 6, 1, 0, 1)), y = ag_det(x), dx, dxx;
    ck_assert_int_eq(ag_grad(&y, NULL, 1, &x, 1, &dx), AG_OK);
    expect_near(dx, ag_array_constant(t, AG_F64, 2, SHAPE(3, 3), LIST(4, 4, -4, -2, -2, 2, 0, 0, 0)), 1e-14);
    ag_value s = ag_sum_all(ag_square(dx));
    ck_assert_int_eq(ag_grad(&s, NULL, 1, &x, 1, &dxx), AG_ERROR_VALUE);
    ck_assert_ptr_nonnull(strstr(ag_tape_message(t), "singular"));
    ag_tape_free(t);
}
END_TEST

START_TEST(slogdet_gives_logarithm_and_sign_where_det_overflows) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ag_array_leaf(t, AG_F64, 2, SHAPE(3, 3), LIST(0, 1e200, 0, 1e200, 0, 0, 0, 0, 1e200));
    ag_value y = ag_slogdet(x);
    ck_assert_double_eq(ag_item(ag_det(x)), -INFINITY);
    ck_assert_double_eq_tol(ag_item(y), 600 * log(10), 1e-10);
    EXPECT(ag_output(y, 1), -1);
    ag_value z = ag_slogdet(ag_array_leaf(t, AG_F64, 2, SHAPE(2, 2), LIST(1, 2, 2, 4)));
    EXPECT(z, -INFINITY);
    EXPECT(ag_output(z, 1), 0);
    ck_assert_int_eq(ag_backward(z), AG_ERROR_VALUE);
    ck_assert_ptr_nonnull(strstr(ag_tape_message(t), "singular"));
    ag_tape_free(t);
}
END_TEST

START_TEST(empty_matrices_are_legal) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ag_full(t, AG_F64, 3, SHAPE(2, 0, 0), 0), y = ag_slogdet(x);
    EXPECT(ag_det(x), 1, 1);
    EXPECT(y, 0, 0);
    EXPECT(ag_output(y, 1), 1, 1);
    EXPECT(ag_trace(x), 0, 0);
    EXPECT_SHAPE(ag_inverse(x), 2, 0, 0);
    EXPECT_SHAPE(ag_cholesky(x, true), 2, 0, 0);
    EXPECT_SHAPE(ag_solve(x, ag_full(t, AG_F64, 2, SHAPE(0, 4), 0)), 2, 0, 4);
    ag_tape_free(t);
}
END_TEST

START_TEST(nan_propagates) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ag_array_leaf(t, AG_F32, 2, SHAPE(2, 2), LIST(1, 2, NAN, 4));
    EXPECT(ag_det(x), NAN);
    EXPECT(ag_inverse(x), NAN, NAN, NAN, NAN);
    EXPECT(ag_slogdet(x), NAN);
    EXPECT(ag_output(ag_slogdet(x), 1), NAN);
    ag_tape_free(t);
}
END_TEST

/* ---- cholesky -------------------------------------------------------------------------------------------------------------- */

static ag_value factor_of_a_gram_matrix(ag_tape *t, const ag_value *in, void *user) {
    (void)t;
    const ag_meta *meta = ag_meta_of(in[0]);
    const int64_t n = meta->dim[meta->rank - 1];
    const ag_value gram = ag_matmul(in[0], ag_transpose(in[0], -2, -1));
    return ag_cholesky(ag_add(gram, ag_select(identity(in[0].tape, AG_F64, 1, n), 0, 0)), *(const bool *)user);
}

START_TEST(cholesky_factors_and_its_gradients_are_right) {
    double values[32];
    ag_random r = {.seed = 5};
    random_values(&r, values, 32, -1, 1, 0);
    for (int symmetrize = 0; symmetrize < 2; symmetrize++) {
        bool user = symmetrize;
        check_input in = {.dtype = AG_F64, .rank = 3, .dim = {2, 3, 3}, .values = values, .leaf = true};
        check_gradients("cholesky", factor_of_a_gram_matrix, &user, &in, 1, 2);
        ag_tape *t = ag_tape_new(NULL);
        ag_value x = well(t, AG_F64, 2, 4, 6), sym = ag_add(x, ag_transpose(x, 1, 2));
        ag_value l = ag_cholesky(sym, user);
        expect_near(ag_matmul(l, ag_transpose(l, 1, 2)), sym, 1e-14);
        ag_tape_free(t);
    }
}
END_TEST

START_TEST(cholesky_reads_both_triangles_or_the_lower_alone) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ag_array_leaf(t, AG_F64, 2, SHAPE(2, 2), LIST(4, 3, 1, 2));
    EXPECT(ag_cholesky(x, true), 2, 0, 1, 1);
    EXPECT(ag_cholesky(x, false), 2, 0, 0.5, sqrt(2 - 0.25));
    ag_value y = ag_array_leaf(t, AG_F64, 2, SHAPE(2, 2), LIST(4, NAN, 2, 2)), l = ag_cholesky(y, false);
    EXPECT(l, 2, 0, 1, 1);
    /* l11 = sqrt(y11), l21 = y21 / l11, l22 = sqrt(y22 - y21^2 / y11): the derivative of l11 + 2 l21 + l22 */
    const ag_value weights = ag_array_constant(t, AG_F64, 2, SHAPE(2, 2), LIST(1, 7, 2, 1));
    ck_assert_int_eq(ag_backward(ag_sum_all(ag_mul(l, weights))), AG_OK);
    EXPECT_ADJOINT(y, 0.25 - 0.25 + 0.125, 0, 1 - 0.5, 0.5);
    ag_tape_free(t);
}
END_TEST

/* ---- mistakes ---------------------------------------------------------------------------------------------------------------- */

START_TEST(mistakes_name_the_operation_the_shapes_and_the_matrix) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = well(t, AG_F64, 2, 3, 1), wide = ag_full(t, AG_F64, 2, SHAPE(2, 3), 1);
    ag_value whole = ag_full(t, AG_I64, 2, SHAPE(3, 3), 1), one = ag_scalar(t, 1);
    ag_value singular = ag_array_constant(t, AG_F64, 3, SHAPE(2, 2, 2), LIST(1, 0, 0, 1, 1, 2, 2, 4));
    ag_value negative = ag_array_constant(t, AG_F64, 3, SHAPE(2, 2, 2), LIST(1, 0, 0, 1, 1, 2, 2, 1));
    EXPECT_ERROR(t, ag_inverse(wide), AG_ERROR_SHAPE, "inverse", "(2, 3)");
    EXPECT_ERROR(t, ag_inverse(whole), AG_ERROR_DTYPE, "inverse", "i64");
    EXPECT_ERROR(t, ag_inverse(singular), AG_ERROR_VALUE, "inverse", "matrix 1", "column 1", "(2, 2, 2)");
    EXPECT_ERROR(t, ag_solve(wide, x), AG_ERROR_SHAPE, "solve", "(2, 3)", "(2, 3, 3)");
    EXPECT_ERROR(t, ag_solve(x, ag_full(t, AG_F64, 2, SHAPE(2, 4), 1)), AG_ERROR_SHAPE, "solve", "(2, 4)",
                 "(2, 3, 3)", "operand 1");
    EXPECT_ERROR(t, ag_solve(x, one), AG_ERROR_SHAPE, "solve", "operand 1");
    EXPECT_ERROR(t, ag_solve(x, ag_full(t, AG_F64, 3, SHAPE(5, 3, 1), 1)), AG_ERROR_SHAPE, "solve", "(5, 3, 1)");
    EXPECT_ERROR(t, ag_solve(whole, whole), AG_ERROR_DTYPE, "solve", "i64");
    EXPECT_ERROR(t, ag_solve(singular, ag_full(t, AG_F64, 1, SHAPE(2), 1)), AG_ERROR_VALUE, "solve", "matrix 1");
    EXPECT_ERROR(t, ag_solve_triangular(wide, x, true, true, false), AG_ERROR_SHAPE, "solve_triangular", "(2, 3)");
    EXPECT_ERROR(t, ag_solve_triangular(x, wide, true, true, false), AG_ERROR_SHAPE, "solve_triangular", "(2, 3)",
                 "(..., 3, k)");
    EXPECT_ERROR(t, ag_solve_triangular(whole, whole, true, true, false), AG_ERROR_DTYPE, "solve_triangular",
                 "i64");
    EXPECT_ERROR(t, ag_det(wide), AG_ERROR_SHAPE, "det", "(2, 3)");
    EXPECT_ERROR(t, ag_det(one), AG_ERROR_SHAPE, "det", "operand 0");
    EXPECT_ERROR(t, ag_det(whole), AG_ERROR_DTYPE, "det", "i64");
    EXPECT_ERROR(t, ag_slogdet(wide), AG_ERROR_SHAPE, "slogdet", "(2, 3)");
    EXPECT_ERROR(t, ag_slogdet(whole), AG_ERROR_DTYPE, "slogdet", "i64");
    EXPECT_ERROR(t, ag_cholesky(wide, true), AG_ERROR_SHAPE, "cholesky", "(2, 3)");
    EXPECT_ERROR(t, ag_cholesky(whole, true), AG_ERROR_DTYPE, "cholesky", "i64");
    EXPECT_ERROR(t, ag_cholesky(negative, true), AG_ERROR_VALUE, "cholesky", "matrix 1", "order 2", "(2, 2, 2)");
    EXPECT_ERROR(t, ag_trace(ag_full(t, AG_F64, 1, SHAPE(3), 1)), AG_ERROR_SHAPE, "trace", "(3)");
    EXPECT_ERROR(t, ag_dot(wide, wide), AG_ERROR_SHAPE, "dot", "(2, 3)");
    EXPECT_ERROR(t, ag_dot(ag_full(t, AG_F64, 1, SHAPE(3), 1), ag_full(t, AG_F64, 1, SHAPE(4), 1)), AG_ERROR_SHAPE,
                 "dot", "(3)", "(4)");
    EXPECT_ERROR(t, ag_dot(ag_full(t, AG_I64, 1, SHAPE(3), 1), ag_full(t, AG_I64, 1, SHAPE(3), 1)), AG_ERROR_DTYPE,
                 "dot", "i64");
    EXPECT_ERROR(t, ag_outer(wide, wide), AG_ERROR_SHAPE, "outer", "(2, 3)");
    EXPECT_ERROR(t, ag_bilinear(wide, wide, wide, (ag_value){0}), AG_ERROR_SHAPE, "bilinear", "rank 3", "(2, 3)");
    EXPECT_ERROR(t, ag_bilinear(wide, wide, x, wide), AG_ERROR_SHAPE, "bilinear", "bias", "(2, 3, 3)");
    EXPECT_ERROR(t, ag_bilinear(wide, ag_full(t, AG_F64, 2, SHAPE(4, 3), 1), x, (ag_value){0}), AG_ERROR_SHAPE,
                 "bilinear", "leading", "(4, 3)");
    EXPECT_ERROR(t, ag_bilinear(ag_transpose(wide, 0, 1), ag_transpose(wide, 0, 1), x, (ag_value){0}),
                 AG_ERROR_SHAPE, "bilinear", "features", "(3, 2)");
    ag_tape_free(t);
}
END_TEST

Suite *ops_matrices_suite(void) {
    Suite *s = suite_create("ops_matrices");
    TCase *c = tcase_create("ops_matrices");
    tcase_add_test(c, a_matrix_times_its_inverse_is_the_identity);
    tcase_add_test(c, solutions_satisfy_their_systems_vectors_and_stacks_alike);
    tcase_add_test(c, triangular_systems_read_their_triangle_alone);
    tcase_add_test(c, the_gradient_of_det_is_its_cofactors_at_every_rank);
    tcase_add_test(c, the_second_derivative_of_det_at_a_singular_matrix_is_an_error_that_says_so);
    tcase_add_test(c, slogdet_gives_logarithm_and_sign_where_det_overflows);
    tcase_add_test(c, empty_matrices_are_legal);
    tcase_add_test(c, nan_propagates);
    tcase_add_test(c, cholesky_factors_and_its_gradients_are_right);
    tcase_add_test(c, cholesky_reads_both_triangles_or_the_lower_alone);
    tcase_add_test(c, mistakes_name_the_operation_the_shapes_and_the_matrix);
    suite_add_tcase(s, c);
    return s;
}
