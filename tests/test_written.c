/* written: tensors written between forward and backward, and what a failed sweep leaves. */
#include "core_support.h"

START_TEST(a_tensor_written_between_forward_and_backward_is_refused) {
    for (int kind = 0; kind < 5; kind++) {
        ag_tape *t = tape_new();
        ag_tensor *w = ag_tensor_from(AG_F64, 1, (const int64_t[]){2}, (const double[]){1, 2}, NULL);
        ag_tensor *c = ag_tensor_from(AG_F64, 1, (const int64_t[]){2}, (const double[]){3, 4}, NULL),
                  *other = ag_tensor_from(AG_F64, 1, (const int64_t[]){2}, (const double[]){5, 6}, NULL);
        ag_tensor_set_name(w, "weights");
        ag_mark m = ag_tape_mark(t);
        ag_value x = ag_leaf(t, w), k = ag_constant(t, c), z = ag_leaf(t, other), s = ag_scalar(t, 1), y;
        switch (kind) {
        case 0: y = ag_sum_all(ag_mul(x, k)); break;                       /* kept: c */
        case 1: y = ag_sum_all(ag_square(ag_slice(x, 0, 0, 1, 1))); break; /* through a view */
        case 2: y = ag_sum_all(ag_add_number(x, 1)); break;                /* not kept at all: the leaf itself */
        case 3: y = ag_sum_all(ag_mul(ag_reshape(k, 2, (const int64_t[]){1, 2}), x)); break;
        default: y = ag_sum_all(ag_matmul(x, k)); break;
        }
        y = ag_add(ag_add(y, ag_sum_all(ag_square(z))), s);
        ag_tensor_set(kind == 0 || kind == 3 || kind == 4 ? c : w, 0, 9);
        ck_assert_int_eq(ag_backward(y), AG_ERROR_WRITTEN);
        if (kind == 2) ck_assert_ptr_nonnull(strstr(ag_tape_message(t), "weights"));
        /* the gradient that was touched is invalid, and says so, until it is zeroed */
        ck_assert_ptr_null(ag_tensor_grad(other));
        ck_assert(isnan(ag_tensor_grad_get(other, 0)));
        ck_assert_ptr_null(ag_tensor_grad_write(other));
        ck_assert_int_eq(ag_tensor_grad_status(other), AG_ERROR_STATE);
        ck_assert(isnan(ag_item_grad(s)));
        ck_assert_int_eq(ag_tape_rewind(t, m), AG_ERROR_WRITTEN);
        x = ag_leaf(t, w);
        z = ag_leaf(t, other);
        sweep(ag_sum_all(ag_add(ag_square(x), ag_square(z))));
        ck_assert_int_eq(ag_tensor_grad_status(other), AG_ERROR_STATE); /* a good sweep does not make it good */
        ag_tensor_zero_grad(other);
        ag_tensor_zero_grad(w);
        sweep(ag_sum_all(ag_add(ag_square(x), ag_square(z))));
        ck_assert_double_eq(ag_tensor_grad_get(other, 1), 12);
        ck_assert_double_eq(ag_tensor_grad_get(w, 1), 4);
        ag_tape_free(t);
        ag_tensor_free(w);
        ag_tensor_free(c);
        ag_tensor_free(other);
    }
}
END_TEST

START_TEST(writing_a_part_or_its_whole_counts) {
    for (int which = 0; which < 3; which++) {
        ag_tape *t = tape_new();
        ag_tensor *slab = ag_tensor_from(AG_F64, 1, (const int64_t[]){4}, (const double[]){1, 2, 3, 4}, NULL);
        ag_tensor *part = ag_tensor_part(slab, 1, 1, (const int64_t[]){2}, NULL);
        ag_value y = ag_sum_all(ag_square(ag_leaf(t, which ? part : slab)));
        if (which < 2)
            ag_tensor_set(slab, 0, 7);
        else
            ag_tensor_set(part, 0, 7);
        ck_assert_int_eq(ag_backward(y), AG_ERROR_WRITTEN);
        ag_tape_free(t);
        ag_tensor_free(part);
        ag_tensor_free(slab);
    }
}
END_TEST

