/* tensor: making, converting, versions, parts, and the states of the gradient. */
#include <autograd/tensor_impl.h>

#include <check.h>
#include <math.h>
#include <string.h>

static ag_tensor *row(ag_dtype dtype, int64_t n) {
    ag_error error = {0};
    ag_tensor *x = ag_tensor_new(dtype, 1, &n, &error);
    ck_assert_msg(x != NULL, "%s", error.message);
    return x;
}

START_TEST(a_new_tensor_is_zero_dense_and_aligned) {
    const int64_t dim[2] = {3, 5};
    for (int dtype = 0; dtype < AG_DTYPE_COUNT; dtype++) {
        ag_tensor *x = ag_tensor_new((ag_dtype)dtype, 2, dim, NULL);
        ck_assert_ptr_nonnull(x);
        ck_assert_int_eq(ag_tensor_meta(x)->dtype, dtype);
        ck_assert(ag_meta_is_dense(ag_tensor_meta(x)));
        ck_assert_int_eq(ag_tensor_count(x), 15);
        ck_assert_uint_eq((uintptr_t)ag_tensor_data(x) % 64, 0);
        for (int64_t i = 0; i < 15; i++) ck_assert(ag_tensor_get(x, i) == 0);
        ag_tensor_free(x);
    }
    ag_tensor_free(NULL);
}
END_TEST

START_TEST(scalars_and_empty_tensors_are_legal) {
    ag_tensor *scalar = ag_tensor_from(AG_F32, 0, NULL, (const double[]){2.5}, NULL);
    ck_assert_int_eq(ag_tensor_count(scalar), 1);
    ck_assert(ag_tensor_get(scalar, 0) == 2.5);
    ag_tensor_free(scalar);
    ag_tensor *empty = row(AG_F64, 0);
    ck_assert_ptr_nonnull(ag_tensor_data(empty));
    ck_assert_int_eq(ag_tensor_need_grad(empty), AG_OK);
    ck_assert_ptr_nonnull(ag_tensor_grad(empty));
    ag_tensor_free(empty);
}
END_TEST

START_TEST(a_bad_shape_gives_null_and_a_reason) {
    ag_error error = {0};
    ck_assert_ptr_null(ag_tensor_new(AG_F32, 1, (const int64_t[]){-2}, &error));
    ck_assert_int_eq(error.status, AG_ERROR_SHAPE);
    ck_assert_ptr_null(ag_tensor_new(AG_F32, 9, NULL, &error));
}
END_TEST

START_TEST(values_convert_to_each_dtype) {
    const double in[] = {0, -1.75, 2.5, NAN, 1e300, -1e300, INFINITY};
    enum { N = sizeof in / sizeof *in };
    const int64_t n = N;
    double out[N];
    ag_tensor *mask = ag_tensor_from(AG_BOOL, 1, &n, in, NULL);
    ck_assert_int_eq(ag_tensor_read_f64(mask, out, n), AG_OK);
    for (int i = 0; i < N; i++) ck_assert(out[i] == (i == 0 ? 0 : 1));
    ag_tensor_free(mask);

    ag_tensor *index = ag_tensor_from(AG_I64, 1, &n, in, NULL);
    const int64_t expected[N] = {0, -1, 2, 0, INT64_MAX, INT64_MIN, INT64_MAX};
    ck_assert_mem_eq(ag_tensor_data(index), expected, sizeof expected);
    ag_tensor_free(index);

    ag_tensor *single = ag_tensor_from(AG_F32, 1, &n, in, NULL);
    ck_assert_int_eq(ag_tensor_read_f64(single, out, n), AG_OK);
    ck_assert(out[1] == -1.75 && out[2] == 2.5 && isnan(out[3]) && out[4] == INFINITY && out[6] == INFINITY);
    ag_tensor_free(single);

    ag_tensor *twice = ag_tensor_from(AG_F64, 1, &n, in, NULL);
    ck_assert_int_eq(ag_tensor_read_f64(twice, out, n), AG_OK);
    ck_assert_mem_eq(out, in, sizeof in);
    ag_tensor_free(twice);
}
END_TEST

