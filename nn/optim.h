/* optim: optimisers on a parameter slab. Each update rule is an operation of its own ("nn_sgd_update",
 * "nn_adam_update", ...), registered through the engine's public door when the first optimiser that needs it is
 * made. The parameters must outlive the optimiser.
 *
 *     nn_optim *o = nn_adamw(params, 1e-3, NULL, &error);
 *     nn_optim *o = nn_adamw(params, 1e-3, &(nn_adam_options){.beta2 = 0.99, .weight_decay = NN_ZERO}, &error);
 *
 * Options are plain structs: NULL, or a field that is 0, means the default that stands beside the field, which is
 * PyTorch's. NN_ZERO asks for a 0 where the default is another number.
 * Rates over time are in schedule.h, clipping in clip.h, averages of the weights in ema.h. */
#ifndef NN_OPTIM_H
#define NN_OPTIM_H

#include "param.h"

AG_BEGIN_DECLS

/** In an options struct: the number 0 itself, where a field that is 0 would mean the default. */
#define NN_ZERO 0x1p-1022

/** An optimiser: a rule, its state, a learning rate and a count of steps. Free with nn_optim_free. */
typedef struct nn_optim nn_optim;

/* ---- rules ---------------------------------------------------------------------------------------------
 * g is the gradient of p, t the step from 1; with a weight_decay (where it is not said to be decoupled)
 * g + weight_decay p takes its place. All state begins at zero.
 * Errors of all constructors: NULL and AG_ERROR_VALUE (a rate, eps or decay below 0 or not finite, a momentum or
 * beta outside [0, 1), params NULL; of NULL params an error that is in `error` already stays), AG_ERROR_NAME
 * (another operation has the rule's name), AG_ERROR_MEMORY. */

typedef struct nn_sgd_options {
    double momentum;     /* 0 */
    double dampening;    /* 0 */
    double weight_decay; /* 0 */
    bool nesterov;       /* needs a momentum and no dampening */
} nn_sgd_options;
/** Stochastic gradient descent, PyTorch's definition: nn_sgd_with with a momentum alone.
 *  v = momentum v + g (first step: v = g); p -= lr v
 *  Memory: v, as long as the slab; without momentum no v is kept
 *  Source: Sutskever, Martens, Dahl, Hinton 2013 (there lr multiplies g, not v) */
NN_API nn_optim *nn_sgd(nn_params *params, double lr, double momentum, ag_error *error);
/** The same with all its options.
 *  v = momentum v + (1 - dampening) g (first step: v = g); p -= lr v, nesterov: p -= lr (g + momentum v) */
NN_API nn_optim *nn_sgd_with(nn_params *params, double lr, const nn_sgd_options *options, ag_error *error);

typedef struct nn_adam_options {
    double beta1, beta2; /* 0.9, 0.999 */
    double eps;          /* 1e-8 */
    double weight_decay; /* 0; of nn_adamw 0.01 */
    bool amsgrad;        /* divides by the largest v so far */
} nn_adam_options;
/** Adam, PyTorch's definition and defaults. Step t, from 1:
 *  m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2
 *  p -= lr / (1 - beta1^t) m / (sqrt(v / (1 - beta2^t)) + eps)
 *  Edges:  eps = 0 makes 0/0, NaN, of an element whose gradient was always 0, padding too
 *  Memory: m and v, each as long as the slab; with amsgrad one more
 *  Source: Kingma and Ba 2015, algorithm 1 */
NN_API nn_optim *nn_adam(nn_params *params, double lr, ag_error *error);
/** The same with options; amsgrad: Reddi, Kale, Kumar 2018. */
NN_API nn_optim *nn_adam_with(nn_params *params, double lr, const nn_adam_options *options, ag_error *error);
/** Adam with decoupled decay: p -= lr weight_decay p comes first, and g stays as it is.
 *  Source: Loshchilov and Hutter 2019 */
NN_API nn_optim *nn_adamw(nn_params *params, double lr, const nn_adam_options *options, ag_error *error);

typedef struct nn_rmsprop_options {
    double alpha;        /* 0.99 */
    double eps;          /* 1e-8 */
    double weight_decay; /* 0 */
    double momentum;     /* 0 */
    bool centered;       /* subtracts the square of g's running mean */
} nn_rmsprop_options;
/** RMSprop. v = alpha v + (1 - alpha) g^2; centered: a = alpha a + (1 - alpha) g, and v - a^2 is used for v
 *  p -= lr g / (sqrt(v) + eps); with momentum: b = momentum b + g / (sqrt(v) + eps); p -= lr b
 *  Memory: v, and where used a and b, each as long as the slab
 *  Source: Tieleman and Hinton 2012, lecture 6.5; Graves 2013 (centered) */
NN_API nn_optim *nn_rmsprop(nn_params *params, double lr, const nn_rmsprop_options *options, ag_error *error);

