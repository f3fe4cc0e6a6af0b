/* inspect: what is seen of a graph, against backward; and that looking leaves no trace. */
#include "export_support.h"

#include <float.h>

static void near(double got, double expected) {
    ck_assert_msg(fabs(got - expected) <= 8 * DBL_EPSILON * fmax(1, fabs(expected)), "%.17g, not %.17g", got,
                  expected);
}

static const double *adjoint(const ag_inspection *seen, ag_value v) {
    const ag_node *node = ag_inspection_find(seen, v.id);
    ck_assert_ptr_nonnull(node);
    ck_assert_ptr_nonnull(node->adjoint);
    return node->adjoint;
}

START_TEST(a_value_used_twice_has_two_edges_and_two_contributions) {
    ag_tape *t = tape_new();
    ag_value a = ag_label(ag_scalar(t, 3), "a"), y = ag_add(a, a);
    ag_inspection *seen = inspect(y);
    ck_assert_uint_eq(ag_inspection_count(seen), 2);
    const ag_node *sum = ag_inspection_find(seen, y.id), *leaf = ag_inspection_find(seen, a.id);
    ck_assert_uint_eq(sum->n_in, 2);
    for (uint32_t i = 0; i < 2; i++) {
        ck_assert_uint_eq(sum->in[i].id, a.id);
        ck_assert_str_eq(sum->in[i].partial, "1");
        ck_assert_double_eq(sum->in[i].local[0], 1);
    }
    const ag_contribution *first = leaf->contributions, *second = first->next;
    ck_assert_uint_eq(first->operand, 0);
    ck_assert_uint_eq(second->operand, 1);
    ck_assert_double_eq(first->sum[0], 1);
    ck_assert_double_eq(second->sum[0], 2);
    ck_assert_ptr_null(second->next);
    ag_inspection_free(seen);
    text dot = exported(y, ag_export_dot);
    char edge[40];
    snprintf(edge, sizeof edge, "n%u -> n%u", (unsigned)a.id, (unsigned)y.id);
    const char *once = strstr(dot.bytes, edge);
    ck_assert_ptr_nonnull(once);
    ck_assert_ptr_nonnull(strstr(once + 1, edge));
    free(dot.bytes);
    ag_tape_free(t);
}
END_TEST

START_TEST(only_what_the_root_depends_on_is_seen) {
    ag_tape *t = tape_new();
    ag_value a = ag_scalar(t, 3), b = ag_scalar(t, 5), y = ag_square(a);
    ag_value other = ag_mul(a, b);
    ag_inspection *seen = inspect(y);
    ck_assert_ptr_null(ag_inspection_find(seen, b.id));
    ck_assert_ptr_null(ag_inspection_find(seen, other.id));
    ck_assert_uint_eq(ag_inspection_root(seen), y.id);
    ag_inspection_free(seen);
    ag_tape_free(t);
}
END_TEST

static double cost(const ag_inspection *seen, ag_value v) {
    const ag_node *node = ag_inspection_find(seen, v.id);
    ck_assert_ptr_nonnull(node);
    return node->cost;
}

static ag_status nothing_known(const ag_query *q, ag_meta *out) {
    *out = *q->in[0];
    return AG_OK;
}
static ag_status ones(const ag_eval *e) {
    for (int64_t i = 0; i < ag_meta_count(e->out[0].meta); i++) ((double *)e->out[0].data)[i] = 1;
    return AG_OK;
}

