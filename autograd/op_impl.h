/* op_impl: what the library's own files share about descriptors. */
#ifndef AGX_OP_IMPL_H
#define AGX_OP_IMPL_H

#include "op.h"

/** Fill an attribute struct (op->attr_size bytes) with the fields' defaults. */
void agx_op_default_attrs(const ag_op *op, void *attrs);
/** Set one attribute by name in such a struct.
 *  Errors: AG_ERROR_NAME (unknown), AG_ERROR_VALUE (wrong kind) */
ag_status agx_op_set_attr(const ag_op *op, void *attrs, const ag_attr *attr, ag_error *error);

/** Set the random field of such a struct, if the operation has one; false: it has none. */
bool agx_op_set_random(const ag_op *op, void *attrs, ag_random random);

#endif
