/* param_file: what is saved is loaded, and what does not fit changes nothing. */
#define _DEFAULT_SOURCE 1 /* folder.h: mkdtemp, seteuid */
#include "nn_support.h"

#include "support/folder.h"

static const char *file; /* in a folder of each test's own */

static void setup(void) {
    folder_make();
    file = in_folder("model.safetensors");
}

typedef struct bench {
    nn_module *m;
    nn_params *p;
} bench;

static bench bench_new(const int64_t *sizes, int n, ag_dtype dtype, uint64_t seed) {
    bench b = {.m = nn_mlp(sizes, n, NN_RELU, NULL, NULL)};
    ag_error error = {0};
    b.p = nn_params_new(b.m, dtype, seed, &error);
    ck_assert_msg(b.p != NULL, "%s", error.message);
    return b;
}

static void bench_free(bench *b) {
    nn_params_free(b->p);
    nn_module_free(b->m);
}

static const int64_t sizes[] = {4, 8, 3};

static void save(const bench *b, const char *const *metadata) {
    ag_error error = {0};
    ck_assert_msg(nn_params_save(b->p, file, metadata, &error) == AG_OK, "%s", error.message);
}

static bool same_numbers(const bench *x, const bench *y) {
    const ag_tensor *a = nn_params_slab(x->p), *b = nn_params_slab(y->p);
    return memcmp(ag_tensor_data(a), ag_tensor_data(b), ag_meta_bytes(ag_tensor_meta(a))) == 0;
}

START_TEST(what_is_saved_is_loaded) {
    static const ag_dtype dtypes[] = {AG_F32, AG_F64};
    for (int k = 0; k < 2; k++) {
        bench x = bench_new(sizes, 3, dtypes[k], 1), y = bench_new(sizes, 3, dtypes[k], 2);
        ck_assert(!same_numbers(&x, &y));
        save(&x, NULL);
        const uint64_t version = ag_tensor_version(nn_params_tensor(y.p, 0));
        ag_error error = {0};
        ck_assert_msg(nn_params_load(y.p, file, &error) == AG_OK, "%s", error.message);
        ck_assert(same_numbers(&x, &y));
        ck_assert_uint_ne(ag_tensor_version(nn_params_tensor(y.p, 0)), version);
        bench_free(&x);
        bench_free(&y);
    }
}
END_TEST

START_TEST(entries_are_named_by_path_and_metadata_goes_along) {
    bench x = bench_new(sizes, 3, AG_F32, 1);
    save(&x, (const char *const[]){"epoch", "7", NULL});
    ag_safetensors *read = ag_safetensors_read(file, NULL);
    ck_assert_ptr_nonnull(read);
    ck_assert_uint_eq(ag_safetensors_count(read), 4);
    ck_assert_ptr_nonnull(ag_safetensors_find(read, "2.bias"));
    ck_assert_str_eq(ag_safetensors_metadata(read, "epoch"), "7");
    ag_safetensors_free(read);
    bench_free(&x);
}
END_TEST

/* Loading `from`'s file into `into` fails, touches nothing, and the message holds all the given texts. */
static void check_misfit(const bench *from, const bench *into, const char *const *texts) {
    save(from, NULL);
    const ag_tensor *slab = nn_params_slab(into->p);
    const size_t bytes = ag_meta_bytes(ag_tensor_meta(slab));
    void *copy = ag_alloc(bytes);
    memcpy(copy, ag_tensor_data(slab), bytes);
    ag_error error = {0};
    ck_assert_int_eq(nn_params_load(into->p, file, &error), AG_ERROR_FORMAT);
    for (; *texts; texts++)
        ck_assert_msg(strstr(error.message, *texts) != NULL, "\"%s\" lacks \"%s\"", error.message, *texts);
    ck_assert_mem_eq(ag_tensor_data(slab), copy, bytes);
    ag_release(copy, bytes);
}

