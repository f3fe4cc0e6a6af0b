/* optim: what all optimisers share - state, steps, the way an update rule is run.
 *
 * A step checks its rate and every gradient before it changes anything, then runs one fused sweep over the slab,
 * or, where there are groups, one over each stretch of it. Padding is updated with the rest: zero parameters with
 * zero gradients and zero state stay zero under every rule.
 * Not here: the rules (a file each, beside this one), groups (group.c). */
#include "../optim.h"

#include "optim_impl.h"
#include "../param_impl.h"

#include <math.h>
#include <string.h>

double nnx_option(double x, double usual) {
    if (x == NN_ZERO) return 0;
    return x == 0 ? usual : x;
}

bool nnx_is_rate(double x) { return x >= 0 && isfinite(x); }
bool nnx_is_beta(double x) { return x >= 0 && x < 1; }

nn_optim *nnx_optim_refuse(const char *function, const char *what, ag_error *error) {
    (void)ag_fail(error, AG_ERROR_VALUE, "%s: %s", function, what);
    return NULL;
}

static ag_status make_state(nn_optim *o, ag_error *error) {
    const ag_meta *slab = ag_tensor_meta(nn_params_slab(o->params));
    for (size_t i = 0; i < o->state_count; i++) {
        if (o->state[i]) continue; /* made by the rule */
        o->state[i] = ag_tensor_new(slab->dtype, slab->rank, slab->dim, error);
        if (!o->state[i]) return AG_ERROR_MEMORY;
    }
    return AG_OK;
}

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
    o->own.lr_scale = 1;
    o->own.product = 1;
    if ((o->make && o->make(o, error)) || make_state(o, error) || (o->apart && nnx_groups_new(o, error))) {
        nn_optim_free(o);
        return NULL;
    }
    return o;
}

void nn_optim_free(nn_optim *o) {
    if (!o) return;
    nnx_groups_free(o->groups);
    for (size_t i = o->state_count; i-- > 0;) ag_tensor_free(o->state[i]);
    if (o->destroy) o->destroy(o);
    ag_release(o, o->size);
}

/* ---- rules -------------------------------------------------------------------------------------------------- */

/* -x, which is exact: done twice, it leaves the bits as they were. */
static void turn(ag_tensor *x) {
    const int64_t n = ag_tensor_count(x);
    if (ag_tensor_meta(x)->dtype == AG_F32) {
        float *v = ag_tensor_write(x);
        for (int64_t i = 0; i < n; i++) v[i] = -v[i];
    } else {
        double *v = ag_tensor_write(x);
        for (int64_t i = 0; i < n; i++) v[i] = -v[i];
    }
}

ag_status nnx_optim_run(const nn_optim *o, ag_tensor *slab, ag_tensor *gradient, ag_tensor *const *state,
                        ag_tensor *const *result, const nnx_constants *c, ag_error *error) {
    const uint32_t n = (uint32_t)o->state_count;
    const ag_tensor *in[2 + NNX_RULE_STATES] = {slab, gradient};
    ag_tensor *out[1 + NNX_RULE_STATES] = {slab};
    for (uint32_t i = 0; i < n; i++) in[2 + i] = out[1 + i] = state[i];
    double attrs[NNX_ATTRS_SIZE / sizeof(double)] = {0};
    o->attrs(o, c, o->lr * c->lr_scale, attrs);
    if (c->maximize) turn(gradient);
    ag_status status = ag_op_run(o->rule, in, 2 + n, attrs, result ? result : out, 1, error);
    if (c->maximize) turn(gradient);
    for (uint32_t k = 0; result && !status && k <= n; k++) nnx_tensor_copy(out[k], result[k]);
    return status;
}

const uint8_t nnx_no_derivative[1] = {AG_GRAD_MISSING};

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

