/* lbfgs: beside PyTorch on Rosenbrock's valley, searches that meet walls, losses that fail, state. */
#include "nn_support.h"

#include <math.h>

/* One parameter x (n) and a loss with its gradient by hand, which counts its calls and can fail. */
typedef struct task {
    nn_module *m;
    nn_params *p;
    nn_optim *o;
    ag_tensor *x;
    double (*f)(const double *x, double *g);
    int calls, fail_at;
} task;

static double rosenbrock(const double *x, double *g) {
    const double a = 1 - x[0], b = x[1] - x[0] * x[0];
    g[0] = -2 * a - 400 * b * x[0];
    g[1] = 200 * b;
    return a * a + 100 * b * b;
}

static const double a[] = {1.6837192410248834, 0.6388816177035421, 1.2705613663962616, 0.6079330508717753};
static const double b[] = {0.3200490330916914, 0.47451555840410764, 0.4229743710516667, 0.4719860563851478};
static double quartic(const double *x, double *g) {
    double f = 0;
    for (int i = 0; i < 4; i++) {
        f += a[i] * x[i] * x[i] + b[i] * x[i] * x[i] * x[i] * x[i];
        g[i] = 2 * a[i] * x[i] + 4 * b[i] * x[i] * x[i] * x[i];
    }
    return f;
}

/* Minimum at 0; no number from x = -2 on. */
static double wall(const double *x, double *g) {
    g[0] = x[0] > -2 ? 1 - 1 / (x[0] + 2) : NAN;
    g[1] = 2 * x[1];
    return x[0] > -2 ? x[0] - log(x[0] + 2) + x[1] * x[1] : NAN;
}

static ag_status loss(void *user, double *value, ag_error *error) {
    task *t = user;
    if (++t->calls == t->fail_at) return ag_fail(error, AG_ERROR_IO, "the loss failed");
    double x[4], g[4];
    const int64_t n = ag_tensor_count(t->x);
    (void)ag_tensor_read_f64(t->x, x, n);
    nn_params_zero_grad(t->p);
    *value = t->f(x, g);
    for (int64_t i = 0; i < n; i++) test_set_grad(t->x, i, g[i]);
    return AG_OK;
}

static task task_new(ag_dtype dtype, int64_t n, const double *start, double (*f)(const double *, double *),
                     double lr, const nn_lbfgs_options *options) {
    task t = {.m = test_box(), .f = f};
    ck_assert_ptr_nonnull(nn_module_param(t.m, "x", 1, &n, nn_init_constant(0), NULL));
    t.p = nn_params_new(t.m, dtype, 1, NULL);
    t.x = nn_params_find(t.p, "x");
    ck_assert_int_eq(ag_tensor_write_f64(t.x, start, n), AG_OK);
    ag_error error = {0};
    t.o = nn_lbfgs(t.p, lr, options, &error);
    ck_assert_msg(t.o != NULL, "%s", error.message);
    return t;
}

static void task_free(task *t) {
    nn_optim_free(t->o);
    nn_params_free(t->p);
    nn_module_free(t->m);
}

static double step(task *t) {
    ag_error error = {0};
    double value = NAN;
    ck_assert_msg(nn_optim_step_with(t->o, loss, t, &value, &error) == AG_OK, "%s", error.message);
    return value;
}

static const double valley[] = {-1.2, 1};

/* torch.optim.LBFGS([x], max_iter=4, history_size=3, line_search_fn='strong_wolfe') in f64: x after each step, and
 * the evaluations so far. */
START_TEST(the_search_is_pytorchs) {
    static const double path[8][2] = {
        {-1.0288795348319695, 1.0655029516848564},  {-0.9349818277934958, 0.836452117556499},
        {-0.5378302256216367, 0.2961099017321947},  {-0.1840262449787795, 0.01909803365499923},
        {0.1835842386018427, 0.030527571732752817}, {0.4048890239726281, 0.15031689730910644},
        {0.6995074107996202, 0.4826245584543156},   {0.9036782267296991, 0.8152961125988512}};
    static const int evaluations[] = {5, 10, 16, 21, 26, 31, 36, 41};
    task t = task_new(AG_F64, 2, valley, rosenbrock, 1, &(nn_lbfgs_options){.max_iterations = 4, .history = 3});
    for (int k = 0; k < 8; k++) {
        const double before = step(&t);
        if (k == 0) ck_assert_double_eq_tol(before, 24.2, 1e-14);
        ck_assert_int_eq(t.calls, evaluations[k]);
        for (int i = 0; i < 2; i++) /* four iterations along the valley magnify a rounding about tenfold */
            ck_assert_double_eq_tol(ag_tensor_get(t.x, i), path[k][i], 1e-14 * pow(10, k));
    }
    ck_assert_int_eq(nn_optim_steps(t.o), 8);
    task_free(&t);
}
END_TEST

