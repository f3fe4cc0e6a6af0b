/* call: recording an operation by name, for readers of files, tests and bindings. */
#include "op_impl.h"
#include "tape_impl.h"

#include <stdio.h>

ag_status ag_call(ag_tape *t, const char *name, const ag_value *in, uint32_t n, const ag_attrs *attrs,
                  ag_value *out) {
    t = agx_tape_of(in, n, t);
    out[0] = agx_failed(t);
    if (!t) return AG_ERROR_FAILED;
    const ag_op *op = ag_op_find(name);
    if (!op) {
        char text[120];
        snprintf(text, sizeof text, "no operation is called '%.60s'", name ? name : "");
        return agx_tape_error(t, AG_ERROR_NAME, "call: ", text, "");
    }
    for (uint32_t k = 1; k < op->outputs; k++) out[k] = out[0];
    void *values = NULL;
    agx_arena_mark scratch = agx_arena_here(&t->work.arena);
    ag_status status = AG_OK;
    bool draws = false;
    if (attrs && attrs->n) {
        ag_error error = {0};
        values = ag_scratch(&t->work, op->attr_size + 1);
        if (!values) return agx_operation_error(t, op, in, n, AG_ERROR_MEMORY, "out of memory for its attributes");
        agx_op_default_attrs(op, values);
        draws = agx_op_set_random(op, values, t->random);
        for (uint32_t i = 0; i < attrs->n && status == AG_OK; i++) {
            status = agx_op_set_attr(op, values, &attrs->v[i], &error);
            if (attrs->v[i].kind == AG_FIELD_RANDOM) draws = false; /* the caller brings the position */
        }
        if (status != AG_OK) agx_operation_error(t, op, in, n, status, error.message);
    }
    ag_value first = status == AG_OK ? ag_apply(t, op, in, n, values) : agx_failed(t);
    agx_arena_release(&t->work.arena, scratch);
    if (draws && first.id) agx_draw(t, agx_meta_at(t, first.id));
    for (uint32_t k = 0; k < op->outputs; k++) out[k] = ag_output(first, k);
    return first.id ? AG_OK : status != AG_OK ? status : t->failed ? t->error.status : AG_ERROR_FAILED;
}
