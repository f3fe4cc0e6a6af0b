/* optim: steps by hand, state, refusals. Trajectories against PyTorch are in test_training.c. */
#include "nn_support.h"

#include <math.h>

/* A module with parameters a (3), b (2), all elements 1; 16 or 8 elements apart in the slab. */
typedef struct bench {
    nn_module *m;
    nn_params *p;
    ag_tensor *a, *b;
    nn_optim *o;
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
    nn_optim_free(x->o);
    nn_params_free(x->p);
    nn_module_free(x->m);
}

static void set_grad(ag_tensor *x, double value) {
    for (int64_t i = 0; i < ag_tensor_count(x); i++) test_set_grad(x, i, value);
}

static void step(bench *x) {
    ag_error error = {0};
    ck_assert_msg(nn_optim_step(x->o, &error) == AG_OK, "%s", error.message);
}

START_TEST(sgd_goes_down_the_gradient) {
    bench x = bench_new(AG_F64);
    x.o = nn_sgd(x.p, 0.5, 0, NULL);
    ck_assert_uint_eq(nn_optim_state_count(x.o), 0);
    set_grad(x.a, 0.25);
    step(&x);
    step(&x);
    ck_assert_double_eq(ag_tensor_get(x.a, 2), 0.75);
    ck_assert_int_eq(nn_optim_steps(x.o), 2);
    bench_free(&x);
}
END_TEST

START_TEST(momentum_rolls_on) {
    bench x = bench_new(AG_F64);
    x.o = nn_sgd(x.p, 0.5, 0.5, NULL);
    set_grad(x.a, 1);
    step(&x); /* v = 1,   a = 0.5   */
    step(&x); /* v = 1.5, a = -0.25 */
    ck_assert_double_eq(ag_tensor_get(x.a, 0), -0.25);
    ck_assert_uint_eq(nn_optim_state_count(x.o), 1);
    ck_assert_str_eq(nn_optim_state_name(x.o, 0), "momentum");
    ck_assert_double_eq(ag_tensor_get(nn_optim_state(x.o, 0), 0), 1.5);
    bench_free(&x);
}
END_TEST

START_TEST(adams_first_step_is_the_rate_whatever_the_gradient) {
    static const double gradient[] = {1e-3, -1, 1e4};
    for (int k = 0; k < 6; k++) {
        bench x = bench_new(k % 2 ? AG_F64 : AG_F32);
        x.o = nn_adam(x.p, 0.125, NULL);
        set_grad(x.a, gradient[k / 2]);
        step(&x); /* m / sqrt(v) is the sign; eps = 1e-8 shows at 1e-3 as 1e-5 */
        ck_assert_double_eq_tol(ag_tensor_get(x.a, 1), gradient[k / 2] > 0 ? 0.875 : 1.125, 2e-6);
        ck_assert_str_eq(nn_optim_state_name(x.o, 0), "exp_avg");
        ck_assert_str_eq(nn_optim_state_name(x.o, 1), "exp_avg_sq");
        ck_assert_ptr_null(nn_optim_state_name(x.o, 2));
        ck_assert_ptr_null(nn_optim_state(x.o, 2));
        bench_free(&x);
    }
}
END_TEST

START_TEST(the_rate_can_change_and_the_step_count_be_restored) {
    bench x = bench_new(AG_F64);
    x.o = nn_adam_with(x.p, 1, &(nn_adam_options){.beta1 = 0.5, .beta2 = 0.75, .eps = NN_ZERO}, NULL);
    ck_assert_double_eq(nn_optim_lr(x.o), 1);
    nn_optim_set_lr(x.o, 0.25);
    nn_optim_set_steps(x.o, 1);
    set_grad(x.a, 2);
    step(&x); /* t = 2: m = 1 / (3/4), v = 1 / (7/16) */
    ck_assert_int_eq(nn_optim_steps(x.o), 2);
    ck_assert_double_eq_tol(ag_tensor_get(x.a, 0), 1 - 0.25 * (4.0 / 3) / sqrt(16.0 / 7), 1e-15);
    bench_free(&x);
}
END_TEST

START_TEST(a_step_past_all_counting_is_refused) {
    bench x = bench_new(AG_F64);
    x.o = nn_nadam(x.p, 0.5, NULL, NULL);
    set_grad(x.a, 1);
    for (int k = 0; k < 2; k++) {
        nn_optim_set_steps(x.o, INT64_MAX - k);
        ck_assert_int_eq(nn_optim_step(x.o, NULL), AG_ERROR_VALUE);
        ck_assert_int_eq(nn_optim_steps(x.o), INT64_MAX - k);
    }
    ck_assert_double_eq(ag_tensor_get(x.a, 0), 1);
    bench_free(&x);
}
END_TEST