START_TEST(elements_are_set_and_got_by_index) {
    ag_tensor *x = row(AG_F32, 3);
    ck_assert_int_eq(ag_tensor_set(x, 2, 7), AG_OK);
    ck_assert(ag_tensor_get(x, 2) == 7);
    ck_assert_int_eq(ag_tensor_set(x, 3, 1), AG_ERROR_INDEX);
    ck_assert_int_eq(ag_tensor_set(x, -1, 1), AG_ERROR_INDEX);
    ck_assert(isnan(ag_tensor_get(x, 3)));
    ck_assert(isnan(ag_tensor_get(x, -1)));
    ck_assert_int_eq(ag_tensor_fill(x, 4), AG_OK);
    for (int i = 0; i < 3; i++) ck_assert(ag_tensor_get(x, i) == 4);
    ag_tensor_free(x);
}
END_TEST

START_TEST(copies_of_the_wrong_length_are_refused) {
    ag_tensor *x = row(AG_F64, 3);
    double values[4] = {1, 2, 3, 4};
    uint64_t version = ag_tensor_version(x);
    ck_assert_int_eq(ag_tensor_write_f64(x, values, 4), AG_ERROR_SHAPE);
    ck_assert_int_eq(ag_tensor_read_f64(x, values, 2), AG_ERROR_SHAPE);
    ck_assert_uint_eq(ag_tensor_version(x), version);
    ck_assert_int_eq(ag_tensor_write_f64(x, values, 3), AG_OK);
    ck_assert(ag_tensor_get(x, 1) == 2);
    ag_tensor_free(x);
}
END_TEST

START_TEST(every_way_to_write_bumps_the_version_and_none_to_read) {
    ag_tensor *x = row(AG_F64, 2);
    const double values[2] = {1, 2};
    double out[2];
    uint64_t version = ag_tensor_version(x);
    ck_assert_ptr_eq(ag_tensor_write(x), ag_tensor_data(x));
    ck_assert_uint_eq(ag_tensor_version(x), ++version);
    ck_assert_int_eq(ag_tensor_set(x, 0, 1), AG_OK);
    ck_assert_uint_eq(ag_tensor_version(x), ++version);
    ck_assert_int_eq(ag_tensor_fill(x, 1), AG_OK);
    ck_assert_uint_eq(ag_tensor_version(x), ++version);
    ck_assert_int_eq(ag_tensor_write_f64(x, values, 2), AG_OK);
    ck_assert_uint_eq(ag_tensor_version(x), ++version);
    ck_assert_int_eq(ag_tensor_read_f64(x, out, 2), AG_OK);
    ag_tensor_get(x, 0);
    ck_assert_ptr_nonnull(ag_tensor_grad_write(x));
    ag_tensor_zero_grad(x);
    ck_assert_uint_eq(ag_tensor_version(x), version);
    ag_tensor_free(x);
}
END_TEST

START_TEST(borrowed_memory_stays_the_callers) {
    float data[4] = {1, 2, 3, 4}, grad[4] = {9, 9, 9, 9};
    const int64_t dim[2] = {2, 2};
    ag_tensor *x = ag_tensor_borrow(AG_F32, 2, dim, data, grad, NULL);
    ck_assert_ptr_eq(ag_tensor_data(x), data);
    ck_assert_int_eq(ag_tensor_set(x, 3, 8), AG_OK);
    ck_assert(data[3] == 8);
    ck_assert_ptr_eq(ag_tensor_grad(x), grad);
    ck_assert(grad[0] == 0); /* what it held was not a gradient yet */
    ag_tensor_free(x);
    x = ag_tensor_borrow(AG_F32, 2, dim, data, NULL, NULL);
    ck_assert_int_eq(ag_tensor_need_grad(x), AG_OK);
    ag_tensor_free(x);
}
END_TEST

