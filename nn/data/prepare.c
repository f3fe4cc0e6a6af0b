/* prepare: splitting, standardising, one-hot.
 *
 * A stratified split sorts the shuffled samples by class and gives each class the difference of two rounded running
 * totals, so that the parts' sizes are those of a plain split and no class is off by more than one. */
#include "../prepare.h"

#include "../sort_impl.h"
#include "data_impl.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Keeps the splits apart from other uses of the same seed. */
static const uint64_t SPLIT_STREAM = 0x73706c6974; /* "split" */

/* ---- splitting ---------------------------------------------------------------------------------------------- */

/* Places in the shuffle, to be sorted by class and then by place. */
typedef struct by_class {
    const int64_t *y, *shuffled;
} by_class;

static bool place_before(const void *user, const void *x, const void *y) {
    const by_class *b = user;
    const int64_t p = *(const int64_t *)x, q = *(const int64_t *)y;
    const int64_t one = b->y[b->shuffled[p]], other = b->y[b->shuffled[q]];
    return one != other ? one < other : p < q;
}

static int64_t share(double fraction, int64_t n) { return (int64_t)floor(fraction * (double)n + 0.5); }

/* Which places of the shuffle go to the first part. */
static void choose(const int64_t *y, const int64_t *shuffled, int64_t *place, int64_t n, double fraction,
                   bool *chosen) {
    if (!y) {
        for (int64_t p = 0; p < n; p++) chosen[p] = p < share(fraction, n);
        return;
    }
    const by_class b = {y, shuffled};
    for (int64_t p = 0; p < n; p++) place[p] = p;
    nnx_sort(place, n, sizeof *place, place_before, &b);
    for (int64_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && y[shuffled[place[to]]] == y[shuffled[place[from]]];) to++;
        const int64_t wanted = share(fraction, to) - share(fraction, from);
        for (int64_t k = from; k < to; k++) chosen[place[k]] = k - from < wanted;
    }
}

/* The rows of `from` at the shuffle's places that are (not) chosen, `rows` of them, in a new tensor. */
static ag_tensor *take_rows(const ag_tensor *from, const int64_t *shuffled, const bool *chosen, bool wanted,
                            int64_t n, int64_t rows, ag_error *error) {
    const ag_meta *meta = ag_tensor_meta(from);
    int64_t dim[AG_MAX_RANK];
    memcpy(dim, meta->dim, sizeof dim);
    dim[0] = rows;
    ag_tensor *x = ag_tensor_new(meta->dtype, meta->rank, dim, error);
    if (!x || rows == 0) return x;
    const size_t row = ag_meta_bytes(meta) / (size_t)n;
    char *to = ag_tensor_write(x);
    for (int64_t p = 0; p < n; p++) {
        if (chosen[p] != wanted) continue;
        memcpy(to, (const char *)ag_tensor_data(from) + (size_t)shuffled[p] * row, row);
        to += row;
    }
    return x;
}

static bool take_part(const nn_dataset *d, const int64_t *shuffled, const bool *chosen, bool wanted, int64_t n,
                      int64_t rows, nn_dataset *out, ag_error *error) {
    out->x = take_rows(d->x, shuffled, chosen, wanted, n, rows, error);
    if (out->x && d->y) out->y = take_rows(d->y, shuffled, chosen, wanted, n, rows, error);
    return out->x && (out->y || !d->y);
}

