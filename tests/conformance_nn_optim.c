/* conformance_nn_optim: trajectories of optimisers, and learning rates by schedule. What a name and its hyperparameters
 * mean is read here; one that is not known fails the case. */
#include "conformance_nn.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- optimisers -------------------------------------------------------------------------------------------------- */

/* Options of all rules, in PyTorch's words. */
typedef struct hyper {
    double lr, beta[2], eps, weight_decay, momentum, dampening, alpha, lr_decay, initial_accumulator_value, rho,
        momentum_decay, eta[2], step[2];
    bool nesterov, amsgrad, centered;
} hyper;

/* A number that was given: 0 itself, not the default that an options struct takes a 0 for. */
static double given(const json_t *value) {
    const double x = json_number_value(value);
    return x == 0 ? NN_ZERO : x;
}

static bool read_hyper(json_t *object, hyper *h, char *text) {
    const struct {
        const char *key;
        double *number;
        bool zero_is_default;
    } numbers[] = {{"lr", &h->lr, false},
                   {"eps", &h->eps, false},
                   {"weight_decay", &h->weight_decay, false},
                   {"momentum", &h->momentum, true},
                   {"dampening", &h->dampening, true},
                   {"alpha", &h->alpha, false},
                   {"lr_decay", &h->lr_decay, true},
                   {"initial_accumulator_value", &h->initial_accumulator_value, true},
                   {"rho", &h->rho, false},
                   {"momentum_decay", &h->momentum_decay, false}};
    const struct {
        const char *key;
        double *pair;
    } pairs[] = {{"betas", h->beta}, {"etas", h->eta}, {"step_sizes", h->step}};
    const struct {
        const char *key;
        bool *flag;
    } flags[] = {{"nesterov", &h->nesterov}, {"amsgrad", &h->amsgrad}, {"centered", &h->centered}};
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) {
        bool known = false;
        for (size_t i = 0; i < sizeof numbers / sizeof numbers[0] && json_is_number(value); i++) {
            if (strcmp(key, numbers[i].key) != 0) continue;
            *numbers[i].number = numbers[i].zero_is_default ? json_number_value(value) : given(value);
            known = true;
        }
        for (size_t i = 0; i < sizeof pairs / sizeof pairs[0] && json_array_size(value) == 2; i++) {
            if (strcmp(key, pairs[i].key) != 0) continue;
            for (size_t k = 0; k < 2; k++) pairs[i].pair[k] = given(json_array_get(value, k));
            known = true;
        }
        for (size_t i = 0; i < sizeof flags / sizeof flags[0] && json_is_boolean(value); i++) {
            if (strcmp(key, flags[i].key) != 0) continue;
            *flags[i].flag = json_is_true(value);
            known = true;
        }
        if (known) continue;
        snprintf(text, CASE_TEXT, "hyperparameter \"%s\" is not known, or not of its kind", key);
        return false;
    }
    return true;
}

