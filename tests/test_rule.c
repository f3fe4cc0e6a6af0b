/* rule: derivative rules that break their contract, give twice or not at all, and derivatives that are missing or zero. */
#include "op_support.h"

static ag_status (*rule)(ag_reverse *r);
static ag_status call_rule(ag_reverse *r) { return rule(r); }
static const ag_op odd = {.name = "test_odd",
                          .min_in = 1,
                          .max_in = 2,
                          .outputs = 1,
                          .infer = same_shape,
                          .forward = copy_forward,
                          .vjp = call_rule};

static ag_status reads_operand(ag_reverse *r) {
    ag_give(r, 0, ag_mul(ag_dy(r, 0), ag_in(r, 0)));
    return AG_OK;
}
static ag_status reads_output(ag_reverse *r) {
    ag_give(r, 0, ag_mul(ag_dy(r, 0), ag_out(r, 0)));
    return AG_OK;
}
static ag_status reads_beyond(ag_reverse *r) {
    ag_give(r, 0, ag_mul(ag_dy(r, 0), ag_in(r, 7)));
    return AG_OK;
}
static ag_status asks_beyond(ag_reverse *r) {
    ag_give(r, 0, ag_dy(r, 3));
    return AG_OK;
}
static ag_status gives_wrong_shape(ag_reverse *r) {
    ag_give(r, 0, ag_full(ag_rule_tape(r), AG_F64, 1, (const int64_t[]){7}, 1));
    return AG_OK;
}
static ag_status gives_too_little(ag_reverse *r) {
    ag_give(r, 0, ag_full(ag_rule_tape(r), AG_F64, 0, NULL, 1));
    return AG_OK;
}
static ag_status gives_nothing_at_all(ag_reverse *r) {
    ag_give(r, 0, (ag_value){0});
    return AG_OK;
}
static ag_status gives_failed(ag_reverse *r) {
    ag_give(r, 0, ag_add(ag_dy(r, 0), ag_full(ag_rule_tape(r), AG_F64, 1, (const int64_t[]){7}, 1)));
    return AG_OK;
}
static ag_status answers_error(ag_reverse *r) {
    (void)r;
    return AG_ERROR_VALUE;
}
static ag_status sweeps(ag_reverse *r) {
    ag_backward(ag_sum_all(ag_dy(r, 0)));
    ag_give(r, 0, ag_dy(r, 0));
    return AG_OK;
}
static ag_status differentiates(ag_reverse *r) {
    ag_value y = ag_sum_all(ag_dy(r, 0)), d = ag_dy(r, 0), out;
    ag_grad(&y, NULL, 1, &d, 1, &out);
    ag_give(r, 0, d);
    return AG_OK;
}
static ag_mark early;
static ag_status rewinds(ag_reverse *r) {
    (void)!ag_tape_rewind(ag_rule_tape(r), early);
    ag_give(r, 0, ag_dy(r, 0));
    return AG_OK;
}
static ag_value foreign;
static ag_status gives_foreign(ag_reverse *r) {
    ag_give(r, 0, foreign);
    return AG_OK;
}