ag_status nn_dataset_split(const nn_dataset *d, double fraction, bool stratified, uint64_t seed, nn_dataset *first,
                           nn_dataset *second, ag_error *error) {
    *first = *second = (nn_dataset){0};
    ag_status status = nnx_dataset_check(d, error);
    if (status) return status;
    if (!(fraction >= 0 && fraction <= 1))
        return ag_fail(error, AG_ERROR_VALUE, "split at %g: must lie in [0, 1]", fraction);
    if (!d->x) return AG_OK; /* no samples on either side */
    if (stratified && !d->y) return ag_fail(error, AG_ERROR_STATE, "stratified split of a dataset without labels");
    if (stratified && ag_tensor_meta(d->y)->dtype != AG_I64)
        return ag_fail(error, AG_ERROR_DTYPE, "stratified split by labels of %s: must be i64",
                       ag_dtype_name(ag_tensor_meta(d->y)->dtype));
    if (stratified && ag_tensor_meta(d->y)->rank != 1)
        return ag_fail(error, AG_ERROR_SHAPE, "stratified split by labels of rank %d: must be one a sample",
                       ag_tensor_meta(d->y)->rank);

    const int64_t n = nn_dataset_size(d), wanted = share(fraction, n);
    ag_error own = {0};
    const size_t bytes = (size_t)n * sizeof(int64_t);
    int64_t *shuffled = ag_alloc(bytes), *place = ag_alloc(bytes); /* (n), (n) */
    bool *chosen = ag_alloc((size_t)n * sizeof *chosen);           /* (n)      */
    if (!shuffled || !place || !chosen) {
        ag_fail(&own, AG_ERROR_MEMORY, "order of %" PRId64 " samples", n);
    } else {
        ag_random draws = {seed ^ SPLIT_STREAM, 0};
        ag_random_permutation(&draws, shuffled, n);
        choose(stratified ? ag_tensor_data(d->y) : NULL, shuffled, place, n, fraction, chosen);
        if (take_part(d, shuffled, chosen, true, n, wanted, first, &own))
            (void)take_part(d, shuffled, chosen, false, n, n - wanted, second, &own);
    }
    ag_release(shuffled, bytes);
    ag_release(place, bytes);
    ag_release(chosen, (size_t)n * sizeof *chosen);
    if (!own.status) return AG_OK;
    nn_dataset_clear(first);
    nn_dataset_clear(second);
    return ag_fail(error, own.status, "split of %" PRId64 " samples: %s", n, own.message);
}

/* ---- standardising ------------------------------------------------------------------------------------------ */

static double element(const ag_tensor *x, int64_t i) {
    const void *data = ag_tensor_data(x);
    return ag_tensor_meta(x)->dtype == AG_F32 ? (double)((const float *)data)[i] : ((const double *)data)[i];
}

/* Elements a row; -1, and the reason kept, when x has no rows of floating-point numbers. */
static int64_t row_width(const ag_tensor *x, ag_error *error) {
    const ag_meta *meta = ag_tensor_meta(x);
    char text[AG_META_TEXT];
    if (!ag_dtype_is_float(meta->dtype)) {
        ag_fail(error, AG_ERROR_DTYPE, "normalising %s: must be f32 or f64",
                ag_meta_text(meta, text, sizeof text));
        return -1;
    }
    if (meta->rank == 0) {
        ag_fail(error, AG_ERROR_SHAPE, "normalising %s: it has no rows", ag_meta_text(meta, text, sizeof text));
        return -1;
    }
    int64_t width = 1;
    for (int k = 1; k < meta->rank; k++)
        if (!ag_int_mul(width, meta->dim[k], &width)) {
            ag_fail(error, AG_ERROR_SHAPE, "normalising %s: rows too long", ag_meta_text(meta, text, sizeof text));
            return -1;
        }
    return width;
}

/* By which a feature's numbers are multiplied, so that neither their sum nor the sum of their squares leaves f64's
 * range: the power of two that takes the largest below 1. Nothing is rounded by it. */
static double scale_of(double largest) {
    enum { LEAST = -1020 }; /* and its inverse is finite, too */
    int exponent = 0;
    (void)frexp(largest, &exponent);
    return ldexp(1, -(exponent > LEAST ? exponent : LEAST));
}

/* All passes go through memory in its order, a row at a time. scale: (width) zeros. */
static void fit(const ag_tensor *x, int64_t n, double *scale, nn_normalizer *z) {
    const int64_t width = z->width;
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < width; k++) scale[k] = fmax(scale[k], fabs(element(x, i * width + k)));
    for (int64_t k = 0; k < width; k++) scale[k] = scale_of(scale[k]);
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < width; k++) z->mean[k] += scale[k] * element(x, i * width + k);
    for (int64_t k = 0; k < width; k++) z->mean[k] /= (double)n;
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < width; k++) {
            const double off = scale[k] * element(x, i * width + k) - z->mean[k];
            z->std[k] += off * off;
        }
    for (int64_t k = 0; k < width; k++) {
        z->mean[k] /= scale[k];
        z->std[k] = sqrt(z->std[k] / (double)n) / scale[k];
    }
}

/* A feature is constant when all rows say so: its mean may be off by a rounding, and its deviation then not 0. */
static void mend_constants(const ag_tensor *x, int64_t n, nn_normalizer *z) {
    for (int64_t k = 0; k < z->width; k++) {
        int64_t i = 1;
        while (i < n && element(x, i * z->width + k) == element(x, k)) i++;
        if (i < n && z->std[k] > 0) continue;
        z->mean[k] = i < n ? z->mean[k] : element(x, k);
        z->std[k] = 1;
    }
}

