/* mutant: one mistake at a time in a derivative, made at run time.
 *
 * The linker puts the functions of mutant.c in the place of the few that every derivative passes through (--wrap):
 * agx_run_rule, agx_run_forward_rule, ag_wants, ag_has_tangent, ag_give, ag_give_tangent, ag_apply, and the sweep of
 * scalars. So the objects under test are those of the library, byte for byte, and the library knows nothing of this.
 *
 * A mutant is a place and a change. Places that a rule reaches only while it runs are found by watching it run
 * (mutant_watch); all others follow from the table of elementwise rows. */
#ifndef TESTS_SUPPORT_MUTANT_H
#define TESTS_SUPPORT_MUTANT_H

#include <autograd/autograd.h>

typedef enum mutant_place {
    MUTANT_GIVE,    /* what a reverse rule gives operand `index`                               */
    MUTANT_TERM,    /* an operation, `applied`, that a rule records for an operand             */
    MUTANT_TANGENT, /* the answer number `index` of a forward rule                             */
    MUTANT_SWEEP,   /* an elementwise row in the sweep of scalars, operand `index`             */
    MUTANT_AFFINE,  /* the fused neuron there: 0 weights, 1 inputs, 2 bias                     */
    MUTANT_KERNEL,  /* an elementwise row's fused kernel, operand `index`                      */
    MUTANT_FORWARD  /* the value of an operation that is itself a derivative                   */
} mutant_place;

/** Which instance of the rule. */
typedef enum mutant_mode {
    MUTANT_SWEPT,    /* ag_backward: nothing is recorded         */
    MUTANT_RECORDED, /* ag_grad                                  */
    MUTANT_PUSHED,   /* ag_jvp                                   */
    MUTANT_F32,      /* kernels: by dtype                        */
    MUTANT_F64,
    MUTANT_ALWAYS
} mutant_mode;

typedef enum mutant_change {
    MUTANT_NEGATED,     /* its sign is flipped                                      */
    MUTANT_DROPPED,     /* it is left out                                           */
    MUTANT_SWAPPED,     /* two operands, or what they are given, change places      */
    MUTANT_IDENTITY,    /* the operand instead of the operation's value             */
    MUTANT_FIRST_GONE,  /* the first term or factor (where: the first branch)       */
    MUTANT_SECOND_GONE, /* the second one                                           */
    MUTANT_OPPOSITE     /* == for !=, and the other way                             */
} mutant_change;

typedef struct mutant {
    const ag_op *op, *applied; /* whose derivative; TERM: what is recorded there */
    mutant_place place;
    mutant_mode mode;
    mutant_change change;
    uint32_t index;
} mutant;

/** From now on, in this process and those it forks, this mistake is made; NULL: none. */
void mutant_choose(const mutant *m);

/** From now on every place that a rule reaches is noted, in memory that forked processes share. Before any other test
 *  runs, so that operations which tests register are told from the catalogue. false: no memory. */
bool mutant_watch(void);
/** Stop that; all mutants, in an order that depends on nothing but their names. Owned by this file. */
const mutant *mutant_all(size_t *n);

/** Why this mutant is no mistake: it computes what the right program computes. NULL: it is one. */
const char *mutant_equivalent(const mutant *m);

enum { MUTANT_NAME = 160 };
/** "mul: adjoint of operand 1, recorded: sign flipped". Returns `text`. */
char *mutant_name(const mutant *m, char text[MUTANT_NAME]);

#endif