START_TEST(records_cost_what_their_rows_say) {
    static const uint8_t zero[] = {AG_GRAD_ZERO};
    static const ag_op silent = {"silent", "?", NULL, 1, 1, 1, zero, 1, .infer = nothing_known, .forward = ones};
    ag_tape *t = tape_new();
    const ag_value a = ag_scalar(t, 2), b = ag_mul(a, a), w[2] = {a, b};
    const ag_value neuron = ag_affine(w, w, 2, a);
    const ag_value x = ag_full(t, AG_F64, 4, (int64_t[]){5, 4, 8, 6}, 1);       /* batch, channels, image */
    const ag_value filters = ag_full(t, AG_F64, 4, (int64_t[]){6, 2, 3, 3}, 1); /* in two groups         */
    const ag_value bias = ag_full(t, AG_F64, 1, (int64_t[]){6}, 1);
    const ag_value y =
        ag_conv2d(x, filters, bias, &(ag_conv_options){.stride = {2, {2, 1}}, .padding = {1, {1}}, .groups = 2});
    const ag_value none = {0};
    const ag_value bare = ag_conv2d(x, filters, none, &(ag_conv_options){.groups = 2});
    const ag_value pooled = ag_max_pool2d(x, &(ag_pool_options){.kernel = {1, {2}}});
    const ag_value average = ag_avg_pool2d(x, &(ag_pool_options){.kernel = {2, {4, 3}}, .stride = {2, {2, 1}}});
    const ag_value view = ag_transpose(x, 0, 1), z = ag_tanh(y), sum = ag_sum_all(x),
                   other = ag_apply(t, &silent, &x, 1, NULL);
    const ag_value product =
        ag_matmul(ag_reshape(x, 2, (int64_t[]){40, 24}), ag_full(t, AG_F64, 2, (int64_t[]){24, 7}, 1));
    ck_assert(ag_ok(product) && ag_ok(y) && ag_ok(pooled) && ag_ok(average) && ag_ok(other));
    const ag_inspect_options options = {.values_only = true};
    ag_inspection *seen = ag_inspect_range(t, 1, UINT32_MAX, &options, NULL);
    ck_assert_ptr_nonnull(seen);
    ck_assert_double_eq(cost(seen, a), 0);
    ck_assert_double_eq(cost(seen, b), 1);
    ck_assert_double_eq(cost(seen, neuron), 2 * 2);
    ck_assert_double_eq(cost(seen, x), 0);
    /* each of 5 6 4 6 results: 2 3 3 products and sums, and the bias */
    ck_assert_double_eq(cost(seen, y), 5 * 6 * 4 * 6 * (2 * 2 * 3 * 3 + 1));
    ck_assert_double_eq(cost(seen, bare), 5 * 6 * 6 * 4 * (2 * 2 * 3 * 3));
    ck_assert_double_eq(cost(seen, pooled), 5 * 4 * 4 * 3 * 4);
    ck_assert_double_eq(cost(seen, average), 5 * 4 * 3 * 4 * 12);
    ck_assert_double_eq(cost(seen, view), 0);
    ck_assert_double_eq(cost(seen, z), 5 * 6 * 4 * 6);
    ck_assert_double_eq(cost(seen, sum), 5 * 4 * 8 * 6);
    ck_assert_double_eq(cost(seen, product), 2 * 40 * 24 * 7);
    ck_assert(isnan(cost(seen, other)));
    const text json = export_as(seen, ag_export_json);
    holds(&json, "\"operation\":\"silent\",\"formula\":\"?\",\"number\":null,\"cost\":null");
    holds(&json, "\"cost\":13440");
    free(json.bytes);
    ag_inspection_free(seen);
    ag_tape_free(t);
}
END_TEST

/* y = tanh(a b + c 2) sigmoid(b), and a fused neuron: every adjoint is that of a backward that retains. */
START_TEST(adjoints_of_scalars_are_those_of_backward) {
    ag_tape *t = tape_new();
    ag_value w[2] = {ag_scalar(t, 0.3), ag_scalar(t, -0.7)}, x[2] = {ag_scalar(t, 1.5), ag_scalar(t, 0.25)};
    ag_value n = ag_affine(w, x, 2, ag_scalar(t, 0.1)),
             h = ag_tanh(ag_add(ag_mul(w[0], n), ag_mul_number(x[1], 2)));
    ag_value y = ag_mul(ag_div(h, x[0]), ag_sigmoid(n));
    ag_retain(n);
    ag_retain(h);
    ag_inspection *seen = inspect(y);
    sweep(y);
    const ag_value all[] = {w[0], w[1], x[0], x[1], n, h};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) near(adjoint(seen, all[i])[0], ag_item_grad(all[i]));
    const ag_node *neuron = ag_inspection_find(seen, n.id);
    ck_assert_str_eq(neuron->operation, "affine");
    ck_assert_uint_eq(neuron->n_in, 5);
    near(neuron->in[0].local[0], 1.5);
    near(neuron->in[1].local[0], 0.3);
    near(neuron->in[4].local[0], 1);
    ag_inspection_free(seen);
    ag_tape_free(t);
}
END_TEST

