/* safetensors: named tensors in one file. Strict reader, durable writer.
 * Format: Hugging Face, "safetensors", format section of its README. */
#ifndef AUTOGRAD_IO_SAFETENSORS_H
#define AUTOGRAD_IO_SAFETENSORS_H

#include "../tensor.h"

AG_BEGIN_DECLS

/** Write `n` tensors under their names, with string metadata (keys and values alternate, NULL-terminated; NULL:
 *  none), durably: the old file stands until the new one is whole, and no temporary file remains. In the file the
 *  8-byte dtypes come before f32 and f32 before bool, each in the order given.
 *  Errors: AG_ERROR_NAME (empty, duplicate, not UTF-8, "__metadata__"), AG_ERROR_VALUE (metadata: a key without a
 *          value, duplicate, not UTF-8), AG_ERROR_IO, AG_ERROR_LIMIT (header above 100 MB), AG_ERROR_MEMORY */
AG_API ag_status ag_safetensors_write(const char *path, ag_tensor *const *tensors, const char *const *names,
                                      size_t n, const char *const *metadata, ag_error *error) AG_WARN_UNUSED;

/** A file read whole: all tensors, checked, in the order of their data. */
typedef struct ag_safetensors ag_safetensors;
/** BOOL, I64, F32 and F64 are read as they are, U8 and I32 as i64, F16 and BF16 as f32.
 *  Errors: AG_ERROR_IO, AG_ERROR_FORMAT (what and where), AG_ERROR_DTYPE (any other dtype, by name), AG_ERROR_LIMIT
 *          (a rank above 8), AG_ERROR_MEMORY. NULL on failure. */
AG_API ag_safetensors *ag_safetensors_read(const char *path, ag_error *error);
AG_API void ag_safetensors_free(ag_safetensors *file); /* accepts NULL */
AG_API size_t ag_safetensors_count(const ag_safetensors *file);
/** Name and tensor number i; NULL past the last. Both belong to the file. */
AG_API const char *ag_safetensors_name(const ag_safetensors *file, size_t i);
AG_API ag_tensor *ag_safetensors_tensor(const ag_safetensors *file, size_t i);
AG_API ag_tensor *ag_safetensors_find(const ag_safetensors *file, const char *name);     /* NULL: none */
AG_API const char *ag_safetensors_metadata(const ag_safetensors *file, const char *key); /* NULL: none */

AG_END_DECLS
#endif
