/* arrays: datasets out of NumPy's files. */
#include "../data.h"

#include "data_impl.h"
#include "../file_impl.h"

#include <stdio.h>

/* Whether what the file has is a dataset. */
static ag_status check(const nn_dataset *d, const char *path, ag_error *error) {
    ag_error own = {0};
    const ag_status status = nnx_dataset_check(d, &own);
    return status ? ag_fail(error, status, NNX_PATH ": %s", path, own.message) : AG_OK;
}

ag_status nn_dataset_npy(const char *x, const char *y, nn_dataset *out, ag_error *error) {
    ag_error own = {0};
    *out = (nn_dataset){0};
    out->x = ag_npy_read(x, 0, &own);
    if (out->x && y) out->y = ag_npy_read(y, 0, &own);
    ag_status status = own.status;
    if (!status) status = check(out, x, &own);
    if (!status) return AG_OK;
    nn_dataset_clear(out);
    return ag_fail(error, status, "%s", own.message);
}

/* NULL: there is none, and the error names those that are there, as far as there is room. */
static ag_tensor *find(const ag_npz *file, const char *path, const char *name, ag_error *error) {
    ag_tensor *x = ag_npz_find(file, name);
    if (x) return x;
    char there[120] = "";
    for (size_t i = 0, n = 0; i < ag_npz_count(file) && n < sizeof there; i++)
        n += (size_t)snprintf(there + n, sizeof there - n, "%s\"%.40s\"", i ? ", " : "", ag_npz_name(file, i));
    ag_fail(error, AG_ERROR_NAME, "%.200s: no array \"%.40s\" in it, but %s", path, name,
            there[0] ? there : "none at all");
    return NULL;
}

ag_status nn_dataset_npz(const char *path, const char *x, const char *y, nn_dataset *out, ag_error *error) {
    ag_error own = {0};
    *out = (nn_dataset){0};
    ag_npz *file = ag_npz_read(path, 0, &own);
    nn_dataset there = {0}; /* the archive's */
    if (file) there.x = find(file, path, x, &own);
    if (there.x && y) there.y = find(file, path, y, &own);
    ag_status status = own.status;
    if (!status) status = check(&there, path, &own);
    if (!status) status = nn_dataset_rows(&there, 0, nn_dataset_size(&there), out, &own);
    ag_npz_free(file);
    return status ? ag_fail(error, status, "%s", own.message) : AG_OK;
}
