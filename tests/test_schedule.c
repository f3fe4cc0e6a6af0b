/* schedule: rates against PyTorch 1.13's torch.optim.lr_scheduler, warm-up, plateaus, refusals. */
#include "nn_support.h"

#include <math.h>

/* Rates of steps 0, 4, 5, 7, 12, 15, 20 and 30 in PyTorch, base rate 0.1. */
enum { STEPS = 8 };
static const int64_t at[STEPS] = {0, 4, 5, 7, 12, 15, 20, 30};
static const double expected[][STEPS] = {
    {0.1, 0.1, 0.1, 0.05, 0.05, 0.025, 0.025, 0.00625}, /* step_size7_gamma0.5 */
    {0.1, 0.1, 0.010000000000000002, 0.010000000000000002, 0.010000000000000002, 0.010000000000000002,
     0.0010000000000000002, 0.0010000000000000002}, /* multistep_5_20_gamma0.1 */
    {0.1, 0.06561000000000002, 0.05904900000000002, 0.04782969000000002, 0.028242953648100012,
     0.020589113209464913, 0.01215766545905694, 0.004239115827521626}, /* exponential_0.9 */
    {0.1, 0.09610954559391702, 0.09397114317029974, 0.08844151714648274, 0.06890576474687264, 0.055000000000000014,
     0.0325, 0.01}, /* cosine_T30_min0.01 */
    {0.025, 0.0625, 0.071875, 0.090625, 0.09999999999999999, 0.09999999999999999, 0.09999999999999999,
     0.09999999999999999}, /* linear_0.25_to_1_over_8 */
    {0.020000000000000018, 0.16030039687954722, 0.22584443881441152, 0.3596996031204527, 0.4984280587611008,
     0.47524231600673683, 0.3830084870967576, 0.1169935129032424}, /* onecycle_max0.5_total40 */
    {0.1, 0.009549150281252633, 0.1, 0.09045084971874738, 0.02061073738537635, 0.1, 0.08535533905932738,
     0.014644660940672627}, /* warm_restarts_T5_mult2 */
};

START_TEST(rates_are_pytorchs) {
    const nn_schedule schedule[] = {
        nn_schedule_step(0.1, 7, 0.5),           nn_schedule_multistep(0.1, (const int64_t[]){5, 20}, 2, 0.1),
        nn_schedule_exponential(0.1, 0.9),       nn_schedule_cosine(0.1, 30, 0.01),
        nn_schedule_linear(0.1, 0.25, 1, 8),     nn_schedule_one_cycle(0.5, 40),
        nn_schedule_warm_restarts(0.1, 5, 2, 0),
    };
    for (size_t k = 0; k < sizeof schedule / sizeof *schedule; k++) {
        ck_assert_int_eq(nn_schedule_check(&schedule[k], NULL), AG_OK);
        for (int i = 0; i < STEPS; i++) /* PyTorch multiplies 30 factors, each rounded: 30 * 2^-53 */
            ck_assert_double_eq_tol(nn_schedule_at(&schedule[k], at[i]), expected[k][i], 1e-14);
    }
    ck_assert_double_eq(nn_schedule_at(&(nn_schedule){.lr = 3}, 5), 3);
    const nn_schedule constant = nn_schedule_constant(0.25);
    ck_assert_double_eq(nn_schedule_at(&constant, INT64_MAX), 0.25);
}
END_TEST

/* torch.optim.lr_scheduler.OneCycleLR, cycle_momentum: momenta of max_lr 0.5, total_steps 40, base_momentum 0.8,
 * max_momentum 0.99, pct_start 0.25. */
