/* batch: batches of any source, made by the caller's thread or ahead of it, are the same to the bit, and what goes wrong
 * arrives where it belongs. Batches of a dataset alone: test_data.c. */
#define _GNU_SOURCE 1 /* RTLD_NEXT */
#include "source_support.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>

/* ---- a system without threads -------------------------------------------------------------------------------- */

static bool no_threads;

typedef int creator(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument) {
    if (no_threads) return EAGAIN;
    creator *next;
    void *symbol = dlsym(RTLD_NEXT, "pthread_create");
    memcpy(&next, &symbol, sizeof next); /* ISO C has no cast for it */
    return next(thread, attributes, run, argument);
}

/* ---- what comes ------------------------------------------------------------------------------------------------- */

static nn_batcher *batcher_of(nn_source *s, nn_batcher_options o) {
    ag_error error = {0};
    nn_batcher *b = nn_batcher_of(s, &o, &error);
    ck_assert_msg(b != NULL, "%s", error.message);
    return b;
}

/* An epoch's numbers: three of each x, in the order they came. */
static int64_t take_epoch(nn_batcher *b, int64_t batch, int64_t n, float *x_of) {
    int64_t seen = 0, rows;
    for (ag_tensor *x, *y; nn_batcher_next(b, &x, &y); seen += rows) {
        rows = ag_tensor_meta(x)->dim[0];
        ck_assert_int_eq(rows, n - seen < batch ? n - seen : batch);
        ck_assert(ag_tensor_meta(x)->rank == 2 && ag_tensor_meta(x)->dim[1] == 3);
        ck_assert(ag_tensor_meta(y)->rank == 1 && ag_tensor_meta(y)->dim[0] == rows);
        int64_t named;
        const int64_t *index = nn_batcher_index(b, &named);
        ck_assert_int_eq(named, rows);
        ck_assert(nn_batcher_batch(b)->x == x && nn_batcher_batch(b)->y == y && !nn_batcher_batch(b)->more[0]);
        for (int64_t i = 0; i < rows; i++) {
            ck_assert(ag_tensor_get(y, i) == (double)index[i]);
            ck_assert(ag_tensor_get(x, 3 * i) == (double)index[i]);
        }
        memcpy(x_of + 3 * seen, ag_tensor_data(x), (size_t)rows * 3 * sizeof *x_of);
    }
    int64_t none;
    ck_assert(!nn_batcher_batch(b) && !nn_batcher_index(b, &none));
    ck_assert_int_eq(none, 0);
    ck_assert_int_eq(nn_batcher_status(b, NULL), AG_OK);
    ck_assert(!nn_batcher_next(b, &(ag_tensor *){NULL}, NULL)); /* the end stays the end */
    return seen;
}

START_TEST(batches_hold_the_samples_that_the_source_gives) {
    tale t = tale_of(10);
    nn_batcher *b = batcher_of(&t.source, (nn_batcher_options){.batch = 4, .seed = 3});
    ck_assert_int_eq(nn_batcher_count(b), 3);
    float x[30];
    for (int64_t epoch = 0; epoch < 2; epoch++) {
        nn_batcher_start(b, epoch);
        ck_assert_int_eq(take_epoch(b, 4, 10, x), 10);
        for (int64_t i = 0; i < 10; i++) {
            ag_random draws = nn_sample_draws(3, epoch, i);
            nn_sample s;
            ck_assert_int_eq(nn_source_sample(&t.source, i, &draws, &s, NULL), AG_OK);
            ck_assert_mem_eq(x + 3 * i, ag_tensor_data(s.x), 3 * sizeof *x);
            nn_sample_clear(&s);
        }
    }
    nn_batcher_free(b);
}
END_TEST

