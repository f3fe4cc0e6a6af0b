/* grad: sweeps over a finished part of a tape. */
#ifndef AUTOGRAD_GRAD_H
#define AUTOGRAD_GRAD_H

#include "tape.h"

AG_BEGIN_DECLS

/** Reverse sweep from y (one element), seed 1. Adds into the gradient of every leaf y depends on: tensors'
 *  gradient buffers, scalar leaves' adjoints. Nothing is recorded. Calling it again adds again.
 *  Where y depends on nothing differentiable every gradient is zero: nothing is added, and that is no error.
 *  Errors: AG_ERROR_SHAPE (y has not exactly one element), AG_ERROR_WRITTEN (a leaf's tensor was written since),
 *          AG_ERROR_STATE (a sweep is running),
 *          AG_ERROR_DERIVATIVE, AG_ERROR_MEMORY, AG_ERROR_STALE, the tape's failure if it has one. A backward that
 *          fails, or is refused, marks the gradients it would have added to invalid, so that an optimiser refuses
 *          them; zero them to go on. */
AG_API ag_status ag_backward(ag_value y);
/** The same with a seed of y's shape. */
AG_API ag_status ag_backward_from(ag_value y, ag_value seed);

/** Differentiable gradient: dx[i] = sum_j d<y[j], seed[j]>/d wrt[i], recorded on the tape, so that it can be
 *  differentiated again. seed NULL: ones, where every y has one element. wrt may be any values, leaves or not;
 *  one that y does not depend on gets zeros. Leaves' own gradients are untouched. dx may be y, seed or wrt itself. */
AG_API ag_status ag_grad(const ag_value *y, const ag_value *seed, int ny, const ag_value *wrt, int n,
                         ag_value *dx);

/** Differentiable tangents (forward mode): dy[j] = sum_i (d y[j] / d x[i]) v[i], recorded on the tape, so that it can
 *  be differentiated again. v[i] has x[i]'s shape; v NULL: ones. x may be any floating values, leaves or not; a root that
 *  does not depend on them gets zeros. Where x[i] is computed from x[k], v[i] is added to what v[k] makes of it:
 *  <dy, w> = <v, dx> holds with the dx of ag_grad for the seeds w. dy may be y, x or v itself.
 *  Edges:  zero tangents are multiplied, as zero adjoints are: 0 times an infinite derivative is NaN
 *  Errors: AG_ERROR_SHAPE (names x and v), AG_ERROR_DTYPE (an x that is not floating), AG_ERROR_VALUE (a negative
 *          number), AG_ERROR_DERIVATIVE (names the operation that has no rule), AG_ERROR_MEMORY, AG_ERROR_STALE, the
 *          tape's failure if it has one
 *  Source: where a row has no rule for it, the transpose of its reverse rule: J v = d/dw <v, J'w>
 *          (Townsend 2017, "A new trick for calculating Jacobian vector products") */
AG_API ag_status ag_jvp(const ag_value *y, int ny, const ag_value *x, const ag_value *v, int n, ag_value *dy);

/** Keep the adjoint of an inner value in later backward sweeps, for ag_item_grad and ag_adjoint_f64;
 *  repeated sweeps add. */
AG_API void ag_retain(ag_value v);
/** A hook gets the complete adjoint of its value, once a sweep, and answers with what is to take its place: the adjoint
 *  itself to leave it as it is, or another value of the same shape. Inside it the ordinary operations may be used; in
 *  a recorded gradient they are recorded, in ag_backward they are scratch. */