START_TEST(an_impossible_rate_fails_the_step_and_changes_nothing) {
    static const double rate[] = {NAN, INFINITY, -INFINITY, -1e-3};
    for (size_t k = 0; k < sizeof rate / sizeof *rate; k++) {
        bench x = bench_new(AG_F64);
        x.o = k % 2 ? nn_adam(x.p, 0.5, NULL) : nn_sgd(x.p, 0.5, 0.5, NULL);
        set_grad(x.a, 1);
        nn_optim_set_lr(x.o, rate[k]);
        ag_error error = {0};
        ck_assert_int_eq(nn_optim_step(x.o, &error), AG_ERROR_VALUE);
        ck_assert_msg(strstr(error.message, "rate") != NULL, "%s", error.message);
        ck_assert_int_eq(nn_optim_steps(x.o), 0);
        ck_assert_double_eq(ag_tensor_get(x.a, 0), 1);
        ck_assert_double_eq(ag_tensor_get(nn_optim_state(x.o, 0), 0), 0);
        nn_optim_set_lr(x.o, 0.5); /* and the next one is the first */
        step(&x);
        ck_assert_double_eq_tol(ag_tensor_get(x.a, 0), 0.5, 1e-8);
        bench_free(&x);
    }
}
END_TEST

START_TEST(what_was_not_reached_reads_as_zeros_and_padding_stays_zero) {
    for (int k = 0; k < 3; k++) {
        bench x = bench_new(k % 2 ? AG_F32 : AG_F64);
        x.o = k < 2 ? nn_adam(x.p, 0.1, NULL) : nn_sgd(x.p, 0.1, 0.9, NULL);
        set_grad(x.a, 3);
        set_grad(x.b, 4);
        nn_optim_zero_grad(x.o); /* lazily: 3 and 4 are still in memory */
        set_grad(x.a, 1);
        for (int i = 0; i < 3; i++) step(&x);
        ck_assert_double_eq(ag_tensor_get(x.b, 0), 1);
        ck_assert_double_eq(ag_tensor_get(x.b, 1), 1);
        const int64_t length = ag_tensor_count(nn_params_slab(x.p)), half = length / 2;
        for (int64_t i = 0; i < length; i++)
            if (i % half >= (i < half ? 3 : 2)) ck_assert_double_eq(ag_tensor_get(nn_params_slab(x.p), i), 0);
        bench_free(&x);
    }
}
END_TEST

START_TEST(a_step_counts_as_writing_the_parameters) {
    bench x = bench_new(AG_F32);
    x.o = nn_adam(x.p, 0.1, NULL);
    const uint64_t version = ag_tensor_version(x.a);
    step(&x);
    ck_assert_uint_ne(ag_tensor_version(x.a), version);
    bench_free(&x);
}
END_TEST

/* A row whose rule fails: backward is left half-done. */
static ag_status copy_infer(const ag_query *q, ag_meta *out) {
    out[0] = *q->in[0];
    return AG_OK;
}
static ag_status copy_forward(const ag_eval *e) {
    memcpy(e->out[0].data, e->in[0].data, ag_meta_bytes(e->out[0].meta));
    return AG_OK;
}
static ag_status broken_vjp(ag_reverse *r) {
    (void)r;
    return AG_ERROR_STATE;
}
static const ag_op broken = {.name = "broken",
                             .formula = "x",
                             .min_in = 1,
                             .max_in = 1,
                             .outputs = 1,
                             .infer = copy_infer,
                             .forward = copy_forward,
                             .vjp = broken_vjp};

START_TEST(a_gradient_from_a_failed_backward_is_refused_by_name_until_it_is_zeroed) {
    bench x = bench_new(AG_F64);
    x.o = nn_adam(x.p, 0.1, NULL);
    ag_tape *t = ag_tape_new(NULL);
    ag_value a = ag_leaf(t, x.a), b = ag_leaf(t, x.b);
    ag_value bad = ag_apply(t, &broken, &a, 1, NULL);
    ck_assert_int_ne(ag_backward(ag_add(ag_sum_all(bad), ag_sum_all(b))), AG_OK);
    ag_tape_free(t);
    ck_assert_int_eq(ag_tensor_grad_status(x.a), AG_ERROR_STATE);

    ag_error error = {0};
    ck_assert_int_eq(nn_optim_step(x.o, &error), AG_ERROR_STATE);
    ck_assert_msg(strstr(error.message, "\"a\"") != NULL, "%s", error.message);
    ck_assert_int_eq(nn_params_grad_status(x.p, NULL), AG_ERROR_STATE);
    ck_assert_int_eq(nn_optim_steps(x.o), 0);
    for (int i = 0; i < 2; i++) ck_assert_double_eq(ag_tensor_get(x.b, i), 1);

    nn_optim_zero_grad(x.o);
    ck_assert_int_eq(nn_params_grad_status(x.p, NULL), AG_OK);
    step(&x);
    bench_free(&x);
}
END_TEST

