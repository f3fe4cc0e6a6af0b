/* safetensors: the strict reader.
 *
 * A file is   u64 N, little-endian | header: N bytes of JSON | data   where the header is one object
 *
 *     {"__metadata__": {"key": "value", ...},
 *      "name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...}
 *
 * Invariants: sorted by offset, the tensors' spans begin at 0, touch, and end at the file's end, and a span is as
 * long as its shape and dtype say - all this is checked before the first tensor is made. All or nothing: a file
 * that fails gives no tensors at all.
 * Left out: writing (safetensors_write.c), tensors on demand, and the dtypes that would lose digits here. */
#include "safetensors.h"

#include <inttypes.h>
#include <string.h>

#include "file.h"
#include "json.h"
#include "order.h"

static const size_t header_limit = 100000000;

/* Element types of files, and what they become in memory. */
typedef enum stored { BOOL, U8, I32, I64, F16, BF16, F32, F64, STORED_COUNT } stored;
static const struct {
    const char *name;
    size_t size;
    ag_dtype dtype;
} stored_types[STORED_COUNT] = {
    [BOOL] = {"BOOL", 1, AG_BOOL}, [U8] = {"U8", 1, AG_I64},   [I32] = {"I32", 4, AG_I64},
    [I64] = {"I64", 8, AG_I64},    [F16] = {"F16", 2, AG_F32}, [BF16] = {"BF16", 2, AG_F32},
    [F32] = {"F32", 4, AG_F32},    [F64] = {"F64", 8, AG_F64},
};

typedef struct entry {
    const char *name;
    stored type;
    int rank;
    int64_t dim[AG_MAX_RANK];
    int64_t begin, end; /* bytes of the data */
    ag_tensor *tensor;
} entry;

typedef struct pair {
    const char *key, *value;
} pair;

struct ag_safetensors {
    agx_arena strings;
    entry *entries;
    size_t n, room;
    size_t *by_offset, *by_name; /* (n) indices of entries */
    pair *metadata;
    size_t n_metadata, metadata_room;
    bool has_metadata;
};

/* What a file is read with. */
typedef struct reader {
    agx_json json;
    ag_safetensors *file;
    const unsigned char *data;
    size_t data_size;
    const char *path;
    ag_error *error;
} reader;

/* A name as a message may show it: cut, and without control characters. */
enum { SHOWN = 64 };
static const char *shown(const char *name, char text[SHOWN]) {
    size_t n = 0;
    for (; name[n] && n < SHOWN - 1; n++)
        text[n] = (unsigned char)name[n] < 0x20 || name[n] == 0x7F ? '?' : name[n];
    text[agx_utf8_length(text, n)] = '\0'; /* no character is cut in two */
    return text;
}

static ag_status entry_fail(const reader *r, const entry *e, ag_status status, const char *what) {
    char name[SHOWN];
    return ag_fail(r->error, status, AGX_PATH ": tensor \"%s\": %s", r->path, shown(e->name, name), what);
}

static ag_status no_memory(const reader *r, const char *for_what) {
    return ag_fail(r->error, AG_ERROR_MEMORY, AGX_PATH ": no memory for %s", r->path, for_what);
}

/* Room for one more in an array that doubles. */
static void *grown(void *array, size_t n, size_t *room, size_t element) {
    if (n < *room) return array;
    size_t more = *room ? *room * 2 : 16;
    void *block = ag_realloc(array, *room * element, more * element);
    if (block) *room = more;
    return block;
}

/* ---- the header ---------------------------------------------------------------------------------------------- */

static ag_status read_metadata(reader *r) {
    agx_json *j = &r->json;
    ag_safetensors *f = r->file;
    if (f->has_metadata) return agx_json_fail(j, "\"__metadata__\" is there twice");
    f->has_metadata = true;
    ag_status status = agx_json_expect(j, '{');
    if (status || agx_json_accept(j, '}')) return status;
    do {
        pair *pairs = grown(f->metadata, f->n_metadata, &f->metadata_room, sizeof *pairs);
        if (!pairs) return no_memory(r, "its metadata");
        f->metadata = pairs;
        pair *p = &pairs[f->n_metadata];
        if ((status = agx_json_string(j, &f->strings, &p->key))) return status;
        if ((status = agx_json_expect(j, ':'))) return status;
        if ((status = agx_json_string(j, &f->strings, &p->value))) return status;
        f->n_metadata++;
    } while (agx_json_accept(j, ','));
    return agx_json_expect(j, '}');
}

