/* embedding: vectors by number. */
#include "layers.h"

typedef struct embedding {
    nn_module base;
    int64_t padding_idx; /* in [0, count), or AG_NO_PADDING */
    nn_param *weight;    /* (count, size) */
} embedding;

static ag_value forward(nn_module *m, nn_pass *pass, ag_value x) {
    embedding *e = (embedding *)m;
    return ag_embedding(nn_use(pass, e->weight), x, e->padding_idx);
}

/* A negative padding_idx counts from the end. */
static ag_status resolve(int64_t count, int64_t *padding_idx, ag_error *error) {
    const int64_t given = *padding_idx;
    if (given == AG_NO_PADDING) return AG_OK;
    if (count < 0 || given >= count || given < -count)
        return ag_fail(error, AG_ERROR_INDEX, "nn_embedding: padding_idx %lld of %lld vectors", (long long)given,
                       (long long)count);
    if (given < 0) *padding_idx += count;
    return AG_OK;
}

nn_module *nn_embedding_with(int64_t count, int64_t size, int64_t padding_idx, nn_init weight, ag_error *error) {
    if (resolve(count, &padding_idx, error)) return NULL;
    embedding *e = nn_module_new(sizeof *e, "embedding", forward, error);
    if (!e) return NULL;
    e->padding_idx = padding_idx;
    e->weight = nn_module_param(&e->base, "weight", 2, (const int64_t[]){count, size}, weight, error);
    return e->weight ? &e->base : nn_module_free_null(&e->base);
}

nn_module *nn_embedding(int64_t count, int64_t size, int64_t padding_idx, ag_error *error) {
    if (resolve(count, &padding_idx, error)) return NULL;
    const nn_init normal = nn_init_embedding(padding_idx == AG_NO_PADDING ? -1 : padding_idx);
    return nn_embedding_with(count, size, padding_idx, normal, error);
}
