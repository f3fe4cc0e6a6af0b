/* tangent: what a forward rule sees, one that breaks its contract, and derivatives that are missing. */
#include "op_support.h"

static ag_status (*forward_rule)(ag_forward *f);
static ag_status call_forward_rule(ag_forward *f) { return forward_rule(f); }
static const ag_op odd = {.name = "test_odd",
                          .min_in = 1,
                          .max_in = 2,
                          .outputs = 1,
                          .infer = same_shape,
                          .forward = copy_forward,
                          .vjp = nothing,
                          .jvp = call_forward_rule};

static ag_status passes_on(ag_forward *f) {
    ck_assert_ptr_eq(ag_forward_op(f), &odd);
    ck_assert_ptr_null(ag_forward_attrs(f));
    ck_assert_uint_eq(ag_forward_count(f), 2);
    ck_assert_int_eq(ag_primal_in_meta(f, 0)->rank, 1);
    ck_assert_int_eq(ag_primal_out_meta(f, 0)->rank, 1);
    ck_assert_ptr_null(ag_primal_in_meta(f, 2));
    ck_assert(ag_has_tangent(f, 0) && !ag_has_tangent(f, 1) && !ag_has_tangent(f, 2));
    ag_give_tangent(f, 0, ag_tangent(f, 0));
    ag_give_tangent(f, 0, ag_tangent(f, 1));                                /* zeros */
    ag_give_tangent(f, 0, ag_full(ag_forward_tape(f), AG_F32, 0, NULL, 1)); /* repeated and cast */
    ag_give_tangent(f, 1, ag_tangent(f, 0));                                /* there is no such output */
    return AG_OK;
}

START_TEST(a_forward_rule_sees_what_op_h_says) {
    ag_tape *t = tape_new();
    const ag_value in[2] = {vector(t, 3, (const double[]){1, 2, 3}), vector(t, 3, (const double[]){0, 0, 0})};
    ag_value y = ag_apply(t, &odd, in, 2, NULL), dy;
    const ag_value v = vector(t, 3, (const double[]){5, 6, 7});
    forward_rule = passes_on;
    ck_assert_msg(ag_jvp(&y, 1, in, &v, 1, &dy) == AG_OK, "%s", ag_tape_message(t));
    double got[3];
    ck_assert_int_eq(ag_read_f64(dy, got, 3), AG_OK);
    for (int k = 0; k < 3; k++) ck_assert_double_eq(got[k], 6 + k);
    ag_tape_free(t);
}
END_TEST

static ag_status reads_operand(ag_forward *f) {
    ag_give_tangent(f, 0, ag_primal_in(f, 0));
    return AG_OK;
}
static ag_status reads_output(ag_forward *f) {
    ag_give_tangent(f, 0, ag_primal_out(f, 0));
    return AG_OK;
}
static ag_status gives_wrong_shape(ag_forward *f) {
    ag_give_tangent(f, 0, ag_full(ag_forward_tape(f), AG_F64, 1, (const int64_t[]){7}, 1));
    return AG_OK;
}
static ag_status gives_too_much(ag_forward *f) {
    ag_give_tangent(f, 0, ag_full(ag_forward_tape(f), AG_F64, 2, (const int64_t[]){2, 3}, 1));
    return AG_OK;
}
static ag_status gives_failed(ag_forward *f) {
    ag_give_tangent(f, 0, (ag_value){0});
    return AG_OK;
}
static ag_status answers_error(ag_forward *f) {
    (void)f;
    return AG_ERROR_VALUE;
}
static ag_status sweeps(ag_forward *f) {
    ag_value y = ag_tangent(f, 0), dy;
    ag_jvp(&y, 1, &y, NULL, 1, &dy);
    return AG_OK;
}

