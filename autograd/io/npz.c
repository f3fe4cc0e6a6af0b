/* npz: named arrays in a zip archive, read strictly.
 *
 * An archive is   (local header, name, extra, data)*   (directory entry, name, extra)*   end record   and nothing else.
 * The directory counts; a local header must only agree in its name.
 *
 * Invariants: entries follow one another without overlap (an archive that shares its bytes inflates without bound) and
 * without holes; memory for an entry is taken only after its length was found within the limit and within what deflate
 * can do; its checksum is that of the directory.
 * Left out: ZIP64 (beyond 4 GiB), encryption, methods other than stored and deflate, comments. */
#include "npy.h"

#include <stdio.h>
#include <string.h>

#include "file.h"
#include "json.h"
#include "npy_impl.h"
#include "order.h"

#if defined(AGX_HAVE_ZLIB)
#include "zlib_impl.h"
#endif

enum { LOCAL = 30, ENTRY = 46, END = 22 }; /* bytes of each record without its name */

struct ag_npz {
    size_t n;
    char **names;        /* (n) */
    ag_tensor **tensors; /* (n) */
};

typedef struct archive {
    const unsigned char *bytes;
    size_t size, limit, spent; /* spent: bytes of entries so far */
    size_t directory;          /* where it begins                */
    const char *path;
    ag_error *error;
} archive;

typedef struct entry {
    const unsigned char *name;
    size_t name_size;
    unsigned flags, method;
    uint32_t crc;
    size_t packed, size, at; /* bytes in the file, bytes of the array, where its local header is */
} entry;

