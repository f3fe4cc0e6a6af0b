/* optim: what all optimisers share - state, steps, the way an update rule is run.
 *
 * A step checks its rate and every gradient before it changes anything, then runs one fused sweep over the slab. Padding is
 * updated with the rest: zero parameters with zero gradients and zero state stay zero under every rule.
 * Not here: the rules (optim_sgd.c, optim_adam.c). */
#include "optim.h"

#include "optim_impl.h"
#include "param_impl.h"

#include <math.h>
#include <string.h>

nn_optim *nnx_optim_new(const nn_optim *model, nn_params *params, ag_error *error) {
    if (!params) { /* nn_params_new failed, and has said why */
        if (!error || !error->status)
            (void)ag_fail(error, AG_ERROR_VALUE, "%s: the parameters are NULL", model->rule->name);
        return NULL;
    }
    if (ag_op_register(model->rule, error)) return NULL;
    nn_optim *o = ag_alloc(model->size);
    if (!o) {
        (void)ag_fail(error, AG_ERROR_MEMORY, "%s: no memory for the optimiser", model->rule->name);
        return NULL;
    }
    memcpy(o, model, model->size);
    o->params = params;
    const ag_meta *slab = ag_tensor_meta(nn_params_slab(params));
    for (size_t i = 0; i < o->state_count; i++) {
        o->state[i] = ag_tensor_new(slab->dtype, slab->rank, slab->dim, error);
        if (!o->state[i]) {
            nn_optim_free(o);
            return NULL;
        }
    }
    return o;
}

void nn_optim_free(nn_optim *o) {
    if (!o) return;
    for (size_t i = o->state_count; i-- > 0;) ag_tensor_free(o->state[i]);
    ag_release(o, o->size);
}

ag_status nnx_optim_run(nn_optim *o, const ag_tensor *gradient, const void *attrs, ag_error *error) {
    const ag_tensor *in[2 + NNX_OPTIM_STATES] = {nn_params_slab(o->params), gradient};
    ag_tensor *out[1 + NNX_OPTIM_STATES] = {nn_params_slab(o->params)};
    for (size_t i = 0; i < o->state_count; i++) in[2 + i] = out[1 + i] = o->state[i];
    return ag_op_run(o->rule, in, (uint32_t)(2 + o->state_count), attrs, out, 1, error);
}

ag_status nnx_update_infer(const ag_query *q, ag_meta *out) {
    for (uint32_t i = 0; i < q->n_in; i++)
        if (!ag_dtype_is_float(q->in[i]->dtype) || q->in[i]->dtype != q->in[0]->dtype)
            return ag_fail(q->error, AG_ERROR_DTYPE, "operands must be all f32 or all f64");
    for (uint32_t i = 1; i < q->n_in; i++)
        if (!ag_meta_same_shape(q->in[i], q->in[0]))
            return ag_fail(q->error, AG_ERROR_SHAPE, "operands must have one shape");
    for (uint32_t k = 0; k < q->op->outputs; k++) out[k] = *q->in[0];
    return AG_OK;
}

void *nnx_update_result(const ag_eval *e, uint32_t in, uint32_t out) {
    void *result = e->out[out].data;
    const size_t bytes = ag_meta_bytes(e->out[out].meta);
    if (result != e->in[in].data && bytes) memcpy(result, e->in[in].data, bytes);
    return result;
}

ag_status nn_optim_step(nn_optim *o, ag_error *error) {
    const ag_tensor *gradient;
    if (!(o->lr >= 0 && isfinite(o->lr))) /* by nn_optim_set_lr, which has no way to refuse it */
        return ag_fail(error, AG_ERROR_VALUE, "%s: rate %g; needs a finite rate of at least 0", o->rule->name,
                       o->lr);
    ag_status status = nnx_params_gradient(o->params, &gradient, error);
    if (!status) status = o->update(o, gradient, error);
    if (!status) o->steps++;
    return status;
}

void nn_optim_zero_grad(nn_optim *o) { nn_params_zero_grad(o->params); }
double nn_optim_lr(const nn_optim *o) { return o->lr; }
void nn_optim_set_lr(nn_optim *o, double lr) { o->lr = lr; }
int64_t nn_optim_steps(const nn_optim *o) { return o->steps; }
void nn_optim_set_steps(nn_optim *o, int64_t steps) { o->steps = steps; }
size_t nn_optim_state_count(const nn_optim *o) { return o->state_count; }
const char *nn_optim_state_name(const nn_optim *o, size_t i) {
    return i < o->state_count ? o->state_name[i] : NULL;
}
ag_tensor *nn_optim_state(const nn_optim *o, size_t i) { return i < o->state_count ? o->state[i] : NULL; }
