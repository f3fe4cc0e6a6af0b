/* recompute: segments drop their numbers and find them again - the same bits, less memory, any order. */
#include "core_support.h"

#include <autograd/ops.h>
#include <autograd/tape_impl.h>

enum { LAYERS = 64, WIDTH = 64, ROWS = 32 };

/* A chain of layers in segments of `every` (0: none): mean(h^2) with the gradients of input and weights. */
typedef struct chain {
    double y, dx[ROWS * WIDTH], dw[WIDTH * WIDTH];
    size_t peak;
} chain;

static void run_chain(chain *c, ag_dtype dtype, int every, bool recorded) {
    static double x0[ROWS * WIDTH], w0[WIDTH * WIDTH];
    ag_random r = {.seed = 3};
    random_values(&r, x0, ROWS * WIDTH, -1, 1, 0);
    random_values(&r, w0, WIDTH * WIDTH, -0.2, 0.2, 0);
    ag_tensor *w = ag_tensor_from(dtype, 2, (const int64_t[]){WIDTH, WIDTH}, w0, NULL);
    ag_tape *t = ag_tape_new(&(ag_tape_options){.seed = 9});
    ag_value x = ag_array_leaf(t, dtype, 2, (const int64_t[]){ROWS, WIDTH}, x0), p = ag_leaf(t, w), h = x;
    for (int i = 0; i < LAYERS; i++) {
        if (every && i % every == 0) ck_assert_int_eq(ag_recompute_begin(t, "layers"), AG_OK);
        h = ag_dropout(ag_tanh(ag_add(ag_matmul(h, p), h)), 0.1);
        if (every && i % every == every - 1) ck_assert_int_eq(ag_recompute_end(t, &h, 1), AG_OK);
    }
    ag_value y = ag_mean_all(ag_square(h)), wrt[] = {x, p}, d[2];
    c->y = ag_item(y);
    if (recorded) {
        ck_assert_msg(ag_grad(&y, NULL, 1, wrt, 2, d) == AG_OK, "%s", ag_tape_message(t));
        ck_assert_int_eq(ag_read_f64(d[0], c->dx, ROWS * WIDTH), AG_OK);
        ck_assert_int_eq(ag_read_f64(d[1], c->dw, WIDTH * WIDTH), AG_OK);
    } else {
        sweep(y);
        ck_assert_int_eq(ag_adjoint_f64(x, c->dx, ROWS * WIDTH), AG_OK);
        ck_assert_int_eq(ag_adjoint_f64(p, c->dw, WIDTH * WIDTH), AG_OK);
    }
    c->peak = ag_tape_statistics(t).peak_bytes;
    ag_tape_free(t);
    ag_tensor_free(w);
}

static void same_bits(const chain *a, const chain *b) {
    ck_assert_int_eq(memcmp(&a->y, &b->y, sizeof a->y), 0);
    ck_assert_int_eq(memcmp(a->dx, b->dx, sizeof a->dx), 0);
    ck_assert_int_eq(memcmp(a->dw, b->dw, sizeof a->dw), 0);
}

START_TEST(a_chain_of_64_layers_holds_a_quarter_and_has_the_same_bits) {
    for (int dtype = AG_F32; dtype <= AG_F64; dtype++) {
        static chain plain, eight, all;
        run_chain(&plain, (ag_dtype)dtype, 0, false);
        run_chain(&eight, (ag_dtype)dtype, 8, false);
        run_chain(&all, (ag_dtype)dtype, 64, false);
        same_bits(&plain, &eight);
        same_bits(&plain, &all);
        /* of 64 layers' numbers, 8 outputs and the 8 layers of one segment: a quarter, and records beside them */
        ck_assert_msg(eight.peak * 3 < plain.peak, "%zu of %zu bytes", eight.peak, plain.peak);
    }
}
END_TEST

START_TEST(a_recorded_gradient_has_the_same_bits) {
    static chain plain, eight;
    run_chain(&plain, AG_F64, 0, true);
    run_chain(&eight, AG_F64, 8, true);
    same_bits(&plain, &eight);
}
END_TEST

/* ---- graphs of all kinds ----------------------------------------------------------------------------------------------- */

