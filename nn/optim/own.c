/* own: an optimiser from an operation that a user brings. It is an optimiser like all others: the row is checked and
 * registered, and its steps, state and groups are those of optim.c.
 * Not here: groups with constants of their own but for the rate - the rule's constants are its author's. */
#include "optim_impl.h"

typedef struct own {
    nn_optim base;
    nn_rule rule;
} own;

static void fill(const nn_optim *o, const nnx_constants *c, double lr, void *attrs) {
    const nn_rule *r = &((const own *)o)->rule;
    (void)c;
    if (r->attrs) r->attrs(r->user, lr, o->steps + 1, attrs);
}

/* What is wrong; NULL: nothing. */
static const char *fault(const nn_rule *r, double lr) {
    if (!r || !r->op) return "needs a rule and its operation";
    if (!nnx_is_rate(lr)) return "needs a finite rate of at least 0";
    if (r->state_count > NNX_RULE_STATES || (r->state_count && !r->state)) return "needs 0 to 3 names of state";
    const uint32_t n = 2 + (uint32_t)r->state_count;
    if (n < r->op->min_in || n > r->op->max_in || r->op->outputs != n - 1 || !r->op->forward)
        return "its operation must take {p, g, state...} and give {p, state...}";
    if (r->op->attr_size > NNX_ATTRS_SIZE) return "its attributes have more than 128 bytes";
    if ((r->op->attr_size > 0) != (r->attrs != NULL))
        return "needs attributes and a function that fills them, or neither";
    return NULL;
}

nn_optim *nn_optim_of(nn_params *params, double lr, const nn_rule *rule, ag_error *error) {
    const char *why = fault(rule, lr);
    if (why) return nnx_optim_refuse("nn_optim_of", why, error);
    const own model = {.base = {.size = sizeof(own),
                                .rule = rule->op,
                                .state_name = rule->state,
                                .state_count = rule->state_count,
                                .apart = !(rule->op->traits & AG_TRAIT_ELEMENTWISE),
                                .attrs = fill,
                                .lr = lr},
                       .rule = *rule};
    return nnx_optim_new(&model.base, params, error);
}
