/* hook: functions on values see the summed adjoint once a sweep and may replace it. */
#include "core_support.h"

#include <autograd/ops.h>

/* What a hook saw: sums of the adjoints' elements, in order. */
typedef struct seen_adjoints {
    int calls;
    double seen[16];
    double factor; /* the answer is the adjoint times this; 0: the adjoint itself */
} seen_adjoints;

static ag_value record(void *user, ag_value dy) {
    seen_adjoints *l = user;
    l->seen[l->calls++ % 16] = ag_item(ag_sum_all(dy));
    return l->factor != 0 ? ag_mul_number(dy, l->factor) : dy;
}

START_TEST(an_inner_tensor_shows_its_sum_once_and_takes_the_answer) {
    ag_tape *t = tape_new();
    ag_value x = vector(t, 2, (const double[]){1, 2}), h = ag_square(x);
    seen_adjoints l = {.factor = 10};
    ck_assert_int_eq(ag_hook(h, record, &l), AG_OK);
    ag_retain(h);
    ag_value y = ag_sum_all(ag_add(ag_mul_number(h, 2), ag_mul_number(h, 3)));
    sweep(y);
    ck_assert_int_eq(l.calls, 1);
    ck_assert_double_eq(l.seen[0], 10);
    ADJOINT(h, 50, 50); /* what is retained is the answer */
    ADJOINT(x, 100, 200);
    sweep(y);
    ck_assert_int_eq(l.calls, 2);
    ADJOINT(x, 200, 400);
    ag_tape_free(t);
}
END_TEST

START_TEST(leaves_of_every_kind_take_the_answer_and_add_it_up) {
    for (int dtype = AG_F32; dtype <= AG_F64; dtype++) {
        ag_tape *t = tape_new();
        ag_tensor *w = ag_tensor_from((ag_dtype)dtype, 1, (const int64_t[]){2}, (const double[]){1, 2}, NULL);
        ag_value a = ag_scalar(t, 3), x = vector(t, 2, (const double[]){1, 2}), p = ag_leaf(t, w);
        seen_adjoints la = {.factor = -1}, lx = {.factor = 10}, lp = {.factor = 100};
        ck_assert_int_eq(ag_hook(a, record, &la), AG_OK);
        ck_assert_int_eq(ag_hook(x, record, &lx), AG_OK);
        ck_assert_int_eq(ag_hook(p, record, &lp), AG_OK);
        /* each leaf is used twice: what a hook sees is the sum */
        ag_value y = ag_sum_all(ag_add(ag_mul(ag_mul(x, p), a), ag_add(ag_mul(x, a), p)));
        for (int round = 1; round <= 3; round++) {
            sweep(y);
            ck_assert_double_eq(ag_item_grad(a), -8 * round);
            ADJOINT(x, 60.0 * round, 90.0 * round);
            ADJOINT(p, 400.0 * round, 700.0 * round);
            ck_assert_double_eq(la.seen[round - 1], 8);
            ck_assert_double_eq(lx.seen[round - 1], 15);
            ck_assert_double_eq(lp.seen[round - 1], 11);
        }
        ck_assert_int_eq(la.calls, 3);
        ag_zero_grad(t);
        sweep(y);
        ck_assert_double_eq(ag_item_grad(a), -8);
        ADJOINT(p, 400, 700);
        ag_tape_free(t);
        ag_tensor_free(w);
    }
}
END_TEST

START_TEST(scalars_of_the_strip_have_hooks_in_every_chunk) {
    ag_tape *t = tape_new();
    ag_value a = ag_scalar(t, 2), y = a;
    seen_adjoints l = {.factor = 0.5};
    int hooked = 0;
    for (int i = 0; i < 3 * AG_STRIP_CHUNK; i++) {
        y = ag_add_number(y, 1);
        if (i % AG_STRIP_CHUNK == 5 || i % AG_STRIP_CHUNK == AG_STRIP_CHUNK - 2) {
            ck_assert_int_eq(ag_hook(y, record, &l), AG_OK);
            hooked++;
        }
    }
    ck_assert_int_eq(ag_hook(y, record, &l), AG_OK); /* the root */
    sweep(y);
    ck_assert_int_eq(l.calls, hooked + 1);
    ck_assert_double_eq(l.seen[0], 1);
    ck_assert_double_eq(ag_item_grad(a), ldexp(1, -hooked - 1));
    ag_tape_free(t);
}
END_TEST