typedef struct nn_adagrad_options {
    double lr_decay;     /* 0 */
    double weight_decay; /* 0 */
    double initial;      /* 0: what the sum of squares begins with */
    double eps;          /* 1e-10 */
} nn_adagrad_options;
/** Adagrad. s += g^2; p -= lr / (1 + (t - 1) lr_decay) g / (sqrt(s) + eps)
 *  Memory: s, as long as the slab
 *  Source: Duchi, Hazan, Singer 2011 */
NN_API nn_optim *nn_adagrad(nn_params *params, double lr, const nn_adagrad_options *options, ag_error *error);

typedef struct nn_adadelta_options {
    double rho;          /* 0.9 */
    double eps;          /* 1e-6 */
    double weight_decay; /* 0 */
} nn_adadelta_options;
/** Adadelta; the usual lr is 1. v = rho v + (1 - rho) g^2; d = sqrt(u + eps) / sqrt(v + eps) g;
 *  u = rho u + (1 - rho) d^2; p -= lr d
 *  Memory: v and u, each as long as the slab
 *  Source: Zeiler 2012 */
NN_API nn_optim *nn_adadelta(nn_params *params, double lr, const nn_adadelta_options *options, ag_error *error);

typedef struct nn_adamax_options {
    double beta1, beta2; /* 0.9, 0.999 */
    double eps;          /* 1e-8 */
    double weight_decay; /* 0 */
} nn_adamax_options;
/** Adamax. m = beta1 m + (1 - beta1) g; u = max(beta2 u, |g| + eps); p -= lr / (1 - beta1^t) m / u
 *  Memory: m and u, each as long as the slab
 *  Source: Kingma and Ba 2015, algorithm 2 */
NN_API nn_optim *nn_adamax(nn_params *params, double lr, const nn_adamax_options *options, ag_error *error);

typedef struct nn_nadam_options {
    double beta1, beta2;   /* 0.9, 0.999 */
    double eps;            /* 1e-8 */
    double weight_decay;   /* 0 */
    double momentum_decay; /* 0.004 */
} nn_nadam_options;
/** NAdam: Adam with Nesterov's momentum. mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2), M_t = mu_1 ... mu_t
 *  p -= lr ((1 - mu_t) / (1 - M_t) g + mu_(t+1) / (1 - M_t mu_t mu_(t+1)) m) / (sqrt(v / (1 - beta2^t)) + eps), m
 *  and v as in Adam
 *  Memory: m and v, each as long as the slab
 *  Source: Dozat 2016; there 1 - M_t mu_(t+1), the second mu_t is PyTorch 1.13's */
NN_API nn_optim *nn_nadam(nn_params *params, double lr, const nn_nadam_options *options, ag_error *error);

typedef struct nn_radam_options {
    double beta1, beta2; /* 0.9, 0.999 */
    double eps;          /* 1e-8 */
    double weight_decay; /* 0 */
} nn_radam_options;
/** RAdam: Adam whose adaptive rate begins once its variance can be trusted, and momentum until then.
 *  Memory: m and v, each as long as the slab
 *  Source: Liu, Jiang, He, Chen, Liu, Gao, Han 2020 */
NN_API nn_optim *nn_radam(nn_params *params, double lr, const nn_radam_options *options, ag_error *error);

typedef struct nn_rprop_options {
    double eta_minus, eta_plus; /* 0.5, 1.2 */
    double step_min, step_max;  /* 1e-6, 50 */
} nn_rprop_options;
/** Rprop, for whole batches: each element's step, at first lr, grows by eta_plus while its gradient keeps its
 *  sign, and shrinks by eta_minus, without a move, where the sign has changed. Later changes of the rate have no
 *  effect.
 *  Memory: the last gradient and the step, each as long as the slab
 *  Source: Riedmiller and Braun 1993 */
NN_API nn_optim *nn_rprop(nn_params *params, double lr, const nn_rprop_options *options, ag_error *error);

typedef struct nn_lion_options {
    double beta1, beta2; /* 0.9, 0.99 */
    double weight_decay; /* 0; decoupled */
} nn_lion_options;
/** Lion. p -= lr (sign(beta1 m + (1 - beta1) g) + weight_decay p); then m = beta2 m + (1 - beta2) g
 *  Memory: m, as long as the slab
 *  Source: Chen and others 2023, program 1 */
NN_API nn_optim *nn_lion(nn_params *params, double lr, const nn_lion_options *options, ag_error *error);

typedef struct nn_lamb_options {
    double beta1, beta2; /* 0.9, 0.999 */
    double eps;          /* 1e-6 */
    double weight_decay; /* 0.01 */
} nn_lamb_options;
/** LAMB, for large batches. r = m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps) + weight_decay p, and for each
 *  parameter p -= lr |p| / |r| r, Euclidean norms; where one of them is 0 the quotient is 1. m and v as in Adam
 *  Memory: m and v, each as long as the slab, and three times the largest parameter
 *  Source: You and others 2020, algorithm 2 */
