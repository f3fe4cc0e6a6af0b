/* tape: ids, segments and epochs, marks and rewind, which handles are refused, tapes apart. What the tape says of a failure
 * is in test_note.c, its modes and limits in test_modes.c. */
#include "core_support.h"

START_TEST(ids_grow_by_one) {
    ag_tape *t = tape_new();
    const int64_t two = 2;
    ag_value a = ag_scalar(t, 1);
    ck_assert_uint_eq(a.id, 1);
    ag_value b = ag_scalar_constant(t, 2), c = ag_add(a, b), x = ag_full(t, AG_F32, 1, &two, 3), y = ag_add(x, c);
    ck_assert_uint_eq(b.id, 2);
    ck_assert_uint_eq(c.id, 3);
    ck_assert_uint_eq(x.id, 4);
    ck_assert_uint_eq(y.id, 5);
    ck_assert_uint_eq(ag_tape_statistics(t).records, 5);
    ag_tape_free(t);
}
END_TEST

START_TEST(ids_and_values_cross_chunks_of_the_strip) {
    enum { N = 3 * AG_STRIP_CHUNK + 5 };
    ag_tape *t = tape_new();
    ag_value *v = malloc(N * sizeof *v);
    v[0] = ag_scalar(t, 0);
    for (int i = 1; i < N; i++) v[i] = ag_add_number(v[i - 1], 1);
    for (int i = 0; i < N; i++) {
        ck_assert_uint_eq(v[i].id, (uint32_t)i + 1);
        ck_assert_double_eq(ag_item(v[i]), i);
    }
    free(v);
    ag_tape_free(t);
}
END_TEST

START_TEST(a_failed_operation_takes_no_id) {
    ag_tape *t = tape_new();
    ag_value x = ag_full(t, AG_F64, 1, &(int64_t){2}, 0), y = ag_full(t, AG_F64, 1, &(int64_t){3}, 0);
    ag_value z = ag_add(x, y);
    ck_assert_uint_eq(z.id, 0);
    ck_assert(!ag_ok(z));
    ck_assert_uint_eq(ag_tape_statistics(t).records, 2);
    ck_assert_uint_eq(ag_neg(x).id, 3);
    ag_tape_free(t);
}
END_TEST

START_TEST(one_id_space_holds_scalars_and_tensors) {
    ag_tape *t = tape_new();
    ag_value a = ag_scalar(t, 2);
    ag_value x = ag_array_leaf(t, AG_F64, 1, &(int64_t){2}, (const double[]){1, 2});
    ag_value y = ag_mul(a, x);
    double z[2];
    ck_assert_int_eq(ag_read_f64(y, z, 2), AG_OK);
    ck_assert_double_eq(z[1], 4);
    ck_assert_int_eq(ag_meta_of(y)->rank, 1);
    ck_assert_ptr_null(ag_data(a));
    ck_assert_ptr_nonnull(ag_data(y));
    ag_tape_free(t);
}
END_TEST

/* ---- rewind --------------------------------------------------------------------------------------------------- */

START_TEST(rewind_invalidates_newer_values) {
    ag_tape *t = tape_new();
    ag_value a = ag_scalar(t, 3);
    ag_mark m = ag_tape_mark(t);
    ag_value b = ag_mul(a, a), x = ag_full(t, AG_F32, 0, NULL, 1);
    ck_assert_int_eq(ag_tape_rewind(t, m), AG_OK);
    ck_assert(ag_ok(a));
    ck_assert(!ag_ok(b));
    ck_assert(!ag_ok(x));
    ck_assert_ptr_null(ag_meta_of(x));
    ck_assert_ptr_null(ag_data(x));
    ck_assert_str_eq(ag_label_of(x), "");
    ck_assert_uint_eq(ag_tape_statistics(t).records, 1);
    ck_assert_int_eq(ag_tape_status(t), AG_OK); /* asking is no failure */
    ag_tape_free(t);
}
END_TEST