START_TEST(a_one_cycle_turns_the_momentum_as_pytorch_does) {
    static const int64_t steps[] = {0, 4, 5, 7, 12, 15, 20, 30, 39};
    static const double momentum[] = {0.99,
                                      0.9114965768783584,
                                      0.8785034231216416,
                                      0.8222257779036971,
                                      0.8046496309519604,
                                      0.81814338553438,
                                      0.856360018907799,
                                      0.9508395989677849,
                                      0.99};
    nn_schedule s = nn_schedule_one_cycle_momentum(0.5, 40, 0.8, 0.99);
    s.share = 0.25;
    for (int i = 0; i < 9; i++) ck_assert_double_eq_tol(nn_schedule_momentum_at(&s, steps[i]), momentum[i], 1e-15);
    ck_assert_double_eq(nn_schedule_momentum_at(&s, 1000), 0.99);
    const nn_schedule plain = nn_schedule_one_cycle(0.5, 40), late = nn_schedule_after_warmup(s, 10, 0.5);
    ck_assert_double_eq(nn_schedule_at(&s, 5), nn_schedule_at(&late, 15));
    ck_assert(isnan(nn_schedule_momentum_at(&plain, 3)));
    ck_assert(isnan(nn_schedule_momentum_at(&s, -1)));
    ck_assert_double_eq(nn_schedule_momentum_at(&late, 9), 0.99);
    ck_assert_double_eq(nn_schedule_momentum_at(&late, 15), nn_schedule_momentum_at(&s, 5));
    static const double bad[][2] = {{-0.1, 0.9}, {0.8, 1}, {0.9, 0.8}, {NAN, 0.9}, {0.5, NAN}};
    for (int i = 0; i < 5; i++) {
        const nn_schedule wrong = nn_schedule_one_cycle_momentum(0.5, 40, bad[i][0], bad[i][1]);
        ck_assert_int_eq(nn_schedule_check(&wrong, NULL), AG_ERROR_VALUE);
        ck_assert(isnan(nn_schedule_momentum_at(&wrong, 0)));
    }
}
END_TEST

/* Ten steps from (1, -2, 0.5) of p1^2 / 2 + 3 p2^2 / 2 + p3^2 / 10 + sin(p1) + sin(p2) + sin(p3) by PyTorch 1.13 in f64:
 * OneCycleLR(max_lr=0.05, total_steps=10) on SGD(momentum=0.9), Adam and NAdam; the last parameter is in a group here. */
START_TEST(optimisers_under_a_one_cycle_go_where_pytorchs_go) {
    static const double end[3][3] = {{-0.14974126324437895, 0.7689742633897677, -0.2841251881503162},
                                     {0.7964822439397331, -1.797552839833536, 0.29576196393348436},
                                     {0.8242604255395123, -1.8273324180484214, 0.3220874151547466}};
    const nn_schedule s = nn_schedule_one_cycle_momentum(0.05, 10, 0.85, 0.95);
    for (int k = 0; k < 3; k++) {
        ag_error error = {0};
        nn_module *parts[] = {nn_linear_with(2, 1, nn_init_constant(0), false, nn_init_constant(0), &error),
                              nn_linear_with(1, 1, nn_init_constant(0.5), false, nn_init_constant(0), &error)};
        nn_module *m = nn_sequential(parts, 2, &error);
        nn_params *p = nn_params_new(m, AG_F64, 1, &error);
        ag_tensor *first = nn_params_tensor(p, 0), *last = nn_params_tensor(p, 1);
        ck_assert_int_eq(ag_tensor_write_f64(first, (const double[]){1, -2}, 2), AG_OK);
        nn_optim *o = k == 0   ? nn_sgd(p, 0.1, 0.9, &error)
                      : k == 1 ? nn_adam(p, 0.1, &error)
                               : nn_nadam(p, 0.1, NULL, &error);
        ck_assert_int_eq(nn_optim_group(o, &(const nn_group){.pattern = "1.*"}, &error), AG_OK);
        ag_tape *t = ag_tape_new(NULL);
        for (int step = 0; step < 10; step++) {
            const ag_mark mark = ag_tape_mark(t);
            nn_params_zero_grad(p);
            const ag_value x = ag_reshape(ag_leaf(t, first), 1, (const int64_t[]){2}), z = ag_leaf(t, last);
            const ag_value weight =
                ag_array_constant(t, AG_F64, 1, (const int64_t[]){2}, (const double[]){0.5, 1.5});
            const ag_value squares =
                ag_add(ag_sum_all(ag_mul(weight, ag_square(x))), ag_sum_all(ag_mul_number(ag_square(z), 0.1)));
            const ag_value sines = ag_add(ag_sum_all(ag_sin(x)), ag_sum_all(ag_sin(z)));
            ck_assert_int_eq(ag_backward(ag_add(squares, sines)), AG_OK);
            ck_assert_int_eq(ag_tape_rewind(t, mark), AG_OK);
            nn_schedule_apply(&s, o);
            ck_assert_double_eq(nn_optim_momentum(o), nn_schedule_momentum_at(&s, step));
            ck_assert_msg(nn_optim_step(o, &error) == AG_OK, "%s", error.message);
        }
        for (int i = 0; i < 3; i++)
            ck_assert_double_eq_tol(i < 2 ? ag_tensor_get(first, i) : ag_tensor_get(last, 0), end[k][i], 1e-14);
        ag_tape_free(t);
        nn_optim_free(o);
        nn_params_free(p);
        nn_module_free(m);
    }
}
END_TEST

