/* optim_rules: every rule beside PyTorch's, in f64 and f32, and those that PyTorch does not have beside their
 * formulas. */
#include "nn_support.h"

#include <math.h>

/* Minimising sum(a x^2 + b x^4) from `start`: where PyTorch 1.13's torch.optim stands after steps 1, 10 and 25, in
 * f64. */
enum { N = 4, STEPS = 25, SEEN = 3 };
static const int seen[SEEN] = {1, 10, STEPS};
static const double a[N] = {1.6837192410248834, 0.6388816177035421, 1.2705613663962616, 0.6079330508717753};
static const double b[N] = {0.3200490330916914, 0.47451555840410764, 0.4229743710516667, 0.4719860563851478};
static const double start[N] = {0.9469131449169097, -0.7951924455031368, 0.5268582606637694, 0.5963821381692594};
static const double expected[][SEEN][N] = {
    /* sgd */
    {{0.733132384595347, -0.696669418589114, 0.447546098028725, 0.540102917077946},
     {0.12386125903426431, -0.3061049289691111, 0.12276064899169567, 0.26471396637531674},
     {0.007766420102769835, -0.10680070567157524, 0.015894478754265737, 0.09842830005965691}},
    /* sgd_momentum */
    {{0.733132384595347, -0.696669418589114, 0.447546098028725, 0.540102917077946},
     {-0.006165111469738135, 0.5006704929936214, -0.23433034249391135, -0.3469861675545448},
     {0.04689238689460309, -0.13363724411804007, -0.144961754504374, 0.15684288418629871}},
    /* sgd_nesterov */
    {{0.5407297003059407, -0.6079986943664936, 0.37616515165718506, 0.48945161809576393},
     {0.011426536286170944, 0.3297208974521396, -0.10731584104896504, -0.24052645158580116},
     {0.001845293978097776, -0.07300402714973366, -0.02599434935832614, 0.06989294484063693}},
    /* sgd_decay */
    {{0.7326589280228886, -0.6962718223663625, 0.44728266889839313, 0.5398047260088614},
     {-0.119767422167534, 0.4974216422625333, -0.2675921716954673, -0.329322527957113},
     {-0.09285821541418249, -0.19124573310012474, -0.12976439985132407, 0.17017954346182104}},
    /* adam */
    {{0.9269131449636866, -0.775192445604636, 0.5068582607898534, 0.576382138346945},
     {0.7493560753133462, -0.5992497165777902, 0.3311759469372996, 0.401285178873045},
     {0.48156281827434766, -0.34975912781625423, 0.09280800979576413, 0.1634182667953838}},
    /* adam_decay */
    {{0.9269131449631743, -0.7751924456026285, 0.5068582607877937, 0.5763821383423592},
     {0.7493464420619028, -0.5992027266546949, 0.33115935339717656, 0.4012252946235482},
     {0.4814507329563206, -0.34921842369964484, 0.09267161239051312, 0.16284662989368853}},
    /* adam_amsgrad */
    {{0.9269131449636866, -0.775192445604636, 0.5068582607898534, 0.576382138346945},
     {0.7493560753133462, -0.5992497165777902, 0.3311759469372996, 0.401285178873045},
     {0.48156281827434766, -0.34975912781625423, 0.09280800979576413, 0.1634182667953838}},
    /* adamw */
    {{0.9259662318187697, -0.7743972531591328, 0.5063314025291896, 0.5757857562087757},
     {0.7409493563171252, -0.5924058998665721, 0.3269514171769641, 0.39640253213364673},
     {0.46556772422868387, -0.33780517141046745, 0.08715221004114712, 0.156120288202386}},
    /* rmsprop */
    {{0.8836675921813111, -0.7319468933147604, 0.46361270872124244, 0.5331365867427466},
     {0.6333917353113011, -0.4983228242928334, 0.23559407076747374, 0.3082153282300189},
     {0.38435347800238584, -0.2814564303125701, 0.06194572673239875, 0.11944119484919352}},
    /* rmsprop_momentum_centered */
    {{0.8802464787699863, -0.7285257799642381, 0.4601915953980368, 0.5297154734768758},
     {0.31912654520595884, -0.23961868198839714, 0.03100855484388459, 0.088245223693342},
     {0.02075056644316654, -0.019772582935355325, 5.948723040028139e-05, -0.0001482233894625393}},
    /* adagrad */
    {{0.8469131449192485, -0.6951924455082118, 0.4268582606700736, 0.4963821381781437},
     {0.5219297437632167, -0.4044783263140548, 0.15336204035751191, 0.22479243061965765},
     {0.3057590535720752, -0.22887326194125576, 0.03879596776180102, 0.08684444854737612}},
    /* adadelta */
    {{0.9437508681216547, -0.7920301719152114, 0.5236959892874992, 0.5932198729889963},
     {0.9137099866123968, -0.7622855777998461, 0.49396149775331333, 0.5636073493342125},
     {0.8627196126908453, -0.7131929722766127, 0.4449997753123082, 0.515347766359618}},
    /* adamax */
    {{0.9269131449636866, -0.775192445604636, 0.5068582607898534, 0.576382138346945},
     {0.7612534464244857, -0.6167782848968683, 0.34912245789174956, 0.4211304702632291},
     {0.5425340515409507, -0.42818216439483114, 0.16908311792750294, 0.2459906227102836}},
    /* nadam */
    {{0.9259225215738192, -0.774201822217479, 0.5058676374039142, 0.5753915149635616},
     {0.7924242790257721, -0.6442815670924028, 0.3764086318261191, 0.447148783333707},
     {0.5611661384906911, -0.43359867731912105, 0.17548449128402416, 0.24771713039620602}},
    /* radam */
    {{0.8614008407882846, -0.7557832347375277, 0.4951333956097516, 0.573870449732734},
     {0.5705781038439749, -0.6131279055658673, 0.3772180640448211, 0.4874592705026084},
     {0.5497083349095001, -0.5913996272869959, 0.3552814950688152, 0.46521495045261624}},
    /* rprop */
    {{0.9269131449169097, -0.7751924455031368, 0.5068582606637694, 0.5763821381692594},
     {0.42773950267690974, -0.27601880326313677, 0.0076846184237694265, 0.07720849592925942},
     {-0.008396504138670331, 0.00854349593209134, -0.00036463892535057007, 0.0007405511126194371}},
};

