/* safetensors_support: files made of a header and data, a sample of them, and an allocator that fails on demand. */
#ifndef SAFETENSORS_SUPPORT_H
#define SAFETENSORS_SUPPORT_H

#include <autograd/io/safetensors.h>

#include "support/folder.h"

/* A file of that header, of any bytes, and that data, in the folder as "x". */
static inline void put_bytes(const void *header, size_t n, const void *data, size_t size) {
    unsigned char *file = malloc(8 + n + size);
    for (size_t k = 0; k < 8; k++) file[k] = (unsigned char)((uint64_t)n >> 8 * k);
    memcpy(file + 8, header, n);
    memcpy(file + 8 + n, data, size);
    file_put(in_folder("x"), file, 8 + n + size);
    free(file);
}

static inline ag_status read_status(ag_error *error) {
    ag_error own = {0}, *e = error ? error : &own;
    *e = (ag_error){0};
    ag_safetensors *f = ag_safetensors_read(in_folder("x"), e);
    ck_assert((f == NULL) == (e->status != AG_OK));
    ag_safetensors_free(f);
    return e->status;
}

static const char zeros[1024];

/* What the reader says of a header in front of `size` zero bytes. */
static inline ag_status status_of(const char *header, size_t size, ag_error *error) {
    put_bytes(header, strlen(header), zeros, size);
    return read_status(error);
}

static inline ag_safetensors *must_read(const char *path) {
    ag_error error = {0};
    ag_safetensors *f = ag_safetensors_read(path, &error);
    ck_assert_msg(f != NULL, "%s", error.message);
    return f;
}

/* f32 (2, 3), i64 (), f64 (0, 5): 32 bytes of data. */
static const char sample[] = "{\"__metadata__\":{\"format\":\"pt\",\"by\":\"me\"},"
                             "\"b\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[24,32]},"
                             "\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
                             "\"e\":{\"dtype\":\"F64\",\"shape\":[0,5],\"data_offsets\":[32,32]}}";
enum { SAMPLE_DATA = 32 };

/* Refuses the allocation numbered `fail`, and counts what is alive. */
typedef struct failing {
    int calls, fail;
    long live;
} failing;

static inline void *failing_resize(void *user, void *old, size_t old_size, size_t new_size, size_t alignment) {
    failing *f = user;
    (void)alignment;
    if (new_size && f->calls++ == f->fail) return NULL;
    ag_set_allocator(NULL);
    void *block = NULL;
    if (new_size)
        block = old ? ag_realloc(old, old_size, new_size) : ag_alloc(new_size);
    else
        ag_release(old, old_size);
    ag_set_allocator(&(ag_allocator){failing_resize, f});
    f->live += (long)new_size - (long)old_size;
    return block;
}

#endif
