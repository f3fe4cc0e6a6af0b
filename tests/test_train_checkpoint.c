/* train_checkpoint: a run that stops and goes on is the run that never stopped, and its file is whole at every moment. */
#define _GNU_SOURCE 1 /* folder.h: mkdtemp, seteuid; O_TMPFILE */
#include "nn_support.h"

#include "support/folder.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

static const char *file; /* in a folder of each test's own */

static void setup(void) {
    folder_make();
    file = in_folder("run.safetensors");
}

/* A run: batch norm has buffers, dropout draws. */
typedef struct run {
    nn_module *net;
    nn_params *params;
    nn_optim *optim;
    nn_ema *ema;
    nn_schedule schedule;
    nn_plateau plateau;
    ag_random random;
    int64_t epoch;
    nn_checkpoint is;
} run;

typedef enum rule { ADAMW, SGD } rule;

static run *run_new(int64_t hidden, ag_dtype dtype, rule which, const char *pattern) {
    run *r = calloc(1, sizeof *r);
    ck_assert_ptr_nonnull(r);
    ag_error error = {0};
    nn_module *layers[] = {nn_linear(2, hidden, &error), nn_batch_norm1d(hidden, NULL, &error),
                           nn_activation_layer(NN_TANH, &error), nn_dropout(0.25, &error),
                           nn_linear(hidden, 2, &error)};
    r->net = nn_sequential(layers, 5, &error);
    r->params = nn_params_new(r->net, dtype, 1, &error);
    r->optim = which == ADAMW ? nn_adamw(r->params, 0.01, NULL, &error) : nn_sgd(r->params, 0.1, 0.9, &error);
    ck_assert_msg(r->optim != NULL, "%s", error.message);
    ck_assert_int_eq(nn_optim_group(r->optim, &(nn_group){.pattern = pattern, .lr_scale = 0.5}, &error), AG_OK);
    r->ema = nn_ema_new_with_buffers(r->params, 0.9, &error);
    ck_assert_ptr_nonnull(r->ema);
    r->schedule = nn_schedule_one_cycle_momentum(0.02, 60, 0.85, 0.95);
    r->random = (ag_random){7, 0};
    r->is = (nn_checkpoint){.params = r->params,
                            .optim = r->optim,
                            .ema = r->ema,
                            .schedule = &r->schedule,
                            .plateau = &r->plateau,
                            .random = &r->random,
                            .epoch = &r->epoch};
    return r;
}

static void run_free(run *r) {
    nn_ema_free(r->ema);
    nn_optim_free(r->optim);
    nn_params_free(r->params);
    nn_module_free(r->net);
    free(r);
}

/* Epochs up to number `last`, on a tape of their own that draws where the run's last one stopped. */
static void train(run *r, int64_t last) {
    nn_dataset d;
    ag_error error = {0};
    ck_assert_int_eq(nn_dataset_moons(100, 0.1, 1, &d, &error), AG_OK);
    nn_batcher *b = nn_batcher_new(&d, 16, true, 3, &error);
    ag_tape *t = ag_tape_new(NULL);
    ck_assert(b && t);
    ag_tape_random_set(t, r->random);
    nn_pass pass = {t, true};
    for (; r->epoch < last; r->epoch++) {
        double loss = 0;
        nn_batcher_start(b, r->epoch);
        for (ag_tensor *x, *y; nn_batcher_next(b, &x, &y);) {
            const ag_mark mark = ag_tape_mark(t);
            nn_optim_zero_grad(r->optim);
            const ag_value l = nn_cross_entropy(nn_forward(r->net, &pass, ag_constant(t, x)), ag_constant(t, y));
            ck_assert_int_eq(ag_backward(l), AG_OK);
            loss += ag_item(l);
            ck_assert_int_eq(ag_tape_rewind(t, mark), AG_OK);
            nn_schedule_apply(&r->schedule, r->optim);
            ck_assert_int_eq(nn_optim_step(r->optim, &error), AG_OK);
            ck_assert_int_eq(nn_ema_update(r->ema, &error), AG_OK);
        }
        (void)nn_plateau_step(&r->plateau, r->optim, loss);
    }
    r->random = ag_tape_random_get(t);
    ag_tape_free(t);
    nn_batcher_free(b);
    nn_dataset_clear(&d);
}

static bool same_tensor(const ag_tensor *a, const ag_tensor *b) {
    return memcmp(ag_tensor_data(a), ag_tensor_data(b), ag_meta_bytes(ag_tensor_meta(a))) == 0;
}