START_TEST(adjoints_of_tensors_are_those_of_backward) {
    ag_tape *t = tape_new();
    ag_value x = matrix(t, 2, 3, (const double[]){1, -2, 3, 0.5, 4, -1}),
             b = vector(t, 3, (const double[]){1, 2, 3});
    ag_value w = matrix(t, 3, 2, (const double[]){1, 2, -1, 0.5, 3, 1}), s = ag_mul(x, b), h = ag_matmul(s, w);
    ag_value y = ag_sum_all(ag_square(h));
    ag_retain(h);
    ag_inspection *seen = inspect(y);
    sweep(y);
    const ag_value all[] = {x, b, w, h};
    const int64_t count[] = {6, 3, 6, 4};
    for (size_t i = 0; i < 4; i++) {
        double expected[6];
        ck_assert_int_eq(ag_adjoint_f64(all[i], expected, count[i]), AG_OK);
        for (int64_t k = 0; k < count[i]; k++) near(adjoint(seen, all[i])[k], expected[k]);
    }
    const ag_node *product = ag_inspection_find(seen, s.id);
    for (int i = 0; i < 6; i++) near(product->in[0].local[i], (double)(i % 3 + 1)); /* ds/dx = b, broadcast */
    ck_assert_ptr_null(ag_inspection_find(seen, h.id)->in[0].local);                /* not elementwise    */
    ag_inspection_free(seen);
    ag_tape_free(t);
}
END_TEST

START_TEST(an_inspection_leaves_the_tape_as_it_was) {
    ag_tape *t = tape_new();
    ag_tensor *p = ag_tensor_from(AG_F64, 1, &(int64_t){2}, (const double[]){1, 2}, NULL);
    ag_value a = ag_scalar(t, 2), v = ag_leaf(t, p), y = ag_sum_all(ag_mul(ag_square(v), a));
    sweep(y);
    const ag_mark here = ag_tape_mark(t);
    const uint32_t records = ag_tape_statistics(t).records;
    ag_inspection *seen = inspect(y);
    ck_assert_uint_eq(ag_tape_statistics(t).records, records);
    near(ag_item_grad(a), 5);
    ADJOINT(v, 4, 8);
    ck_assert(ag_ok(y) && ag_ok(a) && ag_ok(v));
    ck_assert_int_eq(ag_tape_rewind(t, here), AG_OK);
    sweep(y);
    near(ag_item_grad(a), 10);
    ag_tape_free(t);
    near(adjoint(seen, a)[0], 5); /* a copy, it outlives the tape */
    ag_inspection_free(seen);
    ag_tensor_free(p);
}
END_TEST

START_TEST(constants_and_what_is_recorded_under_no_grad_have_no_adjoint) {
    ag_tape *t = tape_new();
    ag_value a = ag_scalar(t, 2), c = ag_number(a, 10);
    ag_no_grad_begin(t);
    ag_value frozen = ag_square(a);
    ag_no_grad_end(t);
    ag_value y = ag_add(ag_mul(a, c), frozen);
    ag_inspection *seen = inspect(y);
    ck_assert_ptr_null(ag_inspection_find(seen, c.id)->adjoint);
    ck_assert_ptr_null(ag_inspection_find(seen, frozen.id)->adjoint);
    near(adjoint(seen, a)[0], 10);
    ag_inspection_free(seen);
    seen = inspect(c); /* a root that nothing differentiable lies below */
    ck_assert_ptr_null(ag_inspection_sweep(seen));
    ag_inspection_free(seen);
    ag_tape_free(t);
}
END_TEST