START_TEST(all_that_does_not_fit_is_told_at_once) {
    bench x = bench_new((const int64_t[]){4, 7, 3}, 3, AG_F32, 1), y = bench_new(sizes, 3, AG_F32, 2),
          deep = bench_new((const int64_t[]){4, 8, 3, 2}, 4, AG_F32, 3), wide = bench_new(sizes, 3, AG_F64, 4);
    check_misfit(&x, &y,
                 (const char *const[]){file, "\"0.weight\" is (7, 4), should be (8, 4)",
                                       "\"0.bias\" is (7), should be (8)", "\"2.weight\"", NULL});
    check_misfit(&y, &deep, (const char *const[]){"\"4.weight\" is missing", "\"4.bias\" is missing", NULL});
    check_misfit(&deep, &y, (const char *const[]){"\"4.weight\" is not in the network", "\"4.bias\"", NULL});
    check_misfit(&wide, &y, (const char *const[]){"\"2.bias\" is f64, should be f32", NULL});
    bench_free(&x);
    bench_free(&y);
    bench_free(&deep);
    bench_free(&wide);
}
END_TEST

START_TEST(a_long_list_of_misfits_is_cut_and_counted) {
    int64_t many[42];
    for (int i = 0; i < 42; i++) many[i] = 1;
    bench x = bench_new(sizes, 3, AG_F32, 1), y = bench_new(many, 42, AG_F32, 2);
    save(&x, NULL);
    ag_error error = {0};
    ck_assert_int_eq(nn_params_load(y.p, file, &error), AG_ERROR_FORMAT);
    const char *more = strstr(error.message, ", and ");
    unsigned left_out = 0;
    ck_assert_msg(more && sscanf(more, ", and %u more", &left_out) == 1, "%s", error.message);
    unsigned quotes = 0, whole = 0;
    for (const char *at = error.message; *at; at++) quotes += *at == '"';
    for (const char *at = error.message; (at = strstr(at, "\" is ")); at++) whole++;
    ck_assert_uint_eq(quotes / 2 + left_out, 78 + 4); /* 41 layers, of which the file has two, of another shape */
    ck_assert_msg(whole >= 3 && quotes / 2 >= 18, "%s", error.message); /* the first whole, names of many more */
    ck_assert_msg(strlen(error.message) < AG_MESSAGE_SIZE - 1, "%s", error.message);
    ck_assert_ptr_nonnull(strstr(error.message, ", also \""));
    bench_free(&x);
    bench_free(&y);
}
END_TEST

/* However long the path, a message has room for what is wrong. */
START_TEST(a_long_path_leaves_room_for_the_list) {
    bench from = bench_new(sizes, 3, AG_F32, 1), into = bench_new(sizes, 3, AG_F64, 1);
    char path[PATH_MAX], part[64];
    memset(part, 'p', 50);
    part[50] = '\0';
    int n = snprintf(path, sizeof path, "%s", in_folder(part));
    ck_assert_int_eq(mkdir(path, 0755), 0);
    while (n < 600) n += snprintf(path + n, sizeof path - (size_t)n, "/../%s", part);
    n += snprintf(path + n, sizeof path - (size_t)n, "/x");
    ck_assert_int_eq(nn_params_save(from.p, path, NULL, NULL), AG_OK);
    ag_error error = {0};
    ck_assert_int_eq(nn_params_load(into.p, path, &error), AG_ERROR_FORMAT);
    ck_assert_ptr_nonnull(
        strstr(error.message, " does not fit the network: \"0.weight\" is f32, should be f64, "));
    ck_assert_ptr_nonnull(strstr(error.message, "\"2.bias\" is f32, should be f64"));
    ck_assert_int_eq(unlink(path), 0);
    bench_free(&from);
    bench_free(&into);
}
END_TEST