/* One optimiser of each case, in the order of `expected`; then lion and lamb. */
enum { CASES = 16, ALL = 18 };
static nn_optim *make(size_t k, nn_params *p, ag_error *e) {
    switch (k) {
    case 0: return nn_sgd(p, 0.05, 0, e);
    case 1: return nn_sgd(p, 0.05, 0.9, e);
    case 2: return nn_sgd_with(p, 0.05, &(nn_sgd_options){.momentum = 0.9, .nesterov = true}, e);
    case 3:
        return nn_sgd_with(p, 0.05, &(nn_sgd_options){.momentum = 0.9, .dampening = 0.1, .weight_decay = 0.01}, e);
    case 4: return nn_adam(p, 0.02, e);
    case 5: return nn_adam_with(p, 0.02, &(nn_adam_options){.weight_decay = 0.05}, e);
    case 6: return nn_adam_with(p, 0.02, &(nn_adam_options){.amsgrad = true}, e);
    case 7: return nn_adamw(p, 0.02, &(nn_adam_options){.weight_decay = 0.05}, e);
    case 8: return nn_rmsprop(p, 0.02, &(nn_rmsprop_options){.alpha = 0.9}, e);
    case 9: return nn_rmsprop(p, 0.02, &(nn_rmsprop_options){.alpha = 0.9, .momentum = 0.5, .centered = true}, e);
    case 10: return nn_adagrad(p, 0.1, NULL, e);
    case 11: return nn_adadelta(p, 1, NULL, e);
    case 12: return nn_adamax(p, 0.02, NULL, e);
    case 13: return nn_nadam(p, 0.02, NULL, e);
    case 14: return nn_radam(p, 0.02, NULL, e);
    case 15: return nn_rprop(p, 0.02, NULL, e);
    case 16: return nn_lion(p, 0.02, &(nn_lion_options){.weight_decay = 0.1}, e);
    default: return nn_lamb(p, 0.02, NULL, e);
    }
}

