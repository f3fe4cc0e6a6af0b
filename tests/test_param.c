/* param: one slab, parts with paths, gradients as one array. */
#include "nn_support.h"

#include <nn/param_impl.h>

#include <stdio.h>

/* root { gain (); encoder { 0 { weight (3, 5), bias (3) }, 1 { weight (0) } } }, all elements 1 */
static nn_module *tree(void) {
    static const int64_t matrix[] = {3, 5}, vector = 3, none = 0;
    const nn_init one = nn_init_constant(1);
    nn_module *root = test_box(), *encoder = test_box(), *first = test_box(), *second = test_box();
    ck_assert_ptr_nonnull(nn_module_param(root, "gain", 0, NULL, one, NULL));
    ck_assert_ptr_nonnull(nn_module_param(first, "weight", 2, matrix, one, NULL));
    ck_assert_ptr_nonnull(nn_module_param(first, "bias", 1, &vector, one, NULL));
    ck_assert_ptr_nonnull(nn_module_param(second, "weight", 1, &none, one, NULL));
    ck_assert_int_eq(nn_module_child(encoder, "0", first, NULL), AG_OK);
    ck_assert_int_eq(nn_module_child(encoder, "1", second, NULL), AG_OK);
    ck_assert_int_eq(nn_module_child(root, "encoder", encoder, NULL), AG_OK);
    return root;
}

static const char *const paths[] = {"gain", "encoder.0.weight", "encoder.0.bias", "encoder.1.weight"};
enum { PATHS = sizeof paths / sizeof *paths };

static nn_params *packed(nn_module *m, ag_dtype dtype) {
    ag_error error = {0};
    nn_params *p = nn_params_new(m, dtype, 1, &error);
    ck_assert_msg(p != NULL, "%s", error.message);
    return p;
}

START_TEST(parameters_are_found_by_path_in_order_of_declaration) {
    nn_module *m = tree();
    nn_params *p = packed(m, AG_F32);
    ck_assert_uint_eq(nn_params_count(p), PATHS);
    ck_assert_int_eq(nn_params_elements(p), 1 + 15 + 3 + 0);
    for (size_t i = 0; i < PATHS; i++) {
        ck_assert_str_eq(nn_params_name(p, i), paths[i]);
        ck_assert_str_eq(ag_tensor_name(nn_params_tensor(p, i)), paths[i]);
        ck_assert_ptr_eq(nn_params_find(p, paths[i]), nn_params_tensor(p, i));
    }
    ck_assert_ptr_null(nn_params_find(p, "encoder.0"));
    ck_assert_ptr_null(nn_params_find(p, ""));
    ck_assert_ptr_null(nn_params_find(p, NULL));
    ck_assert_ptr_null(nn_params_tensor(p, PATHS));
    ck_assert_ptr_null(nn_params_name(p, PATHS));
    nn_params_free(p);
    nn_module_free(m);
}
END_TEST

START_TEST(buffers_are_kept_and_saved_but_not_trained) {
    nn_module *m = test_box();
    const int64_t three = 3;
    nn_param *mean = nn_module_buffer(m, "running_mean", AG_F32, 1, &three, 0.5, NULL);
    nn_param *gain = nn_module_param(m, "gain", 1, &three, nn_init_constant(1), NULL);
    nn_param *seen = nn_module_buffer(m, "seen", AG_I64, 0, NULL, 7, NULL);
    ck_assert(mean && gain && seen);
    ag_error error = {0};
    ck_assert_ptr_null(nn_module_buffer(m, "mask", AG_BOOL, 0, NULL, 0, &error));
    ck_assert_int_eq(error.status, AG_ERROR_DTYPE);
    nn_params *p = packed(m, AG_F64);
    ck_assert_uint_eq(nn_params_count(p), 1);
    ck_assert_int_eq(nn_params_elements(p), 3);
    ck_assert_uint_eq(nn_params_kept(p), 3);
    ck_assert_str_eq(ag_tensor_name(nn_params_keep(p, 0)), "gain");
    ck_assert_str_eq(ag_tensor_name(nn_params_keep(p, 1)), "running_mean");
    ck_assert_ptr_eq(nn_params_find(p, "seen"), seen->tensor);
    ck_assert_ptr_null(nn_params_keep(p, 3));
    ck_assert_int_eq(ag_tensor_meta(mean->tensor)->dtype, AG_F64);
    ck_assert(((const double *)ag_tensor_data(mean->tensor))[2] == 0.5);
    ck_assert(((const int64_t *)ag_tensor_data(seen->tensor))[0] == 7);
    ag_tape *t = ag_tape_new(NULL);
    nn_pass pass = {.tape = t};
    ag_value y = ag_sum_all(ag_mul(nn_use(&pass, gain), nn_use(&pass, mean)));
    ck_assert_int_eq(ag_backward(y), AG_OK);
    ck_assert(((const double *)ag_tensor_grad(gain->tensor))[1] == 0.5);
    ag_tape_free(t);
    nn_params_free(p);
    ck_assert_ptr_null(mean->tensor);
    nn_module_free(m);
}
END_TEST

