/* table: see table.h. */
#include "table.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LEAST_ROWS = 10 };

static ag_status init(table *t, int64_t rows, int64_t features, ag_error *error) {
    t->features = features;
    t->data.x = ag_tensor_new(AG_F64, 2, (int64_t[]){rows, features}, error);
    t->data.y = t->data.x ? ag_tensor_new(AG_F64, 1, &rows, error) : NULL;
    if (!t->data.y) return error->status;
    t->names = ag_alloc_zeroed((size_t)features * sizeof *t->names);
    return t->names ? AG_OK : ag_fail(error, AG_ERROR_MEMORY, "no memory for %" PRId64 " names", features);
}

void table_clear(table *t) {
    ag_release(t->names, (size_t)t->features * sizeof *t->names);
    nn_csv_clear(&t->from);
    nn_dataset_clear(&t->data);
    *t = (table){.features = 0};
}

/* ---- from a file ---------------------------------------------------------------------------------------------- */

static ag_status no_column(const char *path, const char *target, const nn_csv *csv, ag_error *error) {
    char list[300] = "";
    for (int64_t i = 0; i < csv->columns; i++) {
        const size_t at = strlen(list);
        snprintf(list + at, sizeof list - at, "%s%s", i > 0 ? ", " : "", csv->column_names[i]);
    }
    return ag_fail(error, AG_ERROR_NAME, "%.100s: no column is called '%.60s'; there are: %s", path, target, list);
}

/* The column of the target goes to y, the others to x. */
static void divide(table *t, int64_t target) {
    const nn_csv *csv = &t->from;
    const double *from = ag_tensor_data(csv->data.x); /* (rows, columns) */
    double *x = ag_tensor_write(t->data.x), *y = ag_tensor_write(t->data.y);
    int64_t name = 0;
    for (int64_t k = 0; k < csv->columns; k++)
        if (k != target) t->names[name++] = csv->column_names[k];
    t->target = csv->column_names[target];
    for (int64_t row = 0; row < nn_dataset_size(&csv->data); row++)
        for (int64_t k = 0; k < csv->columns; k++, from++) {
            if (k == target)
                *y++ = *from;
            else
                *x++ = *from;
        }
}

static bool all_alike(const ag_tensor *y) {
    const double *v = ag_tensor_data(y);
    for (int64_t i = 1; i < ag_tensor_count(y); i++)
        if (v[i] != v[0]) return false;
    return true;
}

ag_status table_read(const char *path, const char *target, table *t, ag_error *error) {
    ag_status status = nn_csv_read(path, &(nn_csv_options){.f64 = true}, &t->from, error);
    if (status != AG_OK) return status;
    const nn_csv *csv = &t->from;
    const int64_t rows = nn_dataset_size(&csv->data);
    int64_t at = csv->columns - 1;
    if (target) {
        for (at = 0; at < csv->columns && strcmp(csv->column_names[at], target) != 0;) at++;
        if (at == csv->columns) return no_column(path, target, csv, error);
    }
    if (csv->columns < 2)
        return ag_fail(error, AG_ERROR_VALUE, "%.300s: no column beside the target '%.60s'", path,
                       csv->column_names[at]);
    if (rows < LEAST_ROWS)
        return ag_fail(error, AG_ERROR_VALUE,
                       "%.300s: has %" PRId64 " row%s; to train, to know when to stop and to test takes %d", path,
                       rows, rows == 1 ? "" : "s", LEAST_ROWS);
    status = init(t, rows, csv->columns - 1, error);
    if (status != AG_OK) return status;
    divide(t, at);
    if (all_alike(t->data.y))
        return ag_fail(error, AG_ERROR_VALUE,
                       "%.300s: the target '%.60s' is %g in every row: there is nothing to learn", path, t->target,
                       *(const double *)ag_tensor_data(t->data.y));
    return AG_OK;
}

/* ---- drawn ------------------------------------------------------------------------------------------------------ */

ag_status table_friedman(int64_t rows, uint64_t seed, table *t, ag_error *error) {
    enum { FEATURES = 10 };
    static const char *const names[FEATURES] = {"x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10"};
    const double pi = 3.14159265358979323846;
    ag_random random = {.seed = seed};
    const ag_status status = init(t, rows, FEATURES, error);
    if (status != AG_OK) return status;
    memcpy(t->names, names, sizeof names);
    t->target = "y";
    double *x = ag_tensor_write(t->data.x), *y = ag_tensor_write(t->data.y);
    for (int64_t row = 0; row < rows; row++, x += FEATURES) {
        for (int i = 0; i < FEATURES; i++) x[i] = ag_random_uniform(&random);
        y[row] = 10 * sin(pi * x[0] * x[1]) + 20 * (x[2] - 0.5) * (x[2] - 0.5) + 10 * x[3] + 5 * x[4] +
                 ag_random_normal(&random);
    }
    return AG_OK;
}
