/* layers: what they compute, what they are called, what they refuse. */
#include "nn_support.h"

#include <math.h>
#include <stdio.h>

/* A network, its parameters and a tape: what most tests need. */
typedef struct bench {
    nn_module *m;
    nn_params *p;
    ag_tape *t;
    nn_pass pass;
} bench;

static bench bench_new(nn_module *m) {
    bench b = {.m = m};
    ag_error error = {0};
    ck_assert_ptr_nonnull(m);
    b.p = nn_params_new(m, AG_F64, 1, &error);
    ck_assert_msg(b.p != NULL, "%s", error.message);
    b.t = ag_tape_new(NULL);
    b.pass = (nn_pass){b.t, true};
    return b;
}

static void bench_free(bench *b) {
    ag_tape_free(b->t);
    nn_params_free(b->p);
    nn_module_free(b->m);
}

static ag_value input(bench *b, int rank, const int64_t *dim, const double *values) {
    return ag_array_constant(b->t, AG_F64, rank, dim, values);
}

static void set(bench *b, const char *path, const double *values) {
    ag_tensor *x = nn_params_find(b->p, path);
    ck_assert_ptr_nonnull(x);
    ck_assert_int_eq(ag_tensor_write_f64(x, values, ag_tensor_count(x)), AG_OK);
}

static const double weight[] = {1, 2, 3, -1, 0, 1}; /* (2, 3) */

START_TEST(linear_is_x_times_weight_transposed_plus_bias) {
    bench b = bench_new(nn_linear(3, 2, NULL));
    set(&b, "weight", weight);
    set(&b, "bias", (const double[]){10, 20});
    double y[4];
    ag_value x = input(&b, 2, (const int64_t[]){2, 3}, (const double[]){1, 1, 1, 1, 2, 3});
    test_read(nn_forward(b.m, &b.pass, x), y, 4);
    ck_assert_mem_eq(y, ((const double[]){16, 20, 24, 22}), sizeof y);
    bench_free(&b);
}
END_TEST

START_TEST(linear_takes_any_leading_dimensions) {
    bench b = bench_new(nn_linear(3, 2, NULL));
    set(&b, "weight", weight);
    set(&b, "bias", (const double[]){0, 0});
    double y[4];
    const double values[] = {1, 1, 1, 1, 2, 3};
    ag_value z = nn_forward(b.m, &b.pass, input(&b, 3, (const int64_t[]){2, 1, 3}, values));
    test_read(z, y, 4);
    ck_assert_int_eq(ag_meta_of(z)->rank, 3);
    ck_assert_mem_eq(y, ((const double[]){6, 0, 14, 2}), sizeof y);
    bench_free(&b);
}
END_TEST

START_TEST(linear_without_bias_has_none_to_learn) {
    bench b = bench_new(nn_linear_with(3, 2, nn_init_constant(1), false, nn_init_constant(0), NULL));
    ck_assert_uint_eq(nn_params_count(b.p), 1);
    set(&b, "weight", weight);
    double y[4];
    ag_value x = input(&b, 2, (const int64_t[]){2, 3}, (const double[]){1, 1, 1, 1, 2, 3});
    test_read(nn_forward(b.m, &b.pass, x), y, 4);
    ck_assert_mem_eq(y, ((const double[]){6, 0, 14, 2}), sizeof y);
    bench_free(&b);
}
END_TEST

START_TEST(linear_starts_uniform_within_one_over_root_of_its_inputs) {
    bench b = bench_new(nn_linear(16, 500, NULL));
    for (size_t i = 0; i < 2; i++) {
        const ag_tensor *x = nn_params_tensor(b.p, i);
        double largest = 0;
        for (int64_t k = 0; k < ag_tensor_count(x); k++) largest = fmax(largest, fabs(ag_tensor_get(x, k)));
        ck_assert_double_le(largest, 0.25);
        ck_assert_double_gt(largest, 0.24);
    }
    bench_free(&b);
}
END_TEST

