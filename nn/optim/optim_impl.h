/* optim_impl: what the update rules share. Internal.
 *
 * An optimiser is a struct whose first member is an nn_optim, and an operation of operands {parameters, gradient,
 * state...} and results {parameters, state...}, run in place on the slab. A new one is one file like adam.c,
 * or, where speed is no matter, like adagrad.c. */
#ifndef NNX_OPTIM_IMPL_H
#define NNX_OPTIM_IMPL_H

#include "../optim.h"

enum { NNX_OPTIM_STATES = 5, NNX_RULE_STATES = 3, NNX_OPTIM_NUMBERS = 5, NNX_ATTRS_SIZE = 128 };

/** What a group may set for itself. */
typedef struct nnx_constants {
    double lr_scale, weight_decay, beta1, beta2;
    double product; /* of NAdam's momenta so far; not set, but counted */
    bool maximize;
} nnx_constants;
/** Bits of nn_optim.takes: the constants that a rule has. */
enum { NNX_DECAY = 1, NNX_BETA1 = 2, NNX_BETA2 = 4, NNX_PRODUCT = 8 };

/** A number of a rule's own that changes as it steps. */
typedef struct nnx_number {
    const char *name;
    double value, least, most;
    bool whole;
} nnx_number;

typedef struct nnx_groups nnx_groups; /* group.c */

struct nn_optim {
    size_t size; /* of the whole struct */
    const ag_op *rule;
    const char *const *state_name; /* (state_count) static */
    size_t state_count;
    unsigned no_slab;  /* bit i: state i is no row, or rows, of numbers that lie as the slab's do */
    unsigned takes;    /* NNX_DECAY and so on */
    bool apart;        /* the rule sees one parameter at a time, and is not elementwise */
    nnx_constants own; /* of parameters in no group */
    /** Fill the rule's attributes (at most NNX_ATTRS_SIZE bytes) for the next step. */
    void (*attrs)(const nn_optim *o, const nnx_constants *c, double lr, void *attrs);
    /** Count what the rule counts, after a step, once for each set of constants; NULL: nothing. */
    void (*advance)(const nn_optim *o, nnx_constants *c);
    /** Of a rule that evaluates the loss itself, instead of `attrs`; NULL: it does not. */
    ag_status (*minimise)(nn_optim *o, nn_loss_function *f, void *user, double *loss, ag_error *error);
    /** Make the state where it is not shaped like the slab, and what else the struct owns; NULL: nothing else.
     *  `destroy` frees that, also half made. */
    ag_status (*make)(nn_optim *o, ag_error *error);
    void (*destroy)(nn_optim *o);
    nnx_number number[NNX_OPTIM_NUMBERS]; /* (number_count) */
    size_t number_count;
    double lr;
    /* not set in a model */
    nn_params *params;
    ag_tensor *state[NNX_OPTIM_STATES]; /* (state_count) */
    nnx_groups *groups;                 /* NULL: the slab is one run */
    int64_t steps;
};

/** Register the rule, copy `model` into a block of model->size bytes, and make its state, all zeros. NULL on
 *  failure. */
nn_optim *nnx_optim_new(const nn_optim *model, nn_params *params, ag_error *error);

/** An option's number: 0 is the default, NN_ZERO is 0. */
double nnx_option(double x, double usual);
/** The checks of constructors: finite and at least 0; in [0, 1). */
bool nnx_is_rate(double x);
bool nnx_is_beta(double x);
/** The message of a constructor's refusal, under the name of the function; returns NULL. */
nn_optim *nnx_optim_refuse(const char *function, const char *what, ag_error *error);

/** Run the rule on one run: these tensors, in place, or through `result` (NULL: in place). The gradient is as it was
 *  when this returns; while the rule runs it has the other sign where c->maximize. */
ag_status nnx_optim_run(const nn_optim *o, ag_tensor *slab, ag_tensor *gradient, ag_tensor *const *state,
                        ag_tensor *const *result, const nnx_constants *c, ag_error *error);

/* Groups. The functions accept NULL where no group has been added. */

