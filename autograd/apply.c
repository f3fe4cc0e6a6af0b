/* apply: recording one operation - check the operands, ask the row for shapes, find memory, run the forward, append.
 *
 * Everything but the inline push of scalar.h passes here. A failure leaves the tape as it was, but for the sticky
 * error. Not here: the catalogue (ops/), scalars whose operands all lie on the strip (scalar.c), what is said of a
 * mistake (refuse.c). */
#include "apply_impl.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { INLINE_OPERANDS = 8 };

const ag_meta agx_scalar_meta = {.dtype = AG_F64, .rank = 0};

typedef agx_call call;

/* ---- memory and records ---------------------------------------------------------------------------------------------- */

void *agx_numbers(ag_tape *t, size_t bytes, agx_buffer **buffer) {
    *buffer = NULL;
    if (t->scratch) {
        *buffer = agx_pool_take(&t->pool, bytes);
        return *buffer ? agx_buffer_data(*buffer) : NULL;
    }
    return agx_arena_take(&t->arena, bytes ? bytes : 1, 64);
}

/* The part of a meta that its rank uses. */
static void copy_meta(ag_meta *to, const ag_meta *from) {
    to->dtype = from->dtype;
    to->rank = from->rank;
    to->offset = 0;
    for (int d = 0; d < from->rank; d++) {
        to->dim[d] = from->dim[d];
        to->stride[d] = from->stride[d];
    }
}

/* A record with every member but operands and numbers; room for its id is reserved. */
static agx_record *new_record(ag_tape *t, const ag_op *op, const ag_meta *meta) {
    agx_record *r = agx_arena_take(&t->arena, sizeof *r, sizeof(void *));
    if (!r) return NULL;
    r->op = op;
    r->attrs = NULL;
    r->data = NULL;
    r->buffer = NULL;
    r->bound = NULL;
    r->version = 0;
    r->in = NULL;
    r->n_in = 0;
    r->k = 0;
    r->flags = t->no_grad ? AGX_DETACHED : 0;
    r->slot.data = NULL;
    r->slot.buffer = NULL;
    copy_meta(&r->meta, meta);
    return r;
}

static uint32_t append_record(ag_tape *t, agx_record *r) {
    uint32_t id = agx_append(t, AG_WIDE);
    ag_entry *e = agx_entry(t, id);
    e->a = 0;
    e->u.wide = r;
    return id;
}

ag_value agx_record_new(ag_tape *t, const ag_op *op, const ag_meta *meta, void *data, agx_buffer *buffer,
                        uint8_t flags, agx_record **out) {
    if (!agx_reserve(t, 1)) return agx_failed(t);
    agx_record *r = new_record(t, op, meta);
    if (!r) {
        agx_operation_error(t, op, NULL, 0, AG_ERROR_MEMORY, "out of memory for a record");
        return agx_failed(t);
    }
    r->data = data;
    r->buffer = buffer;
    r->flags |= flags;
    if (out) *out = r;
    return (ag_value){.tape = t, .id = append_record(t, r), .epoch = t->head.epoch};
}

/* ---- the operation itself ------------------------------------------------------------------------------------------------------ */

static ag_status fail(call *c, ag_status status, const char *message) {
    return agx_operation_error(c->t, c->op, c->in, c->n, status, message);
}

/* Operands as arrays. */
static void read_operands(call *c) {
    for (uint32_t i = 0; i < c->n; i++) {
        ag_entry *e = agx_entry(c->t, c->in[i].id);
        if (agx_is_wide(e)) {
            agx_record *r = e->u.wide;
            c->metas[i] = &r->meta;
            c->arrays[i] = (ag_array){.meta = &r->meta, .data = r->data};
        } else {
            c->metas[i] = &agx_scalar_meta;
            c->arrays[i] = (ag_array){.meta = &agx_scalar_meta, .data = &e->v};
        }
    }
}

