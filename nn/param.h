/* param: the parameters of a network, packed in one slab, with names by path ("0.weight").
 *
 * The slab never moves: one dense tensor for the data of all parameters, one buffer for all gradients. Each
 * parameter is a part of it (64-byte aligned; the padding is zero), so an optimiser's step is one sweep. */
#ifndef NN_PARAM_H
#define NN_PARAM_H

#include "module.h"

AG_BEGIN_DECLS

/** The parameters of one tree of modules. Free with nn_params_free, before the tree. */
typedef struct nn_params nn_params;

/** Pack and initialise all parameters below `root`, in order of declaration, depth first. dtype f32 or f64.
 *  A tree is packed once. The tree must outlive what is returned. The initial values are a pure function of the
 *  tree and seed.
 *  Edges:  a tree without parameters has an empty slab
 *  Errors: NULL, and the tree is as it was: AG_ERROR_STATE (packed already), AG_ERROR_DTYPE (neither f32 nor f64),
 *          AG_ERROR_SHAPE (too many elements), AG_ERROR_VALUE (an initialiser; the message names the parameter; or
 *          root is NULL: an error that is in `error` already then stays), AG_ERROR_MEMORY
 *  Memory: the numbers and as many for gradients, each parameter rounded up to 64 bytes */
NN_API nn_params *nn_params_new(nn_module *root, ag_dtype dtype, uint64_t seed, ag_error *error);
/** Free the slab, the gradients and the names; the tree's declarations stay, and can be packed anew. Accepts
 *  NULL. */
NN_API void nn_params_free(nn_params *p);

/** How many parameters, not numbers. */
NN_API size_t nn_params_count(const nn_params *p);
/** Number i, in the order of packing, and its path ("0.weight").
 *  Edges:  NULL out of range
 *  Memory: both belong to p */
NN_API ag_tensor *nn_params_tensor(const nn_params *p, size_t i);
NN_API const char *nn_params_name(const nn_params *p, size_t i);
/** The same with the buffers behind the parameters: all that a file holds. Their names are those of the tensors
 *  (ag_tensor_name). */
NN_API size_t nn_params_kept(const nn_params *p);
NN_API ag_tensor *nn_params_keep(const nn_params *p, size_t i);
/** The parameter or buffer of a path; NULL: none, or path is NULL. One look into a hash table. */
NN_API ag_tensor *nn_params_find(const nn_params *p, const char *path);
/** How many numbers, padding not counted. */
NN_API int64_t nn_params_elements(const nn_params *p);
/** Everything, as one tensor, to read and write. Gradients arrive through its parts: record those, not the slab,
 *  as leaves.
 *  Shapes: (padded elements); the padding between parameters is zero, and must stay so */
NN_API ag_tensor *nn_params_slab(const nn_params *p);
/** Every parameter's gradient reads as zeros from here on, also one that was invalid. The numbers are cleared when
 *  they are needed. */
NN_API void nn_params_zero_grad(nn_params *p);
/** AG_OK, or AG_ERROR_STATE with a message naming the first parameter whose gradient is invalid. */
NN_API ag_status nn_params_grad_status(const nn_params *p, ag_error *error);

/** Save all parameters and buffers under their names to a safetensors file at `path`; metadata as in
 *  ag_safetensors_write (NULL: none). The old file stands until the new one is whole.
 *  Errors: those of ag_safetensors_write */
NN_API ag_status nn_params_save(const nn_params *p, const char *path, const char *const *metadata,
                                ag_error *error) AG_WARN_UNUSED;
/** Load them, all or nothing: names, shapes and dtypes must be those of p. Gradients stay as they are.
 *  Errors: those of ag_safetensors_read; AG_ERROR_FORMAT (one message lists what is missing, extra, wrongly shaped
 *          and wrongly typed: where that is too much for a message the first items, names of the next, and how many
 *          more there are). On error no parameter is touched */
NN_API ag_status nn_params_load(nn_params *p, const char *path, ag_error *error) AG_WARN_UNUSED;

/** What a partial load did. */
typedef struct nn_load_report {
    size_t loaded;  /* parameters and buffers taken from the file                       */
    size_t missing; /* that the file does not have                                      */
    size_t unlike;  /* that it has in another shape or dtype                            */
    size_t extra;   /* entries of the file that are not in the network                  */
    char text[448]; /* these three by name, as nn_params_load tells them; "" when none  */
} nn_load_report;
/** Load what agrees in name, shape and dtype, and leave the rest as it is: to begin with a part of another network.
 *  `report` (NULL: not wanted) says what was done.
 *  Errors: those of ag_safetensors_read; then nothing is touched, the report neither */
NN_API ag_status nn_params_load_partial(nn_params *p, const char *path, nn_load_report *report,
                                        ag_error *error) AG_WARN_UNUSED;

AG_END_DECLS
#endif
