/* 01_scalar: what automatic differentiation is.
 *
 * An expression of two numbers, written as a program would write it: variables are overwritten, terms are added
 * to them. The tape watches. Every operation appends one record - which operation, of which earlier records, with
 * what result - and that list is all the engine needs to say how the result answers to each of the two numbers.
 *
 *     01_scalar                   value and derivatives
 *     01_scalar --dot graph.dot   ... and the graph, for Graphviz: dot -Tsvg graph.dot > graph.svg
 *
 * The expression is the one of micrograd's README (Andrej Karpathy, github.com/karpathy/micrograd), so that you
 * can compare the two. Next: 02_tensor. */
#include <autograd/autograd.h>

#include "support/output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The records that g depends on, as a picture: value and derivative of each, and on every arrow the small derivative
 * that the chain rule multiplies by. */
static ag_status draw(ag_value g, const char *path, ag_error *error) {
    ag_inspection *seen = ag_inspect(g, NULL, error);
    if (!seen) return error->status;
    const ag_status status = ag_export_file(seen, ag_export_dot, path, error);
    ag_inspection_free(seen);
    return status;
}

int main(int argc, char **argv) {
    const char *path = argc == 3 && strcmp(argv[1], "--dot") == 0 ? argv[2] : NULL;
    if (argc > 1 && !path) {
        fprintf(stderr, "Usage: 01_scalar [--dot FILE]\n");
        return 2;
    }
    ag_tape *tape = ag_tape_new(NULL);
    if (!tape) return EXIT_FAILURE;
    const ag_mark start = ag_tape_mark(tape); /* "from here on"; the rewind below goes back to it */

    /* Two leaves: the numbers we want derivatives for. */
    const ag_value a = ag_label(ag_scalar(tape, -4.0), "a"); /* a label is for errors and pictures */
    const ag_value b = ag_label(ag_scalar(tape, 2.0), "b");

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

    ag_error error = {0};
    const ag_status drawn = path ? draw(ag_label(g, "g"), path, &error) : AG_OK;
    if (drawn != AG_OK) fprintf(stderr, "01_scalar: %s\n", error.message);

    /* None of the calls above was checked. A failed operation makes the ones after it fail quietly, the tape keeps
     * the first failure, and the rewind - which also gives back all records at once - returns it. */
    const ag_status status = ag_tape_rewind(tape, start);
    if (status != AG_OK) fprintf(stderr, "01_scalar: %s\n", ag_tape_message(tape));
    ag_tape_free(tape);
    return output_end("01_scalar", status == AG_OK && drawn == AG_OK ? EXIT_SUCCESS : EXIT_FAILURE);
}
