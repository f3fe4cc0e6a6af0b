/* export: the three formats of an inspected graph, whatever its labels hold. */
#define _GNU_SOURCE /* folder.h: seteuid, mkdtemp */
#include "export_support.h"

#include <locale.h>

#ifdef HAVE_JANSSON
#include <jansson.h>
#endif

#include "support/folder.h"

START_TEST(text_shows_the_chain_rule_with_numbers_and_sums) {
    ag_tape *t = tape_new();
    ag_value a = ag_label(ag_scalar(t, -2), "a"), b = ag_label(ag_scalar(t, 3), "b");
    ag_value e = ag_label(ag_mul(a, b), "e"), y = ag_add(ag_mul_number(e, 2), a);
    text out = exported(y, ag_export_text);
    holds(&out, "forward\n#1    a = -2.0  (leaf)\n");
    holds(&out, "#3    e = a * b = (-2.0) * 3.0 = -6.0\n");
    holds(&out, "#4    #4 = 2.0 * e = 2.0 * (-6.0) = -12.0\n");
    holds(&out, "#5    L = #4 + a = (-12.0) + (-2.0) = -14.0\n");
    holds(&out, "backward\ndL/dL = 1.0\n");
    holds(&out, "dL/d#4 += dL/dL * dL/d#4 = 1.0 * 1.0 = 1.0, sum 1.0   (dL/d#4 = 1)\n"
                "dL/da += dL/dL * dL/da = 1.0 * 1.0 = 1.0, sum 1.0   (dL/da = 1)\n"
                "dL/de += dL/d#4 * d#4/de = 1.0 * 2.0 = 2.0, sum 2.0   (d#4/de = 2.0)\n"
                "dL/da += dL/de * de/da = 2.0 * 3.0 = 6.0, sum 7.0   (de/da = b)\n"
                "dL/db += dL/de * de/db = 2.0 * -2.0 = -4.0, sum -4.0   (de/db = a)\n");
    free(out.bytes);
    ag_tape_free(t);
}
END_TEST

START_TEST(text_of_tensors_has_shapes_sums_and_scopes) {
    ag_tape *t = tape_new();
    ag_scope_begin(t, "net");
    ag_scope_begin(t, "layer 1");
    ag_value x = ag_label(matrix(t, 2, 2, (const double[]){1, 2, 3, 4}), "x");
    ag_value b = ag_label(vector(t, 2, (const double[]){10, 20}), "b"), h = ag_label(ag_mul(x, b), "a + b");
    ag_scope_end(t);
    text out = exported(ag_sum_all(h), ag_export_text);
    holds(&out, "x = [[1.0, 2.0], [3.0, 4.0]]  (leaf)  in net/layer 1\n");
    holds(&out, "'a + b' = x * b = [[10.0, 40.0], [30.0, 80.0]]  in net/layer 1\n");
    holds(&out,
          "dL/db += sum dL/d'a + b' * d'a + b'/db = sum [[1.0, 1.0], [1.0, 1.0]] * [[1.0, 2.0], [3.0, 4.0]] = "
          "[4.0, 6.0], sum [4.0, 6.0]   (d'a + b'/db = x)\n");
    free(out.bytes);
    ag_tape_free(t);
}
END_TEST

START_TEST(scopes_are_nested_clusters) {
    ag_tape *t = tape_new();
    ag_value a = ag_scalar(t, 1);
    ag_scope_begin(t, "outer");
    ag_scope_begin(t, "empty");
    ag_scope_end(t);
    ag_scope_begin(t, "inner");
    ag_value b = ag_square(a);
    ag_scope_end(t);
    ag_value c = ag_exp(b);
    ag_scope_end(t);
    ag_scope_begin(t, "outer"); /* another scope of the same name */
    ag_value y = ag_add(c, b);
    ag_scope_end(t);
    text dot = exported(y, ag_export_dot);
    holds(&dot, "subgraph cluster_1 {\n  label=\"outer\";\n  n3 ");
    holds(&dot, "  subgraph cluster_3 {\n  label=\"inner\";\n  n2 ");
    holds(&dot, "  }\n  }\n  subgraph cluster_4 {\n  label=\"outer\";\n  n4 ");
    ck_assert_ptr_null(strstr(dot.bytes, "empty"));
    int open = 0;
    for (const char *c_at = dot.bytes; *c_at; c_at++) open += (*c_at == '{') - (*c_at == '}');
    ck_assert_int_eq(open, 0);
    free(dot.bytes);
    ag_tape_free(t);
}
END_TEST

