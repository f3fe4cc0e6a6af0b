/* conformance_nn_recurrent: the recurrent family through layers. The operands behind the first are weights, written into
 * the module under the names that parameter_names gives them. */
#include "conformance_nn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OUTPUTS = 3 }; /* y, h and c */

typedef struct layer {
    const op_case *c;
    nn_module *m;
    nn_params *p;
    ag_tape *t;
    double *scratch; /* room for the largest array of the case */
    char *text;
} layer;

static int64_t attr(const op_case *c, const char *key, int64_t absent) {
    const json_t *value = json_object_get(c->attrs, key);
    if (json_is_boolean(value)) return json_is_true(value);
    return json_is_integer(value) ? (int64_t)json_integer_value(value) : absent;
}

/* The operand of a parameter; NULL: the case has none of that name, or null. */
static const case_array *operand(const op_case *c, const char *name, const case_arrays *of) {
    const json_t *names = json_object_get(c->attrs, "parameter_names");
    for (size_t i = 0; i < json_array_size(names) && (int)i + 1 < of->n; i++) {
        const char *text = json_string_value(json_array_get(names, i));
        if (text && strcmp(text, name) == 0) return of->v[i + 1].present ? &of->v[i + 1] : NULL;
    }
    return NULL;
}

/* Every attribute must be one that is read below. */
static bool attrs_known(const op_case *c, char *text) {
    static const char *const known[] = {"input_size",    "hidden_size", "num_layers", "parameter_names", "layout",
                                        "bidirectional", "embed_dim",   "num_heads",  "is_causal"};
    const char *key;
    json_t *value;
    json_object_foreach(c->attrs, key, value) {
        bool found = false;
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) found = found || strcmp(key, known[i]) == 0;
        if (found) continue;
        snprintf(text, CASE_TEXT, "attribute \"%s\" is not known", key);
        return false;
    }
    return true;
}

/* The order of the first two axes; without a layout PyTorch's usual one, time first. */
static const char *const batch_first_layout = "batch,time,feature", *const time_first_layout =
                                                                        "time,batch,feature";

static const char *layout_of(const op_case *c) {
    const json_t *layout = json_object_get(c->attrs, "layout");
    return layout ? json_string_value(layout) : time_first_layout;
}

static nn_module *make_module(const op_case *c, ag_error *error) {
    const int64_t layers = attr(c, "num_layers", 1);
    const nn_recurrent_options o = {
        .layers = layers >= 1 && layers <= CASE_ARRAYS ? (int)layers : -1,
        .bidirectional = attr(c, "bidirectional", 0) != 0,
        .batch_first = strcmp(layout_of(c), batch_first_layout) == 0,
        .no_bias = !operand(c, "bias_ih_l0", &c->inputs),
    };
    const int64_t n = attr(c, "input_size", 0), hidden = attr(c, "hidden_size", 0);
    if (strcmp(c->op, "multihead_attention") == 0) {
        const nn_attention_options a = {.no_bias = !operand(c, "in_proj_bias", &c->inputs),
                                        .causal = attr(c, "is_causal", 0) != 0};
        return nn_multihead_attention(attr(c, "embed_dim", 0), attr(c, "num_heads", 0), &a, error);
    }
    if (strcmp(c->op, "rnn_tanh") == 0) return nn_rnn(n, hidden, AG_RNN_TANH, &o, error);
    if (strcmp(c->op, "rnn_relu") == 0) return nn_rnn(n, hidden, AG_RNN_RELU, &o, error);
    if (strcmp(c->op, "gru") == 0) return nn_gru(n, hidden, &o, error);
    if (strcmp(c->op, "lstm") == 0) return nn_lstm(n, hidden, &o, error);
    (void)ag_fail(error, AG_ERROR_NAME, "no layer is called %s", c->op);
    return NULL;
}

static bool same_shape(const case_array *a, const ag_meta *meta) {
    bool same = a->rank == meta->rank;
    for (int d = 0; same && d < a->rank; d++) same = a->dim[d] == meta->dim[d];
    return same;
}

/* All parameters of the module from the operands: none missing, none left over. */
static bool load_weights(layer *l) {
    int given = 0;
    for (int i = 1; i < l->c->inputs.n; i++) given += l->c->inputs.v[i].present;
    if ((size_t)given != nn_params_count(l->p)) {
        snprintf(l->text, CASE_TEXT, "it has %d weights, the layer %zu parameters", given, nn_params_count(l->p));
        return false;
    }
    for (size_t k = 0; k < nn_params_count(l->p); k++) {
        ag_tensor *x = nn_params_tensor(l->p, k);
        const case_array *a = operand(l->c, nn_params_name(l->p, k), &l->c->inputs);
        if (a && same_shape(a, ag_tensor_meta(x)) && ag_tensor_write_f64(x, a->data, a->count) == AG_OK) continue;
        snprintf(l->text, CASE_TEXT, "parameter \"%s\" is not among the operands, or of another shape",
                 nn_params_name(l->p, k));
        return false;
    }
    return true;
}

