/* export_support: what the tests of inspection and of its formats share. */
#ifndef EXPORT_SUPPORT_H
#define EXPORT_SUPPORT_H

#include "core_support.h"

typedef struct text {
    char *bytes;
    size_t size, room; /* room: fail beyond */
} text;

static inline bool collect(void *user, const void *bytes, size_t size) {
    text *t = user;
    if (t->size + size > t->room) return false;
    t->bytes = realloc(t->bytes, t->size + size + 1);
    ck_assert_ptr_nonnull(t->bytes);
    memcpy(t->bytes + t->size, bytes, size);
    t->size += size;
    t->bytes[t->size] = '\0';
    return true;
}

static inline ag_inspection *inspect(ag_value root) {
    ag_error error = {0};
    ag_inspection *seen = ag_inspect(root, NULL, &error);
    ck_assert_msg(seen != NULL, "%s", error.message);
    return seen;
}

static inline text export_as(const ag_inspection *seen, ag_exporter *format) {
    text t = {.room = SIZE_MAX / 2};
    ag_error error = {0};
    ck_assert_msg(format(seen, (ag_sink){.write = collect, .user = &t}, &error) == AG_OK, "%s", error.message);
    return t;
}

static inline text exported(ag_value root, ag_exporter *format) {
    ag_inspection *seen = inspect(root);
    text t = export_as(seen, format);
    ag_inspection_free(seen);
    return t;
}

static inline void holds(const text *t, const char *part) {
    ck_assert_msg(strstr(t->bytes, part) != NULL, "'%s' is not in:\n%s", part, t->bytes);
}

#endif
