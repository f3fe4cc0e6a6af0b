/* npy: NumPy's array format, read strictly and written durably.
 *
 * A file is   93 'NUMPY' major minor | header length, u16 LE (u32 LE from version 2) | header | elements   and nothing
 * else. The header is a Python dict literal of exactly three keys, padded with spaces, that ends in a newline.
 *
 * Invariant: memory for the elements is taken only after the shape was found to account for every byte that follows.
 * Left out: every dtype that is not on the list below; archives (npz.c). */
#include "npy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "file.h"
#include "npy_impl.h"

typedef struct npy_dtype {
    const char *descr;
    ag_dtype dtype; /* what it is read as */
    size_t size;    /* bytes in the file  */
    bool big, has_sign;
} npy_dtype;

static const npy_dtype npy_dtypes[] = {
    {"<f4", AG_F32, 4, false, false}, {"<f8", AG_F64, 8, false, false},  {">f4", AG_F32, 4, true, false},
    {">f8", AG_F64, 8, true, false},  {"|b1", AG_BOOL, 1, false, false}, {"|u1", AG_I64, 1, false, false},
    {"|i1", AG_I64, 1, false, true},  {"<i4", AG_I64, 4, false, true},   {"<i8", AG_I64, 8, false, true},
};

/* A header while it is read. The first failure ends the reading. */
typedef struct npy_header {
    const char *at, *begin, *end; /* of the dict literal */
    const char *where;
    ag_error *error;
    const npy_dtype *type;
    bool fortran;
    int rank;
    int64_t dim[AG_MAX_RANK];
} npy_header;

size_t agx_npy_limit(size_t limit) {
    const uint64_t usual = UINT64_C(4) << 30;
    return limit ? limit : (size_t)(usual < SIZE_MAX ? usual : SIZE_MAX / 2);
}

/* ---- the header --------------------------------------------------------------------------------------------- */

static ag_status malformed(const npy_header *h, const char *what) {
    return ag_fail(h->error, AG_ERROR_FORMAT, "%s: not a valid npy header: %s at its byte %td", h->where, what,
                   h->at - h->begin);
}

static void skip_spaces(npy_header *h) {
    while (h->at < h->end && *h->at == ' ') h->at++;
}

/* Past one character and the spaces before it, if it comes next. */
static bool accept(npy_header *h, char c) {
    skip_spaces(h);
    if (h->at == h->end || *h->at != c) return false;
    h->at++;
    return true;
}

/* A string without escapes, in either kind of quotes. */
static bool take_string(npy_header *h, const char **text, size_t *n) {
    skip_spaces(h);
    if (h->at == h->end || (*h->at != '\'' && *h->at != '"')) return false;
    const char quote = *h->at++;
    *text = h->at;
    while (h->at < h->end && *h->at != quote && *h->at != '\\') h->at++;
    if (h->at == h->end || *h->at != quote) return false;
    *n = (size_t)(h->at++ - *text);
    return true;
}

static bool is_text(const char *text, size_t n, const char *wanted) {
    return n == strlen(wanted) && memcmp(text, wanted, n) == 0;
}

static bool accept_word(npy_header *h, const char *word) {
    skip_spaces(h);
    const size_t n = strlen(word);
    if ((size_t)(h->end - h->at) < n || memcmp(h->at, word, n) != 0) return false;
    h->at += n;
    return true;
}

static ag_status read_descr(npy_header *h) {
    const char *text;
    size_t n;
    if (!take_string(h, &text, &n)) return malformed(h, "descr is no plain string");
    for (size_t i = 0; i < sizeof npy_dtypes / sizeof *npy_dtypes; i++)
        if (is_text(text, n, npy_dtypes[i].descr)) h->type = &npy_dtypes[i];
    if (h->type) return AG_OK;
    return ag_fail(h->error, AG_ERROR_DTYPE,
                   "%s: dtype \"%.*s\" is not one of <f4 <f8 >f4 >f8 |b1 |u1 |i1 <i4 <i8", h->where,
                   (int)(n < 20 ? n : 20), text);
}

