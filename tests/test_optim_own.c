/* optim_own: a user's rule is an optimiser like the others - it steps, follows schedules, has groups, and is saved. */
#define _DEFAULT_SOURCE 1 /* folder.h: mkdtemp, seteuid */
#include "nn_support.h"

#include "support/folder.h"

#include <math.h>

/* ---- heavy ball, elementwise: v' = m v + g, p' = p - lr v' ------------------------------------------------------ */

typedef struct ball_attrs {
    double lr, momentum;
    int64_t step;
} ball_attrs;

static ag_status like_p(const ag_query *q, ag_meta *out) {
    for (uint32_t k = 0; k < q->op->outputs; k++) out[k] = *q->in[0];
    return AG_OK;
}

static int64_t last_step;

static ag_status ball_forward(const ag_eval *e) {
    const ball_attrs *a = e->attrs;
    const double *p = e->in[0].data, *g = e->in[1].data, *v = e->in[2].data;
    double *p_new = e->out[0].data, *v_new = e->out[1].data;
    last_step = a->step;
    for (int64_t i = 0; i < ag_meta_count(e->in[0].meta); i++) {
        v_new[i] = a->momentum * v[i] + g[i];
        p_new[i] = p[i] - a->lr * v_new[i];
    }
    return AG_OK;
}

static void ball_attributes(void *user, double lr, int64_t step, void *attrs) {
    *(ball_attrs *)attrs = (ball_attrs){lr, *(const double *)user, step};
}

static const uint8_t missing[] = {AG_GRAD_MISSING};
static const ag_op ball = {.name = "test_ball_update",
                           .formula = "v' = m v + g, p' = p - lr v'",
                           .min_in = 3,
                           .max_in = 3,
                           .outputs = 2,
                           .grad = missing,
                           .n_grad = 1,
                           .traits = AG_TRAIT_ELEMENTWISE,
                           .attr_size = sizeof(ball_attrs),
                           .infer = like_p,
                           .forward = ball_forward};
static const char *const ball_state[] = {"velocity"};
static double momentum = 0.75;
static const nn_rule ball_rule = {&ball, ball_state, 1, ball_attributes, &momentum};

/* ---- one step of length 1 against each parameter's gradient, not elementwise ------------------------------------- */

static ag_status unit_forward(const ag_eval *e) {
    const double *p = e->in[0].data, *g = e->in[1].data;
    double *p_new = e->out[0].data, sum = 0;
    ck_assert_ptr_ne(p, p_new);
    for (int64_t i = 0; i < ag_meta_count(e->in[0].meta); i++) sum += g[i] * g[i];
    for (int64_t i = 0; i < ag_meta_count(e->in[0].meta); i++) p_new[i] = p[i] - (sum > 0 ? g[i] / sqrt(sum) : 0);
    return AG_OK;
}

static const ag_op unit = {.name = "test_unit_update",
                           .formula = "p' = p - g / |g|",
                           .min_in = 2,
                           .max_in = 2,
                           .outputs = 1,
                           .grad = missing,
                           .n_grad = 1,
                           .infer = like_p,
                           .forward = unit_forward};

/* ---- networks ---------------------------------------------------------------------------------------------------- */

typedef struct task {
    nn_module *net;
    nn_params *params;
    nn_optim *optim;
} task;

static task task_new(bool ours) {
    ag_error error = {0};
    task k = {.net = nn_mlp((const int64_t[]){2, 5, 2}, 3, NN_TANH, NULL, &error)};
    k.params = nn_params_new(k.net, AG_F64, 1, &error);
    k.optim = ours ? nn_optim_of(k.params, 0.1, &ball_rule, &error) : nn_sgd(k.params, 0.1, momentum, &error);
    ck_assert_msg(k.optim != NULL, "%s", error.message);
    return k;
}

static void task_free(task *k) {
    nn_optim_free(k->optim);
    nn_params_free(k->params);
    nn_module_free(k->net);
}