START_TEST(a_rule_that_breaks_its_contract_is_named) {
    static const struct {
        ag_status (*rule)(ag_reverse *r);
        ag_status status;
        const char *name;
    } cases[] = {{reads_operand, AG_ERROR_KEEPS, "reads_operand"},
                 {reads_output, AG_ERROR_KEEPS, "reads_output"},
                 {reads_beyond, AG_ERROR_KEEPS, "reads_beyond"},
                 {asks_beyond, AG_STATUS_COUNT, "asks_beyond"},
                 {gives_wrong_shape, AG_ERROR_SHAPE, "gives_wrong_shape"},
                 {gives_too_little, AG_ERROR_SHAPE, "gives_too_little"},
                 {gives_nothing_at_all, AG_STATUS_COUNT, "gives_nothing_at_all"},
                 {gives_failed, AG_STATUS_COUNT, "gives_failed"},
                 {answers_error, AG_ERROR_VALUE, "answers_error"},
                 {sweeps, AG_ERROR_STATE, "sweeps"},
                 {differentiates, AG_ERROR_STATE, "differentiates"},
                 {rewinds, AG_ERROR_STATE, "rewinds"},
                 {gives_foreign, AG_ERROR_FOREIGN, "gives_foreign"}};
    ag_tape *t = tape_new(), *other = tape_new();
    foreign = ag_full(other, AG_F64, 1, (const int64_t[]){3}, 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int recorded = 0; recorded < 2; recorded++) {
            rule = cases[i].rule;
            early = ag_tape_mark(t);
            ag_value x = vector(t, 3, (const double[]){1, 2, 3});
            ag_value y = ag_sum_all(ag_apply(t, &odd, &x, 1, NULL)), dx;
            ag_status status = recorded ? ag_grad(&y, NULL, 1, &x, 1, &dx) : ag_backward(y);
            ck_assert_msg(status != AG_OK, "%s", cases[i].name);
            if (cases[i].status != AG_STATUS_COUNT) {
                ck_assert_msg(status == cases[i].status, "%s: %s", cases[i].name, ag_tape_message(t));
            }
            bool by_other_call =
                rule == sweeps || rule == differentiates || rule == rewinds || rule == gives_failed;
            if (!by_other_call) {
                ck_assert_msg(strstr(ag_tape_message(t), "test_odd") != NULL, "%s: %s", cases[i].name,
                              ag_tape_message(t));
            }
            if (recorded) ck_assert(!ag_ok(dx));
            ck_assert_int_eq(ag_tape_rewind(t, early), status);
        }
    }
    ag_tape_free(t);
    ag_tape_free(other);
}
END_TEST

START_TEST(a_tape_works_on_after_a_rule_that_failed) {
    ag_tape *t = tape_new();
    ag_value x = vector(t, 3, (const double[]){1, 2, 3});
    ag_mark m = ag_tape_mark(t);
    rule = answers_error;
    ag_value inner = ag_square(x),
             y = ag_sum_all(ag_add(ag_apply(t, &odd, &inner, 1, NULL), ag_mul(inner, inner)));
    ck_assert_int_eq(ag_backward(y), AG_ERROR_VALUE);
    double g[3];
    ck_assert_int_eq(ag_adjoint_f64(x, g, 3), AG_ERROR_STATE); /* invalid until zeroed */
    ck_assert_int_eq(ag_tape_rewind(t, m), AG_ERROR_VALUE);
    ck_assert_int_eq(ag_adjoint_f64(x, g, 3), AG_ERROR_STATE);
    ag_tape_rewind(t, m);
    ag_zero_grad(t);
    ck_assert_int_eq(ag_backward(ag_sum_all(ag_square(x))), AG_OK);
    ck_assert_int_eq(ag_adjoint_f64(x, g, 3), AG_OK);
    ck_assert_double_eq(g[2], 6);
    ag_tape_free(t);
}
END_TEST

static ag_value remembered;
static ag_status remembers(ag_reverse *r) {
    remembered = ag_mul_number(ag_dy(r, 0), 2);
    ck_assert(ag_ok(remembered));
    ag_give(r, 0, remembered);
    return AG_OK;
}

START_TEST(a_handle_kept_from_a_rule_is_stale_afterwards) {
    ag_tape *t = tape_new();
    rule = remembers;
    ag_value x = vector(t, 3, (const double[]){1, 2, 3}), y = ag_sum_all(ag_apply(t, &odd, &x, 1, NULL));
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(ag_backward(y), AG_OK);
        ag_value taken = ag_scalar(t, 1); /* its id, or one near it, lives again */
        ag_full(t, AG_F64, 0, NULL, 1);
        ag_full(t, AG_F64, 0, NULL, 1);
        ck_assert(ag_ok(taken));
        ck_assert(!ag_ok(remembered));
    }
    double g[3];
    ag_adjoint_f64(x, g, 3);
    ck_assert_double_eq(g[0], 6);
    ag_tape_free(t);
}
END_TEST

