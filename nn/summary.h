/* summary: a network at a glance - its layers, what comes out of them, and what they hold and cost.
 *
 *     nn_summary s;
 *     if (nn_summary_init(&s, net, x, &error) == AG_OK) {
 *         nn_summary_text(&s, text, sizeof text);
 *         nn_summary_clear(&s);
 *     } */
#ifndef NN_SUMMARY_H
#define NN_SUMMARY_H

#include "module.h"

AG_BEGIN_DECLS

/** One module: what is its own, without its children's. */
typedef struct nn_summary_row {
    const nn_module *module;
    int depth;          /* below the root, which has 0                                            */
    bool shaped;        /* it was run, by nn_forward or a layer's own call: `output` is what it gave */
    ag_meta output;     /* the last time                                                          */
    int64_t parameters; /* numbers that are trained                                               */
    int64_t state;      /* numbers of its buffers, which are kept, but not trained                */
    int64_t bytes;      /* of both                                                                */
    int64_t records;    /* operations recorded                                                    */
    int64_t computed;   /* bytes of their results; a view has none of its own                     */
    double operations;  /* floating-point ones, as the rows count them (ag_node, cost): a sum and a product
                           are one each, so that a linear layer does (2 n_in + 1) n_out a sample  */
    int64_t uncounted;  /* records of operations that do not say what they cost: some of a user's own */
} nn_summary_row;

/** All modules of a tree, in order of declaration, depth first: row 0 is the root. */
typedef struct nn_summary {
    size_t count;
    nn_summary_row *row;
} nn_summary;
/** Pass x through the network once, as in evaluation, and look at what was recorded. The tree must outlive the
 *  summary; it needs its numbers (nn_params_new). What s held before is not freed.
 *  Errors: AG_ERROR_VALUE (net or x is NULL), AG_ERROR_MEMORY, and those of the network. On error s is empty
 *  Memory: one pass, until it returns */
NN_API ag_status nn_summary_init(nn_summary *s, nn_module *net, const ag_tensor *x,
                                 ag_error *error) AG_WARN_UNUSED;
NN_API void nn_summary_clear(nn_summary *s);
/** The sums of all rows, as a row without a module, with the root's output. */
NN_API nn_summary_row nn_summary_total(const nn_summary *s);
/** A table for people: a line for each module, its name indented by depth, with its kind ("Conv2d"), the shape of its
 *  output, parameters, bytes of parameters and buffers, and operations. Below it the sums: "trained" are parameters,
 *  "not trained" buffers, and the forward memory is what one pass in evaluation computes. Returns the length that the
 *  whole text has (snprintf's rule): size 0 measures, and text may then be NULL.
 *  Edges: "-" for a shape: the module was not run itself; "+" behind a count of operations: there are more, which are
 *         not counted */
NN_API size_t nn_summary_text(const nn_summary *s, char *text, size_t size);

AG_END_DECLS
#endif
