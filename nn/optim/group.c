/* group: constants for some of the parameters.
 *
 * The slab stays one. Its parameters, in order, are divided into runs: stretches of neighbours of one group (one
 * parameter each where the rule looks at whole parameters). A run has views of the slab, of the gradient and of
 * every state tensor, made when a group is added, so that a step allocates nothing.
 * A new group is built beside the old division and takes its place when all of it stands. */
#include "optim_impl.h"
#include "../param_impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NUMBERS = 5, NAME_SIZE = 48 };

typedef struct group {
    nnx_constants is;
    char name[NUMBERS][NAME_SIZE];
} group;

typedef struct run {
    size_t group;
    ag_tensor *slab, *gradient, *state[NNX_RULE_STATES]; /* (length) views */
    ag_tensor *result[1 + NNX_RULE_STATES];              /* (length) views of scratch, where the rule is apart */
} run;

struct nnx_groups {
    size_t params; /* in the slab */
    size_t *of;    /* (params) */
    size_t count;  /* groups */
    group *group;  /* (count); number i of the public count from 1 is i - 1 here */
    size_t runs;
    run *run; /* (params), the first `runs` in use */
    ag_tensor *scratch[1 + NNX_RULE_STATES];
};

void nnx_groups_free(nnx_groups *g) {
    if (!g) return;
    for (size_t i = 0; g->run && i < g->params; i++) {
        for (int k = 1 + NNX_RULE_STATES; k-- > 0;) ag_tensor_free(g->run[i].result[k]);
        for (int k = NNX_RULE_STATES; k-- > 0;) ag_tensor_free(g->run[i].state[k]);
        ag_tensor_free(g->run[i].gradient);
        ag_tensor_free(g->run[i].slab);
    }
    for (int k = 1 + NNX_RULE_STATES; k-- > 0;) ag_tensor_free(g->scratch[k]);
    ag_release(g->run, g->params * sizeof *g->run);
    ag_release(g->group, g->count * sizeof *g->group);
    ag_release(g->of, g->params * sizeof *g->of);
    ag_release(g, sizeof *g);
}

/* ---- runs --------------------------------------------------------------------------------------------------- */

/* Where parameter i ends in the slab, its padding with it. */
static int64_t end_of(const nn_params *p, size_t i) {
    return i + 1 < nn_params_count(p) ? nnx_params_offset(p, i + 1) : ag_tensor_count(nn_params_slab(p));
}

static bool view(ag_tensor **part, ag_tensor *whole, int64_t offset, int64_t length, ag_error *error) {
    *part = ag_tensor_part(whole, offset, 1, &length, error);
    return *part != NULL;
}

static ag_status run_make(run *r, const nn_optim *o, const nnx_groups *g, int64_t begin, int64_t end,
                          ag_error *error) {
    const int64_t n = end - begin;
    bool ok = view(&r->slab, nn_params_slab(o->params), begin, n, error) &&
              view(&r->gradient, nnx_params_gradients(o->params), begin, n, error);
    for (size_t k = 0; ok && k < o->state_count; k++) ok = view(&r->state[k], o->state[k], begin, n, error);
    for (size_t k = 0; ok && o->apart && k <= o->state_count; k++)
        ok = view(&r->result[k], g->scratch[k], 0, n, error);
    return ok ? AG_OK : AG_ERROR_MEMORY;
}

/* The runs of g->of. */
static ag_status divide(nnx_groups *g, const nn_optim *o, ag_error *error) {
    const nn_params *p = o->params;
    int64_t longest = 0;
    for (size_t i = 0; i < g->params; i++) {
        const int64_t length = end_of(p, i) - nnx_params_offset(p, i);
        if (length > longest) longest = length;
    }
    const ag_dtype dtype = ag_tensor_meta(nn_params_slab(p))->dtype;
    for (size_t k = 0; o->apart && k <= o->state_count; k++)
        if (!(g->scratch[k] = ag_tensor_new(dtype, 1, &longest, error))) return AG_ERROR_MEMORY;
    for (size_t i = 0; i < g->params;) {
        size_t last = i;
        while (!o->apart && last + 1 < g->params && g->of[last + 1] == g->of[i]) last++;
        run *r = &g->run[g->runs++];
        r->group = g->of[i];
        ag_status status = run_make(r, o, g, nnx_params_offset(p, i), end_of(p, last), error);
        if (status) return status;
        i = last + 1;
    }
    return AG_OK;
}