/* Views of what is dropped and of what is kept, kept views, scalars, constants, draws, no_grad, an operation with many
 * operands, a second segment on the first one's results. Everything but the segments is the same with and without. */
static ag_value tangle(ag_tape *t, ag_value x, ag_value s, bool segments, int depth) {
    if (segments)
        for (int i = 0; i < depth; i++) ag_recompute_begin(t, "first");
    ag_value a = ag_mul(ag_tanh(x), ag_square(s)), many[10];
    ag_value kept = ag_exp(ag_mul_number(a, 0.1)), turned = ag_transpose(kept, 0, 1);
    for (int i = 0; i < 10; i++) many[i] = ag_select(i % 2 ? a : x, 1, i % 3);
    ag_value stacked = ag_stack(many, 10, 0);
    ag_no_grad_begin(t);
    ag_value held = ag_sin(stacked);
    ag_no_grad_end(t);
    ag_value view =
        ag_select(ag_expand(ag_unsqueeze(ag_mul(stacked, held), 0), 3, (const int64_t[]){4, 10, 2}), 2, 1);
    ag_value noise = ag_dropout(ag_matmul(turned, ag_transpose(turned, 0, 1)), 0.4);
    ag_value inner = ag_add(noise, ag_full(t, AG_F64, 0, NULL, 0.5));
    const ag_value keep[] = {kept, view, inner, s, kept};
    if (segments)
        for (int i = 0; i < depth; i++) ck_assert_int_eq(ag_recompute_end(t, keep, 5), AG_OK);
    if (segments) ag_recompute_begin(t, "second");
    ag_value z =
        ag_mul(ag_sum_all(ag_mul(view, view)), ag_sum_all(ag_sin(ag_matmul(inner, ag_transpose(kept, 0, 1)))));
    z = ag_mul(z, ag_tanh(s));
    if (segments) ck_assert_int_eq(ag_recompute_end(t, &z, 1), AG_OK);
    return z;
}

enum { RESULTS = 40 };

static ag_status tangled(ag_tape *t, bool segments, int depth, double *out) {
    const double values[6] = {0.3, -0.8, 1.1, 0.2, 0.7, -0.4};
    ag_value x = matrix(t, 2, 3, values), s = ag_scalar(t, 0.9), d[2], dd[2], wrt[] = {x, s};
    /* as rows of two: the selects above are columns */
    ag_value y = tangle(t, x, s, segments, depth);
    ag_status status = ag_backward(y);
    if (status != AG_OK) return status;
    out[0] = ag_item(y);
    out[1] = ag_item_grad(s);
    ag_adjoint_f64(x, out + 2, 6);
    status = ag_grad(&y, NULL, 1, wrt, 2, d);
    if (status != AG_OK) return status;
    out[8] = ag_item(d[1]);
    ag_read_f64(d[0], out + 9, 6);
    ag_value g = ag_add(ag_sum_all(ag_square(d[0])), ag_square(d[1])); /* the gradient's own gradient, both ways */
    status = ag_grad(&g, NULL, 1, wrt, 2, dd);
    if (status != AG_OK) return status;
    out[15] = ag_item(dd[1]);
    ag_read_f64(dd[0], out + 16, 6);
    status = ag_backward(g);
    if (status != AG_OK) return status;
    out[22] = ag_item_grad(s);
    ag_adjoint_f64(x, out + 23, 6);
    return ag_tape_status(t);
}

START_TEST(any_graph_has_the_same_bits_at_first_and_second_order) {
    double plain[RESULTS] = {0}, cut[RESULTS] = {0};
    ag_tape *t = tape_new();
    ck_assert_msg(tangled(t, false, 1, plain) == AG_OK, "%s", ag_tape_message(t));
    ag_tape_free(t);
    for (int depth = 1; depth <= 3; depth++) { /* a segment in a segment is part of it */
        t = tape_new();
        ck_assert_msg(tangled(t, true, depth, cut) == AG_OK, "%s", ag_tape_message(t));
        ag_tape_free(t);
        for (int i = 0; i < 15; i++) ck_assert_double_eq(plain[i], cut[i]);
        /* second order sums the same terms, those of the copies apart */
        for (int i = 15; i < RESULTS; i++)
            ck_assert_double_eq_tol(plain[i], cut[i], 1e-12 * fmax(1, fabs(plain[i])));
    }
}
END_TEST