START_TEST(a_loop_of_marks_and_rewinds_repeats_itself) {
    ag_tape *t = tape_new();
    ag_value a = ag_scalar(t, 3);
    ag_value x = ag_array_leaf(t, AG_F32, 1, &(int64_t){2}, (const double[]){1, 2});
    ag_mark m = ag_tape_mark(t);
    for (int i = 0; i < 100; i++) {
        ag_value y = ag_mul(a, ag_sum_all(ag_square(x)));
        ck_assert_double_eq(ag_item(y), 15);
        ck_assert_uint_eq(y.id, 5);
        ck_assert_int_eq(ag_tape_rewind(t, m), AG_OK);
    }
    ck_assert_double_eq(ag_item(a), 3);
    ag_tape_free(t);
}
END_TEST

START_TEST(a_mark_taken_after_a_rewind_serves_again_and_again) {
    ag_tape *t = tape_new();
    ag_value a = ag_scalar(t, 3);
    ag_mark first = ag_tape_mark(t);
    ag_square(a);
    ck_assert_int_eq(ag_tape_rewind(t, first), AG_OK);
    ag_mark m = ag_tape_mark(t);
    for (int i = 0; i < 5; i++) {
        ck_assert_double_eq(ag_item(ag_square(a)), 9);
        ck_assert_msg(ag_tape_rewind(t, m) == AG_OK, "round %d: %s", i, ag_tape_message(t));
    }
    ag_tape_free(t);
}
END_TEST

START_TEST(a_mark_taken_after_a_backward_serves_again_and_again) {
    ag_tape *t = tape_new();
    ag_value a = ag_scalar(t, 3);
    ck_assert_int_eq(ag_backward(ag_square(a)), AG_OK);
    ag_mark m = ag_tape_mark(t);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(ag_backward(ag_square(a)), AG_OK);
        ck_assert_msg(ag_tape_rewind(t, m) == AG_OK, "round %d: %s", i, ag_tape_message(t));
    }
    ag_tape_free(t);
}
END_TEST

START_TEST(a_mark_outlives_backwards_that_record_nothing) {
    ag_tape *t = tape_new();
    ag_value a = ag_scalar(t, 3), y = ag_square(a);
    for (int i = 0; i < 3; i++) {
        ag_mark m = ag_tape_mark(t);
        ck_assert_int_eq(ag_backward(y), AG_OK);
        ck_assert_int_eq(ag_backward(y), AG_OK);
        ck_assert_msg(ag_tape_rewind(t, m) == AG_OK, "round %d: %s", i, ag_tape_message(t));
    }
    ck_assert_double_eq(ag_item_grad(a), 36);
    ag_tape_free(t);
}
END_TEST

START_TEST(a_mark_behind_a_label_serves_again_and_again) {
    ag_tape *t = tape_new();
    ag_value a = ag_scalar(t, 3);
    ag_mark first = ag_tape_mark(t);
    ag_square(a);
    ck_assert_int_eq(ag_tape_rewind(t, first), AG_OK);
    ag_label(a, "a");
    ag_mark m = ag_tape_mark(t);
    for (int i = 0; i < 3; i++) {
        ag_square(a);
        ck_assert_msg(ag_tape_rewind(t, m) == AG_OK, "round %d: %s", i, ag_tape_message(t));
        ck_assert_str_eq(ag_label_of(a), "a");
    }
    ag_tape_free(t);
}
END_TEST

START_TEST(a_handle_whose_id_lives_again_is_refused) {
    ag_tape *t = tape_new();
    ag_value a = ag_scalar(t, 3);
    ag_mark m = ag_tape_mark(t);
    ag_value old = ag_square(a);
    ag_tape_rewind(t, m);
    ag_value new = ag_neg(a);
    ck_assert_uint_eq(old.id, new.id);
    ck_assert(!ag_ok(old));
    ck_assert(ag_ok(new));
    ag_value y = ag_add(new, old);
    ck_assert(!ag_ok(y));
    require_failure(t, AG_ERROR_STALE, WORDS("add", "operand 1", "#2"));
    ag_tape_free(t);
}
END_TEST

