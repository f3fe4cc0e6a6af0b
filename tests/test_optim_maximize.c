/* optim_maximize: going up. Numbers are those of PyTorch 1.13 with maximize = True, in f64. */
#define _GNU_SOURCE 1 /* folder.h: mkdtemp, seteuid; O_TMPFILE */
#include "nn_support.h"

#include "support/folder.h"

typedef struct bench {
    nn_module *m;
    nn_params *p; /* "w" and "v", (2) each, from 1 and -1/2 */
    nn_optim *o;
} bench;

static bench bench_new(ag_dtype dtype) {
    const int64_t two = 2;
    bench x = {.m = test_box()};
    ck_assert_ptr_nonnull(nn_module_param(x.m, "w", 1, &two, nn_init_constant(1), NULL));
    ck_assert_ptr_nonnull(nn_module_param(x.m, "v", 1, &two, nn_init_constant(1), NULL));
    x.p = nn_params_new(x.m, dtype, 1, NULL);
    ck_assert_ptr_nonnull(x.p);
    for (size_t i = 0; i < 2; i++) ck_assert_int_eq(ag_tensor_set(nn_params_tensor(x.p, i), 1, -0.5), AG_OK);
    return x;
}

static void bench_free(bench *x) {
    nn_optim_free(x->o);
    nn_params_free(x->p);
    nn_module_free(x->m);
}

/* The gradient of sum_i sign a_i (x_i - 1/4)^2, a = (1, 2), at every parameter. */
static void set_gradient(bench *x, double sign) {
    for (size_t i = 0; i < 2; i++) {
        ag_tensor *t = nn_params_tensor(x->p, i);
        for (int k = 0; k < 2; k++) test_set_grad(t, k, sign * 2 * (k + 1) * (ag_tensor_get(t, k) - 0.25));
    }
}

static void steps(bench *x, int n, double sign) {
    ag_error error = {0};
    for (int s = 0; s < n; s++) {
        set_gradient(x, sign);
        ck_assert_msg(nn_optim_step(x->o, &error) == AG_OK, "%s", error.message);
    }
}

enum { RULES = 12 };
static nn_optim *make(int rule, nn_params *p) {
    const nn_sgd_options rolls = {.momentum = 0.9, .weight_decay = 0.1},
                         looks = {.momentum = 0.9, .nesterov = true};
    switch (rule) {
    case 0: return nn_sgd_with(p, 0.1, &rolls, NULL);
    case 1: return nn_sgd_with(p, 0.1, &looks, NULL);
    case 2: return nn_adam_with(p, 0.1, &(nn_adam_options){.weight_decay = 0.1, .amsgrad = true}, NULL);
    case 3: return nn_adamw(p, 0.1, &(nn_adam_options){.weight_decay = 0.1}, NULL);
    case 4: return nn_rmsprop(p, 0.1, &(nn_rmsprop_options){.momentum = 0.5, .centered = true}, NULL);
    case 5: return nn_adagrad(p, 0.1, &(nn_adagrad_options){.weight_decay = 0.1}, NULL);
    case 6: return nn_adadelta(p, 1, NULL, NULL);
    case 7: return nn_adamax(p, 0.1, &(nn_adamax_options){.weight_decay = 0.1}, NULL);
    case 8: return nn_rprop(p, 0.1, NULL, NULL);
    case 9: return nn_nadam(p, 0.1, NULL, NULL); /* from here on without maximize in PyTorch 1.13, or not there */
    case 10: return nn_lion(p, 0.1, NULL, NULL);
    default: return nn_lamb(p, 0.1, NULL, NULL);
    }
}

START_TEST(five_steps_up_are_those_of_pytorch) {
    static const double expected[9][2] = {
        {-0.22987939360000015, 0.7750900180500001},  {-0.06178818560000004, 0.3738518511999999},
        {0.5125185002646987, -0.013055164918622658}, {0.4757739411151176, 0.0009309862723592549},
        {0.3507494363075517, 0.14925057456729504},   {0.7050888721848013, -0.20586091965767023},
        {0.9836528304071182, -0.4836528022835739},   {0.5671642065877658, -0.06872958219561516},
        {0.25584000000000007, 0.2441599999999999}};
    bench x = bench_new(AG_F64);
    x.o = make(_i, x.p);
    ck_assert_int_eq(nn_optim_maximize(x.o, true, NULL), AG_OK);
    steps(&x, 5, -1); /* the objective is concave */
    for (size_t i = 0; i < 2; i++)
        for (int k = 0; k < 2; k++)
            ck_assert_double_eq_tol(ag_tensor_get(nn_params_tensor(x.p, i), k), expected[_i][k], 1e-12);
    bench_free(&x);
}
END_TEST

