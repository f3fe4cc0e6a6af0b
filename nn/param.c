/* param: the slab and the names of its parts, and the buffers beside it.
 *
 * The slab is one rank-1 tensor. Part k begins at a multiple of 64 bytes; what lies between parts is zero, in the
 * data and in the gradient, and stays so: update rules map zeros to zeros, and nothing else writes there.
 *
 * A gradient is zeroed lazily, part by part: the first backward that reaches a part overwrites what it holds. So the
 * buffer as a whole means something only after nnx_params_gradient has cleared the parts that were not reached.
 * `gradient` is a tensor over that buffer whose data, to the engine, is ordinary data: it has no state of its own
 * that could disagree with the parts'.
 * Not here: files (param_file.c), update rules (optim/). */
#include "param.h"

#include "module_impl.h"
#include "param_impl.h"
#include "table_impl.h"

#include <string.h>

enum { ALIGNMENT = 64 };

typedef struct entry { /* found by its tensor's name */
    ag_tensor *tensor;
    nn_param *declared;
    UT_hash_handle hh;
} entry;

struct nn_params {
    size_t count;        /* parameters */
    size_t kept;         /* and buffers, which come after them in the lists */
    int64_t elements;    /* of the parameters, padding not counted */
    ag_tensor *slab;     /* (padded elements) */
    ag_tensor *gradient; /* the same shape, over the slab's gradient buffer */
    ag_tensor **tensor;  /* (kept): parts of the slab, then buffers of their own */
    entry *entry;        /* (kept) */
    entry *by_path;
};

/* "0.weight": the names from below the root down to the parameter. Free with ag_release_string. */
static char *path_of(const nn_module *root, const nn_module *m, const nn_param *p) {
    size_t length = strlen(p->name);
    for (const nn_module *up = m; up != root; up = up->parent) length += strlen(up->name) + 1;
    char *path = ag_alloc(length + 1);
    if (!path) return NULL;
    char *at = path + length; /* filled from its end */
    *at = '\0';
    size_t n = strlen(p->name);
    at -= n;
    memcpy(at, p->name, n);
    for (const nn_module *up = m; up != root; up = up->parent) {
        *--at = '.';
        n = strlen(up->name);
        at -= n;
        memcpy(at, up->name, n);
    }
    return path;
}

/* Elements of a parameter, and with the padding behind it; false: more than can be counted. */
static bool extent(const nn_param *declared, ag_dtype dtype, int64_t *elements, int64_t *padded) {
    ag_meta meta;
    if (ag_meta_init(&meta, dtype, declared->rank, declared->dim, NULL)) return false;
    const int64_t step = ALIGNMENT / (int64_t)ag_dtype_size(dtype);
    *elements = ag_meta_count(&meta);
    if (*elements > INT64_MAX - step) return false;
    *padded = (*elements + step - 1) / step * step;
    return true;
}

/* Counts what lies below root. */
static ag_status survey(nn_module *root, ag_dtype dtype, nn_params *p, int64_t *padded, ag_error *error) {
    for (nn_module *m = root; m; m = nnx_module_after(root, m)) {
        for (const nn_param *declared = m->params; declared; declared = declared->next) {
            if (declared->tensor)
                return ag_fail(error, AG_ERROR_STATE, "nn_params_new: parameter \"%s\" is packed already",
                               ag_tensor_name(declared->tensor));
            p->kept++;
            if (declared->buffer) continue;
            int64_t elements, length;
            if (!extent(declared, dtype, &elements, &length) || length > INT64_MAX - *padded)
                return ag_fail(error, AG_ERROR_SHAPE, "nn_params_new: too many elements at \"%s\"",
                               declared->name);
            p->count++;
            p->elements += elements;
            *padded += length;
        }
    }
    return AG_OK;
}

