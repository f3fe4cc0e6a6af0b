/* safetensors: the durable writer.
 *
 * Invariants: what is written is what the strict reader accepts. Tensors of wide elements come first (otherwise in the
 * order given) and the header is padded with spaces to a multiple of 8, so every tensor is aligned to its element.
 * Left out: reading (safetensors.c, which shows the format), and narrowing to the smaller dtypes of the format. */
#include "safetensors.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "file.h"
#include "json.h"
#include "order.h"

static const size_t header_limit = 100000000; /* the format's own */

/* A text that grows. The first failure sticks, so that appending needs no check. */
typedef struct text {
    char *bytes;
    size_t size, room;
    bool failed;
} text;

static char *text_reserve(text *t, size_t more) {
    size_t need;
    if (t->failed || !ag_size_add(t->size, more, &need)) goto failed;
    if (need > t->room) {
        size_t room = need < 1024 ? 1024 : need + need / 2;
        char *bytes = ag_realloc(t->bytes, t->room, room);
        if (!bytes) goto failed;
        t->bytes = bytes;
        t->room = room;
    }
    return t->bytes + t->size;
failed:
    t->failed = true;
    return NULL;
}

static void text_add(text *t, const char *string) {
    size_t n = strlen(string);
    char *at = text_reserve(t, n);
    if (!at) return;
    memcpy(at, string, n);
    t->size += n;
}

static void text_add_quoted(text *t, const char *string) {
    size_t n = agx_json_quote(string, NULL);
    char *at = text_reserve(t, n);
    if (at) t->size += agx_json_quote(string, at);
}

static void text_add_integer(text *t, int64_t value) {
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRId64, value);
    text_add(t, digits);
}

/* What is to be written. */
typedef struct job {
    const char *path;
    ag_tensor *const *tensors;
    const char *const *names;
    size_t n;
    const char *const *metadata; /* (2 pairs) */
    size_t pairs;
    ag_error *error;
} job;

/* ---- checking ------------------------------------------------------------------------------------------------- */

static bool string_before(const void *elements, size_t i, size_t j) {
    const char *const *string = elements;
    return strcmp(string[i], string[j]) < 0;
}

/* The keys among metadata's alternating strings. */
static bool key_before(const void *elements, size_t i, size_t j) {
    const char *const *string = elements;
    return strcmp(string[2 * i], string[2 * j]) < 0;
}

/* Is one of the n strings at strings[k * step] there twice? */
static ag_status check_distinct(const job *w, const char *const *strings, size_t n, size_t step, ag_status status,
                                const char *what) {
    size_t bytes;
    size_t *order = ag_size_mul(n, sizeof *order, &bytes) ? ag_alloc(bytes) : NULL;
    if (!order) return ag_fail(w->error, AG_ERROR_MEMORY, AGX_PATH ": no memory to compare its names", w->path);
    agx_order(order, n, step == 1 ? string_before : key_before, strings);
    const char *twice = NULL;
    for (size_t i = 1; i < n && !twice; i++)
        if (strcmp(strings[step * order[i]], strings[step * order[i - 1]]) == 0) twice = strings[step * order[i]];
    ag_release(order, bytes);
    if (!twice) return AG_OK;
    return ag_fail(w->error, status, AGX_PATH ": %s \"%.60s\" is given twice", w->path, what, twice);
}

static bool is_utf8(const char *string) { return agx_utf8_length(string, strlen(string)) == strlen(string); }

static ag_status check_names(const job *w) {
    for (size_t i = 0; i < w->n; i++) {
        const char *name = w->names[i], *wrong = NULL;
        if (!*name)
            wrong = "is empty";
        else if (!is_utf8(name))
            wrong = "is not UTF-8";
        else if (strcmp(name, "__metadata__") == 0)
            wrong = "is \"__metadata__\", which the format keeps for itself";
        if (wrong)
            return ag_fail(w->error, AG_ERROR_NAME, AGX_PATH ": the name of tensor %zu %s", w->path, i, wrong);
    }
    for (size_t i = 0; i < 2 * w->pairs; i++)
        if (!w->metadata[i] || !is_utf8(w->metadata[i]))
            return ag_fail(w->error, AG_ERROR_VALUE, AGX_PATH ": metadata string %zu is %s", w->path, i,
                           w->metadata[i] ? "not UTF-8" : "missing: a key has no value");
    ag_status status = check_distinct(w, w->names, w->n, 1, AG_ERROR_NAME, "the tensor name");
    if (!status) status = check_distinct(w, w->metadata, w->pairs, 2, AG_ERROR_VALUE, "the metadata key");
    return status;
}

/* ---- writing ---------------------------------------------------------------------------------------------------- */

/* Call `visit` for each tensor, in the order of the file. */
typedef ag_status visitor(const job *w, size_t i, void *state);
static ag_status each_tensor(const job *w, visitor *visit, void *state) {
    for (size_t size = sizeof(uint64_t); size > 0; size /= 2)
        for (size_t i = 0; i < w->n; i++) {
            if (ag_dtype_size(ag_tensor_meta(w->tensors[i])->dtype) != size) continue;
            ag_status status = visit(w, i, state);
            if (status) return status;
        }
    return AG_OK;
}

