/* op: the registry of descriptors by name, attributes by name, and running a forward without a tape.
 *
 * The registry is the one table of the process; it is filled with the built-in rows at first use and guarded by a
 * mutex. Its memory goes through the allocator hook and stays until the process ends. */
#define _POSIX_C_SOURCE 200809L
#include "op.h"

#include <pthread.h>
#include <string.h>

#include "kernels/kernels.h"
#include "op_impl.h"
#include "table_impl.h"
#include "tensor_impl.h"

extern const ag_op agx_elementwise_ops[AGX_ROW_COUNT];
#define OP(name) extern const ag_op agx_op_##name;
#include "ops/catalogue.def"
#undef OP

static const ag_op *const catalogue[] = {
#define OP(name) &agx_op_##name,
#include "ops/catalogue.def"
#undef OP
};
enum { CATALOGUE = sizeof catalogue / sizeof catalogue[0] };

/* ---- the registry ---------------------------------------------------------------------------------------------------- */

typedef struct entry {
    const ag_op *op;
    struct entry *next; /* in order of registration */
    UT_hash_handle hh;
} entry;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static entry *by_name, *first, *last;
static bool filled; /* the built-in rows are in */

static entry *find(const char *name) {
    entry *e = NULL;
    HASH_FIND_STR(by_name, name, e);
    return e;
}

static ag_status insert(const ag_op *op, ag_error *error) {
    entry *e = find(op->name);
    if (e) return e->op == op ? AG_OK : ag_fail(error, AG_ERROR_NAME, "operation name '%s' is taken", op->name);
    e = ag_alloc_zeroed(sizeof *e);
    if (!e) return ag_fail(error, AG_ERROR_MEMORY, "out of memory registering operation '%s'", op->name);
    e->op = op;
    HASH_ADD_KEYPTR(hh, by_name, op->name, strlen(op->name), e);
    if (!e->hh.tbl) { /* uthash found no memory and left the table as it was */
        ag_release(e, sizeof *e);
        return ag_fail(error, AG_ERROR_MEMORY, "out of memory registering operation '%s'", op->name);
    }
    if (last)
        last->next = e;
    else
        first = e;
    last = e;
    return AG_OK;
}

/* Insert is idempotent, so a fill that ran out of memory half-way goes on where it stopped. */
static ag_status fill(ag_error *error) {
    if (filled) return AG_OK;
    ag_status status = AG_OK;
    for (int i = 0; i < AGX_ROW_COUNT && status == AG_OK; i++) status = insert(&agx_elementwise_ops[i], error);
    for (int i = 0; i < CATALOGUE && status == AG_OK; i++) status = insert(catalogue[i], error);
    filled = status == AG_OK;
    return status;
}

ag_status ag_op_register(const ag_op *op, ag_error *error) {
    ag_status status = ag_op_check(op, error);
    if (status != AG_OK) return status;
    pthread_mutex_lock(&lock);
    status = fill(error);
    if (status == AG_OK) status = insert(op, error);
    pthread_mutex_unlock(&lock);
    return status;
}

const ag_op *ag_op_find(const char *name) {
    pthread_mutex_lock(&lock);
    const entry *e = name && fill(NULL) == AG_OK ? find(name) : NULL;
    pthread_mutex_unlock(&lock);
    return e ? e->op : NULL;
}

const ag_op *ag_op_at(uint32_t i) {
    pthread_mutex_lock(&lock);
    const entry *e = fill(NULL) == AG_OK ? first : NULL;
    while (e && i-- > 0) e = e->next;
    pthread_mutex_unlock(&lock);
    return e ? e->op : NULL;
}

/* ---- descriptors -------------------------------------------------------------------------------------------------------- */

static size_t field_size(ag_field_kind kind) {
    switch (kind) {
    case AG_FIELD_INT: return sizeof(int64_t);
    case AG_FIELD_REAL: return sizeof(double);
    case AG_FIELD_BOOL: return sizeof(bool);
    case AG_FIELD_INTS: return sizeof(ag_ints);
    case AG_FIELD_RANDOM: return sizeof(ag_random);
    case AG_FIELD_DTYPE: return sizeof(ag_dtype);
    }
    return 0;
}

ag_status ag_op_check(const ag_op *op, ag_error *error) {
    if (!op || !op->name || !op->name[0]) return ag_fail(error, AG_ERROR_VALUE, "an operation needs a name");
    const char *wrong = NULL;
    bool view = (op->traits & AG_TRAIT_VIEW) != 0;
    if (op->outputs < 1 || op->outputs > 4)
        wrong = "outputs must be 1 to 4";
    else if (op->min_in > op->max_in)
        wrong = "min_in exceeds max_in";
    else if (op->compose ? op->forward || op->vjp || op->jvp : !op->infer)
        wrong = "infer is missing, or compose and rules are mixed";
    else if (!op->compose && view == (op->forward != NULL))
        wrong = "a view has no forward; all others have one";
    else if (view && op->outputs != 1)
        wrong = "a view has one output";
    else if (op->n_fields && !op->fields)
        wrong = "fields are missing";
    if (wrong) return ag_fail(error, AG_ERROR_VALUE, "operation '%s': %s", op->name, wrong);
    for (uint32_t i = 0; i < op->n_fields; i++) {
        const ag_field *f = &op->fields[i];
        if (f->offset + field_size(f->kind) > op->attr_size) {
            return ag_fail(error, AG_ERROR_VALUE, "operation '%s': attribute '%s' lies outside its struct",
                           op->name, f->name);
        }
    }
    bool differentiable = false;
    for (uint32_t i = 0; i < op->max_in && i < 16; i++) differentiable |= ag_op_grad(op, i) == AG_GRAD_RULE;
    if (!op->compose && differentiable && !op->vjp) {
        return ag_fail(error, AG_ERROR_VALUE, "operation '%s': an operand claims a rule, but there is no vjp",
                       op->name);
    }
    return AG_OK;
}

