/* axis: ranges and ticks.
 *
 * A range is taken from the points that can be shown. Ticks are counted, never added up, so that 0 is 0 and 0.3 is 0.3.
 * Left out: where anything lies in a picture (chart.c). */
#include "axis_impl.h"

#include <math.h>
#include <stdio.h>

enum { WANTED = 6, WANTED_LOW = 3 }; /* ticks, about */
static const double MOST = 1e300;    /* so that no range overflows                           */
static const double LEAST = 1e-300;  /* so that none vanishes: powers of ten end soon below it */
static const double ASKS_FOR_LOG = 50;

/* ---- ranges --------------------------------------------------------------------------------------------------- */

typedef struct range {
    double low, high; /* low > high: nothing was seen */
} range;

static bool visible(double value, bool log) { return fabs(value) <= MOST && (!log || value >= LEAST); }

static void stretch(range *r, double value) {
    r->low = fmin(r->low, value);
    r->high = fmax(r->high, value);
}

/* Of all points that can be shown when the axes are as told. */
static void see(const nn_chart *c, bool log_x, bool log_y, range *x, range *y) {
    *x = *y = (range){INFINITY, -INFINITY};
    for (int64_t i = 0; i < c->n; i++)
        for (int64_t k = 0; k < c->curves[i].n; k++) {
            if (!visible(c->curves[i].x[k], log_x) || !visible(c->curves[i].y[k], log_y)) continue;
            stretch(x, c->curves[i].x[k]);
            stretch(y, c->curves[i].y[k]);
        }
}

/* 1, 2 or 5 times a power of ten, so that a range has about `wanted` steps; at least `least`. */
static double round_step(double extent, int wanted, double least) {
    const double rough = extent / wanted, power = pow(10, floor(log10(rough))), digit = rough / power;
    return fmax(least, power * (digit <= 1 ? 1 : digit <= 2 ? 2 : digit <= 5 ? 5 : 10));
}

/* Nothing, one number, or numbers closer than digits can tell: something around them. */
static range widen(range r, bool to_zero) {
    if (r.low > r.high) return (range){0, 1};
    const double size = fmax(fabs(r.low), fabs(r.high));
    if (size < LEAST) return (range){0, 1};
    if (r.high - r.low > 1e-9 * size) return r;
    if (to_zero) return (range){fmin(r.low, 0), fmax(r.high, 0)};
    const double room = fmax(0.5, 0.1 * size);
    return (range){r.low - room, r.high + room};
}

/* ---- linear --------------------------------------------------------------------------------------------------- */

/* As many digits as tell neighbours apart. */
static void number_text(double value, double step, char *text) {
    const double size = fmax(fabs(value), step);
    const int digits = (int)(floor(log10(size)) - floor(log10(step))) + 1;
    (void)snprintf(text, NNX_TICK_TEXT, "%.*g", digits < 6 ? 6 : digits > 15 ? 15 : digits, value);
}

static void linear_ticks(nnx_axis *a, double step) {
    const double first = ceil(a->low / step - 1e-6), last = floor(a->high / step + 1e-6);
    for (int i = 0; i <= last - first && a->n < NNX_TICKS; i++) {
        nnx_tick *t = &a->tick[a->n++];
        t->at = (first + i) * step + 0.0; /* -0 becomes 0 */
        number_text(t->at, step, t->text);
    }
}

/* Up and down to whole steps. What is never negative begins at 0, unless that would squeeze it. */
static void linear_y(nnx_axis *a, range r, int wanted, bool whole) {
    r = widen(r, true);
    if (r.low > 0 && r.low <= 0.6 * r.high) r.low = 0;
    const double step = round_step(r.high - r.low, wanted, whole ? 1 : 0);
    a->low = step * floor(r.low / step + 1e-6);
    a->high = step * ceil(r.high / step - 1e-6);
    if (a->high <= a->low) a->high = a->low + step; /* whole steps are longer than what is there */
    linear_ticks(a, step);
}

