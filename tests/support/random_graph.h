/* random_graph: a graph of operations drawn from a seed, over all rows of the registry that have a derivative.
 *
 * The same seed gives the same graph; where its leaves are is up to the caller, so that central differences can be taken
 * of it. A graph has no kink and no pole near: operands are brought into the domain that their row's probe names, and
 * values that grow are squashed. Whether one must be is decided where the graph is built first, and kept. */
#ifndef TESTS_RANDOM_GRAPH_H
#define TESTS_RANDOM_GRAPH_H

#include "support.h"

enum {
    GRAPH_LEAVES = 5, /* two scalars of the strip, three arrays      */
    GRAPH_LEAF = 81,  /* elements of the largest                      */
    GRAPH_ROOTS = 6,
    GRAPH_ROOT = 1024, /* elements that a root has at most             */
    GRAPH_CHOICES = 1024,
    GRAPH_FROZEN = 4096
};

typedef struct random_graph {
    uint64_t seed;
    /* leaves */
    int rank[GRAPH_LEAVES];
    int64_t dim[GRAPH_LEAVES][AG_MAX_RANK], count[GRAPH_LEAVES];
    double x[GRAPH_LEAVES][GRAPH_LEAF];
    /* what was decided by looking at numbers, and the numbers of what was detached */
    bool settled;
    int n_choices, n_frozen;
    bool choice[GRAPH_CHOICES];
    double frozen[GRAPH_FROZEN];
    /* the graph as it was built last, on a tape */
    ag_value leaf[GRAPH_LEAVES], root[GRAPH_ROOTS], cotangent[GRAPH_ROOTS];
    int n_roots, operations;
    uint8_t *drawn; /* (registry) set to 1 for each row that was drawn; NULL: not asked for */
} random_graph;

/** Shapes and numbers of the leaves. */
void random_graph_draw(random_graph *g, uint64_t seed);
/** Record the graph of 5 to 60 operations with leaf i at x[i] + step * v[i]. The tape says when something failed. The first
 *  call must have step 0. */
void random_graph_build(random_graph *g, ag_tape *t, double v[][GRAPH_LEAF], double step);
/** Does a row have an operand with a derivative, so that graphs are drawn from it? */
bool random_graph_draws(const ag_op *op);

#endif
