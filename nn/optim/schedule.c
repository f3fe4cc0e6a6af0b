/* schedule: closed forms of the usual rates, one case a kind, and the rule for plateaus.
 *
 * PyTorch computes most of them from the rate before, a factor a step; the closed forms differ from that in the
 * last digits only, and need nothing but the step. Nothing here allocates. */
#include "../schedule.h"

#include <math.h>
#include <string.h>

static const double pi = 3.14159265358979323846;

/* From a to b as x goes from 0 to 1, along half a cosine. */
static double anneal(double a, double b, double x) { return b + (a - b) / 2 * (1 + cos(pi * x)); }

nn_schedule nn_schedule_constant(double lr) { return (nn_schedule){.kind = NN_SCHEDULE_CONSTANT, .lr = lr}; }

nn_schedule nn_schedule_step(double lr, int64_t every, double factor) {
    return (nn_schedule){.kind = NN_SCHEDULE_STEP, .lr = lr, .length = every, .factor = factor};
}

nn_schedule nn_schedule_multistep(double lr, const int64_t *milestone, int64_t count, double factor) {
    nn_schedule s = {.kind = NN_SCHEDULE_MULTISTEP, .lr = lr, .factor = factor, .milestone_count = count};
    if (count > 0 && count <= NN_SCHEDULE_MILESTONES)
        memcpy(s.milestone, milestone, (size_t)count * sizeof *milestone);
    return s;
}

nn_schedule nn_schedule_exponential(double lr, double factor) {
    return (nn_schedule){.kind = NN_SCHEDULE_EXPONENTIAL, .lr = lr, .factor = factor};
}

nn_schedule nn_schedule_cosine(double lr, int64_t length, double low) {
    return (nn_schedule){.kind = NN_SCHEDULE_COSINE, .lr = lr, .length = length, .low = low};
}

nn_schedule nn_schedule_warm_restarts(double lr, int64_t length, int64_t factor, double low) {
    return (nn_schedule){
        .kind = NN_SCHEDULE_WARM_RESTARTS, .lr = lr, .length = length, .factor = (double)factor, .low = low};
}

nn_schedule nn_schedule_linear(double lr, double from, double to, int64_t length) {
    return (nn_schedule){.kind = NN_SCHEDULE_LINEAR, .lr = lr, .from = from, .to = to, .length = length};
}

nn_schedule nn_schedule_one_cycle(double high, int64_t length) {
    return (nn_schedule){
        .kind = NN_SCHEDULE_ONE_CYCLE, .lr = high, .length = length, .share = 0.3, .from = 1.0 / 25, .low = 1e4};
}

nn_schedule nn_schedule_one_cycle_momentum(double high, int64_t length, double least, double highest) {
    nn_schedule s = nn_schedule_one_cycle(high, length);
    s.momentum_low = least;
    s.momentum_high = highest;
    return s;
}

nn_schedule nn_schedule_after_warmup(nn_schedule schedule, int64_t steps, double from) {
    schedule.warmup = steps;
    schedule.warmup_from = from;
    return schedule;
}

static bool rate(double x) { return x >= 0 && isfinite(x); }

/* What is wrong; NULL: nothing. */
static const char *fault(const nn_schedule *s) {
    if (!rate(s->lr)) return "a rate below 0 or not finite";
    if (s->warmup < 0 || !rate(s->warmup_from)) return "a warm-up below 0 or not finite";
    switch (s->kind) {
    case NN_SCHEDULE_CONSTANT: return NULL;
    case NN_SCHEDULE_STEP:
        if (s->length < 1) return "a period below 1";
        return rate(s->factor) ? NULL : "a factor below 0 or not finite";
    case NN_SCHEDULE_MULTISTEP:
        if (s->milestone_count < 0 || s->milestone_count > NN_SCHEDULE_MILESTONES) return "too many milestones";
        for (int64_t i = 1; i < s->milestone_count; i++)
            if (s->milestone[i] < s->milestone[i - 1]) return "milestones that do not ascend";
        return rate(s->factor) ? NULL : "a factor below 0 or not finite";
    case NN_SCHEDULE_EXPONENTIAL: return rate(s->factor) ? NULL : "a factor below 0 or not finite";
    case NN_SCHEDULE_COSINE:
    case NN_SCHEDULE_WARM_RESTARTS:
        if (s->length < 1) return "a period below 1";
        if (!rate(s->low)) return "a least rate below 0 or not finite";
        return s->kind == NN_SCHEDULE_COSINE || (s->factor >= 1 && s->factor == floor(s->factor))
                   ? NULL
                   : "a factor of the periods that is no whole number from 1";
    case NN_SCHEDULE_LINEAR:
        if (s->length < 1) return "a length below 1";
        return rate(s->from) && rate(s->to) ? NULL : "a factor below 0 or not finite";
    case NN_SCHEDULE_ONE_CYCLE:
        if (s->length < 1) return "a length below 1";
        if (!(s->share >= 0 && s->share <= 1)) return "a share outside [0, 1]";
        if (!(s->momentum_low >= 0 && s->momentum_high < 1 && s->momentum_low <= s->momentum_high))
            return "momenta outside [0, 1), or the least above the highest";
        return rate(s->from) && s->low > 0 ? NULL : "a factor or divisor below 0 or not finite";
    }
    return "an unknown kind";
}

