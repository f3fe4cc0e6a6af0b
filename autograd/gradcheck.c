/* gradcheck: the comparison itself - evaluate, differentiate by all sweeps, take differences, judge.
 *
 * An element passes when the difference of any step size agrees with the tape: where one step is too coarse for the
 * function's curvature, or too fine for its magnitude, another one is not.
 * Not here: recording the function (gradcheck_function.c), which operation of a composite one is to blame
 * (gradcheck_walk.c), operations by their probe (gradcheck_op.c), the text (gradcheck_text.c). */
#include "gradcheck_impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Coarse to fine, relative to max(1, |x|). FIRST balances the truncation error h^2 and the rounding error eps / h of an
 * ordinary function, and is tried alone first. */
static const double steps[AG_GRADCHECK_STEPS] = {1e-3, 1e-4, 1e-5, 1e-6};
enum { FIRST = 2, FINEST = AG_GRADCHECK_STEPS - 1 };

/* ag_backward may use fused kernels where ag_grad records primitives: the same mathematics, rounded otherwise. */
static const double sweep_tolerance = 1e-10;

/* ---- differences ------------------------------------------------------------------------------------------------------- */

static double relative(double a, double b) { return fabs(a - b) / fmax(1, fmax(fabs(a), fabs(b))); }

/* What is moved: element k, or everything along `unit` (k below 0). */
static double magnitude(const agx_gradcheck *c, int64_t k) {
    if (k >= 0) return fmax(1, fabs(c->x[k]));
    double sum = 0;
    for (int64_t i = 0; i < c->total; i++) sum += c->x[i] * c->x[i] / (double)c->total;
    return fmax(1, sqrt(sum));
}

/* Evaluate h away; *moved is how far that is in floating point. */
static ag_status evaluate_at(agx_gradcheck *c, int order, int64_t k, double h, double *value, double *moved) {
    if (k >= 0) {
        const double old = c->x[k];
        c->x[k] = old + h;
        *moved = c->x[k] - old;
        ag_status status = agx_gradcheck_evaluate(c, order, value);
        c->x[k] = old;
        return status;
    }
    double *old = c->moving;
    memcpy(old, c->x, (size_t)c->total * sizeof *old);
    for (int64_t i = 0; i < c->total; i++) c->x[i] += h * c->unit[i];
    *moved = h;
    ag_status status = agx_gradcheck_evaluate(c, order, value);
    memcpy(c->x, old, (size_t)c->total * sizeof *old);
    return status;
}

/* The difference of step s: central, and both one-sided ones when `middle` is the value in between. */
static ag_status difference(agx_gradcheck *c, int order, int64_t k, int s, const double *middle,
                            ag_gradcheck_sample *p) {
    const double h = steps[s] * magnitude(c, k);
    double up, down, right, left;
    ag_status status = evaluate_at(c, order, k, h, &up, &right);
    if (status == AG_OK) status = evaluate_at(c, order, k, -h, &down, &left);
    if (status != AG_OK) return status;
    p->step[s] = h;
    p->central[s] = (up - down) / (right - left);
    if (middle) {
        p->right = (up - *middle) / right;
        p->left = (down - *middle) / left;
    }
    return AG_OK;
}

/* The estimate to believe: of two neighbouring steps that agree best, the finer one. */
static double best_of(const double *central) {
    double best = central[FIRST], gap = INFINITY;
    for (int s = 0; s + 1 < AG_GRADCHECK_STEPS; s++) {
        const double d = fabs(central[s] - central[s + 1]);
        if (d < gap) {
            gap = d;
            best = central[s + 1];
        }
    }
    return best;
}

/* All steps, and both sides. Where a derivative exists the one-sided differences approach each other as fast as the
 * step shrinks; at a kink they keep their distance, and at a jump or a vertical tangent they grow without bound. */