START_TEST(paths_begin_below_the_root_that_is_packed) {
    nn_module *m = tree();
    nn_params *p = packed(m->children, AG_F32);
    ck_assert_uint_eq(nn_params_count(p), 3);
    ck_assert_str_eq(nn_params_name(p, 0), "0.weight");
    nn_params_free(p);
    nn_module_free(m);
}
END_TEST

START_TEST(parts_are_aligned_and_the_padding_is_zero) {
    static const ag_dtype dtypes[] = {AG_F32, AG_F64};
    for (int k = 0; k < 2; k++) {
        nn_module *m = tree();
        nn_params *p = packed(m, dtypes[k]);
        ag_tensor *slab = nn_params_slab(p);
        const int64_t length = ag_tensor_count(slab);
        double sum = 0;
        for (int64_t i = 0; i < length; i++) sum += ag_tensor_get(slab, i);
        ck_assert_double_eq(sum, (double)nn_params_elements(p)); /* ones in the parts, nothing beside them */
        const char *begin = ag_tensor_data(slab), *end = begin + (size_t)length * ag_dtype_size(dtypes[k]);
        for (size_t i = 0; i < PATHS; i++) {
            const char *part = ag_tensor_data(nn_params_tensor(p, i));
            ck_assert_uint_eq((uintptr_t)part % 64, 0);
            ck_assert(part >= begin && part + ag_meta_bytes(ag_tensor_meta(nn_params_tensor(p, i))) <= end);
        }
        nn_params_free(p);
        nn_module_free(m);
    }
}
END_TEST

START_TEST(writing_the_slab_writes_the_parts_and_counts_as_such) {
    nn_module *m = tree();
    nn_params *p = packed(m, AG_F64);
    const uint64_t version = ag_tensor_version(nn_params_tensor(p, 1));
    ck_assert_int_eq(ag_tensor_fill(nn_params_slab(p), 7), AG_OK);
    ck_assert_double_eq(ag_tensor_get(nn_params_tensor(p, 1), 14), 7);
    ck_assert_uint_ne(ag_tensor_version(nn_params_tensor(p, 1)), version);
    nn_params_free(p);
    nn_module_free(m);
}
END_TEST

START_TEST(a_tree_is_packed_once_at_a_time) {
    nn_module *m = tree();
    nn_params *p = packed(m, AG_F32);
    ag_error error = {0};
    ck_assert_ptr_null(nn_params_new(m, AG_F32, 1, &error));
    ck_assert_int_eq(error.status, AG_ERROR_STATE);
    ck_assert_ptr_eq(m->params->tensor, nn_params_tensor(p, 0));
    nn_params_free(p);
    ck_assert_ptr_null(m->params->tensor);
    nn_params_free(packed(m, AG_F64));
    nn_module_free(m);
}
END_TEST

START_TEST(what_cannot_be_packed_is_refused_and_the_tree_is_as_it_was) {
    nn_module *m = tree();
    const int64_t n = 4;
    ag_error error = {0};
    ck_assert_ptr_null(nn_params_new(m, AG_I64, 1, &error));
    ck_assert_int_eq(error.status, AG_ERROR_DTYPE);
    ck_assert_ptr_nonnull(nn_module_param(m->children, "odd", 1, &n, nn_init_normal(0, -1), NULL));
    ck_assert_ptr_null(nn_params_new(m, AG_F32, 1, &error));
    ck_assert_int_eq(error.status, AG_ERROR_VALUE);
    ck_assert_ptr_nonnull(strstr(error.message, "\"encoder.odd\""));
    ck_assert_ptr_null(m->params->tensor);
    nn_module_free(m);

    m = test_box();
    const int64_t huge = INT64_MAX / 16;
    for (int i = 0; i < 3; i++) {
        const char name[] = {(char)('a' + i), '\0'};
        ck_assert_ptr_nonnull(nn_module_param(m, name, 1, &huge, nn_init_constant(0), NULL));
    }
    ck_assert_ptr_null(nn_params_new(m, AG_F64, 1, &error));
    ck_assert_int_eq(error.status, AG_ERROR_SHAPE);
    nn_module_free(m);
}
END_TEST

START_TEST(a_constructor_that_failed_keeps_its_own_message) {
    ag_error error = {0};
    ck_assert_ptr_null(nn_params_new(nn_linear(-1, 2, &error), AG_F32, 1, &error));
    ck_assert_int_eq(error.status, AG_ERROR_SHAPE);
    error = (ag_error){0};
    ck_assert_ptr_null(nn_params_new(NULL, AG_F32, 1, &error));
    ck_assert_int_eq(error.status, AG_ERROR_VALUE);
    nn_params_free(NULL);
}
END_TEST

START_TEST(a_network_without_parameters_is_legal) {
    nn_module *m = test_box();
    nn_params *p = packed(m, AG_F32);
    ck_assert_uint_eq(nn_params_count(p), 0);
    ck_assert_int_eq(nn_params_elements(p), 0);
    ck_assert_ptr_null(nn_params_find(p, "weight"));
    nn_params_zero_grad(p);
    const ag_tensor *gradient;
    ck_assert_int_eq(nnx_params_gradient(p, &gradient, NULL), AG_OK);
    nn_params_free(p);
    nn_module_free(m);
}
END_TEST

