/* leaf: what a tape begins with - differentiable leaves and constants, over a tensor's memory or numbers of their own.
 *
 * They are records without operands; their rows only name them, and are not in the registry. Scalars of the strip are
 * tape.c's. */
#include <stdio.h>

#include "tape_impl.h"

const ag_op agx_op_leaf = {.name = "leaf", .formula = "leaf", .outputs = 1, .traits = AG_TRAIT_LEAF};
const ag_op agx_op_constant = {.name = "constant", .formula = "constant", .outputs = 1, .traits = AG_TRAIT_LEAF};

static ag_value bind(ag_tape *t, ag_tensor *x, bool leaf) {
    if (!t) return (ag_value){0};
    if (!x) {
        agx_operation_error(t, leaf ? &agx_op_leaf : &agx_op_constant, NULL, 0, AG_ERROR_VALUE,
                            "the tensor is NULL");
        return agx_failed(t);
    }
    if (leaf && !ag_dtype_is_float(x->meta.dtype)) {
        char text[120];
        snprintf(text, sizeof text, "tensor '%.40s' is %s: only floating tensors have gradients",
                 ag_tensor_name(x), ag_dtype_name(x->meta.dtype));
        agx_operation_error(t, &agx_op_leaf, NULL, 0, AG_ERROR_DTYPE, text);
        return agx_failed(t);
    }
    agx_record *r;
    ag_value v = agx_record_new(t, leaf ? &agx_op_leaf : &agx_op_constant, &x->meta, x->data, NULL,
                                leaf ? (t->no_grad ? AGX_LEAF : AGX_LEAF | AGX_NEEDS) : 0, &r);
    if (v.id) {
        r->bound = x;
        r->version = ag_tensor_version(x);
        if (t->anomaly) agx_watch_value(t, v.id);
    }
    return v;
}

ag_value ag_leaf(ag_tape *t, ag_tensor *x) { return bind(t, x, true); }
/* The cast drops const for the record's sake: a constant's tensor is never written. */
ag_value ag_constant(ag_tape *t, const ag_tensor *x) { return bind(t, (ag_tensor *)(uintptr_t)x, false); }

static ag_value copied(ag_tape *t, const ag_op *op, ag_dtype dtype, int rank, const int64_t *dim,
                       const double *values, double c, uint8_t flags) {
    if (!t) return (ag_value){0};
    ag_meta meta;
    ag_error error = {0};
    if (ag_meta_init(&meta, dtype, rank, dim, &error) != AG_OK) {
        agx_operation_error(t, op, NULL, 0, error.status, error.message);
        return agx_failed(t);
    }
    agx_buffer *buffer;
    void *data = agx_numbers(t, ag_meta_bytes(&meta), &buffer);
    if (!data) {
        agx_operation_error(t, op, NULL, 0, AG_ERROR_MEMORY, "out of memory for its numbers");
        return agx_failed(t);
    }
    int64_t count = ag_meta_count(&meta);
    if (values) {
        for (int64_t i = 0; i < count; i++) agx_store(data, dtype, i, values[i]);
    } else if (count == 1) {
        agx_store(data, dtype, 0, c);
    } else {
        agx_fill(&(ag_array){.meta = &meta, .data = data}, c);
    }
    ag_value v = agx_record_new(t, op, &meta, data, buffer, flags, NULL);
    if (!v.id) agx_buffer_drop(&t->pool, buffer);
    if (v.id && t->anomaly) agx_watch_value(t, v.id);
    return v;
}

ag_value ag_array_constant(ag_tape *t, ag_dtype dtype, int rank, const int64_t *dim, const double *values) {
    return copied(t, &agx_op_constant, dtype, rank, dim, values, 0, 0);
}

ag_value ag_full(ag_tape *t, ag_dtype dtype, int rank, const int64_t *dim, double c) {
    return copied(t, &agx_op_constant, dtype, rank, dim, NULL, c, 0);
}

ag_value ag_array_leaf(ag_tape *t, ag_dtype dtype, int rank, const int64_t *dim, const double *values) {
    if (t && !ag_dtype_is_float(dtype)) {
        agx_operation_error(t, &agx_op_leaf, NULL, 0, AG_ERROR_DTYPE, "only floating arrays have gradients");
        return agx_failed(t);
    }
    ag_value v =
        copied(t, &agx_op_leaf, dtype, rank, dim, values, 0, t && t->no_grad ? AGX_LEAF : AGX_LEAF | AGX_NEEDS);
    return v.id && agx_hold_leaf(t, v.id) != AG_OK ? agx_failed(t) : v;
}

ag_value ag_number(ag_value like, double c) {
    ag_tape *t = like.tape;
    if (!t || agx_check_operands(t, "number", &like, 1) != AG_OK) return agx_failed(t);
    const agx_record *r = agx_record_of(t, like.id);
    return r ? ag_full(t, r->meta.dtype, 0, NULL, c) : ag_scalar_constant(t, c);
}
