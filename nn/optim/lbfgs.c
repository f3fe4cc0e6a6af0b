/* lbfgs: minimisation of whole-batch losses by a quadratic model from the last gradients.
 *
 * A step is up to max_iterations of: a direction d = -H g from the pairs of past moves s and gradient changes y (two
 * loops over them); a length t along it that satisfies the strong Wolfe conditions; and the move p = p0 + t d, a row
 * of its own. Pairs lie in a ring of rows. Sums are f64 whatever the dtype, in an order that depends on the length
 * alone. A move that did not come to its end, because the loss failed, is taken back.
 * Source: Nocedal and Wright, "Numerical optimization", 2nd edition, algorithms 7.4, 7.5, 3.5 and 3.6; Schmidt's
 * minFunc, whose constants and conditions for the end torch.optim.LBFGS has, and so this.
 * Not here: the search along d (lbfgs_search.c). */
#include "lbfgs_impl.h"

#include "../param_impl.h"

#include <math.h>

enum { DIRECTION, LAST_GRADIENT, CHANGES, MOVES, RATIOS, STATES };
enum { ITERATIONS, PAIRS, OLDEST, SCALE, LENGTH, NUMBERS };

typedef struct lbfgs {
    nn_optim base;
    nn_lbfgs_options options;
    ag_tensor *work[NNX_LBFGS_WORK];
    double *share; /* (history) the first loop's, for the second */
} lbfgs;

/* ---- the move ----------------------------------------------------------------------------------------------- */

typedef struct move_attrs {
    double length;
} move_attrs;

NNX_LOOP void element(double *x, double g, const nnx_factors *f) { x[0] += f->k[0] * g; }

static void narrow(const ag_eval *e, const nnx_factors *f) { nnx_sweep(e, 0, element, f); }
NNX_WIDE static void wide(const ag_eval *e, const nnx_factors *f) { nnx_sweep(e, 0, element, f); }

static ag_status forward(const ag_eval *e) {
    return nnx_update(e, narrow, wide, &(nnx_factors){{((const move_attrs *)e->attrs)->length}});
}

static double cost(const ag_query *q) { return 2.0 * (double)ag_meta_count(q->in[0]); }

static const ag_field fields[] = {{"length", AG_FIELD_REAL, offsetof(move_attrs, length), 1}};
static const ag_probe probe = {.lo = {-2, -2}, .hi = {2, 2}};

static const ag_op nn_lbfgs_update = {
    .name = "nn_lbfgs_update",
    .formula = "p + t d",
    .min_in = 2,
    .max_in = 2,
    .outputs = 1,
    .grad = nnx_no_derivative,
    .n_grad = 1,
    .traits = AG_TRAIT_ELEMENTWISE,
    .attr_size = sizeof(move_attrs),
    .fields = fields,
    .n_fields = 1,
    .infer = nnx_update_infer,
    .forward = forward,
    .cost = cost,
    .probe = &probe,
};

ag_status nnx_lbfgs_move(const nnx_lbfgs_line *line, double length, ag_error *error) {
    const ag_tensor *in[] = {line->start, line->direction};
    ag_tensor *slab = nn_params_slab(line->params);
    const move_attrs attrs = {length};
    return ag_op_run(&nn_lbfgs_update, in, 2, &attrs, &slab, 1, error);
}

/* ---- vectors ------------------------------------------------------------------------------------------------ */

/* Row i of a matrix of rows of n; of a vector, row 0 is all of it. */
typedef struct vector {
    ag_dtype dtype;
    int64_t n;
    void *data;
} vector;

static vector row(ag_tensor *x, int64_t i, int64_t n) {
    const ag_dtype dtype = ag_tensor_meta(x)->dtype;
    return (vector){dtype, n, (char *)ag_tensor_write(x) + (size_t)(i * n) * ag_dtype_size(dtype)};
}
static double get(vector x, int64_t i) {
    return x.dtype == AG_F32 ? (double)((const float *)x.data)[i] : ((const double *)x.data)[i];
}
static void set(vector x, int64_t i, double value) {
    if (x.dtype == AG_F32)
        ((float *)x.data)[i] = (float)value;
    else
        ((double *)x.data)[i] = value;
}
static double dot(vector x, vector y) {
    double sum[4] = {0};
    for (int64_t i = 0; i < x.n; i++) sum[i & 3] += get(x, i) * get(y, i);
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}
static void add(vector y, double a, vector x) {
    for (int64_t i = 0; i < x.n; i++) set(y, i, get(y, i) + a * get(x, i));
}
static void scale_to(vector y, double a, vector x) {
    for (int64_t i = 0; i < x.n; i++) set(y, i, a * get(x, i));
}
static double largest(vector x) {
    double most = 0;
    for (int64_t i = 0; i < x.n && !isnan(most); i++) {
        const double size = fabs(get(x, i));
        if (!(size <= most)) most = size; /* NaN, too */
    }
    return most;
}
static double absolute_sum(vector x) {
    double sum = 0;
    for (int64_t i = 0; i < x.n; i++) sum += fabs(get(x, i));
    return sum;
}

