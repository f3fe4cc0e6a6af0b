/* lbfgs_search: the strong Wolfe line search.
 *
 * Two phases. The first goes outward until an interval is known that holds a good length (the loss has risen, or
 * its slope has turned) or one is found; the second narrows the interval, by the cubic through its ends, keeping
 * the better end. A trial where the loss is not finite counts as a rise: the interval is then halved.
 * Source: Nocedal and Wright 2006, algorithms 3.5 and 3.6; safeguards as in Schmidt's minFunc. */
#include "../param_impl.h"
#include "lbfgs_impl.h"

#include <math.h>

static const double c1 = 1e-4, c2 = 0.9, shortest = 1e-9;
enum { TRIALS = 25 };

/* What is known at a length. */
typedef struct point {
    double t, f, slope;
    int g; /* index of its gradient */
} point;

/* The minimum, within bounds, of the cubic with these values and slopes. */
static double cubic(point a, point b, double low, double high) {
    if (a.t > b.t) {
        const point c = a;
        a = b;
        b = c;
    }
    const double d1 = a.slope + b.slope - 3 * (a.f - b.f) / (a.t - b.t), square = d1 * d1 - a.slope * b.slope;
    const double d2 = sqrt(square);
    const double t = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2));
    if (!(square >= 0) || !isfinite(t)) return (low + high) / 2;
    return fmin(fmax(t, low), high);
}

/* An index that neither of two points uses, and not that of p0. */
static int spare(point a, point b) {
    int k = 1;
    while (k == a.g || k == b.g) k++;
    return k;
}

static ag_status try_at(const nnx_lbfgs_line *line, double t, int g, point *p, int64_t *evaluations,
                        ag_error *error) {
    *p = (point){.t = t, .g = g};
    ag_status status = nnx_lbfgs_move(line, t, error);
    if (!status) status = nnx_lbfgs_evaluate(line, &p->f, line->gradient[g], error);
    if (status) return status;
    ++*evaluations;
    p->slope = nnx_lbfgs_dot(line->gradient[g], line->direction);
    if (!isfinite(p->f) || !isfinite(p->slope)) p->f = INFINITY;
    return AG_OK;
}

/* Does the loss at p fall short of what the slope at p0 promised? */
static bool too_high(point start, point p) { return p.f > start.f + c1 * p.t * start.slope; }
static bool flat(point start, point p) { return fabs(p.slope) <= -c2 * start.slope; }

/* The first phase: *low and *high bracket a good length, or, with *done, *low is one. */
static ag_status bracket(const nnx_lbfgs_line *line, point start, double t, point *low, point *high, int *trials,
                         bool *done, int64_t *evaluations, ag_error *error) {
    point before = start, now;
    ag_status status = try_at(line, t, 1, &now, evaluations, error);
    for (; !status && *trials < TRIALS; ++*trials) {
        *low = before;
        *high = now;
        if (too_high(start, now) || (*trials > 1 && now.f >= before.f)) return AG_OK;
        if (flat(start, now)) {
            *low = now;
            *done = true;
            return AG_OK;
        }
        if (now.slope >= 0) return AG_OK;
        t = cubic(before, now, now.t + 0.01 * (now.t - before.t), 10 * now.t);
        before = now;
        status = try_at(line, t, spare(before, before), &now, evaluations, error);
    }
    *low = start;
    *high = now;
    return status;
}

/* A length inside the interval, and not for the second time running near an end of it. */
static double inside(point a, point b, bool *near) {
    const double low = fmin(a.t, b.t), high = fmax(a.t, b.t), margin = 0.1 * (high - low);
    const double t = cubic(a, b, low, high);
    if (fmin(high - t, t - low) >= margin) {
        *near = false;
        return t;
    }
    if (!*near && t < high && t > low) {
        *near = true;
        return t;
    }
    *near = false;
    return fabs(t - high) < fabs(t - low) ? high - margin : low + margin;
}

/* The second phase. *low is the end with the lower loss. */
static ag_status zoom(const nnx_lbfgs_line *line, point start, point *low, point *high, int trials,
                      int64_t *evaluations, ag_error *error) {
    const double size = nnx_lbfgs_largest(line->direction);
    bool near = false;
    for (; trials < TRIALS; trials++) {
        if (fabs(high->t - low->t) * size < shortest) break;
        point now;
        const double t = inside(*low, *high, &near);
        ag_status status = try_at(line, t, spare(*low, *high), &now, evaluations, error);
        if (status) return status;
        if (too_high(start, now) || now.f >= low->f) {
            *high = now;
            continue;
        }
        const bool good = flat(start, now);
        if (!good && now.slope * (high->t - low->t) >= 0) *high = *low;
        *low = now;
        if (good) break;
    }
    return AG_OK;
}

ag_status nnx_lbfgs_search(const nnx_lbfgs_line *line, double slope, double *length, double *loss,
                           int64_t *evaluations, ag_error *error) {
    const point start = {.t = 0, .f = *loss, .slope = slope, .g = 0};
    point low = start, high = start;
    int trials = 0;
    bool done = false;
    ag_status status = bracket(line, start, *length, &low, &high, &trials, &done, evaluations, error);
    if (status) return status;
    if (!done) {
        if (high.f < low.f) {
            const point c = low;
            low = high;
            high = c;
        }
        status = zoom(line, start, &low, &high, trials, evaluations, error);
        if (status) return status;
    }
    *length = low.t;
    *loss = low.f;
    if (low.g) nnx_tensor_copy(line->gradient[0], line->gradient[low.g]);
    return nnx_lbfgs_move(line, low.t, error);
}
