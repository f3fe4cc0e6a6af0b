/* 03_custom_op: an operation of your own, and knowing that its gradient is right.
 *
 * The operation is swish with a slope: y = x sigmoid(k x). The engine needs to be told three things: how the shape
 * of the result follows from the operand's, how its numbers do, and how an adjoint travels back. They make up one
 * row, an `ag_op`, exactly as for the operations that come with the engine; what works with those then works with
 * yours.
 *
 * The derivative rule is written with recorded operations, not with loops over numbers. That is what allows a
 * gradient to be differentiated again: the second derivative below comes out of the rule without another line.
 * Next: 04_mlp. */
#include <autograd/autograd.h>

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- the operation ------------------------------------------------------------------------------------ */

typedef struct swish_attrs {
    double slope;
} swish_attrs;

/* The result is like the operand; whole numbers are refused, with a message that reaches the caller. */
static ag_status swish_infer(const ag_query *q, ag_meta *out) {
    if (!ag_dtype_is_float(q->in[0]->dtype)) return ag_fail(q->error, AG_ERROR_DTYPE, "x must be floating");
    *out = *q->in[0];
    return AG_OK;
}

/* Buffers in, buffers out. Operands come dense, since the row does not claim AG_TRAIT_STRIDED. */
static ag_status swish_forward(const ag_eval *e) {
    const double k = ((const swish_attrs *)e->attrs)->slope;
    const int64_t n = ag_meta_count(e->out[0].meta);
    if (e->out[0].meta->dtype == AG_F32) {
        const float *x = e->in[0].data;
        float *y = e->out[0].data;
        for (int64_t i = 0; i < n; i++) y[i] = x[i] / (1 + expf((float)-k * x[i]));
    } else {
        const double *x = e->in[0].data;
        double *y = e->out[0].data;
        for (int64_t i = 0; i < n; i++) y[i] = x[i] / (1 + exp(-k * x[i]));
    }
    return AG_OK;
}

/* dx = dy (s + k y (1 - s)), where s = sigmoid(k x). The row's `keeps` must name what is read here: x and y. */
static ag_status swish_vjp(ag_reverse *r) {
    const double k = ((const swish_attrs *)ag_rule_attrs(r))->slope;
    const ag_value s = ag_sigmoid(ag_mul_number(ag_in(r, 0), k));
    const ag_value not_s = ag_add_number(ag_neg(s), 1);
    ag_give(r, 0, ag_mul(ag_dy(r, 0), ag_add(s, ag_mul_number(ag_mul(ag_out(r, 0), not_s), k))));
    return AG_OK;
}

static const ag_field swish_fields[] = {{"slope", AG_FIELD_REAL, offsetof(swish_attrs, slope), 1.0}};

static const ag_op swish_op = {
    .name = "swish",
    .formula = "x sigmoid(slope x)",
    .min_in = 1,
    .max_in = 1,
    .outputs = 1,
    .traits = AG_TRAIT_ELEMENTWISE,
    .keeps = AG_IN(0) | AG_OUT(0),
    .attr_size = sizeof(swish_attrs),
    .fields = swish_fields,
    .n_fields = 1,
    .infer = swish_infer,
    .forward = swish_forward,
    .vjp = swish_vjp,
};

static ag_value swish(ag_value x, double slope) { return ag_apply(NULL, &swish_op, &x, 1, &(swish_attrs){slope}); }

/* ---- its check ---------------------------------------------------------------------------------------- */

enum { POINTS = 5 };
static const double SLOPE = 1.5;

/* y = sum_i swish(x_i), dx_i = dy/dx_i and ddx_i = d2y/dx_i^2 (each swish sees its own x alone), by the tape. */
static ag_status differentiate(ag_tape *tape, const double *at, double *y, double *dx, double *ddx) {
    const int64_t dim[] = {POINTS};
    const ag_mark start = ag_tape_mark(tape);
    const ag_value x = ag_array_leaf(tape, AG_F64, 1, dim, at);
    const ag_value sum = ag_sum_all(swish(x, SLOPE));
    ag_value first, second, sum_of_first;
    ag_grad(&sum, NULL, 1, &x, 1, &first); /* a gradient that is itself recorded ... */
    sum_of_first = ag_sum_all(first);
    ag_grad(&sum_of_first, NULL, 1, &x, 1, &second); /* ... and so has a gradient */
    *y = ag_item(sum);
    ag_read_f64(first, dx, POINTS);
    ag_read_f64(second, ddx, POINTS);
    return ag_tape_rewind(tape, start);
}

/* Central differences: (f(x + h) - f(x - h)) / 2h, one x_i at a time. Prints both; counts those that disagree. */
static ag_status check(ag_tape *tape, int *wrong) {
    const double h = 1e-5;
    double at[POINTS] = {-3, -0.5, 0, 0.7, 4}, dx[POINTS], ddx[POINTS], unused[POINTS], y;
    ag_status status = differentiate(tape, at, &y, dx, ddx);
    printf("     x    dy/dx: tape  by differences    d2y/dx2: tape  by differences\n");
    for (int i = 0; i < POINTS && status == AG_OK; i++) {
        double x = at[i], y_up, y_down = NAN, dx_up[POINTS], dx_down[POINTS];
        at[i] = x + h;
        status = differentiate(tape, at, &y_up, dx_up, unused);
        at[i] = x - h;
        if (status == AG_OK) status = differentiate(tape, at, &y_down, dx_down, unused);
        at[i] = x;
        const double numeric = (y_up - y_down) / (2 * h), numeric2 = (dx_up[i] - dx_down[i]) / (2 * h);
        printf("%6.2f  %13.8f  %14.8f  %15.8f  %14.8f\n", x, dx[i], numeric, ddx[i], numeric2);
        *wrong += !(fabs(dx[i] - numeric) < 1e-8 && fabs(ddx[i] - numeric2) < 1e-8); /* NaN is wrong, too */
    }
    return status;
}

int main(void) {
    ag_error error = {0};
    ag_tape *tape = ag_tape_new(NULL);
    if (!tape) return EXIT_FAILURE;
    /* Registering is needed only to reach the row by its name: ag_call, files, the generic tests. */
    if (ag_op_register(&swish_op, &error) != AG_OK) fprintf(stderr, "03_custom_op: %s\n", error.message);

    int wrong = 0;
    const ag_status status = check(tape, &wrong);
    if (status != AG_OK)
        fprintf(stderr, "03_custom_op: %s\n", ag_tape_message(tape));
    else
        printf("%s\n", wrong == 0 ? "all derivatives agree" : "some derivatives disagree");
    ag_tape_free(tape);
    return status == AG_OK && error.status == AG_OK && wrong == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