/** Groups none, runs one a parameter. */
ag_status nnx_groups_new(nn_optim *o, ag_error *error);
void nnx_groups_free(nnx_groups *g);
ag_status nnx_groups_run(nn_optim *o, ag_error *error);
/** Number i of those of all groups: a place to read and write; NULL past the last. */
typedef struct nnx_group_number {
    const char *name;
    double *value;
    bool beta; /* or else a rate */
} nnx_group_number;
nnx_group_number nnx_groups_number(const nn_optim *o, size_t i);
size_t nnx_groups_number_count(const nn_optim *o);
/** The constants of group i from 1. */
nnx_constants *nnx_groups_constants(const nnx_groups *g, size_t i);

/** The `grad` of their rows, of length 1: a step has no derivative. */
extern const uint8_t nnx_no_derivative[1];

/** The shape rule of all update rules: operands of one shape and one floating dtype, results alike. */
ag_status nnx_update_infer(const ag_query *q, ag_meta *out);

/** A sweep's loop is a function marked NNX_LOOP, called from two instances: one for the baseline, and one marked
 *  NNX_WIDE that runs where nnx_wide() says so. Both give the same bits: every operation in it is exact to the
 *  last bit on any width, and the compiler may not contract them. */
#if defined(__x86_64__) && defined(__GNUC__)
#define NNX_LOOP static inline __attribute__((always_inline))
#define NNX_WIDE __attribute__((target("avx2")))
static inline bool nnx_wide(void) { return __builtin_cpu_supports("avx2"); }
#else
#define NNX_LOOP static inline
#define NNX_WIDE
static inline bool nnx_wide(void) { return false; }
#endif

/** The numbers of one step that an element's update needs. */
enum { NNX_FACTORS = 8 };
typedef struct nnx_factors {
    double k[NNX_FACTORS];
} nnx_factors;
/** One element: x is {p, state...}, g the gradient. The arithmetic is f64 whatever the dtype: an f32 network's
 *  only rounding is that of what is stored. */
typedef void nnx_element(double *x, double g, const nnx_factors *f);

/** The gradient with a coupled decay. Without one an infinite parameter stays out of it: 0 times that is NaN. */
NNX_LOOP double nnx_decayed(double g, double decay, double p) { return decay != 0 ? g + decay * p : g; }

/** A rule's loop over all elements. Called with a constant `states` and a function marked NNX_LOOP, it becomes a
 *  loop with that function in it. */
NNX_LOOP void nnx_sweep_of(ag_dtype dtype, int64_t n, void *const *out, const void *gradient, uint32_t states,
                           nnx_element *element, const nnx_factors *factors) {
    const nnx_factors f = *factors; /* a copy that no store can reach */
    for (int64_t i = 0; i < n; i++) {
        double x[1 + NNX_RULE_STATES];
        for (uint32_t k = 0; k <= states; k++)
            x[k] = dtype == AG_F32 ? (double)((const float *)out[k])[i] : ((const double *)out[k])[i];
        element(x, dtype == AG_F32 ? (double)((const float *)gradient)[i] : ((const double *)gradient)[i], &f);
        for (uint32_t k = 0; k <= states; k++) {
            if (dtype == AG_F32)
                ((float *)out[k])[i] = (float)x[k];
            else
                ((double *)out[k])[i] = x[k];
        }
    }
}

NNX_LOOP void nnx_sweep(const ag_eval *e, uint32_t states, nnx_element *element, const nnx_factors *factors) {
    const int64_t n = ag_meta_count(e->out[0].meta);
    void *out[1 + NNX_RULE_STATES];
    for (uint32_t k = 0; k <= states; k++) out[k] = e->out[k].data;
    if (e->out[0].meta->dtype == AG_F32)
        nnx_sweep_of(AG_F32, n, out, e->in[1].data, states, element, factors);
    else
        nnx_sweep_of(AG_F64, n, out, e->in[1].data, states, element, factors);
}

/** A rule's loop, for the baseline or wide. */
typedef void nnx_sweep_function(const ag_eval *e, const nnx_factors *f);
/** The forward of a rule made of such loops: copies operands to results where they are apart, and runs one of
 *  them. */
ag_status nnx_update(const ag_eval *e, nnx_sweep_function *narrow, nnx_sweep_function *wide, const nnx_factors *f);

/** For a rule whose steps count from 1: the error of a step below that. */
ag_status nnx_step_check(const ag_eval *e, int64_t step);

/** Copy operand `in` to result `out` where they are not the same buffer, so that a rule can work in place on its
 *  results: the same pointer read and written is what the compiler can vectorise. */
void *nnx_update_result(const ag_eval *e, uint32_t in, uint32_t out);

#endif
