/* tape_impl: the inside of a tape, shared by the files that record and sweep.
 *
 * Storage: the strip is a table of chunks; a chunk holds AG_STRIP_CHUNK entries and, behind them, as many scalar
 * adjoints. Wide (tensor) records, their attributes, operand lists, forward buffers, labels and scopes lie in
 * one arena and go with it at rewind. Adjoint buffers, and the results of rules that are not recorded, come from a
 * pool of counted buffers. */
#ifndef AGX_TAPE_IMPL_H
#define AGX_TAPE_IMPL_H

#include <assert.h>

#include "grad.h"
#include "kernels/kernels.h"
#include "op_impl.h"
#include "pool.h"
#include "tape.h"
#include "tensor_impl.h"

/* ---- scalar opcodes ------------------------------------------------------------------------------------------ */

enum {
    AGX_STRIP_LEAF = AGX_ROW_COUNT, /* the elementwise rows come first: an opcode below is an agx_row */
    AGX_STRIP_CONSTANT,
    AGX_STRIP_AFFINE,              /* u.wide points to an agx_affine in the arena                     */
    AGX_STRIP_DETACHED = 1u << 30, /* flag: recorded under no_grad, a constant to every derivative    */
    AGX_STRIP_RETAIN = 1u << 29,   /* flag: ag_retain was called; the adjoint goes to the held list   */
    AGX_STRIP_HOOK = 1u << 28,     /* flag: ag_hook was called                                        */
    AGX_STRIP_CODE = 0xffffu
};

/** Operands of an affine record, y = b + sum_i w_i x_i: w_i = first[0] + i step[0] and x_i = first[1] + i step[1] (modulo
 *  2^32) when they are evenly spaced within one chunk each, else listed. */
typedef struct agx_affine {
    uint32_t n, bias;
    uint32_t first[2], step[2];
    bool even;
    uint32_t id[]; /* not even: w_0, x_0, w_1, x_1, ... */
} agx_affine;

/* ---- tensor records -------------------------------------------------------------------------------------------- */

/** An adjoint while it waits to be consumed: an array of the record's shape and dtype with strides of its own (a
 *  view of another adjoint, say). data NULL: none yet. buffer NULL: borrowed, not to be written. */
typedef struct agx_slot {
    agx_buffer *buffer;
    void *data;
    bool dense;
    int64_t stride[AG_MAX_RANK];
} agx_slot;

enum {
    AGX_NEEDS = 1u << 0,      /* some leaf lies below it: backward visits it                          */
    AGX_LEAF = 1u << 1,       /* differentiable leaf                                                  */
    AGX_DETACHED = 1u << 2,   /* recorded under no_grad                                               */
    AGX_RETAIN = 1u << 3,     /* ag_retain was called                                                 */
    AGX_INVALID = 1u << 4,    /* no tensor, or retained: its adjoint is left over from a failed sweep */
    AGX_HOOK = 1u << 5,       /* ag_hook was called                                                   */
    AGX_RECOMPUTED = 1u << 6, /* its numbers lie in the recompute arena; data NULL: dropped            */
    AGX_KEPT = 1u << 7        /* the end of its segment moved its numbers to the tape's arena         */
};

typedef struct agx_record {
    const ag_op *op;
    const void *attrs;
    void *data;         /* element 0                                                                    */
    agx_buffer *buffer; /* counted owner of data; NULL: arena or tensor                                 */
    ag_tensor *bound;   /* the tensor that data belongs to (leaves, constants, views of them), or NULL  */
    uint64_t version;   /* of the bound tensor when it was recorded                                     */
    const uint32_t *in;
    uint32_t n_in;
    uint8_t k, flags; /* output number; AGX_*                                                         */
    agx_slot slot;
    ag_meta meta;
} agx_record;