START_TEST(activations_compute_their_function) {
    static const struct {
        nn_activation kind;
        const char *name;
        double at_minus_one, at_two;
    } row[] = {{NN_IDENTITY, "identity", -1, 2},
               {NN_RELU, "relu", 0, 2},
               {NN_TANH, "tanh", -0.76159415595576489, 0.96402758007581688},
               {NN_SIGMOID, "sigmoid", 0.26894142136999512, 0.88079707797788243},
               /* from here on: torch 1.13, torch.nn.functional, float64 */
               {NN_SOFTPLUS, "softplus", 0.31326168751822286, 2.1269280110429727},
               {NN_LOG_SIGMOID, "log_sigmoid", -1.3132616875182228, -0.1269280110429725},
               {NN_SOFTSIGN, "softsign", -0.5, 0.6666666666666666},
               {NN_SILU, "silu", -0.2689414213699951, 1.7615941559557646},
               {NN_MISH, "mish", -0.30340146137410895, 1.9439589595339946},
               {NN_GELU, "gelu", -0.15865525393145702, 1.9544997361036416},
               {NN_GELU_TANH, "gelu_tanh", -0.15880800939172324, 1.954597694087775},
               {NN_RELU6, "relu6", 0, 2},
               {NN_HARDTANH, "hardtanh", -1, 1},
               {NN_HARDSIGMOID, "hardsigmoid", 0.3333333333333333, 0.8333333333333334},
               {NN_HARDSWISH, "hardswish", -0.3333333333333333, 1.6666666666666667},
               {NN_SELU, "selu", -1.1113307378125625, 2.101401974710961},
               {NN_LEAKY_RELU, "leaky_relu", -0.01, 2},
               {NN_ELU, "elu", -0.6321205588285577, 2},
               {NN_CELU, "celu", -0.6321205588285577, 2}};
    const int64_t n = 2;
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        bench b = bench_new(nn_activation_layer(row[i].kind, NULL));
        ck_assert_str_eq(b.m->type, row[i].name);
        ck_assert_str_eq(nn_activation_name(row[i].kind), row[i].name);
        double y[2];
        test_read(nn_forward(b.m, &b.pass, input(&b, 1, &n, (const double[]){-1, 2})), y, 2);
        ck_assert_double_eq_tol(y[0], row[i].at_minus_one, 1e-14);
        ck_assert_double_eq_tol(y[1], row[i].at_two, 1e-14);
        bench_free(&b);
    }
    ag_error error = {0};
    ck_assert_ptr_null(nn_activation_layer((nn_activation)77, &error));
    ck_assert_int_eq(error.status, AG_ERROR_VALUE);
    ck_assert_str_eq(nn_activation_name((nn_activation)77), "unknown");
}
END_TEST

START_TEST(some_activations_take_a_number) {
    static const struct {
        nn_activation kind;
        double number, at_minus_one;
    } row[] = {{NN_LEAKY_RELU, 0.2, -0.2}, {NN_ELU, 0.5, -0.31606027941427883}, {NN_CELU, 2, -0.7869386805747332}};
    const int64_t n = 2;
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        bench b = bench_new(nn_activation_layer_with(row[i].kind, row[i].number, NULL));
        double y[2];
        test_read(nn_forward(b.m, &b.pass, input(&b, 1, &n, (const double[]){-1, 2})), y, 2);
        ck_assert_double_eq_tol(y[0], row[i].at_minus_one, 1e-14);
        ck_assert_double_eq(y[1], 2);
        bench_free(&b);
    }
    static const struct {
        nn_activation kind;
        double number;
    } bad[] = {{NN_RELU, 1}, {NN_LEAKY_RELU, NAN}, {NN_ELU, INFINITY}, {NN_CELU, 0}, {(nn_activation)99, 1}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ag_error error = {0};
        ck_assert_ptr_null(nn_activation_layer_with(bad[i].kind, bad[i].number, &error));
        ck_assert_int_eq(error.status, AG_ERROR_VALUE);
    }
}
END_TEST

