/* train_summary: every record is counted once, where it belongs. */
#include "nn_support.h"

static nn_module *net;
static nn_params *params;
static ag_tensor *x; /* (5, 4) */

static void make(void) {
    ag_error error = {0};
    nn_module *inner[] = {nn_linear(8, 8, &error), nn_activation_layer(NN_TANH, &error)};
    nn_module *layers[] = {nn_linear(4, 8, &error), nn_batch_norm1d(8, NULL, &error), nn_dropout(0.5, &error),
                           nn_sequential(inner, 2, &error), nn_linear(8, 3, &error)};
    net = nn_sequential(layers, 5, &error);
    params = nn_params_new(net, AG_F32, 1, &error);
    ck_assert_msg(params != NULL, "%s", error.message);
    x = ag_tensor_new(AG_F32, 2, (const int64_t[]){5, 4}, &error);
    ck_assert_ptr_nonnull(x);
}

static void drop(void) {
    ag_tensor_free(x);
    nn_params_free(params);
    nn_module_free(net);
}

START_TEST(rows_are_the_modules_and_hold_what_is_their_own) {
    nn_summary s;
    ag_error error = {0};
    ck_assert_msg(nn_summary_init(&s, net, x, &error) == AG_OK, "%s", error.message);
    static const char *const type[] = {"sequential", "linear", "batch_norm", "dropout", "sequential", "linear"};
    static const int depth[] = {0, 1, 1, 1, 1, 2};
    static const int64_t parameters[] = {0, 40, 16, 0, 0, 72, 0, 27};
    static const int64_t columns[] = {3, 8, 8, 0, 8, 8, 8, 3};
    ck_assert_uint_eq(s.count, 8);
    for (size_t i = 0; i < s.count; i++) {
        const nn_summary_row *row = &s.row[i];
        if (i < 6) {
            ck_assert_int_eq(strncmp(row->module->type, type[i], strlen(type[i])), 0);
            ck_assert_int_eq(row->depth, depth[i]);
        }
        ck_assert_int_eq(row->parameters, parameters[i]);
        ck_assert_int_eq(row->shaped, columns[i] != 0); /* dropout hands on */
        if (!row->shaped) continue;
        ck_assert_int_eq(row->output.rank, 2);
        ck_assert_int_eq(row->output.dim[0], 5);
        ck_assert_int_eq(row->output.dim[1], columns[i]);
    }
    ck_assert_int_eq(s.row[1].bytes, 40 * 4);
    ck_assert_int_gt(s.row[2].bytes, 16 * 4 + 16 * 4); /* and the running moments, and their count */
    ck_assert_int_eq(s.row[0].records, 0);
    ck_assert_int_eq(s.row[6].computed, 5 * 8 * 4);
    ck_assert_double_ge(s.row[1].operations, 2 * 5 * 4 * 8); /* a product and a sum for each weight and sample */
    ck_assert_int_eq(s.row[1].uncounted, 0);
    nn_summary_clear(&s);
    nn_summary_clear(&s);
}
END_TEST

START_TEST(sums_are_those_of_the_whole_pass) {
    nn_summary s;
    ck_assert_int_eq(nn_summary_init(&s, net, x, NULL), AG_OK);
    const nn_summary_row sum = nn_summary_total(&s);
    ck_assert_int_eq(sum.parameters, nn_params_elements(params));
    ag_tape *t = ag_tape_new(NULL);
    nn_pass pass = {t, false};
    ck_assert(ag_ok(nn_forward(net, &pass, ag_constant(t, x))));
    ag_inspection *seen = ag_inspect_range(t, 1, UINT32_MAX, &(ag_inspect_options){.values_only = true}, NULL);
    int64_t records = 0;
    for (uint32_t i = 0; i < ag_inspection_count(seen); i++) records += ag_inspection_node(seen, i)->n_in > 0;
    ck_assert_int_eq(sum.records, records);
    ck_assert_int_ge(records, 5);
    ag_inspection_free(seen);
    ag_tape_free(t);
    nn_summary_clear(&s);
}
END_TEST

