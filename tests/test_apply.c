/* apply: recording operations of the user's own - attributes, several outputs, operands as a forward sees them, shape
 * rules and forwards that fail. Rules that misbehave are in test_rule.c, calls by name in test_op.c. */
#include "op_support.h"

static ag_value cubed(ag_tape *t, const ag_value *in, void *user) { return ag_apply(t, &cube, in, 1, user); }

START_TEST(a_users_operation_has_gradients_of_any_order) {
    double x[6] = {1, -2, 0.5, 1.5, -0.25, 0};
    const check_input in = {.dtype = AG_F64, .rank = 2, .dim = {2, 3}, .values = x, .leaf = true};
    check_input turned = in, scalar = {.dtype = AG_F64, .values = x, .leaf = true, .scalar = true};
    turned.transposed = true;
    check_gradients("cube", cubed, &(cube_attrs){.c = 0.7}, &in, 1, 2);
    check_gradients("cube, transposed", cubed, &(cube_attrs){.c = 0.7}, &turned, 1, 2);
    check_gradients("cube of a scalar", cubed, NULL, &scalar, 1, 2);
}
END_TEST

START_TEST(attributes_are_copied_or_default) {
    ag_tape *t = tape_new();
    ag_value x = ag_scalar(t, 2);
    cube_attrs a = {.c = 10};
    ag_value y = ag_apply(t, &cube, &x, 1, &a);
    a.c = 0; /* the record has its own */
    ck_assert_double_eq(ag_item(y), 80);
    ck_assert_int_eq(ag_backward(y), AG_OK);
    ck_assert_double_eq(ag_item_grad(x), 120);
    ck_assert_double_eq(ag_item(ag_apply(t, &cube, &x, 1, NULL)), 16);
    ag_tape_free(t);
}
END_TEST

START_TEST(the_number_of_operands_is_checked) {
    ag_tape *t = tape_new();
    ag_value x[2] = {ag_scalar(t, 2), ag_scalar(t, 3)};
    ag_mark m = ag_tape_mark(t);
    for (uint32_t n = 0; n <= 2; n += 2) {
        ck_assert(!ag_ok(ag_apply(t, &cube, x, n, NULL)));
        require_failure(t, AG_ERROR_VALUE, WORDS("test_cube"));
        ag_tape_rewind(t, m);
    }
    ck_assert(ag_ok(ag_apply(NULL, &cube, x, 1, NULL))); /* the operand names the tape */
    ag_tape_free(t);
}
END_TEST

/* ---- two outputs ------------------------------------------------------------------------------------------ */

/* which: bit k uses output k */
static ag_value polar_use(ag_tape *t, const ag_value *in, void *which) {
    int use = *(const int *)which;
    ag_value x = ag_apply(t, &polar, in, 2, NULL), y = ag_output(x, 1);
    if (use == 1) return x;
    if (use == 2) return y;
    if (use == 3) return ag_add(ag_square(x), ag_mul_number(y, 3));
    return ag_mul(y, ag_exp(x)); /* 4 */
}

START_TEST(any_choice_of_outputs_may_be_used) {
    double r[3] = {1, 2, 0.5}, a[3] = {0.3, -1, 2};
    for (int use = 1; use <= 4; use++) {
        check_input in[2] = {{.dtype = AG_F64, .rank = 1, .dim = {3}, .values = r, .leaf = true},
                             {.dtype = AG_F64, .rank = 1, .dim = {3}, .values = a, .leaf = true}};
        check_gradients("polar", polar_use, &use, in, 2, 2);
        in[0].scalar = true; /* broadcast by the operation itself */
        in[0].rank = 0;
        check_gradients("polar, scalar radius", polar_use, &use, in, 2, 2);
        in[0].leaf = false;
        check_gradients("polar, constant radius", polar_use, &use, in, 2, 2);
    }
}
END_TEST

