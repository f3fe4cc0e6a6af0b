/* anomaly: where did the first number that is not finite come from?
 *
 * Numbers are finite, infinite or NaN, in this order. A recorded value is an anomaly when it is worse than everything it
 * was made from: operands and the operation's own numbers; so an infinity that the caller wrote may pass through, and
 * what follows from an anomaly is not blamed. In a sweep anything that is not finite is one, and the operation whose rule
 * gave it is named. The mode sends every scalar the long way round (see agx_seek) and makes the sweep stop at each. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tape_impl.h"

enum { FINITE, INFINITE, NOT_A_NUMBER };

static int class_of(double x) { return isnan(x) ? NOT_A_NUMBER : isinf(x) ? INFINITE : FINITE; }

typedef struct finding {
    int worst;
    int64_t element; /* the first of the worst, row-major */
    double number;
} finding;

static finding look(const ag_array *x) {
    finding f = {.worst = FINITE};
    const ag_meta *m = x->meta;
    if (!ag_dtype_is_float(m->dtype)) return f;
    int64_t index[AG_MAX_RANK] = {0}, at = 0;
    for (int64_t i = 0, n = ag_meta_count(m); i < n; i++) {
        const double number = agx_load(x->data, m->dtype, at);
        const int class = class_of(number);
        if (class > f.worst) f = (finding){.worst = class, .element = i, .number = number};
        for (int d = m->rank - 1; d >= 0; d--) { /* the next element in row-major order */
            at += m->stride[d];
            if (++index[d] < m->dim[d]) break;
            at -= m->stride[d] * m->dim[d];
            index[d] = 0;
        }
    }
    return f;
}

static finding look_at(const ag_tape *t, uint32_t id) {
    const agx_record *r = agx_record_of(t, id);
    if (r) return look(&(ag_array){.meta = &r->meta, .data = r->data});
    return look(&(ag_array){.meta = &agx_scalar_meta, .data = &agx_entry(t, id)->v});
}

/* The number that a scalar's or tensor's operation was given, or the worst of them. */
static int class_of_attributes(const ag_tape *t, uint32_t id) {
    const ag_entry *e = agx_entry(t, id);
    const uint32_t code = e->op & AGX_STRIP_CODE;
    if (!agx_is_wide(e))
        return code < AGX_ROW_COUNT && agx_elementwise_ops[code].attr_size ? class_of(e->u.c) : FINITE;
    const agx_record *r = e->u.wide;
    int worst = FINITE;
    for (uint32_t f = 0; r->attrs && f < r->op->n_fields; f++) {
        if (r->op->fields[f].kind != AG_FIELD_REAL) continue;
        double number;
        memcpy(&number, (const char *)r->attrs + r->op->fields[f].offset, sizeof number);
        if (class_of(number) > worst) worst = class_of(number);
    }
    return worst;
}

static const char *name_of(const ag_tape *t, uint32_t id) {
    const ag_entry *e = agx_entry(t, id);
    if (agx_is_wide(e)) return ((const agx_record *)e->u.wide)->op->name;
    const uint32_t code = e->op & AGX_STRIP_CODE;
    return code < AGX_ROW_COUNT       ? agx_elementwise_ops[code].name
           : code == AGX_STRIP_AFFINE ? "affine"
           : code == AGX_STRIP_LEAF   ? "leaf"
                                      : "constant";
}

/* "; label 'h'; operands #1 'x' f64 (3), ...; in scope 'a/b'", as far as there are any. */
static void describe(const ag_tape *t, uint32_t id, char *text, size_t size) {
    size_t at = 0;
    char scope[120];
    agx_operands in;
    agx_operands_of(t, id, &in);
    const char *label = agx_label_at(t, id);
    text[0] = '\0';
    if (label[0]) at += (size_t)snprintf(text, size, "; label '%.40s'", label);
    for (uint32_t i = 0; i < in.n && i < 6 && at + 1 < size; i++) {
        at += (size_t)snprintf(text + at, size - at, i ? ", " : "; operands ");
        if (at < size) at += agx_value_text(t, agx_operand(&in, i), text + at, size - at);
    }
    if (at + 1 < size && agx_scope_text(t, id, scope, sizeof scope))
        snprintf(text + at, size - at, "; in scope '%s'", scope);
}

