/* clip: norms, bounds and sums of gradients, and the running average of the weights. */
#include "nn_support.h"

#include <math.h>

/* Parameters a (3) and b (2), all elements 1. */
typedef struct bench {
    nn_module *m;
    nn_params *p;
    ag_tensor *a, *b;
} bench;

static bench bench_new(ag_dtype dtype) {
    const int64_t three = 3, two = 2;
    bench x = {.m = test_box()};
    ck_assert_ptr_nonnull(nn_module_param(x.m, "a", 1, &three, nn_init_constant(1), NULL));
    ck_assert_ptr_nonnull(nn_module_param(x.m, "b", 1, &two, nn_init_constant(1), NULL));
    x.p = nn_params_new(x.m, dtype, 1, NULL);
    ck_assert_ptr_nonnull(x.p);
    x.a = nn_params_find(x.p, "a");
    x.b = nn_params_find(x.p, "b");
    return x;
}

static void bench_free(bench *x) {
    nn_params_free(x->p);
    nn_module_free(x->m);
}

static void set_grad(ag_tensor *x, const double *value) {
    for (int64_t i = 0; i < ag_tensor_count(x); i++) test_set_grad(x, i, value[i]);
}

static double norm_of(bench *x, double order) {
    double norm = -1;
    ck_assert_int_eq(nn_grad_norm(x->p, order, &norm, NULL), AG_OK);
    return norm;
}

START_TEST(the_norm_is_of_all_gradients_together) {
    for (int dtype = AG_F32; dtype <= AG_F64; dtype++) {
        bench x = bench_new((ag_dtype)dtype);
        ck_assert_double_eq(norm_of(&x, 2), 0);
        set_grad(x.a, (double[]){1, -2, 2});
        ck_assert_double_eq(norm_of(&x, 2), 3); /* b was not reached */
        set_grad(x.b, (double[]){-4, 0});
        ck_assert_double_eq(norm_of(&x, 2), 5);
        ck_assert_double_eq(norm_of(&x, 1), 9);
        ck_assert_double_eq(norm_of(&x, INFINITY), 4);
        ck_assert_double_eq_tol(norm_of(&x, 3), cbrt(81), 1e-14);
        bench_free(&x);
    }
}
END_TEST

START_TEST(powers_neither_overflow_nor_vanish) {
    bench x = bench_new(AG_F64);
    set_grad(x.a, (double[]){3e200, 0, 4e200});
    ck_assert_double_eq_tol(norm_of(&x, 2) / 5e200, 1, 1e-15);
    set_grad(x.a, (double[]){3e-200, 0, 4e-200});
    ck_assert_double_eq_tol(norm_of(&x, 2) / 5e-200, 1, 1e-15);
    set_grad(x.a, (double[]){3e150, 4e150, 5e150}); /* cubes, too: 27 + 64 + 125 = 216 */
    ck_assert_double_eq_tol(norm_of(&x, 3) / 6e150, 1, 1e-15);
    set_grad(x.a, (double[]){3e-150, 4e-150, 5e-150});
    ck_assert_double_eq_tol(norm_of(&x, 3) / 6e-150, 1, 1e-15);
    set_grad(x.a, (double[]){1e308, 1e308, 0});
    ck_assert(isinf(norm_of(&x, 1))); /* it is */
    bench_free(&x);
}
END_TEST

/* torch.nn.utils.clip_grad_norm_: g max_norm / (norm + 1e-6) where that shrinks. */
START_TEST(a_norm_above_the_bound_is_brought_down_to_it) {
    for (int dtype = AG_F32; dtype <= AG_F64; dtype++) {
        bench x = bench_new((ag_dtype)dtype);
        set_grad(x.a, (double[]){1, -2, 2});
        set_grad(x.b, (double[]){-4, 0});
        double norm = 0;
        ck_assert_int_eq(nn_clip_norm(x.p, 10, 2, &norm, NULL), AG_OK);
        ck_assert_double_eq(norm, 5);
        ck_assert_double_eq(ag_tensor_grad_get(x.b, 0), -4);
        ck_assert_int_eq(nn_clip_norm(x.p, 0.5, 2, NULL, NULL), AG_OK);
        ck_assert_double_eq_tol(ag_tensor_grad_get(x.b, 0), -4 * 0.5 / (5 + 1e-6), 1e-7);
        ck_assert_double_eq_tol(norm_of(&x, 2), 0.5, 1e-6);
        bench_free(&x);
    }
}
END_TEST