static ag_status examine(agx_gradcheck *c, int order, int64_t k, ag_gradcheck_sample *p) {
    double middle, gap[AG_GRADCHECK_STEPS], steepest[AG_GRADCHECK_STEPS];
    ag_status status = agx_gradcheck_evaluate(c, order, &middle);
    for (int s = 0; s < AG_GRADCHECK_STEPS && status == AG_OK; s++) {
        status = difference(c, order, k, s, &middle, p);
        gap[s] = fabs(p->right - p->left);
        steepest[s] = fmax(fabs(p->right), fabs(p->left));
    }
    if (status != AG_OK) return status;
    p->numeric = best_of(p->central);
    const double noise = 1e-3 * fmax(1, fmin(fabs(p->left), fabs(p->right)));
    p->kink = !(gap[FINEST] <= noise) && !(gap[FINEST] < 0.5 * gap[FINEST - 1]);
    p->jump = steepest[FINEST] > 100 * fmax(1, fabs(p->analytic)) && steepest[FINEST] > 2 * steepest[FINEST - 1];
    p->error = relative(p->analytic, p->numeric);
    for (int s = 0; s < AG_GRADCHECK_STEPS; s++) p->error = fmin(p->error, relative(p->analytic, p->central[s]));
    if (isnan(p->analytic)) p->error = NAN;
    return AG_OK;
}

/* ---- judging ------------------------------------------------------------------------------------------------------------- */

static void locate(const agx_gradcheck *c, int64_t k, ag_gradcheck_sample *p) {
    for (int i = 0; i < c->n; i++) {
        const ag_gradcheck_input *x = &c->in[i];
        const int64_t count = agx_gradcheck_count(x);
        if (c->offset[i] < 0 || k < c->offset[i] || k >= c->offset[i] + count) continue;
        p->input = i;
        p->rank = x->rank;
        k -= c->offset[i];
        for (int d = x->rank - 1; d >= 0; d--) {
            p->index[d] = k % x->dim[d];
            k /= x->dim[d];
        }
        return;
    }
}

/* A kink is no bug as long as the tape takes a slope between those of both sides; one side outside the domain counts as
 * any slope. */
static bool excused(const ag_gradcheck_sample *p) {
    if (isnan(p->analytic)) return false;
    if (p->jump) return true;
    if (!p->kink) return false;
    if (!isfinite(p->left) || !isfinite(p->right)) return true;
    const double margin = 1e-3 * fmax(1, fmax(fabs(p->left), fabs(p->right)));
    return p->analytic >= fmin(p->left, p->right) - margin && p->analytic <= fmax(p->left, p->right) + margin;
}

/* Is q worse than the report's worst: a bug before a kink, then by its error, NaN being the worst. */
static bool worse(const ag_gradcheck_sample *q, const ag_gradcheck_sample *worst) {
    if (worst->input < 0) return true;
    if (excused(q) != excused(worst)) return excused(worst);
    return !(q->error <= worst->error) && !isnan(worst->error);
}

static ag_status by_elements(agx_gradcheck *c, int order) {
    ag_gradcheck_report *r = c->report;
    r->mode = AG_GRADCHECK_ELEMENTS;
    r->compared = r->disagreeing = 0;
    for (int64_t k = 0; k < c->total; k++, r->compared++) {
        ag_gradcheck_sample p = {.analytic = c->recorded[k], .backward = c->swept[k]};
        ag_status status = difference(c, order, k, FIRST, NULL, &p);
        p.numeric = p.central[FIRST];
        p.error = relative(p.analytic, p.numeric);
        if (status == AG_OK && !(p.error <= r->tolerance)) status = examine(c, order, k, &p);
        if (status != AG_OK) return status;
        const bool failed = !(p.error <= r->tolerance);
        r->disagreeing += failed;
        if (failed ? r->disagreeing > 1 && !worse(&p, &r->worst) : r->disagreeing > 0 || !worse(&p, &r->worst))
            continue;
        locate(c, k, &p);
        r->worst = p;
    }
    if (r->disagreeing) r->verdict = excused(&r->worst) ? AG_GRADCHECK_KINK : AG_GRADCHECK_WRONG;
    return AG_OK;
}