NN_API nn_optim *nn_lamb(nn_params *params, double lr, const nn_lamb_options *options, ag_error *error);

typedef struct nn_lbfgs_options {
    int64_t max_iterations;  /* 20, of one step */
    int64_t max_evaluations; /* 5/4 of max_iterations */
    double tolerance_grad;   /* 1e-7: the largest |g| to stop at */
    double tolerance_change; /* 1e-9: of the loss and of the parameters */
    int64_t history;         /* 100 pairs */
    bool fixed_step;         /* moves by lr, and does not search for the strong Wolfe conditions */
} nn_lbfgs_options;
/** L-BFGS, for whole batches; the usual lr is 1. It evaluates the loss several times a step: nn_optim_step_with,
 *  not nn_optim_step. It has no groups.
 *  Errors: and AG_ERROR_SHAPE (more numbers than can be counted)
 *  Memory: 2 history + 2 vectors as long as the slab; a search holds five more
 *  Source: Nocedal and Wright 2006, algorithms 7.4 and 7.5, 3.5 and 3.6; Schmidt's minFunc, as in
 *          torch.optim.LBFGS */
NN_API nn_optim *nn_lbfgs(nn_params *params, double lr, const nn_lbfgs_options *options, ag_error *error);

/** A rule of one's own: an operation (op.h) that makes of a parameter p, its gradient g and state what they are after
 *  a step. Its row is elementwise, and then works on many parameters at once and in place; or it is not, and sees
 *  each parameter by itself. */
typedef struct nn_rule {
    const ag_op *op;          /* operands {p, g, state...}, results {p, state...}, of one shape and dtype; kept */
    const char *const *state; /* (state_count) its names in checkpoints; kept, not copied                */
    size_t state_count;       /* 0 to 3: tensors like p, which begin as zeros                            */
    /** Fill op->attr_size bytes, all 0 before, for step number `step`, from 1. NULL: the row has no attributes. */
    void (*attrs)(void *user, double lr, int64_t step, void *attrs);
    void *user;
} nn_rule;
/** An optimiser that follows it, and is one like the others: steps, schedules, groups (with rates alone),
 *  checkpoints. The row is registered (ag_op_register).
 *  Shapes: operands are vectors, padding included: zeros, which zero gradients must leave zeros
 *  Errors: as all; AG_ERROR_VALUE also: what op takes, gives or has as attributes (at most 128 bytes) does not fit */
NN_API nn_optim *nn_optim_of(nn_params *params, double lr, const nn_rule *rule, ag_error *error);

/* ---- steps -------------------------------------------------------------------------------------------------- */

NN_API void nn_optim_free(nn_optim *o); /* accepts NULL; the parameters stay */

/** One update from the parameters' gradients. The gradient of a parameter that the loss did not reach is zero: with a
 *  weight_decay it shrinks, and momentum moves it on. (PyTorch leaves one alone that was never reached, and after
 *  zero_grad does the same as here.)
 *  Errors: AG_ERROR_VALUE (a rate that nn_optim_set_lr set below 0 or not finite; Adam after nn_optim_set_steps
 *          below 0; 2^53 steps done), AG_ERROR_STATE (a gradient is invalid after a failed backward; names the first
 *          parameter; L-BFGS, which needs nn_optim_step_with), AG_ERROR_MEMORY. On error nothing is changed */
NN_API ag_status nn_optim_step(nn_optim *o, ag_error *error);
/** The loss at the parameters as they are, with its gradient: zero_grad, record, ag_backward, rewind.
 *  Errors: what it returns ends the step */
typedef ag_status nn_loss_function(void *user, double *loss, ag_error *error);
/** A step of a rule that may evaluate the loss more than once; the others evaluate it once and then do
 *  nn_optim_step. `loss` (NULL: not wanted) receives that of the first evaluation, before the step.
 *  Errors: those of nn_optim_step and of f. L-BFGS then leaves the parameters where its last whole iteration had
 *          left them, and AG_ERROR_NONFINITE: the first loss is not finite */
NN_API ag_status nn_optim_step_with(nn_optim *o, nn_loss_function *f, void *user, double *loss, ag_error *error);
/** nn_params_zero_grad of its parameters: every gradient reads as zeros, an invalid one is valid again. */
NN_API void nn_optim_zero_grad(nn_optim *o);
/** The learning rate of the next step, of parameters in no group, to read and, for schedules, to set. A rate below
 *  0 or not finite is refused by nn_optim_step. */