START_TEST(sweeps_repeat_and_retain_and_hooks_see_what_is_inside) {
    ag_tape *t = tape_new();
    ag_value x = vector(t, 3, (const double[]){1, 2, 3});
    ag_recompute_begin(t, "s");
    ag_value h = ag_square(x), y = ag_sum_all(ag_mul(h, h));
    ck_assert_int_eq(ag_recompute_end(t, &y, 1), AG_OK);
    ag_retain(h);
    for (int round = 1; round <= 3; round++) {
        sweep(y);
        ADJOINT(x, 4.0 * round, 32.0 * round, 108.0 * round);
        ADJOINT(h, 2.0 * round, 8.0 * round, 18.0 * round);
    }
    ag_value d;
    ck_assert_int_eq(ag_grad(&y, NULL, 1, &h, 1, &d), AG_OK); /* with respect to a dropped value */
    VALUES(d, 2, 8, 18);
    ag_tape_free(t);
}
END_TEST

/* What a first derivative read in place of a dropped value is that value to the second. */
START_TEST(a_dropped_value_has_derivatives_of_every_order) {
    ag_tape *t = tape_new();
    ag_value x = vector(t, 2, (const double[]){1, 2}), d, wrt[2], both[2];
    ag_recompute_begin(t, "s");
    ag_value h = ag_mul_number(x, 2), c = ag_mul(ag_mul(h, h), h), y = ag_sum_all(c);
    ck_assert_int_eq(ag_recompute_end(t, &y, 1), AG_OK);
    const ag_mark m = ag_tape_mark(t);
    for (int round = 0; round < 2; round++) {
        ck_assert_int_eq(ag_hvp(y, &h, NULL, 1, &d), AG_OK);
        VALUES(d, 12, 24); /* 6 h */
        ck_assert_int_eq(ag_hessian(y, &h, 1, &d), AG_OK);
        VALUES(d, 12, 0, 0, 24);
        ck_assert_int_eq(ag_grad(&y, NULL, 1, &h, 1, &d), AG_OK);
        ag_value third = d;
        for (int k = 0; k < 2; k++) {
            ag_value sum = ag_sum_all(third);
            ck_assert_int_eq(ag_grad(&sum, NULL, 1, &h, 1, &third), AG_OK);
        }
        VALUES(third, 6, 6);
        ag_value sum = ag_sum_all(d);
        wrt[0] = x, wrt[1] = h;
        ck_assert_int_eq(ag_grad(&sum, NULL, 1, wrt, 2, both), AG_OK); /* below it, too */
        VALUES(both[0], 24, 48);
        VALUES(both[1], 12, 24);
        ck_assert_int_eq(ag_tape_rewind(t, m), AG_OK);
    }
    ag_tape_free(t);
}
END_TEST

/* Tangents through a segment, once and twice: elementwise, fused and linear rows, one with several outputs. */
START_TEST(forward_mode_runs_through_segments) {
    double seen[2][3][3];
    for (int segments = 0; segments < 2; segments++) {
        ag_tape *t = tape_new();
        ag_value x = vector(t, 3, (const double[]){0.1, 0.2, 0.3}), y = x, d;
        for (int i = 0; i < 2; i++) {
            if (segments) ag_recompute_begin(t, "tangents");
            ag_value s = ag_softmax(ag_mul(ag_exp(ag_sin(y)), y), 0);
            y = ag_add(ag_cumsum(ag_square(s), 0), ag_max_dim(s, 0, true));
            if (segments) ck_assert_int_eq(ag_recompute_end(t, &y, 1), AG_OK);
        }
        ck_assert_msg(ag_jvp(&y, 1, &x, NULL, 1, &d) == AG_OK, "%s", ag_tape_message(t));
        ck_assert_int_eq(ag_read_f64(d, seen[segments][0], 3), AG_OK);
        ag_value dd, root = ag_sum_all(d);
        ck_assert_msg(ag_jvp(&d, 1, &x, NULL, 1, &dd) == AG_OK, "%s", ag_tape_message(t));
        ck_assert_int_eq(ag_read_f64(dd, seen[segments][1], 3), AG_OK);
        sweep(root);
        ck_assert_int_eq(ag_adjoint_f64(x, seen[segments][2], 3), AG_OK);
        ag_tape_free(t);
    }
    ck_assert_int_eq(memcmp(seen[0][0], seen[1][0], sizeof seen[0][0]), 0);
    /* what comes through the stand-ins adds up in another order */
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < 3; i++) ck_assert_double_eq_tol(seen[0][k][i], seen[1][k][i], 1e-13);
}
END_TEST