static ag_status by_directions(agx_gradcheck *c, int order) {
    ag_gradcheck_report *r = c->report;
    ag_random random = {.seed = c->options.seed, .counter = (uint64_t)3 << 40};
    r->mode = AG_GRADCHECK_DIRECTIONS;
    for (int d = 0; d < c->options.directions; d++, r->compared++) {
        double square = 0, analytic = 0;
        for (int64_t i = 0; i < c->total; i++) {
            c->unit[i] = ag_random_normal(&random);
            square += c->unit[i] * c->unit[i];
        }
        for (int64_t i = 0; i < c->total; i++) {
            c->unit[i] /= sqrt(square);
            analytic += c->recorded[i] * c->unit[i];
        }
        bool agrees = false;
        for (int tried = 0; tried < AG_GRADCHECK_STEPS && !agrees; tried++) {
            const int s = (FIRST + tried) % AG_GRADCHECK_STEPS;
            ag_gradcheck_sample p = {0};
            ag_status status = difference(c, order, -1, s, NULL, &p);
            if (status != AG_OK) return status;
            agrees = relative(analytic, p.central[s]) <= r->tolerance;
        }
        if (!agrees) return by_elements(c, order);
    }
    return AG_OK;
}

/* Element by element: do both sweeps give the same? Where ag_grad alone is right, that is the verdict. */
static ag_status compare_sweeps(agx_gradcheck *c, int order) {
    ag_gradcheck_report *r = c->report;
    ag_gradcheck_sample worst = {.input = -1};
    int64_t at = 0, disagreeing = 0;
    for (int64_t k = 0; k < c->total; k++) {
        if (isnan(c->recorded[k]) && isnan(c->swept[k])) continue;
        double error = c->recorded[k] == c->swept[k] ? 0 : relative(c->recorded[k], c->swept[k]);
        if (error <= sweep_tolerance) continue;
        disagreeing++;
        ag_gradcheck_sample p = {.analytic = c->recorded[k], .backward = c->swept[k], .error = error};
        if (!worse(&p, &worst)) continue;
        locate(c, k, &p);
        worst = p;
        at = k;
    }
    r->sweeps_agree = worst.input < 0;
    if (r->sweeps_agree || r->verdict != AG_GRADCHECK_PASSED) return AG_OK;
    r->verdict = AG_GRADCHECK_SWEEPS;
    r->compared = c->total;
    r->disagreeing = disagreeing;
    const double error = worst.error;
    ag_status status = examine(c, order, at, &worst);
    worst.error = error;
    r->tolerance = sweep_tolerance;
    r->worst = worst;
    return status;
}

/* <Jv, w> = <v, J'w>: forward and reverse mode are transposes of each other. */
static ag_status compare_forward(agx_gradcheck *c, int order) {
    ag_gradcheck_report *r = c->report;
    double scale = 1;
    r->cotangent = 0;
    for (int64_t k = 0; k < c->total; k++) {
        r->cotangent += c->recorded[k] * c->direction[k];
        scale += fabs(c->recorded[k] * c->direction[k]);
    }
    bool ran = false;
    ag_status status = agx_gradcheck_tangent(c, order, &ran, &r->tangent);
    const bool agrees = ran && fabs(r->tangent - r->cotangent) <= sweep_tolerance * scale;
    if (ran && !agrees) r->verdict = AG_GRADCHECK_FORWARD;
    r->forward_ran = ran && (order == 1 || r->forward_ran); /* of all orders so far */
    r->forward_agrees = r->forward_ran && agrees;
    return status;
}

static bool same_bits(const double *x, const double *y, int64_t n) {
    return n == 0 || memcmp(x, y, (size_t)n * sizeof *x) == 0;
}