/* As in backward: the square root of 0 that nothing pulls at does not poison its operand. */
START_TEST(a_zero_adjoint_passes_nothing_on) {
    ag_tape *t = tape_new();
    ag_value a = ag_scalar(t, 0), y = ag_add(ag_mul_number(ag_sqrt(a), 0), a);
    ag_inspection *seen = inspect(y);
    near(adjoint(seen, a)[0], 1);
    ag_inspection_free(seen);
    ag_tape_free(t);
}
END_TEST

START_TEST(large_arrays_keep_their_numbers_to_themselves) {
    ag_tape *t = tape_new();
    ag_value x = ag_array_leaf(t, AG_F64, 1, &(int64_t){17}, (const double[17]){1}), y = ag_sum_all(ag_square(x));
    ag_inspection *seen = inspect(y);
    const ag_node *leaf = ag_inspection_find(seen, x.id);
    ck_assert_ptr_null(leaf->value);
    ck_assert_ptr_null(leaf->adjoint);
    ck_assert_ptr_nonnull(leaf->contributions);
    ck_assert_ptr_null(leaf->contributions->amount);
    ag_inspection_free(seen);
    seen = ag_inspect(y, &(ag_inspect_options){.max_elements = 17}, NULL);
    near(adjoint(seen, x)[0], 2);
    ag_inspection_free(seen);
    ag_tape_free(t);
}
END_TEST

START_TEST(a_range_shows_the_adjoints_that_the_tape_holds) {
    ag_tape *t = tape_new();
    ag_value a = ag_scalar(t, 3), b = ag_square(a), y = ag_square(b);
    sweep(y);
    ag_inspection *seen = ag_inspect_range(t, b.id, UINT32_MAX, NULL, NULL);
    ck_assert_uint_eq(ag_inspection_count(seen), 2);
    ck_assert_ptr_null(ag_inspection_find(seen, b.id)->adjoint);
    text lines = export_as(seen, ag_export_text), dot = export_as(seen, ag_export_dot);
    holds(&lines, "#2    #2 = #1^2 = 9.0");
    ck_assert_ptr_null(strstr(dot.bytes, "n1 ->"));
    free(lines.bytes);
    free(dot.bytes);
    ag_inspection_free(seen);
    seen = ag_inspect_range(t, 0, y.id, NULL, NULL);
    near(adjoint(seen, a)[0], 108);
    ag_inspection_free(seen);
    seen = ag_inspect_range(t, 7, 3, NULL, NULL);
    ck_assert_uint_eq(ag_inspection_count(seen), 0);
    ag_inspection_free(seen);
    ag_tape_free(t);
}
END_TEST

/* Whoever hunts an infinity wants to see it. */
START_TEST(anomaly_mode_does_not_stop_a_look) {
    ag_tape *t = ag_tape_new(&(ag_tape_options){.anomaly = true});
    ag_value x = ag_scalar(t, 0), y = ag_sqrt(x);
    ag_inspection *seen = inspect(y);
    ck_assert(isinf(adjoint(seen, x)[0]));
    ag_inspection_free(seen);
    ck_assert_int_eq(ag_tape_status(t), AG_OK);
    ck_assert_int_eq(ag_backward(y), AG_ERROR_NONFINITE); /* and the mode is on again */
    ag_tape_free(t);
}
END_TEST