/* A parameter x (4) at `start`, and y (2), which nothing reaches. */
typedef struct task {
    nn_module *m;
    nn_params *p;
    nn_optim *o;
    ag_tensor *x;
} task;

static task task_new(size_t k, ag_dtype dtype) {
    const int64_t n = N, two = 2;
    task t = {.m = test_box()};
    ck_assert_ptr_nonnull(nn_module_param(t.m, "x", 1, &n, nn_init_constant(0), NULL));
    ck_assert_ptr_nonnull(nn_module_param(t.m, "y", 1, &two, nn_init_constant(0), NULL));
    t.p = nn_params_new(t.m, dtype, 1, NULL);
    ck_assert_ptr_nonnull(t.p);
    ag_error error = {0};
    t.o = make(k, t.p, &error);
    ck_assert_msg(t.o != NULL, "%s", error.message);
    t.x = nn_params_find(t.p, "x");
    ck_assert_int_eq(ag_tensor_write_f64(t.x, start, N), AG_OK);
    return t;
}

static void task_free(task *t) {
    nn_optim_free(t->o);
    nn_params_free(t->p);
    nn_module_free(t->m);
}

/* A step along the objective's gradient: 2 a x + 4 b x^3. */
static void step(task *t) {
    for (int i = 0; i < N; i++) {
        const double x = ag_tensor_get(t->x, i);
        test_set_grad(t->x, i, 2 * a[i] * x + 4 * b[i] * x * x * x);
    }
    ag_error error = {0};
    ck_assert_msg(nn_optim_step(t->o, &error) == AG_OK, "%s", error.message);
}

static void follow(size_t k, ag_dtype dtype, double tolerance) {
    task t = task_new(k, dtype);
    for (int s = 1, at = 0; s <= STEPS; s++) {
        step(&t);
        if (s != seen[at]) continue;
        for (int i = 0; i < N; i++)
            ck_assert_msg(fabs(ag_tensor_get(t.x, i) - expected[k][at][i]) <= tolerance,
                          "case %zu, step %d, element %d: %.17g, should be %.17g", k, s, i, ag_tensor_get(t.x, i),
                          expected[k][at][i]);
        at++;
    }
    ck_assert_double_eq(ag_tensor_get(nn_params_find(t.p, "y"), 1), 0);
    task_free(&t);
}

START_TEST(trajectories_are_pytorchs) {
    for (size_t k = 0; k < CASES; k++) follow(k, AG_F64, 1e-12);
}
END_TEST

/* Steps of 0.02 to 0.1, 25 of them, each rounded to 2^-24 of numbers below 1 and of moments. */
START_TEST(f32_stays_close_to_f64) {
    for (size_t k = 0; k < CASES; k++) follow(k, AG_F32, 2e-5);
}
END_TEST

START_TEST(lion_moves_by_the_rate_and_decays) {
    task t = task_new(16, AG_F64);
    double x[N], m[N] = {0};
    memcpy(x, start, sizeof x);
    for (int s = 0; s < STEPS; s++) {
        step(&t);
        for (int i = 0; i < N; i++) {
            const double g = 2 * a[i] * x[i] + 4 * b[i] * x[i] * x[i] * x[i];
            const double u = 0.9 * m[i] + (1 - 0.9) * g;
            x[i] = x[i] - 0.02 * ((u > 0) - (u < 0)) - 0.02 * 0.1 * x[i];
            m[i] = 0.99 * m[i] + (1 - 0.99) * g;
            ck_assert_double_eq_tol(ag_tensor_get(t.x, i), x[i], 1e-14);
        }
    }
    task_free(&t);
}
END_TEST