/** Adjoints that outlive a sweep: leaves without a tensor, retained values. Newest first. */
typedef struct agx_held {
    struct agx_held *previous;
    uint32_t id;
    agx_record *leaf; /* a leaf without a tensor: the sum is in its slot; NULL: retained */
    double scalar;    /* retained scalar of the strip                                  */
    agx_slot slot;    /* retained tensor value                                         */
} agx_held;

/** A hook on a value. All of them are a list in the arena, newest first; those of one value are chained in the order in
 *  which they run, and the first of them holds what a hooked leaf gets in the present sweep. */
typedef struct agx_hook {
    struct agx_hook *previous;      /* in the tape's list   */
    struct agx_hook *before, *next; /* on the same value    */
    uint32_t id;
    ag_hook_fn *fn;
    void *user;
    double earlier; /* first, leaf of the strip: its adjoint from earlier sweeps         */
    agx_slot slot;  /* first, other leaf: this sweep's contributions; empty outside of it */
} agx_hook;

/* ---- the tape ------------------------------------------------------------------------------------------------------ */

/** Ids from `first` on carry the epoch (uint32_t)serial. A segment begins where a rewind ended, or behind a sweep; the stack
 *  of segments ascends strictly in (first, used) and in serial. */
typedef struct agx_segment {
    uint64_t serial;
    uint32_t first;
    size_t used; /* of the arena, at its start */
} agx_segment;

typedef struct agx_scope { /* a node of the scope tree */
    const struct agx_scope *parent;
    const char *name;
} agx_scope;
typedef struct agx_scope_event { /* from this id on, records lie in `scope` (NULL: the top) */
    const struct agx_scope_event *previous;
    const agx_scope *scope;
    uint32_t id;
} agx_scope_event;
typedef struct agx_label {
    const struct agx_label *previous;
    const char *text;
    uint32_t id;
} agx_label;

/** A recompute segment: the records from `first` to `last`. */
typedef struct agx_recompute {
    struct agx_recompute *previous;
    const char *name;
    uint32_t first, last; /* last: once it has ended */
    bool ended;
    struct agx_recording *again; /* by recorded sweeps, newest first */
} agx_recompute;
/** A segment recorded again at the tape's end, from id `from` on. */
typedef struct agx_recording {
    struct agx_recording *previous;
    uint32_t from;
    uint32_t *as; /* the ids that stand for first..last; 0: still itself */
} agx_recording;
typedef struct agx_recomputes {
    agx_recompute *newest, *open; /* open: or NULL                                                          */
    uint32_t depth;               /* of begins without an end                                               */
    agx_arena arena;              /* numbers of the open segment, and over them those of the one run again  */
    agx_recompute *cursor;        /* sweep: the newest that begins at or before the present id              */
    agx_recompute *present;       /* sweep: whose numbers are there again                                   */
    agx_arena_mark before;        /* sweep: the arena without them                                          */
    agx_recompute *recorded;      /* that was recorded again, or NULL                                       */
    uint32_t *as;                 /* recorded: the ids that stand for first..last; 0: still itself          */
} agx_recomputes;

/** Private gradients: for every tensor that got any, a stand-in that only has a gradient. In the order of their first; an
 *  open-addressing table finds them by tensor. */
typedef struct agx_private {
    ag_tensor *tensor;
    ag_tensor own;
} agx_private;
typedef struct agx_privates {
    agx_private **list;   /* (n) */
    uint32_t *table;      /* (2 capacity) index + 1; 0: free */
    uint32_t n, capacity; /* a power of two, or 0 */
} agx_privates;