START_TEST(a_partial_load_takes_what_fits_and_says_what_it_did) {
    const int64_t deeper[] = {4, 8, 5, 2};
    bench x = bench_new(sizes, 3, AG_F32, 1), y = bench_new(deeper, 4, AG_F32, 2),
          z = bench_new(sizes, 3, AG_F32, 2);
    save(&x, NULL);
    ag_error error = {0};
    nn_load_report report = {.loaded = 9};
    ck_assert_int_eq(nn_params_load_partial(y.p, in_folder("none"), &report, &error), AG_ERROR_IO);
    ck_assert_uint_eq(report.loaded, 9);
    const double before = ag_tensor_get(nn_params_find(y.p, "2.weight"), 3);
    ck_assert_msg(nn_params_load_partial(y.p, file, &report, &error) == AG_OK, "%s", error.message);
    ck_assert_uint_eq(report.loaded, 2);
    ck_assert_uint_eq(report.unlike, 2);
    ck_assert_uint_eq(report.missing, 2);
    ck_assert_uint_eq(report.extra, 0);
    ck_assert_ptr_nonnull(strstr(report.text, "\"2.weight\" is (3, 8), should be (5, 8)"));
    ck_assert_ptr_nonnull(strstr(report.text, "\"4.bias\" is missing"));
    ck_assert_double_eq(ag_tensor_get(nn_params_find(y.p, "0.weight"), 5),
                        ag_tensor_get(nn_params_find(x.p, "0.weight"), 5));
    ck_assert_double_eq(ag_tensor_get(nn_params_find(y.p, "2.weight"), 3), before);
    save(&y, NULL);
    ck_assert_int_eq(nn_params_load_partial(z.p, file, &report, NULL), AG_OK);
    ck_assert_uint_eq(report.extra, 2);
    ck_assert_ptr_nonnull(strstr(report.text, "\"4.weight\" is not in the network"));
    save(&x, NULL);
    ck_assert_int_eq(nn_params_load_partial(z.p, file, &report, NULL), AG_OK);
    ck_assert_str_eq(report.text, "");
    ck_assert(same_numbers(&x, &z));
    bench_free(&x);
    bench_free(&y);
    bench_free(&z);
}
END_TEST

START_TEST(a_missing_or_malformed_file_is_refused) {
    bench x = bench_new(sizes, 3, AG_F32, 1), y = bench_new(sizes, 3, AG_F32, 1);
    ag_error error = {0};
    ck_assert_int_eq(nn_params_load(x.p, file, &error), AG_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(error.message, file));
    file_put(file, "not a safetensors file", 22);
    ck_assert_int_eq(nn_params_load(x.p, file, &error), AG_ERROR_FORMAT);
    ck_assert(same_numbers(&x, &y));
    bench_free(&x);
    bench_free(&y);
}
END_TEST

START_TEST(saving_where_there_is_no_folder_fails) {
    bench x = bench_new(sizes, 3, AG_F32, 1);
    ag_error error = {0};
    ck_assert_int_eq(nn_params_save(x.p, in_folder("none/model.safetensors"), NULL, &error), AG_ERROR_IO);
    ck_assert_str_ne(error.message, "");
    bench_free(&x);
}
END_TEST

START_TEST(a_network_without_parameters_can_be_saved_and_loaded) {
    bench x = {.m = nn_dropout(0.5, NULL)};
    x.p = nn_params_new(x.m, AG_F32, 1, NULL);
    save(&x, NULL);
    ck_assert_int_eq(nn_params_load(x.p, file, NULL), AG_OK);
    bench_free(&x);
}
END_TEST

static bench shared;

static bool save_and_load(void) {
    ag_error error = {0};
    ag_status status = nn_params_save(shared.p, file, NULL, &error);
    if (!status) status = nn_params_load(shared.p, file, &error);
    if (status) ck_assert_int_eq(error.status, AG_ERROR_MEMORY);
    return status == AG_OK;
}

START_TEST(every_failed_allocation_is_reported_and_leaves_nothing) {
    shared = bench_new(sizes, 3, AG_F32, 1);
    bench before = bench_new(sizes, 3, AG_F32, 1);
    test_every_allocation(save_and_load);
    ck_assert(same_numbers(&shared, &before));
    ck_assert_int_eq(folder_count(), 1); /* the file; no temporary one */
    bench_free(&before);
    bench_free(&shared);
}
END_TEST

Suite *param_file_suite(void) {
    Suite *s = suite_create("param_file");
    TCase *tc = tcase_create("param_file");
    tcase_add_checked_fixture(tc, setup, folder_remove);
    tcase_add_test(tc, what_is_saved_is_loaded);
    tcase_add_test(tc, entries_are_named_by_path_and_metadata_goes_along);
    tcase_add_test(tc, all_that_does_not_fit_is_told_at_once);
    tcase_add_test(tc, a_long_list_of_misfits_is_cut_and_counted);
    tcase_add_test(tc, a_long_path_leaves_room_for_the_list);
    tcase_add_test(tc, a_partial_load_takes_what_fits_and_says_what_it_did);
    tcase_add_test(tc, a_missing_or_malformed_file_is_refused);
    tcase_add_test(tc, saving_where_there_is_no_folder_fails);
    tcase_add_test(tc, a_network_without_parameters_can_be_saved_and_loaded);
    tcase_add_test(tc, every_failed_allocation_is_reported_and_leaves_nothing);
    suite_add_tcase(s, tc);
    return s;
}