START_TEST(batches_made_ahead_are_the_same_to_the_bit) {
    enum { N = 53 };
    static const int64_t sizes[] = {1, 8, 53, 100};
    static const int ahead[] = {1, 2, 5, 1000};
    static float expected[3][3 * N], got[3 * N];
    tale t = tale_of(N);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        nn_batcher_options o = {.batch = sizes[s], .shuffle = true, .seed = 9};
        nn_batcher *plain = batcher_of(&t.source, o);
        for (int64_t e = 0; e < 3; e++) {
            nn_batcher_start(plain, e);
            take_epoch(plain, sizes[s], N, expected[e]);
        }
        ck_assert_mem_ne(expected[0], expected[1], sizeof got);
        nn_batcher_free(plain);
        for (size_t k = 0; k < sizeof ahead / sizeof *ahead; k++) {
            o.prefetch = ahead[k];
            nn_batcher *b = batcher_of(&t.source, o);
            take_epoch(b, sizes[s], N, got); /* ready for epoch 0 */
            ck_assert_mem_eq(got, expected[0], sizeof got);
            for (int64_t e = 2; e >= 0; e--) {
                nn_batcher_start(b, e);
                take_epoch(b, sizes[s], N, got);
                ck_assert_mem_eq(got, expected[e], sizeof got);
            }
            nn_batcher_free(b);
        }
    }
}
END_TEST

START_TEST(a_dataset_gives_the_same_batches_as_a_source_and_ahead) {
    nn_dataset d;
    ck_assert_int_eq(nn_dataset_blobs(50, 3, 4, 1, 2, &d, NULL), AG_OK);
    nn_dataset_source s = nn_source_of_dataset(&d);
    nn_source one_by_one = s.source;
    one_by_one.batch = NULL; /* samples collated, instead of rows gathered */
    nn_dataset_source slow = {one_by_one, d};
    nn_batcher *b[] = {
        nn_batcher_new(&d, 7, true, 4, NULL),
        batcher_of(&s.source, (nn_batcher_options){.batch = 7, .shuffle = true, .seed = 4, .prefetch = 3}),
        batcher_of(&slow.source, (nn_batcher_options){.batch = 7, .shuffle = true, .seed = 4}),
        batcher_of(&s.source,
                   (nn_batcher_options){.batch = 7, .shuffle = true, .seed = 4, .collate = nn_collate_stack})};
    for (int64_t e = 0; e < 2; e++) {
        for (int k = 0; k < 4; k++) nn_batcher_start(b[k], e);
        for (int64_t n = 0; n < 8; n++) {
            ag_tensor *x[4], *y[4];
            for (int k = 0; k < 4; k++) {
                ck_assert(nn_batcher_next(b[k], &x[k], &y[k]));
                ck_assert(ag_meta_same_shape(ag_tensor_meta(x[0]), ag_tensor_meta(x[k])));
                ck_assert(ag_meta_same_shape(ag_tensor_meta(y[0]), ag_tensor_meta(y[k])));
                ck_assert_mem_eq(ag_tensor_data(x[0]), ag_tensor_data(x[k]), ag_meta_bytes(ag_tensor_meta(x[0])));
                ck_assert_mem_eq(ag_tensor_data(y[0]), ag_tensor_data(y[k]), ag_meta_bytes(ag_tensor_meta(y[0])));
            }
        }
        for (int k = 0; k < 4; k++) ck_assert(!nn_batcher_next(b[k], &(ag_tensor *){NULL}, NULL));
    }
    for (int k = 0; k < 4; k++) nn_batcher_free(b[k]);
    nn_dataset_clear(&d);
}
END_TEST

START_TEST(a_short_batch_may_be_left_out) {
    static const struct { int64_t n, batch, count; } cases[] = {{10, 4, 2}, {8, 4, 2}, {3, 4, 0}, {0, 4, 0}};
    for (int ahead = 0; ahead < 3; ahead++)
        for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
            tale t = tale_of(cases[k].n);
            nn_batcher *b = batcher_of(
                &t.source, (nn_batcher_options){.batch = cases[k].batch, .drop_last = true, .prefetch = ahead});
            float x[30];
            ck_assert_int_eq(nn_batcher_count(b), cases[k].count);
            ck_assert_int_eq(take_epoch(b, cases[k].batch, cases[k].n, x), cases[k].count * cases[k].batch);
            nn_batcher_free(b);
        }
}
END_TEST

