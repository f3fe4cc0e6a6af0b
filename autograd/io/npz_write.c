/* npz: the durable writer of archives.
 *
 * Invariants: what is written is what the strict reader accepts; the same tensors give the same bytes (the date is the
 * format's first, 1980-01-01). One entry is in memory at a time; of those written, what the directory needs.
 * Left out: ZIP64, so an archive ends below 4 GiB; reading (npz.c, which shows the format). */
#include "npy.h"

#include <string.h>

#include "file.h"
#include "json.h"
#include "npy_impl.h"
#include "order.h"

#if defined(AGX_HAVE_ZLIB)
#include "zlib_impl.h"
#endif

enum { LOCAL = 30, ENTRY = 46, END = 22, NAME_MAX_BYTES = 65000, COUNT_MAX = 65534 };
static const uint64_t SIZE_LIMIT = 0xFFFFFFFE; /* the next one means ZIP64 */

typedef struct record {
    uint32_t crc;
    size_t packed, size, at;
} record;

typedef struct job {
    const char *path;
    const char *const *names;
    size_t n;
    bool deflated;
    record *records; /* (n) */
    uint64_t at;     /* bytes written */
    agx_writer out;
    ag_error *error;
} job;

/* ---- checking ----------------------------------------------------------------------------------------------- */

static bool name_before(const void *elements, size_t i, size_t j) {
    const char *const *names = elements;
    return strcmp(names[i], names[j]) < 0;
}

static ag_status check_names(const job *w) {
    for (size_t i = 0; i < w->n; i++) {
        const size_t n = strlen(w->names[i]);
        const char *wrong = n == 0                                 ? "is empty"
                            : n > NAME_MAX_BYTES                   ? "is longer than 65000 bytes"
                            : agx_utf8_length(w->names[i], n) != n ? "is not UTF-8"
                                                                   : NULL;
        if (wrong)
            return ag_fail(w->error, AG_ERROR_NAME, AGX_PATH ": the name of tensor %zu %s", w->path, i, wrong);
    }
    size_t *order = ag_alloc(w->n * sizeof *order);
    if (!order) return ag_fail(w->error, AG_ERROR_MEMORY, AGX_PATH ": no memory to compare its names", w->path);
    agx_order(order, w->n, name_before, w->names);
    const char *twice = NULL;
    for (size_t i = 1; i < w->n && !twice; i++)
        if (strcmp(w->names[order[i]], w->names[order[i - 1]]) == 0) twice = w->names[order[i]];
    ag_release(order, w->n * sizeof *order);
    if (!twice) return AG_OK;
    return ag_fail(w->error, AG_ERROR_NAME, AGX_PATH ": the name \"%.60s\" is given twice", w->path, twice);
}

/* ---- deflating ---------------------------------------------------------------------------------------------- */

#if defined(AGX_HAVE_ZLIB)

/* Deflated bytes in a block of *room, *packed of them used. NULL: out of memory. */
static unsigned char *deflate_bytes(const unsigned char *bytes, size_t size, size_t *room, size_t *packed) {
    enum { MEMORY_LEVEL = 8 };
    z_stream z = {.zalloc = agx_zlib_alloc, .zfree = agx_zlib_release};
    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
        return NULL;
    *room = deflateBound(&z, size);
    unsigned char *to = ag_alloc(*room);
    size_t given = 0;
    *packed = 0;
    for (int code = Z_OK; to && code != Z_STREAM_END;) { /* zlib counts in unsigned int, hence the pieces */
        const size_t piece = (size_t)1 << 30, in = size - given < piece ? size - given : piece;
        const size_t space = *room - *packed < piece ? *room - *packed : piece;
        z.next_in = (unsigned char *)bytes + given;
        z.avail_in = (unsigned)in;
        z.next_out = to + *packed;
        z.avail_out = (unsigned)space;
        code = deflate(&z, given + in == size ? Z_FINISH : Z_NO_FLUSH);
        given += in - z.avail_in;
        *packed += space - z.avail_out;
    }
    deflateEnd(&z);
    return to;
}

static ag_status check_method(const job *w) {
    (void)w;
    return AG_OK;
}

#else /* nothing is deflated: check_method refuses before */

static unsigned char *deflate_bytes(const unsigned char *bytes, size_t size, size_t *room, size_t *packed) {
    (void)bytes, (void)size;
    *room = *packed = 0;
    return NULL;
}

static ag_status check_method(const job *w) {
    if (!w->deflated) return AG_OK;
    return ag_fail(w->error, AG_ERROR_UNSUPPORTED,
                   AGX_PATH ": this build writes only stored entries (it was made without zlib)", w->path);
}

#endif

