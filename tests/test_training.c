/* training: whole runs - reproducible to the bit, unharmed by failed allocations, equal to PyTorch's, and learning. */
#include "nn_support.h"

/* ---- the same bits ------------------------------------------------------------------------------------------- */

enum { BATCH = 128, INPUTS = 20, HIDDEN = 96, CLASSES = 3 };

/* 50 steps of Adam on an MLP with dropout; the slab's bytes into `bits`. */
static void train(uint64_t seed, int threads, unsigned char *bits, size_t size) {
    const int64_t x_dim[] = {BATCH, INPUTS}, y_dim = BATCH;
    ag_tensor *x = ag_tensor_new(AG_F32, 2, x_dim, NULL), *y = ag_tensor_new(AG_I64, 1, &y_dim, NULL);
    ag_random random = {seed, 0};
    ck_assert_int_eq(nn_init_fill(nn_init_normal(0, 1), x, &random, NULL), AG_OK);
    for (int64_t i = 0; i < BATCH; i++)
        ck_assert_int_eq(ag_tensor_set(y, i, (double)ag_random_below(&random, CLASSES)), AG_OK);

    ag_error error = {0};
    nn_module *layers[] = {nn_linear(INPUTS, HIDDEN, &error), nn_activation_layer(NN_RELU, &error),
                           nn_dropout(0.25, &error), nn_linear(HIDDEN, CLASSES, &error)};
    nn_module *net = nn_sequential(layers, 4, &error);
    nn_params *params = nn_params_new(net, AG_F32, seed, &error);
    nn_optim *adam = nn_adam(params, 0.01, &error);
    ck_assert_msg(adam != NULL, "%s", error.message);
    ag_tape *t = ag_tape_new(&(ag_tape_options){.threads = threads, .seed = seed});
    nn_pass pass = {t, true};
    for (int step = 0; step < 50; step++) {
        ag_mark mark = ag_tape_mark(t);
        nn_optim_zero_grad(adam);
        ag_backward(nn_cross_entropy(nn_forward(net, &pass, ag_constant(t, x)), ag_constant(t, y)));
        ag_status status = ag_tape_rewind(t, mark);
        ck_assert_msg(status == AG_OK, "%s", ag_tape_message(t));
        ck_assert_int_eq(nn_optim_step(adam, NULL), AG_OK);
    }
    const ag_tensor *slab = nn_params_slab(params);
    ck_assert_uint_le(ag_meta_bytes(ag_tensor_meta(slab)), size);
    memset(bits, 0, size);
    memcpy(bits, ag_tensor_data(slab), ag_meta_bytes(ag_tensor_meta(slab)));
    ag_tape_free(t);
    nn_optim_free(adam);
    nn_params_free(params);
    nn_module_free(net);
    ag_tensor_free(y);
    ag_tensor_free(x);
}

START_TEST(the_same_seed_gives_the_same_bits_whatever_the_threads) {
    static unsigned char first[16384], again[sizeof first], two[sizeof first], other[sizeof first];
    train(1, 1, first, sizeof first);
    train(1, 1, again, sizeof first);
    train(1, 2, two, sizeof first);
    train(2, 1, other, sizeof first);
    ck_assert_mem_eq(again, first, sizeof first);
    ck_assert_mem_eq(two, first, sizeof first);
    ck_assert_mem_ne(other, first, sizeof first);
}
END_TEST

/* ---- without memory ------------------------------------------------------------------------------------------ */

/* What one step of Adam is tried on, and the bytes of the slab before and after an undisturbed one. */
static struct {
    ag_tensor *x, *y;
    nn_module *net;
    nn_params *params;
    nn_optim *adam;
    unsigned char before[4096], after[4096];
    bool known; /* after has been filled */
} task;

static void put_back(void) {
    ag_tensor *slab = nn_params_slab(task.params);
    memcpy(ag_tensor_write(slab), task.before, ag_meta_bytes(ag_tensor_meta(slab)));
    for (size_t i = 0; i < nn_optim_state_count(task.adam); i++)
        ck_assert_int_eq(ag_tensor_fill(nn_optim_state(task.adam, i), 0), AG_OK);
    nn_optim_set_steps(task.adam, 0);
}

/* A whole step with a tape of its own. Where it fails no parameter has moved; where it succeeds, after however many
 * failures, its bits are those of the first. */
