/* op: the operation descriptor and the registry by name.
 *
 * A built-in operation and a user's own are the same thing: one `ag_op`. It says how shapes follow from
 * shapes (infer), how numbers follow from numbers (forward), and how adjoints follow from adjoints (vjp) -
 * the last written with recorded operations, so that a derivative can be differentiated again.
 *
 * Read first: struct ag_op. Then ag_eval (what forward sees) and ag_reverse (what a rule sees). */
#ifndef AUTOGRAD_OP_H
#define AUTOGRAD_OP_H

#include "random.h"
#include "tensor.h"

AG_BEGIN_DECLS

typedef struct ag_tape ag_tape;
typedef struct ag_op ag_op;

/** A value on a tape, passed by value. id 0: the operation that should have made it failed. Defined here
 *  because rules handle values; everything about tapes is in tape.h. */
typedef struct ag_value {
    ag_tape *tape;
    uint32_t id, epoch;
} ag_value;

/** An array as a kernel sees it. */
typedef struct ag_array {
    const ag_meta *meta;
    void *data; /* element 0; operands are read-only */
} ag_array;

/** What a shape rule sees. It fills out[0 .. op->outputs-1] (dtype, rank, dim) and returns AG_OK, or
 *  returns ag_fail(q->error, ...) with a message about the operands; the engine adds the operation's name, the
 *  shapes and the scope. Rows with AG_TRAIT_VIEW also fill stride and offset (elements from the operand's
 *  element 0); for all others the engine lays the result out dense. */
typedef struct ag_query {
    const ag_op *op;
    const ag_meta *const *in;
    uint32_t n_in;
    const void *attrs; /* the operation's attribute struct, or NULL */
    ag_error *error;
} ag_query;

/** What forward sees: buffers in, buffers out. Pure: it reads `in`, writes all of `out`, nothing else. */
typedef struct ag_workspace ag_workspace;
typedef struct ag_eval {
    const ag_op *op;
    const ag_array *in;
    const ag_array *out; /* dense, 64-byte aligned, uninitialised */
    uint32_t n_in;
    const void *attrs;
    ag_workspace *work; /* scratch memory and the number of threads */
    ag_error *error;
} ag_eval;

/** Scratch memory for a forward (64-byte aligned, uninitialised; NULL: out of memory). It is released when
 *  the forward returns. */
AG_API void *ag_scratch(ag_workspace *work, size_t bytes);
/** Asks for as many threads as OpenMP would use. */
enum { AG_THREADS_ALL = -1 };
/** How many threads a kernel may use. Its bits must not depend on it. */
AG_API int ag_workspace_threads(const ag_workspace *work);

/* ---- derivative rules ---------------------------------------------------------------------------- */

/** What a reverse rule sees. It asks ag_wants(r, i) before computing the adjoint of operand i, computes it
 *  with the ordinary operations, and answers with ag_give(r, i, v). Values that failed need no check. */
typedef struct ag_reverse ag_reverse;

AG_API bool ag_wants(ag_reverse *r, uint32_t i);
/** Adjoint of output k; zeros for an output that nothing used (ag_has_dy tells). */
AG_API ag_value ag_dy(ag_reverse *r, uint32_t k);
AG_API bool ag_has_dy(const ag_reverse *r, uint32_t k);
/** Operand i and output k. Refused (AG_ERROR_KEEPS) unless the row's `keeps` names them. */
AG_API ag_value ag_in(ag_reverse *r, uint32_t i);
AG_API ag_value ag_out(ag_reverse *r, uint32_t k);
/** Shape and dtype of operand i and output k, which any rule may know; NULL: there is no such operand or output. */
AG_API const ag_meta *ag_in_meta(const ag_reverse *r, uint32_t i);
AG_API const ag_meta *ag_out_meta(const ag_reverse *r, uint32_t k);
AG_API uint32_t ag_in_count(const ag_reverse *r);
AG_API const void *ag_rule_attrs(const ag_reverse *r);
AG_API const ag_op *ag_rule_op(const ag_reverse *r);
AG_API ag_tape *ag_rule_tape(const ag_reverse *r);
/** True when the rule's own operations are being recorded (a differentiable gradient). A rule may then
 *  choose primitives over a fused kernel; both must give the same mathematics. */
AG_API bool ag_rule_recorded(const ag_reverse *r);
/** Add v to the adjoint of operand i: sums over broadcast dimensions, casts to the operand's dtype, checks
 *  the shape and accumulates. */
AG_API void ag_give(ag_reverse *r, uint32_t i, ag_value v);

