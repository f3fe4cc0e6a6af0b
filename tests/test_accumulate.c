/* accumulate: adjoints that are added up, shared between operands, and kept. */
#include "core_support.h"

START_TEST(repeated_backwards_add_for_every_kind_of_leaf) {
    ag_tape *t = tape_new();
    ag_tensor *w = ag_tensor_from(AG_F64, 1, (const int64_t[]){2}, (const double[]){1, 2}, NULL);
    ag_value x = ag_leaf(t, w), s = ag_scalar(t, 2), a = vector(t, 2, (const double[]){1, 1});
    ag_value y = ag_sum_all(ag_mul(ag_mul(x, s), a));
    for (int i = 1; i <= 3; i++) {
        sweep(y);
        ADJOINT(x, 2 * i, 2 * i);
        ADJOINT(s, 3 * i);
        ADJOINT(a, 2 * i, 4 * i);
        ck_assert_double_eq(((const double *)ag_tensor_grad(w))[1], 2 * i);
    }
    ag_zero_grad(t);
    ADJOINT(x, 0, 0);
    ADJOINT(a, 0, 0);
    sweep(y);
    ADJOINT(x, 2, 2);
    ADJOINT(a, 2, 4);
    ag_tape_free(t);
    ag_tensor_free(w);
}
END_TEST

START_TEST(a_tensor_bound_as_two_leaves_adds_both) {
    ag_tape *t = tape_new();
    ag_tensor *w = ag_tensor_from(AG_F64, 1, (const int64_t[]){2}, (const double[]){1, 2}, NULL);
    ag_value x = ag_leaf(t, w), z = ag_leaf(t, w), c = ag_constant(t, w);
    sweep(ag_sum_all(ag_add(ag_add(ag_square(x), ag_mul_number(z, 10)), ag_square(c))));
    ck_assert_double_eq(ag_tensor_grad_get(w, 0), 12);
    ck_assert_double_eq(ag_tensor_grad_get(w, 1), 14);
    ag_tape_free(t);
    ag_tensor_free(w);
}
END_TEST

START_TEST(a_tensor_collects_from_several_tapes) {
    ag_tensor *w = ag_tensor_from(AG_F64, 0, NULL, (const double[]){3}, NULL);
    for (int i = 0; i < 3; i++) {
        ag_tape *t = tape_new();
        sweep(ag_square(ag_leaf(t, w)));
        ag_tape_free(t);
    }
    ck_assert_double_eq(ag_tensor_grad_get(w, 0), 18);
    ag_tensor_free(w);
}
END_TEST

START_TEST(a_leaf_used_many_times_sums_many_times) {
    ag_tape *t = tape_new();
    ag_value x = vector(t, 2, (const double[]){1, 2}), y = ag_sum_all(x);
    for (int i = 1; i < 500; i++) y = ag_add(y, ag_sum_all(i % 2 ? x : ag_mul_number(x, 3)));
    sweep(y);
    ADJOINT(x, 250 + 3 * 249 + 1, 250 + 3 * 249 + 1);
    ag_tape_free(t);
}
END_TEST

