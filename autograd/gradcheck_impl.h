/* gradcheck_impl: what the files of the gradient checker share. */
#ifndef AGX_GRADCHECK_IMPL_H
#define AGX_GRADCHECK_IMPL_H

#include "gradcheck.h"

/** One check in progress. */
typedef struct agx_gradcheck {
    ag_gradcheck_function *f;
    void *user;
    const ag_gradcheck_input *in;
    int n;
    ag_gradcheck_options options; /* with the defaults filled in */
    ag_gradcheck_report *report;
    ag_tape *t;
    ag_mark start;
    /* (n) each */
    ag_value *leaf, *wrt, *dx; /* as f sees them; those that are differentiated; their gradients */
    int64_t *offset;           /* of input i in `x`; -1: a constant */
    /* (total) each: the elements of all differentiable inputs, inputs in order */
    int64_t total;
    double *x, *direction, *recorded, *swept, *unit, *moving;
    double *turned;  /* (largest input) */
    double *weights; /* (n_weights): of the function's result; NULL: not drawn yet */
    int64_t n_weights;
    size_t doubles; /* in the block that begins at x */
} agx_gradcheck;

/* gradcheck.c */
/** ag_gradcheck with or without the search for the operation that is to blame. */
ag_status agx_gradcheck_run(ag_gradcheck_function *f, void *user, const ag_gradcheck_input *in, int n,
                            const ag_gradcheck_options *options, bool search, ag_gradcheck_report *report);

/* gradcheck_function.c */
/** Record the function under check anew: order 1 the weighted sum of its result, order 2 its derivative. */
ag_status agx_gradcheck_build(agx_gradcheck *c, int order, ag_value *y);
ag_status agx_gradcheck_evaluate(agx_gradcheck *c, int order, double *value);
/** Its gradient as numbers, inputs in order: by ag_grad, or by ag_backward. */
ag_status agx_gradcheck_gradient(agx_gradcheck *c, int order, bool recorded, double *out);
/** Its derivative along `direction`, by ag_jvp; *ran false: the tape cannot push tangents through it. */
ag_status agx_gradcheck_tangent(agx_gradcheck *c, int order, bool *ran, double *out);
int64_t agx_gradcheck_count(const ag_gradcheck_input *x); /* elements */
ag_status agx_gradcheck_fail(agx_gradcheck *c, ag_status status, const char *message);

/* gradcheck_walk.c */
/** Find the first operation below y whose own rule disagrees. */
ag_status agx_gradcheck_walk(agx_gradcheck *c, ag_value y);

/* gradcheck_op.c */
/** All floating outputs of an operation as one value. */
ag_value agx_gradcheck_outputs(const ag_op *op, ag_value first);

#endif
