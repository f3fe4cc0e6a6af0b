/* csv: tables are read as RFC 4180 has them, and every error says where. */
#define _XOPEN_SOURCE 700 /* mkdtemp, mkfifo */
#include <nn/nn.h>

#include "support/folder.h"
#include "support/support.h"

static ag_status read_text(const char *text, const nn_csv_options *o, nn_csv *csv, ag_error *error) {
    file_put(in_folder("x"), text, strlen(text));
    ag_error own = {0}, *e = error ? error : &own;
    *e = (ag_error){0};
    const ag_status status = nn_csv_read(in_folder("x"), o, csv, e);
    ck_assert_int_eq(status, e->status);
    if (status) ck_assert(!csv->data.x && !csv->data.y && !csv->column_names && !csv->class_names);
    return status;
}

static const nn_csv_options kind = {.label = "kind"};

START_TEST(a_table_with_labels_is_read) {
    static const char *const texts[] = {
        "a,kind,b\n1,y,-2.5\n3e1,x,.5\n+4.,y, 6 \n",
        ("\xEF\xBB\xBF" /* ends here, or the next letter would belong to it */
         "a,kind,b\r\n1,y,-2.5\r\n3e1,x,.5\r\n+4.,y, 6 "),
        "\"a\",\"kind\",b\n\"1\",\"y\",-2.5\n3e1,x,\".5\"\n+4.,y,\" 6 \"",
    };
    static const double expected[] = {1, -2.5, 30, .5, 4, 6};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        nn_csv csv;
        ag_error error;
        ck_assert_msg(read_text(texts[i], &kind, &csv, &error) == AG_OK, "%s", error.message);
        ck_assert_int_eq(csv.columns, 2);
        ck_assert_str_eq(csv.column_names[0], "a");
        ck_assert_str_eq(csv.column_names[1], "b");
        ck_assert_ptr_null(csv.column_names[2]);
        ck_assert_int_eq(csv.classes, 2);
        ck_assert_str_eq(csv.class_names[0], "x");
        ck_assert_str_eq(csv.class_names[1], "y");
        ck_assert_int_eq(ag_tensor_meta(csv.data.x)->dtype, AG_F32);
        ck_assert_int_eq(nn_dataset_size(&csv.data), 3);
        for (int64_t k = 0; k < 6; k++) ck_assert(ag_tensor_get(csv.data.x, k) == expected[k]);
        for (int64_t k = 0; k < 3; k++) ck_assert(ag_tensor_get(csv.data.y, k) == (k != 1));
        nn_csv_clear(&csv);
        nn_csv_clear(&csv);
    }
}
END_TEST

START_TEST(quoted_values_keep_separators_quotes_and_lines) {
    nn_csv csv;
    ck_assert_int_eq(read_text("\"a \"\"b\"\", c\",kind\n1,\"x,\n\"\"\"\n2,\"\"\"\"\n", &kind, &csv, NULL), AG_OK);
    ck_assert_str_eq(csv.column_names[0], "a \"b\", c");
    ck_assert_str_eq(csv.class_names[0], "\"");
    ck_assert_str_eq(csv.class_names[1], "x,\n\"");
    nn_csv_clear(&csv);
}
END_TEST

START_TEST(a_class_that_may_not_be_is_told_with_its_line) {
    nn_csv csv;
    ag_error error;
    static const char *const classes[] = {"y", "n"};
    const nn_csv_options given = {.label = "kind", .classes = classes, .class_count = 2};
    /* The first row takes two lines. */
    ck_assert_int_eq(read_text("\"a\n\",kind\n1,y\n\"2\",n\n3,\"w\t\nx\"\n", &given, &csv, &error),
                     AG_ERROR_FORMAT);
    ck_assert_msg(strstr(error.message, ": line 5, column 2: class \"w??x\" is not among the given") != NULL, "%s",
                  error.message);
    ck_assert_int_eq(read_text("a,kind\n\"1\n2\",y\n", &kind, &csv, &error), AG_ERROR_FORMAT);
    ck_assert_msg(strstr(error.message, ": line 2, column 1: \"1?2\" is no number") != NULL, "%s", error.message);
    /* Blanks are no class, as they are no number. */
    ck_assert_int_eq(read_text("a,kind\n1,y\n2, \t\n", &kind, &csv, &error), AG_ERROR_FORMAT);
    ck_assert_msg(strstr(error.message, ": line 3, column 2: the class is missing") != NULL, "%s", error.message);
}
END_TEST