/* y = f(x) by many ways of sharing one adjoint buffer between operands, then adding to it. */
static ag_value aliasing(ag_tape *t, const ag_value *in, void *user) {
    ag_value a = in[0], b = in[1];
    (void)t;
    switch (*(const int *)user) {
    case 0: return ag_add(a, ag_transpose(a, 0, 1));
    case 1: return ag_add(ag_add(a, b), ag_mul(a, b));
    case 2: return ag_mul(ag_add(a, b), ag_add(a, a));
    case 3: { /* dy goes to both, then each gets more, in either order */
        ag_value h = ag_mul(a, b), k = ag_square(b), s = ag_add(h, k);
        return ag_add(ag_add(s, ag_sin(h)), ag_add(ag_cos(k), s));
    }
    case 4: { /* views of one adjoint, then additions into them */
        ag_value h = ag_add(a, b), v = ag_transpose(h, 0, 1), w = ag_reshape(v, 1, (const int64_t[]){9});
        return ag_add(ag_mul(w, w), ag_reshape(ag_mul(h, v), 1, (const int64_t[]){9}));
    }
    case 5: { /* overlapping slices */
        ag_value h = ag_mul(a, b), u = ag_slice(h, 0, 0, 2, 1), v = ag_slice(h, 0, 1, 3, 1),
                 w = ag_slice(h, 1, 0, 3, 2);
        return ag_add(ag_sum_all(ag_mul(u, v)), ag_sum_all(ag_mul(w, w)));
    }
    case 6: { /* an expanded adjoint (stride 0) that is then added to */
        ag_value h = ag_mul(a, b), s = ag_sum(h, (const int[]){0}, 1, true);
        return ag_add(ag_expand(s, 2, (const int64_t[]){3, 3}),
                      ag_mul(h, ag_expand(s, 2, (const int64_t[]){3, 3})));
    }
    case 7: { /* a sum's adjoint is one number repeated; two users of h */
        ag_value h = ag_mul(a, b);
        return ag_add(ag_sum_all(h), ag_sum_all(ag_square(h)));
    }
    case 8: { /* parts of one adjoint, one of which grows */
        ag_value h = ag_mul(a, b), k = ag_sin(a), parts[3] = {h, k, h}, c = ag_cat(parts, 3, 0);
        return ag_add(ag_sum_all(ag_square(c)), ag_sum_all(ag_mul(h, k)));
    }
    case 9: { /* the same through stack and select */
        ag_value h = ag_mul(a, b), k = ag_sin(a), parts[3] = {h, k, h}, c = ag_stack(parts, 3, 1);
        return ag_add(ag_mul(ag_select(c, 1, 0), ag_select(c, 1, 1)), ag_mul(h, ag_select(c, 1, -1)));
    }
    case 10:
        return ag_sub(ag_neg(a),
                      ag_add(b, ag_permute(ag_permute(a, (const int[]){1, 0}, 2), (const int[]){1, 0}, 2)));
    case 11: { /* broadcasting of row and column of the same value */
        ag_value row = ag_slice(a, 0, 1, 2, 1), column = ag_slice(a, 1, 1, 2, 1);
        return ag_mul(ag_add(row, column), ag_sub(b, row));
    }
    case 12: return ag_matmul(ag_add(a, b), ag_add(ag_transpose(a, 0, 1), b));
    case 13: { /* one value, three times the operand of one operation */
        ag_value h = ag_sin(a);
        return ag_add(ag_where(ag_gt(b, ag_number(b, 0)), h, h), ag_maximum(h, ag_mul_number(h, 2)));
    }
    default: { /* detached and expanded halves beside the whole */
        ag_value h = ag_exp(ag_mul_number(a, 0.3));
        return ag_mul(ag_add(h, ag_expand(ag_unsqueeze(ag_select(h, 0, 0), 0), 2, (const int64_t[]){3, 3})),
                      ag_add(h, b));
    }
    }
}
enum { ALIASING = 15 };

START_TEST(shared_adjoints_are_not_corrupted) {
    double a[9], b[9];
    ag_random r = {.seed = 17};
    random_values(&r, a, 9, -1.5, 1.5, AG_AVOID_ZERO | AG_AVOID_TIES);
    random_values(&r, b, 9, -1.5, 1.5, AG_AVOID_ZERO | AG_AVOID_TIES);
    char name[40];
    snprintf(name, sizeof name, "aliasing %d", _i);
    for (int turned = 0; turned < 4; turned++) {
        const check_input in[2] = {
            {.dtype = AG_F64, .rank = 2, .dim = {3, 3}, .values = a, .leaf = true, .transposed = turned & 1},
            {.dtype = AG_F64, .rank = 2, .dim = {3, 3}, .values = b, .leaf = true, .transposed = turned & 2}};
        check_gradients(name, aliasing, &_i, in, 2, 2);
    }
}
END_TEST

START_TEST(a_square_matrix_plus_its_transpose) {
    ag_tape *t = tape_new();
    ag_value x = matrix(t, 2, 2, (const double[]){1, 2, 3, 4});
    ag_value w = ag_array_constant(t, AG_F64, 2, (const int64_t[]){2, 2}, (const double[]){1, 10, 100, 1000});
    ag_value h = ag_mul_number(x, 1), y = ag_sum_all(ag_mul(w, ag_add(h, ag_transpose(h, 0, 1))));
    ag_retain(h);
    for (int i = 1; i <= 2; i++) {
        sweep(y);
        ADJOINT(x, 2 * i, 110 * i, 110 * i, 2000 * i);
        ADJOINT(h, 2 * i, 110 * i, 110 * i, 2000 * i);
    }
    ag_tape_free(t);
}
END_TEST

START_TEST(a_leafs_adjoint_is_its_own_even_where_the_sweep_shares_it) {
    /* dy reaches two array leaves, a bound tensor and a retained value unchanged: four buffers, not one */
    ag_tape *t = tape_new();
    ag_tensor *w = ag_tensor_from(AG_F64, 1, (const int64_t[]){2}, (const double[]){1, 2}, NULL);
    ag_value a = vector(t, 2, (const double[]){1, 2}), b = vector(t, 2, (const double[]){3, 4}), c = ag_leaf(t, w);
    ag_value h = ag_add(a, b), k = ag_add(h, c);
    ag_retain(h);
    ag_retain(k);
    sweep(ag_sum_all(ag_square(k)));
    sweep(ag_sum_all(ag_mul_number(a, 100)));
    ADJOINT(a, 110, 116);
    ADJOINT(b, 10, 16);
    ADJOINT(c, 10, 16);
    ADJOINT(h, 10, 16);
    ADJOINT(k, 10, 16);
    sweep(ag_sum_all(ag_mul_number(h, 1000)));
    ADJOINT(a, 1110, 1116);
    ADJOINT(b, 1010, 1016);
    ADJOINT(c, 10, 16);
    ADJOINT(h, 1010, 1016);
    ADJOINT(k, 10, 16);
    ag_tape_free(t);
    ag_tensor_free(w);
}
END_TEST

