/* gradcheck_text: a report for a person - what is wrong, where, by how much, and what it looks like. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "gradcheck.h"

/* Text of any length into a buffer of some length, counting on. */
typedef struct sheet {
    char *text;
    size_t size, length;
} sheet;

static void put(sheet *s, const char *format, ...) AG_PRINTF(2, 3);
static void put(sheet *s, const char *format, ...) {
    const size_t at = s->length < s->size ? s->length : s->size;
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(s->size > at ? s->text + at : NULL, s->size - at, format, args);
    va_end(args);
    if (n > 0) s->length += (size_t)n;
}

static void put_element(sheet *s, const char *kind, const ag_gradcheck_sample *p) {
    put(s, "%s %d", kind, p->input);
    if (p->rank == 0) return;
    for (int d = 0; d < p->rank; d++) put(s, "%s%" PRId64, d ? ", " : ", element [", p->index[d]);
    put(s, "]");
}

/* What the ratio of both values says: a whole factor or one over it, with its sign. */
static void put_likeness(sheet *s, double analytic, double numeric) {
    const double tiny = 1e-4;
    if (!isfinite(analytic)) {
        put(s, "    the tape's derivative is not finite\n");
        return;
    }
    if (!isfinite(numeric)) return;
    if (fabs(analytic) < 1e-12 && fabs(numeric) > 10 * tiny) {
        put(s, "    the tape's derivative is missing: it is zero\n");
        return;
    }
    if (fabs(numeric) < tiny) return;
    const double ratio = analytic / numeric, size = fabs(ratio);
    if (fabs(size - 1) < tiny) {
        if (ratio < 0) put(s, "    the sign is flipped\n");
        return;
    }
    const bool over = size < 1;
    const double factor = over ? 1 / size : size;
    if (fabs(factor - round(factor)) < tiny * factor && factor < 1000.5)
        put(s, "    a factor of %s%s%g too %s\n", ratio < 0 ? "-" : "", over ? "1/" : "", round(factor),
            over ? "small" : "large");
}

static void put_sides(sheet *s, const ag_gradcheck_sample *p) {
    put(s, "  one-sided differences: from the left %+.6g, from the right %+.6g\n", p->left, p->right);
    if (!isfinite(p->left) || !isfinite(p->right))
        put(s, "    one side is not finite: the point lies at the edge of the function's domain\n");
    else if (p->jump)
        put(s, "    they grow as the step shrinks: there is a jump or a vertical tangent at this point\n");
    else if (p->kink)
        put(s, "    they disagree however small the step: there is a kink at this point\n");
    else
        put(s, "    they agree: this is no kink but a wrong derivative\n");
}

static void put_worst(sheet *s, const ag_gradcheck_report *r) {
    const ag_gradcheck_sample *p = &r->worst;
    put(s, "  worst: ");
    put_element(s, "input", p);
    put(s, "\n    by the tape (ag_grad)   %+.12g\n", p->analytic);
    if (!r->sweeps_agree) put(s, "    by the tape (ag_backward) %+.12g\n", p->backward);
    put(s, "    by central differences  %+.12g\n", p->numeric);
    if (r->verdict == AG_GRADCHECK_SWEEPS)
        put_likeness(s, p->backward, p->numeric);
    else
        put_likeness(s, p->analytic, p->numeric);
    put(s, "    relative error %.3g, allowed %.3g\n", p->error, r->tolerance);
    put(s, "  steps tried:\n");
    for (int k = 0; k < AG_GRADCHECK_STEPS; k++) put(s, "    h = %-8.3g %+.12g\n", p->step[k], p->central[k]);
    if (r->verdict != AG_GRADCHECK_SWEEPS) put_sides(s, p);
    put(s, "  the two sweeps, ag_grad and ag_backward, %s\n", r->sweeps_agree ? "agree" : "DISAGREE");
    put(s, "  deterministic: evaluated twice, the same bits\n");
}