START_TEST(borrowing_checks_the_memory) {
    _Alignas(8) char bytes[32];
    const int64_t n = 2;
    ag_error error = {0};
    ck_assert_ptr_null(ag_tensor_borrow(AG_F64, 1, &n, bytes + 4, NULL, &error));
    ck_assert_int_eq(error.status, AG_ERROR_VALUE);
    ck_assert_ptr_null(ag_tensor_borrow(AG_F64, 1, &n, bytes, bytes + 2, &error));
    ck_assert_int_eq(error.status, AG_ERROR_VALUE);
    ck_assert_ptr_null(ag_tensor_borrow(AG_F64, 1, &n, NULL, NULL, &error));
    ck_assert_int_eq(error.status, AG_ERROR_VALUE);
    ck_assert_ptr_null(ag_tensor_borrow(AG_I64, 1, &n, bytes, bytes, &error));
    ck_assert_int_eq(error.status, AG_ERROR_DTYPE);
}
END_TEST

START_TEST(a_part_shares_data_and_gradient) {
    ag_tensor *slab = row(AG_F32, 10);
    ck_assert_int_eq(ag_tensor_need_grad(slab), AG_OK);
    ag_tensor *part = ag_tensor_part(slab, 4, 2, (const int64_t[]){2, 3}, NULL);
    ck_assert_int_eq(ag_tensor_set(part, 1, 5), AG_OK);
    ck_assert(ag_tensor_get(slab, 5) == 5);
    float *dx = ag_tensor_grad_write(part);
    ck_assert_ptr_eq(dx, (float *)slab->grad + 4);
    for (int i = 0; i < 6; i++) ck_assert(dx[i] == 0);
    ag_tensor_free(part);
    ag_tensor_free(slab);
}
END_TEST

START_TEST(a_part_of_a_parent_without_gradient_has_its_own) {
    ag_tensor *slab = row(AG_F32, 10), *part = ag_tensor_part(slab, 4, 0, NULL, NULL);
    ck_assert_int_eq(ag_tensor_need_grad(part), AG_OK);
    ck_assert_ptr_null(ag_tensor_grad(slab));
    ag_tensor_free(part);
    ag_tensor_free(slab);
}
END_TEST

START_TEST(parts_and_parent_keep_separate_gradient_states) {
    ag_tensor *slab = row(AG_F32, 4);
    ck_assert_int_eq(ag_tensor_need_grad(slab), AG_OK);
    ag_tensor *one = ag_tensor_part(slab, 0, 1, (const int64_t[]){2}, NULL);
    ag_tensor *other = ag_tensor_part(slab, 2, 1, (const int64_t[]){2}, NULL);
    ((float *)ag_tensor_grad_write(one))[0] = 3;
    ag_tensor_zero_grad(slab);
    ag_tensor_zero_grad(other);
    ck_assert(ag_tensor_grad_get(one, 0) == 3);
    other->grad_state = AGX_GRAD_INVALID;
    ck_assert_int_eq(ag_tensor_grad_status(one), AG_OK);
    ck_assert_int_eq(ag_tensor_grad_status(slab), AG_OK);
    ag_tensor_free(one);
    ag_tensor_free(other);
    ag_tensor_free(slab);
}
END_TEST

START_TEST(a_part_must_lie_inside_its_parent) {
    ag_tensor *slab = row(AG_F32, 10);
    ag_error error = {0};
    const int64_t six = 6, eleven = 11, zero = 0;
    ck_assert_ptr_null(ag_tensor_part(slab, 5, 1, &six, &error));
    ck_assert_int_eq(error.status, AG_ERROR_SHAPE);
    ck_assert_ptr_null(ag_tensor_part(slab, -1, 1, &six, &error));
    ck_assert_ptr_null(ag_tensor_part(slab, 0, 1, &eleven, &error));
    ck_assert_ptr_null(ag_tensor_part(slab, INT64_MAX, 1, &six, &error));
    ag_tensor *end = ag_tensor_part(slab, 10, 1, &zero, &error);
    ck_assert_ptr_nonnull(end);
    ag_tensor_free(end);
    ag_tensor_free(slab);
}
END_TEST