START_TEST(channel_dropout_drops_channels_as_a_whole) {
    enum { N = 50, C = 20, L = 6 };
    const int64_t dim[] = {N, C, 2, 3};
    double x[N * C * L], y[N * C * L];
    for (int i = 0; i < N * C * L; i++) x[i] = i + 1;
    bench b = bench_new(nn_channel_dropout(0.25, NULL));
    test_read(nn_forward(b.m, &b.pass, input(&b, 4, dim, x)), y, N * C * L);
    int dropped = 0;
    for (int k = 0; k < N * C; k++) {
        const bool zero = y[k * L] == 0;
        dropped += zero;
        for (int i = k * L; i < (k + 1) * L; i++)
            ck_assert_double_eq_tol(y[i], zero ? 0 : x[i] / 0.75, 1e-12 * x[i]);
    }
    ck_assert_int_gt(dropped, 250 - 70); /* of 1000; five standard deviations of 13.7 */
    ck_assert_int_lt(dropped, 250 + 70);
    b.pass.training = false;
    test_read(nn_forward(b.m, &b.pass, input(&b, 4, dim, x)), y, N * C * L);
    ck_assert_mem_eq(y, x, sizeof y);
    b.pass.training = true;
    const int64_t one = 3;
    ck_assert(!ag_ok(nn_forward(b.m, &b.pass, input(&b, 1, &one, x))));
    ck_assert_int_eq(ag_tape_status(b.t), AG_ERROR_SHAPE);
    bench_free(&b);
    ck_assert_ptr_null(nn_channel_dropout(-0.1, NULL));
    ck_assert_ptr_null(nn_channel_dropout(NAN, NULL));
}
END_TEST

START_TEST(dropout_drops_only_while_training) {
    enum { N = 1000 };
    const int64_t n = N;
    double x[N], y[N];
    for (int i = 0; i < N; i++) x[i] = i + 1;
    bench b = bench_new(nn_dropout(0.25, NULL));
    test_read(nn_forward(b.m, &b.pass, input(&b, 1, &n, x)), y, N);
    int dropped = 0;
    for (int i = 0; i < N; i++) {
        dropped += y[i] == 0;
        ck_assert(y[i] == 0 || fabs(y[i] - x[i] / 0.75) <= 1e-12 * x[i]);
    }
    ck_assert_int_gt(dropped, 250 - 70); /* five standard deviations of 13.7 */
    ck_assert_int_lt(dropped, 250 + 70);
    b.pass.training = false;
    test_read(nn_forward(b.m, &b.pass, input(&b, 1, &n, x)), y, N);
    ck_assert_mem_eq(y, x, sizeof y);
    bench_free(&b);
    ck_assert_ptr_null(nn_dropout(-0.1, NULL));
    ck_assert_ptr_null(nn_dropout(1.1, NULL));
    ck_assert_ptr_null(nn_dropout(NAN, NULL));
}
END_TEST

START_TEST(sequential_runs_in_order_under_names_that_count) {
    const nn_init three = nn_init_constant(3);
    nn_module *layers[] = {nn_linear_with(1, 1, three, true, nn_init_constant(-6), NULL),
                           nn_activation_layer(NN_RELU, NULL),
                           nn_linear_with(1, 1, three, true, nn_init_constant(1), NULL)};
    bench b = bench_new(nn_sequential(layers, 3, NULL));
    ck_assert_str_eq(nn_params_name(b.p, 0), "0.weight");
    ck_assert_str_eq(nn_params_name(b.p, 3), "2.bias");
    double y[2];
    const int64_t dim[] = {2, 1};
    test_read(nn_forward(b.m, &b.pass, input(&b, 2, dim, (const double[]){1, 4})), y, 2);
    ck_assert_mem_eq(y, ((const double[]){1, 19}), sizeof y);
    bench_free(&b);
    b = bench_new(nn_sequential(NULL, 0, NULL)); /* of nothing: the identity */
    test_read(nn_forward(b.m, &b.pass, input(&b, 2, dim, (const double[]){1, 4})), y, 2);
    ck_assert_mem_eq(y, ((const double[]){1, 4}), sizeof y);
    bench_free(&b);
}
END_TEST

