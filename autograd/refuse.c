/* refuse: what is wrong with an operation, said in full - its name, operands, labels and scope - and the checks of
 * operands that every call begins with. Under a composite the message begins with what the caller called.
 *
 * Not here: how the first failure of a tape is kept (tape.c), texts of values and scopes (note.c). */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "apply_impl.h"

ag_status agx_operation_error(ag_tape *t, const ag_op *op, const ag_value *in, uint32_t n, ag_status status,
                              const char *message) {
    char before[140], after[360], scope[120];
    const agx_call *outer = t->composing;
    if (outer && outer->op != op) { /* of what a composite records its caller knows nothing */
        snprintf(before, sizeof before, "%.60s: %.60s: ", outer->op->name, op->name);
        in = outer->in;
        n = outer->n;
    } else {
        snprintf(before, sizeof before, "%.60s: ", op->name);
    }
    size_t at = 0;
    after[0] = '\0';
    for (uint32_t i = 0; i < n && at + 1 < sizeof after; i++) {
        if (!ag_ok(in[i]) || in[i].tape != t) continue;
        int m = snprintf(after + at, sizeof after - at, at ? ", " : "; operands ");
        at += m > 0 ? (size_t)m : 0;
        if (i == 6 && n > 7) {
            snprintf(after + at, sizeof after - at, "... (%u in all)", (unsigned)n);
            at = strlen(after);
            break;
        }
        if (at < sizeof after) at += agx_value_text(t, in[i].id, after + at, sizeof after - at);
    }
    if (at + 1 < sizeof after && agx_scope_text(t, t->head.next, scope, sizeof scope)) {
        snprintf(after + at, sizeof after - at, "; in scope '%s'", scope);
    }
    return agx_tape_error(t, status, before, message, after);
}

ag_value agx_refuse(const ag_op *op, const ag_value *in, uint32_t n, ag_status status, const char *format, ...) {
    ag_tape *t = agx_tape_of(in, n, NULL);
    char text[240];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (!t) return (ag_value){0};
    agx_operation_error(t, op, in, n, status, text);
    return agx_failed(t);
}

ag_status agx_check_handles(ag_tape *t, const char *name, const ag_value *in, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        if (AG_LIKELY(in[i].tape == t && agx_live(t, in[i]))) continue;
        char text[120];
        if (in[i].tape && in[i].tape != t) {
            snprintf(text, sizeof text, "operand %u belongs to another tape", (unsigned)i);
            return agx_operation_error(t, &(const ag_op){.name = name}, in, n, AG_ERROR_FOREIGN, text);
        }
        if (in[i].id == 0) { /* silently, when the tape knows of a failure already */
            if (t->failed) return AG_ERROR_FAILED;
            snprintf(text, sizeof text, "operand %u is a failed value", (unsigned)i);
            return agx_operation_error(t, &(const ag_op){.name = name}, in, n, AG_ERROR_FAILED, text);
        }
        snprintf(text, sizeof text, "operand %u (#%u) was rewound: its handle is stale", (unsigned)i,
                 (unsigned)in[i].id);
        return agx_operation_error(t, &(const ag_op){.name = name}, in, n, AG_ERROR_STALE, text);
    }
    return AG_OK;
}

ag_status agx_check_operands(ag_tape *t, const char *name, const ag_value *in, uint32_t n) {
    ag_status status = agx_check_handles(t, name, in, n);
    if (AG_LIKELY(status != AG_OK || !t->recompute.newest)) return status;
    for (uint32_t i = 0; i < n; i++) {
        const agx_record *r = agx_record_of(t, in[i].id);
        if (!r || r->data) continue;
        char text[140];
        snprintf(text, sizeof text, "operand %u (#%u) was dropped at the end of recompute segment '%.40s'",
                 (unsigned)i, (unsigned)in[i].id, agx_recompute_name(t, in[i].id));
        return agx_operation_error(t, &(const ag_op){.name = name}, in, n, AG_ERROR_STATE, text);
    }
    return AG_OK;
}
