/* higher: composition of ag_grad and ag_jvp. A Jacobian is stacked from the sweeps of unit seeds: rows from reverse ones,
 * columns from forward ones. Not here: anything that knows how a derivative is computed. */
#include "higher.h"

#include <string.h>

#include "grad.h"
#include "ops.h"

static void fail_all(ag_tape *t, ag_value *out, int64_t n) {
    for (int64_t i = 0; i < n; i++) out[i] = (ag_value){.tape = t};
}

/* Refused under the function's own name; what is wrong with a handle was said by ag_tape_status. */
static ag_status refuse(ag_tape *t, ag_status status, const char *who, const char *why) {
    if (!t) return AG_ERROR_FAILED;
    ag_tape_fail(t, status, "%s: %s", who, why);
    return ag_tape_status(t);
}

static ag_status out_of_memory(ag_tape *t) { return refuse(t, AG_ERROR_MEMORY, "jacobian", "out of memory"); }

/* A handle that is not of this tape, stale or failed. */
static ag_status refuse_handle(ag_tape *t, const char *who, ag_value x) {
    if (x.tape && x.tape != t) return refuse(t, AG_ERROR_FOREIGN, who, "a value belongs to another tape");
    if (x.id == 0) return refuse(t, AG_ERROR_FAILED, who, "an operand is a failed value");
    return refuse(t, AG_ERROR_STALE, who, "a value was rewound: its handle is stale");
}

/* ---- Hessian-vector product ------------------------------------------------------------------------------------------ */

ag_status ag_hvp(ag_value y, const ag_value *x, const ag_value *v, int n, ag_value *hv) {
    ag_tape *t = y.tape;
    if (n < 0) return refuse(t, AG_ERROR_VALUE, "hvp", "the number of values is negative");
    if (n == 0) return t ? ag_tape_status(t) : AG_ERROR_FAILED;
    const size_t bytes = 2 * (size_t)n * sizeof(ag_value);
    ag_value *g = ag_alloc(bytes), *ones = g ? g + n : NULL;
    if (!g) {
        fail_all(t, hv, n);
        return refuse(t, AG_ERROR_MEMORY, "hvp", "out of memory");
    }
    ag_status status = ag_grad(&y, NULL, 1, x, n, g);
    for (int i = 0; i < n && status == AG_OK && !v; i++) {
        const ag_meta *meta = ag_meta_of(g[i]);
        ones[i] = ag_full(t, meta->dtype, meta->rank, meta->dim, 1);
    }
    /* a Hessian is symmetric: H v is also the gradient of <g, v> */
    if (status == AG_OK) status = ag_grad(g, v ? v : ones, n, x, n, hv);
    if (status != AG_OK) fail_all(t, hv, n);
    ag_release(g, bytes);
    return status;
}

/* ---- Jacobians -------------------------------------------------------------------------------------------------------- */

/* What the sweeps share: seeds of the shape of `unit`, 1 at one element, 0 elsewhere. */
typedef struct basis {
    ag_tape *t;
    ag_meta unit;
    int64_t n;
    double *zeros;
} basis;

static ag_status basis_init(basis *b, ag_value like) {
    size_t bytes;
    *b = (basis){.t = like.tape, .unit = *ag_meta_of(like)};
    b->n = ag_meta_count(&b->unit);
    if (!ag_size_mul((size_t)b->n, sizeof *b->zeros, &bytes)) return out_of_memory(b->t);
    b->zeros = ag_alloc_zeroed(bytes);
    return b->zeros ? AG_OK : out_of_memory(b->t);
}
static void basis_clear(basis *b) { ag_release(b->zeros, (size_t)b->n * sizeof *b->zeros); }

static ag_value basis_at(basis *b, int64_t k) {
    b->zeros[k] = 1;
    const ag_value seed = ag_array_constant(b->t, b->unit.dtype, b->unit.rank, b->unit.dim, b->zeros);
    b->zeros[k] = 0;
    return seed;
}

/* m in the shape of y's derivatives by x, and of x's dtype. */
static ag_value shaped(ag_value m, const ag_meta *y, const ag_meta *x) {
    int64_t dim[2 * AG_MAX_RANK];
    memcpy(dim, y->dim, (size_t)y->rank * sizeof *dim);
    memcpy(dim + y->rank, x->dim, (size_t)x->rank * sizeof *dim);
    return ag_cast(ag_reshape(m, y->rank + x->rank, dim), x->dtype);
}

static bool too_many(int64_t n) { return n > INT32_MAX / (int64_t)sizeof(ag_value); }

/* One reverse sweep per element of y, for all x at once. */
static ag_status rows(ag_value y, const ag_value *x, int n, ag_value *j) {
    basis b;
    ag_status status = basis_init(&b, y);
    const int64_t count = b.n;
    size_t bytes = 0; /* row[i * count + k]: of element k by x[i] */
    ag_value *row = NULL;
    if (status == AG_OK && (too_many(count) || !ag_size_mul((size_t)n * sizeof *row, (size_t)count, &bytes) ||
                            !(row = ag_alloc(bytes))))
        status = out_of_memory(y.tape);
    for (int64_t k = 0; k < count && status == AG_OK; k++) {
        const ag_value seed = basis_at(&b, k);
        status = ag_grad(&y, &seed, 1, x, n, j); /* j serves as scratch */
        for (int i = 0; i < n && status == AG_OK; i++) row[i * count + k] = j[i];
    }
    for (int i = 0; i < n && status == AG_OK; i++) {
        const ag_meta *meta = ag_meta_of(x[i]);
        if (count)
            j[i] = shaped(ag_stack(row + i * count, (int)count, 0), &b.unit, meta);
        else
            j[i] = shaped(ag_full(y.tape, meta->dtype, 1, (const int64_t[]){0}, 0), &b.unit, meta);
        status = ag_tape_status(y.tape);
    }
    ag_release(row, bytes);
    basis_clear(&b);
    return status;
}

