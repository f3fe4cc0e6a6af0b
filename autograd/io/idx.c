/* idx: the IDX format, plain or gzip-compressed, read strictly.
 *
 * A file is   0 0 type rank | rank sizes, u32 big-endian | elements, big-endian   and nothing else.
 *
 * Invariant: memory for the elements is taken only after the header was checked against what the file can hold: for
 * a plain file its length, exactly; for a compressed one deflate's greatest expansion, and then exactly again.
 * Left out: writing, and more than one member in a gzip file (a second one counts as trailing bytes). */
#include "idx.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "file.h"

#if defined(AGX_HAVE_ZLIB)
#include "zlib_impl.h"
#endif

enum { HEADER_MAX = 4 + 4 * AG_MAX_RANK };

/* The bytes of a file, as they are or inflated. */
typedef struct source {
    const unsigned char *next; /* plain: what is left. Packed: what zlib was not yet given */
    size_t left, size;         /* size: of the whole file                                  */
    bool packed;
    const char *path;
    ag_error *error;
#if defined(AGX_HAVE_ZLIB)
    z_stream z;
    bool ended; /* the end of the stream was seen, and its checksum was right */
#endif
} source;

static ag_status malformed(const source *s, const char *what) {
    return ag_fail(s->error, AG_ERROR_FORMAT, AGX_PATH ": not a valid IDX file: %s", s->path, what);
}

/* ---- compressed bytes --------------------------------------------------------------------------------------- */

#if defined(AGX_HAVE_ZLIB)

static ag_status inflate_failed(const source *s, int code) {
    if (code == Z_MEM_ERROR)
        return ag_fail(s->error, AG_ERROR_MEMORY, AGX_PATH ": no memory to inflate it", s->path);
    const char *why = s->z.msg ? s->z.msg : "a preset dictionary is asked for";
    return ag_fail(s->error, AG_ERROR_FORMAT, AGX_PATH ": the gzip data are corrupt: %s", s->path, why);
}

static ag_status packed_open(source *s) {
    enum { GZIP_ONLY = 16 };
    s->z = (z_stream){.zalloc = agx_zlib_alloc, .zfree = agx_zlib_release};
    int code = inflateInit2(&s->z, GZIP_ONLY + MAX_WBITS);
    return code == Z_OK ? AG_OK : inflate_failed(s, code);
}

static void packed_close(source *s) { inflateEnd(&s->z); }

/* Inflate up to n bytes; *got is less only where the stream ends. zlib counts in unsigned int, hence the pieces. */
static ag_status packed_take(source *s, unsigned char *out, size_t n, size_t *got) {
    const size_t piece = (size_t)1 << 30;
    *got = 0;
    while (*got < n && !s->ended) {
        if (s->z.avail_in == 0) {
            size_t more = s->left < piece ? s->left : piece;
            s->z.next_in = (unsigned char *)s->next; /* zlib's next_in is read only, whatever its type says */
            s->z.avail_in = (unsigned)more;
            s->next += more;
            s->left -= more;
        }
        unsigned room = (unsigned)(n - *got < piece ? n - *got : piece);
        s->z.next_out = out + *got;
        s->z.avail_out = room;
        int code = inflate(&s->z, Z_NO_FLUSH);
        *got += room - s->z.avail_out;
        if (code == Z_STREAM_END)
            s->ended = true;
        else if (code == Z_BUF_ERROR && s->z.avail_in == 0 && s->left == 0)
            return malformed(s, "the compressed data are cut short");
        else if (code != Z_OK && code != Z_BUF_ERROR)
            return inflate_failed(s, code);
    }
    return AG_OK;
}

static ag_status packed_finish(source *s) {
    unsigned char beyond;
    size_t got;
    ag_status status = packed_take(s, &beyond, 1, &got);
    if (status) return status;
    if (got) return malformed(s, "more data follow than the header promises");
    if (s->z.avail_in || s->left) return malformed(s, "bytes follow the end of the compressed data");
    return AG_OK;
}

#else /* without zlib a source is never packed */

static ag_status packed_open(source *s) {
    return ag_fail(s->error, AG_ERROR_UNSUPPORTED,
                   AGX_PATH ": is compressed, and this build reads no gzip (it was made without zlib)", s->path);
}
static void packed_close(source *s) { (void)s; }
static ag_status packed_take(source *s, unsigned char *out, size_t n, size_t *got) {
    (void)s, (void)out, (void)n;
    *got = 0;
    return AG_OK;
}
static ag_status packed_finish(source *s) {
    (void)s;
    return AG_OK;
}

#endif

/* ---- the format ----------------------------------------------------------------------------------------------- */

/* Exactly n bytes, or an error that says what was being read. */
static ag_status take(source *s, void *out, size_t n, const char *cut_short) {
    if (s->packed) {
        size_t got;
        ag_status status = packed_take(s, out, n, &got);
        if (status) return status;
        return got == n ? AG_OK : malformed(s, cut_short);
    }
    if (s->left < n) return malformed(s, cut_short);
    memcpy(out, s->next, n);
    s->next += n;
    s->left -= n;
    return AG_OK;
}

static size_t element_size(uint8_t type) {
    switch (type) {
    case 0x08:
    case 0x09: return 1;
    case 0x0B: return 2;
    case 0x0C:
    case 0x0D: return 4;
    case 0x0E: return 8;
    default: return 0;
    }
}