START_TEST(nothing_and_less_than_a_batch_are_sources_too) {
    for (int ahead = 0; ahead < 3; ahead++) {
        tale none = tale_of(0), few = tale_of(3);
        nn_batcher *b = batcher_of(&none.source, (nn_batcher_options){.prefetch = ahead});
        float x[9];
        ck_assert_int_eq(nn_batcher_count(b), 0);
        ck_assert_int_eq(take_epoch(b, 32, 0, x), 0);
        nn_batcher_start(b, 1);
        ck_assert_int_eq(take_epoch(b, 32, 0, x), 0);
        nn_batcher_free(b);
        b = batcher_of(&few.source, (nn_batcher_options){.prefetch = ahead});
        ck_assert_int_eq(nn_batcher_count(b), 1);
        ck_assert_int_eq(take_epoch(b, 32, 3, x), 3);
        nn_batcher_free(b);
    }
}
END_TEST

/* ---- what goes wrong ---------------------------------------------------------------------------------------------- */

/* In order, batches of 4: `good` of them, then a failure that says `text`; and the same again. */
static void check_failure(tale *t, int64_t good, ag_status status, const char *text) {
    for (int ahead = 0; ahead < 4; ahead++) {
        nn_batcher *b = batcher_of(&t->source, (nn_batcher_options){.batch = 4, .prefetch = ahead});
        for (int64_t e = 0; e < 2; e++) {
            nn_batcher_start(b, e);
            ag_tensor *x, *y;
            for (int64_t k = 0; k < good; k++) {
                ck_assert(nn_batcher_next(b, &x, &y));
                ck_assert_int_eq(nn_batcher_status(b, NULL), AG_OK);
            }
            for (int again = 0; again < 2; again++) {
                ck_assert(!nn_batcher_next(b, &x, &y));
                ag_error error = {0};
                ck_assert_int_eq(nn_batcher_status(b, &error), status);
                ck_assert_int_eq(error.status, status);
                ck_assert_msg(strstr(error.message, text) != NULL, "%s", error.message);
                ck_assert_ptr_null(nn_batcher_batch(b));
            }
        }
        const int64_t fails_at = t->fails_at;
        if (fails_at != NOWHERE) { /* mended in the meantime */
            t->fails_at = NOWHERE;
            nn_batcher_start(b, 2);
            ck_assert_int_eq(nn_batcher_status(b, NULL), AG_OK);
            float x[3 * 10];
            ck_assert_int_eq(take_epoch(b, 4, 10, x), 10);
            t->fails_at = fails_at;
        }
        nn_batcher_free(b);
    }
}

START_TEST(a_sample_that_fails_is_named_at_its_batch) {
    for (int64_t at = 0; at < 10; at++) {
        tale t = tale_of(10);
        t.fails_at = at;
        char text[60];
        snprintf(text, sizeof text, "sample %d: the film is torn", (int)at);
        check_failure(&t, at / 4, AG_ERROR_IO, text);
        t.silent = true;
        snprintf(text, sizeof text, "sample %d: file operation failed", (int)at);
        check_failure(&t, at / 4, AG_ERROR_IO, text);
    }
}
END_TEST