START_TEST(reading_a_dropped_value_names_the_segment) {
    for (int k = 0; k < 8; k++) {
        ag_tape *t = tape_new();
        ag_mark m = ag_tape_mark(t);
        ag_value x = vector(t, 1, (const double[]){2});
        ag_recompute_begin(t, "layer 3");
        ag_value h = ag_square(x), y = ag_sum_all(ag_exp(h));
        ck_assert_double_eq(ag_item(h), 4); /* while it is open */
        ck_assert_int_eq(ag_recompute_end(t, &y, 1), AG_OK);
        ck_assert(ag_ok(y) && ag_ok(h));
        double number;
        ag_tensor *out = ag_tensor_new(AG_F64, 1, (const int64_t[]){1}, NULL);
        switch (k) {
        case 0: ck_assert(isnan(ag_item(h))); break;
        case 1: ck_assert_ptr_null(ag_data(h)); break;
        case 2: ck_assert_int_eq(ag_read_f64(h, &number, 1), AG_ERROR_STATE); break;
        case 3: ck_assert_int_eq(ag_read_tensor(h, out), AG_ERROR_STATE); break;
        case 4: ck_assert(!ag_ok(ag_neg(h))); break;
        case 5: ck_assert(!ag_ok(ag_sum_all(h))); break;
        case 6: ck_assert_int_eq(ag_tape_rewind_keeping(t, m, &h, 1), AG_ERROR_STATE); break;
        case 7: ck_assert_int_eq(ag_backward_from(x, h), AG_ERROR_STATE); break;
        }
        require_failure(t, AG_ERROR_STATE, WORDS("dropped", "'layer 3'"));
        ag_tape_rewind(t, m);
        require_ok(t);
        ag_tensor_free(out);
        ag_tape_free(t);
    }
}
END_TEST

START_TEST(an_operand_that_was_written_is_not_run_again) {
    for (int recorded = 0; recorded < 2; recorded++) {
        ag_tape *t = tape_new();
        ag_tensor *w = ag_tensor_from(AG_F64, 1, (const int64_t[]){2}, (const double[]){1, 2}, NULL);
        ag_tensor_set_name(w, "weights");
        ag_value x = vector(t, 2, (const double[]){1, 2}), c = ag_constant(t, w), d;
        ag_recompute_begin(t, "s");
        ag_value y = ag_sum_all(ag_square(ag_mul(x, ag_add(x, c))));
        ck_assert_int_eq(ag_recompute_end(t, &y, 1), AG_OK);
        ag_tensor_fill(w, 5);
        ck_assert_int_eq(recorded ? ag_grad(&y, NULL, 1, &x, 1, &d) : ag_backward(y), AG_ERROR_WRITTEN);
        require_failure(t, AG_ERROR_WRITTEN, WORDS("weights"));
        ag_tape_free(t);
        ag_tensor_free(w);
    }
}
END_TEST