double nnx_lbfgs_dot(ag_tensor *x, ag_tensor *y) {
    const int64_t n = ag_tensor_count(x);
    return dot(row(x, 0, n), row(y, 0, n));
}
double nnx_lbfgs_largest(ag_tensor *x) { return largest(row(x, 0, ag_tensor_count(x))); }

ag_status nnx_lbfgs_evaluate(const nnx_lbfgs_line *line, double *loss, ag_tensor *gradient, ag_error *error) {
    const ag_tensor *now;
    ag_status status = line->f(line->user, loss, error);
    if (!status) status = nnx_params_gradient(line->params, &now, error);
    if (!status) nnx_tensor_copy(gradient, now);
    return status;
}

/* ---- the direction ------------------------------------------------------------------------------------------ */

/* Takes up the pair of the last move, where the curvature along it is positive. g: the gradient now. */
static void remember(lbfgs *l, vector g) {
    nn_optim *o = &l->base;
    const int64_t history = l->options.history, n = g.n, pairs = (int64_t)o->number[PAIRS].value;
    const int64_t oldest = (int64_t)o->number[OLDEST].value;
    const vector last = row(o->state[LAST_GRADIENT], 0, n), d = row(o->state[DIRECTION], 0, n);
    const double t = o->number[LENGTH].value;
    double ys = 0, yy = 0;
    for (int64_t i = 0; i < n; i++) {
        const double y = get(g, i) - get(last, i);
        ys += y * t * get(d, i);
        yy += y * y;
    }
    if (!(ys > 1e-10 && isfinite(yy))) return;
    const int64_t at = (oldest + pairs) % history; /* the oldest, where all places are taken */
    const vector y = row(o->state[CHANGES], at, n), s = row(o->state[MOVES], at, n);
    for (int64_t i = 0; i < n; i++) {
        set(y, i, get(g, i) - get(last, i));
        set(s, i, t * get(d, i));
    }
    ((double *)ag_tensor_write(o->state[RATIOS]))[at] = 1 / ys;
    o->number[SCALE].value = ys / yy;
    if (pairs < history)
        o->number[PAIRS].value = (double)(pairs + 1);
    else
        o->number[OLDEST].value = (double)((oldest + 1) % history);
}

/* d = -H g. */
static void direct(lbfgs *l, vector g) {
    nn_optim *o = &l->base;
    const vector d = row(o->state[DIRECTION], 0, g.n);
    if (o->number[ITERATIONS].value > 1) remember(l, g);
    const int64_t pairs = (int64_t)o->number[PAIRS].value, oldest = (int64_t)o->number[OLDEST].value;
    const double *ratio = ag_tensor_data(o->state[RATIOS]);
    scale_to(d, -1, g);
    for (int64_t k = pairs; k-- > 0;) {
        const int64_t at = (oldest + k) % l->options.history;
        l->share[k] = dot(row(o->state[MOVES], at, g.n), d) * ratio[at];
        add(d, -l->share[k], row(o->state[CHANGES], at, g.n));
    }
    scale_to(d, o->number[SCALE].value, d);
    for (int64_t k = 0; k < pairs; k++) {
        const int64_t at = (oldest + k) % l->options.history;
        const double share = dot(row(o->state[CHANGES], at, g.n), d) * ratio[at];
        add(d, l->share[k] - share, row(o->state[MOVES], at, g.n));
    }
}

/* ---- a step ------------------------------------------------------------------------------------------------- */

/* One iteration from loss *loss and the gradient in work[0], which it replaces by those after it. *done: there is
 * nothing more to gain. */
static ag_status iterate(lbfgs *l, const nnx_lbfgs_line *line, bool last, double *loss, int64_t *evaluations,
                         bool *done, ag_error *error) {
    nn_optim *o = &l->base;
    ag_tensor *gradient = line->gradient[0];
    const vector g = row(gradient, 0, ag_tensor_count(gradient)), d = row(o->state[DIRECTION], 0, g.n);
    o->number[ITERATIONS].value++;
    direct(l, g);
    nnx_tensor_copy(o->state[LAST_GRADIENT], gradient);
    const double before = *loss, slope = dot(g, d);
    double t = o->lr;
    if (o->number[ITERATIONS].value == 1) t *= fmin(1, 1 / absolute_sum(g));
    o->number[LENGTH].value = 0; /* until the move is made */
    *done = !(slope <= -l->options.tolerance_change) || !isfinite(slope);
    if (*done) {
        o->number[LENGTH].value = t;
        return AG_OK;
    }
    nnx_tensor_copy(line->start, nn_params_slab(o->params));
    ag_status status;
    if (l->options.fixed_step) {
        status = nnx_lbfgs_move(line, t, error);
        if (!status && !last) {
            status = nnx_lbfgs_evaluate(line, loss, gradient, error);
            ++*evaluations;
        }
    } else {
        status = nnx_lbfgs_search(line, slope, &t, loss, evaluations, error);
    }
    if (status) {
        nnx_tensor_copy(nn_params_slab(o->params), line->start);
        return status;
    }
    o->number[LENGTH].value = t;
    *done = nnx_lbfgs_largest(gradient) <= l->options.tolerance_grad ||
            largest(d) * fabs(t) <= l->options.tolerance_change ||
            fabs(*loss - before) < l->options.tolerance_change;
    return AG_OK;
}