/* No operation of the tape is at fault by itself: where else to look. */
static void put_no_blame(sheet *s, ag_gradcheck_verdict verdict) {
    switch (verdict) {
    case AG_GRADCHECK_CHANGING:
        put(s, "  No operation on the tape gives other bits by itself. Look for what the function keeps or takes "
               "from\n"
               "  outside: a counter, a file, rand(), a clock, memory that was never set.\n");
        break;
    case AG_GRADCHECK_SWEEPS:
        put(s, "  No operation on the tape differs between the sweeps by itself. Look for hooks, and for a sweep "
               "inside\n"
               "  the function: what ag_backward adds there stays.\n");
        break;
    case AG_GRADCHECK_KINK:
        put(s,
            "  No operation on the tape has a kink by itself. Look for a decision by a number that was read.\n");
        break;
    case AG_GRADCHECK_FORWARD: put(s, "  No operation on the tape contradicts itself in forward mode.\n"); break;
    default:
        put(s, "  No operation on the tape disagrees with differences of its own forward. Look for a path that "
               "the tape\n"
               "  does not see: ag_detach, ag_no_grad, a number that was read and put back in as a constant.\n");
    }
}

static void put_blame(sheet *s, const ag_gradcheck_report *r) {
    if (!r->searched) return;
    if (!r->record) {
        put_no_blame(s, r->verdict);
        return;
    }
    put(s, "  the first operation of the tape that disagrees: %s, %s\n", r->operation, r->place);
    if (r->local.input < 0) return;
    put(s, "    ");
    put_element(s, "operand", &r->local);
    put(s, ": its rule gives %+.12g, differences of its own forward %+.12g\n", r->local.analytic,
        r->local.numeric);
    if (r->local.analytic != r->local.backward)
        put(s, "    the same rule in ag_backward gives %+.12g\n", r->local.backward);
    put_likeness(s, r->local.analytic, r->local.numeric);
}

size_t ag_gradcheck_text(const ag_gradcheck_report *r, char *text, size_t size) {
    static const char *const verdicts[] = {
        [AG_GRADCHECK_PASSED] = "passed",
        [AG_GRADCHECK_WRONG] = "FAILED, the derivative is wrong",
        [AG_GRADCHECK_SWEEPS] = "FAILED, ag_backward is wrong where ag_grad is right",
        [AG_GRADCHECK_FORWARD] = "FAILED, ag_jvp is wrong where ag_grad is right",
        [AG_GRADCHECK_KINK] = "no answer, the function has a kink at this point: choose another one",
        [AG_GRADCHECK_CHANGING] = "FAILED, the function is not deterministic",
        [AG_GRADCHECK_NOT_FINITE] = "no answer, the function is not finite at this point: choose another one",
        [AG_GRADCHECK_NOT_RUN] = "could not be made",
    };
    sheet s = {.text = text, .size = size};
    put(&s, "gradient check of %s: %s\n", r->name[0] ? r->name : "the function", verdicts[r->verdict]);
    const char *what = r->mode == AG_GRADCHECK_DIRECTIONS ? "directions" : "elements";
    switch (r->verdict) {
    case AG_GRADCHECK_NOT_RUN: put(&s, "  %s\n", r->error.message); break;
    case AG_GRADCHECK_PASSED:
        put(&s, "  up to order %d; %" PRId64 " %s at the last, relative error at most %.3g allowed\n", r->order,
            r->compared, what, r->tolerance);
        put(&s, "  forward mode %s\n",
            r->forward_ran ? "agrees: <Jv, w> = <v, J'w>" : "has not been compared: the tape has no rule for it");
        break;
    case AG_GRADCHECK_FORWARD:
        put(&s, "  order %d, along a random direction v and for random weights w:\n", r->order);
        put(&s, "    <Jv, w> by ag_jvp       %+.12g\n    <v, J'w> by ag_grad     %+.12g\n", r->tangent,
            r->cotangent);
        put_likeness(&s, r->tangent, r->cotangent);
        put_blame(&s, r);
        break;
    case AG_GRADCHECK_NOT_FINITE: break;
    case AG_GRADCHECK_CHANGING:
        put(&s,
            "  order %d: evaluated twice at the same point, with the tape's generator set back, it gave other "
            "bits\n",
            r->order);
        put_blame(&s, r);
        break;
    case AG_GRADCHECK_WRONG:
    case AG_GRADCHECK_SWEEPS:
    case AG_GRADCHECK_KINK:
        put(&s, "  order %d: %" PRId64 " of %" PRId64 " %s disagree with %s\n", r->order, r->disagreeing,
            r->compared, r->verdict == AG_GRADCHECK_SWEEPS ? "elements" : what,
            r->verdict == AG_GRADCHECK_SWEEPS ? "the other sweep" : "central differences");
        if (r->weighted)
            put(&s,
                "  (derivatives of sum(w * result), w fixed and random, for the result has several elements)\n");
        put_worst(&s, r);
        put_blame(&s, r);
        break;
    }
    return s.length;
}
