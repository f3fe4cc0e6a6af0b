/* op: descriptors, the registry, operations by name and without a tape. */
#include "op_support.h"

START_TEST(inconsistent_descriptors_are_refused) {
    static const ag_field outside[] = {{"c", AG_FIELD_REAL, 4, 0}};
    for (int i = 0; i < 12; i++) {
        ag_op op = cube;
        ag_error error = {0};
        switch (i) {
        case 0: op.name = NULL; break;
        case 1: op.name = ""; break;
        case 2: op.outputs = 0; break;
        case 3: op.outputs = 5; break;
        case 4: op.min_in = 2; break;
        case 5: op.infer = NULL; break;
        case 6: op.forward = NULL; break;
        case 7: op.vjp = NULL; break;
        case 8: op.traits = AG_TRAIT_VIEW; break;
        case 9: op.fields = NULL; break;
        case 10:
            op.attr_size = 8;
            op.fields = outside;
            op.n_fields = 1;
            break;
        case 11:
            op.traits = AG_TRAIT_VIEW;
            op.forward = NULL;
            op.outputs = 2;
            break;
        }
        ck_assert_msg(ag_op_check(&op, &error) == AG_ERROR_VALUE, "case %d", i);
        ck_assert_uint_gt(strlen(error.message), 0);
        ck_assert_msg(ag_op_register(&op, NULL) == AG_ERROR_VALUE, "case %d", i);
    }
    ck_assert_int_eq(ag_op_check(NULL, NULL), AG_ERROR_VALUE);
    ck_assert_int_eq(ag_op_check(&cube, NULL), AG_OK);
    ck_assert_int_eq(ag_op_check(&polar, NULL), AG_OK);
    ck_assert_int_eq(ag_op_check(&weighted, NULL), AG_OK);
}
END_TEST

START_TEST(a_registered_operation_is_found_by_name) {
    static const ag_op twin = {.name = "test_cube",
                               .min_in = 1,
                               .max_in = 1,
                               .outputs = 1,
                               .infer = same_shape,
                               .forward = copy_forward,
                               .vjp = nothing};
    ag_error error = {0};
    ck_assert_ptr_null(ag_op_find("test_cube"));
    ck_assert_ptr_null(ag_op_find(NULL));
    ck_assert_int_eq(ag_op_register(&cube, &error), AG_OK);
    ck_assert_int_eq(ag_op_register(&cube, &error), AG_OK);
    ck_assert_int_eq(ag_op_register(&twin, &error), AG_ERROR_NAME);
    ck_assert_ptr_nonnull(strstr(error.message, "test_cube"));
    ck_assert_ptr_eq(ag_op_find("test_cube"), &cube);
    uint32_t n = 0, seen = 0;
    for (const ag_op *op; (op = ag_op_at(n)) != NULL; n++) {
        seen += op == &cube;
        ck_assert_ptr_eq(ag_op_find(op->name), op);
        ck_assert_int_eq(ag_op_check(op, NULL), AG_OK);
    }
    ck_assert_uint_eq(seen, 1);
    ck_assert_ptr_eq(ag_op_at(n - 1), &cube);
    ck_assert_ptr_null(ag_op_at(UINT32_MAX));
}
END_TEST

/* ---- by name ------------------------------------------------------------------------------------------------------------------- */