START_TEST(writing_part_or_parent_counts_as_writing_the_part) {
    ag_tensor *slab = row(AG_F32, 10), *part = ag_tensor_part(slab, 0, 1, (const int64_t[]){2}, NULL);
    uint64_t version = ag_tensor_version(part);
    ag_tensor_write(slab);
    ck_assert_uint_eq(ag_tensor_version(part), version + 1);
    uint64_t whole = ag_tensor_version(slab);
    ag_tensor_write(part);
    ck_assert_uint_eq(ag_tensor_version(part), version + 2);
    ck_assert_uint_eq(ag_tensor_version(slab), whole);
    ag_tensor_free(part);
    ag_tensor_free(slab);
}
END_TEST

START_TEST(names_are_copied) {
    ag_tensor *x = row(AG_F32, 1);
    ck_assert_str_eq(ag_tensor_name(x), "");
    char name[] = "0.weight";
    ck_assert_int_eq(ag_tensor_set_name(x, name), AG_OK);
    name[0] = 'X';
    ck_assert_str_eq(ag_tensor_name(x), "0.weight");
    ck_assert_int_eq(ag_tensor_set_name(x, ag_tensor_name(x)), AG_OK);
    ck_assert_str_eq(ag_tensor_name(x), "0.weight");
    ck_assert_int_eq(ag_tensor_set_name(x, NULL), AG_OK);
    ck_assert_str_eq(ag_tensor_name(x), "");
    ag_tensor_free(x);
}
END_TEST

START_TEST(a_tensor_starts_without_a_gradient) {
    ag_tensor *x = row(AG_F32, 3);
    ck_assert_ptr_null(ag_tensor_grad(x));
    ck_assert(ag_tensor_grad_get(x, 0) == 0);
    ag_tensor_zero_grad(x);
    ck_assert_ptr_null(ag_tensor_grad(x));
    ck_assert_int_eq(ag_tensor_grad_status(x), AG_OK);
    ag_tensor_free(x);
}
END_TEST

START_TEST(a_zeroed_gradient_reads_as_zeros) {
    ag_tensor *x = row(AG_F64, 3);
    double *dx = ag_tensor_grad_write(x);
    ck_assert_ptr_nonnull(dx);
    dx[1] = 5;
    ck_assert(ag_tensor_grad_get(x, 1) == 5);
    ag_tensor_zero_grad(x);
    ck_assert(ag_tensor_grad_get(x, 1) == 0);
    const double *read = ag_tensor_grad(x);
    ck_assert(read[0] == 0 && read[1] == 0 && read[2] == 0);
    ck_assert(isnan(ag_tensor_grad_get(x, 3)));
    ag_tensor_free(x);
}
END_TEST

START_TEST(an_invalid_gradient_is_refused_until_zeroed) {
    ag_tensor *x = row(AG_F64, 3);
    ck_assert_int_eq(ag_tensor_need_grad(x), AG_OK);
    x->grad_state = AGX_GRAD_INVALID;
    bool overwrite;
    ck_assert_ptr_null(ag_tensor_grad(x));
    ck_assert_ptr_null(ag_tensor_grad_write(x));
    ck_assert_ptr_null(agx_tensor_grad_target(x, &overwrite));
    ck_assert(isnan(ag_tensor_grad_get(x, 0)));
    ck_assert_int_eq(ag_tensor_grad_status(x), AG_ERROR_STATE);
    ag_tensor_zero_grad(x);
    ck_assert_int_eq(ag_tensor_grad_status(x), AG_OK);
    ck_assert_ptr_nonnull(ag_tensor_grad(x));
    ag_tensor_free(x);
}
END_TEST

START_TEST(the_first_contribution_overwrites_an_empty_gradient) {
    ag_tensor *x = row(AG_F64, 3);
    bool overwrite = false;
    double *dx = agx_tensor_grad_target(x, &overwrite);
    ck_assert_ptr_nonnull(dx);
    ck_assert(overwrite);
    x->grad_state = AGX_GRAD_VALID;
    ck_assert_ptr_eq(agx_tensor_grad_target(x, &overwrite), dx);
    ck_assert(!overwrite);
    memset(dx, 0, 3 * sizeof *dx);
    ag_tensor_free(x);
}
END_TEST

