/* metric: how well a classifier does, as a confusion matrix. */
#include "../metric.h"

#include "metric_impl.h"
#include "../text_impl.h"

#include <math.h>
#include <stdio.h>

ag_status nn_confusion_init(nn_confusion *c, int64_t classes, ag_error *error) {
    *c = (nn_confusion){0, NULL};
    int64_t cells;
    if (classes < 1 || !ag_int_mul(classes, classes, &cells) || (uint64_t)cells > SIZE_MAX / sizeof *c->counts)
        return ag_fail(error, AG_ERROR_VALUE, "nn_confusion_init: %lld classes", (long long)classes);
    c->counts = ag_alloc_zeroed((size_t)cells * sizeof *c->counts);
    if (!c->counts)
        return ag_fail(error, AG_ERROR_MEMORY, "nn_confusion_init: no memory for %lld classes",
                       (long long)classes);
    c->classes = classes;
    return AG_OK;
}

void nn_confusion_clear(nn_confusion *c) {
    ag_release(c->counts, (size_t)(c->classes * c->classes) * sizeof *c->counts);
    *c = (nn_confusion){0, NULL};
}

/* The first largest of n numbers, from element `at` on; a NaN counts as larger than all else. */
static int64_t first_largest(const ag_meta *meta, const void *data, int64_t at, int64_t n, int64_t stride) {
    int64_t best = 0;
    double largest = 0;
    for (int64_t i = 0; i < n; i++, at += stride) {
        const double x = nnx_element_of(meta, data, at);
        if (isnan(x)) return i;
        if (i == 0 || x > largest) {
            best = i;
            largest = x;
        }
    }
    return best;
}

ag_status nnx_labels_check(const char *function, ag_value logits, const ag_tensor *target, int64_t classes,
                           ag_error *error) {
    const ag_meta *x = ag_meta_of(logits), *t = ag_tensor_meta(target);
    if (!x) return ag_fail(error, AG_ERROR_FAILED, "%s: the logits failed or are stale", function);
    char a[AG_META_TEXT], b[AG_META_TEXT], width[24] = "C";
    if (classes) (void)snprintf(width, sizeof width, "%lld", (long long)classes);
    if (x->rank != 2 || (classes && x->dim[1] != classes) || t->rank != 1 || t->dim[0] != x->dim[0])
        return ag_fail(error, AG_ERROR_SHAPE, "%s: logits %s, target %s; needs (B, %s) and (B)", function,
                       ag_meta_text(x, a, sizeof a), ag_meta_text(t, b, sizeof b), width);
    if (!ag_dtype_is_float(x->dtype) || t->dtype != AG_I64)
        return ag_fail(error, AG_ERROR_DTYPE, "%s: logits %s, target %s; needs f32 or f64, and i64", function,
                       ag_meta_text(x, a, sizeof a), ag_meta_text(t, b, sizeof b));
    const int64_t *label = ag_tensor_data(target); /* (B) */
    for (int64_t i = 0; i < t->dim[0]; i++)
        if (label[i] < 0 || label[i] >= x->dim[1])
            return ag_fail(error, AG_ERROR_INDEX, "%s: target %lld in row %lld; needs 0 to %lld", function,
                           (long long)label[i], (long long)i, (long long)(x->dim[1] - 1));
    return AG_OK;
}

ag_status nn_confusion_add(nn_confusion *c, ag_value logits, const ag_tensor *target, ag_error *error) {
    if (c->classes < 1) return ag_fail(error, AG_ERROR_VALUE, "nn_confusion_add: a table without classes");
    ag_status status = nnx_labels_check("nn_confusion_add", logits, target, c->classes, error);
    if (status) return status;
    const ag_meta *x = ag_meta_of(logits);
    const int64_t *label = ag_tensor_data(target); /* (B) */
    const void *data = ag_data(logits);            /* (B, classes), strided */
    for (int64_t i = 0; i < x->dim[0]; i++) {
        const int64_t guess = first_largest(x, data, i * x->stride[0], c->classes, x->stride[1]);
        c->counts[label[i] * c->classes + guess]++;
    }
    return AG_OK;
}

static int64_t row_sum(const nn_confusion *c, int64_t k) {
    int64_t sum = 0;
    for (int64_t j = 0; j < c->classes; j++) sum += c->counts[k * c->classes + j];
    return sum;
}

