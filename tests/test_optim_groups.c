/* optim_groups: constants for some of the parameters. */
#include "nn_support.h"

#include <math.h>

/* Parameters a.weight (3), a.bias (2), b.weight (20), b.bias (2), all elements 1, gradients 1. */
enum { PARAMS = 4 };
typedef struct bench {
    nn_module *m;
    nn_params *p;
    nn_optim *o;
} bench;

static bench bench_new(ag_dtype dtype) {
    const int64_t three = 3, two = 2, twenty = 20;
    bench x = {.m = test_box()};
    for (int k = 0; k < 2; k++) {
        nn_module *child = test_box();
        ck_assert_ptr_nonnull(
            nn_module_param(child, "weight", 1, k ? &twenty : &three, nn_init_constant(1), NULL));
        ck_assert_ptr_nonnull(nn_module_param(child, "bias", 1, &two, nn_init_constant(1), NULL));
        ck_assert_int_eq(nn_module_child(x.m, k ? "b" : "a", child, NULL), AG_OK);
    }
    x.p = nn_params_new(x.m, dtype, 1, NULL);
    ck_assert_ptr_nonnull(x.p);
    return x;
}

static void bench_free(bench *x) {
    nn_optim_free(x->o);
    nn_params_free(x->p);
    nn_module_free(x->m);
}

static void step(bench *x) {
    for (size_t i = 0; i < PARAMS; i++) {
        ag_tensor *t = nn_params_tensor(x->p, i);
        for (int64_t k = 0; k < ag_tensor_count(t); k++) test_set_grad(t, k, 1);
    }
    ag_error error = {0};
    ck_assert_msg(nn_optim_step(x->o, &error) == AG_OK, "%s", error.message);
}

static double value(const bench *x, const char *path) { return ag_tensor_get(nn_params_find(x->p, path), 1); }

START_TEST(a_group_has_a_rate_and_a_decay_of_its_own) {
    bench x = bench_new(AG_F64);
    x.o = nn_sgd_with(x.p, 0.5, &(nn_sgd_options){.weight_decay = 0.5}, NULL);
    ck_assert_int_eq(nn_optim_group(x.o, &(nn_group){.pattern = "*.bias", .weight_decay = NN_ZERO}, NULL), AG_OK);
    const char *const names[] = {"b.weight"};
    ck_assert_int_eq(nn_optim_group(x.o, &(nn_group){.names = names, .name_count = 1, .lr_scale = 0.5}, NULL),
                     AG_OK);
    ck_assert_uint_eq(nn_optim_group_count(x.o), 2);
    ck_assert_uint_eq(nn_optim_group_of(x.o, "a.weight"), 0);
    ck_assert_uint_eq(nn_optim_group_of(x.o, "b.bias"), 1);
    ck_assert_uint_eq(nn_optim_group_of(x.o, "b.weight"), 2);
    ck_assert_uint_eq(nn_optim_group_of(x.o, "c"), SIZE_MAX);
    step(&x);
    ck_assert_double_eq(value(&x, "a.weight"), 1 - 0.5 * 1.5);
    ck_assert_double_eq(value(&x, "a.bias"), 0.5);
    ck_assert_double_eq(value(&x, "b.weight"), 1 - 0.25 * 1.5);
    ck_assert_double_eq(value(&x, "b.bias"), 0.5);
    nn_optim_set_lr(x.o, 1); /* scales all alike */
    ck_assert_double_eq(nn_optim_group_lr(x.o, 0), 1);
    ck_assert_double_eq(nn_optim_group_lr(x.o, 1), 1);
    ck_assert_double_eq(nn_optim_group_lr(x.o, 2), 0.5);
    ck_assert(isnan(nn_optim_group_lr(x.o, 3)));
    bench_free(&x);
}
END_TEST

