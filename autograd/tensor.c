/* tensor: an owned, dense n-d array with its gradient.
 *
 * Invariants: see tensor_impl.h. Everything that writes data passes through ag_tensor_write(), which bumps the
 * version; everything that reads a gradient passes through readable_grad(), which clears an EMPTY buffer first.
 * Left out: arithmetic (operations on a tape), files (io/), counting references: whoever made a tensor frees it. */
#include "tensor_impl.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- elements as doubles -------------------------------------------------------------------------------- */

/* A conversion that C leaves undefined gets a value: NaN is 0, numbers beyond the range are its ends. */
static int64_t to_integer(double value) {
    if (!(value == value)) return 0;
    if (value >= 0x1p63) return INT64_MAX;
    if (value < -0x1p63) return INT64_MIN;
    return (int64_t)value;
}

static double load(const void *data, ag_dtype dtype, int64_t i) {
    switch (dtype) {
    case AG_BOOL: return ((const uint8_t *)data)[i];
    case AG_I64: return (double)((const int64_t *)data)[i];
    case AG_F32: return (double)((const float *)data)[i];
    case AG_F64: return ((const double *)data)[i];
    case AG_DTYPE_COUNT: break;
    }
    return NAN;
}

static void store(void *data, ag_dtype dtype, int64_t i, double value) {
    switch (dtype) {
    case AG_BOOL: ((uint8_t *)data)[i] = value != 0; break;
    case AG_I64: ((int64_t *)data)[i] = to_integer(value); break;
    case AG_F32: ((float *)data)[i] = (float)value; break;
    case AG_F64: ((double *)data)[i] = value; break;
    case AG_DTYPE_COUNT: break;
    }
}

/* ---- making and freeing ----------------------------------------------------------------------------------- */

/* A tensor of a valid shape without data. */
static ag_tensor *tensor_make(const ag_meta *meta, ag_error *error) {
    ag_tensor *x = ag_alloc_zeroed(sizeof *x);
    if (x)
        x->meta = *meta;
    else
        ag_fail(error, AG_ERROR_MEMORY, "no memory for a tensor");
    return x;
}

ag_tensor *ag_tensor_new(ag_dtype dtype, int rank, const int64_t *dim, ag_error *error) {
    ag_meta meta;
    if (ag_meta_init(&meta, dtype, rank, dim, error)) return NULL;
    ag_tensor *x = tensor_make(&meta, error);
    if (!x) return NULL;
    x->owns_data = true;
    x->data = ag_alloc_zeroed(ag_meta_bytes(&meta));
    if (x->data) return x;
    char text[AG_META_TEXT];
    ag_fail(error, AG_ERROR_MEMORY, "no memory for a tensor %s", ag_meta_text(&meta, text, sizeof text));
    ag_tensor_free(x);
    return NULL;
}

ag_tensor *ag_tensor_from(ag_dtype dtype, int rank, const int64_t *dim, const double *values, ag_error *error) {
    ag_tensor *x = ag_tensor_new(dtype, rank, dim, error);
    if (!x) return NULL;
    for (int64_t i = 0, n = ag_tensor_count(x); i < n; i++) store(x->data, dtype, i, values[i]);
    return x;
}

ag_tensor *ag_tensor_borrow(ag_dtype dtype, int rank, const int64_t *dim, void *data, void *grad,
                            ag_error *error) {
    ag_meta meta;
    if (ag_meta_init(&meta, dtype, rank, dim, error)) return NULL;
    size_t element = ag_dtype_size(dtype);
    if (!data || (uintptr_t)data % element || (uintptr_t)grad % element) {
        ag_fail(error, AG_ERROR_VALUE, "borrowed memory must be there, and aligned to its %zu-byte elements",
                element);
        return NULL;
    }
    if (grad && !ag_dtype_is_float(dtype)) {
        ag_fail(error, AG_ERROR_DTYPE, "a tensor of %s has no gradient", ag_dtype_name(dtype));
        return NULL;
    }
    ag_tensor *x = tensor_make(&meta, error);
    if (!x) return NULL;
    x->data = data;
    x->grad = grad;
    x->grad_state = grad ? AGX_GRAD_EMPTY : AGX_GRAD_NONE;
    return x;
}

ag_tensor *ag_tensor_part(ag_tensor *parent, int64_t offset, int rank, const int64_t *dim, ag_error *error) {
    ag_meta meta;
    if (ag_meta_init(&meta, parent->meta.dtype, rank, dim, error)) return NULL;
    int64_t count = ag_meta_count(&meta), whole = ag_tensor_count(parent);
    if (offset < 0 || count > whole || offset > whole - count) {
        ag_fail(error, AG_ERROR_SHAPE,
                "a part of %" PRId64 " elements at %" PRId64 " does not lie inside a tensor of %" PRId64, count,
                offset, whole);
        return NULL;
    }
    ag_tensor *x = tensor_make(&meta, error);
    if (!x) return NULL;
    size_t bytes = (size_t)offset * ag_dtype_size(meta.dtype);
    x->parent = parent;
    x->data = (char *)parent->data + bytes;
    if (parent->grad) x->grad = (char *)parent->grad + bytes;
    x->grad_state = parent->grad_state;
    return x;
}

void ag_tensor_free(ag_tensor *x) {
    if (!x) return;
    if (x->owns_data) ag_release(x->data, ag_meta_bytes(&x->meta));
    if (x->owns_grad) ag_release(x->grad, ag_meta_bytes(&x->meta));
    ag_release_string(x->name);
    ag_release(x, sizeof *x);
}