ag_status nnx_update(const ag_eval *e, nnx_sweep_function *narrow, nnx_sweep_function *wide,
                     const nnx_factors *f) {
    (void)nnx_update_result(e, 0, 0);
    for (uint32_t k = 1; k < e->op->outputs; k++) (void)nnx_update_result(e, 1 + k, k);
    (nnx_wide() ? wide : narrow)(e, f);
    return AG_OK;
}

ag_status nnx_step_check(const ag_eval *e, int64_t step) {
    return step >= 1 ? AG_OK : ag_fail(e->error, AG_ERROR_VALUE, "step %lld: steps count from 1", (long long)step);
}

/* ---- steps -------------------------------------------------------------------------------------------------- */

static const int64_t most_steps = 9007199254740992; /* whole numbers are exact to here as doubles, too */

/* What functions have set that have no way to refuse it. */
static ag_status settings_check(const nn_optim *o, ag_error *error) {
    if (o->steps >= most_steps)
        return ag_fail(error, AG_ERROR_VALUE, "%s: step %lld is past all counting", o->rule->name,
                       (long long)o->steps);
    if (nnx_is_rate(o->lr)) return AG_OK;
    return ag_fail(error, AG_ERROR_VALUE, "%s: rate %g; needs a finite rate of at least 0", o->rule->name, o->lr);
}

ag_status nn_optim_step(nn_optim *o, ag_error *error) {
    if (o->minimise)
        return ag_fail(error, AG_ERROR_STATE, "%s: evaluates the loss itself: nn_optim_step_with", o->rule->name);
    const ag_tensor *gradient;
    ag_status status = settings_check(o, error);
    if (!status) status = nnx_params_gradient(o->params, &gradient, error);
    if (!status)
        status = o->groups ? nnx_groups_run(o, error)
                           : nnx_optim_run(o, nn_params_slab(o->params), nnx_params_gradients(o->params), o->state,
                                           NULL, &o->own, error);
    if (status) return status;
    o->steps++;
    if (!o->advance) return AG_OK;
    o->advance(o, &o->own);
    for (size_t i = 1; i <= nn_optim_group_count(o); i++) o->advance(o, nnx_groups_constants(o->groups, i));
    return AG_OK;
}

ag_status nn_optim_step_with(nn_optim *o, nn_loss_function *f, void *user, double *loss, ag_error *error) {
    double first = 0;
    ag_status status = settings_check(o, error);
    if (status) return status;
    if (o->minimise) {
        status = o->minimise(o, f, user, &first, error);
        if (!status) o->steps++;
    } else {
        status = f(user, &first, error);
        if (!status) status = nn_optim_step(o, error);
    }
    if (!status && loss) *loss = first;
    return status;
}

void nn_optim_zero_grad(nn_optim *o) { nn_params_zero_grad(o->params); }
double nn_optim_lr(const nn_optim *o) { return o->lr; }
void nn_optim_set_lr(nn_optim *o, double lr) { o->lr = lr; }

double nn_optim_momentum(const nn_optim *o) { return o->takes & NNX_BETA1 ? o->own.beta1 : NAN; }

ag_status nn_optim_set_momentum(nn_optim *o, double momentum, ag_error *error) {
    if (!(o->takes & NNX_BETA1))
        return ag_fail(error, AG_ERROR_STATE, "nn_optim_set_momentum: %s keeps none", o->rule->name);
    if (!nnx_is_beta(momentum))
        return ag_fail(error, AG_ERROR_VALUE, "nn_optim_set_momentum: %g; needs a number in [0, 1)", momentum);
    o->own.beta1 = momentum;
    for (size_t i = 1; i <= nn_optim_group_count(o); i++) nnx_groups_constants(o->groups, i)->beta1 = momentum;
    return AG_OK;
}

ag_status nn_optim_maximize(nn_optim *o, bool maximize, ag_error *error) {
    if (o->minimise)
        return ag_fail(error, AG_ERROR_STATE, "nn_optim_maximize: %s can only go down", o->rule->name);
    o->own.maximize = maximize;
    return AG_OK;
}

