/* module: the tree of modules and what they declare.
 *
 * A module owns its children and its nn_param declarations, both in lists in the order they were added. Names
 * are unique within a module and hold no dot, so a path ("encoder.0.weight") names one parameter of a tree.
 * The tree is walked through parent and next pointers: its depth costs no stack.
 * Not here: storage and names by path (param.c). */
#include "module.h"

#include "module_impl.h"

#include <string.h>

void *nn_module_new(size_t size, const char *type, nn_forward_function *forward, ag_error *error) {
    if (size < sizeof(nn_module) || !type || !forward) {
        (void)ag_fail(error, AG_ERROR_VALUE, "module %s: needs a type, a function and room for an nn_module",
                      type ? type : "(no type)");
        return NULL;
    }
    nn_module *m = ag_alloc_zeroed(size);
    if (!m) {
        (void)ag_fail(error, AG_ERROR_MEMORY, "module %s: no memory for %zu bytes", type, size);
        return NULL;
    }
    m->type = type;
    m->forward = forward;
    m->size = size;
    return m;
}

static void free_param(nn_param *p) {
    ag_release_string(p->name);
    ag_release(p, sizeof *p);
}

void nn_module_free(nn_module *m) {
    if (!m || m->parent) return;
    while (m) {
        while (m->children) m = m->children;
        nn_module *const parent = m->parent;
        if (parent) parent->children = m->next; /* the first child goes first: the list shrinks from its head */
        if (m->destroy) m->destroy(m);
        for (nn_param *p = m->params, *next; p; p = next) {
            next = p->next;
            free_param(p);
        }
        ag_release_string(m->name);
        ag_release(m, m->size);
        m = parent;
    }
}

void *nn_module_free_null(nn_module *m) {
    nn_module_free(m);
    return NULL;
}

nn_module *nnx_module_after(const nn_module *root, nn_module *m) {
    if (m->children) return m->children;
    while (m != root && !m->next) m = m->parent;
    return m == root ? NULL : m->next;
}

/* Parameters and children share one space of names. */
static ag_status check_name(const nn_module *m, const char *name, ag_error *error) {
    if (!name || !*name) return ag_fail(error, AG_ERROR_NAME, "module %s: empty name", m->type);
    if (strchr(name, '.'))
        return ag_fail(error, AG_ERROR_NAME, "module %s: name \"%s\" has a dot, which separates names in a path",
                       m->type, name);
    bool taken = false;
    for (const nn_param *p = m->params; p && !taken; p = p->next) taken = strcmp(p->name, name) == 0;
    for (const nn_module *c = m->children; c && !taken; c = c->next) taken = strcmp(c->name, name) == 0;
    if (taken) return ag_fail(error, AG_ERROR_NAME, "module %s: name \"%s\" is taken", m->type, name);
    return AG_OK;
}

static nn_param *declare(nn_module *m, const char *name, const nn_param *model, const int64_t *dim,
                         ag_error *error) {
    if (check_name(m, name, error)) return NULL;
    ag_error why = {AG_OK, ""};
    ag_meta meta; /* only to judge the shape, at the widest dtype a parameter can have */
    if (ag_meta_init(&meta, AG_F64, model->rank, dim, &why)) {
        (void)ag_fail(error, why.status, "module %s, parameter \"%s\": %s", m->type, name, why.message);
        return NULL;
    }
    nn_param *p = ag_alloc(sizeof *p);
    char *copy = ag_copy_string(name);
    if (!p || !copy) {
        ag_release(p, sizeof *p);
        ag_release_string(copy);
        (void)ag_fail(error, AG_ERROR_MEMORY, "module %s, parameter \"%s\": no memory", m->type, name);
        return NULL;
    }
    *p = *model;
    p->name = copy;
    for (int k = 0; k < p->rank; k++) p->dim[k] = dim[k];
    if (m->last_param)
        m->last_param->next = p;
    else
        m->params = p;
    m->last_param = p;
    return p;
}

nn_param *nn_module_param(nn_module *m, const char *name, int rank, const int64_t *dim, nn_init init,
                          ag_error *error) {
    return declare(m, name, &(const nn_param){.rank = rank, .init = init}, dim, error);
}

nn_param *nn_module_buffer(nn_module *m, const char *name, ag_dtype dtype, int rank, const int64_t *dim,
                           double value, ag_error *error) {
    if (dtype != AG_I64 && !(dtype < AG_DTYPE_COUNT && ag_dtype_is_float(dtype))) {
        (void)ag_fail(error, AG_ERROR_DTYPE, "module %s, buffer \"%s\": needs i64 or a floating dtype", m->type,
                      name ? name : "");
        return NULL;
    }
    const nn_param model = {.rank = rank, .init = nn_init_constant(value), .buffer = true, .dtype = dtype};
    return declare(m, name, &model, dim, error);
}

ag_status nn_module_child(nn_module *m, const char *name, nn_module *child, ag_error *error) {
    if (!child) {
        if (error && error->status) return error->status; /* the constructor has said why */
        return ag_fail(error, AG_ERROR_VALUE, "module %s: child \"%s\" is NULL", m->type, name ? name : "");
    }
    ag_status status = check_name(m, name, error);
    if (status) return status;
    if (child->parent)
        return ag_fail(error, AG_ERROR_STATE, "module %s: child \"%s\" (%s) belongs to a module already", m->type,
                       name, child->type);
    for (const nn_module *above = m; above; above = above->parent)
        if (above == child)
            return ag_fail(error, AG_ERROR_STATE, "module %s: child \"%s\" would contain itself", m->type, name);
    char *copy = ag_copy_string(name);
    if (!copy) return ag_fail(error, AG_ERROR_MEMORY, "module %s, child \"%s\": no memory", m->type, name);
    child->name = copy;
    child->parent = m;
    if (m->last_child)
        m->last_child->next = child;
    else
        m->children = child;
    m->last_child = child;
    return AG_OK;
}

void nnx_enter(const nn_module *m, nn_pass *pass) {
    if (m->name) ag_scope_begin(pass->tape, m->name);
}

ag_value nnx_leave(nn_module *m, nn_pass *pass, ag_value y) {
    if (m->name) ag_scope_end(pass->tape);
    const ag_meta *meta = m->result ? ag_meta_of(y) : NULL;
    if (meta) *m->result = *meta;
    return y;
}

ag_value nn_forward(nn_module *m, nn_pass *pass, ag_value x) {
    if (!m) return ag_tape_fail(pass->tape, AG_ERROR_VALUE, "nn_forward: the module is NULL");
    nnx_enter(m, pass);
    return nnx_leave(m, pass, m->forward(m, pass, x));
}

ag_value nn_use(nn_pass *pass, nn_param *p) {
    if (!p) return ag_tape_fail(pass->tape, AG_ERROR_VALUE, "nn_use: the parameter is NULL");
    if (!p->tensor)
        return ag_tape_fail(pass->tape, AG_ERROR_STATE,
                            "nn_use: parameter \"%s\" has no numbers yet: call nn_params_new", p->name);
    return p->buffer ? ag_constant(pass->tape, p->tensor) : ag_leaf(pass->tape, p->tensor);
}