/* Dense copies of operands that are not, for rows whose forward wants them so. The copies are scratch. */
static ag_status make_dense(call *c) {
    for (uint32_t i = 0; i < c->n; i++) {
        if (ag_meta_is_dense(c->arrays[i].meta)) continue;
        ag_meta *meta = ag_scratch(&c->t->work, sizeof *meta);
        void *data = meta ? ag_scratch(&c->t->work, ag_meta_bytes(c->arrays[i].meta)) : NULL;
        if (!data) return fail(c, AG_ERROR_MEMORY, "out of memory for a dense copy");
        *meta = *c->arrays[i].meta;
        ag_meta_make_dense(meta);
        ag_array copy = {.meta = meta, .data = data};
        ag_status status = agx_copy(&c->arrays[i], &copy, &c->t->work);
        if (status != AG_OK) return fail(c, status, "out of memory for a dense copy");
        c->arrays[i] = copy;
    }
    return AG_OK;
}

/* Is the derivative of some operand wanted by a later backward? */
static bool needs(const call *c) {
    if (c->t->no_grad || c->t->scratch) return false;
    for (uint32_t i = 0; i < c->n; i++) {
        if (ag_op_grad(c->op, i) == AG_GRAD_ZERO) continue;
        const ag_entry *e = agx_entry(c->t, c->in[i].id);
        if (agx_is_wide(e) ? ((const agx_record *)e->u.wide)->flags & AGX_NEEDS
                           : !(e->op & AGX_STRIP_DETACHED) && e->op != AGX_STRIP_CONSTANT) {
            return true;
        }
    }
    return false;
}

/* How far the elements of a layout lie from element 0, in elements: [*low, *high]. */
static void reach(const ag_meta *meta, int64_t *low, int64_t *high) {
    *low = *high = meta->offset;
    for (int d = 0; d < meta->rank; d++) {
        int64_t span;
        const int64_t most = INT64_MAX / 16; /* eight of them and an offset can be added */
        if (__builtin_mul_overflow(meta->dim[d] - 1, meta->stride[d], &span) || span > most || span < -most)
            span = meta->stride[d] < 0 ? -most : most;
        *(span < 0 ? low : high) += span;
    }
}

/* A user's view must stay inside its operand. */
static bool inside(const ag_meta *view, const ag_meta *of) {
    if (view->dtype != of->dtype) return false;
    if (ag_meta_count(view) == 0) return true;
    if (ag_meta_count(of) == 0) return false;
    int64_t low, high, least, most;
    reach(view, &low, &high);
    reach(of, &least, &most);
    return low >= least - of->offset && high <= most - of->offset;
}

/* The result goes where a rule aimed it, when it fits. */
static bool take_aim(ag_tape *t, agx_record *r) {
    ag_tensor *aim = t->aim;
    if (!aim || aim->meta.dtype != r->meta.dtype || !ag_meta_same_shape(&aim->meta, &r->meta)) return false;
    t->aim = NULL;
    r->data = aim->grad;
    return true;
}

/* Memory for a result: in a recompute segment's arena what is recorded there, or run again. */
static void *result_numbers(const call *c, agx_record *r) {
    ag_tape *t = c->t;
    const size_t bytes = ag_meta_bytes(&r->meta);
    if (!c->again && (t->scratch || !t->recompute.open)) return agx_numbers(t, bytes, &r->buffer);
    r->flags |= AGX_RECOMPUTED;
    return agx_arena_take(&t->recompute.arena, bytes ? bytes : 1, 64);
}