START_TEST(marks_and_rewinds_may_lie_anywhere) {
    ag_tape *t = tape_new();
    ag_value x = vector(t, 1, (const double[]){2});
    ag_mark before = ag_tape_mark(t);
    size_t used = 0;
    for (int round = 0; round < 50; round++) {
        ag_recompute_begin(t, "a"); /* forgotten by the rewind while open */
        ag_square(x);
        ck_assert_int_eq(ag_tape_rewind(t, before), AG_OK);
        ag_recompute_begin(t, "b");
        ag_value h = ag_square(x);
        ag_mark inside = ag_tape_mark(t);
        for (int i = 0; i < 3; i++) { /* in the open segment */
            ag_exp(h);
            ck_assert_int_eq(ag_tape_rewind(t, inside), AG_OK);
            ck_assert_double_eq(ag_item(h), 4);
        }
        ag_value y = ag_square(h);
        ck_assert_int_eq(ag_recompute_end(t, &y, 1), AG_OK);
        sweep(y);
        ADJOINT(x, 32);
        ag_zero_grad(t);
        ck_assert_int_eq(ag_tape_rewind(t, inside), AG_OK); /* after its end: it stays ended */
        ck_assert(isnan(ag_item(h)));
        require_failure(t, AG_ERROR_STATE, WORDS("'b'"));
        ck_assert_int_eq(ag_tape_rewind(t, inside), AG_ERROR_STATE);
        ck_assert_int_eq(ag_recompute_end(t, NULL, 0), AG_ERROR_STATE);
        ck_assert_int_eq(ag_tape_rewind(t, inside), AG_ERROR_STATE);
        ck_assert_int_eq(ag_backward(h), AG_OK);
        ADJOINT(x, 4);
        ag_zero_grad(t);
        ck_assert_int_eq(ag_tape_rewind(t, before), AG_OK);
        if (round == 1) used = ag_tape_statistics(t).live_bytes;
    }
    ck_assert_uint_eq(ag_tape_statistics(t).live_bytes, used);
    ag_tape_free(t);
}
END_TEST

static ag_value segment_in_a_hook(void *user, ag_value dy) {
    (void)user;
    ag_recompute_begin(dy.tape, "no");
    return dy;
}

/* The end's copy of a kept value lies behind the mark, where the next records go. */
START_TEST(a_rewind_into_an_ended_segment_drops_what_its_end_kept) {
    ag_tape *t = ag_tape_new(NULL);
    ag_value x = vector(t, 3, (const double[]){1, 2, 3});
    ag_recompute_begin(t, "cut");
    ag_value h = ag_mul_number(x, 2);
    const ag_mark inside = ag_tape_mark(t);
    ck_assert_int_eq(ag_recompute_end(t, &h, 1), AG_OK);
    for (int again = 0; again < 2; again++) {
        ag_value y = ag_sum_all(h); /* before a rewind it can be read, and its sweep can run afterwards */
        ck_assert_int_eq(ag_tape_status(t), again ? AG_ERROR_STATE : AG_OK);
        if (!again) sweep(y);
        ck_assert_int_eq(ag_tape_rewind(t, inside), again ? AG_ERROR_STATE : AG_OK);
        for (int i = 0; i < 8; i++) vector(t, 3, (const double[]){-9, -9, -9}); /* over its old place */
        double seen[3];
        ck_assert_int_eq(ag_read_f64(h, seen, 3), AG_ERROR_STATE);
        require_failure(t, AG_ERROR_STATE, WORDS("dropped", "'cut'"));
        ck_assert_int_eq(ag_tape_rewind(t, inside), AG_ERROR_STATE);
    }
    ag_zero_grad(t);
    ag_value seed = vector(t, 3, (const double[]){1, 2, 3});
    ck_assert_int_eq(ag_backward_from(h, seed), AG_OK);
    double dx[3];
    ck_assert_int_eq(ag_adjoint_f64(x, dx, 3), AG_OK);
    for (int i = 0; i < 3; i++) ck_assert_double_eq(dx[i], 2.0 * (i + 1));
    ag_tape_free(t);
}
END_TEST

START_TEST(begin_and_end_are_checked) {
    ag_tape *t = tape_new(), *other = tape_new();
    ag_mark m = ag_tape_mark(t);
    ck_assert_int_eq(ag_recompute_end(t, NULL, 0), AG_ERROR_STATE);
    require_failure(t, AG_ERROR_STATE, WORDS("recompute_end", "open"));
    ag_tape_rewind(t, m);
    ag_recompute_begin(t, NULL);
    ag_value foreign = ag_scalar(other, 1);
    ck_assert_int_eq(ag_recompute_end(t, &foreign, 1), AG_ERROR_FOREIGN);
    ag_tape_rewind(t, m);
    ag_recompute_begin(t, NULL);
    ck_assert_int_eq(ag_recompute_end(t, &foreign, -1), AG_ERROR_VALUE);
    ag_tape_rewind(t, m);
    ck_assert_int_eq(ag_recompute_begin(NULL, ""), AG_ERROR_FAILED);
    ck_assert_int_eq(ag_recompute_end(NULL, NULL, 0), AG_ERROR_FAILED);
    ag_value x = ag_scalar(t, 1), y = ag_neg(x);
    ag_hook(y, segment_in_a_hook, NULL);
    ck_assert_int_eq(ag_backward(y), AG_ERROR_STATE);
    ag_tape_rewind(t, m);
    ag_recompute_begin(t, "empty");
    ck_assert_int_eq(ag_recompute_end(t, NULL, 0), AG_OK);
    require_ok(t);
    ag_tape_free(t);
    ag_tape_free(other);
}
END_TEST