static void train(task *k, int64_t first, int64_t epochs) {
    ag_error error = {0};
    nn_dataset moons;
    nn_history history = {0};
    const nn_schedule schedule = nn_schedule_cosine(0.1, 40, 0.01);
    ck_assert_int_eq(nn_dataset_moons(100, 0.1, 1, &moons, &error), AG_OK);
    const nn_fit_options options = {
        .train = &moons, .loss = nn_cross_entropy, .first = first, .epochs = epochs, .schedule = &schedule};
    ck_assert_msg(nn_fit(k->net, k->params, k->optim, &options, &history, &error) == AG_OK, "%s", error.message);
    nn_history_clear(&history);
    nn_dataset_clear(&moons);
}

static void same(const task *x, const task *y) {
    const ag_tensor *a = nn_params_slab(x->params), *b = nn_params_slab(y->params);
    for (int64_t i = 0; i < ag_tensor_count(a); i++)
        ck_assert_double_eq_tol(ag_tensor_get(a, i), ag_tensor_get(b, i), 1e-14);
}

START_TEST(a_rule_of_ones_own_does_what_the_built_in_one_does) {
    task ours = task_new(true), theirs = task_new(false);
    for (int i = 0; i < 2; i++) {
        nn_optim *o = i ? ours.optim : theirs.optim;
        ck_assert_int_eq(nn_optim_group(o, &(const nn_group){.pattern = "*.bias", .lr_scale = 0.5}, NULL), AG_OK);
    }
    train(&ours, 0, 5);
    train(&theirs, 0, 5);
    same(&ours, &theirs);
    ck_assert_int_eq(nn_optim_steps(ours.optim), 5 * 4);
    ck_assert_int_eq(last_step, 5 * 4);
    ck_assert_ptr_eq(ag_op_find("test_ball_update"), &ball);
    ck_assert(isnan(nn_optim_momentum(ours.optim))); /* its constants are its author's */
    ck_assert_int_eq(nn_optim_group(ours.optim, &(const nn_group){.pattern = "*", .beta1 = 0.5}, NULL),
                     AG_ERROR_VALUE);
    task_free(&ours);
    task_free(&theirs);
}
END_TEST

START_TEST(its_state_is_saved_and_restored) {
    folder_make();
    task whole = task_new(true), first = task_new(true), second = task_new(true);
    ag_error error = {0};
    train(&whole, 0, 6);
    train(&first, 0, 3);
    ck_assert_str_eq(nn_optim_state_name(first.optim, 0), "velocity");
    const nn_checkpoint save = {.params = first.params, .optim = first.optim};
    const nn_checkpoint load = {.params = second.params, .optim = second.optim};
    ck_assert_msg(nn_checkpoint_save(&save, in_folder("run"), &error) == AG_OK, "%s", error.message);
    ck_assert_msg(nn_checkpoint_load(&load, in_folder("run"), &error) == AG_OK, "%s", error.message);
    train(&second, 3, 6);
    const ag_tensor *a = nn_params_slab(whole.params), *b = nn_params_slab(second.params);
    ck_assert_mem_eq(ag_tensor_data(a), ag_tensor_data(b), ag_meta_bytes(ag_tensor_meta(a)));
    task_free(&whole);
    task_free(&first);
    task_free(&second);
    folder_remove();
}
END_TEST