struct ag_tape {
    ag_tape_head head; /* first: the public ABI */
    /* storage */
    uint32_t chunks, chunk_capacity;
    agx_segment *segments; /* ascending; the last is the current one */
    uint32_t n_segments, segment_capacity;
    uint32_t max_id, peak_records;
    uint64_t last_serial;
    uint32_t touched; /* no scalar leaf above this id has an adjoint: see agx_touch */
    agx_arena arena;
    agx_pool pool;
    ag_workspace work;
    agx_held *held;
    agx_hook *hooks;
    agx_privates privates;
    agx_recomputes recompute;
    /* annotations */
    const agx_label *labels;
    const agx_scope_event *scope_events;
    const agx_scope *scope;
    /* modes */
    uint32_t no_grad; /* depth                                                          */
    bool scratch;     /* a sweep that does not record is running: buffers come from the pool */
    bool sweeping;
    bool private_gradients;
    bool anomaly;       /* every value and adjoint is looked at: anomaly.c */
    uint32_t anomalous; /* the id that the tape failed for, while it may still get a label; 0: none */
    ag_tensor *aim;     /* where the next result of fitting shape goes: see agx_aim */
    ag_random random;
    const struct agx_call *composing; /* the outermost composite that is being recorded, or NULL: apply_impl.h */
    /* the sticky error */
    bool failed;
    ag_error error;
};

extern const ag_op agx_op_leaf, agx_op_constant;
/** The descriptors of the elementwise rows, in the order of elementwise.def. */
extern const ag_op agx_elementwise_ops[AGX_ROW_COUNT];
/** Layout of every scalar of the strip: rank-0 f64. */
extern const ag_meta agx_scalar_meta;

static inline ag_entry *agx_entry(const ag_tape *t, uint32_t id) {
    return &t->head.strip[id >> AG_STRIP_BITS][id & (AG_STRIP_CHUNK - 1)];
}
static inline double *agx_adjoint(const ag_tape *t, uint32_t id) {
    ag_entry *chunk = t->head.strip[id >> AG_STRIP_BITS];
    return (double *)(void *)(chunk + AG_STRIP_CHUNK) + (id & (AG_STRIP_CHUNK - 1));
}
static inline bool agx_is_wide(const ag_entry *e) { return (e->op & AG_WIDE) != 0; }
/** The tensor record of an id, or NULL for a scalar. */
static inline agx_record *agx_record_of(const ag_tape *t, uint32_t id) {
    const ag_entry *e = agx_entry(t, id);
    return agx_is_wide(e) ? (agx_record *)e->u.wide : NULL;
}
static inline bool agx_detached(const ag_entry *e) {
    return agx_is_wide(e) ? (((const agx_record *)e->u.wide)->flags & AGX_DETACHED) != 0
                          : (e->op & AGX_STRIP_DETACHED) != 0;
}
/** A differentiable leaf of the strip. */
static inline bool agx_is_scalar_leaf(const ag_entry *e) {
    return (e->op & ~(uint32_t)AGX_STRIP_HOOK) == AGX_STRIP_LEAF;
}
/** Known to depend on nothing differentiable: scalars of the strip know it only if they are constants. */
static inline bool agx_is_constant(const ag_tape *t, uint32_t id) {
    const ag_entry *e = agx_entry(t, id);
    if (agx_is_wide(e)) return !(((const agx_record *)e->u.wide)->flags & AGX_NEEDS);
    return e->op & AGX_STRIP_DETACHED || (e->op & AGX_STRIP_CODE) == AGX_STRIP_CONSTANT;
}
static inline bool agx_hooked(const ag_tape *t, uint32_t id) {
    const ag_entry *e = agx_entry(t, id);
    return agx_is_wide(e) ? (((const agx_record *)e->u.wide)->flags & AGX_HOOK) != 0
                          : (e->op & AGX_STRIP_HOOK) != 0;
}
static inline const ag_meta *agx_meta_at(const ag_tape *t, uint32_t id) {
    const agx_record *r = agx_record_of(t, id);
    return r ? &r->meta : &agx_scalar_meta;
}

/** The operands of any record, through agx_operand. */
typedef struct agx_operands {
    uint32_t n;
    const uint32_t *id;       /* tensor records                     */
    const agx_affine *affine; /* the fused neuron: w_0, x_0, ..., b */
    uint32_t pair[2];         /* other scalars                      */
} agx_operands;
void agx_operands_of(const ag_tape *t, uint32_t id, agx_operands *out);
static inline uint32_t agx_operand(const agx_operands *o, uint32_t i) {
    if (o->id) return o->id[i];
    const agx_affine *a = o->affine;
    if (!a) return o->pair[i];
    if (i == o->n - 1) return a->bias;
    return a->even ? a->first[i & 1] + (i >> 1) * a->step[i & 1] : a->id[i];
}