static int64_t column_sum(const nn_confusion *c, int64_t k) {
    int64_t sum = 0;
    for (int64_t i = 0; i < c->classes; i++) sum += c->counts[i * c->classes + k];
    return sum;
}

int64_t nn_confusion_total(const nn_confusion *c) {
    int64_t sum = 0;
    for (int64_t k = 0; k < c->classes; k++) sum += row_sum(c, k);
    return sum;
}

int64_t nn_confusion_correct(const nn_confusion *c) {
    int64_t sum = 0;
    for (int64_t k = 0; k < c->classes; k++) sum += c->counts[k * c->classes + k];
    return sum;
}

/* part / whole, NaN where there is nothing to divide by. */
static double share(int64_t part, int64_t whole) { return whole ? (double)part / (double)whole : NAN; }

double nn_confusion_accuracy(const nn_confusion *c) {
    return share(nn_confusion_correct(c), nn_confusion_total(c));
}

static int64_t hits(const nn_confusion *c, int64_t k) { return c->counts[k * c->classes + k]; }

double nn_confusion_precision(const nn_confusion *c, int64_t k) {
    return k < 0 || k >= c->classes ? NAN : share(hits(c, k), column_sum(c, k));
}

double nn_confusion_recall(const nn_confusion *c, int64_t k) {
    return k < 0 || k >= c->classes ? NAN : share(hits(c, k), row_sum(c, k));
}

double nn_confusion_f1(const nn_confusion *c, int64_t k) {
    return k < 0 || k >= c->classes ? NAN : share(2 * hits(c, k), row_sum(c, k) + column_sum(c, k));
}

/* The mean over the classes that occur, as a label or as a prediction. */
static double macro(const nn_confusion *c, double (*of)(const nn_confusion *, int64_t)) {
    double sum = 0;
    int64_t occur = 0;
    for (int64_t k = 0; k < c->classes; k++) {
        if (row_sum(c, k) + column_sum(c, k) == 0) continue;
        const double x = of(c, k);
        occur++;
        sum += isnan(x) ? 0 : x;
    }
    return occur ? sum / (double)occur : NAN;
}

double nn_confusion_macro_precision(const nn_confusion *c) { return macro(c, nn_confusion_precision); }
double nn_confusion_macro_recall(const nn_confusion *c) { return macro(c, nn_confusion_recall); }
double nn_confusion_macro_f1(const nn_confusion *c) { return macro(c, nn_confusion_f1); }

/* "98.1%", or "-" where there is nothing to divide by. */
static void put_share(nnx_buffer *t, int width, int64_t part, int64_t whole) {
    if (whole)
        nnx_buffer_add(t, " %*.1f%%", width - 1, 100.0 * (double)part / (double)whole);
    else
        nnx_buffer_add(t, " %*s", width, "-");
}

size_t nn_confusion_text(const nn_confusion *c, char *text, size_t size) {
    nnx_buffer t = nnx_buffer_in(text, size);
    int width = 6; /* of a column: "100.0%", or the largest count */
    for (int64_t k = 0; k < c->classes; k++) {
        const int digits = snprintf(NULL, 0, "%lld", (long long)row_sum(c, k));
        if (digits > width) width = digits;
    }
    nnx_buffer_add(&t, "%9s", "true\\said");
    for (int64_t k = 0; k < c->classes; k++) nnx_buffer_add(&t, " %*lld", width, (long long)k);
    nnx_buffer_add(&t, " %*s\n", width, "recall");
    for (int64_t i = 0; i < c->classes; i++) {
        nnx_buffer_add(&t, "%9lld", (long long)i);
        for (int64_t k = 0; k < c->classes; k++)
            nnx_buffer_add(&t, " %*lld", width, (long long)c->counts[i * c->classes + k]);
        put_share(&t, width, c->counts[i * c->classes + i], row_sum(c, i));
        nnx_buffer_add(&t, "\n");
    }
    nnx_buffer_add(&t, "%9s", "precision");
    for (int64_t k = 0; k < c->classes; k++) put_share(&t, width, c->counts[k * c->classes + k], column_sum(c, k));
    put_share(&t, width, nn_confusion_correct(c), nn_confusion_total(c));
    nnx_buffer_add(&t, "\n");
    return t.length;
}