/* ---- attributes by name ----------------------------------------------------------------------------------------------------- */

void agx_op_default_attrs(const ag_op *op, void *attrs) {
    memset(attrs, 0, op->attr_size);
    for (uint32_t i = 0; i < op->n_fields; i++) {
        const ag_field *f = &op->fields[i];
        char *at = (char *)attrs + f->offset;
        switch (f->kind) {
        case AG_FIELD_INT: memcpy(at, &(int64_t){(int64_t)f->default_value}, sizeof(int64_t)); break;
        case AG_FIELD_REAL: memcpy(at, &f->default_value, sizeof(double)); break;
        case AG_FIELD_BOOL: memcpy(at, &(bool){f->default_value != 0}, sizeof(bool)); break;
        case AG_FIELD_DTYPE: memcpy(at, &(ag_dtype){(ag_dtype)f->default_value}, sizeof(ag_dtype)); break;
        case AG_FIELD_INTS:
        case AG_FIELD_RANDOM: break; /* zero */
        }
    }
}

bool agx_op_set_random(const ag_op *op, void *attrs, ag_random random) {
    for (uint32_t i = 0; i < op->n_fields; i++) {
        if (op->fields[i].kind != AG_FIELD_RANDOM) continue;
        memcpy((char *)attrs + op->fields[i].offset, &random, sizeof random);
        return true;
    }
    return false;
}

ag_status agx_op_set_attr(const ag_op *op, void *attrs, const ag_attr *attr, ag_error *error) {
    for (uint32_t i = 0; i < op->n_fields; i++) {
        const ag_field *f = &op->fields[i];
        if (!attr->name || strcmp(f->name, attr->name) != 0) continue;
        if (f->kind != attr->kind) {
            return ag_fail(error, AG_ERROR_VALUE, "attribute '%s' is of another kind", attr->name);
        }
        memcpy((char *)attrs + f->offset, &attr->as, field_size(f->kind));
        return AG_OK;
    }
    return ag_fail(error, AG_ERROR_NAME, "no attribute '%.60s'", attr->name ? attr->name : "");
}

/* ---- forward without a tape ---------------------------------------------------------------------------------------------------- */

enum { RUN_OPERANDS = 16 };

static ag_status run(const ag_eval *e, ag_tensor *const *out, const ag_query *q) {
    ag_meta meta[4];
    ag_status status = e->op->infer(q, meta);
    if (status != AG_OK) return status;
    for (uint32_t k = 0; k < e->op->outputs; k++) {
        const ag_meta *have = e->out[k].meta;
        if (!ag_meta_same_shape(have, &meta[k]) || have->dtype != meta[k].dtype) {
            char want[AG_META_TEXT], got[AG_META_TEXT];
            return ag_fail(e->error, have->dtype != meta[k].dtype ? AG_ERROR_DTYPE : AG_ERROR_SHAPE,
                           "output %u must be %s, got %s", (unsigned)k, ag_meta_text(&meta[k], want, sizeof want),
                           ag_meta_text(have, got, sizeof got));
        }
        ag_tensor_write(out[k]);
    }
    return e->op->forward(e);
}

ag_status ag_op_run(const ag_op *op, const ag_tensor *const *in, uint32_t n_in, const void *attrs,
                    ag_tensor *const *out, int threads, ag_error *error) {
    if (!op->forward || n_in > RUN_OPERANDS || n_in < op->min_in || n_in > op->max_in) {
        return ag_fail(error, AG_ERROR_VALUE, "%s: cannot be run on %u tensors without a tape", op->name,
                       (unsigned)n_in);
    }
    ag_array operands[RUN_OPERANDS], results[4];
    const ag_meta *metas[RUN_OPERANDS];
    for (uint32_t i = 0; i < n_in; i++) {
        metas[i] = &in[i]->meta;
        operands[i] = (ag_array){.meta = metas[i], .data = in[i]->data};
    }
    for (uint32_t k = 0; k < op->outputs; k++)
        results[k] = (ag_array){.meta = &out[k]->meta, .data = out[k]->data};
    ag_workspace work;
    agx_workspace_init(&work, threads);
    void *defaults = NULL;
    ag_status status = AG_OK;
    if (!attrs && op->attr_size) {
        defaults = ag_scratch(&work, op->attr_size);
        if (!defaults)
            status = ag_fail(error, AG_ERROR_MEMORY, "%s: out of memory", op->name);
        else
            agx_op_default_attrs(op, defaults);
        attrs = defaults;
    }
    ag_error inner = {0};
    if (status == AG_OK) {
        ag_query q = {.op = op, .in = metas, .n_in = n_in, .attrs = attrs, .error = &inner};
        ag_eval e = {.op = op,
                     .in = operands,
                     .out = results,
                     .n_in = n_in,
                     .attrs = attrs,
                     .work = &work,
                     .error = &inner};
        status = run(&e, out, &q);
        if (status != AG_OK) {
            ag_fail(error, status, "%s: %s", op->name, inner.message[0] ? inner.message : ag_status_text(status));
        }
    }
    agx_workspace_clear(&work);
    return status;
}
