/* history: the record of a training run, and its table. */
#include "train.h"

#include <errno.h>
#include <math.h>
#include <string.h>

void nn_history_clear(nn_history *h) {
    ag_release(h->epoch, h->count * sizeof *h->epoch);
    *h = (nn_history){.count = 0};
}

/* A name, in quotes where it needs them. */
static void put_name(FILE *f, const char *before, const char *name) {
    const bool quotes = strpbrk(name, ",\"\r\n") != NULL;
    (void)fprintf(f, quotes ? ",\"%s" : ",%s", before);
    for (; *name; name++) {
        if (*name == '"') (void)fputc('"', f);
        (void)fputc(*name, f);
    }
    if (quotes) (void)fputc('"', f);
}

/* 17 digits name a double. */
static void put_number(FILE *f, double x) {
    if (isnan(x))
        (void)fputc(',', f);
    else
        (void)fprintf(f, ",%.17g", x);
}

static void put_table(FILE *f, const nn_history *h) {
    (void)fprintf(f, "epoch,steps,lr,loss");
    for (size_t k = 0; k < h->metrics; k++) put_name(f, "", h->name[k]);
    (void)fprintf(f, ",validation_loss");
    for (size_t k = 0; k < h->metrics; k++) put_name(f, "validation_", h->name[k]);
    (void)fputc('\n', f);
    for (size_t i = 0; i < h->count; i++) {
        const nn_epoch *e = &h->epoch[i];
        (void)fprintf(f, "%lld,%lld", (long long)e->epoch, (long long)e->steps);
        put_number(f, e->lr);
        put_number(f, e->loss);
        for (size_t k = 0; k < h->metrics; k++) put_number(f, e->metric[k]);
        put_number(f, e->validation_loss);
        for (size_t k = 0; k < h->metrics; k++) put_number(f, e->validation_metric[k]);
        (void)fputc('\n', f);
    }
}

ag_status nn_history_csv(const nn_history *h, const char *path, ag_error *error) {
    static const char ending[] = ".part"; /* beside the file, so that the rename is within one file system */
    const size_t size = strlen(path) + sizeof ending;
    char *part = ag_alloc(size);
    if (!part) return ag_fail(error, AG_ERROR_MEMORY, "%s: no memory for its name", path);
    (void)snprintf(part, size, "%s%s", path, ending);
    ag_status status = AG_OK;
    errno = 0;
    FILE *f = fopen(part, "w");
    if (f) {
        put_table(f, h);
        bool bad = ferror(f) != 0;
        bad |= fclose(f) != 0;
        if (bad || rename(part, path) != 0) {
            status = ag_fail(error, AG_ERROR_IO, "%s: %s", path, strerror(errno));
            (void)remove(part);
        }
    } else {
        status = ag_fail(error, AG_ERROR_IO, "%s: %s", part, strerror(errno));
    }
    ag_release(part, size);
    return status;
}
