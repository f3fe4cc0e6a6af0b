/* nn_support: what the tests of nn share - the loop that makes every allocation fail, reading values, a module that only
 * holds parameters, gradients that no backward made. */
#ifndef TESTS_NN_SUPPORT_H
#define TESTS_NN_SUPPORT_H

#include <nn/nn.h>

#include "support/support.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/** Run `attempt`, which returns whether it succeeded and leaves nothing behind, with allocation 1, 2, 3... failing,
 *  until it succeeds. Every failure must leave the live bytes where they were. */
static inline void test_every_allocation(bool (*attempt)(void)) {
    counting_allocator_install();
    counting_allocator_fail_at(0);
    ck_assert_msg(attempt(), "fails with memory enough"); /* fills process-wide tables, too */
    const long live = counting_allocator_live();
    bool done = false;
    long k = 0;
    while (!done) {
        counting_allocator_fail_at(++k);
        done = attempt();
        ck_assert_msg(done == (counting_allocator_calls() < k), "allocation %ld: success and failure confused", k);
        ck_assert_msg(counting_allocator_live() == live, "allocation %ld: %ld bytes are left behind", k,
                      counting_allocator_live() - live);
    }
    counting_allocator_fail_at(0);
    ck_assert_int_gt(k, 1); /* something was allocated at all */
}

static inline void test_read(ag_value x, double *values, int64_t n) {
    ck_assert_msg(ag_ok(x), "%s", ag_tape_message(x.tape));
    ck_assert_int_eq(ag_read_f64(x, values, n), AG_OK);
}

static inline ag_value test_pass_on(nn_module *m, nn_pass *pass, ag_value x) {
    (void)m, (void)pass;
    return x;
}
/** A module that computes nothing, to declare parameters in. */
static inline nn_module *test_box(void) {
    nn_module *m = nn_module_new(sizeof *m, "box", test_pass_on, NULL);
    ck_assert_ptr_nonnull(m);
    return m;
}

/** Element i of the gradient of x, f32 or f64. */
static inline void test_set_grad(ag_tensor *x, int64_t i, double value) {
    void *g = ag_tensor_grad_write(x);
    if (ag_tensor_meta(x)->dtype == AG_F32)
        ((float *)g)[i] = (float)value;
    else
        ((double *)g)[i] = value;
}

#endif