static ag_status check_order(agx_gradcheck *c, int order) {
    ag_gradcheck_report *r = c->report;
    double once, twice;
    r->order = order;
    r->tolerance = order == 2 ? c->options.tolerance_second : c->options.tolerance;
    r->worst = (ag_gradcheck_sample){.input = -1};
    r->compared = r->disagreeing = 0;
    /* one right after the other: a function that alternates must not be met at the same turn twice */
    ag_status status = agx_gradcheck_evaluate(c, order, &once);
    if (status == AG_OK) status = agx_gradcheck_evaluate(c, order, &twice);
    if (status == AG_OK) status = agx_gradcheck_gradient(c, order, true, c->recorded);
    if (status == AG_OK) status = agx_gradcheck_gradient(c, order, true, c->swept);
    if (status != AG_OK) return status;
    r->deterministic = same_bits(&once, &twice, 1) && same_bits(c->recorded, c->swept, c->total);
    if (!r->deterministic) {
        r->verdict = AG_GRADCHECK_CHANGING;
        return AG_OK;
    }
    status = agx_gradcheck_gradient(c, order, false, c->swept);
    if (status != AG_OK) return status;
    if (order == 1 && !isfinite(once)) {
        r->verdict = AG_GRADCHECK_NOT_FINITE;
        return AG_OK;
    }
    const bool few = c->total <= AG_GRADCHECK_FEW;
    const ag_gradcheck_mode mode = c->options.mode;
    status = mode == AG_GRADCHECK_ELEMENTS || (mode == AG_GRADCHECK_AUTO && few) ? by_elements(c, order)
                                                                                 : by_directions(c, order);
    if (status == AG_OK) status = compare_sweeps(c, order);
    return status == AG_OK && r->verdict == AG_GRADCHECK_PASSED ? compare_forward(c, order) : status;
}

/* ---- the check ----------------------------------------------------------------------------------------------------------- */

static ag_status read_options(agx_gradcheck *c, const ag_gradcheck_options *options) {
    if (options) c->options = *options;
    ag_gradcheck_options *o = &c->options;
    if (!o->name) o->name = "the function";
    if (o->order == 0) o->order = 2;
    if (o->directions == 0) o->directions = 8;
    if (o->tolerance == 0) o->tolerance = 1e-6;
    if (o->tolerance_second == 0) o->tolerance_second = 1e-5;
    snprintf(c->report->name, sizeof c->report->name, "%s", o->name);
    if (o->order < 1 || o->order > 2) return agx_gradcheck_fail(c, AG_ERROR_VALUE, "the order must be 1 or 2");
    if (!(o->tolerance > 0) || !(o->tolerance_second > 0) || o->directions < 0)
        return agx_gradcheck_fail(c, AG_ERROR_VALUE, "tolerances and the number of directions must be positive");
    return AG_OK;
}

/* What is wrong with an input, or NULL. */
static const char *refusal(const ag_gradcheck_input *x, ag_status *status) {
    ag_meta meta;
    *status = ag_meta_init(&meta, x->dtype, x->rank, x->dim, NULL);
    if (*status != AG_OK) return "its shape is impossible";
    *status = AG_ERROR_VALUE;
    if (!x->values && ag_meta_count(&meta) > 0) return "its values are missing";
    if (x->scalar && (x->rank != 0 || x->dtype != AG_F64)) return "a scalar of the strip is f64 and of rank 0";
    *status = AG_ERROR_DTYPE;
    return x->dtype == AG_F32 && !x->constant ? "it is f32: differences need f64" : NULL;
}

static ag_status read_inputs(agx_gradcheck *c, int64_t *largest) {
    if (c->n < 1 || !c->in) return agx_gradcheck_fail(c, AG_ERROR_VALUE, "it needs at least one input");
    for (int i = 0; i < c->n; i++) {
        ag_status status;
        const char *wrong = refusal(&c->in[i], &status);
        if (wrong) {
            char text[80];
            snprintf(text, sizeof text, "input %d: %s", i, wrong);
            return agx_gradcheck_fail(c, status, text);
        }
        const int64_t count = agx_gradcheck_count(&c->in[i]);
        if (count > *largest) *largest = count;
        if (c->in[i].dtype == AG_F64 && !c->in[i].constant) c->total += count;
    }
    for (int i = 0; i < c->n; i++) {
        if (c->in[i].dtype == AG_F64 && !c->in[i].constant) return AG_OK;
    }
    return agx_gradcheck_fail(c, AG_ERROR_VALUE, "no input is differentiable");
}