START_TEST(going_up_has_the_bits_of_going_down_the_negated_objective) {
    for (int dtype = AG_F32; dtype <= AG_F64; dtype++) {
        bench down = bench_new((ag_dtype)dtype), up = bench_new((ag_dtype)dtype);
        down.o = make(_i, down.p);
        up.o = make(_i, up.p);
        ck_assert_int_eq(nn_optim_maximize(up.o, true, NULL), AG_OK);
        steps(&down, 4, 1);
        steps(&up, 4, -1);
        const ag_tensor *a = nn_params_slab(down.p), *b = nn_params_slab(up.p);
        for (int64_t k = 0; k < ag_tensor_count(a); k++)
            ck_assert_double_eq(ag_tensor_get(a, k), ag_tensor_get(b, k));
        bench_free(&down);
        bench_free(&up);
    }
}
END_TEST

START_TEST(a_step_up_leaves_the_gradient_as_it_was) {
    bench x = bench_new(AG_F64);
    x.o = nn_sgd(x.p, 0.5, 0, NULL);
    ck_assert_int_eq(nn_optim_maximize(x.o, true, NULL), AG_OK);
    steps(&x, 1, 1);
    ck_assert_double_eq(ag_tensor_grad_get(nn_params_tensor(x.p, 1), 0), 1.5);
    ck_assert_double_eq(ag_tensor_get(nn_params_tensor(x.p, 1), 0), 1.75);
    ck_assert_int_eq(nn_optim_maximize(x.o, false, NULL), AG_OK);
    steps(&x, 1, 1); /* down again, from 7/4 with slope 3 */
    ck_assert_double_eq(ag_tensor_get(nn_params_tensor(x.p, 1), 0), 0.25);
    bench_free(&x);
}
END_TEST

START_TEST(a_group_goes_up_while_the_others_go_down) {
    bench x = bench_new(AG_F64);
    x.o = nn_sgd(x.p, 0.5, 0, NULL);
    ck_assert_int_eq(nn_optim_group(x.o, &(nn_group){.pattern = "v", .maximize = true}, NULL), AG_OK);
    steps(&x, 1, 1);
    ck_assert_double_eq(ag_tensor_get(nn_params_find(x.p, "w"), 0), 0.25);
    ck_assert_double_eq(ag_tensor_get(nn_params_find(x.p, "v"), 0), 1.75);
    ck_assert_double_eq(ag_tensor_grad_get(nn_params_find(x.p, "v"), 0), 1.5);
    ck_assert_int_eq(nn_optim_maximize(x.o, true, NULL), AG_OK);
    ck_assert_int_eq(nn_optim_group(x.o, &(nn_group){.pattern = "w"}, NULL), AG_OK); /* a later group goes along */
    steps(&x, 1, 1);
    ck_assert_double_eq(ag_tensor_get(nn_params_find(x.p, "w"), 0), 0.25);
    ck_assert_double_eq(ag_tensor_get(nn_params_find(x.p, "w"), 1), 2.5); /* from 1, up a slope of 3 */
    bench_free(&x);
}
END_TEST

START_TEST(lbfgs_only_goes_down) {
    bench x = bench_new(AG_F64);
    x.o = nn_lbfgs(x.p, 1, NULL, NULL);
    ag_error error = {0};
    ck_assert_int_eq(nn_optim_maximize(x.o, true, &error), AG_ERROR_STATE);
    ck_assert_ptr_nonnull(strstr(error.message, "nn_optim_maximize"));
    bench_free(&x);
}
END_TEST

START_TEST(a_checkpoint_of_going_down_is_not_taken_up) {
    bench x = bench_new(AG_F64);
    x.o = nn_adam(x.p, 0.1, NULL);
    const nn_checkpoint run = {.params = x.p, .optim = x.o};
    const char *path = in_folder("run.safetensors");
    ag_error error = {0};
    ck_assert_int_eq(nn_checkpoint_save(&run, path, &error), AG_OK);
    ck_assert_int_eq(nn_optim_maximize(x.o, true, NULL), AG_OK);
    ck_assert_int_eq(nn_checkpoint_load(&run, path, &error), AG_ERROR_FORMAT);
    ck_assert_msg(strstr(error.message, "should be nn_adam_update maximize") != NULL, "%s", error.message);
    bench_free(&x);
}
END_TEST

Suite *optim_maximize_suite(void) {
    Suite *s = suite_create("optim_maximize");
    TCase *tc = tcase_create("optim_maximize");
    tcase_add_checked_fixture(tc, folder_make, folder_remove);
    tcase_add_loop_test(tc, five_steps_up_are_those_of_pytorch, 0, 9);
    tcase_add_loop_test(tc, going_up_has_the_bits_of_going_down_the_negated_objective, 0, RULES);
    tcase_add_test(tc, a_step_up_leaves_the_gradient_as_it_was);
    tcase_add_test(tc, a_group_goes_up_while_the_others_go_down);
    tcase_add_test(tc, lbfgs_only_goes_down);
    tcase_add_test(tc, a_checkpoint_of_going_down_is_not_taken_up);
    suite_add_tcase(s, tc);
    return s;
}