static nn_optim *make_sgd(nn_params *p, double lr, const hyper *h, ag_error *error) {
    const nn_sgd_options o = {.momentum = h->momentum,
                              .dampening = h->dampening,
                              .weight_decay = h->weight_decay,
                              .nesterov = h->nesterov};
    return nn_sgd_with(p, lr, &o, error);
}
static nn_adam_options adam_options(const hyper *h) {
    return (nn_adam_options){.beta1 = h->beta[0],
                             .beta2 = h->beta[1],
                             .eps = h->eps,
                             .weight_decay = h->weight_decay,
                             .amsgrad = h->amsgrad};
}
static nn_optim *make_adam(nn_params *p, double lr, const hyper *h, ag_error *error) {
    const nn_adam_options o = adam_options(h);
    return nn_adam_with(p, lr, &o, error);
}
static nn_optim *make_adamw(nn_params *p, double lr, const hyper *h, ag_error *error) {
    const nn_adam_options o = adam_options(h);
    return nn_adamw(p, lr, &o, error);
}
static nn_optim *make_rmsprop(nn_params *p, double lr, const hyper *h, ag_error *error) {
    const nn_rmsprop_options o = {.alpha = h->alpha,
                                  .eps = h->eps,
                                  .weight_decay = h->weight_decay,
                                  .momentum = h->momentum,
                                  .centered = h->centered};
    return nn_rmsprop(p, lr, &o, error);
}
static nn_optim *make_adagrad(nn_params *p, double lr, const hyper *h, ag_error *error) {
    const nn_adagrad_options o = {.lr_decay = h->lr_decay,
                                  .weight_decay = h->weight_decay,
                                  .initial = h->initial_accumulator_value,
                                  .eps = h->eps};
    return nn_adagrad(p, lr, &o, error);
}
static nn_optim *make_adadelta(nn_params *p, double lr, const hyper *h, ag_error *error) {
    const nn_adadelta_options o = {.rho = h->rho, .eps = h->eps, .weight_decay = h->weight_decay};
    return nn_adadelta(p, lr, &o, error);
}
static nn_optim *make_adamax(nn_params *p, double lr, const hyper *h, ag_error *error) {
    const nn_adamax_options o = {
        .beta1 = h->beta[0], .beta2 = h->beta[1], .eps = h->eps, .weight_decay = h->weight_decay};
    return nn_adamax(p, lr, &o, error);
}
static nn_optim *make_nadam(nn_params *p, double lr, const hyper *h, ag_error *error) {
    const nn_nadam_options o = {.beta1 = h->beta[0],
                                .beta2 = h->beta[1],
                                .eps = h->eps,
                                .weight_decay = h->weight_decay,
                                .momentum_decay = h->momentum_decay};
    return nn_nadam(p, lr, &o, error);
}
static nn_optim *make_radam(nn_params *p, double lr, const hyper *h, ag_error *error) {
    const nn_radam_options o = {
        .beta1 = h->beta[0], .beta2 = h->beta[1], .eps = h->eps, .weight_decay = h->weight_decay};
    return nn_radam(p, lr, &o, error);
}
static nn_optim *make_rprop(nn_params *p, double lr, const hyper *h, ag_error *error) {
    const nn_rprop_options o = {
        .eta_minus = h->eta[0], .eta_plus = h->eta[1], .step_min = h->step[0], .step_max = h->step[1]};
    return nn_rprop(p, lr, &o, error);
}

/* With PyTorch's default rate. */
static const struct rule {
    const char *name;
    double lr;
    nn_optim *(*make)(nn_params *p, double lr, const hyper *h, ag_error *error);
} rules[] = {{"sgd", 1e-3, make_sgd},         {"adam", 1e-3, make_adam},       {"adamw", 1e-3, make_adamw},
             {"rmsprop", 1e-2, make_rmsprop}, {"adagrad", 1e-2, make_adagrad}, {"adadelta", 1, make_adadelta},
             {"adamax", 2e-3, make_adamax},   {"nadam", 2e-3, make_nadam},     {"radam", 1e-3, make_radam},
             {"rprop", 1e-2, make_rprop}};

/* A trajectory's name is the rule's, and behind an underscore what is special about it. */
static const struct rule *rule_of(const char *name) {
    const size_t length = name ? strcspn(name, "_") : 0;
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (length && strlen(rules[i].name) == length && strncmp(rules[i].name, name, length) == 0)
            return &rules[i];
    return NULL;
}

/* sum(a x^2 + b x^4), from x0. */
typedef struct objective {
    int64_t n;
    double *a, *b, *x0; /* (n) */
    double *expected;   /* (n) a step of a path */
} objective;

static bool read_numbers(const json_t *value, double *to, int64_t n) {
    if (!json_is_array(value) || (int64_t)json_array_size(value) != n) return false;
    for (int64_t i = 0; i < n; i++)
        if (!case_number(json_array_get(value, (size_t)i), &to[i])) return false;
    return true;
}

/* x as a module; its forward function is the objective. */
typedef struct point {
    nn_module base;
    const objective *of;
    nn_param *x;
} point;

static ag_value point_forward(nn_module *m, nn_pass *pass, ag_value unused) {
    (void)unused;
    const point *p = (point *)m;
    const int64_t n = p->of->n;
    const ag_value x = nn_use(pass, p->x), square = ag_mul(x, x);
    const ag_value a = ag_array_constant(pass->tape, AG_F64, 1, &n, p->of->a);
    const ag_value b = ag_array_constant(pass->tape, AG_F64, 1, &n, p->of->b);
    return ag_sum_all(ag_add(ag_mul(a, square), ag_mul(b, ag_mul(square, square))));
}