START_TEST(options_say_dtype_header_separator_and_classes) {
    nn_csv csv;
    static const char *const classes[] = {"z", "y"};
    const nn_csv_options o = {
        .f64 = true, .headless = true, .separator = ';', .label = "2", .classes = classes, .class_count = 2};
    ck_assert_int_eq(read_text("0.1;y\n0.2;z\n", &o, &csv, NULL), AG_OK);
    ck_assert(ag_tensor_get(csv.data.x, 0) == 0.1);
    ck_assert_str_eq(csv.column_names[0], "1");
    ck_assert(ag_tensor_get(csv.data.y, 0) == 1 && ag_tensor_get(csv.data.y, 1) == 0);
    nn_csv_clear(&csv);
    ag_error error;
    ck_assert_int_eq(read_text("0.1;y\n0.2;w\n", &o, &csv, &error), AG_ERROR_FORMAT);
    ck_assert_ptr_nonnull(strstr(error.message, "\"w\" is not among"));
    ck_assert_int_eq(read_text("a\n", NULL, &csv, NULL), AG_OK);
    ck_assert_int_eq(nn_dataset_size(&csv.data), 0);
    ck_assert_ptr_null(csv.data.y);
    nn_csv_clear(&csv);
    ck_assert_int_eq(read_text("kind\nx\n", &kind, &csv, NULL), AG_OK);
    ck_assert_int_eq(csv.columns, 0);
    nn_csv_clear(&csv);
    ck_assert_int_eq(read_text("a\n", &(nn_csv_options){.separator = '"'}, &csv, NULL), AG_ERROR_VALUE);
    ck_assert_int_eq(read_text("a\n", &(nn_csv_options){.limit = 1}, &csv, NULL), AG_ERROR_LIMIT);
    ck_assert_int_eq(read_text("a\n", &kind, &csv, NULL), AG_ERROR_NAME);
}
END_TEST

