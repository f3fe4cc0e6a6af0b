/* ema: the running average, an update rule like an optimiser's. The arithmetic is f64: a decay of 0.9999 moves an
 * f32 average by a ten-thousandth of the difference, which is rounded once. */
#include "../ema.h"

#include "optim_impl.h"

#include <string.h>

struct nn_ema {
    nn_params *params;
    ag_tensor *average; /* the slab's shape */
    double decay;
    bool swapped;
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

static const uint8_t missing[] = {AG_GRAD_MISSING};
static const ag_field fields[] = {{"decay", AG_FIELD_REAL, offsetof(ema_attrs, decay), 0.999}};
static const ag_probe probe = {.lo = {-2, -2}, .hi = {2, 2}};

static const ag_op nn_ema_rule = {
    .name = "nn_ema_update",
    .formula = "decay a + (1 - decay) p",
    .min_in = 2,
    .max_in = 2,
    .outputs = 1,
    .grad = missing,
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

nn_ema *nn_ema_new(nn_params *params, double decay, ag_error *error) {
    if (!params) { /* nn_params_new failed, and has said why */
        if (!error || !error->status) (void)ag_fail(error, AG_ERROR_VALUE, "nn_ema_new: the parameters are NULL");
        return NULL;
    }
    if (!nnx_is_beta(decay)) {
        (void)ag_fail(error, AG_ERROR_VALUE, "nn_ema_new: decay %g; needs one in [0, 1)", decay);
        return NULL;
    }
    if (ag_op_register(&nn_ema_rule, error)) return NULL;
    const ag_tensor *slab = nn_params_slab(params);
    const ag_meta *meta = ag_tensor_meta(slab);
    nn_ema *e = ag_alloc(sizeof *e);
    ag_tensor *average = ag_tensor_new(meta->dtype, meta->rank, meta->dim, NULL);
    if (!e || !average) {
        ag_tensor_free(average);
        ag_release(e, sizeof *e);
        (void)ag_fail(error, AG_ERROR_MEMORY, "nn_ema_new: no memory for the average");
        return NULL;
    }
    *e = (nn_ema){.params = params, .average = average, .decay = decay};
    const size_t bytes = ag_meta_bytes(meta);
    if (bytes) memcpy(ag_tensor_write(average), ag_tensor_data(slab), bytes);
    return e;
}

void nn_ema_free(nn_ema *e) {
    if (!e) return;
    ag_tensor_free(e->average);
    ag_release(e, sizeof *e);
}

ag_status nn_ema_update(nn_ema *e, ag_error *error) {
    if (e->swapped) return ag_fail(error, AG_ERROR_STATE, "nn_ema_update: the average is swapped in");
    const ag_tensor *in[] = {e->average, nn_params_slab(e->params)};
    const ema_attrs attrs = {e->decay};
    return ag_op_run(&nn_ema_rule, in, 2, &attrs, &e->average, 1, error);
}

void nn_ema_swap(nn_ema *e) {
    char *a = ag_tensor_write(e->average), *p = ag_tensor_write(nn_params_slab(e->params)), block[4096];
    const size_t bytes = ag_meta_bytes(ag_tensor_meta(e->average));
    for (size_t at = 0; at < bytes; at += sizeof block) {
        const size_t n = bytes - at < sizeof block ? bytes - at : sizeof block;
        memcpy(block, a + at, n);
        memcpy(a + at, p + at, n);
        memcpy(p + at, block, n);
    }
    e->swapped = !e->swapped;
}

bool nn_ema_swapped(const nn_ema *e) { return e->swapped; }
ag_tensor *nn_ema_state(const nn_ema *e) { return e->average; }