/* The numbers of the outputs: a view's lie in its operand, all others are computed. */
static ag_status compute(call *c, const ag_meta *metas) {
    const ag_op *op = c->op;
    if (op->traits & AG_TRAIT_VIEW) {
        const agx_record *base = agx_record_of(c->t, c->in[0].id);
        if (!inside(&metas[0], c->arrays[0].meta)) return fail(c, AG_ERROR_SHAPE, "its view leaves the operand");
        agx_record *r = c->record[0];
        char *data = c->arrays[0].data;
        r->data = data + metas[0].offset * (int64_t)ag_dtype_size(metas[0].dtype);
        if (base) {
            r->buffer = base->buffer;
            r->bound = base->bound;
            r->version = base->version;
            agx_buffer_share(r->buffer);
            r->flags |= base->flags & AGX_RECOMPUTED;
        }
        return AG_OK;
    }
    ag_array out[4];
    for (uint32_t k = 0; k < op->outputs; k++) {
        agx_record *r = c->record[k];
        ag_meta_make_dense(&r->meta);
        if (!take_aim(c->t, r)) r->data = result_numbers(c, r);
        if (!r->data) return fail(c, AG_ERROR_MEMORY, "out of memory for its result");
        out[k] = (ag_array){.meta = &r->meta, .data = r->data};
    }
    if (!(op->traits & AG_TRAIT_STRIDED)) {
        ag_status status = make_dense(c);
        if (status != AG_OK) return status;
    }
    ag_eval e = {.op = op,
                 .in = c->arrays,
                 .out = out,
                 .n_in = c->n,
                 .attrs = c->attrs,
                 .work = &c->t->work,
                 .error = c->error};
    ag_status status = op->forward(&e);
    if (status != AG_OK) return fail(c, status, c->error->message[0] ? c->error->message : ag_status_text(status));
    return AG_OK;
}

/* Attributes as the record keeps them: a copy, or the fields' defaults. */
static ag_status copy_attributes(call *c) {
    const ag_op *op = c->op;
    if (op->attr_size == 0) {
        c->attrs = NULL;
        return AG_OK;
    }
    char *copy = agx_arena_take(&c->t->arena, op->attr_size, 16);
    if (!copy) return fail(c, AG_ERROR_MEMORY, "out of memory for its attributes");
    if (c->attrs) {
        memcpy(copy, c->attrs, op->attr_size);
    } else {
        agx_op_default_attrs(op, copy);
        c->draws = agx_op_set_random(op, copy, c->t->random);
    }
    c->attrs = copy;
    return AG_OK;
}

/* A user's shape rule may answer anything: rank, signs, and products that overflow are checked before they are used. */
static bool possible(const ag_meta *meta) {
    if ((unsigned)meta->dtype >= AG_DTYPE_COUNT || meta->rank < 0 || meta->rank > AG_MAX_RANK) return false;
    int64_t bytes = (int64_t)ag_dtype_size(meta->dtype);
    for (int d = 0; d < meta->rank; d++) {
        int64_t dim = meta->dim[d] ? meta->dim[d] : 1; /* an empty array's other dimensions must be sound, too */
        if (dim < 0 || __builtin_mul_overflow(bytes, dim, &bytes)) return false;
    }
    return true;
}

/* Records, operand list and numbers; on failure the caller releases the arena. */
static ag_status build(call *c) {
    ag_tape *t = c->t;
    const ag_op *op = c->op;
    ag_meta metas[4];
    ag_status status = copy_attributes(c);
    if (status != AG_OK) return status;
    read_operands(c);
    ag_query q = {.op = op, .in = c->metas, .n_in = c->n, .attrs = c->attrs, .error = c->error};
    metas[0].offset = 0;
    status = op->infer(&q, metas);
    if (status != AG_OK) return fail(c, status, c->error->message[0] ? c->error->message : ag_status_text(status));
    for (uint32_t k = 0; k < op->outputs; k++) {
        if (!possible(&metas[k])) return fail(c, AG_ERROR_SHAPE, "its shape rule gives no possible shape");
    }
    if (!agx_reserve(t, op->outputs)) return t->error.status;
    uint32_t *ids = agx_arena_take(&t->arena, c->n * sizeof *ids + 1, sizeof(uint32_t));
    if (!ids) return fail(c, AG_ERROR_MEMORY, "out of memory for a record");
    for (uint32_t i = 0; i < c->n; i++) ids[i] = c->in[i].id;
    bool wanted = needs(c);
    for (uint8_t k = 0; k < op->outputs; k++) {
        agx_record *r = new_record(t, op, &metas[k]);
        if (!r) return fail(c, AG_ERROR_MEMORY, "out of memory for a record");
        r->attrs = c->attrs;
        r->in = ids;
        r->n_in = c->n;
        r->k = k;
        if (wanted) r->flags |= AGX_NEEDS;
        c->record[k] = r;
    }
    return compute(c, metas);
}