START_TEST(sequential_owns_its_layers_even_when_it_fails) {
    ag_error error = {0};
    nn_module *layers[] = {nn_linear(2, 2, &error), nn_dropout(7, &error), nn_linear(2, 2, NULL)};
    ck_assert_ptr_null(nn_sequential(layers, 3, &error)); /* the leak checker sees the rest */
    ck_assert_int_eq(error.status, AG_ERROR_VALUE);
    ck_assert_ptr_nonnull(strstr(error.message, "nn_dropout"));
}
END_TEST

/* What is freed twice, or not at all, shows in the count of live bytes. */
START_TEST(sequential_frees_each_layer_once_however_often_it_is_listed) {
    counting_allocator_install();
    nn_module_free(nn_linear(2, 2, NULL)); /* fills process-wide tables, too */
    const long live = counting_allocator_live();
    for (int first = 0; first < 3; first++) {
        nn_module *a = nn_linear(2, 2, NULL), *b = nn_linear(2, 2, NULL);
        nn_module *const lists[][4] = {{a, b, a, a}, {NULL, a, b, a}, {b, a, NULL, a}};
        ag_error error = {0};
        ck_assert_ptr_null(nn_sequential(lists[first], 4, &error));
        ck_assert_int_eq(error.status, AG_ERROR_VALUE);
        ck_assert_int_eq(counting_allocator_live(), live);
    }
}
END_TEST

START_TEST(sequential_frees_a_layer_listed_beside_its_owner_once) {
    counting_allocator_install();
    nn_module_free(nn_linear(2, 2, NULL));
    const long live = counting_allocator_live();
    for (int last = 0; last < 2; last++) {
        nn_module *inner = nn_linear(2, 2, NULL), *outer = nn_sequential(&inner, 1, NULL);
        ag_error error = {0};
        ck_assert_ptr_nonnull(outer);
        ck_assert_ptr_null(nn_sequential(last ? (nn_module *const[]){NULL, outer, inner}
                                              : (nn_module *const[]){inner, outer, NULL},
                                         3, &error));
        ck_assert_int_eq(error.status, last ? AG_ERROR_VALUE : AG_ERROR_STATE);
        ck_assert_int_eq(counting_allocator_live(), live);
    }
}
END_TEST

START_TEST(sequential_refuses_a_list_that_is_none) {
    static const int n[] = {-1, -1000, 1};
    for (size_t i = 0; i < sizeof n / sizeof *n; i++) {
        ag_error error = {0};
        ck_assert_ptr_null(nn_sequential(NULL, n[i], &error));
        ck_assert_int_eq(error.status, AG_ERROR_VALUE);
    }
}
END_TEST

START_TEST(mlp_is_linear_layers_with_activations_between) {
    const int64_t sizes[] = {4, 8, 5, 3};
    static const char *const names[] = {"0.weight", "0.bias", "2.weight", "2.bias", "4.weight", "4.bias"};
    bench b = bench_new(nn_mlp(sizes, 4, NN_TANH, NULL, NULL));
    ck_assert_uint_eq(nn_params_count(b.p), 6);
    for (size_t i = 0; i < 6; i++) ck_assert_str_eq(nn_params_name(b.p, i), names[i]);
    ck_assert_int_eq(nn_params_elements(b.p), 4 * 8 + 8 + 8 * 5 + 5 + 5 * 3 + 3);
    double x[8] = {0}, y[6];
    test_read(nn_forward(b.m, &b.pass, input(&b, 2, (const int64_t[]){2, 4}, x)), y, 6);
    ck_assert_mem_eq(y, y + 3, 3 * sizeof *y);
    bench_free(&b);
    b = bench_new(nn_mlp(sizes, 2, NN_RELU, NULL, NULL)); /* no hidden layer */
    ck_assert_uint_eq(nn_params_count(b.p), 2);
    bench_free(&b);
}
END_TEST

START_TEST(an_mlp_with_an_initialiser_starts_with_zero_biases) {
    const int64_t sizes[] = {4, 8, 3};
    const nn_init gaussian = nn_init_gaussian();
    bench b = bench_new(nn_mlp(sizes, 3, NN_RELU, &gaussian, NULL));
    for (int i = 0; i < 8; i++) ck_assert_double_eq(ag_tensor_get(nn_params_find(b.p, "0.bias"), i), 0);
    ck_assert_double_ne(ag_tensor_get(nn_params_find(b.p, "0.weight"), 0), 0);
    bench_free(&b);
}
END_TEST