START_TEST(samples_that_do_not_stack_are_named) {
    tale t = tale_of(10);
    t.longer_at = 6;
    check_failure(&t, 1, AG_ERROR_SHAPE,
                  "sample 6: its x f32 (4) does not stand in one batch with sample 4's f32 (3)");
    t = tale_of(10);
    t.f64_at = 9;
    check_failure(&t, 2, AG_ERROR_DTYPE,
                  "sample 9: its x f64 (3) does not stand in one batch with sample 8's f32 (3)");
    t = tale_of(10);
    t.bare_at = 3;
    check_failure(&t, 0, AG_ERROR_VALUE, "sample 3 has no y, but sample 0 of the same batch has one");
    t = tale_of(10);
    t.bare_at = 4;
    check_failure(&t, 1, AG_ERROR_VALUE, "sample 5 has a y, but sample 4 of the same batch has none");
    t = tale_of(10);
    t.empty_at = 5;
    check_failure(&t, 1, AG_ERROR_VALUE, "sample 5: the source gave no x");
}
END_TEST

START_TEST(what_cannot_be_a_batcher_is_refused) {
    tale t = tale_of(10), less = tale_of(-1);
    const struct {
        nn_source *source;
        nn_batcher_options is;
        const char *text;
    } wrong[] = {{NULL, {0}, "no source"},
                 {&t.source, {.batch = -1}, "batch size -1"},
                 {&t.source, {.prefetch = -1}, "prefetch of -1"},
                 {&less.source, {0}, "-1 samples"}};
    for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
        ag_error error = {0};
        ck_assert_ptr_null(nn_batcher_of(wrong[k].source, &wrong[k].is, &error));
        ck_assert_int_eq(error.status, AG_ERROR_VALUE);
        ck_assert_msg(strstr(error.message, wrong[k].text) != NULL, "%s", error.message);
    }
    nn_batcher *b = nn_batcher_of(&t.source, NULL, NULL);
    ck_assert_int_eq(nn_batcher_count(b), 1);
    nn_batcher_free(b);
    nn_batcher_free(NULL);
}
END_TEST

START_TEST(without_a_second_thread_it_says_so) {
    tale t = tale_of(10);
    ag_error error = {0};
    no_threads = true;
    ck_assert_ptr_null(nn_batcher_of(&t.source, &(nn_batcher_options){.prefetch = 1}, &error));
    ck_assert_int_eq(error.status, AG_ERROR_LIMIT);
    ck_assert_ptr_nonnull(strstr(error.message, "no second thread: "));
    nn_batcher *b = batcher_of(&t.source, (nn_batcher_options){.prefetch = 0});
    nn_batcher_free(b);
    no_threads = false;
}
END_TEST

/* ---- the second thread ---------------------------------------------------------------------------------------------- */

START_TEST(an_epoch_may_be_left_at_any_batch) {
    tale t = tale_of(20);
    t.pause = 100 * 1000;
    for (int ahead = 1; ahead < 4; ahead++)
        for (int64_t taken = 0; taken <= 10; taken++) {
            nn_batcher *b = batcher_of(&t.source, (nn_batcher_options){.batch = 2, .prefetch = ahead, .seed = 1});
            for (int64_t e = 0; e < 2; e++) {
                nn_batcher_start(b, e);
                for (int64_t k = 0; k < taken; k++) ck_assert(nn_batcher_next(b, &(ag_tensor *){NULL}, NULL));
            }
            nn_batcher_start(b, 5);
            nn_batcher_start(b, 1); /* nobody waits for any of epoch 5 */
            float got[60];
            ck_assert_int_eq(take_epoch(b, 2, 20, got), 20);
            for (int64_t i = 0; i < 20; i++) {
                ag_random draws = nn_sample_draws(1, 1, i);
                ck_assert(got[3 * i + 2] == (float)ag_random_uniform(&draws));
            }
            nn_batcher_start(b, 2);
            nn_batcher_free(b); /* while the thread works */
        }
}
END_TEST