START_TEST(lambs_step_is_as_long_as_the_parameter) {
    for (int dtype = AG_F32; dtype <= AG_F64; dtype++) {
        task t = task_new(17, (ag_dtype)dtype);
        double x[N], m[N] = {0}, v[N] = {0};
        memcpy(x, start, sizeof x);
        for (int s = 1; s <= STEPS; s++) {
            step(&t);
            double r[N], pp = 0, rr = 0;
            for (int i = 0; i < N; i++) {
                const double g = 2 * a[i] * x[i] + 4 * b[i] * x[i] * x[i] * x[i];
                m[i] = 0.9 * m[i] + 0.1 * g;
                v[i] = 0.999 * v[i] + 0.001 * g * g;
                r[i] = m[i] / (1 - pow(0.9, s)) / (sqrt(v[i] / (1 - pow(0.999, s))) + 1e-6) + 0.01 * x[i];
                pp += x[i] * x[i];
                rr += r[i] * r[i];
            }
            for (int i = 0; i < N; i++) {
                x[i] -= 0.02 * sqrt(pp / rr) * r[i];
                ck_assert_double_eq_tol(ag_tensor_get(t.x, i), x[i], dtype == AG_F32 ? 1e-5 : 1e-13);
            }
        }
        ck_assert_double_eq(ag_tensor_get(nn_params_find(t.p, "y"), 0), 0); /* 0 / 0 is 1 */
        task_free(&t);
    }
}
END_TEST

/* Saved half-way, restored into an optimiser made alike: the second half has the same bits. */
START_TEST(state_and_numbers_are_all_there_is) {
    for (size_t k = 0; k < ALL; k++) {
        for (int dtype = AG_F32; dtype <= AG_F64; dtype++) {
            task one = task_new(k, (ag_dtype)dtype), two = task_new(k, (ag_dtype)dtype);
            nn_optim_set_lr(one.o, 0.03);
            for (int s = 0; s < 7; s++) step(&one);
            memcpy(ag_tensor_write(two.x), ag_tensor_data(one.x), ag_meta_bytes(ag_tensor_meta(one.x)));
            for (size_t i = 0; i < nn_optim_state_count(one.o); i++) {
                ag_tensor *from = nn_optim_state(one.o, i), *to = nn_optim_state(two.o, i);
                ck_assert_ptr_nonnull(nn_optim_state_name(one.o, i));
                memcpy(ag_tensor_write(to), ag_tensor_data(from), ag_meta_bytes(ag_tensor_meta(from)));
            }
            for (size_t i = 0; i < nn_optim_number_count(one.o); i++) {
                ck_assert_ptr_nonnull(nn_optim_number_name(one.o, i));
                ck_assert_int_eq(nn_optim_set_number(two.o, i, nn_optim_number(one.o, i), NULL), AG_OK);
            }
            for (int s = 0; s < 7; s++) {
                step(&one);
                step(&two);
            }
            ck_assert_mem_eq(ag_tensor_data(one.x), ag_tensor_data(two.x), ag_meta_bytes(ag_tensor_meta(one.x)));
            task_free(&one);
            task_free(&two);
        }
    }
}
END_TEST