static bool one_step(void) {
    const ag_tensor *slab = nn_params_slab(task.params);
    const size_t bytes = ag_meta_bytes(ag_tensor_meta(slab));
    ag_tape *t = ag_tape_new(&(ag_tape_options){.threads = 1, .seed = 1});
    bool ok = false;
    if (t) {
        nn_pass pass = {t, true};
        ag_mark mark = ag_tape_mark(t);
        nn_optim_zero_grad(task.adam);
        ag_value z = nn_forward(task.net, &pass, ag_constant(t, task.x));
        ag_status backward = ag_backward(nn_cross_entropy(z, ag_constant(t, task.y)));
        ag_status built = ag_tape_rewind(t, mark);
        ok = !backward && !built;
        if (ok)
            ck_assert_int_eq(nn_optim_step(task.adam, NULL), AG_OK);
        else
            ck_assert_int_eq(built, AG_ERROR_MEMORY);
    }
    ag_tape_free(t);
    if (!ok) {
        ck_assert_mem_eq(ag_tensor_data(slab), task.before, bytes);
        return false;
    }
    if (!task.known) memcpy(task.after, ag_tensor_data(slab), bytes);
    task.known = true;
    ck_assert_mem_eq(ag_tensor_data(slab), task.after, bytes);
    put_back();
    return true;
}

START_TEST(a_step_fails_cleanly_at_every_allocation_and_a_retry_gives_the_same_bits) {
    const int64_t x_dim[] = {6, 5}, y_dim = 6;
    ag_random random = {3, 0};
    ag_error error = {0};
    task.x = ag_tensor_new(AG_F32, 2, x_dim, &error);
    task.y = ag_tensor_new(AG_I64, 1, &y_dim, &error);
    ck_assert_int_eq(nn_init_fill(nn_init_normal(0, 1), task.x, &random, &error), AG_OK);
    nn_module *layers[] = {nn_linear(5, 7, &error), nn_activation_layer(NN_TANH, &error), nn_dropout(0.5, &error),
                           nn_linear_with(7, 3, nn_init_he_normal(), false, nn_init_constant(0), &error)};
    task.net = nn_sequential(layers, 4, &error);
    task.params = nn_params_new(task.net, AG_F32, 1, &error);
    task.adam = nn_adam(task.params, 0.01, &error);
    ck_assert_msg(task.adam != NULL, "%s", error.message);
    const ag_tensor *slab = nn_params_slab(task.params);
    ck_assert_uint_le(ag_meta_bytes(ag_tensor_meta(slab)), sizeof task.before);
    memcpy(task.before, ag_tensor_data(slab), ag_meta_bytes(ag_tensor_meta(slab)));
    test_every_allocation(one_step);
    nn_optim_free(task.adam);
    nn_params_free(task.params);
    nn_module_free(task.net);
    ag_tensor_free(task.y);
    ag_tensor_free(task.x);
}
END_TEST

/* ---- trajectories ----------------------------------------------------------------------------------------------- */

/* Minimising sum(a x^2 + b x^4), in f64, 25 steps; where PyTorch's torch.optim stands after steps 1, 2, 10 and 25. */
static const double a[4] = {1.6837192410248834, 0.6388816177035421, 1.2705613663962616, 0.6079330508717753};
static const double b[4] = {0.3200490330916914, 0.47451555840410764, 0.4229743710516667, 0.4719860563851478};
static const double start[4] = {0.9469131449169097, -0.7951924455031368, 0.5268582606637694, 0.5963821381692594};
static const int at_step[] = {1, 2, 10, 25};

typedef struct point {
    nn_module base;
    nn_param *x;
} point;

static ag_value objective(nn_module *m, nn_pass *pass, ag_value unused) {
    (void)unused;
    const int64_t n = 4;
    ag_value x2 = ag_square(nn_use(pass, ((point *)m)->x));
    ag_value quadratic = ag_mul(ag_array_constant(pass->tape, AG_F64, 1, &n, a), x2);
    return ag_sum_all(ag_add(quadratic, ag_mul(ag_array_constant(pass->tape, AG_F64, 1, &n, b), ag_square(x2))));
}

static void follow(nn_optim *make(nn_params *), const double expected[4][4]) {
    const int64_t n = 4;
    point *m = nn_module_new(sizeof *m, "point", objective, NULL);
    ck_assert_ptr_nonnull(m);
    m->x = nn_module_param(&m->base, "x", 1, &n, nn_init_constant(0), NULL);
    nn_params *params = nn_params_new(&m->base, AG_F64, 0, NULL);
    ck_assert_ptr_nonnull(params);
    ck_assert_int_eq(ag_tensor_write_f64(m->x->tensor, start, 4), AG_OK);
    nn_optim *o = make(params);
    ck_assert_ptr_nonnull(o);
    ag_tape *t = ag_tape_new(NULL);
    nn_pass pass = {t, true};
    for (int step = 1, k = 0; step <= 25; step++) {
        ag_mark mark = ag_tape_mark(t);
        nn_optim_zero_grad(o);
        ag_backward(nn_forward(&m->base, &pass, ag_scalar(t, 0)));
        ag_status status = ag_tape_rewind(t, mark);
        ck_assert_msg(status == AG_OK, "%s", ag_tape_message(t));
        ck_assert_int_eq(nn_optim_step(o, NULL), AG_OK);
        if (step != at_step[k]) continue;
        for (int i = 0; i < 4; i++) ck_assert_double_eq_tol(ag_tensor_get(m->x->tensor, i), expected[k][i], 1e-10);
        k++;
    }
    ag_tape_free(t);
    nn_optim_free(o);
    nn_params_free(params);
    nn_module_free(&m->base);
}