START_TEST(impossible_numbers_and_missing_parameters_are_refused) {
    bench x = bench_new(AG_F32);
    ag_error error = {0};
    ck_assert_ptr_null(nn_sgd(x.p, -1, 0, &error));
    ck_assert_int_eq(error.status, AG_ERROR_VALUE);
    ck_assert_ptr_null(nn_sgd(x.p, NAN, 0, NULL));
    ck_assert_ptr_null(nn_sgd(x.p, 0.1, 1, NULL));
    ck_assert_ptr_null(nn_sgd(x.p, 0.1, -0.1, NULL));
    ck_assert_ptr_null(nn_adam(x.p, INFINITY, NULL));
    ck_assert_ptr_null(nn_adam_with(x.p, 0.1, &(nn_adam_options){.beta1 = 1}, NULL));
    ck_assert_ptr_null(nn_adam_with(x.p, 0.1, &(nn_adam_options){.beta2 = -1}, NULL));
    ck_assert_ptr_null(nn_adam_with(x.p, 0.1, &(nn_adam_options){.eps = -1e-8}, NULL));
    error = (ag_error){0};
    ck_assert_ptr_null(nn_adam(NULL, 0.1, &error));
    ck_assert_int_eq(error.status, AG_ERROR_VALUE);
    nn_optim_free(NULL);
    bench_free(&x);
}
END_TEST

START_TEST(update_rules_are_rows_like_any_other) {
    bench x = bench_new(AG_F32);
    nn_optim_free(nn_sgd(x.p, 0.1, 0, NULL));
    nn_optim_free(nn_sgd(x.p, 0.1, 0.9, NULL));
    nn_optim_free(nn_adam(x.p, 0.1, NULL));
    static const char *const names[] = {"nn_sgd_update", "nn_sgd_momentum_update", "nn_adam_update"};
    for (size_t i = 0; i < 3; i++) {
        const ag_op *op = ag_op_find(names[i]);
        ck_assert_ptr_nonnull(op);
        ck_assert_int_eq(ag_op_check(op, NULL), AG_OK);
        ck_assert_ptr_nonnull(op->probe);
        ck_assert_uint_eq(ag_op_grad(op, 0), AG_GRAD_MISSING);
    }
    bench_free(&x);
}
END_TEST

/* Out of place, with lengths around the width of a vector: an element's bits depend on nothing but itself. */
START_TEST(bits_do_not_depend_on_position) {
    enum { N = 41 };
    bench x = bench_new(AG_F32);
    nn_optim_free(nn_adam(x.p, 0.1, NULL));
    const ag_op *op = ag_op_find("nn_adam_update");
    ck_assert_ptr_nonnull(op);
    static const ag_dtype dtypes[] = {AG_F32, AG_F64};
    for (int k = 0; k < 2; k++) {
        for (int64_t n = 1; n <= N; n++) {
            static const double value[] = {0.7, -0.3, 0.11, 0.013}; /* p, g, m, v */
            const ag_tensor *in[4];
            ag_tensor *made[4], *out[3];
            for (int i = 0; i < 4; i++) {
                made[i] = ag_tensor_new(dtypes[k], 1, &n, NULL);
                ck_assert_int_eq(ag_tensor_fill(made[i], value[i]), AG_OK);
                in[i] = made[i];
                if (i < 3) out[i] = ag_tensor_new(dtypes[k], 1, &n, NULL);
            }
            ck_assert_int_eq(ag_op_run(op, in, 4, NULL, out, 1, NULL), AG_OK);
            for (int i = 0; i < 3; i++) {
                const char *first = ag_tensor_data(out[i]);
                const size_t size = ag_dtype_size(dtypes[k]);
                for (int64_t j = 1; j < n; j++) ck_assert_mem_eq(first, first + (size_t)j * size, size);
                ag_tensor_free(out[i]);
            }
            for (int i = 0; i < 4; i++) {
                ck_assert_double_eq_tol(ag_tensor_get(made[i], 0), value[i], 1e-7); /* operands are left alone */
                ag_tensor_free(made[i]);
            }
        }
    }
    bench_free(&x);
}
END_TEST