START_TEST(numbers_out_of_range_are_refused) {
    task t = task_new(13, AG_F64); /* nadam */
    const size_t n = nn_optim_number_count(t.o);
    ck_assert_uint_eq(n, 4);
    ck_assert_str_eq(nn_optim_number_name(t.o, 0), "steps");
    ck_assert_str_eq(nn_optim_number_name(t.o, 1), "lr");
    ck_assert_str_eq(nn_optim_number_name(t.o, 2), "momentum");
    ck_assert_str_eq(nn_optim_number_name(t.o, 3), "mu_product");
    ck_assert_ptr_null(nn_optim_number_name(t.o, n));
    ck_assert(isnan(nn_optim_number(t.o, n)));
    static const double bad[] = {NAN, -1, INFINITY};
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < 3; k++) ck_assert_int_eq(nn_optim_set_number(t.o, i, bad[k], NULL), AG_ERROR_VALUE);
    ck_assert_int_eq(nn_optim_set_number(t.o, 0, 1.5, NULL), AG_ERROR_VALUE);
    ag_error error = {0};
    ck_assert_int_eq(nn_optim_set_number(t.o, n, 1, &error), AG_ERROR_INDEX);
    ck_assert_int_eq(nn_optim_steps(t.o), 0);
    task_free(&t);
}
END_TEST

