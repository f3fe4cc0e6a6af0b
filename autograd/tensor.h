/* tensor: an owned n-d array - parameters and data. It outlives tapes.
 *
 * A tensor is dense, row-major, 64-byte aligned, and its data never moves. Its gradient is a buffer of
 * the same shape and dtype that backward adds into. Reading is free; writing goes through
 * ag_tensor_write(), which bumps a version, so that a tape notices data that changed under it.
 * Not here: arithmetic (operations on a tape), files (io/). */
#ifndef AUTOGRAD_TENSOR_H
#define AUTOGRAD_TENSOR_H

#include "shape.h"

AG_BEGIN_DECLS

typedef struct ag_tensor ag_tensor;

/** A new tensor, zero-filled. NULL on failure.
 *  Errors: AG_ERROR_SHAPE, AG_ERROR_MEMORY */
AG_API ag_tensor *ag_tensor_new(ag_dtype dtype, int rank, const int64_t *dim, ag_error *error);
/** The same, filled from `values`, row-major and converted to dtype: bool is value != 0; i64 truncates, NaN
 *  gives 0 and numbers beyond its range give the ends. */
AG_API ag_tensor *ag_tensor_from(ag_dtype dtype, int rank, const int64_t *dim, const double *values,
                                 ag_error *error);
/** A tensor over memory owned by the caller, who keeps it alive. `data` aligned to its element;
 *  `grad` may be NULL (one is then allocated when needed), and what it holds is not read: the gradient
 *  starts as zeros.
 *  Errors: AG_ERROR_SHAPE, AG_ERROR_VALUE (data NULL or misaligned), AG_ERROR_DTYPE (grad for a dtype that
 *          has none), AG_ERROR_MEMORY */
AG_API ag_tensor *ag_tensor_borrow(ag_dtype dtype, int rank, const int64_t *dim, void *data, void *grad,
                                   ag_error *error);
/** A tensor that is a part of `parent` (dense, starting at element `offset`), sharing its data and,
 *  where the parent has one by then (ag_tensor_need_grad), its gradient buffer. Writing either counts as
 *  writing the part. `parent` must outlive it. How parameters are packed into one slab.
 *  The buffer is shared, but whether it counts as zeros, as valid or as invalid is each tensor's own: zeroing the
 *  parent's gradient leaves the parts' as they are, and the other way round.
 *  Errors: AG_ERROR_SHAPE (does not lie inside the parent), AG_ERROR_MEMORY */
AG_API ag_tensor *ag_tensor_part(ag_tensor *parent, int64_t offset, int rank, const int64_t *dim, ag_error *error);
AG_API void ag_tensor_free(ag_tensor *x); /* accepts NULL */

AG_API const ag_meta *ag_tensor_meta(const ag_tensor *x);
AG_API int64_t ag_tensor_count(const ag_tensor *x);
AG_API const void *ag_tensor_data(const ag_tensor *x); /* to read                           */
AG_API void *ag_tensor_write(ag_tensor *x);            /* to write; bumps the version        */
AG_API uint64_t ag_tensor_version(const ag_tensor *x);
/** One element by its row-major index; NaN, or AG_ERROR_INDEX, out of range. */
AG_API double ag_tensor_get(const ag_tensor *x, int64_t index);
AG_API ag_status ag_tensor_set(ag_tensor *x, int64_t index, double value);
AG_API ag_status ag_tensor_fill(ag_tensor *x, double value); /* every element */
/** Copy all elements in or out as doubles, converted as in ag_tensor_from; n must be the element count.
 *  Errors: AG_ERROR_SHAPE (n differs) */
AG_API ag_status ag_tensor_write_f64(ag_tensor *x, const double *values, int64_t n);
AG_API ag_status ag_tensor_read_f64(const ag_tensor *x, double *values, int64_t n);

AG_API ag_status ag_tensor_set_name(ag_tensor *x, const char *name); /* copied; NULL clears */
AG_API const char *ag_tensor_name(const ag_tensor *x);               /* "" when unnamed      */

/** The gradient. A tensor starts without one; the first backward (or ag_tensor_need_grad) allocates it.
 *  After ag_tensor_zero_grad it reads as zeros (the buffer is cleared lazily). After a backward that failed
 *  half-way it is invalid: ag_tensor_grad gives NULL until it is zeroed.
 *  Errors: AG_ERROR_DTYPE (not floating), AG_ERROR_MEMORY */
AG_API ag_status ag_tensor_need_grad(ag_tensor *x);
AG_API const void *ag_tensor_grad(ag_tensor *x); /* NULL: none, or invalid */
/** To write a gradient by hand (clipping, averaging); zero-fills one that was cleared. NULL where there is
 *  no memory for one, the dtype has none, or it is invalid. */
AG_API void *ag_tensor_grad_write(ag_tensor *x);
AG_API double ag_tensor_grad_get(ag_tensor *x, int64_t index); /* 0 without one; NaN when invalid */
AG_API void ag_tensor_zero_grad(ag_tensor *x);
/** AG_OK, or AG_ERROR_STATE while the gradient is left over from a failed backward. */
AG_API ag_status ag_tensor_grad_status(const ag_tensor *x);

AG_END_DECLS
#endif