/* ---- writing ------------------------------------------------------------------------------------------------ */

static ag_status append(job *w, const void *bytes, size_t n) {
    w->at += n;
    if (w->at > SIZE_LIMIT)
        return ag_fail(w->error, AG_ERROR_LIMIT, AGX_PATH ": would not end below 4 GiB", w->path);
    return agx_writer_append(&w->out, bytes, n, w->error);
}

/* The 26 bytes that a local header and a directory entry share: versions, method, date, checksum, lengths. */
static void store_common(unsigned char *to, const job *w, size_t i) {
    enum { VERSION = 20, UTF8_NAMES = 0x800, FIRST_DATE = 0x21, DEFLATE = 8 };
    const record *r = &w->records[i];
    agx_store_little(to, VERSION, 2);
    agx_store_little(to + 2, UTF8_NAMES, 2);
    agx_store_little(to + 4, w->deflated ? DEFLATE : 0, 2);
    agx_store_little(to + 6, 0, 2);
    agx_store_little(to + 8, FIRST_DATE, 2);
    agx_store_little(to + 10, r->crc, 4);
    agx_store_little(to + 14, r->packed, 4);
    agx_store_little(to + 18, r->size, 4);
    agx_store_little(to + 22, strlen(w->names[i]) + 4, 2);
    agx_store_little(to + 24, 0, 2);
}

static ag_status append_name(job *w, size_t i) {
    const ag_status status = append(w, w->names[i], strlen(w->names[i]));
    return status ? status : append(w, ".npy", 4);
}

static ag_status append_array(job *w, size_t i, const ag_tensor *x) {
    record *r = &w->records[i];
    size_t room = 0;
    unsigned char *packed = NULL, *bytes = agx_npy_encode(x, &r->size);
    if (!bytes) return ag_fail(w->error, AG_ERROR_MEMORY, AGX_PATH ": no memory for its contents", w->path);
    r->at = (size_t)w->at;
    r->packed = r->size;
    ag_status status = AG_OK;
    if (r->size > SIZE_LIMIT)
        status = ag_fail(w->error, AG_ERROR_LIMIT, AGX_PATH ": would not end below 4 GiB", w->path);
    if (!status && w->deflated && !(packed = deflate_bytes(bytes, r->size, &room, &r->packed)))
        status = ag_fail(w->error, AG_ERROR_MEMORY, AGX_PATH ": no memory to deflate its contents", w->path);
    if (!status) {
        unsigned char head[LOCAL] = "PK\3\4";
        r->crc = agx_crc32(bytes, r->size);
        store_common(head + 4, w, i);
        status = append(w, head, sizeof head);
    }
    if (!status) status = append_name(w, i);
    if (!status) status = append(w, packed ? packed : bytes, r->packed);
    ag_release(packed, room);
    ag_release(bytes, r->size);
    return status;
}

static ag_status append_directory(job *w) {
    const uint64_t begin = w->at;
    ag_status status = AG_OK;
    for (size_t i = 0; i < w->n && !status; i++) {
        unsigned char head[ENTRY] = "PK\1\2\24";
        store_common(head + 6, w, i);
        agx_store_little(head + 42, w->records[i].at, 4);
        status = append(w, head, sizeof head);
        if (!status) status = append_name(w, i);
    }
    unsigned char end[END] = "PK\5\6";
    agx_store_little(end + 8, w->n, 2);
    agx_store_little(end + 10, w->n, 2);
    agx_store_little(end + 12, w->at - begin, 4);
    agx_store_little(end + 16, begin, 4);
    return status ? status : append(w, end, sizeof end);
}

ag_status ag_npz_write(const char *path, ag_tensor *const *tensors, const char *const *names, size_t n,
                       bool deflated, ag_error *error) {
    job w = {.path = path, .names = names, .n = n, .deflated = deflated, .error = error};
    if (n > COUNT_MAX)
        return ag_fail(error, AG_ERROR_LIMIT, AGX_PATH ": %zu tensors are more than the format's 65534", path, n);
    ag_status status = check_method(&w);
    if (!status) status = check_names(&w);
    if (status) return status;
    w.records = ag_alloc_zeroed(n * sizeof *w.records);
    if (!w.records) return ag_fail(error, AG_ERROR_MEMORY, AGX_PATH ": no memory for its directory", path);
    status = agx_writer_open(&w.out, path, error);
    if (!status) {
        for (size_t i = 0; i < n && !status; i++) status = append_array(&w, i, tensors[i]);
        if (!status) status = append_directory(&w);
        if (!status)
            status = agx_writer_commit(&w.out, error);
        else
            agx_writer_abandon(&w.out);
    }
    ag_release(w.records, n * sizeof *w.records);
    return status;
}
