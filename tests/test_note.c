/* note: the sticky error and its text, labels, scopes. */
#include "core_support.h"

START_TEST(failed_values_fail_silently_after_the_first) {
    ag_tape *t = tape_new();
    ag_value x = ag_full(t, AG_F64, 1, &(int64_t){2}, 0), y = ag_full(t, AG_F64, 1, &(int64_t){3}, 0);
    ag_value bad = ag_mul(x, y);
    require_failure(t, AG_ERROR_SHAPE, WORDS("mul"));
    char first[AG_MESSAGE_SIZE];
    snprintf(first, sizeof first, "%s", ag_tape_message(t));
    ag_value z = ag_relu(ag_add(ag_exp(bad), ag_scalar(t, 1)));
    z = ag_sum_all(ag_matmul(z, x));
    ck_assert(!ag_ok(z));
    ck_assert_int_eq(ag_backward(z), AG_ERROR_SHAPE); /* the first failure, not the last */
    ag_full(t, AG_F64, -1, NULL, 0);                  /* a second failure of its own */
    ck_assert_str_eq(ag_tape_message(t), first);
    ag_tape_free(t);
}
END_TEST

START_TEST(rewind_returns_the_failure_and_clears_what_is_newer) {
    ag_tape *t = tape_new();
    ag_value x = ag_full(t, AG_F64, 1, &(int64_t){2}, 0);
    ag_mark before = ag_tape_mark(t);
    ag_matmul(x, ag_full(t, AG_F64, 1, &(int64_t){3}, 0));
    ag_mark after = ag_tape_mark(t);
    ck_assert_int_eq(ag_tape_rewind(t, after), AG_ERROR_SHAPE);
    ck_assert_int_eq(ag_tape_status(t), AG_ERROR_SHAPE); /* older than that mark: it stays */
    ck_assert_int_eq(ag_tape_rewind(t, before), AG_ERROR_SHAPE);
    ck_assert_int_eq(ag_tape_status(t), AG_OK);
    ck_assert_msg(strstr(ag_tape_message(t), "matmul") != NULL, "the text is gone: %s", ag_tape_message(t));
    ck_assert_int_eq(ag_tape_rewind(t, before), AG_OK);
    ck_assert(ag_ok(ag_neg(x)));
    ag_tape_free(t);
}
END_TEST

START_TEST(a_fresh_tape_has_nothing_to_say) {
    ag_tape *t = tape_new();
    ck_assert_int_eq(ag_tape_status(t), AG_OK);
    ck_assert_str_eq(ag_tape_message(t), "");
    ag_tape_free(t);
}
END_TEST

START_TEST(a_message_names_operation_operands_labels_shapes_and_scope) {
    ag_tape *t = tape_new();
    ag_tensor *w = ag_tensor_new(AG_F32, 2, (const int64_t[]){4, 5}, NULL);
    ag_tensor_set_name(w, "0.weight");
    ag_value x = ag_label(ag_full(t, AG_F64, 2, (const int64_t[]){2, 3}, 0), "batch");
    ag_value v = ag_leaf(t, w);
    ck_assert_str_eq(ag_label_of(v), "0.weight");
    ag_scope_begin(t, "encoder");
    ag_scope_begin(t, "layer1");
    ag_matmul(x, v);
    require_failure(t, AG_ERROR_SHAPE,
                    WORDS("matmul", "#1 'batch' f64 (2, 3)", "#2 '0.weight' f32 (4, 5)", "encoder/layer1"));
    ag_tape_free(t);
    ag_tensor_free(w);
}
END_TEST

START_TEST(many_operands_and_large_shapes_fit_the_message) {
    enum { N = 40 };
    ag_tape *t = tape_new();
    const int64_t dim[8] = {1, 1, 1, 1, 1, 1, 1, 2}, other[8] = {1, 1, 1, 1, 1, 1, 1, 3};
    ag_value x[N];
    char label[300];
    memset(label, 'l', sizeof label - 1);
    label[sizeof label - 1] = '\0';
    for (int i = 0; i < N; i++) x[i] = ag_label(ag_full(t, AG_F64, 8, i == 5 ? other : dim, 0), label);
    for (int i = 0; i < 6; i++) ag_scope_begin(t, label);
    ck_assert(!ag_ok(ag_stack(x, N, 0)));
    require_failure(t, AG_ERROR_SHAPE, WORDS("stack", "'lll"));
    ck_assert_uint_lt(strlen(ag_tape_message(t)), AG_MESSAGE_SIZE);
    ag_tape_free(t);
}
END_TEST

START_TEST(callers_may_fail_the_tape) {
    ag_tape *t = tape_new();
    ag_scope_begin(t, "mine");
    ag_value v = ag_tape_fail(t, AG_ERROR_VALUE, "window %d is %s", 3, "too wide");
    ck_assert(!ag_ok(v));
    require_failure(t, AG_ERROR_VALUE, WORDS("window 3 is too wide", "mine"));
    ag_tape_fail(t, AG_ERROR_STATE, "another");
    require_failure(t, AG_ERROR_VALUE, WORDS("window 3 is too wide"));
    ag_tape_free(t);
}
END_TEST

/* ---- labels and scopes ---------------------------------------------------------------------------------------------- */