/* Runs its child twice. */
static ag_value twice(nn_module *m, nn_pass *pass, ag_value y) {
    return nn_forward(m->children, pass, nn_forward(m->children, pass, y));
}

START_TEST(a_layer_used_twice_counts_twice) {
    nn_module *one = nn_module_new(sizeof *one, "twice", twice, NULL);
    ck_assert_int_eq(nn_module_child(one, "tanh", nn_activation_layer(NN_TANH, NULL), NULL), AG_OK);
    nn_params *none = nn_params_new(one, AG_F32, 1, NULL);
    nn_summary s;
    ck_assert_int_eq(nn_summary_init(&s, one, x, NULL), AG_OK);
    ck_assert_int_eq(s.row[1].records, 2);
    ck_assert_int_eq(s.row[1].computed, 2 * 20 * 4);
    ck_assert_double_eq(s.row[1].operations, 2 * 20);
    ck_assert_int_eq(s.row[0].records, 0);
    nn_summary_clear(&s);
    nn_params_free(none);
    nn_module_free(one);
}
END_TEST

START_TEST(the_text_has_a_line_for_each_layer_and_can_be_measured) {
    nn_summary s;
    ck_assert_int_eq(nn_summary_init(&s, net, x, NULL), AG_OK);
    char text[4096], small[20];
    const size_t length = nn_summary_text(&s, text, sizeof text);
    ck_assert_uint_eq(length, strlen(text));
    ck_assert_uint_eq(nn_summary_text(&s, NULL, 0), length);
    ck_assert_uint_eq(nn_summary_text(&s, small, sizeof small), length);
    ck_assert_uint_eq(strlen(small), sizeof small - 1);
    int lines = 0;
    for (const char *at = text; (at = strchr(at, '\n')); at++) lines++;
    ck_assert_int_eq(lines, 1 + 7 + 1);
    ck_assert_ptr_nonnull(strstr(text, "\n0 linear "));
    ck_assert_ptr_nonnull(strstr(text, "\n  0 linear "));
    ck_assert_ptr_nonnull(strstr(text, "(5, 8)"));
    ck_assert_ptr_nonnull(strstr(text, "\nall "));
    nn_summary_clear(&s);
}
END_TEST

START_TEST(misuse_and_what_does_not_fit_leave_it_empty) {
    nn_summary s;
    ag_error error = {0};
    ck_assert_int_eq(nn_summary_init(&s, NULL, x, &error), AG_ERROR_VALUE);
    ck_assert_int_eq(nn_summary_init(&s, net, NULL, &error), AG_ERROR_VALUE);
    ag_tensor *wrong = ag_tensor_new(AG_F32, 2, (const int64_t[]){5, 3}, NULL);
    ck_assert_int_eq(nn_summary_init(&s, net, wrong, &error), AG_ERROR_SHAPE);
    ck_assert(s.count == 0 && s.row == NULL);
    ag_tensor_free(wrong);
}
END_TEST

static bool summarise(void) {
    nn_summary s;
    ag_error error = {0};
    const ag_status status = nn_summary_init(&s, net, x, &error);
    if (status) ck_assert_int_eq(error.status, AG_ERROR_MEMORY);
    nn_summary_clear(&s);
    return status == AG_OK;
}

START_TEST(every_failed_allocation_is_reported_and_leaves_nothing) {
    drop();
    counting_allocator_install();
    make();
    test_every_allocation(summarise);
}
END_TEST

Suite *train_summary_suite(void) {
    Suite *s = suite_create("train_summary");
    TCase *tc = tcase_create("train_summary");
    tcase_add_checked_fixture(tc, make, drop);
    tcase_add_test(tc, rows_are_the_modules_and_hold_what_is_their_own);
    tcase_add_test(tc, sums_are_those_of_the_whole_pass);
    tcase_add_test(tc, a_layer_used_twice_counts_twice);
    tcase_add_test(tc, the_text_has_a_line_for_each_layer_and_can_be_measured);
    tcase_add_test(tc, misuse_and_what_does_not_fit_leave_it_empty);
    tcase_add_test(tc, every_failed_allocation_is_reported_and_leaves_nothing);
    suite_add_tcase(s, tc);
    return s;
}
