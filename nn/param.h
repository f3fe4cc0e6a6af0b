/* param: the parameters of a network, packed in one slab, with names by path ("0.weight").
 *
 * The slab never moves: one dense tensor for the data of all parameters, one buffer for all gradients. Each
 * parameter is a part of it (64-byte aligned; the padding is zero), so an optimiser's step is one sweep. */
#ifndef NN_PARAM_H
#define NN_PARAM_H

#include "module.h"

AG_BEGIN_DECLS

typedef struct nn_params nn_params;

/** Pack and initialise all parameters below `root`, in order of declaration, depth first. dtype f32 or f64.
 *  A tree is packed once. The tree must outlive what is returned. NULL on failure, and the tree is as it was:
 *  AG_ERROR_MEMORY, AG_ERROR_STATE (packed already), AG_ERROR_DTYPE, AG_ERROR_SHAPE (too many elements),
 *  AG_ERROR_VALUE (an initialiser; the message names the parameter) */
NN_API nn_params *nn_params_new(nn_module *root, ag_dtype dtype, uint64_t seed, ag_error *error);
NN_API void nn_params_free(nn_params *p);

NN_API size_t nn_params_count(const nn_params *p);
NN_API ag_tensor *nn_params_tensor(const nn_params *p, size_t i); /* NULL out of range */
NN_API const char *nn_params_name(const nn_params *p, size_t i); /* path: "0.weight"; NULL out of range */
NN_API ag_tensor *nn_params_find(const nn_params *p, const char *path); /* NULL: none. uthash */
NN_API int64_t nn_params_elements(const nn_params *p); /* numbers, padding not counted */
/** Everything, as one rank-1 tensor, to read and write. Gradients arrive through its parts: record those, not the
 *  slab, as leaves. */
NN_API ag_tensor *nn_params_slab(const nn_params *p);
NN_API void nn_params_zero_grad(nn_params *p);
/** AG_OK, or AG_ERROR_STATE with a message naming the first parameter whose gradient is invalid. */
NN_API ag_status nn_params_grad_status(const nn_params *p, ag_error *error);

/** Save and load by path, as safetensors. Loading is all or nothing: missing, extra, wrongly shaped and wrongly
 *  typed entries are listed in one error (AG_ERROR_FORMAT) and no parameter is touched. metadata as in
 *  ag_safetensors_write. */
NN_API ag_status nn_params_save(const nn_params *p, const char *path, const char *const *metadata,
                                ag_error *error) AG_WARN_UNUSED;
NN_API ag_status nn_params_load(nn_params *p, const char *path, ag_error *error) AG_WARN_UNUSED;

AG_END_DECLS
#endif
