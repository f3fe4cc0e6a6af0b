/* gradcheck_op: one operation as the function under check, on given inputs or on those its probe describes. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "gradcheck_impl.h"
#include "ops.h"

typedef struct subject {
    const ag_op *op;
    const void *attrs;
} subject;

ag_value agx_gradcheck_outputs(const ag_op *op, ag_value first) {
    ag_value flat[4] = {first};
    int n = 0;
    if (op->outputs == 1) return first;
    for (uint32_t k = 0; k < op->outputs; k++) {
        const ag_value y = ag_output(first, k);
        const ag_meta *meta = ag_meta_of(y);
        if (!meta) return y;
        if (ag_dtype_is_float(meta->dtype)) flat[n++] = ag_reshape(y, 1, (const int64_t[]){ag_meta_count(meta)});
    }
    return n > 1 ? ag_cat(flat, n, 0) : flat[0];
}

static ag_value apply(ag_tape *t, const ag_value *in, int n, void *user) {
    const subject *s = user;
    return agx_gradcheck_outputs(s->op, ag_apply(t, s->op, in, (uint32_t)n, s->attrs));
}

static ag_status refuse(ag_gradcheck_report *report, const ag_op *op, ag_status status, const char *message) {
    report->verdict = AG_GRADCHECK_NOT_RUN;
    return ag_fail(&report->error, status, "gradcheck: %s: %s", op ? op->name : "(no operation)", message);
}

/* ---- the probe's inputs ---------------------------------------------------------------------------------------------- */

typedef struct domain {
    double low, high;
} domain;

static domain domain_of(const ag_probe *probe, const ag_probe_input *p, int i) {
    if (p->lo != 0 || p->hi != 0) return (domain){p->lo, p->hi};
    const int k = i < 2 ? i : 2;
    if (probe->lo[k] != 0 || probe->hi[k] != 0) return (domain){probe->lo[k], probe->hi[k]};
    return p->dtype == AG_BOOL ? (domain){0, 1} : (domain){-2, 2};
}

/* Values of a grid of `cells` in random order. Every input has its own place in a cell, so no two values of inputs over
 * one domain are equal. */
static void fill_apart(ag_random *r, double *values, int64_t count, domain d, double shift, int64_t *cell,
                       int64_t cells) {
    ag_random_permutation(r, cell, cells);
    for (int64_t k = 0; k < count; k++)
        values[k] = d.low + (d.high - d.low) * ((double)cell[k] + shift) / (double)cells;
}

static void fill(ag_random *r, double *values, int64_t count, domain d, bool whole, bool avoid_zero) {
    for (int64_t k = 0; k < count; k++) {
        if (whole) {
            values[k] = d.low + (double)ag_random_below(r, (uint64_t)(d.high - d.low) + 1);
            continue;
        }
        for (int tries = 0; tries < 1000; tries++) {
            values[k] = d.low + (d.high - d.low) * ag_random_uniform(r);
            if (!avoid_zero || fabs(values[k]) > 0.1) break;
        }
    }
}

static ag_status try_case(const ag_op *op, const ag_probe_case *probe, const ag_gradcheck_options *options,
                          const char *what, ag_gradcheck_report *report) {
    ag_gradcheck_input in[AG_PROBE_INPUTS];
    const int n = (int)probe->n_in;
    int64_t total = 0, most = 0;
    for (int i = 0; i < n; i++) {
        const ag_probe_input *p = &probe->in[i];
        const bool rule = ag_op_grad(op, (uint32_t)i) == AG_GRAD_RULE;
        in[i] = (ag_gradcheck_input){.dtype = p->dtype, .rank = p->rank, .constant = !rule};
        memcpy(in[i].dim, p->dim, sizeof p->dim);
        const int64_t count = agx_gradcheck_count(&in[i]);
        total += count;
        if (count > most) most = count;
    }
    const size_t value_bytes = (size_t)total * sizeof(double), cell_bytes = (size_t)most * sizeof(int64_t);
    double *values = ag_alloc(value_bytes), *next = values;
    int64_t *cell = ag_alloc(cell_bytes);
    ag_status status = AG_OK;
    if (!values || !cell) {
        status = refuse(report, op, AG_ERROR_MEMORY, "out of memory");
        goto done;
    }
    ag_random r = {.seed = options->seed + 1};
    for (int i = 0; i < n; i++) {
        const int64_t count = agx_gradcheck_count(&in[i]);
        const domain d = domain_of(op->probe, &probe->in[i], i);
        const bool whole = !ag_dtype_is_float(in[i].dtype);
        if (!whole && op->probe->avoid & AG_AVOID_TIES)
            fill_apart(&r, next, count, d, (i + 1.0) / (n + 1), cell, most);
        else
            fill(&r, next, count, d, whole, op->probe->avoid & AG_AVOID_ZERO);
        in[i].values = next;
        next += count;
    }
    for (int strided = 0; strided < 2 && status == AG_OK && report->verdict == AG_GRADCHECK_PASSED; strided++) {
        char name[96];
        snprintf(name, sizeof name, "%.40s, %s%s", op->name, what, strided ? ", strided" : "");
        ag_gradcheck_options named = *options;
        named.name = name;
        for (int i = 0; i < n; i++) in[i].strided = strided;
        status = agx_gradcheck_run(apply, &(subject){op, probe->attrs}, in, n, &named, true, report);
    }
done:
    ag_release(values, value_bytes);
    ag_release(cell, cell_bytes);
    return status;
}

