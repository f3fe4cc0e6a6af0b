/* private: tapes that keep their gradients to themselves, on threads of their own, and the merge in the tapes' order. */
#include "core_support.h"

#include <autograd/ops.h>
#include <pthread.h>

enum { TAPES = 6, ROWS = 40, COLUMNS = 30, ROUNDS = 3 };

/* Parameters that all tapes share. */
typedef struct shared {
    ag_tensor *w, *b;
} shared;

static shared shared_new(ag_dtype dtype) {
    double values[ROWS * COLUMNS];
    ag_random r = {.seed = 5};
    random_values(&r, values, ROWS * COLUMNS, -1, 1, 0);
    return (shared){ag_tensor_from(dtype, 2, (const int64_t[]){ROWS, COLUMNS}, values, NULL),
                    ag_tensor_from(dtype, 1, (const int64_t[]){COLUMNS}, values, NULL)};
}
static void shared_free(shared s) {
    ag_tensor_free(s.w);
    ag_tensor_free(s.b);
}

/* One worker: a shard of data, a tape, some steps. w is used once in a step, b twice. */
typedef struct worker {
    shared s;
    ag_tape *tape;
    int k;
    ag_status status;
} worker;

static void *work(void *of) {
    worker *w = of;
    for (int round = 0; round < ROUNDS && w->status == AG_OK; round++) {
        double values[4 * ROWS];
        ag_random r = {.seed = (uint64_t)(100 * w->k + round)};
        random_values(&r, values, 4 * ROWS, -2, 2, 0);
        ag_mark m = ag_tape_mark(w->tape);
        ag_value x =
            ag_array_constant(w->tape, ag_tensor_meta(w->s.w)->dtype, 2, (const int64_t[]){4, ROWS}, values);
        ag_value b = ag_leaf(w->tape, w->s.b);
        ag_value h = ag_tanh(ag_add(ag_matmul(x, ag_leaf(w->tape, w->s.w)), b));
        w->status = ag_backward(ag_mean_all(ag_mul(ag_square(h), b)));
        ag_tape_rewind(w->tape, m);
    }
    return NULL;
}

static void workers_new(worker *w, shared s) {
    for (int k = 0; k < TAPES; k++) {
        w[k] = (worker){.s = s, .k = k, .tape = ag_tape_new(&(ag_tape_options){.private_gradients = true})};
        ck_assert_ptr_nonnull(w[k].tape);
    }
}

/* Merge all; their gradients' bits follow, w's and then b's. */
static void merge(worker *w, double *bits) {
    ag_tape *tapes[TAPES];
    for (int k = 0; k < TAPES; k++) {
        ck_assert_msg(w[k].status == AG_OK, "%s", ag_tape_message(w[k].tape));
        tapes[k] = w[k].tape;
    }
    ck_assert_int_eq(ag_gradients_merge(tapes, TAPES), AG_OK);
    for (int i = 0; i < ROWS * COLUMNS; i++) bits[i] = ag_tensor_grad_get(w[0].s.w, i);
    for (int i = 0; i < COLUMNS; i++) bits[ROWS * COLUMNS + i] = ag_tensor_grad_get(w[0].s.b, i);
}

enum { NUMBERS = ROWS * COLUMNS + COLUMNS };

START_TEST(threads_give_the_bits_of_one_run_after_the_other) {
    for (int dtype = AG_F32; dtype <= AG_F64; dtype++) {
        double one_by_one[NUMBERS], threaded[NUMBERS];
        shared s = shared_new((ag_dtype)dtype);
        worker w[TAPES];
        workers_new(w, s);
        for (int k = 0; k < TAPES; k++) work(&w[k]);
        merge(w, one_by_one);
        for (int k = 0; k < TAPES; k++) ag_tape_free(w[k].tape);
        for (int attempt = 0; attempt < 5; attempt++) {
            pthread_t thread[TAPES];
            ag_tensor_zero_grad(s.w);
            ag_tensor_zero_grad(s.b);
            workers_new(w, s);
            for (int k = TAPES - 1; k >= 0; k--)
                ck_assert_int_eq(pthread_create(&thread[k], NULL, work, &w[k]), 0);
            for (int k = 0; k < TAPES; k++) pthread_join(thread[k], NULL);
            merge(w, threaded);
            ck_assert_int_eq(memcmp(one_by_one, threaded, sizeof threaded), 0);
            for (int k = 0; k < TAPES; k++) ag_tape_free(w[k].tape);
        }
        shared_free(s);
    }
}
END_TEST