/* One step; false: `error` says why not. */
static bool step(nn_module *m, nn_optim *o, ag_tape *t, ag_error *error) {
    nn_pass pass = {t, true};
    const ag_mark mark = ag_tape_mark(t);
    nn_optim_zero_grad(o);
    (void)ag_backward(nn_forward(m, &pass, (ag_value){.tape = t}));
    const ag_status status = ag_tape_rewind(t, mark);
    if (status) return ag_fail(error, status, "%s", ag_tape_message(t)), false;
    return nn_optim_step(o, error) == AG_OK;
}

static bool follow(const objective *f, const struct rule *rule, const hyper *h, const json_t *path, char *text) {
    ag_error error = {AG_OK, ""};
    point *m = nn_module_new(sizeof *m, "point", point_forward, &error);
    if (m) {
        m->of = f;
        m->x = nn_module_param(&m->base, "x", 1, &f->n, nn_init_constant(0), &error);
    }
    nn_params *p = m && m->x ? nn_params_new(&m->base, AG_F64, 1, &error) : NULL;
    nn_optim *o = p ? rule->make(p, h->lr != 0 ? h->lr : rule->lr, h, &error) : NULL;
    ag_tape *t = ag_tape_new(NULL);
    bool good = o && t && ag_tensor_write_f64(m->x->tensor, f->x0, f->n) == AG_OK;
    for (size_t k = 0; good && k < json_array_size(path); k++) {
        char what[32];
        snprintf(what, sizeof what, "step %zu", k + 1);
        good = step(&m->base, o, t, &error);
        if (!good) break;
        good = read_numbers(json_array_get(path, k), f->expected, f->n);
        if (!good) {
            snprintf(text, CASE_TEXT, "%s is not of the form", what);
            break;
        }
        good = numbers_agree(what, f->n, f->expected, ag_tensor_data(m->x->tensor), 1e-10, 0, text);
    }
    if (!good && !text[0]) snprintf(text, CASE_TEXT, "%s", error.status ? error.message : "out of memory");
    ag_tape_free(t);
    nn_optim_free(o);
    nn_params_free(p);
    nn_module_free(m ? &m->base : NULL);
    return good;
}

static bool run_trajectory(const objective *f, json_t *object, char *text) {
    const char *name = json_string_value(json_object_get(object, "optimizer"));
    const json_t *path = json_object_get(object, "path");
    const struct rule *rule = rule_of(name);
    hyper h = {.lr = 0};
    if (!rule || !json_is_array(path) || json_array_size(path) == 0) {
        snprintf(text, CASE_TEXT, "%s", rule ? "it has no path" : "no optimiser is called so");
        return false;
    }
    return read_hyper(json_object_get(object, "hyper"), &h, text) && follow(f, rule, &h, path, text);
}

void run_optim(json_t *document, const char *path, tally *sum) {
    const char *text = json_string_value(json_object_get(document, "objective"));
    const json_t *trajectories = json_object_get(document, "trajectories");
    const size_t n = json_array_size(json_object_get(document, "x0"));
    double *room = n ? calloc(n, 4 * sizeof *room) : NULL;
    if (!room) {
        tally_case(sum, path, false, n ? "out of memory" : "is not of the form");
        return;
    }
    const objective f = {(int64_t)n, room, room + n, room + 2 * n, room + 3 * n};
    if (!text || strcmp(text, "sum(a*x^2 + b*x^4)") != 0 ||
        !read_numbers(json_object_get(document, "a"), f.a, f.n) ||
        !read_numbers(json_object_get(document, "b"), f.b, f.n) ||
        !read_numbers(json_object_get(document, "x0"), f.x0, f.n) || !json_is_array(trajectories)) {
        tally_case(sum, path, false, "is not of the form");
        free(room);
        return;
    }
    size_t i;
    json_t *object;
    json_array_foreach(trajectories, i, object) {
        char why[CASE_TEXT] = "", name[100];
        const char *optimizer = json_string_value(json_object_get(object, "optimizer"));
        snprintf(name, sizeof name, "optim/%s", optimizer ? optimizer : "(a trajectory without a name)");
        tally_case(sum, name, run_trajectory(&f, object, why), why);
    }
    free(room);
}