ag_status nn_normalizer_fit(const ag_tensor *x, nn_normalizer *out, ag_error *error) {
    *out = (nn_normalizer){0};
    ag_error own = {0};
    const int64_t width = row_width(x, &own);
    if (width < 0) return ag_fail(error, own.status, "%s", own.message);
    const int64_t n = ag_tensor_meta(x)->dim[0];
    if (n == 0) return ag_fail(error, AG_ERROR_SHAPE, "normalising by no rows at all");
    for (int64_t i = 0; i < n * width; i++)
        if (!isfinite(element(x, i)))
            return ag_fail(error, AG_ERROR_NONFINITE, "normalising: row %" PRId64 ", feature %" PRId64 " is %g",
                           i / width, i % width, element(x, i));
    out->width = width;
    out->mean = ag_alloc_zeroed((size_t)width * sizeof *out->mean);
    out->std = ag_alloc_zeroed((size_t)width * sizeof *out->std);
    double *scale = ag_alloc_zeroed((size_t)width * sizeof *scale);
    ag_status status = AG_OK;
    if (out->mean && out->std && scale) {
        fit(x, n, scale, out);
        mend_constants(x, n, out);
    } else {
        nn_normalizer_clear(out);
        status = ag_fail(error, AG_ERROR_MEMORY, "normalising by %" PRId64 " features", width);
    }
    if (scale) ag_release(scale, (size_t)width * sizeof *scale);
    return status;
}

ag_status nn_normalizer_apply(const nn_normalizer *z, ag_tensor *x, ag_error *error) {
    ag_error own = {0};
    const int64_t width = row_width(x, &own);
    if (width < 0) return ag_fail(error, own.status, "%s", own.message);
    if (width != z->width)
        return ag_fail(error, AG_ERROR_SHAPE, "normalising rows of %" PRId64 " elements by %" PRId64 " features",
                       width, z->width);
    const int64_t count = ag_tensor_count(x);
    void *to = ag_tensor_write(x);
    for (int64_t i = 0; i < count; i++) {
        const double is = element(x, i), mean = z->mean[i % width], std = z->std[i % width], off = is - mean;
        const double value = isinf(off) ? (is / 2 - mean / 2) / (std / 2) : off / std; /* beyond f64's range */
        if (ag_tensor_meta(x)->dtype == AG_F32)
            ((float *)to)[i] = (float)value;
        else
            ((double *)to)[i] = value;
    }
    return AG_OK;
}

void nn_normalizer_clear(nn_normalizer *z) {
    if (z->mean) ag_release(z->mean, (size_t)z->width * sizeof *z->mean);
    if (z->std) ag_release(z->std, (size_t)z->width * sizeof *z->std);
    *z = (nn_normalizer){0};
}

/* ---- one-hot ------------------------------------------------------------------------------------------------ */

ag_tensor *nn_one_hot(const ag_tensor *y, int64_t classes, ag_error *error) {
    const ag_meta *meta = ag_tensor_meta(y);
    char text[AG_META_TEXT];
    if (meta->dtype != AG_I64 || meta->rank != 1 || classes < 1) {
        ag_fail(error, meta->dtype != AG_I64 ? AG_ERROR_DTYPE : AG_ERROR_SHAPE,
                "one-hot of %s in %" PRId64 " classes: needs i64 (n) and at least one class",
                ag_meta_text(meta, text, sizeof text), classes);
        return NULL;
    }
    const int64_t n = meta->dim[0], *label = ag_tensor_data(y);
    for (int64_t i = 0; i < n; i++)
        if (label[i] < 0 || label[i] >= classes) {
            ag_fail(error, AG_ERROR_INDEX,
                    "one-hot: label %" PRId64 " in row %" PRId64 " is not in [0, %" PRId64 ")", label[i], i,
                    classes);
            return NULL;
        }
    ag_tensor *x = ag_tensor_new(AG_F32, 2, (const int64_t[]){n, classes}, error);
    if (!x) return NULL;
    float *to = ag_tensor_write(x); /* (n, classes) */
    for (int64_t i = 0; i < n; i++) to[i * classes + label[i]] = 1;
    return x;
}