static void linear_x(nnx_axis *a, range r, bool whole) {
    r = widen(r, false);
    a->low = r.low;
    a->high = r.high;
    linear_ticks(a, round_step(r.high - r.low, WANTED, whole ? 1 : 0));
}

/* ---- logarithmic ------------------------------------------------------------------------------------------------ */

static void log_text(int power, int digit, char *text) {
    if (power >= -4 && power <= 5)
        (void)snprintf(text, NNX_TICK_TEXT, "%g", digit * pow(10, power));
    else
        (void)snprintf(text, NNX_TICK_TEXT, "%de%d", digit, power);
}

/* Up or down to 1, 2 or 5 times a power. */
static double log_bound(double value, bool up) {
    static const double digit[] = {1, 2, 5, 10};
    const double power = floor(log10(value) + 1e-9), rest = value / pow(10, power);
    int i = up ? 0 : 3;
    while (up && i < 3 && digit[i] < rest * (1 - 1e-9)) i++;
    while (!up && i > 0 && digit[i] > rest * (1 + 1e-9)) i--;
    return power + log10(digit[i]);
}

/* Few decades have 1, 2 and 5; more have their ones, and marks between; many have each second, third, ... one. */
static void log_ticks(nnx_axis *a, int wanted) {
    const double extent = a->high - a->low;
    const int stride = (int)ceil(extent / (wanted + 2));
    const bool fives = extent <= 0.37 * wanted;
    for (int power = (int)floor(a->low + 1e-9); power <= a->high + 1e-9; power++)
        for (int digit = 1; digit < 10; digit++) {
            const double at = power + log10(digit);
            if (at < a->low - 1e-9 || at > a->high + 1e-9 || a->n == NNX_TICKS) continue;
            if (stride > 1 && (digit > 1 || power % stride != 0)) continue;
            nnx_tick *t = &a->tick[a->n++];
            *t = (nnx_tick){.at = at};
            if (digit == 1 || (fives && (digit == 2 || digit == 5))) log_text(power, digit, t->text);
        }
}

static void log_axis(nnx_axis *a, range r, int wanted) {
    if (r.low > r.high) r = (range){1, 10};
    a->low = log_bound(r.low, false);
    a->high = log_bound(r.high, true);
    if (a->high - a->low < 0.2) { /* one number: a decade around it */
        a->low = log_bound(r.low / 3, false);
        a->high = log_bound(r.high * 3, true);
    }
    log_ticks(a, wanted);
}

/* ---- both ------------------------------------------------------------------------------------------------------- */

void nnx_axes(const nn_chart *c, nnx_axis *x, nnx_axis *y) {
    const nn_field *f = c->field;
    const bool log_x = !f && c->x.scale == NN_SCALE_LOG;
    const int wanted = c->low ? WANTED_LOW : WANTED;
    range in_x, in_y;
    x->n = y->n = 0;
    see(c, log_x, !f && c->y.scale == NN_SCALE_LOG, &in_x, &in_y);
    x->log = log_x;
    y->log = !f && (c->y.scale == NN_SCALE_LOG || (c->y.scale == NN_SCALE_AUTO && in_y.low > 0 &&
                                                   in_y.high >= ASKS_FOR_LOG * in_y.low && in_y.low <= in_y.high));
    if (f) {
        in_x = (range){f->left, f->right};
        in_y = (range){f->bottom, f->top};
    }
    if (x->log)
        log_axis(x, in_x, WANTED);
    else
        linear_x(x, in_x, c->x.whole);
    if (y->log)
        log_axis(y, in_y, wanted);
    else if (f)
        linear_x(y, in_y, c->y.whole);
    else
        linear_y(y, in_y, wanted, c->y.whole);
}

double nnx_axis_place(const nnx_axis *a, double value) {
    if (!visible(value, a->log)) return NAN;
    return ((a->log ? log10(value) : value) - a->low) / (a->high - a->low);
}