static double sum_of(const ag_tensor *x) {
    double sum = 0;
    for (int64_t i = 0; i < ag_tensor_count(x); i++) sum += ag_tensor_get(x, i);
    return sum;
}

START_TEST(the_gradient_is_zero_where_nothing_arrived) {
    nn_module *m = tree();
    nn_params *p = packed(m, AG_F32);
    const ag_tensor *gradient;
    ck_assert_int_eq(nnx_params_gradient(p, &gradient, NULL), AG_OK);
    ck_assert_double_eq(sum_of(gradient), 0);
    for (size_t i = 0; i < PATHS; i++) {
        float *g = ag_tensor_grad_write(nn_params_tensor(p, i));
        for (int64_t k = 0; k < ag_tensor_count(nn_params_tensor(p, i)); k++) g[k] = 1;
    }
    ck_assert_int_eq(nnx_params_gradient(p, &gradient, NULL), AG_OK);
    ck_assert_double_eq(sum_of(gradient), 19);
    nn_params_zero_grad(p); /* lazily: the ones are still in the buffer */
    ((float *)ag_tensor_grad_write(nn_params_find(p, "encoder.0.bias")))[1] = 5;
    ck_assert_int_eq(nnx_params_gradient(p, &gradient, NULL), AG_OK);
    ck_assert_double_eq(sum_of(gradient), 5);
    nn_params_free(p);
    nn_module_free(m);
}
END_TEST

START_TEST(the_same_seed_gives_the_same_start) {
    double first[2] = {0};
    for (int k = 0; k < 3; k++) {
        nn_module *m = nn_linear(6, 4, NULL);
        nn_params *p = nn_params_new(m, AG_F64, k == 2 ? 8 : 7, NULL);
        const double now[2] = {ag_tensor_get(nn_params_tensor(p, 0), 23),
                               ag_tensor_get(nn_params_tensor(p, 1), 3)};
        if (k == 0) memcpy(first, now, sizeof first);
        if (k == 1) ck_assert_mem_eq(now, first, sizeof first);
        if (k == 2) ck_assert_mem_ne(now, first, sizeof first);
        nn_params_free(p);
        nn_module_free(m);
    }
}
END_TEST

START_TEST(a_thousand_parameters_keep_their_paths) {
    nn_module *m = test_box();
    const int64_t n = 1;
    char name[32];
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(name, sizeof name, "p%d", i);
        ck_assert_ptr_nonnull(nn_module_param(m, name, 1, &n, nn_init_constant(i), NULL));
    }
    nn_params *p = packed(m, AG_F64);
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(name, sizeof name, "p%d", i);
        ck_assert_double_eq(ag_tensor_get(nn_params_find(p, name), 0), i);
    }
    nn_params_free(p);
    nn_module_free(m);
}
END_TEST

static nn_module *shared_tree;

static bool pack_and_free(void) {
    ag_error error = {0};
    nn_params *p = nn_params_new(shared_tree, AG_F32, 1, &error);
    if (!p) {
        ck_assert_int_eq(error.status, AG_ERROR_MEMORY);
        ck_assert_ptr_null(shared_tree->params->tensor);
    }
    nn_params_free(p);
    return p != NULL;
}

START_TEST(every_failed_allocation_is_reported_and_leaves_nothing) {
    shared_tree = test_box();
    const int64_t n = 3;
    char name[32];
    for (int i = 0; i < 200; i++) { /* so many that the table of paths grows, too */
        (void)snprintf(name, sizeof name, "parameter%d", i);
        ck_assert_ptr_nonnull(nn_module_param(shared_tree, name, 1, &n, nn_init_constant(i), NULL));
    }
    test_every_allocation(pack_and_free);
    nn_module_free(shared_tree);
}
END_TEST

Suite *param_suite(void) {
    Suite *s = suite_create("param");
    TCase *tc = tcase_create("param");
    tcase_add_test(tc, parameters_are_found_by_path_in_order_of_declaration);
    tcase_add_test(tc, buffers_are_kept_and_saved_but_not_trained);
    tcase_add_test(tc, paths_begin_below_the_root_that_is_packed);
    tcase_add_test(tc, parts_are_aligned_and_the_padding_is_zero);
    tcase_add_test(tc, writing_the_slab_writes_the_parts_and_counts_as_such);
    tcase_add_test(tc, a_tree_is_packed_once_at_a_time);
    tcase_add_test(tc, what_cannot_be_packed_is_refused_and_the_tree_is_as_it_was);
    tcase_add_test(tc, a_constructor_that_failed_keeps_its_own_message);
    tcase_add_test(tc, a_network_without_parameters_is_legal);
    tcase_add_test(tc, the_gradient_is_zero_where_nothing_arrived);
    tcase_add_test(tc, the_same_seed_gives_the_same_start);
    tcase_add_test(tc, a_thousand_parameters_keep_their_paths);
    tcase_add_test(tc, every_failed_allocation_is_reported_and_leaves_nothing);
    suite_add_tcase(s, tc);
    return s;
}