START_TEST(a_forward_rule_that_breaks_its_contract_is_named) {
    static const struct {
        ag_status (*rule)(ag_forward *f);
        ag_status status;
        const char *says;
    } cases[] = {{reads_operand, AG_ERROR_KEEPS, "test_odd"},   {reads_output, AG_ERROR_KEEPS, "test_odd"},
                 {gives_wrong_shape, AG_ERROR_SHAPE, "(7)"},    {gives_too_much, AG_ERROR_SHAPE, "test_odd"},
                 {gives_failed, AG_STATUS_COUNT, "test_odd"},   {answers_error, AG_ERROR_VALUE, "test_odd"},
                 {sweeps, AG_ERROR_STATE, "a sweep is running"}};
    ag_tape *t = tape_new();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        forward_rule = cases[i].rule;
        const ag_mark start = ag_tape_mark(t);
        ag_value x = vector(t, 3, (const double[]){1, 2, 3}), y = ag_apply(t, &odd, &x, 1, NULL), dy;
        const ag_status status = ag_jvp(&y, 1, &x, NULL, 1, &dy);
        ck_assert_msg(status != AG_OK && !ag_ok(dy), "case %zu", i);
        if (cases[i].status != AG_STATUS_COUNT) ck_assert_int_eq(status, cases[i].status);
        ck_assert_msg(strstr(ag_tape_message(t), cases[i].says) != NULL, "case %zu: %s", i, ag_tape_message(t));
        ck_assert_int_eq(ag_tape_rewind(t, start), status);
    }
    ag_value x = ag_scalar(t, 2), y = ag_square(x), dy; /* the tape works on */
    ck_assert_int_eq(ag_jvp(&y, 1, &x, NULL, 1, &dy), AG_OK);
    ck_assert_double_eq(ag_item(dy), 4);
    ag_tape_free(t);
}
END_TEST

static const uint8_t missing[] = {AG_GRAD_MISSING};
static ag_status refuses(ag_reverse *r) {
    (void)r;
    return AG_ERROR_DERIVATIVE;
}
static ag_value without_rule(ag_tape *t, ag_value x) {
    static const ag_op op = {.name = "test_without_rule",
                             .min_in = 1,
                             .max_in = 1,
                             .outputs = 1,
                             .infer = same_shape,
                             .forward = copy_forward,
                             .vjp = refuses};
    return ag_apply(t, &op, &x, 1, NULL);
}
static ag_value missing_operand(ag_tape *t, ag_value x) {
    static const ag_op op = {.name = "test_missing",
                             .min_in = 1,
                             .max_in = 1,
                             .outputs = 1,
                             .grad = missing,
                             .n_grad = 1,
                             .infer = same_shape,
                             .forward = copy_forward};
    return ag_apply(t, &op, &x, 1, NULL);
}
/* A derivative of its own without a rule: there is a gradient, but nothing to transpose. */
static const ag_op first_only_grad = {.name = "test_first_grad",
                                      .min_in = 1,
                                      .max_in = 1,
                                      .outputs = 1,
                                      .grad = missing,
                                      .n_grad = 1,
                                      .infer = same_shape,
                                      .forward = copy_forward};
static ag_status first_only_vjp(ag_reverse *r) {
    const ag_value dy = ag_dy(r, 0);
    ag_give(r, 0, ag_apply(ag_rule_tape(r), &first_only_grad, &dy, 1, NULL));
    return AG_OK;
}
static ag_value first_only(ag_tape *t, ag_value x) {
    static const ag_op op = {.name = "test_first",
                             .min_in = 1,
                             .max_in = 1,
                             .outputs = 1,
                             .infer = same_shape,
                             .forward = copy_forward,
                             .vjp = first_only_vjp};
    return ag_apply(t, &op, &x, 1, NULL);
}

START_TEST(a_missing_rule_is_an_error_that_names_the_operation) {
    static const struct {
        ag_value (*record)(ag_tape *t, ag_value x);
        const char *name;
    } cases[] = {
        {without_rule, "test_without_rule"}, {missing_operand, "test_missing"}, {first_only, "test_first_grad"}};
    ag_tape *t = tape_new();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const ag_mark start = ag_tape_mark(t);
        ag_value x = vector(t, 2, (const double[]){1, 2}), y = cases[i].record(t, x), other = ag_exp(x), dy;
        ck_assert_int_eq(ag_jvp(&other, 1, &x, NULL, 1, &dy), AG_OK); /* not on the way to this root */
        ck_assert_int_eq(ag_jvp(&y, 1, &x, NULL, 1, &dy), AG_ERROR_DERIVATIVE);
        ck_assert_msg(strstr(ag_tape_message(t), cases[i].name) != NULL, "%s", ag_tape_message(t));
        ck_assert(!ag_ok(dy));
        ck_assert_int_eq(ag_tape_rewind(t, start), AG_ERROR_DERIVATIVE);
    }
    ag_tape_free(t);
}
END_TEST

Suite *tangent_suite(void) {
    Suite *s = suite_create("tangent");
    TCase *c = tcase_create("tangent");
    tcase_add_test(c, a_forward_rule_sees_what_op_h_says);
    tcase_add_test(c, a_forward_rule_that_breaks_its_contract_is_named);
    tcase_add_test(c, a_missing_rule_is_an_error_that_names_the_operation);
    suite_add_tcase(s, c);
    return s;
}