/* One sweep a tape, each tensor used once: the merge adds what the sweeps would have added, in the same order. */
START_TEST(the_merge_is_what_the_sweeps_would_have_added) {
    for (int dtype = AG_F32; dtype <= AG_F64; dtype++) {
        shared s = shared_new((ag_dtype)dtype);
        ag_tape *tapes[TAPES];
        double bits[2][ROWS * COLUMNS];
        for (int private = 0; private < 2; private ++) {
            ag_tensor_zero_grad(s.w);
            for (int k = 0; k < TAPES; k++) {
                double values[4 * ROWS];
                ag_random r = {.seed = (uint64_t)k};
                random_values(&r, values, 4 * ROWS, -2, 2, 0);
                ag_tape *t = tapes[k] = ag_tape_new(&(ag_tape_options){.private_gradients = private});
                ag_value x = ag_array_constant(t, (ag_dtype)dtype, 2, (const int64_t[]){4, ROWS}, values);
                sweep(ag_mean_all(ag_tanh(ag_matmul(x, ag_leaf(t, s.w)))));
                if (private) ck_assert_double_eq(ag_tensor_grad_get(s.w, 0), 0);
            }
            if (private) ck_assert_int_eq(ag_gradients_merge(tapes, TAPES), AG_OK);
            for (int k = 0; k < TAPES; k++) ag_tape_free(tapes[k]);
            for (int i = 0; i < ROWS * COLUMNS; i++) bits[private][i] = ag_tensor_grad_get(s.w, i);
        }
        ck_assert_int_eq(memcmp(bits[0], bits[1], sizeof bits[0]), 0);
        shared_free(s);
    }
}
END_TEST

START_TEST(a_merge_adds_once_and_a_tape_may_come_twice) {
    ag_tensor *w = ag_tensor_from(AG_F64, 1, (const int64_t[]){2}, (const double[]){1, 2}, NULL);
    ag_tape *t = ag_tape_new(&(ag_tape_options){.private_gradients = true}), *twice[] = {t, t};
    ag_mark m = ag_tape_mark(t);
    for (int round = 1; round <= 3; round++) {
        ag_value p = ag_leaf(t, w), y = ag_sum_all(ag_square(p));
        sweep(y);
        ADJOINT(p, 2, 4);
        sweep(y);
        ADJOINT(p, 4, 8);
        ck_assert_int_eq(ag_tape_rewind(t, m), AG_OK);
        ck_assert_int_eq(ag_gradients_merge(twice, 2), AG_OK);
        ck_assert_double_eq(ag_tensor_grad_get(w, 1), 8 * round);
        p = ag_leaf(t, w);
        ADJOINT(p, 0, 0);
        sweep(ag_sum_all(p));
        ag_zero_grad(t); /* the tape's, not the tensor's */
        ADJOINT(p, 0, 0);
        ck_assert_double_eq(ag_tensor_grad_get(w, 1), 8 * round);
        ck_assert_int_eq(ag_tape_rewind(t, m), AG_OK);
    }
    ck_assert_int_eq(ag_gradients_merge(NULL, 0), AG_OK);
    ag_tape_free(t);
    ag_tensor_free(w);
}
END_TEST

