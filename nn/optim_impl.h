/* optim_impl: what the update rules share. Internal.
 *
 * An optimiser is a struct whose first member is an nn_optim, and an operation of operands {parameters, gradient,
 * state...} and results {parameters, state...}, run in place on the slab. A new one is one file like optim_adam.c. */
#ifndef NNX_OPTIM_IMPL_H
#define NNX_OPTIM_IMPL_H

#include "optim.h"

enum { NNX_OPTIM_STATES = 2 };

struct nn_optim {
    size_t size; /* of the whole struct */
    const ag_op *rule;
    const char *const *state_name; /* (state_count) static */
    size_t state_count;
    ag_status (*update)(nn_optim *o, const ag_tensor *gradient,
                        ag_error *error); /* one step: calls nnx_optim_run */
    nn_params *params;
    ag_tensor *state[NNX_OPTIM_STATES]; /* (state_count), each of the slab's shape */
    double lr;
    int64_t steps;
};

/** Register the rule, copy `model` (its first five members and lr set) into a block of model->size bytes, and make
 *  its state, all zeros. NULL on failure. */
nn_optim *nnx_optim_new(const nn_optim *model, nn_params *params, ag_error *error);

/** Run the rule on the slab. */
ag_status nnx_optim_run(nn_optim *o, const ag_tensor *gradient, const void *attrs, ag_error *error);

/** The shape rule of all update rules: operands of one shape and one floating dtype, results alike. */
ag_status nnx_update_infer(const ag_query *q, ag_meta *out);

/** A sweep's loop is a function marked NNX_LOOP, called from two instances: one for the baseline, and one marked NNX_WIDE that
 *  runs where nnx_wide() says so. Both give the same bits: every operation in it is exact to the last bit on any width,
 *  and the compiler may not contract them. */
#if defined(__x86_64__) && defined(__GNUC__)
#define NNX_LOOP static inline __attribute__((always_inline))
#define NNX_WIDE __attribute__((target("avx2")))
static inline bool nnx_wide(void) { return __builtin_cpu_supports("avx2"); }
#else
#define NNX_LOOP static inline
#define NNX_WIDE
static inline bool nnx_wide(void) { return false; }
#endif

/** Copy operand `in` to result `out` where they are not the same buffer, so that a rule can work in place on its
 *  results: the same pointer read and written is what the compiler can vectorise. */
void *nnx_update_result(const ag_eval *e, uint32_t in, uint32_t out);

#endif