START_TEST(hooks_of_a_value_run_in_the_order_in_which_they_were_added) {
    ag_tape *t = tape_new();
    ag_value x = vector(t, 1, (const double[]){1}), s = ag_scalar(t, 1);
    seen_adjoints first = {.factor = 3}, second = {.factor = 5}, other = {.factor = 7};
    for (int k = 0; k < 2; k++) {
        ag_value v = k ? s : x;
        first.calls = second.calls = other.calls = 0;
        ck_assert_int_eq(ag_hook(v, record, &first), AG_OK);
        ag_value y = ag_neg(v);
        ck_assert_int_eq(ag_hook(y, record, &other), AG_OK);
        ck_assert_int_eq(ag_hook(v, record, &second), AG_OK);
        sweep(y);
        ck_assert_double_eq(other.seen[0], 1);
        ck_assert_double_eq(first.seen[0], -7);
        ck_assert_double_eq(second.seen[0], -21);
        ck_assert_double_eq(ag_item_grad(v), -105);
    }
    ag_tape_free(t);
}
END_TEST

START_TEST(parts_of_one_value_have_hooks_of_their_own) {
    ag_tape *t = tape_new();
    ag_value x = matrix(t, 2, 2, (const double[]){1, 2, 3, 4}), all = ag_stack(&x, 1, 0);
    ag_value rows[2] = {ag_select(all, 1, 0), ag_select(all, 1, 1)};
    seen_adjoints l[2] = {{.factor = 2}, {.factor = 3}};
    for (int i = 0; i < 2; i++) ck_assert_int_eq(ag_hook(rows[i], record, &l[i]), AG_OK);
    sweep(ag_sum_all(ag_add(rows[0], ag_mul_number(rows[1], 10))));
    ADJOINT(x, 2, 2, 30, 30);
    ag_tape_free(t);
}
END_TEST

START_TEST(a_recorded_gradient_passes_through_the_hooks_and_through_their_derivatives) {
    ag_tape *t = tape_new();
    for (int k = 0; k < 2; k++) {
        ag_value x = k ? vector(t, 1, (const double[]){3}) : ag_scalar(t, 3), h = ag_square(x), y = ag_mul(h, h);
        seen_adjoints inner = {.factor = 2}, leaf = {.factor = 5};
        ck_assert_int_eq(ag_hook(h, record, &inner), AG_OK);
        ck_assert_int_eq(ag_hook(x, record, &leaf), AG_OK);
        ag_value d[2], dd;
        ag_value wrt[] = {x, h};
        ck_assert_int_eq(ag_grad(&y, NULL, 1, wrt, 2, d), AG_OK);
        ck_assert_int_eq(inner.calls, 1);
        ck_assert_double_eq(ag_item(d[1]), 2 * 18);     /* 2 (2 h) */
        ck_assert_double_eq(ag_item(d[0]), 5 * 36 * 6); /* 5 (2 (2 h) 2 x) = 40 x^3 */
        inner.factor = leaf.factor = 0;
        ck_assert_int_eq(ag_grad(d, NULL, 1, &x, 1, &dd), AG_OK);
        ck_assert_double_eq(ag_item(dd), 120 * 9);
    }
    ag_tape_free(t);
}
END_TEST

START_TEST(a_sweep_that_does_not_pass_calls_no_hook) {
    ag_tape *t = tape_new();
    ag_value x = vector(t, 1, (const double[]){3}), s = ag_scalar(t, 1), h = ag_square(x), z = ag_neg(s);
    seen_adjoints l = {0};
    ag_hook(h, record, &l);
    ag_hook(z, record, &l);
    sweep(ag_sum_all(x));
    sweep(ag_square(s));
    ck_assert_int_eq(l.calls, 0);
    ag_value y = ag_sum_all(ag_mul(h, z)), d;
    ck_assert_int_eq(ag_grad(&y, NULL, 1, &s, 1, &d), AG_OK);
    ck_assert_int_eq(l.calls, 1); /* z lies between; h does not */
    ag_tape_free(t);
}
END_TEST

START_TEST(a_rewind_ends_the_hooks_that_came_after_the_mark) {
    ag_tape *t = tape_new();
    ag_value x = vector(t, 1, (const double[]){3}), s = ag_scalar(t, 1);
    seen_adjoints before = {0}, after = {0};
    ag_hook(x, record, &before);
    ag_mark m = ag_tape_mark(t);
    for (int round = 0; round < 3; round++) {
        ag_hook(x, record, &after);
        ag_hook(s, record, &after);
        ag_hook(ag_neg(s), record, &after);
        ck_assert_int_eq(ag_tape_rewind(t, m), AG_OK);
        sweep(ag_sum_all(ag_mul(x, ag_square(ag_neg(s)))));
        ck_assert_int_eq(before.calls, round + 1);
        ck_assert_int_eq(after.calls, 0);
        ck_assert_int_eq(ag_tape_rewind(t, m), AG_OK);
    }
    ag_tape_free(t);
}
END_TEST

