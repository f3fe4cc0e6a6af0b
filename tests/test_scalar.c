/* scalar: the strip - micrograd's expression, every elementwise row against its tensor kernel, the fused neuron, chunk
 * borders, scalars beside tensors, adjoints of leaves. */
#include "core_support.h"

#include <autograd/kernels/kernels.h>

static bool same_bits(double x, double y) { return memcmp(&x, &y, sizeof x) == 0; }

/* ---- the expression of micrograd's README ----------------------------------------------------------------- */

static ag_value micrograd(ag_value a, ag_value b) {
    ag_value c = ag_add(a, b);
    ag_value d = ag_add(ag_mul(a, b), ag_pow_number(b, 3));
    c = ag_add(c, ag_add_number(c, 1));
    c = ag_add(c, ag_add(ag_add_number(c, 1), ag_neg(a)));
    d = ag_add(d, ag_add(ag_mul_number(d, 2), ag_relu(ag_add(b, a))));
    d = ag_add(d, ag_add(ag_mul_number(d, 3), ag_relu(ag_sub(b, a))));
    ag_value e = ag_sub(c, d), f = ag_pow_number(e, 2);
    ag_value g = ag_mul_number(f, 0.5);
    return ag_add(g, ag_div(ag_number(f, 10), f));
}

START_TEST(micrograds_expression) {
    ag_tape *t = tape_new();
    ag_value a = ag_scalar(t, -4), b = ag_scalar(t, 2), g = micrograd(a, b);
    ck_assert_double_eq_tol(ag_item(g), 24.70408163265306, 1e-12);
    ck_assert_int_eq(ag_backward(g), AG_OK);
    ck_assert_double_eq_tol(ag_item_grad(a), 138.8338192419825, 1e-12);
    ck_assert_double_eq_tol(ag_item_grad(b), 645.5772594752186, 1e-12);
    ag_tape_free(t);
}
END_TEST

START_TEST(micrograds_expression_of_tensors_and_recorded) {
    ag_tape *t = tape_new();
    for (int kind = 0; kind < 3; kind++) {
        ag_value a = ag_scalar(t, -4), b = ag_scalar(t, 2);
        if (kind) a = ag_array_leaf(t, AG_F64, kind - 1, &(int64_t){1}, (const double[]){-4});
        ag_value in[2] = {a, b}, g = micrograd(a, b), dx[2];
        ck_assert_int_eq(ag_grad(&g, NULL, 1, in, 2, dx), AG_OK);
        ck_assert_double_eq_tol(ag_item(g), 24.70408163265306, 1e-12);
        ck_assert_double_eq_tol(ag_item(dx[0]), 138.8338192419825, 1e-12);
        ck_assert_double_eq_tol(ag_item(dx[1]), 645.5772594752186, 1e-12);
        ck_assert_double_eq(ag_item_grad(a), 0);
    }
    require_ok(t);
    ag_tape_free(t);
}
END_TEST

/* ---- every row, as scalar and as tensor -------------------------------------------------------------------------- */

typedef struct row {
    const char *name;
    int arity;
    int number; /* 1: any, 2: an order */
    ;
} row;
static const row rows[] = {
#define ROW(row_name, operands, has_number, ...) {#row_name, operands, has_number},
#include <autograd/ops/elementwise.def>
#undef ROW
};
enum { ROWS = sizeof rows / sizeof rows[0] };

static const double points[] = {-2.5, -1, -0.3, -0.0, 0, 0.3, 0.5, 1, 2, 3.75, 20, -20, 1e-8, 1e150};
enum { POINTS = sizeof points / sizeof points[0] };

typedef struct result {
    double z, dx, dy;
} result;

