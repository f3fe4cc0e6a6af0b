/* keep: a rewind that lets values survive as constants, and refuses or fails without changing anything. */
#include "core_support.h"

#include <autograd/ops.h>
#include <autograd/tape_impl.h>

START_TEST(scalars_and_tensors_survive_as_constants) {
    ag_tape *t = tape_new();
    ag_value w = ag_scalar(t, 3);
    ag_mark m = ag_tape_mark(t);
    ag_value a = ag_square(w), x = vector(t, 3, (const double[]){1, 2, 3}), y = ag_mul(x, a);
    ag_value f = ag_cast(y, AG_F32), gone = ag_neg(w);
    ag_value kept[] = {y, a, f};
    ck_assert_int_eq(ag_tape_rewind_keeping(t, m, kept, 3), AG_OK);
    VALUES(kept[0], 9, 18, 27);
    VALUES(kept[2], 9, 18, 27);
    ck_assert_double_eq(ag_item(kept[1]), 9);
    ck_assert_int_eq(ag_meta_of(kept[2])->dtype, AG_F32);
    ck_assert(!ag_ok(gone) && !ag_ok(y) && !ag_ok(a));
    ck_assert_uint_eq(ag_tape_statistics(t).records, 4);
    sweep(ag_sum_all(ag_mul(ag_mul(kept[0], kept[1]), w)));
    ck_assert_double_eq(ag_item_grad(w), 9 * 54); /* not through what was kept */
    ag_tape_free(t);
}
END_TEST

START_TEST(views_are_kept_whole_whatever_their_strides) {
    ag_tape *t = tape_new();
    ag_mark m = ag_tape_mark(t);
    ag_value x = matrix(t, 2, 3, (const double[]){1, 2, 3, 4, 5, 6});
    ag_value kept[] = {ag_transpose(x, 0, 1), ag_select(x, 1, 2),
                       ag_expand(ag_select(x, 0, 1), 2, (const int64_t[]){2, 3}),
                       ag_full(t, AG_F64, 2, (const int64_t[]){0, 3}, 1), ag_full(t, AG_I64, 0, NULL, 7)};
    ck_assert_int_eq(ag_tape_rewind_keeping(t, m, kept, 5), AG_OK);
    VALUES(kept[0], 1, 4, 2, 5, 3, 6);
    VALUES(kept[1], 3, 6);
    VALUES(kept[2], 4, 5, 6, 4, 5, 6);
    ck_assert_int_eq(ag_meta_of(kept[3])->dim[1], 3);
    ck_assert_double_eq(ag_item(kept[4]), 7);
    for (int i = 0; i < 5; i++) ck_assert(ag_meta_is_dense(ag_meta_of(kept[i])));
    ag_tape_free(t);
}
END_TEST

START_TEST(a_leaf_is_kept_as_its_numbers_were) {
    ag_tape *t = tape_new();
    ag_tensor *x = ag_tensor_from(AG_F64, 1, (const int64_t[]){2}, (const double[]){1, 2}, NULL);
    ag_mark m = ag_tape_mark(t);
    ag_value v = ag_leaf(t, x);
    ck_assert_int_eq(ag_tape_rewind_keeping(t, m, &v, 1), AG_OK);
    ag_tensor_fill(x, 5);
    VALUES(v, 1, 2);
    ag_tensor_free(x);
    VALUES(v, 1, 2);
    ag_tape_free(t);
}
END_TEST

START_TEST(a_value_named_more_often_than_there_are_records_is_kept_as_often) {
    enum { TIMES = AG_STRIP_CHUNK + 10 };
    ag_tape *t = tape_new();
    ag_mark m = ag_tape_mark(t);
    ag_value a = ag_scalar(t, 2), *kept = malloc(TIMES * sizeof *kept);
    for (int i = 0; i < TIMES; i++) kept[i] = a;
    ck_assert_int_eq(ag_tape_rewind_keeping(t, m, kept, TIMES), AG_OK);
    for (int i = 0; i < TIMES; i++) ck_assert_double_eq(ag_item(kept[i]), 2);
    require_ok(t);
    free(kept);
    ag_tape_free(t);
}
END_TEST

START_TEST(older_values_stay_what_they_are) {
    ag_tape *t = tape_new();
    ag_value w = ag_scalar(t, 3), b = ag_square(w);
    ag_mark m = ag_tape_mark(t);
    ag_value kept[] = {b, ag_neg(b)};
    ck_assert_int_eq(ag_tape_rewind_keeping(t, m, kept, 2), AG_OK);
    ck_assert_uint_eq(kept[0].id, b.id);
    sweep(ag_mul(kept[0], kept[1]));
    ck_assert_double_eq(ag_item_grad(w), 6 * -9);
    ck_assert_int_eq(ag_tape_rewind_keeping(t, m, kept, 1), AG_OK); /* nothing to keep */
    ck_assert(ag_ok(b));
    ag_tape_free(t);
}
END_TEST