START_TEST(an_output_may_be_the_root_itself) {
    ag_tape *t = tape_new();
    for (uint32_t k = 0; k < 2; k++) {
        for (int recorded = 0; recorded < 2; recorded++) {
            ag_value in[2] = {ag_scalar(t, 2), ag_scalar(t, 0.5)}, d[2];
            ag_value y = ag_output(ag_apply(t, &polar, in, 2, NULL), k);
            if (recorded)
                ck_assert_int_eq(ag_grad(&y, NULL, 1, in, 2, d), AG_OK);
            else
                ck_assert_int_eq(ag_backward(y), AG_OK);
            double dr = recorded ? ag_item(d[0]) : ag_item_grad(in[0]),
                   da = recorded ? ag_item(d[1]) : ag_item_grad(in[1]);
            ck_assert_double_eq_tol(dr, k ? sin(0.5) : cos(0.5), 1e-15);
            ck_assert_double_eq_tol(da, k ? 2 * cos(0.5) : -2 * sin(0.5), 1e-15);
        }
    }
    ag_tape_free(t);
}
END_TEST

START_TEST(a_rule_of_two_outputs_runs_once) {
    ag_tape *t = tape_new();
    ag_value in[2] = {ag_scalar(t, 2), ag_scalar(t, 0.5)}, d[2];
    ag_value x = ag_apply(t, &polar, in, 2, NULL), y = ag_add(x, ag_output(x, 1));
    polar_calls = 0;
    ck_assert_int_eq(ag_backward(y), AG_OK);
    ck_assert_int_eq(polar_calls, 1);
    ck_assert_int_eq(ag_grad(&y, NULL, 1, in, 2, d), AG_OK);
    ck_assert_int_eq(polar_calls, 2);
    ag_tape_free(t);
}
END_TEST

START_TEST(outputs_have_consecutive_ids_and_no_more) {
    ag_tape *t = tape_new();
    ag_value in[2] = {ag_scalar(t, 2), ag_scalar(t, 0.5)};
    ag_value x = ag_apply(t, &polar, in, 2, NULL);
    ck_assert_uint_eq(ag_output(x, 1).id, x.id + 1);
    ck_assert(ag_ok(ag_output(x, 1)));
    ag_neg(x);
    ck_assert(!ag_ok(ag_output(x, 2)));
    ck_assert(!ag_ok(ag_output(in[0], 1)));
    ck_assert(!ag_ok(ag_output((ag_value){0}, 1)));
    ag_tape_free(t);
}
END_TEST

START_TEST(several_outputs_at_the_end_of_a_chunk) {
    ag_tape *t = tape_new();
    ag_value a = ag_scalar(t, 2), y = a;
    while (y.id + 1 < AG_STRIP_CHUNK) y = ag_add_number(y, 0);
    while (ag_tape_statistics(t).records < AG_STRIP_CHUNK - 2) y = ag_add_number(y, 0);
    ag_value in[2] = {y, ag_scalar_constant(t, 0.5)};
    ag_value x = ag_apply(t, &polar, in, 2, NULL);
    ck_assert_int_eq(ag_backward(ag_add(x, ag_output(x, 1))), AG_OK);
    ck_assert_double_eq_tol(ag_item_grad(a), sin(0.5) + cos(0.5), 1e-15);
    ag_tape_free(t);
}
END_TEST

/* ---- how forwards see operands --------------------------------------------------------------------------------------- */

START_TEST(operands_come_dense_unless_the_row_takes_strides) {
    ag_tape *t = tape_new();
    ag_value x = ag_array_constant(t, AG_F64, 2, (const int64_t[]){2, 3}, (const double[]){1, 2, 3, 4, 5, 6});
    ag_value turned = ag_transpose(x, 0, 1), column = ag_select(x, 1, 2),
             row = ag_expand(ag_scalar(t, 7), 1, (const int64_t[]){3});
    ag_value in[4] = {turned, column, row, ag_scalar(t, 8)};
    /* 1 4 2 5 3 6, 3 6, 7 7 7, 8 */
    ck_assert_double_eq(ag_item(ag_apply(t, &weighted, in, 4, NULL)),
                        4 + 4 + 15 + 12 + 30 + 18 + 42 + 7 * (8 + 9 + 10) + 88);
    ck_assert_int_eq(ag_tape_status(t), AG_OK);
    ag_tape_free(t);
}
END_TEST