/* One row at one point, by ag_call; tensor: rank-0 arrays instead of scalars. recorded: dx by ag_grad. */
static result evaluate(ag_tape *t, const row *r, double x, double y, double c, bool tensor, bool recorded) {
    ag_mark m = ag_tape_mark(t);
    ag_value in[2], z, dx[2];
    in[0] = tensor ? ag_array_leaf(t, AG_F64, 0, NULL, &x) : ag_scalar(t, x);
    in[1] = tensor ? ag_array_leaf(t, AG_F64, 0, NULL, &y) : ag_scalar(t, y);
    if (tensor) {
        ag_attr number = {.name = "c", .kind = AG_FIELD_REAL, .as.real = c};
        ag_call(t, r->name, in, (uint32_t)r->arity, &(ag_attrs){r->number ? 1 : 0, &number}, &z);
    } else {
        z = ag_elementwise((uint32_t)(r - rows), in, (uint32_t)r->arity, c);
    }
    require_ok(t);
    ck_assert_int_eq(ag_data(z) != NULL, tensor);
    result out = {.z = ag_item(z)};
    if (recorded) {
        ck_assert_msg(ag_grad(&z, NULL, 1, in, r->arity, dx) == AG_OK, "%s: %s", r->name, ag_tape_message(t));
        out.dx = ag_item(dx[0]);
        out.dy = r->arity == 2 ? ag_item(dx[1]) : 0;
    } else {
        ck_assert_msg(ag_backward(z) == AG_OK, "%s: %s", r->name, ag_tape_message(t));
        out.dx = ag_item_grad(in[0]);
        out.dy = r->arity == 2 ? ag_item_grad(in[1]) : 0;
    }
    require_ok(t);
    ag_tape_rewind(t, m);
    return out;
}

/* Both NaN, both the same infinity, or a few roundings apart: scalars use libm, tensors the vector functions, which err
 * by up to 4 ulp. `slack`: a difference of numbers near 1 (tanh: 1 - z^2) keeps that error in absolute terms. */
static bool near(double x, double y, double slack) {
    if (isnan(x) || isnan(y)) return isnan(x) && isnan(y);
    if (isinf(x) || isinf(y)) return x == y;
    return fabs(x - y) <= slack + 4e-14 * fmax(fabs(x), fabs(y));
}

static void compare_row(const row *r, bool recorded) {
    ag_tape *t = tape_new();
    for (int i = 0; i < POINTS; i++) {
        for (int j = 0; j < (r->arity == 2 || r->number ? POINTS : 1); j++) {
            if (r->number == 2 && !(points[j] >= 0 && points[j] < 100 && points[j] == floor(points[j])))
                continue; /* no order */
            double x = points[i], y = points[j], slack = r - rows == AGX_ROW_tanh ? 16 * 0x1p-53 : 0;
            result a = evaluate(t, r, x, y, y, false, recorded), b = evaluate(t, r, x, y, y, true, false);
            ck_assert_msg(near(a.z, b.z, 0), "%s(%g, %g): scalar %.17g, tensor %.17g", r->name, x, y, a.z, b.z);
            ck_assert_msg(near(a.dx, b.dx, slack), "%s(%g, %g) dx: scalar%s %.17g, tensor %.17g", r->name, x, y,
                          recorded ? ", recorded" : "", a.dx, b.dx);
            ck_assert_msg(near(a.dy, b.dy, slack), "%s(%g, %g) dy: scalar%s %.17g, tensor %.17g", r->name, x, y,
                          recorded ? ", recorded" : "", a.dy, b.dy);
        }
    }
    ag_tape_free(t);
}

START_TEST(a_row_is_the_same_function_of_scalars_and_of_tensors) { compare_row(&rows[_i], false); }
END_TEST

START_TEST(a_rows_recorded_gradient_is_the_swept_one) { compare_row(&rows[_i], true); }
END_TEST

START_TEST(inline_operations_are_their_rows) {
    ag_tape *t = tape_new();
    for (int i = 0; i < POINTS; i++) {
        for (int j = 0; j < POINTS; j++) {
            double p = points[i], q = points[j];
            ag_value x = ag_scalar(t, p), y = ag_scalar(t, q), two[2] = {x, y};
            const ag_value fast[] = {ag_neg(x),    ag_square(x),        ag_relu(x),
                                     ag_add(x, y), ag_sub(x, y),        ag_mul(x, y),
                                     ag_div(x, y), ag_add_number(x, q), ag_mul_number(x, q)};
            static const uint32_t code[] = {AGX_ROW_neg, AGX_ROW_square,     AGX_ROW_relu,
                                            AGX_ROW_add, AGX_ROW_sub,        AGX_ROW_mul,
                                            AGX_ROW_div, AGX_ROW_add_number, AGX_ROW_mul_number};
            for (size_t k = 0; k < sizeof code / sizeof code[0]; k++) {
                ag_value slow = ag_elementwise(code[k], two, (uint32_t)rows[code[k]].arity, q);
                double a = ag_item(fast[k]), b = ag_item(slow);
                ck_assert_msg(same_bits(a, b) || (isnan(a) && isnan(b)), "%s(%g, %g): %g, %g", rows[code[k]].name,
                              p, q, a, b);
            }
        }
    }
    require_ok(t);
    ag_tape_free(t);
}
END_TEST