static ag_status read_order(npy_header *h) {
    if (accept_word(h, "True"))
        h->fortran = true;
    else if (!accept_word(h, "False"))
        return malformed(h, "fortran_order is neither True nor False");
    return AG_OK;
}

static ag_status read_size(npy_header *h, int64_t *size) {
    const char *first = h->at;
    *size = 0;
    for (; h->at < h->end && *h->at >= '0' && *h->at <= '9'; h->at++) {
        const int digit = *h->at - '0';
        if (*size > (INT64_MAX - digit) / 10) return malformed(h, "a size beyond 2^63 - 1");
        *size = *size * 10 + digit;
    }
    if (h->at == first) return malformed(h, "a size that is no whole number from 0 up");
    if (*first == '0' && h->at - first > 1) return malformed(h, "a size with a leading zero");
    return AG_OK;
}

static ag_status read_shape(npy_header *h) {
    if (!accept(h, '(')) return malformed(h, "shape is no tuple");
    while (!accept(h, ')')) {
        int64_t size;
        const ag_status status = read_size(h, &size);
        if (status) return status;
        if (h->rank == AG_MAX_RANK)
            return ag_fail(h->error, AG_ERROR_LIMIT, "%s: its rank is above %d", h->where, AG_MAX_RANK);
        h->dim[h->rank++] = size;
        if (accept(h, ',')) {
            skip_spaces(h);
            continue;
        }
        if (h->rank == 1) return malformed(h, "shape is no tuple: a single size needs a comma");
        if (!accept(h, ')')) return malformed(h, "shape has neither a comma nor an end");
        break;
    }
    return AG_OK;
}

static ag_status read_dict(npy_header *h) {
    static const struct {
        const char *name;
        ag_status (*read)(npy_header *h);
    } keys[] = {{"descr", read_descr}, {"fortran_order", read_order}, {"shape", read_shape}};
    enum { KEYS = 3 };
    bool seen[KEYS] = {false};
    int count = 0;
    if (!accept(h, '{')) return malformed(h, "no dict");
    while (!accept(h, '}')) {
        const char *text;
        size_t n;
        int k = 0;
        if (!take_string(h, &text, &n)) return malformed(h, "a key is no plain string");
        while (k < KEYS && !is_text(text, n, keys[k].name)) k++;
        if (k == KEYS) return malformed(h, "a key other than descr, fortran_order and shape");
        if (seen[k]) return malformed(h, "a key for the second time");
        seen[k] = true;
        count++;
        if (!accept(h, ':')) return malformed(h, "a key without a value");
        const ag_status status = keys[k].read(h);
        if (status) return status;
        if (accept(h, ',')) continue;
        if (!accept(h, '}')) return malformed(h, "neither a comma nor the end of the dict");
        break;
    }
    if (count < KEYS) return malformed(h, "one of descr, fortran_order and shape is missing");
    skip_spaces(h);
    return h->at == h->end ? AG_OK : malformed(h, "something after the dict");
}

/* Bytes before the elements; 0, and the reason kept, where there is no valid header. */
static size_t read_header(npy_header *h, const unsigned char *bytes, size_t size) {
    static const unsigned char magic[6] = {0x93, 'N', 'U', 'M', 'P', 'Y'};
    const char *where = h->where;
    if (size < 8 || memcmp(bytes, magic, sizeof magic) != 0) {
        ag_fail(h->error, AG_ERROR_FORMAT, "%s: not an npy file: it does not begin with \\x93NUMPY and a version",
                where);
        return 0;
    }
    if (bytes[6] < 1 || bytes[6] > 3 || bytes[7] != 0) {
        ag_fail(h->error, AG_ERROR_FORMAT, "%s: npy version %d.%d is not 1.0, 2.0 or 3.0", where, bytes[6],
                bytes[7]);
        return 0;
    }
    const size_t width = bytes[6] == 1 ? 2 : 4, prefix = 8 + width;
    const size_t n = size < prefix ? 0 : (size_t)agx_load_little(bytes + 8, width);
    if (n == 0 || n > AGX_NPY_HEADER_MAX || n > size - prefix) {
        ag_fail(h->error, AG_ERROR_FORMAT,
                "%s: not a valid npy file: a header of %zu bytes is not 1 to %d, or not all there", where, n,
                AGX_NPY_HEADER_MAX);
        return 0;
    }
    h->at = h->begin = (const char *)bytes + prefix;
    h->end = h->begin + n - 1;
    if (*h->end != '\n') {
        ag_fail(h->error, AG_ERROR_FORMAT, "%s: not a valid npy file: its header does not end in a newline",
                where);
        return 0;
    }
    return read_dict(h) == AG_OK ? prefix + n : 0;
}