/* The parts of two tensors, state or average, that belong to parameters. */
static bool same_parts(const nn_params *p, const ag_tensor *a, const ag_tensor *b) {
    const char *slab = ag_tensor_data(nn_params_slab(p)), *x = ag_tensor_data(a), *y = ag_tensor_data(b);
    bool yes = true;
    for (size_t i = 0; i < nn_params_count(p); i++) {
        const ag_tensor *part = nn_params_tensor(p, i);
        const size_t at = (size_t)((const char *)ag_tensor_data(part) - slab);
        yes = yes && memcmp(x + at, y + at, ag_meta_bytes(ag_tensor_meta(part))) == 0;
    }
    return yes;
}

/* Every bit that a run keeps. */
static bool same(const run *a, const run *b) {
    bool yes = same_parts(a->params, nn_ema_state(a->ema), nn_ema_state(b->ema)) && a->epoch == b->epoch &&
               a->random.seed == b->random.seed && a->random.counter == b->random.counter &&
               a->plateau.best == b->plateau.best && a->plateau.bad == b->plateau.bad &&
               a->schedule.lr == b->schedule.lr && a->schedule.length == b->schedule.length &&
               a->schedule.momentum_low == b->schedule.momentum_low &&
               nn_optim_momentum(a->optim) == nn_optim_momentum(b->optim);
    for (size_t i = 0; i < nn_params_kept(a->params); i++)
        yes = yes && same_tensor(nn_params_keep(a->params, i), nn_params_keep(b->params, i));
    for (size_t i = 0; i < nn_ema_buffer_count(a->ema); i++)
        yes = yes && same_tensor(nn_ema_buffer(a->ema, i), nn_ema_buffer(b->ema, i));
    for (size_t i = 0; i < nn_optim_state_count(a->optim); i++)
        yes = yes && same_parts(a->params, nn_optim_state(a->optim, i), nn_optim_state(b->optim, i));
    for (size_t i = 0; i < nn_optim_number_count(a->optim); i++)
        yes = yes && nn_optim_number(a->optim, i) == nn_optim_number(b->optim, i);
    return yes;
}

static void save(const run *r) {
    ag_error error = {0};
    ck_assert_msg(nn_checkpoint_save(&r->is, file, &error) == AG_OK, "%s", error.message);
}

START_TEST(a_run_that_stops_and_goes_on_has_the_bits_of_one_that_never_stopped) {
    static const ag_dtype dtypes[] = {AG_F32, AG_F64};
    for (int k = 0; k < 2; k++) {
        run *whole = run_new(9, dtypes[k], ADAMW, "*.bias"), *first = run_new(9, dtypes[k], ADAMW, "*.bias"),
            *second = run_new(9, dtypes[k], ADAMW, "*.bias");
        train(whole, 6);
        train(first, 3);
        save(first);
        second->schedule = nn_schedule_constant(1); /* the file knows better */
        second->random.seed = 99;
        ag_error error = {0};
        ck_assert_msg(nn_checkpoint_load(&second->is, file, &error) == AG_OK, "%s", error.message);
        ck_assert(same(first, second));
        ck_assert(!same(whole, second));
        train(second, 6);
        ck_assert(same(whole, second));
        run_free(whole);
        run_free(first);
        run_free(second);
    }
}
END_TEST

START_TEST(a_checkpoint_of_weights_alone_can_be_made) {
    run *a = run_new(4, AG_F32, SGD, "*"), *b = run_new(4, AG_F32, SGD, "*");
    train(a, 1);
    const nn_checkpoint less = {.params = a->params}, into = {.params = b->params};
    ck_assert_int_eq(nn_checkpoint_save(&less, file, NULL), AG_OK);
    ck_assert_int_eq(nn_checkpoint_load(&into, file, NULL), AG_OK);
    ck_assert(same_tensor(nn_params_slab(a->params), nn_params_slab(b->params)));
    run_free(a);
    run_free(b);
}
END_TEST

/* Loading `from`'s file into `into` fails, touches nothing, and the message holds the texts. */
static void check_misfit(const run *from, run *into, const run *twin, const char *const *texts) {
    save(from);
    ag_error error = {0};
    ck_assert_int_eq(nn_checkpoint_load(&into->is, file, &error), AG_ERROR_FORMAT);
    for (; *texts; texts++)
        ck_assert_msg(strstr(error.message, *texts) != NULL, "\"%s\" lacks \"%s\"", error.message, *texts);
    ck_assert(same(into, twin));
}