/* torch.optim.LBFGS([x], lr=0.3, max_iter=3). */
START_TEST(fixed_steps_are_pytorchs) {
    static const double start[] = {0.9469131449169097, -0.7951924455031368, 0.5268582606637694,
                                   0.5963821381692594};
    static const double path[4][4] = {
        {0.6377702169375085, -0.621885506664751, 0.3762148571595445, 0.48228274410422434},
        {0.3775556605384482, -0.43517725691923087, 0.21068742643067465, 0.3276536794107914},
        {0.20122492227898475, -0.28125537393134625, 0.10707856195492635, 0.2007678510323369},
        {0.1001034197780251, -0.16484508592823882, 0.05209372234393428, 0.11122657455696926}};
    for (int dtype = AG_F32; dtype <= AG_F64; dtype++) {
        task t = task_new((ag_dtype)dtype, 4, start, quartic, 0.3,
                          &(nn_lbfgs_options){.max_iterations = 3, .fixed_step = true});
        for (int k = 0; k < 4; k++) {
            (void)step(&t);
            for (int i = 0; i < 4; i++)
                ck_assert_double_eq_tol(ag_tensor_get(t.x, i), path[k][i], dtype == AG_F32 ? 1e-5 : 1e-12);
        }
        ck_assert_int_eq(t.calls, 12);
        task_free(&t);
    }
}
END_TEST

START_TEST(it_comes_to_the_bottom_of_the_valley) {
    for (int dtype = AG_F32; dtype <= AG_F64; dtype++) {
        task t = task_new((ag_dtype)dtype, 2, valley, rosenbrock, 1, NULL);
        for (int k = 0; k < 4; k++) (void)step(&t);
        for (int i = 0; i < 2; i++)
            ck_assert_double_eq_tol(ag_tensor_get(t.x, i), 1, dtype == AG_F32 ? 5e-3 : 1e-4);
        const int calls = t.calls; /* there it evaluates once, and stays */
        (void)step(&t);
        if (dtype == AG_F64) ck_assert_int_le(t.calls, calls + 2);
        task_free(&t);
    }
}
END_TEST

START_TEST(a_trial_behind_a_wall_is_shortened) {
    static const double start[] = {3, -1};
    task t = task_new(AG_F64, 2, start, wall, 40, NULL); /* the first trial, t = 40 / 2.8, is behind it */
    for (int k = 0; k < 4; k++) (void)step(&t);
    ck_assert_double_eq_tol(ag_tensor_get(t.x, 0), -1, 1e-6);
    ck_assert_double_eq_tol(ag_tensor_get(t.x, 1), 0, 1e-6);
    task_free(&t);
}
END_TEST

START_TEST(a_loss_that_fails_leaves_the_last_whole_iteration) {
    for (int k = 1; k <= 12; k++) {
        task t = task_new(AG_F64, 2, valley, rosenbrock, 1, NULL);
        t.fail_at = k;
        ag_error error = {0};
        ck_assert_int_eq(nn_optim_step_with(t.o, loss, &t, NULL, &error), AG_ERROR_IO);
        ck_assert_str_eq(error.message, "the loss failed");
        ck_assert_int_eq(nn_optim_steps(t.o), 0);
        double g[2], x[2];
        ck_assert_int_eq(ag_tensor_read_f64(t.x, x, 2), AG_OK);
        ck_assert_double_le(rosenbrock(x, g), 24.2 + 1e-12); /* never between two trials */
        if (k <= 2) ck_assert_mem_eq(x, valley, sizeof x);
        t.fail_at = 0;
        for (int s = 0; s < 4; s++) (void)step(&t); /* and it can go on */
        ck_assert_double_eq_tol(ag_tensor_get(t.x, 0), 1, 1e-4);
        task_free(&t);
    }
}
END_TEST

START_TEST(a_loss_that_is_no_number_at_the_start_is_an_error) {
    static const double behind[] = {-3, 0};
    task t = task_new(AG_F64, 2, behind, wall, 1, NULL);
    ag_error error = {0};
    ck_assert_int_eq(nn_optim_step_with(t.o, loss, &t, NULL, &error), AG_ERROR_NONFINITE);
    ck_assert_double_eq(ag_tensor_get(t.x, 0), -3);
    task_free(&t);
}
END_TEST

