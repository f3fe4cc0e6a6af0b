/* text: see text_impl.h. */
#include "text_impl.h"

#include <stdio.h>

static bool grow(nnx_text *t, size_t more) {
    const size_t room = 2 * t->room + more;
    char *larger = ag_realloc(t->at, t->room, room);
    if (!larger) return false;
    t->at = larger;
    t->room = room;
    return true;
}

void nnx_text_add(nnx_text *t, const char *format, ...) {
    va_list args;
    va_start(args, format);
    const int n = t->failed ? -1 : vsnprintf(NULL, 0, format, args);
    va_end(args);
    t->failed = n < 0 || (t->room - t->size <= (size_t)n && !grow(t, (size_t)n + 1));
    if (t->failed) return;
    va_start(args, format);
    (void)vsnprintf(t->at + t->size, t->room - t->size, format, args);
    va_end(args);
    t->size += (size_t)n;
}

void nnx_text_clear(nnx_text *t) {
    ag_release(t->at, t->room);
    *t = (nnx_text){.at = NULL};
}

nnx_buffer nnx_buffer_in(char *text, size_t size) {
    if (size) text[0] = '\0';
    return (nnx_buffer){text, size, 0};
}

void nnx_buffer_add(nnx_buffer *t, const char *format, ...) {
    const bool fits = t->length < t->size;
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(fits ? t->text + t->length : NULL, fits ? t->size - t->length : 0, format, args);
    va_end(args);
    if (n > 0) t->length += (size_t)n;
}
