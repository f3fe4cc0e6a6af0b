/* inspect: a look at a recorded graph, with every number of the chain rule. The one interface that all exports read.
 *
 *     ag_inspection *seen = ag_inspect(loss, NULL, &error);
 *     for (uint32_t i = 0; i < ag_inspection_count(seen); i++) {
 *         const ag_node *node = ag_inspection_node(seen, i);       (operation, operands, value, adjoint, ...)
 *     }
 *     ag_inspection_free(seen);
 *
 * An inspection is a copy: it outlives the records, and making it leaves the tape and all gradients as they were.
 * Its derivatives come from the rows' own rules, run on the tape's end and rewound; hooks are not called, and anomaly mode
 * does not stop it. Not here: pictures (export.h). */
#ifndef AUTOGRAD_INSPECT_H
#define AUTOGRAD_INSPECT_H

#include "tape.h"

AG_BEGIN_DECLS

/** Zero-initialise, then set what should differ from the default. */
typedef struct ag_inspect_options {
    int64_t max_elements; /* numbers of larger arrays are left out (NULL below); 0: 16 */
    bool values_only;     /* no derivatives: no rule is run                            */
} ag_inspect_options;

/** One edge: operand `id`, at its position. An operand used twice has two edges. */
typedef struct ag_edge {
    uint32_t id;
    const char
        *partial; /* the local derivative as its row writes it; NULL: none given                             */
    const double
        *local; /* its numbers, one per element of the result; NULL: no derivative, not elementwise, or not
                            asked for                                                                                */
} ag_edge;

/** One step of accumulation: operation `from` added `amount` to the adjoint of `to`, which then was `sum`. */
typedef struct ag_contribution {
    uint32_t to, from;                  /* ids; from 0: the seed of the root                   */
    uint32_t operand;                   /* which operand of `from` it went to                  */
    const double *amount, *sum;         /* (elements of `to`); NULL: too many                  */
    const struct ag_contribution *next; /* the next to the same value                          */
    const struct ag_contribution *then; /* the next in the whole sweep                         */
} ag_contribution;

/** One record. Texts are as they were given: whoever prints them escapes them. */
typedef struct ag_node {
    uint32_t id, output;   /* its id; which output of its operation (whose output 0 has id - output) */
    const char *operation; /* "leaf" and "constant" are operations without operands                  */
    const char *formula;   /* "" when the row gives none                                             */
    const char *label;     /* "" when it has none                                                    */
    const ag_op *op;       /* the row; NULL: a record that only scalars have (leaf, constant, affine) */
    uint32_t scope;        /* index of its scope; 0: the top                                         */
    ag_meta meta;          /* dtype and shape                                                        */
    bool differentiable;   /* a leaf, or depends on one through operands with a derivative           */
    bool has_number;       /* `number` belongs to the record: c of "x + c"                           */
    double number;
    double cost; /* floating-point operations of its forward, as its row counts them (op.h); 0 for all
                    but output 0; NaN: its row does not say                                          */
    uint32_t n_in;
    const ag_edge *in;             /* (n_in)                                                                 */
    const double *value, *adjoint; /* row-major; NULL: too many elements, or (adjoint) none                  */
    const ag_contribution *contributions; /* in order of accumulation                                         */
} ag_node;

typedef struct ag_inspection ag_inspection;

/** All that `root` depends on, with adjoints from a seed of ones. options NULL: defaults. NULL on failure.
 *  Errors: AG_ERROR_STALE, AG_ERROR_FAILED (root), AG_ERROR_MEMORY; unless values_only: AG_ERROR_DERIVATIVE, AG_ERROR_WRITTEN,
 *          AG_ERROR_LIMIT, AG_ERROR_STATE (called by a rule), and whatever failure the tape already has
 *  Memory: a few records per record until it returns */
AG_API ag_inspection *ag_inspect(ag_value root, const ag_inspect_options *options, ag_error *error);
/** The records from id `first` to `last`, both included and cut to what there is. Adjoints are those that the tape holds
 *  now: of leaves and retained values. There are no contributions and no local derivatives. */
AG_API ag_inspection *ag_inspect_range(ag_tape *t, uint32_t first, uint32_t last,
                                       const ag_inspect_options *options, ag_error *error);
AG_API void ag_inspection_free(ag_inspection *seen); /* accepts NULL */

AG_API uint32_t ag_inspection_count(const ag_inspection *seen);
/** Node i, in order of ids; NULL past the end. */
AG_API const ag_node *ag_inspection_node(const ag_inspection *seen, uint32_t i);
/** The node of an id; NULL: not seen. */
AG_API const ag_node *ag_inspection_find(const ag_inspection *seen, uint32_t id);
AG_API uint32_t ag_inspection_root(const ag_inspection *seen); /* id; 0: a range */
/** The first step of the sweep; follow `then`. NULL: none. */
AG_API const ag_contribution *ag_inspection_sweep(const ag_inspection *seen);

/** A scope. Index 0 is the top, without a name; a scope's parent has a smaller index, and scopes are in the order in
 *  which they were opened, so that the scopes inside one follow it directly. */
typedef struct ag_scope {
    const char *name;
    uint32_t parent;
} ag_scope;
AG_API uint32_t ag_inspection_scope_count(const ag_inspection *seen);
AG_API const ag_scope *ag_inspection_scope(const ag_inspection *seen, uint32_t i); /* NULL past the end */

AG_END_DECLS
#endif