static ag_status makes_a_leaf(ag_reverse *r) {
    ag_value one = ag_array_leaf(ag_rule_tape(r), AG_F64, 1, (const int64_t[]){3}, (const double[]){1, 1, 1});
    ag_give(r, 0, ag_mul(ag_dy(r, 0), one));
    return AG_OK;
}
static ag_status retains(ag_reverse *r) {
    ag_value d = ag_mul_number(ag_dy(r, 0), 1);
    ag_retain(d);
    ag_give(r, 0, d);
    return AG_OK;
}
static ag_status annotates(ag_reverse *r) {
    ag_scope_begin(ag_rule_tape(r), "inside");
    ag_give(r, 0, ag_label(ag_mul_number(ag_dy(r, 0), 1), "adjoint"));
    return AG_OK; /* the scope is left open */
}

START_TEST(a_rule_leaves_nothing_behind_on_the_tape) {
    static ag_status (*const rules[])(ag_reverse *) = {makes_a_leaf, retains, annotates};
    for (int i = 0; i < 3; i++) {
        ag_tape *t = tape_new();
        rule = rules[i];
        ag_scope_begin(t, "outer");
        ag_value x = vector(t, 3, (const double[]){1, 2, 3}), y = ag_sum_all(ag_apply(t, &odd, &x, 1, NULL));
        uint32_t records = ag_tape_statistics(t).records;
        ck_assert_int_eq(ag_backward(y), AG_OK);
        ck_assert_uint_eq(ag_tape_statistics(t).records, records);
        for (int k = 0; k < 100; k++)
            ag_full(t, AG_F64, 1, (const int64_t[]){1000}, -1); /* writes over what it used */
        ag_zero_grad(t);
        ck_assert_int_eq(ag_backward(y), AG_OK);
        double g[3];
        ck_assert_int_eq(ag_adjoint_f64(x, g, 3), AG_OK);
        ck_assert_double_eq(g[1], 1);
        ag_scope_end(t);
        ck_assert_int_eq(ag_tape_status(t), AG_OK);
        ag_tape_fail(t, AG_ERROR_VALUE, "where");
        ck_assert_ptr_null(strstr(ag_tape_message(t), "scope"));
        ag_tape_free(t);
    }
}
END_TEST

static ag_status gives_twice(ag_reverse *r) {
    ag_value d = ag_dy(r, 0);
    ag_give(r, 0, d);
    ag_give(r, 0, d);
    ag_give(r, 1, d); /* not there: ignored */
    return AG_OK;
}
static ag_status gives_none(ag_reverse *r) {
    (void)r;
    return AG_OK;
}

START_TEST(a_rule_may_give_twice_or_not_at_all) {
    ag_tape *t = tape_new();
    double g[3];
    ag_value x = vector(t, 3, (const double[]){1, 2, 3}), dx;
    for (int times = 0; times <= 2; times += 2) {
        rule = times ? gives_twice : gives_none;
        ag_value y = ag_sum_all(ag_apply(t, &odd, (const ag_value[]){ag_neg(x)}, 1, NULL));
        ag_zero_grad(t);
        ck_assert_int_eq(ag_backward(y), AG_OK);
        ck_assert_int_eq(ag_adjoint_f64(x, g, 3), AG_OK);
        ck_assert_double_eq(g[0], -times);
        ck_assert_int_eq(ag_grad(&y, NULL, 1, &x, 1, &dx), AG_OK);
        ck_assert_int_eq(ag_read_f64(dx, g, 3), AG_OK);
        ck_assert_double_eq(g[2], -times);
    }
    ag_tape_free(t);
}
END_TEST

/* ---- derivatives that are missing or zero ---------------------------------------------------------------------------------- */

static const uint8_t missing[] = {AG_GRAD_RULE, AG_GRAD_MISSING}, all_missing[] = {AG_GRAD_MISSING};
static ag_status first_only(ag_reverse *r) {
    for (uint32_t i = 0; i < ag_in_count(r); i++)
        if (ag_wants(r, i)) ag_give(r, i, ag_dy(r, 0));
    return AG_OK;
}