/* ---- all cases ----------------------------------------------------------------------------------------------------------- */

/* Elementwise rows bring no cases: ranks 0 to 3, empty, and operands that broadcast. */
static const ag_probe_input shapes[][3] = {
    {{.dtype = AG_F64}, {.dtype = AG_F64}, {.dtype = AG_F64}},
    {{AG_F64, 1, {3}, 0, 0}, {AG_F64, 1, {3}, 0, 0}, {AG_F64, 1, {3}, 0, 0}},
    {{AG_F64, 2, {2, 3}, 0, 0}, {AG_F64, 1, {3}, 0, 0}, {.dtype = AG_F64}},
    {{AG_F64, 2, {2, 1}, 0, 0}, {AG_F64, 2, {1, 3}, 0, 0}, {AG_F64, 1, {3}, 0, 0}},
    {{AG_F64, 3, {2, 0, 3}, 0, 0}, {AG_F64, 3, {2, 1, 3}, 0, 0}, {AG_F64, 1, {3}, 0, 0}},
};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

static ag_status try_probe(const ag_op *op, const void *attrs, const ag_gradcheck_options *options,
                           ag_gradcheck_report *report) {
    const bool own = op->probe->n_cases == 0;
    const uint32_t cases = own ? SHAPES : op->probe->n_cases;
    ag_status status = AG_OK;
    for (uint32_t k = 0; k < cases && status == AG_OK && report->verdict == AG_GRADCHECK_PASSED; k++) {
        ag_probe_case c = {.n_in = op->min_in};
        char what[40];
        snprintf(what, sizeof what, "%s %u", own ? "shapes" : "case", (unsigned)k);
        if (own)
            memcpy(c.in, shapes[k], sizeof shapes[k]);
        else
            c = op->probe->cases[k];
        if (attrs) c.attrs = attrs;
        status = try_case(op, &c, options, what, report);
    }
    return status;
}

ag_status ag_gradcheck_op(const ag_op *op, const void *attrs, const ag_gradcheck_input *in, int n,
                          const ag_gradcheck_options *options, ag_gradcheck_report *report) {
    ag_gradcheck_report none;
    ag_gradcheck_options o = {0};
    if (!report) report = &none;
    memset(report, 0, sizeof *report);
    report->worst.input = report->local.input = -1;
    ag_error error = {0};
    const ag_status sound = ag_op_check(op, &error);
    if (sound != AG_OK) return refuse(report, op, sound, error.message);
    if (options) o = *options;
    if (!o.name) o.name = op->name;
    if (!in) {
        const ag_probe *probe = op->probe;
        if (!probe || (probe->n_cases == 0 && (!(op->traits & AG_TRAIT_ELEMENTWISE) || op->min_in > 3)))
            return refuse(report, op, AG_ERROR_VALUE, "it has no probe to draw inputs from: give some");
        return try_probe(op, attrs, &o, report);
    }
    if (n < 1) return refuse(report, op, AG_ERROR_VALUE, "it needs at least one input");
    const size_t bytes = (size_t)n * sizeof *in;
    ag_gradcheck_input *marked = ag_alloc(bytes);
    if (!marked) return refuse(report, op, AG_ERROR_MEMORY, "out of memory");
    memcpy(marked, in, bytes);
    for (int i = 0; i < n; i++) marked[i].constant |= ag_op_grad(op, (uint32_t)i) != AG_GRAD_RULE;
    const ag_status status = agx_gradcheck_run(apply, &(subject){op, attrs}, marked, n, &o, true, report);
    ag_release(marked, bytes);
    return status;
}