START_TEST(a_recurrent_state_holds_flat_memory) {
    ag_tape *t = tape_new();
    ag_tensor *w = ag_tensor_from(AG_F64, 2, (const int64_t[]){3, 3},
                                  (const double[]){0.9, 0.1, 0, 0, 0.8, 0.3, -0.2, 0, 0.7}, NULL);
    double state[3] = {1, -1, 0.5};
    ag_mark m = ag_tape_mark(t);
    ag_value h = ag_array_constant(t, AG_F64, 1, (const int64_t[]){3}, state);
    size_t live = 0;
    for (int step = 0; step < 3000; step++) {
        h = ag_tanh(ag_matmul(ag_leaf(t, w), h));
        ck_assert_int_eq(ag_tape_rewind_keeping(t, m, &h, 1), AG_OK);
        double next[3];
        const double *p = ag_tensor_data(w);
        for (int i = 0; i < 3; i++)
            next[i] = tanh(p[3 * i] * state[0] + p[3 * i + 1] * state[1] + p[3 * i + 2] * state[2]);
        memcpy(state, next, sizeof state);
        if (step == 10) live = ag_tape_statistics(t).live_bytes;
    }
    VALUES(h, state[0], state[1], state[2]);
    ck_assert_uint_eq(ag_tape_statistics(t).live_bytes, live);
    ck_assert_uint_eq(ag_tape_statistics(t).records, 1);
    ag_tape_free(t);
    ag_tensor_free(w);
}
END_TEST

START_TEST(the_failure_of_the_step_is_returned_and_the_rest_kept) {
    ag_tape *t = tape_new();
    ag_mark m = ag_tape_mark(t);
    ag_value x = vector(t, 2, (const double[]){1, 2}), y = vector(t, 3, (const double[]){1, 2, 3});
    ag_value kept[] = {ag_add(x, y), ag_neg(x), {0}};
    ck_assert_int_eq(ag_tape_rewind_keeping(t, m, kept, 3), AG_ERROR_SHAPE);
    require_ok(t);
    ck_assert(!ag_ok(kept[0]) && !ag_ok(kept[2]));
    VALUES(kept[1], -1, -2);
    ag_tape_free(t);
}
END_TEST

static ag_status rewind_in_a_rule(ag_reverse *r) {
    ag_tape *t = ag_rule_tape(r);
    return ag_tape_rewind_keeping(t, ag_tape_mark(t), NULL, 0);
}
static ag_status same(const ag_query *q, ag_meta *out) {
    *out = *q->in[0];
    return AG_OK;
}
static ag_status copy(const ag_eval *e) { return agx_copy(&e->in[0], &e->out[0], e->work); }

START_TEST(what_is_refused_changes_nothing) {
    ag_tape *t = tape_new(), *other = tape_new();
    ag_mark start = ag_tape_mark(t);
    ag_value a = ag_scalar(t, 1);
    ag_mark m = ag_tape_mark(t);
    ag_value stale = ag_neg(a);
    ck_assert_int_eq(ag_tape_rewind(t, m), AG_OK);
    ag_value b = ag_square(a), foreign = ag_scalar(other, 1);
    ag_value bad[] = {b, stale};
    ck_assert_int_eq(ag_tape_rewind_keeping(t, m, bad, 2), AG_ERROR_STALE);
    require_failure(t, AG_ERROR_STALE, WORDS("rewind_keeping", "stale"));
    ck_assert(ag_ok(b) && bad[0].id == b.id);
    ck_assert_int_eq(ag_tape_rewind(t, m), AG_ERROR_STALE);
    b = ag_square(a);
    bad[0] = b, bad[1] = foreign;
    ck_assert_int_eq(ag_tape_rewind_keeping(t, m, bad, 2), AG_ERROR_FOREIGN);
    ck_assert(ag_ok(b));
    ck_assert_int_eq(ag_tape_rewind(t, m), AG_ERROR_FOREIGN);
    b = ag_square(a);
    ck_assert_int_eq(ag_tape_rewind_keeping(t, m, &b, -1), AG_ERROR_VALUE);
    ck_assert(ag_ok(b));
    ck_assert_int_eq(ag_tape_rewind(t, m), AG_ERROR_VALUE);
    ck_assert_int_eq(ag_tape_rewind_keeping(t, ag_tape_mark(other), &a, 1), AG_ERROR_FOREIGN);
    ck_assert(ag_ok(a));
    ck_assert_int_eq(ag_tape_rewind(t, start), AG_ERROR_FOREIGN);
    ck_assert_int_eq(ag_tape_rewind_keeping(t, m, NULL, 0), AG_ERROR_STALE); /* the mark was rewound */
    ck_assert_int_eq(ag_tape_rewind(t, start), AG_ERROR_STALE);
    ck_assert_int_eq(ag_tape_rewind_keeping(NULL, m, NULL, 0), AG_ERROR_FAILED);
    const ag_op rewinds = {.name = "rewinds",
                           .min_in = 1,
                           .max_in = 1,
                           .outputs = 1,
                           .infer = same,
                           .forward = copy,
                           .vjp = rewind_in_a_rule};
    ag_value x = vector(t, 1, (const double[]){1});
    ck_assert_int_eq(ag_backward(ag_apply(t, &rewinds, &x, 1, NULL)), AG_ERROR_STATE);
    ag_tape_free(t);
    ag_tape_free(other);
}
END_TEST