START_TEST(restored_state_goes_on_to_the_bit) {
    const nn_lbfgs_options options = {.max_iterations = 3, .history = 2};
    task one = task_new(AG_F64, 2, valley, rosenbrock, 1, &options);
    task two = task_new(AG_F64, 2, valley, rosenbrock, 1, &options);
    for (int k = 0; k < 3; k++) (void)step(&one);
    memcpy(ag_tensor_write(two.x), ag_tensor_data(one.x), 2 * sizeof(double));
    ck_assert_uint_eq(nn_optim_state_count(one.o), 5);
    for (size_t i = 0; i < nn_optim_state_count(one.o); i++) {
        const ag_tensor *from = nn_optim_state(one.o, i);
        memcpy(ag_tensor_write(nn_optim_state(two.o, i)), ag_tensor_data(from),
               ag_meta_bytes(ag_tensor_meta(from)));
    }
    for (size_t i = 0; i < nn_optim_number_count(one.o); i++)
        ck_assert_int_eq(nn_optim_set_number(two.o, i, nn_optim_number(one.o, i), NULL), AG_OK);
    for (int k = 0; k < 3; k++) {
        (void)step(&one);
        (void)step(&two);
        ck_assert_mem_eq(ag_tensor_data(one.x), ag_tensor_data(two.x), 2 * sizeof(double));
    }
    for (size_t i = 2; i < nn_optim_number_count(one.o); i++)
        ck_assert_int_eq(nn_optim_set_number(two.o, i, NAN, NULL), AG_ERROR_VALUE);
    ck_assert_str_eq(nn_optim_number_name(two.o, 3), "pairs");
    ck_assert_int_eq(nn_optim_set_number(two.o, 3, 3, NULL), AG_ERROR_VALUE); /* history is 2 */
    task_free(&one);
    task_free(&two);
}
END_TEST

START_TEST(what_it_cannot_do_is_refused) {
    task t = task_new(AG_F32, 2, valley, rosenbrock, 1, NULL);
    ck_assert_int_eq(nn_optim_step(t.o, NULL), AG_ERROR_STATE);
    ck_assert_int_eq(nn_optim_group(t.o, &(nn_group){.pattern = "*"}, NULL), AG_ERROR_STATE);
    nn_optim_set_lr(t.o, NAN);
    ck_assert_int_eq(nn_optim_step_with(t.o, loss, &t, NULL, NULL), AG_ERROR_VALUE);
    ck_assert_int_eq(t.calls, 0);
    const nn_lbfgs_options bad[] = {{.max_iterations = -1},
                                    {.max_evaluations = -1},
                                    {.tolerance_grad = -1},
                                    {.history = -1},
                                    {.tolerance_change = NAN}};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        ag_error error = {0};
        ck_assert_ptr_null(nn_lbfgs(t.p, 1, &bad[k], &error));
        ck_assert_int_eq(error.status, AG_ERROR_VALUE);
    }
    ag_error error = {0};
    ck_assert_ptr_null(nn_lbfgs(t.p, 1, &(nn_lbfgs_options){.history = INT64_MAX}, &error));
    ck_assert_int_ne(error.status, AG_OK);
    task_free(&t);
}
END_TEST

START_TEST(every_rule_can_step_with_a_loss) {
    task t = task_new(AG_F64, 2, valley, rosenbrock, 1, NULL);
    nn_optim_free(t.o);
    t.o = nn_sgd(t.p, 1e-3, 0, NULL);
    ck_assert_double_eq_tol(step(&t), 24.2, 1e-14);
    ck_assert_int_eq(nn_optim_steps(t.o), 1);
    ck_assert_double_eq_tol(ag_tensor_get(t.x, 0), -1.2 + 1e-3 * 215.6, 1e-12);
    t.fail_at = 2;
    ck_assert_int_eq(nn_optim_step_with(t.o, loss, &t, NULL, NULL), AG_ERROR_IO);
    ck_assert_int_eq(nn_optim_steps(t.o), 1);
    task_free(&t);
}
END_TEST

static task *shared;
static bool make_and_step(void) {
    ag_error error = {0};
    nn_optim *o = nn_lbfgs(shared->p, 1, &(nn_lbfgs_options){.history = 2}, &error);
    bool ok = o && nn_optim_step_with(o, loss, shared, NULL, &error) == AG_OK;
    if (!ok) ck_assert_int_eq(error.status, AG_ERROR_MEMORY);
    nn_optim_free(o);
    return ok;
}

START_TEST(every_failed_allocation_is_reported_and_leaves_nothing) {
    task t = task_new(AG_F64, 2, valley, rosenbrock, 1, NULL);
    shared = &t;
    test_every_allocation(make_and_step);
    task_free(&t);
}
END_TEST

Suite *lbfgs_suite(void) {
    Suite *s = suite_create("lbfgs");
    TCase *tc = tcase_create("lbfgs");
    tcase_add_test(tc, the_search_is_pytorchs);
    tcase_add_test(tc, fixed_steps_are_pytorchs);
    tcase_add_test(tc, it_comes_to_the_bottom_of_the_valley);
    tcase_add_test(tc, a_trial_behind_a_wall_is_shortened);
    tcase_add_test(tc, a_loss_that_fails_leaves_the_last_whole_iteration);
    tcase_add_test(tc, a_loss_that_is_no_number_at_the_start_is_an_error);
    tcase_add_test(tc, restored_state_goes_on_to_the_bit);
    tcase_add_test(tc, what_it_cannot_do_is_refused);
    tcase_add_test(tc, every_rule_can_step_with_a_loss);
    tcase_add_test(tc, every_failed_allocation_is_reported_and_leaves_nothing);
    suite_add_tcase(s, tc);
    return s;
}