/* ---- what goes wrong ------------------------------------------------------------------------------------------------- */

static ag_value nothing(void *user, ag_value dy) {
    (void)user, (void)dy;
    return (ag_value){0};
}
static ag_value foreign(void *user, ag_value dy) {
    (void)dy;
    return ag_scalar(user, 1);
}
static ag_value other_shape(void *user, ag_value dy) {
    (void)user;
    return ag_full(dy.tape, AG_F64, 1, (const int64_t[]){5}, 1);
}
static ag_value fails(void *user, ag_value dy) {
    (void)user;
    return ag_tape_fail(dy.tape, AG_ERROR_VALUE, "not today");
}
static ag_value in_f32(void *user, ag_value dy) {
    (void)user;
    return ag_cast(dy, AG_F32);
}
static ag_value hooks_again(void *user, ag_value dy) {
    (void)user;
    ag_hook(dy, nothing, NULL);
    return dy;
}

START_TEST(a_hook_that_breaks_its_contract_is_named) {
    ag_tape *other = tape_new();
    struct {
        ag_hook_fn *fn;
        ag_status status;
        const char *words[4];
    } bad[] = {{nothing, AG_ERROR_FAILED, {"hook", "'here'"}},
               {foreign, AG_ERROR_FAILED, {"hook", "'here'"}},
               {other_shape, AG_ERROR_SHAPE, {"hook", "'here'", "(5)"}},
               {fails, AG_ERROR_VALUE, {"not today"}},
               {hooks_again, AG_ERROR_STATE, {"hook", "sweep"}}};
    for (int k = 0; k < 5; k++) {
        for (int kind = 0; kind < 6; kind++) {
            ag_tape *t = tape_new();
            ag_mark m = ag_tape_mark(t);
            ag_tensor *w = ag_tensor_from(AG_F64, 1, (const int64_t[]){2}, (const double[]){1, 2}, NULL);
            ag_value leaf = kind % 3 == 0   ? ag_scalar(t, 2)
                            : kind % 3 == 1 ? vector(t, 2, (const double[]){1, 2})
                                            : ag_leaf(t, w);
            ag_value v = ag_label(kind < 3 ? ag_square(leaf) : leaf, "here");
            ck_assert_int_eq(ag_hook(v, bad[k].fn, other), AG_OK);
            ag_value y = ag_sum_all(ag_neg(v)), d;
            ck_assert_int_eq(ag_backward(y), bad[k].status);
            require_failure(t, bad[k].status, bad[k].words);
            if (kind % 3 == 0) ck_assert(isnan(ag_item_grad(leaf)));
            ck_assert_int_eq(ag_tape_rewind(t, m), bad[k].status);
            leaf = ag_scalar(t, 2);
            v = ag_square(leaf);
            ag_hook(v, bad[k].fn, other);
            ck_assert_int_eq(ag_grad(&v, NULL, 1, &leaf, 1, &d), bad[k].status);
            ck_assert_int_eq(ag_tape_rewind(t, m), bad[k].status);
            leaf = ag_scalar(t, 2);
            sweep(ag_square(leaf)); /* the tape works on */
            ck_assert_double_eq(ag_item_grad(leaf), 4);
            ag_tape_free(t);
            ag_tensor_free(w);
        }
    }
    ag_tape_free(other);
}
END_TEST

START_TEST(an_answer_of_another_dtype_is_cast) {
    ag_tape *t = tape_new();
    ag_value x = vector(t, 2, (const double[]){1, 2}), s = ag_scalar(t, 2);
    ag_hook(x, in_f32, NULL);
    ag_hook(s, in_f32, NULL);
    ag_value y = ag_sum_all(ag_mul(x, s)), wrt[] = {x, s}, d[2];
    sweep(y);
    ADJOINT(x, 2, 2);
    ck_assert_double_eq(ag_item_grad(s), 3);
    ck_assert_int_eq(ag_grad(&y, NULL, 1, wrt, 2, d), AG_OK);
    ck_assert_int_eq(ag_meta_of(d[0])->dtype, AG_F64);
    ck_assert_double_eq(ag_item(d[1]), 3);
    ag_tape_free(t);
}
END_TEST