START_TEST(a_missing_derivative_is_an_error_only_when_wanted) {
    static const ag_op half = {.name = "test_half",
                               .min_in = 2,
                               .max_in = 2,
                               .outputs = 1,
                               .grad = missing,
                               .n_grad = 2,
                               .infer = same_shape,
                               .forward = copy_forward,
                               .vjp = first_only};
    static const ag_op none = {.name = "test_none",
                               .min_in = 2,
                               .max_in = 2,
                               .outputs = 1,
                               .grad = all_missing,
                               .n_grad = 1,
                               .infer = same_shape,
                               .forward = copy_forward};
    ck_assert_int_eq(ag_op_check(&half, NULL), AG_OK);
    ck_assert_int_eq(ag_op_check(&none, NULL), AG_OK);
    ag_tape *t = tape_new();
    ag_mark m = ag_tape_mark(t);
    for (int k = 0; k < 2; k++) {
        const ag_op *op = k ? &none : &half;
        for (int recorded = 0; recorded < 2; recorded++) {
            ag_value in[2] = {vector(t, 2, (const double[]){1, 2}),
                              ag_full(t, AG_F64, 1, (const int64_t[]){2}, 1)},
                     dx;
            ag_value y = ag_sum_all(ag_apply(t, op, in, 2, NULL));
            if (!k) {
                ck_assert_int_eq(recorded ? ag_grad(&y, NULL, 1, in, 1, &dx) : ag_backward(y), AG_OK);
                in[1] = vector(t, 2, (const double[]){3, 4});
                y = ag_sum_all(ag_apply(t, op, in, 2, NULL));
            }
            ck_assert_int_eq(recorded ? ag_grad(&y, NULL, 1, k ? in : in + 1, 1, &dx) : ag_backward(y),
                             AG_ERROR_DERIVATIVE);
            require_failure(t, AG_ERROR_DERIVATIVE, WORDS(op->name));
            ck_assert_int_eq(ag_tape_rewind(t, m), AG_ERROR_DERIVATIVE);
        }
        ag_value y = ag_sum_all(ag_apply(
            t, op, (const ag_value[]){ag_detach(vector(t, 2, (const double[]){1, 2})), ag_scalar_constant(t, 1)},
            2, NULL));
        ck_assert_int_eq(ag_backward(y), AG_OK); /* only constants below: nothing is wanted */
        ck_assert_int_eq(ag_tape_rewind(t, m), AG_OK);
    }
    ag_tape_free(t);
}
END_TEST

START_TEST(a_zero_derivative_stops_the_sweep) {
    ag_tape *t = tape_new();
    ag_value x = vector(t, 2, (const double[]){1, 2}), y = ag_apply(t, &weighted, &x, 1, NULL), dx;
    ck_assert_int_eq(ag_backward(y), AG_OK);
    double g[2];
    ck_assert_int_eq(ag_adjoint_f64(x, g, 2), AG_OK);
    ck_assert_double_eq(g[1], 0);
    ck_assert_int_eq(ag_grad(&y, NULL, 1, &x, 1, &dx), AG_OK);
    ck_assert_int_eq(ag_read_f64(dx, g, 2), AG_OK);
    ck_assert_double_eq(g[1], 0);
    ag_tape_free(t);
}
END_TEST

Suite *rule_suite(void) {
    Suite *s = suite_create("rule");
    TCase *c = tcase_create("rule");
    suite_add_tcase(s, c);
    tcase_add_test(c, a_rule_that_breaks_its_contract_is_named);
    tcase_add_test(c, a_tape_works_on_after_a_rule_that_failed);
    tcase_add_test(c, a_handle_kept_from_a_rule_is_stale_afterwards);
    tcase_add_test(c, a_rule_leaves_nothing_behind_on_the_tape);
    tcase_add_test(c, a_rule_may_give_twice_or_not_at_all);
    tcase_add_test(c, a_missing_derivative_is_an_error_only_when_wanted);
    tcase_add_test(c, a_zero_derivative_stops_the_sweep);
    return s;
}