/* ---- the strip's chunks -------------------------------------------------------------------------------------------- */

START_TEST(adjoints_cross_chunk_borders) {
    /* y = x1 + 2 x2 + 3 x3 ... with operands in other chunks than their users */
    enum { N = 2 * AG_STRIP_CHUNK };
    ag_tape *t = tape_new();
    ag_value *x = malloc(N * sizeof *x);
    for (int i = 0; i < N; i++) x[i] = ag_scalar(t, 1);
    ag_value y = ag_scalar_constant(t, 0);
    for (int i = 0; i < N; i++) y = ag_add(y, ag_mul_number(x[i], i));
    ck_assert_double_eq(ag_item(y), N * (N - 1.0) / 2);
    ck_assert_int_eq(ag_backward(y), AG_OK);
    for (int i = 0; i < N; i++) ck_assert_double_eq(ag_item_grad(x[i]), i);
    free(x);
    ag_tape_free(t);
}
END_TEST

START_TEST(a_tensor_record_may_lie_anywhere_in_a_chunk) {
    for (uint32_t at = AG_STRIP_CHUNK - 3; at <= AG_STRIP_CHUNK + 3; at++) {
        ag_tape *t = tape_new();
        ag_value a = ag_scalar(t, 2), y = a;
        while (y.id + 1 < at) y = ag_add_number(y, 0);
        ag_value x = ag_mul(ag_full(t, AG_F64, 1, &(int64_t){3}, 1), y);
        ck_assert_uint_eq(x.id, at + 1);
        ag_value z = ag_square(ag_mul_number(ag_reshape(ag_slice(x, 0, 1, 2, 1), 0, NULL), 1));
        ck_assert_int_eq(ag_backward(ag_mul(z, a)), AG_OK);
        ck_assert_double_eq(ag_item_grad(a), 12);
        ag_tape_free(t);
    }
}
END_TEST

/* ---- the fused neuron ----------------------------------------------------------------------------------------------- */

static void compare_affine(ag_tape *t, int n, const ag_value *w, const ag_value *x, ag_value b, bool one_record) {
    uint32_t before = ag_tape_statistics(t).records;
    ag_value y = ag_affine(w, x, n, b), z = b;
    if (one_record) ck_assert_uint_eq(ag_tape_statistics(t).records, before + 1);
    for (int i = 0; i < n; i++) z = ag_add(z, ag_mul(w[i], x[i]));
    require_ok(t);
    ck_assert(same_bits(ag_item(y), ag_item(z)));
    double *g = malloc((size_t)(2 * n + 1) * sizeof *g);
    for (int pass = 0; pass < 2; pass++) {
        ag_zero_grad(t);
        ag_value root = ag_mul_number(ag_square(pass ? y : z), 0.5);
        ck_assert_int_eq(ag_backward(root), AG_OK);
        for (int i = 0; i <= 2 * n; i++) {
            double d = ag_item_grad(i == 2 * n ? b : i % 2 ? x[i / 2] : w[i / 2]);
            if (pass) ck_assert_msg(same_bits(g[i], d), "operand %d: %.17g, %.17g", i, g[i], d);
            g[i] = d;
        }
    }
    ag_value root = ag_mul_number(ag_square(y), 0.5), dw[2];
    ck_assert_int_eq(ag_grad(&root, NULL, 1, (const ag_value[]){n ? w[0] : b, b}, 2, dw), AG_OK);
    ck_assert_double_eq_tol(ag_item(dw[0]), g[n ? 0 : 2 * n], 1e-12 * fmax(1, fabs(g[0])));
    ck_assert_double_eq_tol(ag_item(dw[1]), g[2 * n], 1e-12 * fmax(1, fabs(g[2 * n])));
    free(g);
    require_ok(t);
}

START_TEST(affine_is_the_sum_of_its_products) {
    ag_tape *t = tape_new();
    ag_random r = {.seed = 5};
    ag_value w[100], x[100];
    static const int sizes[] = {0, 1, 2, 7, 100};
    for (int s = 0; s < 5; s++) {
        for (int i = 0; i < sizes[s]; i++) {
            w[i] = ag_scalar(t, ag_random_normal(&r));
            x[i] = ag_scalar(t, ag_random_normal(&r));
        }
        compare_affine(t, sizes[s], w, x, ag_scalar(t, ag_random_normal(&r)), true);
    }
    ag_tape_free(t);
}
END_TEST