START_TEST(it_makes_no_more_ahead_than_it_was_told) {
    tale t = tale_of(100);
    nn_batcher *b = batcher_of(&t.source, (nn_batcher_options){.batch = 3, .prefetch = 2});
    const struct timespec moment = {.tv_nsec = 20 * 1000 * 1000};
    nanosleep(&moment, NULL);
    ck_assert_int_eq(atomic_load(&t.made), 0); /* before it is asked */
    nn_batcher_start(b, 0);
    ag_tensor *x;
    for (int64_t taken = 0; taken < 4; taken++) {
        /* The batch in the caller's hands, or the first, and two behind it. */
        const long most = 3 * ((taken ? taken : 1) + 2);
        for (int k = 0; k < 500 && atomic_load(&t.made) < most; k++) nanosleep(&moment, NULL);
        nanosleep(&moment, NULL);
        ck_assert_int_eq(atomic_load(&t.made), most);
        ck_assert(nn_batcher_next(b, &x, NULL));
    }
    nn_batcher_free(b);
}
END_TEST

START_TEST(it_makes_none_behind_one_that_failed) {
    tale t = tale_of(100);
    t.fails_at = 4;
    nn_batcher *b = batcher_of(&t.source, (nn_batcher_options){.batch = 3, .prefetch = 5});
    ck_assert(nn_batcher_next(b, &(ag_tensor *){NULL}, NULL));
    ck_assert(!nn_batcher_next(b, &(ag_tensor *){NULL}, NULL));
    nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL);
    ck_assert_int_eq(atomic_load(&t.made), 5);
    nn_batcher_free(b);
}
END_TEST

static ag_status masked_sample(nn_source *s, int64_t i, ag_random *draws, nn_sample *out, ag_error *error) {
    (void)s, (void)i, (void)draws;
    sigset_t now;
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    out->x = ag_tensor_from(AG_F64, 0, NULL, (double[]){sigismember(&now, SIGINT)}, error);
    return error->status;
}

START_TEST(signals_are_left_to_the_program) {
    tale t = tale_of(1);
    t.source.sample = masked_sample;
    for (int ahead = 0; ahead < 2; ahead++) {
        nn_batcher *b = batcher_of(&t.source, (nn_batcher_options){.prefetch = ahead});
        ag_tensor *x, *y = NULL;
        ck_assert(nn_batcher_next(b, &x, &y));
        ck_assert_ptr_null(y);
        ck_assert(ag_tensor_get(x, 0) == ahead);
        nn_batcher_free(b);
    }
    sigset_t now;
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    ck_assert_int_eq(sigismember(&now, SIGINT), 0);
}
END_TEST

/* A sample that uses a tape: x = i^2. */
static ag_status taped_sample(nn_source *s, int64_t i, ag_random *draws, nn_sample *out, ag_error *error) {
    (void)s, (void)draws;
    ag_tape *tape = ag_tape_new(NULL);
    if (!tape) return ag_fail(error, AG_ERROR_MEMORY, "no tape");
    const double x = ag_item(ag_square(ag_scalar(tape, (double)i)));
    ag_tape_free(tape);
    out->x = ag_tensor_from(AG_F64, 0, NULL, &x, error);
    return out->x ? AG_OK : error->status;
}

START_TEST(a_source_may_have_a_tape_of_its_own) {
    tale t = tale_of(40);
    t.source.sample = taped_sample;
    nn_batcher *b = batcher_of(&t.source, (nn_batcher_options){.batch = 4, .prefetch = 2});
    ag_tape *tape = ag_tape_new(NULL);
    double sum = 0;
    for (ag_tensor *x; nn_batcher_next(b, &x, NULL);) {
        const ag_mark mark = ag_tape_mark(tape);
        sum += ag_item(ag_sum_all(ag_constant(tape, x)));
        ck_assert_int_eq(ag_tape_rewind(tape, mark), AG_OK);
    }
    ck_assert(sum == 39 * 40 * 79 / 6);
    ag_tape_free(tape);
    nn_batcher_free(b);
}
END_TEST

/* ---- memory ------------------------------------------------------------------------------------------------------------ */