START_TEST(many_tensors_and_their_parts_each_find_their_own) {
    enum { N = 300 };
    ag_tensor *slab = ag_tensor_new(AG_F32, 1, (const int64_t[]){N}, NULL), *part[N];
    ck_assert_int_eq(ag_tensor_need_grad(slab), AG_OK);
    for (int64_t i = 0; i < N; i++) part[i] = ag_tensor_part(slab, i, 0, NULL, NULL);
    ag_tape *t = ag_tape_new(&(ag_tape_options){.private_gradients = true});
    ag_value y = ag_leaf(t, part[0]);
    for (int i = 1; i < N; i++) y = ag_add(y, ag_mul_number(ag_leaf(t, part[i]), i + 1));
    sweep(y);
    ck_assert_int_eq(ag_gradients_merge(&t, 1), AG_OK);
    for (int i = 0; i < N; i++) ck_assert_double_eq(ag_tensor_grad_get(part[i], 0), i + 1);
    ag_tape_free(t);
    for (int i = 0; i < N; i++) ag_tensor_free(part[i]);
    ag_tensor_free(slab);
}
END_TEST

static ag_value fails(void *user, ag_value dy) {
    (void)user;
    return ag_tape_fail(dy.tape, AG_ERROR_VALUE, "no");
}

START_TEST(what_is_refused_adds_nothing) {
    ag_tensor *w = ag_tensor_from(AG_F64, 1, (const int64_t[]){2}, (const double[]){1, 2}, NULL);
    ag_tensor_set_name(w, "weights");
    ag_tape *good = ag_tape_new(&(ag_tape_options){.private_gradients = true}),
            *bad = ag_tape_new(&(ag_tape_options){.private_gradients = true}), *plain = tape_new();
    ag_mark m = ag_tape_mark(bad), n = ag_tape_mark(plain);
    sweep(ag_sum_all(ag_leaf(good, w)));
    ag_tape *with_plain[] = {good, plain}, *with_none[] = {good, NULL}, *with_bad[] = {good, bad};
    ck_assert_int_eq(ag_gradients_merge(with_plain, 2), AG_ERROR_STATE);
    require_failure(plain, AG_ERROR_STATE, WORDS("gradients_merge", "private"));
    ag_tape_rewind(plain, n);
    ck_assert_int_eq(ag_gradients_merge(with_none, 2), AG_ERROR_MEMORY);
    /* a backward that fails after it has given something */
    ag_value p = ag_leaf(bad, w), h = ag_square(p);
    ag_hook(h, fails, NULL);
    ck_assert_int_eq(ag_backward(ag_sum_all(ag_add(h, p))), AG_ERROR_VALUE);
    ag_tape_rewind(bad, m);
    ck_assert_int_eq(ag_tensor_grad_status(w), AG_OK); /* the tensor is untouched */
    ck_assert_int_eq(ag_gradients_merge(with_bad, 2), AG_ERROR_STATE);
    require_failure(bad, AG_ERROR_STATE, WORDS("gradients_merge", "weights", "failed backward"));
    ag_tape_rewind(bad, m);
    ck_assert_double_eq(ag_tensor_grad_get(w, 0), 0);
    ag_zero_grad(bad);
    ck_assert_int_eq(ag_gradients_merge(with_bad, 2), AG_OK);
    ck_assert_double_eq(ag_tensor_grad_get(w, 0), 1);
    ag_tape_free(good);
    ag_tape_free(bad);
    ag_tape_free(plain);
    ag_tensor_free(w);
}
END_TEST