START_TEST(an_operation_is_called_by_name_with_attributes_by_name) {
    ck_assert_int_eq(ag_op_register(&cube, NULL), AG_OK);
    ck_assert_int_eq(ag_op_register(&polar, NULL), AG_OK);
    ag_tape *t = tape_new();
    ag_value x = ag_scalar(t, 2), y[4];
    const ag_attr ten = {.name = "c", .kind = AG_FIELD_REAL, .as.real = 10};
    ck_assert_int_eq(ag_call(t, "test_cube", &x, 1, NULL, y), AG_OK);
    ck_assert_double_eq(ag_item(y[0]), 16);
    ck_assert_int_eq(ag_call(NULL, "test_cube", &x, 1, &(ag_attrs){1, &ten}, y), AG_OK);
    ck_assert_double_eq(ag_item(y[0]), 80);
    ck_assert_int_eq(ag_backward(y[0]), AG_OK);
    ck_assert_double_eq(ag_item_grad(x), 120);
    ck_assert_int_eq(ag_call(t, "test_polar", (const ag_value[]){x, x}, 2, &(ag_attrs){0, NULL}, y), AG_OK);
    ck_assert_double_eq(ag_item(y[1]), 2 * sin(2));
    const ag_attr axes = {.name = "axes", .kind = AG_FIELD_INTS, .as.ints = {1, {-1}}};
    ag_value v = ag_full(t, AG_F64, 2, (const int64_t[]){2, 3}, 2);
    ck_assert_int_eq(ag_call(t, "sum", &v, 1, &(ag_attrs){1, &axes}, y), AG_OK);
    ck_assert_int_eq(ag_meta_of(y[0])->rank, 1);
    ag_tape_free(t);
}
END_TEST

START_TEST(calls_by_name_fail_by_name) {
    ck_assert_int_eq(ag_op_register(&cube, NULL), AG_OK);
    ag_tape *t = tape_new();
    ag_value x = ag_scalar(t, 2);
    const ag_attr unknown = {.name = "depth%n", .kind = AG_FIELD_REAL},
                  whole = {.name = "c", .kind = AG_FIELD_INT};
    ag_mark m = ag_tape_mark(t);
    for (int i = 0; i < 6; i++) {
        ag_value y = x;
        ag_status status = AG_ERROR_NAME, got;
        switch (i) {
        case 0: got = ag_call(t, "no_such%n", &x, 1, NULL, &y); break;
        case 1: got = ag_call(t, NULL, &x, 1, NULL, &y); break;
        case 2: got = ag_call(t, "test_cube", &x, 1, &(ag_attrs){1, &unknown}, &y); break;
        case 3: got = ag_call(t, "add", (const ag_value[]){x, x}, 2, &(ag_attrs){1, &unknown}, &y); break;
        case 4:
            got = ag_call(t, "test_cube", &x, 1, &(ag_attrs){1, &whole}, &y);
            status = AG_ERROR_VALUE;
            break;
        default:
            got = ag_call(t, "test_cube", &x, 0, NULL, &y);
            status = AG_ERROR_VALUE;
            break;
        }
        ck_assert_msg(got == status, "case %d: %s, %s", i, ag_status_name(got), ag_tape_message(t));
        ck_assert_int_eq(ag_tape_status(t), status);
        if (i > 1)
            ck_assert_msg(strstr(ag_tape_message(t), i == 3 ? "add" : "test_cube") != NULL, "%s",
                          ag_tape_message(t));
        ck_assert_msg(!ag_ok(y), "case %d leaves its output as it was", i);
        ck_assert_int_eq(ag_tape_rewind(t, m), status);
    }
    ag_tape_free(t);
}
END_TEST

START_TEST(a_random_operation_by_name_draws_from_the_tape) {
    ag_tape *t = tape_new();
    ag_value x = ag_full(t, AG_F64, 1, (const int64_t[]){64}, 1), y;
    double a[64], b[64], c[64];
    ag_random before = ag_tape_random_get(t);
    ck_assert_int_eq(ag_call(t, "dropout", &x, 1, NULL, &y), AG_OK);
    ck_assert_int_eq(ag_read_f64(y, a, 64), AG_OK);
    ck_assert_int_eq(ag_call(t, "dropout", &x, 1, NULL, &y), AG_OK);
    ck_assert_int_eq(ag_read_f64(y, b, 64), AG_OK);
    ck_assert_msg(memcmp(a, b, sizeof a) != 0, "two draws are the same");
    ag_tape_random_set(t, before);
    ck_assert_int_eq(ag_read_f64(ag_dropout(x, 0.5), c, 64), AG_OK);
    ck_assert_mem_eq(a, c, sizeof a);
    ag_tape_free(t);
}
END_TEST

/* ---- without a tape --------------------------------------------------------------------------------------------------------------- */