START_TEST(an_error_names_line_and_column) {
    static const struct {
        const char *text, *where;
    } cases[] = {
        {"", "line 1, column 1: the file is empty"},
        {"a,b\n1,2\n3,\n", "line 3, column 2: the value is missing"},
        {"a,b\n1,2\n , 3\n", "line 3, column 1: the value is missing"},
        {"a,b\n1,\"\"\n", "line 2, column 2: the value is missing"},
        {"a,b\n1,2\n\n", "line 3, column 1: the row ends, but the first has 2"},
        {"a,b\n1,2,3\n", "line 2, column 3: the row ends, but the first has 2"},
        {"a,b\n1\n", "line 2, column 1: the row ends, but the first has 2"},
        {"a,b\n1,two\n", "line 2, column 2: \"two\" is no number"},
        {"a,b\n1,nan\n", "line 2, column 2: \"nan\""},
        {"a,b\n1,inf\n", "line 2, column 2"},
        {"a,b\n1,0x10\n", "line 2, column 2"},
        {"a,b\n1,1e\n", "line 2, column 2"},
        {"a,b\n1,.\n", "line 2, column 2"},
        {"a,b\n1,1 2\n", "line 2, column 2"},
        {"a,b\n1,--1\n", "line 2, column 2"},
        {"a,b\n1,1e39\n", "line 2, column 2: \"1e39\" is no number, or beyond f32"},
        {"a,b\n1,2\"\n", "line 2, column 2: a quote within"},
        {"a,b\n1,\"2\"3\n", "line 2, column 2: something behind"},
        {"a,b\n\"\n\",\"2\n", "line 3, column 2: a quote that is never closed"},
        {"a,b\n1,2\r3\n", "line 2, column 2: a carriage return"},
        {"a,b\n\"\n\",2\n", "line 2, column 1"},
        {"a,\n1,2\n", "line 1, column 2: a column without a name"},
        {"a,b,c,b,a\n", "line 1, column 4: \"b\" is the name of column 2, too"},
        {"\"a\n\",b,\"a\n\"\n", "line 2, column 3: \"a?\" is the name of column 1, too"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        nn_csv csv;
        ag_error error;
        ck_assert_int_eq(read_text(cases[i].text, NULL, &csv, &error), AG_ERROR_FORMAT);
        ck_assert_msg(strstr(error.message, cases[i].where), "%s: %s", cases[i].text, error.message);
    }
    nn_csv csv;
    ag_error error;
    ck_assert_int_eq(read_text("a,kind\n1,\n", &kind, &csv, &error), AG_ERROR_FORMAT);
    ck_assert_ptr_nonnull(strstr(error.message, "line 2, column 2: the class is missing"));
    ck_assert_int_eq(read_text("kind,kind\n", &kind, &csv, &error), AG_ERROR_FORMAT);
    file_put(in_folder("x"), "a\n1\0002\n", 6);
    ck_assert_int_eq(nn_csv_read(in_folder("x"), NULL, &csv, NULL), AG_ERROR_FORMAT);
}
END_TEST

START_TEST(a_table_cut_at_any_byte_is_read_within_bounds) {
    static const char text[] = "\"a\"\"\",kind,b\r\n1,\"x\ny\",-2.5e0\r\n\"3\",x,4\r\n";
    for (size_t n = 0; n <= sizeof text - 1; n++) {
        file_put(in_folder("x"), text, n);
        nn_csv csv;
        const ag_status status = nn_csv_read(in_folder("x"), &kind, &csv, NULL);
        ck_assert(status == AG_OK || status == AG_ERROR_FORMAT || status == AG_ERROR_NAME);
        nn_csv_clear(&csv);
    }
}
END_TEST

START_TEST(what_is_no_readable_file_is_an_error) {
    nn_csv csv;
    ck_assert_int_eq(nn_csv_read(in_folder("none"), NULL, &csv, NULL), AG_ERROR_IO);
    ck_assert_int_eq(nn_csv_read(folder, NULL, &csv, NULL), AG_ERROR_IO);
    ck_assert_int_eq(mkfifo(in_folder("fifo"), 0644), 0);
    ck_assert_int_eq(nn_csv_read(in_folder("fifo"), NULL, &csv, NULL), AG_ERROR_IO);
}
END_TEST

START_TEST(without_memory_nothing_is_read_and_nothing_leaks) {
    counting_allocator_install();
    for (long k = 1;; k++) {
        counting_allocator_fail_at(k);
        nn_csv csv;
        const ag_status status = read_text("a,kind,b\n1,y,2\n3,x,4\n", &kind, &csv, NULL);
        nn_csv_clear(&csv);
        ck_assert_int_eq(counting_allocator_live(), 0);
        if (counting_allocator_calls() < k) {
            ck_assert_int_eq(status, AG_OK);
            ck_assert_int_gt(k, 8);
            break;
        }
        ck_assert_int_eq(status, AG_ERROR_MEMORY);
    }
}
END_TEST

Suite *nn_csv_suite(void);
Suite *nn_csv_suite(void) {
    Suite *s = suite_create("nn_csv");
    TCase *t = tcase_create("csv");
    tcase_add_checked_fixture(t, folder_make, folder_remove);
    tcase_add_test(t, a_table_with_labels_is_read);
    tcase_add_test(t, quoted_values_keep_separators_quotes_and_lines);
    tcase_add_test(t, a_class_that_may_not_be_is_told_with_its_line);
    tcase_add_test(t, options_say_dtype_header_separator_and_classes);
    tcase_add_test(t, an_error_names_line_and_column);
    tcase_add_test(t, a_table_cut_at_any_byte_is_read_within_bounds);
    tcase_add_test(t, what_is_no_readable_file_is_an_error);
    tcase_add_test(t, without_memory_nothing_is_read_and_nothing_leaks);
    suite_add_tcase(s, t);
    return s;
}