START_TEST(options_are_checked_and_defaults_are_pytorchs) {
    task t = task_new(0, AG_F64);
    ag_error e = {0};
#define REFUSED(call)                                                                                             \
    do {                                                                                                          \
        e = (ag_error){0};                                                                                        \
        ck_assert_ptr_null(call);                                                                                 \
        ck_assert_msg(e.status == AG_ERROR_VALUE, "%s", #call);                                                   \
    } while (0)
    REFUSED(nn_sgd_with(t.p, 0.1, &(nn_sgd_options){.nesterov = true}, &e));
    REFUSED(nn_sgd_with(t.p, 0.1, &(nn_sgd_options){.momentum = 0.9, .dampening = 0.5, .nesterov = true}, &e));
    REFUSED(nn_sgd_with(t.p, 0.1, &(nn_sgd_options){.weight_decay = -1}, &e));
    REFUSED(nn_sgd_with(t.p, 0.1, &(nn_sgd_options){.dampening = 2}, &e));
    REFUSED(nn_adam_with(t.p, 0.1, &(nn_adam_options){.beta1 = 1}, &e));
    REFUSED(nn_adamw(t.p, 0.1, &(nn_adam_options){.weight_decay = NAN}, &e));
    REFUSED(nn_adamw(NULL, 0.1, NULL, &e));
    REFUSED(nn_rmsprop(t.p, 0.1, &(nn_rmsprop_options){.alpha = 1}, &e));
    REFUSED(nn_rmsprop(t.p, 0.1, &(nn_rmsprop_options){.momentum = -0.1}, &e));
    REFUSED(nn_adagrad(t.p, -1, NULL, &e));
    REFUSED(nn_adagrad(t.p, 1, &(nn_adagrad_options){.initial = INFINITY}, &e));
    REFUSED(nn_adadelta(t.p, 1, &(nn_adadelta_options){.rho = 1}, &e));
    REFUSED(nn_adamax(t.p, 1, &(nn_adamax_options){.eps = -1}, &e));
    REFUSED(nn_nadam(t.p, 1, &(nn_nadam_options){.momentum_decay = -1}, &e));
    REFUSED(nn_radam(t.p, 1, &(nn_radam_options){.beta2 = 1}, &e));
    REFUSED(nn_rprop(t.p, 1, &(nn_rprop_options){.eta_minus = 1}, &e));
    REFUSED(nn_rprop(t.p, 1, &(nn_rprop_options){.eta_plus = 1}, &e));
    REFUSED(nn_rprop(t.p, 1, &(nn_rprop_options){.step_min = 2, .step_max = 1}, &e));
    REFUSED(nn_lion(t.p, NAN, NULL, &e));
    REFUSED(nn_lamb(t.p, 1, &(nn_lamb_options){.beta1 = 2}, &e));
#undef REFUSED
    task_free(&t);
    for (size_t k = 0; k < ALL; k++) { /* those that divide by 1 - beta^t refuse a step before the first */
        t = task_new(k, AG_F64);
        nn_optim_set_steps(t.o, -1);
        const ag_status status = nn_optim_step(t.o, NULL);
        ck_assert(status == AG_OK || status == AG_ERROR_VALUE);
        if (status) ck_assert_int_eq(nn_optim_steps(t.o), -1);
        for (int i = 0; status && i < N; i++) ck_assert_double_eq(ag_tensor_get(t.x, i), start[i]);
        if (k >= 4 && k <= 7) ck_assert_int_eq(status, AG_ERROR_VALUE);
        task_free(&t);
    }
}
END_TEST

START_TEST(a_zero_that_is_meant_is_written_nn_zero) {
    task none = task_new(7, AG_F64), plain = task_new(4, AG_F64);
    nn_optim_free(none.o); /* adamw without decay is adam */
    none.o = nn_adamw(none.p, 0.02, &(nn_adam_options){.weight_decay = NN_ZERO}, NULL);
    for (int s = 0; s < 3; s++) {
        step(&none);
        step(&plain);
    }
    ck_assert_mem_eq(ag_tensor_data(none.x), ag_tensor_data(plain.x), N * sizeof(double));
    task_free(&none);
    task_free(&plain);
}
END_TEST

/* While a gradient does not change, its mean square and the square of its mean approach each other, and rounding can put
 * the second above the first: the variance is then 0, and the step finite. */
START_TEST(a_variance_is_never_below_0) {
    task t = task_new(9, AG_F64); /* rmsprop, centred */
    static const double gradient[] = {0.2329, 0.2877, 0.3425, 0.4247};
    for (int s = 0; s < 600; s++) {
        double *g = ag_tensor_grad_write(t.x);
        for (int i = 0; i < N; i++) g[i] = gradient[i];
        ck_assert_int_eq(nn_optim_step(t.o, NULL), AG_OK);
    }
    for (int i = 0; i < N; i++) ck_assert(isfinite(ag_tensor_get(t.x, i)));
    task_free(&t);
}
END_TEST

/* Before RAdam adapts it does not read v: one that has overflowed is then no concern. */
START_TEST(a_rate_that_does_not_adapt_yet_ignores_the_variance) {
    task t = task_new(14, AG_F64); /* radam */
    for (int s = 0; s < 3; s++) {
        double *g = ag_tensor_grad_write(t.x);
        for (int i = 0; i < N; i++) g[i] = s ? 1 : 1e200;
        ck_assert_int_eq(nn_optim_step(t.o, NULL), AG_OK);
    }
    for (int i = 0; i < N; i++) ck_assert_double_lt(ag_tensor_get(t.x, i), -1e197);
    task_free(&t);
}
END_TEST

static nn_optim *without_decay(int rule, nn_params *p) {
    switch (rule) {
    case 0: return nn_sgd_with(p, 0.1, &(nn_sgd_options){.momentum = 0.9, .nesterov = true}, NULL);
    case 1: return nn_sgd_with(p, 0.1, &(nn_sgd_options){.momentum = 0.9, .dampening = 0.5}, NULL);
    case 2: return nn_radam(p, 0.1, NULL, NULL);
    case 3: return nn_adam_with(p, 0.1, &(nn_adam_options){.amsgrad = true}, NULL);
    case 4: return nn_adamw(p, 0.1, NULL, NULL); /* decoupled */
    case 5: return nn_rmsprop(p, 0.1, NULL, NULL);
    case 6: return nn_adagrad(p, 0.1, NULL, NULL);
    case 7: return nn_adadelta(p, 1, NULL, NULL);
    case 8: return nn_adamax(p, 0.1, NULL, NULL);
    default: return nn_nadam(p, 0.1, NULL, NULL);
    }
}

/* 0 times infinity is NaN: a share of 0 must not bring one in. So torch.optim, which leaves such terms out. */
START_TEST(an_infinity_is_not_multiplied_by_what_was_not_asked_for) {
    for (int dtype = AG_F32; dtype <= AG_F64; dtype++) {
        task t = task_new(0, (ag_dtype)dtype);
        nn_optim_free(t.o);
        t.o = without_decay(_i, t.p);
        ck_assert_ptr_nonnull(t.o);
        ck_assert_int_eq(ag_tensor_set(t.x, 0, -INFINITY), AG_OK);
        for (int s = 0; s < 2; s++) {
            void *g = ag_tensor_grad_write(t.x);
            for (int i = 0; i < N; i++) {
                const double slope =
                    i == 1 && s == 1 && _i < 3 ? INFINITY : 1; /* the others divide it by itself */
                if (dtype == AG_F32)
                    ((float *)g)[i] = (float)slope;
                else
                    ((double *)g)[i] = slope;
            }
            ck_assert_int_eq(nn_optim_step(t.o, NULL), AG_OK);
        }
        ck_assert_double_eq(ag_tensor_get(t.x, 0), -INFINITY);
        if (_i < 3) ck_assert_double_eq(ag_tensor_get(t.x, 1), -INFINITY);
        ck_assert(isfinite(ag_tensor_get(t.x, 2)));
        task_free(&t);
    }
}
END_TEST

static nn_params *shared;
static size_t shared_case;

static bool make_and_step(void) {
    ag_error error = {0};
    nn_optim *o = make(shared_case, shared, &error);
    bool ok = o && nn_optim_step(o, &error) == AG_OK;
    if (!ok) ck_assert_int_eq(error.status, AG_ERROR_MEMORY);
    nn_optim_free(o);
    return ok;
}

START_TEST(every_failed_allocation_is_reported_and_leaves_nothing) {
    task t = task_new(0, AG_F32);
    shared = t.p;
    for (shared_case = 0; shared_case < ALL; shared_case++) test_every_allocation(make_and_step);
    task_free(&t);
}
END_TEST

START_TEST(rules_are_rows_that_hold_together) {
    static const char *const names[] = {
        "nn_sgd_update",          "nn_sgd_momentum_update", "nn_adam_update",
        "nn_adam_amsgrad_update", "nn_rmsprop_update",      "nn_rmsprop_centered_momentum_update",
        "nn_adagrad_update",      "nn_adadelta_update",     "nn_adamax_update",
        "nn_nadam_update",        "nn_radam_update",        "nn_rprop_update",
        "nn_lion_update",         "nn_lamb_update"};
    for (size_t k = 0; k < ALL; k++) {
        task t = task_new(k, AG_F64);
        task_free(&t);
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const ag_op *op = ag_op_find(names[i]);
        ck_assert_msg(op != NULL, "%s", names[i]);
        ag_error error = {0};
        ck_assert_msg(ag_op_check(op, &error) == AG_OK, "%s", error.message);
        ck_assert_ptr_nonnull(op->probe);
        ck_assert_uint_eq(ag_op_grad(op, 0), AG_GRAD_MISSING);
    }
}
END_TEST

Suite *optim_rules_suite(void) {
    Suite *s = suite_create("optim_rules");
    TCase *tc = tcase_create("optim_rules");
    tcase_add_test(tc, trajectories_are_pytorchs);
    tcase_add_test(tc, f32_stays_close_to_f64);
    tcase_add_test(tc, lion_moves_by_the_rate_and_decays);
    tcase_add_test(tc, lambs_step_is_as_long_as_the_parameter);
    tcase_add_test(tc, a_variance_is_never_below_0);
    tcase_add_test(tc, a_rate_that_does_not_adapt_yet_ignores_the_variance);
    tcase_add_loop_test(tc, an_infinity_is_not_multiplied_by_what_was_not_asked_for, 0, 10);
    tcase_add_test(tc, state_and_numbers_are_all_there_is);
    tcase_add_test(tc, numbers_out_of_range_are_refused);
    tcase_add_test(tc, options_are_checked_and_defaults_are_pytorchs);
    tcase_add_test(tc, a_zero_that_is_meant_is_written_nn_zero);
    tcase_add_test(tc, every_failed_allocation_is_reported_and_leaves_nothing);
    tcase_add_test(tc, rules_are_rows_that_hold_together);
    suite_add_tcase(s, tc);
    return s;
}