START_TEST(a_norm_that_is_no_number_is_reported_and_changes_nothing) {
    static const double bad[] = {NAN, INFINITY, -INFINITY};
    for (int k = 0; k < 3; k++) {
        bench x = bench_new(k % 2 ? AG_F32 : AG_F64);
        set_grad(x.a, (double[]){1, bad[k], 2});
        double norm = 0;
        ag_error error = {0};
        ck_assert_int_eq(nn_clip_norm(x.p, 0.5, 2, &norm, &error), AG_ERROR_NONFINITE);
        ck_assert(!isfinite(norm));
        ck_assert_double_eq(ag_tensor_grad_get(x.a, 2), 2);
        ck_assert_int_eq(nn_clip_norm(x.p, 0.5, INFINITY, &norm, &error), AG_ERROR_NONFINITE);
        bench_free(&x);
    }
}
END_TEST

START_TEST(every_element_is_brought_into_bounds) {
    for (int dtype = AG_F32; dtype <= AG_F64; dtype++) {
        bench x = bench_new((ag_dtype)dtype);
        set_grad(x.a, (double[]){0.25, -2, NAN});
        set_grad(x.b, (double[]){INFINITY, -0.5});
        ck_assert_int_eq(nn_clip_value(x.p, 0.5, NULL), AG_OK);
        ck_assert_double_eq(ag_tensor_grad_get(x.a, 0), 0.25);
        ck_assert_double_eq(ag_tensor_grad_get(x.a, 1), -0.5);
        ck_assert(isnan(ag_tensor_grad_get(x.a, 2)));
        ck_assert_double_eq(ag_tensor_grad_get(x.b, 0), 0.5);
        ck_assert_double_eq(ag_tensor_grad_get(x.b, 1), -0.5);
        set_grad(x.b, (double[]){INFINITY, -3});
        ck_assert_int_eq(nn_clip_value(x.p, INFINITY, NULL), AG_OK); /* no bound */
        ck_assert_double_eq(ag_tensor_grad_get(x.b, 0), INFINITY);
        ck_assert_double_eq(ag_tensor_grad_get(x.b, 1), -3);
        bench_free(&x);
    }
}
END_TEST

START_TEST(two_batches_scaled_by_a_half_are_their_mean) {
    bench x = bench_new(AG_F64);
    ag_tape *t = ag_tape_new(NULL);
    for (int k = 1; k <= 2; k++) {
        ag_mark mark = ag_tape_mark(t);
        ck_assert_int_eq(ag_backward(ag_sum_all(ag_mul_number(ag_leaf(t, x.a), k))), AG_OK);
        ck_assert_int_eq(ag_tape_rewind(t, mark), AG_OK);
    }
    ck_assert_int_eq(nn_grad_scale(x.p, 0.5, NULL), AG_OK);
    for (int i = 0; i < 3; i++) ck_assert_double_eq(ag_tensor_grad_get(x.a, i), 1.5);
    ck_assert_double_eq(ag_tensor_grad_get(x.b, 0), 0);
    ag_tape_free(t);
    bench_free(&x);
}
END_TEST

START_TEST(bounds_that_make_no_sense_are_refused) {
    bench x = bench_new(AG_F32);
    double norm;
    ck_assert_int_eq(nn_grad_norm(x.p, 0, &norm, NULL), AG_ERROR_VALUE);
    ck_assert_int_eq(nn_grad_norm(x.p, NAN, &norm, NULL), AG_ERROR_VALUE);
    ck_assert_int_eq(nn_clip_norm(x.p, -1, 2, NULL, NULL), AG_ERROR_VALUE);
    ck_assert_int_eq(nn_clip_norm(x.p, NAN, 2, NULL, NULL), AG_ERROR_VALUE);
    ck_assert_int_eq(nn_clip_value(x.p, -1, NULL), AG_ERROR_VALUE);
    ck_assert_int_eq(nn_grad_scale(x.p, INFINITY, NULL), AG_ERROR_VALUE);
    bench_free(&x);
}
END_TEST