START_TEST(groups_that_change_nothing_give_the_same_bits) {
    for (int dtype = AG_F32; dtype <= AG_F64; dtype++) {
        for (int rule = 0; rule < 3; rule++) {
            bench x[2];
            for (int k = 0; k < 2; k++) {
                x[k] = bench_new((ag_dtype)dtype);
                x[k].o = rule == 0   ? nn_adam(x[k].p, 0.1, NULL)
                         : rule == 1 ? nn_nadam(x[k].p, 0.1, NULL, NULL)
                                     : nn_lamb(x[k].p, 0.1, NULL, NULL);
                if (k) {
                    ck_assert_int_eq(nn_optim_group(x[k].o, &(nn_group){.pattern = "?.bias"}, NULL), AG_OK);
                    ck_assert_int_eq(nn_optim_group(x[k].o, &(nn_group){.pattern = "b*"}, NULL), AG_OK);
                }
                for (int s = 0; s < 4; s++) step(&x[k]);
            }
            const ag_tensor *slab = nn_params_slab(x[0].p);
            ck_assert_mem_eq(ag_tensor_data(slab), ag_tensor_data(nn_params_slab(x[1].p)),
                             ag_meta_bytes(ag_tensor_meta(slab)));
            for (int k = 0; k < 2; k++) bench_free(&x[k]);
        }
    }
}
END_TEST

START_TEST(betas_are_a_groups_own_and_frozen_is_frozen) {
    bench x = bench_new(AG_F64);
    x.o = nn_adam_with(x.p, 0.5, &(nn_adam_options){.beta1 = 0.5, .beta2 = 0.75, .eps = NN_ZERO}, NULL);
    ck_assert_int_eq(nn_optim_group(x.o, &(nn_group){.pattern = "a.*", .beta1 = 0.25, .beta2 = 0.5}, NULL), AG_OK);
    ck_assert_int_eq(nn_optim_group(x.o, &(nn_group){.pattern = "b.bias", .lr_scale = NN_ZERO}, NULL), AG_OK);
    const uint64_t version = ag_tensor_version(nn_params_find(x.p, "a.bias"));
    step(&x);
    ck_assert_uint_ne(ag_tensor_version(nn_params_find(x.p, "a.bias")), version);
    ck_assert_double_eq(value(&x, "b.bias"), 1);
    ck_assert_double_eq(ag_tensor_get(nn_optim_state(x.o, 0), 0), 0.75); /* m of a.weight: 1 - beta1 */
    ck_assert_double_eq(ag_tensor_get(nn_optim_state(x.o, 1), 0), 0.5);
    bench_free(&x);
}
END_TEST

START_TEST(the_numbers_of_groups_are_state) {
    bench x = bench_new(AG_F64);
    x.o = nn_nadam(x.p, 0.5, NULL, NULL);
    const size_t before = nn_optim_number_count(x.o);
    ck_assert_int_eq(nn_optim_group(x.o, &(nn_group){.pattern = "a.*", .lr_scale = 0.25}, NULL), AG_OK);
    const size_t n = nn_optim_number_count(x.o);
    ck_assert_uint_eq(n, before + 5);
    ck_assert_str_eq(nn_optim_number_name(x.o, before), "group.1.lr_scale");
    ck_assert_str_eq(nn_optim_number_name(x.o, n - 1), "group.1.mu_product");
    ck_assert_double_eq(nn_optim_number(x.o, before), 0.25);
    step(&x);
    ck_assert_double_lt(nn_optim_number(x.o, n - 1), 0.5); /* 0.9 (1 - 0.96^0.004 / 2) */
    ck_assert_double_eq(nn_optim_number(x.o, n - 1), nn_optim_number(x.o, before - 1));
    ck_assert_int_eq(nn_optim_set_number(x.o, before, 0.5, NULL), AG_OK);
    ck_assert_double_eq(nn_optim_group_lr(x.o, 1), 0.25);
    ck_assert_int_eq(nn_optim_set_number(x.o, before, -1, NULL), AG_ERROR_VALUE);
    ck_assert_int_eq(nn_optim_set_number(x.o, before + 2, 2, NULL), AG_ERROR_VALUE);
    ck_assert_int_eq(nn_optim_set_number(x.o, n, 0, NULL), AG_ERROR_INDEX);
    bench_free(&x);
}
END_TEST

