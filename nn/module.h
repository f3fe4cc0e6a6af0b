/* module: a layer is a thing with named parameters and a function from values to values.
 *
 * A module is a struct whose first member is an nn_module, and one function. A user's own layer:
 *
 *     typedef struct scale { nn_module base; nn_param *gain; } scale;
 *
 *     static ag_value scale_forward(nn_module *m, nn_pass *pass, ag_value x) {
 *         return ag_mul(x, nn_use(pass, ((scale *)m)->gain));
 *     }
 *     nn_module *scale_new(int64_t n, ag_error *error) {
 *         scale *s = nn_module_new(sizeof *s, "scale", scale_forward, error);
 *         if (!s) return NULL;
 *         s->gain = nn_module_param(&s->base, "gain", 1, &n, nn_init_constant(1), error);
 *         return s->gain ? &s->base : nn_module_free_null(&s->base);
 *     }
 *
 * Parameters, and buffers (state that is not trained), are declared, not allocated: nn_params_new (param.h) walks a
 * finished tree, packs the parameters into one slab and initialises all. Not here: any derivative. */
#ifndef NN_MODULE_H
#define NN_MODULE_H

#include <autograd/autograd.h>

#include "init.h"

AG_BEGIN_DECLS

/** A layer: named parameters, children and a function. Its members are below. */
typedef struct nn_module nn_module;
/** A parameter, as a layer declares it. Its members are below. */
typedef struct nn_param nn_param;

/** One pass through a network: the tape it records on, and whether it trains (dropout, batch norm). */
typedef struct nn_pass {
    ag_tape *tape;
    bool training;
} nn_pass;

/** What a layer computes: y from x, recorded on pass->tape. It fails as operations do: a failed value, and the
 *  tape keeps the error. */
typedef ag_value nn_forward_function(nn_module *m, nn_pass *pass, ag_value x);

/** The first member of every layer's struct; nn_module_new fills it in. */
struct nn_module {
    const char *type;              /* "linear"; static text. Public, read only              */
    nn_forward_function *forward;  /* public                                                */
    void (*destroy)(nn_module *m); /* frees what the layer itself allocated; NULL: nothing  */
    /* private */
    size_t size;
    char *name;      /* within its parent: "0", "encoder"; NULL for a root                    */
    ag_meta *result; /* where a pass leaves the shape of what the module gives; NULL: nowhere */
    nn_param *params, *last_param;
    nn_module *parent, *children, *last_child, *next;
};

/** A parameter, declared by a layer. `tensor` is NULL until nn_params_new. */
struct nn_param {
    char *name; /* within its module: "weight" */
    int rank;
    int64_t dim[AG_MAX_RANK];
    nn_init init;
    bool buffer;    /* state that is not trained                                            */
    ag_dtype dtype; /* of a buffer: AG_I64, or a floating one for that of the parameters    */
    ag_tensor *tensor;
    nn_param *next;
};

/** A zeroed block of `size` bytes that begins with an nn_module. `type` is kept, not copied.
 *  Errors: NULL: AG_ERROR_VALUE (no type or function, or size below that of nn_module), AG_ERROR_MEMORY */
NN_API void *nn_module_new(size_t size, const char *type, nn_forward_function *forward, ag_error *error);
/** Free a module and everything below it; NULL is accepted. A child is freed by its parent: for one, the call
 *  does nothing. Parameters' tensors belong to the nn_params, which is freed first. */
NN_API void nn_module_free(nn_module *m);
/** The same; returns NULL, for a constructor's last line. */
NN_API void *nn_module_free_null(nn_module *m);
/** Declare a parameter; the name is copied.
 *  Shapes: dim (rank). The layout (n_out, n_in, ...) decides the fans of initialisers, as in PyTorch
 *  Errors: NULL: AG_ERROR_NAME (empty, has a dot, or taken by a parameter or child of m), AG_ERROR_SHAPE (rank, a
 *          dimension below 0, or too many elements), AG_ERROR_MEMORY. `init` is checked by nn_params_new
 *  Memory: the declaration belongs to m; no numbers before nn_params_new */
NN_API nn_param *nn_module_param(nn_module *m, const char *name, int rank, const int64_t *dim, nn_init init,
                                 ag_error *error);
/** Declare state that is kept and saved with the parameters, but not trained: a running mean, a count. It begins with
 *  `value` throughout. dtype AG_I64, or a floating dtype: that of the parameters, whichever it is. A layer writes it
 *  through `tensor` (ag_tensor_write, ag_tensor_set): in training, and before nn_use in the same pass.
 *  Errors: as nn_module_param; AG_ERROR_DTYPE (neither floating nor i64) */
NN_API nn_param *nn_module_buffer(nn_module *m, const char *name, ag_dtype dtype, int rank, const int64_t *dim,
                                  double value, ag_error *error);
/** Take ownership of a child under a name. A NULL child (one that failed to be made) fails with the error that is
 *  in `error` already. On failure m is as it was, and the child still the caller's.
 *  Errors: AG_ERROR_NAME (empty, has a dot, or taken), AG_ERROR_STATE (the child has a parent, or is m or above
 *          m), AG_ERROR_VALUE (NULL child), AG_ERROR_MEMORY */
NN_API ag_status nn_module_child(nn_module *m, const char *name, nn_module *child, ag_error *error);

/** Run a module inside a scope of its name; the root, which has none, in the scope around it.
 *  Errors: kept by the tape: AG_ERROR_VALUE (m is NULL), and those of the layer */
NN_API ag_value nn_forward(nn_module *m, nn_pass *pass, ag_value x);
/** The parameter as a leaf on the pass's tape: backward adds into the gradient of its tensor. A buffer: as a constant.
 *  Shapes: y (dim...), of the dtype given to nn_params_new
 *  Errors: kept by the tape: AG_ERROR_STATE (not packed by nn_params_new), AG_ERROR_VALUE (p is NULL) */
NN_API ag_value nn_use(nn_pass *pass, nn_param *p);

AG_END_DECLS
#endif