/* Room for `count` groups; what the old division holds is copied. */
static nnx_groups *groups_copy(const nn_optim *o, size_t count, ag_error *error) {
    const nnx_groups *old = o->groups;
    nnx_groups *g = ag_alloc_zeroed(sizeof *g);
    size_t bytes = 0;
    if (g) {
        g->params = nn_params_count(o->params);
        g->count = count;
        if (ag_size_mul(g->params, sizeof *g->run, &bytes) && ag_size_mul(count, sizeof *g->group, &bytes)) {
            g->of = ag_alloc_zeroed(g->params * sizeof *g->of);
            g->group = ag_alloc_zeroed(bytes);
            g->run = ag_alloc_zeroed(g->params * sizeof *g->run);
        }
    }
    if (!g || !g->of || !g->group || !g->run) {
        nnx_groups_free(g);
        (void)ag_fail(error, AG_ERROR_MEMORY, "%s: no memory for its groups", o->rule->name);
        return NULL;
    }
    if (old) {
        if (g->params) memcpy(g->of, old->of, g->params * sizeof *g->of);
        if (old->count) memcpy(g->group, old->group, old->count * sizeof *g->group);
    }
    return g;
}

ag_status nnx_groups_new(nn_optim *o, ag_error *error) {
    o->groups = groups_copy(o, 0, error);
    return o->groups ? divide(o->groups, o, error) : AG_ERROR_MEMORY; /* nn_optim_free releases what stands */
}

ag_status nnx_groups_run(nn_optim *o, ag_error *error) {
    const nnx_groups *g = o->groups;
    (void)ag_tensor_write(nn_params_slab(o->params)); /* a run's view has a version of its own */
    for (size_t i = 0; i < g->runs; i++) {
        const run *r = &g->run[i];
        ag_status status = nnx_optim_run(o, r->slab, r->gradient, r->state, o->apart ? r->result : NULL,
                                         r->group ? &g->group[r->group - 1].is : &o->own, error);
        if (status) return status; /* of a number that is wrong for all: the first run refuses it */
    }
    return AG_OK;
}

/* ---- adding one --------------------------------------------------------------------------------------------- */

/* '*' is any text, '?' any character. The last star may take more whenever what follows it does not fit. */
static bool matches(const char *pattern, const char *text) {
    const char *star = NULL, *from = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = ++pattern;
            from = text;
        } else if (*pattern == '?' || *pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star;
            text = ++from;
        } else {
            return false;
        }
    }
    while (*pattern == '*') pattern++;
    return !*pattern;
}

/* Puts the parameters that the group names into group number n. */
static ag_status enlist(nnx_groups *g, const nn_optim *o, const nn_group *added, size_t n, ag_error *error) {
    size_t found = 0;
    for (size_t i = 0; added->pattern && i < g->params; i++) {
        if (!matches(added->pattern, nn_params_name(o->params, i))) continue;
        g->of[i] = n;
        found++;
    }
    if (added->pattern && !found)
        return ag_fail(error, AG_ERROR_NAME, "nn_optim_group: no parameter matches \"%s\"", added->pattern);
    for (size_t k = 0; added->names && k < added->name_count; k++) {
        size_t i = 0;
        while (i < g->params && strcmp(added->names[k], nn_params_name(o->params, i))) i++;
        if (i == g->params)
            return ag_fail(error, AG_ERROR_NAME, "nn_optim_group: there is no parameter \"%s\"", added->names[k]);
        g->of[i] = n;
    }
    return AG_OK;
}