static ag_status read_header(source *s, ag_idx *idx) {
    unsigned char head[HEADER_MAX];
    ag_status status = take(s, head, 4, "it is shorter than its 4 bytes of magic");
    if (status) return status;
    if (head[0] || head[1]) return malformed(s, "it does not begin with two zero bytes");
    idx->type = head[2];
    idx->rank = head[3];
    if (element_size(idx->type) == 0)
        return ag_fail(s->error, AG_ERROR_FORMAT,
                       AGX_PATH ": not a valid IDX file: type %02X at byte 2 is not one of 08 09 0B 0C 0D 0E",
                       s->path, (unsigned)idx->type);
    if (idx->rank < 1 || idx->rank > AG_MAX_RANK)
        return ag_fail(s->error, AG_ERROR_FORMAT,
                       AGX_PATH ": not a valid IDX file: rank %d at byte 3 is not 1 to %d", s->path, idx->rank,
                       AG_MAX_RANK);
    status = take(s, head, 4 * (size_t)idx->rank, "it ends within its sizes");
    if (status) return status;

    /* Sizes of 0 are left out of the product that must not overflow: 0 beside huge sizes is no excuse. */
    int64_t extent = (int64_t)element_size(idx->type);
    bool empty = false;
    for (int k = 0; k < idx->rank; k++) {
        const unsigned char *size = head + 4 * k;
        idx->dim[k] =
            (int64_t)((uint32_t)size[0] << 24 | (uint32_t)size[1] << 16 | (uint32_t)size[2] << 8 | size[3]);
        if (idx->dim[k] == 0)
            empty = true;
        else if (!ag_int_mul(extent, idx->dim[k], &extent))
            return malformed(s, "its sizes overflow when multiplied");
    }
    if (empty) extent = 0;
    if ((uint64_t)extent > SIZE_MAX) return malformed(s, "its sizes overflow when multiplied");
    idx->bytes = (size_t)extent;
    idx->count = extent / (int64_t)element_size(idx->type);
    return AG_OK;
}

/* Can the file hold what its header promises? */
static ag_status check_length(const source *s, const ag_idx *idx, size_t limit) {
    const size_t expansion = 1032; /* deflate's greatest: 258 bytes for two bits */
    if (s->packed ? idx->bytes / expansion > s->size : idx->bytes != s->left)
        return ag_fail(s->error, AG_ERROR_FORMAT,
                       AGX_PATH ": not a valid IDX file: its header promises %zu bytes of elements, it has %zu%s",
                       s->path, idx->bytes, s->packed ? s->size : s->left,
                       s->packed ? " compressed ones in all" : "");
    if (idx->bytes > limit)
        return ag_fail(s->error, AG_ERROR_LIMIT,
                       AGX_PATH ": its header promises %zu bytes, more than the limit of %zu", s->path, idx->bytes,
                       limit);
    return AG_OK;
}

/* Big-endian elements to the machine's order, in place. */
static void to_machine_order(unsigned char *data, int64_t count, size_t size) {
    for (int64_t i = 0; i < count; i++, data += size) {
        uint64_t bits = 0;
        for (size_t k = 0; k < size; k++) bits = bits << 8 | data[k];
        uint16_t two = (uint16_t)bits;
        uint32_t four = (uint32_t)bits;
        if (size == 2)
            memcpy(data, &two, 2);
        else if (size == 4)
            memcpy(data, &four, 4);
        else
            memcpy(data, &bits, 8);
    }
}

static ag_status read_source(source *s, size_t limit, ag_idx *idx) {
    ag_status status = read_header(s, idx);
    if (!status) status = check_length(s, idx, limit);
    if (status) return status;
    idx->data = ag_alloc(idx->bytes);
    if (!idx->data)
        return ag_fail(s->error, AG_ERROR_MEMORY, AGX_PATH ": no memory for %zu bytes", s->path, idx->bytes);
    status = take(s, idx->data, idx->bytes, "fewer elements follow than the header promises");
    if (!status && s->packed) status = packed_finish(s);
    if (status) return status;
    size_t size = element_size(idx->type);
    if (size > 1) to_machine_order(idx->data, idx->count, size);
    return AG_OK;
}

ag_status ag_idx_read(const char *path, size_t limit, ag_idx *out, ag_error *error) {
    memset(out, 0, sizeof *out);
    if (limit == 0) limit = (size_t)(UINT64_C(4) << 30 < SIZE_MAX ? UINT64_C(4) << 30 : SIZE_MAX / 2);
    /* What deflate cannot shrink grows by 5 bytes in 16 KiB and the wrapper's few; a wrapper may name its file. */
    size_t longest, size;
    if (!ag_size_add(limit, limit / 1024 + 65536, &longest)) longest = SIZE_MAX;
    unsigned char *file;
    ag_status status = agx_file_read(path, longest, &file, &size, error);
    if (status) return status;

    source s = {.next = file, .left = size, .size = size, .path = path, .error = error};
    s.packed = size >= 2 && file[0] == 0x1F && file[1] == 0x8B;
    if (s.packed) status = packed_open(&s);
    if (!status) {
        status = read_source(&s, limit, out);
        if (s.packed) packed_close(&s);
    }
    if (status) ag_idx_clear(out);
    ag_release(file, size);
    return status;
}

void ag_idx_clear(ag_idx *idx) {
    ag_release(idx->data, idx->bytes);
    memset(idx, 0, sizeof *idx);
}

double ag_idx_get(const ag_idx *idx, int64_t i) {
    if (i < 0 || i >= idx->count) return NAN;
    switch (idx->type) {
    case 0x08: return ((const uint8_t *)idx->data)[i];
    case 0x09: return ((const int8_t *)idx->data)[i];
    case 0x0B: return ((const int16_t *)idx->data)[i];
    case 0x0C: return ((const int32_t *)idx->data)[i];
    case 0x0D: return (double)((const float *)idx->data)[i];
    case 0x0E: return ((const double *)idx->data)[i];
    default: return NAN;
    }
}
