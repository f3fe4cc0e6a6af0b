/* schedule: the learning rate as a function of the step. A schedule is plain data and a pure function: it holds
 * nothing that changes, so a checkpoint needs the step alone. Steps count from 0: number t is used for update t +
 * 1.
 *
 *     nn_schedule s = nn_schedule_after_warmup(nn_schedule_cosine(1e-3, 10000, 0), 500, 0);
 *     nn_schedule_apply(&s, optimiser);
 *     nn_optim_step(optimiser, &error);
 *
 * Whatever sets an optimiser's rate scales all its groups alike. Only nn_plateau, which follows a measured number,
 * has state: it is plain, too. */
#ifndef NN_SCHEDULE_H
#define NN_SCHEDULE_H

#include "optim.h"

AG_BEGIN_DECLS

typedef enum nn_schedule_kind {
    NN_SCHEDULE_CONSTANT, /* a zeroed nn_schedule is a rate of 0 */
    NN_SCHEDULE_STEP,
    NN_SCHEDULE_MULTISTEP,
    NN_SCHEDULE_EXPONENTIAL,
    NN_SCHEDULE_COSINE,
    NN_SCHEDULE_WARM_RESTARTS,
    NN_SCHEDULE_LINEAR,
    NN_SCHEDULE_ONE_CYCLE
} nn_schedule_kind;

enum { NN_SCHEDULE_MILESTONES = 32 };

/** Made by one of the functions below, which say what the members hold; checked where it is used. */
typedef struct nn_schedule {
    nn_schedule_kind kind;
    double lr;                                 /* the rate that is scaled                              */
    double low;                                /* the least rate, or the divisor of the last           */
    double from, to;                           /* factors at the start and at the end                  */
    double factor;                             /* of each decay, or of the lengths of periods          */
    int64_t length;                            /* steps of a period, or in all                         */
    double share;                              /* of `length` in which the rate rises                  */
    int64_t milestone[NN_SCHEDULE_MILESTONES]; /* (milestone_count) ascending  */
    int64_t milestone_count;
    int64_t warmup; /* steps before the schedule's own step 0               */
    double warmup_from;
    double momentum_low, momentum_high; /* of a one-cycle; both 0: the momentum is left alone */
} nn_schedule;

/** lr throughout. */
NN_API nn_schedule nn_schedule_constant(double lr);
/** lr factor^floor(t / every). */
NN_API nn_schedule nn_schedule_step(double lr, int64_t every, double factor);
/** lr factor^k, k the number of milestones at or before t. At most NN_SCHEDULE_MILESTONES, ascending; a longer
 *  list is refused where the schedule is used. */
NN_API nn_schedule nn_schedule_multistep(double lr, const int64_t *milestone, int64_t count, double factor);
/** lr factor^t. */
NN_API nn_schedule nn_schedule_exponential(double lr, double factor);
/** low + (lr - low) (1 + cos(pi t / length)) / 2.
 *  Edges:  past length it rises again, as in PyTorch
 *  Source: Loshchilov and Hutter 2017, without restarts */
NN_API nn_schedule nn_schedule_cosine(double lr, int64_t length, double low);
/** The same down from lr in each period, the first of `length` steps, the next each `factor` times as long (at
 *  least 1, whole).
 *  Source: Loshchilov and Hutter 2017 */
NN_API nn_schedule nn_schedule_warm_restarts(double lr, int64_t length, int64_t factor, double low);
/** lr times a factor that goes in a straight line from `from` to `to` in `length` steps, and stays: warm-up from a
 *  small factor to 1. */
NN_API nn_schedule nn_schedule_linear(double lr, double from, double to, int64_t length);
/** Up from high / 25 to high in the first 30 % of `length` steps, then down to high / 25 / 10^4, along cosines;
 *  its last step is length - 1, and it stays there. The members share, from (1/25) and low (1e4) may be changed.
 *  Edges:  where share times length is below 1, there is no way up: step 0 is on the way down already
 *  Source: Smith and Topin 2018; constants as in torch.optim.lr_scheduler.OneCycleLR */
NN_API nn_schedule nn_schedule_one_cycle(double high, int64_t length);
/** The same with the momentum going the other way: from `highest` down to `least` while the rate rises, and back.
 *  PyTorch's OneCycleLR has 0.85 and 0.95. */
NN_API nn_schedule nn_schedule_one_cycle_momentum(double high, int64_t length, double least, double highest);
/** `steps` steps in a straight line from `from` times the schedule's first rate to that rate, then the schedule
 *  from its step 0. */
NN_API nn_schedule nn_schedule_after_warmup(nn_schedule schedule, int64_t steps, double from);

/** AG_OK, or AG_ERROR_VALUE and what is wrong with it. */
NN_API ag_status nn_schedule_check(const nn_schedule *s, ag_error *error) AG_WARN_UNUSED;
/** The rate of step t, from 0.
 *  Edges: NaN, which nn_optim_step refuses, for a schedule that nn_schedule_check refuses and for t below 0 */
NN_API double nn_schedule_at(const nn_schedule *s, int64_t t);
/** The momentum of step t: Adam's beta1, SGD's momentum. During a warm-up it is that of step 0.
 *  Edges: NaN for a schedule that leaves it alone, and where nn_schedule_at gives NaN */
NN_API double nn_schedule_momentum_at(const nn_schedule *s, int64_t t);
/** nn_optim_set_lr to the rate of its next step, and nn_optim_set_momentum to the momentum, where the schedule has
 *  one and the rule keeps one. */
NN_API void nn_schedule_apply(const nn_schedule *s, nn_optim *o);

/** Reduce the rate where a measured number has stopped to improve; PyTorch's definition. A zeroed struct is
 *  usable: a field that is 0 means the default beside it (NN_ZERO: 0 itself). */
typedef struct nn_plateau {
    double factor;    /* 0.1                                                          */
    int64_t patience; /* 10: calls without improvement that are let pass; -1: none    */
    double threshold; /* 1e-4: what is less is no improvement                         */
    bool absolute;    /* the threshold is a difference, not a share of the best       */
    bool rising;      /* larger is better                                             */
    int64_t cooldown; /* 0: calls after a reduction that do not count                 */
    double low;       /* 0: the least rate                                            */
    double eps;       /* 1e-8: a smaller change of the rate is not made               */
    /* state, for checkpoints */
    bool begun;
    double best;
    int64_t bad, cooling;
} nn_plateau;
/** Tell it the number, say after each epoch; true: the optimiser's rate was reduced.
 *  Edges: NaN is no improvement, nor is an infinite loss (a score of minus infinity, where `rising`) */
NN_API bool nn_plateau_step(nn_plateau *p, nn_optim *o, double measured);

AG_END_DECLS
#endif
