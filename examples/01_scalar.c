/* 01_scalar: what automatic differentiation is.
 *
 * An expression of two numbers, written as a program would write it: variables are overwritten, terms are added
 * to them. The tape watches. Every operation appends one record - which operation, of which earlier records, with
 * what result - and that list is all the engine needs to say how the result answers to each of the two numbers.
 *
 * The expression is the one of micrograd's README (Andrej Karpathy, github.com/karpathy/micrograd), so that you
 * can compare the two. Next: 02_tensor. */
#include <autograd/autograd.h>

#include <stdio.h>
#include <stdlib.h>

int main(void) {
    ag_tape *tape = ag_tape_new(NULL);
    if (!tape) return EXIT_FAILURE;
    const ag_mark start = ag_tape_mark(tape); /* "from here on"; the rewind below goes back to it */

    /* Two leaves: the numbers we want derivatives for. */
    const ag_value a = ag_scalar(tape, -4.0);
    const ag_value b = ag_scalar(tape, 2.0);

    /* A value is a handle to a record, and records never change. So "c += ..." makes a new record and lets the
     * variable c name that one; the old one stays on the tape, where the derivative will need it. */
    ag_value c = ag_add(a, b);                                         /* c  = a + b             */
    ag_value d = ag_add(ag_mul(a, b), ag_pow_number(b, 3));            /* d  = a b + b^3         */
    c = ag_add(c, ag_add_number(c, 1));                                /* c += c + 1             */
    c = ag_add(c, ag_add(ag_add_number(c, 1), ag_neg(a)));             /* c += 1 + c + (-a)      */
    d = ag_add(d, ag_add(ag_mul_number(d, 2), ag_relu(ag_add(b, a)))); /* d += 2 d + relu(b + a) */
    d = ag_add(d, ag_add(ag_mul_number(d, 3), ag_relu(ag_sub(b, a)))); /* d += 3 d + relu(b - a) */
    const ag_value e = ag_sub(c, d);                                   /* e  = c - d             */
    const ag_value f = ag_square(e);                                   /* f  = e^2               */
    ag_value g = ag_mul_number(f, 0.5);                                /* g  = f / 2             */
    g = ag_add(g, ag_div(ag_number(f, 10), f));                        /* g += 10 / f            */

    printf("g     = %.4f\n", ag_item(g)); /* known already: recording computes, too */

    /* Now the chain rule. Backward walks the records from the last to the first. Each passes on to its operands
     * what it received itself, times its own small derivative; where paths meet, contributions add up. What
     * arrives at a leaf is dg / d(leaf). One walk serves all leaves, be they two or two million. */
    ag_backward(g);
    printf("dg/da = %.4f\n", ag_item_grad(a));
    printf("dg/db = %.4f\n", ag_item_grad(b));

    /* None of the calls above was checked. A failed operation makes the ones after it fail quietly, the tape keeps
     * the first failure, and the rewind - which also gives back all records at once - returns it. */
    const ag_status status = ag_tape_rewind(tape, start);
    if (status != AG_OK) fprintf(stderr, "01_scalar: %s\n", ag_tape_message(tape));
    ag_tape_free(tape);
    return status == AG_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