/* ---- reading and writing ------------------------------------------------------------------------------------ */

const ag_meta *ag_tensor_meta(const ag_tensor *x) { return &x->meta; }

int64_t ag_tensor_count(const ag_tensor *x) { return ag_meta_count(&x->meta); }

const void *ag_tensor_data(const ag_tensor *x) { return x->data; }

void *ag_tensor_write(ag_tensor *x) {
    x->version++;
    return x->data;
}

uint64_t ag_tensor_version(const ag_tensor *x) {
    uint64_t version = 0;
    for (; x; x = x->parent) version += x->version;
    return version;
}

static bool has_index(const ag_tensor *x, int64_t index) { return index >= 0 && index < ag_tensor_count(x); }

double ag_tensor_get(const ag_tensor *x, int64_t index) {
    return has_index(x, index) ? load(x->data, x->meta.dtype, index) : NAN;
}

ag_status ag_tensor_set(ag_tensor *x, int64_t index, double value) {
    if (!has_index(x, index))
        return ag_fail(NULL, AG_ERROR_INDEX, "element %" PRId64 " of %" PRId64, index, ag_tensor_count(x));
    store(ag_tensor_write(x), x->meta.dtype, index, value);
    return AG_OK;
}

ag_status ag_tensor_fill(ag_tensor *x, double value) {
    void *data = ag_tensor_write(x);
    for (int64_t i = 0, n = ag_tensor_count(x); i < n; i++) store(data, x->meta.dtype, i, value);
    return AG_OK;
}

static ag_status check_count(const ag_tensor *x, int64_t n) {
    if (n == ag_tensor_count(x)) return AG_OK;
    return ag_fail(NULL, AG_ERROR_SHAPE, "%" PRId64 " values for %" PRId64 " elements", n, ag_tensor_count(x));
}

ag_status ag_tensor_write_f64(ag_tensor *x, const double *values, int64_t n) {
    ag_status status = check_count(x, n);
    if (status) return status;
    void *data = ag_tensor_write(x);
    for (int64_t i = 0; i < n; i++) store(data, x->meta.dtype, i, values[i]);
    return AG_OK;
}

ag_status ag_tensor_read_f64(const ag_tensor *x, double *values, int64_t n) {
    ag_status status = check_count(x, n);
    if (status) return status;
    for (int64_t i = 0; i < n; i++) values[i] = load(x->data, x->meta.dtype, i);
    return AG_OK;
}

ag_status ag_tensor_set_name(ag_tensor *x, const char *name) {
    char *copy = name ? ag_copy_string(name) : NULL;
    if (name && !copy) return ag_fail(NULL, AG_ERROR_MEMORY, "no memory for the name \"%s\"", name);
    ag_release_string(x->name);
    x->name = copy;
    return AG_OK;
}

const char *ag_tensor_name(const ag_tensor *x) { return x->name ? x->name : ""; }

/* ---- the gradient ------------------------------------------------------------------------------------------- */

ag_status ag_tensor_need_grad(ag_tensor *x) {
    if (x->grad) return AG_OK;
    if (!ag_dtype_is_float(x->meta.dtype))
        return ag_fail(NULL, AG_ERROR_DTYPE, "a tensor of %s has no gradient", ag_dtype_name(x->meta.dtype));
    x->grad = ag_alloc(ag_meta_bytes(&x->meta));
    if (!x->grad) return ag_fail(NULL, AG_ERROR_MEMORY, "no memory for the gradient of \"%s\"", ag_tensor_name(x));
    x->owns_grad = true;
    x->grad_state = AGX_GRAD_EMPTY;
    return AG_OK;
}

void *agx_tensor_grad_target(ag_tensor *x, bool *overwrite) {
    if (x->grad_state == AGX_GRAD_INVALID || ag_tensor_need_grad(x)) return NULL;
    *overwrite = x->grad_state == AGX_GRAD_EMPTY;
    return x->grad;
}

/* The buffer with what the gradient is; NULL where there is none or it is invalid. */
static void *readable_grad(ag_tensor *x) {
    if (x->grad_state == AGX_GRAD_EMPTY) {
        memset(x->grad, 0, ag_meta_bytes(&x->meta));
        x->grad_state = AGX_GRAD_VALID;
    }
    return x->grad_state == AGX_GRAD_VALID ? x->grad : NULL;
}

const void *ag_tensor_grad(ag_tensor *x) { return readable_grad(x); }

void *ag_tensor_grad_write(ag_tensor *x) { return ag_tensor_need_grad(x) ? NULL : readable_grad(x); }

double ag_tensor_grad_get(ag_tensor *x, int64_t index) {
    if (!has_index(x, index) || x->grad_state == AGX_GRAD_INVALID) return NAN;
    return x->grad_state == AGX_GRAD_VALID ? load(x->grad, x->meta.dtype, index) : 0;
}

void ag_tensor_zero_grad(ag_tensor *x) {
    if (x->grad) x->grad_state = AGX_GRAD_EMPTY;
}

ag_status ag_tensor_grad_status(const ag_tensor *x) {
    if (x->grad_state != AGX_GRAD_INVALID) return AG_OK;
    return ag_fail(NULL, AG_ERROR_STATE, "the gradient of \"%s\" is left over from a failed backward",
                   ag_tensor_name(x));
}