START_TEST(failures_are_named_and_leave_the_tape_usable) {
    ag_tape *t = tape_new();
    ag_error error = {0};
    ag_mark start = ag_tape_mark(t);
    ag_tensor *p = ag_tensor_from(AG_F64, 1, &(int64_t){2}, (const double[]){1, 2}, NULL);
    ag_value y = ag_sum_all(ag_square(ag_leaf(t, p)));
    ag_tensor_write(p);
    ck_assert_ptr_null(ag_inspect(y, NULL, &error));
    ck_assert_int_eq(error.status, AG_ERROR_WRITTEN);
    ck_assert_int_eq(ag_tape_status(t), AG_OK);
    ag_inspection *seen = ag_inspect(y, &(ag_inspect_options){.values_only = true}, &error);
    ck_assert_ptr_nonnull(seen);
    ag_inspection_free(seen);
    ag_tape_rewind(t, start);
    ck_assert_ptr_null(ag_inspect(y, NULL, &error));
    ck_assert_int_eq(error.status, AG_ERROR_STALE);
    ck_assert_ptr_null(ag_inspect((ag_value){0}, NULL, &error));
    ck_assert_int_eq(error.status, AG_ERROR_FAILED);
    ag_tape_free(t);
    ag_tensor_free(p);
}
END_TEST

START_TEST(any_failed_allocation_is_an_error_and_leaks_nothing) {
    counting_allocator_install();
    ag_tape *t = tape_new();
    ag_scope_begin(t, "s");
    ag_value a = ag_label(vector(t, 3, (const double[]){1, 2, 3}), "a"), y = ag_sum_all(ag_mul(a, ag_exp(a)));
    ag_inspection_free(inspect(y)); /* the tape's own memory grows to what it needs */
    const long live = counting_allocator_live();
    ag_inspection *seen = NULL;
    for (long k = 1; !seen; k++) {
        ag_error error = {0};
        counting_allocator_fail_at(k);
        seen = ag_inspect(y, NULL, &error);
        counting_allocator_fail_at(0);
        if (!seen) ck_assert_int_eq(error.status, AG_ERROR_MEMORY);
        ck_assert_int_eq(ag_tape_status(t), AG_OK);
        if (!seen) ck_assert_int_eq(counting_allocator_live(), live);
    }
    ag_inspection_free(seen);
    ag_tape_free(t);
    ck_assert_int_eq(counting_allocator_live(), 0);
}
END_TEST

START_TEST(a_deep_graph_is_seen_and_written) {
    enum { DEPTH = 20000 };
    ag_tape *t = tape_new();
    ag_value a = ag_scalar(t, 1), y = a;
    for (int i = 0; i < DEPTH; i++) y = ag_add(y, a);
    ag_inspection *seen = inspect(y);
    near(adjoint(seen, a)[0], DEPTH + 1);
    ck_assert_uint_eq(ag_inspection_count(seen), DEPTH + 1);
    ag_exporter *const formats[] = {ag_export_text, ag_export_dot, ag_export_json};
    for (int i = 0; i < 3; i++) {
        text out = export_as(seen, formats[i]);
        ck_assert_uint_gt(out.size, 10 * DEPTH);
        free(out.bytes);
    }
    ag_inspection_free(seen);
    ag_tape_free(t);
}
END_TEST

Suite *inspect_suite(void) {
    Suite *s = suite_create("inspect");
    TCase *c = tcase_create("all");
    tcase_add_test(c, a_value_used_twice_has_two_edges_and_two_contributions);
    tcase_add_test(c, only_what_the_root_depends_on_is_seen);
    tcase_add_test(c, records_cost_what_their_rows_say);
    tcase_add_test(c, adjoints_of_scalars_are_those_of_backward);
    tcase_add_test(c, adjoints_of_tensors_are_those_of_backward);
    tcase_add_test(c, an_inspection_leaves_the_tape_as_it_was);
    tcase_add_test(c, constants_and_what_is_recorded_under_no_grad_have_no_adjoint);
    tcase_add_test(c, a_zero_adjoint_passes_nothing_on);
    tcase_add_test(c, large_arrays_keep_their_numbers_to_themselves);
    tcase_add_test(c, a_range_shows_the_adjoints_that_the_tape_holds);
    tcase_add_test(c, anomaly_mode_does_not_stop_a_look);
    tcase_add_test(c, failures_are_named_and_leave_the_tape_usable);
    tcase_add_test(c, any_failed_allocation_is_an_error_and_leaks_nothing);
    tcase_add_test(c, a_deep_graph_is_seen_and_written);
    suite_add_tcase(s, c);
    return s;
}