/* A group's own constant. Wrong: out of range, or given where the rule has none. */
static ag_status constant(const char *name, double given, double inherited, bool taken, bool beta, double *value,
                          ag_error *error) {
    if (given != 0 && !taken)
        return ag_fail(error, AG_ERROR_VALUE, "nn_optim_group: the rule has no %s to set", name);
    *value = nnx_option(given, inherited);
    if (beta ? nnx_is_beta(*value) : nnx_is_rate(*value)) return AG_OK;
    return ag_fail(error, AG_ERROR_VALUE, "nn_optim_group: %s %g; needs %s", name, given,
                   beta ? "a number in [0, 1)" : "a finite number of at least 0");
}

static ag_status constants(const nn_optim *o, const nn_group *g, nnx_constants *c, ag_error *error) {
    const nnx_constants *own = &o->own;
    *c = *own;
    c->maximize = own->maximize || g->maximize;
    ag_status status = constant("lr_scale", g->lr_scale, 1, true, false, &c->lr_scale, error);
    if (!status)
        status = constant("weight_decay", g->weight_decay, own->weight_decay, o->takes & NNX_DECAY, false,
                          &c->weight_decay, error);
    if (!status) status = constant("beta1", g->beta1, own->beta1, o->takes & NNX_BETA1, true, &c->beta1, error);
    if (!status) status = constant("beta2", g->beta2, own->beta2, o->takes & NNX_BETA2, true, &c->beta2, error);
    return status;
}

ag_status nn_optim_group(nn_optim *o, const nn_group *added, ag_error *error) {
    if (o->minimise) return ag_fail(error, AG_ERROR_STATE, "nn_optim_group: %s has no groups", o->rule->name);
    if (!added->pattern && !(added->names && added->name_count))
        return ag_fail(error, AG_ERROR_VALUE, "nn_optim_group: neither a pattern nor names");
    nnx_constants c;
    ag_status status = constants(o, added, &c, error);
    if (status) return status;
    const size_t n = nn_optim_group_count(o) + 1;
    nnx_groups *g = groups_copy(o, n, error);
    if (!g) return AG_ERROR_MEMORY;
    static const char *const member[NUMBERS] = {"lr_scale", "weight_decay", "beta1", "beta2", "mu_product"};
    g->group[n - 1].is = c;
    for (size_t k = 0; k < NUMBERS; k++)
        (void)snprintf(g->group[n - 1].name[k], NAME_SIZE, "group.%zu.%s", n, member[k]);
    status = enlist(g, o, added, n, error);
    if (!status) status = divide(g, o, error);
    if (status) {
        nnx_groups_free(g);
        return status;
    }
    nnx_groups_free(o->groups);
    o->groups = g;
    return AG_OK;
}

/* ---- reading ------------------------------------------------------------------------------------------------ */

size_t nn_optim_group_count(const nn_optim *o) { return o->groups ? o->groups->count : 0; }

size_t nn_optim_group_of(const nn_optim *o, const char *path) {
    for (size_t i = 0; path && i < nn_params_count(o->params); i++)
        if (!strcmp(path, nn_params_name(o->params, i))) return o->groups ? o->groups->of[i] : 0;
    return SIZE_MAX;
}

nnx_constants *nnx_groups_constants(const nnx_groups *g, size_t i) { return &g->group[i - 1].is; }

double nn_optim_group_lr(const nn_optim *o, size_t i) {
    if (i > nn_optim_group_count(o)) return NAN;
    return o->lr * (i ? nnx_groups_constants(o->groups, i)->lr_scale : 1);
}

size_t nnx_groups_number_count(const nn_optim *o) { return NUMBERS * nn_optim_group_count(o); }

nnx_group_number nnx_groups_number(const nn_optim *o, size_t i) {
    if (i >= nnx_groups_number_count(o)) return (nnx_group_number){.name = NULL};
    group *g = &o->groups->group[i / NUMBERS];
    double *const value[NUMBERS] = {&g->is.lr_scale, &g->is.weight_decay, &g->is.beta1, &g->is.beta2,
                                    &g->is.product};
    const size_t k = i % NUMBERS;
    return (nnx_group_number){.name = g->name[k], .value = value[k], .beta = k >= 2};
}