/* tape.c */
bool agx_live(const ag_tape *t, ag_value v);           /* id not 0, and its segment has its epoch           */
ag_value agx_handle(ag_tape *t, uint32_t id);          /* a valid handle of a live id                        */
ag_value agx_failed(ag_tape *t);                       /* id 0                                               */
bool agx_reserve(ag_tape *t, uint32_t n);              /* room for n consecutive ids; fails the tape         */
uint32_t agx_append(ag_tape *t, uint32_t op);          /* the next id, reserved before                       */
void agx_seek(ag_tape *t, uint32_t id);                /* let this be the next id                            */
void agx_draw(ag_tape *t, const ag_meta *meta);        /* take one random number per element from the generator */
void agx_drop_held(ag_tape *t, const agx_held *until); /* forget held adjoints newer than `until`     */
ag_status agx_new_epoch(ag_tape *t);                   /* start a segment at `next`                          */
/** Nothing stands against this rewind, and what it needs is there. */
ag_status agx_may_rewind(ag_tape *t, const ag_mark *m);
/** Keep the tape's first failure. `context` goes before the message ("matmul: "), `after` behind it. */
ag_status agx_tape_error(ag_tape *t, ag_status status, const char *before, const char *message, const char *after);
/** A leaf of the strip got an adjoint. What lies above a mark is cleared at rewind, so that the id's next tenant starts
 *  from zero. */
static inline void agx_touch(ag_tape *t, uint32_t id) {
    if (id > t->touched) t->touched = id;
}
ag_value agx_push_scalar(ag_tape *t, uint32_t op, uint32_t a, uint32_t b, double v);
/** Check operands of one tape, for the scalar wrappers that take the long way. */
ag_status agx_check_operands(ag_tape *t, const char *name, const ag_value *in, uint32_t n);

/* apply.c */
/** The tape of the first operand that has one, else t. */
ag_tape *agx_tape_of(const ag_value *in, uint32_t n, ag_tape *t);
/** A record over existing memory: leaves, constants, adjoints. meta is copied. */
ag_value agx_record_new(ag_tape *t, const ag_op *op, const ag_meta *meta, void *data, agx_buffer *buffer,
                        uint8_t flags, agx_record **out);
/** Memory for a record's numbers: the pool while scratch, else the arena. */
void *agx_numbers(ag_tape *t, size_t bytes, agx_buffer **buffer);
/** Fail the tape with the operation's name, operands, labels, shapes and scope around the message. */
ag_status agx_operation_error(ag_tape *t, const ag_op *op, const ag_value *in, uint32_t n, ag_status status,
                              const char *message);
/** The same from the body of a composite, with a formatted message; the value is a failed one. */
ag_value agx_refuse(const ag_op *op, const ag_value *in, uint32_t n, ag_status status, const char *format, ...)
    AG_PRINTF(5, 6);

/* note.c */
const char *agx_label_at(const ag_tape *t, uint32_t id);                       /* "" when there is none */
size_t agx_scope_text(const ag_tape *t, uint32_t id, char *text, size_t size); /* "a/b"; "" at the top */
size_t agx_value_text(const ag_tape *t, uint32_t id, char *text, size_t size); /* "#7 'h' f32 (2, 3)" */

/** Someone who looks on while rules are recorded. Told of every answer after it was added to the operand's adjoint: `raw` is
 *  what the rule gave, `amount` the same in the operand's shape and dtype. */
typedef struct agx_watch agx_watch;
struct agx_watch {
    void (*gave)(agx_watch *w, const ag_reverse *r, uint32_t i, ag_value raw, ag_value amount);
};