/* Names tensor i by its path and enters it in the table. */
static ag_status enter(nn_params *p, size_t i, const nn_module *root, const nn_module *m, nn_param *declared,
                       ag_error *error) {
    entry *e = &p->entry[i];
    e->declared = declared;
    e->tensor = p->tensor[i];
    char *path = path_of(root, m, declared);
    ag_status status = path ? ag_tensor_set_name(e->tensor, path) : AG_ERROR_MEMORY;
    ag_release_string(path);
    if (!status) {
        const char *name = ag_tensor_name(e->tensor);
        HASH_ADD_KEYPTR(hh, p->by_path, name, strlen(name), e);
        if (!e->hh.tbl) status = AG_ERROR_MEMORY;
    }
    if (status) return ag_fail(error, status, "nn_params_new: no memory for the name of \"%s\"", declared->name);
    return AG_OK;
}

/* Parameter i: a part of the slab, with its first values. */
static ag_status pack(nn_params *p, size_t i, const nn_module *root, const nn_module *m, nn_param *declared,
                      int64_t offset, ag_random *random, ag_error *error) {
    p->tensor[i] = ag_tensor_part(p->slab, offset, declared->rank, declared->dim, error);
    if (!p->tensor[i]) return error && error->status ? error->status : AG_ERROR_MEMORY;
    ag_status status = enter(p, i, root, m, declared, error);
    if (status) return status;
    ag_error why = {AG_OK, ""};
    status = nn_init_fill(declared->init, p->tensor[i], random, &why);
    if (status) return ag_fail(error, status, "parameter \"%s\": %s", ag_tensor_name(p->tensor[i]), why.message);
    return AG_OK;
}

/* Buffer i: a tensor of its own. */
static ag_status set_aside(nn_params *p, size_t i, const nn_module *root, const nn_module *m, nn_param *declared,
                           ag_dtype dtype, ag_error *error) {
    ag_error why = {AG_OK, ""};
    p->tensor[i] = ag_tensor_new(declared->dtype == AG_I64 ? AG_I64 : dtype, declared->rank, declared->dim, &why);
    if (!p->tensor[i]) return ag_fail(error, why.status, "buffer \"%s\": %s", declared->name, why.message);
    ag_status status = enter(p, i, root, m, declared, error);
    if (!status) status = ag_tensor_fill(p->tensor[i], declared->init.a);
    return status;
}

static ag_status pack_all(nn_params *p, nn_module *root, ag_dtype dtype, int64_t padded, uint64_t seed,
                          ag_error *error) {
    size_t bytes;
    if (!ag_size_mul(p->kept, sizeof *p->entry, &bytes) || !(p->entry = ag_alloc_zeroed(bytes)) ||
        !(p->tensor = ag_alloc_zeroed(p->kept * sizeof *p->tensor)))
        return ag_fail(error, AG_ERROR_MEMORY, "nn_params_new: no memory for %zu parameters", p->kept);
    ag_error why = {AG_OK, ""};
    p->slab = ag_tensor_new(dtype, 1, &padded, &why);
    if (!p->slab) return ag_fail(error, why.status, "nn_params_new: the slab: %s", why.message);
    void *gradient = ag_tensor_grad_write(p->slab); /* zeros, before there are parts */
    if (gradient) p->gradient = ag_tensor_borrow(dtype, 1, &padded, gradient, NULL, error);
    if (!p->gradient)
        return ag_fail(error, AG_ERROR_MEMORY, "nn_params_new: no memory for a gradient of %lld %s",
                       (long long)padded, ag_dtype_name(dtype));
    ag_random random = {seed, 0};
    size_t i = 0, buffer = p->count;
    int64_t offset = 0;
    for (nn_module *m = root; m; m = nnx_module_after(root, m)) {
        for (nn_param *declared = m->params; declared; declared = declared->next) {
            ag_status status = declared->buffer ? set_aside(p, buffer++, root, m, declared, dtype, error)
                                                : pack(p, i++, root, m, declared, offset, &random, error);
            if (status) return status;
            if (declared->buffer) continue;
            int64_t elements, length = 0;
            (void)extent(declared, dtype, &elements, &length); /* it fitted when the slab was measured */
            offset += length;
        }
    }
    return AG_OK;
}

