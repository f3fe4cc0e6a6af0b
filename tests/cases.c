/* cases: see cases.h. */
#include "cases.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool case_number(const json_t *value, double *x) {
    if (json_is_number(value)) {
        *x = json_number_value(value);
        return true;
    }
    const char *text = json_string_value(value);
    if (!text) return false;
    if (strcmp(text, "nan") == 0)
        *x = NAN;
    else if (strcmp(text, "inf") == 0)
        *x = INFINITY;
    else if (strcmp(text, "-inf") == 0)
        *x = -INFINITY;
    else
        return false;
    return true;
}

/* An element of an array of that kind. */
static bool read_element(const json_t *value, ag_dtype kind, double *x) {
    if (kind == AG_F64) return case_number(value, x);
    if (kind == AG_BOOL && json_is_boolean(value)) {
        *x = json_is_true(value);
        return true;
    }
    if (!json_is_integer(value)) return false;
    *x = (double)json_integer_value(value);
    return kind == AG_I64 || *x == 0 || *x == 1;
}

static bool read_kind(const json_t *value, ag_dtype *kind) {
    static const struct {
        const char *name;
        ag_dtype kind;
    } kinds[] = {{"f64", AG_F64}, {"i64", AG_I64}, {"bool", AG_BOOL}};
    const char *text = json_string_value(value);
    for (size_t i = 0; text && i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(text, kinds[i].name) != 0) continue;
        *kind = kinds[i].kind;
        return true;
    }
    return false;
}

static bool read_shape(const json_t *value, case_array *x) {
    if (!json_is_array(value) || json_array_size(value) > AG_MAX_RANK) return false;
    x->rank = (int)json_array_size(value);
    x->count = 1;
    for (int d = 0; d < x->rank; d++) {
        const json_t *size = json_array_get(value, (size_t)d);
        if (!json_is_integer(size) || json_integer_value(size) < 0) return false;
        x->dim[d] = json_integer_value(size);
        if (!ag_int_mul(x->count, x->dim[d], &x->count)) return false;
    }
    return true;
}

static bool read_array(const json_t *value, case_array *x) {
    if (json_is_null(value)) return true;
    const json_t *data = json_object_get(value, "data");
    if (!json_is_object(value) || json_object_size(value) != 3 ||
        !read_kind(json_object_get(value, "kind"), &x->kind) || !read_shape(json_object_get(value, "shape"), x) ||
        !json_is_array(data) || (int64_t)json_array_size(data) != x->count)
        return false;
    x->data = malloc((size_t)x->count * sizeof(double) + 1);
    if (!x->data) return false;
    for (int64_t i = 0; i < x->count; i++) {
        if (!read_element(json_array_get(data, (size_t)i), x->kind, &x->data[i])) return false;
    }
    x->present = true;
    return true;
}

static bool read_arrays(const json_t *value, case_arrays *list) {
    if (!json_is_array(value) || json_array_size(value) > CASE_ARRAYS) return false;
    list->present = true;
    list->n = (int)json_array_size(value);
    for (int i = 0; i < list->n; i++) {
        if (!read_array(json_array_get(value, (size_t)i), &list->v[i])) return false;
    }
    return true;
}

static bool same_shape(const case_array *x, const case_array *y) {
    return x->rank == y->rank && memcmp(x->dim, y->dim, (size_t)x->rank * sizeof x->dim[0]) == 0;
}

/* Every array of `list` that is there has the shape of its counterpart. */
static bool fits(const case_arrays *list, const case_arrays *of) {
    if (!list->present) return true;
    if (list->n != of->n) return false;
    for (int i = 0; i < list->n; i++) {
        if (list->v[i].present && !(of->v[i].present && same_shape(&list->v[i], &of->v[i]))) return false;
    }
    return true;
}

bool case_read(json_t *object, op_case *c, char text[CASE_TEXT]) {
    *c = (op_case){.name = json_string_value(json_object_get(object, "name")),
                   .op = json_string_value(json_object_get(object, "op")),
                   .attrs = json_object_get(object, "attrs")};
    if (!c->name) c->name = "(a case without a name)";
    const struct {
        const char *key;
        case_arrays *list;
        bool required;
    } lists[] = {{"inputs", &c->inputs, true},          {"outputs", &c->outputs, true},
                 {"cotangents", &c->cotangents, false}, {"grads", &c->grads, false},
                 {"directions", &c->directions, false}, {"second", &c->second, false}};
    size_t keys = 3;
    if (!c->op || !json_is_object(c->attrs)) {
        snprintf(text, CASE_TEXT, "it needs a name, an op and attrs");
        return false;
    }
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        const json_t *value = json_object_get(object, lists[i].key);
        keys += value != NULL;
        if (value ? read_arrays(value, lists[i].list) : !lists[i].required) continue;
        snprintf(text, CASE_TEXT, "its %s are %s", lists[i].key, value ? "not of the form" : "missing");
        return false;
    }
    if (keys != json_object_size(object)) {
        snprintf(text, CASE_TEXT, "it has a key that the form does not know");
        return false;
    }
    if (!fits(&c->cotangents, &c->outputs) || !fits(&c->grads, &c->inputs) || !fits(&c->directions, &c->inputs) ||
        !fits(&c->second, &c->inputs) || (c->grads.present && !c->cotangents.present) ||
        c->directions.present != c->second.present || (c->second.present && !c->grads.present)) {
        snprintf(text, CASE_TEXT, "its arrays do not belong together");
        return false;
    }
    return true;
}

static case_arrays *list_of(op_case *c, int k) {
    case_arrays *const lists[] = {&c->inputs, &c->outputs, &c->cotangents, &c->grads, &c->directions, &c->second};
    return k < 6 ? lists[k] : NULL;
}

void case_clear(op_case *c) {
    case_arrays *list;
    for (int k = 0; (list = list_of(c, k)) != NULL; k++) {
        for (int i = 0; i < list->n; i++) free(list->v[i].data);
    }
}

double case_magnitude(const op_case *c) {
    double most = 0;
    const case_arrays *list;
    for (int k = 0; (list = list_of((op_case *)c, k)) != NULL; k++) {
        for (int i = 0; i < list->n; i++) {
            for (int64_t j = 0; list->v[i].present && j < list->v[i].count; j++) {
                double size = fabs(list->v[i].data[j]);
                if (isfinite(size) && size > most) most = size;
            }
        }
    }
    return most;
}