START_TEST(a_forward_runs_without_a_tape) {
    const double values[3] = {1, 2, 3};
    const int64_t three = 3;
    ag_tensor *x = ag_tensor_from(AG_F64, 1, &three, values, NULL), *y = ag_tensor_new(AG_F64, 1, &three, NULL);
    ag_error error = {0};
    const ag_tensor *in[2] = {x, x};
    uint64_t version = ag_tensor_version(y);
    ck_assert_int_eq(ag_op_run(&cube, in, 1, NULL, &y, 1, &error), AG_OK);
    ck_assert_double_eq(ag_tensor_get(y, 2), 54);
    ck_assert_uint_gt(ag_tensor_version(y), version);
    ck_assert_int_eq(ag_op_run(&cube, in, 1, &(cube_attrs){.c = 1}, &y, 0, &error), AG_OK);
    ck_assert_double_eq(ag_tensor_get(y, 2), 27);
    ck_assert_int_eq(ag_op_run(ag_op_find("add"), in, 2, NULL, &x, 1, &error), AG_OK); /* onto an operand */
    ck_assert_double_eq(ag_tensor_get(x, 2), 6);
    ag_tensor_free(x);
    ag_tensor_free(y);
}
END_TEST

START_TEST(a_forward_without_a_tape_checks_what_it_gets) {
    const int64_t three = 3, four = 4;
    ag_tensor *x = ag_tensor_new(AG_F64, 1, &three, NULL), *longer = ag_tensor_new(AG_F64, 1, &four, NULL),
              *single = ag_tensor_new(AG_F32, 1, &three, NULL);
    const ag_tensor *in[2] = {x, longer};
    ag_error error = {0};
    ck_assert_int_eq(ag_op_run(&cube, in, 1, NULL, &longer, 1, &error), AG_ERROR_SHAPE);
    ck_assert_ptr_nonnull(strstr(error.message, "test_cube"));
    ck_assert_ptr_nonnull(strstr(error.message, "f64 (4)"));
    ck_assert_int_eq(ag_op_run(&cube, in, 1, NULL, &single, 1, &error), AG_ERROR_DTYPE);
    ck_assert_int_eq(ag_op_run(&cube, in, 2, NULL, &x, 1, &error), AG_ERROR_VALUE);
    ck_assert_int_eq(ag_op_run(&cube, in, 0, NULL, &x, 1, &error), AG_ERROR_VALUE);
    ck_assert_int_eq(ag_op_run(ag_op_find("add"), in, 2, NULL, &x, 1, &error), AG_ERROR_SHAPE);
    ck_assert_ptr_nonnull(strstr(error.message, "add"));
    ck_assert_int_eq(ag_op_run(ag_op_find("transpose"), in, 1, NULL, &x, 1, &error), AG_ERROR_VALUE);
    ag_op op = cube;
    op.forward = failing_forward;
    behaviour = AG_ERROR_NONFINITE;
    for (int text = 0; text < 2; text++) {
        with_message = text;
        ck_assert_int_eq(ag_op_run(&op, in, 1, NULL, &x, 1, &error), AG_ERROR_NONFINITE);
        ck_assert_ptr_nonnull(strstr(error.message, text ? "bad luck%n" : ag_status_text(behaviour)));
        ck_assert_int_eq(ag_op_run(&op, in, 1, NULL, &x, 1, NULL), AG_ERROR_NONFINITE);
    }
    ag_tensor_free(x);
    ag_tensor_free(longer);
    ag_tensor_free(single);
}
END_TEST

Suite *op_suite(void) {
    Suite *s = suite_create("op");
    TCase *c = tcase_create("op");
    suite_add_tcase(s, c);
    tcase_add_test(c, inconsistent_descriptors_are_refused);
    tcase_add_test(c, a_registered_operation_is_found_by_name);
    tcase_add_test(c, an_operation_is_called_by_name_with_attributes_by_name);
    tcase_add_test(c, calls_by_name_fail_by_name);
    tcase_add_test(c, a_random_operation_by_name_draws_from_the_tape);
    tcase_add_test(c, a_forward_runs_without_a_tape);
    tcase_add_test(c, a_forward_without_a_tape_checks_what_it_gets);
    return s;
}