START_TEST(what_has_no_adjoint_takes_no_hook) {
    ag_tape *t = tape_new();
    ag_mark m = ag_tape_mark(t);
    for (int k = 0; k < 5; k++) {
        ag_value x = vector(t, 1, (const double[]){1}), v = x;
        ag_status expected = k == 4 ? AG_ERROR_VALUE : AG_ERROR_STATE;
        if (k == 0) v = ag_scalar_constant(t, 1);
        if (k == 1) v = ag_full(t, AG_F64, 0, NULL, 1);
        if (k == 2) v = ag_detach(x);
        if (k == 3) {
            ag_no_grad_begin(t);
            v = ag_square(x);
            ag_no_grad_end(t);
        }
        ck_assert_int_eq(ag_hook(v, k == 4 ? NULL : nothing, NULL), expected);
        require_failure(t, expected, WORDS("hook"));
        ck_assert_int_eq(ag_tape_rewind(t, m), expected);
    }
    ag_value gone = ag_scalar(t, 1);
    ag_tape_rewind(t, m);
    ck_assert_int_eq(ag_hook(gone, nothing, NULL), AG_ERROR_STALE);
    ck_assert_int_eq(ag_hook((ag_value){0}, nothing, NULL), AG_ERROR_FAILED);
    ag_tape_free(t);
}
END_TEST

START_TEST(every_allocation_of_a_sweep_with_hooks_may_fail) {
    counting_allocator_install();
    ck_assert_ptr_nonnull(ag_op_find("add"));
    double values[600], undisturbed = 0;
    for (int i = 0; i < 600; i++) values[i] = 0.01 * i;
    bool failed = true;
    for (long k = 0; failed || k == 1; k++) { /* 0: none fails */
        const long live = counting_allocator_live();
        ag_tape *t = tape_new();
        ag_mark m = ag_tape_mark(t);
        double sum = 0;
        for (int attempt = 0; attempt < 2; attempt++) {
            ag_value x = vector(t, 600, values), s = ag_scalar(t, 2), h = ag_tanh(ag_mul(x, s));
            seen_adjoints l = {.factor = 1.5};
            if (attempt == 0) counting_allocator_fail_from(k);
            ag_hook(h, record, &l);
            ag_hook(x, record, &l);
            ag_hook(s, record, &l);
            ag_value y = ag_mean_all(ag_square(h));
            ag_status status = ag_backward(y);
            counting_allocator_fail_at(0);
            if (attempt == 0) failed = status != AG_OK;
            ck_assert(status == AG_OK || (status == AG_ERROR_MEMORY && attempt == 0));
            double got[600];
            if (status == AG_OK) {
                ck_assert_int_eq(ag_adjoint_f64(x, got, 600), AG_OK);
                sum = ag_item_grad(s);
                for (int i = 0; i < 600; i++) sum += got[i];
            }
            ck_assert_int_eq(ag_tape_rewind(t, m), status);
        }
        if (k == 0) undisturbed = sum;
        ck_assert_double_eq(sum, undisturbed);
        ag_tape_free(t);
        ck_assert_int_eq(counting_allocator_live(), live);
        ck_assert_int_lt(k, 200);
    }
}
END_TEST

Suite *hook_suite(void) {
    Suite *s = suite_create("hook");
    TCase *c = tcase_create("hook");
    suite_add_tcase(s, c);
    tcase_add_test(c, an_inner_tensor_shows_its_sum_once_and_takes_the_answer);
    tcase_add_test(c, leaves_of_every_kind_take_the_answer_and_add_it_up);
    tcase_add_test(c, scalars_of_the_strip_have_hooks_in_every_chunk);
    tcase_add_test(c, hooks_of_a_value_run_in_the_order_in_which_they_were_added);
    tcase_add_test(c, parts_of_one_value_have_hooks_of_their_own);
    tcase_add_test(c, a_recorded_gradient_passes_through_the_hooks_and_through_their_derivatives);
    tcase_add_test(c, a_sweep_that_does_not_pass_calls_no_hook);
    tcase_add_test(c, a_rewind_ends_the_hooks_that_came_after_the_mark);
    tcase_add_test(c, a_hook_that_breaks_its_contract_is_named);
    tcase_add_test(c, an_answer_of_another_dtype_is_cast);
    tcase_add_test(c, what_has_no_adjoint_takes_no_hook);
    tcase_add_test(c, every_allocation_of_a_sweep_with_hooks_may_fail);
    return s;
}