typedef struct header {
    text text;
    int64_t at; /* bytes of data described so far */
    bool comma;
} header;

static ag_status describe(const job *w, size_t i, void *state) {
    static const char *const names[AG_DTYPE_COUNT] = {
        [AG_BOOL] = "BOOL", [AG_I64] = "I64", [AG_F32] = "F32", [AG_F64] = "F64"};
    header *h = state;
    text *t = &h->text;
    const ag_meta *meta = ag_tensor_meta(w->tensors[i]);
    int64_t bytes = (int64_t)ag_meta_bytes(meta);
    if (bytes > INT64_MAX - h->at)
        return ag_fail(w->error, AG_ERROR_LIMIT, AGX_PATH ": the data are too long for a file", w->path);
    if (h->comma) text_add(t, ",");
    h->comma = true;
    text_add_quoted(t, w->names[i]);
    text_add(t, ":{\"dtype\":\"");
    text_add(t, names[meta->dtype]);
    text_add(t, "\",\"shape\":[");
    for (int k = 0; k < meta->rank; k++) {
        if (k) text_add(t, ",");
        text_add_integer(t, meta->dim[k]);
    }
    text_add(t, "],\"data_offsets\":[");
    text_add_integer(t, h->at);
    text_add(t, ",");
    text_add_integer(t, h->at += bytes);
    text_add(t, "]}");
    return AG_OK;
}

static ag_status build_header(const job *w, header *h) {
    text *t = &h->text;
    text_add(t, "{");
    if (w->metadata) {
        text_add(t, "\"__metadata__\":{");
        for (size_t i = 0; i < w->pairs; i++) {
            if (i) text_add(t, ",");
            text_add_quoted(t, w->metadata[2 * i]);
            text_add(t, ":");
            text_add_quoted(t, w->metadata[2 * i + 1]);
        }
        text_add(t, "}");
        h->comma = true;
    }
    ag_status status = each_tensor(w, describe, h);
    if (status) return status;
    text_add(t, "}");
    while (t->size % 8 && !t->failed) text_add(t, " ");
    if (t->failed) return ag_fail(w->error, AG_ERROR_MEMORY, AGX_PATH ": no memory for its header", w->path);
    if (t->size > header_limit)
        return ag_fail(w->error, AG_ERROR_LIMIT,
                       AGX_PATH ": its header would have %zu bytes, more than the format's %zu", w->path, t->size,
                       header_limit);
    return AG_OK;
}

static void store_little(unsigned char *bytes, uint64_t bits, size_t size) {
    for (size_t k = 0; k < size; k++, bits >>= 8) bytes[k] = (unsigned char)bits;
}

/* The elements in the file's byte order, a bufferful at a time. */
static ag_status append_data(const job *w, size_t i, void *state) {
    enum { BUFFER = 8192 };
    unsigned char buffer[BUFFER];
    const ag_meta *meta = ag_tensor_meta(w->tensors[i]);
    const unsigned char *from = ag_tensor_data(w->tensors[i]);
    size_t size = ag_dtype_size(meta->dtype), left = ag_meta_bytes(meta);
    while (left > 0) {
        size_t bytes = left < BUFFER ? left : BUFFER;
        for (size_t at = 0; at < bytes; at += size, from += size) {
            uint64_t bits = *from != 0; /* of a bool */
            uint32_t four;
            if (size == 8) memcpy(&bits, from, 8);
            if (size == 4) {
                memcpy(&four, from, 4);
                bits = four;
            }
            store_little(buffer + at, bits, size);
        }
        ag_status status = agx_writer_append(state, buffer, bytes, w->error);
        if (status) return status;
        left -= bytes;
    }
    return AG_OK;
}

static ag_status write_file(const job *w, const header *h) {
    agx_writer out;
    ag_status status = agx_writer_open(&out, w->path, w->error);
    if (status) return status;
    unsigned char length[8];
    store_little(length, h->text.size, sizeof length);
    status = agx_writer_append(&out, length, sizeof length, w->error);
    if (!status) status = agx_writer_append(&out, h->text.bytes, h->text.size, w->error);
    if (!status) status = each_tensor(w, append_data, &out);
    if (!status) return agx_writer_commit(&out, w->error);
    agx_writer_abandon(&out);
    return status;
}

ag_status ag_safetensors_write(const char *path, ag_tensor *const *tensors, const char *const *names, size_t n,
                               const char *const *metadata, ag_error *error) {
    job w = {.path = path, .tensors = tensors, .names = names, .n = n, .metadata = metadata, .error = error};
    while (metadata && metadata[2 * w.pairs]) {
        w.pairs++;
        if (!metadata[2 * w.pairs - 1]) break; /* a key without a value ends the list, too */
    }
    ag_status status = check_names(&w);
    if (status) return status;
    header h = {0};
    status = build_header(&w, &h);
    if (!status) status = write_file(&w, &h);
    ag_release(h.text.bytes, h.text.room);
    return status;
}
