/* checkpoint: parameters to and from safetensors files, by path.
 *
 * Loading reads the whole file, then compares, then copies: until every name, shape and dtype agrees no parameter
 * is touched, and all that disagrees is told in one message.
 * Not here: the optimiser's state. */
#include "param.h"

#include <stdio.h>
#include <string.h>

ag_status nn_params_save(const nn_params *p, const char *path, const char *const *metadata, ag_error *error) {
    const size_t n = nn_params_kept(p), bytes = n * sizeof(void *); /* no overflow: n tensors exist */
    ag_tensor **tensors = ag_alloc(bytes);
    const char **names = ag_alloc(bytes);
    ag_status status;
    if (tensors && names) {
        for (size_t i = 0; i < n; i++) {
            tensors[i] = nn_params_keep(p, i);
            names[i] = ag_tensor_name(tensors[i]);
        }
        status = ag_safetensors_write(path, tensors, names, n, metadata, error);
    } else {
        status = ag_fail(error, AG_ERROR_MEMORY, "%s: no memory for the names of %zu parameters", path, n);
    }
    ag_release(names, bytes);
    ag_release(tensors, bytes);
    return status;
}

/* What disagrees, for one line of text: as many items as fit, and a count of those that did not. */
typedef struct complaint {
    char text[384];
    size_t length, count, left_out;
} complaint;

static void complain(complaint *c, const char *format, ...) AG_PRINTF(2, 3);
static void complain(complaint *c, const char *format, ...) {
    char item[160];
    va_list args;
    va_start(args, format);
    const int wanted = vsnprintf(item, sizeof item, format, args);
    va_end(args);
    size_t size = 0;
    for (; item[size]; size++) /* names come from a file: keep the message on its line */
        if ((unsigned char)item[size] < ' ' || item[size] == 0x7f) item[size] = '?';
    const size_t comma = c->length ? 2 : 0;
    c->count++;
    if (wanted < 0 || c->left_out || c->length + comma + size >= sizeof c->text) {
        c->left_out++;
        return;
    }
    if (comma) memcpy(c->text + c->length, ", ", comma);
    memcpy(c->text + c->length + comma, item, size + 1);
    c->length += comma + size;
}

/* The shape alone: "(3, 4)". */
static const char *shape_text(const ag_meta *meta, char *text, size_t size) {
    const char *shape = strchr(ag_meta_text(meta, text, size), '(');
    return shape ? shape : text;
}

static void compare(const nn_params *p, const ag_safetensors *file, complaint *c) {
    for (size_t i = 0; i < nn_params_kept(p); i++) {
        const char *name = ag_tensor_name(nn_params_keep(p, i));
        const ag_tensor *found = ag_safetensors_find(file, name);
        if (!found) {
            complain(c, "\"%s\" is missing", name);
            continue;
        }
        const ag_meta *want = ag_tensor_meta(nn_params_keep(p, i)), *have = ag_tensor_meta(found);
        char a[AG_META_TEXT], b[AG_META_TEXT];
        if (!ag_meta_same_shape(want, have))
            complain(c, "\"%s\" is %s, should be %s", name, shape_text(have, a, sizeof a),
                     shape_text(want, b, sizeof b));
        if (want->dtype != have->dtype)
            complain(c, "\"%s\" is %s, should be %s", name, ag_dtype_name(have->dtype),
                     ag_dtype_name(want->dtype));
    }
    for (size_t i = 0; i < ag_safetensors_count(file); i++)
        if (!nn_params_find(p, ag_safetensors_name(file, i)))
            complain(c, "\"%s\" is not in the network", ag_safetensors_name(file, i));
}

ag_status nn_params_load(nn_params *p, const char *path, ag_error *error) {
    ag_error why = {AG_OK, ""};
    ag_safetensors *file = ag_safetensors_read(path, &why);
    if (!file) return ag_fail(error, why.status, "%s", why.message);
    ag_status status = AG_OK;
    complaint c = {.length = 0};
    compare(p, file, &c);
    if (c.count) {
        char more[40] = "";
        if (c.left_out) (void)snprintf(more, sizeof more, ", and %zu more", c.left_out);
        status = ag_fail(error, AG_ERROR_FORMAT, "%s does not fit the network: %s%s", path, c.text, more);
    } else {
        for (size_t i = 0; i < nn_params_kept(p); i++) {
            ag_tensor *x = nn_params_keep(p, i);
            const ag_tensor *from = ag_safetensors_find(file, ag_tensor_name(x));
            const size_t bytes = ag_meta_bytes(ag_tensor_meta(x));
            if (bytes) memcpy(ag_tensor_write(x), ag_tensor_data(from), bytes);
        }
    }
    ag_safetensors_free(file);
    return status;
}