START_TEST(what_does_not_fit_is_told_at_once_and_nothing_is_touched) {
    run *into = run_new(4, AG_F32, ADAMW, "*.bias"), *twin = run_new(4, AG_F32, ADAMW, "*.bias");
    run *wide = run_new(5, AG_F32, ADAMW, "*.bias"), *sgd = run_new(4, AG_F32, SGD, "*.bias"),
        *other = run_new(4, AG_F32, ADAMW, "*.weight"), *twice = run_new(4, AG_F64, ADAMW, "*.bias");
    train(other, 1);
    check_misfit(wide, into, twin,
                 (const char *const[]){file, "\"model.0.weight\" is (5, 2), should be (4, 2)", NULL});
    check_misfit(sgd, into, twin,
                 (const char *const[]){"\"optim.exp_avg\" is missing", "\"optim.exp_avg_sq\" is missing",
                                       "the optimiser is nn_sgd_momentum_update", "is not in the run", NULL});
    check_misfit(other, into, twin, (const char *const[]){"other groups", NULL});
    check_misfit(twice, into, twin, (const char *const[]){"\"model.0.weight\" is f64, should be f32", NULL});
    twice->is.epoch = NULL;
    check_misfit(twice, into, twin, (const char *const[]){"\"model.0.bias\" is f64", NULL});
    run_free(into);
    run_free(twin);
    run_free(wide);
    run_free(sgd);
    run_free(other);
    run_free(twice);
}
END_TEST

START_TEST(a_file_with_other_settings_is_refused_and_nothing_is_touched) {
    run *from = run_new(4, AG_F32, ADAMW, "*.bias"), *into = run_new(4, AG_F32, ADAMW, "*.bias"),
        *twin = run_new(4, AG_F32, ADAMW, "*.bias");
    train(from, 1);
    from->is.settings = (const char *const[]){"batch", "64", "data", "moons, 10 of them", "note", "", NULL};
    into->is.settings = (const char *const[]){"batch", "32", "model", "mlp", "note", "short", NULL};
    check_misfit(from, into, twin,
                 (const char *const[]){
                     "the run: batch is 64, should be 32, model is missing, note is , should be short", NULL});
    into->is.settings = (const char *const[]){"data", "moons, 10 of them", "batch", "64", NULL};
    ag_error error = {0};
    ck_assert_msg(nn_checkpoint_load(&into->is, file, &error) == AG_OK, "%s", error.message);
    ck_assert(same(from, into));

    from->is.settings = (const char *const[]){"batch", NULL};
    ck_assert_int_eq(nn_checkpoint_save(&from->is, file, &error), AG_ERROR_VALUE);
    from->is.settings = (const char *const[]){"optimiser", "mine", NULL};
    ck_assert_int_eq(nn_checkpoint_save(&from->is, file, &error), AG_ERROR_VALUE);
    ck_assert_int_eq(nn_checkpoint_load(&into->is, file, &error), AG_OK); /* the old file stands */
    run_free(from);
    run_free(into);
    run_free(twin);
}
END_TEST

START_TEST(numbers_that_cannot_be_are_refused_and_nothing_is_touched) {
    run *from = run_new(4, AG_F32, ADAMW, "*"), *into = run_new(4, AG_F32, ADAMW, "*"),
        *twin = run_new(4, AG_F32, ADAMW, "*");
    train(from, 1);
    nn_optim_set_lr(from->optim, -1);
    save(from);
    ag_error error = {0};
    ck_assert_int_eq(nn_checkpoint_load(&into->is, file, &error), AG_ERROR_VALUE);
    ck_assert_ptr_nonnull(strstr(error.message, "lr"));
    ck_assert_ptr_eq(strstr(error.message, file), error.message); /* which file it was */
    ck_assert(same(into, twin)); /* the steps, which come before the rate, are back */
    nn_optim_set_lr(from->optim, 1);
    from->schedule.length = -5;
    save(from);
    ck_assert_int_eq(nn_checkpoint_load(&into->is, file, &error), AG_ERROR_VALUE);
    from->schedule.kind = (nn_schedule_kind)77;
    save(from);
    ck_assert_int_eq(nn_checkpoint_load(&into->is, file, &error), AG_ERROR_VALUE);
    ck_assert(same(into, twin));
    run_free(from);
    run_free(into);
    run_free(twin);
}
END_TEST