/** What a composite sees: it reads its operands and attributes, records other operations, and names the result. */
typedef struct ag_build ag_build;
AG_API ag_value ag_build_in(const ag_build *b, uint32_t i); /* a failed value when there is no such operand */
AG_API uint32_t ag_build_count(const ag_build *b);
AG_API const void *ag_build_attrs(const ag_build *b);
AG_API ag_tape *ag_build_tape(const ag_build *b);
AG_API void ag_build_result(ag_build *b, ag_value result);
/** What is wrong with the operands or attributes; the engine adds the operation's name, the shapes and the scope.
 *  Returns `status`, for the composite to return. What an operation that it records finds wrong is reported under both
 *  names and with the composite's operands: a composite need not repeat those checks. */
AG_API ag_status ag_build_fail(ag_build *b, ag_status status, const char *format, ...) AG_PRINTF(3, 4);

/** What a forward-mode rule sees: operands with tangents, results that get theirs. It computes the tangent of each
 *  output with the ordinary operations from those operands that have one, and answers with ag_give_tangent(f, k, v).
 *  Values that failed need no check. A rule is optional: rows with AG_TRAIT_LINEAR are applied to the tangents
 *  themselves, and for all others the vjp is differentiated with respect to its adjoint, which gives the same at
 *  about twice the cost. */
typedef struct ag_forward ag_forward;

/** Does operand i move? One that does not has no tangent: its part is zero and need not be computed. */
AG_API bool ag_has_tangent(const ag_forward *f, uint32_t i);
/** Tangent of operand i, of its shape and dtype; zeros for one that does not move. */
AG_API ag_value ag_tangent(ag_forward *f, uint32_t i);
/** Operand i and output k. Refused (AG_ERROR_KEEPS) unless the row's `keeps` names them, as in a reverse rule. */
AG_API ag_value ag_primal_in(ag_forward *f, uint32_t i);
AG_API ag_value ag_primal_out(ag_forward *f, uint32_t k);
AG_API const ag_meta *ag_primal_in_meta(const ag_forward *f, uint32_t i);
AG_API const ag_meta *ag_primal_out_meta(const ag_forward *f, uint32_t k);
AG_API uint32_t ag_forward_count(const ag_forward *f);
AG_API const void *ag_forward_attrs(const ag_forward *f);
AG_API const ag_op *ag_forward_op(const ag_forward *f);
AG_API ag_tape *ag_forward_tape(const ag_forward *f);
/** Add v to the tangent of output k: repeats it over dimensions it lacks, casts to the output's dtype, checks the
 *  shape and accumulates. An output that is given nothing does not move. */
AG_API void ag_give_tangent(ag_forward *f, uint32_t k, ag_value v);

/* ---- the descriptor -------------------------------------------------------------------------------- */

/** Per operand: is there a derivative? A RULE operand is handled by vjp; for ZERO the derivative is zero
 *  everywhere (indices, conditions); MISSING is an error when it is wanted. */
enum { AG_GRAD_RULE, AG_GRAD_ZERO, AG_GRAD_MISSING };

/** Traits, as bits. */
enum {
    AG_TRAIT_ELEMENTWISE = 1u << 0,
    AG_TRAIT_LINEAR = 1u << 1,  /* linear in all its differentiable operands together        */
    AG_TRAIT_VIEW = 1u << 2,    /* no forward: the result shares operand 0's buffer          */
    AG_TRAIT_RANDOM = 1u << 3,  /* depends on a counter stored in its attributes             */
    AG_TRAIT_STRIDED = 1u << 4, /* forward handles any strides; otherwise operands come dense */
    AG_TRAIT_LEAF = 1u << 5     /* no operands: leaves and constants                         */
};

/** Bits of `keeps`. Operand bits past 15 follow the last one for variadic rows. */
#define AG_IN(i)    (1u << ((i) < 15u ? (i) : 15u))
#define AG_OUT(k)   (1u << (16u + (k)))
#define AG_VARIADIC UINT32_MAX

/** One attribute of an operation: lets it be copied, printed, compared and set by name. */
typedef enum ag_field_kind {
    AG_FIELD_INT,    /* int64_t                          */
    AG_FIELD_REAL,   /* double                           */
    AG_FIELD_BOOL,   /* bool                             */
    AG_FIELD_INTS,   /* ag_ints                          */
    AG_FIELD_RANDOM, /* ag_random: filled from the tape  */
    AG_FIELD_DTYPE   /* ag_dtype                         */
} ag_field_kind;

typedef struct ag_field {
    const char *name;
    ag_field_kind kind;
    uint32_t offset;      /* offsetof(attrs struct, member)             */
    double default_value; /* INTS: empty list                           */
} ag_field;

/** Attributes by name, for ag_call and the readers of files. */
typedef struct ag_attr {
    const char *name;
    ag_field_kind kind;
    union {
        int64_t integer;
        double real;
        bool boolean;
        ag_ints ints;
        ag_random random;
        ag_dtype dtype;
    } as;
} ag_attr;
typedef struct ag_attrs {
    uint32_t n;
    const ag_attr *v;
} ag_attrs;