START_TEST(an_epoch_of_a_dataset_allocates_nothing) {
    counting_allocator_install();
    nn_dataset d;
    ck_assert_int_eq(nn_dataset_moons(50, 0, 1, &d, NULL), AG_OK);
    nn_dataset_source s = nn_source_of_dataset(&d);
    for (int ahead = 0; ahead < 3; ahead++) {
        nn_batcher *b =
            batcher_of(&s.source, (nn_batcher_options){.batch = 8, .shuffle = true, .prefetch = ahead});
        counting_allocator_fail_from(1);
        for (int64_t e = 0; e < 3; e++) {
            nn_batcher_start(b, e);
            int64_t batches = 0;
            for (ag_tensor *x, *y; nn_batcher_next(b, &x, &y);) batches++;
            ck_assert_int_eq(batches, 7);
        }
        ck_assert_int_eq(counting_allocator_calls(), 0);
        counting_allocator_fail_from(0);
        nn_batcher_free(b);
    }
    nn_dataset_clear(&d);
    ck_assert_int_eq(counting_allocator_live(), 0);
}
END_TEST

static int attempt_ahead;
static nn_collate *attempt_collate;

static bool take_all(void) {
    tale t = tale_of(10);
    nn_batcher *b = nn_batcher_of(
        &t.source,
        &(nn_batcher_options){.batch = 4, .shuffle = true, .prefetch = attempt_ahead, .collate = attempt_collate},
        NULL);
    if (!b) return false;
    bool done = true;
    for (int64_t e = 0; e < 2 && done; e++) {
        nn_batcher_start(b, e);
        for (ag_tensor *x, *y; nn_batcher_next(b, &x, &y);) continue;
        done = nn_batcher_status(b, NULL) == AG_OK;
        if (!done) ck_assert_int_eq(nn_batcher_status(b, NULL), AG_ERROR_MEMORY);
    }
    nn_batcher_free(b);
    return done;
}

START_TEST(no_allocation_that_fails_leaves_anything) {
    for (attempt_ahead = 0; attempt_ahead < 3; attempt_ahead++) {
        attempt_collate = NULL;
        test_every_allocation(take_all);
        attempt_collate = nn_collate_pad;
        test_every_allocation(take_all);
    }
}
END_TEST

Suite *nn_batch_suite(void);
Suite *nn_batch_suite(void) {
    Suite *s = suite_create("nn_batch");
    TCase *come = tcase_create("batches");
    tcase_add_test(come, batches_hold_the_samples_that_the_source_gives);
    tcase_add_test(come, batches_made_ahead_are_the_same_to_the_bit);
    tcase_add_test(come, a_dataset_gives_the_same_batches_as_a_source_and_ahead);
    tcase_add_test(come, a_short_batch_may_be_left_out);
    tcase_add_test(come, nothing_and_less_than_a_batch_are_sources_too);
    suite_add_tcase(s, come);
    TCase *wrong = tcase_create("failures");
    tcase_add_test(wrong, a_sample_that_fails_is_named_at_its_batch);
    tcase_add_test(wrong, samples_that_do_not_stack_are_named);
    tcase_add_test(wrong, what_cannot_be_a_batcher_is_refused);
    tcase_add_test(wrong, without_a_second_thread_it_says_so);
    suite_add_tcase(s, wrong);
    TCase *second = tcase_create("second thread");
    tcase_add_test(second, an_epoch_may_be_left_at_any_batch);
    tcase_add_test(second, it_makes_no_more_ahead_than_it_was_told);
    tcase_add_test(second, it_makes_none_behind_one_that_failed);
    tcase_add_test(second, signals_are_left_to_the_program);
    tcase_add_test(second, a_source_may_have_a_tape_of_its_own);
    suite_add_tcase(s, second);
    TCase *memory = tcase_create("memory");
    tcase_add_test(memory, an_epoch_of_a_dataset_allocates_nothing);
    tcase_add_test(memory, no_allocation_that_fails_leaves_anything);
    suite_add_tcase(s, memory);
    return s;
}