START_TEST(every_kind_of_call_refuses_a_stale_handle) {
    ag_tape *t = tape_new();
    ag_value a = ag_scalar(t, 3), x = ag_full(t, AG_F64, 1, &(int64_t){2}, 1);
    ag_mark m = ag_tape_mark(t);
    ag_value s = ag_square(a), w = ag_square(x);
    ag_tape_rewind(t, m);
    for (int reused = 0; reused < 2; reused++) {
        ag_mark clean = ag_tape_mark(t);
        ag_value dx, two[2] = {a, s}, y;
        double number[2];
        for (int call = 0; call < 22; call++) {
            ag_value z = {0};
            ag_status status = AG_ERROR_STALE;
            switch (call) {
            case 0: z = ag_neg(s); break;
            case 1: z = ag_add(s, a); break;
            case 2: z = ag_add(a, s); break;
            case 3: z = ag_exp(s); break;
            case 4: z = ag_pow(a, s); break;
            case 5: z = ag_add_number(s, 1); break;
            case 6: z = ag_add(x, w); break;
            case 7: z = ag_matmul(w, x); break;
            case 8: z = ag_stack(two, 2, 0); break;
            case 9: z = ag_affine(&s, &a, 1, a); break;
            case 10: z = ag_affine(&a, &a, 1, s); break;
            case 11: z = ag_number(s, 1); break;
            case 12: status = ag_backward(s); break;
            case 13: status = ag_backward_from(x, w); break;
            case 14: status = ag_grad(&s, NULL, 1, &a, 1, &dx); break;
            case 15: status = ag_grad(&a, NULL, 1, &s, 1, &dx); break;
            case 16: status = ag_read_f64(w, number, 2); break;
            case 17: ck_assert(isnan(ag_item(s))); break;
            case 18: ag_retain(s); break;
            case 19: status = ag_adjoint_f64(w, number, 2); break;
            case 20: status = ag_call(t, "add", two, 2, NULL, &y); break;
            case 21: ck_assert(isnan(ag_item_grad(s))); break;
            }
            ck_assert_msg(!ag_ok(z), "call %d", call);
            ck_assert_msg(status == AG_ERROR_STALE, "call %d: %s", call, ag_status_name(status));
            ck_assert_msg(ag_tape_status(t) == AG_ERROR_STALE, "call %d", call);
            ck_assert_int_eq(ag_tape_rewind(t, clean), AG_ERROR_STALE);
            ck_assert_int_eq(ag_tape_status(t), AG_OK);
        }
        ag_square(a); /* ids that s and w had are in use again */
        ag_square(x);
        ag_square(x);
    }
    ag_tape_free(t);
}
END_TEST

START_TEST(a_stale_operand_and_its_operation_are_named) {
    ag_tape *t = tape_new();
    ag_value x = ag_full(t, AG_F32, 2, (const int64_t[]){2, 3}, 1);
    ag_label(x, "weights");
    ag_mark m = ag_tape_mark(t);
    ag_value y = ag_neg(x);
    ag_tape_rewind(t, m);
    ag_matmul(x, y);
    require_failure(t, AG_ERROR_STALE, WORDS("matmul", "operand 1", "#2", "#1 'weights' f32 (2, 3)"));
    ag_tape_free(t);
}
END_TEST

START_TEST(marks_nest) {
    ag_tape *t = tape_new();
    ag_value a = ag_scalar(t, 2);
    ag_mark outer = ag_tape_mark(t);
    ag_value b = ag_square(a);
    ag_mark inner = ag_tape_mark(t);
    for (int i = 0; i < 3; i++) {
        ag_value c = ag_mul(b, a);
        ck_assert_double_eq(ag_item(c), 8);
        ck_assert_int_eq(ag_tape_rewind(t, inner), AG_OK);
        ck_assert(!ag_ok(c));
        ck_assert(ag_ok(b));
    }
    ck_assert_int_eq(ag_tape_rewind(t, outer), AG_OK);
    ck_assert(!ag_ok(b));
    ck_assert(ag_ok(a));
    ag_tape_free(t);
}
END_TEST

