/* tape: recording. A tape is a strip of records with integer ids; an operand's id is always smaller than
 * its user's, so the tape is a DAG in topological order and everything that reads it is a linear scan.
 *
 *     ag_tape *t = ag_tape_new(NULL);
 *     ag_value a = ag_scalar(t, 2.0), b = ag_scalar(t, 3.0);
 *     ag_value y = ag_mul(ag_add(a, b), b);
 *     ag_backward(y);                            (grad.h)
 *     printf("%g\n", ag_item_grad(b));           8
 *     ag_tape_free(t);
 *
 * Ownership: a value belongs to its tape until rewind; a tensor to whoever made it. Nobody frees an
 * intermediate. A training step is mark, build, backward, step, rewind.
 *
 * Errors: building needs no check per call. A failed operation yields a value with id 0, operations on it fail
 * silently, and the tape keeps the first failure until a rewind returns it. */
#ifndef AUTOGRAD_TAPE_H
#define AUTOGRAD_TAPE_H

#include "op.h"
#include "random.h"

AG_BEGIN_DECLS

/** Zero-initialise, then set what should differ from the default. */
typedef struct ag_tape_options {
    uint32_t max_records;   /* ids end here; 0: 2^32 - 1                                   */
    int threads;            /* threads a kernel may use; 0: one; AG_THREADS_ALL: as many as OpenMP would.
                             The bits are the same. With more threads than free cores a step can take many
                             times as long: OpenMP's threads wait actively                */
    uint64_t seed;          /* of the tape's generator (dropout)                            */
    bool anomaly;           /* as after ag_anomaly(t, true)                                 */
    bool private_gradients; /* gradients of tensors gather on the tape: ag_gradients_merge (grad.h) */
} ag_tape_options;

/** A new, empty tape; NULL when out of memory. options NULL: defaults. One tape, one thread. */
AG_API ag_tape *ag_tape_new(const ag_tape_options *options);
AG_API void ag_tape_free(ag_tape *t); /* accepts NULL */

/* ---- leaves and constants ----------------------------------------------------------------------- */

/** A differentiable scalar leaf (f64). */
AG_API ag_value ag_scalar(ag_tape *t, double x);
/** A scalar constant. */
AG_API ag_value ag_scalar_constant(ag_tape *t, double x);
/** A constant on like's tape: on the strip when `like` is a scalar there, else rank 0 of like's dtype. */
AG_API ag_value ag_number(ag_value like, double c);
/** A differentiable leaf: borrows x, which must outlive the record; backward adds into x's gradient.
 *  Call it after the mark, where the tensor is used.
 *  Errors: AG_ERROR_DTYPE (x is not floating) */
AG_API ag_value ag_leaf(ag_tape *t, ag_tensor *x);
/** A constant: borrows x. */
AG_API ag_value ag_constant(ag_tape *t, const ag_tensor *x);
/** A constant of its own: copies `values` (row-major) into the tape. */
AG_API ag_value ag_array_constant(ag_tape *t, ag_dtype dtype, int rank, const int64_t *dim, const double *values);
/** A differentiable leaf without a tensor: its adjoint is read with ag_adjoint_f64. Copies `values`. */
AG_API ag_value ag_array_leaf(ag_tape *t, ag_dtype dtype, int rank, const int64_t *dim, const double *values);
/** A constant filled with c. */
AG_API ag_value ag_full(ag_tape *t, ag_dtype dtype, int rank, const int64_t *dim, double c);

/* ---- reading values ------------------------------------------------------------------------------ */

AG_API bool ag_ok(ag_value x);                /* a live handle of a value that did not fail       */
AG_API const ag_meta *ag_meta_of(ag_value x); /* NULL: not ok. Valid until rewind                 */
AG_API double ag_item(ag_value x);            /* the only element, as a double; NaN and an error
                                                     on the tape when there is not exactly one        */
AG_API double ag_item_grad(ag_value leaf);    /* adjoint of a leaf or retained value of one element; NaN and
                                                     an error on the tape for another: ag_adjoint_f64  */
/** The numbers, in place: meta tells strides. NULL for a scalar on the strip or a failed value. */
AG_API const void *ag_data(ag_value x);
/** Copy out all n elements as doubles, row-major.
 *  Errors: AG_ERROR_SHAPE (n differs), AG_ERROR_FAILED, AG_ERROR_STALE */
AG_API ag_status ag_read_f64(ag_value x, double *values, int64_t n);
/** Copy out into a tensor of the same shape and dtype. */
AG_API ag_status ag_read_tensor(ag_value x, ag_tensor *out);

/* ---- applying operations -------------------------------------------------------------------------- */

/** Record one operation. `attrs` points to op->attr_size bytes, copied (NULL: the fields' defaults). All
 *  built-in functions but the inline scalar ones end here. Returns output 0; output k has id + k.
 *  t may be NULL when n > 0. */
AG_API ag_value ag_apply(ag_tape *t, const ag_op *op, const ag_value *in, uint32_t n, const void *attrs);
AG_API ag_value ag_output(ag_value first, uint32_t k); /* output k of the operation that made `first` */
/** The same by name, with attributes by name; fills `out` with all outputs.
 *  Errors: AG_ERROR_NAME (operation or attribute unknown), AG_ERROR_VALUE (attribute of the wrong kind) */
AG_API ag_status ag_call(ag_tape *t, const char *name, const ag_value *in, uint32_t n, const ag_attrs *attrs,
                         ag_value *out);

/* ---- marks and rewind ------------------------------------------------------------------------------- */

