/* ema: the running average, an update rule like an optimiser's. The arithmetic is f64: a decay of 0.9999 moves an
 * f32 average by a ten-thousandth of the difference, which is rounded once. */
#include "../ema.h"

#include "../param_impl.h"
#include "optim_impl.h"

#include <string.h>

typedef struct pair {
    ag_tensor *of, *average; /* of one shape and dtype */
} pair;

struct nn_ema {
    double decay;
    bool swapped;
    size_t room;
    size_t count; /* from 1 */
    pair *pair;   /* (room): that of the slab, then those of buffers */
};

typedef struct ema_attrs {
    double decay;
} ema_attrs;

/* x: a; g: p. k: decay. */
NNX_LOOP void element(double *x, double g, const nnx_factors *f) { x[0] = f->k[0] * x[0] + (1 - f->k[0]) * g; }

static void narrow(const ag_eval *e, const nnx_factors *f) { nnx_sweep(e, 0, element, f); }
NNX_WIDE static void wide(const ag_eval *e, const nnx_factors *f) { nnx_sweep(e, 0, element, f); }

static ag_status forward(const ag_eval *e) {
    return nnx_update(e, narrow, wide, &(nnx_factors){{((const ema_attrs *)e->attrs)->decay}});
}

static double cost(const ag_query *q) { return 3.0 * (double)ag_meta_count(q->in[0]); }

static const ag_field fields[] = {{"decay", AG_FIELD_REAL, offsetof(ema_attrs, decay), 0.999}};
static const ag_probe probe = {.lo = {-2, -2}, .hi = {2, 2}};

static const ag_op nn_ema_rule = {
    .name = "nn_ema_update",
    .formula = "decay a + (1 - decay) p",
    .min_in = 2,
    .max_in = 2,
    .outputs = 1,
    .grad = nnx_no_derivative,
    .n_grad = 1,
    .traits = AG_TRAIT_ELEMENTWISE,
    .attr_size = sizeof(ema_attrs),
    .fields = fields,
    .n_fields = 1,
    .infer = nnx_update_infer,
    .forward = forward,
    .cost = cost,
    .probe = &probe,
};

/* One more average, a copy of what it is of. */
static bool follow(nn_ema *e, ag_tensor *of) {
    const ag_meta *meta = ag_tensor_meta(of);
    ag_tensor *average = ag_tensor_new(meta->dtype, meta->rank, meta->dim, NULL);
    if (!average || ag_tensor_set_name(average, ag_tensor_name(of))) {
        ag_tensor_free(average);
        return false;
    }
    nnx_tensor_copy(average, of);
    e->pair[e->count++] = (pair){of, average};
    return true;
}

static nn_ema *make(nn_params *params, double decay, bool buffers, ag_error *error) {
    if (!params) { /* nn_params_new failed, and has said why */
        if (!error || !error->status) (void)ag_fail(error, AG_ERROR_VALUE, "nn_ema_new: the parameters are NULL");
        return NULL;
    }
    if (!nnx_is_beta(decay)) {
        (void)ag_fail(error, AG_ERROR_VALUE, "nn_ema_new: decay %g; needs one in [0, 1)", decay);
        return NULL;
    }
    if (ag_op_register(&nn_ema_rule, error)) return NULL;
    const size_t first = nn_params_count(params), kept = nn_params_kept(params);
    nn_ema *e = ag_alloc_zeroed(sizeof *e);
    if (e) {
        e->decay = decay;
        e->room = 1 + (buffers ? kept - first : 0);
        e->pair = ag_alloc_zeroed(e->room * sizeof *e->pair); /* no overflow: there are as many tensors */
    }
    bool made = e && e->pair && follow(e, nn_params_slab(params));
    for (size_t i = first; made && buffers && i < kept; i++) {
        ag_tensor *buffer = nn_params_keep(params, i);
        if (ag_dtype_is_float(ag_tensor_meta(buffer)->dtype)) made = follow(e, buffer);
    }
    if (made) return e;
    nn_ema_free(e);
    (void)ag_fail(error, AG_ERROR_MEMORY, "nn_ema_new: no memory for the average");
    return NULL;
}

nn_ema *nn_ema_new(nn_params *params, double decay, ag_error *error) { return make(params, decay, false, error); }

nn_ema *nn_ema_new_with_buffers(nn_params *params, double decay, ag_error *error) {
    return make(params, decay, true, error);
}

void nn_ema_free(nn_ema *e) {
    if (!e) return;
    for (size_t i = e->count; i-- > 0;) ag_tensor_free(e->pair[i].average);
    ag_release(e->pair, e->room * sizeof *e->pair);
    ag_release(e, sizeof *e);
}

ag_status nn_ema_update(nn_ema *e, ag_error *error) {
    if (e->swapped) return ag_fail(error, AG_ERROR_STATE, "nn_ema_update: the average is swapped in");
    const ema_attrs attrs = {e->decay};
    for (size_t i = 0; i < e->count; i++) { /* what could fail would fail for the first */
        const ag_tensor *in[] = {e->pair[i].average, e->pair[i].of};
        const ag_status status = ag_op_run(&nn_ema_rule, in, 2, &attrs, &e->pair[i].average, 1, error);
        if (status) return status;
    }
    return AG_OK;
}

static void swap(ag_tensor *x, ag_tensor *y) {
    char *a = ag_tensor_write(x), *b = ag_tensor_write(y), block[4096];
    const size_t bytes = ag_meta_bytes(ag_tensor_meta(x));
    for (size_t at = 0; at < bytes; at += sizeof block) {
        const size_t n = bytes - at < sizeof block ? bytes - at : sizeof block;
        memcpy(block, a + at, n);
        memcpy(a + at, b + at, n);
        memcpy(b + at, block, n);
    }
}

void nn_ema_swap(nn_ema *e) {
    for (size_t i = 0; i < e->count; i++) swap(e->pair[i].average, e->pair[i].of);
    e->swapped = !e->swapped;
}

bool nn_ema_swapped(const nn_ema *e) { return e->swapped; }
ag_tensor *nn_ema_state(const nn_ema *e) { return e->pair[0].average; }
size_t nn_ema_buffer_count(const nn_ema *e) { return e->count - 1; }
ag_tensor *nn_ema_buffer(const nn_ema *e, size_t i) { return i < e->count - 1 ? e->pair[1 + i].average : NULL; }