/* One forward sweep per element of x. */
static ag_status columns(ag_value y, ag_value x, ag_value *j) {
    basis b;
    ag_status status = basis_init(&b, x);
    const int64_t count = b.n;
    size_t bytes = 0;
    ag_value *column = NULL;
    if (status == AG_OK &&
        (too_many(count) || !ag_size_mul((size_t)count, sizeof *column, &bytes) || !(column = ag_alloc(bytes))))
        status = out_of_memory(y.tape);
    for (int64_t k = 0; k < count && status == AG_OK; k++) {
        const ag_value seed = basis_at(&b, k);
        status = ag_jvp(&y, 1, &x, &seed, 1, &column[k]);
    }
    if (status == AG_OK) { /* stacked as rows, (x's elements, y's elements), then turned */
        const ag_meta *meta = ag_meta_of(y);
        const int64_t dim[2] = {count, ag_meta_count(meta)};
        const ag_value m =
            count ? ag_reshape(ag_stack(column, (int)count, 0), 2, dim) : ag_full(y.tape, b.unit.dtype, 2, dim, 0);
        *j = shaped(ag_transpose(m, 0, 1), meta, &b.unit);
        status = ag_tape_status(y.tape);
    }
    ag_release(column, bytes);
    basis_clear(&b);
    return status;
}

/* May y and x have a Jacobian? */
static ag_status check_pair(const char *who, ag_value y, ag_value x) {
    ag_tape *t = y.tape;
    if (!ag_ok(y)) return refuse_handle(t, who, y);
    if (!ag_ok(x) || x.tape != t) return refuse_handle(t, who, x);
    const ag_meta *a = ag_meta_of(y), *b = ag_meta_of(x);
    if (ag_dtype_is_float(a->dtype) && ag_dtype_is_float(b->dtype) && a->rank + b->rank <= AG_MAX_RANK)
        return AG_OK;
    char y_text[AG_META_TEXT], x_text[AG_META_TEXT];
    const bool ranks = ag_dtype_is_float(a->dtype) && ag_dtype_is_float(b->dtype);
    ag_tape_fail(t, ranks ? AG_ERROR_SHAPE : AG_ERROR_DTYPE, "%s: %s; operands %s, %s", who,
                 ranks ? "the result would have too many dimensions" : "both values must be floating",
                 ag_meta_text(a, y_text, sizeof y_text), ag_meta_text(b, x_text, sizeof x_text));
    return ag_tape_status(t);
}

ag_status ag_jacobian(ag_value y, ag_value x, ag_value *j) {
    ag_tape *t = y.tape;
    fail_all(t, j, 1);
    if (!t) return AG_ERROR_FAILED;
    ag_status status = ag_tape_status(t);
    if (status == AG_OK) status = check_pair("jacobian", y, x);
    if (status != AG_OK) return status;
    const bool fewer_rows = ag_meta_count(ag_meta_of(y)) <= ag_meta_count(ag_meta_of(x));
    status = fewer_rows ? rows(y, &x, 1, j) : columns(y, x, j);
    if (status != AG_OK) fail_all(t, j, 1);
    return status;
}

ag_status ag_hessian(ag_value y, const ag_value *x, int n, ag_value *h) {
    ag_tape *t = y.tape;
    if (n < 0) return refuse(t, AG_ERROR_VALUE, "hessian", "the number of values is negative");
    fail_all(t, h, (int64_t)n * n);
    if (!t) return AG_ERROR_FAILED;
    ag_status status = ag_tape_status(t);
    if (status == AG_OK && !ag_ok(y)) status = refuse_handle(t, "hessian", y);
    if (status == AG_OK && !ag_dtype_is_float(ag_meta_of(y)->dtype))
        status = refuse(t, AG_ERROR_DTYPE, "hessian", "y must be floating");
    for (int i = 0; i < n && status == AG_OK; i++)
        if (!ag_ok(x[i]) || x[i].tape != t) status = refuse_handle(t, "hessian", x[i]);
    for (int i = 0; i < n && status == AG_OK; i++)
        for (int k = 0; k < n && status == AG_OK; k++) status = check_pair("hessian", x[i], x[k]);
    if (status != AG_OK || n == 0) return status;
    const size_t bytes = (size_t)n * sizeof(ag_value);
    ag_value *g = ag_alloc(bytes);
    if (!g) return refuse(t, AG_ERROR_MEMORY, "hessian", "out of memory");
    status = ag_grad(&y, NULL, 1, x, n, g);
    for (int i = 0; i < n && status == AG_OK; i++) status = rows(g[i], x, n, h + (int64_t)i * n);
    if (status != AG_OK) fail_all(t, h, (int64_t)n * n);
    ag_release(g, bytes);
    return status;
}