/* What the finding is and whose: "its result is -inf at element 3". */
static ag_status report(ag_tape *t, const char *operation, uint32_t id, const char *whose, const finding *f) {
    char before[80], text[160], after[300];
    snprintf(before, sizeof before, "%.60s: ", operation);
    snprintf(text, sizeof text, "%s is %g at element %lld", whose, f->number, (long long)f->element);
    describe(t, id, after, sizeof after);
    return agx_tape_error(t, AG_ERROR_NONFINITE, before, text, after);
}

void agx_watch_value(ag_tape *t, uint32_t id) {
    if (t->sweeping || t->failed) return;
    const finding f = look_at(t, id);
    int written = class_of_attributes(t, id);
    agx_operands in;
    agx_operands_of(t, id, &in);
    const bool constant = in.n == 0 && strcmp(name_of(t, id), "leaf") != 0;
    if (constant && f.worst == INFINITE) return;
    for (uint32_t i = 0; i < in.n && f.worst > written; i++) {
        const int operand = look_at(t, agx_operand(&in, i)).worst;
        if (operand > written) written = operand;
    }
    if (f.worst <= written) return;
    report(t, name_of(t, id), id, "its value", &f);
    t->anomalous = id;
}

/* The value that the tape has failed for is given a name only now. */
void agx_watch_label(ag_tape *t, const char *label) {
    t->anomalous = 0;
    if (!t->failed || t->error.status != AG_ERROR_NONFINITE) return;
    const size_t length = strlen(t->error.message);
    snprintf(t->error.message + length, sizeof t->error.message - length, "; label '%.40s'", label);
}

ag_status agx_watch_amount(ag_tape *t, const ag_op *op, uint32_t from, uint32_t id, ag_value amount) {
    const finding f = look_at(t, amount.id);
    if (f.worst == FINITE) return AG_OK;
    char whose[140], value[100];
    agx_value_text(t, id, value, sizeof value);
    snprintf(whose, sizeof whose, from ? "the adjoint it gave to %s" : "the seed of %s", value);
    return report(t, op->name, from ? from : id, whose, &f);
}

ag_status agx_watch_adjoint(ag_tape *t, uint32_t id, const ag_array *x) {
    const finding f = look(x);
    return f.worst == FINITE ? AG_OK : report(t, name_of(t, id), id, "the sum of its adjoint", &f);
}

ag_status agx_sweep_watched(ag_tape *t, uint32_t id) {
    const double dz = *agx_adjoint(t, id);
    const ag_array adjoint = {.meta = &agx_scalar_meta, .data = (double *)(uintptr_t)&dz};
    if (dz == 0) return AG_OK;
    ag_status status = agx_watch_adjoint(t, id, &adjoint);
    if (status != AG_OK) return status;
    agx_operands in;
    agx_operands_of(t, id, &in);
    agx_sweep_scalar(t, id);
    if (agx_detached(agx_entry(t, id))) return AG_OK;
    for (uint32_t i = 0; i < in.n; i++) { /* its own adjoint was finite, and so were the operands' before */
        const uint32_t operand = agx_operand(&in, i);
        const finding f = look(&(ag_array){.meta = &agx_scalar_meta, .data = agx_adjoint(t, operand)});
        if (f.worst == FINITE) continue;
        char whose[140], value[100];
        agx_value_text(t, operand, value, sizeof value);
        snprintf(whose, sizeof whose, "the adjoint it gave to %s", value);
        return report(t, name_of(t, id), id, whose, &f);
    }
    return AG_OK;
}