/** A position to rewind to. Plain data; treat as opaque. */
typedef struct ag_mark {
    const ag_tape *tape;
    uint64_t serial;
    uint32_t id;
    void *chunk, *at;
    size_t before, used;
    const void *labels, *scope_events, *scope, *held, *hooks;
    const void *recomputes, *recompute;
    void *recompute_chunk, *recompute_at;
    size_t recompute_before;
    uint32_t recompute_depth, no_grad;
    bool failed;
} ag_mark;
/** The present position. It stands until a rewind goes below it. */
AG_API ag_mark ag_tape_mark(const ag_tape *t);
/** Frees, in O(1), everything recorded after the mark, and refuses its handles from now on; scopes and no_grad are what
 *  they were at the mark. Returns the tape's first failure, and clears it if it is newer than the mark; the text stays
 *  readable.
 *  Errors: besides that failure, AG_ERROR_STALE (the mark itself was rewound) */
AG_API ag_status ag_tape_rewind(ag_tape *t, ag_mark m);

/** The same, but the n values survive as constants with the same numbers, and their handles are replaced in the array:
 *  recurrent state, the result of an inference. A value older than the mark needs no keeping and stays what it is; a
 *  failed one stays failed; one named twice is kept twice. Views become dense. Labels go.
 *  Errors: besides those of ag_tape_rewind and the failure it returns, AG_ERROR_STALE, AG_ERROR_FOREIGN (a value),
 *          AG_ERROR_VALUE (n is negative), AG_ERROR_MEMORY, AG_ERROR_LIMIT: then nothing was rewound
 *  Memory: the bytes kept, and as many again until it returns */
AG_API ag_status ag_tape_rewind_keeping(ag_tape *t, ag_mark m, ag_value *values, int n);

/* ---- errors, scopes and labels ------------------------------------------------------------------------ */

/** The first failure since it was last cleared, and its text, which outlives the clearing. */
AG_API ag_status ag_tape_status(const ag_tape *t);
AG_API const char *ag_tape_message(const ag_tape *t); /* "" when nothing ever failed */
/** Record a failure of the caller's own on the tape (a layer that cannot go on); kept when it is the
 *  first. Returns a failed value. */
AG_API ag_value ag_tape_fail(ag_tape *t, ag_status status, const char *format, ...) AG_PRINTF(3, 4);

/** Records until the matching end carry the scope's name ("encoder/layer1") in errors and pictures. */
AG_API void ag_scope_begin(ag_tape *t, const char *name);
AG_API void ag_scope_end(ag_tape *t);
AG_API ag_value ag_label(ag_value x, const char *label); /* copied; returns x */
AG_API const char *ag_label_of(ag_value x);              /* "" when it has none */

/** Records between begin and end are constants to every derivative. Nests. */
AG_API void ag_no_grad_begin(ag_tape *t);
AG_API void ag_no_grad_end(ag_tape *t);

/** Anomaly mode: look at every value as it is recorded and at every adjoint of a sweep, and fail the tape, AG_ERROR_NONFINITE,
 *  at the first that is not finite; the message names the operation, its operands with their labels, the element, the
 *  label that the value has or gets next, and the scope. The value itself stays on the tape, to be read.
 *  An infinity that the caller wrote - in a constant, or as an operation's number - is no anomaly, nor is what follows
 *  from it; but NaN is one wherever it first arises, and so is any adjoint that is not finite.
 *  Costs: nothing while off; while on, a pass over each operation's operands and result. Off at first. */
AG_API void ag_anomaly(ag_tape *t, bool on);

/* ---- randomness and counters ---------------------------------------------------------------------------- */

/** The generator that random operations draw from. Rewind does not turn it back. */
AG_API ag_random ag_tape_random_get(const ag_tape *t);
AG_API void ag_tape_random_set(ag_tape *t, ag_random r);

typedef struct ag_tape_stats {
    uint32_t records;  /* on the tape now                                              */
    size_t live_bytes; /* held from the allocator, all told                            */
    size_t used_bytes; /* of these, in use by records and forward buffers              */
    size_t peak_bytes; /* the most ever in use                                         */
    size_t pool_bytes; /* held for adjoints                                            */
} ag_tape_stats;
/** Counters, as they are now; all zero for a NULL tape. */
AG_API ag_tape_stats ag_tape_statistics(const ag_tape *t);

/* ---- the public head of a tape: documented ABI for the inline scalar operations (scalar.h) ------------- */

enum { AG_STRIP_BITS = 12, AG_STRIP_CHUNK = 1 << AG_STRIP_BITS };
#define AG_WIDE 0x80000000u /* class bit of ag_entry.op: a tensor record */

/** One record of the strip. Scalars are whole here; a tensor record has the class bit and points on. */
typedef struct ag_entry {
    uint32_t op; /* scalar opcode, or AG_WIDE                       */
    uint32_t a;  /* id of operand 0                                 */
    union {
        uint32_t b; /* id of operand 1                              */
        double c;   /* or a number that belongs to the record       */
        void *wide; /* or the tensor record                         */
    } u;
    double v; /* the value                                          */
} ag_entry;

/** What the inline scalar operations know of a tape. `at` is the entry of the next id; at `limit` the inline push must
 *  give way (end of a chunk, or a mode in which every record takes the long way). Ids from `first` on carry `epoch`; ids
 *  below it that carry `older` are live too; other epochs need a search. */
typedef struct ag_tape_head {
    ag_entry *at, *limit;
    ag_entry **strip; /* entry of id: strip[id >> AG_STRIP_BITS][id % AG_STRIP_CHUNK] */
    uint32_t next, first, epoch, older;
} ag_tape_head;

AG_END_DECLS
#endif