static nn_optim *make_sgd(nn_params *p) { return nn_sgd(p, 0.05, 0, NULL); }
static nn_optim *make_momentum(nn_params *p) { return nn_sgd(p, 0.05, 0.9, NULL); }
static nn_optim *make_adam(nn_params *p) { return nn_adam(p, 0.02, NULL); }

START_TEST(sgd_goes_where_pytorch_goes) {
    static const double path[4][4] = {
        {0.733132384595347, -0.696669418589114, 0.447546098028725, 0.540102917077946},
        {0.584470649356167, -0.6200711568556306, 0.38309933491701903, 0.4923956128086788},
        {0.12386125903426431, -0.3061049289691111, 0.12276064899169567, 0.26471396637531674},
        {0.007766420102769835, -0.10680070567157524, 0.015894478754265737, 0.09842830005965691}};
    follow(make_sgd, path);
}
END_TEST

START_TEST(momentum_goes_where_pytorch_goes) {
    static const double path[4][4] = {
        {0.733132384595347, -0.696669418589114, 0.447546098028725, 0.540102917077946},
        {0.39206796506676067, -0.5314004326330102, 0.311718388545479, 0.44174431382649665},
        {-0.006165111469738135, 0.5006704929936214, -0.23433034249391135, -0.3469861675545448},
        {0.04689238689460309, -0.13363724411804007, -0.144961754504374, 0.15684288418629871}};
    follow(make_momentum, path);
}
END_TEST

START_TEST(adam_goes_where_pytorch_goes) {
    static const double path[4][4] = {
        {0.9269131449636866, -0.775192445604636, 0.5068582607898534, 0.576382138346945},
        {0.9069324030238148, -0.7552246076698302, 0.48689085568264595, 0.5564206352536291},
        {0.7493560753133462, -0.5992497165777902, 0.3311759469372996, 0.401285178873045},
        {0.48156281827434766, -0.34975912781625423, 0.09280800979576413, 0.1634182667953838}};
    follow(make_adam, path);
}
END_TEST

/* ---- learning ------------------------------------------------------------------------------------------------------ */

START_TEST(exclusive_or_is_learned) {
    const int64_t sizes[] = {2, 8, 2}, x_dim[] = {4, 2}, y_dim = 4;
    ag_tensor *x = ag_tensor_from(AG_F32, 2, x_dim, (const double[]){0, 0, 0, 1, 1, 0, 1, 1}, NULL);
    ag_tensor *y = ag_tensor_from(AG_I64, 1, &y_dim, (const double[]){0, 1, 1, 0}, NULL);
    ag_error error = {0};
    nn_module *net = nn_mlp(sizes, 3, NN_TANH, NULL, &error);
    nn_params *params = nn_params_new(net, AG_F32, 1, &error);
    nn_optim *adam = nn_adam(params, 0.05, &error);
    ck_assert_msg(adam != NULL, "%s", error.message);
    ag_tape *t = ag_tape_new(NULL);
    nn_pass pass = {t, true};
    double loss = 0;
    for (int step = 0; step < 300; step++) {
        ag_mark mark = ag_tape_mark(t);
        nn_optim_zero_grad(adam);
        ag_value z = nn_cross_entropy(nn_forward(net, &pass, ag_constant(t, x)), ag_constant(t, y));
        loss = ag_item(z);
        ag_backward(z);
        ck_assert_int_eq(ag_tape_rewind(t, mark), AG_OK);
        ck_assert_int_eq(nn_optim_step(adam, NULL), AG_OK);
    }
    ck_assert_double_lt(loss, 0.05);
    nn_confusion c;
    ck_assert_int_eq(nn_confusion_init(&c, 2, NULL), AG_OK);
    pass.training = false;
    ck_assert_int_eq(nn_confusion_add(&c, nn_forward(net, &pass, ag_constant(t, x)), y, NULL), AG_OK);
    ck_assert_double_eq(nn_confusion_accuracy(&c), 1);
    nn_confusion_clear(&c);
    ag_tape_free(t);
    nn_optim_free(adam);
    nn_params_free(params);
    nn_module_free(net);
    ag_tensor_free(y);
    ag_tensor_free(x);
}
END_TEST

Suite *training_suite(void) {
    Suite *s = suite_create("training");
    TCase *tc = tcase_create("training");
    tcase_add_test(tc, the_same_seed_gives_the_same_bits_whatever_the_threads);
    tcase_add_test(tc, a_step_fails_cleanly_at_every_allocation_and_a_retry_gives_the_same_bits);
    tcase_add_test(tc, sgd_goes_where_pytorch_goes);
    tcase_add_test(tc, momentum_goes_where_pytorch_goes);
    tcase_add_test(tc, adam_goes_where_pytorch_goes);
    tcase_add_test(tc, exclusive_or_is_learned);
    suite_add_tcase(s, tc);
    return s;
}