START_TEST(a_mark_that_was_rewound_is_refused) {
    ag_tape *t = tape_new();
    ag_value a = ag_scalar(t, 2);
    ag_mark outer = ag_tape_mark(t);
    ag_square(a);
    ag_mark inner = ag_tape_mark(t);
    ag_square(a);
    ck_assert_int_eq(ag_tape_rewind(t, outer), AG_OK);
    ck_assert_int_eq(ag_tape_rewind(t, inner), AG_ERROR_STALE);
    require_failure(t, AG_ERROR_STALE, WORDS("rewind"));
    ck_assert_int_eq(ag_tape_rewind(t, outer), AG_ERROR_STALE); /* reported, and cleared */
    for (int i = 0; i < 4; i++) ag_square(a); /* the tape has grown past the stale mark's id again */
    ck_assert_int_eq(ag_tape_rewind(t, inner), AG_ERROR_STALE);
    ck_assert_uint_eq(ag_tape_statistics(t).records, 5);
    ag_tape_free(t);
}
END_TEST

START_TEST(a_mark_of_the_same_id_behind_a_rewound_scope_is_refused) {
    ag_tape *t = tape_new();
    ag_mark outer = ag_tape_mark(t);
    ag_scope_begin(t, "gone");
    ag_mark inner = ag_tape_mark(t); /* no record between the two, but arena memory */
    ck_assert_int_eq(ag_tape_rewind(t, outer), AG_OK);
    ck_assert_int_eq(ag_tape_rewind(t, inner), AG_ERROR_STALE);
    ag_tape_free(t);
}
END_TEST

START_TEST(a_mark_of_another_tape_is_refused) {
    ag_tape *t = tape_new(), *u = tape_new();
    ag_scalar(t, 1);
    ag_mark m = ag_tape_mark(u);
    ck_assert_int_ne(ag_tape_rewind(t, m), AG_OK);
    ck_assert_uint_eq(ag_tape_statistics(t).records, 1);
    ck_assert_int_eq(ag_tape_status(u), AG_OK);
    ag_tape_free(t);
    ag_tape_free(u);
}
END_TEST

START_TEST(a_thousand_segments_keep_their_handles) {
    enum { N = 1000 };
    ag_tape *t = tape_new();
    ag_value kept[N], gone[N], first = ag_scalar(t, 0);
    ag_value w[N];
    for (int i = 0; i < N; i++) {
        kept[i] = ag_scalar(t, i);
        w[i] = ag_full(t, AG_F64, 0, NULL, -i);
        ag_mark m = ag_tape_mark(t);
        gone[i] = ag_neg(kept[i]);
        ag_neg(w[i]);
        ck_assert_int_eq(ag_tape_rewind(t, m), AG_OK);
    }
    for (int i = 0; i < N; i++) {
        ck_assert_msg(ag_ok(kept[i]) && ag_ok(w[i]), "segment %d", i);
        ck_assert_msg(!ag_ok(gone[i]), "segment %d", i);
        ck_assert_double_eq(ag_item(kept[i]), i);
        ck_assert_double_eq(ag_item(ag_add(kept[i], w[i])), 0);
        ck_assert_double_eq(ag_item(ag_add(kept[i], first)), i); /* both from old segments */
    }
    ck_assert_int_eq(ag_tape_status(t), AG_OK);
    ag_tape_free(t);
}
END_TEST

START_TEST(rewinding_far_back_forgets_every_segment_between) {
    enum { N = 200 };
    ag_tape *t = tape_new();
    ag_value a = ag_scalar(t, 1);
    ag_mark begin = ag_tape_mark(t);
    ag_value v[N];
    ag_mark between[N];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < N; i++) {
            v[i] = ag_add_number(a, i);
            between[i] = ag_tape_mark(t);
            ag_neg(v[i]);
            ck_assert_int_eq(ag_tape_rewind(t, between[i]), AG_OK);
        }
        ck_assert_int_eq(ag_tape_rewind(t, begin), AG_OK);
        for (int i = 0; i < N; i++) ck_assert(!ag_ok(v[i]));
        ck_assert_int_eq(ag_tape_rewind(t, between[N / 2]), AG_ERROR_STALE);
        ck_assert_int_eq(ag_tape_rewind(t, begin), AG_ERROR_STALE);
    }
    ck_assert(ag_ok(a));
    ag_tape_free(t);
}
END_TEST