START_TEST(an_average_follows_and_is_swapped_in_and_out) {
    for (int dtype = AG_F32; dtype <= AG_F64; dtype++) {
        bench x = bench_new((ag_dtype)dtype);
        nn_ema *e = nn_ema_new(x.p, 0.75, NULL);
        ck_assert_ptr_nonnull(e);
        double average = 1;
        for (int k = 2; k < 5; k++) {
            ck_assert_int_eq(ag_tensor_fill(x.a, k), AG_OK);
            ck_assert_int_eq(nn_ema_update(e, NULL), AG_OK);
            average = 0.75 * average + 0.25 * k;
        }
        const uint64_t version = ag_tensor_version(x.a);
        nn_ema_swap(e);
        ck_assert(nn_ema_swapped(e));
        ck_assert_uint_ne(ag_tensor_version(x.a), version);
        ck_assert_double_eq(ag_tensor_get(x.a, 2), average);
        ck_assert_double_eq(ag_tensor_get(x.b, 1), 1);
        ag_error error = {0};
        ck_assert_int_eq(nn_ema_update(e, &error), AG_ERROR_STATE);
        nn_ema_swap(e);
        ck_assert(!nn_ema_swapped(e));
        ck_assert_double_eq(ag_tensor_get(x.a, 2), 4);
        ck_assert_double_eq(ag_tensor_get(nn_ema_state(e), 0), average);
        nn_ema_free(e);
        nn_ema_free(NULL);
        bench_free(&x);
    }
}
END_TEST

START_TEST(a_swap_of_many_blocks_is_exact) {
    const int64_t n = 2500; /* 20000 bytes */
    nn_module *m = test_box();
    ck_assert_ptr_nonnull(nn_module_param(m, "a", 1, &n, nn_init_normal(0, 1), NULL));
    nn_params *p = nn_params_new(m, AG_F64, 1, NULL);
    ag_tensor *a = nn_params_find(p, "a");
    double before[2500];
    ck_assert_int_eq(ag_tensor_read_f64(a, before, n), AG_OK);
    nn_ema *e = nn_ema_new(p, 0.5, NULL);
    ck_assert_int_eq(ag_tensor_fill(a, 7), AG_OK);
    nn_ema_swap(e);
    ck_assert_mem_eq(ag_tensor_data(a), before, sizeof before);
    nn_ema_swap(e);
    for (int64_t i = 0; i < n; i++) ck_assert_double_eq(ag_tensor_get(a, i), 7);
    nn_ema_free(e);
    nn_params_free(p);
    nn_module_free(m);
}
END_TEST