NN_API double nn_optim_lr(const nn_optim *o);
NN_API void nn_optim_set_lr(nn_optim *o, double lr);
/** The momentum of the next step, of parameters in no group: SGD's and RMSprop's momentum, beta1 of Adam and its
 *  like. NaN: the rule has none, as SGD that was made without. */
NN_API double nn_optim_momentum(const nn_optim *o);
/** Set it, for all parameters, those in groups too, as schedules that cycle it do.
 *  Errors: AG_ERROR_STATE (the rule has none), AG_ERROR_VALUE (outside [0, 1)); nothing is changed */
NN_API ag_status nn_optim_set_momentum(nn_optim *o, double momentum, ag_error *error);
/** Go up instead of down, for an objective that should grow: a step reads -g for g, before any decay, which still
 *  shrinks the weights. The same as ag_backward of the negated objective. It holds for parameters in no group, and
 *  for groups that are added later. nn_fit asks for a loss, and watches it for its least: negate an objective there.
 *  Errors: AG_ERROR_STATE (L-BFGS); nothing is changed */
NN_API ag_status nn_optim_maximize(nn_optim *o, bool maximize, ag_error *error) AG_WARN_UNUSED;
/** Updates done: steps that failed are not counted. */
NN_API int64_t nn_optim_steps(const nn_optim *o);

/* ---- groups of parameters ----------------------------------------------------------------------------------- */

/** Constants for some of the parameters. A number that is 0 is that of the optimiser; NN_ZERO is 0. */
typedef struct nn_group {
    const char *pattern; /* of paths: "*.bias", "encoder.*.weight"; '*' is any text, '?' any character; or NULL */
    const char *const *names; /* (name_count) and these paths; or NULL */
    size_t name_count;
    double lr_scale; /* 1: the group's rate is lr_scale times the optimiser's, whatever sets that */
    double weight_decay;
    double beta1;  /* the momentum of SGD and RMSprop, too */
    double beta2;  /* RMSprop's alpha and Adadelta's rho, too */
    bool maximize; /* the group goes up, as all do after nn_optim_maximize */
} nn_group;
/** Add a group. A parameter belongs to the last group that names it. The text is copied. State is kept.
 *  Errors: AG_ERROR_NAME (the pattern matches nothing, or a name is no parameter's), AG_ERROR_VALUE (neither
 *          pattern nor names; a number out of range, or one that the rule does not have; a momentum where the
 *          optimiser keeps none), AG_ERROR_STATE (L-BFGS), AG_ERROR_MEMORY. On error nothing is changed */
NN_API ag_status nn_optim_group(nn_optim *o, const nn_group *group, ag_error *error) AG_WARN_UNUSED;
/** How many groups, and that of a parameter: 0 for all that are in none, then 1, 2, ... in order of addition. */
NN_API size_t nn_optim_group_count(const nn_optim *o);
NN_API size_t nn_optim_group_of(const nn_optim *o, const char *path); /* SIZE_MAX: no such parameter */
/** The rate of a group's next step; NaN past the last group. */
NN_API double nn_optim_group_lr(const nn_optim *o, size_t group);

/* ---- state, for checkpoints --------------------------------------------------------------------------------- */

/** Its tensors, to read or (ag_tensor_write) to restore: under PyTorch's names. SGD without momentum has none;
 *  with it "momentum" (v); Adam "exp_avg" (m) and "exp_avg_sq" (v), with amsgrad "max_exp_avg_sq"; and so on.
 *  Shapes: each the slab's, (padded elements), in its dtype; of L-BFGS's history (history, padded elements)
 *  Edges:  name and tensor are NULL past the last
 *  Memory: both belong to the optimiser */
NN_API size_t nn_optim_state_count(const nn_optim *o);
NN_API const char *nn_optim_state_name(const nn_optim *o, size_t i);
NN_API ag_tensor *nn_optim_state(const nn_optim *o, size_t i);
/** The other half: numbers that change as it steps, "steps" and "lr" first, then "momentum", what its rule counts and
 *  the groups' "group.1.lr_scale" and so on. Tensors and numbers restored into an optimiser made alike, it goes on as
 *  the first would have, to the bit.
 *  Edges:  name NULL and number NaN past the last
 *  Errors: AG_ERROR_INDEX, AG_ERROR_VALUE (not a number that it could have); nothing is changed */
NN_API size_t nn_optim_number_count(const nn_optim *o);
NN_API const char *nn_optim_number_name(const nn_optim *o, size_t i);
NN_API double nn_optim_number(const nn_optim *o, size_t i);
NN_API ag_status nn_optim_set_number(nn_optim *o, size_t i, double value, ag_error *error) AG_WARN_UNUSED;
/** The number "steps": Adam's next step is number steps + 1. Below 0 Adam refuses to step, from 2^53 on every rule. */
NN_API void nn_optim_set_steps(nn_optim *o, int64_t steps);

AG_END_DECLS
#endif