static ag_status read_dtype(reader *r, entry *e) {
    agx_arena_mark mark = agx_arena_here(&r->file->strings);
    const char *name;
    ag_status status = agx_json_string(&r->json, &r->file->strings, &name);
    if (status) return status;
    e->type = 0;
    while (e->type < STORED_COUNT && strcmp(name, stored_types[e->type].name) != 0) e->type++;
    if (e->type == STORED_COUNT) {
        char tensor[SHOWN], dtype[SHOWN];
        return ag_fail(r->error, AG_ERROR_DTYPE, AGX_PATH ": tensor \"%s\": dtype \"%s\" is not read here",
                       r->path, shown(e->name, tensor), shown(name, dtype));
    }
    agx_arena_release(&r->file->strings, mark);
    return AG_OK;
}

static ag_status read_shape(reader *r, entry *e) {
    agx_json *j = &r->json;
    e->rank = 0;
    ag_status status = agx_json_expect(j, '[');
    if (status || agx_json_accept(j, ']')) return status;
    do {
        int64_t size;
        if ((status = agx_json_natural(j, &size))) return status;
        if (e->rank == AG_MAX_RANK) return entry_fail(r, e, AG_ERROR_LIMIT, "its rank is above 8");
        e->dim[e->rank++] = size;
    } while (agx_json_accept(j, ','));
    return agx_json_expect(j, ']');
}

static ag_status read_offsets(reader *r, entry *e) {
    agx_json *j = &r->json;
    ag_status status = agx_json_expect(j, '[');
    if (!status) status = agx_json_natural(j, &e->begin);
    if (!status) status = agx_json_expect(j, ',');
    if (!status) status = agx_json_natural(j, &e->end);
    if (!status) status = agx_json_expect(j, ']');
    return status;
}

/* The object that describes a tensor: three members, each once, in any order. */
static ag_status read_entry(reader *r, const char *name) {
    static const struct {
        const char *name;
        ag_status (*read)(reader *r, entry *e);
    } members[] = {{"dtype", read_dtype}, {"shape", read_shape}, {"data_offsets", read_offsets}};
    enum { MEMBERS = sizeof members / sizeof *members };

    ag_safetensors *f = r->file;
    entry *entries = grown(f->entries, f->n, &f->room, sizeof *entries);
    if (!entries) return no_memory(r, "its list of tensors");
    f->entries = entries;
    entry *e = &entries[f->n];
    *e = (entry){.name = name};

    ag_status status = agx_json_expect(&r->json, '{');
    if (status) return status;
    unsigned seen = 0;
    do {
        agx_arena_mark mark = agx_arena_here(&f->strings);
        const char *key;
        if ((status = agx_json_string(&r->json, &f->strings, &key))) return status;
        unsigned k = 0;
        while (k < MEMBERS && strcmp(key, members[k].name) != 0) k++;
        agx_arena_release(&f->strings, mark);
        if (k == MEMBERS)
            return agx_json_fail(&r->json, "a tensor has dtype, shape and data_offsets, nothing else");
        if (seen & 1u << k)
            return agx_json_fail(&r->json, "a tensor's dtype, shape or data_offsets is there twice");
        seen |= 1u << k;
        if ((status = agx_json_expect(&r->json, ':'))) return status;
        if ((status = members[k].read(r, e))) return status;
    } while (agx_json_accept(&r->json, ','));
    if (seen != (1u << MEMBERS) - 1)
        return agx_json_fail(&r->json, "a tensor's dtype, shape or data_offsets is missing");
    f->n++;
    return agx_json_expect(&r->json, '}');
}

static ag_status read_header(reader *r) {
    agx_json *j = &r->json;
    j->at = agx_utf8_length(j->text, j->size);
    if (j->at < j->size) return agx_json_fail(j, "not valid UTF-8");
    j->at = 0;
    if (j->size == 0 || j->text[0] != '{') return agx_json_fail(j, "the header must begin with '{'");
    ag_status status = agx_json_expect(j, '{');
    if (status) return status;
    if (!agx_json_accept(j, '}')) {
        do {
            const char *name;
            if ((status = agx_json_string(j, &r->file->strings, &name))) return status;
            if ((status = agx_json_expect(j, ':'))) return status;
            status = strcmp(name, "__metadata__") == 0 ? read_metadata(r) : read_entry(r, name);
            if (status) return status;
        } while (agx_json_accept(j, ','));
        if ((status = agx_json_expect(j, '}'))) return status;
    }
    return agx_json_end(j);
}

/* ---- the header's claims --------------------------------------------------------------------------------------- */

static bool name_before(const void *elements, size_t i, size_t j) {
    const entry *e = elements;
    return strcmp(e[i].name, e[j].name) < 0;
}

static bool key_before(const void *elements, size_t i, size_t j) {
    const pair *p = elements;
    return strcmp(p[i].key, p[j].key) < 0;
}