START_TEST(affine_counts_an_operand_as_often_as_it_occurs) {
    ag_tape *t = tape_new();
    ag_value a = ag_scalar(t, 3), b = ag_scalar(t, 5);
    ag_value w[3] = {a, a, b}, x[3] = {a, b, b};
    ag_value y = ag_affine(w, x, 3, a); /* a^2 + a b + b^2 + a */
    ck_assert_double_eq(ag_item(y), 52);
    ck_assert_int_eq(ag_backward(y), AG_OK);
    ck_assert_double_eq(ag_item_grad(a), 2 * 3 + 5 + 1);
    ck_assert_double_eq(ag_item_grad(b), 3 + 2 * 5);
    ag_value dx[2], in[2] = {a, b};
    ck_assert_int_eq(ag_grad(&y, NULL, 1, in, 2, dx), AG_OK);
    ck_assert_double_eq(ag_item(dx[0]), 12);
    ck_assert_double_eq(ag_item(dx[1]), 13);
    ag_value hessian[2];
    ck_assert_int_eq(ag_grad(&dx[0], NULL, 1, in, 2, hessian), AG_OK);
    ck_assert_double_eq(ag_item(hessian[0]), 2);
    ck_assert_double_eq(ag_item(hessian[1]), 1);
    ag_tape_free(t);
}
END_TEST

START_TEST(affine_of_tensors_decomposes) {
    ag_tape *t = tape_new();
    double a[2] = {1, 2}, g[2];
    ag_value w[2] = {ag_scalar(t, 3), ag_scalar(t, 4)}, b = ag_scalar(t, 5);
    ag_value x[2] = {ag_array_leaf(t, AG_F64, 1, &(int64_t){2}, a), ag_scalar(t, 7)};
    ag_value y = ag_affine(w, x, 2, b);
    double z[2];
    ck_assert_int_eq(ag_read_f64(y, z, 2), AG_OK);
    ck_assert_double_eq(z[0], 36);
    ck_assert_double_eq(z[1], 39);
    ck_assert_int_eq(ag_backward(ag_sum_all(y)), AG_OK);
    ck_assert_double_eq(ag_item_grad(w[0]), 3);
    ck_assert_double_eq(ag_item_grad(w[1]), 14);
    ck_assert_double_eq(ag_item_grad(b), 2);
    ck_assert_int_eq(ag_adjoint_f64(x[0], g, 2), AG_OK);
    ck_assert_double_eq(g[1], 3);
    ag_tape_free(t);
}
END_TEST

START_TEST(affine_with_constants_detached_and_failed_operands) {
    ag_tape *t = tape_new();
    ag_value a = ag_scalar(t, 3), c = ag_scalar_constant(t, 2);
    ag_no_grad_begin(t);
    ag_value held = ag_square(a), quiet = ag_affine(&a, &a, 1, a);
    ag_no_grad_end(t);
    ag_value w[2] = {c, held}, x[2] = {a, c};
    ag_value y = ag_affine(w, x, 2, quiet);
    ck_assert_double_eq(ag_item(y), 12 + 2 * 3 + 9 * 2);
    ck_assert_int_eq(ag_backward(y), AG_OK);
    ck_assert_double_eq(ag_item_grad(a), 2);
    ag_mark m = ag_tape_mark(t);
    ck_assert(!ag_ok(ag_affine(w, x, -1, a)));
    ck_assert_int_eq(ag_tape_rewind(t, m), AG_ERROR_VALUE);
    ag_value failed = ag_tape_fail(t, AG_ERROR_VALUE, "on purpose");
    ag_value fw[2] = {a, failed};
    ck_assert(!ag_ok(ag_affine(fw, x, 2, a)));
    ck_assert(!ag_ok(ag_affine(w, x, 2, failed)));
    ag_tape_free(t);
}
END_TEST