/* One whose counts are at the end of their range would overflow at its next step. */
START_TEST(a_plateau_that_cannot_be_is_refused_and_nothing_is_touched) {
    run *from = run_new(4, AG_F32, ADAMW, "*"), *into = run_new(4, AG_F32, ADAMW, "*"),
        *twin = run_new(4, AG_F32, ADAMW, "*");
    train(from, 1);
    const nn_plateau good = from->plateau;
    static const int64_t wrong[] = {INT64_MAX, -1, INT64_MIN};
    for (int k = 0; k < 6; k++) {
        from->plateau = good;
        *(k % 2 ? &from->plateau.bad : &from->plateau.cooling) = wrong[k / 2];
        save(from);
        ag_error error = {0};
        ck_assert_int_eq(nn_checkpoint_load(&into->is, file, &error), AG_ERROR_VALUE);
        ck_assert_ptr_nonnull(strstr(error.message, "plateau"));
        ck_assert_ptr_eq(strstr(error.message, file), error.message);
        ck_assert(same(into, twin));
    }
    run_free(from);
    run_free(into);
    run_free(twin);
}
END_TEST

/* Adam and AdamW share a rule and the names of their state; so do SGD with Nesterov's momentum and without. */
START_TEST(optimisers_that_differ_by_a_switch_are_other_optimisers) {
    ag_error error = {0};
    nn_module *net = nn_linear(2, 2, &error);
    nn_params *p = nn_params_new(net, AG_F32, 1, &error);
    nn_optim *optim[] = {nn_adam(p, 0.1, &error), nn_adamw(p, 0.1, NULL, &error), nn_sgd(p, 0.1, 0.9, &error),
                         nn_sgd_with(p, 0.1, &(nn_sgd_options){.momentum = 0.9, .nesterov = true}, &error)};
    static const char *const said[] = {"the optimiser is nn_adam_update, should be nn_adam_update decoupled",
                                       "the optimiser is nn_sgd_momentum_update, should be nn_sgd_momentum_update "
                                       "nesterov"};
    ck_assert_int_eq(error.status, AG_OK);
    for (int k = 0; k < 4; k += 2) {
        const nn_checkpoint one = {.params = p, .optim = optim[k]}, other = {.params = p, .optim = optim[k + 1]};
        ck_assert_int_eq(nn_checkpoint_save(&one, file, &error), AG_OK);
        ck_assert_int_eq(nn_checkpoint_load(&one, file, &error), AG_OK);
        ck_assert_int_eq(nn_checkpoint_load(&other, file, &error), AG_ERROR_FORMAT);
        ck_assert_msg(strstr(error.message, said[k / 2]) != NULL, "%s", error.message);
        ck_assert_int_eq(nn_checkpoint_save(&other, file, &error), AG_OK);
        ck_assert_int_eq(nn_checkpoint_load(&other, file, &error), AG_OK);
        ck_assert_int_eq(nn_checkpoint_load(&one, file, &error), AG_ERROR_FORMAT);
    }
    for (int k = 0; k < 4; k++) nn_optim_free(optim[k]);
    nn_params_free(p);
    nn_module_free(net);
}
END_TEST

START_TEST(misuse_is_refused) {
    run *r = run_new(4, AG_F32, ADAMW, "*");
    const nn_checkpoint none = {.optim = r->optim};
    ag_error error = {0};
    ck_assert_int_eq(nn_checkpoint_save(&none, file, &error), AG_ERROR_VALUE);
    ck_assert_int_eq(nn_checkpoint_load(&none, file, &error), AG_ERROR_VALUE);
    ck_assert_int_eq(nn_checkpoint_load(&r->is, file, &error), AG_ERROR_IO);
    nn_ema_swap(r->ema);
    ck_assert_int_eq(nn_checkpoint_save(&r->is, file, &error), AG_ERROR_STATE);
    ck_assert_int_eq(nn_checkpoint_load(&r->is, file, &error), AG_ERROR_STATE);
    nn_ema_swap(r->ema);
    ck_assert_int_eq(nn_checkpoint_save(&r->is, in_folder("none/run"), &error), AG_ERROR_IO);
    ck_assert_int_eq(folder_count(), 0);
    run_free(r);
}
END_TEST

/* Every number of the run is `x`. */
static void paint(run *r, double x) {
    for (size_t i = 0; i < nn_params_kept(r->params); i++)
        ck_assert_int_eq(ag_tensor_fill(nn_params_keep(r->params, i), x), AG_OK);
    for (size_t i = 0; i < nn_optim_state_count(r->optim); i++)
        ck_assert_int_eq(ag_tensor_fill(nn_optim_state(r->optim, i), x), AG_OK);
    nn_optim_set_steps(r->optim, (int64_t)x);
    r->epoch = (int64_t)x;
}