/* Tensors that have no gradient yet: none would count as zero. */
START_TEST(a_first_backward_that_is_refused_is_not_taken_for_a_zero_gradient) {
    for (int private = 0; private < 2; private ++) {
        ag_tensor *w = ag_tensor_from(AG_F64, 1, (const int64_t[]){2}, (const double[]){1, 2}, NULL);
        ag_tape *t = ag_tape_new(&(ag_tape_options){.private_gradients = private});
        const ag_mark m = ag_tape_mark(t);
        ag_value p = ag_leaf(t, w), y = ag_sum_all(p);
        ag_tape_fail(t, AG_ERROR_VALUE, "no");
        ck_assert_int_eq(ag_backward(y), AG_ERROR_VALUE);
        double dw[2];
        ck_assert_int_eq(ag_adjoint_f64(p, dw, 2), AG_ERROR_STATE);
        ck_assert_int_eq(ag_tape_rewind(t, m), AG_ERROR_VALUE);
        ck_assert_int_eq(ag_tensor_grad_status(w), private ? AG_OK : AG_ERROR_STATE);
        if (private) {
            ck_assert_int_eq(ag_gradients_merge(&t, 1), AG_ERROR_STATE);
            require_failure(t, AG_ERROR_STATE, WORDS("gradients_merge", "failed backward"));
            ag_tape_rewind(t, m);
        }
        p = ag_leaf(t, w);
        ag_zero_grad(t);
        sweep(ag_sum_all(p));
        ck_assert_int_eq(ag_adjoint_f64(p, dw, 2), AG_OK);
        ck_assert_double_eq(dw[1], 1);
        ag_tape_free(t);
        ag_tensor_free(w);
    }
}
END_TEST

START_TEST(every_allocation_of_a_sweep_and_its_merge_may_fail) {
    counting_allocator_install();
    ck_assert_ptr_nonnull(ag_op_find("add"));
    const long at_first = counting_allocator_live();
    bool failed = true;
    for (long k = 1; failed; k++) {
        ag_tensor *w[20];
        for (int i = 0; i < 20; i++) w[i] = ag_tensor_from(AG_F64, 0, NULL, (const double[]){1}, NULL);
        const long live = counting_allocator_live();
        ag_tape *t = ag_tape_new(&(ag_tape_options){.private_gradients = true});
        ag_mark m = ag_tape_mark(t);
        counting_allocator_fail_at(k);
        ag_value y = ag_leaf(t, w[0]);
        for (int i = 1; i < 20; i++) y = ag_add(ag_mul_number(y, 2), ag_leaf(t, w[i]));
        ag_status status = ag_backward(y);
        if (status == AG_OK)
            ck_assert_int_eq((long)ag_tape_statistics(t).live_bytes, counting_allocator_live() - live);
        if (status == AG_OK) status = ag_gradients_merge(&t, 1);
        counting_allocator_fail_at(0);
        failed = status != AG_OK;
        ck_assert(!failed || status == AG_ERROR_MEMORY);
        ck_assert_int_eq(ag_tape_rewind(t, m), status);
        if (failed) {
            for (int i = 0; i < 20; i++) ck_assert_double_eq(ag_tensor_grad_get(w[i], 0), 0);
            ag_zero_grad(t);
            y = ag_leaf(t, w[0]);
            for (int i = 1; i < 20; i++) y = ag_add(ag_mul_number(y, 2), ag_leaf(t, w[i]));
            sweep(y);
            ck_assert_int_eq(ag_gradients_merge(&t, 1), AG_OK);
        }
        for (int i = 0; i < 20; i++) ck_assert_double_eq(ag_tensor_grad_get(w[i], 0), ldexp(1, 19 - i));
        ag_tape_free(t);
        for (int i = 0; i < 20; i++) ag_tensor_free(w[i]);
        ck_assert_int_eq(counting_allocator_live(), at_first);
        ck_assert_int_lt(k, 200);
    }
}
END_TEST

Suite *private_suite(void) {
    Suite *s = suite_create("private");
    TCase *c = tcase_create("private");
    suite_add_tcase(s, c);
    tcase_add_test(c, threads_give_the_bits_of_one_run_after_the_other);
    tcase_add_test(c, the_merge_is_what_the_sweeps_would_have_added);
    tcase_add_test(c, a_merge_adds_once_and_a_tape_may_come_twice);
    tcase_add_test(c, many_tensors_and_their_parts_each_find_their_own);
    tcase_add_test(c, what_is_refused_adds_nothing);
    tcase_add_test(c, a_first_backward_that_is_refused_is_not_taken_for_a_zero_gradient);
    tcase_add_test(c, every_allocation_of_a_sweep_and_its_merge_may_fail);
    return s;
}