static ag_value apply(call *c) {
    ag_tape *t = c->t;
    const ag_op *op = c->op;
    agx_arena_mark here = agx_arena_here(&t->arena);
    agx_arena_mark scratch = agx_arena_here(&t->work.arena);
    ag_status status = build(c);
    agx_arena_release(&t->work.arena, scratch);
    if (status != AG_OK) {
        for (uint32_t k = 0; k < op->outputs; k++) {
            if (c->record[k]) agx_buffer_drop(&t->pool, c->record[k]->buffer);
        }
        agx_arena_release(&t->arena, here);
        return agx_failed(t);
    }
    uint32_t id = append_record(t, c->record[0]);
    for (uint32_t k = 1; k < op->outputs; k++) append_record(t, c->record[k]);
    if (c->draws) agx_draw(t, &c->record[0]->meta);
    for (uint32_t k = 0; t->anomaly && k < op->outputs; k++) agx_watch_value(t, id + k);
    return (ag_value){.tape = t, .id = id, .epoch = t->head.epoch};
}

ag_status agx_rerun(ag_tape *t, uint32_t id) {
    const agx_record *first = agx_record_of(t, id);
    const uint32_t n = first->n_in;
    const size_t bytes = n * (sizeof(ag_array) + sizeof(ag_meta *) + sizeof(ag_value));
    const agx_arena_mark scratch = agx_arena_here(&t->work.arena);
    char *room = agx_arena_take(&t->work.arena, bytes + 1, 16);
    ag_error error = {.status = AG_OK};
    call c = {.t = t, .op = first->op, .n = n, .attrs = first->attrs, .again = true, .error = &error};
    if (!room) return agx_operation_error(t, c.op, NULL, 0, AG_ERROR_MEMORY, "out of memory for its operands");
    c.arrays = (ag_array *)(void *)room;
    ag_value *in = (ag_value *)(void *)(c.arrays + n);
    c.metas = (const ag_meta **)(void *)(in + n);
    c.in = in;
    bool written = false;
    for (uint32_t i = 0; i < n; i++) {
        in[i] = agx_handle(t, first->in[i]);
        written = written || !agx_unwritten(t, c.op, in[i].id);
    }
    read_operands(&c);
    ag_meta metas[4];
    void *kept[4] = {NULL}; /* an output that the segment's end named stays where it is */
    metas[0].offset = 0;
    for (uint32_t k = 0; k < c.op->outputs; k++) {
        c.record[k] = agx_record_of(t, id + k);
        if (!(c.record[k]->flags & AGX_RECOMPUTED)) kept[k] = c.record[k]->data;
    }
    ag_query q = {.op = c.op, .in = c.metas, .n_in = n, .attrs = c.attrs, .error = &error};
    ag_status status = written ? t->error.status : c.op->infer(&q, metas);
    if (status == AG_OK) status = compute(&c, metas);
    for (uint32_t k = 0; k < c.op->outputs; k++) {
        if (!kept[k]) continue;
        c.record[k]->data = kept[k];
        c.record[k]->flags &= (uint8_t)~AGX_RECOMPUTED;
    }
    agx_arena_release(&t->work.arena, scratch);
    return status;
}

/* ---- composites ---------------------------------------------------------------------------------------------------------- */

struct ag_build {
    const call *c;
    ag_value result;
};

ag_value ag_build_in(const ag_build *b, uint32_t i) { return i < b->c->n ? b->c->in[i] : agx_failed(b->c->t); }
uint32_t ag_build_count(const ag_build *b) { return b->c->n; }
const void *ag_build_attrs(const ag_build *b) { return b->c->attrs; }
ag_tape *ag_build_tape(const ag_build *b) { return b->c->t; }
void ag_build_result(ag_build *b, ag_value result) { b->result = result; }