/** What a rule sees: see op.h. */
struct ag_reverse {
    ag_tape *t;
    const ag_op *op;
    uint32_t id; /* of output 0 */
    agx_operands in;
    const void *attrs;
    bool recorded;
    const uint8_t *depends; /* recorded: bit per id, what lies above a wanted value; NULL: backward */
    uint32_t *adjoint;      /* recorded: id of the adjoint of each id, 0: none */
    agx_watch *watch;       /* recorded: may be NULL */
    ag_value dy[4];
};

/** Room to record the reverse rule of one record. Grown with the tape, and empty between two records. */
typedef struct agx_transpose {
    uint8_t *depends;  /* a bit per id */
    uint32_t *adjoint; /* one per id   */
    size_t capacity;   /* ids          */
} agx_transpose;

/** What a forward rule sees: see op.h. It reads operands and outputs as a recorded reverse rule does, by the same
 *  contract: `reading` is that rule's view of the record. */
struct ag_forward {
    ag_reverse reading;
    uint32_t *tangent; /* id of the tangent of each id, 0: none */
    agx_transpose *room;
};

/* grad.c: the parts of the recorded gradient. */
/** Mark every id in [from, top] that depends on a marked one through an operand with a derivative: one bit per id. */
void agx_mark_dependents(const ag_tape *t, uint8_t *depends, uint32_t from, uint32_t top);
/** A constant c of y's shape and dtype, on the strip when y is a scalar there. */
ag_value agx_full_like(ag_value y, double c);
/** Record the rule of one operation (`id` is its output 0), answering for the operands that `depends` marks. */
ag_status agx_record_rule(ag_tape *t, uint32_t id, const uint8_t *depends, uint32_t *adjoint, agx_watch *watch);

/* rule.c */
/** Run the derivative rule of the record that r stands for. Every reverse rule is called here and nowhere else. */
ag_status agx_run_rule(ag_reverse *r);
/** The tensor that a record is bound to holds what it did when it was recorded; else the tape fails. */
bool agx_unwritten(ag_tape *t, const ag_op *op, uint32_t id);
/** The next operation's result, if it fits, is written straight into the gradient of operand i, when that is a bound leaf
 *  whose gradient is empty. To be called right before the last operation of ag_give's argument. */
void agx_aim(ag_reverse *r, uint32_t i);
/** Add v, of the right shape and dtype, to the adjoint of an id in a sweep that does not record. */
ag_status agx_give_numbers(ag_tape *t, const ag_op *op, uint32_t id, ag_value v);
/** Sets of ids: a bit each. */
static inline bool agx_bit(const uint8_t *bits, uint32_t id) { return (bits[id >> 3] >> (id & 7)) & 1; }
static inline void agx_set_bit(uint8_t *bits, uint32_t id) {
    bits[id >> 3] = (uint8_t)(bits[id >> 3] | 1u << (id & 7));
}

/** Add x to a slot of layout meta; an empty slot takes a count of x's buffer, or a copy when it has none. */
ag_status agx_slot_add(ag_tape *t, agx_slot *slot, const ag_meta *meta, const ag_array *x, agx_buffer *buffer);

/** The same past the hooks, for a leaf with a derivative. */
ag_status agx_give_leaf(ag_tape *t, const ag_op *op, uint32_t id, ag_value v);
/** A waiting adjoint of layout meta as a scratch value that takes over its buffer. */
ag_value agx_adopt(ag_tape *t, const ag_meta *meta, agx_slot *slot);

/** The same where no numbers are read: those of a recompute segment may be gone. */
ag_status agx_check_handles(ag_tape *t, const char *name, const ag_value *in, uint32_t n);
/** Run the operation of a record again, into the recompute arena. */
ag_status agx_rerun(ag_tape *t, uint32_t id);