START_TEST(handles_survive_a_random_walk_of_marks_and_rewinds) {
    /* a model beside the tape: a stack of marks, and for every handle ever made whether it should be valid */
    enum { STEPS = 6000, DEPTH = 12 };
    ag_tape *t = tape_new();
    ag_random r = {.seed = 3};
    ag_value *v = malloc(STEPS * sizeof *v);
    bool *valid = malloc(STEPS * sizeof *valid);
    int n = 0, depth = 0, count[DEPTH];
    ag_mark mark[DEPTH];
    ag_value base = ag_scalar(t, 1);
    for (int step = 0; step < STEPS; step++) {
        switch (ag_random_below(&r, 8)) {
        case 0:
            if (depth < DEPTH) {
                count[depth] = n;
                mark[depth++] = ag_tape_mark(t);
            }
            break;
        case 1:
            if (depth > 0) {
                int to = (int)ag_random_below(&r, (uint64_t)depth);
                ck_assert_msg(ag_tape_rewind(t, mark[to]) == AG_OK, "step %d: %s", step, ag_tape_message(t));
                for (int i = count[to]; i < n; i++) valid[i] = false;
                depth = to + (int)ag_random_below(&r, 2); /* use the same mark again, or not */
            }
            break;
        case 2: ck_assert_int_eq(ag_backward(ag_square(base)), AG_OK); break;
        case 3:
            v[n] = ag_full(t, AG_F64, 0, NULL, n);
            valid[n++] = true;
            break;
        default:
            v[n] = ag_add_number(base, n - 1);
            valid[n++] = true;
            break;
        }
    }
    for (int i = 0; i < n; i++) {
        ck_assert_msg(ag_ok(v[i]) == valid[i], "handle %d", i);
        if (valid[i]) ck_assert_double_eq(ag_item(v[i]), i);
    }
    free(v);
    free(valid);
    ag_tape_free(t);
}
END_TEST

START_TEST(an_output_that_does_not_exist_is_refused) {
    ag_tape *t = tape_new();
    ag_value a = ag_scalar(t, 1), none = ag_output(a, 1);
    ck_assert(!ag_ok(none));
    ck_assert(!ag_ok(ag_add(none, none)));
    ck_assert(!ag_ok(ag_neg(none)));
    ag_tape_free(t);
}
END_TEST

/* ---- tapes apart ----------------------------------------------------------------------------------------------- */

START_TEST(values_of_two_tapes_do_not_mix) {
    ag_tape *t = tape_new(), *u = tape_new();
    ag_value a = ag_scalar(t, 1), b = ag_scalar(u, 2);
    ag_value x = ag_full(t, AG_F64, 1, &(int64_t){2}, 1), y = ag_full(u, AG_F64, 1, &(int64_t){2}, 1);
    ck_assert(!ag_ok(ag_add(a, b)));
    require_failure(t, AG_ERROR_FOREIGN, WORDS("add", "operand 1"));
    ck_assert_int_eq(ag_tape_status(u), AG_OK);
    ck_assert(!ag_ok(ag_matmul(y, x))); /* fails on the first operand's tape */
    require_failure(u, AG_ERROR_FOREIGN, WORDS("matmul", "operand 1"));
    ag_value dx;
    ck_assert_int_ne(ag_grad(&a, NULL, 1, &b, 1, &dx), AG_OK);
    ck_assert_int_ne(ag_backward_from(x, y), AG_OK);
    ag_tape_free(t);
    ag_tape_free(u);
}
END_TEST

START_TEST(a_leaf_over_no_tensor_is_an_error_of_the_tape) {
    ag_tape *t = ag_tape_new(NULL);
    ag_mark m = ag_tape_mark(t);
    for (int leaf = 0; leaf < 2; leaf++) {
        ag_value x = leaf ? ag_leaf(t, NULL) : ag_constant(t, NULL);
        ck_assert(!ag_ok(x));
        ck_assert_int_eq(ag_tape_rewind(t, m), AG_ERROR_VALUE);
    }
    ag_tape_free(t);
}
END_TEST

