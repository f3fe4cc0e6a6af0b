/* kept_run: see kept_run.h. */
#include "kept_run.h"

#include <inttypes.h>
#include <stdio.h>

static uint64_t digest_of(const ag_tensor *x, uint64_t start) {
    return digest(ag_tensor_data(x), ag_meta_bytes(ag_tensor_meta(x)), start);
}

void kept_run_agree_on_data(kept_run *k, const ag_tensor *x, const ag_tensor *y) {
    uint64_t sum = digest_of(x, DIGEST_START);
    if (y) sum = digest_of(y, sum);
    agreed_add(&k->agreed, "data", "%" PRId64 " of digest %016" PRIx64, ag_tensor_meta(x)->dim[0], sum);
}

static nn_checkpoint whole(kept_run *k) {
    nn_checkpoint all = k->is;
    all.epoch = &k->epoch;
    all.settings = k->agreed.word;
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
