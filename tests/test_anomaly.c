/* anomaly: the mode names where the first number that is not finite arose, and costs nothing while off. */
#include "core_support.h"

#include <autograd/ops.h>

static ag_tape *watched(void) {
    ag_tape *t = ag_tape_new(&(ag_tape_options){.anomaly = true});
    ck_assert_ptr_nonnull(t);
    return t;
}

START_TEST(the_first_value_is_named_with_operation_labels_and_scope) {
    for (int k = 0; k < 3; k++) {
        ag_tape *t = watched();
        ag_value x = k == 0   ? ag_scalar(t, 0)
                     : k == 1 ? vector(t, 4, (const double[]){1, 2, 3, 0})
                              : ag_cast(vector(t, 4, (const double[]){1, 2, 3, 0}), AG_F32);
        ag_label(x, "input");
        ag_scope_begin(t, "encoder");
        ag_scope_begin(t, "layer 1");
        ag_value y = ag_label(ag_log(ag_label(ag_square(x), "squared")), "energy");
        ag_scope_end(t);
        ag_value z = ag_sub(y, y); /* what follows is not blamed */
        ag_scope_end(t);
        require_failure(t, AG_ERROR_NONFINITE,
                        WORDS("log: ", "-inf", k ? "element 3" : "element 0", "'squared'", "'energy'",
                              "scope 'encoder/layer 1'"));
        ck_assert(ag_ok(y) && ag_ok(z)); /* to be looked at */
        double values[4];
        ck_assert_int_eq(ag_read_f64(y, values, k ? 4 : 1), AG_OK);
        ck_assert(isinf(values[k ? 3 : 0]));
        ag_label(y, "another"); /* a second label is none of the failure's */
        ck_assert_ptr_null(strstr(ag_tape_message(t), "another"));
        ck_assert_int_eq(ag_backward(ag_sum_all(z)), AG_ERROR_NONFINITE);
        ag_tape_free(t);
    }
}
END_TEST

START_TEST(every_way_of_recording_is_looked_at) {
    const double inf = INFINITY, huge = 1e300;
    for (int k = 0; k < 9; k++) {
        ag_tape *t = watched();
        ag_mark m = ag_tape_mark(t);
        ag_value a = ag_scalar(t, huge), x = vector(t, 2, (const double[]){huge, 1});
        ag_tensor *w = ag_tensor_from(AG_F32, 1, (const int64_t[]){2}, (const double[]){1, NAN}, NULL);
        ag_tensor_set_name(w, "weights");
        const char *word = "mul";
        require_ok(t);
        switch (k) {
        case 0: ag_mul(a, a); break;
        case 1: ag_mul(x, a); break;
        case 2: ag_affine(&a, &a, 1, a), word = "affine"; break;
        case 3: ag_mul_number(a, 1e10), word = "mul_number"; break;
        case 4: ag_leaf(t, w), word = "'weights'"; break;
        case 5: ag_constant(t, w), word = "'weights'"; break;
        case 6: ag_scalar(t, inf), word = "leaf"; break;
        case 7: ag_scalar_constant(t, NAN), word = "constant"; break;
        case 8: ag_array_leaf(t, AG_F64, 0, NULL, &inf), word = "leaf"; break;
        }
        require_failure(t, AG_ERROR_NONFINITE, WORDS(word));
        ck_assert_int_eq(ag_tape_rewind(t, m), AG_ERROR_NONFINITE);
        require_ok(t);
        ag_tape_free(t);
        ag_tensor_free(w);
    }
}
END_TEST

START_TEST(an_infinity_that_was_written_down_is_no_anomaly) {
    ag_tape *t = watched();
    const double mask[4] = {0, -INFINITY, 0, -INFINITY};
    ag_value x = matrix(t, 2, 2, (const double[]){1, 2, 3, 4});
    ag_value masked = ag_add(x, ag_array_constant(t, AG_F64, 2, (const int64_t[]){2, 2}, mask));
    ag_value y = ag_softmax(masked, 1), s = ag_scalar(t, 1);
    ag_add_number(s, -INFINITY);
    ag_add(s, ag_scalar_constant(t, INFINITY));
    sweep(ag_sum_all(ag_mul(y, x)));
    VALUES(y, 1, 0, 1, 0);
    ag_sub(masked, masked); /* but NaN arises here */
    require_failure(t, AG_ERROR_NONFINITE, WORDS("sub", "nan", "element 1"));
    ag_tape_free(t);
}
END_TEST

START_TEST(the_rule_that_gave_the_first_adjoint_is_named) {
    for (int k = 0; k < 4; k++) {
        ag_tape *t = watched();
        ag_value x = k % 2 ? vector(t, 2, (const double[]){4, 0}) : ag_scalar(t, 0), d;
        ag_label(x, "input");
        ag_scope_begin(t, "inner");
        ag_value r = ag_label(ag_sqrt(x), "root");
        ag_scope_end(t);
        ag_scope_begin(t, "outer");
        ag_value y = ag_sum_all(ag_mul_number(r, 2));
        ck_assert_int_eq(k < 2 ? ag_backward(y) : ag_grad(&y, NULL, 1, &x, 1, &d), AG_ERROR_NONFINITE);
        require_failure(t, AG_ERROR_NONFINITE,
                        WORDS("sqrt: ", "adjoint", "'input'", "'root'", "scope 'inner'", "inf"));
        ag_tape_free(t);
    }
}
END_TEST