/** How the generic tests may try an operation. A case gives one shape and domain per operand; elementwise
 *  rows need none (the tests bring shapes of their own) and use lo and hi of the operand. */
enum {
    AG_AVOID_ZERO = 1u << 0, /* sample away from 0 (a kink there)          */
    AG_AVOID_TIES = 1u << 1  /* sample values that are pairwise apart      */
};
enum { AG_PROBE_INPUTS = 6 };
typedef struct ag_probe_input {
    ag_dtype dtype; /* F64: a differentiable operand; I64, BOOL: integers in [lo, hi]   */
    int32_t rank;
    int64_t dim[5];
    double lo, hi; /* both 0: the domain of ag_probe                                    */
} ag_probe_input;
typedef struct ag_probe_case {
    const void *attrs;
    uint32_t n_in;
    ag_probe_input in[AG_PROBE_INPUTS];
} ag_probe_case;
typedef struct ag_probe {
    uint32_t avoid;
    double lo[3], hi[3]; /* domain of operand 0, 1, 2 and later */
    double sample;       /* elementwise rows with a number: one to try */
    uint32_t n_cases;
    const ag_probe_case *cases;
} ag_probe;

/** The descriptor. Static data: it must outlive every tape that uses it.
 *
 *  `cost` counts an addition, a product, a comparison of numbers and an elementary function (exp, sqrt) as one each, so a
 *  product of (m, k) and (k, n) costs 2 m n k; moving numbers costs nothing. It is asked with operands and attributes that
 *  infer accepted. NULL: an elementwise row costs one for each element of its result, a view nothing, and of any other
 *  it is not known. */
struct ag_op {
    const char *name;
    const char *formula;         /* "x * y", for errors, pictures and generated docs    */
    const char *const *partials; /* symbolic d/dx_i, one per operand; NULL: none given  */
    uint32_t min_in, max_in;     /* AG_VARIADIC: any number                             */
    uint8_t outputs;             /* 1 to 4; outputs have consecutive ids                */
    const uint8_t *grad;         /* per operand AG_GRAD_*, `n_grad` long; the last repeats; NULL: RULE */
    uint32_t n_grad;
    uint32_t traits;    /* AG_TRAIT_*                                          */
    uint32_t keeps;     /* AG_IN(i) | AG_OUT(k): what vjp may read             */
    uint32_t attr_size; /* bytes of the attribute struct (plain memory); 0: none */
    const ag_field *fields;
    uint32_t n_fields;
    ag_status (*infer)(const ag_query *q, ag_meta *out);
    ag_status (*forward)(const ag_eval *e);
    ag_status (*compose)(ag_build *b); /* a composite records others; then no forward, no vjp */
    ag_status (*vjp)(ag_reverse *r);
    ag_status (*jvp)(ag_forward *f);   /* optional; reads what `keeps` names */
    double (*cost)(const ag_query *q); /* floating-point operations of a forward; see below */
    const ag_probe *probe;
};

/** The kind (AG_GRAD_*) of operand i. */
static inline uint8_t ag_op_grad(const ag_op *op, uint32_t i) {
    if (!op->grad || op->n_grad == 0) return AG_GRAD_RULE;
    return op->grad[i < op->n_grad ? i : op->n_grad - 1];
}

/* ---- the registry ---------------------------------------------------------------------------------- */

/** Register an operation under its name, for ag_call, files and the generic tests. Built-in operations
 *  are there from the start. Thread-safe.
 *  Errors: AG_ERROR_NAME (taken by another descriptor), AG_ERROR_VALUE (descriptor inconsistent),
 *          AG_ERROR_MEMORY */
AG_API ag_status ag_op_register(const ag_op *op, ag_error *error);
AG_API const ag_op *ag_op_find(const char *name); /* NULL: unknown, or no memory for the table */
/** Iterate: the i-th operation in order of registration; NULL past the end. */
AG_API const ag_op *ag_op_at(uint32_t i);
/** Check a descriptor for what can be checked without running it. */
AG_API ag_status ag_op_check(const ag_op *op, ag_error *error);

/** Run an operation's forward on tensors, without a tape: inference, optimisers. `out` tensors must have
 *  the shapes and dtypes of the operation's shape rule; an output may be one of the operands only where
 *  the operation is elementwise. threads: how many it may use; 0 is one, AG_THREADS_ALL as many as OpenMP would.
 *  Errors: those of the operation; AG_ERROR_SHAPE, AG_ERROR_DTYPE */
AG_API ag_status ag_op_run(const ag_op *op, const ag_tensor *const *in, uint32_t n_in, const void *attrs,
                           ag_tensor *const *out, int threads, ag_error *error);

AG_END_DECLS
#endif
