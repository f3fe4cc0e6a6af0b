/* kept_run: see kept_run.h. */
#define _POSIX_C_SOURCE 200809L

#include "kept_run.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

void kept_run_agree(kept_run *k, const char *key, const char *format, ...) {
    va_list list;
    va_start(list, format);
    (void)vsnprintf(k->value[k->n], KEPT_TEXT, format, list);
    va_end(list);
    k->word[2 * k->n] = key;
    k->word[2 * k->n + 1] = k->value[k->n];
    k->word[2 * ++k->n] = NULL;
}

/* Source: Fowler, Noll and Vo, FNV-1a of 64 bits */
static uint64_t digest(const ag_tensor *x, uint64_t start) {
    const unsigned char *byte = ag_tensor_data(x);
    uint64_t sum = start;
    for (size_t i = 0; i < ag_meta_bytes(ag_tensor_meta(x)); i++) sum = (sum ^ byte[i]) * UINT64_C(0x100000001b3);
    return sum;
}

void kept_run_agree_on_data(kept_run *k, const ag_tensor *x, const ag_tensor *y) {
    uint64_t sum = digest(x, UINT64_C(0xcbf29ce484222325));
    if (y) sum = digest(y, sum);
    kept_run_agree(k, "data", "%" PRId64 " of digest %016" PRIx64, ag_tensor_meta(x)->dim[0], sum);
}

bool kept_run_exists(const kept_run *k) {
    return k->path &&
           (access(k->path, F_OK) == 0 || errno != ENOENT); /* one that cannot be looked at will say why */
}

static nn_checkpoint whole(kept_run *k) {
    nn_checkpoint all = k->is;
    all.epoch = &k->epoch;
    all.settings = k->word;
    return all;
}

ag_status kept_run_resume(kept_run *k, int64_t epochs, ag_error *error) {
    const nn_checkpoint all = whole(k);
    const ag_status status = nn_checkpoint_load(&all, k->path, error);
    if (status != AG_OK || (k->epoch >= 0 && k->epoch <= epochs)) return status;
    return ag_fail(error, AG_ERROR_VALUE, "%.300s is of epoch %" PRId64 ", and --epochs is %" PRId64, k->path,
                   k->epoch, epochs);
}

void kept_run_save(kept_run *k, int64_t epoch) {
    if (!k->path) return;
    ag_error error = {0};
    k->epoch = epoch + 1;
    const nn_checkpoint all = whole(k);
    k->status = nn_checkpoint_save(&all, k->path, &error);
    if (k->status != AG_OK) fprintf(stderr, "%s: %s\n", k->program, error.message);
}
