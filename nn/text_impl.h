/* text_impl: texts put together piece by piece - one that grows, for files that are written whole, and one in the
 * caller's room, for tables. Internal. */
#ifndef NNX_TEXT_IMPL_H
#define NNX_TEXT_IMPL_H

#include <autograd/base.h>

/** Begin with zeros; release with nnx_text_clear. */
typedef struct nnx_text {
    char *at; /* (size) of (room), a NUL behind */
    size_t size, room;
    bool failed; /* out of memory, once and for all: what is added is lost */
} nnx_text;

void nnx_text_add(nnx_text *t, const char *format, ...) AG_PRINTF(2, 3);
void nnx_text_clear(nnx_text *t);

/** Text in room that is given: cut where it no longer fits, and measured on. */
typedef struct nnx_buffer {
    char *text; /* (size), ends in a NUL unless size is 0; NULL with that */
    size_t size, length;
} nnx_buffer;

nnx_buffer nnx_buffer_in(char *text, size_t size);
void nnx_buffer_add(nnx_buffer *b, const char *format, ...) AG_PRINTF(2, 3);

#endif
