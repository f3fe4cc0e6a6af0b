/* text_impl: a text that grows, for files that are written whole. Internal. */
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

#endif
