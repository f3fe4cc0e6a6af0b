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

START_TEST(ends_are_reached_and_kept) {
    const nn_schedule cycle = nn_schedule_one_cycle(0.5, 40), line = nn_schedule_linear(0.1, 0.5, 0.25, 4);
    ck_assert_double_eq_tol(nn_schedule_at(&cycle, 39), 2e-6, 1e-18); /* 0.5 / 25 / 10^4 */
    ck_assert_double_eq(nn_schedule_at(&cycle, 1000), nn_schedule_at(&cycle, 39));
    ck_assert_double_eq(nn_schedule_at(&line, 4), 0.025);
    ck_assert_double_eq(nn_schedule_at(&line, INT64_MAX), 0.025);
    const nn_schedule one = nn_schedule_one_cycle(0.5, 1); /* nowhere to go */
    ck_assert_double_eq(nn_schedule_at(&one, 0), 0.5);
    const nn_schedule same = nn_schedule_warm_restarts(0.5, 4, 1, 0.25); /* periods of one length */
    ck_assert_double_eq(nn_schedule_at(&same, 4), 0.5);
    ck_assert_double_eq_tol(nn_schedule_at(&same, 1002), 0.375, 1e-15);
    const nn_schedule far = nn_schedule_warm_restarts(0.5, 1, 2, 0);
    ck_assert(nn_schedule_at(&far, INT64_MAX) <= 0.5);
}
END_TEST

START_TEST(warm_up_comes_before_any_schedule) {
    const nn_schedule s = nn_schedule_after_warmup(nn_schedule_step(0.8, 2, 0.5), 4, 0.5);
    static const double rate[] = {0.4, 0.5, 0.6, 0.7, 0.8, 0.8, 0.4, 0.4, 0.2};
    for (int t = 0; t < 9; t++) ck_assert_double_eq_tol(nn_schedule_at(&s, t), rate[t], 1e-15);
}
END_TEST

START_TEST(a_schedule_that_makes_no_sense_gives_no_rate) {
    static const int64_t many[NN_SCHEDULE_MILESTONES + 1] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
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
static ag_value same(nn_module *m, nn_pass *pass, ag_value x) {
    (void)m, (void)pass;
    return x;
}
typedef struct bench {
    nn_module *m;
    nn_params *p;
    nn_optim *o;
} bench;
static bench bench_new(double lr) {
    const int64_t two = 2;
    bench x = {.m = nn_module_new(sizeof *x.m, "box", same, NULL)};
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
    tcase_add_test(tc, ends_are_reached_and_kept);
    tcase_add_test(tc, warm_up_comes_before_any_schedule);
    tcase_add_test(tc, a_schedule_that_makes_no_sense_gives_no_rate);
    tcase_add_test(tc, applied_it_sets_the_rate_of_the_next_step);
    tcase_add_test(tc, plateaus_are_pytorchs);
    tcase_add_test(tc, a_plateau_that_begins_with_infinity_sees_what_comes_after_it);
    suite_add_tcase(s, tc);
    return s;
}