/* Empty tensors share their offset with the next; they come first, in the order of the header. */
static bool offset_before(const void *elements, size_t i, size_t j) {
    const entry *e = elements;
    if (e[i].begin != e[j].begin) return e[i].begin < e[j].begin;
    if (e[i].end != e[j].end) return e[i].end < e[j].end;
    return i < j;
}

static ag_status check_names(reader *r) {
    ag_safetensors *f = r->file;
    f->by_offset = ag_alloc(f->n * sizeof *f->by_offset);
    f->by_name = ag_alloc(f->n * sizeof *f->by_name);
    size_t *keys = ag_alloc(f->n_metadata * sizeof *keys);
    ag_status status = AG_OK;
    if (!f->by_offset || !f->by_name || !keys) status = no_memory(r, "its tables");
    if (!status) {
        agx_order(f->by_offset, f->n, offset_before, f->entries);
        agx_order(f->by_name, f->n, name_before, f->entries);
        agx_order(keys, f->n_metadata, key_before, f->metadata);
    }
    for (size_t i = 1; i < f->n && !status; i++) {
        const entry *e = &f->entries[f->by_name[i]];
        if (strcmp(e->name, f->entries[f->by_name[i - 1]].name) == 0)
            status = entry_fail(r, e, AG_ERROR_FORMAT, "the name is there twice");
    }
    for (size_t i = 1; i < f->n_metadata && !status; i++) {
        const char *key = f->metadata[keys[i]].key;
        char text[SHOWN];
        if (strcmp(key, f->metadata[keys[i - 1]].key) == 0)
            status = ag_fail(r->error, AG_ERROR_FORMAT, AGX_PATH ": metadata \"%s\" is there twice", r->path,
                             shown(key, text));
    }
    ag_release(keys, f->n_metadata * sizeof *keys);
    return status;
}

/* The bytes that shape and dtype call for; false when they cannot be counted, in the file or in memory. */
static bool entry_bytes(const entry *e, int64_t *bytes) {
    ag_meta meta;
    if (ag_meta_init(&meta, stored_types[e->type].dtype, e->rank, e->dim, NULL)) return false;
    *bytes = ag_meta_count(&meta) * (int64_t)stored_types[e->type].size; /* never wider than in memory */
    return true;
}

static ag_status check_spans(const reader *r) {
    const ag_safetensors *f = r->file;
    int64_t at = 0, bytes;
    for (size_t i = 0; i < f->n; i++) {
        const entry *e = &f->entries[f->by_offset[i]];
        if (e->end < e->begin) return entry_fail(r, e, AG_ERROR_FORMAT, "its offsets are reversed");
        if ((uint64_t)e->end > r->data_size)
            return entry_fail(r, e, AG_ERROR_FORMAT, "it ends beyond the end of the file");
        if (e->begin > at) return entry_fail(r, e, AG_ERROR_FORMAT, "there is a hole before it");
        if (e->begin < at) return entry_fail(r, e, AG_ERROR_FORMAT, "it overlaps another");
        if (!entry_bytes(e, &bytes) || bytes != e->end - e->begin)
            return entry_fail(r, e, AG_ERROR_FORMAT, "its shape and dtype do not fit its offsets");
        at = e->end;
    }
    if ((uint64_t)at != r->data_size)
        return ag_fail(r->error, AG_ERROR_FORMAT,
                       AGX_PATH ": tensors end at byte %" PRId64 " of %zu bytes of data", r->path, at,
                       r->data_size);
    return AG_OK;
}

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

static uint64_t load_little(const unsigned char *bytes, size_t size) {
    uint64_t bits = 0;
    for (size_t k = size; k-- > 0;) bits = bits << 8 | bytes[k];
    return bits;
}