uint32_t agx_crc32(const unsigned char *bytes, size_t n) {
    static const uint32_t table[16] = {0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4,
                                       0x4DB26158, 0x5005713C, 0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C,
                                       0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C};
    uint32_t crc = 0xFFFFFFFF;
    while (n-- > 0) {
        crc ^= *bytes++;
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

static ag_status malformed(const archive *a, const char *what) {
    return ag_fail(a->error, AG_ERROR_FORMAT, AGX_PATH ": not a valid npz file: %s", a->path, what);
}

static ag_status entry_failed(const archive *a, const entry *e, ag_status status, const char *what) {
    return ag_fail(a->error, status, AGX_PATH ": entry \"%.*s\": %s", a->path,
                   (int)(e->name_size < 60 ? e->name_size : 60), (const char *)e->name, what);
}

/* ---- inflating ---------------------------------------------------------------------------------------------- */

#if defined(AGX_HAVE_ZLIB)

/* Exactly e->size bytes out of exactly e->packed: both fit zlib's unsigned int, as they came from 32 bits. */
static ag_status inflate_entry(const archive *a, const entry *e, const unsigned char *from, unsigned char *to) {
    z_stream z = {.zalloc = agx_zlib_alloc, .zfree = agx_zlib_release};
    if (inflateInit2(&z, -MAX_WBITS) != Z_OK)
        return entry_failed(a, e, AG_ERROR_MEMORY, "no memory to inflate it");
    z.next_in = (unsigned char *)from; /* zlib's next_in is read only, whatever its type says */
    z.avail_in = (unsigned)e->packed;
    z.next_out = to;
    z.avail_out = (unsigned)e->size;
    const int code = inflate(&z, Z_FINISH);
    const bool whole = code == Z_STREAM_END && z.avail_in == 0 && z.avail_out == 0;
    inflateEnd(&z);
    if (code == Z_MEM_ERROR) return entry_failed(a, e, AG_ERROR_MEMORY, "no memory to inflate it");
    return whole ? AG_OK
                 : entry_failed(a, e, AG_ERROR_FORMAT, "its deflated data are corrupt, or not of their length");
}

#else

static ag_status inflate_entry(const archive *a, const entry *e, const unsigned char *from, unsigned char *to) {
    (void)from, (void)to;
    return entry_failed(a, e, AG_ERROR_UNSUPPORTED,
                        "is deflated, and this build reads only stored ones (it was made without zlib)");
}

#endif

/* ---- the archive -------------------------------------------------------------------------------------------- */

static ag_status check_end(archive *a, size_t *count) {
    if (a->size < END) return malformed(a, "it is shorter than an archive's end record");
    const unsigned char *end = a->bytes + a->size - END;
    if (memcmp(end, "PK\5\6", 4) != 0 || agx_load_little(end + 20, 2) != 0)
        return malformed(a, "no end record (one without a comment) where it ends");
    const size_t here = (size_t)agx_load_little(end + 8, 2), length = (size_t)agx_load_little(end + 12, 4);
    *count = (size_t)agx_load_little(end + 10, 2);
    a->directory = (size_t)agx_load_little(end + 16, 4);
    if (*count == 0xFFFF || length == 0xFFFFFFFF || a->directory == 0xFFFFFFFF)
        return ag_fail(a->error, AG_ERROR_UNSUPPORTED, AGX_PATH ": is a ZIP64 archive", a->path);
    if (agx_load_little(end + 4, 4) != 0 || here != *count) return malformed(a, "it is one part of several");
    if (a->directory > a->size - END || length != a->size - END - a->directory)
        return malformed(a, "its directory does not lie just before the end record");
    return *count * ENTRY <= length ? AG_OK : malformed(a, "its directory is too short for its entries");
}

/* The directory entry at *at; *at moves behind it. */
static ag_status read_entry(const archive *a, size_t *at, entry *e) {
    const size_t left = a->size - END - *at;
    const unsigned char *from = a->bytes + *at;
    if (left < ENTRY || memcmp(from, "PK\1\2", 4) != 0) return malformed(a, "a directory entry is missing");
    e->flags = (unsigned)agx_load_little(from + 8, 2);
    e->method = (unsigned)agx_load_little(from + 10, 2);
    e->crc = (uint32_t)agx_load_little(from + 16, 4);
    e->packed = (size_t)agx_load_little(from + 20, 4);
    e->size = (size_t)agx_load_little(from + 24, 4);
    e->name_size = (size_t)agx_load_little(from + 28, 2);
    e->at = (size_t)agx_load_little(from + 42, 4);
    const size_t extra = (size_t)agx_load_little(from + 30, 2), comment = (size_t)agx_load_little(from + 32, 2);
    if (e->name_size + extra + comment > left - ENTRY) return malformed(a, "a directory entry is cut short");
    e->name = from + ENTRY;
    *at += ENTRY + e->name_size + extra + comment;
    return AG_OK;
}

static ag_status check_entry(const archive *a, const entry *e) {
    static const char ending[] = ".npy";
    enum { ENCRYPTED = 1, STORED = 0, DEFLATED = 8, EXPANSION = 1032 };
    const size_t n = sizeof ending - 1;
    if (e->name_size <= n || memcmp(e->name + e->name_size - n, ending, n) != 0)
        return entry_failed(a, e, AG_ERROR_FORMAT, "its name is not one with \".npy\" behind it");
    if (memchr(e->name, 0, e->name_size) || agx_utf8_length(e->name, e->name_size) != e->name_size)
        return entry_failed(a, e, AG_ERROR_FORMAT, "its name is not UTF-8, or has a NUL in it");
    if (e->packed == 0xFFFFFFFF || e->size == 0xFFFFFFFF || e->at == 0xFFFFFFFF)
        return entry_failed(a, e, AG_ERROR_UNSUPPORTED, "needs ZIP64");
    if (e->flags & ENCRYPTED) return entry_failed(a, e, AG_ERROR_UNSUPPORTED, "is encrypted");
    if (e->method != STORED && e->method != DEFLATED)
        return entry_failed(a, e, AG_ERROR_UNSUPPORTED, "is compressed by neither of the two methods known here");
    if (e->method == STORED ? e->packed != e->size : e->size / EXPANSION > e->packed)
        return entry_failed(a, e, AG_ERROR_FORMAT, "its two lengths do not go together");
    return AG_OK;
}

/* Where the entry's data begin; *end is the end of the entry before, and becomes that of this one. */
static ag_status find_data(const archive *a, const entry *e, bool described, size_t *end,
                           const unsigned char **data) {
    enum { LONGEST_DESCRIPTOR = 24 }; /* lengths behind the data, of an entry that was streamed */
    const size_t hole = described ? LONGEST_DESCRIPTOR : 0;
    if (e->at < *end || e->at - *end > hole)
        return entry_failed(a, e, AG_ERROR_FORMAT, "does not begin where the one before ends");
    if (e->at > a->directory || a->directory - e->at < LOCAL)
        return entry_failed(a, e, AG_ERROR_FORMAT, "lies outside of the archive");
    const unsigned char *from = a->bytes + e->at;
    const size_t name_size = (size_t)agx_load_little(from + 26, 2), extra = (size_t)agx_load_little(from + 28, 2);
    const size_t left = a->directory - e->at - LOCAL;
    if (memcmp(from, "PK\3\4", 4) != 0 || name_size != e->name_size || left < name_size ||
        memcmp(from + LOCAL, e->name, name_size) != 0)
        return entry_failed(a, e, AG_ERROR_FORMAT, "its local header does not agree with the directory");
    if (left - name_size < extra || left - name_size - extra < e->packed)
        return entry_failed(a, e, AG_ERROR_FORMAT, "lies outside of the archive");
    *data = from + LOCAL + name_size + extra;
    *end = e->at + LOCAL + name_size + extra + e->packed;
    return AG_OK;
}

static ag_status decode_entry(archive *a, const entry *e, const unsigned char *data, ag_tensor **x) {
    if (e->size > a->limit - a->spent)
        return entry_failed(a, e, AG_ERROR_LIMIT, "takes the arrays past the limit");
    a->spent += e->size;
    unsigned char *inflated = NULL;
    ag_status status = AG_OK;
    if (e->method) {
        inflated = ag_alloc(e->size);
        if (!inflated) return entry_failed(a, e, AG_ERROR_MEMORY, "no memory to inflate it");
        status = inflate_entry(a, e, data, inflated);
        data = inflated;
    }
    if (!status && agx_crc32(data, e->size) != e->crc)
        status = entry_failed(a, e, AG_ERROR_FORMAT, "its checksum is wrong");
    if (!status) {
        char where[400];
        snprintf(where, sizeof where, AGX_PATH ": entry \"%.*s\"", a->path,
                 (int)(e->name_size < 60 ? e->name_size : 60), (const char *)e->name);
        ag_error own = {0};
        *x = agx_npy_decode(data, e->size, SIZE_MAX, where, &own);
        if (!*x) status = ag_fail(a->error, own.status, "%s", own.message);
    }
    ag_release(inflated, e->size);
    return status;
}

static ag_status keep_name(const archive *a, const entry *e, char **name) {
    const size_t n = e->name_size - 4; /* without ".npy" */
    *name = ag_alloc(n + 1);
    if (!*name) return entry_failed(a, e, AG_ERROR_MEMORY, "no memory for its name");
    memcpy(*name, e->name, n);
    (*name)[n] = '\0';
    return AG_OK;
}

static bool name_before(const void *elements, size_t i, size_t j) {
    char *const *names = elements;
    return strcmp(names[i], names[j]) < 0;
}

static ag_status check_distinct(const archive *a, const ag_npz *file) {
    size_t *order = ag_alloc(file->n * sizeof *order);
    if (!order) return ag_fail(a->error, AG_ERROR_MEMORY, AGX_PATH ": no memory to compare its names", a->path);
    agx_order(order, file->n, name_before, file->names);
    const char *twice = NULL;
    for (size_t i = 1; i < file->n && !twice; i++)
        if (strcmp(file->names[order[i]], file->names[order[i - 1]]) == 0) twice = file->names[order[i]];
    ag_release(order, file->n * sizeof *order);
    return twice
               ? ag_fail(a->error, AG_ERROR_FORMAT, AGX_PATH ": the name \"%.60s\" is there twice", a->path, twice)
               : AG_OK;
}

static ag_status read_archive(archive *a, ag_npz *file) {
    enum { STREAMED = 8 };
    size_t count = 0, at = 0, end = 0;
    ag_status status = check_end(a, &count);
    if (status) return status;
    file->names = ag_alloc_zeroed(count * sizeof *file->names);
    file->tensors = ag_alloc_zeroed(count * sizeof *file->tensors);
    file->n = count;
    if (!file->names || !file->tensors)
        return ag_fail(a->error, AG_ERROR_MEMORY, AGX_PATH ": no memory for %zu arrays", a->path, count);
    at = a->directory;
    bool described = false;
    for (size_t i = 0; i < count && !status; i++) {
        entry e = {0};
        const unsigned char *data = NULL;
        status = read_entry(a, &at, &e);
        if (!status) status = check_entry(a, &e);
        if (!status) status = find_data(a, &e, described, &end, &data);
        if (!status) status = keep_name(a, &e, &file->names[i]);
        if (!status) status = decode_entry(a, &e, data, &file->tensors[i]);
        if (!status) described = (e.flags & STREAMED) != 0;
    }
    if (status) return status;
    if (at != a->size - END || a->directory - end > (described ? 24 : 0))
        return malformed(a, "bytes that belong to no entry");
    return check_distinct(a, file);
}

ag_npz *ag_npz_read(const char *path, size_t limit, ag_error *error) {
    limit = agx_npy_limit(limit);
    size_t longest;
    if (!ag_size_add(limit, limit / 1024 + ((size_t)16 << 20), &longest)) longest = SIZE_MAX;
    archive a = {.limit = limit, .path = path, .error = error};
    unsigned char *bytes;
    if (agx_file_read(path, longest, &bytes, &a.size, error) != AG_OK) return NULL;
    a.bytes = bytes;
    ag_npz *file = ag_alloc_zeroed(sizeof *file);
    if (!file) {
        ag_fail(error, AG_ERROR_MEMORY, AGX_PATH ": no memory for its arrays", path);
    } else if (read_archive(&a, file) != AG_OK) {
        ag_npz_free(file);
        file = NULL;
    }
    ag_release(bytes, a.size);
    return file;
}

void ag_npz_free(ag_npz *file) {
    if (!file) return;
    for (size_t i = 0; i < file->n; i++) {
        if (file->names && file->names[i]) ag_release_string(file->names[i]);
        if (file->tensors) ag_tensor_free(file->tensors[i]);
    }
    ag_release(file->names, file->n * sizeof *file->names);
    ag_release(file->tensors, file->n * sizeof *file->tensors);
    ag_release(file, sizeof *file);
}

size_t ag_npz_count(const ag_npz *file) { return file->n; }

const char *ag_npz_name(const ag_npz *file, size_t i) { return i < file->n ? file->names[i] : NULL; }

ag_tensor *ag_npz_tensor(const ag_npz *file, size_t i) { return i < file->n ? file->tensors[i] : NULL; }

ag_tensor *ag_npz_find(const ag_npz *file, const char *name) {
    for (size_t i = 0; i < file->n; i++)
        if (strcmp(file->names[i], name) == 0) return file->tensors[i];
    return NULL;
}