START_TEST(a_momentum_can_be_set_where_there_is_one) {
    nn_module *m = nn_linear(2, 1, NULL);
    nn_params *p = nn_params_new(m, AG_F32, 1, NULL);
    nn_optim *plain = nn_sgd(p, 0.1, 0, NULL), *rolls = nn_sgd(p, 0.1, 0.5, NULL);
    const nn_schedule s = nn_schedule_one_cycle_momentum(0.05, 10, 0.85, 0.95);
    ag_error error = {0};
    ck_assert(isnan(nn_optim_momentum(plain)));
    ck_assert_int_eq(nn_optim_set_momentum(plain, 0.5, &error), AG_ERROR_STATE);
    nn_schedule_apply(&s, plain); /* its rate alone */
    ck_assert_double_eq(nn_optim_lr(plain), nn_schedule_at(&s, 0));
    ck_assert_double_eq(nn_optim_momentum(rolls), 0.5);
    ck_assert_int_eq(nn_optim_set_momentum(rolls, 1, &error), AG_ERROR_VALUE);
    ck_assert_int_eq(nn_optim_set_momentum(rolls, NAN, &error), AG_ERROR_VALUE);
    ck_assert_double_eq(nn_optim_momentum(rolls), 0.5);
    ck_assert_int_eq(nn_optim_set_momentum(rolls, 0, &error), AG_OK);
    ck_assert_double_eq(nn_optim_momentum(rolls), 0);
    nn_optim_free(rolls);
    nn_optim_free(plain);
    nn_params_free(p);
    nn_module_free(m);
}
END_TEST

START_TEST(ends_are_reached_and_kept) {
    const nn_schedule cycle = nn_schedule_one_cycle(0.5, 40), line = nn_schedule_linear(0.1, 0.5, 0.25, 4);
    ck_assert_double_eq_tol(nn_schedule_at(&cycle, 39), 2e-6, 1e-18); /* 0.5 / 25 / 10^4 */
    ck_assert_double_eq(nn_schedule_at(&cycle, 1000), nn_schedule_at(&cycle, 39));
    ck_assert_double_eq(nn_schedule_at(&line, 4), 0.025);
    ck_assert_double_eq(nn_schedule_at(&line, INT64_MAX), 0.025);
    const nn_schedule same = nn_schedule_warm_restarts(0.5, 4, 1, 0.25); /* periods of one length */
    ck_assert_double_eq(nn_schedule_at(&same, 4), 0.5);
    ck_assert_double_eq_tol(nn_schedule_at(&same, 1002), 0.375, 1e-15);
    const nn_schedule far = nn_schedule_warm_restarts(0.5, 1, 2, 0);
    ck_assert(nn_schedule_at(&far, INT64_MAX) <= 0.5);
}
END_TEST

/* Cycles so short that their rise would end before step 0: torch.optim.lr_scheduler.OneCycleLR(max_lr=0.5). */
START_TEST(the_shortest_cycles_are_pytorchs) {
    static const double rate[][3] = {
        {2e-6}, {0.4058728269748815, 2e-6}, {0.49720771772545586, 0.23131855133348753, 2e-6}};
    for (int length = 1; length <= 3; length++) {
        const nn_schedule cycle = nn_schedule_one_cycle(0.5, length);
        for (int t = 0; t < length; t++)
            ck_assert_double_eq_tol(nn_schedule_at(&cycle, t), rate[length - 1][t], 1e-14);
    }
    nn_schedule fall = nn_schedule_one_cycle(0.5, 4);
    fall.share = 0;
    ck_assert_double_eq_tol(nn_schedule_at(&fall, 0), 0.42677698818985565, 1e-14);
}
END_TEST