static ag_status minimise(nn_optim *o, nn_loss_function *f, void *user, double *first, ag_error *error) {
    lbfgs *l = (lbfgs *)o;
    nnx_lbfgs_line line = {
        .f = f, .user = user, .params = o->params, .direction = o->state[DIRECTION], .start = l->work[0]};
    for (int k = 0; k < NNX_LBFGS_GRADIENTS; k++) line.gradient[k] = l->work[1 + k];
    double loss = 0;
    ag_status status = nnx_lbfgs_evaluate(&line, &loss, line.gradient[0], error);
    if (status) return status;
    *first = loss;
    const double steepest = nnx_lbfgs_largest(line.gradient[0]);
    if (!isfinite(loss) || !isfinite(steepest))
        return ag_fail(error, AG_ERROR_NONFINITE, "nn_lbfgs: the loss is %g, its steepest derivative %g", loss,
                       steepest);
    bool done = steepest <= l->options.tolerance_grad;
    int64_t evaluations = 1;
    for (int64_t k = 1; !status && !done && k <= l->options.max_iterations; k++) {
        status = iterate(l, &line, k == l->options.max_iterations, &loss, &evaluations, &done, error);
        done = done || evaluations >= l->options.max_evaluations;
    }
    return status;
}

/* ---- making one --------------------------------------------------------------------------------------------- */

static ag_status make(nn_optim *o, ag_error *error) {
    lbfgs *l = (lbfgs *)o;
    const ag_meta *slab = ag_tensor_meta(nn_params_slab(o->params));
    const int64_t history = l->options.history, pairs[] = {history, slab->dim[0]};
    for (int k = 0; k < NNX_LBFGS_WORK; k++)
        if (!(l->work[k] = ag_tensor_new(slab->dtype, 1, slab->dim, error))) return AG_ERROR_MEMORY;
    if (!(o->state[CHANGES] = ag_tensor_new(slab->dtype, 2, pairs, error)) ||
        !(o->state[MOVES] = ag_tensor_new(slab->dtype, 2, pairs, error)) ||
        !(o->state[RATIOS] = ag_tensor_new(AG_F64, 1, &history, error)))
        return AG_ERROR_MEMORY;
    l->share = ag_alloc((size_t)history * sizeof *l->share); /* no overflow: `RATIOS` is as long */
    if (!l->share)
        return ag_fail(error, AG_ERROR_MEMORY, "nn_lbfgs: no memory for %lld pairs", (long long)history);
    return AG_OK;
}

static void destroy(nn_optim *o) {
    lbfgs *l = (lbfgs *)o;
    ag_release(l->share, (size_t)l->options.history * sizeof *l->share);
    for (int k = NNX_LBFGS_WORK; k-- > 0;) ag_tensor_free(l->work[k]);
}

nn_optim *nn_lbfgs(nn_params *params, double lr, const nn_lbfgs_options *options, ag_error *error) {
    static const char *const state_name[STATES] = {"d", "prev_flat_grad", "old_dirs", "old_stps", "ro"};
    const nn_lbfgs_options none = {0}, *n = options ? options : &none;
    const int64_t iterations = n->max_iterations ? n->max_iterations : 20;
    const nn_lbfgs_options full = {.max_iterations = iterations,
                                   .max_evaluations =
                                       n->max_evaluations ? n->max_evaluations : iterations + iterations / 4,
                                   .tolerance_grad = nnx_option(n->tolerance_grad, 1e-7),
                                   .tolerance_change = nnx_option(n->tolerance_change, 1e-9),
                                   .history = n->history ? n->history : 100,
                                   .fixed_step = n->fixed_step};
    if (!nnx_is_rate(lr) || iterations < 1 || iterations > INT32_MAX || full.max_evaluations < 1 ||
        full.history < 1 || !nnx_is_rate(full.tolerance_grad) || !nnx_is_rate(full.tolerance_change))
        return nnx_optim_refuse("nn_lbfgs",
                                "needs a finite rate and tolerances of at least 0, and at least one iteration, "
                                "evaluation and pair",
                                error);
    const double many = 9007199254740992, history = (double)full.history;
    const lbfgs model = {.base = {.size = sizeof(lbfgs),
                                  .rule = &nn_lbfgs_update,
                                  .state_name = state_name,
                                  .state_count = STATES,
                                  .no_slab = 1U << RATIOS,
                                  .minimise = minimise,
                                  .make = make,
                                  .destroy = destroy,
                                  .number = {[ITERATIONS] = {"n_iter", 0, 0, many, true},
                                             [PAIRS] = {"pairs", 0, 0, history, true},
                                             [OLDEST] = {"oldest", 0, 0, history - 1, true},
                                             [SCALE] = {"H_diag", 1, 0, INFINITY, false},
                                             [LENGTH] = {"t", 0, -INFINITY, INFINITY, false}},
                                  .number_count = NUMBERS,
                                  .lr = lr},
                         .options = full};
    return nnx_optim_new(&model.base, params, error);
}