START_TEST(only_floating_tensors_have_gradients) {
    ag_tensor *x = row(AG_I64, 3);
    ck_assert_int_eq(ag_tensor_need_grad(x), AG_ERROR_DTYPE);
    ck_assert_ptr_null(ag_tensor_grad_write(x));
    ag_tensor_free(x);
}
END_TEST

/* Refuses the call numbered `fail`, serves the others from what stood before it. */
typedef struct failing {
    int calls, fail;
    long live;
} failing;

static void *failing_resize(void *user, void *old, size_t old_size, size_t new_size, size_t alignment) {
    failing *f = user;
    if (new_size && f->calls++ == f->fail) return NULL;
    ag_set_allocator(NULL);
    void *block = NULL;
    if (new_size)
        block = old ? ag_realloc(old, old_size, new_size) : ag_alloc(new_size);
    else
        ag_release(old, old_size);
    ag_set_allocator(&(ag_allocator){failing_resize, f});
    (void)alignment;
    f->live += (long)new_size - (long)old_size;
    return block;
}

START_TEST(without_memory_nothing_is_leaked) {
    const int64_t n = 5;
    for (int fail = 0;; fail++) {
        failing f = {.fail = fail};
        ag_error error = {0};
        ag_set_allocator(&(ag_allocator){failing_resize, &f});
        ag_tensor *x = ag_tensor_new(AG_F32, 1, &n, &error);
        bool failed = !x;
        if (x) {
            failed = ag_tensor_set_name(x, "w") != AG_OK;
            if (!failed) failed = ag_tensor_need_grad(x) != AG_OK;
            ag_tensor_free(x);
        } else
            ck_assert_int_eq(error.status, AG_ERROR_MEMORY);
        ag_set_allocator(NULL);
        ck_assert_int_eq(f.live, 0);
        if (!failed) break;
        ck_assert_int_lt(fail, 10);
    }
}
END_TEST

Suite *tensor_suite(void);
Suite *tensor_suite(void) {
    Suite *s = suite_create("tensor");
    TCase *data = tcase_create("data");
    tcase_add_test(data, a_new_tensor_is_zero_dense_and_aligned);
    tcase_add_test(data, scalars_and_empty_tensors_are_legal);
    tcase_add_test(data, a_bad_shape_gives_null_and_a_reason);
    tcase_add_test(data, values_convert_to_each_dtype);
    tcase_add_test(data, elements_are_set_and_got_by_index);
    tcase_add_test(data, copies_of_the_wrong_length_are_refused);
    tcase_add_test(data, every_way_to_write_bumps_the_version_and_none_to_read);
    tcase_add_test(data, borrowed_memory_stays_the_callers);
    tcase_add_test(data, borrowing_checks_the_memory);
    tcase_add_test(data, names_are_copied);
    tcase_add_test(data, without_memory_nothing_is_leaked);
    suite_add_tcase(s, data);
    TCase *parts = tcase_create("parts");
    tcase_add_test(parts, a_part_shares_data_and_gradient);
    tcase_add_test(parts, a_part_of_a_parent_without_gradient_has_its_own);
    tcase_add_test(parts, parts_and_parent_keep_separate_gradient_states);
    tcase_add_test(parts, a_part_must_lie_inside_its_parent);
    tcase_add_test(parts, writing_part_or_parent_counts_as_writing_the_part);
    suite_add_tcase(s, parts);
    TCase *gradient = tcase_create("gradient");
    tcase_add_test(gradient, a_tensor_starts_without_a_gradient);
    tcase_add_test(gradient, a_zeroed_gradient_reads_as_zeros);
    tcase_add_test(gradient, an_invalid_gradient_is_refused_until_zeroed);
    tcase_add_test(gradient, the_first_contribution_overwrites_an_empty_gradient);
    tcase_add_test(gradient, only_floating_tensors_have_gradients);
    suite_add_tcase(s, gradient);
    return s;
}