START_TEST(one_that_is_not_elementwise_sees_each_parameter_by_itself) {
    ag_error error = {0};
    nn_module *net = nn_linear_with(2, 1, nn_init_constant(0), true, nn_init_constant(0), &error);
    nn_params *params = nn_params_new(net, AG_F64, 1, &error);
    nn_optim *o = nn_optim_of(params, 1, &(const nn_rule){.op = &unit}, &error);
    ck_assert_msg(o != NULL, "%s", error.message);
    ag_tape *t = ag_tape_new(NULL);
    nn_pass pass = {t, true};
    const ag_value x = ag_array_constant(t, AG_F64, 1, (const int64_t[]){2}, (const double[]){3, 4});
    ck_assert_int_eq(ag_backward(ag_sum_all(nn_forward(net, &pass, x))), AG_OK); /* 3, 4; 1 */
    ck_assert_msg(nn_optim_step(o, &error) == AG_OK, "%s", error.message);
    ck_assert_double_eq_tol(ag_tensor_get(nn_params_find(params, "weight"), 0), -0.6, 1e-15);
    ck_assert_double_eq_tol(ag_tensor_get(nn_params_find(params, "weight"), 1), -0.8, 1e-15);
    ck_assert_double_eq(ag_tensor_get(nn_params_find(params, "bias"), 0), -1);
    ag_tape_free(t);
    nn_optim_free(o);
    nn_params_free(params);
    nn_module_free(net);
}
END_TEST

START_TEST(a_rule_that_does_not_fit_is_refused) {
    task k = task_new(true);
    ag_op large = ball, clash = ball;
    large.attr_size = 136;
    clash.formula = "another of the same name";
    const nn_rule bad[] = {{.op = NULL},
                           {&ball, NULL, 1, ball_attributes, NULL},
                           {&ball, ball_state, 0, ball_attributes, NULL},
                           {&ball, ball_state, 4, ball_attributes, NULL},
                           {&ball, ball_state, 1, NULL, NULL},
                           {&unit, NULL, 0, ball_attributes, NULL},
                           {&large, ball_state, 1, ball_attributes, NULL}};
    ag_error error = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        error = (ag_error){0};
        ck_assert_ptr_null(nn_optim_of(k.params, 0.1, &bad[i], &error));
        ck_assert_int_eq(error.status, AG_ERROR_VALUE);
    }
    ck_assert_ptr_null(nn_optim_of(k.params, NAN, &ball_rule, &error));
    ck_assert_ptr_null(nn_optim_of(k.params, 0.1, NULL, &error));
    const nn_rule taken = {&clash, ball_state, 1, ball_attributes, NULL};
    error = (ag_error){0};
    ck_assert_ptr_null(nn_optim_of(k.params, 0.1, &taken, &error));
    ck_assert_int_eq(error.status, AG_ERROR_NAME);
    error = (ag_error){0};
    ck_assert_ptr_null(nn_optim_of(NULL, 0.1, &ball_rule, &error));
    ck_assert_int_eq(error.status, AG_ERROR_VALUE);
    task_free(&k);
}
END_TEST

static task shared;

static bool make(void) {
    ag_error error = {0};
    nn_optim *o = nn_optim_of(shared.params, 0.1, &ball_rule, &error);
    nn_optim *apart = o ? nn_optim_of(shared.params, 0.1, &(const nn_rule){.op = &unit}, &error) : NULL;
    if (!apart) ck_assert_int_eq(error.status, AG_ERROR_MEMORY);
    const bool made = apart != NULL;
    nn_optim_free(apart);
    nn_optim_free(o);
    return made;
}

START_TEST(every_failed_allocation_is_reported_and_leaves_nothing) {
    counting_allocator_install();
    shared = task_new(true);
    test_every_allocation(make);
    task_free(&shared);
}
END_TEST

Suite *optim_own_suite(void) {
    Suite *s = suite_create("optim_own");
    TCase *tc = tcase_create("optim_own");
    tcase_add_test(tc, a_rule_of_ones_own_does_what_the_built_in_one_does);
    tcase_add_test(tc, its_state_is_saved_and_restored);
    tcase_add_test(tc, one_that_is_not_elementwise_sees_each_parameter_by_itself);
    tcase_add_test(tc, a_rule_that_does_not_fit_is_refused);
    tcase_add_test(tc, every_failed_allocation_is_reported_and_leaves_nothing);
    suite_add_tcase(s, tc);
    return s;
}
