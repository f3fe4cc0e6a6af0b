/* conformance_call: recording the operation that a case names.
 *
 * Operations are reached by name through ag_call. What differs between PyTorch's vocabulary and the rows' stands in
 * the tables here: renamed operations, renamed attributes, and attributes that only describe the operands. */
#include "conformance_call.h"

#include <stdio.h>
#include <string.h>

/* PyTorch's name, with an attribute whose text chooses the row; and ours. */
static const struct {
    const char *op, *key, *text, *row;
} renamed_ops[] = {
    {"pow_scalar", NULL, NULL, "pow_number"},
    {"gelu", "approximate", "none", "gelu"},
    {"gelu", "approximate", "tanh", "gelu_tanh"},
};

/* The first of ours that the row has is meant. */
static const struct {
    const char *key, *field;
} renamed_attrs[] = {
    {"dim", "axis"},         {"dim", "axes"},     {"dims", "axes"},        {"dim0", "axis0"},
    {"dim1", "axis1"},       {"dim2", "axis2"},   {"exponent", "c"},       {"n", "c"},
    {"alpha", "c"},          {"shift", "shifts"}, {"negative_slope", "c"}, {"start_dim", "start_axis"},
    {"end_dim", "end_axis"}, {"beta", "c"},       {"delta", "c"},
};

/* What the operands say already. */
static const char *const descriptions[] = {"weight_input",    "input_size", "hidden_size",
                                           "parameter_names", "layout",     "embed_dim"};

/* Networks that read sequences, and which order of the first two axes their rows take. */
static const struct {
    const char *op;
    bool batch_first;
} sequences[] = {
    {"rnn_tanh", false}, {"rnn_relu", false}, {"gru", false}, {"lstm", false}, {"multihead_attention", true}};

static const struct {
    const char *text;
    int64_t value;
} reductions[] = {{"mean", AG_REDUCTION_MEAN}, {"sum", AG_REDUCTION_SUM}, {"none", AG_REDUCTION_NONE}};

static bool listed(const char *key) {
    for (size_t i = 0; i < sizeof descriptions / sizeof descriptions[0]; i++) {
        if (strcmp(key, descriptions[i]) == 0) return true;
    }
    return false;
}

/* The row of a case; *chooser receives the attribute that chose it, if one did. */
static const ag_op *find_row(const op_case *c, const char **chooser) {
    for (size_t i = 0; i < sizeof renamed_ops / sizeof renamed_ops[0]; i++) {
        if (strcmp(c->op, renamed_ops[i].op) != 0) continue;
        const char *key = renamed_ops[i].key;
        const char *text = key ? json_string_value(json_object_get(c->attrs, key)) : NULL;
        if (key && !(text && strcmp(text, renamed_ops[i].text) == 0)) continue;
        *chooser = key;
        return ag_op_find(renamed_ops[i].row);
    }
    return ag_op_find(c->op);
}

static const ag_field *field_named(const ag_op *op, const char *name) {
    for (uint32_t i = 0; i < op->n_fields; i++) {
        if (strcmp(op->fields[i].name, name) == 0) return &op->fields[i];
    }
    return NULL;
}

static const ag_field *find_field(const ag_op *op, const char *key) {
    const ag_field *field = field_named(op, key);
    for (size_t i = 0; !field && i < sizeof renamed_attrs / sizeof renamed_attrs[0]; i++) {
        if (strcmp(key, renamed_attrs[i].key) == 0) field = field_named(op, renamed_attrs[i].field);
    }
    return field;
}

static bool read_ints(const json_t *value, ag_ints *list) {
    const bool single = json_is_integer(value);
    if (!single && (!json_is_array(value) || json_array_size(value) > AG_MAX_RANK)) return false;
    list->n = single ? 1 : (int)json_array_size(value);
    for (int i = 0; i < list->n; i++) {
        const json_t *v = single ? value : json_array_get(value, (size_t)i);
        if (!json_is_integer(v)) return false;
        list->v[i] = json_integer_value(v);
    }
    return true;
}

/* Also a list of one. */
static bool read_int(const json_t *value, int64_t *x) {
    if (json_is_array(value) && json_array_size(value) == 1) value = json_array_get(value, 0);
    const char *text = json_string_value(value);
    for (size_t i = 0; text && i < sizeof reductions / sizeof reductions[0]; i++) {
        if (strcmp(text, reductions[i].text) != 0) continue;
        *x = reductions[i].value;
        return true;
    }
    *x = json_integer_value(value);
    return json_is_integer(value);
}

static bool read_attr(const json_t *value, const ag_field *field, ag_attr *attr) {
    *attr = (ag_attr){.name = field->name, .kind = field->kind};
    switch (field->kind) {
    case AG_FIELD_INT: return read_int(value, &attr->as.integer);
    case AG_FIELD_REAL: return case_number(value, &attr->as.real);
    case AG_FIELD_BOOL: attr->as.boolean = json_is_true(value); return json_is_boolean(value);
    case AG_FIELD_INTS: return read_ints(value, &attr->as.ints);
    case AG_FIELD_RANDOM:
    case AG_FIELD_DTYPE: return false;
    }
    return false;
}

static bool refuse(const char *what, const char *name, char text[CASE_TEXT]) {
    snprintf(text, CASE_TEXT, "%s '%s'", what, name);
    return false;
}

