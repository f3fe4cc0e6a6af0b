/* deep: graphs as deep as they are long, on a stack that recursion would overflow. The build runs this suite under
 * `ulimit -s 256` and says so with GRADUS_SMALL_STACK=1. */
#define _POSIX_C_SOURCE 200809L
#include "support/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

START_TEST(the_stack_is_small_where_the_build_says_so) {
    const char *small = getenv("GRADUS_SMALL_STACK");
    if (!small || strcmp(small, "1") != 0) return;
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_STACK, &limit), 0);
    ck_assert_uint_le(limit.rlim_cur, 256 * 1024);
}
END_TEST

/* A chain that stays bounded: dy/dx = one^k with one = 1 and k = products minus quotients. */
static ag_value step(ag_value x, ag_value one, double *k) {
    switch (x.id % 4) {
    case 0: return ag_add_number(x, 1e-6);
    case 1: ++*k; return ag_mul(x, one);
    case 2: return ag_neg(ag_neg(ag_neg(ag_neg(x))));
    default: --*k; return ag_div(x, one);
    }
}

START_TEST(a_million_scalar_operations_record_and_differentiate) {
    enum { N = 1000000 };
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ag_scalar(t, 0.5), one = ag_scalar(t, 1), y = x;
    double k = 0;
    while (ag_tape_statistics(t).records < N) y = step(y, one, &k);
    ck_assert_int_eq(ag_backward(y), AG_OK);
    ck_assert_double_eq(ag_item_grad(x), 1);
    ck_assert(isfinite(ag_item_grad(one)));
    ag_tape_free(t);
}
END_TEST

START_TEST(two_hundred_thousand_tensor_operations_record_and_differentiate) {
    enum { N = 200000 };
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ag_array_leaf(t, AG_F32, 1, &(int64_t){3}, (const double[]){0.5, 1, 2});
    ag_value one = ag_array_leaf(t, AG_F32, 0, NULL, (const double[]){1}), y = x;
    double k = 0;
    while (ag_tape_statistics(t).records < N) y = step(y, one, &k);
    ck_assert_int_eq(ag_backward(ag_sum_all(y)), AG_OK);
    double dx[3];
    ck_assert_int_eq(ag_adjoint_f64(x, dx, 3), AG_OK);
    for (int i = 0; i < 3; i++) ck_assert_double_eq(dx[i], 1);
    ag_tape_free(t);
}
END_TEST

START_TEST(a_hundred_thousand_operations_have_a_recorded_gradient) {
    enum { N = 100000 };
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ag_scalar(t, 0.5), one = ag_scalar(t, 1), y = x;
    double k = 0;
    while (ag_tape_statistics(t).records < N / 2) y = step(y, one, &k);
    ag_value z = ag_reshape(y, 1, (const int64_t[]){1}); /* half of it as tensors */
    while (ag_tape_statistics(t).records < N) z = step(z, one, &k);
    ag_value dx;
    ck_assert_int_eq(ag_grad(&z, NULL, 1, &x, 1, &dx), AG_OK);
    ck_assert_double_eq(ag_item(dx), 1);
    ck_assert_int_eq(ag_backward(dx), AG_OK); /* and back through the recorded sweep */
    ck_assert_double_eq(ag_item_grad(x), 0);
    ck_assert_double_eq(ag_item_grad(one), k);
    ag_tape_free(t);
}
END_TEST

START_TEST(a_million_records_rewind_at_once) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = ag_scalar(t, 0.5);
    ag_mark m = ag_tape_mark(t);
    for (int round = 0; round < 3; round++) {
        ag_value y = x;
        for (int i = 0; i < 400000; i++) y = ag_add_number(y, 1e-6);
        ck_assert_int_eq(ag_backward(y), AG_OK);
        ck_assert_int_eq(ag_tape_rewind(t, m), AG_OK);
        ck_assert(!ag_ok(y));
    }
    ck_assert_double_eq(ag_item_grad(x), 3);
    ag_tape_free(t);
}
END_TEST

Suite *deep_suite(void) {
    Suite *s = suite_create("deep");
    TCase *c = tcase_create("deep");
    tcase_set_timeout(c, 120);
    suite_add_tcase(s, c);
    tcase_add_test(c, the_stack_is_small_where_the_build_says_so);
    tcase_add_test(c, a_million_scalar_operations_record_and_differentiate);
    tcase_add_test(c, two_hundred_thousand_tensor_operations_record_and_differentiate);
    tcase_add_test(c, a_hundred_thousand_operations_have_a_recorded_gradient);
    tcase_add_test(c, a_million_records_rewind_at_once);
    return s;
}
