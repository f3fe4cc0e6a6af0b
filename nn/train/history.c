/* history: the record of a training run, and its table. */
#define _POSIX_C_SOURCE 200809L /* newlocale, uselocale */

#include "../history.h"

#include "../text_impl.h"

#include <locale.h>
#include <math.h>
#include <string.h>

void nn_history_clear(nn_history *h) {
    ag_release(h->text, h->text_size);
    ag_release(h->epoch, h->count * sizeof *h->epoch);
    *h = (nn_history){.count = 0};
}

static bool has_metrics(const nn_history *h, const char *const *name, size_t n) {
    bool same = h->metrics == n;
    for (size_t k = 0; same && k < n; k++) same = strcmp(h->name[k], name[k]) == 0;
    return same;
}

ag_status nn_history_metrics(nn_history *h, const char *const *name, size_t n, ag_error *error) {
    if (n > NN_FIT_METRICS)
        return ag_fail(error, AG_ERROR_VALUE, "a history of more than %d metrics", NN_FIT_METRICS);
    size_t size = 0;
    for (size_t k = 0; k < n; k++) {
        if (!name[k]) return ag_fail(error, AG_ERROR_VALUE, "a metric without a name");
        size += strlen(name[k]) + 1; /* no overflow: they exist */
    }
    if (has_metrics(h, name, n)) return AG_OK;
    if (h->count) return ag_fail(error, AG_ERROR_VALUE, "the history has other metrics");
    char *text = size ? ag_alloc(size) : NULL;
    if (size && !text) return ag_fail(error, AG_ERROR_MEMORY, "no memory for the names of metrics");
    char *at = text;
    for (size_t k = 0; k < n; k++) {
        const size_t length = strlen(name[k]) + 1;
        h->name[k] = memcpy(at, name[k], length);
        at += length;
    }
    ag_release(h->text, h->text_size);
    h->metrics = n;
    h->text = text;
    h->text_size = size;
    return AG_OK;
}

ag_status nn_history_add(nn_history *h, const nn_epoch *e, ag_error *error) {
    size_t bytes;
    nn_epoch *more = NULL;
    if (ag_size_mul(h->count + 1, sizeof *more, &bytes))
        more = ag_realloc(h->epoch, h->count * sizeof *more, bytes);
    if (!more) return ag_fail(error, AG_ERROR_MEMORY, "no memory for a history of %zu epochs", h->count + 1);
    h->epoch = more;
    more[h->count++] = *e;
    return AG_OK;
}

/* A name, in quotes where it needs them. */
static void put_name(nnx_text *t, const char *before, const char *name) {
    const bool quotes = strpbrk(name, ",\"\r\n") != NULL;
    nnx_text_add(t, quotes ? ",\"%s" : ",%s", before);
    for (; *name; name++) nnx_text_add(t, *name == '"' ? "\"%c" : "%c", *name);
    if (quotes) nnx_text_add(t, "\"");
}

/* 17 digits name a double. */
static void put_number(nnx_text *t, double x) {
    if (isnan(x))
        nnx_text_add(t, ",");
    else
        nnx_text_add(t, ",%.17g", x);
}

static void put_table(nnx_text *t, const nn_history *h) {
    nnx_text_add(t, "epoch,steps,skipped,lr,loss");
    for (size_t k = 0; k < h->metrics; k++) put_name(t, "", h->name[k]);
    nnx_text_add(t, ",validation_loss");
    for (size_t k = 0; k < h->metrics; k++) put_name(t, "validation_", h->name[k]);
    nnx_text_add(t, "\n");
    for (size_t i = 0; i < h->count; i++) {
        const nn_epoch *e = &h->epoch[i];
        nnx_text_add(t, "%lld,%lld,%lld", (long long)e->epoch, (long long)e->steps, (long long)e->skipped);
        put_number(t, e->lr);
        put_number(t, e->loss);
        for (size_t k = 0; k < h->metrics; k++) put_number(t, e->metric[k]);
        put_number(t, e->validation_loss);
        for (size_t k = 0; k < h->metrics; k++) put_number(t, e->validation_metric[k]);
        nnx_text_add(t, "\n");
    }
}

/* Numbers are written as in C, wherever the program is at home: a comma within one would be two columns. */
static void put_table_in_c(nnx_text *t, const nn_history *h) {
    const locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    t->failed = plain == (locale_t)0;
    if (t->failed) return;
    const locale_t before = uselocale(plain);
    put_table(t, h);
    uselocale(before);
    freelocale(plain);
}

ag_status nn_history_csv(const nn_history *h, const char *path, ag_error *error) {
    nnx_text table = {.at = NULL};
    put_table_in_c(&table, h);
    const ag_status status = table.failed ? ag_fail(error, AG_ERROR_MEMORY, "%.300s: no memory for a table", path)
                                          : ag_file_write(path, table.at, table.size, error);
    nnx_text_clear(&table);
    return status;
}