START_TEST(many_milestones_are_taken) {
    int64_t milestone[30];
    for (int i = 0; i < 30; i++) milestone[i] = 3 * i + 1;
    const nn_schedule s = nn_schedule_multistep(1, milestone, 30, 0.5);
    ck_assert_int_eq(nn_schedule_check(&s, NULL), AG_OK);
    ck_assert_double_eq(nn_schedule_at(&s, 87), pow(0.5, 29));
    ck_assert_double_eq(nn_schedule_at(&s, 88), pow(0.5, 30));
}
END_TEST

START_TEST(warm_up_comes_before_any_schedule) {
    const nn_schedule s = nn_schedule_after_warmup(nn_schedule_step(0.8, 2, 0.5), 4, 0.5);
    static const double rate[] = {0.4, 0.5, 0.6, 0.7, 0.8, 0.8, 0.4, 0.4, 0.2};
    for (int t = 0; t < 9; t++) ck_assert_double_eq_tol(nn_schedule_at(&s, t), rate[t], 1e-15);
}
END_TEST

START_TEST(a_schedule_that_makes_no_sense_gives_no_rate) {
    static const int64_t many[NN_SCHEDULE_MILESTONES + 1] = {0};
    nn_schedule share = nn_schedule_one_cycle(1, 10), kind = nn_schedule_constant(1);
    share.share = 1.5;
    kind.kind = (nn_schedule_kind)99;
    const nn_schedule bad[] = {
        nn_schedule_constant(-1),
        nn_schedule_constant(NAN),
        nn_schedule_step(1, 0, 0.5),
        nn_schedule_step(1, 1, -1),
        nn_schedule_multistep(1, many, NN_SCHEDULE_MILESTONES + 1, 0.5),
        nn_schedule_multistep(1, many, -1, 0.5),
        nn_schedule_multistep(1, (const int64_t[]){5, 4}, 2, 0.5),
        nn_schedule_multistep(1, many, 2, INFINITY),
        nn_schedule_exponential(1, NAN),
        nn_schedule_cosine(1, 0, 0),
        nn_schedule_cosine(1, 5, -1),
        nn_schedule_warm_restarts(1, 5, 0, 0),
        nn_schedule_linear(1, 0, 1, 0),
        nn_schedule_linear(1, -1, 1, 1),
        nn_schedule_one_cycle(1, 0),
        nn_schedule_after_warmup(nn_schedule_constant(1), -1, 0),
        share,
        kind,
    };
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        ag_error error = {0};
        ck_assert_msg(nn_schedule_check(&bad[k], &error) == AG_ERROR_VALUE, "number %zu", k);
        ck_assert_msg(isnan(nn_schedule_at(&bad[k], 1)), "number %zu", k);
    }
    const nn_schedule good = nn_schedule_constant(1);
    ck_assert(isnan(nn_schedule_at(&good, -1)));
}
END_TEST

/* An optimiser to set the rate of. */
typedef struct bench {
    nn_module *m;
    nn_params *p;
    nn_optim *o;
} bench;
static bench bench_new(double lr) {
    const int64_t two = 2;
    bench x = {.m = test_box()};
    ck_assert_ptr_nonnull(nn_module_param(x.m, "a", 1, &two, nn_init_constant(1), NULL));
    x.p = nn_params_new(x.m, AG_F64, 1, NULL);
    x.o = nn_sgd(x.p, lr, 0, NULL);
    ck_assert_ptr_nonnull(x.o);
    return x;
}
static void bench_free(bench *x) {
    nn_optim_free(x->o);
    nn_params_free(x->p);
    nn_module_free(x->m);
}

START_TEST(applied_it_sets_the_rate_of_the_next_step) {
    bench x = bench_new(1);
    const nn_schedule s = nn_schedule_exponential(1, 0.5), bad = nn_schedule_constant(-1);
    for (int t = 0; t < 4; t++) {
        nn_schedule_apply(&s, x.o);
        ck_assert_double_eq(nn_optim_lr(x.o), pow(0.5, t));
        ck_assert_int_eq(nn_optim_step(x.o, NULL), AG_OK);
    }
    nn_schedule_apply(&bad, x.o);
    ck_assert_int_eq(nn_optim_step(x.o, NULL), AG_ERROR_VALUE);
    bench_free(&x);
}
END_TEST