/* ---- retained adjoints ------------------------------------------------------------------------------------------------------ */

START_TEST(inner_adjoints_are_kept_where_asked) {
    ag_tape *t = tape_new();
    ag_value s = ag_scalar(t, 2), q = ag_square(s), x = vector(t, 2, (const double[]){1, 3}), h = ag_mul(x, q),
             c = ag_scalar_constant(t, 4);
    ag_value y = ag_mul(ag_sum_all(ag_square(h)), c);
    ag_retain(q);
    ag_retain(h);
    ag_retain(h);
    ag_retain(c);
    ag_retain(y);
    ag_retain(s);
    ADJOINT(q, 0);
    ADJOINT(h, 0, 0);
    for (int i = 1; i <= 2; i++) {
        sweep(y);
        ADJOINT(q, i * 2 * 4 * 4 * 10); /* d/dq c q^2 sum x^2 */
        ADJOINT(h, i * 32, i * 96);
        ADJOINT(y, i);
        ADJOINT(s, i * 2 * 4 * 4 * 10 * 4);
    }
    ag_zero_grad(t);
    ADJOINT(q, 0);
    ADJOINT(h, 0, 0);
    ADJOINT(y, 0);
    ag_tape_free(t);
}
END_TEST

/* Its adjoint is consumed by the sweep: asking for it is an error, never a zero that looks like an answer. */
static void require_not_kept(ag_tape *t, ag_value v) {
    ag_mark m = ag_tape_mark(t);
    ck_assert(isnan(ag_item_grad(ag_sum_all(v))));
    require_failure(t, AG_ERROR_STATE, WORDS("adjoint", "ag_retain"));
    ck_assert_int_eq(ag_tape_rewind(t, m), AG_ERROR_STATE);
    double values[8];
    ck_assert_int_eq(ag_adjoint_f64(v, values, ag_meta_count(ag_meta_of(v))), AG_ERROR_STATE);
    ck_assert_int_eq(ag_tape_rewind(t, m), AG_ERROR_STATE);
}

START_TEST(a_value_that_is_not_retained_keeps_nothing) {
    ag_tape *t = tape_new();
    ag_value s = ag_scalar(t, 2), q = ag_square(s), h = ag_mul(vector(t, 2, (const double[]){1, 3}), q);
    sweep(ag_sum_all(h));
    require_not_kept(t, q);
    require_not_kept(t, h);
    ag_retain(h);
    sweep(ag_sum_all(h));
    ADJOINT(h, 1, 1);
    ag_tape_free(t);
}
END_TEST

START_TEST(a_value_may_be_retained_again_after_a_rewind) {
    ag_tape *t = tape_new();
    ag_value s = ag_scalar(t, 2), q = ag_square(s), h = ag_mul(vector(t, 2, (const double[]){1, 3}), q);
    ag_mark m = ag_tape_mark(t);
    for (int i = 0; i < 3; i++) {
        require_not_kept(t, q);
        ag_retain(q);
        ag_retain(h);
        sweep(ag_sum_all(ag_mul_number(h, 2)));
        ADJOINT(h, 2, 2);
        ADJOINT(q, 8);
        ck_assert_int_eq(ag_tape_rewind(t, m), AG_OK);
        require_not_kept(t, h); /* retained after the mark: forgotten */
        ag_inspection *seen = ag_inspect_range(t, 1, h.id, NULL, NULL);
        ck_assert_ptr_nonnull(seen);
        ck_assert_ptr_null(ag_inspection_find(seen, h.id)->adjoint);
        ag_inspection_free(seen);
        sweep(ag_sum_all(h));
        require_not_kept(t, h);
    }
    ag_tape_free(t);
}
END_TEST

Suite *accumulate_suite(void) {
    Suite *s = suite_create("accumulate");
    TCase *c = tcase_create("accumulate");
    suite_add_tcase(s, c);
    tcase_add_test(c, repeated_backwards_add_for_every_kind_of_leaf);
    tcase_add_test(c, a_tensor_bound_as_two_leaves_adds_both);
    tcase_add_test(c, a_tensor_collects_from_several_tapes);
    tcase_add_test(c, a_leaf_used_many_times_sums_many_times);
    tcase_add_loop_test(c, shared_adjoints_are_not_corrupted, 0, ALIASING);
    tcase_add_test(c, a_square_matrix_plus_its_transpose);
    tcase_add_test(c, a_leafs_adjoint_is_its_own_even_where_the_sweep_shares_it);
    tcase_add_test(c, inner_adjoints_are_kept_where_asked);
    tcase_add_test(c, a_value_that_is_not_retained_keeps_nothing);
    tcase_add_test(c, a_value_may_be_retained_again_after_a_rewind);
    return s;
}