/* Numbers: torch 1.13, torch.optim.swa_utils.AveragedModel of BatchNorm1d(2), use_buffers = True, in f64. */
START_TEST(running_statistics_are_averaged_where_that_is_wished) {
    static const double expected[2][2] = {{0.022298391959177044, 0.011414808010438184},
                                          {0.9583242156352709, 0.9618774549559055}};
    nn_module *m = nn_batch_norm1d(2, NULL, NULL);
    nn_params *p = nn_params_new(m, AG_F64, 1, NULL);
    nn_ema *e = nn_ema_new_with_buffers(p, 0.75, NULL), *plain = nn_ema_new(p, 0.75, NULL);
    ck_assert_ptr_nonnull(e);
    ag_tape *t = ag_tape_new(NULL);
    nn_pass pass = {.tape = t, .training = true};
    for (int s = 0; s < 3; s++) {
        double x[6];
        for (int i = 0; i < 6; i++) x[i] = sin(1.7 * i + s);
        ck_assert(ag_ok(nn_forward(m, &pass, ag_array_constant(t, AG_F64, 2, (const int64_t[]){3, 2}, x))));
        ck_assert_int_eq(nn_ema_update(e, NULL), AG_OK);
        ck_assert_int_eq(nn_ema_update(plain, NULL), AG_OK);
    }
    ck_assert_uint_eq(nn_ema_buffer_count(plain), 0);
    ck_assert_ptr_null(nn_ema_buffer(plain, 0));
    ck_assert_uint_eq(nn_ema_buffer_count(e), 2); /* num_batches_tracked is a count */
    ck_assert_str_eq(ag_tensor_name(nn_ema_buffer(e, 0)), "running_mean");
    ck_assert_str_eq(ag_tensor_name(nn_ema_buffer(e, 1)), "running_var");
    ck_assert_ptr_null(nn_ema_buffer(e, 2));
    const ag_tensor *mean = nn_params_find(p, "running_mean"), *var = nn_params_find(p, "running_var");
    const double last = ag_tensor_get(mean, 0);
    nn_ema_swap(plain);
    ck_assert_double_eq(ag_tensor_get(mean, 0), last);
    nn_ema_swap(plain);
    nn_ema_swap(e);
    for (int i = 0; i < 2; i++) {
        ck_assert_double_eq_tol(ag_tensor_get(mean, i), expected[0][i], 1e-15);
        ck_assert_double_eq_tol(ag_tensor_get(var, i), expected[1][i], 1e-15);
    }
    ck_assert_double_eq(ag_tensor_get(nn_params_find(p, "num_batches_tracked"), 0), 3);
    nn_ema_swap(e);
    ck_assert_double_eq(ag_tensor_get(mean, 0), last);
    ag_tape_free(t);
    nn_ema_free(plain);
    nn_ema_free(e);
    nn_params_free(p);
    nn_module_free(m);
}
END_TEST

static nn_params *shared;
static bool average(void) {
    ag_error error = {0};
    nn_ema *e = nn_ema_new_with_buffers(shared, 0.5, &error);
    bool ok = e && nn_ema_update(e, &error) == AG_OK;
    if (!ok) ck_assert_int_eq(error.status, AG_ERROR_MEMORY);
    nn_ema_free(e);
    return ok;
}

START_TEST(an_impossible_average_is_refused_and_failed_allocations_leave_nothing) {
    bench x = bench_new(AG_F32);
    static const double bad[] = {-0.1, 1, NAN};
    for (int k = 0; k < 3; k++) {
        ag_error error = {0};
        ck_assert_ptr_null(nn_ema_new(x.p, bad[k], &error));
        ck_assert_int_eq(error.status, AG_ERROR_VALUE);
    }
    ag_error error = {0};
    ck_assert_ptr_null(nn_ema_new(NULL, 0.5, &error));
    ck_assert_int_eq(error.status, AG_ERROR_VALUE);
    shared = x.p;
    test_every_allocation(average);
    bench_free(&x);
    nn_module *m = nn_batch_norm1d(2, NULL, NULL);
    shared = nn_params_new(m, AG_F32, 1, NULL);
    test_every_allocation(average);
    nn_params_free(shared);
    nn_module_free(m);
}
END_TEST

Suite *clip_suite(void) {
    Suite *s = suite_create("clip");
    TCase *tc = tcase_create("clip");
    tcase_add_test(tc, the_norm_is_of_all_gradients_together);
    tcase_add_test(tc, powers_neither_overflow_nor_vanish);
    tcase_add_test(tc, a_norm_above_the_bound_is_brought_down_to_it);
    tcase_add_test(tc, a_norm_that_is_no_number_is_reported_and_changes_nothing);
    tcase_add_test(tc, every_element_is_brought_into_bounds);
    tcase_add_test(tc, two_batches_scaled_by_a_half_are_their_mean);
    tcase_add_test(tc, bounds_that_make_no_sense_are_refused);
    tcase_add_test(tc, an_average_follows_and_is_swapped_in_and_out);
    tcase_add_test(tc, running_statistics_are_averaged_where_that_is_wished);
    tcase_add_test(tc, a_swap_of_many_blocks_is_exact);
    tcase_add_test(tc, an_impossible_average_is_refused_and_failed_allocations_leave_nothing);
    suite_add_tcase(s, tc);
    return s;
}