START_TEST(the_limit_on_records_is_seen_before_anything_goes) {
    ag_tape *t = ag_tape_new(&(ag_tape_options){.max_records = 3});
    ag_mark m = ag_tape_mark(t);
    ag_value a = ag_scalar(t, 4), kept[] = {a, a, a, a};
    ck_assert_int_eq(ag_tape_rewind_keeping(t, m, kept, 4), AG_ERROR_LIMIT);
    ck_assert_double_eq(ag_item(a), 4);
    ck_assert_int_eq(ag_tape_rewind(t, m), AG_ERROR_LIMIT);
    a = ag_scalar(t, 5);
    for (int i = 0; i < 4; i++) kept[i] = a;
    ck_assert_int_eq(ag_tape_rewind_keeping(t, m, kept, 3), AG_OK);
    ck_assert_double_eq(ag_item(kept[2]), 5);
    ag_tape_free(t);
}
END_TEST

/* A wide view of few numbers needs far more memory than the step held. */
START_TEST(it_is_all_or_nothing_where_memory_ends) {
    counting_allocator_install();
    ck_assert_ptr_nonnull(ag_op_find("add"));
    const long at_first = counting_allocator_live();
    bool failed = true;
    for (long k = 1; failed; k++) {
        ag_tape *t = tape_new();
        for (int i = 0; i < 7; i++) ck_assert_int_eq(ag_tape_rewind(t, ag_tape_mark(t)), AG_OK);
        ag_value w = ag_scalar(t, 2);
        ag_mark m = ag_tape_mark(t);
        ag_value s = ag_square(w), x = vector(t, 2, (const double[]){1, 2});
        ag_value kept[] = {ag_expand(x, 2, (const int64_t[]){40000, 2}), s, ag_neg(x), s};
        counting_allocator_fail_from(k);
        ag_status status = ag_tape_rewind_keeping(t, m, kept, 4);
        counting_allocator_fail_at(0);
        failed = status != AG_OK;
        if (failed) {
            ck_assert_int_eq(status, AG_ERROR_MEMORY);
            ck_assert(ag_ok(x) && kept[1].id == s.id && kept[3].id == s.id);
            ck_assert_int_eq(ag_tape_status(t), AG_ERROR_MEMORY);
        } else {
            require_ok(t);
            ck_assert(!ag_ok(x));
        }
        ck_assert_double_eq(ag_item(kept[1]), 4);
        const double *numbers = ag_data(kept[0]);
        ck_assert_double_eq(numbers[0], 1);
        ck_assert_int_eq((long)ag_tape_statistics(t).live_bytes, counting_allocator_live() - at_first);
        ag_tape_free(t);
        ck_assert_int_eq(counting_allocator_live(), at_first);
        ck_assert_int_lt(k, 20);
    }
}
END_TEST

/* Whatever room the arena's chunk has left, what was promised before the rewind is there after it. */
START_TEST(room_is_there_wherever_the_mark_lies_in_a_chunk) {
    for (size_t room = 0; room < 6000; room += 24) {
        ag_tape *t = tape_new();
        (void)agx_arena_take(&t->arena, 1, 1);
        const size_t left = (size_t)(t->arena.end - t->arena.next);
        (void)agx_arena_take(&t->arena, left - (room < left ? room : 0), 1);
        ag_mark m = ag_tape_mark(t);
        double numbers[60];
        for (int i = 0; i < 60; i++) numbers[i] = i + (double)room;
        ag_value x = vector(t, 60, numbers), kept[4];
        for (int i = 0; i < 4; i++) kept[i] = ag_add_number(x, i);
        ck_assert_int_eq(ag_tape_rewind_keeping(t, m, kept, 4), AG_OK);
        for (int i = 0; i < 4; i++) {
            double got[60];
            ck_assert_int_eq(ag_read_f64(kept[i], got, 60), AG_OK);
            for (int j = 0; j < 60; j++) ck_assert_double_eq(got[j], numbers[j] + i);
        }
        ag_tape_free(t);
    }
}
END_TEST

Suite *keep_suite(void) {
    Suite *s = suite_create("keep");
    TCase *c = tcase_create("keep");
    suite_add_tcase(s, c);
    tcase_add_test(c, scalars_and_tensors_survive_as_constants);
    tcase_add_test(c, views_are_kept_whole_whatever_their_strides);
    tcase_add_test(c, a_leaf_is_kept_as_its_numbers_were);
    tcase_add_test(c, a_value_named_more_often_than_there_are_records_is_kept_as_often);
    tcase_add_test(c, older_values_stay_what_they_are);
    tcase_add_test(c, a_recurrent_state_holds_flat_memory);
    tcase_add_test(c, the_failure_of_the_step_is_returned_and_the_rest_kept);
    tcase_add_test(c, what_is_refused_changes_nothing);
    tcase_add_test(c, the_limit_on_records_is_seen_before_anything_goes);
    tcase_add_test(c, it_is_all_or_nothing_where_memory_ends);
    tcase_add_test(c, room_is_there_wherever_the_mark_lies_in_a_chunk);
    return s;
}