START_TEST(affine_refuses_lists_that_are_missing) {
    ag_tape *t = tape_new();
    const ag_value a = ag_scalar(t, 3), v = ag_full(t, AG_F64, 1, &(int64_t){2}, 1), none = {0};
    const struct {
        const ag_value *w, *x;
        ag_value b;
        const char *says;
    } wrong[] = {{NULL, &a, a, "affine: a list of 1 operands is NULL"},
                 {&a, NULL, a, "affine: a list of 1 operands is NULL"},
                 {NULL, &v, v, "affine: a list of 1 operands is NULL"},
                 {&v, NULL, v, "affine: a list of 1 operands is NULL"},
                 {&a, &v, none, "operand 0 is a failed value"}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const ag_mark m = ag_tape_mark(t);
        ck_assert(!ag_ok(ag_affine(wrong[i].w, wrong[i].x, 1, wrong[i].b)));
        ck_assert_int_ne(ag_tape_rewind(t, m), AG_OK);
        ck_assert_msg(strstr(ag_tape_message(t), wrong[i].says) != NULL, "%s", ag_tape_message(t));
    }
    ck_assert_double_eq(ag_item(ag_affine(NULL, NULL, 0, a)), 3);
    ck_assert(ag_ok(ag_affine(NULL, NULL, 0, v)));
    ag_tape_free(t);
}
END_TEST

START_TEST(affine_is_one_record_for_weights_from_any_old_segment) {
    ag_tape *t = tape_new();
    ag_value w[3], x[3], b = ag_scalar(t, 1);
    for (int i = 0; i < 3; i++) {
        w[i] = ag_scalar(t, i);
        ck_assert_int_eq(ag_backward(ag_square(w[i])), AG_OK); /* a new segment each time */
        x[i] = ag_scalar(t, 2);
    }
    ag_zero_grad(t);
    compare_affine(t, 3, w, x, b, true);
    ag_tape_free(t);
}
END_TEST

/* ---- scalars and tensors together ---------------------------------------------------------------------------------- */

START_TEST(a_scalar_broadcasts_over_a_tensor_on_either_side) {
    ag_tape *t = tape_new();
    const double x[6] = {1, 2, 3, 4, 5, 6};
    for (int k = 0; k < 4; k++) {
        ag_value s = ag_scalar(t, 2), v = ag_array_leaf(t, k < 2 ? AG_F64 : AG_F32, 2, (const int64_t[]){2, 3}, x);
        ag_value y = k % 2 ? ag_sub(s, v) : ag_sub(v, s);
        ck_assert_int_eq(ag_meta_of(y)->dtype, k < 2 ? AG_F64 : AG_F32); /* rank 0 does not widen */
        ck_assert_int_eq(ag_backward(ag_sum_all(ag_square(y))), AG_OK);
        double g[6], sum = 0;
        ck_assert_int_eq(ag_adjoint_f64(v, g, 6), AG_OK);
        for (int i = 0; i < 6; i++) {
            ck_assert_double_eq(g[i], 2 * (x[i] - 2));
            sum += g[i];
        }
        ck_assert_double_eq(ag_item_grad(s), -sum);
    }
    require_ok(t);
    ag_tape_free(t);
}
END_TEST

START_TEST(a_scalar_may_pass_through_tensors_and_back) {
    ag_tape *t = tape_new();
    ag_value a = ag_scalar(t, 3), parts[3] = {a, ag_square(a), ag_number(a, 1)};
    ag_value v = ag_stack(parts, 3, 0);               /* (a, a^2, 1) */
    ag_value s = ag_mul(ag_sum_all(ag_mul(v, v)), a); /* a^3 + a^5 + a */
    ck_assert_int_eq(ag_backward(s), AG_OK);
    ck_assert_double_eq(ag_item_grad(a), 3 * 9 + 5 * 81 + 1);
    ag_value dx, ddx;
    ck_assert_int_eq(ag_grad(&s, NULL, 1, &a, 1, &dx), AG_OK);
    ck_assert_int_eq(ag_grad(&dx, NULL, 1, &a, 1, &ddx), AG_OK);
    ck_assert_double_eq(ag_item(ddx), 6 * 3 + 20 * 27);
    ag_tape_free(t);
}
END_TEST

START_TEST(views_of_a_scalar_share_its_number) {
    ag_tape *t = tape_new();
    ag_value a = ag_scalar(t, 3);
    ag_value v = ag_expand(ag_unsqueeze(a, 0), 2, (const int64_t[]){2, 4});
    ck_assert_int_eq(ag_backward(ag_sum_all(ag_square(v))), AG_OK);
    ck_assert_double_eq(ag_item_grad(a), 48);
    ck_assert_double_eq(ag_item(ag_detach(a)), 3);
    ag_tape_free(t);
}
END_TEST