/* ---- the elements ------------------------------------------------------------------------------------------- */

/* Sizes of 0 are left out of the product that must not overflow: 0 beside huge sizes is no excuse. */
static ag_status check_length(const npy_header *h, size_t left, size_t limit) {
    int64_t extent = (int64_t)ag_dtype_size(h->type->dtype);
    bool empty = false;
    for (int k = 0; k < h->rank; k++) {
        if (h->dim[k] == 0)
            empty = true;
        else if (!ag_int_mul(extent, h->dim[k], &extent))
            return ag_fail(h->error, AG_ERROR_FORMAT, "%s: its sizes overflow when multiplied", h->where);
    }
    const uint64_t elements = empty ? 0 : (uint64_t)extent / ag_dtype_size(h->type->dtype);
    if (elements * h->type->size != left)
        return ag_fail(h->error, AG_ERROR_FORMAT,
                       "%s: its header promises %" PRIu64 " bytes of elements, it has %zu", h->where,
                       elements * h->type->size, left);
    if (left > limit)
        return ag_fail(h->error, AG_ERROR_LIMIT, "%s: has %zu bytes of elements, more than the limit of %zu",
                       h->where, left, limit);
    return AG_OK;
}

static void store_element(void *to, int64_t i, const npy_dtype *type, const unsigned char *from) {
    uint64_t bits = 0;
    for (size_t k = 0; k < type->size; k++) bits = bits << 8 | from[type->big ? k : type->size - 1 - k];
    const uint32_t four = (uint32_t)bits;
    switch (type->dtype) {
    case AG_BOOL: ((unsigned char *)to)[i] = bits != 0; break;
    case AG_F32: memcpy((float *)to + i, &four, sizeof four); break;
    case AG_F64: memcpy((double *)to + i, &bits, sizeof bits); break;
    default: { /* sign extension by (b ^ s) - s, modulo 2^64 */
        const uint64_t sign = type->has_sign ? UINT64_C(1) << (8 * type->size - 1) : 0;
        bits = (bits ^ sign) - sign;
        memcpy((int64_t *)to + i, &bits, sizeof bits);
    }
    }
}

/* Element by element in the file's order; with Fortran's, the first axis runs fastest. */
static void store_elements(ag_tensor *x, const npy_header *h, const unsigned char *from) {
    const ag_meta *meta = ag_tensor_meta(x);
    const int64_t count = ag_tensor_count(x);
    void *to = ag_tensor_write(x);
    int64_t index[AG_MAX_RANK] = {0}, place = 0;
    for (int64_t i = 0; i < count; i++, from += h->type->size) {
        store_element(to, h->fortran ? place : i, h->type, from);
        for (int k = 0; h->fortran && k < h->rank; k++) {
            place += meta->stride[k];
            if (++index[k] < h->dim[k]) break;
            place -= h->dim[k] * meta->stride[k];
            index[k] = 0;
        }
    }
}