START_TEST(any_number_of_operands_from_none_to_thousands) {
    enum { N = 5000 };
    ag_tape *t = tape_new();
    ag_value *x = malloc(N * sizeof *x);
    for (int i = 0; i < N; i++) x[i] = ag_scalar(t, 1);
    for (uint32_t n = 1; n < N; n = 2 * n + 1)
        ck_assert_double_eq(ag_item(ag_apply(t, &weighted, x, n, NULL)), n * (n - 1.0) / 2);
    ck_assert_double_eq(ag_item(ag_apply(t, &weighted, NULL, 0, NULL)), 0);
    ck_assert(!ag_ok(ag_apply(NULL, &weighted, NULL, 0, NULL)));
    free(x);
    ag_tape_free(t);
}
END_TEST

/* ---- shape rules and forwards that fail ------------------------------------------------------------------------------- */

START_TEST(failures_of_shape_rules_and_forwards_are_named) {
    ag_op op = {.name = "test_failing", .min_in = 1, .max_in = 1, .outputs = 3, .vjp = nothing};
    ag_tape *t = tape_new();
    ag_value x = ag_label(ag_full(t, AG_F32, 1, &(int64_t){4}, 0), "input");
    ag_mark m = ag_tape_mark(t);
    for (int stage = 0; stage < 2; stage++) {
        op.infer = stage ? same_shape : failing_infer;
        op.forward = stage ? failing_forward : quiet_forward;
        for (int text = 0; text < 2; text++) {
            with_message = text;
            behaviour = stage ? AG_ERROR_INDEX : AG_ERROR_SHAPE;
            uint32_t before = ag_tape_statistics(t).records;
            size_t used = ag_tape_statistics(t).used_bytes;
            ck_assert(!ag_ok(ag_apply(t, &op, &x, 1, NULL)));
            require_failure(
                t, behaviour,
                WORDS("test_failing", "#1 'input' f32 (4)", text ? "bad luck%n" : ag_status_text(behaviour)));
            ck_assert_uint_eq(ag_tape_statistics(t).records, before);
            ck_assert_uint_eq(ag_tape_statistics(t).used_bytes, used);
            ck_assert_int_eq(ag_tape_rewind(t, m), behaviour);
        }
    }
    ag_tape_free(t);
}
END_TEST

static ag_meta strange; /* what a wrong shape rule answers */
static ag_status strange_infer(const ag_query *q, ag_meta *out) {
    (void)q;
    *out = strange;
    return AG_OK;
}

START_TEST(impossible_answers_of_a_shape_rule_are_refused) {
    static const ag_op op = {.name = "test_strange",
                             .min_in = 1,
                             .max_in = 1,
                             .outputs = 1,
                             .infer = strange_infer,
                             .forward = quiet_forward,
                             .vjp = nothing};
    ag_tape *t = tape_new();
    ag_value x = ag_scalar(t, 1);
    const ag_meta answers[] = {{.dtype = AG_F32, .rank = 1, .dim = {-4}},
                               {.dtype = AG_F32, .rank = 2, .dim = {INT64_MAX, 2}},
                               {.dtype = AG_F32, .rank = -1},
                               {.dtype = AG_F32, .rank = AG_MAX_RANK + 1},
                               {.dtype = AG_DTYPE_COUNT, .rank = 0}};
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        ag_mark m = ag_tape_mark(t);
        strange = answers[i];
        ck_assert_msg(!ag_ok(ag_apply(t, &op, &x, 1, NULL)), "answer %zu", i);
        ck_assert_int_ne(ag_tape_rewind(t, m), AG_OK);
    }
    ag_tape_free(t);
}
END_TEST

static ag_status view_infer(const ag_query *q, ag_meta *out) {
    *out = *q->in[0];
    memcpy(out, q->attrs, sizeof *out); /* the view that the test wants */
    return AG_OK;
}
static ag_status view_vjp(ag_reverse *r) {
    (void)r;
    return AG_OK;
}