START_TEST(every_allocation_may_fail) {
    counting_allocator_install();
    ck_assert_ptr_nonnull(ag_op_find("add"));
    double undisturbed[RESULTS] = {0}, out[RESULTS];
    const long at_first = counting_allocator_live();
    bool failed = true;
    for (long k = 0; failed || k <= 1; k++) { /* 0: none fails */
        ag_tape *t = tape_new();
        ag_mark m = ag_tape_mark(t);
        /* leave little room, so that most requests are seen */
        (void)agx_arena_take(&t->arena, 1, 1);
        (void)agx_arena_take(&t->arena, (size_t)(t->arena.end - t->arena.next) - (size_t)(k * 53 % 4000), 1);
        ag_mark n = ag_tape_mark(t);
        memset(out, 0, sizeof out);
        counting_allocator_fail_at(k);
        ag_recompute_begin(t, "outer");
        ag_status status = ag_tape_status(t);
        ag_value x = vector(t, 2, (const double[]){1, 2}), y = ag_sum_all(ag_square(ag_exp(x)));
        if (status == AG_OK) status = ag_recompute_end(t, &y, 1);
        if (status == AG_OK) status = ag_backward(y);
        counting_allocator_fail_at(0);
        failed = status != AG_OK;
        ck_assert(!failed || status == AG_ERROR_MEMORY);
        if (k == 0) ck_assert_int_eq(ag_adjoint_f64(x, undisturbed, 2), AG_OK);
        ck_assert_int_eq((long)ag_tape_statistics(t).live_bytes, counting_allocator_live() - at_first);
        ck_assert_int_eq(ag_tape_rewind(t, failed ? n : m), status);
        x = vector(t, 2, (const double[]){1, 2});
        ag_recompute_begin(t, "again");
        y = ag_sum_all(ag_square(ag_exp(x)));
        ck_assert_int_eq(ag_recompute_end(t, &y, 1), AG_OK);
        sweep(y);
        ck_assert_int_eq(ag_adjoint_f64(x, out, 2), AG_OK);
        ck_assert_int_eq(memcmp(out, undisturbed, sizeof out), 0);
        ag_tape_free(t);
        ck_assert_int_eq(counting_allocator_live(), at_first);
        ck_assert_int_lt(k, 100);
    }
}
END_TEST

Suite *recompute_suite(void) {
    Suite *s = suite_create("recompute");
    TCase *c = tcase_create("recompute");
    suite_add_tcase(s, c);
    tcase_add_test(c, a_chain_of_64_layers_holds_a_quarter_and_has_the_same_bits);
    tcase_add_test(c, a_recorded_gradient_has_the_same_bits);
    tcase_add_test(c, any_graph_has_the_same_bits_at_first_and_second_order);
    tcase_add_test(c, sweeps_repeat_and_retain_and_hooks_see_what_is_inside);
    tcase_add_test(c, a_dropped_value_has_derivatives_of_every_order);
    tcase_add_test(c, forward_mode_runs_through_segments);
    tcase_add_test(c, reading_a_dropped_value_names_the_segment);
    tcase_add_test(c, an_operand_that_was_written_is_not_run_again);
    tcase_add_test(c, marks_and_rewinds_may_lie_anywhere);
    tcase_add_test(c, a_rewind_into_an_ended_segment_drops_what_its_end_kept);
    tcase_add_test(c, begin_and_end_are_checked);
    tcase_add_test(c, every_allocation_may_fail);
    return s;
}