static bool files_may_be_unnamed(void) {
#if defined(O_TMPFILE)
    const int fd = open(folder, O_WRONLY | O_TMPFILE, 0600);
    if (fd >= 0) close(fd);
    return fd >= 0 && access("/proc/self/fd", F_OK) == 0;
#else
    return false;
#endif
}

START_TEST(killed_at_any_moment_the_file_is_whole_and_little_lies_about) {
    run *r = run_new(2000, AG_F32, ADAMW, "*.bias"), *read = run_new(2000, AG_F32, ADAMW, "*.bias"),
        *model = run_new(2000, AG_F32, ADAMW, "*.bias");
    paint(r, 0);
    save(r);
    int64_t newest = 0;
    int kills = 0;
    for (; kills < 15 || (newest == 0 && kills < 100); kills++) { /* a slow machine saves nothing at first */
        const pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
            for (int64_t x = r->epoch + 1;; x++) {
                paint(r, (double)x);
                if (nn_checkpoint_save(&r->is, file, NULL)) _exit(1);
            }
        }
        const struct timespec wait = {0, 1000000L + 1700000L * kills};
        (void)nanosleep(&wait, NULL);
        ck_assert_int_eq(kill(child, SIGKILL), 0);
        int how;
        ck_assert_int_eq(waitpid(child, &how, 0), child);
        ck_assert_msg(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL, "saving failed");
        ag_error error = {0};
        ck_assert_msg(nn_checkpoint_load(&read->is, file, &error) == AG_OK, "%s", error.message);
        paint(model, (double)read->epoch);
        ck_assert_msg(same(read, model), "a file of two moments");
        ck_assert_int_ge(read->epoch, newest); /* the next one goes on after what was left behind */
        newest = r->epoch = read->epoch;
    }
    ck_assert_int_gt(newest, 0);
    /* A kill between naming and moving leaves a file, and on some machines naming takes its time. A file with a name from
     * the first is left by nearly every kill. */
    if (files_may_be_unnamed()) ck_assert_int_le(folder_count(), 1 + kills / 2);
    run_free(r);
    run_free(read);
    run_free(model);
}
END_TEST

static run *shared;

static bool save_and_load(void) {
    ag_error error = {0};
    ag_status status = nn_checkpoint_save(&shared->is, file, &error);
    if (!status) status = nn_checkpoint_load(&shared->is, file, &error);
    if (status) ck_assert_int_eq(error.status, AG_ERROR_MEMORY);
    return status == AG_OK;
}

START_TEST(every_failed_allocation_is_reported_and_leaves_nothing) {
    counting_allocator_install(); /* what is made before must be its own, too */
    shared = run_new(3, AG_F32, ADAMW, "*.bias");
    run *twin = run_new(3, AG_F32, ADAMW, "*.bias");
    test_every_allocation(save_and_load);
    ck_assert(same(shared, twin));
    ck_assert_int_eq(folder_count(), 1);
    run_free(twin);
    run_free(shared);
}
END_TEST

Suite *train_checkpoint_suite(void) {
    Suite *s = suite_create("train_checkpoint");
    TCase *tc = tcase_create("train_checkpoint");
    tcase_add_checked_fixture(tc, setup, folder_remove);
    tcase_add_test(tc, a_run_that_stops_and_goes_on_has_the_bits_of_one_that_never_stopped);
    tcase_add_test(tc, a_checkpoint_of_weights_alone_can_be_made);
    tcase_add_test(tc, what_does_not_fit_is_told_at_once_and_nothing_is_touched);
    tcase_add_test(tc, a_file_with_other_settings_is_refused_and_nothing_is_touched);
    tcase_add_test(tc, numbers_that_cannot_be_are_refused_and_nothing_is_touched);
    tcase_add_test(tc, a_plateau_that_cannot_be_is_refused_and_nothing_is_touched);
    tcase_add_test(tc, optimisers_that_differ_by_a_switch_are_other_optimisers);
    tcase_add_test(tc, misuse_is_refused);
    tcase_add_test(tc, killed_at_any_moment_the_file_is_whole_and_little_lies_about);
    tcase_add_test(tc, every_failed_allocation_is_reported_and_leaves_nothing);
    suite_add_tcase(s, tc);
    return s;
}