/* What a label may do to the formats: end a string, begin an escape, break a line, be no text at all. */
static const char hostile[] = "\"];}\\\n\t\\n <b>&amp;</b> {|} \x01\xff\xc0\xaf \xe2\x88\x82 \\";

static ag_value hostile_graph(ag_tape *t) {
    ag_scope_begin(t, hostile);
    ag_value a = ag_label(ag_scalar(t, 2), hostile), y = ag_label(ag_square(a), "");
    ag_scope_end(t);
    return y;
}

START_TEST(labels_are_escaped) {
    ag_tape *t = tape_new();
    ag_value y = hostile_graph(t);
    text dot = exported(y, ag_export_dot), lines = exported(y, ag_export_text), json = exported(y, ag_export_json);
    holds(&dot,
          "\\\"];}\\\\\\\\x0a\\\\x09\\\\n <b>&amp;amp;</b> {|} \\\\x01\\\\xff\\\\xc0\\\\xaf \xe2\x88\x82 \\\\");
    holds(&lines, "'\"];}\\\\x0a\\x09\\n <b>");
    holds(&json,
          "\"\\\"];}\\\\\\u000a\\u0009\\\\n <b>&amp;</b> {|} \\u0001\\ufffd\\ufffd\\ufffd \xe2\x88\x82 \\\\\"");
    free(dot.bytes);
    free(lines.bytes);
    free(json.bytes);
    ag_tape_free(t);
}
END_TEST

START_TEST(numbers_do_not_follow_the_locale) {
    const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE"};
    for (int i = 0; i < 4 && !setlocale(LC_NUMERIC, names[i]); i++) continue;
    ag_tape *t = tape_new();
    ag_value y = ag_mul_number(ag_scalar(t, 0.5), 0.25);
    text json = exported(y, ag_export_json), lines = exported(y, ag_export_text);
    holds(&json, "\"value\":[0.125]");
    holds(&lines, "0.25 * 0.5 = 0.125");
    free(json.bytes);
    free(lines.bytes);
    ag_tape_free(t);
}
END_TEST

START_TEST(a_sink_that_fails_is_an_error) {
    ag_tape *t = tape_new();
    ag_value a = ag_scalar(t, 2), y = a;
    for (int i = 0; i < 200; i++) y = ag_mul(y, a);
    ag_inspection *seen = inspect(y);
    ag_exporter *const formats[] = {ag_export_text, ag_export_dot, ag_export_json};
    for (int i = 0; i < 3; i++) {
        for (size_t room = 0; room <= 8192; room += 4096) {
            text out = {.room = room};
            ag_error error = {0};
            ck_assert_int_eq(formats[i](seen, (ag_sink){.write = collect, .user = &out}, &error), AG_ERROR_IO);
            ck_assert_str_ne(error.message, "");
            free(out.bytes);
        }
    }
    ag_inspection_free(seen);
    ag_tape_free(t);
}
END_TEST

static ag_status refuse(const ag_inspection *seen, ag_sink sink, ag_error *error) {
    (void)seen;
    sink.write(sink.user, "half", 4);
    return ag_fail(error, AG_ERROR_MEMORY, "refused");
}

START_TEST(a_file_is_whole_or_stays_the_old_one) {
    ag_tape *t = tape_new();
    ag_inspection *seen = inspect(ag_square(ag_scalar(t, 3)));
    ag_error error = {0};
    const char *path = in_folder("graph.dot");
    text dot = export_as(seen, ag_export_dot);
    ck_assert_int_eq(ag_export_file(seen, ag_export_dot, path, &error), AG_OK);
    ck_assert(file_holds(path, dot.bytes, dot.size));
    ck_assert_int_eq(ag_export_file(seen, refuse, path, &error), AG_ERROR_MEMORY);
    ck_assert(file_holds(path, dot.bytes, dot.size));
    ck_assert_int_eq(folder_count(), 1);
    ck_assert_int_eq(ag_export_file(seen, ag_export_dot, in_folder("none/graph.dot"), &error), AG_ERROR_IO);
    FILE *stream = fopen(in_folder("stream"), "w");
    ck_assert_ptr_nonnull(stream);
    ck_assert_int_eq(ag_export_dot(seen, ag_sink_stream(stream), &error), AG_OK);
    fclose(stream);
    ck_assert(file_holds(in_folder("stream"), dot.bytes, dot.size));
    free(dot.bytes);
    ag_inspection_free(seen);
    ag_tape_free(t);
}
END_TEST