ag_status ag_build_fail(ag_build *b, ag_status status, const char *format, ...) {
    char text[AG_MESSAGE_SIZE];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    return agx_operation_error(b->c->t, b->c->op, b->c->in, b->c->n, status, text);
}

/* The records that a composite made are what it is: there is no record of its own. */
static ag_value compose(call *c) {
    ag_tape *t = c->t;
    ag_build b = {.c = c, .result = agx_failed(t)};
    const call *outer = t->composing;
    if (!outer) t->composing = c;
    ag_status status = copy_attributes(c);
    if (status == AG_OK) status = c->op->compose(&b);
    t->composing = outer;
    if (status != AG_OK && !t->failed) fail(c, status, ag_status_text(status));
    if (status != AG_OK || agx_check_operands(t, c->op->name, &b.result, 1) != AG_OK) {
        if (!t->failed) fail(c, AG_ERROR_FAILED, "it names no result");
        return agx_failed(t);
    }
    if (c->draws) agx_draw(t, agx_meta_at(t, b.result.id));
    return b.result;
}

ag_tape *agx_tape_of(const ag_value *in, uint32_t n, ag_tape *t) {
    for (uint32_t i = 0; i < n; i++) {
        if (in[i].tape) return in[i].tape;
    }
    return t;
}

/* What would crash. ag_op_check says more, but costs more than a record may. */
static bool runnable(const ag_op *op) {
    if (!op || !op->name) return false;
    if (op->compose) return true;
    const bool view = (op->traits & AG_TRAIT_VIEW) != 0;
    return op->infer && op->outputs >= 1 && op->outputs <= (view ? 1 : 4) && view == !op->forward &&
           op->min_in >= view;
}

ag_value ag_apply(ag_tape *t, const ag_op *op, const ag_value *in, uint32_t n, const void *attrs) {
    t = agx_tape_of(in, n, t);
    if (!t) return (ag_value){0};
    if (!runnable(op)) {
        char text[120];
        snprintf(text, sizeof text, "'%.60s' is not a complete descriptor: see ag_op_check",
                 op && op->name ? op->name : "");
        agx_tape_error(t, AG_ERROR_VALUE, "apply: ", text, "");
        return agx_failed(t);
    }
    if (agx_check_operands(t, op->name, in, n) != AG_OK) return agx_failed(t);
    ag_error error;
    error.status = AG_OK;
    error.message[0] = '\0';
    call c = {.t = t, .op = op, .in = in, .n = n, .attrs = attrs, .error = &error};
    if (n < op->min_in || n > op->max_in) {
        char text[80];
        if (op->max_in == AG_VARIADIC) {
            snprintf(text, sizeof text, "takes at least %u operands, got %u", (unsigned)op->min_in, (unsigned)n);
        } else if (op->min_in == op->max_in) {
            snprintf(text, sizeof text, "takes %u operands, got %u", (unsigned)op->min_in, (unsigned)n);
        } else {
            snprintf(text, sizeof text, "takes %u to %u operands, got %u", (unsigned)op->min_in,
                     (unsigned)op->max_in, (unsigned)n);
        }
        fail(&c, AG_ERROR_VALUE, text);
        return agx_failed(t);
    }
    if (op->compose) return compose(&c);
    if (n <= INLINE_OPERANDS) {
        ag_array arrays[INLINE_OPERANDS];
        const ag_meta *metas[INLINE_OPERANDS];
        c.arrays = arrays;
        c.metas = metas;
        return apply(&c);
    }
    c.arrays = ag_alloc(n * (sizeof *c.arrays + sizeof *c.metas));
    if (!c.arrays) {
        fail(&c, AG_ERROR_MEMORY, "out of memory for its operands");
        return agx_failed(t);
    }
    c.metas = (const ag_meta **)(void *)(c.arrays + n);
    ag_value v = apply(&c);
    ag_release(c.arrays, n * (sizeof *c.arrays + sizeof *c.metas));
    return v;
}
