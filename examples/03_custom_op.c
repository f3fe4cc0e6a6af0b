/* 03_custom_op: an operation of your own, and knowing that its gradient is right.
 *
 * The operation is swish with a slope: y = x sigmoid(k x). The engine needs to be told three things: how the shape
 * of the result follows from the operand's, how its numbers do, and how an adjoint travels back. They make up one
 * row, an `ag_op`, exactly as for the operations that come with the engine; what works with those then works with
 * yours.
 *
 * The derivative rule is written with recorded operations, not with loops over numbers. That is what allows a
 * gradient to be differentiated again, and the second order below comes out of the rule without another line.
 *
 * Whether a rule is right is not a matter of belief: ag_gradcheck compares it with differences of the function itself.
 * It is shown here on this rule and on one whose sign is wrong. Next: 04_mlp. */
#include <autograd/autograd.h>

#include "support/output.h"

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

/* What a caller sees, for this row and for the one below. */
static ag_value swish(const ag_op *row, ag_value x, double slope) {
    return ag_apply(NULL, row, &x, 1, &(swish_attrs){slope});
}

/* ---- the same with a rule that is wrong ------------------------------------------------------------------------ */

/* One sign is off, as it happens to everybody: a network would train with it, only badly. */
static ag_status wrong_vjp(ag_reverse *r) {
    const double k = ((const swish_attrs *)ag_rule_attrs(r))->slope;
    const ag_value s = ag_sigmoid(ag_mul_number(ag_in(r, 0), k));
    const ag_value not_s = ag_add_number(ag_neg(s), 1);
    ag_give(r, 0, ag_mul(ag_neg(ag_dy(r, 0)), ag_add(s, ag_mul_number(ag_mul(ag_out(r, 0), not_s), k))));
    return AG_OK;
}

/* A neuron with the operation in its middle: the report says which of its four operations is to blame. */
static ag_value neuron(ag_tape *t, const ag_value *in, int n, void *user) {
    const ag_op *const *row = user;
    (void)t, (void)n;
    return ag_tanh(swish(*row, ag_add(ag_mul(in[0], in[1]), in[2]), 1.5));
}

/* ---- the check ----------------------------------------------------------------------------------------- */

enum { POINTS = 5 };
static const double points[POINTS] = {-3, -0.5, 0, 0.7, 4}, weight[] = {0.8}, bias[] = {0.1};
static const ag_gradcheck_input inputs[] = {{.dtype = AG_F64, .rank = 1, .dim = {POINTS}, .values = points},
                                            {.dtype = AG_F64, .values = weight, .scalar = true},
                                            {.dtype = AG_F64, .values = bias, .scalar = true}};

/* Prints the report; true when the verdict is the expected one. */
static bool judge(ag_status status, const ag_gradcheck_report *report, ag_gradcheck_verdict expected) {
    char text[4096];
    ag_gradcheck_text(report, text, sizeof text);
    puts(text);
    return status == AG_OK && report->verdict == expected;
}

/* The operation by itself, both orders; then a function that contains it. */
static bool check(const ag_op *op, ag_gradcheck_verdict expected) {
    ag_gradcheck_report report;
    ag_status status = ag_gradcheck_op(op, &(swish_attrs){1.5}, inputs, 1, NULL, &report);
    const bool alone = judge(status, &report, expected);
    status = ag_gradcheck(neuron, &op, inputs, 3, &(ag_gradcheck_options){.name = "a neuron"}, &report);
    return judge(status, &report, expected) && alone;
}

int main(void) {
    ag_op wrong_op = swish_op;
    wrong_op.name = "swish_wrong";
    wrong_op.vjp = wrong_vjp;
    ag_error error = {0};
    /* Registering is needed only to reach the row by its name: ag_call, files, the generic tests. */
    if (ag_op_register(&swish_op, &error) != AG_OK) fprintf(stderr, "03_custom_op: %s\n", error.message);

    bool good = check(&swish_op, AG_GRADCHECK_PASSED);
    good = check(&wrong_op, AG_GRADCHECK_WRONG) && good;
    puts(good ? "the right rule passed, the wrong one was caught" : "the checks went otherwise than they should");
    return output_end("03_custom_op", error.status == AG_OK && good ? EXIT_SUCCESS : EXIT_FAILURE);
}