START_TEST(a_sum_of_adjoints_that_overflows_is_named_too) {
    for (int k = 0; k < 2; k++) {
        ag_tape *t = watched();
        ag_value x = k ? vector(t, 1, (const double[]){1}) : ag_scalar(t, 1), h = ag_neg(x);
        ag_value y = ag_add(ag_mul_number(h, 1e308), ag_mul_number(h, 1e308));
        require_failure(t, AG_ERROR_NONFINITE, WORDS("add"));
        ag_tape_free(t);
        t = watched();
        x = k ? vector(t, 1, (const double[]){1e-200}) : ag_scalar(t, 1e-200), h = ag_neg(x);
        y = ag_add(ag_mul_number(h, 1e308), ag_mul_number(h, 1e308));
        ck_assert_int_eq(ag_backward(ag_sum_all(y)), AG_ERROR_NONFINITE);
        require_failure(t, AG_ERROR_NONFINITE,
                        WORDS(k ? "neg: the sum of its adjoint" : "mul_number: the adjoint"));
        ag_tape_free(t);
    }
}
END_TEST

START_TEST(a_seed_that_is_not_finite_is_named) {
    for (int k = 0; k < 4; k++) {
        ag_tape *t = tape_new();
        ag_value x = k % 2 ? vector(t, 1, (const double[]){1}) : ag_scalar(t, 1), y = ag_neg(x), d;
        ag_value seed = ag_mul(ag_number(x, INFINITY), x);
        ag_anomaly(t, true);
        ck_assert_int_eq(k < 2 ? ag_backward_from(y, seed) : ag_grad(&y, &seed, 1, &x, 1, &d), AG_ERROR_NONFINITE);
        require_failure(t, AG_ERROR_NONFINITE, WORDS("the seed of", "inf"));
        ag_tape_free(t);
    }
}
END_TEST

START_TEST(off_it_looks_at_nothing_and_may_go_on_and_off) {
    ag_tape *t = tape_new();
    ag_value x = ag_scalar(t, 0), y = ag_log(x);
    require_ok(t);
    ag_anomaly(t, true);
    ag_neg(y); /* arose before */
    require_ok(t);
    ag_mark m = ag_tape_mark(t);
    ag_log(x);
    require_failure(t, AG_ERROR_NONFINITE, WORDS("log"));
    ag_tape_rewind(t, m);
    ag_anomaly(t, false);
    sweep(ag_sqrt(x));
    ck_assert(isinf(ag_item_grad(x)));
    ag_tape_free(t);
    ag_anomaly(NULL, true);
}
END_TEST

/* The same graph with the mode on and off: it looks, and changes nothing. */
START_TEST(the_mode_changes_no_bit) {
    double bits[2][4];
    for (int on = 0; on < 2; on++) {
        ag_tape *t = tape_new();
        ag_anomaly(t, on);
        ag_value a = ag_scalar(t, 0.3), b = ag_scalar(t, -0.7), y = a,
                 x = vector(t, 2, (const double[]){0.1, 0.9});
        for (int i = 0; i < AG_STRIP_CHUNK; i++) y = ag_tanh(ag_affine(&a, &y, 1, ag_mul(b, y)));
        ag_retain(y);
        ag_value h = ag_mul(ag_softmax(x, 0), y), d;
        y = ag_sum_all(ag_square(h));
        sweep(y);
        ck_assert_int_eq(ag_grad(&y, NULL, 1, &a, 1, &d), AG_OK);
        const double got[] = {ag_item(y), ag_item_grad(a), ag_item_grad(b), ag_item(d)};
        memcpy(bits[on], got, sizeof got);
        ag_tape_free(t);
    }
    ck_assert_int_eq(memcmp(bits[0], bits[1], sizeof bits[0]), 0);
}
END_TEST

Suite *anomaly_suite(void) {
    Suite *s = suite_create("anomaly");
    TCase *c = tcase_create("anomaly");
    suite_add_tcase(s, c);
    tcase_add_test(c, the_first_value_is_named_with_operation_labels_and_scope);
    tcase_add_test(c, every_way_of_recording_is_looked_at);
    tcase_add_test(c, an_infinity_that_was_written_down_is_no_anomaly);
    tcase_add_test(c, the_rule_that_gave_the_first_adjoint_is_named);
    tcase_add_test(c, a_sum_of_adjoints_that_overflows_is_named_too);
    tcase_add_test(c, a_seed_that_is_not_finite_is_named);
    tcase_add_test(c, off_it_looks_at_nothing_and_may_go_on_and_off);
    tcase_add_test(c, the_mode_changes_no_bit);
    return s;
}
