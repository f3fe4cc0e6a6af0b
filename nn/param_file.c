/* param_file: parameters to and from safetensors files, by path.
 *
 * Loading reads the whole file, then compares, then copies: until every name, shape and dtype agrees no parameter
 * is touched, and all that disagrees is told in one message. Partial loading takes what agrees.
 * Not here: the state of a training run (checkpoint.c). */
#include "param.h"

#include "file_impl.h"
#include "misfit_impl.h"
#include "param_impl.h"

#include <stdio.h>

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
        status = ag_fail(error, AG_ERROR_MEMORY, NNX_PATH ": no memory for the names of %zu parameters", path, n);
    }
    ag_release(names, bytes);
    ag_release(tensors, bytes);
    return status;
}

static void compare(const nn_params *p, const ag_safetensors *file, nnx_misfit *m) {
    for (size_t i = 0; i < nn_params_kept(p); i++) {
        const ag_tensor *want = nn_params_keep(p, i);
        (void)nnx_misfit_compare(m, ag_tensor_name(want), want, ag_safetensors_find(file, ag_tensor_name(want)));
    }
    for (size_t i = 0; i < ag_safetensors_count(file); i++)
        if (!nn_params_find(p, ag_safetensors_name(file, i)))
            nnx_misfit_add(m, "\"%s\" is not in the network", ag_safetensors_name(file, i));
}

ag_status nn_params_load(nn_params *p, const char *path, ag_error *error) {
    ag_error why = {AG_OK, ""};
    ag_safetensors *file = ag_safetensors_read(path, &why);
    if (!file) return ag_fail(error, why.status, "%s", why.message);
    nnx_misfit m = nnx_misfit_of(path);
    compare(p, file, &m);
    const ag_status status = nnx_misfit_status(&m, path, "the network", error);
    for (size_t i = 0; !status && i < nn_params_kept(p); i++) {
        ag_tensor *x = nn_params_keep(p, i);
        nnx_tensor_copy(x, ag_safetensors_find(file, ag_tensor_name(x)));
    }
    ag_safetensors_free(file);
    return status;
}

ag_status nn_params_load_partial(nn_params *p, const char *path, nn_load_report *report, ag_error *error) {
    ag_error why = {AG_OK, ""};
    ag_safetensors *file = ag_safetensors_read(path, &why);
    if (!file) return ag_fail(error, why.status, "%s", why.message);
    nn_load_report r = {.loaded = 0};
    nnx_misfit m = {.length = 0};
    for (size_t i = 0; i < nn_params_kept(p); i++) {
        ag_tensor *x = nn_params_keep(p, i);
        const ag_tensor *from = ag_safetensors_find(file, ag_tensor_name(x));
        if (nnx_misfit_compare(&m, ag_tensor_name(x), x, from)) {
            nnx_tensor_copy(x, from);
            r.loaded++;
        } else if (from) {
            r.unlike++;
        } else {
            r.missing++;
        }
    }
    for (size_t i = 0; i < ag_safetensors_count(file); i++) {
        if (nn_params_find(p, ag_safetensors_name(file, i))) continue;
        nnx_misfit_add(&m, "\"%s\" is not in the network", ag_safetensors_name(file, i));
        r.extra++;
    }
    nnx_misfit_text(&m, r.text, sizeof r.text);
    if (report) *report = r;
    ag_safetensors_free(file);
    return AG_OK;
}