/* ---- adjoints of leaves ---------------------------------------------------------------------------------------------- */

START_TEST(repeated_backwards_add_up_until_zeroed) {
    ag_tape *t = tape_new();
    ag_value a = ag_scalar(t, 3), y = ag_square(a), z = ag_add_number(ag_mul(y, y), 1);
    for (int i = 1; i <= 3; i++) {
        ck_assert_int_eq(ag_backward(y), AG_OK);
        ck_assert_double_eq(ag_item_grad(a), 6 * i);
    }
    ck_assert_int_eq(ag_backward(z), AG_OK);
    ck_assert_double_eq(ag_item_grad(a), 18 + 108);
    ag_zero_grad(t);
    ck_assert_double_eq(ag_item_grad(a), 0);
    ck_assert_int_eq(ag_backward(z), AG_OK);
    ck_assert_double_eq(ag_item_grad(a), 108);
    ag_tape_free(t);
}
END_TEST

START_TEST(a_leaf_used_twice_counts_twice) {
    ag_tape *t = tape_new();
    ag_value a = ag_scalar(t, 3);
    ck_assert_int_eq(ag_backward(ag_add(a, a)), AG_OK);
    ck_assert_double_eq(ag_item_grad(a), 2);
    ck_assert_int_eq(ag_backward(ag_mul(a, a)), AG_OK);
    ck_assert_double_eq(ag_item_grad(a), 8);
    ck_assert_int_eq(ag_backward(ag_sub(a, a)), AG_OK);
    ck_assert_double_eq(ag_item_grad(a), 8);
    ag_tape_free(t);
}
END_TEST

START_TEST(a_ladder_of_diamonds_multiplies_paths) {
    ag_tape *t = tape_new();
    ag_value a = ag_scalar(t, 1), y = a;
    for (int i = 0; i < 50; i++) y = ag_add(y, y); /* 2^50 paths, 50 records */
    ck_assert_int_eq(ag_backward(y), AG_OK);
    ck_assert_double_eq(ag_item_grad(a), 0x1p50);
    ag_tape_free(t);
}
END_TEST

START_TEST(a_leaf_as_root_gets_the_seed) {
    ag_tape *t = tape_new();
    ag_value a = ag_scalar(t, 1);
    ck_assert_int_eq(ag_backward(a), AG_OK);
    ck_assert_int_eq(ag_backward_from(a, ag_number(a, 5)), AG_OK);
    ck_assert_double_eq(ag_item_grad(a), 6);
    ag_tape_free(t);
}
END_TEST

START_TEST(a_rewound_leafs_gradient_does_not_reach_its_ids_next_tenant) {
    ag_tape *t = tape_new();
    ag_value a = ag_scalar(t, 3);
    ag_mark m = ag_tape_mark(t);
    for (int tenant = 0; tenant < 5; tenant++) {
        ag_value gone = ag_scalar(t, 7);
        ck_assert_int_eq(ag_backward(ag_mul(gone, a)), AG_OK);
        ck_assert_double_eq(ag_item_grad(gone), 3);
        ck_assert_int_eq(ag_tape_rewind(t, m), AG_OK);
        ag_zero_grad(t);
        ag_value b; /* takes the id of `gone` */
        switch (tenant) {
        case 0: b = ag_square(a); break;
        case 1: b = ag_mul(a, a); break;
        case 2: b = ag_pow_number(a, 2); break;
        case 3: b = ag_affine(&a, &a, 1, ag_scalar_constant(t, 0)); break;
        default: b = ag_mul_number(a, 6); break;
        }
        if (tenant != 3) ck_assert_uint_eq(b.id, gone.id);
        ag_retain(b);
        ck_assert_int_eq(ag_backward(ag_mul_number(b, 2)), AG_OK);
        ck_assert_msg(ag_item_grad(b) == 2, "tenant %d: db is %g", tenant, ag_item_grad(b));
        ck_assert_msg(ag_item_grad(a) == 12, "tenant %d: da is %g", tenant, ag_item_grad(a));
        ck_assert_int_eq(ag_tape_rewind(t, m), AG_OK);
        ag_zero_grad(t);
    }
    ag_tape_free(t);
}
END_TEST