ag_status nn_schedule_check(const nn_schedule *s, ag_error *error) {
    const char *why = fault(s);
    return why ? ag_fail(error, AG_ERROR_VALUE, "nn_schedule: %s", why) : AG_OK;
}

/* From `first` to `middle` while the rate rises, then to `final`. */
static double cycle(const nn_schedule *s, int64_t t, double first, double middle, double final) {
    const double last = (double)s->length - 1, x = fmin((double)t, last);
    const double top = s->share * (double)s->length - 1; /* below 0: step 0 is on the way down, as in PyTorch */
    if (x < top) return anneal(first, middle, x / top);
    return last > top ? anneal(middle, final, (x - top) / (last - top)) : middle;
}

static double one_cycle(const nn_schedule *s, int64_t t) {
    const double first = s->lr * s->from;
    return cycle(s, t, first, s->lr, first / s->low);
}

static double warm_restarts(const nn_schedule *s, int64_t t) {
    double at = (double)t, period = (double)s->length;
    if (s->factor == 1) at = fmod(at, period);
    while (at >= period) {
        at -= period;
        period *= s->factor;
    }
    return anneal(s->lr, s->low, at / period);
}

/* Without warm-up; s is in order. */
static double rate_at(const nn_schedule *s, int64_t t) {
    int64_t passed = 0;
    switch (s->kind) {
    case NN_SCHEDULE_CONSTANT: return s->lr;
    case NN_SCHEDULE_STEP: return s->lr * pow(s->factor, (double)(t / s->length));
    case NN_SCHEDULE_MULTISTEP:
        while (passed < s->milestone_count && s->milestone[passed] <= t) passed++;
        return s->lr * pow(s->factor, (double)passed);
    case NN_SCHEDULE_EXPONENTIAL: return s->lr * pow(s->factor, (double)t);
    case NN_SCHEDULE_COSINE: return anneal(s->lr, s->low, (double)t / (double)s->length);
    case NN_SCHEDULE_WARM_RESTARTS: return warm_restarts(s, t);
    case NN_SCHEDULE_LINEAR:
        if (t >= s->length) return s->lr * s->to;
        return s->lr * (s->from + (s->to - s->from) * (double)t / (double)s->length);
    case NN_SCHEDULE_ONE_CYCLE: return one_cycle(s, t);
    }
    return NAN;
}

double nn_schedule_at(const nn_schedule *s, int64_t t) {
    if (t < 0 || fault(s)) return NAN;
    if (t >= s->warmup) return rate_at(s, t - s->warmup);
    return rate_at(s, 0) * (s->warmup_from + (1 - s->warmup_from) * (double)t / (double)s->warmup);
}

double nn_schedule_momentum_at(const nn_schedule *s, int64_t t) {
    if (t < 0 || fault(s) || s->kind != NN_SCHEDULE_ONE_CYCLE || s->momentum_high == 0) return NAN;
    return cycle(s, t > s->warmup ? t - s->warmup : 0, s->momentum_high, s->momentum_low, s->momentum_high);
}

void nn_schedule_apply(const nn_schedule *s, nn_optim *o) {
    const int64_t t = nn_optim_steps(o);
    const double momentum = nn_schedule_momentum_at(s, t);
    nn_optim_set_lr(o, nn_schedule_at(s, t));
    if (!isnan(momentum)) (void)nn_optim_set_momentum(o, momentum, NULL); /* fails where the rule keeps none */
}

static double or_default(double x, double usual) {
    if (x == NN_ZERO) return 0;
    return x == 0 ? usual : x;
}

static bool improves(const nn_plateau *p, double x) {
    if (!p->begun) return p->rising ? x > -INFINITY : x < INFINITY; /* a best that is infinite has no share */
    const double threshold = or_default(p->threshold, 1e-4);
    const double margin = p->absolute ? threshold : threshold * p->best;
    return p->rising ? x > p->best + margin : x < p->best - margin;
}

bool nn_plateau_step(nn_plateau *p, nn_optim *o, double measured) {
    if (improves(p, measured)) {
        p->begun = true;
        p->best = measured;
        p->bad = 0;
    } else {
        p->bad++;
    }
    if (p->cooling > 0) {
        p->cooling--;
        p->bad = 0;
    }
    const int64_t patience = p->patience == 0 ? 10 : p->patience < 0 ? 0 : p->patience;
    if (p->bad <= patience) return false;
    p->cooling = p->cooldown;
    p->bad = 0;
    const double before = nn_optim_lr(o), after = fmax(before * or_default(p->factor, 0.1), p->low);
    if (!(before - after > or_default(p->eps, 1e-8))) return false;
    nn_optim_set_lr(o, after);
    return true;
}