START_TEST(no_tape_is_no_crash) {
    ag_value none = {0};
    ag_tape_free(NULL);
    ck_assert(!ag_ok(ag_scalar(NULL, 1)));
    ck_assert(!ag_ok(ag_scalar_constant(NULL, 1)));
    ck_assert(!ag_ok(ag_leaf(NULL, NULL)));
    ck_assert(!ag_ok(ag_constant(NULL, NULL)));
    ck_assert(!ag_ok(ag_full(NULL, AG_F32, 0, NULL, 1)));
    ck_assert(!ag_ok(ag_array_leaf(NULL, AG_F32, 0, NULL, (const double[]){1})));
    ck_assert(!ag_ok(ag_number(none, 1)));
    ck_assert(!ag_ok(ag_add(none, none)));
    ck_assert(!ag_ok(ag_exp(none)));
    ck_assert(!ag_ok(ag_matmul(none, none)));
    ck_assert(!ag_ok(ag_sum_all(none)));
    ck_assert(!ag_ok(ag_stack(&none, 1, 0)));
    ck_assert(!ag_ok(ag_affine(&none, &none, 1, none)));
    ck_assert(!ag_ok(ag_tape_fail(NULL, AG_ERROR_VALUE, "nothing")));
    ck_assert(isnan(ag_item(none)));
    ck_assert(isnan(ag_item_grad(none)));
    ck_assert_ptr_null(ag_data(none));
    ck_assert_ptr_null(ag_meta_of(none));
    ck_assert_str_eq(ag_label_of(ag_label(none, "x")), "");
    ck_assert_int_ne(ag_backward(none), AG_OK);
    ck_assert_int_ne(ag_grad(&none, NULL, 1, &none, 1, &none), AG_OK);
    ck_assert_int_ne(ag_read_f64(none, NULL, 0), AG_OK);
    ck_assert_int_ne(ag_call(NULL, "add", NULL, 0, NULL, &none), AG_OK);
    ag_retain(none);
}
END_TEST

START_TEST(operations_with_a_value_of_no_tape_fail) {
    ag_tape *t = tape_new();
    ag_value a = ag_scalar(t, 1), none = {0};
    ck_assert(!ag_ok(ag_add(a, none)));
    ck_assert(!ag_ok(ag_add(none, a)));
    ck_assert(!ag_ok(ag_matmul(a, none)));
    ag_tape_free(t);
}
END_TEST

Suite *tape_suite(void) {
    Suite *s = suite_create("tape");
    TCase *c = tcase_create("tape");
    suite_add_tcase(s, c);
    tcase_add_test(c, ids_grow_by_one);
    tcase_add_test(c, ids_and_values_cross_chunks_of_the_strip);
    tcase_add_test(c, a_failed_operation_takes_no_id);
    tcase_add_test(c, one_id_space_holds_scalars_and_tensors);
    tcase_add_test(c, rewind_invalidates_newer_values);
    tcase_add_test(c, a_loop_of_marks_and_rewinds_repeats_itself);
    tcase_add_test(c, a_mark_taken_after_a_rewind_serves_again_and_again);
    tcase_add_test(c, a_mark_taken_after_a_backward_serves_again_and_again);
    tcase_add_test(c, a_mark_outlives_backwards_that_record_nothing);
    tcase_add_test(c, a_mark_behind_a_label_serves_again_and_again);
    tcase_add_test(c, a_handle_whose_id_lives_again_is_refused);
    tcase_add_test(c, every_kind_of_call_refuses_a_stale_handle);
    tcase_add_test(c, a_stale_operand_and_its_operation_are_named);
    tcase_add_test(c, marks_nest);
    tcase_add_test(c, a_mark_that_was_rewound_is_refused);
    tcase_add_test(c, a_mark_of_the_same_id_behind_a_rewound_scope_is_refused);
    tcase_add_test(c, a_mark_of_another_tape_is_refused);
    tcase_add_test(c, a_thousand_segments_keep_their_handles);
    tcase_add_test(c, rewinding_far_back_forgets_every_segment_between);
    tcase_add_test(c, handles_survive_a_random_walk_of_marks_and_rewinds);
    tcase_add_test(c, an_output_that_does_not_exist_is_refused);
    tcase_add_test(c, values_of_two_tapes_do_not_mix);
    tcase_add_test(c, a_leaf_over_no_tensor_is_an_error_of_the_tape);
    tcase_add_test(c, no_tape_is_no_crash);
    tcase_add_test(c, operations_with_a_value_of_no_tape_fail);
    return s;
}