START_TEST(update_rules_refuse_operands_that_do_not_match) {
    bench x = bench_new(AG_F32);
    nn_optim_free(nn_sgd(x.p, 0.1, 0, NULL));
    const ag_op *op = ag_op_find("nn_sgd_update");
    const int64_t three = 3;
    ag_tensor *wide = ag_tensor_new(AG_F64, 1, &three, NULL);
    ck_assert_int_eq(ag_op_run(op, (const ag_tensor *const[]){x.a, x.b}, 2, NULL, &x.a, 1, NULL), AG_ERROR_SHAPE);
    ck_assert_int_eq(ag_op_run(op, (const ag_tensor *const[]){x.a, wide}, 2, NULL, &x.a, 1, NULL), AG_ERROR_DTYPE);
    ag_tensor_free(wide);
    bench_free(&x);
}
END_TEST

static nn_params *shared;

static bool make_and_step(void) {
    ag_error error = {0};
    nn_optim *o = nn_adam(shared, 0.1, &error);
    bool ok = o && nn_optim_step(o, &error) == AG_OK;
    if (!ok) ck_assert_int_eq(error.status, AG_ERROR_MEMORY);
    nn_optim_free(o);
    return ok;
}

START_TEST(every_failed_allocation_is_reported_and_leaves_nothing) {
    bench x = bench_new(AG_F32);
    shared = x.p;
    test_every_allocation(make_and_step);
    bench_free(&x);
}
END_TEST

START_TEST(a_forward_that_failed_moves_no_parameter) {
    ag_error error = {0};
    nn_module *net = nn_mlp((const int64_t[]){2, 3, 2}, 3, NN_RELU, NULL, &error);
    nn_params *p = nn_params_new(net, AG_F32, 1, &error);
    nn_optim *sgd = nn_sgd(p, 0.1, 0.9, &error);
    ag_tensor *x = ag_tensor_from(AG_F32, 2, (const int64_t[]){1, 2}, (const double[]){1, -2}, &error);
    ag_tensor *y = ag_tensor_new(AG_I64, 1, (const int64_t[]){1}, &error);
    ag_tape *t = ag_tape_new(NULL);
    double before = 0;
    for (int step = 0; step < 3; step++) { /* a good step, so that there is momentum; a bad one; a good one */
        ck_assert_int_eq(ag_tensor_set(y, 0, step == 1 ? 7 : 1), AG_OK);
        nn_optim_zero_grad(sgd);
        ag_mark m = ag_tape_mark(t);
        nn_pass pass = {.tape = t, .training = true};
        ag_value loss = nn_cross_entropy(nn_forward(net, &pass, ag_constant(t, x)), ag_constant(t, y));
        ck_assert_int_eq(ag_backward(loss), step == 1 ? AG_ERROR_INDEX : AG_OK);
        ck_assert_int_eq(nn_optim_step(sgd, &error), step == 1 ? AG_ERROR_STATE : AG_OK);
        ck_assert_int_eq(ag_tape_rewind(t, m), step == 1 ? AG_ERROR_INDEX : AG_OK);
        double now = ag_tensor_get(nn_params_find(p, "2.bias"), 0);
        if (step == 1)
            ck_assert_double_eq(now, before);
        else
            ck_assert(now != before);
        before = now;
    }
    ag_tape_free(t);
    ag_tensor_free(x);
    ag_tensor_free(y);
    nn_optim_free(sgd);
    nn_params_free(p);
    nn_module_free(net);
}
END_TEST

Suite *optim_suite(void) {
    Suite *s = suite_create("optim");
    TCase *tc = tcase_create("optim");
    tcase_add_test(tc, sgd_goes_down_the_gradient);
    tcase_add_test(tc, momentum_rolls_on);
    tcase_add_test(tc, adams_first_step_is_the_rate_whatever_the_gradient);
    tcase_add_test(tc, the_rate_can_change_and_the_step_count_be_restored);
    tcase_add_test(tc, a_step_past_all_counting_is_refused);
    tcase_add_test(tc, an_impossible_rate_fails_the_step_and_changes_nothing);
    tcase_add_test(tc, what_was_not_reached_reads_as_zeros_and_padding_stays_zero);
    tcase_add_test(tc, a_step_counts_as_writing_the_parameters);
    tcase_add_test(tc, a_gradient_from_a_failed_backward_is_refused_by_name_until_it_is_zeroed);
    tcase_add_test(tc, impossible_numbers_and_missing_parameters_are_refused);
    tcase_add_test(tc, update_rules_are_rows_like_any_other);
    tcase_add_test(tc, bits_do_not_depend_on_position);
    tcase_add_test(tc, update_rules_refuse_operands_that_do_not_match);
    tcase_add_test(tc, every_failed_allocation_is_reported_and_leaves_nothing);
    tcase_add_test(tc, a_forward_that_failed_moves_no_parameter);
    suite_add_tcase(s, tc);
    return s;
}