/* The bits of the f32 that equals an f16: 1 sign, 5 exponent and 10 fraction bits. Exact; NaN keeps its payload. */
static uint32_t widen_f16(uint32_t half) {
    const uint32_t rebias = 127 - 15;
    uint32_t sign = (half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 0x3FF;
    if (exponent == 31) return sign | 0x7F800000 | fraction << 13;
    if (exponent == 0 && fraction == 0) return sign;
    exponent += rebias;
    if (exponent == rebias) {
        /* Subnormal: the leading one moves up to the implicit place, each step one down in the exponent. */
        for (exponent++; !(fraction & 0x400); fraction <<= 1) exponent--;
        fraction &= 0x3FF;
    }
    return sign | exponent << 23 | fraction << 13;
}

static void decode(stored type, const unsigned char *from, void *to, int64_t n) {
    size_t size = stored_types[type].size;
    for (int64_t i = 0; i < n; i++, from += size) {
        uint64_t bits = load_little(from, size);
        uint32_t four = (uint32_t)bits;
        switch (type) {
        case BOOL: ((uint8_t *)to)[i] = bits != 0; continue;
        case U8: ((int64_t *)to)[i] = (int64_t)bits; continue;
        case I32:
            ((int64_t *)to)[i] = four < 0x80000000 ? (int64_t)four : (int64_t)four - (INT64_C(1) << 32);
            continue;
        case F16: four = widen_f16(four); break;
        case BF16: four <<= 16; break;
        case F32: break;
        case I64:
        case F64: memcpy((uint64_t *)to + i, &bits, 8); continue;
        case STORED_COUNT: continue;
        }
        memcpy((uint32_t *)to + i, &four, 4);
    }
}

static ag_status make_tensors(reader *r) {
    ag_safetensors *f = r->file;
    for (size_t i = 0; i < f->n; i++) {
        entry *e = &f->entries[f->by_offset[i]];
        e->tensor = ag_tensor_new(stored_types[e->type].dtype, e->rank, e->dim, r->error);
        if (!e->tensor) return entry_fail(r, e, AG_ERROR_MEMORY, "no memory for it");
        if (ag_tensor_set_name(e->tensor, e->name))
            return entry_fail(r, e, AG_ERROR_MEMORY, "no memory for its name");
        decode(e->type, r->data + e->begin, ag_tensor_write(e->tensor), ag_tensor_count(e->tensor));
    }
    return AG_OK;
}

/* ---- the file ------------------------------------------------------------------------------------------------------ */

static ag_status read_file(reader *r, const unsigned char *bytes, size_t size) {
    if (size < 8) return ag_fail(r->error, AG_ERROR_FORMAT, AGX_PATH ": is shorter than 8 bytes", r->path);
    uint64_t length = load_little(bytes, 8);
    if (length > header_limit || length > size - 8)
        return ag_fail(r->error, AG_ERROR_FORMAT,
                       AGX_PATH ": a header of %" PRIu64 " bytes in a file of %zu, limit %zu", r->path, length,
                       size, header_limit);
    r->json = (agx_json){.text = bytes + 8, .size = (size_t)length, .path = r->path, .error = r->error};
    r->data = bytes + 8 + length;
    r->data_size = size - 8 - (size_t)length;
    ag_status status = read_header(r);
    if (!status) status = check_names(r);
    if (!status) status = check_spans(r);
    if (!status) status = make_tensors(r);
    return status;
}

ag_safetensors *ag_safetensors_read(const char *path, ag_error *error) {
    unsigned char *bytes;
    size_t size;
    if (agx_file_read(path, SIZE_MAX / 2, &bytes, &size, error)) return NULL;
    reader r = {.path = path, .error = error};
    r.file = ag_alloc_zeroed(sizeof *r.file);
    ag_status status = r.file ? AG_OK : no_memory(&r, "it");
    if (!status) {
        agx_arena_init(&r.file->strings);
        status = read_file(&r, bytes, size);
    }
    ag_release(bytes, size);
    if (!status) return r.file;
    ag_safetensors_free(r.file);
    return NULL;
}

void ag_safetensors_free(ag_safetensors *file) {
    if (!file) return;
    for (size_t i = 0; i < file->n; i++) ag_tensor_free(file->entries[i].tensor);
    ag_release(file->entries, file->room * sizeof *file->entries);
    ag_release(file->metadata, file->metadata_room * sizeof *file->metadata);
    ag_release(file->by_offset, file->n * sizeof *file->by_offset);
    ag_release(file->by_name, file->n * sizeof *file->by_name);
    agx_arena_clear(&file->strings);
    ag_release(file, sizeof *file);
}

size_t ag_safetensors_count(const ag_safetensors *file) { return file->n; }

const char *ag_safetensors_name(const ag_safetensors *file, size_t i) {
    return i < file->n ? file->entries[file->by_offset[i]].name : NULL;
}

ag_tensor *ag_safetensors_tensor(const ag_safetensors *file, size_t i) {
    return i < file->n ? file->entries[file->by_offset[i]].tensor : NULL;
}

ag_tensor *ag_safetensors_find(const ag_safetensors *file, const char *name) {
    size_t low = 0, high = file->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const entry *e = &file->entries[file->by_name[middle]];
        int side = strcmp(name, e->name);
        if (side == 0) return e->tensor;
        if (side < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const char *ag_safetensors_metadata(const ag_safetensors *file, const char *key) {
    for (size_t i = 0; i < file->n_metadata; i++)
        if (strcmp(file->metadata[i].key, key) == 0) return file->metadata[i].value;
    return NULL;
}