START_TEST(an_impossible_mlp_is_refused) {
    const int64_t sizes[] = {4, -8, 3};
    ag_error error = {0};
    ck_assert_ptr_null(nn_mlp(sizes, 1, NN_RELU, NULL, &error));
    ck_assert_int_eq(error.status, AG_ERROR_VALUE);
    error = (ag_error){0};
    ck_assert_ptr_null(nn_mlp(NULL, 3, NN_RELU, NULL, &error));
    ck_assert_int_eq(error.status, AG_ERROR_VALUE);
    error = (ag_error){0};
    ck_assert_ptr_null(nn_mlp(sizes, 3, NN_RELU, NULL, &error));
    ck_assert_int_eq(error.status, AG_ERROR_SHAPE);
    ck_assert_ptr_nonnull(strstr(error.message, "\"weight\""));
    error = (ag_error){0};
    ck_assert_ptr_null(nn_mlp((const int64_t[]){1, 2, 3}, 3, (nn_activation)99, NULL, &error));
    ck_assert_int_eq(error.status, AG_ERROR_VALUE);
}
END_TEST

START_TEST(a_shape_error_names_the_layer_it_is_in) {
    const int64_t sizes[] = {4, 8, 3}, dim[] = {2, 5};
    bench b = bench_new(nn_mlp(sizes, 3, NN_RELU, NULL, NULL));
    ck_assert(!ag_ok(nn_forward(b.m, &b.pass, ag_full(b.t, AG_F64, 2, dim, 0))));
    ck_assert_int_eq(ag_tape_status(b.t), AG_ERROR_SHAPE);
    const char *message = ag_tape_message(b.t);
    ck_assert_msg(strstr(message, "(2, 5)") && strstr(message, "0.weight") && strchr(message, '0'), "%s", message);
    bench_free(&b);
}
END_TEST

static bool build_mlp(void) {
    const int64_t sizes[] = {4, 8, 5, 3};
    ag_error error = {0};
    nn_module *m = nn_mlp(sizes, 4, NN_RELU, NULL, &error);
    if (!m) ck_assert_int_eq(error.status, AG_ERROR_MEMORY);
    nn_module_free(m);
    return m != NULL;
}

START_TEST(every_failed_allocation_is_reported_and_leaves_nothing) { test_every_allocation(build_mlp); }
END_TEST

Suite *layers_suite(void) {
    Suite *s = suite_create("layers");
    TCase *tc = tcase_create("layers");
    tcase_add_test(tc, linear_is_x_times_weight_transposed_plus_bias);
    tcase_add_test(tc, linear_takes_any_leading_dimensions);
    tcase_add_test(tc, linear_without_bias_has_none_to_learn);
    tcase_add_test(tc, linear_starts_uniform_within_one_over_root_of_its_inputs);
    tcase_add_test(tc, activations_compute_their_function);
    tcase_add_test(tc, some_activations_take_a_number);
    tcase_add_test(tc, channel_dropout_drops_channels_as_a_whole);
    tcase_add_test(tc, dropout_drops_only_while_training);
    tcase_add_test(tc, sequential_runs_in_order_under_names_that_count);
    tcase_add_test(tc, sequential_owns_its_layers_even_when_it_fails);
    tcase_add_test(tc, sequential_frees_each_layer_once_however_often_it_is_listed);
    tcase_add_test(tc, sequential_frees_a_layer_listed_beside_its_owner_once);
    tcase_add_test(tc, sequential_refuses_a_list_that_is_none);
    tcase_add_test(tc, mlp_is_linear_layers_with_activations_between);
    tcase_add_test(tc, an_mlp_with_an_initialiser_starts_with_zero_biases);
    tcase_add_test(tc, an_impossible_mlp_is_refused);
    tcase_add_test(tc, a_shape_error_names_the_layer_it_is_in);
    tcase_add_test(tc, every_failed_allocation_is_reported_and_leaves_nothing);
    suite_add_tcase(s, tc);
    return s;
}