nn_params *nn_params_new(nn_module *root, ag_dtype dtype, uint64_t seed, ag_error *error) {
    if (!root) { /* a constructor failed, and has said why */
        if (!error || !error->status) (void)ag_fail(error, AG_ERROR_VALUE, "nn_params_new: the module is NULL");
        return NULL;
    }
    if (!ag_dtype_is_float(dtype) || dtype >= AG_DTYPE_COUNT) {
        (void)ag_fail(error, AG_ERROR_DTYPE, "nn_params_new: parameters are f32 or f64");
        return NULL;
    }
    nn_params *p = ag_alloc_zeroed(sizeof *p);
    if (!p) {
        (void)ag_fail(error, AG_ERROR_MEMORY, "nn_params_new: no memory");
        return NULL;
    }
    int64_t padded = 0;
    if (survey(root, dtype, p, &padded, error) || pack_all(p, root, dtype, padded, seed, error)) {
        nn_params_free(p);
        return NULL;
    }
    for (size_t i = 0; i < p->kept; i++) p->entry[i].declared->tensor = p->tensor[i];
    return p;
}

void nn_params_free(nn_params *p) {
    if (!p) return;
    HASH_CLEAR(hh, p->by_path);
    if (p->entry && p->tensor) {
        for (size_t i = p->kept; i-- > 0;) {
            if (p->tensor[i] && p->entry[i].declared->tensor == p->tensor[i]) p->entry[i].declared->tensor = NULL;
            ag_tensor_free(p->tensor[i]);
        }
    }
    ag_release(p->tensor, p->kept * sizeof *p->tensor);
    ag_release(p->entry, p->kept * sizeof *p->entry);
    ag_tensor_free(p->gradient);
    ag_tensor_free(p->slab);
    ag_release(p, sizeof *p);
}

size_t nn_params_count(const nn_params *p) { return p->count; }

ag_tensor *nn_params_tensor(const nn_params *p, size_t i) { return i < p->count ? p->tensor[i] : NULL; }

const char *nn_params_name(const nn_params *p, size_t i) {
    return i < p->count ? ag_tensor_name(p->tensor[i]) : NULL;
}

size_t nn_params_kept(const nn_params *p) { return p->kept; }

ag_tensor *nn_params_keep(const nn_params *p, size_t i) { return i < p->kept ? p->tensor[i] : NULL; }

ag_tensor *nn_params_find(const nn_params *p, const char *path) {
    entry *e = NULL;
    if (path) HASH_FIND(hh, p->by_path, path, strlen(path), e);
    return e ? e->tensor : NULL;
}

int64_t nn_params_elements(const nn_params *p) { return p->elements; }

ag_tensor *nn_params_slab(const nn_params *p) { return p->slab; }

void nn_params_zero_grad(nn_params *p) {
    for (size_t i = 0; i < p->count; i++) ag_tensor_zero_grad(p->tensor[i]);
}

ag_status nn_params_grad_status(const nn_params *p, ag_error *error) {
    for (size_t i = 0; i < p->count; i++)
        if (ag_tensor_grad_status(p->tensor[i]))
            return ag_fail(error, AG_ERROR_STATE,
                           "the gradient of parameter \"%s\" is left over from a failed backward: zero it first",
                           ag_tensor_name(p->tensor[i]));
    return AG_OK;
}

ag_status nnx_params_gradient(nn_params *p, const ag_tensor **gradient, ag_error *error) {
    ag_status status = nn_params_grad_status(p, error);
    if (status) return status;
    for (size_t i = 0; i < p->count; i++) (void)ag_tensor_grad(p->tensor[i]); /* clears what was not reached */
    *gradient = p->gradient;
    return AG_OK;
}

ag_tensor *nnx_params_gradients(nn_params *p) { return p->gradient; }

int64_t nnx_params_offset(const nn_params *p, size_t i) {
    const char *slab = ag_tensor_data(p->slab), *part = ag_tensor_data(p->tensor[i]);
    return (part - slab) / (ptrdiff_t)ag_dtype_size(ag_tensor_meta(p->slab)->dtype);
}

void nnx_tensor_copy(ag_tensor *to, const ag_tensor *from) {
    const size_t bytes = ag_meta_bytes(ag_tensor_meta(to));
    if (bytes) memcpy(ag_tensor_write(to), ag_tensor_data(from), bytes);
}