#ifdef HAVE_JANSSON
static json_t *parsed(ag_value y) {
    text out = exported(y, ag_export_json);
    json_error_t error;
    json_t *root = json_loadb(out.bytes, out.size, JSON_REJECT_DUPLICATES, &error);
    ck_assert_msg(root != NULL, "%s at byte %d:\n%s", error.text, error.position, out.bytes);
    free(out.bytes);
    return root;
}

START_TEST(json_parses_and_says_what_was_seen) {
    ag_tape *t = tape_new();
    ag_scope_begin(t, "s");
    ag_value x = ag_label(vector(t, 2, (const double[]){0.1, INFINITY}), "x"), y = ag_sum_all(ag_add(x, x));
    json_t *root = parsed(y), *nodes = json_object_get(root, "nodes"), *leaf = json_array_get(nodes, 0),
           *value = json_object_get(leaf, "value"), *given = json_object_get(leaf, "contributions"),
           *sum = json_array_get(nodes, 1);
    ck_assert_int_eq(json_integer_value(json_object_get(root, "root")), y.id);
    ck_assert_uint_eq(json_array_size(nodes), 3);
    ck_assert_str_eq(json_string_value(json_object_get(leaf, "label")), "x");
    ck_assert_double_eq(json_number_value(json_array_get(value, 0)), 0.1);
    ck_assert_str_eq(json_string_value(json_array_get(value, 1)), "Infinity");
    ck_assert_uint_eq(json_array_size(given), 2);
    json_t *last = json_array_get(given, 1);
    ck_assert_double_eq(json_number_value(json_array_get(json_object_get(last, "sum"), 0)), 2);
    ck_assert_uint_eq(json_array_size(json_object_get(sum, "operands")), 2);
    json_t *scope = json_array_get(json_object_get(root, "scopes"),
                                   (size_t)json_integer_value(json_object_get(leaf, "scope")));
    ck_assert_str_eq(json_string_value(json_object_get(scope, "name")), "s");
    json_decref(root);
    root = parsed(hostile_graph(t));
    json_decref(root);
    ag_tape_free(t);
}
END_TEST
#endif

#ifdef HAVE_DOT
START_TEST(graphviz_draws_it) {
    ag_tape *t = tape_new();
    ag_scope_begin(t, "net");
    ag_value x = matrix(t, 2, 2, (const double[]){1, 2, 3, 4}), h = ag_relu(ag_matmul(x, x));
    ag_scope_end(t);
    ag_value y = ag_mul(ag_sum_all(ag_add(h, h)), hostile_graph(t));
    ag_inspection *seen = inspect(y);
    ag_error error = {0};
    ck_assert_int_eq(ag_export_file(seen, ag_export_dot, in_folder("graph.dot"), &error), AG_OK);
    char command[3 * PATH_MAX];
    snprintf(command, sizeof command, "dot -Tsvg -o '%s' '%s' 2>'%s'", in_folder("graph.svg"),
             in_folder("graph.dot"), in_folder("said"));
    ck_assert_int_eq(system(command), 0);
    ck_assert_msg(file_holds(in_folder("said"), "", 0), "dot has warned");
    snprintf(command, sizeof command, "test $(grep -c 'class=\"node\"' '%s') = %u", in_folder("graph.svg"),
             (unsigned)ag_inspection_count(seen));
    ck_assert_int_eq(system(command), 0);
    ag_inspection_free(seen);
    ag_tape_free(t);
}
END_TEST
#endif

Suite *export_suite(void) {
    Suite *s = suite_create("export");
    TCase *c = tcase_create("formats");
    tcase_add_checked_fixture(c, folder_make, folder_remove);
    tcase_add_test(c, text_shows_the_chain_rule_with_numbers_and_sums);
    tcase_add_test(c, text_of_tensors_has_shapes_sums_and_scopes);
    tcase_add_test(c, scopes_are_nested_clusters);
    tcase_add_test(c, labels_are_escaped);
    tcase_add_test(c, numbers_do_not_follow_the_locale);
    tcase_add_test(c, a_sink_that_fails_is_an_error);
    tcase_add_test(c, a_file_is_whole_or_stays_the_old_one);
#ifdef HAVE_JANSSON
    tcase_add_test(c, json_parses_and_says_what_was_seen);
#endif
#ifdef HAVE_DOT
    tcase_add_test(c, graphviz_draws_it);
#endif
    suite_add_tcase(s, c);
    return s;
}