/* recompute.c */
/** A sweep begins; comes to record `id`, whose rule will read; is over. */
static inline void agx_recompute_start(ag_tape *t) { t->recompute.cursor = t->recompute.newest; }
ag_status agx_recompute_reach(ag_tape *t, uint32_t id);
void agx_recompute_over(ag_tape *t);
/** A recorded sweep comes to record `id`: see that what its rule reads is on the tape. */
ag_status agx_recompute_record(ag_tape *t, uint32_t id);
/** Mark what stands up to `top` for the dropped value `id`: of[stand-in] = id. of NULL: only look. Is there any? */
bool agx_recompute_stand_ins(const ag_tape *t, uint32_t id, uint32_t top, uint32_t *of);
/** The id whose numbers stand for those of `id`. */
static inline uint32_t agx_numbers_at(const ag_tape *t, uint32_t id) {
    const agx_recompute *s = t->recompute.recorded;
    if (AG_LIKELY(!s) || id < s->first || id > s->last) return id;
    const uint32_t as = t->recompute.as[id - s->first];
    return as ? as : id;
}
void agx_recompute_rewind(ag_tape *t, const ag_mark *m);
const char *agx_recompute_name(const ag_tape *t, uint32_t id); /* of the segment of an id */

/* private.c */
/** Where the gradient of a bound tensor goes: the tensor, or its stand-in on this tape. NULL: out of memory. */
ag_tensor *agx_gradient_of(ag_tape *t, ag_tensor *x);
/** The same, to read: NULL where there is none yet. */
ag_tensor *agx_gradient_at(const ag_tape *t, ag_tensor *x);
void agx_privates_zero(ag_tape *t);
void agx_privates_clear(ag_tape *t);
size_t agx_privates_bytes(const ag_tape *t);

/* hook.c */
agx_hook *agx_hook_of(const ag_tape *t, uint32_t id); /* the first of a hooked value */
/** v, the adjoint of a hooked id, through all its hooks; a failed value, and a failed tape, where one of them fails. */
ag_value agx_run_hooks(ag_tape *t, uint32_t id, ag_value v);
/** A sweep from `top` begins: leaves of the strip with hooks start from zero. */
void agx_hooks_begin(ag_tape *t, uint32_t top);
/** A sweep failed: what waits for a hook is dropped. */
void agx_hooks_abandon(ag_tape *t);
void agx_drop_hooks(ag_tape *t, const agx_hook *until); /* forget those newer than `until` */

/* tangent.c */
/** The same for a forward rule, which the row must have. */
ag_status agx_run_forward_rule(ag_forward *f);

/* transpose.c: tangents by way of the reverse rule. */
ag_status agx_transpose_rule(ag_forward *f);
void agx_transpose_clear(agx_transpose *room);

/* affine.c: the adjoint of a neuron's operands. */
void agx_sweep_affine(const ag_tape *t, const agx_affine *a, double dz);

/* anomaly.c: what the mode looks at; to be called only while it is on. */
void agx_watch_value(ag_tape *t, uint32_t id); /* just recorded; not during sweeps */
/** What operation `from` (0: the root's seed) gave to operand `id`. */
ag_status agx_watch_amount(ag_tape *t, const ag_op *op, uint32_t from, uint32_t id, ag_value amount);
/** The complete adjoint of an inner value. */
ag_status agx_watch_adjoint(ag_tape *t, uint32_t id, const ag_array *x);
/** One scalar of the strip, swept and looked at. */
ag_status agx_sweep_watched(ag_tape *t, uint32_t id);
void agx_watch_label(ag_tape *t, const char *label);

/* scalar.c: sweep the scalars from id downwards; returns the first tensor record or hooked scalar met, 0 at the end. */
uint32_t agx_scalar_sweep(ag_tape *t, uint32_t id);
void agx_sweep_scalar(ag_tape *t, uint32_t id); /* one scalar, hooks or not */

/* adjoint.c */
ag_status agx_hold_leaf(ag_tape *t, uint32_t id);
agx_held *agx_held_of(const ag_tape *t, uint32_t id); /* NULL: not held */

/* scalar.c */
double agx_scalar_value(enum agx_row row, double x, double y, double c);

#endif