START_TEST(patterns_are_matched_whole) {
    static const struct {
        const char *pattern;
        int of[PARAMS]; /* a.weight, a.bias, b.weight, b.bias */
    } cases[] = {
        {"*", {1, 1, 1, 1}},      {"a*", {1, 1, 0, 0}},        {"*s", {0, 1, 0, 1}},
        {"?.bias", {0, 1, 0, 1}}, {"*.b?as", {0, 1, 0, 1}},    {"b.*t", {0, 0, 1, 0}},
        {"*i*i*", {0, 0, 0, 0}},  {"a.weigh", {0, 0, 0, 0}},   {"a.weight", {1, 0, 0, 0}},
        {"", {0, 0, 0, 0}},       {"**w*g*t**", {1, 0, 1, 0}}, {"a.weight?", {0, 0, 0, 0}},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        bench x = bench_new(AG_F32);
        x.o = nn_sgd(x.p, 0.1, 0, NULL);
        int any = 0;
        for (size_t i = 0; i < PARAMS; i++) any |= cases[k].of[i];
        const ag_status status = nn_optim_group(x.o, &(nn_group){.pattern = cases[k].pattern}, NULL);
        ck_assert_msg(status == (any ? AG_OK : AG_ERROR_NAME), "%s", cases[k].pattern);
        for (size_t i = 0; i < PARAMS; i++)
            ck_assert_msg(nn_optim_group_of(x.o, nn_params_name(x.p, i)) == (size_t)cases[k].of[i], "%s",
                          cases[k].pattern);
        bench_free(&x);
    }
}
END_TEST

START_TEST(what_cannot_be_a_group_is_refused_and_changes_nothing) {
    bench x = bench_new(AG_F32);
    x.o = nn_sgd(x.p, 0.1, 0, NULL);
    const char *const names[] = {"a.bias", "nothing"};
    const nn_group bad[] = {
        {.lr_scale = 1},
        {.pattern = "*", .lr_scale = -1},
        {.pattern = "*", .weight_decay = NAN},
        {.pattern = "*", .beta1 = 0.5}, /* no momentum is kept */
        {.pattern = "*", .beta2 = 0.5},
        {.names = names, .name_count = 2},
    };
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        ag_error error = {0};
        ck_assert_int_eq(nn_optim_group(x.o, &bad[k], &error), k == 5 ? AG_ERROR_NAME : AG_ERROR_VALUE);
        ck_assert_uint_eq(nn_optim_group_count(x.o), 0);
        ck_assert_uint_eq(nn_optim_group_of(x.o, "a.bias"), 0);
    }
    bench_free(&x);
    x = bench_new(AG_F32);
    x.o = nn_adam(x.p, 0.1, NULL);
    ck_assert_int_eq(nn_optim_group(x.o, &(nn_group){.pattern = "*", .beta2 = 1}, NULL), AG_ERROR_VALUE);
    bench_free(&x);
}
END_TEST

static nn_params *shared;
static bool make_groups_and_step(void) {
    ag_error error = {0};
    nn_optim *o = nn_lamb(shared, 0.1, NULL, &error);
    bool ok = o && nn_optim_group(o, &(nn_group){.pattern = "*.bias", .lr_scale = 2}, &error) == AG_OK &&
              nn_optim_group(o, &(nn_group){.pattern = "a.*"}, &error) == AG_OK &&
              nn_optim_step(o, &error) == AG_OK;
    if (!ok) ck_assert_int_eq(error.status, AG_ERROR_MEMORY);
    nn_optim_free(o);
    return ok;
}

START_TEST(every_failed_allocation_is_reported_and_leaves_nothing) {
    bench x = bench_new(AG_F32);
    shared = x.p;
    test_every_allocation(make_groups_and_step);
    bench_free(&x);
}
END_TEST

Suite *optim_groups_suite(void) {
    Suite *s = suite_create("optim_groups");
    TCase *tc = tcase_create("optim_groups");
    tcase_add_test(tc, a_group_has_a_rate_and_a_decay_of_its_own);
    tcase_add_test(tc, groups_that_change_nothing_give_the_same_bits);
    tcase_add_test(tc, betas_are_a_groups_own_and_frozen_is_frozen);
    tcase_add_test(tc, the_numbers_of_groups_are_state);
    tcase_add_test(tc, patterns_are_matched_whole);
    tcase_add_test(tc, what_cannot_be_a_group_is_refused_and_changes_nothing);
    tcase_add_test(tc, every_failed_allocation_is_reported_and_leaves_nothing);
    suite_add_tcase(s, tc);
    return s;
}