ag_tensor *agx_npy_decode(const unsigned char *bytes, size_t size, size_t limit, const char *where,
                          ag_error *error) {
    npy_header h = {.where = where, .error = error};
    const size_t skip = read_header(&h, bytes, size);
    if (skip == 0 || check_length(&h, size - skip, limit) != AG_OK) return NULL;
    ag_error own = {0};
    ag_tensor *x = ag_tensor_new(h.type->dtype, h.rank, h.dim, &own);
    if (x)
        store_elements(x, &h, bytes + skip);
    else
        ag_fail(error, own.status, "%s: %s", where, own.message);
    return x;
}

ag_tensor *ag_npy_read(const char *path, size_t limit, ag_error *error) {
    limit = agx_npy_limit(limit);
    size_t longest, size;
    if (!ag_size_add(limit, AGX_NPY_PREFIX_MAX + AGX_NPY_HEADER_MAX, &longest)) longest = SIZE_MAX;
    unsigned char *bytes;
    if (agx_file_read(path, longest, &bytes, &size, error) != AG_OK) return NULL;
    char where[320];
    snprintf(where, sizeof where, AGX_PATH, path);
    ag_tensor *x = agx_npy_decode(bytes, size, limit, where, error);
    ag_release(bytes, size);
    return x;
}

/* ---- writing ------------------------------------------------------------------------------------------------ */

/* At most 8 sizes of 19 digits: far below a buffer's end, and below what version 1.0 can count. */
enum { HEADER_ROOM = 320, ALIGNMENT = 64 };

static size_t format_header(const ag_meta *meta, char *header) {
    static const char *const descr[AG_DTYPE_COUNT] = {
        [AG_BOOL] = "|b1", [AG_I64] = "<i8", [AG_F32] = "<f4", [AG_F64] = "<f8"};
    int n =
        snprintf(header, HEADER_ROOM, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr[meta->dtype]);
    for (int k = 0; k < meta->rank; k++)
        n += snprintf(header + n, (size_t)(HEADER_ROOM - n), "%s%" PRId64 "%s", k ? " " : "", meta->dim[k],
                      k + 1 < meta->rank || meta->rank == 1 ? "," : "");
    n += snprintf(header + n, (size_t)(HEADER_ROOM - n), "), }");
    while ((10 + n + 1) % ALIGNMENT != 0) header[n++] = ' ';
    header[n++] = '\n';
    return (size_t)n;
}

unsigned char *agx_npy_encode(const ag_tensor *x, size_t *size) {
    const ag_meta *meta = ag_tensor_meta(x);
    char header[HEADER_ROOM + ALIGNMENT];
    const size_t n = format_header(meta, header), width = ag_dtype_size(meta->dtype);
    if (!ag_size_add(10 + n, ag_meta_bytes(meta), size)) return NULL;
    unsigned char *bytes = ag_alloc(*size);
    if (!bytes) return NULL;
    memcpy(bytes, "\x93NUMPY\1\0", 8);
    agx_store_little(bytes + 8, n, 2);
    memcpy(bytes + 10, header, n);
    const unsigned char *from = ag_tensor_data(x);
    unsigned char *to = bytes + 10 + n;
    for (int64_t i = ag_tensor_count(x); i > 0; i--, from += width, to += width) {
        uint64_t bits = *from != 0; /* of a bool */
        uint32_t four;
        if (width == 8) memcpy(&bits, from, 8);
        if (width == 4) {
            memcpy(&four, from, 4);
            bits = four;
        }
        agx_store_little(to, bits, width);
    }
    return bytes;
}

ag_status ag_npy_write(const char *path, const ag_tensor *x, ag_error *error) {
    size_t size;
    unsigned char *bytes = agx_npy_encode(x, &size);
    if (!bytes) return ag_fail(error, AG_ERROR_MEMORY, AGX_PATH ": no memory for its contents", path);
    agx_writer out;
    ag_status status = agx_writer_open(&out, path, error);
    if (!status) {
        status = agx_writer_append(&out, bytes, size, error);
        if (!status)
            status = agx_writer_commit(&out, error);
        else
            agx_writer_abandon(&out);
    }
    ag_release(bytes, size);
    return status;
}