static bool compare_value(layer *l, const char *what, const case_array *expected, ag_value got, bool adjoint) {
    const ag_meta *meta = ag_meta_of(got);
    if (!meta || !same_shape(expected, meta)) {
        snprintf(l->text, CASE_TEXT, "%s: %s", what, meta ? "another shape than expected" : ag_tape_message(l->t));
        return false;
    }
    const ag_status status =
        adjoint ? ag_adjoint_f64(got, l->scratch, expected->count) : ag_read_f64(got, l->scratch, expected->count);
    if (status == AG_OK)
        return numbers_agree(what, expected->count, expected->data, l->scratch, 1e-12, 1e-9, l->text);
    snprintf(l->text, CASE_TEXT, "%s: %s", what, ag_tape_message(l->t));
    return false;
}

static bool compare_gradients(layer *l, ag_value x) {
    const op_case *c = l->c;
    if (c->grads.v[0].present && !compare_value(l, "gradient of the input", &c->grads.v[0], x, true)) return false;
    for (size_t k = 0; k < nn_params_count(l->p); k++) {
        ag_tensor *weight = nn_params_tensor(l->p, k);
        const case_array *expected = operand(c, nn_params_name(l->p, k), &c->grads);
        const double *gradient = ag_tensor_grad(weight);
        if (!expected) continue;
        if (!gradient) {
            snprintf(l->text, CASE_TEXT, "\"%s\" has no gradient", nn_params_name(l->p, k));
            return false;
        }
        if (!numbers_agree(nn_params_name(l->p, k), expected->count, expected->data, gradient, 1e-12, 1e-9,
                           l->text))
            return false;
    }
    return true;
}

static bool run_pass(layer *l) {
    const op_case *c = l->c;
    const case_array *in = &c->inputs.v[0];
    nn_pass pass = {l->t, true};
    const ag_value x = ag_array_leaf(l->t, AG_F64, in->rank, in->dim, in->data);
    ag_value y[OUTPUTS] = {{0}};
    ag_cell_state last = {{0}, {0}};
    if (strcmp(c->op, "multihead_attention") == 0) {
        const bool turned = in->rank == 3 && strcmp(layout_of(c), time_first_layout) == 0;
        y[0] = nn_forward(l->m, &pass, turned ? ag_transpose(x, 0, 1) : x);
        if (turned) y[0] = ag_transpose(y[0], 0, 1);
    } else {
        y[0] = nn_recurrent_run(l->m, &pass, x, NULL, NULL, &last);
    }
    y[1] = last.h;
    y[2] = last.c;
    for (int k = 0; k < c->outputs.n; k++)
        if (!compare_value(l, k ? "state" : "output", &c->outputs.v[k], y[k], false)) return false;
    if (!c->grads.present) return true;
    ag_value sum = ag_scalar_constant(l->t, 0);
    for (int k = 0; k < c->cotangents.n; k++) {
        const case_array *a = &c->cotangents.v[k];
        if (!a->present) continue;
        sum = ag_add(sum, ag_sum_all(ag_mul(y[k], ag_array_constant(l->t, AG_F64, a->rank, a->dim, a->data))));
    }
    if (ag_backward(sum) == AG_OK) return compare_gradients(l, x);
    snprintf(l->text, CASE_TEXT, "backward: %s", ag_tape_message(l->t));
    return false;
}

static bool check_form(const op_case *c, char *text) {
    bool good = c->inputs.n > 0 && c->inputs.v[0].present && c->outputs.n <= OUTPUTS &&
                json_array_size(json_object_get(c->attrs, "parameter_names")) == (size_t)c->inputs.n - 1;
    for (int k = 0; good && k < c->outputs.n; k++) good = c->outputs.v[k].present;
    const char *layout = layout_of(c);
    if (!good) {
        snprintf(text, CASE_TEXT, "it needs an input, a name for each weight, and 1 to 3 outputs");
    } else if (!layout || (strcmp(layout, batch_first_layout) != 0 && strcmp(layout, time_first_layout) != 0)) {
        snprintf(text, CASE_TEXT, "its layout is not known");
        good = false;
    }
    return good && attrs_known(c, text);
}

static bool run_case(const op_case *c, char *text) {
    if (!check_form(c, text)) return false;
    ag_error error = {AG_OK, ""};
    layer l = {.c = c, .text = text, .m = make_module(c, &error), .t = ag_tape_new(NULL)};
    int64_t most = 1;
    for (int i = 0; i < c->inputs.n; i++) most = c->inputs.v[i].count > most ? c->inputs.v[i].count : most;
    for (int k = 0; k < c->outputs.n; k++) most = c->outputs.v[k].count > most ? c->outputs.v[k].count : most;
    l.scratch = malloc((size_t)most * sizeof(double));
    if (l.m) l.p = nn_params_new(l.m, AG_F64, 1, &error);
    bool good = l.p && l.t && l.scratch;
    if (!good) snprintf(text, CASE_TEXT, "%s", error.status ? error.message : "out of memory");
    good = good && load_weights(&l) && run_pass(&l);
    free(l.scratch);
    ag_tape_free(l.t);
    nn_params_free(l.p);
    nn_module_free(l.m);
    return good;
}

void run_recurrent(json_t *cases, const char *path, tally *sum) {
    if (!json_is_array(cases)) {
        tally_case(sum, path, false, "is not an array");
        return;
    }
    size_t i;
    json_t *object;
    json_array_foreach(cases, i, object) {
        op_case c;
        char text[CASE_TEXT] = "";
        const bool good = case_read(object, &c, text) && run_case(&c, text);
        tally_case(sum, c.name, good, text);
        case_clear(&c);
    }
}