START_TEST(a_failed_backwards_marks_do_not_reach_later_tenants) {
    ag_tape *t = tape_new();
    ag_value a = ag_scalar(t, 3);
    ag_tensor *x = ag_tensor_from(AG_F64, 0, NULL, (const double[]){2}, NULL);
    ag_mark m = ag_tape_mark(t);
    ag_value gone = ag_scalar(t, 7), y = ag_mul(ag_mul(gone, a), ag_leaf(t, x));
    ag_tensor_set(x, 0, 5);
    ck_assert_int_eq(ag_backward(y), AG_ERROR_WRITTEN);
    ck_assert(isnan(ag_item_grad(a)));
    ck_assert_int_eq(ag_tape_rewind(t, m), AG_ERROR_WRITTEN);
    ag_zero_grad(t);
    ag_value b = ag_square(a);
    ck_assert_uint_eq(b.id, gone.id);
    ck_assert_int_eq(ag_backward(ag_mul_number(b, 1)), AG_OK);
    ck_assert_double_eq(ag_item_grad(a), 6);
    ag_tape_free(t);
    ag_tensor_free(x);
}
END_TEST

START_TEST(a_zero_adjoint_does_not_poison) {
    ag_tape *t = tape_new();
    ag_value a = ag_scalar(t, 0), root = ag_sqrt(a); /* slope inf */
    ag_value y = ag_add(ag_mul_number(root, 0), ag_add_number(a, 1));
    ck_assert_int_eq(ag_backward(y), AG_OK);
    ck_assert_double_eq(ag_item_grad(a), 1);
    ag_tape_free(t);
}
END_TEST

START_TEST(scalars_keep_nan_and_infinities) {
    ag_tape *t = tape_new();
    ag_value a = ag_scalar(t, NAN), b = ag_scalar(t, INFINITY);
    ck_assert(isnan(ag_item(ag_add(a, b))));
    ck_assert(isinf(ag_item(ag_square(b))));
    ck_assert_int_eq(ag_backward(ag_mul(a, b)), AG_OK);
    ck_assert(isinf(ag_item_grad(a)) && isnan(ag_item_grad(b)));
    ag_tape_free(t);
}
END_TEST

Suite *scalar_suite(void) {
    Suite *s = suite_create("scalar");
    TCase *c = tcase_create("scalar");
    suite_add_tcase(s, c);
    tcase_add_test(c, micrograds_expression);
    tcase_add_test(c, micrograds_expression_of_tensors_and_recorded);
    tcase_add_loop_test(c, a_row_is_the_same_function_of_scalars_and_of_tensors, 0, ROWS);
    tcase_add_loop_test(c, a_rows_recorded_gradient_is_the_swept_one, 0, ROWS);
    tcase_add_test(c, inline_operations_are_their_rows);
    tcase_add_test(c, adjoints_cross_chunk_borders);
    tcase_add_test(c, a_tensor_record_may_lie_anywhere_in_a_chunk);
    tcase_add_test(c, affine_is_the_sum_of_its_products);
    tcase_add_test(c, affine_counts_an_operand_as_often_as_it_occurs);
    tcase_add_test(c, affine_of_tensors_decomposes);
    tcase_add_test(c, affine_with_constants_detached_and_failed_operands);
    tcase_add_test(c, affine_refuses_lists_that_are_missing);
    tcase_add_test(c, affine_is_one_record_for_weights_from_any_old_segment);
    tcase_add_test(c, a_scalar_broadcasts_over_a_tensor_on_either_side);
    tcase_add_test(c, a_scalar_may_pass_through_tensors_and_back);
    tcase_add_test(c, views_of_a_scalar_share_its_number);
    tcase_add_test(c, repeated_backwards_add_up_until_zeroed);
    tcase_add_test(c, a_leaf_used_twice_counts_twice);
    tcase_add_test(c, a_ladder_of_diamonds_multiplies_paths);
    tcase_add_test(c, a_leaf_as_root_gets_the_seed);
    tcase_add_test(c, a_rewound_leafs_gradient_does_not_reach_its_ids_next_tenant);
    tcase_add_test(c, a_failed_backwards_marks_do_not_reach_later_tenants);
    tcase_add_test(c, a_zero_adjoint_does_not_poison);
    tcase_add_test(c, scalars_keep_nan_and_infinities);
    return s;
}