static bool recorded(ag_tape *t, char text[CASE_TEXT]) {
    if (ag_tape_status(t) == AG_OK) return true;
    snprintf(text, CASE_TEXT, "%s", ag_tape_message(t));
    return false;
}

/* einsum has no row: it decomposes by its equation. */
static bool call_einsum(const op_case *c, ag_tape *t, const ag_value *in, ag_value *out, char text[CASE_TEXT]) {
    const char *equation = json_string_value(json_object_get(c->attrs, "equation"));
    if (!equation || json_object_size(c->attrs) != 1) return refuse("it needs one equation:", c->op, text);
    out[0] = ag_einsum(equation, in, c->inputs.n);
    return recorded(t, text);
}

/* split has no row: it records as many slices as there are parts, all of one size or of the sizes listed. */
static bool call_split(const op_case *c, ag_tape *t, const ag_value *in, ag_value *out, int *n,
                       char text[CASE_TEXT]) {
    json_t *size = json_object_get(c->attrs, "size"), *axis = json_object_get(c->attrs, "dim");
    ag_ints sizes = {0};
    if (!read_ints(size, &sizes) || (axis && !json_is_integer(axis)))
        return refuse("wrong kind of value for an attribute of", c->op, text);
    const int at = (int)json_integer_value(axis);
    *n = json_is_array(size) ? ag_split_sizes(in[0], sizes.v, sizes.n, at, out)
                             : ag_split(in[0], sizes.v[0], at, out, CASE_ARRAYS);
    return recorded(t, text);
}

/* pad's row holds the margins of four axes; its wrapper takes those of any. */
static bool call_pad(const op_case *c, ag_tape *t, const ag_value *in, ag_value *out, char text[CASE_TEXT]) {
    const json_t *list = json_object_get(c->attrs, "pad"), *constant = json_object_get(c->attrs, "value");
    int64_t margins[2 * AG_MAX_RANK];
    double value = 0;
    const size_t n = json_array_size(list);
    bool good = json_is_array(list) && n <= 2 * AG_MAX_RANK &&
                (!constant || json_is_null(constant) || case_number(constant, &value));
    for (size_t i = 0; good && i < n; i++) {
        good = json_is_integer(json_array_get(list, i));
        margins[i] = json_integer_value(json_array_get(list, i));
    }
    if (!good || json_object_size(c->attrs) != 1u + (constant != NULL))
        return refuse("it needs a list of margins and at most a value:", c->op, text);
    out[0] = ag_pad(in[0], margins, (int)n, value);
    return recorded(t, text);
}

/* Is the case's layout another than that of the row? Without one it is PyTorch's usual, time first. */
static bool find_turn(const op_case *c, bool *turned, char text[CASE_TEXT]) {
    const json_t *layout = json_object_get(c->attrs, "layout");
    const char *order = layout ? json_string_value(layout) : "time,batch,feature";
    *turned = false;
    for (size_t i = 0; i < sizeof sequences / sizeof sequences[0]; i++) {
        if (strcmp(c->op, sequences[i].op) != 0) continue;
        const bool batch_first = order && strcmp(order, "batch,time,feature") == 0;
        if (!batch_first && !(order && strcmp(order, "time,batch,feature") == 0))
            return refuse("its layout is not known:", order ? order : "no text", text);
        *turned = batch_first != sequences[i].batch_first && c->inputs.n > 0 && c->inputs.v[0].rank == 3;
    }
    return true;
}

bool case_call(const op_case *c, ag_tape *t, const ag_value *in, ag_value *out, int *n, char text[CASE_TEXT]) {
    *n = 1;
    if (strcmp(c->op, "einsum") == 0) return call_einsum(c, t, in, out, text);
    const char *chooser = NULL;
    if (strcmp(c->op, "pad") == 0) return call_pad(c, t, in, out, text);
    if (strcmp(c->op, "split") == 0) return call_split(c, t, in, out, n, text);
    const ag_op *op = find_row(c, &chooser);
    if (!op) return refuse("there is no operation", c->op, text);
    ag_attr attrs[CASE_ARRAYS];
    uint32_t n_attrs = 0;
    const char *key;
    json_t *value;
    json_object_foreach(c->attrs, key, value) {
        if (json_is_null(value) || (chooser && strcmp(key, chooser) == 0)) continue;
        const ag_field *field = find_field(op, key);
        if (!field && listed(key)) continue;
        if (!field || n_attrs == CASE_ARRAYS) return refuse("the operation has no attribute", key, text);
        if (!read_attr(value, field, &attrs[n_attrs++]))
            return refuse("wrong kind of value for attribute", key, text);
    }
    bool turned;
    if (!find_turn(c, &turned, text)) return false;
    ag_value operand[CASE_ARRAYS];
    for (int i = 0; i < c->inputs.n; i++) operand[i] = in[i];
    if (turned) operand[0] = ag_transpose(in[0], 0, 1);
    ag_call(t, op->name, operand, (uint32_t)c->inputs.n, &(const ag_attrs){n_attrs, attrs}, out);
    if (turned) out[0] = ag_transpose(out[0], 0, 1);
    *n = op->outputs;
    return recorded(t, text);
}