int64_t nn_optim_steps(const nn_optim *o) { return o->steps; }
void nn_optim_set_steps(nn_optim *o, int64_t steps) { o->steps = steps; }

/* ---- state -------------------------------------------------------------------------------------------------- */

size_t nn_optim_state_count(const nn_optim *o) { return o->state_count; }
const char *nn_optim_state_name(const nn_optim *o, size_t i) {
    return i < o->state_count ? o->state_name[i] : NULL;
}
ag_tensor *nn_optim_state(const nn_optim *o, size_t i) { return i < o->state_count ? o->state[i] : NULL; }

/* The numbers in order: steps, lr, the momentum, the product, the rule's, the groups'. */
enum { STEPS, LR, FIXED };

static size_t momenta(const nn_optim *o) { return o->takes & NNX_BETA1 ? 1 : 0; }
static size_t products(const nn_optim *o) { return o->takes & NNX_PRODUCT ? 1 : 0; }

size_t nn_optim_number_count(const nn_optim *o) {
    return FIXED + momenta(o) + products(o) + o->number_count + nnx_groups_number_count(o);
}

const char *nn_optim_number_name(const nn_optim *o, size_t i) {
    if (i == STEPS) return "steps";
    if (i == LR) return "lr";
    i -= FIXED;
    if (momenta(o) && i-- == 0) return "momentum";
    if (products(o) && i-- == 0) return "mu_product";
    return i < o->number_count ? o->number[i].name : nnx_groups_number(o, i - o->number_count).name;
}

double nn_optim_number(const nn_optim *o, size_t i) {
    if (i == STEPS) return (double)o->steps;
    if (i == LR) return o->lr;
    i -= FIXED;
    if (momenta(o) && i-- == 0) return o->own.beta1;
    if (products(o) && i-- == 0) return o->own.product;
    if (i < o->number_count) return o->number[i].value;
    const double *value = nnx_groups_number(o, i - o->number_count).value;
    return value ? *value : NAN;
}

static ag_status out_of_range(const nn_optim *o, size_t i, double value, ag_error *error) {
    return ag_fail(error, AG_ERROR_VALUE, "%s: \"%s\" cannot be %g", o->rule->name, nn_optim_number_name(o, i),
                   value);
}

ag_status nn_optim_set_number(nn_optim *o, size_t i, double value, ag_error *error) {
    const double most = (double)most_steps;
    const size_t at = i;
    if (i == STEPS) {
        if (!(value >= 0 && value <= most && value == floor(value))) return out_of_range(o, at, value, error);
        o->steps = (int64_t)value;
        return AG_OK;
    }
    if (i == LR) {
        if (!nnx_is_rate(value)) return out_of_range(o, at, value, error);
        o->lr = value;
        return AG_OK;
    }
    i -= FIXED;
    if (momenta(o) && i-- == 0) {
        if (!nnx_is_beta(value)) return out_of_range(o, at, value, error);
        o->own.beta1 = value;
        return AG_OK;
    }
    if (products(o) && i-- == 0) {
        if (!(value >= 0 && value <= 1)) return out_of_range(o, at, value, error);
        o->own.product = value;
        return AG_OK;
    }
    if (i < o->number_count) {
        nnx_number *n = &o->number[i];
        if (!(value >= n->least && value <= n->most) || (n->whole && value != floor(value)))
            return out_of_range(o, at, value, error);
        n->value = value;
        return AG_OK;
    }
    const nnx_group_number n = nnx_groups_number(o, i - o->number_count);
    if (!n.value) return ag_fail(error, AG_ERROR_INDEX, "%s: has no number %zu", o->rule->name, at);
    if (n.beta ? !(value >= 0 && value <= 1) : !nnx_is_rate(value)) return out_of_range(o, at, value, error);
    *n.value = value;
    return AG_OK;
}