/* torch.optim.lr_scheduler.ReduceLROnPlateau(patience=2, cooldown=1, factor=0.5, min_lr=0.1), and (mode='max',
 * threshold_mode='abs', threshold=0.05, patience=1). */
/* A loss that overflowed at first must not hide every later improvement. */
START_TEST(a_plateau_that_begins_with_infinity_sees_what_comes_after_it) {
    bench x = bench_new(0.5);
    nn_plateau p = {.patience = 1}, up = {.patience = 1, .rising = true};
    static const double loss[] = {INFINITY, 3, 2, 1};
    for (int i = 0; i < 4; i++) {
        ck_assert(!nn_plateau_step(&p, x.o, loss[i]));
        ck_assert(!nn_plateau_step(&up, x.o, -loss[i]));
    }
    ck_assert_double_eq(p.best, 1);
    ck_assert_double_eq(up.best, -1);
    ck_assert_double_eq(nn_optim_lr(x.o), 0.5);
    bench_free(&x);
}
END_TEST

START_TEST(plateaus_are_pytorchs) {
    bench x = bench_new(0.5);
    nn_plateau p = {.patience = 2, .cooldown = 1, .factor = 0.5, .low = 0.1};
    static const double loss[] = {1.0, 0.9, 0.9, 0.9, 0.95,    0.91, 0.9, 0.9,
                                  0.9, 0.5, 0.6, NAN, 0.49999, 0.7,  0.8, 0.9};
    static const double rate[] = {0.5,   0.5,   0.5,   0.5,   0.25, 0.25, 0.25, 0.25,
                                  0.125, 0.125, 0.125, 0.125, 0.1,  0.1,  0.1,  0.1};
    int reductions = 0;
    for (int i = 0; i < 16; i++) {
        reductions += nn_plateau_step(&p, x.o, loss[i]);
        ck_assert_double_eq(nn_optim_lr(x.o), rate[i]);
    }
    ck_assert_int_eq(reductions, 3);

    nn_optim_set_lr(x.o, 0.5);
    nn_plateau up = {.rising = true, .absolute = true, .threshold = 0.05, .patience = 1};
    static const double score[] = {0.1, 0.14, 0.16, 0.2, 0.3, 0.31, 0.34, 0.35};
    for (int i = 0; i < 8; i++) {
        (void)nn_plateau_step(&up, x.o, score[i]);
        ck_assert_double_eq_tol(nn_optim_lr(x.o), i < 6 ? 0.5 : 0.05, 1e-15);
    }

    nn_optim_set_lr(x.o, 0.5); /* no patience, no threshold */
    nn_plateau strict = {.patience = -1, .threshold = NN_ZERO};
    ck_assert(!nn_plateau_step(&strict, x.o, 2));
    ck_assert(!nn_plateau_step(&strict, x.o, 1.9999999));
    ck_assert(nn_plateau_step(&strict, x.o, 1.9999999));
    bench_free(&x);
}
END_TEST

Suite *schedule_suite(void) {
    Suite *s = suite_create("schedule");
    TCase *tc = tcase_create("schedule");
    tcase_add_test(tc, rates_are_pytorchs);
    tcase_add_test(tc, a_one_cycle_turns_the_momentum_as_pytorch_does);
    tcase_add_test(tc, optimisers_under_a_one_cycle_go_where_pytorchs_go);
    tcase_add_test(tc, a_momentum_can_be_set_where_there_is_one);
    tcase_add_test(tc, ends_are_reached_and_kept);
    tcase_add_test(tc, the_shortest_cycles_are_pytorchs);
    tcase_add_test(tc, many_milestones_are_taken);
    tcase_add_test(tc, warm_up_comes_before_any_schedule);
    tcase_add_test(tc, a_schedule_that_makes_no_sense_gives_no_rate);
    tcase_add_test(tc, applied_it_sets_the_rate_of_the_next_step);
    tcase_add_test(tc, plateaus_are_pytorchs);
    tcase_add_test(tc, a_plateau_that_begins_with_infinity_sees_what_comes_after_it);
    suite_add_tcase(s, tc);
    return s;
}