START_TEST(a_view_that_leaves_its_operand_is_refused) {
    static const ag_op view = {.name = "window",
                               .formula = "x",
                               .min_in = 1,
                               .max_in = 1,
                               .outputs = 1,
                               .traits = AG_TRAIT_VIEW,
                               .attr_size = sizeof(ag_meta),
                               .infer = view_infer,
                               .vjp = view_vjp};
    static const struct {
        ag_meta meta;
        bool fits;
    } cases[] = {
        {{.dtype = AG_F64, .rank = 1, .dim = {4}, .stride = {1}}, true},
        {{.dtype = AG_F64, .rank = 1, .offset = 3, .dim = {4}, .stride = {-1}}, true},
        {{.dtype = AG_F64, .rank = 1, .offset = 99, .dim = {0}, .stride = {1}}, true},
        {{.dtype = AG_F64, .rank = 1, .dim = {5}, .stride = {1}}, false},
        {{.dtype = AG_F64, .rank = 1, .offset = 1, .dim = {4}, .stride = {1}}, false},
        {{.dtype = AG_F64, .rank = 1, .dim = {2}, .stride = {-1}}, false},
        {{.dtype = AG_F64, .rank = 1, .dim = {3}, .stride = {INT64_MAX}}, false},
        {{.dtype = AG_F32, .rank = 1, .dim = {4}, .stride = {1}}, false},
    };
    ag_tape *t = tape_new();
    ag_mark m = ag_tape_mark(t);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ag_value x = ag_full(t, AG_F64, 1, (const int64_t[]){4}, 1);
        ag_value y = ag_apply(t, &view, &x, 1, &cases[i].meta);
        ck_assert_msg(ag_ok(y) == cases[i].fits, "case %zu", i);
        ck_assert_int_eq(ag_tape_rewind(t, m), cases[i].fits ? AG_OK : AG_ERROR_SHAPE);
    }
    ag_tape_free(t);
}
END_TEST

START_TEST(a_descriptor_that_could_not_run_is_refused) {
    ag_op broken[4];
    for (int i = 0; i < 4; i++) broken[i] = *ag_op_find("exp");
    broken[0].forward = NULL;
    broken[1].outputs = 5;
    broken[2].infer = NULL;
    broken[3].traits |= AG_TRAIT_VIEW;
    ag_tape *t = tape_new();
    ag_mark m = ag_tape_mark(t);
    for (int i = 0; i < 5; i++) {
        ag_value x = ag_scalar(t, 1);
        ck_assert(!ag_ok(ag_apply(t, i < 4 ? &broken[i] : NULL, &x, 1, NULL)));
        ck_assert_int_eq(ag_tape_rewind(t, m), AG_ERROR_VALUE);
    }
    ag_tape_free(t);
}
END_TEST

Suite *apply_suite(void) {
    Suite *s = suite_create("apply");
    TCase *c = tcase_create("apply");
    suite_add_tcase(s, c);
    tcase_add_test(c, a_users_operation_has_gradients_of_any_order);
    tcase_add_test(c, attributes_are_copied_or_default);
    tcase_add_test(c, the_number_of_operands_is_checked);
    tcase_add_test(c, any_choice_of_outputs_may_be_used);
    tcase_add_test(c, an_output_may_be_the_root_itself);
    tcase_add_test(c, a_rule_of_two_outputs_runs_once);
    tcase_add_test(c, outputs_have_consecutive_ids_and_no_more);
    tcase_add_test(c, several_outputs_at_the_end_of_a_chunk);
    tcase_add_test(c, operands_come_dense_unless_the_row_takes_strides);
    tcase_add_test(c, any_number_of_operands_from_none_to_thousands);
    tcase_add_test(c, failures_of_shape_rules_and_forwards_are_named);
    tcase_add_test(c, impossible_answers_of_a_shape_rule_are_refused);
    tcase_add_test(c, a_view_that_leaves_its_operand_is_refused);
    tcase_add_test(c, a_descriptor_that_could_not_run_is_refused);
    return s;
}