static void release(agx_gradcheck *c) {
    ag_release(c->leaf, 3 * (size_t)c->n * sizeof *c->leaf);
    ag_release(c->offset, (size_t)c->n * sizeof *c->offset);
    ag_release(c->x, c->doubles * sizeof *c->x);
    ag_release(c->weights, (size_t)c->n_weights * sizeof *c->weights);
    ag_tape_free(c->t);
}

static ag_status prepare(agx_gradcheck *c) {
    int64_t largest = 0;
    ag_status status = read_inputs(c, &largest);
    if (status != AG_OK) return status;
    size_t bytes, n = (size_t)c->n, total = (size_t)c->total;
    if (!ag_size_mul(total, 6 * sizeof *c->x, &bytes))
        return agx_gradcheck_fail(c, AG_ERROR_MEMORY, "out of memory");
    c->doubles = 6 * total + (size_t)largest;
    c->leaf = ag_alloc(3 * n * sizeof *c->leaf);
    c->offset = ag_alloc(n * sizeof *c->offset);
    c->x = ag_alloc(c->doubles * sizeof *c->x);
    c->t = ag_tape_new(&(ag_tape_options){.seed = c->options.seed});
    if (!c->leaf || !c->offset || !c->x || !c->t) return agx_gradcheck_fail(c, AG_ERROR_MEMORY, "out of memory");
    c->wrt = c->leaf + n;
    c->dx = c->wrt + n;
    c->direction = c->x + total;
    c->recorded = c->direction + total;
    c->swept = c->recorded + total;
    c->unit = c->swept + total;
    c->moving = c->unit + total;
    c->turned = c->moving + total;
    c->start = ag_tape_mark(c->t);
    ag_random r = {.seed = c->options.seed, .counter = (uint64_t)2 << 40};
    int64_t at = 0;
    for (int i = 0; i < c->n; i++) {
        const int64_t count = agx_gradcheck_count(&c->in[i]);
        c->offset[i] = -1;
        if (c->in[i].dtype != AG_F64 || c->in[i].constant) continue;
        c->offset[i] = at;
        if (count) memcpy(c->x + at, c->in[i].values, (size_t)count * sizeof *c->x);
        at += count;
    }
    for (int64_t k = 0; k < c->total; k++) c->direction[k] = 2 * ag_random_uniform(&r) - 1;
    return AG_OK;
}

ag_status agx_gradcheck_run(ag_gradcheck_function *f, void *user, const ag_gradcheck_input *in, int n,
                            const ag_gradcheck_options *options, bool search, ag_gradcheck_report *report) {
    ag_gradcheck_report none;
    if (!report) report = &none;
    memset(report, 0, sizeof *report);
    report->worst.input = report->local.input = -1;
    agx_gradcheck c = {.f = f, .user = user, .in = in, .n = n, .report = report};
    ag_status status = read_options(&c, options);
    if (status != AG_OK) return status;
    if (!f) return agx_gradcheck_fail(&c, AG_ERROR_VALUE, "there is no function to check");
    status = prepare(&c);
    for (int order = 1; order <= c.options.order && status == AG_OK && report->verdict == AG_GRADCHECK_PASSED;
         order++)
        status = check_order(&c, order);
    if (status == AG_OK && search && report->verdict != AG_GRADCHECK_PASSED) {
        ag_value y;
        status = agx_gradcheck_build(&c, report->order, &y);
        if (status == AG_OK) status = agx_gradcheck_walk(&c, y);
    }
    release(&c);
    return status;
}

ag_status ag_gradcheck(ag_gradcheck_function *f, void *user, const ag_gradcheck_input *in, int n,
                       const ag_gradcheck_options *options, ag_gradcheck_report *report) {
    return agx_gradcheck_run(f, user, in, n, options, true, report);
}