START_TEST(a_write_before_the_leaf_or_after_the_sweep_is_fine) {
    ag_tape *t = tape_new();
    ag_tensor *w = ag_tensor_from(AG_F64, 0, NULL, (const double[]){1}, NULL);
    for (int i = 0; i < 3; i++) {
        ag_mark m = ag_tape_mark(t);
        ag_tensor_set(w, 0, i);
        ag_tensor_zero_grad(w);
        ag_value x = ag_leaf(t, w);
        sweep(ag_square(x));
        ck_assert_double_eq(ag_tensor_grad_get(w, 0), 2 * i);
        ag_tensor_set(w, 0, 100);
        ck_assert_int_eq(ag_tape_rewind(t, m), AG_OK);
    }
    ag_tape_free(t);
    ag_tensor_free(w);
}
END_TEST

START_TEST(a_recorded_gradient_refuses_written_tensors_too) {
    ag_tape *t = tape_new();
    ag_tensor *w = ag_tensor_from(AG_F64, 0, NULL, (const double[]){1}, NULL);
    ag_value x = ag_leaf(t, w), y = ag_square(x), dx;
    ag_tensor_set(w, 0, 5);
    ck_assert_int_eq(ag_grad(&y, NULL, 1, &x, 1, &dx), AG_ERROR_WRITTEN);
    ck_assert(!ag_ok(dx));
    ck_assert_int_eq(ag_tensor_grad_status(w), AG_OK); /* it never touched it */
    ag_tape_free(t);
    ag_tensor_free(w);
}
END_TEST

START_TEST(a_backward_on_a_failed_tape_leaves_no_gradient_to_go_by) {
    ag_tape *t = tape_new();
    ag_value x = vector(t, 2, (const double[]){1, 2}), y = ag_sum_all(x);
    sweep(y);
    ag_mark m = ag_tape_mark(t);
    ag_tape_fail(t, AG_ERROR_VALUE, "on purpose");
    ck_assert_int_eq(ag_backward(y), AG_ERROR_VALUE);
    ag_value dx = x;
    ck_assert_int_eq(ag_grad(&y, NULL, 1, &x, 1, &dx), AG_ERROR_VALUE);
    ck_assert(!ag_ok(dx));
    ck_assert_int_eq(ag_tape_rewind(t, m), AG_ERROR_VALUE);
    double values[2];
    ck_assert_int_eq(ag_adjoint_f64(x, values, 2), AG_ERROR_STATE);
    ag_tape_rewind(t, m);
    ag_zero_grad(t);
    sweep(y);
    ADJOINT(x, 1, 1);
    ag_tape_free(t);
}
END_TEST

START_TEST(a_failed_sweep_leaves_no_inner_adjoints) {
    ag_tape *t = tape_new();
    ag_tensor *w = ag_tensor_from(AG_F64, 1, (const int64_t[]){2}, (const double[]){1, 2}, NULL);
    ag_value s = ag_scalar(t, 2), x = vector(t, 2, (const double[]){1, 3}), q = ag_square(s), h = ag_mul(x, q),
             sum = ag_sum_all(h);
    ag_mark m = ag_tape_mark(t);
    ag_value bad = ag_mul(ag_leaf(t, w), ag_exp(h)); /* its rule fails after h and q got their shares */
    ag_value y = ag_add(ag_add(ag_sum_all(bad), sum), ag_mul(sum, ag_mul(q, q)));
    ag_tensor_set(w, 0, 5);
    ck_assert_int_eq(ag_backward(y), AG_ERROR_WRITTEN);
    ck_assert_int_eq(ag_tape_rewind(t, m), AG_ERROR_WRITTEN);
    ag_zero_grad(t);
    sweep(sum);
    ADJOINT(s, 4 * 4);
    ADJOINT(x, 4, 4);
    ag_tape_free(t);
    ag_tensor_free(w);
}
END_TEST

Suite *written_suite(void) {
    Suite *s = suite_create("written");
    TCase *c = tcase_create("written");
    suite_add_tcase(s, c);
    tcase_add_test(c, a_tensor_written_between_forward_and_backward_is_refused);
    tcase_add_test(c, writing_a_part_or_its_whole_counts);
    tcase_add_test(c, a_write_before_the_leaf_or_after_the_sweep_is_fine);
    tcase_add_test(c, a_recorded_gradient_refuses_written_tensors_too);
    tcase_add_test(c, a_backward_on_a_failed_tape_leaves_no_gradient_to_go_by);
    tcase_add_test(c, a_failed_sweep_leaves_no_inner_adjoints);
    return s;
}