typedef ag_value ag_hook_fn(void *user, ag_value adjoint);
/** Call fn whenever a sweep - ag_backward or ag_grad - has the adjoint of v, leaf or inner value, before it goes on to v's
 *  operands, into a retained adjoint or into a leaf's gradient. Several hooks on a value run in the order in which they
 *  were added, each with the answer of the one before. A hook is not called where the sweep does not reach v; a scalar of
 *  the strip whose adjoint is zero counts as not reached by ag_backward. A rewind to before this call ends it.
 *  Errors: AG_ERROR_STATE (v is a constant, or a sweep is running), AG_ERROR_VALUE (fn is NULL), AG_ERROR_STALE,
 *          AG_ERROR_MEMORY. The sweep fails, and names v, with AG_ERROR_FAILED where the answer is no value of the tape
 *          and AG_ERROR_SHAPE where it has another shape. */
AG_API ag_status ag_hook(ag_value v, ag_hook_fn *fn, void *user);

/** Copy out the adjoint of a leaf or retained value as doubles; zeros before the first backward, and for a constant.
 *  Errors: AG_ERROR_STATE (an inner value that is not retained: its adjoint is not kept; one that is left over from a
 *          failed backward), AG_ERROR_SHAPE (n differs), AG_ERROR_STALE */
AG_API ag_status ag_adjoint_f64(ag_value x, double *values, int64_t n);
/** Zero the adjoints of all leaves on the tape: scalars, arrays and bound tensors' gradients (on a tape with private
 *  gradients: its own buffers, all of them, instead of the tensors'). */
AG_API void ag_zero_grad(ag_tape *t);

/* ---- recompute segments --------------------------------------------------------------------------------- */

/** Trade time for memory: what is recorded between begin and end keeps its numbers only until the end, but for the n values
 *  named there (and what lies on the strip). A sweep that comes to the segment runs it again from what it was made from
 *  - the same operations on the same operands with the same random numbers - and drops it once more; gradients have the
 *  same bits. In ag_grad and ag_jvp its operations are recorded again at the tape's end, so that any order of derivative is
 *  right.
 *
 *      ag_recompute_begin(t, "layer 3");
 *      h = layer(h);
 *      ag_recompute_end(t, &h, 1);
 *
 *  A chain of n layers in segments of sqrt(n) holds about 2 sqrt(n) of them at a time, for one more forward pass.
 *  Reading a dropped value is AG_ERROR_STATE and names the segment; its adjoint may be retained, hooked and read. In a sweep
 *  over recorded gradients that is what reaches the value itself, without what its stand-ins get; with respect to it
 *  ag_grad is right at any order.
 *  A segment inside another is part of it: what its end names is dropped with the outer one. A rewind to a mark before the
 *  begin forgets the segment; one to a mark inside it, after its end, leaves it ended and drops what the end kept.
 *  Errors: AG_ERROR_STATE (no segment is open; a sweep is running), AG_ERROR_VALUE (n is negative), AG_ERROR_STALE,
 *          AG_ERROR_FOREIGN, AG_ERROR_MEMORY: then the segment is still open */
AG_API ag_status ag_recompute_begin(ag_tape *t, const char *name);
AG_API ag_status ag_recompute_end(ag_tape *t, const ag_value *keep, int n);

/* ---- gradients from several threads --------------------------------------------------------------- */

/** On a tape made with the option private_gradients, a backward adds into buffers of the tape's own instead of the
 *  gradients of bound tensors: threads that share parameters, each with a tape, touch nothing of each other's.
 *  ag_adjoint_f64 of a leaf then reads the tape's buffer. The buffers outlive rewinds.
 *  This adds the buffers into the tensors' gradients, in the order of the tapes, and empties them. It is called when no
 *  other thread uses these tapes or writes these tensors. The bits depend on what each tape did, not on when or on which
 *  thread. A tensor must live until what was gathered for it is merged, zeroed or goes with its tape.
 *  Errors: AG_ERROR_STATE (a tape without private gradients; a buffer, or a tensor's gradient, left over from a failed
 *          backward: zero it first), AG_ERROR_MEMORY: then nothing was added. The tape at fault has the failure. */
AG_API ag_status ag_gradients_merge(ag_tape *const *tapes, int n);

AG_END_DECLS
#endif