START_TEST(labels_are_text_not_formats) {
    ag_tape *t = tape_new();
    static const char odd[] = "%s%n%d 100%% \"\\\x01\xc3\xa9";
    ag_value x = ag_label(ag_full(t, AG_F64, 1, &(int64_t){2}, 0), odd);
    ck_assert_str_eq(ag_label_of(x), odd);
    ag_scope_begin(t, "%s%n");
    ag_add(x, ag_full(t, AG_F64, 1, &(int64_t){3}, 0));
    require_failure(t, AG_ERROR_SHAPE, WORDS(odd, "'%s%n'"));
    ag_tape_free(t);
}
END_TEST

START_TEST(labels_may_be_long_empty_or_replaced) {
    ag_tape *t = tape_new();
    size_t n = 1 << 20;
    char *text = malloc(n + 1);
    memset(text, 'x', n);
    text[n] = '\0';
    ag_value a = ag_scalar(t, 1), b = ag_scalar(t, 2);
    ck_assert_uint_eq(ag_label(a, text).id, a.id);
    ck_assert_str_eq(ag_label_of(a), text);
    text[0] = 'y'; /* it was copied */
    ck_assert_int_eq(ag_label_of(a)[0], 'x');
    ag_label(a, "short");
    ck_assert_str_eq(ag_label_of(a), "short");
    ag_label(b, "");
    ck_assert_str_eq(ag_label_of(b), "");
    ag_label(b, NULL);
    ck_assert_str_eq(ag_label_of(b), "");
    free(text);
    ag_tape_free(t);
}
END_TEST

START_TEST(a_rewind_forgets_newer_labels_and_scopes) {
    ag_tape *t = tape_new();
    ag_value a = ag_label(ag_scalar(t, 1), "old");
    ag_scope_begin(t, "outer");
    ag_mark m = ag_tape_mark(t);
    for (int i = 0; i < 3; i++) {
        ag_label(a, "new");
        ck_assert_str_eq(ag_label_of(a), "new");
        ag_scope_begin(t, "inner");
        ag_neg(a);
        ag_tape_rewind(t, m);
        ck_assert_str_eq(ag_label_of(a), "old");
    }
    ag_tape_fail(t, AG_ERROR_VALUE, "where");
    require_failure(t, AG_ERROR_VALUE, WORDS("'outer'"));
    ag_scope_end(t);
    ag_tape_free(t);
}
END_TEST

START_TEST(scopes_nest_and_end) {
    ag_tape *t = tape_new();
    static const char *const expected[] = {"'a'", "'a/b'", "'a/b/c'", "'a/b'", "'a/d'", "'a'"};
    ag_mark m = ag_tape_mark(t);
    for (int i = 0; i < 6; i++) {
        ag_scope_begin(t, "a");
        if (i >= 1) ag_scope_begin(t, "b");
        if (i >= 2) ag_scope_begin(t, "c");
        if (i >= 3) ag_scope_end(t);
        if (i >= 4) {
            ag_scope_end(t);
            ag_scope_begin(t, "d");
        }
        if (i >= 5) ag_scope_end(t);
        ag_tape_fail(t, AG_ERROR_VALUE, "here");
        require_failure(t, AG_ERROR_VALUE, WORDS(expected[i]));
        ag_tape_rewind(t, m);
    }
    ag_scope_begin(t, "a");
    ag_scope_end(t);
    ag_tape_fail(t, AG_ERROR_VALUE, "here");
    ck_assert_ptr_null(strstr(ag_tape_message(t), "scope"));
    ag_tape_free(t);
}
END_TEST

START_TEST(scopes_may_be_deep_and_their_names_odd) {
    ag_tape *t = tape_new();
    for (int i = 0; i < 10000; i++) ag_scope_begin(t, i % 3 ? "%n" : NULL);
    ag_tape_fail(t, AG_ERROR_VALUE, "deep");
    ck_assert_uint_lt(strlen(ag_tape_message(t)), AG_MESSAGE_SIZE);
    for (int i = 0; i < 10000; i++) ag_scope_end(t);
    ag_tape_free(t);
}
END_TEST

START_TEST(a_scope_that_was_not_begun_does_not_end) {
    ag_tape *t = tape_new();
    ag_scope_end(t);
    require_failure(t, AG_ERROR_STATE, WORDS("scope_end"));
    ag_tape_free(t);
}
END_TEST

Suite *note_suite(void) {
    Suite *s = suite_create("note");
    TCase *c = tcase_create("note");
    suite_add_tcase(s, c);
    tcase_add_test(c, failed_values_fail_silently_after_the_first);
    tcase_add_test(c, rewind_returns_the_failure_and_clears_what_is_newer);
    tcase_add_test(c, a_fresh_tape_has_nothing_to_say);
    tcase_add_test(c, a_message_names_operation_operands_labels_shapes_and_scope);
    tcase_add_test(c, many_operands_and_large_shapes_fit_the_message);
    tcase_add_test(c, callers_may_fail_the_tape);
    tcase_add_test(c, labels_are_text_not_formats);
    tcase_add_test(c, labels_may_be_long_empty_or_replaced);
    tcase_add_test(c, a_rewind_forgets_newer_labels_and_scopes);
    tcase_add_test(c, scopes_nest_and_end);
    tcase_add_test(c, scopes_may_be_deep_and_their_names_odd);
    tcase_add_test(c, a_scope_that_was_not_begun_does_not_end);
    return s;
}
